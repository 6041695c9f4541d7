//! Tokens of accounts that are not what they should be: none is accepted, wherever it is shown.

use crate::accounts::House;
use crate::support::{Answer, TestServer};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};
use tablekeep::access::{Keys, LEEWAY, MAX_TOKEN_BYTES};

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A token of these parts, signed with HMAC-SHA256 whatever the header says.
fn sign(header: &str, payload: &str, key: &[u8]) -> String {
    let message = format!("{}.{}", base64(header), base64(payload));
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    let tag = mac.chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", base64(tag))
}

/// A house and what an attacker could at most know: a token that counts, and the server's keys.
struct Bench {
    house: House,
    header: String,
    payload: Value,
    key: [u8; 32],
}

impl Bench {
    fn new() -> Self {
        let house = House::open(&["--players", "code"]);
        let private = house.server.path(".tablekeep");
        let key = Keys::open(&private).unwrap().derive("account token", b"");
        let parts: Vec<_> = house.admin.split('.').collect();
        let header = decoded(parts[0]);
        assert_eq!(header, json!({"typ": "JWT", "alg": "HS256"}));
        let payload = decoded(parts[1]);
        let bench = Self {
            header: header.to_string(),
            payload,
            key,
            house,
        };
        // What the attacks are made with makes tokens that count.
        bench.expect(&bench.right(&bench.payload), true);
        bench
    }

    /// Of this payload, with the right header and key.
    fn right(&self, payload: &Value) -> String {
        sign(&self.header, &payload.to_string(), &self.key)
    }

    /// The right payload with one member changed, or without it.
    fn with(&self, name: &str, value: Option<Value>) -> String {
        let mut payload = self.payload.clone();
        let members = payload.as_object_mut().unwrap();
        match value {
            Some(value) => members.insert(name.into(), value),
            None => members.remove(name),
        };
        self.right(&payload)
    }

    fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.house.server.send("GET", path, headers, b"")
    }

    /// Whether the token counts: for the account, as the GM, for a socket, in a cookie.
    fn expect(&self, token: &str, counts: bool) {
        let shown: String = token.chars().take(300).collect();
        let bearer = format!("Bearer {token}");
        let header = [("authorization", bearer.as_str())];
        let status = |path: &str, headers: &[(&str, &str)]| self.ask(path, headers).status;
        let (me, gm) = if counts { (200, 200) } else { (401, 403) };
        assert_eq!(status("/auth/me", &header), me, "{shown}");
        assert_eq!(status("/maps/list", &header), gm, "{shown}");
        for path in ["/ws", "/ws/table?x"] {
            let opened = opens(&self.house.server, path, &bearer);
            assert_eq!(opened, counts, "{path}: {shown}");
        }
        let cookie = format!("tablekeep-account={token}");
        let cookie = [("cookie", cookie.as_str())];
        assert_eq!(status("/maps/list", &cookie), gm, "cookie {shown}");
    }

    fn refuse(&self, token: &str) {
        self.expect(token, false);
    }
}

