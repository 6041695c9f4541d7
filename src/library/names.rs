//! Finding what a client names, and checking names for what it wants to create.

use crate::error::{Error, Result};
use crate::store::{AssetPath, FolderPath, Kind, NewName, Shelf};

/// How a client says which file it means.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Exactly this path.
    Exact(&'a AssetPath),
    /// This path, or else the first file anywhere with the same name: scenes keep an old folder
    /// after a move, and SpellTable's pages count on finding the map all the same.
    Searched(&'a AssetPath),
}

impl Wanted<'_> {
    /// The file; `None` when there is none.
    pub fn find(&self, shelf: &Shelf) -> Option<AssetPath> {
        let index = shelf.index();
        match self {
            Self::Exact(path) => index.has(path).then(|| (*path).clone()),
            Self::Searched(path) if index.has(path) => Some((*path).clone()),
            Self::Searched(path) => index.named(path.name()).first().cloned(),
        }
    }
}

/// A folder that may have to be made: existing parts keep their names, new ones must be portable.
pub fn new_folder(shelf: &Shelf, raw: &str) -> Result<FolderPath> {
    let mut folder = FolderPath::root();
    if raw.is_empty() {
        return Ok(folder);
    }
    for name in raw.split('/') {
        let existing = folder.join(name)?;
        let path = if shelf.is_folder(&existing.clone().into()) {
            existing
        } else {
            folder.join(NewName::parse(name)?.as_str())?
        };
        check_visible(shelf.kind(), &path)?;
        folder = path.into();
    }
    Ok(folder)
}

fn check_visible(kind: &'static Kind, path: &AssetPath) -> Result<()> {
    if (kind.shows_folder)(path) && !path.as_str().starts_with('.') {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "a folder cannot be called '{}' here",
        path.name()
    )))
}

/// A file that may have to be made: an existing one keeps its name, a new one must be portable and
/// end like this library's files.
pub fn new_file(shelf: &Shelf, folder: &FolderPath, name: &str) -> Result<AssetPath> {
    let existing = folder.join(name)?;
    if shelf.index().has(&existing) {
        return Ok(existing);
    }
    let name = NewName::parse(name)?;
    if !shelf.kind().has_extension(&name.extension()) {
        return Err(Error::UnsupportedType(format!(
            "'{}' must end with one of: {}",
            name.as_str(),
            shelf.kind().extensions.join(", ")
        )));
    }
    Ok(folder.join(name.as_str())?)
}
