//! PeerShare's groups: who is in a call with whom, in both of its versions.
//!
//! A connection is in no group ([`serve_peershare`]) or in one (a room of the live side with
//! [`GroupRules`]), and goes from one to the other as often as it likes. What keeps a group alive, and
//! an id somebody's, are values that are given back when they are dropped ([`directory`]): however a
//! connection ends, nothing of it stays behind. Ids are the same for both versions, so their clients
//! meet in one group; [`ids`] writes them as each has them.
//!
//! What is said in a call goes from browser to browser, by way of the broker ([`super::peerjs`]).
//! Nothing is kept on disk.

mod directory;
mod ids;
mod issue;
mod names;
mod refusal;
mod rings;
mod routes;
mod rules;
mod say;
mod speaker;
mod wire;

pub use directory::Directory;
pub use ids::{GROUP_ID_CHARS, GroupId, Version};
pub use refusal::Refusal;
pub use routes::{Card, SignalingHealth, not_found, port_routes, routes, send_card};
pub use rules::{GroupRules, Guest, Message, Request};
pub use speaker::REFUSED_AT_ONCE;
pub use wire::{GROUP_NAME_CHARS, NAME_CHARS, PEER_ID_CHARS, REASON_CHARS, is_peershare};

use self::directory::{Founding, Owner};
use self::rings::Rings;
use self::rules::Surroundings;
use self::say::Say;
use self::speaker::{Outcome, Speaker, TOO_MUCH};
use super::peerjs::Switchboard;
use crate::access::{Attempt, Attempts, Client, Presence};
use crate::config::{self, MayCreate};
use crate::live::{Bounds, CloseCode, Couriers, Manners, Now, RoomHandle, Said, Socket, open_room};
use bytes::Bytes;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;
use uuid::Uuid;

/// What connections are held to.
pub const BOUNDS: Bounds = Bounds {
    control_bytes: QUEUE_BYTES,
    slow: CloseCode::TryLater,
    silent: None,
};
/// Bytes of messages that may wait for one client.
pub const QUEUE_BYTES: usize = 256 << 10;

/// Goes into the pages of PeerShare's client: it leads what is for the public PeerJS broker to the one
/// of this server, which the client's build cannot be told.
pub const REDIRECT: &str = concat!("<script>", include_str!("redirect.js"), "</script>");

/// All groups, and what it takes to create and to join them.
pub struct Signaling {
    settings: config::PeerShare,
    directory: Arc<Directory>,
    around: Surroundings,
    couriers: Couriers,
    presence: Presence,
    creations: Attempts,
    connects: Attempts,
    owners: AtomicU64,
    started: Instant,
}

/// Who speaks.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// Which version.
    pub version: Version,
    /// From where.
    pub client: Client,
    /// Whether it is the GM.
    pub is_gm: bool,
}

/// The way into a group where a place is kept.
pub struct Entering {
    group: GroupId,
    room: RoomHandle<GroupRules>,
    guest: Guest,
}

