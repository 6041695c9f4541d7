//! From a journal back to a table.

use super::document::{Document, Epoch, Past};
use super::people::Person;
use super::position::Numbering;
use super::record::{Receipt, Record, Side, Snapshot};
use super::save::hash;
use crate::json::JsonText;
use crate::live::Now;
use crate::model::edit::{Edit, apply};
use bytes::Bytes;

/// A table as its journal tells it.
pub struct Recovered {
    pub(super) doc: Document,
    pub(super) side: Side,
    pub(super) people: Vec<Person>,
    pub(super) receipts: Vec<(String, u64, Receipt)>,
    /// Hashes of the scene's files that are ours, oldest first.
    pub(super) files: Vec<String>,
    /// The journal must be begun anew before anything else.
    pub(super) fresh: bool,
    /// The file's scene has got the next number of an epoch that goes on: it must be in the journal
    /// before anybody is told, or another file could get the same number after a crash.
    pub(super) numbered: bool,
    /// The scene's own file holds the scene.
    pub(super) filed: bool,
    /// A scene in the place of which the file's was taken.
    pub replaced: Option<JsonText>,
}

/// What a journal's records come to, one after the other.
#[derive(Default)]
struct Replay {
    epoch: Option<Epoch>,
    seq: u64,
    last: u64,
    reserved: u64,
    lost: Vec<(u64, u64)>,
    scene: Option<JsonText>,
    side: Side,
    people: Vec<Person>,
    receipts: Vec<(String, u64, Receipt)>,
    files: Vec<String>,
    clean: bool,
    past: Past,
    /// Something does not fit together: the records behind it cannot be trusted.
    broken: bool,
}

/// Makes a table of the records of its journal and, where there is one, the scene's own file.
///
/// `damaged`: records before its end are missing, so that numbers given out may mean something
/// else now; the epoch ends. A file that is none of those that we wrote is somebody else's work:
/// it becomes the next change.
pub fn recover(records: &[Bytes], damaged: bool, file: Option<JsonText>, now: Now) -> Recovered {
    let mut replay = Replay::default();
    for record in records {
        replay.take(record);
        if replay.broken {
            tracing::error!(
                "a table's journal holds a record that does not fit; going on from the one before"
            );
            break;
        }
    }
    let fresh = replay.epoch.is_none() || damaged || replay.broken;
    let (epoch, numbers) = match replay.epoch.filter(|_| !fresh) {
        Some(epoch) => {
            let last = replay.last.max(replay.seq);
            let lost = replay.lost;
            (
                epoch,
                Numbering::recovered(last, replay.reserved, lost, replay.clean),
            )
        }
        None => (Epoch::random(), Numbering::new(0, Vec::new())),
    };
    let mut head = if fresh { 0 } else { replay.seq };
    let mut numbers = numbers;
    let mut scene = replay.scene;
    let mut replaced = None;
    let mut is_adopted = false;
    let mut is_numbered = false;
    let file_text = file.clone();
    if let Some(file) = file {
        let hash = hash(file.as_str().as_bytes());
        let ours = replay.files.contains(&hash);
        if !ours {
            // From now on it is known: after a crash before the next write it must not take the
            // place of what was done since.
            replay.files.push(hash);
            is_adopted = true;
        }
        let same = scene
            .as_ref()
            .is_some_and(|scene| scene.as_str() == file.as_str());
        if !ours && !same {
            // Its number is the next one.
            if !fresh {
                is_numbered = true;
                let next = numbers.last() + 1;
                numbers = Numbering::new(next, numbers.lost().to_vec());
                head = next;
            }
            replaced = scene.replace(file);
        }
    }
    if fresh {
        // What they acknowledged is part of the first scene of the new epoch, if it is anywhere.
        for (_, _, receipt) in &mut replay.receipts {
            if let Receipt::Change(seq, prev, _) = receipt {
                (*seq, *prev) = (0, 0);
            }
        }
    }
    // Pages come back with what they made of scenes from before the stop.
    let past = match fresh || replaced.is_some() {
        true => Past::default(),
        false => replay.past,
    };
    let filed = file_is_head(&scene, file_text.as_ref());
    Recovered {
        // After an unclean stop the journal begins anew, with the range of numbers that was lost; so
        // it does when a file that somebody else wrote has come in.
        fresh: fresh || !replay.clean || is_adopted,
        numbered: is_numbered,
        filed,
        doc: Document::new(epoch, numbers, head, scene).with_past(past, now),
        side: replay.side,
        people: replay.people,
        receipts: replay.receipts,
        files: replay.files,
        replaced,
    }
}

