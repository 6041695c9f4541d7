//! Random scenes for tests, and changes of them.

use crate::json::{JsonText, Node, NodeKind, quote};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A JSON value that remembers how its scalars are written.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Scalar(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Scanned text.
pub(super) fn text(json: &str) -> JsonText {
    JsonText::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap()
}

impl Tree {
    pub(super) fn text(&self) -> JsonText {
        let mut out = String::from("\n");
        self.write(&mut out, 0);
        text(&(out + " "))
    }

    /// With white space that differs from place to place.
    fn write(&self, out: &mut String, depth: usize) {
        let gap = |out: &mut String| {
            let gaps = ["", "", " ", "\n  ", "\t"];
            let gap = gaps[(out.len() + depth) % gaps.len()];
            out.push_str(gap);
        };
        match self {
            Self::Scalar(raw) => out.push_str(raw),
            Self::List(list) => {
                out.push('[');
                gap(out);
                for (at, child) in list.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                        gap(out);
                    }
                    child.write(out, depth + 1);
                    gap(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                gap(out);
                for (at, (key, child)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                        gap(out);
                    }
                    out.push_str(&quote(key));
                    gap(out);
                    out.push(':');
                    gap(out);
                    child.write(out, depth + 1);
                    gap(out);
                }
                out.push('}');
            }
        }
    }

    /// All places of this tree, itself first.
    fn count(&self) -> usize {
        1 + match self {
            Self::Scalar(_) => 0,
            Self::List(list) => list.iter().map(Self::count).sum(),
            Self::Object(members) => members.iter().map(|(_, child)| child.count()).sum(),
        }
    }

    fn nth(&mut self, mut n: usize) -> &mut Self {
        if n == 0 {
            return self;
        }
        n -= 1;
        let children: Vec<&mut Self> = match self {
            Self::Scalar(_) => Vec::new(),
            Self::List(list) => list.iter_mut().collect(),
            Self::Object(members) => members.iter_mut().map(|(_, child)| child).collect(),
        };
        for child in children {
            let count = child.count();
            if n < count {
                return child.nth(n);
            }
            n -= count;
        }
        unreachable!("n is below the count")
    }

    /// One change somewhere, chosen by `dice`.
    fn change(&mut self, dice: (u16, u16, u16)) {
        let place = usize::from(dice.0) % self.count();
        let is_root = place == 0;
        let (how, what) = (usize::from(dice.1), usize::from(dice.2));
        match self.nth(place) {
            Self::Scalar(raw) => {
                *raw = ["7", "\"new\"", "null", "1.0e5", "-0.0", "{}", "[]"][how % 7].into();
            }
            Self::List(list) if list.is_empty() => list.push(thing(what % 9)),
            Self::List(list) => {
                let at = what % list.len();
                match how % 4 {
                    0 => drop(list.remove(at)),
                    1 => {
                        let moved = list.remove(at);
                        list.insert(how / 4 % (list.len() + 1), moved);
                    }
                    2 => list.insert(at, thing(what / 7 % 9)),
                    _ => list.push(thing(what % 9)),
                }
            }
            Self::Object(members) => {
                let key = format!("k{}", what % 5);
                if how % 3 == 0 && !members.is_empty() && !is_root {
                    members.remove(what % members.len());
                } else if !members.iter().any(|(known, _)| *known == key) {
                    members.push((key, Self::Scalar(what.to_string())));
                }
            }
        }
    }

    pub(super) fn changed(mut self, dice: &[(u16, u16, u16)]) -> Self {
        for dice in dice {
            self.change(*dice);
        }
        self
    }
}

fn thing(n: usize) -> Tree {
    let name = ["a", "b", "c", "d", "ä", "🐉", "__proto__", "x\"y", "1"][n];
    object([
        ("id", Tree::Scalar(quote(name))),
        ("name", Tree::Scalar(quote(&format!("{name}.png")))),
        ("fresh", Tree::Scalar("true".into())),
    ])
}

fn object<const N: usize>(members: [(&str, Tree); N]) -> Tree {
    let members = members.map(|(key, value)| (key.to_owned(), value));
    Tree::Object(members.into())
}

