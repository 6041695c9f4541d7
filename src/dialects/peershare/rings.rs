//! Rings wait for the offer that they are about: a call's ring and its offer travel on two sockets,
//! and a callee that answers before the offer has come sees nothing of the call.

use super::directory::Directory;
use super::rules::{Calls, Request, Ring};
use crate::dialects::peerjs::{Party, Switchboard};
use futures_util::FutureExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// How long a ring waits for its offer at most.
const PATIENCE: Duration = Duration::from_millis(950);
/// How long the offer, which is on its way then, gets in addition.
const HEAD_START: Duration = Duration::from_millis(50);
/// Rings that wait at the same time; further ones do not.
const MOST: usize = 10_000;

/// Holds rings back until the broker has passed the offer on.
pub struct Rings {
    switchboard: Switchboard,
    directory: Arc<Directory>,
    waiting: Arc<AtomicUsize>,
}

impl Rings {
    /// With none waiting.
    pub fn new(switchboard: Switchboard, directory: Arc<Directory>) -> Self {
        Self {
            switchboard,
            directory,
            waiting: Arc::default(),
        }
    }
}

impl Calls for Rings {
    fn hold(&self, ring: Ring) -> Option<Ring> {
        let Some(waiting) = Waiting::one_more(&self.waiting) else {
            return Some(ring);
        };
        let (switchboard, from, to) =
            (self.switchboard.clone(), ring.from.clone(), ring.to.clone());
        let mut offered = Box::pin(async move { switchboard.offered(&from, &to, PATIENCE).await });
        let known = (&mut offered).now_or_never();
        if known == Some(false) {
            return Some(ring);
        }
        let directory = self.directory.clone();
        actix_rt::spawn(async move {
            if known.is_none() {
                offered.await;
            }
            sleep(HEAD_START).await;
            if let Some(room) = directory.room(&ring.group) {
                let deliver = |done| Request::Ring { ring, done };
                let _ = room.ask(deliver).await;
            }
            drop(waiting);
        });
        None
    }

    fn hang_up(&self, target: Party, mates: Vec<Party>) {
        self.switchboard.hang_up(target, mates);
    }

    fn meet(&self, newcomer: &str, mates: &[&str]) {
        self.switchboard.meet(newcomer, mates);
    }
}

/// One of the rings that wait; given back when dropped.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn one_more(count: &Arc<AtomicUsize>) -> Option<Self> {
        // Taken first, so that the look and the count are one; given back by the end of `waiting`.
        let waiting = Self(count.clone());
        (count.fetch_add(1, Ordering::Relaxed) < MOST).then_some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
