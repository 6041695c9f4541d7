//! From a handshake to a room: how an upgrade is judged, and whose protocol is spoken on it.

mod alone;

pub use alone::{SessionSockets, upgrade_alone};

use crate::access::{
    Basis, Client, Farewell, Policy, Presence, Role, SeatTaken, SocketAddrs, Verdict, find_cookie,
    random, set_cookie,
};
use crate::config::{Config, Speaker};
use crate::dialects::chat::{self, Chat, serve_chat};
use crate::dialects::nexus::{self, Ask, Proof, Rooms};
use crate::dialects::peerjs::{self, Broker};
use crate::dialects::peershare::{self, Signaling, Version, is_peershare, serve_peershare};
use crate::dialects::session::{self, Session, Sessions};
use crate::dialects::spelltable;
use crate::dialects::table::{self, Guest, OpenTables, TableRules};
use crate::error::{Error, Result};
use crate::http;
use crate::live::{
    Bounds, CloseCode, RoomHandle, Said, Socket, negotiate, refuse, switch_protocols,
};
use crate::memory;
use crate::model::TableId;
use actix_codec::Framed;
use actix_http::{HttpMessage, Request, h1, ws};
use actix_web::ResponseError;
use actix_web::http::header;
use actix_web::web::Data;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a new connection may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// What it takes to judge a handshake and to find its room.
#[derive(Clone)]
pub struct Sockets {
    /// Who may what.
    pub policy: Data<Policy>,
    /// The settings.
    pub config: Data<Config>,
    /// The tables.
    pub open: Arc<OpenTables>,
    /// The chat rooms.
    pub chat: Arc<Chat>,
    /// Nexus' rooms.
    pub nexus: Arc<Rooms>,
    /// Session rooms.
    pub sessions: Arc<Sessions>,
    /// PeerShare's groups.
    pub signaling: Arc<Signaling>,
    /// The PeerJS broker.
    pub peerjs: Arc<Broker>,
    /// Who takes part from where.
    pub presence: Presence,
    /// Whose listener it is; `None`: the main one.
    pub speaker: Option<Speaker>,
}

