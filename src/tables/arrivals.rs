//! Whether anybody has found the door: what tells the GM that the network lets phones through.

use crate::access::{Role, SocketAddrs, Visitor, host_header};
use actix_web::HttpRequest;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The players' page.
    Join,
    /// The page of a screen.
    Display,
}

/// The last who came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The address by which they came, such as `http://192.168.1.5:8010`.
    pub origin: String,
    /// What they opened.
    pub opened: Opened,
    /// When.
    pub at: Instant,
    /// How many times somebody has come.
    pub count: u64,
}

/// Remembers the last who came; a lock for that, held for a look.
#[derive(Default)]
pub struct Arrivals(Mutex<Option<Arrival>>);

impl Arrivals {
    /// Somebody opens a page. The GM's own browser is nobody who has come, and neither is another one
    /// on this machine that could be the GM's.
    pub fn note(&self, req: &HttpRequest, opened: Opened) {
        let is_here = req.conn_data::<SocketAddrs>().is_none_or(|addrs| {
            addrs.peer.ip().is_loopback() || addrs.peer.ip() == addrs.local.ip()
        });
        if is_here && Visitor::of(req).role == Role::Gm {
            return;
        }
        let Some(origin) = origin_of(req) else {
            return;
        };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = last.as_ref().map_or(0, |last| last.count) + 1;
        *last = Some(Arrival {
            origin,
            opened,
            at: Instant::now(),
            count,
        });
    }

    /// The last.
    pub fn last(&self) -> Option<Arrival> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}

/// By which address a request came, as the other side writes it: the host that the gate has checked.
pub fn origin_of(req: &HttpRequest) -> Option<String> {
    let text = |name: &str| req.headers().get(name)?.to_str().ok();
    let host = host_header(req.head())?;
    let secure = text("x-forwarded-proto").is_some_and(|proto| proto.starts_with("https"));
    let scheme = if secure { "https" } else { "http" };
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn the_host_that_was_checked_is_the_one_that_is_shown() {
        let with = |uri: &str| {
            let req = TestRequest::with_uri(uri).insert_header(("host", "evil.example"));
            origin_of(&req.to_http_request()).unwrap()
        };
        assert_eq!(with("http://192.0.2.5:8010/join"), "http://192.0.2.5:8010");
        assert_eq!(with("/join"), "http://evil.example");
    }
}
