//! Making writes durable: one commit under way at a time; what comes together, or waits for it, goes
//! together.

use super::TableRules;
use super::ask::Put;
use super::record::{Line, Receipt, Record};
use super::view::View;
use super::wire::{ClientMessage, Refusal, Wish};
use crate::access::Role;
use crate::json::JsonText;
use crate::live::{ConnId, Delivery, Frame, Journaling, Lane, Now, Outgoing, To};
use crate::model::edit::Edit;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Writes, and bytes of them, that may wait for others of their round or for the commit that is under way.
const WAITING: usize = 8192;
const WAITING_BYTES: usize = 64 << 20;
/// Parts of one commit, and bytes of the scenes that it makes; what waits behind it goes into the
/// next. Every change is compared with all in front of it.
const TOGETHER: usize = 1024;
const TOGETHER_BYTES: usize = 64 << 20;

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
            Self::Member(conn, id) => {
                out.send(To::One(conn), Lane::Control, refusal.frame(id.as_deref()));
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
    /// A message that does not agree with the commit is judged anew.
    Again(ConnId, ClientMessage),
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

impl TableRules {
    /// Takes a write: with what comes together with it, or when the commit that is under way has ended.
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
        let bytes = write.bytes();
        if self.is_full(bytes) {
            // Unless only the round's end is waited for.
            self.take_waiting(now, out);
        }
        if self.is_full(bytes) {
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

    fn is_full(&self, more: usize) -> bool {
        let is_large = self.waiting_bytes + more > WAITING_BYTES && !self.waiting.is_empty();
        self.waiting.len() >= WAITING || is_large
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
                let frame = refusal.frame(id_of(&message));
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
                let write = Waiting::Member(conn, message);
                self.waiting_bytes += write.bytes();
                self.waiting.push_back(write);
                return;
            }
        }
        let again = match &message {
            // A base that is not durable yet is nobody's; and who insists must not do so behind later ones.
            ClientMessage::Change(request) if !request.force && self.doc.knows(request.base) => {
                self.doc.has_waiting_steps().then(|| message.clone())
            }
            _ => None,
        };
        if let Err(refusal) = self.write_message(conn, message, now) {
            if let Some(message) = again.filter(|_| refusal.code == "conflict") {
                // With what may not come to be: judged anew when it has.
                self.held.push(Held::Again(conn, message));
                return;
            }
            let frame = refusal.frame(id.as_deref());
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
    pub(super) fn prev_of(&mut self, conn: Option<ConnId>) -> u64 {
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

    pub(super) fn head_record(&self, now: Now) -> Bytes {
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
        self.aside.write(&self.settings.aside, out);
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

    pub(super) fn append(&mut self, records: Vec<Bytes>, out: &mut Outgoing) {
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
                    let journal = self.settings.aside.with_file_name("journal");
                    tracing::error!(
                        cause,
                        ?journal,
                        "the table cannot be saved ({cause}), and no change is taken until it can: \
                        free some space, or see to the permissions of its folder"
                    );
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
        self.disk.failing = !good && !self.flights.is_empty();
        self.forget_departed();
    }

    /// Puts what waits into one commit; not while another is under way, and not in front of a save that
    /// is asked for: whoever never stops writing must not hold it up.
    pub(super) fn take_waiting(&mut self, now: Now, out: &mut Outgoing) {
        let saves = self.disk.is_asked_to_save();
        // What must not last is done at once, and more has its turn.
        while !(self.waiting.is_empty() || self.is_committing() || self.disk.failing || saves) {
            self.take_some(now, out);
        }
    }

    fn take_some(&mut self, now: Now, out: &mut Outgoing) {
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
        let mut again = Vec::new();
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
                    self.receipts.add(id, receipt, now);
                }
                Held::Removed { member, told } => self.removed(member, told, now, out),
                Held::Reply(reply) => reply(Ok(self.doc.head())),
                Held::Again(conn, message) => again.push(Waiting::Member(conn, message)),
            }
        }
        self.wait_in_front(again);
    }

    /// Lets these be judged before all that waits.
    fn wait_in_front(&mut self, again: Vec<Waiting>) {
        for write in again.into_iter().rev() {
            self.waiting_bytes += write.bytes();
            self.waiting.push_front(write);
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
                    out.send(To::One(conn), Lane::Control, refusal.frame(id.as_str()));
                }
                Held::Settle(Settling {
                    sender: Some(conn), ..
                })
                | Held::Same { conn, .. } => self.return_head(conn, now, out),
                Held::Quiet(conn) => {
                    out.send(To::One(conn), Lane::Control, refusal.frame(None));
                }
                Held::Settle(_)
                | Held::Tell(_)
                | Held::Line(_)
                | Held::Screen { .. }
                | Held::Member(_) => {}
                Held::Removed { told, .. } => told.refuse(not_kept_out(refusal.clone()), out),
                Held::Reply(reply) => reply(Err(refusal.clone())),
                Held::Again(conn, message) => {
                    if let Some(id) = id_of(&message) {
                        out.send(To::One(conn), Lane::Control, refusal.frame(id));
                    }
                }
            }
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
