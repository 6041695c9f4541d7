//! Changing single places of scanned JSON, leaving every other byte as it was.

use super::{JsonText, Node, NodeKind};
use std::ops::Range;

/// `text` as a JSON string, quotes included.
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A set of replacements in one text, applied together.
#[derive(Debug, Default)]
pub struct Splices(Vec<(Range<usize>, String)>);

impl Splices {
    /// Puts `value` (valid JSON, or what [`ObjectEdit`] makes) in the place of `range`.
    pub fn replace(&mut self, range: Range<usize>, value: String) {
        self.0.push((range, value));
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with all replacements made. Ranges must not overlap.
    pub fn apply(mut self, text: &JsonText) -> JsonText {
        self.0.sort_by_key(|(range, _)| range.start);
        let old = text.as_str();
        let grown: usize = self.0.iter().map(|(_, value)| value.len()).sum();
        let mut new = String::with_capacity(old.len() + grown);
        let mut at = 0;
        for (range, value) in self.0 {
            new.push_str(&old[at..range.start]);
            new.push_str(&value);
            at = range.end;
        }
        new.push_str(&old[at..]);
        JsonText::of_valid(new)
    }
}

/// Sets members of one object: existing ones in place, new ones behind the last.
pub struct ObjectEdit<'a> {
    object: Node<'a>,
    replaced: Vec<(Range<usize>, String)>,
    added: String,
}

impl<'a> ObjectEdit<'a> {
    /// Starts editing `object`, which must be an object.
    pub fn new(object: Node<'a>) -> Self {
        debug_assert_eq!(object.kind(), NodeKind::Object);
        Self {
            object,
            replaced: Vec::new(),
            added: String::new(),
        }
    }

    /// Sets `name` to `value`, which is JSON text. Setting the value it has changes nothing.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.object.get(name) {
            Some(old) if old.raw() == value => {}
            Some(old) => self.replaced.push((old.range(), value.to_owned())),
            None => self.add(name, value),
        }
    }

    /// Sets `name` only when it is absent.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.object.get(name).is_none() {
            self.add(name, value);
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        let first = self.added.is_empty() && self.object.members().next().is_none();
        if !first {
            self.added.push(',');
        }
        self.added.push_str(&quote(name));
        self.added.push(':');
        self.added.push_str(value);
    }

    /// Hands the changes over.
    pub fn into_splices(self, splices: &mut Splices) {
        let close = self.object.range().end - 1;
        splices.0.extend(self.replaced);
        if !self.added.is_empty() {
            splices.0.push((close..close, self.added));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn edited(text: &'static str, edit: impl Fn(&mut ObjectEdit<'_>)) -> String {
        let text = JsonText::parse(Bytes::from_static(text.as_bytes())).unwrap();
        let mut change = ObjectEdit::new(text.root());
        edit(&mut change);
        let mut splices = Splices::default();
        change.into_splices(&mut splices);
        splices.apply(&text).as_str().to_owned()
    }

    #[test]
    fn only_the_named_members_change() {
        let new = edited("{ \"n\" : 1.0e5, \"id\":\"old\" }", |o| {
            o.set("id", "\"new\"");
            o.set("folder", "null");
            o.set_default("n", "0");
            o.set_default("maps", "[]");
        });
        assert_eq!(
            new,
            "{ \"n\" : 1.0e5, \"id\":\"new\" ,\"folder\":null,\"maps\":[]}"
        );
    }

    #[test]
    fn an_empty_object_gets_its_first_member_without_a_comma() {
        assert_eq!(edited("{}", |o| o.set("a", "1")), "{\"a\":1}");
    }
}
