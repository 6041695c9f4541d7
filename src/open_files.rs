//! How many files this process may have open at the same time, connections included.

use rustix::io::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer may be used up by one crowded evening: each connection takes one, a download two.
const ENOUGH: u64 = 4096;
/// What macOS allows where it says that it allows any number.
const MOST_ON_MACOS: u64 = 10_240;

/// Takes all that the system allows: what a process begins with is often a small part of it. One
/// sentence in the log where it is little.
pub fn take_all() {
    let limit = getrlimit(Resource::Nofile);
    let taken = raise(limit.maximum).or_else(|_| raise(Some(MOST_ON_MACOS)));
    if let Err(error) = taken {
        tracing::debug!(%error, "the limit of open files stays as it is: {error}");
    }
    if let Some(most) = getrlimit(Resource::Nofile).current
        && most < ENOUGH
    {
        tracing::warn!(
            most,
            "only {most} files and connections may be open at the same time; allow more with \
             `ulimit -n {ENOUGH}` before the start, or LimitNOFILE={ENOUGH} in a systemd unit"
        );
    }
}

/// The limit is never lowered.
fn raise(most: Option<u64>) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let is_more = match (limit.current, most) {
        (Some(now), Some(most)) => most > now,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if !is_more {
        return Ok(());
    }
    let wanted = Rlimit {
        current: most,
        ..limit
    };
    setrlimit(Resource::Nofile, wanted)
}
