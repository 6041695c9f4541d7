//! What goes on in one chat room.
//!
//! A room's members are those who are there and those who have lost their connection and may come
//! back unnoticed. What goes on has numbers without a gap, and everybody is told in that order.

use super::check::{Alg, PublicKey, Upload, folded, is_wrapped_key};
use super::directory::{Budget, Digest, Directory, Entry, digest, same};
use super::kept::{Events, Files, SharedFile};
use super::refusal::Refusal;
use super::say::Said;
use super::wire::{Scheme, Tagging};
use crate::config::ChatLimits;
use crate::json::quote;
use crate::live::{CloseCode, ConnId, Groups, Lane, Now, Outgoing, Rules, To, rfc3339};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Members by how they spell.
const INTERNAL: Groups = Groups::one(0);
const EXTERNAL: Groups = Groups::one(1);

/// How long a seat is held for somebody who was let in and does not come.
const ARRIVAL: Duration = Duration::from_secs(10);
/// Keys that wait for a member who has lost the connection; the newest count.
const WAITING_KEYS: usize = 16;
/// The highest number that a key can have: an envelope has nine digits for it.
const LAST_EPOCH: u64 = 999_999_999;
/// Reserved for whoever made the room, whatever their name is.
const OWNER_NAME: &str = "owner";

/// What a room is from its first moment on.
pub struct Founding {
    /// What is fixed about it.
    pub entry: Arc<Entry>,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The key that the server manages, in base64; empty in an end-to-end encrypted room.
    pub key: String,
    /// Who makes it.
    pub owner_name: String,
    /// The maker's public key.
    pub public_key: Option<PublicKey>,
}

/// Somebody on the way in, with a seat that is held.
pub struct Guest {
    /// Which seat.
    pub seat: u64,
    /// How the client spells.
    pub tagging: Tagging,
    /// Of the message that is answered with the room.
    pub request_id: Option<String>,
    /// The session's secret, made by the server.
    pub token: String,
    /// The number of the last event that somebody who resumes has seen.
    pub last_seq: Option<u64>,
}

/// What a member says.
pub struct Message {
    /// The client's name for it.
    pub request_id: Option<String>,
    /// What.
    pub what: What,
}

/// The same without its name. Ids are made where messages are read.
pub enum What {
    Chat {
        id: String,
        content: String,
        /// Of its envelope, in an end-to-end encrypted room.
        epoch: Option<u64>,
    },
    Members,
    Upload {
        id: String,
        upload: Upload,
    },
    File {
        id: String,
    },
    Leave,
    Close,
    ShareKey {
        to: String,
        epoch: u64,
        wrapped_key: String,
    },
    Rekey {
        epoch: u64,
        keys: Vec<(String, String)>,
    },
    /// Decided already; the room only keeps the order.
    Answer(Said),
    /// The same, of a connection that is refused once too often.
    Expel,
}

/// What others want of a room; each is answered.
pub enum Request {
    /// Somebody who may join wants a seat.
    Arrive {
        /// What they are called.
        name: String,
        /// Their public key.
        public_key: Option<PublicKey>,
        /// Which seat it is.
        reply: oneshot::Sender<Result<u64, Refusal>>,
    },
    /// Somebody comes back.
    Return {
        /// Their session's.
        token: Digest,
        /// Which seat it is, and whether it is the owner's.
        reply: oneshot::Sender<Result<(u64, bool), Refusal>>,
    },
    /// A file, for whoever has the session of somebody who is there.
    File {
        /// Their session's.
        token: Digest,
        /// Which file.
        id: String,
        /// The file.
        reply: oneshot::Sender<Option<SharedFile>>,
    },
}

struct Member {
    id: String,
    name: String,
    folded: String,
    is_owner: bool,
    joined_ms: u64,
    key: Option<PublicKey>,
    token: Digest,
    /// What it came back with last. Should that connection be lost before it has spoken on it, this
    /// counts once more: the answer with the new one may have been lost, too.
    former: Option<Digest>,
    tagging: Tagging,
    presence: Presence,
    /// The newest event when it joined: what was said before is not for it.
    since: u64,
    /// Keys that came while the connection was lost.
    waiting: Vec<Said>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Here(ConnId),
    Away(Instant),
}

