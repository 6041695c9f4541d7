//! The rules: what may be asked under which name, from which page, by whom.

mod sockets;
#[cfg(test)]
mod tests;

use super::account::{AccountPasses, AccountProof, AccountRole};
use super::origin::{as_ip, authority, host_name};
use super::passes::{GmSession, Proven};
use super::seats::{Basis, Farewell, Line, Seats, SignIn};
use super::{Grant, Machine, Passes, Role, Visitor};
use crate::config::{Access, Config, Players};
use crate::error::{Error, Result};
use crate::model::TableId;
use actix_http::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

/// Headers that proxies and tunnels add: whoever is behind one does not sit at this machine.
const FORWARDED: [HeaderName; 3] = [
    header::FORWARDED,
    HeaderName::from_static("x-real-ip"),
    header::VIA,
];
/// The same of all headers that begin so.
const X_FORWARDED: &str = "x-forwarded";
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
    /// The table that the sender sees; `None`: has to join one first.
    pub table: Option<TableId>,
    /// The joining that a cookie proves.
    pub grant: Option<Grant>,
    /// What is said of an account.
    pub account: AccountProof,
    /// What a socket would be let in with.
    pub basis: Basis,
    /// Whether the request comes from a page that may use this server (or from no page at all).
    pub trusted: bool,
    /// Whether it comes from a page of this server (or from no page at all): cookies count.
    pub own_page: bool,
    /// Whether it names a page that may use this server, and so may show its files.
    pub embeds: bool,
    /// Whether the sender is the GM wherever it sits, without any proof.
    by_place: bool,
    /// The GM's sign-in that a cookie proves.
    gm: Option<GmSession>,
}

impl Verdict {
    /// The sender.
    pub fn visitor(&self) -> Visitor {
        Visitor {
            role: self.role,
            table: self.table,
        }
    }
}

/// Where a request comes from. Higher is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Page {
    /// A page that may not use the server.
    Foreign,
    /// A page of this machine or of an allowed origin.
    Allowed,
    /// A page of this server, or no page.
    Own,
}

/// Ends sockets.
type HangUp = dyn Fn(Vec<Line>, Farewell) + Send + Sync;

/// The access settings, ready to judge.
#[derive(Clone)]
pub struct Policy {
    machine: Arc<Machine>,
    passes: Arc<Passes>,
    accounts: Option<Arc<AccountPasses>>,
    seats: Arc<Seats>,
    hang_up: Arc<HangUp>,
    open: bool,
    players: Players,
    loopback_gm: bool,
    gm_from: Vec<IpNet>,
    allow_origin: Vec<String>,
}

impl Policy {
    /// From the settings.
    pub fn new(config: &Config, passes: Passes) -> Self {
        Self {
            machine: Arc::new(Machine::new(&config.allow_host)),
            passes: Arc::new(passes),
            accounts: None,
            seats: Arc::default(),
            hang_up: Arc::new(|_, _| {}),
            open: config.access == Access::Open,
            players: config.players,
            loopback_gm: config.loopback_gm(),
            gm_from: config.gm_from.clone(),
            allow_origin: config.allow_origin.clone(),
        }
    }

    /// Lets accounts count.
    pub fn with_accounts(self, accounts: AccountPasses) -> Self {
        Self {
            accounts: Some(Arc::new(accounts)),
            ..self
        }
    }

    /// Says how sockets are ended: with the code that goes with the farewell, and without waiting.
    pub fn with_hang_up(
        self,
        hang_up: impl Fn(Vec<Line>, Farewell) + Send + Sync + 'static,
    ) -> Self {
        Self {
            hang_up: Arc::new(hang_up),
            ..self
        }
    }

    /// The same, with pages of further origins allowed.
    pub fn allowing(&self, origins: &[String]) -> Self {
        let mut also = self.clone();
        also.allow_origin.extend_from_slice(origins);
        also
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
        let host = host_of(head).ok_or_else(nameless)?;
        let host_ip = as_ip(host);
        if host_ip.is_none() && !self.machine.answers_to(host) {
            return Err(misdirected(host));
        }
        let page = self.page(head, host);
        let trusted = page >= Page::Allowed;
        let upgrade = head.headers.contains_key(header::UPGRADE);
        if !trusted && (upgrade || !is_safe(&head.method)) {
            return Err(foreign(head));
        }
        let own_page = page == Page::Own;
        let is_named = || head.headers.contains_key(header::ORIGIN) || self.is_referred(head, host);
        let has_cookie = own_page && head.headers.contains_key(header::COOKIE);
        let mut proven = if has_cookie {
            self.passes.read(&head.headers, SystemTime::now())
        } else {
            Proven::default()
        };
        // Who came in by the open door has to knock once it is closed.
        let counts = |grant: &Grant| grant.invited || self.players == Players::Open;
        proven.grant = proven.grant.filter(counts);
        let has_token = trusted && head.headers.contains_key(header::AUTHORIZATION);
        let account = match &self.accounts {
            Some(accounts) if has_cookie || has_token => {
                accounts.read(&head.headers, own_page, SystemTime::now())
            }
            _ => AccountProof::None,
        };
        let by_place = trusted && self.is_gm(head, addrs, host);
        let (role, table, basis) = self.seat(by_place, proven, account);
        Ok(Verdict {
            role,
            table,
            grant: proven.grant,
            account,
            basis,
            trusted,
            own_page,
            embeds: trusted && is_named(),
            by_place,
            gm: proven.gm,
        })
    }

