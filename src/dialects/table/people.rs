//! Who sits at the table: members, known by their token, with one or more connections.

use super::document::Epoch;
use super::view::View;
use super::wire::role_word;
use crate::access::{Basis, Role};
use crate::live::{ConnId, Now};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// Members that are remembered, present or not.
const PEOPLE: usize = 1000;
/// Connections of one member.
pub const CONNECTIONS: usize = 32;
/// Letters of member ids: none that look alike.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Which entry of the initiative belongs to which member.
pub type Assigned = BTreeMap<String, String>;

/// A member: a person or a screen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Person {
    /// For others to see.
    pub id: String,
    /// As it calls itself.
    pub name: String,
    /// SHA-256 of its token, in hexadecimal digits.
    pub token: String,
    /// What it was here as when it came last.
    pub role: RoleWord,
    /// When it was here last, in milliseconds since 1970.
    pub seen_ms: u64,
    /// Its screen.
    #[serde(default)]
    pub device: Value,
    /// What its connections have seen.
    #[serde(skip)]
    pub saw: Saw,
    /// What it came with since the server was started, newest last.
    #[serde(skip)]
    proofs: Vec<Basis>,
    #[serde(skip)]
    conns: Vec<ConnId>,
}

/// Which view of which epoch a member saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Saw {
    /// None.
    #[default]
    Nothing,
    /// This one.
    One(Epoch, View),
    /// Several of one epoch, on several connections: which of them one has that comes back, it does not say.
    Several(Epoch),
}

impl Saw {
    /// Whether whoever comes back can have nothing else.
    pub fn is_only(self, epoch: Epoch, view: View) -> bool {
        self == Self::One(epoch, view)
    }

    /// It sees this, too.
    pub fn add(&mut self, epoch: Epoch, view: View) {
        *self = match *self {
            Self::One(of, other) if of == epoch && other != view => Self::Several(epoch),
            Self::Several(of) if of == epoch => *self,
            Self::Nothing | Self::One(..) | Self::Several(_) => Self::One(epoch, view),
        };
    }
}

/// A role as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleWord {
    /// Runs the table.
    Gm,
    /// Plays.
    Player,
    /// Shows.
    Display,
}

impl From<Role> for RoleWord {
    fn from(role: Role) -> Self {
        match role {
            Role::Gm => Self::Gm,
            Role::Player => Self::Player,
            Role::Display => Self::Display,
        }
    }
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Gm => Self::Gm,
            RoleWord::Player => Self::Player,
            RoleWord::Display => Self::Display,
        }
    }
}

impl Person {
    /// Its connections.
    pub fn conns(&self) -> &[ConnId] {
        &self.conns
    }

    /// What it came with since the server was started.
    pub fn proofs(&self) -> &[Basis] {
        &self.proofs
    }

    /// A connection of it was let in with `proof`.
    pub fn came_with(&mut self, proof: Basis) {
        if proof == Basis::default() || self.proofs.contains(&proof) {
            return;
        }
        // As many as can be open at the same time.
        if self.proofs.len() >= CONNECTIONS {
            self.proofs.remove(0);
        }
        self.proofs.push(proof);
    }

    /// Whether it is here.
    pub fn is_present(&self) -> bool {
        !self.conns.is_empty()
    }

    /// Its role.
    pub fn role(&self) -> Role {
        self.role.into()
    }

    /// As others see it.
    pub fn to_json(&self, assigned: &Assigned) -> Value {
        let entries: Vec<_> = assigned
            .iter()
            .filter(|(_, member)| **member == self.id)
            .map(|(entry, _)| entry)
            .collect();
        json!({
            "id": self.id,
            "name": self.name,
            "role": role_word(self.role()),
            "connections": self.conns.len(),
            "device": self.device,
            "entries": entries,
        })
    }
}

/// All members that the table remembers.
#[derive(Default)]
pub struct People {
    by_token: HashMap<String, Person>,
    by_id: HashMap<String, String>,
    by_conn: HashMap<ConnId, String>,
}

/// Somebody has come.
pub struct Arrival {
    /// Its token, to be shown to it alone.
    pub token: String,
    /// Whether it was not here before with another connection.
    pub first: bool,
    /// What it saw, when it was here before.
    pub saw: Saw,
}

impl People {
    /// Those that were remembered.
    pub fn restore(&mut self, person: Person) {
        if let Some(old) = self.by_id.get(&person.id).cloned()
            && old != person.token
        {
            self.by_token.remove(&old);
        }
        self.by_id.insert(person.id.clone(), person.token.clone());
        self.by_token.insert(person.token.clone(), person);
    }

