//! What stands in a table's journal: a line of JSON, and behind it a scene or edits as they are.

use super::people::{Assigned, Person};
use super::sound::Sound;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// Everything, at the beginning of a journal. The body is the scene, or empty.
    Snapshot(Box<Snapshot>),
    /// Numbers up to `to` may be given from now on.
    Reserve {
        /// The last of them.
        to: u64,
    },
    /// A change of the scene. The body is a list of edits, or the scene.
    Change {
        /// Its number.
        seq: u64,
        /// Whether the body is the scene.
        whole: bool,
        /// The client's id for it.
        id: Option<String>,
        /// What is said to one who sends it again; also without an id, when somebody was told that
        /// it counts.
        receipt: Option<Receipt>,
        /// Milliseconds since 1970.
        at_ms: u64,
    },
    /// A line of chat or a roll.
    Line {
        /// The client's id for it.
        id: String,
        /// What was said.
        line: Line,
    },
    /// Sound, screens or assignments changed; all of what changed.
    Side {
        /// The client's id for it.
        id: Option<String>,
        /// Milliseconds since 1970.
        at_ms: u64,
        /// The sound, when it changed.
        sound: Option<Sound>,
        /// The screens, when one changed.
        displays: Option<Displays>,
        /// The assignments, when one changed.
        assigned: Option<Assigned>,
    },
    /// Somebody came for the first time, or has another name or role.
    Person(Person),
    /// Somebody was removed.
    Removed {
        /// Who.
        member: String,
        /// The client's id for it.
        #[serde(default)]
        id: Option<String>,
        /// Milliseconds since 1970.
        #[serde(default)]
        at_ms: u64,
    },
    /// A file of the scene with this hash is about to be written.
    File {
        /// SHA-256 of its bytes, in hexadecimal digits.
        hash: String,
    },
    /// The server stopped in order: no number behind the last was given.
    Closed,
}

/// What a table is, all of it but the scene's text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// As text.
    pub epoch: String,
    /// The head's number.
    pub seq: u64,
    /// The last number given.
    pub last: u64,
    /// Up to where numbers are reserved.
    pub reserved: u64,
    /// Ranges of numbers that were lost.
    pub lost: Vec<(u64, u64)>,
    /// Ids of the last ten minutes.
    pub receipts: Vec<(String, u64, Receipt)>,
    /// Members.
    pub people: Vec<Person>,
    /// What is beside the scene.
    pub side: Side,
    /// Hashes of the last files that were written.
    pub files: Vec<String>,
}

/// What a client was told when its message had been taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// A change: its number, the one before it in the sender's view, and whether it was rebased.
    Change(u64, u64, bool),
    /// Chat: its number.
    Line(u64),
    /// A removal: who had to go.
    Removed(String),
    /// Anything else.
    Plain,
}

/// State of a table beside its scene.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Side {
    /// The last number of the chat.
    pub chat_seq: u64,
    /// The last lines.
    pub lines: Vec<Line>,
    /// The sound.
    pub sound: Sound,
    /// The screens, by their member's id.
    pub displays: Displays,
    /// Who plays which entry.
    pub assigned: Assigned,
}

/// The screens, by their member's id.
pub type Displays = BTreeMap<String, DisplayState>;

/// A part of a scene, in its coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenPart")]
pub struct Part {
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// Above 0.
    pub width: f64,
    /// Above 0.
    pub height: f64,
}

/// A [`Part`], as it is and as journals had it before its numbers had names.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenPart {
    Named {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
    },
    List([f64; 4]),
}

impl From<WrittenPart> for Part {
    fn from(written: WrittenPart) -> Self {
        let (WrittenPart::Named {
            x,
            y,
            width,
            height,
        }
        | WrittenPart::List([x, y, width, height])) = written;
        Self {
            x,
            y,
            width,
            height,
        }
    }
}

/// What one screen shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DisplayState {
    /// Nothing at all.
    pub blank: bool,
    /// Degrees.
    pub rotation: f64,
    /// What it shows of the scene; `None`: everything.
    pub view: Option<Part>,
    /// Without sound.
    pub muted: bool,
    /// What the GM calls it.
    pub name: Option<String>,
}

impl Default for DisplayState {
    fn default() -> Self {
        Self {
            blank: false,
            rotation: 0.0,
            view: None,
            muted: false,
            name: None,
        }
    }
}

/// A line of chat, or a roll.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its number.
    pub chat_seq: u64,
    /// Who said it.
    pub from: String,
    /// For whom: a member, `gm`, or everybody.
    pub to: Option<String>,
    /// Milliseconds since 1970.
    pub at: u64,
    /// What was said: `{"text"}` or `{"expr","dice","total"}`.
    pub said: Value,
}

impl Record {
    /// The record's bytes, with `body` behind the line.
    pub fn encode(&self, body: &[u8]) -> Bytes {
        let line = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = BytesMut::with_capacity(line.len() + 1 + body.len());
        bytes.put_slice(&line);
        bytes.put_u8(b'\n');
        bytes.put_slice(body);
        bytes.freeze()
    }

    /// Reads a record and its body. `None`: it is none of ours.
    pub fn decode(bytes: &Bytes) -> Option<(Self, Bytes)> {
        let end = memchr::memchr(b'\n', bytes)?;
        let record = serde_json::from_slice(&bytes[..end]).ok()?;
        Some((record, bytes.slice(end + 1..)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_screen_shows_is_read_as_older_journals_have_it() {
        let part = Part {
            x: 1.0,
            y: -2.5,
            width: 30.0,
            height: 40.0,
        };
        let written = serde_json::to_string(&part).unwrap();
        for text in [written.as_str(), "[1.0,-2.5,30.0,40.0]"] {
            assert_eq!(serde_json::from_str::<Part>(text).unwrap(), part, "{text}");
        }
        let named = r#"{"x":1.0,"y":-2.5,"width":30.0,"height":40.0}"#;
        assert_eq!(written, named);
    }
}
