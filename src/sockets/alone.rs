//! The sockets of a process that is a session server and nothing else.

use super::{Place, answer_and_close, invited, refusal};
use crate::access::{Client, Policy, SocketAddrs};
use crate::config::Config;
use crate::dialects::session::{BOUNDS, Session, Sessions};
use crate::error::{Error, Result};
use crate::http;
use crate::live::{Socket, switch_protocols};
use actix_codec::Framed;
use actix_http::{HttpMessage, Request, h1, ws};
use actix_web::http::header;
use actix_web::web::Data;
use std::convert::Infallible;
use std::sync::Arc;

/// What it takes to judge a handshake there.
#[derive(Clone)]
pub struct SessionSockets {
    /// Who may what.
    pub policy: Data<Policy>,
    /// The settings.
    pub config: Data<Config>,
    /// The rooms; `None`: it is a backend, without sockets.
    pub sessions: Option<Arc<Sessions>>,
}

/// The same as [`super::upgrade`], where every path is the session rooms'.
pub async fn upgrade_alone(
    shared: SessionSockets,
    req: Request,
    framed: Framed<http::Socket, h1::Codec>,
) -> Result<(), Infallible> {
    let parts = framed.into_parts();
    let (io, already) = (parts.io.into_stream(), parts.read_buf);
    let addrs = req.conn_data::<SocketAddrs>().copied();
    let addrs = addrs.unwrap_or_else(SocketAddrs::unknown);
    let (sessions, session, place) = match admit(&shared, &req, addrs) {
        Ok(admitted) => admitted,
        Err(error) => {
            answer_and_close(&io, &refusal(&error)).await;
            return Ok(());
        }
    };
    let key = req.headers().get(header::SEC_WEBSOCKET_KEY);
    let key = key.map(|key| key.as_bytes()).unwrap_or_default();
    let answer = switch_protocols(key, None, None, None);
    drop(req);
    if io.writable().await.is_err() || io.try_write(answer.as_bytes()).ok() != Some(answer.len()) {
        return Ok(());
    }
    let socket = Socket::new(io, already, sessions.max_frame(), true, false, BOUNDS);
    actix_rt::spawn(async move {
        let client = Client::of(addrs);
        sessions.serve(socket, session, client, place).await;
    });
    Ok(())
}

fn admit(
    shared: &SessionSockets,
    req: &Request,
    addrs: SocketAddrs,
) -> Result<(Arc<Sessions>, Session, Place)> {
    shared.policy.judge(req.head(), addrs)?;
    let Some(sessions) = &shared.sessions else {
        let text = "there is no WebSocket on a backend; ask it where the room is".into();
        return Err(Error::Forbidden(text));
    };
    let session = invited(sessions, req)?;
    ws::verify_handshake(req.head()).map_err(|error| {
        Error::Invalid(format!("the WebSocket handshake is not complete: {error}"))
    })?;
    Ok((sessions.clone(), session, Place::take(&shared.config)?))
}
