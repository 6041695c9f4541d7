//! A room as `live::room` has it, with a disk, a clock and sockets that do what a test says.

use super::super::{
    DISPLAYS, Guest, Message, PLAYERS, READERS, Request, Settings, TableRules, Wire, parse_hello,
    recover,
};
use crate::access::{Basis, Role};
use crate::config::Echo;
use crate::dialects::spelltable;
use crate::json::JsonText;
use crate::live::{
    CloseCode, Closing, ConnId, Delivery, Dialect, Frame, Groups, Heard, Journaling, Lane, Now,
    Outgoing, Rules, To, Topic, Whole,
};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What nobody but a GM may ever read: tests put it into everything that is hidden.
pub const SECRETS: [&str; 2] = ["SECRET", "77700077"];

pub fn text(json: &str) -> JsonText {
    JsonText::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap()
}

/// One message that has reached a client's machine.
#[derive(Clone, Debug)]
pub struct Said {
    pub text: String,
    /// The number of the head when it was sent.
    pub head: u64,
    pub at: Instant,
}

/// The server's side of one socket, after `live::link`.
pub struct Link {
    pub groups: Groups,
    /// The socket takes nothing at the moment.
    pub stuck: bool,
    pub closed: Option<(CloseCode, String)>,
    /// What the client has not read yet.
    pub inbox: VecDeque<Said>,
    lanes: Lanes,
}

#[derive(Default)]
struct Lanes {
    answers: VecDeque<(Frame, u64)>,
    control: VecDeque<(Frame, u64)>,
    state: VecDeque<(Frame, u64)>,
    state_bytes: usize,
    newest: Option<(Result<Frame, Whole>, u64)>,
    passing: VecDeque<(Topic, Frame, u64)>,
}

impl Link {
    fn push(&mut self, lane: &Lane, frame: &Frame, head: u64, most: usize) {
        let lanes = &mut self.lanes;
        let bytes = frame.bytes().len();
        match lane {
            Lane::Answer | Lane::Large(_) => lanes.answers.push_back((frame.clone(), head)),
            Lane::Control => lanes.control.push_back((frame.clone(), head)),
            Lane::State(whole) => {
                let beyond = lanes.state.len() >= most
                    || lanes.state_bytes + bytes > 256 << 10 && !lanes.state.is_empty();
                if lanes.newest.is_none() && !beyond {
                    lanes.state_bytes += bytes;
                    lanes.state.push_back((frame.clone(), head));
                    return;
                }
                lanes.state.clear();
                lanes.state_bytes = 0;
                let newest = whole.clone().map_or_else(|| Ok(frame.clone()), Err);
                lanes.newest = Some((newest, head));
            }
            Lane::Passing(topic) => {
                lanes.passing.retain(|(known, ..)| known != topic);
                lanes
                    .passing
                    .push_back((topic.clone(), frame.clone(), head));
            }
        }
    }

    /// Writes everything, lane by lane.
    fn flush(&mut self, at: Instant) {
        if self.stuck || self.closed.is_some() {
            return;
        }
        let lanes = std::mem::take(&mut self.lanes);
        let newest = lanes.newest.map(|(newest, head)| match newest {
            Ok(frame) => (frame, head),
            Err(whole) => (whole.frame().clone(), head),
        });
        let frames = lanes
            .answers
            .into_iter()
            .chain(lanes.control)
            .chain(lanes.state);
        let passing = lanes
            .passing
            .into_iter()
            .map(|(_, frame, head)| (frame, head));
        for (frame, head) in frames.chain(newest).chain(passing) {
            for text in texts(&frame) {
                self.inbox.push_back(Said { text, head, at });
            }
        }
    }
}

/// The text frames in a run of bytes (RFC 6455, section 5.2).
fn texts(frame: &Frame) -> Vec<String> {
    let mut bytes = &frame.bytes()[..];
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let big_endian = |bytes: &[u8]| bytes.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
        let (start, length) = match bytes[1] {
            126 => (4, big_endian(&bytes[2..4])),
            127 => (10, big_endian(&bytes[2..10])),
            short => (2, usize::from(short)),
        };
        let payload = &bytes[start..start + length];
        found.push(std::str::from_utf8(payload).unwrap().to_owned());
        bytes = &bytes[start + length..];
    }
    found
}

