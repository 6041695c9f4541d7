//! What goes on in one group: plain state, no sockets, no async.
//!
//! Members are kept in the order in which they came, and the first of them is the owner: whoever
//! created the group, and after that whoever has been there longest.

use super::directory::{Claim, Directory, Owner, Seat};
use super::ids::{GroupId, Version, user_text};
use super::names::free_name;
use super::refusal::Refusal;
use super::say::{Peer, Person, Say};
use crate::access::{Client, Present};
use crate::live::{CloseCode, ConnId, Frame, Groups, Lane, Now, Outgoing, Rules, To};
use crate::metrics::{Dialect, Metrics};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// Members by their version.
const SEED: Groups = Groups::one(0);
const NEWEST: Groups = Groups::one(1);
const ALL: Groups = SEED.and(NEWEST);

/// Why somebody was removed, when the owner has not said.
const REMOVED: &str = "removed by the group's owner";

/// What groups need to know of the server.
#[derive(Clone)]
pub struct Surroundings {
    /// All groups.
    pub directory: Arc<Directory>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// The broker, where there is one.
    pub calls: Arc<dyn Calls>,
    /// Set when the server stops: nobody has left anything then, and running calls go on.
    pub stopping: Arc<AtomicBool>,
}

/// What a group has to do with the broker, through which the calls themselves go.
pub trait Calls: Send + Sync {
    /// Takes a ring that has to wait, to bring it back with [`Request::Ring`]; gives back one that
    /// need not.
    fn hold(&self, ring: Ring) -> Option<Ring>;

    /// Ends what `target` has with `mates` there. Each with where it is.
    fn hang_up(&self, target: (String, Client), mates: Vec<(String, Client)>);

    /// Whoever is reached under `newcomer` may speak with `mates` there, whatever was before.
    fn meet(&self, newcomer: &str, mates: &[&str]);
}

/// A call on its way to who is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Where.
    pub group: GroupId,
    /// Who calls.
    pub caller: Uuid,
    /// Who is called.
    pub callee: Uuid,
    /// Under which id the caller is reached.
    pub from: String,
    /// Under which id the other one is.
    pub to: String,
}

/// Somebody on the way in.
pub struct Guest {
    /// Its place.
    pub seat: Seat,
    /// Where it is.
    pub client: Client,
    /// That somebody takes part from there.
    pub present: Present,
    /// Who claims ids for it.
    pub owner: Owner,
    /// Its id.
    pub user: Uuid,
    /// What it wants to be called.
    pub name: String,
    /// Under which id it is reached.
    pub peer: Option<Claim>,
    /// What it speaks.
    pub version: Version,
    /// Whether it created the group (and did not join it).
    pub creates: bool,
}

/// What a member says.
#[derive(Debug)]
pub enum Message {
    /// Decided already; the group only keeps the order.
    Answer(Frame),
    /// Goes.
    Leave,
    /// Joins the group that it is in.
    Rejoin {
        /// Under which id it is reached.
        peer: Option<String>,
    },
    /// Is reached under this id from now on.
    Announce {
        /// The id.
        peer: String,
    },
    /// Calls.
    Call {
        /// Whom.
        target: String,
        /// Its own id, as far as the server knows none.
        from: String,
    },
    /// Answers a call.
    Respond {
        /// Whether it takes it.
        accepted: bool,
        /// Who called.
        caller: String,
        /// As before.
        from: String,
    },
    /// Wants to know who moderates.
    Moderation,
    /// Closes the group to others, or opens it.
    Lock(bool),
    /// Asks somebody to be silent.
    Mute(Option<Uuid>),
    /// Sends somebody away.
    Remove {
        /// Whom.
        user: Option<Uuid>,
        /// Why, for that member.
        reason: Option<String>,
    },
}

/// What others want of a group.
pub enum Request {
    /// A ring has waited long enough.
    Ring {
        /// Which.
        ring: Ring,
        /// Told when it has been delivered, or is not any more.
        done: oneshot::Sender<()>,
    },
}

struct Member {
    conn: ConnId,
    owner: Owner,
    user: Uuid,
    name: String,
    peer: Option<Claim>,
    version: Version,
    /// Has asked who moderates, so it knows our messages.
    watches: bool,
    client: Client,
    /// Keeps the group alive.
    _seat: Seat,
    _present: Present,
}

