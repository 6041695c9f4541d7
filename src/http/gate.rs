//! In front of every route: one spelling of the path, Host and Origin, CORS, nothing panics out.
//!
//! What [`at_once`] can answer, files in memory above all, does not go through the routes: that way
//! costs as much as the rest of a small answer.

use super::download::CORP;
use super::{Outlet, Tail};
use crate::access::{Policy, Seat, SocketAddrs, Verdict};
use crate::error::Error;
use actix_http::{Request, Response};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::FutureExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Methods that a page may use, as SpellTable's own server lists them.
const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/// What pages may read of an answer besides its body.
const EXPOSED: &str =
    "accept-ranges, content-disposition, content-length, content-range, etag, last-modified";

const EVERYWHERE: HeaderValue = HeaderValue::from_static("cross-origin");

/// Addresses of another system, whose own server has other manners: of CORS as Express has it, and
/// 404 for every method that it does not know. Who may ask is decided as everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Guesthouse {
    /// What its paths begin with; empty: all of this listener's.
    pub prefix: &'static str,
    /// Whether pages may send their cookies along.
    pub credentials: bool,
}

/// Those of one listener.
#[derive(Clone, Copy, Debug)]
pub struct Guesthouses(pub &'static [Guesthouse]);

impl Guesthouses {
    fn of(req: &HttpRequest) -> Option<Self> {
        req.app_data::<Data<Self>>().map(|all| *all.get_ref())
    }

    /// Whether the whole listener is another system's.
    fn are_all(self) -> bool {
        self.0.iter().any(|house| house.prefix.is_empty())
    }
}

/// Methods that such a server lists.
const GUEST_METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE";

impl Guesthouse {
    /// The one at whose address this request is.
    pub fn of(req: &HttpRequest) -> Option<Self> {
        let all = Guesthouses::of(req)?;
        let is_meant = |house: &&Self| {
            let rest = req.path().strip_prefix(house.prefix);
            rest.is_some_and(|rest| {
                house.prefix.is_empty() || rest.is_empty() || rest.starts_with('/')
            })
        };
        all.0.iter().find(is_meant).copied()
    }

    /// The CORS headers of an answer; `origin` is that of a page that may read it.
    fn headers(self, origin: Option<&HeaderValue>) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![(header::VARY, HeaderValue::from_static("Origin"))];
        if let Some(origin) = origin {
            headers.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
        }
        if self.credentials {
            let allowed = HeaderValue::from_static("true");
            headers.push((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed));
        }
        headers
    }

    fn preflight(self, req: ServiceRequest, trusted: bool) -> ServiceResponse {
        let mut answer = HttpResponse::NoContent();
        let origin = req.headers().get(header::ORIGIN).filter(|_| trusted);
        for header in self.headers(origin) {
            answer.insert_header(header);
        }
        answer.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, GUEST_METHODS));
        let asked = req.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        if let Some(headers) = asked {
            answer.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone()));
            answer.append_header((header::VARY, "Access-Control-Request-Headers"));
        }
        let answer = answer.finish();
        req.into_response(answer)
    }
}

/// Marks a request that came as HEAD and is routed as GET; the body is dropped when sending.
#[derive(Clone, Copy, Debug)]
struct IsHead;

/// What sending something must know of a request.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Whether only the head of the answer is wanted.
    pub is_head: bool,
    /// The connection's way out for large bodies.
    pub outlet: Option<&'a Outlet>,
}

impl<'a> Asked<'a> {
    /// A request that has come through the gate.
    pub fn of(req: &'a HttpRequest) -> Self {
        Self {
            headers: req.headers(),
            is_head: req.extensions().get::<IsHead>().is_some(),
            outlet: req.conn_data(),
        }
    }
}