    /// The same sender with an account's token that has come by another way than in a header, and
    /// counts as it would there: more than what the head said of an account.
    pub fn with_token(&self, verdict: Verdict, token: &str, now: SystemTime) -> Verdict {
        let Some(accounts) = self.accounts.as_ref().filter(|_| !token.is_empty()) else {
            return verdict;
        };
        let account = accounts.judge(token, now);
        let proven = Proven {
            gm: verdict.gm,
            grant: verdict.grant,
        };
        let (role, table, basis) = self.seat(verdict.by_place, proven, account);
        Verdict {
            role,
            table,
            account,
            basis,
            ..verdict
        }
    }

    /// Whether a request calls the server by an address or name of this machine, and not by one of
    /// something in front of it.
    pub fn is_of_this_machine(&self, head: &RequestHead) -> bool {
        host_of(head).is_some_and(|host| self.is_own(host))
    }

    fn is_own(&self, host: &str) -> bool {
        match as_ip(host) {
            Some(ip) => self.machine.has_address(ip),
            None => self.machine.has_name(host),
        }
    }

    /// Whether a page under this host can only be one of ours. An address is what it is, and `localhost`
    /// is nobody else's; for any other name somebody in the network can answer with an address of their
    /// own first and with this machine's later, so that a page of theirs would speak as one of ours.
    fn is_surely_own(&self, host: &str) -> bool {
        match as_ip(host) {
            Some(ip) => self.machine.has_address(ip),
            None => host.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
        }
    }

    /// Who has joined as a display is one, also where everybody could be a player.
    fn seat(
        &self,
        by_place: bool,
        proven: Proven,
        account: AccountProof,
    ) -> (Role, Option<TableId>, Basis) {
        let account = account.signed_in();
        let is_admin = account.is_some_and(|account| account.role == AccountRole::Admin);
        let with_account = account.map(|account| SignIn::Account(account.session));
        let with_password = proven.gm.map(SignIn::Gm);
        let mut basis = Basis {
            // What the role follows from comes first.
            sign_in: match is_admin {
                true => with_account,
                false => with_password.or(with_account),
            },
            joined: None,
        };
        let grant = proven.grant;
        if by_place || is_admin || with_password.is_some() {
            let table = grant.map_or(TableId::MAIN, |grant| grant.table);
            return (Role::Gm, Some(table), basis);
        }
        basis.joined = grant;
        let (role, table) = match (grant, self.players) {
            (Some(grant), _) => (grant.role, Some(grant.table)),
            (None, _) if account.is_some() => (Role::Player, Some(TableId::MAIN)),
            (None, Players::Open) => (Role::Player, Some(TableId::MAIN)),
            (None, Players::Code) => (Role::Display, None),
        };
        (role, table, basis)
    }

    /// Ends the sign-ins of these headers for good, the GM's and an account's, and
    /// returns the `Set-Cookie` lines that make the browser forget them. Blocks;
    /// [`Policy::close_ended`] must follow.
    pub fn sign_out(&self, headers: &HeaderMap, secure: bool) -> Result<Vec<String>> {
        let now = SystemTime::now();
        let mut lines = vec![self.passes.sign_out(headers, now, secure)?];
        if let Some(accounts) = &self.accounts {
            lines.push(accounts.sign_out(headers, now, secure)?);
        }
        Ok(lines)
    }

    /// From where the page behind this request, if any, comes.
    fn page(&self, head: &RequestHead, host: &str) -> Page {
        match asking(head) {
            Some(Asking::Origin(origin)) => self.page_at(origin, head, host),
            Some(Asking::Referer(origin)) => self.page_at(origin, head, host).min(Page::Allowed),
            None => page_by_fetch(head),
        }
    }

    /// Whether `Referer` names a page that may use this server.
    fn is_referred(&self, head: &RequestHead, host: &str) -> bool {
        referring(head).is_some_and(|origin| self.page_at(origin, head, host) >= Page::Allowed)
    }

    fn page_at(&self, origin: &str, head: &RequestHead, host: &str) -> Page {
        let Some(from) = authority(origin) else {
            return Page::Foreign;
        };
        let Some(name) = host_name(from) else {
            return Page::Foreign;
        };
        if host_header(head).is_some_and(|host| from.eq_ignore_ascii_case(host)) {
            return Page::Own;
        }
        let allowed = self.is_loopback_name(name)
            || as_ip(name).is_some_and(|ip| self.machine.has_address(ip))
            || (self.machine.answers_to(name) && name.eq_ignore_ascii_case(host))
            || self
                .allow_origin
                .iter()
                .any(|o| origin.eq_ignore_ascii_case(o));
        if allowed {
            Page::Allowed
        } else {
            Page::Foreign
        }
    }

