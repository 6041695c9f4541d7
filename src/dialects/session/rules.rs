//! What happens in one session room: plain state, no sockets, no async.
//!
//! Everybody who is there has a seat, one for each user. A seat belongs to a connection, and what is
//! done to a connection is done by its number, never by the user's id: whoever took over somebody's
//! seat is not thrown out when the one before is found to have gone.

#[cfg(test)]
mod tests;

use super::RoomId;
use super::history::{Budget, History};
use super::wire::Message;
use crate::config::{Duplicates, SessionLimits};
use crate::json::quote;
use crate::live::{
    CloseCode, ConnId, Frame, Groups, Lane, Now, Outgoing, Rules, To, Whole, rfc3339,
};
use crate::metrics::{Dialect, Metrics};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Who takes whole snapshots: all but who asked for differences.
const SNAPSHOTS: Groups = Groups::one(0);
/// Who asked for differences (`?v=2`).
const DELTAS: Groups = Groups::one(1);
/// Who has no seat, and is on the way out.
const OUTSIDE: Groups = Groups::one(2);

/// How long a connection has to answer a ping when somebody comes for its seat.
const PROBE: Duration = Duration::from_secs(2);
/// How long a seat is kept for somebody who is about to take it.
const KEPT: Duration = Duration::from_secs(10);
/// How often the directory hears that a room is in use.
const IN_USE: Duration = Duration::from_secs(10 * 60);

/// Who comes.
pub struct Guest {
    /// The seat that is kept.
    pub seat: SeatNumber,
    /// Whether it takes differences.
    pub deltas: bool,
    /// Keeps the room open until it is in.
    pub arrival: Arrival,
}

/// The room must not end while somebody is on the way in; see [`super::rooms::Rooms`].
pub type Arrival = Box<dyn Send>;

/// A seat, unique in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatNumber(u64);

/// Why somebody gets no seat. The texts are the originals'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many are there as may be.
    Full,
    /// This user is there.
    Duplicate,
    /// This process has as many rooms with people in them as it takes.
    Crowded,
    /// The same of one address.
    ShareTaken,
}

impl Refusal {
    /// How the connection is closed.
    pub fn close(self) -> (CloseCode, &'static str) {
        match self {
            Self::Full => (CloseCode::Policy, "Room is full"),
            Self::Duplicate => (CloseCode::Policy, "Duplicate user"),
            Self::Crowded => (CloseCode::TryLater, "Server is full"),
            Self::ShareTaken => (CloseCode::TryLater, "Too many rooms of this address"),
        }
    }
}

/// What others ask of a room.
pub enum Request {
    /// A seat for this user.
    Seat {
        /// Who.
        user: String,
        /// Answered after two seconds at the latest.
        reply: oneshot::Sender<Result<SeatNumber, Refusal>>,
    },
}

/// What a room needs to know of the server.
#[derive(Clone)]
pub struct Surroundings {
    /// Limits.
    pub limits: Arc<SessionLimits>,
    /// What happens when somebody comes who is there already.
    pub duplicates: Duplicates,
    /// Memory for what was said.
    pub budget: Arc<Budget>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

/// The room as those outside see it.
pub trait Listing: Send {
    /// Somebody wants to come in, and nobody is there. Whether this process takes one more room.
    fn occupy(&mut self) -> bool;

    /// Still in use.
    fn in_use(&mut self);

    /// The last one has gone.
    fn vacate(&mut self);

    /// Nobody has been there for too long. Whether the room has been taken off the list; not while
    /// somebody is on the way in.
    fn close(&mut self) -> bool;
}

/// One room.
pub struct RoomRules {
    id: RoomId,
    around: Surroundings,
    listing: Box<dyn Listing>,
    history: History,
    /// In the order of joining.
    seats: Vec<Seat>,
    next_seat: u64,
    waiting: Vec<Waiting>,
    /// `"alice","bob"`.
    users: Bytes,
    /// Counts what happens, for those who take differences.
    seq: u64,
    /// How many take snapshots, and how many differences.
    snapshots: usize,
    deltas: usize,
    /// Since when nobody has a seat.
    empty: Option<Instant>,
    /// When the directory last heard of it.
    told: Option<Instant>,
}

struct Seat {
    number: SeatNumber,
    user: String,
    /// As JSON.
    quoted: String,
    sitter: Sitter,
    /// Whether others have been told of the user.
    listed: bool,
}

enum Sitter {
    Here {
        conn: ConnId,
        deltas: bool,
    },
    /// About to come.
    Expected(Instant),
}

/// Somebody who waits for the one on the seat to show that it is there, or not.
struct Waiting {
    number: SeatNumber,
    since: Instant,
    reply: oneshot::Sender<Result<SeatNumber, Refusal>>,
}

/// What has changed, as those hear it who take differences: JSON lists without their brackets.
#[derive(Default)]
struct Delta<'a> {
    add: &'a str,
    join: &'a str,
    leave: &'a str,
}

