//! Many members of many rooms, in one thread and one epoll loop. Frames are counted, not read.

use crate::support::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

/// Handshakes under way at the same time.
const AT_ONCE: usize = 64;
/// Nothing more comes when nothing has for so long.
const QUIET: Duration = Duration::from_millis(300);
/// A server that takes longer hangs, or has left something out.
const PATIENCE: Duration = Duration::from_secs(120);

/// The members, connected.
pub struct Members {
    runtime: Runtime,
    local: LocalSet,
    addr: SocketAddr,
    heard: Rc<Cell<u64>>,
    /// The ways out of those who speak: the first that joined.
    speakers: Vec<tokio::net::tcp::OwnedWriteHalf>,
    /// Of everybody else, so that they stay.
    others: Vec<tokio::net::tcp::OwnedWriteHalf>,
}

thread_local! {
    static SINK: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 << 10]);
}

impl Members {
    /// Nobody yet.
    pub fn new(addr: SocketAddr) -> Result<Self> {
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            local: LocalSet::new(),
            addr,
            heard: Rc::default(),
            speakers: Vec::new(),
            others: Vec::new(),
        })
    }

    /// One connects at each of these paths; waits until all is quiet. The first who join speak.
    pub fn join(&mut self, paths: &[String]) -> Result<()> {
        let (addr, heard) = (self.addr, self.heard.clone());
        let all = stream::iter(paths)
            .map(|path| enter(addr, path, heard.clone()))
            .buffered(AT_ONCE)
            .try_collect::<Vec<_>>();
        let joined = self.local.block_on(&self.runtime, async {
            let joined = timeout(PATIENCE, all).await??;
            let mut before = 0;
            while heard.get() != before {
                before = heard.get();
                sleep(QUIET).await;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(joined)
        })?;
        match self.speakers.is_empty() {
            true => self.speakers = joined,
            false => self.others.extend(joined),
        }
        Ok(())
    }

    /// Every speaker says `text`; waits until everybody in its room, `members`, has heard. How many
    /// frames that were.
    pub fn say(&mut self, text: &str, members: usize) -> Result<u64> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126);
        let length = length.ok_or("a short text is expected")?;
        let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
        frame.extend(text.bytes());
        let expected = (self.speakers.len() * members) as u64;
        let (heard, speakers) = (self.heard.clone(), &mut self.speakers);
        let before = heard.get();
        self.local.block_on(&self.runtime, async {
            for speaker in speakers {
                speaker.write_all(&frame).await?;
            }
            let start = Instant::now();
            while heard.get() - before < expected {
                if start.elapsed() > PATIENCE {
                    return Err("not everybody has heard everything".into());
                }
                sleep(Duration::from_millis(1)).await;
            }
            Ok(expected)
        })
    }

    /// Lets the server come to rest.
    pub fn rest(&mut self) {
        let pause = async { sleep(Duration::from_millis(50)).await };
        self.local.block_on(&self.runtime, pause);
    }
}

async fn enter(
    addr: SocketAddr,
    path: &str,
    heard: Rc<Cell<u64>>,
) -> Result<tokio::net::tcp::OwnedWriteHalf> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {addr}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await?);
    }
    if !answer.starts_with(b"HTTP/1.1 101") {
        return Err(String::from_utf8_lossy(&answer).into_owned().into());
    }
    let (reader, writer) = stream.into_split();
    spawn_local(count(reader, heard));
    Ok(writer)
}

/// Counts text frames until the end.
async fn count(reader: tokio::net::tcp::OwnedReadHalf, heard: Rc<Cell<u64>>) {
    let mut frames = Frames::default();
    while reader.readable().await.is_ok() {
        let read = SINK.with_borrow_mut(|sink| {
            let read = reader.try_read(sink);
            if let Ok(read) = read {
                heard.set(heard.get() + frames.take(&sink[..read]));
            }
            read
        });
        match read {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

/// Where frames end in a run of bytes (RFC 6455, section 5.2).
#[derive(Default)]
struct Frames {
    head: Vec<u8>,
    /// Bytes of the payload that are still to come.
    left: u64,
    is_text: bool,
}

impl Frames {
    /// How many text frames end in these bytes.
    fn take(&mut self, mut bytes: &[u8]) -> u64 {
        let mut texts = 0;
        while !bytes.is_empty() {
            if self.left == 0 {
                self.head.push(bytes[0]);
                bytes = &bytes[1..];
                let Some(length) = length(&self.head) else {
                    continue;
                };
                self.is_text = self.head[0] & 0x0f == 1;
                self.left = length;
                self.head.clear();
            }
            let here = self.left.min(bytes.len() as u64);
            self.left -= here;
            bytes = &bytes[here as usize..];
            texts += u64::from(self.left == 0 && self.head.is_empty() && self.is_text);
        }
        texts
    }
}

/// The payload's length, once the head is whole.
fn length(head: &[u8]) -> Option<u64> {
    match (*head.get(1)?, head.len()) {
        (126, 4) => Some(u64::from(u16::from_be_bytes([head[2], head[3]]))),
        (127, 10) => Some(u64::from_be_bytes(head[2..].try_into().ok()?)),
        (short @ 0..126, 2) => Some(short.into()),
        _ => None,
    }
}
