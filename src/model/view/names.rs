//! What must not even be named to players.

use crate::json::{JsonText, Node, NodeKind};
use crate::model::edit::Ident;
use std::collections::HashSet;

/// The ids and names of things in `scene` that its players' `view` does not have: names of maps, ids
/// and names of markers, fogs and entries; and those of entries whose place is hidden. A name that a
/// visible thing has too is not among them. Numbers stand as they are written.
///
/// `view` must be what [`super::player_view`] makes of `scene`.
pub fn hidden_names(scene: &JsonText, view: &JsonText) -> HashSet<String> {
    let (scene, view) = (scene.root(), view.root());
    let mut hidden = HashSet::new();
    let mut visible = HashSet::new();
    let lists: [(&str, &[&str]); 3] = [
        ("maps", &["name"]),
        ("aoeMarkers", &["id", "name"]),
        ("fogOfWar", &["id", "name"]),
    ];
    for (list, members) in lists {
        elements(scene, list).for_each(|thing| add(thing, members, &mut hidden));
        elements(view, list).for_each(|thing| add(thing, members, &mut visible));
    }
    // The view has the same entries in the same order, whatever it leaves out of them.
    let entries = elements(scene, "initiativeOrder").filter(|e| e.kind() == NodeKind::Object);
    let seen = elements(view, "initiativeOrder").map(Some);
    for (entry, seen) in entries.zip(seen.chain(std::iter::repeat(None))) {
        let place = |entry: Node<'_>| entry.get("mapPosition").is_some_and(|p| !p.is_null());
        add(entry, &["id", "name"], &mut hidden);
        if let Some(seen) = seen.filter(|seen| place(entry) == place(*seen)) {
            add(seen, &["id", "name"], &mut visible);
        }
    }
    hidden.retain(|name| !visible.contains(name));
    hidden
}

fn elements<'a>(scene: Node<'a>, list: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    let list = scene.get(list).into_iter();
    list.flat_map(|list| list.elements())
}

fn add(thing: Node<'_>, members: &[&str], names: &mut HashSet<String>) {
    let idents = members.iter().filter_map(|m| Ident::in_element(thing, m));
    names.extend(idents.map(|ident| match ident {
        Ident::Text(text) => text.into_owned(),
        Ident::Number { raw, .. } => raw.into_owned(),
    }));
}
