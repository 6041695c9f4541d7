//! The broker sentence by sentence, on a clock that is moved by hand.

use super::*;
use crate::config::tests::settings;
use bytes::Bytes;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// The ids of one key, and what each connection was told.
struct World {
    rules: BrokerRules,
    now: Instant,
    told: Vec<(u64, Value)>,
    closed: Vec<u64>,
}

const HOME: Client = Client::V4(Ipv4Addr::new(192, 0, 2, 1).octets());
const AWAY: Client = Client::V4(Ipv4Addr::new(192, 0, 2, 2).octets());

fn world(flags: &[&str]) -> World {
    let settings = settings(flags).peerjs;
    let around = Surroundings {
        census: Census::new(&settings),
        settings: Arc::new(settings),
        metrics: Arc::new(Metrics::new()),
        switchboard: Switchboard::default(),
        presence: Presence::default(),
    };
    World {
        rules: BrokerRules::new(around),
        now: Instant::now(),
        told: Vec::new(),
        closed: Vec::new(),
    }
}

impl World {
    fn act(&mut self, act: impl FnOnce(&mut BrokerRules, Now, &mut Outgoing)) -> &mut Self {
        let now = Now {
            instant: self.now,
            unix_ms: 0,
        };
        let mut out = Outgoing::default();
        act(&mut self.rules, now, &mut out);
        for delivery in out.deliveries {
            let To::One(ConnId(conn)) = delivery.to else {
                panic!("nothing is for several")
            };
            assert!(!self.closed.contains(&conn), "{conn} is closed");
            let value = serde_json::from_str(delivery.frame.payload()).unwrap();
            self.told.push((conn, value));
        }
        for closing in out.closed {
            let (ConnId(conn), code, reason) = (closing.conn, closing.code, closing.reason);
            assert_eq!((code, reason.as_str()), (CloseCode::NoStatus, ""));
            self.closed.push(conn);
        }
        for answer in out.answers {
            answer();
        }
        self
    }

    fn connect_from(&mut self, client: Client, conn: u64, id: &str, token: &str) -> &mut Self {
        let owner = Owner {
            id: id.into(),
            token: token.into(),
        };
        let caller = Caller { owner, client };
        self.act(|rules, now, out| rules.join(ConnId(conn), caller, now, out))
    }

    fn connect(&mut self, conn: u64, id: &str, token: &str) -> &mut Self {
        self.connect_from(HOME, conn, id, token)
    }

    /// Some who are registered and have heard so.
    fn with(flags: &[&str], ids: &[&str]) -> Self {
        let mut world = world(flags);
        for (conn, id) in ids.iter().enumerate() {
            world
                .connect(conn as u64, id, "t")
                .hears(conn as u64, json!({"type": "OPEN"}));
        }
        world
    }

    fn say(&mut self, conn: u64, text: &Value) -> &mut Self {
        let text = Bytes::from(text.to_string());
        let Some(message) = Message::parse(text) else {
            return self;
        };
        self.act(|rules, now, out| rules.receive(ConnId(conn), message, now, out))
    }

    fn send(&mut self, conn: u64, kind: &str, dst: &str, n: u32) -> &mut Self {
        self.say(conn, &json!({"type": kind, "dst": dst, "payload": n}))
    }

    fn leave(&mut self, conn: u64) -> &mut Self {
        self.act(|rules, now, out| rules.leave(ConnId(conn), now, out))
    }

    /// Time passes; a tick comes every second.
    fn after(&mut self, ms: u64) -> &mut Self {
        self.now += Duration::from_millis(ms);
        self.act(|rules, now, out| rules.tick(now, out))
    }

    fn hang_up(&mut self, target: &str, mates: &[&str]) -> &mut Self {
        self.hang_up_from(HOME, target, mates)
    }

