//! The session rooms in this process's memory: who is in them, and what was said.

use super::RoomId;
use super::history::Budget;
use super::rules::{
    Arrival, Guest, Listing, Refusal, Request, RoomRules, SeatNumber, Surroundings,
};
use super::scheduler::Directory;
use crate::access::{Client, Tally};
use crate::config::Config;
use crate::live::{Couriers, Now, RoomHandle, open_room};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The rooms that are open.
pub struct Rooms {
    around: Surroundings,
    couriers: Couriers,
    open: Arc<Mutex<Open>>,
    /// Told which rooms are in use, where this process is also the scheduler.
    directory: Option<Arc<Directory>>,
    /// Rooms in memory, those of them that one address has opened, and rooms with people in them.
    most: usize,
    most_per_client: usize,
    most_occupied: usize,
}

#[derive(Default)]
struct Open {
    rooms: HashMap<RoomId, Entry>,
    occupied: usize,
    opened: Tally,
}

struct Entry {
    handle: RoomHandle<RoomRules>,
    /// Who was the first to come.
    opener: Client,
    /// How many are on the way in.
    arrivals: Arc<AtomicUsize>,
    /// Since when nobody has been in it; `None`: somebody is.
    vacant: Option<Instant>,
}

/// A kept seat, and the way to it.
pub struct Entrance {
    /// The room.
    pub handle: RoomHandle<RoomRules>,
    /// As what.
    pub guest: Guest,
}

impl Rooms {
    /// Without rooms.
    pub fn new(config: &Config, couriers: &Couriers, directory: Option<Arc<Directory>>) -> Self {
        let limits = &config.limits.sessions;
        Self {
            around: Surroundings {
                limits: Arc::new(limits.clone()),
                duplicates: config.sessions.duplicates(),
                budget: Budget::new(limits.memory),
                metrics: couriers.metrics().clone(),
            },
            couriers: couriers.clone(),
            open: Arc::default(),
            directory,
            most: limits.rooms,
            most_per_client: limits.rooms_per_address,
            most_occupied: config.sessions.max_rooms_per_instance(),
        }
    }

    /// Whether a room more could have people in it.
    pub fn has_space(&self) -> bool {
        lock(&self.open).occupied < self.most_occupied
    }

    /// Finds or opens the room and gets a seat there, for a user at this address. May take two seconds,
    /// when the user is there already.
    pub async fn seat(
        &self,
        id: RoomId,
        user: String,
        client: Client,
        deltas: bool,
    ) -> Result<Entrance, Refusal> {
        let (handle, arrival) = self.find(id, client)?;
        let asked = handle.ask(|reply| Request::Seat { user, reply }).await;
        let seat: SeatNumber = asked.unwrap_or(Err(Refusal::Crowded))?;
        let guest = Guest {
            seat,
            deltas,
            arrival,
        };
        Ok(Entrance { handle, guest })
    }

    fn find(
        &self,
        id: RoomId,
        client: Client,
    ) -> Result<(RoomHandle<RoomRules>, Arrival), Refusal> {
        let mut open = lock(&self.open);
        if let Some(entry) = open.rooms.get(&id) {
            if !entry.handle.is_closed() {
                return Ok((entry.handle.clone(), entry.expect()));
            }
            // Its task is gone without a word, which it should not be.
            open.forget(&id);
        }
        // Whoever opens many loses the own ones, not those of others.
        if open.opened.of(client) >= self.most_per_client && !open.forget_oldest(Some(client)) {
            return Err(Refusal::ShareTaken);
        }
        if open.rooms.len() >= self.most && !open.forget_oldest(None) {
            return Err(Refusal::Crowded);
        }
        let listing = Listed {
            id: id.clone(),
            open: self.open.clone(),
            directory: self.directory.clone(),
            most_occupied: self.most_occupied,
        };
        let now = Now::read();
        let rules = RoomRules::new(id.clone(), self.around.clone(), Box::new(listing), now);
        let mut home = DefaultHasher::new();
        id.hash(&mut home);
        tracing::debug!(room = %id, "session room {id} opened");
        let entry = Entry {
            handle: open_room(rules, None, &self.couriers, None, Some(home.finish())),
            opener: client,
            arrivals: Arc::default(),
            vacant: Some(now.instant),
        };
        let found = (entry.handle.clone(), entry.expect());
        open.opened.add(client);
        open.rooms.insert(id, entry);
        Ok(found)
    }
}

impl Entry {
    fn expect(&self) -> Arrival {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        Box::new(Expected(self.arrivals.clone()))
    }

    fn is_expecting(&self) -> bool {
        self.arrivals.load(Ordering::Relaxed) > 0
    }
}

/// Somebody who is on the way in.
struct Expected(Arc<AtomicUsize>);

impl Drop for Expected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// A lock for a map, held for a look and never across an await.
fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Open {
    fn forget(&mut self, id: &RoomId) {
        if let Some(entry) = self.rooms.remove(id) {
            self.occupied -= usize::from(entry.vacant.is_none());
            self.opened.remove(entry.opener);
        }
    }

    /// Forgets the room that nobody has been in for longest, of those that `of` has opened, or of all.
    /// Whether there is one.
    fn forget_oldest(&mut self, of: Option<Client>) -> bool {
        let is_meant = |entry: &Entry| of.is_none_or(|client| entry.opener == client);
        let rooms = self.rooms.iter();
        let vacant = rooms.filter(|(_, entry)| is_meant(entry) && !entry.is_expecting());
        let vacant = vacant.filter_map(|(id, entry)| Some((entry.vacant?, id)));
        let oldest = vacant.min_by_key(|(since, _)| *since);
        let Some(id) = oldest.map(|(_, id)| id.clone()) else {
            return false;
        };
        self.forget(&id);
        true
    }
}

/// One room's entry, in the hands of the room.
struct Listed {
    id: RoomId,
    open: Arc<Mutex<Open>>,
    directory: Option<Arc<Directory>>,
    most_occupied: usize,
}

impl Listed {
    fn set_vacant(&self, vacant: Option<Instant>) -> bool {
        let mut open = lock(&self.open);
        let full = open.occupied >= self.most_occupied;
        let Some(entry) = open.rooms.get_mut(&self.id) else {
            return false;
        };
        match (entry.vacant.is_some(), vacant.is_some()) {
            (true, false) if full => return false,
            (true, false) => {
                entry.vacant = vacant;
                open.occupied += 1;
            }
            (false, true) => {
                entry.vacant = vacant;
                open.occupied -= 1;
            }
            _ => {}
        }
        true
    }
}

impl Listing for Listed {
    fn occupy(&mut self) -> bool {
        let may = self.set_vacant(None);
        if may {
            self.in_use();
        }
        may
    }

    fn in_use(&mut self) {
        if let Some(directory) = &self.directory {
            directory.in_use(&self.id);
        }
    }

    fn vacate(&mut self) {
        self.set_vacant(Some(Instant::now()));
        if let Some(directory) = &self.directory {
            directory.vacated(&self.id);
        }
    }

    fn close(&mut self) -> bool {
        let mut open = lock(&self.open);
        if open.rooms.get(&self.id).is_some_and(Entry::is_expecting) {
            return false;
        }
        open.forget(&self.id);
        true
    }
}
