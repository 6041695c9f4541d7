//! What happens in one room: plain state, no sockets, no async.

use super::rooms::Proof;
use super::wire::{Addressee, Message};
use crate::config::Nexus;
use crate::live::{CloseCode, ConnId, Frame, Groups, Lane, Now, Outgoing, Rules, To};
use crate::metrics::{Dialect, Metrics};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Who is in the room.
const MEMBERS: Groups = Groups::one(0);
/// Who only has its connection, because there is no such room or no place in it.
const OUTSIDE: Groups = Groups::one(1);

/// Who comes.
pub enum Guest {
    /// Whoever opened the room.
    Host(Option<Proof>),
    /// Anybody else; the host that comes back, if the proof says so.
    Player(Option<Proof>),
    /// Somebody who gets no room, and why.
    Outside(&'static str),
}

/// What a room needs to know of the server.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub settings: Arc<Nexus>,
    pub metrics: Arc<Metrics>,
    /// Set when the server stops: whoever is sent away then is to come back, and no game has ended.
    pub stopping: Arc<AtomicBool>,
}

/// One room, or the lobby for those who have none.
pub struct RoomRules {
    around: Surroundings,
    /// What is left of a room that has ended is as good as the lobby.
    room: Option<Room>,
    /// Connections without a room, the oldest first.
    outside: VecDeque<(Instant, ConnId)>,
}

struct Room {
    code: Box<str>,
    members: HashMap<ConnId, Member>,
    by_id: HashMap<Uuid, ConnId>,
    /// The host's id: known before it has come, and after it was lost.
    host_id: Uuid,
    host: Host,
    /// Makes the code free again.
    ended: Box<dyn FnOnce() + Send>,
}

/// One connection in a room.
struct Member {
    id: Uuid,
    proof: Option<Proof>,
}

/// Where a room's host is.
enum Host {
    /// On its way: the room was opened for it a moment ago.
    Coming,
    Here(ConnId),
    /// Its connection broke; the room waits for the one with the same proof.
    Lost {
        until: Instant,
        proof: Proof,
    },
}

/// Why somebody gets no room.
pub(super) const NOT_FOUND: &str = "Room not found";
const FULL: &str = "Room is full";

impl RoomRules {
    /// A room that waits for its host. `ended` is called once, as soon as it has ended.
    pub(super) fn new(
        code: &str,
        around: Surroundings,
        ended: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self {
            room: Some(Room {
                code: code.into(),
                members: HashMap::new(),
                by_id: HashMap::new(),
                host_id: Uuid::new_v4(),
                host: Host::Coming,
                ended: Box::new(ended),
            }),
            ..Self::lobby(around)
        }
    }

    /// The room of those who have none.
    pub(super) fn lobby(around: Surroundings) -> Self {
        Self {
            around,
            room: None,
            outside: VecDeque::new(),
        }
    }

    /// Why this guest gets no place.
    fn refusal(&self, guest: &Guest) -> Option<&'static str> {
        match (guest, &self.room) {
            (Guest::Outside(why), _) => Some(why),
            (_, None) => Some(NOT_FOUND),
            // There is always a place for the host.
            (Guest::Player(proof), Some(room)) if !room.awaits(*proof) => {
                let most = self.around.settings.max_members;
                let host = usize::from(!matches!(room.host, Host::Here(_)));
                (room.members.len() + host >= most).then_some(FULL)
            }
            (Guest::Host(_) | Guest::Player(_), Some(_)) => None,
        }
    }

    fn go(&mut self, conn: ConnId, lost: bool, now: Now, out: &mut Outgoing) {
        self.outside.retain(|(_, other)| *other != conn);
        let Some(room) = &mut self.room else { return };
        let Some(member) = room.members.remove(&conn) else {
            return;
        };
        self.around.metrics.left(Dialect::Nexus);
        room.by_id.remove(&member.id);
        if self.around.stopping.load(Ordering::Relaxed) {
            return;
        }
        if !matches!(room.host, Host::Here(host) if host == conn) {
            return room.tell_all(session_leave(member.id, now), out);
        }
        let grace = Duration::from_secs(self.around.settings.host_grace.into());
        match member.proof.filter(|_| lost && !grace.is_zero()) {
            Some(proof) => {
                room.tell_all(session_leave(member.id, now), out);
                let until = now.instant + grace;
                room.host = Host::Lost { until, proof };
                // Its page may have come back before the end of its connection was noticed.
                let present = room.members.iter().find(|(_, m)| m.proof == Some(proof));
                if let Some(conn) = present.map(|(conn, _)| *conn) {
                    room.seat_host(conn, now, out);
                }
            }
            None => self.end(now, out),
        }
    }

    fn end(&mut self, now: Now, out: &mut Outgoing) {
        let Some(room) = self.room.take() else { return };
        room.tell_all(server_event("session/ended", "", now), out);
        tracing::debug!(room = &*room.code, "room {} ended", room.code);
        (room.ended)();
        for conn in room.members.into_keys() {
            self.around.metrics.left(Dialect::Nexus);
            out.close(conn, CloseCode::NoStatus, "");
        }
    }
}

