//! What holds for differences.

use super::*;
use crate::model::edit::{apply, conflict};
use crate::model::random::{any_changes, any_scene, canonical, text};
use proptest::prelude::*;

fn found(old: &str, new: &str) -> String {
    let (old, new) = (text(old), text(new));
    let edits = diff(&old, &new);
    let made = apply(&old, &edits).unwrap();
    assert!(same(made.root(), new.root()), "{}", made.as_str());
    Edit::list_to_json(&edits)
}

#[test]
fn equal_scenes_need_no_edits() {
    assert_eq!(found("{\"a\":[1]}", "{\"a\":[1]}"), "[]");
    assert_eq!(
        found(
            r#"{ "a" : "\u00e4", "b":[{"id":"x"}], "c":[1,{"p":2,"q":3}] }"#,
            r#"{"b":[ {"id":"\u0078"} ],"c":[1, {"q":3,"p":2}],"a":"ä"}"#
        ),
        "[]"
    );
}

#[test]
fn members_come_go_and_change() {
    assert_eq!(
        found(
            r#"{"a":1,"b":{"x":1,"y":[1,2]},"c":null}"#,
            r#"{"d":false,"b":{"x":1.0,"y":[2,1]},"c":null}"#
        ),
        r#"[{"op":"set","path":["d"],"value":false},{"op":"set","path":["b","x"],"value":1.0},{"op":"set","path":["b","y"],"value":[2,1]},{"op":"delete","path":["a"]}]"#
    );
}

#[test]
fn a_dragged_token_is_one_small_edit() {
    assert_eq!(
        found(
            r#"{"initiativeOrder":[{"id":"a","mapPosition":{"x":1,"y":2}},{"id":"b","mapPosition":{"x":1,"y":2}}]}"#,
            r#"{"initiativeOrder":[{"id":"a","mapPosition":{"x":1,"y":2}},{"id":"b","mapPosition":{"x":5,"y":2}}]}"#
        ),
        r#"[{"op":"set","path":["initiativeOrder",{"id":"b"},"mapPosition","x"],"value":5}]"#
    );
}

#[test]
fn things_are_deleted_inserted_and_moved_by_what_they_are() {
    assert_eq!(
        found(
            r#"{"maps":[{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d"}]}"#,
            r#"{"maps":[{"name":"d"},{"name":"a"},{"name":"x"},{"name":"c","f":1},{"name":"y"}]}"#
        ),
        concat!(
            r#"[{"op":"delete","path":["maps",{"name":"b"}]},"#,
            r#"{"op":"move","path":["maps",{"name":"d"}],"before":{"name":"a"}},"#,
            r#"{"op":"insert","path":["maps"],"value":{"name":"x"},"before":{"name":"c"}},"#,
            r#"{"op":"insert","path":["maps"],"value":{"name":"y"}},"#,
            r#"{"op":"set","path":["maps",{"name":"c"},"f"],"value":1}]"#
        )
    );
}

#[test]
fn one_thing_dragged_across_a_list_is_one_move() {
    let list = |ids: &mut dyn Iterator<Item = usize>| {
        let things: Vec<_> = ids.map(|id| format!("{{\"id\":{id}}}")).collect();
        format!("{{\"l\":[{}]}}", things.join(","))
    };
    let old = list(&mut (0..200));
    assert_eq!(
        found(
            &old,
            &list(&mut std::iter::once(150).chain((0..200).filter(|n| *n != 150)))
        ),
        r#"[{"op":"move","path":["l",{"id":150}],"before":{"id":0}}]"#
    );
    assert_eq!(
        found(&old, &list(&mut (1..200).chain([0]))),
        r#"[{"op":"move","path":["l",{"id":0}]}]"#
    );
}

