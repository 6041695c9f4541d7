//! A room's name.

use crate::access::random;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// What invented ids are made of.
const SYMBOLS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// Symbols of an invented id.
const INVENTED: usize = 16;
/// Symbols that anybody's id may have.
const MOST: usize = 64;

/// A room's id: 1 to 64 of `0-9A-Za-z_-`, as different schedulers make them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomId(Box<str>);

impl RoomId {
    /// Reads an id; `None` when it can be nobody's.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=MOST).contains(&text.len());
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        (fits && text.bytes().all(known)).then(|| Self(text.into()))
    }

    /// One of 36^16, each as likely as the others.
    pub fn invent() -> Result<Self> {
        Ok(Self(random_symbols(INVENTED)?.into()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RoomId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        Self::parse(&text).ok_or("expected 1 to 64 of 0-9, A-Z, a-z, _ and -")
    }
}

impl From<RoomId> for String {
    fn from(id: RoomId) -> Self {
        id.0.into()
    }
}

impl std::fmt::Display for RoomId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// So many symbols by chance.
pub(super) fn random_symbols(count: usize) -> Result<String> {
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let bytes: [u8; 24] = random()?;
        // Beyond the last multiple of 36 some symbols would come more often.
        let fair = bytes.iter().filter(|byte| **byte < 252);
        let symbols = fair.map(|byte| symbol(usize::from(*byte)));
        text.extend(symbols.take(count - text.len()));
    }
    Ok(text)
}

/// The last digit of `n` in base 36.
pub(super) fn symbol(n: usize) -> char {
    char::from(SYMBOLS[n % SYMBOLS.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_of_all_schedulers_are_read_and_nothing_else() {
        let long = "x".repeat(64);
        for good in ["a", "k3v9x2qa", "AbC_-9", "__proto__", &long] {
            assert_eq!(RoomId::parse(good).unwrap().as_str(), good);
        }
        let longer = "x".repeat(65);
        for bad in ["", " ", "a b", "a/b", "..", "ä", "a\0", "a\n", &longer] {
            assert_eq!(RoomId::parse(bad), None, "{bad}");
            assert!(serde_json::from_value::<RoomId>(bad.into()).is_err());
        }
    }

    #[test]
    fn invented_ids_use_every_symbol_and_do_not_repeat() {
        let ids: HashSet<_> = (0..1000).map(|_| RoomId::invent().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.as_str().len() == INVENTED));
        let symbols: HashSet<_> = ids.iter().flat_map(|id| id.as_str().bytes()).collect();
        assert_eq!(symbols, SYMBOLS.iter().copied().collect());
    }
}