impl Room {
    /// Whether it waits for the host who has this proof.
    fn awaits(&self, proof: Option<Proof>) -> bool {
        match &self.host {
            Host::Lost { proof: lost, .. } => proof == Some(*lost),
            Host::Coming | Host::Here(_) => false,
        }
    }

    /// Makes a member the host and tells it.
    fn seat_host(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        let Some(member) = self.members.get(&conn) else {
            return;
        };
        self.host = Host::Here(conn);
        self.host_id = member.id;
        let facts = session_facts(&self.code, member.id, "");
        tell(conn, server_event("session/created", &facts, now), out);
    }

    fn admit(&mut self, conn: ConnId, id: Uuid, proof: Option<Proof>) {
        self.members.insert(conn, Member { id, proof });
        self.by_id.insert(id, conn);
    }

    fn tell_all(&self, frame: Frame, out: &mut Outgoing) {
        out.send(To::Groups(MEMBERS), Lane::Control, frame);
    }
}

impl Rules for RoomRules {
    type Guest = Guest;
    type Message = Message;
    type Request = ();

    fn group(&self, guest: &Guest) -> Groups {
        match self.refusal(guest) {
            Some(_) => OUTSIDE,
            None => MEMBERS,
        }
    }

    fn join(&mut self, conn: ConnId, guest: Guest, now: Now, out: &mut Outgoing) {
        if let Some(why) = self.refusal(&guest) {
            self.outside.push_back((now.instant, conn));
            return tell(conn, server_error(why, now), out);
        }
        let Some(room) = &mut self.room else { return };
        self.around.metrics.joined(Dialect::Nexus);
        match guest {
            Guest::Host(proof) => {
                room.admit(conn, room.host_id, proof);
                room.seat_host(conn, now, out);
                // Somebody who knew the code may have been faster.
                for member in room.members.values().filter(|m| m.id != room.host_id) {
                    tell(conn, session_join(member.id, now), out);
                }
            }
            Guest::Player(proof) => {
                let id = Uuid::new_v4();
                let returns = room.awaits(proof);
                room.admit(conn, id, proof);
                if returns {
                    room.seat_host(conn, now, out);
                } else {
                    let host = format!(",\"hostId\":\"{}\"", room.host_id);
                    let facts = session_facts(&room.code, id, &host);
                    tell(conn, server_event("session/joined", &facts, now), out);
                }
                let others = To::But(MEMBERS, conn);
                out.send(others, Lane::Control, session_join(id, now));
            }
            Guest::Outside(_) => {}
        }
    }

    fn receive(&mut self, from: ConnId, message: Message, now: Now, out: &mut Outgoing) {
        let Some(room) = &self.room else { return };
        let Some(member) = room.members.get(&from) else {
            return;
        };
        let is_host = matches!(room.host, Host::Here(host) if host == from);
        if self.around.settings.strict && message.directs && !is_host {
            return;
        }
        let to = match message.to {
            Addressee::Others => To::But(MEMBERS, from),
            Addressee::One(id) => match room.by_id.get(&id) {
                Some(conn) => To::One(*conn),
                None => return,
            },
            Addressee::Nobody => return,
        };
        out.send(to, Lane::Control, message.frame(member.id, now.unix_ms));
    }

    fn leave(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        self.go(conn, false, now, out);
    }

    fn lose(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        self.go(conn, true, now, out);
    }

    fn ask(&mut self, (): (), _: Now, _: &mut Outgoing) {}

    fn committed(&mut self, _: Result<(), String>, _: Now, _: &mut Outgoing) {}

    fn tick(&mut self, now: Now, out: &mut Outgoing) {
        let given_up =
            |room: &Room| matches!(room.host, Host::Lost { until, .. } if until <= now.instant);
        if self.room.as_ref().is_some_and(given_up) {
            self.end(now, out);
        }
        let idle = Duration::from_secs(self.around.settings.idle.into());
        while let Some((since, conn)) = self.outside.front()
            && now.instant.saturating_duration_since(*since) >= idle
        {
            // Its page stays away after this, and would come back after any other.
            out.close(*conn, CloseCode::Normal, "no room");
            self.outside.pop_front();
        }
    }
}

fn tell(conn: ConnId, frame: Frame, out: &mut Outgoing) {
    out.send(To::One(conn), Lane::Control, frame);
}

/// A code or an id needs no escapes.
fn session_facts(code: &str, id: Uuid, more: &str) -> String {
    format!(r#","roomCode":"{code}","room":"{code}","uuid":"{id}"{more}"#)
}

fn session_join(id: Uuid, now: Now) -> Frame {
    server_event("session/join", &format!(r#","uuid":"{id}""#), now)
}

fn session_leave(id: Uuid, now: Now) -> Frame {
    server_event("session/leave", &format!(r#","uuid":"{id}""#), now)
}

fn server_event(name: &str, facts: &str, now: Now) -> Frame {
    let at = now.unix_ms;
    let text = format!(r#"{{"type":"event","data":{{"name":"{name}"{facts}}},"timestamp":{at}}}"#);
    Frame::text(&[text.as_bytes()])
}

fn server_error(message: &str, now: Now) -> Frame {
    let at = now.unix_ms;
    let text = format!(r#"{{"type":"error","data":{{"message":"{message}"}},"timestamp":{at}}}"#);
    Frame::text(&[text.as_bytes()])
}
