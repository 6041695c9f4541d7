//! SpellTable's `/ws` on a table: pages that send whole scenes and never say what they started from.
//!
//! What such a page means is a difference, so that a tab that is behind undoes nobody's change
//! (live-sync, section 3). While nobody else writes, its scene is taken as it is, for one scan.

use super::aside::Why;
use super::commit::{Held, Settling, Waiting};
use super::document::{MEMORY, Since, mark_of};
use super::view::{View, Watcher};
use super::{Message, READERS, TableRules, WRITERS, viewer_states, within};
use crate::access::Role;
use crate::config::Echo;
use crate::dialects::spelltable::{self, ClientMessage, Relay, ViewerState};
use crate::json::JsonText;
use crate::live::{ConnId, Dialect, Heard, Lane, Now, Outgoing, To};
use crate::model::edit::{self, Edit, apply_possible, value_at, without_conflicts};
use crate::model::{diff, distance, same};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Whoever may not write is shown the true scene at most this often.
const CORRECTION: Duration = Duration::from_secs(1);
/// How far back the scene may lie that a page started from.
const EXCHANGED: Duration = Duration::from_secs(10);
/// What a page was sent longer ago than this it has shown.
const UNSEEN: Duration = Duration::from_secs(2);
/// For how long after it came a page's first scene may be one that it sent while it was away.
const QUEUED: Duration = Duration::from_secs(5);
/// Scenes of the past that are compared with what came.
const CANDIDATES: usize = 64;
/// Places that others have changed and that are looked for in what came.
const PLACES: usize = 64;
/// Scenes of its own that a page's next one may have started from.
const SENT: usize = 8;
/// The same of pages that have gone, and their bytes.
const LEFT: usize = 32;
const LEFT_BYTES: usize = 2 << 20;
/// Differences up to this size always count as small.
const SMALL: usize = 512;

/// One page of SpellTable.
pub(super) struct Page {
    joined: Instant,
    /// Has said something that only the newest frontend says.
    newest: bool,
    /// Has sent a scene that was taken.
    wrote: bool,
    /// When one was refused.
    refused: Option<Instant>,
    /// When it was last sent something else than it had sent. What it has sent meanwhile must come
    /// back to it, too, or it goes on from what crossed it.
    returned: Option<Instant>,
    corrected: Option<Instant>,
    /// Has tried again since.
    is_wrong: bool,
    /// What it sent and was not taken as it was.
    sent: VecDeque<Sent>,
}

/// A scene that a page shows although it is not the table's.
pub(super) struct Sent {
    at: Instant,
    /// The number of the newest scene that is all in it.
    base: u64,
    /// The number of what became of it.
    became: u64,
    scene: JsonText,
}

impl Page {
    pub fn new(now: Now) -> Self {
        Self {
            joined: now.instant,
            newest: false,
            wrote: false,
            refused: None,
            returned: None,
            corrected: None,
            is_wrong: false,
            sent: VecDeque::new(),
        }
    }
}

impl Dialect for spelltable::Wire {
    type Rules = TableRules;

    fn read(&mut self, text: Bytes) -> Heard<Message> {
        match self.parse(text) {
            Some(message) => Heard::Message(Message::SpellTable(message)),
            None => Heard::Nothing,
        }
    }
}

/// A scene that a page has sent.
pub(super) struct Update {
    /// When it came: it may have to wait for the disk, and what the page knew counts from here.
    pub came: Now,
    pub scene: JsonText,
    pub message: JsonText,
    pub newest: bool,
}

/// What a page meant by a scene.
enum Meaning {
    /// The table's scene as it should be.
    AsItIs,
    /// Another scene in the place of the present one.
    Load,
    /// A difference from the scene with this number.
    From(u64, JsonText),
    /// Something that is over.
    Late,
    /// Something old that fits nothing that is known.
    Unknown,
}

impl TableRules {
    pub(super) fn join_page(&mut self, conn: ConnId, role: Role, out: &mut Outgoing) {
        if role != Role::Gm {
            self.doc.open_view(View::Player, Watcher::Page);
        }
        let to = To::One(conn);
        out.send(to, Lane::Control, spelltable::connected());
        self.show_head(conn, out);
        // The original says nothing of these; a TV that was reloaded would show what it must not.
        for state in viewer_states(self.blank, self.rotated) {
            out.send(to, Lane::Control, state.frame());
        }
    }

