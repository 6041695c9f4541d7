//! What is on one shelf, in memory, so that a list or a search by name touches no disk.

use super::{AssetPath, FolderPath};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::time::SystemTime;

/// What the index knows of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Size in bytes.
    pub bytes: u64,
    /// When the content last changed.
    pub modified: SystemTime,
}

impl Entry {
    /// The state of a file by its metadata.
    pub fn of(found: &Metadata) -> Self {
        Self {
            bytes: found.len(),
            modified: found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }
}

/// Why a file or folder is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// For people.
    pub reason: String,
    /// The disk did not tell what it is, for this reason; it may do so in a moment. `None`: it is
    /// known, and nothing for this shelf.
    pub unread: Option<ErrorKind>,
}

impl Skipped {
    /// Something known that is nothing for this shelf.
    pub(super) fn known(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            unread: None,
        }
    }
}

/// Files by folder, both in path order.
#[derive(Debug, Default)]
struct Files {
    by_folder: BTreeMap<FolderPath, BTreeMap<AssetPath, Entry>>,
    count: usize,
}

impl Files {
    fn iter(&self) -> impl Iterator<Item = (&AssetPath, &Entry)> {
        self.by_folder.values().flatten()
    }

    fn has(&self, path: &AssetPath) -> bool {
        self.by_folder
            .get(path.folder_str())
            .is_some_and(|files| files.contains_key(path))
    }

    /// Returns whether `path` is new.
    fn insert(&mut self, path: AssetPath, entry: Entry) -> bool {
        let files = self.by_folder.entry(path.folder()).or_default();
        let new = files.insert(path, entry).is_none();
        self.count += usize::from(new);
        new
    }

    /// Removes `path` itself and everything below it, and returns what was there.
    fn remove(&mut self, path: &FolderPath) -> Vec<AssetPath> {
        let mut gone = Vec::new();
        if let Some(itself) = path.as_path() {
            let folder = itself.folder();
            if let Some(files) = self.by_folder.get_mut(&folder) {
                gone.extend(files.remove_entry(&itself).map(|(path, _)| path));
                if files.is_empty() {
                    self.by_folder.remove(&folder);
                }
            }
        }
        let below: Vec<_> = self
            .by_folder
            .range(path.clone()..)
            .map(|(folder, _)| folder)
            .take_while(|folder| folder.as_str().starts_with(path.as_str()))
            .filter(|folder| *folder == path || path.contains(folder.as_str()))
            .cloned()
            .collect();
        for folder in below {
            gone.extend(
                self.by_folder
                    .remove(&folder)
                    .into_iter()
                    .flatten()
                    .map(|(path, _)| path),
            );
        }
        self.count -= gone.len();
        gone
    }
}

/// Files and folders of one shelf.
#[derive(Debug, Default)]
pub struct Index {
    assets: Files,
    extras: Files,
    folders: BTreeSet<FolderPath>,
    /// Assets by their last name: all of them, in path order.
    by_name: HashMap<String, Vec<AssetPath>>,
    skipped: BTreeMap<String, Skipped>,
    version: u64,
}

impl Index {
    /// Another number after each change of the files; 0 of one that was always empty.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// All assets: those of the root first, then folder by folder.
    pub fn assets(&self) -> impl Iterator<Item = (&AssetPath, &Entry)> {
        self.assets.iter()
    }

    /// How many assets there are.
    pub fn count(&self) -> usize {
        self.assets.count
    }

    /// All visible folders, parents before their children.
    pub fn folders(&self) -> impl ExactSizeIterator<Item = &FolderPath> {
        self.folders.iter()
    }

    /// All extras, in the same order.
    pub fn extras(&self) -> impl Iterator<Item = &AssetPath> {
        self.extras.iter().map(|(path, _)| path)
    }

    /// What is left out and why, by path.
    pub fn skipped(&self) -> &BTreeMap<String, Skipped> {
        &self.skipped
    }

    /// Whether `path` is an asset.
    pub fn has(&self, path: &AssetPath) -> bool {
        self.assets.has(path)
    }

    /// Whether `path` is an extra.
    pub fn has_extra(&self, path: &AssetPath) -> bool {
        self.extras.has(path)
    }

    /// Whether `folder` is a visible folder; the root always is.
    pub fn has_folder(&self, folder: &FolderPath) -> bool {
        folder.is_root() || self.folders.contains(folder)
    }

    /// All assets whose last name is `name`: root first, then path order.
    pub fn named(&self, name: &str) -> &[AssetPath] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn insert(&mut self, path: AssetPath, entry: Entry) {
        self.version += 1;
        if self.assets.insert(path.clone(), entry) {
            let namesakes = self.by_name.entry(path.name().to_owned()).or_default();
            let at = namesakes.partition_point(|other| *other < path);
            namesakes.insert(at, path);
        }
    }

    pub(super) fn insert_extra(&mut self, path: AssetPath, entry: Entry) {
        self.extras.insert(path, entry);
    }

    pub(super) fn insert_folder(&mut self, folder: FolderPath) {
        self.folders.insert(folder);
    }

    pub(super) fn skip(&mut self, path: String, what: Skipped) {
        self.skipped.insert(path, what);
    }

    /// Forgets `path` and everything below it; the root is everything. Returns what had been
    /// skipped there, so that an unchanged reason is not reported again.
    pub(super) fn forget(&mut self, path: &FolderPath) -> BTreeMap<String, Skipped> {
        self.version += 1;
        let gone = |other: &str| other == path.as_str() || path.contains(other);
        self.folders.retain(|folder| !gone(folder.as_str()));
        for removed in self.assets.remove(path) {
            if let Some(namesakes) = self.by_name.get_mut(removed.name()) {
                namesakes.retain(|other| *other != removed);
                if namesakes.is_empty() {
                    self.by_name.remove(removed.name());
                }
            }
        }
        self.extras.remove(path);
        let (old, kept) = std::mem::take(&mut self.skipped)
            .into_iter()
            .partition(|(other, _)| gone(other));
        self.skipped = kept;
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(paths: &[&str]) -> Index {
        let mut index = Index::default();
        for path in paths {
            let entry = Entry {
                bytes: 1,
                modified: SystemTime::UNIX_EPOCH,
            };
            index.insert(AssetPath::parse(path).unwrap(), entry);
        }
        index
    }

    fn listed(index: &Index) -> Vec<&str> {
        index.assets().map(|(path, _)| path.as_str()).collect()
    }

    #[test]
    fn forgetting_a_folder_leaves_its_neighbours() {
        let mut index = index(&["a", "b/x", "b/c/x", "b c/x", "bb/x", "c/b/x"]);
        index.forget(&FolderPath::parse("b").unwrap());
        assert_eq!(listed(&index), ["a", "b c/x", "bb/x", "c/b/x"]);
        assert_eq!(index.count(), 4);
        index.forget(&FolderPath::parse("a").unwrap());
        assert_eq!(listed(&index), ["b c/x", "bb/x", "c/b/x"]);
        assert_eq!(index.named("x").len(), 3);
        index.forget(&FolderPath::root());
        assert_eq!((index.count(), index.named("x").len()), (0, 0));
    }

    #[test]
    fn namesakes_come_root_first_then_in_path_order() {
        let index = index(&["z/x", "a/x", "x", "a/b/x"]);
        let named: Vec<_> = index.named("x").iter().map(AssetPath::as_str).collect();
        assert_eq!(named, ["x", "a/x", "a/b/x", "z/x"]);
    }
}
