//! Passwords of rooms: kept as argon2id, checked two at a time.

use super::Refusal;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Memory that one check takes, in KiB; and how often it goes over it.
const MEMORY_KIB: u32 = 19_456;
const ROUNDS: u32 = 2;
/// Checks at the same time.
const AT_ONCE: usize = 2;

/// Makes and checks hashes, of which each takes 19 MiB for a moment.
pub struct Passwords {
    permits: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
}

impl Passwords {
    /// `queue`: how many may wait.
    pub fn new(queue: usize) -> Self {
        Self {
            permits: Semaphore::new(AT_ONCE),
            waiting: AtomicUsize::new(0),
            queue,
        }
    }

    /// What to keep of a password (PHC string format, with a salt of its own).
    pub async fn hash(&self, password: String) -> Result<String, Refusal> {
        let hash = move || {
            let hash = argon2()?.hash_password(password.as_bytes()).ok()?;
            Some(hash.to_string())
        };
        self.run(hash).await?.ok_or(Refusal::ServerBusy)
    }

    /// Whether it is the password of which `kept` was made; compared in constant time.
    pub async fn is_right(&self, password: String, kept: String) -> Result<bool, Refusal> {
        let check = move || {
            let kept = PasswordHash::new(&kept).ok()?;
            let outcome = argon2()?.verify_password(password.as_bytes(), &kept);
            Some(outcome.is_ok())
        };
        self.run(check).await?.ok_or(Refusal::ServerBusy)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = Place::take(self)?;
        let permit = self.permits.acquire().await;
        let _permit = permit.map_err(|_| Refusal::ServerBusy)?;
        drop(place);
        spawn_blocking(work).await.map_err(|_| Refusal::ServerBusy)
    }
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, ROUNDS, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A place in the queue.
struct Place<'a>(&'a Passwords);

impl<'a> Place<'a> {
    fn take(of: &'a Passwords) -> Result<Self, Refusal> {
        let place = Self(of);
        // Those that are being checked have a permit and no place.
        if of.waiting.fetch_add(1, Ordering::Relaxed) >= of.queue + of.permits.available_permits() {
            return Err(Refusal::ServerBusy);
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
    async fn beyond_the_queue_the_server_is_busy() {
        let passwords = Passwords::new(1);
        let mut asked: Vec<_> = (0..4)
            .map(|_| Box::pin(passwords.hash("x".into())))
            .collect();
        let outcomes = futures_util::future::join_all(asked.drain(..)).await;
        let busy = |outcome: &&Result<String, Refusal>| **outcome == Err(Refusal::ServerBusy);
        assert_eq!(outcomes.iter().filter(busy).count(), 1);
    }
}