/// A journal, with the habits of `live::committer`.
#[derive(Default)]
pub struct Disk {
    pub records: Vec<Bytes>,
    /// Not answered yet; `true`: it fails because one before it did.
    waiting: VecDeque<(Journaling, bool)>,
    halted: bool,
}

impl Disk {
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many records wait, a rewrite counted as one.
    pub fn waiting(&self) -> usize {
        let records = |journaling: &Journaling| match journaling {
            Journaling::Append(records) => records.len(),
            Journaling::Restart(_) => 1,
        };
        self.waiting.iter().map(|(what, _)| records(what)).sum()
    }

    fn take(&mut self, journaling: Journaling) {
        self.waiting.push_back((journaling, self.halted));
    }

    fn write(&mut self, journaling: Journaling) {
        match journaling {
            Journaling::Append(records) => self.records.extend(records),
            Journaling::Restart(records) => self.records = records,
        }
    }

    fn next(&mut self, works: bool) -> Option<Result<(), String>> {
        let (journaling, doomed) = self.waiting.pop_front()?;
        if !doomed && works {
            self.write(journaling);
            return Some(Ok(()));
        }
        if matches!(journaling, Journaling::Append(_)) && !doomed {
            self.halted = true;
            self.waiting
                .iter_mut()
                .for_each(|(_, doomed)| *doomed = true);
        }
        if self.waiting.is_empty() {
            self.halted = false;
        }
        Some(Err("no space left".into()))
    }

    /// The power goes: of what waits, the first `kept` records have reached the disk.
    fn crash(&mut self, mut kept: usize) {
        for (journaling, doomed) in std::mem::take(&mut self.waiting) {
            if doomed || kept == 0 {
                break;
            }
            match journaling {
                Journaling::Append(records) => {
                    let here = records.len().min(kept);
                    kept -= here;
                    self.records.extend(records.into_iter().take(here));
                }
                restart @ Journaling::Restart(_) => {
                    kept -= 1;
                    self.write(restart);
                }
            }
        }
        self.halted = false;
    }
}

/// A table, its disk and its connections.
pub struct World {
    pub rules: TableRules,
    pub disk: Disk,
    pub links: BTreeMap<ConnId, Link>,
    pub now: Now,
    /// What was given to be written into the scene's own file, oldest first.
    pub files: Vec<JsonText>,
    /// Scenes that were to be kept aside.
    pub aside: usize,
    /// Works that write them.
    pub aside_written: usize,
    /// The disk answers at once.
    pub prompt: bool,
    /// More comes in the same round.
    more: bool,
    /// Frames of state that wait in order for a slow reader.
    pub most: usize,
    settings: Settings,
    ticked: Instant,
    next: u64,
}

impl World {
    pub fn new(scene: Option<&str>) -> Self {
        Self::with(Echo::Auto, scene)
    }

    pub fn with(echo: Echo, scene: Option<&str>) -> Self {
        let settings = Settings {
            echo,
            frame_bytes: 16 << 20,
            aside: "aside".into(),
            has_file: true,
            metrics: Arc::default(),
            removed: Arc::new(|_| {}),
        };
        let now = Now {
            // Room for a past.
            instant: Instant::now() + Duration::from_secs(100_000),
            unix_ms: 1_800_000_000_000,
        };
        let file = scene.map(text);
        let rules = TableRules::begin(
            settings.clone(),
            recover(&[], false, file.clone(), now),
            |_| Ok(()),
        );
        Self {
            rules,
            disk: Disk::default(),
            links: BTreeMap::new(),
            now,
            files: file.into_iter().collect(),
            aside: 0,
            aside_written: 0,
            prompt: true,
            more: false,
            most: 64,
            settings,
            ticked: now.instant,
            next: 1,
        }
    }

