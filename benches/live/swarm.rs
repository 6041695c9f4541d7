//! Many clients that listen and one that speaks, in one thread and one epoll loop.
//!
//! A listener looks at the headers of frames and at a stamp near the start of each message; all
//! else is dropped in the kernel. Every message must reach everybody once and in order. Of
//! compressed messages one listener unpacks each, the others count them.

use super::wire::{self, Header, said};
use crate::support::Result;
use flate2::{Decompress, FlushDecompress};
use futures_util::{StreamExt, TryStreamExt, stream};
use socket2::SockRef;
use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

/// Handshakes under way at the same time.
const AT_ONCE: usize = 64;
/// A stamp stands within so many bytes of a message.
const LOOK: usize = 512;
/// No message is larger.
const MOST_UNPACKED: usize = 1 << 20;
/// Bytes thrown away by one call.
const SINK_BYTES: usize = 4 << 20;
/// Linux's `MSG_TRUNC`: bytes that are received with it are dropped by the kernel without a copy.
const DISCARD: i32 = 0x20;
/// A server that takes this much longer than it was given hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is spoken to.
#[derive(Clone, Copy)]
pub struct Speech {
    /// Path of the WebSocket.
    pub path: &'static str,
    /// What the one that speaks says first.
    pub speaker: Option<&'static str>,
    /// What those who listen say first.
    pub listener: Option<&'static str>,
    /// The server greets everybody who has come.
    pub greets: bool,
    /// Messages may be left out when a newer one is on its way.
    pub lossy: bool,
    /// Those who listen offer compression.
    pub deflates: bool,
    /// Everybody sends a pong when it has come, which means nothing (RFC 6455, 5.5.3).
    pub nods: bool,
}

impl Speech {
    /// A hub that is told nothing.
    pub const PLAIN: Self = Self {
        path: "/",
        speaker: None,
        listener: None,
        greets: false,
        lossy: false,
        deflates: false,
        nods: false,
    };
    /// The same, for clients of which each has said something: what the kernel does for a socket
    /// depends on whether its peer only listens.
    pub const PLAIN_TALK: Self = Self {
        nods: true,
        ..Self::PLAIN
    };
    /// SpellTable's dialect.
    pub const SPELLTABLE: Self = Self {
        path: "/ws",
        greets: true,
        ..Self::PLAIN
    };
    /// Our own protocol: a GM speaks, players listen.
    pub const TABLE: Self = Self {
        path: "/ws/table",
        speaker: Some(r#"{"type":"hello","proto":1,"table":"main","name":"Speaker"}"#),
        listener: Some(
            r#"{"type":"hello","proto":1,"table":"main","name":"Listener","role":"player"}"#,
        ),
        greets: true,
        ..Self::PLAIN
    };
    /// The same for hints.
    pub const HINTS: Self = Self {
        lossy: true,
        ..Self::TABLE
    };
}

/// When messages are sent.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As soon as fewer than so many are not everywhere yet.
    Window(u64),
    /// So many a second.
    Rate(f64),
}

/// What came of a run.
#[derive(Default)]
pub struct Tally {
    /// Messages received, by all together.
    pub deliveries: u64,
    /// Bytes received with them.
    pub bytes: u64,
    /// From when a message was due to when a listener had it, in milliseconds, sorted.
    pub latencies: Vec<f64>,
    /// To when the speaker had its own, or the answer to it.
    pub answers: Vec<f64>,
}

impl Tally {
    /// The latency that so many of 100 stay below.
    pub fn percentile(&self, of_100: f64) -> f64 {
        percentile(&self.latencies, of_100)
    }
}

