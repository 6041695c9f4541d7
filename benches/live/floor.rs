//! The floor: the least that a server can do to pass a message on. One thread, one frame made of
//! each message, one call for each socket; no rules, no rooms, nothing looked at. Where it is to be a
//! measure for what is durable, it looks through the scene and has the message on disk before it sends;
//! a thread of its own waits for the disk, because a server's other rooms must not.

use super::wire::{Header, frame};
use crate::support::Result;
use actix_http::ws::hash_key;
use bytes::{Buf, Bytes};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio, exit};
use std::rc::Rc;
use std::sync::Arc;
use tablekeep::json::JsonText;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

/// The word with which this program starts itself as the floor.
pub const FLOOR: &str = "--serve-floor";
/// Messages that are read in one turn go out in one call for each socket.
const TOGETHER: &str = "together";
const EACH: &str = "each";
/// The file with the scene that a durable floor looks through.
pub const SCENE: &str = "scene.json";
/// What a change's record in the journal has.
pub const RECORD_BYTES: usize = 300;
/// Bytes read in one go.
const SCRATCH: usize = 256 << 10;

/// A running floor; ended when dropped.
pub struct Floor {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Floor {
    /// Starts it. `together`: what is read together is sent together.
    pub fn start(together: bool) -> Result<Self> {
        Self::start_with(together, None)
    }

    /// One that parses a scene for each message, and writes a record of each to a journal in `folder`,
    /// before it sends it; the scene is in that folder's file [`SCENE`].
    pub fn durable(together: bool, folder: &Path) -> Result<Self> {
        Self::start_with(together, Some(folder))
    }

    fn start_with(together: bool, folder: Option<&Path>) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([FLOOR, if together { TOGETHER } else { EACH }])
            .args(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.trim_end().parse()?;
        Ok(Self { child, addr })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the floor until it is killed; `folder`: a durable one.
pub fn serve(mode: &str, folder: Option<&Path>) -> Result<()> {
    let together = mode == TOGETHER;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let hub = Rc::new(Hub {
            clients: RefCell::default(),
            scratch: RefCell::new(vec![0; SCRATCH]),
            disk: folder.map(Journal::open).transpose()?,
        });
        loop {
            let (io, _) = listener.accept().await?;
            io.set_nodelay(true)?;
            spawn_local(attend(io, hub.clone(), together));
        }
    })
}

struct Hub {
    clients: RefCell<Vec<Rc<Client>>>,
    scratch: RefCell<Vec<u8>>,
    disk: Option<Journal>,
}

/// What makes messages durable.
struct Journal {
    file: Arc<File>,
    scene: Bytes,
}

impl Journal {
    fn open(folder: &Path) -> Result<Self> {
        Ok(Self {
            file: Arc::new(File::create(folder.join("journal"))?),
            scene: std::fs::read(folder.join(SCENE))?.into(),
        })
    }

    async fn commit(&self, messages: usize) -> Result<()> {
        for _ in 0..messages {
            JsonText::parse(self.scene.clone())?;
        }
        let file = self.file.clone();
        let synced = spawn_blocking(move || {
            (&*file).write_all(&vec![7; RECORD_BYTES * messages])?;
            file.sync_data()
        });
        Ok(synced.await??)
    }
}

struct Client {
    io: TcpStream,
    waiting: RefCell<VecDeque<Bytes>>,
    gone: Cell<bool>,
}

async fn attend(mut io: TcpStream, hub: Rc<Hub>, together: bool) -> Result<()> {
    let mut received = Vec::with_capacity(4096);
    shake_hands(&mut io, &mut received).await?;
    let client = Rc::new(Client {
        io,
        waiting: RefCell::default(),
        gone: Cell::new(false),
    });
    hub.clients.borrow_mut().push(client.clone());
    let mut messages = Vec::new();
    loop {
        client.io.readable().await?;
        let read = {
            let mut scratch = hub.scratch.borrow_mut();
            let read = client.io.try_read(&mut scratch);
            received.extend_from_slice(&scratch[..read.as_ref().copied().unwrap_or_default()]);
            read
        };
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                hub.send(&messages).await;
                messages.clear();
                continue;
            }
            Err(_) => break,
        }
        take_messages(&mut received, &mut messages);
        if !together {
            for message in messages.drain(..) {
                hub.send(&[message]).await;
            }
        }
    }
    client.gone.set(true);
    hub.clients.borrow_mut().retain(|other| !other.gone.get());
    Ok(())
}

async fn shake_hands(io: &mut TcpStream, received: &mut Vec<u8>) -> Result<()> {
    let end = loop {
        if io.read_buf(received).await? == 0 {
            return Err("closed".into());
        }
        if let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    received.drain(..end);
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then_some(value)
    });
    let accept = hash_key(key.unwrap_or_default().as_bytes());
    let accept = std::str::from_utf8(&accept)?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    Ok(io.write_all(answer.as_bytes()).await?)
}

fn take_messages(received: &mut Vec<u8>, messages: &mut Vec<Bytes>) {
    let mut at = 0;
    while let Some(header) = Header::read(&received[at..]) {
        let start = at + header.bytes;
        let end = start + header.payload;
        if received.len() < end {
            break;
        }
        if header.opcode == 1 {
            let payload = &mut received[start..end];
            unmask(payload, header.mask.unwrap_or_default());
            messages.push(frame(1, payload, false).into());
        }
        at = end;
    }
    received.drain(..at);
}

/// Eight bytes at a time: the floor must not lose where a good server would not.
fn unmask(payload: &mut [u8], [a, b, c, d]: [u8; 4]) {
    let key = [a, b, c, d, a, b, c, d];
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        for (byte, key) in word.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key) {
        *byte ^= key;
    }
}

impl Hub {
    async fn send(&self, messages: &[Bytes]) {
        if messages.is_empty() {
            return;
        }
        if let Some(disk) = &self.disk
            && let Err(error) = disk.commit(messages.len()).await
        {
            eprintln!("the floor's journal: {error}");
            exit(1)
        }
        for client in self.clients.borrow().iter() {
            client.send(messages);
        }
    }
}

impl Client {
    fn send(self: &Rc<Self>, messages: &[Bytes]) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.is_empty() {
            waiting.extend(messages.iter().cloned());
            return;
        }
        let mut taken = match messages {
            [one] => self.io.try_write(one),
            many => {
                let slices: Vec<_> = many.iter().map(|m| IoSlice::new(m)).collect();
                self.io.try_write_vectored(&slices)
            }
        }
        .unwrap_or_default();
        for message in messages {
            let here = taken.min(message.len());
            taken -= here;
            if here < message.len() {
                waiting.push_back(message.slice(here..));
            }
        }
        if !waiting.is_empty() {
            spawn_local(self.clone().drain());
        }
    }

    async fn drain(self: Rc<Self>) {
        while !self.waiting.borrow().is_empty() {
            if self.gone.get() || self.io.writable().await.is_err() {
                return;
            }
            let mut waiting = self.waiting.borrow_mut();
            let slices: Vec<_> = waiting.iter().take(16).map(|m| IoSlice::new(m)).collect();
            let Ok(mut taken) = self.io.try_write_vectored(&slices) else {
                continue;
            };
            while let Some(first) = waiting.front_mut() {
                let here = taken.min(first.len());
                first.advance(here);
                taken -= here;
                if !first.is_empty() {
                    break;
                }
                waiting.pop_front();
            }
        }
    }
}
