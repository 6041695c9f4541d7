//! Walking scanned JSON without building a tree.

use super::block::{BLOCK, Blocks, Brackets};
use std::borrow::Cow;
use std::ops::Range;

/// What sort of value a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
    /// `"..."`
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
}

/// One value inside a [`super::JsonText`]: a span of the text, nothing copied.
///
/// Walking costs one pass over the members that are skipped. Nothing here fails: the text passed
/// the scan.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Node<'a> {
    /// The value of a whole scanned text, white space around it left out.
    pub(super) fn of_valid(text: &'a str) -> Self {
        let space = |c| matches!(c, ' ' | '\t' | '\n' | '\r');
        Self {
            text,
            start: skip_space(text.as_bytes(), 0),
            end: text.trim_end_matches(space).len(),
        }
    }

    /// The value at `range` of a scanned text.
    pub(super) fn at(text: &'a str, range: Range<usize>) -> Self {
        let Range { start, end } = range;
        Self { text, start, end }
    }

    /// The text of this value.
    pub fn raw(&self) -> &'a str {
        &self.text[self.start..self.end]
    }

    /// Where this value stands in the whole text, in bytes.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// What sort of value this is.
    pub fn kind(&self) -> NodeKind {
        match self.text.as_bytes().get(self.start) {
            Some(b'{') => NodeKind::Object,
            Some(b'[') => NodeKind::Array,
            Some(b'"') => NodeKind::String,
            Some(b't' | b'f') => NodeKind::Bool,
            Some(b'n') => NodeKind::Null,
            _ => NodeKind::Number,
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        self.kind() == NodeKind::Null
    }

    /// The meaning of a string; `None` for any other value.
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        if self.kind() != NodeKind::String {
            return None;
        }
        let inner = &self.text[self.start + 1..self.end - 1];
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Some(Cow::Borrowed(inner));
        }
        serde_json::from_str(self.raw()).ok().map(Cow::Owned)
    }

    /// Whether this is the string `meaning`.
    pub fn means(&self, meaning: &str) -> bool {
        let raw = self.raw().as_bytes();
        // Escapes are longer than what they mean, so most strings that differ are told by length.
        match raw.len().checked_sub(2) {
            Some(len) if len < meaning.len() => false,
            Some(len) if len == meaning.len() => {
                raw[0] == b'"'
                    && raw[1..=len] == *meaning.as_bytes()
                    && memchr::memchr(b'\\', meaning.as_bytes()).is_none()
            }
            _ => memchr::memchr(b'\\', raw).is_some() && self.as_str().as_deref() == Some(meaning),
        }
    }

    /// What Python's validation takes for a boolean; `None` for anything else.
    pub fn to_flag(&self) -> Option<bool> {
        match self.kind() {
            NodeKind::Bool => Some(self.raw() == "true"),
            NodeKind::Number => match self.raw().parse::<f64>() {
                Ok(0.0) => Some(false),
                Ok(1.0) => Some(true),
                _ => None,
            },
            NodeKind::String => {
                let word = self.as_str().unwrap_or_default().to_ascii_lowercase();
                match word.as_str() {
                    "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
                    "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
                    _ => None,
                }
            }
            NodeKind::Object | NodeKind::Array | NodeKind::Null => None,
        }
    }

    /// The members of an object in the order of the text; nothing for any other value.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'a, str>, Node<'a>)> + use<'a> {
        let object = self.kind() == NodeKind::Object;
        let entries = object.then(|| self.entries()).into_iter().flatten();
        entries.filter_map(|entry| Some((entry.key?.as_str()?, entry.value)))
    }

    /// The elements of an array; nothing for any other value.
    pub fn elements(&self) -> impl Iterator<Item = Node<'a>> + use<'a> {
        let array = self.kind() == NodeKind::Array;
        let entries = array.then(|| self.entries()).into_iter().flatten();
        entries.map(|entry| entry.value)
    }

    /// The children of an object or array with the text around them; none of any other value.
    pub fn entries(&self) -> Entries<'a> {
        let (at, close) = match self.kind() {
            NodeKind::Object | NodeKind::Array => (self.start + 1, self.end - 1),
            _ => (self.end, self.end),
        };
        Entries {
            text: self.text,
            at,
            close,
            keyed: self.kind() == NodeKind::Object,
        }
    }

    /// The member called `name`; `None` when absent, or when this is no object.
    pub fn get(&self, name: &str) -> Option<Node<'a>> {
        if self.kind() != NodeKind::Object {
            return None;
        }
        let mut entries = self.entries();
        let found = entries.find(|entry| entry.key.is_some_and(|key| key.means(name)));
        found.map(|entry| entry.value)
    }

    /// This value as a tree, for small things such as the `input` of an error.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::from_str(self.raw()).unwrap_or_default()
    }

    /// How many arrays and objects stand inside each other here; 0 for anything else.
    pub fn depth(&self) -> usize {
        let bytes = &self.text.as_bytes()[..self.end];
        let (mut at, mut open, mut deepest) = (self.start, 0usize, 0);
        while let Some(b) = bytes.get(at) {
            match b {
                b'"' => {
                    at = skip_string(bytes, at);
                    continue;
                }
                b'{' | b'[' => {
                    open += 1;
                    deepest = deepest.max(open);
                }
                b'}' | b']' => open -= 1,
                _ => {}
            }
            at += 1;
        }
        deepest
    }
}

