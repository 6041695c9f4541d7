//! Somebody guesses codes, keys and passwords all the time, or hundreds log in at once: what the table
//! notices of it.

use super::scene::Scene;
use super::swarm::{Pace, Speech, Swarm};
use super::wire::{Header, said};
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::Tablekeep;
use crate::support::talk::Talk;
use crate::support::{Result, folders, median};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread::scope;
use std::time::{Duration, Instant};

const GUESSES: u32 = 10_000;
/// Of each kind.
const SHARE: u32 = GUESSES / 4;
/// Logins at once, and how often.
const LOGINS: u8 = 200;
const EVERY: Duration = Duration::from_secs(5);
const LISTENERS: u64 = 50;
const BYTES: usize = 2 << 10;
const RATE: f64 = 30.0;
const SPAN: Duration = Duration::from_secs(20);
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(wanted: &Wanted, _: bool, report: &mut Report) -> Result<()> {
    let rows = [
        (
            "guessing",
            Noise::Guesses,
            "p99 of 50 at 30/s, 10,000 guesses, ms; beside: none",
        ),
        (
            "logins",
            Noise::Logins,
            "p99 of 50 at 30/s, 200 logins at once, ms; beside: none",
        ),
    ];
    for (_, noise, name) in rows.into_iter().filter(|(key, ..)| wanted.has(key)) {
        let (mut calm, mut beset) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            calm.push(broadcast(Noise::None)?);
            beset.push(broadcast(noise)?);
        }
        report.add(Row {
            name,
            ours: median(beset),
            beside: Some(median(calm)),
            goal: Goal::Times(1.10),
        });
    }
    Ok(())
}

/// What goes on beside the table.
#[derive(Clone, Copy, PartialEq)]
enum Noise {
    None,
    Guesses,
    Logins,
}

/// The p99 of a table while something goes on beside it, or nothing.
fn broadcast(noise: Noise) -> Result<f64> {
    let data = folders::empty()?;
    let server = Tablekeep::start_with(data.path(), &["--gm-password", "open sesame"])?;
    let addr = server.addr();
    let mut owner = Chat::open(addr)?;
    owner.say(&json!({
        "type": "CreateRoom", "name": "Hoard", "description": "", "password": "a dragon's name",
    }))?;
    let room = owner.hear()?;
    let key = room["room_info"]["join_key"].as_str();
    let key = key.ok_or("no chat room was made")?.to_owned();
    let mut swarm = Swarm::join(addr, Speech::SPELLTABLE, LISTENERS)?;
    let scene = Scene::of(BYTES);
    let mut message = |number, _| scene.update(number);
    scope(|threads| {
        let logging_in = (noise == Noise::Logins).then(|| threads.spawn(move || log_in(addr)));
        let guessing = (noise == Noise::Guesses).then(|| {
            [
                threads.spawn(move || ask(addr, "/tables/join", "code")),
                threads.spawn(move || ask(addr, "/signin", "password")),
                threads.spawn(move || chat(addr, |n| (format!("{n:016}"), "x".into()))),
                threads.spawn(move || chat(addr, |n| (key.clone(), n.to_string()))),
            ]
        });
        let tally = swarm.run(Pace::Rate(RATE), SPAN, &mut message);
        let others = guessing.into_iter().flatten().chain(logging_in);
        for other in others {
            other.join().map_err(|_| "a guesser failed")??;
        }
        Ok(tally?.percentile(99.0))
    })
}

