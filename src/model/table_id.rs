//! Which table.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Length of every id but `main`.
const BYTES: usize = 8;
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A table's id: `main`, or eight lower-case letters and digits, made by chance.
///
/// Safe in a path, in a cookie and as a file's name. Small enough to be copied about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableId([u8; BYTES]);

impl TableId {
    /// The table that is always there.
    pub const MAIN: Self = Self(*b"main\0\0\0\0");

    /// From an untrusted text. Errors: `NotFound`, for there is no table of another id.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "main" {
            return Ok(Self::MAIN);
        }
        match <[u8; BYTES]>::try_from(text.as_bytes()) {
            Ok(bytes) if bytes.iter().all(|b| LETTERS.contains(b)) => Ok(Self(bytes)),
            _ => {
                let shown: String = text.chars().take(40).collect();
                Err(Error::NotFound(format!("there is no table '{shown}'")))
            }
        }
    }

    /// Another one, from random bytes.
    pub fn from_random(random: [u8; BYTES]) -> Self {
        Self(random.map(|byte| LETTERS[usize::from(byte) % LETTERS.len()]))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(BYTES);
        std::str::from_utf8(&self.0[..end]).unwrap_or_default()
    }

    /// The id in the eight bytes that [`from_bytes`](Self::from_bytes) takes.
    pub fn to_bytes(self) -> [u8; BYTES] {
        self.0
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: [u8; BYTES]) -> Option<Self> {
        let id = Self(bytes);
        (id == Self::MAIN || bytes.iter().all(|b| LETTERS.contains(b))).then_some(id)
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl FromStr for TableId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TableId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<TableId> for String {
    fn from(id: TableId) -> Self {
        id.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_main_and_ids_of_our_own_making_are_ids() {
        for good in ["main", "k3v9x2qa", "00000000"] {
            let id = TableId::parse(good).unwrap();
            assert_eq!(id.as_str(), good);
            assert_eq!(TableId::from_bytes(id.to_bytes()), Some(id));
        }
        for bad in [
            "",
            "Main",
            "main\0",
            "mains",
            "K3V9X2QA",
            "k3v9x2q",
            "k3v9x2qab",
            "../etc/x",
            "k3v9x2q\0",
            "k3v9x2qä",
            "main\0\0\0\0",
        ] {
            assert!(TableId::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(TableId::from_bytes([0; 8]), None);
    }

    #[test]
    fn ids_made_by_chance_are_ids() {
        let id = TableId::from_random([0, 1, 35, 36, 100, 200, 254, 255]);
        assert_eq!(TableId::parse(id.as_str()).unwrap(), id);
    }
}
