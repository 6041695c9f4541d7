//! The settings of the PeerShare dialect.

use super::speak::{SpeakList, Speaker};
use super::{LOG, size};
use clap::ValueEnum;
use std::num::NonZeroU32;
use std::time::Duration;

/// What PeerShare's groups and their clients are held to.
// Each has an id of its own because those of all settings share one space.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "PeerShare")]
pub struct PeerShare {
    /// Who may create groups for calls: anyone, or the GM only
    #[arg(id = "peershare-create", long = "peershare-create", env = "TABLEKEEP_PEERSHARE_CREATE", value_enum, default_value_t = MayCreate::Anyone)]
    pub create: MayCreate,
    /// Whether the newest version's clients make a group by joining one that is not there
    #[arg(id = "peershare-auto-create", long = "peershare-auto-create", env = "TABLEKEEP_PEERSHARE_AUTO_CREATE", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, hide_short_help = true)]
    pub auto_create: bool,
    /// Whether the pages of --client peershare=DIR use the broker of this server
    ///
    /// A build of PeerShare's client asks the public one at 0.peerjs.com otherwise. Its page gets a
    /// small script for that, its other files stay as they are.
    #[arg(id = "peershare-cloud-redirect", long = "peershare-cloud-redirect", env = "TABLEKEEP_PEERSHARE_CLOUD_REDIRECT", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, hide_short_help = true)]
    pub cloud_redirect: bool,
    /// Groups at the same time
    #[arg(
        id = "peershare-groups",
        long = "peershare-groups",
        env = "TABLEKEEP_PEERSHARE_GROUPS",
        value_name = "N",
        default_value_t = 10_000,
        hide_short_help = true
    )]
    pub groups: usize,
    /// Groups at the same time that one address has created
    #[arg(
        id = "peershare-groups-per-address",
        long = "peershare-groups-per-address",
        env = "TABLEKEEP_PEERSHARE_GROUPS_PER_ADDRESS",
        value_name = "N",
        default_value_t = 500,
        hide_short_help = true
    )]
    pub groups_per_address: usize,
    /// Groups per minute that one address may create, as many at once
    #[arg(
        id = "peershare-create-rate",
        long = "peershare-create-rate",
        env = "TABLEKEEP_PEERSHARE_CREATE_RATE",
        value_name = "N",
        default_value = "120",
        hide_short_help = true
    )]
    pub creates_per_minute: NonZeroU32,
    /// Members of one group
    #[arg(id = "peershare-members", long = "peershare-members", env = "TABLEKEEP_PEERSHARE_MEMBERS", value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..), hide_short_help = true)]
    pub members: u16,
    /// Connections at the same time from one address
    #[arg(
        id = "peershare-sockets-per-address",
        long = "peershare-sockets-per-address",
        env = "TABLEKEEP_PEERSHARE_SOCKETS_PER_ADDRESS",
        value_name = "N",
        default_value_t = 2_000,
        hide_short_help = true
    )]
    pub sockets_per_address: usize,
    /// Connections a minute from one address, once it has made as many as it may have at the same time
    #[arg(
        id = "peershare-max-connects",
        long = "peershare-max-connects",
        env = "TABLEKEEP_PEERSHARE_MAX_CONNECTS",
        value_name = "N",
        default_value = "300",
        hide_short_help = true
    )]
    pub max_connects: NonZeroU32,
    /// Largest message
    #[arg(id = "peershare-max-message", long = "peershare-max-message", env = "TABLEKEEP_PEERSHARE_MAX_MESSAGE", value_name = "SIZE", default_value = "64K", value_parser = size, hide_short_help = true)]
    pub max_message: u64,
    /// Messages per second of one connection
    #[arg(
        id = "peershare-msg-rate",
        long = "peershare-msg-rate",
        env = "TABLEKEEP_PEERSHARE_MSG_RATE",
        value_name = "N",
        default_value = "10",
        hide_short_help = true
    )]
    pub messages_per_second: NonZeroU32,
    /// Messages that may follow each other at once
    #[arg(
        id = "peershare-msg-burst",
        long = "peershare-msg-burst",
        env = "TABLEKEEP_PEERSHARE_MSG_BURST",
        value_name = "N",
        default_value = "40",
        hide_short_help = true
    )]
    pub message_burst: NonZeroU32,
    /// How often connections are pinged, in milliseconds; one that has not answered is dropped
    ///
    /// Connections are looked at once a second. Where a PeerShare port is open, its own variable
    /// `WS_HEARTBEAT_INTERVAL` counts as well.
    #[arg(id = "peershare-heartbeat", long = "peershare-heartbeat", env = "TABLEKEEP_PEERSHARE_HEARTBEAT", value_name = "MS", default_value = "30000", value_parser = milliseconds, hide_short_help = true)]
    pub heartbeat: Duration,
    /// Seconds that a connection in no group is kept
    #[arg(id = "peershare-idle", long = "peershare-idle", env = "TABLEKEEP_PEERSHARE_IDLE", value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub idle: u32,
    /// Pages of these origins may use PeerShare's ports (its variable `ALLOWED_ORIGINS`).
    #[arg(skip)]
    pub allowed_origins: Vec<String>,
    /// What its cards say it runs as (its variable `NODE_ENV`).
    #[arg(skip)]
    pub environment: Environment,
}

/// Who may create groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MayCreate {
    /// Whoever can reach the server
    Anyone,
    /// Only the GM
    Gm,
}

/// What PeerShare's server is told to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Environment {
    /// The default there.
    #[default]
    Development,
    /// For others than its makers.
    Production,
    /// For its tests.
    Test,
}

impl Environment {
    /// As its variable has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
            Self::Test => "test",
        }
    }
}