    /// Shows a page the scene as it is.
    pub(super) fn show_head(&mut self, conn: ConnId, out: &mut Outgoing) {
        if !self.doc.is_shown() {
            return;
        }
        let scene = self.doc.seen_by(View::of(self.role_of(conn)));
        let frame = spelltable::scene_update(&scene);
        out.send(To::One(conn), Lane::State(None), frame);
    }

    /// The same in answer to a scene of its own.
    pub(super) fn return_head(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        if let Some((page, _)) = self.page(conn) {
            page.returned = Some(now.instant);
        }
        self.show_head(conn, out);
    }

    fn page(&mut self, conn: ConnId) -> Option<(&mut Page, Role)> {
        if let Some(page) = self.departed.get_mut(&conn) {
            return Some((page, Role::Gm));
        }
        let seat = self.seats.get_mut(&conn)?;
        match &mut seat.kind {
            super::SeatKind::SpellTable(page) => Some((page, seat.role)),
            super::SeatKind::Member => None,
        }
    }

    pub(super) fn receive_page(
        &mut self,
        from: ConnId,
        message: ClientMessage,
        now: Now,
        out: &mut Outgoing,
    ) {
        let Some((page, role)) = self.page(from) else {
            return;
        };
        page.newest |= match &message {
            ClientMessage::SceneUpdate { newest, .. } => *newest,
            ClientMessage::RequestScene | ClientMessage::Relay(_) | ClientMessage::KeepAlive => {
                true
            }
        };
        let newest = page.newest;
        match message {
            ClientMessage::SceneUpdate { .. } if role != Role::Gm => self.correct(from, now, out),
            ClientMessage::SceneUpdate { scene, message, .. } => {
                let update = Update {
                    came: now,
                    scene,
                    message,
                    newest,
                };
                self.submit(Waiting::Page(from, update), now, out);
            }
            ClientMessage::RequestScene => self.asked_for_scene(from, now, out),
            ClientMessage::Relay(relay) if role == Role::Gm => self.relay(from, relay, out),
            ClientMessage::Relay(_) | ClientMessage::KeepAlive => {}
        }
    }

    /// Someone without the right moved something: let it snap back, visibly.
    fn correct(&mut self, conn: ConnId, now: Now, out: &mut Outgoing) {
        let Some((page, _)) = self.page(conn) else {
            return;
        };
        if within(page.corrected, CORRECTION, now) {
            page.is_wrong = true;
            return;
        }
        page.corrected = Some(now.instant);
        tracing::warn!(
            conn = conn.0,
            "a page that is not the GM's tried to change the scene; --gm-from ADDRESS or --access open would allow it"
        );
        self.show_head(conn, out);
    }

    /// What was tried within that second snaps back at its end.
    pub(super) fn correct_rest(&mut self, now: Now, out: &mut Outgoing) {
        let mut wrong = Vec::new();
        for (conn, seat) in &mut self.seats {
            if let super::SeatKind::SpellTable(page) = &mut seat.kind
                && page.is_wrong
                && !within(page.corrected, CORRECTION, now)
            {
                page.is_wrong = false;
                page.corrected = Some(now.instant);
                wrong.push(*conn);
            }
        }
        for conn in wrong {
            self.show_head(conn, out);
        }
    }

    fn relay(&mut self, from: ConnId, relay: Relay, out: &mut Outgoing) {
        match relay.viewer {
            Some(ViewerState::Blank(on)) => self.blank = on,
            Some(ViewerState::Rotated(on)) => self.rotated = on,
            None => {}
        }
        let mut groups = WRITERS;
        if self.count(READERS) > 0 {
            let scene = self.doc.scene().clone();
            let hidden = self.doc.view(View::Player).hidden(&scene);
            if relay
                .names
                .as_ref()
                .is_none_or(|name| !hidden.contains(name))
            {
                groups = groups.and(READERS);
            }
        }
        out.send(To::But(groups, from), Lane::Control, relay.frame);
    }

