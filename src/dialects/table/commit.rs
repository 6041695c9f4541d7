//! Making writes durable: one commit under way at a time, the rest waits and goes together.

use super::ask::Put;
use super::document::{Stale, ViewChange, mark_of};
use super::record::{Line, Receipt, Record, Snapshot};
use super::view::View;
use super::wire::{self, ChangeAck, ChangeRequest, ClientMessage, Refusal, Wish};
use super::{DISPLAYS, GMS, PLAYERS, READERS, TableRules, WRITERS};
use crate::access::Role;
use crate::dialects::spelltable;
use crate::json::JsonText;
use crate::live::{ConnId, Delivery, Frame, Groups, Journaling, Lane, Now, Outgoing, To};
use crate::model::diff;
use crate::model::edit::{Edit, Path, Step, apply, value_at};
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Writes, and bytes of them, that may wait for the commit that is under way.
const WAITING: usize = 8192;
const WAITING_BYTES: usize = 64 << 20;
/// Parts of one commit, and bytes of the scenes that it makes; what waits behind it goes into the
/// next. Every change is compared with all in front of it.
const TOGETHER: usize = 1024;
const TOGETHER_BYTES: usize = 64 << 20;
/// A journal is begun anew when it is larger than this and than four snapshots.
const JOURNAL_BYTES: usize = 4 << 20;
/// Small records that are kept for a disk that takes nothing. Beyond that the journal is begun anew,
/// with a snapshot in which all of it stands.
const REMEMBERED: usize = 4096;
/// Hashes of files that are remembered as our own.
const FILES: usize = 8;

/// A write that waits for its turn.
pub(super) enum Waiting {
    /// From a member of our protocol.
    Member(ConnId, ClientMessage),
    /// A scene from a page of SpellTable.
    Page(ConnId, super::whole_scenes::Update),
    /// From elsewhere in the server.
    Put(Put),
    /// A member that has been removed already.
    Removed { member: String, told: Told },
}

/// Who wants to know that a member is removed for good.
pub(super) enum Told {
    /// A member, by its id for it.
    Member(ConnId, Option<String>),
    /// Somebody elsewhere in the server.
    Caller(oneshot::Sender<Result<bool, Refusal>>),
}

impl Told {
    /// The client's id.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Member(_, id) => id.as_deref(),
            Self::Caller(_) => None,
        }
    }

    /// It could not be done.
    pub fn refuse(self, refusal: Refusal, out: &mut Outgoing) {
        match self {
            Self::Member(conn, Some(id)) => {
                out.send(To::One(conn), Lane::Control, refusal.frame(&id));
            }
            Self::Member(conn, None) => {
                let frame = wire::error(&format!("kick: {}", refusal.message));
                out.send(To::One(conn), Lane::Control, frame);
            }
            Self::Caller(reply) => drop(reply.send(Err(refusal))),
        }
    }
}

impl Waiting {
    fn bytes(&self) -> usize {
        let text = match self {
            Self::Page(_, update) => update.message.as_str().len(),
            Self::Member(_, ClientMessage::Change(request)) => match &request.body {
                Wish::Scene(scene) => scene.as_str().len(),
                Wish::Edits(edits) => edits.iter().map(edit_bytes).sum(),
            },
            Self::Put(Put::Scene { scene, .. }) => scene.as_str().len(),
            Self::Member(..) | Self::Put(_) | Self::Removed { .. } => 0,
        };
        1024 + text
    }
}

fn edit_bytes(edit: &Edit) -> usize {
    let value = edit.value().map_or(0, |value| value.as_str().len());
    128 * edit.path().steps().len() + value
}

/// What a commit causes, once it is durable.
pub(super) enum Held {
    /// The next waiting step of the document counts.
    Settle(Settling),
    /// Something to be told.
    Tell(Delivery),
    /// A page's scene that is the newest one already, as it is told to the other pages.
    Same { conn: ConnId, to: To, frame: Frame },
    /// A line of chat, for whoever of those it is for is there by then.
    Line(Line),
    /// A screen's own matters, for the screen and the GM.
    Screen { target: String, frame: Frame },
    /// A member is seen differently now.
    Member(String),
    /// Somebody gets no answer unless it fails.
    Quiet(ConnId),
    /// A member that is out already stays out.
    Removed { member: String, told: Told },
    /// A message was taken: its sender is told, and told again if it asks again.
    Ack {
        conn: ConnId,
        id: String,
        receipt: Receipt,
    },
    /// Somebody in the server waits.
    Reply(Box<dyn FnOnce(Result<u64, Refusal>) + Send>),
}

