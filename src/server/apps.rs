//! Which routes there are on which listener, and what they stand on.

use super::documents::{assets_openapi, openapi, routes, to_docs};
use super::{Shared, alone};
use crate::access::Policy;
use crate::config::{Config, Speaker};
use crate::dialects::nexus::assets;
use crate::dialects::peershare::{self, Card, Version};
use crate::dialects::session::{self, Login};
use crate::dialects::{chat, peerjs};
use crate::error::{Error, Problem, Result};
use crate::http::{AtOnce, ClientBuilds, Guesthouse, Guesthouses, fallback, gate};
use crate::library::Library;
use crate::metrics::Metrics;
use crate::{audio, ice, maps};
use actix_service::ServiceFactory;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::QueryPayloadError;
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse};
use std::sync::Arc;
use utoipa_swagger_ui::SwaggerUi;

/// What the routes of every listener stand on, also of a process that is a backend or a session server
/// and nothing else.
#[derive(Clone)]
pub(super) struct Foundation {
    /// Who may what.
    pub policy: Data<Policy>,
    /// The settings.
    pub config: Data<Config>,
    /// The figures.
    pub metrics: Data<Metrics>,
    /// Other systems' clients.
    pub builds: Data<ClientBuilds>,
    /// Login and rooms.
    pub login: Data<Arc<Login>>,
}

impl Foundation {
    /// Lays it below an application's routes.
    pub fn lay(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(self.policy.clone())
            .app_data(self.config.clone())
            .app_data(self.metrics.clone())
            .app_data(self.builds.clone())
            .app_data(self.login.clone());
    }
}
/// Other systems' addresses on the main listener.
const GUESTS: Guesthouses = Guesthouses(&[PEERJS]);
const PEERJS: Guesthouse = Guesthouse {
    prefix: "/peerjs",
    credentials: false,
};
/// On the broker's own listener all addresses are the broker's.
const ALL_PEERJS: Guesthouses = Guesthouses(&[Guesthouse {
    prefix: "",
    ..PEERJS
}]);

/// On PeerShare's listeners all but the broker's are PeerShare's.
const ALL_PEERSHARE: Guesthouses = Guesthouses(&[
    PEERJS,
    Guesthouse {
        prefix: "",
        credentials: true,
    },
]);

/// What need not go through the routes when it is in memory.
pub(super) const AT_ONCE: [(&str, AtOnce<Data<Library>>); 2] = [
    ("/maps/file/", maps::read_at_once),
    ("/audio/file/", audio::read_at_once),
];

/// The routes for one worker.
pub(super) fn app(
    shared: &Shared,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .configure(routes)
        .configure(|config| shared.base.lay(config))
        .app_data(shared.library.clone())
        .app_data(shared.thumbs.clone())
        .app_data(shared.aliases.clone())
        .app_data(shared.tags.clone())
        .app_data(shared.tables.clone())
        .app_data(shared.accounts.clone())
        .app_data(shared.chat.clone())
        .app_data(shared.signaling.clone())
        .app_data(shared.peerjs.clone())
        .app_data(shared.ice.clone())
        .app_data(Data::new(GUESTS))
        .app_data(shared.routes.clone())
        .app_data(shared.readiness.clone())
        .app_data(web::QueryConfig::default().error_handler(|error, req| {
            Error::Validation(vec![unread_query(&error, req.query_string())]).into()
        }))
        .app_data(
            web::PathConfig::default()
                .error_handler(|_, _| Error::NotFound("Not Found".into()).into()),
        )
        .route("/openapi.json", web::get().to(openapi))
        .route("/docs", web::get().to(to_docs))
        .service(
            SwaggerUi::new("/docs/{_:.*}").config(utoipa_swagger_ui::Config::from("/openapi.json")),
        )
        .default_service(web::to(fallback))
        .wrap(from_fn(gate))
}

/// What is wrong with a query, as FastAPI tells it.
fn unread_query(error: &QueryPayloadError, query: &str) -> Problem {
    let error = match error {
        QueryPayloadError::Deserialize(error) => error.to_string(),
        other => other.to_string(),
    };
    let missing = error
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'));
    match missing {
        Some(name) => Problem::missing(vec!["query".into(), name.into()], query.into()),
        None => {
            let words = format!("The query cannot be read: {error}");
            Problem::new("value_error", vec!["query".into()], &words, query.into())
        }
    }
}

