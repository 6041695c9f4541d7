//! The row of data for maps.

use crate::store::{AssetPath, Class, Format, Kind};

/// Maps: `maps/<folder...>/<file>`, each with an optional side file `<file>.json`.
pub static MAPS: Kind = Kind {
    dir: "maps",
    extensions: &[
        "png", "jpg", "jpeg", "webp", "gif", "bmp", "svg", "avif", "mp4", "webm",
    ],
    formats: &[
        Format::Png,
        Format::Jpeg,
        Format::Webp,
        Format::Gif,
        Format::Bmp,
        Format::Svg,
        Format::Avif,
        Format::Mp4,
        Format::Webm,
    ],
    classify,
    shows_folder: |_: &AssetPath| true,
    inspect: None,
};

fn classify(path: &AssetPath) -> Class {
    if MAPS.has_extension(&path.extension()) {
        Class::Asset
    } else {
        Class::Ignored
    }
}
