//! `/`, `/display`, `/join`, `/chat`, the pages' own files, and the documents.

use super::modules::with_preloads;
use crate::error::{Error, Result};
use crate::http::{FilesBelow, PublicErrors, Registrar, Tail, send_bytes, send_document};
use crate::tables::{Opened, Tables};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, AcceptEncoding, Header};
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse, get};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, PoisonError, RwLock};
use utoipa::ToSchema;

/// Nothing comes from elsewhere, nobody may frame it, and no script stands in the markup.
const PAGE_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
    style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

const ASYNCAPI: &str = include_str!("../../openapi/asyncapi.yaml");

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

pub(super) fn routes(config: &mut impl Registrar) {
    config
        .service(root)
        .service(display)
        .service(join)
        .service(chat)
        .service(FilesBelow::new("/ui", __path_asset, web::get().to(asset)))
        .service(asyncapi);
}

/// What programs get at `/`.
#[derive(Serialize, ToSchema)]
struct Greeting {
    #[schema(example = "Welcome to SpellTable API")]
    message: &'static str,
}

/// The start page for a browser, a greeting for programs.
#[utoipa::path(tag = "server", responses(
    (status = 200, content((Greeting = "application/json"), (String = "text/html"))), PublicErrors))]
#[get("/")]
async fn root(req: HttpRequest) -> Result<HttpResponse> {
    let accept = req
        .headers()
        .get(header::ACCEPT)
        .and_then(|a| a.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        return page(&req, "index.html");
    }
    let message = "Welcome to SpellTable API";
    Ok(HttpResponse::Ok()
        .insert_header((header::VARY, "Accept"))
        .json(Greeting { message }))
}

/// The page of a screen at the table. It shows a number until the GM has paired it.
#[utoipa::path(tag = "server", responses(
    (status = 200, description = "The page", content_type = "text/html"),
    (status = 304, description = "The client has it already"), (status = 412, body = crate::error::ErrorBody), PublicErrors))]
#[get("/display")]
async fn display(tables: Data<Tables>, req: HttpRequest) -> Result<HttpResponse> {
    tables.arrivals.note(&req, Opened::Display);
    page(&req, "display.html")
}

/// The players' page. The table's code may stand in the address's fragment, which no browser sends.
#[utoipa::path(tag = "server", responses(
    (status = 200, description = "The page", content_type = "text/html"),
    (status = 304, description = "The client has it already"), (status = 412, body = crate::error::ErrorBody), PublicErrors))]
#[get("/join")]
async fn join(tables: Data<Tables>, req: HttpRequest) -> Result<HttpResponse> {
    tables.arrivals.note(&req, Opened::Join);
    page(&req, "join.html")
}

/// The chat page. The key of the room that one is invited to stands in the address's fragment, which
/// no browser sends.
#[utoipa::path(tag = "server", responses(
    (status = 200, description = "The page", content_type = "text/html"),
    (status = 304, description = "The client has it already"), (status = 412, body = crate::error::ErrorBody), PublicErrors))]
#[get("/chat")]
async fn chat(req: HttpRequest) -> Result<HttpResponse> {
    page(&req, "chat.html")
}

/// A file of the pages.
#[utoipa::path(get, path = "/ui/{path}", tag = "server", params(("path" = String, Path, description = "File name", example = "index.html")),
    responses((status = 200, description = "The file",
            content((String = "text/html"), (String = "text/javascript"), (String = "text/css"), (String = "image/svg+xml"))),
        (status = 304, description = "The client has it already"),
        (status = 404, body = crate::error::ErrorBody), (status = 412, body = crate::error::ErrorBody), PublicErrors))]
async fn asset(req: HttpRequest, Tail(path): Tail) -> Result<HttpResponse> {
    page(&req, &path)
}

fn page(req: &HttpRequest, name: &str) -> Result<HttpResponse> {
    let Some(file) = Assets::get(name) else {
        return Err(Error::NotFound("Not Found".into()));
    };
    let media_type = mime_guess::from_path(name).first_or_octet_stream();
    let media_type = match media_type.type_() {
        mime_guess::mime::TEXT => format!("{media_type}; charset=utf-8"),
        _ => media_type.to_string(),
    };
    let sent = sent(name, file, takes_gzip(req));
    let mut answer = send_bytes(req, &media_type, &sent.tag, sent.bytes)?;
    let is_packed = sent.is_packed && answer.status() == StatusCode::OK;
    let headers = answer.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(
            header::HeaderName::from_static(name),
            header::HeaderValue::from_static(value),
        );
    };
    set("cross-origin-resource-policy", "same-site");
    if media_type.starts_with("text/html") || media_type.starts_with("image/svg") {
        // What can be opened as a document; a page of a hundred small files would carry them
        // a hundred times for nothing.
        set("content-security-policy", PAGE_POLICY);
        set("cross-origin-opener-policy", "same-origin");
        set("referrer-policy", "no-referrer");
        set("vary", "Accept, Accept-Encoding");
    } else {
        set("vary", "Accept-Encoding");
    }
    if is_packed {
        set("content-encoding", "gzip");
    }
    Ok(answer)
}

/// What is sent of a file: a script goes without its comments, a page with the names of its modules.
fn made_of(name: &str, data: Cow<'static, [u8]>) -> Bytes {
    match std::str::from_utf8(&data) {
        Ok(script) if name.ends_with(".js") => Bytes::from(without_comments(script)),
        Ok(page) if name.ends_with(".html") => Bytes::from(with_preloads(page, bare)),
        _ => bytes_of(data),
    }
}

