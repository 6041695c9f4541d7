//! Guessing passwords and join keys takes ever longer; who knows them is not held up by others.

use super::{Digest, Refusal};
use crate::access::Client;
use crate::config::ChatLimits;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// After too many wrong passwords one waits so long, twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Unknown join keys are counted over so long, and one waits as long.
const KEY_WINDOW: Duration = Duration::from_secs(10 * 60);
/// Wrong passwords of one room are counted over so long.
const ROOM_WINDOW: Duration = Duration::from_secs(60 * 60);
/// Who has guessed nothing for so long is forgotten.
const MEMORY: Duration = Duration::from_secs(60 * 60);
/// So many are remembered; for a further one who guessed longest ago is forgotten.
const MOST: usize = 1 << 16;

/// Wrong guesses by address, in bounded memory.
pub struct Guesses {
    most_passwords: u32,
    most_keys: usize,
    // Locks for small maps, held for a look.
    passwords: Mutex<HashMap<(Client, Digest), Wrong<u32>>>,
    /// Which they were: a dead key that a whole club still has is one.
    keys: Mutex<HashMap<Client, Wrong<Vec<Digest>>>>,
}

/// Wrong guesses of one client.
struct Wrong<T> {
    guesses: T,
    first: Instant,
    last: Instant,
    until: Option<Instant>,
}

impl<T: Default> Wrong<T> {
    fn new(now: Instant) -> Self {
        Self {
            guesses: T::default(),
            first: now,
            last: now,
            until: None,
        }
    }

    fn check(&self, now: Instant) -> Result<(), Refusal> {
        match self.until {
            Some(until) if until > now => Err(too_often(until - now)),
            _ => Ok(()),
        }
    }

    fn is_old(&self, now: Instant) -> bool {
        let waits = self.until.is_some_and(|until| until > now);
        !waits && now.duration_since(self.last) > MEMORY
    }
}

/// "Too many requests", with the milliseconds to wait, rounded up.
pub fn too_often(wait: Duration) -> Refusal {
    let ms = wait.as_micros().div_ceil(1000);
    Refusal::RateLimited {
        retry_after_ms: u64::try_from(ms).unwrap_or(u64::MAX),
    }
}

