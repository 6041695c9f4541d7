//! The end of end-to-end encryption that is the client's: secrets, envelopes, wrapped keys.
//!
//! The server knows none of this. Everything here has to be byte for byte what the browser does;
//! the tests below hold both to the same vectors.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use hkdf::Hkdf;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// A room's key, for AES-256-GCM.
pub type Key = [u8; 32];

/// What follows from a room's secret.
pub struct Secrets {
    /// Encrypts and decrypts.
    pub room_key: Key,
    /// Opens the door: what the server is told as the password.
    pub join_proof: String,
    /// Lets one notice a wrong secret.
    pub key_check: String,
}

impl Secrets {
    /// `link-v1`: from the 32 bytes that travel in the fragment of a link.
    pub fn from_link(link: &[u8; 32], salt: &[u8]) -> Self {
        let okm = |info: &[u8], out: &mut [u8]| hkdf(link, salt, info, out);
        let (mut room_key, mut proof, mut check) = ([0; 32], [0; 32], [0; 8]);
        okm(b"vtt/e2e/v1/room-key", &mut room_key);
        okm(b"vtt/e2e/v1/join-proof", &mut proof);
        okm(b"vtt/e2e/v1/key-check", &mut check);
        Self {
            room_key,
            join_proof: B64.encode(proof),
            key_check: B64.encode(check),
        }
    }

    /// `passphrase-v1`: from words.
    pub fn from_passphrase(words: &str, salt: &[u8], iterations: u32) -> Self {
        let words: String = words.nfkc().collect();
        let master: [u8; 32] =
            pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(words.as_bytes(), salt, iterations);
        Self::from_link(&master, salt)
    }
}

fn hkdf(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) {
    let expanded = Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, out);
    expanded.expect("so many bytes HKDF can give");
}

fn aad(room: &str, epoch: u64, sender: &str) -> String {
    format!("vtt/e2e/v1|{room}|{epoch}|{sender}")
}

fn encrypt(key: &Key, nonce: [u8; 12], aad: &[u8], msg: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new(&(*key).into());
    let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg, aad });
    sealed.expect("messages are short enough")
}

fn decrypt(key: &Key, nonce: [u8; 12], aad: &[u8], msg: &[u8]) -> Option<Vec<u8>> {
    let cipher = Aes256Gcm::new(&(*key).into());
    cipher
        .decrypt(&Nonce::from(nonce), Payload { msg, aad })
        .ok()
}

/// Puts `plain` into an envelope. A nonce must never be used twice with a key.
pub fn seal(
    key: &Key,
    room: &str,
    epoch: u64,
    sender: &str,
    nonce: [u8; 12],
    plain: &str,
) -> String {
    let aad = aad(room, epoch, sender);
    let sealed = encrypt(key, nonce, aad.as_bytes(), plain.as_bytes());
    format!("E1.{epoch}.{}.{}", B64.encode(nonce), B64.encode(sealed))
}

/// Opens an envelope; `None`: it is none, or not of this sender in this room with this key.
pub fn open(key: &Key, room: &str, sender: &str, content: &str) -> Option<String> {
    let mut parts = content.strip_prefix("E1.")?.split('.');
    let (epoch, nonce, sealed) = (parts.next()?, parts.next()?, parts.next()?);
    let epoch: u64 = epoch.parse().ok()?;
    let nonce: [u8; 12] = B64.decode(nonce).ok()?.try_into().ok()?;
    let aad = aad(room, epoch, sender);
    let plain = decrypt(key, nonce, aad.as_bytes(), &B64.decode(sealed).ok()?)?;
    String::from_utf8(plain).ok()
}

/// Encrypts a file's bytes.
pub fn seal_file(key: &Key, room: &str, epoch: u64, nonce: [u8; 12], bytes: &[u8]) -> Vec<u8> {
    let aad = format!("vtt/e2e/v1/file|{room}|{epoch}");
    let mut sealed = nonce.to_vec();
    sealed.extend(encrypt(key, nonce, aad.as_bytes(), bytes));
    sealed
}

