//! `GET /files/{id}`: a chat room's files for its members.

use super::Chat;
use super::directory::digest;
use super::kept::SharedFile;
use super::rules::Request;
use crate::error::{Error, ErrorBody, Result};
use crate::http::{PublicErrors, Registrar};
use actix_web::body::SizedStream;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, ResponseError, get};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::stream;
use std::sync::Arc;

/// What browsers may take for what it says it is; everything else is just bytes.
const SHOWN_TYPES: [&str; 6] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "application/pdf",
    "text/plain",
];
/// Base64 that is decoded at once; a multiple of four.
const PIECE: usize = 160 << 10;

/// The chat's routes.
pub fn routes(config: &mut impl Registrar) {
    config.service(read_file);
}

/// Sends a file of a chat room to a member who is there: `Authorization: Bearer` and the session's
/// token, never in the query. Everything that is wrong with that looks alike.
#[utoipa::path(tag = "chat",
    params(("id" = String, Path, description = "Id of the file", example = "0123456789abcdef0123456789abcdef")),
    responses(
        (status = 200, description = "The file, as an attachment", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 401, description = "No token was sent", body = ErrorBody),
        (status = 404, description = "No such file for this token", body = ErrorBody),
        PublicErrors))]
#[get("/files/{id}")]
async fn read_file(
    chat: Data<Arc<Chat>>,
    id: Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse> {
    let Some(token) = bearer(&req) else {
        let missing = Error::Unauthenticated("send the session's token as a bearer token".into());
        let mut answer = missing.error_response();
        let scheme = HeaderValue::from_static("Bearer realm=\"chat\"");
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
        return Ok(answer);
    };
    let found = find(&chat, token, id.into_inner()).await;
    let file = found.ok_or_else(|| Error::NotFound("there is no such file".into()))?;
    Ok(send(file))
}

fn bearer(req: &HttpRequest) -> Option<&str> {
    let value = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

async fn find(chat: &Chat, token: &str, id: String) -> Option<SharedFile> {
    let token = digest(token);
    let listed = chat.directory.by_session(&token)?;
    let ask = |reply| Request::File { token, id, reply };
    listed.room.ask(ask).await.ok()?
}

fn send(file: SharedFile) -> HttpResponse {
    let shown = SHOWN_TYPES
        .iter()
        .find(|shown| file.mime_type.eq_ignore_ascii_case(shown));
    let media_type = shown.copied().unwrap_or("application/octet-stream");
    let pieces = stream::unfold(file.base64, |mut rest| async move {
        let piece = rest.split_to(rest.len().min(PIECE));
        let bytes = BASE64_STANDARD.decode(&piece).map(Bytes::from);
        (!piece.is_empty()).then(|| (bytes.map_err(std::io::Error::other), rest))
    });
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CONTENT_DISPOSITION, "attachment"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header(("cross-origin-resource-policy", "same-site"))
        .body(SizedStream::new(file.size, Box::pin(pieces)))
}