/// One child of an array or object, with the text between it and the separators beside it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The key, of an object's child.
    pub key: Option<Node<'a>>,
    /// The value.
    pub value: Node<'a>,
    /// From the bracket or comma in front to the value: white space, the key and its colon.
    pub before: &'a str,
    /// White space from the value to the comma or bracket behind.
    pub after: &'a str,
}

/// A walk over the children of one array or object, which can stop anywhere.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    text: &'a str,
    /// Just behind the bracket or the last comma passed.
    at: usize,
    /// Where the closing bracket stands.
    close: usize,
    keyed: bool,
}

impl<'a> Entries<'a> {
    /// The text not walked yet, up to the closing bracket.
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..self.close]
    }

    /// The next child, whose value is probably written like `guess`: comparing costs less than
    /// finding its end.
    pub fn next_like(&mut self, guess: Node<'_>) -> Option<Entry<'a>> {
        let guess = guess.raw();
        self.step(|text, start| {
            let closed = guess.ends_with(['}', ']', '"']);
            if closed && text.as_bytes()[start..].starts_with(guess.as_bytes()) {
                start + guess.len()
            } else {
                skip_value(text.as_bytes(), start)
            }
        })
    }

    fn step(&mut self, end_of: impl Fn(&str, usize) -> usize) -> Option<Entry<'a>> {
        let (text, bytes) = (self.text, self.text.as_bytes());
        let from = self.at;
        let mut at = skip_space(bytes, from);
        if at >= self.close {
            return None;
        }
        let mut key = None;
        if self.keyed {
            let (start, end) = (at, skip_string(bytes, at));
            key = Some(Node { text, start, end });
            // Behind the key stand white space, ':' and white space.
            at = skip_space(bytes, skip_space(bytes, end) + 1);
        }
        let (start, end) = (at, end_of(text, at));
        let stop = skip_space(bytes, end);
        self.at = (stop + 1).min(self.close);
        Some(Entry {
            key,
            value: Node { text, start, end },
            before: &text[from..start],
            after: &text[end..stop],
        })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.step(|text, start| skip_value(text.as_bytes(), start))
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// End of the value that starts at `at`, in text that passed the scan.
fn skip_value(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => skip_string(bytes, at),
        Some(b'{' | b'[') => skip_nested(bytes, at),
        _ => {
            let rest = bytes.get(at..).unwrap_or_default();
            let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
            at + rest.iter().take_while(|b| word(b)).count()
        }
    }
}

fn skip_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        // Keys and ids are short: calling for help costs more than looking at them here.
        let near = bytes.get(at..).unwrap_or_default();
        let mut found = near.iter().take(16).position(|b| matches!(b, b'"' | b'\\'));
        if found.is_none() {
            found = memchr::memchr2(b'"', b'\\', near);
        }
        match found {
            Some(found) if near[found] == b'"' => return at + found + 1,
            Some(found) => at += found + 2,
            None => return bytes.len(),
        }
    }
}