impl PeerShare {
    /// Takes over what PeerShare's own server reads from the environment.
    pub(super) fn adopt(&mut self, var: impl Fn(&str) -> Option<String>) -> Result<(), String> {
        if let Some(text) = var("WS_HEARTBEAT_INTERVAL") {
            self.heartbeat =
                milliseconds(&text).map_err(|why| format!("WS_HEARTBEAT_INTERVAL: {why}"))?;
        }
        if let Some(text) = var("NODE_ENV") {
            let known = [
                Environment::Development,
                Environment::Production,
                Environment::Test,
            ];
            let found = known.into_iter().find(|known| known.name() == text);
            self.environment = found.ok_or("NODE_ENV: expected development, production or test")?;
        }
        if let Some(text) = var("ALLOWED_ORIGINS") {
            let listed = text.split(',').map(str::trim).filter(|one| !one.is_empty());
            let origins = listed.map(super::origin).collect::<Result<_, _>>();
            self.allowed_origins = origins.map_err(|why| format!("ALLOWED_ORIGINS: {why}"))?;
        }
        Ok(())
    }
}

/// The ports of its own server, for listeners that were given none.
pub(super) fn adopt_ports(
    lists: &mut [SpeakList],
    var: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    let open = lists.iter_mut().flat_map(|list| &mut list.0);
    for speak in open.filter(|speak| speak.by_default) {
        let name = match speak.speaker {
            Speaker::PeerShareSocket => "WS_PORT",
            _ => "PORT",
        };
        if let Some(text) = var(name).filter(|text| !text.trim().is_empty()) {
            let port = text.trim().parse();
            speak.port = port.map_err(|_| format!("{name}: expected the number of a port"))?;
        }
    }
    Ok(())
}

/// What its `LOG_LEVEL` is here.
pub(super) fn log_filter(level: &str) -> Result<&'static str, String> {
    match level.trim() {
        "error" => Ok("error"),
        "warn" => Ok("warn"),
        "info" => Ok(LOG),
        "debug" => Ok("info,actix_server=warn,tablekeep=debug"),
        _ => Err("LOG_LEVEL: expected error, warn, info or debug".into()),
    }
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(ms @ 1..) => Ok(Duration::from_millis(ms.into())),
        _ => Err("expected a number of milliseconds, at least 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::settings;

    fn adopted(flags: &[&str], vars: &[(&str, &str)]) -> Result<PeerShare, String> {
        let mut config = settings(flags);
        let var = |name: &str| {
            let found = vars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        config.adopt(var).map(|()| config.peershare)
    }

    #[test]
    fn its_own_variables_count_where_its_port_is_open() {
        let vars = [
            ("WS_HEARTBEAT_INTERVAL", "5000"),
            ("NODE_ENV", "production"),
            ("ALLOWED_ORIGINS", " https://a.example, http://b:5173 ,,"),
        ];
        for name in ["peershare@0", "peershare@0,0", "peershare-new@0"] {
            let found = adopted(&["--speak", name], &vars).unwrap();
            assert_eq!(found.heartbeat, Duration::from_secs(5));
            assert_eq!(found.environment, Environment::Production);
            assert_eq!(
                found.allowed_origins,
                ["https://a.example", "http://b:5173"]
            );
        }
        let elsewhere = adopted(&["--speak", "nexus@0"], &vars).unwrap();
        assert_eq!(elsewhere.heartbeat, Duration::from_secs(30));
        assert!(elsewhere.allowed_origins.is_empty());
    }

    #[test]
    fn ports_and_the_log_follow_its_variables_where_nothing_else_is_said() {
        let ports = |flags: &[&str], vars: &[(&str, &str)]| {
            let mut config = settings(flags);
            let var = |name: &str| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            config.adopt(var).unwrap();
            let ports: Vec<_> = config.speakers().map(|speak| speak.port).collect();
            (ports, config.log, config.listen.port())
        };
        let vars = [
            ("PORT", "4000"),
            ("WS_PORT", "4001"),
            ("LOG_LEVEL", "debug"),
        ];
        let debug = "info,actix_server=warn,tablekeep=debug";
        let told = |listener: &str| ports(&["--speak", listener], &vars);
        let first = ports(&["--speak", "peershare"], &[]);
        assert_eq!(first, (vec![3000, 3001], LOG.to_owned(), 8010));
        assert_eq!(
            told("peershare"),
            (vec![4000, 4001], debug.to_owned(), 8010)
        );
        assert_eq!(told("peershare-new"), (vec![4000], debug.to_owned(), 8010));
        // What is said on the command line counts.
        assert_eq!(told("peershare-new@0").0, [0]);
        let said = ports(&["--speak", "peershare@1,2", "--log", "warn"], &vars);
        assert_eq!(said, (vec![1, 2], "warn".to_owned(), 4000));
        // Nothing is said by an empty one.
        let blank = ports(&["--speak", "peershare"], &[("LOG_LEVEL", " ")]);
        assert_eq!(blank, first);
        // Without such a port they are not PeerShare's.
        assert_eq!(told("nexus@5"), (vec![5], LOG.to_owned(), 4000));
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_name() {
        for (name, value) in [
            ("WS_HEARTBEAT_INTERVAL", "soon"),
            ("WS_HEARTBEAT_INTERVAL", "0"),
            ("NODE_ENV", "staging"),
            ("PORT", "http"),
            ("WS_PORT", "70000"),
            ("LOG_LEVEL", "trace"),
            ("ALLOWED_ORIGINS", "*"),
        ] {
            let why = adopted(&["--speak", "peershare"], &[(name, value)]).unwrap_err();
            assert!(why.starts_with(name), "{why}");
        }
    }
}
