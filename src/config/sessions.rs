//! The settings of login, rooms and session servers, and those that Scalable Chat's own servers read
//! from the environment.

use super::{Secret, seconds, size};
use crate::error::Error;
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::time::Duration;

/// Shorter secrets can be guessed.
const MIN_SECRET_BYTES: usize = 16;
/// Shorter secrets are shorter than what they sign with.
const GOOD_SECRET_BYTES: usize = 32;
/// Rooms with people in them that one process of a dynamic scheduler takes by default.
const DYNAMIC_ROOMS: usize = 10;

/// What this process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ServerRole {
    /// The whole table server
    #[default]
    All,
    /// Only login, rooms and where they are
    Backend,
    /// Only the WebSockets of session rooms
    Session,
}

/// Who knows which rooms there are, and on which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulerKind {
    /// This process.
    Local,
    /// Nobody: the rooms' ids say it, over a fixed list of servers.
    Static,
    /// Hathora's cloud.
    Hathora,
}

/// What happens when somebody comes who is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Duplicates {
    /// The newcomer is refused, unless the connection that is there is dead
    #[default]
    Refuse,
    /// The connection that is there is closed
    Replace,
}

/// How people log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginMode {
    /// Whoever types a name is that name.
    #[default]
    Open,
}

/// Login, rooms and session servers.
///
/// Those with a second variable in brackets also take that one, where a role is given or there is a
/// listener for login or sessions (`--speak`).
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Login and session rooms")]
pub struct Sessions {
    /// What this process is [also: `ROLE`]
    ///
    /// A backend and session servers on several machines share their work; one process is enough for
    /// thousands of people, and is the default.
    #[arg(long, env = "TABLEKEEP_ROLE", value_enum)]
    pub role: Option<ServerRole>,
    /// Signs the tokens of logins, at least 16 bytes [also: `JWT_SECRET`]
    ///
    /// Default: a key of this server. Several processes need the same one.
    #[arg(long, env = "TABLEKEEP_JWT_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = secret)]
    pub jwt_secret: Option<Secret>,
    /// Signs the tokens of session servers [also: `SESSION_JWT_SECRET`]; default: --jwt-secret
    #[arg(long, env = "TABLEKEEP_SESSION_JWT_SECRET", value_name = "SECRET", hide_env_values = true, value_parser = secret)]
    pub session_jwt_secret: Option<Secret>,
    /// Where clients find this session server; several names, if it has them [also: `PUBLIC_HOST`]
    ///
    /// Default: localhost and the port. The oldest clients speak TLS to every name that does not
    /// contain `localhost:`.
    #[arg(long, env = "TABLEKEEP_PUBLIC_HOST", value_name = "HOST:PORT", value_delimiter = ',', value_parser = host)]
    pub public_host: Vec<String>,
    /// The session servers of the static scheduler [also: `SESSION_SERVER_HOST`]
    #[arg(long, env = "TABLEKEEP_SESSION_SERVER_HOST", value_name = "HOST:PORT", value_delimiter = ',', value_parser = host)]
    pub session_server_host: Vec<String>,
    /// Who knows where rooms are: local, static or hathora [also: `SCHEDULER`]
    ///
    /// Default: static when session servers are named, hathora when its id and token are given, else
    /// local.
    #[arg(long, env = "TABLEKEEP_SCHEDULER", value_name = "KIND", value_parser = scheduler)]
    pub scheduler: Option<SchedulerKind>,
    /// The application's id at Hathora [also: `HATHORA_APP_ID`]
    #[arg(
        long,
        env = "TABLEKEEP_HATHORA_APP_ID",
        value_name = "ID",
        hide_short_help = true
    )]
    pub hathora_app_id: Option<String>,
    /// The token for Hathora's API [also: `HATHORA_TOKEN`]
    #[arg(long, env = "TABLEKEEP_HATHORA_TOKEN", value_name = "TOKEN", hide_env_values = true, hide_short_help = true, value_parser = token)]
    pub hathora_token: Option<Secret>,
    /// Where Hathora's API is [also: `HATHORA_API_URL`]; default: its public address
    #[arg(
        long,
        env = "TABLEKEEP_HATHORA_API_URL",
        value_name = "URL",
        hide_short_help = true
    )]
    pub hathora_api_url: Option<String>,
    /// In which region rooms are made [also: `HATHORA_REGION`]; default: Chicago
    #[arg(
        long,
        env = "TABLEKEEP_HATHORA_REGION",
        value_name = "REGION",
        hide_short_help = true
    )]
    pub hathora_region: Option<String>,
    /// How people log in: open (whoever types a name is that name) [also: `LOGIN_MODE`]
    #[arg(long, env = "TABLEKEEP_LOGIN_MODE", value_name = "MODE", value_parser = login_mode)]
    pub login_mode: Option<LoginMode>,
    /// What happens when somebody comes who is there already [also: `SESSION_DUPLICATES`]
    #[arg(long, env = "TABLEKEEP_SESSION_DUPLICATES", value_enum)]
    pub session_duplicates: Option<Duplicates>,
    /// Rooms with people in them that this process takes; 0: any number [also: `MAX_ROOMS_PER_INSTANCE`]
    ///
    /// Default: 10 with --scheduler hathora, else any number.
    #[arg(long, env = "TABLEKEEP_MAX_ROOMS_PER_INSTANCE", value_name = "N")]
    pub max_rooms_per_instance: Option<usize>,
}

