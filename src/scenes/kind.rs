//! The row of data for scenes, and the file that holds the table's own.

use crate::error::Result;
use crate::json::{JsonText, NodeKind};
use crate::store::{AssetPath, Class, Kind, Store};
use bytes::Bytes;

/// The table's own scene, as SpellTable reads it; never listed, loaded or changed by id.
pub const CURRENT_SCENE: &str = "current_scene.json";
/// Folder of a folder's scene images; no scene folder can have this name.
pub(super) const IMAGES: &str = "images";

/// Scenes: `scenes/<folder...>/<id>.json`, their images in `images/` beside them.
pub static SCENES: Kind = Kind {
    dir: "scenes",
    extensions: &["json"],
    formats: &[],
    classify,
    shows_folder: |path| path.names().all(|name| name != IMAGES),
    inspect: Some(inspect),
};

fn classify(path: &AssetPath) -> Class {
    let around = path.names().rev().nth(1);
    if around == Some(IMAGES) && path.names().filter(|name| *name == IMAGES).count() == 1 {
        Class::Extra
    } else if path.extension() != "json"
        || path.as_str() == CURRENT_SCENE
        || path.names().any(|name| name == IMAGES)
    {
        Class::Ignored
    } else {
        Class::Asset
    }
}

fn inspect(bytes: Vec<u8>) -> Result<(), String> {
    let text =
        JsonText::parse(Bytes::from(bytes)).map_err(|e| format!("it is no valid scene: {e}"))?;
    match text.root().kind() {
        NodeKind::Object => Ok(()),
        _ => Err("it is no valid scene: not a JSON object".into()),
    }
}

fn current_path() -> AssetPath {
    AssetPath::parse(CURRENT_SCENE).expect("a constant that is a path")
}

/// The table's scene as the last run left it; `None` when there is none or it is broken.
pub fn read_current(store: &Store) -> Option<JsonText> {
    let bytes = store.shelf(&SCENES).read(&current_path()).ok()?;
    match inspect(bytes.clone()) {
        Ok(()) => JsonText::parse(Bytes::from(bytes)).ok(),
        Err(reason) => {
            tracing::warn!(%reason, "scenes/{CURRENT_SCENE} is left alone until the table changes: {reason}");
            None
        }
    }
}

/// Makes the table's scene durable. Blocks.
pub fn write_current(store: &Store, scene: &JsonText) -> Result<()> {
    let mut change = store.change();
    change.write(&SCENES, current_path(), scene.as_str().as_bytes())?;
    change.apply().map(drop)
}
