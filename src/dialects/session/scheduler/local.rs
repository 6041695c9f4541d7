//! The scheduler of one process: it knows all rooms, and they are all here.
//!
//! What it knows stands in one small file below `.tablekeep/`, a line for each thing that happened to
//! a room: its id, when it was made, and when somebody was last there (seconds since 1970; 0: nobody
//! yet). The last line of a room counts. A room is acknowledged when its line is on disk.

use super::super::rooms::Rooms;
use super::{Host, SchedError, Scheduler};
use crate::access::{Client, Tally};
use crate::config::SessionLimits;
use crate::dialects::session::RoomId;
use crate::store::write_durably;
use futures_util::future::{BoxFuture, FutureExt};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

/// Lines that may wait for the disk.
const QUEUE: usize = 1024;
/// The file is written anew when it has this many lines more than twice the rooms.
const SLACK: usize = 1024;

/// Which rooms there are.
pub struct Directory {
    rooms: Arc<Mutex<Known>>,
    most: usize,
    most_per_client: usize,
    unused: Duration,
    idle: Duration,
    file: Option<PathBuf>,
    /// The thread that writes, once there is something to write.
    writer: OnceLock<Sender<Line>>,
}

/// The rooms that are known.
#[derive(Default)]
struct Known {
    rooms: HashMap<RoomId, Record>,
    /// By who has made them.
    made: Tally,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    /// Seconds since 1970.
    created: u64,
    /// The same; 0: nobody has been there.
    seen: u64,
    /// Somebody is there.
    in_use: bool,
    /// Who has made it; `None`: another process, before this one. Addresses are not kept on disk.
    maker: Option<Client>,
}

impl Known {
    fn insert(&mut self, id: RoomId, record: Record) {
        if let Some(maker) = record.maker {
            self.made.add(maker);
        }
        self.rooms.insert(id, record);
    }

    fn remove(&mut self, id: &RoomId) -> bool {
        let removed = self.rooms.remove(id);
        if let Some(maker) = removed.and_then(|record| record.maker) {
            self.made.remove(maker);
        }
        removed.is_some()
    }

    fn remove_all(&mut self, are_over: impl Fn(&Record) -> bool) {
        let over = self.rooms.iter().filter(|(_, record)| are_over(record));
        let over: Vec<_> = over.map(|(id, _)| id.clone()).collect();
        for id in over {
            self.remove(&id);
        }
    }

    /// Removes the room of this maker that nobody has been in for longest, if there is one.
    fn remove_oldest(&mut self, of: Client) -> Option<(RoomId, Record)> {
        let rooms = self.rooms.iter();
        let empty = rooms.filter(|(_, record)| record.maker == Some(of) && !record.in_use);
        let oldest = empty.min_by_key(|(_, record)| record.created.max(record.seen));
        let (id, record) = oldest.map(|(id, record)| (id.clone(), *record))?;
        self.remove(&id);
        Some((id, record))
    }
}

/// Something for the file, and who waits for it.
struct Line {
    text: String,
    done: Option<oneshot::Sender<bool>>,
}

