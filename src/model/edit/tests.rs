//! What holds for edits, case by case.

use super::*;
use crate::model::random::{any_changes, any_scene, text};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

fn edits(json: &str) -> Result<Vec<Edit>, EditError> {
    let text = text(json);
    Edit::parse_list(text.root(), &text)
}

#[derive(Deserialize)]
struct Case<'a> {
    name: String,
    #[serde(borrow)]
    doc: &'a RawValue,
    #[serde(borrow)]
    edits: &'a RawValue,
    result: Option<Value>,
    error: Option<String>,
}

#[test]
fn the_shared_cases_hold() {
    let cases = include_str!("../../../tests/vectors/edits.json");
    let cases: Vec<Case<'_>> = serde_json::from_str(cases).unwrap();
    for case in &cases {
        let doc = text(case.doc.get());
        let outcome = match edits(case.edits.get()) {
            Ok(edits) => apply(&doc, &edits).map_err(|refused| refused.reason.code()),
            Err(_) => Err("invalid"),
        };
        match (outcome, &case.result, &case.error) {
            (Ok(new), Some(result), None) => {
                // What was made passes the scan again.
                assert_eq!(
                    text(new.as_str()).root().to_value(),
                    *result,
                    "{}",
                    case.name
                );
            }
            (Err(code), None, Some(error)) => assert_eq!(code, error, "{}", case.name),
            (outcome, ..) => panic!("{}: {outcome:?}", case.name),
        }
    }
    assert!(cases.len() >= 40);
}

fn made(doc: &str, json: &str) -> String {
    apply(&text(doc), &edits(json).unwrap())
        .unwrap()
        .as_str()
        .to_owned()
}

