//! Many tables at once, each with a few members who all change it: how long they wait, and whether
//! everybody has the same in the end - also when the server is killed every minute.

use super::durable::commits;
use super::scene::Scene;
use super::swarm::percentile;
use super::wire::{self, Header, said};
use crate::support::report::{Goal, Report, Row, Wanted};
use crate::support::tablekeep::{Started, free_addr};
use crate::support::talk::Talk;
use crate::support::{Result, folders};
use bytes::Bytes;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tablekeep::json::JsonText;
use tablekeep::model::edit::{Edit, apply};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until, timeout};

const ROOMS: usize = 50;
const MEMBERS: usize = 4;
/// Of all members of all tables together.
const CHANGES_PER_SECOND: u32 = 100;
const SPAN: Duration = Duration::from_secs(60);
const LONG_SPAN: Duration = Duration::from_secs(600);
const LIFE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(50);
const SETTLE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);
const SCENE_BYTES: usize = 4 << 10;

pub fn run(wanted: &Wanted, long: bool, report: &mut Report) -> Result<()> {
    if !wanted.has("rooms") {
        return Ok(());
    }
    let span = if long { LONG_SPAN } else { SPAN };
    let data = folders::empty()?;
    let commits = commits(data.path(), CHANGES_PER_SECOND.into())?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (latencies, kills) =
        LocalSet::new().block_on(&runtime, storm(data.path(), span, long.then_some(LIFE)))?;
    let name = if long {
        "ack p95, 50 tables, 100 changes/s, kills, ms"
    } else {
        "ack p95, 50 tables x 4, 100 changes/s, ms"
    };
    report.add(Row {
        name,
        ours: percentile(&latencies, 95.0),
        beside: Some(percentile(&commits, 95.0)),
        goal: Goal::AtMostOrTimes(25.0, 3.0),
    });
    let name = "kills after which nothing was missing";
    report.add(Row::alone(name, kills, Goal::None));
    Ok(())
}

/// Runs it all; the acks' times in milliseconds, sorted, and how often the server was killed.
/// Errors: somebody's document is not everybody's, or an acknowledged change is not in it.
async fn storm(data: &Path, span: Duration, life: Option<Duration>) -> Result<(Vec<f64>, f64)> {
    let addr = free_addr()?;
    let mut server = Started::new(addr, data)?;
    until_up(addr).await?;
    let tables = make_tables(addr)?;
    let shared = Rc::new(Shared::default());
    let mut members = Vec::new();
    for table in &tables {
        for place in 0..MEMBERS {
            let member = Member::new(addr, table, place, shared.clone());
            members.push(tokio::task::spawn_local(member.live()));
        }
    }
    let over = Instant::now() + span;
    let mut kills = 0;
    while let Some(left) = over.checked_duration_since(Instant::now()) {
        sleep(left.min(life.unwrap_or(left))).await;
        if life.is_some() && Instant::now() < over {
            drop(server);
            kills += 1;
            server = Started::new(addr, data)?;
            until_up(addr).await?;
        }
    }
    shared.over.set(true);
    let mut documents = Vec::new();
    for member in members {
        documents.push(timeout(PATIENCE, member).await???);
    }
    for (table, members) in tables.iter().zip(documents.chunks(MEMBERS)) {
        check(addr, table, members)?;
    }
    drop(server);
    let mut latencies = shared.latencies.take();
    latencies.sort_by(f64::total_cmp);
    Ok((latencies, f64::from(kills)))
}

async fn until_up(addr: SocketAddr) -> Result<()> {
    let trying = async {
        while TcpStream::connect(addr).await.is_err() {
            sleep(RETRY).await;
        }
    };
    Ok(timeout(PATIENCE, trying).await?)
}

fn make_tables(addr: SocketAddr) -> Result<Vec<String>> {
    let mut talk = Talk::to(addr)?;
    let mut tables = Vec::new();
    for nth in 0..ROOMS {
        let made = talk.ask("POST", "/tables", &format!("{{\"name\":\"Table {nth}\"}}"))?;
        let made: Value = serde_json::from_slice(&made.body)?;
        let id = made["id"]
            .as_str()
            .ok_or("a table without an id")?
            .to_owned();
        let path = format!("/tables/{id}/scene");
        let answer = talk.ask("PUT", &path, &Scene::of(SCENE_BYTES).at(0))?;
        if answer.head.status != 200 {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(format!("PUT {path}: {} {text}", answer.head.status).into());
        }
        tables.push(id);
    }
    Ok(tables)
}

