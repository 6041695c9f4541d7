//! All keys together, and the ways in.

use super::ask::Ask;
use super::census::Census;
use super::queues::Owner;
use super::rules::{BrokerRules, Caller, Request, Surroundings};
use super::switchboard::Switchboard;
use super::wire::{self, Wire};
use crate::access::{Attempt, Attempts, Client, Presence};
use crate::config::PeerJs;
use crate::error::{Error, Result};
use crate::live::{Bounds, CloseCode, Couriers, Manners, RoomHandle, Socket, open_room};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// What connections are held to.
pub const BOUNDS: Bounds = Bounds {
    control_bytes: 512 << 10,
    slow: CloseCode::TryLater,
    silent: Some(CloseCode::NoStatus),
};
/// How often a client is pinged, if it is not to be dropped sooner than that.
const PING: Duration = Duration::from_secs(15);

/// Whether the broker's socket is at this path, on whichever listener: the library asks at the path
/// that it is given with `peerjs` behind it, and both `/` and `/peerjs` are given.
pub fn is_mounted(path: &str) -> bool {
    matches!(path, "/peerjs" | "/peerjs/peerjs")
}

/// The ids of all keys.
pub struct Broker {
    settings: Arc<PeerJs>,
    /// By key. They are few.
    realms: Arc<[(String, RoomHandle<BrokerRules>)]>,
    connects: Attempts,
}

impl Broker {
    /// With nobody registered. Must run inside a runtime.
    ///
    /// `switchboard` and `presence` hear of everybody who is.
    pub fn new(
        settings: &PeerJs,
        couriers: &Couriers,
        switchboard: &Switchboard,
        presence: &Presence,
    ) -> Self {
        let around = Surroundings {
            settings: Arc::new(settings.clone()),
            metrics: couriers.metrics().clone(),
            switchboard: switchboard.clone(),
            census: Census::new(settings),
            presence: presence.clone(),
        };
        let open = |key: &String| {
            let rules = BrokerRules::new(around.clone());
            (key.clone(), open_room(rules, None, couriers, None, None))
        };
        let realms: Arc<[_]> = settings.keys.iter().map(open).collect();
        let rooms = realms.clone();
        switchboard.on_hang_up(move |hang_up| {
            let (rooms, hang_up) = (rooms.clone(), Arc::new(hang_up));
            actix_rt::spawn(async move {
                for (_, room) in &*rooms {
                    // A room that has ended has nobody to cut off.
                    let _ = room
                        .ask(|reply| Request::HangUp(hang_up.clone(), reply))
                        .await;
                }
            });
        });
        let burst = NonZeroU32::new(settings.max_per_address).unwrap_or(NonZeroU32::MIN);
        Self {
            realms,
            connects: Attempts::of(burst, settings.max_connects),
            settings: around.settings,
        }
    }

    /// Serves a connection until it ends. Whoever cannot be registered hears why, as a message: a
    /// refused handshake would say nothing to a browser.
    pub async fn serve(&self, socket: Socket, ask: Result<Ask, &'static str>, client: Client) {
        let alive = self.settings.alive_timeout;
        socket.set_manners(Manners {
            ping: PING.min(alive / 4),
            silence: alive,
            slow: "too slow",
        });
        let (room, owner) = match ask.and_then(|ask| self.find(ask, client)) {
            Ok(found) => found,
            Err(why) => {
                socket.send(&wire::error(why));
                return socket.close(CloseCode::NoStatus, "").await;
            }
        };
        let socket = socket.paced(self.settings.max_messages, CloseCode::Policy);
        let wire = Wire::new(&self.settings);
        socket.enter(room, Caller { owner, client }, wire).await;
    }

    fn find(
        &self,
        ask: Ask,
        client: Client,
    ) -> Result<(RoomHandle<BrokerRules>, Owner), &'static str> {
        let room = self.realm(&ask.key).ok_or("the key is not known here")?;
        let taken = self.connects.take(Attempt::PeerJs, client);
        taken.map_err(|_| "too many connections from this address: try again later")?;
        Ok((room.clone(), ask.owner))
    }

    fn realm(&self, key: &str) -> Option<&RoomHandle<BrokerRules>> {
        let found = self.realms.iter().find(|(known, _)| known == key);
        found.map(|(_, room)| room)
    }

    /// The settings.
    pub fn settings(&self) -> &PeerJs {
        &self.settings
    }

    /// Errors: `NotFound` when this is none of the keys.
    pub fn check_key(&self, key: &str) -> Result<()> {
        self.realm(key).map(drop).ok_or_else(no_such_key)
    }

    /// Whether somebody with this token is registered under this id.
    pub async fn holds(&self, key: &str, id: &str, token: &str) -> bool {
        let Some(room) = self.realm(key) else {
            return false;
        };
        let owner = Owner {
            id: id.into(),
            token: token.into(),
        };
        let held = room.ask(|reply| Request::Holds { owner, reply }).await;
        held.unwrap_or(false)
    }

    /// The ids that are registered under a key, sorted.
    ///
    /// Errors: `NotFound` when there is no such key, `Unavailable` while the server stops.
    pub async fn peers(&self, key: &str) -> Result<Vec<String>> {
        let room = self.realm(key).ok_or_else(no_such_key)?;
        room.ask(|reply| Request::Peers { reply }).await
    }
}

fn no_such_key() -> Error {
    Error::NotFound("Not Found".into())
}
