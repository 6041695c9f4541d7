//! Sign-ins that were ended before they ran out.

use super::cookie::seconds;
use crate::error::Result;
use crate::store::write_durably;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// So many are remembered; then the ones that run out first are forgotten.
const MAX: usize = 1_000;

/// One small file below `.tablekeep/`, because a cookie that somebody has copied must not count
/// again after a restart.
pub(super) struct SignedOut {
    file: PathBuf,
    ended: Mutex<Vec<Ended>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Ended {
    session: String,
    /// When its cookie runs out by itself, in seconds since 1970.
    until: u64,
}

impl SignedOut {
    /// Reads the list. One that cannot be read is put aside, with a line in the log.
    pub fn open(file: PathBuf) -> Self {
        let ended = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::error!(%error, "the list of ended sign-ins is broken and put aside: {error}");
                let _ = fs::rename(&file, file.with_extension("broken"));
                Vec::new()
            }),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::error!(%error, "the list of ended sign-ins cannot be read: {error}");
                }
                Vec::new()
            }
        };
        Self {
            file,
            ended: Mutex::new(ended),
        }
    }

    /// Where nobody can sign in.
    pub fn none() -> Self {
        Self {
            file: PathBuf::new(),
            ended: Mutex::default(),
        }
    }

    /// Whether this session has ended.
    pub fn contains(&self, session: &[u8]) -> bool {
        let session = hex(session);
        self.lock().iter().any(|ended| ended.session == session)
    }

    /// Ends a session, durably. Blocks.
    pub fn add(&self, session: &[u8], until: u64, now: SystemTime) -> Result<()> {
        let mut ended = self.lock();
        let mut changed = ended.clone();
        let (session, now) = (hex(session), seconds(now));
        changed.retain(|ended| ended.until > now && ended.session != session);
        changed.push(Ended { session, until });
        changed.sort_by_key(|ended| ended.until);
        let surplus = changed.len().saturating_sub(MAX);
        changed.drain(..surplus);
        let text = serde_json::to_vec(&changed).map_err(std::io::Error::other)?;
        write_durably(&self.file, &text)?;
        *ended = changed;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Ended>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn an_ended_session_stays_ended_and_old_ones_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signed-out.json");
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        SignedOut::open(file.clone())
            .add(b"a", 100, at(10))
            .unwrap();
        let list = SignedOut::open(file.clone());
        assert!(list.contains(b"a") && !list.contains(b"b"));
        list.add(b"b", 200, at(100)).unwrap();
        assert!(list.contains(b"b") && !list.contains(b"a"));
        for n in 0..=MAX as u64 {
            list.add(&n.to_be_bytes(), 300 + n, at(150)).unwrap();
        }
        assert_eq!(list.lock().len(), MAX);
        assert!(list.contains(&(MAX as u64).to_be_bytes()));
        fs::write(&file, b"{").unwrap();
        assert!(!SignedOut::open(file.clone()).contains(b"b"));
        assert!(file.with_extension("broken").exists());
    }
}
