//! What players see, and what they do not.

use super::*;
use crate::model::edit::{Edit, apply};
use crate::model::random::{any_scene, text};
use crate::model::same;
use proptest::prelude::*;

fn view(scene: &str) -> String {
    player_view(&text(scene)).as_str().to_owned()
}

/// The view of a scene with this entry and these other members.
fn entry(entry: &str, more: &str) -> String {
    let seen = view(&format!(r#"{{"initiativeOrder":[{entry}]{more}}}"#));
    let list = text(&seen)
        .root()
        .get("initiativeOrder")
        .unwrap()
        .raw()
        .to_owned();
    list[1..list.len() - 1].to_owned()
}

#[test]
fn a_real_scene_without_secrets_is_seen_as_it_is() {
    let scene = r#"{"id":"default","name":"Default \u00e4Scene","maps":[{"name":"crypt.png","folder":"dungeons/level1","data":{"position":{"x":9.50,"y":16},"useGridCoordinates":true,"useGridScaling":true,"scale":1,"rotation":0,"isHidden":false}}],"activeMapId":"crypt.png","gridSettings":{"showGrid":true,"gridSize":50,"useFixedGrid":true,"gridCellsX":18,"gridCellsY":32},"initiativeOrder":[{"id":"p","name":"Mia","initiative":12,"isPlayer":true,"isCurrentTurn":true,"isKilled":false,"hp":9,"initialHP":20,"mapPosition":{"x":1,"y":2,"useGridCoordinates":true},"tokenFootprint":1,"turnMovementPath":[{"x":1e0,"y":-0.0}]}],"showCurrentPlayer":true,"aoeMarkers":[{"id":"a1","shape":"cone","sizeInFeet":15,"color":"\#f00","position":{"x":1,"y":2},"rotation":0,"opacity":0.5,"label":"Burn","revealed":true}],"fogOfWar":[{"id":"f1","points":[{"x":0,"y":0},{"x":9,"y":0},{"x":9,"y":9}],"color":"\#000","opacity":1}],"_lastUpdated":1}"#
        .replace("\\#", "#");
    assert_eq!(view(&scene), scene);
}

#[test]
fn hidden_maps_are_left_out() {
    for flag in ["true", "1", "\"true\"", "{}", "0"] {
        let scene = r#"{"maps":[{"name":"a","data":{"isHidden":false}},{"name":"b","data":{"isHidden":FLAG}},{"name":"c"},3,null,"b"],"activeMapId":"b"}"#;
        assert_eq!(
            view(&scene.replace("FLAG", flag)),
            r#"{"maps":[{"name":"a","data":{"isHidden":false}},{"name":"c"}],"activeMapId":null}"#
        );
    }
}

#[test]
fn the_active_map_is_told_unless_it_is_hidden() {
    assert_eq!(
        view(r#"{"activeMapId":"a","maps":[{"name":"a","data":{"isHidden":null}}]}"#),
        r#"{"activeMapId":"a","maps":[{"name":"a","data":{"isHidden":null}}]}"#
    );
    // The name belongs to a visible map as well.
    assert_eq!(
        view(
            r#"{"activeMapId":"a","maps":[{"name":"a","data":{"isHidden":true}},{"name":"\u0061"}]}"#
        ),
        r#"{"activeMapId":"a","maps":[{"name":"\u0061"}]}"#
    );
    assert_eq!(
        view(r#"{"activeMapId":"\u0061","maps":[{"name":"a","isHidden":true}]}"#),
        r#"{"activeMapId":null,"maps":[]}"#
    );
    assert_eq!(
        view(r#"{"activeMapId":"crypt.png","maps":[{"name":"a"}]}"#),
        r#"{"activeMapId":null,"maps":[{"name":"a"}]}"#
    );
    assert_eq!(
        view(r#"{"activeMapId":null,"maps":null}"#),
        r#"{"activeMapId":null,"maps":null}"#
    );
}

#[test]
fn markers_wait_for_being_revealed() {
    assert_eq!(
        view(
            r#"{"aoeMarkers":[{"id":"a","revealed":false},{"id":"b"},{"id":"c","revealed":null},{"id":"d","revealed":true},{"id":"e","revealed":0}]}"#
        ),
        r#"{"aoeMarkers":[{"id":"b"},{"id":"c","revealed":null},{"id":"d","revealed":true}]}"#
    );
}

#[test]
fn hit_points_of_others_become_a_word() {
    for (hp, word) in [
        (r#""hp":20,"initialHP":20"#, "unhurt"),
        (r#""hp":25,"initialHP":20"#, "unhurt"),
        (r#""hp":19,"initialHP":20"#, "hurt"),
        (r#""hp":10.5,"initialHP":20"#, "hurt"),
        (r#""hp":10,"initialHP":20"#, "bloodied"),
        (r#""hp":"10","initialHP":"20""#, "bloodied"),
        (r#""hp":0,"initialHP":20"#, "down"),
        (r#""hp":-3"#, "down"),
        (r#""hp":20,"initialHP":20,"isKilled":true"#, "down"),
        (r#""hp":7"#, "unhurt"),
        (r#""hp":7,"health":"down""#, "unhurt"),
        (r#""hp":{"secret":1}"#, "unhurt"),
    ] {
        let killed = if hp.contains("isKilled") {
            r#","isKilled":true"#
        } else {
            ""
        };
        assert_eq!(
            entry(&format!(r#"{{"id":"g","isPlayer":false,{hp}}}"#), ""),
            format!(r#"{{"id":"g","isPlayer":false{killed},"health":"{word}"}}"#)
        );
    }
}

#[test]
fn without_hit_points_there_is_no_health() {
    for none in [
        "",
        r#","hp":null"#,
        r#","initialHP":20"#,
        r#","health":"97 of 100""#,
    ] {
        assert_eq!(
            entry(&format!(r#"{{"id":"g"{none}}}"#), ""),
            r#"{"id":"g"}"#
        );
    }
}

#[test]
fn players_keep_their_hit_points_and_only_true_makes_a_player() {
    let mia = r#"{"isPlayer":true,"hp":3,"initialHP":9}"#;
    assert_eq!(entry(mia, ""), mia);
    for flag in ["1", "\"true\"", "null", "[]"] {
        let seen = entry(
            &format!(r#"{{"hp":3,"initialHP":9,"isPlayer":{flag}}}"#),
            "",
        );
        assert!(
            !seen.contains("hp") && seen.contains("\"health\":\"bloodied\""),
            "{seen}"
        );
    }
}

/// A square of fog from 10,10 to 20,20, and what else the scene has.
fn fog(more: &str) -> String {
    format!(
        r#","fogOfWar":[{{"id":"f","points":[{{"x":10,"y":10}},{{"x":20,"y":10}},{{"x":20,"y":20}},{{"x":10,"y":20}}]{more}}}]"#
    )
}

fn is_placed(position: &str, more: &str) -> bool {
    let goblin = format!(r#"{{"id":"g","mapPosition":{position},"turnMovementPath":[]}}"#);
    let seen = entry(&goblin, more);
    let placed = seen.contains("mapPosition");
    assert_eq!(placed, seen.contains("turnMovementPath"), "{seen}");
    placed
}

#[test]
fn places_under_fog_are_hidden() {
    for (x, y, placed) in [
        ("15", "15", false),
        ("9.99", "15", true),
        ("15", "20.01", true),
        ("25", "15", true),
        // The edge and the corners are inside.
        ("10", "15", false),
        ("20", "1.2e1", false),
        ("15", "10", false),
        ("20", "20", false),
        ("10", "10", false),
    ] {
        let position = format!("{{\"x\":{x},\"y\":{y}}}");
        assert_eq!(is_placed(&position, &fog("")), placed, "{x} {y}");
        assert!(is_placed(&position, r#","fogOfWar":[]"#));
        let mia = format!("{{\"isPlayer\":true,\"mapPosition\":{position}}}");
        assert_eq!(entry(&mia, &fog("")), mia);
    }
    assert_eq!(
        entry(r#"{"mapPosition":null,"turnMovementPath":null}"#, &fog("")),
        r#"{"mapPosition":null,"turnMovementPath":null}"#
    );
}

#[test]
fn a_fog_may_have_any_outline() {
    let outline = |points: &[(i32, i32)]| {
        let points: Vec<_> = points
            .iter()
            .map(|(x, y)| format!("{{\"x\":{x},\"y\":{y}}}"))
            .collect();
        format!(r#","fogOfWar":[{{"points":[{}]}}]"#, points.join(","))
    };
    let horseshoe = outline(&[
        (0, 0),
        (30, 0),
        (30, 30),
        (20, 30),
        (20, 10),
        (10, 10),
        (10, 30),
        (0, 30),
    ]);
    assert!(is_placed(r#"{"x":15,"y":20}"#, &horseshoe));
    assert!(!is_placed(r#"{"x":15,"y":5}"#, &horseshoe));
    assert!(!is_placed(r#"{"x":25,"y":25}"#, &horseshoe));
    // The middle of a five-pointed star drawn in one line: browsers fill it.
    let star = outline(&[(50, 0), (79, 90), (2, 35), (98, 35), (21, 90)]);
    assert!(!is_placed(r#"{"x":50,"y":50}"#, &star));
    assert!(is_placed(r#"{"x":5,"y":5}"#, &star));
    // Lines and points cover themselves, nothing covers nothing.
    assert!(!is_placed(
        r#"{"x":5,"y":5}"#,
        &outline(&[(0, 0), (10, 10)])
    ));
    assert!(is_placed(r#"{"x":5,"y":6}"#, &outline(&[(0, 0), (10, 10)])));
    assert!(!is_placed(r#"{"x":5,"y":5}"#, &outline(&[(5, 5)])));
    assert!(is_placed(r#"{"x":5,"y":5}"#, &outline(&[])));
}

#[test]
fn cells_and_pixels_are_compared_by_the_size_of_a_cell() {
    let in_cells = r#","useGridCoordinates":true"#;
    let size = r#","gridSettings":{"gridSize":10}"#;
    let pixels = |x: &str| format!("{{\"x\":{x},\"y\":1.5}}");
    let cells = |x: &str| format!("{{\"x\":{x},\"y\":1.5,\"useGridCoordinates\":true}}");
    // Both in cells: as they are.
    assert!(is_placed(&cells("1.5"), &fog(in_cells)));
    assert!(!is_placed(
        &cells("15").replace("1.5", "15"),
        &fog(in_cells)
    ));
    // The fog in pixels, the token in cells.
    assert!(!is_placed(&cells("1.5"), &(fog("") + size)));
    assert!(is_placed(&cells("2.5"), &(fog("") + size)));
    // The fog in cells, the token in pixels.
    assert!(!is_placed(
        &pixels("150").replace("1.5", "150"),
        &(fog(in_cells) + size)
    ));
    assert!(is_placed(&pixels("15"), &(fog(in_cells) + size)));
    // Nobody knows.
    assert!(!is_placed(&cells("99"), &fog("")));
    for unknown in [
        r#"{"gridSize":0}"#,
        r#"{"gridSize":"10"}"#,
        r#"{"gridSize":10,"useFixedGrid":true}"#,
    ] {
        let more = format!(r#"{},"gridSettings":{unknown}"#, fog(""));
        assert!(!is_placed(&cells("99"), &more), "{unknown}");
    }
}

#[test]
fn in_doubt_a_place_is_hidden() {
    for position in [r#"{"x":1}"#, r#"{"x":"1","y":1}"#, "[1,1]", "\"here\"", "7"] {
        let seen = entry(
            &format!(r#"{{"id":"g","mapPosition":{position}}}"#),
            &fog(""),
        );
        assert_eq!(seen, r#"{"id":"g"}"#);
    }
    for broken in [
        r#"[{"points":[{"x":1,"y":null}]}]"#,
        r#"[{"points":[1]}]"#,
        r#"[{"points":{"x":1}}]"#,
        r#"[{"points":[{"x":1e308,"y":-1e308},{"x":-1e308,"y":-1e308},{"x":0,"y":1e308}]}]"#,
        r#"{"points":[]}"#,
    ] {
        assert!(
            !is_placed(r#"{"x":1,"y":1}"#, &format!(r#","fogOfWar":{broken}"#)),
            "{broken}"
        );
    }
}

#[test]
fn trails_lead_to_the_fog_and_not_into_it() {
    let path =
        r#""turnMovementPath":[{"x":1,"y":1},{"x":15,"y":15},{"x":30,"y":1},{"x":20,"y":20}]"#;
    assert_eq!(
        entry(
            &format!(r#"{{"mapPosition":{{"x":0,"y":0}},{path}}}"#),
            &fog("")
        ),
        r#"{"mapPosition":{"x":0,"y":0},"turnMovementPath":[{"x":1,"y":1},{"x":30,"y":1}]}"#
    );
    let mia = format!(r#"{{"isPlayer":true,{path}}}"#);
    assert_eq!(entry(&mia, &fog("")), mia);
    for (flag, shown) in [
        ("false", false),
        ("0", false),
        ("true", true),
        ("null", true),
    ] {
        let grid = format!(r#","gridSettings":{{"showMovementTrailToPlayers":{flag}}}"#);
        assert_eq!(
            entry(&mia, &grid).contains("turnMovementPath"),
            shown,
            "{flag}"
        );
    }
}

#[test]
fn what_the_model_does_not_know_is_left_out_at_every_depth() {
    assert_eq!(
        view(
            r#"{"id":"s","folder":"Act3","images":[{"id":"i"}],"encounterHistory":[{"id":"e"}],"gm_plan":1,"notes":"n",
            "maps":[{"name":"a","gm_x":1,"id":"q","data":{"gm_y":1,"trap":"t","scale":{"gm_z":1},"position":{"x":1,"z":2,"gm_w":3}}}],
            "gridSettings":{"gridSize":5,"gm_secret":{},"other":1},
            "aoeMarkers":[{"id":"m","dc":15,"label":["t"]}],
            "fogOfWar":[{"id":"f","note":"t","points":[{"x":1,"y":1,"gm_p":1}]}],
            "initiativeOrder":[{"id":"g","ac":15,"gm_n":"t","health":7,"mapPosition":{"x":2,"y":1,"t":1},"turnMovementPath":[{"x":9,"y":9,"t":1},{"t":1},7]}, "t"]}"#
        ),
        concat!(
            r#"{"id":"s","maps":[{"name":"a","data":{"position":{"x":1}}}],"gridSettings":{"gridSize":5},"#,
            r#""aoeMarkers":[{"id":"m"}],"fogOfWar":[{"id":"f","points":[{"x":1,"y":1}]}],"#,
            r#""initiativeOrder":[{"id":"g","mapPosition":{"x":2,"y":1},"turnMovementPath":[{"x":9,"y":9}]}]}"#
        )
    );
}

#[test]
fn nothing_is_left_of_what_is_no_scene() {
    for odd in ["[1,\"secret\"]", "\"secret\"", "null", "3", "{}"] {
        assert_eq!(view(odd), "{}");
    }
    assert_eq!(
        view(
            r#"{"maps":{"name":"t"},"aoeMarkers":"t","initiativeOrder":7,"gridSettings":[1],"name":["t"]}"#
        ),
        "{}"
    );
}

#[test]
fn names_of_hidden_things_are_known() {
    let scene = text(
        r#"{"maps":[{"name":"crypt.png","data":{"isHidden":true}},{"name":"road.png"},{"name":"both.png"},{"name":"both.png","data":{"isHidden":true}}],
        "aoeMarkers":[{"id":"trap","revealed":false},{"id":"fire"},{"id":7,"revealed":false}],
        "fogOfWar":[{"id":"f","points":[{"x":0,"y":0},{"x":9,"y":0},{"x":9,"y":9},{"x":0,"y":9}]}],
        "images":[{"id":"picture","name":"dragon.png","path":"images/picture_dragon.png"}],
        "initiativeOrder":["x",{},{"id":"g1","name":"Goblin","mapPosition":{"x":1,"y":1}},{"id":"g2","name":"Goblin","mapPosition":{"x":20,"y":1}},
            {"id":"b","name":"Boss","mapPosition":{"x":2,"y":2}},{"id":"n","name":"Not placed"},{"id":"p","name":"Mia","isPlayer":true,"mapPosition":{"x":1,"y":1}}]}"#,
    );
    let mut names: Vec<_> = hidden_names(&scene, &player_view(&scene))
        .into_iter()
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "7",
            "Boss",
            "b",
            "crypt.png",
            "g1",
            "images/picture_dragon.png",
            "picture",
            "trap"
        ]
    );
}

/// A scene in SpellTable's shape in which everything that players must not read says `PEEK` or is one
/// of the numbers 66601 to 66699, and what they may read says `SHOW`.
fn any_table() -> impl Strategy<Value = String> {
    let map = any::<(bool, bool)>().prop_map(|(hidden, gm)| {
        let (name, note) = (if hidden { "PEEK" } else { "SHOW" }, if gm { ",\"gm_a\":{\"x\":[\"PEEK\"]}" } else { "" });
        format!(r#"{{"name":"{name}","folder":"{name}","data":{{"position":{{"x":1,"y":2}}{note},"isHidden":{hidden}}}}}"#)
    });
    let marker = any::<bool>().prop_map(|revealed| {
        let name = if revealed { "SHOW" } else { "PEEK" };
        format!(r#"{{"id":"{name}","label":"{name}","note":"PEEK","revealed":{revealed}}}"#)
    });
    // Fog covers 0 to 100 in pixels; hidden coordinates are written with many digits.
    let entry = (any::<(bool, bool, bool)>(), 0..100u32, 0..99u32).prop_map(
        |((player, fogged, gm), place, hp)| {
            let at = match (fogged, player) {
                (true, false) => format!("{place}.66666"),
                (true, true) => format!("{place}.5"),
                (false, _) => format!("{}", 101 + place),
            };
            let hp = if player { hp } else { 66_601 + hp };
            let note = if gm { ",\"gm_note\":\"PEEK\"" } else { ",\"note\":\"PEEK\"" };
            format!(
                r#"{{"id":"SHOW{place}"{note},"hp":{hp},"initialHP":{hp},"isPlayer":{player},"mapPosition":{{"x":{at},"y":50}},"turnMovementPath":[{{"x":{at},"y":50}}]}}"#
            )
        },
    );
    let list = |strategy: BoxedStrategy<String>| {
        prop::collection::vec(strategy, 0..6).prop_map(|things| format!("[{}]", things.join(",")))
    };
    (list(map.boxed()), list(marker.boxed()), list(entry.boxed()), any::<bool>()).prop_map(
        |(maps, markers, entries, active)| {
            let active = if active { "\"PEEK\"" } else { "\"SHOW\"" };
            let shown = maps.contains("\"name\":\"SHOW\"");
            let active = if shown { active } else { "null" };
            format!(
                r#"{{"id":"SHOW","folder":"PEEK","activeMapId":{active},"maps":{maps},"aoeMarkers":{markers},"gm_PEEK":1,"PEEK":2,"images":["PEEK"],"encounterHistory":[{{"text":"PEEK"}}],"initiativeOrder":{entries},"fogOfWar":[{{"id":"SHOW","gm_":"PEEK","points":[{{"x":0,"y":0}},{{"x":100,"y":0}},{{"x":100,"y":100}},{{"x":0,"y":100}}]}}]}}"#
            )
        },
    )
}

proptest! {
    #[test]
    fn no_byte_of_a_secret_gets_out(scene in any_table()) {
        let seen = view(&scene);
        prop_assert!(!seen.contains("PEEK"), "{}", seen);
        prop_assert!(!seen.contains("666"), "{}", seen);
        prop_assert!(!seen.contains("gm_"), "{}", seen);
        // And nothing else is withheld.
        let count = |text: &str, what: &str| text.matches(what).count();
        prop_assert_eq!(count(&seen, "SHOW"), count(&scene, "SHOW"));
        prop_assert_eq!(count(&seen, "\"hp\""), count(&scene, "\"isPlayer\":true"));
        prop_assert_eq!(count(&seen, "\"health\":\"unhurt\""), count(&scene, "\"isPlayer\":false"));
        let placed = count(&scene, "\"mapPosition\"") - count(&scene, ".66666") / 2;
        prop_assert_eq!(count(&seen, "\"mapPosition\""), placed);
    }

    #[test]
    fn a_view_of_a_view_is_itself(table in any_table(), odd in any_scene()) {
        for scene in [text(&table), odd.text()] {
            let seen = player_view(&scene);
            prop_assert_eq!(&player_view(&seen), &seen);
            prop_assert_eq!(&player_view(&scene), &seen);
            // What was put together passes the scan, and no key of the GM's is in it.
            prop_assert!(!has_gm_key(text(seen.as_str()).root()), "{}", seen.as_str());
            prop_assert!(hidden_names(&seen, &seen).is_empty());
        }
    }

    #[test]
    fn a_hidden_name_is_not_in_the_view_but_for_its_entry(table in any_table()) {
        let scene = text(&table);
        let seen = player_view(&scene);
        let entries = seen.root().get("initiativeOrder").unwrap().raw();
        for name in hidden_names(&scene, &seen) {
            let quoted = quote(&name);
            let all = seen.as_str().matches(&quoted).count();
            prop_assert_eq!(all, entries.matches(&quoted).count(), "{}", name);
        }
    }
}

fn has_gm_key(node: Node<'_>) -> bool {
    node.members()
        .any(|(key, value)| key.starts_with("gm_") || has_gm_key(value))
        || node.elements().any(has_gm_key)
}

/// What the edits make of the scene's view, if that can be told from the entry alone; it must be what
/// the whole scene's view is, and what the edits found make of the former one.
fn followed(scene: &JsonText, edits: &str) -> Option<String> {
    let edits = text(edits);
    let edits = Edit::parse_list(edits.root(), &edits).ok()?;
    let changed = apply(scene, &edits).ok()?;
    let old = player_view(scene);
    let (view, found) = follow_one_entry(&changed, &edits, &old)?;
    assert_eq!(view.as_str(), player_view(&changed).as_str());
    let made = apply(&old, &found).unwrap();
    assert!(same(made.root(), view.root()), "{made:?} {view:?}");
    Some(Edit::list_to_json(&found))
}

#[test]
fn a_change_of_one_entry_is_followed_without_the_rest() {
    let scene = text(
        r#"{"fogOfWar":[{"id":"f","points":[{"x":0,"y":0},{"x":9,"y":0},{"x":9,"y":9},{"x":0,"y":9}]}],
        "initiativeOrder":[3,{"id":"a","hp":9,"initialHP":9,"mapPosition":{"x":20,"y":2}},{"id":7,"isPlayer":true},{"id":"a","name":"other"}]}"#,
    );
    let at = |id: &str, member: &str, value: &str| {
        let edits = format!(
            r#"[{{"op":"set","path":["initiativeOrder",{{"id":{id}}},{member}],"value":{value}}}]"#
        );
        followed(&scene, &edits)
    };
    let set = |id: &str, member: &str, value: &str| {
        format!(
            r#"[{{"op":"set","path":["initiativeOrder",{{"id":{id}}},"{member}"],"value":{value}}}]"#
        )
    };
    let a = "\"a\"";
    // The view's edit is as short as it can be.
    let moved = r#"{"x":21,"y":2}"#;
    let sideways =
        r#"[{"op":"set","path":["initiativeOrder",{"id":"a"},"mapPosition","x"],"value":21}]"#;
    assert_eq!(at(a, "\"mapPosition\"", moved).as_deref(), Some(sideways));
    let inside =
        r#"[{"op":"set","path":["initiativeOrder",{"id":"a"},"mapPosition","x"],"value":30}]"#;
    assert_eq!(
        at(a, "\"mapPosition\",\"x\"", "30").as_deref(),
        Some(inside)
    );
    // Under the fog it is gone.
    let gone = r#"[{"op":"delete","path":["initiativeOrder",{"id":"a"},"mapPosition"]}]"#;
    assert_eq!(
        at(a, "\"mapPosition\"", r#"{"x":2,"y":2}"#).as_deref(),
        Some(gone)
    );
    assert_eq!(at(a, "\"hp\"", "3"), Some(set(a, "health", "\"bloodied\"")));
    assert_eq!(at(a, "\"hp\"", "9.0").as_deref(), Some("[]"));
    assert_eq!(at(a, "\"gm_note\"", "\"secret\"").as_deref(), Some("[]"));
    assert_eq!(at("7", "\"hp\"", "3"), Some(set("7", "hp", "3")));
    // What is known by another name, or is somewhere else, changes more.
    assert_eq!(at(a, "\"id\"", "\"b\""), None);
    let fog = r#"[{"op":"set","path":["fogOfWar"],"value":[]}]"#;
    assert_eq!(followed(&scene, fog), None);
    let both = r#"[{"op":"set","path":["initiativeOrder",{"id":"a"},"hp"],"value":1},{"op":"set","path":["initiativeOrder",{"id":7},"hp"],"value":1}]"#;
    assert_eq!(followed(&scene, both), None);
}

proptest! {
    #[test]
    fn what_is_followed_is_what_is_seen(
        scene in any_scene(),
        entry in 0usize..6,
        member in prop::sample::select(vec!["mapPosition", "hp", "initialHP", "isPlayer", "isKilled", "name", "turnMovementPath", "gm_x", "health"]),
        value in prop::sample::select(vec!["null", "true", "false", "3", "-1", "\"3\"", "{}", "[]", r#"{"x":1,"y":2}"#, r#"{"x":400,"y":1,"useGridCoordinates":true}"#, r#"[{"x":1,"y":1}]"#]),
    ) {
        let scene = scene.text();
        let list = scene.root().get("initiativeOrder");
        let ids = list.into_iter().flat_map(|list| list.elements()).filter_map(|e| e.get("id"));
        if let Some(id) = ids.map(|id| id.raw()).nth(entry) {
            let edits = format!(r#"[{{"op":"set","path":["initiativeOrder",{{"id":{id}}},"{member}"],"value":{value}}}]"#);
            followed(&scene, &edits);
        }
    }
}
