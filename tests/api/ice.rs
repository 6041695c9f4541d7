//! `/api/ice`, `/api/turn`, `/api/peerjs`: for whom, and what they say.

use crate::support::{Answer, TestServer, start, start_in, start_with, websocket_on};
use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use rstest::rstest;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const SERVERS: [&str; 6] = [
    "--stun",
    "stun:stun.example:3478",
    "--turn",
    "turn:turn.example:3478?transport=udp,turns:turn.example:5349?transport=tcp",
    "--turn-secret",
    "north,south",
];
const NOT_GM: [&str; 2] = ["--loopback-gm", "false"];

fn now_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Checks that the name lasts for `ttl` and that the password is the one that the secret makes.
fn counts(username: &Value, password: &Value, secret: &str, ttl: u64) {
    let username = username.as_str().unwrap();
    let (expiry, user) = username.split_once(':').unwrap();
    let expiry: u64 = expiry.parse().unwrap();
    assert!(expiry.abs_diff(now_seconds() + ttl) <= 5, "{expiry}");
    assert!(!user.is_empty());
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(username.as_bytes());
    let expected = base64::prelude::BASE64_STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(password.as_str(), Some(expected.as_str()));
}

/// Stays connected as long as it is not dropped.
fn socket(server: &TestServer, path: &str) -> crate::support::Socket {
    let stream = TcpStream::connect(server.addr).unwrap();
    let url = format!("ws://{}{path}", server.addr);
    websocket_on(stream, &url, &[]).unwrap().0
}

fn is_refused(answer: &Answer) -> bool {
    assert!(matches!(answer.status, 200 | 403), "{}", answer.text());
    answer.status == 403
}

#[test]
fn members_get_servers_with_passwords_that_expire() {
    let server = start_with(&[&SERVERS[..], &["--turn-ttl", "7200"]].concat());
    let answer = server.get("/api/ice");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.value();
    let turn = &body["iceServers"][1];
    counts(&turn["username"], &turn["credential"], "north", 7200);
    assert_eq!(
        body["iceServers"][0],
        json!({"urls": ["stun:stun.example:3478"]})
    );
    let urls = json!([
        "turn:turn.example:3478?transport=udp",
        "turns:turn.example:5349?transport=tcp"
    ]);
    assert_eq!((&turn["urls"], &body["ttl"]), (&urls, &json!(7200)));
    let expires = body["expiresAt"].as_str().unwrap();
    assert!(
        expires.ends_with(":00.000Z") || expires.len() == 24,
        "{expires}"
    );

    let answer = server.get("/api/turn?service=turn");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.value();
    counts(&body["username"], &body["password"], "north", 7200);
    assert_eq!((&body["uris"], &body["ttl"]), (&urls, &json!(7200)));
    assert_eq!(body.as_object().unwrap().len(), 4);
    for query in ["", "?service=stun", "?service="] {
        assert_eq!(
            server.get(&format!("/api/turn{query}")).status,
            400,
            "{query}"
        );
    }

    let answer = server.get("/api/peerjs");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut body = answer.value();
    let turn = &body["config"]["iceServers"][1];
    counts(&turn["username"], &turn["credential"], "north", 7200);
    body["config"] = Value::Null;
    let expected = json!({
        "host": "127.0.0.1", "port": server.addr.port(), "path": "/peerjs", "key": "peerjs",
        "secure": false, "config": null, "pingInterval": 5000,
    });
    assert_eq!(body, expected);
}

#[test]
fn without_servers_there_is_nothing_to_say() {
    let server = start();
    assert_eq!(server.get("/api/ice").value()["iceServers"], json!([]));
    assert_eq!(server.get("/api/turn?service=turn").status, 404);
    assert_eq!(
        server.get("/api/peerjs").value()["config"],
        json!({"iceServers": []})
    );
    // These paths are no other spelling of something.
    for path in ["/ice", "/turn", "/api/ice/x"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert_eq!(server.get("/api/ice/").status, 200);
}

#[rstest]
#[case::a_table(Some("/ws"))]
#[case::a_peerjs_client(Some("/peerjs?key=peerjs&id=a&token=t"))]
#[case::no_room_of_another_system(None)]
fn who_takes_part_is_a_member_as_long_as_that(#[case] path: Option<&str>) {
    let server = start_with(&[&SERVERS[..], &NOT_GM].concat());
    assert!(is_refused(&server.get("/api/ice")));
    assert_eq!(server.get("/api/turn?service=turn").status, 403);
    // Without a password everybody may know where the broker is.
    let servers = server.get("/api/peerjs").value()["config"]["iceServers"].clone();
    assert_eq!(servers, json!([{"urls": ["stun:stun.example:3478"]}]));
    let Some(path) = path else {
        let _nexus = socket(&server, "/ws/nexus").hear();
        let _chat = socket(&server, "/ws/chat");
        assert!(is_refused(&server.get("/api/ice")));
        return;
    };
    let mut member = socket(&server, path);
    let _ = member.hear();
    assert!(!is_refused(&server.get("/api/ice")));
    let servers = server.get("/api/peerjs").value()["config"]["iceServers"].clone();
    assert!(servers[1]["credential"].is_string());
    // From elsewhere, by another page, or through a proxy, it is somebody else.
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("x-forwarded-for", "127.0.0.1"),
        ("via", "1.1 proxy"),
    ] {
        let answer = server.send("GET", "/api/ice", &[(name, value)], b"");
        assert!(is_refused(&answer), "{name}");
    }
    #[cfg(target_os = "linux")]
    {
        let head = b"GET /api/ice HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        assert!(is_refused(&crate::support::raw_from(
            "127.0.0.2",
            server.addr,
            head
        )));
    }
    drop(member);
    while !is_refused(&server.get("/api/ice")) {
        std::thread::yield_now();
    }
}

