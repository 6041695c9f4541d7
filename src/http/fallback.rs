//! Paths that no route takes: 404, or 405 with the methods that would do.

use crate::error::{Error, Result};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::{OpenApi, PathItem};

/// All documented routes, to tell "no such path" from "not with this method".
pub struct RouteList(Vec<(Vec<Segment>, String)>);

enum Segment {
    Word(String),
    /// One segment, whatever it is.
    Any,
    /// The rest: by convention the parameter that is called `path`.
    Rest,
}

impl RouteList {
    /// From the API's description.
    pub fn new(api: &OpenApi) -> Self {
        let routes = api.paths.paths.iter().map(|(path, item)| {
            let segments = path.split('/').skip(1).map(|segment| match segment {
                "{path}" => Segment::Rest,
                _ if segment.starts_with('{') => Segment::Any,
                word => Segment::Word(word.to_owned()),
            });
            (segments.collect(), methods(item))
        });
        Self(routes.collect())
    }

    /// The methods of `path`, sorted, as `Allow` lists them; `None` when there is no such path.
    fn allow(&self, path: &str) -> Option<String> {
        let given: Vec<&str> = path.split('/').skip(1).collect();
        let mut fitting: Vec<_> = self
            .0
            .iter()
            .filter(|(segments, _)| fits(segments, &given))
            .collect();
        // A path with a word of its own is not somebody's id.
        let words = |segments: &[Segment]| {
            segments
                .iter()
                .filter(|s| matches!(s, Segment::Word(_)))
                .count()
        };
        let most = fitting.iter().map(|(segments, _)| words(segments)).max();
        fitting.retain(|(segments, _)| Some(words(segments)) == most);
        let mut found: Vec<&str> = fitting
            .iter()
            .flat_map(|(_, methods)| methods.split(", "))
            .collect();
        found.sort_unstable();
        found.dedup();
        (!found.is_empty()).then(|| found.join(", "))
    }
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

fn methods(item: &PathItem) -> String {
    let mut names = Vec::new();
    if item.get.is_some() {
        names.extend(["GET", "HEAD"]);
    }
    let others = [
        ("DELETE", &item.delete),
        ("PATCH", &item.patch),
        ("POST", &item.post),
        ("PUT", &item.put),
    ];
    names.extend(
        others
            .iter()
            .filter(|(_, operation)| operation.is_some())
            .map(|(name, _)| name),
    );
    names.join(", ")
}

/// Answers what no route takes.
pub async fn fallback(req: HttpRequest, routes: Data<RouteList>) -> Result<HttpResponse> {
    match routes.allow(req.path()) {
        Some(allow) => Err(Error::MethodNotAllowed { allow }),
        None => Err(Error::NotFound("Not Found".into())),
    }
}
