//! Sections 6 and 7 of the contract: who may do what, and who gets to know what.

use super::clients::{Member, new_id};
use super::world::World;
use crate::access::Role;
use crate::dialects::table::Request;
use crate::live::CloseCode;
use rstest::rstest;
use serde_json::{Value, json};

const SCENE: &str = r#"{"id":"s","maps":[{"name":"road.png"},{"name":"SECRET.png","data":{"isHidden":true}}],"activeMapId":"SECRET.png","gridSettings":{"gridSize":50,"gm_x":"SECRET"},"aoeMarkers":[{"id":"fire"},{"id":"SECRETtrap","revealed":false}],"initiativeOrder":[{"id":"mine","isPlayer":true,"initiative":1,"mapPosition":{"x":1,"y":1}},{"id":"theirs","isPlayer":true},{"id":"goblin","hp":7770007701,"initialHP":7770007702,"mapPosition":{"x":50,"y":50}}],"encounterHistory":["SECRET"],"fogOfWar":[{"id":"f","points":[{"x":40,"y":40},{"x":60,"y":40},{"x":60,"y":60},{"x":40,"y":60}]}],"gm_notes":"SECRET"}"#;

struct Table {
    world: World,
    gm: Member,
    player: Member,
    display: Member,
}

/// The player plays the entry `mine`.
fn table() -> Table {
    let mut world = World::new(Some(SCENE));
    world.advance(1_000);
    let mut gm = Member::join(Role::Gm, "Ada", &mut world);
    let player = Member::join(Role::Player, "Cleo", &mut world);
    let display = Member::join(Role::Display, "TV", &mut world);
    gm.asks(
        &mut world,
        json!({ "type": "assign", "entry": "mine", "member": player.id }),
    );
    let mut table = Table {
        world,
        gm,
        player,
        display,
    };
    for member in [&mut table.gm, &mut table.player, &mut table.display] {
        member.read_all(&mut table.world);
        member.news.clear();
    }
    table
}

/// Whether each role may: GM, player, display.
fn who_may(make: impl Fn(&Table) -> Value) -> [bool; 3] {
    [0, 1, 2].map(|who| {
        let mut table = table();
        let mut message = make(&table);
        let Table {
            world,
            gm,
            player,
            display,
        } = &mut table;
        let member = [gm, player, display].into_iter().nth(who).unwrap();
        if message["type"] == "hint" || message["type"] == "signal" {
            world.say(member.conn(), &message.to_string());
            let refused = member.told(world, "nack");
            assert!(refused.iter().all(|nack| nack["code"] == "forbidden"));
            return refused.is_empty();
        }
        if message["type"] == "change" {
            message["base"] = json!(member.seq);
        }
        let answer = member.asks(world, message);
        if answer["type"] == "nack" {
            assert_eq!(answer["code"], "forbidden", "{answer}");
        }
        answer["type"] == "ack"
    })
}

fn sets(path: Value) -> Value {
    sets_to(path, json!(1))
}

fn sets_to(path: Value, value: Value) -> Value {
    json!({ "type": "change", "edits": [{ "op": "set", "path": path, "value": value }] })
}

#[rstest]
#[case::anything(sets(json!(["name"])), [true, false, false])]
#[case::own_place(sets_to(json!(["initiativeOrder", {"id": "mine"}, "mapPosition"]), json!({"x": 1, "y": 2})), [true, true, false])]
#[case::own_place_below(sets(json!(["initiativeOrder", {"id": "mine"}, "mapPosition", "x"])), [true, true, false])]
#[case::own_initiative(sets(json!(["initiativeOrder", {"id": "mine"}, "initiative"])), [true, true, false])]
#[case::own_name(sets(json!(["initiativeOrder", {"id": "mine"}, "name"])), [true, false, false])]
#[case::own_hp(sets(json!(["initiativeOrder", {"id": "mine"}, "hp"])), [true, false, false])]
#[case::anothers(sets(json!(["initiativeOrder", {"id": "theirs"}, "initiative"])), [true, false, false])]
#[case::own_and_anothers(json!({"type": "change", "edits": [
    {"op": "set", "path": ["initiativeOrder", {"id": "mine"}, "initiative"], "value": 1},
    {"op": "set", "path": ["initiativeOrder", {"id": "theirs"}, "initiative"], "value": 1}]}), [true, false, false])]
