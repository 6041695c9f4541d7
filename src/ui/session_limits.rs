//! The part of `/limits` that is about logins and session rooms.

use crate::config::{Config, Duplicates};
use crate::dialects::session;
use serde::Serialize;
use utoipa::ToSchema;

/// Those of logins and session rooms.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionLimitsBody {
    /// Of a user's name.
    name_characters: usize,
    login_bytes: usize,
    logins_per_minute: u32,
    creates_per_minute: u32,
    lookups_per_minute: u32,
    /// In one room.
    users: u16,
    message_characters: u32,
    frame_bytes: u64,
    messages_per_second: u32,
    /// That a room keeps.
    messages: u32,
    history_bytes: u64,
    /// Of what all rooms keep.
    memory_bytes: u64,
    /// In memory, also empty ones.
    rooms: usize,
    /// With people in them; absent: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    occupied_rooms: Option<usize>,
    known_rooms: usize,
    /// Made by one address, and in memory those that it was the first to enter.
    rooms_per_address: usize,
    /// Whether a newcomer takes the seat of a connection with the same name.
    duplicates_replace: bool,
    ping_seconds: u64,
    silence_seconds: u64,
    idle_seconds: u64,
    unused_seconds: u64,
}

impl SessionLimitsBody {
    /// As they are in force.
    pub fn of(config: &Config) -> Self {
        let limits = &config.limits.sessions;
        let occupied = config.sessions.max_rooms_per_instance();
        Self {
            name_characters: session::USER_CHARS,
            login_bytes: session::BODY_BYTES,
            logins_per_minute: limits.logins_per_minute.get(),
            creates_per_minute: limits.creates_per_minute.get(),
            lookups_per_minute: limits.lookups_per_minute.get(),
            users: limits.users,
            message_characters: limits.message_chars,
            frame_bytes: limits.frame_bytes,
            messages_per_second: limits.messages_per_second,
            messages: limits.messages,
            history_bytes: limits.history_bytes,
            memory_bytes: limits.memory,
            rooms: limits.rooms,
            occupied_rooms: Some(occupied).filter(|most| *most != usize::MAX),
            known_rooms: limits.known_rooms,
            rooms_per_address: limits.rooms_per_address,
            duplicates_replace: config.sessions.duplicates() == Duplicates::Replace,
            ping_seconds: limits.ping.as_secs(),
            silence_seconds: limits.silence.as_secs(),
            idle_seconds: limits.idle.as_secs(),
            unused_seconds: limits.unused.as_secs(),
        }
    }
}