    fn hang_up_from(&mut self, client: Client, target: &str, mates: &[&str]) -> &mut Self {
        let party = |id: &str| (id.to_owned(), client);
        let hang_up = HangUp {
            target: party(target),
            mates: mates.iter().map(|mate| party(mate)).collect(),
        };
        let (reply, _) = oneshot::channel();
        self.act(|rules, now, out| rules.ask(Request::HangUp(Arc::new(hang_up), reply), now, out))
    }

    /// The next thing that was told to anybody.
    fn hears(&mut self, conn: u64, value: Value) -> &mut Self {
        assert!(!self.told.is_empty(), "nothing was told");
        assert_eq!(self.told.remove(0), (conn, value));
        self
    }

    fn hears_type(&mut self, conn: u64, kind: &str) -> &mut Self {
        assert!(!self.told.is_empty(), "nothing was told");
        let (to, value) = self.told.remove(0);
        assert_eq!((to, value["type"].as_str()), (conn, Some(kind)));
        self
    }

    fn nobody_hears(&mut self) -> &mut Self {
        assert_eq!(self.told, []);
        self
    }

    fn closes(&mut self, conns: &[u64]) -> &mut Self {
        assert_eq!(self.closed, conns);
        self
    }

    fn ids(&mut self) -> Vec<String> {
        let (reply, mut ids) = oneshot::channel();
        self.act(|rules, now, out| rules.ask(Request::Peers { reply }, now, out));
        ids.try_recv().unwrap()
    }
}

fn relayed(kind: &str, src: &str, dst: &str, n: u32) -> Value {
    json!({"type": kind, "src": src, "dst": dst, "payload": n})
}

#[test]
fn what_is_for_somebody_reaches_that_one_alone() {
    let mut world = World::with(&[], &["a", "b", "c"]);
    for kind in ["OFFER", "ANSWER", "CANDIDATE", "LEAVE"] {
        world
            .send(0, kind, "b", 1)
            .hears(1, relayed(kind, "a", "b", 1));
        world
            .send(0, kind, "a", 2)
            .hears(0, relayed(kind, "a", "a", 2));
    }
    world.nobody_hears().closes(&[]);
}

#[test]
fn a_sender_cannot_be_somebody_else() {
    let mut world = World::with(&[], &["a", "b"]);
    world
        .say(
            0,
            &json!({"type": "OFFER", "src": "c", "dst": "b", "more": 1, "payload": null}),
        )
        .hears(
            1,
            json!({"type": "OFFER", "src": "a", "dst": "b", "payload": null}),
        );
}

#[test]
fn who_has_not_come_yet_gets_it_in_order_behind_open() {
    let mut world = World::with(&[], &["a", "b"]);
    world
        .send(0, "OFFER", "x", 1)
        .send(1, "OFFER", "x", 2)
        .send(0, "CANDIDATE", "x", 3);
    // Never kept.
    world.send(0, "LEAVE", "x", 4);
    world.nobody_hears().after(4900).nobody_hears();
    world
        .connect(9, "x", "t")
        .hears_type(9, "OPEN")
        .hears(9, relayed("OFFER", "a", "x", 1))
        .hears(9, relayed("OFFER", "b", "x", 2))
        .hears(9, relayed("CANDIDATE", "a", "x", 3));
    world.after(60_000).nobody_hears();
}

#[test]
fn who_waits_in_vain_hears_once() {
    let mut world = World::with(&[], &["a", "b"]);
    world
        .send(0, "OFFER", "x", 1)
        .send(0, "CANDIDATE", "x", 2)
        .send(0, "OFFER", "y", 3);
    world.after(1000).send(1, "OFFER", "x", 4);
    world.after(4000);
    world
        .told
        .sort_by_key(|(_, value)| value["src"].to_string());
    world
        .hears(0, json!({"type": "EXPIRE", "src": "x", "dst": "a"}))
        .hears(0, json!({"type": "EXPIRE", "src": "y", "dst": "a"}))
        .nobody_hears();
    // Each message for its own time, and whoever comes now gets what still waits.
    world
        .connect(9, "x", "t")
        .hears_type(9, "OPEN")
        .hears(9, relayed("OFFER", "b", "x", 4));
    world.after(60_000).nobody_hears();
}

