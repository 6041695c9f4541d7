//! Passwords of accounts and rooms: kept as argon2id, checked a few at a time behind everything else.

use super::checkers::{Checkers, Memory};
use crate::error::Error;
use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

/// Memory that one check takes, in KiB; and how often it goes over it.
const MEMORY_KIB: u32 = 19_456;
const ROUNDS: u32 = 2;
/// Most checks at the same time; on small machines fewer, so that half of the cores stay free.
const AT_ONCE: usize = 2;

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
    checkers: Arc<Checkers>,
    /// Which of the checkers' lanes is this queue's own.
    lane: usize,
    /// Those that wait or are being checked.
    under_way: Arc<AtomicUsize>,
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
            checkers: Arc::new(Checkers::new(at_once)),
            lane: 0,
            under_way: Arc::default(),
            queue,
        }
    }

    /// A further queue for the same checkers, who take from all in turn: who fills one neither closes
    /// the other nor holds it up.
    pub fn beside(&self, queue: usize) -> Self {
        Self {
            checkers: self.checkers.clone(),
            lane: self.checkers.another_lane(),
            under_way: Arc::default(),
            queue,
        }
    }

    /// How many may wait.
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// What to keep of a password (PHC string format, with a salt of its own).
    pub async fn hash(&self, password: String) -> Result<String, Busy> {
        self.run(move |_| hash_now(&password)).await?.ok_or(Busy)
    }

    /// Whether it is the password of which `kept` was made; compared in constant time.
    pub async fn is_right(&self, password: String, kept: String) -> Result<bool, Busy> {
        let check = move |memory: &mut Memory| is_right_now(&password, &kept, memory);
        self.run(check).await?.ok_or(Busy)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = Place::take(self)?;
        let (reply, outcome) = oneshot::channel();
        let job = Box::new(move |memory: &mut Memory| {
            // Who has gone meanwhile needs no answer.
            let done = (!reply.is_closed()).then(|| work(memory));
            drop(place);
            done.map(|done| reply.send(done));
        });
        self.checkers.take_on(self.lane, job);
        outcome.await.map_err(|_| Busy)
    }
}

fn is_right_now(password: &str, kept: &str, memory: &mut Memory) -> Option<bool> {
    let kept = PasswordHash::new(kept).ok()?;
    let (salt, right) = (kept.salt?, kept.hash?);
    let params = Params::try_from(&kept).ok()?;
    let blocks = params.block_count();
    let more = blocks.saturating_sub(memory.len());
    memory.try_reserve_exact(more).ok()?;
    memory.resize(blocks, Block::new());
    let algorithm = Algorithm::try_from(kept.algorithm.as_str()).ok()?;
    let version = Version::try_from(kept.version?).ok()?;
    let argon2 = Argon2::new(algorithm, version, params);
    let mut own = vec![0; right.len()];
    argon2
        .hash_password_into_with_memory(password.as_bytes(), &salt, &mut own, memory)
        .ok()?;
    Some(own.ct_eq(right.as_bytes()).into())
}

/// What to keep of a password, made here and now. Blocks for some 20 ms.
pub fn hash_now(password: &str) -> Option<String> {
    let hash = argon2()?.hash_password(password.as_bytes()).ok()?;
    Some(hash.to_string())
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, ROUNDS, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A place in the queue, or with a checker.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(of: &Passwords) -> Result<Self, Busy> {
        let place = Self(of.under_way.clone());
        if place.0.fetch_add(1, Ordering::Relaxed) >= of.queue + of.checkers.at_once() {
            return Err(Busy);
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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

    #[test]
    fn what_was_checked_before_does_not_matter() {
        let (one, other) = (hash_now("one").unwrap(), hash_now("other").unwrap());
        let mut memory = Memory::new();
        let mut is_right = |password, kept| is_right_now(password, kept, &mut memory);
        for _ in 0..2 {
            assert_eq!(is_right("one", &one), Some(true));
            assert_eq!(is_right("one", &other), Some(false));
            assert_eq!(is_right("other", &other), Some(true));
        }
        assert_eq!(is_right("one", "$argon2id$"), None);
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
