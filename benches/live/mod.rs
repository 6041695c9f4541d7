//! The measurements of the live side.

mod deflate;
mod durable;
mod fanout;
mod floor;
mod guessing;
mod idle;
mod rooms;
mod scene;
mod slow;
mod swarm;
mod wire;

use crate::support::Result;
use crate::support::report::{Report, Wanted};
pub use floor::{FLOOR, serve as serve_floor};

/// Measures the wanted rows; `long`: takes more time for it.
pub type Suite = fn(&Wanted, long: bool, &mut Report) -> Result<()>;

/// In the order of the table.
pub const ALL: &[Suite] = &[
    fanout::run,
    deflate::run,
    durable::run,
    idle::run,
    slow::run,
    guessing::run,
    rooms::run,
];

/// What a row can be chosen by.
pub const KEYS: &[&str] = &[
    "ws-1k",
    "ws-16k",
    "ws-burst",
    "ws-200k",
    "ws-many",
    "ws-pace",
    "hint-1k",
    "hint-16k",
    "hint-burst",
    "hint-many",
    "deflate-16k",
    "deflate-200k",
    "change-1k",
    "change-16k",
    "change-200k",
    "change-burst",
    "change-many",
    "ack",
    "idle",
    "slow",
    "guessing",
    "logins",
    "rooms",
];
