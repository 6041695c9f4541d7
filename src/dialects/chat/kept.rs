//! What a room keeps: events for those who resume, and files.

use super::Refusal;
use super::check::Upload;
use super::directory::{Budget, Share};
use super::say::Said;
use crate::config::ChatLimits;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One event of a room.
pub struct Event {
    /// Its number.
    pub seq: u64,
    /// As members are told.
    pub said: Said,
    /// Whether clients that know the oldest messages only are told, too.
    pub for_all: bool,
    /// The participant who comes or goes; is not told of it.
    pub about: Option<String>,
    share: Share,
}

/// The last events, as many as the bounds allow.
pub struct Events {
    kept: VecDeque<Event>,
    bytes: usize,
    head: u64,
    most: usize,
    most_bytes: usize,
    budget: Arc<Budget>,
}

impl Events {
    /// None yet.
    pub fn new(limits: &ChatLimits, budget: Arc<Budget>) -> Self {
        Self {
            kept: VecDeque::new(),
            bytes: 0,
            head: 0,
            most: limits.kept_events,
            most_bytes: usize::try_from(limits.kept_bytes).unwrap_or(usize::MAX),
            budget,
        }
    }

    /// The number of the newest event.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The number of the next event.
    pub fn next(&self) -> u64 {
        self.head + 1
    }

    /// Adds the next event; `said` has its number already.
    pub fn add(&mut self, said: Said, for_all: bool, about: Option<String>) {
        self.head += 1;
        let bytes = said.bytes();
        let share = loop {
            if bytes > self.most_bytes {
                self.kept.clear();
                self.bytes = 0;
                return;
            }
            let full = self.kept.len() >= self.most || self.bytes + bytes > self.most_bytes;
            let share = if full { None } else { self.budget.take(bytes) };
            match share {
                Some(share) => break share,
                None if self.kept.is_empty() => return,
                None => self.drop_oldest(),
            }
        };
        self.bytes += bytes;
        self.kept.push_back(Event {
            seq: self.head,
            said,
            for_all,
            about,
            share,
        });
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.bytes -= oldest.share.bytes();
        }
    }

    /// The events behind number `seq`, none up to `floor`, and the number behind which they are
    /// complete: `seq` itself, or a later one when some are not kept any more.
    pub fn since(&self, seq: u64, floor: u64) -> (u64, impl Iterator<Item = &Event>) {
        let first = self.kept.front().map_or(self.next(), |event| event.seq);
        // A number that was never given is of another past.
        let from = if seq > self.head {
            first - 1
        } else {
            seq.max(first - 1)
        };
        let from = from.max(floor);
        let after = self.kept.iter().filter(move |event| event.seq > from);
        (from, after)
    }
}

/// A file of a room, shared by all who fetch it.
#[derive(Clone, Debug)]
pub struct SharedFile {
    /// What it says it is.
    pub mime_type: String,
    /// Its bytes in standard base64, padded.
    pub base64: Bytes,
    /// How many bytes that are.
    pub size: u64,
    name: String,
}

impl SharedFile {
    /// What members are told of it.
    pub fn metadata(&self, id: &str) -> Said {
        Said::new("metadata")
            .text("id", id)
            .text("name", &self.name)
            .text("mime_type", &self.mime_type)
            .number("size", self.size)
    }
}

/// A room's files by their ids.
pub struct Files {
    kept: HashMap<String, (SharedFile, Instant, Share)>,
    bytes: u64,
    most: usize,
    most_bytes: u64,
    age: Duration,
    budget: Arc<Budget>,
}

impl Files {
    /// None yet.
    pub fn new(limits: &ChatLimits, budget: Arc<Budget>) -> Self {
        Self {
            kept: HashMap::new(),
            bytes: 0,
            most: limits.room_files,
            most_bytes: limits.room_bytes,
            age: limits.file_age,
            budget,
        }
    }