impl Member {
    fn key_json(&self) -> &str {
        self.key.as_ref().map_or("null", |key| key.json.as_str())
    }

    fn group(&self) -> Groups {
        group(self.tagging)
    }

    fn is_away(&self) -> bool {
        matches!(self.presence, Presence::Away(_))
    }

    fn tokens(&self) -> impl Iterator<Item = &Digest> {
        std::iter::once(&self.token).chain(&self.former)
    }

    fn may_come_with(&self, token: &Digest) -> bool {
        let former = self.former.as_ref().filter(|_| self.is_away());
        // Both are compared, whichever it is.
        let known = std::iter::once(&self.token).chain(former);
        known.filter(|known| same(known, token)).count() > 0
    }

    fn json(&self) -> String {
        Said::new("member")
            .text("participant_id", &self.id)
            .text("name", &self.name)
            .raw("is_owner", if self.is_owner { "true" } else { "false" })
            .text("joined_at", &rfc3339(self.joined_ms))
            .raw("public_key", self.key_json())
            .object()
    }
}

fn group(tagging: Tagging) -> Groups {
    match tagging {
        Tagging::Internal => INTERNAL,
        Tagging::External => EXTERNAL,
    }
}

/// A seat that is held.
enum Coming {
    New {
        name: String,
        key: Option<PublicKey>,
        is_owner: bool,
    },
    /// A member, by the session that it still knew.
    Back { id: String, by: Digest },
}

/// A member comes back with the session `by`, and gets the session `token`.
fn renew(member: &mut Member, by: Digest, token: Digest, directory: &Directory) {
    let others = member.tokens().filter(|known| !same(known, &by));
    others.for_each(|token| directory.end(token));
    member.former = Some(by);
    member.token = token;
}

/// The rules of one chat room.
pub struct ChatRules {
    limits: ChatLimits,
    directory: Arc<Directory>,
    entry: Arc<Entry>,
    name: String,
    description: String,
    key: String,
    created_ms: u64,
    /// The kind of all public keys, where there must be some.
    alg: Option<Alg>,
    /// In the order in which they joined.
    members: Vec<Member>,
    coming: HashMap<u64, (Instant, Coming)>,
    seats: u64,
    /// The owner's name, which stays theirs.
    owner_folded: String,
    /// The owner when not among the members: may come back as long as the room lives.
    gone_owner: Option<Member>,
    events: Events,
    files: Files,
    last_event: Instant,
    empty_since: Option<Instant>,
    closed: bool,
}

/// The seat of whoever makes a room.
pub const OWNERS_SEAT: u64 = 0;

impl ChatRules {
    /// A room that waits for its owner, at [`OWNERS_SEAT`].
    pub fn new(
        founding: Founding,
        limits: &ChatLimits,
        directory: Arc<Directory>,
        budget: &Arc<Budget>,
        now: Now,
    ) -> Self {
        let coming = Coming::New {
            name: founding.owner_name.clone(),
            key: founding.public_key.clone(),
            is_owner: true,
        };
        let scheme = founding.entry.client_keys.as_ref().map(|keys| keys.scheme);
        let must_have_keys = scheme == Some(Scheme::Wrap);
        let alg = founding.public_key.map(|key| key.alg);
        Self {
            limits: limits.clone(),
            directory,
            entry: founding.entry,
            name: founding.name,
            description: founding.description,
            key: founding.key,
            created_ms: now.unix_ms,
            alg: alg.filter(|_| must_have_keys),
            members: Vec::new(),
            coming: HashMap::from([(OWNERS_SEAT, (now.instant, coming))]),
            seats: OWNERS_SEAT + 1,
            owner_folded: folded(&founding.owner_name),
            gone_owner: None,
            events: Events::new(limits, budget.clone()),
            files: Files::new(limits, budget.clone()),
            last_event: now.instant,
            empty_since: None,
            closed: false,
        }
    }

    // Who is where.

    fn at(&self, conn: ConnId) -> Option<usize> {
        let here = |member: &Member| member.presence == Presence::Here(conn);
        self.members.iter().position(here)
    }

