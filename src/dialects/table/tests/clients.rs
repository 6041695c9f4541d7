//! Clients written after section 4 of the contract: one of ours, and a page of SpellTable.

use super::edits::apply;
use super::world::{Said, World};
use crate::access::Role;
use crate::live::ConnId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// A client of our own protocol. It knows only what has been said to it.
#[derive(Default)]
pub struct Member {
    pub conn: Option<ConnId>,
    pub asks: Option<Role>,
    pub proves: Option<Role>,
    pub name: String,
    pub token: Option<String>,
    pub id: String,
    pub epoch: String,
    pub seq: u64,
    pub doc: Value,
    /// How the last hello was answered.
    pub mode: String,
    /// Own changes that have no answer yet.
    pub mine: HashMap<String, Value>,
    /// Acknowledged changes that wait for what comes before them, by their number.
    held: BTreeMap<u64, (u64, Value)>,
    resyncing: bool,
    /// How often it lost the thread.
    pub lost: usize,
    last_state: u64,
    /// Answers, in order: `(id, message)`.
    pub answers: Vec<(String, Value)>,
    /// Everything else that was said, in order.
    pub news: Vec<Value>,
}

impl Member {
    pub fn new(role: Role, name: &str) -> Self {
        Self {
            asks: Some(role),
            proves: Some(role),
            name: name.into(),
            ..Self::default()
        }
    }

    pub fn connect(&mut self, world: &mut World) {
        let role = match self.asks {
            Some(Role::Gm) => "gm",
            Some(Role::Player) => "player",
            _ => "display",
        };
        let mut hello = json!({
            "type": "hello", "proto": 1, "table": "main", "name": self.name, "role": role,
        });
        if let Some(token) = &self.token {
            hello["resume_token"] = json!(token);
        }
        if !self.epoch.is_empty() {
            hello["epoch"] = json!(self.epoch);
            hello["seq"] = json!(self.seq);
        }
        self.held.clear();
        self.resyncing = false;
        self.last_state = 0;
        self.mode.clear();
        self.conn = Some(world.hello(self.proves.unwrap_or(Role::Display), &hello));
    }

    /// Connects and reads the welcome and whatever else is there.
    pub fn join(role: Role, name: &str, world: &mut World) -> Self {
        let mut member = Self::new(role, name);
        member.connect(world);
        member.read_all(world);
        member
    }

    pub fn conn(&self) -> ConnId {
        self.conn.unwrap()
    }

    pub fn drop_line(&mut self, world: &mut World) {
        if let Some(conn) = self.conn.take() {
            world.leave(conn);
        }
    }

    pub fn read_all(&mut self, world: &mut World) {
        let Some(conn) = self.conn else { return };
        for text in world.read(conn) {
            if let Some(answer) = self.read(&text) {
                world.say(conn, &answer);
            }
        }
    }

    /// Takes one message in. Returns what has to be said.
    pub fn read(&mut self, text: &str) -> Option<String> {
        let message: Value = serde_json::from_str(text).unwrap();
        let seq = message["seq"].as_u64().unwrap_or(0);
        match message["type"].as_str().unwrap() {
            "welcome" => self.welcome(message),
            "change" => {
                self.in_order(seq, false);
                let prev = message["prev"].as_u64().unwrap();
                if prev <= self.seq && self.seq < seq {
                    self.doc = apply(&self.doc, &message["edits"]).unwrap();
                    self.seq = seq;
                    self.take_held();
                } else if seq > self.seq {
                    return self.resync();
                }
            }
            "scene" => {
                self.in_order(seq, self.resyncing);
                if seq > self.seq || self.resyncing && seq == self.seq {
                    self.resyncing = false;
                    self.doc = message["scene"].clone();
                    self.seq = seq;
                    self.held.retain(|held, _| *held > seq);
                    self.take_held();
                }
            }
            "ack" | "nack" if message["id"].is_string() => self.answer(&message),
            _ => self.news.push(message),
        }
        None
    }

    fn welcome(&mut self, message: Value) {
        let epoch = message["epoch"].as_str().unwrap();
        self.mode = message["mode"].as_str().unwrap().to_owned();
        if self.mode == "resumed" {
            assert_eq!(
                (epoch, message["from"].as_u64()),
                (&*self.epoch, Some(self.seq))
            );
        } else {
            self.epoch = epoch.to_owned();
            self.seq = message["seq"].as_u64().unwrap();
            self.doc = message["scene"].clone();
        }
        self.id = message["you"]["id"].as_str().unwrap().to_owned();
        self.token = message["you"]["resume_token"].as_str().map(str::to_owned);
        self.news.push(message);
    }

    /// The numbers of one connection's state rise.
    fn in_order(&mut self, seq: u64, again: bool) {
        let rises = seq > self.last_state || again && seq == self.last_state;
        assert!(rises, "{} read {seq} behind {}", self.name, self.last_state);
        self.last_state = seq;
    }

