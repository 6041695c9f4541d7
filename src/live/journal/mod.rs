//! A journal: records in one file, in order, each of them durable once its append has returned.
//!
//! A record is any bytes; what they mean is the caller's business. The file grows by appends and is
//! replaced whole by a [restart](Journal::restart), which is how a snapshot takes the place of the
//! history before it. Everything here blocks. Only one journal may have a file open: the lock on the
//! data folder sees to that between processes.

mod disk;
mod format;
#[cfg(test)]
pub(super) mod sim;
#[cfg(test)]
mod tests;

pub use disk::{Disk, Files, Medium};

use bytes::Bytes;
use format::{BUFFER_BYTES, HEADER_BYTES, PREFIX_BYTES};
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Largest record.
pub const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;
/// Damaged files that may bear the same second in their names.
const MAX_NAMESAKES: u32 = 100;

/// An open journal.
pub struct Journal<D: Disk = Files> {
    disk: D,
    path: PathBuf,
    file: D::File,
    /// Where the next record goes: behind the last acknowledged one.
    end: u64,
    trouble: Trouble,
}

/// What must be put right before the next append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// Behind the end there may be bytes of an append that failed.
    Tail,
    /// After a power cut the file's name might lead to the one before it.
    Name,
    /// Acknowledged records cannot be read any more.
    Damage {
        /// Whether the file has been given its second name.
        kept: bool,
    },
}

/// What a file held when it was opened.
#[derive(Debug)]
pub struct Opened {
    /// All good records, or those before the damage.
    pub records: Vec<Bytes>,
    /// How the file ended.
    pub tail: Tail,
}

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a whole record.
    Clean,
    /// In the middle of an append that was never acknowledged. The rest of it has been cut off.
    Torn {
        /// Bytes that were cut off.
        lost_bytes: u64,
    },
    /// Records that had been acknowledged are gone: from `at` on, something is bad, and behind it
    /// an append begins that is good.
    ///
    /// The file stays as it is, and appends are refused, until [`Journal::restart`] begins a new
    /// history (so a crash before that finds the damage again). It then keeps the old file as
    /// `<name>.broken-<unix time>`.
    Damaged {
        /// Where the first bad record begins, in bytes; 0 when the file is no journal at all.
        at: u64,
    },
}

/// What an append was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// Bytes written.
    pub bytes: u64,
    /// How long the disk took to make them durable.
    pub fsync: Duration,
}

impl Journal {
    /// Opens the journal at `path`, or begins an empty one there; its folder must exist.
    ///
    /// Errors: what the disk says, and `InvalidData` for the journal of a later version.
    pub fn open(path: &Path) -> io::Result<(Self, Opened)> {
        Self::open_on(Files, path)
    }
}