impl Member {
    fn peer_id(&self) -> Option<&str> {
        self.peer.as_ref().map(Claim::peer)
    }

    fn as_peer(&self) -> Option<Peer<'_>> {
        let peer_id = self.peer_id()?;
        let username = &self.name;
        Some(Peer { peer_id, username })
    }
}

/// The rules of one group.
pub struct GroupRules {
    around: Surroundings,
    id: GroupId,
    name: Arc<str>,
    members: Vec<Member>,
    locked: bool,
}

fn group_of(version: Version) -> Groups {
    match version {
        Version::Seed => SEED,
        Version::Newest => NEWEST,
    }
}

fn tell(conn: ConnId, say: &Say<'_>, now: Now, out: &mut Outgoing) {
    out.send(To::One(conn), Lane::Control, say.frame(now.unix_ms));
}

fn refuse(conn: ConnId, refusal: &Refusal, now: Now, out: &mut Outgoing) {
    out.send(To::One(conn), Lane::Control, refusal.frame(now.unix_ms));
}

impl GroupRules {
    /// A group that waits for whoever made it.
    pub fn new(id: GroupId, name: Arc<str>, around: Surroundings) -> Self {
        Self {
            around,
            id,
            name,
            members: Vec::new(),
            locked: false,
        }
    }

    fn at(&self, conn: ConnId) -> Option<usize> {
        self.members.iter().position(|member| member.conn == conn)
    }

    fn by_user(&self, user: Uuid) -> Option<&Member> {
        self.members.iter().find(|member| member.user == user)
    }

    fn by_peer(&self, peer: &str) -> Option<&Member> {
        let reached = |member: &&Member| member.peer_id() == Some(peer);
        self.members.iter().find(reached)
    }