    /// A scene whose turn has come.
    pub(super) fn write_scene(
        &mut self,
        conn: ConnId,
        update: Update,
        now: Now,
        out: &mut Outgoing,
    ) {
        let Some((page, _)) = self.page(conn) else {
            return;
        };
        // It may go on sending what it made while it was away before it has seen the answer.
        let came = update.came;
        let mut crosses = within(page.returned, UNSEEN, came);
        let queued = !page.wrote && came.instant.duration_since(page.joined) < QUEUED
            || within(page.refused, UNSEEN, came);
        let echo = match self.settings.echo {
            Echo::Auto => !update.newest,
            Echo::Always => true,
            Echo::Never => false,
        };
        let Update {
            scene,
            message,
            newest,
            ..
        } = update;
        // The newest version relays the message whole, the seed only the scene.
        let relayed = move |scene: &JsonText| match newest {
            true => spelltable::as_it_came(&message),
            false => spelltable::scene_update(scene),
        };
        if self.doc.is_shown() && scene.as_str() == self.doc.tip().1.as_str() {
            let frame = relayed(&scene);
            let to = match echo {
                true => To::Groups(WRITERS),
                false => To::But(WRITERS, conn),
            };
            if self.doc.has_waiting_steps() {
                // It says what is not certain yet.
                self.held.push(Held::Same { conn, to, frame });
            } else {
                out.send(to, Lane::State(None), frame);
            }
            return;
        }
        let mut started_from = 0;
        let merged = match self.meaning(conn, &scene, queued, came) {
            Meaning::AsItIs => None,
            Meaning::Load => {
                // What others did to the old scene may be on its way to this page.
                crosses |= within(self.doc.others_wrote(conn), UNSEEN, came);
                let replaced = self.doc.tip().1.clone();
                self.aside.keep(Why::ReplacedByPage, replaced, now);
                None
            }
            Meaning::From(seq, base) => {
                started_from = seq;
                // It may come to the same, and what was in between is still on its way to the page.
                crosses |= seq < self.doc.tip().0;
                match self.merge(seq, &base, &scene, came) {
                    Some((same, _)) if same.as_str() == scene.as_str() => None,
                    Some(merged) => Some(merged),
                    None => return self.return_head(conn, now, out),
                }
            }
            Meaning::Late => {
                let is_first = self
                    .page(conn)
                    .is_some_and(|(page, _)| !within(page.returned, UNSEEN, now));
                if is_first {
                    tracing::info!(
                        conn = conn.0,
                        "a page sent a scene that is not on the table any more; it was not applied"
                    );
                }
                return self.return_head(conn, now, out);
            }
            Meaning::Unknown => {
                if let Some((page, _)) = self.page(conn) {
                    page.refused = Some(now.instant);
                }
                self.aside.keep(Why::Refused, scene, now);
                tracing::warn!(
                    "a page came back with an old scene that others have gone on from; it was not \
                     applied, it is kept below .tablekeep/"
                );
                return self.return_head(conn, now, out);
            }
        };
        let returns = merged.is_some() || crosses;
        let settling = Settling {
            by: "spelltable".into(),
            sender: Some(conn),
            echo: echo || returns,
            relayed: merged.is_none().then(|| relayed(&scene)),
            ..Settling::default()
        };
        let (result, edits) = match merged {
            None => (scene.clone(), None),
            Some((result, edits)) => (result, Some(edits.into())),
        };
        let direct = self.held.is_empty() && !self.is_committing() && self.doc.may_number();
        let is_merged = settling.relayed.is_none();
        if let Some((page, _)) = self.page(conn) {
            page.wrote = true;
            if returns {
                page.returned = Some(now.instant);
            }
        }
        let became = if direct {
            let seq = self.doc.add(result, edits, Some(conn), false, now);
            self.settle(settling, now, out);
            seq
        } else {
            self.add_step(result, edits, Some(conn), settling, now)
        };
        if let Some((page, _)) = self.page(conn).filter(|_| is_merged) {
            page.sent.push_back(Sent {
                at: now.instant,
                base: started_from,
                became,
                scene,
            });
            page.sent
                .retain(|sent| now.instant.duration_since(sent.at) < EXCHANGED);
            if page.sent.len() > SENT {
                page.sent.pop_front();
            }
        }
    }

    /// A page has gone. It sends nothing again, so what waits of it is still to be written. And it
    /// may come back with a scene made on one that was merged.
    pub(super) fn see_off(&mut self, conn: ConnId, page: Page) {
        if self.has_waiting(conn) {
            self.departed.insert(conn, page);
        } else {
            self.remember_left(page);
        }
    }

    fn remember_left(&mut self, page: Page) {
        self.left.extend(page.sent);
        let bytes = |left: &VecDeque<Sent>| -> usize {
            left.iter().map(|sent| sent.scene.as_str().len()).sum()
        };
        while self.left.len() > LEFT || bytes(&self.left) > LEFT_BYTES {
            self.left.pop_front();
        }
    }

