//! One room: a task that owns its rules and knows where its members' sockets are.

use super::courier::{Home, Parcel, RoomId, Round};
use super::deflate::{Packed, Packer, WORTH_BYTES};
use super::{
    Closing, CommitError, Committed, Committer, ConnId, Couriers, Delivery, Groups, Keeper, Lane,
    Now, Outgoing, Rules, To,
};
use crate::error::{Error, Result};
use crate::json::JsonText;
use futures_util::FutureExt;
use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Commands that may wait for the room; further senders wait.
const COMMANDS: usize = 64;
/// Messages that are taken together, so that what they cause goes out together.
const ROUND: usize = 32;
/// Requests from other parts of the server that may wait.
const REQUESTS: usize = 64;
/// How often a room looks at what has come of age.
const TICK: Duration = Duration::from_secs(1);

pub(super) enum Command<R: Rules> {
    Join {
        conn: ConnId,
        guest: R::Guest,
        worker: usize,
        /// It takes compressed frames.
        deflates: bool,
    },
    Receive {
        from: ConnId,
        /// What has come together, in order.
        messages: Vec<R::Message>,
    },
    /// It was probed, and something was heard of it.
    Alive { conn: ConnId },
    Leave {
        conn: ConnId,
        /// Whether it ended without the peer's close frame.
        lost: bool,
    },
}

/// The way into a room. Cloning is cheap.
pub struct RoomHandle<R: Rules> {
    pub(super) commands: Sender<Command<R>>,
    requests: Sender<R::Request>,
    shown: watch::Receiver<Option<JsonText>>,
    home: Arc<OnceLock<Home>>,
}

impl<R: Rules> Clone for RoomHandle<R> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            requests: self.requests.clone(),
            shown: self.shown.clone(),
            home: self.home.clone(),
        }
    }
}

impl<R: Rules> RoomHandle<R> {
    /// Whether the room has ended, so that nobody can come any more.
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// The room's document as it is now.
    pub fn shown(&self) -> Option<JsonText> {
        self.shown.borrow().clone()
    }

    /// The thread on which the room stays, once it is there.
    pub(super) fn home(&self) -> Option<&Home> {
        self.home.get()
    }

    /// Asks the room for something; `request` makes the question from where the answer goes.
    pub async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> R::Request,
    ) -> Result<T> {
        let closed = || Error::Unavailable("the table is closing, try again".into());
        let (reply, answer) = oneshot::channel();
        let request = self.requests.send(request(reply)).await;
        request.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())
    }
}

/// What a room has to do with the disk.
pub struct Durability {
    /// Takes the records.
    pub committer: Committer,
    /// Writes the document's own file, where there is one.
    pub keeper: Option<Keeper>,
}

/// Starts a room. It ends when its handles are dropped and its members have gone.
///
/// `document` is what it shows at first.
/// `disk`: `None` for a room that keeps nothing; its rules make no [`Journaling`].
/// `home`: on which worker's thread it runs, from when there are workers; `None`: on the current one.
pub fn open_room<R: Rules>(
    rules: R,
    document: Option<JsonText>,
    couriers: &Couriers,
    disk: Option<Durability>,
    home: Option<u64>,
) -> RoomHandle<R> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (commands, inbox) = channel(COMMANDS);
    let (requests, questions) = channel(REQUESTS);
    let (shown, document) = watch::channel(document);
    let settled = Arc::<OnceLock<Home>>::default();
    // Known from the start where it can be, so that whoever comes first is served there, too.
    if let Some(home) = home.and_then(|n| couriers.choose(n)) {
        let _ = settled.set(home);
    }
    let room = Room {
        id: RoomId(NEXT.fetch_add(1, Ordering::Relaxed)),
        rules,
        inbox,
        questions,
        couriers: couriers.clone(),
        routes: HashMap::new(),
        deflaters: 0,
        packers: HashMap::new(),
        workers: HashMap::new(),
        disk,
        commits: VecDeque::new(),
        shown,
        home: settled.clone(),
    };
    actix_rt::spawn(room.live(home));
    RoomHandle {
        commands,
        requests,
        shown: document,
        home: settled,
    }
}

