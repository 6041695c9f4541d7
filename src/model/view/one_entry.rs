//! The view after a change of one entry, such as a token that was moved: what most changes are.
//!
//! An entry of the view follows from the entry of the scene, the fog and the grid settings alone, so
//! all others stay as they were.

use super::{Settings, Writer, members, player_view};
use crate::json::{JsonText, Node, NodeKind, Splices};
use crate::model::diff::diff_below;
use crate::model::edit::{Edit, Ident, Selector, Step};

const LIST: &str = "initiativeOrder";

/// The same as [`player_view`] of `scene`, which `edits` made of one whose view is `old`, and what
/// changed between the two views. `None`: it has to be computed whole.
pub fn follow_one_entry(
    scene: &JsonText,
    edits: &[Edit],
    old: &JsonText,
) -> Option<(JsonText, Vec<Edit>)> {
    let entry = the_entry(edits)?;
    let [list, fog, grid] = members(scene.root(), [LIST, "fogOfWar", "gridSettings"]);
    let (place, changed) = find(list?, entry)?;
    let settings = Settings::of_entries(fog, grid);
    let mut out = Writer::default();
    out.open('[');
    settings.entry(&mut out, changed);
    out.close(']');
    let shown = out.finish();
    let new = shown.root().elements().next()?;

    let [seen] = members(old.root(), [LIST]);
    let (seen_place, before) = find(seen?, entry)?;
    if seen_place != place {
        // Another one is known by the same name to whoever sees less.
        return None;
    }
    let path = vec![Step::Key(LIST.to_owned()), Step::Select(entry.clone())];
    let found = diff_below(path, before, new, &shown);
    let mut splices = Splices::default();
    splices.replace(before.range(), new.raw().to_owned());
    let view = splices.apply(old);
    debug_assert_eq!(view.as_str(), player_view(scene).as_str());
    Some((view, found))
}

/// The one entry of which all `edits` set something else than what it is known by.
fn the_entry(edits: &[Edit]) -> Option<&Selector> {
    let mut one = None;
    for edit in edits {
        let Edit::Set { path, .. } = edit else {
            return None;
        };
        let [Step::Key(list), Step::Select(entry), Step::Key(member), ..] = path.steps() else {
            return None;
        };
        let fits = list == LIST && entry.nth == 0 && member != entry.member;
        if !fits || one.is_some_and(|one| one != entry) {
            return None;
        }
        one = Some(entry);
    }
    one
}

/// The first thing in `list` that `entry` picks, and how many objects stand in front of it.
fn find<'a>(list: Node<'a>, entry: &Selector) -> Option<(usize, Node<'a>)> {
    let objects = list
        .elements()
        .filter(|element| element.kind() == NodeKind::Object);
    objects.enumerate().find(|(_, element)| {
        let ident = Ident::in_element(*element, entry.member);
        ident.as_ref() == Some(&entry.value)
    })
}
