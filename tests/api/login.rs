//! Login, rooms, and where they are: Scalable Chat's backend.

use crate::support::{Answer, TestServer, raw, start, start_in, start_with};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

pub fn log_in(server: &TestServer, user: &str) -> String {
    let answer = server.post("/api/login", &json!({"userId": user}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some(JSON));
    answer.value()["token"].as_str().unwrap().to_owned()
}

pub fn ask(server: &TestServer, method: &str, path: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    server.send(method, path, &[("authorization", &bearer)], b"")
}

pub fn make_room(server: &TestServer, token: &str) -> String {
    let answer = ask(server, "POST", "/api/rooms", token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some(JSON));
    answer.value()["roomId"].as_str().unwrap().to_owned()
}

/// Where a room is, and the session token.
pub fn find_room(server: &TestServer, token: &str, room: &str) -> (String, String) {
    let answer = ask(server, "GET", &format!("/api/rooms/{room}"), token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some(JSON));
    let place = answer.value();
    let text = |key: &str| place[key].as_str().unwrap().to_owned();
    (text("host"), text("token"))
}

/// What a token says.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// A token of anybody's making.
pub fn forge(header: &Value, claims: &Value, key: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    let tag = mac.chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn text_of(answer: &Answer) -> (u16, String, Option<&str>) {
    (answer.status, answer.text(), answer.header("content-type"))
}

#[test]
fn somebody_logs_in_makes_a_room_and_is_told_where_it_is() {
    let server = start();
    let user = log_in(&server, "  alice ");
    let said = claims(&user);
    assert_eq!(
        (&said["userId"], &said["sub"], &said["aud"]),
        (&json!("alice"), &json!("alice"), &json!("user"))
    );
    let week = 7 * 24 * 60 * 60;
    assert_eq!(
        said["exp"].as_u64().unwrap() - said["iat"].as_u64().unwrap(),
        week
    );
    let room = make_room(&server, &user);
    assert!(
        room.len() == 16
            && room
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    );
    let (host, token) = find_room(&server, &user, &room);
    assert_eq!(host, format!("localhost:{}", server.addr.port()));
    let said = claims(&token);
    assert_eq!(
        (
            &said["userId"],
            &said["roomId"],
            &said["host"],
            &said["aud"]
        ),
        (
            &json!("alice"),
            &json!(room),
            &json!(host),
            &json!("session")
        )
    );
    assert_eq!(
        said["exp"].as_u64().unwrap() - said["iat"].as_u64().unwrap(),
        300
    );
    assert!(said["jti"].as_str().unwrap().len() > 16);
    // A trailing slash, and HEAD, are fine.
    let path = format!("/api/rooms/{room}/");
    assert_eq!(ask(&server, "GET", &path, &user).status, 200);
    let head = ask(&server, "HEAD", &path, &user);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(!server.log().contains(&user) && !server.log().contains(&token));
}

#[rstest]
#[case::a_number(br#"{"userId":5}"#, 400, "invalid_user_id")]
#[case::none(b"{}", 400, "invalid_user_id")]
#[case::null(br#"{"userId":null}"#, 400, "invalid_user_id")]
#[case::blank(br#"{"userId":"  "}"#, 400, "invalid_user_id")]
#[case::a_control_character(b"{\"userId\":\"a\\u0000b\"}", 400, "invalid_user_id")]
#[case::a_list(b"[1]", 400, "invalid_user_id")]
#[case::a_text(b"\"alice\"", 400, "invalid_user_id")]
#[case::half_of_it(br#"{"userId":"#, 400, "invalid_json")]
#[case::nothing(b"", 400, "invalid_json")]
#[case::a_form(b"userId=alice", 400, "invalid_json")]
#[case::not_utf8(b"{\"userId\":\"\xff\"}", 400, "invalid_json")]
fn a_login_without_a_name_is_refused(#[case] body: &[u8], #[case] status: u16, #[case] code: &str) {
    let server = start();
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ] {
        let answer = server.send("POST", "/api/login", &[("content-type", kind)], body);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some(JSON))
        );
        let said = answer.value();
        assert_eq!(said["error"], code, "{said}");
        assert!(said["message"].is_string() && said.as_object().unwrap().len() == 2);
    }
}

