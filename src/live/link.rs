//! The server's side of one socket: what still has to be written, in lanes.

use super::courier::RoomId;
use super::deflate::{Packed, Place};
use super::lanes::{BATCH, Lanes, STATE_BYTES, Taken};
use super::{CloseCode, ConnId, Delivery, Frame, Lane};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, IoSlice};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A socket that takes no byte for this long is given up.
const STALL: Duration = Duration::from_secs(10);
/// For this long after it refused, and for this long once more some seconds later, a socket may take
/// what was on its way to a peer that reads no more: Linux tries a closed window ever more seldom.
const SETTLE: Duration = Duration::from_secs(2);
/// Of more bytes than these that wait, such a part at least is to be taken at each look that finds any taken:
/// else a few that trickle hold much memory for hours.
const MUCH: usize = 1 << 20;
const PART: usize = 64;
/// Home routers forget idle connections after about 30 s, so ping well inside that.
const PING: Duration = Duration::from_secs(15);
/// A peer that says nothing for this long, not even to pings, has gone.
const SILENCE: Duration = Duration::from_secs(40);
/// Large answers that may wait; asking for more without reading any is too slow.
const LARGE_ANSWERS: usize = 256;

/// What a dialect may have otherwise than the others.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// How often a peer is pinged.
    pub ping: Duration,
    /// A peer that says nothing for this long, not even to pings, has gone.
    pub silence: Duration,
    /// What one that is too slow is told as the reason.
    pub slow: &'static str,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            ping: PING,
            silence: SILENCE,
            slow: "too slow",
        }
    }
}

/// What a dialect's connections are held to.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most bytes that may wait in the control lane.
    pub control_bytes: usize,
    /// How one that is too slow is closed.
    pub slow: CloseCode,
    /// How one that answers no ping is closed; `None`: without a word.
    pub silent: Option<CloseCode>,
}

/// How a connection ends, as decided on this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a close frame behind what is being written.
    Close(u16, String),
    /// At once: the peer takes nothing or has gone.
    Drop(&'static str),
}

impl Ending {
    pub fn close(code: CloseCode, reason: impl Into<String>) -> Self {
        Self::Close(code as u16, reason.into())
    }
}

/// One connection's socket and what waits for it. Lives on one worker thread.
///
/// Ten thousand of them may be idle, so what only a slow one needs is boxed. What each write looks
/// at comes first and lies together, in as few of the processor's cache lines as may be.
#[repr(C)]
pub(super) struct Link {
    pub id: ConnId,
    /// So many of the deliveries that are being handed out came before it was admitted.
    pub missed: Cell<usize>,
    ending: RefCell<Option<Box<Ending>>>,
    /// `None`: nothing waits.
    lanes: RefCell<Option<Box<Lanes>>>,
    pub io: TcpStream,
    /// Where the reader is in its room's compressed history; `None`: it takes plain frames only.
    place: Option<Cell<Place>>,
    /// The room it was admitted to.
    pub room: Cell<Option<RoomId>>,
    bounds: Bounds,
    pub manners: Cell<Manners>,
    /// The connection's task, while it waits.
    task: Cell<Option<Waker>>,
    heard: Cell<Instant>,
    pinged: Cell<Instant>,
    /// Something waits, or the end was decided, and the task does not know yet.
    woken: Cell<bool>,
    /// Its room waits for a sign of life, and there was one.
    probed: Cell<bool>,
    answered: Cell<bool>,
    /// The peer itself wants to end.
    pub goodbye: Cell<bool>,
    /// Whether its room is letting it go, and whether it has.
    held: Cell<bool>,
    released: Cell<bool>,
}

/// A [`Link`] at rest on its way to another thread.
pub(super) struct PackedLink {
    id: ConnId,
    io: std::net::TcpStream,
    bounds: Bounds,
    manners: Manners,
    deflates: bool,
}

impl PackedLink {
    /// The link, for this thread.
    pub fn unpack(self) -> std::io::Result<Link> {
        let io = TcpStream::from_std(self.io)?;
        let link = Link::new(self.id, io, self.bounds, self.deflates);
        link.manners.set(self.manners);
        Ok(link)
    }
}

