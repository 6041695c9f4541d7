//! A room without sockets.

use super::*;
use crate::access::{Client, Passwords};
use crate::config::Config;
use crate::dialects::chat::Chat;
use crate::dialects::chat::speaker::{Seat, Speaker};
use crate::dialects::chat::wire::ClientKeys;
use crate::live::{Couriers, Dialect, Heard};
use crate::metrics::Metrics;
use bytes::Bytes;
use clap::Parser;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Values for the fields of hostile messages.
fn hostile_values(ann: &str) -> Vec<String> {
    let envelope = "E1.1.oKGio6Slpqeoqaqr.AAAAAAAAAAAAAAAAAAAAAAA";
    let mut values: Vec<_> = ["", "x", ann, WRAPPED, envelope, "QUJD", "a/b", "file.enc"]
        .map(|text| json!(text).to_string())
        .to_vec();
    let keys = json!([{"to": ann, "wrapped_key": WRAPPED}]);
    values.extend(
        [
            json!(0),
            json!(1),
            json!(-1),
            json!(1e300),
            Value::Null,
            keys,
        ]
        .map(|v| v.to_string()),
    );
    values.extend(["[{}]", "\"\\ud800\"", "{", "9999999999999999999999"].map(str::to_owned));
    values
}

/// Whatever members send, the room goes on, and everything that anybody is told is JSON.
/// `tests/run --long` gives it a minute.
#[test]
fn fuzz_whatever_members_send_the_room_goes_on() {
    const KINDS: [&str; 9] = [
        "ChatMessage",
        "GetMembers",
        "UploadFile",
        "GetFile",
        "LeaveRoom",
        "CloseRoom",
        "ShareKey",
        "RekeyRoom",
        "Dance",
    ];
    const NAMES: [&str; 10] = [
        "content",
        "name",
        "mime_type",
        "file_id",
        "to",
        "epoch",
        "wrapped_key",
        "keys",
        "request_id",
        "join_key",
    ];
    let check = bolero::check!().with_type::<Vec<(u8, [u8; 10], bool)>>();
    check.for_each(|script| {
        let flags = [
            "t",
            "--chat-msg-rate",
            "1000000",
            "--chat-msg-burst",
            "1000000",
        ];
        let limits = Config::parse_from(flags).limits.chat;
        for mut room in [Room::new(), Room::wrapping()] {
            room.join_as(2, "Ann", Tagging::External);
            let values = hostile_values(&room.id("Ann"));
            let couriers = Couriers::new(Arc::new(Metrics::new()));
            let chat = Arc::new(Chat::new(&limits, couriers, Passwords::new(1)));
            let mut speaker = Speaker::new(chat, Client::Others);
            let entry = room.rules.entry.clone();
            let is_owner = true;
            speaker.set_seat(Some(Seat { entry, is_owner }));
            for (kind, picks, by_owner) in script {
                let kind = KINDS[usize::from(*kind) % KINDS.len()];
                let mut text = format!("{{\"type\":\"{kind}\"");
                for (name, pick) in NAMES.iter().zip(picks) {
                    let value = &values[usize::from(*pick) % values.len()];
                    text.push_str(&format!(",\"{name}\":{value}"));
                }
                text.push('}');
                if let Heard::Message(message) | Heard::Last(message) = speaker.read(text.into()) {
                    let from = conn(if *by_owner { 1 } else { 2 });
                    // Reads all that anybody is told.
                    room.do_it(|rules, now, out| rules.receive(from, message, now, out));
                }
            }
        }
    });
}

/// What connections were told.
#[derive(Default)]
struct Told {
    all: BTreeMap<ConnId, Vec<Value>>,
    released: Vec<ConnId>,
    closed: Vec<(ConnId, u16, String)>,
}

struct Room {
    rules: ChatRules,
    directory: Arc<Directory>,
    now: Now,
    /// Who the couriers know, by group.
    here: BTreeMap<ConnId, Groups>,
}

