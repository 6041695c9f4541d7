//! What waits for one socket, in lanes (live-sync, section 5): what may be left out, and what goes first.

use super::{Lane, Topic, Whole};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Instant;

/// Most frames and bytes of state that wait in order; beyond, the newest is kept.
const STATE_FRAMES: usize = 64;
pub(super) const STATE_BYTES: usize = 256 << 10;
/// Most bytes of passing state that wait for a socket that refuses.
pub(super) const PASSING_BYTES: usize = 64 << 10;
/// How many waiting frames go to the system in one call.
pub(super) const BATCH: usize = 16;

/// What waits for one socket.
#[derive(Default)]
pub(super) struct Lanes {
    /// The rest of a frame of which the socket has taken a part.
    pub partial: Bytes,
    /// Each with whether it belongs to the frame of the one before.
    pub answers: VecDeque<(Bytes, bool)>,
    /// How many large ones are among them.
    pub large: usize,
    control: VecDeque<Bytes>,
    pub control_bytes: usize,
    state: VecDeque<Bytes>,
    state_bytes: usize,
    /// In the place of all state that the reader was too slow for.
    newest: Option<Newest>,
    passing: VecDeque<(Topic, Bytes)>,
    pub passing_bytes: usize,
    /// Since when the socket has taken nothing; `None` while it takes what comes.
    pub refused: Option<Instant>,
    /// When it first took something again, but for the moments after it refused.
    pub first_late: Option<Instant>,
}

enum Newest {
    Frame(Bytes),
    Whole(Whole),
}

impl Newest {
    fn bytes(&self) -> &Bytes {
        match self {
            Self::Frame(bytes) => bytes,
            Self::Whole(whole) => whole.frame().bytes(),
        }
    }
}

/// What became of a frame, for the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Written or waiting.
    Kept,
    /// It took the place of what waited before it.
    Coalesced,
    /// The connection is ending.
    Refused,
}