    fn by_id(&self, id: &str) -> Option<usize> {
        self.members.iter().position(|member| member.id == id)
    }

    fn seat(&mut self, coming: Coming, now: Instant) -> u64 {
        let seat = self.seats;
        self.seats += 1;
        self.coming.insert(seat, (now, coming));
        seat
    }

    fn is_full(&self) -> bool {
        let new = |(_, coming): &&(Instant, Coming)| match coming {
            Coming::New { .. } => true,
            Coming::Back { id, .. } => self.by_id(id).is_none(),
        };
        let coming = self.coming.values().filter(new).count();
        self.members.len() + coming >= usize::from(self.limits.members)
    }

    fn is_taken(&self, name: &str) -> bool {
        let folded = folded(name);
        let coming = self.coming.values().any(|(_, coming)| match coming {
            Coming::New { name, .. } => super::check::folded(name) == folded,
            Coming::Back { .. } => false,
        });
        coming
            || folded == OWNER_NAME
            || folded == self.owner_folded
            || self.members.iter().any(|member| member.folded == folded)
    }

    fn arrive(
        &mut self,
        name: String,
        key: Option<PublicKey>,
        now: Instant,
    ) -> Result<u64, Refusal> {
        if self.closed {
            return Err(Refusal::RoomNotFound);
        }
        if let Some(alg) = self.alg
            && key.as_ref().is_none_or(|key| key.alg != alg)
        {
            return Err(Refusal::InvalidPublicKey);
        }
        if self.is_full() {
            return Err(Refusal::RoomFull);
        }
        if self.is_taken(&name) {
            return Err(Refusal::NameTaken);
        }
        let is_owner = false;
        let coming = Coming::New {
            name,
            key,
            is_owner,
        };
        Ok(self.seat(coming, now))
    }

    fn come_back(&mut self, token: &Digest, now: Instant) -> Result<(u64, bool), Refusal> {
        let known = self.members.iter().chain(&self.gone_owner);
        let mut known = known.filter(|member| member.may_come_with(token));
        let member = known.next().filter(|_| !self.closed);
        let member = member.ok_or(Refusal::ResumeFailed)?;
        let (id, is_owner) = (member.id.clone(), member.is_owner);
        if self.by_id(&id).is_none() && self.is_full() {
            return Err(Refusal::RoomFull);
        }
        Ok((self.seat(Coming::Back { id, by: *token }, now), is_owner))
    }

    // What is told.

    fn answer(&self, conn: ConnId, request_id: Option<&str>, said: &Said, out: &mut Outgoing) {
        if let Some(member) = self.at(conn).and_then(|at| self.members.get(at)) {
            let frame = said.frame(member.tagging, request_id);
            out.send(To::One(conn), Lane::Control, frame);
        }
    }

    /// Tells all members. `for_all`: also those who know the oldest messages only.
    fn tell(&self, said: &Said, for_all: bool, but: Option<ConnId>, out: &mut Outgoing) {
        for tagging in [Tagging::Internal, Tagging::External] {
            let told = for_all || tagging == Tagging::Internal;
            if told && self.members.iter().any(|member| member.tagging == tagging) {
                let to = match but {
                    Some(conn) => To::But(group(tagging), conn),
                    None => To::Groups(group(tagging)),
                };
                out.send(to, Lane::Control, said.frame(tagging, None));
            }
        }
    }

    fn keep(&mut self, said: Said, for_all: bool, about: Option<String>, now: Now) {
        self.events.add(said, for_all, about);
        self.last_event = now.instant;
    }

    fn info(&self) -> String {
        let has_password = self.entry.password.is_some();
        Said::new("room_info")
            .text("id", &self.entry.id)
            .text("name", &self.name)
            .text("description", &self.description)
            .text("join_key", &self.entry.join_key)
            .raw("has_password", if has_password { "true" } else { "false" })
            .text("created_at", &rfc3339(self.created_ms))
            .number("participant_count", self.members.len() as u64)
            .number("max_participants", self.limits.members.into())
            .raw("encryption", &self.entry.encryption())
            .object()
    }

    fn names(&self) -> String {
        let names = self.members.iter().map(|member| quote(&member.name));
        format!("[{}]", names.collect::<Vec<_>>().join(","))
    }