/// A request with `Upgrade: websocket`, outside of the routes: checked by hand, then its socket is
/// the dialect's.
pub async fn upgrade(
    shared: Sockets,
    req: Request,
    framed: Framed<http::Socket, h1::Codec>,
) -> Result<(), Infallible> {
    let parts = framed.into_parts();
    let (io, already) = (parts.io.into_stream(), parts.read_buf);
    drop(parts.write_buf);
    let addrs = req
        .conn_data::<SocketAddrs>()
        .copied()
        .unwrap_or_else(SocketAddrs::unknown);
    let verdict = shared.policy.judge(req.head(), addrs);
    let admitted = match verdict {
        Ok(verdict) => admit(&shared, &req, verdict, addrs).await,
        Err(error) => Err(error),
    };
    let (way, place) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            answer_and_close(&io, &refusal(&error)).await;
            return Ok(());
        }
    };
    let key = req.headers().get(header::SEC_WEBSOCKET_KEY);
    let key = key.map(|key| key.as_bytes()).unwrap_or_default();
    let offered = req.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.filter_map(|value| value.to_str().ok());
    let offered = offered.flat_map(|list| list.split(',').map(str::trim));
    let chosen = way.subprotocol(offered);
    let offers = req.headers().get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    let offers: Vec<_> = offers.filter_map(|value| value.to_str().ok()).collect();
    let extension = Some(offers.join(","))
        .filter(|_| shared.config.deflate && way.deflates())
        .and_then(|offers| negotiate(&offers));
    let answer = switch_protocols(key, chosen, extension, way.cookie());
    let deflates = extension.is_some();
    // What is held across the long wait below is the connection's memory.
    drop(req);
    // A fresh socket takes so few bytes at once; one that does not is not worth keeping.
    if io.writable().await.is_err() || io.try_write(answer.as_bytes()).ok() != Some(answer.len()) {
        return Ok(());
    }
    drop(answer);
    let max_frame = shared.config.limits.max_frame;
    let max_messages = shared.config.limits.max_messages;
    let max_message = shared.config.nexus.max_message;
    let max_signal = shared.config.peershare.max_message;
    let (open, rooms) = (shared.open.clone(), shared.nexus.clone());
    let (presence, client) = (shared.presence.clone(), Client::of(addrs));
    let (chat, sessions) = (shared.chat.clone(), shared.sessions.clone());
    let (broker, signaling) = (shared.peerjs.clone(), shared.signaling.clone());
    let policy = shared.policy.clone();
    drop(shared);
    // A task of its own, so that the HTTP dispatcher and its buffers are freed.
    match way {
        Way::SpellTable(role, room, basis) => {
            let counted = role < Role::Gm;
            let mut socket = Socket::new(io, already, max_frame, counted, deflates, SPELLTABLE);
            if counted {
                socket = socket.paced(max_messages, CloseCode::Policy);
            }
            let guest = Guest::SpellTable { role };
            let seat = match policy.take_seat(basis, socket.line()) {
                Ok(seat) => seat,
                Err(ended) => {
                    let reason = ended.to_string();
                    actix_rt::spawn(async move { socket.close(ENDED, &reason).await });
                    return Ok(());
                }
            };
            let there = room.clone();
            let serve = move |socket: Socket| async move {
                if let Err(farewell) = arrive(seat.as_ref(), &socket) {
                    let (code, reason) = last_words(farewell);
                    return socket.close(code, reason).await;
                }
                let (_seat, _place, _present) = (seat, place, presence.enter(client));
                socket.enter(room, guest, spelltable::Wire::default()).await;
            };
            socket.follow(&there, serve).await;
        }
        Way::Table(verdict) => {
            let counted = verdict.role < Role::Gm;
            let mut socket = Socket::new(io, already, max_frame, counted, deflates, TABLE);
            if counted {
                socket = socket.paced(max_messages, CloseCode::TooMany);
            }
            let seat = policy.take_seat(verdict.basis, socket.line());
            actix_rt::spawn(async move {
                let seat = match seat {
                    Ok(seat) => seat,
                    Err(ended) => return socket.close(ENDED, &ended.to_string()).await,
                };
                // In a box: it is over when the connection's long life begins.
                let sat_down = Box::pin(sit_down(socket, seat, *verdict, policy, open)).await;
                let Some(Sitter {
                    socket,
                    room,
                    guest,
                    seat,
                }) = sat_down
                else {
                    return;
                };
                let there = room.clone();
                let serve = move |socket: Socket| async move {
                    if let Err(farewell) = arrive(seat.as_ref(), &socket) {
                        let (code, reason) = last_words(farewell);
                        return socket.close(code, reason).await;
                    }
                    let (_seat, _place, _present) = (seat, place, presence.enter(client));
                    socket.enter(room, guest, table::Wire).await;
                };
                socket.follow(&there, serve).await;
            });
        }
        Way::Nexus(caller) => {
            let Caller {
                counted,
                ask,
                client,
                proof,
                ..
            } = *caller;
            let socket = Socket::new(io, already, max_message, counted, deflates, NEXUS);
            actix_rt::spawn(async move {
                let seat = rooms.seat(ask, client, proof).await;
                let there = seat.room.clone();
                let serve = move |socket: Socket| async move {
                    let _place = place;
                    socket.enter(seat.room, seat.guest, seat.wire).await;
                };
                socket.follow(&there, serve).await;
            });
        }
        Way::Session(session) => {
            let max_frame = sessions.max_frame();
            let socket = Socket::new(io, already, max_frame, true, false, session::BOUNDS);
            actix_rt::spawn(async move {
                sessions.serve(socket, session, client, place).await;
            });
        }
        Way::Chat => {
            let socket = Socket::new(
                io,
                already,
                chat::LOBBY_FRAME_BYTES,
                true,
                false,
                chat::BOUNDS,
            );
            actix_rt::spawn(async move {
                let _place = place;
                serve_chat(socket, None, client, chat).await;
            });
        }
        Way::PeerShare(visitor) => {
            let bounds = peershare::BOUNDS;
            let socket = Socket::new(io, already, max_signal, true, false, bounds);
            actix_rt::spawn(async move {
                let _place = place;
                serve_peershare(socket, None, visitor, signaling).await;
            });
        }
        Way::ChatOrPeerShare(visitor) => {
            let max = chat::LOBBY_FRAME_BYTES;
            let mut socket = Socket::new(io, already, max, true, false, chat::BOUNDS);
            actix_rt::spawn(async move {
                let _place = place;
                let Some(first) = socket.hear().await else {
                    return;
                };
                match &first {
                    Said::Text(text) | Said::Binary(text) if is_peershare(text) => {
                        let first = Some(text.clone());
                        serve_peershare(socket, first, visitor, signaling).await;
                    }
                    _ => serve_chat(socket, Some(first), visitor.client, chat).await,
                }
            });
        }
        Way::PeerJs(ask) => {
            let max_message = broker.settings().max_message;
            let socket = Socket::new(io, already, max_message, true, false, peerjs::BOUNDS);
            actix_rt::spawn(async move {
                let _place = place;
                broker.serve(socket, ask, client).await;
            });
        }
    }
    Ok(())
}

