//! The scene library: saved tables as JSON files (SpellTable's `/scenes`). Nothing here touches
//! what the table shows; pages load a scene and then send it over `/ws`.

mod aliases;
mod catalogue;
mod kind;
mod routes;

pub use aliases::Aliases;
pub use kind::{CURRENT_SCENE, SCENES, read_current, write_current};
pub use routes::routes;
