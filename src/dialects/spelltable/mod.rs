//! SpellTable's `/ws`, in both of its versions.
//!
//! Whole scenes go around as text: scanned once, relayed as they came. The old frontend expects its
//! own scene back; the new one must not get it, because a late echo could undo newer edits.

mod rules;
mod wire;

pub use rules::SpellTable;
pub use wire::{ClientMessage, Wire};
