//! The rules without any I/O.

use super::*;
use crate::access::{Client, Presence};
use crate::config::tests::settings;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What the broker would have been told.
#[derive(Default)]
struct Broker {
    holds: AtomicBool,
    held: Mutex<Vec<Ring>>,
    hung_up: Mutex<Vec<(String, Vec<String>)>>,
    met: Mutex<Vec<(String, Vec<String>)>>,
}

impl Calls for Broker {
    fn hold(&self, ring: Ring) -> Option<Ring> {
        if !self.holds.load(Ordering::Relaxed) {
            return Some(ring);
        }
        self.held.lock().unwrap().push(ring);
        None
    }

    fn hang_up(&self, target: (String, Client), mates: Vec<(String, Client)>) {
        let mates = mates.into_iter().map(|(id, _)| id).collect();
        self.hung_up.lock().unwrap().push((target.0, mates));
    }

    fn meet(&self, newcomer: &str, mates: &[&str]) {
        let mates = mates.iter().map(|mate| (*mate).to_owned()).collect();
        self.met.lock().unwrap().push((newcomer.to_owned(), mates));
    }
}

/// One group, and everything that it has told anybody.
struct World {
    rules: GroupRules,
    broker: Arc<Broker>,
    presence: Presence,
    now: Now,
    versions: BTreeMap<ConnId, Version>,
    users: HashMap<ConnId, Uuid>,
    heard: BTreeMap<ConnId, Vec<Value>>,
    closed: Vec<(ConnId, CloseCode)>,
    released: Vec<ConnId>,
}

const GROUP: &str = "0b6fe7ab-3b1f-41ee-be56-0242ac120002";

impl World {
    fn new() -> Self {
        let metrics = Arc::new(Metrics::new());
        let broker = Arc::new(Broker::default());
        let around = Surroundings {
            directory: Directory::new(&settings(&[]).peershare, metrics.clone()),
            metrics,
            calls: broker.clone(),
            stopping: Arc::default(),
        };
        let id = GroupId::parse(GROUP).unwrap();
        Self {
            rules: GroupRules::new(id, "Table".into(), around),
            broker,
            presence: Presence::default(),
            now: Now {
                instant: Instant::now(),
                unix_ms: 1_700_000_000_000,
            },
            versions: BTreeMap::new(),
            users: HashMap::new(),
            heard: BTreeMap::new(),
            closed: Vec::new(),
            released: Vec::new(),
        }
    }

    /// Lets the room do something, and delivers what comes of it as the live side does.
    fn step(&mut self, act: impl FnOnce(&mut GroupRules, Now, &mut Outgoing)) {
        let mut out = Outgoing::default();
        self.now.unix_ms += 1;
        self.now.instant += Duration::from_millis(1);
        act(&mut self.rules, self.now, &mut out);
        assert!(out.journal.is_empty());
        for delivery in out.deliveries {
            let value: Value = serde_json::from_str(delivery.frame.payload()).unwrap();
            assert_eq!(value["timestamp"], self.now.unix_ms);
            assert!(matches!(delivery.lane, Lane::Control));
            let hears = |conn: ConnId, version: Version| match delivery.to {
                To::One(one) => one == conn,
                To::But(groups, but) => groups.meets(group_of(version)) && conn != but,
                To::Groups(groups) => groups.meets(group_of(version)),
            };
            for (conn, version) in &self.versions {
                if hears(*conn, *version) {
                    self.heard.entry(*conn).or_default().push(value.clone());
                }
            }
        }
        let closed = out
            .closed
            .into_iter()
            .map(|closing| (closing.conn, closing.code));
        self.closed.extend(closed);
        for conn in out.released {
            self.versions.remove(&conn);
            self.released.push(conn);
        }
    }

    fn enter(&mut self, n: u64, name: &str, peer: Option<&str>, version: Version, creates: bool) {
        let conn = ConnId(n);
        let (user, owner) = (Uuid::from_u128(n.into()), Owner(n));
        let directory = &self.rules.around.directory;
        let guest = Guest {
            seat: directory.spare_seat(),
            client: Client::Others,
            present: self.presence.enter(Client::Others),
            owner,
            user,
            name: name.to_owned(),
            peer: peer.map(|peer| directory.claim(peer, owner).unwrap()),
            version,
            creates,
        };
        self.versions.insert(conn, version);
        self.users.insert(conn, user);
        self.step(|rules, now, out| rules.join(conn, guest, now, out));
    }

