//! One WebSocket: a task that reads, writes what the courier could not, and ends cleanly.

use super::courier::Registered;
use super::frame::NO_STATUS;
use super::inbound::{Inbound, Reader, Violation};
use super::link::{Ending, Event, Link, PackedLink};
use super::room::{Command, RoomHandle};
use super::{Bounds, CloseCode, ConnId, Frame, Lane, Manners, Pace, Rules};
use crate::access::Line;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep_until, timeout};

/// How long a close frame may take to go out, and the peer's to come back.
const FAREWELL: Duration = Duration::from_secs(1);
const NORMAL: u16 = CloseCode::Normal as u16;
/// Bytes read in one go.
const SCRATCH: usize = 64 << 10;
/// How often it is read before others of the thread get their turn.
const READS: usize = 4;
/// Messages of one connection that are handed on before others of the thread get their turn.
const TURN: usize = 32;

/// How one dialect reads its clients' messages.
pub trait Dialect {
    /// The rules that give the messages their meaning.
    type Rules: Rules;

    /// Whether a binary message counts as if its bytes had come as text; else it is ignored.
    const TAKES_BINARY: bool = false;

    /// Reads one text message.
    fn read(&mut self, text: Bytes) -> Heard<<Self::Rules as Rules>::Message>;

    /// A binary message came that does not count as text.
    fn binary(&mut self) -> Heard<<Self::Rules as Rules>::Message> {
        Heard::Nothing
    }

    /// How long this connection is to go unread after what it has just said, so that TCP slows
    /// its sender down. Nothing is lost.
    fn pause(&mut self) -> Option<Duration> {
        None
    }
}

impl<D: Dialect> Dialect for &mut D {
    type Rules = D::Rules;

    const TAKES_BINARY: bool = D::TAKES_BINARY;

    fn read(&mut self, text: Bytes) -> Heard<<Self::Rules as Rules>::Message> {
        (**self).read(text)
    }

    fn binary(&mut self) -> Heard<<Self::Rules as Rules>::Message> {
        (**self).binary()
    }

    fn pause(&mut self) -> Option<Duration> {
        (**self).pause()
    }
}

/// What a text message comes to.
pub enum Heard<M> {
    /// Something for the room.
    Message(M),
    /// Something for the room upon which it lets the connection go: what comes behind is for
    /// whoever serves it next.
    Last(M),
    /// Answered on the spot; the room needs to know nothing of it.
    Answer(Frame),
    /// Nothing.
    Nothing,
    /// The connection must end.
    End(CloseCode, String),
}

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

/// An upgraded connection that is in no room.
pub struct Socket {
    link: Rc<Link>,
    reader: Reader,
    /// Known to the thread's courier from the start, so that it is told when the server stops.
    registered: Registered,
    pace: Option<(Pace, CloseCode)>,
}

/// A [`Socket`] between two threads.
struct Luggage {
    link: PackedLink,
    reader: Reader,
    pace: Option<(Pace, CloseCode)>,
}

impl Luggage {
    fn unpack(self) -> std::io::Result<Socket> {
        let link = Rc::new(self.link.unpack()?);
        Ok(Socket {
            registered: Registered::new(link.clone()),
            link,
            reader: self.reader,
            pace: self.pace,
        })
    }
}

/// What somebody says who is in no room.
#[derive(Debug)]
pub enum Said {
    /// A text message, of valid UTF-8.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
}

impl Socket {
    /// Takes over a connection. `already` was read behind the handshake; `counted`: its
    /// unfinished messages share a bound with those of everybody else who may not write.
    /// `deflates`: compression was agreed on ([`super::negotiate`]).
    pub fn new(
        io: TcpStream,
        already: BytesMut,
        max_frame: u64,
        counted: bool,
        deflates: bool,
        bounds: Bounds,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let conn = ConnId(NEXT.fetch_add(1, Ordering::Relaxed));
        let link = Rc::new(Link::new(conn, io, bounds, deflates));
        Self {
            registered: Registered::new(link.clone()),
            link,
            reader: Reader::new(already, max_frame, counted, deflates),
            pace: None,
        }
    }

    /// Holds it to so many messages a second; one that sends more is closed with `code`.
    pub fn paced(mut self, per_second: u32, code: CloseCode) -> Self {
        self.pace = Some((Pace::new(per_second), code));
        self
    }

    /// Holds it to no pace any more, nor to what those have together who may not write.
    pub fn free(&mut self) {
        self.pace = None;
        self.reader.uncount();
    }

