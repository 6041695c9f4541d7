//! `/health`, `/limits`: what state the server is in, and how much it takes.

use super::chat_limits::ChatLimitsBody;
use super::session_limits::SessionLimitsBody;
use super::signaling_limits::SignalingLimits;
use crate::access::{ACCOUNT_SIGN_IN, ATTEMPTS_PER_MINUTE};
use crate::accounts::{ADMIN_STATE_BYTES, EMAIL_CHARS, NAME_CHARS, PASSWORD_CHARS};
use crate::audio::{SOUNDS, TagReader};
use crate::config::{AccountLimits, Nexus, PeerJs};
use crate::dialects::nexus::QUEUE_BYTES;
use crate::dialects::peerjs;
use crate::dialects::peershare::{Signaling, SignalingHealth};
use crate::dialects::table::dice::MAX_DICE;
use crate::dialects::table::{
    ASSIGNED, CHAT_CHARS, CONNECTIONS, HINT_BYTES, LINES, SCREENS, SIGNAL_BYTES, TRACKS, WORD_BYTES,
};
use crate::error::Result;
use crate::http::{
    MAX_PIXELS, MAX_RANGES, MAX_SIDE, PublicErrors, Registrar, SHORT_BYTES, TEXT_BYTES,
};
use crate::json::MAX_DEPTH;
use crate::library::Library;
use crate::model::edit::MAX_EDITS;
use crate::store::{MAX_NAME_BYTES, MAX_PATH_BYTES};
use crate::tables::{MAX_NAME_CHARS, MAX_WAITING};
use actix_web::get;
use actix_web::web::{Data, Json};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

pub(super) fn routes(config: &mut impl Registrar) {
    config.service(health).service(limits);
}

/// How the server is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok` when there is an answer.
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Whether the folders are still being read for the first time.
    scanning: bool,
    maps: LibraryHealth,
    scenes: LibraryHealth,
    sounds: SoundsHealth,
    /// What PeerShare's clients look for here.
    #[serde(flatten)]
    signaling: SignalingHealth,
}

/// What one library holds.
#[derive(Serialize, ToSchema)]
struct LibraryHealth {
    files: usize,
    folders: usize,
    /// Files that are left out because they are broken, unreadable or lead elsewhere; the log
    /// names them.
    skipped: usize,
}

/// What the library of sounds holds.
#[derive(Serialize, ToSchema)]
struct SoundsHealth {
    #[serde(flatten)]
    library: LibraryHealth,
    /// Files whose length and title are still to be read; `/audio/list` has them done.
    unread: usize,
}

/// Says that the server is up, and what it has found.
#[utoipa::path(tag = "server", responses((status = 200, body = Health), PublicErrors))]
#[get("/health")]
async fn health(
    library: Data<Library>,
    tags: Data<TagReader>,
    signaling: Data<Arc<Signaling>>,
) -> Json<Health> {
    let shelves = library.store().shelves();
    let of = |dir: &str| {
        let shelf = shelves.iter().find(|shelf| shelf.kind().dir == dir);
        let index = shelf.map(|shelf| shelf.index());
        LibraryHealth {
            files: index.as_ref().map_or(0, |index| index.count()),
            folders: index.as_ref().map_or(0, |index| index.folders().len()),
            skipped: index.as_ref().map_or(0, |index| index.skipped().len()),
        }
    };
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        scanning: shelves.iter().any(|shelf| !shelf.is_scanned()),
        maps: of("maps"),
        scenes: of("scenes"),
        sounds: SoundsHealth {
            library: of("sounds"),
            unread: tags.unread(&library.store().shelf(&SOUNDS).index()),
        },
        signaling: signaling.health(),
    })
}

/// Every limit that a client can run into, with its unit in the name.
#[derive(Serialize, ToSchema)]
struct LimitsBody {
    image_bytes: u64,
    /// Longest side of a picture.
    image_side_pixels: usize,
    image_pixels: usize,
    sound_bytes: u64,
    scene_bytes: u64,
    /// Deepest nesting of a scene's lists and objects.
    scene_depth_levels: usize,
    frame_bytes: u64,
    name_bytes: usize,
    path_bytes: usize,
    form_text_bytes: usize,
    uploads_at_once: u16,
    tables: u16,
    /// Messages over WebSockets that a player or display may send.
    messages_per_second: u32,
    chat_characters: usize,
    hint_bytes: usize,
    signal_bytes: usize,
    edits_per_change: usize,
    /// Ids, keys and other words in a message.
    word_bytes: usize,
    /// Connections that one member of a table may have.
    connections_per_member: usize,
    /// Tracks of sound that a table knows; one that is silent makes room for another.
    tracks: usize,
    /// Entries that are assigned to somebody.
    assigned_entries: usize,
    /// Displays that something is kept for.
    kept_displays: usize,
    /// Lines of chat that a table keeps.
    kept_lines: usize,
    dice_per_roll: u32,
    table_name_characters: usize,
    /// Displays that wait to be paired.
    waiting_displays: usize,
    /// Passwords, codes and numbers that one address may try.
    attempts_per_minute: u32,
    /// A request to join, to pair or to sign in.
    guest_request_bytes: u64,
    ranges_per_request: usize,
    accounts: AccountLimitsBody,
    nexus: NexusLimits,
    chat: ChatLimitsBody,
    peershare: SignalingLimits,
    peerjs: PeerJsLimits,
    /// Times that one address may ask for `/api/ice`, `/api/turn` and `/api/peerjs`.
    ice_requests_per_minute: u32,
    sessions: SessionLimitsBody,
}

