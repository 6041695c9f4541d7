//! What the API says of itself: the documents, made from the routes and served as they are committed.

use crate::dialects::nexus::assets;
use crate::dialects::{chat, peerjs, peershare, session};
use crate::error::{ErrorBody, Result, ValidationBody};
use crate::http::{Registrar, send_document};
use crate::{accounts, audio, ice, maps, scenes, tables, ui};
use actix_web::http::header;
use actix_web::{App, HttpRequest, HttpResponse};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

/// The API's description, as committed and as served.
pub const OPENAPI: &str = include_str!("../../openapi/openapi.json");

/// The same of the listener for Nexus' library of pictures.
pub const ASSETS_OPENAPI: &str = include_str!("../../openapi/nexus-assets.json");

/// What does not come from routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tablekeep",
        description = "Maps, scenes and sounds of a game table. Who may do what: see the README. \
            Every path (but those that begin so) also answers under `/api`, every path with a trailing slash, and every GET to HEAD.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "maps", description = "Pictures and films for the table"),
        (name = "scenes", description = "Saved tables"),
        (name = "audio", description = "Loops and effects"),
        (name = "tables", description = "Tables, joining them, pairing displays"),
        (name = "access", description = "Signing in"),
        (name = "accounts", description = "Signing in with a name, and the accounts"),
        (name = "sessions", description = "Scalable Chat: login by name, rooms, and where they are"),
        (name = "chat", description = "Files of chat rooms; everything else of them goes over WebSocket"),
        (name = "calls", description = "What browsers need to call each other; the rest goes over WebSocket"),
        (name = "server", description = "The server itself, its pages and documents")
    ),
    components(schemas(ErrorBody, ValidationBody)),
    modifiers(&LoginToken)
)]
struct ApiInfo;

/// How the token of `POST /api/login` is sent.
struct LoginToken;

impl Modify for LoginToken {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The token of `POST /api/login`"));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("login", SecurityScheme::Http(scheme.build()));
    }
}

/// The same of the listener for Nexus' library.
#[derive(OpenApi)]
#[openapi(info(
    title = "Tablekeep as Nexus' asset server",
    description = "What `--speak nexus-assets@PORT` serves: the pictures of the map library, for everybody.",
    license(name = "MIT OR Apache-2.0")
))]
struct AssetsInfo;

/// The API's description, made from the routes: what `openapi/openapi.json` must be.
pub fn api_document() -> Result<String> {
    describe(ApiInfo::openapi(), |config| routes(config))
}

/// The same for `openapi/nexus-assets.json`.
pub fn assets_document() -> Result<String> {
    describe(AssetsInfo::openapi(), |config| assets::routes(config))
}

fn describe(
    info: utoipa::openapi::OpenApi,
    routes: impl FnOnce(&mut ServiceConfig<'_>),
) -> Result<String> {
    let (_, api) = App::new()
        .into_utoipa_app()
        .openapi(info)
        .configure(routes)
        .split_for_parts();
    let mut text = api.to_pretty_json().map_err(std::io::Error::other)?;
    text.push('\n');
    Ok(text)
}

/// All routes of the main listener.
pub(super) fn routes(config: &mut impl Registrar) {
    // In the order in which the router looks: what is asked for most comes first.
    ui::routes(config);
    tables::routes(config);
    maps::routes(config);
    audio::routes(config);
    scenes::routes(config);
    chat::routes(config);
    accounts::routes(config);
    session::routes(config);
    peershare::routes(config);
    peerjs::routes(config);
    ice::routes(config);
}

pub(super) async fn assets_openapi(req: HttpRequest) -> Result<HttpResponse> {
    send_document(&req, "application/json", ASSETS_OPENAPI)
}

pub(super) async fn openapi(req: HttpRequest) -> Result<HttpResponse> {
    send_document(&req, "application/json", OPENAPI)
}

pub(super) async fn to_docs() -> HttpResponse {
    HttpResponse::TemporaryRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}
