//! What is wrong with a message, in the words that its clients know (those of the validation library
//! that PeerShare uses).

use crate::json::{Node, NodeKind};
use serde::Serialize;
use serde_json::{Value, json};

/// The types that a client may send first, in the order in which they are listed to it.
pub const TYPES: [&str; 6] = [
    "create-group",
    "join-group",
    "leave-group",
    "update-peer-id",
    "call-request",
    "call-response",
];

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Issue(Value);

impl Issue {
    /// Another type than expected; `found`: `None` when there is nothing.
    pub fn wrong_type(expected: &str, found: Option<Node<'_>>, path: &[&str]) -> Self {
        let received = found.map_or("undefined", |node| type_name(node.kind()));
        let message = match found {
            None => "Required".to_owned(),
            Some(_) => format!("Expected {expected}, received {received}"),
        };
        Self(json!({
            "code": "invalid_type", "expected": expected, "received": received,
            "path": path, "message": message,
        }))
    }

    /// A text without a character.
    pub fn empty(path: &[&str]) -> Self {
        Self(json!({
            "code": "too_small", "minimum": 1, "type": "string", "inclusive": true, "exact": false,
            "path": path, "message": "Must not be empty",
        }))
    }

    /// A text that is too long.
    pub fn too_long(most: usize, path: &[&str]) -> Self {
        Self(json!({
            "code": "too_big", "maximum": most, "type": "string", "inclusive": true, "exact": false,
            "path": path, "message": format!("Must have at most {most} characters"),
        }))
    }

    /// A text that is not what it must look like: `regex` or `uuid`.
    pub fn shape(validation: &str, path: &[&str]) -> Self {
        let message = match validation {
            "uuid" => "Must be an id",
            _ => "Has characters that are not allowed here",
        };
        Self(json!({
            "code": "invalid_string", "validation": validation,
            "path": path, "message": message,
        }))
    }

    /// A type of message that there is not.
    pub fn unknown_type() -> Self {
        Self(json!({
            "code": "invalid_union_discriminator", "options": TYPES,
            "path": ["type"], "message": format!("Must be one of {}", TYPES.join(", ")),
        }))
    }
}

fn type_name(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Object => "object",
        NodeKind::Array => "array",
        NodeKind::String => "string",
        NodeKind::Number => "number",
        NodeKind::Bool => "boolean",
        NodeKind::Null => "null",
    }
}
