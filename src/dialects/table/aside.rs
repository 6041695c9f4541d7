//! Scenes that are no longer, or never were, the table's: kept in a folder of files for whoever
//! wants one back.

use crate::json::JsonText;
use crate::live::{Now, Outgoing};
use crate::store::write_all_durably;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Replaced and refused scenes that are kept.
const ASIDE: usize = 20;
/// Replaced ones of them that are written together: of more, the first and the last.
const REPLACED_AT_ONCE: usize = 4;

/// Why a scene is kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Another was loaded over it.
    Replaced,
    /// It came too late, from a page that had been away.
    Refused,
}

/// A scene and the file's name that it is kept under.
struct Kept {
    why: Why,
    name: String,
    scene: JsonText,
}

impl Kept {
    /// The `nth` so far.
    fn new(why: Why, scene: JsonText, nth: u64, now: Now) -> Self {
        let suffix = match why {
            Why::Replaced => "replaced",
            Why::Refused => "refused",
        };
        let name = format!("{}-{:04}-{suffix}.json", now.unix_ms, nth % 10_000);
        Self { why, name, scene }
    }
}

/// A table's scenes that are to be kept aside.
#[derive(Default)]
pub(super) struct Aside {
    waiting: VecDeque<Kept>,
    count: u64,
}

impl Aside {
    /// How many there were so far.
    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Keeps a scene that is no longer, or never was, the table's, with the next
    /// [`write`](Self::write): the last twenty of them. Of many that were replaced between two
    /// writes only the first and the last are kept: a page that loads in a loop must neither fill
    /// the disk's time nor push out what was there before it.
    pub fn keep(&mut self, why: Why, scene: JsonText, now: Now) {
        let kept = Kept::new(why, scene, self.count, now);
        self.count += 1;
        self.waiting.push_back(kept);
        let replaced = |(nth, kept): (usize, &Kept)| (kept.why == Why::Replaced).then_some(nth);
        let replaced: Vec<usize> = self
            .waiting
            .iter()
            .enumerate()
            .filter_map(replaced)
            .collect();
        if replaced.len() > REPLACED_AT_ONCE {
            self.waiting.remove(replaced[REPLACED_AT_ONCE / 2]);
        } else if self.waiting.len() > ASIDE {
            self.waiting.pop_front();
        }
    }

    /// Has what waits written to this folder.
    pub fn write(&mut self, folder: &Path, out: &mut Outgoing) {
        if self.waiting.is_empty() {
            return;
        }
        let folder = folder.to_owned();
        let scenes = std::mem::take(&mut self.waiting);
        out.aside
            .push(Box::new(move || keep_or_warn(&folder, &scenes)));
    }
}

/// Keeps a scene that another program has replaced. Blocks.
pub(super) fn keep_now(folder: &Path, scene: &JsonText) {
    keep_or_warn(
        folder,
        [&Kept::new(Why::Replaced, scene.clone(), 0, Now::read())],
    );
}

fn keep_or_warn<'a>(folder: &Path, scenes: impl IntoIterator<Item = &'a Kept>) {
    if let Err(error) = keep(folder, scenes) {
        tracing::warn!(%error, "a scene could not be kept below .tablekeep/: {error}");
    }
}

/// Writes some more, durably, and lets the oldest go. These are a courtesy: nothing waits for them.
fn keep<'a>(folder: &Path, scenes: impl IntoIterator<Item = &'a Kept>) -> std::io::Result<()> {
    // One at a time: what another has not finished must not count among the oldest.
    static WRITING: Mutex<()> = Mutex::new(());
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    std::fs::create_dir_all(folder)?;
    let file = |kept: &'a Kept| (&*kept.name, kept.scene.as_str().as_bytes());
    write_all_durably(folder, scenes.into_iter().map(file))?;
    let mut names: Vec<_> = std::fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
        .collect();
    names.sort();
    for old in names.iter().rev().skip(ASIDE) {
        std::fs::remove_file(folder.join(old))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_that_were_replaced_the_first_and_the_last_are_kept_and_all_that_were_refused() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("aside");
        let mut aside = Aside::default();
        let write = |aside: &mut Aside| {
            let mut out = Outgoing::default();
            aside.write(&folder, &mut out);
            for work in out.aside {
                work();
            }
            let files = std::fs::read_dir(&folder).unwrap();
            let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
            files.sort();
            let text = |file| std::fs::read_to_string(file).unwrap();
            files.into_iter().map(text).collect::<Vec<_>>().join(" ")
        };
        let scene = |n: u64| JsonText::parse(n.to_string().into()).unwrap();
        let at = |unix_ms| Now {
            unix_ms,
            ..Now::read()
        };
        for n in 0..30 {
            aside.keep(Why::Replaced, scene(n), at(1_000));
            if n % 5 == 4 {
                aside.keep(Why::Refused, scene(100 + n), at(1_000));
            }
        }
        assert_eq!(write(&mut aside), "0 1 104 109 114 119 124 28 29 129");
        // All in all, the last twenty.
        for n in 200..215 {
            aside.keep(Why::Refused, scene(n), at(2_000));
        }
        let kept = write(&mut aside);
        assert_eq!(kept.split(' ').count(), ASIDE, "{kept}");
        assert!(kept.starts_with("119 124 28 29 129 200 "), "{kept}");
        assert!(kept.ends_with(" 214"), "{kept}");
    }
}
