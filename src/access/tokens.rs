//! Access tokens: facts about somebody that a client carries (JWT, RFC 7519), signed with HS256.
//!
//! Each use has an audience and a lifetime of its own ([`Tokens`]), and a key that either is derived
//! from the server's own or is an operator's secret ([`Secret`]); what was made for one use is worth
//! nothing in another. There is no other algorithm than HS256 in here, so none can be chosen by a
//! token's header: `none`, HS384 or RS256 find nobody who would compute them. Header members that
//! name keys (`kid`, `jku`, `jwk`, `x5u`) are not looked at.
//!
//! [`Secret`]: crate::config::Secret

use super::keys::random;
use crate::error::Result;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use signature::{Signer, Verifier};
use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer texts are no tokens of anybody's, and are not looked at.
pub const MAX_TOKEN_BYTES: usize = 4 << 10;
/// How far the clocks of two machines may be apart: a token counts for so long after its end, and
/// before its beginning.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// Makes and reads the tokens of one use.
pub struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    audience: &'static str,
    lifetime: Duration,
}

/// What every token says besides its claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When it was made, in seconds since 1970.
    pub issued: u64,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
    /// Names this one token (`jti`), to be able to revoke it. One that was made elsewhere with this key
    /// may have none.
    pub id: Option<String>,
}

/// A token that counts.
#[derive(Clone, Debug)]
pub struct Verified<C> {
    /// What it says.
    pub claims: C,
    /// When and which.
    pub stamp: Stamp,
}

/// Why a text is no token that counts. Clients are told no more than that it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token, or one with other claims.
    #[error("the token cannot be read")]
    Malformed,
    /// Another algorithm than HS256, or an extension that must be understood (`crit`).
    #[error("the token is of another kind")]
    Unsupported,
    /// Not signed with this key.
    #[error("the token's signature is wrong")]
    Forged,
    /// Made for another use.
    #[error("the token is for something else")]
    WrongAudience,
    /// Its time is over, or has not come.
    #[error("the token has run out")]
    Expired,
}

/// A token's payload as it is signed: the claims first.
#[derive(Serialize)]
struct Signed<'a, C> {
    #[serde(flatten)]
    claims: &'a C,
    iat: u64,
    exp: u64,
    aud: &'a str,
    jti: Option<&'a str>,
}

/// The same as it is read.
#[derive(Deserialize)]
struct Read<C> {
    #[serde(flatten)]
    claims: C,
    iat: u64,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
    aud: String,
    #[serde(default)]
    jti: Option<String>,
}

impl Tokens {
    /// For one use. `key`: at least 16 bytes, see [`crate::access::Keys::derive`].
    pub fn new(key: &[u8], audience: &'static str, lifetime: Duration) -> Self {
        // The first call counts; there is nothing else that could be installed.
        let _ = HS256_ONLY.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        // Below, and by the caller's clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims = HashSet::new();
        Self {
            signing: EncodingKey::from_secret(key),
            verifying: DecodingKey::from_secret(key),
            validation,
            audience,
            lifetime,
        }
    }

    /// How long a token counts.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Makes a token and its stamp.
    ///
    /// `claims` must become a JSON object without `iat`, `exp`, `nbf`, `aud` and `jti`, and the token
    /// must not become longer than [`MAX_TOKEN_BYTES`]. Errors: `Internal`.
    pub fn sign<C: Serialize>(&self, claims: &C, now: SystemTime) -> Result<(String, Stamp)> {
        let issued = seconds(now);
        let stamp = Stamp {
            issued,
            expires: issued.saturating_add(self.lifetime.as_secs()),
            id: Some(URL_SAFE_NO_PAD.encode(random::<16>()?)),
        };
        let payload = Signed {
            claims,
            iat: stamp.issued,
            exp: stamp.expires,
            aud: self.audience,
            jti: stamp.id.as_deref(),
        };
        let header = Header::new(Algorithm::HS256);
        let token = encode(&header, &payload, &self.signing).map_err(std::io::Error::other)?;
        debug_assert!(token.len() <= MAX_TOKEN_BYTES, "longer than what is read");
        Ok((token, stamp))
    }

    /// Reads a token. Costs nothing when it is too long; else at most one HMAC over it.
    pub fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<Verified<C>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|error| why(error.kind()))?;
        if header.alg != Algorithm::HS256 || header.crit.is_some() {
            return Err(TokenError::Unsupported);
        }
        let read: Read<C> = decode(token, &self.verifying, &self.validation)
            .map_err(|error| why(error.kind()))?
            .claims;
        if read.aud != self.audience {
            return Err(TokenError::WrongAudience);
        }
        let (now, leeway) = (seconds(now), LEEWAY.as_secs());
        let begins = read.nbf.unwrap_or(read.iat);
        if read.exp.saturating_add(leeway) <= now || begins > now.saturating_add(leeway) {
            return Err(TokenError::Expired);
        }
        Ok(Verified {
            claims: read.claims,
            stamp: Stamp {
                issued: read.iat,
                expires: read.exp,
                id: read.jti,
            },
        })
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn why(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Forged,
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => TokenError::Unsupported,
        _ => TokenError::Malformed,
    }
}