/// How a step is told.
#[derive(Default)]
pub(super) struct Settling {
    /// Who made it: a connection, and the member's id for others to see.
    pub by: String,
    /// The connection that hears of it by an ack, or not at all.
    pub sender: Option<ConnId>,
    /// The client's id for it, when an ack is due.
    pub id: Option<String>,
    /// Others had changed something meanwhile.
    pub rebased: bool,
    /// The edits as the sender knows them already.
    pub sent: Option<Arc<[Edit]>>,
    /// For SpellTable's pages, when they get something else than the plain scene.
    pub relayed: Option<Frame>,
    /// SpellTable's sender gets it, too.
    pub echo: bool,
}

/// What the journal has still to answer.
pub(super) enum Flight {
    /// The commit that others wait for; up to where numbers were reserved before it, and what else
    /// is kept.
    Commit {
        reserved: u64,
        remembered: Vec<Bytes>,
    },
    /// A scene that was told before, and what else is kept.
    Save {
        seq: u64,
        document: Option<JsonText>,
        remembered: Vec<Bytes>,
        reserved: Option<u64>,
    },
    /// The journal anew, with numbers reserved up to `to` and the scene `seq` in it.
    Restart { to: u64, seq: u64 },
    /// The last record.
    Closing,
}

/// What of the table is on disk.
pub(super) struct DiskState {
    /// The newest scene in the journal.
    journaled: u64,
    /// The scene in its own file.
    filed: Option<u64>,
    /// Small records that go with the next commit.
    remembered: Vec<Bytes>,
    /// Those that did not become durable, older than the ones above.
    failed: Vec<Bytes>,
    /// There were more than are kept.
    forgot: bool,
    /// Hashes of the files that are ours.
    files: VecDeque<String>,
    /// Bytes in the journal since it was begun.
    bytes: usize,
    /// The journal must be begun anew before anything else.
    fresh: bool,
    restarting: bool,
    saving: bool,
    /// Commits that failed in a row, for the log.
    failures: u32,
    /// Told when everything is on disk.
    savers: Vec<oneshot::Sender<bool>>,
    closing: bool,
    /// The last record is written: nothing may follow.
    closed: bool,
    /// Up to where numbers are reserved while the commit that is put together may fail.
    reserved_before: Option<u64>,
}

impl DiskState {
    /// `fresh`: there is no journal yet, or none that can be gone on with.
    /// `head` is the scene in the journal, and, when `filed`, in its own file.
    pub fn new(files: Vec<String>, fresh: bool, head: u64, filed: bool) -> Self {
        Self {
            journaled: head,
            filed: filed.then_some(head),
            remembered: Vec::new(),
            failed: Vec::new(),
            forgot: false,
            files: files.into(),
            bytes: 0,
            fresh,
            restarting: false,
            saving: false,
            failures: 0,
            savers: Vec::new(),
            closing: false,
            closed: false,
            reserved_before: None,
        }
    }

    /// Keeps a small record for the next commit.
    pub fn remember(&mut self, record: Bytes) {
        if self.remembered.len() + self.failed.len() < REMEMBERED {
            self.remembered.push(record);
        } else {
            self.forgot = true;
        }
    }

    /// Takes the small records, oldest first.
    fn take_remembered(&mut self) -> Vec<Bytes> {
        let mut records = std::mem::take(&mut self.failed);
        records.append(&mut self.remembered);
        records
    }
}

impl TableRules {
    /// Takes a write: at once, or when the commit that is under way has ended.
    pub(super) fn submit(&mut self, write: Waiting, now: Now, out: &mut Outgoing) {
        if self.disk.closed || self.gone {
            let refusal = Refusal {
                retry: true,
                ..Refusal::new("busy", "the server is stopping; come back in a moment")
            };
            return self.turn_away(write, refusal, now, out);
        }
        if self.disk.fresh && !self.disk.restarting {
            self.restart(out);
        }
        if !self.is_committing() {
            self.write(write, now, out);
            self.send_commit(now, out);
            return;
        }
        let bytes = write.bytes();
        if self.waiting.len() >= WAITING || self.waiting_bytes + bytes > WAITING_BYTES {
            let refusal = Refusal {
                retry: true,
                ..Refusal::new(
                    "busy",
                    "the disk is too slow for this many changes; try again",
                )
            };
            self.turn_away(write, refusal, now, out);
            return;
        }
        self.waiting_bytes += bytes;
        self.waiting.push_back(write);
    }

