//! What one kind of member sees of the scene, change by change.

use super::document::{News, ViewChange};
use crate::access::Role;
use crate::json::JsonText;
use crate::live::{Frame, Now};
use crate::model::edit::Edit;
use crate::model::{Cover, diff, follow_one_entry, hidden_names, player_view};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long changes are kept for those who come back, and a view after its last member has gone.
const KEEP: Duration = Duration::from_secs(120);
/// Most bytes of changes that are kept for them.
const KEEP_BYTES: usize = 8 << 20;
/// A replay may always be this large, and as large as the scene.
const REPLAY_BYTES: usize = 1 << 20;

/// What of the scene somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// All of it.
    Gm = 0,
    /// What players and displays may see.
    Player = 1,
}

impl View {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gm, Self::Player];

    /// The view of a role.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Gm => Self::Gm,
            Role::Player | Role::Display => Self::Player,
        }
    }
}

/// Who watches a view, and how it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watcher {
    /// A connection of ours, change by change.
    Member,
    /// A page of SpellTable, by whole scenes.
    Page,
}

/// One view as it went on while somebody watched it.
pub struct ViewLog {
    view: View,
    /// Our members, who are told changes.
    members: usize,
    /// Since when there are none of them; `None` when there were none lately.
    idle_since: Option<Instant>,
    /// SpellTable's pages, who are told whole scenes.
    pages: usize,
    /// What is seen, and the number it came with; `None` while nobody watches.
    shown: Option<(u64, JsonText)>,
    hidden: Option<HashSet<String>>,
    cover: Option<Cover>,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// Changes behind this number are all in `kept`.
    complete_from: u64,
}

struct Kept {
    seq: u64,
    at: Instant,
    frame: Frame,
}

impl ViewLog {
    /// One that nobody watches.
    pub fn new(view: View) -> Self {
        Self {
            view,
            members: 0,
            idle_since: None,
            pages: 0,
            shown: None,
            hidden: None,
            cover: None,
            kept: VecDeque::new(),
            kept_bytes: 0,
            complete_from: 0,
        }
    }

    /// The number of its last change.
    pub fn seq(&self) -> Option<u64> {
        self.shown.as_ref().map(|(seq, _)| *seq)
    }

    /// Whether changes are told and kept: a member is here, or was lately.
    pub fn is_told(&self) -> bool {
        self.members > 0 || self.idle_since.is_some()
    }

    pub(super) fn open(&mut self, watcher: Watcher, head: u64, scene: &JsonText) {
        if self.shown.is_none() {
            self.shown = Some((head, filtered(self.view, scene)));
        }
        match watcher {
            Watcher::Page => self.pages += 1,
            Watcher::Member => {
                if !self.is_told() {
                    self.complete_from = head;
                }
                self.members += 1;
                self.idle_since = None;
            }
        }
    }

    pub(super) fn close(&mut self, watcher: Watcher, now: Now) {
        match watcher {
            Watcher::Page => self.pages = self.pages.saturating_sub(1),
            Watcher::Member => {
                self.members = self.members.saturating_sub(1);
                if self.members == 0 {
                    self.idle_since = Some(now.instant);
                }
            }
        }
        self.rest();
    }

    /// Nothing is followed for nobody.
    fn rest(&mut self) {
        if !self.is_told() {
            self.kept.clear();
            self.kept_bytes = 0;
            if self.pages == 0 {
                *self = Self::new(self.view);
            }
        }
    }

    /// What is seen of `scene`, the table's present one.
    pub(super) fn scene(&self, scene: &JsonText) -> JsonText {
        match &self.shown {
            Some((_, shown)) => shown.clone(),
            None => filtered(self.view, scene),
        }
    }

    /// Names that this view must not learn; `scene` is the table's present one.
    pub fn hidden(&mut self, scene: &JsonText) -> &HashSet<String> {
        let seen = self.scene(scene);
        self.hidden
            .get_or_insert_with(|| hidden_names(scene, &seen))
    }

    /// What hides the places that things are moved to; `scene` is the table's present one.
    pub fn cover(&mut self, scene: &JsonText) -> &Cover {
        self.cover.get_or_insert_with(|| Cover::of(scene))
    }

    /// The table's scene is now `scene`, by `edits` when they are known. `None`: nothing of it is
    /// seen here, or nobody watches.
    pub(super) fn follow(
        &mut self,
        seq: u64,
        scene: &JsonText,
        edits: Option<&Arc<[Edit]>>,
    ) -> Option<ViewChange> {
        self.hidden = None;
        self.cover = None;
        let is_told = self.is_told();
        let (prev, old) = self.shown.as_ref()?;
        let prev = *prev;
        let (new, edits) = match self.view {
            View::Gm => (scene.clone(), edits.cloned()),
            View::Player => {
                let followed = edits.and_then(|edits| follow_one_entry(scene, edits, old));
                let (new, edits) = match followed {
                    Some((new, edits)) => (new, Some(edits.into())),
                    None => (player_view(scene), None),
                };
                if new.as_str() == old.as_str() {
                    return None;
                }
                (new, edits)
            }
        };
        if !is_told {
            self.shown = Some((seq, new.clone()));
            return Some(ViewChange {
                seq,
                prev,
                news: None,
                scene: new,
            });
        }
        let edits = edits.unwrap_or_else(|| diff(old, &new).into());
        if edits.is_empty() && self.view == View::Player {
            // The same in other words, such as another order of members.
            self.shown = Some((prev, new));
            return None;
        }
        self.shown = Some((seq, new.clone()));
        let edits = Edit::list_to_json(&edits);
        let long = edits.len() > new.as_str().len() * 6 / 10;
        Some(ViewChange {
            seq,
            prev,
            news: Some(News { edits, long }),
            scene: new,
        })
    }

    pub(super) fn keep(&mut self, change: &ViewChange, frame: Frame, now: Now) {
        self.kept_bytes += frame.bytes().len();
        self.kept.push_back(Kept {
            seq: change.seq,
            at: now.instant,
            frame,
        });
        while self.kept_bytes > KEEP_BYTES {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.kept_bytes -= oldest.frame.bytes().len();
            self.complete_from = oldest.seq;
        }
    }

    pub(super) fn tick(&mut self, now: Now) {
        let old = |at: Instant| now.instant.duration_since(at) > KEEP;
        while self.kept.front().is_some_and(|kept| old(kept.at)) {
            self.drop_oldest();
        }
        if self.idle_since.is_some_and(old) {
            self.idle_since = None;
            self.rest();
        }
    }

    /// The frames that bring somebody from `from` to the present; `None` when they are not all
    /// kept, or dearer than the scene.
    pub fn replay(&self, from: u64) -> Option<Vec<Frame>> {
        let (_, shown) = self.shown.as_ref()?;
        if from < self.complete_from {
            return None;
        }
        let start = self.kept.partition_point(|kept| kept.seq <= from);
        let missed: Vec<Frame> = self.kept.range(start..).map(|k| k.frame.clone()).collect();
        let bytes: usize = missed.iter().map(|frame| frame.bytes().len()).sum();
        (bytes <= REPLAY_BYTES.max(shown.as_str().len())).then_some(missed)
    }
}

fn filtered(view: View, scene: &JsonText) -> JsonText {
    match view {
        View::Gm => scene.clone(),
        View::Player => player_view(scene),
    }
}