#[case::own_entry_away(json!({"type": "change", "edits": [{"op": "delete", "path": ["initiativeOrder", {"id": "mine"}]}]}), [true, false, false])]
#[case::own_entry_first(json!({"type": "change", "edits": [{"op": "move", "path": ["initiativeOrder", {"id": "mine"}]}]}), [true, false, false])]
#[case::own_place_away(json!({"type": "change", "edits": [{"op": "delete", "path": ["initiativeOrder", {"id": "mine"}, "mapPosition"]}]}), [true, true, false])]
#[case::whole(json!({"type": "change", "scene": {"id": "s"}}), [true, false, false])]
#[case::talk(json!({"type": "chat", "text": "hi"}), [true, true, false])]
#[case::roll(json!({"type": "roll", "expr": "d20"}), [true, true, false])]
#[case::audio(json!({"type": "audio", "action": "play", "track": "rain"}), [true, false, false])]
#[case::display(json!({"type": "display", "action": "blank"}), [true, false, false])]
#[case::assign(json!({"type": "assign", "entry": "theirs", "member": null}), [true, false, false])]
#[case::pointer(json!({"type": "hint", "kind": "pointer", "data": 1}), [true, true, false])]
#[case::ping(json!({"type": "hint", "kind": "ping", "data": 1}), [true, true, false])]
#[case::typing(json!({"type": "hint", "kind": "typing"}), [true, true, false])]
#[case::own_drag(json!({"type": "hint", "kind": "drag", "key": "mine", "data": 1}), [true, true, false])]
#[case::anothers_drag(json!({"type": "hint", "kind": "drag", "key": "theirs", "data": 1}), [true, false, false])]
#[case::other_hints(json!({"type": "hint", "kind": "measure", "data": 1}), [true, false, false])]
fn the_matrix_holds(#[case] message: Value, #[case] allowed: [bool; 3]) {
    assert_eq!(who_may(|_| message.clone()), allowed);
}

#[test]
fn who_may_signal_and_who_may_remove() {
    let signal = |t: &Table| json!({ "type": "signal", "to": t.gm.id, "data": { "sdp": 1 } });
    assert_eq!(who_may(signal), [true, true, false]);
    let kick = |t: &Table| json!({ "type": "kick", "member": t.display.id });
    assert_eq!(who_may(kick), [true, false, false]);
}

#[test]
fn a_player_gives_an_entry_only_what_everybody_can_read() {
    let Table {
        mut world,
        mut player,
        ..
    } = table();
    let mut answer = |below: &[&str], value: Value| {
        let mut path = vec![json!("initiativeOrder"), json!({"id": "mine"})];
        path.extend(below.iter().map(|name| json!(name)));
        let answer = player.sets(&mut world, json!(path), value);
        answer["code"].as_str().unwrap_or("").to_owned()
    };
    let place = &["mapPosition"];
    for bad in [
        json!(1),
        json!("here"),
        json!([1, 2]),
        json!({"x": "1", "y": 1}),
        json!({"x": 1, "y": 1, "useGridCoordinates": 1}),
        json!({"x": 1, "y": 1, "junk": 1}),
        json!({"x": 1}),
        json!({}),
    ] {
        assert_eq!(answer(place, bad), "invalid");
    }
    for bad in [json!("17"), json!({"junk": 1})] {
        assert_eq!(answer(&["initiative"], bad), "invalid");
    }
    assert_eq!(answer(&["mapPosition", "x"], json!("1")), "invalid");
    for key in ["html", "k".repeat(100_000).as_str()] {
        assert_eq!(answer(&["mapPosition", key], json!(1)), "invalid");
    }
    assert_eq!(answer(&["initiative", "x"], json!(1)), "invalid");
    assert_eq!(
        answer(
            place,
            json!({"x": 1.5, "y": -2, "useGridCoordinates": true})
        ),
        ""
    );
    assert_eq!(answer(&["mapPosition", "x"], json!(3)), "");
    assert_eq!(answer(&["initiative"], json!(17)), "");
    assert_eq!(answer(&["initiative"], Value::Null), "");
    assert_eq!(answer(place, Value::Null), "");
}