    /// Whether writes have to wait.
    pub(super) fn is_committing(&self) -> bool {
        self.disk.restarting && self.disk.fresh
            || self
                .flights
                .iter()
                .any(|flight| matches!(flight, Flight::Commit { .. }))
    }

    fn turn_away(&mut self, write: Waiting, refusal: Refusal, now: Now, out: &mut Outgoing) {
        match write {
            Waiting::Member(conn, message) => {
                let frame = match id_of(&message) {
                    Some(id) => refusal.frame(id),
                    None => wire::error(&format!("assign: {}", refusal.message)),
                };
                out.send(To::One(conn), Lane::Control, frame);
            }
            Waiting::Page(conn, _) => self.return_head(conn, now, out),
            Waiting::Put(put) => put.refuse(refusal),
            Waiting::Removed { told, .. } => told.refuse(not_kept_out(refusal), out),
        }
    }

    /// Puts a write into the commit that is being put together; whole scenes of SpellTable that
    /// nothing waits in front of are told at once instead.
    fn write(&mut self, write: Waiting, now: Now, out: &mut Outgoing) {
        match write {
            Waiting::Member(conn, message) => self.write_member(conn, message, now, out),
            Waiting::Page(conn, update) => self.write_scene(conn, update, now, out),
            Waiting::Put(put) => self.write_put(put, now),
            Waiting::Removed { member, told } => self.write_removed(member, told, now),
        }
    }

    fn write_member(&mut self, conn: ConnId, message: ClientMessage, now: Now, out: &mut Outgoing) {
        let id = id_of(&message).map(str::to_owned);
        if let Some(id) = &id {
            if let Some(receipt) = self.receipts.get(id).cloned() {
                let frame = self.ack_frame(id, &receipt, None);
                out.send(To::One(conn), Lane::Control, frame);
                return;
            }
            let twice = self.held.iter().any(|held| match held {
                Held::Ack { id: other, .. } => other == id,
                Held::Settle(settling) => settling.id.as_ref() == Some(id),
                _ => false,
            });
            if twice {
                // Its answer comes with the commit; this one asks again behind it.
                self.waiting.push_back(Waiting::Member(conn, message));
                return;
            }
        }
        if let Err(refusal) = self.write_message(conn, message, now) {
            let frame = match &id {
                Some(id) => refusal.frame(id),
                // Only an assignment may come without an id.
                None => wire::error(&format!("assign: {}", refusal.message)),
            };
            out.send(To::One(conn), Lane::Control, frame);
        }
    }

    fn write_message(
        &mut self,
        conn: ConnId,
        message: ClientMessage,
        now: Now,
    ) -> Result<(), Refusal> {
        match message {
            ClientMessage::Change(request) => self.write_change(conn, request, now),
            other => self.write_side(conn, other, now),
        }
    }

    fn write_change(
        &mut self,
        conn: ConnId,
        request: ChangeRequest,
        now: Now,
    ) -> Result<(), Refusal> {
        let role = self.role_of(conn);
        self.authorise(conn, role, &request)?;
        let ChangeRequest {
            id,
            base,
            epoch,
            force,
            body,
        } = request;
        if epoch.is_some_and(|epoch| epoch != self.doc.epoch()) {
            let message = "the scene has been replaced since; look at it again";
            return Err(self.conflict_at(role, None, message));
        }
        let force = force && role == Role::Gm;
        if !self.doc.knows(base) {
            // Not even by force: it may be a repeat of something that is long done.
            return Err(self.stale(role, Stale::Unknown));
        }
        let newest = base == self.doc.head() && !self.doc.has_waiting_steps();
        let is_whole = matches!(body, Wish::Scene(_));
        let (edits, scene, rebased, sent) = match body {
            Wish::Edits(edits) => {
                let rebased = self.check(base, &edits, force, role)?;
                let scene = self.apply(&edits, role)?;
                let edits: Arc<[Edit]> = edits.into();
                (Some(edits.clone()), scene, rebased, Some(edits))
            }
            // Insisting helps against what others did, not against another past.
            Wish::Scene(scene) if newest || force && self.doc.since(base).is_ok() => {
                (None, scene, false, None)
            }
            Wish::Scene(scene) => {
                let old = self.doc.scene_at(base);
                let old = old.ok_or_else(|| self.stale(role, Stale::Unknown))?;
                let edits = diff(&old, &scene);
                let rebased = self.check(base, &edits, force, role)?;
                let scene = self.apply(&edits, role)?;
                (Some(edits.into()), scene, rebased, None)
            }
        };
        if scene.as_str().len() as u64 > self.settings.frame_bytes {
            let message = format!(
                "the scene would be larger than {} bytes",
                self.settings.frame_bytes
            );
            return Err(Refusal::new("too_large", message));
        }
        let present = self.doc.tip().1;
        if is_whole && self.doc.is_shown() && mark_of(present) != mark_of(&scene) {
            // Another scene is loaded: the one that goes may have been saved nowhere.
            let replaced = present.clone();
            self.keep_aside("replaced", replaced, now);
        }
        let by = self.id_of(conn);
        let settling = Settling {
            by,
            sender: Some(conn),
            id: Some(id),
            rebased,
            sent,
            ..Settling::default()
        };
        self.add_step(scene, edits, Some(conn), settling, now);
        Ok(())
    }

