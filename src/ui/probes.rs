//! `/metrics`, `/healthz`, `/readyz`: for the programs that watch a server.

use crate::access::{Role, Visitor};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::http::{GmErrors, PublicErrors, Registrar};
use crate::library::Library;
use crate::metrics::{METRICS_TYPE, Metrics};
use actix_web::dev::Payload;
use actix_web::web::{Data, Json};
use actix_web::{FromRequest, HttpRequest, HttpResponse, get};
use serde::Serialize;
use std::future::{Ready, ready};
use utoipa::ToSchema;

pub(super) fn routes(config: &mut impl Registrar) {
    watch_routes(config);
    config.service(readyz);
}

/// Those that a server without libraries has as well.
pub fn watch_routes(config: &mut impl Registrar) {
    config.service(metrics).service(healthz);
}

type Check = dyn Fn() -> Result<(), String> + Send + Sync;

/// Whether changes can be made durable, as the composition root knows it.
pub struct Readiness(Box<Check>);

impl Readiness {
    /// `check` must be quick; what it fails with is the reason that a prober reads.
    pub fn new(check: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Box::new(check))
    }

    fn judge(&self, scanned: bool) -> Result<()> {
        if !scanned {
            let text = "the folders are still being read for the first time";
            return Err(Error::Unavailable(text.into()));
        }
        (self.0)().map_err(Error::Unavailable)
    }
}

impl Default for Readiness {
    /// Always ready.
    fn default() -> Self {
        Self::new(|| Ok(()))
    }
}

/// Proof that whoever asks may look inside: the GM, or anybody with `--metrics-open`.
struct Prober(());

impl FromRequest for Prober {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let config = req.app_data::<Data<Config>>();
        let open = config.is_some_and(|config| config.metrics_open);
        ready(if open || Visitor::of(req).role == Role::Gm {
            Ok(Self(()))
        } else {
            Err(Error::Forbidden(
                "only the GM may read this; start the server with --metrics-open to let everybody"
                    .into(),
            ))
        })
    }
}

/// What a probe is told.
#[derive(Serialize, ToSchema)]
struct Probe {
    /// Always `ok`; a server that is not has another status.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Counts and times, for Prometheus.
#[utoipa::path(tag = "server", responses((status = 200, description = "OpenMetrics text", body = String,
    content_type = "application/openmetrics-text"), GmErrors))]
#[get("/metrics")]
async fn metrics(_: Prober, metrics: Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("content-type", METRICS_TYPE))
        .insert_header(("cache-control", "no-store"))
        .body(metrics.render())
}

/// Says that the server runs.
#[utoipa::path(tag = "server", responses((status = 200, body = Probe), PublicErrors))]
#[get("/healthz")]
async fn healthz() -> Json<Probe> {
    Json(Probe { status: "ok" })
}

/// Says whether the server can do its work: the folders have been read, changes can be kept.
#[utoipa::path(tag = "server", responses((status = 200, body = Probe), GmErrors))]
#[get("/readyz")]
async fn readyz(
    _: Prober,
    library: Data<Library>,
    readiness: Data<Readiness>,
) -> Result<Json<Probe>> {
    let scanned = library.store().shelves().iter().all(|s| s.is_scanned());
    readiness.judge(scanned)?;
    Ok(Json(Probe { status: "ok" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_ready_says_why() {
        let reason = |readiness: Readiness, scanned| match readiness.judge(scanned) {
            Err(Error::Unavailable(reason)) => reason,
            other => panic!("{other:?}"),
        };
        assert!(reason(Readiness::default(), false).contains("being read"));
        let full = || Readiness::new(|| Err("the disk is full".into()));
        assert_eq!(reason(full(), true), "the disk is full");
        assert!(Readiness::default().judge(true).is_ok());
    }
}