const POINT: &str =
    "BAIX5hfwtkQ5KCePlpmeaaI6TywVK99tbN9m5bgCgtTtGUp968uXcS0t2jyoWqh2Wlb0X8dYWZZS8ol8ZTBuV5Q";
const WRAPPED: &str =
    "oKGio6SlpqeoqaqrXNq6EXRVA32bEJ2B2aaGjaTvrfWzzYMvTCbjxn2Lg0QC7RwQ1osHQyEuiEvdlQVA";

fn p256() -> PublicKey {
    PublicKey {
        alg: Alg::P256,
        json: json!({"alg": "P-256", "key": POINT}).to_string(),
    }
}

fn conn(n: u64) -> ConnId {
    ConnId(n)
}

fn text(frame: &[u8]) -> Vec<Value> {
    let mut texts = Vec::new();
    let mut rest = frame;
    while !rest.is_empty() {
        let (skip, length) = match rest[1] {
            126 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
            127 => (
                10,
                usize::try_from(u64::from_be_bytes(rest[2..10].try_into().unwrap())).unwrap(),
            ),
            short => (2, usize::from(short)),
        };
        texts.push(serde_json::from_slice(&rest[skip..skip + length]).unwrap());
        rest = &rest[skip + length..];
    }
    texts
}

impl Room {
    fn with(flags: &[&str], keys: Option<ClientKeys>, public_key: Option<PublicKey>) -> Self {
        let flags = [&["t"], flags].concat();
        let limits = Config::parse_from(flags).limits.chat;
        let directory = Arc::new(Directory::new(&limits));
        let key = if keys.is_some() { "" } else { "c2VjcmV0" };
        let entry = Entry::new(
            "room".into(),
            "7KQ2M9XD4T8BZC1F",
            None,
            keys,
            Client::Others,
            &limits,
        );
        let founding = Founding {
            entry: Arc::new(entry),
            name: "Dragon Hoard".into(),
            description: "Friday game".into(),
            key: key.into(),
            owner_name: "Owner".into(),
            public_key,
        };
        let now = Now {
            instant: Instant::now(),
            unix_ms: 1_767_323_045_678,
        };
        let budget = Budget::new(limits.memory);
        let rules = ChatRules::new(founding, &limits, directory.clone(), &budget, now);
        let mut room = Self {
            rules,
            directory,
            now,
            here: BTreeMap::new(),
        };
        room.sit(1, OWNERS_SEAT, Tagging::Internal, "owner", None);
        room
    }

    fn new() -> Self {
        Self::with(&[], None, None)
    }

    fn wrapping() -> Self {
        let keys = ClientKeys {
            scheme: Scheme::Wrap,
            params: "{}".into(),
            key_check: None,
        };
        Self::with(&[], Some(keys), Some(p256()))
    }

    fn told(&mut self, out: Outgoing) -> Told {
        let mut told = Told::default();
        for delivery in out.deliveries {
            let mut bytes = delivery.frame.bytes().to_vec();
            if let Lane::Large(rest) = &delivery.lane {
                for part in &**rest {
                    bytes.extend(part);
                }
            }
            for (conn, group) in &self.here {
                let meant = match delivery.to {
                    To::One(one) => one == *conn,
                    To::Groups(groups) => groups.meets(*group),
                    To::But(groups, but) => groups.meets(*group) && but != *conn,
                };
                if meant {
                    told.all.entry(*conn).or_default().extend(text(&bytes));
                }
            }
        }
        for closing in out.closed {
            self.here.remove(&closing.conn);
            let (code, reason) = (closing.code as u16, closing.reason);
            told.closed.push((closing.conn, code, reason));
        }
        for conn in out.released {
            self.here.remove(&conn);
            told.released.push(conn);
        }
        told
    }

    fn do_it(&mut self, f: impl FnOnce(&mut ChatRules, Now, &mut Outgoing)) -> Told {
        let mut out = Outgoing::default();
        f(&mut self.rules, self.now, &mut out);
        self.told(out)
    }

