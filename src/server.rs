//! The composition root: the only module that knows all the others.

mod alone;
mod sessions;

use crate::access::{
    AccountPasses, Keys, Passes, Passwords, Policy, Presence, SocketAddrs, own_password,
};
use crate::accounts::{self, AccountFile, Accounts, Ledger};
use crate::audio::{self, SOUNDS, TagReader};
use crate::banner::{Facts, banner};
use crate::config::{Config, Environment, Players, Secret, ServerRole, Speaker};
use crate::demo;
use crate::dialects::chat::{self, Chat};
use crate::dialects::nexus::{Rooms, assets, assets::AssetBook};
use crate::dialects::peerjs::{self, Broker, Switchboard};
use crate::dialects::peershare::{self, Card, Signaling, Version};
use crate::dialects::session::{self, Login, Sessions};
use crate::dialects::table::{OpenTables, Settings};
use crate::error::{Error, ErrorBody, Result, ValidationBody};
use crate::http::{
    self, AtOnce, ClientBuilds, Guesthouse, Guesthouses, Registrar, RouteList, at_once, fallback,
    gate, send_document,
};
use crate::ice::{self, Ice};
use crate::library::Library;
use crate::live::{CloseCode, Couriers, Keeper, Stage, start_courier};
use crate::maps::{self, MAPS, Thumbs};
use crate::mdns::{self, Announcement};
use crate::metrics::Metrics;
use crate::model::{MapMove, TableId};
use crate::scenes::{self, Aliases, SCENES, read_current, write_current};
use crate::sockets::{Sockets, open_sockets, upgrade};
use crate::store::{PendingIntent, Store, Watcher};
use crate::tables::{self, Directory, Tables};
use crate::ui::{self, Readiness};
use actix_codec::Framed;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Request, Response, h1};
use actix_server::ServerHandle;
use actix_service::{
    Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service, map_config,
};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse};
use etcetera::AppStrategy;
use futures_util::TryFutureExt;
use futures_util::future::{Either, ready};
use socket2::{Domain, Protocol, Socket, Type};
use std::convert::Infallible;
use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::SwaggerUi;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// A peer that leaves bytes unacknowledged, or its window closed, for this long has gone.
#[cfg(target_os = "linux")]
const STALLED: Duration = Duration::from_secs(120);
/// How long running requests may take when the server stops.
const DRAIN: Duration = Duration::from_secs(2);
/// How long all sockets together have to hear that the server stops, and how often that is looked
/// at.
const GOODBYE: Duration = Duration::from_millis(1200);
const LOOK: Duration = Duration::from_millis(10);
/// How long the tables may take to be saved.
const SAVE: Duration = Duration::from_millis(1500);
/// How often the file of the accounts is looked at, which the command line changes, too.
const ACCOUNTS_PAUSE: Duration = Duration::from_secs(1);
/// How often the trash is looked through.
const TRASH_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// The API's description, as committed and as served.
pub const OPENAPI: &str = include_str!("../openapi/openapi.json");

/// The same of the listener for Nexus' library of pictures.
pub const ASSETS_OPENAPI: &str = include_str!("../openapi/nexus-assets.json");

/// What does not come from routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tablekeep",
        description = "Maps, scenes and sounds of a game table. Who may do what: see the README. \
            Every path (but those that begin so) also answers under `/api`, every path with a trailing slash, and every GET to HEAD.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "maps", description = "Pictures and films for the table"),
        (name = "scenes", description = "Saved tables"),
        (name = "audio", description = "Loops and effects"),
        (name = "tables", description = "Tables, joining them, pairing displays"),
        (name = "access", description = "Signing in"),
        (name = "accounts", description = "Signing in with a name, and the accounts"),
        (name = "sessions", description = "Scalable Chat: login by name, rooms, and where they are"),
        (name = "chat", description = "Files of chat rooms; everything else of them goes over WebSocket"),
        (name = "calls", description = "What browsers need to call each other; the rest goes over WebSocket"),
        (name = "server", description = "The server itself, its pages and documents")
    ),
    components(schemas(ErrorBody, ValidationBody)),
    modifiers(&LoginToken)
)]
struct ApiInfo;

/// How the token of `POST /api/login` is sent.
struct LoginToken;

