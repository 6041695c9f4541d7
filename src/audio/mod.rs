//! The sound library: loops and effects (SpellTable's `/audio`, and what it lacks).

mod catalogue;
mod kind;
mod routes;
mod tags;
mod webm;

pub use kind::SOUNDS;
pub use routes::{read_at_once, routes};
pub use tags::TagReader;
