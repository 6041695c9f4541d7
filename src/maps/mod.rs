//! The map library: pictures and films for the table (SpellTable's `/maps`).

mod catalogue;
mod kind;
mod routes;

pub use kind::MAPS;
pub use routes::routes;
pub(crate) use routes::{NewFileName, NewFolder};