    fn sit(
        &mut self,
        n: u64,
        seat: u64,
        tagging: Tagging,
        token: &str,
        last_seq: Option<u64>,
    ) -> Told {
        self.here.insert(conn(n), group(tagging));
        let guest = Guest {
            seat,
            tagging,
            request_id: None,
            token: token.into(),
            last_seq,
        };
        self.do_it(|rules, now, out| rules.join(conn(n), guest, now, out))
    }

    fn arrive(&mut self, name: &str, key: Option<PublicKey>) -> Result<u64, Refusal> {
        self.rules.arrive(name.into(), key, self.now.instant)
    }

    fn join(&mut self, n: u64, name: &str) -> Told {
        self.join_as(n, name, Tagging::Internal)
    }

    fn join_as(&mut self, n: u64, name: &str, tagging: Tagging) -> Told {
        let key = self.rules.alg.map(|_| p256());
        let seat = self.arrive(name, key).unwrap();
        self.sit(n, seat, tagging, name, None)
    }

    fn resume(&mut self, n: u64, token: &str, next: &str, last_seq: u64) -> Result<Told, Refusal> {
        let (seat, _) = self.rules.come_back(&digest(token), self.now.instant)?;
        Ok(self.sit(n, seat, Tagging::Internal, next, Some(last_seq)))
    }

    fn say(&mut self, n: u64, what: What) -> Told {
        let message = Message {
            request_id: Some("r".into()),
            what,
        };
        self.do_it(|rules, now, out| rules.receive(conn(n), message, now, out))
    }

    fn chat(&mut self, n: u64, content: &str, epoch: Option<u64>) -> Told {
        self.say(
            n,
            What::Chat {
                id: "m".into(),
                content: content.into(),
                epoch,
            },
        )
    }

    fn lose(&mut self, n: u64) -> Told {
        self.here.remove(&conn(n));
        self.do_it(|rules, now, out| rules.leave(conn(n), now, out))
    }

    fn after(&mut self, seconds: u64) -> Told {
        self.now.instant += Duration::from_secs(seconds);
        self.now.unix_ms += seconds * 1000;
        self.do_it(|rules, now, out| rules.tick(now, out))
    }

    fn id(&self, name: &str) -> String {
        let member = self.rules.members.iter().find(|m| m.name == name);
        member.unwrap().id.clone()
    }
}

impl Told {
    fn of(&self, n: u64) -> Vec<Value> {
        self.all.get(&conn(n)).cloned().unwrap_or_default()
    }

    fn one(&self, n: u64) -> Value {
        let all = self.of(n);
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }

    fn types(&self, n: u64) -> Vec<String> {
        let name = |value: &Value| value["type"].as_str().unwrap_or_default().to_owned();
        self.of(n).iter().map(name).collect()
    }

    fn code(&self, n: u64) -> String {
        self.one(n)["code"].as_str().unwrap_or_default().to_owned()
    }

    fn is_silent(&self) -> bool {
        self.all.is_empty() && self.closed.is_empty() && self.released.is_empty()
    }
}

#[test]
fn the_joiner_sees_the_room_and_the_others_see_the_joiner() {
    let mut room = Room::new();
    let told = room.join(2, "Ann");
    let joined = told.one(2);
    let id = room.id("Ann");
    assert_eq!(joined["participants"], json!(["Owner", "Ann"]));
    assert_eq!(joined["encryption_key"], "c2VjcmV0");
    assert_eq!(joined["seq"], 2);
    assert_eq!(joined["session_token"], "Ann");
    assert_eq!(joined["participant_id"], id);
    assert_eq!(
        joined["room_info"],
        json!({
            "id": "room", "name": "Dragon Hoard", "description": "Friday game",
            "join_key": "7KQ2-M9XD-4T8B-ZC1F", "has_password": false,
            "created_at": "2026-01-02T03:04:05.678Z", "participant_count": 2,
            "max_participants": 100, "encryption": {"mode": "server"},
        })
    );
    assert_eq!(
        joined["members"][1],
        json!({"participant_id": id, "name": "Ann", "is_owner": false,
            "joined_at": "2026-01-02T03:04:05.678Z", "public_key": null})
    );
    assert_eq!(joined["members"][0]["is_owner"], true);
    assert_eq!(
        told.one(1),
        json!({"type": "ParticipantJoined", "name": "Ann", "participant_id": id, "public_key": null, "seq": 2})
    );
}

