//! Every setting: one struct from the command line and the environment.

mod accounts;
mod chat;
mod ice;
mod mdns;
mod nexus;
mod peerjs;
mod peershare;
mod sessions;
mod speak;

pub use accounts::AccountLimits;
pub use chat::ChatLimits;
pub use ice::Ice;
pub use mdns::Mdns;
pub use nexus::Nexus;
pub use peerjs::PeerJs;
pub use peershare::{Environment, MayCreate, PeerShare};
pub use sessions::{Duplicates, LoginMode, SchedulerKind, ServerRole, SessionLimits, Sessions};
pub use speak::{ClientBuild, Speak, SpeakList, Speaker};

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use ipnet::IpNet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What is logged when nobody says otherwise.
const LOG: &str = "info,actix_server=warn";
/// Where the server listens when nobody says otherwise.
const LISTEN: &str = "0.0.0.0:8010";

/// Keeps a game table: maps, scenes and sounds on your own disk, every screen in step.
///
/// Started without any flag it serves the current folder when that has maps/, scenes/ and sounds/,
/// else your own data folder, on port 8010. Every flag also exists as an environment variable.
#[derive(Clone, Debug, Parser)]
#[command(name = "tablekeep", version, max_term_width = 100)]
pub struct Config {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(
        long,
        env = "TABLEKEEP_LISTEN",
        default_value = LISTEN,
        value_name = "ADDR:PORT",
        value_parser = address
    )]
    pub listen: SocketAddr,

    /// Folder with maps/, scenes/ and sounds/ (made when missing)
    ///
    /// Default: the current folder when it has those three, else the user's data folder for
    /// applications, filled with a demo table at the first start.
    #[arg(long, env = "TABLEKEEP_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Who may change things: the GM only, or everybody on the network
    #[arg(long, env = "TABLEKEEP_ACCESS", value_enum, default_value_t = Access::Closed)]
    pub access: Access,

    /// Password with which the GM signs in from any device (POST /signin)
    ///
    /// Better given as the environment variable: other users of this machine can see a command
    /// line. When nobody could be GM and there is none, the server makes one and shows it at start.
    #[arg(long, env = "TABLEKEEP_GM_PASSWORD", value_name = "PASSWORD", hide_env_values = true, value_parser = password)]
    pub gm_password: Option<Secret>,

    /// Whether players see the table at once, or only after joining with its code
    #[arg(long, env = "TABLEKEEP_PLAYERS", value_enum, default_value_t = Players::Open)]
    pub players: Players,

    /// Let this network (CIDR) or address be GM too; repeatable, or separated by commas
    #[arg(long, env = "TABLEKEEP_GM_FROM", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub gm_from: Vec<IpNet>,

    /// Whether browsers on this machine are GM
    ///
    /// Default: true, but false in a container (unless started by cargo). Set it to false behind a
    /// proxy or a tunnel, because its visitors look like this machine.
    #[arg(long, env = "TABLEKEEP_LOOPBACK_GM", value_name = "BOOL")]
    pub loopback_gm: Option<bool>,

    /// Web pages from this origin (http://host:port) may use the server; repeatable
    #[arg(long, env = "TABLEKEEP_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub allow_origin: Vec<String>,

    /// A further name of this server, as browsers send it in Host; repeatable
    #[arg(
        long,
        env = "TABLEKEEP_ALLOW_HOST",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = host_name
    )]
    pub allow_host: Vec<String>,

    /// Open a further port for the clients of another system; repeatable, or separated by commas
    ///
    /// Known are nexus (rooms, 5000 by default there), nexus-assets (its library of pictures, 8080
    /// by default there: everybody who can reach that port sees all maps), chat (9001), login
    /// (8080), session (8000), peerjs (the broker, 9000), peershare (groups for calls as its first
    /// version has them; peershare@3000,3001 has the sockets on the second port as there) and
    /// peershare-new (the newest version, 3000). Without a port, the last two take those of their own
    /// server's variables `PORT` and `WS_PORT`, else 3000 and 3001.
    #[arg(long, env = "TABLEKEEP_SPEAK", value_name = "DIALECT@PORT", value_parser = speak::speak)]
    pub speak: Vec<SpeakList>,

    /// Serve a client's own build (a folder with index.html) on that system's port; repeatable
    #[arg(long, env = "TABLEKEEP_CLIENT", value_name = "DIALECT=DIR", value_delimiter = ',', value_parser = speak::client)]
    pub client: Vec<ClientBuild>,

    /// Whether SpellTable's sender gets its own scene back
    #[arg(long, env = "TABLEKEEP_SPELLTABLE_ECHO", value_enum, default_value_t = Echo::Auto)]
    pub spelltable_echo: Echo,

    /// Compress what is sent over WebSockets to clients that offer it (permessage-deflate)
    #[arg(long, env = "TABLEKEEP_DEFLATE", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub deflate: bool,

    /// Threads that serve connections (default: one per core, at most 8)
    #[arg(long, env = "TABLEKEEP_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), hide_short_help = true)]
    pub workers: Option<u16>,

    /// Let everybody read GET /metrics and GET /readyz, not only the GM
    #[arg(long, env = "TABLEKEEP_METRICS_OPEN", hide_short_help = true)]
    pub metrics_open: bool,

    /// How it is found by name.
    #[command(flatten)]
    pub mdns: Mdns,

    /// Print a QR code of the network address at start
    #[arg(long, env = "TABLEKEEP_QR", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub qr: bool,

    /// What to log, such as `info` or `tablekeep=debug`
    #[arg(
        long,
        env = "TABLEKEEP_LOG",
        value_name = "FILTER",
        default_value = LOG
    )]
    pub log: String,

    /// Limits, all of them told to clients by GET /limits.
    #[command(flatten)]
    pub limits: Limits,

    /// What Nexus clients are held to.
    #[command(flatten)]
    pub nexus: Nexus,

    /// Login, rooms and session servers.
    #[command(flatten)]
    pub sessions: Sessions,
    /// What PeerJS clients are held to.
    #[command(flatten)]
    pub peerjs: PeerJs,

    /// What PeerShare's clients are held to.
    #[command(flatten)]
    pub peershare: PeerShare,

    /// How browsers reach each other.
    #[command(flatten)]
    pub ice: Ice,
}

