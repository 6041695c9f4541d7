//! How login and rooms say no: with their own bodies.

use super::scheduler::SchedError;
use crate::error::Error;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

/// Media type of JSON answers, as the originals spell it.
pub(super) const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Seconds after which to ask again, when nobody knows better.
const SOON: u64 = 1;

/// Why there is no other answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No name that somebody could have.
    #[error("userId must be a text of 1 to 64 characters, without control characters")]
    InvalidUserId,
    /// Not JSON.
    #[error("the body must be JSON such as {{\"userId\":\"alice\"}}")]
    InvalidJson,
    /// More bytes than a body may have.
    #[error("the body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// Too often from one address.
    #[error("too many requests from this address: try again in {wait_seconds} s")]
    RateLimited {
        /// After so long the next one counts.
        wait_seconds: u64,
    },
    /// All session servers have as many rooms as they take.
    #[error("every session server is full: try again later")]
    NoCapacity,
    /// People are in as many rooms of one address as it may have.
    #[error(
        "people are in as many rooms of this address as it may have: try again when one is empty"
    )]
    ShareTaken,
    /// Nobody knows which rooms there are.
    #[error("the scheduler cannot be reached: try again in a moment")]
    SchedulerUnavailable,
    /// No token, or one that does not count.
    #[error("Forbidden")]
    Forbidden,
    /// No such room.
    #[error("Not Found")]
    NotFound,
    /// Something broke that should not; the log has the cause.
    #[error("Internal Server Error")]
    Internal,
}

/// Body of most error answers here.
#[derive(Serialize, ToSchema)]
pub struct RefusalBody {
    /// For programs.
    #[schema(example = "invalid_user_id")]
    error: &'static str,
    /// For people.
    #[schema(example = "the scheduler cannot be reached: try again in a moment")]
    message: String,
}

impl Refusal {
    /// For programs; the originals' words have no body but themselves.
    fn code(&self) -> Option<&'static str> {
        match self {
            Self::InvalidUserId => Some("invalid_user_id"),
            Self::InvalidJson => Some("invalid_json"),
            Self::TooLarge { .. } => Some("too_large"),
            Self::RateLimited { .. } => Some("rate_limited"),
            Self::NoCapacity | Self::ShareTaken => Some("no_capacity"),
            Self::SchedulerUnavailable => Some("scheduler_unavailable"),
            Self::Forbidden | Self::NotFound | Self::Internal => None,
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::InvalidUserId | Self::InvalidJson => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NoCapacity | Self::ShareTaken | Self::SchedulerUnavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        let wait = match self {
            Self::RateLimited { wait_seconds } => Some(*wait_seconds),
            Self::NoCapacity | Self::ShareTaken | Self::SchedulerUnavailable => Some(SOON),
            _ => None,
        };
        if let Some(wait) = wait {
            answer.insert_header((header::RETRY_AFTER, wait.to_string()));
        }
        let message = self.to_string();
        match self.code() {
            None => answer.content_type(TEXT).body(message),
            Some(error) => answer
                .content_type(JSON)
                .json(RefusalBody { error, message }),
        }
    }
}

impl From<SchedError> for Refusal {
    fn from(error: SchedError) -> Self {
        match error {
            SchedError::NoCapacity => Self::NoCapacity,
            SchedError::ShareTaken => Self::ShareTaken,
            SchedError::Unavailable | SchedError::RateLimited => Self::SchedulerUnavailable,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::TooManyAttempts { wait_seconds } => Self::RateLimited { wait_seconds },
            other => {
                tracing::error!(error = %other, "request failed: {other}");
                Self::Internal
            }
        }
    }
}