    /// Keeps a file. Errors: this room, or the server, has no space for it.
    pub fn add(&mut self, id: String, upload: Upload, now: Instant) -> Result<SharedFile, Refusal> {
        if self.kept.len() >= self.most || self.bytes + upload.size > self.most_bytes {
            return Err(Refusal::FileQuota);
        }
        let share = self.budget.take(upload.base64.len());
        let share = share.ok_or(Refusal::ServerBusy)?;
        let file = SharedFile {
            mime_type: upload.mime_type,
            base64: upload.base64,
            size: upload.size,
            name: upload.name,
        };
        self.bytes += file.size;
        self.kept.insert(id, (file.clone(), now, share));
        Ok(file)
    }

    /// The file with this id.
    pub fn get(&self, id: &str) -> Option<&SharedFile> {
        self.kept.get(id).map(|(file, ..)| file)
    }

    /// Forgets files that are too old.
    pub fn expire(&mut self, now: Instant) {
        let age = self.age;
        let bytes = &mut self.bytes;
        self.kept.retain(|_, (file, since, _)| {
            let stays = now.duration_since(*since) < age;
            if !stays {
                *bytes -= file.size;
            }
            stays
        });
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use clap::Parser;

    fn events(flags: &[&str], budget: u64) -> Events {
        let flags = [&["t"], flags].concat();
        Events::new(&Config::parse_from(flags).limits.chat, Budget::new(budget))
    }

    fn add(events: &mut Events, bytes: usize) {
        let said = Said::new("x").text("t", &"y".repeat(bytes));
        events.add(said, true, None);
    }

    fn since(events: &Events, seq: u64) -> (u64, Vec<u64>) {
        let (from, after) = events.since(seq, 0);
        (from, after.map(|event| event.seq).collect())
    }

    #[test]
    fn what_is_kept_follows_without_a_gap() {
        let mut events = events(&["--chat-kept-events", "3"], 1 << 20);
        assert_eq!(since(&events, 0), (0, vec![]));
        for _ in 0..5 {
            add(&mut events, 10);
        }
        assert_eq!(since(&events, 5), (5, vec![]));
        assert_eq!(since(&events, 3), (3, vec![4, 5]));
        assert_eq!(since(&events, 2), (2, vec![3, 4, 5]));
        assert_eq!(since(&events, 1), (2, vec![3, 4, 5]));
        assert_eq!(since(&events, 99), (2, vec![3, 4, 5]));
        for seq in [0, 99] {
            let (from, after) = events.since(seq, 4);
            assert_eq!((from, after.map(|event| event.seq).collect()), (4, vec![5]));
        }
    }

    #[test]
    fn bytes_are_bounded_in_each_room_and_in_all() {
        let mut few = events(&["--chat-kept-bytes", "1000"], 1 << 20);
        for _ in 0..10 {
            add(&mut few, 400);
        }
        assert!(few.bytes <= 1000 && !few.kept.is_empty());
        add(&mut few, 2000);
        assert_eq!(since(&few, 0), (11, vec![]));
        let mut poor = events(&[], 1000);
        for _ in 0..10 {
            add(&mut poor, 400);
        }
        assert_eq!(since(&poor, 9), (9, vec![10]));
    }

    #[test]
    fn files_have_their_quotas_and_their_time() {
        let flags = ["t", "--chat-room-files", "2", "--chat-room-bytes", "10"];
        let limits = Config::parse_from(flags).limits.chat;
        let mut files = Files::new(&limits, Budget::new(20));
        let upload = |size: u64| Upload {
            name: "n".into(),
            mime_type: "a/b".into(),
            base64: Bytes::from(vec![b'A'; 12]),
            size,
        };
        let now = Instant::now();
        files.add("a".into(), upload(5), now).unwrap();
        assert_eq!(
            files.add("b".into(), upload(6), now).unwrap_err(),
            Refusal::FileQuota
        );
        // All rooms together have no space for another one.
        assert_eq!(
            files.add("b".into(), upload(5), now).unwrap_err(),
            Refusal::ServerBusy
        );
        assert_eq!(
            files.get("a").unwrap().metadata("a").object(),
            r#"{"id":"a","name":"n","mime_type":"a/b","size":5}"#
        );
        files.expire(now + limits.file_age);
        assert!(files.get("a").is_none());
        files.add("b".into(), upload(10), now).unwrap();
    }
}
