//! Operations on several files that happen whole.
//!
//! New contents are staged first, in temporary files that are synced. Then the list of steps is
//! written below `.tablekeep/intents/`: from here on the operation counts. Then the steps are
//! done; each is idempotent, so that after a crash the next start simply does them again. An
//! operation of one step needs no intent: a rename is atomic by itself.

use super::{
    AssetPath, FolderPath, Kind, PRIVATE_DIR, Shelf, Stamp, Store, about, make_dirs, sync_parent,
};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::NamedTempFile;
use uuid::Uuid;

/// One idempotent step. `shelf` is the library's folder name.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Step {
    MakeFolder {
        shelf: String,
        path: AssetPath,
    },
    /// Moves a staged file into its place, over whatever is there.
    Put {
        shelf: String,
        staged: String,
        path: AssetPath,
    },
    /// Moves a file or folder to a free name.
    Rename {
        shelf: String,
        from: AssetPath,
        to: AssetPath,
    },
    Remove {
        shelf: String,
        path: AssetPath,
    },
    Trash {
        shelf: String,
        path: AssetPath,
        name: String,
    },
}

/// What is on disk while an operation is under way.
#[derive(Serialize, Deserialize)]
struct Intent {
    steps: Vec<Step>,
    /// What must still happen outside the store, such as telling the table of a moved map.
    #[serde(default)]
    note: Option<Value>,
}

/// An operation whose files are in place but whose note has not been acted on.
#[derive(Debug)]
#[must_use = "finish it when the note has been acted on"]
pub struct PendingIntent {
    file: PathBuf,
    /// What [`Change::note`] said.
    pub note: Value,
}

impl PendingIntent {
    /// A name of the operation that no other one has.
    pub fn id(&self) -> String {
        let stem = self.file.file_stem().unwrap_or_default();
        format!("intent-{}", stem.to_string_lossy())
    }

    /// The note, and every earlier one, has been acted on, durably: forget them. Blocks.
    pub fn finish(self) -> Result<()> {
        let around = self.file.with_file_name("");
        for entry in fs::read_dir(around)? {
            let other = entry?.path();
            if other.extension().is_some_and(|e| e == "done") && other < self.file {
                let _ = fs::remove_file(other);
            }
        }
        match remove_durably(&self.file) {
            // A later one has forgotten this one, too.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => Ok(removed?),
        }
    }
}

/// A change under construction. Holds the store's lock: nothing else changes meanwhile.
pub struct Change<'a> {
    store: &'a Store,
    _guard: MutexGuard<'a, ()>,
    steps: Vec<Step>,
    /// Deleted by their guards when the change is given up.
    staged: Vec<NamedTempFile>,
    note: Option<Value>,
}

