//! What waits for those who are not there (yet): bounded for each of them, for each sender and in
//! all, and each message for its own time.

use crate::live::Frame;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages that wait for one id; for a further one the oldest goes.
pub const QUEUE_MESSAGES: usize = 64;
/// Bytes that wait for one id; for further ones the oldest message goes. One may be larger.
pub const QUEUE_BYTES: usize = 256 << 10;
/// Absent ids for which messages of one sender wait; for a further one the oldest is given up.
pub const ABSENT_PER_SENDER: usize = 256;
/// Bytes of one sender's messages that wait.
pub const SENDER_BYTES: usize = 4 << 20;
/// Bytes of all messages that wait under one key.
pub const ALL_BYTES: usize = 64 << 20;

/// Who has registered an id: whoever knows the token.
#[derive(Debug, PartialEq, Eq)]
pub struct Owner {
    /// The id.
    pub id: Box<str>,
    /// Chosen by the client; stays the same as long as its page lives.
    pub token: Box<str>,
}

/// A message that waits.
#[derive(Debug)]
pub struct Waiting {
    since: Instant,
    /// Whose it is.
    pub from: Arc<Owner>,
    /// As its receiver gets it.
    pub frame: Frame,
    /// Whether it is an offer to see or hear each other.
    pub is_call: bool,
    /// Its sender knows already that the receiver does not come.
    told: bool,
    /// What its sender said before it was pushed out: the rest is not enough for who picks it up.
    torn: bool,
}

impl Waiting {
    /// That waits from `now` on.
    pub fn new(from: Arc<Owner>, frame: Frame, is_call: bool, now: Instant) -> Self {
        Self {
            since: now,
            from,
            frame,
            is_call,
            told: false,
            torn: false,
        }
    }

    fn bytes(&self) -> usize {
        self.frame.bytes().len()
    }
}

/// Somebody has waited in vain.
#[derive(Debug, PartialEq, Eq)]
pub struct Expired {
    /// Who never came.
    pub absent: Arc<str>,
    /// Who is to hear of it.
    pub from: Arc<Owner>,
}

/// All that waits under one key.
#[derive(Debug, Default)]
pub struct Queues {
    by_absent: HashMap<Arc<str>, Queue>,
    by_sender: HashMap<Box<str>, Share>,
    bytes: usize,
}

/// What waits for one id.
#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Waiting>,
    bytes: usize,
}

/// What one sender has waiting.
#[derive(Debug, Default)]
struct Share {
    /// For whom, and how many messages; who was written to first comes first.
    absent: VecDeque<(Arc<str>, usize)>,
    bytes: usize,
}

impl Queues {
    /// Lets a message wait for `absent`. Answers who has waited in vain because there is no room.
    pub fn push(&mut self, absent: &str, waiting: Waiting) -> Vec<Expired> {
        let mut expired = Vec::new();
        let absent: Arc<str> = match self.by_absent.get_key_value(absent) {
            Some((known, _)) => known.clone(),
            None => absent.into(),
        };
        while !self.has_room(&absent, &waiting) {
            let from = waiting.from.clone();
            let share = self.by_sender.get(&from.id);
            let Some((oldest, _)) = share.and_then(|share| share.absent.front()).cloned() else {
                // Others have taken it all.
                expired.push(Expired { absent, from });
                return expired;
            };
            expired.extend(self.give_up(&oldest, &from));
        }
        self.count(&absent, &waiting);
        let queue = self.by_absent.entry(absent.clone()).or_default();
        queue.bytes += waiting.bytes();
        queue.messages.push_back(waiting);
        while self.is_too_long(&absent)
            && let Some(dropped) = self.pop(&absent)
        {
            let queue = self.by_absent.get_mut(&absent);
            let mut others = queue.into_iter().flat_map(|queue| &mut queue.messages);
            match others.find(|other| other.from == dropped.from) {
                // Whoever has more waiting hears when that expires or is picked up.
                Some(other) => other.torn |= !dropped.told,
                None => expired.extend(self.tell(&absent, dropped)),
            }
        }
        expired
    }