    fn people(&self) -> String {
        let people = self.members.iter().map(Member::json);
        format!("[{}]", people.collect::<Vec<_>>().join(","))
    }

    /// The room as a member is shown it. `token`: of a session that begins.
    fn joined(&self, member: &Member, token: Option<&str>, seq: u64) -> Said {
        let said = Said::new("RoomJoined")
            .raw("room_info", &self.info())
            .text("encryption_key", &self.key)
            .raw("participants", &self.names())
            .text("participant_id", &member.id)
            .text("name", &member.name);
        let said = match token {
            Some(token) => said.text("session_token", token),
            None => said,
        };
        said.number("seq", seq).raw("members", &self.people())
    }

    // Coming and going.

    fn welcome(
        &mut self,
        conn: ConnId,
        guest: &Guest,
        coming: Coming,
        now: Now,
    ) -> Option<Welcome> {
        let token = digest(&guest.token);
        let (mut member, is_new) = match coming {
            Coming::New {
                name,
                key,
                is_owner,
            } => {
                let member = Member {
                    id: uuid::Uuid::new_v4().to_string(),
                    folded: folded(&name),
                    name,
                    is_owner,
                    joined_ms: now.unix_ms,
                    key,
                    token,
                    former: None,
                    tagging: guest.tagging,
                    presence: Presence::Here(conn),
                    since: self.events.head(),
                    waiting: Vec::new(),
                };
                (member, true)
            }
            Coming::Back { id, by } => match self.by_id(&id) {
                Some(at) => {
                    let member = &mut self.members[at];
                    renew(member, by, token, &self.directory);
                    self.directory.begin(token, &self.entry);
                    let before = member.presence;
                    member.tagging = guest.tagging;
                    member.presence = Presence::Here(conn);
                    return Some(Welcome {
                        at,
                        before,
                        new: false,
                    });
                }
                None => {
                    let mut owner = self.gone_owner.take_if(|owner| owner.id == id)?;
                    renew(&mut owner, by, token, &self.directory);
                    owner.joined_ms = now.unix_ms;
                    (owner, true)
                }
            },
        };
        member.tagging = guest.tagging;
        member.presence = Presence::Here(conn);
        self.directory.begin(token, &self.entry);
        self.members.push(member);
        Some(Welcome {
            at: self.members.len() - 1,
            before: Presence::Here(conn),
            new: is_new,
        })
    }

    fn come_in(&mut self, conn: ConnId, guest: &Guest, now: Now, out: &mut Outgoing) -> bool {
        let seat = self.coming.remove(&guest.seat).filter(|_| !self.closed);
        let Some((_, coming)) = seat else {
            return false;
        };
        let Some(welcome) = self.welcome(conn, guest, coming, now) else {
            return false;
        };
        self.empty_since = None;
        if let Presence::Here(older) = welcome.before
            && older != conn
        {
            out.close(older, CloseCode::Policy, "Resumed elsewhere");
        }
        if welcome.new {
            let member = &self.members[welcome.at];
            let id = member.id.clone();
            let said = Said::new("ParticipantJoined")
                .text("name", &member.name)
                .text("participant_id", &member.id)
                .raw("public_key", member.key_json())
                .number("seq", self.events.next());
            self.tell(&said, true, Some(conn), out);
            self.keep(said, true, Some(id), now);
        }
        self.show_room(conn, guest, welcome.at, out);
        true
    }

