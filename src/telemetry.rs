//! The log: one line per event on standard error.

use crate::error::{Error, Result};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What speaks HTTP.
const ENGINE: &str = "actix_http";

/// Starts logging what `filter` lets through, such as `info` or `info,tablekeep=debug`.
pub fn start(filter: &str) -> Result<()> {
    let targets = parse(filter).ok_or_else(|| {
        Error::Invalid(format!(
            "'{filter}' is no log filter; use something like --log info,tablekeep=debug"
        ))
    })?;
    // What goes wrong on single connections anybody can bring about: `server` says it, and how loud.
    let targets = match filter.contains(ENGINE) {
        true => targets,
        false => targets.with_target(ENGINE, LevelFilter::OFF),
    };
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

/// `None` also where the parts are no names of modules: such a filter would let nothing through.
fn parse(filter: &str) -> Option<Targets> {
    let targets: Targets = filter.parse().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
    let is_plain = targets.iter().all(|(target, _)| target.chars().all(plain));
    is_plain.then_some(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_and_modules() {
        for good in [
            "info",
            "off",
            "info,actix_server=warn",
            "tablekeep::live=debug",
            "tablekeep",
        ] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in [
            "[",
            "a=b=c",
            "tablekeep=loud",
            "info tablekeep=debug",
            "[a{b}]=info",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
