//! One courier per worker thread: carries a room's frames to the sockets of that thread.

use super::deflate::Packed;
use super::link::{Ending, Link, Parted, Tally};
use super::{CloseCode, ConnId, Delivery, Groups, Lane, To};
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

/// Rounds that may wait for one courier.
const ROUNDS: usize = 64;
/// Rounds that are taken together, so that a socket gets what waits for it in one write.
const TOGETHER: usize = 16;
/// Deliveries that are handed out together at most.
const RUN: usize = 64;
/// Members that are looked at together, before the first of them is written to: a write pushes
/// the next one's state out of the processor's cache, and fetched together they are waited for once.
const AHEAD: usize = 16;
/// How often connections are looked at for pings and stalls.
const CHECK: Duration = Duration::from_millis(500);

/// A room's number, unique while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RoomId(pub u64);

/// A task for a worker's thread.
type Work = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// What a room hands to a courier in one go: it is on its way together, on every thread.
pub(super) type Round = Vec<Parcel>;

/// One thing for a courier to do.
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
    /// Something to run on this worker's thread, such as a room or a connection of one.
    Run(Work),
    /// The server stops: close every connection of this worker.
    CloseAll,
}

/// A delivery on this thread.
struct Carried {
    room: RoomId,
    delivery: Delivery,
    packed: Option<Packed>,
}

impl Carried {
    fn to_one(&self) -> Option<ConnId> {
        match self.delivery.to {
            To::One(conn) => Some(conn),
            To::Groups(_) | To::But(..) => None,
        }
    }

    /// Whether it is for this member of its room.
    fn is_for(&self, groups: Groups, conn: ConnId) -> bool {
        match self.delivery.to {
            To::Groups(meant) => groups.meets(meant),
            To::But(meant, but) => groups.meets(meant) && conn != but,
            To::One(one) => conn == one,
        }
    }

    fn passes(&self) -> bool {
        matches!(self.delivery.lane, Lane::Passing(_))
    }

    /// Whether somebody who gets this need not get `earlier`.
    fn outdates(&self, earlier: &Self) -> bool {
        match (&self.delivery.lane, &earlier.delivery.lane) {
            (Lane::Passing(topic), Lane::Passing(other)) => topic == other,
            _ => false,
        }
    }
}

/// The ways to all workers, in the order in which the workers started.
#[derive(Clone)]
pub struct Couriers {
    workers: Arc<Mutex<Vec<Sender<Round>>>>,
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
    pub(super) fn worker(&self, n: usize) -> Option<Sender<Round>> {
        self.workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(n)
            .cloned()
    }

    fn all(&self) -> Vec<Sender<Round>> {
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

    /// One of the workers' threads, chosen by `n`; none while there is none.
    pub(super) fn choose(&self, n: u64) -> Option<Home> {
        let workers = self.all().len() as u64;
        self.home(n.checked_rem(workers)? as usize)
    }

    /// The thread of this worker.
    fn home(&self, worker: usize) -> Option<Home> {
        let courier = self.worker(worker)?;
        Some(Home { worker, courier })
    }

    /// The current thread, when it is a worker's.
    pub(super) fn here(&self) -> Option<Home> {
        let local = |local: &Option<Local>| local.as_ref().map(|local| local.worker);
        self.home(LOCAL.with_borrow(local)?)
    }

    /// Closes these connections, wherever they are; does not wait for it.
    pub fn hang_up(&self, lines: Vec<Line>, code: CloseCode, reason: &'static str) {
        self.metrics.revoked(lines.len() as u64);
        let couriers = self.clone();
        actix_rt::spawn(async move {
            for Line { worker, conn } in lines {
                if let Some(worker) = couriers.worker(worker) {
                    let parcel = Parcel::Close(ConnId(conn), code, reason.to_owned());
                    let _ = worker.send(vec![parcel]).await;
                }
            }
        });
    }

    /// Closes every WebSocket with 1001: the server stops, come back.
    pub async fn close_all(&self) {
        for worker in self.all() {
            let _ = worker.send(vec![Parcel::CloseAll]).await;
        }
    }
}

/// A worker's thread, and the way to it.
#[derive(Clone)]
pub(super) struct Home {
    pub worker: usize,
    courier: Sender<Round>,
}

impl Home {
    /// Whether nothing can be run there any more.
    pub fn is_gone(&self) -> bool {
        self.courier.is_closed()
    }

