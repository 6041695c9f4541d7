//! `/ws/chat`: rooms, both spellings, resuming, files, limits, and what the server must not see.

#[allow(dead_code, reason = "the example uses all of it")]
#[path = "../../examples/chat_client/client.rs"]
mod client;
#[path = "../../examples/chat_client/e2e.rs"]
mod e2e;

use crate::support::{PATIENCE, TestServer, send_to, start, start_with};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as B64};
use client::{ChatClient, Event, Keys};
use rstest::rstest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

/// Somebody who says exactly what the test says.
struct Peer(WebSocket<TcpStream>);

impl Peer {
    fn new(server: &TestServer) -> Self {
        Self::at(server, "/ws/chat")
    }

    fn at(server: &TestServer, path: &str) -> Self {
        Self::over(TcpStream::connect(server.addr).unwrap(), server, path)
    }

    /// From another address of this machine.
    #[cfg(target_os = "linux")]
    fn from(ip: &str, server: &TestServer) -> Self {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let ip: std::net::IpAddr = ip.parse().unwrap();
        socket.bind(&SocketAddr::new(ip, 0).into()).unwrap();
        socket.connect(&server.addr.into()).unwrap();
        Self::over(socket.into(), server, "/ws/chat")
    }

    fn over(stream: TcpStream, server: &TestServer, path: &str) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!("ws://{}{path}", server.addr);
        let request = request.into_client_request().unwrap();
        let (socket, _) = tungstenite::client(request, stream).unwrap();
        Self(socket)
    }

    fn say(&mut self, message: impl ToString) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    fn hear(&mut self) -> Value {
        loop {
            match self.0.read().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected text, got {other:?}"),
            }
        }
    }

    fn ask(&mut self, message: impl ToString) -> Value {
        self.say(message);
        self.hear()
    }

    fn code(&mut self, message: impl ToString) -> String {
        let answer = self.ask(message);
        assert_eq!(answer["type"], "Error", "{answer}");
        answer["code"].as_str().unwrap().to_owned()
    }

    /// Nothing has come: the next thing said is the answer to a question.
    fn expect_silence(&mut self) {
        assert_eq!(self.ask(json!({"type": "Ping"})), json!({"type": "Pong"}));
    }

    fn close(&mut self) -> (u16, String) {
        loop {
            match self.0.read() {
                Ok(Message::Close(Some(frame))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Ok(_) => {}
                Err(error) => panic!("no close frame: {error}"),
            }
        }
    }

    /// As a network failure does it.
    fn lose(self) {
        let stream = socket2::SockRef::from(self.0.get_ref());
        stream.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }

    fn create(server: &TestServer) -> (Self, Value) {
        let mut owner = Self::new(server);
        let created = owner.ask(room());
        assert_eq!(created["type"], "RoomCreated", "{created}");
        (owner, created)
    }

    fn join(server: &TestServer, created: &Value, name: &str) -> (Self, Value) {
        let mut peer = Self::new(server);
        let joined = peer.ask(join(created, name));
        assert_eq!(joined["type"], "RoomJoined", "{joined}");
        (peer, joined)
    }
}

fn room() -> Value {
    json!({"type": "CreateRoom", "name": "Dragon Hoard", "description": "Friday game", "password": null})
}

/// The same with some fields otherwise.
fn with(mut message: Value, fields: Value) -> Value {
    for (key, value) in fields.as_object().unwrap() {
        message[key] = value.clone();
    }
    message
}

fn key(created: &Value) -> &str {
    created["room_info"]["join_key"].as_str().unwrap()
}

fn join(created: &Value, name: &str) -> Value {
    json!({"type": "JoinRoom", "join_key": key(created), "name": name})
}

fn chat(content: &str) -> Value {
    json!({"type": "ChatMessage", "content": content})
}

fn sealed_room() -> Value {
    with(
        room(),
        json!({"encryption": {"mode": "client", "scheme": "link-v1",
            "params": {"salt": "AAECAwQFBgcICQoLDA0ODw"}, "key_check": "k-8nZePdft8"}}),
    )
}

fn wrapping_room(key: &str) -> Value {
    with(
        room(),
        json!({"encryption": {"mode": "client", "scheme": "wrap-v1"},
            "public_key": {"alg": "P-256", "key": key}}),
    )
}

const ENVELOPE: &str = "E1.0.oKGio6Slpqeoqaqr.5_l6mrbVJ9brScxVi2asYMdFEOs02F0zXkz6avFqIMv3vhxzy9NjVcGAF2eVqK87iNGvP4dWhazZnC6SmwMcglW7GQ";
const POINT: &str =
    "BAIX5hfwtkQ5KCePlpmeaaI6TywVK99tbN9m5bgCgtTtGUp968uXcS0t2jyoWqh2Wlb0X8dYWZZS8ol8ZTBuV5Q";