/// What bounds session rooms and logins.
// Each has an id of its own because those of all settings share one space.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits of session rooms")]
pub struct SessionLimits {
    /// People in one session room
    #[arg(id = "session-users", long = "session-users", env = "TABLEKEEP_SESSION_USERS", value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..), hide_short_help = true)]
    pub users: u16,
    /// Messages that a session room keeps
    #[arg(id = "session-messages", long = "session-messages", env = "TABLEKEEP_SESSION_MESSAGES", value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub messages: u32,
    /// Most bytes of these messages
    #[arg(id = "session-history", long = "session-history", env = "TABLEKEEP_SESSION_HISTORY", value_name = "SIZE", default_value = "512K", value_parser = size, hide_short_help = true)]
    pub history_bytes: u64,
    /// The same of all session rooms together; beyond, each keeps only its newest message
    #[arg(id = "session-memory", long = "session-memory", env = "TABLEKEEP_SESSION_MEMORY", value_name = "SIZE", default_value = "256M", value_parser = size, hide_short_help = true)]
    pub memory: u64,
    /// Longest message in a session room, in characters
    #[arg(id = "session-max-message", long = "session-max-message", env = "TABLEKEEP_SESSION_MAX_MESSAGE", value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=16_000), hide_short_help = true)]
    pub message_chars: u32,
    /// Largest frame that a member of a session room may send
    #[arg(id = "session-max-frame", long = "session-max-frame", env = "TABLEKEEP_SESSION_MAX_FRAME", value_name = "SIZE", default_value = "64K", value_parser = size, hide_short_help = true)]
    pub frame_bytes: u64,
    /// Messages a second that a member may send, four seconds' worth at once
    #[arg(id = "session-rate", long = "session-rate", env = "TABLEKEEP_SESSION_RATE", value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub messages_per_second: u32,
    /// Session rooms in memory at the same time, also empty ones whose messages are kept
    #[arg(
        id = "session-rooms",
        long = "session-rooms",
        env = "TABLEKEEP_SESSION_ROOMS",
        value_name = "N",
        default_value_t = 10_000,
        hide_short_help = true
    )]
    pub rooms: usize,
    /// Rooms that the local scheduler knows at the same time
    #[arg(
        id = "session-known-rooms",
        long = "session-known-rooms",
        env = "TABLEKEEP_SESSION_KNOWN_ROOMS",
        value_name = "N",
        default_value_t = 100_000,
        hide_short_help = true
    )]
    pub known_rooms: usize,
    /// Session rooms of one address: that it has made, and in memory that it was the first to enter
    ///
    /// For a further one its own room gives way that nobody has been in for longest; where people are in
    /// all of them it is refused. All who come through one proxy share one address.
    #[arg(id = "session-rooms-per-address", long = "session-rooms-per-address", env = "TABLEKEEP_SESSION_ROOMS_PER_ADDRESS", value_name = "N", default_value_t = 1_000, value_parser = RangedU64ValueParser::<usize>::new().range(1..), hide_short_help = true)]
    pub rooms_per_address: usize,
    /// How often members of session rooms are pinged
    #[arg(id = "session-ping-secs", long = "session-ping-secs", env = "TABLEKEEP_SESSION_PING_SECS", value_name = "SECONDS", default_value = "30", value_parser = seconds, hide_short_help = true)]
    pub ping: Duration,
    /// A member that is silent for this long has gone
    #[arg(id = "session-silence-secs", long = "session-silence-secs", env = "TABLEKEEP_SESSION_SILENCE_SECS", value_name = "SECONDS", default_value = "75", value_parser = seconds, hide_short_help = true)]
    pub silence: Duration,
    /// How long a session room is kept that nobody is in
    #[arg(id = "session-idle-secs", long = "session-idle-secs", env = "TABLEKEEP_SESSION_IDLE_SECS", value_name = "SECONDS", default_value = "86400", value_parser = seconds, hide_short_help = true)]
    pub idle: Duration,
    /// How long a session room is known that was made and that nobody has come to
    #[arg(id = "session-unused-secs", long = "session-unused-secs", env = "TABLEKEEP_SESSION_UNUSED_SECS", value_name = "SECONDS", default_value = "3600", value_parser = seconds, hide_short_help = true)]
    pub unused: Duration,
    /// Logins per minute of one address
    #[arg(
        id = "session-login-rate",
        long = "session-login-rate",
        env = "TABLEKEEP_SESSION_LOGIN_RATE",
        value_name = "N",
        default_value = "600",
        hide_short_help = true
    )]
    pub logins_per_minute: NonZeroU32,
    /// Session rooms that one address makes per minute
    #[arg(
        id = "session-create-rate",
        long = "session-create-rate",
        env = "TABLEKEEP_SESSION_CREATE_RATE",
        value_name = "N",
        default_value = "300",
        hide_short_help = true
    )]
    pub creates_per_minute: NonZeroU32,
    /// Session rooms that one address asks for per minute
    #[arg(
        id = "session-lookup-rate",
        long = "session-lookup-rate",
        env = "TABLEKEEP_SESSION_LOOKUP_RATE",
        value_name = "N",
        default_value = "3000",
        hide_short_help = true
    )]
    pub lookups_per_minute: NonZeroU32,
}

