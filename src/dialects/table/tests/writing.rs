//! Section 3 of the contract, sentence by sentence: changes of our own protocol.

use super::clients::{Member, new_id};
use super::world::{World, text};
use crate::access::Role;
use crate::dialects::table::record::Record;
use crate::dialects::table::{Put, Request};
use crate::model::MapMove;
use crate::store::AssetPath;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::oneshot;

const SCENE: &str = r#"{"id":"s","maps":[{"name":"road.png","data":{"x":1}},{"name":"crypt.png","data":{"isHidden":true}},{"name":"twin.png","data":{"n":1}},{"name":"twin.png","data":{"n":2}}],"gridSettings":{"gridSize":50},"fogOfWar":[{"id":"f2","points":[]}],"aoeMarkers":[{"id":"a1"},{"id":"a2"}],"initiativeOrder":[{"id":"e1","isPlayer":true,"initiative":3,"mapPosition":{"x":1,"y":1}}]}"#;

fn table() -> (World, Member, Member) {
    let mut world = World::new(Some(SCENE));
    // The journal is begun.
    world.advance(1_000);
    let ada = Member::join(Role::Gm, "Ada", &mut world);
    let bo = Member::join(Role::Gm, "Bo", &mut world);
    (world, ada, bo)
}

fn set(path: Value, value: Value) -> Value {
    json!({ "op": "set", "path": path, "value": value })
}

fn edits(edits: &[Value]) -> Value {
    json!({ "edits": edits })
}

fn is_ack(answer: &Value) -> bool {
    answer["type"] == "ack"
}

#[track_caller]
fn refused(answer: &Value, code: &str) {
    assert_eq!(
        (&answer["type"], &answer["code"]),
        (&json!("nack"), &json!(code)),
        "{answer}"
    );
}

/// Both see what the table is.
#[track_caller]
fn agree(world: &mut World, members: [&mut Member; 2]) {
    let scene = world.scene();
    for member in members {
        member.read_all(world);
        assert_eq!(member.doc, scene, "{}", member.name);
        assert_eq!(member.seq, world.rules.doc.head());
    }
}

#[rstest]
#[case(set(json!(["gridSettings", "gridSize"]), json!(70)), "/gridSettings/gridSize", json!(70))]
#[case(set(json!(["gridSettings", "gridSize"]), Value::Null), "/gridSettings/gridSize", Value::Null)]
#[case(set(json!(["maps", {"name": "crypt.png"}, "data", "position"]), json!({"x": 9, "y": 4})), "/maps/1/data/position/y", json!(4))]
#[case(json!({"op": "delete", "path": ["aoeMarkers", {"id": "a1"}]}), "/aoeMarkers", json!([{"id": "a2"}]))]
#[case(json!({"op": "insert", "path": ["fogOfWar"], "value": {"id": "f9"}, "before": {"id": "f2"}}), "/fogOfWar/0/id", json!("f9"))]
#[case(json!({"op": "insert", "path": ["fogOfWar"], "value": {"id": "f9"}}), "/fogOfWar/1/id", json!("f9"))]
#[case(json!({"op": "move", "path": ["maps", {"name": "crypt.png"}], "before": {"name": "road.png"}}), "/maps/0/name", json!("crypt.png"))]
#[case(set(json!(["maps", {"name": "twin.png", "nth": 1}, "data", "n"]), json!(9)), "/maps/3/data/n", json!(9))]
#[case(set(json!(["maps", {"name": "twin.png"}, "data", "n"]), json!(9)), "/maps/2/data/n", json!(9))]
fn each_edit_does_what_it_says(#[case] edit: Value, #[case] place: &str, #[case] value: Value) {
    let (mut world, mut ada, mut bo) = table();
    let answer = ada.makes(&mut world, edits(&[edit]));
    assert!(is_ack(&answer), "{answer}");
    assert_eq!((&answer["seq"], &answer["prev"]), (&json!(1), &json!(0)));
    assert_eq!(world.scene().pointer(place), Some(&value));
    agree(&mut world, [&mut ada, &mut bo]);
}