/// A worker that holds members of a room.
struct Worker {
    members: usize,
    courier: Sender<Round>,
    /// For the courier, not sent yet.
    round: Round,
}

struct Room<R: Rules> {
    id: RoomId,
    rules: R,
    inbox: Receiver<Command<R>>,
    questions: Receiver<R::Request>,
    couriers: Couriers,
    /// Which worker holds a member's socket, and whether it takes compressed frames.
    routes: HashMap<ConnId, (usize, bool)>,
    /// Members that take compressed frames.
    deflaters: usize,
    /// Their history, for each set of groups that is told of state; made when needed.
    packers: HashMap<u8, Packer>,
    /// The workers that hold members.
    workers: HashMap<usize, Worker>,
    disk: Option<Durability>,
    /// What the journal has not answered yet, oldest first.
    commits: VecDeque<(Instant, oneshot::Receiver<Committed>)>,
    shown: watch::Sender<Option<JsonText>>,
    home: Arc<OnceLock<Home>>,
}

impl<R: Rules> Room<R> {
    /// Its whole life, which begins on the current thread.
    async fn live(mut self, home: Option<u64>) {
        self.couriers.metrics().room_opened();
        let Some(home) = home else {
            return self.stay().await;
        };
        let couriers = self.couriers.clone();
        if self.run(couriers.first()).await
            && let Some(home) = self.home.get().cloned().or_else(|| couriers.choose(home))
        {
            home.run(move || self.stay()).await;
        }
    }

    /// The rest of its life, all of it on the current thread.
    async fn stay(mut self) {
        if let Some(home) = self.couriers.here() {
            let _ = self.home.set(home);
        }
        self.run(pending()).await;
    }

    /// Serves its members until nobody can come any more, or until it is to `move_out`; whether that
    /// was it.
    async fn run(&mut self, move_out: impl Future<Output = ()>) -> bool {
        let metrics = self.couriers.metrics().clone();
        let mut move_out = pin!(move_out);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut landed = false;
        loop {
            let mut out = Outgoing::default();
            // A disk that has the next answer at once, again and again, holds up neither.
            if std::mem::take(&mut landed) {
                if tick.tick().now_or_never().is_some() {
                    self.rules.tick(Now::read(), &mut out);
                    self.flush(&mut out).await;
                }
                if let Some(Some(request)) = self.questions.recv().now_or_never() {
                    self.rules.ask(request, Now::read(), &mut out);
                    self.flush(&mut out).await;
                }
            }
            tokio::select! {
                // What is durable goes out before more is taken in.
                biased;
                () = &mut move_out => return true,
                answer = next_commit(&mut self.commits) => {
                    landed = true;
                    let mut next = Some(answer);
                    // What became durable together goes out together.
                    while let Some(answer) = next {
                        self.conclude(answer, &mut out);
                        self.see_off(&mut out).await;
                        next = next_commit(&mut self.commits).now_or_never();
                    }
                    // What readers say upon being told shares the next sync with what waits for it.
                    self.carry_out(std::mem::take(&mut out)).await;
                    tokio::task::yield_now().await;
                    let next = self.inbox.recv().now_or_never().flatten();
                    self.take_in(next, &mut out).await;
                }
                // Both are few; members who never stop talking must not hold them up.
                _ = tick.tick() => self.rules.tick(Now::read(), &mut out),
                Some(request) = self.questions.recv() => {
                    self.rules.ask(request, Now::read(), &mut out);
                }
                command = self.inbox.recv() => {
                    if command.is_none() {
                        break;
                    }
                    self.take_in(command, &mut out).await;
                }
            }
            self.flush(&mut out).await;
        }
        metrics.room_closed();
        false
    }

