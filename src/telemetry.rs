//! The log: one line per event on standard error.

use crate::error::{Error, Result};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging what `filter` lets through, such as `info` or `info,tablekeep=debug`.
pub fn start(filter: &str) -> Result<()> {
    let targets: Targets = filter.parse().map_err(|_| {
        Error::Invalid(format!(
            "'{filter}' is no log filter; use something like --log info,tablekeep=debug"
        ))
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        // It would be told on standard error, where it panics once the terminal is closed.
        .log_internal_errors(false);
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .init();
    Ok(())
}
