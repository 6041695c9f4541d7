//! Who and what is meant: groups and users, as the two versions write them.

use std::sync::Arc;
use uuid::Uuid;

/// What stands in front of a group's id in the newest version.
const GROUP: &str = "group_";
/// The same of a user's.
const USER: &str = "user_";
/// Longest name of a group that somebody has made up, prefix not counted.
pub const GROUP_ID_CHARS: usize = 100;

/// Which of PeerShare's two versions a client or a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The first one: ids are plain UUIDs.
    Seed,
    /// The newest one: ids have a prefix, and joining creates.
    Newest,
}

/// A group, the same whichever version names it: a UUID in lower case, or a word that somebody has
/// made up (the newest version's clients may).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(Arc<str>);

/// An id that is none in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoId;

impl GroupId {
    /// One that nobody has.
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string().into())
    }

    /// Reads an id as any version writes it, so that a link made in one opens in the other.
    pub fn parse(text: &str) -> Result<Self, NoId> {
        match text.strip_prefix(GROUP) {
            Some(word) if is_uuid(word) => Ok(Self(word.to_ascii_lowercase().into())),
            Some(word) if is_word(word) && word.len() <= GROUP_ID_CHARS => Ok(Self(word.into())),
            None if is_uuid(text) => Ok(Self(text.to_ascii_lowercase().into())),
            _ => Err(NoId),
        }
    }

    /// As this version writes it. A made-up word always has its prefix: it is none without.
    pub fn text(&self, version: Version) -> String {
        match version {
            Version::Seed if is_uuid(&self.0) => self.0.to_string(),
            Version::Seed | Version::Newest => format!("{GROUP}{}", self.0),
        }
    }

    /// What a group is called that was made by joining it.
    pub fn default_name(&self) -> &str {
        if is_uuid(&self.0) { "Group" } else { &self.0 }
    }
}

/// A user's id as this version writes it.
pub fn user_text(user: Uuid, version: Version) -> String {
    match version {
        Version::Seed => user.to_string(),
        Version::Newest => format!("{USER}{user}"),
    }
}

/// Reads a user's id as any version writes it; `None` for one that nobody has.
pub fn parse_user(text: &str) -> Result<Option<Uuid>, NoId> {
    match text.strip_prefix(USER) {
        Some(word) if is_uuid(word) => Ok(Uuid::try_parse(word).ok()),
        Some(word) if is_word(word) => Ok(None),
        None if is_uuid(text) => Ok(Uuid::try_parse(text).ok()),
        _ => Err(NoId),
    }
}

/// `^[a-zA-Z0-9_-]+$`
pub(super) fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    !text.is_empty() && text.bytes().all(plain)
}

/// 8-4-4-4-12 hexadecimal digits, whatever version of UUID that is.
fn is_uuid(text: &str) -> bool {
    let digit = |(at, b): (usize, u8)| match at {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &str = "0b6fe7ab-3b1f-11ee-be56-0242ac120002";

    #[test]
    fn a_link_made_in_one_version_opens_in_the_other() {
        let upper = PLAIN.to_ascii_uppercase();
        for text in [
            PLAIN,
            &upper,
            &format!("group_{PLAIN}"),
            &format!("group_{upper}"),
        ] {
            let id = GroupId::parse(text).unwrap();
            assert_eq!(id.text(Version::Seed), PLAIN);
            assert_eq!(id.text(Version::Newest), format!("group_{PLAIN}"));
        }
        let word = GroupId::parse("group_Friday-9").unwrap();
        for version in [Version::Seed, Version::Newest] {
            assert_eq!(word.text(version), "group_Friday-9");
        }
        assert_eq!(word.default_name(), "Friday-9");
        assert_ne!(word, GroupId::parse("group_friday-9").unwrap());
    }

    #[test]
    fn what_no_version_writes_is_no_id() {
        let long = format!("group_{}", "x".repeat(GROUP_ID_CHARS + 1));
        let bad = [
            "",
            "group_",
            "friday",
            "group_a b",
            "group_ü",
            &PLAIN[1..],
            &long,
            "group_x\n",
        ];
        for text in bad {
            assert_eq!(GroupId::parse(text), Err(NoId), "{text}");
        }
        for text in ["", "user_", "ann", "user_a b", &PLAIN[1..]] {
            assert_eq!(parse_user(text), Err(NoId), "{text}");
        }
        assert_eq!(parse_user("user_ann"), Ok(None));
        let user = Uuid::new_v4();
        for version in [Version::Seed, Version::Newest] {
            assert_eq!(parse_user(&user_text(user, version)), Ok(Some(user)));
        }
    }

    proptest! {
        #[test]
        fn an_id_means_the_same_wherever_it_is_written(text in "(group_)?[0-9a-fA-F-]{0,40}") {
            if let Ok(id) = GroupId::parse(&text) {
                for version in [Version::Seed, Version::Newest] {
                    prop_assert_eq!(&GroupId::parse(&id.text(version)).unwrap(), &id);
                }
            }
        }
    }
}
