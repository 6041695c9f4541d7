//! One library's folder on disk and its index.

use super::{AssetPath, Class, Entry, FolderPath, Index, Kind, PRIVATE_DIR, make_dirs};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::NamedTempFile;
use walkdir::WalkDir;

/// Files to be looked into may be at most this large, in bytes: far more than a scene may have.
const INSPECT_BYTES: u64 = 256 << 20;

/// Why a folder is left out that the system does not let us read.
const UNREADABLE: &str = "it cannot be read";

/// One library's folder.
pub struct Shelf {
    kind: &'static Kind,
    root: PathBuf,
    /// Ours, hidden, and in the same file system as `root`, so that a rename into it works.
    private: PathBuf,
    /// For short reads and updates only; never held while waiting.
    index: RwLock<Index>,
    scanned: AtomicBool,
}

impl Shelf {
    pub(super) fn open(kind: &'static Kind, data: &Path) -> std::io::Result<Self> {
        let root = data.join(kind.dir);
        fs::create_dir_all(&root)?;
        let root = root.canonicalize()?;
        let private = if same_disk(&root, &data.join(PRIVATE_DIR))? {
            data.join(PRIVATE_DIR)
        } else {
            root.join(PRIVATE_DIR)
        };
        for dir in ["tmp", "trash"] {
            make_dirs(&private.join(dir))?;
        }
        // Better to learn now than at the first upload that nothing can be written.
        tempfile::tempfile_in(&root)?;
        Ok(Self {
            kind,
            root,
            private,
            index: RwLock::default(),
            scanned: AtomicBool::new(false),
        })
    }

    /// The library's row of data.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The folder on disk, links resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The index. Do not keep it while waiting for anything.
    pub fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the first scan is done, so that the index is complete.
    pub fn is_scanned(&self) -> bool {
        self.scanned.load(Ordering::Acquire)
    }

    /// Whether a folder could not be read, so that what is in it is missing from the index.
    pub fn is_unreadable(&self) -> bool {
        let index = self.index();
        index.skipped().values().any(|reason| reason == UNREADABLE)
    }