/// Whether a socket gets beyond the door: SpellTable's opens, our own is welcomed.
fn opens(server: &TestServer, path: &str, bearer: &str) -> bool {
    // Not every text can be a header's value.
    let Ok(value) = tungstenite::http::HeaderValue::from_str(bearer) else {
        return false;
    };
    let value = value.to_str().unwrap_or_default();
    match server.websocket_at(path, &[("authorization", value)]) {
        Err(tungstenite::Error::Http(answer)) => {
            assert_eq!(answer.status(), 403);
            false
        }
        Err(other) => panic!("{other}"),
        Ok(mut socket) if path.starts_with("/ws/table") => {
            socket.say(r#"{"type":"hello","proto":1,"table":"main","name":"x"}"#);
            match socket.0.read().unwrap() {
                tungstenite::Message::Close(frame) => {
                    assert_eq!(u16::from(frame.unwrap().code), 4401);
                    false
                }
                message => message.to_text().unwrap().contains("welcome"),
            }
        }
        Ok(_) => true,
    }
}

#[test]
fn no_header_says_how_a_token_is_checked() {
    let bench = Bench::new();
    let payload = bench.payload.to_string();
    let algorithms = [
        "none", "None", "NONE", "nOnE", "noNe", "", " ", "hs256", "HS384", "HS512", "RS256",
        "RS512", "PS256", "ES256", "EdDSA", "HS256 ", "dir",
    ];
    for alg in algorithms {
        let header = json!({"alg": alg, "typ": "JWT"}).to_string();
        let signed = sign(&header, &payload, &bench.key);
        let (message, _) = signed.rsplit_once('.').unwrap();
        bench.refuse(&signed);
        bench.refuse(&format!("{message}."));
    }
    for header in [
        json!({"typ": "JWT"}),
        json!({"alg": null}),
        json!({"alg": ["HS256"]}),
        json!({"alg": {"HS256": 1}}),
        json!({"alg": "HS256", "crit": ["exp"], "exp": 1}),
        json!({"alg": "HS256", "crit": ["b64"], "b64": false}),
        json!([]),
        json!("HS256"),
        json!(null),
    ] {
        bench.refuse(&sign(&header.to_string(), &payload, &bench.key));
    }
    let twice = r#"{"alg":"none","alg":"HS256"}"#;
    bench.refuse(&sign(twice, &payload, &bench.key));
}

#[test]
fn no_other_key_signs() {
    let bench = Bench::new();
    let payload = bench.payload.to_string();
    let private = bench.house.server.path(".tablekeep");
    let raw = std::fs::read(private.join("key")).unwrap();
    let keys = Keys::open(&private).unwrap();
    let others: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        vec![0; 32],
        b"secret".into(),
        b"account".into(),
        b"open sesame".into(),
        raw.clone(),
        base64(&raw).into_bytes(),
        base64(bench.key).into_bytes(),
        keys.derive("table cookie", b"").into(),
        keys.derive("GM cookie", b"").into(),
        keys.derive("account device cookie", b"").into(),
        keys.derive("account token", b"x").into(),
        keys.derive("session token", b"").into(),
        keys.derive("user token", b"").into(),
    ];
    for key in others {
        bench.refuse(&sign(&bench.header, &payload, &key));
    }
    // Nor one that the token brings along, or says where to find.
    let own = b"the attacker's own key";
    for header in [
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": base64(own)}}),
        json!({"alg": "HS256", "kid": "../../../dev/null"}),
        json!({"alg": "HS256", "kid": "key"}),
        json!({"alg": "HS256", "kid": "x' UNION SELECT 'key"}),
        json!({"alg": "HS256", "jku": "http://127.0.0.1:9/keys.json"}),
        json!({"alg": "HS256", "x5u": "http://127.0.0.1:9/cert.pem"}),
        json!({"alg": "HS256", "x5c": [STANDARD.encode(own)]}),
    ] {
        let header = header.to_string();
        bench.refuse(&sign(&header, &payload, own));
        bench.refuse(&sign(&header, &payload, b""));
    }
}

#[test]
fn no_claim_is_missing_of_another_kind_or_another_time() {
    let bench = Bench::new();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let past = now - LEEWAY.as_secs() - 60;
    let claims = [
        ("exp", None),
        ("exp", Some(json!(past))),
        ("exp", Some(json!(0))),
        ("exp", Some(json!(-1))),
        ("exp", Some(json!((now + 60).to_string()))),
        ("exp", Some(json!((now + 60) as f64 + 0.5))),
        ("exp", Some(json!(1e300))),
        ("exp", Some(json!(true))),
        ("exp", Some(json!([now + 60]))),
        ("exp", Some(Value::Null)),
        ("iat", None),
        ("iat", Some(json!(now + 3_600))),
        ("nbf", Some(json!(now + 3_600))),
        ("nbf", Some(json!("never"))),
        ("aud", None),
        ("aud", Some(json!("user"))),
        ("aud", Some(json!("session"))),
        ("aud", Some(json!("Account"))),
        ("aud", Some(json!(["account"]))),
        ("aud", Some(json!(["account", "user"]))),
        ("aud", Some(Value::Null)),
        ("sub", None),
        ("sub", Some(json!(1))),
        ("uid", None),
        ("uid", Some(json!("1"))),
        ("uid", Some(json!(0))),
        ("uid", Some(json!(2))),
        ("uid", Some(json!(-1))),
        ("uid", Some(json!(1.5))),
        ("uid", Some(json!([1]))),
        ("uid", Some(json!(u64::MAX))),
        ("generation", None),
        ("generation", Some(json!(0))),
        ("generation", Some(Value::Null)),
        ("jti", None),
        ("jti", Some(json!(""))),
        ("jti", Some(json!("x".repeat(22)))),
        ("jti", Some(json!("A".repeat(23)))),
        ("jti", Some(json!("A".repeat(1_000)))),
        ("jti", Some(json!(1))),
    ];
    for (name, value) in claims {
        // As it is, or the attack would be none.
        assert_ne!(bench.payload.get(name), value.as_ref());
        bench.refuse(&bench.with(name, value));
    }
    let payload = bench.payload.to_string();
    for (text, twice) in [
        ("\"exp\"", "\"exp\":1,\"exp\""),
        ("\"uid\"", "\"uid\":2,\"uid\""),
        ("\"aud\"", "\"aud\":\"user\",\"aud\""),
    ] {
        let payload = payload.replace(text, twice);
        bench.refuse(&sign(&bench.header, &payload, &bench.key));
    }
    for payload in ["", "{}", "[]", "null", "1", "{"] {
        bench.refuse(&sign(&bench.header, payload, &bench.key));
    }
    // What nobody knows here does not matter, and gives nothing.
    let viewer = bench.house.viewer("vera");
    let parts: Vec<_> = viewer.split('.').collect();
    let mut payload = decoded(parts[1]);
    payload["role"] = json!("admin");
    payload["is_admin"] = json!(true);
    payload["sub"] = json!("Anna");
    let bearer = format!("Bearer {}", bench.right(&payload));
    let header = [("authorization", bearer.as_str())];
    assert_eq!(bench.ask("/auth/me", &header).value()["username"], "vera");
    assert_eq!(bench.ask("/auth/users", &header).status, 403);
    assert_eq!(bench.ask("/maps/list", &header).status, 403);
}