    /// What has waited for `id`, in order, and who has waited in vain all the same: whose first
    /// messages were pushed out.
    pub fn take(&mut self, id: &str) -> (VecDeque<Waiting>, Vec<Expired>) {
        let Some((absent, queue)) = self.by_absent.remove_entry(id) else {
            return Default::default();
        };
        for waiting in &queue.messages {
            self.discount(&absent, waiting);
        }
        let torn = queue.messages.iter();
        let torn = torn.filter(|waiting| waiting.torn && !waiting.told);
        let expired = torn.map(|waiting| Expired {
            absent: absent.clone(),
            from: waiting.from.clone(),
        });
        let expired = expired.collect();
        (queue.messages, expired)
    }

    /// Gives up what has waited for `age`. A sender hears of somebody's absence once for all that
    /// it has waiting at that time.
    pub fn sweep(&mut self, age: Duration, now: Instant) -> Vec<Expired> {
        let mut expired = Vec::new();
        let is_due = |queue: &Queue| {
            let first = queue.messages.front();
            first.is_some_and(|first| now.saturating_duration_since(first.since) >= age)
        };
        let due = self.by_absent.iter().filter(|(_, queue)| is_due(queue));
        let due: Vec<_> = due.map(|(absent, _)| absent.clone()).collect();
        for absent in due {
            while self.by_absent.get(&absent).is_some_and(is_due)
                && let Some(given_up) = self.pop(&absent)
            {
                expired.extend(self.tell(&absent, given_up));
            }
        }
        expired
    }

    /// Whether the sender of what does not wait for `absent` any more is to hear of it: not twice
    /// for all that it has waiting now.
    fn tell(&mut self, absent: &Arc<str>, gone: Waiting) -> Option<Expired> {
        if gone.told {
            return None;
        }
        let queue = self.by_absent.get_mut(absent);
        for other in queue.into_iter().flat_map(|queue| &mut queue.messages) {
            other.told |= other.from == gone.from;
        }
        Some(Expired {
            absent: absent.clone(),
            from: gone.from,
        })
    }