#[test]
fn a_list_in_which_not_everything_has_its_own_ident_is_set_whole() {
    for (old, new) in [
        (r#"{"l":[{"id":"a"},{"id":"a"}]}"#, r#"{"l":[{"id":"a"}]}"#),
        (r#"{"l":[{"id":"a"}]}"#, r#"{"l":[{"id":"a"},{"id":"a"}]}"#),
        (r#"{"l":[{"id":"a"}]}"#, r#"{"l":[{"id":"a"},{}]}"#),
        (r#"{"l":[{"id":"a"}]}"#, r#"{"l":[{"id":null}]}"#),
        (r#"{"l":[{"id":"a"}]}"#, r#"{"l":[1]}"#),
        (r#"{"maps":[{"id":"a"}]}"#, r#"{"maps":[{"id":"b"}]}"#),
    ] {
        let edits = found(old, new);
        assert!(edits.starts_with(r#"[{"op":"set""#), "{edits}");
        assert_eq!(edits.matches("\"op\"").count(), 1, "{edits}");
    }
}

#[test]
fn long_lists_take_no_time_to_speak_of() {
    // Quadratic behaviour would take minutes here.
    let list = |ids: Vec<usize>| {
        let things: Vec<_> = ids
            .iter()
            .map(|id| format!("{{\"id\":\"t{id}\"}}"))
            .collect();
        text(&format!("{{\"l\":[{}]}}", things.join(",")))
    };
    let old = list((0..50_000).collect());
    let new = list((0..50_000).rev().filter(|n| n % 3 > 0).collect());
    assert!(diff(&old, &new).len() > 49_000);
    let members = |n: usize| (0..n).map(|i| format!("\"k{i}\":0,")).collect::<String>();
    let old = text(&format!("{{{}\"z\":1}}", members(50_000)));
    let new = text(&format!("{{\"a\":1,{}\"z\":1}}", members(50_000)));
    assert_eq!(diff(&old, &new).len(), 1);
}

#[test]
fn the_distance_is_what_would_be_sent() {
    let (old, new) = (text("{\"a\":1}"), text("{\"a\":2}"));
    let edits = diff(&old, &new);
    assert_eq!(
        distance(&edits),
        r#"[{"op":"set","path":["a"],"value":2}]"#.len()
    );
    assert_eq!(distance(&[]), 2);
}

proptest! {
    #[test]
    fn making_the_difference_gives_the_new_scene(
        old in any_scene(),
        new in any_scene(),
        changes in any_changes(6),
    ) {
        for new in [new, old.clone().changed(&changes)] {
            let (old, new) = (old.text(), new.text());
            let edits = diff(&old, &new);
            let made = apply(&old, &edits).unwrap();
            prop_assert_eq!(canonical(made.root(), false), canonical(new.root(), false));
            prop_assert!(same(made.root(), new.root()));
            // The edits survive the wire.
            let wire = text(&Edit::list_to_json(&edits));
            if edits.len() <= crate::model::edit::MAX_EDITS {
                prop_assert_eq!(Edit::parse_list(wire.root(), &wire).unwrap(), edits);
            }
        }
    }

    #[test]
    fn same_is_what_equal_means(a in any_scene(), changes in any_changes(2)) {
        let b = a.clone().changed(&changes).text();
        let a = a.text();
        let equal = canonical(a.root(), false) == canonical(b.root(), false);
        prop_assert_eq!(same(a.root(), b.root()), equal);
        prop_assert_eq!(diff(&a, &b).is_empty(), equal);
    }

    /// Changes that do not clash in either direction can be made in either order. The results are
    /// equal but for the order within lists, and there whatever neither of them put somewhere keeps
    /// its order.
    #[test]
    fn changes_that_do_not_clash_commute(
        base in any_scene(),
        mine in any_changes(3),
        theirs in any_changes(3),
    ) {
        let mine = diff(&base.text(), &base.clone().changed(&mine).text());
        let theirs = diff(&base.text(), &base.clone().changed(&theirs).text());
        let base = base.text();
        if conflict(&mine, &theirs).is_some() || conflict(&theirs, &mine).is_some() {
            return Ok(());
        }
        let one = apply(&apply(&base, &theirs).unwrap(), &mine).unwrap();
        let other = apply(&apply(&base, &mine).unwrap(), &theirs).unwrap();
        prop_assert_eq!(canonical(one.root(), true), canonical(other.root(), true));
        for made in [&one, &other] {
            for (list, order) in undisturbed(&base, &[&mine[..], &theirs[..]].concat()) {
                let kept = idents(made, &list);
                let kept: Vec<_> = kept.iter().filter(|i| order.contains(i)).collect();
                prop_assert_eq!(kept, order.iter().collect::<Vec<_>>());
            }
        }
    }

    /// A deletion of mine wins over what they did inside, so it can still be made after theirs.
    #[test]
    fn what_does_not_clash_can_be_made_after_theirs(
        base in any_scene(),
        mine in any_changes(3),
        theirs in any_changes(3),
    ) {
        let mine = diff(&base.text(), &base.clone().changed(&mine).text());
        let theirs = diff(&base.text(), &base.clone().changed(&theirs).text());
        let head = apply(&base.text(), &theirs).unwrap();
        if conflict(&mine, &theirs).is_none() {
            let both = apply(&head, &mine).unwrap();
            // Nothing of theirs is undone but what I deleted: their change is still there, or in
            // something that is gone.
            for edit in &theirs {
                if let Edit::Set { path, value } = edit {
                    let now = crate::model::edit::value_at(&both, path);
                    prop_assert!(now.is_none_or(|now| same(now, value.root())));
                }
            }
        }
    }
}

/// The lists at the top of a scene that are lists of things, with those in them that no edit names,
/// in their order. Lists that an edit replaces are left out.
fn undisturbed(base: &JsonText, edits: &[Edit]) -> Vec<(String, Vec<String>)> {
    let lists = base.root().members().filter_map(|(key, list)| {
        let whole = Path(vec![Step::Key(key.clone().into_owned())]);
        // An object of things is no list of them.
        let is_list = list.kind() == NodeKind::Array && things(&key, list, &[]).is_some();
        if !is_list || edits.iter().any(|edit| edit.place() == whole) {
            return None;
        }
        let mut order = idents(base, &key);
        order.retain(|ident| {
            !edits.iter().any(|edit| match edit.place().steps() {
                [Step::Key(list), Step::Select(selector)] => {
                    *list == *key && selector.value.to_json() == *ident
                }
                _ => false,
            })
        });
        Some((key.into_owned(), order))
    });
    lists.collect()
}

fn idents(scene: &JsonText, list: &str) -> Vec<String> {
    let things = scene
        .root()
        .get(list)
        .and_then(|node| things(list, node, &[]));
    let things = things.unwrap_or_default().into_iter();
    things.map(|thing| thing.ident.to_json()).collect()
}