impl Directory {
    /// Reads `file`; without one, rooms are forgotten with the process. Lines that cannot be read are
    /// left out.
    pub fn open(file: Option<PathBuf>, limits: &SessionLimits) -> Self {
        let mut known = Known::default();
        if let Some(file) = &file {
            match std::fs::read(file) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes);
                    known.rooms.extend(text.lines().filter_map(parse));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    // Kept: the next room would be written over it.
                    let aside = file.with_extension("unreadable");
                    let kept = std::fs::rename(file, &aside).is_ok();
                    tracing::error!(%error, kept, "the list of session rooms cannot be read: {error}; it is moved to {}", aside.display());
                }
            }
        }
        Self {
            rooms: Arc::new(Mutex::new(known)),
            most: limits.known_rooms,
            most_per_client: limits.rooms_per_address,
            unused: limits.unused,
            idle: limits.idle,
            file,
            writer: OnceLock::new(),
        }
    }

    // A lock for a map, held for a look and never across an await.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self, record: &Record, now: u64) -> bool {
        let end = match record.seen {
            0 => record.created.saturating_add(self.unused.as_secs()),
            seen => seen.saturating_add(self.idle.as_secs()),
        };
        !record.in_use && end <= now
    }

    /// Makes a room. Answers when it is durable.
    async fn create(&self, client: Client, now: u64) -> Result<RoomId, SchedError> {
        let id = RoomId::invent().map_err(|_| SchedError::Unavailable)?;
        let record = Record {
            created: now,
            seen: 0,
            in_use: false,
            maker: Some(client),
        };
        let given_up = {
            let mut known = self.lock();
            let mut given_up = None;
            if known.made.of(client) >= self.most_per_client {
                given_up = known.remove_oldest(client);
                if given_up.is_none() {
                    return Err(SchedError::ShareTaken);
                }
            }
            if known.rooms.len() >= self.most {
                known.remove_all(|record| self.is_over(record, now));
            }
            if known.rooms.len() >= self.most {
                return Err(SchedError::NoCapacity);
            }
            known.insert(id.clone(), record);
            given_up
        };
        let Some(writer) = self.writer() else {
            return Ok(id);
        };
        let (done, answer) = oneshot::channel();
        let line = Line {
            text: line(&id, &record),
            done: Some(done),
        };
        let sent = writer.send(line).await.is_ok();
        if sent && answer.await.unwrap_or(false) {
            return Ok(id);
        }
        let mut known = self.lock();
        known.remove(&id);
        if let Some((id, record)) = given_up {
            // It gave way to nothing.
            known.insert(id, record);
        }
        Err(SchedError::Unavailable)
    }

    /// Whether there is such a room.
    fn knows(&self, id: &RoomId, now: u64) -> bool {
        let mut known = self.lock();
        let found = known.rooms.get(id).copied();
        let over = found.is_some_and(|record| self.is_over(&record, now));
        if over {
            known.remove(id);
        }
        found.is_some() && !over
    }

    /// Somebody is there.
    pub fn in_use(&self, id: &RoomId) {
        self.seen(id, true);
    }

    /// The last one has gone.
    pub fn vacated(&self, id: &RoomId) {
        self.seen(id, false);
    }

    fn seen(&self, id: &RoomId, in_use: bool) {
        let record = {
            let mut known = self.lock();
            // Somebody may have a token for a room that was not made here.
            let Some(record) = known.rooms.get_mut(id) else {
                return;
            };
            (record.seen, record.in_use) = (seconds(), in_use);
            *record
        };
        if let Some(writer) = self.writer() {
            // Nobody waits for it, and a later line says the same: none is needed when all are busy.
            let text = line(id, &record);
            let _ = writer.try_send(Line { text, done: None });
        }
    }

    fn writer(&self) -> Option<&Sender<Line>> {
        let file = self.file.clone()?;
        let writer = self.writer.get_or_init(|| {
            let (lines, inbox) = channel(QUEUE);
            let rooms = self.rooms.clone();
            let write = move || write_lines(&file, &rooms, inbox);
            let started = std::thread::Builder::new().name("session-rooms".into());
            if let Err(error) = started.spawn(write) {
                tracing::error!(%error, "the list of session rooms cannot be kept: {error}");
            }
            lines
        });
        Some(writer)
    }
}

fn parse(line: &str) -> Option<(RoomId, Record)> {
    let mut words = line.split(' ');
    let id = RoomId::parse(words.next()?)?;
    let created = words.next()?.parse().ok()?;
    let seen = words.next()?.parse().ok()?;
    let record = Record {
        created,
        seen,
        in_use: false,
        maker: None,
    };
    words.next().is_none().then_some((id, record))
}

fn line(id: &RoomId, record: &Record) -> String {
    format!("{id} {} {}\n", record.created, record.seen)
}

