//! Logging in, making rooms, finding them.

use super::refusal::Refusal;
use super::scheduler::Scheduler;
use super::tokens::{SessionClaims, SessionTokens};
use super::{Host, RoomId};
use crate::access::{Attempt, Attempts, Client};
use crate::config::SessionLimits;
use serde_json::Value;
use std::sync::Arc;
use std::time::SystemTime;

/// Most characters of a user's id.
pub const USER_CHARS: usize = 64;

/// What the routes stand on.
pub struct Login {
    tokens: Arc<SessionTokens>,
    scheduler: Arc<dyn Scheduler>,
    logins: Attempts,
    creates: Attempts,
    lookups: Attempts,
}

impl Login {
    /// With so many requests per address.
    pub fn new(
        tokens: Arc<SessionTokens>,
        scheduler: Arc<dyn Scheduler>,
        limits: &SessionLimits,
    ) -> Self {
        let per_minute = |most| Attempts::of(most, most);
        Self {
            tokens,
            scheduler,
            logins: per_minute(limits.logins_per_minute),
            creates: per_minute(limits.creates_per_minute),
            lookups: per_minute(limits.lookups_per_minute),
        }
    }

    /// A token for whoever the body says that it is.
    pub fn log_in(&self, body: &[u8], client: Client) -> Result<String, Refusal> {
        self.logins.take(Attempt::LogIn, client)?;
        let body: Value = serde_json::from_slice(body).map_err(|_| Refusal::InvalidJson)?;
        let user = body.get("userId").and_then(Value::as_str);
        let user = user.and_then(user_id).ok_or(Refusal::InvalidUserId)?;
        Ok(self.tokens.log_in(user, SystemTime::now())?)
    }

    /// Whose token this `Authorization` carries.
    pub fn user(&self, authorization: Option<&str>) -> Result<String, Refusal> {
        let token = authorization.and_then(bearer).ok_or(Refusal::Forbidden)?;
        let user = self.tokens.user(token, SystemTime::now());
        user.ok_or(Refusal::Forbidden)
    }

    /// Makes a room.
    pub async fn create_room(&self, client: Client) -> Result<RoomId, Refusal> {
        self.creates.take(Attempt::OpenRoom, client)?;
        Ok(self.scheduler.create_room(client).await?)
    }

    /// Where a room is, and the token with which this user connects there.
    pub async fn find_room(
        &self,
        user: String,
        room: &str,
        client: Client,
    ) -> Result<(Host, String), Refusal> {
        self.lookups.take(Attempt::FindRoom, client)?;
        let room_id = RoomId::parse(room).ok_or(Refusal::NotFound)?;
        let host = self.scheduler.room_host(&room_id).await?;
        let host = host.ok_or(Refusal::NotFound)?;
        let claims = SessionClaims {
            user_id: user,
            room_id,
            host,
        };
        let token = self.tokens.invite(&claims, SystemTime::now())?;
        Ok((claims.host, token))
    }
}

/// A name, without the white space around it.
fn user_id(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = !text.is_empty()
        && text.chars().nth(USER_CHARS).is_none()
        && !text.chars().any(char::is_control);
    fits.then_some(text)
}

/// The token behind `Bearer` and one space.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let fits = scheme.eq_ignore_ascii_case("bearer")
        && !token.is_empty()
        && !token.contains([' ', '\t', ',']);
    fits.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_to_sixty_four_characters() {
        let long = "ä".repeat(64);
        for (text, name) in [
            ("alice", Some("alice")),
            (" alice \n", Some("alice")),
            ("a b", Some("a b")),
            ("🎲", Some("🎲")),
            (&long, Some(long.as_str())),
            ("", None),
            (" \t ", None),
            ("a\nb", None),
            ("a\u{7f}b", None),
            (&"ä".repeat(65), None),
        ] {
            assert_eq!(user_id(text), name, "{text:?}");
        }
    }

    #[test]
    fn a_token_stands_behind_bearer_and_one_space() {
        for good in ["Bearer x.y.z", "bearer x.y.z", "BEARER x.y.z"] {
            assert_eq!(bearer(good), Some("x.y.z"));
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  x",
            "Bearer x y",
            "x.y.z",
            "Basic x",
            "Bearer\tx",
            "Bearerx",
            " Bearer x",
            "Bearer x, Bearer y",
        ] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
    }
}