impl Modify for LoginToken {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The token of `POST /api/login`"));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("login", SecurityScheme::Http(scheme.build()));
    }
}

/// The same of the listener for Nexus' library.
#[derive(OpenApi)]
#[openapi(info(
    title = "Tablekeep as Nexus' asset server",
    description = "What `--speak nexus-assets@PORT` serves: the pictures of the map library, for everybody.",
    license(name = "MIT OR Apache-2.0")
))]
struct AssetsInfo;

/// The API's description, made from the routes: what `openapi/openapi.json` must be.
pub fn api_document() -> Result<String> {
    describe(ApiInfo::openapi(), |config| routes(config))
}

/// The same for `openapi/nexus-assets.json`.
pub fn assets_document() -> Result<String> {
    describe(AssetsInfo::openapi(), |config| assets::routes(config))
}

fn describe(
    info: utoipa::openapi::OpenApi,
    routes: impl FnOnce(&mut ServiceConfig<'_>),
) -> Result<String> {
    let (_, api) = App::new()
        .into_utoipa_app()
        .openapi(info)
        .configure(routes)
        .split_for_parts();
    let mut text = api.to_pretty_json().map_err(std::io::Error::other)?;
    text.push('\n');
    Ok(text)
}

fn routes(config: &mut impl Registrar) {
    // In the order in which the router looks: what is asked for most comes first.
    ui::routes(config);
    tables::routes(config);
    maps::routes(config);
    audio::routes(config);
    scenes::routes(config);
    chat::routes(config);
    accounts::routes(config);
    session::routes(config);
    peershare::routes(config);
    peerjs::routes(config);
    ice::routes(config);
}

/// Other systems' addresses on the main listener.
const GUESTS: Guesthouses = Guesthouses(&[PEERJS]);
const PEERJS: Guesthouse = Guesthouse {
    prefix: "/peerjs",
    credentials: false,
};
/// On the broker's own listener all addresses are the broker's.
const ALL_PEERJS: Guesthouses = Guesthouses(&[Guesthouse {
    prefix: "",
    ..PEERJS
}]);

/// On PeerShare's listeners all but the broker's are PeerShare's.
const ALL_PEERSHARE: Guesthouses = Guesthouses(&[
    PEERJS,
    Guesthouse {
        prefix: "",
        credentials: true,
    },
]);

/// What need not go through the routes when it is in memory.
const AT_ONCE: [(&str, AtOnce<Data<Library>>); 2] = [
    ("/maps/file/", maps::read_at_once),
    ("/audio/file/", audio::read_at_once),
];

/// What every worker shares.
#[derive(Clone)]
struct Shared {
    library: Data<Library>,
    thumbs: Data<Thumbs>,
    aliases: Data<Aliases>,
    tags: Data<TagReader>,
    tables: Data<Tables>,
    accounts: Data<Accounts>,
    ledger: Arc<Ledger>,
    policy: Data<Policy>,
    config: Data<Config>,
    routes: Data<RouteList>,
    metrics: Data<Metrics>,
    readiness: Data<Readiness>,
    couriers: Couriers,
    open: Arc<OpenTables>,
    nexus: Arc<Rooms>,
    builds: Data<ClientBuilds>,
    assets: Data<AssetBook>,
    chat: Data<Arc<Chat>>,
    login: Data<Arc<Login>>,
    sessions: Arc<Sessions>,
    signaling: Data<Arc<Signaling>>,
    /// The rules on PeerShare's listeners.
    peershare_policy: Data<Policy>,
    peerjs: Data<Arc<Broker>>,
    ice: Data<Ice>,
    presence: Presence,
}

impl Shared {
    fn policy(&self, speaker: Option<Speaker>) -> Data<Policy> {
        match speaker {
            Some(speaker) if speaker.is_peershare() => self.peershare_policy.clone(),
            _ => self.policy.clone(),
        }
    }

    fn sockets(&self, speaker: Option<Speaker>) -> Sockets {
        Sockets {
            policy: self.policy(speaker),
            config: self.config.clone(),
            open: self.open.clone(),
            nexus: self.nexus.clone(),
            speaker,
            chat: self.chat.get_ref().clone(),
            sessions: self.sessions.clone(),
            signaling: self.signaling.get_ref().clone(),
            peerjs: self.peerjs.get_ref().clone(),
            presence: self.presence.clone(),
        }
    }
}

/// A listener of one system's clients.
struct Further {
    speaker: Speaker,
    listener: TcpListener,
}

/// Serves what the settings make of this process, until `stop` is done.
///
/// Must run inside an actix system. Errors are sentences for the person who started it.
pub async fn serve(mut config: Config, stop: impl Future<Output = ()>) -> Result<()> {
    config.allow_host.extend(sessions::host_names(&config));
    match config.sessions.role() {
        ServerRole::All => Server::bind(config)?.run(stop).await,
        ServerRole::Backend | ServerRole::Session => alone::Alone::bind(config)?.run(stop).await,
    }
}

/// A server that listens, ready to run.
pub struct Server {
    addr: SocketAddr,
    listener: TcpListener,
    further: Vec<Further>,
    shared: Shared,
    store: Arc<Store>,
    scanned: watch::Sender<bool>,
    moved: Vec<PendingIntent>,
    /// Made because nobody could be GM without; shown at start.
    own_password: Option<Secret>,
}

impl Server {
    /// Opens the data folder and binds the address. Must run inside an actix system.
    ///
    /// Errors are sentences for the person who started it.
    pub fn bind(config: Config) -> Result<Self> {
        let folder = data_folder(&config)?;
        let (store, pending) = Store::open(&folder, &[&MAPS, &SCENES, &SOUNDS])?;
        let metrics = Data::new(Metrics::new());
        let couriers = Couriers::new(metrics.clone().into_inner());
        let ledger = Arc::new(Ledger::new(AccountFile::below(&store.private())));
        let keys = Keys::open(&store.private())?;
        let (policy, directory, own_password) = open_access(
            &config,
            &keys,
            &store.private(),
            ledger.clone(),
            couriers.clone(),
        )?;
        let builds = Data::new(open_builds(&config)?);
        let listener = listen(config.listen, "--listen ADDR:PORT")?;
        let further = listen_further(&config)?;
        let addr = listener.local_addr()?;
        if mdns::is_wanted(&config, addr) {
            let name = format!("{}.local", config.mdns.mdns_name);
            policy.machine().announce_as(Some(&name));
        }
        let keeper = Keeper::start({
            let store = store.clone();
            move |scene| write_current(&store, scene)
        });
        let settings = Settings {
            echo: config.spelltable_echo,
            frame_bytes: config.limits.max_frame,
            aside: store.private(),
            has_file: false,
            metrics: metrics.clone().into_inner(),
        };
        let known = directory.clone();
        let open = OpenTables::new(
            store.private().join("tables"),
            settings,
            couriers.clone(),
            move || known.list().into_iter().map(|table| table.id).collect(),
        );
        let open = Arc::new(open);
        open.open_main(read_current(&store), keeper)?;
        let readiness = Readiness::new({
            let open = open.clone();
            move || open.trouble().map_or(Ok(()), Err)
        });
        let nexus = Arc::new(Rooms::new(config.nexus.clone(), &couriers));
        let (scanned, scan_done) = watch::channel(false);
        let library = Library::new(config.clone(), store.clone(), open.clone(), scan_done);
        let passwords = Passwords::new(config.limits.accounts.login_queue);
        let in_rooms = passwords.beside(config.limits.chat.password_queue);
        let chat = Chat::new(&config.limits.chat, couriers.clone(), in_rooms);
        let chat = Arc::new(chat);
        let accounts = Accounts::new(
            ledger.clone(),
            passwords,
            metrics.clone().into_inner(),
            config.limits.accounts.max_accounts.into(),
        );
        let known = store.private().join("session-rooms");
        let parts = sessions::open(
            &config,
            &keys,
            &couriers,
            Some(known),
            &ports(addr, &further)?,
        )?;
        let (switchboard, presence) = (Switchboard::default(), Presence::default());
        let broker = Broker::new(&config.peerjs, &couriers, &switchboard, &presence);
        let broker = Arc::new(broker);
        let ice = Ice::new(&config, broker.clone(), presence.clone())?;
        let signaling = Signaling::new(
            config.peershare.clone(),
            couriers.clone(),
            switchboard,
            presence.clone(),
        );
        let peershare_policy = policy.allowing(&config.peershare.allowed_origins);
        let shared = Shared {
            library: Data::new(library),
            thumbs: Data::from(Thumbs::new(
                &store.private(),
                config.limits.thumb_cache,
                config.limits.thumb_pixels,
            )),
            aliases: Data::new(Aliases::open(store.private().join("aliases.json"))),
            tags: Data::new(TagReader::default()),
            tables: Data::new(Tables::new(directory, open.clone(), addr)),
            accounts: Data::new(accounts),
            ledger,
            policy: Data::new(policy),
            config: Data::new(config),
            routes: Data::new(RouteList::of(OPENAPI)),
            metrics,
            readiness: Data::new(readiness),
            couriers,
            open,
            nexus,
            builds,
            assets: Data::new(AssetBook::new(&MAPS)),
            chat: Data::new(chat),
            login: Data::new(parts.login),
            sessions: parts.sessions,
            signaling: Data::new(Arc::new(signaling)),
            peershare_policy: Data::new(peershare_policy),
            peerjs: Data::new(broker),
            ice: Data::new(ice),
            presence,
        };
        Ok(Self {
            addr,
            listener,
            further,
            shared,
            store,
            scanned,
            moved: pending,
            own_password,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `stop` is done, then drains: sockets are closed with 1001, running requests
    /// have two seconds, the table's scene is written.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<()> {
        let watcher = self.watch()?;
        let shared = self.shared.clone();
        let config = shared.config.clone();
        let worker = shared.clone();
        follow_moves(shared.open.clone(), self.moved).await;
        let mut server = actix_server::Server::build()
            .workers(config.workers())
            .max_concurrent_connections(config.limits.max_connections)
            .shutdown_timeout(DRAIN.as_secs())
            .disable_signals()
            .listen("http", self.listener, move || {
                start_courier(&worker.couriers);
                let files = worker.clone();
                let routes = map_config(app(&worker), |()| AppConfig::default());
                let routes = apply_fn_factory(routes, move |req: Request, routes| {
                    match at_once(&req, &files.policy, &files.library, &AT_ONCE) {
                        Some(answer) => Either::Left(ready(Ok(answer))),
                        None => Either::Right(routes.call(req).map_ok(Response::from)),
                    }
                });
                connections(worker.sockets(None), routes)
            })?;
        println!("listening on http://{}", self.addr);
        let cards = cards(&self.further, config.peershare.environment)?;
        for (Further { speaker, listener }, card) in self.further.into_iter().zip(cards) {
            let addr = listener.local_addr()?;
            let worker = shared.clone();
            server = server.listen(speaker.name(), listener, move || {
                let routes = further_app(&worker, speaker, card.clone());
                let routes = map_config(routes, |()| AppConfig::default());
                let routes = apply_fn_factory(routes, |req: Request, routes| {
                    routes.call(req).map_ok(Response::from)
                });
                connections(worker.sockets(Some(speaker)), routes)
            })?;
            println!("listening ({}) on http://{addr}", speaker.name());
            announce(speaker, addr);
        }
        let server = server.run();
        empty_trash(self.store.clone(), config.limits.trash_days);
        follow_accounts(shared.ledger.clone(), shared.policy.clone());
        let handle = server.handle();
        let serving = actix_rt::spawn(server);
        // Last, and without waiting: nobody who has the address waits for the name.
        let announced = shared.policy.machine().announced_as();
        let announcement = announced
            .and_then(|_| Announcement::start(&config.mdns.mdns_name, &shared.policy, self.addr));
        stop.await;
        let goodbye = announcement.map(|announcement| actix_rt::spawn(announcement.stop()));
        shared.nexus.stop();
        shared.signaling.stop();
        drain(&shared.couriers, &handle, &shared.open).await;
        if let Some(goodbye) = goodbye {
            let _ = goodbye.await;
        }
        drop(watcher);
        drop(serving);
        Ok(())
    }

    fn watch(&self) -> Result<Watcher> {
        let (store, addr) = (self.store.clone(), self.addr);
        let (config, policy) = (self.shared.config.clone(), self.shared.policy.clone());
        let (scanned, own_password) = (self.scanned.clone(), self.own_password.clone());
        let tables = self.shared.tables.clone();
        let further = self.further.iter().map(|further| {
            let addr = further.listener.local_addr()?;
            Ok((further.speaker.name(), addr))
        });
        let further = further.collect::<std::io::Result<Vec<_>>>()?;
        Ok(Watcher::start(self.store.clone(), move || {
            scanned.send_replace(true);
            let code = match config.players {
                Players::Open => None,
                Players::Code => tables.directory.get(TableId::MAIN).ok(),
            };
            let facts = Facts {
                own_password: own_password.as_ref(),
                code: code.map(|table| table.code.to_string()),
                addr,
                further: &further,
                is_terminal: std::io::stderr().is_terminal(),
            };
            eprintln!("{}", banner(&config, &policy, &facts, &store));
        })?)
    }
}

/// The line that operators of Scalable Chat's own backend wait for.
fn announce(speaker: Speaker, addr: SocketAddr) {
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

/// Lets the tables follow maps that were renamed or moved just before a crash.
async fn follow_moves(open: Arc<OpenTables>, moved: Vec<PendingIntent>) {
    for intent in moved {
        let map_move: Option<MapMove> =
            serde_json::from_value(intent.note["map_moved"].clone()).ok();
        if let Some(map_move) = map_move
            && let Err(error) = open.map_moved(&map_move, &intent.id()).await
        {
            tracing::error!(%error, "a table could not follow a moved map; it is tried again at the next start: {error}");
            return;
        }
        if let Ok(Err(error)) = web::block(move || intent.finish()).await {
            tracing::warn!(%error, "an operation that is done could not be forgotten: {error}");
        }
    }
}

/// Says goodbye, saves, and only then stops the threads on which rooms and sockets live.
async fn drain(couriers: &Couriers, handle: &ServerHandle, open: &OpenTables) {
    tracing::info!("stopping");
    let gone = async {
        couriers.close_all().await;
        while open_sockets() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = timeout(GOODBYE, gone).await;
    match timeout(SAVE, open.stop()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "a table could not be saved: {error}"),
        Err(_) => tracing::error!("the tables could not be saved in time"),
    }
    handle.stop(true).await;
}

/// Done when the process is told to stop: Ctrl-C, or SIGTERM.
pub async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn empty_trash(store: Arc<Store>, days: u32) {
    let keep = TRASH_PAUSE * days;
    actix_rt::spawn(async move {
        loop {
            let store = store.clone();
            let _ = web::block(move || store.empty_trash(keep)).await;
            tokio::time::sleep(TRASH_PAUSE).await;
        }
    });
}

/// Notices what the command line does to the accounts.
fn follow_accounts(ledger: Arc<Ledger>, policy: Data<Policy>) {
    actix_rt::spawn(async move {
        loop {
            if ledger.is_behind() {
                let ledger = ledger.clone();
                // What cannot be read has been said in the log.
                let _ = web::block(move || ledger.refresh()).await;
                policy.close_ended();
            }
            tokio::time::sleep(ACCOUNTS_PAUSE).await;
        }
    });
}

/// The data folder that was asked for, or the one that suits; with the demo table, where it is new.
fn data_folder(config: &Config) -> Result<PathBuf> {
    let folder = chosen_folder(config.data_dir.as_deref())?;
    if config.data_dir.is_none() && !is_table(&folder) {
        demo::unpack(&folder).map_err(|error| {
            let text = format!(
                "the demo table cannot be written to {} ({error}); choose a folder with --data-dir",
                folder.display()
            );
            Error::Invalid(text)
        })?;
    }
    Ok(folder)
}

fn is_table(folder: &Path) -> bool {
    [&MAPS, &SCENES, &SOUNDS]
        .iter()
        .all(|kind| folder.join(kind.dir).is_dir())
}

/// The data folder that was asked for, or the one that suits; it need not be there.
///
/// Errors: `Invalid`, when there is no home folder to have one in.
pub fn chosen_folder(asked: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = asked {
        return Ok(folder.to_owned());
    }
    let here = PathBuf::from(".");
    if is_table(&here) {
        return Ok(here);
    }
    let args = etcetera::AppStrategyArgs {
        top_level_domain: String::new(),
        author: "tablekeep".into(),
        app_name: "tablekeep".into(),
    };
    let own = etcetera::choose_app_strategy(args)
        .map_err(|_| {
            Error::Invalid(
                "no home folder was found; say where the table is with --data-dir".into(),
            )
        })?
        .data_dir();
    Ok(own)
}

/// Keys, tables and rules; and the password that was made because nobody could be GM without.
fn open_access(
    config: &Config,
    keys: &Keys,
    private: &Path,
    ledger: Arc<Ledger>,
    couriers: Couriers,
) -> Result<(Policy, Arc<Directory>, Option<Secret>)> {
    let max_tables = config.limits.max_tables.into();
    let directory = Arc::new(Directory::open(private.join("tables.json"), max_tables)?);
    let own_password =
        (config.gm_password.is_none() && !config.has_gm()).then(|| own_password(keys));
    let password = config.gm_password.as_ref().or(own_password.as_ref());
    let passes = Passes::new(keys, password, directory.clone(), private);
    let hang_up = move |lines| {
        let why = "what you signed in or joined with has ended";
        couriers.hang_up(lines, CloseCode::NotSignedIn, why);
    };
    let policy = Policy::new(config, passes)
        .with_accounts(AccountPasses::new(keys, ledger))
        .with_hang_up(hang_up);
    Ok((policy, directory, own_password))
}

/// The builds of clients that are to be served, each on a listener that there is.
fn open_builds(config: &Config) -> Result<ClientBuilds> {
    let mut builds = ClientBuilds::default();
    for client in &config.client {
        let name = client.speaker.name();
        if !config
            .speakers()
            .any(|speak| speak.speaker == client.speaker)
        {
            let text =
                format!("--client {name}=... needs a port to serve it on: add --speak {name}@PORT");
            return Err(Error::Invalid(text));
        }
        let redirects = client.speaker.is_peershare() && config.peershare.cloud_redirect;
        let script = redirects.then_some(peershare::REDIRECT);
        builds.open(name, &client.folder, script)?;
    }
    Ok(builds)
}

/// Where session rooms are found, the port that is theirs alone first.
fn ports(addr: SocketAddr, further: &[Further]) -> Result<Vec<u16>> {
    let own = further.iter();
    let own = own.filter(|further| further.speaker == Speaker::Session);
    let own = own.map(|further| further.listener.local_addr().map(|addr| addr.port()));
    let mut ports = own.collect::<std::io::Result<Vec<_>>>()?;
    ports.push(addr.port());
    Ok(ports)
}

/// Binds the ports of `--speak`, on the main listener's interface.
fn listen_further(config: &Config) -> Result<Vec<Further>> {
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
fn cards(further: &[Further], environment: Environment) -> Result<Vec<Data<Card>>> {
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
fn listen(addr: SocketAddr, setting: &str) -> Result<TcpListener> {
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

/// The routes for one worker.
fn app(
    shared: &Shared,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .configure(routes)
        .app_data(shared.library.clone())
        .app_data(shared.thumbs.clone())
        .app_data(shared.aliases.clone())
        .app_data(shared.tags.clone())
        .app_data(shared.tables.clone())
        .app_data(shared.accounts.clone())
        .app_data(shared.chat.clone())
        .app_data(shared.login.clone())
        .app_data(shared.signaling.clone())
        .app_data(shared.peerjs.clone())
        .app_data(shared.ice.clone())
        .app_data(Data::new(GUESTS))
        .app_data(shared.policy.clone())
        .app_data(shared.config.clone())
        .app_data(shared.routes.clone())
        .app_data(shared.metrics.clone())
        .app_data(shared.readiness.clone())
        .app_data(web::QueryConfig::default().error_handler(|error, _| {
            Error::Invalid(format!("the query cannot be read: {error}")).into()
        }))
        .app_data(
            web::PathConfig::default()
                .error_handler(|_, _| Error::NotFound("Not Found".into()).into()),
        )
        .route("/openapi.json", web::get().to(openapi))
        .route("/docs", web::get().to(to_docs))
        .service(
            SwaggerUi::new("/docs/{_:.*}").config(utoipa_swagger_ui::Config::from("/openapi.json")),
        )
        .default_service(web::to(fallback))
        .wrap(from_fn(gate))
}

/// What every connection goes through, whichever routes are behind it.
fn connections<R>(
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
fn connections_with<R, U, F>(
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
    fn_service(accept).and_then(http)
}

/// The routes of a listener for one system's clients, for one worker.
fn further_app(
    shared: &Shared,
    speaker: Speaker,
    card: Data<Card>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .configure(|config| match speaker {
            Speaker::Nexus => {
                config.default_service(web::to(nexus_page));
            }
            Speaker::Chat => {
                chat::routes(config);
                config.default_service(web::to(chat_page));
            }
            Speaker::Login => {
                session::routes(config);
                config.default_service(web::to(alone::login_page));
            }
            Speaker::Session => {
                config.default_service(web::to(alone::session_page));
            }
            Speaker::PeerJs => {
                peerjs::routes(config);
                peerjs::root_routes(config);
                config
                    .app_data(Data::new(ALL_PEERJS))
                    .default_service(web::to(not_found));
            }
            Speaker::NexusAssets => {
                assets::routes(config);
                config
                    .route("/openapi.json", web::get().to(assets_openapi))
                    .default_service(web::to(assets::not_found));
            }
            Speaker::PeerShareSocket => {
                peerjs::routes(config);
                config
                    .app_data(Data::new(ALL_PEERSHARE))
                    .default_service(web::to(upgrade_required));
            }
            Speaker::PeerShare | Speaker::PeerShareNew => {
                let version = match speaker {
                    Speaker::PeerShareNew => Version::Newest,
                    _ => Version::Seed,
                };
                config
                    .app_data(Data::new(version))
                    .app_data(Data::new(ALL_PEERSHARE));
                peerjs::routes(config);
                ice::routes(config);
                peershare::port_routes(config, version);
                let page = move |req, builds, card| peershare_page(speaker, req, builds, card);
                config.default_service(web::to(page));
            }
        })
        .app_data(card)
        .app_data(shared.signaling.clone())
        .app_data(shared.library.clone())
        .app_data(shared.policy(Some(speaker)))
        .app_data(shared.builds.clone())
        .app_data(shared.chat.clone())
        .app_data(shared.login.clone())
        .app_data(shared.peerjs.clone())
        .app_data(shared.ice.clone())
        .app_data(shared.assets.clone())
        .wrap(from_fn(gate))
}

/// On Nexus' port: the client's own build where one is given; the room server has no pages.
async fn nexus_page(req: HttpRequest, builds: Data<ClientBuilds>) -> Result<HttpResponse> {
    page_of(Speaker::Nexus, req, builds).await
}

/// The same on the chat's port.
async fn chat_page(req: HttpRequest, builds: Data<ClientBuilds>) -> Result<HttpResponse> {
    page_of(Speaker::Chat, req, builds).await
}

async fn not_found() -> Result<HttpResponse> {
    Err(Error::NotFound("Not Found".into()))
}

async fn page_of(
    speaker: Speaker,
    req: HttpRequest,
    builds: Data<ClientBuilds>,
) -> Result<HttpResponse> {
    let is_socket = req.path() == "/ws";
    match builds.get(speaker.name()).filter(|_| !is_socket) {
        Some(build) => build.send(&req).await,
        None => Ok(upgrade_required().await),
    }
}

/// On ports, and at paths, where there are only WebSockets.
async fn upgrade_required() -> HttpResponse {
    HttpResponse::UpgradeRequired()
        .insert_header((header::UPGRADE, "websocket"))
        .content_type("text/plain")
        .body("Upgrade Required")
}

/// On PeerShare's ports: the client's own build where one is given, else what the server is.
async fn peershare_page(
    speaker: Speaker,
    req: HttpRequest,
    builds: Data<ClientBuilds>,
    card: Data<Card>,
) -> Result<HttpResponse> {
    if speaker == Speaker::PeerShareNew && req.path() == "/ws" {
        return Ok(upgrade_required().await);
    }
    match builds.get(speaker.name()) {
        Some(build) => build.send(&req).await,
        None if req.path() == "/" => Ok(peershare::send_card(card).await),
        None => Ok(peershare::not_found().await),
    }
}

async fn assets_openapi(req: HttpRequest) -> Result<HttpResponse> {
    send_document(&req, "application/json", ASSETS_OPENAPI)
}

async fn openapi(req: HttpRequest) -> Result<HttpResponse> {
    send_document(&req, "application/json", OPENAPI)
}

async fn to_docs() -> HttpResponse {
    HttpResponse::TemporaryRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}
