//! `scenes/current_scene.json`: the table's scene for SpellTable, and for whoever edits it by hand.

use super::kind::{self, CURRENT_SCENE, SCENES};
use crate::error::{Error, Result};
use crate::json::JsonText;
use crate::store::{AssetPath, Stamp, Store};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What some editors put in front of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Keeps bytes aside and says where.
type KeepAside = dyn Fn(&[u8]) -> std::io::Result<PathBuf> + Send + Sync;

/// The file, of which nothing is overwritten that came from somebody else and was not read.
pub struct CurrentScene {
    store: Arc<Store>,
    keep_aside: Box<KeepAside>,
    /// What was there when we last read or wrote it.
    known: Mutex<Option<Stamp>>,
}

impl CurrentScene {
    /// The file below `store`; `keep_aside` keeps a copy of bytes that are to be overwritten and says
    /// where.
    pub fn new(
        store: Arc<Store>,
        keep_aside: impl Fn(&[u8]) -> std::io::Result<PathBuf> + Send + Sync + 'static,
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
        let path = path();
        let found = shelf
            .stamp(&path)
            .and_then(|stamp| Ok((stamp, shelf.read(&path)?)));
        let (stamp, bytes) = match found {
            Ok(found) => found,
            Err(Error::NotFound(_)) => return None,
            Err(error) => {
                tracing::warn!(%error, "scenes/{CURRENT_SCENE} cannot be read ({error}); the table goes on with what it had");
                return None;
            }
        };
        match parse(bytes) {
            Ok(scene) => {
                self.remember(Some(stamp));
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
        self.remember(self.stamp_of(scene));
        Ok(())
    }

    /// What the file is, if it still is what we have written.
    fn stamp_of(&self, scene: &JsonText) -> Option<Stamp> {
        let shelf = self.store.shelf(&SCENES);
        let stamp = shelf.stamp(&path()).ok()?;
        let is_ours = shelf.read(&path()).ok()? == scene.as_str().as_bytes();
        (is_ours && shelf.stamp(&path()).ok()? == stamp).then_some(stamp)
    }

    /// What somebody else has put there since is kept aside.
    fn keep_foreign(&self) -> Result<()> {
        let shelf = self.store.shelf(&SCENES);
        let Ok(stamp) = shelf.stamp(&path()) else {
            return Ok(());
        };
        if *self.known.lock().unwrap_or_else(PoisonError::into_inner) == Some(stamp) {
            return Ok(());
        }
        let kept = (self.keep_aside)(&shelf.read(&path())?)?;
        let kept = kept.display();
        tracing::warn!(
            "scenes/{CURRENT_SCENE} was changed by another program, which only counts while the server is stopped; the table's scene takes its place, that one is kept as {kept}"
        );
        self.remember(Some(stamp));
        Ok(())
    }

    fn remember(&self, stamp: Option<Stamp>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
    }
}

fn path() -> AssetPath {
    AssetPath::parse(CURRENT_SCENE).expect("a constant that is a path")
}

fn parse(bytes: Vec<u8>) -> Result<JsonText, String> {
    let mut bytes = Bytes::from(bytes);
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes = bytes.slice(BYTE_ORDER_MARK.len()..);
    }
    kind::parse(bytes)
}