#[test]
fn each_message_has_its_answer() {
    let server = start();
    let (mut owner, created) = Peer::create(&server);
    let info = &created["room_info"];
    for (field, expected) in [
        ("name", json!("Dragon Hoard")),
        ("description", json!("Friday game")),
        ("has_password", json!(false)),
        ("participant_count", json!(1)),
        ("max_participants", json!(100)),
        ("encryption", json!({"mode": "server"})),
    ] {
        assert_eq!(info[field], expected, "{field}");
    }
    let made = info["created_at"].as_str().unwrap();
    assert!(made.len() == 24 && made.ends_with('Z'), "{made}");
    let given = created["encryption_key"].as_str().unwrap();
    assert_eq!(BASE64_STANDARD.decode(given).unwrap().len(), 32);
    assert_eq!(
        (&created["name"], &created["seq"]),
        (&json!("Owner"), &json!(1))
    );

    // As people type it.
    let typed = key(&created).to_lowercase().replace('-', " ");
    let mut ann = Peer::new(&server);
    let joined = ann.ask(
        json!({"type": "JoinRoom", "join_key": typed, "name": " Ann ", "password": "ignored"}),
    );
    assert_eq!(joined["participants"], json!(["Owner", "Ann"]));
    assert_eq!(
        (&joined["encryption_key"], &joined["seq"]),
        (&created["encryption_key"], &json!(2))
    );
    let came = owner.hear();
    assert_eq!(came["type"], "ParticipantJoined");
    assert_eq!(came["participant_id"], joined["participant_id"]);

    ann.say(with(chat("gnome"), json!({"request_id": "x"})));
    let (mine, theirs) = (ann.hear(), owner.hear());
    assert_eq!(mine, theirs);
    assert_eq!(
        (&mine["sender"], &mine["content"]),
        (&json!("Ann"), &json!("gnome"))
    );
    assert_eq!(mine["request_id"], Value::Null);

    let members = owner.ask(json!({"type": "GetMembers", "request_id": "who"}));
    assert_eq!(members["type"], "Members");
    assert_eq!(members["participants"], json!(["Owner", "Ann"]));
    assert_eq!(members["members"][0]["is_owner"], true);
    assert_eq!(members["request_id"], "who");

    let peek = owner.ask(json!({"type": "PeekRoom", "join_key": key(&created)}));
    assert_eq!(
        peek,
        json!({"type": "RoomPeek", "has_password": false, "encryption": {"mode": "server"}})
    );
    assert_eq!(
        owner.ask(json!({"type": "Ping", "request_id": "p"})),
        json!({"type": "Pong", "request_id": "p"})
    );

    // What is said right behind is for the next room.
    ann.say(json!({"type": "LeaveRoom"}));
    ann.say(with(room(), json!({"owner_name": "Ann", "password": ""})));
    ann.say(json!({"type": "GetMembers"}));
    assert_eq!(ann.hear(), json!({"type": "RoomLeft"}));
    let own = ann.hear();
    assert_eq!(
        (&own["type"], &own["name"]),
        (&json!("RoomCreated"), &json!("Ann"))
    );
    assert_ne!(own["participant_id"], joined["participant_id"]);
    assert_eq!(own["room_info"]["has_password"], false);
    assert_eq!(ann.hear()["participants"], json!(["Ann"]));
    let left = owner.hear();
    assert_eq!(
        (&left["type"], &left["reason"]),
        (&json!("ParticipantLeft"), &json!("left"))
    );

    let (mut bob, _) = Peer::join(&server, &created, "Bob");
    owner.hear();
    assert_eq!(
        owner.ask(json!({"type": "CloseRoom"})),
        json!({"type": "RoomClosed", "reason": "owner_closed"})
    );
    assert_eq!(bob.hear()["type"], "RoomClosed");
    for peer in [&mut owner, &mut bob] {
        assert_eq!(peer.code(json!({"type": "GetMembers"})), "not_in_room");
    }
    assert_eq!(bob.code(join(&created, "Bob")), "room_not_found");
    assert_eq!(
        bob.ask(join(&own, "Bob"))["participants"],
        json!(["Ann", "Bob"])
    );
    let log = server.log();
    assert!(
        !log.contains(key(&created)) && !log.contains("gnome") && !log.contains(given),
        "{log}"
    );
}

#[test]
fn who_is_let_go_is_heard_at_once() {
    let server = start_with(&["--chat-create-rate", "1000", "--chat-msg-burst", "1000"]);
    let mut owner = Peer::new(&server);
    let mut bob = Peer::new(&server);
    for _ in 0..100 {
        let created = owner.ask(room());
        bob.ask(join(&created, "Bob"));
        owner.hear();
        owner.say(json!({"type": "CloseRoom"}));
        assert_eq!(bob.hear()["type"], "RoomClosed");
        assert_eq!(bob.code(json!({"type": "GetMembers"})), "not_in_room");
        owner.hear();
    }
}

