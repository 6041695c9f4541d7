//! What can be done to sounds on disk, and how they are listed. File work blocks.

use super::kind::{Category, SOUNDS};
use super::tags::{TagReader, Tags};
use crate::error::{Error, Result};
use crate::http::Precondition;
use crate::library::{new_file, new_folder};
use crate::store::{AssetPath, Entry, FolderPath, NewName, Shelf, Store};
use serde::Serialize;
use std::time::UNIX_EPOCH;
use utoipa::ToSchema;

/// One sound in the list.
#[derive(Serialize, ToSchema)]
pub struct Sound {
    /// Made from the path; SpellTable's pages remember volumes by it.
    #[schema(example = "ambience-crypt-drips.ogg")]
    id: String,
    /// Made from the file name.
    #[schema(example = "Crypt Drips")]
    name: String,
    /// `music` or `effect`.
    #[serde(rename = "type")]
    #[schema(example = "music")]
    kind: &'static str,
    /// Address of the file on this server.
    #[schema(example = "/audio/file/loop/Ambience/crypt-drips.ogg")]
    url: String,
    #[serde(rename = "loop")]
    repeats: bool,
    randomize: bool,
    /// Path below the category.
    #[schema(example = "Ambience/crypt-drips.ogg")]
    path: String,
    /// Seconds; `null` while unknown.
    #[schema(example = 38.5)]
    duration: Option<f64>,
    title: Option<String>,
    artist: Option<String>,
    bytes: u64,
    /// When the file last changed, in whole seconds since 1970 (UTC).
    #[schema(example = 1_763_630_870)]
    modified: u64,
}

/// The sounds of one category by folder, folders in path order.
pub(super) fn list(
    shelf: &Shelf,
    tags: &TagReader,
    category: Category,
) -> Vec<(String, Vec<Sound>)> {
    let mut folders: Vec<(String, Vec<Sound>)> = Vec::new();
    let index = shelf.index();
    let sounds = index
        .assets()
        .filter(|(path, _)| Category::of(path) == Some(category));
    for (path, entry) in sounds {
        let tags = tags.known(path, entry).unwrap_or_default();
        let sound = describe(category, path, entry, tags);
        let folder = path.folder();
        let folder = folder
            .as_str()
            .split_once('/')
            .map_or("", |(_, below)| below);
        match folders.last_mut().filter(|(name, _)| name == folder) {
            Some((_, list)) => list.push(sound),
            None => folders.push((folder.to_owned(), vec![sound])),
        }
    }
    folders
}

fn describe(category: Category, path: &AssetPath, entry: &Entry, tags: Tags) -> Sound {
    let below = below_category(path);
    let music = category == Category::Loop;
    let modified = entry.modified.duration_since(UNIX_EPOCH);
    Sound {
        id: id(below),
        name: title_case(&path.stem().replace('-', " ")),
        kind: if music { "music" } else { "effect" },
        url: url(path),
        repeats: music,
        randomize: music,
        path: below.to_owned(),
        duration: tags.duration,
        title: tags.title,
        artist: tags.artist,
        bytes: entry.bytes,
        modified: modified.map_or(0, |age| age.as_secs()),
    }
}

fn below_category(path: &AssetPath) -> &str {
    path.as_str().split_once('/').map_or("", |(_, below)| below)
}

fn id(below: &str) -> String {
    let id = below.replace('/', "-").replace(' ', "_").to_lowercase();
    id.strip_suffix(".mp3").map(str::to_owned).unwrap_or(id)
}

/// Every first letter after something else is a capital, the rest small: Python's `title()`.
fn title_case(text: &str) -> String {
    let mut after_letter = false;
    let mut title = String::with_capacity(text.len());
    for c in text.chars() {
        if after_letter {
            title.extend(c.to_lowercase());
        } else {
            title.extend(c.to_uppercase());
        }
        after_letter = c.is_alphabetic();
    }
    title
}

/// The address as SpellTable's pages use it: only what would end the path is encoded.
pub(super) fn url(path: &AssetPath) -> String {
    let mut url = String::from("/audio/file/");
    for c in path.as_str().chars() {
        match c {
            '%' => url.push_str("%25"),
            '#' => url.push_str("%23"),
            '?' => url.push_str("%3F"),
            c => url.push(c),
        }
    }
    url
}

/// Finds a sound by its path below the category.
pub(super) fn find(shelf: &Shelf, category: Category, raw: &str) -> Result<AssetPath> {
    let path = category.join(raw).ok();
    path.filter(|path| shelf.index().has(path))
        .ok_or_else(|| Error::NotFound(format!("Audio file not found: {raw}")))
}