    /// Where it is to be found.
    pub fn line(&self) -> Line {
        Line {
            worker: self.registered.worker(),
            conn: self.link.id.0,
        }
    }

    /// Treats it as its dialect wants.
    pub fn set_manners(&self, manners: Manners) {
        self.link.manners.set(manners);
    }

    /// Lets its messages have so many bytes from now on.
    pub fn set_max_frame(&mut self, bytes: u64) {
        self.reader.set_limit(bytes);
    }

    /// Waits for the next message, for as long as the connection lives. `None`: it has ended.
    pub async fn hear(&mut self) -> Option<Said> {
        match self.said().await {
            Ok(said) => Some(said),
            Err(ending) => {
                // From now on the courier has nothing to say.
                self.link.end(ending.clone());
                farewell(&self.link, ending).await;
                None
            }
        }
    }

    async fn said(&mut self) -> Result<Said, Ending> {
        loop {
            match take_one(&mut self.reader, &self.link)? {
                Some(Inbound::Text(text)) => return Ok(Said::Text(text)),
                Some(Inbound::Binary(bytes)) => return Ok(Said::Binary(bytes)),
                Some(_) => continue,
                None => {}
            }
            if let Some(ending) = self.link.ending() {
                return Err(ending);
            }
            wait(&self.link, &mut self.reader, true).await?;
        }
    }

    /// Sends `frame` to a connection that is in no room.
    pub fn send(&self, frame: &Frame) {
        self.link.offer(frame, None, &Lane::Control);
    }

    /// Waits for the first text message. `None`: there is none, and the connection has ended.
    pub async fn first_text(&mut self, patience: Duration) -> Option<Bytes> {
        let ending = match timeout(patience, self.text()).await {
            Ok(Ok(text)) => return Some(text),
            Ok(Err(ending)) => ending,
            Err(_) => Ending::close(CloseCode::NoHello, "say hello first"),
        };
        // From now on the courier has nothing to say.
        self.link.end(ending.clone());
        farewell(&self.link, ending).await;
        None
    }

    async fn text(&mut self) -> Result<Bytes, Ending> {
        loop {
            match take_one(&mut self.reader, &self.link)? {
                Some(Inbound::Text(text)) => return Ok(text),
                Some(_) => continue,
                None => {}
            }
            if let Some(ending) = self.link.ending() {
                return Err(ending);
            }
            wait(&self.link, &mut self.reader, true).await?;
        }
    }

    /// Ends it with a reason.
    pub async fn close(self, code: CloseCode, reason: &str) {
        drop(self.registered);
        farewell(&self.link, Ending::close(code, reason)).await;
    }

