//! The browser pages, embedded in the binary, and the routes about the server itself.

mod pages;
mod status;

use utoipa_actix_web::service_config::ServiceConfig;

/// Pages, documents, health and limits.
pub fn routes(config: &mut ServiceConfig<'_>) {
    pages::routes(config);
    status::routes(config);
}
