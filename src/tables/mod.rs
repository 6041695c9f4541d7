//! The tables, and the ways to them: by code, by a display's number, by the GM's password.
//!
//! - [`Directory`]: which tables there are, in one small file.
//! - [`Pairing`]: displays that show a number and wait for the GM to type it in.
//! - [`Arrivals`]: whether anybody has found the way here.
//! - What somebody has proved stands in a cookie of theirs ([`crate::access::Passes`]).

mod arrivals;
mod code;
mod directory;
mod invite;
mod live;
mod pairing;
mod routes;
mod sign_in;

pub use arrivals::{Arrival, Arrivals, Opened};
pub use code::Code;
pub use directory::{Directory, MAX_NAME_CHARS, Table};
pub use pairing::{MAX_WAITING, Pairing};

use crate::access::Attempts;
use crate::dialects::table::OpenTables;
use crate::http::Registrar;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the routes of this module share.
pub struct Tables {
    /// Which tables there are.
    pub directory: Arc<Directory>,
    /// Displays that wait.
    pub pairing: Pairing,
    /// Who has guessed how often.
    pub attempts: Attempts,
    /// Who has come.
    pub arrivals: Arrivals,
    /// The tables that are open.
    pub open: Arc<OpenTables>,
    /// Where the server listens.
    pub addr: SocketAddr,
}

impl Tables {
    /// With nobody waiting; the server listens at `addr`.
    pub fn new(directory: Arc<Directory>, open: Arc<OpenTables>, addr: SocketAddr) -> Self {
        Self {
            directory,
            pairing: Pairing::default(),
            attempts: Attempts::default(),
            arrivals: Arrivals::default(),
            open,
            addr,
        }
    }
}

/// All routes of this module.
pub fn routes(config: &mut impl Registrar) {
    routes::routes(config);
    invite::routes(config);
    live::routes(config);
    sign_in::routes(config);
}