/// Everything that is bounded.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Largest map or scene image
    #[arg(long, env = "TABLEKEEP_MAX_IMAGE", value_name = "SIZE", default_value = "256M", value_parser = size)]
    pub max_image: u64,
    /// Largest sound
    #[arg(long, env = "TABLEKEEP_MAX_SOUND", value_name = "SIZE", default_value = "512M", value_parser = size)]
    pub max_sound: u64,
    /// Largest scene, over REST
    #[arg(long, env = "TABLEKEEP_MAX_SCENE", value_name = "SIZE", default_value = "16M", value_parser = size)]
    pub max_scene: u64,
    /// Largest WebSocket message
    #[arg(long, env = "TABLEKEEP_MAX_FRAME", value_name = "SIZE", default_value = "16M", value_parser = size)]
    pub max_frame: u64,
    /// Connections at the same time, per thread
    #[arg(
        long,
        env = "TABLEKEEP_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 25_000,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..)
    )]
    pub max_connections: usize,
    /// Tables that may exist at the same time
    #[arg(
        long,
        env = "TABLEKEEP_MAX_TABLES",
        value_name = "N",
        default_value_t = 200,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub max_tables: u16,
    /// Messages a second that a player or display may send, four seconds' worth at once
    #[arg(
        long,
        env = "TABLEKEEP_MAX_MESSAGES",
        value_name = "N",
        default_value_t = 120,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub max_messages: u32,
    /// Uploads at the same time; further ones wait
    #[arg(
        long,
        env = "TABLEKEEP_MAX_UPLOADS",
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub max_uploads: u16,
    /// Memory for files that are served again and again
    #[arg(long, env = "TABLEKEEP_FILE_CACHE", value_name = "SIZE", default_value = "64M", value_parser = size)]
    pub file_cache: u64,
    /// Disk for small pictures of maps, below .tablekeep/thumbs
    #[arg(long, env = "TABLEKEEP_THUMB_CACHE", value_name = "SIZE", default_value = "256M", value_parser = size)]
    pub thumb_cache: u64,
    /// Pixels of the largest map of which a small picture is made; that takes up to 8 bytes each
    #[arg(
        long,
        env = "TABLEKEEP_THUMB_PIXELS",
        value_name = "N",
        default_value_t = 40_000_000,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000_000)
    )]
    pub thumb_pixels: u64,
    /// Days that deleted folders stay below .tablekeep/trash
    #[arg(
        long,
        env = "TABLEKEEP_TRASH_DAYS",
        value_name = "DAYS",
        default_value_t = 30
    )]
    pub trash_days: u32,
    /// Those of the accounts.
    #[command(flatten)]
    pub accounts: AccountLimits,
    /// Those of the chat rooms.
    #[command(flatten)]
    pub chat: ChatLimits,
    /// Those of session rooms and logins.
    #[command(flatten)]
    pub sessions: SessionLimits,
}

