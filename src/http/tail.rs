//! Routes to files: the rest of the path, found by comparing a prefix.
//!
//! The router tries a regular expression for every pattern with a parameter, one after the other; on
//! the way to a file that was a fifth of the CPU time of a small answer.

use crate::error::Error;
use actix_web::dev::{AppService, HttpServiceFactory, Payload, ResourceDef};
use actix_web::{FromRequest, HttpRequest, Route, guard};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::future::{Ready, ready};
use utoipa::openapi::path::Paths;
use utoipa::openapi::{RefOr, Schema};
use utoipa_actix_web::OpenApiFactory;

/// A GET route for everything below a prefix. `documented` describes it.
pub struct FilesBelow<D> {
    prefix: &'static str,
    documented: D,
    route: Route,
}

impl<D> FilesBelow<D> {
    /// `route` answers what lies below `prefix`; it takes a [`Tail`].
    pub fn new(prefix: &'static str, documented: D, route: Route) -> Self {
        Self {
            prefix,
            documented,
            route,
        }
    }
}

impl<D> HttpServiceFactory for FilesBelow<D> {
    fn register(self, config: &mut AppService) {
        let only_get: Vec<Box<dyn guard::Guard>> = vec![Box::new(guard::Get())];
        let prefix = ResourceDef::prefix(self.prefix);
        config.register_service(prefix, Some(only_get), self.route, None);
    }
}

impl<D: OpenApiFactory> OpenApiFactory for FilesBelow<D> {
    fn paths(&self) -> Paths {
        self.documented.paths()
    }

    fn schemas(&self, schemas: &mut Vec<(String, RefOr<Schema>)>) {
        self.documented.schemas(schemas);
    }
}

/// What stands behind the prefix, percent-decoded once, without the slash between.
#[derive(Debug)]
pub struct Tail(pub String);

impl Tail {
    /// The same from the path as it was sent. `None` for what does not decode, and for a path with a
    /// percent sign in it, because the router's two steps can read that in another way.
    pub fn of_sent(rest: &str) -> Option<Cow<'_, str>> {
        if !rest.contains('%') {
            return Some(Cow::Borrowed(rest));
        }
        let path = percent_decode_str(rest).decode_utf8().ok()?;
        (!path.contains('%')).then_some(path)
    }
}

impl FromRequest for Tail {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let rest = req.match_info().unprocessed();
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        // The router has decoded all but '/', '+' and '%', which would have changed what it matches.
        let decoded = percent_decode_str(rest).decode_utf8();
        ready(match decoded {
            Ok(path) => Ok(Self(path.into_owned())),
            Err(_) => Err(Error::NotFound("Not Found".into())),
        })
    }
}