impl Sessions {
    /// What this process is.
    pub fn role(&self) -> ServerRole {
        self.role.unwrap_or_default()
    }

    /// Who knows where rooms are.
    pub fn scheduler(&self) -> SchedulerKind {
        self.scheduler.unwrap_or({
            if !self.session_server_host.is_empty() {
                SchedulerKind::Static
            } else if self.hathora_app_id.is_some() && self.hathora_token.is_some() {
                SchedulerKind::Hathora
            } else {
                SchedulerKind::Local
            }
        })
    }

    /// Rooms with people in them that this process takes; `usize::MAX` when it does not count them.
    pub fn max_rooms_per_instance(&self) -> usize {
        match (self.max_rooms_per_instance, self.scheduler()) {
            (None, SchedulerKind::Hathora) => DYNAMIC_ROOMS,
            (None | Some(0), _) => usize::MAX,
            (Some(most), _) => most,
        }
    }

    /// What happens when somebody comes who is there already.
    pub fn duplicates(&self) -> Duplicates {
        self.session_duplicates.unwrap_or_default()
    }

    /// Takes over what the original servers read from the environment, where no setting of ours says
    /// otherwise. Errors: a sentence.
    pub(super) fn adopt(&mut self, var: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
        let var = |name: &str| var(name).filter(|text| !text.trim().is_empty());
        fn one<T>(
            setting: &mut Option<T>,
            name: &str,
            text: Option<String>,
            parse: impl Fn(&str) -> Result<T, String>,
        ) -> Result<(), String> {
            if let (None, Some(text)) = (&setting, text) {
                let explain = |error| format!("{name} cannot be used: {error}");
                *setting = Some(parse(&text).map_err(explain)?);
            }
            Ok(())
        }
        let list = |setting: &mut Vec<String>, name: &str| {
            if let (true, Some(text)) = (setting.is_empty(), var(name)) {
                let parts = text.split(',').filter(|part| !part.trim().is_empty());
                let parts: Result<Vec<_>, _> = parts.map(host).collect();
                *setting = parts.map_err(|error| format!("{name} cannot be used: {error}"))?;
            }
            Ok::<_, String>(())
        };
        let word = |text: &str| Ok(text.trim().to_owned());
        let secrets = [
            (&mut self.jwt_secret, "JWT_SECRET"),
            (&mut self.session_jwt_secret, "SESSION_JWT_SECRET"),
        ];
        for (setting, name) in secrets {
            one(setting, name, var(name), secret)?;
        }
        list(&mut self.public_host, "PUBLIC_HOST")?;
        list(&mut self.session_server_host, "SESSION_SERVER_HOST")?;
        one(
            &mut self.scheduler,
            "SCHEDULER",
            var("SCHEDULER"),
            scheduler,
        )?;
        for (setting, name) in [
            (&mut self.hathora_app_id, "HATHORA_APP_ID"),
            (&mut self.hathora_api_url, "HATHORA_API_URL"),
            (&mut self.hathora_region, "HATHORA_REGION"),
        ] {
            one(setting, name, var(name), word)?;
        }
        let name = "HATHORA_TOKEN";
        one(&mut self.hathora_token, name, var(name), token)?;
        let name = "LOGIN_MODE";
        one(&mut self.login_mode, name, var(name), login_mode)?;
        let name = "SESSION_DUPLICATES";
        one(&mut self.session_duplicates, name, var(name), |text| {
            Duplicates::from_str(text.trim(), true).map_err(|_| "expected refuse or replace".into())
        })?;
        let name = "MAX_ROOMS_PER_INSTANCE";
        one(&mut self.max_rooms_per_instance, name, var(name), |text| {
            let number = text.trim().parse();
            number.map_err(|_| "expected a number of rooms, 0 for any number".into())
        })
    }