    /// Players change where their own entries stand and their initiative, nothing else.
    pub(super) fn authorise(
        &self,
        conn: ConnId,
        role: Role,
        request: &ChangeRequest,
    ) -> Result<(), Refusal> {
        let own = |edit: &Edit| {
            let [Step::Key(list), Step::Select(entry), Step::Key(member), ..] = edit.path().steps()
            else {
                return false;
            };
            let mine = entry.value.as_str().is_some_and(|entry| {
                let assigned = self.side.assigned.get(entry);
                assigned.is_some_and(|member| *member == self.id_of(conn))
            });
            let setting = matches!(edit, Edit::Set { .. } | Edit::Delete { .. });
            list == "initiativeOrder"
                && mine
                && setting
                && entry.member == "id"
                && matches!(member.as_str(), "mapPosition" | "initiative")
        };
        let allowed = match (role, &request.body) {
            (Role::Gm, _) => true,
            (Role::Player, Wish::Edits(edits)) => edits.iter().all(own),
            (Role::Player | Role::Display, _) => false,
        };
        allowed.then_some(()).ok_or_else(|| {
            let message = "only the GM may change this; a player moves what is assigned to them";
            Refusal::new("forbidden", message)
        })
    }

    fn check(
        &mut self,
        base: u64,
        edits: &[Edit],
        force: bool,
        role: Role,
    ) -> Result<bool, Refusal> {
        match self.doc.check(base, edits) {
            Ok(rebased) => Ok(rebased),
            Err(Stale::Conflict(_)) if force => Ok(true),
            Err(stale) => Err(self.stale(role, stale)),
        }
    }

    fn stale(&mut self, role: Role, stale: Stale) -> Refusal {
        match stale {
            Stale::Unknown => {
                let message = "it was made on a scene that is too old; look at it again";
                self.conflict_at(role, None, message)
            }
            Stale::Counted => {
                let message = "a place named by counting only fits the newest scene";
                self.conflict_at(role, None, message)
            }
            Stale::Conflict(place) => {
                let message = "somebody else has changed the same place";
                self.conflict_at(role, Some(&place), message)
            }
        }
    }

    fn apply(&mut self, edits: &[Edit], role: Role) -> Result<JsonText, Refusal> {
        let applied = apply(self.doc.tip().1, edits);
        applied.map_err(|refused| {
            let message = refused.to_string();
            match refused.reason.code() {
                "no_match" | "exists" => self.conflict_at(role, Some(&refused.path), &message),
                _ => Refusal::new("invalid", message),
            }
        })
    }

    /// A conflict, with the head and what stands at `place` as `role` sees it.
    fn conflict_at(&mut self, role: Role, place: Option<&Path>, message: &str) -> Refusal {
        let seen = self.doc.seen_by(View::of(role));
        let current = place.and_then(|place| value_at(&seen, place));
        let current = current.map_or_else(|| "null".to_owned(), |node| node.raw().to_owned());
        Refusal {
            current: Some((self.doc.head(), current)),
            ..Refusal::new("conflict", message)
        }
    }

    /// Adds a step to the commit that is being put together. Returns its number.
    pub(super) fn add_step(
        &mut self,
        scene: JsonText,
        edits: Option<Arc<[Edit]>>,
        by: Option<ConnId>,
        settling: Settling,
        now: Now,
    ) -> u64 {
        self.journal_head(now);
        self.reserve_if_needed();
        let readable = |edits: &Arc<[Edit]>| readable(Edit::list_to_json(edits));
        let (whole, body) = match edits.as_ref().and_then(readable) {
            Some(edits) => (false, edits),
            None => (true, scene.bytes()),
        };
        let acknowledged = settling.id.is_some() || by.is_none();
        let seq = self.doc.add(scene, edits, by, acknowledged, now);
        let prev = self.prev_of(settling.sender);
        let receipt = Receipt::Change(seq, prev, settling.rebased);
        let record = Record::Change {
            seq,
            whole,
            id: settling.id.clone(),
            receipt: acknowledged.then_some(receipt),
            at_ms: now.unix_ms,
        };
        self.records.push(record.encode(&body));
        self.held.push(Held::Settle(settling));
        seq
    }

