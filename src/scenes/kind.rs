//! The row of data for scenes.

use crate::json::{JsonText, NodeKind};
use crate::store::{AssetPath, Class, Kind};
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
    parse(bytes.into()).map(drop)
}

/// The scene in a file, or what is wrong with it.
pub(super) fn parse(bytes: Bytes) -> Result<JsonText, String> {
    let scene = JsonText::parse(bytes).map_err(|e| format!("it is no valid scene: {e}"))?;
    match scene.root().kind() {
        NodeKind::Object => Ok(scene),
        _ => Err("it is no valid scene: not a JSON object".into()),
    }
}