#[test]
fn every_other_byte_stays() {
    let doc = " { \"n\" : 1.0e5 , \"l\":[ {\"id\" : \"\\u0061\"} ,{\"id\":\"b\" } ],\"z\":-0.0 }\n";
    for (edits, new) in [
        (
            r#"[{"op":"set","path":["l",{"id":"a"},"x"],"value":[1, 2]}]"#,
            " { \"n\" : 1.0e5 , \"l\":[ {\"id\" : \"\\u0061\",\"x\":[1, 2]} ,{\"id\":\"b\" } ],\"z\":-0.0 }\n",
        ),
        (
            r#"[{"op":"delete","path":["l",{"id":"b"}]},{"op":"delete","path":["n"]}]"#,
            " { \"l\":[ {\"id\" : \"\\u0061\"} ],\"z\":-0.0 }\n",
        ),
        (
            r#"[{"op":"delete","path":["z"]},{"op":"set","path":["l"],"value":[]}]"#,
            " { \"n\" : 1.0e5 , \"l\":[]}\n",
        ),
        (
            r#"[{"op":"insert","path":["l"],"value":{"id":"c"},"before":{"id":"b"}}]"#,
            " { \"n\" : 1.0e5 , \"l\":[ {\"id\" : \"\\u0061\"} ,{\"id\":\"c\"},{\"id\":\"b\" } ],\"z\":-0.0 }\n",
        ),
        (
            r#"[{"op":"move","path":["l",{"id":"a"}]}]"#,
            " { \"n\" : 1.0e5 , \"l\":[{\"id\":\"b\" } , {\"id\" : \"\\u0061\"} ],\"z\":-0.0 }\n",
        ),
    ] {
        assert_eq!(made(doc, edits), new, "{edits}");
    }
    assert_eq!(
        made("{ }", r#"[{"op":"set","path":["a"],"value":1}]"#),
        "{\"a\":1 }"
    );
    assert_eq!(made("{\"a\":1}", r#"[{"op":"delete","path":["a"]}]"#), "{}");
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    let error = |json: &str| edits(json).unwrap_err().to_string();
    assert_eq!(error("{}"), "the edits must be a list");
    assert_eq!(
        error(r#"[{"op":"delete","path":["a"]},{"op":"delete","path":[]}]"#),
        "edit 1: the path is empty"
    );
    let long = vec!["\"a\""; 65].join(",");
    assert_eq!(
        error(&format!(r#"[{{"op":"delete","path":[{long}]}}]"#)),
        "edit 0: the path has more than 64 steps"
    );
    let many = vec![r#"{"op":"delete","path":["a"]}"#; 1_001].join(",");
    assert_eq!(
        error(&format!("[{many}]")),
        "there are more than 1000 edits in one change"
    );
    let refused = apply(
        &text(r#"{"a":1,"l":[]}"#),
        &edits(r#"[{"op":"set","path":["a"],"value":2},{"op":"delete","path":["l",{"id":"ä"}]}]"#)
            .unwrap(),
    );
    assert_eq!(
        refused.unwrap_err().to_string(),
        r#"edit 1: ["l",{"id":"ä"}] is not there"#
    );
}

#[test]
fn edits_made_by_hand_are_refused_rather_than_believed() {
    let doc = text(r#"{"l":[{"id":"a"}]}"#);
    let key = |key: &str| Step::Key(key.into());
    let select = |id: &'static str| Step::Select(Selector::first("l", id.into()));
    for edit in [
        Edit::Delete {
            path: Path::default(),
        },
        Edit::Delete {
            path: vec![select("a")].into(),
        },
        Edit::Delete {
            path: vec![key("l"); 65].into(),
        },
        Edit::Move {
            path: vec![key("l")].into(),
            before: None,
        },
        Edit::Insert {
            path: vec![key("l"), select("a")].into(),
            value: text("{}"),
            before: None,
        },
        Edit::Insert {
            path: vec![key("l")].into(),
            value: text("3"),
            before: None,
        },
        Edit::Set {
            path: vec![key("l"), select("a")].into(),
            value: text("{}"),
        },
    ] {
        let refused = apply(&doc, std::slice::from_ref(&edit)).unwrap_err();
        assert_eq!(refused.reason, Reason::Invalid, "{edit:?}");
    }
}

#[test]
fn a_list_of_edits_is_written_as_it_is_read() {
    let json = r#"[{"op":"set","path":["maps",{"name":"x\"","nth":1},"data"],"value":{ "x":1.0}},{"op":"delete","path":["l",{"id":1e2}]},{"op":"insert","path":["l"],"value":{"id":"ä"},"before":{"id":"b"}},{"op":"move","path":["l",{"id":"b"}]}]"#;
    assert_eq!(Edit::list_to_json(&edits(json).unwrap()), json);
    assert_eq!(Edit::list_to_json(&[]), "[]");
}

#[test]
fn a_path_leads_to_its_value() {
    let doc = text(r#"{"maps":[{"name":"x","v":1},{"name":"x","v":[2]}],"n":null}"#);
    let at = |path: &str| {
        let path = text(path);
        value_at(&doc, &Path::parse(path.root()).unwrap()).map(|node| node.raw())
    };
    assert_eq!(at(r#"["maps",{"name":"x"},"v"]"#), Some("1"));
    assert_eq!(at(r#"["maps",{"name":"x","nth":1},"v"]"#), Some("[2]"));
    assert_eq!(at(r#"["maps",{"name":"x","nth":2}]"#), None);
    assert_eq!(at(r#"["n"]"#), Some("null"));
    assert_eq!(at(r#"["n","m"]"#), None);
    assert_eq!(
        value_at(&doc, &Path::default()).unwrap().raw(),
        doc.as_str()
    );
}

#[test]
fn counting_is_noticed_wherever_it_stands() {
    for (json, uses) in [
        (r#"[{"op":"delete","path":["maps",{"name":"x"}]}]"#, false),
        (
            r#"[{"op":"delete","path":["maps",{"name":"x","nth":0}]}]"#,
            false,
        ),
        (
            r#"[{"op":"delete","path":["maps",{"name":"x","nth":1},"data"]}]"#,
            true,
        ),
        (
            r#"[{"op":"move","path":["maps",{"name":"x"}],"before":{"name":"y","nth":1}}]"#,
            true,
        ),
    ] {
        assert_eq!(uses_nth(&edits(json).unwrap()), uses, "{json}");
    }
}

#[test]
fn places_clash_as_the_contract_says() {
    let a = r#""path":["l",{"id":"a"}]"#;
    let inside = r#"{"op":"set","path":["l",{"id":"a"},"x"],"value":1}"#;
    let deeper = r#"{"op":"set","path":["l",{"id":"a"},"x","y"],"value":1}"#;
    let beside = r#"{"op":"set","path":["l",{"id":"a"},"z"],"value":1}"#;
    let other = r#"{"op":"set","path":["l",{"id":"b"},"x"],"value":1}"#;
    let delete = format!(r#"{{"op":"delete",{a}}}"#);
    let moved = format!(r#"{{"op":"move",{a}}}"#);
    let replace = format!(r#"{{"op":"set",{a},"value":{{"id":"a"}}}}"#);
    let insert = r#"{"op":"insert","path":["l"],"value":{"id":"a"}}"#;
    let insert_b = r#"{"op":"insert","path":["l"],"value":{"id":"b"},"before":{"id":"a"}}"#;
    let list = r#"{"op":"set","path":["l"],"value":[]}"#;
    let no_list = r#"{"op":"delete","path":["l"]}"#;
    let no_member = r#"{"op":"delete","path":["l",{"id":"a"},"x"]}"#;
    for (mine, theirs, clash) in [
        (inside, inside, true),
        (inside, deeper, true),
        (deeper, inside, true),
        (inside, beside, false),
        (inside, other, false),
        // A deletion wins over edits inside; an edit of something deleted does not come through.
        (&delete, inside, false),
        (inside, &delete, true),
        (no_list, insert, false),
        (insert, no_list, true),
        (no_member, deeper, false),
        (no_member, inside, true),
        (&delete, &delete, true),
        (&delete, &replace, true),
        (&delete, insert, true),
        // Moving touches the thing.
        (&moved, &moved, true),
        (&moved, inside, true),
        (inside, &moved, true),
        (&moved, other, false),
        (&moved, &delete, true),
        (&delete, &moved, false),
        // The list is not touched by what happens to its things, but all are by what happens to it.
        (insert, insert, true),
        (insert, insert_b, false),
        (insert_b, &delete, false),
        (insert, list, true),
        (list, insert, true),
        (other, list, true),
        (&replace, inside, true),
    ] {
        let parsed = |json: &str| edits(&format!("[{json}]")).unwrap();
        let found = conflict(&parsed(mine), &parsed(theirs));
        let place = parsed(mine)[0].place();
        assert_eq!(found, clash.then_some(place), "{mine} after {theirs}");
    }
}

#[test]
fn the_first_place_that_clashes_is_told() {
    let mine = r#"[{"op":"set","path":["a"],"value":1},{"op":"insert","path":["l"],"value":{"id":1}},{"op":"set","path":["b"],"value":1}]"#;
    let theirs = r#"[{"op":"set","path":["b"],"value":1},{"op":"delete","path":["l",{"id":1.0}]}]"#;
    let place = conflict(&edits(mine).unwrap(), &edits(theirs).unwrap()).unwrap();
    assert_eq!(place.to_string(), r#"["l",{"id":1}]"#);
}

/// The paths to all members and things of `node` that can be addressed, with their text.
fn places(node: crate::json::Node<'_>, path: &Path, key: &str, found: &mut Vec<(Path, String)>) {
    found.push((path.clone(), node.raw().to_owned()));
    for (key, value) in node.members() {
        places(
            value,
            &path.then(Step::Key(key.clone().into())),
            &key,
            found,
        );
    }
    let mut seen = std::collections::HashMap::new();
    for element in node.elements() {
        if path.steps().is_empty() || matches!(path.steps().last(), Some(Step::Select(_))) {
            continue;
        }
        if let Some(ident) = Ident::in_element(element, member_of(key)) {
            let mut selector = Selector::first(key, ident.clone());
            let count = seen.entry(ident).or_insert(0);
            selector.nth = *count;
            *count += 1;
            places(element, &path.then(Step::Select(selector)), "", found);
        }
    }
}

/// Edits at places of `scene`, some of which make no sense: which place, which edit, which value.
fn any_edits(scene: &JsonText, picks: &[(prop::sample::Index, u8, u8)]) -> Vec<Edit> {
    let mut all = Vec::new();
    places(scene.root(), &Path::default(), "", &mut all);
    let value = |n: u8| text(&format!("{{\"id\":\"{n}\",\"name\":\"{n}\"}}"));
    let edits = picks.iter().map(|(which, op, n)| {
        let path = which.get(&all).0.clone();
        let before = match all[usize::from(*n) % all.len()].0.steps().last() {
            Some(Step::Select(selector)) => Some(selector.clone()),
            _ => None,
        };
        match op {
            0 => Edit::Set {
                path,
                value: value(*n),
            },
            1 => Edit::Delete { path },
            2 => Edit::Insert {
                path,
                value: value(*n),
                before,
            },
            _ => Edit::Move { path, before },
        }
    });
    edits.collect()
}

proptest::proptest! {
    #[test]
    fn a_set_changes_its_own_bytes_only(scene in any_scene(), which: prop::sample::Index) {
        let scene = scene.text();
        let mut all = Vec::new();
        places(scene.root(), &Path::default(), "", &mut all);
        all.remove(0);
        let (path, old) = which.get(&all).clone();
        let node = value_at(&scene, &path).unwrap();
        prop_assert_eq!(node.raw(), &old);
        let edit = Edit::Set { path, value: text("[\"new\"]") };
        if let Ok(new) = apply(&scene, &[edit]) {
            let (range, whole) = (node.range(), scene.as_str());
            let spliced = format!("{}[\"new\"]{}", &whole[..range.start], &whole[range.end..]);
            prop_assert_eq!(new.as_str(), spliced);
        }
    }

    #[test]
    fn what_no_edit_touches_keeps_its_bytes(
        scene in any_scene(),
        changes in any_changes(4),
    ) {
        let old = scene.text();
        let edits = crate::model::diff(&old, &scene.changed(&changes).text());
        let new = apply(&old, &edits).unwrap();
        let mut all = Vec::new();
        places(old.root(), &Path::default(), "", &mut all);
        let touched: Vec<Path> = edits.iter().map(Edit::place).collect();
        for (path, raw) in all {
            let clash = |place: &Path| {
                place.steps().starts_with(path.steps()) || path.steps().starts_with(place.steps())
            };
            let counts = path.steps().iter().any(|s| matches!(s, Step::Select(s) if s.nth > 0));
            if !counts && !touched.iter().any(clash) {
                prop_assert_eq!(value_at(&new, &path).unwrap().raw(), raw);
            }
        }
        // Nothing that a scan would refuse comes about.
        text(new.as_str());
    }

    #[test]
    fn clashes_are_the_same_pair_by_pair_and_all_at_once(
        scene in any_scene(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, 0..4u8), 2..12),
    ) {
        let edits = any_edits(&scene.text(), &picks);
        let (mine, theirs) = edits.split_at(edits.len() / 2);
        let alone = mine.iter().filter(|edit| {
            let clashes = |other: &Edit| {
                conflict(std::slice::from_ref(edit), std::slice::from_ref(other)).is_some()
            };
            !theirs.iter().any(clashes)
        });
        let alone: Vec<Edit> = alone.cloned().collect();
        prop_assert_eq!(without_conflicts(mine.to_vec(), theirs), alone);
    }

    #[test]
    fn what_is_possible_is_made_one_after_the_other(
        scene in any_scene(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, 0..9u8), 1..6),
    ) {
        let scene = scene.text();
        let edits = any_edits(&scene, &picks);
        let (mut stepwise, mut made) = (scene.clone(), Vec::new());
        for edit in &edits {
            if let Ok(next) = apply(&stepwise, std::slice::from_ref(edit)) {
                stepwise = next;
                made.push(edit.clone());
            }
        }
        prop_assert_eq!(apply_possible(&scene, edits), (stepwise, made));
    }

    #[test]
    fn any_edits_are_made_all_or_none_and_never_panic(
        scene in any_scene(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, 0..9u8), 1..6),
    ) {
        let scene = scene.text();
        let edits = any_edits(&scene, &picks);
        // One after the other, each on the text that the last one left.
        let mut stepwise = Ok(scene.clone());
        for (index, edit) in edits.iter().enumerate() {
            stepwise = stepwise.and_then(|scene| {
                apply(&scene, std::slice::from_ref(edit)).map_err(|refused| (index, refused.reason))
            });
        }
        let at_once = apply(&scene, &edits).map_err(|refused| (refused.index, refused.reason));
        prop_assert_eq!(&at_once, &stepwise);
        if let Ok(new) = at_once {
            text(new.as_str());
        }
    }
}
