//! Other ids for saved scenes.
//!
//! "Save As" gives a scene a new id and never tells the page, which goes on saving under its own.
//! So the page's id is remembered as another name of the scene, across restarts and outside of the
//! scene's JSON.

use crate::error::Result;
use crate::store::write_durably;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Ids that many scenes share: nobody means one certain scene by them.
const SHARED: [&str; 2] = ["", "default"];
/// Longer ids are not remembered.
const MAX_BYTES: usize = 256;
/// Only so many are remembered; then those that sort first go, which for clocks are the oldest.
const MAX_ALIASES: usize = 10_000;

/// The table of other ids; one small file below `.tablekeep/`.
pub struct Aliases {
    file: PathBuf,
    known: Mutex<BTreeMap<String, String>>,
}

impl Aliases {
    /// Reads the table; one that cannot be read starts anew, with a line in the log.
    pub fn open(file: PathBuf) -> Self {
        let known = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::error!(%error, "the list of scene aliases is broken and put aside: {error}");
                let _ = fs::rename(&file, file.with_extension("broken"));
                BTreeMap::new()
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                tracing::error!(%error, "the list of scene aliases cannot be read and is put aside: {error}");
                let _ = fs::rename(&file, file.with_extension("unreadable"));
                BTreeMap::new()
            }
        };
        Self {
            file,
            known: Mutex::new(known),
        }
    }

    /// The scene's own id.
    pub fn resolve(&self, id: &str) -> Option<String> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Remembers `alias` for `id`, durably. Blocks.
    pub fn remember(&self, alias: &str, id: &str) -> Result<()> {
        if SHARED.contains(&alias) || alias.len() > MAX_BYTES {
            return Ok(());
        }
        self.change(|known| {
            known.insert(alias.to_owned(), id.to_owned());
            while known.len() > MAX_ALIASES {
                known.pop_first();
            }
        })
    }

    /// Forgets all other ids of a deleted scene. Blocks.
    pub fn forget(&self, id: &str) -> Result<()> {
        self.change(|known| known.retain(|_, own| own != id))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = known.clone();
        change(&mut changed);
        if changed != *known {
            let text = serde_json::to_vec(&changed).map_err(std::io::Error::other)?;
            write_durably(&self.file, &text)?;
            *known = changed;
        }
        Ok(())
    }
}