/// What a connection's task was waiting for.
pub(super) enum Event {
    /// See [`Link::ending`] and [`Link::has_backlog`].
    Woken,
    /// The socket can be read, or the peer has gone.
    Readable,
    /// The socket takes bytes, or the peer has gone.
    Writable,
}

/// A delivery on its way to one of those for whom it is.
pub(super) struct Parted<'a> {
    pub delivery: &'a Delivery,
    /// The same, compressed.
    pub packed: Option<&'a Packed>,
}

impl Parted<'_> {
    /// The most that it has on the wire.
    fn bytes(&self) -> usize {
        let packed = self.packed.map_or(0, |packed| packed.frame.bytes().len());
        self.delivery.frame.bytes().len().max(packed)
    }

    fn is_large(&self) -> bool {
        matches!(self.delivery.lane, Lane::Large(_))
    }
}

/// What became of some frames, for the figures.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub kept: u64,
    pub kept_bytes: u64,
    pub coalesced: u64,
}

impl Tally {
    pub fn add(&mut self, taken: Taken, delivery: &Delivery) {
        match taken {
            Taken::Kept => {
                self.kept += 1;
                self.kept_bytes += delivery.frame.bytes().len() as u64;
            }
            Taken::Coalesced => self.coalesced += 1,
            Taken::Refused => {}
        }
    }
}

impl Link {
    /// `deflates`: the reader takes compressed frames.
    pub fn new(id: ConnId, io: TcpStream, bounds: Bounds, deflates: bool) -> Self {
        let now = Instant::now();
        Self {
            id,
            io,
            room: Cell::new(None),
            missed: Cell::new(0),
            bounds,
            manners: Cell::default(),
            place: deflates.then(Cell::default),
            lanes: RefCell::default(),
            task: Cell::new(None),
            woken: Cell::new(false),
            heard: Cell::new(now),
            pinged: Cell::new(now),
            probed: Cell::new(false),
            answered: Cell::new(false),
            ending: RefCell::new(None),
            goodbye: Cell::new(false),
            held: Cell::new(false),
            released: Cell::new(false),
        }
    }

    /// Whether it is in no room, nothing waits to be written, and its end has not been decided.
    pub fn is_at_rest(&self) -> bool {
        self.room.get().is_none() && !self.has_backlog() && self.ending.borrow().is_none()
    }

    /// Takes it from this thread while it is at rest.
    pub fn pack(self) -> std::io::Result<PackedLink> {
        Ok(PackedLink {
            id: self.id,
            io: self.io.into_std()?,
            bounds: self.bounds,
            manners: self.manners.get(),
            deflates: self.place.is_some(),
        })
    }

    /// Its room is about to let it go: what it says from now on is for whoever serves it then.
    pub fn hold(&self) {
        self.held.set(true);
    }

    /// Whether its room is about to let it go.
    pub fn is_held(&self) -> bool {
        self.held.get()
    }

    /// Its room lets it go.
    pub fn release(&self) {
        self.released.set(true);
        self.wake();
    }

    /// Whether its room has let it go since the last look.
    pub fn take_release(&self) -> bool {
        let released = self.released.take();
        if released {
            self.held.set(false);
        }
        released
    }

    /// The peer has said something.
    pub fn heard(&self) {
        self.heard.set(Instant::now());
        if self.probed.take() {
            self.answered.set(true);
        }
    }

    /// Pings it now; its room wants to know of the next thing that is heard.
    pub fn probe(&self) {
        self.probed.set(true);
        self.offer(&Frame::ping(), None, &Lane::Control);
    }

    /// Whether something was heard since [`Link::probe`], once.
    pub fn take_answer(&self) -> bool {
        self.answered.take()
    }

    pub fn ending(&self) -> Option<Ending> {
        self.ending.borrow().as_deref().cloned()
    }

    /// Decides the end, once.
    pub fn end(&self, ending: Ending) {
        self.ending
            .borrow_mut()
            .get_or_insert_with(|| Box::new(ending));
        self.wake();
    }

