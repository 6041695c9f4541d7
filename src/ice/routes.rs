//! `/api/ice`, `/api/turn`, `/api/peerjs`: what a page needs before it calls somebody.

use super::{Ice, IceServer};
use crate::access::{AccountProof, Attempt, Client, Policy, Role, SocketAddrs, Verdict};
use crate::error::{Error, ErrorBody, Result};
use crate::http::{PublicErrors, Registrar};
use crate::live::Now;
use crate::live::rfc3339;
use actix_web::http::header;
use actix_web::web::{Data, Query};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, get};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How often the client library sends a sign of life.
const PING_MS: u32 = 5000;

/// The routes.
pub fn routes(config: &mut impl Registrar) {
    config
        .service(ice_servers)
        .service(turn_servers)
        .service(peer_options);
}

/// What a PeerJS client names to prove its registration; its token comes as `Authorization: Bearer`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Registered {
    /// The id under which a PeerJS client is registered.
    id: Option<String>,
    /// Under which key; `peerjs` if left out.
    key: Option<String>,
}

/// Which kind of server is meant.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Service {
    /// Always `turn`.
    #[param(example = "turn")]
    service: Option<String>,
}

/// Servers with which browsers find a way to each other.
#[derive(Serialize, ToSchema)]
struct IceBody {
    /// For `RTCPeerConnection`.
    #[serde(rename = "iceServers")]
    ice_servers: Vec<IceServer>,
    /// Seconds that the credentials count.
    ttl: u32,
    /// The same as a moment: UTC, RFC 3339.
    #[serde(rename = "expiresAt")]
    #[schema(example = "2026-01-15T11:30:00.000Z")]
    expires_at: String,
}

/// The same as older clients expect it.
#[derive(Serialize, ToSchema)]
struct TurnBody {
    username: String,
    password: String,
    /// Seconds.
    ttl: u32,
    uris: Vec<String>,
}

/// Options for the `Peer` of the client library.
#[derive(Serialize, ToSchema)]
struct PeerBody {
    host: String,
    port: u16,
    /// Where the broker is.
    #[schema(example = "/peerjs")]
    path: &'static str,
    key: String,
    secure: bool,
    config: PeerConfig,
    /// Milliseconds between signs of life.
    #[serde(rename = "pingInterval")]
    ping_interval: u32,
}

/// For `RTCPeerConnection`.
#[derive(Serialize, ToSchema)]
struct PeerConfig {
    #[serde(rename = "iceServers")]
    ice_servers: Vec<IceServer>,
}

/// Names the STUN and TURN servers, with credentials that expire: for the GM, for who has joined a
/// table, and for who takes part from the same address right now (at a table, with PeerJS, in a
/// signaling group). A PeerJS client behind a proxy proves its registration with `id` and its token.
#[utoipa::path(tag = "calls", params(Registered), responses(
    (status = 200, body = IceBody),
    (status = 403, description = "Whoever asks is no member of anything", body = ErrorBody),
    (status = 429, description = "Too many requests from this address", body = ErrorBody),
    PublicErrors))]
#[get("/api/ice")]
async fn ice_servers(
    ice: Data<Ice>,
    registered: Query<Registered>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    ice.count(&req)?;
    ice.check_member(&req, &registered).await?;
    let now = Now::read().unix_ms;
    let credentials = ice.credentials(now / 1000).await?;
    let ttl = ice.settings.turn_ttl;
    Ok(fresh().json(IceBody {
        ice_servers: ice.servers(credentials),
        ttl,
        expires_at: rfc3339((now / 1000 + u64::from(ttl)) * 1000),
    }))
}

/// The TURN servers alone, as draft-uberti-behave-turn-rest has it; for whom `/api/ice` is.
#[utoipa::path(tag = "calls", params(Service, Registered), responses(
    (status = 200, body = TurnBody),
    (status = 400, description = "`service` is not `turn`", body = ErrorBody),
    (status = 403, description = "Whoever asks is no member of anything", body = ErrorBody),
    (status = 404, description = "There is no TURN server (`--turn`)", body = ErrorBody),
    (status = 429, description = "Too many requests from this address", body = ErrorBody),
    PublicErrors))]