#[test]
fn everybody_hears_a_message_the_sender_too() {
    let mut room = Room::new();
    room.join(2, "Ann");
    let told = room.chat(2, "hello", None);
    let message = told.one(1);
    assert_eq!(message, told.one(2), "broadcasts carry no request_id");
    assert_eq!(
        message,
        json!({"type": "ChatMessage", "sender": "Ann", "content": "hello", "sender_id": room.id("Ann"),
            "message_id": "m", "sent_at": "2026-01-02T03:04:05.678Z", "seq": 3})
    );
}

#[test]
fn a_client_of_the_oldest_enums_hears_nothing_that_it_does_not_know() {
    let mut room = Room::new();
    let told = room.join_as(2, "Ann", Tagging::External);
    assert!(told.one(2)["RoomJoined"].is_object());
    room.join(3, "Bob");
    let told = room.chat(3, "hello", None);
    assert_eq!(told.one(2)["ChatMessage"]["content"], "hello");
    assert_eq!(told.one(3)["content"], "hello");
    // Who is there: the one message that says it.
    let told = room.say(2, What::Members);
    let people = &told.one(2)["RoomJoined"];
    assert_eq!(people["participants"], json!(["Owner", "Ann", "Bob"]));
    assert_eq!(people["request_id"], "r");
    assert_eq!(people["session_token"], Value::Null);
    // Somebody leaves: not told. The room closes: not told, and let go.
    let told = room.say(3, What::Leave);
    assert_eq!(
        (told.of(2), told.types(1)),
        (vec![], vec!["ParticipantLeft".to_owned()])
    );
    let told = room.say(1, What::Close);
    assert_eq!(told.of(2), Vec::<Value>::new());
    assert_eq!(
        told.one(1),
        json!({"type": "RoomClosed", "reason": "owner_closed", "request_id": "r"})
    );
    assert_eq!(told.released, [conn(1), conn(2)]);
    // Its own questions are answered, whichever they are.
    let mut room = Room::new();
    room.join_as(2, "Ann", Tagging::External);
    let told = room.say(2, What::Leave);
    assert_eq!(told.one(2), json!({"RoomLeft": {"request_id": "r"}}));
}

#[test]
fn names_are_taken_while_somebody_may_come_back() {
    let mut room = Room::new();
    room.join(2, "Ann");
    let held = room.arrive("Carl", None).unwrap();
    for name in ["Ann", "aNN", "Ａｎｎ", "OWNER", "owner", "carl"] {
        assert_eq!(room.arrive(name, None), Err(Refusal::NameTaken), "{name}");
    }
    room.lose(2);
    assert_eq!(room.arrive("ann", None), Err(Refusal::NameTaken));
    // Who was let in and never came holds a seat for a moment only.
    room.after(10);
    assert!(room.arrive("Carl", None).is_ok());
    let told = room.sit(3, held, Tagging::Internal, "t", None);
    assert_eq!(told.code(3), "room_not_found");
    assert_eq!(told.released, [conn(3)]);
    room.after(60);
    assert!(room.arrive("ann", None).is_ok());
    // The owner's name stays the owner's.
    room.say(1, What::Leave);
    assert_eq!(room.arrive("owner", None), Err(Refusal::NameTaken));
}

#[test]
fn a_room_is_full_with_those_who_are_on_their_way() {
    let mut room = Room::with(&["--chat-members", "3"], None, None);
    room.join(2, "Ann");
    let seat = room.arrive("Bob", None).unwrap();
    assert_eq!(room.arrive("Carl", None), Err(Refusal::RoomFull));
    room.sit(3, seat, Tagging::Internal, "t", None);
    assert_eq!(room.arrive("Carl", None), Err(Refusal::RoomFull));
    room.lose(3);
    assert_eq!(room.arrive("Carl", None), Err(Refusal::RoomFull));
    // Who is away has a seat.
    assert!(room.resume(4, "t", "u", 0).is_ok());
}

