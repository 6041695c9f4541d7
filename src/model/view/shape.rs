//! The members that a view may have, and writing them.

use crate::json::{JsonText, Node, NodeKind};

/// What a value of the model looks like. `null` fits everywhere.
pub(super) enum Shape {
    /// A string, number, boolean.
    Scalar,
    /// An object with these members.
    Object(&'static [(&'static str, Shape)]),
    /// A list of these.
    List(&'static Shape),
}

use Shape::{List, Object, Scalar};

/// Members of a scene that need no decision. `folder`, `images` and `encounterHistory` are the GM's.
pub(super) const SCENE: &[(&str, Shape)] = &[
    ("id", Scalar),
    ("name", Scalar),
    ("gridSettings", Object(GRID)),
    ("showCurrentPlayer", Scalar),
    ("fogOfWar", List(&FOG)),
    ("_lastUpdated", Scalar),
];

const GRID: &[(&str, Shape)] = &[
    ("showGrid", Scalar),
    ("gridSize", Scalar),
    ("gridColor", Scalar),
    ("gridOpacity", Scalar),
    ("useFixedGrid", Scalar),
    ("gridCellsX", Scalar),
    ("gridCellsY", Scalar),
    ("aoeSnapToGrid", Scalar),
    ("tokenSnapToGrid", Scalar),
    ("aoeEffectTheme", Scalar),
    ("aoeStagedReveal", Scalar),
    ("mapsLocked", Scalar),
    ("defaultTokenFootprint", Scalar),
    ("defaultTokenSize", Scalar),
    ("distanceMode", Scalar),
    ("dndDiagonalRule", Scalar),
    ("showMovementTrailToPlayers", Scalar),
];

/// A point on the table.
pub(super) const POSITION: Shape =
    Object(&[("x", Scalar), ("y", Scalar), ("useGridCoordinates", Scalar)]);

/// An element of `maps`.
pub(super) const MAP: Shape = Object(&[
    ("name", Scalar),
    // Part of the picture's address.
    ("folder", Scalar),
    (
        "data",
        Object(&[
            ("position", POSITION),
            ("scale", Scalar),
            ("rotation", Scalar),
            ("isHidden", Scalar),
            ("useGridCoordinates", Scalar),
            ("useGridScaling", Scalar),
        ]),
    ),
]);

/// An element of `aoeMarkers`.
pub(super) const MARKER: Shape = Object(&[
    ("id", Scalar),
    ("shape", Scalar),
    ("sizeInFeet", Scalar),
    ("color", Scalar),
    ("position", POSITION),
    ("rotation", Scalar),
    ("opacity", Scalar),
    ("label", Scalar),
    ("useGridCoordinates", Scalar),
    ("effectId", Scalar),
    ("revealed", Scalar),
]);

const FOG: Shape = Object(&[
    ("id", Scalar),
    ("points", List(&POSITION)),
    ("useGridCoordinates", Scalar),
    ("color", Scalar),
    ("opacity", Scalar),
]);

/// Members of an element of `initiativeOrder`.
pub(super) const ENTRY: &[(&str, Shape)] = &[
    ("id", Scalar),
    ("name", Scalar),
    ("initiative", Scalar),
    ("isPlayer", Scalar),
    ("isCurrentTurn", Scalar),
    ("isKilled", Scalar),
    ("hp", Scalar),
    ("initialHP", Scalar),
    ("mapPosition", POSITION),
    ("tokenFootprint", Scalar),
    ("tokenSize", Scalar),
    ("turnMovementPath", List(&POSITION)),
];

impl Shape {
    fn fits(&self, node: Node<'_>) -> bool {
        match (self, node.kind()) {
            (_, NodeKind::Null) => true,
            (Object(_), kind) => kind == NodeKind::Object,
            (List(_), kind) => kind == NodeKind::Array,
            (Scalar, kind) => !matches!(kind, NodeKind::Object | NodeKind::Array),
        }
    }
}

/// Writes compact JSON from parts of another text.
#[derive(Default)]
pub(super) struct Writer(String);

impl Writer {
    pub(super) fn open(&mut self, bracket: char) {
        self.0.push(bracket);
    }

    pub(super) fn close(&mut self, bracket: char) {
        self.0.push(bracket);
    }

    pub(super) fn finish(self) -> JsonText {
        JsonText::of_valid(self.0)
    }

    /// Opens an object or list as an element.
    pub(super) fn open_element(&mut self, bracket: char) {
        self.separate();
        self.open(bracket);
    }

    /// A member whose value is this JSON text.
    pub(super) fn raw_member(&mut self, key: &str, value: &str) {
        self.key(key);
        self.0.push_str(value);
    }

    /// The member `key`, if `members` has it and the value fits.
    pub(super) fn known_member(
        &mut self,
        key: &str,
        value: Node<'_>,
        members: &'static [(&'static str, Shape)],
    ) {
        if let Some((key, shape)) = members.iter().find(|(known, _)| *known == key) {
            self.member(key, value, shape);
        }
    }

    /// The member `key`, if the value fits.
    pub(super) fn member(&mut self, key: &str, value: Node<'_>, shape: &Shape) {
        if shape.fits(value) {
            self.key(key);
            self.value(value, shape);
        }
    }

    /// The member `key`, a list in which `each` writes what it likes. Nothing when it is no list.
    pub(super) fn list(
        &mut self,
        key: &str,
        value: Node<'_>,
        mut each: impl FnMut(&mut Self, Node<'_>),
    ) {
        match value.kind() {
            NodeKind::Null => self.raw_member(key, "null"),
            NodeKind::Array => {
                self.key(key);
                self.open('[');
                for element in value.elements() {
                    each(self, element);
                }
                self.close(']');
            }
            _ => {}
        }
    }

    /// An element of a list, if it fits. There are no empty places in a list of things.
    pub(super) fn element(&mut self, node: Node<'_>, shape: &Shape) {
        if !node.is_null() && shape.fits(node) {
            self.separate();
            self.value(node, shape);
        }
    }

    fn value(&mut self, node: Node<'_>, shape: &Shape) {
        match shape {
            _ if node.is_null() => self.0.push_str("null"),
            Scalar => self.0.push_str(node.raw()),
            Object(known) => {
                self.open('{');
                for (key, value) in node.members() {
                    self.known_member(&key, value, known);
                }
                self.close('}');
            }
            List(shape) => {
                self.open('[');
                for element in node.elements() {
                    self.element(element, shape);
                }
                self.close(']');
            }
        }
    }

    /// A key of the model, in which there is nothing to escape.
    fn key(&mut self, key: &str) {
        self.separate();
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    /// A comma, unless this is the first child. (A value never ends with an opening bracket.)
    fn separate(&mut self) {
        if !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
    }
}
