//! A small client of the table protocol that keeps its document as live-sync, section 4, has it.

use crate::support::{Socket, TestServer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use tungstenite::protocol::Message;

/// An id for something that wants an answer.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

pub fn set<const N: usize>(path: [Value; N], value: impl Into<Value>) -> Value {
    json!({"op": "set", "path": path[..], "value": value.into()})
}

pub fn insert(list: &str, value: Value) -> Value {
    json!({"op": "insert", "path": [list], "value": value})
}

/// The document as one client knows it: plain state, no socket.
#[derive(Default)]
pub struct Replica {
    pub epoch: String,
    pub seq: u64,
    pub doc: Value,
    pub loaded: bool,
    /// Something is missing: a `resync` is due.
    pub behind: bool,
    /// What the server said that it must never say.
    pub faults: Vec<String>,
    /// Every state message that was applied: its number and the edits, or nothing for a scene.
    pub log: Vec<(u64, Option<Value>)>,
    /// What was sent and is not answered: edits, or a whole scene.
    unanswered: BTreeMap<String, Value>,
    /// Acknowledged, waiting for what comes before it: by number, `prev` and content.
    held: BTreeMap<u64, (u64, Value)>,
    asked: bool,
    /// The number of the last state message on this connection.
    last_state: u64,
}

impl Replica {
    /// A new connection: what counts per connection begins anew.
    pub fn reconnects(&mut self) {
        self.last_state = 0;
        self.asked = false;
        self.behind = false;
    }

    /// A change is on its way.
    pub fn sends(&mut self, id: &str, content: Value) {
        self.unanswered.insert(id.to_owned(), content);
    }

    pub fn asks(&mut self) {
        self.asked = true;
    }

    pub fn take(&mut self, message: &Value) {
        match message["type"].as_str().unwrap_or_default() {
            "welcome" => self.welcome(message),
            "change" => self.change(message),
            "scene" => self.scene(message),
            "ack" => self.ack(message),
            "nack" => {
                self.unanswered
                    .remove(message["id"].as_str().unwrap_or_default());
            }
            _ => {}
        }
    }

    fn fault(&mut self, what: &str, message: &Value) {
        let text: String = message.to_string().chars().take(300).collect();
        self.faults.push(format!("at {}: {what}: {text}", self.seq));
    }

    fn welcome(&mut self, message: &Value) {
        if message["mode"] == "resumed" {
            if message["from"] != self.seq || message["epoch"] != self.epoch.as_str() {
                self.fault("resumed from elsewhere", message);
            }
            return;
        }
        self.epoch = message["epoch"].as_str().unwrap_or_default().to_owned();
        self.put(message);
    }

    fn put(&mut self, message: &Value) {
        self.seq = message["seq"].as_u64().unwrap();
        self.doc = message["scene"].clone();
        self.loaded = true;
        self.behind = false;
        self.asked = false;
        self.settle();
    }

    fn rises(&mut self, message: &Value) -> u64 {
        let seq = message["seq"].as_u64().unwrap_or_default();
        if message["epoch"] != self.epoch.as_str() {
            self.fault("another epoch", message);
        }
        if seq < self.last_state || seq == self.last_state && !self.asked {
            self.fault("the number does not rise", message);
        }
        self.last_state = seq;
        seq
    }

    fn change(&mut self, message: &Value) {
        let seq = self.rises(message);
        let prev = message["prev"].as_u64().unwrap();
        if prev >= seq {
            self.fault("prev is not before seq", message);
        }
        if seq <= self.seq {
            return;
        }
        if prev > self.seq {
            self.fault("a gap", message);
            self.behind = true;
            return;
        }
        if let Err(why) = apply(&mut self.doc, &message["edits"]) {
            self.fault(&why, message);
            self.behind = true;
            return;
        }
        self.seq = seq;
        self.log.push((seq, Some(message["edits"].clone())));
        self.settle();
    }

    fn scene(&mut self, message: &Value) {
        let seq = self.rises(message);
        if seq > self.seq || self.asked && seq == self.seq {
            self.log.push((seq, None));
            self.put(message);
        }
    }

    fn ack(&mut self, message: &Value) {
        let id = message["id"].as_str().unwrap_or_default();
        let Some(content) = self.unanswered.remove(id) else {
            return;
        };
        let Some(seq) = message["seq"].as_u64() else {
            return;
        };
        if message["epoch"] != self.epoch.as_str() {
            self.fault("an ack of another epoch", message);
        }
        let prev = message["prev"].as_u64().unwrap_or(seq - 1);
        let content = match message.get("edits") {
            Some(edits) => edits.clone(),
            None => content,
        };
        self.held.insert(seq, (prev, content));
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(first) = self.held.first_entry() {
            let seq = *first.key();
            if seq <= self.seq {
                first.remove();
                continue;
            }
            if first.get().0 > self.seq {
                return;
            }
            let (_, content) = first.remove();
            match &content {
                Value::Array(_) => {
                    if let Err(why) = apply(&mut self.doc, &content) {
                        self.fault(&why, &content);
                    }
                }
                _ => self.doc = content,
            }
            self.seq = seq;
        }
    }
}

/// Makes edits on a document that they fit.
pub fn apply(doc: &mut Value, edits: &Value) -> Result<(), String> {
    for edit in edits.as_array().ok_or("edits must be a list")? {
        make(doc, edit).ok_or_else(|| format!("does not fit: {edit}"))?;
    }
    Ok(())
}

fn make(doc: &mut Value, edit: &Value) -> Option<()> {
    let path = edit["path"].as_array()?;
    let op = edit["op"].as_str()?;
    let above = if op == "insert" {
        path.len()
    } else {
        path.len() - 1
    };
    let mut at = doc;
    for step in &path[..above] {
        at = match step {
            Value::String(key) => at.get_mut(key)?,
            selector => {
                let position = find(at, selector)?;
                at.get_mut(position)?
            }
        };
    }
    let last = path.last()?;
    let value = edit["value"].clone();
    match (op, last) {
        ("set", Value::String(key)) => {
            at.as_object_mut()?.insert(key.clone(), value);
        }
        ("set", selector) => {
            let position = find(at, selector)?;
            *at.get_mut(position)? = value;
        }
        ("delete", Value::String(key)) => {
            at.as_object_mut()?.shift_remove(key)?;
        }
        ("delete", selector) => {
            let position = find(at, selector)?;
            at.as_array_mut()?.remove(position);
        }
        ("insert", _) => {
            let position = place(at, edit);
            at.as_array_mut()?.insert(position, value);
        }
        ("move", selector) => {
            let from = find(at, selector)?;
            let to = place(at, edit);
            let list = at.as_array_mut()?;
            let thing = list.remove(from);
            list.insert(if to > from { to - 1 } else { to }, thing);
        }
        _ => return None,
    }
    Some(())
}

/// Where `before` stands; the end when it is absent or gone.
fn place(list: &Value, edit: &Value) -> usize {
    let before = edit.get("before").filter(|before| !before.is_null());
    let end = list.as_array().map_or(0, Vec::len);
    before.and_then(|before| find(list, before)).unwrap_or(end)
}

fn find(list: &Value, selector: &Value) -> Option<usize> {
    let selector = selector.as_object()?;
    let nth = selector.get("nth").and_then(Value::as_u64).unwrap_or(0);
    let (key, wanted) = selector.iter().find(|(key, _)| *key != "nth")?;
    let all = list.as_array()?.iter().enumerate();
    let mut matching = all.filter(|(_, thing)| thing.get(key) == Some(wanted));
    matching.nth(nth as usize).map(|(position, _)| position)
}

/// A member with its connection.
pub struct Member {
    pub socket: Socket,
    pub replica: Replica,
    pub welcome: Value,
    /// Everything that was said and not looked at yet, oldest first.
    pub heard: Vec<Value>,
}

impl Member {
    /// Joins the table `main`; the test is on the server's own machine, so any role is there to be had.
    pub fn join(server: &TestServer, role: &str, name: &str) -> Self {
        Self::join_as(server, &[], json!({"role": role, "name": name}))
    }

    pub fn join_as(server: &TestServer, headers: &[(&'static str, &str)], hello: Value) -> Self {
        Self::come_back(server, headers, hello, Replica::default())
    }

    /// Says hello with what the replica knows.
    pub fn come_back(
        server: &TestServer,
        headers: &[(&'static str, &str)],
        hello: Value,
        replica: Replica,
    ) -> Self {
        let socket = server.websocket_at("/ws/table", headers).unwrap();
        Self::greet(socket, hello, replica)
    }

    /// Joins over a connection that is there.
    pub fn over(stream: TcpStream, addr: SocketAddr, hello: Value) -> Self {
        let socket = Socket::over(stream, addr, "/ws/table", &[]).unwrap();
        Self::greet(socket, hello, Replica::default())
    }

    fn greet(mut socket: Socket, mut hello: Value, mut replica: Replica) -> Self {
        hello["type"] = "hello".into();
        hello["proto"] = 1.into();
        if replica.loaded {
            hello["epoch"] = replica.epoch.as_str().into();
            hello["seq"] = replica.seq.into();
        }
        replica.reconnects();
        socket.say(&hello.to_string());
        let welcome: Value = serde_json::from_str(&socket.hear()).unwrap();
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        replica.take(&welcome);
        Self {
            socket,
            replica,
            welcome,
            heard: Vec::new(),
        }
    }

    /// Breaks the connection without a word, and comes back with another.
    pub fn returns(self, server: &TestServer, name: &str) -> Self {
        let hello = json!({"role": self.welcome["you"]["role"], "name": name, "resume_token": self.token()});
        drop(self.socket);
        Self::come_back(server, &[], hello, self.replica)
    }

    pub fn id(&self) -> &str {
        self.welcome["you"]["id"].as_str().unwrap()
    }

    pub fn token(&self) -> &str {
        self.welcome["you"]["resume_token"].as_str().unwrap()
    }

    pub fn say(&mut self, message: &Value) {
        self.socket.say(&message.to_string());
    }

    fn read(&mut self) -> Value {
        let message: Value = serde_json::from_str(&self.socket.hear()).unwrap();
        self.replica.take(&message);
        message
    }

    /// The next message for which `wanted` holds; what comes before it stays to be looked at.
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(position) = self.heard.iter().position(&wanted) {
            return self.heard.remove(position);
        }
        loop {
            let message = self.read();
            if wanted(&message) {
                return message;
            }
            self.heard.push(message);
        }
    }

    pub fn until_type(&mut self, kind: &str) -> Value {
        self.until(|message| message["type"] == kind)
    }

    pub fn answer(&mut self, id: &str) -> Value {
        self.until(|message| {
            message["id"] == id && message["type"].as_str().unwrap().ends_with("ack")
        })
    }

    /// Says something that wants an answer, and waits for it.
    pub fn ask(&mut self, mut message: Value) -> Value {
        let id = new_id();
        message["id"] = id.as_str().into();
        if message["type"] == "change" {
            let content = message.get("edits").or_else(|| message.get("scene"));
            self.replica.sends(&id, content.unwrap().clone());
        }
        self.say(&message);
        self.answer(&id)
    }

    /// Asks for a change of the newest scene that it knows.
    pub fn change(&mut self, edits: Value) -> Value {
        let base = self.replica.seq;
        self.ask(json!({"type": "change", "base": base, "edits": edits}))
    }

    /// The same, and it must be taken.
    pub fn changes(&mut self, edits: Value) -> u64 {
        let answer = self.change(edits);
        assert_eq!(answer["type"], "ack", "{answer}");
        answer["seq"].as_u64().unwrap()
    }

    /// Waits until the room has seen everything that this member said, and this member everything
    /// that the room has said to it until then.
    pub fn catches_up(&mut self) {
        self.replica.asks();
        self.say(&json!({"type": "resync", "seq": self.replica.seq}));
        self.until_type("scene");
    }

    /// What was said of a kind and not looked at, after having caught up.
    pub fn all(&mut self, kind: &str) -> Vec<Value> {
        self.catches_up();
        let (wanted, rest) = std::mem::take(&mut self.heard)
            .into_iter()
            .partition(|message| message["type"] == kind);
        self.heard = rest;
        wanted
    }

    /// The code and reason with which the server closes.
    pub fn closed(&mut self) -> (u16, String) {
        closed(&mut self.socket)
    }
}

/// The code and reason with which the server closes, whatever it says before.
pub fn closed(socket: &mut Socket) -> (u16, String) {
    loop {
        match socket.0.read() {
            Ok(Message::Close(Some(frame))) => {
                return (frame.code.into(), frame.reason.as_str().to_owned());
            }
            Ok(_) => {}
            Err(error) => panic!("no close frame: {error}"),
        }
    }
}

#[test]
fn the_clients_edits_are_those_of_everybody() {
    let vectors = include_str!("../vectors/edits.json");
    let vectors: Vec<Value> = serde_json::from_str(vectors).unwrap();
    for case in vectors.iter().filter(|case| case.get("result").is_some()) {
        let mut doc = case["doc"].clone();
        apply(&mut doc, &case["edits"]).unwrap();
        assert_eq!(doc, case["result"], "{}", case["name"]);
    }
}
