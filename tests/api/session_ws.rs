//! Session rooms over real sockets: every row of what is promised, and every defect that is not copied.

use crate::login::{self, SECRET, claims, find_room, forge, log_in, make_room, now};
use crate::support::{PATIENCE, Socket, TestServer, start, start_in, start_with};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::protocol::Message;

struct Member(Socket);

impl Member {
    fn hear(&mut self) -> Value {
        serde_json::from_str(&self.0.hear()).unwrap()
    }

    /// Everybody who is there, and everything that was said, as the next snapshot has it.
    fn state(&mut self) -> (Vec<String>, Vec<String>) {
        let snapshot = self.hear();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let users = snapshot["connectedUsers"].as_array().unwrap();
        let messages = snapshot["messages"].as_array().unwrap();
        let messages = messages.iter().map(|message| text(&message["msg"]));
        (users.iter().map(text).collect(), messages.collect())
    }

    fn say(&mut self, text: &str) {
        self.0.say(text);
    }

    fn closed(&mut self) -> (u16, String) {
        loop {
            match self.0.0.read() {
                Ok(Message::Close(Some(frame))) => {
                    return (frame.code.into(), frame.reason.as_str().to_owned());
                }
                Ok(_) => {}
                Err(error) => panic!("no close frame: {error}"),
            }
        }
    }
}

fn invite(server: &TestServer, user: &str, room: &str) -> String {
    find_room(server, &log_in(server, user), room).1
}

fn connect(server: &TestServer, path: &str) -> Member {
    Member(server.websocket_at(path, &[]).unwrap())
}

fn join(server: &TestServer, user: &str, room: &str) -> Member {
    connect(server, &format!("/?token={}", invite(server, user, room)))
}

/// Comes in, and hears of it.
fn enter(server: &TestServer, user: &str, room: &str) -> Member {
    let mut member = join(server, user, room);
    assert!(member.state().0.contains(&user.to_owned()));
    member
}

fn new_room(server: &TestServer) -> String {
    make_room(server, &log_in(server, "maker"))
}

fn refused(server: &TestServer, path: &str) -> (u16, String) {
    match server.websocket_at(path, &[]) {
        Err(tungstenite::Error::Http(answer)) => {
            let body = answer.body().clone().unwrap_or_default();
            (answer.status().as_u16(), String::from_utf8(body).unwrap())
        }
        other => panic!("{:?}", other.map(|_| "connected")),
    }
}

fn is_timestamp(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00.000Z";
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(found, wanted)| match wanted {
                b'0' => found.is_ascii_digit(),
                other => found == other,
            })
}

