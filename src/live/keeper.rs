//! Keeps the table's document on disk: at most one write a second, and at once when asked.

use crate::error::{Error, Result};
use crate::json::JsonText;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

/// Least time between the starts of two writes.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause after a failed write, such as on a full disk.
const RETRY: Duration = Duration::from_secs(2);

#[derive(Clone, Default)]
struct Version {
    number: u64,
    document: Option<JsonText>,
}

/// Handle to the task that writes. Cloning is cheap.
#[derive(Clone)]
pub struct Keeper {
    latest: Arc<watch::Sender<Version>>,
    /// The number of the last attempt, and why it failed.
    written: watch::Receiver<(u64, Option<String>)>,
    hurry: Arc<Notify>,
}

impl Keeper {
    /// Starts the task; `write` makes a document durable and may block.
    pub fn start(write: impl Fn(&JsonText) -> Result<()> + Send + Sync + 'static) -> Self {
        let (latest, mut changes) = watch::channel(Version::default());
        let (progress, written) = watch::channel((0, None));
        let hurry = Arc::new(Notify::new());
        let asked = hurry.clone();
        let write = Arc::new(write);
        actix_rt::spawn(async move {
            while changes.changed().await.is_ok() {
                let started = Instant::now();
                let version = changes.borrow_and_update().clone();
                let Some(document) = version.document else {
                    continue;
                };
                let write = write.clone();
                let outcome = tokio::task::spawn_blocking(move || write(&document)).await;
                let failure = match outcome {
                    Ok(written) => written.err().map(|error| error.cause()),
                    Err(panicked) => Some(panicked.to_string()),
                };
                let good = failure.is_none();
                if let Some(cause) = &failure {
                    tracing::error!(
                        cause,
                        "the current scene could not be saved ({cause}); trying again"
                    );
                    changes.mark_changed();
                }
                progress.send_replace((version.number, failure));
                let pause = if good { PAUSE } else { RETRY };
                tokio::select! {
                    () = sleep_until(started + pause) => {}
                    () = asked.notified() => {}
                }
            }
        });
        Self {
            latest: Arc::new(latest),
            written,
            hurry,
        }
    }

    /// Takes the newest document; an older one that was not written yet is skipped.
    pub fn keep(&self, document: JsonText) {
        self.latest.send_modify(|latest| {
            latest.number += 1;
            latest.document = Some(document);
        });
    }

    /// Waits until everything kept so far is on disk. Fails when a write fails.
    pub async fn flush(&self) -> Result<()> {
        let wanted = self.latest.borrow().number;
        let mut written = self.written.clone();
        let mut retried = false;
        loop {
            let (number, failure) = written.borrow_and_update().clone();
            match failure {
                None if number >= wanted => return Ok(()),
                Some(cause) if number >= wanted && retried => return Err(Error::NotSaved(cause)),
                _ => {}
            }
            // The last attempt may have been a while ago: there may be room by now.
            retried |= number >= wanted;
            self.hurry.notify_one();
            if written.changed().await.is_err() {
                return Err(Error::Unavailable("the server is shutting down".into()));
            }
        }
    }
}
