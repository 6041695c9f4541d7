//! The endpoints of Nexus' asset server, with its shapes and its error bodies.

use super::book::{Asset, AssetBook, Assets};
use crate::access::Verdict;
use crate::error::{Error, ErrorBody};
use crate::http::{Disposition, Registrar, send_bytes};
use crate::library::Library;
use crate::store::AssetPath;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, get};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use utoipa::ToSchema;

/// What Nexus' own server calls itself.
const VERSION: &str = "1.0.0";
/// Most results of one search; `total` tells of the others.
const MAX_RESULTS: usize = 500;
/// Assets on one page, when not said otherwise and at most.
const PAGE: usize = 20;
const MAX_PAGE: usize = 100;
/// Shorter answers are not worth packing.
const PACKED_BYTES: usize = 1024;
/// Seconds for which clients may keep a picture, a list, a search.
const DAY: u32 = 86_400;
const MINUTES: u32 = 300;
const MINUTE: u32 = 60;

const ENDPOINTS: [&str; 7] = [
    "/health",
    "/manifest.json",
    "/search?q=term",
    "/category/:name",
    "/asset/:id",
    "/assets/:filename",
    "/thumbnails/:filename",
];

/// All routes of this listener.
pub fn routes(config: &mut impl Registrar) {
    config
        .service(health)
        .service(manifest)
        .service(search)
        .service(by_category)
        .service(one)
        .service(picture)
        .service(thumbnail);
}

/// Why there is no other answer.
#[derive(Clone, Copy)]
enum Refusal {
    ShortQuery,
    UnknownAsset,
    /// Nothing here has this path.
    Lost,
    /// The library is still being read.
    NotRead,
    Broken,
}

/// Body of every error answer here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RefusalBody {
    #[schema(example = "Asset not found")]
    error: &'static str,
    /// What there is, for those who have lost their way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false)]
    available_endpoints: Option<&'static [&'static str]>,
}

impl Refusal {
    fn words(self) -> (StatusCode, &'static str) {
        match self {
            Self::ShortQuery => (
                StatusCode::BAD_REQUEST,
                "Query must be at least 2 characters",
            ),
            Self::UnknownAsset => (StatusCode::NOT_FOUND, "Asset not found"),
            Self::Lost => (StatusCode::NOT_FOUND, "Not found"),
            Self::NotRead => (StatusCode::SERVICE_UNAVAILABLE, "Manifest not loaded"),
            Self::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        }
    }

    fn answer(self, req: &HttpRequest) -> HttpResponse {
        let (status, error) = self.words();
        let mut answer = HttpResponse::build(status).json(RefusalBody {
            error,
            available_endpoints: matches!(self, Self::Lost).then_some(&ENDPOINTS),
        });
        label(req, answer.headers_mut(), 0);
        answer
    }
}

/// How the server is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Health {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "1.0.0")]
    version: &'static str,
    assets_loaded: usize,
    /// Seconds since the start.
    uptime: f64,
}

/// Everything.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[schema(example = "1.0.0")]
    version: &'static str,
    /// When the newest picture changed (ISO 8601).
    #[schema(example = "2026-11-20T18:30:00.000Z")]
    generated_at: String,
    total_assets: usize,
    categories: BTreeSet<String>,
    #[schema(value_type = Vec<Asset>)]
    assets: Vec<Arc<Asset>>,
}

