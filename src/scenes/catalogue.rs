//! What can be done to saved scenes on disk. Everything here blocks.

use super::aliases::Aliases;
use super::kind::{IMAGES, SCENES};
use crate::error::{Error, Result};
use crate::http::Precondition;
use crate::json::{JsonText, NodeKind};
use crate::library::new_folder;
use crate::model::{Image, complete, image_refs, relocate, with_images};
use crate::store::{
    AssetPath, Change, Class, FolderPath, Index, NewName, Shelf, Skipped, Stamp, Store,
};
use bytes::Bytes;
use std::io::ErrorKind;
use tempfile::NamedTempFile;
use uuid::Uuid;

/// Finds a scene by its id or by another id that a page knows it by.
fn find(shelf: &Shelf, aliases: &Aliases, id: &str) -> Result<AssetPath> {
    let by_id = |id: &str| {
        let index = shelf.index();
        let spellings = ["json", "JSON", "Json"].map(|ending| format!("{id}.{ending}"));
        spellings
            .iter()
            .find_map(|name| index.named(name).first().cloned())
    };
    by_id(id)
        .or_else(|| by_id(&aliases.resolve(id)?))
        .ok_or_else(|| Error::NotFound("Scene not found".into()))
}

/// What a scene's file is at this moment.
enum Found {
    Scene(JsonText),
    /// Not a JSON object.
    Broken,
    Gone,
}

/// Errors: whatever else keeps the file from being read, which says nothing about what is in it.
fn look(shelf: &Shelf, path: &AssetPath) -> Result<Found> {
    let Some(bytes) = shelf.read_if_there(path)? else {
        return Ok(Found::Gone);
    };
    Ok(match JsonText::parse(Bytes::from(bytes)) {
        Ok(scene) if scene.root().kind() == NodeKind::Object => Found::Scene(scene),
        _ => Found::Broken,
    })
}

fn read(shelf: &Shelf, path: &AssetPath) -> Result<JsonText> {
    match look(shelf, path)? {
        Found::Scene(scene) => Ok(scene),
        Found::Broken | Found::Gone => Err(Error::NotFound("Scene not found".into())),
    }
}

fn paths(shelf: &Shelf) -> Vec<AssetPath> {
    let index = shelf.index();
    index.assets().map(|(path, _)| path.clone()).collect()
}

/// All scenes as pages expect them. One that broke since the last look is left out, and one that
/// nobody may read; when the disk fails, it is an error.
pub(super) fn list(store: &Store) -> Result<Vec<JsonText>> {
    // Not while something moves: what is on its way is in neither place.
    let quiet = store.change();
    let shelf = quiet.shelf(&SCENES);
    shelf.check_read(|kind| kind != ErrorKind::PermissionDenied)?;
    let mut scenes = Vec::new();
    for path in paths(shelf) {
        if let Found::Scene(scene) = look(shelf, &path)? {
            scenes.push(relocate(&scene, &path));
        }
    }
    Ok(scenes)
}

pub(super) fn load(store: &Store, aliases: &Aliases, id: &str) -> Result<(JsonText, Stamp)> {
    let load = |shelf: &Shelf| {
        let path = find(shelf, aliases, id)?;
        let stamp = shelf.stamp(&path)?;
        Ok((relocate(&read(shelf, &path)?, &path), stamp))
    };
    match load(store.shelf(&SCENES)) {
        // It may be on its way to another folder.
        Err(Error::NotFound(_)) => load(store.change().shelf(&SCENES)),
        loaded => loaded,
    }
}

/// The folder that a scene says it is in.
fn folder_of(shelf: &Shelf, scene: &JsonText) -> Result<FolderPath> {
    let folder = scene
        .root()
        .get("folder")
        .and_then(|folder| folder.as_str());
    new_folder(shelf, folder.as_deref().unwrap_or_default())
}

/// Saves a new scene under a new id, which is returned with what the file is. The page's own id
/// becomes an alias.
pub(super) fn save(
    store: &Store,
    aliases: &Aliases,
    scene: &JsonText,
) -> Result<(String, Option<Stamp>)> {
    let id = Uuid::new_v4().to_string();
    let mut change = store.change();
    let shelf = change.shelf(&SCENES);
    let folder = folder_of(shelf, scene)?;
    let said = scene.root().get("id").and_then(|id| id.as_str());
    let alias = said.filter(|alias| shelf.index().named(&format!("{alias}.json")).is_empty());
    let before = alias.as_deref().and_then(|alias| aliases.resolve(alias));
    let path = folder.join(&format!("{id}.json"))?;
    let text = complete(scene, &id, &folder, None);
    change.write(&SCENES, path, text.as_str().as_bytes())?;
    // Before it is there: then it is found by the id that its page knows.
    if let Some(alias) = &alias {
        aliases.remember(alias, &id)?;
    }
    let saved = change.apply_stamped();
    if let (Err(_), Some(alias)) = (&saved, &alias) {
        // The other id stays with the scene that had it.
        let restored = match &before {
            Some(before) => aliases.remember(alias, before),
            None => aliases.forget(&id),
        };
        if let Err(error) = restored {
            tracing::error!(%error, %alias, "a scene is not found by its page's id any more: {error}");
        }
    }
    Ok((id, saved?))
}