    fn join(&mut self, n: u64, name: &str, peer: Option<&str>) {
        self.enter(n, name, peer, Version::Seed, false);
    }

    fn say(&mut self, n: u64, message: Message) {
        self.step(|rules, now, out| rules.receive(ConnId(n), message, now, out));
    }

    fn leave(&mut self, n: u64) {
        self.versions.remove(&ConnId(n));
        self.step(|rules, now, out| rules.leave(ConnId(n), now, out));
    }

    /// Types and payloads that a member has heard since the last look.
    fn heard(&mut self, n: u64) -> Vec<(String, Value)> {
        let heard = self.heard.remove(&ConnId(n)).unwrap_or_default();
        let heard = heard.into_iter().map(|mut said| {
            let kind = said["type"].as_str().unwrap().to_owned();
            (kind, said["payload"].take())
        });
        heard.collect()
    }

    fn forget(&mut self) {
        self.heard.clear();
    }

    /// The one error that a member has heard, and that nobody else has heard anything.
    fn refused(&mut self, n: u64) -> String {
        let heard = self.heard(n);
        assert!(self.heard.is_empty(), "{:?}", self.heard);
        assert_eq!(
            (heard.len(), heard[0].0.as_str()),
            (1, "error"),
            "{heard:?}"
        );
        heard[0].1["code"].as_str().unwrap().to_owned()
    }
}

fn user(n: u64) -> String {
    Uuid::from_u128(n.into()).to_string()
}

fn said(kind: &str, payload: Value) -> (String, Value) {
    (kind.to_owned(), payload)
}

fn call(target: &str, from: &str) -> Message {
    Message::Call {
        target: target.into(),
        from: from.into(),
    }
}

fn respond(caller: &str, from: &str) -> Message {
    Message::Respond {
        accepted: true,
        caller: caller.into(),
        from: from.into(),
    }
}

fn announce(peer: &str) -> Message {
    Message::Announce { peer: peer.into() }
}

#[test]
fn whoever_comes_or_is_reached_anew_has_met_the_others() {
    let mut world = World::new();
    world.join(1, "ann", Some("a"));
    world.join(2, "bob", None);
    world.say(2, announce("b"));
    world.join(3, "cat", Some("c"));
    let met = world.broker.met.lock().unwrap().clone();
    let mates = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let expected: [(String, Vec<String>); 3] = [
        ("a".into(), mates(&[])),
        ("b".into(), mates(&["a"])),
        ("c".into(), mates(&["a", "b"])),
    ];
    assert_eq!(met, expected);
}

#[test]
fn whoever_comes_is_told_of_the_others_and_they_of_it() {
    let mut world = World::new();
    world.enter(1, "alice", None, Version::Seed, true);
    let alice = json!({"id": user(1), "username": "alice"});
    let created = json!({"groupId": GROUP, "groupName": "Table", "user": alice});
    assert_eq!(world.heard(1), [said("group-created", created)]);
    world.say(1, announce("peer-a"));
    assert_eq!(
        world.heard(1),
        [said("existing-peers", json!({"peers": []}))]
    );
    world.join(2, "bob", Some("peer-b"));
    let alice = json!({"id": user(1), "username": "alice", "peerId": "peer-a"});
    let bob = json!({"id": user(2), "username": "bob"});
    let joined = json!({"groupId": GROUP, "groupName": "Table", "user": bob, "members": [alice]});
    let peers = json!({"peers": [{"peerId": "peer-a", "username": "alice"}]});
    assert_eq!(
        world.heard(2),
        [said("group-joined", joined), said("existing-peers", peers)]
    );
    let bob = json!({"id": user(2), "username": "bob", "peerId": "peer-b"});
    let at = json!({"peerId": "peer-b", "username": "bob"});
    assert_eq!(
        world.heard(1),
        [
            said("user-joined", json!({"user": bob})),
            said("peer-joined", at)
        ]
    );
    world.join(3, "Alice", None);
    assert_eq!(world.heard(3)[0].1["user"]["username"], "Alice1");
    let third = json!({"user": {"id": user(3), "username": "Alice1"}});
    for n in [1, 2] {
        assert_eq!(world.heard(n), [said("user-joined", third.clone())]);
    }
    world.leave(2);
    let left = json!({"userId": user(2), "username": "bob"});
    for n in [1, 3] {
        assert_eq!(world.heard(n), [said("user-left", left.clone())]);
    }
    // Names are free at once.
    world.join(4, "BOB", None);
    assert_eq!(world.heard(4)[0].1["user"]["username"], "BOB");
}