/// A script of ours, as it is sent.
fn bare(name: &str) -> Option<String> {
    let file = Assets::get(name)?;
    Some(without_comments(std::str::from_utf8(&file.data).ok()?))
}

/// A script without the comments that have lines of their own. These lines stay, empty, so that what
/// a browser says of a line is true of the file. Comments are a quarter of what a page weighs.
fn without_comments(script: &str) -> String {
    let mut bare = String::with_capacity(script.len());
    let mut inside = false;
    for line in script.lines() {
        let text = line.trim();
        let begins = !inside && text.starts_with("/*");
        let end = text.find("*/").map(|at| at + 2);
        let is_comment = inside || begins || text.starts_with("//");
        // Code may follow the end: then the line is kept, or what is left of it.
        match end.filter(|_| inside || begins) {
            Some(end) if end < text.len() => {
                bare.push_str(if inside { &text[end..] } else { line })
            }
            _ if !is_comment => bare.push_str(line),
            _ => {}
        }
        inside = (inside || begins) && end.is_none();
        bare.push('\n');
    }
    bare
}

fn bytes_of(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    }
}

fn takes_gzip(req: &HttpRequest) -> bool {
    let accepted = AcceptEncoding::parse(req).ok();
    accepted.is_some_and(|accepted| {
        let gzip = header::Encoding::gzip();
        accepted.negotiate([gzip.clone(), header::Encoding::identity()].iter()) == Some(gzip)
    })
}

/// A file as it goes over the network, with its entity tag: each encoding is a representation of its
/// own.
#[derive(Clone)]
struct Sent {
    tag: String,
    bytes: Bytes,
    is_packed: bool,
}

/// Made when first asked for, packed or not. There are only as many as the binary has.
static SENT: LazyLock<RwLock<HashMap<(String, bool), Sent>>> = LazyLock::new(RwLock::default);

fn sent(name: &str, file: EmbeddedFile, takes_gzip: bool) -> Sent {
    let key = (name.to_owned(), takes_gzip);
    let known = SENT.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(&key) {
        return known.clone();
    }
    drop(known);
    let plain = made_of(name, file.data);
    let packed = takes_gzip.then(|| gzipped(&plain)).flatten();
    let tag: String = Sha256::digest(&plain)
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let sent = match packed {
        Some(bytes) => Sent {
            tag: format!("{tag}-gz"),
            bytes,
            is_packed: true,
        },
        None => Sent {
            tag,
            bytes: plain,
            is_packed: false,
        },
    };
    let mut all = SENT.write().unwrap_or_else(PoisonError::into_inner);
    all.entry(key).or_insert(sent).clone()
}

/// `None`: it is no smaller.
fn gzipped(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).ok()?;
    let packed = Bytes::from(encoder.finish().ok()?);
    (packed.len() < plain.len()).then_some(packed)
}

/// The WebSocket messages, described in AsyncAPI.
#[utoipa::path(tag = "server", responses((status = 200, description = "AsyncAPI document", content_type = "application/yaml"),
    (status = 304, description = "The client has it already"), (status = 412, body = crate::error::ErrorBody), PublicErrors))]
#[get("/asyncapi.yaml")]
async fn asyncapi(req: HttpRequest) -> Result<HttpResponse> {
    send_document(&req, "application/yaml", ASYNCAPI)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_sent_without_its_comments_and_every_line_keeps_its_number() {
        let script = "// What it is.\n/**\n * Adds.\n */\nadd(); // now\n  /** @type {X} */ x = 1;\n/** one */\nurl(\"a//b\");\n/* a\nb */ c();\n";
        let bare = "\n\n\n\nadd(); // now\n  /** @type {X} */ x = 1;\n\nurl(\"a//b\");\n\n c();\n";
        assert_eq!(without_comments(script), bare);
    }

    #[test]
    fn every_page_names_modules_that_are_there() {
        for page in ["index.html", "display.html", "join.html", "chat.html"] {
            let file = Assets::get(page).unwrap();
            let sent = String::from_utf8(made_of(page, file.data).into()).unwrap();
            let named: Vec<_> = sent.split("modulepreload\" href=\"/ui/").skip(1).collect();
            assert!(named.len() > 5, "{page}: {named:?}");
            let mut names: Vec<_> = named
                .iter()
                .map(|rest| rest.split_once('"').unwrap().0)
                .collect();
            for name in &names {
                assert!(Assets::get(name).is_some(), "{page}: {name}");
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), named.len(), "{page}");
        }
    }

    #[test]
    fn no_text_in_a_script_of_ours_looks_like_a_comment() {
        for name in Assets::iter().filter(|name| name.ends_with(".js")) {
            let file = Assets::get(&name).unwrap();
            let script = std::str::from_utf8(&file.data).unwrap();
            let bare = without_comments(script);
            assert_eq!(bare.lines().count(), script.lines().count(), "{name}");
            // Between backticks a text goes over several lines, and may begin one with anything.
            let mut is_text = false;
            for (number, (line, left)) in script.lines().zip(bare.lines()).enumerate() {
                let is_gone = line != left;
                assert!(!(is_text && is_gone), "{name}, line {}", number + 1);
                is_text ^= left.matches('`').count() % 2 == 1;
            }
        }
    }
}
