//! Changes that are on disk before anybody is told: what they cost beyond being sent, how long the
//! one who made them waits, and what they weigh on the wire.

use super::floor::{Floor, RECORD_BYTES, SCENE};
use super::scene::Scene;
use super::swarm::{Pace, Speech, Swarm, Tally, percentile, stamp};
use crate::support::proc::CpuTime;
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use crate::support::{Result, folders, median};
use std::fs::{self, File};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(400);
const ROUND: Duration = Duration::from_millis(1500);
const LONG_ROUND: Duration = Duration::from_secs(4);
/// For the time that an ack takes.
const PACED: Duration = Duration::from_secs(8);
const PACED_RATE: f64 = 30.0;
const COMMITS: u32 = 300;

struct Case {
    key: &'static str,
    name: &'static str,
    players: u64,
    scene_bytes: usize,
    window: u64,
    goal: f64,
}

const CASES: [Case; 5] = [
    Case {
        key: "change-1k",
        name: "moves, 1 KB scene x 200, us per delivery",
        players: 200,
        scene_bytes: 1 << 10,
        window: 1,
        goal: 1.10,
    },
    Case {
        key: "change-16k",
        name: "moves, 16 KB scene x 200, us per delivery",
        players: 200,
        scene_bytes: 16 << 10,
        window: 1,
        goal: 1.10,
    },
    Case {
        key: "change-burst",
        name: "moves, 16 KB x 200, 8 in flight, us",
        players: 200,
        scene_bytes: 16 << 10,
        window: 8,
        goal: 1.35,
    },
    Case {
        key: "change-200k",
        name: "moves, 200 KB scene x 200, us per delivery",
        players: 200,
        scene_bytes: 200 << 10,
        window: 1,
        goal: 1.20,
    },
    Case {
        key: "change-many",
        name: "moves, 2 KB scene x 1,000, us per delivery",
        players: 1000,
        scene_bytes: 2 << 10,
        window: 1,
        goal: 1.15,
    },
];

pub fn run(wanted: &Wanted, long: bool, report: &mut Report) -> Result<()> {
    let span = if long { LONG_ROUND } else { ROUND };
    for case in CASES.iter().filter(|case| wanted.has(case.key)) {
        case.run(span, report)?;
    }
    if wanted.has("ack") {
        acks(report)?;
    }
    Ok(())
}

impl Case {
    fn run(&self, span: Duration, report: &mut Report) -> Result<()> {
        let (mut ours, mut bounds, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (cpu, tally) = self.ours(span)?;
            let deliveries = tally.deliveries as f64;
            ours.push(cpu * 1e6 / deliveries);
            let weight = tally.bytes as f64 / deliveries;
            weights.push(weight * 100.0 / self.scene_bytes as f64);
            bounds.push(self.floor(weight as usize, span)?);
        }
        report.add(Row {
            name: self.name,
            ours: median(ours),
            beside: Some(median(bounds)),
            goal: Goal::Times(self.goal),
        });
        if self.key == "change-200k" {
            let name = "a move in a 200 KB scene, % of it sent";
            report.add(Row::alone(name, median(weights), Goal::AtMost(1.0)));
        }
        Ok(())
    }

    fn ours(&self, span: Duration) -> Result<(f64, Tally)> {
        let data = folders::empty()?;
        let server = Tablekeep::start(data.path())?;
        let mut table = table(&server, self.players, self.scene_bytes)?;
        let mut message = moves(if self.window > 1 { 32 } else { 4 });
        table.run(Pace::Window(self.window), WARM_UP, &mut message)?;
        let before = CpuTime::of(&[server.pid()])?;
        let tally = table.run(Pace::Window(self.window), span, &mut message)?;
        let after = CpuTime::of(&[server.pid()])?;
        Ok((after.seconds_since(&before), tally))
    }

    /// Microseconds of a server that parses such a scene, commits, and sends messages of that size.
    fn floor(&self, bytes: usize, span: Duration) -> Result<f64> {
        let folder = folders::empty()?;
        fs::write(folder.path().join(SCENE), Scene::of(self.scene_bytes).at(0))?;
        let floor = Floor::durable(self.window > 1, folder.path())?;
        let mut swarm = Swarm::join(floor.addr, Speech::PLAIN_TALK, self.players)?;
        let fill = "x".repeat(bytes.saturating_sub(20));
        let mut message = |number, _| format!("{}{fill}", stamp(number)).into_bytes();
        swarm.run(Pace::Window(self.window), WARM_UP, &mut message)?;
        let before = CpuTime::of(&[floor.pid()])?;
        let tally = swarm.run(Pace::Window(self.window), span, &mut message)?;
        let after = CpuTime::of(&[floor.pid()])?;
        Ok(after.seconds_since(&before) * 1e6 / tally.deliveries as f64)
    }
}

/// How long somebody who moves a token waits until the move is on disk.
fn acks(report: &mut Report) -> Result<()> {
    let data = folders::empty()?;
    let server = Tablekeep::start(data.path())?;
    // Few, because these clients share a thread: with many, they would wait for each other.
    let mut table = table(&server, 4, 16 << 10)?;
    let disk = commits(data.path(), PACED_RATE)?;
    let tally = table.run(Pace::Rate(PACED_RATE), PACED, &mut moves(32))?;
    for (name, of_100) in [
        ("ack, 30 moves/s, p50, ms", 50.0),
        ("ack p95, ms; beside: a commit alone", 95.0),
        ("ack p99, ms", 99.0),
    ] {
        report.add(Row {
            name,
            ours: percentile(&tally.answers, of_100),
            beside: Some(percentile(&disk, of_100)),
            goal: Goal::None,
        });
    }
    Ok(())
}

/// Milliseconds that the disk below `folder` takes for a record, sorted; `per_second` as far apart as
/// the changes are: a disk, and a processor, that rests is slower.
pub fn commits(folder: &std::path::Path, per_second: f64) -> Result<Vec<f64>> {
    let path = folder.join("probe");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..COMMITS / 3 {
        sleep(Duration::from_secs_f64(1.0 / per_second));
        let start = Instant::now();
        file.write_all(&[7; RECORD_BYTES])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    fs::remove_file(path)?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// A GM and players at a table with a scene of that size.
fn table(server: &Tablekeep, players: u64, scene_bytes: usize) -> Result<Swarm> {
    let mut swarm = Swarm::join(server.addr(), Speech::TABLE, players)?;
    swarm.count_by_seq();
    let scene = Scene::of(scene_bytes).at(0);
    let mut show = |number, _| {
        let id = id_of(number);
        format!("{{\"type\":\"change\",\"id\":\"{id}\",\"base\":0,\"scene\":{scene}}}").into_bytes()
    };
    swarm.run(Pace::Window(1), Duration::from_nanos(1), &mut show)?;
    Ok(swarm)
}

/// Moves one of `tokens` after the other, as changes of a scene that has had `answered` of them.
/// There must be more tokens than changes under way: two of one token are a conflict.
fn moves(tokens: u64) -> impl FnMut(u64, u64) -> Vec<u8> {
    move |number, answered| {
        let (id, token) = (id_of(number), number % tokens);
        format!(
            "{{\"type\":\"change\",\"id\":\"{id}\",\"base\":{answered},\"edits\":[{{\"op\":\"set\",\
             \"path\":[\"initiativeOrder\",{{\"id\":\"t{token}\"}},\"mapPosition\"],\
             \"value\":{{\"x\":{number},\"y\":7}}}}]}}"
        )
        .into_bytes()
    }
}

/// A UUID that no other change has.
fn id_of(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}
