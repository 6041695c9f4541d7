//! SpellTable's `/ws`: who gets what in both of its versions, and what a scene without a base means
//! (live-sync, section 3).

use super::clients::{Member, Page, new_id};
use super::world::World;
use crate::access::Role;
use crate::config::Echo;
use crate::dialects::table::{Put, Request};
use crate::live::ConnId;
use crate::model::MapMove;
use crate::store::AssetPath;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::oneshot;

const SCENE: &str = r#"{"id":"s","maps":[{"name":"a.png"}],"gridSettings":{"gridSize":50},"aoeMarkers":[{"id":"m1"},{"id":"m2"}],"fogOfWar":[]}"#;

/// A table with two GM's pages and a player's.
fn table(scene: Option<&str>) -> (World, ConnId, ConnId, ConnId) {
    let mut world = World::new(scene);
    world.advance(1_000);
    let gm = world.page(Role::Gm);
    let other = world.page(Role::Gm);
    let tv = world.page(Role::Player);
    // Nothing that they send from now on may be something that waited.
    world.advance(6_000);
    for conn in [gm, other, tv] {
        world.read(conn);
    }
    (world, gm, other, tv)
}

fn update(scene: &str) -> String {
    format!(r#"{{"type":"scene_update","scene":{scene}}}"#)
}

// Who gets what

#[test]
fn whoever_connects_is_greeted_and_sees_the_scene() {
    let mut world = World::new(Some(r#"{"id":"a"}"#));
    for role in [Role::Gm, Role::Player, Role::Display] {
        let conn = world.page(role);
        assert_eq!(
            world.read(conn),
            [
                r#"{"type":"connection_status","status":"connected"}"#.to_owned(),
                update(r#"{"id":"a"}"#),
            ]
        );
    }
}

#[test]
fn nothing_is_shown_while_there_is_nothing() {
    let mut world = World::new(None);
    for role in [Role::Gm, Role::Player] {
        let conn = world.page(role);
        assert_eq!(world.read(conn).len(), 1);
        world.say(conn, r#"{"type":"request_scene_update"}"#);
        assert!(world.read(conn).is_empty());
    }
}

#[test]
fn the_first_scene_reaches_players_even_if_they_see_nothing_of_it() {
    let (mut world, gm, _, tv) = table(None);
    world.say(gm, &update(r#"{"gm_plan":"SECRET"}"#));
    assert_eq!(world.read(tv), [update("{}")]);
}

#[test]
fn the_old_frontend_gets_its_scene_back_and_the_new_one_does_not() {
    let (mut world, gm, other, tv) = table(None);
    world.say(
        gm,
        r#"{"extra":1,"type":"scene_update","scene":{"name":"1.0"}}"#,
    );
    let plain = update(r#"{"name":"1.0"}"#);
    assert_eq!(world.read(gm), [&*plain]);
    assert_eq!(world.read(other), [&*plain]);
    assert_eq!(world.read(tv), [&*plain]);
    // It shows itself as the new one: from now on no echo for anything. Its message goes around
    // whole, but not to players.
    let newest = r#"{"extra":1,"type":"scene_update","scene":{"fogOfWar":[]}}"#;
    world.say(gm, newest);
    assert!(world.read(gm).is_empty());
    assert_eq!(world.read(other), [newest]);
    assert_eq!(world.read(tv), [update(r#"{"fogOfWar":[]}"#)]);
    world.say(gm, &update("{}"));
    assert!(world.read(gm).is_empty());
}

#[rstest]
#[case(Echo::Always, true)]
#[case(Echo::Never, false)]
fn the_setting_counts_more_than_the_version(#[case] echo: Echo, #[case] comes_back: bool) {
    for scene in ["{}", r#"{"fogOfWar":[]}"#] {
        let mut world = World::with(echo, None);
        let gm = world.page(Role::Gm);
        world.read(gm);
        world.say(gm, &update(scene));
        assert_eq!(!world.read(gm).is_empty(), comes_back);
    }
}

#[rstest]
#[case(
    r#"{"type":"highlight_marker","markerId":"m1","x":1}"#,
    Some(r#"{"type":"highlight_marker","markerId":"m1"}"#)
)]
#[case(r#"{"type":"highlight_marker"}"#, None)]
#[case(
    r#"{"type":"blank_viewer","isBlank":false,"y":1}"#,
    Some(r#"{"type":"blank_viewer","isBlank":true}"#)
)]
#[case(
    r#"{"type":"unblank_viewer"}"#,
    Some(r#"{"type":"unblank_viewer","isBlank":false}"#)
)]
#[case(
    r#"{"type":"rotate_viewer"}"#,
    Some(r#"{"type":"rotate_viewer","isRotated":true}"#)
)]
#[case(
    r#"{"type":"unrotate_viewer"}"#,
    Some(r#"{"type":"unrotate_viewer","isRotated":false}"#)
)]
#[case(
    r#"{"points":[1],"z":2,"type":"scene_event","eventType":"ripple_effect","y":2.50,"x":1}"#,
    Some(r#"{"type":"scene_event","eventType":"ripple_effect","x":1,"y":2.50,"points":[1]}"#)
)]
#[case(r#"{"type":"scene_event"}"#, None)]
#[case(r#"{"type":"ping"}"#, None)]
#[case(r#"{"type":"what"}"#, None)]
#[case("{}", None)]
#[case("not json", None)]
#[case("[1]", None)]
#[case(r#"{"type":"scene_update"}"#, None)]
#[case(r#"{"type":"scene_update","scene":null}"#, None)]
#[case(r#"{"type":"scene_update","scene":{"a":1,"a":2}}"#, None)]
fn only_known_members_of_events_reach_the_others(#[case] said: &str, #[case] heard: Option<&str>) {
    let (mut world, gm, other, tv) = table(None);
    world.say(gm, said);
    assert!(world.read(gm).is_empty());
    assert_eq!(world.read(other), Vec::from_iter(heard));
    assert_eq!(world.read(tv), Vec::from_iter(heard));
}

#[rstest]
#[case(r#""trap""#, r#"{"id":"trap","revealed":false}"#)]
#[case("7", r#"{"id":7,"revealed":false}"#)]
fn the_highlight_of_a_hidden_marker_reaches_no_player(#[case] id: &str, #[case] marker: &str) {
    let scene = format!(r#"{{"aoeMarkers":[{marker},{{"id":"fire"}}]}}"#);
    let (mut world, gm, other, tv) = table(Some(&scene));
    world.say(
        gm,
        &format!(r#"{{"type":"highlight_marker","markerId":{id}}}"#),
    );
    assert_eq!(world.read(other).len(), 1);
    assert!(world.read(tv).is_empty());
    world.say(gm, r#"{"type":"highlight_marker","markerId":"fire"}"#);
    assert_eq!(world.read(tv).len(), 1);
}

#[test]
fn a_player_changes_nothing_and_is_shown_the_truth_once_a_second() {
    let (mut world, _, other, tv) = table(Some(r#"{"id":"a"}"#));
    let truth = update(r#"{"id":"a"}"#);
    let attempt = update(r#"{"id":"b"}"#);
    world.say(tv, &attempt);
    assert_eq!(world.read(tv), [&*truth]);
    world.say(tv, &attempt);
    world.say(tv, &attempt);
    world.say(tv, r#"{"type":"blank_viewer"}"#);
    assert!(world.read(tv).is_empty());
    // What it made up last snaps back, too.
    world.advance(2_000);
    assert_eq!(world.read(tv), [&*truth]);
    world.advance(10_000);
    assert!(world.read(tv).is_empty());
    world.say(tv, r#"{"type":"request_scene_update"}"#);
    assert_eq!(world.read(tv), [&*truth]);
    assert!(world.read(other).is_empty());
    assert_eq!(world.scene(), json!({ "id": "a" }));
}

#[test]
fn a_reloaded_viewer_is_still_blank() {
    let (mut world, gm, ..) = table(None);
    world.say(gm, r#"{"type":"blank_viewer"}"#);
    let tv = world.page(Role::Player);
    assert_eq!(world.read(tv).len(), 2);
    world.say(gm, r#"{"type":"unblank_viewer"}"#);
    let tv = world.page(Role::Player);
    assert_eq!(world.read(tv).len(), 1);
}

#[test]
fn a_renamed_map_is_told_to_everyone_as_one_scene() {
    let (mut world, gm, other, tv) = table(Some(r#"{"maps":[{"name":"a.png"}]}"#));
    let path = |p: &str| AssetPath::parse(p).unwrap();
    let rename = || MapMove {
        from: path("a.png"),
        to: path("b.png"),
        namesakes: vec![path("a.png")],
    };
    for (id, follows) in [("1", true), ("2", false)] {
        let (reply, mut answer) = oneshot::channel();
        let id = id.to_owned();
        let map_move = rename();
        world.ask(Request::Put(Put::MapMoved {
            map_move,
            id,
            reply,
        }));
        assert_eq!(answer.try_recv().unwrap().ok(), Some(follows));
    }
    for conn in [gm, other, tv] {
        assert_eq!(world.read(conn), [update(r#"{"maps":[{"name":"b.png"}]}"#)]);
    }
    world.advance(1_000);
    assert_eq!(
        world.files.last().unwrap().as_str(),
        r#"{"maps":[{"name":"b.png"}]}"#
    );
}

#[test]
fn players_see_their_view() {
    let scene = r#"{"maps":[{"name":"SECRET.png","data":{"isHidden":true}}],"gm_x":"SECRET","initiativeOrder":[{"id":"g","hp":7770007712}]}"#;
    let (mut world, gm, _, tv) = table(Some(scene));
    world.say(gm, &update(&scene.replace("12", "13")));
    assert_eq!(
        world.read(tv),
        [] as [String; 0],
        "hit points between two marks are nobody's business"
    );
    world.say(gm, &update(&scene.replace("7770007712", "0")));
    let seen = r#"{"maps":[],"initiativeOrder":[{"id":"g","health":"down"}]}"#;
    assert_eq!(world.read(tv), [update(seen)]);
}

#[test]
fn a_scene_equal_to_the_head_goes_around_without_a_number() {
    let (mut world, gm, other, _) = table(Some(SCENE));
    world.say(gm, &update(SCENE));
    assert_eq!(world.read(other), [update(SCENE)]);
    assert_eq!(world.rules.doc.head(), 0);
}

#[test]
fn a_scene_equal_to_one_that_is_not_saved_is_not_told_either() {
    let (mut world, gm, other, _) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    world.settle_disk();
    world.prompt = false;
    let edit = json!({ "op": "set", "path": ["name"], "value": "x" });
    let said = ada.change(&new_id(), json!({ "edits": [edit] }));
    world.say(ada.conn(), &said);
    // Waits behind that, and so does the page that says the same.
    let edit = json!({ "op": "set", "path": ["a"], "value": 1 });
    let said = ada.change(&new_id(), json!({ "edits": [edit] }));
    world.say(ada.conn(), &said);
    let both = SCENE.replace("\"fogOfWar\":[]", "\"fogOfWar\":[],\"name\":\"x\",\"a\":1");
    world.say(gm, &update(&both));
    assert!(world.answer(true));
    assert_eq!(world.read(other).len(), 1);
    assert!(world.answer(false));
    let shown = SCENE.replace("\"fogOfWar\":[]", "\"fogOfWar\":[],\"name\":\"x\"");
    assert!(world.read(other).is_empty());
    assert_eq!(world.read(gm), [update(&shown), update(&shown)]);
}

// What a scene means

/// The page's scene with one change.
fn with(scene: &Value, pointer: &str, value: Value) -> String {
    let mut scene = scene.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    scene.pointer_mut(parent).unwrap()[key] = value;
    scene.to_string()
}

fn scene() -> Value {
    serde_json::from_str(SCENE).unwrap()
}

#[test]
fn while_nobody_else_writes_a_scene_is_taken_as_it_is() {
    let (mut world, gm, ..) = table(Some(SCENE));
    // Even one that forgets half of it.
    for scene in [r#"{"id":"s","a":1}"#, r#"{"id":"s"}"#, SCENE] {
        world.say(gm, &update(scene));
        assert_eq!(world.rules.doc.scene().as_str(), scene);
    }
    // No difference was made for any of these.
    let steps: Vec<bool> = world
        .rules
        .doc
        .past()
        .map(|step| step.edits.is_some())
        .collect();
    assert_eq!(steps, [false; 3]);
}

#[test]
fn differences_are_made_only_when_a_member_reads_them() {
    let mut world = World::new(Some(SCENE));
    let gm = world.page(Role::Gm);
    let known = |world: &World| world.rules.doc.past().next_back().unwrap().edits.is_some();
    world.say(gm, &update(&with(&scene(), "/a", json!(1))));
    assert!(!known(&world));
    let tv = world.page(Role::Player);
    world.say(gm, &update(&with(&scene(), "/a", json!(2))));
    assert!(!known(&world), "a filtered page gets whole scenes");
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    world.say(gm, &update(&with(&scene(), "/name", json!("3"))));
    assert!(known(&world));
    assert_eq!(world.read(tv).len(), 3);
    cleo.read_all(&mut world);
    assert_eq!(cleo.doc["name"], "3");
    // And for two minutes after.
    cleo.drop_line(&mut world);
    world.say(gm, &update(&with(&scene(), "/a", json!(4))));
    assert!(known(&world));
    world.advance(130_000);
    world.say(gm, &update(&with(&scene(), "/a", json!(5))));
    assert!(!known(&world));
}

#[test]
fn a_page_that_is_behind_undoes_nobodys_change() {
    let (mut world, gm, other, _) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    world.say(
        other,
        &update(&with(&scene(), "/aoeMarkers", json!([{"id":"m1"}]))),
    );
    world.read(gm);
    world.read(other);
    // Neither Ada's nor the other page's was seen by this one.
    world.say(gm, &update(&with(&scene(), "/name", json!("x"))));
    let merged = world.scene();
    assert_eq!(
        (
            &merged["gridSettings"]["gridSize"],
            &merged["aoeMarkers"],
            &merged["name"]
        ),
        (&json!(70), &json!([{"id":"m1"}]), &json!("x"))
    );
    // The result goes back to the sender, too.
    let told = update(world.rules.doc.scene().as_str());
    assert_eq!(world.read(gm), [&*told]);
    assert_eq!(world.read(other), [&*told]);
    ada.read_all(&mut world);
    assert_eq!(ada.doc, merged);
}

#[test]
fn a_page_behind_a_commit_undoes_nothing_of_it() {
    let (mut world, gm, ..) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    world.settle_disk();
    world.prompt = false;
    for (n, place) in ["a", "b"].iter().enumerate() {
        let edit = json!({ "op": "set", "path": [place], "value": n });
        let said = ada.change(&new_id(), json!({ "edits": [edit] }));
        world.say(ada.conn(), &said);
    }
    world.say(gm, &update(&with(&scene(), "/name", json!("x"))));
    world.settle_disk();
    let merged = world.scene();
    assert_eq!(
        (&merged["a"], &merged["b"], &merged["name"]),
        (&json!(0), &json!(1), &json!("x"))
    );
}

#[test]
fn an_acknowledged_change_that_a_page_may_not_have_seen_stays() {
    for (age, stays) in [(0, true), (1_900, true), (2_100, false)] {
        let (mut world, gm, ..) = table(Some(SCENE));
        let mut ada = Member::join(Role::Gm, "Ada", &mut world);
        ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
        world.advance(age);
        world.say(
            gm,
            &update(&with(&scene(), "/gridSettings/gridSize", json!(60))),
        );
        let size = if stays { 70 } else { 60 };
        assert_eq!(
            world.scene()["gridSettings"]["gridSize"],
            size,
            "after {age} ms"
        );
        let mut shown = Page::new(Role::Gm);
        shown.conn = Some(gm);
        shown.read_all(&mut world);
        assert_eq!(shown.doc.unwrap()["gridSettings"]["gridSize"], size);
    }
}

#[test]
fn how_slow_the_disk_is_makes_nobody_lose() {
    let (mut world, gm, ..) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    world.settle_disk();
    world.prompt = false;
    let edit = json!({ "op": "set", "path": ["gridSettings", "gridSize"], "value": 70 });
    let said = ada.change(&new_id(), json!({ "edits": [edit] }));
    world.say(ada.conn(), &said);
    world.say(
        gm,
        &update(&with(&scene(), "/gridSettings/gridSize", json!(60))),
    );
    world.advance(30_000);
    world.settle_disk();
    assert_eq!(world.scene()["gridSettings"]["gridSize"], 70);
}

#[test]
fn the_base_is_what_differs_least_and_the_older_one_on_a_tie() {
    let (mut world, gm, other, _) = table(Some(SCENE));
    // Another page puts the same place back and forth; this one has seen the first of it.
    for size in [60, 50] {
        world.say(
            other,
            &update(&with(&scene(), "/gridSettings/gridSize", json!(size))),
        );
    }
    world.say(gm, &update(&with(&scene(), "/name", json!("x"))));
    assert_eq!(world.scene()["name"], "x");
    assert_eq!(world.scene()["gridSettings"]["gridSize"], 50);
}

#[test]
fn what_a_page_puts_back_itself_is_put_back() {
    let (mut world, gm, other, _) = table(Some(SCENE));
    let size = "/gridSettings/gridSize";
    world.say(gm, &update(&with(&scene(), size, json!(1234567))));
    world.advance(2_500);
    // Less than the page takes back below.
    let theirs: Value = serde_json::from_str(&with(&world.scene(), "/a", json!(1))).unwrap();
    world.say(other, &update(&theirs.to_string()));
    world.advance(2_500);
    world.read(gm);
    let back = with(&theirs, size, json!(50));
    world.say(gm, &update(&back));
    assert_eq!(world.rules.doc.scene().as_str(), back);
    assert!(world.read(gm).is_empty(), "nothing snaps back");
}

#[test]
fn a_page_goes_on_from_what_it_sent_itself() {
    let (mut world, gm, ..) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    // It has not read the merged scene yet, and changes more and more.
    let mut shown = scene();
    for n in 0..12 {
        shown["aoeMarkers"][n % 2][format!("k{n}")] = json!(n);
        world.say(gm, &update(&shown.to_string()));
        assert_eq!(world.scene()["gridSettings"]["gridSize"], 70, "after {n}");
    }
    assert_eq!(world.scene()["aoeMarkers"], shown["aoeMarkers"]);
}

#[test]
fn another_scene_is_loaded_whole() {
    let (mut world, gm, other, _) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    world.say(gm, &update(r#"{"id":"t","gridSettings":{}}"#));
    assert_eq!(world.scene(), json!({ "id": "t", "gridSettings": {} }));
    assert_eq!(world.aside, 1, "the replaced one is kept");
    // A page that still shows the old one is late.
    world.read(other);
    world.say(other, &update(&with(&scene(), "/name", json!("x"))));
    assert_eq!(world.scene(), json!({ "id": "t", "gridSettings": {} }));
    assert_eq!(
        world.read(other),
        [update(r#"{"id":"t","gridSettings":{}}"#)]
    );
}

#[test]
fn a_page_that_loads_back_and_forth_is_not_late() {
    let (mut world, gm, _, _) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    world.say(gm, &update(r#"{"id":"t","gridSettings":{}}"#));
    // It may still have been shown what Ada did to the old one, and gone on from there.
    world.say(gm, &update(&with(&scene(), "/name", json!("x"))));
    assert_eq!(world.scene()["id"], "t");
    world.advance(3_000);
    world.say(gm, &update(SCENE));
    assert_eq!(world.scene(), scene());
}

#[test]
fn who_was_shown_the_newest_scene_may_load_another() {
    let (mut world, gm, other, _) = table(Some(SCENE));
    world.say(gm, &update(r#"{"id":"t"}"#));
    world.say(other, &update(&with(&scene(), "/name", json!("x"))));
    assert_eq!(world.scene()["id"], "t", "it was late");
    world.advance(1_000);
    world.say(other, &update(SCENE));
    assert_eq!(world.scene()["id"], "t", "it may not have shown it yet");
    world.advance(3_000);
    world.say(other, &update(SCENE));
    assert_eq!(world.scene()["id"], "s", "somebody wants it");
}

#[test]
fn a_page_that_was_corrected_loads_what_was_there_long_ago() {
    let (mut world, gm, _, _) = table(Some(SCENE));
    world.say(gm, &update(r#"{"id":"t","gridSettings":{}}"#));
    world.advance(14_000);
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    world.say(gm, &update(r#"{"id":"t","gridSettings":{},"name":"x"}"#));
    assert_eq!(world.scene()["gridSettings"]["gridSize"], 70, "merged");
    world.say(gm, &update(SCENE));
    assert_eq!(world.scene(), scene());
}

#[test]
fn nobody_has_started_from_what_was_there_before_anything_was_shown() {
    let (mut world, gm, _, _) = table(None);
    let shared = r#""maps":[],"activeMapId":null,"gridSettings":{"showGrid":true,"gridSize":50},"initiativeOrder":[],"showCurrentPlayer":true,"aoeMarkers":[]"#;
    world.say(
        gm,
        &update(&format!(r#"{{"id":"default","name":"Mine",{shared}}}"#)),
    );
    // The newer version has two lists more.
    let other = world.page(Role::Gm);
    let more =
        format!(r#"{{"id":"default","name":"Ours",{shared},"encounterHistory":[],"fogOfWar":[]}}"#);
    world.say(other, &update(&more));
    assert_eq!(world.scene(), serde_json::from_str::<Value>(&more).unwrap());
}

/// A page that was away; the others went on. What it sends first, and what becomes of it.
#[rstest]
#[case::from_before(
    r#"{"id":"s","gridSettings":{"gridSize":50},"name":"x"}"#,
    Some(r#"{"id":"s","gridSettings":{"gridSize":70},"name":"x"}"#)
)]
#[case::nothing_new(r#"{"id":"s","gridSettings":{"gridSize":50}}"#, None)]
fn the_first_scene_may_be_one_that_waited(#[case] first: &str, #[case] becomes: Option<&str>) {
    let mut world = World::new(Some(r#"{"id":"s","gridSettings":{"gridSize":50}}"#));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    world.advance(300_000);
    let page = world.page(Role::Gm);
    world.read(page);
    world.say(page, &update(first));
    let now = becomes.unwrap_or(r#"{"id":"s","gridSettings":{"gridSize":70}}"#);
    assert_eq!(world.scene(), serde_json::from_str::<Value>(now).unwrap());
    assert_eq!(world.read(page).len(), 1);
}

#[test]
fn a_scene_that_fits_nothing_is_kept_aside() {
    let mut world = World::new(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    let head = world.scene();
    let page = world.page(Role::Gm);
    world.read(page);
    let strange = format!(r#"{{"id":"s","notes":"{}"}}"#, "n".repeat(2_000));
    world.say(page, &update(&strange));
    // What it made of that meanwhile is no better.
    world.say(page, &update(&strange.replace("notes", "more")));
    assert_eq!((world.scene(), world.aside), (head, 2));
    assert_eq!(world.read(page).len(), 2);
    // Once it has seen the head it may do as it likes.
    world.advance(6_000);
    world.say(page, &update(&strange));
    assert_eq!(world.scene()["notes"].as_str().map(str::len), Some(2_000));
}

#[test]
fn all_that_waited_is_compared_and_not_only_the_first() {
    let (mut world, _, other, _) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    world.say(other, &update(&with(&world.scene(), "/name", json!("y"))));
    world.advance(120_000);
    let page = world.page(Role::Gm);
    let mut waited = scene();
    for n in 0..3 {
        waited["aoeMarkers"][0][format!("k{n}")] = json!(n);
        world.say(page, &update(&waited.to_string()));
    }
    let merged = world.scene();
    assert_eq!(
        (&merged["gridSettings"]["gridSize"], &merged["name"]),
        (&json!(70), &json!("y"))
    );
    assert_eq!(merged["aoeMarkers"], waited["aoeMarkers"]);
}

#[test]
fn a_page_that_left_may_come_back_with_more() {
    let (mut world, gm, ..) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
    let mut shown = scene();
    for n in 0..6 {
        shown["aoeMarkers"][0][format!("k{n}")] = json!(n);
        world.say(gm, &update(&shown.to_string()));
    }
    world.leave(gm);
    shown["name"] = json!("x");
    let back = world.page(Role::Gm);
    world.say(back, &update(&shown.to_string()));
    assert_eq!(world.scene()["gridSettings"]["gridSize"], 70);
    assert_eq!(world.scene()["name"], "x");
}

#[test]
fn what_a_page_sent_before_it_went_is_taken() {
    let (mut world, gm, ..) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    world.settle_disk();
    world.prompt = false;
    let edit = json!({ "op": "set", "path": ["a"], "value": 1 });
    let said = ada.change(&new_id(), json!({ "edits": [edit] }));
    world.say(ada.conn(), &said);
    world.say(gm, &update(&with(&scene(), "/name", json!("x"))));
    world.leave(gm);
    world.settle_disk();
    assert_eq!(
        (&world.scene()["a"], &world.scene()["name"]),
        (&json!(1), &json!("x"))
    );
}

#[test]
fn the_scene_it_started_from_is_found_among_hundreds() {
    let (mut world, gm, other, _) = table(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    let mut shown = scene();
    let mut seen = Value::Null;
    for n in 0..300 {
        shown["aoeMarkers"][n % 2]["label"] = json!(format!("number {n}"));
        shown["gridSettings"]["gridSize"] = json!(n);
        world.say(other, &update(&shown.to_string()));
        world.advance(10);
        if n == 233 {
            seen = shown.clone();
        }
    }
    world.read(gm);
    ada.read_all(&mut world);
    ada.sets(&mut world, json!(["last"]), json!(1));
    world.say(gm, &update(&with(&seen, "/name", json!("x"))));
    let merged = world.scene();
    assert_eq!(
        (&merged["gridSettings"]["gridSize"], &merged["last"]),
        (&json!(299), &json!(1))
    );
    assert_eq!(
        (&merged["aoeMarkers"], &merged["name"]),
        (&shown["aoeMarkers"], &json!("x"))
    );
}

#[test]
fn a_stale_scene_from_before_a_restart_undoes_nothing() {
    for in_order in [false, true] {
        let (mut world, gm, ..) = table(Some(SCENE));
        world.say(gm, &update(&with(&scene(), "/name", json!("x"))));
        let mut ada = Member::join(Role::Gm, "Ada", &mut world);
        ada.sets(&mut world, json!(["gridSettings", "gridSize"]), json!(70));
        world.advance(1_000);
        if in_order {
            assert!(world.stop());
            world.start(false, world.files.last().cloned());
        } else {
            world.crash(0);
        }
        world.advance(2_000);
        let page = world.page(Role::Gm);
        let mut stale = scene();
        stale["name"] = json!("x");
        stale["aoeMarkers"][0]["label"] = json!("y");
        world.say(page, &update(&stale.to_string()));
        let merged = world.scene();
        assert_eq!(merged["gridSettings"]["gridSize"], 70);
        assert_eq!(merged["aoeMarkers"][0]["label"], "y");
    }
}

#[test]
fn scenes_are_told_at_once_and_journaled_about_once_a_second() {
    let (mut world, gm, other, _) = table(Some(SCENE));
    world.advance(1_000);
    let records = world.disk.records.len();
    for n in 0..30 {
        world.say(gm, &update(&with(&scene(), "/name", json!(n.to_string()))));
        world.advance(20);
    }
    assert_eq!(world.read(other).len(), 30);
    assert_eq!(world.disk.records.len(), records);
    world.advance(400);
    // The scene, and the hash of its file.
    assert_eq!(world.disk.records.len(), records + 2);
    assert_eq!(world.files.last().unwrap(), world.rules.doc.scene());
    world.say(gm, &update(&with(&scene(), "/name", json!("last"))));
    assert!(world.stop());
    world.start(false, world.files.last().cloned());
    assert_eq!(world.scene()["name"], "last", "and at the stop");
}

#[test]
fn what_was_told_and_lost_has_a_number_that_is_never_given_again() {
    let (mut world, gm, ..) = table(Some(SCENE));
    world.advance(1_000);
    world.say(gm, &update(&with(&scene(), "/name", json!("lost"))));
    let lost = world.rules.doc.head();
    world.crash(0);
    assert_eq!(world.rules.doc.head(), lost - 1);
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    let answer = ada.sets(&mut world, json!(["a"]), json!(1));
    assert!(answer["seq"].as_u64().unwrap() > lost + 4_000);
}
