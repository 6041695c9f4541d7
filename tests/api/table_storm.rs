//! Many clients, connections that break in the middle of a frame, and a server that is killed again
//! and again: nothing acknowledged is lost, nothing comes twice, and in the end all agree.
//!
//! `TABLEKEEP_LONG=1` makes it the full size (`tests/run --long`).

use crate::support::{PATIENCE, Socket as Page, TestServer, start_in};
use crate::table_client::{Member, Replica, insert, new_id, set};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};
use tablekeep::json::JsonText;
use tablekeep::model::player_view;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::Message;
use tungstenite::{HandshakeError, WebSocket};

struct Size {
    gms: usize,
    players: usize,
    displays: usize,
    /// Changes a second, of all together.
    changes: f64,
    drops: usize,
    kills: usize,
    lasts: Duration,
    /// How long all may take to agree once the last change is answered.
    agree: Duration,
}

impl Size {
    fn clients(&self) -> usize {
        self.gms + self.players + self.displays
    }

    /// Whether this one sees everything; behind the clients come two pages of SpellTable.
    fn is_gm(&self, number: usize) -> bool {
        number < self.gms || number == self.clients()
    }
}

const SMALL: Size = Size {
    gms: 3,
    players: 3,
    displays: 2,
    changes: 80.0,
    drops: 60,
    kills: 2,
    lasts: Duration::from_secs(6),
    agree: PATIENCE,
};
const FULL: Size = Size {
    gms: 20,
    players: 20,
    displays: 10,
    changes: 20.0,
    drops: 1000,
    kills: 20,
    lasts: Duration::from_secs(120),
    agree: Duration::from_secs(2),
};

/// What a scene holds besides, so that one does not fit into a socket's buffers.
const PAD: usize = 200 << 10;

/// Random numbers (splitmix64), the same for the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `n`.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn part_of(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.next() as f64 / u64::MAX as f64)
    }
}

/// How a connection will end.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Half of a message has gone out.
    Writing,
    /// Half of a message has come in.
    Reading,
    /// The server has more to say than the socket takes, and is in the middle of it.
    Full,
}

/// A stream that breaks in the middle of something once its time has come.
struct Fragile {
    io: TcpStream,
    plan: Option<(Way, Instant)>,
    dice: Dice,
    broken: bool,
}

impl Fragile {
    fn due(&self) -> Option<Way> {
        let (way, at) = self.plan?;
        (Instant::now() >= at).then_some(way)
    }

    /// Ends it, as often with a reset as in order.
    fn breaks<T>(&mut self) -> io::Result<T> {
        self.broken = true;
        if self.dice.below(2) == 0 {
            socket2::SockRef::from(&self.io).set_linger(Some(Duration::ZERO))?;
        }
        let _ = self.io.shutdown(std::net::Shutdown::Write);
        Err(ErrorKind::ConnectionReset.into())
    }
}

impl Read for Fragile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.broken {
            return Err(ErrorKind::ConnectionReset.into());
        }
        match self.due() {
            Some(Way::Reading | Way::Full) => {
                let most = 1 + self.dice.below(buffer.len().min(200));
                self.io.read(&mut buffer[..most])?;
                self.breaks()
            }
            _ => self.io.read(buffer),
        }
    }
}

impl Write for Fragile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.due() == Some(Way::Writing) {
            let part = self.dice.below(bytes.len());
            self.io.write_all(&bytes[..part])?;
            return self.breaks();
        }
        self.io.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the server is: another place after every kill.
#[derive(Clone, Copy)]
struct Place {
    addr: SocketAddr,
    /// How often it was started.
    life: usize,
}

struct World {
    size: &'static Size,
    place: Mutex<Place>,
    moved: Condvar,
    drops: AtomicUsize,
    /// No more changes, and no more drops.
    calm: AtomicBool,
    /// All is checked.
    over: AtomicBool,
    /// Where each client stands once it is calm and waits for no answer.
    standing: Vec<Mutex<Option<(u64, Value)>>>,
}

