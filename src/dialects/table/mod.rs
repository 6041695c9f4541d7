//! The table: our own protocol at `/ws/table`, and SpellTable's `/ws` on the same document.
//!
//! One set of rules owns a table: its scene with all numbers and views ([`document`]), its members
//! ([`people`]), and what is beside the scene (chat, sound, screens, assignments). Whatever must be
//! durable goes through [`commit`]: while one commit is under way, further writes wait and go into
//! the next one together; what they cause is told when the disk has answered. SpellTable's whole
//! scenes ([`whole_scenes`]) are told at once and follow to the disk about once a second, because
//! that dialect promises nothing.

mod aside;
mod ask;
mod change;
mod commit;
pub mod dice;
mod document;
mod open;
mod people;
mod position;
mod record;
mod recover;
mod save;
mod sound;
mod speak;
mod tell;
mod view;
mod whole_scenes;
mod wire;

pub use aside::{keep_file, move_file};
pub use ask::{Put, Request};
pub use open::{OpenTable, OpenTables};
pub use people::{CONNECTIONS, Person};
pub use recover::{Recovered, recover};
pub use sound::TRACKS;
pub use speak::{ASSIGNED, LINES, SCREENS};
pub use view::View;
pub use wire::{
    CHAT_CHARS, HINT_BYTES, Hello, Refusal, SIGNAL_BYTES, WORD_BYTES, Wire, parse_hello,
    parse_sound_action,
};

use self::aside::Aside;
use self::commit::{Flight, Held, Waiting};
use self::document::Document;
use self::people::People;
use self::position::Standing;
use self::record::{Receipt, Record, Side};
use self::save::DiskState;
use self::view::Watcher;
use self::wire::{ClientMessage, Wish};
use super::spelltable::{self, ViewerState};
use crate::access::{Basis, Role};
use crate::config::Echo;
use crate::json::JsonText;
use crate::live::{CloseCode, ConnId, Frame, Groups, Lane, Now, Outgoing, Rules, To};
use crate::metrics::{Dialect, Metrics, Resume};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What those are told whom the GM has removed.
pub const REMOVED: &str = "the GM has removed you from the table";

/// The WebSocket subprotocol (RFC 6455, section 1.9) that clients offer.
pub const SUBPROTOCOL: &str = "tablekeep.v1";
/// Lines of chat that a newcomer is shown.
const CHAT_SHOWN: usize = 50;

/// SpellTable's pages that may write, those that may not, and our members by role.
const WRITERS: Groups = Groups::one(0);
const READERS: Groups = Groups::one(1);
const GMS: Groups = Groups::one(2);
const PLAYERS: Groups = Groups::one(3);
const DISPLAYS: Groups = Groups::one(4);
/// Our members.
const MEMBERS: Groups = GMS.and(PLAYERS).and(DISPLAYS);

/// What a table is set to.
#[derive(Clone)]
pub struct Settings {
    /// Whether SpellTable's sender gets its own scene back.
    pub echo: Echo,
    /// Largest message and scene, in bytes.
    pub frame_bytes: u64,
    /// Where replaced and refused scenes are kept.
    pub aside: PathBuf,
    /// Whether the scene has a file of its own that others read, too.
    pub has_file: bool,
    /// Counts resumes.
    pub metrics: Arc<Metrics>,
    /// Told what a removed member had come with: whoever that is may have further sockets.
    pub removed: Arc<Removed>,
}

/// Takes proofs.
pub type Removed = dyn Fn(&[Basis]) + Send + Sync;

/// Who comes, and by which dialect.
pub enum Guest {
    /// A page of SpellTable.
    SpellTable {
        /// What it may do.
        role: Role,
    },
    /// A client of our own protocol.
    Member {
        /// What it may do: the lower of what it asked for and what it could prove.
        role: Role,
        /// What it proved that by; nothing for the GM, who stays signed in when a screen is removed.
        proof: Basis,
        /// What it said.
        hello: Box<Hello>,
    },
}

/// What a member says, in either dialect.
pub enum Message {
    /// SpellTable's.
    SpellTable(spelltable::ClientMessage),
    /// Ours.
    Table(ClientMessage),
}

impl Message {
    /// Whether it may wait for others of its kind, to be made durable with them.
    fn writes(&self) -> bool {
        match self {
            Self::SpellTable(message) => {
                matches!(message, spelltable::ClientMessage::SceneUpdate { .. })
            }
            Self::Table(message) => message.writes(),
        }
    }
}

