//! Making edits, and finding what a path leads to.

use super::draft::Draft;
use super::{Edit, Ident, Path, Step, member_of};
use crate::json::{JsonText, MAX_DEPTH, Node};

/// Why an edit could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A key or a thing on the path is not there.
    NoMatch,
    /// The list has a thing of that ident already.
    Exists,
    /// A selector or an insert needs a list, and there is something else.
    NotAList,
    /// A key needs an object, and there is something else.
    NotAnObject,
    /// The scene would be nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// The edit cannot be meant, whatever the scene. What [`Edit::parse_list`] makes never is.
    Invalid,
}

impl Reason {
    /// As one word, for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoMatch => "no_match",
            Self::Exists => "exists",
            Self::NotAList => "not_a_list",
            Self::NotAnObject => "not_an_object",
            Self::TooDeep => "too_deep",
            Self::Invalid => "invalid",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoMatch => "is not there",
            Self::Exists => "exists already",
            Self::NotAList => "leads into something that is no list",
            Self::NotAnObject => "leads into something that is no object",
            Self::TooDeep => "would be nested more than 64 levels deep",
            Self::Invalid => "is no place for this edit",
        })
    }
}

/// The edit that could not be made; none of its list was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("edit {index}: {path} {reason}")]
pub struct Refused {
    /// Which edit, counted from 0.
    pub index: usize,
    /// What it touches ([`Edit::place`]).
    pub path: Path,
    /// Why.
    pub reason: Reason,
}

/// Makes `edits` one after the other, all or none. Everything that they do not name keeps its bytes.
///
/// One small edit costs one walk to its place and one copy. Only the edits are looked at again, so
/// `doc` stays within the scan's rules.
pub fn apply(doc: &JsonText, edits: &[Edit]) -> Result<JsonText, Refused> {
    if edits.is_empty() {
        return Ok(doc.clone());
    }
    let mut draft = Draft::of(doc);
    for (index, edit) in edits.iter().enumerate() {
        make(&mut draft, edit).map_err(|reason| Refused {
            index,
            path: edit.place(),
            reason,
        })?;
    }
    Ok(draft.finish())
}

/// Makes those of `edits` that can be made, one after the other. Returns the text and what was made.
pub fn apply_possible(doc: &JsonText, edits: Vec<Edit>) -> (JsonText, Vec<Edit>) {
    let mut draft = Draft::of(doc);
    let mut done = vec![false; edits.len()];
    for (edit, done) in edits.iter().zip(&mut done) {
        // Everything else that can be wrong is found before anything is touched.
        *done = !is_too_deep(edit) && make(&mut draft, edit).is_ok();
    }
    let text = draft.finish();
    let mut done = done.into_iter();
    let made = edits
        .into_iter()
        .filter(|_| done.next().unwrap_or_default());
    (text, made.collect())
}

fn is_too_deep(edit: &Edit) -> bool {
    let levels = edit.path().steps().len();
    match edit {
        Edit::Set { value, .. } => fits(levels, value).is_err(),
        Edit::Insert { value, .. } => fits(levels + 1, value).is_err(),
        Edit::Delete { .. } | Edit::Move { .. } => false,
    }
}

fn make<'a>(draft: &mut Draft<'a>, edit: &'a Edit) -> Result<(), Reason> {
    edit.check().map_err(|_| Reason::Invalid)?;
    let steps = edit.path().steps();
    let (last, above) = steps.split_last().ok_or(Reason::Invalid)?;
    match edit {
        Edit::Set { value, .. } => {
            draft.set(above, last, value.root())?;
            fits(steps.len(), value)
        }
        Edit::Delete { .. } => draft.delete(above, last),
        Edit::Insert { value, before, .. } => {
            let Step::Key(key) = last else {
                return Err(Reason::Invalid);
            };
            let value_root = value.root();
            let ident = Ident::in_element(value_root, member_of(key)).ok_or(Reason::Invalid)?;
            draft.insert(steps, ident, value_root, before.as_ref())?;
            // The list is a level of its own.
            fits(steps.len() + 1, value)
        }
        Edit::Move { before, .. } => {
            let Step::Select(selector) = last else {
                return Err(Reason::Invalid);
            };
            draft.move_to(above, selector, before.as_ref())
        }
    }
}

/// Whether `value` may stand inside `levels` arrays and objects.
fn fits(levels: usize, value: &JsonText) -> Result<(), Reason> {
    if levels + value.root().depth() > MAX_DEPTH {
        return Err(Reason::TooDeep);
    }
    Ok(())
}

/// What `path` leads to in `doc`; `None` when it leads nowhere. The empty path leads to all of it.
pub fn value_at<'a>(doc: &'a JsonText, path: &Path) -> Option<Node<'a>> {
    path.steps()
        .iter()
        .try_fold(doc.root(), |node, step| match step {
            Step::Key(key) => node.get(key),
            Step::Select(selector) => node
                .elements()
                .filter(|thing| {
                    let ident = Ident::in_element(*thing, selector.member);
                    ident.as_ref() == Some(&selector.value)
                })
                .nth(selector.nth),
        })
}
