//! What must always hold, told from outside: by what the room has shown, number by number.

use super::super::super::position::Standing;
use super::super::super::record::{Receipt, Side};
use super::super::world::World;
use super::people::Actor;
use crate::access::Role;
use crate::json::JsonText;
use crate::live::ConnId;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

#[derive(Clone)]
struct Shown {
    scene: JsonText,
    by: Option<ConnId>,
    acknowledged: bool,
    at: Instant,
}

struct Made {
    epoch: String,
    base: u64,
    places: Vec<String>,
    marks: Vec<u64>,
    force: bool,
    /// A whole document by force replaces everything.
    whole: bool,
    acked: Option<u64>,
    nacked: bool,
}

#[derive(Default)]
pub struct Oracle {
    epoch: String,
    shown: BTreeMap<u64, Shown>,
    /// Numbers that were ever given, by epoch.
    given: HashSet<(String, u64)>,
    /// What each place held, since which number.
    places: HashMap<String, Vec<(u64, Value)>>,
    made: HashMap<String, Made>,
    open: HashSet<String>,
    /// What a page had seen when it wrote a value.
    page_made: HashMap<u64, u64>,
    last: u64,
    /// What was promised before an end: the head, receipts, what is beside the scene.
    promised: Option<Promise>,
    pub in_order: bool,
}

struct Promise {
    kept: usize,
    head: u64,
    receipts: Vec<(String, u64, Receipt)>,
    side: Side,
}

impl Oracle {
    pub fn begin(&mut self, world: &World) {
        self.epoch = world.rules.doc.epoch().to_string();
        self.last = world.rules.doc.head();
        self.given.insert((self.epoch.clone(), self.last));
        self.record(
            self.last,
            world.rules.doc.scene().clone(),
            None,
            false,
            world.now.instant,
        );
    }

    pub fn made(&mut self, id: &str, epoch: &str, message: &Value, marks: Vec<u64>, force: bool) {
        let edits = message["edits"].as_array();
        let sets = edits
            .into_iter()
            .flatten()
            .filter(|edit| edit["op"] == "set");
        let made = Made {
            epoch: epoch.into(),
            base: message["base"].as_u64().unwrap(),
            places: sets.map(|edit| place(&edit["path"])).collect(),
            marks,
            force,
            whole: message.get("scene").is_some(),
            acked: None,
            nacked: false,
        };
        self.made.insert(id.into(), made);
        self.open.insert(id.into());
    }

    pub fn page_made(&mut self, mark: u64, seen: u64) {
        self.page_made.insert(mark, seen);
    }

    pub fn answered(&mut self, id: &str, answer: &Value) {
        let Some(made) = self.made.get_mut(id) else {
            return;
        };
        if answer["type"] == "nack" {
            made.nacked = true;
            return;
        }
        // One id, one number.
        let seq = answer["seq"].as_u64().unwrap();
        let same = made.acked.is_none_or(|acked| acked == seq);
        assert!(same, "{id} is {seq} and {:?}", made.acked);
        made.acked = Some(seq);
    }

    pub fn observe(&mut self, world: &World) {
        let mut new = Vec::new();
        for step in world
            .rules
            .doc
            .past()
            .rev()
            .take_while(|step| step.seq > self.last)
        {
            new.push(step.clone());
        }
        for step in new.into_iter().rev() {
            let number = (self.epoch.clone(), step.seq);
            assert!(self.given.insert(number), "{} was given twice", step.seq);
            assert!(step.seq > self.last);
            self.last = step.seq;
            self.excuse(world, step.seq);
            let scene = step
                .scene
                .unwrap_or_else(|| world.rules.doc.scene().clone());
            self.record(step.seq, scene, step.by, step.acknowledged, step.at);
        }
        assert_eq!(self.last, world.rules.doc.head());
        self.check_acknowledged(world);
    }

    /// A whole document by force may bring back anything.
    fn excuse(&mut self, world: &World, seq: u64) {
        let by_force = |id: &&String| {
            let made = &self.made[*id];
            let receipt = world.rules.receipts.get(id);
            made.whole
                && made.force
                && matches!(receipt, Some(Receipt::Change(at, ..)) if *at == seq)
        };
        if self.open.iter().any(|id| by_force(&id)) {
            self.places.clear();
        }
    }