#[test]
fn who_has_come_back_still_hears_that_nobody_came() {
    let mut world = World::with(&[], &["a", "b"]);
    world
        .send(0, "OFFER", "x", 1)
        .send(1, "OFFER", "x", 2)
        .leave(0)
        .leave(1);
    world.connect(7, "a", "t").hears_type(7, "OPEN");
    // Somebody else, under the same id.
    world.connect(8, "b", "another").hears_type(8, "OPEN");
    world
        .after(5000)
        .hears(7, json!({"type": "EXPIRE", "src": "x", "dst": "a"}))
        .nobody_hears();
}

#[test]
fn an_id_is_one_persons() {
    let mut world = World::with(&[], &["a"]);
    world
        .connect(1, "a", "guess")
        .hears_type(1, "ID-TAKEN")
        .closes(&[1]);
    // Nothing that it says counts.
    world
        .send(1, "OFFER", "a", 1)
        .say(1, &json!({"type": "LEAVE"}))
        .leave(1)
        .nobody_hears();
    world
        .send(0, "OFFER", "a", 1)
        .hears(0, relayed("OFFER", "a", "a", 1));
    world
        .leave(0)
        .connect(2, "a", "guess")
        .hears_type(2, "OPEN");
}

#[test]
fn who_knows_the_token_takes_over() {
    let mut world = World::with(&[], &["a", "b"]);
    world
        .connect(7, "a", "t")
        .hears_type(7, "OPEN")
        .closes(&[0]);
    // The old connection is nobody's any more, and its end changes nothing.
    world
        .send(0, "OFFER", "b", 1)
        .say(0, &json!({"type": "LEAVE"}))
        .leave(0)
        .nobody_hears();
    world
        .send(1, "OFFER", "a", 2)
        .hears(7, relayed("OFFER", "b", "a", 2));
    world
        .send(7, "OFFER", "b", 3)
        .hears(1, relayed("OFFER", "a", "b", 3));
    assert_eq!(world.ids(), ["a", "b"]);
}

#[test]
fn a_token_proves_whose_id_it_is() {
    let mut world = World::with(&[], &["a"]);
    for (id, token, is_held) in [("a", "t", true), ("a", "u", false), ("b", "t", false)] {
        let owner = Owner {
            id: id.into(),
            token: token.into(),
        };
        let (reply, mut held) = oneshot::channel();
        world.act(|rules, now, out| rules.ask(Request::Holds { owner, reply }, now, out));
        assert_eq!(held.try_recv().unwrap(), is_held, "{id} {token}");
    }
}

#[test]
fn two_pages_with_one_token_do_not_fight_for_ever() {
    let mut world = World::with(&[], &["a"]);
    for conn in 1..=3 {
        world
            .after(1000)
            .connect(conn, "a", "t")
            .hears_type(conn, "OPEN");
    }
    world
        .connect(4, "a", "t")
        .hears_type(4, "ID-TAKEN")
        .closes(&[0, 1, 2, 4]);
    world.after(8999).connect(5, "a", "t").hears_type(5, "OPEN");
    world.connect(6, "a", "t").hears_type(6, "ID-TAKEN");
}

#[test]
fn leaving_frees_the_id_and_ends_the_connection() {
    let mut world = World::with(&[], &["a", "b"]);
    world
        .say(0, &json!({"type": "LEAVE"}))
        .closes(&[0])
        .nobody_hears();
    world.connect(7, "a", "another").hears_type(7, "OPEN");
    // Its end does not cost the new owner the id.
    world
        .leave(0)
        .send(1, "OFFER", "a", 1)
        .hears(7, relayed("OFFER", "b", "a", 1));
}

#[test]
fn nobody_is_told_who_goes() {
    let mut world = World::with(&[], &["a", "b"]);
    world.send(1, "OFFER", "a", 1).hears_type(0, "OFFER");
    world.leave(0).nobody_hears();
    world
        .act(|rules, now, out| rules.lose(ConnId(1), now, out))
        .nobody_hears();
    assert_eq!(world.ids(), [""; 0]);
    assert!(!world.rules.around.presence.has(HOME));
}

