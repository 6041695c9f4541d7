//! The row of data for sounds.

use crate::error::{Error, Result};
use crate::store::{AssetPath, Class, FolderPath, Format, Kind};
use utoipa::ToSchema;

/// Sounds: `sounds/loop/...` and `sounds/oneshot/...`, any depth.
pub static SOUNDS: Kind = Kind {
    dir: "sounds",
    extensions: &["mp3", "ogg", "oga", "opus", "wav", "flac", "m4a", "webm"],
    formats: &[
        Format::Mp3,
        Format::Ogg,
        Format::Wav,
        Format::Flac,
        Format::M4a,
        Format::Mp4,
        Format::Webm,
    ],
    classify,
    shows_folder: |path| Category::of(path).is_some(),
    inspect: None,
};

fn classify(path: &AssetPath) -> Class {
    let in_category = Category::of(path).is_some() && path.names().count() > 1;
    if in_category && SOUNDS.has_extension(&path.extension()) {
        Class::Asset
    } else {
        Class::Ignored
    }
}

/// What a sound is for: the first folder of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Category {
    /// Music and ambience, repeated.
    Loop,
    /// Effects, played once.
    Oneshot,
}

impl Category {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Loop, Self::Oneshot];

    /// The folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Oneshot => "oneshot",
        }
    }

    /// The category of that name; 400 for any other.
    pub fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL
            .into_iter()
            .find(|category| category.name() == name);
        found.ok_or_else(|| Error::Invalid("Invalid category. Must be 'loop' or 'oneshot'".into()))
    }

    /// The category that a path of the library is in.
    pub fn of(path: &AssetPath) -> Option<Self> {
        let first = path.names().next();
        Self::ALL
            .into_iter()
            .find(|category| first == Some(category.name()))
    }

    /// The category's own folder.
    pub fn folder(self) -> FolderPath {
        FolderPath::parse(self.name()).expect("a category's name is a path")
    }

    /// `path` below this category.
    pub fn join(self, path: &str) -> Result<AssetPath> {
        Ok(AssetPath::parse(&format!("{}/{path}", self.name()))?)
    }
}