    /// Has it served on the thread of `room`, where one does not wake another for each message.
    /// Stays here when the room has no thread of its own yet, or something waits to be written.
    pub async fn follow<R: Rules, F>(
        self,
        room: &RoomHandle<R>,
        serve: impl FnOnce(Self) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + 'static,
    {
        let here = self.registered.worker();
        let home = room.home();
        let home = home.filter(|home| home.worker != here && !home.is_gone());
        let Some(home) = home.filter(|_| self.link.is_at_rest()) else {
            actix_rt::spawn(serve(self));
            return;
        };
        let luggage = match self.pack() {
            Ok(luggage) => luggage,
            Err(error) => return tracing::debug!(%error, "a connection broke: {error}"),
        };
        let arrive = move || async move {
            match luggage.unpack() {
                // A task of its own, which does not hold what it came in.
                Ok(socket) => drop(actix_rt::spawn(serve(socket))),
                Err(error) => tracing::debug!(%error, "a connection broke: {error}"),
            }
        };
        home.run(arrive).await;
    }

    fn pack(self) -> std::io::Result<Luggage> {
        let Self {
            link,
            reader,
            registered,
            pace,
        } = self;
        // It is known here no more; nobody else has it.
        drop(registered);
        let link = Rc::into_inner(link).ok_or(ErrorKind::ResourceBusy)?;
        Ok(Luggage {
            link: link.pack()?,
            reader,
            pace,
        })
    }

    /// Serves it as a member of `room` until it ends.
    pub async fn enter<D: Dialect>(
        self,
        room: RoomHandle<D::Rules>,
        guest: <D::Rules as Rules>::Guest,
        dialect: D,
    ) {
        if let Some(let_go) = self.visit(room, guest, dialect).await {
            let_go.close(CloseCode::NoTable, "").await;
        }
    }

    /// Serves it as a member of `room` until it ends or the room lets it go; then it comes back.
    pub async fn visit<D: Dialect>(
        self,
        room: RoomHandle<D::Rules>,
        guest: <D::Rules as Rules>::Guest,
        dialect: D,
    ) -> Option<Self> {
        let conn = self.link.id;
        let registered = self.registered;
        let join = Command::Join {
            conn,
            guest,
            worker: registered.worker(),
            deflates: self.link.deflates(),
        };
        let mut connection = Connection {
            link: self.link,
            reader: self.reader,
            pace: self.pace,
            room,
            dialect,
            resume: None,
            waits: false,
        };
        let ending = match connection.room.commands.send(join).await {
            Ok(()) => connection.run().await,
            Err(_) => Some(CLOSED),
        };
        let Connection {
            room,
            link,
            reader,
            pace,
            ..
        } = connection;
        let Some(ending) = ending else {
            return Some(Self {
                link,
                reader,
                registered,
                pace,
            });
        };
        if link.was_slow(&ending) {
            registered.count_slow_close();
        }
        // Nobody is told anything more, then the peer is told why.
        drop((registered, reader));
        let lost = !link.goodbye.get();
        let _ = room.commands.send(Command::Leave { conn, lost }).await;
        drop(room);
        farewell(&link, ending).await;
        None
    }
}

struct Connection<D: Dialect> {
    link: Rc<Link>,
    reader: Reader,
    pace: Option<(Pace, CloseCode)>,
    room: RoomHandle<D::Rules>,
    dialect: D,
    /// Not read until then.
    resume: Option<Instant>,
    /// Whether it has said its last here, and waits for being let go.
    waits: bool,
}

impl<D: Dialect> Connection<D> {
    /// `None`: the room has let it go.
    async fn run(&mut self) -> Option<Ending> {
        loop {
            // First: what has been read since is not for this room.
            if self.link.take_release() {
                return None;
            }
            if self.link.take_answer() {
                let conn = self.link.id;
                let _ = self.room.commands.send(Command::Alive { conn }).await;
            }
            if self.resume.is_none()
                && let Some(ending) = self.take_messages().await
            {
                return Some(ending);
            }
            if let Some(ending) = self.link.ending() {
                return Some(ending);
            }
            let waited = match self.resume {
                None => {
                    let reads = !self.waits && !self.link.is_held();
                    wait(&self.link, &mut self.reader, reads).await
                }
                // Rare, so not part of what an idle connection holds.
                Some(resume) => Box::pin(self.paused(resume)).await,
            };
            if let Err(ending) = waited {
                return Some(ending);
            }
        }
    }

    /// Not read for a while; what waits goes out all the same.
    async fn paused(&mut self, resume: Instant) -> Result<(), Ending> {
        tokio::select! {
            waited = wait(&self.link, &mut self.reader, false) => waited,
            () = sleep_until(resume.into()) => {
                self.resume = None;
                Ok(())
            }
        }
    }

    fn is_too_fast(&mut self, bytes: usize) -> bool {
        let pace = self.pace.as_mut();
        pace.is_some_and(|(pace, _)| !pace.take(bytes, Instant::now()))
    }

    /// Hands on what has been read. Waits when the room is busy, so that this socket goes unread.
    async fn take_messages(&mut self) -> Option<Ending> {
        while !self.waits && !self.link.is_held() {
            // What has come together goes on together, so that it also goes out together.
            let mut messages = Vec::new();
            let outcome = self.hear(&mut messages);
            if !messages.is_empty() {
                let from = self.link.id;
                let command = Command::Receive { from, messages };
                if self.room.commands.send(command).await.is_err() {
                    return Some(CLOSED);
                }
            }
            match outcome {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => return None,
                Err(ending) => return Some(ending),
            }
            if let Some(ending) = self.link.ending() {
                return Some(ending);
            }
        }
        None
    }