impl Store {
    /// Starts a change, waiting for the one under way. Blocks.
    pub fn change(&self) -> Change<'_> {
        Change {
            store: self,
            _guard: self.lock(),
            steps: Vec::new(),
            staged: Vec::new(),
            note: None,
        }
    }

    /// Reads parts of the disk again, as the watcher asks.
    pub(super) fn refresh(&self, shelf: &Shelf, path: &FolderPath) {
        let _guard = self.lock();
        shelf.refresh_all(std::slice::from_ref(path));
    }

    fn intents(&self) -> PathBuf {
        self.private().join("intents")
    }

    /// Completes what a crash left half done.
    pub(super) fn recover(&self) -> Result<Vec<PendingIntent>> {
        make_dirs(&self.intents())?;
        let mut pending = Vec::new();
        // Their names begin with the time: what came first is completed first.
        let entries = fs::read_dir(self.intents())?.map(|entry| entry.map(|e| e.path()));
        let mut files = entries.collect::<std::io::Result<Vec<_>>>()?;
        files.sort();
        for file in files {
            match file.extension().and_then(|e| e.to_str()) {
                Some("json" | "done") => {}
                Some("new") => {
                    fs::remove_file(&file)?; // never named: the operation never counted
                    continue;
                }
                _ => continue,
            }
            let intent: Intent = match serde_json::from_slice(&fs::read(&file)?) {
                Ok(intent) => intent,
                Err(error) => {
                    tracing::error!(%error, ?file, "an intent cannot be read and is put aside: {error}");
                    fs::rename(&file, file.with_extension("broken"))?;
                    continue;
                }
            };
            tracing::info!(
                steps = intent.steps.len(),
                "completing an operation that was cut short"
            );
            if file.extension().is_some_and(|e| e == "json") {
                for step in &intent.steps {
                    self.perform(step).map_err(|e| match e {
                        Error::Internal(cause) => {
                            let path = step.paths()[0].below(Path::new(step.shelf()));
                            about(&path)(cause).into()
                        }
                        other => other,
                    })?;
                }
            }
            match intent.note {
                Some(note) => pending.push(PendingIntent { file, note }),
                None => remove_durably(&file)?,
            }
        }
        Ok(pending)
    }

    /// The staged files of operations that stopped half way: a person may want them. Errors: when it
    /// cannot be told which those are.
    pub(super) fn kept_for_people(&self) -> std::io::Result<BTreeSet<String>> {
        let mut kept = BTreeSet::new();
        for entry in fs::read_dir(self.intents())? {
            let file = entry?.path();
            if file.extension().is_none_or(|e| e != "broken") {
                continue;
            }
            let intent: Option<Intent> = serde_json::from_slice(&fs::read(&file)?).ok();
            for step in intent.into_iter().flat_map(|intent| intent.steps) {
                if let Step::Put { staged, .. } = step {
                    kept.insert(staged);
                }
            }
        }
        Ok(kept)
    }

    fn shelf_named(&self, dir: &str) -> Result<&Shelf> {
        self.shelves
            .iter()
            .find(|shelf| shelf.kind().dir == dir)
            .ok_or_else(|| Error::Invalid(format!("there is no library '{dir}'")))
    }

    fn perform(&self, step: &Step) -> Result<()> {
        match step {
            Step::MakeFolder { shelf, path } => {
                let shelf = self.shelf_named(shelf)?;
                shelf.check_no_link(&path.clone().into())?;
                make_dirs(&path.below(shelf.root()))?;
            }
            Step::Put {
                shelf,
                staged,
                path,
            } => {
                let shelf = self.shelf_named(shelf)?;
                move_once(&shelf.temporary_path(staged), &target(shelf, path)?)?;
            }
            Step::Rename { shelf, from, to } => {
                let shelf = self.shelf_named(shelf)?;
                let (from, to) = (from.below(shelf.root()), target(shelf, to)?);
                if to.symlink_metadata().is_ok() {
                    if from.symlink_metadata().is_ok() {
                        tracing::warn!(?from, ?to, "not renamed: both names are taken");
                    }
                } else {
                    move_once(&from, &to)?;
                    sync_parent(&from)?;
                }
            }
            Step::Remove { shelf, path } => {
                let shelf = self.shelf_named(shelf)?;
                shelf.check_no_link(&path.folder())?;
                match fs::remove_file(path.below(shelf.root())) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
                    _ => sync_parent(&path.below(shelf.root()))?,
                }
            }
            Step::Trash { shelf, path, name } => {
                let shelf = self.shelf_named(shelf)?;
                shelf.check_no_link(&path.folder())?;
                let from = path.below(shelf.root());
                move_once(&from, &shelf.trash_path(name))?;
                sync_parent(&from)?;
            }
        }
        Ok(())
    }
}