#[test]
fn a_login_is_json_whatever_it_says_it_is_and_not_too_large() {
    let server = start();
    let body = br#"{"more":[1,{}],"userId":"bob"}"#;
    for headers in [&[][..], &[("content-type", "text/plain")]] {
        assert_eq!(server.send("POST", "/api/login", headers, body).status, 200);
    }
    let long = json!({"userId": "x".repeat(65)});
    assert_eq!(server.post("/api/login", &long).status, 400);
    let larger = json!({"userId": "x", "more": "y".repeat(100 << 10)});
    let answer = server.post("/api/login", &larger);
    assert_eq!(
        (answer.status, &answer.value()["error"]),
        (413, &json!("too_large"))
    );
    let claimed = format!(
        "POST /api/login HTTP/1.1\r\nhost: {}\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\n{{",
        server.addr
    );
    assert_eq!(raw(server.addr, claimed.as_bytes()).status, 413);
}

#[test]
fn without_a_token_there_is_one_word() {
    let server = start();
    let user = log_in(&server, "alice");
    let room = make_room(&server, &user);
    let (_, session) = find_room(&server, &user, &room);
    let headers = [
        String::new(),
        user.clone(),
        format!("Bearer  {user}"),
        format!("Bearer {user} x"),
        format!("Basic {user}"),
        "Bearer".into(),
        format!("Bearer {session}"),
    ];
    for authorization in &headers {
        for (method, path) in [
            ("POST", "/api/rooms".into()),
            ("GET", format!("/api/rooms/{room}")),
        ] {
            let answer = server.send(method, &path, &[("authorization", authorization)], b"");
            let expected = (403, "Forbidden".to_owned(), Some(TEXT));
            assert_eq!(text_of(&answer), expected, "{method} {authorization}");
        }
    }
    for scheme in ["bearer", "BEARER"] {
        let authorization = format!("{scheme} {user}");
        let headers = [("authorization", authorization.as_str())];
        assert_eq!(
            server
                .send("POST", "/api/rooms", &headers, b"{\"any\":")
                .status,
            200
        );
    }
}

#[test]
fn rooms_that_nobody_made_are_not_found_and_not_made() {
    let server = start();
    let user = log_in(&server, "alice");
    let long = "x".repeat(64);
    let longer = "x".repeat(65);
    for room in [
        "k3v9x2qa7m1c5t8z",
        "__proto__",
        "constructor",
        &long,
        &longer,
        "a%20b",
        "%00",
        "a.b",
    ] {
        for _ in 0..2 {
            let answer = ask(&server, "GET", &format!("/api/rooms/{room}"), &user);
            assert_eq!(
                text_of(&answer),
                (404, "Not Found".into(), Some(TEXT)),
                "{room}"
            );
        }
    }
}

#[test]
fn other_methods_are_told_which_ones_there_are() {
    let mut server = start_with(&["--speak", "login@0"]);
    let login = server.listener("login");
    for addr in [server.addr, login] {
        for (method, path, allow) in [
            ("GET", "/api/login", "POST"),
            ("PUT", "/api/login", "POST"),
            ("GET", "/api/rooms", "POST"),
            ("DELETE", "/api/rooms/x", "GET, HEAD"),
            ("POST", "/api/rooms/x", "GET, HEAD"),
            ("OPTIONS", "/api/login", "POST"),
        ] {
            let answer = crate::support::send_to(addr, method, path, &[], b"");
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some(allow)),
                "{method} {path}"
            );
        }
        let answer = crate::support::send_to(addr, "GET", "/api/other", &[], b"");
        assert_eq!(answer.status, 404);
    }
    assert_eq!(
        crate::support::send_to(login, "GET", "/maps/list", &[], b"").status,
        404
    );
}