impl World {
    fn place(&self) -> Place {
        *self.place.lock().unwrap()
    }

    /// Waits a moment for the server to be somewhere else than at `old`.
    fn elsewhere(&self, old: Place) -> Place {
        let place = self.place.lock().unwrap();
        let pause = Duration::from_millis(50);
        let waited = self
            .moved
            .wait_timeout_while(place, pause, |place| place.life == old.life);
        *waited.unwrap().0
    }
}

/// Something that was asked for and is not answered.
struct Asked {
    message: Value,
    what: What,
}

#[derive(Clone)]
enum What {
    Marker,
    Delete(String),
    Secret(u64),
    Step(u64),
    Line(String),
}

/// What the answers came to.
#[derive(Default)]
struct Outcome {
    /// Markers that are there, by number.
    markers: BTreeMap<u64, String>,
    deleted: BTreeSet<String>,
    refused: BTreeSet<String>,
    secret: Option<u64>,
    step: Option<u64>,
    /// What was said, by its number.
    said: BTreeMap<u64, String>,
    /// What was heard, by its number.
    heard: BTreeMap<u64, String>,
    returns: usize,
    resumed: usize,
    resets: usize,
    replica: Replica,
    trouble: Vec<String>,
}

struct Client<'a> {
    world: &'a World,
    number: usize,
    role: &'static str,
    /// The entry that a player moves.
    entry: String,
    token: Option<String>,
    dice: Dice,
    asked: BTreeMap<String, Asked>,
    /// In which the asked were asked.
    order: Vec<String>,
    outcome: Outcome,
    counter: u64,
    next_change: Instant,
    /// The server's life at the last welcome.
    life: Option<usize>,
}

type Wire = WebSocket<Fragile>;

