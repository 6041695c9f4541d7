//! Whether two people meant the same place.

use super::{Edit, Ident, Path, Step};
use std::collections::HashMap;

/// The first place that `mine` touches and `theirs`, made on the same scene before, touches too.
///
/// `set` and the `delete` of a member touch their path and all below; `insert`, `move` and the
/// `delete` of a thing touch that thing, not its list. Two places clash when one is inside the other.
/// But a deletion of mine wins over what they changed inside, or where they moved, what I deleted;
/// something of mine inside what they deleted clashes, so that nothing comes back from the dead.
///
/// Positions (`nth`) are not compared: whoever uses them must know the scene as it is now, see
/// [`uses_nth`].
pub fn conflict(mine: &[Edit], theirs: &[Edit]) -> Option<Path> {
    let places: Vec<Path> = theirs.iter().map(Edit::place).collect();
    let mut touched = Touched::default();
    for (edit, place) in theirs.iter().zip(&places) {
        touched.add(place, matches!(edit, Edit::Move { .. }));
    }
    mine.iter().find_map(|edit| {
        let place = edit.place();
        let deletes = matches!(edit, Edit::Delete { .. });
        touched.clashes(&place, deletes).then_some(place)
    })
}

/// Whether any of `edits` counts things of one name. Such a change is only meaningful on the scene
/// that its sender saw.
pub fn uses_nth(edits: &[Edit]) -> bool {
    edits.iter().any(|edit| {
        let before = match edit {
            Edit::Insert { before, .. } | Edit::Move { before, .. } => before.as_ref(),
            Edit::Set { .. } | Edit::Delete { .. } => None,
        };
        let selectors = edit.path().steps().iter().filter_map(|step| match step {
            Step::Select(selector) => Some(selector),
            Step::Key(_) => None,
        });
        selectors.chain(before).any(|selector| selector.nth > 0)
    })
}

/// The places that some edits touch, as a tree of steps.
#[derive(Default)]
struct Touched<'a> {
    /// Touched itself, by more than a move.
    changed: bool,
    moved: bool,
    below: HashMap<Point<'a>, Touched<'a>>,
}

#[derive(PartialEq, Eq, Hash)]
enum Point<'a> {
    Member(&'a str),
    Thing(&'a Ident<'static>),
}

impl<'a> From<&'a Step> for Point<'a> {
    fn from(step: &'a Step) -> Self {
        match step {
            Step::Key(key) => Self::Member(key),
            Step::Select(selector) => Self::Thing(&selector.value),
        }
    }
}

impl<'a> Touched<'a> {
    fn add(&mut self, place: &'a Path, moved: bool) {
        let mut at = self;
        for step in place.steps() {
            at = at.below.entry(step.into()).or_default();
        }
        at.moved |= moved;
        at.changed |= !moved;
    }

    fn clashes(&self, place: &Path, deletes: bool) -> bool {
        let mut at = self;
        let mut around = false;
        for step in place.steps() {
            around |= at.changed || at.moved;
            match at.below.get(&Point::from(step)) {
                Some(next) => at = next,
                None => return around,
            }
        }
        around || at.changed || (!deletes && (at.moved || !at.below.is_empty()))
    }
}