    /// A new file beside the library, invisible and gone when dropped; written, synced and then
    /// put in place by a [`super::Change`].
    pub fn temporary_file(&self) -> Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Readable as any file the user makes: their umask applies.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        Ok(builder.tempfile_in(self.private.join("tmp"))?)
    }

    pub(super) fn temporary_path(&self, name: &str) -> PathBuf {
        self.private.join("tmp").join(name)
    }

    pub(super) fn trash_path(&self, name: &str) -> PathBuf {
        self.private.join("trash").join(name)
    }

    pub(super) fn clear_temporary_files(&self) -> std::io::Result<()> {
        for entry in fs::read_dir(self.private.join("tmp"))? {
            let _ = fs::remove_file(entry?.path());
        }
        Ok(())
    }

    pub(super) fn empty_trash(&self, limit: SystemTime) {
        let limit = limit
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs();
        let entries = fs::read_dir(self.private.join("trash"));
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name();
            let seconds = name
                .to_str()
                .and_then(|n| n.split('-').next()?.parse::<u64>().ok());
            if seconds.is_some_and(|seconds| seconds < limit) {
                let path = entry.path();
                if let Err(error) = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)) {
                    tracing::warn!(%error, ?name, "could not empty the trash: {error}");
                }
            }
        }
    }

    /// Reads a file whole. Blocks. `NotFound` when it is not there.
    pub fn read(&self, path: &AssetPath) -> Result<Vec<u8>> {
        self.check_no_link(&path.folder())?;
        let file = path.below(&self.root);
        if file.is_symlink()
            && !file
                .canonicalize()
                .is_ok_and(|to| to.starts_with(&self.root))
        {
            return Err(Error::NotFound(format!("{path} not found")));
        }
        match fs::read(file) {
            Ok(bytes) => Ok(bytes),
            Err(e) if is_absent(&e) => Err(Error::NotFound(format!("{path} not found"))),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether anything at all has this name on disk.
    pub fn exists(&self, path: &AssetPath) -> bool {
        path.below(&self.root).symlink_metadata().is_ok()
    }

    /// Whether this is a folder on disk, reached without following a link.
    pub fn is_folder(&self, folder: &FolderPath) -> bool {
        self.check_no_link(folder).is_ok() && self.root.join(folder.as_str()).is_dir()
    }

    /// Refuses a folder that is reached through a link, or through a file.
    pub(super) fn check_no_link(&self, folder: &FolderPath) -> Result<()> {
        let mut at = self.root.clone();
        for name in folder.as_str().split('/').filter(|name| !name.is_empty()) {
            at.push(name);
            match at.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(found) if found.is_symlink() => {
                    return Err(Error::Invalid(format!(
                        "'{folder}' leads through a link",
                        folder = folder.as_str()
                    )));
                }
                Ok(_) => {
                    return Err(Error::Conflict(format!("'{name}' is a file, not a folder")));
                }
                Err(e) if is_absent(&e) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    pub(super) fn rescan(&self) {
        self.refresh_all(&[FolderPath::root()]);
        self.scanned.store(true, Ordering::Release);
    }

    /// Reads these paths and everything below them again, and lets the index follow in one go. The
    /// store's lock must be held.
    pub(super) fn refresh_all(&self, paths: &[FolderPath]) {
        let found: Vec<_> = paths.iter().map(|path| (path, self.look(path))).collect();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for (path, found) in found {
            let known = index.forget(path);
            self.take_over(&mut index, found, &known);
        }
    }

    fn take_over(
        &self,
        index: &mut Index,
        found: BTreeMap<FolderPath, Found>,
        known: &BTreeMap<String, String>,
    ) {
        for (path, what) in found {
            match what {
                Found::Folder => index.insert_folder(path),
                Found::File(Class::Asset, entry) => {
                    if let Some(path) = path.as_path() {
                        index.insert(path, entry);
                    }
                }
                Found::File(Class::Extra, entry) => {
                    if let Some(path) = path.as_path() {
                        index.insert_extra(path, entry);
                    }
                }
                Found::File(Class::Ignored, _) => {}
                Found::Skipped(reason) => {
                    let path = path.as_str().to_owned();
                    if known.get(&path) != Some(&reason) {
                        tracing::warn!(library = self.kind.dir, %path, %reason, "left out: {}/{path}: {reason}", self.kind.dir);
                    }
                    index.skip(path, reason);
                }
            }
        }
    }

    /// What is on disk at `path` and below. Reads no lock.
    fn look(&self, path: &FolderPath) -> BTreeMap<FolderPath, Found> {
        let mut found = BTreeMap::new();
        if path.as_str().split('/').any(|name| name.starts_with('.'))
            || self.check_no_link(&path.parent()).is_err()
        {
            return found;
        }
        let walk = WalkDir::new(self.root.join(path.as_str()))
            // Also when it is where the walk begins: a link just made leads nowhere else.
            .follow_root_links(false)
            .min_depth(usize::from(path.is_root()))
            .into_iter()
            .filter_entry(|e| e.depth() == 0 || is_ours(e.file_name()));
        for step in walk {
            let step = match step {
                Ok(step) => step,
                Err(error) => {
                    if !error.io_error().is_some_and(is_absent) {
                        note_unreadable(&self.root, &error, &mut found);
                    }
                    continue;
                }
            };
            let Ok(below) = step.path().strip_prefix(&self.root) else {
                continue;
            };
            let shown = below.to_string_lossy();
            let path = below.to_str().map(AssetPath::parse);
            let Some(Ok(path)) = path else {
                let key = shown.replace(|c: char| c.is_control() || c == '\\', "?");
                if let Ok(key) = FolderPath::parse(&key) {
                    let reason = "its name cannot be used in an address".to_owned();
                    found.insert(key, Found::Skipped(reason));
                }
                continue;
            };
            if let Some(what) = self.classify(&step, &path) {
                found.insert(path.into(), what);
            }
        }
        found
    }

    fn classify(&self, step: &walkdir::DirEntry, path: &AssetPath) -> Option<Found> {
        if step.file_type().is_dir() {
            return (self.kind.shows_folder)(path).then_some(Found::Folder);
        }
        let class = (self.kind.classify)(path);
        if class == Class::Ignored {
            return None;
        }
        let found = match self.metadata_inside(step) {
            Ok(found) if found.is_file() => found,
            Ok(_) => return None,
            Err(reason) => return Some(Found::Skipped(reason)),
        };
        if class == Class::Asset
            && let Some(inspect) = self.kind.inspect
            && let Err(reason) = read_at_most(step.path(), INSPECT_BYTES).and_then(inspect)
        {
            return Some(Found::Skipped(reason));
        }
        Some(Found::File(class, Entry::of(&found)))
    }

    /// Follows a link only when it stays inside.
    fn metadata_inside(&self, step: &walkdir::DirEntry) -> Result<Metadata, String> {
        if step.path_is_symlink() {
            let target = step.path().canonicalize().map_err(|e| e.to_string())?;
            if !target.starts_with(&self.root) {
                return Err("it is a link that leads out of the folder".into());
            }
        }
        fs::metadata(step.path()).map_err(|e| e.to_string())
    }

    /// Opens an indexed file for reading, and says what it is at this moment. Blocks.
    pub fn open_file(&self, path: &AssetPath) -> Result<(File, Stamp)> {
        let open = || -> std::io::Result<(File, Stamp)> {
            let file = File::open(path.below(&self.root))?;
            let stamp = Stamp::of(&file.metadata()?);
            Ok((file, stamp))
        };
        open().map_err(|e| match is_absent(&e) {
            true => Error::NotFound(format!("{path} not found")),
            false => e.into(),
        })
    }

    /// What the file is at this moment; one look at the disk.
    pub fn stamp(&self, path: &AssetPath) -> Result<Stamp> {
        match fs::metadata(path.below(&self.root)) {
            Ok(found) if found.is_file() => Ok(Stamp::of(&found)),
            Ok(_) => Err(Error::NotFound(format!("{path} not found"))),
            Err(e) if is_absent(&e) => Err(Error::NotFound(format!("{path} not found"))),
            Err(e) => Err(e.into()),
        }
    }
}

/// Hidden names are nobody's assets, nor is what a file system check leaves behind.
fn is_ours(name: &std::ffi::OsStr) -> bool {
    !name.as_encoded_bytes().starts_with(b".") && name != "lost+found"
}

/// Notes a folder that cannot be read.
fn note_unreadable(root: &Path, error: &walkdir::Error, found: &mut BTreeMap<FolderPath, Found>) {
    let path = error
        .path()
        .and_then(|p| p.strip_prefix(root).ok()?.to_str());
    if let Some(Ok(path)) = path.map(FolderPath::parse) {
        found.insert(path, Found::Skipped(UNREADABLE.into()));
    }
}

enum Found {
    Folder,
    File(Class, Entry),
    Skipped(String),
}

/// Identity of a file's content: changes whenever the content does. Every write of ours makes a
/// new inode; a write in place by somebody else changes the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Size in bytes.
    pub bytes: u64,
    /// When the content last changed, by the file system's clock.
    pub modified: SystemTime,
    changed_ns: i128,
    inode: u64,
}

impl Stamp {
    /// The stamp of an open or listed file.
    pub fn of(found: &Metadata) -> Self {
        #[cfg(unix)]
        let (changed_ns, inode) = {
            use std::os::unix::fs::MetadataExt;
            let ns = i128::from(found.ctime()) * 1_000_000_000 + i128::from(found.ctime_nsec());
            (ns, found.ino())
        };
        #[cfg(not(unix))]
        let (changed_ns, inode) = (0, 0);
        Self {
            bytes: found.len(),
            modified: found.modified().unwrap_or(UNIX_EPOCH),
            changed_ns,
            inode,
        }
    }

    /// The opaque text of a strong entity tag (RFC 9110, section 8.8.3), without quotes.
    pub fn tag(&self) -> String {
        let modified = self
            .modified
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_nanos());
        format!(
            "{:x}-{modified:x}-{:x}-{:x}",
            self.bytes, self.changed_ns, self.inode
        )
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(
        error.kind(),
        K::NotFound | K::NotADirectory | K::InvalidFilename
    )
}

fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| e.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("it is larger than {limit} bytes"));
    }
    Ok(bytes)
}

/// Whether a file can be renamed from one folder to the other. Tried, because two mounts of one
/// disk look like one disk and still refuse it.
fn same_disk(a: &Path, b: &Path) -> std::io::Result<bool> {
    let file = NamedTempFile::with_prefix_in(".tablekeep-", b)?;
    let there = a.join(file.path().file_name().unwrap_or_default());
    match fs::rename(file.path(), &there) {
        Ok(()) => fs::remove_file(&there).map(|()| true),
        Err(e) if e.kind() == std::io::ErrorKind::CrossesDevices => Ok(false),
        Err(e) => Err(e),
    }
}
