//! The rules by themselves: a room, a clock that is moved by hand, and what comes out.

use super::*;
use crate::config::tests::settings;
use crate::live::Closing;
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a room says of itself to those outside.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<&'static str>>>, Arc<AtomicU64>);

impl Listing for Notes {
    fn occupy(&mut self) -> bool {
        self.0.lock().unwrap().push("occupied");
        self.1.load(Ordering::Relaxed) == 0
    }
    fn in_use(&mut self) {
        self.0.lock().unwrap().push("in use");
    }
    fn vacate(&mut self) {
        self.0.lock().unwrap().push("vacant");
    }
    fn close(&mut self) -> bool {
        self.0.lock().unwrap().push("closed");
        true
    }
}

type Reply = oneshot::Receiver<Result<SeatNumber, Refusal>>;

/// One frame for one connection.
#[derive(Clone, Debug, PartialEq)]
struct Got(u64, Value);

struct World {
    room: RoomRules,
    now: Now,
    notes: Notes,
    /// Who is in which group, as the hub has it.
    groups: Vec<(ConnId, Groups)>,
    got: Vec<Got>,
    closed: Vec<(u64, u16, String)>,
    probed: Vec<u64>,
}

impl World {
    fn new(flags: &[&str]) -> Self {
        let config = settings(flags);
        let around = Surroundings {
            limits: Arc::new(config.limits.sessions.clone()),
            duplicates: config.sessions.duplicates(),
            budget: Budget::new(1 << 20),
            metrics: Arc::new(Metrics::new()),
        };
        let now = Now {
            instant: Instant::now(),
            // 2026-11-20T09:20:10.820Z
            unix_ms: 1_795_166_410_820,
        };
        let notes = Notes::default();
        let listing = Box::new(notes.clone());
        let room = RoomRules::new(RoomId::parse("r").unwrap(), around, listing, now);
        Self {
            room,
            now,
            notes,
            groups: Vec::new(),
            got: Vec::new(),
            closed: Vec::new(),
            probed: Vec::new(),
        }
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.instant += Duration::from_secs(1);
            self.now.unix_ms += 1000;
            self.act(|room, now, out| room.tick(now, out));
        }
    }

    fn act(&mut self, act: impl FnOnce(&mut RoomRules, Now, &mut Outgoing)) {
        let mut out = Outgoing::default();
        act(&mut self.room, self.now, &mut out);
        for delivery in out.deliveries {
            let value: Value = serde_json::from_str(delivery.frame.payload()).unwrap();
            if let Lane::State(Some(whole)) = &delivery.lane {
                let whole: Value = serde_json::from_str(whole.frame().payload()).unwrap();
                assert_eq!(whole["v"], 2);
                assert_eq!(whole["seq"], value["seq"]);
            }
            for (conn, group) in &self.groups {
                let meant = match delivery.to {
                    To::One(one) => one == *conn,
                    To::Groups(groups) => groups.meets(*group),
                    To::But(groups, but) => groups.meets(*group) && but != *conn,
                };
                if meant {
                    self.got.push(Got(conn.0, value.clone()));
                }
            }
        }
        for closing in out.closed {
            let Closing {
                conn, code, reason, ..
            } = closing;
            self.groups.retain(|(known, _)| *known != conn);
            self.closed.push((conn.0, code as u16, reason));
        }
        self.probed
            .extend(out.probed.into_iter().map(|conn| conn.0));
    }

    fn ask(&mut self, user: &str) -> Reply {
        let (reply, answer) = oneshot::channel();
        let user = user.to_owned();
        self.act(|room, now, out| room.ask(Request::Seat { user, reply }, now, out));
        answer
    }

    fn sit(&mut self, conn: u64, seat: SeatNumber, deltas: bool) {
        let conn = ConnId(conn);
        let guest = Guest {
            seat,
            deltas,
            arrival: Box::new(()),
        };
        self.groups.push((conn, self.room.group(&guest)));
        self.act(|room, now, out| room.join(conn, guest, now, out));
    }

    fn join(&mut self, conn: u64, user: &str) {
        let seat = answer(&mut self.ask(user)).unwrap().unwrap();
        self.sit(conn, seat, false);
    }

    fn join_v2(&mut self, conn: u64, user: &str) {
        let seat = answer(&mut self.ask(user)).unwrap().unwrap();
        self.sit(conn, seat, true);
    }

    fn say(&mut self, conn: u64, text: &str) {
        let said = Message::Said(Bytes::copy_from_slice(text.as_bytes()));
        self.act(|room, now, out| room.receive(ConnId(conn), said, now, out));
    }

    fn leave(&mut self, conn: u64) {
        self.groups.retain(|(known, _)| known.0 != conn);
        self.act(|room, now, out| room.leave(ConnId(conn), now, out));
    }

    fn alive(&mut self, conn: u64) {
        self.act(|room, now, out| room.alive(ConnId(conn), now, out));
    }

    fn heard(&mut self) -> Vec<Got> {
        std::mem::take(&mut self.got)
    }

    /// What each of these has last got, of users and texts.
    fn state(&mut self) -> (Vec<String>, Vec<String>) {
        let got = self.heard();
        let last = &got.last().unwrap().1;
        let texts = |list: &Value, key: Option<&str>| {
            let list = list.as_array().unwrap().iter();
            let text = |one: &Value| key.map_or(one.clone(), |key| one[key].clone());
            list.map(|one| text(one).as_str().unwrap().to_owned())
                .collect()
        };
        (
            texts(&last["connectedUsers"], None),
            texts(&last["messages"], Some("msg")),
        )
    }
}

