//! One library's folder on disk and its index.

use super::kind::Inspect;
use super::{
    AssetPath, Class, Entry, FolderPath, Index, Kind, PRIVATE_DIR, Skipped, about, make_dirs,
};
use crate::error::{Error, Result, is_forbidden};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::NamedTempFile;
use walkdir::WalkDir;

/// Files to be looked into may be at most this large, in bytes: far more than a scene may have.
const INSPECT_BYTES: u64 = 256 << 20;

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
    /// Errors name the path.
    pub(super) fn open(kind: &'static Kind, data: &Path) -> std::io::Result<Self> {
        let root = data.join(kind.dir);
        fs::create_dir_all(&root).map_err(about(&root))?;
        let root = root.canonicalize().map_err(about(&root))?;
        let ours = data.join(PRIVATE_DIR);
        let private = match same_disk(&root, &ours).map_err(about(&root))? {
            true => ours,
            false => root.join(PRIVATE_DIR),
        };
        for dir in ["tmp", "trash"].map(|dir| private.join(dir)) {
            make_dirs(&dir).map_err(about(&dir))?;
        }
        // Better to learn now than at the first upload that nothing can be written.
        for dir in [&root, &private.join("tmp")] {
            tempfile::tempfile_in(dir).map_err(about(dir))?;
        }
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

    /// Finds out whether the index lacks something that the disk did not tell.
    ///
    /// `matters` says for which reasons. Errors: 503, which names the first.
    pub fn check_read(&self, matters: impl Fn(ErrorKind) -> bool) -> Result<()> {
        let index = self.index();
        let mut unread = index.skipped().iter();
        let found =
            unread.find_map(|(path, what)| Some((path, what.unread.filter(|k| matters(*k))?)));
        match found {
            Some((path, reason)) => Err(self.unread(path, reason)),
            None => Ok(()),
        }
    }

    fn unread(&self, path: &str, reason: ErrorKind) -> Error {
        let advice = match reason {
            ErrorKind::PermissionDenied => "check its permissions, or try again",
            _ => "try again; the server's log has the cause",
        };
        Error::Unavailable(format!("{} cannot be read; {advice}", self.shown(path)))
    }

    /// Where the index lacks something that the disk did not tell.
    pub(super) fn unread_paths(&self) -> Vec<FolderPath> {
        let index = self.index();
        let unread = index.skipped().iter();
        unread
            .filter(|(_, what)| what.unread.is_some())
            .filter_map(|(path, _)| FolderPath::parse(path).ok())
            .collect()
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
        let made = builder.tempfile_in(self.private.join("tmp"));
        made.map_err(|e| Error::not_written(&format!("{PRIVATE_DIR}/tmp"), e))
    }

    /// Finds out whether files can be made in a folder and taken away: in the one around it that is
    /// there, if it is not. Errors: 507, which names it.
    pub(super) fn check_writable(&self, folder: &FolderPath) -> Result<()> {
        let mut folder = folder.clone();
        loop {
            match may_write(&self.root.join(folder.as_str())) {
                Err(e) if e.kind() == ErrorKind::NotFound && !folder.is_root() => {
                    folder = folder.parent();
                }
                Err(e) if is_forbidden(&e) => {
                    return Err(Error::not_written(&self.shown(folder.as_str()), e));
                }
                Ok(()) | Err(_) => return Ok(()),
            }
        }
    }

    /// A path as people know it, with the library in front.
    fn shown(&self, path: &str) -> String {
        let shown = format!("{}/{path}", self.kind.dir);
        shown.trim_end_matches('/').to_owned()
    }

    pub(super) fn temporary_path(&self, name: &str) -> PathBuf {
        self.private.join("tmp").join(name)
    }

    pub(super) fn trash_path(&self, name: &str) -> PathBuf {
        self.private.join("trash").join(name)
    }

    /// Deletes what is left of uploads and changes, `kept` aside.
    pub(super) fn clear_temporary_files(&self, kept: &BTreeSet<String>) -> std::io::Result<()> {
        for entry in fs::read_dir(self.private.join("tmp"))? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| kept.contains(name)) {
                let _ = fs::remove_file(entry.path());
            }
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
        fs::read(file).map_err(|e| self.not_read(path, e))
    }

    /// The same of a file that may be missing: `None`.
    pub fn read_if_there(&self, path: &AssetPath) -> Result<Option<Vec<u8>>> {
        match self.read(path) {
            Err(Error::NotFound(_)) => Ok(None),
            read => read.map(Some),
        }
    }

    /// What it means that a file could not be read.
    fn not_read(&self, path: &AssetPath, error: std::io::Error) -> Error {
        if is_absent(&error) {
            return Error::NotFound(format!("{path} not found"));
        }
        if error.kind() != ErrorKind::PermissionDenied {
            return error.into();
        }
        tracing::warn!(library = self.kind.dir, %path, %error, "{}/{path} cannot be read: {error}", self.kind.dir);
        self.unread(path.as_str(), error.kind())
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
        known: &BTreeMap<String, Skipped>,
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
                Found::Skipped(what) => {
                    let path = path.as_str().to_owned();
                    if known.get(&path) != Some(&what) {
                        let reason = &what.reason;
                        tracing::warn!(library = self.kind.dir, %path, %reason, "left out: {}/{path}: {reason}", self.kind.dir);
                    }
                    index.skip(path, what);
                }
            }
        }
    }

    /// What is on disk at `path` and below. Reads no lock.
    fn look(&self, path: &FolderPath) -> BTreeMap<FolderPath, Found> {
        let mut found = BTreeMap::new();
        if path.as_str().split('/').any(|name| name.starts_with('.')) {
            return found;
        }
        match self.check_no_link(&path.parent()) {
            Ok(()) => {}
            Err(Error::Internal(error)) => {
                found.insert(path.clone(), Found::Skipped(unread(&error)));
                return found;
            }
            // It leads through a link or a file.
            Err(_) => return found,
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
                    found.extend(unread_folder(&self.root, &error));
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
                    let what = Skipped::known("its name cannot be used in an address");
                    found.insert(key, Found::Skipped(what));
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
            Err(what) => return Some(Found::Skipped(what)),
        };
        if class == Class::Asset
            && let Some(inspect) = self.kind.inspect
            && let Err(what) = inspect_file(step.path(), inspect)
        {
            return Some(Found::Skipped(what));
        }
        Some(Found::File(class, Entry::of(&found)))
    }

    /// Follows a link only when it stays inside.
    fn metadata_inside(&self, step: &walkdir::DirEntry) -> Result<Metadata, Skipped> {
        if step.path_is_symlink() {
            let target = step.path().canonicalize();
            // Whatever the cause: a link that leads nowhere that we can see is nothing for us.
            let target = target.map_err(|e| Skipped::known(e.to_string()))?;
            if !target.starts_with(&self.root) {
                let reason = "it is a link that leads out of the folder";
                return Err(Skipped::known(reason));
            }
        }
        fs::metadata(step.path()).map_err(|e| unread(&e))
    }

    /// Opens an indexed file for reading, and says what it is at this moment. Blocks.
    pub fn open_file(&self, path: &AssetPath) -> Result<(File, Stamp)> {
        let open = || -> std::io::Result<(File, Stamp)> {
            let file = File::open(path.below(&self.root))?;
            let stamp = Stamp::of(&file.metadata()?);
            Ok((file, stamp))
        };
        open().map_err(|e| self.not_read(path, e))
    }

    /// What the file is at this moment; one look at the disk.
    pub fn stamp(&self, path: &AssetPath) -> Result<Stamp> {
        match fs::metadata(path.below(&self.root)) {
            Ok(found) if found.is_file() => Ok(Stamp::of(&found)),
            Ok(_) => Err(Error::NotFound(format!("{path} not found"))),
            Err(e) => Err(self.not_read(path, e)),
        }
    }
}

