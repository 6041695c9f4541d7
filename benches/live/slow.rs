//! Readers that never read: what the others notice, what they cost, when they are let go.

use super::scene::Scene;
use super::swarm::{Pace, Speech, Swarm, Tally, percentile};
use crate::support::proc::resident_mib;
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use crate::support::talk::Talk;
use crate::support::{Result, folders};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

const CLIENTS: u64 = 500;
const STALLED: u64 = CLIENTS / 10;
const SCENE_BYTES: usize = 200 << 10;
const RATE: f64 = 2.0;
/// One message in a hundred is the p99, and a round has 120 of them.
const LONG_ROUNDS: usize = 3;
/// What the kernels buffer takes some ten seconds to fill, and patience ten more.
const SPAN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
/// The server counts what waits twice a second, so it may have begun that much earlier.
const COUNTED: f64 = 0.6;
const RECEIVE_BUFFER: usize = 64 << 10;

/// What was seen of the server meanwhile.
#[derive(Default)]
struct Seen {
    peak_mib: f64,
    /// Since when something waits.
    queued: Option<Instant>,
    /// When the last stalled reader was let go.
    last_closed: Option<Instant>,
    closed: usize,
}

pub fn run(wanted: &Wanted, long: bool, report: &mut Report) -> Result<()> {
    if !wanted.has("slow") {
        return Ok(());
    }
    let (mut quiet, mut disturbed) = (Vec::new(), Vec::new());
    let (mut each, mut patience) = (Vec::new(), Vec::new());
    for _ in 0..if long { LONG_ROUNDS } else { 1 } {
        let (tally, calm) = broadcast(0)?;
        quiet.extend(tally.latencies);
        let (tally, seen) = broadcast(STALLED)?;
        disturbed.extend(tally.latencies);
        each.push((seen.peak_mib - calm.peak_mib).max(0.0) / STALLED as f64);
        patience.push(seen.patience()?);
    }
    report.add(Row {
        name: "p99 of 450, 50 others stalled, ms; beside: none",
        ours: p99(disturbed),
        beside: Some(p99(quiet)),
        goal: Goal::Times(1.10),
    });
    let name = "memory for each stalled reader, MiB";
    report.add(Row::alone(name, worst(each), Goal::AtMost(1.25)));
    let name = "first refused byte to the last one closed, s";
    report.add(Row::alone(name, worst(patience), Goal::AtMost(12.0)));
    Ok(())
}

impl Seen {
    /// Seconds from the first byte that a socket refused until the last stalled reader was let go.
    fn patience(&self) -> Result<f64> {
        if self.closed < STALLED as usize {
            return Err(format!("of {STALLED} stalled readers {} were closed", self.closed).into());
        }
        let from = self.queued.ok_or("nothing was seen waiting")?;
        let to = self.last_closed.ok_or("nobody was let go")?;
        Ok((to - from).as_secs_f64() + COUNTED)
    }
}

fn p99(mut latencies: Vec<f64>) -> f64 {
    latencies.sort_by(f64::total_cmp);
    percentile(&latencies, 99.0)
}

fn worst(figures: Vec<f64>) -> f64 {
    figures.into_iter().fold(0.0, f64::max)
}

/// What those who read had, and what was seen.
fn broadcast(stalled: u64) -> Result<(Tally, Seen)> {
    let data = folders::empty()?;
    let server = Tablekeep::start(data.path())?;
    let mut swarm = Swarm::join(server.addr(), Speech::SPELLTABLE, CLIENTS - STALLED)?;
    let stalled: Result<Vec<_>> = (0..stalled).map(|_| stall(server.addr())).collect();
    let stalled = stalled?;
    let over = AtomicBool::new(false);
    let scene = Scene::of(SCENE_BYTES);
    let mut message = |number, _| scene.update(number);
    scope(|threads| {
        let watching = threads.spawn(|| watch(&server, &stalled, &over));
        let tally = swarm.run(Pace::Rate(RATE), SPAN, &mut message);
        over.store(true, Ordering::Relaxed);
        let seen = watching.join().map_err(|_| "the watch failed")??;
        Ok((tally?, seen))
    })
}

/// A client that shakes hands and reads nothing any more.
fn stall(addr: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.connect(&addr.into())?;
    let mut io = TcpStream::from(socket);
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    io.write_all(head.as_bytes())?;
    let mut status = [0; 12];
    io.read_exact(&mut status)?;
    if &status != b"HTTP/1.1 101" {
        return Err("the handshake was refused".into());
    }
    Ok(io)
}

fn watch(server: &Tablekeep, stalled: &[TcpStream], over: &AtomicBool) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut open: Vec<&TcpStream> = stalled.iter().collect();
    let mut talk = Talk::to(server.addr())?;
    while !over.load(Ordering::Relaxed) {
        seen.peak_mib = seen.peak_mib.max(resident_mib(server.pid())?);
        if seen.queued.is_none() && queued(&mut talk)? > 0.0 {
            seen.queued = Some(Instant::now());
        }
        let before = open.len();
        // A reset is known without reading.
        open.retain(|io| matches!(SockRef::from(*io).take_error(), Ok(None)));
        if open.len() < before {
            seen.closed += before - open.len();
            seen.last_closed = Some(Instant::now());
        }
        sleep(LOOK);
    }
    Ok(seen)
}

/// Bytes that wait in the server.
fn queued(talk: &mut Talk) -> Result<f64> {
    let metrics = talk.ask("GET", "/metrics", "")?.body;
    let metrics = String::from_utf8(metrics)?;
    let name = "tablekeep_queue_bytes ";
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.ok_or("no queue in the metrics")?.parse()?)
}
