//! Login, rooms and session servers, put together from the settings.

use crate::access::Keys;
use crate::config::{Config, SchedulerKind, ServerRole};
use crate::dialects::session::{
    Directory, Fixed, Hathora, Local, Login, Rooms, Scheduler, SessionTokens, Sessions, Timing,
};
use crate::error::Result;
use crate::live::Couriers;
use std::path::PathBuf;
use std::sync::Arc;

/// What there is of it in one process.
pub struct Parts {
    /// Login and rooms.
    pub login: Arc<Login>,
    /// The session server.
    pub sessions: Arc<Sessions>,
}

/// Makes both. `file`: where the local scheduler keeps what it knows; `ports`: of this process, the
/// one for clients first.
pub fn open(
    config: &Config,
    keys: &Keys,
    couriers: &Couriers,
    file: Option<PathBuf>,
    ports: &[u16],
) -> Result<Parts> {
    let (settings, limits) = (&config.sessions, &config.limits.sessions);
    settings.check()?;
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let mut names = settings.public_host.clone();
    if names.is_empty() {
        names.extend(ports.iter().map(|port| format!("localhost:{port}")));
    }
    let tokens = Arc::new(SessionTokens::new(settings, keys));
    let has_backend = settings.role() != ServerRole::Session;
    let is_local = has_backend && settings.scheduler() == SchedulerKind::Local;
    let directory = is_local.then(|| Arc::new(Directory::open(file, limits)));
    let rooms = Arc::new(Rooms::new(config, couriers, directory.clone()));
    let scheduler: Arc<dyn Scheduler> = match (directory, settings.scheduler()) {
        (Some(directory), _) => {
            let host = names.first().cloned().unwrap_or_default();
            Arc::new(Local::new(directory, rooms.clone(), host))
        }
        (None, SchedulerKind::Hathora) if has_backend => {
            Arc::new(Hathora::new(settings, Timing::default())?)
        }
        (None, _) => {
            let secret = settings.jwt_secret.as_ref();
            let secret = secret.map_or(&b""[..], |secret| secret.expose().as_bytes());
            Arc::new(Fixed::new(settings.session_server_host.clone(), secret))
        }
    };
    let any_name = settings.public_host.is_empty();
    Ok(Parts {
        login: Arc::new(Login::new(tokens.clone(), scheduler, limits)),
        sessions: Arc::new(Sessions::new(rooms, tokens, limits, names, any_name)),
    })
}

/// Names without ports and paths, as browsers send them in `Host`: what the operator calls this server
/// is one of its names.
pub fn host_names(config: &Config) -> Vec<String> {
    let hosts = config.sessions.public_host.iter();
    let names = hosts.filter_map(|host| host.split('/').next());
    let names = names.filter(|name| !name.starts_with('['));
    let names = names.filter_map(|name| name.split(':').next());
    names.map(str::to_owned).collect()
}
