//! The same calls to both servers in turn.

use super::crowd::{Call, Crowd, Tally};
use super::nginx::Nginx;
use super::proc::CpuTime;
use super::report::{Goal, Row};
use super::tablekeep::Tablekeep;
use super::{Result, median};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Interleaved, so that a disturbance hits both sides.
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_millis(200);
const ROUND: Duration = Duration::from_millis(1500);
const CONNECTIONS: u64 = 16;

/// What a call is counted by.
#[derive(Clone, Copy)]
pub enum Unit {
    /// CPU microseconds of the server per request.
    MicrosPerRequest,
    /// CPU seconds of the server per 10^9 bytes of bodies.
    SecondsPerGigabyte,
}

/// One server as it is measured.
pub struct Side {
    /// Where it listens.
    pub addr: SocketAddr,
    /// All processes that do its work.
    pub pids: Vec<u32>,
}

impl Side {
    /// Ours.
    pub fn ours(server: &Tablekeep) -> Self {
        Self {
            addr: server.addr(),
            pids: vec![server.pid()],
        }
    }

    /// nginx as tuned for the port `addr`.
    pub fn nginx(server: &Nginx, addr: SocketAddr) -> Self {
        Self {
            addr,
            pids: server.pids().to_vec(),
        }
    }

    fn round(&self, call: &Call, unit: Unit) -> Result<f64> {
        let mut crowd = Crowd::connect(self.addr, CONNECTIONS)?;
        crowd.run(call, WARM_UP)?;
        let (cpu, tally) = self.spent(|| crowd.run(call, ROUND))?;
        Ok(match unit {
            Unit::MicrosPerRequest => cpu * 1e6 / tally.requests as f64,
            Unit::SecondsPerGigabyte => cpu * 1e9 / tally.bytes as f64,
        })
    }

    /// CPU seconds of the server while `work` runs.
    pub fn spent(&self, work: impl FnOnce() -> Result<Tally>) -> Result<(f64, Tally)> {
        let before = CpuTime::of(&self.pids)?;
        let tally = work()?;
        let after = CpuTime::of(&self.pids)?;
        Ok((after.seconds_since(&before), tally))
    }

    /// The median of some rounds, alone.
    pub fn measure(&self, call: &Call, unit: Unit) -> Result<f64> {
        let rounds: Result<Vec<f64>> = (0..ROUNDS).map(|_| self.round(call, unit)).collect();
        rounds.map(median)
    }
}

/// Both servers over one data folder.
pub struct Contest {
    /// Ours, then nginx in each of its two tunings.
    sides: [Side; 3],
    _servers: (Tablekeep, Nginx),
}

impl Contest {
    /// Starts both.
    pub fn start(data: &Path) -> Result<Self> {
        let (ours, nginx) = (Tablekeep::start(data)?, Nginx::start(data)?);
        let [pushless, pushing] = nginx.addrs().map(|addr| Side::nginx(&nginx, addr));
        Ok(Self {
            sides: [Side::ours(&ours), pushless, pushing],
            _servers: (ours, nginx),
        })
    }

    /// A row with the medians of both; nginx's is that of its better tuning. `call` is made for
    /// each side, because their entity tags differ.
    pub fn compare(
        &self,
        name: &'static str,
        unit: Unit,
        goal: Goal,
        call: impl Fn(SocketAddr) -> Result<Call>,
    ) -> Result<Row> {
        let mut rounds = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (side, rounds) in self.sides.iter().zip(&mut rounds) {
                rounds.push(side.round(&call(side.addr)?, unit)?);
            }
        }
        let [ours, pushless, pushing] = rounds.map(median);
        Ok(Row {
            name,
            ours,
            beside: Some(pushless.min(pushing)),
            goal,
        })
    }
}
