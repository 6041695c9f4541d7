//! What players and screens may know of a scene.
//!
//! A view is a function of the scene alone, and an allow list on every level: of the scene, of its
//! maps, markers, fog, entries and grid only those members go out that SpellTable's model has (the
//! tables in `shape.rs`), with the kind of value that they have there. Whatever else somebody keeps
//! in a scene, such as a key that starts with `gm_` at any depth, stays with the GM. A member that
//! players should see must be added to those tables.
//!
//! In doubt a thing is hidden: a flag that is neither true nor false, a fog that cannot be read, a
//! position that cannot be compared with a fog.

mod cover;
mod fog;
mod names;
mod one_entry;
mod shape;

pub use cover::Cover;
pub use names::hidden_names;
pub use one_entry::follow_one_entry;

use crate::json::{JsonText, Node, NodeKind, quote};
use fog::Fog;
use shape::{Shape, Writer};
use std::borrow::Cow;
use std::collections::HashSet;

/// The view of players and displays. The same text for the same scene; a view of a view is itself.
///
/// Left out are hidden maps (`activeMapId` is null unless it names one that is shown: a hidden map
/// that was taken off the table keeps its secret), markers not revealed yet,
/// `hp` and `initialHP` of entries that are not players (`health` says `unhurt`, `hurt`, `bloodied`
/// from half on, or `down`), their places under fog, trails when the grid settings say so, and
/// everything that the model does not know. Of something that is no object nothing is left.
pub fn player_view(scene: &JsonText) -> JsonText {
    let scene = scene.root();
    let settings = Settings::of(scene);
    let mut out = Writer::default();
    out.open('{');
    for (key, value) in scene.members() {
        match key.as_ref() {
            "maps" => out.list("maps", value, |out, map| {
                if !is_hidden(map) {
                    out.element(map, &shape::MAP);
                }
            }),
            "activeMapId" => match value.as_str() {
                Some(name) if !settings.shown_maps.contains(&name) => {
                    out.raw_member("activeMapId", "null");
                }
                _ => out.member("activeMapId", value, &Shape::Scalar),
            },
            "aoeMarkers" => out.list("aoeMarkers", value, |out, marker| {
                if !withheld(marker.get("revealed")) {
                    out.element(marker, &shape::MARKER);
                }
            }),
            "initiativeOrder" => out.list("initiativeOrder", value, |out, entry| {
                settings.entry(out, entry);
            }),
            _ => out.known_member(&key, value, shape::SCENE),
        }
    }
    out.close('}');
    out.finish()
}

/// The members of these names, in one walk that goes no further than it must: a scene is long.
fn members<'a, const N: usize>(object: Node<'a>, names: [&str; N]) -> [Option<Node<'a>>; N] {
    let mut found = [None; N];
    let mut wanted = N;
    for (key, value) in object.members() {
        if let Some(at) = names.iter().position(|name| *name == key) {
            found[at] = Some(value);
            wanted -= 1;
        }
        if wanted == 0 {
            break;
        }
    }
    found
}

/// What decides about more than its own place.
struct Settings<'a> {
    /// Names that maps have which are not hidden.
    shown_maps: HashSet<Cow<'a, str>>,
    fog: Fog,
    trails: bool,
}

impl<'a> Settings<'a> {
    fn of(scene: Node<'a>) -> Self {
        let [maps, fog, grid] = members(scene, ["maps", "fogOfWar", "gridSettings"]);
        let shown = maps
            .into_iter()
            .flat_map(|maps| maps.elements())
            .filter(|map| !is_hidden(*map));
        let names = shown.filter_map(|map| map.get("name")?.as_str());
        Self {
            shown_maps: names.collect(),
            ..Self::of_entries(fog, grid)
        }
    }

    /// What decides about entries only.
    fn of_entries(fog: Option<Node<'a>>, grid: Option<Node<'a>>) -> Self {
        let trails = grid.and_then(|grid| grid.get("showMovementTrailToPlayers"));
        Self {
            shown_maps: HashSet::new(),
            fog: Fog::of(fog, grid),
            trails: !withheld(trails),
        }
    }

    fn entry(&self, out: &mut Writer, entry: Node<'_>) {
        if entry.kind() != NodeKind::Object {
            return;
        }
        let facts = Facts::of(entry);
        let player = facts.player;
        let fogged = !player && facts.place.is_some_and(|place| self.fog.covers(place));
        out.open_element('{');
        for (key, value) in entry.members() {
            match key.as_ref() {
                "hp" | "initialHP" if !player => {}
                "mapPosition" if fogged => {}
                "turnMovementPath" if fogged || !self.trails => {}
                "turnMovementPath" if !player => {
                    out.list("turnMovementPath", value, |out, step| {
                        if !self.fog.covers(step) {
                            out.element(step, &shape::POSITION);
                        }
                    })
                }
                // Of a view, whose hit points are gone already.
                "health" if !player && facts.hp.is_none() => {
                    if HEALTH.iter().any(|word| value.means(word)) {
                        out.member("health", value, &Shape::Scalar);
                    }
                }
                _ => out.known_member(&key, value, shape::ENTRY),
            }
        }
        if let Some(health) = facts.health().filter(|_| !player) {
            out.raw_member("health", &quote(health));
        }
        out.close('}');
    }
}

/// What decides about the other members of an entry.
#[derive(Default)]
struct Facts<'a> {
    player: bool,
    killed: bool,
    hp: Option<Node<'a>>,
    full_hp: Option<f64>,
    place: Option<Node<'a>>,
}

impl<'a> Facts<'a> {
    fn of(entry: Node<'a>) -> Self {
        let mut facts = Self::default();
        for (key, value) in entry.members().filter(|(_, value)| !value.is_null()) {
            match key.as_ref() {
                "isPlayer" => facts.player = value.raw() == "true",
                "isKilled" => facts.killed = value.raw() == "true",
                "hp" => facts.hp = Some(value),
                "initialHP" => facts.full_hp = number(value),
                "mapPosition" => facts.place = Some(value),
                _ => {}
            }
        }
        facts
    }

    /// How the entry looks from outside; `None` when it has no hit points.
    fn health(&self) -> Option<&'static str> {
        Some(match (number(self.hp?), self.full_hp) {
            _ if self.killed => "down",
            (Some(hp), _) if hp <= 0.0 => "down",
            (Some(hp), Some(full)) if hp <= full / 2.0 => "bloodied",
            (Some(hp), Some(full)) if hp < full => "hurt",
            _ => "unhurt",
        })
    }
}

const HEALTH: [&str; 4] = ["unhurt", "hurt", "bloodied", "down"];

/// A number, also one that a form field left as text.
fn number(node: Node<'_>) -> Option<f64> {
    match node.kind() {
        NodeKind::Number => node.raw().parse().ok(),
        NodeKind::String => node.as_str()?.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

/// Whether a map is hidden: unless its flag is absent, null, or plainly false.
fn is_hidden(map: Node<'_>) -> bool {
    let data = map.get("data").and_then(|data| data.get("isHidden"));
    let flags = [data, map.get("isHidden")];
    flags
        .into_iter()
        .flatten()
        .any(|flag| !flag.is_null() && flag.raw() != "false")
}

/// Whether a flag that allows something is there and does not.
fn withheld(flag: Option<Node<'_>>) -> bool {
    flag.is_some_and(|flag| !flag.is_null() && flag.raw() != "true")
}

#[cfg(test)]
mod tests;
