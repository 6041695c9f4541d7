//! What a room's messages mean is decided by its rules: a plain struct, no sockets, no async.

use super::{CloseCode, Frame, Whole};
use crate::json::JsonText;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A connection, unique while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// A moment: for measuring, and for telling people and clients.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For differences.
    pub instant: Instant,
    /// Milliseconds since 1970, UTC.
    pub unix_ms: u64,
}

impl Now {
    /// This moment.
    pub fn read() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let unix_ms = since.map_or(0, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
        Self {
            instant: Instant::now(),
            unix_ms,
        }
    }
}

/// A moment as RFC 3339 has it: UTC, milliseconds, `Z`.
pub fn rfc3339(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    // Howard Hinnant's algorithm: years that begin in March make leap days come last.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z",
        ms % 1000
    )
}

/// A set of groups, of which each member of a room belongs to one. A room has at most eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups(pub u8);

impl Groups {
    /// The one group number `n`, below eight.
    pub const fn one(n: u8) -> Self {
        Self(1 << n)
    }

    /// Both sets together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets share a group.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// For whom a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Every member of these groups.
    Groups(Groups),
    /// Every member of these groups but this one.
    But(Groups, ConnId),
    /// This one.
    One(ConnId),
}

/// Whose passing state a frame carries: the newest of one source and topic counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic(pub Arc<(u64, Box<str>)>);

/// How a frame waits when its receiver is slow (live-sync, section 5).
#[derive(Clone, Debug)]
pub enum Lane {
    /// The answer to what this connection asked for: before everything else, never dropped.
    Answer,
    /// A large [`Lane::Answer`]: the frame is its beginning, this is its rest, in buffers that are
    /// shared with whoever gets the same. Large answers go out one behind the other; see
    /// [`Frame::large`].
    Large(Arc<[Bytes]>),
    /// In order, never dropped; more waiting than the connection's bound closes it.
    Control,
    /// The state of the table. In order until more than 64 frames or 256 KiB wait; then one slot
    /// with the newest whole state: the given one, or the frame itself when there is none.
    State(Option<Whole>),
    /// Passing state: one slot per topic, dropped first.
    Passing(Topic),
}

/// One frame on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// For whom.
    pub to: To,
    /// How it waits.
    pub lane: Lane,
    /// What.
    pub frame: Frame,
}

/// What is to be made durable.
#[derive(Debug)]
pub enum Journaling {
    /// Records behind those that are there.
    Append(Vec<Bytes>),
    /// Records in the place of all that are there.
    Restart(Vec<Bytes>),
}

/// A connection that is to be closed.
#[derive(Debug)]
pub struct Closing {
    /// Which.
    pub conn: ConnId,
    /// With which code.
    pub code: CloseCode,
    /// Why, for people.
    pub reason: String,
    /// How many of the deliveries come before it.
    pub behind: usize,
}

/// What a room does after a message.
#[derive(Default)]
pub struct Outgoing {
    /// Frames, in order.
    pub deliveries: Vec<Delivery>,
    /// For the journal; each is answered by one [`Rules::committed`], in order.
    pub journal: Vec<Journaling>,
    /// The document, when it is another one than before.
    pub shown: Option<JsonText>,
    /// The document for its file, when its turn to be written has come.
    pub document: Option<JsonText>,
    /// Connections to be closed; see [`Outgoing::close`].
    pub closed: Vec<Closing>,
    /// Answers that must not come before the document has been handed on to its file.
    pub answers: Vec<Box<dyn FnOnce() + Send>>,
    /// Members who are pinged to know whether they are still there; see [`Rules::alive`].
    pub probed: Vec<ConnId>,
    /// Members that are let go, behind all deliveries: they stay connected and are in no room.
    /// For these there is no [`Rules::leave`]. Only for dialects whose sockets [`Socket::visit`].
    ///
    /// [`Socket::visit`]: super::Socket::visit
    pub released: Vec<ConnId>,
    /// Work for a thread that may block, such as keeping something aside on disk.
    pub aside: Vec<Box<dyn FnOnce() + Send>>,
}

impl Outgoing {
    /// Sends `frame`.
    pub fn send(&mut self, to: To, lane: Lane, frame: Frame) {
        self.deliveries.push(Delivery { to, lane, frame });
    }

    /// Closes `conn`: it gets what has been sent so far, and nothing of what follows.
    pub fn close(&mut self, conn: ConnId, code: CloseCode, reason: impl Into<String>) {
        let (reason, behind) = (reason.into(), self.deliveries.len());
        self.closed.push(Closing {
            conn,
            code,
            reason,
            behind,
        });
    }
}

/// A room's rules. Everything happens in the order of the calls, and no call waits.
pub trait Rules: Send + 'static {
    /// Who comes, as far as the rules need to know.
    type Guest: Send + 'static;
    /// What members say, already parsed.
    type Message: Send + 'static;
    /// What other parts of the server want; answers travel inside.
    type Request: Send + 'static;

    /// Which group a guest belongs to while it is here.
    fn group(&self, guest: &Self::Guest) -> Groups;

    /// Somebody came.
    fn join(&mut self, conn: ConnId, guest: Self::Guest, now: Now, out: &mut Outgoing);

    /// A member said something. `now` is when the room got to it.
    fn receive(&mut self, from: ConnId, message: Self::Message, now: Now, out: &mut Outgoing);

    /// What came together has been taken in: what was kept back so that it is done together is done
    /// now. Called behind all other calls; once for several of [`Rules::receive`] and
    /// [`Rules::committed`].
    fn flush(&mut self, _now: Now, _out: &mut Outgoing) {}

    /// Somebody went.
    fn leave(&mut self, conn: ConnId, now: Now, out: &mut Outgoing);

    /// Somebody went without having said so with a close frame: the network failed, most likely.
    fn lose(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        self.leave(conn, now, out);
    }

    /// Something was heard of a member that was [`Outgoing::probed`].
    fn alive(&mut self, _conn: ConnId, _now: Now, _out: &mut Outgoing) {}

    /// Another part of the server wants something.
    fn ask(&mut self, request: Self::Request, now: Now, out: &mut Outgoing);

    /// The oldest [`Journaling`] not answered yet is durable, or has failed and left no trace. What it
    /// causes is on its way before more is made durable, in [`Rules::flush`].
    fn committed(&mut self, outcome: Result<(), String>, now: Now, out: &mut Outgoing);

    /// About once a second.
    fn tick(&mut self, now: Now, out: &mut Outgoing);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_has_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }
}
