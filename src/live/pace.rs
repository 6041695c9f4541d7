//! How fast one connection may talk.

use std::time::Instant;

/// Seconds' worth of messages that may come at once.
const BURST_SECONDS: f64 = 4.0;
/// Larger messages count for as many of this size: they have to be unpacked and read.
const UNIT_BYTES: f64 = (256 << 10) as f64;

/// Counts the messages of one connection (a token bucket).
#[derive(Debug)]
pub struct Pace {
    per_second: f64,
    /// Messages that may come right now.
    left: f64,
    since: Instant,
}

impl Pace {
    /// At most `per_second` messages in the long run, four seconds' worth at once.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            left: f64::from(per_second) * BURST_SECONDS,
            since: Instant::now(),
        }
    }

    /// Takes one message of so many bytes at `now`. `false`: it is one too many.
    pub fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let passed = now.duration_since(self.since).as_secs_f64();
        self.since = now;
        let most = self.per_second * BURST_SECONDS;
        self.left = (self.left + passed * self.per_second).min(most);
        if self.left < 1.0 {
            return false;
        }
        // One that is large may come when any may; those behind it wait the longer.
        self.left -= (bytes as f64 / UNIT_BYTES).max(1.0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let mut pace = Pace::new(10);
        let start = pace.since;
        assert_eq!((0..100).filter(|_| pace.take(10, start)).count(), 40);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| pace.take(10, later)).count(), 10);
        let much_later = later + Duration::from_secs(1000);
        assert_eq!((0..100).filter(|_| pace.take(10, much_later)).count(), 40);
    }

    #[test]
    fn large_messages_count_for_more() {
        let mut pace = Pace::new(10);
        let start = pace.since;
        assert_eq!((0..100).filter(|_| pace.take(1 << 20, start)).count(), 10);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| pace.take(1 << 20, later)).count(), 3);
    }
}