#[test]
fn a_lost_connection_is_nobodys_business_until_its_time_is_up() {
    let mut room = Room::new();
    room.join(2, "Ann");
    room.join(3, "Bob");
    assert!(room.lose(2).is_silent());
    assert!(room.after(59).is_silent());
    room.chat(1, "did you see?", None);
    let told = room.resume(4, "Ann", "new", 3).unwrap();
    assert_eq!((told.of(1), told.of(3)), (vec![], vec![]));
    assert_eq!(told.types(4), ["RoomJoined", "ChatMessage"]);
    let joined = &told.of(4)[0];
    assert_eq!(joined["participant_id"], room.id("Ann"));
    assert_eq!(joined["session_token"], "new");
    assert_eq!((&joined["seq"], &joined["gap"]), (&json!(3), &Value::Null));
    // The old token is void, the new one is good.
    assert_eq!(
        room.resume(5, "Ann", "x", 4).err(),
        Some(Refusal::ResumeFailed)
    );
    let told = room.resume(5, "new", "newer", 4).unwrap();
    assert_eq!(told.closed, [(conn(4), 1008, "Resumed elsewhere".into())]);
    assert!(room.lose(4).is_silent());
    assert!(room.after(100).is_silent(), "Ann is there");
    room.lose(5);
    let told = room.after(60);
    assert_eq!(
        told.one(1),
        json!({"type": "ParticipantLeft", "name": "Ann", "participant_id": told.one(1)["participant_id"],
            "reason": "timeout", "seq": 5})
    );
    assert_eq!(
        room.resume(6, "newer", "x", 4).err(),
        Some(Refusal::ResumeFailed)
    );
}

#[test]
fn an_answer_that_was_lost_shuts_nobody_out() {
    let mut room = Room::new();
    room.join(2, "Ann");
    let failed = Some(Refusal::ResumeFailed);
    room.lose(2);
    room.resume(3, "Ann", "second", 3).unwrap();
    room.lose(3);
    // It never heard of the second session; that one is void from now on.
    room.resume(4, "Ann", "third", 3).unwrap();
    assert_eq!(room.resume(5, "second", "x", 3).err(), failed);
    room.lose(4);
    room.resume(6, "third", "fourth", 3).unwrap();
    assert_eq!(room.resume(7, "Ann", "x", 3).err(), failed);
    // Who has spoken has heard.
    room.chat(6, "here I am", None);
    room.lose(6);
    assert_eq!(room.resume(8, "third", "x", 3).err(), failed);
    room.resume(9, "fourth", "fifth", 3).unwrap();
    for token in ["Ann", "second", "third"] {
        assert!(!room.directory.knows(&digest(token)), "{token}");
    }
}

#[test]
fn who_was_away_too_long_for_what_is_kept_is_told_of_a_gap() {
    let mut room = Room::with(&["--chat-kept-events", "2"], None, None);
    room.join(2, "Ann");
    room.lose(2);
    for n in 0..5 {
        room.chat(1, &n.to_string(), None);
    }
    let told = room.resume(3, "Ann", "new", 2).unwrap();
    assert_eq!(told.types(3), ["RoomJoined", "ChatMessage", "ChatMessage"]);
    assert_eq!(told.of(3)[0]["gap"], true);
    assert_eq!(told.of(3)[0]["seq"], 5);
    assert_eq!(told.of(3)[1]["seq"], 6);
    // A number that was never given is of another past.
    let told = room.resume(4, "new", "newer", 99).unwrap();
    assert_eq!(told.of(4)[0]["gap"], true);
}

