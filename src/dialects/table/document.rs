//! A table's scene: what it is, what it was, and what each view saw of it. Plain state.

pub use super::position::Epoch;
use super::position::{BLOCK, Numbering, Standing};
use super::view::{View, ViewLog, Watcher};
use crate::json::JsonText;
use crate::live::{ConnId, Frame, Now};
use crate::model::diff;
use crate::model::edit::{Edit, Path, conflict, uses_nth};
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the past is remembered, for those who come back with a scene of it.
pub const MEMORY: Duration = Duration::from_secs(600);
/// Bytes of documents of the past. What is older is kept in ever wider steps.
const DOCUMENT_BYTES: usize = 2 << 20;
/// Changes of the past.
const CHANGES: usize = 20_000;
/// What a step and an edit cost besides their texts.
const STEP_BYTES: usize = 64;
const EDIT_BYTES: usize = 128;

/// What a table shows that nobody has shown anything on: everything that a client edits is there.
const EMPTY: &str = "{\"id\":\"default\",\"name\":\"Default Scene\",\"maps\":[],\"activeMapId\":null,\
    \"gridSettings\":{\"showGrid\":true,\"gridSize\":50},\"initiativeOrder\":[],\"encounterHistory\":[],\
    \"showCurrentPlayer\":true,\"aoeMarkers\":[],\"fogOfWar\":[]}";

/// One step of the past, or of a commit that is under way.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub seq: u64,
    /// When everybody was told of it; of a waiting one, when the room took it.
    pub at: Instant,
    /// Whose connection it came from, if one.
    pub by: Option<ConnId>,
    /// Somebody was told that it counts.
    pub acknowledged: bool,
    /// What was done, when it came as edits or has been found out.
    pub edits: Option<Arc<[Edit]>>,
    /// The scene after it; older ones are let go.
    pub scene: Option<JsonText>,
    /// Which scene it is a state of ([`mark_of`]).
    pub mark: u64,
}

/// Stands for a scene's `id`, for quick comparisons.
pub fn mark_of(scene: &JsonText) -> u64 {
    let mut hasher = DefaultHasher::new();
    scene.root().get("id").map(|id| id.raw()).hash(&mut hasher);
    hasher.finish()
}

/// A step that somebody did not know of.
pub struct Since {
    /// When it was taken.
    pub at: Instant,
    /// Whether somebody was told that it counts.
    pub acknowledged: bool,
    /// What was done.
    pub edits: Arc<[Edit]>,
}

impl Since {
    fn new(step: &Step, edits: Arc<[Edit]>) -> Self {
        Self {
            at: step.at,
            acknowledged: step.acknowledged,
            edits,
        }
    }
}

/// The end of the past as a journal tells it.
#[derive(Default)]
pub struct Past {
    before: (u64, Option<JsonText>),
    /// Number, milliseconds since 1970, whether somebody was told that it counts, the scene.
    steps: VecDeque<(u64, u64, bool, JsonText)>,
    bytes: usize,
}

impl Past {
    /// Nothing but the scene with this number.
    pub fn from(seq: u64, scene: Option<JsonText>) -> Self {
        Self {
            before: (seq, scene),
            ..Self::default()
        }
    }

    /// One step more; the oldest are let go.
    pub fn push(&mut self, seq: u64, at_ms: u64, acknowledged: bool, scene: JsonText) {
        if self.steps.back().is_some_and(|(last, ..)| *last >= seq) {
            // A scene may be journaled twice.
            return;
        }
        self.bytes += scene.as_str().len();
        self.steps.push_back((seq, at_ms, acknowledged, scene));
        while self.bytes > DOCUMENT_BYTES
            && let Some((seq, _, _, scene)) = self.steps.pop_front()
        {
            self.bytes -= scene.as_str().len();
            self.before = (seq, Some(scene));
        }
    }
}

/// What one view sees of a change.
#[derive(Debug)]
pub struct ViewChange {
    /// The change's number.
    pub seq: u64,
    /// The number before it in this view.
    pub prev: u64,
    /// What happened, as this view sees it; `None`: nobody is told changes of this view.
    pub news: Option<News>,
    /// The view after it.
    pub scene: JsonText,
}

/// What happened.
#[derive(Debug)]
pub struct News {
    /// The edits, as JSON text.
    pub edits: String,
    /// They are so long that the whole scene is the shorter way to tell.
    pub long: bool,
}

