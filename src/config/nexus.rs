//! The settings of the Nexus dialect.

use super::size;
use clap::builder::RangedU64ValueParser;

/// What Nexus rooms and their clients are held to.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Nexus")]
pub struct Nexus {
    /// Seconds that a room waits for a host whose connection broke; 0 ends it at once
    ///
    /// It comes back by the cookie that its browser got, which needs a client that this server
    /// serves (--client nexus=DIR). Closing the page ends the room in any case.
    #[arg(long = "nexus-host-grace", env = "TABLEKEEP_NEXUS_HOST_GRACE", value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=3600))]
    pub host_grace: u16,
    /// Let only the host change scenes and the camera, and check the sums of dice
    #[arg(long = "nexus-strict", env = "TABLEKEEP_NEXUS_STRICT")]
    pub strict: bool,
    /// Rooms at the same time
    #[arg(long = "nexus-max-rooms", env = "TABLEKEEP_NEXUS_MAX_ROOMS", value_name = "N", default_value_t = 10_000, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    pub max_rooms: usize,
    /// Rooms that one address may have open, or open in a burst
    #[arg(long = "nexus-max-rooms-per-address", env = "TABLEKEEP_NEXUS_MAX_ROOMS_PER_ADDRESS", value_name = "N", default_value_t = 2_500, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_rooms_per_address: u32,
    /// Members of one room, the host included
    #[arg(long = "nexus-max-members", env = "TABLEKEEP_NEXUS_MAX_MEMBERS", value_name = "N", default_value_t = 1_000, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub max_members: usize,
    /// Largest message
    #[arg(long = "nexus-max-message", env = "TABLEKEEP_NEXUS_MAX_MESSAGE", value_name = "SIZE", default_value = "1M", value_parser = size)]
    pub max_message: u64,
    /// Messages per second of one connection; it is read later beyond, and closed after a minute
    #[arg(long = "nexus-max-rate", env = "TABLEKEEP_NEXUS_MAX_RATE", value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_rate: u32,
    /// Bytes per second of one connection; it is read later beyond
    #[arg(long = "nexus-max-bytes", env = "TABLEKEEP_NEXUS_MAX_BYTES", value_name = "SIZE", default_value = "16M", value_parser = size)]
    pub max_bytes: u64,
    /// Bytes per second of all that is said in one room; its members are read later beyond
    #[arg(long = "nexus-max-room-bytes", env = "TABLEKEEP_NEXUS_MAX_ROOM_BYTES", value_name = "SIZE", default_value = "32M", value_parser = size)]
    pub max_room_bytes: u64,
    /// Seconds that a connection without a room is kept
    #[arg(long = "nexus-idle", env = "TABLEKEEP_NEXUS_IDLE", value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub idle: u16,
}
