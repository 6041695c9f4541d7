//! The validating scanner.

use super::Node;
use bytes::Bytes;
use bytestring::ByteString;
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use wide::u8x16;

/// Deepest nesting of arrays and objects that is accepted.
pub const MAX_DEPTH: usize = 64;

/// Objects with more members than this look their keys up in a hash set.
const LINEAR_KEYS: usize = 16;

/// Why a text is not acceptable JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ScanError {
    /// Byte offset at which reading stopped.
    pub offset: usize,
    /// What was wrong there.
    pub reason: &'static str,
}

/// JSON text that passed the scan. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonText(ByteString);

/// JSON that is only passed on: any text that JavaScript would read, down to [`MAX_DEPTH`] levels.
///
/// Unlike a [`JsonText`] it may repeat keys (the last one counts there), hold halves of surrogate
/// pairs and numbers beyond all doubles, so it is nothing to keep or to look things up in.
#[derive(Clone, Debug)]
pub struct LooseJson(ByteString);

impl LooseJson {
    /// Scans `bytes` whole. Leading and trailing white space is allowed and kept.
    pub fn parse(bytes: Bytes) -> Result<Self, ScanError> {
        let text = utf8(bytes)?;
        Scanner::new(&text, true).document()?;
        Ok(Self(text))
    }

    /// The value, for walking.
    pub fn root(&self) -> Node<'_> {
        Node::of_valid(&self.0)
    }

    /// The text as it came in.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A member of an object that a scan has come past.
#[derive(Clone, Debug)]
pub struct Noted<'a> {
    /// How many objects and arrays are open around the value: 1 for a member of the outermost object.
    pub depth: usize,
    /// What its key means.
    pub name: &'a str,
    /// Where its value stands, in bytes.
    pub value: Range<usize>,
}

/// How deep members are noted.
const NOTED_DEPTH: usize = 2;

fn utf8(bytes: Bytes) -> Result<ByteString, ScanError> {
    ByteString::try_from(bytes).map_err(|_| ScanError {
        offset: 0,
        reason: "the text is not valid UTF-8",
    })
}

impl JsonText {
    /// Scans `bytes` whole. Leading and trailing white space is allowed and kept.
    pub fn parse(bytes: Bytes) -> Result<Self, ScanError> {
        Self::parse_noting(bytes, |_| {})
    }

    /// The same, and tells `note` of the members of objects one and two levels deep, each when the
    /// scan has come past it: of what is inside first. So whoever looks for a few of them in a large
    /// text need not walk it again.
    pub fn parse_noting(bytes: Bytes, note: impl FnMut(Noted<'_>)) -> Result<Self, ScanError> {
        let text = utf8(bytes)?;
        Scanner::noting(&text, false, note).document()?;
        Ok(Self(text))
    }

    /// The value that the scan of this text has noted at `range`.
    pub fn noted(&self, range: Range<usize>) -> Node<'_> {
        Node::at(&self.0, range)
    }

    /// The value, for walking.
    pub fn root(&self) -> Node<'_> {
        Node::of_valid(&self.0)
    }

    /// The text as it came in.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as shared bytes.
    pub fn bytes(&self) -> Bytes {
        self.0.as_bytes().clone()
    }

    /// The part of this text that is `node`, sharing the bytes. `node` must come from this text.
    pub fn part(&self, node: Node<'_>) -> Self {
        Self(self.0.slice_ref(node.raw()))
    }

    /// The same text in memory of its own.
    pub fn detached(&self) -> Self {
        Self(ByteString::from(self.as_str()))
    }

    /// Text made by putting valid JSON together: valid by construction, so not scanned again
    /// outside of debug builds.
    pub(crate) fn of_valid(text: String) -> Self {
        debug_assert!(
            Scanner::new(&text, false).document().is_ok(),
            "spliced: {text}"
        );
        Self(ByteString::from(text))
    }
}

/// What the keys of one object look like, as a set that may say yes to others too: most keys are
/// known to be new without comparing them.
#[derive(Default)]
struct Looks(u64);

