//! What makes one library of files differ from another: data, not code.

use super::{AssetPath, Format};

/// What a file below a library's folder is to that library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Listed, served, renamed: what the library is about.
    Asset,
    /// Belongs to an asset and is served, but never listed (a scene's images).
    Extra,
    /// None of our business (side files, other people's files).
    Ignored,
}

/// Looks at a whole file; the error says why it is left out.
pub type Inspect = fn(Vec<u8>) -> Result<(), String>;

/// A library's row of data.
#[derive(Debug)]
pub struct Kind {
    /// Folder below the data folder, and the name in addresses and figures: `maps`.
    pub dir: &'static str,
    /// Extensions of assets, lower case.
    pub extensions: &'static [&'static str],
    /// Formats that may be uploaded, by signature.
    pub formats: &'static [Format],
    /// Tells assets from the rest, by path alone.
    pub classify: fn(&AssetPath) -> Class,
    /// Whether people see this folder.
    pub shows_folder: fn(&AssetPath) -> bool,
    /// Looks into a file before it is listed; the text says why it is left out. `None`: any
    /// readable file will do.
    pub inspect: Option<Inspect>,
}

impl Kind {
    /// Whether `extension` (lower case) is one of this library's.
    pub fn has_extension(&self, extension: &str) -> bool {
        self.extensions.contains(&extension)
    }
}