#[test]
fn pages_of_allowed_origins_may_ask_first_and_no_others() {
    let server = start_with(&["--allow-origin", "https://chat.example"]);
    let ask = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "authorization,content-type",
            ),
        ];
        server.send("OPTIONS", "/api/rooms", &headers, b"")
    };
    let allowed = ask("https://chat.example");
    assert_eq!((allowed.status, allowed.body.len()), (204, 0));
    let header = |name| allowed.header(name).unwrap().to_owned();
    assert_eq!(
        header("access-control-allow-origin"),
        "https://chat.example"
    );
    assert_eq!(
        header("access-control-allow-headers"),
        "authorization,content-type"
    );
    let refused = ask("https://evil.example");
    assert_eq!(
        (
            refused.status,
            refused.header("access-control-allow-origin")
        ),
        (400, None)
    );
    let plain = server.post("/api/login", &json!({"userId": "x"}));
    assert_eq!(plain.header("access-control-allow-origin"), None);
}

#[test]
fn too_many_from_one_address_wait() {
    let server = start_with(&[
        "--session-login-rate",
        "3",
        "--session-create-rate",
        "2",
        "--session-lookup-rate",
        "1",
    ]);
    let user = log_in(&server, "alice");
    let refused = |answer: Answer| {
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (429, Some(JSON))
        );
        assert_eq!(answer.value()["error"], "rate_limited");
        assert!(
            answer
                .header("retry-after")
                .unwrap()
                .parse::<u64>()
                .unwrap()
                >= 1
        );
    };
    let room = make_room(&server, &user);
    make_room(&server, &user);
    refused(ask(&server, "POST", "/api/rooms", &user));
    find_room(&server, &user, &room);
    refused(ask(&server, "GET", &format!("/api/rooms/{room}"), &user));
    log_in(&server, "bob");
    log_in(&server, "carol");
    refused(server.post("/api/login", &json!({"userId": "dave"})));
}

#[test]
fn rooms_and_logins_survive_a_restart_and_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_in(folder.path(), &[]);
    let user = log_in(&server, "alice");
    let room = make_room(&server, &user);
    server.kill();
    let server = start_in(folder.path(), &[]);
    let (_, token) = find_room(&server, &user, &room);
    assert_eq!(claims(&token)["roomId"], room.as_str());
}

#[test]
fn the_operators_secret_signs_and_is_never_shown() {
    let server = start_with(&[
        "--jwt-secret",
        SECRET,
        "--public-host",
        "localhost:1234,other.example",
    ]);
    let header = json!({"alg": "HS256", "typ": "JWT"});
    // Nobody needs to name it.
    let right = json!({"userId": "alice", "iat": now(), "exp": now() + 60, "aud": "user"});
    let token = forge(&header, &right, SECRET.as_bytes());
    let room = make_room(&server, &token);
    let (host, session) = find_room(&server, &token, &room);
    assert_eq!(host, "localhost:1234");
    let (message, tag) = session.rsplit_once('.').unwrap();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let made = mac.chain_update(message).finalize().into_bytes();
    assert_eq!(tag, URL_SAFE_NO_PAD.encode(made));
    assert!(!server.log().contains(SECRET) && !server.log().contains(&session));
}

