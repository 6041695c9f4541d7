//! Keeps the index in step with what people do to the folders by hand.

use super::{FolderPath, Store};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Events that may wait; beyond this everything is read again.
const QUEUE: usize = 4096;
/// Events are collected this long, because a copied file makes many.
const COLLECT: Duration = Duration::from_millis(50);
/// A whole rescan now and then: some file systems (network shares) tell nothing.
const RESCAN: Duration = Duration::from_secs(300);
/// The same when the system has no watches left for us.
const RESCAN_UNWATCHED: Duration = Duration::from_secs(10);
/// What the disk did not tell is asked again after this long, then ever more rarely.
const ASK_AGAIN: Duration = Duration::from_secs(1);

enum News {
    Changed(PathBuf),
    Stop,
}

/// The thread that scans once and then follows the disk; ends when dropped.
pub struct Watcher {
    news: SyncSender<News>,
}

impl Watcher {
    /// Starts watching, then scans, then follows. `scanned` is called after the first scan.
    pub fn start(
        store: Arc<Store>,
        scanned: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let (news, inbox) = sync_channel(QUEUE);
        let sender = news.clone();
        std::thread::Builder::new()
            .name("disk".into())
            .spawn(move || {
                // Watch first: what happens during the scan is then seen by either.
                let lost = Arc::new(AtomicBool::new(false));
                let watch = watch(&store, sender, lost.clone());
                store.scan();
                scanned();
                follow(&store, &inbox, &lost, watch.is_some());
            })?;
        Ok(Self { news })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Not waited for: a first scan of a slow disk must not hold up the end.
        let _ = self.news.try_send(News::Stop);
    }
}

fn watch(
    store: &Store,
    news: SyncSender<News>,
    lost: Arc<AtomicBool>,
) -> Option<RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        let lose = || lost.store(true, Ordering::Release);
        match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
            Ok(event) => {
                if event.need_rescan() {
                    lose();
                }
                for path in event.paths {
                    if news.try_send(News::Changed(path)).is_err() {
                        lose();
                    }
                }
            }
            Err(_) => lose(),
        }
    };
    let config = notify::Config::default().with_follow_symlinks(false);
    let start = || -> notify::Result<RecommendedWatcher> {
        let mut watcher = RecommendedWatcher::new(handler, config)?;
        for shelf in store.shelves() {
            watcher.watch(shelf.root(), RecursiveMode::Recursive)?;
        }
        Ok(watcher)
    };
    match start() {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "cannot watch the folders ({error}); reading them every 10 s instead");
            None
        }
    }
}

fn follow(store: &Store, inbox: &Receiver<News>, lost: &AtomicBool, watched: bool) {
    let pause = if watched { RESCAN } else { RESCAN_UNWATCHED };
    let mut due = Instant::now() + pause;
    let mut again = Again::default();
    loop {
        let mut changed = BTreeSet::new();
        let next = again.next(store.unread()).map_or(due, |at| at.min(due));
        match inbox.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(News::Changed(path)) => drop(changed.insert(path)),
            Err(RecvTimeoutError::Timeout) if next < due => {}
            Err(RecvTimeoutError::Timeout) => lost.store(true, Ordering::Release),
            Ok(News::Stop) | Err(RecvTimeoutError::Disconnected) => return,
        }
        let collected = Instant::now() + COLLECT;
        loop {
            match inbox.recv_timeout(collected.saturating_duration_since(Instant::now())) {
                Ok(News::Changed(path)) => drop(changed.insert(path)),
                Ok(News::Stop) => return,
                Err(_) => break,
            }
        }
        // What did not fit into the queue is seen by reading everything again.
        if lost.swap(false, Ordering::AcqRel) {
            store.scan();
            due = Instant::now() + pause;
        } else {
            for path in changed {
                refresh(store, &path);
            }
            if again.is_due() {
                store.read_again();
            }
        }
    }
}

/// When what the disk did not tell is asked again, and how long after that once more.
#[derive(Default)]
struct Again {
    next: Option<(Instant, Duration)>,
    /// So much could not be read when it was looked at last.
    unread: usize,
}

impl Again {
    /// The time of the next attempt; `None` when there is nothing to ask. What can never be read does
    /// not hold up what could not be for a moment.
    fn next(&mut self, unread: usize) -> Option<Instant> {
        let is_more = unread > std::mem::replace(&mut self.unread, unread);
        let first = || (Instant::now() + ASK_AGAIN, ASK_AGAIN * 2);
        self.next = match self.next.filter(|_| !is_more) {
            _ if unread == 0 => None,
            Some(next) => Some(next),
            None => Some(first()),
        };
        self.next.map(|(at, _)| at)
    }

    /// Whether it is time; the one after that is then twice as far away.
    fn is_due(&mut self) -> bool {
        match self.next {
            Some((at, pause)) if at <= Instant::now() => {
                self.next = Some((Instant::now() + pause, pause * 2));
                true
            }
            _ => false,
        }
    }
}

fn refresh(store: &Store, path: &Path) {
    for shelf in store.shelves() {
        let Ok(below) = path.strip_prefix(shelf.root()) else {
            continue;
        };
        match below.to_str().map(FolderPath::parse) {
            Some(Ok(path)) => store.refresh(shelf, &path),
            // A name that no address can have: let the folder around it be read again.
            _ => {
                let around = below.parent().and_then(Path::to_str).map(FolderPath::parse);
                store.refresh(
                    shelf,
                    &around.and_then(Result::ok).unwrap_or(FolderPath::root()),
                );
            }
        }
    }
}