fn answer(reply: &mut Reply) -> Option<Result<SeatNumber, Refusal>> {
    reply.now_or_never().map(Result::unwrap)
}

fn message(user: &str, text: &str) -> Value {
    json!({"userId": user, "msg": text, "ts": "2026-11-20T09:20:10.820Z"})
}

#[test]
fn everybody_gets_everything_after_every_event() {
    let mut world = World::new(&[]);
    world.join(1, "alice");
    let empty = json!({"messages": [], "connectedUsers": ["alice"]});
    assert_eq!(world.heard(), [Got(1, empty)]);
    world.join(2, "bob");
    let both = json!({"messages": [], "connectedUsers": ["alice", "bob"]});
    assert_eq!(world.heard(), [Got(1, both.clone()), Got(2, both)]);
    world.say(1, " <b>\"Hello\"</b>\n🎲 ");
    let said = json!({
        "messages": [message("alice", " <b>\"Hello\"</b>\n🎲 ")],
        "connectedUsers": ["alice", "bob"],
    });
    assert_eq!(world.heard(), [Got(1, said.clone()), Got(2, said)]);
    world.leave(1);
    let left = json!({
        "messages": [message("alice", " <b>\"Hello\"</b>\n🎲 ")],
        "connectedUsers": ["bob"],
    });
    assert_eq!(world.heard(), [Got(2, left)]);
    // What was said stays, also when nobody is there.
    world.leave(2);
    world.join(3, "carol");
    let (users, texts) = world.state();
    assert_eq!((users.len(), texts.len()), (1, 1));
}

#[test]
fn a_snapshot_has_its_keys_in_order_and_its_times_with_milliseconds() {
    let mut world = World::new(&[]);
    world.join(1, "al\"ice");
    world.now.unix_ms = 1_795_166_410_000;
    world.say(1, "x");
    let frame = world.room.snapshot("");
    assert_eq!(
        frame.payload(),
        r#"{"messages":[{"userId":"al\"ice","msg":"x","ts":"2026-11-20T09:20:10.000Z"}],"connectedUsers":["al\"ice"]}"#
    );
}

#[test]
fn a_present_user_is_not_replaced_and_hears_on() {
    let mut world = World::new(&[]);
    world.join(1, "alice");
    world.heard();
    let mut second = world.ask("alice");
    assert_eq!((answer(&mut second), &world.probed[..]), (None, &[1][..]));
    world.alive(1);
    assert_eq!(answer(&mut second), Some(Err(Refusal::Duplicate)));
    assert_eq!(
        Refusal::Duplicate.close(),
        (CloseCode::Policy, "Duplicate user")
    );
    // The refused connection never had anything to leave with.
    world.leave(2);
    world.say(2, "I am not here");
    assert!(world.heard().is_empty());
    world.say(1, "still here");
    assert_eq!(
        world.state(),
        (vec!["alice".into()], vec!["still here".into()])
    );
    world.pass(5);
    assert!(world.closed.is_empty());
}