    /// Runs `work` there.
    pub async fn run<F>(&self, work: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + 'static,
    {
        let work: Work = Box::new(move || Box::pin(work()));
        let _ = self.courier.send(vec![Parcel::Run(work)]).await;
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
    let (rounds, inbox) = channel(ROUNDS);
    let worker = {
        let mut all = couriers
            .workers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(rounds);
        all.len() - 1
    };
    couriers.started.notify_waiters();
    with_local(|local| {
        local.worker = worker;
        local.metrics = Some(couriers.metrics.clone());
    });
    actix_rt::spawn(carry(inbox));
}

async fn carry(mut inbox: Receiver<Round>) {
    let mut check = tokio::time::interval(CHECK);
    check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut rounds = Vec::new();
    loop {
        tokio::select! {
            biased;
            taken = inbox.recv_many(&mut rounds, TOGETHER) => {
                if taken == 0 {
                    return;
                }
                with_local(|local| local.handle(&mut rounds));
            }
            _ = check.tick() => with_local(|local| local.check()),
        }
    }
}

impl Local {
    /// What is delivered between two other parcels goes to each socket in one write.
    fn handle(&mut self, taken: &mut Vec<Round>) {
        let mut run = Vec::new();
        let mut newcomers: Vec<Rc<Link>> = Vec::new();
        for parcel in taken.drain(..).flatten() {
            match parcel {
                Parcel::Deliver(room, delivery, packed) => {
                    if run.len() == RUN {
                        self.deliver(&mut run, &mut newcomers);
                    }
                    run.push(Carried {
                        room,
                        delivery,
                        packed,
                    });
                }
                Parcel::Admit(room, conn, groups) => {
                    if let Some(link) = self.links.get(&conn) {
                        link.room.set(Some(room));
                        link.missed.set(run.len());
                        newcomers.push(link.clone());
                        let members = self.members.entry(room).or_default();
                        members.push((groups, link.clone()));
                    }
                }
                other => {
                    self.deliver(&mut run, &mut newcomers);
                    self.act(other);
                }
            }
        }
        self.deliver(&mut run, &mut newcomers);
    }

    fn act(&mut self, parcel: Parcel) {
        match parcel {
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
            Parcel::Deliver(..) | Parcel::Admit(..) => {}
        }
    }

    /// Hands out what is delivered together; each of `newcomers` gets what came behind it.
    fn deliver(&self, run: &mut Vec<Carried>, newcomers: &mut Vec<Rc<Link>>) {
        let mut tally = Tally::default();
        for (nth, first) in run.iter().enumerate() {
            // Each room once.
            if run[..nth].iter().all(|other| other.room != first.room) {
                self.deliver_in(first.room, run, &mut tally);
            }
        }
        run.clear();
        for link in newcomers.drain(..) {
            link.missed.set(0);
        }
        if let Some(metrics) = &self.metrics {
            metrics.delivered(tally.kept, tally.kept_bytes);
            metrics.coalesced(tally.coalesced);
        }
    }

    fn deliver_in(&self, room: RoomId, run: &[Carried], tally: &mut Tally) {
        let mut share = Vec::with_capacity(run.len());
        let ours = || run.iter().filter(|one| one.room == room);
        if ours().any(|one| one.to_one().is_none()) {
            let members = self.members.get(&room).map_or(&[][..], Vec::as_slice);
            for some in members.chunks(AHEAD) {
                let mut misses = [0; AHEAD];
                for (missed, (_, link)) in misses.iter_mut().zip(some) {
                    *missed = link.missed.get();
                }
                for (missed, (groups, link)) in misses.into_iter().zip(some) {
                    let is_meant = |one: &Carried| one.room == room && one.is_for(*groups, link.id);
                    hand_over(link, missed, run, is_meant, &mut share, tally);
                }
            }
            return;
        }
        for (nth, conn) in ours().filter_map(Carried::to_one).enumerate() {
            if ours()
                .take(nth)
                .all(|earlier| earlier.to_one() != Some(conn))
                && let Some(link) = self.links.get(&conn)
            {
                let is_meant = |one: &Carried| one.room == room && one.to_one() == Some(conn);
                hand_over(link, link.missed.get(), run, is_meant, &mut share, tally);
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

/// Hands a member what `is_meant` for it, but for the first `missed` of the run; `share` is room to
/// work in.
fn hand_over<'a>(
    link: &Link,
    missed: usize,
    run: &'a [Carried],
    is_meant: impl Fn(&Carried) -> bool,
    share: &mut Vec<Parted<'a>>,
    tally: &mut Tally,
) {
    share.clear();
    for (nth, one) in run.iter().enumerate().skip(missed) {
        if !is_meant(one) {
            continue;
        }
        // Of passing state only the newest counts.
        let is_outdated = |later: &Carried| later.outdates(one) && is_meant(later);
        if one.passes() && run[nth + 1..].iter().any(is_outdated) {
            tally.coalesced += 1;
            continue;
        }
        share.push(Parted {
            delivery: &one.delivery,
            packed: one.packed.as_ref(),
        });
    }
    match &share[..] {
        [] => {}
        [one] => {
            let Delivery { lane, frame, .. } = one.delivery;
            let taken = link.offer(frame, one.packed, lane);
            tally.add(taken, one.delivery);
        }
        several => link.offer_all(several, tally),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Bounds, Frame, Topic};
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    const ROOM: RoomId = RoomId(1);
    const ALL: Groups = Groups(0b11);

    fn local() -> Local {
        Local {
            worker: 0,
            links: HashMap::new(),
            members: HashMap::new(),
            metrics: Some(Arc::default()),
            stopping: false,
            queued: 0,
        }
    }

    /// A connection of this thread, and its other end.
    async fn connect(local: &mut Local, id: u64) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (io, peer) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let bounds = Bounds {
            control_bytes: 256 << 10,
            slow: CloseCode::TryLater,
            silent: None,
        };
        let link = Rc::new(Link::new(ConnId(id), io.unwrap(), bounds, false));
        local.links.insert(link.id, link);
        peer.unwrap().0
    }

    fn delivery(room: RoomId, to: To, lane: Lane, text: &str) -> Parcel {
        let frame = Frame::text(&[text.as_bytes()]);
        Parcel::Deliver(room, Delivery { to, lane, frame }, None)
    }

    fn said(to: To, text: &str) -> Parcel {
        delivery(ROOM, to, Lane::Control, text)
    }

    /// All that a peer got, a letter for each message.
    async fn heard(local: &mut Local, id: u64, mut peer: TcpStream) -> String {
        local.links.remove(&ConnId(id));
        for members in local.members.values_mut() {
            members.retain(|(_, link)| link.id != ConnId(id));
        }
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).await.unwrap();
        let frames = bytes.chunks(3).map(|frame| frame[2] as char);
        frames.collect()
    }

    #[tokio::test]
    async fn what_is_delivered_together_reaches_those_for_whom_it_is_in_order() {
        let mut local = local();
        let [one, two, late] = [
            connect(&mut local, 1).await,
            connect(&mut local, 2).await,
            connect(&mut local, 3).await,
        ];
        let admit = |id, groups| Parcel::Admit(ROOM, ConnId(id), Groups(groups));
        local.handle(&mut vec![vec![admit(1, 0b01), admit(2, 0b10)]]);
        local.handle(&mut vec![
            vec![
                said(To::Groups(ALL), "a"),
                said(To::One(ConnId(2)), "b"),
                said(To::But(ALL, ConnId(1)), "c"),
                // Whoever comes gets what follows.
                admit(3, 0b01),
                said(To::One(ConnId(3)), "d"),
            ],
            vec![
                said(To::Groups(Groups(0b01)), "e"),
                delivery(RoomId(2), To::Groups(ALL), Lane::Control, "x"),
            ],
        ]);
        // Only to single ones, and to the same one more than once.
        local.handle(&mut vec![vec![
            said(To::One(ConnId(1)), "f"),
            said(To::One(ConnId(3)), "g"),
            said(To::One(ConnId(1)), "h"),
        ]]);
        // Whoever has come is like the others from then on.
        local.handle(&mut vec![vec![
            said(To::Groups(ALL), "i"),
            Parcel::Release(ConnId(2)),
            said(To::Groups(ALL), "j"),
        ]]);
        assert_eq!(heard(&mut local, 1, one).await, "aefhij");
        assert_eq!(heard(&mut local, 2, two).await, "abci");
        assert_eq!(heard(&mut local, 3, late).await, "degij");
    }

    #[tokio::test]
    async fn of_passing_state_that_goes_out_together_only_the_newest_counts() {
        let mut local = local();
        let [one, two] = [connect(&mut local, 1).await, connect(&mut local, 2).await];
        let passing = |to, key: &str, text| {
            let topic = Topic(Arc::new((7, key.into())));
            delivery(ROOM, to, Lane::Passing(topic), text)
        };
        let admit = |id| Parcel::Admit(ROOM, ConnId(id), ALL);
        local.handle(&mut vec![vec![admit(1), admit(2)]]);
        local.handle(&mut vec![vec![
            passing(To::Groups(ALL), "p", "a"),
            passing(To::Groups(ALL), "q", "b"),
            said(To::Groups(ALL), "c"),
            // The newest of them is not for everybody.
            passing(To::But(ALL, ConnId(2)), "p", "d"),
        ]]);
        assert_eq!(heard(&mut local, 1, one).await, "bcd");
        assert_eq!(heard(&mut local, 2, two).await, "abc");
    }
}
