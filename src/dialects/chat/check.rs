//! What names, keys, files and envelopes must look like.

use super::Refusal;
use super::wire::GivenKey;
use crate::json::quote;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use unicode_normalization::UnicodeNormalization;

/// Characters of the name of a room, of a description, of the name of a member, of a file.
pub const ROOM_NAME_CHARS: usize = 64;
/// Characters of a room's description.
pub const DESCRIPTION_CHARS: usize = 500;
/// Characters of a member's name.
pub const NAME_CHARS: usize = 32;
/// Bytes of a password.
pub const PASSWORD_BYTES: usize = 128;
/// Characters of a file's name.
pub const FILE_NAME_CHARS: usize = 255;
/// Bytes of a media type.
const MIME_BYTES: usize = 127;

/// A member's name, trimmed.
pub fn name(given: &str) -> Result<String, Refusal> {
    trimmed(given, 1, NAME_CHARS, "").ok_or(Refusal::InvalidName)
}

/// A room's name, trimmed.
pub fn room_name(given: &str) -> Result<String, Refusal> {
    trimmed(given, 1, ROOM_NAME_CHARS, "").ok_or(Refusal::InvalidRoomName)
}

/// A room's description, trimmed; it may have lines.
pub fn description(given: &str) -> Result<String, Refusal> {
    trimmed(given, 0, DESCRIPTION_CHARS, "\n\t").ok_or(Refusal::InvalidDescription)
}

fn trimmed(given: &str, least: usize, most: usize, allowed: &str) -> Option<String> {
    let text = given.trim();
    let count = text.chars().take(most + 1).count();
    let odd = |c: char| c.is_control() && !allowed.contains(c);
    (count >= least && count <= most && !text.contains(odd)).then(|| text.to_owned())
}

/// A password as it is to be checked; an empty one is none.
pub fn password(given: Option<String>) -> Result<Option<String>, Refusal> {
    match given {
        Some(text) if text.is_empty() => Ok(None),
        Some(text) if text.len() > PASSWORD_BYTES || text.contains(char::is_control) => {
            Err(Refusal::InvalidPasswordFormat)
        }
        other => Ok(other),
    }
}

/// What of a name counts when two are compared: NFKC, lower case, blanks as one.
pub fn folded(name: &str) -> String {
    let lower: String = name
        .nfkc()
        .flat_map(char::to_lowercase)
        .collect::<String>()
        .nfkc()
        .collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Crockford's alphabet.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a join key.
const KEY_CHARS: usize = 16;

/// The characters that make up a join key; `None`: it cannot be one.
pub fn join_key(given: &str) -> Option<String> {
    let mut key = String::with_capacity(KEY_CHARS);
    for c in given.chars().filter(|c| !matches!(c, '-' | ' ')) {
        let c = match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        if key.len() == KEY_CHARS || !u8::try_from(c).is_ok_and(|c| CROCKFORD.contains(&c)) {
            return None;
        }
        key.push(c);
    }
    (key.len() == KEY_CHARS).then_some(key)
}

/// A join key from 80 random bits.
pub fn make_join_key(random: [u8; 10]) -> String {
    let bits = random
        .iter()
        .fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let digit = |n: usize| CROCKFORD[(bits >> (5 * n)) as usize & 31];
    (0..KEY_CHARS).rev().map(|n| char::from(digit(n))).collect()
}

/// A join key as people see it.
pub fn shown_join_key(key: &str) -> String {
    let groups: Vec<_> = (0..KEY_CHARS / 4)
        .filter_map(|n| key.get(4 * n..4 * n + 4))
        .collect();
    groups.join("-")
}

/// Whether `text` is the one way to write `bytes` bytes in URL-safe base64 without padding.
pub fn is_base64url(text: &str, bytes: usize) -> bool {
    text.len() == (bytes * 4).div_ceil(3) && BASE64_URL_SAFE_NO_PAD.decode(text).is_ok()
}

/// The kinds of public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// 65 bytes: a point, uncompressed.
    P256,
    /// 32 bytes.
    X25519,
}

/// A public key that is what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its kind.
    pub alg: Alg,
    /// As members get it.
    pub json: String,
}