    fn answer(&mut self, message: &Value) {
        let id = message["id"].as_str().unwrap().to_owned();
        let own = self.mine.remove(&id);
        self.answers.push((id, message.clone()));
        let (Some(seq), Some(own)) = (message["seq"].as_u64(), own) else {
            return;
        };
        if message["epoch"] != self.epoch || seq <= self.seq {
            return;
        }
        let prev = message["prev"].as_u64().unwrap();
        let change = match message.get("edits") {
            Some(edits) => json!({ "edits": edits }),
            None => own,
        };
        self.held.insert(seq, (prev, change));
        self.take_held();
    }

    fn take_held(&mut self) {
        while let Some((seq, (prev, _))) = self.held.first_key_value() {
            if *prev > self.seq {
                return;
            }
            let seq = *seq;
            let (_, change) = self.held.remove(&seq).unwrap();
            if seq <= self.seq {
                continue;
            }
            self.doc = match change.get("scene") {
                Some(scene) => scene.clone(),
                None => apply(&self.doc, &change["edits"]).unwrap(),
            };
            self.seq = seq;
        }
    }

    fn resync(&mut self) -> Option<String> {
        self.lost += 1;
        self.resyncing = true;
        Some(json!({ "type": "resync", "seq": self.seq }).to_string())
    }

    /// A change as it goes out: `body` has `edits` or `scene`, and perhaps `base` and `force`.
    pub fn change(&mut self, id: &str, mut body: Value) -> String {
        body["type"] = json!("change");
        body["id"] = json!(id);
        if body.get("base").is_none() {
            body["base"] = json!(self.seq);
        }
        self.mine.insert(id.to_owned(), body.clone());
        body.to_string()
    }

    /// Sends a change and reads what comes back; the answer.
    pub fn makes(&mut self, world: &mut World, body: Value) -> Value {
        let id = new_id();
        let message = self.change(&id, body);
        world.say(self.conn(), &message);
        self.read_all(world);
        self.answer_to(&id)
    }

    /// Sets one place.
    pub fn sets(&mut self, world: &mut World, path: Value, value: Value) -> Value {
        let edit = json!({ "op": "set", "path": path, "value": value });
        self.makes(world, json!({ "edits": [edit] }))
    }

    /// Asks for something with an id; the answer.
    pub fn asks(&mut self, world: &mut World, mut message: Value) -> Value {
        let id = new_id();
        message["id"] = json!(id);
        world.say(self.conn(), &message.to_string());
        self.read_all(world);
        self.answer_to(&id)
    }

    /// The last answer to `id`; null when there is none.
    pub fn answer_to(&self, id: &str) -> Value {
        let answers = self.answers.iter().rev();
        let found = answers
            .filter(|(known, _)| known == id)
            .map(|(_, answer)| answer.clone());
        found.into_iter().next().unwrap_or_default()
    }

    /// What was said of this type since the last time.
    pub fn told(&mut self, world: &mut World, kind: &str) -> Vec<Value> {
        self.read_all(world);
        let (told, rest) = std::mem::take(&mut self.news)
            .into_iter()
            .partition(|message| message["type"] == kind);
        self.news = rest;
        told
    }
}

pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A page of SpellTable: a scene is shown as it comes and sent whole when it is changed.
pub struct Page {
    pub conn: Option<ConnId>,
    pub role: Role,
    pub doc: Option<Value>,
    /// The number of the newest head of which it has seen something.
    pub seen: u64,
    /// Everything but scenes.
    pub news: Vec<Value>,
}

impl Page {
    pub fn new(role: Role) -> Self {
        Self {
            conn: None,
            role,
            doc: None,
            seen: 0,
            news: Vec::new(),
        }
    }

    pub fn connect(&mut self, world: &mut World) {
        self.conn = Some(world.page(self.role));
    }

    pub fn conn(&self) -> ConnId {
        self.conn.unwrap()
    }

    pub fn drop_line(&mut self, world: &mut World) {
        if let Some(conn) = self.conn.take() {
            world.leave(conn);
        }
    }

    pub fn read_all(&mut self, world: &mut World) {
        let Some(conn) = self.conn else { return };
        let inbox = world
            .links
            .get_mut(&conn)
            .map(|link| std::mem::take(&mut link.inbox));
        for said in inbox.into_iter().flatten() {
            self.read(&said);
        }
    }

    pub fn read(&mut self, said: &Said) {
        let mut message: Value = serde_json::from_str(&said.text).unwrap();
        if message["type"] == "scene_update" {
            self.doc = Some(message["scene"].take());
            self.seen = said.head;
        } else {
            self.news.push(message);
        }
    }

    /// Shows `doc` and sends it.
    pub fn shows(&mut self, world: &mut World, doc: Value) {
        let message = json!({ "type": "scene_update", "scene": doc }).to_string();
        self.doc = Some(doc);
        world.say(self.conn(), &message);
    }
}