impl Client<'_> {
    fn run(mut self) -> Outcome {
        let mut place = self.world.place();
        while !self.world.over.load(Ordering::SeqCst) {
            *self.world.standing[self.number].lock().unwrap() = None;
            match self.connect(place) {
                Ok(mut wire) => {
                    self.live(&mut wire, place);
                    if wire.get_ref().broken {
                        self.world.drops.fetch_add(1, Ordering::SeqCst);
                    }
                    place = self.world.place();
                }
                Err(_) => place = self.world.elsewhere(place),
            }
        }
        self.outcome
    }

    fn connect(&mut self, place: Place) -> io::Result<Wire> {
        let calm = self.world.calm.load(Ordering::SeqCst);
        let enough = self.world.drops.load(Ordering::SeqCst) >= self.world.size.drops;
        let clients = self.world.size.clients();
        // So many clients break so often that the drops are spread over the whole time.
        let pace = self
            .world
            .size
            .lasts
            .mul_f64(2.0 * clients as f64 / self.world.size.drops as f64 * 0.8);
        let plan = (!calm && !enough).then(|| {
            let way = [Way::Writing, Way::Reading, Way::Full][self.dice.below(3)];
            (way, Instant::now() + self.dice.part_of(pace))
        });
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if plan.is_some_and(|(way, _)| way == Way::Full) {
            socket.set_recv_buffer_size(32 << 10)?;
        }
        socket.connect(&place.addr.into())?;
        socket.set_tcp_nodelay(true)?;
        let io: TcpStream = socket.into();
        io.set_read_timeout(Some(PATIENCE))?;
        let stream = Fragile {
            io,
            plan,
            dice: Dice(self.dice.next()),
            broken: false,
        };
        let request = format!("ws://{}/ws/table", place.addr)
            .into_client_request()
            .unwrap();
        match tungstenite::client(request, stream) {
            Ok((mut wire, _)) => {
                let wait = Some(Duration::from_millis(10));
                wire.get_mut().io.set_read_timeout(wait)?;
                Ok(wire)
            }
            Err(HandshakeError::Interrupted(_)) => Err(ErrorKind::TimedOut.into()),
            Err(HandshakeError::Failure(_)) => {
                // A connection may break that early, too.
                self.world.drops.fetch_add(1, Ordering::SeqCst);
                Err(ErrorKind::ConnectionReset.into())
            }
        }
    }

    /// Serves a connection until it breaks, or all is over.
    fn live(&mut self, wire: &mut Wire, place: Place) {
        let replica = &mut self.outcome.replica;
        let mut hello = json!({"type": "hello", "proto": 1, "name": format!("c{}", self.number), "role": self.role, "resume_token": self.token});
        let returns = replica.loaded;
        if returns {
            hello["epoch"] = replica.epoch.as_str().into();
            hello["seq"] = replica.seq.into();
        }
        replica.reconnects();
        if say(wire, &hello).is_err() {
            return;
        }
        let mut welcomed = false;
        while !self.world.over.load(Ordering::SeqCst) {
            let message = match wire.read() {
                Ok(Message::Text(text)) => serde_json::from_str::<Value>(&text).unwrap(),
                Ok(_) => continue,
                Err(tungstenite::Error::Io(e)) if is_pause(&e) => {
                    if welcomed && self.quiet(wire).is_err() {
                        return;
                    }
                    continue;
                }
                Err(_) => return,
            };
            self.outcome.replica.take(&message);
            if message["type"] == "welcome" {
                welcomed = true;
                self.welcomed(&message, returns, place);
                if self.resend(wire).is_err() {
                    return;
                }
            }
            self.heard(&message);
            if welcomed && self.busy(wire).is_err() {
                return;
            }
        }
    }

    fn welcomed(&mut self, welcome: &Value, returns: bool, place: Place) {
        self.token = welcome["you"]["resume_token"].as_str().map(str::to_owned);
        if returns && self.life == Some(place.life) {
            self.outcome.returns += 1;
            self.outcome.resumed += usize::from(welcome["mode"] == "resumed");
        }
        self.outcome.resets += usize::from(welcome["mode"] == "reset");
        self.life = Some(place.life);
        for line in welcome["chat"].as_array().unwrap() {
            self.line(line);
        }
    }

    fn resend(&mut self, wire: &mut Wire) -> Result<(), tungstenite::Error> {
        for id in &self.order {
            say(wire, &self.asked[id].message)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &Value) {
        let text = line["text"].as_str().unwrap().to_owned();
        let seq = line["chat_seq"].as_u64().unwrap();
        if let Some(before) = self.outcome.heard.insert(seq, text.clone())
            && before != text
        {
            self.outcome
                .trouble
                .push(format!("line {seq} was {before}, is {text}"));
        }
    }

    fn heard(&mut self, message: &Value) {
        match message["type"].as_str().unwrap() {
            "chat" => self.line(message),
            "ack" => self.answered(message, true),
            "nack" => self.answered(message, false),
            "error" => self.outcome.trouble.push(message.to_string()),
            _ => {}
        }
    }

    fn answered(&mut self, answer: &Value, taken: bool) {
        let id = answer["id"].as_str().unwrap();
        let Some(Asked { what, .. }) = self.asked.remove(id) else {
            // The answer to what was sent again, when the first one came after all.
            return;
        };
        self.order.retain(|other| other != id);
        if !taken {
            if answer["code"] != "conflict" {
                self.outcome.trouble.push(answer.to_string());
            }
            self.outcome.refused.insert(id.to_owned());
            return;
        }
        let seq = answer["seq"].as_u64();
        match what {
            What::Marker => {
                self.outcome.markers.insert(seq.unwrap(), id.to_owned());
            }
            What::Delete(marker) => {
                self.outcome.markers.retain(|_, other| *other != marker);
                self.outcome.deleted.insert(marker);
            }
            What::Secret(n) => self.outcome.secret = Some(n),
            What::Step(n) => self.outcome.step = Some(n),
            What::Line(text) => {
                self.outcome
                    .said
                    .insert(answer["chat_seq"].as_u64().unwrap(), text);
            }
        }
    }

    /// Nothing has come for a moment.
    fn quiet(&mut self, wire: &mut Wire) -> Result<(), tungstenite::Error> {
        // Whoever has seen that it is calm asks for nothing more.
        if self.asked.is_empty() && self.world.calm.load(Ordering::SeqCst) {
            let replica = &self.outcome.replica;
            let mut standing = self.world.standing[self.number].lock().unwrap();
            if standing.as_ref().is_none_or(|(seq, _)| *seq != replica.seq) {
                *standing = Some((replica.seq, replica.doc.clone()));
            }
        }
        self.busy(wire)
    }

    fn busy(&mut self, wire: &mut Wire) -> Result<(), tungstenite::Error> {
        let due = wire.get_ref().due();
        if self.outcome.replica.behind || due.is_some() {
            // For a break in the middle of something there must be something.
            let times = if due == Some(Way::Full) { 8 } else { 1 };
            for _ in 0..times {
                self.outcome.replica.asks();
                say(
                    wire,
                    &json!({"type": "resync", "seq": self.outcome.replica.seq}),
                )?;
            }
        }
        if Instant::now() < self.next_change || self.world.calm.load(Ordering::SeqCst) {
            return Ok(());
        }
        let size = self.world.size;
        let writers = (size.gms + size.players) as f64;
        let pause = Duration::from_secs_f64(writers / size.changes);
        self.next_change = Instant::now() + self.dice.part_of(pause * 2);
        let message = match self.role {
            "gm" if self.asked.len() < 4 => self.next_of_gm(),
            "player" if self.asked.is_empty() => self.next_of_player(),
            _ => return Ok(()),
        };
        say(wire, &message)
    }

    fn next_of_gm(&mut self) -> Value {
        let id = new_id();
        self.counter += 1;
        let n = self.counter;
        let waits = |what: fn(&What) -> bool| self.asked.values().any(|asked| what(&asked.what));
        let old = self.outcome.markers.values().next().cloned();
        let (what, edits) = match (self.dice.below(10), old) {
            (0, _) => {
                let text = format!("c{} says {n}", self.number);
                return self.ask(
                    id.clone(),
                    What::Line(text.clone()),
                    json!({"type": "chat", "id": id, "text": text}),
                );
            }
            (1 | 2, _) if !waits(|what| matches!(what, What::Secret(_))) => (
                What::Secret(n),
                json!([set([format!("gm_{}", self.number).into()], n)]),
            ),
            (3, Some(old)) if !waits(|what| matches!(what, What::Delete(_))) => (
                What::Delete(old.clone()),
                json!([{"op": "delete", "path": ["aoeMarkers", {"id": old}]}]),
            ),
            _ => {
                let marker = json!({"id": id, "shape": "cone", "label": format!("c{}", self.number), "revealed": true});
                (What::Marker, json!([insert("aoeMarkers", marker)]))
            }
        };
        let base = self.outcome.replica.seq;
        self.ask(
            id.clone(),
            what,
            json!({"type": "change", "id": id, "base": base, "edits": edits}),
        )
    }

    fn next_of_player(&mut self) -> Value {
        let id = new_id();
        self.counter += 1;
        let n = self.counter;
        let path = [
            "initiativeOrder".into(),
            json!({"id": self.entry}),
            "mapPosition".into(),
        ];
        let edits = json!([set(path, json!({"x": n, "y": 0}))]);
        let base = self.outcome.replica.seq;
        self.ask(
            id.clone(),
            What::Step(n),
            json!({"type": "change", "id": id, "base": base, "edits": edits}),
        )
    }

    fn ask(&mut self, id: String, what: What, message: Value) -> Value {
        if let Some(edits) = message.get("edits") {
            self.outcome.replica.sends(&id, edits.clone());
        }
        self.order.push(id.clone());
        self.asked.insert(
            id,
            Asked {
                message: message.clone(),
                what,
            },
        );
        message
    }
}

