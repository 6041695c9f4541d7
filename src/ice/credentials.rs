//! Passwords for TURN servers as coturn's `use-auth-secret` expects them (draft-uberti-behave-turn-rest).

use crate::config::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// A name that says until when the password counts, and the password that proves it.
#[derive(Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `expiry:user`, the expiry in seconds since 1970.
    pub username: String,
    /// Base64 of the HMAC-SHA1 of the name.
    pub password: String,
}

/// Makes credentials that count until `expires`, in seconds since 1970.
pub fn sign(secret: &Secret, expires: u64, user: &str) -> Credentials {
    let username = format!("{expires}:{user}");
    let mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes());
    let mut mac = mac.expect("HMAC takes keys of any length");
    mac.update(username.as_bytes());
    let password = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    Credentials { username, password }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_is_met() {
        let made = sign(&Secret::new("north".into()), 1_735_689_600, "alice");
        assert_eq!(made.username, "1735689600:alice");
        assert_eq!(made.password, "HbvWA6hGDtdv3wflBolXLhvzs0w=");
    }
}