impl Change<'_> {
    /// The shelf of `kind`, to look at while nothing changes.
    pub fn shelf(&self, kind: &'static Kind) -> &Shelf {
        self.store.shelf(kind)
    }

    /// Makes a folder and its parents.
    pub fn make_folder(&mut self, kind: &'static Kind, path: AssetPath) {
        let shelf = kind.dir.to_owned();
        self.steps.push(Step::MakeFolder { shelf, path });
    }

    /// Puts a finished temporary file of this shelf at `path`, over whatever is there.
    pub fn put(&mut self, kind: &'static Kind, file: NamedTempFile, path: AssetPath) -> Result<()> {
        file.as_file().sync_all()?;
        let name = file.path().file_name().and_then(|name| name.to_str());
        let staged = name.ok_or(Error::DiskFull)?.to_owned();
        self.staged.push(file);
        let shelf = kind.dir.to_owned();
        self.steps.push(Step::Put {
            shelf,
            staged,
            path,
        });
        Ok(())
    }

    /// Writes `bytes` to `path`, over whatever is there.
    pub fn write(&mut self, kind: &'static Kind, path: AssetPath, bytes: &[u8]) -> Result<()> {
        let mut file = self.shelf(kind).temporary_file()?;
        file.write_all(bytes)?;
        self.put(kind, file, path)
    }

    /// Moves a file or folder to a name that must be free.
    pub fn rename(&mut self, kind: &'static Kind, from: AssetPath, to: AssetPath) {
        let shelf = kind.dir.to_owned();
        self.steps.push(Step::Rename { shelf, from, to });
    }

    /// Deletes a file, if it is there.
    pub fn remove(&mut self, kind: &'static Kind, path: AssetPath) {
        let shelf = kind.dir.to_owned();
        self.steps.push(Step::Remove { shelf, path });
    }

    /// Moves a file or folder to the trash.
    pub fn trash(&mut self, kind: &'static Kind, path: AssetPath) {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_secs());
        // A name of at most 255 bytes, whatever the folder is called.
        let short: String = path.name().chars().take(40).collect();
        let name = format!("{seconds}-{}-{}-{short}", Uuid::new_v4().simple(), kind.dir);
        let shelf = kind.dir.to_owned();
        self.steps.push(Step::Trash { shelf, path, name });
    }

    /// Leaves a note that the caller acts on after the files are in place. Until it says so
    /// ([`PendingIntent::finish`]), a restart brings the note up again.
    pub fn note(&mut self, note: Value) {
        self.note = Some(note);
    }

    /// Does it. On an error before the steps begin (a full disk, say) nothing has changed.
    pub fn apply(mut self) -> Result<Option<PendingIntent>> {
        self.perform()
    }

    /// Does it, and says what the file is then that was put last: that very file, whatever others have
    /// at its name by now. `None`: it was done, and cannot be said.
    pub fn apply_stamped(mut self) -> Result<Option<Stamp>> {
        let last = self.staged.last().map(|file| file.as_file().try_clone());
        let last = last.transpose()?;
        self.perform()?;
        let found = last.and_then(|file| file.metadata().ok());
        Ok(found.map(|found| Stamp::of(&found)))
    }

    fn perform(&mut self) -> Result<Option<PendingIntent>> {
        for step in &self.steps {
            self.check(step)?;
        }
        self.check_writable()?;
        // Deletions stand alone, so that a full disk can be emptied.
        let only_removes = self.steps.iter().all(|s| matches!(s, Step::Remove { .. }));
        let recorded = (self.steps.len() > 1 && !only_removes) || self.note.is_some();
        let intent = Intent {
            steps: std::mem::take(&mut self.steps),
            note: self.note.take(),
        };
        let file = if recorded {
            Some(self.record(&intent)?)
        } else {
            None
        };
        let outcome = intent.steps.iter().enumerate().try_for_each(|(nth, step)| {
            let done = self.store.perform(step);
            done.map_err(|error| (nth, error))
        });
        self.refresh(&intent.steps);
        if let Err((nth, error)) = outcome {
            if let Some(file) = file {
                give_up(&file, nth);
                if nth > 0 {
                    // Kept with the steps, for the person who looks at them.
                    self.keep_staged();
                }
            }
            return Err(error);
        }
        // What was staged has moved to its place: there is nothing left to delete.
        self.keep_staged();
        match (file, intent.note) {
            (Some(file), Some(note)) => {
                // From here on only the note is left to do, also after a crash.
                let done = file.with_extension("done");
                fs::rename(&file, &done)?;
                sync_parent(&done)?;
                Ok(Some(PendingIntent { file: done, note }))
            }
            (Some(file), None) => remove_durably(&file).map(|()| None).map_err(Into::into),
            (None, _) => Ok(None),
        }
    }

    fn keep_staged(&mut self) {
        for staged in std::mem::take(&mut self.staged) {
            let _ = staged.into_temp_path().keep();
        }
    }

    /// Finds out beforehand what would stop a step.
    fn check(&self, step: &Step) -> Result<()> {
        match step {
            Step::Put { shelf, path, .. } => {
                let shelf = self.store.shelf_named(shelf)?;
                shelf.check_no_link(&path.folder())?;
                if shelf.is_folder(&path.clone().into()) {
                    return Err(Error::Conflict(format!("'{}' is a folder", path.name())));
                }
            }
            Step::MakeFolder { shelf, path } => {
                self.store
                    .shelf_named(shelf)?
                    .check_no_link(&path.clone().into())?;
            }
            Step::Rename { shelf, from, to } => {
                let shelf = self.store.shelf_named(shelf)?;
                shelf.check_no_link(&from.folder())?;
                shelf.check_no_link(&to.folder())?;
                if shelf.exists(to) {
                    return Err(Error::Conflict(format!("'{}' already exists", to.name())));
                }
            }
            Step::Remove { shelf, path } | Step::Trash { shelf, path, .. } => {
                self.store
                    .shelf_named(shelf)?
                    .check_no_link(&path.folder())?;
            }
        }
        Ok(())
    }

    /// Finds out beforehand whether the folders can be written, so that nothing stops half way.
    fn check_writable(&self) -> Result<()> {
        let mut folders = BTreeSet::new();
        for step in &self.steps {
            for path in step.paths() {
                // A folder that this change renames is still at its old place.
                let before = self.steps.iter().find_map(|step| step.before(path));
                let folder = before.as_ref().unwrap_or(path).folder();
                folders.insert((step.shelf(), folder));
            }
            if let Step::Trash { shelf, path, .. } = step {
                // A folder that gets another one around it is itself written.
                folders.insert((shelf, path.clone().into()));
            }
        }
        for (shelf, folder) in folders {
            self.store.shelf_named(shelf)?.check_writable(&folder)?;
        }
        Ok(())
    }

    fn record(&self, intent: &Intent) -> Result<PathBuf> {
        let dir = self.store.intents();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |age| age.as_nanos());
        let id = format!("{now:024}-{}", Uuid::new_v4().simple());
        let (draft, file) = (
            dir.join(format!("{id}.new")),
            dir.join(format!("{id}.json")),
        );
        let write = || -> std::io::Result<()> {
            let mut out = File::create(&draft)?;
            out.write_all(&serde_json::to_vec(intent)?)?;
            out.sync_all()?;
            fs::rename(&draft, &file)?;
            sync_parent(&file)
        };
        if let Err(error) = write() {
            let _ = fs::remove_file(&draft);
            let _ = fs::remove_file(&file);
            let what = format!("{PRIVATE_DIR}/intents");
            return Err(Error::not_written(&what, error));
        }
        Ok(file)
    }

    /// Lets each index follow in one go: readers see it as it was or as it is.
    fn refresh(&self, steps: &[Step]) {
        for shelf in &self.store.shelves {
            let paths = steps.iter().filter(|step| step.shelf() == shelf.kind().dir);
            let paths: Vec<_> = paths.flat_map(Step::paths).collect();
            if paths.is_empty() {
                continue;
            }
            let look_at: Vec<_> = paths
                .into_iter()
                .map(|path| topmost_new(shelf, path))
                .collect();
            shelf.refresh_all(&look_at);
        }
    }
}