#[test]
fn everybody_sees_who_is_there_and_what_was_said() {
    let server = start();
    let room = new_room(&server);
    let mut alice = join(&server, "alice", &room);
    assert_eq!(
        alice.0.hear(),
        r#"{"messages":[],"connectedUsers":["alice"]}"#
    );
    let mut bob = join(&server, "bob", &room);
    for member in [&mut alice, &mut bob] {
        assert_eq!(
            member.0.hear(),
            r#"{"messages":[],"connectedUsers":["alice","bob"]}"#
        );
    }
    let text = " <b>Hello</b>,\n\"world\" 🎲 ";
    alice.say(text);
    for member in [&mut alice, &mut bob] {
        let raw = member.0.hear();
        assert!(
            raw.starts_with(r#"{"messages":[{"userId":"alice","msg":" <b>Hello"#),
            "{raw}"
        );
        assert!(
            raw.ends_with(r#""}],"connectedUsers":["alice","bob"]}"#),
            "{raw}"
        );
        let snapshot: Value = serde_json::from_str(&raw).unwrap();
        let message = snapshot["messages"][0].as_object().unwrap();
        assert_eq!(message["msg"], text);
        assert_eq!(message.keys().collect::<Vec<_>>(), ["userId", "msg", "ts"]);
        assert!(is_timestamp(message["ts"].as_str().unwrap()), "{message:?}");
    }
    drop(alice);
    assert_eq!(bob.state().0, ["bob"]);
    drop(bob);
    // What was said stays.
    let (users, texts) = join(&server, "carol", &room).state();
    assert_eq!(
        (users, texts),
        (vec!["carol".to_owned()], vec![text.to_owned()])
    );
}

#[test]
fn both_addresses_and_other_query_parameters_are_fine() {
    let mut server = start_with(&["--speak", "session@0"]);
    let own = server.listener("session");
    let room = new_room(&server);
    let token = |user: &str| invite(&server, user, &room);
    let paths = [
        format!("/?token={}", token("a")),
        format!("/session?token={}", token("b")),
        format!("/session?x=1&token={}&y=2", token("c")),
        format!("/api/session?token={}", token("d")),
    ];
    let mut members = Vec::new();
    for (count, path) in paths.iter().enumerate() {
        let mut member = connect(&server, path);
        assert_eq!(member.state().0.len(), count + 1);
        members.push(member);
    }
    for (user, path) in [("e", "/"), ("f", "/session"), ("g", "/anything/else")] {
        let url = format!("ws://{own}{path}?token={}", token(user));
        let (socket, _) =
            crate::support::websocket_on(TcpStream::connect(own).unwrap(), &url, &[]).unwrap();
        let mut member = Member(socket);
        assert!(member.state().0.contains(&user.to_owned()));
        members.push(member);
    }
    // Without a token `/` is the chat's, and on the session rooms' port nobody's.
    assert!(server.websocket_at("/", &[]).is_ok());
    let get = |path: &str| crate::support::send_to(own, "GET", path, &[], b"");
    assert_eq!((get("/").status, get("/x").status), (200, 404));
    let stream = TcpStream::connect(own).unwrap();
    assert!(crate::support::websocket_on(stream, &format!("ws://{own}/"), &[]).is_err());
}

#[test]
fn no_tampered_token_connects() {
    let server = start_with(&["--jwt-secret", SECRET]);
    let host = format!("localhost:{}", server.addr.port());
    let user = log_in(&server, "alice");
    let room = make_room(&server, &user);
    let (_, token) = find_room(&server, &user, &room);
    let said = claims(&token);
    let mut tried = login::mutations(&token, &said, SECRET.as_bytes(), &host);
    let header = json!({"alg": "HS256", "typ": "JWT"});
    for (name, value) in [
        ("roomId", json!("")),
        ("roomId", json!("a/b")),
        ("roomId", json!("x".repeat(65))),
        ("roomId", json!({"a": 1})),
        ("roomId", Value::Null),
        ("host", json!("localhost:1")),
        ("host", json!("")),
        ("host", json!(["localhost"])),
        ("aud", json!("user")),
    ] {
        let mut claims = said.clone();
        claims[name] = value;
        tried.push(forge(&header, &claims, SECRET.as_bytes()));
    }
    // The user's own token; and what once connected to anything: a key that everybody knows.
    tried.push(user);
    tried.push(forge(
        &header,
        &json!({"userId": "mallory", "roomId": room}),
        host.as_bytes(),
    ));
    tried.push(forge(&header, &said, host.as_bytes()));
    assert!(tried.len() >= 50, "{}", tried.len());
    let mut seen = enter(&server, "bob", &room);
    for tampered in &tried {
        for path in ["/?token=", "/session?token="] {
            let answer = refused(&server, &format!("{path}{tampered}"));
            assert_eq!(answer, (401, String::new()), "{tampered}");
        }
    }
    for path in [
        "/session",
        "/session?token",
        "/session?token=",
        "/?token=%ff",
        "/session?Token=x",
    ] {
        assert_eq!(refused(&server, path), (401, String::new()), "{path}");
    }
    // A megabyte in the address ends nothing.
    let mut stream = TcpStream::connect(server.addr).unwrap();
    let _ = write!(
        stream,
        "GET /?token={} HTTP/1.1\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let _ = stream.read(&mut [0; 16]);
    seen.say("still here");
    assert_eq!(seen.state().1, ["still here"]);
    let log = server.log();
    assert!(!log.contains(&token) && !tried.iter().any(|t| t.len() > 20 && log.contains(t)));
}

#[test]
fn a_room_may_be_called_as_prototypes_are() {
    let server = start_with(&["--jwt-secret", SECRET]);
    let host = format!("localhost:{}", server.addr.port());
    for room in ["__proto__", "constructor", "undefined"] {
        let said = json!({"userId": "mallory", "roomId": room, "host": host, "iat": now(), "exp": now() + 60, "aud": "session", "jti": "1"});
        let token = forge(&json!({"alg": "HS256"}), &said, SECRET.as_bytes());
        let mut member = connect(&server, &format!("/?token={token}"));
        assert_eq!(member.state(), (vec!["mallory".to_owned()], vec![]));
    }
}

#[test]
fn binary_messages_are_text_when_they_are_text() {
    let server = start();
    let room = new_room(&server);
    let mut alice = enter(&server, "alice", &room);
    alice.0.0.send(Message::binary(&b"as bytes"[..])).unwrap();
    assert_eq!(alice.state().1, ["as bytes"]);
    alice.0.0.send(Message::binary(&b"\xff\xfe"[..])).unwrap();
    assert_eq!(alice.closed().0, 1007);
}

#[test]
fn a_text_that_is_none_ends_nobody_elses_connection() {
    let server = start();
    let room = new_room(&server);
    let mut bob = enter(&server, "bob", &room);
    let mut alice = enter(&server, "alice", &room);
    assert_eq!(bob.state().0.len(), 2);
    // A masked text frame of one byte that is not UTF-8.
    alice
        .0
        .0
        .get_mut()
        .write_all(&[0x81, 0x81, 0, 0, 0, 0, 0xff])
        .unwrap();
    assert_eq!(alice.closed().0, 1007);
    assert_eq!(bob.state().0, ["bob"]);
    bob.say("still here");
    assert_eq!(bob.state().1, ["still here"]);
}

#[test]
fn what_is_too_long_or_too_large_is_dropped_or_closed() {
    let server = start();
    let room = new_room(&server);
    let mut alice = enter(&server, "alice", &room);
    let mut bob = enter(&server, "bob", &room);
    alice.state();
    for blank in ["", "  ", "\n"] {
        alice.say(blank);
    }
    alice.say(&"ä".repeat(1001));
    let told = alice.hear();
    assert_eq!(
        told["notice"],
        json!({"code": "message_too_long", "limit": 1000})
    );
    assert_eq!(told["messages"], json!([]));
    assert_eq!(told["connectedUsers"], json!(["alice", "bob"]));
    let long = "ä".repeat(1000);
    alice.say(&long);
    for member in [&mut alice, &mut bob] {
        let heard = member.hear();
        assert_eq!(heard["messages"][0]["msg"], long.as_str());
        assert_eq!(heard.get("notice"), None);
    }
    alice.say(&"x".repeat((64 << 10) + 1));
    assert_eq!(alice.closed().0, 1009);
    assert_eq!(bob.state().0, ["bob"]);
}

#[test]
fn a_burst_of_lines_passes_and_a_flood_is_told() {
    let server = start();
    let room = new_room(&server);
    let mut alice = enter(&server, "alice", &room);
    for n in 0..100 {
        alice.say(&format!("line {n}"));
    }
    for count in 1..=100 {
        let heard = alice.hear();
        assert_eq!(heard["messages"].as_array().unwrap().len(), count);
        assert_eq!(heard.get("notice"), None);
    }
    for _ in 0..300 {
        alice.say("flood");
    }
    let start = Instant::now();
    let told = loop {
        let heard = alice.hear();
        if heard.get("notice").is_some() {
            break heard;
        }
        assert!(start.elapsed() < PATIENCE);
    };
    assert_eq!(told["notice"], json!({"code": "rate_limited", "limit": 50}));
}

#[test]
fn somebody_who_is_there_cannot_be_there_twice() {
    let server = start();
    let room = new_room(&server);
    let mut alice = enter(&server, "alice", &room);
    let mut bob = enter(&server, "bob", &room);
    alice.state();
    // The one who is there must read, to answer the ping.
    let token = invite(&server, "alice", &room);
    let addr = server.addr;
    let second = std::thread::spawn(move || {
        let stream = TcpStream::connect(addr).unwrap();
        let url = format!("ws://{addr}/?token={token}");
        let mut second = Member(crate::support::websocket_on(stream, &url, &[]).unwrap().0);
        second.say("may I?");
        second.closed()
    });
    let start = Instant::now();
    while !second.is_finished() {
        alice
            .0
            .0
            .send(Message::Ping(b"x".as_slice().into()))
            .unwrap();
        assert!(matches!(
            alice.0.0.read().unwrap(),
            Message::Pong(_) | Message::Ping(_)
        ));
        assert!(start.elapsed() < PATIENCE);
    }
    assert_eq!(second.join().unwrap(), (1008, "Duplicate user".into()));
    // Neither has the first one lost its seat, nor did the second say anything.
    alice.say("still here");
    assert_eq!(
        alice.state(),
        (
            vec!["alice".into(), "bob".into()],
            vec!["still here".into()]
        )
    );
    assert_eq!(bob.state().1, ["still here"]);
    bob.say("and I");
    assert_eq!(alice.state().1, ["still here", "and I"]);
}

#[test]
fn a_connection_that_is_dead_gives_way() {
    let server = start();
    let room = new_room(&server);
    let mut bob = enter(&server, "bob", &room);
    // Nobody reads this one any more: no pong, no close.
    let _dead = enter(&server, "alice", &room);
    bob.state();
    let start = Instant::now();
    let mut alice = join(&server, "alice", &room);
    assert_eq!(alice.state().0, ["bob", "alice"]);
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert_eq!(bob.state().0, ["bob", "alice"]);
    alice.say("back");
    assert_eq!(
        (bob.state().1, alice.state().1),
        (vec!["back".into()], vec!["back".into()])
    );
    drop(_dead);
    alice.say("for good");
    assert_eq!(bob.state().0, ["bob", "alice"]);
}

#[test]
fn with_replace_the_newcomer_takes_the_seat_at_once() {
    let server = start_with(&["--session-duplicates", "replace"]);
    let room = new_room(&server);
    let mut first = enter(&server, "alice", &room);
    let mut second = enter(&server, "alice", &room);
    assert_eq!(first.closed(), (1008, "Replaced".into()));
    drop(first);
    second.say("me");
    assert_eq!(second.state(), (vec!["alice".into()], vec!["me".into()]));
}

#[test]
fn a_full_room_says_so_before_anything_else() {
    let server = start_with(&["--session-users", "2"]);
    let room = new_room(&server);
    let mut alice = enter(&server, "alice", &room);
    let mut bob = enter(&server, "bob", &room);
    alice.state();
    let mut carol = join(&server, "carol", &room);
    carol.say("hello?");
    match carol.0.0.read().unwrap() {
        Message::Close(Some(frame)) => {
            assert_eq!(
                (u16::from(frame.code), frame.reason.as_str()),
                (1008, "Room is full")
            );
        }
        other => panic!("{other:?}"),
    }
    bob.say("two is company");
    assert_eq!(
        alice.state(),
        (
            vec!["alice".into(), "bob".into()],
            vec!["two is company".into()]
        )
    );
    drop(bob);
    assert_eq!(alice.state().0, ["alice"]);
    enter(&server, "carol", &room);
}

#[test]
fn a_process_takes_as_many_rooms_with_people_in_them_as_it_is_told() {
    let server = start_with(&["--max-rooms-per-instance", "1"]);
    let user = log_in(&server, "alice");
    let (one, other) = (make_room(&server, &user), make_room(&server, &user));
    let alice = enter(&server, "alice", &one);
    let answer = login::ask(&server, "POST", "/api/rooms", &user);
    assert_eq!(
        (answer.status, &answer.value()["error"]),
        (503, &json!("no_capacity"))
    );
    assert!(answer.header("retry-after").is_some());
    assert_eq!(join(&server, "alice", &other).closed().0, 1013);
    enter(&server, "bob", &one);
    drop(alice);
    let start = Instant::now();
    while login::ask(&server, "POST", "/api/rooms", &user).status != 200 {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn who_fills_rooms_fills_only_the_own_share_of_them() {
    let server = start_with(&["--session-rooms-per-address", "2"]);
    let user = log_in(&server, "alice");
    let find = |room: &str| {
        let path = format!("/api/rooms/{room}");
        login::ask(&server, "GET", &path, &user).status
    };
    let (one, other) = (make_room(&server, &user), make_room(&server, &user));
    let alice = enter(&server, "alice", &one);
    // The empty one gives way, the other does not.
    let third = make_room(&server, &user);
    assert_eq!((find(&one), find(&other), find(&third)), (200, 404, 200));
    let bob = enter(&server, "bob", &third);
    let answer = login::ask(&server, "POST", "/api/rooms", &user);
    assert_eq!(
        (answer.status, &answer.value()["error"]),
        (503, &json!("no_capacity"))
    );
    let why = answer.value()["message"].as_str().unwrap().to_owned();
    assert!(why.contains("this address"), "{why}");
    // Somebody else is not concerned.
    #[cfg(target_os = "linux")]
    {
        let request = format!(
            "POST /api/rooms HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {user}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            server.addr
        );
        let answer = crate::support::raw_from("127.0.0.2", server.addr, request.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        // But who comes from here to a room that nobody is in opens one more.
        let room = answer.value()["roomId"].as_str().unwrap().to_owned();
        let closed = join(&server, "carol", &room).closed();
        assert_eq!(closed, (1013, "Too many rooms of this address".to_owned()));
    }
    drop((alice, bob));
    let start = Instant::now();
    while login::ask(&server, "POST", "/api/rooms", &user).status != 200 {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn differences_are_for_who_asks_for_them() {
    let server = start();
    let room = new_room(&server);
    let mut alice = enter(&server, "alice", &room);
    let token = invite(&server, "bob", &room);
    let mut bob = connect(&server, &format!("/?token={token}&v=2"));
    let snapshot = alice.hear();
    let first = bob.hear();
    assert_eq!((&first["v"], &first["snapshot"]), (&json!(2), &snapshot));
    let seq = first["seq"].as_u64().unwrap();
    alice.say("hi");
    let snapshot = alice.hear();
    let delta =
        json!({"v": 2, "seq": seq + 1, "add": [snapshot["messages"][0]], "join": [], "leave": []});
    assert_eq!(bob.hear(), delta);
    bob.say(&"x".repeat(1001));
    assert_eq!(bob.hear()["notice"]["code"], "message_too_long");
    drop(alice);
    let delta = json!({"v": 2, "seq": seq + 2, "add": [], "join": [], "leave": ["alice"]});
    assert_eq!(bob.hear(), delta);
}

#[test]
fn a_slow_reader_gets_the_newest_and_holds_nobody_up() {
    let server = start_with(&["--session-rate", "100000"]);
    let room = new_room(&server);
    let mut slow = enter(&server, "slow", &room);
    let token = invite(&server, "slower", &room);
    let mut slower = connect(&server, &format!("/?token={token}&v=2"));
    slow.state();
    let mut alice = enter(&server, "alice", &room);
    let text = "x".repeat(900);
    // Far more than what sockets and lanes hold.
    for n in 0..1500 {
        alice.say(&format!("{n} {text}"));
        let heard = alice.hear();
        let last = heard["messages"].as_array().unwrap().last().unwrap()["msg"]
            .as_str()
            .unwrap();
        assert!(last.starts_with(&format!("{n} ")));
    }
    let mut frames = 0;
    loop {
        frames += 1;
        let messages = slow.hear()["messages"].clone();
        let last = messages.as_array().unwrap().last();
        if last.is_some_and(|last| last["msg"].as_str().unwrap().starts_with("1499 ")) {
            break;
        }
    }
    assert!(frames < 1400, "{frames}");
    // One who takes differences gets a snapshot in their place, or all of them.
    let mut seq = slower.hear()["seq"].as_u64().unwrap();
    loop {
        let heard = slower.hear();
        let here = heard["seq"].as_u64().unwrap();
        let last = match heard.get("snapshot") {
            Some(snapshot) => snapshot["messages"].as_array().unwrap().last().cloned(),
            None => {
                assert_eq!(here, seq + 1);
                heard["add"].as_array().unwrap().last().cloned()
            }
        };
        seq = here;
        if last.is_some_and(|last| last["msg"].as_str().unwrap().starts_with("1499 ")) {
            break;
        }
    }
}

#[test]
fn the_last_five_hundred_messages_are_kept() {
    let server = start_with(&["--session-rate", "100000", "--session-messages", "20"]);
    let room = new_room(&server);
    let mut alice = enter(&server, "alice", &room);
    for n in 0..50 {
        alice.say(&n.to_string());
        alice.hear();
    }
    let (_, texts) = join(&server, "bob", &room).state();
    let expected: Vec<_> = (30..50).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
}

#[test]
fn silent_members_are_pinged_and_given_up() {
    let server = start_with(&["--session-ping-secs", "1", "--session-silence-secs", "3"]);
    let room = new_room(&server);
    let mut alice = enter(&server, "alice", &room);
    let _silent = enter(&server, "bob", &room);
    assert_eq!(alice.state().0, ["alice", "bob"]);
    // Reading answers pings.
    assert_eq!(alice.state().0, ["alice"]);
}

#[test]
fn a_server_that_stops_says_so_and_what_was_said_is_gone_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_in(folder.path(), &[]);
    let room = new_room(&server);
    let mut alice = enter(&server, "alice", &room);
    alice.say("before");
    alice.state();
    let reader = std::thread::spawn(move || alice.closed());
    server.terminate();
    assert_eq!(reader.join().unwrap().0, 1001);
    let server = start_in(folder.path(), &[]);
    assert_eq!(
        join(&server, "alice", &room).state(),
        (vec!["alice".to_owned()], vec![])
    );
}

#[test]
fn foreign_pages_and_names_open_no_session() {
    let server = start();
    let room = new_room(&server);
    let path = format!("/?token={}", invite(&server, "alice", &room));
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("host", "evil.example", 421),
    ] {
        match server.websocket_at(&path, &[(name, value)]) {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), status),
            other => panic!("{:?}", other.map(|_| "connected")),
        }
    }
    server
        .websocket_at(&path, &[("origin", "http://localhost:3000")])
        .unwrap();
}

#[test]
fn members_are_counted() {
    let server = start();
    let room = new_room(&server);
    let alice = enter(&server, "alice", &room);
    let bob = enter(&server, "bob", &room);
    let count = |expected: u32| {
        let line = format!("tablekeep_members{{dialect=\"session\"}} {expected}\n");
        let start = Instant::now();
        while !server.get("/metrics").text().contains(&line) {
            assert!(start.elapsed() < PATIENCE, "{line}");
        }
    };
    count(2);
    drop((alice, bob));
    count(0);
}