impl RoomRules {
    /// A room in which nobody is.
    pub fn new(id: RoomId, around: Surroundings, listing: Box<dyn Listing>, now: Now) -> Self {
        let limits = &around.limits;
        let history = History::new(
            limits.messages as usize,
            usize::try_from(limits.history_bytes).unwrap_or(usize::MAX),
            around.budget.clone(),
        );
        Self {
            id,
            history,
            around,
            listing,
            seats: Vec::new(),
            next_seat: 0,
            waiting: Vec::new(),
            users: Bytes::new(),
            seq: 0,
            snapshots: 0,
            deltas: 0,
            empty: Some(now.instant),
            told: None,
        }
    }

    fn seat(
        &mut self,
        user: String,
        reply: oneshot::Sender<Result<SeatNumber, Refusal>>,
        now: Now,
        out: &mut Outgoing,
    ) {
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.user == user) else {
            let found = self.new_seat(user, now);
            return self.answer(reply, found, out, now);
        };
        match (&seat.sitter, self.around.duplicates) {
            (Sitter::Here { conn, .. }, Duplicates::Refuse) => {
                out.probed.push(*conn);
                self.waiting.push(Waiting {
                    number: seat.number,
                    since: now.instant,
                    reply,
                });
            }
            (Sitter::Here { .. }, Duplicates::Replace) => {
                let number = seat.number;
                self.hand_over(number, reply, now, out);
            }
            (Sitter::Expected(_), _) => drop(reply.send(Err(Refusal::Duplicate))),
        }
    }

    fn new_seat(&mut self, user: String, now: Now) -> Result<SeatNumber, Refusal> {
        if self.seats.len() >= usize::from(self.around.limits.users) {
            return Err(Refusal::Full);
        }
        if self.seats.is_empty() && !self.listing.occupy() {
            return Err(Refusal::Crowded);
        }
        self.empty = None;
        self.told = Some(now.instant);
        let number = self.number();
        self.seats.push(Seat {
            number,
            quoted: quote(&user),
            user,
            sitter: Sitter::Expected(now.instant),
            listed: false,
        });
        Ok(number)
    }

    fn number(&mut self) -> SeatNumber {
        self.next_seat += 1;
        SeatNumber(self.next_seat)
    }

    /// Tells who asked. One that has gone in the meantime keeps no seat.
    fn answer(
        &mut self,
        reply: oneshot::Sender<Result<SeatNumber, Refusal>>,
        found: Result<SeatNumber, Refusal>,
        out: &mut Outgoing,
        now: Now,
    ) {
        if let Err(Ok(number)) = reply.send(found) {
            self.free(number, now, out);
        }
    }

    /// Takes a seat from its connection and keeps it for the one who waits for `reply`. The user has
    /// been there all along, as far as others are concerned.
    fn hand_over(
        &mut self,
        number: SeatNumber,
        reply: oneshot::Sender<Result<SeatNumber, Refusal>>,
        now: Now,
        out: &mut Outgoing,
    ) {
        let new = self.number();
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.number == number) else {
            return;
        };
        seat.number = new;
        let before = std::mem::replace(&mut seat.sitter, Sitter::Expected(now.instant));
        if let Sitter::Here { conn, deltas } = before {
            out.close(conn, CloseCode::Policy, "Replaced");
            self.uncount(deltas);
        }
        self.answer(reply, Ok(new), out, now);
    }

    fn count(&mut self, deltas: bool) -> &mut usize {
        match deltas {
            true => &mut self.deltas,
            false => &mut self.snapshots,
        }
    }

    fn uncount(&mut self, deltas: bool) {
        *self.count(deltas) -= 1;
        self.around.metrics.left(Dialect::Session);
    }

    /// Ends a seat; others are told if they knew of it.
    fn free(&mut self, number: SeatNumber, now: Now, out: &mut Outgoing) {
        let Some(at) = self.seats.iter().position(|seat| seat.number == number) else {
            return;
        };
        let seat = self.seats.remove(at);
        if seat.listed {
            self.list_users();
            let delta = Delta {
                leave: &seat.quoted,
                ..Delta::default()
            };
            self.tell_all(&delta, None, out);
        }
        if self.seats.is_empty() {
            self.empty = Some(now.instant);
            self.listing.vacate();
        }
    }

    fn list_users(&mut self) {
        let listed = self.seats.iter().filter(|seat| seat.listed);
        let users: Vec<&str> = listed.map(|seat| &*seat.quoted).collect();
        self.users = Bytes::from(users.join(","));
    }

    fn at(&self, conn: ConnId) -> Option<usize> {
        let is =
            |seat: &Seat| matches!(seat.sitter, Sitter::Here { conn: here, .. } if here == conn);
        self.seats.iter().position(is)
    }

    /// The whole state, `more` behind it: for those who take snapshots.
    fn snapshot(&self, more: &str) -> Frame {
        let mut parts: Vec<&[u8]> = vec![b"{\"messages\":["];
        parts.extend(self.history.pieces());
        parts.extend([
            &b"],\"connectedUsers\":["[..],
            &self.users,
            b"]",
            more.as_bytes(),
            b"}",
        ]);
        Frame::text(&parts)
    }

    /// The same for those who take differences, put together when it is needed.
    fn whole(&self) -> Whole {
        let mut parts = vec![Bytes::from_static(b"{\"v\":2,\"snapshot\":{\"messages\":[")];
        parts.extend(self.history.shared());
        parts.push(Bytes::from_static(b"],\"connectedUsers\":["));
        parts.push(self.users.clone());
        parts.push(format!("]}},\"seq\":{}}}", self.seq).into());
        Whole::new(parts)
    }

    fn delta(&self, delta: &Delta<'_>, more: &str) -> Frame {
        let Delta { add, join, leave } = delta;
        let text = format!(
            "{{\"v\":2,\"seq\":{},\"add\":[{add}],\"join\":[{join}],\"leave\":[{leave}]{more}}}",
            self.seq
        );
        Frame::text(&[text.as_bytes()])
    }

    /// Something has happened. A `newcomer` that takes differences is told apart.
    fn tell_all(&mut self, delta: &Delta<'_>, newcomer: Option<ConnId>, out: &mut Outgoing) {
        self.seq += 1;
        if self.snapshots > 0 {
            let to = To::Groups(SNAPSHOTS);
            out.send(to, Lane::State(None), self.snapshot(""));
        }
        if self.deltas > usize::from(newcomer.is_some()) {
            let lane = Lane::State(Some(self.whole()));
            let to = newcomer.map_or(To::Groups(DELTAS), |conn| To::But(DELTAS, conn));
            out.send(to, lane, self.delta(delta, ""));
        }
    }

    /// Says something to one alone, the only way in which the originals' page takes it.
    fn notice(&self, conn: ConnId, deltas: bool, code: &str, limit: u32, out: &mut Outgoing) {
        let more = format!(",\"notice\":{{\"code\":\"{code}\",\"limit\":{limit}}}");
        if deltas {
            let lane = Lane::State(Some(self.whole()));
            out.send(To::One(conn), lane, self.delta(&Delta::default(), &more));
        } else {
            out.send(To::One(conn), Lane::State(None), self.snapshot(&more));
        }
    }

    fn go(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        let Some(at) = self.at(conn) else { return };
        let seat = &mut self.seats[at];
        let number = seat.number;
        if let Sitter::Here { deltas, .. } = seat.sitter {
            seat.sitter = Sitter::Expected(now.instant);
            self.uncount(deltas);
        }
        let waits = self.waiting.iter().position(|one| one.number == number);
        match waits.map(|at| self.waiting.remove(at)) {
            // The others who wait are refused in their turn.
            Some(first) => self.hand_over(number, first.reply, now, out),
            None => self.free(number, now, out),
        }
        self.refuse_orphans();
    }

    /// Who waits for a seat that somebody else has been given has waited in vain.
    fn refuse_orphans(&mut self) {
        let seats = &self.seats;
        let waiting = std::mem::take(&mut self.waiting);
        let (kept, orphans): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|one| seats.iter().any(|seat| seat.number == one.number));
        self.waiting = kept;
        for orphan in orphans {
            let _ = orphan.reply.send(Err(Refusal::Duplicate));
        }
    }
}