/// One connection.
struct Seat {
    role: Role,
    kind: SeatKind,
    asked: Asked,
}

/// How often a connection asks for the whole scene, which is dear.
#[derive(Clone, Copy, Default)]
struct Asked {
    /// When it was answered last.
    answered: Option<Instant>,
    /// Has asked again since.
    waits: bool,
}

/// Whole scenes that are asked for are answered at most this often; the contract has clients ask
/// every two seconds at most.
const ASK_AGAIN: Duration = Duration::from_secs(1);

enum SeatKind {
    SpellTable(whole_scenes::Page),
    Member,
}

/// The rules of one table.
pub struct TableRules {
    settings: Settings,
    doc: Document,
    side: Side,
    /// What is beside the scene as it was before the commit that is under way.
    side_before: Option<Side>,
    people: People,
    seats: HashMap<ConnId, Seat>,
    /// SpellTable's pages that have gone and of which something waits.
    departed: HashMap<ConnId, whole_scenes::Page>,
    /// Members' connections that have gone and of which something waits: as what, and the member's id.
    departed_members: HashMap<ConnId, (Role, String)>,
    /// Scenes that such pages still showed, oldest first.
    left: VecDeque<whole_scenes::Sent>,
    /// How many seats each group has.
    counts: [usize; 8],
    receipts: Receipts,
    /// The table was deleted.
    gone: bool,
    /// Scenes that were replaced or refused.
    aside: Aside,
    /// SpellTable's viewers.
    blank: bool,
    rotated: bool,
    /// What the commit that is being put together will do.
    held: Vec<Held>,
    records: Vec<Bytes>,
    /// Writes that wait for the rest of their round, or for the commit that is under way.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Members that were put out, oldest first; not yet known to be so on disk.
    unsure: VecDeque<String>,
    /// What the journal has not answered yet, oldest first.
    flights: VecDeque<Flight>,
    disk: DiskState,
}

/// What clients were told, by their ids, for ten minutes.
#[derive(Default)]
struct Receipts {
    known: HashMap<String, Receipt>,
    order: VecDeque<(u64, String)>,
    /// Bytes of the ids.
    bytes: usize,
    /// A moment from which time is counted: the wall clock may be set.
    started: Option<Now>,
}

/// How long an id is remembered, in milliseconds.
const RECEIPT_MS: u64 = 600_000;
/// Ids that are remembered, and bytes of them: ids may be as long as other words.
const RECEIPTS: usize = 100_000;
const RECEIPT_BYTES: usize = 8 << 20;

impl Receipts {
    fn get(&self, id: &str) -> Option<&Receipt> {
        self.known.get(id)
    }

    fn add(&mut self, id: String, receipt: Receipt, now: Now) {
        let at_ms = self.ms(now);
        self.restore(id, receipt, at_ms);
    }

    fn restore(&mut self, id: String, receipt: Receipt, at_ms: u64) {
        self.bytes += id.len();
        self.order.push_back((at_ms, id.clone()));
        self.known.insert(id, receipt);
        while self.order.len() > RECEIPTS || self.bytes > RECEIPT_BYTES {
            self.drop_oldest();
        }
    }

    /// Milliseconds since 1970 as a clock tells them that nobody sets.
    fn ms(&mut self, now: Now) -> u64 {
        let started = self.started.get_or_insert(now);
        let since = now.instant.saturating_duration_since(started.instant);
        started.unix_ms + since.as_millis() as u64
    }

    fn forget(&mut self, now: Now) {
        let now_ms = self.ms(now);
        let old = |(at, _): &(u64, String)| now_ms.saturating_sub(*at) > RECEIPT_MS;
        while self.order.front().is_some_and(old) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.bytes -= id.len();
            self.known.remove(&id);
        }
    }

    fn all(&self) -> Vec<(String, u64, Receipt)> {
        let known = |(at, id): &(u64, String)| Some((id.clone(), *at, self.get(id)?.clone()));
        self.order.iter().filter_map(known).collect()
    }
}

