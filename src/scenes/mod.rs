//! The scene library: saved tables as JSON files (SpellTable's `/scenes`). Nothing here touches
//! what the table shows; pages load a scene and then send it over `/ws`.

mod aliases;
mod catalogue;
mod current;
mod kind;
mod routes;

pub use aliases::Aliases;
pub use current::{CurrentScene, Foreign};
pub use kind::{CURRENT_SCENE, SCENES};
pub use routes::routes;
