//! The server's side of one socket: what still has to be written, in two lanes.

use super::{ConnId, Frame, Lane};
use bytes::{Buf, Bytes};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Most bytes that may wait in the control lane.
const CONTROL_BYTES: usize = 256 << 10;
/// Most frames and bytes of state that wait in order; beyond, the newest is kept.
const STATE_FRAMES: usize = 64;
const STATE_BYTES: usize = 256 << 10;
/// A socket that takes no byte for this long is given up.
const STALL: Duration = Duration::from_secs(10);
/// Home routers forget idle connections after about 30 s, so ping well inside that.
const PING: Duration = Duration::from_secs(15);
/// A peer that says nothing for this long, not even to pings, has gone.
const SILENCE: Duration = Duration::from_secs(40);
/// How many waiting frames go to the system in one call.
const BATCH: usize = 16;

/// How a connection ends, as decided on this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a close frame behind what is being written.
    Close(u16, String),
    /// At once: the peer takes nothing or has gone.
    Drop(&'static str),
}

/// One connection's socket and what waits for it. Lives on one worker thread.
pub(super) struct Link {
    pub id: ConnId,
    pub io: TcpStream,
    lanes: RefCell<Lanes>,
    /// Wakes the connection's task: something waits, or the end was decided.
    pub wake: Notify,
    heard: Cell<Instant>,
    pinged: Cell<Instant>,
    ending: RefCell<Option<Ending>>,
}

#[derive(Default)]
struct Lanes {
    /// The rest of a frame of which the socket has taken a part.
    partial: Bytes,
    control: VecDeque<Bytes>,
    control_bytes: usize,
    state: VecDeque<Bytes>,
    state_bytes: usize,
    /// Since when the socket has taken nothing; `None` while nothing waits.
    refused: Option<Instant>,
}

impl Link {
    pub fn new(id: ConnId, io: TcpStream) -> Self {
        let now = Instant::now();
        Self {
            id,
            io,
            lanes: RefCell::default(),
            wake: Notify::new(),
            heard: Cell::new(now),
            pinged: Cell::new(now),
            ending: RefCell::new(None),
        }
    }

    /// The peer has said something.
    pub fn heard(&self) {
        self.heard.set(Instant::now());
    }

    pub fn ending(&self) -> Option<Ending> {
        self.ending.borrow().clone()
    }

    /// Decides the end, once.
    pub fn end(&self, ending: Ending) {
        self.ending.borrow_mut().get_or_insert(ending);
        self.wake.notify_one();
    }

    pub fn has_backlog(&self) -> bool {
        !self.lanes.borrow().is_empty()
    }

    /// Writes `frame` now, or as much of it as the socket takes; the rest waits in its lane.
    pub fn offer(&self, frame: &Frame, lane: Lane) {
        if self.ending.borrow().is_some() {
            return;
        }
        let mut lanes = self.lanes.borrow_mut();
        let frame = frame.bytes();
        if lanes.is_empty() {
            match self.io.try_write(frame) {
                Ok(taken) if taken == frame.len() => return,
                Ok(taken) => lanes.partial = frame.slice(taken..),
                Err(e) if e.kind() == ErrorKind::WouldBlock => lanes.push(frame.clone(), lane),
                Err(_) => {
                    drop(lanes);
                    return self.end(Ending::Drop("the socket is broken"));
                }
            }
            lanes.refused = Some(Instant::now());
        } else {
            lanes.push(frame.clone(), lane);
        }
        let too_much = lanes.control_bytes > CONTROL_BYTES;
        drop(lanes);
        if too_much {
            self.end(Ending::Close(
                super::CloseCode::TryLater as u16,
                "too slow".into(),
            ));
        } else {
            self.wake.notify_one();
        }
    }

