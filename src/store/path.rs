//! Untrusted text becomes a path once, at the edge. Afterwards the type is the proof.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Longest path below a library's root, in bytes.
pub const MAX_PATH_BYTES: usize = 1024;
/// Longest single name, in bytes: what common file systems take.
pub const MAX_NAME_BYTES: usize = 255;

/// Why a text is no path, or no name for a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A name is empty, `.` or `..`, or the path is absolute.
    #[error("a path must not contain empty names, '.' or '..'")]
    Escapes,
    /// NUL, another control character, or a backslash.
    #[error("a path must not contain backslashes or control characters")]
    ForbiddenCharacter,
    /// A name with a slash in it, which would be a path.
    #[error("a name must not contain '/'")]
    Slash,
    /// Longer than file systems take.
    #[error("a path may have at most 1024 bytes, a name 255")]
    TooLong,
    /// A name that starts with a dot.
    #[error("a new name must not start with a dot")]
    Hidden,
    /// A name that some systems cannot store.
    #[error(
        "a new name must not contain ':' or end with a dot or a space, nor be a reserved device name"
    )]
    NotPortable,
}

impl From<PathError> for Error {
    fn from(error: PathError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// A path below a library's root, such as `crypt/level-1.webp`.
///
/// Holds `/`-separated names: none empty, `.` or `..`, no backslash, NUL or other control
/// character. Joined to a root it stays below it, symbolic links aside (the index leaves those out
/// that lead elsewhere). Says nothing about taste: files that people already have keep their
/// names. [`NewName`] is the stricter type for names that we are asked to create.
///
/// Sorted by folder, then by name, so that the files of the root come first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetPath(Arc<str>);

impl AssetPath {
    /// Checks `raw`; see the type for the rules.
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        if raw.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        for name in raw.split('/') {
            check_name(name)?;
        }
        Ok(Self(raw.into()))
    }

    /// The text, `/` between the names.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The part of the last name before its final dot.
    pub fn stem(&self) -> &str {
        self.name().rsplit_once('.').map_or(self.name(), |(s, _)| s)
    }

    /// What stands behind the last name's final dot, in lower case; empty when there is none.
    pub fn extension(&self) -> String {
        extension(self.name())
    }

    /// The folder part.
    pub fn folder(&self) -> FolderPath {
        FolderPath(self.folder_str().into())
    }

    pub(super) fn folder_str(&self) -> &str {
        &self.0[..self.0.rfind('/').unwrap_or_default()]
    }

    /// The names, outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Where this is below `root`.
    pub fn below(&self, root: &Path) -> PathBuf {
        root.join(&*self.0)
    }
}

impl Ord for AssetPath {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.folder_str(), self.name()).cmp(&(other.folder_str(), other.name()))
    }
}

impl PartialOrd for AssetPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<String> for AssetPath {
    type Error = PathError;
    fn try_from(raw: String) -> Result<Self, PathError> {
        Self::parse(&raw)
    }
}

impl From<AssetPath> for String {
    fn from(path: AssetPath) -> Self {
        path.0.as_ref().to_owned()
    }
}

impl fmt::Display for AssetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A folder below a library's root; the root itself is the empty text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderPath(Arc<str>);

impl FolderPath {
    /// The library's root.
    pub fn root() -> Self {
        Self("".into())
    }

    /// The empty text is the root, anything else follows the rules of [`AssetPath`].
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        if raw.is_empty() {
            return Ok(Self::root());
        }
        AssetPath::parse(raw).map(|path| Self(path.0))
    }

    /// The text, empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path, unless this is the root (which nobody may rename, move or delete).
    pub fn as_path(&self) -> Option<AssetPath> {
        (!self.is_root()).then(|| AssetPath(self.0.clone()))
    }

    /// `null` for the root, as SpellTable's map list has it.
    pub fn to_option(&self) -> Option<&str> {
        (!self.is_root()).then_some(&*self.0)
    }

    /// The last name; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder around this one; the root's is the root.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or("", |(p, _)| p).into())
    }

    /// A file or folder called `name` in this folder.
    pub fn join(&self, name: &str) -> Result<AssetPath, PathError> {
        if name.contains('/') {
            return Err(PathError::Slash);
        }
        if self.is_root() {
            AssetPath::parse(name)
        } else {
            AssetPath::parse(&format!("{}/{name}", self.0))
        }
    }

    /// Whether `path` lies in this folder or deeper.
    pub fn contains(&self, path: &str) -> bool {
        self.is_root()
            || path
                .strip_prefix(&*self.0)
                .is_some_and(|rest| rest.starts_with('/'))
    }
}