    /// Takes in what has come together.
    async fn take_in(&mut self, mut next: Option<Command<R>>, out: &mut Outgoing) {
        let mut taken = 0;
        while let Some(command) = next {
            taken += self.apply(command, out).await;
            next = match taken < ROUND {
                true => self.inbox.recv().now_or_never().flatten(),
                false => None,
            };
        }
    }

    /// Does what has been put together.
    async fn flush(&mut self, out: &mut Outgoing) {
        self.rules.flush(Now::read(), out);
        self.carry_out(std::mem::take(out)).await;
    }

    /// Whoever has to go gets nothing of what follows.
    async fn see_off(&mut self, out: &mut Outgoing) {
        if !out.closed.is_empty() || !out.released.is_empty() {
            self.flush(out).await;
        }
    }

    /// The journal has answered.
    fn conclude(&mut self, (outcome, took): (Committed, Duration), out: &mut Outgoing) {
        if let Ok(commit) = &outcome {
            self.couriers.metrics().committed(took, commit.fsync);
        } else if self.commits.is_empty()
            && let Some(disk) = &self.disk
        {
            // What was built on it is taken back below.
            disk.committer.proceed();
        }
        let outcome = outcome.map(drop).map_err(|error| error.to_string());
        self.rules.committed(outcome, Now::read(), out);
    }

    /// Does what a connection wants; answers how many messages that was.
    async fn apply(&mut self, command: Command<R>, out: &mut Outgoing) -> usize {
        if let Command::Receive { from, messages } = command {
            let count = messages.len();
            for message in messages {
                // A member that has left says nothing any more.
                if self.routes.contains_key(&from) {
                    self.rules.receive(from, message, Now::read(), out);
                    self.see_off(out).await;
                }
                // Others of the thread get their turn.
                tokio::task::consume_budget().await;
            }
            return count;
        }
        // Whoever comes or goes now gets, or misses, only what follows.
        self.flush(out).await;
        match command {
            Command::Join {
                conn,
                guest,
                worker,
                deflates,
            } => self.admit(conn, guest, worker, deflates, out),
            Command::Alive { conn } => {
                if self.routes.contains_key(&conn) {
                    self.rules.alive(conn, Now::read(), out);
                }
            }
            Command::Leave { conn, lost } => {
                if self.forget(conn) {
                    if lost {
                        self.rules.lose(conn, Now::read(), out);
                    } else {
                        self.rules.leave(conn, Now::read(), out);
                    }
                }
            }
            Command::Receive { .. } => {}
        }
        self.see_off(out).await;
        1
    }

    fn admit(
        &mut self,
        conn: ConnId,
        guest: R::Guest,
        worker: usize,
        deflates: bool,
        out: &mut Outgoing,
    ) {
        let Some(courier) = self.couriers.worker(worker) else {
            return;
        };
        self.routes.insert(conn, (worker, deflates));
        self.deflaters += usize::from(deflates);
        let entry = self.workers.entry(worker).or_insert(Worker {
            members: 0,
            courier,
            round: Round::new(),
        });
        entry.members += 1;
        let groups = self.rules.group(&guest);
        entry.round.push(Parcel::Admit(self.id, conn, groups));
        self.rules.join(conn, guest, Now::read(), out);
    }

    /// Strikes a member off; answers whether there was one.
    fn forget(&mut self, conn: ConnId) -> bool {
        let Some((worker, deflates)) = self.routes.remove(&conn) else {
            return false;
        };
        self.deflaters -= usize::from(deflates);
        if self.deflaters == 0 {
            self.packers.clear();
        }
        if let Some(entry) = self.workers.get_mut(&worker) {
            entry.members -= 1;
            if entry.members == 0 {
                self.workers.remove(&worker);
            }
        }
        true
    }