impl Rules for RoomRules {
    type Guest = Guest;
    type Message = Message;
    type Request = Request;

    fn group(&self, guest: &Guest) -> Groups {
        match self.seats.iter().any(|seat| seat.number == guest.seat) {
            true if guest.deltas => DELTAS,
            true => SNAPSHOTS,
            false => OUTSIDE,
        }
    }

    fn join(&mut self, conn: ConnId, guest: Guest, _: Now, out: &mut Outgoing) {
        let Guest { seat, deltas, .. } = guest;
        let Some(seat) = self.seats.iter_mut().find(|kept| kept.number == seat) else {
            // It took so long that the seat is somebody else's.
            return out.close(conn, CloseCode::TryLater, "try again");
        };
        seat.sitter = Sitter::Here { conn, deltas };
        let is_new = !std::mem::replace(&mut seat.listed, true);
        let user = seat.quoted.clone();
        self.list_users();
        self.around.metrics.joined(Dialect::Session);
        *self.count(deltas) += 1;
        let newcomer = deltas.then_some(conn);
        let delta = Delta {
            join: if is_new { &user } else { "" },
            ..Delta::default()
        };
        self.tell_all(&delta, newcomer, out);
        if deltas {
            let whole = self.whole();
            let first = whole.frame().clone();
            out.send(To::One(conn), Lane::State(Some(whole)), first);
        }
    }