    /// The room, and what somebody who resumes has missed: in one go, before all that follows.
    fn show_room(&mut self, conn: ConnId, guest: &Guest, at: usize, out: &mut Outgoing) {
        let waiting = std::mem::take(&mut self.members[at].waiting);
        let member = &self.members[at];
        let (tagging, token) = (guest.tagging, Some(guest.token.as_str()));
        let request_id = guest.request_id.as_deref();
        let Some(last_seq) = guest.last_seq else {
            let said = if guest.seat == OWNERS_SEAT {
                Said::new("RoomCreated")
                    .raw("room_info", &self.info())
                    .text("encryption_key", &self.key)
                    .text("participant_id", &member.id)
                    .text("name", &member.name)
                    .text("session_token", &guest.token)
                    .number("seq", self.events.head())
            } else {
                self.joined(member, token, self.events.head())
            };
            out.send(To::One(conn), Lane::Answer, said.frame(tagging, request_id));
            return;
        };
        let last_seq = last_seq.max(member.since);
        let (from, missed) = self.events.since(last_seq, member.since);
        let said = self.joined(member, token, from);
        let said = if from == last_seq {
            said
        } else {
            said.raw("gap", "true")
        };
        let mut frames = vec![said.frame(tagging, request_id)];
        let told = |for_all: bool| for_all || tagging == Tagging::Internal;
        let missed = missed.filter(|event| {
            told(event.for_all) && event.about.as_deref() != Some(member.id.as_str())
        });
        // Keys first: what follows may need them.
        let keys = waiting.iter().filter(|_| told(false));
        frames.extend(keys.map(|key| key.frame(tagging, None)));
        frames.extend(missed.map(|event| event.said.frame(tagging, None)));
        out.send(
            To::One(conn),
            Lane::Answer,
            crate::live::Frame::run(&frames),
        );
    }

    /// A member is one no more.
    fn remove(&mut self, at: usize, reason: &str, now: Now, out: &mut Outgoing) {
        let member = self.members.remove(at);
        let said = Said::new("ParticipantLeft")
            .text("name", &member.name)
            .text("participant_id", &member.id)
            .text("reason", reason)
            .number("seq", self.events.next());
        let conn = match member.presence {
            Presence::Here(conn) => Some(conn),
            Presence::Away(_) => None,
        };
        self.tell(&said, false, conn, out);
        self.keep(said, false, Some(member.id.clone()), now);
        if member.is_owner {
            self.gone_owner = Some(member);
        } else {
            member.tokens().for_each(|token| self.directory.end(token));
        }
        if self.members.is_empty() {
            self.empty_since = Some(now.instant);
        }
    }

    /// The room is over. `asked`: who is answered for it, whatever they know.
    fn end(&mut self, reason: &str, asked: Option<(ConnId, Option<&str>)>, out: &mut Outgoing) {
        let said = Said::new("RoomClosed").text("reason", reason);
        if let Some((conn, request_id)) = asked {
            self.answer(conn, request_id, &said, out);
        }
        self.tell(&said, false, asked.map(|(conn, _)| conn), out);
        for member in self.members.drain(..).chain(self.gone_owner.take()) {
            member.tokens().for_each(|token| self.directory.end(token));
            if let Presence::Here(conn) = member.presence {
                out.released.push(conn);
            }
        }
        self.closed = true;
        self.coming.clear();
        self.key.clear();
        self.files.clear();
        self.directory.remove(&self.entry);
        tracing::info!(room = %self.entry.id, reason, "chat room {} closed", self.entry.id);
    }

    // What members say.

    fn handle(
        &mut self,
        at: usize,
        conn: ConnId,
        message: Message,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        let request_id = message.request_id.as_deref();
        match message.what {
            What::Chat { id, content, epoch } => self.chat(at, &id, &content, epoch, now, out)?,
            What::Members => {
                let member = &self.members[at];
                let said = match member.tagging {
                    Tagging::Internal => Said::new("Members")
                        .raw("participants", &self.names())
                        .raw("members", &self.people()),
                    // The only one of the oldest messages that says who is there.
                    Tagging::External => self.joined(member, None, self.events.head()),
                };
                self.answer(conn, request_id, &said, out);
            }
            What::Upload { id, upload } => {
                let file = self.files.add(id.clone(), upload, now.instant)?;
                self.last_event = now.instant;
                let metadata = file.metadata(&id).object();
                let said = Said::new("FileUploaded").raw("metadata", &metadata);
                self.answer(conn, request_id, &said, out);
            }
            What::File { id } => {
                let file = self.files.get(&id).ok_or(Refusal::FileNotFound)?;
                let metadata = file.metadata(&id).object();
                let said = Said::new("FileContent").raw("metadata", &metadata);
                let tagging = self.members[at].tagging;
                let (frame, lane) = said.large(tagging, request_id, "content", file.base64.clone());
                out.send(To::One(conn), lane, frame);
            }
            What::Leave => {
                self.answer(conn, request_id, &Said::new("RoomLeft"), out);
                self.remove(at, "left", now, out);
                out.released.push(conn);
            }
            What::Close => {
                if !self.members[at].is_owner {
                    return Err(Refusal::Forbidden);
                }
                self.end("owner_closed", Some((conn, request_id)), out);
            }
            What::ShareKey {
                to,
                epoch,
                wrapped_key,
            } => self.share_key(at, &to, epoch, &wrapped_key, out)?,
            What::Rekey { epoch, keys } => self.rekey(at, request_id, epoch, &keys, now, out)?,
            What::Answer(said) => self.answer(conn, request_id, &said, out),
            What::Expel => out.close(conn, CloseCode::Policy, "Too many requests"),
        }
        Ok(())
    }

