//! `/api/login`, `/api/rooms`: Scalable Chat's backend.

use super::RoomId;
use super::login::Login;
use super::refusal::{JSON, Refusal, RefusalBody};
use crate::access::{Client, SocketAddrs};
use crate::error::ErrorBody;
use crate::http::Registrar;
use actix_web::http::header;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, get, post};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::ToSchema;

/// Largest body of a login.
pub const BODY_BYTES: usize = 100 << 10;
/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(30);

/// The routes.
pub fn routes(config: &mut impl Registrar) {
    config.service(log_in).service(create).service(find);
}

/// The methods of a path of these routes, where nothing else is served.
pub fn allow(path: &str) -> Option<&'static str> {
    match path.strip_prefix("/api/")? {
        "login" | "rooms" => Some("POST"),
        room if room
            .strip_prefix("rooms/")
            .is_some_and(|id| !id.contains('/')) =>
        {
            Some("GET, HEAD")
        }
        _ => None,
    }
}

/// Who wants to log in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the API's description; read as any JSON")]
struct LoginBody {
    /// Any name of 1 to 64 characters, without control characters; white space around it does not
    /// count.
    #[schema(
        rename = "userId",
        example = "alice",
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    user_id: String,
}

/// A token that says who one is.
#[derive(Serialize, ToSchema)]
struct UserToken {
    /// For `Authorization: Bearer`, for a week.
    token: String,
}

/// A new room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewRoom {
    #[schema(value_type = String, example = "k3v9x2qa7m1c5t8z")]
    room_id: RoomId,
}

/// Where a room is.
#[derive(Serialize, ToSchema)]
struct Place {
    /// The session server, as it stands behind `ws://`.
    #[schema(example = "localhost:8000")]
    host: String,
    /// For `/session?token=` there, within five minutes.
    token: String,
}

fn json(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, JSON))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}

fn client(req: &HttpRequest) -> Client {
    let addrs = req.conn_data::<SocketAddrs>().copied();
    Client::of(addrs.unwrap_or_else(SocketAddrs::unknown))
}

fn authorization(req: &HttpRequest) -> Option<&str> {
    let mut values = req.headers().get_all(header::AUTHORIZATION);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Logs somebody in by name alone: whoever types a name is that name.
#[utoipa::path(tag = "sessions", request_body = LoginBody, responses(
    (status = 200, body = UserToken),
    (status = 400, description = "Not JSON, or no name", body = RefusalBody),
    (status = 403, description = "A page of another site", body = ErrorBody),
    (status = 413, description = "The body is too large", body = RefusalBody),
    (status = 421, description = "`Host` is none of this server's names", body = ErrorBody),
    (status = 429, description = "Too many from this address; `Retry-After` says when to go on", body = RefusalBody)))]
#[post("/api/login")]
async fn log_in(
    login: Data<Arc<Login>>,
    req: HttpRequest,
    body: Payload,
) -> Result<HttpResponse, Refusal> {
    let too_large = Refusal::TooLarge {
        limit_bytes: BODY_BYTES,
    };
    // A claim, checked while reading.
    let claimed = req.headers().get(header::CONTENT_LENGTH);
    let claimed = claimed.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if claimed.is_some_and(|length| length > BODY_BYTES as u64) {
        return Err(too_large);
    }
    let read = timeout(BODY, body.to_bytes_limited(BODY_BYTES)).await;
    let body = match read {
        Ok(Ok(Ok(body))) => body,
        Ok(Err(_)) => return Err(too_large),
        Ok(Ok(Err(_))) | Err(_) => return Err(Refusal::InvalidJson),
    };
    let token = login.log_in(&body, client(&req))?;
    Ok(json(&UserToken { token }))
}

/// Makes a room. A body is not looked at.
#[utoipa::path(tag = "sessions", security(("login" = [])), responses(
    (status = 200, body = NewRoom),
    (status = 403, description = "`Forbidden`: no token that counts; or a page of another site",
        content((String = "text/plain"), (ErrorBody = "application/json"))),
    (status = 421, description = "`Host` is none of this server's names", body = ErrorBody),
    (status = 429, description = "Too many from this address; `Retry-After` says when to go on", body = RefusalBody),
    (status = 503, description = "No session server takes a room more, people are in as many rooms of this address as it may have, or the scheduler cannot be reached", body = RefusalBody)))]
#[post("/api/rooms")]
async fn create(login: Data<Arc<Login>>, req: HttpRequest) -> Result<HttpResponse, Refusal> {
    login.user(authorization(&req))?;
    let room_id = login.create_room(client(&req)).await?;
    Ok(json(&NewRoom { room_id }))
}

/// Says where a room is, and gives the token to connect with. Makes no room.
#[utoipa::path(tag = "sessions", security(("login" = [])),
    params(("id" = String, Path, description = "Id of the room", example = "k3v9x2qa7m1c5t8z")),
    responses(
    (status = 200, body = Place),
    (status = 403, description = "`Forbidden`: no token that counts",
        content((String = "text/plain"), (ErrorBody = "application/json"))),
    (status = 404, description = "`Not Found`: there is no such room", body = String, content_type = "text/plain"),
    (status = 421, description = "`Host` is none of this server's names", body = ErrorBody),
    (status = 429, description = "Too many from this address; `Retry-After` says when to go on", body = RefusalBody),
    (status = 503, description = "The scheduler cannot be reached", body = RefusalBody)))]
#[get("/api/rooms/{id}")]
async fn find(
    login: Data<Arc<Login>>,
    id: Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let user = login.user(authorization(&req))?;
    let (host, token) = login.find_room(user, &id, client(&req)).await?;
    Ok(json(&Place { host, token }))
}
