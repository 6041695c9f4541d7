//! The browser pages, embedded in the binary, and the routes about the server itself.

mod chat_limits;
mod modules;
mod pages;
mod probes;
mod session_limits;
mod signaling_limits;
mod status;

pub use probes::{Readiness, watch_routes};

use crate::http::Registrar;

/// Pages, documents, health, limits and probes.
pub fn routes(config: &mut impl Registrar) {
    status::routes(config);
    probes::routes(config);
    pages::routes(config);
}