    /// What `ROLE` in the environment makes of this process. Errors: a sentence; what was meant to be a
    /// session server would else be a whole table server.
    pub(super) fn adopt_role(&mut self, text: Option<String>) -> Result<(), String> {
        let text = text.filter(|text| !text.trim().is_empty() && self.role.is_none());
        if let Some(text) = text {
            let role = ServerRole::from_str(text.trim(), true);
            let expected = "ROLE cannot be used: expected all, backend or session; unset it when it is another program's";
            self.role = Some(role.map_err(|_| expected)?);
        }
        Ok(())
    }

    /// What does not fit together. Errors: a sentence.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |text: &str| Err(Error::Invalid(text.into()));
        let (role, scheduler) = (self.role(), self.scheduler());
        let has_secret = self.jwt_secret.is_some();
        match (role, scheduler) {
            (ServerRole::Backend, SchedulerKind::Local) => {
                return refuse(
                    "a backend alone needs a scheduler: name the session servers with SESSION_SERVER_HOST (--session-server-host), or give HATHORA_APP_ID and HATHORA_TOKEN",
                );
            }
            (ServerRole::Session, _) if !has_secret && self.session_jwt_secret.is_none() => {
                return refuse(
                    "a session server alone needs the key of its tokens: give SESSION_JWT_SECRET or JWT_SECRET as the backend has it (--session-jwt-secret, --jwt-secret)",
                );
            }
            (ServerRole::Session, _) if self.public_host.is_empty() => {
                return refuse(
                    "a session server alone must know its name: give PUBLIC_HOST as the backend tells it to clients (--public-host HOST:PORT)",
                );
            }
            (ServerRole::Session, _) => return Ok(()),
            (_, SchedulerKind::Static | SchedulerKind::Hathora) | (ServerRole::Backend, _)
                if !has_secret =>
            {
                return refuse(
                    "several servers need one secret: give JWT_SECRET (--jwt-secret), or leave SCHEDULER at local",
                );
            }
            _ => {}
        }
        match scheduler {
            SchedulerKind::Static if self.session_server_host.is_empty() => refuse(
                "the static scheduler needs the list of session servers: SESSION_SERVER_HOST (--session-server-host)",
            ),
            SchedulerKind::Hathora
                if self.hathora_app_id.is_none() || self.hathora_token.is_none() =>
            {
                refuse(
                    "the hathora scheduler needs HATHORA_APP_ID and HATHORA_TOKEN (--hathora-app-id, --hathora-token)",
                )
            }
            SchedulerKind::Hathora | SchedulerKind::Local | SchedulerKind::Static => Ok(()),
        }
    }

    /// Sentences for the log about settings that work and could be better.
    pub fn warnings(&self) -> Vec<String> {
        let secrets = [
            ("JWT_SECRET", &self.jwt_secret),
            ("SESSION_JWT_SECRET", &self.session_jwt_secret),
        ];
        let short = secrets.into_iter().filter(|(_, secret)| {
            let length = secret.as_ref().map(|secret| secret.expose().len());
            length.is_some_and(|length| length < GOOD_SECRET_BYTES)
        });
        short
            .map(|(name, _)| {
                format!("{name} has fewer than {GOOD_SECRET_BYTES} bytes; a longer one is harder to guess, such as that of `openssl rand -hex 32`")
            })
            .collect()
    }
}