/// Checks the shape of a public key; whether it is a point on the curve its users find out.
pub fn public_key(given: &GivenKey) -> Result<PublicKey, Refusal> {
    let key = given.key.as_str();
    let (alg, fits) = match given.alg.as_str() {
        "P-256" => (Alg::P256, is_base64url(key, 65) && is_uncompressed(key)),
        "X25519" => (Alg::X25519, is_base64url(key, 32)),
        _ => return Err(Refusal::InvalidPublicKey),
    };
    if !fits {
        return Err(Refusal::InvalidPublicKey);
    }
    let json = format!("{{\"alg\":{},\"key\":{}}}", quote(&given.alg), quote(key));
    Ok(PublicKey { alg, json })
}

/// Whether the first byte says so.
fn is_uncompressed(key: &str) -> bool {
    let start = key
        .get(..4)
        .map(|start| BASE64_URL_SAFE_NO_PAD.decode(start));
    matches!(start, Some(Ok(bytes)) if bytes.first() == Some(&4))
}

/// Whether it has the size of a wrapped key.
pub fn is_wrapped_key(text: &str) -> bool {
    is_base64url(text, 60)
}

/// The epoch of an envelope; `None`: it is none. What is inside is never looked at.
pub fn envelope(content: &str) -> Option<u64> {
    let mut parts = content.strip_prefix("E1.")?.split('.');
    let (epoch, nonce, sealed) = (parts.next()?, parts.next()?, parts.next()?);
    let digits = !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit());
    let plain = epoch == "0" || !epoch.starts_with('0');
    let fits = parts.next().is_none()
        && digits
        && plain
        && epoch.len() <= 9
        && is_base64url(nonce, 12)
        && sealed.len() >= 23
        && is_canonical(sealed);
    fits.then(|| epoch.parse().ok())?
}

/// Whether it is URL-safe base64 without padding whose unused bits are zero.
fn is_canonical(text: &str) -> bool {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    };
    let unused = match text.len() % 4 {
        0 => 0,
        2 => 0b1111,
        3 => 0b11,
        _ => return false,
    };
    text.bytes().all(|byte| value(byte).is_some())
        && text
            .bytes()
            .last()
            .and_then(value)
            .is_some_and(|last| last & unused == 0)
}

/// A file as it came, ready to be kept.
#[derive(Debug)]
pub struct Upload {
    /// What it is called.
    pub name: String,
    /// What it says it is.
    pub mime_type: String,
    /// Its bytes in standard base64 with padding.
    pub base64: Bytes,
    /// How many bytes that are.
    pub size: u64,
}

/// What an end-to-end encrypted room's files must be called, and be.
const SEALED_NAME: &str = "file.enc";
const SEALED_TYPE: &str = "application/octet-stream";

/// Checks a file. `sealed`: the room is end-to-end encrypted.
pub fn upload(
    name: String,
    mime_type: String,
    content: String,
    sealed: bool,
    most: u64,
) -> Result<Upload, Refusal> {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\');
    let count = name.chars().take(FILE_NAME_CHARS + 1).count();
    let named = (1..=FILE_NAME_CHARS).contains(&count) && !name.contains(odd);
    let as_it_should = !sealed || (name == SEALED_NAME && mime_type == SEALED_TYPE);
    if !named || !is_media_type(&mime_type) || !as_it_should {
        return Err(Refusal::InvalidFile);
    }
    let (base64, size) = padded(content).ok_or(Refusal::InvalidFile)?;
    if size > most {
        return Err(Refusal::FileTooLarge);
    }
    Ok(Upload {
        name,
        mime_type,
        base64: base64.into(),
        size,
    })
}

fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let fits = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        !part.is_empty() && part.as_bytes().iter().all(fits)
    };
    text.len() <= MIME_BYTES
        && text
            .split_once('/')
            .is_some_and(|(kind, of)| is_token(kind) && is_token(of))
}

