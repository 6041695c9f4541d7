//! What a person reads when the server starts: where it is, who may do what, what it found.

use crate::access::{Machine, Policy};
use crate::config::{Access, Config, Players, Secret};
use crate::store::Store;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// The text, for standard error. `further`: other listeners by name. `own_password` is the one that the server has made, to be shown.
pub fn banner(
    config: &Config,
    policy: &Policy,
    own_password: Option<&Secret>,
    addr: SocketAddr,
    further: &[(&str, SocketAddr)],
    store: &Store,
) -> String {
    let mut text = format!("\nTablekeep {}\n", env!("CARGO_PKG_VERSION"));
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<16}{value}");
    };
    let network = network_urls(policy.machine(), addr);
    if let Some(local) = local_url(addr) {
        line("on this machine", local);
    }
    match network.split_first() {
        Some((first, others)) => {
            line("on the network", first.clone());
            for other in others {
                line("or", other.clone());
            }
        }
        None if addr.ip().is_loopback() => {
            line(
                "on the network",
                "not reachable (it listens on this machine only)".into(),
            );
        }
        None => line("on the network", "no network found".into()),
    }
    for (name, addr) in further {
        let url = match network_urls(policy.machine(), *addr).into_iter().next() {
            Some(url) => url,
            None => format!("http://localhost:{}", addr.port()),
        };
        line(name, url);
    }
    line("data folder", store.root().display().to_string());
    line("access", access(config));
    if let Some(password) = own_password {
        line("GM password", password.expose().to_owned());
    }
    line("found", found(store));
    if config.qr
        && let Some(code) = network.first().and_then(|url| qr(url))
    {
        text.push('\n');
        text.push_str(&code);
        let _ = writeln!(text, "  {}", network[0]);
    }
    text
}

fn local_url(addr: SocketAddr) -> Option<String> {
    let ip = addr.ip();
    (ip.is_unspecified() || ip.is_loopback()).then(|| format!("http://localhost:{}", addr.port()))
}

/// Where other devices find the server, the likeliest first.
fn network_urls(machine: &Machine, addr: SocketAddr) -> Vec<String> {
    let addresses = match addr.ip() {
        ip if ip.is_unspecified() => machine.network_addresses(),
        ip if ip.is_loopback() => Vec::new(),
        ip => vec![ip],
    };
    addresses
        .into_iter()
        .map(|ip| url(ip, addr.port()))
        .collect()
}

fn url(ip: IpAddr, port: u16) -> String {
    format!("http://{}", SocketAddr::new(ip, port))
}

fn access(config: &Config) -> String {
    if config.access == Access::Open {
        return "OPEN: everybody who can reach this server can change and delete everything".into();
    }
    let mut ways = Vec::new();
    if config.loopback_gm() {
        ways.push("opens it on this machine");
    }
    if !config.gm_from.is_empty() {
        ways.push("comes from --gm-from");
    }
    if config.gm_password.is_some() || ways.is_empty() {
        ways.push("signs in with the password");
    }
    let others = match config.players {
        Players::Open => "others watch",
        Players::Code => "others join with the table's code",
    };
    format!("the GM is whoever {}; {others}", ways.join(" or "))
}

fn found(store: &Store) -> String {
    let mut skipped = 0;
    let counts: Vec<_> = store
        .shelves()
        .iter()
        .map(|shelf| {
            let index = shelf.index();
            skipped += index.skipped().len();
            let noun = shelf.kind().dir;
            match index.count() {
                1 => format!("1 {}", noun.trim_end_matches('s')),
                n => format!("{n} {noun}"),
            }
        })
        .collect();
    match skipped {
        0 => counts.join(", "),
        n => format!("{} ({n} left out, see the log)", counts.join(", ")),
    }
}

/// The address as a code for phones, indented, in half blocks.
fn qr(url: &str) -> Option<String> {
    let code = QrCode::new(url).ok()?;
    let picture = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    let mut text = String::new();
    for row in picture.lines() {
        let _ = writeln!(text, "  {row}");
    }
    Some(text)
}