    /// The number before the next change in the view of a connection.
    fn prev_of(&mut self, conn: Option<ConnId>) -> u64 {
        let role = conn.map_or(Role::Gm, |conn| self.role_of(conn));
        let head = self.doc.head();
        self.doc.view(View::of(role)).seq().unwrap_or(head)
    }

    /// A scene that was told but is not in the journal goes in front of what is built on it.
    fn journal_head(&mut self, now: Now) {
        let first = !self.doc.has_waiting_steps();
        if first && self.disk.journaled < self.doc.head() && self.doc.is_shown() {
            let record = self.head_record(now);
            self.records.push(record);
        }
    }

    fn head_record(&self, now: Now) -> Bytes {
        let record = Record::Change {
            seq: self.doc.head(),
            whole: true,
            id: None,
            receipt: None,
            at_ms: now.unix_ms,
        };
        record.encode(self.doc.scene().as_str().as_bytes())
    }

    fn reserve_if_needed(&mut self) {
        if !self.doc.may_number() {
            let to = self.doc.next_block();
            self.records.push(Record::Reserve { to }.encode(b""));
            let before = self.doc.numbers().reserved();
            self.disk.reserved_before.get_or_insert(before);
            self.doc.reserve(to);
        }
    }

    /// Hands what has been put together to the journal.
    pub(super) fn send_commit(&mut self, now: Now, out: &mut Outgoing) {
        if self.held.is_empty() {
            return;
        }
        if self.records.is_empty() {
            // Nothing of it must last.
            let held = std::mem::take(&mut self.held);
            self.carry_out(held, now, out);
            return;
        }
        // What the commit replaces is not to be lost while it counts.
        self.write_aside(out);
        let remembered = self.disk.take_remembered();
        let mut records = remembered.clone();
        records.append(&mut self.records);
        self.append(records, out);
        let reserved = self.disk.reserved_before.take();
        let reserved = reserved.unwrap_or(self.doc.numbers().reserved());
        self.flights.push_back(Flight::Commit {
            reserved,
            remembered,
        });
    }

    fn append(&mut self, records: Vec<Bytes>, out: &mut Outgoing) {
        self.disk.bytes += records.iter().map(|r| r.len() + 8).sum::<usize>();
        out.journal.push(Journaling::Append(records));
    }

    /// The journal has answered.
    pub(super) fn landed(&mut self, outcome: Result<(), String>, now: Now, out: &mut Outgoing) {
        let Some(flight) = self.flights.pop_front() else {
            return;
        };
        let good = outcome.is_ok();
        match outcome {
            Ok(()) => {
                if self.disk.failures > 0 {
                    tracing::info!("the table can be saved again");
                }
                self.disk.failures = 0;
            }
            Err(cause) => {
                self.disk.failures = self.disk.failures.saturating_add(1);
                if self.disk.failures.is_power_of_two() {
                    tracing::error!(cause, "the table cannot be saved: {cause}");
                }
            }
        }
        match flight {
            Flight::Commit {
                reserved,
                remembered,
            } => {
                let held = std::mem::take(&mut self.held);
                // Chat alone brings no scene along.
                let with_scene = self.doc.has_waiting_steps();
                if good {
                    self.side_before = None;
                    self.carry_out(held, now, out);
                    if with_scene {
                        self.disk.journaled = self.doc.head();
                    }
                } else {
                    self.doc.take_back();
                    self.forget_sent();
                    self.doc.unreserve(reserved);
                    if let Some(side) = self.side_before.take() {
                        self.side = side;
                    }
                    self.give_up(held, now, out);
                    self.disk.failed.extend(remembered);
                }
            }
            Flight::Save {
                seq,
                document,
                remembered,
                reserved,
            } => {
                self.disk.saving = false;
                if good {
                    if let Some(to) = reserved {
                        self.doc.reserve(to);
                    }
                    self.disk.journaled = self.disk.journaled.max(seq);
                    if document.is_some() {
                        self.disk.filed = Some(seq);
                        out.document = document;
                    }
                } else {
                    self.disk.failed.extend(remembered);
                }
            }
            Flight::Restart { to, seq } => {
                self.disk.restarting = false;
                if good {
                    self.restarted(to, seq);
                }
            }
            Flight::Closing => {}
        }
        if self.disk.fresh && !self.disk.restarting {
            // Without a journal nothing can be taken.
            for write in std::mem::take(&mut self.waiting) {
                self.turn_away(write, not_saved(), now, out);
            }
            self.waiting_bytes = 0;
        }
        // What failed took everything behind it along; go on when all of that is known.
        if (good || self.flights.is_empty()) && !self.is_committing() {
            self.take_waiting(now, out);
        }
        self.forget_departed();
        self.finish_saving(good, now, out);
    }

