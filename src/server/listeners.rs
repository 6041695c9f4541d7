//! Ports: bound, and what every connection on them goes through.

use crate::access::SocketAddrs;
use crate::config::{Config, Environment, Speaker};
use crate::dialects::peershare::Card;
use crate::error::{Error, Result};
use crate::http;
use crate::sockets::{Sockets, upgrade};
use actix_codec::Framed;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Request, Response, h1};
use actix_service::{Service, ServiceFactory, ServiceFactoryExt, fn_service};
use actix_web::body::BoxBody;
use actix_web::web::Data;
use futures_util::future::ready;
use socket2::{Domain, Protocol, Socket, Type};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::net::TcpStream;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// A peer that leaves bytes unacknowledged, or its window closed, for this long has gone.
#[cfg(target_os = "linux")]
const STALLED: Duration = Duration::from_secs(120);

/// A listener of one system's clients.
pub(super) struct Further {
    pub speaker: Speaker,
    pub listener: TcpListener,
}

/// The line that operators of Scalable Chat's own backend wait for.
pub(super) fn announce(speaker: Speaker, addr: SocketAddr) {
    if speaker == Speaker::Login {
        println!("Listening on *:{}", addr.port());
    }
}

/// actix waits for ever for a peer that stops taking a download; the system need not.
fn give_up_stalled(io: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(io).set_tcp_user_timeout(Some(STALLED));
    #[cfg(not(target_os = "linux"))]
    let _ = io;
}

/// Where session rooms are found, the port that is theirs alone first.
pub(super) fn ports(addr: SocketAddr, further: &[Further]) -> Result<Vec<u16>> {
    let own = further.iter();
    let own = own.filter(|further| further.speaker == Speaker::Session);
    let own = own.map(|further| further.listener.local_addr().map(|addr| addr.port()));
    let mut ports = own.collect::<std::io::Result<Vec<_>>>()?;
    ports.push(addr.port());
    Ok(ports)
}

/// Binds the ports of `--speak`, on the main listener's interface.
pub(super) fn listen_further(config: &Config) -> Result<Vec<Further>> {
    let further = config.speakers().map(|speak| {
        let setting = format!("--speak {}@PORT", speak.speaker.name());
        let listener = listen(SocketAddr::new(config.listen.ip(), speak.port), &setting)?;
        Ok(Further {
            speaker: speak.speaker,
            listener,
        })
    });
    further.collect()
}

/// What the root of each listener says, where that is PeerShare's.
pub(super) fn cards(further: &[Further], environment: Environment) -> Result<Vec<Data<Card>>> {
    let cards = further.iter().enumerate().map(|(at, own)| {
        // The port behind it, if there is one for sockets alone.
        let sockets = further.get(at + 1);
        let sockets = sockets.filter(|next| next.speaker == Speaker::PeerShareSocket);
        let port = sockets.unwrap_or(own).listener.local_addr()?.port();
        let first_version = own.speaker == Speaker::PeerShare;
        let facts = first_version.then_some((port, environment.name()));
        Ok(Data::new(Card::new(facts)))
    });
    cards.collect()
}

/// `setting` would choose another port.
pub(super) fn listen(addr: SocketAddr, setting: &str) -> Result<TcpListener> {
    let bind = || -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the last one's closed connections.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    bind().map_err(|error| {
        use std::io::ErrorKind as K;
        let hint = match error.kind() {
            K::AddrInUse => format!(
                "port {} is taken, perhaps by another tablekeep; choose another with {setting}",
                addr.port()
            ),
            K::PermissionDenied => format!(
                "port {} needs more rights; choose one above 1023 with {setting}",
                addr.port()
            ),
            K::AddrNotAvailable => format!(
                "this machine has no address {}; listen on all with --listen 0.0.0.0:{}",
                addr.ip(),
                addr.port()
            ),
            _ => format!("cannot listen on {addr}: {error}"),
        };
        Error::Invalid(hint)
    })
}

/// What every connection goes through, whichever routes are behind it.
pub(super) fn connections<R>(
    sockets: Sockets,
    routes: R,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    R: ServiceFactory<Request, Config = (), Response = Response<BoxBody>, InitError = ()> + 'static,
    R::Error: Into<Response<BoxBody>> + std::fmt::Debug,
    R::Future: 'static,
    R::Service: 'static,
    <R::Service as Service<Request>>::Future: 'static,
{
    connections_with(
        move |(req, framed)| upgrade(sockets.clone(), req, framed),
        routes,
    )
}

/// The same with another way for upgrades.
pub(super) fn connections_with<R, U, F>(
    upgrade: U,
    routes: R,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    R: ServiceFactory<Request, Config = (), Response = Response<BoxBody>, InitError = ()> + 'static,
    R::Error: Into<Response<BoxBody>> + std::fmt::Debug,
    R::Future: 'static,
    R::Service: 'static,
    <R::Service as Service<Request>>::Future: 'static,
    U: Fn((Request, Framed<http::Socket, h1::Codec>)) -> F + Clone + 'static,
    F: Future<Output = Result<(), Infallible>> + 'static,
{
    let http = HttpService::build()
        .keep_alive(Duration::from_secs(75))
        .client_request_timeout(Duration::from_secs(10))
        .client_disconnect_timeout(Duration::from_secs(1))
        .on_connect_ext(|socket: &http::Socket, extensions| {
            let io = socket.stream();
            give_up_stalled(io);
            extensions.insert(socket.outlet());
            if let (Ok(peer), Ok(local)) = (io.peer_addr(), io.local_addr()) {
                extensions.insert(SocketAddrs { peer, local });
            }
        })
        .upgrade(fn_service(upgrade))
        .h1(routes);
    let accept = |io| ready(Ok::<_, DispatchError>(http::Socket::accepted(io)));
    fn_service(accept).and_then(http).map_err(|error| {
        report(&error);
        error
    })
}

/// Why a connection ended. Whoever connects can speak nonsense or go away; nobody need act on that.
fn report(error: &DispatchError) {
    match error {
        DispatchError::Body(_) | DispatchError::InternalError => {
            tracing::error!(?error, "an answer could not be sent to its end: {error}");
        }
        _ => tracing::debug!(?error, "a connection ended: {error}"),
    }
}