#[test]
fn each_refusal_has_its_code_and_its_words() {
    let server = start_with(&[
        "--chat-members",
        "3",
        "--chat-max-file-bytes",
        "10",
        "--chat-room-bytes",
        "12",
    ]);
    let (mut owner, created) = Peer::create(&server);
    let mut locked_owner = Peer::new(&server);
    let locked = locked_owner.ask(with(room(), json!({"password": "sesame"})));
    let mut sealed_owner = Peer::new(&server);
    let sealed = sealed_owner.ask(sealed_room());
    let mut wrap_owner = Peer::new(&server);
    let wrap = wrap_owner.ask(wrapping_room(POINT));
    assert_eq!(sealed["encryption_key"], "");
    assert_eq!(
        sealed["room_info"]["encryption"],
        json!({"mode": "client", "scheme": "link-v1", "params": {"salt": "AAECAwQFBgcICQoLDA0ODw"},
            "key_check": "k-8nZePdft8", "epoch": 0})
    );
    let (mut ann, _) = Peer::join(&server, &created, "Ann");
    owner.hear();

    let mut nobody = Peer::new(&server);
    let file = |name: &str, mime: &str, content: &str| json!({"type": "UploadFile", "name": name, "mime_type": mime, "content": content});
    let resume = json!({"type": "ResumeSession", "session_token": "x", "last_seq": 1});
    let e2e = json!({"supports": ["e2e-v1"]});
    let in_no_room = [
        (json!("x"), "invalid_json", "Invalid message format"),
        (json!([]), "invalid_json", "Invalid message format"),
        (
            json!({"type": "CreateRoom", "name": "x"}),
            "invalid_json",
            "Invalid message format",
        ),
        (
            json!({"type": "Dance"}),
            "unknown_type",
            "Unknown message type",
        ),
        (chat("x"), "not_in_room", "Not in a room"),
        (
            json!({"type": "GetMembers"}),
            "not_in_room",
            "Not in a room",
        ),
        (file("a", "a/b", "QQ"), "not_in_room", "Not in a room"),
        (
            json!({"type": "GetFile", "file_id": "x"}),
            "not_in_room",
            "Not in a room",
        ),
        (json!({"type": "LeaveRoom"}), "not_in_room", "Not in a room"),
        (json!({"type": "CloseRoom"}), "not_in_room", "Not in a room"),
        (
            json!({"type": "ShareKey", "to": "x", "epoch": 0, "wrapped_key": "x"}),
            "not_in_room",
            "Not in a room",
        ),
        (
            json!({"type": "RekeyRoom", "epoch": 1, "keys": []}),
            "not_in_room",
            "Not in a room",
        ),
        (
            json!({"type": "JoinRoom", "join_key": "AAAA-AAAA-AAAA-AAAA", "name": "x"}),
            "room_not_found",
            "Room not found",
        ),
        (
            json!({"type": "PeekRoom", "join_key": "short"}),
            "room_not_found",
            "Room not found",
        ),
        (
            join(&locked, "Ann"),
            "password_required",
            "Password required",
        ),
        (
            with(join(&locked, "Ann"), json!({"password": ""})),
            "password_required",
            "Password required",
        ),
        (
            with(join(&locked, "Ann"), json!({"password": "wrong"})),
            "invalid_password",
            "Invalid password",
        ),
        (
            with(join(&locked, "Ann"), json!({"password": "x".repeat(129)})),
            "invalid_password_format",
            "Invalid password format",
        ),
        (
            with(room(), json!({"password": "x".repeat(129)})),
            "invalid_password_format",
            "Invalid password format",
        ),
        (join(&created, "aNN"), "name_taken", "Name already taken"),
        (join(&created, "owner"), "name_taken", "Name already taken"),
        (join(&created, " "), "invalid_name", "Invalid name"),
        (join(&created, "a\nb"), "invalid_name", "Invalid name"),
        (
            with(room(), json!({"owner_name": "x".repeat(33)})),
            "invalid_name",
            "Invalid name",
        ),
        (
            with(room(), json!({"name": ""})),
            "invalid_room_name",
            "Invalid room name",
        ),
        (
            with(room(), json!({"description": "x".repeat(501)})),
            "invalid_description",
            "Invalid description",
        ),
        (
            join(&sealed, "Ann"),
            "e2e_required",
            "This room requires end-to-end encryption support",
        ),
        (
            with(join(&wrap, "Ann"), e2e.clone()),
            "invalid_key",
            "Invalid public key",
        ),
        (
            with(
                room(),
                json!({"public_key": {"alg": "P-256", "key": "AAAA"}}),
            ),
            "invalid_key",
            "Invalid public key",
        ),
        (
            with(
                room(),
                json!({"encryption": {"mode": "client", "scheme": "wrap-v1"}}),
            ),
            "invalid_key",
            "Invalid public key",
        ),
        (resume.clone(), "resume_failed", "Session cannot be resumed"),
    ];
    for (message, code, words) in in_no_room {
        let id = json!({"request_id": "id"});
        let asked = if message.is_object() {
            with(message.clone(), id)
        } else {
            message.clone()
        };
        let mut answer = nobody.ask(asked);
        if message.is_object() {
            assert_eq!(answer["request_id"], "id", "{message}");
            answer.as_object_mut().unwrap().remove("request_id");
        }
        let expected =
            json!({"type": "Error", "message": words, "code": code, "retry_after_ms": null});
        assert_eq!(answer, expected, "{message}");
    }
    nobody.0.send(Message::binary(b"x".as_slice())).unwrap();
    assert_eq!(
        nobody.hear()["message"],
        "Binary messages are not supported"
    );

    let shares = |to: &str, epoch: u64| json!({"type": "ShareKey", "to": to, "epoch": epoch, "wrapped_key": "A".repeat(80)});
    let in_a_room = [
        (room(), "already_in_room", "Already in a room"),
        (join(&created, "x"), "already_in_room", "Already in a room"),
        (resume, "already_in_room", "Already in a room"),
        (
            json!({"type": "Dance"}),
            "unknown_type",
            "Unknown message type",
        ),
        (chat(""), "empty_message", "Message is empty"),
        (
            chat(&"x".repeat((64 << 10) + 1)),
            "message_too_large",
            "Message is too large",
        ),
        (
            json!({"type": "GetFile", "file_id": "x"}),
            "file_not_found",
            "File not found",
        ),
        (file("a/b", "a/b", "QQ"), "invalid_file", "Invalid file"),
        (file("a", "a/b", "Q"), "invalid_file", "Invalid file"),
        (
            file("a", "a/b", "QUJDREVGR0hJSks"),
            "file_too_large",
            "File is too large",
        ),
        (
            json!({"type": "CloseRoom"}),
            "forbidden",
            "Only the owner can do that",
        ),
        (
            json!({"type": "RekeyRoom", "epoch": 1, "keys": []}),
            "forbidden",
            "Only the owner can do that",
        ),
        (shares("x", 0), "invalid_key", "Invalid wrapped key"),
    ];
    for (message, code, words) in in_a_room {
        let answer = ann.ask(&message);
        let expected =
            json!({"type": "Error", "message": words, "code": code, "retry_after_ms": null});
        assert_eq!(answer, expected, "{message}");
    }
    ann.0.send(Message::binary(b"x".as_slice())).unwrap();
    assert_eq!(ann.hear()["code"], "binary_not_supported");
    assert_eq!(
        ann.ask(file("a", "a/b", "QUJDREVGR0hJ"))["type"],
        "FileUploaded"
    );
    assert_eq!(
        ann.ask(file("a", "a/b", "QUJDREVGR0hJ"))["message"],
        "Room storage is full"
    );
    // Nobody was told of any of this, and nothing has changed.
    owner.expect_silence();

    assert_eq!(
        sealed_owner.ask(chat("hello"))["message"],
        "Message is not an encrypted envelope"
    );
    assert_eq!(
        sealed_owner.ask(chat(&ENVELOPE.replace("E1.0", "E1.1")))["message"],
        "Message uses an outdated key"
    );
    assert_eq!(sealed_owner.ask(chat(ENVELOPE))["content"], ENVELOPE);
    assert_eq!(
        sealed_owner.code(file("a.png", "image/png", "QQ")),
        "invalid_file"
    );
    assert_eq!(
        sealed_owner.ask(file("file.enc", "application/octet-stream", "QQ"))["type"],
        "FileUploaded"
    );
    let stranger = json!({"alg": "X25519", "key": "A".repeat(43)});
    assert_eq!(
        nobody.code(with(
            with(join(&wrap, "Ann"), e2e),
            json!({"public_key": stranger})
        )),
        "invalid_key"
    );

    let (_bob, _) = Peer::join(&server, &created, "Bob");
    assert_eq!(
        nobody.ask(join(&created, "Carl"))["message"],
        "Room is full"
    );
}

/// What a client has that was built from the protocol's first enums as they stand.
mod first {
    use super::*;

    #[derive(Serialize)]
    pub enum ClientMessage {
        CreateRoom {
            name: String,
            description: String,
            password: Option<String>,
        },
        JoinRoom {
            join_key: String,
            password: Option<String>,
            name: String,
        },
        ChatMessage {
            content: String,
        },
        GetMembers,
    }

    #[derive(Deserialize, Debug)]
    pub enum ServerMessage {
        RoomCreated {
            room_info: RoomInfo,
            encryption_key: String,
        },
        RoomJoined {
            room_info: RoomInfo,
            encryption_key: String,
            participants: Vec<String>,
        },
        ParticipantJoined {
            name: String,
        },
        ChatMessage {
            sender: String,
            content: String,
        },
        Error {
            message: String,
        },
    }