#[test]
fn who_resumes_hears_nothing_from_before_they_joined() {
    let mut room = Room::new();
    room.chat(1, "a secret", None);
    room.join(2, "Ann");
    room.chat(1, "for all", None);
    let mut token = "Ann".to_owned();
    for (conn, last_seq) in [(3, 0), (4, 1), (5, 99), (6, u64::MAX)] {
        let next = format!("t{conn}");
        let told = room.resume(conn, &token, &next, last_seq).unwrap();
        assert_eq!(told.types(conn), ["RoomJoined", "ChatMessage"]);
        assert_eq!(told.of(conn)[1]["content"], "for all");
        token = next;
    }
}

#[test]
fn who_leaves_is_free_and_gone() {
    let mut room = Room::new();
    room.join(2, "Ann");
    let told = room.say(2, What::Leave);
    assert_eq!(told.one(2), json!({"type": "RoomLeft", "request_id": "r"}));
    assert_eq!(told.released, [conn(2)]);
    assert_eq!(
        (&told.one(1)["reason"], &told.one(1)["seq"]),
        (&json!("left"), &json!(3))
    );
    assert_eq!(
        room.resume(3, "Ann", "x", 2).err(),
        Some(Refusal::ResumeFailed)
    );
    assert!(room.directory.by_session(&digest("Ann")).is_none());
}

#[test]
fn the_owner_comes_back_as_the_owner_as_long_as_the_room_lives() {
    let mut room = Room::new();
    room.join(2, "Ann");
    let owner = room.id("Owner");
    let told = room.say(1, What::Leave);
    assert_eq!(told.one(2)["name"], "Owner");
    assert_eq!(room.say(2, What::Close).code(2), "forbidden");
    room.after(3600);
    room.chat(2, "where are you?", None);
    let told = room.resume(3, "owner", "again", 2).unwrap();
    // Not told of the own leaving and coming.
    assert_eq!(told.types(3), ["RoomJoined", "ChatMessage"]);
    assert_eq!(told.of(3)[0]["participant_id"], owner);
    assert_eq!(told.one(2)["type"], "ParticipantJoined");
    let told = room.say(3, What::Close);
    assert_eq!(
        told.one(2),
        json!({"type": "RoomClosed", "reason": "owner_closed"})
    );
    assert_eq!(room.arrive("Bob", None), Err(Refusal::RoomNotFound));
    assert_eq!(
        room.resume(4, "again", "x", 2).err(),
        Some(Refusal::ResumeFailed)
    );
}

#[test]
fn rooms_end_when_nobody_needs_them() {
    let mut room = Room::new();
    room.say(1, What::Leave);
    room.after(599);
    assert!(!room.rules.closed);
    room.join(2, "Ann");
    room.lose(2);
    room.after(60);
    room.after(599);
    assert!(!room.rules.closed);
    room.after(1);
    assert!(room.rules.closed && room.rules.key.is_empty());
    let mut room = Room::new();
    room.after(86_399);
    room.chat(1, "still here", None);
    room.after(86_399);
    let told = room.after(1);
    assert_eq!(
        told.one(1),
        json!({"type": "RoomClosed", "reason": "expired"})
    );
    assert_eq!(told.released, [conn(1)]);
}

