//! From the first instruction to the first answer, and memory at rest.

use crate::support::folders::demo;
use crate::support::proc::resident_mib;
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::{Started, free_addr};
use crate::support::talk::Talk;
use crate::support::{Result, median};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const STARTS: usize = 9;
/// Of these the memory is looked at as well, which takes a second each.
const RESTS: usize = 3;
const REST: Duration = Duration::from_secs(1);
/// Between two attempts to connect; part of the result, so well below it.
const RETRY: Duration = Duration::from_micros(100);
const PATIENCE: Duration = Duration::from_secs(10);

pub fn run(wanted: &Wanted, report: &mut Report) -> Result<()> {
    if !wanted.has("cold") {
        return Ok(());
    }
    let data = demo()?;
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for nth in 0..STARTS {
        let (time, server) = start(data.path())?;
        times.push(time);
        if nth < RESTS {
            sleep(REST);
            memory.push(resident_mib(server.pid())?);
        }
    }
    report.add(Row::alone(
        "cold start to the first answer, ms",
        median(times),
        Goal::AtMost(10.0),
    ));
    report.add(Row::alone(
        "idle RSS, MiB",
        median(memory),
        Goal::AtMost(10.0),
    ));
    Ok(())
}

/// Milliseconds until `/health` is answered, and the server.
fn start(data: &Path) -> Result<(f64, Started)> {
    let addr = free_addr()?;
    let start = Instant::now();
    let server = Started::new(addr, data)?;
    wait_for_listener(addr)?;
    let answer = Talk::to(addr)?.ask("GET", "/health", "")?;
    let time = start.elapsed().as_secs_f64() * 1e3;
    match answer.head.status {
        200 => Ok((time, server)),
        other => Err(format!("the first answer was {other}").into()),
    }
}

fn wait_for_listener(addr: SocketAddr) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if TcpStream::connect(addr).is_ok() {
            return Ok(());
        }
        sleep(RETRY);
    }
    Err("the server does not start".into())
}
