//! What a room's messages mean is decided by its rules: a plain struct, no sockets, no async.

use super::Frame;
use crate::access::Role;
use crate::json::JsonText;
use crate::model::MapMove;
use std::time::Instant;

/// A connection, unique while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// Who joins a room.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The connection.
    pub conn: ConnId,
    /// What it may do.
    pub role: Role,
}

/// For whom a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Every member.
    All,
    /// Every member but this one.
    AllBut(ConnId),
    /// This one.
    One(ConnId),
}

/// How a frame waits when its receiver is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// In order, never dropped; more than 256 KiB waiting closes the connection.
    Control,
    /// The state of the table, whole. In order until more than 64 frames or 256 KiB wait; then
    /// only the newest is kept.
    State,
}

/// What a room does after a message.
#[derive(Default)]
pub struct Outgoing {
    /// Frames, in order.
    pub deliveries: Vec<(To, Lane, Frame)>,
    /// The table's document, when it changed: it will be written to disk.
    pub document: Option<JsonText>,
}

impl Outgoing {
    /// Sends `frame`.
    pub fn send(&mut self, to: To, lane: Lane, frame: Frame) {
        self.deliveries.push((to, lane, frame));
    }
}

/// One dialect's rules for one room. Everything happens in the order of the calls.
pub trait Rules: Send + 'static {
    /// What the dialect's clients say, already parsed.
    type Message: Send + 'static;

    /// Somebody came.
    fn join(&mut self, member: Member, out: &mut Outgoing);

    /// A member said something. `now` is when the room got to it.
    fn receive(&mut self, from: ConnId, message: Self::Message, now: Instant, out: &mut Outgoing);

    /// Somebody went.
    fn leave(&mut self, conn: ConnId);

    /// A map has another name or folder. Returns whether the document changed.
    fn map_moved(&mut self, map_move: &MapMove, out: &mut Outgoing) -> bool;
}
