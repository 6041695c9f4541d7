//! Paths that no route takes: 404, or 405 with the methods that would do.

use super::Guesthouse;
use crate::error::{Error, Result};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use std::sync::OnceLock;

/// All documented routes, to tell "no such path" from "not with this method".
///
/// Read from the API's description when it is first needed.
pub struct RouteList {
    document: &'static str,
    routes: OnceLock<Vec<Route>>,
}

struct Route {
    segments: Vec<Segment>,
    methods: Vec<&'static str>,
}

enum Segment {
    Word(String),
    /// One segment, whatever it is.
    Any,
    /// The rest: by convention the parameter that is called `path`.
    Rest,
}

impl RouteList {
    /// From the API's description, an OpenAPI document.
    pub fn of(document: &'static str) -> Self {
        Self {
            document,
            routes: OnceLock::new(),
        }
    }

    fn read(&self) -> Vec<Route> {
        let document: Value = serde_json::from_str(self.document).unwrap_or_default();
        let paths = document["paths"].as_object().into_iter().flatten();
        let routes = paths.map(|(path, item)| Route {
            segments: segments(path),
            methods: methods(item),
        });
        routes.collect()
    }

    /// The methods of `path`, sorted, as `Allow` lists them; `None` when there is no such path.
    fn allow(&self, path: &str) -> Option<String> {
        let given: Vec<&str> = path.split('/').skip(1).collect();
        let routes = self.routes.get_or_init(|| self.read());
        let fitting = || routes.iter().filter(|route| fits(&route.segments, &given));
        // A path with a word of its own is not somebody's id.
        let words = |route: &Route| {
            let words = route
                .segments
                .iter()
                .filter(|s| matches!(s, Segment::Word(_)));
            words.count()
        };
        let most = fitting().map(words).max()?;
        let mut found: Vec<&str> = fitting()
            .filter(|route| words(route) == most)
            .flat_map(|route| &route.methods)
            .copied()
            .collect();
        found.sort_unstable();
        found.dedup();
        Some(found.join(", "))
    }
}

fn segments(path: &str) -> Vec<Segment> {
    let segments = path.split('/').skip(1).map(|segment| match segment {
        "{path}" => Segment::Rest,
        _ if segment.starts_with('{') => Segment::Any,
        word => Segment::Word(word.to_owned()),
    });
    segments.collect()
}

fn fits(segments: &[Segment], given: &[&str]) -> bool {
    match (segments, given) {
        ([], []) => true,
        ([Segment::Rest], [_, ..]) => true,
        ([Segment::Any, rest @ ..], [one, more @ ..]) => !one.is_empty() && fits(rest, more),
        ([Segment::Word(word), rest @ ..], [one, more @ ..]) => word == one && fits(rest, more),
        _ => false,
    }
}

fn methods(item: &Value) -> Vec<&'static str> {
    let known = [
        ("delete", "DELETE"),
        ("get", "GET"),
        ("get", "HEAD"),
        ("patch", "PATCH"),
        ("post", "POST"),
        ("put", "PUT"),
    ];
    let documented = known
        .into_iter()
        .filter(|(name, _)| item.get(name).is_some());
    documented.map(|(_, method)| method).collect()
}

/// Answers what no route takes.
pub async fn fallback(req: HttpRequest, routes: Data<RouteList>) -> Result<HttpResponse> {
    let known = routes.allow(req.path());
    match known.filter(|_| Guesthouse::of(&req).is_none()) {
        Some(allow) => Err(Error::MethodNotAllowed { allow }),
        None => Err(Error::NotFound("Not Found".into())),
    }
}
