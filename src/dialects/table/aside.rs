//! Scenes that are no longer, or never were, the table's: kept in a folder of files for whoever
//! wants one back.

use crate::json::JsonText;
use crate::live::{Now, Outgoing};
use crate::store::write_all_durably;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Replaced and refused scenes that are kept.
const ASIDE: usize = 20;
/// The newest of them stay in any case.
const NEWEST: usize = 10;
/// Of the others, that one goes first which came soonest after the one before it, if that was sooner
/// than this many milliseconds; else the oldest.
const SOON: u64 = 3_600_000;
/// Scenes that pages loaded others over, written together: of more, the first two and the last two.
const BY_PAGES: usize = 4;

/// Why a scene is kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Another was loaded over it, which was acknowledged.
    Replaced,
    /// A page of SpellTable loaded another over it.
    ReplacedByPage,
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
            Why::Replaced | Why::ReplacedByPage => "replaced",
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
    /// [`write`](Self::write). Of many that pages loaded others over between two writes only the
    /// first and the last are kept: a page that loads in a loop must not fill the disk's time.
    pub fn keep(&mut self, why: Why, scene: JsonText, now: Now) {
        self.count += 1;
        let kept = Kept::new(why, scene, self.count, now);
        self.waiting.push_back(kept);
        let waiting = self.waiting.iter().enumerate();
        let by_pages: Vec<usize> = waiting
            .filter(|(_, kept)| kept.why == Why::ReplacedByPage)
            .map(|(nth, _)| nth)
            .collect();
        if by_pages.len() > BY_PAGES {
            self.waiting.remove(by_pages[BY_PAGES / 2]);
        } else if self.waiting.len() > ASIDE {
            self.waiting.remove(ASIDE / 2);
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

/// Keeps a file that another program has written in the place of the scene's own, whatever is in it.
/// Returns where. Blocks.
pub fn keep_file(folder: &Path, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let name = foreign();
    write_and_thin(folder, [(&*name, bytes)])?;
    Ok(folder.join(name))
}

/// The same with a file that cannot be read: it is moved there. Blocks.
pub fn move_file(folder: &Path, file: &Path) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let kept = folder.join(foreign());
    std::fs::rename(file, &kept)?;
    Ok(kept)
}

fn foreign() -> String {
    format!("{}-0000-foreign.json", Now::read().unix_ms)
}

fn keep_or_warn<'a>(folder: &Path, scenes: impl IntoIterator<Item = &'a Kept>) {
    let file = |kept: &'a Kept| (&*kept.name, kept.scene.as_str().as_bytes());
    if let Err(error) = write_and_thin(folder, scenes.into_iter().map(file)) {
        tracing::warn!(%error, "a scene could not be kept below .tablekeep/: {error}");
    }
}

/// Writes some more, durably, and lets others go. These are a courtesy: nothing waits for them.
fn write_and_thin<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> std::io::Result<()> {
    // One at a time: what another has not finished must not count among the oldest.
    static WRITING: Mutex<()> = Mutex::new(());
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    std::fs::create_dir_all(folder)?;
    write_all_durably(folder, files)?;
    let names =
        std::fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for name in surplus(names.collect()) {
        std::fs::remove_file(folder.join(name))?;
    }
    Ok(())
}

/// Which of these files are too many. A loop of loads pushes out what was there before it only as it
/// lasts longer than that lay apart.
fn surplus(names: Vec<String>) -> Vec<String> {
    let at = |name: &String| {
        let unix_ms = name.split('-').next().and_then(|start| start.parse().ok());
        unix_ms.unwrap_or(0)
    };
    let mut kept: Vec<(u64, String)> = names.into_iter().map(|name| (at(&name), name)).collect();
    kept.sort();
    let mut gone = Vec::new();
    while kept.len() > ASIDE {
        let older = kept[..kept.len() - NEWEST].windows(2).enumerate();
        let gaps = older.map(|(before, pair)| (pair[1].0 - pair[0].0, before + 1));
        let soonest = gaps.filter(|(gap, _)| *gap < SOON).min();
        // What has no time is a draft that was never finished.
        let nth = soonest.filter(|_| kept[0].0 > 0).map_or(0, |(_, nth)| nth);
        let (_, name) = kept.remove(nth);
        gone.push(name);
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For names of one length.
    const START: u64 = 1_700_000_000_000;

    /// Keeps some, writes them, and tells what lies in the folder then.
    fn written(
        folder: &Path,
        aside: &mut Aside,
        all: impl IntoIterator<Item = (Why, u64, u64)>,
    ) -> String {
        for (why, n, unix_ms) in all {
            let scene = JsonText::parse(n.to_string().into()).unwrap();
            let now = Now {
                unix_ms: START + unix_ms,
                ..Now::read()
            };
            aside.keep(why, scene, now);
        }
        let mut out = Outgoing::default();
        aside.write(folder, &mut out);
        for work in out.aside {
            work();
        }
        let files = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        let text = |file| std::fs::read_to_string(file).unwrap();
        files.into_iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn of_a_loop_of_loads_the_first_and_the_last_are_written_and_all_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let all = (0..30).flat_map(|n| {
            let other = match n % 10 {
                4 => Some(Why::Refused),
                9 => Some(Why::Replaced),
                _ => None,
            };
            let other = other.map(|why| (why, 100 + n, 1_000));
            std::iter::once((Why::ReplacedByPage, n, 1_000)).chain(other)
        });
        let kept = written(folder.path(), &mut Aside::default(), all);
        assert_eq!(kept, "0 1 104 109 114 119 124 28 29 129");
    }

    #[test]
    fn a_loop_does_not_push_out_what_was_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut aside = Aside::default();
        let minutes = (1..=9).map(|n| (Why::Replaced, n, n * 60_000));
        written(folder.path(), &mut aside, minutes);
        let mut kept = String::new();
        for second in 0..20 {
            let loads = (0..30).map(|n| (Why::ReplacedByPage, 100 + n, 1_000_000 + second * 1_000));
            kept = written(folder.path(), &mut aside, loads);
        }
        assert_eq!(
            kept,
            "1 2 3 4 5 6 7 8 9 100 128 129 100 101 128 129 100 101 128 129"
        );
        // What came close together gives way first.
        let hours = (1..=12).map(|n| (Why::Refused, 200 + n, n * SOON));
        let kept = written(folder.path(), &mut aside, hours);
        let hours: Vec<String> = (201..=212).map(|n| n.to_string()).collect();
        assert_eq!(kept, format!("1 3 5 6 7 8 9 100 {}", hours.join(" ")));
    }

    #[test]
    fn of_those_that_lie_far_apart_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = String::new();
        for from in [0, 15] {
            let hours = (from..from + 15).map(|n| (Why::Replaced, n, n * SOON));
            kept = written(folder.path(), &mut Aside::default(), hours);
        }
        let newest: Vec<String> = (10..30).map(|n| n.to_string()).collect();
        assert_eq!(kept, newest.join(" "));
    }

    #[test]
    fn what_has_no_time_goes_first_and_a_crowd_keeps_its_ends() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".tmpAbCdEf"), "draft").unwrap();
        let crowd = (0..30).map(|n| (Why::Refused, n, 1_000));
        let kept = written(folder.path(), &mut Aside::default(), crowd);
        let ends: Vec<String> = (0..10).chain(20..30).map(|n| n.to_string()).collect();
        assert_eq!(kept, ends.join(" "));
    }
}