/// The crate's own providers bring RSA and elliptic curves along; this one is all that is needed.
static HS256_ONLY: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.as_bytes())?)),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?)),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8]) -> Result<Self, ErrorKind> {
        let mac = Hmac::new_from_slice(key).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Self(mac))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let tag = self.0.clone().chain_update(message).finalize().into_bytes();
        Ok(tag.to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    /// In constant time.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let mac = self.0.clone().chain_update(message);
        mac.verify_slice(signature)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const KEY: &[u8] = b"a key of thirty-two bytes, right";
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
    /// 2026-11-20, for all tests.
    const NOW: u64 = 1_795_132_800;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Claims {
        user_id: String,
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn tokens() -> Tokens {
        Tokens::new(KEY, "user", WEEK)
    }

    fn alice() -> Claims {
        Claims {
            user_id: "alice".into(),
        }
    }

    /// What a token says when everything about it is right.
    fn right() -> Value {
        json!({"userId": "alice", "iat": NOW, "exp": NOW + 60, "aud": "user", "jti": "x"})
    }

    fn base64(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn tag(message: &str, key: &[u8]) -> Vec<u8> {
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.chain_update(message).finalize().into_bytes().to_vec()
    }

    /// A token of these parts, signed with HMAC-SHA256 whatever the header says.
    fn forge(header: &str, payload: &str, key: &[u8]) -> String {
        let message = format!("{}.{}", base64(header), base64(payload));
        let tag = base64(tag(&message, key));
        format!("{message}.{tag}")
    }

    fn read(token: &str) -> Result<Claims, TokenError> {
        tokens()
            .verify(token, at(NOW))
            .map(|verified| verified.claims)
    }

    #[test]
    fn what_is_signed_is_read_again() {
        let (token, stamp) = tokens().sign(&alice(), at(NOW)).unwrap();
        let verified = tokens().verify::<Claims>(&token, at(NOW + 5)).unwrap();
        assert_eq!((verified.claims, &verified.stamp), (alice(), &stamp));
        assert_eq!((stamp.issued, stamp.expires), (NOW, NOW + WEEK.as_secs()));
        let (_, other) = tokens().sign(&alice(), at(NOW)).unwrap();
        assert_ne!(stamp.id, other.id);
        // As clients read it: without the key.
        let payload = token.split('.').nth(1).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        let keys: Vec<_> = payload.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["userId", "iat", "exp", "aud", "jti"]);
    }

    #[test]
    fn a_token_as_anybody_elses_library_makes_it_is_read() {
        let token = forge(HEADER, &right().to_string(), KEY);
        assert_eq!(read(&token), Ok(alice()));
        // Members that nobody here knows do not matter.
        let mut more = right();
        more["sub"] = json!("alice");
        more["nbf"] = json!(NOW);
        let header = r#"{"kid":"1","alg":"HS256"}"#;
        assert_eq!(read(&forge(header, &more.to_string(), KEY)), Ok(alice()));
    }

    #[test]
    fn a_token_ends_with_its_time_and_some_leeway() {
        let (token, stamp) = tokens().sign(&alice(), at(NOW)).unwrap();
        let counts = |now: u64| tokens().verify::<Claims>(&token, at(now)).is_ok();
        let leeway = LEEWAY.as_secs();
        assert!(counts(stamp.expires + leeway - 1));
        assert!(!counts(stamp.expires + leeway));
        assert!(counts(NOW - leeway));
        assert!(!counts(NOW - leeway - 1));
    }

    #[test]
    fn what_is_made_for_one_use_is_nothing_in_another() {
        let (token, _) = tokens().sign(&alice(), at(NOW)).unwrap();
        let other = Tokens::new(KEY, "session", WEEK);
        let refused = other.verify::<Claims>(&token, at(NOW)).unwrap_err();
        assert_eq!(refused, TokenError::WrongAudience);
        let other = Tokens::new(b"another key of thirty-two bytes.", "user", WEEK);
        let refused = other.verify::<Claims>(&token, at(NOW)).unwrap_err();
        assert_eq!(refused, TokenError::Forged);
    }

    #[test]
    fn no_header_chooses_how_it_is_checked() {
        let payload = right().to_string();
        let algorithms = [
            "none", "None", "NONE", "nOnE", "", "hs256", "HS384", "HS512", "RS256", "RS512",
            "PS256", "ES256", "ES384", "EdDSA", "HS256 ", "A128KW",
        ];
        for alg in algorithms {
            let header = json!({"alg": alg, "typ": "JWT"}).to_string();
            let signed = forge(&header, &payload, KEY);
            let message = signed.rsplit_once('.').unwrap().0;
            for token in [&signed, &format!("{message}."), message] {
                assert!(read(token).is_err(), "{alg}: {token}");
            }
        }
        for header in [
            r#"{"typ":"JWT"}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":"none","alg":"HS256"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
            r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
            "{}",
            "[]",
            "null",
            "",
            r#"{"alg":"HS256"} x"#,
        ] {
            assert!(read(&forge(header, &payload, KEY)).is_err(), "{header}");
        }
    }

    #[test]
    fn keys_that_a_token_brings_along_do_not_count() {
        let own = b"the attacker's own key";
        let key = base64(own);
        let headers = [
            json!({"alg": "HS256", "kid": "../../dev/null"}),
            json!({"alg": "HS256", "kid": ""}),
            json!({"alg": "HS256", "kid": "' UNION SELECT 'x"}),
            json!({"alg": "HS256", "jku": "http://127.0.0.1:9/keys"}),
            json!({"alg": "HS256", "x5u": "http://127.0.0.1:9/cert"}),
            json!({"alg": "HS256", "jwk": {"kty": "oct", "k": key}}),
        ];
        for header in headers {
            let payload = right().to_string();
            for key in [&own[..], b"", b"\0", b"user", b"localhost:8000"] {
                assert!(read(&forge(&header.to_string(), &payload, key)).is_err());
            }
        }
    }

    #[test]
    fn claims_of_other_kinds_are_refused() {
        let changes: [(&str, Option<Value>); 21] = [
            ("exp", None),
            ("exp", Some(json!(NOW - 31))),
            ("exp", Some(json!((NOW + 60).to_string()))),
            ("exp", Some(json!(-1))),
            ("exp", Some(json!(1e300))),
            ("exp", Some(json!((NOW + 60) as f64 + 0.5))),
            ("exp", Some(json!(true))),
            ("exp", Some(Value::Null)),
            ("exp", Some(json!([NOW + 60]))),
            ("iat", None),
            ("iat", Some(json!(NOW + 3600))),
            ("nbf", Some(json!(NOW + 3600))),
            ("aud", None),
            ("aud", Some(json!("session"))),
            ("aud", Some(json!(["user"]))),
            ("aud", Some(json!("User"))),
            ("aud", Some(Value::Null)),
            ("jti", Some(json!(5))),
            ("userId", None),
            ("userId", Some(json!(5))),
            ("userId", Some(json!({"$ne": null}))),
        ];
        for (name, value) in changes {
            let mut payload = right();
            let claims = payload.as_object_mut().unwrap();
            match value {
                None => claims.remove(name),
                Some(value) => claims.insert(name.into(), value),
            };
            let token = forge(HEADER, &payload.to_string(), KEY);
            assert!(read(&token).is_err(), "{payload}");
        }
        // The operator's own login may have made one without a name.
        let mut nameless = right();
        nameless.as_object_mut().unwrap().remove("jti");
        let token = forge(HEADER, &nameless.to_string(), KEY);
        let verified = tokens().verify::<Claims>(&token, at(NOW)).unwrap();
        assert_eq!(verified.stamp.id, None);
        let twice = right().to_string().replace("\"exp\"", "\"exp\":1,\"exp\"");
        assert!(read(&forge(HEADER, &twice, KEY)).is_err());
    }

    #[test]
    fn a_token_with_a_scratch_is_none() {
        let token = forge(HEADER, &right().to_string(), KEY);
        let (message, tag) = token.rsplit_once('.').unwrap();
        let (header, payload) = message.split_once('.').unwrap();
        let standard = base64::engine::general_purpose::STANDARD.encode(tag);
        let mallory = right().to_string().replace("alice", "mallory");
        let scratched = [
            String::new(),
            ".".into(),
            "..".into(),
            "...".into(),
            message.to_owned(),
            format!("{message}."),
            format!("{message}.{}", &tag[..tag.len() - 1]),
            format!("{message}.{}", &tag[..4]),
            format!("{message}.{tag}="),
            format!("{message}.{tag}A"),
            format!("{message}.{standard}"),
            format!("{token}.{tag}"),
            format!("{token}."),
            format!(".{token}"),
            format!(" {token}"),
            format!("{token} "),
            format!("{token}\n"),
            format!("{token}\0"),
            format!("{header}..{tag}"),
            format!(".{payload}.{tag}"),
            format!("{header}.{}.{tag}", base64(mallory)),
            format!("{payload}.{header}.{tag}"),
            token.to_uppercase(),
            token.replace('.', "%2E"),
        ];
        for text in &scratched {
            assert!(read(text).is_err(), "{text}");
        }
        // Every single character counts.
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            assert!(read(&text).is_err(), "at {at}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_looked_at() {
        let long = "a".repeat(1 << 20);
        let started = std::time::Instant::now();
        for _ in 0..10_000 {
            assert_eq!(read(&long), Err(TokenError::Malformed));
        }
        // Ten gigabytes would take much longer.
        assert!(started.elapsed() < Duration::from_secs(2));
        let mut payload = right();
        payload["more"] = json!("x".repeat(MAX_TOKEN_BYTES));
        let token = forge(HEADER, &payload.to_string(), KEY);
        assert_eq!(read(&token), Err(TokenError::Malformed));
    }

    #[test]
    fn fuzz_the_reader_of_tokens() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            assert!(read(&text).is_err());
            assert!(read(&forge(HEADER, &text, KEY)) != Ok(alice()) || text.contains("alice"));
            let _ = read(&forge(&text, &right().to_string(), KEY));
        });
    }
}