#[test]
fn a_hello_makes_a_member_and_an_open_socket_does_not() {
    let server = start_with(&[&SERVERS[..], &NOT_GM].concat());
    let mut table = socket(&server, "/ws/table");
    assert!(is_refused(&server.get("/api/ice")));
    table.say(r#"{"type":"hello","proto":1,"table":"main","name":"Ann"}"#);
    table.hear();
    assert!(!is_refused(&server.get("/api/ice")));
    let mut refused = socket(&server, "/peerjs?key=wrong&id=a&token=t");
    refused.hear();
    drop(table);
    while !is_refused(&server.get("/api/ice")) {
        std::thread::yield_now();
    }
}

#[test]
fn who_has_joined_a_table_is_a_member() {
    let folder = tempfile::tempdir().unwrap();
    let code = {
        let gm = start_in(folder.path(), &[]);
        let table = gm.post("/tables", &json!({"name": "Crypt"})).value();
        table["code"].as_str().unwrap().to_owned()
    };
    let flags = [&SERVERS[..], &NOT_GM, &["--players", "code"]].concat();
    let server = start_in(folder.path(), &flags);
    assert!(is_refused(&server.get("/api/ice")));
    let joined = server.post("/tables/join", &json!({"code": code}));
    let cookies = joined.cookies();
    let behind_a_proxy = [
        ("cookie", cookies.as_str()),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    let answer = server.send("GET", "/api/ice", &behind_a_proxy, b"");
    assert!(!is_refused(&answer));
}

#[test]
fn behind_a_proxy_the_token_proves_the_registration() {
    let server = start_with(&[&SERVERS[..], &NOT_GM].concat());
    let _peer = socket(&server, "/peerjs?key=peerjs&id=a%20b&token=mine").hear();
    let mut peer = socket(&server, "/peerjs?key=peerjs&id=c&token=mine");
    peer.hear();
    let ask = |query: &str, token: &str| {
        let token = format!("Bearer {token}");
        let headers = [("via", "1.1 proxy"), ("authorization", token.as_str())];
        is_refused(&server.send("GET", &format!("/api/ice?{query}"), &headers, b""))
    };
    assert!(!ask("id=c", "mine"));
    assert!(!ask("id=c&key=peerjs", "mine"));
    for (query, token) in [
        ("id=c", "yours"),
        ("id=b", "mine"),
        ("", "mine"),
        ("id=c&key=x", "mine"),
        ("id=", ""),
    ] {
        assert!(ask(query, token), "{query} {token}");
    }
}

#[test]
fn asking_without_end_is_slowed_down() {
    let server = start_with(&["--ice-max-requests", "3"]);
    for path in ["/api/ice", "/api/turn?service=turn", "/api/peerjs"] {
        assert_ne!(server.get(path).status, 429);
    }
    let answer = server.get("/api/ice");
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn a_secret_in_a_file_may_be_changed_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "north\n").unwrap();
    let server = start_with(&["--turn", "turn:t", "--turn-secret-file", path]);
    for secret in ["north", "south"] {
        std::fs::write(&file, format!("{secret}\nformer\n")).unwrap();
        let turn = server.get("/api/turn?service=turn").value();
        counts(&turn["username"], &turn["password"], secret, 3600);
    }
    std::fs::remove_file(&file).unwrap();
    let answer = server.get("/api/ice");
    assert_eq!(answer.status, 500);
    assert!(!answer.text().contains("secrets"));
}

#[rstest]
#[case::no_secret(&["--turn", "turn:t"], "--turn-secret-file")]
#[case::no_file(&["--turn", "turn:t", "--turn-secret-file", "/no/such/file"], "/no/such/file")]
#[case::no_url(&["--turn", "http://t", "--turn-secret", "s"], "turn:HOST:PORT")]
#[case::no_stun(&["--stun", "turn:t"], "stun:HOST:PORT")]
fn what_cannot_work_ends_the_start(#[case] flags: &[&str], #[case] says: &str) {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tablekeep"));
    command
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.path());
    let output = command.args(flags).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(says), "{said}");
}

#[test]
fn the_page_that_came_over_tls_is_told_so() {
    let server = start();
    let told = |headers: &[(&str, &str)]| {
        let body = server.send("GET", "/api/peerjs", headers, b"").value();
        (
            body["host"].clone(),
            body["port"].clone(),
            body["secure"].clone(),
        )
    };
    let expected = |host: &str, port: u16, secure: bool| (json!(host), json!(port), json!(secure));
    assert_eq!(
        told(&[("host", "localhost")]),
        expected("localhost", 80, false)
    );
    let tls = [("host", "localhost"), ("x-forwarded-proto", "https")];
    assert_eq!(told(&tls), expected("localhost", 443, true));
    assert_eq!(
        told(&[("host", "[::1]:8010")]),
        expected("[::1]", 8010, false)
    );
}