fn seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Writes lines as they come, all that wait with one sync; blocks until nobody sends any more.
fn write_lines(file: &Path, rooms: &Mutex<Known>, mut inbox: Receiver<Line>) {
    let mut out: Option<(File, usize)> = None;
    let mut round = Vec::new();
    while inbox.blocking_recv_many(&mut round, QUEUE) > 0 {
        let known = rooms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rooms
            .len();
        // The first time it is not known how the file ends: a crash may have left half a line.
        let full = out
            .as_ref()
            .is_none_or(|(_, lines)| *lines > 2 * known + SLACK);
        let written = match (&mut out, full) {
            (Some((file, lines)), false) => {
                *lines += round.len();
                append(file, &round)
            }
            _ => rewrite(file, rooms).map(|new| out = Some(new)),
        };
        if let Err(error) = &written {
            tracing::error!(%error, "the list of session rooms cannot be written: {error}");
            out = None;
        }
        for line in round.drain(..) {
            if let Some(done) = line.done {
                let _ = done.send(written.is_ok());
            }
        }
    }
}

fn append(file: &mut File, lines: &[Line]) -> std::io::Result<()> {
    let text: String = lines.iter().map(|line| line.text.as_str()).collect();
    file.write_all(text.as_bytes())?;
    // What nobody waits for may be lost.
    if lines.iter().any(|line| line.done.is_some()) {
        file.sync_data()?;
    }
    Ok(())
}

/// Writes all that is known anew; it is known before anybody asks for it to be written.
fn rewrite(file: &Path, rooms: &Mutex<Known>) -> std::io::Result<(File, usize)> {
    let (text, count) = {
        let rooms = &rooms.lock().unwrap_or_else(PoisonError::into_inner).rooms;
        let mut text = String::new();
        for (id, record) in rooms.iter() {
            let _ = text.write_str(&line(id, record));
        }
        (text, rooms.len())
    };
    write_durably(file, text.as_bytes())?;
    let file = OpenOptions::new().append(true).open(file)?;
    Ok((file, count))
}

/// The scheduler over a directory and the rooms of this process.
pub struct Local {
    directory: Arc<Directory>,
    rooms: Arc<Rooms>,
    host: Host,
}

impl Local {
    /// `host`: where clients find this process.
    pub fn new(directory: Arc<Directory>, rooms: Arc<Rooms>, host: Host) -> Self {
        Self {
            directory,
            rooms,
            host,
        }
    }
}

