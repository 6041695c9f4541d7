//! How browsers reach each other: STUN and TURN servers, with passwords that expire.
//!
//! A TURN server costs its operator bandwidth, so passwords are for members only: the GM, who has
//! joined a table, and who takes part in something from the address that asks ([`Presence`]). Whoever
//! comes through a proxy shares its address with everybody else behind it; there, a PeerJS client
//! proves its registration with its token.

mod credentials;
mod routes;

pub use routes::routes;

use self::credentials::{Credentials, sign};
use crate::access::{Attempts, Presence};
use crate::config::{Config, Ice as Settings, Secret};
use crate::dialects::peerjs::Broker;
use crate::error::{Error, Result};
use actix_web::web;
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use utoipa::ToSchema;

/// Largest file of secrets.
const SECRETS_BYTES: u64 = 64 << 10;

/// The servers, and what it takes to let somebody use them.
pub struct Ice {
    settings: Settings,
    secret: Option<Source>,
    broker: Arc<Broker>,
    presence: Presence,
    requests: Attempts,
}

/// Where the secret stands.
#[derive(Clone)]
enum Source {
    Given(Secret),
    File(PathBuf),
}

/// Servers as `RTCPeerConnection` takes them.
#[derive(Serialize, ToSchema)]
struct IceServer {
    #[schema(example = json!(["turn:turn.example:3478?transport=udp"]))]
    urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    credential: Option<String>,
}

impl Ice {
    /// From the settings. `presence` knows who takes part in something.
    ///
    /// Errors: a sentence for the person who started the server.
    pub fn new(config: &Config, broker: Arc<Broker>, presence: Presence) -> Result<Self> {
        let settings = config.ice.clone();
        let secret = match (&settings.turn_secret_file, settings.turn_secret.first()) {
            (Some(file), _) => Some(Source::File(file.clone())),
            (None, given) => given.cloned().map(Source::Given),
        };
        if secret.is_none() && !settings.turn.is_empty() {
            let text = "--turn needs the secret that the TURN server knows: --turn-secret-file FILE or TABLEKEEP_TURN_SECRET";
            return Err(Error::Invalid(text.into()));
        }
        if let Some(Source::File(file)) = &secret {
            read_secret(file).map_err(|error| {
                let file = file.display();
                Error::Invalid(format!("--turn-secret-file {file} cannot be used: {error}"))
            })?;
        }
        Ok(Self {
            requests: Attempts::of(settings.max_requests, settings.max_requests),
            settings,
            secret,
            broker,
            presence,
        })
    }

    /// A password for the TURN servers; `None` when there are none.
    async fn credentials(&self, now_seconds: u64) -> Result<Option<Credentials>> {
        let Some(source) = self
            .secret
            .clone()
            .filter(|_| !self.settings.turn.is_empty())
        else {
            return Ok(None);
        };
        let secret = match source {
            Source::Given(secret) => secret,
            Source::File(file) => {
                let read = web::block(move || read_secret(&file)).await;
                let stopping = |_| Error::Unavailable("the server is stopping".into());
                read.map_err(stopping)?.map_err(Error::Internal)?
            }
        };
        let expires = now_seconds + u64::from(self.settings.turn_ttl);
        let user = uuid::Uuid::new_v4().simple().to_string();
        Ok(Some(sign(&secret, expires, &user)))
    }

    /// All servers: the TURN servers for whoever has credentials.
    fn servers(&self, credentials: Option<Credentials>) -> Vec<IceServer> {
        let mut servers = Vec::new();
        if !self.settings.stun.is_empty() {
            servers.push(IceServer {
                urls: self.settings.stun.clone(),
                username: None,
                credential: None,
            });
        }
        if let Some(Credentials { username, password }) = credentials {
            servers.push(IceServer {
                urls: self.settings.turn.clone(),
                username: Some(username),
                credential: Some(password),
            });
        }
        servers
    }
}

/// The first line that is not empty.
fn read_secret(file: &Path) -> std::io::Result<Secret> {
    let mut text = String::new();
    let file = std::fs::File::open(file)?;
    file.take(SECRETS_BYTES).read_to_string(&mut text)?;
    let mut lines = text.lines().map(str::trim);
    let secret = lines.find(|line| !line.is_empty());
    let secret = secret.ok_or_else(|| std::io::Error::other("there is no secret in it"))?;
    Ok(Secret::new(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_secrets_counts_by_its_first_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("\n  new \nold\n");
        assert_eq!(read_secret(file.path()).unwrap().expose(), "new");
        for bad in ["", "\n \n"] {
            write(bad);
            assert!(read_secret(file.path()).is_err(), "{bad:?}");
        }
    }
}