#[test]
fn each_version_reads_its_own_ids() {
    let mut world = World::new();
    world.enter(1, "old", Some("p1"), Version::Seed, true);
    world.enter(2, "new", Some("p2"), Version::Newest, false);
    let heard = world.heard(2);
    let payload = &heard[0].1;
    assert_eq!(payload["groupId"], format!("group_{GROUP}"));
    assert_eq!(payload["user"]["id"], format!("user_{}", user(2)));
    assert_eq!(payload["members"][0]["id"], format!("user_{}", user(1)));
    // The newest version's clients are told of themselves, too.
    let peer = |peer: &str, name: &str| json!({"peerId": peer, "username": name});
    assert_eq!(
        heard[1].1["peers"],
        json!([peer("p1", "old"), peer("p2", "new")])
    );
    let heard = world.heard(1);
    assert_eq!(heard[1].1["user"]["id"], user(2));
    world.leave(1);
    assert_eq!(world.heard(2)[0].1["userId"], format!("user_{}", user(1)));
    world.enter(3, "third", None, Version::Seed, false);
    assert_eq!(world.heard(3)[0].1["members"][0]["id"], user(2));
    assert_eq!(
        world.heard(2)[0].1["user"]["id"],
        format!("user_{}", user(3))
    );
}

#[test]
fn every_announcement_is_told_again() {
    let mut world = World::new();
    world.join(1, "ann", None);
    world.join(2, "bob", Some("b"));
    world.forget();
    for peer in ["a", "a", "z"] {
        world.say(1, announce(peer));
        let at = json!({"peerId": peer, "username": "ann"});
        assert_eq!(world.heard(2), [said("peer-joined", at)]);
        let peers = json!({"peers": [{"peerId": "b", "username": "bob"}]});
        assert_eq!(world.heard(1), [said("existing-peers", peers)]);
    }
    // The one that was given up is free.
    world.join(3, "eve", Some("a"));
}

#[test]
fn an_id_is_one_members_only() {
    let mut world = World::new();
    world.join(1, "ann", Some("a"));
    world.join(2, "bob", Some("b"));
    world.forget();
    world.say(2, announce("a"));
    assert_eq!(world.refused(2), "PEER_ID_TAKEN");
    world.say(
        2,
        Message::Rejoin {
            peer: Some("a".into()),
        },
    );
    assert_eq!(world.refused(2), "PEER_ID_TAKEN");
    // Nothing has changed.
    world.say(1, call("b", "a"));
    assert_eq!(world.heard(2)[0].0, "incoming-call-request");
    world.leave(1);
    world.forget();
    world.say(2, announce("a"));
    assert_eq!(world.heard(2)[0].0, "existing-peers");
}

#[test]
fn joining_ones_own_group_again_disturbs_nobody() {
    let mut world = World::new();
    world.join(1, "ann", Some("a"));
    world.join(2, "bob", Some("b"));
    world.forget();
    world.say(1, Message::Rejoin { peer: None });
    let heard = world.heard(1);
    assert_eq!((heard.len(), heard[0].0.as_str()), (1, "group-joined"));
    assert_eq!(
        heard[0].1["user"],
        json!({"id": user(1), "username": "ann"})
    );
    assert_eq!(heard[0].1["members"].as_array().unwrap().len(), 1);
    world.say(
        1,
        Message::Rejoin {
            peer: Some("a".into()),
        },
    );
    let kinds: Vec<_> = world.heard(1).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["group-joined", "existing-peers"]);
    assert!(world.heard.is_empty());
    world.say(
        1,
        Message::Rejoin {
            peer: Some("c".into()),
        },
    );
    let at = json!({"peerId": "c", "username": "ann"});
    assert_eq!(world.heard(2), [said("peer-joined", at)]);
}

