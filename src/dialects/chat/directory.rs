//! Which chat rooms there are, and whose session is where.

use super::check::shown_join_key;
use super::guesses::RoomGuesses;
use super::wire::ClientKeys;
use super::{ChatRules, Refusal};
use crate::access::Client;
use crate::config::ChatLimits;
use crate::live::RoomHandle;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;

/// SHA-256 of a secret: what is looked up, so that no lookup takes a time that tells of the secret.
pub type Digest = [u8; 32];

/// The digest of a join key or session token.
pub fn digest(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}

/// Whether two digests are the same, in a time that does not tell where they differ.
pub fn same(a: &Digest, b: &Digest) -> bool {
    a.ct_eq(b).into()
}

/// What is fixed about a room, and what those outside may look at.
pub struct Entry {
    /// Not a secret: it is in what clients derive keys from.
    pub id: String,
    /// The digest of its join key.
    pub digest: Digest,
    /// What one must know to join, as people see it.
    pub join_key: String,
    /// The argon2id hash of its password.
    pub password: Option<String>,
    /// `None`: the server manages the key.
    pub client_keys: Option<ClientKeys>,
    /// Which key counts, in an end-to-end encrypted room.
    pub epoch: AtomicU64,
    /// Who made it.
    pub maker: Client,
    /// Wrong passwords.
    pub guesses: RoomGuesses,
}

impl Entry {
    /// A room that nobody knows yet.
    pub fn new(
        id: String,
        join_key: &str,
        password: Option<String>,
        client_keys: Option<ClientKeys>,
        maker: Client,
        limits: &ChatLimits,
    ) -> Self {
        Self {
            id,
            digest: digest(join_key),
            join_key: shown_join_key(join_key),
            password,
            client_keys,
            epoch: AtomicU64::new(0),
            maker,
            guesses: RoomGuesses::new(limits),
        }
    }

    /// How its messages are encrypted, as JSON.
    pub fn encryption(&self) -> String {
        let Some(keys) = &self.client_keys else {
            return "{\"mode\":\"server\"}".to_owned();
        };
        let check = match &keys.key_check {
            Some(check) => format!("\"{check}\""),
            None => "null".to_owned(),
        };
        format!(
            "{{\"mode\":\"client\",\"scheme\":\"{}\",\"params\":{},\"key_check\":{check},\"epoch\":{}}}",
            keys.scheme.word(),
            keys.params,
            self.epoch.load(Ordering::Relaxed)
        )
    }
}

/// A room and the way into it.
#[derive(Clone)]
pub struct Listed {
    /// What is fixed about it.
    pub entry: Arc<Entry>,
    /// The way in.
    pub room: RoomHandle<ChatRules>,
}

/// All rooms and sessions.
pub struct Directory {
    most: usize,
    most_per_client: usize,
    // A lock for maps, held for a look, never across an await.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rooms: HashMap<Digest, Listed>,
    /// Session tokens to rooms.
    sessions: HashMap<Digest, Digest>,
    made: HashMap<Client, usize>,
}

impl Directory {
    /// Without rooms.
    pub fn new(limits: &ChatLimits) -> Self {
        Self {
            most: limits.rooms,
            most_per_client: limits.rooms_per_address,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this client may make one more room.
    pub fn has_space(&self, maker: Client) -> Result<(), Refusal> {
        self.space(&self.lock(), maker)
    }

    fn space(&self, inner: &Inner, maker: Client) -> Result<(), Refusal> {
        let made = inner.made.get(&maker).copied().unwrap_or_default();
        if inner.rooms.len() >= self.most || made >= self.most_per_client {
            return Err(Refusal::ServerBusy);
        }
        Ok(())
    }

    /// Adds a room that `open` starts. Errors: no space is left.
    pub fn add(
        &self,
        entry: &Arc<Entry>,
        open: impl FnOnce() -> RoomHandle<ChatRules>,
    ) -> Result<RoomHandle<ChatRules>, Refusal> {
        let mut inner = self.lock();
        self.space(&inner, entry.maker)?;
        if inner.rooms.contains_key(&entry.digest) {
            // One in 2^80.
            return Err(Refusal::ServerBusy);
        }
        let room = open();
        let listed = Listed {
            entry: entry.clone(),
            room: room.clone(),
        };
        inner.rooms.insert(entry.digest, listed);
        *inner.made.entry(entry.maker).or_default() += 1;
        Ok(room)
    }

    /// The room with this join key.
    pub fn by_key(&self, key: &Digest) -> Option<Listed> {
        let found = self.lock().rooms.get(key).cloned();
        found.filter(|listed| same(&listed.entry.digest, key))
    }

    /// The room of this session.
    pub fn by_session(&self, token: &Digest) -> Option<Listed> {
        let inner = self.lock();
        let (known, room) = inner.sessions.get_key_value(token)?;
        let listed = inner.rooms.get(room).cloned();
        listed.filter(|_| same(known, token))
    }

    /// A session begins.
    pub fn begin(&self, token: Digest, entry: &Entry) {
        self.lock().sessions.insert(token, entry.digest);
    }

    /// A session is void.
    pub fn end(&self, token: &Digest) {
        self.lock().sessions.remove(token);
    }

    /// Whether a session has begun and not ended.
    #[cfg(test)]
    pub fn knows(&self, token: &Digest) -> bool {
        self.lock().sessions.contains_key(token)
    }

    /// A room is gone; its sessions have been ended.
    pub fn remove(&self, entry: &Entry) {
        let mut inner = self.lock();
        if inner.rooms.remove(&entry.digest).is_none() {
            return;
        }
        if let Some(made) = inner.made.get_mut(&entry.maker) {
            *made -= 1;
            if *made == 0 {
                inner.made.remove(&entry.maker);
            }
        }
    }
}

/// Memory that all rooms share.
pub struct Budget {
    most: usize,
    taken: AtomicUsize,
}

impl Budget {
    /// Nothing taken.
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            most: usize::try_from(bytes).unwrap_or(usize::MAX),
            taken: AtomicUsize::new(0),
        })
    }

    /// A share of it; `None`: so much is not left.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Option<Share> {
        let share = Share {
            of: self.clone(),
            bytes,
        };
        // Taken first, so that the look and the count are one; given back by the share's end.
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        (before.saturating_add(bytes) <= self.most).then_some(share)
    }
}

/// A part of a [`Budget`]; given back when dropped.
pub struct Share {
    of: Arc<Budget>,
    bytes: usize,
}

impl Share {
    /// How much it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gets_back_what_was_given() {
        let budget = Budget::new(100);
        let first = budget.take(60).unwrap();
        assert!(budget.take(41).is_none());
        let second = budget.take(40).unwrap();
        drop(first);
        assert!(budget.take(60).is_some());
        drop(second);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }
}
