//! Guessing takes time: attempts are counted per address.

use super::SocketAddrs;
use crate::error::{Error, Result};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Attempts that may follow each other at once.
const BURST: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
/// Attempts per minute, after that.
pub const ATTEMPTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
/// Addresses that are remembered; each is forgotten after a minute without an attempt. Further
/// ones share one count.
const MAX_CLIENTS: usize = 1 << 16;
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
    /// All those whom there is no room to tell apart.
    Others,
}

impl Client {
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
    /// The number that a display shows.
    Pair,
}

/// Counts attempts; bounded in memory.
pub struct Attempts<C: Clock = DefaultClock> {
    limiter: RateLimiter<Key, HashMapStateStore<Key>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    taken: AtomicUsize,
}

type Key = (Attempt, Client);

impl Default for Attempts {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock + Clone> Attempts<C> {
    fn new(clock: C) -> Self {
        let quota = Quota::per_minute(ATTEMPTS_PER_MINUTE).allow_burst(BURST);
        Self {
            limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()),
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
        let full = self.limiter.len() >= MAX_CLIENTS && !matches!(client, Client::Device(_));
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