/// Everybody's document is the server's, and has what was acknowledged.
fn check(addr: SocketAddr, table: &str, members: &[(JsonText, u64)]) -> Result<()> {
    let answer = Talk::to(addr)?.ask("GET", &format!("/tables/{table}/scene"), "")?;
    let truth: Value = serde_json::from_slice(&answer.body)?;
    let truth = if truth.get("scene").is_some() {
        truth["scene"].clone()
    } else {
        truth
    };
    for (place, (document, acked)) in members.iter().enumerate() {
        let document: Value = serde_json::from_str(document.as_str())?;
        if document != truth {
            return Err(format!("member {place} of table {table} has another document").into());
        }
        let there = truth["initiativeOrder"][place]["mapPosition"]["x"].as_u64();
        if there < Some(*acked) {
            return Err(format!("{table}: {acked} was acknowledged, {there:?} is there").into());
        }
    }
    Ok(())
}

#[derive(Default)]
struct Shared {
    over: Cell<bool>,
    latencies: RefCell<Vec<f64>>,
    changes: Cell<u64>,
}

/// A member that moves its own token now and then.
struct Member {
    addr: SocketAddr,
    table: String,
    /// Which token is its own.
    place: usize,
    shared: Rc<Shared>,
    resume_token: Option<String>,
    position: Option<(String, u64)>,
    document: Option<JsonText>,
    /// Where its token was last put.
    x: u64,
    acked: u64,
    /// What has no answer yet: id, message, and since when.
    pending: Option<(String, String, Instant)>,
    /// An ack that came before what it builds on: number before, number, edits.
    early: Option<(u64, u64, String)>,
}

impl Member {
    fn new(addr: SocketAddr, table: &str, place: usize, shared: Rc<Shared>) -> Self {
        Self {
            addr,
            table: table.to_owned(),
            place,
            shared,
            resume_token: None,
            position: None,
            document: None,
            x: 0,
            acked: 0,
            pending: None,
            early: None,
        }
    }