#[test]
fn there_are_so_many_ids_and_so_many_of_one_address() {
    let mut world = world(&[
        "--peerjs-concurrent-limit",
        "3",
        "--peerjs-max-per-address",
        "2",
    ]);
    world.connect(0, "a", "t").connect(1, "b", "t");
    world.hears_type(0, "OPEN").hears_type(1, "OPEN");
    world
        .connect(2, "c", "t")
        .hears_type(2, "ERROR")
        .closes(&[2]);
    world.connect_from(AWAY, 3, "c", "t").hears_type(3, "OPEN");
    world.connect_from(AWAY, 4, "d", "t").hears_type(4, "ERROR");
    // Taking over takes no place.
    world
        .connect(5, "a", "t")
        .hears_type(5, "OPEN")
        .closes(&[2, 4, 0]);
    world
        .leave(5)
        .connect_from(AWAY, 6, "d", "t")
        .hears_type(6, "OPEN");
}

#[test]
fn all_keys_share_one_limit() {
    let mut one = world(&["--peerjs-concurrent-limit", "1"]);
    let mut other = world(&[]);
    other.rules = BrokerRules::new(one.rules.around.clone());
    one.connect(0, "a", "t").hears_type(0, "OPEN");
    other.connect(1, "a", "t").hears_type(1, "ERROR");
    one.leave(0);
    other.connect(2, "a", "t").hears_type(2, "OPEN");
}

#[test]
fn a_call_is_known_to_the_switchboard() {
    let mut world = World::with(&[], &["a", "b"]);
    let switchboard = world.rules.around.switchboard.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let long = Duration::from_secs(3600);
    let short = Duration::from_millis(20);
    let was_offered = |world: &mut World, offers: &[(u64, &str, &str)]| {
        for (from, kind, dst) in offers {
            world.say(
                *from,
                &json!({"type": "OFFER", "dst": dst, "payload": {"type": kind}}),
            );
        }
        runtime.block_on(async {
            let offered = switchboard.offered("a", "b", long);
            tokio::time::timeout(short, offered).await.is_ok()
        })
    };
    assert!(!was_offered(&mut world, &[]));
    assert!(!was_offered(
        &mut world,
        &[(0, "data", "b"), (0, "media", "a")]
    ));
    assert!(was_offered(&mut world, &[(0, "media", "b")]));
    // Also when it had to wait for its receiver; before, there was nobody to wait for.
    world.leave(1);
    assert!(was_offered(&mut world, &[(0, "media", "b")]));
    world.connect(7, "b", "t");
    assert!(was_offered(&mut world, &[]));
    assert!(!was_offered(&mut world, &[]));
}

#[test]
fn who_is_cut_off_is_gone_for_its_mates() {
    let mut world = World::with(&[], &["a", "b", "c", "d"]);
    world
        .hang_up("a", &["b", "c", "x"])
        .hears(1, json!({"type": "LEAVE", "src": "a", "dst": "b"}))
        .hears(2, json!({"type": "LEAVE", "src": "a", "dst": "c"}))
        .nobody_hears()
        .closes(&[0]);
    assert_eq!(world.ids(), ["b", "c", "d"]);
    // Also one who has gone already.
    world
        .hang_up("a", &["d"])
        .hears_type(3, "LEAVE")
        .closes(&[0]);
    // Of another key it is somebody else.
    world.rules.around.switchboard.registered("z");
    world.hang_up("z", &["b"]).nobody_hears();
    // Nor by somebody elsewhere who only uses their names.
    let elsewhere = Client::V4([203, 0, 113, 99]);
    world.hang_up_from(elsewhere, "b", &["c"]).nobody_hears();
    world
        .hang_up_from(elsewhere, "absent", &["c"])
        .nobody_hears();
}