    /// Forgets those who have gone and of whom nothing waits any more.
    pub(super) fn forget_departed(&mut self) {
        if !self.departed_members.is_empty() {
            let mut departed = std::mem::take(&mut self.departed_members);
            departed.retain(|conn, _| self.has_waiting(*conn));
            self.departed_members = departed;
        }
        for (conn, page) in std::mem::take(&mut self.departed) {
            self.see_off(conn, page);
        }
    }

    /// Whether something that a connection wrote is still to be judged.
    pub(super) fn has_waiting(&self, conn: ConnId) -> bool {
        let waits = |write: &Waiting| match write {
            Waiting::Page(from, _) | Waiting::Member(from, _) => *from == conn,
            Waiting::Put(_) | Waiting::Removed { .. } => false,
        };
        let again = |held: &Held| matches!(held, Held::Again(from, _) if *from == conn);
        self.waiting.iter().any(waits) || self.held.iter().any(again)
    }

    /// Steps behind the head have been taken back: so has what pages sent for them.
    pub(super) fn forget_sent(&mut self) {
        let head = self.doc.head();
        for seat in self.seats.values_mut() {
            if let super::SeatKind::SpellTable(page) = &mut seat.kind {
                page.sent.retain(|sent| sent.became <= head);
            }
        }
        for page in self.departed.values_mut() {
            page.sent.retain(|sent| sent.became <= head);
        }
        self.left.retain(|sent| sent.became <= head);
    }

    /// Finds out what a scene means that came without saying what it started from.
    fn meaning(&mut self, conn: ConnId, scene: &JsonText, queued: bool, now: Now) -> Meaning {
        let head = self.doc.tip().1.clone();
        let is_other = !same_id(scene, &head);
        if is_other && !queued && self.shows_newest(conn, now) {
            return Meaning::Load;
        }
        // What came of its scenes is not what the page shows until it has been told.
        let behind = self
            .page(conn)
            .is_some_and(|(page, _)| within(page.returned, EXCHANGED, now));
        let span = if queued || behind && !is_other {
            Duration::MAX
        } else {
            EXCHANGED
        };
        let others = within(self.doc.others_wrote(conn), span, now);
        if !self.doc.is_shown() {
            return Meaning::AsItIs;
        }
        if !others || !queued && self.has_seen(conn, scene, span, now) {
            return match is_other {
                true => Meaning::Load,
                false => Meaning::AsItIs,
            };
        }
        // A scene of which no state was shown here can be no old one.
        let Some((seq, base, far)) = self.nearest(conn, scene, (span, queued), now) else {
            return Meaning::Load;
        };
        if queued && far > SMALL.max(scene.as_str().len() / 2) {
            return Meaning::Unknown;
        }
        if is_other {
            Meaning::Late
        } else {
            Meaning::From(seq, base)
        }
    }

    /// Whether a page has the newest scene instead of the one before for certain: it has loaded it, or
    /// has been shown it in answer to what it sent. Then it sends another one because somebody wants it.
    fn shows_newest(&mut self, conn: ConnId, now: Now) -> bool {
        let Some((by, at)) = self.doc.loaded() else {
            return false;
        };
        let since = match by == Some(conn) {
            true => Some(at),
            false => self
                .page(conn)
                .and_then(|(page, _)| page.returned)
                .filter(|returned| *returned >= at),
        };
        since.is_some() && !within(since, UNSEEN, now)
    }

    /// Whether all that others have written in that time is in a scene of this page: then it was made
    /// on the newest one, and may well put back something of the page's own.
    fn has_seen(&mut self, conn: ConnId, scene: &JsonText, span: Duration, now: Now) -> bool {
        if !same_id(scene, self.doc.tip().1) {
            return false;
        }
        let since = now.instant.checked_sub(span.min(MEMORY));
        let Some(places) = self.doc.others_places(conn, since, PLACES) else {
            return false;
        };
        let newest = self.doc.tip().1;
        let is_there = |place: &edit::Path| match (value_at(scene, place), value_at(newest, place))
        {
            (Some(theirs), Some(ours)) => same(theirs, ours),
            (None, None) => true,
            _ => false,
        };
        !places.is_empty() && places.iter().all(is_there)
    }

