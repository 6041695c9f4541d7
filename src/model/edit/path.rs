//! Where in a scene an edit happens.

use super::ident::Ident;
use crate::json::{Node, NodeKind, quote};
use std::fmt;

/// More steps than this lead nowhere: no scene is deeper.
pub const MAX_STEPS: usize = 64;

/// The way from the scene to a place in it, such as `["maps",{"name":"crypt.png"},"data"]`.
///
/// A sound path has 1 to [`MAX_STEPS`] steps, begins with a key, and has a key in front of each
/// selector: that of the list which it selects from. [`Path::parse`] makes no others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path(pub Vec<Step>);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into the member of an object.
    Key(String),
    /// Into a thing of a list.
    Select(Selector),
}

/// Picks a thing from a list, such as `{"id":"a1"}` or `{"name":"x","nth":1}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    /// The member that tells things apart: what [`member_of`] gives for the list's key.
    pub member: &'static str,
    /// The value of that member.
    pub value: Ident<'static>,
    /// Of several that match, which; 0 is the first.
    pub nth: usize,
}

/// The member by which the things in the list called `key` are known: `name` in `maps`, else `id`.
pub fn member_of(key: &str) -> &'static str {
    if key == "maps" { "name" } else { "id" }
}

impl Path {
    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// This path with one step more.
    pub fn then(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Self(steps)
    }

    /// Reads a path from JSON. Errors are sentences without a full stop.
    pub fn parse(node: Node<'_>) -> Result<Self, &'static str> {
        if node.kind() != NodeKind::Array {
            return Err("the path must be a list of keys and selectors");
        }
        let mut steps = Vec::new();
        for step in node.elements() {
            if steps.len() == MAX_STEPS {
                return Err("the path has more than 64 steps");
            }
            steps.push(match step.as_str() {
                Some(key) => Step::Key(key.into_owned()),
                None => Step::Select(Selector::parse(step)?),
            });
        }
        let path = Self(steps);
        path.check()?;
        Ok(path)
    }

    /// Whether this path is sound; what is wrong otherwise.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.0.is_empty() {
            return Err("the path is empty");
        }
        if self.0.len() > MAX_STEPS {
            return Err("the path has more than 64 steps");
        }
        let mut list = None;
        for step in &self.0 {
            list = match (step, list) {
                (Step::Key(key), _) => Some(key),
                (Step::Select(selector), Some(key)) => {
                    selector.check(key)?;
                    None
                }
                (Step::Select(_), None) => {
                    return Err("a selector must follow the key of a list");
                }
            };
        }
        Ok(())
    }

    /// As JSON text.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push('[');
        for (position, step) in self.0.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            match step {
                Step::Key(key) => out.push_str(&quote(key)),
                Step::Select(selector) => selector.write(out),
            }
        }
        out.push(']');
    }
}

impl From<Vec<Step>> for Path {
    fn from(steps: Vec<Step>) -> Self {
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl Selector {
    /// The first thing with this ident in the list called `key`.
    pub fn first(key: &str, ident: Ident<'_>) -> Self {
        Self {
            member: member_of(key),
            value: ident.into_owned(),
            nth: 0,
        }
    }

    /// Reads a selector from JSON. Errors are sentences without a full stop.
    pub fn parse(node: Node<'_>) -> Result<Self, &'static str> {
        const SHAPE: &str = "a selector must be an object with id (in maps: name) and perhaps nth";
        if node.kind() != NodeKind::Object {
            return Err("each step of the path must be a key or a selector");
        }
        let (mut known, mut nth) = (None, 0);
        for (name, value) in node.members() {
            match (name.as_ref(), &known) {
                ("id", None) => known = Some(("id", value)),
                ("name", None) => known = Some(("name", value)),
                ("nth", _) => {
                    let parsed = value.raw().parse::<u32>().ok();
                    let parsed = parsed.and_then(|n| usize::try_from(n).ok());
                    nth = parsed.ok_or("nth must be a whole number from 0 on")?;
                }
                _ => return Err(SHAPE),
            }
        }
        let (member, value) = known.ok_or(SHAPE)?;
        let value = Ident::of(value).ok_or("what a selector looks for is a string or a number")?;
        let value = value.into_owned();
        Ok(Self { member, value, nth })
    }

    /// Whether this selects from the list called `key`.
    pub(super) fn check(&self, key: &str) -> Result<(), &'static str> {
        match (self.member == member_of(key), self.member) {
            (true, _) => Ok(()),
            (false, "name") => Err("things in this list are selected by id, only maps by name"),
            (false, _) => Err("maps are selected by name"),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        out.push_str(&quote(self.member));
        out.push(':');
        out.push_str(&self.value.to_json());
        if self.nth > 0 {
            out.push_str(",\"nth\":");
            out.push_str(&self.nth.to_string());
        }
        out.push('}');
    }
}
