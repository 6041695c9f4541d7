//! What the client library asks for over HTTP before it opens its socket.

use super::Broker;
use crate::error::{Error, ErrorBody, Result};
use crate::http::{PublicErrors, Registrar};
use actix_web::http::header;
use actix_web::web::{self, Data, Json, Path};
use actix_web::{HttpResponse, get};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The key of the broker that is mounted at `/`: there, other keys would take other routes' paths.
const ROOT_KEY: &str = "peerjs";

/// The routes of both mounts, as far as they are the same on every listener: `/peerjs/id` is that of
/// `/` for the key `peerjs`, the others are those of `/peerjs`.
pub fn routes(config: &mut impl Registrar) {
    config
        .service(card)
        .service(root_id)
        .service(root_peers)
        .service(id)
        .service(peers);
}

/// The rest of the mount at `/`, on a listener that has nothing else there.
pub fn root_routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(about))
        .route("/{key}/id", web::get().to(fresh_id))
        .route("/{key}/peers", web::get().to(list));
}

/// What is here.
#[derive(Serialize, ToSchema)]
struct Card {
    #[schema(example = "Tablekeep PeerJS broker")]
    name: &'static str,
    description: &'static str,
    website: &'static str,
}

async fn about() -> Json<Card> {
    Json(Card {
        name: "Tablekeep PeerJS broker",
        description: "Passes on what PeerJS clients need to connect to each other.",
        website: "https://peerjs.com/",
    })
}

/// Says that this is a PeerJS broker: give clients the path `/peerjs`, or `/` and the key `peerjs`.
#[utoipa::path(tag = "calls", responses((status = 200, body = Card), PublicErrors))]
#[get("/peerjs")]
async fn card() -> Json<Card> {
    about().await
}

async fn fresh_id(broker: Data<Arc<Broker>>, key: Path<String>) -> Result<HttpResponse> {
    broker.check_key(&key)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/html; charset=utf-8")
        .body(uuid::Uuid::new_v4().to_string()))
}

async fn list(broker: Data<Arc<Broker>>, key: Path<String>) -> Result<HttpResponse> {
    broker.check_key(&key)?;
    if !broker.settings().allow_discovery {
        let text = "ids are not listed here (--peerjs-allow-discovery)";
        return Err(Error::Unauthenticated(text.into()));
    }
    let ids = broker.peers(&key).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(ids))
}

/// Makes up an id for a client that has none. It is not reserved.
#[utoipa::path(tag = "calls",
    params(("key" = String, Path, description = "One of `--peerjs-key`", example = "peerjs")),
    responses(
        (status = 200, description = "The id and nothing else", content_type = "text/html", body = String),
        (status = 404, description = "No such key", body = ErrorBody),
        PublicErrors))]
#[get("/peerjs/{key}/id")]
async fn id(broker: Data<Arc<Broker>>, key: Path<String>) -> Result<HttpResponse> {
    fresh_id(broker, key).await
}

/// Lists the registered ids, with `--peerjs-allow-discovery`.
#[utoipa::path(tag = "calls",
    params(("key" = String, Path, description = "One of `--peerjs-key`", example = "peerjs")),
    responses(
        (status = 200, body = Vec<String>),
        (status = 401, description = "Ids are not listed here", body = ErrorBody),
        (status = 404, description = "No such key", body = ErrorBody),
        PublicErrors))]
#[get("/peerjs/{key}/peers")]
async fn peers(broker: Data<Arc<Broker>>, key: Path<String>) -> Result<HttpResponse> {
    list(broker, key).await
}

/// The same as `/peerjs/peerjs/id`, for clients with the path `/`.
#[utoipa::path(tag = "calls", responses(
    (status = 200, description = "The id and nothing else", content_type = "text/html", body = String),
    (status = 404, description = "The key `peerjs` is not among `--peerjs-key`", body = ErrorBody),
    PublicErrors))]
#[get("/peerjs/id")]
async fn root_id(broker: Data<Arc<Broker>>) -> Result<HttpResponse> {
    fresh_id(broker, Path::from(ROOT_KEY.to_owned())).await
}

/// The same as `/peerjs/peerjs/peers`, for clients with the path `/`.
#[utoipa::path(tag = "calls", responses(
    (status = 200, body = Vec<String>),
    (status = 401, description = "Ids are not listed here", body = ErrorBody),
    (status = 404, description = "The key `peerjs` is not among `--peerjs-key`", body = ErrorBody),
    PublicErrors))]
#[get("/peerjs/peers")]
async fn root_peers(broker: Data<Arc<Broker>>) -> Result<HttpResponse> {
    list(broker, Path::from(ROOT_KEY.to_owned())).await
}