#[test]
fn calls_and_answers_say_who_really_sent_them() {
    let mut world = World::new();
    world.join(1, "ann", Some("a"));
    world.join(2, "bob", Some("b"));
    world.join(3, "eve", Some("e"));
    world.forget();
    world.say(3, call("b", "a"));
    let ring = json!({"fromPeerId": "e", "fromUsername": "eve"});
    assert_eq!(world.heard(2), [said("incoming-call-request", ring)]);
    assert!(world.heard.is_empty(), "the caller hears nothing");
    world.say(2, respond("e", "a"));
    let answer = json!({"accepted": true, "fromPeerId": "b", "toPeerId": "e"});
    assert_eq!(world.heard(3), [said("call-response", answer)]);
    assert!(world.heard.is_empty());
    for message in [call("nobody", "e"), respond("nobody", "e")] {
        world.say(3, message);
        assert_eq!(world.refused(3), "PEER_NOT_FOUND");
    }
}

#[test]
fn who_has_told_no_id_calls_under_the_one_it_gives() {
    let mut world = World::new();
    world.join(1, "ann", None);
    world.join(2, "bob", Some("b"));
    world.join(3, "eve", None);
    world.forget();
    // Not under somebody else's.
    world.say(3, call("b", "b"));
    assert_eq!(world.refused(3), "PEER_ID_TAKEN");
    world.say(1, call("b", "a"));
    assert_eq!(
        world.heard(2)[0].1,
        json!({"fromPeerId": "a", "fromUsername": "ann"})
    );
    world.say(2, respond("a", "b"));
    assert_eq!(world.heard(1)[0].0, "call-response");
    // It is hers from then on.
    world.say(3, call("b", "a"));
    assert_eq!(world.refused(3), "PEER_ID_TAKEN");
}

#[test]
fn a_ring_that_was_held_is_delivered_to_who_is_still_there() {
    let mut world = World::new();
    world.join(1, "ann", Some("a"));
    world.join(2, "bob", Some("b"));
    world.broker.holds.store(true, Ordering::Relaxed);
    world.forget();
    for (gone, delivered) in [(None, true), (Some(1), false), (Some(2), false)] {
        let (n, m) = if gone == Some(2) { (3, 2) } else { (1, 2) };
        if gone == Some(2) {
            world.join(3, "cat", Some("c"));
        }
        world.say(n, call("b", "a"));
        world.forget();
        let ring = world.broker.held.lock().unwrap().pop().unwrap();
        if let Some(gone) = gone {
            world.leave(gone);
            world.forget();
        }
        let (done, _) = oneshot::channel();
        world.step(|rules, now, out| rules.ask(Request::Ring { ring, done }, now, out));
        let heard = world.heard(m);
        assert_eq!(heard.len(), usize::from(delivered), "{gone:?}");
    }
}

