//! The rules: what may be asked under which name, from which page, by whom.

use super::origin::{as_ip, authority, host_name};
use super::{Machine, Role};
use crate::config::{Access, Config};
use crate::error::{Error, Result};
use actix_http::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

/// Headers that proxies and tunnels add: whoever is behind one does not sit at this machine.
const FORWARDED: [HeaderName; 7] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-real-ip"),
    header::VIA,
];
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Both ends of a connection, kept with it when it is accepted.
#[derive(Clone, Copy, Debug)]
pub struct SocketAddrs {
    /// The other side.
    pub peer: SocketAddr,
    /// Our side.
    pub local: SocketAddr,
}

/// What is known of a request's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the sender may do.
    pub role: Role,
    /// Whether the request comes from a page that may use this server (or from no page at all).
    pub trusted: bool,
}

/// The access settings, ready to judge.
pub struct Policy {
    machine: Machine,
    open: bool,
    loopback_gm: bool,
    gm_from: Vec<IpNet>,
    allow_origin: Vec<String>,
}

impl Policy {
    /// From the settings.
    pub fn new(config: &Config) -> Self {
        Self {
            machine: Machine::new(&config.allow_host),
            open: config.access == Access::Open,
            loopback_gm: config.loopback_gm(),
            gm_from: config.gm_from.clone(),
            allow_origin: config.allow_origin.clone(),
        }
    }

    /// This machine.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Judges a request by its head and its socket.
    ///
    /// Errors: 421 when `Host` is none of our names; 403 when a page that may not use this server
    /// tries to change something or to open a socket.
    pub fn judge(&self, head: &RequestHead, addrs: SocketAddrs) -> Result<Verdict> {
        let host = host_of(head).ok_or_else(|| self.misdirected("(none)"))?;
        let host_ip = as_ip(host);
        if host_ip.is_none() && !self.machine.answers_to(host) {
            return Err(self.misdirected(host));
        }
        let trusted = self.is_trusted(head, host);
        let upgrade = head.headers.contains_key(header::UPGRADE);
        if !trusted && (upgrade || !is_safe(&head.method)) {
            let origin = text(&head.headers, header::ORIGIN).unwrap_or("another site");
            return Err(Error::Forbidden(format!(
                "pages of {origin} may not use this server; start it with --allow-origin {origin} to allow them"
            )));
        }
        let own_host = match host_ip {
            Some(ip) => self.machine.has_address(ip),
            None => self.machine.has_name(host),
        };
        let role = if trusted && self.is_gm(head, addrs, own_host) {
            Role::Gm
        } else {
            Role::Player
        };
        Ok(Verdict { role, trusted })
    }

    fn misdirected(&self, host: &str) -> Error {
        // The name comes from outside: shown short and without anything odd in it.
        let shown: String = host.chars().take(80).filter(|c| !c.is_control()).collect();
        Error::Misdirected(format!(
            "this server is not called '{shown}'; use its address, or start it with --allow-host {shown}"
        ))
    }

    /// Whether the page behind this request, if any, may use the server.
    fn is_trusted(&self, head: &RequestHead, host: &str) -> bool {
        let Some(origin) = head.headers.get(header::ORIGIN) else {
            let fetch = |name: HeaderName| text(&head.headers, name);
            let from_elsewhere = fetch(SEC_FETCH_SITE) == Some("cross-site");
            // Following a link from another site to a page of ours is fine.
            let opens_page = fetch(SEC_FETCH_MODE) == Some("navigate")
                && fetch(SEC_FETCH_DEST) == Some("document")
                && is_safe(&head.method);
            return !from_elsewhere || opens_page;
        };
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let Some(from) = authority(origin) else {
            return false;
        };
        let Some(name) = host_name(from) else {
            return false;
        };
        let same = host_header(head).is_some_and(|host| from.eq_ignore_ascii_case(host));
        same || self.is_loopback_name(name)
            || as_ip(name).is_some_and(|ip| self.machine.has_address(ip))
            || (self.machine.answers_to(name) && name.eq_ignore_ascii_case(host))
            || self
                .allow_origin
                .iter()
                .any(|o| o.eq_ignore_ascii_case(origin))
    }

    fn is_loopback_name(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        as_ip(&name).map_or(name == "localhost" || name.ends_with(".localhost"), |ip| {
            ip.is_loopback()
        })
    }

    fn is_gm(&self, head: &RequestHead, addrs: SocketAddrs, own_host: bool) -> bool {
        if self.open {
            return true;
        }
        if !own_host || FORWARDED.iter().any(|name| head.headers.contains_key(name)) {
            return false;
        }
        let peer = addrs.peer.ip().to_canonical();
        if peer.is_loopback() && !self.origin_is_loopback(head) {
            return false;
        }
        let here = peer == addrs.local.ip().to_canonical() || self.machine.has_address(peer);
        (self.loopback_gm && here) || self.gm_from.iter().any(|net| net.contains(&peer))
    }

    /// No Origin, or one on this machine's loopback.
    fn origin_is_loopback(&self, head: &RequestHead) -> bool {
        let Some(origin) = head.headers.get(header::ORIGIN) else {
            return true;
        };
        let name = origin.to_str().ok().and_then(authority).and_then(host_name);
        name.is_some_and(|name| self.is_loopback_name(name))
    }

