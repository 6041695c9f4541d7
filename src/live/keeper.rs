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
    written: watch::Receiver<(u64, bool)>,
    hurry: Arc<Notify>,
}

impl Keeper {
    /// Starts the task; `write` makes a document durable and may block.
    pub fn start(write: impl Fn(&JsonText) -> Result<()> + Send + Sync + 'static) -> Self {
        let (latest, mut changes) = watch::channel(Version::default());
        let (progress, written) = watch::channel((0, true));
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
                let good = match outcome {
                    Ok(Ok(())) => true,
                    Ok(Err(error)) => {
                        tracing::error!(%error, "the current scene could not be saved ({error}); trying again");
                        false
                    }
                    Err(_) => false,
                };
                progress.send_replace((version.number, good));
                if !good {
                    changes.mark_changed();
                }
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
            let (number, good) = *written.borrow_and_update();
            if number >= wanted && (good || retried) {
                return match good {
                    true => Ok(()),
                    false => Err(Error::DiskFull),
                };
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