/// The routes of a listener for one system's clients, for one worker.
pub(super) fn further_app(
    shared: &Shared,
    speaker: Speaker,
    card: Data<Card>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    let foundation = Foundation {
        policy: shared.policy(Some(speaker)),
        ..shared.base.clone()
    };
    App::new()
        .configure(|config| match speaker {
            Speaker::Nexus => {
                config.default_service(web::to(nexus_page));
            }
            Speaker::Chat => {
                chat::routes(config);
                config.default_service(web::to(chat_page));
            }
            Speaker::Login => {
                session::routes(config);
                config.default_service(web::to(alone::login_page));
            }
            Speaker::Session => {
                config.default_service(web::to(alone::session_page));
            }
            Speaker::PeerJs => {
                peerjs::routes(config);
                peerjs::root_routes(config);
                config
                    .app_data(Data::new(ALL_PEERJS))
                    .default_service(web::to(not_found));
            }
            Speaker::NexusAssets => {
                assets::routes(config);
                config
                    .route("/openapi.json", web::get().to(assets_openapi))
                    .default_service(web::to(assets::not_found));
            }
            Speaker::PeerShareSocket => {
                peerjs::routes(config);
                config
                    .app_data(Data::new(ALL_PEERSHARE))
                    .default_service(web::to(upgrade_required));
            }
            Speaker::PeerShare | Speaker::PeerShareNew => {
                let version = match speaker {
                    Speaker::PeerShareNew => Version::Newest,
                    _ => Version::Seed,
                };
                config
                    .app_data(Data::new(version))
                    .app_data(Data::new(ALL_PEERSHARE));
                peerjs::routes(config);
                ice::routes(config);
                peershare::port_routes(config, version);
                let page = move |req, builds, card| peershare_page(speaker, req, builds, card);
                config.default_service(web::to(page));
            }
        })
        .configure(|config| foundation.lay(config))
        .app_data(card)
        .app_data(shared.signaling.clone())
        .app_data(shared.library.clone())
        .app_data(shared.chat.clone())
        .app_data(shared.peerjs.clone())
        .app_data(shared.ice.clone())
        .app_data(shared.assets.clone())
        .wrap(from_fn(gate))
}

/// On Nexus' port: the client's own build where one is given; the room server has no pages.
async fn nexus_page(req: HttpRequest, builds: Data<ClientBuilds>) -> Result<HttpResponse> {
    page_of(Speaker::Nexus, req, builds).await
}

/// The same on the chat's port.
async fn chat_page(req: HttpRequest, builds: Data<ClientBuilds>) -> Result<HttpResponse> {
    page_of(Speaker::Chat, req, builds).await
}

async fn not_found() -> Result<HttpResponse> {
    Err(Error::NotFound("Not Found".into()))
}

async fn page_of(
    speaker: Speaker,
    req: HttpRequest,
    builds: Data<ClientBuilds>,
) -> Result<HttpResponse> {
    let is_socket = req.path() == "/ws";
    match builds.get(speaker.name()).filter(|_| !is_socket) {
        Some(build) => build.send(&req).await,
        None => Ok(upgrade_required().await),
    }
}

/// On ports, and at paths, where there are only WebSockets.
async fn upgrade_required() -> HttpResponse {
    HttpResponse::UpgradeRequired()
        .insert_header((header::UPGRADE, "websocket"))
        .content_type("text/plain")
        .body("Upgrade Required")
}

/// On PeerShare's ports: the client's own build where one is given, else what the server is.
async fn peershare_page(
    speaker: Speaker,
    req: HttpRequest,
    builds: Data<ClientBuilds>,
    card: Data<Card>,
) -> Result<HttpResponse> {
    if speaker == Speaker::PeerShareNew && req.path() == "/ws" {
        return Ok(upgrade_required().await);
    }
    match builds.get(speaker.name()) {
        Some(build) => build.send(&req).await,
        None if req.path() == "/" => Ok(peershare::send_card(card).await),
        None => Ok(peershare::not_found().await),
    }
}