/// How a socket ends whose proof does not count any more.
const ENDED: CloseCode = CloseCode::NotSignedIn;

/// With what words a socket ends whose proof does not count any more, or that belongs to somebody who
/// was removed.
pub fn last_words(farewell: Farewell) -> (CloseCode, &'static str) {
    match farewell {
        Farewell::Ended => (ENDED, "what you signed in or joined with has ended"),
        Farewell::Removed => (CloseCode::Removed, table::REMOVED),
    }
}

/// The socket is where it stays. Errors: it was to be ended while it was on its way.
fn arrive(seat: Option<&SeatTaken>, socket: &Socket) -> Result<(), Farewell> {
    seat.map_or(Ok(()), |seat| seat.move_to(socket.line()))
}

/// What connections of each dialect are held to (live-sync, section 5).
const SPELLTABLE: Bounds = Bounds {
    control_bytes: 256 << 10,
    slow: CloseCode::TryLater,
    silent: None,
};
const TABLE: Bounds = Bounds {
    control_bytes: 256 << 10,
    slow: CloseCode::TooSlow,
    silent: Some(CloseCode::NoPong),
};

const NEXUS: Bounds = Bounds {
    control_bytes: nexus::QUEUE_BYTES,
    slow: CloseCode::TryLater,
    silent: None,
};

/// Where a WebSocket leads.
enum Way {
    SpellTable(Role, RoomHandle<TableRules>, Basis),
    Table(Box<Verdict>),
    Nexus(Box<Caller>),
    /// Anybody's, within limits.
    Chat,
    /// Somebody's who has a token.
    Session(Session),
    /// The same.
    PeerShare(peershare::Visitor),
    /// The first message tells.
    ChatOrPeerShare(peershare::Visitor),
    /// The same; or what is missing in the query.
    PeerJs(Result<peerjs::Ask, &'static str>),
}

impl Way {
    /// The one to choose of those that the client offers.
    fn subprotocol<'a>(&self, mut offered: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        match self {
            Self::SpellTable(..)
            | Self::Chat
            | Self::Session(_)
            | Self::PeerShare(_)
            | Self::ChatOrPeerShare(_)
            | Self::PeerJs(_) => None,
            Self::Table(..) => offered.find(|name| *name == table::SUBPROTOCOL),
            Self::Nexus(_) => offered.next().filter(|name| !name.is_empty()),
        }
    }

    /// Whether messages may be compressed.
    fn deflates(&self) -> bool {
        match self {
            Self::SpellTable(..) | Self::Table(..) => true,
            // What is encrypted does not become smaller, and what is not could be guessed by its size.
            Self::Nexus(_)
            | Self::Chat
            | Self::PeerShare(_)
            | Self::ChatOrPeerShare(_)
            | Self::PeerJs(_) => false,
            // What others have said would stand beside it.
            Self::Session(_) => false,
        }
    }

    fn cookie(&self) -> Option<&str> {
        match self {
            Self::SpellTable(..)
            | Self::Table(..)
            | Self::Chat
            | Self::Session(_)
            | Self::PeerShare(_)
            | Self::ChatOrPeerShare(_)
            | Self::PeerJs(_) => None,
            Self::Nexus(caller) => caller.cookie.as_deref(),
        }
    }
}

/// Who asks for one of Nexus' rooms.
struct Caller {
    ask: Ask,
    client: Client,
    counted: bool,
    /// What its browser keeps, to be known again as a host.
    proof: Option<Proof>,
    /// For a browser that keeps nothing yet.
    cookie: Option<String>,
}

/// The cookie of browsers that may become hosts.
const HOST_COOKIE: &str = "tablekeep-nexus";
const HOST_COOKIE_AGE: Duration = Duration::from_secs(12 * 60 * 60);

