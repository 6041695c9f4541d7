//! What compression saves on the wire, and what it costs the server.

use super::scene::Scene;
use super::swarm::{Pace, Speech, Swarm, Tally};
use crate::support::proc::CpuTime;
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use crate::support::{Result, folders, median};
use std::time::Duration;

/// Interleaved, so that a disturbance hits both sides.
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_millis(700);
const ROUND: Duration = Duration::from_secs(3);
const LISTENERS: u64 = 200;
const PACE: Pace = Pace::Rate(10.0);

struct Case {
    key: &'static str,
    /// The rows' names: bytes on the wire, CPU time.
    names: [&'static str; 2],
    bytes: usize,
    wire: f64,
    cpu: f64,
}

const CASES: [Case; 2] = [
    Case {
        key: "deflate-16k",
        names: [
            "drag of 16 KB, deflate, bytes on the wire",
            "the same, us per delivery; beside: plain",
        ],
        bytes: 16 << 10,
        wire: 400.0,
        cpu: 1.1,
    },
    Case {
        key: "deflate-200k",
        names: [
            "drag of 200 KB, deflate, bytes on the wire",
            "the same, us per delivery; beside: plain",
        ],
        bytes: 200 << 10,
        wire: 33_000.0,
        cpu: 0.7,
    },
];

pub fn run(wanted: &Wanted, _: bool, report: &mut Report) -> Result<()> {
    for case in CASES.iter().filter(|case| wanted.has(case.key)) {
        case.run(report)?;
    }
    Ok(())
}

impl Case {
    fn run(&self, report: &mut Report) -> Result<()> {
        let (mut packed, mut plain, mut wire) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (cpu, _) = self.ours(false)?;
            plain.push(cpu);
            let (cpu, tally) = self.ours(true)?;
            packed.push(cpu);
            wire.push(tally.bytes as f64 / tally.deliveries as f64);
        }
        let [on_wire, time] = self.names;
        report.add(Row::alone(on_wire, median(wire), Goal::AtMost(self.wire)));
        report.add(Row {
            name: time,
            ours: median(packed),
            beside: Some(median(plain)),
            goal: Goal::Times(self.cpu),
        });
        Ok(())
    }

    /// CPU microseconds of the server per delivery.
    fn ours(&self, deflates: bool) -> Result<(f64, Tally)> {
        let data = folders::empty()?;
        let server = Tablekeep::start(data.path())?;
        let speech = Speech {
            deflates,
            ..Speech::SPELLTABLE
        };
        let mut swarm = Swarm::join(server.addr(), speech, LISTENERS)?;
        let scene = Scene::of(self.bytes);
        let mut message = |number, _| scene.update(number);
        swarm.run(PACE, WARM_UP, &mut message)?;
        let before = CpuTime::of(&[server.pid()])?;
        let tally = swarm.run(PACE, ROUND, &mut message)?;
        let after = CpuTime::of(&[server.pid()])?;
        let cpu = after.seconds_since(&before) * 1e6 / tally.deliveries as f64;
        Ok((cpu, tally))
    }
}