/// Answers a GET or HEAD of what stands behind a route's prefix, if that takes neither waiting nor an
/// error; `None` leaves it to the route.
pub type AtOnce<T> = fn(&T, &Asked<'_>, &str, Seat) -> Option<HttpResponse>;

/// Answers a request without the routes, if one of `answers` (each with its prefix) can: judged as by
/// the middleware, and with the same headers.
pub fn at_once<T>(
    req: &Request,
    policy: &Policy,
    state: &T,
    answers: &[(&str, AtOnce<T>)],
) -> Option<Response<BoxBody>> {
    let asked = Asked {
        headers: req.headers(),
        is_head: match *req.method() {
            Method::GET => false,
            Method::HEAD => true,
            _ => return None,
        },
        outlet: req.conn_data(),
    };
    let path = straight(req.path(), true).unwrap_or_else(|| req.path());
    let mut answers = answers.iter();
    let (answer, rest) = answers.find_map(|(prefix, answer)| {
        let rest = path.strip_prefix(prefix)?;
        Some((answer, rest))
    })?;
    let addrs = req.conn_data::<SocketAddrs>().copied();
    let addrs = addrs.unwrap_or_else(SocketAddrs::unknown);
    let verdict = policy.judge(req.head(), addrs).ok()?;
    let seat = verdict.visitor().seat().ok()?;
    let rest = Tail::of_sent(rest)?;
    // What panics here does so again behind the middleware, and is reported there.
    let answer = catch_unwind(AssertUnwindSafe(|| answer(state, &asked, &rest, seat)));
    let mut answer = answer.ok()??;
    add(answer.headers_mut(), cors_headers(asked.headers, verdict));
    Some(answer.into())
}

/// Paths below `/api` that are what they are there: those of other systems' clients.
const API: [&str; 2] = ["/api/login", "/api/rooms"];

fn is_api(path: &str) -> bool {
    API.iter().any(|own| {
        let rest = path.strip_prefix(own);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// The middleware.
pub async fn gate<B: MessageBody + 'static>(
    policy: Data<Policy>,
    mut req: ServiceRequest,
    next: Next<B>,
) -> actix_web::Result<ServiceResponse<BoxBody>> {
    straighten(&mut req);
    let addrs = req.conn_data::<SocketAddrs>().copied();
    let addrs = addrs.unwrap_or_else(SocketAddrs::unknown);
    let verdict = match policy.judge(req.head(), addrs) {
        Ok(verdict) => verdict,
        Err(_) if is_preflight(&req) => return Ok(preflight(req, false)),
        Err(error) => return Ok(req.into_response(error.error_response())),
    };
    if is_preflight(&req) {
        return Ok(preflight(req, verdict.trusted));
    }
    req.extensions_mut().insert(verdict);
    if req.method() == Method::HEAD {
        req.extensions_mut().insert(IsHead);
        req.head_mut().method = Method::GET;
    }
    let cors = match Guesthouse::of(req.request()) {
        Some(house) => house.headers(
            req.headers()
                .get(header::ORIGIN)
                .filter(|_| verdict.trusted),
        ),
        None if is_own_file(req.path(), req.headers()) => own_file_headers(),
        None => cors_headers(req.headers(), verdict),
    };
    let (method, uri) = (req.method().clone(), req.uri().clone());
    let failed = |cause: &str| tracing::error!(%method, path = uri.path(), "{method} {} failed: {cause}", uri.path());
    match AssertUnwindSafe(next.call(req)).catch_unwind().await {
        Ok(Ok(answer)) => {
            let mut answer = answer.map_into_boxed_body();
            let error = answer.response().error();
            if let Some(Error::Internal(cause)) = error.and_then(|error| error.as_error()) {
                failed(&cause.to_string());
            }
            add(answer.headers_mut(), cors);
            Ok(answer)
        }
        Ok(Err(error)) => {
            failed(&format!("no handler answered: {error}"));
            let answer = error.error_response().status();
            Err(Failed { answer, cors }.into())
        }
        Err(_) => {
            failed("its handler panicked; this is a bug");
            let answer = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Failed { answer, cors }.into())
        }
    }
}

/// `/api/x` is `/x` (what a proxy in front of SpellTable does), and `/x/` is `/x`.
///
/// On another system's listener `/api` is a path like any other.
fn straighten(req: &mut ServiceRequest) {
    let api = !Guesthouses::of(req.request()).is_some_and(Guesthouses::are_all);
    let Some(path) = straight(req.path(), api) else {
        return;
    };
    let target = match req.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let Ok(target) = target.parse::<PathAndQuery>() else {
        return;
    };
    let mut parts = req.uri().clone().into_parts();
    parts.path_and_query = Some(target);
    if let Ok(uri) = Uri::from_parts(parts) {
        req.match_info_mut().get_mut().update(&uri);
        req.head_mut().uri = uri;
    }
}

/// Addresses that really begin with `/api`.
const UNDER_API: [&str; 3] = ["/api/ice", "/api/peerjs", "/api/turn"];

/// The one spelling of `path`; `None` when it has it already.
///
/// `api`: `/api` in front of it makes no difference.
fn straight(path: &str, api: bool) -> Option<&str> {
    let mut straight = path;
    if api
        && let Some(rest) = path.strip_prefix("/api")
        && (rest.is_empty() || rest.starts_with('/'))
        && !is_api(path)
        && !UNDER_API.contains(&path.trim_end_matches('/'))
    {
        straight = if rest.is_empty() { "/" } else { rest };
    }
    // Swagger UI lives on its trailing slash: its own files are relative to it.
    if straight.len() > 1 && straight != "/docs/" && !straight.ends_with("//") {
        straight = straight.strip_suffix('/').unwrap_or(straight);
    }
    (straight != path).then_some(straight)
}

fn is_preflight(req: &ServiceRequest) -> bool {
    req.method() == Method::OPTIONS
        && req.headers().contains_key(header::ORIGIN)
        && req
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(req: ServiceRequest, trusted: bool) -> ServiceResponse {
    if let Some(house) = Guesthouse::of(req.request()) {
        return house.preflight(req, trusted);
    }
    let asked = |name: HeaderName| req.headers().get(name).cloned();
    let method = asked(header::ACCESS_CONTROL_REQUEST_METHOD);
    let known = method.is_some_and(|m| METHODS.split(", ").any(|known| m == known));
    let refused = match (trusted, known) {
        (false, _) => Some("Disallowed CORS origin"),
        (_, false) => Some("Disallowed CORS method"),
        _ => None,
    };
    let mut answer = match refused {
        None if is_api(req.path()) => HttpResponse::NoContent(),
        None => HttpResponse::Ok(),
        Some(_) => HttpResponse::BadRequest(),
    };
    answer.content_type("text/plain; charset=utf-8");
    answer.insert_header((header::VARY, "Origin"));
    if trusted {
        if let Some(origin) = asked(header::ORIGIN) {
            answer.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin));
        }
        answer.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS));
        if let Some(headers) = asked(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, headers));
        }
        answer.insert_header((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"));
        answer.insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"));
        // Asked by browsers before a public page may reach an address of the local network.
        if asked(HeaderName::from_static(
            "access-control-request-private-network",
        ))
        .is_some()
        {
            answer.insert_header(("access-control-allow-private-network", "true"));
        }
    }
    let answer = match refused {
        None if is_api(req.path()) => answer.finish(),
        _ => answer.body(refused.unwrap_or("OK")),
    };
    req.into_response(answer)
}

