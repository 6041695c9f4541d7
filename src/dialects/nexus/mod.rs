//! Nexus VTT's room server: rooms by short codes, a host and players, and whatever they say to each
//! other relayed as it came, with the server's word on who said it and when.
//!
//! Everything is decided by the handshake's query ([`Ask`]). The handshake never fails for a room's
//! sake, because that hangs the client: trouble is told as a message, and whoever has no room is kept
//! for a while in the lobby, a room in which nothing happens ([`Rooms`]).

pub mod assets;

mod ask;
mod code;
mod rooms;
mod rules;
#[cfg(test)]
mod tests;
mod wire;

pub use ask::Ask;
pub use code::Code;
pub use rooms::{Proof, Rooms, Seat};
pub use rules::{Guest, RoomRules};
pub use wire::{Message, Wire};

/// Bytes of messages that may wait for one client (live-sync, section 5).
pub const QUEUE_BYTES: usize = 1 << 20;
