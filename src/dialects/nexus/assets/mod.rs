//! Nexus' asset server: a read-only library of pictures, filled from a library of ours.
//!
//! It has a listener of its own (`--speak nexus-assets@PORT`), which is the operator's word that
//! everybody who can reach it may see those pictures, as Nexus' own server has it.

mod book;
mod routes;

pub use book::{Asset, AssetBook};
pub use routes::{not_found, routes};
