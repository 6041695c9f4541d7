//! `/ws/table`: who gets in, what each role may do, and what everybody sees of it.

use crate::support::{PATIENCE, Socket, TestServer, start, start_in, start_with};
use crate::table_client::{Member, closed, insert, new_id, set};
use rstest::rstest;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::Message;

const PLAYERS_ONLY: &[&str] = &["--loopback-gm", "false"];
const CODE: &[&str] = &[
    "--loopback-gm",
    "false",
    "--players",
    "code",
    "--gm-password",
    "sesame",
];

fn scene() -> Value {
    json!({
        "id": "crypt", "name": "The crypt", "activeMapId": "crypt.png",
        "maps": [
            {"name": "crypt.png", "data": {"position": {"x": 9, "y": 16}, "isHidden": false}},
            {"name": "lair.png", "data": {"position": {"x": 0, "y": 0}, "isHidden": true}}],
        "gridSettings": {"showGrid": true, "gridSize": 50},
        "initiativeOrder": [
            {"id": "i1", "name": "Brenna", "initiative": 21, "isPlayer": true, "hp": 20, "initialHP": 20},
            {"id": "i2", "name": "Gnoll", "initiative": 14, "isPlayer": false, "hp": 12, "initialHP": 20}],
        "aoeMarkers": [], "fogOfWar": [{"id": "f1", "points": []}, {"id": "f2", "points": []}],
        "gm_notes": "the floor is a mimic"
    })
}

/// A GM who has laid the scene on the table.
fn gm(server: &TestServer) -> Member {
    let mut gm = Member::join(server, "gm", "Gary");
    let base = gm.replica.seq;
    let ack = gm.ask(json!({"type": "change", "base": base, "scene": scene()}));
    assert_eq!(ack["type"], "ack", "{ack}");
    gm
}

fn size(value: u64) -> Value {
    json!([set(["gridSettings".into(), "gridSize".into()], value)])
}

fn marker(id: &str) -> Value {
    json!([insert(
        "aoeMarkers",
        json!({"id": id, "shape": "cone", "revealed": true})
    )])
}

fn greet(server: &TestServer, hello: &str) -> Socket {
    let mut socket = server.websocket_at("/ws/table", &[]).unwrap();
    socket.say(hello);
    socket
}

