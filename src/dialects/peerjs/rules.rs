//! What happens under one key: plain state, no sockets, no async.

use super::census::{Census, Counted};
use super::queues::{Expired, Owner, Queues, Waiting};
use super::switchboard::{HangUp, Party, Switchboard};
use super::wire::{self, Message, Relay};
use crate::access::{Client, Presence, Present};
use crate::config::PeerJs;
use crate::live::{CloseCode, ConnId, Frame, Groups, Lane, Now, Outgoing, Rules, To};
use crate::metrics::{Dialect, Metrics, Relayed};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

/// So often within [`FIGHT_WINDOW`] an id may be taken over by its own token: two pages with one
/// token would fight for ever.
const MOST_TAKE_OVERS: usize = 3;
const FIGHT_WINDOW: Duration = Duration::from_secs(10);

/// Who wants to be registered.
pub struct Caller {
    /// Under which id, with which token.
    pub owner: Owner,
    /// From where.
    pub client: Client,
}

/// What other parts of the server want.
pub enum Request {
    /// The registered ids, sorted.
    Peers {
        /// Takes them.
        reply: oneshot::Sender<Vec<String>>,
    },
    /// Whether this id is registered with this token.
    Holds {
        /// Both.
        owner: Owner,
        /// Takes the answer.
        reply: oneshot::Sender<bool>,
    },
    /// Somebody is cut off.
    HangUp(Arc<HangUp>, oneshot::Sender<()>),
}

/// What the broker needs to know of the server.
#[derive(Clone)]
pub struct Surroundings {
    pub settings: Arc<PeerJs>,
    pub metrics: Arc<Metrics>,
    pub switchboard: Switchboard,
    pub census: Census,
    pub presence: Presence,
}

/// The ids of one key, and what waits for those that are not registered.
pub struct BrokerRules {
    around: Surroundings,
    registered: HashMap<ConnId, Registration>,
    by_id: HashMap<Box<str>, ConnId>,
    queues: Queues,
}

/// One who is registered, over a connection that may change.
struct Registration {
    owner: Arc<Owner>,
    /// When others with its token took it over, the latest last.
    take_overs: VecDeque<Instant>,
    /// Keeps it counted.
    _counted: Counted,
    /// Where it is.
    client: Client,
    /// Keeps its address present.
    present: Present,
}

impl BrokerRules {
    /// With nobody registered.
    pub fn new(around: Surroundings) -> Self {
        Self {
            around,
            registered: HashMap::new(),
            by_id: HashMap::new(),
            queues: Queues::default(),
        }
    }

    /// The registration for a caller; or what it is told instead.
    fn register(
        &mut self,
        caller: Caller,
        now: Instant,
        out: &mut Outgoing,
    ) -> Result<Registration, Frame> {
        let Caller { owner, client } = caller;
        let Some(former) = self.by_id.get(&owner.id).copied() else {
            let counted = self.around.census.count(client).map_err(wire::error)?;
            self.around.metrics.joined(Dialect::PeerJs);
            self.around.switchboard.registered(&owner.id);
            return Ok(Registration {
                owner: Arc::new(owner),
                take_overs: VecDeque::new(),
                _counted: counted,
                client,
                present: self.around.presence.enter(client),
            });
        };
        let mut taken = self.registered.remove(&former).ok_or_else(wire::id_taken)?;
        if !taken.is_held_by(&owner) || !taken.may_be_taken_over(now) {
            self.registered.insert(former, taken);
            return Err(wire::id_taken());
        }
        taken.take_overs.push_back(now);
        taken.client = client;
        taken.present = self.around.presence.enter(client);
        out.close(former, CloseCode::NoStatus, "");
        Ok(taken)
    }

    /// Ends a registration; the connection is no more than a connection then.
    fn forget(&mut self, conn: ConnId) -> Option<Registration> {
        let gone = self.registered.remove(&conn)?;
        self.by_id.remove(&gone.owner.id);
        self.around.metrics.left(Dialect::PeerJs);
        self.around.switchboard.gone(&gone.owner.id);
        if self.registered.is_empty() {
            // What a busy evening took is given back.
            self.registered = HashMap::new();
            self.by_id = HashMap::new();
        }
        Some(gone)
    }

    fn relay(&mut self, from: ConnId, relay: &Relay, now: Instant, out: &mut Outgoing) {
        let Some(sender) = self.registered.get(&from) else {
            return;
        };
        let (conn, from, client) = (from, sender.owner.clone(), sender.client);
        let to = self.by_id.get(&relay.dst);
        let there = to.and_then(|to| self.registered.get(to));
        let there = (&*relay.dst, there.map(|there| there.client));
        let switchboard = &self.around.switchboard;
        if switchboard.are_apart((&from.id, client), there, now) {
            // As if nobody were there, for who calls; the rest belongs to a call that is none.
            if relay.kind == Relayed::Offer {
                self.around.metrics.expired();
                tell(conn, wire::expire(&relay.dst, &from.id), out);
            }
            return;
        }
        self.around.metrics.relayed(relay.kind);
        let frame = relay.frame(&from.id);
        if let Some(to) = self.by_id.get(&relay.dst) {
            tell(*to, frame, out);
            self.passed_on(relay.is_call, &from.id, &relay.dst, now);
        } else if relay.kind != Relayed::Leave {
            let waiting = Waiting::new(from, frame, relay.is_call, now);
            let expired = self.queues.push(&relay.dst, waiting);
            self.tell_expired(expired, out);
        }
    }