    fn take_waiting(&mut self, now: Now, out: &mut Outgoing) {
        // Those that have to ask again stay for the next time.
        for _ in 0..self.waiting.len() {
            if self.held.len() >= TOGETHER || self.doc.waiting_bytes() >= TOGETHER_BYTES {
                break;
            }
            let Some(write) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes = self.waiting_bytes.saturating_sub(write.bytes());
            self.write(write, now, out);
        }
        self.send_commit(now, out);
    }

    fn carry_out(&mut self, held: Vec<Held>, now: Now, out: &mut Outgoing) {
        for held in held {
            match held {
                Held::Settle(settling) => self.settle(settling, now, out),
                Held::Tell(delivery) => out.deliveries.push(delivery),
                Held::Same { to, frame, .. } => out.send(to, Lane::State(None), frame),
                Held::Line(line) => self.tell_line(&line, out),
                Held::Screen { target, frame } => self.tell_screen(&target, &frame, out),
                Held::Member(id) => self.tell_person("member_updated", &id, None, out),
                Held::Quiet(_) => {}
                Held::Ack { conn, id, receipt } => {
                    let frame = self.ack_frame(&id, &receipt, None);
                    out.send(To::One(conn), Lane::Control, frame);
                    self.receipts.add(id, receipt, now.unix_ms);
                }
                Held::Removed { member, told } => self.removed(member, told, now, out),
                Held::Reply(reply) => reply(Ok(self.doc.head())),
            }
        }
    }

    fn give_up(&mut self, held: Vec<Held>, now: Now, out: &mut Outgoing) {
        let refusal = not_saved();
        for held in held {
            match held {
                Held::Settle(Settling {
                    sender: Some(conn),
                    id: Some(id),
                    ..
                })
                | Held::Ack { conn, id, .. } => {
                    out.send(To::One(conn), Lane::Control, refusal.frame(&id));
                }
                Held::Settle(Settling {
                    sender: Some(conn), ..
                })
                | Held::Same { conn, .. } => self.return_head(conn, now, out),
                Held::Quiet(conn) => {
                    let frame = wire::error(&refusal.message);
                    out.send(To::One(conn), Lane::Control, frame);
                }
                Held::Settle(_)
                | Held::Tell(_)
                | Held::Line(_)
                | Held::Screen { .. }
                | Held::Member(_) => {}
                Held::Removed { told, .. } => told.refuse(not_kept_out(refusal.clone()), out),
                Held::Reply(reply) => reply(Err(refusal.clone())),
            }
        }
    }

    pub(super) fn ack_frame(&self, id: &str, receipt: &Receipt, edits: Option<&str>) -> Frame {
        match receipt {
            Receipt::Change(seq, prev, rebased) => ChangeAck {
                id,
                epoch: self.doc.epoch(),
                seq: *seq,
                prev: *prev,
                rebased: *rebased,
                edits,
            }
            .frame(),
            Receipt::Line(chat_seq) => {
                let id = wire::client_id(id);
                wire::small(&json!({ "type": "ack", "id": id, "chat_seq": chat_seq }))
            }
            Receipt::Removed(member) => {
                let id = wire::client_id(id);
                wire::small(
                    &json!({ "type": "ack", "id": id, "kicked": member, "offer": "new_code" }),
                )
            }
            Receipt::Plain => {
                let id = wire::client_id(id);
                wire::small(&json!({ "type": "ack", "id": id }))
            }
        }
    }

