//! The people of the storm: clients, and what is on its way to the server.

use super::super::clients::{Member, Page};
use super::super::world::World;
use super::Uplink;
use super::oracle::Oracle;
use serde_json::Value;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

pub struct Actor {
    pub member: Member,
    pub uplink: Uplink,
    /// What it has asked for: id and message, the last twenty of them.
    pub asked: Vec<(String, String)>,
    /// When it was asked first.
    pub since: HashMap<String, Instant>,
    /// What of that was acknowledged.
    pub done: HashSet<String>,
    /// Documents of a while ago, with their numbers.
    pub earlier: VecDeque<(u64, Value)>,
}

impl Actor {
    pub fn new(member: Member) -> Self {
        Self {
            member,
            uplink: VecDeque::new(),
            asked: Vec::new(),
            since: HashMap::new(),
            done: HashSet::new(),
            earlier: VecDeque::new(),
        }
    }

    /// Somebody else sits there now.
    pub fn forget(&mut self) {
        self.asked.clear();
        self.earlier.clear();
        self.uplink.clear();
    }

    pub fn come(&mut self, world: &mut World) {
        if self.member.conn.is_none() {
            self.member.connect(world);
        }
    }

    pub fn go(&mut self, world: &mut World) {
        self.uplink.clear();
        self.member.drop_line(world);
    }

    /// The server has gone.
    pub fn cut(&mut self) {
        self.uplink.clear();
        self.member.conn = None;
    }

    /// The GM has removed this one.
    pub fn removed(&mut self, world: &mut World) {
        let before = std::mem::take(&mut self.member);
        self.go(world);
        if let Some(conn) = before.conn {
            world.leave(conn);
        }
        self.member.name = before.name;
        self.member.asks = before.asks;
        self.member.proves = before.proves;
        self.forget();
    }

    pub fn read_one(&mut self, world: &mut World, oracle: &mut Oracle) -> bool {
        let Some(conn) = self.member.conn else {
            return false;
        };
        let Some(said) = world
            .links
            .get_mut(&conn)
            .and_then(|link| link.inbox.pop_front())
        else {
            if world.links[&conn].closed.is_some() {
                self.removed(world);
            }
            return false;
        };
        let before = self.member.seq;
        let fresh = self.member.mode.is_empty();
        if let Some(answer) = self.member.read(&said.text) {
            self.uplink.push_back((answer, world.now.instant));
        }
        if self.member.seq != before {
            self.earlier
                .push_back((self.member.seq, self.member.doc.clone()));
            while self.earlier.len() > 4 {
                self.earlier.pop_front();
            }
        }
        while let Some((id, answer)) = self.member.answers.pop() {
            oracle.answered(&id, &answer);
            if answer["type"] == "ack" {
                self.done.insert(id);
            }
        }
        if fresh && !self.member.mode.is_empty() {
            self.welcomed(world);
        }
        self.member.news.clear();
        self.asked.drain(..self.asked.len().saturating_sub(20));
        true
    }

    /// What has no answer goes out again; after a reset changes are the person's to decide on.
    fn welcomed(&mut self, world: &World) {
        if self.member.mode == "reset" {
            self.member
                .mine
                .retain(|_, message| message["type"] != "change");
            self.earlier.clear();
            self.asked.clear();
        }
        // The server knows an id for ten minutes.
        let now = world.now.instant;
        let since = &self.since;
        let is_new = |id: &String| now.duration_since(since[id]) < Duration::from_secs(540);
        self.member.mine.retain(|id, _| is_new(id));
        self.asked.retain(|(id, _)| is_new(id));
        let mut open: Vec<(&String, &Value)> = self.member.mine.iter().collect();
        open.sort_by_key(|(id, _)| self.asked.iter().position(|(known, _)| known == *id));
        for (_, message) in open {
            self.uplink
                .push_back((message.to_string(), world.now.instant));
        }
    }
}

pub struct PageActor {
    pub page: Page,
    pub uplink: Uplink,
    /// Made while it was away.
    pub queued: Vec<(String, Instant)>,
    pub stuck: Option<Instant>,
    pub joined: Instant,
    /// Has sent a scene while there was one that it had not read.
    pub crossed: bool,
}

impl PageActor {
    pub fn new(page: Page) -> Self {
        Self {
            page,
            uplink: VecDeque::new(),
            queued: Vec::new(),
            stuck: None,
            joined: Instant::now(),
            crossed: false,
        }
    }

    pub fn cut(&mut self) {
        self.uplink.clear();
        self.page.conn = None;
    }

    /// Somebody has pressed the key for that.
    pub fn reload(&mut self) {
        self.page.doc = None;
        self.queued.clear();
    }

    /// Whether it has been here for long enough that nothing of it counts as queued.
    pub fn is_settled(&self, now: Instant) -> bool {
        now.duration_since(self.joined) > Duration::from_secs(6)
    }

    pub fn read_one(&mut self, world: &mut World) -> bool {
        let Some(conn) = self.page.conn else {
            return false;
        };
        let Some(said) = world
            .links
            .get_mut(&conn)
            .and_then(|link| link.inbox.pop_front())
        else {
            return false;
        };
        self.page.read(&said);
        self.page.news.clear();
        true
    }
}