impl Caller {
    fn of(shared: &Sockets, req: &Request, verdict: Verdict, addrs: SocketAddrs) -> Result<Self> {
        let mut caller = Self {
            ask: Ask::of(req.uri().query().unwrap_or_default()),
            client: Client::of(addrs),
            counted: verdict.role < Role::Gm,
            proof: None,
            cookie: None,
        };
        // Cookies count on the server's own pages only (see the access module).
        if shared.config.nexus.host_grace > 0 && verdict.own_page {
            let kept = find_cookie(req.headers(), HOST_COOKIE);
            let kept = kept.and_then(|text| uuid::Uuid::try_parse(text).ok());
            let proof = match kept {
                Some(kept) => kept.into_bytes(),
                None => random()?,
            };
            if kept.is_none() {
                let origin = req.headers().get(header::ORIGIN);
                let secure = origin.is_some_and(|o| o.as_bytes().starts_with(b"https://"));
                let value = uuid::Uuid::from_bytes(proof).simple().to_string();
                caller.cookie = Some(set_cookie(HOST_COOKIE, &value, HOST_COOKIE_AGE, secure));
            }
            caller.proof = Some(proof);
        }
        Ok(caller)
    }
}

/// Checks a handshake; answers where it leads.
async fn admit(
    shared: &Sockets,
    req: &Request,
    verdict: Verdict,
    addrs: SocketAddrs,
) -> Result<(Way, Place)> {
    let (path, visitor) = (req.path(), verdict.visitor());
    let nexus =
        || Caller::of(shared, req, verdict, addrs).map(|caller| Way::Nexus(Box::new(caller)));
    let peershare = |version| peershare::Visitor {
        version,
        client: Client::of(addrs),
        is_gm: verdict.role == Role::Gm,
    };
    let way = match (shared.speaker, path.strip_prefix("/api").unwrap_or(path)) {
        // Whatever the path: so does Nexus' own server.
        (Some(Speaker::Nexus), _) => nexus()?,
        (Some(Speaker::Session), _) | (None, "/session") => {
            Way::Session(invited(&shared.sessions, req)?)
        }
        (None, "/") if has_token(req) => Way::Session(invited(&shared.sessions, req)?),
        (Some(speaker @ (Speaker::NexusAssets | Speaker::Login)), _) => {
            let text = format!("there is no WebSocket on the port of {}", speaker.name());
            return Err(Error::Forbidden(text));
        }
        (speaker, path) if has_broker(speaker) && peerjs::is_mounted(path) => {
            Way::PeerJs(peerjs::Ask::of(req.uri().query().unwrap_or_default()))
        }
        (Some(Speaker::PeerJs), _) => {
            let text = "there is no WebSocket here; the broker's is at /peerjs";
            return Err(Error::Invalid(text.into()));
        }
        (None, path) if path.starts_with("/peerjs/") => {
            let text = "there is no WebSocket here; the broker's are at /peerjs and /peerjs/peerjs";
            return Err(Error::Invalid(text.into()));
        }
        (None, "/ws/nexus") => nexus()?,
        (None, "/ws") if req.uri().query().is_some_and(Ask::is_in) => nexus()?,
        (None, "/ws") => {
            let seat = visitor.seat()?;
            let table = shared.open.open(seat.table).await?;
            Way::SpellTable(seat.role, table.room, verdict.basis)
        }
        // Who may sit where is said after hello, with a close code that pages can read.
        (None, "/ws/table") => Way::Table(Box::new(verdict)),
        (None, "/ws/chat") | (Some(Speaker::Chat), _) => Way::Chat,
        // Whatever the path: so does the first version's own server.
        (None, "/ws/signal") | (Some(Speaker::PeerShare | Speaker::PeerShareSocket), _) => {
            Way::PeerShare(peershare(Version::Seed))
        }
        (Some(Speaker::PeerShareNew), _) if path == "/ws" => {
            Way::PeerShare(peershare(Version::Newest))
        }
        (None, "/") => Way::ChatOrPeerShare(peershare(Version::Seed)),
        (Some(Speaker::PeerShareNew), other) => {
            let text = format!("there is no WebSocket at {other}; PeerShare's is at /ws");
            return Err(Error::Forbidden(text));
        }
        (None, other) => {
            return Err(Error::Forbidden(format!(
                "there is no WebSocket at {other}; the table's is at /ws/table, SpellTable's at /ws, the chat's at /ws/chat, PeerShare's at /ws/signal, PeerJS' at /peerjs"
            )));
        }
    };
    ws::verify_handshake(req.head()).map_err(|error| {
        Error::Invalid(format!("the WebSocket handshake is not complete: {error}"))
    })?;
    Ok((way, Place::take(&shared.config)?))
}

