//! One account, and what its parts may be.

use crate::access::{AccountRole, Session};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Longest name, in characters.
pub const NAME_CHARS: usize = 64;
/// Longest address, in characters.
pub const EMAIL_CHARS: usize = 254;
/// Longest password, in characters.
pub const PASSWORD_CHARS: usize = 1_000;
/// Largest state that an admin's page keeps, in bytes.
pub const ADMIN_STATE_BYTES: usize = 64 << 10;
/// Sign-ins of one account that were ended by signing out and would otherwise count: beyond, all of
/// the account's sign-ins end.
pub(super) const MAX_ENDED: usize = 32;

/// What somebody signs in with.
///
/// 1 to 64 characters, none of them a control character, no blank at either end. Names that differ in
/// upper and lower case only are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

impl UserName {
    /// Errors: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.trim() != text {
            return Err("a name must not be empty, and neither begin nor end with a blank");
        }
        if text.chars().count() > NAME_CHARS {
            return Err("a name has at most 64 characters");
        }
        if text.chars().any(char::is_control) {
            return Err("a name must not have control characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for all spellings that are the same.
    pub fn key(&self) -> String {
        self.0.nfkc().collect::<String>().to_lowercase()
    }
}

/// Where somebody could be written to; nobody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// Errors: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let plain = |c: char| !c.is_whitespace() && !c.is_control();
        // One that has something before it and something behind.
        let at = |(n, c): (usize, char)| c == '@' && n > 0 && n + 1 < text.len();
        if !text.char_indices().any(at) || !text.chars().all(plain) {
            return Err("an email address looks like name@example.org");
        }
        if text.chars().count() > EMAIL_CHARS {
            return Err("an email address has at most 254 characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// For an account of which only the name was given.
    pub fn made_for(name: &UserName) -> Self {
        let plain = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        let local: String = name.key().chars().filter(plain).collect();
        let local = if local.is_empty() { "user" } else { &local };
        Self(format!("{local}@tablekeep.local"))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for all spellings that are the same.
    pub fn key(&self) -> String {
        self.0.nfkc().collect::<String>().to_lowercase()
    }
}

macro_rules! text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(UserName);
text!(Email);

/// Checks a password that somebody chooses. Errors: what is wrong with it.
pub fn check_password(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("a password must not be empty");
    }
    if text.chars().count() > PASSWORD_CHARS {
        return Err("a password has at most 1000 characters");
    }
    Ok(())
}

/// One account, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Its number; never given twice.
    pub id: u64,
    /// What it signs in with.
    pub username: UserName,
    /// Where its owner could be written to.
    pub email: Email,
    /// What it may do.
    pub role: AccountRole,
    /// Whether it may be used.
    pub is_active: bool,
    /// When it was made, in microseconds since 1970.
    pub created_at: u64,
    /// When it was last changed.
    pub updated_at: u64,
    /// What the admin's page keeps: a JSON object.
    pub admin_state: Option<String>,
    /// The hash of its password (PHC string).
    pub password: String,
    /// Sign-ins of former generations count no more.
    pub generation: u64,
    /// Sign-ins of this generation that were ended.
    pub ended: Vec<Ended>,
}

/// A sign-in that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub id: [u8; 16],
    /// When it runs out by itself, in seconds since 1970.
    pub until: u64,
}

impl User {
    /// Makes all its sign-ins void.
    pub(super) fn revoke(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.ended.clear();
    }

    /// Makes one of its sign-ins void.
    pub(super) fn end(&mut self, session: &Session, now_seconds: u64) {
        self.ended.retain(|ended| ended.until > now_seconds);
        if self.ended.len() >= MAX_ENDED {
            self.revoke();
            return;
        }
        let Session { id, until, .. } = *session;
        self.ended.push(Ended { id, until });
    }

    /// Whether this sign-in is one of its own that was not ended.
    pub(super) fn has(&self, session: &Session) -> bool {
        session.generation == self.generation
            && self.ended.iter().all(|ended| ended.id != session.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_for_people() {
        let long = "ü".repeat(NAME_CHARS);
        for good in ["a", "Anna Müller", "🎲", "admin@spelltable.com", &long] {
            assert!(UserName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", " ", " a", "a ", "a\nb", "a\u{7f}", &format!("{long}x")] {
            assert!(UserName::parse(bad).is_err(), "{bad:?}");
        }
        let key = |name: &str| UserName::parse(name).unwrap().key();
        assert_eq!(key("ANNA"), key("anna"));
        assert_eq!(key("Mu\u{308}ller"), key("MÜLLER"));
        assert_ne!(key("anna"), key("anne"));
    }

    #[test]
    fn addresses_have_a_name_and_a_host() {
        for good in ["a@b", "admin@spelltable.com", "\"a@b\"@c.example"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}@b", "a".repeat(EMAIL_CHARS));
        for bad in ["", "a", "@", "a@", "@b", "a b@c", "a@b\n", &long] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        for name in ["anna", "Anna Müller", "🎲", "a@b"] {
            let made = Email::made_for(&UserName::parse(name).unwrap());
            assert!(Email::parse(made.as_str()).is_ok(), "{made}");
        }
    }

    #[test]
    fn passwords_have_some_length() {
        assert!(check_password("").is_err());
        assert!(check_password("x").is_ok());
        assert!(check_password(&"x".repeat(PASSWORD_CHARS)).is_ok());
        assert!(check_password(&"x".repeat(PASSWORD_CHARS + 1)).is_err());
    }
}