impl TableRules {
    /// A table as it was recovered. What must be durable before anybody is told goes into a journal
    /// that `restart` begins anew with this record.
    pub fn begin(
        settings: Settings,
        recovered: Recovered,
        restart: impl FnOnce(Bytes) -> std::io::Result<()>,
    ) -> Self {
        let is_numbered = recovered.numbered;
        let mut rules = Self::new(settings, recovered);
        if is_numbered {
            let (record, to) = rules.snapshot();
            match restart(record) {
                Ok(()) => rules.restarted(to, rules.doc.head()),
                // It is tried again with the first write, which is refused while it fails.
                Err(error) => tracing::error!(%error, "a table cannot be saved: {error}"),
            }
        }
        rules
    }

    fn new(settings: Settings, recovered: Recovered) -> Self {
        let mut people = People::default();
        for person in recovered.people {
            people.restore(person);
        }
        let mut receipts = Receipts::default();
        for (id, at_ms, receipt) in recovered.receipts {
            receipts.restore(id, receipt, at_ms);
        }
        Self {
            disk: DiskState::new(
                recovered.files,
                recovered.fresh,
                recovered.doc.head(),
                recovered.filed,
            ),
            doc: recovered.doc,
            side: recovered.side,
            side_before: None,
            settings,
            people,
            seats: HashMap::new(),
            departed: HashMap::new(),
            departed_members: HashMap::new(),
            left: VecDeque::new(),
            counts: [0; 8],
            receipts,
            gone: false,
            aside: Aside::default(),
            blank: false,
            rotated: false,
            held: Vec::new(),
            records: Vec::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            unsure: VecDeque::new(),
            flights: VecDeque::new(),
        }
    }

    /// What is shown.
    fn scene(&self) -> Option<JsonText> {
        self.doc.is_shown().then(|| self.doc.scene().clone())
    }

    /// What is beside the scene, as far as it is durable.
    fn durable_side(&self) -> &Side {
        self.side_before.as_ref().unwrap_or(&self.side)
    }

    fn role_of(&self, conn: ConnId) -> Role {
        let seated = self.seats.get(&conn).map(|seat| seat.role);
        let departed = || self.departed_members.get(&conn).map(|(role, _)| *role);
        seated.or_else(departed).unwrap_or(Role::Display)
    }

    fn is_member(&self, conn: ConnId) -> bool {
        let seat = self.seats.get(&conn);
        seat.is_some_and(|seat| matches!(seat.kind, SeatKind::Member))
    }

    /// The member's id behind a connection of our protocol.
    fn id_of(&self, conn: ConnId) -> String {
        let present = self.people.of(conn).map(|person| person.id.clone());
        let departed = || self.departed_members.get(&conn).map(|(_, id)| id.clone());
        present.or_else(departed).unwrap_or_default()
    }

    /// How many connections the groups have together.
    fn count(&self, groups: Groups) -> usize {
        let bits = (0..8).filter(|n| groups.meets(Groups::one(*n)));
        bits.map(|n| self.counts[usize::from(n)]).sum()
    }

    fn count_in(&mut self, group: Groups, here: bool) {
        let dialect = match WRITERS.and(READERS).meets(group) {
            true => Dialect::SpellTable,
            false => Dialect::Table,
        };
        match here {
            true => self.settings.metrics.joined(dialect),
            false => self.settings.metrics.left(dialect),
        }
        let slot = &mut self.counts[group.0.trailing_zeros() as usize % 8];
        *slot = if here {
            *slot + 1
        } else {
            slot.saturating_sub(1)
        };
    }

    /// Tells everybody that a member has come, gone or changed.
    fn tell_member(&self, event: &str, member: Value, but: Option<ConnId>, out: &mut Outgoing) {
        let to = but.map_or(To::Groups(MEMBERS), |conn| To::But(MEMBERS, conn));
        let message = json!({ "type": event, "member": member });
        out.send(to, Lane::Control, wire::small(&message));
    }

    fn tell_person(&self, event: &str, id: &str, but: Option<ConnId>, out: &mut Outgoing) {
        if let Some(person) = self.people.get(id) {
            let member = person.to_json(&self.durable_side().assigned);
            self.tell_member(event, member, but, out);
        }
    }

    /// Keeps what a member said of itself; it becomes durable with the next commit.
    fn keep_person(&mut self, conn: ConnId) {
        if let Some(person) = self.people.of(conn) {
            let record = Record::Person(person.clone());
            self.disk.remember(record.encode(b""));
        }
    }