    #[derive(Deserialize, Debug)]
    pub struct RoomInfo {
        pub id: String,
        pub name: String,
        pub join_key: String,
    }

    /// Stops at the first message that it does not know.
    pub fn hear(peer: &mut Peer) -> ServerMessage {
        let heard = peer.hear();
        serde_json::from_value(heard.clone()).unwrap_or_else(|error| panic!("{error}: {heard}"))
    }

    pub fn ask(peer: &mut Peer, message: &ClientMessage) -> ServerMessage {
        peer.say(serde_json::to_string(message).unwrap());
        hear(peer)
    }
}

#[test]
fn clients_of_both_spellings_talk_in_one_room() {
    use first::{ClientMessage as Says, ServerMessage as Hears};
    let server = start();
    let mut old = Peer::at(&server, "/");
    let wish = Says::CreateRoom {
        name: "Old".into(),
        description: String::new(),
        password: None,
    };
    let Hears::RoomCreated {
        room_info,
        encryption_key,
    } = first::ask(&mut old, &wish)
    else {
        panic!("another answer")
    };
    assert!(!encryption_key.is_empty() && !room_info.id.is_empty() && room_info.name == "Old");
    let created = json!({"room_info": {"join_key": room_info.join_key}});
    let (mut new, joined) = Peer::join(&server, &created, "New");
    assert_eq!(joined["encryption_key"], encryption_key);
    assert!(matches!(first::hear(&mut old), Hears::ParticipantJoined { name } if name == "New"));

    new.say(chat("from the new one"));
    new.hear();
    assert!(
        matches!(first::hear(&mut old), Hears::ChatMessage { sender, content } if sender == "New" && content == "from the new one")
    );
    let said = first::ask(
        &mut old,
        &Says::ChatMessage {
            content: "from the old one".into(),
        },
    );
    assert!(matches!(said, Hears::ChatMessage { sender, .. } if sender == "Owner"));
    assert_eq!(new.hear()["content"], "from the old one");

    let members = first::ask(&mut old, &Says::GetMembers);
    assert!(
        matches!(members, Hears::RoomJoined { participants, room_info, encryption_key: key }
        if participants == ["Owner", "New"] && room_info.name == "Old" && key == encryption_key)
    );
    let wish = Says::JoinRoom {
        join_key: "nowhere".into(),
        password: None,
        name: "x".into(),
    };
    assert!(
        matches!(first::ask(&mut old, &wish), Hears::Error { message } if message == "Already in a room")
    );
    // Somebody leaves, somebody comes: it is only told what it knows.
    new.ask(json!({"type": "LeaveRoom"}));
    let mut other = Peer::new(&server);
    let wish = Says::JoinRoom {
        join_key: room_info.join_key,
        password: None,
        name: "Other".into(),
    };
    assert!(matches!(
        first::ask(&mut other, &wish),
        Hears::RoomJoined { .. }
    ));
    assert!(matches!(first::hear(&mut old), Hears::ParticipantJoined { name } if name == "Other"));
}

#[test]
fn with_a_token_in_the_query_the_root_is_not_the_chats() {
    let server = start();
    for (path, fine) in [
        ("/", true),
        ("/?x=token", true),
        ("/?token=", false),
        ("/?a=b&token=x", false),
    ] {
        let stream = TcpStream::connect(server.addr).unwrap();
        let request = format!("ws://{}{path}", server.addr)
            .into_client_request()
            .unwrap();
        assert_eq!(tungstenite::client(request, stream).is_ok(), fine, "{path}");
    }
    let stream = TcpStream::connect(server.addr).unwrap();
    let mut request = format!("ws://{}/ws/chat", server.addr)
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    assert!(tungstenite::client(request, stream).is_err());
}

#[test]
fn a_connection_that_breaks_comes_back_and_nobody_notices() {
    let server = start();
    let (mut owner, created) = Peer::create(&server);
    let (ann, joined) = Peer::join(&server, &created, "Ann");
    owner.hear();
    ann.lose();
    owner.say(chat("are you there?"));
    owner.hear();
    let mut again = Peer::new(&server);
    let resumed = again.ask(json!({"type": "ResumeSession", "session_token": joined["session_token"], "last_seq": 2, "request_id": "r"}));
    for (field, value) in [
        ("type", json!("RoomJoined")),
        ("participant_id", joined["participant_id"].clone()),
        ("name", json!("Ann")),
        ("participants", json!(["Owner", "Ann"])),
        ("request_id", json!("r")),
        ("gap", Value::Null),
    ] {
        assert_eq!(resumed[field], value, "{field}");
    }
    assert_ne!(resumed["session_token"], joined["session_token"]);
    let missed = again.hear();
    assert_eq!(
        (&missed["content"], &missed["seq"]),
        (&json!("are you there?"), &json!(3))
    );
    owner.expect_silence();
    again.say(chat("yes"));
    assert_eq!(owner.hear()["content"], "yes");
    again.hear();
    // The older connection of a session makes way for the newer one; the used token is worth nothing.
    let mut third = Peer::new(&server);
    assert_eq!(third.code(json!({"type": "ResumeSession", "session_token": joined["session_token"], "last_seq": 2})), "resume_failed");
    let resumed = third.ask(
        json!({"type": "ResumeSession", "session_token": resumed["session_token"], "last_seq": 4}),
    );
    assert_eq!(resumed["type"], "RoomJoined");
    assert_eq!(again.close(), (1008, "Resumed elsewhere".into()));
    owner.expect_silence();
}

#[test]
fn who_does_not_come_back_in_time_has_left() {
    let server = start_with(&["--chat-grace-secs", "1", "--chat-empty-secs", "1"]);
    let (mut owner, created) = Peer::create(&server);
    let (ann, joined) = Peer::join(&server, &created, "Ann");
    owner.hear();
    ann.lose();
    let left = owner.hear();
    assert_eq!(
        (&left["type"], &left["reason"]),
        (&json!("ParticipantLeft"), &json!("timeout"))
    );
    let mut peer = Peer::new(&server);
    assert_eq!(peer.code(json!({"type": "ResumeSession", "session_token": joined["session_token"], "last_seq": 2})), "resume_failed");
    // The last one goes; a moment later the room is gone, too.
    owner.ask(json!({"type": "LeaveRoom"}));
    server.wait_for_log("closed");
    assert_eq!(peer.code(join(&created, "Ann")), "room_not_found");
}

