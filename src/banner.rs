//! What a person reads when the server starts: where it is, who may do what, what it found.

use crate::access::Policy;
use crate::config::{Access, Config, Players, Secret};
use crate::store::Store;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use std::fmt::Write;
use std::net::SocketAddr;

/// What only the running server knows.
pub struct Facts<'a> {
    /// The password that the server has made, to be shown.
    pub own_password: Option<&'a Secret>,
    /// What players need to join, when they do.
    pub code: Option<String>,
    /// Where the main listener is.
    pub addr: SocketAddr,
    /// Other listeners by name.
    pub further: &'a [(&'a str, SocketAddr)],
    /// Whether it is shown in a window, which has colours, and not written to a file.
    pub is_terminal: bool,
}

/// The text, for standard error.
pub fn banner(config: &Config, policy: &Policy, facts: &Facts<'_>, store: &Store) -> String {
    let addr = facts.addr;
    let mut text = format!("\nTablekeep {}\n", env!("CARGO_PKG_VERSION"));
    let mut lines = Vec::new();
    let mut line = |name, value: String| lines.push((name, value));
    let network = policy.machine().ways(addr);
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
    for (name, addr) in facts.further {
        let url = match policy.machine().ways(*addr).into_iter().next() {
            Some(url) => url,
            None => format!("http://localhost:{}", addr.port()),
        };
        line(name, url);
    }
    line("data folder", store.root().display().to_string());
    line("access", access(config));
    if let Some(password) = facts.own_password {
        line("GM password", password.expose().to_owned());
    }
    if let Some(code) = &facts.code {
        line("table code", code.clone());
    }
    line("found", found(store));
    let width = lines.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or_default() + 2;
    for (name, value) in lines {
        let _ = writeln!(text, "  {name:<width$}{value}");
    }
    if let Some(first) = network.first().filter(|_| config.qr) {
        // In the fragment, which no browser sends.
        let code = facts.code.as_ref().map(|code| format!("#{code}"));
        let join = format!("{first}/join{}", code.unwrap_or_default());
        if let Some(picture) = qr(&join, facts.is_terminal) {
            let _ = writeln!(text, "\n{picture}  Phones join at {first}/join");
        }
    }
    text
}

fn local_url(addr: SocketAddr) -> Option<String> {
    let ip = addr.ip();
    (ip.is_unspecified() || ip.is_loopback()).then(|| format!("http://localhost:{}", addr.port()))
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

/// The address as a code for phones, indented, in half blocks. In a window its colours are said, as
/// not every phone reads light on dark; elsewhere it is meant for light letters.
fn qr(url: &str, is_terminal: bool) -> Option<String> {
    let code = QrCode::new(url).ok()?;
    let picture = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    let (begin, end) = match is_terminal && cfg!(unix) {
        true => ("\x1b[97;40m", "\x1b[0m"),
        false => ("", ""),
    };
    let mut text = String::new();
    for row in picture.lines() {
        let _ = writeln!(text, "  {begin}{row}{end}");
    }
    Some(text)
}
