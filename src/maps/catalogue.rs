//! What can be done to maps on disk. Everything here blocks.

use crate::error::{Error, Result};
use crate::http::Precondition;
use crate::json::{JsonText, NodeKind, ObjectEdit, Splices, quote};
use crate::library::{Wanted, new_folder};
use crate::maps::MAPS;
use crate::model::MapMove;
use crate::scenes::SCENES;
use crate::store::{
    AssetPath, Change, FolderPath, NewName, PathError, PendingIntent, Shelf, Store,
};
use bytes::Bytes;
use serde_json::json;

/// A map that has moved: its files are in place, the table has yet to follow.
pub(super) struct Moved {
    pub map_move: MapMove,
    pub intent: PendingIntent,
    /// How many saved scenes were rewritten.
    pub scenes: usize,
}

/// Finds a map by a bare name or by a path; `folder` (which may be empty for the root) makes a
/// bare name exact. Of several with one name it is the first: root, then path order.
pub(super) fn find(shelf: &Shelf, name: &str, folder: Option<&str>) -> Result<AssetPath> {
    let missing = || Error::NotFound(format!("Map '{name}' not found"));
    match folder {
        Some(folder) => {
            let folder = FolderPath::parse(folder).map_err(|_| missing())?;
            let path = folder.join(name).map_err(|_| missing())?;
            Wanted::Exact(&path).find(shelf)
        }
        None if name.contains('/') => {
            let path = AssetPath::parse(name).map_err(|_| missing())?;
            Wanted::Exact(&path).find(shelf)
        }
        None => shelf.index().named(name).first().cloned(),
    }
    .ok_or_else(missing)
}

/// The side file of a map.
fn side_file(map: &AssetPath) -> Option<AssetPath> {
    // A name that is too long with the ending has none.
    map.folder().join(&format!("{}.json", map.name())).ok()
}

pub(super) fn rename(
    store: &Store,
    name: &str,
    folder: Option<&str>,
    new_name: &str,
) -> Result<Moved> {
    let change = store.change();
    let from = find(change.shelf(&MAPS), name, folder)?;
    let new = NewName::parse(new_name)?;
    if !MAPS.has_extension(&new.extension()) {
        return Err(Error::Invalid(format!(
            "'{new_name}' must end with one of: {}",
            MAPS.extensions.join(", ")
        )));
    }
    let to = from.folder().join(new.as_str())?;
    relocate(change, from, to)
}

/// Moves a map to `folder`; `None` when it is there already.
pub(super) fn move_to(
    store: &Store,
    name: &str,
    from: Option<&str>,
    folder: Option<&str>,
) -> Result<Option<Moved>> {
    let change = store.change();
    let shelf = change.shelf(&MAPS);
    let from = find(shelf, name, from)?;
    let to = new_folder(shelf, folder.unwrap_or_default())?.join(from.name())?;
    if from == to {
        return Ok(None);
    }
    relocate(change, from, to).map(Some)
}

/// Picture, side file and every saved scene that shows it, as one operation.
fn relocate(mut change: Change<'_>, from: AssetPath, to: AssetPath) -> Result<Moved> {
    let shelf = change.shelf(&MAPS);
    if shelf.exists(&to) {
        return Err(Error::Conflict(format!(
            "A file named '{}' already exists",
            to.name()
        )));
    }
    let namesakes = shelf.index().named(from.name()).to_vec();
    let sides = match side_file(&from).zip(side_file(&to)) {
        Some((old, new)) => shelf.read_if_there(&old)?.map(|text| (text, old, new)),
        None => None,
    };
    let map_move = MapMove {
        from: from.clone(),
        to: to.clone(),
        namesakes,
    };
    let followers = in_scenes(change.shelf(&SCENES), &map_move, |scene| {
        map_move.rewrite(&scene)
    })?;
    change.rename(&MAPS, from, to.clone());
    if let Some((text, old, new)) = sides {
        change.write(&MAPS, new, &moved_side_file(text, &to))?;
        change.remove(&MAPS, old);
    }
    let scenes = followers.len();
    for (path, scene) in followers {
        change.write(&SCENES, path, scene.as_str().as_bytes())?;
    }
    change.note(json!({ "map_moved": map_move }));
    let intent = change.apply()?.ok_or(Error::DiskFull)?;
    Ok(Moved {
        map_move,
        intent,
        scenes,
    })
}

/// What `look` finds in the saved scenes that name the map; broken ones name none. Errors: a scene
/// cannot be read now.
fn in_scenes<T>(
    shelf: &Shelf,
    map_move: &MapMove,
    look: impl Fn(JsonText) -> Option<T>,
) -> Result<Vec<(AssetPath, T)>> {
    shelf.check_read(|_| true)?;
    let paths: Vec<_> = shelf
        .index()
        .assets()
        .map(|(path, _)| path.clone())
        .collect();
    let mut found = Vec::new();
    for path in paths {
        let text = shelf.read_if_there(&path)?;
        let text = text.filter(|text| map_move.may_concern(text));
        let scene = text.and_then(|text| JsonText::parse(Bytes::from(text)).ok());
        found.extend(scene.and_then(&look).map(|what| (path, what)));
    }
    Ok(found)
}