    /// The next waiting step counts: everybody is told in their own way.
    pub(super) fn settle(&mut self, settling: Settling, now: Now, out: &mut Outgoing) {
        let mut is_first = !self.doc.is_shown();
        let first = out.deliveries.len();
        let Some(settled) = self.doc.settle(now) else {
            return;
        };
        out.shown = Some(self.doc.scene().clone());
        let epoch = self.doc.epoch();
        let sender = settling.sender;
        let member = sender.filter(|conn| self.is_member(*conn));
        let sender_view = View::of(member.map_or(Role::Gm, |conn| self.role_of(conn)));
        let mut own_prev = None;
        let mut own_edits = None;
        for (view, change) in View::ALL.into_iter().zip(settled.views) {
            if member.is_some() && view == sender_view {
                own_prev = change.as_ref().map(|change| change.prev);
                own_edits = news_for_sender(&settling, change.as_ref());
            }
            let Some(change) = change else {
                continue;
            };
            if let Some(news) = &change.news {
                let frame = wire::view_change(epoch, &change, news, &settling.by);
                let whole = wire::scene(epoch, change.seq, &change.scene);
                self.doc.keep_frame(view, &change, frame.clone(), now);
                let groups = match view {
                    View::Gm => GMS,
                    View::Player => PLAYERS.and(DISPLAYS),
                };
                self.tell(groups, member, Lane::State(Some(whole)), frame, out);
            }
            is_first &= view != View::Player;
            if view == View::Player && self.count(READERS) > 0 {
                let frame = spelltable::scene_update(&change.scene);
                self.tell(READERS, None, Lane::State(None), frame, out);
            }
        }
        if is_first && self.count(READERS) > 0 {
            // They have been shown nothing at all, which is not what they see of it now.
            let frame = spelltable::scene_update(&self.doc.seen_by(View::Player));
            self.tell(READERS, None, Lane::State(None), frame, out);
        }
        if self.count(WRITERS) > 0 {
            let page = sender.filter(|_| member.is_none() && !settling.echo);
            let frame = match settling.relayed {
                Some(frame) => frame,
                None => spelltable::scene_update(self.doc.scene()),
            };
            self.tell(WRITERS, page, Lane::State(None), frame, out);
        }
        let Some(id) = settling.id else {
            return;
        };
        let prev = own_prev.unwrap_or_else(|| self.prev_of(member));
        let receipt = Receipt::Change(settled.seq, prev, settling.rebased);
        if let Some(conn) = member {
            let (to, lane) = (To::One(conn), Lane::Control);
            let frame = self.ack_frame(&id, &receipt, own_edits.as_deref());
            // In front: its sender waits for it, and telling everybody else takes a while.
            out.deliveries.insert(first, Delivery { to, lane, frame });
        }
        self.receipts.add(id, receipt, now.unix_ms);
    }

    fn tell(
        &self,
        groups: Groups,
        but: Option<ConnId>,
        lane: Lane,
        frame: Frame,
        out: &mut Outgoing,
    ) {
        if self.count(groups) > 0 {
            let to = but.map_or(To::Groups(groups), |conn| To::But(groups, conn));
            out.send(to, lane, frame);
        }
    }

    /// Sees to it that everything is in the journal, and the scene in its own file.
    pub(super) fn save(&mut self, now: Now, out: &mut Outgoing) {
        if self.disk.closed || self.disk.saving || self.disk.restarting {
            return;
        }
        if self.disk.forgot && self.flights.is_empty() {
            self.disk.forgot = false;
            self.disk.take_remembered();
            self.disk.fresh = true;
        }
        if self.disk.fresh {
            return self.restart(out);
        }
        let head = self.doc.head();
        let mut records = Vec::new();
        // What waiting steps are built on goes along with them.
        if self.disk.journaled < head && !self.doc.has_waiting_steps() {
            records.push(self.head_record(now));
        }
        let reserved = self.doc.numbers().wants();
        if let Some(to) = reserved {
            records.push(Record::Reserve { to }.encode(b""));
        }
        let file = self.settings.has_file && self.doc.is_shown() && self.disk.filed != Some(head);
        let document = file.then(|| self.doc.scene().clone());
        if let Some(document) = &document {
            let hash = hash(document.as_str().as_bytes());
            records.push(Record::File { hash: hash.clone() }.encode(b""));
            if self.disk.files.back() != Some(&hash) {
                self.disk.files.push_back(hash);
            }
            while self.disk.files.len() > FILES {
                self.disk.files.pop_front();
            }
        }
        let remembered = self.disk.take_remembered();
        if records.is_empty() && remembered.is_empty() {
            let large = JOURNAL_BYTES.max(4 * self.doc.scene().as_str().len());
            if self.disk.bytes > large && self.flights.is_empty() {
                self.restart(out);
            }
            return;
        }
        records.extend(remembered.iter().cloned());
        self.append(records, out);
        self.disk.saving = true;
        self.flights.push_back(Flight::Save {
            seq: head,
            document,
            remembered,
            reserved,
        });
    }

