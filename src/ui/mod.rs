//! The browser pages, embedded in the binary, and the routes about the server itself.

mod pages;
mod status;

use crate::http::Registrar;

/// Pages, documents, health and limits.
pub fn routes(config: &mut impl Registrar) {
    status::routes(config);
    pages::routes(config);
}