impl Borrow<str> for FolderPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<AssetPath> for FolderPath {
    fn from(path: AssetPath) -> Self {
        Self(path.0)
    }
}

/// A single name for something that we are asked to create: portable, visible, NFC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewName(String);

impl NewName {
    /// Checks `raw`. Decomposed Unicode (as Macs send it) is composed; all else is refused, not
    /// repaired.
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        let name = if is_nfc(raw) {
            raw.to_owned()
        } else {
            raw.nfc().collect()
        };
        check_name(&name)?;
        if name.contains('/') {
            return Err(PathError::Slash);
        }
        if name.starts_with('.') {
            return Err(PathError::Hidden);
        }
        if name.contains(':') || name.ends_with(['.', ' ']) || is_device(&name) {
            return Err(PathError::NotPortable);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the final dot, in lower case; empty when there is none.
    pub fn extension(&self) -> String {
        extension(&self.0)
    }
}

fn extension(name: &str) -> String {
    name.rsplit_once('.')
        .map(|(_, ext)| ext.to_ascii_lowercase())
        .unwrap_or_default()
}

fn check_name(name: &str) -> Result<(), PathError> {
    if matches!(name, "" | "." | "..") {
        return Err(PathError::Escapes);
    }
    if name.contains(|c: char| c.is_control() || c == '\\') {
        return Err(PathError::ForbiddenCharacter);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(PathError::TooLong);
    }
    Ok(())
}

/// Names that Windows keeps for devices, with or without an extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let upper = stem.to_ascii_uppercase();
    matches!(upper.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || ["COM", "LPT"].iter().any(|device| {
            upper
                .strip_prefix(device)
                .is_some_and(|n| n.len() == 1 && n != "0" && n.chars().all(|c| c.is_ascii_digit()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn escapes_are_refused_not_repaired() {
        for bad in [
            "", "/", "/etc", "a//b", "a/", ".", "..", "a/../b", "../a", "a\\b", "a\0b", "a\nb",
        ] {
            assert!(AssetPath::parse(bad).is_err(), "{bad:?}");
        }
        for good in [
            "a",
            "a/b.png",
            ".hidden",
            "...",
            "a b/ü.png",
            "c:",
            "%2e%2e",
        ] {
            assert!(AssetPath::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn new_names_are_portable() {
        for bad in [
            "", "..", ".x", "a/b", "a\\b", "C:x", "con", "NUL.png", "com1.txt", "x.", "x ",
        ] {
            assert!(NewName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(NewName::parse(&"x".repeat(256)).is_err());
        for good in [
            "cave.png",
            "com0",
            "console.png",
            "My map (2).png",
            "日本.webp",
        ] {
            assert!(NewName::parse(good).is_ok(), "{good:?}");
        }
        assert_eq!(NewName::parse("a/b.png"), Err(PathError::Slash));
        assert_eq!(NewName::parse("u\u{308}.png").unwrap().as_str(), "ü.png");
    }

    #[test]
    fn files_of_the_root_sort_first() {
        let mut paths: Vec<_> = ["a/z.png", "b.png", "a/b/c.png", "a.png"]
            .map(|p| AssetPath::parse(p).unwrap())
            .into();
        paths.sort();
        let sorted: Vec<_> = paths.iter().map(AssetPath::as_str).collect();
        assert_eq!(sorted, ["a.png", "b.png", "a/z.png", "a/b/c.png"]);
    }

    #[test]
    fn a_folder_contains_what_is_below_it_only() {
        let folder = FolderPath::parse("a/b").unwrap();
        assert!(folder.contains("a/b/c"));
        assert!(!folder.contains("a/b"));
        assert!(!folder.contains("a/bc"));
        assert!(FolderPath::root().contains("x"));
    }

    proptest! {
        #[test]
        fn an_accepted_path_adds_only_normal_components(raw in r"[a./\\: %\x00é-]{0,30}|\PC{0,20}") {
            if let Ok(path) = AssetPath::parse(&raw) {
                let joined = path.below(Path::new("/root"));
                let rest = joined.strip_prefix("/root").unwrap();
                prop_assert!(rest.components().all(|c| matches!(c, Component::Normal(_))));
                prop_assert!(rest.components().count() > 0);
                prop_assert_eq!(rest.to_str().unwrap(), raw);
            }
        }

        #[test]
        fn a_new_name_is_one_visible_component(raw in r"[a./\\: %\x00é-]{0,30}|\PC{0,20}") {
            if let Ok(name) = NewName::parse(&raw) {
                let path = AssetPath::parse(name.as_str()).unwrap();
                prop_assert_eq!(path.names().count(), 1);
                prop_assert!(!path.as_str().starts_with('.'));
            }
        }
    }
}