#[get("/api/turn")]
async fn turn_servers(
    ice: Data<Ice>,
    service: Query<Service>,
    registered: Query<Registered>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    ice.count(&req)?;
    ice.check_member(&req, &registered).await?;
    if service.service.as_deref() != Some("turn") {
        return Err(Error::Invalid("expected service=turn in the query".into()));
    }
    let credentials = ice.credentials(Now::read().unix_ms / 1000).await?;
    let credentials = credentials
        .ok_or_else(|| Error::NotFound("this server knows no TURN server (--turn)".into()))?;
    Ok(fresh().json(TurnBody {
        username: credentials.username,
        password: credentials.password,
        ttl: ice.settings.turn_ttl,
        uris: ice.settings.turn.clone(),
    }))
}

/// Options for `new Peer(id, options)`. TURN servers are among them for whom `/api/ice` is.
#[utoipa::path(tag = "calls", params(Registered), responses(
    (status = 200, body = PeerBody),
    (status = 429, description = "Too many requests from this address", body = ErrorBody),
    PublicErrors))]
#[get("/api/peerjs")]
async fn peer_options(
    ice: Data<Ice>,
    registered: Query<Registered>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    ice.count(&req)?;
    let is_member = ice.check_member(&req, &registered).await.is_ok();
    let credentials = match is_member {
        true => ice.credentials(Now::read().unix_ms / 1000).await?,
        false => None,
    };
    let secure = is_secure(&req);
    let (host, port) = place(&req, secure);
    let keys = &ice.broker.settings().keys;
    Ok(fresh().json(PeerBody {
        host,
        port,
        path: "/peerjs",
        key: keys.first().cloned().unwrap_or_default(),
        secure,
        config: PeerConfig {
            ice_servers: ice.servers(credentials),
        },
        ping_interval: PING_MS,
    }))
}

fn fresh() -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

fn client(req: &HttpRequest) -> Client {
    let addrs = req.conn_data::<SocketAddrs>().copied();
    Client::of(addrs.unwrap_or_else(SocketAddrs::unknown))
}

impl Ice {
    /// Errors: `TooManyAttempts`.
    fn count(&self, req: &HttpRequest) -> Result<()> {
        self.requests.take(Attempt::Ice, client(req))
    }

    /// Errors: `Forbidden` for whoever is no member of anything.
    async fn check_member(&self, req: &HttpRequest, registered: &Registered) -> Result<()> {
        let verdict = req.extensions().get::<Verdict>().copied();
        let may = |verdict: Verdict| {
            let takes_part = || self.presence.has(client(req));
            let has_account = matches!(verdict.account, AccountProof::Good(_));
            let has_joined = verdict.role == Role::Gm || verdict.grant.is_some() || has_account;
            has_joined || (verdict.trusted && !Policy::is_forwarded(req.head()) && takes_part())
        };
        if verdict.is_some_and(may) {
            return Ok(());
        }
        if let (Some(id), Some(token)) = (&registered.id, bearer(req)) {
            let key = registered.key.as_deref().unwrap_or("peerjs");
            if self.broker.holds(key, id, token).await {
                return Ok(());
            }
        }
        Err(Error::Forbidden(
            "this is for members: join a table, or connect first (a PeerJS client behind a proxy sends its id in the \
             query and its token as a bearer token)"
                .into(),
        ))
    }
}

fn bearer(req: &HttpRequest) -> Option<&str> {
    let value = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the page came over TLS, which somebody else has taken off.
fn is_secure(req: &HttpRequest) -> bool {
    let says = |name: &str, start: &str| {
        let value = req
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(start))
    };
    says("origin", "https://") || says("x-forwarded-proto", "https")
}

/// Where the client has found this server; the gate has looked at the name.
fn place(req: &HttpRequest, secure: bool) -> (String, u16) {
    let host = req.headers().get(header::HOST);
    let host = host
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    let usual = if secure { 443 } else { 80 };
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => {
            (name.to_owned(), port.parse().unwrap_or(usual))
        }
        _ => (host.to_owned(), usual),
    }
}