#[test]
fn a_dead_connection_gives_way_within_two_seconds() {
    let mut world = World::new(&[]);
    world.join(1, "alice");
    world.join(2, "bob");
    let mut second = world.ask("alice");
    let mut third = world.ask("alice");
    world.pass(1);
    assert_eq!((answer(&mut second), answer(&mut third)), (None, None));
    world.heard();
    world.pass(1);
    let seat = answer(&mut second).unwrap().unwrap();
    assert_eq!(answer(&mut third), Some(Err(Refusal::Duplicate)));
    assert_eq!(world.closed, [(1, 1008, "Replaced".into())]);
    // Nobody has gone, as far as others know.
    assert!(world.heard().is_empty());
    world.sit(3, seat, false);
    let got = world.heard();
    assert!(
        got.iter()
            .all(|got| got.1["connectedUsers"] == json!(["alice", "bob"]))
    );
    assert_eq!(got.iter().map(|got| got.0).collect::<Vec<_>>(), [2, 3]);
    // The old connection's end is nobody else's.
    world.leave(1);
    world.say(3, "me again");
    assert_eq!(world.state().1, ["me again"]);
    world.alive(1);
    assert_eq!(world.closed.len(), 1);
}

#[test]
fn a_newcomer_gets_the_seat_that_becomes_free_while_it_waits() {
    let mut world = World::new(&[]);
    world.join(1, "alice");
    let mut second = world.ask("alice");
    world.leave(1);
    let seat = answer(&mut second).unwrap().unwrap();
    assert!(world.closed.is_empty());
    // One that comes now has lost.
    assert_eq!(
        answer(&mut world.ask("alice")),
        Some(Err(Refusal::Duplicate))
    );
    world.sit(2, seat, false);
    assert_eq!(world.state().0, ["alice"]);
}

#[test]
fn who_waits_and_goes_away_keeps_no_seat() {
    let mut world = World::new(&[]);
    world.join(1, "alice");
    world.join(2, "bob");
    drop(world.ask("alice"));
    world.heard();
    world.leave(1);
    assert_eq!(world.state().0, ["bob"]);
    // And one that got a seat and never came loses it, unseen.
    let _kept = world.ask("carol");
    assert_eq!(world.room.seats.len(), 2);
    world.pass(10);
    assert_eq!(world.room.seats.len(), 1);
    assert!(world.heard().is_empty());
}

#[test]
fn with_replace_the_older_connection_goes_at_once() {
    let mut world = World::new(&["--session-duplicates", "replace"]);
    world.join(1, "alice");
    world.join(2, "bob");
    world.join(3, "alice");
    assert_eq!(world.closed, [(1, 1008, "Replaced".into())]);
    assert_eq!(world.state().0, ["alice", "bob"]);
    world.leave(1);
    assert!(world.heard().is_empty());
    world.say(1, "x");
    assert!(world.heard().is_empty());
    assert!(world.probed.is_empty());
}

#[test]
fn a_seat_that_was_taken_over_and_not_taken_is_left() {
    let mut world = World::new(&["--session-duplicates", "replace"]);
    world.join(1, "alice");
    world.join(2, "bob");
    let _kept = world.ask("alice");
    world.heard();
    world.pass(10);
    assert_eq!(world.state().0, ["bob"]);
}

#[test]
fn the_hundred_and_first_is_refused_and_one_who_is_there_may_come_back() {
    let mut world = World::new(&[]);
    for n in 0..100 {
        world.join(n, &format!("user {n}"));
    }
    assert_eq!(answer(&mut world.ask("one more")), Some(Err(Refusal::Full)));
    assert_eq!(Refusal::Full.close(), (CloseCode::Policy, "Room is full"));
    let mut again = world.ask("user 7");
    world.pass(2);
    assert!(answer(&mut again).unwrap().is_ok());
    world.leave(8);
    assert!(answer(&mut world.ask("one more")).unwrap().is_ok());
}

#[test]
fn notices_are_for_one_alone_and_stand_in_a_snapshot() {
    let mut world = World::new(&[]);
    world.join(1, "alice");
    world.join(2, "bob");
    world.join_v2(3, "carol");
    world.say(2, "x");
    world.heard();
    for (message, code, limit) in [
        (Message::TooLong, "message_too_long", 1000),
        (Message::TooFast, "rate_limited", 50),
    ] {
        let notice = json!({"code": code, "limit": limit});
        let to = message.clone();
        world.act(|room, now, out| room.receive(ConnId(1), to, now, out));
        let snapshot = json!({
            "messages": [message_of_bob()],
            "connectedUsers": ["alice", "bob", "carol"],
            "notice": notice,
        });
        assert_eq!(world.heard(), [Got(1, snapshot)]);
        world.act(|room, now, out| room.receive(ConnId(3), message, now, out));
        let delta = json!({"v": 2, "seq": 4, "add": [], "join": [], "leave": [], "notice": notice});
        assert_eq!(world.heard(), [Got(3, delta)]);
    }
}

