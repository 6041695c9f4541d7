//! Edits from the wire and to the wire.

use super::{Edit, Path, Selector};
use crate::json::{JsonText, Node, NodeKind};

/// Most edits in one change from a client.
pub const MAX_EDITS: usize = 1_000;

/// Why something is no list of edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditError {
    /// Which edit is meant, counted from 0; `None` when the list as a whole is wrong.
    pub index: Option<usize>,
    /// What is wrong, without a full stop.
    pub reason: &'static str,
}

impl std::error::Error for EditError {}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.index {
            Some(index) => write!(f, "edit {index}: {}", self.reason),
            None => f.write_str(self.reason),
        }
    }
}

impl Edit {
    /// Reads a list of edits, at most [`MAX_EDITS`]. `node` is the list, in the text `text`; values
    /// share its bytes. An empty list is a list.
    pub fn parse_list(node: Node<'_>, text: &JsonText) -> Result<Vec<Self>, EditError> {
        let whole = |reason| EditError {
            index: None,
            reason,
        };
        if node.kind() != NodeKind::Array {
            return Err(whole("the edits must be a list"));
        }
        let mut edits = Vec::new();
        for (index, edit) in node.elements().enumerate() {
            if index == MAX_EDITS {
                return Err(whole("there are more than 1000 edits in one change"));
            }
            edits.push(Self::parse(edit, text).map_err(|reason| EditError {
                index: Some(index),
                reason,
            })?);
        }
        Ok(edits)
    }

    fn parse(node: Node<'_>, text: &JsonText) -> Result<Self, &'static str> {
        if node.kind() != NodeKind::Object {
            return Err("an edit must be an object");
        }
        let (mut op, mut path, mut value, mut before) = (None, None, None, None);
        for (name, member) in node.members() {
            match name.as_ref() {
                "op" => op = member.as_str(),
                "path" => path = Some(member),
                "value" => value = Some(member),
                "before" => before = Some(member),
                _ => {}
            }
        }
        let path = Path::parse(path.ok_or("an edit needs a path")?)?;
        let value = || value.map(|v| text.part(v)).ok_or("this edit needs a value");
        let before = || match before.filter(|b| !b.is_null()) {
            Some(before) => Selector::parse(before).map(Some),
            None => Ok(None),
        };
        let edit = match op.as_deref() {
            Some("set") => Self::Set {
                path,
                value: value()?,
            },
            Some("delete") => Self::Delete { path },
            Some("insert") => Self::Insert {
                path,
                value: value()?,
                before: before()?,
            },
            Some("move") => Self::Move {
                path,
                before: before()?,
            },
            _ => return Err("op must be set, delete, insert or move"),
        };
        edit.check()?;
        Ok(edit)
    }

    /// The edits as JSON text: a list, without white space outside of the values.
    pub fn list_to_json(edits: &[Self]) -> String {
        let mut out = String::from("[");
        for (position, edit) in edits.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            edit.write(&mut out);
        }
        out.push(']');
        out
    }

    fn write(&self, out: &mut String) {
        let (op, value, before) = match self {
            Self::Set { value, .. } => ("set", Some(value), None),
            Self::Delete { .. } => ("delete", None, None),
            Self::Insert { value, before, .. } => ("insert", Some(value), before.as_ref()),
            Self::Move { before, .. } => ("move", None, before.as_ref()),
        };
        out.push_str("{\"op\":\"");
        out.push_str(op);
        out.push_str("\",\"path\":");
        self.path().write(out);
        if let Some(value) = value {
            out.push_str(",\"value\":");
            out.push_str(value.root().raw());
        }
        if let Some(before) = before {
            out.push_str(",\"before\":");
            before.write(out);
        }
        out.push('}');
    }
}
