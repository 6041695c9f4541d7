//! What goes on at a table, over REST: who is there, what is shown, what is heard.

use super::Tables;
use crate::access::{Gm, Role, Seat, Visitor};
use crate::dialects::table::{OpenTable, Put, Request, View, parse_sound_action};
use crate::error::{Error, ErrorBody, Result};
use crate::http::{
    GmErrors, JsonBody, Message, Precondition, Registrar, SeatErrors, WriteErrors, send_bytes,
};
use crate::json::{JsonText, NodeKind};
use crate::model::TableId;
use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse, delete, get, put};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

pub(super) fn routes(config: &mut impl Registrar) {
    config
        .service(list_members)
        .service(remove_member)
        .service(read_scene)
        .service(write_scene)
        .service(read_playback)
        .service(write_playback);
}

impl Tables {
    /// How many members a table has now.
    pub(super) async fn member_count(&self, id: TableId) -> usize {
        let Some(table) = self.open.get(id) else {
            return 0;
        };
        let members = table.room.ask(|reply| Request::Members { reply }).await;
        members.map_or(0, |members| members.len())
    }

    async fn find(&self, id: &str) -> Result<(TableId, OpenTable)> {
        let id = TableId::parse(id)?;
        Ok((id, self.open.open(id).await?))
    }
}

/// One member: a person or a screen, with one or more connections.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the table's rules put together")]
struct Member {
    #[schema(example = "k3v9x2qa")]
    id: String,
    #[schema(example = "Anna")]
    name: String,
    /// `gm`, `player` or `display`.
    #[schema(example = "player")]
    role: String,
    connections: usize,
    /// Of its screen: `width` and `height` in CSS pixels, `dpr`, `rtt` in milliseconds, and `sound`
    /// (`on`, `off`, or `blocked`: somebody has to tap it); or `null`.
    #[schema(value_type = Option<Object>)]
    device: Value,
    /// Entries of the initiative that it may move.
    entries: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct MemberList {
    #[schema(value_type = Vec<Member>)]
    members: Vec<Value>,
}

/// Lists the members that are there now.
#[utoipa::path(tag = "tables", params(("id" = String, Path, description = "Id of the table", example = "main")),
    responses((status = 200, body = MemberList), (status = 404, body = ErrorBody), GmErrors))]
#[get("/tables/{id}/members")]
async fn list_members(tables: Data<Tables>, id: Path<String>, _gm: Gm) -> Result<Json<MemberList>> {
    let (_, table) = tables.find(&id).await?;
    let members = table.room.ask(|reply| Request::Members { reply }).await?;
    Ok(Json(MemberList { members }))
}

/// Removes a member: its connections are closed with 4403, its token no longer counts.
///
/// Further sockets of the same joining, or of the same player's account, are closed as well.
/// With `--players code` it stays away once the table has another code. It is out at once; 507 says
/// that this could not be saved, and to ask again.
#[utoipa::path(tag = "tables", params(
        ("id" = String, Path, description = "Id of the table", example = "main"),
        ("member" = String, Path, description = "Id of the member", example = "k3v9x2qa")),
    responses((status = 200, body = Message), (status = 404, body = ErrorBody), (status = 507, body = ErrorBody), GmErrors))]
#[delete("/tables/{id}/members/{member}")]
async fn remove_member(
    tables: Data<Tables>,
    path: Path<(String, String)>,
    _gm: Gm,
) -> Result<Json<Message>> {
    let (id, member) = path.into_inner();
    let (id, table) = tables.find(&id).await?;
    let ask = |reply| Request::Kick { member, reply };
    if !table.room.ask(ask).await?? {
        return Err(Error::NotFound("there is no such member".into()));
    }
    tracing::info!(table = %id, "a member was removed from table {id}");
    Ok(Json(Message::new(
        "Removed; renew the table's code to keep them out",
    )))
}

/// The scene on the table, as whoever asks may see it.
///
/// Carries an entity tag; players and displays get what their screens show.
#[utoipa::path(tag = "tables", params(("id" = String, Path, description = "Id of the table", example = "main")),
    responses((status = 200, body = Object, description = "The scene"), (status = 304, description = "The client has it already"),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody), SeatErrors))]
#[get("/tables/{id}/scene")]
async fn read_scene(
    tables: Data<Tables>,
    id: Path<String>,
    visitor: Visitor,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let id = TableId::parse(&id)?;
    let seat = visitor.seat_at(id)?;
    let table = tables.open.open(id).await?;
    let view = View::of(seat.role);
    let seen = match view {
        // Made once for all who ask, and not by the table's task.
        View::Player => table.player_view(),
        View::Gm => table.room.shown(),
    };
    let scene = match seen {
        Some(scene) => scene,
        None => {
            let scene = table.room.ask(|reply| Request::Scene { view, reply });
            scene.await?
        }
    };
    send_bytes(&req, "application/json", &tag_of(&scene), scene.bytes())
}

/// Names a scene by its content.
fn tag_of(scene: &JsonText) -> String {
    let digest = Sha256::digest(scene.as_str().as_bytes());
    digest[..12].iter().map(|b| format!("{b:02x}")).collect()
}

