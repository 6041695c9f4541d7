//! Who somebody is (user tokens), and that they may connect to a room's server (session tokens).

use super::RoomId;
use crate::access::{Keys, Tokens};
use crate::config::Sessions;
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// How long a login lasts.
const LOGIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long somebody who was told where a room is may take to connect.
const CONNECT: Duration = Duration::from_secs(5 * 60);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserClaims {
    /// Read by clients, too.
    user_id: String,
    #[serde(default)]
    sub: Option<String>,
}

/// Who may connect to which room, where.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionClaims {
    /// Who.
    pub user_id: String,
    /// To which room.
    pub room_id: RoomId,
    /// On which server, as clients call it.
    pub host: String,
}

/// Makes and reads both.
pub struct SessionTokens {
    users: Tokens,
    sessions: Tokens,
}

impl SessionTokens {
    /// With the operator's secrets, where there are some, else with keys of this server.
    pub fn new(settings: &Sessions, keys: &Keys) -> Self {
        let own = |purpose: &str| keys.derive(purpose, b"").to_vec();
        let given = settings.jwt_secret.as_ref();
        let secret = |secret: &crate::config::Secret| secret.expose().as_bytes().to_vec();
        let session = settings.session_jwt_secret.as_ref().or(given);
        let user = given.map_or_else(|| own("login tokens"), secret);
        let session = session.map_or_else(|| own("session tokens"), secret);
        Self {
            users: Tokens::new(&user, "user", LOGIN),
            sessions: Tokens::new(&session, "session", CONNECT),
        }
    }

    /// A token for this user.
    pub fn log_in(&self, user: &str, now: SystemTime) -> Result<String> {
        let claims = UserClaims {
            user_id: user.to_owned(),
            sub: Some(user.to_owned()),
        };
        self.users.sign(&claims, now).map(|(token, _)| token)
    }

    /// Whose token this is.
    pub fn user(&self, token: &str, now: SystemTime) -> Option<String> {
        let verified = self.users.verify::<UserClaims>(token, now);
        let user = verified.ok()?.claims.user_id;
        Some(user).filter(|user| !user.is_empty())
    }

    /// A token with which to connect.
    pub fn invite(&self, claims: &SessionClaims, now: SystemTime) -> Result<String> {
        self.sessions.sign(claims, now).map(|(token, _)| token)
    }

    /// What a token allows, on a server that is called `names`.
    pub fn session(
        &self,
        token: &str,
        names: impl Fn(&str) -> bool,
        now: SystemTime,
    ) -> Option<SessionClaims> {
        let verified = self.sessions.verify::<SessionClaims>(token, now);
        let claims = verified.ok()?.claims;
        (!claims.user_id.is_empty() && names(&claims.host)).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::settings;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens(flags: &[&str]) -> SessionTokens {
        SessionTokens::new(&settings(flags).sessions, &Keys::new(&[3; 32]))
    }

    fn claims(user: &str, room: &str) -> SessionClaims {
        SessionClaims {
            user_id: user.into(),
            room_id: RoomId::parse(room).unwrap(),
            host: "localhost:8000".into(),
        }
    }

    #[test]
    fn a_login_and_an_invitation_are_not_the_same_even_with_one_key() {
        for flags in [&[][..], &["--jwt-secret", SECRET]] {
            let tokens = tokens(flags);
            let now = SystemTime::now();
            let user = tokens.log_in("alice", now).unwrap();
            let session = tokens.invite(&claims("alice", "__proto__"), now).unwrap();
            assert_eq!(tokens.user(&user, now).as_deref(), Some("alice"));
            let found = tokens.session(&session, |host| host == "localhost:8000", now);
            assert_eq!(found, Some(claims("alice", "__proto__")));
            assert_eq!(tokens.user(&session, now), None);
            assert_eq!(tokens.session(&user, |_| true, now), None);
            assert_eq!(tokens.session(&session, |_| false, now), None);
        }
    }

    #[test]
    fn logins_last_a_week_and_invitations_five_minutes() {
        let tokens = tokens(&[]);
        let now = SystemTime::now();
        let user = tokens.log_in("alice", now).unwrap();
        let session = tokens.invite(&claims("alice", "a"), now).unwrap();
        assert!(tokens.user(&user, now + LOGIN).is_some());
        assert!(tokens.user(&user, now + LOGIN + CONNECT).is_none());
        assert!(tokens.session(&session, |_| true, now + CONNECT).is_some());
        assert!(
            tokens
                .session(&session, |_| true, now + 2 * CONNECT)
                .is_none()
        );
        let nobody = tokens.log_in("", now).unwrap();
        assert!(tokens.user(&nobody, now).is_none());
    }

    #[test]
    fn the_operators_secrets_count_each_for_its_own() {
        let now = SystemTime::now();
        let other = "fedcba9876543210fedcba9876543210";
        let backend = tokens(&["--jwt-secret", SECRET, "--session-jwt-secret", other]);
        let session = tokens(&["--session-jwt-secret", other]);
        let invited = backend.invite(&claims("alice", "a"), now).unwrap();
        assert!(session.session(&invited, |_| true, now).is_some());
        let user = backend.log_in("alice", now).unwrap();
        assert_eq!(session.user(&user, now), None);
        // The key is no host's name.
        let host = Tokens::new(b"localhost:8000", "session", CONNECT);
        let (forged, _) = host.sign(&claims("mallory", "a"), now).unwrap();
        assert!(session.session(&forged, |_| true, now).is_none());
    }
}