impl Signaling {
    /// Without groups. `switchboard`: what is known of the broker.
    ///
    /// `presence`: where members are counted.
    pub fn new(
        settings: config::PeerShare,
        couriers: Couriers,
        switchboard: Switchboard,
        presence: Presence,
    ) -> Self {
        let metrics = couriers.metrics().clone();
        let directory = Directory::new(&settings, metrics.clone());
        let around = Surroundings {
            calls: Arc::new(Rings::new(switchboard, directory.clone())),
            directory: directory.clone(),
            metrics,
            stopping: Arc::default(),
        };
        let (rate, max_connects) = (settings.creates_per_minute, settings.max_connects);
        let burst = u32::try_from(settings.sockets_per_address).unwrap_or(u32::MAX);
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        Self {
            settings,
            directory,
            around,
            couriers,
            presence,
            creations: Attempts::of(rate, rate),
            connects: Attempts::of(burst, max_connects),
            owners: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// The server stops: nobody is told that anybody has left.
    pub fn stop(&self) {
        let stopping: &AtomicBool = &self.around.stopping;
        stopping.store(true, Ordering::Relaxed);
    }

    fn next_owner(&self) -> Owner {
        Owner(self.owners.fetch_add(1, Ordering::Relaxed))
    }

    fn manners(&self) -> Manners {
        Manners {
            ping: self.settings.heartbeat,
            // Whoever has not answered one ping when the next would go out.
            silence: self.settings.heartbeat.saturating_mul(2),
            ..Manners::default()
        }
    }

    fn may_create(&self, visitor: Visitor) -> bool {
        visitor.is_gm || self.settings.create == MayCreate::Anyone
    }

    fn open(&self, id: &GroupId, name: Arc<str>) -> RoomHandle<GroupRules> {
        let rules = GroupRules::new(id.clone(), name, self.around.clone());
        // Spread over the threads, whoever creates it.
        let home = Some(Uuid::new_v4().as_u64_pair().0);
        open_room(rules, None, &self.couriers, None, home)
    }

    fn create(
        &self,
        name: String,
        username: String,
        user: Uuid,
        owner: Owner,
        visitor: Visitor,
    ) -> Result<Entering, Refusal> {
        if !self.may_create(visitor) {
            return Err(Refusal::Forbidden);
        }
        let founding = self.founding(name.into(), visitor)?;
        let group = GroupId::random();
        let open = |name| self.open(&group, name);
        let (room, seat) = self.directory.seat(&group, Some(founding), open)?;
        let guest = Guest {
            client: visitor.client,
            present: self.presence.enter(visitor.client),
            seat,
            owner,
            user,
            name: username,
            peer: None,
            version: visitor.version,
            creates: true,
        };
        Ok(Entering { group, room, guest })
    }

    fn join(
        &self,
        group: &GroupId,
        username: String,
        peer: Option<&str>,
        user: Uuid,
        owner: Owner,
        visitor: Visitor,
    ) -> Result<Entering, Refusal> {
        let creates = visitor.version == Version::Newest
            && self.settings.auto_create
            && self.may_create(visitor);
        let founding = match creates && self.directory.look(group).is_none() {
            true => Some(self.founding(group.default_name().into(), visitor)?),
            false => None,
        };
        let open = |name| self.open(group, name);
        let (room, seat) = self.directory.seat(group, founding, open)?;
        let claim = peer.map(|peer| self.directory.claim(peer, owner));
        let guest = Guest {
            client: visitor.client,
            present: self.presence.enter(visitor.client),
            seat,
            owner,
            user,
            name: username,
            peer: claim.transpose()?,
            version: visitor.version,
            creates: false,
        };
        Ok(Entering {
            group: group.clone(),
            room,
            guest,
        })
    }

    fn founding(&self, name: Arc<str>, visitor: Visitor) -> Result<Founding, Refusal> {
        let taken = self.creations.take(Attempt::OpenRoom, visitor.client);
        taken.map_err(|error| Refusal::of(&error))?;
        Ok(Founding {
            name,
            created_ms: Now::read().unix_ms,
            creator: visitor.client,
        })
    }
}

/// Serves a connection until it ends. `first`: what it has said already.
pub async fn serve_peershare(
    mut socket: Socket,
    mut first: Option<Bytes>,
    visitor: Visitor,
    signaling: Arc<Signaling>,
) {
    let taken = signaling.connects.take(Attempt::PeerShare, visitor.client);
    if taken.is_err() {
        let reason = "too many connections from this address: try again later";
        return socket.close(CloseCode::TryLater, reason).await;
    }
    let Ok(_place) = signaling.directory.connect(visitor.client) else {
        let reason = "too many connections from this address";
        return socket.close(CloseCode::TryLater, reason).await;
    };
    socket.set_manners(signaling.manners());
    socket.set_max_frame(signaling.settings.max_message);
    let mut speaker = Speaker::new(signaling.clone(), visitor);
    if visitor.version == Version::Newest {
        let user_id = ids::user_text(speaker.user(), visitor.version);
        let hello = Say::ConnectionEstablished { user_id };
        socket.send(&hello.frame(Now::read().unix_ms));
    }
    let mut next = None;
    loop {
        let entering = match next.take() {
            Some(entering) => entering,
            None => {
                let idle = Duration::from_secs(signaling.settings.idle.into());
                let until = Instant::now() + idle;
                match wait_for_group(socket, first.take(), &mut speaker, until).await {
                    Some((waited, entering)) => {
                        socket = waited;
                        entering
                    }
                    None => return,
                }
            }
        };
        speaker.sit_down(&entering);
        let let_go = socket
            .visit(entering.room, entering.guest, &mut speaker)
            .await;
        let Some(let_go) = let_go else { return };
        socket = let_go;
        next = speaker.stand_up();
    }
}

/// Serves a connection that is in no group. `None`: it has ended.
async fn wait_for_group(
    mut socket: Socket,
    mut first: Option<Bytes>,
    speaker: &mut Speaker,
    until: Instant,
) -> Option<(Socket, Entering)> {
    loop {
        let text = match first.take() {
            Some(text) => text,
            None => match timeout_at(until.into(), socket.hear()).await {
                Ok(said) => match said? {
                    Said::Text(bytes) | Said::Binary(bytes) => bytes,
                },
                Err(_) => {
                    socket.close(CloseCode::TryLater, "in no group").await;
                    return None;
                }
            },
        };
        match speaker.hear(text) {
            Outcome::Say(frame) => socket.send(&frame),
            Outcome::Move(Some(entering)) => return Some((socket, entering)),
            Outcome::Move(None) | Outcome::Group(_) | Outcome::Nothing => {}
            Outcome::Close => {
                socket.close(CloseCode::Policy, TOO_MUCH).await;
                return None;
            }
        }
    }
}