fn secret(text: &str) -> Result<Secret, String> {
    if text.len() < MIN_SECRET_BYTES {
        return Err(format!(
            "expected a secret of at least {MIN_SECRET_BYTES} bytes, better {GOOD_SECRET_BYTES}, such as that of `openssl rand -hex 32`"
        ));
    }
    Ok(Secret::new(text.to_owned()))
}

fn token(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| Secret::new(text.to_owned()))
        .ok_or_else(|| "expected a token without spaces".into())
}

/// A host as clients put it behind `ws://`: a name, usually with a port, possibly with a path.
fn host(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (authority, path) = text.split_once('/').unwrap_or((text, ""));
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse::<u16>().is_ok()),
        _ => (authority, true),
    };
    let is_name = match name.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')) {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            !name.is_empty() && name.bytes().all(plain)
        }
    };
    let is_path = !text.contains("//")
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"\\<>@?#,".contains(&byte));
    let fits = text.len() <= 255 && is_name && port && is_path;
    fits.then(|| text.to_owned())
        .ok_or_else(|| "expected a host such as localhost:8000, without ws://".into())
}

fn scheduler(text: &str) -> Result<SchedulerKind, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "local" => Ok(SchedulerKind::Local),
        "static" => Ok(SchedulerKind::Static),
        "hathora" => Ok(SchedulerKind::Hathora),
        "nats" => Err("nats is not there yet; expected local, static or hathora".into()),
        _ => Err("expected local, static or hathora".into()),
    }
}

