//! What changed between two scenes, as edits.

use super::edit::{Edit, Ident, Path, Selector, Step, member_of};
use crate::json::{JsonText, Node, NodeKind};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// A short list of edits that makes `old` equal to `new`, order of lists included; members of objects
/// may stand in another order. Strings are compared by their meaning, numbers by their text.
///
/// Lists in which everything has an ident of its own (`id`, in `maps` `name`) are compared thing by
/// thing, with as few moves as possible; every other list that changed is replaced by one `set`.
/// Both must be objects, as scenes are: of anything else an edit cannot tell.
///
/// Takes time linear in the texts (moved things: `n log n`). Equal parts are compared as bytes.
pub fn diff(old: &JsonText, new: &JsonText) -> Vec<Edit> {
    debug_assert_eq!(old.root().kind(), NodeKind::Object);
    debug_assert_eq!(new.root().kind(), NodeKind::Object);
    let mut found = Differ {
        new,
        path: Vec::new(),
        edits: Vec::new(),
    };
    if old.as_str() != new.as_str() {
        found.objects(old.root(), new.root());
    }
    found.edits
}

/// The same for two objects at `path` of two scenes; `new` is part of `text`.
pub(super) fn diff_below(
    path: Vec<Step>,
    old: Node<'_>,
    new: Node<'_>,
    text: &JsonText,
) -> Vec<Edit> {
    let mut found = Differ {
        new: text,
        path,
        edits: Vec::new(),
    };
    if old.raw() != new.raw() {
        found.objects(old, new);
    }
    found.edits
}

/// How far apart two scenes are: the bytes of the JSON text of the edits between them.
pub fn distance(edits: &[Edit]) -> usize {
    Edit::list_to_json(edits).len()
}

/// Whether two values are equal as JSON: white space, escapes and the order of members aside.
/// Numbers are compared by their text.
pub fn same(a: Node<'_>, b: Node<'_>) -> bool {
    if a.raw() == b.raw() {
        return true;
    }
    match (a.kind(), b.kind()) {
        (NodeKind::String, NodeKind::String) => a.as_str() == b.as_str(),
        (NodeKind::Array, NodeKind::Array) => {
            let (mut a, mut b) = (a.elements(), b.elements());
            loop {
                match (a.next(), b.next()) {
                    (Some(a), Some(b)) if same(a, b) => {}
                    (None, None) => return true,
                    _ => return false,
                }
            }
        }
        (NodeKind::Object, NodeKind::Object) => {
            let a = Members::of(a);
            let mut of_b = 0;
            let within = b.members().all(|(key, value)| {
                of_b += 1;
                let beside = a.find(of_b - 1, &key);
                beside.is_some_and(|at| same(a.list[at].1, value))
            });
            within && of_b == a.list.len()
        }
        _ => false,
    }
}

/// The members of an object, to be looked up from a walk over the members of a similar one.
struct Members<'a> {
    list: Vec<(Cow<'a, str>, Node<'a>)>,
    index: std::cell::OnceCell<HashMap<Cow<'a, str>, usize>>,
}

impl<'a> Members<'a> {
    fn of(object: Node<'a>) -> Self {
        Self {
            list: object.members().collect(),
            index: std::cell::OnceCell::new(),
        }
    }

    /// Where the member `key` stands; probably at `guess`.
    fn find(&self, guess: usize, key: &str) -> Option<usize> {
        if self.list.get(guess).is_some_and(|(known, _)| known == key) {
            return Some(guess);
        }
        let index = self.index.get_or_init(|| {
            let keys = self.list.iter().enumerate();
            keys.map(|(at, (key, _))| (key.clone(), at)).collect()
        });
        index.get(key).copied()
    }
}

struct Differ<'a> {
    new: &'a JsonText,
    path: Vec<Step>,
    edits: Vec<Edit>,
}

impl<'a> Differ<'a> {
    fn objects(&mut self, old: Node<'a>, new: Node<'a>) {
        let old = Members::of(old);
        let mut gone = vec![true; old.list.len()];
        let mut entries = new.entries();
        for position in 0.. {
            let entry = match old.list.get(position) {
                Some((_, guess)) => entries.next_like(*guess),
                None => entries.next(),
            };
            let Some(entry) = entry else { break };
            let key = entry.key.and_then(|key| key.as_str()).unwrap_or_default();
            match old.find(position, &key) {
                Some(at) => {
                    gone[at] = false;
                    self.values(&key, old.list[at].1, entry.value);
                }
                None => self.set(&key, entry.value),
            }
        }
        for ((key, _), _) in old.list.iter().zip(gone).filter(|(_, gone)| *gone) {
            let path = self.path_to(Step::Key(key.as_ref().to_owned()));
            self.edits.push(Edit::Delete { path });
        }
    }

    fn values(&mut self, key: &str, old: Node<'a>, new: Node<'a>) {
        if old.raw() == new.raw() {
            return;
        }
        match (old.kind(), new.kind()) {
            (NodeKind::Object, NodeKind::Object) => {
                self.path.push(Step::Key(key.to_owned()));
                self.objects(old, new);
                self.path.pop();
            }
            (NodeKind::Array, NodeKind::Array) => {
                let old_things = things(key, old, &[]);
                let new_things = old_things.as_ref().and_then(|like| things(key, new, like));
                match (old_things, new_things) {
                    (Some(old), Some(new)) => self.lists(key, &old, &new),
                    _ if same(old, new) => {}
                    _ => self.set(key, new),
                }
            }
            _ if same(old, new) => {}
            _ => self.set(key, new),
        }
    }