/// Replaces a scene, and says what the file is then. Its id stays; its folder follows the body; its
/// images stay when the body has none.
pub(super) fn update(
    store: &Store,
    aliases: &Aliases,
    id: &str,
    scene: &JsonText,
    condition: &Precondition,
) -> Result<Option<Stamp>> {
    let mut change = store.change();
    let shelf = change.shelf(&SCENES);
    let from = find(shelf, aliases, id)?;
    condition.check(shelf.stamp(&from).ok().as_ref())?;
    let old = read(shelf, &from)?;
    let folder = folder_of(shelf, scene)?;
    let images = old
        .root()
        .get("images")
        .filter(|i| i.kind() == NodeKind::Array);
    let mut text = complete(scene, from.stem(), &folder, images.map(|i| i.raw()));
    text = with_images(
        &text,
        |_| true,
        |path| place_of(shelf, &old, scene, path),
        None,
    );
    let to = folder.join(from.name())?;
    let moves = to != from;
    if moves {
        if shelf.exists(&to) {
            return Err(Error::Conflict(format!(
                "the folder '{}' already has a scene with this id",
                folder.as_str()
            )));
        }
        text = move_images(&mut change, &from, &folder, &text)?;
    }
    // The new file is there before the old one goes.
    change.write(&SCENES, to, text.as_str().as_bytes())?;
    if moves {
        change.remove(&SCENES, from);
    }
    change.apply_stamped()
}

/// Where the image is now that a page knows at `path`: it may have loaded the scene before it was
/// moved. `None`: there.
fn place_of(shelf: &Shelf, stored: &JsonText, said: &JsonText, path: &str) -> Option<String> {
    if AssetPath::parse(path).is_ok_and(|path| shelf.exists(&path)) {
        return None;
    }
    let said = image_refs(said)
        .into_iter()
        .find(|image| image.path == path)?;
    let mut stored = image_refs(stored).into_iter();
    let same = stored.find(|image| image.id == said.id && image.path != path)?;
    Some(same.path)
}

/// Takes a scene's own images along to `folder`.
fn move_images(
    change: &mut Change<'_>,
    scene_path: &AssetPath,
    folder: &FolderPath,
    scene: &JsonText,
) -> Result<JsonText> {
    let own = own_images(change.shelf(&SCENES), scene_path, scene);
    let mut moved = Vec::new();
    for image in own {
        let to = images_folder(folder)?.join(image.name())?;
        change.rename(&SCENES, image.clone(), to.clone());
        moved.push((image, to));
    }
    Ok(with_images(
        scene,
        |_| true,
        |path| new_path(&moved, path),
        None,
    ))
}

fn images_folder(folder: &FolderPath) -> Result<FolderPath> {
    Ok(folder.join(IMAGES)?.into())
}

/// The image files that only this scene refers to: a copy made by "Save As" shares its original's.
/// None, while it cannot be told what some scene refers to.
fn own_images(shelf: &Shelf, scene_path: &AssetPath, scene: &JsonText) -> Vec<AssetPath> {
    let mut own: Vec<_> = image_refs(scene)
        .iter()
        .filter_map(|image| AssetPath::parse(&image.path).ok())
        .filter(|path| shelf.index().has_extra(path))
        .collect();
    own.sort();
    own.dedup();
    if own.is_empty() {
        return own;
    }
    if unknown_scene(shelf, |_, _| true).is_some() {
        return Vec::new();
    }
    for other in paths(shelf).iter().filter(|other| *other != scene_path) {
        let text = match look(shelf, other) {
            Ok(Found::Scene(text)) => text,
            Ok(Found::Gone) => continue,
            Ok(Found::Broken) | Err(_) => return Vec::new(),
        };
        let used = image_refs(&text);
        own.retain(|path| used.iter().all(|image| image.path != path.as_str()));
    }
    own
}