    fn join_member(
        &mut self,
        conn: ConnId,
        role: Role,
        hello: Hello,
        now: Now,
        out: &mut Outgoing,
    ) {
        let token = hello.resume_token.as_deref();
        let known = token.is_some();
        let arrival = self
            .people
            .arrive(conn, token, &hello.name, role, hello.device.clone(), now);
        let Some(arrival) = arrival else {
            let reason = "this member has too many connections";
            out.close(conn, CloseCode::Policy, reason);
            self.seats.remove(&conn);
            self.count_in(group_of(role), false);
            return;
        };
        let view = View::of(role);
        let kept_view = self.doc.view(view).is_told();
        self.doc.open_view(view, Watcher::Member);
        self.keep_person(conn);
        let epoch = self.doc.epoch();
        let head = self.doc.head();
        let same_view = arrival.saw.is_only(epoch, view) && kept_view && known;
        let mut welcome = self.welcome(conn, &arrival.token, role, now);
        let mut follow = Vec::new();
        let (mode, how) = match hello.position {
            None => ("snapshot", Resume::Snapshot),
            Some((theirs, seq)) if theirs != epoch || self.doc.standing(seq) == Standing::Lost => {
                ("reset", Resume::Reset)
            }
            Some((_, seq)) => match self.doc.view(view).replay(seq).filter(|_| same_view) {
                Some(missed) => {
                    follow = missed;
                    welcome.insert("from".into(), json!(seq));
                    ("resumed", Resume::Resumed)
                }
                None => ("snapshot", Resume::Snapshot),
            },
        };
        if hello.position.is_some() {
            self.settings.metrics.resumed(how);
        }

        welcome.insert("mode".into(), json!(mode));
        welcome.insert("epoch".into(), json!(epoch.to_string()));
        let position = if mode == "resumed" { "to" } else { "seq" };
        welcome.insert(position.into(), json!(head));
        let text = Value::Object(welcome).to_string();
        let frame = if mode == "resumed" {
            Frame::text(&[text.as_bytes()])
        } else {
            let scene = self.doc.seen_by(view);
            let open = &text.as_bytes()[..text.len() - 1];
            let scene = scene.as_str().as_bytes();
            Frame::text(&[open, b",\"scene\":", scene, b"}"])
        };
        follow.insert(0, frame);
        out.send(To::One(conn), Lane::Answer, Frame::run(&follow));
        if let Some(person) = self.people.of_mut(conn) {
            person.saw.add(epoch, view);
        }
        let id = self.id_of(conn);
        let event = if arrival.first {
            "member_joined"
        } else {
            "member_updated"
        };
        self.tell_person(event, &id, Some(conn), out);
    }

    /// Everything of a welcome but the scene and its position.
    fn welcome(
        &self,
        conn: ConnId,
        token: &str,
        role: Role,
        now: Now,
    ) -> serde_json::Map<String, Value> {
        let side = self.durable_side();
        let id = self.id_of(conn);
        let name = self.people.of(conn).map_or("", |person| &person.name);
        let members: Vec<_> = self
            .people
            .present()
            .map(|person| person.to_json(&side.assigned))
            .collect();
        let heard = side
            .lines
            .iter()
            .filter(|line| self.may_hear(line, &id, role));
        let mut lines: Vec<_> = heard.rev().take(CHAT_SHOWN).collect();
        lines.reverse();
        let speakers = lines
            .iter()
            .flat_map(|line| [Some(&line.from), line.to.as_ref()]);
        let absent = speakers.flatten().filter_map(|id| self.people.get(id));
        let names: serde_json::Map<_, _> = absent
            .filter(|person| !person.is_present())
            .map(|person| (person.id.clone(), json!(person.name)))
            .collect();
        let chat: Vec<_> = lines.into_iter().map(speak::line_json).collect();
        let screens = side.displays.iter().filter(|(member, _)| match role {
            Role::Gm => true,
            Role::Player | Role::Display => **member == id,
        });
        let screens: serde_json::Map<_, _> = screens
            .map(|(member, state)| (member.clone(), json!(state)))
            .collect();
        let value = json!({
            "type": "welcome",
            "you": {
                "id": id,
                "role": wire::role_word(role),
                "name": name,
                "resume_token": token,
            },
            "members": members,
            "chat": chat,
            "chat_seq": side.chat_seq,
            "names": names,
            "audio": side.sound.seen_by(role),
            "displays": screens,
            "limits": {
                "frame_bytes": self.settings.frame_bytes,
                "chat_chars": CHAT_CHARS,
                "hint_bytes": HINT_BYTES,
                "signal_bytes": SIGNAL_BYTES,
                "edits": crate::model::edit::MAX_EDITS,
            },
            "server_time": now.unix_ms,
        });
        let Value::Object(mut map) = value else {
            return serde_json::Map::new();
        };
        if role == Role::Gm {
            let away = self.people.all().into_iter().filter(|person| {
                !person.is_present() && side.assigned.values().any(|member| *member == person.id)
            });
            let away: Vec<_> = away.map(|person| person.to_json(&side.assigned)).collect();
            map.insert("away".into(), json!(away));
        }
        map
    }

