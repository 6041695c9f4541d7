//! The part of `/limits` that is about chat rooms.

use crate::config::ChatLimits;
use crate::dialects::chat;
use serde::Serialize;
use utoipa::ToSchema;

/// Those of chat rooms.
#[derive(Serialize, ToSchema)]
pub(super) struct ChatLimitsBody {
    rooms: usize,
    rooms_per_address: usize,
    /// In one room.
    members: u16,
    room_name_characters: usize,
    description_characters: usize,
    name_characters: usize,
    password_bytes: usize,
    message_bytes: u64,
    /// Largest message of who is in no room.
    lobby_frame_bytes: u64,
    /// Largest message of a member, as the one that carries a file.
    frame_bytes: u64,
    file_bytes: u64,
    file_name_characters: usize,
    /// In one room.
    files: usize,
    /// Of all files in one room.
    room_bytes: u64,
    /// Of files and kept events in all rooms.
    memory_bytes: u64,
    kept_events: usize,
    kept_bytes: u64,
    messages_per_second: u32,
    messages_at_once: u32,
    uploads_per_minute: u32,
    creates_per_minute: u32,
    joins_per_minute: u32,
    wrong_passwords: u32,
    /// Of one room in an hour, before everybody waits.
    room_wrong_passwords: u32,
    /// Different ones in ten minutes.
    wrong_keys: u32,
    /// That wait to be checked.
    passwords: usize,
    ping_seconds: u64,
    silence_seconds: u64,
    grace_seconds: u64,
    empty_seconds: u64,
    idle_seconds: u64,
    file_seconds: u64,
}

impl ChatLimitsBody {
    /// As they are in force.
    pub fn of(limits: &ChatLimits) -> Self {
        Self {
            rooms: limits.rooms,
            rooms_per_address: limits.rooms_per_address,
            members: limits.members,
            room_name_characters: chat::ROOM_NAME_CHARS,
            description_characters: chat::DESCRIPTION_CHARS,
            name_characters: chat::NAME_CHARS,
            password_bytes: chat::PASSWORD_BYTES,
            message_bytes: limits.message_bytes,
            lobby_frame_bytes: chat::LOBBY_FRAME_BYTES,
            frame_bytes: limits.frame_bytes(),
            file_bytes: limits.file_bytes,
            file_name_characters: chat::FILE_NAME_CHARS,
            files: limits.room_files,
            room_bytes: limits.room_bytes,
            memory_bytes: limits.memory,
            kept_events: limits.kept_events,
            kept_bytes: limits.kept_bytes,
            messages_per_second: limits.messages_per_second.get(),
            messages_at_once: limits.message_burst.get(),
            uploads_per_minute: limits.uploads_per_minute.get(),
            creates_per_minute: limits.creates_per_minute.get(),
            joins_per_minute: limits.joins_per_minute.get(),
            wrong_passwords: limits.wrong_passwords.get(),
            room_wrong_passwords: limits.room_wrong_passwords.get(),
            wrong_keys: limits.wrong_keys.get(),
            passwords: limits.password_queue,
            ping_seconds: limits.ping.as_secs(),
            silence_seconds: limits.silence.as_secs(),
            grace_seconds: limits.grace.as_secs(),
            empty_seconds: limits.empty.as_secs(),
            idle_seconds: limits.idle.as_secs(),
            file_seconds: limits.file_age.as_secs(),
        }
    }
}
