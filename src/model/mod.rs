//! The scene, and which table shows it.
//!
//! A scene is an open JSON object that stays text; the server knows a few of its members.
//!
//! SpellTable's model. What the server must change (`id`, `folder`, `images`, a renamed map) is
//! spliced into the text; every other byte goes out as it came in. So are the edits of people who
//! work on one scene at the same time ([`edit`]); [`diff`] finds the edits between two scenes, and
//! [`player_view`] is what a scene's players may know of it.

mod diff;
pub mod edit;
mod map_move;
mod scene;
mod table_id;
mod view;

pub use diff::{diff, distance, same};
pub use map_move::MapMove;
pub use scene::{Image, complete, image_refs, map_refs, problems, relocate, with_images};
pub use table_id::TableId;
pub use view::{Cover, follow_one_entry, hidden_names, player_view};

#[cfg(test)]
mod random;