    pub fn frame_bytes(mut self, bytes: u64) -> Self {
        self.settings.frame_bytes = bytes;
        self.rules.settings.frame_bytes = bytes;
        self
    }

    // Time and disk

    /// Somebody sets the clock on the wall.
    pub fn set_clock(&mut self, ahead_ms: i64) {
        self.now.unix_ms = self.now.unix_ms.saturating_add_signed(ahead_ms);
    }

    pub fn advance(&mut self, ms: u64) {
        let end = self.now.instant + Duration::from_millis(ms);
        while self.ticked + Duration::from_secs(1) <= end {
            let to = self.ticked + Duration::from_secs(1);
            self.pass(to.saturating_duration_since(self.now.instant));
            self.ticked = to;
            self.call(|rules, now, out| rules.tick(now, out));
        }
        self.pass(end.saturating_duration_since(self.now.instant));
    }

    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_ms += time.as_millis() as u64;
    }

    /// The disk answers the oldest request. `false`: there was none.
    pub fn answer(&mut self, works: bool) -> bool {
        let Some(outcome) = self.disk.next(works) else {
            return false;
        };
        self.act(|rules, now, out| rules.committed(outcome, now, out));
        true
    }

    pub fn settle_disk(&mut self) {
        while self.answer(true) {}
    }

    /// The server dies; of what waits for the disk, `kept` records are there. Then it starts anew.
    pub fn crash(&mut self, kept: usize) {
        let file = self.files.last().cloned();
        self.die(kept);
        self.start(false, file);
    }

    pub fn die(&mut self, kept: usize) {
        self.disk.crash(kept);
        self.links.clear();
    }

    pub fn start(&mut self, damaged: bool, file: Option<JsonText>) {
        let recovered = recover(&self.disk.records, damaged, file, self.now);
        self.aside += usize::from(recovered.replaced.is_some());
        let disk = &mut self.disk;
        self.rules = TableRules::begin(self.settings.clone(), recovered, |record| {
            disk.records = vec![record];
            Ok(())
        });
    }

    /// Stops in order. Returns what was answered.
    pub fn stop(&mut self) -> bool {
        let (reply, mut answer) = oneshot::channel();
        self.ask(Request::Stop { reply });
        self.settle_disk();
        self.links.clear();
        answer.try_recv().unwrap()
    }

    // Calls

    /// Calls the rules; a prompt disk has answered when this returns.
    pub fn call(&mut self, act: impl FnOnce(&mut TableRules, Now, &mut Outgoing)) {
        self.act(act);
        if self.prompt && !self.more {
            self.settle_disk();
        }
    }

    /// What is said in `say` comes together.
    pub fn round(&mut self, say: impl FnOnce(&mut Self)) {
        self.more = true;
        say(self);
        self.more = false;
        self.call(|_, _, _| {});
    }

    fn act(&mut self, act: impl FnOnce(&mut TableRules, Now, &mut Outgoing)) {
        let mut out = Outgoing::default();
        let kept = self.rules.aside.count();
        act(&mut self.rules, self.now, &mut out);
        // Whoever has to go gets nothing of what follows.
        if !self.more || !out.closed.is_empty() || !out.released.is_empty() {
            self.rules.flush(self.now, &mut out);
        }
        self.aside += usize::try_from(self.rules.aside.count() - kept).unwrap();
        self.aside_written += out.aside.len();
        for journaling in out.journal {
            self.disk.take(journaling);
        }
        self.files.extend(out.document);
        let mut closed = out.closed.into_iter().peekable();
        for (sent, delivery) in out.deliveries.iter().enumerate() {
            while let Some(closing) = closed.next_if(|closing| closing.behind <= sent) {
                self.close(closing);
            }
            self.deliver(delivery);
        }
        closed.for_each(|closing| self.close(closing));
        for link in self.links.values_mut() {
            link.flush(self.now.instant);
        }
        for answer in out.answers {
            answer();
        }
    }

    fn close(&mut self, closing: Closing) {
        if let Some(link) = self.links.get_mut(&closing.conn) {
            link.flush(self.now.instant);
            link.closed.get_or_insert((closing.code, closing.reason));
        }
    }

    fn deliver(&mut self, delivery: &Delivery) {
        let head = self.rules.doc.head();
        for (conn, link) in &mut self.links {
            let meant = match delivery.to {
                To::Groups(groups) => groups.meets(link.groups),
                To::But(groups, but) => groups.meets(link.groups) && *conn != but,
                To::One(one) => *conn == one,
            };
            if !meant || link.closed.is_some() {
                continue;
            }
            if link.groups.meets(PLAYERS.and(DISPLAYS).and(READERS)) {
                for secret in SECRETS {
                    let bytes = delivery.frame.bytes();
                    let found = memchr::memmem::find(bytes, secret.as_bytes());
                    assert!(
                        found.is_none(),
                        "{:?} reads {:?}",
                        conn,
                        texts(&delivery.frame)
                    );
                }
            }
            link.push(&delivery.lane, &delivery.frame, head, self.most);
        }
    }

    pub fn stick(&mut self, conn: ConnId, stuck: bool) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.stuck = stuck;
            link.flush(self.now.instant);
        }
    }

    pub fn ask(&mut self, request: Request) {
        self.call(|rules, now, out| rules.ask(request, now, out));
    }

    /// Asks for something that is answered at once.
    pub fn answered<T>(&mut self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> T {
        let (reply, mut answer) = oneshot::channel();
        self.ask(request(reply));
        answer.try_recv().unwrap()
    }

    // Connections

    fn admit(&mut self, guest: Guest) -> ConnId {
        let conn = ConnId(self.next);
        self.next += 1;
        let link = Link {
            groups: self.rules.group(&guest),
            stuck: false,
            closed: None,
            inbox: VecDeque::new(),
            lanes: Lanes::default(),
        };
        self.links.insert(conn, link);
        self.call(|rules, now, out| rules.join(conn, guest, now, out));
        conn
    }

    /// A client of ours; `role` is what it can prove.
    pub fn hello(&mut self, role: Role, hello: &Value) -> ConnId {
        let hello = parse_hello(hello.to_string().into()).unwrap();
        let role = hello.role.unwrap_or(role).min(role);
        let hello = Box::new(hello);
        self.admit(Guest::Member {
            role,
            proof: Basis::default(),
            hello,
        })
    }

    pub fn page(&mut self, role: Role) -> ConnId {
        self.admit(Guest::SpellTable { role })
    }

    pub fn leave(&mut self, conn: ConnId) {
        if self.links.remove(&conn).is_some() {
            self.call(|rules, now, out| rules.leave(conn, now, out));
        }
    }

    /// A client says something.
    pub fn say(&mut self, conn: ConnId, message: &str) {
        let Some(link) = self.links.get_mut(&conn) else {
            return;
        };
        let is_page = link.groups.meets(READERS.and(super::super::WRITERS));
        let heard: Heard<Message> = if is_page {
            spelltable::Wire::default().read(Bytes::copy_from_slice(message.as_bytes()))
        } else {
            Wire.read(Bytes::copy_from_slice(message.as_bytes()))
        };
        match heard {
            Heard::Message(message) => {
                self.call(|rules, now, out| rules.receive(conn, message, now, out));
            }
            Heard::Answer(frame) => {
                link.push(&Lane::Control, &frame, 0, self.most);
                link.flush(self.now.instant);
            }
            _ => {}
        }
    }

    /// Everything that `conn` has received and not read yet.
    pub fn read(&mut self, conn: ConnId) -> Vec<String> {
        let inbox = self.links.get_mut(&conn).map(|link| link.inbox.drain(..));
        inbox.into_iter().flatten().map(|said| said.text).collect()
    }

    /// The same as JSON.
    pub fn heard(&mut self, conn: ConnId) -> Vec<Value> {
        let said = self.read(conn);
        let parsed = said.iter().map(|text| serde_json::from_str(text).unwrap());
        parsed.collect()
    }

    pub fn scene(&self) -> Value {
        self.rules.doc.scene().root().to_value()
    }
}
