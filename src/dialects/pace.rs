//! How fast somebody may talk: who is faster is read later, so TCP slows them down and nothing is lost.

use std::time::{Duration, Instant};

/// How many seconds' worth may come at once.
const BURST_SECONDS: f64 = 5.0;
/// Who talks faster than allowed for so long without a breath is flooding.
const FLOOD: Duration = Duration::from_secs(60);

/// A bucket that fills with time. Taking more than there is makes a debt, to be waited for.
#[derive(Debug)]
pub struct Bucket {
    level: f64,
    burst: f64,
    per_second: f64,
    at: Instant,
}

impl Bucket {
    /// Full: with so much per second, and five seconds' worth at once.
    pub fn new(per_second: f64, now: Instant) -> Self {
        let burst = per_second * BURST_SECONDS;
        Self {
            level: burst,
            burst,
            per_second,
            at: now,
        }
    }

    /// Takes `amount`; how long to wait until it is paid for.
    pub fn take(&mut self, amount: f64, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.level = (self.level + since * self.per_second).min(self.burst) - amount;
        Duration::try_from_secs_f64(-self.level / self.per_second).unwrap_or_default()
    }
}

/// The pace of one connection.
#[derive(Debug)]
pub struct Pace {
    messages: Bucket,
    bytes: Bucket,
    /// Since when it has been too fast with its messages.
    hurried: Option<Instant>,
}

impl Pace {
    /// With so many messages and bytes per second.
    pub fn new(messages: u32, bytes: u64, now: Instant) -> Self {
        Self {
            messages: Bucket::new(f64::from(messages), now),
            bytes: Bucket::new(bytes as f64, now),
            hurried: None,
        }
    }

    /// Takes one message of this size; how long the next one has to wait.
    pub fn take(&mut self, bytes: usize, now: Instant) -> Duration {
        let wait = self.messages.take(1.0, now);
        if !wait.is_zero() {
            self.hurried.get_or_insert(now);
        } else if self.messages.level > self.messages.burst / 10.0 {
            self.hurried = None;
        }
        wait.max(self.bytes.take(bytes as f64, now))
    }

    /// Whether it never stops.
    pub fn is_flooding(&self, now: Instant) -> bool {
        self.hurried
            .is_some_and(|since| now.saturating_duration_since(since) >= FLOOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_is_free_and_what_follows_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(10, 1 << 20, start);
        for _ in 0..50 {
            assert_eq!(pace.take(100, start), Duration::ZERO);
        }
        assert_eq!(pace.take(100, start), Duration::from_millis(100));
        assert_eq!(
            pace.take(100, start + Duration::from_millis(100)),
            Duration::from_millis(100)
        );
        // A minute without a word, and all is well again.
        assert_eq!(
            pace.take(100, start + Duration::from_secs(60)),
            Duration::ZERO
        );
        // Bytes count by themselves, whoever sends them at once.
        let mut pace = Pace::new(10, 1 << 20, start);
        assert_eq!(pace.take(7 << 20, start), Duration::from_secs(2));
    }

    #[test]
    fn only_who_never_stops_is_flooding() {
        let start = Instant::now();
        for (breath, floods) in [(false, true), (true, false)] {
            let mut pace = Pace::new(10, 1 << 20, start);
            let mut now = start;
            while now < start + FLOOD * 2 && !pace.is_flooding(now) {
                now += pace.take(10, now);
                if breath && now > start + FLOOD / 2 {
                    now += Duration::from_secs(2);
                }
            }
            assert_eq!(pace.is_flooding(now), floods);
        }
    }

    proptest! {
        #[test]
        fn nobody_who_waits_as_told_is_faster_than_allowed(sizes in prop::collection::vec(0.0f64..50.0, 1..200)) {
            let start = Instant::now();
            let mut bucket = Bucket::new(10.0, start);
            let (mut now, mut taken) = (start, 0.0);
            for size in sizes {
                now += bucket.take(size, now);
                taken += size;
                let allowed = 10.0 * (now - start).as_secs_f64() + 50.0;
                prop_assert!(taken <= allowed + 0.001, "{} > {}", taken, allowed);
            }
        }
    }
}