/// Whether one of our pages asks for one of its own files: `Origin` names the host that is asked.
///
/// Browsers send it with every module, and a page has a hundred of them; nothing is across origins there.
fn is_own_file(path: &str, headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let asking = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    path.starts_with("/ui/")
        && asking.is_some_and(|(_, host)| text(header::HOST).is_some_and(|own| own == host))
}

/// Others get other headers, so a cache must keep them apart.
fn own_file_headers() -> Vec<(HeaderName, HeaderValue)> {
    vec![(header::VARY, HeaderValue::from_static("Origin"))]
}

/// The headers of an answer to this request that let its page have it.
fn cors_headers(headers: &HeaderMap, verdict: Verdict) -> Vec<(HeaderName, HeaderValue)> {
    // Chromium takes no two ports of one address for one site (Fetch, section 3.7), and `localhost`
    // and 127.0.0.1 are two: pages that may show a file are told so.
    let embeds = verdict.embeds.then_some((CORP, EVERYWHERE));
    let Some(origin) = headers.get(header::ORIGIN).filter(|_| verdict.trusted) else {
        return embeds.into_iter().collect();
    };
    let allowed = if headers.contains_key(header::COOKIE) {
        origin.clone()
    } else {
        HeaderValue::from_static("*")
    };
    vec![
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed),
        (
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        ),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        ),
        // Other origins get other headers, so a cache must keep them apart.
        (header::VARY, HeaderValue::from_static("Origin")),
    ]
    .into_iter()
    .chain(embeds)
    .collect()
}

fn add(headers: &mut HeaderMap, cors: Vec<(HeaderName, HeaderValue)>) {
    for (name, value) in cors {
        if name == header::VARY {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
}

/// An answer that came from no handler: still JSON, still readable for the page.
#[derive(Debug)]
struct Failed {
    answer: StatusCode,
    cors: Vec<(HeaderName, HeaderValue)>,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "request failed with {}", self.answer)
    }
}

impl ResponseError for Failed {
    fn status_code(&self) -> StatusCode {
        self.answer
    }

    fn error_response(&self) -> HttpResponse {
        let cause = std::io::Error::other("no handler answered");
        let mut answer = Error::Internal(cause).error_response();
        *answer.status_mut() = self.answer;
        add(answer.headers_mut(), self.cors.clone());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::straight;

    #[test]
    fn every_path_has_one_spelling() {
        for (path, expected) in [
            ("/maps/list", None),
            ("/maps/list/", Some("/maps/list")),
            ("/api/maps/list", Some("/maps/list")),
            ("/api/maps/list/", Some("/maps/list")),
            ("/api", Some("/")),
            ("/api/", Some("/")),
            ("/apix", None),
            ("/api/ice", None),
            ("/api/peerjs/", Some("/api/peerjs")),
            ("/api/peerjs/id", Some("/peerjs/id")),
            ("/", None),
            ("/docs/", None),
            ("/a//", None),
            ("/api/login", None),
            ("/api/rooms/", Some("/api/rooms")),
            ("/api/rooms/x/", Some("/api/rooms/x")),
            ("/api/roomsx", Some("/roomsx")),
        ] {
            assert_eq!(straight(path, true), expected, "{path}");
        }
        for (path, expected) in [
            ("/api/stats", None),
            ("/api/", Some("/api")),
            ("/group/x/", Some("/group/x")),
        ] {
            assert_eq!(straight(path, false), expected, "{path}");
        }
    }
}
