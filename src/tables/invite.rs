//! What the GM shows to those who come: addresses, codes for phones, and whether they get through.

use super::Tables;
use super::arrivals::{Opened, origin_of};
use crate::access::{Gm, Policy};
use crate::config::{Config, Players};
use crate::error::{Error, ErrorBody, Result};
use crate::http::{GmErrors, Registrar};
use crate::model::TableId;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, get};
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Serialize;
use utoipa::ToSchema;

pub(super) fn routes(config: &mut impl Registrar) {
    config.service(invite);
}

/// One address under which others find the server.
#[derive(Serialize, ToSchema)]
struct Way {
    #[schema(example = "http://192.168.1.5:8010")]
    origin: String,
    /// Where phones join; the code stands in the fragment, which no browser sends.
    #[schema(example = "http://192.168.1.5:8010/join#K7WP")]
    join: String,
    /// `join` as a QR code: an SVG document, dark on light, with its quiet zone.
    qr: String,
}

/// Somebody who has reached the server.
#[derive(Serialize, ToSchema)]
struct Reached {
    /// By which address.
    #[schema(example = "http://192.168.1.5:8010")]
    origin: String,
    /// What they opened: `join` or `display`.
    #[schema(example = "join")]
    page: &'static str,
    /// How long ago.
    seconds: u64,
    /// How many times one of these pages was opened since the server started.
    count: u64,
}

#[derive(Serialize, ToSchema)]
struct Invitation {
    /// What lets people in: four characters without look-alikes.
    #[schema(example = "K7WP")]
    code: String,
    /// Whether they need it: with `--players open` nobody does at `main`.
    needs_code: bool,
    /// The one that phones most likely reach first; empty when there is none.
    addresses: Vec<Way>,
    /// Whether the server listens on its own machine only.
    local_only: bool,
    /// The last who opened `/join` or `/display` elsewhere than in the GM's browser, since the server started.
    reached: Option<Reached>,
}

/// How others come to this table, and whether somebody has found the way.
#[utoipa::path(tag = "tables", params(("id" = String, Path, description = "Id of the table", example = "main")),
    responses((status = 200, body = Invitation), (status = 404, body = ErrorBody), GmErrors))]
#[get("/tables/{id}/invite")]
async fn invite(
    tables: Data<Tables>,
    policy: Data<Policy>,
    config: Data<Config>,
    id: Path<String>,
    req: HttpRequest,
    _gm: Gm,
) -> Result<Json<Invitation>> {
    let table = tables.directory.get(TableId::parse(&id)?)?;
    let code = table.code.to_string();
    let origins = origins(&tables, &policy, &req);
    let addresses = origins.into_iter().map(|origin| {
        let join = format!("{origin}/join#{code}");
        let qr = picture(&join)?;
        Ok(Way { origin, join, qr })
    });
    let reached = tables.arrivals.last().map(|last| Reached {
        origin: last.origin,
        page: match last.opened {
            Opened::Join => "join",
            Opened::Display => "display",
        },
        seconds: last.at.elapsed().as_secs(),
        count: last.count,
    });
    Ok(Json(Invitation {
        needs_code: config.players == Players::Code || table.id != TableId::MAIN,
        addresses: addresses.collect::<Result<_>>()?,
        local_only: tables.addr.ip().is_loopback(),
        code,
        reached,
    }))
}

/// The machine's own ways. A GM who came under a name or address that is none of these came through
/// something in front of it, such as a tunnel or a container's port: that is the way, then.
fn origins(tables: &Tables, policy: &Policy, req: &HttpRequest) -> Vec<String> {
    let mut origins = policy.machine().ways(tables.addr);
    if let Some(own) = origin_of(req)
        && !origins.contains(&own)
        && !policy.is_of_this_machine(req.head())
    {
        origins.insert(0, own);
    }
    origins
}

fn picture(text: &str) -> Result<String> {
    let broken = |error| Error::Internal(std::io::Error::other(error));
    let code = QrCode::new(text).map_err(broken)?;
    Ok(code
        .render::<svg::Color<'_>>()
        .min_dimensions(240, 240)
        .build())
}
