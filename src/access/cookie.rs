//! Cookies: small facts, signed, so that only this server can have made them.

use super::keys::KEY_BYTES;
use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;
/// Longest fact that anybody signs.
const MAX_FACT: usize = 64;
/// No cookie of ours is longer, so longer ones are not looked at.
const MAX_TEXT: usize = (MAX_FACT + TAG_BYTES).div_ceil(3) * 4;

/// Signs facts for one purpose with HMAC-SHA256.
#[derive(Clone)]
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The fact and its signature, base64url.
    pub fn sign(&self, fact: &[u8]) -> String {
        debug_assert!(fact.len() <= MAX_FACT);
        let tag = self.0.clone().chain_update(fact).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([fact, &tag[..]].concat())
    }

    /// The fact, when this signer has signed it; compared in constant time. Allocates nothing.
    pub fn open<const N: usize>(&self, text: &str) -> Option<[u8; N]> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let mut decoded = [0; MAX_TEXT];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut decoded).ok()?;
        let (fact, tag) = decoded[..length].split_first_chunk::<N>()?;
        self.0.clone().chain_update(fact).verify_slice(tag).ok()?;
        Some(*fact)
    }

    /// Whether `tag` is what signing `text` gave; in constant time, whatever their lengths.
    pub fn verify(&self, text: &[u8], tag: &[u8; TAG_BYTES]) -> bool {
        self.0.clone().chain_update(text).verify_slice(tag).is_ok()
    }

    /// The signature alone.
    pub fn tag(&self, text: &[u8]) -> [u8; TAG_BYTES] {
        self.0
            .clone()
            .chain_update(text)
            .finalize()
            .into_bytes()
            .into()
    }
}

/// The first cookie of this name.
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim_start().strip_prefix(name)?.strip_prefix('='))
        .map(str::trim_end)
}

/// A `Set-Cookie` line. `secure`: the page came over HTTPS, so the cookie need not go without.
pub fn set(name: &str, value: &str, age: Duration, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    let age = age.as_secs();
    format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
}

/// Whether the page came over HTTPS, through a proxy that has the certificate.
pub fn is_secure(req: &HttpRequest) -> bool {
    let origin = req.headers().get(header::ORIGIN);
    origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// Seconds since 1970, as they stand in cookies.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    #[test]
    fn only_what_was_signed_is_opened() {
        let signer = Signer::new(&[1; KEY_BYTES]);
        let cookie = signer.sign(b"fact");
        assert_eq!(signer.open(&cookie), Some(*b"fact"));
        assert_eq!(signer.open::<5>(&cookie), None);
        assert_eq!(signer.open::<3>(&cookie), None);
        assert_eq!(Signer::new(&[2; KEY_BYTES]).open::<4>(&cookie), None);
        let long = "A".repeat(10_000);
        for bad in [
            "",
            "fact",
            "====",
            &cookie[1..],
            &cookie[..cookie.len() - 1],
            &long,
        ] {
            assert_eq!(signer.open::<4>(bad), None, "{bad:.60}");
        }
    }

    #[test]
    fn one_changed_character_makes_it_void() {
        let signer = Signer::new(&[1; KEY_BYTES]);
        let cookie = signer.sign(b"some fact");
        for at in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(signer.open::<9>(&changed), None, "{at}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        for line in ["a=1; bc=2", "b=3;c=4 ; b=5", "x"] {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        for (name, value) in [
            ("a", Some("1")),
            ("b", Some("3")),
            ("c", Some("4")),
            ("x", None),
        ] {
            assert_eq!(find(&headers, name), value, "{name}");
        }
    }

    #[test]
    fn cookies_are_for_this_site_alone() {
        assert_eq!(
            set("n", "v", Duration::from_secs(60), false),
            "n=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"
        );
        assert!(set("n", "v", Duration::ZERO, true).ends_with("; Secure"));
    }
}
