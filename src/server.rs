//! The composition root: the only module that knows all the others.

mod alone;
mod apps;
mod documents;
mod folder;
mod listeners;
mod sessions;
mod stop;
mod tasks;

pub use documents::{ASSETS_OPENAPI, OPENAPI, api_document, assets_document};
pub use folder::chosen_folder;
pub use stop::stop_signal;

use self::apps::{AT_ONCE, Foundation, app, further_app};
use self::folder::{data_folder, keep_private};
use self::listeners::{Further, announce, cards, connections, listen, listen_further, ports};
use self::tasks::{drain, empty_trash, follow_moves, follow_proofs};
use crate::access::{AccountPasses, Keys, Passes, Passwords, Policy, Presence, own_password};
use crate::accounts::{AccountFile, Accounts, Ledger};
use crate::audio::{SOUNDS, TagReader};
use crate::banner::{Facts, banner};
use crate::config::{Config, Players, Secret, ServerRole, Speaker};
use crate::dialects::chat::Chat;
use crate::dialects::nexus::{Rooms, assets::AssetBook};
use crate::dialects::peerjs::{Broker, Switchboard};
use crate::dialects::peershare::{self, Signaling};
use crate::dialects::session::Sessions;
use crate::dialects::table::{OpenTables, Settings, keep_file, move_file};
use crate::error::{Error, Result};
use crate::http::{ClientBuilds, RouteList, at_once};
use crate::ice::Ice;
use crate::library::Library;
use crate::live::{Couriers, Keeper, start_courier};
use crate::maps::{MAPS, Thumbs};
use crate::mdns::{self, Announcement};
use crate::memory;
use crate::metrics::Metrics;
use crate::model::TableId;
use crate::scenes::{Aliases, CurrentScene, Foreign, SCENES};
use crate::sockets::{Sockets, last_words};
use crate::store::{PendingIntent, Store, Watcher};
use crate::tables::{Directory, Tables};
use crate::ui::Readiness;
use actix_http::{Request, Response};
use actix_service::{Service, apply_fn_factory, map_config};
use actix_web::dev::AppConfig;
use actix_web::web::Data;
use futures_util::TryFutureExt;
use futures_util::future::{Either, ready};
use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long running requests may take when the server stops.
const DRAIN: Duration = Duration::from_secs(2);
/// How long all sockets together have to hear that the server stops, and how often that is looked
/// at.
const GOODBYE: Duration = Duration::from_millis(1200);
const LOOK: Duration = Duration::from_millis(10);

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
    base: Foundation,
    routes: Data<RouteList>,
    readiness: Data<Readiness>,
    couriers: Couriers,
    open: Arc<OpenTables>,
    nexus: Arc<Rooms>,
    assets: Data<AssetBook>,
    chat: Data<Arc<Chat>>,
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
            _ => self.base.policy.clone(),
        }
    }

    fn sockets(&self, speaker: Option<Speaker>) -> Sockets {
        Sockets {
            policy: self.policy(speaker),
            config: self.base.config.clone(),
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
        let settings = Settings {
            echo: config.spelltable_echo,
            frame_bytes: config.limits.max_frame,
            aside: store.private(),
            has_file: false,
            metrics: metrics.clone().into_inner(),
            removed: {
                let policy = policy.clone();
                Arc::new(move |proofs| policy.close_removed(proofs))
            },
        };
        let known = directory.clone();
        let folder = store.private().join("tables");
        // Its journals have what was whispered.
        keep_private(&folder);
        let open = OpenTables::new(folder, settings, couriers.clone(), move || {
            known.list().into_iter().map(|table| table.id).collect()
        });
        let open = Arc::new(open);
        let current = Arc::new(CurrentScene::new(store.clone(), {
            let aside = open.aside(TableId::MAIN);
            move |foreign| match foreign {
                Foreign::Bytes(bytes) => keep_file(&aside, bytes),
                Foreign::File(file) => move_file(&aside, file),
            }
        }));
        let keeper = Keeper::start({
            let current = current.clone();
            move |scene| current.write(scene)
        });
        open.open_main(current.read(), keeper)?;
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
            base: Foundation {
                policy: Data::new(policy),
                config: Data::new(config),
                metrics,
                builds,
                login: Data::new(parts.login),
            },
            routes: Data::new(RouteList::of(OPENAPI)),
            readiness: Data::new(readiness),
            couriers,
            open,
            nexus,
            assets: Data::new(AssetBook::new(&MAPS)),
            chat: Data::new(chat),
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
        let config = shared.base.config.clone();
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
                    match at_once(&req, &files.base.policy, &files.library, &AT_ONCE) {
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
        follow_proofs(shared.ledger.clone(), shared.base.policy.clone());
        let handle = server.handle();
        let serving = actix_rt::spawn(server);
        memory::started();
        // Last, and without waiting: nobody who has the address waits for the name.
        let announcement = if mdns::is_wanted(&config, self.addr) {
            Announcement::start(&config.mdns.mdns_name, &shared.base.policy, self.addr)
        } else {
            None
        };
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
        let Foundation { config, policy, .. } = self.shared.base.clone();
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
            let text = banner(&config, &policy, &facts, &store);
            // Nobody may be there to read it; the table goes on.
            let _ = writeln!(std::io::stderr(), "{text}");
        })?)
    }
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
    let hang_up = move |lines, farewell| {
        let (code, why) = last_words(farewell);
        couriers.hang_up(lines, code, why);
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