    fn record(
        &mut self,
        seq: u64,
        scene: JsonText,
        by: Option<ConnId>,
        acknowledged: bool,
        at: Instant,
    ) {
        let value = scene.root().to_value();
        let mut found = HashMap::new();
        flatten("", &value, &mut found);
        let before = self.shown.range(..seq).next_back();
        if before.is_some_and(|(_, old)| old.scene.root().to_value()["id"] != value["id"]) {
            // Another scene: what it does not have is gone.
            for (place, past) in &mut self.places {
                if !place.ends_with("/here") && !found.contains_key(place) {
                    past.push((seq, Value::Null));
                }
            }
        }
        let gone: Vec<String> = self
            .places
            .iter()
            .filter(|(place, past)| {
                place.ends_with("/here")
                    && !found.contains_key(*place)
                    && past.last().is_some_and(|(_, value)| *value == true)
            })
            .map(|(place, _)| place.clone())
            .collect();
        found.extend(gone.into_iter().map(|place| (place, Value::Bool(false))));
        for (place, value) in found {
            let past = self.places.entry(place.clone()).or_default();
            let Some((since, old)) = past.last() else {
                past.push((seq, value));
                continue;
            };
            if *old == value {
                continue;
            }
            // What was there before comes back by nobody's will: every value is written once.
            let again = past.iter().any(|(_, old)| *old == value);
            let promised = self
                .shown
                .get(since)
                .is_some_and(|shown| shown.acknowledged);
            assert!(
                !(again && promised),
                "{seq} brings back {place} = {value}: {past:?}"
            );
            let page = value.as_u64().and_then(|mark| self.page_made.get(&mark));
            if let (Some(seen), Some(before)) = (page, self.shown.get(since)) {
                let fresh = at.duration_since(before.at) <= Duration::from_secs(2);
                assert!(
                    !(before.acknowledged && fresh && before.by != by && seen < since),
                    "{seq}: a page that had seen {seen} undid {place} of {since}"
                );
            }
            past.push((seq, value));
        }
        let shown = Shown {
            scene,
            by,
            acknowledged,
            at,
        };
        self.shown.insert(seq, shown);
    }

    /// What was accepted without force met what it was made on.
    fn check_acknowledged(&mut self, world: &World) {
        let open = std::mem::take(&mut self.open);
        for id in open {
            let made = &self.made[&id];
            match world.rules.receipts.get(&id) {
                Some(Receipt::Change(seq, ..)) => {
                    assert_eq!(made.epoch, self.epoch);
                    for place in made.places.iter().filter(|_| !made.force) {
                        let touched = self.places.iter().filter(|(known, _)| {
                            known
                                .strip_prefix(place.as_str())
                                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                        });
                        for (known, past) in touched {
                            let between = past.iter().find(|(at, _)| at > &made.base && at < seq);
                            assert!(
                                between.is_none(),
                                "{id} made on {} became {seq}, but {known} was {between:?}",
                                made.base
                            );
                        }
                    }
                }
                _ => {
                    self.open.insert(id);
                }
            }
        }
    }

    /// The server is about to end; what it has told counts.
    pub fn before_end(&mut self, world: &World, kept: usize) {
        let receipts = world.rules.receipts.all();
        let number = |(_, _, receipt): &(String, u64, Receipt)| match receipt {
            Receipt::Change(seq, ..) => Some(*seq),
            Receipt::Line(_) | Receipt::Removed(_) | Receipt::Plain => None,
        };
        self.promised = Some(Promise {
            kept,
            head: receipts.iter().filter_map(number).max().unwrap_or(0),
            receipts,
            side: world.rules.durable_side().clone(),
        });
        self.in_order = false;
    }

