//! Why something is refused, with the words that clients know.

use super::say::Said;
use crate::access::Busy;

/// Why a message was refused. Code and words are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not JSON, not an object, no type, a field missing or of the wrong type.
    InvalidJson,
    /// A type that this protocol does not have.
    UnknownType,
    /// A binary message.
    Binary,
    /// Only members may do that.
    NotInRoom,
    /// Members may not do that.
    AlreadyInRoom,
    /// No room has this join key, or no more.
    RoomNotFound,
    /// The room has a password and none was given.
    PasswordRequired,
    /// Another password than the room's.
    InvalidPassword,
    /// No seat is left.
    RoomFull,
    /// Somebody there is called the same.
    NameTaken,
    /// A name that nobody can have.
    InvalidName,
    /// A name that no room can have.
    InvalidRoomName,
    /// Too long, or with control characters.
    InvalidDescription,
    /// Too long for a password.
    InvalidPasswordFormat,
    /// A message without content.
    EmptyMessage,
    /// A message above the limit.
    MessageTooLarge,
    /// The room is end-to-end encrypted and this message is not.
    InvalidEnvelope,
    /// Encrypted with a key that does not count any more, or not yet.
    StaleEpoch,
    /// The room is end-to-end encrypted and the client does not say that it can do that.
    E2eRequired,
    /// Not a public key, or of another kind than the room's.
    InvalidPublicKey,
    /// Not a wrapped key, or not one for each who needs one.
    InvalidWrappedKey,
    /// Unknown, expired or another room's.
    FileNotFound,
    /// Bad base64, name or media type.
    InvalidFile,
    /// A file above the limit.
    FileTooLarge,
    /// The room has no space for the file.
    FileQuota,
    /// For the owner only.
    Forbidden,
    /// No such session, or no more.
    ResumeFailed,
    /// Too often.
    RateLimited {
        /// After how many milliseconds it may work.
        retry_after_ms: u64,
    },
    /// Too much for the server just now.
    ServerBusy,
}

impl Refusal {
    /// The code for programs and the words for people.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidJson => ("invalid_json", "Invalid message format"),
            Self::UnknownType => ("unknown_type", "Unknown message type"),
            Self::Binary => ("binary_not_supported", "Binary messages are not supported"),
            Self::NotInRoom => ("not_in_room", "Not in a room"),
            Self::AlreadyInRoom => ("already_in_room", "Already in a room"),
            Self::RoomNotFound => ("room_not_found", "Room not found"),
            Self::PasswordRequired => ("password_required", "Password required"),
            Self::InvalidPassword => ("invalid_password", "Invalid password"),
            Self::RoomFull => ("room_full", "Room is full"),
            Self::NameTaken => ("name_taken", "Name already taken"),
            Self::InvalidName => ("invalid_name", "Invalid name"),
            Self::InvalidRoomName => ("invalid_room_name", "Invalid room name"),
            Self::InvalidDescription => ("invalid_description", "Invalid description"),
            Self::InvalidPasswordFormat => ("invalid_password_format", "Invalid password format"),
            Self::EmptyMessage => ("empty_message", "Message is empty"),
            Self::MessageTooLarge => ("message_too_large", "Message is too large"),
            Self::InvalidEnvelope => ("invalid_envelope", "Message is not an encrypted envelope"),
            Self::StaleEpoch => ("stale_epoch", "Message uses an outdated key"),
            Self::E2eRequired => (
                "e2e_required",
                "This room requires end-to-end encryption support",
            ),
            Self::InvalidPublicKey => ("invalid_key", "Invalid public key"),
            Self::InvalidWrappedKey => ("invalid_key", "Invalid wrapped key"),
            Self::FileNotFound => ("file_not_found", "File not found"),
            Self::InvalidFile => ("invalid_file", "Invalid file"),
            Self::FileTooLarge => ("file_too_large", "File is too large"),
            Self::FileQuota => ("file_quota", "Room storage is full"),
            Self::Forbidden => ("forbidden", "Only the owner can do that"),
            Self::ResumeFailed => ("resume_failed", "Session cannot be resumed"),
            Self::RateLimited { .. } => ("rate_limited", "Too many requests"),
            Self::ServerBusy => ("server_busy", "Server is busy"),
        }
    }

    /// As the server says it.
    pub fn said(self) -> Said {
        let (code, words) = self.words();
        let wait = match self {
            Self::RateLimited { retry_after_ms } => retry_after_ms.to_string(),
            _ => "null".to_owned(),
        };
        Said::new("Error")
            .text("message", words)
            .text("code", code)
            .raw("retry_after_ms", &wait)
    }
}

impl From<Busy> for Refusal {
    fn from(Busy: Busy) -> Self {
        Self::ServerBusy
    }
}
