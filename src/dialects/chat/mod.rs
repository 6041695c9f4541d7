//! Encrypted chat rooms over WebSocket, with the client's or with server-managed keys.
//!
//! A connection is in no room ([`lobby`]: making, joining, resuming, with everything that takes
//! time) or in one (a room of the live side with [`ChatRules`]), and goes from one to the other as
//! often as it likes. [`wire`] reads both spellings of messages, [`say`] writes both.
//!
//! In rooms with server-managed keys the server makes the key and gives it to everybody who joins:
//! whoever runs the server can read everything. In rooms with client keys it never sees a key or a
//! text: it checks that messages are envelopes, and passes them on. Everything is in memory only.

mod check;
mod directory;
mod guesses;
mod kept;
mod lobby;
mod refusal;
mod routes;
mod rules;
mod say;
mod speaker;
pub mod wire;

pub use check::{DESCRIPTION_CHARS, FILE_NAME_CHARS, NAME_CHARS, PASSWORD_BYTES, ROOM_NAME_CHARS};
pub use directory::Digest;
pub use lobby::serve_chat;
pub use refusal::Refusal;
pub use routes::routes;
pub use rules::{ChatRules, Guest, Message, Request};

use self::directory::{Budget, Directory, Entry, Listed};
use self::guesses::Guesses;
use self::rules::Founding;
use self::wire::ClientKeys;
use crate::access::{Attempts, Client, Passwords, random};
use crate::config::ChatLimits;
use crate::live::{Bounds, CloseCode, Couriers, Manners, Now, open_room};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use std::sync::Arc;

/// What connections are held to. A member's whole burst may wait, at the largest size of messages.
pub const BOUNDS: Bounds = Bounds {
    control_bytes: 16 << 20,
    slow: CloseCode::TryLater,
    silent: None,
};
/// Largest message of a connection that has not been in a room.
pub const LOBBY_FRAME_BYTES: u64 = 32 << 10;

/// All chat rooms, and what it takes to make and to join them.
pub struct Chat {
    limits: ChatLimits,
    directory: Arc<Directory>,
    budget: Arc<Budget>,
    passwords: Passwords,
    guesses: Guesses,
    creates: Attempts,
    joins: Attempts,
    couriers: Couriers,
}

impl Chat {
    /// Without rooms. `passwords`: with the queue of those that wait here.
    pub fn new(limits: &ChatLimits, couriers: Couriers, passwords: Passwords) -> Self {
        Self {
            directory: Arc::new(Directory::new(limits)),
            budget: Budget::new(limits.memory),
            passwords,
            guesses: Guesses::new(limits),
            creates: Attempts::of(limits.creates_per_minute, limits.creates_per_minute),
            joins: Attempts::of(limits.joins_per_minute, limits.joins_per_minute),
            limits: limits.clone(),
            couriers,
        }
    }

    fn manners(&self) -> Manners {
        Manners {
            ping: self.limits.ping,
            silence: self.limits.silence,
            slow: "Slow consumer",
        }
    }

    /// Opens a room; its maker has a seat there, [`rules::OWNERS_SEAT`].
    fn open(&self, wish: Wish, maker: Client) -> Result<Listed, Refusal> {
        let secret = || random::<32>().map_err(|_| Refusal::ServerBusy);
        let key = match wish.client_keys {
            Some(_) => String::new(),
            None => BASE64_STANDARD.encode(secret()?),
        };
        let join_key = random().map_err(|_| Refusal::ServerBusy)?;
        let id = uuid::Uuid::new_v4();
        let entry = Arc::new(Entry::new(
            id.simple().to_string(),
            &check::make_join_key(join_key),
            wish.password,
            wish.client_keys,
            maker,
            &self.limits,
        ));
        let founding = Founding {
            entry: entry.clone(),
            name: wish.name,
            description: wish.description,
            key,
            owner_name: wish.owner_name,
            public_key: wish.public_key,
        };
        let room = self.directory.add(&entry, || {
            let directory = self.directory.clone();
            let rules =
                ChatRules::new(founding, &self.limits, directory, &self.budget, Now::read());
            let home = Some(id.as_u64_pair().0);
            open_room(rules, None, &self.couriers, None, home)
        })?;
        tracing::info!(room = %entry.id, "chat room {} opened", entry.id);
        Ok(Listed { entry, room })
    }
}

/// A room as somebody wants it, checked.
struct Wish {
    name: String,
    description: String,
    /// Its hash.
    password: Option<String>,
    owner_name: String,
    client_keys: Option<ClientKeys>,
    public_key: Option<check::PublicKey>,
}

/// A secret for one session.
fn session_token() -> Result<String, Refusal> {
    let secret = random::<32>().map_err(|_| Refusal::ServerBusy)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(secret))
}