    /// Writes what waits, as far as the socket takes it.
    pub fn drain(&self) -> std::io::Result<()> {
        let mut lanes = self.lanes.borrow_mut();
        while !lanes.is_empty() {
            let written = {
                let slices = lanes.slices();
                self.io.try_write_vectored(&slices)
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => lanes.take(taken),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Forgets all frames that nothing has been written of: the end does not wait for them.
    pub fn clear(&self) {
        let mut lanes = self.lanes.borrow_mut();
        let partial = std::mem::take(&mut lanes.partial);
        *lanes = Lanes {
            partial,
            refused: lanes.refused,
            ..Lanes::default()
        };
    }

    /// Puts a last frame behind whatever is half written.
    pub fn push_last(&self, frame: &Frame) {
        self.lanes
            .borrow_mut()
            .push(frame.bytes().clone(), Lane::Control);
    }

    /// Called about once a second: pings, and gives up peers that are gone or take nothing.
    pub fn check(&self, now: Instant) {
        let refused = self.lanes.borrow().refused;
        if refused.is_some_and(|since| now.duration_since(since) >= STALL) {
            self.end(Ending::Drop("it took nothing for 10 s"));
        } else if now.duration_since(self.heard.get()) >= SILENCE {
            self.end(Ending::Drop("it answered no ping"));
        } else if now.duration_since(self.pinged.get()) >= PING {
            self.pinged.set(now);
            self.offer(&Frame::ping(), Lane::Control);
        }
    }
}

impl Lanes {
    fn is_empty(&self) -> bool {
        self.partial.is_empty() && self.control.is_empty() && self.state.is_empty()
    }

    fn push(&mut self, frame: Bytes, lane: Lane) {
        match lane {
            Lane::Control => {
                self.control_bytes += frame.len();
                self.control.push_back(frame);
            }
            Lane::State => {
                self.state_bytes += frame.len();
                self.state.push_back(frame);
                if self.state.len() > STATE_FRAMES || self.state_bytes > STATE_BYTES {
                    self.state.drain(..self.state.len() - 1);
                    self.state_bytes = self.state.iter().map(Bytes::len).sum();
                }
            }
        }
    }

    fn slices(&self) -> Vec<IoSlice<'_>> {
        let partial = Some(&self.partial).filter(|p| !p.is_empty());
        partial
            .into_iter()
            .chain(&self.control)
            .chain(&self.state)
            .take(BATCH)
            .map(|bytes| IoSlice::new(bytes))
            .collect()
    }

    /// The socket took `n` bytes of [`Lanes::slices`].
    fn take(&mut self, mut n: usize) {
        loop {
            let here = n.min(self.partial.len());
            self.partial.advance(here);
            n -= here;
            if n == 0 {
                break;
            }
            let next = match self.control.pop_front() {
                Some(frame) => {
                    self.control_bytes -= frame.len();
                    Some(frame)
                }
                None => self
                    .state
                    .pop_front()
                    .inspect(|f| self.state_bytes -= f.len()),
            };
            match next {
                Some(frame) => self.partial = frame,
                None => break,
            }
        }
        self.refused = (!self.is_empty()).then(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(size: usize) -> Bytes {
        Bytes::from(vec![7; size])
    }

    #[test]
    fn of_waiting_scenes_only_the_newest_is_kept_beyond_the_bound() {
        let mut lanes = Lanes::default();
        for size in 1..=STATE_FRAMES {
            lanes.push(frame(size), Lane::State);
        }
        assert_eq!(lanes.state.len(), STATE_FRAMES);
        lanes.push(frame(99), Lane::State);
        assert_eq!((lanes.state.len(), lanes.state_bytes), (1, 99));
        lanes.push(frame(STATE_BYTES), Lane::State);
        assert_eq!((lanes.state.len(), lanes.state_bytes), (1, STATE_BYTES));
    }

    #[tokio::test]
    async fn d24_a_peer_that_has_gone_silent_is_pinged_and_then_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (io, _peer) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let link = Link::new(ConnId(1), io.unwrap());
        let now = Instant::now();
        link.check(now + PING / 2);
        assert_eq!((link.pinged.get(), link.ending()), (link.heard.get(), None));
        link.check(now + PING * 2);
        assert_eq!((link.pinged.get(), link.ending()), (now + PING * 2, None));
        link.heard();
        link.check(now + SILENCE - Duration::from_secs(1));
        assert_eq!(link.ending(), None);
        link.check(now + SILENCE * 2);
        assert_eq!(link.ending(), Some(Ending::Drop("it answered no ping")));
    }

    #[tokio::test]
    async fn too_much_that_must_not_be_dropped_ends_the_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (io, _peer) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let link = Link::new(ConnId(1), io.unwrap());
        let large = "x".repeat(64 << 10);
        let frame = Frame::text(&[large.as_bytes()]);
        let sent = (0..1000).take_while(|_| {
            link.offer(&frame, Lane::Control);
            link.ending().is_none()
        });
        assert!(sent.count() < 999);
        assert_eq!(link.ending(), Some(Ending::Close(1013, "too slow".into())));
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
                lanes.push(Bytes::from(vec![nth as u8; *size]), Lane::Control);
                expected.extend(vec![nth as u8; *size]);
            }
            for (nth, (_, size)) in frames.iter().enumerate().filter(|(_, (lane, _))| *lane == 1) {
                lanes.push(Bytes::from(vec![nth as u8; *size]), Lane::State);
                expected.extend(vec![nth as u8; *size]);
            }
            let mut arrived: Vec<u8> = Vec::new();
            for step in steps.iter().cycle() {
                if lanes.is_empty() {
                    break;
                }
                let flat: Vec<u8> = lanes.slices().iter().flat_map(|s| s.to_vec()).collect();
                let taken = (*step).min(flat.len());
                arrived.extend(&flat[..taken]);
                lanes.take(taken);
            }
            prop_assert_eq!(arrived, expected);
            prop_assert_eq!((lanes.control_bytes, lanes.state_bytes), (0, 0));
        }
    }
}
