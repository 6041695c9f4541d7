//! One speaks, many listen: what a delivery costs the server, beside the floor in the same minutes.

use super::floor::Floor;
use super::scene::Scene;
use super::swarm::{Pace, Speech, Swarm, Tally, stamp};
use crate::support::proc::CpuTime;
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use crate::support::{Result, folders, median};
use std::net::SocketAddr;
use std::time::Duration;

/// Interleaved, so that a disturbance hits both sides.
const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(400);
const ROUND: Duration = Duration::from_millis(1500);
const LONG_ROUND: Duration = Duration::from_secs(4);

/// One way of speaking to many.
#[derive(Clone, Copy)]
struct Case {
    key: &'static str,
    name: &'static str,
    speech: Speech,
    listeners: u64,
    bytes: usize,
    pace: Pace,
    goal: f64,
}

const WS: Case = Case {
    key: "ws-1k",
    name: "/ws, 200 x 1 KB, us per delivery",
    speech: Speech::SPELLTABLE,
    listeners: 200,
    bytes: 1 << 10,
    pace: Pace::Window(1),
    goal: 1.10,
};

const HINT: Case = Case {
    key: "hint-1k",
    name: "hints, 200 x 1 KB, us per delivery",
    speech: Speech::HINTS,
    ..WS
};

/// Hints may have 16 KiB of data; what is around it counts for the floor, too.
const HINT_BYTES: usize = (16 << 10) - 2;

const CASES: [Case; 9] = [
    WS,
    Case {
        key: "ws-16k",
        name: "/ws, 200 x 16 KB, us per delivery",
        bytes: 16 << 10,
        ..WS
    },
    Case {
        key: "ws-burst",
        name: "/ws, 200 x 16 KB, 8 in flight, us",
        bytes: 16 << 10,
        pace: Pace::Window(8),
        goal: 1.35,
        ..WS
    },
    Case {
        key: "ws-200k",
        name: "/ws, 200 x 200 KB, us per delivery",
        bytes: 200 << 10,
        goal: 1.20,
        ..WS
    },
    Case {
        key: "ws-many",
        name: "/ws, 2,000 x 2 KB, us per delivery",
        listeners: 2000,
        bytes: 2 << 10,
        goal: 1.15,
        ..WS
    },
    HINT,
    Case {
        key: "hint-16k",
        name: "hints, 200 x 16 KB, us per delivery",
        bytes: HINT_BYTES,
        ..HINT
    },
    Case {
        key: "hint-burst",
        name: "hints, 200 x 16 KB, 8 in flight, us",
        bytes: HINT_BYTES,
        pace: Pace::Window(8),
        goal: 1.35,
        ..HINT
    },
    Case {
        key: "hint-many",
        name: "hints, 1,000 x 2 KB, us per delivery",
        listeners: 1000,
        bytes: 2 << 10,
        goal: 1.15,
        ..HINT
    },
];

/// Not a cost but a time: how late the last of 100 deliveries is.
const PACED: Case = Case {
    key: "ws-pace",
    name: "/ws, 200 x 16 KB at 30/s, p99, ms",
    bytes: 16 << 10,
    pace: Pace::Rate(30.0),
    goal: 1.25,
    ..WS
};

pub fn run(wanted: &Wanted, long: bool, report: &mut Report) -> Result<()> {
    let span = if long { LONG_ROUND } else { ROUND };
    let mut joins = Vec::new();
    for case in CASES.iter().filter(|case| wanted.has(case.key)) {
        let (ours, floor) = case.rounds(span, &mut joins, |cpu, tally| {
            cpu * 1e6 / tally.deliveries as f64
        })?;
        report.add(case.row(ours, floor));
        if case.key == "ws-many" {
            let name = "2,000 joins on /ws, seconds";
            let joined_in = median(std::mem::take(&mut joins));
            report.add(Row::alone(name, joined_in, Goal::AtMost(1.0)));
        }
    }
    if wanted.has(PACED.key) {
        let span = span.max(LONG_ROUND);
        let p99 = |_: f64, tally: &Tally| tally.percentile(99.0);
        let (ours, floor) = PACED.rounds(span, &mut joins, p99)?;
        report.add(PACED.row(ours, floor));
    }
    Ok(())
}

impl Case {
    fn row(&self, ours: f64, floor: f64) -> Row {
        Row {
            name: self.name,
            ours,
            beside: Some(floor),
            goal: Goal::Times(self.goal),
        }
    }

    /// The medians of both sides; `joins` gets our times of joining.
    fn rounds(
        &self,
        span: Duration,
        joins: &mut Vec<f64>,
        figure: impl Fn(f64, &Tally) -> f64,
    ) -> Result<(f64, f64)> {
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        joins.clear();
        for _ in 0..ROUNDS {
            let together = matches!(self.pace, Pace::Window(2..));
            let floor = Floor::start(together)?;
            let (cpu, tally) = self.measure(floor.addr, floor.pid(), true, span)?.0;
            floors.push(figure(cpu, &tally));
            drop(floor);
            let data = folders::empty()?;
            let server = Tablekeep::start(data.path())?;
            let (spent, joined_in) = self.measure(server.addr(), server.pid(), false, span)?;
            ours.push(figure(spent.0, &spent.1));
            joins.push(joined_in.as_secs_f64());
        }
        Ok((median(ours), median(floors)))
    }

    /// CPU seconds and what came of it; and how long joining took.
    fn measure(
        &self,
        addr: SocketAddr,
        pid: u32,
        floor: bool,
        span: Duration,
    ) -> Result<((f64, Tally), Duration)> {
        let speech = match (floor, self.speech.listener) {
            (false, _) => self.speech,
            (true, None) => Speech::PLAIN,
            (true, Some(_)) => Speech::PLAIN_TALK,
        };
        let mut swarm = Swarm::join(addr, speech, self.listeners)?;
        let (scene, fill) = (Scene::of(self.bytes), "x".repeat(self.bytes));
        let hints = self.speech.path == Speech::TABLE.path;
        // The floor passes on what our listeners get.
        let mut message = |number: u64, _: u64| match (hints, floor) {
            (false, _) => scene.update(number),
            (true, false) => hint_message("", number, &fill),
            (true, true) => hint_message("\"from\":\"12345678\",", number, &fill),
        };
        swarm.run(self.pace, WARM_UP, &mut message)?;
        let before = CpuTime::of(&[pid])?;
        let tally = swarm.run(self.pace, span, &mut message)?;
        let after = CpuTime::of(&[pid])?;
        Ok(((after.seconds_since(&before), tally), swarm.joined_in))
    }
}

/// A hint with a fresh topic and about `fill`'s length of data.
fn hint_message(from: &str, number: u64, fill: &str) -> Vec<u8> {
    let data = &fill[..fill.len().saturating_sub(120)];
    let stamp = stamp(number);
    format!("{{\"type\":\"hint\",{from}\"kind\":\"drag\",\"key\":\"{stamp}\",\"data\":\"{data}\"}}")
        .into_bytes()
}