    fn wake(&self) {
        self.woken.set(true);
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    /// Waits for the next thing that the connection's task has to do; `reads`: reading is one.
    pub async fn event(&self, reads: bool) -> Event {
        std::future::poll_fn(|cx| self.poll_event(reads, cx)).await
    }

    fn poll_event(&self, reads: bool, cx: &mut Context<'_>) -> Poll<Event> {
        if self.woken.take() {
            return Poll::Ready(Event::Woken);
        }
        // An error is met again by whoever writes or reads.
        if self.has_backlog() && self.io.poll_write_ready(cx).is_ready() {
            return Poll::Ready(Event::Writable);
        }
        if reads && self.io.poll_read_ready(cx).is_ready() {
            return Poll::Ready(Event::Readable);
        }
        self.task.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Whether `ending` is that of a reader that was too slow.
    pub fn was_slow(&self, ending: &Ending) -> bool {
        matches!(ending, Ending::Close(code, _) if *code == self.bounds.slow as u16)
    }

    pub fn has_backlog(&self) -> bool {
        self.lanes.borrow().is_some()
    }

    /// Bytes that wait.
    pub fn waiting(&self) -> usize {
        self.lanes.borrow().as_deref().map_or(0, Lanes::bytes)
    }

    /// Whether the reader takes compressed frames.
    pub fn deflates(&self) -> bool {
        self.place.is_some()
    }

    /// The compressed frame, if the reader can take it, else the plain one.
    fn pick<'a>(&self, frame: &'a Frame, packed: Option<&'a Packed>) -> &'a Bytes {
        if let (Some(place), Some(packed)) = (&self.place, packed) {
            let mut here = place.get();
            let fits = here.take(packed);
            place.set(here);
            if fits {
                return packed.frame.bytes();
            }
        }
        frame.bytes()
    }

    /// Writes `frame` now, or as much of it as the socket takes; the rest waits in its lane.
    /// `packed` is the same, compressed.
    pub fn offer(&self, frame: &Frame, packed: Option<&Packed>, lane: &Lane) -> Taken {
        if self.ending.borrow().is_some() {
            return Taken::Refused;
        }
        if let Lane::Large(_) = lane {
            let taken = self.queue(frame, packed, lane);
            self.flush();
            return taken;
        }
        if self.has_backlog() {
            let taken = self.queue(frame, packed, lane);
            self.wake();
            return taken;
        }
        let bytes = self.pick(frame, packed);
        match self.send(bytes) {
            Ok(taken) if taken == bytes.len() => {}
            Ok(taken) => self.keep_rest(|lanes| lanes.partial = bytes.slice(taken..)),
            Err(e) if refuses(&e) => self.keep_rest(|lanes| {
                lanes.push(bytes.clone(), lane);
            }),
            Err(_) => {
                self.end(Ending::Drop("the socket is broken"));
                return Taken::Refused;
            }
        }
        Taken::Kept
    }

    /// Writes several frames in as few calls as possible, as far as the socket takes them; the rest
    /// waits.
    pub fn offer_all(&self, mut all: &[Parted<'_>], tally: &mut Tally) {
        while let [first, ..] = all {
            // What the socket refuses of so little waits without that anything is left out.
            let mut bytes = 0;
            let fits = |one: &&Parted<'_>| {
                bytes += one.bytes();
                bytes <= STATE_BYTES && !one.is_large()
            };
            let together = all.iter().take(BATCH).take_while(fits).count();
            if together > 1 && !self.has_backlog() {
                let (some, rest) = all.split_at(together);
                self.offer_some(some, tally);
                all = rest;
            } else {
                let Delivery { frame, lane, .. } = first.delivery;
                tally.add(self.offer(frame, first.packed, lane), first.delivery);
                all = &all[1..];
            }
        }
    }

    fn offer_some(&self, some: &[Parted<'_>], tally: &mut Tally) {
        if self.ending.borrow().is_some() {
            return;
        }
        let mut slices = [IoSlice::new(&[]); BATCH];
        let mut picked = [const { None }; BATCH];
        for (nth, Parted { delivery, packed }) in some.iter().enumerate() {
            let bytes = self.pick(&delivery.frame, *packed);
            slices[nth] = IoSlice::new(bytes);
            picked[nth] = Some((bytes, &delivery.lane));
        }
        let mut written = match self.send_all(&slices[..some.len()]) {
            Ok(written) => written,
            Err(e) if refuses(&e) => 0,
            Err(_) => return self.end(Ending::Drop("the socket is broken")),
        };
        for one in some {
            tally.add(Taken::Kept, one.delivery);
        }
        let mut waiting = picked.into_iter().flatten().peekable();
        while let Some((bytes, _)) = waiting.next_if(|(bytes, _)| bytes.len() <= written) {
            written -= bytes.len();
        }
        if waiting.peek().is_none() {
            return;
        }
        self.keep_rest(|lanes| {
            if written > 0
                && let Some((begun, _)) = waiting.next()
            {
                lanes.partial = begun.slice(written..);
            }
            for (bytes, lane) in waiting {
                lanes.push(bytes.clone(), lane);
            }
        });
    }

    // Most sockets take all that they are given, so they are not asked first. One that does not is
    // waited for like any other: tokio hears of it when the rest is tried.

    #[cfg(target_os = "linux")]
    fn send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        let flags = rustix::net::SendFlags::NOSIGNAL;
        Ok(rustix::net::send(&self.io, bytes, flags)?)
    }

    #[cfg(target_os = "linux")]
    fn send_all(&self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        Ok(rustix::io::writev(&self.io, slices)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn send(&self, bytes: &[u8]) -> std::io::Result<usize> {
        self.io.try_write(bytes)
    }

    #[cfg(not(target_os = "linux"))]
    fn send_all(&self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        self.io.try_write_vectored(slices)
    }

    /// Lets wait what the socket has not taken.
    #[cold]
    fn keep_rest(&self, put: impl FnOnce(&mut Lanes)) {
        let mut lanes = Box::<Lanes>::default();
        put(&mut lanes);
        lanes.refused = Some(Instant::now());
        self.lanes.replace(Some(lanes));
        self.wake();
    }

    /// Lets `frame` wait in its lane; [`Link::flush`] must follow.
    fn queue(&self, frame: &Frame, packed: Option<&Packed>, lane: &Lane) -> Taken {
        if self.ending.borrow().is_some() {
            return Taken::Refused;
        }
        let mut lanes = self.lanes.borrow_mut();
        let lanes = lanes.get_or_insert_default();
        let bytes = if matches!(lane, Lane::State(_)) && lanes.coalesces(frame.bytes().len()) {
            if let Some(place) = &self.place {
                // What waited is lost, and with it the thread of the history.
                place.set(Place::default());
            }
            frame.bytes()
        } else {
            self.pick(frame, packed)
        };
        let taken = lanes.push(bytes.clone(), lane);
        if lanes.control_bytes > self.bounds.control_bytes || lanes.large > LARGE_ANSWERS {
            self.end(self.too_slow());
            return Taken::Refused;
        }
        taken
    }

    /// Writes what waits, as far as the socket takes it; the rest is the connection's task's.
    fn flush(&self) {
        let untried = |lanes: &Lanes| lanes.refused.is_none();
        if self.lanes.borrow().as_deref().is_some_and(untried) && self.drain().is_err() {
            self.end(Ending::Drop("the socket is broken"));
        }
        if let Some(lanes) = &mut *self.lanes.borrow_mut() {
            lanes.refused.get_or_insert_with(Instant::now);
            self.wake();
        }
    }

    /// Writes what waits, as far as the socket takes it.
    pub fn drain(&self) -> std::io::Result<()> {
        self.drain_by(BATCH, |slices| self.io.try_write_vectored(slices))
    }

    /// Writes what the socket takes before it is said to take anything.
    ///
    /// Linux tells of room once a third of the socket's buffer is free. That may be more than a
    /// slow peer reads within [`STALL`], whose bytes are taken nevertheless.
    fn nudge(&self, now: Instant) -> std::io::Result<()> {
        let refused = || self.lanes.borrow().as_ref().and_then(|lanes| lanes.refused);
        let Some(since) = refused() else {
            return Ok(());
        };
        let before = self.waiting();
        // One by one: a newest state that has not begun need not be put together for this.
        self.drain_by(1, |slices| self.send_all(slices))?;
        if refused() != Some(since) {
            let taken = before.saturating_sub(self.waiting());
            let trickles = before > MUCH && taken < before / PART;
            let early = now.duration_since(since) < SETTLE;
            if let Some(lanes) = &mut *self.lanes.borrow_mut() {
                let first = if early {
                    now
                } else {
                    *lanes.first_late.get_or_insert(now)
                };
                let reads = !trickles && now.duration_since(first) >= SETTLE;
                lanes.refused = Some(if reads { now } else { since });
            }
            // Its task may have waited for that.
            self.wake();
        }
        Ok(())
    }

    /// With at most so many frames in each call.
    fn drain_by(
        &self,
        frames: usize,
        write: impl Fn(&[IoSlice<'_>]) -> std::io::Result<usize>,
    ) -> std::io::Result<()> {
        let mut waiting = self.lanes.borrow_mut();
        let Some(lanes) = &mut *waiting else {
            return Ok(());
        };
        while !lanes.is_empty() {
            let written = {
                let slices = lanes.slices(frames);
                write(&slices)
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => lanes.take(taken),
                Err(e) if refuses(&e) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        // What it grew to for a slow moment is not kept for a quiet evening.
        *waiting = None;
        Ok(())
    }

    fn too_slow(&self) -> Ending {
        Ending::close(self.bounds.slow, self.manners.get().slow)
    }

    /// Forgets all frames that nothing has been written of: the end does not wait for them.
    pub fn clear(&self) {
        let mut lanes = self.lanes.borrow_mut();
        *lanes = lanes.take().and_then(|lanes| lanes.begun()).map(Box::new);
    }

    /// Puts a last frame behind whatever is half written.
    pub fn push_last(&self, frame: &Frame) {
        let mut lanes = self.lanes.borrow_mut();
        let lanes = lanes.get_or_insert_default();
        lanes.push(frame.bytes().clone(), &Lane::Control);
    }

    /// Called about twice a second: pings, and gives up peers that are gone or take nothing.
    pub fn check(&self, now: Instant) {
        if self.ending.borrow().is_some() {
            return;
        }
        if self.nudge(now).is_err() {
            return self.end(Ending::Drop("the socket is broken"));
        }
        let refused = self.lanes.borrow().as_ref().and_then(|lanes| lanes.refused);
        let Manners { ping, silence, .. } = self.manners.get();
        if refused.is_some_and(|since| now.duration_since(since) >= STALL) {
            self.end(self.too_slow());
        } else if now.duration_since(self.heard.get()) >= silence {
            self.end(match self.bounds.silent {
                Some(code) => Ending::close(code, "it answered no ping"),
                None => Ending::Drop("it answered no ping"),
            });
        } else if now.duration_since(self.pinged.get()) >= ping {
            self.pinged.set(now);
            self.offer(&Frame::ping(), None, &Lane::Control);
        }
    }
}

/// Whether a socket takes nothing just now.
fn refuses(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::super::lanes::PASSING_BYTES;
    use super::super::{To, Topic};
    use super::*;

    const BOUNDS: Bounds = Bounds {
        control_bytes: 256 << 10,
        slow: CloseCode::TryLater,
        silent: None,
    };

    /// A connection, and its other end.
    async fn linked() -> (Link, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (io, peer) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let link = Link::new(ConnId(1), io.unwrap(), BOUNDS, false);
        (link, peer.unwrap().0)
    }

    #[tokio::test]
    async fn an_end_leaves_what_has_begun_and_nothing_else() {
        let (link, _peer) = linked().await;
        let (head, lane) = Frame::large(b"ab", &[Bytes::from(vec![7; 300])]);
        {
            let mut lanes = link.lanes.borrow_mut();
            let lanes = lanes.get_or_insert_default();
            lanes.push(head.bytes().clone(), &lane);
            lanes.push(head.bytes().clone(), &lane);
            // The first beginning is out.
            lanes.take(head.bytes().len());
        }
        link.clear();
        link.push_last(&Frame::close(1001, ""));
        let lanes = link.lanes.borrow();
        let slices = lanes.as_ref().map(|lanes| lanes.slices(BATCH));
        let sizes: Vec<_> = slices.iter().flatten().map(|s| s.len()).collect();
        assert_eq!(sizes, [300, 4]);
    }

    #[tokio::test]
    async fn d24_a_peer_that_has_gone_silent_is_pinged_and_then_given_up() {
        let (link, _peer) = linked().await;
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
        let (link, _peer) = linked().await;
        let large = "x".repeat(64 << 10);
        let frame = Frame::text(&[large.as_bytes()]);
        let sent = (0..1000).take_while(|_| {
            link.offer(&frame, None, &Lane::Control);
            link.ending().is_none()
        });
        assert!(sent.count() < 999);
        assert_eq!(link.ending(), Some(Ending::Close(1013, "too slow".into())));
    }

    /// A connection with small buffers and much that may wait, which no other silence ends.
    async fn narrow() -> (Link, TcpStream) {
        let (mut link, peer) = linked().await;
        for socket in [&link.io, &peer] {
            let socket = socket2::SockRef::from(socket);
            socket.set_recv_buffer_size(64 << 10).unwrap();
            socket.set_send_buffer_size(64 << 10).unwrap();
        }
        link.bounds.control_bytes = 64 << 20;
        let silence = Duration::from_secs(3600);
        link.manners.set(Manners {
            silence,
            ..Manners::default()
        });
        (link, peer)
    }

    /// Has so many bytes wait.
    fn fill(link: &Link, bytes: usize) {
        let frame = Frame::text(&[&vec![b'x'; 64 << 10]]);
        while link.waiting() < bytes {
            link.offer(&frame, None, &Lane::Control);
        }
    }

    /// The peer reads, far less than what makes Linux say that there is room, until the socket takes some.
    async fn take_some(link: &Link, peer: &mut TcpStream, now: Instant) {
        use tokio::io::AsyncReadExt;
        let waiting = link.waiting();
        while link.waiting() >= waiting {
            assert_eq!(link.ending(), None);
            peer.read_exact(&mut [0; 4 << 10]).await.unwrap();
            link.check(now);
        }
    }

    /// Waits until the socket takes nothing any more.
    async fn settle(link: &Link, now: Instant) {
        let mut waiting = link.waiting();
        let mut looks = 0;
        while looks < 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            link.check(now);
            looks = if link.waiting() == waiting {
                looks + 1
            } else {
                0
            };
            waiting = link.waiting();
        }
    }

    #[tokio::test]
    async fn who_reads_slowly_is_kept_and_who_reads_nothing_is_given_up() {
        let (link, mut peer) = narrow().await;
        let mut now = Instant::now();
        for seconds in [4, 5, 9, 9, 9, 9] {
            fill(&link, MUCH / 2);
            now += Duration::from_secs(seconds);
            take_some(&link, &mut peer, now).await;
            assert_eq!(link.ending(), None);
        }
        // What was on its way may be taken once more.
        for _ in 0..3 {
            now += STALL;
            link.check(now);
        }
        assert_eq!(link.ending(), Some(Ending::Close(1013, "too slow".into())));
    }

    /// What is on its way when a peer stops reading may be taken seconds later.
    #[tokio::test]
    async fn what_is_taken_once_after_a_refusal_is_no_sign_of_life() {
        let (link, mut peer) = narrow().await;
        fill(&link, MUCH / 2);
        let now = Instant::now();
        let late = now + STALL / 2;
        take_some(&link, &mut peer, late).await;
        // The next look finds the rest of it.
        take_some(&link, &mut peer, late + SETTLE / 4).await;
        settle(&link, late + SETTLE / 4).await;
        assert_eq!(link.ending(), None);
        link.check(now + STALL);
        assert_eq!(link.ending(), Some(Ending::Close(1013, "too slow".into())));
    }

    #[tokio::test]
    async fn who_trickles_does_not_hold_much() {
        let (link, mut peer) = narrow().await;
        fill(&link, 32 * MUCH);
        let now = Instant::now();
        for seconds in [4, 8] {
            take_some(&link, &mut peer, now + Duration::from_secs(seconds)).await;
        }
        assert_eq!(link.ending(), None);
        link.check(now + STALL);
        assert_eq!(link.ending(), Some(Ending::Close(1013, "too slow".into())));
    }

    fn passing(nth: usize, size: usize) -> Delivery {
        let topic = Topic(std::sync::Arc::new((nth as u64, "a".into())));
        Delivery {
            to: To::One(ConnId(1)),
            lane: Lane::Passing(topic),
            frame: Frame::text(&[&vec![b'x'; size]]),
        }
    }

    fn parted(deliveries: &[Delivery]) -> Vec<Parted<'_>> {
        let parted = deliveries.iter().map(|delivery| Parted {
            delivery,
            packed: None,
        });
        parted.collect()
    }

    #[tokio::test]
    async fn a_burst_of_passing_state_reaches_a_socket_that_takes_it() {
        use tokio::io::AsyncReadExt;
        let (link, mut peer) = linked().await;
        let burst: Vec<_> = (0..8).map(|nth| passing(nth, PASSING_BYTES / 4)).collect();
        let mut tally = Tally::default();
        link.offer_all(&parted(&burst), &mut tally);
        assert_eq!((tally.kept, link.has_backlog()), (8, false));
        let mut all = vec![0; 8 * burst[0].frame.bytes().len()];
        peer.read_exact(&mut all).await.unwrap();
    }

    #[tokio::test]
    async fn passing_state_is_left_out_once_the_socket_refuses() {
        let (link, _peer) = linked().await;
        for round in 0..1_000 {
            let burst: Vec<_> = (0..15)
                .map(|nth| passing(round * 15 + nth, PASSING_BYTES / 4))
                .collect();
            link.offer_all(&parted(&burst), &mut Tally::default());
            if link.has_backlog() {
                break;
            }
        }
        let lanes = link.lanes.borrow();
        let lanes = lanes.as_ref().expect("it takes no more at some time");
        assert!(
            lanes.passing_bytes <= PASSING_BYTES,
            "{}",
            lanes.passing_bytes
        );
    }

    #[tokio::test]
    async fn what_is_large_may_have_company() {
        let (link, _peer) = linked().await;
        let sized = |size| Delivery {
            to: To::One(link.id),
            lane: Lane::Control,
            frame: Frame::text(&[&vec![b'x'; size]]),
        };
        let all = [sized(BOUNDS.control_bytes + 1), sized(10), sized(20)];
        link.offer_all(&parted(&all), &mut Tally::default());
        assert_eq!(link.ending(), None);
    }

    /// The peer reads, or what waits goes on its way: what can be done first.
    async fn step(link: &Link, peer: &mut TcpStream, arrived: &mut Vec<u8>) {
        use tokio::io::AsyncReadExt;
        tokio::select! {
            read = peer.read_buf(arrived) => assert_ne!(read.unwrap(), 0),
            _ = link.io.writable(), if link.has_backlog() => link.drain().unwrap(),
        }
    }

    /// Whatever the socket takes of rounds of frames, all arrives whole and in order.
    #[tokio::test]
    async fn rounds_arrive_whole_and_in_order_at_a_socket_that_refuses_now_and_then() {
        let (link, mut peer) = linked().await;
        let (mut sent, mut arrived, mut refused) = (Vec::new(), Vec::new(), 0);
        for round in 0..400usize {
            // More than goes into one call, and small ones behind large ones.
            let deliveries: Vec<_> = (0..1 + round % (BATCH + 5))
                .map(|nth| {
                    let size = if (round + nth) % 11 == 0 { 60_000 } else { nth };
                    let fill = (round * 31 + nth) as u8;
                    Delivery {
                        to: To::One(link.id),
                        lane: Lane::Control,
                        frame: Frame::text(&[&vec![fill; size]]),
                    }
                })
                .collect();
            let mut tally = Tally::default();
            link.offer_all(&parted(&deliveries), &mut tally);
            assert_eq!(tally.kept as usize, deliveries.len());
            sent.extend(
                deliveries
                    .iter()
                    .flat_map(|delivery| delivery.frame.bytes().to_vec()),
            );
            assert_eq!(
                tally.kept_bytes,
                deliveries
                    .iter()
                    .map(|delivery| delivery.frame.bytes().len() as u64)
                    .sum::<u64>()
            );
            // Sometimes the reader falls behind, never beyond what may wait.
            refused += usize::from(link.has_backlog());
            while link.waiting() > 100_000 || (round % 101 == 100 && arrived.len() < sent.len()) {
                step(&link, &mut peer, &mut arrived).await;
            }
            assert_eq!(link.ending(), None);
        }
        while arrived.len() < sent.len() {
            step(&link, &mut peer, &mut arrived).await;
        }
        assert!(arrived == sent);
        assert!(refused > 0, "the socket took everything at once");
    }
}