    /// Whether nothing waits, by all books.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.by_absent.is_empty() && self.by_sender.is_empty() && self.bytes == 0
    }

    fn has_room(&self, absent: &Arc<str>, waiting: &Waiting) -> bool {
        let bytes = waiting.bytes();
        let Some(share) = self.by_sender.get(&waiting.from.id) else {
            return bytes <= SENDER_BYTES && self.bytes + bytes <= ALL_BYTES;
        };
        let known = || share.absent.iter().any(|(known, _)| known == absent);
        share.bytes + bytes <= SENDER_BYTES
            && self.bytes + bytes <= ALL_BYTES
            && (share.absent.len() < ABSENT_PER_SENDER || known())
    }

    fn is_too_long(&self, absent: &Arc<str>) -> bool {
        self.by_absent.get(absent).is_some_and(|queue| {
            let count = queue.messages.len();
            count > QUEUE_MESSAGES || (count > 1 && queue.bytes > QUEUE_BYTES)
        })
    }

    /// Takes out the oldest message for `absent`.
    fn pop(&mut self, absent: &Arc<str>) -> Option<Waiting> {
        let queue = self.by_absent.get_mut(absent)?;
        let waiting = queue.messages.pop_front()?;
        queue.bytes -= waiting.bytes();
        if queue.messages.is_empty() {
            self.by_absent.remove(absent);
        }
        self.discount(absent, &waiting);
        Some(waiting)
    }

    /// Forgets what one sender has for `absent`.
    fn give_up(&mut self, absent: &Arc<str>, from: &Arc<Owner>) -> Option<Expired> {
        let queue = self.by_absent.get_mut(absent)?;
        let all = std::mem::take(&mut queue.messages);
        let (gone, kept): (VecDeque<_>, _) = all
            .into_iter()
            .partition(|waiting| waiting.from.id == from.id);
        queue.messages = kept;
        queue.bytes -= gone.iter().map(Waiting::bytes).sum::<usize>();
        if queue.messages.is_empty() {
            self.by_absent.remove(absent);
        }
        for waiting in &gone {
            self.discount(absent, waiting);
        }
        gone.iter().any(|waiting| !waiting.told).then(|| Expired {
            absent: absent.clone(),
            from: from.clone(),
        })
    }

    fn count(&mut self, absent: &Arc<str>, waiting: &Waiting) {
        let bytes = waiting.bytes();
        self.bytes += bytes;
        let share = self.by_sender.entry(waiting.from.id.clone()).or_default();
        share.bytes += bytes;
        match share.absent.iter_mut().find(|(known, _)| known == absent) {
            Some((_, messages)) => *messages += 1,
            None => share.absent.push_back((absent.clone(), 1)),
        }
    }

    fn discount(&mut self, absent: &Arc<str>, waiting: &Waiting) {
        let bytes = waiting.bytes();
        self.bytes -= bytes;
        let Some(share) = self.by_sender.get_mut(&waiting.from.id) else {
            return;
        };
        share.bytes -= bytes;
        if let Some(at) = share.absent.iter().position(|(known, _)| known == absent) {
            share.absent[at].1 -= 1;
            if share.absent[at].1 == 0 {
                share.absent.remove(at);
            }
        }
        if share.absent.is_empty() {
            self.by_sender.remove(&waiting.from.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(5);

    fn owner(id: &str) -> Arc<Owner> {
        Arc::new(Owner {
            id: id.into(),
            token: "t".into(),
        })
    }

    fn message(from: &str, text: &str, now: Instant) -> Waiting {
        Waiting::new(owner(from), Frame::text(&[text.as_bytes()]), false, now)
    }

    fn names(expired: &[Expired]) -> Vec<(&str, &str)> {
        let names = expired.iter().map(|e| (&*e.absent, &*e.from.id));
        names.collect()
    }

    fn texts(taken: &VecDeque<Waiting>) -> Vec<&str> {
        taken
            .iter()
            .map(|waiting| waiting.frame.payload())
            .collect()
    }

    #[test]
    fn who_comes_in_time_gets_everything_in_order() {
        let (mut queues, now) = (Queues::default(), Instant::now());
        for (from, text) in [("a", "1"), ("b", "2"), ("a", "3")] {
            assert!(queues.push("x", message(from, text, now)).is_empty());
        }
        assert_eq!(texts(&queues.take("x").0), ["1", "2", "3"]);
        assert!(queues.take("x").0.is_empty());
        assert!(queues.is_empty());
    }

    #[test]
    fn each_message_has_its_own_time() {
        let (mut queues, start) = (Queues::default(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        queues.push("x", message("a", "early", start));
        queues.push("x", message("b", "late", after(4000)));
        assert!(queues.sweep(AGE, after(4999)).is_empty());
        assert_eq!(names(&queues.sweep(AGE, after(5000))), [("x", "a")]);
        assert_eq!(texts(&queues.take("x").0), ["late"]);
        queues.push("x", message("b", "later", after(5000)));
        assert_eq!(names(&queues.sweep(AGE, after(10_000))), [("x", "b")]);
        assert!(queues.is_empty());
    }

    #[test]
    fn a_sender_hears_once_of_what_it_has_waiting() {
        let (mut queues, start) = (Queues::default(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        for (ms, absent) in [(0, "x"), (10, "x"), (20, "y"), (900, "x"), (6000, "x")] {
            queues.sweep(AGE * 100, after(ms));
            if ms < 6000 {
                queues.push(absent, message("a", "m", after(ms)));
            }
        }
        let mut heard = queues.sweep(AGE, after(5100));
        heard.sort_by(|one, other| one.absent.cmp(&other.absent));
        assert_eq!(names(&heard), [("x", "a"), ("y", "a")]);
        // What came a little later still waits, and is nothing new when it expires.
        assert!(!queues.is_empty());
        assert!(queues.sweep(AGE, after(5900)).is_empty());
        assert!(queues.is_empty());
        // A new try is.
        queues.push("x", message("a", "m", after(6000)));
        assert_eq!(names(&queues.sweep(AGE, after(11_000))), [("x", "a")]);
    }

    #[test]
    fn a_full_queue_loses_its_oldest_whose_sender_hears() {
        let (mut queues, now) = (Queues::default(), Instant::now());
        queues.push("x", message("b", "b's", now));
        for n in 1..QUEUE_MESSAGES {
            assert!(
                queues
                    .push("x", message("a", &n.to_string(), now))
                    .is_empty()
            );
        }
        assert_eq!(
            names(&queues.push("x", message("a", "64", now))),
            [("x", "b")]
        );
        // The oldest of one who has more waiting: it hears in time.
        for n in 65..68 {
            let told = queues.push("x", message("a", &n.to_string(), now));
            assert!(told.is_empty());
        }
        assert_eq!(names(&queues.sweep(AGE, now + AGE)), [("x", "a")]);
        assert!(queues.is_empty());
    }

    #[test]
    fn whose_first_message_was_pushed_out_hears_although_the_rest_is_picked_up() {
        let (mut queues, now) = (Queues::default(), Instant::now());
        for sender in ["a", "b"] {
            for n in 0..QUEUE_MESSAGES / 2 {
                queues.push("x", message(sender, &n.to_string(), now));
            }
        }
        for n in 0..3 {
            assert!(
                queues
                    .push("x", message("b", &n.to_string(), now))
                    .is_empty()
            );
        }
        let (taken, expired) = queues.take("x");
        assert_eq!(
            (taken.len(), taken[0].frame.payload()),
            (QUEUE_MESSAGES, "3")
        );
        assert_eq!(names(&expired), [("x", "a")]);
        assert!(queues.is_empty());
    }

    #[test]
    fn a_queue_has_so_many_bytes_or_one_message() {
        let (mut queues, now) = (Queues::default(), Instant::now());
        let half = "x".repeat(QUEUE_BYTES / 2 + 1);
        queues.push("x", message("a", "first", now));
        queues.push("x", message("a", &half, now));
        queues.push("x", message("a", &half, now));
        assert_eq!(queues.take("x").0.len(), 1);
        queues.push("x", message("a", &"x".repeat(QUEUE_BYTES * 2), now));
        assert_eq!(queues.take("x").0.len(), 1);
        assert!(queues.is_empty());
    }

    #[test]
    fn a_sender_waits_for_so_many() {
        let (mut queues, now) = (Queues::default(), Instant::now());
        for n in 0..ABSENT_PER_SENDER {
            assert!(
                queues
                    .push(&n.to_string(), message("a", "m", now))
                    .is_empty()
            );
        }
        // Where it waits already it may say more; others are not held up.
        assert!(queues.push("7", message("a", "m", now)).is_empty());
        assert!(queues.push("other", message("b", "m", now)).is_empty());
        assert_eq!(
            names(&queues.push("one more", message("a", "m", now))),
            [("0", "a")]
        );
        assert!(queues.take("0").0.is_empty());
        assert_eq!(queues.sweep(AGE, now + AGE).len(), ABSENT_PER_SENDER + 1);
        assert!(queues.is_empty());
    }

    #[test]
    fn however_much_is_said_memory_is_bounded() {
        let (mut queues, now) = (Queues::default(), Instant::now());
        let large = "x".repeat(QUEUE_BYTES);
        let mut heard = 0;
        for n in 0..SENDER_BYTES / QUEUE_BYTES + 3 {
            heard += queues.push(&n.to_string(), message("a", &large, now)).len();
        }
        assert!(queues.by_sender["a"].bytes <= SENDER_BYTES);
        assert!(heard >= 3);
        for sender in 0..ALL_BYTES / SENDER_BYTES + 2 {
            for n in 0..SENDER_BYTES / QUEUE_BYTES - 1 {
                let absent = format!("{sender}-{n}");
                queues.push(&absent, message(&sender.to_string(), &large, now));
            }
        }
        assert!(queues.bytes <= ALL_BYTES);
        let told = queues.push("x", message("somebody new", &large, now));
        assert_eq!(names(&told), [("x", "somebody new")]);
        queues.sweep(AGE, now + AGE);
        assert!(queues.is_empty());
    }
}