#[test]
fn who_was_cut_off_may_come_back_but_not_to_those_who_stayed() {
    let mut world = World::with(&[], &["a", "b", "c"]);
    let switchboard = world.rules.around.switchboard.clone();
    world
        .hang_up("a", &["b"])
        .hears_type(1, "LEAVE")
        .closes(&[0]);
    world.leave(0).connect(7, "a", "t").hears_type(7, "OPEN");
    for (conn, from, to) in [(7, "a", "b"), (1, "b", "a")] {
        world
            .send(conn, "OFFER", to, 1)
            .hears(conn, json!({"type": "EXPIRE", "src": to, "dst": from}));
        for kind in ["ANSWER", "CANDIDATE", "LEAVE"] {
            world.send(conn, kind, to, 1);
        }
    }
    world.nobody_hears();
    // Nothing waits for it, either.
    world
        .leave(1)
        .send(7, "OFFER", "b", 1)
        .hears_type(7, "EXPIRE");
    world
        .connect(8, "b", "t")
        .hears_type(8, "OPEN")
        .nobody_hears();
    // Others are not concerned, nor who has the id elsewhere.
    world.send(7, "OFFER", "c", 1).hears_type(2, "OFFER");
    world
        .leave(8)
        .connect_from(AWAY, 9, "b", "u")
        .hears_type(9, "OPEN");
    world.send(7, "OFFER", "b", 1).hears_type(9, "OFFER");
    world.leave(9).connect(10, "b", "t").hears_type(10, "OPEN");
    world.send(7, "OFFER", "b", 1).hears_type(7, "EXPIRE");
    switchboard.meet("b", &["c", "a"]);
    world.send(7, "OFFER", "b", 1).hears_type(10, "OFFER");
}

#[test]
fn an_id_that_nobody_was_registered_under_is_kept_from_nobody() {
    let mut world = World::with(&[], &["b"]);
    world.hang_up("a", &["b", "c"]).hears_type(0, "LEAVE");
    world.connect(7, "a", "t").hears_type(7, "OPEN");
    world.connect(8, "c", "t").hears_type(8, "OPEN");
    for (to, conn) in [("b", 0), ("c", 8)] {
        world.send(7, "OFFER", to, 1).hears_type(conn, "OFFER");
    }
}

/// What a client may do, by a number.
fn one_of_many(world: &mut World, (what, conn, who, n): (u8, u8, u8, u8)) {
    let ids = ["a", "b", "c", "x y"];
    let (id, conn) = (ids[usize::from(who) % ids.len()], u64::from(conn % 6));
    let is_there = world.rules.registered.contains_key(&ConnId(conn));
    match what % 8 {
        0 if !is_there => {
            world.closed.retain(|closed| *closed != conn);
            world.connect(conn, id, ["t", "u"][usize::from(n % 2)]);
        }
        1 => drop(world.leave(conn)),
        2 => drop(world.say(conn, &json!({"type": "LEAVE"}))),
        3 => drop(world.send(conn, "LEAVE", id, n.into())),
        4 => drop(world.after(u64::from(n) * 40)),
        5 => drop(world.hang_up(id, &ids)),
        _ => drop(world.send(conn, "OFFER", id, n.into())),
    }
}

#[test]
fn fuzz_whatever_they_do_the_books_agree() {
    let check = bolero::check!().with_type::<Vec<(u8, u8, u8, u8)>>();
    check.for_each(|acts| {
        let mut world = world(&["--peerjs-concurrent-limit", "3"]);
        for act in acts {
            one_of_many(&mut world, *act);
            let rules = &world.rules;
            assert_eq!(rules.registered.len(), rules.by_id.len());
            assert!(rules.registered.len() <= 3);
            for (id, conn) in &rules.by_id {
                assert_eq!(rules.registered[conn].owner.id, *id);
                assert!(rules.around.switchboard.is_registered(id));
            }
        }
        for conn in 0..6 {
            world.leave(conn);
        }
        world.after(60_000);
        assert!(!world.rules.around.presence.has(HOME));
        assert!(world.rules.queues.is_empty());
    });
}