    /// Answers with the whole scene, now or when it is time.
    fn asked_for_scene(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        let Some(seat) = self.seats.get_mut(&conn) else {
            return;
        };
        if within(seat.asked.answered, ASK_AGAIN, now) {
            seat.asked.waits = true;
            return;
        }
        seat.asked = Asked {
            answered: Some(now.instant),
            waits: false,
        };
        match seat.kind {
            SeatKind::SpellTable(_) => self.show_head(conn, out),
            SeatKind::Member => {
                let scene = self.doc.seen_by(View::of(seat.role));
                let frame = wire::scene(self.doc.epoch(), self.doc.head(), &scene);
                out.send(To::One(conn), Lane::State(None), frame.frame().clone());
            }
        }
    }

    /// Answers those who asked too often.
    fn answer_rest(&mut self, now: Now, out: &mut Outgoing) {
        let waits = |seat: &Seat| seat.asked.waits;
        let waiting = self.seats.iter().filter(|(_, seat)| waits(seat));
        let waiting: Vec<_> = waiting.map(|(conn, _)| *conn).collect();
        for conn in waiting {
            self.asked_for_scene(conn, now, out);
        }
    }

    fn receive_member(
        &mut self,
        from: ConnId,
        message: ClientMessage,
        now: Now,
        out: &mut Outgoing,
    ) {
        match message {
            ClientMessage::Hint {
                id,
                kind,
                key,
                data,
            } => {
                if let Err(refusal) = self.hint(from, &kind, &key, &data, out) {
                    out.send(To::One(from), Lane::Control, refusal.frame(id.as_deref()));
                }
            }
            ClientMessage::Resync => self.asked_for_scene(from, now, out),
            ClientMessage::Device { device } => self.turned_to(from, device, out),
            ClientMessage::Signal { id, to, data } => {
                if let Err(refusal) = self.signal(from, &to, &data, out) {
                    out.send(To::One(from), Lane::Control, refusal.frame(id.as_deref()));
                }
            }
            ClientMessage::Kick { id, member } => {
                let id = id.map(|id| wire::member_id(&self.id_of(from), &id));
                self.kick(from, id, &member, now, out);
            }
            ClientMessage::Broken { id, message } => {
                let id = wire::member_id(&self.id_of(from), &id);
                let refusal = Refusal::new("invalid", message);
                out.send(To::One(from), Lane::Control, refusal.frame(id.as_str()));
            }
            mut write @ (ClientMessage::Change(_)
            | ClientMessage::Chat { .. }
            | ClientMessage::Roll { .. }
            | ClientMessage::Audio { .. }
            | ClientMessage::Display { .. }
            | ClientMessage::Assign { .. }) => {
                // Before it may have to wait: whole scenes, which are large, are the GM's alone.
                if let ClientMessage::Change(request) = &write
                    && matches!(request.body, Wish::Scene(_))
                    && let Err(refusal) = self.authorise(from, self.role_of(from), request)
                {
                    out.send(
                        To::One(from),
                        Lane::Control,
                        refusal.frame(request.id.as_str()),
                    );
                    return;
                }
                let member = self.id_of(from);
                if let Some(id) = write.id_mut() {
                    *id = wire::member_id(&member, id);
                }
                self.submit(Waiting::Member(from, write), now, out);
            }
        }
    }
}

impl Rules for TableRules {
    type Guest = Guest;
    type Message = Message;
    type Request = Request;

    fn group(&self, guest: &Guest) -> Groups {
        match guest {
            Guest::SpellTable { role: Role::Gm } => WRITERS,
            Guest::SpellTable { .. } => READERS,
            Guest::Member { role, .. } => group_of(*role),
        }
    }

