//! JSON that stays the text it came in: one validating scan, then views and splices.
//!
//! A scene is relayed and stored as text, so that member order, numbers and escapes stay exactly
//! what they were. [`JsonText`] is the proof that a text passed the scan; [`Node`] walks it without
//! building a tree; [`ObjectEdit`] changes single members and leaves every other byte alone.
//!
//! [`LooseJson`] is for what is relayed and never kept.
//!
//! The scan is stricter than most parsers, because what passes here is kept on disk for years:
//! depth at most 64, finite numbers, valid UTF-8 and surrogate pairs, no key twice in one object.

mod block;
mod node;
mod scan;
mod splice;

pub use node::{Entries, Entry, Node, NodeKind};
pub use scan::{JsonText, LooseJson, MAX_DEPTH, Noted, ScanError};
pub use splice::{ObjectEdit, Splices, quote};
