//! What players must not be told of things while they are moved.

use super::Facts;
use super::fog::Fog;
use crate::json::{JsonText, Node, NodeKind};
use crate::model::edit::Ident;
use std::collections::HashSet;

/// Sides of fogs that are looked at for one message: these come thirty times a second.
const MAX_SIDES: usize = 200_000;

/// The fog of a scene, and whom it hides.
pub struct Cover {
    fog: Fog,
    /// Ids and names of the entries that are not players'.
    others: HashSet<String>,
}

impl Cover {
    /// Of the whole scene, not of a view of it.
    pub fn of(scene: &JsonText) -> Self {
        let scene = scene.root();
        let fog = Fog::of(scene.get("fogOfWar"), scene.get("gridSettings"));
        let mut others = HashSet::new();
        if !fog.is_empty() {
            let entries = scene.get("initiativeOrder");
            let entries = entries.into_iter().flat_map(|list| list.elements());
            for entry in entries.filter(|entry| !Facts::of(*entry).player) {
                let names = ["id", "name"].map(|member| Ident::in_element(entry, member));
                others.extend(names.into_iter().flatten().map(Ident::into_text));
            }
        }
        Self { fog, others }
    }

    /// Whether it hides what `data` tells of the thing called `key`: a place under fog of an entry that
    /// is not a player's. With `is_move` it must have a place, or is hidden; `null` tells nothing.
    pub fn hides(&self, key: &str, data: Node<'_>, is_move: bool) -> bool {
        if data.is_null() || !self.others.contains(key) {
            return false;
        }
        self.fog.look_at(MAX_SIDES);
        match self.covers_some(data) {
            Some(covers) => covers,
            None => is_move,
        }
    }

    /// Whether any position in `node` is covered; `None`: there is none.
    fn covers_some(&self, node: Node<'_>) -> Option<bool> {
        let own = (node.kind() == NodeKind::Object
            && (node.get("x").is_some() || node.get("y").is_some()))
        .then(|| self.fog.covers(node));
        let below: Option<bool> = match node.kind() {
            NodeKind::Array => any(node.elements().map(|node| self.covers_some(node))),
            NodeKind::Object => any(node.members().map(|(_, node)| self.covers_some(node))),
            _ => None,
        };
        any([own, below].into_iter())
    }
}

/// Whether one of those that say something says so.
fn any(said: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    said.flatten().reduce(|one, other| one || other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rstest::rstest;

    fn json(text: &str) -> JsonText {
        JsonText::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    const ENTRIES: &str = r#"[{"id":"orc","name":"Orc"},{"id":7},{"id":"anna","isPlayer":true}]"#;
    const FOG: &str = r#"[{"points":[{"x":0,"y":0},{"x":9,"y":0},{"x":9,"y":9},{"x":0,"y":9}]}]"#;

    fn cover(fog: &str) -> Cover {
        let grid = r#"{"gridSize":3}"#;
        Cover::of(&json(&format!(
            r#"{{"initiativeOrder":{ENTRIES},"fogOfWar":{fog},"gridSettings":{grid}}}"#
        )))
    }

    #[rstest]
    #[case("orc", r#"{"thing":"token","position":{"x":5,"y":5}}"#, true)]
    #[case("Orc", r#"{"thing":"token","position":{"x":5,"y":5}}"#, true)]
    #[case("7", r#"{"x":5,"y":5}"#, true)]
    #[case("orc", r#"{"position":{"x":2,"y":2,"useGridCoordinates":true}}"#, true)]
    #[case(
        "orc",
        r#"{"position":{"x":5,"y":5,"useGridCoordinates":true}}"#,
        false
    )]
    #[case("orc", r#"{"position":{"x":50,"y":5}}"#, false)]
    #[case("orc", r#"{"path":[{"x":50,"y":5},{"x":5,"y":5}]}"#, true)]
    #[case("orc", r#"{"position":{"x":50}}"#, true)]
    #[case("orc", r#"{"by":[1,1]}"#, true)]
    #[case("orc", "null", false)]
    #[case("anna", r#"{"position":{"x":5,"y":5}}"#, false)]
    #[case("crypt.png", r#"{"position":{"x":5,"y":5}}"#, false)]
    fn a_place_under_fog_is_hidden_unless_it_is_a_players(
        #[case] key: &str,
        #[case] data: &str,
        #[case] hides: bool,
    ) {
        let data = json(data);
        assert_eq!(cover(FOG).hides(key, data.root(), true), hides);
        for none in ["[]", "null"] {
            assert!(!cover(none).hides(key, data.root(), true));
        }
    }

    #[test]
    fn it_can_be_asked_as_often_as_one_likes_and_gives_up_in_time() {
        let cover = cover(FOG);
        let clear = json(r#"{"x":8.5,"y":50}"#);
        let inside = json(r#"[{"x":8.5,"y":8.5}]"#);
        for _ in 0..MAX_SIDES / 2 {
            assert!(cover.hides("orc", inside.root(), false));
        }
        assert!(!cover.hides("orc", clear.root(), true));
        assert!(!cover.hides("orc", json(r#"{"on":true}"#).root(), false));
    }
}