/// What a session token in the query allows. Errors: 401, without a word.
fn invited(sessions: &Sessions, req: &Request) -> Result<Session> {
    let query = req.uri().query().unwrap_or_default();
    let host = req.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let session = sessions.admit(query, host, SystemTime::now());
    session.ok_or(Error::Unauthenticated(String::new()))
}

/// The answer to a handshake that is refused.
fn refusal(error: &Error) -> String {
    let status = error.status_code();
    let reason = status.canonical_reason().unwrap_or_default();
    let version = "sec-websocket-version: 13\r\n";
    refuse(status.as_u16(), reason, version, &error.to_string())
}

/// Whether the broker is at its paths there, too: PeerShare's clients look for it where they are.
fn has_broker(speaker: Option<Speaker>) -> bool {
    speaker.is_none_or(|speaker| speaker == Speaker::PeerJs || speaker.is_peershare())
}

/// Whether the query has a `token`.
fn has_token(req: &Request) -> bool {
    let mut fields = req.uri().query().unwrap_or_default().split('&');
    fields.any(|field| field == "token" || field.starts_with("token="))
}

/// Somebody whose table was found.
struct Sitter {
    socket: Socket,
    room: RoomHandle<TableRules>,
    guest: Guest,
    /// Ends the socket with what it was let in with.
    seat: Option<SeatTaken>,
}

/// Waits for hello and finds the table that it names.
async fn sit_down(
    mut socket: Socket,
    mut seat: Option<SeatTaken>,
    mut verdict: Verdict,
    policy: Data<Policy>,
    open: Arc<OpenTables>,
) -> Option<Sitter> {
    let text = socket.first_text(HELLO).await?;
    let line = socket.line();
    let found = async {
        let hello = table::parse_hello(text)?;
        if let Some(token) = &hello.token {
            verdict = policy.with_token(verdict, token.expose(), SystemTime::now());
            // The one before is given back only now, so that it is among the others all the time.
            let taken = policy.take_seat(verdict.basis, line);
            seat = taken.map_err(|ended| (ENDED, ended.to_string()))?;
        }
        let visitor = verdict.visitor();
        let no_table = |error: Error| (CloseCode::NoTable, error.to_string());
        let id = TableId::parse(&hello.table).map_err(no_table)?;
        let proven = visitor.seat_at(id);
        let proven = proven.map_err(|error| (CloseCode::NotSignedIn, error.to_string()))?;
        let table = open.open(id).await.map_err(|error| match error {
            Error::NotFound(_) => no_table(error),
            other => (CloseCode::TryLater, other.to_string()),
        })?;
        let role = hello.role.unwrap_or(proven.role).min(proven.role);
        let hello = Box::new(hello);
        let proof = match verdict.role {
            Role::Gm => Basis::default(),
            Role::Player | Role::Display => verdict.basis,
        };
        Ok((table.room, Guest::Member { role, proof, hello }))
    };
    match found.await {
        Ok((room, guest)) => {
            if verdict.role == Role::Gm {
                socket.free();
            }
            Some(Sitter {
                socket,
                room,
                guest,
                seat,
            })
        }
        Err((code, reason)) => {
            socket.close(code, &reason).await;
            None
        }
    }
}

/// One of the WebSockets that may be open at the same time; given back when dropped.
struct Place;

/// Open WebSockets of the whole process.
static SOCKETS: AtomicUsize = AtomicUsize::new(0);

/// How many WebSockets are open.
pub fn open_sockets() -> usize {
    SOCKETS.load(Ordering::Relaxed)
}

impl Place {
    /// Errors: 503 when there is none.
    fn take(config: &Config) -> Result<Self> {
        let limit = config
            .limits
            .max_connections
            .saturating_mul(config.workers());
        // Taken first, so that the look and the count are one.
        let place = Self;
        let before = SOCKETS.fetch_add(1, Ordering::Relaxed);
        memory::one_more(before + 1);
        if before >= limit {
            drop(place);
            let text =
                format!("{limit} connections are open, which is the limit (--max-connections)");
            return Err(Error::Unavailable(text));
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = SOCKETS.fetch_sub(1, Ordering::Relaxed);
        memory::one_less(before.saturating_sub(1));
    }
}

async fn answer_and_close(io: &TcpStream, answer: &str) {
    let _ = timeout(Duration::from_secs(1), async {
        io.writable().await?;
        io.try_write(answer.as_bytes())?;
        socket2::SockRef::from(io).shutdown(std::net::Shutdown::Write)
    })
    .await;
}