#[test]
fn the_owner_moderates_and_nobody_else() {
    let mut world = World::new();
    for (n, name) in [(1, "ann"), (2, "bob"), (3, "cat")] {
        world.join(n, name, Some(name));
    }
    world.forget();
    let uuid = |n: u64| Some(Uuid::from_u128(n.into()));
    let remove = |n| Message::Remove {
        user: uuid(n),
        reason: None,
    };
    for message in [
        Message::Lock(true),
        Message::Mute(uuid(3)),
        remove(3),
        remove(2),
    ] {
        world.say(2, message);
        assert_eq!(world.refused(2), "FORBIDDEN");
    }
    world.say(1, Message::Mute(uuid(9)));
    assert_eq!(world.refused(1), "USER_NOT_FOUND");
    world.say(1, Message::Mute(None));
    assert_eq!(world.refused(1), "USER_NOT_FOUND");
    world.say(1, remove(1));
    assert_eq!(world.refused(1), "FORBIDDEN");
    world.say(1, Message::Mute(uuid(3)));
    let asked = json!({"user": {"id": user(1), "username": "ann"}});
    assert_eq!(world.heard(3), [said("mute-requested", asked)]);
    assert!(world.heard.is_empty());
    // Only who has asked is told.
    world.say(2, Message::Moderation);
    let of = |n, locked: bool| json!({"ownerId": user(n), "locked": locked});
    assert_eq!(world.heard(2), [said("moderation", of(1, false))]);
    world.say(1, Message::Lock(true));
    for n in [1, 2] {
        assert_eq!(world.heard(n), [said("moderation", of(1, true))]);
    }
    assert!(world.heard.is_empty());
    world.say(1, remove(3));
    assert_eq!(world.closed, [(ConnId(3), CloseCode::Kicked)]);
    let left = said("user-left", json!({"userId": user(3), "username": "cat"}));
    assert_eq!(
        (world.heard(1), world.heard(2)),
        (vec![left.clone()], vec![left])
    );
    assert!(world.heard.is_empty());
    let hung_up = world.broker.hung_up.lock().unwrap().clone();
    assert_eq!(
        hung_up,
        [("cat".to_owned(), vec!["ann".to_owned(), "bob".to_owned()])]
    );
    // What it says on its way out is for nobody.
    world.say(3, announce("x"));
    world.leave(3);
    assert!(world.heard.is_empty());
    // Whoever has been there longest is the next owner.
    world.leave(1);
    assert_eq!(world.heard(2)[1], said("moderation", of(2, true)));
    world.say(2, Message::Lock(false));
    assert_eq!(world.heard(2), [said("moderation", of(2, false))]);
}

#[test]
fn who_leaves_is_let_go_and_hears_nothing_more() {
    let mut world = World::new();
    world.join(1, "ann", None);
    world.join(2, "bob", None);
    world.forget();
    world.say(1, Message::Leave);
    assert_eq!(world.released, [ConnId(1)]);
    assert_eq!(world.heard(2)[0].0, "user-left");
    world.say(2, announce("b"));
    assert_eq!(world.heard(1), []);
    // Also who was removed in the meantime.
    world.say(7, Message::Leave);
    assert_eq!(world.released, [ConnId(1), ConnId(7)]);
}