/// Those of the accounts.
#[derive(Serialize, ToSchema)]
struct AccountLimitsBody {
    accounts: u16,
    name_characters: usize,
    email_characters: usize,
    password_characters: usize,
    admin_state_bytes: usize,
    /// Passwords that wait to be checked.
    waiting_logins: usize,
    /// How long a sign-in lasts.
    sign_in_seconds: u64,
}

impl AccountLimitsBody {
    fn of(of: &AccountLimits) -> Self {
        Self {
            accounts: of.max_accounts,
            name_characters: NAME_CHARS,
            email_characters: EMAIL_CHARS,
            password_characters: PASSWORD_CHARS,
            admin_state_bytes: ADMIN_STATE_BYTES,
            waiting_logins: of.login_queue,
            sign_in_seconds: ACCOUNT_SIGN_IN.as_secs(),
        }
    }
}

/// What Nexus' rooms and clients are held to.
#[derive(Serialize, ToSchema)]
struct NexusLimits {
    rooms: usize,
    /// Also how many one address may open in a burst.
    rooms_per_address: u32,
    members_per_room: usize,
    message_bytes: u64,
    /// Of one connection, which is read later beyond.
    messages_per_second: u32,
    bytes_per_second: u64,
    room_bytes_per_second: u64,
    /// What may wait for a slow client.
    queue_bytes: usize,
    /// How long a connection without a room is kept.
    idle_seconds: u16,
    /// How long a room waits for a host whose connection broke.
    host_grace_seconds: u16,
}

impl NexusLimits {
    fn of(nexus: &Nexus) -> Self {
        Self {
            rooms: nexus.max_rooms,
            rooms_per_address: nexus.max_rooms_per_address,
            members_per_room: nexus.max_members,
            message_bytes: nexus.max_message,
            messages_per_second: nexus.max_rate,
            bytes_per_second: nexus.max_bytes,
            room_bytes_per_second: nexus.max_room_bytes,
            queue_bytes: QUEUE_BYTES,
            idle_seconds: nexus.idle,
            host_grace_seconds: nexus.host_grace,
        }
    }
}

/// What PeerJS clients are held to.
#[derive(Serialize, ToSchema)]
struct PeerJsLimits {
    /// Registered ids, under all keys together.
    ids: usize,
    ids_per_address: u32,
    id_characters: usize,
    token_bytes: usize,
    message_bytes: u64,
    /// Of one connection, four seconds' worth at once; one that sends more is closed.
    messages_per_second: u32,
    /// Of one connection, which is read later beyond.
    bytes_per_second: u64,
    /// From one address, once it has made as many as it may have ids.
    connects_per_minute: u32,
    /// What may wait for one id that is not registered; beyond, the oldest message goes.
    waiting_messages: usize,
    waiting_bytes: usize,
    /// Ids for which messages of one sender may wait.
    absent_ids: usize,
    /// How long a message waits.
    expire_ms: u64,
    /// How long a connection may be silent.
    alive_ms: u64,
}

impl PeerJsLimits {
    fn of(peerjs: &PeerJs) -> Self {
        Self {
            ids: peerjs.concurrent_limit,
            ids_per_address: peerjs.max_per_address,
            id_characters: peerjs::ID_CHARS,
            token_bytes: peerjs::TOKEN_BYTES,
            message_bytes: peerjs.max_message,
            messages_per_second: peerjs.max_messages,
            bytes_per_second: peerjs.max_bytes,
            connects_per_minute: peerjs.max_connects.get(),
            waiting_messages: peerjs::queues::QUEUE_MESSAGES,
            waiting_bytes: peerjs::queues::QUEUE_BYTES,
            absent_ids: peerjs::queues::ABSENT_PER_SENDER,
            expire_ms: milliseconds(peerjs.expire_timeout),
            alive_ms: milliseconds(peerjs.alive_timeout),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Lists the limits.
#[utoipa::path(tag = "server", responses((status = 200, body = LimitsBody), PublicErrors))]
#[get("/limits")]
async fn limits(library: Data<Library>) -> Result<Json<LimitsBody>> {
    let limits = &library.config.limits;
    Ok(Json(LimitsBody {
        image_bytes: limits.max_image,
        image_side_pixels: MAX_SIDE,
        image_pixels: MAX_PIXELS,
        sound_bytes: limits.max_sound,
        scene_bytes: limits.max_scene,
        scene_depth_levels: MAX_DEPTH,
        frame_bytes: limits.max_frame,
        name_bytes: MAX_NAME_BYTES,
        path_bytes: MAX_PATH_BYTES,
        form_text_bytes: TEXT_BYTES,
        uploads_at_once: limits.max_uploads,
        tables: limits.max_tables,
        messages_per_second: limits.max_messages,
        chat_characters: CHAT_CHARS,
        hint_bytes: HINT_BYTES,
        signal_bytes: SIGNAL_BYTES,
        edits_per_change: MAX_EDITS,
        word_bytes: WORD_BYTES,
        connections_per_member: CONNECTIONS,
        tracks: TRACKS,
        assigned_entries: ASSIGNED,
        kept_displays: SCREENS,
        kept_lines: LINES,
        dice_per_roll: MAX_DICE,
        table_name_characters: MAX_NAME_CHARS,
        waiting_displays: MAX_WAITING,
        attempts_per_minute: ATTEMPTS_PER_MINUTE.get(),
        guest_request_bytes: SHORT_BYTES,
        ranges_per_request: MAX_RANGES,
        accounts: AccountLimitsBody::of(&limits.accounts),
        nexus: NexusLimits::of(&library.config.nexus),
        chat: ChatLimitsBody::of(&limits.chat),
        sessions: SessionLimitsBody::of(&library.config),
        peershare: SignalingLimits::of(&library.config.peershare),
        peerjs: PeerJsLimits::of(&library.config.peerjs),
        ice_requests_per_minute: library.config.ice.max_requests.get(),
    }))
}