    async fn carry_out(&mut self, out: Outgoing) {
        debug_assert!(self.disk.is_some() || out.journal.is_empty());
        for work in out.aside {
            drop(tokio::task::spawn_blocking(work));
        }
        if let Some(Durability { committer, .. }) = &self.disk {
            let answers = committer.take(out.journal);
            let now = Instant::now();
            self.commits
                .extend(answers.into_iter().map(|answer| (now, answer)));
        }
        if out.shown.is_some() {
            self.shown.send_replace(out.shown);
        }
        let keeper = self.disk.as_ref().and_then(|disk| disk.keeper.as_ref());
        if let (Some(document), Some(keeper)) = (out.document, keeper) {
            keeper.keep(document);
        }
        // First, so that nothing that a client says upon being told comes here.
        for conn in &out.released {
            self.post(*conn, Parcel::Hold(*conn));
        }
        let mut closed = out.closed.into_iter().peekable();
        for (sent, delivery) in out.deliveries.into_iter().enumerate() {
            while let Some(closing) = closed.next_if(|closing| closing.behind <= sent) {
                self.close(closing);
            }
            self.deliver(delivery);
        }
        for conn in out.probed {
            self.post(conn, Parcel::Probe(conn));
        }
        for closing in closed {
            self.close(closing);
        }
        self.send_off().await;
        for answer in out.answers {
            answer();
        }
        for conn in &out.released {
            self.post(*conn, Parcel::Release(*conn));
        }
        self.send_off().await;
        for conn in out.released {
            self.forget(conn);
        }
    }

    /// Sends each courier its round.
    async fn send_off(&mut self) {
        for worker in self.workers.values_mut() {
            if !worker.round.is_empty() {
                let _ = worker.courier.send(std::mem::take(&mut worker.round)).await;
            }
        }
    }

    fn close(&mut self, closing: Closing) {
        let Closing {
            conn, code, reason, ..
        } = closing;
        self.post(conn, Parcel::Close(conn, code, reason));
    }

    fn deliver(&mut self, delivery: Delivery) {
        let groups = match delivery.to {
            To::One(conn) => {
                let parcel = Parcel::Deliver(self.id, delivery, None);
                return self.post(conn, parcel);
            }
            To::Groups(groups) | To::But(groups, _) => groups,
        };
        let packed = self.pack(groups, &delivery);
        for worker in self.workers.values_mut() {
            let parcel = Parcel::Deliver(self.id, delivery.clone(), packed.clone());
            worker.round.push(parcel);
        }
    }

    /// State is compressed, once for all who take it so.
    fn pack(&mut self, groups: Groups, delivery: &Delivery) -> Option<Packed> {
        let worth = self.deflaters > 0
            && matches!(delivery.lane, Lane::State(_))
            && delivery.frame.bytes().len() >= WORTH_BYTES;
        if !worth {
            return None;
        }
        let packer = self.packers.entry(groups.0).or_insert_with(Packer::new);
        packer.pack(&delivery.frame)
    }

    fn post(&mut self, conn: ConnId, parcel: Parcel) {
        if let Some((worker, _)) = self.routes.get(&conn)
            && let Some(worker) = self.workers.get_mut(worker)
        {
            worker.round.push(parcel);
        }
    }
}

/// The journal's next answer and how long it took; for ever pending while none is due.
async fn next_commit(
    commits: &mut VecDeque<(Instant, oneshot::Receiver<Committed>)>,
) -> (Committed, Duration) {
    let Some((since, next)) = commits.front_mut() else {
        return pending().await;
    };
    let (answer, since) = (next.await, *since);
    commits.pop_front();
    let answer = answer.unwrap_or_else(|_| Err(CommitError::ended()));
    (answer, since.elapsed())
}

#[cfg(test)]
mod tests {
    use super::super::journal::sim::Sim;
    use super::super::{Groups, Journal, Journaling, start_courier};
    use super::*;
    use bytes::Bytes;
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::mpsc;
    use tokio::runtime::Builder;
    use tokio::task::{LocalSet, yield_now};