    /// Reads some of the messages that have come. Whether there may be more for this room now.
    fn hear(&mut self, messages: &mut Vec<<D::Rules as Rules>::Message>) -> Result<bool, Ending> {
        for _ in 0..TURN {
            let heard = match take_one(&mut self.reader, &self.link)? {
                None => return Ok(false),
                Some(Inbound::Text(bytes) | Inbound::Binary(bytes))
                    if self.is_too_fast(bytes.len()) =>
                {
                    let code = self.pace.as_ref().map_or(CloseCode::Policy, |pace| pace.1);
                    return Err(Ending::close(code, "too many messages"));
                }
                Some(Inbound::Text(text)) => self.dialect.read(text),
                Some(Inbound::Binary(bytes)) if D::TAKES_BINARY => self.dialect.read(bytes),
                Some(Inbound::Binary(_)) => self.dialect.binary(),
                Some(_) => continue,
            };
            self.waits = matches!(heard, Heard::Last(_));
            match heard {
                Heard::Message(message) | Heard::Last(message) => messages.push(message),
                Heard::Answer(frame) => {
                    self.link.offer(&frame, None, &Lane::Control);
                }
                Heard::Nothing => {}
                Heard::End(code, reason) => return Err(Ending::close(code, reason)),
            }
            self.resume = self.dialect.pause().map(|pause| Instant::now() + pause);
            if self.waits || self.resume.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

const GONE: Ending = Ending::Drop("the peer has gone");
const CLOSED: Ending = Ending::Close(CloseCode::NoTable as u16, String::new());

/// Waits until something may have happened; writes what waits, and reads if `reads`.
async fn wait(link: &Link, reader: &mut Reader, reads: bool) -> Result<(), Ending> {
    match link.event(reads).await {
        Event::Woken => Ok(()),
        Event::Writable => link
            .drain()
            .map_err(|_| Ending::Drop("the socket is broken")),
        Event::Readable => read(link, reader).map_or(Ok(()), Err),
    }
}

fn read(link: &Link, reader: &mut Reader) -> Option<Ending> {
    BUFFER.with_borrow_mut(|buffer| {
        // What has come together is read together, so that it also goes out together.
        for nth in 0..READS {
            match link.io.try_read(buffer) {
                Ok(read @ 1..) => {
                    link.heard();
                    reader.feed(&buffer[..read]);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                // What came before the end is heard first; the end is met again.
                Ok(0) | Err(_) if nth > 0 => break,
                Ok(0) | Err(_) => return Some(GONE),
            }
        }
        None
    })
}

/// The next message that has been read, with what every dialect answers alike dealt with.
fn take_one(reader: &mut Reader, link: &Link) -> Result<Option<Inbound>, Ending> {
    let message = reader.next();
    match &message {
        Ok(Some(Inbound::Text(text))) if std::str::from_utf8(text).is_err() => {
            let reason = "a text message must be UTF-8";
            return Err(Ending::close(CloseCode::NotUtf8, reason));
        }
        Ok(Some(Inbound::Ping(payload))) => {
            link.offer(&Frame::pong(payload), None, &Lane::Control);
        }
        Ok(Some(Inbound::Close(words))) => {
            // It has said its last word; what waits for it is in vain.
            link.clear();
            link.goodbye.set(true);
            let (code, reason) = words.clone().unwrap_or((NO_STATUS, String::new()));
            return Err(Ending::Close(code, reason));
        }
        _ => {}
    }
    message.map_err(|Violation(code, reason)| Ending::close(code, reason))
}

/// Says goodbye, as far as the peer takes it; frees the socket's memory in any case.
///
/// In a box, so that what it needs is not part of what an idle connection holds.
fn farewell(link: &Link, ending: Ending) -> Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(part(link, ending))
}

async fn part(link: &Link, ending: Ending) {
    match ending {
        Ending::Close(code, reason) => {
            // In an orderly end the peer hears what was said before; any other end is at once.
            if !matches!(code, NORMAL | NO_STATUS) {
                link.clear();
            }
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
                        Err(e) if e.kind() == ErrorKind::WouldBlock => {}
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

#[cfg(test)]
mod tests {
    use super::super::{Couriers, Groups, Now, Outgoing, open_room, start_courier};
    use super::*;
    use actix_rt::Arbiter;
    use std::sync::Arc;
    use std::thread::{self, ThreadId};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    const BOUNDS: Bounds = Bounds {
        control_bytes: 256 << 10,
        slow: CloseCode::TryLater,
        silent: None,
    };
    /// "hello", masked with zeros.
    const HELLO: &[u8] = b"\x81\x85\0\0\0\0hello";

    /// A room in which nothing happens.
    struct Quiet;

    impl Rules for Quiet {
        type Guest = ();
        type Message = ();
        type Request = ();

        fn group(&self, (): &()) -> Groups {
            Groups::one(0)
        }
        fn join(&mut self, _: ConnId, (): (), _: Now, _: &mut Outgoing) {}
        fn receive(&mut self, _: ConnId, (): (), _: Now, _: &mut Outgoing) {}
        fn leave(&mut self, _: ConnId, _: Now, _: &mut Outgoing) {}
        fn ask(&mut self, (): (), _: Now, _: &mut Outgoing) {}
        fn committed(&mut self, _: Result<(), String>, _: Now, _: &mut Outgoing) {}
        fn tick(&mut self, _: Now, _: &mut Outgoing) {}
    }

    /// Runs `work` on the thread of an arbiter and answers what came of it, and on which thread that was.
    async fn on<T: Send + 'static, F: Future<Output = T> + 'static>(
        arbiter: &Arbiter,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> (T, ThreadId) {
        let (reply, answer) = oneshot::channel();
        assert!(arbiter.spawn_fn(move || {
            actix_rt::spawn(async move {
                let _ = reply.send((work().await, thread::current().id()));
            });
        }));
        answer.await.unwrap()
    }

    /// Two workers, and a room on the second.
    struct Rig {
        workers: [Arbiter; 2],
        couriers: Couriers,
        room: RoomHandle<Quiet>,
    }

    impl Rig {
        async fn new(home: Option<u64>) -> Self {
            let couriers = Couriers::new(Arc::default());
            let workers = [Arbiter::new(), Arbiter::new()];
            for worker in &workers {
                let couriers = couriers.clone();
                on(worker, move || async move { start_courier(&couriers) }).await;
            }
            let room = open_room(Quiet, None, &couriers, None, home);
            while home.is_some() && room.home().is_none() {
                tokio::task::yield_now().await;
            }
            Self {
                workers,
                couriers,
                room,
            }
        }

        /// Connects to the first worker, which has read `already`, and follows the room; answers the
        /// first text, where it was heard, the socket's line, and the other end.
        async fn follow(&self, already: &[u8], rest: &[u8]) -> (Bytes, ThreadId, Line, TcpStream) {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let (peer, io) = tokio::join!(TcpStream::connect(addr), listener.accept());
            let (mut peer, io) = (peer.unwrap(), io.unwrap().0.into_std().unwrap());
            let (room, already) = (self.room.clone(), BytesMut::from(already));
            let (reply, answer) = oneshot::channel();
            on(&self.workers[0], move || async move {
                let io = TcpStream::from_std(io).unwrap();
                let socket = Socket::new(io, already, 1 << 20, true, false, BOUNDS);
                let serve = move |mut socket: Socket| async move {
                    let Some(Said::Text(text)) = socket.hear().await else {
                        return;
                    };
                    let _ = reply.send((text, thread::current().id(), socket.line()));
                    assert!(socket.hear().await.is_none());
                };
                socket.follow(&room, serve).await;
            })
            .await;
            peer.write_all(rest).await.unwrap();
            let (text, thread, line) = answer.await.unwrap();
            (text, thread, line, peer)
        }
    }

    #[actix_web::test]
    async fn a_connection_is_served_where_its_room_is() {
        let rig = Rig::new(Some(1)).await;
        let (_, second) = on(&rig.workers[1], || async {}).await;
        for read in [0, 3, HELLO.len()] {
            let (already, rest) = HELLO.split_at(read);
            let (text, thread, line, mut peer) = rig.follow(already, rest).await;
            assert_eq!((&text[..], thread, line.worker), (&b"hello"[..], second, 1));
            // It is found there, too.
            rig.couriers.hang_up(vec![line], CloseCode::Policy, "out");
            let mut told = Vec::new();
            peer.read_to_end(&mut told).await.unwrap();
            assert_eq!(told, Frame::close(1008, "out").bytes()[..]);
        }
    }

    #[actix_web::test]
    async fn a_connection_stays_when_its_room_has_no_thread_of_its_own() {
        let rig = Rig::new(None).await;
        let (_, first) = on(&rig.workers[0], || async {}).await;
        let (_, thread, line, _peer) = rig.follow(b"", HELLO).await;
        assert_eq!((thread, line.worker), (first, 0));
    }

    #[actix_web::test]
    async fn a_connection_with_words_that_wait_stays() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (peer, io) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let (_peer, io) = (peer.unwrap(), io.unwrap().0);
        let bounds = Bounds {
            control_bytes: 64 << 20,
            ..BOUNDS
        };
        let link = Link::new(ConnId(1), io, bounds, false);
        assert!(link.is_at_rest());
        let large = Frame::text(&[&vec![b'x'; 1 << 20]]);
        while !link.has_backlog() {
            link.offer(&large, None, &Lane::Control);
        }
        assert!(!link.is_at_rest());
    }
}
