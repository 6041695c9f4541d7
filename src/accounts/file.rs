//! The accounts on disk: one redb file, open only while it is read or written.
//!
//! So the command line and a running server can take turns without talking to each other: each opening
//! is a matter of milliseconds, the file's lock makes the other one wait, and every change is one
//! durable transaction.

use super::Refused;
use super::book::Book;
use super::user::User;
use redb::{
    Builder, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase,
    ReadableTable, TableDefinition, WriteTransaction,
};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};
use tempfile::NamedTempFile;

/// Accounts by number, as JSON.
const USERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("users");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const NEXT_ID: &str = "next id";
const FORMAT: &str = "format";
/// Of what stands in the tables.
const CURRENT_FORMAT: u64 = 1;
/// Memory for pages while the file is open.
const CACHE_BYTES: usize = 1 << 20;
/// How long somebody else may have the file open.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);
/// Two changes within the smallest step of a disk's clock look like one. No disk's step is as long.
const CLOCK_STEP: Duration = Duration::from_secs(3);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What was to be done cannot be; the file is as it was.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Somebody else has it open, for longer than anybody should.
    #[error("another program holds it")]
    Held,
    /// It is not what it should be.
    #[error("{0}")]
    Broken(String),
    /// The disk does not do what it should.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Tells one state of the file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    bytes: u64,
    modified: SystemTime,
}

impl Mark {
    /// Whether a later change would have another mark.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        let age = now.duration_since(self.modified);
        age.is_ok_and(|age| age > CLOCK_STEP)
    }
}

/// Where the accounts are.
#[derive(Clone, Debug)]
pub struct AccountFile(PathBuf);

impl AccountFile {
    /// Below this folder, which there must be when something is written.
    pub fn below(folder: &Path) -> Self {
        Self(folder.join("accounts.redb"))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder that it is in, where there is none. Blocks.
    pub fn make_folder(&self) -> io::Result<()> {
        let folder = self.0.with_file_name("");
        let Some(around) = folder.parent() else {
            return Ok(());
        };
        fs::create_dir_all(around)?;
        match fs::create_dir(&folder) {
            Ok(()) => give_as(&open_made(&folder)?, around),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What tells this state of the file from another; `None`: there is no file.
    pub(super) fn mark(&self) -> io::Result<Option<Mark>> {
        match fs::metadata(&self.0) {
            Ok(data) => Ok(Some(Mark {
                bytes: data.len(),
                modified: data.modified()?,
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all accounts; where there is no file there are none. Blocks.
    pub fn read(&self) -> Result<Book, FileError> {
        guarded(|| {
            let opened = patiently(|| builder().open_read_only(&self.0));
            let database = match opened {
                Ok(database) => database,
                Err(FileError::Io(error)) if error.kind() == ErrorKind::NotFound => {
                    return Ok(Book::default());
                }
                // A process ended while it wrote. Opening it for writing goes back to the last
                // change that was whole.
                Err(FileError::Broken(_)) => {
                    drop(self.open()?);
                    patiently(|| builder().open_read_only(&self.0))?
                }
                Err(error) => return Err(error),
            };
            read_all(&database)
        })
    }

    /// Changes the accounts, durably, all that `change` does or nothing. Blocks.
    ///
    /// `change` may be called twice, each time with what is on disk. Returns what it returned, and what
    /// is on disk then.
    pub fn change<T>(
        &self,
        mut change: impl FnMut(&mut Book) -> Result<T, Refused>,
    ) -> Result<(T, Book), FileError> {
        guarded(|| {
            if self.mark()?.is_none()
                && let Some(made) = self.make(&mut change)?
            {
                return Ok(made);
            }
            let mut database = self.open()?;
            // Nothing is built on what is broken.
            database.check_integrity().map_err(opening)?;
            let writing = database.begin_write().map_err(redb::Error::from)?;
            let before = read_within(&writing)?;
            let mut after = before.clone();
            let outcome = change(&mut after)?;
            if after != before {
                write(&writing, &before, &after)?;
                commit(writing)?;
            }
            Ok((outcome, after))
        })
    }

    /// Makes the file with what `change` does to no accounts. `None`: somebody else has made it.
    fn make<T>(
        &self,
        change: &mut impl FnMut(&mut Book) -> Result<T, Refused>,
    ) -> Result<Option<(T, Book)>, FileError> {
        let folder = self.0.with_file_name("");
        let mut book = Book::default();
        let outcome = change(&mut book)?;
        // Aside first: whoever finds the file finds a whole one. Made with mode 0600.
        let draft = NamedTempFile::new_in(&folder)?;
        give_as(draft.as_file(), &folder)?;
        let database = builder().create_file(draft.reopen()?).map_err(opening)?;
        let writing = database.begin_write().map_err(redb::Error::from)?;
        write(&writing, &Book::default(), &book)?;
        commit(writing)?;
        drop(database);
        draft.as_file().sync_all()?;
        match draft.persist_noclobber(&self.0) {
            Ok(_) => {}
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error.error.into()),
        }
        File::open(folder)?.sync_all()?;
        Ok(Some((outcome, book)))
    }

    fn open(&self) -> Result<Database, FileError> {
        patiently(|| builder().open(&self.0))
    }
}

/// A folder that was just made, and nothing that somebody has put in its place since.
#[cfg(unix)]
fn open_made(folder: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::DIRECTORY;
    let mut options = File::options();
    let options = options.read(true).custom_flags(flags.bits() as i32);
    let path = folder.components().as_path();
    options.open(path)
}

#[cfg(not(unix))]
fn open_made(folder: &Path) -> io::Result<File> {
    File::open(folder)
}

/// Gives what root has just made to whom the folder around it belongs: the server that reads it is
/// another user's.
#[cfg(unix)]
fn give_as(made: &File, around: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(around)?;
    // Not every disk knows owners; there everybody may read it.
    let _ = fchown(made, Some(owner.uid()), Some(owner.gid()));
    Ok(())
}

#[cfg(not(unix))]
fn give_as(_made: &File, _around: &Path) -> io::Result<()> {
    Ok(())
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Tries until nobody else has the file open.
fn patiently<T>(open: impl Fn() -> Result<T, DatabaseError>) -> Result<T, FileError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match open() {
            Err(DatabaseError::DatabaseAlreadyOpen) if Instant::now() < end => sleep(PAUSE),
            outcome => return outcome.map_err(opening),
        }
    }
}

/// Some damage is only met by an assertion of the database's.
fn guarded<T>(work: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(FileError::Broken(
            "its pages contradict each other".to_owned(),
        ))
    })
}

fn opening(error: DatabaseError) -> FileError {
    redb::Error::from(error).into()
}

impl From<redb::Error> for FileError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::Held,
            redb::Error::Io(error) => match error.kind() {
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                    Self::Broken(error.to_string())
                }
                _ => Self::Io(error),
            },
            other => Self::Broken(other.to_string()),
        }
    }
}

