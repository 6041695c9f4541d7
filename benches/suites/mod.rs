//! The measurements, one module for each set of servers that they share.

mod lists;
mod serving;
mod sparse;
mod start;
mod upload;

use crate::support::Result;
use crate::support::report::{Report, Wanted};

/// Measures the wanted rows; starts nothing when none of its rows is wanted.
pub type Suite = fn(&Wanted, &mut Report) -> Result<()>;

/// In the order of the table.
pub const ALL: &[Suite] = &[
    serving::run,
    upload::run,
    sparse::run,
    lists::run,
    start::run,
];

/// What a row can be chosen by.
pub const KEYS: &[&str] = &[
    "get-2k",
    "get-100k",
    "get-10m",
    "range",
    "not-modified",
    "json",
    "upload",
    "sparse",
    "list",
    "rename",
    "cold",
];
