//! Pictures from memory, and a small document: CPU time of the server for each request.

use crate::support::Result;
use crate::support::contest::{Contest, Side, Unit};
use crate::support::crowd::Call;
use crate::support::folders::{TEN_MEGABYTES, few_files};
use crate::support::nginx;
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use crate::support::talk::Talk;
use std::net::SocketAddr;

/// A line of the comparison: its key, name, unit, goal and call.
type Line = (
    &'static str,
    &'static str,
    Unit,
    Goal,
    fn(SocketAddr) -> Result<Call>,
);

const LINES: [Line; 5] = [
    (
        "get-2k",
        "GET 2 KB, CPU us",
        Unit::MicrosPerRequest,
        Goal::Times(1.0),
        |_| Ok(Call::get("/maps/file/2k.png")),
    ),
    (
        "get-100k",
        "GET 100 KB, CPU us",
        Unit::MicrosPerRequest,
        Goal::Times(0.95),
        |_| Ok(Call::get("/maps/file/100k.png")),
    ),
    (
        "get-10m",
        "GET 10 MB, CPU s/GB",
        Unit::SecondsPerGigabyte,
        Goal::Times(1.10),
        |_| Ok(Call::get("/maps/file/10m.png")),
    ),
    (
        "range",
        "64 KiB range of 10 MB, CPU us",
        Unit::MicrosPerRequest,
        Goal::Times(1.15),
        |_| Ok(Call::range("/maps/file/10m.png", 64 << 10, TEN_MEGABYTES)),
    ),
    (
        "not-modified",
        "HEAD, 304, CPU us",
        Unit::MicrosPerRequest,
        Goal::None,
        not_modified,
    ),
];

pub fn run(wanted: &Wanted, report: &mut Report) -> Result<()> {
    let lines: Vec<_> = LINES.iter().filter(|line| wanted.has(line.0)).collect();
    if !lines.is_empty() {
        nginx::check_installed()?;
        let data = few_files()?;
        let contest = Contest::start(data.path())?;
        for (_, name, unit, goal, call) in lines {
            report.add(contest.compare(name, *unit, *goal, call)?);
        }
    }
    if wanted.has("json") {
        report.add(json()?);
    }
    Ok(())
}

/// Asks for a picture that the client has already.
fn not_modified(addr: SocketAddr) -> Result<Call> {
    let path = "/maps/file/100k.png";
    let etag = Talk::to(addr)?.ask("GET", path, "")?.head.etag;
    Ok(Call {
        method: "HEAD",
        headers: format!("If-None-Match: {etag}\r\n"),
        status: 304,
        ..Call::get(path)
    })
}

fn json() -> Result<Row> {
    let data = few_files()?;
    let server = Tablekeep::start(data.path())?;
    let call = Call::get("/health");
    let cpu = Side::ours(&server).measure(&call, Unit::MicrosPerRequest)?;
    Ok(Row::alone(
        "GET /health (JSON), CPU us",
        cpu,
        Goal::AtMost(12.0),
    ))
}
