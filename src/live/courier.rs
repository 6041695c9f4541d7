//! One courier per worker thread: carries a room's frames to the sockets of that thread.

use super::deflate::Packed;
use super::link::{Ending, Link, Taken};
use super::{CloseCode, ConnId, Delivery, Groups, To};
use crate::access::Line;
use crate::metrics::Metrics;
use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Parcels that may wait for one courier.
const PARCELS: usize = 1024;
/// Parcels that are taken together, so that a socket gets what waits for it in one write.
const ROUND: usize = 64;
/// How often connections are looked at for pings and stalls.
const CHECK: Duration = Duration::from_millis(500);

/// A room's number, unique while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RoomId(pub u64);

/// A task for a worker's thread.
type Work = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// What a room hands to a courier.
pub(super) enum Parcel {
    /// From now on this connection is a member: it gets what is for its group.
    Admit(RoomId, ConnId, Groups),
    /// A frame, and the same compressed for those who take it.
    Deliver(RoomId, Delivery, Option<Packed>),
    /// This connection's end was decided.
    Close(ConnId, CloseCode, String),
    /// Whether this connection's peer is still there is to be found out.
    Probe(ConnId),
    /// This connection will be released; it must not be read before it hears why.
    Hold(ConnId),
    /// This connection is a member no more; it stays.
    Release(ConnId),
    /// Something to run on this worker's thread, such as a room.
    Run(Work),
    /// The server stops: close every connection of this worker.
    CloseAll,
}

/// The ways to all workers, in the order in which the workers started.
#[derive(Clone)]
pub struct Couriers {
    workers: Arc<Mutex<Vec<Sender<Parcel>>>>,
    /// A worker has started.
    started: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl Couriers {
    /// For workers that are still to start.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            workers: Arc::default(),
            started: Arc::default(),
            metrics,
        }
    }

    /// The figures.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The sender of worker `n`. A lock for a small list, held for the look only.
    pub(super) fn worker(&self, n: usize) -> Option<Sender<Parcel>> {
        self.workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(n)
            .cloned()
    }

    fn all(&self) -> Vec<Sender<Parcel>> {
        self.workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until there is a worker.
    pub(super) async fn first(&self) {
        loop {
            let started = self.started.notified();
            if self.worker(0).is_some() {
                return;
            }
            started.await;
        }
    }

    /// Runs `work` on one of the workers' threads, chosen by `n`; nowhere while there is none.
    pub(super) async fn run<F>(&self, n: u64, work: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        let workers = self.all();
        if let Some(worker) = workers.get(n as usize % workers.len().max(1)) {
            let work: Work = Box::new(move || Box::pin(work()));
            let _ = worker.send(Parcel::Run(work)).await;
        }
    }

    /// Closes these connections, wherever they are; does not wait for it.
    pub fn hang_up(&self, lines: Vec<Line>, code: CloseCode, reason: &'static str) {
        self.metrics.revoked(lines.len() as u64);
        let couriers = self.clone();
        actix_rt::spawn(async move {
            for Line { worker, conn } in lines {
                if let Some(worker) = couriers.worker(worker) {
                    let parcel = Parcel::Close(ConnId(conn), code, reason.to_owned());
                    let _ = worker.send(parcel).await;
                }
            }
        });
    }

    /// Closes every WebSocket with 1001: the server stops, come back.
    pub async fn close_all(&self) {
        for worker in self.all() {
            let _ = worker.send(Parcel::CloseAll).await;
        }
    }
}

/// The connections of this thread.
struct Local {
    worker: usize,
    links: HashMap<ConnId, Rc<Link>>,
    members: HashMap<RoomId, Vec<(Groups, Rc<Link>)>>,
    metrics: Option<Arc<Metrics>>,
    stopping: bool,
    /// What was in the queues of this worker when it was last counted.
    queued: i64,
}

thread_local! {
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
}

fn with_local<T>(f: impl FnOnce(&mut Local) -> T) -> T {
    LOCAL.with_borrow_mut(|local| {
        f(local.get_or_insert_with(|| Local {
            worker: 0,
            links: HashMap::new(),
            members: HashMap::new(),
            metrics: None,
            stopping: false,
            queued: 0,
        }))
    })
}

/// Starts this thread's courier, once; called in every worker as it starts.
pub fn start_courier(couriers: &Couriers) {
    if LOCAL.with_borrow(Option::is_some) {
        return;
    }
    let (parcels, inbox) = channel(PARCELS);
    let worker = {
        let mut all = couriers
            .workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(parcels);
        all.len() - 1
    };
    couriers.started.notify_waiters();
    with_local(|local| {
        local.worker = worker;
        local.metrics = Some(couriers.metrics.clone());
    });
    actix_rt::spawn(carry(inbox));
}

async fn carry(mut inbox: Receiver<Parcel>) {
    let mut check = tokio::time::interval(CHECK);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = Vec::new();
    loop {
        tokio::select! {
            biased;
            taken = inbox.recv_many(&mut round, ROUND) => {
                if taken == 0 {
                    return;
                }
                with_local(|local| local.handle(&mut round));
            }
            _ = check.tick() => with_local(|local| local.check()),
        }
    }
}

