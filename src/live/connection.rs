//! One WebSocket: a task that reads, writes what the courier could not, and ends cleanly.

use super::courier::Registered;
use super::inbound::{Inbound, Reader, Violation};
use super::link::{Ending, Link};
use super::room::{Command, RoomHandle};
use super::{CloseCode, ConnId, Frame, Lane, Member};
use crate::access::Role;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a close frame may take to go out, and the peer's to come back.
const FAREWELL: Duration = Duration::from_secs(1);
/// Bytes read in one go.
const SCRATCH: usize = 64 << 10;
/// Messages of one connection that are handed on before others of the thread get their turn.
const TURN: usize = 32;

/// How one dialect reads its clients' messages.
pub trait Dialect {
    /// What a message means.
    type Message: Send + 'static;

    /// Reads one text message. `None`: nothing that the room needs to know.
    fn read(&mut self, text: Bytes) -> Option<Self::Message>;
}

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

/// Serves an upgraded connection until it ends. `already` was read behind the handshake.
pub async fn serve<D: Dialect>(
    io: TcpStream,
    already: BytesMut,
    role: Role,
    room: RoomHandle<D::Message>,
    dialect: D,
    max_frame: u64,
) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let conn = ConnId(NEXT.fetch_add(1, Ordering::Relaxed));
    let (registered, worker) = Registered::new(Link::new(conn, io));
    let join = Command::Join {
        member: Member { conn, role },
        worker,
    };
    if room.commands.send(join).await.is_err() {
        return;
    }
    let mut connection = Connection {
        link: registered.0.clone(),
        reader: Reader::new(already, max_frame, role < Role::Gm),
        room,
        dialect,
    };
    let ending = connection.run().await;
    let Connection { room, link, .. } = connection;
    // Nobody is told anything more, then the peer is told why.
    drop(registered);
    let _ = room.commands.send(Command::Leave { conn }).await;
    drop(room);
    farewell(&link, ending).await;
}

struct Connection<D: Dialect> {
    link: Rc<Link>,
    reader: Reader,
    room: RoomHandle<D::Message>,
    dialect: D,
}

impl<D: Dialect> Connection<D> {
    async fn run(&mut self) -> Ending {
        loop {
            if let Some(ending) = self.take_messages().await {
                return ending;
            }
            if let Some(ending) = self.link.ending() {
                return ending;
            }
            let link = self.link.clone();
            tokio::select! {
                biased;
                ready = link.io.writable(), if link.has_backlog() => {
                    if ready.and_then(|()| link.drain()).is_err() {
                        return Ending::Drop("the socket is broken");
                    }
                }
                ready = link.io.readable() => {
                    if let Some(ending) = ready.ok().map_or(Some(GONE), |()| self.read()) {
                        return ending;
                    }
                }
                () = link.wake.notified() => {}
            }
        }
    }

    fn read(&mut self) -> Option<Ending> {
        let outcome = BUFFER.with_borrow_mut(|buffer| {
            let read = self.link.io.try_read(buffer)?;
            self.reader.feed(&buffer[..read]);
            Ok::<_, std::io::Error>(read)
        });
        match outcome {
            Ok(0) => Some(GONE),
            Ok(_) => {
                self.link.heard();
                None
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => Some(GONE),
        }
    }

    /// Hands on what has been read. Waits when the room is busy, so that this socket goes unread.
    async fn take_messages(&mut self) -> Option<Ending> {
        for turn in 1.. {
            match self.reader.next() {
                Ok(None) => return None,
                Ok(Some(Inbound::Text(text))) => {
                    if std::str::from_utf8(&text).is_err() {
                        let reason = "a text message must be UTF-8".to_owned();
                        return Some(Ending::Close(CloseCode::NotUtf8 as u16, reason));
                    }
                    if let Some(message) = self.dialect.read(text) {
                        let from = self.link.id;
                        let command = Command::Receive { from, message };
                        self.room.commands.send(command).await.ok()?;
                    }
                }
                Ok(Some(Inbound::Ping(payload))) => {
                    self.link.offer(&Frame::pong(&payload), Lane::Control);
                }
                Ok(Some(Inbound::Pong | Inbound::Binary)) => {}
                Ok(Some(Inbound::Close(code))) => {
                    return Some(Ending::Close(code.unwrap_or(1000), String::new()));
                }
                Err(Violation(code, reason)) => return Some(Ending::Close(code as u16, reason)),
            }
            if turn % TURN == 0 {
                tokio::task::yield_now().await;
            }
            if let Some(ending) = self.link.ending() {
                return Some(ending);
            }
        }
        None
    }
}

const GONE: Ending = Ending::Drop("the peer has gone");

/// Says goodbye, as far as the peer takes it; frees the socket's memory in any case.
async fn farewell(link: &Link, ending: Ending) {
    match ending {
        Ending::Close(code, reason) => {
            link.clear();
            link.push_last(&Frame::close(code, &reason));
            let _ = timeout(FAREWELL, async {
                while link.has_backlog() {
                    link.io.writable().await?;
                    link.drain()?;
                }
                // Half-close, then wait for the peer's end: a reset could overtake the frame.
                socket2::SockRef::from(&link.io).shutdown(std::net::Shutdown::Write)?;
                let mut rest = [0; 1024];
                loop {
                    link.io.readable().await?;
                    match link.io.try_read(&mut rest) {
                        Ok(0) => return Ok::<_, std::io::Error>(()),
                        Ok(_) => {}
                        Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                        Err(e) => return Err(e),
                    }
                }
            })
            .await;
        }
        Ending::Drop(why) => {
            tracing::debug!(conn = link.id.0, why, "connection dropped: {why}");
        }
    }
    if link.has_backlog() {
        // What the kernel still holds for a peer that takes nothing would stay for minutes.
        let _ = socket2::SockRef::from(&link.io).set_linger(Some(Duration::ZERO));
    }
}