#[derive(Serialize, ToSchema)]
struct Found {
    query: String,
    /// The first 500.
    #[schema(value_type = Vec<Asset>)]
    results: Vec<Arc<Asset>>,
    /// How many there are in all.
    total: usize,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Page {
    category: String,
    page: usize,
    limit: usize,
    #[schema(value_type = Vec<Asset>)]
    assets: Vec<Arc<Asset>>,
    has_more: bool,
    total: usize,
}

/// Says that the server is up.
#[utoipa::path(tag = "assets", responses((status = 200, body = Health), (status = 421, body = ErrorBody)))]
#[get("/health")]
async fn health(req: HttpRequest, library: Data<Library>, book: Data<AssetBook>) -> HttpResponse {
    let uptime = book.started.elapsed().as_secs_f64();
    let health = move |assets: Assets| {
        Ok(Health {
            status: "ok",
            version: VERSION,
            assets_loaded: assets.list.len(),
            uptime: (uptime * 1000.0).round() / 1000.0,
        })
    };
    answer(&req, library, book, 0, health).await
}

/// Lists all pictures.
#[utoipa::path(tag = "assets", responses((status = 200, body = Manifest), (status = 304, description = "The client has it already"),
    (status = 421, body = ErrorBody), (status = 503, body = RefusalBody)))]
#[get("/manifest.json")]
async fn manifest(req: HttpRequest, library: Data<Library>, book: Data<AssetBook>) -> HttpResponse {
    let manifest = |assets: Assets| {
        Ok(Manifest {
            version: VERSION,
            generated_at: iso(assets.newest),
            total_assets: assets.list.len(),
            categories: assets
                .list
                .iter()
                .map(|(_, asset)| asset.category.clone())
                .collect(),
            assets: assets.list.into_iter().map(|(_, asset)| asset).collect(),
        })
    };
    answer(&req, library, book, MINUTES, manifest).await
}

/// Finds pictures whose name or tags hold these words.
#[utoipa::path(tag = "assets", params(("q" = String, Query, description = "Two characters or more, in any case", example = "cr")),
    responses((status = 200, body = Found), (status = 304, description = "The client has it already"), (status = 400, body = RefusalBody),
        (status = 421, body = ErrorBody), (status = 503, body = RefusalBody)))]
#[get("/search")]
async fn search(req: HttpRequest, library: Data<Library>, book: Data<AssetBook>) -> HttpResponse {
    let query = parameter(&req, "q").unwrap_or_default();
    let search = move |assets: Assets| {
        if query.chars().count() < 2 {
            return Err(Refusal::ShortQuery);
        }
        let wanted = query.to_lowercase();
        let holds = |text: &String| text.to_lowercase().contains(&wanted);
        let fits = |asset: &Asset| holds(&asset.name) || asset.tags.iter().any(holds);
        let all = assets.list.into_iter().map(|(_, asset)| asset);
        let mut results: Vec<_> = all.filter(|asset| fits(asset)).collect();
        let total = results.len();
        results.truncate(MAX_RESULTS);
        Ok(Found {
            query,
            results,
            total,
        })
    };
    answer(&req, library, book, MINUTE, search).await
}

/// Lists the pictures of a category page by page; `all` has them all, an unknown one none.
#[utoipa::path(tag = "assets", params(("name" = String, Path, description = "Category", example = "all"),
        ("page" = Option<String>, Query, description = "From 0"), ("limit" = Option<String>, Query, description = "1 to 100, 20 when not said")),
    responses((status = 200, body = Page), (status = 304, description = "The client has it already"),
        (status = 421, body = ErrorBody), (status = 503, body = RefusalBody)))]
#[get("/category/{name}")]
async fn by_category(
    req: HttpRequest,
    name: Path<String>,
    library: Data<Library>,
    book: Data<AssetBook>,
) -> HttpResponse {
    let category = name.into_inner();
    let page = number(&req, "page").unwrap_or(0).max(0);
    let limit = number(&req, "limit")
        .unwrap_or(PAGE as i64)
        .clamp(1, MAX_PAGE as i64);
    // Beyond any list, but not beyond any sum.
    let (page, limit) = (page.min(1 << 32) as usize, limit as usize);
    let list = move |assets: Assets| {
        let all = assets.list.into_iter().map(|(_, asset)| asset);
        let fits = |asset: &Arc<Asset>| category == "all" || asset.category == category;
        let fitting: Vec<_> = all.filter(fits).collect();
        let total = fitting.len();
        let start = (page * limit).min(total);
        let end = (start + limit).min(total);
        Ok(Page {
            page,
            limit,
            assets: fitting[start..end].to_vec(),
            has_more: end < total,
            total,
            category,
        })
    };
    answer(&req, library, book, MINUTES, list).await
}

