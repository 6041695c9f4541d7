//! The measurement.

mod members;
mod plain;

pub use plain::{PLAIN, serve as serve_plain};

use crate::support::proc::{CpuTime, resident_mib};
use crate::support::{Result, median};
use members::Members;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};
use tablekeep::access::Tokens;

const SECRET: &str = "the secret of a benchmark, long enough";
/// How often everything is measured.
const ROUNDS: usize = 9;
/// What a member says.
pub const TEXT: &str = "Roll for initiative: I rolled a natural twenty, and the dragon did not.";

/// How many rooms with how many members, and what was said in each before.
#[derive(Clone, Copy)]
struct Scale {
    name: &'static str,
    rooms: usize,
    members: usize,
    messages: usize,
}

const SCALES: [Scale; 2] = [
    Scale {
        name: "10,000 members in 1,000 rooms, 50 messages in each",
        rooms: 1_000,
        members: 10,
        messages: 50,
    },
    Scale {
        name: "1,000 members in 100 rooms, 450 messages in each",
        rooms: 100,
        members: 10,
        messages: 450,
    },
];

/// A server, and how one gets into its rooms.
struct Contestant {
    name: &'static str,
    child: Child,
    addr: SocketAddr,
    tokens: Option<Tokens>,
    _data: Option<tempfile::TempDir>,
}

impl Drop for Contestant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Contestant {
    fn start(name: &'static str, mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.trim_end().strip_prefix("listening on http://");
        let addr = addr.ok_or("it does not say where it listens")?.parse()?;
        Ok(Self {
            name,
            child,
            addr,
            tokens: None,
            _data: None,
        })
    }

    fn ours() -> Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_tablekeep"));
        command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--qr",
                "false",
                "--jwt-secret",
                SECRET,
            ])
            .args(["--session-rate", "100000", "--workers", "2"])
            .arg("--data-dir")
            .arg(data.path());
        let mut ours = Self::start("ours", command)?;
        let lifetime = Duration::from_secs(3600);
        ours.tokens = Some(Tokens::new(SECRET.as_bytes(), "session", lifetime));
        ours._data = Some(data);
        Ok(ours)
    }

    fn plain() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(PLAIN);
        Self::start("plain", command)
    }

    /// Where a member of a room connects.
    fn path(&self, room: &str, user: &str) -> Result<String> {
        let Some(tokens) = &self.tokens else {
            return Ok(format!("/{room}/{user}"));
        };
        let host = format!("localhost:{}", self.addr.port());
        let claims = json!({"userId": user, "roomId": room, "host": host});
        let (token, _) = tokens.sign(&claims, SystemTime::now())?;
        Ok(format!("/session?token={token}"))
    }

    /// CPU time for each snapshot that a member got, in microseconds; and memory for each member.
    fn measure(&self, scale: Scale) -> Result<(f64, f64)> {
        let pid = self.child.id();
        let mut members = Members::new(self.addr)?;
        let before = resident_mib(pid)?;
        let path = |room: usize, member: usize| {
            self.path(
                &format!("{}-{room}", scale.rooms),
                &format!("member-{member}"),
            )
        };
        // Whoever comes first says all, so that filling the rooms takes little time.
        let first: Result<Vec<_>> = (0..scale.rooms).map(|room| path(room, 0)).collect();
        members.join(&first?)?;
        for _ in 0..scale.messages {
            members.say(TEXT, 1)?;
        }
        let others = (0..scale.rooms).flat_map(|room| (1..scale.members).map(move |n| (room, n)));
        let others: Result<Vec<_>> = others.map(|(room, member)| path(room, member)).collect();
        members.join(&others?)?;
        let memory = (resident_mib(pid)? - before) * 1024.0 / (scale.rooms * scale.members) as f64;
        let mut costs = Vec::new();
        for _ in 0..ROUNDS {
            let start = CpuTime::of(&[pid])?;
            let snapshots = members.say(TEXT, scale.members)?;
            members.rest();
            let spent = CpuTime::of(&[pid])?.seconds_since(&start);
            costs.push(spent * 1e6 / snapshots as f64);
        }
        Ok((median(costs), memory))
    }
}

/// Measures both servers at both scales, in turn.
pub fn run() -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Err("CPU time and memory are read from /proc: this benchmark needs Linux".into());
    }
    println!("CPU time for each snapshot delivered, in µs; memory for each member, in KiB");
    println!(
        "{:<52}  {:>8}  {:>8}  {:>6}  {:>8}  {:>8}",
        "", "ours", "plain", "ratio", "KiB", "plain"
    );
    for scale in SCALES {
        let mut found = Vec::new();
        for start in [Contestant::ours, Contestant::plain] {
            let contestant = start()?;
            let figures = contestant.measure(scale)?;
            eprintln!("  {} {}: {figures:?}", scale.name, contestant.name);
            found.push(figures);
        }
        let [(ours, memory), (plain, plain_memory)] = found[..] else {
            return Err("two servers were measured".into());
        };
        let ratio = ours / plain;
        println!(
            "{:<52}  {ours:>8.2}  {plain:>8.2}  {ratio:>6.3}  {memory:>8.1}  {plain_memory:>8.1}",
            scale.name
        );
    }
    Ok(())
}
