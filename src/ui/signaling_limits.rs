//! The part of `/limits` that is about PeerShare's groups.

use crate::config::PeerShare;
use crate::dialects::peershare;
use serde::Serialize;
use utoipa::ToSchema;

/// Those of PeerShare's groups. Characters are UTF-16 code units.
#[derive(Serialize, ToSchema)]
pub(super) struct SignalingLimits {
    groups: usize,
    groups_per_address: usize,
    creates_per_minute: u32,
    /// In one group.
    members: u16,
    sockets_per_address: usize,
    /// Connections of one address, beyond as many as it may have at the same time.
    connects_per_minute: u32,
    group_name_characters: usize,
    /// Of an id that somebody has made up.
    group_id_characters: usize,
    name_characters: usize,
    peer_id_characters: usize,
    reason_characters: usize,
    message_bytes: u64,
    messages_per_second: u32,
    messages_at_once: u32,
    /// Messages beyond that which are answered with an error before the connection is closed.
    refused_at_once: u32,
    /// What may wait for a slow client.
    queue_bytes: usize,
    /// How often connections are pinged.
    heartbeat_milliseconds: u64,
    /// How long a connection in no group is kept.
    idle_seconds: u32,
}

impl SignalingLimits {
    /// As they are in force.
    pub fn of(settings: &PeerShare) -> Self {
        Self {
            groups: settings.groups,
            groups_per_address: settings.groups_per_address,
            creates_per_minute: settings.creates_per_minute.get(),
            members: settings.members,
            sockets_per_address: settings.sockets_per_address,
            connects_per_minute: settings.max_connects.get(),
            group_name_characters: peershare::GROUP_NAME_CHARS,
            group_id_characters: peershare::GROUP_ID_CHARS,
            name_characters: peershare::NAME_CHARS,
            peer_id_characters: peershare::PEER_ID_CHARS,
            reason_characters: peershare::REASON_CHARS,
            message_bytes: settings.max_message,
            messages_per_second: settings.messages_per_second.get(),
            messages_at_once: settings.message_burst.get(),
            refused_at_once: peershare::REFUSED_AT_ONCE.get(),
            queue_bytes: peershare::QUEUE_BYTES,
            heartbeat_milliseconds: u64::try_from(settings.heartbeat.as_millis())
                .unwrap_or(u64::MAX),
            idle_seconds: settings.idle,
        }
    }
}