#[test]
fn our_client_sends_what_was_typed_while_it_was_away() {
    let server = start();
    let addr = server.addr.to_string();
    let mut ann = ChatClient::connect(&addr, "/ws/chat", PATIENCE).unwrap();
    let invitation = ann.create("Hoard", "Ann", Keys::Link).unwrap();
    let mut bob = ChatClient::connect(&addr, "/ws/chat", PATIENCE).unwrap();
    bob.join(&invitation, "Bob").unwrap();
    assert_eq!(ann.next().unwrap(), Some(Event::Joined("Bob".into())));
    let said = |name: &str, text: &str| {
        Some(Event::Said {
            name: name.into(),
            text: text.into(),
        })
    };
    bob.say("one").unwrap();
    assert_eq!(ann.next().unwrap(), said("Bob", "one"));
    // Said, and perhaps not heard by anybody: it must arrive, and once.
    bob.say("two").unwrap();
    bob.lose_connection();
    bob.say("three").unwrap();
    ann.say("meanwhile").unwrap();
    bob.resume().unwrap();
    let mut heard = Vec::new();
    while heard
        .iter()
        .filter(|e| matches!(e, Event::Said { name, .. } if name == "Bob"))
        .count()
        < 2
    {
        heard.push(ann.next().unwrap().unwrap());
    }
    let of_bob: Vec<_> = heard
        .into_iter()
        .filter(|e| matches!(e, Event::Said { name, .. } if name == "Bob"))
        .map(Some)
        .collect();
    assert_eq!(of_bob, [said("Bob", "two"), said("Bob", "three")]);
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(bob.next().unwrap());
    }
    seen.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(
        seen,
        [
            said("Ann", "meanwhile"),
            said("Bob", "one"),
            said("Bob", "three"),
            said("Bob", "two")
        ]
    );
    // Who has another link is not let in, and cannot read.
    let mut wrong = invitation.into_bytes();
    let middle = wrong.len() - 20;
    wrong[middle] = if wrong[middle] == b'A' { b'B' } else { b'A' };
    let wrong = String::from_utf8(wrong).unwrap();
    let mut eve = ChatClient::connect(&addr, "/ws/chat", PATIENCE).unwrap();
    assert!(
        eve.join(&wrong, "Eve")
            .unwrap_err()
            .to_string()
            .contains("not of that room")
    );
}

#[test]
fn members_hand_each_other_the_key_and_a_leaver_cannot_read_on() {
    let server = start();
    let secret = |byte: u8| p256::SecretKey::from_slice(&[byte; 32]).unwrap();
    let (own, theirs) = (secret(1), secret(2));
    let mut owner = Peer::new(&server);
    let created = owner.ask(wrapping_room(&e2e::write_public(&own.public_key())));
    let mut ann = Peer::new(&server);
    let wish = with(
        join(&created, "Ann"),
        json!({"supports": ["e2e-v1"],
        "public_key": {"alg": "P-256", "key": e2e::write_public(&theirs.public_key())}}),
    );
    let joined = ann.ask(wish.clone());
    let came = owner.hear();
    let peer_key = e2e::read_public(came["public_key"]["key"].as_str().unwrap()).unwrap();
    let id = |value: &Value| value["participant_id"].as_str().unwrap().to_owned();
    let room = created["room_info"]["id"].as_str().unwrap();
    let (from, to) = (id(&created), id(&joined));
    let room_key = [7; 32];
    let wrapping = |epoch| e2e::Wrapping {
        room,
        epoch,
        from: &from,
        to: &to,
    };
    let wrapped = wrapping(0).wrap(&own, &peer_key, [1; 12], &room_key);
    owner.say(json!({"type": "ShareKey", "to": to, "epoch": 0, "wrapped_key": wrapped}));
    let shared = ann.hear();
    assert_eq!(
        (&shared["type"], &shared["from"]),
        (&json!("KeyShared"), &json!(from))
    );
    let owners = e2e::read_public(shared["public_key"]["key"].as_str().unwrap()).unwrap();
    let unwrapped = wrapping(0).unwrap(&theirs, &owners, shared["wrapped_key"].as_str().unwrap());
    assert_eq!(unwrapped, Some(room_key));
    assert_eq!(
        e2e::safety_code(room, &own.public_key(), &peer_key),
        e2e::safety_code(room, &owners, &theirs.public_key())
    );

    let content = e2e::seal(&room_key, room, 0, &to, [2; 12], "hello");
    ann.say(chat(&content));
    ann.hear();
    let heard = owner.hear();
    let opened = e2e::open(
        &room_key,
        room,
        heard["sender_id"].as_str().unwrap(),
        heard["content"].as_str().unwrap(),
    );
    assert_eq!(opened.as_deref(), Some("hello"));

    let next = wrapping(1).wrap(&own, &peer_key, [3; 12], &[8; 32]);
    let rekeyed = owner
        .ask(json!({"type": "RekeyRoom", "epoch": 1, "keys": [{"to": to, "wrapped_key": next}]}));
    assert_eq!(
        (&rekeyed["type"], &rekeyed["epoch"]),
        (&json!("EpochChanged"), &json!(1))
    );
    assert_eq!(ann.hear()["epoch"], 1);
    assert_eq!(ann.hear()["type"], "EpochChanged");
    ann.ask(json!({"type": "LeaveRoom"}));
    owner.hear();
    assert_eq!(
        owner.ask(json!({"type": "RekeyRoom", "epoch": 2, "keys": []}))["epoch"],
        2
    );
    // One's old key is two behind.
    let late = with(wish, json!({"name": "Late"}));
    assert_eq!(ann.ask(late)["room_info"]["encryption"]["epoch"], 2);
    assert_eq!(ann.code(chat(&content)), "stale_epoch");
}

