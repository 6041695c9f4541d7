//! PeerShare's groups in both versions: every message and every error of the contract, over real
//! sockets.

use crate::support::{
    PATIENCE, Socket, TestServer, connect_from, send_to, start_with_vars, websocket_on,
};
use rstest::rstest;
use serde_json::{Value, json};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tungstenite::Message;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Seed,
    Newest,
}
use Version::{Newest, Seed};

/// A server with listeners for both versions.
struct World {
    server: TestServer,
    http: SocketAddr,
    sockets: SocketAddr,
    newest: SocketAddr,
}

impl World {
    fn new() -> Self {
        Self::with(&[], &[])
    }

    fn with(vars: &[(&str, &str)], flags: &[&str]) -> Self {
        let speak = ["--speak", "peershare@0,0,peershare-new@0"];
        let mut server = start_with_vars(vars, &[&speak, flags].concat());
        let http = server.listener("peershare");
        let sockets = server.listener("peershare-socket");
        let newest = server.listener("peershare-new");
        Self {
            server,
            http,
            sockets,
            newest,
        }
    }

    fn at(&self, version: Version) -> (SocketAddr, &'static str) {
        match version {
            Seed => (self.sockets, "/"),
            Newest => (self.newest, "/ws"),
        }
    }

    fn connect(&self, version: Version) -> Client {
        let (addr, path) = self.at(version);
        Client::open(addr, path, version)
    }

    /// The creator of a group, and the group.
    fn create(&self, version: Version, name: &str) -> Client {
        let mut client = self.connect(version);
        client.create(name);
        client
    }

    fn join(&self, version: Version, group: &str, name: &str, peer: Option<&str>) -> Client {
        let mut client = self.connect(version);
        client.join(group, name, peer);
        client
    }

    /// A group of three with peer ids, who have heard everything of each other.
    fn table(&self, version: Version) -> [Client; 3] {
        let mut alice = self.create(version, "alice");
        alice.announce("peer-a");
        let mut bob = self.join(version, &alice.group, "bob", Some("peer-b"));
        let mut carl = self.join(version, &alice.group, "carl", Some("peer-c"));
        for (client, count) in [(&mut alice, 4), (&mut bob, 2)] {
            for _ in 0..count {
                client.hear();
            }
        }
        carl.quiet();
        [alice, bob, carl]
    }

    fn stats(&self) -> (u64, u64) {
        let stats = send_to(self.http, "GET", "/api/stats", &[], b"").value();
        let number = |name: &str| stats[name].as_u64().unwrap();
        (number("totalGroups"), number("totalUsers"))
    }

    fn wait_for_stats(&self, expected: (u64, u64)) {
        let start = Instant::now();
        while self.stats() != expected {
            assert!(start.elapsed() < PATIENCE, "{:?}", self.stats());
        }
    }
}

/// One client.
struct Client {
    socket: Socket,
    version: Version,
    /// As the server has told it.
    group: String,
    id: String,
    name: String,
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis() as u64
}

fn is_id(text: &str, prefix: &str) -> bool {
    let id = text.strip_prefix(prefix).map(uuid::Uuid::try_parse);
    matches!(id, Some(Ok(id)) if id.get_version_num() == 4 && text.ends_with(&id.to_string()))
}