#[rstest]
#[case::no_parent(set(json!(["none", "x"]), json!(1)), "conflict")]
#[case::no_match(set(json!(["aoeMarkers", {"id": "none"}, "x"]), json!(1)), "conflict")]
#[case::nothing_to_delete(json!({"op": "delete", "path": ["none"]}), "conflict")]
#[case::exists(json!({"op": "insert", "path": ["aoeMarkers"], "value": {"id": "a1"}}), "conflict")]
#[case::no_id(json!({"op": "insert", "path": ["aoeMarkers"], "value": {}}), "invalid")]
#[case::not_a_list(json!({"op": "insert", "path": ["id"], "value": {"id": "x"}}), "invalid")]
#[case::not_an_object(set(json!(["id", "x"]), json!(1)), "invalid")]
#[case::another_id(set(json!(["aoeMarkers", {"id": "a1"}, "id"]), json!("b")), "invalid")]
#[case::maps_go_by_name(json!({"op": "delete", "path": ["maps", {"id": "crypt.png"}]}), "invalid")]
fn edits_that_cannot_be_made_change_nothing_at_all(#[case] edit: Value, #[case] code: &str) {
    let (mut world, mut ada, mut bo) = table();
    let first = set(json!(["gridSettings", "gridSize"]), json!(70));
    let answer = ada.makes(&mut world, edits(&[first, edit]));
    refused(&answer, code);
    assert_eq!(answer["retry"], false);
    assert_eq!(world.scene(), serde_json::from_str::<Value>(SCENE).unwrap());
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn a_refusal_says_what_stands_there_and_only_to_the_sender() {
    let (mut world, mut ada, mut bo) = table();
    bo.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(60));
    ada.seq = 0;
    let answer = ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    refused(&answer, "conflict");
    assert_eq!(
        (&answer["head"], &answer["current"]),
        (&json!(1), &json!(60))
    );
    bo.read_all(&mut world);
    assert!(bo.answers.iter().all(|(_, answer)| is_ack(answer)));
}

#[test]
fn what_stands_there_is_told_as_the_sender_sees_it() {
    let (mut world, mut ada, _) = table();
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    let hidden = json!(["initiativeOrder", {"id": "e1"}, "mapPosition"]);
    ada.asks(
        &mut world,
        json!({ "type": "assign", "entry": "e1", "member": cleo.id }),
    );
    let base = cleo.seq;
    ada.sets(
        &mut world,
        hidden.clone(),
        json!({ "x": 5, "y": 5, "gm_note": "SECRET" }),
    );
    let edit = set(hidden, json!({ "x": 2, "y": 2 }));
    let answer = cleo.makes(&mut world, json!({ "edits": [edit], "base": base }));
    refused(&answer, "conflict");
    assert_eq!(answer["current"], json!({ "x": 5, "y": 5 }));
}