/// Whether files can be made in a folder and taken away, as far as that is known beforehand.
#[cfg(unix)]
fn may_write(folder: &Path) -> std::io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    Ok(accessat(CWD, folder, wanted, AtFlags::EACCESS)?)
}

#[cfg(not(unix))]
fn may_write(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Hidden names are nobody's assets, nor is what a file system check leaves behind.
fn is_ours(name: &std::ffi::OsStr) -> bool {
    !name.as_encoded_bytes().starts_with(b".") && name != "lost+found"
}

/// A folder that the disk did not tell of; `None` when it has gone.
fn unread_folder(root: &Path, error: &walkdir::Error) -> Option<(FolderPath, Found)> {
    let cause = error.io_error().filter(|cause| !is_absent(cause))?;
    let path = error.path()?.strip_prefix(root).ok()?.to_str()?;
    let path = FolderPath::parse(path).ok()?;
    Some((path, Found::Skipped(unread(cause))))
}

enum Found {
    Folder,
    File(Class, Entry),
    Skipped(Skipped),
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

/// Whether there is no such file; whatever else goes wrong says nothing about that.
fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(
        error.kind(),
        K::NotFound | K::NotADirectory | K::IsADirectory | K::InvalidFilename
    )
}

/// What the disk did not tell.
fn unread(error: &std::io::Error) -> Skipped {
    Skipped {
        reason: format!("it cannot be read: {error}"),
        // What has just gone is no riddle.
        unread: Some(error.kind()).filter(|_| !is_absent(error)),
    }
}

fn inspect_file(path: &Path, inspect: Inspect) -> Result<(), Skipped> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(INSPECT_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|e| unread(&e))?;
    if bytes.len() as u64 > INSPECT_BYTES {
        let reason = format!("it is larger than {INSPECT_BYTES} bytes");
        return Err(Skipped::known(reason));
    }
    inspect(bytes).map_err(Skipped::known)
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