/// Waits until guess number `n` is due, so that they come evenly.
fn wait_for_turn(start: Instant, n: u32) {
    let due = start + SPAN * n / SHARE;
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// Guesses over HTTP.
fn ask(addr: SocketAddr, path: &str, field: &str) -> Result<()> {
    let start = Instant::now();
    let mut talk = Talk::to(addr)?;
    for n in 0..SHARE {
        wait_for_turn(start, n);
        let guess = json!({ field: format!("{n:04}") }).to_string();
        let status = talk.ask("POST", path, &guess)?.head.status;
        if status < 400 {
            return Err(format!("{path} let a guesser in: {status}").into());
        }
    }
    Ok(())
}

/// Logs in from many addresses at once, until the span is over: each is a round of its own, as long as
/// it takes to answer all.
fn log_in(addr: SocketAddr) -> Result<()> {
    let start = Instant::now();
    let login = json!({"username": "anna", "password": "open sesame"}).to_string();
    // The first one makes the account, with the GM's password.
    let first = Talk::to(addr)?.ask("POST", "/auth/login", &login)?;
    if first.head.status != 200 {
        return Err(format!("nobody can log in: {}", first.head.status).into());
    }
    let kind = "Content-Type: application/json\r\n";
    let (mut let_in, mut put_off) = (0, 0);
    for round in 1..=254 {
        let due = EVERY * u32::from(round - 1);
        if due >= SPAN {
            break;
        }
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        // As a class does, each from a device of its own.
        let own = |n| Ipv4Addr::new(127, 1, round, n).into();
        let talks: Result<Vec<_>> = (1..=LOGINS).map(|n| Talk::from(own(n), addr)).collect();
        let mut talks = talks?;
        for talk in &mut talks {
            talk.send_head("POST", "/auth/login", kind, login.len())?;
            talk.send(login.as_bytes())?;
        }
        for talk in &mut talks {
            let status = talk.answer()?.head.status;
            match status {
                200 => let_in += 1,
                503 => put_off += 1,
                _ => return Err(format!("a login was answered {status}").into()),
            }
        }
    }
    eprintln!(
        "{let_in} logins in {:?}, {put_off} put off",
        start.elapsed()
    );
    Ok(())
}

/// Guesses of the chat's join keys and passwords. It does not wait for answers, which come later and
/// later.
fn chat(addr: SocketAddr, guess: impl Fn(u32) -> (String, String)) -> Result<()> {
    let start = Instant::now();
    let mut n = 0;
    while n < SHARE {
        let mut chat = Chat::open(addr)?;
        let mut ears = Chat(chat.0.try_clone()?);
        let heard: Result<()> = scope(|threads| {
            let listening = threads.spawn(move || {
                while let Ok(answer) = ears.hear() {
                    if answer["type"] != "Error" {
                        return Err(format!("a guesser heard {answer}"));
                    }
                }
                Ok(())
            });
            while n < SHARE {
                wait_for_turn(start, n);
                let (key, password) = guess(n);
                let guess = json!({
                    "type": "JoinRoom", "join_key": key, "password": password, "name": "Eve",
                });
                // Sent away; it comes again.
                if chat.say(&guess).is_err() {
                    break;
                }
                n += 1;
            }
            let _ = chat.0.shutdown(Shutdown::Both);
            Ok(listening.join().map_err(|_| "an ear failed")??)
        });
        heard?;
    }
    Ok(())
}

/// One chat client.
struct Chat(TcpStream);

impl Chat {
    fn open(addr: SocketAddr) -> Result<Self> {
        let mut io = TcpStream::connect(addr)?;
        io.set_nodelay(true)?;
        io.set_read_timeout(Some(PATIENCE))?;
        io.set_write_timeout(Some(PATIENCE))?;
        let head = format!(
            "GET /ws/chat HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        io.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            io.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        if !answer.starts_with(b"HTTP/1.1 101") {
            return Err("the handshake was refused".into());
        }
        Ok(Self(io))
    }

    fn say(&mut self, message: &Value) -> Result<()> {
        Ok(self.0.write_all(&said(message.to_string().as_bytes()))?)
    }

    /// The next message of text.
    fn hear(&mut self) -> Result<Value> {
        let mut received = Vec::new();
        loop {
            while let Some(header) = Header::read(&received) {
                let whole = header.bytes + header.payload;
                if received.len() < whole {
                    break;
                }
                let payload: Vec<u8> = received.drain(..whole).skip(header.bytes).collect();
                match header.opcode {
                    1 => return Ok(serde_json::from_slice(&payload)?),
                    8 => return Err("sent away".into()),
                    _ => {}
                }
            }
            let mut more = [0; 16 << 10];
            match self.0.read(&mut more)? {
                0 => return Err("the connection has ended".into()),
                n => received.extend_from_slice(&more[..n]),
            }
        }
    }
}
