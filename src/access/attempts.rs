//! Guessing takes time: attempts are counted per address.

use super::SocketAddrs;
use crate::error::{Error, Result};
use actix_web::HttpRequest;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::{HashMapStateStore, ShrinkableKeyedStateStore};
use governor::{Quota, RateLimiter};
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::sleep_until;

/// Attempts that may follow each other at once.
const BURST: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
/// Attempts per minute, after that.
pub const ATTEMPTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
/// Addresses that are remembered; each is forgotten after a minute without an attempt. Further
/// ones share one count.
const MAX_CLIENTS: usize = 1 << 16;
/// Addresses that are answered late at the same time; further ones only wait when they are wrong.
const MAX_LATE: usize = 1 << 12;
/// How many attempts lie between two looks for what can be forgotten.
const SWEEP: usize = 1 << 10;

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// An IPv4 address.
    V4([u8; 4]),
    /// The first half of an IPv6 address: a household has all the addresses below it.
    V6([u8; 8]),
    /// A browser that has signed in before. It has a count of its own, so that nobody who shares
    /// its address (behind one proxy, all do) can use up its attempts.
    Device([u8; 16]),
    /// The same of an account: browsers in which that account has signed in before.
    Account(u64),
    /// Whoever tries a password of this name; a hash of it.
    Name(u64),
    /// All those whom there is no room to tell apart.
    Others,
}

impl Client {
    /// Whoever sends this request, by its connection's address.
    pub fn of_request(req: &HttpRequest) -> Self {
        let addrs = req.conn_data::<SocketAddrs>().copied();
        Self::of(addrs.unwrap_or_else(SocketAddrs::unknown))
    }

    /// By the address of the connection. What a proxy says of its visitors is not believed: it may
    /// come from the visitor.
    pub fn of(addrs: SocketAddrs) -> Self {
        match addrs.peer.ip().to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// What is tried. Counted apart, so that mistyped table codes do not cost the GM a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// The GM's password.
    SignIn,
    /// A table's code.
    Join,
    /// The password of an account.
    Login,
    /// The number that a display shows.
    Pair,
    /// The code of a room that anybody may open; only wrong ones are counted.
    RoomCode,
    /// Opening such a room.
    OpenRoom,
    /// Making, joining or looking at a chat room.
    ChatRoom,
    /// Logging in by name alone.
    LogIn,
    /// Asking where a room is.
    FindRoom,
    /// A connection to the PeerJS broker.
    PeerJs,
    /// A connection of PeerShare.
    PeerShare,
    /// Credentials for a TURN server.
    Ice,
}

/// How long somebody who has guessed too often waits at most for an answer: less than the 40 s after
/// which a connection that nobody has listened to counts as gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// Guessing where right guesses are free, as many people may join from one address: only the wrong
/// ones count, and who has made too many of them is answered late, right or wrong.
#[derive(Default)]
pub struct Guesses {
    attempts: Attempts,
    late: Late,
}

impl Guesses {
    /// Makes one guess. `look` finds what was meant; it is asked once, or never when too many others
    /// of this client wait.
    pub async fn guess<T>(&self, client: Client, look: impl FnOnce() -> Option<T>) -> Option<T> {
        if self.late.contains(client) {
            return if self.turn(client).await {
                look()
            } else {
                None
            };
        }
        let found = look();
        if found.is_none() {
            self.turn(client).await;
        }
        found
    }

    /// Waits until one more wrong guess is fine. Whether that came in time.
    async fn turn(&self, client: Client) -> bool {
        let end = Instant::now() + PATIENCE;
        while let Err(error) = self.attempts.take(Attempt::RoomCode, client) {
            let Error::TooManyAttempts { wait_seconds } = error else {
                return false;
            };
            let until = Instant::now() + Duration::from_secs(wait_seconds);
            self.late.remember(client, until);
            sleep_until(until.min(end).into()).await;
            if until >= end {
                return false;
            }
        }
        true
    }
}

/// Until when a client is answered late. A lock for a small map, held for a look.
#[derive(Default)]
struct Late(Mutex<HashMap<Client, Instant>>);

impl Late {
    fn contains(&self, client: Client) -> bool {
        let late = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        late.get(&client)
            .is_some_and(|until| *until > Instant::now())
    }

