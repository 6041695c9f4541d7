//! One list of routes, used twice: by the running server and by the API's description.
//!
//! Building the description costs megabytes and milliseconds, so a server that starts does without:
//! it serves the committed document, which a test holds equal to the routes.

use actix_web::dev::HttpServiceFactory;
use actix_web::web;
use utoipa_actix_web::OpenApiFactory;
use utoipa_actix_web::service_config::ServiceConfig;

/// Takes routes that describe themselves.
pub trait Registrar {
    /// Adds a route.
    fn service<F>(&mut self, route: F) -> &mut Self
    where
        F: HttpServiceFactory + OpenApiFactory + 'static;
}

/// The running server.
impl Registrar for web::ServiceConfig {
    fn service<F>(&mut self, route: F) -> &mut Self
    where
        F: HttpServiceFactory + OpenApiFactory + 'static,
    {
        web::ServiceConfig::service(self, route)
    }
}

/// The description.
impl Registrar for ServiceConfig<'_> {
    fn service<F>(&mut self, route: F) -> &mut Self
    where
        F: HttpServiceFactory + OpenApiFactory + 'static,
    {
        ServiceConfig::service(self, route)
    }
}
