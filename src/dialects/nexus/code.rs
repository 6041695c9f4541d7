//! A room's name.

use crate::access::random;
use crate::error::Result;

/// What codes are made of.
const SYMBOLS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Symbols of an invented code, and the least of a chosen one: clients have a field for four.
const INVENTED: usize = 4;
/// Symbols that a chosen code may have.
const MOST: usize = 8;

/// A room's code: four to eight of `A-Z0-9`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Code(Box<str>);

impl Code {
    /// The code that somebody has typed: white space around it and case do not matter.
    pub fn parse(text: &str) -> Option<Self> {
        let code = text.trim().to_ascii_uppercase();
        let fits = (INVENTED..=MOST).contains(&code.len());
        let fits = fits && code.bytes().all(|symbol| SYMBOLS.contains(&symbol));
        fits.then(|| Self(code.into()))
    }

    /// One of the 1.68 million codes of four symbols, each as likely as the others.
    pub fn random() -> Result<Self> {
        let mut code = String::with_capacity(INVENTED);
        while code.len() < INVENTED {
            let bytes: [u8; 8] = random()?;
            // Beyond the last multiple of 36 some symbols would come more often.
            let fair = bytes.iter().filter(|byte| **byte < 252);
            let symbols = fair.map(|byte| char::from(SYMBOLS[usize::from(*byte) % SYMBOLS.len()]));
            code.extend(symbols.take(INVENTED - code.len()));
        }
        Ok(Self(code.into()))
    }

    /// As people read it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_read_as_people_type_them() {
        for (text, code) in [
            ("ABCD", Some("ABCD")),
            (" ab1z ", Some("AB1Z")),
            ("LONGERAB", Some("LONGERAB")),
            ("ABC", None),
            ("LONGERABC", None),
            ("AB D", None),
            ("ÄBCD", None),
            ("ABC\0", None),
            ("", None),
        ] {
            assert_eq!(Code::parse(text).as_ref().map(Code::as_str), code, "{text}");
        }
    }

    #[test]
    fn invented_codes_use_every_symbol_and_hardly_repeat() {
        let codes: Vec<_> = (0..2000).map(|_| Code::random().unwrap()).collect();
        let symbols: HashSet<_> = codes
            .iter()
            .flat_map(|code| code.as_str().bytes())
            .collect();
        assert_eq!(symbols.len(), SYMBOLS.len());
        assert!(
            codes
                .iter()
                .all(|code| Code::parse(code.as_str()).as_ref() == Some(code))
        );
        assert!(codes.iter().collect::<HashSet<_>>().len() > 1980);
    }
}