#[derive(Serialize, ToSchema)]
struct Written {
    /// The number of the change.
    #[schema(example = 42)]
    seq: u64,
}

/// Puts another scene on the table; everybody at the table sees it.
///
/// `If-Match` refuses it when the scene has changed since it was read. The scene that was there is
/// kept below `.tablekeep/`. Saved scenes are not touched.
#[utoipa::path(tag = "tables", params(("id" = String, Path, description = "Id of the table", example = "main")),
    request_body = Object,
    responses((status = 200, body = Written), (status = 404, body = ErrorBody), (status = 412, body = ErrorBody), WriteErrors))]
#[put("/tables/{id}/scene")]
async fn write_scene(
    tables: Data<Tables>,
    id: Path<String>,
    body: JsonBody,
    precondition: Precondition,
    _gm: Gm,
) -> Result<Json<Written>> {
    let scene = object(&body)?;
    let (_, table) = tables.find(&id).await?;
    let fits = move |present: &JsonText| {
        let tag = format!("\"{}\"", tag_of(present));
        precondition.check_tag(Some(&tag)).is_ok()
    };
    let put = |reply| Put::Scene {
        scene,
        fits: Box::new(fits),
        reply,
    };
    let seq = table.put(put).await?;
    Ok(Json(Written { seq }))
}

fn object(body: &JsonBody) -> Result<JsonText> {
    // Says what FastAPI would of a body that is no object.
    body.fields()?;
    let json = body.json("dict_type", "Input should be a valid dictionary")?;
    debug_assert_eq!(json.root().kind(), NodeKind::Object);
    Ok(json.clone())
}

/// What a table sounds like.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the table's rules put together")]
struct Playback {
    tracks: Vec<Track>,
    /// On top of each track's volume; absent, 1.
    #[schema(required = false, minimum = 0, maximum = 1)]
    master: Option<f64>,
    /// Who hears a track that is new, for the GM; absent, `all`.
    #[schema(required = false)]
    route: Option<SoundRoute>,
}

/// One track.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the table's rules put together")]
struct Track {
    /// Which sound: its id in `/audio/list`.
    #[schema(example = "rain")]
    track: String,
    playing: bool,
    /// Seconds into the sound at `started_at`, or where it stands still.
    position: f64,
    /// Server time, in milliseconds since 1970 (UTC).
    started_at: u64,
    /// 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    volume: f64,
    #[schema(rename = "loop")]
    looped: bool,
    /// Who hears it: `all`, `display` or `gm`.
    route: String,
}

/// What the table of whoever asks sounds like, as far as it is for them.
#[utoipa::path(tag = "audio", responses((status = 200, body = Playback), SeatErrors))]
#[get("/audio/playback")]
async fn read_playback(tables: Data<Tables>, seat: Seat) -> Result<Json<Value>> {
    let table = tables.open.open(seat.table).await?;
    let role = seat.role;
    let sound = table.room.ask(|reply| Request::Playback { role, reply });
    Ok(Json(sound.await?))
}

/// One action on the table's sound.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body that is read field by field")]
struct SoundAction {
    action: SoundVerb,
    /// Which sound: its id in `/audio/list`; at most 256 bytes. Only `master` needs none.
    #[schema(required = false, min_length = 1, example = "rain")]
    track: Option<String>,
    /// Seconds; `seek` needs it.
    #[schema(required = false, minimum = 0, maximum = 10_000_000)]
    position: Option<f64>,
    /// 0 to 1; `volume` and `fade` need it. With `master`, on top of each track's.
    #[schema(required = false, minimum = 0, maximum = 1)]
    volume: Option<f64>,
    /// Who hears it from now on. With `master`, all tracks and those to come.
    #[schema(required = false)]
    route: Option<SoundRoute>,
    #[schema(rename = "loop", required = false)]
    looped: Option<bool>,
    /// Of a fade, in seconds; also of `play`, `pause`, `stop` and `remove`, which else are at once.
    #[schema(required = false, minimum = 0, maximum = 3600)]
    duration: Option<f64>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a field that is read as text")]
enum SoundVerb {
    Load,
    Play,
    Pause,
    Stop,
    Seek,
    Volume,
    Fade,
    Loop,
    Remove,
    Master,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a field that is read as text")]
enum SoundRoute {
    All,
    Display,
    Gm,
}

/// Plays, pauses, seeks: one action on the sound of the GM's table; everybody who may hear it does.
#[utoipa::path(tag = "audio", request_body = SoundAction, responses((status = 200, body = Playback), WriteErrors))]
#[put("/audio/playback")]
async fn write_playback(
    tables: Data<Tables>,
    body: JsonBody,
    seat: Seat,
    _gm: Gm,
) -> Result<Json<Value>> {
    debug_assert_eq!(seat.role, Role::Gm);
    let action = parse_sound_action(&object(&body)?).map_err(Error::Invalid)?;
    let table = tables.open.open(seat.table).await?;
    let sound = table.put(|reply| Put::Sound { action, reply });
    Ok(Json(sound.await?))
}