/// Why edits made on an older scene cannot be taken over.
#[derive(Debug, PartialEq)]
pub enum Stale {
    /// The number is not of this past, or too old to know what has happened since.
    Unknown,
    /// Somebody else has changed the same place.
    Conflict(Path),
    /// A place was named by counting, which only fits the scene it was counted in.
    Counted,
}

/// The document of one table.
pub struct Document {
    epoch: Epoch,
    numbers: Numbering,
    /// The scene that everybody is told of, and its number.
    head: u64,
    scene: JsonText,
    /// Whether anybody has ever shown anything.
    shown: bool,
    past: VecDeque<Step>,
    past_bytes: usize,
    /// Who wrote last, and when somebody else did.
    author: Option<ConnId>,
    others_wrote: Option<Instant>,
    /// When the newest step was told that is not remembered any more.
    dropped: Option<Instant>,
    /// The number and, while it is remembered, the scene before the oldest step of the past.
    before: (u64, Option<JsonText>),
    /// Steps that wait for the disk, built on the head.
    tentative: VecDeque<Step>,
    views: [ViewLog; 2],
}

impl Document {
    /// A document as it was left; `None`: nothing was ever shown.
    pub fn new(epoch: Epoch, numbers: Numbering, head: u64, scene: Option<JsonText>) -> Self {
        Self {
            epoch,
            numbers,
            head,
            shown: scene.is_some(),
            scene: scene.unwrap_or_else(empty),
            past: VecDeque::new(),
            past_bytes: 0,
            author: None,
            others_wrote: None,
            dropped: None,
            before: (head, None),
            tentative: VecDeque::new(),
            views: [ViewLog::new(View::Gm), ViewLog::new(View::Player)],
        }
    }

