//! SpellTable's `/ws`, in both of its versions: its messages. What they mean for a table is among
//! the table's rules.
//!
//! Whole scenes go around as text: scanned once, relayed as they came. The old frontend expects its
//! own scene back; the new one must not get it, because a late echo could undo newer edits.

mod wire;

pub use wire::{ClientMessage, Relay, ViewerState, Wire, as_it_came, connected, scene_update};