impl Looks {
    /// Takes a key in. False when none before it can have been the same.
    fn had(&mut self, key: &str) -> bool {
        let bytes = key.as_bytes();
        let [first, last] = [bytes.first(), bytes.last()].map(|b| b.map_or(0, |&b| usize::from(b)));
        let bit = 1 << ((first + 5 * last + 11 * bytes.len()) % 64);
        let had = self.0 & bit != 0;
        self.0 |= bit;
        had
    }
}

struct Scanner<'a, N> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// Whether what JavaScript takes is enough.
    loose: bool,
    /// Keys of all objects that are open, innermost last; shared so that objects allocate nothing.
    keys: Vec<Cow<'a, str>>,
    note: N,
}

impl<'a> Scanner<'a, fn(Noted<'_>)> {
    fn new(text: &'a str, loose: bool) -> Self {
        Self::noting(text, loose, |_| {})
    }
}

impl<'a, N: FnMut(Noted<'_>)> Scanner<'a, N> {
    fn noting(text: &'a str, loose: bool, note: N) -> Self {
        Self {
            loose,
            text,
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
            keys: Vec::new(),
            note,
        }
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, ScanError> {
        Err(ScanError {
            offset: self.at,
            reason,
        })
    }

    fn document(&mut self) -> Result<(), ScanError> {
        self.space();
        self.value()?;
        self.space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            self.fail("extra data after the value")
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<(), ScanError> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.fail("a value was expected"),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<(), ScanError>) -> Result<(), ScanError> {
        if self.depth == MAX_DEPTH {
            return self.fail("nested more than 64 levels deep");
        }
        self.depth += 1;
        self.at += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), ScanError> {
        let mine = self.keys.len();
        let mut looks = Looks::default();
        let mut many: Option<HashSet<Cow<'a, str>>> = None;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fail("a property name in double quotes was expected");
            }
            let start = self.at;
            let key = self.string()?;
            let known = match &mut many {
                _ if self.loose => false,
                Some(set) => !set.insert(key.clone()),
                None => looks.had(&key) && self.keys[mine..].contains(&key),
            };
            if known {
                self.at = start;
                return self.fail("the same key stands twice in one object");
            }
            let noted = (self.depth <= NOTED_DEPTH).then(|| key.clone());
            if many.is_none() && !self.loose {
                self.keys.push(key);
                if self.keys.len() - mine > LINEAR_KEYS {
                    many = Some(self.keys[mine..].iter().cloned().collect());
                }
            }
            self.space();
            if self.peek() != Some(b':') {
                return self.fail("':' was expected");
            }
            self.at += 1;
            self.space();
            let start = self.at;
            self.value()?;
            if let Some(name) = noted {
                (self.note)(Noted {
                    depth: self.depth,
                    name: &name,
                    value: start..self.at,
                });
            }
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b'}') => {
                    self.at += 1;
                    self.keys.truncate(mine);
                    return Ok(());
                }
                _ => return self.fail("',' or '}' was expected"),
            }
        }
    }

    fn array(&mut self) -> Result<(), ScanError> {
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value()?;
            self.space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.space();
                }
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fail("',' or ']' was expected"),
            }
        }
    }

    /// Reads a string and returns what it means; borrowed unless it holds escapes.
    fn string(&mut self) -> Result<Cow<'a, str>, ScanError> {
        self.at += 1;
        let start = self.at;
        self.at += plain(&self.bytes[start..]);
        match self.peek() {
            Some(b'"') => {
                let text = &self.text[start..self.at];
                self.at += 1;
                Ok(Cow::Borrowed(text))
            }
            Some(b'\\') => self.string_with_escapes(start),
            Some(_) => self.fail("a control character must be escaped"),
            None => self.fail("a string was not closed"),
        }
    }

    fn string_with_escapes(&mut self, start: usize) -> Result<Cow<'a, str>, ScanError> {
        let mut meaning = String::from(&self.text[start..self.at]);
        let mut plain = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    meaning.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    return Ok(Cow::Owned(meaning));
                }
                Some(b'\\') => {
                    meaning.push_str(&self.text[plain..self.at]);
                    meaning.push(self.escape()?);
                    plain = self.at;
                }
                Some(0..0x20) => return self.fail("a control character must be escaped"),
                Some(_) => self.at += 1,
                None => return self.fail("a string was not closed"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ScanError> {
        let start = self.at;
        self.at += 2;
        let c = match self.bytes.get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.hex4()?;
                let code = match first {
                    0xD800..0xDC00 if self.bytes[self.at..].starts_with(b"\\u") => {
                        self.at += 2;
                        match self.hex4()? {
                            low @ 0xDC00..0xE000 => {
                                0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00)
                            }
                            _ => first,
                        }
                    }
                    _ => first,
                };
                let alone = self.loose.then_some(char::REPLACEMENT_CHARACTER);
                let Some(c) = char::from_u32(code).or(alone) else {
                    self.at = start;
                    return self.fail("a surrogate stands alone");
                };
                c
            }
            _ => {
                self.at = start;
                return self.fail("an unknown escape");
            }
        };
        Ok(c)
    }

    fn hex4(&mut self) -> Result<u32, ScanError> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|b| char::from(b).to_digit(16)) else {
                return self.fail("four hexadecimal digits were expected");
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.fail("a digit was expected"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        let mut exponent = false;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            exponent = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        // Only these can be too large for a double.
        if !self.loose && (exponent || self.at - start > 300) {
            let finite = self.text[start..self.at]
                .parse::<f64>()
                .is_ok_and(f64::is_finite);
            if !finite {
                self.at = start;
                return self.fail("the number is too large");
            }
        }
        Ok(())
    }

    fn digits(&mut self) {
        let rest = &self.bytes[self.at..];
        let digits = rest.iter().position(|b| !b.is_ascii_digit());
        self.at += digits.unwrap_or(rest.len());
    }

    fn some_digits(&mut self) -> Result<(), ScanError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.fail("a digit was expected");
        }
        self.digits();
        Ok(())
    }

    fn word(&mut self, word: &'static str) -> Result<(), ScanError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.fail("a value was expected");
        }
        self.at += word.len();
        Ok(())
    }
}

