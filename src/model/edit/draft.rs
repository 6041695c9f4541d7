//! A text that is opened only where it is edited.
//!
//! Every part that no edit leads into stays one slice of the old text, so an edit costs one walk to
//! its place and one copy, and a thousand edits cost little more than one.

use super::apply::Reason;
use super::{Ident, Selector, Step, member_of};
use crate::json::{Entries, Entry, JsonText, Node, NodeKind, quote};
use std::borrow::Cow;

/// A document while it is edited. Dropping it undoes everything.
pub(super) struct Draft<'a> {
    text: &'a JsonText,
    root: Slot<'a>,
    grown: usize,
}

/// A value: untouched, or opened because something in it is edited.
enum Slot<'a> {
    Text(Node<'a>),
    Object(Row<'a, Cow<'a, str>>),
    List(Row<'a, Option<Ident<'a>>>),
}

/// The children of an opened object or list: those walked so far, and the untouched rest.
///
/// `L` is what a child is looked up by: the key, or the ident where it has one.
struct Row<'a, L> {
    children: Vec<Child<'a, L>>,
    rest: Entries<'a>,
    label: fn(&Entry<'a>) -> L,
}

struct Child<'a, L> {
    label: L,
    before: Cow<'a, str>,
    value: Slot<'a>,
    after: &'a str,
}

impl<'a> Draft<'a> {
    pub(super) fn of(text: &'a JsonText) -> Self {
        Self {
            text,
            root: Slot::Text(text.root()),
            grown: 0,
        }
    }

    /// Puts `value` in the place of the member or thing at the end of `above` and `last`.
    pub(super) fn set(
        &mut self,
        above: &[Step],
        last: &Step,
        value: Node<'a>,
    ) -> Result<(), Reason> {
        self.grown += value.raw().len();
        let slot = self.resolve(above)?;
        match last {
            Step::Key(key) => slot.object()?.set(key, value),
            Step::Select(selector) => {
                let list = slot.list(key_of(above))?;
                let at = list.select(selector).ok_or(Reason::NoMatch)?;
                list.children[at].value = Slot::Text(value);
            }
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, above: &[Step], last: &Step) -> Result<(), Reason> {
        let slot = self.resolve(above)?;
        match last {
            Step::Key(key) => {
                let object = slot.object()?;
                let at = object.find(key).ok_or(Reason::NoMatch)?;
                object.children.remove(at);
            }
            Step::Select(selector) => {
                let list = slot.list(key_of(above))?;
                let at = list.select(selector).ok_or(Reason::NoMatch)?;
                list.children.remove(at);
            }
        }
        Ok(())
    }

    /// Puts `value`, known as `ident`, into the list `path`.
    pub(super) fn insert(
        &mut self,
        path: &[Step],
        ident: Ident<'a>,
        value: Node<'a>,
        before: Option<&Selector>,
    ) -> Result<(), Reason> {
        self.grown += value.raw().len();
        let list = self.resolve(path)?.list(key_of(path))?;
        if list
            .position(0, |known| known.as_ref() == Some(&ident))
            .is_some()
        {
            return Err(Reason::Exists);
        }
        let at = before.and_then(|before| list.select(before));
        let at = at.unwrap_or_else(|| list.walk_all());
        let child = Child {
            label: Some(ident),
            before: Cow::Borrowed(""),
            value: Slot::Text(value),
            after: "",
        };
        list.children.insert(at, child);
        Ok(())
    }

    /// Puts the thing that `selector` picks from the list `path` in front of `before`.
    pub(super) fn move_to(
        &mut self,
        path: &[Step],
        selector: &Selector,
        before: Option<&Selector>,
    ) -> Result<(), Reason> {
        let list = self.resolve(path)?.list(key_of(path))?;
        let from = list.select(selector).ok_or(Reason::NoMatch)?;
        let to = before.and_then(|before| list.select(before));
        let to = to.unwrap_or_else(|| list.walk_all());
        // Turning the part between them by one place.
        if from < to {
            list.children[from..to].rotate_left(1);
        } else {
            list.children[to..=from].rotate_right(1);
        }
        Ok(())
    }

    /// The edited text.
    pub(super) fn finish(self) -> JsonText {
        let old = self.text.as_str();
        let range = self.text.root().range();
        // Commas and new keys are small beside this; a wrong guess costs one more copy.
        let mut new = String::with_capacity(old.len() + self.grown + 256);
        new.push_str(&old[..range.start]);
        self.root.write(&mut new);
        new.push_str(&old[range.end..]);
        JsonText::of_valid(new)
    }

    fn resolve(&mut self, steps: &[Step]) -> Result<&mut Slot<'a>, Reason> {
        let mut slot = &mut self.root;
        let mut list_key = "";
        for step in steps {
            slot = match step {
                Step::Key(key) => {
                    list_key = key;
                    let object = slot.object()?;
                    let at = object.find(key).ok_or(Reason::NoMatch)?;
                    &mut object.children[at].value
                }
                Step::Select(selector) => {
                    let list = slot.list(list_key)?;
                    let at = list.select(selector).ok_or(Reason::NoMatch)?;
                    &mut list.children[at].value
                }
            };
        }
        Ok(slot)
    }
}