fn say(wire: &mut Wire, message: &Value) -> Result<(), tungstenite::Error> {
    // The socket blocks for writing.
    wire.send(Message::text(message.to_string()))
}

/// A page of SpellTable that only watches: also it must end with what all have.
fn watch(world: &World, number: usize, headers: &[(&'static str, &str)]) {
    let mut place = world.place();
    while !world.over.load(Ordering::SeqCst) {
        *world.standing[number].lock().unwrap() = None;
        let wire =
            TcpStream::connect(place.addr).map(|io| Page::over(io, place.addr, "/ws", headers));
        if let Ok(Ok(mut wire)) = wire {
            let wait = Some(Duration::from_millis(10));
            wire.0.get_mut().set_read_timeout(wait).unwrap();
            look(world, number, &mut wire);
        }
        place = world.elsewhere(place);
    }
}

fn look(world: &World, number: usize, wire: &mut Page) {
    let mut scene = None;
    while !world.over.load(Ordering::SeqCst) {
        match wire.0.read() {
            Ok(Message::Text(text)) => {
                let mut message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == "scene_update" {
                    scene = Some(message["scene"].take());
                }
            }
            Ok(_) => {}
            Err(tungstenite::Error::Io(e)) if is_pause(&e) => {
                if world.calm.load(Ordering::SeqCst) && scene.is_some() {
                    let shown = scene.take().map(|scene| (0, scene));
                    *world.standing[number].lock().unwrap() = shown;
                }
            }
            Err(_) => return,
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The table before the storm: an entry for every player.
fn prepare(server: &TestServer, size: &Size) -> Vec<(String, String)> {
    let mut gm = Member::join(server, "gm", "first");
    let entries: Vec<_> = (0..size.players)
        .map(|n| json!({"id": format!("e{n}"), "name": format!("Hero {n}"), "isPlayer": true, "mapPosition": {"x": 0, "y": 0}}))
        .collect();
    let scene = json!({
        "id": "storm", "name": "x".repeat(PAD), "maps": [], "activeMapId": null, "gridSettings": {"gridSize": 50},
        "initiativeOrder": entries, "aoeMarkers": [], "fogOfWar": [],
    });
    let ack = gm.ask(json!({"type": "change", "base": gm.replica.seq, "scene": scene}));
    assert_eq!(ack["type"], "ack");
    (0..size.players)
        .map(|n| {
            let player = Member::join(server, "player", &format!("p{n}"));
            let entry = format!("e{n}");
            let ack = gm.ask(json!({"type": "assign", "entry": entry, "member": player.id()}));
            assert_eq!(ack["type"], "ack");
            (entry, player.token().to_owned())
        })
        .collect()
}

fn client<'a>(
    world: &'a World,
    number: usize,
    players: &[(String, String)],
    seed: u64,
) -> Client<'a> {
    let size = world.size;
    let (role, nth) = match number {
        n if n < size.gms => ("gm", 0),
        n if n < size.gms + size.players => ("player", n - size.gms),
        _ => ("display", 0),
    };
    let own = players.get(nth).filter(|_| role == "player").cloned();
    let (entry, token) = own.map_or_else(Default::default, |(entry, token)| (entry, Some(token)));
    let mut dice = Dice(seed);
    Client {
        world,
        number,
        role,
        entry,
        token,
        next_change: Instant::now() + dice.part_of(Duration::from_secs(1)),
        dice,
        asked: BTreeMap::new(),
        order: Vec::new(),
        outcome: Outcome::default(),
        counter: 0,
        life: None,
    }
}

/// Kills the server again and again while the clients go on; returns the last one.
fn disturb(world: &World, mut server: TestServer, folder: &Path, start: Instant) -> TestServer {
    let size = world.size;
    for life in 1..=size.kills {
        let at = size.lasts.mul_f64(life as f64 / (size.kills + 1) as f64);
        wait_until(|| start.elapsed() >= at);
        server.kill();
        server = start_in(folder, &[]);
        let mut place = world.place.lock().unwrap();
        *place = Place {
            addr: server.addr,
            life,
        };
        drop(place);
        world.moved.notify_all();
    }
    let limit = size.lasts * 3 + PATIENCE;
    wait_until(|| {
        assert!(
            start.elapsed() < limit,
            "only {} drops",
            world.drops.load(Ordering::SeqCst)
        );
        start.elapsed() >= size.lasts && world.drops.load(Ordering::SeqCst) >= size.drops
    });
    server
}

fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        breathe();
    }
}

/// Lets the others go on.
fn breathe() {
    std::thread::park_timeout(Duration::from_millis(5));
}

/// Waits until nobody waits for an answer, then until all have the same; the time that took.
fn agreement(world: &World) -> Duration {
    let start = Instant::now();
    let mut answered = None;
    loop {
        let standing: Vec<_> = world
            .standing
            .iter()
            .map(|s| s.lock().unwrap().as_ref().map(|(seq, _)| *seq))
            .collect();
        if standing.iter().all(Option::is_some) {
            let since = *answered.get_or_insert_with(Instant::now);
            // The numbers of views differ, what they stand for must not: looked at below.
            let docs: Vec<_> = world
                .standing
                .iter()
                .map(|s| s.lock().unwrap().clone())
                .collect();
            let doc = |n: usize| docs[n].as_ref().map(|(_, doc)| doc);
            let size = world.size;
            let watches = |n: &usize| size.is_gm(*n);
            let (all, filtered): (Vec<_>, Vec<_>) = (0..docs.len()).partition(watches);
            let equal = |views: &[usize]| views.iter().all(|n| doc(*n) == doc(views[0]));
            if equal(&all) && equal(&filtered) {
                return since.elapsed();
            }
            assert!(
                since.elapsed() < world.size.agree,
                "they do not agree: {standing:?}"
            );
        }
        assert!(
            start.elapsed() < PATIENCE,
            "somebody waits for an answer: {standing:?}"
        );
        breathe();
    }
}

fn weather(size: &'static Size) {
    let seed = Instant::now().elapsed().as_nanos() as u64
        ^ std::process::id() as u64
        ^ uuid::Uuid::new_v4().as_u64_pair().0;
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let server = start_in(folder.path(), &[]);
    let players = prepare(&server, size);
    let clients = size.clients();
    let world = World {
        size,
        place: Mutex::new(Place {
            addr: server.addr,
            life: 0,
        }),
        moved: Condvar::new(),
        drops: AtomicUsize::new(0),
        calm: AtomicBool::new(false),
        over: AtomicBool::new(false),
        standing: (0..clients + 2).map(|_| Mutex::new(None)).collect(),
    };
    let start = Instant::now();
    let (outcomes, mut server) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|n| {
                let client = client(&world, n, &players, seed.wrapping_add(n as u64 * 7919));
                scope.spawn(move || client.run())
            })
            .collect();
        scope.spawn(|| watch(&world, clients, &[]));
        scope.spawn(|| watch(&world, clients + 1, &[("x-forwarded-for", "10.0.0.1")]));
        // Whatever goes wrong here, the clients must come to an end.
        let went = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let server = disturb(&world, server, folder.path(), start);
            world.calm.store(true, Ordering::SeqCst);
            let took = agreement(&world);
            println!("agreed after {took:?}");
            server
        }));
        world.over.store(true, Ordering::SeqCst);
        let outcomes: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        (outcomes, went)
    });
    for (n, outcome) in outcomes.iter().enumerate() {
        let none: [String; 0] = [];
        assert_eq!(outcome.replica.faults, none, "client {n}, seed {seed}");
        assert_eq!(outcome.trouble, none, "client {n}, seed {seed}");
    }
    let server = server
        .as_mut()
        .unwrap_or_else(|_| panic!("see above; seed {seed}"));
    check(size, &outcomes, world.drops.load(Ordering::SeqCst));
    // And it is still so after a stop.
    let last = outcomes[0].replica.doc.clone();
    assert_eq!(server.terminate(), 0);
    let server = start_in(folder.path(), &[]);
    assert_eq!(Member::join(&server, "gm", "after").replica.doc, last);
}