    /// A connection says who it is. `None`: it has too many connections already.
    pub fn arrive(
        &mut self,
        conn: ConnId,
        token: Option<&str>,
        name: &str,
        role: Role,
        device: Value,
        now: Now,
    ) -> Option<Arrival> {
        let known = token.filter(|token| self.by_token.contains_key(&hash(token)));
        let token = known.map_or_else(new_token, str::to_owned);
        let key = hash(&token);
        if known.is_none() {
            self.make_room();
            let id = self.new_id();
            self.restore(Person {
                id,
                name: String::new(),
                token: key.clone(),
                role: role.into(),
                seen_ms: now.unix_ms,
                device: Value::Null,
                saw: Saw::default(),
                proofs: Vec::new(),
                conns: Vec::new(),
            });
        }
        let person = self.by_token.get_mut(&key)?;
        if person.conns.len() >= CONNECTIONS {
            return None;
        }
        let first = person.conns.is_empty();
        person.conns.push(conn);
        if !name.is_empty() {
            name.clone_into(&mut person.name);
        } else if person.name.is_empty() {
            role_word(role).clone_into(&mut person.name);
        }
        person.role = role.into();
        person.seen_ms = now.unix_ms;
        if !device.is_null() {
            person.device = device;
        }
        self.by_conn.insert(conn, key);
        Some(Arrival {
            token,
            first,
            saw: person.saw,
        })
    }

    /// A connection has gone. Returns the member, and whether that was its last.
    pub fn depart(&mut self, conn: ConnId, now: Now) -> Option<(&Person, bool)> {
        let key = self.by_conn.remove(&conn)?;
        let person = self.by_token.get_mut(&key)?;
        person.conns.retain(|c| *c != conn);
        person.seen_ms = now.unix_ms;
        let last = person.conns.is_empty();
        Some((person, last))
    }

    /// Forgets a member, token and all. Returns it, and what its connections were.
    pub fn remove(&mut self, id: &str) -> Option<(Person, Vec<ConnId>)> {
        let key = self.by_id.remove(id)?;
        let mut person = self.by_token.remove(&key)?;
        let conns = std::mem::take(&mut person.conns);
        for conn in &conns {
            self.by_conn.remove(conn);
        }
        Some((person, conns))
    }

    /// The member behind a connection.
    pub fn of(&self, conn: ConnId) -> Option<&Person> {
        self.by_token.get(self.by_conn.get(&conn)?)
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, conn: ConnId) -> Option<&mut Person> {
        self.by_token.get_mut(self.by_conn.get(&conn)?)
    }

    /// By its id.
    pub fn get(&self, id: &str) -> Option<&Person> {
        self.by_token.get(self.by_id.get(id)?)
    }

    /// Everybody who is remembered, oldest acquaintance first.
    pub fn all(&self) -> Vec<&Person> {
        let mut all: Vec<_> = self.by_token.values().collect();
        all.sort_by(|a, b| (a.seen_ms, &a.id).cmp(&(b.seen_ms, &b.id)));
        all
    }

    /// Everybody who is here.
    pub fn present(&self) -> impl Iterator<Item = &Person> {
        self.all().into_iter().filter(|person| person.is_present())
    }

    fn make_room(&mut self) {
        if self.by_token.len() < PEOPLE {
            return;
        }
        let absent = |person: &&Person| !person.is_present();
        let oldest = self.by_token.values().filter(absent);
        let oldest = oldest.min_by_key(|person| person.seen_ms);
        if let Some(id) = oldest.map(|person| person.id.clone()) {
            self.remove(&id);
        }
    }

    fn new_id(&self) -> String {
        loop {
            let random = uuid::Uuid::new_v4();
            let letters = random.as_bytes()[..8].iter();
            let id: String = letters.map(|b| LETTERS[*b as usize % 32] as char).collect();
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }
}

/// 256 bits from the operating system.
fn new_token() -> String {
    let mut bytes = [0; 32];
    // Without randomness nobody could be told apart; the system has it long before a server runs.
    if getrandom::fill(&mut bytes).is_err() {
        let (a, b) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        bytes[..16].copy_from_slice(a.as_bytes());
        bytes[16..].copy_from_slice(b.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Tokens are kept as their hash, so that a copy of the disk lets nobody in.
fn hash(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