/// `path`, or the outermost folder around it that the index does not know yet.
fn topmost_new(shelf: &Shelf, path: &AssetPath) -> FolderPath {
    let index = shelf.index();
    let mut known = path.folder();
    let mut look_at: FolderPath = path.clone().into();
    while !index.has_folder(&known) {
        look_at = known.clone();
        known = known.parent();
    }
    look_at
}

impl Step {
    fn shelf(&self) -> &str {
        match self {
            Self::MakeFolder { shelf, .. }
            | Self::Put { shelf, .. }
            | Self::Rename { shelf, .. }
            | Self::Remove { shelf, .. }
            | Self::Trash { shelf, .. } => shelf,
        }
    }

    fn paths(&self) -> Vec<&AssetPath> {
        match self {
            Self::MakeFolder { path, .. }
            | Self::Put { path, .. }
            | Self::Remove { path, .. }
            | Self::Trash { path, .. } => vec![path],
            Self::Rename { from, to, .. } => vec![from, to],
        }
    }

    /// Where `path` is before this step, if the step moves what it is in.
    fn before(&self, path: &AssetPath) -> Option<AssetPath> {
        let Self::Rename { from, to, .. } = self else {
            return None;
        };
        let below = path.as_str().strip_prefix(to.as_str())?;
        let is_inside = below.starts_with('/');
        let before = format!("{from}{below}");
        AssetPath::parse(&before).ok().filter(|_| is_inside)
    }
}

