//! What was said in a room, kept as the JSON that it is sent as.
//!
//! A snapshot holds all of it, and there is one for every message. So each message is written as JSON
//! once, and a snapshot is put together from pieces by copying; one that may never be needed costs
//! references to the pieces only.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of one piece, about.
const PIECE: usize = 16 << 10;

/// Memory that all rooms share.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    taken: AtomicUsize,
}

impl Budget {
    /// Nothing taken of so many bytes.
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            most: usize::try_from(bytes).unwrap_or(usize::MAX),
            taken: AtomicUsize::new(0),
        })
    }

    fn take(&self, bytes: usize) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether more is taken than there is.
    pub fn is_spent(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > self.most
    }
}

/// A room's last messages: `,{...},{...}`, each with a comma in front.
pub struct History {
    most: usize,
    most_bytes: usize,
    budget: Arc<Budget>,
    /// Whole messages, the oldest first; taken from at the front.
    sealed: VecDeque<Bytes>,
    /// The newest, until they are enough for a piece.
    tail: Vec<u8>,
    /// The length of each message with its comma.
    lengths: VecDeque<usize>,
    bytes: usize,
}

impl History {
    /// Without messages; at most so many, of so many bytes.
    pub fn new(most: usize, most_bytes: usize, budget: Arc<Budget>) -> Self {
        Self {
            most,
            most_bytes,
            budget,
            sealed: VecDeque::new(),
            tail: Vec::new(),
            lengths: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Adds a message, a JSON object. The oldest go when there are too many; the newest stays.
    pub fn push(&mut self, message: &str) {
        let length = message.len() + 1;
        if !self.tail.is_empty() && self.tail.len() + length > PIECE {
            self.sealed.push_back(std::mem::take(&mut self.tail).into());
        }
        self.tail.push(b',');
        self.tail.extend_from_slice(message.as_bytes());
        self.lengths.push_back(length);
        self.bytes += length;
        self.budget.take(length);
        while self.lengths.len() > 1 && self.is_full() {
            self.pop();
        }
    }

    fn is_full(&self) -> bool {
        self.lengths.len() > self.most || self.bytes > self.most_bytes || self.budget.is_spent()
    }

    fn pop(&mut self) {
        let Some(length) = self.lengths.pop_front() else {
            return;
        };
        self.bytes -= length;
        self.budget.give_back(length);
        if self.sealed.is_empty() {
            self.sealed.push_back(std::mem::take(&mut self.tail).into());
        }
        if let Some(oldest) = self.sealed.front_mut() {
            *oldest = oldest.slice(length..);
            if oldest.is_empty() {
                self.sealed.pop_front();
            }
        }
    }

    /// How many messages there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// The messages as they stand in a JSON list, in pieces to be put together.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let sealed = self.sealed.iter().map(|piece| &piece[..]);
        let pieces = sealed.chain(Some(&self.tail[..]));
        let pieces = pieces.filter(|piece| !piece.is_empty()).enumerate();
        // No comma in front of the first.
        pieces.map(|(n, piece)| if n == 0 { &piece[1..] } else { piece })
    }

    /// The same, shared: only the newest piece is copied.
    pub fn shared(&self) -> Vec<Bytes> {
        let mut pieces: Vec<Bytes> = self.sealed.iter().cloned().collect();
        if !self.tail.is_empty() {
            pieces.push(Bytes::copy_from_slice(&self.tail));
        }
        if let Some(first) = pieces.first_mut() {
            *first = first.slice(1..);
        }
        pieces
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(history: &History) -> String {
        let text: Vec<u8> = history.pieces().flatten().copied().collect();
        let shared = history.shared().concat();
        assert_eq!(text, shared);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        let mut history = History::new(3, 1000, Budget::new(1000));
        assert_eq!(text(&history), "");
        for (message, expected) in [
            ("{1}", "{1}"),
            ("{2}", "{1},{2}"),
            ("{3}", "{1},{2},{3}"),
            ("{4}", "{2},{3},{4}"),
        ] {
            history.push(message);
            assert_eq!(text(&history), expected);
        }
        let mut history = History::new(3, 10, Budget::new(1000));
        for message in ["{1}", "{2}", "{3}"] {
            history.push(message);
        }
        assert_eq!(text(&history), "{2},{3}");
        history.push("{something longer}");
        assert_eq!(
            (text(&history).as_str(), history.len()),
            ("{something longer}", 1)
        );
    }

    #[test]
    fn what_all_rooms_may_keep_is_bounded_and_given_back() {
        let budget = Budget::new(20);
        let mut one = History::new(100, 1000, budget.clone());
        let mut other = History::new(100, 1000, budget.clone());
        for message in ["{1}", "{2}", "{3}"] {
            one.push(message);
            other.push(message);
        }
        assert_eq!(
            (text(&one), text(&other)),
            ("{1},{2},{3}".into(), "{2},{3}".into())
        );
        drop(one);
        other.push("{4}");
        assert_eq!(text(&other), "{2},{3},{4}");
        drop(other);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
    }

    proptest! {
        #[test]
        fn it_is_the_end_of_what_was_said(
            lengths in prop::collection::vec(1usize..9000, 0..60),
            most in 1usize..40,
            most_bytes in 1usize..100_000,
        ) {
            let mut history = History::new(most, most_bytes, Budget::new(1 << 30));
            let mut all = Vec::new();
            for (n, length) in lengths.into_iter().enumerate() {
                let message = format!("{{{n}:{}}}", "x".repeat(length));
                history.push(&message);
                all.push(message);
                let kept = &all[all.len() - history.len()..];
                prop_assert_eq!(text(&history), kept.join(","));
                let bytes: usize = kept.iter().map(|message| message.len() + 1).sum();
                prop_assert!(history.len() <= most && (bytes <= most_bytes || history.len() == 1));
            }
        }
    }
}