/// End of the object or array that starts at `at`.
fn skip_nested(bytes: &[u8], at: usize) -> usize {
    let mut blocks = Blocks::default();
    let (mut base, mut depth) = (at, 0);
    let (whole, rest) = bytes[at..].as_chunks();
    for block in whole {
        if let Some(last) = end_in(&blocks.brackets(block), &mut depth) {
            return base + last + 1;
        }
        base += BLOCK;
    }
    let mut block = [b' '; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    let end = end_in(&blocks.brackets(&block), &mut depth);
    end.map_or(bytes.len(), |last| base + last + 1)
}

/// Where in a block the last of `depth` brackets, and of those that the block opens, is closed; else
/// changes `depth` to what is open behind the block.
#[inline]
fn end_in(&Brackets { open, close }: &Brackets, depth: &mut u32) -> Option<usize> {
    let closed = close.count_ones();
    if closed >= *depth {
        let mut left = close;
        for nth in 1..=closed {
            let at = left.trailing_zeros();
            let opened = (open & ((1 << at) - 1)).count_ones();
            if *depth + opened == nth {
                return Some(at as usize);
            }
            left &= left - 1;
        }
    }
    *depth = *depth + open.count_ones() - closed;
    None
}

#[cfg(test)]
mod tests {
    use crate::json::{JsonText, NodeKind};
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn a_walk_finds_members_and_elements_in_order() {
        let text = JsonText::parse(Bytes::from_static(
            b" { \"a\" : [ 1 , {\"x\":\"]}\\\"\"}, [] ] ,\"\\u0062\":null , \"c\":-1.5e3} ",
        ))
        .unwrap();
        let root = text.root();
        let names: Vec<_> = root.members().map(|(k, _)| k.into_owned()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let list: Vec<_> = root.get("a").unwrap().elements().map(|n| n.raw()).collect();
        assert_eq!(list, ["1", "{\"x\":\"]}\\\"\"}", "[]"]);
        assert!(root.get("b").unwrap().is_null());
        assert_eq!(root.get("c").unwrap().raw(), "-1.5e3");
        assert_eq!(root.get("c").unwrap().kind(), NodeKind::Number);
        assert!(root.get("d").is_none());
    }

    #[test]
    fn empty_things_have_no_children() {
        for text in ["{}", "[]", "{ }", "[ ]", "3", "\"x\""] {
            let text = JsonText::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
            assert_eq!(
                text.root().members().count() + text.root().elements().count(),
                0
            );
        }
    }

    #[test]
    fn a_string_means_what_its_escapes_say() {
        for (json, meaning, same) in [
            (r#""ab""#, "ab", true),
            (r#""ab""#, "ac", false),
            (r#""ab""#, "abc", false),
            (r#""abc""#, "ab", false),
            (r#""\u0061b""#, "ab", true),
            (r#""\n""#, "\n", true),
            // The two characters of an escape are not what it means.
            (r#""\n""#, "\\n", false),
            (r#""\\n""#, "\\n", true),
            (r#""""#, "", true),
            ("12", "", false),
            ("1234", "23", false),
            ("[]", "", false),
        ] {
            let text = JsonText::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap();
            assert_eq!(text.root().means(meaning), same, "{json} {meaning}");
        }
    }

    #[test]
    fn a_guess_finds_what_a_walk_finds() {
        let json = br#"{"a":[1] ,"b":{"x":"]"}, "c":12,"d":"e" }"#;
        let text = JsonText::parse(Bytes::from_static(json)).unwrap();
        let walked: Vec<_> = text.root().entries().map(|e| e.value.raw()).collect();
        for guess in ["[1]", "{\"x\":\"]\"}", "1", "12", "\"e\"", "[]", "\"\""] {
            let guess = JsonText::parse(Bytes::from_static(guess.as_bytes())).unwrap();
            let mut entries = text.root().entries();
            let guessed = std::iter::from_fn(|| entries.next_like(guess.root()));
            let guessed: Vec<_> = guessed.map(|e| e.value.raw()).collect();
            assert_eq!(guessed, walked, "{guess:?}");
        }
    }

    /// Any value, its strings full of what a walk could take for something else.
    fn value() -> impl Strategy<Value = Value> {
        let text = || proptest::collection::vec(r#"\{|\}|\[|\]|\\|"|é|x{0,9}"#, 0..40);
        let text = move || text().prop_map(|parts| parts.concat());
        let leaf = prop_oneof![
            any::<i32>().prop_map(Value::from),
            text().prop_map(Value::from)
        ];
        leaf.prop_recursive(5, 60, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((text(), inner), 0..6)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn rows_of_backslashes_are_skipped_wherever_a_block_ends() {
        for before in 0..140 {
            for slashes in 0..6 {
                let string = "x".repeat(before) + &"\\".repeat(slashes) + "\"]}";
                let json = serde_json::json!([[string], 7]).to_string();
                let text = JsonText::parse(Bytes::from(json)).unwrap();
                let last = text.root().elements().last().unwrap();
                assert_eq!(last.raw(), "7", "{before} {slashes}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn each_element_ends_where_it_ends(all in proptest::collection::vec(value(), 0..8)) {
            let text = JsonText::parse(Bytes::from(serde_json::to_string(&all).unwrap())).unwrap();
            let walked: Vec<_> = text.root().elements().map(|node| node.to_value()).collect();
            proptest::prop_assert_eq!(walked, all);
        }

        #[test]
        fn a_walk_agrees_with_serde(keys in proptest::collection::btree_map(".{0,6}", ".{0,6}", 0..20)) {
            let json = serde_json::to_string(&keys).unwrap();
            let text = JsonText::parse(Bytes::from(json)).unwrap();
            let walked: std::collections::BTreeMap<String, String> = text
                .root()
                .members()
                .map(|(k, v)| (k.into_owned(), v.as_str().unwrap().into_owned()))
                .collect();
            proptest::prop_assert_eq!(walked, keys);
        }
    }
}