    fn receive(&mut self, from: ConnId, message: Message, now: Now, out: &mut Outgoing) {
        let Some(at) = self.at(from) else { return };
        let seat = &self.seats[at];
        let Sitter::Here { deltas, .. } = seat.sitter else {
            return;
        };
        let limits = self.around.limits.clone();
        match message {
            Message::Said(text) => {
                let text = String::from_utf8_lossy(&text);
                let add = format!(
                    "{{\"userId\":{},\"msg\":{},\"ts\":\"{}\"}}",
                    seat.quoted,
                    quote(&text),
                    rfc3339(now.unix_ms)
                );
                self.history.push(&add);
                let delta = Delta {
                    add: &add,
                    ..Delta::default()
                };
                self.tell_all(&delta, None, out);
            }
            Message::TooLong => {
                self.notice(from, deltas, "message_too_long", limits.message_chars, out);
            }
            Message::TooFast => {
                let limit = limits.messages_per_second;
                self.notice(from, deltas, "rate_limited", limit, out);
            }
        }
    }

    fn leave(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        self.go(conn, now, out);
    }

    fn alive(&mut self, conn: ConnId, _: Now, _: &mut Outgoing) {
        let Some(at) = self.at(conn) else { return };
        let number = self.seats[at].number;
        let waiting = std::mem::take(&mut self.waiting);
        let (refused, kept): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|one| one.number == number);
        self.waiting = kept;
        for one in refused {
            let _ = one.reply.send(Err(Refusal::Duplicate));
        }
    }

    fn ask(&mut self, request: Request, now: Now, out: &mut Outgoing) {
        let Request::Seat { user, reply } = request;
        self.seat(user, reply, now, out);
    }

    fn committed(&mut self, _: Result<(), String>, _: Now, _: &mut Outgoing) {}

    fn tick(&mut self, now: Now, out: &mut Outgoing) {
        let since = |then: Instant| now.instant.saturating_duration_since(then);
        while let Some(at) = self
            .waiting
            .iter()
            .position(|one| since(one.since) >= PROBE)
        {
            // Nothing was heard: whoever had the seat is as good as gone.
            let Waiting { number, reply, .. } = self.waiting.remove(at);
            self.hand_over(number, reply, now, out);
            self.refuse_orphans();
        }
        let late =
            |seat: &&Seat| matches!(seat.sitter, Sitter::Expected(then) if since(then) >= KEPT);
        while let Some(number) = self.seats.iter().find(late).map(|seat| seat.number) {
            self.free(number, now, out);
        }
        match self.empty {
            Some(then) if since(then) >= self.around.limits.idle && self.listing.close() => {
                tracing::debug!(room = %self.id, "session room {} ended", self.id);
                // Once; the task ends with its last handle.
                (self.empty, self.told) = (None, None);
            }
            None if self.told.is_some_and(|told| since(told) >= IN_USE) => {
                self.told = Some(now.instant);
                self.listing.in_use();
            }
            _ => {}
        }
    }
}

impl Drop for RoomRules {
    fn drop(&mut self) {
        // The server stops, or the task has failed.
        for _ in 0..self.snapshots + self.deltas {
            self.around.metrics.left(Dialect::Session);
        }
    }
}