    /// Tells everybody but `conn`, in the words of each version.
    fn tell_others<'a>(
        &self,
        conn: ConnId,
        say: impl Fn(Version) -> Say<'a>,
        now: Now,
        out: &mut Outgoing,
    ) {
        for version in [Version::Seed, Version::Newest] {
            let hears = |member: &Member| member.version == version && member.conn != conn;
            if self.members.iter().any(hears) {
                let to = To::But(group_of(version), conn);
                out.send(to, Lane::Control, say(version).frame(now.unix_ms));
            }
        }
    }

    fn group_joined<'a>(&'a self, member: &'a Member) -> Say<'a> {
        let others = self.members.iter().filter(|m| m.conn != member.conn);
        let to = member.version;
        Say::GroupJoined {
            group_id: self.id.text(to),
            group_name: &self.name,
            user: Person::new(member.user, &member.name, None, to),
            members: others
                .map(|m| Person::new(m.user, &m.name, m.peer_id(), to))
                .collect(),
        }
    }

    /// Who is reached where, for a member that has said where itself is. The newest version's clients
    /// are told of themselves, too.
    fn existing_peers<'a>(&'a self, member: &Member) -> Say<'a> {
        let told = |m: &&Member| m.conn != member.conn || member.version == Version::Newest;
        let peers = self.members.iter().filter(told);
        Say::ExistingPeers {
            peers: peers.filter_map(Member::as_peer).collect(),
        }
    }

    fn tell_peer_joined(&self, member: &Member, now: Now, out: &mut Outgoing) {
        if let Some(Peer { peer_id, username }) = member.as_peer()
            && self.members.len() > 1
        {
            let say = Say::PeerJoined { peer_id, username };
            let others = To::But(ALL, member.conn);
            out.send(others, Lane::Control, say.frame(now.unix_ms));
        }
    }

    /// Tells who moderates to those who watch.
    fn tell_watchers(&self, now: Now, out: &mut Outgoing) {
        for member in self.members.iter().filter(|member| member.watches) {
            self.tell_moderation(member, now, out);
        }
    }

    fn tell_moderation(&self, member: &Member, now: Now, out: &mut Outgoing) {
        let Some(owner) = self.members.first() else {
            return;
        };
        let say = Say::Moderation {
            owner_id: user_text(owner.user, member.version),
            locked: self.locked,
        };
        tell(member.conn, &say, now, out);
    }

    /// Makes `peer` the id of a member. Whether it was another one before.
    fn reach(&mut self, at: usize, peer: &str) -> Result<bool, Refusal> {
        let directory = self.around.directory.clone();
        let member = &mut self.members[at];
        if member.peer_id() == Some(peer) {
            return Ok(false);
        }
        member.peer = Some(directory.claim(peer, member.owner)?);
        self.meet(at);
        Ok(true)
    }

    /// Whoever has been removed, and is in the group again, may be called again.
    fn meet(&self, at: usize) {
        let Some(peer) = self.members[at].peer_id() else {
            return;
        };
        let mates = self.members.iter().filter_map(Member::peer_id);
        let mates: Vec<_> = mates.filter(|mate| *mate != peer).collect();
        self.around.calls.meet(peer, &mates);
    }

    /// The id under which a member is reached; `given` where the server knows none.
    fn reached_at(&mut self, at: usize, given: &str) -> Result<String, Refusal> {
        if self.members[at].peer.is_none() {
            self.reach(at, given)?;
        }
        let peer = self.members[at].peer_id().unwrap_or(given);
        Ok(peer.to_owned())
    }

    fn rejoin(
        &mut self,
        at: usize,
        peer: Option<&str>,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        let changed = match peer {
            Some(peer) => self.reach(at, peer)?,
            None => false,
        };
        let member = &self.members[at];
        tell(member.conn, &self.group_joined(member), now, out);
        if peer.is_some() {
            tell(member.conn, &self.existing_peers(member), now, out);
        }
        if changed {
            self.tell_peer_joined(member, now, out);
        }
        Ok(())
    }

    fn announce(
        &mut self,
        at: usize,
        peer: &str,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        self.reach(at, peer)?;
        let member = &self.members[at];
        self.tell_peer_joined(member, now, out);
        tell(member.conn, &self.existing_peers(member), now, out);
        Ok(())
    }

    fn call(
        &mut self,
        at: usize,
        target: String,
        from: &str,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        let callee = self.by_peer(&target).ok_or(Refusal::PeerNotFound)?.user;
        let ring = Ring {
            group: self.id.clone(),
            caller: self.members[at].user,
            callee,
            from: self.reached_at(at, from)?,
            to: target,
        };
        if let Some(ring) = self.around.calls.hold(ring) {
            self.ring(&ring, now, out);
        }
        Ok(())
    }

    /// Delivers a ring, if both are still there.
    fn ring(&self, ring: &Ring, now: Now, out: &mut Outgoing) {
        if let (Some(caller), Some(callee)) = (self.by_user(ring.caller), self.by_user(ring.callee))
        {
            let say = Say::IncomingCallRequest {
                from_peer_id: &ring.from,
                from_username: &caller.name,
            };
            tell(callee.conn, &say, now, out);
        }
    }

    fn respond(
        &mut self,
        at: usize,
        accepted: bool,
        caller: &str,
        from: &str,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        let conn = self.by_peer(caller).ok_or(Refusal::PeerNotFound)?.conn;
        let from = self.reached_at(at, from)?;
        let say = Say::CallResponse {
            accepted,
            from_peer_id: &from,
            to_peer_id: caller,
        };
        tell(conn, &say, now, out);
        Ok(())
    }

    /// Where somebody is whom the member at `at` may direct: it must be the owner.
    fn directed(&self, at: usize, user: Option<Uuid>) -> Result<usize, Refusal> {
        if at != 0 {
            return Err(Refusal::Forbidden);
        }
        let found = self.members.iter().position(|m| Some(m.user) == user);
        found.ok_or(Refusal::UserNotFound)
    }

    fn lock(
        &mut self,
        at: usize,
        locked: bool,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        if at != 0 {
            return Err(Refusal::Forbidden);
        }
        self.members[at].watches = true;
        self.locked = locked;
        self.around.directory.set_locked(&self.id, locked);
        self.tell_watchers(now, out);
        Ok(())
    }

    fn mute(
        &self,
        at: usize,
        user: Option<Uuid>,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        let target = &self.members[self.directed(at, user)?];
        let owner = &self.members[at];
        let user = Person::new(owner.user, &owner.name, None, target.version);
        tell(target.conn, &Say::MuteRequested { user }, now, out);
        Ok(())
    }

    fn remove(
        &mut self,
        at: usize,
        user: Option<Uuid>,
        reason: Option<String>,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        let target = self.directed(at, user)?;
        if target == at {
            // Who wants to go leaves.
            return Err(Refusal::Forbidden);
        }
        let conn = self.members[target].conn;
        let reached = |member: &Member| Some((member.peer_id()?.to_owned(), member.client));
        let peer = reached(&self.members[target]);
        self.go(conn, now, out);
        let reason = reason.unwrap_or_else(|| REMOVED.to_owned());
        out.close(conn, CloseCode::Kicked, reason);
        if let Some(peer) = peer {
            let mates = self.members.iter().filter_map(reached);
            self.around.calls.hang_up(peer, mates.collect());
        }
        Ok(())
    }

    /// Strikes a member off and tells the others.
    fn go(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        let Some(at) = self.at(conn) else { return };
        let gone = self.members.remove(at);
        self.around.metrics.left(Dialect::PeerShare);
        if self.around.stopping.load(Ordering::Relaxed) {
            return;
        }
        let left = |version| Say::UserLeft {
            user_id: user_text(gone.user, version),
            username: &gone.name,
        };
        self.tell_others(conn, left, now, out);
        if at == 0 {
            self.tell_watchers(now, out);
        }
    }

    /// What a member wants done.
    fn act(
        &mut self,
        at: usize,
        message: Message,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        match message {
            Message::Answer(frame) => {
                out.send(To::One(self.members[at].conn), Lane::Control, frame);
                Ok(())
            }
            Message::Leave => {
                self.go(self.members[at].conn, now, out);
                Ok(())
            }
            Message::Rejoin { peer } => self.rejoin(at, peer.as_deref(), now, out),
            Message::Announce { peer } => self.announce(at, &peer, now, out),
            Message::Call { target, from } => self.call(at, target, &from, now, out),
            Message::Respond {
                accepted,
                caller,
                from,
            } => self.respond(at, accepted, &caller, &from, now, out),
            Message::Moderation => {
                self.members[at].watches = true;
                self.tell_moderation(&self.members[at], now, out);
                Ok(())
            }
            Message::Lock(locked) => self.lock(at, locked, now, out),
            Message::Mute(user) => self.mute(at, user, now, out),
            Message::Remove { user, reason } => self.remove(at, user, reason, now, out),
        }
    }
}