#[test]
fn no_token_with_a_scratch_counts() {
    let bench = Bench::new();
    let token = &bench.house.admin;
    let (message, tag) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let scratched = [
        ".".to_owned(),
        "..".into(),
        "...".into(),
        message.to_owned(),
        format!("{message}."),
        format!("{message}.{}", &tag[..tag.len() - 1]),
        format!("{message}.{}", &tag[..4]),
        format!("{message}.{tag}="),
        format!("{message}.{tag}A"),
        format!("{message}.{}", base64([0; 32])),
        format!("{message}.{}", STANDARD.encode(tag)),
        format!("{token}.{tag}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{header}..{tag}"),
        format!(".{payload}.{tag}"),
        format!("{header}.{}.{tag}", base64("{}")),
        format!("{payload}.{header}.{tag}"),
        token.to_uppercase(),
        token.replace('.', "%2E"),
        token.replace('.', ","),
        format!("{header}.{}.{tag}", payload.replace('e', "f")),
        format!("\"{token}\""),
    ];
    for text in &scratched {
        bench.refuse(text);
    }
    for at in (0..token.len()).step_by(40) {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        if bytes != token.as_bytes() {
            bench.refuse(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

#[test]
fn no_long_token_counts_or_costs() {
    let bench = Bench::new();
    let mut payload = bench.payload.clone();
    payload["more"] = json!("x".repeat(MAX_TOKEN_BYTES));
    bench.refuse(&bench.right(&payload));
    bench.refuse(&"A".repeat(60_000));
    for bytes in [128 << 10, 1 << 20] {
        let bearer = format!("Bearer {}", "a".repeat(bytes));
        let answer = bench.ask("/auth/me", &[("authorization", &bearer)]);
        assert!((400..500).contains(&answer.status), "{}", answer.status);
    }
    bench.expect(&bench.house.admin, true);
}

#[test]
fn a_token_counts_nowhere_else_than_in_its_header() {
    let bench = Bench::new();
    let token = &bench.house.admin;
    let bearer = format!("Bearer {token}");
    let gm = |path: &str, headers: &[(&str, &str)]| bench.ask(path, headers).status;
    let forms = [
        ("authorization", token.clone()),
        ("authorization", format!("Token {token}")),
        ("authorization", format!("Basic {token}")),
        ("authorization", format!("Bearer: {token}")),
        ("authorization", format!("Bearer\t{token}")),
        ("authorization", format!("Bearer  {token}")),
        ("authorization", format!("Bearer {token}, Bearer {token}")),
        ("authorization", format!("Bearer {token} {token}")),
        ("authorization", format!("Bearer token={token}")),
        ("x-authorization", bearer.clone()),
        ("proxy-authorization", bearer.clone()),
        ("cookie", format!("tablekeep-gm={token}")),
        ("cookie", format!("tablekeep-table={token}")),
        ("cookie", format!("authorization={bearer}")),
        ("cookie", format!("tablekeep-account=\"{token}\"")),
    ];
    for (name, value) in &forms {
        assert_eq!(
            gm("/maps/list", &[(name, value)]),
            403,
            "{name}: {value:.20}"
        );
    }
    for query in ["token", "access_token", "authorization"] {
        assert_eq!(gm(&format!("/maps/list?{query}={token}"), &[]), 403);
    }
    // Of two headers the first counts, whichever is the better one.
    let two = [
        ("authorization", "Bearer x"),
        ("authorization", bearer.as_str()),
    ];
    assert_eq!(gm("/maps/list", &two), 403);
    // Nor does any other of the server's secrets count as a token.
    let cookies = bench
        .house
        .server
        .post("/signin", &json!({"password": "open sesame"}));
    for pair in cookies.cookies().split("; ") {
        bench.refuse(pair.split_once('=').unwrap().1);
    }
}