/// How many bytes of a string come before its end, an escape or what must not stand there.
fn plain(rest: &[u8]) -> usize {
    let (parts, last) = rest.as_chunks::<16>();
    for (nth, part) in parts.iter().enumerate() {
        let part = u8x16::from(*part);
        let control = part.min(u8x16::splat(0x1F)).simd_eq(part);
        let special =
            control | part.simd_eq(u8x16::splat(b'"')) | part.simd_eq(u8x16::splat(b'\\'));
        let special = special.to_bitmask();
        if special != 0 {
            return 16 * nth + special.trailing_zeros() as usize;
        }
    }
    let is_special = |b: &u8| matches!(b, b'"' | b'\\' | 0..0x20);
    let plain = last.iter().position(is_special);
    16 * parts.len() + plain.unwrap_or(last.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(text: &str) -> Result<JsonText, ScanError> {
        JsonText::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn what_browsers_send_is_accepted() {
        for good in [
            "{}",
            "[]",
            " null ",
            "-0.5e-3",
            "\"\\u00e4\\ud83d\\ude00\"",
            "[1,2,[3]]",
            "{\"a\":{\"b\":[true,false,null]},\"\":1}",
            "1234567890123456789012",
        ] {
            assert!(scan(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_would_break_a_later_reader_is_refused() {
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        for bad in [
            "",
            "nul",
            "NaN",
            "[Infinity]",
            "1e999",
            "-1e999",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
            "\"\\ud800\"",
            "\"\\udc00x\"",
            "\"\u{1}\"",
            "\"\\x\"",
            "01",
            "1.",
            "[1,]",
            "{\"a\"}",
            "{,}",
            "{} {}",
            "\"abc",
            "{\"a\":",
            deep.as_str(),
        ] {
            assert!(scan(bad).is_err(), "{bad}");
        }
        assert!(JsonText::parse(Bytes::from_static(b"\"\xff\"")).is_err());
    }

    #[test]
    fn what_javascript_reads_may_be_passed_on() {
        let loose = |text: &str| LooseJson::parse(Bytes::copy_from_slice(text.as_bytes()));
        for good in [
            "{\"a\":1,\"a\":2}",
            "\"\\ud800\"",
            "\"\\ud800\\ud800\"",
            "[1e999, {\"\\udc00\":{}}]",
        ] {
            assert!(scan(good).is_err() && loose(good).is_ok(), "{good}");
        }
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        for bad in [
            "",
            "nul",
            "01",
            "{\"a\"}",
            "\"\u{1}\"",
            "\"\\u00g0\"",
            &deep,
        ] {
            assert!(loose(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_special_in_a_string_is_found_wherever_it_stands() {
        for before in 0..50 {
            let (plain, more) = ("é".repeat(before % 3) + &"x".repeat(before), "y".repeat(40));
            for control in ['\0', '\u{1}', '\u{1f}', '\n'] {
                let error = scan(&format!("\"{plain}{control}{more}\"")).unwrap_err();
                assert_eq!(error.offset, 1 + plain.len(), "{before} {control:?}");
            }
            for fine in ["\u{20}", "\u{7f}", "\\n", "\\\"", "\\u0041"] {
                assert!(
                    scan(&format!("[\"{plain}{fine}{more}\"]")).is_ok(),
                    "{before} {fine}"
                );
            }
            assert!(scan(&format!("\"{plain}\"{more}\"")).is_err(), "{before}");
        }
    }

    #[test]
    fn a_key_twice_is_found_in_large_objects_too() {
        let members = |n: usize| (0..n).map(|i| format!("\"k{i}\":0,")).collect::<String>();
        assert!(scan(&format!("{{{}\"z\":1}}", members(100))).is_ok());
        assert!(scan(&format!("{{{}\"k3\":1}}", members(100))).is_err());
        // The same keys in sibling objects are nobody's business.
        assert!(scan("[{\"a\":1},{\"a\":{\"a\":2}}]").is_ok());
    }

    #[test]
    fn a_scan_notes_the_members_of_two_levels() {
        let text = r#" {"a" : [1] ,"b":{"x":{"deep":1}, "\u0079":"z"},"c":[{"in":2}]}"#;
        let mut noted = Vec::new();
        let bytes = Bytes::from_static(text.as_bytes());
        let scanned = JsonText::parse_noting(bytes, |member| {
            noted.push((member.depth, member.name.to_owned(), member.value));
        });
        let scanned = scanned.unwrap();
        let found = noted
            .into_iter()
            .map(|(depth, name, value)| (depth, name, scanned.noted(value).raw().to_owned()));
        let found: Vec<_> = found.collect();
        let expected = [
            (1, "a", "[1]"),
            (2, "x", r#"{"deep":1}"#),
            (2, "y", "\"z\""),
            (1, "b", r#"{"x":{"deep":1}, "\u0079":"z"}"#),
            (1, "c", r#"[{"in":2}]"#),
        ];
        let expected = expected.map(|(depth, name, raw)| (depth, name.to_owned(), raw.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_offset_points_at_the_fault() {
        let error = scan("{\"id\":NaN}").unwrap_err();
        assert_eq!((error.offset, error.reason), (6, "a value was expected"));
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(|f| serde_json::json!(f)),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                prop::collection::hash_map(any::<String>(), inner, 0..8)
                    .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_serde_writes_passes(value in any_json()) {
            prop_assert!(scan(&value.to_string()).is_ok());
        }

        #[test]
        fn whatever_passes_is_read_by_serde(text in "[\\[\\]{}\",:0-9a-e\\\\ut.+-]{0,40}") {
            if scan(&text).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = JsonText::parse(Bytes::from(bytes));
        }
    }
}