/// Describes one picture.
#[utoipa::path(tag = "assets", params(("id" = String, Path, description = "Id", example = "8733db8153024c2cd82bee02d32ecc7a")),
    responses((status = 200, body = Asset), (status = 304, description = "The client has it already"), (status = 404, body = RefusalBody),
        (status = 421, body = ErrorBody), (status = 503, body = RefusalBody)))]
#[get("/asset/{id}")]
async fn one(
    req: HttpRequest,
    id: Path<String>,
    library: Data<Library>,
    book: Data<AssetBook>,
) -> HttpResponse {
    let find = move |assets: Assets| {
        let mut all = assets.list.into_iter().map(|(_, asset)| asset);
        all.find(|asset| asset.id == *id)
            .ok_or(Refusal::UnknownAsset)
    };
    answer(&req, library, book, DAY, find).await
}

/// Sends a picture, as what it is. Honours `Range` and conditions (RFC 9110).
#[utoipa::path(tag = "assets", params(("file" = String, Path, description = "As `fullImage` has it; any extension will do", example = "8733db8153024c2cd82bee02d32ecc7a.png")),
    responses((status = 200, description = "The picture", content_type = "image/*"), (status = 206, description = "The ranges asked for", content_type = "image/*"),
        (status = 304, description = "The client has it already"), (status = 404, body = RefusalBody), (status = 412, body = ErrorBody),
        (status = 416, body = ErrorBody), (status = 421, body = ErrorBody), (status = 503, body = RefusalBody)))]
#[get("/assets/{file}")]
async fn picture(
    req: HttpRequest,
    file: Path<String>,
    library: Data<Library>,
    book: Data<AssetBook>,
) -> Result<HttpResponse, Error> {
    send(&req, stem(&file), library, book).await
}

/// Sends a small picture; for now it is the picture itself.
#[utoipa::path(tag = "assets", params(("file" = String, Path, description = "As `thumbnail` has it", example = "8733db8153024c2cd82bee02d32ecc7a_thumb.png")),
    responses((status = 200, description = "The picture", content_type = "image/*"), (status = 206, description = "The ranges asked for", content_type = "image/*"),
        (status = 304, description = "The client has it already"), (status = 404, body = RefusalBody), (status = 412, body = ErrorBody),
        (status = 416, body = ErrorBody), (status = 421, body = ErrorBody), (status = 503, body = RefusalBody)))]
#[get("/thumbnails/{file}")]
async fn thumbnail(
    req: HttpRequest,
    file: Path<String>,
    library: Data<Library>,
    book: Data<AssetBook>,
) -> Result<HttpResponse, Error> {
    let id = stem(&file);
    send(
        &req,
        id.strip_suffix("_thumb").unwrap_or_default(),
        library,
        book,
    )
    .await
}

/// What no route takes.
pub async fn not_found(req: HttpRequest) -> HttpResponse {
    Refusal::Lost.answer(&req)
}

fn stem(file: &str) -> &str {
    file.split('.').next().unwrap_or_default()
}

/// The first value of a parameter.
fn parameter(req: &HttpRequest, name: &str) -> Option<String> {
    let pairs = Query::<Vec<(String, String)>>::from_query(req.query_string()).ok()?;
    let mut pairs = pairs.into_inner().into_iter();
    pairs.find(|(key, _)| key == name).map(|(_, value)| value)
}

fn number(req: &HttpRequest, name: &str) -> Option<i64> {
    let text = parameter(req, name)?;
    let text = text.trim();
    let is_huge = || text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    text.parse().ok().or_else(|| is_huge().then_some(i64::MAX))
}

