//! A sound too large for memory: what reading it from disk costs, and that it stays on disk.

use crate::support::Result;
use crate::support::contest::{Contest, Unit};
use crate::support::crowd::{Call, Crowd};
use crate::support::folders::{LONG_SOUND, long_sound};
use crate::support::nginx;
use crate::support::proc::{forget_peak, peak_mib, resident_mib};
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use std::path::Path;
use std::time::Duration;

const PATH: &str = "/audio/file/loop/long.wav";
const RANGES: Duration = Duration::from_millis(1500);
const LISTENERS: u64 = 16;

pub fn run(wanted: &Wanted, report: &mut Report) -> Result<()> {
    if !wanted.has("sparse") {
        return Ok(());
    }
    nginx::check_installed()?;
    let data = long_sound()?;
    report.add(memory(
        data.path(),
        "64 KiB ranges of 1 GiB, peak RSS rise, MiB",
        LISTENERS,
        &ranges(),
        RANGES,
    )?);
    report.add(memory(
        data.path(),
        "one GET of 1 GiB, peak RSS rise, MiB",
        1,
        &Call::get(PATH),
        Duration::ZERO,
    )?);
    report.add(Contest::start(data.path())?.compare(
        "64 KiB range of 1 GiB, CPU us",
        Unit::MicrosPerRequest,
        Goal::None,
        |_| Ok(ranges()),
    )?);
    Ok(())
}

fn ranges() -> Call {
    Call::range(PATH, 64 << 10, LONG_SOUND)
}

/// How far memory rises above a fresh server's while `listeners` ask for `call`.
fn memory(
    data: &Path,
    name: &'static str,
    listeners: u64,
    call: &Call,
    span: Duration,
) -> Result<Row> {
    let server = Tablekeep::start(data)?;
    forget_peak(server.pid())?;
    let before = resident_mib(server.pid())?;
    Crowd::connect(server.addr(), listeners)?.run(call, span)?;
    let rise = peak_mib(server.pid())? - before;
    Ok(Row::alone(name, rise, Goal::AtMost(16.0)))
}
