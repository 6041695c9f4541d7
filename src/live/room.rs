//! One room: a task that owns its rules and its members.

use super::courier::{Parcel, RoomId};
use super::{ConnId, Couriers, Keeper, Member, Outgoing, Rules, To};
use crate::error::{Error, Result};
use crate::json::JsonText;
use crate::model::MapMove;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{oneshot, watch};

/// Messages that may wait for the room; further senders wait.
const COMMANDS: usize = 1024;

pub(super) enum Command<M> {
    Join { member: Member, worker: usize },
    Receive { from: ConnId, message: M },
    Leave { conn: ConnId },
}

/// A fact from REST, for whichever dialect the room speaks.
enum Fact {
    MapMoved {
        map_move: MapMove,
        reply: oneshot::Sender<bool>,
    },
}

/// The way into a room for one dialect's connections. Cloning is cheap.
pub struct RoomHandle<M> {
    pub(super) commands: Sender<Command<M>>,
}

impl<M> Clone for RoomHandle<M> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
        }
    }
}

/// The way to the table for the libraries: facts in, the document out.
#[derive(Clone)]
pub struct TableHandle {
    facts: Sender<Fact>,
    document: watch::Receiver<Option<JsonText>>,
    keeper: Keeper,
}

impl TableHandle {
    /// The table's scene as it is now.
    pub fn document(&self) -> Option<JsonText> {
        self.document.borrow().clone()
    }

    /// Lets the table follow a map and tells everyone. Returns whether the table's scene showed it.
    pub async fn map_moved(&self, map_move: MapMove) -> Result<bool> {
        let stopping = || Error::Unavailable("the server is shutting down".into());
        let (reply, answer) = oneshot::channel();
        let fact = Fact::MapMoved { map_move, reply };
        self.facts.send(fact).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }

    /// Waits until the table's scene is on disk.
    pub async fn flush(&self) -> Result<()> {
        self.keeper.flush().await
    }
}

/// Starts a room on the current thread's runtime. It ends when its handles are dropped.
///
/// `document` is what the table shows at first; changes are handed to `keeper`.
pub fn open_room<R: Rules>(
    rules: R,
    document: Option<JsonText>,
    couriers: Couriers,
    keeper: Keeper,
) -> (RoomHandle<R::Message>, TableHandle) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (commands, inbox) = channel(COMMANDS);
    let (facts, fact_inbox) = channel(16);
    let (shown, document) = watch::channel(document);
    let room = Room {
        id: RoomId(NEXT.fetch_add(1, Ordering::Relaxed)),
        rules,
        couriers,
        routes: HashMap::new(),
        workers: HashMap::new(),
        shown,
        keeper: keeper.clone(),
    };
    actix_rt::spawn(room.run(inbox, fact_inbox));
    let table = TableHandle {
        facts,
        document,
        keeper,
    };
    (RoomHandle { commands }, table)
}

struct Room<R> {
    id: RoomId,
    rules: R,
    couriers: Couriers,
    /// Which worker holds a member's socket.
    routes: HashMap<ConnId, usize>,
    /// The workers that hold members: how many, and the way there.
    workers: HashMap<usize, (usize, Sender<Parcel>)>,
    shown: watch::Sender<Option<JsonText>>,
    keeper: Keeper,
}

impl<R: Rules> Room<R> {
    async fn run(mut self, mut inbox: Receiver<Command<R::Message>>, mut facts: Receiver<Fact>) {
        loop {
            let mut out = Outgoing::default();
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.apply(command, &mut out).await,
                    None => return,
                },
                Some(fact) = facts.recv() => {
                    let Fact::MapMoved { map_move, reply } = fact;
                    let changed = self.rules.map_moved(&map_move, &mut out);
                    self.publish(&mut out);
                    let _ = reply.send(changed);
                }
            }
            self.publish(&mut out);
            self.deliver(out).await;
        }
    }

    async fn apply(&mut self, command: Command<R::Message>, out: &mut Outgoing) {
        match command {
            Command::Join { member, worker } => {
                let Some(courier) = self.couriers.worker(worker) else {
                    return;
                };
                self.routes.insert(member.conn, worker);
                let entry = self.workers.entry(worker).or_insert((0, courier));
                entry.0 += 1;
                let _ = entry.1.send(Parcel::Admit(self.id, member.conn)).await;
                self.rules.join(member, out);
            }
            Command::Receive { from, message } => {
                // A member that has left says nothing any more.
                if self.routes.contains_key(&from) {
                    self.rules.receive(from, message, Instant::now(), out);
                }
            }
            Command::Leave { conn } => {
                if let Some(worker) = self.routes.remove(&conn) {
                    self.rules.leave(conn);
                    if let Some(entry) = self.workers.get_mut(&worker) {
                        entry.0 -= 1;
                        if entry.0 == 0 {
                            self.workers.remove(&worker);
                        }
                    }
                }
            }
        }
    }

    fn publish(&mut self, out: &mut Outgoing) {
        if let Some(document) = out.document.take() {
            self.keeper.keep(document.clone());
            self.shown.send_replace(Some(document));
        }
    }

    async fn deliver(&self, out: Outgoing) {
        for (to, lane, frame) in out.deliveries {
            let parcel = Parcel::Deliver(self.id, to, lane, frame);
            match to {
                To::One(conn) => self.post(conn, parcel).await,
                To::All | To::AllBut(_) => {
                    for (_, courier) in self.workers.values() {
                        let _ = courier.send(parcel.clone()).await;
                    }
                }
            }
        }
    }

    async fn post(&self, conn: ConnId, parcel: Parcel) {
        let courier = self
            .routes
            .get(&conn)
            .and_then(|worker| self.workers.get(worker));
        if let Some((_, courier)) = courier {
            let _ = courier.send(parcel).await;
        }
    }
}
