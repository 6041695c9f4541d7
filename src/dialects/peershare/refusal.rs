//! Why something is refused, with the codes that clients know.

use super::issue::Issue;
use crate::error::Error;
use serde::Serialize;

/// Why a message was refused. The codes are part of the protocol; the words are shown to people.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Not JSON (`None`), or not as messages must be.
    Invalid(Option<Vec<Issue>>),
    /// There is no such group, or no more.
    GroupNotFound,
    /// The sender is not the user that it names, or in no group; or there is no such member.
    UserNotFound,
    /// Nobody in the group is reached under this id.
    PeerNotFound,
    /// Somebody else is reached under this id.
    PeerIdTaken,
    /// The group's owner has locked it.
    GroupLocked,
    /// The group has as many members as it may.
    GroupFull,
    /// For the group's owner, or the GM, only.
    Forbidden,
    /// Too often.
    RateLimited {
        /// After how many milliseconds it may work.
        retry_after_ms: u64,
    },
    /// Too many groups, of this address or in all.
    ServerBusy,
}

/// What an error has besides code and words.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Details<'a> {
    /// What is wrong with a message.
    ValidationErrors(&'a [Issue]),
    /// When to come again.
    RetryAfterMs(u64),
}

impl Refusal {
    /// Too many attempts, in this protocol's words.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::TooManyAttempts { wait_seconds } => Self::RateLimited {
                retry_after_ms: wait_seconds.saturating_mul(1000),
            },
            _ => Self::ServerBusy,
        }
    }

    /// The code for programs and the words for people.
    pub fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Invalid(None) => ("INVALID_MESSAGE", "The message is not JSON"),
            Self::Invalid(Some(_)) => ("INVALID_MESSAGE", "The message is not as it must be"),
            Self::GroupNotFound => ("GROUP_NOT_FOUND", "There is no such group"),
            Self::UserNotFound => ("USER_NOT_FOUND", "There is no such member of a group"),
            Self::PeerNotFound => ("PEER_NOT_FOUND", "Nobody in the group can be called so"),
            Self::PeerIdTaken => ("PEER_ID_TAKEN", "Somebody else has this peer id"),
            Self::GroupLocked => ("GROUP_LOCKED", "The group is locked by its owner"),
            Self::GroupFull => ("GROUP_FULL", "The group is full"),
            Self::Forbidden => ("FORBIDDEN", "You may not do that here"),
            Self::RateLimited { .. } => ("RATE_LIMITED", "Too many messages, wait a moment"),
            Self::ServerBusy => ("SERVER_BUSY", "There are too many groups"),
        }
    }

    /// What else there is to say.
    pub fn details(&self) -> Option<Details<'_>> {
        match self {
            Self::Invalid(Some(issues)) => Some(Details::ValidationErrors(issues)),
            Self::RateLimited { retry_after_ms } => Some(Details::RetryAfterMs(*retry_after_ms)),
            Self::Invalid(None)
            | Self::GroupNotFound
            | Self::UserNotFound
            | Self::PeerNotFound
            | Self::PeerIdTaken
            | Self::GroupLocked
            | Self::GroupFull
            | Self::Forbidden
            | Self::ServerBusy => None,
        }
    }
}