/// A folder below a category that may have to be made.
pub(super) fn folder_for(
    shelf: &Shelf,
    category: Category,
    raw: Option<&str>,
) -> Result<FolderPath> {
    match raw.unwrap_or_default() {
        "" => Ok(category.folder()),
        below => {
            // A path of its own, so that `/x` and `../x` are refused before they are joined.
            FolderPath::parse(below)?;
            new_folder(shelf, &format!("{}/{below}", category.name()))
        }
    }
}

pub(super) fn rename(
    store: &Store,
    category: Category,
    raw: &str,
    new_name: &str,
) -> Result<AssetPath> {
    let change = store.change();
    let from = find(change.shelf(&SOUNDS), category, raw)?;
    let new = NewName::parse(new_name)?;
    if !SOUNDS.has_extension(&new.extension()) {
        return Err(Error::Invalid(format!(
            "'{new_name}' must end with one of: {}",
            SOUNDS.extensions.join(", ")
        )));
    }
    let to = from.folder().join(new.as_str())?;
    relocate(change, from, to)
}

pub(super) fn move_to(
    store: &Store,
    category: Category,
    raw: &str,
    folder: Option<&str>,
    to: Category,
) -> Result<AssetPath> {
    let change = store.change();
    let shelf = change.shelf(&SOUNDS);
    let from = find(shelf, category, raw)?;
    let to = folder_for(shelf, to, folder)?.join(from.name())?;
    if from == to {
        return Ok(to);
    }
    relocate(change, from, to)
}

fn relocate(
    mut change: crate::store::Change<'_>,
    from: AssetPath,
    to: AssetPath,
) -> Result<AssetPath> {
    if change.shelf(&SOUNDS).exists(&to) {
        return Err(Error::Conflict(format!(
            "A file named '{}' already exists",
            to.name()
        )));
    }
    change.rename(&SOUNDS, from, to.clone());
    change.apply()?;
    Ok(to)
}

pub(super) fn delete(
    store: &Store,
    category: Category,
    raw: &str,
    condition: &Precondition,
) -> Result<()> {
    let mut change = store.change();
    let shelf = change.shelf(&SOUNDS);
    let path = find(shelf, category, raw)?;
    condition.check(shelf.stamp(&path).ok().as_ref())?;
    change.remove(&SOUNDS, path);
    change.apply().map(drop)
}

pub(super) fn make_folder(store: &Store, category: Category, raw: &str) -> Result<()> {
    let mut change = store.change();
    let folder = folder_for(change.shelf(&SOUNDS), category, Some(raw))?;
    if let Some(path) = folder.as_path() {
        change.make_folder(&SOUNDS, path);
    }
    change.apply().map(drop)
}

pub(super) fn delete_folder(
    store: &Store,
    category: Category,
    raw: &str,
    recursive: bool,
) -> Result<()> {
    let missing = || Error::NotFound(format!("Folder '{raw}' not found"));
    let mut change = store.change();
    let shelf = change.shelf(&SOUNDS);
    let path = category.join(raw).map_err(|_| missing())?;
    let folder = FolderPath::from(path.clone());
    if raw.is_empty() || !shelf.index().has_folder(&folder) {
        return Err(missing());
    }
    let is_empty = std::fs::read_dir(path.below(shelf.root()))?
        .next()
        .is_none();
    if !recursive && !is_empty {
        return Err(Error::Conflict(format!(
            "Folder '{raw}' is not empty; add ?recursive=true to delete it with everything in it"
        )));
    }
    change.trash(&SOUNDS, path);
    change.apply().map(drop)
}

/// Where an upload goes.
pub(super) fn upload_path(
    shelf: &Shelf,
    category: Category,
    folder: Option<&str>,
    name: &str,
) -> Result<AssetPath> {
    let folder = folder_for(shelf, category, folder)?;
    new_file(shelf, &folder, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_spelltables() {
        assert_eq!(
            id("Ambience/Tavern Night/tavern-ambience one.mp3"),
            "ambience-tavern_night-tavern-ambience_one"
        );
        assert_eq!(id("Doors/Door-Creak.MP3"), "doors-door-creak");
        assert_eq!(id("a.ogg"), "a.ogg");
        assert_eq!(title_case("tavern ambience one"), "Tavern Ambience One");
        assert_eq!(title_case("don't 2nd_take"), "Don'T 2Nd_Take");
    }

    #[test]
    fn only_what_would_end_the_path_is_encoded() {
        let path = AssetPath::parse("loop/a b/100% #1?.mp3").unwrap();
        assert_eq!(url(&path), "/audio/file/loop/a b/100%25 %231%3F.mp3");
    }
}