#[test]
fn files_are_for_members_who_are_there() {
    let mut room = Room::new();
    room.join(2, "Ann");
    let upload = Upload {
        name: "map.png".into(),
        mime_type: "image/png".into(),
        base64: Bytes::from_static(b"QUJD"),
        size: 3,
    };
    let told = room.say(
        2,
        What::Upload {
            id: "f".into(),
            upload,
        },
    );
    let metadata = json!({"id": "f", "name": "map.png", "mime_type": "image/png", "size": 3});
    assert_eq!(told.of(1), Vec::<Value>::new());
    assert_eq!(
        told.one(2),
        json!({"type": "FileUploaded", "metadata": metadata, "request_id": "r"})
    );
    let told = room.say(1, What::File { id: "f".into() });
    assert_eq!(
        told.one(1),
        json!({"type": "FileContent", "metadata": metadata, "content": "QUJD", "request_id": "r"})
    );
    assert_eq!(
        room.say(1, What::File { id: "g".into() }).code(1),
        "file_not_found"
    );
    let mut fetch = |token: &str| {
        let (reply, mut answer) = oneshot::channel();
        let (token, id) = (digest(token), "f".to_owned());
        room.do_it(|rules, now, out| rules.ask(Request::File { token, id, reply }, now, out));
        answer.try_recv().unwrap().is_some()
    };
    assert!(fetch("Ann"));
    assert!(!fetch("Bob"));
    room.lose(2);
    let (reply, mut answer) = oneshot::channel();
    let (token, id) = (digest("Ann"), "f".to_owned());
    room.do_it(|rules, now, out| rules.ask(Request::File { token, id, reply }, now, out));
    assert!(answer.try_recv().unwrap().is_none(), "Ann is away");
    for _ in 0..2 {
        room.after(43_200);
        room.chat(1, "x", None);
    }
    assert_eq!(
        room.say(1, What::File { id: "f".into() }).code(1),
        "file_not_found"
    );
}

#[test]
fn keys_count_until_the_one_after_the_next() {
    let mut room = Room::wrapping();
    room.join(2, "Ann");
    room.join(3, "Bob");
    let (ann, bob) = (room.id("Ann"), room.id("Bob"));
    let told = room.say(
        1,
        What::ShareKey {
            to: ann.clone(),
            epoch: 0,
            wrapped_key: WRAPPED.into(),
        },
    );
    assert_eq!((told.of(1), told.of(3)), (vec![], vec![]));
    assert_eq!(
        told.one(2),
        json!({"type": "KeyShared", "from": room.id("Owner"), "epoch": 0, "wrapped_key": WRAPPED,
            "public_key": {"alg": "P-256", "key": POINT}})
    );
    let share = |to: &str, epoch, key: &str| What::ShareKey {
        to: to.into(),
        epoch,
        wrapped_key: key.into(),
    };
    assert_eq!(
        room.say(2, share("nobody", 0, WRAPPED)).code(2),
        "invalid_key"
    );
    assert_eq!(
        room.say(2, share(&bob, 0, &WRAPPED[1..])).code(2),
        "invalid_key"
    );
    assert_eq!(room.say(2, share(&bob, 1, WRAPPED)).code(2), "stale_epoch");

    let rekey = |epoch, to: &[&str]| What::Rekey {
        epoch,
        keys: to
            .iter()
            .map(|to| ((*to).to_owned(), WRAPPED.to_owned()))
            .collect(),
    };
    assert_eq!(room.say(2, rekey(1, &[&bob])).code(2), "forbidden");
    assert_eq!(room.say(1, rekey(2, &[&ann, &bob])).code(1), "stale_epoch");
    for wrong in [
        vec![&*ann],
        vec![&*ann, &*ann],
        vec![&*ann, &*bob, "x"],
        vec![],
    ] {
        let told = room.say(1, rekey(1, &wrong));
        assert_eq!(told.code(1), "invalid_key");
        assert_eq!(told.of(2), Vec::<Value>::new(), "all or nothing");
    }
    room.lose(3);
    let told = room.say(1, rekey(1, &[&ann, &bob]));
    assert_eq!(told.types(2), ["KeyShared", "EpochChanged"]);
    assert_eq!(
        told.one(1),
        json!({"type": "EpochChanged", "epoch": 1, "seq": 4, "request_id": "r"})
    );
    // Who was away finds the key.
    let told = room.resume(4, "Bob", "new", 3).unwrap();
    assert_eq!(told.types(4), ["RoomJoined", "KeyShared", "EpochChanged"]);
    assert_eq!(told.of(4)[0]["room_info"]["encryption"]["epoch"], 1);
    for (epoch, code) in [(0, None), (1, None), (2, Some("stale_epoch"))] {
        let told = room.chat(2, "E1", Some(epoch));
        assert_eq!(told.one(2)["code"].as_str(), code, "{epoch}");
    }
    room.say(1, rekey(2, &[&ann, &bob]));
    assert_eq!(room.chat(2, "E1", Some(0)).code(2), "stale_epoch");
}