/// Who may change things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Access {
    /// Only the GM
    Closed,
    /// Everybody who can reach the server (as SpellTable does)
    Open,
}

/// How players come to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Players {
    /// Whoever can reach the server sees the table "main"; other tables need their code
    Open,
    /// Every table needs its code
    Code,
}

/// A text that is never shown: its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, to compare or to hash; not for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Whether a scene goes back to the SpellTable page that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Echo {
    /// To old frontends yes, to new ones no
    Auto,
    /// To all
    Always,
    /// To none
    Never,
}

impl Config {
    /// The effective `--loopback-gm`.
    pub fn loopback_gm(&self) -> bool {
        self.loopback_gm.unwrap_or_else(|| !in_container())
    }

    /// Whether anybody can be GM without a password.
    pub fn has_gm(&self) -> bool {
        self.access == Access::Open || self.loopback_gm() || !self.gm_from.is_empty()
    }

    /// The listeners of `--speak`, in order.
    pub fn speakers(&self) -> impl Iterator<Item = Speak> {
        self.speak.iter().flat_map(|list| list.0.iter().copied())
    }

    /// Takes over the environment variables of those systems whose listeners are open. `var` looks
    /// one up. Errors: a sentence about a value that makes no sense.
    pub fn adopt(&mut self, var: impl Fn(&str) -> Option<String>) -> Result<(), String> {
        if self.speakers().any(|speak| speak.speaker.is_peershare()) {
            self.peershare.adopt(&var)?;
            peershare::adopt_ports(&mut self.speak, &var)?;
            let level = var("LOG_LEVEL").filter(|level| !level.trim().is_empty());
            if let (LOG, Some(level)) = (self.log.as_str(), level) {
                self.log = peershare::log_filter(&level)?.into();
            }
        }
        let speaks = self
            .speakers()
            .any(|speak| matches!(speak.speaker, Speaker::Login | Speaker::Session));
        self.sessions.adopt_role(var("ROLE"))?;
        if speaks || self.sessions.role.is_some() {
            self.sessions.adopt(&var)?;
        }
        self.adopt_port(var("PORT"))
    }

    /// `PORT` is the main listener's, where nothing else could be meant: of a process that is one server
    /// alone, or beside a single `--speak`. Where no other system is spoken it is somebody else's.
    fn adopt_port(&mut self, port: Option<String>) -> Result<(), String> {
        let role = self.sessions.role();
        let asked = self.speakers();
        // Its second port is not asked for by itself.
        let asked = asked.filter(|speak| speak.speaker != Speaker::PeerShareSocket);
        let asked: Vec<_> = asked.collect();
        let is_elsewhere = asked.is_empty() && self.sessions.role.is_none();
        // Such a listener has taken it.
        if is_elsewhere || asked.iter().any(|speak| speak.by_default) {
            return Ok(());
        }
        let port = port.filter(|text| !text.trim().is_empty());
        let port = port.map(|text| text.trim().parse::<u16>());
        let port = port
            .transpose()
            .map_err(|_| "PORT cannot be used: expected a number")?;
        let is_default = LISTEN.parse() == Ok(self.listen);
        let chosen = match (role, port) {
            (ServerRole::All, None) => return Ok(()),
            // It names a port that is open for that system anyway.
            (ServerRole::All, Some(port)) if asked.iter().any(|speak| speak.port == port) => {
                return Ok(());
            }
            (ServerRole::All, Some(port)) if is_default && asked.len() <= 1 => port,
            (ServerRole::All, Some(_)) => {
                return Err("PORT could be that of several listeners here; use --listen ADDR:PORT and --speak DIALECT@PORT instead, and unset PORT".into());
            }
            _ if !is_default => return Ok(()),
            (ServerRole::Backend, port) => port.unwrap_or(8080),
            (ServerRole::Session, port) => port.unwrap_or(8000),
        };
        self.listen.set_port(chosen);
        Ok(())
    }