    fn lists(&mut self, key: &str, old: &[Thing<'a>], new: &[Thing<'a>]) {
        self.path.push(Step::Key(key.to_owned()));
        let same_things =
            old.len() == new.len() && old.iter().zip(new).all(|(a, b)| a.ident == b.ident);
        let pairs: Vec<Option<usize>> = if same_things {
            (0..new.len()).map(Some).collect()
        } else {
            self.order(key, old, new)
        };
        for (thing, old) in new.iter().zip(pairs.iter().map(|at| at.map(|at| &old[at]))) {
            if let Some(old) = old.filter(|old| old.node.raw() != thing.node.raw()) {
                self.path.push(thing.step(key));
                self.objects(old.node, thing.node);
                self.path.pop();
            }
        }
        self.path.pop();
    }

    /// Deletes, inserts and moves things until the list has those of `new` in that order. For each
    /// thing of `new` says where it stands in `old`.
    fn order(&mut self, key: &str, old: &[Thing<'a>], new: &[Thing<'a>]) -> Vec<Option<usize>> {
        let places: HashMap<&Ident<'a>, usize> = old
            .iter()
            .enumerate()
            .map(|(at, t)| (&t.ident, at))
            .collect();
        let pairs: Vec<_> = new.iter().map(|t| places.get(&t.ident).copied()).collect();

        let mut gone = vec![true; old.len()];
        pairs.iter().flatten().for_each(|&at| gone[at] = false);
        for (thing, _) in old.iter().zip(gone).filter(|(_, gone)| *gone) {
            let path = self.path_to(thing.step(key));
            self.edits.push(Edit::Delete { path });
        }

        // Between two things that stay where they are, the others are put one by one in front of
        // the second: what they are put in front of is always something that others know too.
        let stays = longest_rise(&pairs);
        let mut from = 0;
        let anchors = (0..new.len()).filter(|&at| stays[at]);
        for to in anchors.chain([new.len()]) {
            let before = new.get(to).map(|t| Selector::first(key, t.ident.clone()));
            for at in from..to {
                self.put(key, &new[at], pairs[at].is_some(), before.clone());
            }
            from = to + 1;
        }
        pairs
    }

    fn put(&mut self, key: &str, thing: &Thing<'a>, known: bool, before: Option<Selector>) {
        self.edits.push(if known {
            let path = self.path_to(thing.step(key));
            Edit::Move { path, before }
        } else {
            Edit::Insert {
                path: Path(self.path.clone()),
                value: self.new.part(thing.node),
                before,
            }
        });
    }

    fn set(&mut self, key: &str, value: Node<'a>) {
        self.edits.push(Edit::Set {
            path: self.path_to(Step::Key(key.to_owned())),
            value: self.new.part(value),
        });
    }

    fn path_to(&self, last: Step) -> Path {
        let mut steps = Vec::with_capacity(self.path.len() + 1);
        steps.extend_from_slice(&self.path);
        steps.push(last);
        Path(steps)
    }
}

/// An element of a list with what it is known by.
struct Thing<'a> {
    ident: Ident<'a>,
    node: Node<'a>,
}

impl Thing<'_> {
    fn step(&self, key: &str) -> Step {
        Step::Select(Selector::first(key, self.ident.clone()))
    }
}

/// The elements of the list called `key`, if each of them has an ident of its own. They are probably
/// much like those of `like`, which have.
fn things<'a>(key: &str, list: Node<'a>, like: &[Thing<'a>]) -> Option<Vec<Thing<'a>>> {
    let member = member_of(key);
    let mut things: Vec<Thing<'a>> = Vec::with_capacity(like.len());
    let mut alike = true;
    let mut entries = list.entries();
    loop {
        let guess = like.get(things.len());
        let entry = match guess {
            Some(guess) => entries.next_like(guess.node),
            None => entries.next(),
        };
        let Some(node) = entry.map(|entry| entry.value) else {
            break;
        };
        let ident = match guess {
            Some(guess) if guess.node.raw() == node.raw() => guess.ident.clone(),
            _ => Ident::in_element(node, member)?,
        };
        alike &= guess.is_some_and(|guess| guess.ident == ident);
        things.push(Thing { ident, node });
    }
    if !alike {
        let mut seen = HashSet::with_capacity(things.len());
        return things
            .iter()
            .all(|thing| seen.insert(&thing.ident))
            .then_some(things);
    }
    Some(things)
}

/// Marks a longest series of places that rises from left to right; `None` is never in it.
fn longest_rise(places: &[Option<usize>]) -> Vec<bool> {
    // `ends[n]` is where the series of n + 1 places ends whose last place is lowest so far.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; places.len()];
    for (at, place) in places.iter().enumerate() {
        if place.is_none() {
            continue;
        }
        let length = ends.partition_point(|&end| places[end] < *place);
        before[at] = length.checked_sub(1).map(|n| ends[n]);
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut marked = vec![false; places.len()];
    let mut next = ends.last().copied();
    while let Some(at) = next {
        marked[at] = true;
        next = before[at];
    }
    marked
}

#[cfg(test)]
mod tests;
