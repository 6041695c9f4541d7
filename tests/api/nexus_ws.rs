//! Nexus' room server: every row of its contract, over real sockets.

use crate::support::{
    PATIENCE, Socket, TestServer, connect_from, raw, send_to, start, start_with, websocket_on,
};
use rstest::rstest;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

/// One client of a room.
struct Member {
    socket: Socket,
    id: String,
    room: String,
}

fn connect(addr: SocketAddr, path: &str) -> Socket {
    let stream = TcpStream::connect(addr).unwrap();
    websocket_on(stream, &format!("ws://{addr}{path}"), &[])
        .unwrap()
        .0
}

impl Member {
    /// With its first message, which must be this one.
    fn greeted(mut socket: Socket, name: &str) -> (Self, Value) {
        let first: Value = serde_json::from_str(&socket.hear()).unwrap();
        assert_eq!(first["data"]["name"], name, "{first}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let data = &first["data"];
        assert_eq!(data["room"], data["roomCode"]);
        let (id, room) = (text(&data["uuid"]), text(&data["room"]));
        (Self { socket, id, room }, first)
    }

    fn host(addr: SocketAddr) -> Self {
        Self::greeted(connect(addr, "/ws/nexus"), "session/created").0
    }

    /// A player, whom the others have been told of.
    fn join(addr: SocketAddr, room: &str, others: &mut [&mut Member]) -> Self {
        let socket = connect(addr, &format!("/ws/nexus?join={room}"));
        let (member, _) = Self::greeted(socket, "session/joined");
        for other in others {
            let told = other.hear();
            assert_eq!(
                told["data"],
                json!({"name": "session/join", "uuid": member.id})
            );
        }
        member
    }

    fn say(&mut self, text: &str) {
        self.socket.say(text);
    }

    fn hear(&mut self) -> Value {
        serde_json::from_str(&self.socket.hear()).unwrap()
    }

    /// Checks that `other` hears nothing but this member's next word.
    fn reaches(&mut self, other: &mut Member) {
        self.say(r#"{"type":"marker"}"#);
        assert_eq!(other.hear()["type"], "marker");
    }

    fn close(&mut self) {
        let _ = self.socket.0.close(None);
        let _ = self.socket.0.flush();
    }

    /// Drops the connection without a word.
    fn vanish(self) {
        let stream = self.socket.0.get_ref();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

/// A host and two players of one room, on a server's main port.
fn table(server: &TestServer) -> [Member; 3] {
    let mut host = Member::host(server.addr);
    let room = host.room.clone();
    let mut one = Member::join(server.addr, &room, &mut [&mut host]);
    let two = Member::join(server.addr, &room, &mut [&mut host, &mut one]);
    [host, one, two]
}

/// Rooms that are open: at the start those that always are.
fn open_rooms(server: &TestServer) -> u32 {
    let text = server.get("/metrics").text();
    let mut lines = text.lines();
    let rooms = lines.find_map(|line| line.strip_prefix("tablekeep_rooms "));
    rooms.unwrap().parse().unwrap()
}

/// Waits until no more rooms are open than at the start.
fn rooms_close(server: &TestServer, at_first: u32) {
    let start = Instant::now();
    while open_rooms(server) != at_first {
        assert!(start.elapsed() < PATIENCE);
    }
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis() as u64
}

fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|id| id.get_version_num() == 4 && id.to_string() == text)
}

/// What somebody without a room is told, and that the connection lives on.
fn told(socket: &mut Socket, message: &str) {
    let said: Value = serde_json::from_str(&socket.hear()).unwrap();
    assert_eq!(said["type"], "error");
    assert_eq!(said["data"], json!({"message": message}));
    assert!(said["timestamp"].as_u64().unwrap() <= now_ms());
    assert_eq!(said.as_object().unwrap().len(), 3);
    socket.say(r#"{"type":"into the void"}"#);
    socket.expect_silence();
}

// Section 1: endpoint and URL forms.

#[rstest]
fn a_query_decides_everything(#[values("/ws/nexus", "/ws", "/", "/any/thing", "//")] path: &str
) {
    let mut server = start_with(&["--speak", "nexus@0"]);
    let on_main = path == "/ws/nexus";
    let addr = if on_main {
        server.addr
    } else {
        server.listener("nexus")
    };
    let open = |query: &str| connect(addr, &format!("{path}{query}"));
    let created = |query: &str| Member::greeted(open(query), "session/created").0;
    for query in [
        "",
        "?host=",
        "?join=",
        "?host=&join=ABCD",
        "?x=1&y",
        "?join",
        "?",
    ] {
        if query == "?host=&join=ABCD" {
            told(&mut open(query), "Room not found");
            continue;
        }
        let host = created(query);
        assert!(
            host.room.len() == 4
                && host
                    .room
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        );
        assert!(is_uuid(&host.id));
    }
    let host = created("?host=ABCD&join=WXYZ&host=EFGH");
    assert_eq!(host.room, "ABCD");
    assert_eq!(created("?host=%20wx1z%20&unknown=1").room, "WX1Z");
    let (player, joined) = Member::greeted(open("?join=abcd&join=zzzz"), "session/joined");
    assert_eq!(
        (player.room.as_str(), &joined["data"]["hostId"]),
        ("ABCD", &json!(host.id))
    );
}

#[test]
fn on_the_main_port_a_query_tells_nexus_from_spelltable() {
    let server = start();
    let (host, _) = Member::greeted(connect(server.addr, "/ws?host=LOAD"), "session/created");
    assert_eq!(host.room, "LOAD");
    Member::greeted(connect(server.addr, "/api/ws?join=load"), "session/joined");
    Member::greeted(connect(server.addr, "/ws?join="), "session/created");
    let mut table = connect(server.addr, "/ws?x=1");
    assert!(table.hear().contains("connection_status"));
}

#[test]
fn codes_that_nobody_could_type_are_refused_and_the_connection_stays() {
    let server = start();
    for query in [
        "host=abc",
        "host=NINECODES",
        "host=A-CD",
        "host=%C3%84BCD",
        "host=AB%00D",
    ] {
        let mut socket = connect(server.addr, &format!("/ws/nexus?{query}"));
        told(&mut socket, "Invalid room code");
    }
    for query in ["join=abc", "join=NINECODES", "join=A-CD"] {
        told(
            &mut connect(server.addr, &format!("/ws/nexus?{query}")),
            "Room not found",
        );
    }
    assert_eq!(
        Member::greeted(
            connect(server.addr, "/ws/nexus?host=eightabc"),
            "session/created"
        )
        .0
        .room,
        "EIGHTABC"
    );
}

#[test]
fn a_plain_request_is_told_to_upgrade() {
    let mut server = start_with(&["--speak", "nexus@0"]);
    let addr = server.listener("nexus");
    for path in ["/ws", "/", "/ws?join=ABCD", "/any/thing"] {
        let answer = send_to(addr, "GET", path, &[], b"");
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (426, "Upgrade Required"),
            "{path}"
        );
    }
    // Nothing else of the server is there.
    assert_eq!(send_to(addr, "GET", "/maps/list", &[], b"").status, 426);
    // A broken target is an answer, not an end.
    for target in ["http://", "no-slash", "/%zz?%%%=&&", "//?join=ABCD"] {
        raw(
            addr,
            format!("GET {target} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        );
    }
    Member::greeted(connect(addr, "/ws"), "session/created");
}

#[test]
fn the_first_of_the_offered_subprotocols_is_chosen_and_nothing_is_compressed() {
    let server = start();
    let open = |headers: &[(&'static str, &str)]| {
        let stream = TcpStream::connect(server.addr).unwrap();
        websocket_on(stream, &format!("ws://{}/ws/nexus", server.addr), headers)
            .unwrap()
            .1
    };
    let answer = open(&[
        ("sec-websocket-protocol", "one, two"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ]);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "one");
    assert!(!answer.headers().contains_key("sec-websocket-extensions"));
    let answer = open(&[]);
    assert!(!answer.headers().contains_key("sec-websocket-protocol"));
    assert!(!answer.headers().contains_key("set-cookie"));
}

#[test]
fn every_listener_checks_host_and_origin() {
    let mut server = start_with(&[
        "--speak",
        "nexus@0",
        "--speak",
        "nexus-assets@0",
        "--loopback-gm",
        "false",
    ]);
    let (nexus, assets) = (server.listener("nexus"), server.listener("nexus-assets"));
    for (name, value, status) in [
        ("host", "evil.example", 421),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
    ] {
        let stream = TcpStream::connect(nexus).unwrap();
        match websocket_on(stream, &format!("ws://{nexus}/ws"), &[(name, value)]) {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), status, "{name}"),
            other => panic!("{name}: {:?}", other.map(|_| "connected")),
        }
    }
    for addr in [nexus, assets] {
        assert_eq!(
            send_to(addr, "GET", "/health", &[("host", "evil.example")], b"").status,
            421
        );
    }
    // Who is no GM has rooms all the same, from a page of this machine, too.
    let stream = TcpStream::connect(nexus).unwrap();
    let page = [("origin", "http://localhost:3000")];
    let (socket, _) = websocket_on(stream, &format!("ws://{nexus}/ws"), &page).unwrap();
    Member::greeted(socket, "session/created");
    // The library has no sockets.
    let stream = TcpStream::connect(assets).unwrap();
    assert!(websocket_on(stream, &format!("ws://{assets}/ws"), &[]).is_err());
}

// Sections 2 to 5: messages.

#[test]
fn the_recorded_conversation_goes_the_same_way() {
    let server = start();
    let before = now_ms();
    let (mut host, created) = Member::greeted(
        connect(server.addr, "/ws/nexus?host=8ZM4"),
        "session/created",
    );
    let at = created["timestamp"].as_u64().unwrap();
    assert!((before..=now_ms()).contains(&at));
    let text = |name: &str, facts: &str, at: &Value| {
        format!(r#"{{"type":"event","data":{{"name":"{name}"{facts}}},"timestamp":{at}}}"#)
    };
    let room = r#","roomCode":"8ZM4","room":"8ZM4""#;
    let expected: Value = serde_json::from_str(&text(
        "session/created",
        &format!(r#"{room},"uuid":"{}""#, host.id),
        &created["timestamp"],
    ))
    .unwrap();
    assert_eq!(created, expected);
    let mut socket = connect(server.addr, "/ws/nexus?join=8ZM4");
    let raw_joined = socket.hear();
    let joined: Value = serde_json::from_str(&raw_joined).unwrap();
    let id = joined["data"]["uuid"].as_str().unwrap().to_owned();
    assert!(is_uuid(&id) && id != host.id);
    // To the letter, the order of members included.
    assert_eq!(
        raw_joined,
        text(
            "session/joined",
            &format!(r#"{room},"uuid":"{id}","hostId":"{}""#, host.id),
            &joined["timestamp"]
        )
    );
    let told = host.socket.hear();
    let at: Value = serde_json::from_str::<Value>(&told).unwrap()["timestamp"].clone();
    assert_eq!(
        told,
        text("session/join", &format!(r#","uuid":"{id}""#), &at)
    );
    let roll = r#"{"type":"dice-roll","data":{"id":"4f70","userId":"9e61","userName":"Pat","expression":"2d6","results":[4,5],"total":9,"timestamp":1795166525577},"timestamp":1795166525577,"src":"9e61"}"#;
    socket.say(roll);
    let heard = host.socket.hear();
    let at = serde_json::from_str::<Value>(&heard).unwrap()["timestamp"]
        .as_u64()
        .unwrap();
    assert!(at >= before && at <= now_ms());
    let expected = roll.replace(
        r#""timestamp":1795166525577,"src":"9e61"}"#,
        &format!(r#""timestamp":{at},"src":"{id}"}}"#),
    );
    assert_eq!(heard, expected);
    drop(socket);
    let told = host.socket.hear();
    let at: Value = serde_json::from_str::<Value>(&told).unwrap()["timestamp"].clone();
    assert_eq!(
        told,
        text("session/leave", &format!(r#","uuid":"{id}""#), &at)
    );
    // Where nobody is: an error and an open connection.
    let mut lost = connect(server.addr, "/ws/nexus?join=ZZZZ");
    let told = lost.hear();
    let at: Value = serde_json::from_str::<Value>(&told).unwrap()["timestamp"].clone();
    assert_eq!(
        told,
        format!(r#"{{"type":"error","data":{{"message":"Room not found"}},"timestamp":{at}}}"#)
    );
    let mut player = Member::join(server.addr, "8zm4", &mut [&mut host]);
    host.close();
    let told = player.socket.hear();
    let at: Value = serde_json::from_str::<Value>(&told).unwrap()["timestamp"].clone();
    assert_eq!(told, text("session/ended", "", &at));
}

#[test]
fn what_goes_to_whom() {
    let server = start();
    let [mut host, mut one, mut two] = table(&server);
    let other_room = Member::host(server.addr);
    let (host_id, one_id, two_id) = (host.id.clone(), one.id.clone(), two.id.clone());
    // Without a dst that means something: to all but the sender.
    for dst in [
        "",
        r#""dst":null,"#,
        r#""dst":"","#,
        r#""dst":0,"#,
        r#""dst":false,"#,
    ] {
        one.say(&format!(r#"{{"type":"x",{dst}"data":{{"n":[1,2.50]}}}}"#));
        for other in [&mut host, &mut two] {
            let heard = other.hear();
            assert_eq!(
                (&heard["src"], &heard["data"]),
                (&json!(one_id), &json!({"n": [1, 2.5]})),
                "{dst}"
            );
        }
    }
    // To one member, who may be oneself.
    for (dst, nth) in [(&host_id, 0), (&two_id, 2), (&one_id, 1)] {
        one.say(&format!(r#"{{"type":"x","dst":"{dst}"}}"#));
        let heard = [&mut host, &mut one, &mut two][nth].hear();
        assert_eq!(
            (&heard["dst"], &heard["src"]),
            (&json!(dst), &json!(one_id))
        );
    }
    // To nobody.
    for dst in [
        r#""nobody""#,
        &format!("{:?}", other_room.id),
        &format!("{:?}", host_id.to_uppercase()),
        "1",
        "true",
        "[]",
        "{}",
    ] {
        one.say(&format!(r#"{{"type":"x","dst":{dst}}}"#));
    }
    one.reaches(&mut host);
    assert_eq!(two.hear()["type"], "marker");
    host.reaches(&mut one);
    host.socket.expect_silence();
}

#[test]
fn what_is_relayed_and_what_is_not() {
    let server = start();
    let [mut host, mut one, mut two] = table(&server);
    let id = one.id.clone();
    for (said, heard) in [
        (
            r#"{"type":"event","data":{"name":"scene/create","scene":{}}}"#,
            r#"{"type":"event","data":{"name":"scene/create","scene":{}},S,T}"#,
        ),
        (
            r#"{"type":"state","data":{"session":{"roomCode":"X"}}}"#,
            r#"{"type":"state","data":{"session":{"roomCode":"X"}},S,T}"#,
        ),
        (
            r#"{"type":"heartbeat","data":{"type":"ping"}}"#,
            r#"{"type":"heartbeat","data":{"type":"ping"},S,T}"#,
        ),
        (r#"{"type":"ping"}"#, r#"{"type":"ping",S,T}"#),
        (
            r#"{"timestamp":"x","odd":1,"src":[],"type":7}"#,
            r#"{T,"odd":1,S,"type":7}"#,
        ),
        (
            r#"{"n":12345678901234567890.0100,"__proto__":{"a":1},"a":1,"a":2}"#,
            r#"{"n":12345678901234567890.0100,"__proto__":{"a":1},"a":1,"a":2,S,T}"#,
        ),
        ("{}", "{S,T}"),
        (r#" {"data" : null} "#, r#" {"data" : null,S,T} "#),
    ] {
        one.say(said);
        let text = host.socket.hear();
        let at = serde_json::from_str::<Value>(&text).unwrap()["timestamp"].clone();
        let expected = heard
            .replace('S', &format!(r#""src":"{id}""#))
            .replace('T', &format!(r#""timestamp":{at}"#));
        assert_eq!(text, expected);
        assert_eq!(two.socket.hear(), text);
    }
    for said in [
        "hello",
        "null",
        "[1,\"a\"]",
        "\"ab\"",
        "42",
        "",
        "{\"a\":",
        "{\"type\":\"error\"}",
        r#"{"type":"event","data":{"name":"session/created","roomCode":"ZZZZ"}}"#,
        r#"{"type":"event","data":{"name":"session/ended"}}"#,
    ] {
        one.say(said);
    }
    // JSON in a binary message is as good as text, and goes out as text; other bytes are not.
    one.socket
        .0
        .send(Message::binary(&b"\xff\xfe"[..]))
        .unwrap();
    one.socket
        .0
        .send(Message::binary(&br#"{"type":"binary"}"#[..]))
        .unwrap();
    assert_eq!(host.hear()["type"], "binary");
    one.socket
        .0
        .send(Message::Ping(b"hi".as_slice().into()))
        .unwrap();
    match one.socket.0.read().unwrap() {
        Message::Pong(payload) => assert_eq!(&payload[..], b"hi"),
        other => panic!("{other:?}"),
    }
    one.reaches(&mut host);
}

#[test]
fn somebody_without_a_room_is_heard_by_nobody() {
    let server = start();
    let [mut host, mut one, _two] = table(&server);
    for query in ["join=ZZZZ".to_owned(), format!("host={}", host.room)] {
        let mut socket = connect(server.addr, &format!("/ws/nexus?{query}"));
        let message = if query.starts_with("host") {
            "Room already exists"
        } else {
            "Room not found"
        };
        told(&mut socket, message);
        socket.say(&format!(r#"{{"type":"x","dst":"{}"}}"#, host.id));
        socket.expect_silence();
    }
    one.reaches(&mut host);
}

#[test]
fn what_is_sent_with_the_handshake_is_not_lost() {
    let server = start();
    let mut host = Member::host(server.addr);
    let mut stream = TcpStream::connect(server.addr).unwrap();
    let mut bytes = format!("GET /ws/nexus?join={} HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", host.room, server.addr).into_bytes();
    for text in [r#"{"n":1}"#, r#"{"n":2}"#] {
        bytes.extend([0x81, 0x80 | text.len() as u8, 0, 0, 0, 0]);
        bytes.extend(text.bytes());
    }
    stream.write_all(&bytes).unwrap();
    assert_eq!(host.hear()["data"]["name"], "session/join");
    assert_eq!([host.hear()["n"].clone(), host.hear()["n"].clone()], [1, 2]);
}

#[test]
fn a_burst_of_a_thousand_arrives_whole_and_in_order_at_a_hundred() {
    let server = start();
    let mut host = Member::host(server.addr);
    let room = host.room.clone();
    let receivers: Vec<_> = (0..100)
        .map(|_| Member::join(server.addr, &room, &mut []))
        .collect();
    let mut sender = Member::join(server.addr, &room, &mut []);
    let threads: Vec<_> = receivers
        .into_iter()
        .map(|mut receiver| {
            std::thread::spawn(move || {
                let mut next = 0;
                while next < 1000 {
                    let heard = receiver.hear();
                    if heard["type"] == "burst" {
                        assert_eq!(heard["data"]["n"], next);
                        next += 1;
                    }
                }
                receiver
            })
        })
        .collect();
    let pad = "x".repeat(200);
    for n in 0..1000 {
        sender.say(&format!(
            r#"{{"type":"burst","data":{{"n":{n},"pad":"{pad}"}}}}"#
        ));
    }
    for thread in threads {
        thread.join().unwrap();
    }
    while host.hear()["data"]["n"] != 999 {}
}

#[test]
fn who_talks_too_fast_is_read_later_and_nothing_is_lost() {
    let server = start_with(&["--nexus-max-rate", "100"]);
    let [mut host, mut one, _two] = table(&server);
    let start = Instant::now();
    for n in 0..700 {
        one.say(&format!(r#"{{"type":"x","data":{n}}}"#));
    }
    for n in 0..700 {
        assert_eq!(host.hear()["data"], n);
    }
    // Five seconds' worth at once, the others in their time.
    assert!(
        start.elapsed() > Duration::from_millis(1900),
        "{:?}",
        start.elapsed()
    );
    // Somebody else is not slowed down by it.
    host.reaches(&mut one);
}

// Section 6: ends of connections.

#[rstest]
#[case::with_a_close_frame(false)]
#[case::without_a_word(true)]
fn a_host_that_goes_ends_the_room(#[case] vanishes: bool) {
    let server = start();
    let [mut host, one, two] = table(&server);
    let room = host.room.clone();
    if vanishes {
        host.vanish();
    } else {
        host.close();
    }
    for mut player in [one, two] {
        let ended = player.hear();
        assert_eq!(ended["data"], json!({"name": "session/ended"}));
        // A close frame without a status.
        match player.socket.0.read() {
            Ok(Message::Close(None)) => {}
            other => panic!("{other:?}"),
        }
    }
    // The code is free at once.
    told(
        &mut connect(server.addr, &format!("/ws/nexus?join={room}")),
        "Room not found",
    );
    Member::greeted(
        connect(server.addr, &format!("/ws/nexus?host={room}")),
        "session/created",
    );
}

#[rstest]
#[case::with_a_close_frame(false)]
#[case::without_a_word(true)]
fn a_player_that_goes_is_told_to_the_others(#[case] vanishes: bool) {
    let server = start();
    let [mut host, mut one, mut two] = table(&server);
    let id = one.id.clone();
    if vanishes {
        one.vanish();
    } else {
        one.close();
    }
    for other in [&mut host, &mut two] {
        assert_eq!(
            other.hear()["data"],
            json!({"name": "session/leave", "uuid": id})
        );
    }
    host.say(&format!(r#"{{"type":"x","dst":"{id}"}}"#));
    host.reaches(&mut two);
}

#[test]
fn a_clients_own_close_is_echoed() {
    let server = start();
    let mut host = Member::host(server.addr);
    let room = host.room.clone();
    for (code, reason) in [
        (1000, ""),
        (1001, "going"),
        (3999, "mine"),
        (4999, "the last"),
    ] {
        let mut player = Member::join(server.addr, &room, &mut [&mut host]);
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: reason.into(),
        };
        player.socket.0.close(Some(frame.clone())).unwrap();
        match player.socket.0.read().unwrap() {
            Message::Close(Some(echo)) => assert_eq!(echo, frame),
            other => panic!("{other:?}"),
        }
        assert_eq!(host.hear()["data"]["name"], "session/leave");
    }
    let mut player = Member::join(server.addr, &room, &mut [&mut host]);
    player.socket.0.close(None).unwrap();
    match player.socket.0.read().unwrap() {
        Message::Close(None) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn broken_frames_end_their_connection_and_no_other() {
    let server = start();
    let mut host = Member::host(server.addr);
    let room = host.room.clone();
    let large = {
        let mut header = vec![0x81, 0xff];
        header.extend(((1u64 << 20) + 1).to_be_bytes());
        header
    };
    for (bytes, code) in [
        (&large[..], 1009),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        (&[0x81, 0x01, b'x'], 1002),
        (&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002),
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002),
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
    ] {
        let mut player = Member::join(server.addr, &room, &mut [&mut host]);
        player.socket.0.get_mut().write_all(bytes).unwrap();
        assert_eq!(player.socket.close_code(), code, "{bytes:x?}");
        assert_eq!(
            host.hear()["data"],
            json!({"name": "session/leave", "uuid": player.id})
        );
    }
    let mut player = Member::join(server.addr, &room, &mut [&mut host]);
    // The largest that may be sent.
    let (head, tail) = (r#"{"type":"large","data":""#, r#""}"#);
    player.say(&format!(
        "{head}{}{tail}",
        "x".repeat((1 << 20) - head.len() - tail.len())
    ));
    assert_eq!(host.hear()["type"], "large");
}

#[test]
fn who_has_no_room_is_kept_for_a_while_and_told_to_stay_away() {
    let server = start_with(&["--nexus-idle", "1"]);
    let mut host = Member::host(server.addr);
    for query in ["join=ZZZZ", "host=x"] {
        let mut socket = connect(server.addr, &format!("/ws/nexus?{query}"));
        socket.hear();
        assert_eq!(socket.close_code(), 1000, "{query}");
    }
    // Who has one is not.
    Member::join(server.addr, &host.room.clone(), &mut [&mut host]);
}

#[cfg(unix)]
#[test]
fn a_stopping_server_says_come_back() {
    let mut server = start();
    let members = table(&server);
    assert_eq!(server.terminate(), 0);
    for mut member in members {
        assert_eq!(member.socket.close_code(), 1001);
    }
}

// Section 9: what the original does wrong.

#[test]
fn who_forges_the_servers_words_is_closed_in_the_end() {
    let server = start();
    let [mut host, mut one, _two] = table(&server);
    for _ in 0..100 {
        one.say(r#"{"type":"event","data":{"name":"session/created","roomCode":"ZZZZ"}}"#);
    }
    assert_eq!(one.socket.close_code(), 1008);
    assert_eq!(host.hear()["data"]["name"], "session/leave");
}

#[test]
fn rooms_and_their_members_are_counted_and_limited() {
    let limits = [
        "--nexus-max-rooms",
        "3",
        "--nexus-max-rooms-per-address",
        "2",
        "--nexus-max-members",
        "2",
    ];
    let server = start_with(&limits);
    let at_first = open_rooms(&server);
    let mut hosts = [Member::host(server.addr), Member::host(server.addr)];
    told(&mut connect(server.addr, "/ws/nexus"), "Server is full");
    let elsewhere = |path: &str| {
        let stream = connect_from("127.0.0.9", server.addr);
        websocket_on(stream, &format!("ws://{}{path}", server.addr), &[])
            .unwrap()
            .0
    };
    let third = Member::greeted(elsewhere("/ws/nexus"), "session/created").0;
    told(&mut elsewhere("/ws/nexus"), "Server is full");
    let room = hosts[0].room.clone();
    let _player = Member::join(server.addr, &room, &mut [&mut hosts[0]]);
    told(
        &mut connect(server.addr, &format!("/ws/nexus?join={room}")),
        "Room is full",
    );
    let metric = |name: &str| {
        let text = server.get("/metrics").text();
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned();
        line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(metric("tablekeep_members{dialect=\"nexus\"}"), 4);
    assert_eq!(open_rooms(&server), at_first + 3);
    drop((hosts, third, _player));
    let start = Instant::now();
    while open_rooms(&server) != at_first || metric("tablekeep_members{dialect=\"nexus\"}") != 0 {
        assert!(
            start.elapsed() < PATIENCE,
            "{}",
            server.get("/metrics").text()
        );
        std::thread::yield_now();
    }
    let limits = server.get("/limits").value();
    assert_eq!(
        (
            &limits["nexus"]["rooms"],
            &limits["nexus"]["members_per_room"]
        ),
        (&json!(3), &json!(2))
    );
}

#[cfg(target_os = "linux")]
#[test]
fn memory_goes_back_when_all_have_left() {
    let server = start();
    let at_first = open_rooms(&server);
    let round = || {
        let rooms: Vec<_> = (0..150).map(|_| Member::host(server.addr)).collect();
        let players: Vec<_> = rooms
            .iter()
            .map(|host| Member::join(server.addr, &host.room, &mut []))
            .collect();
        drop(players);
        drop(rooms);
        rooms_close(&server, at_first);
    };
    round();
    let before = server.resident_bytes("VmRSS");
    for _ in 0..4 {
        round();
    }
    let after = server.resident_bytes("VmRSS");
    assert!(after < before + (4 << 20), "{before} -> {after}");
}

#[test]
fn a_player_that_reads_nothing_is_closed_and_disturbs_nobody() {
    let server = start();
    let [mut host, mut one, stalled] = table(&server);
    let pad = "x".repeat(64 << 10);
    let start = Instant::now();
    let mut n = 0;
    loop {
        n += 1;
        host.say(&format!(
            r#"{{"type":"x","data":{{"n":{n},"pad":"{pad}"}}}}"#
        ));
        let heard = one.hear();
        if heard["data"]["name"] == "session/leave" {
            assert_eq!(heard["data"]["uuid"], stalled.id);
            break;
        }
        assert_eq!(heard["data"]["n"], n);
        assert!(
            start.elapsed() < PATIENCE,
            "it still waits for the one that reads nothing"
        );
    }
}

#[test]
fn guessing_codes_opens_nothing_and_is_slowed_down_for_the_guesser_only() {
    let server = start();
    let mut host = Member::host(server.addr);
    let room = host.room.clone();
    let open = |ip: &str, query: &str| {
        let stream = connect_from(ip, server.addr);
        websocket_on(
            stream,
            &format!("ws://{}/ws/nexus?{query}", server.addr),
            &[],
        )
        .unwrap()
        .0
    };
    // Ten are answered at once, by joining or by hosting what is taken.
    for n in 0..10 {
        let (query, answer) = match n % 2 {
            0 => (format!("join=ZZZ{n}"), "Room not found"),
            _ => (format!("host={room}"), "Room already exists"),
        };
        told(&mut open("127.0.0.7", &query), answer);
    }
    let mut late = open("127.0.0.7", "join=ZZZZ");
    late.0
        .get_ref()
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    assert!(late.0.read().is_err(), "answered at once");
    // Right or wrong, from there everything is late; from elsewhere nothing is.
    let mut right = open("127.0.0.7", &format!("join={room}"));
    right
        .0
        .get_ref()
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    assert!(right.0.read().is_err(), "answered at once");
    let started = Instant::now();
    let (player, _) = Member::greeted(open("127.0.0.8", &format!("join={room}")), "session/joined");
    assert_eq!(host.hear()["data"]["uuid"], player.id);
    assert!(started.elapsed() < Duration::from_secs(2));
    // The handshake itself was never refused, and the right guess gets its room in the end.
    right.0.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    let first: Value = serde_json::from_str(&right.hear()).unwrap();
    assert_eq!(first["data"]["name"], "session/joined");
}

/// The cookie that the answer gave, as a browser sends it back.
fn cookie(answer: &tungstenite::handshake::client::Response) -> String {
    let line = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(
        line.contains("HttpOnly") && line.contains("SameSite=Strict"),
        "{line}"
    );
    line.split(';').next().unwrap().to_owned()
}

#[test]
fn a_host_whose_network_broke_comes_back_with_its_cookie() {
    let server = start_with(&["--nexus-host-grace", "30"]);
    let open = |query: &str, headers: &[(&'static str, &str)]| {
        let stream = TcpStream::connect(server.addr).unwrap();
        websocket_on(
            stream,
            &format!("ws://{}/ws/nexus{query}", server.addr),
            headers,
        )
        .unwrap()
    };
    let own_page = format!("http://{}", server.addr);
    let (socket, answer) = open("", &[("origin", &own_page)]);
    let cookie = cookie(&answer);
    let (host, _) = Member::greeted(socket, "session/created");
    let room = host.room.clone();
    let join = format!("?join={room}");
    let (mut player, _) = Member::greeted(open(&join, &[]).0, "session/joined");
    let host_id = host.id.clone();
    host.vanish();
    assert_eq!(
        player.hear()["data"],
        json!({"name": "session/leave", "uuid": host_id})
    );
    // Nobody else gets the room: by hosting, by another cookie, by the cookie on a foreign page.
    told(
        &mut open(&format!("?host={room}"), &[]).0,
        "Room already exists",
    );
    let last = if cookie.ends_with('0') { '1' } else { '0' };
    let forged = format!("{}{last}", &cookie[..cookie.len() - 1]);
    for headers in [
        &[("cookie", forged.as_str())][..],
        &[
            ("cookie", cookie.as_str()),
            ("origin", "http://localhost:3000"),
        ],
    ] {
        let (other, _) = Member::greeted(open(&join, headers).0, "session/joined");
        assert_eq!(player.hear()["data"]["uuid"], other.id);
        drop(other);
        assert_eq!(player.hear()["data"]["name"], "session/leave");
    }
    let (socket, answer) = open(&join, &[("cookie", &cookie), ("origin", &own_page)]);
    assert!(!answer.headers().contains_key("set-cookie"));
    let (mut host, _) = Member::greeted(socket, "session/created");
    assert_eq!(host.room, room);
    assert_eq!(
        player.hear()["data"],
        json!({"name": "session/join", "uuid": host.id})
    );
    host.reaches(&mut player);
    host.close();
    assert_eq!(player.hear()["data"]["name"], "session/ended");
}

// Many rooms at once.

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Rooms of three with random traffic, until `enough`: everybody hears exactly what was said to them
/// in their own room, in order, and nothing else.
fn traffic(addr: SocketAddr, rooms: usize, seed: u64, mut enough: impl FnMut(usize) -> bool) {
    let mut dice = Dice(seed);
    let mut rooms: Vec<[Member; 3]> = (0..rooms)
        .map(|_| {
            let mut host = Member::host(addr);
            let room = host.room.clone();
            let mut one = Member::join(addr, &room, &mut [&mut host]);
            let two = Member::join(addr, &room, &mut [&mut host, &mut one]);
            [host, one, two]
        })
        .collect();
    let mut round = 0;
    while !enough(round) {
        round += 1;
        // Everybody's mail: first all is said in all rooms, then all is heard.
        let mut mail: Vec<[Vec<(String, Value)>; 3]> = Vec::with_capacity(rooms.len());
        for members in &mut rooms {
            let mut heard: [Vec<(String, Value)>; 3] = Default::default();
            let from = dice.roll(3) as usize;
            for nth in 0..1 + dice.roll(3) {
                let pad = "x".repeat(dice.roll(300) as usize);
                let data = json!({"room": members[from].room, "n": round, "nth": nth, "pad": pad});
                let dst = dice.roll(6) as usize;
                let mut message = json!({"type": "x", "data": data});
                if dst < 3 {
                    message["dst"] = json!(members[dst].id);
                }
                let id = members[from].id.clone();
                members[from].say(&message.to_string());
                for (to, heard) in heard.iter_mut().enumerate() {
                    if (dst >= 3 && to != from) || dst == to {
                        heard.push((id.clone(), message["data"].clone()));
                    }
                }
            }
            mail.push(heard);
        }
        for (members, mail) in rooms.iter_mut().zip(mail) {
            for (member, mail) in members.iter_mut().zip(mail) {
                for (src, data) in mail {
                    let heard = member.hear();
                    assert_eq!((&heard["src"], &heard["data"]), (&json!(src), &data));
                    assert_eq!(heard["data"]["room"], member.room);
                }
            }
        }
    }
    for member in rooms.iter_mut().flatten() {
        member.socket.expect_silence();
    }
}

/// Four times as many rooms with random traffic until `enough`; returns when all of them have ended.
fn busy(server: &TestServer, rooms: usize, enough: impl Fn(usize, Duration) -> bool + Sync) {
    let at_first = open_rooms(server);
    std::thread::scope(|threads| {
        for seed in 0..4 {
            let enough = &enough;
            threads.spawn(move || {
                let start = Instant::now();
                traffic(server.addr, rooms, seed, |round| {
                    enough(round, start.elapsed())
                });
            });
        }
    });
    rooms_close(server, at_first);
}

/// With `TABLEKEEP_LONG` (`tests/run --long`) 2,000 rooms for a minute, and their memory given back.
#[test]
fn in_many_rooms_nothing_is_heard_in_a_wrong_one() {
    let server = start();
    busy(&server, 25, |round, _| round == 40);
    #[cfg(target_os = "linux")]
    if std::env::var_os("TABLEKEEP_LONG").is_some() {
        let before = server.resident_bytes("VmRSS");
        busy(&server, 500, |_, time| time > Duration::from_secs(60));
        let most = server.resident_bytes("VmHWM");
        let start = Instant::now();
        loop {
            let after = server.resident_bytes("VmRSS");
            if after < before + before / 20 {
                println!("{before} bytes before, {most} at most, {after} after");
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{before}, {most}, {after}");
        }
    }
}

// Listeners and clients.

#[test]
fn a_clients_own_build_is_served_on_its_port() {
    let build = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("index.html", "<title>Nexus</title>"),
        ("assets/app.js", "1"),
        (".env", "SECRET"),
    ] {
        crate::support::write_file(build.path(), name, text.as_bytes());
    }
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), build.path().join("link.txt")).unwrap();
    let client = format!("nexus={}", build.path().display());
    let mut server = start_with(&["--speak", "nexus@0", "--client", &client]);
    let addr = server.listener("nexus");
    let get = |path: &str| send_to(addr, "GET", path, &[], b"");
    for (path, status, media_type) in [
        ("/", 200, "text/html"),
        ("/lobby/ABCD", 200, "text/html"),
        ("/assets/app.js", 200, "text/javascript"),
        ("/assets/", 200, "text/html"),
        ("/assets/gone.js", 404, "application/json"),
        ("/.env", 404, "application/json"),
        ("/link.txt", 404, "application/json"),
        ("/..%2f..%2fetc%2fpasswd", 404, "application/json"),
        ("/%2e%2e/passwd.txt", 404, "application/json"),
        ("/ws", 426, "text/plain"),
    ] {
        let answer = get(path);
        assert_eq!(answer.status, status, "{path}");
        assert!(
            answer
                .header("content-type")
                .unwrap()
                .starts_with(media_type),
            "{path}"
        );
    }
    let page = get("/");
    assert_eq!(
        page.header("content-security-policy"),
        Some("frame-ancestors 'self'")
    );
    let tag = page.header("etag").unwrap();
    assert_eq!(
        send_to(addr, "GET", "/", &[("if-none-match", tag)], b"").status,
        304
    );
    assert_eq!(send_to(addr, "POST", "/", &[], b"").status, 405);
    Member::greeted(connect(addr, "/ws"), "session/created");
    let mut head = [0; 12];
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "HEAD / HTTP/1.1\r\nhost: {addr}\r\n\r\n").unwrap();
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}
