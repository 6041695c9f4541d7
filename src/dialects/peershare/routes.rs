//! PeerShare's REST routes: how the server is, and what there is to know of a group.
//!
//! On the main listener they speak as the first version does; a listener of the newest version has its
//! own words for a few of them.

use super::directory::Stats;
use super::ids::{GroupId, Version};
use super::issue::Issue;
use super::wire::validation;
use super::{Refusal, Signaling};
use crate::http::{PublicErrors, Registrar};
use crate::live::{Now, rfc3339};
use actix_web::web::{self, Data, Json, Path};
use actix_web::{HttpResponse, get};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

/// How much there is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupStats {
    total_groups: usize,
    total_users: usize,
    /// Users of a group, rounded to two decimals.
    #[schema(example = 2.4)]
    average_group_size: f64,
}

/// The same, and when that was.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StatsBody {
    #[serde(flatten)]
    stats: GroupStats,
    #[schema(example = "2026-01-15T10:30:00.000Z")]
    timestamp: String,
    /// Seconds since the start.
    uptime: f64,
}

/// How PeerShare's server is.
#[derive(Serialize, ToSchema)]
pub struct SignalingHealth {
    #[schema(example = "2026-01-15T10:30:00.000Z")]
    timestamp: String,
    /// Seconds since the start.
    uptime: f64,
    stats: GroupStats,
}

/// A group.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GroupBody {
    id: String,
    name: String,
    /// As text, or in the newest version as milliseconds since 1970.
    #[schema(value_type = String, example = "2026-01-15T10:30:00.000Z")]
    created_at: Value,
    member_count: usize,
    /// Always true.
    exists: bool,
}

/// Why there is no answer, as PeerShare's clients read it.
#[derive(Serialize, ToSchema)]
struct GroupError {
    error: &'static str,
    #[schema(example = "GROUP_NOT_FOUND")]
    code: &'static str,
    /// What is wrong with an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Value>>, nullable = false)]
    details: Option<[Issue; 1]>,
}

impl Signaling {
    fn uptime(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    fn stats(&self) -> GroupStats {
        let Stats { groups, users } = self.directory.stats();
        let average = users as f64 / groups.max(1) as f64;
        GroupStats {
            total_groups: groups,
            total_users: users,
            average_group_size: (average * 100.0).round() / 100.0,
        }
    }

    /// What `/health` says of groups.
    pub fn health(&self) -> SignalingHealth {
        SignalingHealth {
            timestamp: now(),
            uptime: self.uptime(),
            stats: self.stats(),
        }
    }
}

fn now() -> String {
    rfc3339(Now::read().unix_ms)
}

/// The routes that are everywhere.
pub fn routes<R: Registrar>(config: &mut R) {
    config.service(stats).service(group);
}

/// Counts groups and their members.
#[utoipa::path(tag = "calls", responses((status = 200, body = StatsBody), PublicErrors))]
#[get("/stats")]
async fn stats(signaling: Data<Arc<Signaling>>) -> Json<StatsBody> {
    Json(StatsBody {
        stats: signaling.stats(),
        timestamp: now(),
        uptime: signaling.uptime(),
    })
}

/// Looks a group up, before somebody joins it.
#[utoipa::path(tag = "calls",
    params(("id" = String, Path, description = "Id of the group, with or without the prefix group_", example = "6f1f7d0c-4d1b-4d0e-9d57-1b1a8f5f5f10")),
    responses((status = 200, body = GroupBody), (status = 400, description = "Not an id", body = GroupError),
        (status = 404, description = "There is no such group", body = GroupError), PublicErrors))]
#[get("/group/{id}")]
async fn group(
    signaling: Data<Arc<Signaling>>,
    version: Option<Data<Version>>,
    id: Path<String>,
) -> HttpResponse {
    let version = version.map_or(Version::Seed, |version| **version);
    let Ok(id) = GroupId::parse(&id) else {
        let issue = Issue::shape(validation(version), &["groupId"]);
        return HttpResponse::BadRequest().json(GroupError {
            error: "That is not the id of a group",
            code: "INVALID_GROUP_ID",
            details: Some([issue]),
        });
    };
    let Some(found) = signaling.directory.look(&id) else {
        let (code, error) = Refusal::GroupNotFound.words();
        return HttpResponse::NotFound().json(GroupError {
            error,
            code,
            details: None,
        });
    };
    HttpResponse::Ok().json(GroupBody {
        id: id.text(version),
        name: found.name.to_string(),
        created_at: match version {
            Version::Seed => rfc3339(found.created_ms).into(),
            Version::Newest => found.created_ms.into(),
        },
        member_count: found.members,
        exists: true,
    })
}

/// What the root of PeerShare's own listeners says of the server.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    name: &'static str,
    version: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    websocket_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'static str>,
}

impl Card {
    /// With what only the first version says: where its sockets are, and as what it runs.
    pub fn new(first_version: Option<(u16, &'static str)>) -> Self {
        Self {
            name: "Tablekeep signaling server",
            version: "1.0.0",
            status: "running",
            websocket_port: first_version.map(|(port, _)| port),
            environment: first_version.map(|(_, environment)| environment),
        }
    }
}

/// The routes of PeerShare's own listeners, below `/api`.
pub fn port_routes(config: &mut web::ServiceConfig, version: Version) {
    let mut api = web::scope("/api")
        .configure(routes::<web::ServiceConfig>)
        .route("/health", web::get().to(health));
    if version == Version::Newest {
        api = api
            .route("", web::get().to(send_card))
            .route("/health/live", web::get().to(alive))
            .route("/health/ready", web::get().to(ready));
    }
    config.service(api.default_service(web::to(not_found)));
}

/// The card.
pub async fn send_card(card: Data<Card>) -> HttpResponse {
    HttpResponse::Ok().json(&**card)
}

async fn health(signaling: Data<Arc<Signaling>>, version: Data<Version>) -> HttpResponse {
    let mut body = json!({ "status": "ok" });
    let facts = serde_json::to_value(signaling.health()).unwrap_or_default();
    let more = match **version {
        Version::Seed => Value::Null,
        Version::Newest => json!({
            "version": env!("CARGO_PKG_VERSION"),
            "platform": std::env::consts::OS,
        }),
    };
    for facts in [facts, more] {
        if let (Some(body), Value::Object(facts)) = (body.as_object_mut(), facts) {
            body.extend(facts);
        }
    }
    HttpResponse::Ok().json(body)
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "alive", "timestamp": now()}))
}

async fn ready(signaling: Data<Arc<Signaling>>) -> HttpResponse {
    let uptime = signaling.uptime();
    HttpResponse::Ok().json(json!({"status": "ready", "timestamp": now(), "uptime": uptime}))
}

/// What no route takes.
pub async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().json(GroupError {
        error: "Not Found",
        code: "NOT_FOUND",
        details: None,
    })
}
