//! The sound library: loops and effects (SpellTable's `/audio`, and what it lacks).

mod catalogue;
mod kind;
mod routes;
mod tags;

pub use kind::SOUNDS;
pub use routes::routes;
pub use tags::TagReader;