    fn is_loopback_name(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        as_ip(&name).map_or(name == "localhost" || name.ends_with(".localhost"), |ip| {
            ip.is_loopback()
        })
    }

    /// Whether a proxy says that it passes this on: the connection is its own then, and the address
    /// that of everybody behind it.
    pub fn is_forwarded(head: &RequestHead) -> bool {
        let mut names = head.headers.keys();
        names.any(|name| FORWARDED.contains(name) || name.as_str().starts_with(X_FORWARDED))
    }

    fn is_gm(&self, head: &RequestHead, addrs: SocketAddrs, host: &str) -> bool {
        if self.open {
            return true;
        }
        if !self.is_surely_own(host) || Self::is_forwarded(head) {
            return false;
        }
        let peer = addrs.peer.ip().to_canonical();
        if peer.is_loopback() && !self.origin_is_loopback(head) {
            return false;
        }
        let here = peer == addrs.local.ip().to_canonical() || self.machine.has_address(peer);
        (self.loopback_gm && here) || self.gm_from.iter().any(|net| net.contains(&peer))
    }

    /// No page is named, or one on this machine's loopback.
    fn origin_is_loopback(&self, head: &RequestHead) -> bool {
        let Some(Asking::Origin(origin) | Asking::Referer(origin)) = asking(head) else {
            return true;
        };
        let name = authority(origin).and_then(host_name);
        name.is_some_and(|name| self.is_loopback_name(name))
    }

    /// The cookies.
    pub fn passes(&self) -> &Passes {
        &self.passes
    }

    /// The sign-ins with accounts. Errors: 403 where there are none.
    pub fn accounts(&self) -> Result<&AccountPasses> {
        let missing = || Error::Forbidden("there are no accounts here".into());
        self.accounts.as_deref().ok_or_else(missing)
    }
}

/// The origin of the page that asks.
enum Asking<'a> {
    /// As the browser names it; empty when it is none.
    Origin(&'a str),
    /// By the page's address: browsers leave the origin out where a page only shows something, such
    /// as a picture. No page can give another's.
    Referer(&'a str),
}

/// Which page asks, if one from elsewhere may.
fn asking(head: &RequestHead) -> Option<Asking<'_>> {
    if let Some(origin) = head.headers.get(header::ORIGIN) {
        return Some(Asking::Origin(origin.to_str().unwrap_or("")));
    }
    (page_by_fetch(head) == Page::Foreign).then(|| Asking::Referer(referring(head).unwrap_or("")))
}

/// The origin in `Referer` (RFC 9110, section 10.1.3).
fn referring(head: &RequestHead) -> Option<&str> {
    let referer = text(&head.headers, header::REFERER)?;
    let start = referer.find("://")? + 3;
    let end = referer[start..].find(['/', '?', '#']);
    Some(end.map_or(referer, |end| &referer[..start + end]))
}

/// A name that is not ours.
fn misdirected(host: &str) -> Error {
    // No name is longer (RFC 1035, section 2.3.4).
    let shown: String = host.chars().take(253).collect();
    Error::Misdirected(format!(
        "this server is not called '{shown}'; use its address, or start it with --allow-host {shown}"
    ))
}

/// No name that could be allowed.
fn nameless() -> Error {
    let text = "the request does not say in Host which server it means; use the server's address";
    Error::Misdirected(text.into())
}

/// A page that may not use this server; how to allow it, where it says where it is from.
fn foreign(head: &RequestHead) -> Error {
    let origin = text(&head.headers, header::ORIGIN);
    let named = origin.filter(|origin| authority(origin).and_then(host_name).is_some());
    Error::Forbidden(match (named, origin) {
        (Some(origin), _) => format!(
            "pages of {origin} may not use this server; start it with --allow-origin {origin} to allow them"
        ),
        (None, Some("null")) => {
            "pages that do not say where they are from (Origin: null) may not use this server; open them from a web server, not as files".into()
        }
        (None, _) => "pages of another site may not use this server".into(),
    })
}

/// Where a request without an origin comes from, by what browsers say of it.
fn page_by_fetch(head: &RequestHead) -> Page {
    let fetch = |name: HeaderName| text(&head.headers, name);
    let Some(site) = fetch(SEC_FETCH_SITE) else {
        return Page::Own;
    };
    // Following a link from another site to a page of ours is fine.
    let opens_page = fetch(SEC_FETCH_MODE) == Some("navigate")
        && fetch(SEC_FETCH_DEST) == Some("document")
        && is_safe(&head.method);
    match site {
        "same-origin" | "none" => Page::Own,
        "cross-site" if !opens_page => Page::Foreign,
        // Links between pages of one machine: another port is the same site.
        "same-site" if opens_page => Page::Own,
        _ => Page::Allowed,
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// `Host` as sent, or the authority of an absolute request target, which counts above it: what
/// [`Policy::judge`] has looked at.
pub fn host_header(head: &RequestHead) -> Option<&str> {
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