    fn epoch(&self) -> u64 {
        self.entry.epoch.load(Ordering::Relaxed)
    }

    /// Whether a key still counts.
    fn check_epoch(&self, epoch: u64) -> Result<(), Refusal> {
        let current = self.epoch();
        if epoch > current || epoch + 1 < current {
            return Err(Refusal::StaleEpoch);
        }
        Ok(())
    }

    fn chat(
        &mut self,
        at: usize,
        id: &str,
        content: &str,
        epoch: Option<u64>,
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        if let Some(epoch) = epoch {
            self.check_epoch(epoch)?;
        }
        let sender = &self.members[at];
        let said = Said::new("ChatMessage")
            .text("sender", &sender.name)
            .text("content", content)
            .text("sender_id", &sender.id)
            .text("message_id", id)
            .text("sent_at", &rfc3339(now.unix_ms))
            .number("seq", self.events.next());
        self.tell(&said, true, None, out);
        self.keep(said, true, None, now);
        Ok(())
    }

    /// Whether members wrap the room's key for each other here.
    fn check_wraps(&self) -> Result<(), Refusal> {
        match &self.entry.client_keys {
            Some(keys) if keys.scheme == Scheme::Wrap => Ok(()),
            _ => Err(Refusal::InvalidWrappedKey),
        }
    }

    fn share_key(
        &mut self,
        at: usize,
        to: &str,
        epoch: u64,
        wrapped_key: &str,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        self.check_wraps()?;
        self.check_epoch(epoch)?;
        let to = self.by_id(to).filter(|_| is_wrapped_key(wrapped_key));
        let to = to.ok_or(Refusal::InvalidWrappedKey)?;
        self.hand_key(at, to, epoch, wrapped_key, out);
        Ok(())
    }

    fn hand_key(&mut self, from: usize, to: usize, epoch: u64, wrapped: &str, out: &mut Outgoing) {
        let sender = &self.members[from];
        let said = Said::new("KeyShared")
            .text("from", &sender.id)
            .number("epoch", epoch)
            .text("wrapped_key", wrapped)
            .raw("public_key", sender.key_json());
        let member = &mut self.members[to];
        match member.presence {
            Presence::Here(conn) if member.group() == INTERNAL => {
                out.send(
                    To::One(conn),
                    Lane::Control,
                    said.frame(member.tagging, None),
                );
            }
            Presence::Here(_) => {}
            Presence::Away(_) => {
                if member.waiting.len() >= WAITING_KEYS {
                    member.waiting.remove(0);
                }
                member.waiting.push(said);
            }
        }
    }

