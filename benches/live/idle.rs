//! Memory of connections on which nothing happens, before and after a broadcast.

use super::scene::Scene;
use super::swarm::{Pace, Speech, Swarm};
use crate::support::proc::resident_mib;
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use crate::support::{Result, folders};
use std::fs;
use std::time::Duration;

const CONNECTIONS: u64 = 10_000;
/// What else this process and the server have open.
const OTHER_FILES: u64 = 200;
const SCENE_BYTES: usize = 200 << 10;
const REST: Duration = Duration::from_secs(4);

pub fn run(wanted: &Wanted, _: bool, report: &mut Report) -> Result<()> {
    if !wanted.has("idle") {
        return Ok(());
    }
    let connections = CONNECTIONS.min(may_open()?.saturating_sub(OTHER_FILES));
    if connections < CONNECTIONS {
        eprintln!("  idle: only {connections} connections, for want of open files (ulimit -n)");
    }
    let data = folders::empty()?;
    let server = Tablekeep::start(data.path())?;
    // The first message of a size is not what an idle connection costs.
    let before = {
        let mut one = Swarm::join(server.addr(), Speech::SPELLTABLE, 1)?;
        one.rest(REST)?;
        resident_mib(server.pid())?
    };
    let mut swarm = Swarm::join(server.addr(), Speech::SPELLTABLE, connections)?;
    swarm.rest(REST)?;
    let each = |now: f64| (now - before) * 1024.0 / connections as f64;
    let idle = each(resident_mib(server.pid())?);
    let name = "idle connection, KiB of 10,000";
    report.add(Row::alone(name, idle, Goal::AtMost(5.0)));
    let scene = Scene::of(SCENE_BYTES);
    let mut message = |number, _| scene.update(number);
    swarm.run(Pace::Window(1), Duration::from_millis(1), &mut message)?;
    swarm.rest(REST)?;
    let after = each(resident_mib(server.pid())?);
    let name = "the same after a 200 KB scene, KiB";
    report.add(Row::alone(
        name,
        after,
        Goal::AtMost((idle * 110.0).round() / 100.0),
    ));
    Ok(())
}

/// Files that this process, and so the server, may have open.
fn may_open() -> Result<u64> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|rest| rest.split_whitespace().next());
    let soft = soft.ok_or("no limit of open files in /proc/self/limits")?;
    Ok(soft.parse().unwrap_or(u64::MAX))
}
