//! Edits of a scene, as people make them at the same time.
//!
//! A change is a list of [`Edit`]s. [`Edit::parse_list`] reads it from the wire, [`apply`] makes it,
//! all or none, [`conflict`] tells whether it clashes with what others did meanwhile. Things in lists
//! are addressed by what they are, never by where they stand, so that edits of different people
//! mean the same in either order.
//!
//! The scene stays text: what no edit names goes out byte for byte as it came in.

mod apply;
mod conflict;
mod draft;
mod ident;
mod parse;
mod path;

pub use apply::{Reason, Refused, apply, apply_possible, value_at};
pub use conflict::{conflict, uses_nth, without_conflicts};
pub use ident::Ident;
pub use parse::{EditError, MAX_EDITS};
pub use path::{MAX_STEPS, Path, Selector, Step, member_of};

use crate::json::JsonText;

/// One edit of a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Gives a member of an object a value, adding the member behind the others when it is absent;
    /// or replaces a thing of a list by another with the same ident.
    Set {
        /// The member or the thing.
        path: Path,
        /// The new value.
        value: JsonText,
    },
    /// Takes a member out of its object or a thing out of its list.
    Delete {
        /// The member or the thing.
        path: Path,
    },
    /// Puts a new thing into a list.
    Insert {
        /// The list.
        path: Path,
        /// The thing: an object with an ident that the list does not have yet.
        value: JsonText,
        /// The thing that it goes in front of. Absent, or no longer there: it goes to the end.
        before: Option<Selector>,
    },
    /// Puts a thing in another place of its list.
    Move {
        /// The thing.
        path: Path,
        /// The thing that it goes in front of. Absent, or no longer there: it goes to the end.
        before: Option<Selector>,
    },
}

impl Edit {
    /// The path as it is written in the edit; of an insert the list's.
    pub fn path(&self) -> &Path {
        match self {
            Self::Set { path, .. }
            | Self::Delete { path }
            | Self::Insert { path, .. }
            | Self::Move { path, .. } => path,
        }
    }

    /// The value that it brings; `None` when it brings none.
    pub fn value(&self) -> Option<&JsonText> {
        match self {
            Self::Set { value, .. } | Self::Insert { value, .. } => Some(value),
            Self::Delete { .. } | Self::Move { .. } => None,
        }
    }

    /// The same edit, whose value shares no memory with the text that it came in.
    pub fn detached(&self) -> Self {
        let mut edit = self.clone();
        if let Self::Set { value, .. } | Self::Insert { value, .. } = &mut edit {
            *value = value.detached();
        }
        edit
    }

    /// What the edit touches: the path, of an insert that of the new thing.
    pub fn place(&self) -> Path {
        match self {
            Self::Insert { path, value, .. } => match path.0.last() {
                Some(Step::Key(key)) => Ident::in_element(value.root(), member_of(key))
                    .map_or_else(
                        || path.clone(),
                        |ident| path.then(Step::Select(Selector::first(key, ident))),
                    ),
                _ => path.clone(),
            },
            Self::Set { path, .. } | Self::Delete { path } | Self::Move { path, .. } => {
                path.clone()
            }
        }
    }

    /// Whether the edit can be meant at all, whatever the scene; what is wrong otherwise.
    fn check(&self) -> Result<(), &'static str> {
        self.path().check()?;
        let steps = self.path().steps();
        let (last, above) = match steps {
            [.., above, last] => (last, Some(above)),
            [last] => (last, None),
            [] => return Err("the path is empty"),
        };
        // Whoever looks for a thing must find the one that was meant.
        let own_ident = match (last, above) {
            (Step::Key(key), Some(Step::Select(selector))) if selector.member == key => {
                Some(selector)
            }
            _ => None,
        };
        match (self, last, above) {
            (Self::Set { value, .. }, Step::Select(selector), _) => {
                let ident = Ident::in_element(value.root(), selector.member);
                if ident.as_ref() != Some(&selector.value) {
                    return Err("a thing that is set must keep its id (in maps: its name)");
                }
            }
            (Self::Set { value, .. }, Step::Key(_), _) => {
                if own_ident.is_some_and(|s| Ident::of(value.root()).as_ref() != Some(&s.value)) {
                    return Err("a thing's id (in maps: its name) cannot be changed");
                }
            }
            (Self::Delete { .. }, _, _) => {
                if own_ident.is_some() {
                    return Err("a thing's id (in maps: its name) cannot be deleted");
                }
            }
            (Self::Insert { value, before, .. }, Step::Key(key), _) => {
                if Ident::in_element(value.root(), member_of(key)).is_none() {
                    return Err("a thing that is inserted needs an id (in maps: a name)");
                }
                before.as_ref().map_or(Ok(()), |s| s.check(key))?;
            }
            (Self::Move { before, .. }, Step::Select(_), Some(Step::Key(key))) => {
                before.as_ref().map_or(Ok(()), |s| s.check(key))?;
            }
            (Self::Insert { .. }, ..) => return Err("the path of an insert ends with its list"),
            (Self::Move { .. }, ..) => return Err("the path of a move ends with a selector"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