impl Scheduler for Local {
    fn create_room(&self, client: Client) -> BoxFuture<'_, Result<RoomId, SchedError>> {
        async move {
            if !self.rooms.has_space() {
                return Err(SchedError::NoCapacity);
            }
            self.directory.create(client, seconds()).await
        }
        .boxed()
    }

    fn room_host<'a>(&'a self, id: &'a RoomId) -> BoxFuture<'a, Result<Option<Host>, SchedError>> {
        async {
            let known = self.directory.knows(id, seconds());
            Ok(known.then(|| self.host.clone()))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::settings;

    fn open(file: Option<&Path>) -> Directory {
        let limits = settings(&["--session-known-rooms", "3"]).limits.sessions;
        Directory::open(file.map(Path::to_owned), &limits)
    }

    fn create(directory: &Directory, now: u64) -> Result<RoomId, SchedError> {
        create_for(Client::Others, directory, now)
    }

    fn create_for(of: Client, directory: &Directory, now: u64) -> Result<RoomId, SchedError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(directory.create(of, now))
    }

    #[test]
    fn rooms_survive_a_restart_and_their_end_does_not_wait_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("session-rooms");
        let now = seconds();
        let first = open(Some(&file));
        let made = create(&first, now).unwrap();
        let old = create(&first, now - 4000).unwrap();
        assert!(first.knows(&made, now) && !first.knows(&old, now));
        // Half a line, as a crash leaves it, and one that nobody has written.
        let mut torn = OpenOptions::new().append(true).open(&file).unwrap();
        torn.write_all(b"nonsense\nabc 17").unwrap();
        let second = open(Some(&file));
        assert!(second.knows(&made, now) && !second.knows(&old, now));
        let more = create(&second, now).unwrap();
        let third = open(Some(&file));
        assert!(third.knows(&made, now) && third.knows(&more, now));
        assert_eq!(third.lock().rooms.len(), 2);
    }

    #[test]
    fn unused_rooms_end_after_an_hour_and_used_ones_a_day_after_the_last_has_gone() {
        let directory = open(None);
        let now = seconds();
        let (unused, used) = (
            create(&directory, now).unwrap(),
            create(&directory, now).unwrap(),
        );
        directory.in_use(&used);
        assert!(directory.knows(&unused, now + 3599));
        assert!(!directory.knows(&unused, now + 3600));
        assert!(!directory.knows(&unused, now));
        assert!(directory.knows(&used, now + 1_000_000));
        directory.vacated(&used);
        let then = directory.lock().rooms[&used].seen;
        assert!(directory.knows(&used, then + 86_399));
        assert!(!directory.knows(&used, then + 86_400));
    }

    #[test]
    fn there_are_so_many_rooms_and_no_more() {
        let directory = open(None);
        let now = seconds();
        for _ in 0..3 {
            create(&directory, now).unwrap();
        }
        assert_eq!(create(&directory, now), Err(SchedError::NoCapacity));
        assert!(create(&directory, now + 3600).is_ok());
        assert_eq!(directory.lock().rooms.len(), 1);
    }

    #[test]
    fn who_makes_many_rooms_loses_the_own_oldest_empty_ones() {
        let flags = ["--session-rooms-per-address", "2"];
        let directory = Directory::open(None, &settings(&flags).limits.sessions);
        let (one, other) = (Client::V4([192, 0, 2, 1]), Client::V4([192, 0, 2, 2]));
        let now = seconds();
        let make = |of, at| create_for(of, &directory, now + at);
        let others = make(other, 0).unwrap();
        let (first, second) = (make(one, 1).unwrap(), make(one, 2).unwrap());
        directory.in_use(&first);
        let third = make(one, 3).unwrap();
        let there = |id| directory.knows(id, now + 5);
        assert!(there(&others) && there(&first) && !there(&second) && there(&third));
        directory.in_use(&third);
        assert_eq!(make(one, 4), Err(SchedError::ShareTaken));
        assert!(make(other, 4).is_ok());
        // Once one is empty it gives way.
        directory.vacated(&first);
        let fourth = make(one, 5).unwrap();
        assert!(!there(&first) && there(&third) && there(&fourth));
        // What is over is counted no more.
        assert!(!directory.knows(&fourth, now + 5000));
        assert_eq!(directory.lock().made.of(one), 1);
    }

    #[test]
    fn a_disk_that_takes_nothing_makes_no_rooms() {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(Some(&folder.path().join("missing/session-rooms")));
        assert_eq!(create(&directory, seconds()), Err(SchedError::Unavailable));
        assert!(directory.lock().rooms.is_empty());
        assert_eq!(directory.lock().made.of(Client::Others), 0);
    }

    #[test]
    fn a_disk_that_takes_nothing_costs_nobody_a_room() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/session-rooms");
        let limits = settings(&["--session-rooms-per-address", "1"])
            .limits
            .sessions;
        let directory = Directory::open(Some(missing), &limits);
        let (now, own) = (seconds(), RoomId::invent().unwrap());
        let record = Record {
            created: now,
            seen: 0,
            in_use: false,
            maker: Some(Client::Others),
        };
        directory.lock().insert(own.clone(), record);
        assert_eq!(create(&directory, now), Err(SchedError::Unavailable));
        assert!(directory.knows(&own, now));
        assert_eq!(directory.lock().made.of(Client::Others), 1);
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("session-rooms");
        let directory = open(Some(&file));
        let id = create(&directory, seconds()).unwrap();
        for _ in 0..10 {
            for _ in 0..QUEUE / 2 {
                directory.in_use(&id);
            }
            create(&directory, seconds() - 4000).unwrap();
            directory.lock().rooms.retain(|known, _| *known == id);
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.lines().count() <= 2 * QUEUE + SLACK,
            "{}",
            text.lines().count()
        );
    }
}
