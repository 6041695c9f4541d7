//! `scenes/current_scene.json`: the table's scene for SpellTable, and for whoever edits it by hand.

use super::kind::{self, CURRENT_SCENE, SCENES};
use crate::error::{Error, Result};
use crate::json::JsonText;
use crate::store::{AssetPath, Store};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What some editors put in front of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is to be kept.
pub enum Foreign<'a> {
    /// What was read.
    Bytes(&'a [u8]),
    /// A file that we may not read.
    File(&'a Path),
}

/// Keeps something aside and says where.
type KeepAside = dyn Fn(Foreign<'_>) -> std::io::Result<PathBuf> + Send + Sync;

/// The file, of which nothing is overwritten that came from somebody else and was not read.
pub struct CurrentScene {
    store: Arc<Store>,
    keep_aside: Box<KeepAside>,
    /// What was last read, written or kept aside there.
    known: Mutex<Bytes>,
}

impl CurrentScene {
    /// The file below `store`; `keep_aside` keeps what is to be overwritten and says where.
    pub fn new(
        store: Arc<Store>,
        keep_aside: impl Fn(Foreign<'_>) -> std::io::Result<PathBuf> + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            keep_aside: Box::new(keep_aside),
            known: Mutex::default(),
        }
    }

    /// The scene as the last run, or somebody else, left it; `None` when there is none or it is
    /// broken. Blocks.
    pub fn read(&self) -> Option<JsonText> {
        let shelf = self.store.shelf(&SCENES);
        let bytes = match shelf.read(&path()) {
            Ok(bytes) => Bytes::from(bytes),
            Err(Error::NotFound(_)) => return None,
            Err(error) => {
                tracing::warn!(%error, "scenes/{CURRENT_SCENE} cannot be read ({error}); the table goes on with what it had");
                return None;
            }
        };
        match parse(bytes.clone()) {
            Ok(scene) => {
                self.remember(bytes);
                Some(scene)
            }
            Err(reason) => {
                tracing::warn!(%reason, "scenes/{CURRENT_SCENE} is not shown: {reason}; before the table's scene takes its place it is kept below .tablekeep/");
                None
            }
        }
    }

    /// Makes the table's scene durable. Blocks.
    ///
    /// Errors: those of the disk; then the file is as it was.
    pub fn write(&self, scene: &JsonText) -> Result<()> {
        self.keep_foreign()?;
        let mut change = self.store.change();
        change.write(&SCENES, path(), scene.as_str().as_bytes())?;
        change.apply()?;
        self.remember(scene.bytes());
        Ok(())
    }

    /// What somebody else has put there since is kept aside. A link that leads out of the folder only
    /// makes way: what it leads to stays.
    fn keep_foreign(&self) -> Result<()> {
        let shelf = self.store.shelf(&SCENES);
        let file = shelf.root().join(CURRENT_SCENE);
        let kept = match shelf.read(&path()) {
            // Not by its time and size: copies and other rights change them, too.
            Ok(bytes) if self.is_known(&bytes) => return Ok(()),
            Ok(bytes) => {
                let kept = (self.keep_aside)(Foreign::Bytes(&bytes))?;
                // Once, however often what is to take its place cannot be written.
                self.remember(bytes.into());
                kept
            }
            Err(Error::NotFound(_)) => return Ok(()),
            // It is not for us to read, and does not become so by waiting.
            Err(Error::Unavailable(_)) => (self.keep_aside)(Foreign::File(&file))?,
            Err(error) => return Err(error),
        };
        let kept = kept.display();
        tracing::warn!(
            "scenes/{CURRENT_SCENE} was changed by another program, which only counts while the server is stopped; the table's scene takes its place, that one is kept as {kept}"
        );
        Ok(())
    }

    fn is_known(&self, bytes: &[u8]) -> bool {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) == bytes
    }

    fn remember(&self, bytes: Bytes) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }
}

fn path() -> AssetPath {
    AssetPath::parse(CURRENT_SCENE).expect("a constant that is a path")
}

fn parse(mut bytes: Bytes) -> Result<JsonText, String> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes = bytes.slice(BYTE_ORDER_MARK.len()..);
    }
    kind::parse(bytes)
}