/// The key of the list at the end of `steps`.
fn key_of(steps: &[Step]) -> &str {
    match steps.last() {
        Some(Step::Key(key)) => key,
        _ => "",
    }
}

impl<'a> Slot<'a> {
    /// This value, opened as an object.
    fn object(&mut self) -> Result<&mut Row<'a, Cow<'a, str>>, Reason> {
        if let Self::Text(node) = self
            && node.kind() == NodeKind::Object
        {
            *self = Self::Object(Row::open(*node, |entry| {
                entry.key.and_then(|key| key.as_str()).unwrap_or_default()
            }));
        }
        match self {
            Self::Object(row) => Ok(row),
            Self::Text(_) | Self::List(_) => Err(Reason::NotAnObject),
        }
    }

    /// This value, opened as the list called `key`.
    fn list(&mut self, key: &str) -> Result<&mut Row<'a, Option<Ident<'a>>>, Reason> {
        if let Self::Text(node) = self
            && node.kind() == NodeKind::Array
        {
            *self = Self::List(Row::open(
                *node,
                match member_of(key) {
                    "name" => |entry| Ident::in_element(entry.value, "name"),
                    _ => |entry| Ident::in_element(entry.value, "id"),
                },
            ));
        }
        match self {
            Self::List(row) => Ok(row),
            Self::Text(_) | Self::Object(_) => Err(Reason::NotAList),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Text(node) => out.push_str(node.raw()),
            Self::Object(row) => row.write(out, '{', '}'),
            Self::List(row) => row.write(out, '[', ']'),
        }
    }
}

impl<'a, L> Row<'a, L> {
    fn open(node: Node<'a>, label: fn(&Entry<'a>) -> L) -> Self {
        Self {
            children: Vec::new(),
            rest: node.entries(),
            label,
        }
    }

    /// The place of the child number `nth` of those that `wanted` accepts.
    fn position(&mut self, nth: usize, wanted: impl Fn(&L) -> bool) -> Option<usize> {
        let mut left = nth;
        let mut at = 0;
        loop {
            if at == self.children.len() {
                self.walk()?;
            }
            if wanted(&self.children[at].label) {
                if left == 0 {
                    return Some(at);
                }
                left -= 1;
            }
            at += 1;
        }
    }

    /// Opens one child more.
    fn walk(&mut self) -> Option<()> {
        let entry = self.rest.next()?;
        self.children.push(Child {
            label: (self.label)(&entry),
            before: Cow::Borrowed(entry.before),
            value: Slot::Text(entry.value),
            after: entry.after,
        });
        Some(())
    }

    /// Opens all children; how many there are.
    fn walk_all(&mut self) -> usize {
        while self.walk().is_some() {}
        self.children.len()
    }

    fn write(&self, out: &mut String, open: char, close: char) {
        out.push(open);
        for (position, child) in self.children.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            out.push_str(&child.before);
            child.value.write(out);
            out.push_str(child.after);
        }
        let rest = self.rest.rest();
        if !self.children.is_empty() && !rest.trim_ascii_start().is_empty() {
            out.push(',');
        }
        out.push_str(rest);
        out.push(close);
    }
}

impl<'a> Row<'a, Cow<'a, str>> {
    fn find(&mut self, key: &str) -> Option<usize> {
        self.position(0, |known| known == key)
    }

    fn set(&mut self, key: &str, value: Node<'a>) {
        let value = Slot::Text(value);
        match self.find(key) {
            Some(at) => self.children[at].value = value,
            None => self.children.push(Child {
                label: Cow::Owned(key.to_owned()),
                before: Cow::Owned(quote(key) + ":"),
                value,
                after: "",
            }),
        }
    }
}

impl<'a> Row<'a, Option<Ident<'a>>> {
    fn select(&mut self, selector: &Selector) -> Option<usize> {
        self.position(selector.nth, |known| {
            known.as_ref() == Some(&selector.value)
        })
    }
}
