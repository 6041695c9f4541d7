//! What must not even be named to players.

use crate::json::{JsonText, Node, NodeKind};
use crate::model::edit::Ident;
use std::collections::HashSet;

/// The ids and names of things in `scene` that its players' `view` does not have: names of maps, ids
/// and names of markers, fogs and entries, ids and paths of pictures; and those of entries whose place
/// is hidden. A name that a visible thing has too is not among them. Numbers stand as they are written.
///
/// `view` must be what [`super::player_view`] makes of `scene`.
pub fn hidden_names(scene: &JsonText, view: &JsonText) -> HashSet<String> {
    let mut hidden = HashSet::new();
    let mut visible = HashSet::new();
    let mut entries = Vec::new();
    for (key, list) in scene.root().members() {
        for thing in list.elements() {
            add(thing, named_by(&key), &mut hidden);
            if key == "initiativeOrder" && thing.kind() == NodeKind::Object {
                entries.push(thing);
            }
        }
    }
    for (key, list) in view.root().members() {
        // The view has the same entries in the same order, whatever it leaves out of them.
        let mut originals = entries.iter().filter(|_| key == "initiativeOrder");
        for thing in list.elements() {
            if originals
                .next()
                .is_none_or(|o| is_placed(*o) == is_placed(thing))
            {
                add(thing, named_by(&key), &mut visible);
            }
        }
    }
    let hidden = hidden.difference(&visible).cloned();
    hidden.map(Ident::into_text).collect()
}

/// By which members the things in the list called `key` are named.
fn named_by(key: &str) -> &'static [&'static str] {
    match key {
        "maps" => &["name"],
        "aoeMarkers" | "fogOfWar" | "initiativeOrder" => &["id", "name"],
        "images" => &["id", "path"],
        _ => &[],
    }
}

fn is_placed(entry: Node<'_>) -> bool {
    entry
        .get("mapPosition")
        .is_some_and(|place| !place.is_null())
}

fn add<'a>(thing: Node<'a>, members: &[&str], names: &mut HashSet<Ident<'a>>) {
    names.extend(members.iter().filter_map(|m| Ident::in_element(thing, m)));
}