/// An operation failed at its step `nth` for a reason that nobody foresaw. It must not be done again
/// at some later start, over what people have changed by then.
fn give_up(intent: &Path, nth: usize) {
    if nth == 0 {
        let _ = remove_durably(intent);
        return;
    }
    let aside = intent.with_extension("broken");
    tracing::error!(
        ?aside,
        step = nth,
        "an operation stopped half way; its steps are kept for a person to look at"
    );
    let _ = fs::rename(intent, aside);
}

/// Where a file is to go, its folders made.
fn target(shelf: &Shelf, path: &AssetPath) -> Result<PathBuf> {
    let folder = path.folder();
    shelf.check_no_link(&folder)?;
    make_dirs(&shelf.root().join(folder.as_str()))?;
    Ok(path.below(shelf.root()))
}

/// Renames durably; when the source is gone, it was done before.
fn move_once(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && from.symlink_metadata().is_err() => {}
        Err(e) => return Err(e.into()),
        Ok(()) => sync_parent(to)?,
    }
    Ok(())
}

/// Removes an intent so that it cannot come back after a power cut and be done a second time.
fn remove_durably(file: &Path) -> std::io::Result<()> {
    fs::remove_file(file)?;
    sync_parent(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::SCENES;

    #[test]
    fn the_stamp_is_of_what_was_written_whatever_is_there_by_then() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), &[&SCENES]).unwrap();
        let path = AssetPath::parse("a.json").unwrap();
        let mut change = store.change();
        change.write(&SCENES, path.clone(), b"12345").unwrap();
        let stamp = change.apply_stamped().unwrap();
        assert_eq!(stamp, store.shelf(&SCENES).stamp(&path).ok());
        // Somebody takes it away at once.
        let mut change = store.change();
        change.write(&SCENES, path.clone(), b"123").unwrap();
        change.remove(&SCENES, path.clone());
        assert_eq!(change.apply_stamped().unwrap().unwrap().bytes, 3);
        assert!(store.shelf(&SCENES).stamp(&path).is_err());
    }

    #[test]
    fn what_a_person_may_want_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let write = |below: &str, text: &str| {
            let file = folder.path().join(PRIVATE_DIR).join(below);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let put = r#"{"steps":[{"do":"put","shelf":"scenes","staged":"wanted","path":"a.json"}]}"#;
        write("intents/1.broken", put);
        write("tmp/wanted", "{}");
        write("tmp/forgotten", "{}");
        drop(Store::open(folder.path(), &[&SCENES]).unwrap());
        let left = fs::read_dir(folder.path().join(PRIVATE_DIR).join("tmp")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["wanted"]);
    }
}