fn check(size: &Size, outcomes: &[Outcome], drops: usize) {
    let gms = &outcomes[..size.gms];
    let doc = &gms[0].replica.doc;
    // One past for everybody.
    let mut past: HashMap<(bool, u64), &Value> = HashMap::new();
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.resets, 0, "nothing that was told is ever lost");
        assert_eq!(outcome.replica.epoch, outcomes[0].replica.epoch);
        for (seq, edits) in &outcome.replica.log {
            if let Some(edits) = edits {
                let known = past.entry((n < size.gms, *seq)).or_insert(edits);
                assert_eq!(*known, edits, "change {seq}");
            }
        }
    }
    // Players see what the scene shows them.
    let scene = JsonText::parse(doc.to_string().into()).unwrap();
    let view: Value = serde_json::from_str(player_view(&scene).as_str()).unwrap();
    assert_eq!(outcomes.last().unwrap().replica.doc, view);
    // Every acknowledged marker once, in the order of the numbers; none that was refused or deleted.
    let there: Vec<&str> = doc["aoeMarkers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap())
        .collect();
    let mut acknowledged = BTreeMap::new();
    for outcome in gms {
        for (seq, id) in &outcome.markers {
            assert_eq!(
                acknowledged.insert(*seq, id.as_str()),
                None,
                "number {seq} was given twice"
            );
        }
    }
    assert_eq!(there, acknowledged.values().copied().collect::<Vec<_>>());
    for (n, outcome) in outcomes.iter().enumerate() {
        if let Some(secret) = outcome.secret {
            assert_eq!(doc[format!("gm_{n}")], secret);
        }
        if let Some(step) = outcome.step {
            let entry = &doc["initiativeOrder"][n - size.gms];
            assert_eq!(entry["mapPosition"]["x"], step);
        }
    }
    // One chat for everybody, and every acknowledged line in it.
    let mut lines: BTreeMap<u64, &str> = BTreeMap::new();
    for outcome in outcomes {
        for (seq, text) in outcome.heard.iter().chain(&outcome.said) {
            assert_eq!(
                *lines.entry(*seq).or_insert(text),
                text.as_str(),
                "line {seq}"
            );
        }
    }
    let texts: BTreeSet<&str> = lines.values().copied().collect();
    assert_eq!(texts.len(), lines.len(), "a line was said twice");
    let returns: usize = outcomes.iter().map(|outcome| outcome.returns).sum();
    let resumed: usize = outcomes.iter().map(|outcome| outcome.resumed).sum();
    let refused: usize = outcomes.iter().map(|outcome| outcome.refused.len()).sum();
    println!(
        "{} markers, {} lines, {refused} refused, {drops} drops, {resumed} of {returns} returns resumed, head {}",
        there.len(),
        lines.len(),
        gms[0].replica.seq
    );
    assert!(there.len() > 20 && returns > drops / 4);
    assert!(
        resumed * 100 >= returns * 99,
        "{resumed} of {returns} returns resumed"
    );
}

#[test]
fn nothing_acknowledged_is_lost_whatever_breaks() {
    weather(match std::env::var_os("TABLEKEEP_LONG") {
        None => &SMALL,
        Some(_) => &FULL,
    });
}