impl Client {
    fn open(addr: SocketAddr, path: &str, version: Version) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        Self::over(stream, addr, path, version)
    }

    fn over(stream: TcpStream, addr: SocketAddr, path: &str, version: Version) -> Self {
        let url = format!("ws://{addr}{path}");
        let (socket, _) = websocket_on(stream, &url, &[]).unwrap();
        let mut client = Self {
            socket,
            version,
            group: String::new(),
            id: String::new(),
            name: String::new(),
        };
        if version == Newest {
            let payload = client.expect("connection-established");
            assert_eq!(payload.as_object().unwrap().len(), 1);
            client.id = payload["userId"].as_str().unwrap().to_owned();
            assert!(is_id(&client.id, "user_"));
        }
        client
    }

    fn text(&mut self, text: &str) {
        self.socket.say(text);
    }

    fn say(&mut self, kind: &str, payload: Value) {
        self.text(&json!({"type": kind, "payload": payload}).to_string());
    }

    /// The next message, whose envelope must be right.
    fn hear(&mut self) -> (String, Value) {
        let said: Value = serde_json::from_str(&self.socket.hear()).unwrap();
        assert_eq!(said.as_object().unwrap().len(), 3, "{said}");
        let at = said["timestamp"].as_u64().unwrap();
        assert!(at <= now_ms() && at + 60_000 > now_ms());
        (
            said["type"].as_str().unwrap().to_owned(),
            said["payload"].clone(),
        )
    }

    fn expect(&mut self, kind: &str) -> Value {
        let (heard, payload) = self.hear();
        assert_eq!(heard, kind, "{payload}");
        payload
    }

    /// The next message is this error, without details.
    fn refused(&mut self, code: &str) {
        let payload = self.expect("error");
        assert_eq!(payload["code"], code);
        assert!(
            payload["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        assert_eq!(payload.as_object().unwrap().len(), 2, "{payload}");
    }

    /// The next message is a validation error; its issues, without the words for people.
    fn invalid(&mut self) -> Value {
        let mut payload = self.expect("error");
        assert_eq!(payload["code"], "INVALID_MESSAGE");
        assert_eq!(payload["details"].as_object().unwrap().len(), 1);
        let mut issues = payload["details"]["validationErrors"].take();
        for issue in issues.as_array_mut().unwrap() {
            let words = issue.as_object_mut().unwrap().shift_remove("message");
            assert!(words.unwrap().as_str().is_some_and(|text| !text.is_empty()));
        }
        issues
    }

    /// Checks that nothing else has come, by asking for an error that comes last.
    fn quiet(&mut self) {
        self.text("not json");
        self.refused("INVALID_MESSAGE");
    }

    fn settle(&mut self, payload: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.group = text(&payload["groupId"]);
        self.name = text(&payload["user"]["username"]);
        let id = text(&payload["user"]["id"]);
        match self.version {
            Seed => assert!(is_id(&id, "") && id != self.id, "a new one each time"),
            Newest => assert_eq!(id, self.id, "always the same"),
        }
        self.id = id;
    }

    fn create(&mut self, name: &str) -> Value {
        self.say(
            "create-group",
            json!({"groupName": "My Group", "username": name}),
        );
        let payload = self.expect("group-created");
        self.settle(&payload);
        payload
    }

    /// Joins, and takes what follows a peer id.
    fn join(&mut self, group: &str, name: &str, peer: Option<&str>) -> Value {
        let mut wish = json!({"groupId": group, "username": name});
        if let Some(peer) = peer {
            wish["peerId"] = json!(peer);
        }
        self.say("join-group", wish);
        let payload = self.expect("group-joined");
        self.settle(&payload);
        if peer.is_some() {
            self.expect("existing-peers");
        }
        payload
    }

    fn announce(&mut self, peer: &str) -> Value {
        self.say("update-peer-id", json!({"peerId": peer}));
        self.expect("existing-peers")["peers"].take()
    }

    fn leave(&mut self) {
        self.say("leave-group", json!({"userId": self.id}));
    }

    /// Ends as somebody who closes the page.
    fn close(mut self) {
        let _ = self.socket.0.close(None);
        let _ = self.socket.0.flush();
    }

    /// Drops the connection without a word.
    fn vanish(self) {
        let stream = self.socket.0.get_ref();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

fn peer(peer: &str, name: &str) -> Value {
    json!({"peerId": peer, "username": name})
}

// A5, A8: what is said to whom, in which order.

#[rstest]
fn a_group_is_created_joined_and_left(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let mut alice = world.connect(version);
    let created = alice.create("alice");
    let prefix = if version == Seed { "" } else { "group_" };
    assert!(is_id(&alice.group, prefix));
    let user = json!({"id": alice.id, "username": "alice"});
    assert_eq!(
        created,
        json!({"groupId": alice.group, "groupName": "My Group", "user": user})
    );
    let mut bob = world.connect(version);
    let joined = bob.join(&alice.group, "bob", None);
    let user = json!({"id": bob.id, "username": "bob"});
    let members = json!([{"id": alice.id, "username": "alice"}]);
    assert_eq!(
        joined,
        json!({"groupId": alice.group, "groupName": "My Group", "user": user, "members": members})
    );
    assert_eq!(alice.expect("user-joined"), json!({"user": user}));
    let expected = match version {
        Seed => json!([]),
        Newest => json!([peer("peer-a", "alice")]),
    };
    assert_eq!(alice.announce("peer-a"), expected);
    assert_eq!(bob.expect("peer-joined"), peer("peer-a", "alice"));
    // With an id at once; members in the order in which they came.
    let mut carl = world.connect(version);
    let wish = json!({"groupId": alice.group, "username": "carl", "peerId": "peer-c"});
    carl.say("join-group", wish);
    let joined = carl.expect("group-joined");
    carl.settle(&joined);
    assert_eq!(joined["user"], json!({"id": carl.id, "username": "carl"}));
    assert_eq!(
        joined["members"],
        json!([{"id": alice.id, "username": "alice", "peerId": "peer-a"}, {"id": bob.id, "username": "bob"}])
    );
    let mut peers = vec![peer("peer-a", "alice")];
    if version == Newest {
        peers.push(peer("peer-c", "carl"));
    }
    assert_eq!(carl.expect("existing-peers"), json!({"peers": peers}));
    for client in [&mut alice, &mut bob] {
        let user = json!({"id": carl.id, "username": "carl", "peerId": "peer-c"});
        assert_eq!(client.expect("user-joined"), json!({"user": user}));
        assert_eq!(client.expect("peer-joined"), peer("peer-c", "carl"));
    }
    // Who leaves hears nothing of it, and may come again.
    let id = bob.id.clone();
    bob.leave();
    let group = bob.group.clone();
    for client in [&mut alice, &mut carl] {
        let left = json!({"userId": id, "username": "bob"});
        assert_eq!(client.expect("user-left"), left);
        client.quiet();
    }
    bob.quiet();
    let joined = bob.join(&group, "BOB", None);
    assert_eq!(joined["user"]["username"], "BOB");
    assert_eq!(joined["members"].as_array().unwrap().len(), 2);
}

#[test]
fn both_versions_meet_in_one_group() {
    let world = World::new();
    let mut old = world.create(Seed, "old");
    let link = format!("group_{}", old.group);
    let mut new = world.connect(Newest);
    let joined = new.join(&link, "new", Some("p2"));
    assert_eq!(joined["groupId"], link);
    assert_eq!(joined["members"][0]["id"], format!("user_{}", old.id));
    let user = &old.expect("user-joined")["user"];
    assert_eq!(format!("user_{}", user["id"].as_str().unwrap()), new.id);
    assert_eq!(old.expect("peer-joined"), peer("p2", "new"));
    // A bare id opens in the newest version, too, and a prefix does in the first.
    let bare = old.group.to_uppercase();
    let mut third = world.connect(Newest);
    third.join(&bare, "third", None);
    assert_eq!(third.group, link);
    let mut fourth = world.connect(Seed);
    assert_eq!(fourth.join(&link, "fourth", None)["groupId"], old.group);
    assert_eq!(world.stats(), (1, 4));
}

#[rstest]
fn names_are_made_unique(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let alice = world.create(version, "Alice");
    let long = "x".repeat(50);
    let mut all = Vec::new();
    for (wanted, got) in [
        ("alice", "alice1"),
        ("ALICE", "ALICE2"),
        ("alice1", "alice11"),
        (&long, &long),
        (&long, &format!("{}1", &long[1..])),
    ] {
        let client = world.join(version, &alice.group, wanted, None);
        assert_eq!(client.name, got);
        all.push(client);
    }
    // Its long name is one that it may say.
    let mut last = all.pop().unwrap();
    last.say(
        "call-request",
        json!({"targetPeerId": "x", "fromPeerId": "y", "fromUsername": last.name}),
    );
    let heard = last.expect("error");
    assert_eq!(heard["code"], "PEER_NOT_FOUND");
}

#[rstest]
fn every_announcement_replaces_the_last(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let [mut alice, mut bob, mut carl] = world.table(version);
    for id in ["peer-a", "peer-2", "peer-2", "peer-3"] {
        let mut expected = vec![
            peer(id, "alice"),
            peer("peer-b", "bob"),
            peer("peer-c", "carl"),
        ];
        if version == Seed {
            expected.remove(0);
        }
        assert_eq!(alice.announce(id), json!(expected));
        for other in [&mut bob, &mut carl] {
            assert_eq!(other.expect("peer-joined"), peer(id, "alice"));
        }
    }
    // What was given up is anybody's; what counts is reached.
    assert_eq!(
        carl.announce("peer-2").as_array().map(Vec::len),
        Some(if version == Seed { 2 } else { 3 })
    );
    let call = json!({"targetPeerId": "peer-3", "fromPeerId": "peer-2", "fromUsername": "carl"});
    carl.say("call-request", call);
    assert_eq!(alice.expect("peer-joined"), peer("peer-2", "carl"));
    alice.expect("incoming-call-request");
}

#[rstest]
fn calls_reach_who_is_called_and_nobody_else(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let [mut alice, mut bob, mut carl] = world.table(version);
    let call = json!({"targetPeerId": "peer-b", "fromPeerId": "peer-a", "fromUsername": "alice"});
    alice.say("call-request", call);
    let ring = json!({"fromPeerId": "peer-a", "fromUsername": "alice"});
    assert_eq!(bob.expect("incoming-call-request"), ring);
    for accepted in [true, false] {
        let answer = json!({"accepted": accepted, "fromPeerId": "peer-a", "toPeerId": "peer-b"});
        bob.say("call-response", answer);
        let told = json!({"accepted": accepted, "fromPeerId": "peer-b", "toPeerId": "peer-a"});
        assert_eq!(alice.expect("call-response"), told);
    }
    for client in [&mut alice, &mut bob, &mut carl] {
        client.quiet();
    }
}

#[test]
fn the_newest_version_is_greeted_and_keeps_its_id() {
    let world = World::new();
    let mut client = world.connect(Newest);
    let id = client.id.clone();
    client.create("ann");
    client.leave();
    client.create("ann");
    assert_eq!(client.id, id);
    // The first one says nothing first, on any of its addresses.
    for (addr, path) in [
        (world.sockets, "/"),
        (world.sockets, "/any/thing?x=1"),
        (world.sockets, "/ws"),
        (world.http, "/ws"),
        (world.server.addr, "/ws/signal"),
        (world.server.addr, "/api/ws/signal"),
        (world.server.addr, "/"),
    ] {
        let mut client = Client::open(addr, path, Seed);
        client.socket.expect_silence();
        client.create("ann");
    }
}

#[rstest]
fn binary_frames_count_as_text(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let mut client = world.connect(version);
    let send = |client: &mut Client, bytes: &[u8]| {
        let message = Message::binary(bytes.to_vec());
        client.socket.0.send(message).unwrap();
    };
    let wish =
        br#"{"type":"create-group","payload":{"groupName":"G","username":"ann"},"timestamp":1}"#;
    send(&mut client, b"\xff\xfe");
    client.refused("INVALID_MESSAGE");
    send(&mut client, wish);
    client.expect("group-created");
    send(
        &mut client,
        br#"{"type":"update-peer-id","payload":{"peerId":"p"}}"#,
    );
    client.expect("existing-peers");
    send(&mut client, b"\xff\xfe");
    client.refused("INVALID_MESSAGE");
}

#[test]
fn the_first_message_tells_chat_and_peershare_apart() {
    let world = World::new();
    let open = || Client::open(world.server.addr, "/", Seed);
    let mut chat = open();
    chat.text(r#"{"type":"Ping"}"#);
    assert_eq!(chat.socket.hear(), r#"{"type":"Pong"}"#);
    // Also a wrong one: it is answered by the one whose type it is.
    let mut signal = open();
    signal.text(r#"{"type":"join-group"}"#);
    assert_eq!(signal.invalid()[0]["path"], json!(["payload"]));
    let mut binary = open();
    let wish = r#"{"type":"create-group","payload":{"groupName":"G","username":"ann"}}"#;
    binary
        .socket
        .0
        .send(Message::binary(wish.as_bytes().to_vec()))
        .unwrap();
    binary.expect("group-created");
    let mut chat = open();
    chat.text("nonsense");
    assert!(chat.socket.hear().contains("invalid_json"));
}

// A6: what is wrong with a message.

fn wrong(field: &str, expected: &str, received: &str) -> Value {
    json!({"code": "invalid_type", "expected": expected, "received": received, "path": ["payload", field]})
}

/// The same in a group and in none; every further row is tested without sockets.
#[rstest]
fn what_is_wrong_with_a_message_is_told(
    #[values(Seed, Newest)] version: Version,
    #[values(false, true)] member: bool,
) {
    let world = World::with(&[], &["--peershare-msg-burst", "1000"]);
    let mut client = match member {
        true => world.create(version, "ann"),
        false => world.connect(version),
    };
    for text in ["", "{", "hello", "[1,2", "{\"type\":undefined}"] {
        client.text(text);
        client.refused("INVALID_MESSAGE");
    }
    for (text, received) in [
        ("null", "null"),
        ("[]", "array"),
        ("5", "number"),
        ("\"x\"", "string"),
        ("true", "boolean"),
    ] {
        client.text(text);
        let issue =
            json!({"code": "invalid_type", "expected": "object", "received": received, "path": []});
        assert_eq!(client.invalid(), json!([issue]));
    }
    let options = json!([
        "create-group",
        "join-group",
        "leave-group",
        "update-peer-id",
        "call-request",
        "call-response"
    ]);
    for text in ["{}", r#"{"type":"ping"}"#, r#"{"type":5,"payload":{}}"#] {
        client.text(text);
        let issue =
            json!({"code": "invalid_union_discriminator", "options": options, "path": ["type"]});
        assert_eq!(client.invalid(), json!([issue]));
    }
    for (kind, fields) in [
        ("create-group", &["groupName", "username"][..]),
        ("join-group", &["groupId", "username"]),
        ("leave-group", &["userId"]),
        ("update-peer-id", &["peerId"]),
        (
            "call-request",
            &["targetPeerId", "fromPeerId", "fromUsername"],
        ),
        ("call-response", &["accepted", "fromPeerId", "toPeerId"]),
    ] {
        client.text(&json!({"type": kind}).to_string());
        let issue = json!({"code": "invalid_type", "expected": "object", "received": "undefined", "path": ["payload"]});
        assert_eq!(client.invalid(), json!([issue]));
        let expected = |field: &str| {
            if field == "accepted" {
                "boolean"
            } else {
                "string"
            }
        };
        let all = |received: &str| -> Vec<Value> {
            let fields = fields.iter();
            fields
                .map(|field| wrong(field, expected(field), received))
                .collect()
        };
        client.say(kind, json!({}));
        assert_eq!(client.invalid(), json!(all("undefined")));
        let nulls = fields
            .iter()
            .map(|field| ((*field).to_owned(), Value::Null));
        client.say(kind, Value::Object(nulls.collect()));
        assert_eq!(client.invalid(), json!(all("null")));
        let empty = fields.iter().map(|field| ((*field).to_owned(), json!("")));
        client.say(kind, Value::Object(empty.collect()));
        let id = if version == Seed { "uuid" } else { "regex" };
        let path = |field: &str| json!(["payload", field]);
        let small = |field: &str| json!({"code": "too_small", "minimum": 1, "type": "string", "inclusive": true, "exact": false, "path": path(field)});
        let shape = |field: &str, validation: &str| json!({"code": "invalid_string", "validation": validation, "path": path(field)});
        let mut issues = Vec::new();
        for field in fields {
            match *field {
                "accepted" => issues.push(wrong(field, "boolean", "string")),
                "groupId" | "userId" => issues.push(shape(field, id)),
                "username" | "fromUsername" => issues.extend([small(field), shape(field, "regex")]),
                field => issues.push(small(field)),
            }
        }
        assert_eq!(client.invalid(), json!(issues), "{kind}");
    }
    client.say(
        "create-group",
        json!({"groupName": " \t ", "username": "ann"}),
    );
    assert_eq!(client.invalid()[0]["code"], "too_small");
    client.say(
        "create-group",
        json!({"groupName": "x".repeat(101), "username": "y".repeat(51)}),
    );
    let big = |field: &str, most: usize| json!({"code": "too_big", "maximum": most, "type": "string", "inclusive": true, "exact": false, "path": ["payload", field]});
    assert_eq!(
        client.invalid(),
        json!([big("groupName", 100), big("username", 50)])
    );
    client.text(r#"{"type":"update-peer-id","payload":{"peerId":"p"},"timestamp":null}"#);
    let issue = json!({"code": "invalid_type", "expected": "number", "received": "null", "path": ["timestamp"]});
    assert_eq!(client.invalid(), json!([issue]));
    // Nothing of all that has changed anything, and the connection lives.
    assert_eq!(world.stats(), (member.into(), member.into()));
}

// A7: the codes.

const NOBODY: &str = "0b6fe7ab-3b1f-41ee-be56-0242ac120002";

#[rstest]
fn who_is_in_no_group_can_only_come(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let mut client = world.connect(version);
    let id = match version {
        Seed => NOBODY.to_owned(),
        Newest => client.id.clone(),
    };
    for (kind, payload) in [
        ("leave-group", json!({"userId": id})),
        (
            "call-request",
            json!({"targetPeerId": "a", "fromPeerId": "b", "fromUsername": "c"}),
        ),
        (
            "call-response",
            json!({"accepted": true, "fromPeerId": "a", "toPeerId": "b"}),
        ),
        ("moderation", json!({})),
        ("lock-group", json!({"locked": true})),
        ("mute-request", json!({"userId": id})),
        ("remove-user", json!({"userId": id})),
    ] {
        client.say(kind, payload);
        client.refused("USER_NOT_FOUND");
    }
    client.say("update-peer-id", json!({"peerId": "p"}));
    match version {
        Seed => client.refused("USER_NOT_FOUND"),
        Newest => client.quiet(),
    }
    client.create("ann");
}

#[rstest]
fn what_is_not_there_is_told_by_its_code(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let mut alice = world.create(version, "alice");
    let user = |id: &str| match version {
        Seed => id.to_owned(),
        Newest => format!("user_{id}"),
    };
    alice.say("leave-group", json!({"userId": user(NOBODY)}));
    alice.refused("USER_NOT_FOUND");
    if version == Newest {
        alice.say("leave-group", json!({"userId": "user_x"}));
        alice.refused("USER_NOT_FOUND");
    }
    alice.say(
        "call-request",
        json!({"targetPeerId": "p", "fromPeerId": "q", "fromUsername": "alice"}),
    );
    alice.refused("PEER_NOT_FOUND");
    alice.say(
        "call-response",
        json!({"accepted": true, "fromPeerId": "p", "toPeerId": "q"}),
    );
    alice.refused("PEER_NOT_FOUND");
    let mut bob = world.connect(Seed);
    bob.say("join-group", json!({"groupId": NOBODY, "username": "bob"}));
    bob.refused("GROUP_NOT_FOUND");
    bob.say(
        "join-group",
        json!({"groupId": "group_friday", "username": "bob"}),
    );
    bob.refused("GROUP_NOT_FOUND");
}

#[test]
fn in_the_newest_version_joining_creates() {
    let world = World::new();
    for (given, id, name) in [
        ("group_Friday-9", "group_Friday-9".to_owned(), "Friday-9"),
        (NOBODY, format!("group_{NOBODY}"), "Group"),
    ] {
        let mut ann = world.connect(Newest);
        let joined = ann.join(given, "ann", Some("p"));
        let user = json!({"id": ann.id, "username": "ann"});
        assert_eq!(
            joined,
            json!({"groupId": id, "groupName": name, "user": user, "members": []})
        );
        let bob = world.join(Seed, &id, "ann", None);
        assert_eq!(bob.name, "ann1");
        // Of the first version's kind where it is one of its ids.
        assert_eq!(bob.group, if given == NOBODY { given } else { &id });
        ann.close();
        bob.vanish();
        world.wait_for_stats((0, 0));
    }
    let world = World::with(&[], &["--peershare-auto-create", "false"]);
    let mut ann = world.connect(Newest);
    ann.say(
        "join-group",
        json!({"groupId": "group_x", "username": "ann"}),
    );
    ann.refused("GROUP_NOT_FOUND");
}

// C1, A8: no ghosts.

#[rstest]
fn who_enters_another_group_has_left_the_first(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let [mut alice, mut bob, mut carl] = world.table(version);
    let first = bob.id.clone();
    bob.create("bob");
    for other in [&mut alice, &mut carl] {
        assert_eq!(
            other.expect("user-left"),
            json!({"userId": first, "username": "bob"})
        );
    }
    assert_eq!(world.stats(), (2, 3));
    // Into a group, with its own peer id along.
    let second = carl.id.clone();
    carl.join(&bob.group.clone(), "carl", Some("peer-c"));
    assert_eq!(
        alice.expect("user-left"),
        json!({"userId": second, "username": "carl"})
    );
    assert_eq!(bob.expect("user-joined")["user"]["peerId"], "peer-c");
    bob.expect("peer-joined");
    assert_eq!(world.stats(), (2, 3));
    // What cannot be entered is no reason to leave.
    if version == Seed {
        carl.say("join-group", json!({"groupId": NOBODY, "username": "carl"}));
        carl.refused("GROUP_NOT_FOUND");
    }
    carl.say(
        "join-group",
        json!({"groupId": alice.group, "username": "carl", "peerId": "peer-a"}),
    );
    carl.refused("PEER_ID_TAKEN");
    for client in [&mut alice, &mut bob, &mut carl] {
        client.quiet();
    }
    carl.leave();
    bob.expect("user-left");
    carl.say(
        "join-group",
        json!({"groupId": alice.group, "username": "carl", "peerId": "peer-a"}),
    );
    carl.refused("PEER_ID_TAKEN");
    assert_eq!(world.stats(), (2, 2));
    for client in [alice, bob, carl] {
        client.vanish();
    }
    world.wait_for_stats((0, 0));
}

#[rstest]
fn joining_ones_own_group_again_disturbs_nobody(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let [mut alice, mut bob, mut carl] = world.table(version);
    let (id, group) = (bob.id.clone(), bob.group.clone());
    for peer_id in [None, Some("peer-b"), Some("peer-z")] {
        let mut wish = json!({"groupId": group, "username": "somebody"});
        if let Some(peer) = peer_id {
            wish["peerId"] = json!(peer);
        }
        bob.say("join-group", wish);
        let joined = bob.expect("group-joined");
        assert_eq!(joined["user"], json!({"id": id, "username": "bob"}));
        assert_eq!(joined["members"].as_array().unwrap().len(), 2);
        if peer_id.is_some() {
            bob.expect("existing-peers");
        }
        for other in [&mut alice, &mut carl] {
            if peer_id == Some("peer-z") {
                assert_eq!(other.expect("peer-joined"), peer("peer-z", "bob"));
            }
            other.quiet();
        }
    }
    assert_eq!(world.stats(), (1, 3));
}

#[rstest]
fn however_somebody_goes_nothing_stays(
    #[values(Seed, Newest)] version: Version,
    #[values("leave", "close", "vanish", "break")] how: &str,
) {
    let world = World::new();
    let [mut alice, bob, carl] = world.table(version);
    let mut still = None;
    for mut client in [carl, bob] {
        let left = json!({"userId": client.id, "username": client.name});
        match how {
            "leave" => {
                client.leave();
                still = Some(client);
            }
            "close" => client.close(),
            "vanish" => client.vanish(),
            _ => {
                // A frame that nobody may send.
                client.socket.0.get_mut().write_all(&[0xff; 8]).unwrap();
                still = Some(client);
            }
        }
        assert_eq!(alice.expect("user-left"), left);
    }
    assert_eq!(world.stats(), (1, 1));
    let group = alice.group.clone();
    alice.leave();
    world.wait_for_stats((0, 0));
    let path = format!("/api/group/{group}");
    assert_eq!(send_to(world.http, "GET", &path, &[], b"").status, 404);
    // The same connection starts anew, and all ids are free.
    alice.create("alice");
    alice.announce("peer-b");
    drop(still);
}

// A9: the ring waits for the offer.

/// Somebody at the broker, registered under this id.
fn register(addr: SocketAddr, id: &str) -> Socket {
    let stream = TcpStream::connect(addr).unwrap();
    let url = format!("ws://{addr}/peerjs?key=peerjs&id={id}&token=t&version=1.5.5");
    let (mut socket, _) = websocket_on(stream, &url, &[]).unwrap();
    assert_eq!(socket.hear(), r#"{"type":"OPEN"}"#);
    socket
}

#[rstest]
fn a_ring_waits_for_its_offer(
    #[values(Seed, Newest)] version: Version,
    #[values("before", "after", "never", "elsewhere")] offered: &str,
) {
    let (least, most) = match offered {
        "before" | "after" => (45, 900),
        "never" => (950, u128::MAX),
        _ => (0, 45),
    };
    // Where the machine is busy it may come later, but not each time.
    let in_time = |_| {
        let waited = ring(version, offered).as_millis();
        assert!(waited >= least, "{offered}: {waited} ms");
        waited < most
    };
    assert!((0..5).any(in_time), "{offered}: later than {most} ms");
}

/// How long a call rings after it was asked for.
fn ring(version: Version, offered: &str) -> Duration {
    let world = World::new();
    let [mut alice, mut bob, mut carl] = world.table(version);
    // The broker is on all of PeerShare's ports.
    let mut caller = register(world.at(version).0, "peer-a");
    let mut callee = (offered != "elsewhere").then(|| register(world.http, "peer-b"));
    let offer = json!({"type": "OFFER", "dst": "peer-b", "payload": {"type": "media", "connectionId": "mc_1", "sdp": {}}});
    let mut offer = |callee: &mut Option<Socket>| {
        caller.say(&offer.to_string());
        let heard = callee.as_mut().unwrap().hear();
        assert!(heard.contains("OFFER"), "{heard}");
    };
    if offered == "before" {
        offer(&mut callee);
    }
    let call = json!({"targetPeerId": "peer-b", "fromPeerId": "peer-a", "fromUsername": "alice"});
    let start = Instant::now();
    alice.say("call-request", call);
    if offered == "after" {
        // It is held back: what bob is told now comes first.
        carl.announce("peer-2");
        assert_eq!(bob.expect("peer-joined"), peer("peer-2", "carl"));
        offer(&mut callee);
    }
    bob.expect("incoming-call-request");
    let waited = start.elapsed();
    // What is wrong with a call is told at once.
    let call = json!({"targetPeerId": "peer-x", "fromPeerId": "peer-a", "fromUsername": "alice"});
    if offered == "after" {
        alice.expect("peer-joined");
    }
    alice.say("call-request", call);
    alice.refused("PEER_NOT_FOUND");
    waited
}

#[rstest]
fn who_is_removed_is_cut_off_at_the_broker(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let [mut alice, bob, _carl] = world.table(version);
    let mut at_broker = register(world.server.addr, "peer-a");
    let mut removed = register(world.server.addr, "peer-b");
    alice.say("remove-user", json!({"userId": bob.id}));
    alice.expect("user-left");
    let leave: Value = serde_json::from_str(&at_broker.hear()).unwrap();
    assert_eq!(
        (&leave["type"], &leave["src"]),
        (&json!("LEAVE"), &json!("peer-b"))
    );
    while removed.0.read().is_ok() {}
    // Its page comes back at once, but not to those who stayed.
    let mut removed = register(world.server.addr, "peer-b");
    let offer = |to: &str| json!({"type": "OFFER", "dst": to, "payload": {"sdp": {}}}).to_string();
    removed.say(&offer("peer-a"));
    assert!(removed.hear().contains("EXPIRE"));
    at_broker.say(&offer("peer-b"));
    assert!(at_broker.hear().contains("EXPIRE"));
    // Unless it is let in again.
    let _again = world.join(version, &alice.group, "bob", Some("peer-b"));
    for kind in ["user-joined", "peer-joined"] {
        alice.expect(kind);
    }
    removed.say(&offer("peer-a"));
    assert!(at_broker.hear().contains("OFFER"));
    // Not who is registered from elsewhere under a name that a member uses.
    let stream = connect_from("127.0.0.9", world.server.addr);
    let url = format!(
        "ws://{}/peerjs?key=peerjs&id=stranger&token=t",
        world.server.addr
    );
    let (mut stranger, _) = websocket_on(stream, &url, &[]).unwrap();
    stranger.hear();
    let eve = world.join(version, &alice.group, "eve", Some("stranger"));
    for kind in ["user-joined", "peer-joined"] {
        alice.expect(kind);
    }
    alice.say("remove-user", json!({"userId": eve.id}));
    alice.expect("user-left");
    stranger.say(r#"{"type":"OFFER","dst":"stranger","payload":{"sdp":{}}}"#);
    assert!(stranger.hear().contains("OFFER"));
    at_broker.say(r#"{"type":"OFFER","dst":"peer-a","payload":{"sdp":{}}}"#);
    assert!(at_broker.hear().contains("OFFER"));
}

// C3, C4: nobody speaks for others.

#[rstest]
fn forged_calls_say_who_sent_them_or_are_refused(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let [mut alice, mut bob, mut carl] = world.table(version);
    let mut eve = world.create(version, "eve");
    let call = json!({"targetPeerId": "peer-b", "fromPeerId": "peer-a", "fromUsername": "alice"});
    let answer = json!({"accepted": true, "fromPeerId": "peer-b", "toPeerId": "peer-a"});
    // From elsewhere, and from nowhere.
    for member in [true, false] {
        let code = if member {
            "PEER_NOT_FOUND"
        } else {
            "USER_NOT_FOUND"
        };
        if !member {
            eve.leave();
        }
        eve.say("call-request", call.clone());
        eve.refused(code);
        eve.say("call-response", answer.clone());
        eve.refused(code);
    }
    // In the group a forged name says nothing.
    carl.say("call-request", call);
    let ring = json!({"fromPeerId": "peer-c", "fromUsername": "carl"});
    assert_eq!(bob.expect("incoming-call-request"), ring);
    carl.say("call-response", answer);
    let told = json!({"accepted": true, "fromPeerId": "peer-c", "toPeerId": "peer-b"});
    assert_eq!(bob.expect("call-response"), told);
    // Nor does another's id, where one has none of one's own.
    let mut dan = world.join(version, &alice.group, "dan", None);
    dan.say(
        "call-request",
        json!({"targetPeerId": "peer-b", "fromPeerId": "peer-a", "fromUsername": "dan"}),
    );
    dan.refused("PEER_ID_TAKEN");
    dan.say(
        "call-request",
        json!({"targetPeerId": "peer-b", "fromPeerId": "peer-d", "fromUsername": "alice"}),
    );
    bob.expect("user-joined");
    let ring = json!({"fromPeerId": "peer-d", "fromUsername": "dan"});
    assert_eq!(bob.expect("incoming-call-request"), ring);
    alice.expect("user-joined");
    alice.quiet();
}

#[rstest]
fn an_id_is_one_users_in_all_groups(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let [mut alice, mut bob, _carl] = world.table(version);
    let mut eve = world.create(version, "eve");
    eve.say("update-peer-id", json!({"peerId": "peer-a"}));
    eve.refused("PEER_ID_TAKEN");
    bob.say(
        "call-request",
        json!({"targetPeerId": "peer-a", "fromPeerId": "peer-b", "fromUsername": "bob"}),
    );
    alice.expect("incoming-call-request");
    eve.quiet();
    alice.vanish();
    bob.expect("user-left");
    eve.announce("peer-a");
}

// D4: the group's owner.

#[rstest]
fn the_owner_locks_asks_and_removes(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let [mut alice, mut bob, mut carl] = world.table(version);
    let owner = |client: &Client, locked: bool| json!({"ownerId": client.id, "locked": locked});
    for (kind, payload) in [
        ("lock-group", json!({"locked": true})),
        ("mute-request", json!({"userId": alice.id})),
        ("remove-user", json!({"userId": alice.id})),
    ] {
        bob.say(kind, payload);
        bob.refused("FORBIDDEN");
    }
    // Who has asked is told of changes from then on; bob has, carl has not.
    bob.say("moderation", json!({}));
    assert_eq!(bob.expect("moderation"), owner(&alice, false));
    alice.say("lock-group", json!({"locked": true}));
    assert_eq!(alice.expect("moderation"), owner(&alice, true));
    assert_eq!(bob.expect("moderation"), owner(&alice, true));
    for version in [Seed, Newest] {
        let mut dan = world.connect(version);
        dan.say(
            "join-group",
            json!({"groupId": format!("group_{NOBODY}"), "username": "dan"}),
        );
        let _ = dan.hear();
        dan.say(
            "join-group",
            json!({"groupId": alice.group, "username": "dan"}),
        );
        dan.refused("GROUP_LOCKED");
    }
    alice.say("mute-request", json!({"userId": carl.id}));
    let asked = json!({"user": {"id": alice.id, "username": "alice"}});
    assert_eq!(carl.expect("mute-requested"), asked);
    alice.say("mute-request", json!({"userId": NOBODY.to_owned()}));
    alice.refused("USER_NOT_FOUND");
    alice.say("remove-user", json!({"userId": carl.id, "reason": "late"}));
    let left = json!({"userId": carl.id, "username": "carl"});
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.expect("user-left"), left);
    }
    assert_eq!(carl.socket.close_code(), 4003);
    alice.say("remove-user", json!({"userId": alice.id}));
    alice.refused("FORBIDDEN");
    alice.close();
    bob.expect("user-left");
    assert_eq!(bob.expect("moderation"), owner(&bob, true));
    bob.say("lock-group", json!({"locked": false}));
    assert_eq!(bob.expect("moderation"), owner(&bob, false));
    world.join(version, &bob.group, "eve", None);
}

#[test]
fn only_the_gm_creates_where_only_the_gm_may() {
    let flags = ["--peershare-create", "gm", "--loopback-gm"];
    let world = World::with(&[], &[&flags[..], &["false"]].concat());
    for version in [Seed, Newest] {
        let mut ann = world.connect(version);
        ann.say("create-group", json!({"groupName": "G", "username": "ann"}));
        ann.refused("FORBIDDEN");
        ann.say(
            "join-group",
            json!({"groupId": "group_x", "username": "ann"}),
        );
        ann.refused("GROUP_NOT_FOUND");
    }
    let world = World::with(&[], &[&flags[..], &["true"]].concat());
    for version in [Seed, Newest] {
        world.create(version, "gm");
    }
}

// A8, C7, C9, C10, C14: connections.

#[test]
fn who_answers_no_ping_is_dropped_and_its_mates_are_told() {
    let world = World::with(&[("WS_HEARTBEAT_INTERVAL", "1000")], &[]);
    let mut alice = world.create(Seed, "alice");
    let mut bob = world.join(Newest, &alice.group, "bob", None);
    alice.expect("user-joined");
    let started = Instant::now();
    // Who reads answers; bob does not read.
    alice.expect("user-left");
    let waited = started.elapsed();
    assert!(waited > Duration::from_millis(1500), "{waited:?}");
    let mut pings = 0;
    let end = loop {
        match bob.socket.0.read() {
            Ok(Message::Ping(_)) => pings += 1,
            Ok(Message::Close(frame)) => panic!("closed with a frame: {frame:?}"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(pings > 0, "{end}");
    alice.quiet();
}

#[rstest]
fn who_is_too_fast_is_told_when_to_come_again(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let mut ann = world.create(version, "ann");
    let (mut served, mut refused) = (0, 0);
    let start = Instant::now();
    // Until it has been refused, and served again after that.
    while refused == 0 || served < 45 {
        ann.say("update-peer-id", json!({"peerId": "p"}));
        match ann.hear() {
            (kind, _) if kind == "existing-peers" => served += 1,
            (_, error) => {
                assert_eq!(error["code"], "RATE_LIMITED");
                let wait = error["details"]["retryAfterMs"].as_u64().unwrap();
                assert!((1..=1000).contains(&wait), "{error}");
                refused += 1;
                let wait = Duration::from_millis(wait);
                let again = Instant::now() + wait;
                // As told: nothing to wait for but time.
                std::thread::sleep(again.saturating_duration_since(Instant::now()));
            }
        }
        assert!(start.elapsed() < PATIENCE, "{served} {refused}");
    }
}

#[rstest]
fn a_flood_is_refused_and_disturbs_nobody(#[values(Seed, Newest)] version: Version) {
    let world = World::new();
    let [mut alice, mut bob, mut carl] = world.table(version);
    let mut flood = carl.socket.0.get_ref().try_clone().unwrap();
    let flooder = std::thread::spawn(move || {
        // Masked with zeros: ten thousand messages in a few writes.
        let text = br#"{"type":"update-peer-id","payload":{"peerId":"peer-c"}}"#;
        let mut frames = Vec::new();
        for _ in 0..10_000 {
            frames.extend([0x81, 0x80 | text.len() as u8, 0, 0, 0, 0]);
            frames.extend(text);
        }
        // The server closes before it has read everything.
        let _ = flood.write_all(&frames);
    });
    let code = loop {
        match carl.socket.0.read() {
            Ok(Message::Close(Some(frame))) => break u16::from(frame.code),
            Ok(_) => {}
            Err(error) => panic!("no close frame: {error}"),
        }
    };
    flooder.join().unwrap();
    assert_eq!(code, 1008);
    // The others heard what counted, then that it went, and call each other as before.
    for client in [&mut alice, &mut bob] {
        let heard = (0..).map(|_| client.hear().0);
        let heard = heard.take_while(|kind| kind == "peer-joined").count();
        assert!((30..1000).contains(&heard), "{heard}");
    }
    alice.say(
        "call-request",
        json!({"targetPeerId": "peer-b", "fromPeerId": "peer-a", "fromUsername": "alice"}),
    );
    bob.expect("incoming-call-request");
}

#[rstest]
fn what_breaks_the_protocol_is_closed_with_its_code(
    #[values(Seed, Newest)] version: Version,
    #[values(true, false)] member: bool,
) {
    let world = World::new();
    let open = || match member {
        true => world.create(version, "ann"),
        false => world.connect(version),
    };
    let mut large = open();
    large.text(&"x".repeat((64 << 10) + 1));
    assert_eq!(large.socket.close_code(), 1009);
    let mut fits = open();
    fits.text(&"x".repeat(64 << 10));
    fits.refused("INVALID_MESSAGE");
    let mut broken = open();
    // A masked text frame of two bytes that are no UTF-8.
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'{', 0xff];
    broken.socket.0.get_mut().write_all(&frame).unwrap();
    assert_eq!(broken.socket.close_code(), 1007);
}

#[rstest]
fn who_does_not_read_is_closed_and_nobody_waits(#[values(Seed, Newest)] version: Version) {
    let rates = [
        "--peershare-msg-rate",
        "1000000",
        "--peershare-msg-burst",
        "1000000",
    ];
    let world = World::with(&[], &rates);
    let mut alice = world.create(version, "alice");
    let (addr, path) = world.at(version);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&addr.into()).unwrap();
    let mut lazy = Client::over(socket.into(), addr, path, version);
    lazy.join(&alice.group, "lazy", None);
    alice.expect("user-joined");
    let filler = "x".repeat(90);
    let started = Instant::now();
    for n in 0.. {
        alice.say("update-peer-id", json!({"peerId": format!("{filler}{n}")}));
        let (kind, _) = alice.hear();
        if kind == "user-left" {
            break;
        }
        assert_eq!(kind, "existing-peers");
        assert!(started.elapsed() < Duration::from_secs(60), "{n}");
    }
    let end = std::iter::repeat_with(|| lazy.socket.0.read())
        .find(|read| !matches!(read, Ok(Message::Text(_))));
    if let Some(Ok(Message::Close(Some(frame)))) = end {
        assert_eq!(u16::from(frame.code), 1013);
    }
}

#[test]
fn when_the_server_stops_all_are_told_to_come_back() {
    let mut world = World::new();
    let mut clients: Vec<Client> = [Seed, Newest]
        .into_iter()
        .flat_map(|version| {
            let mut ann = world.create(version, "ann");
            let bob = world.join(version, &ann.group, "bob", None);
            ann.expect("user-joined");
            [ann, bob, world.connect(version)]
        })
        .collect();
    let server = &mut world.server;
    std::thread::scope(|threads| {
        let stopped = threads.spawn(|| server.terminate());
        for client in &mut clients {
            // Nobody is told that anybody has left: running calls go on.
            match client.socket.0.read() {
                Ok(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), 1001),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(stopped.join().unwrap(), 0);
    });
}

#[test]
fn who_connects_again_and_again_has_to_wait() {
    let limits = [
        "--peershare-sockets-per-address",
        "2",
        "--peershare-max-connects",
        "1",
    ];
    let world = World::with(&[], &limits);
    for _ in 0..2 {
        drop(world.create(Seed, "ann"));
    }
    let mut third = Client::open(world.sockets, "/", Seed);
    assert_eq!(third.socket.close_code(), 1013);
    // Somebody else need not.
    let elsewhere = connect_from("127.0.0.9", world.sockets);
    Client::over(elsewhere, world.sockets, "/", Seed).create("bob");
}

#[test]
fn everything_is_bounded() {
    let limits = [
        "--peershare-members",
        "2",
        "--peershare-groups",
        "3",
        "--peershare-groups-per-address",
        "2",
        "--peershare-sockets-per-address",
        "8",
        "--peershare-idle",
        "1",
        "--peershare-max-connects",
        "60000",
    ];
    let world = World::with(&[], &limits);
    let mut idle = world.connect(Seed);
    assert_eq!(idle.socket.close_code(), 1013);
    let ann = world.create(Seed, "ann");
    let _bob = world.join(Newest, &ann.group, "bob", None);
    let mut carl = world.connect(Seed);
    let wish = json!({"groupId": ann.group, "username": "carl"});
    carl.say("join-group", wish);
    carl.refused("GROUP_FULL");
    carl.create("carl");
    let mut dan = world.connect(Newest);
    for (kind, payload) in [
        ("create-group", json!({"groupName": "G", "username": "dan"})),
        (
            "join-group",
            json!({"groupId": "group_x", "username": "dan"}),
        ),
    ] {
        dan.say(kind, payload);
        dan.refused("SERVER_BUSY");
    }
    // Somebody elsewhere may, as long as there is space for all.
    let elsewhere =
        |ip: &str| Client::over(connect_from(ip, world.sockets), world.sockets, "/", Seed);
    let mut eve = elsewhere("127.0.0.9");
    eve.create("eve");
    let mut fay = elsewhere("127.0.0.10");
    fay.say("create-group", json!({"groupName": "G", "username": "fay"}));
    fay.refused("SERVER_BUSY");
    carl.leave();
    world.wait_for_stats((2, 3));
    fay.create("fay");
    let mut many: Vec<_> = (0..20)
        .map(|_| Client::open(world.sockets, "/", Seed))
        .collect();
    let last = many.last_mut().unwrap();
    assert_eq!(last.socket.close_code(), 1013);
}

#[test]
fn creating_groups_is_slowed_down_by_address() {
    let world = World::with(&[], &["--peershare-create-rate", "2"]);
    let mut ann = world.connect(Seed);
    ann.create("ann");
    ann.create("ann");
    ann.say("create-group", json!({"groupName": "G", "username": "ann"}));
    let payload = ann.expect("error");
    assert_eq!(payload["code"], "RATE_LIMITED");
    assert!(payload["details"]["retryAfterMs"].as_u64().unwrap() > 1000);
    let mut bob = Client::over(
        connect_from("127.0.0.9", world.sockets),
        world.sockets,
        "/",
        Seed,
    );
    bob.create("bob");
}

#[test]
fn pages_of_foreign_origins_get_no_socket() {
    let world = World::with(
        &[("ALLOWED_ORIGINS", " https://peershare.example , http://b:1")],
        &[],
    );
    let main = world.server.addr;
    let addresses = [
        (world.sockets, "/"),
        (world.newest, "/ws"),
        (world.http, "/"),
        (main, "/ws/signal"),
        (main, "/"),
    ];
    for (addr, path) in addresses {
        for (origin, allowed) in [
            ("https://evil.example", false),
            ("null", false),
            ("http://localhost:5173", true),
            ("https://peershare.example", addr != main),
        ] {
            let stream = TcpStream::connect(addr).unwrap();
            let opened = websocket_on(stream, &format!("ws://{addr}{path}"), &[("origin", origin)]);
            match opened {
                Ok(_) => assert!(allowed, "{origin} at {path}"),
                Err(tungstenite::Error::Http(answer)) => {
                    assert_eq!(
                        (answer.status().as_u16(), allowed),
                        (403, false),
                        "{origin} at {path}"
                    );
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    // There is no socket elsewhere.
    for (addr, path) in [
        (world.newest, "/"),
        (world.newest, "/ws/"),
        (world.newest, "/signal"),
        (main, "/signal"),
    ] {
        let stream = TcpStream::connect(addr).unwrap();
        let opened = websocket_on(stream, &format!("ws://{addr}{path}"), &[]);
        assert!(matches!(opened, Err(tungstenite::Error::Http(_))), "{path}");
    }
}

// Many groups at once.

/// How much one thread does.
struct Load {
    groups: usize,
    rounds: usize,
}

/// How often everybody says something.
const ROUND: Duration = Duration::from_millis(100);

/// Groups of four: in each round everybody rings their neighbour, group after group at a steady pace.
/// All that is heard must be of one's own group. Returns how long each ring took.
fn traffic(world: &World, thread: usize, load: &Load) -> Vec<Duration> {
    let versions = [Seed, Newest];
    let mut groups: Vec<Vec<Client>> = (0..load.groups)
        .map(|nth| {
            let mut members = vec![world.create(versions[nth % 2], "m0")];
            let id = |n: usize| format!("{thread}-{nth}-{n}");
            members[0].announce(&id(0));
            for n in 1..4 {
                let (group, name) = (members[0].group.clone(), format!("m{n}"));
                let member = world.join(versions[n % 2], &group, &name, Some(&id(n)));
                for other in &mut members {
                    other.expect("user-joined");
                    assert_eq!(other.expect("peer-joined"), peer(&id(n), &name));
                }
                members.push(member);
            }
            members
        })
        .collect();
    let mut took = Vec::with_capacity(load.groups * load.rounds * 4);
    let start = Instant::now();
    for round in 0..load.rounds {
        for (nth, members) in groups.iter_mut().enumerate() {
            // The pace of the load, not a wait for anything.
            let turn = ROUND * round as u32 + ROUND * nth as u32 / load.groups as u32;
            std::thread::sleep((start + turn).saturating_duration_since(Instant::now()));
            let id = |n: usize| format!("{thread}-{nth}-{}", n % 4);
            let mut sent = Vec::new();
            for (n, member) in members.iter_mut().enumerate() {
                let call = json!({"targetPeerId": id(n + 1), "fromPeerId": id(n), "fromUsername": "forged"});
                sent.push(Instant::now());
                member.say("call-request", call);
            }
            for n in 0..4 {
                let ring = members[(n + 1) % 4].expect("incoming-call-request");
                took.push(sent[n].elapsed());
                let expected = json!({"fromPeerId": id(n), "fromUsername": format!("m{n}")});
                assert_eq!(ring, expected);
            }
        }
    }
    for client in groups.iter_mut().flatten() {
        client.quiet();
    }
    took
}

/// With `TABLEKEEP_LONG` (`tests/run --long`) 1,000 groups of four with 10 messages a second each, for
/// a minute.
#[test]
fn in_many_groups_nothing_is_heard_in_a_wrong_one() {
    let long = std::env::var_os("TABLEKEEP_LONG").is_some();
    let raised = [
        "--peershare-groups-per-address",
        "2000",
        "--peershare-sockets-per-address",
        "5000",
        "--peershare-create-rate",
        "5000",
    ];
    let world = World::with(&[], &raised);
    let threads = 8;
    let load = match long {
        true => Load {
            groups: 1000 / threads,
            rounds: 600,
        },
        false => Load {
            groups: 6,
            rounds: 15,
        },
    };
    let start = Instant::now();
    let mut took: Vec<Duration> = std::thread::scope(|scope| {
        let run = |n| {
            let (world, load) = (&world, &load);
            scope.spawn(move || traffic(world, n, load))
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        let done = running.into_iter().map(|thread| thread.join().unwrap());
        done.flatten().collect()
    });
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    eprintln!(
        "{} rings in {:?}: median {:?}, p99 {:?}, longest {:?}",
        took.len(),
        start.elapsed(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    world.wait_for_stats((0, 0));
    let start = Instant::now();
    loop {
        let metrics = world.server.get("/metrics").text();
        let all = [
            "tablekeep_signaling_groups 0\n",
            "tablekeep_members{dialect=\"peershare\"} 0\n",
            // Nexus' lobby, the broker and the table.
            "tablekeep_rooms 3\n",
            "tablekeep_queue_bytes 0\n",
        ];
        if all.iter().all(|line| metrics.contains(line)) {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{metrics}");
    }
}
