//! A room's rules, without sockets: calls go in, frames come out.

use super::rules::{Guest, RoomRules, Surroundings};
use super::{Message, Proof, Wire};
use crate::config::tests::settings;
use crate::live::{CloseCode, ConnId, Dialect, Frame, Groups, Heard, Now, Outgoing, Rules, To};
use crate::metrics::Metrics;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const HOST: ConnId = ConnId(0);
const PROOF: Proof = [7; 16];

/// A room and what its members have heard.
struct World {
    rules: RoomRules,
    wire: Wire,
    now: Now,
    groups: BTreeMap<ConnId, Groups>,
    heard: BTreeMap<ConnId, Vec<Value>>,
    closed: Vec<(ConnId, CloseCode)>,
    ended: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

impl World {
    fn new(flags: &[&str]) -> Self {
        let settings = Arc::new(settings(flags).nexus);
        let metrics = Arc::new(Metrics::new());
        let ended = Arc::new(AtomicUsize::new(0));
        let around = Surroundings {
            settings: settings.clone(),
            metrics: metrics.clone(),
            stopping: Arc::default(),
        };
        let count = ended.clone();
        let rules = RoomRules::new("ABCD", around, move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        Self {
            rules,
            wire: Wire::new(&settings, None),
            now: Now::read(),
            groups: BTreeMap::new(),
            heard: BTreeMap::new(),
            closed: Vec::new(),
            ended,
            metrics,
        }
    }

    /// With a host, whose first message it returns.
    fn open(flags: &[&str], proof: Option<Proof>) -> (Self, Value) {
        let mut world = Self::new(flags);
        world.join(HOST, Guest::Host(proof));
        let created = world.heard_by(HOST).remove(0);
        (world, created)
    }

    fn act(&mut self, act: impl FnOnce(&mut RoomRules, Now, &mut Outgoing)) {
        let mut out = Outgoing::default();
        self.now.unix_ms += 1;
        act(&mut self.rules, self.now, &mut out);
        assert!(out.journal.is_empty() && out.shown.is_none() && out.document.is_none());
        for delivery in out.deliveries {
            let said = said(&delivery.frame);
            for (conn, group) in &self.groups {
                let meant = match delivery.to {
                    To::Groups(groups) => group.meets(groups),
                    To::But(groups, but) => group.meets(groups) && *conn != but,
                    To::One(one) => *conn == one,
                };
                if meant {
                    self.heard.entry(*conn).or_default().push(said.clone());
                }
            }
        }
        for closing in out.closed {
            self.closed.push((closing.conn, closing.code));
        }
    }

    fn join(&mut self, conn: ConnId, guest: Guest) {
        self.groups.insert(conn, self.rules.group(&guest));
        self.act(|rules, now, out| rules.join(conn, guest, now, out));
    }

    /// Lets somebody join, and returns the first message and the id in it.
    fn player(&mut self, conn: u64) -> (Value, String) {
        let conn = ConnId(conn);
        self.join(conn, Guest::Player(None));
        let joined = self.heard_by(conn).remove(0);
        let id = joined["data"]["uuid"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (joined, id)
    }

    fn leave(&mut self, conn: ConnId, lost: bool) {
        self.groups.remove(&conn);
        self.act(|rules, now, out| match lost {
            true => rules.lose(conn, now, out),
            false => rules.leave(conn, now, out),
        });
    }

    fn tick_after(&mut self, time: Duration) {
        self.now.instant += time;
        self.act(|rules, now, out| rules.tick(now, out));
    }

    fn read(&mut self, said: &Value) -> Option<Message> {
        match self.wire.read(Bytes::from(said.to_string())) {
            Heard::Message(message) => Some(message),
            _ => None,
        }
    }

    fn say(&mut self, from: ConnId, said: &Value) {
        let message = self.read(said).expect("it may be said");
        self.act(|rules, now, out| rules.receive(from, message, now, out));
    }

    /// What somebody has heard since the last look.
    fn heard_by(&mut self, conn: ConnId) -> Vec<Value> {
        self.heard.remove(&conn).unwrap_or_default()
    }

    fn members(&self) -> String {
        let text = self.metrics.render();
        let line = text.lines().find(|line| line.contains("dialect=\"nexus\""));
        line.unwrap().split(' ').next_back().unwrap().to_owned()
    }
}

fn said(frame: &Frame) -> Value {
    serde_json::from_str(frame.payload()).unwrap()
}

fn event(name: &str, uuid: &str, at: u64) -> Value {
    json!({"type": "event", "data": {"name": name, "uuid": uuid}, "timestamp": at})
}

#[test]
fn the_servers_messages_are_these() {
    let (mut world, created) = World::open(&[], None);
    let host = created["data"]["uuid"].as_str().unwrap().to_owned();
    let at = world.now.unix_ms;
    assert_eq!(
        created,
        json!({"type": "event", "data": {"name": "session/created", "roomCode": "ABCD", "room": "ABCD", "uuid": host}, "timestamp": at})
    );
    let (joined, one) = world.player(1);
    assert_eq!(
        joined,
        json!({"type": "event", "data": {"name": "session/joined", "roomCode": "ABCD", "room": "ABCD", "uuid": one, "hostId": host}, "timestamp": at + 1})
    );
    assert_eq!(world.heard_by(HOST), [event("session/join", &one, at + 1)]);
    let (_, two) = world.player(2);
    for conn in [HOST, ConnId(1)] {
        assert_eq!(world.heard_by(conn), [event("session/join", &two, at + 2)]);
    }
    assert!(world.heard_by(ConnId(2)).is_empty());
    world.leave(ConnId(1), true);
    // However often it is told.
    world.leave(ConnId(1), false);
    for conn in [HOST, ConnId(2)] {
        assert_eq!(world.heard_by(conn), [event("session/leave", &one, at + 3)]);
    }
    assert_eq!(world.members(), "2");
    world.leave(HOST, false);
    let ended = json!({"type": "event", "data": {"name": "session/ended"}, "timestamp": at + 5});
    assert_eq!(world.heard_by(ConnId(2)), [ended]);
    assert_eq!(world.closed, [(ConnId(2), CloseCode::NoStatus)]);
    assert_eq!(
        (
            world.ended.load(Ordering::Relaxed),
            world.members().as_str()
        ),
        (1, "0")
    );
    // Whoever comes too late has a connection and no room.
    let (late, _) = world.player(3);
    assert_eq!(
        late,
        json!({"type": "error", "data": {"message": "Room not found"}, "timestamp": at + 6})
    );
    let message = json!({"type": "x"});
    world.say(ConnId(3), &message);
    world.say(ConnId(2), &message);
    assert!(world.heard.is_empty());
    world.tick_after(Duration::from_secs(59));
    assert_eq!(world.closed.len(), 1);
    world.tick_after(Duration::from_secs(1));
    assert_eq!(world.closed[1..], [(ConnId(3), CloseCode::Normal)]);
    world.leave(ConnId(3), false);
    world.tick_after(Duration::from_secs(99));
    assert_eq!((world.closed.len(), world.members().as_str()), (2, "0"));
}

#[test]
fn a_player_who_is_faster_than_the_host_is_told_to_it() {
    let mut world = World::new(&[]);
    let (joined, one) = world.player(1);
    world.join(HOST, Guest::Host(None));
    let heard = world.heard_by(HOST);
    assert_eq!(heard[0]["data"]["uuid"], joined["data"]["hostId"]);
    assert_eq!(
        heard[1]["data"],
        json!({"name": "session/join", "uuid": one})
    );
    assert_eq!(heard.len(), 2);
}

#[test]
fn a_full_room_takes_no_more_but_its_host() {
    let mut world = World::new(&["--nexus-max-members", "3"]);
    world.player(1);
    world.player(2);
    let (full, _) = world.player(3);
    assert_eq!(full["data"]["message"], "Room is full");
    world.join(HOST, Guest::Host(None));
    assert_eq!(world.heard_by(HOST).len(), 3);
    world.leave(ConnId(1), false);
    assert_eq!(world.player(4).0["data"]["name"], "session/joined");
    // Who had no place is not a member: hears and says nothing.
    world.say(ConnId(3), &json!({"type": "x"}));
    assert!(
        world
            .heard_by(ConnId(2))
            .iter()
            .all(|heard| heard["type"] == "event")
    );
    world.say(HOST, &json!({"type": "x"}));
    assert!(world.heard_by(ConnId(3)).is_empty());
}

#[test]
fn a_host_whose_connection_broke_may_come_back() {
    let grace = ["--nexus-host-grace", "30"];
    let (mut world, created) = World::open(&grace, Some(PROOF));
    let host = &created["data"]["uuid"];
    world.player(1);
    world.leave(HOST, true);
    let left = &world.heard_by(ConnId(1))[0];
    assert_eq!(
        (&left["data"]["name"], &left["data"]["uuid"]),
        (&json!("session/leave"), host)
    );
    // Whoever is not the host is a player, whatever they try.
    for (conn, proof) in [(2, None), (3, Some([8; 16]))] {
        world.join(ConnId(conn), Guest::Player(proof));
        let joined = world.heard_by(ConnId(conn)).remove(0);
        assert_eq!(
            (&joined["data"]["name"], &joined["data"]["hostId"]),
            (&json!("session/joined"), host)
        );
    }
    world.tick_after(Duration::from_secs(29));
    world.join(ConnId(4), Guest::Player(Some(PROOF)));
    let created = world.heard_by(ConnId(4)).remove(0);
    assert_eq!(
        (&created["data"]["name"], &created["data"]["room"]),
        (&json!("session/created"), &json!("ABCD"))
    );
    let last = world.heard_by(ConnId(1)).pop().unwrap();
    assert_eq!(
        (&last["data"]["name"], &last["data"]["uuid"]),
        (&json!("session/join"), &created["data"]["uuid"])
    );
    world.tick_after(Duration::from_secs(99));
    assert_eq!(world.ended.load(Ordering::Relaxed), 0);
    // One that says goodbye has ended its game.
    world.leave(ConnId(4), false);
    assert_eq!(world.ended.load(Ordering::Relaxed), 1);
}

#[test]
fn a_host_that_is_back_before_its_loss_was_noticed_is_host_again() {
    let (mut world, _) = World::open(&["--nexus-host-grace", "30"], Some(PROOF));
    world.join(ConnId(1), Guest::Player(Some(PROOF)));
    assert_eq!(
        world.heard_by(ConnId(1))[0]["data"]["name"],
        "session/joined"
    );
    world.leave(HOST, true);
    let names: Vec<_> = world
        .heard_by(ConnId(1))
        .into_iter()
        .map(|m| m["data"]["name"].clone())
        .collect();
    assert_eq!(names, ["session/leave", "session/created"]);
    world.leave(ConnId(1), false);
    assert_eq!(world.ended.load(Ordering::Relaxed), 1);
}

#[test]
fn a_room_waits_for_its_host_only_when_it_should() {
    for (flags, proof, lost) in [
        (&[][..], Some(PROOF), true),
        (&["--nexus-host-grace", "30"], None, true),
        (&["--nexus-host-grace", "30"], Some(PROOF), false),
    ] {
        let (mut world, _) = World::open(flags, proof);
        world.player(1);
        world.leave(HOST, lost);
        assert_eq!(world.ended.load(Ordering::Relaxed), 1, "{flags:?}");
        assert_eq!(world.closed, [(ConnId(1), CloseCode::NoStatus)]);
    }
    let (mut world, _) = World::open(&["--nexus-host-grace", "30"], Some(PROOF));
    world.player(1);
    world.leave(HOST, true);
    world.tick_after(Duration::from_secs(30));
    assert_eq!(
        world.heard_by(ConnId(1)).pop().unwrap()["data"]["name"],
        "session/ended"
    );
    assert_eq!(world.ended.load(Ordering::Relaxed), 1);
}

#[test]
fn only_a_strict_room_asks_who_directs() {
    for (flags, heard) in [(&[][..], 3), (&["--nexus-strict"], 0)] {
        let (mut world, _) = World::open(flags, None);
        world.player(1);
        world.heard_by(HOST);
        for said in [
            json!({"type": "state", "data": {"session": {}}}),
            json!({"type": "event", "data": {"name": "scene/change", "sceneId": "x"}}),
            json!({"type": "event", "data": {"name": "camera/move"}}),
        ] {
            world.say(ConnId(1), &said);
            world.say(HOST, &said);
        }
        assert_eq!(
            (world.heard_by(HOST).len(), world.heard_by(ConnId(1)).len()),
            (heard, 3)
        );
        world.say(
            ConnId(1),
            &json!({"type": "event", "data": {"name": "dice/roll"}}),
        );
        assert_eq!(world.heard_by(HOST).len(), 1);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Join(u64),
    Leave(u64),
    /// From whom, and to whom: everybody, a member by its number, or nobody.
    Say(u64, Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u64..8).prop_map(Step::Join),
        (1u64..8).prop_map(Step::Leave),
        (0u64..8, prop::option::of(0u64..9)).prop_map(|(from, to)| Step::Say(from, to)),
    ]
}

proptest! {
    /// Everybody hears exactly what is for them, said by whom it was said, and never their own.
    #[test]
    fn whatever_happens_everybody_hears_what_is_for_them(steps in prop::collection::vec(step(), 0..80)) {
        let (mut world, created) = World::open(&[], None);
        let mut ids = BTreeMap::from([(0, created["data"]["uuid"].as_str().unwrap().to_owned())]);
        let mut all_ids: BTreeSet<String> = ids.values().cloned().collect();
        for (nth, step) in steps.into_iter().enumerate() {
            world.heard.clear();
            match step {
                Step::Join(n) if !ids.contains_key(&n) => {
                    let (joined, id) = world.player(n);
                    prop_assert_eq!(&joined["data"]["hostId"], &ids[&0]);
                    prop_assert!(all_ids.insert(id.clone()), "an id was used twice");
                    for other in ids.keys() {
                        prop_assert_eq!(&world.heard_by(ConnId(*other))[0]["data"]["uuid"], &id);
                    }
                    ids.insert(n, id);
                }
                Step::Leave(n) => {
                    world.leave(ConnId(n), nth % 2 == 0);
                    if let Some(id) = ids.remove(&n) {
                        for other in ids.keys() {
                            prop_assert_eq!(&world.heard_by(ConnId(*other))[0]["data"]["uuid"], &id);
                        }
                    }
                }
                Step::Say(from, to) => {
                    let dst = to.map(|to| ids.get(&to).cloned().unwrap_or("nobody".into()));
                    let mut message = json!({"type": "x", "data": {"n": nth}, "src": "forged"});
                    if let Some(dst) = &dst {
                        message["dst"] = json!(dst);
                    }
                    world.say(ConnId(from), &message);
                    let sender = ids.get(&from).cloned();
                    for (other, id) in &ids {
                        let meant = sender.is_some() && dst.as_ref().map_or(*other != from, |dst| dst == id);
                        let heard = world.heard_by(ConnId(*other));
                        prop_assert_eq!(heard.len(), usize::from(meant));
                        if let Some(heard) = heard.first() {
                            prop_assert_eq!(&heard["src"], sender.as_ref().unwrap());
                            prop_assert_eq!(&heard["data"], &message["data"]);
                            prop_assert_eq!(heard.get("dst"), message.get("dst"));
                            prop_assert_eq!(heard["timestamp"].as_u64(), Some(world.now.unix_ms));
                        }
                    }
                }
                Step::Join(_) => {}
            }
            prop_assert!(world.heard.values().all(Vec::is_empty), "{:?}", world.heard);
            prop_assert_eq!(world.members(), ids.len().to_string());
        }
    }
}