fn file_is_head(scene: &Option<JsonText>, file: Option<&JsonText>) -> bool {
    match (scene, file) {
        (Some(scene), Some(file)) => scene.as_str() == file.as_str(),
        _ => false,
    }
}

impl Replay {
    fn take(&mut self, bytes: &Bytes) {
        let Some((record, body)) = Record::decode(bytes) else {
            self.broken = true;
            return;
        };
        self.clean = matches!(record, Record::Closed);
        match record {
            Record::Snapshot(snapshot) => self.begin(*snapshot, body),
            Record::Reserve { to } => self.reserved = self.reserved.max(to),
            Record::Change {
                seq,
                whole,
                id,
                receipt,
                at_ms,
            } => {
                let scene = if whole {
                    JsonText::parse(body).ok()
                } else {
                    self.edited(body)
                };
                let Some(scene) = scene else {
                    self.broken = true;
                    return;
                };
                self.past.push(seq, at_ms, receipt.is_some(), scene.clone());
                self.scene = Some(scene);
                self.seq = seq;
                self.last = self.last.max(seq);
                if let (Some(id), Some(receipt)) = (id, receipt) {
                    self.receipts.push((id, at_ms, receipt));
                }
            }
            Record::Line { id, line } => {
                let receipt = Receipt::Line(line.chat_seq);
                self.receipts.push((id, line.at, receipt));
                self.side.chat_seq = line.chat_seq;
                super::speak::keep_line(&mut self.side.lines, line);
            }
            Record::Side {
                id,
                at_ms,
                sound,
                displays,
                assigned,
            } => {
                if let Some(sound) = sound {
                    self.side.sound = sound;
                }
                if let Some(displays) = displays {
                    self.side.displays = displays;
                }
                if let Some(assigned) = assigned {
                    self.side.assigned = assigned;
                }
                if let Some(id) = id {
                    self.receipts.push((id, at_ms, Receipt::Plain));
                }
            }
            Record::Person(person) => {
                self.people.retain(|known| known.id != person.id);
                self.people.push(person);
            }
            Record::Removed { member, id, at_ms } => {
                self.people.retain(|known| known.id != member);
                if let Some(id) = id {
                    self.receipts.push((id, at_ms, Receipt::Removed(member)));
                }
            }
            Record::File { hash } => self.files.push(hash),
            Record::Closed => {}
        }
    }

    fn begin(&mut self, snapshot: Snapshot, body: Bytes) {
        let Snapshot {
            epoch,
            seq,
            last,
            reserved,
            lost,
            receipts,
            people,
            side,
            files,
        } = snapshot;
        let scene = match body.is_empty() {
            true => None,
            false => JsonText::parse(body).ok().or_else(|| {
                self.broken = true;
                None
            }),
        };
        *self = Self {
            past: Past::from(seq, scene.clone()),
            epoch: Epoch::parse(&epoch),
            seq,
            last,
            reserved,
            lost,
            scene,
            side,
            people,
            receipts,
            files,
            clean: false,
            broken: self.broken,
        };
    }

    fn edited(&self, body: Bytes) -> Option<JsonText> {
        let text = JsonText::parse(body).ok()?;
        let edits = Edit::parse_list(text.root(), &text).ok()?;
        match &self.scene {
            Some(scene) => apply(scene, &edits).ok(),
            None => apply(&super::document::empty(), &edits).ok(),
        }
    }
}
