//! The one error type: a meaning comes in, a status and FastAPI's `{"detail": ...}` go out.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What every fallible operation of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request failed, named by meaning. [`ResponseError::status_code`] is the only place that
/// picks a status.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thing asked for does not exist, or may not be known to the caller. The text is whole.
    #[error("{0}")]
    NotFound(String),
    /// The path exists, the method does not.
    #[error("Method Not Allowed")]
    MethodNotAllowed {
        /// The methods that do exist, as the `Allow` header lists them.
        allow: String,
    },
    /// Something else is already there, or a folder is not empty.
    #[error("{0}")]
    Conflict(String),
    /// The request makes no sense; the text says why and what would.
    #[error("{0}")]
    Invalid(String),
    /// Fields of the request do not fit: FastAPI's list of problems.
    #[error("the request has {} invalid field(s)", .0.len())]
    Validation(Vec<Problem>),
    /// The caller's role is too low; the text names the setting that would allow it.
    #[error("{0}")]
    Forbidden(String),
    /// The password is wrong, or there is none to sign in with. The text says which.
    #[error("{0}")]
    Unauthenticated(String),
    /// Name and password do not fit, or a token does not count: what clients of `Authorization:
    /// Bearer` are told.
    #[error("{0}")]
    BadCredentials(&'static str),
    /// Somebody at this address has guessed too often.
    #[error("too many attempts from this address: try again in {wait_seconds} s")]
    TooManyAttempts {
        /// After so long the next attempt counts.
        wait_seconds: u64,
    },
    /// The `Host` is none of this server's names (protection against DNS rebinding).
    #[error("{0}")]
    Misdirected(String),
    /// `If-Match`, `If-None-Match` or `If-Unmodified-Since` did not hold (RFC 9110, section 13).
    #[error("{0}")]
    PreconditionFailed(String),
    /// More bytes than the limit for this kind of thing.
    #[error("{what} is larger than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// What was sent, for the sentence.
        what: &'static str,
        /// The limit in force, in bytes.
        limit_bytes: u64,
    },
    /// Bytes of a type that this library does not take.
    #[error("{0}")]
    UnsupportedType(String),
    /// The requested range lies outside the file.
    #[error("the file has {size} bytes; the requested range lies outside")]
    RangeNotSatisfiable {
        /// Size of the file in bytes, for `Content-Range: bytes */size`.
        size: u64,
    },
    /// Try again in a moment.
    #[error("{0}")]
    Unavailable(String),
    /// The disk (or a quota) is full.
    #[error("the disk is full: nothing was changed; free some space and try again")]
    DiskFull,
    /// Something could not be made durable; the text says what that means.
    #[error("{0}")]
    NotSaved(String),
    /// The client learns nothing more; the cause goes to the log, with the request.
    #[error("internal error; the server's log has the cause")]
    Internal(#[source] std::io::Error),
}

/// Body of every error answer.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    /// One sentence.
    #[schema(example = "Map 'crypt.png' not found")]
    pub detail: String,
}

/// Body of a 422 answer: one entry per problem.
#[derive(Serialize, ToSchema)]
pub struct ValidationBody {
    /// The problems, in the order in which they were found.
    pub detail: Vec<Problem>,
}

/// One entry of FastAPI's validation list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// Machine-readable kind, such as `missing` or `string_type`.
    #[serde(rename = "type")]
    #[schema(example = "missing")]
    pub kind: &'static str,
    /// Where: `"body"`, `"path"` or `"query"`, then field names and list positions.
    #[schema(value_type = Vec<Value>, example = json!(["body", "name"]))]
    pub loc: Vec<Value>,
    /// One sentence for people.
    #[schema(example = "Field required")]
    pub msg: String,
    /// The offending value, or the object that lacks the field.
    pub input: Value,
    /// Further facts, for some kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ctx: Option<Value>,
}

impl Problem {
    /// A required field is absent; `input` is the object that lacks it.
    pub fn missing(loc: Vec<Value>, input: Value) -> Self {
        Self::new("missing", loc, "Field required", input)
    }

    /// A problem without further facts.
    pub fn new(kind: &'static str, loc: Vec<Value>, msg: &str, input: Value) -> Self {
        Self {
            kind,
            loc,
            msg: msg.to_owned(),
            input,
            ctx: None,
        }
    }

    /// The body is not JSON; `offset` is the byte at which reading stopped.
    pub fn broken_json(offset: usize, reason: &str) -> Self {
        Self {
            ctx: Some(json!({ "error": reason })),
            ..Self::new(
                "json_invalid",
                vec!["body".into(), offset.into()],
                "JSON decode error",
                json!({}),
            )
        }
    }
}

impl Error {
    /// Why `what` could not be written; a cause that a person can mend is told.
    pub fn not_written(what: &str, cause: std::io::Error) -> Self {
        if !is_forbidden(&cause) {
            return cause.into();
        }
        tracing::warn!(%cause, "{what} cannot be written: {cause}");
        Self::NotSaved(format!("{what} cannot be written; check its permissions"))
    }

    /// For the log: what a client is told, or the cause that it is not told.
    pub fn cause(&self) -> String {
        match self {
            Self::Internal(cause) => cause.to_string(),
            told => told.to_string(),
        }
    }
}

/// Whether the system does not let us, whatever there is.
pub fn is_forbidden(cause: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(cause.kind(), K::PermissionDenied | K::ReadOnlyFilesystem)
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Validation(vec![problem])
    }
}

impl From<std::io::Error> for Error {
    fn from(cause: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        match cause.kind() {
            K::StorageFull | K::QuotaExceeded => Self::DiskFull,
            K::InvalidFilename => Self::Invalid("the name is too long for this disk".into()),
            _ => Self::Internal(cause),
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Validation(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unauthenticated(_) | Self::BadCredentials(_) => StatusCode::UNAUTHORIZED,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::PreconditionFailed(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::DiskFull | Self::NotSaved(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        match self {
            Self::MethodNotAllowed { allow } => {
                answer.insert_header((header::ALLOW, allow.as_str()));
            }
            Self::RangeNotSatisfiable { size } => {
                answer.insert_header((header::CONTENT_RANGE, format!("bytes */{size}")));
            }
            Self::Unauthenticated(_) => {
                // Not a scheme for which browsers would ask in a window of their own.
                answer.insert_header((header::WWW_AUTHENTICATE, "Cookie realm=\"tablekeep\""));
            }
            Self::BadCredentials(_) => {
                answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            Self::TooManyAttempts { wait_seconds } => {
                answer.insert_header((header::RETRY_AFTER, wait_seconds.to_string()));
            }
            Self::Unavailable(_) => {
                answer.insert_header((header::RETRY_AFTER, "1"));
            }
            _ => {}
        }
        match self {
            Self::Validation(problems) => answer.json(ValidationBody {
                detail: problems.clone(),
            }),
            _ => answer.json(ErrorBody {
                detail: self.to_string(),
            }),
        }
    }
}
