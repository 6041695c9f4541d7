//! What is written inside sound files: duration, title, artist.
//!
//! Read lazily, once per file and change, by lofty; WebM, which lofty does not know, by `webm`.

use super::kind::SOUNDS;
use super::webm;
use crate::store::{AssetPath, Entry, Store};
use lofty::config::ParseOptions;
use lofty::file::{AudioFile, TaggedFileExt};
use lofty::probe::Probe;
use lofty::tag::Accessor;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Longest title or artist that is passed on, in characters.
const MAX_TEXT: usize = 200;

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
    busy: AtomicBool,
}

impl TagReader {
    /// The tags of a file in this state, if they were read.
    pub fn known(&self, path: &AssetPath, entry: &Entry) -> Option<Tags> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(path)
            .filter(|(state, _)| state == entry)
            .map(|(_, tags)| tags.clone())
    }

    /// Reads the tags of all sounds that are new or changed. Blocks; one caller at a time does the
    /// work, others return at once.
    pub fn read_all(&self, store: &Store) {
        if self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let shelf = store.shelf(&SOUNDS);
        let files: HashMap<_, _> = shelf
            .index()
            .assets()
            .map(|(p, e)| (p.clone(), *e))
            .collect();
        for (path, entry) in &files {
            if self.known(path, entry).is_none() {
                let tags = read(&path.below(shelf.root()));
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(path.clone(), (*entry, tags));
            }
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|path, _| files.contains_key(path));
        drop(known);
        self.busy.store(false, Ordering::Release);
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