    fn join(&mut self, conn: ConnId, guest: Guest, now: Now, out: &mut Outgoing) {
        if self.gone {
            out.close(conn, CloseCode::NoTable, "the table was closed");
            return;
        }
        let group = self.group(&guest);
        self.count_in(group, true);
        match guest {
            Guest::SpellTable { role } => {
                let kind = SeatKind::SpellTable(whole_scenes::Page::new(now));
                self.seats.insert(
                    conn,
                    Seat {
                        role,
                        kind,
                        asked: Asked::default(),
                    },
                );
                self.join_page(conn, role, out);
            }
            Guest::Member { role, proof, hello } => {
                let kind = SeatKind::Member;
                self.seats.insert(
                    conn,
                    Seat {
                        role,
                        kind,
                        asked: Asked::default(),
                    },
                );
                self.join_member(conn, role, *hello, now, out);
                if let Some(person) = self.people.of_mut(conn) {
                    person.came_with(proof);
                }
            }
        }
    }

    fn receive(&mut self, from: ConnId, message: Message, now: Now, out: &mut Outgoing) {
        if !message.writes() {
            // It is about what was written before it.
            self.take_waiting(now, out);
        }
        match message {
            Message::SpellTable(message) => self.receive_page(from, message, now, out),
            // One that was turned away says nothing any more.
            Message::Table(_) if self.people.of(from).is_none() => {}
            Message::Table(message) => self.receive_member(from, message, now, out),
        }
    }

    fn leave(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        let Some(seat) = self.seats.remove(&conn) else {
            return;
        };
        let (group, watcher) = match (&seat.kind, seat.role) {
            (SeatKind::SpellTable(_), Role::Gm) => (WRITERS, None),
            (SeatKind::SpellTable(_), _) => (READERS, Some(Watcher::Page)),
            (SeatKind::Member, role) => (group_of(role), Some(Watcher::Member)),
        };
        self.count_in(group, false);
        if let Some(watcher) = watcher {
            self.doc.close_view(View::of(seat.role), watcher, now);
        }
        match seat.kind {
            SeatKind::SpellTable(page) => self.see_off(conn, page),
            // What was taken before it left is judged as it was.
            SeatKind::Member if self.has_waiting(conn) => {
                let was = (seat.role, self.id_of(conn));
                self.departed_members.insert(conn, was);
            }
            SeatKind::Member => {}
        }
        let Some((person, last)) = self.people.depart(conn, now) else {
            return;
        };
        let id = person.id.clone();
        if let Some(newest) = person.conns().last().copied() {
            let role = self.role_of(newest);
            if let Some(person) = self.people.of_mut(newest) {
                person.role = role.into();
            }
            self.keep_person(newest);
        }
        let event = if last {
            "member_left"
        } else {
            "member_updated"
        };
        self.tell_person(event, &id, None, out);
    }

    fn flush(&mut self, now: Now, out: &mut Outgoing) {
        self.take_waiting(now, out);
        if !self.is_committing() {
            self.forget_departed();
        }
        self.finish_saving(self.disk.failures == 0, now, out);
        self.take_waiting(now, out);
    }

    fn ask(&mut self, request: Request, now: Now, out: &mut Outgoing) {
        self.answer(request, now, out);
    }

    fn committed(&mut self, outcome: Result<(), String>, now: Now, out: &mut Outgoing) {
        self.landed(outcome, now, out);
    }

    fn tick(&mut self, now: Now, out: &mut Outgoing) {
        self.doc.tick(now);
        self.receipts.forget(now);
        self.correct_rest(now, out);
        self.answer_rest(now, out);
        self.aside.write(&self.settings.aside, out);
        self.save(now, out);
    }
}

/// The group of our members with this role.
fn group_of(role: Role) -> Groups {
    match role {
        Role::Gm => GMS,
        Role::Player => PLAYERS,
        Role::Display => DISPLAYS,
    }
}

/// When something was, for rules that only look at differences.
fn within(at: Option<Instant>, span: Duration, now: Now) -> bool {
    at.is_some_and(|at| now.instant.duration_since(at) <= span)
}

/// The viewers' lasting states, for a page that comes later.
fn viewer_states(blank: bool, rotated: bool) -> Vec<ViewerState> {
    let mut states = Vec::new();
    if blank {
        states.push(ViewerState::Blank(true));
    }
    if rotated {
        states.push(ViewerState::Rotated(true));
    }
    states
}

#[cfg(test)]
mod tests;