/// Where something is left out that may be a scene, or have scenes in it; the first that matters.
fn unknown_scene(shelf: &Shelf, matters: impl Fn(&str, &Skipped) -> bool) -> Option<String> {
    let is_image = |path: &str| {
        let path = AssetPath::parse(path);
        path.is_ok_and(|path| (SCENES.classify)(&path) == Class::Extra)
    };
    let index = shelf.index();
    let mut skipped = index.skipped().iter();
    let found = skipped.find(|(path, what)| !is_image(path) && matters(path, what));
    found.map(|(path, _)| path.clone())
}

pub(super) fn delete(
    store: &Store,
    aliases: &Aliases,
    id: &str,
    condition: &Precondition,
) -> Result<()> {
    let mut change = store.change();
    let shelf = change.shelf(&SCENES);
    let path = find(shelf, aliases, id)?;
    condition.check(shelf.stamp(&path).ok().as_ref())?;
    let images = read(shelf, &path).map(|scene| own_images(shelf, &path, &scene));
    change.remove(&SCENES, path.clone());
    for image in images.unwrap_or_default() {
        change.remove(&SCENES, image);
    }
    change.apply()?;
    if let Err(error) = aliases.forget(path.stem()) {
        // The scene is gone; its other ids lead nowhere and do no harm.
        tracing::warn!(%error, "the aliases of a deleted scene are still listed: {error}");
    }
    Ok(())
}

pub(super) fn make_folder(store: &Store, raw: &str) -> Result<()> {
    let mut change = store.change();
    let shelf = change.shelf(&SCENES);
    let folder = new_folder(shelf, raw)?;
    let Some(path) = folder.as_path().filter(|_| !shelf.is_folder(&folder)) else {
        return Err(Error::Invalid("Folder already exists".into()));
    };
    change.make_folder(&SCENES, path);
    change.apply().map(drop)
}

fn find_folder(shelf: &Shelf, raw: &str) -> Result<AssetPath> {
    let folder = AssetPath::parse(raw).ok();
    folder
        .filter(|path| shelf.index().has_folder(&path.clone().into()))
        .ok_or_else(|| Error::NotFound("Folder not found".into()))
}

/// Moves a folder to the trash. Pictures that scenes elsewhere show, too, go to those first.
///
/// Errors: 409 when there are pictures and some scene cannot be read at the moment. What is broken for
/// good shows nothing; were it mended, its pictures would still be in the trash.
pub(super) fn delete_folder(store: &Store, raw: &str) -> Result<()> {
    let mut change = store.change();
    let path = find_folder(change.shelf(&SCENES), raw)?;
    take_out_shared(&mut change, &path.clone().into())?;
    change.trash(&SCENES, path);
    change.apply().map(drop)
}

fn take_out_shared(change: &mut Change<'_>, folder: &FolderPath) -> Result<()> {
    let shelf = change.shelf(&SCENES);
    let has_images = |index: &Index| index.extras().any(|path| folder.contains(path.as_str()));
    if !has_images(&shelf.index()) {
        return Ok(());
    }
    let unread = |path: &str, what: &Skipped| what.unread.is_some() && !folder.contains(path);
    if let Some(scene) = unknown_scene(shelf, unread) {
        return Err(Error::Conflict(format!(
            "'{scene}' cannot be read and may show pictures of this folder; make it readable or remove it first"
        )));
    }
    let mut moved: Vec<(AssetPath, AssetPath)> = Vec::new();
    let mut rewritten = Vec::new();
    for path in paths(shelf) {
        if folder.contains(path.as_str()) {
            continue;
        }
        let scene = match look(shelf, &path)? {
            Found::Scene(scene) => scene,
            Found::Gone | Found::Broken => continue,
        };
        for image in image_refs(&scene) {
            let image = AssetPath::parse(&image.path).ok();
            let image = image.filter(|image| folder.contains(image.as_str()));
            let Some(image) = image.filter(|image| shelf.index().has_extra(image)) else {
                continue;
            };
            if moved.iter().any(|(from, _)| *from == image) {
                continue;
            }
            let around = images_folder(&path.folder())?;
            let mut to = around.join(image.name())?;
            if shelf.exists(&to) || moved.iter().any(|(_, taken)| *taken == to) {
                to = around.join(&format!("{}_{}", Uuid::new_v4(), image.name()))?;
            }
            moved.push((image, to));
        }
        let follow = |path: &str| new_path(&moved, path);
        if image_refs(&scene).iter().any(|i| follow(&i.path).is_some()) {
            rewritten.push((path, with_images(&scene, |_| true, follow, None)));
        }
    }
    for (from, to) in moved {
        change.rename(&SCENES, from, to);
    }
    for (path, text) in rewritten {
        change.write(&SCENES, path, text.as_str().as_bytes())?;
    }
    Ok(())
}