    /// Begins the journal anew with what the table is.
    fn restart(&mut self, out: &mut Outgoing) {
        let (record, to) = self.snapshot();
        out.journal.push(Journaling::Restart(vec![record]));
        self.disk.restarting = true;
        let seq = self.doc.head();
        self.flights.push_back(Flight::Restart { to, seq });
    }

    /// The journal has been begun anew, with numbers reserved up to `to` and the scene `seq` in it.
    pub(super) fn restarted(&mut self, to: u64, seq: u64) {
        self.disk.fresh = false;
        self.disk.bytes = 0;
        self.disk.journaled = self.disk.journaled.max(seq);
        self.doc.reserve(to);
    }

    /// What the table is, as a record, and up to where that reserves numbers.
    pub(super) fn snapshot(&self) -> (Bytes, u64) {
        let numbers = self.doc.numbers();
        let to = numbers.wants().unwrap_or(numbers.reserved());
        let snapshot = Snapshot {
            epoch: self.doc.epoch().to_string(),
            seq: self.doc.head(),
            last: numbers.last(),
            reserved: to,
            lost: numbers.lost().to_vec(),
            receipts: self.receipts.all(),
            people: self.people.all().into_iter().cloned().collect(),
            side: self.durable_side().clone(),
            files: self.disk.files.iter().cloned().collect(),
        };
        let body = match self.doc.is_shown() {
            true => self.doc.scene().bytes(),
            false => Bytes::new(),
        };
        (Record::Snapshot(Box::new(snapshot)).encode(&body), to)
    }

    /// Answers `reply` when everything is on disk; `true`: it is.
    pub(super) fn save_for(
        &mut self,
        reply: oneshot::Sender<bool>,
        closing: bool,
        now: Now,
        out: &mut Outgoing,
    ) {
        self.disk.savers.push(reply);
        self.disk.closing |= closing;
        self.finish_saving(true, now, out);
    }

    fn finish_saving(&mut self, good: bool, now: Now, out: &mut Outgoing) {
        if self.disk.savers.is_empty() || !self.flights.is_empty() {
            return;
        }
        if good {
            self.save(now, out);
            if !self.flights.is_empty() {
                return;
            }
            if self.disk.closing && !self.disk.closed {
                self.disk.closed = true;
                self.append(vec![Record::Closed.encode(b"")], out);
                self.flights.push_back(Flight::Closing);
                return;
            }
        }
        for saver in self.disk.savers.drain(..) {
            out.answers.push(Box::new(move || {
                let _ = saver.send(good);
            }));
        }
    }
}

/// What is said of a removal instead, which is not taken back.
fn not_kept_out(cause: Refusal) -> Refusal {
    let message = "they are out for now, but that could not be saved, so the table may know them again \
        after a restart; try again";
    Refusal {
        message: message.into(),
        ..cause
    }
}

fn not_saved() -> Refusal {
    let message = "it could not be saved, so nothing was changed: the disk may be full";
    Refusal {
        retry: true,
        ..Refusal::new("storage", message)
    }
}

/// What a change came to in the sender's own view, when that is not what was sent.
fn news_for_sender(settling: &Settling, change: Option<&ViewChange>) -> Option<String> {
    let Some(news) = change.and_then(|change| change.news.as_ref()) else {
        return Some("[]".to_owned());
    };
    let differs = match &settling.sent {
        Some(sent) => Edit::list_to_json(sent) != news.edits,
        None => settling.rebased,
    };
    differs.then(|| news.edits.clone())
}

/// The text of edits, if they can be read back: differences may have more edits, and values nested
/// deeper, than a message may.
fn readable(edits: String) -> Option<Bytes> {
    let text = JsonText::parse(edits.into()).ok()?;
    Edit::parse_list(text.root(), &text).ok()?;
    Some(text.bytes())
}

/// The client's id of a message that wants an answer.
fn id_of(message: &ClientMessage) -> Option<&str> {
    match message {
        ClientMessage::Change(request) => Some(&request.id),
        ClientMessage::Chat { id, .. }
        | ClientMessage::Roll { id, .. }
        | ClientMessage::Audio { id, .. }
        | ClientMessage::Display { id, .. }
        | ClientMessage::Broken { id, .. } => Some(id),
        ClientMessage::Assign { id, .. } | ClientMessage::Kick { id, .. } => id.as_deref(),
        ClientMessage::Hint { .. }
        | ClientMessage::Resync
        | ClientMessage::Device { .. }
        | ClientMessage::Signal { .. } => None,
    }
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