/// Of sorted values.
pub fn percentile(sorted: &[f64], of_100: f64) -> f64 {
    let at = (sorted.len() as f64 * of_100 / 100.0) as usize;
    sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// The text in which a message says its number; 17 bytes without anything that JSON would escape.
pub fn stamp(number: u64) -> String {
    format!("#{number:016}")
}

/// The clients.
pub struct Swarm {
    runtime: Runtime,
    local: LocalSet,
    shared: Rc<Shared>,
    speaker: Rc<TcpStream>,
    listeners: u64,
    next: u64,
    /// From the first connection to the last greeting.
    pub joined_in: Duration,
}

#[derive(Default)]
struct Shared {
    /// Deliveries to listeners that are over, those left out included.
    passed: Cell<u64>,
    /// By listeners, and by the speaker, too.
    heard: Cell<u64>,
    echoes: Cell<u64>,
    bytes: Cell<u64>,
    greeted: Cell<u64>,
    /// Messages are known by the table's numbers, which begin with 1.
    by_seq: Cell<bool>,
    news: Notify,
    /// When each message was due.
    due: RefCell<Vec<Instant>>,
    latencies: RefCell<Vec<f64>>,
    answers: RefCell<Vec<f64>>,
    fault: RefCell<Option<String>>,
    scratch: RefCell<Vec<u8>>,
    sink: RefCell<Vec<MaybeUninit<u8>>>,
}

impl Swarm {
    /// Connects one that speaks and `listeners`.
    pub fn join(addr: SocketAddr, speech: Speech, listeners: u64) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        let shared = Rc::new(Shared {
            scratch: RefCell::new(vec![0; 16 << 10]),
            sink: RefCell::new(vec![MaybeUninit::uninit(); SINK_BYTES]),
            ..Shared::default()
        });
        let start = Instant::now();
        let speaker = local.block_on(&runtime, async {
            let speaker = enter(addr, speech, Part::Speaker, shared.clone()).await?;
            shared.greeted_by(speech, 1).await?;
            let parts = (0..listeners).map(|nth| match nth {
                0 => Part::Reader,
                _ => Part::Listener,
            });
            let all = stream::iter(parts)
                .map(|part| enter(addr, speech, part, shared.clone()))
                .buffer_unordered(AT_ONCE);
            all.try_for_each(async |_| Ok(())).await?;
            shared.greeted_by(speech, listeners + 1).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(speaker)
        })?;
        Ok(Self {
            runtime,
            local,
            shared,
            speaker,
            listeners,
            next: 0,
            joined_in: start.elapsed(),
        })
    }

    /// From now on messages are known by the table's own numbers, of which the first is 1.
    pub fn count_by_seq(&self) {
        self.shared.by_seq.set(true);
    }

    /// Lets the clients do what they have to for a while.
    pub fn rest(&mut self, span: Duration) -> Result<()> {
        let Self { runtime, local, .. } = self;
        local.block_on(runtime, async { tokio::time::sleep(span).await });
        self.shared.check()
    }

    /// Speaks at least once, and for `span`; when this returns everybody has heard everything. `message` makes the
    /// text with a number's [`stamp`], and is told how many the speaker has had an answer to.
    pub fn run(
        &mut self,
        pace: Pace,
        span: Duration,
        message: &mut dyn FnMut(u64, u64) -> Vec<u8>,
    ) -> Result<Tally> {
        let shared = self.shared.clone();
        let first = self.next;
        let before = [&shared.heard, &shared.echoes, &shared.bytes].map(Cell::get);
        shared.latencies.borrow_mut().clear();
        shared.answers.borrow_mut().clear();
        let (speaker, listeners) = (self.speaker.clone(), self.listeners);
        let mut next = first;
        let speaking = async {
            let start = Instant::now();
            let mut clock = None;
            loop {
                let due = match pace {
                    Pace::Window(window) => {
                        shared.heard_up_to(next, window, listeners).await?;
                        Instant::now()
                    }
                    Pace::Rate(rate) => {
                        let clock = clock.get_or_insert_with(|| ticks(rate));
                        let due = clock.recv().await.ok_or("the clock stopped")?;
                        shared.check()?;
                        due
                    }
                };
                shared.due.borrow_mut().push(due);
                send(&speaker, &said(&message(next, shared.echoes.get()))).await?;
                next += 1;
                if start.elapsed() >= span {
                    break;
                }
            }
            shared.heard_up_to(next, 1, listeners).await
        };
        let done: Result<()> = self.local.block_on(&self.runtime, async {
            timeout(span + PATIENCE, speaking).await?
        });
        done?;
        self.next = next;
        let after = [&shared.heard, &shared.echoes, &shared.bytes].map(Cell::get);
        let sorted = |values: &RefCell<Vec<f64>>| {
            let mut values = values.take();
            values.sort_by(f64::total_cmp);
            values
        };
        Ok(Tally {
            deliveries: after[0] - before[0] + after[1] - before[1],
            bytes: after[2] - before[2],
            latencies: sorted(&shared.latencies),
            answers: sorted(&shared.answers),
        })
    }
}