fn read_all(database: &ReadOnlyDatabase) -> Result<Book, FileError> {
    let reading: ReadTransaction = database.begin_read().map_err(redb::Error::from)?;
    let numbers = reading.open_table(NUMBERS).map_err(redb::Error::from)?;
    let users = reading.open_table(USERS).map_err(redb::Error::from)?;
    restore(&numbers, &users)
}

fn read_within(writing: &WriteTransaction) -> Result<Book, FileError> {
    let numbers = writing.open_table(NUMBERS).map_err(redb::Error::from)?;
    let users = writing.open_table(USERS).map_err(redb::Error::from)?;
    restore(&numbers, &users)
}

fn restore(
    numbers: &impl ReadableTable<&'static str, u64>,
    users: &impl ReadableTable<u64, &'static [u8]>,
) -> Result<Book, FileError> {
    let number = |name: &str| -> Result<u64, FileError> {
        let found = numbers.get(name).map_err(redb::Error::from)?;
        let missing = || FileError::Broken(format!("it does not say its {name}"));
        found.map(|found| found.value()).ok_or_else(missing)
    };
    let format = number(FORMAT)?;
    if format != CURRENT_FORMAT {
        let text = format!("it is of format {format}, and this program knows {CURRENT_FORMAT}");
        return Err(FileError::Broken(text));
    }
    let mut found = Vec::new();
    for row in users.iter().map_err(redb::Error::from)? {
        let (id, bytes) = row.map_err(redb::Error::from)?;
        let user: User = serde_json::from_slice(bytes.value())
            .map_err(|error| FileError::Broken(format!("account {}: {error}", id.value())))?;
        if user.id != id.value() {
            let text = format!("account {} says that it is {}", id.value(), user.id);
            return Err(FileError::Broken(text));
        }
        found.push(user);
    }
    Book::restore(found, number(NEXT_ID)?).map_err(FileError::Broken)
}

/// Writes what has become otherwise.
fn write(writing: &WriteTransaction, before: &Book, after: &Book) -> Result<(), FileError> {
    let mut numbers = writing.open_table(NUMBERS).map_err(redb::Error::from)?;
    for (name, number) in [(FORMAT, CURRENT_FORMAT), (NEXT_ID, after.next_id())] {
        numbers.insert(name, number).map_err(redb::Error::from)?;
    }
    let mut users = writing.open_table(USERS).map_err(redb::Error::from)?;
    for user in before.users() {
        if after.get(user.id).is_err() {
            users.remove(user.id).map_err(redb::Error::from)?;
        }
    }
    for user in after.users() {
        if before.get(user.id) != Ok(user) {
            let bytes = serde_json::to_vec(user).map_err(io::Error::other)?;
            users
                .insert(user.id, bytes.as_slice())
                .map_err(redb::Error::from)?;
        }
    }
    Ok(())
}

