//! Many keep-alive connections that each ask again as soon as they have their answer.
//!
//! One thread and one epoll loop for all, so that the clients take little of the machine and the
//! server's wake-ups look as they do under load.

use super::Result;
use super::head::Head;
use socket2::SockRef;
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A head, and a small body with it, fit into this many bytes.
const HEAD_BYTES: usize = 8 << 10;
/// Bytes thrown away by one call.
const SINK_BYTES: usize = 4 << 20;
/// Linux's `MSG_TRUNC`: bytes that are received with it are dropped by the kernel without a copy.
const DISCARD: i32 = 0x20;
/// A server that takes this much longer than it was given hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What everybody asks for.
#[derive(Clone)]
pub struct Call {
    /// Method.
    pub method: &'static str,
    /// Target.
    pub path: String,
    /// Further header lines, each with its line end.
    pub headers: String,
    /// Asks for this many bytes from anywhere in a file of that many.
    pub range: Option<(u64, u64)>,
    /// The only status that counts.
    pub status: u16,
}

impl Call {
    /// A whole file or document.
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET",
            path: path.to_owned(),
            headers: String::new(),
            range: None,
            status: 200,
        }
    }

    /// `length` bytes from anywhere in the `size` bytes at `path`.
    pub fn range(path: &str, length: u64, size: u64) -> Self {
        Self {
            range: Some((length, size)),
            status: 206,
            ..Self::get(path)
        }
    }

    fn text(&self, addr: SocketAddr, dice: &mut Dice) -> String {
        let Self {
            method,
            path,
            headers,
            ..
        } = self;
        let range = self.range.map_or_else(String::new, |(length, size)| {
            let first = dice.below(size - length);
            format!("Range: bytes={first}-{}\r\n", first + length - 1)
        });
        format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\n{headers}{range}\r\n")
    }
}

/// Numbers without a pattern, the same in every run (xorshift).
pub struct Dice(u64);

impl Dice {
    /// `seed` must not be 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next number, less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// What was answered.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Complete answers with the right status.
    pub requests: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// The connections.
pub struct Crowd {
    runtime: Runtime,
    members: Vec<Member>,
}

struct Member {
    addr: SocketAddr,
    stream: TcpStream,
    dice: Dice,
    head: Vec<u8>,
    sink: Vec<MaybeUninit<u8>>,
}

impl Crowd {
    /// Opens `size` connections.
    pub fn connect(addr: SocketAddr, size: u64) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let members = runtime.block_on(async {
            let mut members = Vec::new();
            for seed in 1..=size {
                members.push(Member::connect(addr, seed).await?);
            }
            Ok::<_, std::io::Error>(members)
        })?;
        Ok(Self { runtime, members })
    }

    /// Everybody asks at least once, and again until `span` is over; nothing is under way when
    /// this returns. Errors: a lost connection, or an answer with another status.
    pub fn run(&mut self, call: &Call, span: Duration) -> Result<Tally> {
        let call = Arc::new(call.clone());
        let members = std::mem::take(&mut self.members);
        let all = async {
            let mut asking = JoinSet::new();
            for member in members {
                asking.spawn(member.ask_for(call.clone(), span));
            }
            let mut total = Tally::default();
            let mut members = Vec::new();
            while let Some(done) = asking.join_next().await {
                let (member, tally) = done??;
                total.requests += tally.requests;
                total.bytes += tally.bytes;
                members.push(member);
            }
            Ok((members, total))
        };
        let done: Result<_> = self
            .runtime
            .block_on(async { timeout(span + PATIENCE, all).await? });
        let (members, total) = done?;
        self.members = members;
        Ok(total)
    }
}

impl Member {
    async fn connect(addr: SocketAddr, seed: u64) -> std::io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            addr,
            stream,
            dice: Dice::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            head: vec![0; HEAD_BYTES],
            sink: vec![MaybeUninit::uninit(); SINK_BYTES],
        })
    }

    async fn ask_for(mut self, call: Arc<Call>, span: Duration) -> Result<(Self, Tally)> {
        let mut tally = Tally::default();
        let start = Instant::now();
        loop {
            let request = call.text(self.addr, &mut self.dice);
            self.send(request.as_bytes()).await?;
            tally.bytes += self.receive(&call).await?;
            tally.requests += 1;
            if start.elapsed() >= span {
                return Ok((self, tally));
            }
        }
    }

    async fn send(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads one answer and returns its body's length.
    async fn receive(&mut self, call: &Call) -> Result<u64> {
        let mut used = 0;
        let head = loop {
            used += self.read_head(used).await?;
            if let Some(head) = Head::parse(&self.head[..used])? {
                break head;
            }
        };
        if head.status != call.status {
            let Call { path, status, .. } = call;
            return Err(format!("{path}: status {} instead of {status}", head.status).into());
        }
        let has_body = call.method != "HEAD" && head.status != 304;
        let length = if has_body { head.length } else { 0 };
        let mut left = length - (used - head.bytes) as u64;
        while left > 0 {
            left -= self.discard(left).await? as u64;
        }
        Ok(length)
    }

    async fn read_head(&mut self, used: usize) -> Result<usize> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut self.head[used..]) {
                Ok(0) => return Err("the server closed a connection, or sent a huge head".into()),
                Ok(more) => return Ok(more),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn discard(&mut self, most: u64) -> Result<usize> {
        let most = usize::try_from(most)?.min(SINK_BYTES);
        let (stream, sink) = (&self.stream, &mut self.sink[..most]);
        let dropped = stream
            .async_io(Interest::READABLE, || {
                SockRef::from(stream).recv_with_flags(sink, DISCARD)
            })
            .await?;
        match dropped {
            0 => Err("the server closed the connection in a body".into()),
            some => Ok(some),
        }
    }
}
