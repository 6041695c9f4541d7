//! The tables, and the ways to them: by code, by a display's number, by the GM's password.
//!
//! - [`Directory`]: which tables there are, in one small file.
//! - [`Pairing`]: displays that show a number and wait for the GM to type it in.
//! - What somebody has proved stands in a cookie of theirs ([`crate::access::Passes`]).

mod code;
mod directory;
mod live;
mod pairing;
mod routes;
mod sign_in;

pub use code::Code;
pub use directory::{Directory, MAX_NAME_CHARS, Table};
pub use pairing::{MAX_WAITING, Pairing};

use crate::access::Attempts;
use crate::dialects::table::OpenTables;
use crate::http::Registrar;
use std::sync::Arc;

/// What the routes of this module share.
pub struct Tables {
    /// Which tables there are.
    pub directory: Arc<Directory>,
    /// Displays that wait.
    pub pairing: Pairing,
    /// Who has guessed how often.
    pub attempts: Attempts,
    /// The tables that are open.
    pub open: Arc<OpenTables>,
}

impl Tables {
    /// With nobody waiting.
    pub fn new(directory: Arc<Directory>, open: Arc<OpenTables>) -> Self {
        Self {
            directory,
            pairing: Pairing::default(),
            attempts: Attempts::default(),
            open,
        }
    }
}

/// All routes of this module.
pub fn routes(config: &mut impl Registrar) {
    routes::routes(config);
    live::routes(config);
    sign_in::routes(config);
}