fn page(server: &TestServer, headers: &[(&'static str, &str)]) -> Socket {
    let mut page = server.websocket_with(headers).unwrap();
    assert!(page.hear().contains("connected"));
    page
}

fn update(page: &mut Socket) -> Value {
    let message: Value = serde_json::from_str(&page.hear()).unwrap();
    assert_eq!(message["type"], "scene_update", "{message}");
    message["scene"].clone()
}

fn send_scene(page: &mut Socket, scene: &Value) {
    page.say(&json!({"type": "scene_update", "scene": scene}).to_string());
}

// Hello

#[test]
fn who_says_nothing_is_sent_away_after_ten_seconds() {
    let server = start();
    let mut socket = server.websocket_at("/ws/table", &[]).unwrap();
    let start = Instant::now();
    // A sign of life is no hello.
    socket
        .0
        .send(Message::Ping(b"x".as_slice().into()))
        .unwrap();
    assert_eq!(closed(&mut socket), (4408, "say hello first".into()));
    let waited = start.elapsed();
    assert!((9..15).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn the_first_message_must_be_a_hello_that_makes_sense() {
    let server = start();
    for (hello, reason) in [
        ("[", ""),
        ("1", "the first message must be hello"),
        (r#"{"type":"resync"}"#, "the first message must be hello"),
        (
            r#"{"type":"hello","proto":2,"name":"A"}"#,
            "this server speaks version 1 of the protocol",
        ),
        (
            r#"{"type":"hello","proto":1,"name":"A","role":"king"}"#,
            "role must be gm, player or display",
        ),
    ] {
        let (code, told) = closed(&mut greet(&server, hello));
        assert_eq!(code, 1008, "{hello}");
        assert!(told.contains(reason), "{hello}: {told}");
    }
    let mut binary = server.websocket_at("/ws/table", &[]).unwrap();
    binary.0.send(Message::binary(b"hello".to_vec())).unwrap();
    binary.say(r#"{"type":"hello","proto":1,"name":"A"}"#);
    assert!(
        binary.hear().contains("\"welcome\""),
        "what is no text is nothing"
    );
}

#[test]
fn a_table_that_is_not_there_is_4404() {
    let server = start();
    for table in ["k3v9x2qa", "MAIN", "../main", ""] {
        let hello = json!({"type": "hello", "proto": 1, "name": "A", "table": table});
        assert_eq!(
            closed(&mut greet(&server, &hello.to_string())).0,
            4404,
            "{table}"
        );
    }
    let made = server.post("/tables", &json!({"name": "Tuesday"})).value();
    let hello = json!({"name": "A", "table": made["id"]});
    let other = Member::join_as(&server, &[], hello);
    assert_eq!(other.welcome["you"]["role"], "gm");
}

#[test]
fn who_has_not_joined_with_the_code_is_not_signed_in() {
    let server = start_with(CODE);
    let hello = r#"{"type":"hello","proto":1,"name":"A"}"#;
    let (code, reason) = closed(&mut greet(&server, hello));
    assert_eq!(code, 4401);
    assert!(reason.contains("/tables/join"), "{reason}");
    let cookie = server
        .post("/signin", &json!({"password": "sesame"}))
        .cookies();
    let signed_in = [("cookie", cookie.as_str())];
    let list = server.send("GET", "/tables", &signed_in, b"").value();
    let body = json!({"code": list["tables"][0]["code"], "role": "display"});
    let joined = server.post("/tables/join", &body).cookies();
    for (cookie, asked, got) in [
        (&joined, "gm", "display"),
        (&joined, "player", "display"),
        (&cookie, "gm", "gm"),
        (&cookie, "display", "display"),
    ] {
        let headers = [("cookie", cookie.as_str())];
        let member = Member::join_as(&server, &headers, json!({"name": "A", "role": asked}));
        assert_eq!(member.welcome["you"]["role"], got, "asked for {asked}");
    }
    // To one who sits at this table, the others are as closed as if they had not joined at all.
    let made = server.send(
        "POST",
        "/tables",
        &[("cookie", &cookie), ("content-type", "application/json")],
        br#"{"name":"B"}"#,
    );
    let mut socket = server
        .websocket_at("/ws/table", &[("cookie", &joined)])
        .unwrap();
    socket.say(
        &json!({"type": "hello", "proto": 1, "name": "A", "table": made.value()["id"]}).to_string(),
    );
    assert_eq!(closed(&mut socket).0, 4401);
}

#[rstest]
#[case(&[], None, "gm")]
#[case(&[], Some("gm"), "gm")]
#[case(&[], Some("player"), "player")]
#[case(&[], Some("display"), "display")]
#[case(PLAYERS_ONLY, None, "player")]
#[case(PLAYERS_ONLY, Some("gm"), "player")]
#[case(PLAYERS_ONLY, Some("player"), "player")]
#[case(PLAYERS_ONLY, Some("display"), "display")]
fn of_the_role_asked_for_and_the_one_proven_the_lower_counts(
    #[case] flags: &[&str],
    #[case] asked: Option<&str>,
    #[case] got: &str,
) {
    let server = start_with(flags);
    let member = Member::join_as(&server, &[], json!({"name": "A", "role": asked}));
    assert_eq!(member.welcome["you"]["role"], got);
    let seen = json!([{"id": member.id(), "name": "A", "role": got, "connections": 1, "device": null, "entries": []}]);
    assert_eq!(member.welcome["members"], seen);
}

#[test]
fn a_welcome_says_all_that_a_page_needs() {
    let server = start();
    let device = json!({"width": 800.0, "height": 600.0, "dpr": 2.0});
    let hello = json!({"name": " Ada\u{7} ", "role": "gm", "device": device, "unknown": {"x": 1}});
    let member = Member::join_as(&server, &[], hello);
    let mut welcome = member.welcome.clone();
    let you = welcome["you"].take();
    let (id, token) = (
        you["id"].as_str().unwrap(),
        you["resume_token"].as_str().unwrap(),
    );
    assert_eq!(
        (you["role"].as_str(), you["name"].as_str()),
        (Some("gm"), Some("Ada"))
    );
    assert!(token.len() >= 43, "256 bits: {token}");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis() as u64;
    let told = welcome["server_time"].take().as_u64().unwrap();
    assert!(now.abs_diff(told) < 5_000, "{told}");
    let epoch = welcome["epoch"].take();
    assert_eq!(epoch.as_str().unwrap().len(), 16);
    assert_eq!(welcome["scene"].take()["maps"], json!([]));
    let limits = welcome["limits"].take();
    assert_eq!(limits["frame_bytes"], 16 << 20);
    assert_eq!(
        (&limits["chat_chars"], &limits["signal_bytes"]),
        (&json!(2000), &json!(16 << 10))
    );
    let members = json!([{"id": id, "name": "Ada", "role": "gm", "connections": 1, "device": device, "entries": []}]);
    let rest = json!({
        "type": "welcome", "mode": "snapshot", "seq": 0, "you": null, "members": members, "chat": [], "chat_seq": 0, "names": {},
        "away": [], "audio": {"tracks": []}, "displays": {}, "limits": null, "server_time": null, "epoch": null, "scene": null,
    });
    assert_eq!(welcome, rest);
    // The token is nobody else's business, and no secret is kept as it is.
    let other = Member::join(&server, "gm", "Bob");
    assert!(!other.welcome["members"].to_string().contains(token));
    server.wait_for("/healthz", |_| {
        std::fs::read(server.path(".tablekeep/tables/main/journal"))
            .is_ok_and(|bytes| bytes.len() > 100)
    });
    let journal = std::fs::read(server.path(".tablekeep/tables/main/journal")).unwrap();
    assert!(!String::from_utf8_lossy(&journal).contains(token));
}

#[test]
fn the_subprotocol_is_echoed_when_it_is_offered() {
    let server = start();
    let handshake = |offer: &str| {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /ws/table HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n", server.addr).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        String::from_utf8(head).unwrap().to_lowercase()
    };
    let ours = "sec-websocket-protocol: tablekeep.v1\r\n";
    for offer in [
        "Sec-WebSocket-Protocol: tablekeep.v1\r\n",
        "Sec-WebSocket-Protocol: other, tablekeep.v1\r\n",
        "Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: tablekeep.v1\r\n",
    ] {
        assert!(handshake(offer).contains(ours), "{offer}");
    }
    for offer in ["", "Sec-WebSocket-Protocol: other\r\n"] {
        let head = handshake(offer);
        assert!(
            head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-protocol"),
            "{head}"
        );
    }
}

#[test]
fn what_nobody_understands_is_an_error_and_the_connection_lives_on() {
    let server = start();
    let mut gm = gm(&server);
    for (text, part) in [
        (r#"{"type":"dance","id":"1"}"#, "\\\"dance\\\""),
        ("[1,2]", "an object with a type"),
        ("{", "not a JSON message"),
        (
            r#"{"type":"hello","proto":1,"name":"again"}"#,
            "only the first message",
        ),
        (r#"{"type":"chat","text":"no id"}"#, "id is missing"),
    ] {
        gm.socket.say(text);
        let error = gm.until_type("error");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    let binary = br#"{"type":"chat","id":"1","text":"hi"}"#.to_vec();
    gm.socket.0.send(Message::binary(binary)).unwrap();
    assert!(gm.until_type("error").to_string().contains("text frame"));
    let id = new_id();
    gm.say(&json!({"type": "change", "id": id, "base": 1}));
    assert_eq!(gm.answer(&id)["code"], "invalid");
    // Half an emoji, as JavaScript writes it: nothing to keep, but its author waits.
    for text in [
        r#"{"type":"chat","id":"ID","text":"\ud83d"}"#,
        r#"{"type":"change","id":"ID","base":1,"edits":[{"op":"set","path":["name"],"value":"\ud83d"}]}"#,
    ] {
        let id = new_id();
        gm.socket.say(&text.replace("ID", &id));
        assert_eq!(gm.answer(&id)["code"], "invalid");
    }
    gm.changes(size(70));
}

// Writing

#[test]
fn a_change_is_acknowledged_and_reaches_everybody_else() {
    let server = start();
    let mut gm = gm(&server);
    let (mut other, mut player) = (
        Member::join(&server, "gm", "B"),
        Member::join(&server, "player", "C"),
    );
    let seq = gm.changes(size(70));
    assert_eq!(seq, 2);
    for member in [&mut other, &mut player] {
        let change = member.until_type("change");
        let expected = json!({
            "type": "change", "epoch": gm.replica.epoch, "seq": 2, "prev": 1, "by": gm.id(), "edits": size(70),
        });
        assert_eq!(change, expected);
        assert_eq!(member.replica.seq, 2);
    }
    assert_eq!(gm.all("change"), [] as [Value; 0]);
    assert_eq!(gm.replica.doc, other.replica.doc);
    // What players do not see is nothing to them, and the next change links over it.
    gm.changes(json!([set(["gm_notes".into()], "a trap")]));
    gm.changes(json!([
        {"op": "move", "path": ["fogOfWar", {"id": "f2"}], "before": {"id": "f1"}},
        {"op": "delete", "path": ["maps", {"name": "crypt.png"}]},
    ]));
    let changes = player.all("change");
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(
        (&changes[0]["seq"], &changes[0]["prev"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(other.all("change").len(), 2);
    for member in [&gm, &other, &player] {
        assert_eq!(member.replica.faults, [] as [String; 0]);
        assert_eq!(
            member.replica.doc["maps"].as_array().unwrap().len(),
            if member.id() == player.id() { 0 } else { 1 }
        );
        assert_eq!(member.replica.doc["fogOfWar"][0]["id"], "f2");
    }
}

#[test]
fn changes_of_different_places_meet_and_of_the_same_place_conflict() {
    let server = start();
    let mut a = gm(&server);
    let mut b = Member::join(&server, "gm", "B");
    a.changes(size(70));
    // Made before that was known.
    let late = |edits: Value| json!({"type": "change", "base": 1, "edits": edits});
    let ack = b.ask(late(marker("m1")));
    assert_eq!(
        (&ack["type"], &ack["seq"], &ack["rebased"]),
        (&json!("ack"), &json!(3), &json!(true))
    );
    let nack = b.ask(late(size(80)));
    let message = nack["message"].clone();
    let expected = json!({
        "type": "nack", "id": nack["id"], "code": "conflict", "message": message, "retry": false, "head": 3, "current": 70,
    });
    assert_eq!(nack, expected);
    let mut forced = late(size(80));
    forced["force"] = true.into();
    assert_eq!(b.ask(forced)["seq"], 4);
    // Nothing there, and a base that never was.
    for (base, edits) in [
        (
            4,
            json!([set(
                ["maps".into(), json!({"name": "gone.png"}), "x".into()],
                1
            )]),
        ),
        (99, size(1)),
    ] {
        let nack = b.ask(json!({"type": "change", "base": base, "edits": edits}));
        assert_eq!(
            (&nack["type"], &nack["code"]),
            (&json!("nack"), &json!("conflict")),
            "{nack}"
        );
    }
    // All or none.
    let nack =
        b.change(json!([size(90)[0], {"op": "delete", "path": ["aoeMarkers", {"id": "none"}]}]));
    assert_eq!(nack["code"], "conflict");
    a.catches_up();
    b.catches_up();
    assert_eq!(a.replica.doc, b.replica.doc);
    assert_eq!(a.replica.doc["gridSettings"]["gridSize"], 80);
    assert_eq!(
        [a.replica.faults, b.replica.faults],
        [vec![], vec![] as Vec<String>]
    );
}

#[test]
fn an_id_that_comes_twice_is_applied_once() {
    let server = start();
    let mut gm = gm(&server);
    let id = new_id();
    let change = json!({"type": "change", "id": id, "base": 1, "edits": marker("m1")});
    gm.replica.sends(&id, marker("m1"));
    gm.say(&change);
    let first = gm.answer(&id);
    // Side by side, and from somebody else's connection.
    gm.say(&change);
    gm.say(&change);
    let mut again = gm.returns(&server, "Gary");
    assert_eq!(again.welcome["mode"], "resumed");
    again.say(&change);
    assert_eq!(again.answer(&id), first);
    again.catches_up();
    assert_eq!(again.replica.doc["aoeMarkers"].as_array().unwrap().len(), 1);
    assert_eq!(again.replica.seq, 2);
    let line = json!({"type": "chat", "id": new_id(), "text": "once"});
    again.say(&line);
    again.say(&line);
    let acks = [again.until_type("ack"), again.until_type("ack")];
    assert_eq!(acks[0], acks[1]);
    assert_eq!(again.all("chat").len(), 1);
}

#[test]
fn a_whole_scene_is_what_it_says_and_merges_what_others_did() {
    let server = start();
    let mut a = gm(&server);
    let mut b = Member::join(&server, "gm", "B");
    let mut next = scene();
    next["gridSettings"]["gridSize"] = 80.into();
    let ack = a.ask(json!({"type": "change", "base": 1, "scene": next}));
    assert_eq!((&ack["type"], &ack["seq"]), (&json!("ack"), &json!(2)));
    assert_eq!(a.replica.doc, next);
    // Another one, made before that: the difference counts, and the sender is told what came of it.
    let mut late = scene();
    late["name"] = "Deeper".into();
    let ack = b.ask(json!({"type": "change", "base": 1, "scene": late}));
    assert_eq!(ack["rebased"], true, "{ack}");
    assert_eq!(ack["edits"], json!([set(["name".into()], "Deeper")]));
    next["name"] = "Deeper".into();
    a.catches_up();
    b.catches_up();
    assert_eq!((&a.replica.doc, &b.replica.doc), (&next, &next));
    late["gridSettings"]["gridSize"] = 1.into();
    let nack = b.ask(json!({"type": "change", "base": 1, "scene": late}));
    assert_eq!(nack["code"], "conflict");
    assert_eq!(
        b.ask(json!({"type": "change", "base": 1, "scene": late, "force": true}))["type"],
        "ack"
    );
    a.catches_up();
    assert_eq!(a.replica.doc, late);
    assert_eq!(
        [a.replica.faults, b.replica.faults],
        [vec![], vec![] as Vec<String>]
    );
}

#[test]
fn who_lost_the_thread_gets_the_scene_of_its_own_view() {
    let server = start();
    let mut gm = gm(&server);
    let mut player = Member::join(&server, "player", "P");
    gm.changes(size(70));
    player.replica.asks();
    player.say(&json!({"type": "resync", "seq": 0}));
    let scene = player.until_type("scene");
    assert_eq!(
        (&scene["seq"], &scene["epoch"]),
        (&json!(2), &json!(gm.replica.epoch))
    );
    assert_eq!(scene["scene"]["gridSettings"]["gridSize"], 70);
    assert_eq!(scene["scene"]["gm_notes"], Value::Null);
    assert_eq!(player.replica.faults, [] as [String; 0]);
}

// What passes

#[test]
fn hints_reach_the_others_and_only_from_whoever_may_send_them() {
    let server = start();
    let mut gm = gm(&server);
    let mut player = Member::join(&server, "player", "P");
    let mut display = Member::join(&server, "display", "TV");
    let hint = |kind: &str, key: &str| json!({"type": "hint", "kind": kind, "key": key, "data": {"x": 1.5}});
    gm.say(&hint("drag", "crypt.png"));
    gm.catches_up();
    let expected = json!({"type": "hint", "from": gm.id(), "kind": "drag", "key": "crypt.png", "data": {"x": 1.5}});
    assert_eq!(player.all("hint"), std::slice::from_ref(&expected));
    assert_eq!(display.all("hint"), [expected]);
    assert_eq!(gm.all("hint"), [] as [Value; 0], "its sender knows");
    // Of a thing that players do not see, they hear nothing.
    gm.say(&hint("drag", "lair.png"));
    gm.catches_up();
    assert_eq!(
        (player.all("hint").len(), display.all("hint").len()),
        (0, 0)
    );
    for (kind, key, allowed) in [
        ("pointer", "", true),
        ("ping", "", true),
        ("typing", "", true),
        ("drag", "i1", false),
        ("drag", "i2", false),
    ] {
        player.say(&hint(kind, key));
        player.catches_up();
        assert_eq!(gm.all("hint").len(), usize::from(allowed), "{kind} {key}");
        assert_eq!(
            player.all("nack").len(),
            usize::from(!allowed),
            "{kind} {key}"
        );
    }
    gm.ask(json!({"type": "assign", "entry": "i1", "member": player.id()}));
    player.say(&hint("drag", "i1"));
    display.say(&hint("pointer", ""));
    player.catches_up();
    display.catches_up();
    assert_eq!(gm.all("hint").len(), 1);
    let nack = &display.all("nack")[0];
    assert_eq!(
        (&nack["id"], &nack["code"]),
        (&Value::Null, &json!("forbidden"))
    );
    // One that gives an id is answered by it.
    let mut hint = hint("pointer", "");
    hint["id"] = json!("h1");
    display.say(&hint);
    display.catches_up();
    assert_eq!(display.all("nack")[0]["id"], "h1");
}

#[test]
fn chat_reaches_all_a_whisper_only_those_it_is_for() {
    let server = start();
    let mut gm = gm(&server);
    let mut ada = Member::join(&server, "player", "Ada");
    let mut bob = Member::join(&server, "player", "Bob");
    let mut display = Member::join(&server, "display", "TV");
    let ack = ada.ask(json!({"type": "chat", "text": " hello, table "}));
    assert_eq!((&ack["type"], &ack["chat_seq"]), (&json!("ack"), &json!(1)));
    let from = ada.id().to_owned();
    for member in [&mut gm, &mut ada, &mut bob, &mut display] {
        let line = member.until_type("chat");
        assert_eq!(
            (&line["text"], &line["chat_seq"]),
            (&json!("hello, table"), &json!(1))
        );
        assert_eq!(line["from"], from.as_str());
    }
    // To one member, and to the GM.
    for (to, hears) in [
        (bob.id().to_owned(), [false, true, true]),
        ("gm".into(), [true, true, false]),
    ] {
        let ack = ada.ask(json!({"type": "chat", "text": "psst", "to": to}));
        assert_eq!(ack["type"], "ack", "{ack}");
        for (member, hears) in [&mut gm, &mut ada, &mut bob].into_iter().zip(hears) {
            let heard = member.all("chat");
            assert_eq!(heard.len(), usize::from(hears), "to {to}");
            if hears {
                assert_eq!(
                    (&heard[0]["to"], &heard[0]["text"]),
                    (&json!(to), &json!("psst"))
                );
            }
        }
        assert_eq!(display.all("chat"), [] as [Value; 0]);
    }
    // Whoever comes later is shown what it may know.
    let shown = |role: &str| {
        Member::join(&server, role, "late").welcome["chat"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((shown("player"), shown("gm"), shown("display")), (1, 2, 1));
    let code = |answer: Value| answer["code"].as_str().unwrap_or("none").to_owned();
    assert_eq!(
        code(display.ask(json!({"type": "chat", "text": "beep"}))),
        "forbidden"
    );
    assert_eq!(
        code(ada.ask(json!({"type": "chat", "text": "to nobody", "to": "nobody"}))),
        "not_found"
    );
    assert_eq!(
        code(ada.ask(json!({"type": "chat", "text": "x".repeat(2001)}))),
        "invalid"
    );
    assert_eq!(
        code(ada.ask(json!({"type": "chat", "text": "  "}))),
        "invalid"
    );
    assert_eq!(
        ada.ask(json!({"type": "chat", "text": "é".repeat(2000)}))["type"],
        "ack"
    );
}

#[test]
fn the_server_rolls_and_a_private_roll_is_private() {
    let server = start();
    let mut gm = gm(&server);
    let mut ada = Member::join(&server, "player", "Ada");
    let mut bob = Member::join(&server, "player", "Bob");
    ada.ask(json!({"type": "roll", "expr": "4d6kh3+2"}));
    let rolled = ada.until_type("rolled");
    assert_eq!(bob.until_type("rolled"), rolled);
    assert_eq!(gm.until_type("rolled"), rolled);
    assert_eq!(
        (&rolled["from"], &rolled["expr"]),
        (&json!(ada.id()), &json!("4d6kh3+2"))
    );
    let dice = rolled["dice"].as_array().unwrap();
    let kept: u64 = dice
        .iter()
        .flat_map(|die| {
            let (values, kept) = (
                die["values"].as_array().unwrap(),
                die["kept"].as_array().unwrap(),
            );
            let counted = kept.iter().filter(|kept| **kept == true).count();
            assert_eq!((&die["sides"], values.len(), counted), (&json!(6), 4, 3));
            let pairs = values.iter().zip(kept).filter(|(_, kept)| **kept == true);
            pairs
                .map(|(value, _)| value.as_u64().unwrap())
                .collect::<Vec<_>>()
        })
        .sum();
    assert_eq!(rolled["total"], kept + 2, "{rolled}");
    ada.ask(json!({"type": "roll", "expr": "1d20", "to": "gm"}));
    assert_eq!(
        (
            gm.all("rolled").len(),
            ada.all("rolled").len(),
            bob.all("rolled").len()
        ),
        (1, 1, 0)
    );
    assert_eq!(
        Member::join(&server, "player", "late").welcome["chat"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        ada.ask(json!({"type": "roll", "expr": "101d6"}))["code"],
        "invalid"
    );
    let id = new_id();
    let roll = json!({"type": "roll", "id": id, "expr": "100d1000"});
    ada.say(&roll);
    ada.answer(&id);
    let first = ada.until_type("rolled");
    // The same again is not another roll.
    ada.say(&roll);
    ada.answer(&id);
    assert_eq!(ada.all("rolled"), [] as [Value; 0]);
    assert_eq!(bob.until_type("rolled"), first);
}

#[test]
fn sound_is_for_those_whom_its_route_names() {
    let server = start();
    let mut gm = gm(&server);
    let mut player = Member::join(&server, "player", "P");
    let mut display = Member::join(&server, "display", "TV");
    let play = |track: &str, route: &str| json!({"type": "audio", "action": "play", "track": track, "route": route, "volume": 0.5});
    for (route, hears) in [
        ("all", [1, 1, 1]),
        ("display", [1, 0, 1]),
        ("gm", [1, 0, 0]),
    ] {
        assert_eq!(gm.ask(play(route, route))["type"], "ack");
        for (member, hears) in [&mut gm, &mut player, &mut display].into_iter().zip(hears) {
            let told = member.all("audio");
            assert_eq!(told.len(), hears, "{route}");
            for told in told {
                let started = told["started_at"].as_u64().unwrap();
                let expected = json!({"type": "audio", "track": route, "playing": true, "position": 0.0,
                    "started_at": started, "volume": 0.5, "loop": false, "route": route});
                assert_eq!(told, expected);
            }
        }
    }
    let known = |role: &str| {
        Member::join(&server, role, "late").welcome["audio"]["tracks"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((known("gm"), known("display"), known("player")), (3, 2, 1));
    // What somebody must no longer hear is taken from it.
    gm.ask(play("all", "gm"));
    let removed = json!({"type": "audio", "track": "all", "removed": true});
    assert_eq!(player.all("audio"), std::slice::from_ref(&removed));
    assert_eq!(display.all("audio"), [removed]);
    for (member, code) in [(&mut player, "forbidden"), (&mut display, "forbidden")] {
        assert_eq!(member.ask(play("x", "all"))["code"], code);
    }
    assert_eq!(
        gm.ask(json!({"type": "audio", "action": "seek", "track": "all"}))["code"],
        "invalid"
    );
    let fade = gm.ask(
        json!({"type": "audio", "action": "fade", "track": "all", "volume": 0.0, "duration": 3}),
    );
    assert_eq!(fade["type"], "ack");
    assert_eq!(gm.until(|m| m.get("fade").is_some())["fade"], 3.0);
}

#[test]
fn a_screen_is_driven_by_the_gm_and_keeps_its_state() {
    let server = start();
    let mut gm = gm(&server);
    let mut player = Member::join(&server, "player", "P");
    let mut tv = Member::join(&server, "display", "TV");
    let mut wall = Member::join(&server, "display", "Wall");
    let state = |blank: bool, rotation: f64, view: Value| json!({"blank": blank, "rotation": rotation, "view": view, "muted": false, "name": null});
    let ask = |gm: &mut Member, more: Value| {
        let mut message = json!({"type": "display"});
        message
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        gm.ask(message)
    };
    assert_eq!(
        ask(&mut gm, json!({"target": tv.id(), "action": "blank"}))["type"],
        "ack"
    );
    let told =
        json!({"type": "display", "target": tv.id(), "state": state(true, 0.0, Value::Null)});
    assert_eq!(tv.all("display"), std::slice::from_ref(&told));
    assert_eq!(gm.all("display"), [told]);
    assert_eq!(
        (wall.all("display").len(), player.all("display").len()),
        (0, 0)
    );
    // Without a target: all of them.
    ask(&mut gm, json!({"action": "rotate", "rotation": 90}));
    assert_eq!(
        (
            tv.all("display").len(),
            wall.all("display").len(),
            gm.all("display").len()
        ),
        (1, 1, 2)
    );
    let view = json!({"x": 1, "y": 2, "width": 30, "height": 40});
    ask(
        &mut gm,
        json!({"target": tv.id(), "action": "view", "view": view}),
    );
    ask(&mut gm, json!({"target": tv.id(), "action": "identify"}));
    let identify = json!({"type": "display", "target": tv.id(), "action": "identify"});
    assert_eq!(tv.all("display").last(), Some(&identify));
    // The TV is loaded anew.
    let tv = tv.returns(&server, "TV");
    let view = json!({"x": 1.0, "y": 2.0, "width": 30.0, "height": 40.0});
    let seen = state(true, 90.0, view);
    assert_eq!(tv.welcome["displays"], json!({ tv.id(): seen }));
    assert_eq!(
        player.ask(json!({"type": "display", "action": "blank"}))["code"],
        "forbidden"
    );
    assert_eq!(
        wall.ask(json!({"type": "display", "action": "unblank"}))["code"],
        "forbidden"
    );
    assert_eq!(
        ask(&mut gm, json!({"target": player.id(), "action": "blank"}))["code"],
        "not_found"
    );
    assert_eq!(
        ask(&mut gm, json!({"target": tv.id(), "action": "explode"}))["code"],
        "invalid"
    );
}

#[test]
fn a_player_moves_what_is_assigned_to_it_and_nothing_else() {
    let server = start();
    let mut gm = gm(&server);
    let mut ada = Member::join(&server, "player", "Ada");
    let mut bob = Member::join(&server, "player", "Bob");
    let entry = |id: &str, member: &str, value: Value| {
        json!([set(
            ["initiativeOrder".into(), json!({"id": id}), member.into()],
            value
        )])
    };
    let place = json!({"x": 3, "y": 4});
    let forbidden = |answer: Value| {
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("nack"), &json!("forbidden")),
            "{answer}"
        )
    };
    forbidden(ada.change(entry("i1", "mapPosition", place.clone())));
    assert_eq!(
        gm.ask(json!({"type": "assign", "entry": "i1", "member": ada.id()}))["type"],
        "ack"
    );
    let told = bob.until_type("member_updated");
    assert_eq!(
        (&told["member"]["id"], &told["member"]["entries"]),
        (&json!(ada.id()), &json!(["i1"]))
    );
    ada.changes(entry("i1", "mapPosition", place.clone()));
    ada.changes(entry("i1", "initiative", 12.into()));
    for edits in [
        entry("i1", "hp", 99.into()),
        entry("i1", "name", "Brenna the Great".into()),
        entry("i2", "mapPosition", place.clone()),
        json!([{"op": "delete", "path": ["initiativeOrder", {"id": "i1"}]}]),
        json!([set(["initiativeOrder".into()], json!([]))]),
        json!([set(
            ["initiativeOrder".into(), json!({"id": "i1"})],
            json!({"id": "i1"})
        )]),
        json!([insert("initiativeOrder", json!({"id": "i3"}))]),
        json!([entry("i1", "initiative", 1.into())[0], size(1)[0]]),
        size(1),
    ] {
        let answer = ada.change(edits.clone());
        assert_eq!(answer["code"], "forbidden", "{edits}: {answer}");
    }
    forbidden(bob.change(entry("i1", "initiative", 1.into())));
    let whole = ada.replica.doc.clone();
    forbidden(ada.ask(json!({"type": "change", "base": ada.replica.seq, "scene": whole})));
    let mut display = Member::join(&server, "display", "TV");
    forbidden(display.change(size(1)));
    forbidden(ada.ask(json!({"type": "assign", "entry": "i2", "member": ada.id()})));
    gm.catches_up();
    assert_eq!(gm.replica.doc["initiativeOrder"][0]["mapPosition"], place);
    assert_eq!(gm.replica.doc["initiativeOrder"][0]["initiative"], 12);
    assert_eq!(gm.replica.doc["initiativeOrder"][0]["hp"], 20);
    // Force is the GM's.
    let late = json!({"type": "change", "base": 1, "force": true, "edits": entry("i1", "initiative", 5.into())});
    gm.changes(entry("i1", "initiative", 7.into()));
    assert_eq!(ada.ask(late)["code"], "conflict");
    // Whoever goes keeps what is theirs, which the GM is told, and nobody else.
    let hello = json!({"name": "Ada", "role": "player", "resume_token": ada.token()});
    let id = ada.id().to_owned();
    drop(ada);
    while gm.until_type("member_left")["member"]["id"] != id {}
    let seen = json!([{"id": id, "name": "Ada", "role": "player", "connections": 0, "device": null, "entries": ["i1"]}]);
    assert_eq!(Member::join(&server, "gm", "B").welcome["away"], seen);
    assert_eq!(
        Member::join(&server, "player", "C").welcome.get("away"),
        None
    );
    let mut ada = Member::join_as(&server, &[], hello);
    assert_eq!(
        Member::join(&server, "gm", "D").welcome["away"],
        json!([]),
        "it is here again"
    );
    gm.ask(json!({"type": "assign", "entry": "i1", "member": null}));
    forbidden(ada.change(entry("i1", "initiative", 1.into())));
    assert_eq!(
        gm.ask(json!({"type": "assign", "entry": "i1", "member": "nobody"}))["code"],
        "not_found"
    );
}

#[test]
fn who_is_sent_away_is_gone_with_all_its_connections() {
    let server = start();
    let mut gm = gm(&server);
    let mut ada = Member::join(&server, "player", "Ada");
    let hello = json!({"name": "Ada", "role": "player", "resume_token": ada.token()});
    let mut second = Member::join_as(&server, &[], hello.clone());
    assert_eq!(second.id(), ada.id());
    assert_eq!(
        ada.ask(json!({"type": "kick", "member": gm.id()}))["code"],
        "forbidden"
    );
    assert_eq!(
        gm.ask(json!({"type": "kick", "member": "nobody"}))["code"],
        "not_found"
    );
    let ack = gm.ask(json!({"type": "kick", "member": ada.id()}));
    assert_eq!(
        (&ack["type"], &ack["kicked"]),
        (&json!("ack"), &json!(ada.id()))
    );
    gm.changes(size(99));
    for member in [&mut ada, &mut second] {
        let (code, reason) = member.closed();
        assert_eq!(code, 4403);
        assert!(reason.contains("removed"), "{reason}");
        assert_eq!(
            member.replica.doc["gridSettings"]["gridSize"], 50,
            "nothing reaches it any more"
        );
    }
    let left = gm.until_type("member_left");
    assert_eq!(left["member"]["id"], ada.id());
    // What it was known by is worth nothing.
    let again = Member::join_as(&server, &[], hello);
    assert_ne!(again.id(), ada.id());
}

#[test]
fn members_are_told_who_comes_and_goes() {
    let server = start();
    let mut gm = gm(&server);
    let ada = Member::join(&server, "player", "Ada");
    let joined = gm.until_type("member_joined");
    let expected = json!({"id": ada.id(), "name": "Ada", "role": "player", "connections": 1, "device": null, "entries": []});
    assert_eq!(joined["member"], expected);
    let hello = json!({"name": "Ada the Wise", "role": "player", "resume_token": ada.token()});
    let second = Member::join_as(&server, &[], hello);
    let updated = gm.until_type("member_updated");
    assert_eq!(
        (
            &updated["member"]["name"],
            &updated["member"]["connections"]
        ),
        (&json!("Ada the Wise"), &json!(2))
    );
    drop(ada);
    assert_eq!(gm.until_type("member_updated")["member"]["connections"], 1);
    drop(second);
    assert_eq!(
        gm.until_type("member_left")["member"]["name"],
        "Ada the Wise"
    );
    assert_eq!(
        Member::join(&server, "gm", "B").welcome["members"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn signals_reach_one_member() {
    let server = start();
    let mut gm = gm(&server);
    let mut ada = Member::join(&server, "player", "Ada");
    let mut bob = Member::join(&server, "player", "Bob");
    let mut tv = Member::join(&server, "display", "TV");
    let offer = json!({"sdp": "v=0\r\n", "n": [1, null]});
    ada.say(&json!({"type": "signal", "to": bob.id(), "data": offer}));
    ada.catches_up();
    assert_eq!(
        bob.all("signal"),
        [json!({"type": "signal", "from": ada.id(), "data": offer})]
    );
    assert_eq!((gm.all("signal").len(), ada.all("signal").len()), (0, 0));
    for (member, message, answer, part) in [
        (
            &mut ada,
            json!({"type": "signal", "to": "nobody", "data": 1}),
            "nack",
            "no member",
        ),
        (
            &mut tv,
            json!({"type": "signal", "to": bob.id(), "data": 1}),
            "nack",
            "display",
        ),
        (
            &mut gm,
            json!({"type": "signal", "to": bob.id(), "data": "x".repeat(16 << 10)}),
            "error",
            "16384 bytes",
        ),
    ] {
        member.say(&message);
        let error = member.until_type(answer);
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
    }
    assert_eq!(bob.all("signal"), [] as [Value; 0]);
}

// Limits and faults

#[test]
fn a_message_over_the_limit_is_1009_with_the_limit_in_the_reason() {
    let server = start_with(&["--max-frame", "64K"]);
    let mut gm = gm(&server);
    assert_eq!(gm.welcome["limits"]["frame_bytes"], 64 << 10);
    let text = json!({"type": "hint", "kind": "x", "data": "x".repeat(64 << 10)}).to_string();
    gm.say(&text.into());
    let (code, reason) = gm.closed();
    assert_eq!(code, 1009);
    assert!(reason.contains("65536 bytes"), "{reason}");
    // Also before hello, and in parts.
    let mut early = server.websocket_at("/ws/table", &[]).unwrap();
    let stream = early.0.get_mut();
    for part in 0..2 {
        let mut frame = vec![if part == 0 { 0x01 } else { 0x80 }, 0xff];
        frame.extend((40u64 << 10).to_be_bytes());
        frame.extend([0; 4]);
        frame.resize(frame.len() + if part == 0 { 40 << 10 } else { 0 }, b'x');
        stream.write_all(&frame).unwrap();
    }
    assert_eq!(closed(&mut early).0, 1009);
    // What the scene would become is bounded, too.
    let mut gm = Member::join(&server, "gm", "B");
    let answers: Vec<_> = (0..3)
        .map(|n| {
            gm.change(json!([set(
                [format!("gm_{n}").into()],
                "x".repeat(30 << 10)
            )]))
        })
        .collect();
    assert_eq!(answers[2]["code"], "too_large", "{answers:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn giants_that_are_only_declared_are_refused_at_once_and_cost_nothing() {
    let server = start();
    drop(Member::join(&server, "player", "P"));
    let before = server.resident_bytes("VmRSS");
    let mut frame = vec![0x81, 0xff];
    frame.extend((1u64 << 40).to_be_bytes());
    frame.extend([0; 4]);
    let said_hello = (0..25).map(|_| Member::join(&server, "player", "P").socket);
    let silent = (0..25).map(|_| server.websocket_at("/ws/table", &[]).unwrap());
    let mut sockets: Vec<_> = said_hello.chain(silent).collect();
    let sent: Vec<_> = sockets
        .iter_mut()
        .map(|socket| {
            let start = Instant::now();
            let stream = socket.0.get_mut();
            // The header bit by bit, then whatever it takes.
            for byte in &frame {
                stream.write_all(&[*byte]).unwrap();
            }
            let (code, reason) = closed(socket);
            assert_eq!(
                (code, reason.contains("16777216 bytes")),
                (1009, true),
                "{reason}"
            );
            let took = start.elapsed();
            let _ = socket.0.get_mut().write_all(&[b'x'; 64 << 10]);
            took
        })
        .collect();
    let rise = server.resident_bytes("VmHWM").saturating_sub(before);
    assert!(rise < 8 << 20, "{rise} bytes");
    // Some may be unlucky where many tests share a few processors.
    let late = sent.iter().filter(|took| took.as_millis() > 100).count();
    assert!(late <= 20, "{late} of 50 took longer than 100 ms: {sent:?}");
}

#[test]
fn everybody_is_told_to_come_back_when_the_server_stops() {
    let mut server = start();
    let mut gm = gm(&server);
    let ada = Member::join(&server, "player", "Ada");
    let silent = server.websocket_at("/ws/table", &[]).unwrap();
    gm.changes(size(70));
    let start = Instant::now();
    std::thread::scope(|scope| {
        let sockets = [gm.socket, ada.socket, silent];
        let closing =
            sockets.map(|mut socket| scope.spawn(move || (closed(&mut socket).0, start.elapsed())));
        assert_eq!(server.terminate(), 0);
        for closing in closing {
            let (code, took) = closing.join().unwrap();
            assert_eq!(code, 1001);
            assert!(took < Duration::from_secs(5), "{took:?}");
        }
    });
    assert!(start.elapsed().as_secs() < 5);
    assert_eq!(
        server.read_json("scenes/current_scene.json")["gridSettings"]["gridSize"],
        70
    );
}

#[test]
fn every_table_is_brought_to_disk_when_the_server_stops() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_in(folder.path(), &[]);
    let id = server.post("/tables", &json!({"name": "Other"})).value()["id"].clone();
    let hello = json!({"role": "gm", "name": "Ada", "table": id});
    let mut ada = Member::join_as(&server, &[], hello.clone());
    let seq = ada.changes(size(70));
    // Far more than one round of a worker has to close.
    let sockets: Vec<_> = (0..300)
        .map(|_| server.websocket_at("/ws/table", &[]).unwrap())
        .collect();
    assert_eq!(server.terminate(), 0);
    assert_eq!(ada.closed().0, 1001);
    for mut socket in sockets {
        assert_eq!(closed(&mut socket).0, 1001);
    }
    // After a stop that was not in order the numbers would go on far behind.
    let server = start_in(folder.path(), &[]);
    let mut ada = Member::come_back(&server, &[], hello, ada.replica);
    assert_eq!(ada.changes(size(71)), seq + 1);
}

// Coming back

#[test]
fn who_comes_back_goes_on_where_it_was() {
    let server = start();
    let mut gm = gm(&server);
    for role in ["gm", "player", "display"] {
        let mut member = Member::join(&server, role, "R");
        gm.changes(size(60));
        member.until_type("change");
        let (id, seq) = (member.id().to_owned(), member.replica.seq);
        let hello = json!({"role": role, "name": "R", "resume_token": member.token()});
        drop(member.socket);
        for n in 61..64 {
            gm.changes(size(n));
        }
        gm.changes(json!([set(["gm_notes".into()], role)]));
        let mut member = Member::come_back(&server, &[], hello, member.replica);
        let welcome = &member.welcome;
        assert_eq!(
            (&welcome["mode"], &welcome["from"], &welcome["to"]),
            (&json!("resumed"), &json!(seq), &json!(seq + 4))
        );
        assert_eq!(welcome.get("scene"), None);
        assert_eq!(member.id(), id);
        member.catches_up();
        assert_eq!(member.replica.doc["gridSettings"]["gridSize"], 63);
        assert_eq!(
            member.replica.log.len(),
            if role == "gm" { 5 } else { 4 } + 1,
            "{:?}",
            member.replica.log
        );
        assert_eq!(member.replica.faults, [] as [String; 0]);
    }
}

#[test]
fn who_cannot_go_on_gets_the_scene() {
    let server = start();
    let mut gm = gm(&server);
    gm.changes(size(70));
    let seq = gm.replica.seq;
    let epoch = gm.replica.epoch.clone();
    let token = gm.token().to_owned();
    let come = |token: Option<&str>, epoch: &str, seq: u64, role: &str| {
        let hello = json!({"type": "hello", "proto": 1, "name": "G", "role": role, "resume_token": token, "epoch": epoch, "seq": seq});
        let mut socket = server.websocket_at("/ws/table", &[]).unwrap();
        socket.say(&hello.to_string());
        let welcome: Value = serde_json::from_str(&socket.hear()).unwrap();
        welcome["mode"].as_str().unwrap().to_owned()
    };
    // One who was never here has a past, but not this member's.
    assert_eq!(come(None, &epoch, seq, "gm"), "snapshot");
    assert_eq!(come(Some("made up"), &epoch, seq, "gm"), "snapshot");
    assert_eq!(come(Some(&token), &epoch, seq, "gm"), "resumed");
    // Another view.
    assert_eq!(come(Some(&token), &epoch, seq, "player"), "snapshot");
    assert_eq!(come(Some(&token), "0123456789abcdef", seq, "gm"), "reset");
    assert_eq!(come(Some(&token), "rubbish", seq, "gm"), "reset");
    assert_eq!(come(Some(&token), &epoch, seq + 1, "gm"), "reset");
}

// SpellTable at the same table

#[test]
fn spelltable_and_the_table_are_one() {
    let server = start();
    let mut gm = gm(&server);
    let mut player = Member::join(&server, "player", "P");
    let mut admin = page(&server, &[]);
    let mut viewer = page(&server, &[("x-forwarded-for", "10.0.0.1")]);
    assert_eq!(update(&mut admin), scene());
    let seen = update(&mut viewer);
    assert_eq!(seen, player.replica.doc);
    assert!(
        !seen.to_string().contains("lair.png") && !seen.to_string().contains("mimic"),
        "{seen}"
    );
    // From the table to the pages.
    gm.changes(size(70));
    assert_eq!(update(&mut admin), gm.replica.doc);
    assert_eq!(update(&mut viewer)["gridSettings"]["gridSize"], 70);
    // And back.
    let mut next = gm.replica.doc.clone();
    next["gridSettings"]["showGrid"] = false.into();
    next["aoeMarkers"] = json!([{"id": "m", "revealed": false}]);
    send_scene(&mut admin, &next);
    let change = gm.until_type("change");
    assert_eq!(
        (&change["seq"], &change["by"]),
        (&json!(3), &json!("spelltable"))
    );
    assert_eq!(gm.replica.doc, next);
    player.until_type("change");
    player.until_type("change");
    assert_eq!(player.replica.doc["gridSettings"]["showGrid"], false);
    assert_eq!(player.replica.doc["aoeMarkers"], json!([]));
    assert_eq!(update(&mut viewer), player.replica.doc);
    // What a page sends that knows no better does not undo an acknowledged edit.
    gm.changes(json!([set(["name".into()], "Deeper")]));
    let mut stale = next.clone();
    stale["showCurrentPlayer"] = false.into();
    send_scene(&mut admin, &stale);
    gm.until(|message| message["type"] == "change" && message["seq"] == 5);
    assert_eq!(
        (
            &gm.replica.doc["name"],
            &gm.replica.doc["showCurrentPlayer"]
        ),
        (&json!("Deeper"), &json!(false))
    );
    let mut last = Value::Null;
    while last["showCurrentPlayer"] != false || last["name"] != "Deeper" {
        last = update(&mut admin);
    }
    assert_eq!(last, gm.replica.doc);
    assert_eq!(
        [gm.replica.faults, player.replica.faults],
        [vec![], vec![] as Vec<String>]
    );
}

#[test]
fn a_page_without_the_role_snaps_back_and_writes_nothing() {
    let server = start();
    let mut gm = gm(&server);
    let mut viewer = page(&server, &[("x-forwarded-for", "10.0.0.1")]);
    let seen = update(&mut viewer);
    send_scene(&mut viewer, &json!({"id": "mine"}));
    assert_eq!(update(&mut viewer), seen);
    gm.catches_up();
    assert_eq!(gm.replica.doc, scene());
    assert!(server.log().contains("--gm-from"));
}

// Across a stop

#[test]
fn a_restart_keeps_the_scene_the_chat_the_sound_the_screens_and_who_is_who() {
    for kill in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = start_in(folder.path(), &[]);
        let mut gm = gm(&server);
        let mut ada = Member::join(&server, "player", "Ada");
        let tv = Member::join(&server, "display", "TV");
        gm.changes(size(70));
        ada.ask(json!({"type": "chat", "text": "remember me"}));
        gm.ask(json!({"type": "audio", "action": "play", "track": "rain", "volume": 0.25}));
        gm.ask(json!({"type": "display", "target": tv.id(), "action": "blank"}));
        gm.ask(json!({"type": "assign", "entry": "i1", "member": ada.id()}));
        let lost = json!({"type": "change", "id": new_id(), "base": gm.replica.seq, "edits": marker("once")});
        gm.say(&lost);
        let ack = gm.answer(lost["id"].as_str().unwrap());
        gm.catches_up();
        let doc = gm.replica.doc.clone();
        if kill {
            server.kill();
        } else {
            assert_eq!(server.terminate(), 0);
        }
        let server = start_in(folder.path(), &[]);
        let mut gm = gm.returns(&server, "Gary");
        assert_eq!(gm.welcome["mode"], "snapshot", "kill: {kill}");
        assert_eq!(gm.replica.doc, doc);
        assert_eq!(gm.replica.seq, ack["seq"].as_u64().unwrap(), "kill: {kill}");
        // The ack may have been lost: asked again, it is given again, and the thing is done once.
        gm.say(&lost);
        assert_eq!(gm.answer(lost["id"].as_str().unwrap()), ack);
        let id = ada.id().to_owned();
        let mut ada = ada.returns(&server, "Ada");
        assert_eq!(ada.id(), id);
        assert_eq!(ada.welcome["chat"][0]["text"], "remember me");
        let track = &ada.welcome["audio"]["tracks"][0];
        assert_eq!(
            (&track["track"], &track["playing"], &track["volume"]),
            (&json!("rain"), &json!(true), &json!(0.25))
        );
        let tv = tv.returns(&server, "TV");
        assert_eq!(tv.welcome["displays"][tv.id()]["blank"], true);
        ada.changes(json!([set(
            [
                "initiativeOrder".into(),
                json!({"id": "i1"}),
                "initiative".into()
            ],
            3
        )]));
        let next = gm.changes(size(80));
        assert!(next > ack["seq"].as_u64().unwrap());
        gm.catches_up();
        assert_eq!(gm.replica.doc["aoeMarkers"].as_array().unwrap().len(), 1);
        let line = ada.ask(json!({"type": "chat", "text": "again"}));
        assert_eq!(line["chat_seq"], 2);
    }
}

fn aside(server: &TestServer, what: &str) -> Vec<Value> {
    let folder = server.path(".tablekeep/tables/main/aside");
    let names = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    let kept = names.filter(|path| path.to_string_lossy().contains(what));
    kept.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        .collect()
}

#[test]
fn the_scenes_own_file_follows_and_one_that_was_edited_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenes/current_scene.json");
    let mut server = start_in(folder.path(), &[]);
    let mut gm = gm(&server);
    let written = |expected: &Value| {
        let start = Instant::now();
        loop {
            let now = std::fs::read(&file)
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if now.as_ref() == Some(expected) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "never written: {now:?}");
            std::thread::yield_now();
        }
    };
    gm.changes(size(70));
    written(&gm.replica.doc);
    gm.changes(size(71));
    written(&gm.replica.doc);
    let before = gm.replica.doc.clone();
    server.kill();
    let mut edited = before.clone();
    edited["name"] = "Edited by hand".into();
    std::fs::write(&file, edited.to_string()).unwrap();
    let mut server = start_in(folder.path(), &[]);
    let mut gm = gm.returns(&server, "Gary");
    assert_eq!(gm.replica.doc, edited);
    assert_eq!(aside(&server, "replaced"), [before]);
    assert!(gm.replica.seq > 3);
    gm.changes(size(72));
    let doc = gm.replica.doc.clone();
    written(&doc);
    // A file that is ours but older is not somebody else's work, and none at all is no scene.
    server.kill();
    std::fs::remove_file(&file).unwrap();
    let server = start_in(folder.path(), &[]);
    let gm = gm.returns(&server, "Gary");
    assert_eq!(gm.replica.doc, doc);
    written(&doc);
}

#[test]
fn a_torn_journal_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_in(folder.path(), &[]);
    let mut gm = gm(&server);
    gm.changes(size(70));
    server.kill();
    let journal = folder.path().join(".tablekeep/tables/main/journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    // Half a record, as a power cut leaves it.
    bytes.extend([200, 0, 0, 0x80, 1, 2, 3, 4, b'{']);
    std::fs::write(&journal, bytes).unwrap();
    let server = start_in(folder.path(), &[]);
    server.wait_for_log("was cut off by a crash");
    let mut gm = gm.returns(&server, "Gary");
    assert_eq!(
        (&gm.welcome["mode"], gm.replica.seq),
        (&json!("snapshot"), 2)
    );
    gm.changes(size(71));
}

#[test]
fn a_damaged_journal_ends_the_epoch_and_keeps_what_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_in(folder.path(), &[]);
    let mut gm = gm(&server);
    let epoch = gm.replica.epoch.clone();
    gm.changes(json!([set(["gm_spoiled".into()], "spoil me")]));
    let start = Instant::now();
    while !std::fs::read(server.path("scenes/current_scene.json"))
        .is_ok_and(|b| b.windows(8).any(|w| w == b"spoil me"))
    {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    gm.changes(size(70));
    gm.changes(size(71));
    server.kill();
    // The middle of what was durable, not its end; and no file to go by.
    let journal = folder.path().join(".tablekeep/tables/main/journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    let at = bytes.windows(8).position(|w| w == b"spoil me").unwrap();
    bytes[at] = b'S';
    std::fs::write(&journal, &bytes).unwrap();
    std::fs::remove_file(folder.path().join("scenes/current_scene.json")).unwrap();
    let server = start_in(folder.path(), &[]);
    server.wait_for_log("is damaged");
    let mut gm = gm.returns(&server, "Gary");
    assert_eq!(gm.welcome["mode"], "reset");
    assert_ne!(gm.replica.epoch, epoch);
    assert_eq!(gm.replica.doc, scene());
    gm.changes(size(80));
    let kept = std::fs::read_dir(journal.parent().unwrap()).unwrap();
    let kept = kept.filter(|e| std::fs::read(e.as_ref().unwrap().path()).is_ok_and(|b| b == bytes));
    assert_eq!(kept.count(), 1, "the damaged one is kept beside it");
}

// Time

#[test]
fn two_clients_agree_on_the_time_and_a_joiner_on_where_the_track_is() {
    let server = start();
    let mut gm = gm(&server);
    let mut ada = Member::join(&server, "player", "Ada");
    /// Milliseconds to be added to the local clock: the best of five round trips.
    fn offset(member: &mut Member, clock: Instant) -> f64 {
        let local = |at: Instant| at.duration_since(clock).as_secs_f64() * 1000.0;
        let trips = (0..5).map(|_| {
            let t0 = local(Instant::now());
            member.say(&json!({"type": "time", "t0": t0}));
            let time = member.until_type("time");
            assert!((time["t0"].as_f64().unwrap() - t0).abs() < 1e-6, "{time}");
            let t2 = local(Instant::now());
            (t2 - t0, time["t1"].as_f64().unwrap() - (t0 + t2) / 2.0)
        });
        trips.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1
    }
    let clock = Instant::now();
    let (one, other) = (offset(&mut gm, clock), offset(&mut ada, clock));
    assert!((one - other).abs() <= 10.0, "{one} and {other}");
    gm.ask(json!({"type": "audio", "action": "play", "track": "rain", "position": 12.5}));
    let told = ada.until_type("audio");
    ada.ask(json!({"type": "chat", "text": "time goes by"}));
    let mut late = Member::join(&server, "player", "Late");
    let shown = late.welcome["audio"]["tracks"][0].clone();
    let late_offset = offset(&mut late, clock);
    let local = clock.elapsed().as_secs_f64() * 1000.0;
    let position = |track: &Value, offset: f64| {
        let since = local + offset - track["started_at"].as_f64().unwrap();
        track["position"].as_f64().unwrap() + since / 1000.0
    };
    let (there, here) = (position(&told, other), position(&shown, late_offset));
    assert!((there - here).abs() < 0.1, "{there} and {here}");
    assert!(
        (12.4..12.5 + PATIENCE.as_secs_f64()).contains(&here),
        "{here}"
    );
    for t0 in ["null", "\"x\""] {
        gm.socket.say(&format!("{{\"type\":\"time\",\"t0\":{t0}}}"));
        assert_eq!(gm.until_type("time")["t0"], Value::Null);
    }
}

#[test]
fn insisting_helps_against_others_and_not_against_another_past() {
    let server = start();
    let mut gm = gm(&server);
    let mut other = scene();
    other["name"] = "from another past".into();
    for more in [
        json!({"base": 99}),
        json!({"base": 1, "epoch": "0123456789abcdef"}),
    ] {
        let mut change = json!({"type": "change", "scene": other, "force": true});
        let more = more.as_object().unwrap().clone();
        change.as_object_mut().unwrap().extend(more);
        assert_eq!(gm.ask(change.clone())["code"], "conflict", "{change}");
    }
}

#[test]
fn sending_away_twice_with_one_id_is_sending_away_once() {
    let server = start();
    let mut gm = gm(&server);
    let ada = Member::join(&server, "player", "Ada");
    let kick = json!({"type": "kick", "id": new_id(), "member": ada.id()});
    let id = kick["id"].as_str().unwrap();
    gm.say(&kick);
    let ack = gm.answer(id);
    assert_eq!(ack["type"], "ack");
    let mut gm = gm.returns(&server, "Gary");
    gm.say(&kick);
    assert_eq!(gm.answer(id), ack);
}

fn stalled(server: &TestServer, role: &str) -> Member {
    use socket2::{Domain, Socket as Raw, Type};
    let raw = Raw::new(Domain::IPV4, Type::STREAM, None).unwrap();
    raw.set_recv_buffer_size(16 << 10).unwrap();
    raw.connect(&server.addr.into()).unwrap();
    Member::over(
        raw.into(),
        server.addr,
        json!({"role": role, "name": "slow"}),
    )
}

#[test]
fn a_member_that_reads_too_slowly_is_told_to_come_back_and_disturbs_nobody() {
    let server = start();
    let mut gm = gm(&server);
    let mut slow = stalled(&server, "player");
    let mut ada = Member::join(&server, "player", "Ada");
    let data = "x".repeat(16_000);
    let mut left = None;
    for n in 0..2000 {
        gm.say(&json!({"type": "signal", "to": slow.id(), "data": data}));
        if n % 50 == 49 {
            let start = Instant::now();
            gm.changes(size(n));
            ada.until(|message| message["type"] == "change");
            assert!(start.elapsed() < PATIENCE);
            left = gm
                .heard
                .iter()
                .find(|message| message["type"] == "member_left")
                .cloned();
            if left.is_some() {
                break;
            }
        }
    }
    assert_eq!(left.unwrap()["member"]["id"], slow.id());
    assert_eq!(slow.closed(), (4008, "too slow".into()));
}

#[test]
fn a_member_that_reads_slowly_gets_one_scene_for_what_it_missed() {
    let server = start();
    let mut gm = gm(&server);
    let mut slow = stalled(&server, "gm");
    let pad = |n: u64| {
        json!([
            set(["gm_pad".into()], format!("{n}{}", "x".repeat(100 << 10))),
            set(["gm_n".into()], n)
        ])
    };
    gm.changes(json!([set(["gm_pile".into()], "x".repeat(200 << 10))]));
    for n in 0..80 {
        gm.changes(pad(n));
    }
    slow.until(|message| {
        message.to_string().contains("\"gm_n\":79")
            || message.to_string().contains("\"gm_n\"],\"value\":79")
    });
    assert_eq!(slow.replica.doc, gm.replica.doc);
    assert_eq!(slow.replica.faults, [] as [String; 0]);
    assert!(slow.replica.log.len() < 70, "{}", slow.replica.log.len());
    assert!(slow.replica.log.iter().any(|(_, edits)| edits.is_none()));
}

#[test]
fn pages_from_elsewhere_get_no_socket() {
    let server = start();
    let from = |origin: &str| server.websocket_at("/ws/table", &[("origin", origin)]);
    for origin in ["https://evil.example", "null"] {
        match from(origin) {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403),
            other => panic!("{:?}", other.map(|_| "connected")),
        }
    }
    assert!(from("http://localhost:3000").is_ok());
    assert!(from(&format!("http://{}", server.addr)).is_ok());
}