/// The side file repeats its map's name and folder.
fn moved_side_file(text: Vec<u8>, to: &AssetPath) -> Vec<u8> {
    let Ok(json) = JsonText::parse(Bytes::from(text.clone())) else {
        return text;
    };
    if json.root().kind() != NodeKind::Object {
        return text;
    }
    let mut edit = ObjectEdit::new(json.root());
    edit.set("name", &quote(to.name()));
    let folder = to.folder();
    edit.set(
        "folder",
        &folder.to_option().map_or_else(|| "null".into(), quote),
    );
    let mut splices = Splices::default();
    edit.into_splices(&mut splices);
    splices.apply(&json).as_str().as_bytes().to_vec()
}

pub(super) fn delete(
    store: &Store,
    name: &str,
    folder: Option<&str>,
    condition: &Precondition,
) -> Result<()> {
    let mut change = store.change();
    let shelf = change.shelf(&MAPS);
    let path = find(shelf, name, folder)?;
    if folder.is_none() && !name.contains('/') {
        let namesakes: Vec<_> = shelf
            .index()
            .named(name)
            .iter()
            .map(|p| format!("'{p}'"))
            .collect();
        if namesakes.len() > 1 {
            return Err(Error::Conflict(format!(
                "there are several maps named '{name}' ({}): say which, with its folder",
                namesakes.join(", ")
            )));
        }
    }
    condition.check(shelf.stamp(&path).ok().as_ref())?;
    let side = side_file(&path).filter(|side| shelf.exists(side));
    change.remove(&MAPS, path);
    if let Some(side) = side {
        change.remove(&MAPS, side);
    }
    change.apply().map(drop)
}

pub(super) fn make_folder(store: &Store, raw: &str) -> Result<()> {
    let mut change = store.change();
    if let Some(path) = new_folder(change.shelf(&MAPS), raw)?.as_path() {
        change.make_folder(&MAPS, path);
    }
    change.apply().map(drop)
}

/// Deletes a folder by its path, or by a bare name that only one folder has.
pub(super) fn delete_folder(store: &Store, raw: &str) -> Result<()> {
    let missing = || Error::NotFound(format!("Folder '{raw}' not found"));
    let mut change = store.change();
    let exact = AssetPath::parse(raw).map_err(|_| missing())?;
    let found: Vec<FolderPath> = {
        let index = change.shelf(&MAPS).index();
        let exact = FolderPath::from(exact.clone());
        if index.has_folder(&exact) {
            vec![exact]
        } else {
            index
                .folders()
                .filter(|f| f.name() == raw)
                .cloned()
                .collect()
        }
    };
    let folder = match found.as_slice() {
        [one] => one.as_path().ok_or_else(missing)?,
        [] => return Err(missing()),
        several => {
            let paths: Vec<_> = several
                .iter()
                .map(|f| format!("'{}'", f.as_str()))
                .collect();
            return Err(Error::Conflict(format!(
                "there are several folders named '{raw}' ({}): say which, with its path",
                paths.join(", ")
            )));
        }
    };
    change.trash(&MAPS, folder);
    change.apply().map(drop)
}

/// Stores where a map stands; the map itself need not exist.
pub(super) fn store_data(
    store: &Store,
    name: &str,
    folder: Option<&str>,
    data: &str,
) -> Result<()> {
    let mut change = store.change();
    let shelf = change.shelf(&MAPS);
    let folder_path = new_folder(shelf, folder.unwrap_or_default())?;
    let map = folder_path.join(name)?;
    if !shelf.index().has(&map) {
        NewName::parse(name)?;
    }
    let folder = folder_path.to_option().map_or_else(|| "null".into(), quote);
    let text = format!(
        "{{\"name\":{},\"folder\":{folder},\"data\":{data}}}",
        quote(name)
    );
    let side = side_file(&map).ok_or(PathError::TooLong)?;
    change.write(&MAPS, side, text.as_bytes())?;
    change.apply().map(drop)
}

/// The stored side file, or what a map has that was never placed.
pub(super) fn read_data(store: &Store, name: &str, folder: Option<&str>) -> Result<String> {
    let shelf = store.shelf(&MAPS);
    let map = find(shelf, name, folder)?;
    let stored = match side_file(&map) {
        Some(side) => shelf.read_if_there(&side)?,
        None => None,
    };
    let stored = stored.and_then(|text| JsonText::parse(Bytes::from(text)).ok());
    if let Some(text) = stored.filter(|text| text.root().kind() == NodeKind::Object) {
        return Ok(text.as_str().to_owned());
    }
    let folder = map
        .folder()
        .to_option()
        .map_or_else(|| "null".into(), quote);
    Ok(format!(
        "{{\"name\":{},\"folder\":{folder},\"data\":{{\"position\":{{\"x\":0,\"y\":0}},\"scale\":1,\"rotation\":0,\"isHidden\":true}}}}",
        quote(map.name())
    ))
}

/// The saved scenes that show a map.
pub(super) fn uses(store: &Store, raw: &str) -> Result<Vec<(AssetPath, JsonText)>> {
    let shelf = store.shelf(&MAPS);
    let map = find(shelf, raw, None)?;
    let stays = MapMove {
        namesakes: shelf.index().named(map.name()).to_vec(),
        to: map.clone(),
        from: map,
    };
    in_scenes(store.shelf(&SCENES), &stays, |scene| {
        Some(scene).filter(|scene| stays.is_shown_by(scene))
    })
}