impl Lanes {
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty()
            && self.answers.is_empty()
            && self.control.is_empty()
            && self.state.is_empty()
            && self.newest.is_none()
            && self.passing.is_empty()
    }

    pub fn bytes(&self) -> usize {
        let answers: usize = self.answers.iter().map(|(bytes, _)| bytes.len()).sum();
        let newest = match &self.newest {
            Some(Newest::Frame(bytes)) => bytes.len(),
            // Shared with everybody who is slow.
            Some(Newest::Whole(_)) | None => 0,
        };
        self.partial.len()
            + answers
            + self.control_bytes
            + self.state_bytes
            + newest
            + self.passing_bytes
    }

    pub fn push(&mut self, frame: Bytes, lane: &Lane) -> Taken {
        match lane {
            Lane::Answer => self.answers.push_back((frame, false)),
            Lane::Large(rest) => {
                self.large += 1;
                self.answers.push_back((frame, false));
                self.answers
                    .extend(rest.iter().map(|part| (part.clone(), true)));
            }
            Lane::Control => {
                self.control_bytes += frame.len();
                self.control.push_back(frame);
            }
            Lane::State(whole) => return self.push_state(frame, whole.as_ref()),
            Lane::Passing(topic) => return self.push_passing(frame, topic),
        }
        Taken::Kept
    }

    /// Whether a frame of state of this length takes the place of those that wait.
    pub fn coalesces(&self, length: usize) -> bool {
        self.newest.is_some()
            || self.state.len() >= STATE_FRAMES
            || self.state_bytes + length > STATE_BYTES && !self.state.is_empty()
    }

    fn push_state(&mut self, frame: Bytes, whole: Option<&Whole>) -> Taken {
        if !self.coalesces(frame.len()) {
            self.state_bytes += frame.len();
            self.state.push_back(frame);
            return Taken::Kept;
        }
        self.state.clear();
        self.state_bytes = 0;
        self.newest = Some(match whole {
            Some(whole) => Newest::Whole(whole.clone()),
            None => Newest::Frame(frame),
        });
        Taken::Coalesced
    }

    fn push_passing(&mut self, frame: Bytes, topic: &Topic) -> Taken {
        self.passing_bytes += frame.len();
        if let Some((_, waiting)) = self.passing.iter_mut().find(|(known, _)| known == topic) {
            self.passing_bytes -= waiting.len();
            *waiting = frame;
            return Taken::Coalesced;
        }
        self.passing.push_back((topic.clone(), frame));
        // The oldest goes.
        while self.passing_bytes > PASSING_BYTES {
            let Some((_, oldest)) = self.passing.pop_front() else {
                break;
            };
            self.passing_bytes -= oldest.len();
        }
        Taken::Kept
    }

    /// Only what belongs to a frame that the socket has taken a part of; `None`: there is none.
    pub fn begun(mut self) -> Option<Self> {
        // It stands in front without its beginning.
        let begun = self.answers.iter().take_while(|(_, belongs)| *belongs);
        let begun = begun.count();
        self.answers.truncate(begun);
        (!self.partial.is_empty() || begun > 0).then(|| Self {
            partial: self.partial,
            answers: self.answers,
            refused: self.refused,
            ..Self::default()
        })
    }

    pub fn slices(&self, most: usize) -> Vec<IoSlice<'_>> {
        let partial = Some(&self.partial).filter(|p| !p.is_empty());
        partial
            .into_iter()
            .chain(self.answers.iter().map(|(bytes, _)| bytes))
            .chain(&self.control)
            .chain(&self.state)
            .chain(self.newest.iter().map(Newest::bytes))
            .chain(self.passing.iter().map(|(_, bytes)| bytes))
            .take(most)
            .map(|bytes| IoSlice::new(bytes))
            .collect()
    }

    /// The frame whose turn it is behind the half-written one.
    fn next(&mut self) -> Option<Bytes> {
        if let Some((frame, _)) = self.answers.pop_front() {
            // A large one is done when the next frame's turn comes.
            if self.answers.is_empty() {
                self.large = 0;
            }
            return Some(frame);
        }
        if let Some(frame) = self.control.pop_front() {
            self.control_bytes -= frame.len();
            return Some(frame);
        }
        if let Some(frame) = self.state.pop_front() {
            self.state_bytes -= frame.len();
            return Some(frame);
        }
        if let Some(newest) = self.newest.take() {
            return Some(newest.bytes().clone());
        }
        let (_, frame) = self.passing.pop_front()?;
        self.passing_bytes -= frame.len();
        Some(frame)
    }

    /// The socket took `n` bytes of [`Lanes::slices`].
    pub fn take(&mut self, mut n: usize) {
        loop {
            let here = n.min(self.partial.len());
            self.partial.advance(here);
            n -= here;
            if n == 0 {
                break;
            }
            match self.next() {
                Some(frame) => self.partial = frame,
                None => break,
            }
        }
        if self.refused.is_some() {
            self.refused = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Frame;
    use super::*;
    use proptest::prelude::*;

    fn frame(size: usize) -> Bytes {
        Bytes::from(vec![7; size])
    }

    #[test]
    fn of_waiting_scenes_only_the_newest_is_kept_beyond_the_bound() {
        let mut lanes = Lanes::default();
        for size in 1..=STATE_FRAMES {
            lanes.push(frame(size), &Lane::State(None));
        }
        assert_eq!(lanes.state.len(), STATE_FRAMES);
        lanes.push(frame(99), &Lane::State(None));
        let newest = |lanes: &Lanes| lanes.newest.as_ref().map(|newest| newest.bytes().len());
        assert_eq!((lanes.state.len(), newest(&lanes)), (0, Some(99)));
        lanes.push(frame(STATE_BYTES), &Lane::State(None));
        assert_eq!(newest(&lanes), Some(STATE_BYTES));
        // What is given for a slow reader counts instead of the frame.
        let whole = Whole::new([frame(5), frame(6), frame(7)]);
        lanes.push(frame(1), &Lane::State(Some(whole)));
        assert_eq!(newest(&lanes), Some(2 + 18));
        lanes.take(0);
        assert!(lanes.next().is_some_and(|frame| frame.len() == 20) && lanes.is_empty());
    }

    #[test]
    fn passing_state_waits_once_per_topic_and_is_dropped_first() {
        let mut lanes = Lanes {
            refused: Some(Instant::now()),
            ..Lanes::default()
        };
        let topic = |key: &str| Lane::Passing(Topic(std::sync::Arc::new((1, key.into()))));
        lanes.push(frame(10), &topic("a"));
        lanes.push(frame(20), &topic("b"));
        lanes.push(frame(30), &topic("a"));
        assert_eq!((lanes.passing.len(), lanes.passing_bytes), (2, 50));
        lanes.push(frame(PASSING_BYTES - 25), &topic("c"));
        assert_eq!(lanes.passing.len(), 2);
        lanes.push(frame(1), &Lane::Control);
        assert_eq!(lanes.next().map(|frame| frame.len()), Some(1));
    }

    #[test]
    fn a_large_answer_is_not_torn_apart() {
        let mut lanes = Lanes::default();
        let (head, lane) = Frame::large(b"ab", &[frame(300), frame(200)]);
        assert_eq!(head.bytes()[..4], [0x81, 126, 1, 246]);
        lanes.push(frame(10), &Lane::Control);
        lanes.push(head.bytes().clone(), &lane);
        lanes.push(frame(20), &Lane::Answer);
        assert_eq!((lanes.large, lanes.bytes()), (1, 536));
        let mut sizes = Vec::new();
        while let Some(next) = lanes.next() {
            sizes.push(next.len());
        }
        assert_eq!((sizes, lanes.large), (vec![6, 300, 200, 20, 10], 0));
    }

    proptest! {
        #[test]
        fn bytes_taken_bit_by_bit_arrive_whole_and_in_order(
            frames in prop::collection::vec((0u8..2, 1usize..50), 1..30),
            steps in prop::collection::vec(1usize..60, 1..200),
        ) {
            let mut lanes = Lanes::default();
            let mut expected = Vec::new();
            for (nth, (_, size)) in frames.iter().enumerate().filter(|(_, (lane, _))| *lane == 0) {
                lanes.push(Bytes::from(vec![nth as u8; *size]), &Lane::Control);
                expected.extend(vec![nth as u8; *size]);
            }
            for (nth, (_, size)) in frames.iter().enumerate().filter(|(_, (lane, _))| *lane == 1) {
                lanes.push(Bytes::from(vec![nth as u8; *size]), &Lane::State(None));
                expected.extend(vec![nth as u8; *size]);
            }
            let mut arrived: Vec<u8> = Vec::new();
            for step in steps.iter().cycle() {
                if lanes.is_empty() {
                    break;
                }
                let flat: Vec<u8> = lanes.slices(BATCH).iter().flat_map(|s| s.to_vec()).collect();
                let taken = (*step).min(flat.len());
                arrived.extend(&flat[..taken]);
                lanes.take(taken);
            }
            prop_assert_eq!(arrived, expected);
            prop_assert_eq!((lanes.control_bytes, lanes.state_bytes), (0, 0));
        }
    }
}
