//! One courier per worker thread: carries a room's frames to the sockets of that thread.

use super::link::{Ending, Link};
use super::{CloseCode, ConnId, Frame, Lane, To};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Parcels that may wait for one courier.
const PARCELS: usize = 1024;
/// How often connections are looked at for pings and stalls.
const CHECK: Duration = Duration::from_secs(1);

/// A room's number, unique while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RoomId(pub u64);

/// What a room hands to a courier.
#[derive(Clone, Debug)]
pub(super) enum Parcel {
    /// From now on this connection is a member: it gets what is for all.
    Admit(RoomId, ConnId),
    Deliver(RoomId, To, Lane, Frame),
    /// The server stops: close every connection of this worker.
    CloseAll,
}

/// The ways to all workers, in the order in which the workers started.
#[derive(Clone, Default)]
pub struct Couriers(Arc<Mutex<Vec<Sender<Parcel>>>>);

impl Couriers {
    /// The sender of worker `n`. A lock for a small list, held for the look only.
    pub(super) fn worker(&self, n: usize) -> Option<Sender<Parcel>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(n)
            .cloned()
    }

    fn all(&self) -> Vec<Sender<Parcel>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Closes every WebSocket with 1001: the server stops, come back.
    pub async fn close_all(&self) {
        for worker in self.all() {
            let _ = worker.send(Parcel::CloseAll).await;
        }
    }
}

/// The connections of this thread.
#[derive(Default)]
struct Local {
    worker: usize,
    links: HashMap<ConnId, Rc<Link>>,
    members: HashMap<RoomId, Vec<Rc<Link>>>,
}

thread_local! {
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
}

fn with_local<T>(f: impl FnOnce(&mut Local) -> T) -> T {
    LOCAL.with_borrow_mut(|local| f(local.get_or_insert_with(Local::default)))
}

/// Starts this thread's courier, once; called in every worker as it starts.
pub fn start_courier(couriers: &Couriers) {
    if LOCAL.with_borrow(Option::is_some) {
        return;
    }
    let (parcels, inbox) = channel(PARCELS);
    let worker = {
        let mut all = couriers.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(parcels);
        all.len() - 1
    };
    with_local(|local| local.worker = worker);
    actix_rt::spawn(carry(inbox));
}

async fn carry(mut inbox: Receiver<Parcel>) {
    let mut check = tokio::time::interval(CHECK);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            parcel = inbox.recv() => match parcel {
                Some(parcel) => with_local(|local| local.handle(parcel)),
                None => return,
            },
            _ = check.tick() => with_local(|local| local.check()),
        }
    }
}

impl Local {
    fn handle(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::Admit(room, conn) => {
                if let Some(link) = self.links.get(&conn) {
                    self.members.entry(room).or_default().push(link.clone());
                }
            }
            Parcel::Deliver(_, To::One(conn), lane, frame) => {
                if let Some(link) = self.links.get(&conn) {
                    link.offer(&frame, lane);
                }
            }
            Parcel::Deliver(room, to, lane, frame) => {
                for link in self.members.get(&room).into_iter().flatten() {
                    if to != To::AllBut(link.id) {
                        link.offer(&frame, lane);
                    }
                }
            }
            Parcel::CloseAll => {
                for link in self.links.values() {
                    let reason = "the server is stopping".to_owned();
                    link.end(Ending::Close(CloseCode::GoingAway as u16, reason));
                }
            }
        }
    }

    fn check(&self) {
        let now = Instant::now();
        for link in self.links.values() {
            link.check(now);
        }
    }
}

/// Keeps a link known to its thread's courier; forgets it when dropped.
pub(super) struct Registered(pub Rc<Link>);

impl Registered {
    /// Returns the registration and the number of this worker.
    pub fn new(link: Link) -> (Self, usize) {
        let link = Rc::new(link);
        with_local(|local| {
            local.links.insert(link.id, link.clone());
            (Self(link), local.worker)
        })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let id = self.0.id;
        with_local(|local| {
            local.links.remove(&id);
            for members in local.members.values_mut() {
                members.retain(|link| link.id != id);
            }
        });
    }
}