const NO_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Standard base64 with its padding, and how many bytes it stands for; `None`: it is not base64.
fn padded(mut text: String) -> Option<(String, u64)> {
    let bare = text.trim_end_matches('=').len();
    let pads = text.len() - bare;
    let missing = match bare % 4 {
        0 => 0,
        2 => 2,
        3 => 1,
        _ => return None,
    };
    if pads != 0 && pads != missing {
        return None;
    }
    // In pieces: all it takes is to see that they can be read.
    let mut bytes = [0; 3072];
    for piece in text.as_bytes()[..bare].chunks(4096) {
        NO_PADDING.decode_slice(piece, &mut bytes).ok()?;
    }
    text.truncate(bare);
    text.push_str(&"=="[..missing]);
    Some((text, (bare / 4 * 3 + (bare % 4).saturating_sub(1)) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    #[test]
    fn names_have_bounds_and_no_control_characters() {
        assert_eq!(name("  Ann  "), Ok("Ann".into()));
        assert_eq!(name(&"ü".repeat(32)), Ok("ü".repeat(32)));
        for bad in ["", "   ", "a\nb", "a\u{0}b", &"x".repeat(33)] {
            assert_eq!(name(bad), Err(Refusal::InvalidName), "{bad:?}");
        }
        assert_eq!(room_name(&"x".repeat(65)), Err(Refusal::InvalidRoomName));
        assert_eq!(description(" a\n\tb "), Ok("a\n\tb".into()));
        assert_eq!(description(""), Ok(String::new()));
        assert_eq!(description("a\rb"), Err(Refusal::InvalidDescription));
        assert_eq!(
            description(&"x".repeat(501)),
            Err(Refusal::InvalidDescription)
        );
    }

    #[test]
    fn an_empty_password_is_none() {
        assert_eq!(password(Some(String::new())), Ok(None));
        assert_eq!(password(None), Ok(None));
        let longest = "x".repeat(128);
        assert_eq!(password(Some(longest.clone())), Ok(Some(longest)));
        for bad in ["x".repeat(129), "a\nb".into()] {
            assert_eq!(password(Some(bad)), Err(Refusal::InvalidPasswordFormat));
        }
    }

    #[test]
    fn names_that_look_the_same_are_the_same() {
        for (a, b) in [
            ("Ann", "aNN"),
            ("Ａｎｎ", "ann"),
            ("a  b", "A b"),
            ("ﬁn", "FIN"),
            ("Straße", "strasse"),
        ] {
            let same = folded(a) == folded(b);
            // Upper case would make these two the same; lower case, which was agreed on, does not.
            assert_eq!(same, a != "Straße", "{a} {b}");
        }
    }

    #[test]
    fn join_keys_are_read_as_people_type_them() {
        let key = make_join_key([0xff; 10]);
        assert_eq!(key, "ZZZZZZZZZZZZZZZZ");
        assert_eq!(shown_join_key(&key), "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
        let key = make_join_key([0, 0, 0, 0, 0, 0, 0, 0, 0, 33]);
        assert_eq!(key, "0000000000000011");
        assert_eq!(
            join_key("7kq2-m9xd 4t8bzcIo"),
            Some("7KQ2M9XD4T8BZC10".into())
        );
        for bad in [
            "",
            "7KQ2",
            "7KQ2-M9XD-4T8B-ZC1U",
            "7KQ2-M9XD-4T8B-ZC1FF",
            "ü",
        ] {
            assert_eq!(join_key(bad), None, "{bad}");
        }
    }

    #[test]
    fn public_keys_have_their_kinds_size() {
        let given = |alg: &str, key: &[u8]| {
            public_key(&GivenKey {
                alg: alg.into(),
                key: BASE64_URL_SAFE_NO_PAD.encode(key),
            })
        };
        let mut point = [7; 65];
        point[0] = 4;
        assert!(given("P-256", &point).is_ok());
        point[1] = 0xff;
        assert!(given("P-256", &point).is_ok());
        point[0] = 5;
        assert!(given("P-256", &point).is_err());
        assert!(given("P-256", &[4; 64]).is_err());
        assert!(given("X25519", &[9; 32]).is_ok());
        assert!(given("X25519", &[9; 33]).is_err());
        assert!(given("RSA", &[9; 32]).is_err());
        let loose = GivenKey {
            alg: "X25519".into(),
            key: format!("{}B", "A".repeat(42)),
        };
        assert_eq!(public_key(&loose), Err(Refusal::InvalidPublicKey));
    }

    #[test]
    fn envelopes_are_told_from_everything_else() {
        let nonce = "oKGio6Slpqeoqaqr";
        let sealed = "A".repeat(23);
        let make = |epoch: &str| format!("E1.{epoch}.{nonce}.{sealed}");
        assert_eq!(envelope(&make("0")), Some(0));
        assert_eq!(envelope(&make("999999999")), Some(999_999_999));
        let vector = "E1.0.oKGio6Slpqeoqaqr.5_l6mrbVJ9brScxVi2asYMdFEOs02F0zXkz6avFqIMv3vhxzy9NjVcGAF2eVqK87iNGvP4dWhazZnC6SmwMcglW7GQ";
        assert_eq!(envelope(vector), Some(0));
        for bad in [
            "".into(),
            "hello".into(),
            make("00"),
            make("01"),
            make(""),
            make("-1"),
            make("1000000000"),
            make("0").replace("E1", "E2"),
            make("0").replace("E1", "e1"),
            format!("{}.x", make("0")),
            format!("{}\n", make("0")),
            format!("E1.0.{nonce}.{}", "A".repeat(22)),
            format!("E1.0.{nonce}.{}", "A".repeat(25)),
            format!("E1.0.{nonce}.{}B", "A".repeat(22)),
            format!("E1.0.{nonce}.{}=", "A".repeat(23)),
            format!("E1.0.{nonce}.{}+", "A".repeat(23)),
            format!("E1.0.{}.{sealed}", &nonce[1..]),
            format!("E1.0.{nonce}A.{sealed}"),
        ] {
            assert_eq!(envelope(&bad), None, "{bad}");
        }
    }

    #[test]
    fn files_have_names_types_and_base64() {
        let file = |name: &str, mime: &str, content: &str| {
            upload(name.into(), mime.into(), content.into(), false, 4).map(|file| file.size)
        };
        assert_eq!(file("map.png", "image/png", "QUJD"), Ok(3));
        assert_eq!(file("a", "a/b", "QQ"), Ok(1));
        assert_eq!(file("a", "a/b", "QQ=="), Ok(1));
        assert_eq!(file("a", "a/b", ""), Ok(0));
        assert_eq!(file("a", "a/b", "QUJDREU="), Err(Refusal::FileTooLarge));
        let long = "x".repeat(256);
        for (name, mime, content) in [
            ("", "a/b", "QQ"),
            ("a/b", "a/b", "QQ"),
            ("a\\b", "a/b", "QQ"),
            ("a\0b", "a/b", "QQ"),
            (&*long, "a/b", "QQ"),
            ("a", "png", "QQ"),
            ("a", "a/b/c", "QQ"),
            ("a", "a/b; c=d", "QQ"),
            ("a", &*format!("a/{}", "b".repeat(126)), "QQ"),
            ("a", "a/b", "Q"),
            ("a", "a/b", "QQ="),
            ("a", "a/b", "QUI=="),
            ("a", "a/b", "QR"),
            ("a", "a/b", "Q_=="),
            ("a", "a/b", "QQ\n"),
            ("a", "a/b", "QQ==QQ=="),
        ] {
            let refused = file(name, mime, content);
            assert_eq!(
                refused,
                Err(Refusal::InvalidFile),
                "{name} {mime} {content}"
            );
        }
        let sealed = |name: &str, mime: &str| {
            upload(name.into(), mime.into(), "QQ".into(), true, 4).map(|file| file.size)
        };
        assert_eq!(sealed("file.enc", "application/octet-stream"), Ok(1));
        assert!(sealed("map.png", "application/octet-stream").is_err());
        assert!(sealed("file.enc", "image/png").is_err());
    }

    proptest! {
        #[test]
        fn base64_is_kept_as_it_stands_for_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..5000), pad in any::<bool>()) {
            let written = BASE64_STANDARD.encode(&bytes);
            let given = if pad { written.clone() } else { written.trim_end_matches('=').to_owned() };
            let size = bytes.len() as u64;
            prop_assert_eq!(padded(given), Some((written, size)));
        }

        #[test]
        fn no_content_makes_the_checks_panic(text in "\\PC{0,80}") {
            let _ = (envelope(&text), join_key(&text), name(&text), padded(text.clone()), folded(&text), is_media_type(&text));
            let _ = envelope(&format!("E1.{text}"));
        }

        #[test]
        fn join_keys_come_back(random in any::<[u8; 10]>()) {
            let key = make_join_key(random);
            prop_assert_eq!(join_key(&shown_join_key(&key)), Some(key.clone()));
            prop_assert_eq!(join_key(&shown_join_key(&key).to_lowercase()), Some(key));
        }
    }
}