fn message_of_bob() -> Value {
    message("bob", "x")
}

#[test]
fn differences_say_what_snapshots_show() {
    let mut world = World::new(&[]);
    world.join(1, "alice");
    world.say(1, "before");
    world.heard();
    world.join_v2(2, "bob");
    let snapshot = json!({
        "messages": [message("alice", "before")],
        "connectedUsers": ["alice", "bob"],
    });
    let first = json!({"v": 2, "snapshot": snapshot, "seq": 3});
    assert_eq!(world.heard(), [Got(1, snapshot), Got(2, first)]);
    world.join_v2(3, "carol");
    let got = world.heard();
    let delta = json!({"v": 2, "seq": 4, "add": [], "join": ["carol"], "leave": []});
    assert_eq!(got[1], Got(2, delta));
    assert_eq!((got[2].0, &got[2].1["seq"]), (3, &json!(4)));
    assert_eq!(got.len(), 3);
    world.say(1, "hi");
    let delta = json!({"v": 2, "seq": 5, "add": [message("alice", "hi")], "join": [], "leave": []});
    let got = world.heard();
    assert_eq!(got[1..], [Got(2, delta.clone()), Got(3, delta)]);
    world.leave(1);
    let delta = json!({"v": 2, "seq": 6, "add": [], "join": [], "leave": ["alice"]});
    assert_eq!(world.heard(), [Got(2, delta.clone()), Got(3, delta)]);
}

#[test]
fn a_reader_of_differences_that_was_too_slow_gets_it_all() {
    let mut world = World::new(&[]);
    world.join_v2(1, "alice");
    world.say(1, "x");
    let whole = world.room.whole();
    let whole: Value = serde_json::from_str(whole.frame().payload()).unwrap();
    let snapshot = json!({"messages": [message("alice", "x")], "connectedUsers": ["alice"]});
    assert_eq!(whole, json!({"v": 2, "snapshot": snapshot, "seq": 2}));
}

#[test]
fn only_the_last_messages_are_kept() {
    let mut world = World::new(&["--session-messages", "3"]);
    world.join(1, "alice");
    for n in 0..10 {
        world.say(1, &n.to_string());
    }
    assert_eq!(world.state().1, ["7", "8", "9"]);
}

#[test]
fn a_room_that_nobody_is_in_ends_after_a_day() {
    let mut world = World::new(&["--session-idle-secs", "60"]);
    let notes = world.notes.clone();
    let notes = || std::mem::take(&mut *notes.0.lock().unwrap());
    world.join(1, "alice");
    assert_eq!(notes(), ["occupied"]);
    world.pass(2000);
    assert_eq!(notes(), ["in use"; 3]);
    world.leave(1);
    assert_eq!(notes(), ["vacant"]);
    world.pass(59);
    assert!(notes().is_empty());
    world.join(2, "bob");
    world.leave(2);
    assert_eq!(notes(), ["occupied", "vacant"]);
    world.pass(200);
    assert_eq!(notes(), ["closed"]);
}

#[test]
fn a_process_that_is_full_takes_no_room_more() {
    let mut world = World::new(&[]);
    world.notes.1.store(1, Ordering::Relaxed);
    assert_eq!(answer(&mut world.ask("alice")), Some(Err(Refusal::Crowded)));
    assert_eq!(Refusal::Crowded.close().0, CloseCode::TryLater);
    assert!(world.room.seats.is_empty());
}

#[test]
fn a_guest_whose_seat_is_gone_is_sent_away_without_a_word() {
    let mut world = World::new(&[]);
    let seat = answer(&mut world.ask("alice")).unwrap().unwrap();
    world.pass(10);
    world.join(1, "bob");
    world.heard();
    world.sit(2, seat, false);
    assert!(world.heard().is_empty());
    assert_eq!(world.closed[0].0, 2);
    world.leave(2);
    assert_eq!(world.room.seats.len(), 1);
}