    /// Whether anybody can be GM with these settings.
    pub fn has_gm(&self) -> bool {
        self.open || self.loopback_gm || !self.gm_from.is_empty()
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// `Host` as sent, or the authority of an absolute request target, which counts above it.
fn host_header(head: &RequestHead) -> Option<&str> {
    match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => text(&head.headers, header::HOST),
    }
}

fn host_of(head: &RequestHead) -> Option<&str> {
    host_header(head).and_then(host_name)
}

impl SocketAddrs {
    /// For a connection of unknown origin: from nowhere, so nobody's GM.
    pub fn unknown() -> Self {
        let nowhere = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), 0);
        let elsewhere = SocketAddr::new(IpAddr::from([192, 0, 2, 1]), 0);
        Self {
            peer: elsewhere,
            local: nowhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::header::HeaderValue;
    use clap::Parser;

    fn policy(flags: &[&str]) -> Policy {
        let flags = ["tablekeep", "--loopback-gm", "true"].iter().chain(flags);
        Policy::new(&Config::parse_from(flags))
    }

    fn head(method: Method, headers: &[(&'static str, &str)]) -> RequestHead {
        let mut head = RequestHead::default();
        head.method = method;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            head.headers.insert(HeaderName::from_static(name), value);
        }
        head
    }

    fn from(peer: &str, local: &str) -> SocketAddrs {
        SocketAddrs {
            peer: format!("{peer}:5000").parse().unwrap(),
            local: format!("{local}:8010").parse().unwrap(),
        }
    }

    fn role(policy: &Policy, headers: &[(&'static str, &str)], addrs: SocketAddrs) -> Role {
        policy
            .judge(&head(Method::GET, headers), addrs)
            .unwrap()
            .role
    }

    #[test]
    fn a_stranger_name_is_refused_whatever_is_asked() {
        let policy = policy(&["--allow-host", "table.example"]);
        let here = from("127.0.0.1", "127.0.0.1");
        for (host, fine) in [
            ("localhost:8010", true),
            ("127.0.0.1", true),
            ("192.168.7.7:8010", true),
            ("[::1]:8010", true),
            ("table.example", true),
            ("TABLE.example:1", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            let judged = policy.judge(&head(Method::GET, &[("host", host)]), here);
            assert_eq!(judged.is_ok(), fine, "{host}");
        }
    }

    #[test]
    fn the_gm_sits_at_this_machine() {
        let policy = policy(&[]);
        let here = from("127.0.0.1", "127.0.0.1");
        let localhost = ("host", "localhost:8010");
        assert_eq!(role(&policy, &[localhost], here), Role::Gm);
        assert_eq!(
            role(
                &policy,
                &[("host", "192.0.2.9")],
                from("192.168.1.9", "192.168.1.5")
            ),
            Role::Player
        );
        // This machine by its network address.
        assert_eq!(
            role(&policy, &[localhost], from("192.168.1.5", "192.168.1.5")),
            Role::Gm
        );
        let forwarded = [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-port",
            "x-real-ip",
            "via",
        ];
        for name in forwarded {
            assert_eq!(
                role(&policy, &[localhost, (name, "x")], here),
                Role::Player,
                "{name}"
            );
        }
        assert_eq!(
            role(
                &policy,
                &[localhost, ("origin", "http://localhost:3000")],
                here
            ),
            Role::Gm
        );
        assert_eq!(
            role(
                &policy,
                &[localhost, ("origin", "http://evil.example")],
                here
            ),
            Role::Player
        );
        assert_eq!(
            role(&policy, &[localhost, ("origin", "null")], here),
            Role::Player
        );
        // A name that leads here, but is an address of somebody else.
        assert_eq!(
            role(&policy, &[("host", "198.51.100.1")], here),
            Role::Player
        );
    }

    #[test]
    fn settings_widen_or_narrow_who_is_gm() {
        let here = from("127.0.0.1", "127.0.0.1");
        let far = from("192.168.1.9", "192.168.1.5");
        let localhost = [("host", "localhost")];
        assert_eq!(
            role(&policy(&["--access", "open"]), &localhost, far),
            Role::Gm
        );
        assert_eq!(
            role(&policy(&["--gm-from", "192.168.1.0/24"]), &localhost, far),
            Role::Gm
        );
        assert_eq!(
            role(&policy(&["--gm-from", "192.168.2.0/24"]), &localhost, far),
            Role::Player
        );
        let off = Policy::new(&Config::parse_from(["t", "--loopback-gm", "false"]));
        assert_eq!(role(&off, &localhost, here), Role::Player);
        assert!(!off.has_gm());
    }

    #[test]
    fn foreign_pages_change_nothing_even_in_open_mode() {
        let policy = policy(&["--access", "open", "--allow-origin", "https://ok.example"]);
        let here = from("127.0.0.1", "127.0.0.1");
        let host = ("host", "localhost");
        let judge =
            |method, headers: &[(&'static str, &str)]| policy.judge(&head(method, headers), here);
        assert!(judge(Method::POST, &[host, ("origin", "https://evil.example")]).is_err());
        assert!(judge(Method::POST, &[host, ("origin", "https://ok.example")]).is_ok());
        assert!(
            judge(
                Method::GET,
                &[host, ("origin", "null"), ("upgrade", "websocket")]
            )
            .is_err()
        );
        assert!(judge(Method::POST, &[host, ("sec-fetch-site", "cross-site")]).is_err());
        let link = [
            host,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert!(judge(Method::GET, &link).unwrap().trusted);
        let image = [
            host,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors"),
        ];
        let verdict = judge(Method::GET, &image).unwrap();
        assert_eq!((verdict.trusted, verdict.role), (false, Role::Player));
    }
}