    /// Of the states of this scene that the page may have started from the one that differs least
    /// from what it sent; the older one when several do. With its number, and how much differs.
    fn nearest(
        &mut self,
        conn: ConnId,
        scene: &JsonText,
        (span, queued): (Duration, bool),
        now: Now,
    ) -> Option<(u64, JsonText, usize)> {
        let since = now.instant.checked_sub(span);
        let mark = mark_of(scene);
        let mut known = self.doc.shown_since(since, mark);
        // Steps that wait have been shown to nobody: what is shown is the head.
        let head = self.doc.head();
        if known.last().is_none_or(|(seq, _)| *seq != head) && same_id(scene, self.doc.scene()) {
            known.push((head, self.doc.scene().clone()));
        }
        let (tip, newest) = self.doc.tip();
        if known.last().is_none_or(|(seq, _)| *seq != tip) && same_id(scene, newest) {
            known.push((tip, newest.clone()));
        }
        if let Some((page, _)) = self.page(conn) {
            let sent = page.sent.iter();
            let sent = sent.filter(|sent| within(Some(sent.at), span, now));
            let sent = sent.filter(|sent| same_id(scene, &sent.scene));
            known.extend(sent.map(|sent| (sent.base, sent.scene.clone())));
        }
        if queued {
            let departed = self.departed.values().flat_map(|page| &page.sent);
            let left = self.left.iter().chain(departed);
            let left = left.filter(|sent| within(Some(sent.at), MEMORY, now));
            let left = left.filter(|sent| same_id(scene, &sent.scene));
            known.extend(left.map(|sent| (sent.base, sent.scene.clone())));
        }
        if known.is_empty() {
            return None;
        }
        known.sort_by_key(|(seq, _)| *seq);
        // Of very many, those that look most like it, and some of the others.
        let mut likely: Vec<usize> = (0..known.len()).collect();
        if likely.len() > CANDIDATES {
            likely.sort_by_cached_key(|at| unlike(known[*at].1.as_str(), scene.as_str()));
            let others = likely.split_off(CANDIDATES * 3 / 4);
            let step = others.len().div_ceil(CANDIDATES / 4);
            likely.extend(others.into_iter().step_by(step));
        }
        let far = |at: usize| (distance(&diff(&known[at].1, scene)), at);
        let best = likely.into_iter().map(far).min();
        let (far, at) = best?;
        let (seq, base) = known.swap_remove(at);
        Some((seq, base, far))
    }

    /// The newest scene with the difference between `base` and `scene`. Where both changed the
    /// same, an acknowledged change that the page may not have seen yet stays; else the later one
    /// counts, as among SpellTable's own pages. `None`: nothing of it is left.
    fn merge(
        &mut self,
        seq: u64,
        base: &JsonText,
        scene: &JsonText,
        now: Now,
    ) -> Option<(JsonText, Vec<Edit>)> {
        let (tip, newest) = self.doc.tip();
        if seq == tip && base.as_str() == newest.as_str() {
            return Some((scene.clone(), Vec::new()));
        }
        let since = self.doc.since(seq).ok()?;
        let unseen = |step: &&Since| step.acknowledged && within(Some(step.at), UNSEEN, now);
        let unseen = since.iter().filter(unseen);
        let unseen: Vec<Edit> = unseen.flat_map(|step| step.edits.to_vec()).collect();
        let meant = without_conflicts(diff(base, scene), &unseen);
        let (merged, taken) = apply_possible(self.doc.tip().1, meant);
        (!taken.is_empty()).then_some((merged, taken))
    }
}

/// Whether two scenes are states of one: their ids are equal, or both have none.
fn same_id(a: &JsonText, b: &JsonText) -> bool {
    let id = |scene: &JsonText| scene.root().get("id").map(|id| id.raw().to_owned());
    id(a) == id(b)
}

/// How many bytes lie between the first and the last that differ: a quick guess at how much does.
fn unlike(a: &str, b: &str) -> usize {
    const PIECE: usize = 64;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let pieces = |a: &[u8], b: &[u8]| {
        let same = a.chunks(PIECE).zip(b.chunks(PIECE));
        same.take_while(|(a, b)| a == b).count() * PIECE
    };
    let front = pieces(a, b).min(a.len()).min(b.len());
    let (a, b) = (&a[front..], &b[front..]);
    let same = a.rchunks(PIECE).zip(b.rchunks(PIECE));
    let back = same.take_while(|(a, b)| a == b).count() * PIECE;
    a.len().max(b.len()).saturating_sub(back)
}