    fn remember(&self, client: Client, until: Instant) {
        let mut late = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if late.len() >= MAX_LATE {
            let now = Instant::now();
            late.retain(|_, until| *until > now);
        }
        if late.len() < MAX_LATE {
            late.insert(client, until);
        }
    }
}

/// Wrong ones that come for one thing from anywhere, such as passwords for one name: when there are too
/// many, all who try take longer for a while, and nobody is locked out.
pub struct Wrongs {
    attempts: Attempts,
    late: Late,
}

impl Wrongs {
    /// So many at once, and so many per minute, are nothing special.
    pub fn of(burst: NonZeroU32, per_minute: NonZeroU32) -> Self {
        Self {
            attempts: Attempts::of(burst, per_minute),
            late: Late::default(),
        }
    }

    /// Whether there were too many just now.
    pub fn is_slow(&self, of: Client) -> bool {
        self.late.contains(of)
    }

    /// One more.
    pub fn wrong(&self, attempt: Attempt, of: Client) {
        if let Err(Error::TooManyAttempts { wait_seconds }) = self.attempts.take(attempt, of) {
            let until = Instant::now() + Duration::from_secs(wait_seconds);
            self.late.remember(of, until);
        }
    }
}

/// Counts attempts; bounded in memory.
pub struct Attempts<C: Clock = DefaultClock> {
    limiter: RateLimiter<Key, Counts, C, NoOpMiddleware<C::Instant>>,
    counts: Counts,
    /// After which time one more is fine.
    interval: Nanos,
    clock: C,
    taken: AtomicUsize,
}

type Key = (Attempt, Client);

/// What the limiter knows of each client, shared with it: it cannot give anything back itself.
#[derive(Clone, Default)]
struct Counts(Arc<HashMapStateStore<Key>>);

impl StateStore for Counts {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, f: F) -> std::result::Result<T, E>
    where
        F: Fn(Option<Nanos>) -> std::result::Result<(T, Nanos), E>,
    {
        self.0.measure_and_replace(key, f)
    }
}

impl ShrinkableKeyedStateStore<Key> for Counts {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        ShrinkableKeyedStateStore::shrink_to_fit(&*self.0);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl Attempts {
    /// With limits of its own: so many at once, and so many per minute after that.
    pub fn of(burst: NonZeroU32, per_minute: NonZeroU32) -> Self {
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        Self::with(quota, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Attempts<C> {
    fn new(clock: C) -> Self {
        let quota = Quota::per_minute(ATTEMPTS_PER_MINUTE).allow_burst(BURST);
        Self::with(quota, clock)
    }

    fn with(quota: Quota, clock: C) -> Self {
        let counts = Counts::default();
        Self {
            limiter: RateLimiter::new(quota, counts.clone(), clock.clone()),
            counts,
            interval: quota.replenish_interval().into(),
            clock,
            taken: AtomicUsize::new(0),
        }
    }

    /// Takes one attempt, before it is known how it ends: many at once cannot slip through.
    ///
    /// Errors: `TooManyAttempts`.
    pub fn take(&self, attempt: Attempt, client: Client) -> Result<()> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let known = matches!(client, Client::Device(_) | Client::Account(_));
        let full = self.limiter.len() >= MAX_CLIENTS && !known;
        let client = if full { Client::Others } else { client };
        self.limiter.check_key(&(attempt, client)).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            // Whole seconds, rounded up: whoever waits that long is served.
            let wait = wait
                .saturating_add(Duration::from_millis(999))
                .as_secs()
                .max(1);
            Error::TooManyAttempts { wait_seconds: wait }
        })
    }