impl Shared {
    fn check(&self) -> Result<()> {
        match self.fault.borrow().clone() {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    async fn greeted_by(&self, speech: Speech, all: u64) -> Result<()> {
        while speech.greets && self.greeted.get() < all {
            self.check()?;
            timeout(PATIENCE, self.news.notified()).await?;
        }
        self.check()
    }

    /// Waits until fewer than `window` of the first `sent` messages are not everywhere.
    async fn heard_up_to(&self, sent: u64, window: u64, listeners: u64) -> Result<()> {
        loop {
            self.check()?;
            let mut over = self.passed.get() / listeners;
            if self.by_seq.get() {
                over = over.min(self.echoes.get());
            }
            if sent.saturating_sub(over) < window {
                return Ok(());
            }
            self.news.notified().await;
        }
    }
}

async fn enter(
    addr: SocketAddr,
    speech: Speech,
    part: Part,
    shared: Rc<Shared>,
) -> Result<Rc<TcpStream>> {
    let speaks = matches!(part, Part::Speaker);
    let deflates = speech.deflates && !speaks;
    let (io, already) = wire::open(addr, speech.path, deflates).await?;
    let hello = if speaks {
        speech.speaker
    } else {
        speech.listener
    };
    if speech.nods {
        send(&io, &wire::frame(10, b"", true)).await?;
    }
    if let Some(hello) = hello {
        send(&io, &said(hello.as_bytes())).await?;
    }
    let io = Rc::new(io);
    let client = Client {
        io: io.clone(),
        shared: shared.clone(),
        speaks,
        greeted: !speech.greets,
        lossy: speech.lossy,
        inflate: (deflates && matches!(part, Part::Reader)).then(|| Decompress::new(false)),
        kept: already,
        skip: 0,
        last: None,
    };
    spawn_local(async move {
        if let Err(error) = client.listen().await {
            *shared.fault.borrow_mut() = Some(error.to_string());
            shared.news.notify_one();
        }
    });
    Ok(io)
}

async fn send(io: &TcpStream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        io.writable().await?;
        match io.try_write(bytes) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What a client is there for.
#[derive(Clone, Copy)]
enum Part {
    Speaker,
    /// Listens, and unpacks what is compressed.
    Reader,
    Listener,
}

struct Client {
    io: Rc<TcpStream>,
    shared: Rc<Shared>,
    speaks: bool,
    greeted: bool,
    lossy: bool,
    /// For unpacking what is compressed.
    inflate: Option<Decompress>,
    /// The start of a frame.
    kept: Vec<u8>,
    /// Bytes of the present frame that nobody looks at.
    skip: usize,
    last: Option<u64>,
}

impl Client {
    async fn listen(mut self) -> Result<()> {
        loop {
            self.take_frames()?;
            self.io.readable().await?;
            let read = match self.skip {
                0 => self.read(),
                _ => self.discard(),
            };
            match read {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&mut self) -> std::io::Result<usize> {
        let mut scratch = self.shared.scratch.borrow_mut();
        let read = self.io.try_read(&mut scratch)?;
        self.kept.extend_from_slice(&scratch[..read]);
        Ok(read)
    }

    fn discard(&mut self) -> std::io::Result<usize> {
        let mut sink = self.shared.sink.borrow_mut();
        let most = self.skip.min(sink.len());
        let dropped = self.io.try_io(Interest::READABLE, || {
            SockRef::from(&*self.io).recv_with_flags(&mut sink[..most], DISCARD)
        })?;
        self.skip -= dropped;
        Ok(dropped)
    }

    fn take_frames(&mut self) -> Result<()> {
        let mut kept = std::mem::take(&mut self.kept);
        let mut at = 0;
        while let Some(header) = Header::read(&kept[at..]) {
            let start = at + header.bytes;
            let look = match self.inflate {
                Some(_) => header.payload,
                None => header.payload.min(LOOK),
            };
            let Some(text) = kept.get(start..start + look) else {
                break;
            };
            self.take(&header, text)?;
            let end = start + header.payload;
            self.skip = end.saturating_sub(kept.len());
            at = end.min(kept.len());
        }
        kept.drain(..at);
        if kept.is_empty() {
            kept = Vec::new();
        }
        self.kept = kept;
        Ok(())
    }

    /// The number of a compressed message; `expected` where it is not unpacked.
    fn unpack(&mut self, packed: &[u8], expected: u64) -> Result<Option<u64>> {
        let Some(inflate) = &mut self.inflate else {
            return Ok(Some(expected));
        };
        let mut text = Vec::with_capacity(MOST_UNPACKED);
        for part in [packed, &[0, 0, 0xff, 0xff]] {
            inflate.decompress_vec(part, &mut text, FlushDecompress::Sync)?;
        }
        Ok(find_stamp(&text))
    }

    fn take(&mut self, header: &Header, text: &[u8]) -> Result<()> {
        match header.opcode {
            8 => return Err(format!("closed: {}", String::from_utf8_lossy(text)).into()),
            9 => {
                // Nothing waits on this side, so a pong always fits.
                self.io.try_write(&wire::frame(10, text, true))?;
                return Ok(());
            }
            _ => {}
        }
        if !self.greeted {
            self.greeted = true;
            self.shared.greeted.set(self.shared.greeted.get() + 1);
            self.shared.news.notify_one();
            return Ok(());
        }
        if text.starts_with(b"{\"type\":\"nack\"") || text.starts_with(b"{\"type\":\"error\"") {
            return Err(format!("refused: {}", String::from_utf8_lossy(text)).into());
        }
        let expected = self.last.map_or(0, |last| last + 1);
        let found = match (header.packed, self.shared.by_seq.get()) {
            (true, _) => self.unpack(text, expected)?,
            (false, true) => find_seq(text),
            (false, false) => find_stamp(text),
        };
        let Some(number) = found else {
            return Ok(());
        };
        if number < expected || number > expected && !self.lossy {
            return Err(format!("{number} came instead of {expected}").into());
        }
        self.last = Some(number);
        let due = self.shared.due.borrow().get(number as usize).copied();
        let due = due.ok_or("a message that nobody has sent")?;
        let counter = if self.speaks {
            &self.shared.echoes
        } else {
            &self.shared.heard
        };
        counter.set(counter.get() + 1);
        let bytes = (header.bytes + header.payload) as u64;
        self.shared.bytes.set(self.shared.bytes.get() + bytes);
        let late = due.elapsed().as_secs_f64() * 1e3;
        if self.speaks {
            self.shared.answers.borrow_mut().push(late);
        } else {
            self.shared.latencies.borrow_mut().push(late);
            let passed = number - expected + 1;
            self.shared.passed.set(self.shared.passed.get() + passed);
        }
        self.shared.news.notify_one();
        Ok(())
    }
}

/// The number of a `change` or `scene`, or of the `ack` of one.
fn find_seq(text: &[u8]) -> Option<u64> {
    let kinds: [&[u8]; 3] = [
        b"{\"type\":\"change\"",
        b"{\"type\":\"scene\"",
        b"{\"type\":\"ack\"",
    ];
    if !kinds.iter().any(|kind| text.starts_with(kind)) {
        return None;
    }
    let name = b"\"seq\":";
    let at = memchr::memmem::find(text, name)? + name.len();
    let digits = text[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let seq: u64 = std::str::from_utf8(&text[at..at + digits])
        .ok()?
        .parse()
        .ok()?;
    seq.checked_sub(1)
}

fn find_stamp(text: &[u8]) -> Option<u64> {
    memchr::memchr_iter(b'#', text).find_map(|at| {
        let digits = text.get(at + 1..at + 17)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

/// So many moments a second, each told as soon as it is there, from a thread of its own: tokio's timer
/// is up to some milliseconds late, which is no delay of the server's. That nobody listens in time is.
fn ticks(rate: f64) -> UnboundedReceiver<Instant> {
    let (clock, moments) = unbounded_channel();
    thread::spawn(move || {
        let start = Instant::now();
        for n in 0u64.. {
            let due = start + Duration::from_secs_f64(n as f64 / rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if clock.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    moments
}
