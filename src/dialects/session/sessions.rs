//! From a handshake's query to a seat in a room.

use super::rooms::Rooms;
use super::tokens::{SessionClaims, SessionTokens};
use super::wire::Wire;
use crate::access::Client;
use crate::config::SessionLimits;
use crate::live::{Bounds, CloseCode, Manners, Socket};
use actix_web::web::Query;
use std::sync::Arc;
use std::time::SystemTime;

/// What connections are held to.
pub const BOUNDS: Bounds = Bounds {
    control_bytes: 64 << 10,
    slow: CloseCode::TryLater,
    silent: None,
};

/// A session server.
pub struct Sessions {
    rooms: Arc<Rooms>,
    tokens: Arc<SessionTokens>,
    limits: SessionLimits,
    /// What clients call it.
    names: Vec<String>,
    /// Whether the name by which a client has come counts as well.
    any_name: bool,
}

/// Somebody who may connect.
pub struct Session {
    claims: SessionClaims,
    /// Whether it takes differences.
    deltas: bool,
}

impl Sessions {
    /// `names`: what clients call this server; `any_name`: or however they have come.
    pub fn new(
        rooms: Arc<Rooms>,
        tokens: Arc<SessionTokens>,
        limits: &SessionLimits,
        names: Vec<String>,
        any_name: bool,
    ) -> Self {
        Self {
            rooms,
            tokens,
            limits: limits.clone(),
            names,
            any_name,
        }
    }

    /// Largest message.
    pub fn max_frame(&self) -> u64 {
        self.limits.frame_bytes
    }

    /// What the query of a handshake allows; `host` is where it was sent to.
    pub fn admit(&self, query: &str, host: Option<&str>, now: SystemTime) -> Option<Session> {
        let pairs = Query::<Vec<(String, String)>>::from_query(query).ok()?;
        let first = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        let is_own = |name: &str| {
            let came = host.filter(|_| self.any_name);
            let mut names = self.names.iter().map(String::as_str).chain(came);
            names.any(|own| own.eq_ignore_ascii_case(name))
        };
        let claims = self.tokens.session(first("token")?, is_own, now)?;
        let deltas = first("v") == Some("2");
        Some(Session { claims, deltas })
    }

    /// Sees to it that a connection from this address is served until it ends; `place` is kept as long.
    pub async fn serve(
        &self,
        socket: Socket,
        session: Session,
        client: Client,
        place: impl Send + 'static,
    ) {
        socket.set_manners(Manners {
            ping: self.limits.ping,
            silence: self.limits.silence,
            slow: "Slow consumer",
        });
        let Session { claims, deltas } = session;
        let SessionClaims {
            user_id, room_id, ..
        } = claims;
        match self.rooms.seat(room_id, user_id, client, deltas).await {
            Ok(entrance) => {
                let wire = Wire::new(&self.limits);
                let there = entrance.handle.clone();
                let serve = move |socket: Socket| async move {
                    let _place = place;
                    socket.enter(entrance.handle, entrance.guest, wire).await;
                };
                socket.follow(&there, serve).await;
            }
            Err(refusal) => {
                let (code, reason) = refusal.close();
                socket.close(code, reason).await;
            }
        }
    }
}