impl<D: Disk> Journal<D> {
    /// The same on any disk.
    pub fn open_on(mut disk: D, path: &Path) -> io::Result<(Self, Opened)> {
        let file = match disk.open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Self::begin(disk, path),
            opened => opened?,
        };
        let mut journal = Self {
            disk,
            path: path.to_owned(),
            file,
            end: 0,
            trouble: Trouble::None,
        };
        let size = journal.file.seek(SeekFrom::End(0))?;
        journal.file.rewind()?;
        let contents = format::read(&mut journal.file, size)?;
        journal.end = contents.end;
        journal.trouble = match contents.tail {
            // Also when it is clean: what was read need not be durable yet.
            Tail::Clean | Tail::Torn { .. } => Trouble::Tail,
            Tail::Damaged { .. } => Trouble::Damage { kept: false },
        };
        if journal.trouble == Trouble::Tail {
            journal.mend()?;
            journal.disk.sync_names(path)?;
        }
        let opened = Opened {
            records: contents.records,
            tail: contents.tail,
        };
        Ok((journal, opened))
    }

    fn begin(mut disk: D, path: &Path) -> io::Result<(Self, Opened)> {
        let draft = draft_path(path);
        let (file, commit) = write_new(&mut disk, &draft, &[])?;
        disk.rename(&draft, path)?;
        disk.sync_names(path)?;
        let journal = Self {
            disk,
            path: path.to_owned(),
            file,
            end: commit.bytes,
            trouble: Trouble::None,
        };
        let opened = Opened {
            records: Vec::new(),
            tail: Tail::Clean,
        };
        Ok((journal, opened))
    }

    /// Adds records, all or none, and makes them durable.
    ///
    /// After an error the file is cut back to what it held before. When even that fails, every
    /// later append tries it again first, and fails as long as it does not work; should the process
    /// end meanwhile, some of the failed records may be there when the journal is opened again.
    ///
    /// Errors: what the disk says, with its kind (`StorageFull` for a full one); `InvalidInput` for
    /// a record above [`MAX_RECORD_BYTES`]; `InvalidData` while the journal is damaged.
    pub fn append(&mut self, records: &[Bytes]) -> io::Result<Commit> {
        check_sizes(records)?;
        self.mend()?;
        if records.is_empty() {
            return Ok(Commit::default());
        }
        let appended = write_records(&mut self.file, records, false).and_then(|bytes| {
            let started = Instant::now();
            self.file.sync_data()?;
            let fsync = started.elapsed();
            Ok(Commit { bytes, fsync })
        });
        match &appended {
            Ok(commit) => self.end += commit.bytes,
            Err(_) => {
                self.trouble = Trouble::Tail;
                if let Err(error) = self.mend() {
                    tracing::error!(%error, path = ?self.path,
                        "the rest of a failed write could not be removed ({error}); trying again before the next one");
                }
            }
        }
        appended
    }

    /// Begins again: a new file with only these records takes the place of the old one, in one step.
    ///
    /// After an error the old one is in use as before, with one exception: when the disk fails
    /// between the step and making it durable, the new one is, and appends are refused until the
    /// step is durable. Errors are those of [`Journal::append`].
    pub fn restart(&mut self, records: &[Bytes]) -> io::Result<Commit> {
        check_sizes(records)?;
        let draft = draft_path(&self.path);
        let replaced = self.replace(&draft, records);
        if replaced.is_err() && self.trouble != Trouble::Name {
            // A full disk needs the room.
            let _ = self.disk.remove(&draft);
        }
        replaced
    }

    fn replace(&mut self, draft: &Path, records: &[Bytes]) -> io::Result<Commit> {
        let (file, commit) = write_new(&mut self.disk, draft, records)?;
        if self.trouble == (Trouble::Damage { kept: false }) {
            self.keep_aside()?;
            self.trouble = Trouble::Damage { kept: true };
        }
        self.disk.rename(draft, &self.path)?;
        self.file = file;
        self.end = commit.bytes;
        self.trouble = Trouble::Name;
        self.mend()?;
        Ok(commit)
    }

    /// Bytes of the file, as far as they are acknowledged.
    pub fn size(&self) -> u64 {
        self.end
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts right what a failure has left.
    fn mend(&mut self) -> io::Result<()> {
        match self.trouble {
            Trouble::None => {}
            Trouble::Tail => {
                self.file.set_len(self.end)?;
                self.file.seek(SeekFrom::Start(self.end))?;
                self.file.sync_all()?;
            }
            Trouble::Name => self.disk.sync_names(&self.path)?,
            Trouble::Damage { .. } => {
                let text = "the journal is damaged and must be begun again";
                return Err(io::Error::new(ErrorKind::InvalidData, text));
            }
        }
        self.trouble = Trouble::None;
        Ok(())
    }

    /// Gives the damaged file a name under which it stays.
    fn keep_aside(&mut self) -> io::Result<()> {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_secs());
        for nth in 0..MAX_NAMESAKES {
            let suffix = match nth {
                0 => format!(".broken-{seconds}"),
                _ => format!(".broken-{seconds}-{nth}"),
            };
            let aside = with_suffix(&self.path, &suffix);
            match self.disk.keep(&self.path, &aside) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
                Ok(()) => {
                    tracing::warn!(?aside, "the damaged journal is kept as {}", aside.display());
                    return Ok(());
                }
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

fn check_sizes(records: &[Bytes]) -> io::Result<()> {
    if records
        .iter()
        .all(|record| record.len() <= MAX_RECORD_BYTES)
    {
        return Ok(());
    }
    let text = format!("a record is larger than {MAX_RECORD_BYTES} bytes");
    Err(io::Error::new(ErrorKind::InvalidInput, text))
}

/// A whole new file, durable but for its name.
fn write_new<D: Disk>(
    disk: &mut D,
    path: &Path,
    records: &[Bytes],
) -> io::Result<(D::File, Commit)> {
    let mut file = disk.create(path)?;
    file.write_all(&format::header())?;
    let bytes = HEADER_BYTES + write_records(&mut file, records, true)?;
    let started = Instant::now();
    file.sync_all()?;
    let fsync = started.elapsed();
    Ok((file, Commit { bytes, fsync }))
}

/// Writes records behind each other; `all_begin` when each was durable before the file counts.
fn write_records(file: &mut impl Write, records: &[Bytes], all_begin: bool) -> io::Result<u64> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut write = || -> io::Result<u64> {
        let mut bytes = 0;
        for (nth, record) in records.iter().enumerate() {
            format::write_record(&mut out, record, all_begin || nth == 0)?;
            bytes += (PREFIX_BYTES + record.len()) as u64;
        }
        out.flush()?;
        Ok(bytes)
    };
    let written = write();
    // Taken apart, because dropped after an error it would write on.
    let _ = out.into_parts();
    written
}

fn draft_path(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