    fn passed_on(&self, is_call: bool, from: &str, to: &str, now: Instant) {
        if is_call {
            self.around.switchboard.passed_on(from, to, now);
        }
    }

    fn tell_expired(&self, expired: Vec<Expired>, out: &mut Outgoing) {
        for Expired { absent, from } in expired {
            self.around.metrics.expired();
            // Whoever has come back with the same token is still the one who sent it.
            let Some(conn) = self.by_id.get(&from.id) else {
                continue;
            };
            let holder = self.registered.get(conn);
            if holder.is_some_and(|holder| holder.owner == from) {
                tell(*conn, wire::expire(&absent, &from.id), out);
            }
        }
    }

    fn hang_up(&mut self, HangUp { target, mates }: &HangUp, now: Instant, out: &mut Outgoing) {
        let conn = self.by_party(target);
        if conn.is_none() && self.around.switchboard.is_registered(&target.0) {
            // Somebody else has this id, from elsewhere or under another key.
            return;
        }
        for mate in mates {
            if let Some(mate_conn) = self.by_party(mate) {
                tell(mate_conn, wire::leave(&target.0, &mate.0), out);
                // An id alone is anybody's to name; who is registered under it has shown its token.
                if conn.is_some() {
                    self.around.switchboard.part(target, mate, now);
                }
            }
        }
        if let Some(conn) = conn {
            self.close(conn, out);
        }
    }

    /// Where somebody is registered who is at this address.
    fn by_party(&self, (id, client): &Party) -> Option<ConnId> {
        let conn = *self.by_id.get(id.as_str())?;
        let found = self.registered.get(&conn)?;
        (found.client == *client).then_some(conn)
    }

    fn close(&mut self, conn: ConnId, out: &mut Outgoing) {
        self.forget(conn);
        out.close(conn, CloseCode::NoStatus, "");
    }
}

impl Registration {
    /// Whether this is its token; takes as long whatever differs.
    fn is_held_by(&self, owner: &Owner) -> bool {
        let (token, given) = (self.owner.token.as_bytes(), owner.token.as_bytes());
        token.ct_eq(given).into()
    }

    /// Whether nobody fights for it.
    fn may_be_taken_over(&mut self, now: Instant) -> bool {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= FIGHT_WINDOW;
        while self.take_overs.front().is_some_and(is_old) {
            self.take_overs.pop_front();
        }
        self.take_overs.len() < MOST_TAKE_OVERS
    }
}

impl Rules for BrokerRules {
    type Guest = Caller;
    type Message = Message;
    type Request = Request;

    fn group(&self, _: &Caller) -> Groups {
        Groups::one(0)
    }

    fn join(&mut self, conn: ConnId, caller: Caller, now: Now, out: &mut Outgoing) {
        let registration = match self.register(caller, now.instant, out) {
            Ok(registration) => registration,
            Err(why) => {
                tell(conn, why, out);
                return out.close(conn, CloseCode::NoStatus, "");
            }
        };
        let id = registration.owner.id.clone();
        tell(conn, wire::open(), out);
        let (messages, expired) = self.queues.take(&id);
        for waiting in messages {
            self.passed_on(waiting.is_call, &waiting.from.id, &id, now.instant);
            tell(conn, waiting.frame, out);
        }
        self.by_id.insert(id, conn);
        self.registered.insert(conn, registration);
        self.tell_expired(expired, out);
    }

    fn receive(&mut self, from: ConnId, message: Message, now: Now, out: &mut Outgoing) {
        match message {
            Message::Relay(relay) => self.relay(from, &relay, now.instant, out),
            Message::Leave if self.registered.contains_key(&from) => self.close(from, out),
            Message::Leave => {}
        }
    }

    fn leave(&mut self, conn: ConnId, _: Now, _: &mut Outgoing) {
        // Nobody is told: what others have with it survives on purpose.
        self.forget(conn);
    }

    fn ask(&mut self, request: Request, now: Now, out: &mut Outgoing) {
        match request {
            Request::Peers { reply } => {
                let mut ids: Vec<_> = self.by_id.keys().map(|id| String::from(&**id)).collect();
                ids.sort_unstable();
                out.answers.push(Box::new(move || drop(reply.send(ids))));
            }
            Request::Holds { owner, reply } => {
                let held = self.by_id.get(&owner.id);
                let held = held.and_then(|conn| self.registered.get(conn));
                let is_held = held.is_some_and(|held| held.is_held_by(&owner));
                out.answers.push(Box::new(move || {
                    let _ = reply.send(is_held);
                }));
            }
            Request::HangUp(hang_up, reply) => {
                self.hang_up(&hang_up, now.instant, out);
                out.answers.push(Box::new(move || {
                    let _ = reply.send(());
                }));
            }
        }
    }

    fn committed(&mut self, _: Result<(), String>, _: Now, _: &mut Outgoing) {}

    fn tick(&mut self, now: Now, out: &mut Outgoing) {
        let age = self.around.settings.expire_timeout;
        let expired = self.queues.sweep(age, now.instant);
        self.tell_expired(expired, out);
    }
}

fn tell(conn: ConnId, frame: Frame, out: &mut Outgoing) {
    out.send(To::One(conn), Lane::Control, frame);
}

#[cfg(test)]
mod tests;
