//! Passwords of accounts and rooms: kept as argon2id, checked a few at a time behind everything else.

use crate::error::Error;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::sync::{Semaphore, oneshot};

/// Memory that one check takes, in KiB; and how often it goes over it.
const MEMORY_KIB: u32 = 19_456;
const ROUNDS: u32 = 2;
/// Most checks at the same time; on small machines fewer, so that half of the cores stay free.
const AT_ONCE: usize = 2;
/// How much less than the rest of the server a check counts with the system's scheduler.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;

/// The hash of nobody's password. Checked where there is no other to check, so that a name that nobody
/// has takes as long as one that somebody has.
pub const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$dGFibGVrZWVwLW5vYm9keQ$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be checked: try again in a moment")]
pub struct Busy;

impl From<Busy> for Error {
    fn from(busy: Busy) -> Self {
        Self::Unavailable(busy.to_string())
    }
}

/// Makes and checks hashes, of which each takes 19 MiB for a moment.
pub struct Passwords {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
}

impl Passwords {
    /// `queue`: how many may wait.
    pub fn new(queue: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::with(AT_ONCE.min(cores / 2).max(1), queue)
    }

    fn with(at_once: usize, queue: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(at_once)),
            waiting: AtomicUsize::new(0),
            queue,
        }
    }

    /// A further queue for the same checkers: who fills one does not close the other.
    pub fn beside(&self, queue: usize) -> Self {
        Self {
            permits: self.permits.clone(),
            waiting: AtomicUsize::new(0),
            queue,
        }
    }

    /// How many may wait.
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// What to keep of a password (PHC string format, with a salt of its own).
    pub async fn hash(&self, password: String) -> Result<String, Busy> {
        self.run(move || hash_now(&password)).await?.ok_or(Busy)
    }

    /// Whether it is the password of which `kept` was made; compared in constant time.
    pub async fn is_right(&self, password: String, kept: String) -> Result<bool, Busy> {
        let check = move || {
            let kept = PasswordHash::new(&kept).ok()?;
            let outcome = argon2()?.verify_password(password.as_bytes(), &kept);
            Some(outcome.is_ok())
        };
        self.run(check).await?.ok_or(Busy)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = Place::take(self)?;
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Busy)?;
        drop(place);
        let (reply, outcome) = oneshot::channel();
        // A thread of its own, because only a thread as a whole can stand behind the others: starting
        // one costs a thousandth of a check. It keeps the permit also when nobody waits any more.
        let started = thread::Builder::new()
            .name("password".into())
            .spawn(move || {
                stand_behind();
                let _ = reply.send(work());
                drop(permit);
            });
        started.map_err(|_| Busy)?;
        outcome.await.map_err(|_| Busy)
    }
}

/// What to keep of a password, made here and now. Blocks for some 20 ms.
pub fn hash_now(password: &str) -> Option<String> {
    let hash = argon2()?.hash_password(password.as_bytes()).ok()?;
    Some(hash.to_string())
}

fn stand_behind() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, ROUNDS, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A place in the queue.
struct Place<'a>(&'a Passwords);

impl<'a> Place<'a> {
    fn take(of: &'a Passwords) -> Result<Self, Busy> {
        let place = Self(of);
        // Those that are being checked have a permit and no place.
        if of.waiting.fetch_add(1, Ordering::Relaxed) >= of.queue + of.permits.available_permits() {
            return Err(Busy);
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_and_known_again() {
        let passwords = Passwords::new(1);
        let kept = passwords.hash("open sesame".into()).await.unwrap();
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        let salt = kept.split('$').nth(4).unwrap();
        assert_eq!(salt.len(), 22, "16 bytes");
        let right = |text: &str| passwords.is_right(text.into(), kept.clone());
        assert_eq!(right("open sesame").await, Ok(true));
        assert_eq!(right("open sesam").await, Ok(false));
        assert_ne!(passwords.hash("open sesame".into()).await.unwrap(), kept);
    }

    #[tokio::test]
    async fn nobodys_password_is_checked_like_any_other_and_never_right() {
        let kept = PasswordHash::new(NOBODYS).unwrap();
        let own = hash_now("x").unwrap();
        let own = PasswordHash::new(&own).unwrap();
        assert_eq!(kept.algorithm, own.algorithm);
        assert_eq!(kept.version, own.version);
        assert_eq!(kept.params, own.params);
        let lengths = |hash: &PasswordHash| {
            let (salt, output) = (hash.salt.as_ref().unwrap(), hash.hash.as_ref().unwrap());
            (salt.len() / 16, output.len())
        };
        assert_eq!(lengths(&kept), lengths(&own));
        let passwords = Passwords::new(1);
        for text in ["", "x"] {
            let right = passwords.is_right(text.into(), NOBODYS.into()).await;
            assert_eq!(right, Ok(false));
        }
    }

    #[tokio::test]
    async fn beyond_the_queue_the_server_is_busy() {
        let passwords = Passwords::with(2, 1);
        let mut asked: Vec<_> = (0..4)
            .map(|_| Box::pin(passwords.hash("x".into())))
            .collect();
        let outcomes = join_all(asked.drain(..)).await;
        let busy = |outcome: &&Result<String, Busy>| **outcome == Err(Busy);
        assert_eq!(outcomes.iter().filter(busy).count(), 1);
    }

    #[tokio::test]
    async fn a_full_queue_does_not_close_the_one_beside_it() {
        let passwords = Passwords::with(1, 1);
        let other = passwords.beside(1);
        let first = join_all((0..3).map(|_| passwords.hash("x".into())));
        let (first, second) = tokio::join!(first, other.hash("y".into()));
        assert_eq!(first.iter().filter(|outcome| outcome.is_err()).count(), 1);
        assert!(second.is_ok());
    }
}