    /// Until the run is over: its document, and the last change that was acknowledged.
    async fn live(mut self) -> Result<(JsonText, u64)> {
        loop {
            match self.connection().await {
                Ok(true) => {
                    let document = self.document.ok_or("no document")?;
                    return Ok((document, self.acked));
                }
                // The server was killed; it comes back.
                Ok(false) => sleep(RETRY).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// One connection's life; `true`: the run is over.
    async fn connection(&mut self) -> Result<bool> {
        let Ok((io, mut received)) = wire::open(self.addr, "/ws/table", false).await else {
            return Ok(false);
        };
        if !self.say(&io, &self.hello()).await {
            return Ok(false);
        }
        let pause = Duration::from_secs((ROOMS * MEMBERS) as u64) / CHANGES_PER_SECOND;
        let mut tick = interval(pause);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut quiet = Instant::now();
        let mut scratch = vec![0; 16 << 10];
        loop {
            while let Some(text) = next_text(&mut received, &io)? {
                quiet = Instant::now();
                if let Some(answer) = self.hear(text)?
                    && !self.say(&io, &answer).await
                {
                    return Ok(false);
                }
            }
            let settled = self.shared.over.get() && self.pending.is_none();
            tokio::select! {
                ready = io.readable() => {
                    ready?;
                    match io.try_read(&mut scratch) {
                        Ok(0) => return Ok(false),
                        Ok(n) => received.extend_from_slice(&scratch[..n]),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        Err(_) => return Ok(false),
                    }
                }
                () = sleep_until((quiet + SETTLE).into()), if settled => return Ok(true),
                _ = tick.tick(), if !self.shared.over.get() => {
                    if self.pending.is_none() && self.document.is_some() {
                        self.x += 1;
                        let change = self.change()?;
                        if !self.say(&io, &change).await {
                            return Ok(false);
                        }
                    }
                }
            }
        }
    }

    /// `false`: the connection is lost.
    async fn say(&self, io: &TcpStream, text: &str) -> bool {
        let frame = said(text.as_bytes());
        let mut rest = &frame[..];
        while !rest.is_empty() {
            if io.writable().await.is_err() {
                return false;
            }
            match io.try_write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn hello(&self) -> String {
        let mut hello = serde_json::json!({
            "type": "hello",
            "proto": 1,
            "table": self.table,
            "name": format!("Member {}", self.place),
        });
        if let (Some(token), Some((epoch, seq))) = (&self.resume_token, &self.position) {
            hello["resume_token"] = token.as_str().into();
            hello["epoch"] = epoch.as_str().into();
            hello["seq"] = (*seq).into();
        }
        hello.to_string()
    }

    /// The next change, made on what this member has.
    fn change(&mut self) -> Result<String> {
        let (epoch, seq) = self.position.as_ref().ok_or("no position")?;
        let number = self.shared.changes.get() + 1;
        self.shared.changes.set(number);
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        let change = format!(
            "{{\"type\":\"change\",\"id\":\"{id}\",\"epoch\":\"{epoch}\",\"base\":{seq},\"edits\":{}}}",
            self.edits()
        );
        self.pending = Some((id, change.clone(), Instant::now()));
        Ok(change)
    }

    fn edits(&self) -> String {
        let Self { place, x, .. } = self;
        format!(
            "[{{\"op\":\"set\",\"path\":[\"initiativeOrder\",{{\"id\":\"t{place}\"}},\"mapPosition\"],\
             \"value\":{{\"x\":{x},\"y\":7}}}}]"
        )
    }

    /// Takes a message in; what is to be said now.
    fn hear(&mut self, text: Bytes) -> Result<Option<String>> {
        let message = JsonText::parse(text)?;
        let root = message.root();
        let word = |name: &str| Some(root.get(name)?.as_str()?.into_owned());
        let number = |name: &str| root.get(name)?.raw().parse::<u64>().ok();
        match word("type").as_deref() {
            Some("welcome") => {
                let token = root.get("you").and_then(|you| you.get("resume_token"));
                self.resume_token = token.and_then(|t| Some(t.as_str()?.into_owned()));
                let epoch = word("epoch").ok_or("a welcome without an epoch")?;
                if let Some(scene) = root.get("scene") {
                    self.document = Some(message.part(scene));
                    let seq = number("seq").ok_or("a welcome without a number")?;
                    self.position = Some((epoch, seq));
                    self.early = None;
                }
                // With the same id, so that it counts once.
                return Ok(self.pending.as_ref().map(|(_, message, _)| message.clone()));
            }
            Some("change") => {
                let (seq, prev) = (number("seq"), number("prev"));
                let (seq, prev) = seq.zip(prev).ok_or("a change without numbers")?;
                let edits = root.get("edits").ok_or("a change without edits")?;
                self.follow(prev, seq, edits.raw())?;
            }
            Some("scene") => {
                let seq = number("seq").ok_or("a scene without a number")?;
                let scene = root.get("scene").ok_or("no scene")?;
                if let Some((_, at)) = &mut self.position
                    && *at < seq
                {
                    *at = seq;
                    self.document = Some(message.part(scene));
                }
            }
            Some("ack") => {
                let Some((_, _, since)) = self
                    .pending
                    .take_if(|(id, ..)| Some(&*id) == word("id").as_ref())
                else {
                    return Ok(None);
                };
                self.shared
                    .latencies
                    .borrow_mut()
                    .push(since.elapsed().as_secs_f64() * 1e3);
                self.acked = self.x;
                let seq = number("seq").ok_or("an ack without a number")?;
                let prev = number("prev").unwrap_or_default();
                let edits = root.get("edits").map(|edits| edits.raw().to_owned());
                self.early = Some((prev, seq, edits.unwrap_or_else(|| self.edits())));
            }
            Some("nack") => {
                // Made on a past that a kill has ended; once more, on what is now.
                self.pending = None;
                return self.change().map(Some);
            }
            _ => {}
        }
        if let Some((prev, seq, edits)) = self.early.take() {
            let here = self.position.as_ref().map_or(0, |(_, seq)| *seq);
            if here < prev {
                self.early = Some((prev, seq, edits));
            } else {
                self.follow(prev, seq, &edits)?;
            }
        }
        Ok(None)
    }

    fn follow(&mut self, prev: u64, seq: u64, edits: &str) -> Result<()> {
        let (Some((_, here)), Some(document)) = (&mut self.position, &self.document) else {
            return Ok(());
        };
        if seq <= *here {
            return Ok(());
        }
        if prev > *here {
            return Err(format!("a change was left out between {here} and {seq}").into());
        }
        let text = JsonText::parse(Bytes::copy_from_slice(edits.as_bytes()))?;
        let edits = Edit::parse_list(text.root(), &text)?;
        self.document = Some(apply(document, &edits)?);
        *here = seq;
        Ok(())
    }
}

/// The next whole text message in `received`; pings are answered.
fn next_text(received: &mut Vec<u8>, io: &TcpStream) -> Result<Option<Bytes>> {
    while let Some(header) = Header::read(received) {
        let end = header.bytes + header.payload;
        if received.len() < end {
            break;
        }
        let rest = received.split_off(end);
        let mut frame = Bytes::from(std::mem::replace(received, rest));
        let payload = frame.split_off(header.bytes);
        match header.opcode {
            1 => return Ok(Some(payload)),
            9 => {
                // One that does not fit would be the first of many; the server sees to those.
                let _ = io.try_write(&wire::frame(10, &payload, true));
            }
            _ => {}
        }
    }
    Ok(None)
}