/// Decrypts a file's bytes.
pub fn open_file(key: &Key, room: &str, epoch: u64, sealed: &[u8]) -> Option<Vec<u8>> {
    let aad = format!("vtt/e2e/v1/file|{room}|{epoch}");
    let (nonce, sealed) = sealed.split_at_checked(12)?;
    decrypt(key, nonce.try_into().ok()?, aad.as_bytes(), sealed)
}

/// Between whom a key is wrapped, and which.
pub struct Wrapping<'a> {
    /// The room's id.
    pub room: &'a str,
    /// The key's number.
    pub epoch: u64,
    /// The participant who has the key.
    pub from: &'a str,
    /// The participant who needs it.
    pub to: &'a str,
}

impl Wrapping<'_> {
    fn info(&self) -> String {
        let Self {
            room,
            epoch,
            from,
            to,
        } = self;
        format!("vtt/e2e/v1/wrap|{room}|{epoch}|{from}|{to}")
    }

    /// The key that encrypts the key.
    pub fn kek(&self, own: &SecretKey, peer: &PublicKey) -> Key {
        let shared = p256::ecdh::diffie_hellman(own.to_nonzero_scalar(), peer.as_affine());
        let mut kek = [0; 32];
        let (salt, info) = (self.room.as_bytes(), self.info());
        hkdf(shared.raw_secret_bytes(), salt, info.as_bytes(), &mut kek);
        kek
    }

    /// Wraps a room's key.
    pub fn wrap(&self, own: &SecretKey, peer: &PublicKey, nonce: [u8; 12], key: &Key) -> String {
        let mut wrapped = nonce.to_vec();
        let kek = self.kek(own, peer);
        wrapped.extend(encrypt(&kek, nonce, self.info().as_bytes(), key));
        B64.encode(wrapped)
    }

    /// Unwraps one.
    pub fn unwrap(&self, own: &SecretKey, peer: &PublicKey, wrapped: &str) -> Option<Key> {
        let wrapped = B64.decode(wrapped).ok()?;
        let (nonce, sealed) = wrapped.split_at_checked(12)?;
        let kek = self.kek(own, peer);
        let key = decrypt(&kek, nonce.try_into().ok()?, self.info().as_bytes(), sealed)?;
        key.try_into().ok()
    }
}

/// A public key as it goes over the wire.
pub fn write_public(key: &PublicKey) -> String {
    B64.encode(key.to_sec1_point(false).as_bytes())
}

/// A public key as it came; `None`: it is no point of the curve.
pub fn read_public(text: &str) -> Option<PublicKey> {
    PublicKey::from_sec1_bytes(&B64.decode(text).ok()?).ok()
}