impl Rules for GroupRules {
    type Guest = Guest;
    type Message = Message;
    type Request = Request;

    fn group(&self, guest: &Guest) -> Groups {
        group_of(guest.version)
    }

    fn join(&mut self, conn: ConnId, guest: Guest, now: Now, out: &mut Outgoing) {
        let names = self.members.iter().map(|member| member.name.as_str());
        let name = free_name(&guest.name, names);
        self.around.metrics.joined(Dialect::PeerShare);
        self.members.push(Member {
            conn,
            owner: guest.owner,
            user: guest.user,
            name,
            peer: guest.peer,
            version: guest.version,
            watches: false,
            client: guest.client,
            _seat: guest.seat,
            _present: guest.present,
        });
        self.meet(self.members.len() - 1);
        let Some(member) = self.members.last() else {
            return;
        };
        if guest.creates {
            let to = member.version;
            let say = Say::GroupCreated {
                group_id: self.id.text(to),
                group_name: &self.name,
                user: Person::new(member.user, &member.name, None, to),
            };
            return tell(conn, &say, now, out);
        }
        tell(conn, &self.group_joined(member), now, out);
        let joined = |to| Say::UserJoined {
            user: Person::new(member.user, &member.name, member.peer_id(), to),
        };
        self.tell_others(conn, joined, now, out);
        if member.peer.is_some() {
            tell(conn, &self.existing_peers(member), now, out);
            self.tell_peer_joined(member, now, out);
        }
    }

    fn receive(&mut self, from: ConnId, message: Message, now: Now, out: &mut Outgoing) {
        // Whoever has said that it leaves waits for being let go, in any case.
        if matches!(message, Message::Leave) {
            out.released.push(from);
        }
        let Some(at) = self.at(from) else { return };
        if let Err(refusal) = self.act(at, message, now, out) {
            refuse(from, &refusal, now, out);
        }
    }

    fn leave(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        self.go(conn, now, out);
    }

    fn ask(&mut self, request: Request, now: Now, out: &mut Outgoing) {
        let Request::Ring { ring, done } = request;
        self.ring(&ring, now, out);
        let _ = done.send(());
    }

    fn committed(&mut self, _: Result<(), String>, _: Now, _: &mut Outgoing) {}

    fn tick(&mut self, _: Now, _: &mut Outgoing) {}
}