#[test]
fn when_the_server_stops_nobody_has_left() {
    let mut world = World::new();
    world.join(1, "ann", None);
    world.join(2, "bob", None);
    world.forget();
    world.rules.around.stopping.store(true, Ordering::Relaxed);
    world.leave(1);
    assert!(world.heard.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Join(u64, String, Option<u8>, bool),
    Leave(u64),
    Announce(u64, u8),
    Call(u64, u8, u8),
    Respond(u64, u8, u8),
    Rejoin(u64, Option<u8>),
    Remove(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 1u64..6;
    prop_oneof![
        (
            n.clone(),
            "[aAb]{1,2}",
            prop::option::of(0u8..8),
            any::<bool>()
        )
            .prop_map(|(n, name, peer, newest)| Step::Join(n, name, peer, newest)),
        n.clone().prop_map(Step::Leave),
        (n.clone(), 0u8..8).prop_map(|(n, peer)| Step::Announce(n, peer)),
        (n.clone(), 0u8..8, 0u8..8).prop_map(|(n, to, from)| Step::Call(n, to, from)),
        (n.clone(), 0u8..8, 0u8..8).prop_map(|(n, to, from)| Step::Respond(n, to, from)),
        (n.clone(), prop::option::of(0u8..8)).prop_map(|(n, peer)| Step::Rejoin(n, peer)),
        (n.clone(), n).prop_map(|(n, other)| Step::Remove(n, other)),
    ]
}

/// What a client makes of what it hears: who is there, by name, and where they are reached.
#[derive(Clone, Debug, Default, PartialEq)]
struct Page {
    members: BTreeMap<String, String>,
    peers: BTreeMap<String, String>,
}

impl Page {
    fn hear(&mut self, kind: &str, payload: &Value, own: &str) {
        let text = |value: &Value| {
            value
                .as_str()
                .unwrap()
                .trim_start_matches("user_")
                .to_owned()
        };
        match kind {
            "group-joined" | "group-created" => {
                self.members.clear();
                for person in payload["members"].as_array().into_iter().flatten() {
                    self.members
                        .insert(text(&person["id"]), text(&person["username"]));
                    if let Some(peer) = person["peerId"].as_str() {
                        self.peers.insert(text(&person["username"]), peer.into());
                    }
                }
            }
            "user-joined" => {
                let person = &payload["user"];
                self.members
                    .insert(text(&person["id"]), text(&person["username"]));
            }
            "user-left" => {
                let gone = self.members.remove(&text(&payload["userId"]));
                assert_eq!(
                    gone,
                    Some(text(&payload["username"])),
                    "somebody left who was not there"
                );
                self.peers.remove(&text(&payload["username"]));
            }
            "peer-joined" => {
                let name = text(&payload["username"]);
                assert!(self.members.values().any(|known| *known == name));
                self.peers.insert(name, text(&payload["peerId"]));
            }
            "existing-peers" => {
                for peer in payload["peers"].as_array().unwrap() {
                    if text(&peer["username"]) != own {
                        self.peers
                            .insert(text(&peer["username"]), text(&peer["peerId"]));
                    }
                }
            }
            _ => {}
        }
    }
}

proptest! {
    /// Whatever happens, every page shows exactly who is there, and nothing stays behind of who is not.
    #[test]
    fn every_page_shows_who_is_there(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        let mut pages: BTreeMap<u64, Page> = BTreeMap::new();
        for step in steps {
            let peer = |n: u8| format!("p{n}");
            match step {
                Step::Join(n, name, wish, newest) if !pages.contains_key(&n) => {
                    let free = wish.map(peer).filter(|peer| world.rules.by_peer(peer).is_none());
                    let version = if newest { Version::Newest } else { Version::Seed };
                    let creates = pages.is_empty();
                    world.enter(n, &name, free.as_deref(), version, creates);
                    pages.insert(n, Page::default());
                }
                Step::Leave(n) if pages.remove(&n).is_some() => world.leave(n),
                Step::Announce(n, to) => world.say(n, announce(&peer(to))),
                Step::Call(n, to, from) => world.say(n, call(&peer(to), &peer(from))),
                Step::Respond(n, to, from) => world.say(n, respond(&peer(to), &peer(from))),
                Step::Rejoin(n, to) => world.say(n, Message::Rejoin { peer: to.map(peer) }),
                Step::Remove(n, other) => {
                    let user = world.users.get(&ConnId(other)).copied();
                    world.say(n, Message::Remove { user, reason: None });
                    for (conn, _) in std::mem::take(&mut world.closed) {
                        pages.remove(&conn.0);
                        world.leave(conn.0);
                    }
                }
                Step::Join(..) | Step::Leave(_) => {}
            }
            let there: BTreeMap<u64, (String, String, Option<String>)> = world.rules.members.iter()
                .map(|m| (m.conn.0, (m.user.to_string(), m.name.clone(), m.peer_id().map(str::to_owned))))
                .collect();
            prop_assert_eq!(there.keys().collect::<Vec<_>>(), pages.keys().collect::<Vec<_>>());
            prop_assert_eq!(world.rules.around.directory.stats().users, pages.len());
            for (n, page) in &mut pages {
                for (kind, payload) in world.heard(*n) {
                    if kind == "incoming-call-request" {
                        let from = payload["fromPeerId"].as_str().unwrap();
                        let caller = world.rules.by_peer(from).unwrap();
                        prop_assert_eq!(&payload["fromUsername"], &caller.name);
                    }
                    page.hear(&kind, &payload, &there[n].1);
                }
                let others = there.iter().filter(|(m, _)| *m != n).map(|(_, m)| (m.0.clone(), m.1.clone()));
                prop_assert_eq!(&page.members, &others.collect::<BTreeMap<_, _>>());
                // Whoever calls before it has announced anything is reached, too; nobody is told.
                for (name, peer) in &page.peers {
                    let real = there.values().find(|m| m.1 == *name).and_then(|m| m.2.as_ref());
                    prop_assert_eq!(real, Some(peer));
                }
            }
            world.forget();
        }
        for n in pages.into_keys() {
            world.leave(n);
        }
        let stats = world.rules.around.directory.stats();
        prop_assert_eq!((stats.groups, stats.users), (0, 0));
        prop_assert!(!world.presence.has(Client::Others));
        for n in 0..8 {
            let free = world.rules.around.directory.claim(&format!("p{n}"), Owner(99)).is_ok();
            prop_assert!(free);
        }
    }
}