    /// Gives back what was taken, once it is known that it was right: many people may come from one
    /// address, and only failing is slowed down. Those whom there is no room to tell apart get nothing
    /// back.
    pub fn give_back(&self, attempt: Attempt, client: Client) {
        let key = (attempt, client);
        if !self.counts.0.lock().contains_key(&key) {
            return;
        }
        // The limiter keeps for each client the time at which nothing is taken any more.
        let earlier = |free: Option<Nanos>| {
            let free = free.map_or(0, Nanos::as_u64);
            Ok::<_, ()>(((), free.saturating_sub(self.interval.as_u64()).into()))
        };
        let _ = self.counts.measure_and_replace(&key, earlier);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn client(ip: &str) -> Client {
        Client::of(SocketAddrs {
            peer: std::net::SocketAddr::new(ip.parse().unwrap(), 1),
            ..SocketAddrs::unknown()
        })
    }

    fn wait(outcome: Result<()>) -> u64 {
        match outcome {
            Ok(()) => 0,
            Err(Error::TooManyAttempts { wait_seconds }) => wait_seconds,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn guessing_is_slowed_down_and_nobody_else_is() {
        let clock = FakeRelativeClock::default();
        let attempts = Attempts::new(clock.clone());
        let (guesser, gm) = (client("192.0.2.1"), client("192.0.2.2"));
        for _ in 0..BURST.get() {
            attempts.take(Attempt::SignIn, guesser).unwrap();
        }
        assert_eq!(wait(attempts.take(Attempt::SignIn, guesser)), 6);
        attempts.take(Attempt::SignIn, gm).unwrap();
        attempts.take(Attempt::Join, guesser).unwrap();
        attempts
            .take(Attempt::SignIn, Client::Device([1; 16]))
            .unwrap();
        clock.advance(Duration::from_millis(4500));
        assert_eq!(wait(attempts.take(Attempt::SignIn, guesser)), 2);
        clock.advance(Duration::from_secs(2));
        attempts.take(Attempt::SignIn, guesser).unwrap();
        assert!(attempts.take(Attempt::SignIn, guesser).is_err());
    }

    #[test]
    fn what_was_right_costs_nothing_and_hides_nothing_that_was_wrong() {
        let attempts = Attempts::new(FakeRelativeClock::default());
        let (group, other) = (client("192.0.2.1"), client("192.0.2.2"));
        for _ in 0..100 {
            attempts.take(Attempt::Join, group).unwrap();
            attempts.give_back(Attempt::Join, group);
        }
        for _ in 0..BURST.get() {
            attempts.take(Attempt::Join, group).unwrap();
            // As many at once as may be wrong, however many of them turn out right.
            attempts.take(Attempt::SignIn, group).unwrap();
        }
        assert!(attempts.take(Attempt::SignIn, group).is_err());
        assert!(attempts.take(Attempt::Join, group).is_err());
        attempts.give_back(Attempt::SignIn, group);
        attempts.take(Attempt::SignIn, group).unwrap();
        assert!(attempts.take(Attempt::SignIn, group).is_err());
        // Who is not known is not remembered for it.
        attempts.give_back(Attempt::Join, other);
        assert_eq!(attempts.limiter.len(), 2);
    }

    #[tokio::test]
    async fn right_guesses_are_free_until_too_many_were_wrong() {
        let guesses = Guesses::default();
        let (many, other) = (client("192.0.2.1"), client("192.0.2.2"));
        let look = |found: bool| move || found.then_some(());
        for _ in 0..200 {
            assert_eq!(guesses.guess(many, look(true)).await, Some(()));
        }
        for _ in 0..BURST.get() {
            assert_eq!(guesses.guess(many, look(false)).await, None);
        }
        assert!(!guesses.late.contains(many));
        // The next wrong one waits; with it every other of this client, and of nobody else.
        let late = Duration::from_millis(20);
        let wrong = guesses.guess(many, look(false));
        assert!(tokio::time::timeout(late, wrong).await.is_err());
        let right = guesses.guess(many, look(true));
        assert!(tokio::time::timeout(late, right).await.is_err());
        assert_eq!(guesses.guess(other, look(true)).await, Some(()));
        assert_eq!(guesses.guess(other, look(false)).await, None);
    }

    #[test]
    fn too_many_wrong_ones_for_one_name_make_it_slow_and_no_other() {
        let twice = NonZeroU32::new(2).unwrap();
        let wrongs = Wrongs::of(twice, twice);
        let (name, other) = (Client::Name(1), Client::Name(2));
        for _ in 0..2 {
            wrongs.wrong(Attempt::Login, name);
            assert!(!wrongs.is_slow(name));
        }
        wrongs.wrong(Attempt::Login, name);
        assert!(wrongs.is_slow(name) && !wrongs.is_slow(other));
    }

    #[test]
    fn neighbours_in_an_ipv6_network_are_one_client() {
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:2"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("127.0.0.1"), client("::1"));
    }

    #[test]
    fn who_has_not_tried_for_a_while_is_forgotten() {
        let clock = FakeRelativeClock::default();
        let attempts = Attempts::new(clock.clone());
        for n in 0..1000u32 {
            attempts
                .take(Attempt::Join, Client::V4(n.to_be_bytes()))
                .unwrap();
        }
        assert_eq!(attempts.limiter.len(), 1000);
        clock.advance(Duration::from_secs(120));
        for _ in 0..SWEEP {
            let _ = attempts.take(Attempt::Join, Client::Others);
        }
        assert_eq!(attempts.limiter.len(), 1);
    }

    #[test]
    fn however_many_try_memory_is_bounded() {
        let attempts = Attempts::new(FakeRelativeClock::default());
        for n in 0..(MAX_CLIENTS as u32 + 100) {
            let _ = attempts.take(Attempt::Join, Client::V4(n.to_be_bytes()));
        }
        assert_eq!(attempts.limiter.len(), MAX_CLIENTS + 1);
    }
}