    /// The same with what came before, in the same epoch.
    pub fn with_past(mut self, past: Past, now: Now) -> Self {
        self.before = past.before;
        for (seq, at_ms, acknowledged, scene) in past.steps {
            let age = Duration::from_millis(now.unix_ms.saturating_sub(at_ms));
            let at = now.instant.checked_sub(age).unwrap_or(now.instant);
            let step = Step {
                seq,
                at,
                by: None,
                acknowledged,
                edits: None,
                mark: mark_of(&scene),
                scene: Some(scene),
            };
            self.past_bytes += bytes_of(&step);
            self.past.push_back(step);
        }
        if self.past.is_empty() {
            self.before = (self.head, None);
        }
        self
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The number of the head.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The scene that everybody is told of.
    pub fn scene(&self) -> &JsonText {
        &self.scene
    }

    /// Whether anybody has ever shown anything.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// The numbers.
    pub fn numbers(&self) -> &Numbering {
        &self.numbers
    }

    /// Numbers up to `to` are reserved on disk.
    pub fn reserve(&mut self, to: u64) {
        self.numbers.reserve(to);
    }

    /// The newest scene, waiting ones included, and its number.
    pub fn tip(&self) -> (u64, &JsonText) {
        match self.tentative.back() {
            Some(Step {
                seq,
                scene: Some(scene),
                ..
            }) => (*seq, scene),
            _ => (self.head, &self.scene),
        }
    }

    /// Whether steps wait for the disk.
    pub fn has_waiting_steps(&self) -> bool {
        !self.tentative.is_empty()
    }

    /// The number that the next step would get.
    fn next_number(&self) -> u64 {
        let tip = self.tentative.back().map_or(self.numbers.last(), |s| s.seq);
        tip + 1
    }

    /// Up to where numbers are reserved when the next one is not.
    pub fn next_block(&self) -> u64 {
        self.next_number() + BLOCK - 1
    }

    /// About how many bytes the steps have that wait for the disk.
    pub fn waiting_bytes(&self) -> usize {
        self.tentative.len() * self.tip().1.as_str().len()
    }

    /// Whether another number is reserved.
    pub fn may_number(&self) -> bool {
        self.next_number() <= self.numbers.reserved()
    }

    /// Puts a step behind the tip. It is not part of what is told until [`Document::settle`].
    pub fn add(
        &mut self,
        scene: JsonText,
        edits: Option<Arc<[Edit]>>,
        by: Option<ConnId>,
        acknowledged: bool,
        now: Now,
    ) -> u64 {
        let seq = self.next_number();
        self.tentative.push_back(Step {
            seq,
            at: now.instant,
            by,
            acknowledged,
            edits: edits.map(|edits| detached(&edits)),
            mark: mark_of(&scene),
            scene: Some(scene),
        });
        seq
    }

    /// The waiting steps count: takes the oldest of them as the new head.
    pub fn settle(&mut self, now: Now) -> Option<Settled> {
        let mut step = self.tentative.pop_front()?;
        // Nobody can have seen it earlier than this, however long the disk took.
        step.at = now.instant;
        let scene = step.scene.clone()?;
        self.numbers.advance(step.seq);
        // Members write on what they have seen: keep what has happened, not all those scenes.
        if step.edits.is_none() && self.views.iter().any(ViewLog::is_told) {
            step.edits = Some(found(&self.scene, &scene));
        }
        let old = std::mem::replace(&mut self.scene, scene);
        let old_head = std::mem::replace(&mut self.head, step.seq);
        self.shown = true;
        let views = self
            .views
            .each_mut()
            .map(|view| view.follow(step.seq, &self.scene, step.edits.as_ref()));
        let seq = step.seq;
        if self.past.is_empty() {
            self.before = (old_head, Some(old));
        }
        self.remember(step);
        Some(Settled { seq, views })
    }

    /// The reservation of numbers up to there has failed.
    pub fn unreserve(&mut self, to: u64) {
        self.numbers.unreserve(to);
    }

    /// The waiting steps never happened.
    pub fn take_back(&mut self) {
        self.tentative.clear();
    }

    fn remember(&mut self, step: Step) {
        let now = step.at;
        if step.by != self.author {
            self.others_wrote = self.past.back().map(|last| last.at);
            self.author = step.by;
        }
        self.past_bytes += bytes_of(&step);
        self.past.push_back(step);
        if self.past_bytes > self.room() || self.past.len() > CHANGES {
            self.thin(now);
        }
    }

    /// Makes room: the older, the wider the steps. A step whose edits are not known needs the scene
    /// in front of it; where all edits are known, scenes can go.
    fn thin(&mut self, now: Instant) {
        let mut kept: VecDeque<Step> = VecDeque::with_capacity(self.past.len());
        let last = self.past.len() - 1;
        for (position, mut step) in std::mem::take(&mut self.past).into_iter().enumerate() {
            let before = match kept.len() {
                0 | 1 => self.before.1.as_ref(),
                n => kept[n - 2].scene.as_ref(),
            };
            let is_known = before.is_some();
            if let Some(previous) = kept.back_mut().filter(|_| position < last) {
                let age = now.duration_since(previous.at);
                let close = step.at.duration_since(previous.at) < age / 8 || age.is_zero();
                if close && previous.edits.is_some() && step.edits.is_some() {
                    previous.scene = None;
                } else if close && is_known {
                    // One step in the place of two.
                    if previous.by != step.by {
                        step.by = None;
                    }
                    step.acknowledged |= previous.acknowledged;
                    step.edits = None;
                    kept.pop_back();
                }
            }
            kept.push_back(step);
        }
        self.past = kept;
        self.past_bytes = self.past.iter().map(bytes_of).sum();
        for position in 0..last.min(self.past.len().saturating_sub(1)) {
            if self.past_bytes <= self.room() * 3 / 4 {
                break;
            }
            if self.past[position].edits.is_some() && self.past[position + 1].edits.is_some() {
                let scene = self.past[position].scene.take();
                self.past_bytes -= scene.map_or(0, |scene| scene.as_str().len());
            }
        }
        while self.past.len() > 1
            && (self.past_bytes > self.room() * 3 / 4 || self.past.len() > CHANGES * 3 / 4)
        {
            self.drop_oldest();
        }
    }

    /// How many bytes the past may have; its last scene is the head, which is there anyway.
    fn room(&self) -> usize {
        DOCUMENT_BYTES + self.scene.as_str().len()
    }

    fn drop_oldest(&mut self) {
        if let Some(step) = self.past.pop_front() {
            self.past_bytes -= bytes_of(&step);
            self.dropped = Some(step.at);
            self.before = (step.seq, step.scene);
        }
    }

    /// When somebody other than `conn` wrote last, waiting steps included.
    pub fn others_wrote(&self, conn: ConnId) -> Option<Instant> {
        let waiting = self.tentative.iter().rev();
        let waiting = waiting
            .filter(|step| step.by != Some(conn))
            .map(|step| step.at)
            .next();
        if waiting.is_some() {
            waiting
        } else if self.author == Some(conn) {
            self.others_wrote
        } else {
            self.past.back().map(|last| last.at)
        }
    }

    /// Who put the newest scene in the place of one with another id, and when everybody was told;
    /// `None` when that waits or is not remembered.
    pub fn loaded(&self) -> Option<(Option<ConnId>, Instant)> {
        let mark = mark_of(self.tip().1);
        if self.tentative.iter().any(|step| step.mark != mark) {
            return None;
        }
        let steps = self.past.iter().rev();
        let first = steps.take_while(|step| step.mark == mark).last()?;
        let is_load = match (self.past.front(), &self.before.1) {
            (Some(oldest), before) if oldest.seq == first.seq => {
                before.as_ref().is_some_and(|scene| mark_of(scene) != mark)
            }
            _ => true,
        };
        is_load.then_some((first.by, first.at))
    }

    /// Forgets what is too old to matter.
    pub fn tick(&mut self, now: Now) {
        while self
            .past
            .front()
            .is_some_and(|step| now.instant.duration_since(step.at) > MEMORY)
        {
            self.drop_oldest();
        }
        for view in &mut self.views {
            view.tick(now);
        }
    }

    /// Whether everything is known that has happened since `base`, a number that a client remembers.
    pub fn knows(&self, base: u64) -> bool {
        let reaches = if self.past.is_empty() {
            self.head
        } else {
            self.before.0
        };
        base >= reaches && self.standing(base) == Standing::Known
    }

    /// What has happened since `base`, waiting steps included.
    pub fn since(&mut self, base: u64) -> Result<Vec<Since>, Stale> {
        let (tip, _) = self.tip();
        if base == tip {
            return Ok(Vec::new());
        }
        if base > tip || base <= self.head && !self.knows(base) {
            return Err(Stale::Unknown);
        }
        let mut found = Vec::new();
        for position in self.past.partition_point(|step| step.seq <= base)..self.past.len() {
            let edits = self.edits_at(position).ok_or(Stale::Unknown)?;
            found.push(Since::new(&self.past[position], edits));
        }
        let known = self.tentative.partition_point(|step| step.seq <= base);
        for position in known..self.tentative.len() {
            let edits = self.tentative_edits_at(position);
            found.push(Since::new(&self.tentative[position], edits));
        }
        Ok(found)
    }

    /// The places that others than `conn` have changed since then, waiting steps included. `None`: that
    /// is not known any more, or they are more than `most`, or it is an order that was changed.
    pub fn others_places(
        &mut self,
        conn: ConnId,
        since: Option<Instant>,
        most: usize,
    ) -> Option<HashSet<Path>> {
        let is_known = |dropped: Instant| since.is_some_and(|since| dropped < since);
        if !self.dropped.is_none_or(is_known) {
            return None;
        }
        let first = since.map_or(0, |at| self.past.partition_point(|step| step.at < at));
        let mut places = HashSet::new();
        for position in first..self.past.len() + self.tentative.len() {
            let waiting = position.checked_sub(self.past.len());
            let step = match waiting {
                Some(position) => &self.tentative[position],
                None => &self.past[position],
            };
            if step.by == Some(conn) {
                continue;
            }
            let edits = match waiting {
                Some(position) => self.tentative_edits_at(position),
                None => self.edits_at(position)?,
            };
            if edits.iter().any(|edit| matches!(edit, Edit::Move { .. })) {
                return None;
            }
            places.extend(edits.iter().map(Edit::place));
            if places.len() > most {
                return None;
            }
        }
        Some(places)
    }

    fn edits_at(&mut self, position: usize) -> Option<Arc<[Edit]>> {
        let step = &self.past[position];
        if let Some(edits) = &step.edits {
            return Some(edits.clone());
        }
        let old = match position {
            0 => self.before.1.as_ref(),
            _ => self.past[position - 1].scene.as_ref(),
        };
        let edits = found(old?, step.scene.as_ref()?);
        self.past_bytes -= bytes_of(step);
        self.past[position].edits = Some(edits.clone());
        self.past_bytes += bytes_of(&self.past[position]);
        Some(edits)
    }

    fn tentative_edits_at(&mut self, position: usize) -> Arc<[Edit]> {
        let step = &self.tentative[position];
        if let Some(edits) = &step.edits {
            return edits.clone();
        }
        let old = match position {
            0 => Some(&self.scene),
            _ => self.tentative[position - 1].scene.as_ref(),
        };
        let edits = match (old, &step.scene) {
            (Some(old), Some(new)) => found(old, new),
            _ => Arc::from([]),
        };
        self.tentative[position].edits = Some(edits.clone());
        edits
    }

    /// Whether `edits`, which a client made on `base`, still mean the same on the tip. Returns
    /// whether anything happened in between.
    pub fn check(&mut self, base: u64, edits: &[Edit]) -> Result<bool, Stale> {
        if !self.knows(base) {
            return Err(Stale::Unknown);
        }
        let since = self.since(base)?;
        if since.is_empty() {
            return Ok(false);
        }
        if uses_nth(edits) {
            return Err(Stale::Counted);
        }
        for theirs in &since {
            if let Some(place) = conflict(edits, &theirs.edits) {
                return Err(Stale::Conflict(place));
            }
        }
        Ok(true)
    }

    /// The scene as it was at `seq`, while it is remembered.
    pub fn scene_at(&self, seq: u64) -> Option<JsonText> {
        if seq == self.head {
            return Some(self.scene.clone());
        }
        if let Ok(position) = self.past.binary_search_by_key(&seq, |step| step.seq) {
            return self.past[position].scene.clone();
        }
        (seq == self.before.0)
            .then(|| self.before.1.clone())
            .flatten()
    }

    /// The scene before the oldest step of the past.
    #[cfg(test)]
    pub fn before_past(&self) -> Option<(u64, &JsonText)> {
        Some((self.before.0, self.before.1.as_ref()?))
    }

    /// The remembered past, oldest first.
    #[cfg(test)]
    pub fn past(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.past.iter()
    }

    /// The scenes with this mark that were shown since then, the one that was shown at that moment
    /// included, oldest first; with their numbers.
    pub fn shown_since(&self, since: Option<Instant>, mark: u64) -> Vec<(u64, JsonText)> {
        let start = since.map_or(0, |at| self.past.partition_point(|step| step.at < at));
        let at_first = (0..start).rev().find(|n| self.past[*n].scene.is_some());
        let mut known = Vec::new();
        if at_first.is_none()
            && let (seq, Some(scene)) = &self.before
            && mark_of(scene) == mark
            // No page was shown what stands for a scene before there is one.
            && scene.as_str() != EMPTY
        {
            known.push((*seq, scene.clone()));
        }
        for step in self.past.range(at_first.unwrap_or(0)..) {
            if let Some(scene) = step.scene.as_ref().filter(|_| step.mark == mark) {
                known.push((step.seq, scene.clone()));
            }
        }
        known
    }

    /// What a number that a client remembers is worth.
    pub fn standing(&self, seq: u64) -> Standing {
        if seq > self.head {
            return Standing::Lost;
        }
        self.numbers.standing(seq)
    }

    /// The log of one view.
    pub fn view(&mut self, view: View) -> &mut ViewLog {
        &mut self.views[view as usize]
    }

    /// Somebody with this view is there: the view follows every change from now on.
    pub fn open_view(&mut self, view: View, watcher: Watcher) {
        let (head, scene) = (self.head, self.scene.clone());
        self.views[view as usize].open(watcher, head, &scene);
    }

    /// Somebody with this view has gone; after its last member it is kept for a while.
    pub fn close_view(&mut self, view: View, watcher: Watcher, now: Now) {
        self.views[view as usize].close(watcher, now);
    }

    /// The scene as a view shows it.
    pub fn seen_by(&mut self, view: View) -> JsonText {
        let scene = self.scene.clone();
        self.views[view as usize].scene(&scene)
    }

    /// Keeps the frame by which a view was told, for those who come back.
    pub fn keep_frame(&mut self, view: View, change: &ViewChange, frame: Frame, now: Now) {
        self.views[view as usize].keep(change, frame, now);
    }
}

/// A step that counts now.
pub struct Settled {
    /// Its number.
    pub seq: u64,
    /// What each view that is watched sees of it: the GM's, the players'.
    pub views: [Option<ViewChange>; 2],
}

fn bytes_of(step: &Step) -> usize {
    let scene = step.scene.as_ref().map_or(0, |scene| scene.as_str().len());
    let edits = step.edits.iter().flat_map(|edits| edits.iter());
    let edits: usize = edits
        .map(|edit| EDIT_BYTES + edit.value().map_or(0, |value| value.as_str().len()))
        .sum();
    STEP_BYTES + scene + edits
}

/// The edits between two scenes, without holding on to the scenes.
fn found(old: &JsonText, new: &JsonText) -> Arc<[Edit]> {
    detached(&diff(old, new))
}

/// The same edits with values of their own: a value is a part of the message or scene in which it
/// came, all of which it would keep in memory.
fn detached(edits: &[Edit]) -> Arc<[Edit]> {
    edits.iter().map(Edit::detached).collect()
}

pub(super) fn empty() -> JsonText {
    JsonText::parse(EMPTY.into()).unwrap_or_else(|_| unreachable!("the empty scene is valid JSON"))
}