#[test]
fn changes_of_different_places_meet() {
    let (mut world, mut ada, mut bo) = table();
    let fog = |id: &str| json!({ "op": "insert", "path": ["fogOfWar"], "value": { "id": id } });
    assert!(is_ack(&ada.makes(&mut world, edits(&[fog("a")]))));
    // Bo has not read that yet, and adds fog, too.
    let message = bo.change(&new_id(), json!({ "edits": [fog("b")], "base": 0 }));
    world.say(bo.conn(), &message);
    bo.read_all(&mut world);
    let (_, answer) = bo.answers.last().unwrap().clone();
    assert_eq!(
        (&answer["seq"], &answer["rebased"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(world.scene()["fogOfWar"].as_array().map(Vec::len), Some(3));
    agree(&mut world, [&mut ada, &mut bo]);
}

/// What Ada did, what Bo did without having seen it, and whether that meets.
#[rstest]
#[case::below(set(json!(["gridSettings"]), json!({})), set(json!(["gridSettings", "gridSize"]), json!(9)), false)]
#[case::above(set(json!(["gridSettings", "gridSize"]), json!(9)), set(json!(["gridSettings"]), json!({})), false)]
#[case::beside(set(json!(["gridSettings", "gridSize"]), json!(9)), set(json!(["gridSettings", "x"]), json!(1)), true)]
#[case::same_thing(json!({"op":"insert","path":["fogOfWar"],"value":{"id":"n"}}), json!({"op":"insert","path":["fogOfWar"],"value":{"id":"n"}}), false)]
#[case::list_and_thing(set(json!(["fogOfWar"]), json!([])), json!({"op":"insert","path":["fogOfWar"],"value":{"id":"n"}}), false)]
#[case::deletion_wins(set(json!(["aoeMarkers",{"id":"a1"},"x"]), json!(1)), json!({"op":"delete","path":["aoeMarkers",{"id":"a1"}]}), true)]
#[case::no_resurrection(json!({"op":"delete","path":["aoeMarkers",{"id":"a1"}]}), set(json!(["aoeMarkers",{"id":"a1"},"x"]), json!(1)), false)]
#[case::moved_both(json!({"op":"move","path":["aoeMarkers",{"id":"a2"}],"before":{"id":"a1"}}), json!({"op":"move","path":["aoeMarkers",{"id":"a2"}]}), false)]
#[case::moved_another(json!({"op":"move","path":["aoeMarkers",{"id":"a2"}],"before":{"id":"a1"}}), set(json!(["aoeMarkers",{"id":"a1"},"x"]), json!(1)), true)]
#[case::before_is_gone(json!({"op":"delete","path":["fogOfWar",{"id":"f2"}]}), json!({"op":"insert","path":["fogOfWar"],"value":{"id":"n"},"before":{"id":"f2"}}), true)]
#[case::counted(set(json!(["gridSettings", "gridSize"]), json!(9)), set(json!(["maps",{"name":"twin.png","nth":1},"data","n"]), json!(3)), false)]
fn what_meets_and_what_clashes(#[case] ada_did: Value, #[case] bo_did: Value, #[case] meets: bool) {
    let (mut world, mut ada, mut bo) = table();
    assert!(is_ack(&ada.makes(&mut world, edits(&[ada_did]))));
    let id = new_id();
    let message = bo.change(&id, json!({ "edits": [bo_did], "base": 0 }));
    world.say(bo.conn(), &message);
    bo.read_all(&mut world);
    let answer = bo.answer_to(&id);
    assert_eq!(is_ack(&answer), meets, "{answer}");
    if !meets {
        refused(&answer, "conflict");
    }
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn a_scene_that_another_is_loaded_over_is_kept_aside() {
    let (mut world, mut ada, _bo) = table();
    let own = json!({ "scene": { "id": "s", "name": "the same, changed" }, "base": 0 });
    assert_eq!(ada.makes(&mut world, own)["type"], "ack");
    assert_eq!(world.aside, 0, "it is still on the table");
    let load = json!({ "scene": { "id": "t" }, "base": 1, "force": true });
    assert_eq!(ada.makes(&mut world, load)["type"], "ack");
    assert_eq!((world.scene(), world.aside), (json!({ "id": "t" }), 1));
}

#[rstest]
#[case::one_behind(false)]
#[case::insisting(true)]
fn a_load_on_top_of_what_its_gm_has_not_seen_keeps_that_aside_with_the_commit(#[case] force: bool) {
    let (mut world, mut ada, mut bo) = table();
    assert!(is_ack(&bo.sets(&mut world, json!(["gm_new"]), json!(1))));
    let mut load = json!({ "scene": { "id": "t" }, "base": 0 });
    if force {
        load["force"] = json!(true);
    }
    world.prompt = false;
    let message = ada.change(&new_id(), load);
    world.say(ada.conn(), &message);
    // Nothing has been acknowledged, and no second has passed.
    assert_eq!((world.aside, world.aside_written), (1, 1));
    world.settle_disk();
    assert_eq!(world.scene()["id"], "t");
}

#[test]
fn a_gm_may_insist() {
    let (mut world, mut ada, mut bo) = table();
    bo.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(60));
    let edit = set(json!(["gridSettings", "gridSize"]), json!(70));
    let forced = json!({ "edits": [edit], "base": 0, "force": true });
    assert!(is_ack(&ada.makes(&mut world, forced)));
    assert_eq!(world.scene()["gridSettings"]["gridSize"], 70);
    let whole = json!({ "scene": { "id": "s", "fogOfWar": [] }, "base": 0, "force": true });
    assert!(is_ack(&ada.makes(&mut world, whole)));
    assert_eq!(world.scene(), json!({ "id": "s", "fogOfWar": [] }));
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn a_player_cannot_insist() {
    let (mut world, mut ada, mut bo) = table();
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    ada.asks(
        &mut world,
        json!({ "type": "assign", "entry": "e1", "member": cleo.id }),
    );
    let place = json!(["initiativeOrder", {"id": "e1"}, "initiative"]);
    bo.sets(&mut world, place.clone(), json!(9));
    let edit = set(place, json!(1));
    let forced = json!({ "edits": [edit], "base": 0, "force": true });
    refused(&cleo.makes(&mut world, forced), "conflict");
}

#[rstest]
#[case::above_the_head(2)]
#[case::far_above(u64::MAX)]
fn a_base_that_never_was_is_refused_even_with_force(#[case] base: u64) {
    let (mut world, mut ada, _) = table();
    ada.sets(&mut world, json!(["gridSettings", "x"]), json!(1));
    for body in [json!({ "edits": [] }), json!({ "scene": { "id": "s" } })] {
        for force in [false, true] {
            let mut body = body.clone();
            (body["base"], body["force"]) = (json!(base), json!(force));
            refused(&ada.makes(&mut world, body), "conflict");
        }
    }
    assert_eq!(world.rules.doc.head(), 1);
}

#[test]
fn a_base_of_another_epoch_is_refused() {
    let (mut world, mut ada, _) = table();
    let body = json!({ "edits": [], "epoch": "0123456789abcdef" });
    refused(&ada.makes(&mut world, body), "conflict");
    let body = json!({ "edits": [], "epoch": ada.epoch });
    assert!(is_ack(&ada.makes(&mut world, body)));
}

#[test]
fn a_base_that_waits_for_the_disk_is_nobodys() {
    let (mut world, mut ada, mut bo) = table();
    world.prompt = false;
    let first = ada.change(&new_id(), edits(&[set(json!(["a"]), json!(1))]));
    world.say(ada.conn(), &first);
    world.settle_disk();
    let second = ada.change(&new_id(), edits(&[set(json!(["a"]), json!(2))]));
    world.say(ada.conn(), &second);
    let message = bo.change(&new_id(), json!({ "scene": { "id": "s" }, "base": 2 }));
    world.say(bo.conn(), &message);
    world.settle_disk();
    bo.read_all(&mut world);
    refused(&bo.answers.last().unwrap().1, "conflict");
    assert_eq!(world.scene()["a"], 1);
}

#[test]
fn an_ack_comes_after_the_disk_and_so_does_the_change() {
    let (mut world, mut ada, mut bo) = table();
    world.settle_disk();
    world.prompt = false;
    let id = new_id();
    let message = ada.change(&id, edits(&[set(json!(["a"]), json!(1))]));
    world.say(ada.conn(), &message);
    ada.read_all(&mut world);
    bo.read_all(&mut world);
    assert_eq!((ada.answer_to(&id), bo.seq), (Value::Null, 0));
    assert_eq!(world.rules.doc.head(), 0);
    assert!(world.answer(true));
    ada.read_all(&mut world);
    bo.read_all(&mut world);
    assert!(is_ack(&ada.answer_to(&id)));
    assert_eq!((ada.seq, bo.seq), (1, 1));
    let said = ada.news.iter().any(|message| message["type"] == "change");
    assert!(!said, "to its sender the ack stands for the change");
}

#[test]
fn what_waits_goes_into_the_next_commit_together() {
    let (mut world, mut ada, mut bo) = table();
    world.settle_disk();
    world.prompt = false;
    for n in 0..4 {
        let member = if n % 2 == 0 { &mut ada } else { &mut bo };
        let message = member.change(&new_id(), edits(&[set(json!([format!("k{n}")]), json!(n))]));
        world.say(member.conn(), &message);
    }
    // The first went at once, alone.
    assert!(world.answer(true));
    assert_eq!(world.rules.doc.head(), 1);
    assert!(world.answer(true));
    assert_eq!(world.rules.doc.head(), 4);
    assert!(world.disk.is_idle());
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn what_comes_together_is_committed_together_and_what_is_not_written_comes_behind_it() {
    let (mut world, mut ada, mut bo) = table();
    world.settle_disk();
    world.prompt = false;
    let mut change = |n: usize| {
        let member = if n.is_multiple_of(2) {
            &mut ada
        } else {
            &mut bo
        };
        let message = member.change(&new_id(), edits(&[set(json!([format!("k{n}")]), json!(n))]));
        (member.conn(), message)
    };
    let changes = [0, 1, 2, 3].map(&mut change);
    world.round(|world| {
        for (conn, message) in &changes {
            world.say(*conn, message);
        }
    });
    assert!(world.answer(true));
    assert_eq!(world.rules.doc.head(), 4);
    assert!(world.disk.is_idle());
    let [first, second] = [4, 5].map(change);
    let hint = r#"{"type":"hint","kind":"typing","key":"","data":null}"#;
    world.round(|world| {
        world.say(first.0, &first.1);
        world.say(first.0, hint);
        world.say(second.0, &second.1);
    });
    // The hint stood in between, so the first went alone.
    assert!(world.answer(true));
    assert_eq!(world.rules.doc.head(), 5);
    assert!(world.answer(true));
    assert!(world.disk.is_idle());
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn who_disagrees_with_what_is_not_durable_yet_is_judged_when_it_is() {
    for lands in [true, false] {
        let (mut world, mut ada, mut bo) = table();
        world.settle_disk();
        world.prompt = false;
        let (first, second) = (new_id(), new_id());
        let place = json!(["gridSettings", "gridSize"]);
        let adas = ada.change(&first, edits(&[set(place.clone(), json!(1))]));
        let bos = bo.change(&second, edits(&[set(place, json!(2))]));
        world.round(|world| {
            world.say(ada.conn(), &adas);
            world.say(bo.conn(), &bos);
        });
        bo.read_all(&mut world);
        assert_eq!(bo.answer_to(&second), Value::Null);
        assert!(world.answer(lands));
        world.settle_disk();
        ada.read_all(&mut world);
        bo.read_all(&mut world);
        let (ada, bo) = (ada.answer_to(&first), bo.answer_to(&second));
        if lands {
            assert!(is_ack(&ada));
            refused(&bo, "conflict");
            assert_eq!((&bo["head"], &bo["current"]), (&json!(1), &json!(1)));
        } else {
            for answer in [ada, bo] {
                refused(&answer, "storage");
                assert_eq!(answer["retry"], true);
            }
        }
        let shown = if lands { 1 } else { 50 };
        assert_eq!(world.scene()["gridSettings"]["gridSize"], shown);
    }
}

#[test]
fn a_round_larger_than_what_may_wait_is_no_reason_to_refuse_anything() {
    let (mut world, mut ada, _) = table();
    world.settle_disk();
    world.prompt = false;
    let large = "x".repeat(14 << 20);
    let changes = [(); 5].map(|()| {
        let message = ada.change(&new_id(), edits(&[set(json!(["k"]), json!(large))]));
        message.replace("\"base\"", "\"force\":true,\"base\"")
    });
    world.round(|world| {
        for message in &changes {
            world.say(ada.conn(), message);
        }
    });
    world.settle_disk();
    ada.read_all(&mut world);
    assert_eq!(ada.answers.len(), 5);
    for (_, answer) in &ada.answers {
        assert_ne!(answer["code"], "busy", "{answer}");
    }
    assert!(is_ack(&ada.answers[3].1));
}

#[test]
fn thousands_that_wait_go_in_bounded_shares_with_numbers_of_their_own() {
    let (mut world, mut ada, _) = table();
    world.settle_disk();
    world.prompt = false;
    for n in 0..2_500 {
        let message = ada.change(&new_id(), edits(&[set(json!(["k"]), json!(n))]));
        // Its own earlier ones count as others'.
        let forced = message.replace("\"base\"", "\"force\":true,\"base\"");
        world.say(ada.conn(), &forced);
    }
    let mut commits = 0;
    while world.answer(true) {
        commits += 1;
        let numbers = world.rules.doc.numbers();
        assert!(numbers.last() <= numbers.reserved());
    }
    assert_eq!(world.rules.doc.head(), 2_500);
    assert!((4..10).contains(&commits), "{commits}");
    ada.read_all(&mut world);
    assert!(ada.mine.is_empty());
}

#[test]
fn joiners_get_the_committed_head() {
    let (mut world, mut ada, _) = table();
    world.settle_disk();
    world.prompt = false;
    let message = ada.change(&new_id(), edits(&[set(json!(["a"]), json!(1))]));
    world.say(ada.conn(), &message);
    let mut cleo = Member::join(Role::Gm, "Cleo", &mut world);
    assert_eq!((cleo.seq, cleo.doc.get("a")), (0, None));
    world.settle_disk();
    agree(&mut world, [&mut ada, &mut cleo]);
}

#[test]
fn what_could_not_be_saved_is_refused_and_taken_back_with_all_that_was_built_on_it() {
    let (mut world, mut ada, mut bo) = table();
    world.settle_disk();
    world.prompt = false;
    let ids: Vec<String> = (0..3).map(|_| new_id()).collect();
    for (n, id) in ids.iter().enumerate() {
        let message = ada.change(id, edits(&[set(json!([format!("k{n}")]), json!(n))]));
        world.say(ada.conn(), &message);
    }
    // The first two commits fail: the second was never built on the first.
    assert!(world.answer(false) && world.answer(false));
    ada.read_all(&mut world);
    for id in &ids {
        refused(&ada.answer_to(id), "storage");
        assert_eq!(ada.answer_to(id)["retry"], true);
    }
    assert_eq!(world.rules.doc.head(), 0);
    world.prompt = true;
    assert_eq!(ada.sets(&mut world, json!(["k"]), json!(1))["seq"], 1);
    agree(&mut world, [&mut ada, &mut bo]);
    world.crash(0);
    assert_eq!(world.scene()["k"], 1);
    assert_eq!(world.scene().get("k0"), None);
}

#[test]
fn a_repeat_gets_the_same_answer_and_is_made_once() {
    let (mut world, mut ada, mut bo) = table();
    let id = new_id();
    let fog = json!({ "op": "insert", "path": ["fogOfWar"], "value": { "id": "n" } });
    let message = ada.change(&id, edits(&[fog]));
    world.say(ada.conn(), &message);
    ada.read_all(&mut world);
    let first = ada.answer_to(&id);
    // Something else happens, and everybody comes back on a new line.
    bo.sets(&mut world, json!(["x"]), json!(1));
    ada.drop_line(&mut world);
    ada.connect(&mut world);
    world.say(ada.conn(), &message);
    ada.read_all(&mut world);
    assert_eq!(ada.answer_to(&id), first);
    assert_eq!(world.rules.doc.head(), 2);
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn two_of_one_id_in_one_commit_are_one() {
    let (mut world, mut ada, mut bo) = table();
    world.settle_disk();
    world.prompt = false;
    let id = new_id();
    let message = ada.change(&id, edits(&[set(json!(["a"]), json!(1))]));
    for _ in 0..3 {
        world.say(ada.conn(), &message);
    }
    world.settle_disk();
    ada.read_all(&mut world);
    let answers: Vec<&Value> = ada
        .answers
        .iter()
        .map(|(_, answer)| &answer["seq"])
        .collect();
    assert_eq!(answers, [&json!(1), &json!(1), &json!(1)]);
    assert_eq!(world.rules.doc.head(), 1);
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn an_id_is_known_for_ten_minutes_and_then_refused_by_its_base() {
    let (mut world, mut ada, mut bo) = table();
    let id = new_id();
    let fog = json!({ "op": "insert", "path": ["fogOfWar"], "value": { "id": "n" } });
    let message = ada.change(&id, json!({ "edits": [fog], "force": true }));
    world.say(ada.conn(), &message);
    bo.read_all(&mut world);
    let delete = json!({ "op": "delete", "path": ["fogOfWar", {"id": "n"}] });
    assert!(is_ack(&bo.makes(&mut world, edits(&[delete]))));
    world.advance(590_000);
    world.say(ada.conn(), &message);
    ada.read_all(&mut world);
    assert!(is_ack(&ada.answer_to(&id)));
    world.advance(15_000);
    world.say(ada.conn(), &message);
    ada.read_all(&mut world);
    refused(&ada.answer_to(&id), "conflict");
    assert_eq!(world.rules.doc.head(), 2);
}

#[test]
fn a_whole_document_is_rebased_by_what_it_changed() {
    let (mut world, mut ada, mut bo) = table();
    let mut doc = bo.doc.clone();
    doc["gridSettings"]["gridSize"] = json!(70);
    ada.sets(&mut world, json!(["a"]), json!(1));
    let id = new_id();
    let message = bo.change(&id, json!({ "scene": doc, "base": 0 }));
    world.say(bo.conn(), &message);
    bo.read_all(&mut world);
    let answer = bo.answer_to(&id);
    assert_eq!(answer["rebased"], true);
    assert_eq!(
        answer["edits"],
        json!([set(json!(["gridSettings", "gridSize"]), json!(70))])
    );
    assert_eq!(world.scene()["a"], 1);
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn an_edit_that_became_less_in_the_senders_view_is_told_as_that() {
    let (mut world, mut ada, _) = table();
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    ada.asks(
        &mut world,
        json!({ "type": "assign", "entry": "e1", "member": cleo.id }),
    );
    let points = json!([{"x": 10, "y": 10}, {"x": 30, "y": 10}, {"x": 30, "y": 30}]);
    ada.sets(
        &mut world,
        json!(["fogOfWar", {"id": "f2"}, "points"]),
        points,
    );
    let entry = json!(["initiativeOrder", {"id": "e1"}, "isPlayer"]);
    ada.sets(&mut world, entry, json!(false));
    let place = json!(["initiativeOrder", {"id": "e1"}, "mapPosition"]);
    // Where it went, under fog, stays with the GM.
    let answer = cleo.sets(&mut world, place, json!({ "x": 25, "y": 15 }));
    assert!(is_ack(&answer) && answer.get("edits").is_some(), "{answer}");
    let known = &cleo.doc["initiativeOrder"][0];
    assert_eq!(known.get("mapPosition"), None, "{known}");
    assert_eq!(cleo.seq, world.rules.doc.head());
}

#[test]
fn more_than_most_of_the_scene_goes_out_as_the_scene() {
    let (mut world, mut ada, mut bo) = table();
    let conn = bo.conn();
    world.heard(conn);
    ada.sets(&mut world, json!(["notes"]), json!("n".repeat(10_000)));
    let said = world.heard(conn);
    assert_eq!(
        (&said[0]["type"], &said[0]["seq"]),
        (&json!("scene"), &json!(1))
    );
    bo.read(&said[0].to_string());
    ada.sets(&mut world, json!(["a"]), json!(1));
    let said = world.heard(conn);
    assert_eq!(
        (&said[0]["type"], &said[0]["prev"]),
        (&json!("change"), &json!(1))
    );
    bo.read(&said[0].to_string());
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn a_scene_larger_than_a_frame_is_refused() {
    let mut world = World::new(Some(SCENE)).frame_bytes(1_000);
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    let answer = ada.sets(&mut world, json!(["notes"]), json!("n".repeat(900)));
    refused(&answer, "too_large");
    assert!(is_ack(&ada.sets(&mut world, json!(["notes"]), json!("n"))));
}

#[test]
fn a_connection_that_fell_behind_gets_one_scene_and_has_lost_nothing() {
    let (mut world, mut ada, mut bo) = table();
    world.stick(bo.conn(), true);
    for n in 0..200 {
        ada.sets(&mut world, json!([format!("k{}", n % 7)]), json!(n));
    }
    world.stick(bo.conn(), false);
    let said = world.heard(bo.conn());
    let states: Vec<&Value> = said.iter().filter(|m| m["seq"].is_number()).collect();
    assert_eq!(states.len(), 1);
    bo.read(&states[0].to_string());
    assert_eq!(bo.lost, 0);
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn who_lost_the_thread_is_answered_with_the_scene() {
    let (mut world, mut ada, mut bo) = table();
    ada.sets(&mut world, json!(["a"]), json!(1));
    world.read(bo.conn());
    ada.sets(&mut world, json!(["a"]), json!(2));
    // It missed one, asks, and gets what there is: its own number or a higher one.
    bo.read_all(&mut world);
    assert_eq!((bo.lost, bo.seq), (1, 0));
    bo.read_all(&mut world);
    agree(&mut world, [&mut ada, &mut bo]);
    // Too soon: it is answered all the same, and only once, when a second has passed.
    for _ in 0..5 {
        world.say(bo.conn(), r#"{"type":"resync","seq":2}"#);
    }
    assert!(world.heard(bo.conn()).is_empty());
    world.advance(2_000);
    let said = world.heard(bo.conn());
    assert_eq!((said.len(), &said[0]["seq"]), (1, &json!(2)));
    world.advance(2_000);
    world.say(bo.conn(), r#"{"type":"resync","seq":2}"#);
    assert_eq!(world.heard(bo.conn()).len(), 1);
}

#[test]
fn an_ack_waits_for_what_comes_before_it() {
    let (mut world, mut ada, mut bo) = table();
    world.stick(bo.conn(), true);
    ada.sets(&mut world, json!(["a"]), json!(1));
    let message = bo.change(
        &new_id(),
        json!({ "edits": [set(json!(["b"]), json!(1))], "base": 0 }),
    );
    world.say(bo.conn(), &message);
    world.stick(bo.conn(), false);
    // Answers go in front of state.
    let said = world.heard(bo.conn());
    let kinds: Vec<&str> = said.iter().map(|m| m["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ack", "change"]);
    bo.read(&said[0].to_string());
    assert_eq!(bo.seq, 0);
    bo.read(&said[1].to_string());
    assert_eq!((bo.seq, bo.lost), (2, 0));
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn what_nobody_can_read_is_answered_and_the_connection_lives_on() {
    let (mut world, mut ada, _) = table();
    let conn = ada.conn();
    world.heard(conn);
    for (said, heard) in [
        (r#"{"type":"dance","id":"x"}"#, "error"),
        ("not json", "error"),
        (r#"{"id":"x"}"#, "error"),
        (r#"{"type":"hello"}"#, "error"),
        (r#"{"type":"change","id":"x","base":0,"edits":[]}"#, "nack"),
        (
            r#"{"type":"change","id":"5f043c1c-8051-45d0-846b-2dda3a293c2c","edits":[]}"#,
            "nack",
        ),
        (
            r#"{"type":"change","id":"5f043c1c-8051-45d0-846b-2dda3a293c2c","base":0}"#,
            "nack",
        ),
        (r#"{"type":"chat","id":"x","text":" "}"#, "nack"),
    ] {
        world.say(conn, said);
        let told = world.heard(conn);
        assert_eq!(told.len(), 1, "{said}");
        assert_eq!(told[0]["type"], heard, "{said}");
    }
    let known = r#"{"type":"change","id":"5f043c1c-8051-45d0-846b-2dda3a293c2c","base":0,"edits":[],"new":{}}"#;
    world.say(conn, known);
    ada.read_all(&mut world);
    assert!(
        is_ack(&ada.answers.last().unwrap().1),
        "unknown members are ignored"
    );
}

#[test]
fn a_scene_that_was_only_told_is_journaled_in_front_of_what_is_built_on_it() {
    let (mut world, mut ada, _) = table();
    world.advance(1_000);
    world.prompt = false;
    let page = world.page(Role::Gm);
    let mut scene: Value = world.scene();
    let said = |world: &mut World, scene: &Value| {
        world.say(
            page,
            &json!({ "type": "scene_update", "scene": scene }).to_string(),
        );
    };
    scene["page"] = json!(1);
    said(&mut world, &scene);
    // Chat in front of a change, each in a commit.
    world.say(
        ada.conn(),
        &json!({ "type": "chat", "id": new_id(), "text": "hi" }).to_string(),
    );
    world.say(
        ada.conn(),
        &json!({ "type": "chat", "id": new_id(), "text": "ho" }).to_string(),
    );
    let message = ada.change(
        &new_id(),
        json!({ "edits": [set(json!(["a"]), json!(1))], "base": 0 }),
    );
    world.say(ada.conn(), &message);
    world.advance(1_000);
    world.settle_disk();
    ada.read_all(&mut world);
    assert!(ada.mine.is_empty());
    world.crash(0);
    assert_eq!(
        (&world.scene()["page"], &world.scene()["a"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn chat_alone_makes_no_scene_durable() {
    let (mut world, mut ada, _) = table();
    world.advance(1_000);
    let page = world.page(Role::Gm);
    world.prompt = false;
    let mut scene: Value = world.scene();
    scene["page"] = json!(1);
    world.say(
        page,
        &json!({ "type": "scene_update", "scene": scene }).to_string(),
    );
    world.say(
        ada.conn(),
        &json!({ "type": "chat", "id": new_id(), "text": "hi" }).to_string(),
    );
    // The second hand passes while the chat is on its way.
    world.advance(1_000);
    world.settle_disk();
    world.prompt = true;
    ada.read_all(&mut world);
    assert!(is_ack(&ada.sets(&mut world, json!(["a"]), json!(1))));
    world.crash(0);
    assert_eq!(
        (&world.scene()["page"], &world.scene()["a"]),
        (&json!(1), &json!(1))
    );
}

fn put(world: &mut World, scene: &Value, fits: bool) -> Result<u64, &'static str> {
    let (reply, mut answer) = oneshot::channel();
    let scene = text(&scene.to_string());
    let fits = Box::new(move |_: &crate::json::JsonText| fits);
    world.ask(Request::Put(Put::Scene { scene, fits, reply }));
    answer.try_recv().unwrap().map_err(|refusal| refusal.code)
}

#[test]
fn a_scene_put_by_rest_is_a_change_like_any_other() {
    let (mut world, mut ada, mut bo) = table();
    assert_eq!(put(&mut world, &json!({ "id": "t" }), true), Ok(1));
    agree(&mut world, [&mut ada, &mut bo]);
    assert_eq!(world.aside, 1, "the replaced one is kept");
    assert_eq!(
        put(&mut world, &json!({ "id": "u" }), false),
        Err("precondition")
    );
    assert_eq!(
        put(&mut world, &json!({ "id": "t" }), true),
        Ok(1),
        "nothing new"
    );
    world.crash(0);
    assert_eq!(world.scene(), json!({ "id": "t" }));
}

#[test]
fn a_put_that_could_not_be_saved_says_so() {
    let (mut world, _, _) = table();
    world.settle_disk();
    world.prompt = false;
    let (reply, mut answer) = oneshot::channel();
    let fits = Box::new(|_: &crate::json::JsonText| true);
    let scene = text("{}");
    world.ask(Request::Put(Put::Scene { scene, fits, reply }));
    assert!(
        answer.try_recv().is_err(),
        "nothing is said before the disk has answered"
    );
    world.answer(false);
    assert_eq!(answer.try_recv().unwrap().unwrap_err().code, "storage");
}

fn rename(world: &mut World, id: &str, from: &str, to: &str) -> bool {
    let path = |path: &str| AssetPath::parse(path).unwrap();
    let (reply, mut answer) = oneshot::channel();
    let map_move = MapMove {
        from: path(from),
        to: path(to),
        namesakes: vec![path(from)],
    };
    let id = id.to_owned();
    world.ask(Request::Put(Put::MapMoved {
        map_move,
        id,
        reply,
    }));
    answer.try_recv().unwrap().unwrap()
}

#[test]
fn a_renamed_map_is_followed_once_also_across_a_crash() {
    let (mut world, mut ada, mut bo) = table();
    assert!(rename(&mut world, "op-1", "road.png", "path.png"));
    agree(&mut world, [&mut ada, &mut bo]);
    assert_eq!(world.scene()["maps"][0]["name"], "path.png");
    world.crash(0);
    // Somebody names another map so meanwhile; the operation is completed at the start.
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    let map = json!({ "op": "insert", "path": ["maps"], "value": { "name": "road.png" } });
    ada.makes(&mut world, edits(&[map]));
    assert!(rename(&mut world, "op-1", "road.png", "path.png"));
    let names = world.scene()["maps"].to_string();
    assert!(names.contains("road.png") && names.contains("path.png"));
    assert!(
        !rename(&mut world, "op-2", "none.png", "x.png"),
        "the scene does not show it"
    );
}

#[test]
fn passing_state_is_neither_journaled_nor_kept() {
    let (mut world, mut ada, mut bo) = table();
    world.settle_disk();
    let records = world.disk.records.len();
    world.say(
        ada.conn(),
        r#"{"type":"hint","kind":"drag","key":"e1","data":{"x":1}}"#,
    );
    world.stick(bo.conn(), true);
    for x in [2, 3] {
        let hint = json!({ "type": "hint", "kind": "drag", "key": "e1", "data": { "x": x } });
        world.say(ada.conn(), &hint.to_string());
    }
    world.stick(bo.conn(), false);
    let told = bo.told(&mut world, "hint");
    let xs: Vec<&Value> = told.iter().map(|hint| &hint["data"]["x"]).collect();
    assert_eq!(xs, [&json!(1), &json!(3)], "the newest wins");
    assert_eq!(told[0]["from"], json!(ada.id));
    assert_eq!(
        (world.disk.records.len(), world.rules.doc.head()),
        (records, 0)
    );
    assert!(ada.told(&mut world, "hint").is_empty());
}

#[test]
fn one_order_holds_for_all() {
    let (mut world, mut ada, mut bo) = table();
    world.settle_disk();
    world.prompt = false;
    for n in 0..10 {
        for member in [&mut ada, &mut bo] {
            let edit = set(json!([format!("{}{n}", member.name)]), json!(n));
            let message = member.change(&new_id(), edits(&[edit]));
            world.say(member.conn(), &message);
        }
        world.answer(true);
    }
    world.settle_disk();
    ada.read_all(&mut world);
    bo.read_all(&mut world);
    let mut numbers: Vec<u64> = [&ada, &bo]
        .iter()
        .flat_map(|m| m.answers.iter().map(|(_, a)| a["seq"].as_u64().unwrap()))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<u64>>());
    agree(&mut world, [&mut ada, &mut bo]);
}

#[test]
fn a_difference_of_many_edits_is_there_after_a_crash() {
    let (mut world, mut ada, mut bo) = table();
    let mut doc = ada.doc.clone();
    for n in 0..1_500 {
        doc["fogOfWar"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "id": n }));
    }
    bo.sets(&mut world, json!(["a"]), json!(1));
    let answer = ada.makes(&mut world, json!({ "scene": doc, "base": 0 }));
    assert_eq!(answer["rebased"], true);
    let last = Record::decode(world.disk.records.last().unwrap());
    assert!(matches!(
        last,
        Some((Record::Change { whole: true, .. }, _))
    ));
    let epoch = world.rules.doc.epoch();
    world.crash(0);
    assert_eq!(world.rules.doc.epoch(), epoch);
    assert_eq!(
        world.scene()["fogOfWar"].as_array().map(Vec::len),
        Some(1_501)
    );
}
