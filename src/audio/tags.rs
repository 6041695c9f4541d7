//! What is written inside sound files: duration, title, artist.
//!
//! Read lazily, once per file and change, by lofty; WebM, which lofty does not know, by `webm`.

use super::kind::SOUNDS;
use super::webm;
use crate::store::{AssetPath, Entry, Index, Store};
use actix_web::web;
use lofty::config::ParseOptions;
use lofty::file::{AudioFile, TaggedFileExt};
use lofty::probe::Probe;
use lofty::tag::Accessor;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Longest title or artist that is passed on, in characters.
const MAX_TEXT: usize = 200;

/// No version of an index.
const UNSETTLED: u64 = u64::MAX;

/// What a file says about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tags {
    /// Seconds.
    pub duration: Option<f64>,
    /// Title of the piece.
    pub title: Option<String>,
    /// Who made it.
    pub artist: Option<String>,
}

/// Remembers tags, by path and state of the file.
#[derive(Default)]
pub struct TagReader {
    known: Mutex<HashMap<AssetPath, (Entry, Tags)>>,
    /// The version of the index of which all were read.
    settled: AtomicU64,
    /// Held by whoever reads.
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl TagReader {
    /// The tags of a file in this state, if they were read.
    pub fn known(&self, path: &AssetPath, entry: &Entry) -> Option<Tags> {
        self.lock()
            .get(path)
            .filter(|(state, _)| state == entry)
            .map(|(_, tags)| tags.clone())
    }

    /// How many sounds are new or changed, and were not read yet. Looks through them only when there was
    /// a change since there were none, and forgets those that are gone then.
    pub fn unread(&self, index: &Index) -> usize {
        if self.settled.load(Ordering::Acquire) == index.version() {
            return 0;
        }
        let mut known = self.lock();
        let is_unread = |(path, entry): &(&AssetPath, &Entry)| {
            known.get(*path).is_none_or(|(state, _)| state != *entry)
        };
        let unread = index.assets().filter(is_unread).count();
        if unread == 0 {
            known.retain(|path, _| index.has(path));
            self.settled.store(index.version(), Ordering::Release);
        }
        unread
    }

    /// Keeps the tags of the file at `path`, read when it was in the state `entry`.
    pub fn learn(&self, path: AssetPath, entry: Entry, tags: Tags) {
        let mut known = self.lock();
        known.insert(path, (entry, tags));
        // It may have taken the place of a newer state.
        self.settled.store(UNSETTLED, Ordering::Release);
    }

    /// Reads the tags of all sounds that are new or changed. One caller at a time does the work,
    /// others wait for it; it goes on when they give up.
    pub async fn read_all(self: Arc<Self>, store: Arc<Store>) {
        let is_done = |store: &Store| self.unread(&store.shelf(&SOUNDS).index()) == 0;
        if is_done(&store) {
            return;
        }
        let turn = self.reading.clone().lock_owned().await;
        if is_done(&store) {
            return;
        }
        let reader = self.clone();
        let reading = web::block(move || {
            reader.read_new(&store);
            drop(turn);
        });
        // Fails only when the server stops.
        let _ = reading.await;
    }

    fn read_new(&self, store: &Store) {
        let shelf = store.shelf(&SOUNDS);
        let files: Vec<_> = shelf
            .index()
            .assets()
            .map(|(path, entry)| (path.clone(), *entry))
            .collect();
        for (path, entry) in files {
            if self.known(&path, &entry).is_none() {
                let tags = read(&path.below(shelf.root()));
                self.learn(path, entry, tags);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AssetPath, (Entry, Tags)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads one file's tags; a file that cannot be understood has none. Blocks.
pub fn read(path: &Path) -> Tags {
    // Strange files must not end the thread, whatever the libraries make of them.
    let tags = catch_unwind(AssertUnwindSafe(|| {
        read_with_lofty(path).or_else(|| webm::read(path))
    }));
    tags.ok().flatten().unwrap_or_default()
}

fn read_with_lofty(path: &Path) -> Option<Tags> {
    let probe = Probe::open(path).ok()?.guess_file_type().ok()?;
    let file = probe
        .options(ParseOptions::new().read_cover_art(false))
        .read()
        .ok()?;
    let tag = file.primary_tag().or_else(|| file.first_tag());
    Some(Tags {
        duration: seconds(file.properties().duration().as_secs_f64()),
        title: tag.and_then(|tag| short(&tag.title()?)),
        artist: tag.and_then(|tag| short(&tag.artist()?)),
    })
}

/// Milliseconds are enough; nothing is as good as not known.
pub(super) fn seconds(seconds: f64) -> Option<f64> {
    let rounded = (seconds * 1000.0).round() / 1000.0;
    (rounded.is_finite() && rounded > 0.0).then_some(rounded)
}

pub(super) fn short(text: &str) -> Option<String> {
    let text: String = text.trim().chars().take(MAX_TEXT).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::pin::pin;

    #[actix_web::test]
    async fn who_comes_while_tags_are_read_waits_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), &[&SOUNDS]).unwrap();
        let path = AssetPath::parse("loop/drips.ogg").unwrap();
        let demo = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/sounds/loop/Ambience/crypt-drips.ogg"
        );
        let mut change = store.change();
        change
            .write(&SOUNDS, path.clone(), &std::fs::read(demo).unwrap())
            .unwrap();
        change.apply().unwrap();
        let entry = |store: &Store| {
            let index = store.shelf(&SOUNDS).index();
            index.assets().next().map(|(_, entry)| *entry).unwrap()
        };
        let reader = Arc::new(TagReader::default());
        let somebody = reader.reading.clone().lock_owned().await;
        let mut coming = pin!(reader.clone().read_all(store.clone()));
        assert!(coming.as_mut().now_or_never().is_none());
        assert_eq!(reader.unread(&store.shelf(&SOUNDS).index()), 1);
        drop(somebody);
        coming.await;
        assert_eq!(reader.unread(&store.shelf(&SOUNDS).index()), 0);
        let tags = reader.known(&path, &entry(&store)).unwrap();
        assert_eq!(tags.duration, Some(36.0));
    }
}