#[test]
fn a_player_takes_no_part_of_a_place_away() {
    let Table {
        mut world,
        mut player,
        ..
    } = table();
    let path = json!(["initiativeOrder", {"id": "mine"}, "mapPosition", "x"]);
    let edits = json!({"edits": [{"op": "delete", "path": path}]});
    let answer = player.makes(&mut world, edits);
    assert_eq!(answer["code"], "invalid");
    assert_eq!(world.scene()["initiativeOrder"][0]["mapPosition"]["x"], 1);
}

#[test]
fn an_entry_whose_id_is_a_number_is_assigned_and_moved() {
    let mut world = World::new(Some(r#"{"initiativeOrder":[{"id":7,"initiative":1}]}"#));
    let mut gm = Member::join(Role::Gm, "Ada", &mut world);
    let mut player = Member::join(Role::Player, "Cleo", &mut world);
    let assign = json!({ "type": "assign", "entry": "7", "member": player.id });
    assert_eq!(gm.asks(&mut world, assign)["type"], "ack");
    let path = json!(["initiativeOrder", {"id": 7}, "initiative"]);
    assert_eq!(player.sets(&mut world, path, json!(9))["type"], "ack");
}

#[test]
fn a_member_is_what_its_newest_connection_is() {
    let mut world = World::new(Some(SCENE));
    let mut gm = Member::join(Role::Gm, "Ada", &mut world);
    let mut screen = Member::new(Role::Display, "Ada");
    screen.token.clone_from(&gm.token);
    screen.connect(&mut world);
    let role = |gm: &mut Member, world: &mut World| {
        let told = gm.told(world, "member_updated");
        told.last().unwrap()["member"]["role"].clone()
    };
    assert_eq!(role(&mut gm, &mut world), "display");
    screen.drop_line(&mut world);
    assert_eq!(role(&mut gm, &mut world), "gm");
}

#[test]
fn who_has_seen_two_views_is_shown_all_of_one_when_it_comes_back() {
    let mut world = World::new(Some(SCENE));
    let mut first = Member::join(Role::Player, "Ada", &mut world);
    let mut second = Member::new(Role::Gm, "Ada");
    second.token.clone_from(&first.token);
    second.connect(&mut world);
    first.drop_line(&mut world);
    // It has proved since that it is the GM, and has still what players see.
    (first.asks, first.proves) = (Some(Role::Gm), Some(Role::Gm));
    first.connect(&mut world);
    first.read_all(&mut world);
    assert_eq!(first.mode, "snapshot");
    assert_eq!(first.doc, world.scene());
}

#[test]
fn what_was_taken_is_written_although_its_author_has_left() {
    let mut world = World::new(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    let mut bob = Member::join(Role::Gm, "Bob", &mut world);
    world.settle_disk();
    world.prompt = false;
    let edit = |path: &str| json!({ "edits": [{ "op": "set", "path": [path], "value": 1 }] });
    let said = ada.change(&new_id(), edit("a"));
    world.say(ada.conn(), &said);
    // Behind a commit that is under way, one of them judged once more when that is known.
    for path in ["b", "c"] {
        let said = bob.change(&new_id(), edit(path));
        world.say(bob.conn(), &said);
    }
    let line = json!({ "type": "chat", "id": new_id(), "text": "good night" });
    world.say(bob.conn(), &line.to_string());
    let id = bob.id.clone();
    bob.drop_line(&mut world);
    world.settle_disk();
    let scene = world.scene();
    assert_eq!([&scene["a"], &scene["b"], &scene["c"]], [1, 1, 1]);
    let said = ada.told(&mut world, "chat");
    assert_eq!(said[0]["from"], json!(id));
    assert!(world.rules.departed_members.is_empty());
    // Whoever was put out has said nothing.
    let mut eve = Member::join(Role::Gm, "Eve", &mut world);
    world.settle_disk();
    for (member, path) in [(&mut ada, "d"), (&mut eve, "e")] {
        let said = member.change(&new_id(), edit(path));
        world.say(member.conn(), &said);
    }
    let kick = json!({ "type": "kick", "member": eve.id });
    world.say(ada.conn(), &kick.to_string());
    world.settle_disk();
    assert_eq!(
        [&world.scene()["d"], &world.scene()["e"]],
        [&json!(1), &Value::Null]
    );
}

#[test]
fn an_assignment_has_no_id_and_changes_only_what_may_be_written() {
    let Table {
        mut world,
        mut gm,
        mut player,
        ..
    } = table();
    let before = (world.scene(), world.rules.doc.head());
    let assign = |member: &Value| json!({ "type": "assign", "entry": "theirs", "member": member });
    let move_theirs = |world: &mut World, player: &mut Member| {
        let path = json!(["initiativeOrder", {"id": "theirs"}, "initiative"]);
        player.sets(world, path, json!(9))["type"].clone()
    };
    world.say(gm.conn(), &assign(&json!(player.id)).to_string());
    assert_eq!((world.scene(), world.rules.doc.head()), before);
    let told = player.told(&mut world, "member_updated");
    assert_eq!(told[0]["member"]["entries"], json!(["mine", "theirs"]));
    assert_eq!(move_theirs(&mut world, &mut player), "ack");
    world.crash(0);
    for member in [&mut gm, &mut player] {
        member.connect(&mut world);
        member.read_all(&mut world);
    }
    assert_eq!(move_theirs(&mut world, &mut player), "ack");
    world.say(gm.conn(), &assign(&Value::Null).to_string());
    assert_eq!(move_theirs(&mut world, &mut player), "nack");
    world.say(gm.conn(), &assign(&json!("nobody")).to_string());
    assert_eq!(gm.told(&mut world, "nack")[0]["id"], Value::Null);
}

#[test]
fn an_assignment_that_cannot_be_saved_is_answered() {
    let mut table = table();
    table.world.prompt = false;
    let assign = json!({ "type": "assign", "entry": "theirs", "member": table.player.id });
    table.world.say(table.gm.conn(), &assign.to_string());
    table.world.answer(false);
    assert_eq!(
        table.gm.told(&mut table.world, "nack")[0]["code"],
        "storage"
    );
    assert!(
        table
            .player
            .told(&mut table.world, "member_updated")
            .is_empty()
    );
    assert_eq!(table.world.rules.side.assigned.len(), 1);
}

#[test]
fn a_removed_member_is_closed_on_all_its_lines_and_hears_nothing_more() {
    let Table {
        mut world,
        mut gm,
        player,
        ..
    } = table();
    let mut second = Member::new(Role::Player, "Cleo");
    second.token = player.token.clone();
    second.connect(&mut world);
    // One of its changes is still on the way to the disk.
    world.prompt = false;
    let path = json!(["initiativeOrder", {"id": "mine"}, "initiative"]);
    let edit = json!({ "op": "set", "path": path, "value": 9 });
    let said = second.change(&new_id(), json!({ "edits": [edit], "base": player.seq }));
    world.say(second.conn(), &said);
    let kick = json!({ "type": "kick", "id": "k", "member": player.id });
    world.say(gm.conn(), &kick.to_string());
    world.say(gm.conn(), &kick.to_string());
    gm.read_all(&mut world);
    // Done at once, and acknowledged when it is safe.
    assert!(gm.answer_to("k").is_null());
    for conn in [player.conn(), second.conn()] {
        assert_eq!(
            world.links[&conn].closed.as_ref().unwrap().0,
            CloseCode::Removed
        );
        world.read(conn);
    }
    world.settle_disk();
    world.prompt = true;
    gm.read_all(&mut world);
    let answer = gm.answer_to("k");
    assert_eq!(
        (&answer["type"], &answer["offer"]),
        (&json!("ack"), &json!("new_code"))
    );
    // The same again is the same answer.
    world.say(gm.conn(), &kick.to_string());
    assert_eq!(world.heard(gm.conn())[0], answer);
    gm.asks(&mut world, json!({ "type": "chat", "text": "gone" }));
    for conn in [player.conn(), second.conn()] {
        world.say(conn, r#"{"type":"chat","id":"x","text":"still here"}"#);
        assert!(world.read(conn).is_empty());
    }
    assert_eq!(gm.told(&mut world, "member_left").len(), 1);
    assert!(
        gm.told(&mut world, "chat")
            .iter()
            .all(|line| line["text"] != "still here")
    );
    // Its token means nothing any more.
    let mut back = Member::new(Role::Player, "Cleo");
    back.token = player.token.clone();
    back.connect(&mut world);
    back.read_all(&mut world);
    assert_ne!(back.id, player.id);
}

#[test]
fn whoever_is_not_there_cannot_be_removed() {
    let mut table = table();
    let kick = json!({ "type": "kick", "member": "nobody" });
    assert_eq!(table.gm.asks(&mut table.world, kick)["code"], "not_found");
    let member = || "nobody".to_owned();
    let known = table.world.answered(|reply| Request::Kick {
        member: member(),
        reply,
    });
    assert_eq!(known, Ok(false));
}

// Players cannot peek. (That no byte of a secret reaches them is checked with every frame.)

#[test]
fn each_role_sees_its_view() {
    let mut table = table();
    assert_eq!(table.gm.doc, table.world.scene());
    let seen = crate::model::player_view(table.world.rules.doc.scene())
        .root()
        .to_value();
    table.player.read_all(&mut table.world);
    table.display.read_all(&mut table.world);
    assert_eq!((&table.player.doc, &table.display.doc), (&seen, &seen));
    assert_eq!(seen["activeMapId"], Value::Null);
    assert_eq!(
        seen["initiativeOrder"][2],
        json!({ "id": "goblin", "health": "hurt" })
    );
}

#[test]
fn a_thing_that_becomes_visible_arrives_and_one_that_is_hidden_goes() {
    let Table {
        mut world,
        mut gm,
        mut player,
        ..
    } = table();
    let hide = |hidden: bool| {
        (
            json!(["maps", {"name": "road.png"}, "data"]),
            json!({ "isHidden": hidden }),
        )
    };
    let mut ops = Vec::new();
    for hidden in [true, false] {
        let (path, value) = hide(hidden);
        gm.sets(&mut world, path, value);
        let said = world.heard(player.conn());
        for message in said {
            if message["type"] == "change" {
                let edits = message["edits"].as_array().unwrap();
                ops.extend(
                    edits
                        .iter()
                        .map(|edit| edit["op"].as_str().unwrap().to_owned()),
                );
            }
            player.read(&message.to_string());
        }
    }
    assert_eq!(ops, ["delete", "insert"]);
}

#[test]
fn a_change_that_a_view_cannot_see_does_not_exist_in_it() {
    let Table {
        mut world,
        mut gm,
        mut player,
        ..
    } = table();
    gm.sets(&mut world, json!(["gm_notes"]), json!("SECRET too"));
    assert!(world.read(player.conn()).is_empty());
    gm.sets(&mut world, json!(["name"]), json!("seen"));
    let said = world.heard(player.conn());
    assert_eq!((&said[0]["seq"], &said[0]["prev"]), (&json!(2), &json!(0)));
    player.read(&said[0].to_string());
    // It writes on what it has seen; what it has not seen is no reason to refuse that.
    gm.sets(&mut world, json!(["gm_notes"]), json!("SECRET again"));
    let path = json!(["initiativeOrder", {"id": "mine"}, "initiative"]);
    let answer = player.sets(&mut world, path, json!(12));
    assert_eq!((&answer["seq"], &answer["prev"]), (&json!(4), &json!(2)));
    assert_eq!(player.seq, 4);
}

/// What the GM hints at, and whether players hear of it.
#[rstest]
#[case("drag", "SECRET.png", json!({"x": 1}), false)]
#[case("drag", "SECRETtrap", json!({"x": 1}), false)]
#[case("drag", "goblin", json!({"x": 1}), false)]
#[case("drag", "road.png", json!({"x": 1}), true)]
#[case("drag", "mine", json!({"x": 1}), true)]
#[case("ping", "", json!({"on": ["fire", {"what": "SECRET.png"}]}), false)]
#[case("ping", "", json!({"SECRETtrap": 1}), false)]
#[case("ping", "", json!({"x": 1}), true)]
fn hints_reach_only_those_who_see_what_they_name(
    #[case] kind: &str,
    #[case] key: &str,
    #[case] data: Value,
    #[case] told: bool,
) {
    let mut table = table();
    let mut second = Member::join(Role::Gm, "Bo", &mut table.world);
    let hint = json!({ "type": "hint", "kind": kind, "key": key, "data": data });
    table.world.say(table.gm.conn(), &hint.to_string());
    assert_eq!(second.told(&mut table.world, "hint").len(), 1);
    for member in [&mut table.player, &mut table.display] {
        assert_eq!(!member.told(&mut table.world, "hint").is_empty(), told);
    }
}

const TROLL: &str = "troll";

/// An entry that stands in the open is led under fog: players see it until there, and not where it goes.
#[test]
fn a_drag_into_fog_tells_players_nothing_of_the_way_in_it() {
    let mut table = table();
    let list = json!(["initiativeOrder"]);
    let troll = json!({ "id": TROLL, "mapPosition": { "x": 1, "y": 1 } });
    let edit = json!({ "op": "insert", "path": list, "value": troll });
    table.gm.makes(&mut table.world, json!({ "edits": [edit] }));
    let mut second = Member::join(Role::Gm, "Bo", &mut table.world);
    let mut drag = |kind: &str, key: &str, data: Value| {
        let hint = json!({ "type": "hint", "kind": kind, "key": key, "data": data });
        table.world.say(table.gm.conn(), &hint.to_string());
        assert_eq!(second.told(&mut table.world, "hint").len(), 1);
        let told = [&mut table.player, &mut table.display]
            .map(|member| !member.told(&mut table.world, "hint").is_empty());
        assert_eq!(told[0], told[1]);
        told[0]
    };
    let at = |x: f64| json!({ "thing": "token", "position": { "x": x, "y": 50, "useGridCoordinates": false } });
    assert!(drag("drag", TROLL, at(30.0)));
    // A secret number: no byte of it may reach a player.
    assert!(!drag("drag", TROLL, at(50.777_000_77)));
    assert!(!drag("drag", TROLL, json!({ "by": [50.777_000_77, 1] })));
    assert!(!drag("look", TROLL, at(50.777_000_77)));
    assert!(drag("drag", TROLL, Value::Null));
    assert!(drag("drag", "mine", at(50.0)) && drag("drag", "road.png", at(50.0)));
    assert!(drag("ping", "", json!({ "x": 50, "y": 50 })));
    assert!(drag("pointer", TROLL, json!({ "x": 50, "y": 50 })));
    // The fog goes: there is nothing left that hides it.
    table
        .gm
        .sets(&mut table.world, json!(["fogOfWar"]), json!([]));
    let hint = json!({ "type": "hint", "kind": "drag", "key": TROLL, "data": at(50.0) });
    table.world.say(table.gm.conn(), &hint.to_string());
    assert_eq!(table.player.told(&mut table.world, "hint").len(), 1);
}

#[test]
fn a_track_for_the_gm_reaches_only_the_gm_and_one_for_screens_no_player() {
    let Table {
        mut world,
        mut gm,
        mut player,
        mut display,
    } = table();
    let mut play = |world: &mut World, track: &str, route: &str| {
        let play = json!({ "type": "audio", "action": "play", "track": track, "route": route });
        gm.asks(world, play);
    };
    play(&mut world, "SECRET", "gm");
    play(&mut world, "rain", "display");
    assert!(player.told(&mut world, "audio").is_empty());
    assert_eq!(display.told(&mut world, "audio")[0]["track"], "rain");
    play(&mut world, "rain", "all");
    assert_eq!(player.told(&mut world, "audio")[0]["track"], "rain");
    // Whoever could hear it learns that it is over, and no more.
    play(&mut world, "rain", "gm");
    let over = json!({ "type": "audio", "track": "rain", "removed": true });
    assert_eq!(
        player.told(&mut world, "audio"),
        std::slice::from_ref(&over)
    );
    assert_eq!(display.told(&mut world, "audio").pop(), Some(over));
    let mut late = Member::join(Role::Player, "Dan", &mut world);
    assert_eq!(
        late.told(&mut world, "welcome")[0]["audio"]["tracks"],
        json!([])
    );
}

#[test]
fn rest_reads_what_the_role_may_read() {
    use crate::dialects::table::View;
    let mut table = table();
    let Table { world, player, .. } = &mut table;
    let scene = world.answered(|reply| Request::Scene {
        view: View::Player,
        reply,
    });
    player.read_all(world);
    assert_eq!(scene.root().to_value(), player.doc);
    let members = world.answered(|reply| Request::Members { reply });
    assert_eq!(members.len(), 3);
    let playback = world.answered(|reply| Request::Playback {
        role: Role::Player,
        reply,
    });
    assert_eq!(playback, json!({ "tracks": [] }));
}

#[test]
fn a_table_that_is_closed_sends_everybody_away() {
    let mut table = table();
    let page = table.world.page(Role::Gm);
    table.world.answered(|reply| Request::Close { reply });
    for conn in [
        table.gm.conn(),
        table.player.conn(),
        table.display.conn(),
        page,
    ] {
        assert_eq!(
            table.world.links[&conn].closed.as_ref().unwrap().0,
            CloseCode::NoTable
        );
    }
}
