//! A process that is only a backend or only a session server: no tables, no libraries, no data folder.

use super::apps::Foundation;
use super::listeners::{announce, connections_with, listen};
use super::{DRAIN, GOODBYE, LOOK, sessions};
use crate::access::{Keys, Passes, Policy, random};
use crate::config::{Config, ServerRole, Speaker};
use crate::dialects::session::{self, Sessions};
use crate::error::{Error, Result};
use crate::http::{ClientBuilds, gate};
use crate::live::{Couriers, start_courier};
use crate::memory;
use crate::metrics::Metrics;
use crate::sockets::{SessionSockets, open_sockets, upgrade_alone};
use crate::ui;
use actix_http::{Request, Response};
use actix_service::{Service, ServiceFactory, apply_fn_factory, map_config};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse};
use futures_util::TryFutureExt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::timeout;

/// Such a process, listening.
pub struct Alone {
    addr: SocketAddr,
    listener: TcpListener,
    shared: Shared,
}

/// What every worker shares.
#[derive(Clone)]
struct Shared {
    speaker: Speaker,
    base: Foundation,
    sessions: Arc<Sessions>,
    stopping: Data<Stopping>,
    couriers: Couriers,
}

/// Whether the process is about to end.
#[derive(Default)]
struct Stopping(AtomicBool);

impl Alone {
    /// Binds the address. Must run inside an actix system.
    ///
    /// Errors are sentences for the person who started it.
    pub fn bind(config: Config) -> Result<Self> {
        let speaker = match config.sessions.role() {
            ServerRole::Session => Speaker::Session,
            ServerRole::Backend | ServerRole::All => Speaker::Login,
        };
        if config.speakers().next().is_some() {
            let text =
                "a backend or a session server alone has one port; leave --speak out, or --role";
            return Err(Error::Invalid(text.into()));
        }
        // Its cookies prove nothing, and its tokens are signed with secrets that must be given.
        let keys = Keys::new(&random()?);
        let metrics = Data::new(Metrics::new());
        let couriers = Couriers::new(metrics.clone().into_inner());
        config.sessions.check()?;
        let listener = listen(config.listen, "PORT or --listen ADDR:PORT")?;
        let addr = listener.local_addr()?;
        let parts = sessions::open(&config, &keys, &couriers, None, &[addr.port()])?;
        let mut builds = ClientBuilds::default();
        for client in &config.client {
            if client.speaker != speaker {
                let name = speaker.name();
                let text = format!("only --client {name}=DIR can be served here");
                return Err(Error::Invalid(text));
            }
            builds.open(speaker.name(), &client.folder, None)?;
        }
        let shared = Shared {
            speaker,
            base: Foundation {
                policy: Data::new(Policy::new(&config, Passes::none(&keys))),
                config: Data::new(config),
                metrics,
                builds: Data::new(builds),
                login: Data::new(parts.login),
            },
            sessions: parts.sessions,
            stopping: Data::default(),
            couriers,
        };
        Ok(Self {
            addr,
            listener,
            shared,
        })
    }

    /// Serves until `stop` is done; sockets are closed with 1001, running requests have two seconds.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<()> {
        let Self {
            addr,
            listener,
            shared,
        } = self;
        let (config, worker) = (shared.base.config.clone(), shared.clone());
        let server = actix_server::Server::build()
            .workers(config.workers())
            .max_concurrent_connections(config.limits.max_connections)
            .shutdown_timeout(DRAIN.as_secs())
            .disable_signals()
            .listen("http", listener, move || {
                start_courier(&worker.couriers);
                let routes = map_config(app(&worker), |()| AppConfig::default());
                let routes = apply_fn_factory(routes, |req: Request, routes| {
                    routes.call(req).map_ok(Response::from)
                });
                let sockets = worker.sockets();
                connections_with(
                    move |(req, framed)| upgrade_alone(sockets.clone(), req, framed),
                    routes,
                )
            })?
            .run();
        println!("listening on http://{addr}");
        announce(shared.speaker, addr);
        let handle = server.handle();
        let serving = actix_rt::spawn(server);
        memory::started();
        stop.await;
        tracing::info!("stopping");
        shared.stopping.0.store(true, Ordering::Relaxed);
        let gone = async {
            shared.couriers.close_all().await;
            while open_sockets() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = timeout(GOODBYE, gone).await;
        handle.stop(true).await;
        drop(serving);
        Ok(())
    }
}

impl Shared {
    fn sockets(&self) -> SessionSockets {
        let is_session = self.speaker == Speaker::Session;
        SessionSockets {
            policy: self.base.policy.clone(),
            config: self.base.config.clone(),
            sessions: is_session.then(|| self.sessions.clone()),
        }
    }
}

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
        .configure(|config| {
            ui::watch_routes(config);
            config.route("/readyz", web::get().to(readyz));
            match shared.speaker {
                Speaker::Session => {
                    config.default_service(web::to(session_page));
                }
                _ => {
                    session::routes(config);
                    config.default_service(web::to(login_page));
                }
            }
        })
        .configure(|config| shared.base.lay(config))
        .app_data(shared.stopping.clone())
        .wrap(from_fn(gate))
}

/// Whether it takes more: not while it stops.
async fn readyz(stopping: Data<Stopping>) -> Result<HttpResponse> {
    if stopping.0.load(Ordering::Relaxed) {
        return Err(Error::Unavailable("stopping".into()));
    }
    Ok(HttpResponse::Ok().json(serde_json::json!({ "status": "ok" })))
}

/// What else is asked of a backend: its client's own build, where one is given.
pub(super) async fn login_page(
    req: HttpRequest,
    builds: Data<ClientBuilds>,
) -> Result<HttpResponse> {
    if let Some(allow) = session::allow(req.path()) {
        let allow = allow.to_owned();
        return Err(Error::MethodNotAllowed { allow });
    }
    match builds.get(Speaker::Login.name()) {
        Some(build) if !req.path().starts_with("/api/") => build.send(&req).await,
        _ => Err(Error::NotFound("Not Found".into())),
    }
}

/// What else is asked of a session server: the same, or a word that it is one.
pub(super) async fn session_page(
    req: HttpRequest,
    builds: Data<ClientBuilds>,
) -> Result<HttpResponse> {
    match (builds.get(Speaker::Session.name()), req.path()) {
        (Some(build), _) => build.send(&req).await,
        (None, "/" | "/session") => Ok(HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body("a session server: connect with a WebSocket\n")),
        (None, _) => Err(Error::NotFound("Not Found".into())),
    }
}