fn new_path(moved: &[(AssetPath, AssetPath)], path: &str) -> Option<String> {
    let (_, to) = moved.iter().find(|(from, _)| from.as_str() == path)?;
    Some(to.as_str().to_owned())
}

/// Renames a folder; the scenes below, and the image paths in all scenes, follow.
pub(super) fn rename_folder(store: &Store, raw: &str, new_name: &str) -> Result<()> {
    let mut change = store.change();
    let shelf = change.shelf(&SCENES);
    let from = find_folder(shelf, raw)?;
    let new = NewName::parse(new_name)?;
    let to = from.folder().join(new.as_str())?;
    if !(SCENES.shows_folder)(&to) {
        return Err(Error::Invalid(format!(
            "a folder cannot be called '{new_name}' here"
        )));
    }
    if shelf.exists(&to) {
        return Err(Error::Invalid(format!(
            "A folder named '{new_name}' already exists"
        )));
    }
    let old = FolderPath::from(from.clone());
    let follow = |path: &str| {
        let below = path.strip_prefix(from.as_str())?;
        old.contains(path)
            .then(|| format!("{}{below}", to.as_str()))
    };
    shelf.check_read(|_| true)?;
    let mut rewritten = Vec::new();
    for path in paths(shelf) {
        let Found::Scene(scene) = look(shelf, &path)? else {
            continue;
        };
        let moved_to = follow(path.as_str())
            .map(|new| AssetPath::parse(&new))
            .transpose()?;
        let is_concerned = image_refs(&scene)
            .iter()
            .any(|image| old.contains(&image.path));
        let mut text = scene.clone();
        if is_concerned {
            text = with_images(&text, |_| true, follow, None);
        }
        let path = match moved_to {
            Some(path) => {
                text = relocate(&text, &path);
                path
            }
            None => path,
        };
        if text != scene {
            rewritten.push((path, text));
        }
    }
    change.rename(&SCENES, from.clone(), to.clone());
    for (path, text) in rewritten {
        change.write(&SCENES, path, text.as_str().as_bytes())?;
    }
    change.apply().map(drop)
}

/// Puts an uploaded picture beside the scene and names it there; returns the image's id.
pub(super) fn add_image(
    store: &Store,
    aliases: &Aliases,
    id: &str,
    name: &str,
    file: NamedTempFile,
) -> Result<String> {
    file.as_file().sync_all()?;
    let mut change = store.change();
    let shelf = change.shelf(&SCENES);
    let scene_path = find(shelf, aliases, id)?;
    let scene = read(shelf, &scene_path)?;
    let name = NewName::parse(name)?;
    let image_id = Uuid::new_v4().to_string();
    let folder = images_folder(&scene_path.folder())?;
    let path = folder.join(&format!("{image_id}_{}", name.as_str()))?;
    let image = Image {
        id: image_id.clone(),
        name: name.as_str().to_owned(),
        path: path.as_str().to_owned(),
    };
    let text = with_images(&scene, |_| true, |_| None, Some(&image));
    change.put(&SCENES, file, path)?;
    change.write(&SCENES, scene_path, text.as_str().as_bytes())?;
    change.apply()?;
    Ok(image_id)
}

/// Whether there is such a scene, before anybody uploads something for it.
pub(super) fn check_exists(store: &Store, aliases: &Aliases, id: &str) -> Result<()> {
    find(store.shelf(&SCENES), aliases, id).map(drop)
}

pub(super) fn delete_image(
    store: &Store,
    aliases: &Aliases,
    id: &str,
    image_id: &str,
) -> Result<()> {
    let mut change = store.change();
    let shelf = change.shelf(&SCENES);
    let scene_path = find(shelf, aliases, id)?;
    let scene = read(shelf, &scene_path)?;
    let images = image_refs(&scene);
    let image = images.iter().find(|image| image.id == image_id);
    let image = image.ok_or_else(|| Error::NotFound("Image not found".into()))?;
    let text = with_images(&scene, |id| id != image_id, |_| None, None);
    let still_used = image_refs(&text)
        .iter()
        .any(|other| other.path == image.path);
    if !still_used
        && let Ok(path) = AssetPath::parse(&image.path)
        && own_images(shelf, &scene_path, &scene).contains(&path)
    {
        change.remove(&SCENES, path);
    }
    change.write(&SCENES, scene_path, text.as_str().as_bytes())?;
    change.apply().map(drop)
}

/// An image file by the path that the scene has for it.
pub(super) fn find_image(shelf: &Shelf, raw: &str) -> Result<AssetPath> {
    let path = AssetPath::parse(raw).ok();
    path.filter(|path| shelf.index().has_extra(path))
        .ok_or_else(|| Error::NotFound("Image not found".into()))
}