impl Local {
    /// One parcel is written at once; of several, each socket gets its share in one write.
    fn handle(&mut self, round: &mut Vec<Parcel>) {
        let together = round.len() > 1;
        let mut touched: Vec<Rc<Link>> = Vec::new();
        let mut rooms: Vec<RoomId> = Vec::new();
        for parcel in round.drain(..) {
            match parcel {
                Parcel::Admit(room, conn, groups) => {
                    if let Some(link) = self.links.get(&conn) {
                        link.room.set(Some(room));
                        let members = self.members.entry(room).or_default();
                        members.push((groups, link.clone()));
                    }
                }
                Parcel::Deliver(room, delivery, packed) => match delivery.to {
                    To::One(conn) => {
                        if let Some(link) = self.links.get(&conn) {
                            let taken = self.hand_over(link, &delivery, packed.as_ref(), together);
                            self.count(&delivery, [taken]);
                            if together {
                                touched.push(link.clone());
                            }
                        }
                    }
                    To::Groups(groups) => {
                        self.broadcast(room, groups, None, &delivery, packed.as_ref(), together);
                        if together && !rooms.contains(&room) {
                            rooms.push(room);
                        }
                    }
                    To::But(groups, but) => {
                        self.broadcast(
                            room,
                            groups,
                            Some(but),
                            &delivery,
                            packed.as_ref(),
                            together,
                        );
                        if together && !rooms.contains(&room) {
                            rooms.push(room);
                        }
                    }
                },
                Parcel::Close(conn, code, reason) => {
                    if let Some(link) = self.links.get(&conn) {
                        link.end(Ending::close(code, reason));
                    }
                }
                Parcel::Probe(conn) => {
                    if let Some(link) = self.links.get(&conn) {
                        link.probe();
                    }
                }
                Parcel::Hold(conn) => {
                    if let Some(link) = self.links.get(&conn) {
                        link.hold();
                    }
                }
                Parcel::Release(conn) => {
                    if let Some(link) = self.links.get(&conn).cloned() {
                        self.unseat(&link);
                        // Below, only members are thought of.
                        link.flush();
                        link.release();
                    }
                }
                Parcel::Run(work) => {
                    actix_rt::spawn(work());
                }
                Parcel::CloseAll => {
                    self.stopping = true;
                    for link in self.links.values() {
                        link.end(stopping());
                    }
                }
            }
        }
        for link in touched {
            link.flush();
        }
        for room in rooms {
            for (_, link) in self.members.get(&room).into_iter().flatten() {
                link.flush();
            }
        }
    }

    /// Takes a connection out of the room that it was admitted to.
    fn unseat(&mut self, link: &Link) {
        let Some(room) = link.room.take() else {
            return;
        };
        if let Some(members) = self.members.get_mut(&room) {
            members.retain(|(_, member)| member.id != link.id);
            if members.is_empty() {
                self.members.remove(&room);
            }
        }
    }

    fn broadcast(
        &self,
        room: RoomId,
        groups: Groups,
        but: Option<ConnId>,
        delivery: &Delivery,
        packed: Option<&Packed>,
        together: bool,
    ) {
        let members = self.members.get(&room).into_iter().flatten();
        let meant = members.filter(|(group, link)| group.meets(groups) && but != Some(link.id));
        let taken = meant.map(|(_, link)| self.hand_over(link, delivery, packed, together));
        self.count(delivery, taken);
    }

    fn hand_over(
        &self,
        link: &Link,
        delivery: &Delivery,
        packed: Option<&Packed>,
        together: bool,
    ) -> Taken {
        let Delivery { lane, frame, .. } = delivery;
        if together {
            link.queue(frame, packed, lane)
        } else {
            link.offer(frame, packed, lane)
        }
    }

    fn count(&self, delivery: &Delivery, taken: impl IntoIterator<Item = Taken>) {
        let (mut kept, mut coalesced) = (0, 0);
        for taken in taken {
            match taken {
                Taken::Kept => kept += 1,
                Taken::Coalesced => coalesced += 1,
                Taken::Refused => {}
            }
        }
        if let Some(metrics) = &self.metrics {
            metrics.delivered(kept, kept * delivery.frame.bytes().len() as u64);
            metrics.coalesced(coalesced);
        }
    }

    fn check(&mut self) {
        let now = Instant::now();
        let mut queued = 0;
        for link in self.links.values() {
            link.check(now);
            queued += link.waiting() as i64;
        }
        if let Some(metrics) = &self.metrics {
            metrics.queue_changed(queued - self.queued);
        }
        self.queued = queued;
    }
}

/// Keeps a link known to its thread's courier; forgets it when dropped.
pub(super) struct Registered(Rc<Link>);

impl Registered {
    /// Makes it known; one that comes while the server stops is told so at once.
    pub fn new(link: Rc<Link>) -> Self {
        with_local(|local| {
            if local.stopping {
                link.end(stopping());
            }
            local.links.insert(link.id, link.clone());
        });
        Self(link)
    }

    /// The number of this worker.
    pub fn worker(&self) -> usize {
        with_local(|local| local.worker)
    }
}

fn stopping() -> Ending {
    Ending::close(CloseCode::GoingAway, "the server is stopping")
}

impl Registered {
    /// For the figures: its reader was too slow.
    pub fn count_slow_close(&self) {
        with_local(|local| {
            if let Some(metrics) = &local.metrics {
                metrics.closed_slow();
            }
        });
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        with_local(|local| {
            local.links.remove(&self.0.id);
            local.unseat(&self.0);
        });
    }
}
