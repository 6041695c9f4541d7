//! What bounds the encrypted chat rooms.

use super::{seconds, size};
use std::num::NonZeroU32;
use std::time::Duration;

/// Everything about chat rooms that is bounded.
// Each has an id of its own because those of all settings share one space.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits of chat rooms")]
pub struct ChatLimits {
    /// Chat rooms at the same time
    #[arg(
        id = "chat-rooms",
        long = "chat-rooms",
        env = "TABLEKEEP_CHAT_ROOMS",
        value_name = "N",
        default_value_t = 10_000,
        hide_short_help = true
    )]
    pub rooms: usize,
    /// Chat rooms at the same time that one address has made
    #[arg(
        id = "chat-rooms-per-address",
        long = "chat-rooms-per-address",
        env = "TABLEKEEP_CHAT_ROOMS_PER_ADDRESS",
        value_name = "N",
        default_value_t = 500,
        hide_short_help = true
    )]
    pub rooms_per_address: usize,
    /// People in one chat room
    #[arg(id = "chat-members", long = "chat-members", env = "TABLEKEEP_CHAT_MEMBERS", value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..), hide_short_help = true)]
    pub members: u16,
    /// Longest chat message
    #[arg(id = "chat-max-message-bytes", long = "chat-max-message-bytes", env = "TABLEKEEP_CHAT_MAX_MESSAGE_BYTES", value_name = "SIZE", default_value = "64K", value_parser = size, hide_short_help = true)]
    pub message_bytes: u64,
    /// Largest file in a chat room
    #[arg(id = "chat-max-file-bytes", long = "chat-max-file-bytes", env = "TABLEKEEP_CHAT_MAX_FILE_BYTES", value_name = "SIZE", default_value = "5M", value_parser = size, hide_short_help = true)]
    pub file_bytes: u64,
    /// Files in one chat room
    #[arg(
        id = "chat-room-files",
        long = "chat-room-files",
        env = "TABLEKEEP_CHAT_ROOM_FILES",
        value_name = "N",
        default_value_t = 200,
        hide_short_help = true
    )]
    pub room_files: usize,
    /// All files of one chat room together
    #[arg(id = "chat-room-bytes", long = "chat-room-bytes", env = "TABLEKEEP_CHAT_ROOM_BYTES", value_name = "SIZE", default_value = "50M", value_parser = size, hide_short_help = true)]
    pub room_bytes: u64,
    /// Memory for files and for messages that are kept for resuming, of all chat rooms together
    #[arg(id = "chat-memory", long = "chat-memory", env = "TABLEKEEP_CHAT_MEMORY", value_name = "SIZE", default_value = "512M", value_parser = size, hide_short_help = true)]
    pub memory: u64,
    /// Events that a chat room keeps for those who resume
    #[arg(
        id = "chat-kept-events",
        long = "chat-kept-events",
        env = "TABLEKEEP_CHAT_KEPT_EVENTS",
        value_name = "N",
        default_value_t = 200,
        hide_short_help = true
    )]
    pub kept_events: usize,
    /// Most bytes of these events
    #[arg(id = "chat-kept-bytes", long = "chat-kept-bytes", env = "TABLEKEEP_CHAT_KEPT_BYTES", value_name = "SIZE", default_value = "2M", value_parser = size, hide_short_help = true)]
    pub kept_bytes: u64,
    /// Messages per second of one connection
    #[arg(
        id = "chat-msg-rate",
        long = "chat-msg-rate",
        env = "TABLEKEEP_CHAT_MSG_RATE",
        value_name = "N",
        default_value = "20",
        hide_short_help = true
    )]
    pub messages_per_second: NonZeroU32,
    /// Messages that may follow each other at once
    #[arg(
        id = "chat-msg-burst",
        long = "chat-msg-burst",
        env = "TABLEKEEP_CHAT_MSG_BURST",
        value_name = "N",
        default_value = "200",
        hide_short_help = true
    )]
    pub message_burst: NonZeroU32,
    /// Files per minute of one connection
    #[arg(
        id = "chat-upload-rate",
        long = "chat-upload-rate",
        env = "TABLEKEEP_CHAT_UPLOAD_RATE",
        value_name = "N",
        default_value = "12",
        hide_short_help = true
    )]
    pub uploads_per_minute: NonZeroU32,
    /// Chat rooms per minute of one address
    #[arg(
        id = "chat-create-rate",
        long = "chat-create-rate",
        env = "TABLEKEEP_CHAT_CREATE_RATE",
        value_name = "N",
        default_value = "120",
        hide_short_help = true
    )]
    pub creates_per_minute: NonZeroU32,
    /// Times per minute that one address joins, resumes or looks at a chat room
    #[arg(
        id = "chat-join-rate",
        long = "chat-join-rate",
        env = "TABLEKEEP_CHAT_JOIN_RATE",
        value_name = "N",
        default_value = "600",
        hide_short_help = true
    )]
    pub joins_per_minute: NonZeroU32,
    /// Wrong passwords for one chat room from one address; then it waits, longer each time
    #[arg(
        id = "chat-wrong-passwords",
        long = "chat-wrong-passwords",
        env = "TABLEKEEP_CHAT_WRONG_PASSWORDS",
        value_name = "N",
        default_value = "5",
        hide_short_help = true
    )]
    pub wrong_passwords: NonZeroU32,
    /// Wrong passwords per hour for one chat room from anywhere; then all who join it wait 2 s
    #[arg(
        id = "chat-room-wrong-passwords",
        long = "chat-room-wrong-passwords",
        env = "TABLEKEEP_CHAT_ROOM_WRONG_PASSWORDS",
        value_name = "N",
        default_value = "100",
        hide_short_help = true
    )]
    pub room_wrong_passwords: NonZeroU32,
    /// Different join keys of no room in 10 minutes from one address; then further ones wait as long
    #[arg(
        id = "chat-wrong-keys",
        long = "chat-wrong-keys",
        env = "TABLEKEEP_CHAT_WRONG_KEYS",
        value_name = "N",
        default_value = "20",
        hide_short_help = true
    )]
    pub wrong_keys: NonZeroU32,
    /// Passwords that wait to be checked; further ones are told that the server is busy
    #[arg(
        id = "chat-password-queue",
        long = "chat-password-queue",
        env = "TABLEKEEP_CHAT_PASSWORD_QUEUE",
        value_name = "N",
        default_value_t = 32,
        hide_short_help = true
    )]
    pub password_queue: usize,
    /// How often chat connections are pinged
    #[arg(id = "chat-ping-secs", long = "chat-ping-secs", env = "TABLEKEEP_CHAT_PING_SECS", value_name = "SECONDS", default_value = "30", value_parser = seconds, hide_short_help = true)]
    pub ping: Duration,
    /// After how long without a word a chat connection is given up
    #[arg(id = "chat-silence-secs", long = "chat-silence-secs", env = "TABLEKEEP_CHAT_SILENCE_SECS", value_name = "SECONDS", default_value = "75", value_parser = seconds, hide_short_help = true)]
    pub silence: Duration,
    /// How long somebody who lost the connection stays a member
    #[arg(id = "chat-grace-secs", long = "chat-grace-secs", env = "TABLEKEEP_CHAT_GRACE_SECS", value_name = "SECONDS", default_value = "60", value_parser = seconds, hide_short_help = true)]
    pub grace: Duration,
    /// How long a chat room without members is kept
    #[arg(id = "chat-empty-secs", long = "chat-empty-secs", env = "TABLEKEEP_CHAT_EMPTY_SECS", value_name = "SECONDS", default_value = "600", value_parser = seconds, hide_short_help = true)]
    pub empty: Duration,
    /// How long a chat room is kept in which nothing happens
    #[arg(id = "chat-room-max-idle", long = "chat-room-max-idle", env = "TABLEKEEP_CHAT_ROOM_MAX_IDLE", value_name = "SECONDS", default_value = "86400", value_parser = seconds, hide_short_help = true)]
    pub idle: Duration,
    /// How long a file is kept
    #[arg(id = "chat-file-secs", long = "chat-file-secs", env = "TABLEKEEP_CHAT_FILE_SECS", value_name = "SECONDS", default_value = "86400", value_parser = seconds, hide_short_help = true)]
    pub file_age: Duration,
}

impl ChatLimits {
    /// Largest message of a member: a file fits, and a text of which every byte is escaped.
    pub fn frame_bytes(&self) -> u64 {
        let file = self.file_bytes.div_ceil(3).saturating_mul(4);
        let text = self.message_bytes.saturating_mul(6);
        file.max(text).saturating_add(64 << 10)
    }
}
