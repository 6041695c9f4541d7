//! The rooms that are open, by their codes.

use super::rules::{Guest, NOT_FOUND, RoomRules, Surroundings};
use super::{Ask, Code, Wire};
use crate::access::{Attempt, Attempts, Client, Guesses};
use crate::config::Nexus;
use crate::dialects::pace::Bucket;
use crate::live::{Couriers, RoomHandle, open_room};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Rooms that one address may open per minute once it has opened as many as it may have.
const OPENINGS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("sixty is not zero");

const TAKEN: &str = "Room already exists";
const INVALID: &str = "Invalid room code";
const NO_PLACE: &str = "Server is full";

/// What a host's browser keeps secret, to be known again when it comes back.
pub type Proof = [u8; 16];

/// The rooms, and what it takes to open another.
pub struct Rooms {
    around: Surroundings,
    couriers: Couriers,
    open: Arc<Mutex<Open>>,
    lobby: RoomHandle<RoomRules>,
    guesses: Guesses,
    openings: Attempts,
}

#[derive(Default)]
struct Open {
    rooms: HashMap<Code, Entry>,
    by_address: HashMap<Client, u32>,
}

/// One open room.
struct Entry {
    room: Entrance,
    opener: Client,
}

/// The way into a room, and its bucket of bytes.
#[derive(Clone)]
struct Entrance {
    handle: RoomHandle<RoomRules>,
    bucket: Arc<Mutex<Bucket>>,
}

/// Where somebody goes who has asked.
pub struct Seat {
    /// The room, or the lobby.
    pub room: RoomHandle<RoomRules>,
    /// As what.
    pub guest: Guest,
    /// What reads its messages.
    pub wire: Wire,
}

impl Rooms {
    /// With none open. Must run inside a runtime.
    pub fn new(settings: Nexus, couriers: &Couriers) -> Self {
        let around = Surroundings {
            settings: Arc::new(settings),
            metrics: couriers.metrics().clone(),
            stopping: Arc::default(),
        };
        let lobby = RoomRules::lobby(around.clone());
        let burst = NonZeroU32::new(around.settings.max_rooms_per_address);
        Self {
            lobby: open_room(lobby, None, couriers, None, None),
            couriers: couriers.clone(),
            open: Arc::default(),
            guesses: Guesses::default(),
            openings: Attempts::of(burst.unwrap_or(NonZeroU32::MIN), OPENINGS_PER_MINUTE),
            around,
        }
    }

    /// The server stops: members are sent away, to come back to the next one.
    pub fn stop(&self) {
        self.around.stopping.store(true, Ordering::Relaxed);
    }

    /// Finds or opens the room that somebody asks for; the lobby when there is none. Waits when this
    /// client has guessed too many codes. `proof`: what its browser keeps.
    pub async fn seat(&self, ask: Ask, client: Client, proof: Option<Proof>) -> Seat {
        let found = match ask {
            Ask::Join(code) => self.join(&code, client).await,
            Ask::Host(None) => self.host(None, client).await,
            Ask::Host(Some(code)) => match Code::parse(&code) {
                Some(code) => self.host(Some(code), client).await,
                None => Err(INVALID),
            },
        };
        let settings = &self.around.settings;
        match found {
            Ok((Entrance { handle, bucket }, is_host)) => Seat {
                room: handle,
                guest: if is_host {
                    Guest::Host(proof)
                } else {
                    Guest::Player(proof)
                },
                wire: Wire::new(settings, Some(bucket)),
            },
            Err(why) => Seat {
                room: self.lobby.clone(),
                guest: Guest::Outside(why),
                wire: Wire::new(settings, None),
            },
        }
    }

    async fn join(&self, code: &str, client: Client) -> Result<(Entrance, bool), &'static str> {
        let look = || lock(&self.open).find(&Code::parse(code)?);
        let found = self.guesses.guess(client, look).await;
        found.map(|room| (room, false)).ok_or(NOT_FOUND)
    }

    async fn host(
        &self,
        code: Option<Code>,
        client: Client,
    ) -> Result<(Entrance, bool), &'static str> {
        let Some(code) = code else {
            return self.open(None, client).map(|room| (room, true));
        };
        // That a code is taken is worth as much to a guesser as that a room was found.
        let mut refused = NO_PLACE;
        let try_open = || match self.open(Some(code), client) {
            Ok(room) => Some(room),
            Err(why) => {
                refused = why;
                None
            }
        };
        let opened = self.guesses.guess(client, try_open).await;
        opened.map(|room| (room, true)).ok_or(refused)
    }

    fn open(&self, code: Option<Code>, client: Client) -> Result<Entrance, &'static str> {
        let settings = &self.around.settings;
        let mut open = lock(&self.open);
        if code.as_ref().is_some_and(|code| open.find(code).is_some()) {
            return Err(TAKEN);
        }
        let own = open.by_address.get(&client).copied().unwrap_or(0);
        if open.rooms.len() >= settings.max_rooms
            || own >= settings.max_rooms_per_address
            || self.openings.take(Attempt::OpenRoom, client).is_err()
        {
            return Err(NO_PLACE);
        }
        let code = match code {
            Some(code) => code,
            None => open.free_code().ok_or(NO_PLACE)?,
        };
        let ended = {
            let (open, code) = (self.open.clone(), code.clone());
            move || lock(&open).forget(&code)
        };
        let rules = RoomRules::new(code.as_str(), self.around.clone(), ended);
        let bytes = settings.max_room_bytes as f64;
        let room = Entrance {
            handle: open_room(rules, None, &self.couriers, None, None),
            bucket: Arc::new(Mutex::new(Bucket::new(bytes, Instant::now()))),
        };
        tracing::debug!(room = code.as_str(), "room {} opened", code.as_str());
        *open.by_address.entry(client).or_default() += 1;
        let entry = Entry {
            room: room.clone(),
            opener: client,
        };
        open.rooms.insert(code, entry);
        Ok(room)
    }
}

// A lock for two small maps, held for a look and never across an await.
fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    fn find(&mut self, code: &Code) -> Option<Entrance> {
        let room = self.rooms.get(code)?.room.clone();
        if room.handle.is_closed() {
            // Its task is gone without a word, which it should not be.
            self.forget(code);
            return None;
        }
        Some(room)
    }

    fn forget(&mut self, code: &Code) {
        let Some(entry) = self.rooms.remove(code) else {
            return;
        };
        if let Some(count) = self.by_address.get_mut(&entry.opener) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&entry.opener);
            }
        }
        if self.rooms.is_empty() {
            // What a busy evening took is given back.
            *self = Self::default();
        }
    }

    /// Few of all codes are ever taken (`--nexus-max-rooms`), so the first try nearly always does.
    fn free_code(&self) -> Option<Code> {
        let mut tries = (0..1000).filter_map(|_| Code::random().ok());
        tries.find(|code| !self.rooms.contains_key(code))
    }
}