fn login_mode(text: &str) -> Result<LoginMode, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "open" => Ok(LoginMode::Open),
        _ => Err("expected open, the only mode so far".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::settings;
    use super::*;

    /// The settings with these flags in this environment.
    fn adopted(flags: &[&str], vars: &[(&str, &str)]) -> Result<Config, String> {
        let mut config = settings(flags);
        let var = |name: &str| {
            let found = vars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        config.adopt(var)?;
        config.sessions.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    const LONG: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_originals_variables_count_where_their_listener_is_open() {
        let vars = [
            ("JWT_SECRET", LONG),
            ("PUBLIC_HOST", "a.example, b.example:1/x"),
        ];
        let config = adopted(&[], &vars).unwrap();
        assert!(config.sessions.jwt_secret.is_none() && config.sessions.public_host.is_empty());
        for flags in [["--speak", "login@0"], ["--speak", "session@0"]] {
            let config = adopted(&flags, &vars).unwrap();
            assert_eq!(config.sessions.jwt_secret.unwrap().expose(), LONG);
            assert_eq!(config.sessions.public_host, ["a.example", "b.example:1/x"]);
        }
        let other = [
            "--speak",
            "login@0",
            "--jwt-secret",
            "another one that is long",
        ];
        let config = adopted(&other, &vars).unwrap();
        assert_eq!(
            config.sessions.jwt_secret.unwrap().expose(),
            "another one that is long"
        );
        // Somebody else's variables end no table server.
        for vars in [[("JWT_SECRET", "x")], [("SCHEDULER", "cron")]] {
            assert!(adopted(&[], &vars).is_ok(), "{vars:?}");
            assert!(adopted(&["--speak", "login@0"], &vars).is_err(), "{vars:?}");
        }
        // This one decides what the process is, so a slip is none that can be passed over.
        assert!(
            adopted(&[], &[("ROLE", "sesion")])
                .unwrap_err()
                .contains("ROLE")
        );
        assert!(adopted(&[], &[("ROLE", " ")]).is_ok());
    }

    #[test]
    fn a_backend_and_session_servers_need_nothing_but_their_variables() {
        let backend = [
            ("ROLE", "backend"),
            ("PORT", "8081"),
            ("JWT_SECRET", LONG),
            ("SESSION_SERVER_HOST", "localhost:8000,localhost:8001"),
        ];
        let config = adopted(&[], &backend).unwrap();
        assert_eq!(config.sessions.role(), ServerRole::Backend);
        assert_eq!(config.sessions.scheduler(), SchedulerKind::Static);
        assert_eq!(config.listen.to_string(), "0.0.0.0:8081");
        let session = [
            ("ROLE", "session"),
            ("PORT", "8001"),
            ("SESSION_JWT_SECRET", LONG),
            ("PUBLIC_HOST", "localhost:8001"),
        ];
        let config = adopted(&[], &session).unwrap();
        assert_eq!(config.sessions.role(), ServerRole::Session);
        assert_eq!(config.listen.port(), 8001);
        let listen = adopted(&["--listen", "127.0.0.1:9"], &session)
            .unwrap()
            .listen;
        assert_eq!(listen.to_string(), "127.0.0.1:9");
        // What is missing is said.
        for (without, words) in [
            ("JWT_SECRET", "JWT_SECRET"),
            ("SESSION_SERVER_HOST", "SESSION_SERVER_HOST"),
        ] {
            let vars: Vec<_> = backend
                .into_iter()
                .filter(|(name, _)| *name != without)
                .collect();
            assert!(adopted(&[], &vars).unwrap_err().contains(words));
        }
        for without in ["SESSION_JWT_SECRET", "PUBLIC_HOST"] {
            let vars: Vec<_> = session
                .into_iter()
                .filter(|(name, _)| *name != without)
                .collect();
            assert!(adopted(&[], &vars).unwrap_err().contains(without));
        }
        let defaults = [backend[0], backend[2], backend[3]];
        assert_eq!(adopted(&[], &defaults).unwrap().listen.port(), 8080);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_with_a_sentence() {
        let login = ["--speak", "login@0"];
        for (vars, words) in [
            (vec![("JWT_SECRET", "short")], "at least 16 bytes"),
            (vec![("SCHEDULER", "nats")], "not there yet"),
            (vec![("SCHEDULER", "static")], "JWT_SECRET"),
            (
                vec![("SCHEDULER", "static"), ("JWT_SECRET", LONG)],
                "list of session servers",
            ),
            (
                vec![("SCHEDULER", "hathora"), ("JWT_SECRET", LONG)],
                "HATHORA_APP_ID",
            ),
            (vec![("LOGIN_MODE", "ldap")], "open"),
            (vec![("SESSION_DUPLICATES", "both")], "replace"),
            (vec![("MAX_ROOMS_PER_INSTANCE", "many")], "number"),
            (vec![("PUBLIC_HOST", "ws://a")], "without ws://"),
            (vec![("SESSION_SERVER_HOST", "a:8000,b:x")], "without ws://"),
            (vec![("PORT", "http")], "PORT"),
            (vec![("ROLE", "worker")], "ROLE"),
        ] {
            let said = adopted(&login, &vars).unwrap_err();
            assert!(said.contains(words), "{vars:?}: {said}");
        }
    }

    #[test]
    fn the_main_listener_takes_the_port_only_when_nothing_else_could() {
        let port = [("PORT", "3456")];
        assert_eq!(adopted(&[], &port).unwrap().listen.port(), 8010);
        let one = adopted(&["--speak", "login@0"], &port).unwrap();
        assert_eq!(one.listen.port(), 3456);
        // Whichever system it is, and whatever other ports that has.
        for listener in ["nexus@5000", "peershare@3000,3001"] {
            let main = adopted(&["--speak", listener], &port).unwrap().listen;
            assert_eq!(main.port(), 3456, "{listener}");
        }
        // One that its own listener has anyway.
        let same = adopted(&["--speak", "nexus@3456,chat@9001"], &port).unwrap();
        assert_eq!(same.listen.port(), 8010);
        let all = [("ROLE", "all"), port[0], ("JWT_SECRET", LONG)];
        let all = adopted(&[], &all).unwrap();
        assert_eq!(all.listen.port(), 3456);
        assert!(all.sessions.jwt_secret.is_some());
        for flags in [
            vec!["--speak", "login@0", "--speak", "session@0"],
            vec!["--speak", "login@0", "--listen", "127.0.0.1:0"],
            vec!["--speak", "nexus@0,chat@0"],
            vec!["--speak", "nexus@0", "--listen", "127.0.0.1:0"],
        ] {
            let said = adopted(&flags, &port).unwrap_err();
            assert!(said.contains("PORT") && said.contains("--listen"), "{said}");
        }
    }

    #[test]
    fn the_scheduler_follows_from_what_is_given() {
        let hathora = [
            "--hathora-app-id",
            "app",
            "--hathora-token",
            "t",
            "--jwt-secret",
            LONG,
        ];
        let config = settings(&hathora).sessions;
        assert_eq!(config.scheduler(), SchedulerKind::Hathora);
        assert_eq!(config.max_rooms_per_instance(), 10);
        assert!(!format!("{config:?}").contains("\"t\""));
        let both = [&hathora[..], &["--session-server-host", "a:1, b:2"]].concat();
        let config = settings(&both).sessions;
        assert_eq!(config.scheduler(), SchedulerKind::Static);
        assert_eq!(config.session_server_host, ["a:1", "b:2"]);
        assert_eq!(config.max_rooms_per_instance(), usize::MAX);
        assert_eq!(settings(&[]).sessions.scheduler(), SchedulerKind::Local);
    }

    #[test]
    fn hosts_are_names_or_addresses_with_ports_and_paths() {
        for good in [
            "localhost:8000",
            "a.example",
            "b_c:1/x/y",
            "[::1]:8000",
            "[::1]",
            "10.0.0.1:80",
        ] {
            assert_eq!(host(good), Ok(good.to_owned()));
        }
        for bad in [
            "", "/x", ":8000", "a:", "a:b", "a:99999", "a:1:2", "::1", "[::1", "[x]:1", "a b",
            "wss://a", "ü:1", "a//b", "*:80", "u@a",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn short_secrets_are_warned_of() {
        let warnings = |secret: &str| settings(&["--jwt-secret", secret]).sessions.warnings();
        assert!(warnings(LONG).is_empty());
        let said = warnings(&LONG[..16]);
        assert!(
            said.len() == 1 && said[0].contains("JWT_SECRET") && !said[0].contains(&LONG[..16])
        );
    }
}