/// What attackers send in the place of a token; each is refused alike, by login and by session servers.
pub fn mutations(token: &str, claims: &Value, key: &[u8], host: &str) -> Vec<String> {
    let right = json!({"alg": "HS256", "typ": "JWT"});
    let mut tried = Vec::new();
    for alg in [
        "none", "None", "NONE", "nOnE", "HS384", "HS512", "RS256", "ES256", "PS256", "hs256", "",
    ] {
        let forged = forge(&json!({"alg": alg, "typ": "JWT"}), claims, key);
        tried.push(format!("{}.", forged.rsplit_once('.').unwrap().0));
        tried.push(forged);
    }
    for header in [
        json!({"typ": "JWT"}),
        json!({"alg": "HS256", "crit": ["exp"]}),
        json!({"alg": ["HS256"]}),
    ] {
        tried.push(forge(&header, claims, key));
    }
    for header in [
        json!({"alg": "HS256", "kid": "/dev/null"}),
        json!({"alg": "HS256", "jku": "http://127.0.0.1:9/"}),
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": ""}}),
    ] {
        for key in [&b""[..], b"\0", b"key", host.as_bytes()] {
            tried.push(forge(&header, claims, key));
        }
    }
    for (name, value) in [
        ("exp", Value::Null),
        ("exp", json!(now() - 3600)),
        ("exp", json!((now() + 60).to_string())),
        ("exp", json!(-1)),
        ("exp", json!(1e20)),
        ("iat", json!(now() + 3600)),
        ("nbf", json!(now() + 3600)),
        ("aud", json!("admin")),
        ("aud", json!(["user", "session"])),
        ("aud", Value::Null),
        ("userId", json!("")),
        ("userId", json!(7)),
        ("userId", Value::Null),
    ] {
        let mut claims = claims.clone();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.into(), value),
        };
        tried.push(forge(&right, &claims, key));
    }
    let (message, tag) = token.rsplit_once('.').unwrap();
    let mut mallory = claims.clone();
    mallory["userId"] = json!("mallory");
    let other = forge(&right, &mallory, key);
    tried.extend([
        format!("{message}.{}", &tag[..tag.len() - 2]),
        format!("{message}."),
        message.to_owned(),
        format!("{}.{tag}", other.rsplit_once('.').unwrap().0),
        format!("{token}{tag}"),
        token.to_uppercase(),
        "x".repeat(6000),
        "undefined".into(),
    ]);
    tried
}

#[test]
fn no_tampered_login_is_believed() {
    let server = start_with(&["--jwt-secret", SECRET]);
    let token = log_in(&server, "alice");
    let tried = mutations(&token, &claims(&token), SECRET.as_bytes(), "localhost:8000");
    assert!(tried.len() >= 40, "{}", tried.len());
    for tampered in &tried {
        let answer = ask(&server, "POST", "/api/rooms", tampered);
        assert_eq!(
            text_of(&answer),
            (403, "Forbidden".into(), Some(TEXT)),
            "{tampered}"
        );
    }
    // A megabyte ends nothing.
    let long = format!("Bearer {}", "x".repeat(1 << 20));
    let answer = server.send("POST", "/api/rooms", &[("authorization", &long)], b"");
    assert!((400..=431).contains(&answer.status), "{}", answer.status);
    make_room(&server, &token);
}

#[test]
fn operators_read_where_the_backend_listens() {
    let mut server = start_with(&["--speak", "login@0", "--speak", "session@0"]);
    let login = server.listener("login");
    let user = log_in(&server, "alice");
    let room = make_room(&server, &user);
    let answer = crate::support::send_to(
        login,
        "GET",
        &format!("/api/rooms/{room}"),
        &[("authorization", &format!("Bearer {user}"))],
        b"",
    );
    let mut host = answer.value()["host"].as_str().unwrap().to_owned();
    server.terminate();
    let rest = server.rest_of_output();
    let lines: Vec<_> = rest.lines().collect();
    assert_eq!(lines[0], format!("Listening on *:{}", login.port()));
    // Rooms are on the port that is theirs alone.
    let port = host.split_off("localhost:".len());
    assert!(lines[1].ends_with(&format!("127.0.0.1:{port}")), "{rest}");
}

#[test]
fn the_backends_port_serves_its_clients_build() {
    let build = tempfile::tempdir().unwrap();
    std::fs::write(build.path().join("index.html"), "<p>the client").unwrap();
    let client = |name: &str| format!("{name}={}", build.path().display());
    let mut server = start_with(&[
        "--speak",
        "login@0,session@0",
        "--client",
        &client("login"),
        "--client",
        &client("session"),
    ]);
    let login = server.listener("login");
    let get = |addr, path: &str| crate::support::send_to(addr, "GET", path, &[], b"");
    assert_eq!(get(login, "/").text(), "<p>the client");
    assert_eq!(get(login, "/room/abc").text(), "<p>the client");
    assert_eq!(get(login, "/api/rooms").status, 405);
}