    pub fn after_end(
        &mut self,
        world: &World,
        damaged: bool,
        anew: bool,
        other_file: Option<&JsonText>,
    ) {
        let promised = self.promised.take().unwrap();
        assert!(!anew || promised.receipts.is_empty());
        let doc = &world.rules.doc;
        if damaged || anew {
            assert_ne!(doc.epoch().to_string(), self.epoch, "the past is broken");
            self.shown.clear();
            self.places.clear();
            self.open.clear();
            self.page_made.clear();
            self.made.clear();
            return self.begin(world);
        }
        assert_eq!(doc.epoch().to_string(), self.epoch);
        let mut head = doc.head();
        if let Some(file) = other_file {
            assert_eq!(doc.scene(), file, "somebody else's file is the next change");
            assert!(!self.given.contains(&(self.epoch.clone(), head)));
            head = self
                .shown
                .range(..head)
                .next_back()
                .map_or(0, |(seq, _)| *seq);
        } else if let Some(shown) = self.shown.get(&head) {
            assert_eq!(
                doc.scene(),
                &shown.scene,
                "{head} is another scene after the end"
            );
        } else {
            assert!(promised.kept > 0, "{head} was never shown");
        }
        assert!(
            head >= promised.head,
            "{} was acknowledged, {head} is left",
            promised.head
        );
        if self.in_order {
            assert!(
                other_file.is_some() || head == self.last,
                "a stop in order loses nothing"
            );
        }
        // What was told and is lost is never given again, and known to be lost.
        for (seq, _) in self.shown.range(doc.head() + 1..) {
            assert_eq!(doc.standing(*seq), Standing::Lost);
        }
        for (id, at, receipt) in &promised.receipts {
            if world.now.unix_ms - at < 600_000 {
                let known = world.rules.receipts.get(id);
                let same = match (known, receipt) {
                    (Some(Receipt::Change(a, ..)), Receipt::Change(b, ..)) => a == b,
                    (known, receipt) => known == Some(receipt),
                };
                assert!(same, "{id} was told {receipt:?}, now {known:?}");
            }
        }
        let side = &world.rules.side;
        assert!(side.chat_seq >= promised.side.chat_seq);
        if promised.kept == 0 {
            assert_eq!(side.lines, promised.side.lines);
            assert_eq!(side.displays, promised.side.displays);
            assert_eq!(side.assigned, promised.side.assigned);
            // Positions are fractions of seconds.
            let tracks = |side: &Side| {
                side.sound.seen_by(Role::Gm)["tracks"]
                    .as_array()
                    .map(Vec::len)
            };
            assert_eq!(tracks(side), tracks(&promised.side));
        }
        // When things were told is not known any more, only when they were journaled.
        for step in doc.past() {
            if let Some(shown) = self.shown.get_mut(&step.seq) {
                shown.at = step.at;
            }
        }
        // The past beyond the head never was.
        self.shown.retain(|seq, _| *seq <= head);
        for past in self.places.values_mut() {
            past.retain(|(seq, _)| *seq <= head);
        }
        self.places.retain(|_, past| !past.is_empty());
        if other_file.is_some() {
            self.places.clear();
        }
        if doc.head() != head || !self.shown.contains_key(&head) {
            let number = (self.epoch.clone(), doc.head());
            assert!(self.given.insert(number), "{} was given twice", doc.head());
            let scene = doc.scene().clone();
            self.record(doc.head(), scene, None, true, world.now.instant);
        }
        self.last = doc.head();
    }

    /// Nothing that was refused is there.
    pub fn check_refused(&self, _actors: &[Actor]) {
        let refused = self
            .made
            .values()
            .filter(|made| made.nacked && made.acked.is_none());
        let refused: HashSet<u64> = refused.flat_map(|made| made.marks.clone()).collect();
        for (place, past) in &self.places {
            let there = past
                .iter()
                .find(|(_, value)| value.as_u64().is_some_and(|mark| refused.contains(&mark)));
            assert!(there.is_none(), "{place} was refused and is {there:?}");
        }
    }
}

/// A path as a place: `maps/u1.png/data`.
fn place(path: &Value) -> String {
    let steps = path.as_array().into_iter().flatten();
    let steps = steps.map(|step| match step {
        Value::String(key) => key.clone(),
        selector => selector
            .as_object()
            .and_then(|selector| selector.values().next())
            .map(|value| value.to_string())
            .unwrap_or_default(),
    });
    steps.fold(String::new(), |place, step| format!("{place}/{step}"))
}

/// The values that are written once, and which things are there.
fn flatten(at: &str, value: &Value, found: &mut HashMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                flatten(&format!("{at}/{key}"), value, found);
            }
        }
        Value::Array(list) => {
            for thing in list {
                let ident = if at == "/maps" {
                    &thing["name"]
                } else {
                    &thing["id"]
                };
                if !ident.is_null() && !at.ends_with("History") {
                    let at = format!("{at}/{ident}");
                    found.insert(format!("{at}/here"), Value::Bool(true));
                    flatten(&at, thing, found);
                }
            }
        }
        Value::Number(n) if n.as_u64().is_some_and(|n| n > 20_000 && n < 1_000_000_000) => {
            found.insert(at.to_owned(), value.clone());
        }
        _ => {}
    }
}
