//! Files on disk, without any HTTP: typed paths, an index in step with the disk, atomic writes.
//!
//! - [`AssetPath`], [`FolderPath`], [`NewName`]: untrusted text becomes a type once.
//! - [`Kind`]: what makes one library differ from another, as data.
//! - [`Shelf`]: one library's folder and its in-memory index.
//! - [`Store`]: the three shelves, and [`Change`]: several file operations that happen whole or,
//!   after a crash, are completed at the next start.

mod change;
mod index;
mod kind;
mod path;
mod shelf;
mod signature;
mod watch;

pub use change::{Change, PendingIntent};
pub use index::{Entry, Index, Skipped};
pub use kind::{Class, Kind};
pub use path::{AssetPath, FolderPath, MAX_NAME_BYTES, MAX_PATH_BYTES, NewName, PathError};
pub use shelf::{Shelf, Stamp};
pub use signature::Format;
pub use watch::Watcher;

use crate::error::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// Name of the folder that holds everything of our own, below the data folder.
pub const PRIVATE_DIR: &str = ".tablekeep";

/// The data folder: three shelves and what is needed to change them safely.
pub struct Store {
    root: PathBuf,
    shelves: Vec<Shelf>,
    /// Held while files are renamed and the index follows, and while a part of the disk is read
    /// again: so a rescan never overwrites what a change has just put into the index.
    commit: Mutex<()>,
    /// Keeps a second server out of the same folder; released by the system when we end.
    _lock: File,
}

impl Store {
    /// Opens the data folder, makes what is missing, and completes what a crash left half done.
    ///
    /// Does not scan: see [`Store::scan`]. Errors name the folder and say what to do.
    pub fn open(root: &Path, kinds: &[&'static Kind]) -> Result<(Arc<Self>, Vec<PendingIntent>)> {
        let explain = |e: std::io::Error| {
            Error::Invalid(format!(
                "the data folder {} cannot be used ({e}); choose another with --data-dir",
                root.display()
            ))
        };
        let private = root.join(PRIVATE_DIR);
        fs::create_dir_all(&private)
            .map_err(about(&private))
            .map_err(explain)?;
        let root = root.canonicalize().map_err(explain)?;
        let lock = private.join("lock");
        let lock = File::create(&lock).map_err(about(&lock)).map_err(explain)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Invalid(format!(
                    "another tablekeep is using the data folder {}; stop it or choose another folder with --data-dir",
                    root.display()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(explain(e)),
        }
        let mut shelves = Vec::new();
        for kind in kinds {
            shelves.push(Shelf::open(kind, &root).map_err(explain)?);
        }
        let store = Self {
            root,
            shelves,
            commit: Mutex::new(()),
            _lock: lock,
        };
        let pending = store.recover().map_err(|e| match e {
            Error::Internal(cause) => explain(cause),
            other => other,
        })?;
        match store.kept_for_people() {
            Ok(kept) => {
                for shelf in &store.shelves {
                    shelf.clear_temporary_files(&kept).map_err(explain)?;
                }
            }
            // Some space, until somebody has looked.
            Err(error) => {
                tracing::warn!(%error, "{PRIVATE_DIR}/tmp is not cleared: something in {PRIVATE_DIR}/intents cannot be read ({error})");
            }
        }
        Ok((Arc::new(store), pending))
    }

    /// The data folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The hidden folder for what is ours alone.
    pub fn private(&self) -> PathBuf {
        self.root.join(PRIVATE_DIR)
    }

    /// The shelf of `kind`.
    pub fn shelf(&self, kind: &'static Kind) -> &Shelf {
        self.shelves
            .iter()
            .find(|shelf| std::ptr::eq(shelf.kind(), kind))
            .expect("every kind has a shelf: Store::open made them")
    }

    /// All shelves, in the order in which they were opened.
    pub fn shelves(&self) -> &[Shelf] {
        &self.shelves
    }

    /// Reads the whole disk into the index. Blocks; one folder after the other.
    pub fn scan(&self) {
        for shelf in &self.shelves {
            let _guard = self.lock();
            shelf.rescan();
        }
    }

    /// How much the indexes lack that the disk did not tell.
    pub(super) fn unread(&self) -> usize {
        let shelves = self.shelves.iter();
        shelves.map(|shelf| shelf.unread_paths().len()).sum()
    }

    /// Reads again what the disk did not tell. Blocks.
    pub(super) fn read_again(&self) {
        for shelf in &self.shelves {
            let _guard = self.lock();
            shelf.refresh_all(&shelf.unread_paths());
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // The guard protects order, not data: a panic elsewhere leaves nothing half done here.
        self.commit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes from the trash what was put there more than `keep` ago.
    pub fn empty_trash(&self, keep: Duration) {
        let Some(limit) = SystemTime::now().checked_sub(keep) else {
            return;
        };
        for shelf in &self.shelves {
            shelf.empty_trash(limit);
        }
    }
}

/// Replaces a small file of our own, whole and durable: readers see the old one or the new one.
///
/// Only this user may read it. Blocks.
pub fn write_durably(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write_synced(file, bytes)?;
    sync_parent(file)
}

/// Replaces several small files in `folder` as [`write_durably`] does one.
pub fn write_all_durably<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> std::io::Result<()> {
    let mut files = files.into_iter();
    let written = files.try_for_each(|(name, bytes)| write_synced(&folder.join(name), bytes));
    // Those that were written before one failed are to last, too.
    File::open(folder)?.sync_all()?;
    written
}

/// Replaces a small file; its name is durable once its folder is synced.
fn write_synced(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut draft = NamedTempFile::new_in(file.with_file_name(""))?;
    draft.write_all(bytes)?;
    draft.as_file().sync_all()?;
    draft.persist(file)?;
    Ok(())
}

/// Adds the path to an error that does not name it.
fn about(path: &Path) -> impl FnOnce(std::io::Error) -> std::io::Error {
    move |e| std::io::Error::new(e.kind(), format!("{}: {e}", path.display()))
}

/// Makes `dir` and its missing parents, and their names durable.
fn make_dirs(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dirs(parent)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => sync_parent(dir),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(e) => Err(e),
    }
}

/// Makes a name in a folder durable: a rename or a new file counts only after this.
fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