/// What two people compare by voice, so that no server can stand between them.
pub fn safety_code(room: &str, a: &PublicKey, b: &PublicKey) -> String {
    let mut keys = [a, b].map(|key| key.to_sec1_point(false).as_bytes().to_vec());
    keys.sort();
    let mut hash = Sha256::new();
    hash.update(format!("vtt/e2e/v1/safety|{room}|"));
    hash.update(&keys[0]);
    hash.update(&keys[1]);
    let hash = hash.finalize();
    let number = hash
        .iter()
        .take(8)
        .fold(0u64, |n, b| n << 8 | u64::from(*b));
    let digits = format!("{:012}", number % 1_000_000_000_000);
    format!("{} {} {}", &digits[..4], &digits[4..8], &digits[8..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "01J00000000000000000000ROOM";
    const PLAIN: &str = r#"{"v":1,"kind":"text","body":"Hello World!","ctr":1}"#;
    const ENVELOPE: &str = "E1.0.oKGio6Slpqeoqaqr.5_l6mrbVJ9brScxVi2asYMdFEOs02F0zXkz6avFqIMv3vhxzy9NjVcGAF2eVqK87iNGvP4dWhazZnC6SmwMcglW7GQ";

    fn bytes<const N: usize>(first: u8) -> [u8; N] {
        std::array::from_fn(|n| first + n as u8)
    }

    fn link() -> Secrets {
        Secrets::from_link(&bytes(0x20), &bytes::<16>(0))
    }

    fn people() -> [SecretKey; 2] {
        [[0x11; 32], [0x22; 32]].map(|key| SecretKey::from_slice(&key).unwrap())
    }

    const WRAPPING: Wrapping<'_> = Wrapping {
        room: ROOM,
        epoch: 0,
        from: "p-0001",
        to: "p-0002",
    };

    #[test]
    fn secrets_follow_from_a_link() {
        let made = link();
        assert_eq!(
            B64.encode(made.room_key),
            "br8w2hCvYYKlsFMXrg088GqyvSUiadoZxgcpnpZ_XNw"
        );
        assert_eq!(
            made.join_proof,
            "S7pqm_XyClRgPlpgmFY2wzz22wgjsx-ilULCLPtT3Xo"
        );
        assert_eq!(made.key_check, "k-8nZePdft8");
    }

    #[test]
    fn secrets_follow_from_a_passphrase() {
        let words = "correct horse battery";
        let made = Secrets::from_passphrase(words, &bytes::<16>(0), 600_000);
        assert_eq!(
            B64.encode(made.room_key),
            "zU4BWCxe8eVDwmC9ahVHRFRJV8jHXBXisY6Y4PSBb8M"
        );
        assert_eq!(
            made.join_proof,
            "DWPVxwvkT_ONusfjK1eiZxKZmByyzBSUhR5I9ZKE28I"
        );
        assert_eq!(made.key_check, "iqQVBq2CYFI");
    }

    #[test]
    fn envelopes_are_bound_to_room_epoch_and_sender() {
        let key = link().room_key;
        assert_eq!(seal(&key, ROOM, 0, "p-0001", bytes(0xa0), PLAIN), ENVELOPE);
        assert_eq!(open(&key, ROOM, "p-0001", ENVELOPE).as_deref(), Some(PLAIN));
        assert_eq!(open(&key, ROOM, "p-0002", ENVELOPE), None);
        assert_eq!(open(&key, "other", "p-0001", ENVELOPE), None);
        let moved = ENVELOPE.replacen("E1.0", "E1.1", 1);
        assert_eq!(open(&key, ROOM, "p-0001", &moved), None);
    }

    #[test]
    fn keys_are_wrapped_for_one_member() {
        let [a, b] = people();
        assert_eq!(
            write_public(&a.public_key()),
            "BAIX5hfwtkQ5KCePlpmeaaI6TywVK99tbN9m5bgCgtTtGUp968uXcS0t2jyoWqh2Wlb0X8dYWZZS8ol8ZTBuV5Q"
        );
        assert_eq!(
            write_public(&b.public_key()),
            "BNZak5d8qj0bCBhS_1ennkZfFmBXcwS66tUF3TpIWJzzUBheiVNy32Ih6joTdVfkc_3bZ1XwW9UHw8Uz_OnJEoU"
        );
        assert_eq!(
            B64.encode(WRAPPING.kek(&a, &b.public_key())),
            "LBkPAtuwIyh411qhh70RqB9wGTJqYSIibtT8dz3s1qo"
        );
        let key = link().room_key;
        let wrapped = WRAPPING.wrap(&a, &b.public_key(), bytes(0xa0), &key);
        assert_eq!(
            wrapped,
            "oKGio6SlpqeoqaqrXNq6EXRVA32bEJ2B2aaGjaTvrfWzzYMvTCbjxn2Lg0QC7RwQ1osHQyEuiEvdlQVA"
        );
        let unwrap = |wrapping: Wrapping<'_>| wrapping.unwrap(&b, &a.public_key(), &wrapped);
        assert_eq!(unwrap(WRAPPING), Some(key));
        let later = Wrapping {
            epoch: 1,
            ..WRAPPING
        };
        assert_eq!(unwrap(later), None);
    }

    #[test]
    fn both_see_the_same_safety_code() {
        let [a, b] = people().map(|key| key.public_key());
        assert_eq!(safety_code(ROOM, &a, &b), "7250 0221 6073");
        assert_eq!(safety_code(ROOM, &b, &a), "7250 0221 6073");
    }

    #[test]
    fn files_are_bound_to_room_and_epoch() {
        let key = link().room_key;
        let sealed = seal_file(&key, ROOM, 0, bytes(1), b"a map");
        assert_eq!(open_file(&key, ROOM, 0, &sealed).unwrap(), b"a map");
        assert_eq!(open_file(&key, ROOM, 1, &sealed), None);
        assert_eq!(open_file(&key, ROOM, 0, b"short"), None);
    }
}
