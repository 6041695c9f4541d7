//! What a thing in a list is known by.

use crate::json::{Node, NodeKind, quote};
use std::borrow::Cow;
use std::hash::{Hash, Hasher};

/// The `id` of a thing, or the `name` of a map: a string or a number.
///
/// Strings are equal when they mean the same characters. Numbers are equal when they are the same
/// double, because that is all that a browser can tell.
#[derive(Clone, Debug)]
pub enum Ident<'a> {
    /// What a string means, escapes resolved.
    Text(Cow<'a, str>),
    /// A number.
    Number {
        /// As it is written.
        raw: Cow<'a, str>,
        /// What it is.
        value: f64,
    },
}

impl<'a> Ident<'a> {
    /// The ident that `node` is; `None` unless it is a string or a number.
    pub fn of(node: Node<'a>) -> Option<Self> {
        match node.kind() {
            NodeKind::String => node.as_str().map(Self::Text),
            NodeKind::Number => {
                let raw = node.raw();
                // Adding zero makes -0 the same as 0.
                let value = raw.parse::<f64>().ok()? + 0.0;
                let raw = Cow::Borrowed(raw);
                Some(Self::Number { raw, value })
            }
            NodeKind::Object | NodeKind::Array | NodeKind::Bool | NodeKind::Null => None,
        }
    }

    /// What the element `node` of a list is known by, as its member `member` says.
    pub(crate) fn in_element(node: Node<'a>, member: &str) -> Option<Self> {
        node.get(member).and_then(Self::of)
    }

    /// The same, borrowing nothing.
    pub fn into_owned(self) -> Ident<'static> {
        match self {
            Self::Text(text) => Ident::Text(Cow::Owned(text.into_owned())),
            Self::Number { raw, value } => Ident::Number {
                raw: Cow::Owned(raw.into_owned()),
                value,
            },
        }
    }

    /// What a string means, or a number as it is written.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text.into_owned(),
            Self::Number { raw, .. } => raw.into_owned(),
        }
    }

    /// The characters of a string; `None` for a number.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number { .. } => None,
        }
    }

    /// As JSON text.
    pub fn to_json(&self) -> String {
        match self {
            Self::Text(text) => quote(text),
            Self::Number { raw, .. } => raw.as_ref().to_owned(),
        }
    }
}

impl<'a> From<&'a str> for Ident<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Ident<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl PartialEq for Ident<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Number { value: a, .. }, Self::Number { value: b, .. }) => a == b,
            _ => false,
        }
    }
}

// A scanned number is finite, so it equals itself.
impl Eq for Ident<'_> {}

impl Hash for Ident<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Text(text) => text.hash(state),
            Self::Number { value, .. } => value.to_bits().hash(state),
        }
    }
}
