//! Operations on several files that happen whole.
//!
//! New contents are staged first, in temporary files that are synced. Then the list of steps is
//! written below `.tablekeep/intents/`: from here on the operation counts. Then the steps are
//! done; each is idempotent, so that after a crash the next start simply does them again. An
//! operation of one step needs no intent: a rename is atomic by itself.

use super::{AssetPath, FolderPath, Kind, Shelf, Store, make_dirs, sync_parent};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
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
    /// The note has been acted on, durably: forget the operation. Blocks.
    pub fn finish(self) -> Result<()> {
        remove_durably(&self.file)?;
        Ok(())
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
        shelf.refresh(path);
    }

    fn intents(&self) -> PathBuf {
        self.private().join("intents")
    }

    /// Completes what a crash left half done.
    pub(super) fn recover(&self) -> Result<Vec<PendingIntent>> {
        make_dirs(&self.intents())?;
        let mut pending = Vec::new();
        for entry in fs::read_dir(self.intents())? {
            let file = entry?.path();
            match file.extension().and_then(|e| e.to_str()) {
                Some("json") => {}
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
            for step in &intent.steps {
                self.perform(step)?;
            }
            match intent.note {
                Some(note) => pending.push(PendingIntent { file, note }),
                None => remove_durably(&file)?,
            }
        }
        Ok(pending)
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
        for step in &self.steps {
            self.check(step)?;
        }
        let recorded = self.steps.len() > 1 || self.note.is_some();
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
            }
            return Err(error);
        }
        for staged in std::mem::take(&mut self.staged) {
            // It has moved to its place: there is nothing left to delete.
            let _ = staged.into_temp_path().keep();
        }
        match (file, intent.note) {
            (Some(file), Some(note)) => Ok(Some(PendingIntent { file, note })),
            (Some(file), None) => remove_durably(&file).map(|()| None).map_err(Into::into),
            (None, _) => Ok(None),
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

    fn record(&self, intent: &Intent) -> Result<PathBuf> {
        let dir = self.store.intents();
        let id = Uuid::new_v4();
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
            return Err(error.into());
        }
        Ok(file)
    }

    fn refresh(&self, steps: &[Step]) {
        for step in steps {
            let (shelf, paths) = match step {
                // Parents may be new as well, so the topmost folder is looked at whole when the
                // index does not know the direct one.
                Step::Put { shelf, path, .. } | Step::MakeFolder { shelf, path } => {
                    (shelf, vec![path])
                }
                Step::Rename { shelf, from, to } => (shelf, vec![from, to]),
                Step::Remove { shelf, path } | Step::Trash { shelf, path, .. } => {
                    (shelf, vec![path])
                }
            };
            let Ok(shelf) = self.store.shelf_named(shelf) else {
                continue;
            };
            for path in paths {
                let mut known = path.folder();
                let mut look_at: FolderPath = path.clone().into();
                while !shelf.index().has_folder(&known) {
                    look_at = known.clone();
                    known = known.parent();
                }
                shelf.refresh(&look_at);
            }
        }
    }
}

/// An operation failed at its step `nth` for a reason that nobody foresaw. It must not be done again
/// at some later start, over what people have changed by then.
fn give_up(intent: &std::path::Path, nth: usize) {
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
fn move_once(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && from.symlink_metadata().is_err() => {}
        Err(e) => return Err(e.into()),
        Ok(()) => sync_parent(to)?,
    }
    Ok(())
}

/// Removes an intent so that it cannot come back after a power cut and be done a second time.
fn remove_durably(file: &std::path::Path) -> std::io::Result<()> {
    fs::remove_file(file)?;
    sync_parent(file)
}
