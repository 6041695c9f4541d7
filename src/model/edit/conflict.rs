//! Whether two people meant the same place.

use super::{Edit, Ident, Path, Step, member_of};
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
    if mine.len() * theirs.len() <= PAIRS {
        let clashes = |edit: &&Edit| theirs.iter().any(|other| pair_clashes(edit, other));
        return mine.iter().find(clashes).map(Edit::place);
    }
    let places: Vec<Path> = theirs.iter().map(Edit::place).collect();
    let touched = Touched::by(theirs, &places);
    let clashes = |edit: &&Edit| touched.clashes(edit);
    mine.iter().find(clashes).map(Edit::place)
}

/// Those of `mine` that do not clash with `theirs`, in the sense of [`conflict`].
pub fn without_conflicts(mut mine: Vec<Edit>, theirs: &[Edit]) -> Vec<Edit> {
    let places: Vec<Path> = theirs.iter().map(Edit::place).collect();
    let touched = Touched::by(theirs, &places);
    mine.retain(|edit| !touched.clashes(edit));
    mine
}

/// Up to so many pairs are compared one by one: that needs no memory.
const PAIRS: usize = 64;

/// Whether one edit of mine clashes with one of theirs.
fn pair_clashes(mine: &Edit, theirs: &Edit) -> bool {
    let (a, b) = (mine.path().steps(), theirs.path().steps());
    let common = a.iter().zip(b).take_while(|(a, b)| same_step(a, b)).count();
    if common < a.len().min(b.len()) {
        return false;
    }
    // What an insert touches has one step more than is written.
    let (a, b) = (Place::of(mine), Place::of(theirs));
    let common = (0..)
        .take_while(|&at| matches!((a.step(at), b.step(at)), (Some(a), Some(b)) if a == b))
        .count();
    match (a.len() - common, b.len() - common) {
        (0, 0) => !(a.deletes && b.moves),
        (0, _) => !a.deletes,
        (_, 0) => true,
        _ => false,
    }
}

/// What one edit touches.
struct Place<'a> {
    steps: &'a [Step],
    inserted: Option<Ident<'a>>,
    deletes: bool,
    moves: bool,
}

impl<'a> Place<'a> {
    fn of(edit: &'a Edit) -> Self {
        let steps = edit.path().steps();
        let inserted = match (edit, steps.last()) {
            (Edit::Insert { value, .. }, Some(Step::Key(key))) => {
                Ident::in_element(value.root(), member_of(key))
            }
            _ => None,
        };
        Self {
            steps,
            inserted,
            deletes: matches!(edit, Edit::Delete { .. }),
            moves: matches!(edit, Edit::Move { .. }),
        }
    }

    fn len(&self) -> usize {
        self.steps.len() + usize::from(self.inserted.is_some())
    }

    fn step(&self, at: usize) -> Option<Point<'_>> {
        match self.steps.get(at) {
            Some(step) => Some(step.into()),
            None => self
                .inserted
                .as_ref()
                .filter(|_| at == self.steps.len())
                .map(Point::Thing),
        }
    }
}

fn same_step(a: &Step, b: &Step) -> bool {
    Point::from(a) == Point::from(b)
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
    Thing(&'a Ident<'a>),
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
    /// `places` are those of `edits`.
    fn by(edits: &[Edit], places: &'a [Path]) -> Self {
        let mut touched = Self::default();
        for (edit, place) in edits.iter().zip(places) {
            touched.add(place, matches!(edit, Edit::Move { .. }));
        }
        touched
    }

    fn add(&mut self, place: &'a Path, moved: bool) {
        let mut at = self;
        for step in place.steps() {
            at = at.below.entry(step.into()).or_default();
        }
        at.moved |= moved;
        at.changed |= !moved;
    }

    fn clashes(&self, edit: &Edit) -> bool {
        let place = edit.place();
        let deletes = matches!(edit, Edit::Delete { .. });
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
