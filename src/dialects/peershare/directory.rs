//! Which groups there are, who is reached under which id, and how many of everything.
//!
//! A group is there as long as somebody has a [`Seat`] in it, and an id is taken as long as somebody
//! holds a [`Claim`] to it: what is dropped, by whatever end of a connection, is given back.

use super::ids::GroupId;
use super::refusal::Refusal;
use super::rules::GroupRules;
use crate::access::{Client, Tally};
use crate::config;
use crate::live::RoomHandle;
use crate::metrics::Metrics;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All groups, ids and connections.
pub struct Directory {
    most: usize,
    most_per_client: usize,
    most_members: usize,
    most_sockets: usize,
    metrics: Arc<Metrics>,
    // A lock for maps, held for a look, never across an await, and never while a seat, a claim or a
    // place is dropped.
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    groups: HashMap<GroupId, Group>,
    /// Seats of all groups.
    seats: usize,
    created: Tally,
    /// Who is reached under an id, and how many claims it has to that.
    peers: HashMap<Box<str>, (Owner, usize)>,
    sockets: Tally,
}

/// Who claims ids: one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(pub u64);

struct Group {
    name: Arc<str>,
    created_ms: u64,
    creator: Client,
    room: RoomHandle<GroupRules>,
    seats: usize,
    locked: bool,
}

/// A group that is to be.
pub struct Founding {
    /// What it is called.
    pub name: Arc<str>,
    /// When.
    pub created_ms: u64,
    /// By whom.
    pub creator: Client,
}

/// What anybody may know of a group.
#[derive(Debug, PartialEq, Eq)]
pub struct Facts {
    /// What it is called.
    pub name: Arc<str>,
    /// Since when it is there.
    pub created_ms: u64,
    /// How many are in it.
    pub members: usize,
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Groups.
    pub groups: usize,
    /// Members of all groups.
    pub users: usize,
}

impl Directory {
    /// Without groups.
    pub fn new(settings: &config::PeerShare, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            most: settings.groups,
            most_per_client: settings.groups_per_address,
            most_members: settings.members.into(),
            most_sockets: settings.sockets_per_address,
            metrics,
            inner: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat in a group, which `open` starts if it is not there and may be founded.
    pub fn seat(
        self: &Arc<Self>,
        id: &GroupId,
        founding: Option<Founding>,
        open: impl FnOnce(Arc<str>) -> RoomHandle<GroupRules>,
    ) -> Result<(RoomHandle<GroupRules>, Seat), Refusal> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let group = match inner.groups.get_mut(id) {
            Some(group) if group.locked => return Err(Refusal::GroupLocked),
            Some(group) if group.seats >= self.most_members => return Err(Refusal::GroupFull),
            Some(group) => group,
            None => {
                let Founding {
                    name,
                    created_ms,
                    creator,
                } = founding.ok_or(Refusal::GroupNotFound)?;
                let created = inner.created.of(creator);
                if inner.groups.len() >= self.most || created >= self.most_per_client {
                    return Err(Refusal::ServerBusy);
                }
                inner.created.add(creator);
                self.metrics.group_opened();
                inner.groups.entry(id.clone()).or_insert(Group {
                    room: open(name.clone()),
                    name,
                    created_ms,
                    creator,
                    seats: 0,
                    locked: false,
                })
            }
        };
        group.seats += 1;
        inner.seats += 1;
        let seat = Seat {
            directory: self.clone(),
            group: id.clone(),
        };
        Ok((group.room.clone(), seat))
    }

    /// A seat in a group that is not listed; for tests of its rules.
    #[cfg(test)]
    pub fn spare_seat(self: &Arc<Self>) -> Seat {
        self.lock().seats += 1;
        Seat {
            directory: self.clone(),
            group: GroupId::random(),
        }
    }

    /// What anybody may know of a group; `None`: it is not there.
    pub fn look(&self, id: &GroupId) -> Option<Facts> {
        let inner = self.lock();
        let group = inner.groups.get(id)?;
        Some(Facts {
            name: group.name.clone(),
            created_ms: group.created_ms,
            members: group.seats,
        })
    }

    /// The way into a group.
    pub fn room(&self, id: &GroupId) -> Option<RoomHandle<GroupRules>> {
        self.lock().groups.get(id).map(|group| group.room.clone())
    }

    /// Closes a group to others, or opens it again.
    pub fn set_locked(&self, id: &GroupId, locked: bool) {
        if let Some(group) = self.lock().groups.get_mut(id) {
            group.locked = locked;
        }
    }

    /// How much there is.
    pub fn stats(&self) -> Stats {
        let inner = self.lock();
        Stats {
            groups: inner.groups.len(),
            users: inner.seats,
        }
    }

    /// Makes `peer` the id under which `owner` is reached.
    pub fn claim(self: &Arc<Self>, peer: &str, owner: Owner) -> Result<Claim, Refusal> {
        match self.lock().peers.entry(peer.into()) {
            Entry::Vacant(free) => {
                free.insert((owner, 1));
            }
            Entry::Occupied(mut taken) if taken.get().0 == owner => taken.get_mut().1 += 1,
            Entry::Occupied(_) => return Err(Refusal::PeerIdTaken),
        }
        Ok(Claim {
            directory: self.clone(),
            peer: peer.into(),
        })
    }

    /// A place for one more connection of this client.
    pub fn connect(self: &Arc<Self>, client: Client) -> Result<Place, Refusal> {
        let mut inner = self.lock();
        if inner.sockets.of(client) >= self.most_sockets {
            return Err(Refusal::ServerBusy);
        }
        inner.sockets.add(client);
        Ok(Place {
            directory: self.clone(),
            client,
        })
    }
}

/// A place in a group. The group ends with the last one.
pub struct Seat {
    directory: Arc<Directory>,
    group: GroupId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.directory.lock();
        inner.seats -= 1;
        let Entry::Occupied(mut group) = inner.groups.entry(self.group.clone()) else {
            return;
        };
        group.get_mut().seats -= 1;
        if group.get().seats == 0 {
            let group = group.remove();
            inner.created.remove(group.creator);
            self.directory.metrics.group_closed();
            drop(inner);
            // Its task ends when its last handle goes.
            drop(group);
        }
    }
}

/// An id under which somebody is reached, and nobody else.
pub struct Claim {
    directory: Arc<Directory>,
    peer: Box<str>,
}

impl Claim {
    /// The id.
    pub fn peer(&self) -> &str {
        &self.peer
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut inner = self.directory.lock();
        if let Some(claim) = inner.peers.get_mut(&self.peer) {
            claim.1 -= 1;
            if claim.1 == 0 {
                inner.peers.remove(&self.peer);
            }
        }
    }
}

/// One of the connections that a client may have.
pub struct Place {
    directory: Arc<Directory>,
    client: Client,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.directory.lock().sockets.remove(self.client);
    }
}