    /// The effective `--workers`.
    pub fn workers(&self) -> usize {
        self.workers.map_or_else(
            || {
                std::thread::available_parallelism()
                    .map_or(1, usize::from)
                    .min(8)
            },
            usize::from,
        )
    }
}

/// Whether this runs in a container, where every visitor may seem to come from this machine.
///
/// Started by cargo it is somebody's working copy, in a development container or not, and that
/// somebody sits in front of it.
fn in_container() -> bool {
    let marked = ["/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|mark| std::path::Path::new(mark).exists())
        || ["KUBERNETES_SERVICE_HOST", "container"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
    marked && std::env::var_os("CARGO_MANIFEST_DIR").is_none()
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an address and a port: 0.0.0.0:8010 for all networks, 127.0.0.1:8010 for this machine alone, [::]:8010 for all with IPv6".into()
    })
}

/// A name as it stands in `Host` without the port, which does not count there. Browsers send names that
/// are not ASCII in Punycode.
fn host_name(text: &str) -> Result<String, String> {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || !c.is_ascii();
    let text = text.trim();
    let url = text
        .chars()
        .all(plain)
        .then(|| reqwest::Url::parse(&format!("http://{text}")));
    let name = match &url {
        // A number is taken for an address there.
        Some(Ok(url)) if url.domain().is_some() || text.parse::<Ipv4Addr>().is_ok() => {
            url.host_str().unwrap_or_default().trim_end_matches('.')
        }
        _ => "",
    };
    match name.is_empty() {
        true => Err("expected a name such as table.example, without http://, port and path".into()),
        false => Ok(name.to_owned()),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "expected a network such as 192.168.1.0/24, or an address".into())
}

fn password(text: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("expected a password; leave the setting out to have none".into());
    }
    Ok(Secret::new(text.to_owned()))
}

fn origin(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@', '*']) => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err("expected an origin such as https://table.example:3000, without a path".into()),
    }
}

/// Bytes, or with K, M or G behind for powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.trim_end_matches(['B', 'b']).char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit))
        .filter(|n| *n > 0)
        .ok_or_else(|| "expected a size such as 512K, 64M or 2G".into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds.into())),
        _ => Err("expected a number of seconds, at least 1".into()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The settings with these flags.
    pub fn settings(flags: &[&str]) -> Config {
        Config::parse_from([&["tablekeep"], flags].concat())
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("16M"), Ok(16 << 20));
        assert_eq!(size("5kB"), Ok(5 << 10));
        assert_eq!(size("123"), Ok(123));
        for bad in ["", "M", "-1", "1T", "99999999999G", "0"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_have_no_path() {
        assert!(origin("http://a.example:3000").is_ok());
        for bad in ["a.example", "http://", "http://a/", "*", "ftp://a"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_the_server_are_as_browsers_send_them() {
        assert_eq!(host_name("Table.Example."), Ok("table.example".into()));
        assert_eq!(host_name(" my_nas "), Ok("my_nas".into()));
        assert_eq!(
            host_name("bücher.example"),
            Ok("xn--bcher-kva.example".into())
        );
        for bad in [
            "",
            ".",
            "a.example:8080",
            "http://a.example",
            "a.example/",
            "*",
            "*.example",
            "a b",
            "a@b",
            "a.example?x",
            "[::1]",
        ] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let config = Config::parse_from(["t", "--gm-password", "opensesame"]);
        let shown = format!("{config:?}");
        assert!(
            shown.contains("***") && !shown.contains("opensesame"),
            "{shown}"
        );
        assert_eq!(config.gm_password.unwrap().expose(), "opensesame");
        assert!(Config::try_parse_from(["t", "--gm-password", ""]).is_err());
    }

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Config::command().debug_assert();
    }
}