#[test]
fn files_come_over_the_socket_and_over_http() {
    let server = start();
    let addr = server.addr.to_string();
    let bytes: Vec<u8> = (0..5u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut ann = ChatClient::connect(&addr, "/ws/chat", PATIENCE).unwrap();
    let invitation = ann.create("Hoard", "Ann", Keys::Server).unwrap();
    let mut bob = ChatClient::connect(&addr, "/ws/chat", PATIENCE).unwrap();
    bob.join(&invitation, "Bob").unwrap();
    let id = ann.upload("map.png", "image/png", &bytes).unwrap();
    let script = ann.upload("x.html", "text/html", b"<script>").unwrap();
    assert!(bob.download(&id).unwrap() == bytes, "the file is the file");

    let token = |client: &ChatClient| format!("Bearer {}", client.session_token().unwrap());
    let fetch = |id: &str, headers: &[(&str, &str)]| {
        server.send("GET", &format!("/files/{id}"), headers, b"")
    };
    let good = token(&bob);
    let answer = fetch(&id, &[("authorization", &good)]);
    assert_eq!(answer.status, 200);
    assert!(answer.body == bytes);
    for (header, value) in [
        ("content-type", "image/png"),
        ("content-disposition", "attachment"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox"),
        ("cache-control", "private, no-store"),
    ] {
        assert_eq!(answer.header(header), Some(value), "{header}");
    }
    let page = fetch(&script, &[("authorization", &good)]);
    assert_eq!(
        page.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(page.body, b"<script>");

    let none = fetch(&id, &[]);
    assert_eq!(
        (none.status, none.header("www-authenticate")),
        (401, Some("Bearer realm=\"chat\""))
    );
    let mut stranger = ChatClient::connect(&addr, "/ws/chat", PATIENCE).unwrap();
    stranger.create("Other", "Eve", Keys::Server).unwrap();
    let mut texts = Vec::new();
    for (id, token) in [
        ("0123456789abcdef0123456789abcdef", good.clone()),
        (&*id, "Bearer x".to_owned()),
        (&*id, token(&stranger)),
        ("..%2f..", good.clone()),
    ] {
        let answer = fetch(id, &[("authorization", &token)]);
        assert_eq!(answer.status, 404, "{id}");
        texts.push(answer.text());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(
        fetch(&format!("{id}?token={}", &good[7..]), &[]).status,
        401
    );
    assert_eq!(
        stranger.download(&id).unwrap_err().to_string(),
        "File not found"
    );
    // Who is not there gets nothing, whatever the token was.
    bob.lose_connection();
    let gone = std::time::Instant::now();
    while fetch(&id, &[("authorization", &good)]).status != 404 {
        assert!(gone.elapsed() < PATIENCE);
    }
}

#[test]
fn many_files_at_once_come_one_behind_the_other() {
    let server = start();
    let (mut owner, _) = Peer::create(&server);
    let content = "QUJD".repeat(500_000);
    let upload = json!({"type": "UploadFile", "name": "a", "mime_type": "a/b", "content": content});
    let id = owner.ask(upload)["metadata"]["id"].clone();
    for n in 0..20 {
        owner.say(json!({"type": "GetFile", "file_id": id, "request_id": n.to_string()}));
    }
    owner.say(json!({"type": "Ping"}));
    let mut files = 0;
    // The answer to something small may overtake what is large, but nothing is torn apart.
    let mut pong = false;
    while files < 20 || !pong {
        let heard = owner.hear();
        if heard["type"] == "Pong" {
            pong = true;
        } else {
            assert_eq!(heard["request_id"], files.to_string());
            assert!(heard["content"] == content.as_str());
            files += 1;
        }
    }
}

/// Everything that the server has in memory.
#[cfg(target_os = "linux")]
fn memory_has(pid: u32, words: &[u8]) -> bool {
    use std::io::{Read, Seek, SeekFrom};
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut searched = 0;
    for line in maps.lines() {
        let mut parts = line.split_whitespace();
        let (range, flags) = (parts.next().unwrap(), parts.next().unwrap());
        if !flags.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let at = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
        let (start, end) = (at(start), at(end));
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        let read = memory
            .seek(SeekFrom::Start(start))
            .and_then(|_| memory.read_exact(&mut bytes));
        if read.is_ok() {
            searched += bytes.len();
            if memchr::memmem::find(&bytes, words).is_some() {
                return true;
            }
        }
    }
    assert!(searched > 1 << 20, "only {searched} bytes could be read");
    false
}

#[cfg(target_os = "linux")]
fn disk_has(folder: &std::path::Path, words: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return disk_has(&path, words);
        }
        std::fs::read(&path).is_ok_and(|bytes| memchr::memmem::find(&bytes, words).is_some())
    })
}

#[cfg(target_os = "linux")]
#[test]
fn the_server_has_nothing_of_an_end_to_end_encrypted_room() {
    let server = start();
    let addr = server.addr.to_string();
    let mut ann = ChatClient::connect(&addr, "/ws/chat", PATIENCE).unwrap();
    let invitation = ann.create("Hoard", "Ann", Keys::Link).unwrap();
    let mut bob = ChatClient::connect(&addr, "/ws/chat", PATIENCE).unwrap();
    bob.join(&invitation, "Bob").unwrap();
    let marker = "the-dragon-sleeps-beneath-7f3a91";
    bob.say(marker).unwrap();
    assert_eq!(ann.next().unwrap(), Some(Event::Joined("Bob".into())));
    assert!(matches!(ann.next().unwrap(), Some(Event::Said { text, .. }) if text == marker));
    let id = bob.upload_sealed(marker.as_bytes()).unwrap();
    assert_eq!(ann.download_sealed(&id).unwrap(), marker.as_bytes());
    let (_, link) = invitation.split_once("#k=").unwrap();
    let key = B64.decode(link).unwrap();
    for secret in [marker.as_bytes(), link.as_bytes(), &key] {
        assert!(!memory_has(server.pid(), secret), "{secret:?} in memory");
        assert!(!disk_has(&server.path("."), secret), "{secret:?} on disk");
    }
    let log = server.log();
    assert!(!log.contains(marker) && !log.contains(link), "{log}");
    assert!(!log.contains(bob.session_token().unwrap()), "{log}");
    assert!(!log.contains(&invitation[..19]), "{log}");

    // The search would find it: where the server manages the key, what is not encrypted stays
    // in memory for those who resume.
    let (mut owner, _) = Peer::create(&server);
    let open = "the-dragon-is-awake-7f3a92";
    owner.ask(chat(open));
    assert!(memory_has(server.pid(), open.as_bytes()));
    assert!(!disk_has(&server.path("."), open.as_bytes()));
    assert!(!server.log().contains(open));
}

#[cfg(target_os = "linux")]
#[test]
fn guessing_a_password_is_slowed_down_and_locks_nobody_else_out() {
    let server = start_with(&[
        "--chat-wrong-passwords",
        "3",
        "--chat-room-wrong-passwords",
        "3",
    ]);
    let mut owner = Peer::new(&server);
    let created = owner.ask(with(room(), json!({"password": "sesame"})));
    let enter =
        |name: &str, password: &str| with(join(&created, name), json!({"password": password}));
    let mut guesser = Peer::from("127.0.0.2", &server);
    for _ in 0..3 {
        assert_eq!(guesser.code(enter("Eve", "wrong")), "invalid_password");
    }
    // Now even the right one does not count, for a while, from there.
    let refused = guesser.ask(enter("Eve", "sesame"));
    assert_eq!(
        (&refused["code"], &refused["message"]),
        (&json!("rate_limited"), &json!("Too many requests"))
    );
    let wait = refused["retry_after_ms"].as_u64().unwrap();
    assert!((29_000..=30_000).contains(&wait), "{wait}");
    assert_eq!(
        Peer::from("127.0.0.2", &server).code(enter("Eve", "sesame")),
        "rate_limited"
    );
    // Everybody else waits two seconds, because somebody is at it, and gets in.
    let started = std::time::Instant::now();
    let mut ann = Peer::from("127.0.0.3", &server);
    assert_eq!(ann.ask(enter("Ann", "sesame"))["type"], "RoomJoined");
    assert!(started.elapsed().as_millis() >= 2000);
}

#[test]
fn guessing_join_keys_is_slowed_down_and_locks_nobody_out() {
    let server = start_with(&["--chat-wrong-keys", "4"]);
    let (_owner, created) = Peer::create(&server);
    let mut guesser = Peer::new(&server);
    let guess = |n: u32| match n % 2 {
        0 => {
            json!({"type": "JoinRoom", "join_key": format!("AAAA-AAAA-AAAA-AAA{n}"), "name": "x"})
        }
        _ => json!({"type": "PeekRoom", "join_key": format!("no key {n}")}),
    };
    for n in 0..4 {
        assert_eq!(guesser.code(guess(n)), "room_not_found");
    }
    for n in [4, 5, 0, 1] {
        let refused = guesser.ask(guess(n));
        assert_eq!(refused["code"], "rate_limited");
        assert!(refused["retry_after_ms"].as_u64().unwrap() > 590_000);
    }
    // Who has a room's key does not guess, also at the same address.
    let peek = json!({"type": "PeekRoom", "join_key": key(&created)});
    assert_eq!(guesser.ask(peek)["type"], "RoomPeek");
    Peer::join(&server, &created, "Ann");
}

#[test]
fn a_club_that_comes_back_after_a_restart_is_not_locked_out() {
    let mut before = start();
    let (_owner, created) = Peer::create(&before);
    let sessions: Vec<_> = (0..24)
        .map(|n| Peer::join(&before, &created, &format!("P{n}")).1)
        .collect();
    assert_eq!(before.terminate(), 0);
    // Rooms are in memory: to another server it is the same.
    let server = start();
    let mut club: Vec<_> = sessions.iter().map(|_| Peer::new(&server)).collect();
    for (peer, session) in club.iter_mut().zip(&sessions) {
        let resume = json!({"type": "ResumeSession", "session_token": session["session_token"], "last_seq": 1});
        assert_eq!(peer.code(resume), "resume_failed");
        let peek = json!({"type": "PeekRoom", "join_key": key(&created)});
        assert_eq!(peer.code(peek), "room_not_found");
        assert_eq!(peer.code(join(&created, "P")), "room_not_found");
    }
    let (_owner, new) = Peer::create(&server);
    for (n, peer) in club.iter_mut().enumerate() {
        let joined = peer.ask(join(&new, &format!("P{n}")));
        assert_eq!(joined["type"], "RoomJoined", "{joined}");
    }
    // A further dead link is nothing else than unknown.
    let dead = json!({"type": "PeekRoom", "join_key": "AAAA-AAAA-AAAA-AAAA"});
    assert_eq!(Peer::new(&server).code(dead), "room_not_found");
}

#[test]
fn passwords_that_are_guessed_at_once_are_counted_one_by_one() {
    let server = start();
    let mut owner = Peer::new(&server);
    let created = owner.ask(with(room(), json!({"password": "sesame"})));
    let mut guessers: Vec<_> = (0..40).map(|_| Peer::new(&server)).collect();
    for (n, peer) in guessers.iter_mut().enumerate() {
        let guess = json!({"password": format!("wrong {n}")});
        peer.say(with(join(&created, "Eve"), guess));
    }
    let answers: Vec<_> = guessers.iter_mut().map(Peer::hear).collect();
    let (tried, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer["code"] == "invalid_password");
    assert_eq!((tried.len(), refused.len()), (5, 35));
    for refused in refused {
        assert_eq!(refused["code"], "rate_limited", "{refused}");
        assert!(refused["retry_after_ms"].as_u64().unwrap() <= 30_000);
    }
}

#[test]
fn a_party_of_one_address_that_knows_the_password_comes_in_whatever_the_queue() {
    let server = start_with(&["--chat-password-queue", "1"]);
    let mut owner = Peer::new(&server);
    let password = json!({"password": "sesame"});
    let created = owner.ask(with(room(), password.clone()));
    let mut party: Vec<_> = (0..12).map(|_| Peer::new(&server)).collect();
    for (n, peer) in party.iter_mut().enumerate() {
        peer.say(with(join(&created, &format!("P{n}")), password.clone()));
    }
    for peer in &mut party {
        let joined = peer.hear();
        assert_eq!(joined["type"], "RoomJoined", "{joined}");
    }
}

#[test]
fn a_hundred_people_of_one_address_come_at_once() {
    let server = start();
    let (_owner, created) = Peer::create(&server);
    let mut party: Vec<_> = (0..99).map(|_| Peer::new(&server)).collect();
    for (n, peer) in party.iter_mut().enumerate() {
        peer.say(join(&created, &format!("P{n}")));
    }
    for peer in &mut party {
        assert_eq!(peer.hear()["type"], "RoomJoined");
    }
    let metrics = server.get("/metrics").text();
    assert!(
        metrics.contains("tablekeep_members{dialect=\"chat\"} 100\n"),
        "{metrics}"
    );
    assert_eq!(
        Peer::new(&server).code(join(&created, "One more")),
        "room_full"
    );
}

#[test]
fn who_sends_too_fast_is_told_and_then_sent_away() {
    let server = start_with(&["--chat-msg-rate", "1", "--chat-msg-burst", "3"]);
    let mut peer = Peer::new(&server);
    for _ in 0..3 {
        peer.expect_silence();
    }
    let refused = peer.ask(json!({"type": "Ping", "request_id": "x"}));
    assert_eq!(
        (&refused["code"], &refused["request_id"]),
        (&json!("rate_limited"), &json!("x"))
    );
    let wait = refused["retry_after_ms"].as_u64().unwrap();
    assert!((1..=1000).contains(&wait), "{wait}");
    for _ in 0..20 {
        if peer.0.send(Message::text("x")).is_err() {
            break;
        }
    }
    assert_eq!(peer.close(), (1008, "Too many requests".into()));
}

#[test]
fn who_says_too_much_at_once_is_answered_before_being_sent_away() {
    let server = start_with(&["--chat-msg-rate", "1", "--chat-msg-burst", "51"]);
    let (mut owner, _) = Peer::create(&server);
    for n in 0..100 {
        let said = with(chat("x"), json!({"request_id": n.to_string()}));
        owner.0.write(Message::text(said.to_string())).unwrap();
    }
    owner.0.flush().unwrap();
    let (mut taken, mut refused) = (0, 0);
    let end = loop {
        match owner.0.read().unwrap() {
            Message::Text(text) if text.contains("ChatMessage") => taken += 1,
            Message::Text(text) if text.contains("rate_limited") => refused += 1,
            Message::Close(end) => break end.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert!(taken >= 50, "{taken}");
    assert_eq!(refused, 9);
    assert_eq!(
        (end.code.into(), end.reason.as_str()),
        (1008, "Too many requests")
    );
}

#[test]
fn rooms_and_their_makers_are_bounded() {
    let server = start_with(&["--chat-rooms-per-address", "2", "--chat-create-rate", "4"]);
    let (_one, _) = Peer::create(&server);
    let (mut two, _) = Peer::create(&server);
    let mut third = Peer::new(&server);
    assert_eq!(third.ask(room())["message"], "Server is busy");
    two.ask(json!({"type": "CloseRoom"}));
    assert_eq!(third.ask(room())["type"], "RoomCreated");
    assert_eq!(Peer::new(&server).code(room()), "rate_limited");
}

#[rstest]
#[case::in_no_room(false, 33 << 10)]
#[case::in_a_room(true, 8 << 20)]
fn a_message_that_is_too_large_ends_the_connection(#[case] joined: bool, #[case] bytes: usize) {
    let server = start();
    let mut peer = if joined {
        Peer::create(&server).0
    } else {
        Peer::new(&server)
    };
    let _ = peer.0.send(Message::text("x".repeat(bytes)));
    assert_eq!(peer.close().0, 1009);
}

#[test]
fn a_text_that_is_not_utf_8_ends_the_connection() {
    use std::io::Write;
    let server = start();
    for joined in [false, true] {
        let mut peer = if joined {
            Peer::create(&server).0
        } else {
            Peer::new(&server)
        };
        peer.0
            .get_mut()
            .write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28])
            .unwrap();
        assert_eq!(peer.close().0, 1007);
    }
}

#[test]
fn who_says_much_at_once_and_reads_it_afterwards_stays() {
    let server = start();
    let (mut owner, _) = Peer::create(&server);
    let content = "x".repeat(60_000);
    for n in 0..190 {
        owner.say(with(chat(&content), json!({"request_id": n.to_string()})));
    }
    for seq in 2..192 {
        let heard = owner.hear();
        assert_eq!(
            (&heard["type"], &heard["seq"]),
            (&json!("ChatMessage"), &json!(seq))
        );
    }
}

#[test]
fn who_reads_too_slowly_is_sent_away_and_may_come_back() {
    let server = start_with(&["--chat-msg-rate", "100000", "--chat-msg-burst", "100000"]);
    let (mut owner, created) = Peer::create(&server);
    let (mut slow, joined) = Peer::join(&server, &created, "Slow");
    owner.hear();
    let content = "x".repeat(64 << 10);
    // As much as both ends' buffers take, and a lane of 16 MiB; then it reads, before it is given up.
    let is_closed = || {
        let metrics = server.get("/metrics").text();
        metrics.contains("tablekeep_slow_closes_total 1\n")
    };
    let mut said = 0;
    while !is_closed() {
        assert!(said < 1200, "all of it was taken");
        for _ in 0..20 {
            owner.ask(chat(&content));
        }
        said += 20;
    }
    assert_eq!(slow.close(), (1013, "Slow consumer".into()));
    owner.expect_silence();
    let mut again = Peer::new(&server);
    let resumed = again.ask(
        json!({"type": "ResumeSession", "session_token": joined["session_token"], "last_seq": 2}),
    );
    assert_eq!(
        (&resumed["gap"], &resumed["name"]),
        (&json!(true), &json!("Slow"))
    );
}

#[test]
fn when_the_server_stops_all_are_told_to_come_back() {
    let mut server = start();
    let (mut owner, _) = Peer::create(&server);
    let mut nobody = Peer::new(&server);
    nobody.expect_silence();
    assert_eq!(server.terminate(), 0);
    assert_eq!((owner.close().0, nobody.close().0), (1001, 1001));
}

#[test]
fn a_port_of_its_own_is_the_chats_under_every_path() {
    let mut server = start_with(&["--speak", "chat@0"]);
    let addr = server.listener("chat");
    let mut old = ChatClient::connect(&addr.to_string(), "/", PATIENCE).unwrap();
    let invitation = old.create("Old", "Ann", Keys::Server).unwrap();
    let mut other = ChatClient::connect(&addr.to_string(), "/?token=x", PATIENCE).unwrap();
    other.join(&invitation, "Bob").unwrap();
    // The rooms are those of the main port.
    let mut main = ChatClient::connect(&server.addr.to_string(), "/ws/chat", PATIENCE).unwrap();
    main.join(&invitation, "Carl").unwrap();
    let id = main.upload("a", "text/plain", b"a map").unwrap();
    let token = format!("Bearer {}", old.session_token().unwrap());
    let headers = [("authorization", token.as_str())];
    let answer = send_to(addr, "GET", &format!("/files/{id}"), &headers, b"");
    assert_eq!((answer.status, answer.text()), (200, "a map".into()));
    assert_eq!(send_to(addr, "GET", "/maps/list", &[], b"").status, 426);
}

#[test]
fn the_limits_are_told() {
    let limits = start().get("/limits").value();
    let chat = &limits["chat"];
    assert_eq!(
        (&chat["members"], &chat["file_bytes"]),
        (&json!(100), &json!(5 << 20))
    );
    assert_eq!(
        (&chat["message_bytes"], &chat["grace_seconds"]),
        (&json!(64 << 10), &json!(60))
    );
}