    fn rekey(
        &mut self,
        at: usize,
        request_id: Option<&str>,
        epoch: u64,
        keys: &[(String, String)],
        now: Now,
        out: &mut Outgoing,
    ) -> Result<(), Refusal> {
        if !self.members[at].is_owner {
            return Err(Refusal::Forbidden);
        }
        self.check_wraps()?;
        if epoch != self.epoch() + 1 || epoch > LAST_EPOCH {
            return Err(Refusal::StaleEpoch);
        }
        let by_member: HashMap<&str, &str> = keys
            .iter()
            .filter(|(_, key)| is_wrapped_key(key))
            .map(|(to, key)| (to.as_str(), key.as_str()))
            .collect();
        let others = (0..self.members.len()).filter(|other| *other != at);
        let meant: Option<Vec<(usize, &str)>> = others
            .map(|other| {
                let key = by_member.get(self.members[other].id.as_str())?;
                Some((other, *key))
            })
            .collect();
        // As many entries as others, one for each of them: then there is no other entry.
        let meant = meant.filter(|meant| meant.len() == keys.len());
        let meant = meant.ok_or(Refusal::InvalidWrappedKey)?;
        for (to, key) in meant {
            self.hand_key(at, to, epoch, key, out);
        }
        self.entry.epoch.store(epoch, Ordering::Relaxed);
        let said = Said::new("EpochChanged")
            .number("epoch", epoch)
            .number("seq", self.events.next());
        let conn = match self.members[at].presence {
            Presence::Here(conn) => Some(conn),
            Presence::Away(_) => None,
        };
        self.tell(&said, false, conn, out);
        if let Some(conn) = conn {
            self.answer(conn, request_id, &said, out);
        }
        self.keep(said, false, None, now);
        Ok(())
    }
}

/// Who was let in.
struct Welcome {
    at: usize,
    /// Where they were before.
    before: Presence,
    /// Whether the others are told.
    new: bool,
}

impl Rules for ChatRules {
    type Guest = Guest;
    type Message = Message;
    type Request = Request;

    fn group(&self, guest: &Guest) -> Groups {
        group(guest.tagging)
    }

    fn join(&mut self, conn: ConnId, guest: Guest, now: Now, out: &mut Outgoing) {
        if !self.come_in(conn, &guest, now, out) {
            let said = Refusal::RoomNotFound.said();
            let frame = said.frame(guest.tagging, guest.request_id.as_deref());
            out.send(To::One(conn), Lane::Control, frame);
            out.released.push(conn);
        }
    }

    fn receive(&mut self, from: ConnId, message: Message, now: Now, out: &mut Outgoing) {
        let Some(at) = self.at(from) else {
            return;
        };
        // Whoever speaks has read what it was told.
        if let Some(former) = self.members[at].former.take() {
            self.directory.end(&former);
        }
        let request_id = message.request_id.clone();
        if let Err(refusal) = self.handle(at, from, message, now, out) {
            self.answer(from, request_id.as_deref(), &refusal.said(), out);
        }
    }

    /// The connection is lost: for a while nobody is told.
    fn leave(&mut self, conn: ConnId, now: Now, _: &mut Outgoing) {
        if let Some(at) = self.at(conn) {
            self.members[at].presence = Presence::Away(now.instant);
        }
    }

    fn ask(&mut self, request: Request, now: Now, _: &mut Outgoing) {
        match request {
            Request::Arrive {
                name,
                public_key,
                reply,
            } => {
                let _ = reply.send(self.arrive(name, public_key, now.instant));
            }
            Request::Return { token, reply } => {
                let _ = reply.send(self.come_back(&token, now.instant));
            }
            Request::File { token, id, reply } => {
                let present = self.members.iter().any(|member| {
                    matches!(member.presence, Presence::Here(_)) && same(&member.token, &token)
                });
                let file = self.files.get(&id).filter(|_| present);
                let _ = reply.send(file.cloned());
            }
        }
    }

    fn committed(&mut self, _: Result<(), String>, _: Now, _: &mut Outgoing) {}

    fn tick(&mut self, now: Now, out: &mut Outgoing) {
        if self.closed {
            return;
        }
        let since = |then: Instant| now.instant.duration_since(then);
        self.coming.retain(|_, (held, _)| since(*held) < ARRIVAL);
        self.files.expire(now.instant);
        let grace = self.limits.grace;
        let gone = |member: &Member| match member.presence {
            Presence::Away(lost) => since(lost) >= grace,
            Presence::Here(_) => false,
        };
        while let Some(at) = self.members.iter().position(gone) {
            self.remove(at, "timeout", now, out);
        }
        if self.members.is_empty() && self.coming.is_empty() {
            // Also a room whose maker never came.
            let empty = *self.empty_since.get_or_insert(now.instant);
            if since(empty) >= self.limits.empty {
                self.end("empty", None, out);
                return;
            }
        }
        if since(self.last_event) >= self.limits.idle {
            self.end("expired", None, out);
        }
    }
}

#[cfg(test)]
mod tests;
