//! The scene: an open JSON object that stays text, and the few members that the server knows.
//!
//! SpellTable's model. What the server must change (`id`, `folder`, `images`, a renamed map) is
//! spliced into the text; every other byte goes out as it came in.

pub mod edit;
mod map_move;
mod scene;

pub use map_move::MapMove;
pub use scene::{Image, complete, image_refs, map_refs, problems, relocate, with_images};
