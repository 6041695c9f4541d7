//! A table's code, which is read out across a room.

use crate::access::random;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};

const LENGTH: usize = 4;
/// Nothing that looks like something else (0 O, 1 I L, 2 Z, 5 S, 8 B: of these only the letters
/// that are left alone), and no vowels, so that no code is a word. 390,625 codes.
const ALPHABET: &[u8; 25] = b"BCDFGHJKMNPQRSTVWXYZ34679";

/// Four characters that are hard to mistake for others.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code([u8; LENGTH]);

impl Code {
    /// A new one, from the operating system's randomness.
    pub fn random() -> Result<Self> {
        let mut code = [0; LENGTH];
        let random = random::<{ 2 * LENGTH }>()?;
        for (letter, pair) in code.iter_mut().zip(random.chunks_exact(2)) {
            let number = usize::from(u16::from_be_bytes([pair[0], pair[1]]));
            *letter = ALPHABET[number % ALPHABET.len()];
        }
        Ok(Self(code))
    }

    /// What somebody has typed: in either case, blanks and hyphens do not count.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut letters = typed
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase());
        let mut code = [0; LENGTH];
        for letter in &mut code {
            let typed = letters.next()?;
            *letter = *ALPHABET.iter().find(|known| char::from(**known) == typed)?;
        }
        letters.next().is_none().then_some(Self(code))
    }
}

impl ConstantTimeEq for Code {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|b| write!(f, "{}", char::from(*b)))
    }
}

/// A code lets people in: not for logs.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| "a code that is not one".to_owned())
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_forgiving_to_type_and_hard_to_mistake() {
        let code = Code::parse("K7WP").unwrap();
        for typed in ["k7wp", " K7-WP ", "k 7 w p"] {
            assert_eq!(Code::parse(typed), Some(code), "{typed}");
        }
        for bad in ["", "K7W", "K7WPP", "K0WP", "KIWP", "K7Wß", "🎲🎲🎲🎲"] {
            assert_eq!(Code::parse(bad), None, "{bad}");
        }
        assert_eq!(format!("{code} {code:?}"), "K7WP ***");
    }

    #[test]
    fn codes_made_by_chance_are_codes() {
        let codes: Vec<_> = (0..100).map(|_| Code::random().unwrap()).collect();
        for code in &codes {
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
        }
        assert!(codes.iter().any(|code| code != &codes[0]));
    }
}