impl Guesses {
    /// With nobody remembered.
    pub fn new(limits: &ChatLimits) -> Self {
        Self {
            most_passwords: limits.wrong_passwords.get(),
            most_keys: limits.wrong_keys.get() as usize,
            passwords: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    /// Whether this client may try a password of this room now.
    pub fn may_try_password(
        &self,
        client: Client,
        room: Digest,
        now: Instant,
    ) -> Result<(), Refusal> {
        let known = lock(&self.passwords);
        let wrong = known.get(&(client, room));
        wrong.map_or(Ok(()), |wrong| wrong.check(now))
    }

    /// It was wrong.
    pub fn wrong_password(&self, client: Client, room: Digest, now: Instant) {
        let mut known = lock(&self.passwords);
        let wrong = entry(&mut known, (client, room), now);
        wrong.last = now;
        wrong.guesses = wrong.guesses.saturating_add(1);
        if let Some(further) = wrong.guesses.checked_sub(self.most_passwords) {
            let wait = FIRST_WAIT.saturating_mul(1 << further.min(10));
            wrong.until = Some(now + wait.min(LONGEST_WAIT));
        }
    }

    /// It was right: all is forgotten.
    pub fn right_password(&self, client: Client, room: Digest) {
        lock(&self.passwords).remove(&(client, room));
    }

    /// No room has this join key. Answers what to say of it.
    pub fn wrong_key(&self, client: Client, key: Digest, now: Instant) -> Refusal {
        let mut known = lock(&self.keys);
        let wrong = entry(&mut known, client, now);
        if let Err(refusal) = wrong.check(now) {
            return refusal;
        }
        if now.duration_since(wrong.first) > KEY_WINDOW {
            *wrong = Wrong::new(now);
        }
        wrong.last = now;
        if !wrong.guesses.contains(&key) {
            wrong.guesses.push(key);
        }
        if wrong.guesses.len() >= self.most_keys {
            *wrong = Wrong {
                until: Some(now + KEY_WINDOW),
                ..Wrong::new(now)
            };
        }
        Refusal::RoomNotFound
    }
}

/// The guesses of `key`.
fn entry<K: Eq + Hash + Copy, T: Default>(
    known: &mut HashMap<K, Wrong<T>>,
    key: K,
    now: Instant,
) -> &mut Wrong<T> {
    if known.len() >= MOST && !known.contains_key(&key) {
        known.retain(|_, wrong| !wrong.is_old(now));
        // Nobody can be locked out by filling this up.
        let oldest = known.iter().min_by_key(|(_, wrong)| wrong.last);
        if let Some((oldest, _)) = oldest.filter(|_| known.len() >= MOST) {
            let oldest = *oldest;
            known.remove(&oldest);
        }
    }
    known.entry(key).or_insert_with(|| Wrong::new(now))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When wrong passwords came for one room, from anywhere, and who is trying one now.
pub struct RoomGuesses {
    most: usize,
    times: Mutex<VecDeque<Instant>>,
    /// Of those who try one or wait to.
    turns: Mutex<HashMap<Client, Arc<AsyncMutex<()>>>>,
}

/// Held while a password is tried.
pub type Turn = OwnedMutexGuard<()>;

impl RoomGuesses {
    /// None so far.
    pub fn new(limits: &ChatLimits) -> Self {
        Self {
            most: limits.room_wrong_passwords.get() as usize,
            times: Mutex::default(),
            turns: Mutex::default(),
        }
    }

    /// Waits until nobody else tries a password from this address: so each that is wrong counts before
    /// the next, however many come at once, and those that are right all come in.
    pub async fn turn(&self, client: Client) -> Turn {
        let turn = {
            let mut turns = lock(&self.turns);
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            turns.entry(client).or_default().clone()
        };
        turn.lock_owned().await
    }

    /// One more.
    pub fn wrong(&self, now: Instant) {
        let mut times = lock(&self.times);
        times.push_back(now);
        if times.len() > self.most {
            times.pop_front();
        }
    }

    /// Whether somebody is at work: then every password takes a while, and nobody is locked out.
    pub fn is_slow(&self, now: Instant) -> bool {
        let times = lock(&self.times);
        times.len() >= self.most
            && times
                .front()
                .is_some_and(|first| now.duration_since(*first) <= ROOM_WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use clap::Parser;
    use futures_util::FutureExt;

    fn limits() -> ChatLimits {
        Config::parse_from(["t"]).limits.chat
    }

    fn client(n: u32) -> Client {
        Client::V4(n.to_be_bytes())
    }

    const ROOM: Digest = [1; 32];

    fn wait(outcome: Result<(), Refusal>) -> u64 {
        match outcome {
            Ok(()) | Err(Refusal::RoomNotFound) => 0,
            Err(Refusal::RateLimited { retry_after_ms }) => retry_after_ms / 1000,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn wrong_passwords_wait_longer_and_longer() {
        let guesses = Guesses::new(&limits());
        let mut now = Instant::now();
        let may = |who, now| wait(guesses.may_try_password(client(who), ROOM, now));
        for _ in 0..5 {
            assert_eq!(may(1, now), 0);
            guesses.wrong_password(client(1), ROOM, now);
        }
        for seconds in [30, 60, 120, 240, 480, 900, 900] {
            assert_eq!(may(1, now), seconds);
            // Others are not held up, nor is this one elsewhere.
            assert_eq!(may(2, now), 0);
            let elsewhere = guesses.may_try_password(client(1), [2; 32], now);
            assert_eq!(elsewhere, Ok(()));
            now += Duration::from_secs(seconds);
            assert_eq!(may(1, now), 0);
            guesses.wrong_password(client(1), ROOM, now);
        }
        now += LONGEST_WAIT;
        guesses.right_password(client(1), ROOM);
        for _ in 0..4 {
            guesses.wrong_password(client(1), ROOM, now);
        }
        assert_eq!(may(1, now), 0);
    }

    #[tokio::test]
    async fn an_address_tries_one_password_of_a_room_at_a_time() {
        let room = RoomGuesses::new(&limits());
        let first = room.turn(client(1)).await;
        let mut second = Box::pin(room.turn(client(1)));
        assert!((&mut second).now_or_never().is_none());
        // Others are not held up.
        assert!(room.turn(client(2)).now_or_never().is_some());
        drop(first);
        let second = second.now_or_never().unwrap();
        assert!(room.turn(client(1)).now_or_never().is_none());
        drop(second);
        // Nobody is remembered for it.
        assert!(room.turn(client(3)).now_or_never().is_some());
        assert_eq!(lock(&room.turns).len(), 1);
    }

    #[test]
    fn unknown_keys_are_counted_over_ten_minutes() {
        let guesses = Guesses::new(&limits());
        let start = Instant::now();
        let told = |who, n, now| wait(Err(guesses.wrong_key(client(who), [n; 32], now)));
        for n in 0..19 {
            assert_eq!(told(1, n, start), 0);
        }
        let later = start + KEY_WINDOW + Duration::from_secs(1);
        for n in 0..20 {
            assert_eq!(told(1, n, later), 0);
        }
        assert_eq!(told(1, 20, later), 600);
        assert_eq!(told(2, 20, later), 0);
        assert_eq!(told(1, 20, later + KEY_WINDOW), 0);
    }

    #[test]
    fn a_dead_key_is_one_however_often_it_is_tried() {
        let guesses = Guesses::new(&limits());
        let now = Instant::now();
        let told = |n| guesses.wrong_key(client(1), [n; 32], now);
        for _ in 0..100 {
            assert_eq!(told(0), Refusal::RoomNotFound);
        }
        for n in 1..20 {
            assert_eq!(told(n), Refusal::RoomNotFound);
        }
        assert_eq!(wait(Err(told(0))), 600);
    }

    #[test]
    fn a_room_under_attack_is_slow_for_an_hour() {
        let room = RoomGuesses::new(&limits());
        let now = Instant::now();
        for _ in 0..99 {
            room.wrong(now);
        }
        assert!(!room.is_slow(now));
        room.wrong(now);
        assert!(room.is_slow(now));
        assert!(!room.is_slow(now + ROOM_WINDOW + Duration::from_secs(1)));
    }

    #[test]
    fn however_many_guess_memory_is_bounded() {
        let guesses = Guesses::new(&limits());
        let now = Instant::now();
        for n in 0..(MOST as u32 + 10) {
            guesses.wrong_key(client(n), ROOM, now);
            guesses.wrong_password(client(n), ROOM, now);
        }
        assert_eq!(lock(&guesses.keys).len(), MOST);
        assert_eq!(lock(&guesses.passwords).len(), MOST);
        let later = now + MEMORY * 2;
        guesses.wrong_key(client(u32::MAX), ROOM, later);
        assert_eq!(lock(&guesses.keys).len(), 1);
    }
}