    /// Writes down what it hears, in one commit at a time. Whoever is told something says it again, in
    /// capitals, as a client does that waits for an answer.
    struct Scribe {
        waiting: Vec<String>,
        under_way: Vec<String>,
        commits: Arc<Mutex<Vec<String>>>,
        echo: Sender<Command<Scribe>>,
    }

    const AUTHOR: ConnId = ConnId(1);

    fn said(text: &str) -> Command<Scribe> {
        Command::Receive {
            from: AUTHOR,
            messages: vec![text.to_owned()],
        }
    }

    impl Rules for Scribe {
        type Guest = ();
        type Message = String;
        type Request = oneshot::Sender<()>;

        fn group(&self, (): &()) -> Groups {
            Groups::one(0)
        }

        fn join(&mut self, _: ConnId, (): (), _: Now, _: &mut Outgoing) {}

        fn receive(&mut self, _: ConnId, text: String, _: Now, _: &mut Outgoing) {
            self.waiting.push(text);
        }

        fn flush(&mut self, _: Now, out: &mut Outgoing) {
            if self.under_way.is_empty() && !self.waiting.is_empty() {
                self.under_way = std::mem::take(&mut self.waiting);
                let record = Bytes::from(self.under_way.concat());
                out.journal.push(Journaling::Append(vec![record]));
            }
        }

        fn leave(&mut self, _: ConnId, _: Now, _: &mut Outgoing) {}

        fn ask(&mut self, reply: oneshot::Sender<()>, _: Now, _: &mut Outgoing) {
            let _ = reply.send(());
        }

        fn committed(&mut self, outcome: Result<(), String>, _: Now, out: &mut Outgoing) {
            assert_eq!(outcome, Ok(()));
            let landed = std::mem::take(&mut self.under_way);
            self.commits.lock().unwrap().push(landed.concat());
            for text in landed {
                let echo = self.echo.clone();
                out.answers.push(Box::new(move || {
                    if text.chars().all(char::is_lowercase) {
                        let _ = echo.try_send(said(&text.to_uppercase()));
                    }
                }));
            }
        }

        fn tick(&mut self, _: Now, _: &mut Outgoing) {}
    }

    #[test]
    fn what_is_said_upon_news_shares_the_next_commit_with_what_waits() {
        let (journal, _) = Journal::open_on(Sim::default(), Path::new("/a.journal")).unwrap();
        let mut builder = Builder::new_current_thread();
        let runtime = builder
            .enable_all()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async {
            let couriers = Couriers::new(Arc::default());
            start_courier(&couriers);
            let commits = Arc::<Mutex<Vec<String>>>::default();
            let disk = Durability {
                committer: Committer::start(journal),
                keeper: None,
            };
            // Its own way in is only known once it is open.
            let (echo, mut echoes) = channel(8);
            let scribe = Scribe {
                waiting: Vec::new(),
                under_way: Vec::new(),
                commits: commits.clone(),
                echo,
            };
            let room = open_room(scribe, None, &couriers, Some(disk), None);
            let commands = room.commands.clone();
            tokio::task::spawn_local(async move {
                while let Some(command) = echoes.recv().await {
                    let _ = commands.send(command).await;
                }
            });
            // The disk does nothing until it is let go.
            let (release, held) = mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || held.recv());
            let join = Command::Join {
                conn: AUTHOR,
                guest: (),
                worker: 0,
                deflates: false,
            };
            for command in [join, said("a"), said("b")] {
                let _ = room.commands.send(command).await;
                // On its own, so that the first is under way when the second comes.
                while room.commands.capacity() < COMMANDS {
                    yield_now().await;
                }
                room.ask(|reply| reply).await.unwrap();
            }
            drop(release);
            while commits.lock().unwrap().concat().len() < 4 {
                yield_now().await;
            }
            assert_eq!(*commits.lock().unwrap(), ["a", "bA", "B"]);
        });
    }
}