/// Makes an answer of what there is, where it may block.
async fn answer<T: Serialize + 'static>(
    req: &HttpRequest,
    library: Data<Library>,
    book: Data<AssetBook>,
    max_age: u32,
    of: impl FnOnce(Assets) -> Result<T, Refusal> + Send + 'static,
) -> HttpResponse {
    if library.shelf(book.kind()).await.is_err() {
        return Refusal::NotRead.answer(req);
    }
    let packs = takes_gzip(req.headers());
    let made = library.run(move |store| {
        let made = of(book.read(store.shelf(book.kind())));
        Ok(made.map(|body| {
            let text = serde_json::to_vec(&body).unwrap_or_default();
            let tag: String = Sha256::digest(&text)[..12]
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            match gzip(&text).filter(|_| packs && text.len() >= PACKED_BYTES) {
                Some(packed) => (packed, format!("{tag}-gzip"), true),
                None => (text, tag, false),
            }
        }))
    });
    let (bytes, tag, packed) = match made.await {
        Ok(Ok(made)) => made,
        Ok(Err(refusal)) => return refusal.answer(req),
        Err(_) => return Refusal::Broken.answer(req),
    };
    let mut answer = match send_bytes(req, "application/json; charset=utf-8", &tag, bytes.into()) {
        Ok(answer) => answer,
        Err(error) => return actix_web::ResponseError::error_response(&error),
    };
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    label(req, headers, max_age);
    answer
}

async fn send(
    req: &HttpRequest,
    id: &str,
    library: Data<Library>,
    book: Data<AssetBook>,
) -> Result<HttpResponse, Error> {
    if library.shelf(book.kind()).await.is_err() {
        return Ok(Refusal::NotRead.answer(req));
    }
    let (id, of) = (id.to_owned(), book.clone());
    let found = library.run(move |store| {
        let assets = of.read(store.shelf(of.kind()));
        let found = assets.list.into_iter().find(|(_, asset)| asset.id == id);
        Ok(found.map(|(path, _)| path))
    });
    let Some(path): Option<AssetPath> = found.await? else {
        return Ok(Refusal::Lost.answer(req));
    };
    match library
        .send(req, book.kind(), &path, Disposition::Pictures)
        .await
    {
        Ok(mut answer) => {
            label(req, answer.headers_mut(), DAY);
            Ok(answer)
        }
        Err(Error::NotFound(_)) => Ok(Refusal::Lost.answer(req)),
        Err(error) => Err(error),
    }
}

/// What lets Nexus' page use it from where it comes from; pages that may not use this server get neither.
fn label(req: &HttpRequest, headers: &mut HeaderMap, max_age: u32) {
    let trusted = req
        .extensions()
        .get::<Verdict>()
        .is_some_and(|verdict| verdict.trusted);
    if trusted {
        let everywhere = HeaderValue::from_static("cross-origin");
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            everywhere,
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
    }
    if max_age > 0 {
        let value = HeaderValue::from_str(&format!("public, max-age={max_age}"));
        if let Ok(value) = value {
            headers.insert(header::CACHE_CONTROL, value);
        }
    }
}

/// Whether the client takes gzip (RFC 9110, section 12.5.3): named, and not with a weight of nothing.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers
        .get_all(header::ACCEPT_ENCODING)
        .filter_map(|value| value.to_str().ok());
    let mut codings = values.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().trim_start_matches("q=").parse::<f32>();
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

fn gzip(text: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).ok()?;
    encoder.finish().ok()
}

/// As JavaScript writes dates: UTC, with milliseconds.
fn iso(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = ((since.as_secs() / 86_400) as i64, since.as_secs() % 86_400);
    // Years that begin in March, so that the odd day is the last (Howard Hinnant's algorithm).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millis = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_as_javascript_writes_them() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_795_166_522_701, "2026-11-20T09:22:02.701Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso(UNIX_EPOCH + Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn only_who_takes_gzip_gets_it() {
        for (accepts, takes) in [
            ("gzip, deflate, br", true),
            ("deflate;q=1, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accepts));
            assert_eq!(takes_gzip(&headers), takes, "{accepts}");
        }
    }
}