fn commit(mut writing: WriteTransaction) -> Result<(), FileError> {
    // So that it can be read right away after a crash.
    writing.set_quick_repair(true);
    writing.commit().map_err(redb::Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::book::tests::new_user;
    use super::*;
    use crate::access::AccountRole;
    use std::sync::Barrier;
    use std::thread;
    use tempfile::TempDir;

    fn file(folder: &TempDir) -> AccountFile {
        AccountFile::below(folder.path())
    }

    fn add(file: &AccountFile, name: &str) -> Result<User, FileError> {
        let added =
            file.change(|book| book.add(new_user(name, AccountRole::Admin), 100, 1_795_000_000));
        added.map(|(user, _)| user)
    }

    #[test]
    fn what_was_acknowledged_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        assert_eq!(file.read().unwrap(), Book::default());
        assert_eq!(file.mark().unwrap(), None);
        let anna = add(&file, "Anna").unwrap();
        let ben = add(&file, "Ben").unwrap();
        let book = file.read().unwrap();
        assert_eq!(book.users().collect::<Vec<_>>(), [&anna, &ben]);
        let (_, left) = file.change(|book| book.remove(anna.id, None)).unwrap();
        assert_eq!(file.read().unwrap(), left);
        assert_eq!(left.users().collect::<Vec<_>>(), [&ben]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(file.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // Nothing else is left beside it.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        let refused = file.change(|_| Err::<(), _>(Refused::Missing));
        assert!(matches!(refused, Err(FileError::Refused(Refused::Missing))));
        assert_eq!(file.mark().unwrap(), None);
        add(&file, "Anna").unwrap();
        let before = file.read().unwrap();
        let half = file.change(|book| {
            book.add(new_user("Ben", AccountRole::Viewer), 9, 1)?;
            book.remove(1, None)
        });
        let refused = half.unwrap_err();
        assert!(matches!(refused, FileError::Refused(Refused::LastAdmin)));
        assert_eq!(file.read().unwrap(), before);
    }

    #[test]
    fn many_at_once_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for n in 0..8 {
                let (file, start) = (&file, &start);
                scope.spawn(move || {
                    start.wait();
                    add(file, &format!("user{n}")).unwrap();
                    file.read().unwrap();
                });
            }
        });
        assert_eq!(file.read().unwrap().users().len(), 8);
    }

    #[test]
    fn a_process_that_ended_while_it_wrote_costs_only_what_was_not_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        add(&file, "Anna").unwrap();
        let database = file.open().unwrap();
        let writing = database.begin_write().unwrap();
        let before = read_within(&writing).unwrap();
        let mut after = before.clone();
        after
            .add(new_user("Ben", AccountRole::Viewer), 9, 1)
            .unwrap();
        write(&writing, &before, &after).unwrap();
        // What is on disk now is what a crash would leave.
        let copy = tempfile::tempdir().unwrap();
        let left = self::file(&copy);
        fs::copy(file.path(), left.path()).unwrap();
        drop(writing);
        drop(database);
        assert_eq!(left.read().unwrap(), before);
        assert_eq!(add(&left, "Cleo").unwrap().id, 2);
    }

    #[test]
    fn damage_is_an_error_and_never_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        for n in 0..5 {
            add(&file, &format!("user{n}")).unwrap();
        }
        let whole = fs::read(file.path()).unwrap();
        let book = file.read().unwrap();
        let damaged = |bytes: &[u8]| {
            fs::write(file.path(), bytes).unwrap();
            // Whatever comes out of it, it comes.
            let _ = file.read();
            let _ = file.change(|book| book.add(new_user("new", AccountRole::Viewer), 100, 1));
        };
        for bytes in [&b""[..], b"{", b"redb", &[0; 5_000], &[0xff; 100_000]] {
            damaged(bytes);
        }
        for end in [1, 100, 4_000, 4_096, 5_000, whole.len() / 2] {
            damaged(&whole[..end]);
            fs::write(file.path(), &whole[..end]).unwrap();
            assert!(file.read().is_err(), "cut at {end}");
        }
        let used: Vec<_> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
        for at in used.iter().step_by(used.len() / 60) {
            let mut bytes = whole.clone();
            bytes[*at] ^= 0x55;
            damaged(&bytes);
        }
        fs::write(file.path(), &whole).unwrap();
        assert_eq!(file.read().unwrap(), book);
    }

    #[test]
    fn a_file_of_another_time_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        add(&file, "Anna").unwrap();
        {
            let database = file.open().unwrap();
            let writing = database.begin_write().unwrap();
            let mut numbers = writing.open_table(NUMBERS).unwrap();
            numbers.insert(FORMAT, 2).unwrap();
            drop(numbers);
            commit(writing).unwrap();
        }
        let said = file.read().unwrap_err().to_string();
        assert!(said.contains("format 2"), "{said}");
        assert!(add(&file, "Ben").is_err());
    }
}
