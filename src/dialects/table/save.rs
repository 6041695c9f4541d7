//! What of the table is on disk: the journal begun anew, the scene in its own file, the end.

use super::TableRules;
use super::commit::Flight;
use super::record::{Record, Snapshot};
use crate::live::{Journaling, Now, Outgoing};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// A journal is begun anew when it is larger than this and than four snapshots.
const JOURNAL_BYTES: usize = 4 << 20;
/// Small records that are kept for a disk that takes nothing. Beyond that the journal is begun anew,
/// with a snapshot in which all of it stands.
const REMEMBERED: usize = 4096;
/// Hashes of files that are remembered as our own.
const FILES: usize = 8;

/// What of the table is on disk.
pub(super) struct DiskState {
    /// The newest scene in the journal.
    pub journaled: u64,
    /// The scene in its own file.
    pub filed: Option<u64>,
    /// Small records that go with the next commit.
    remembered: Vec<Bytes>,
    /// Those that did not become durable, older than the ones above.
    pub failed: Vec<Bytes>,
    /// There were more than are kept.
    forgot: bool,
    /// Hashes of the files that are ours.
    files: VecDeque<String>,
    /// Bytes in the journal since it was begun.
    pub bytes: usize,
    /// The journal must be begun anew before anything else.
    pub fresh: bool,
    pub restarting: bool,
    pub saving: bool,
    /// A commit has failed, and what was given behind it has still to fail with it.
    pub failing: bool,
    /// Commits that failed in a row, for the log.
    pub failures: u32,
    /// Told when everything is on disk.
    savers: Vec<oneshot::Sender<bool>>,
    closing: bool,
    /// The last record is written: nothing may follow.
    pub closed: bool,
    /// Up to where numbers are reserved while the commit that is put together may fail.
    pub reserved_before: Option<u64>,
}

impl DiskState {
    /// `fresh`: there is no journal yet, or none that can be gone on with.
    /// `head` is the scene in the journal, and, when `filed`, in its own file.
    pub fn new(files: Vec<String>, fresh: bool, head: u64, filed: bool) -> Self {
        Self {
            journaled: head,
            filed: filed.then_some(head),
            remembered: Vec::new(),
            failed: Vec::new(),
            forgot: false,
            files: files.into(),
            bytes: 0,
            fresh,
            restarting: false,
            saving: false,
            failing: false,
            failures: 0,
            savers: Vec::new(),
            closing: false,
            closed: false,
            reserved_before: None,
        }
    }

    /// Whether somebody waits for everything to be saved, and more is to come.
    pub fn is_asked_to_save(&self) -> bool {
        !self.savers.is_empty() && !self.closing
    }

    /// Keeps a small record for the next commit.
    pub fn remember(&mut self, record: Bytes) {
        if self.remembered.len() + self.failed.len() < REMEMBERED {
            self.remembered.push(record);
        } else {
            self.forgot = true;
        }
    }

    /// Takes the small records, oldest first.
    pub fn take_remembered(&mut self) -> Vec<Bytes> {
        let mut records = std::mem::take(&mut self.failed);
        records.append(&mut self.remembered);
        records
    }
}

impl TableRules {
    /// Sees to it that everything is in the journal, and the scene in its own file.
    pub(super) fn save(&mut self, now: Now, out: &mut Outgoing) {
        if self.disk.closed || self.disk.saving || self.disk.restarting {
            return;
        }
        if self.disk.forgot && self.flights.is_empty() {
            self.disk.forgot = false;
            self.disk.take_remembered();
            self.disk.fresh = true;
        }
        if self.disk.fresh {
            return self.restart(out);
        }
        let head = self.doc.head();
        let mut records = Vec::new();
        // What waiting steps are built on goes along with them.
        if self.disk.journaled < head && !self.doc.has_waiting_steps() {
            records.push(self.head_record(now));
        }
        let reserved = self.doc.numbers().wants();
        if let Some(to) = reserved {
            records.push(Record::Reserve { to }.encode(b""));
        }
        let file = self.settings.has_file && self.doc.is_shown() && self.disk.filed != Some(head);
        let document = file.then(|| self.doc.scene().clone());
        if let Some(document) = &document {
            let hash = hash(document.as_str().as_bytes());
            records.push(Record::File { hash: hash.clone() }.encode(b""));
            if self.disk.files.back() != Some(&hash) {
                self.disk.files.push_back(hash);
            }
            while self.disk.files.len() > FILES {
                self.disk.files.pop_front();
            }
        }
        let remembered = self.disk.take_remembered();
        if records.is_empty() && remembered.is_empty() {
            let large = JOURNAL_BYTES.max(4 * self.doc.scene().as_str().len());
            if self.disk.bytes > large && self.flights.is_empty() {
                self.restart(out);
            }
            return;
        }
        records.extend(remembered.iter().cloned());
        self.append(records, out);
        self.disk.saving = true;
        self.flights.push_back(Flight::Save {
            seq: head,
            document,
            remembered,
            reserved,
        });
    }

    /// Begins the journal anew with what the table is.
    pub(super) fn restart(&mut self, out: &mut Outgoing) {
        let (record, to) = self.snapshot();
        out.journal.push(Journaling::Restart(vec![record]));
        self.disk.restarting = true;
        let seq = self.doc.head();
        self.flights.push_back(Flight::Restart { to, seq });
    }

    /// The journal has been begun anew, with numbers reserved up to `to` and the scene `seq` in it.
    pub(super) fn restarted(&mut self, to: u64, seq: u64) {
        self.disk.fresh = false;
        self.disk.bytes = 0;
        self.disk.journaled = self.disk.journaled.max(seq);
        self.doc.reserve(to);
    }

    /// What the table is, as a record, and up to where that reserves numbers.
    pub(super) fn snapshot(&self) -> (Bytes, u64) {
        let numbers = self.doc.numbers();
        let to = numbers.wants().unwrap_or(numbers.reserved());
        let snapshot = Snapshot {
            epoch: self.doc.epoch().to_string(),
            seq: self.doc.head(),
            last: numbers.last(),
            reserved: to,
            lost: numbers.lost().to_vec(),
            receipts: self.receipts.all(),
            people: self.people.all().into_iter().cloned().collect(),
            side: self.durable_side().clone(),
            files: self.disk.files.iter().cloned().collect(),
        };
        let body = match self.doc.is_shown() {
            true => self.doc.scene().bytes(),
            false => Bytes::new(),
        };
        (Record::Snapshot(Box::new(snapshot)).encode(&body), to)
    }

    /// Answers `reply` when everything is on disk; `true`: it is.
    pub(super) fn save_for(
        &mut self,
        reply: oneshot::Sender<bool>,
        closing: bool,
        now: Now,
        out: &mut Outgoing,
    ) {
        self.disk.savers.push(reply);
        self.disk.closing |= closing;
        self.finish_saving(true, now, out);
    }

    pub(super) fn finish_saving(&mut self, good: bool, now: Now, out: &mut Outgoing) {
        if self.disk.savers.is_empty() || !self.flights.is_empty() {
            return;
        }
        if good {
            self.save(now, out);
            if !self.flights.is_empty() {
                return;
            }
            if self.disk.closing && !self.disk.closed {
                self.disk.closed = true;
                self.append(vec![Record::Closed.encode(b"")], out);
                self.flights.push_back(Flight::Closing);
                return;
            }
        }
        for saver in self.disk.savers.drain(..) {
            out.answers.push(Box::new(move || {
                let _ = saver.send(good);
            }));
        }
    }
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
