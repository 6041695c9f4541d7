//! The map library: pictures and films for the table (SpellTable's `/maps`).

mod catalogue;
mod kind;
mod routes;
mod thumbs;

pub use kind::MAPS;
pub(crate) use routes::NewFolder;
pub use routes::{read_at_once, routes};
pub use thumbs::Thumbs;