#[test]
fn rooms_whose_members_wrap_keys_take_keys_of_one_kind_only() {
    let mut room = Room::wrapping();
    let other = PublicKey {
        alg: Alg::X25519,
        json: "{}".into(),
    };
    assert_eq!(room.arrive("Ann", None), Err(Refusal::InvalidPublicKey));
    assert_eq!(
        room.arrive("Ann", Some(other)),
        Err(Refusal::InvalidPublicKey)
    );
    assert!(room.arrive("Ann", Some(p256())).is_ok());
    // Elsewhere there is no key to wrap.
    let mut room = Room::new();
    room.join(2, "Ann");
    let share = What::ShareKey {
        to: room.id("Ann"),
        epoch: 0,
        wrapped_key: WRAPPED.into(),
    };
    assert_eq!(room.say(1, share).code(1), "invalid_key");
}

#[derive(Clone, Debug)]
enum Step {
    Join(u64, bool),
    Lose(u64),
    Resume(u64),
    Leave(u64),
    Chat(u64),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (2..8u64, any::<bool>()).prop_map(|(n, external)| Step::Join(n, external)),
        (1..8u64).prop_map(Step::Lose),
        (1..8u64).prop_map(Step::Resume),
        (2..8u64).prop_map(Step::Leave),
        (1..8u64).prop_map(Step::Chat),
        (1..70u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Whatever happens, nobody sees a number twice or out of order, and nobody who spells like
    /// the oldest clients hears anything else than what these know.
    #[test]
    fn numbers_rise_for_everybody(steps in steps()) {
        let mut room = Room::new();
        let mut conns = 100;
        // Each person's connection, spelling, token and last number.
        let mut people: BTreeMap<u64, (u64, bool, String, u64)> = BTreeMap::new();
        people.insert(1, (1, false, "owner".into(), 1));
        for step in steps {
            conns += 1;
            let told = match step {
                Step::Join(n, external) => {
                    let tagging = if external { Tagging::External } else { Tagging::Internal };
                    let Ok(seat) = room.arrive(&format!("P{n}"), None) else { continue };
                    people.insert(n, (conns, external, format!("t{conns}"), 0));
                    room.sit(conns, seat, tagging, &format!("t{conns}"), None)
                }
                Step::Lose(n) => match people.get(&n) {
                    Some((conn, ..)) => { let conn = *conn; room.lose(conn) }
                    None => continue,
                },
                Step::Resume(n) => {
                    let Some((_, _, token, seq)) = people.get(&n).cloned() else { continue };
                    let Ok(told) = room.resume(conns, &token, &format!("t{conns}"), seq) else { continue };
                    people.insert(n, (conns, false, format!("t{conns}"), 0));
                    told
                }
                Step::Leave(n) => match people.get(&n) {
                    Some((conn, ..)) => { let conn = *conn; room.say(conn, What::Leave) }
                    None => continue,
                },
                Step::Chat(n) => match people.get(&n) {
                    Some((conn, ..)) => { let conn = *conn; room.chat(conn, "x", None) }
                    None => continue,
                },
                Step::Wait(seconds) => room.after(seconds),
            };
            for (conn, external, _, last) in people.values_mut() {
                for value in told.of(*conn) {
                    let value = if *external {
                        let (name, value) = value.as_object().unwrap().iter().next().unwrap();
                        prop_assert!(["RoomJoined", "ParticipantJoined", "ChatMessage", "RoomLeft"].contains(&name.as_str()), "{}", name);
                        value.clone()
                    } else {
                        value
                    };
                    if let Some(seq) = value["seq"].as_u64() {
                        let first = value["participants"].is_array();
                        prop_assert!(seq > *last || first, "{} after {}: {}", seq, last, value);
                        *last = seq;
                    }
                }
            }
            // The directory knows exactly the sessions of those who may come back.
            for member in &room.rules.members {
                prop_assert!(room.directory.knows(&member.token));
            }
        }
    }
}