/// Some changes of a tree, for [`Tree::changed`].
pub(super) fn any_changes(most: usize) -> impl Strategy<Value = Vec<(u16, u16, u16)>> {
    prop::collection::vec(any::<(u16, u16, u16)>(), 0..=most)
}

fn any_scalar() -> impl Strategy<Value = Tree> {
    let odd = [
        "0",
        "-0.0",
        "1.0e5",
        "12.50",
        "1E-7",
        "12345678901234567890123",
        "true",
        "false",
        "null",
        "\"\"",
        "\"\\u00e4\"",
        "\"ä\"",
        "\"\\ud83d\\udc09\"",
        "\"\\/\"",
        "\"]},{[\"",
    ];
    prop_oneof![
        prop::sample::select(odd.to_vec()).prop_map(|raw| Tree::Scalar(raw.into())),
        any::<i32>().prop_map(|n| Tree::Scalar(n.to_string())),
        ".{0,5}".prop_map(|s: String| Tree::Scalar(quote(&s))),
    ]
}

fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "x",
            "y",
            "id",
            "name",
            "maps",
            "gm_note",
            "__proto__",
            "constructor",
            "",
            "points",
            "名",
            "hp",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ]
}

fn any_tree() -> impl Strategy<Value = Tree> {
    any_scalar().prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            prop::collection::btree_map(any_key(), inner, 0..4)
                .prop_map(|m: BTreeMap<_, _>| Tree::Object(m.into_iter().collect())),
        ]
    })
}

/// A list of things: mostly with idents, now and then with one twice or one that has none.
fn any_things() -> impl Strategy<Value = Tree> {
    let one = (
        0..9usize,
        prop::collection::btree_map(any_key(), any_tree(), 0..3),
    );
    let one = one.prop_map(|(n, more)| {
        let Tree::Object(mut members) = thing(n) else {
            unreachable!("a thing is an object")
        };
        members.truncate(2);
        members.extend(
            more.into_iter()
                .filter(|(key, _)| key != "id" && key != "name"),
        );
        (n, Tree::Object(members))
    });
    (prop::collection::vec(one, 0..7), 0..12u8, any_tree()).prop_map(|(things, odd, other)| {
        let mut seen = std::collections::HashSet::new();
        let unique = odd > 0;
        let things = things
            .into_iter()
            .filter(|(n, _)| !unique || seen.insert(*n));
        let mut things: Vec<_> = things.map(|(_, thing)| thing).collect();
        if odd == 1 {
            things.push(other);
        }
        Tree::List(things)
    })
}

/// A scene: the lists that SpellTable knows, and members that nobody does.
pub(super) fn any_scene() -> impl Strategy<Value = Tree> {
    let lists = (any_things(), any_things(), any_things(), any_things());
    let more = prop::collection::btree_map(any_key(), any_tree(), 0..4);
    (lists, any_tree(), any_scalar(), more).prop_map(|(lists, grid, active, more)| {
        let Tree::Object(mut members) = object([
            ("id", Tree::Scalar("\"s\"".into())),
            ("maps", lists.0),
            ("gridSettings", grid),
            ("aoeMarkers", lists.1),
            ("fogOfWar", lists.2),
            ("activeMapId", active),
            ("initiativeOrder", lists.3),
        ]) else {
            unreachable!("a scene is an object")
        };
        let new = |key: &String| key != "id" && key != "maps";
        members.extend(more.into_iter().filter(|(key, _)| new(key)));
        Tree::Object(members)
    })
}

/// A value in a form of which equal values have one: members sorted, strings by meaning, numbers as
/// they are written. `unordered` sorts lists as well.
pub(super) fn canonical(node: Node<'_>, unordered: bool) -> String {
    match node.kind() {
        NodeKind::Object => {
            let members = node.members();
            let mut members: Vec<_> = members
                .map(|(key, value)| format!("{key:?}:{}", canonical(value, unordered)))
                .collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
        NodeKind::Array => {
            let mut list: Vec<_> = node.elements().map(|e| canonical(e, unordered)).collect();
            if unordered {
                list.sort();
            }
            format!("[{}]", list.join(","))
        }
        NodeKind::String => format!("{:?}", node.as_str().unwrap()),
        NodeKind::Number | NodeKind::Bool | NodeKind::Null => node.raw().to_owned(),
    }
}
