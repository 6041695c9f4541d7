//! What Nexus calls assets: the pictures of a library, with their sizes.

use crate::store::{AssetPath, Entry, Format, Kind, Shelf};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};
use utoipa::ToSchema;

/// The category of pictures that are in no folder.
const NO_FOLDER: &str = "maps";

/// One picture.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asset {
    /// From the picture's path: 32 hexadecimal digits.
    #[schema(example = "8733db8153024c2cd82bee02d32ecc7a")]
    pub id: String,
    /// The file's name without its extension.
    #[schema(example = "crypt")]
    pub name: String,
    /// The outermost folder; `maps` when there is none.
    #[schema(example = "dungeons")]
    pub category: String,
    /// The folders, or the category when there are none.
    pub tags: Vec<String>,
    /// Path below this server. The picture itself.
    #[schema(example = "thumbnails/8733db8153024c2cd82bee02d32ecc7a_thumb.png")]
    pub thumbnail: String,
    /// Path below this server.
    #[schema(example = "assets/8733db8153024c2cd82bee02d32ecc7a.png")]
    pub full_image: String,
    /// Its size.
    pub dimensions: Dimensions,
    /// In bytes.
    pub file_size: u64,
    /// By the file's first bytes: `png`, `jpg`, `webp`, `gif`, `bmp` or `avif`.
    #[schema(example = "png")]
    pub format: &'static str,
}

/// In pixels.
#[derive(Debug, Serialize, ToSchema)]
pub struct Dimensions {
    /// From left to right.
    pub width: usize,
    /// From top to bottom.
    pub height: usize,
}

/// Knows the pictures of one library. Each file is looked into once, and again when it has changed.
pub struct AssetBook {
    kind: &'static Kind,
    /// Files that were looked into; `None` for what is no picture. A lock held while a list is made, so
    /// that many who ask at once cause one reading.
    known: Mutex<HashMap<AssetPath, Known>>,
    /// Since when it is open.
    pub started: Instant,
}

/// A file as it was when it was looked into, and the picture that it is.
type Known = (Entry, Option<Arc<Asset>>);

/// The pictures in path order, and when the newest of them changed.
pub struct Assets {
    pub list: Vec<(AssetPath, Arc<Asset>)>,
    pub newest: SystemTime,
}

impl AssetBook {
    /// Of the library of this kind.
    pub fn new(kind: &'static Kind) -> Self {
        Self {
            kind,
            known: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// The library.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The pictures that there are now. Blocks: files that are new are looked into.
    pub fn read(&self, shelf: &Shelf) -> Assets {
        let files: Vec<(AssetPath, Entry)> = {
            let index = shelf.index();
            index
                .assets()
                .map(|(path, entry)| (path.clone(), *entry))
                .collect()
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present = HashMap::with_capacity(files.len());
        let mut list = Vec::with_capacity(files.len());
        let mut newest = SystemTime::UNIX_EPOCH;
        for (path, entry) in files {
            let asset = match known.remove(&path) {
                Some((then, asset)) if then == entry => asset,
                _ => look_into(shelf, &path, entry).map(Arc::new),
            };
            if let Some(asset) = &asset {
                list.push((path.clone(), asset.clone()));
                newest = newest.max(entry.modified);
            }
            present.insert(path, (entry, asset));
        }
        *known = present;
        Assets { list, newest }
    }
}

/// `None` for films, and for pictures whose size cannot be told.
fn look_into(shelf: &Shelf, path: &AssetPath, entry: Entry) -> Option<Asset> {
    let (mut file, _) = shelf.open_file(path).ok()?;
    let (ending, format) = match format_of(&mut file)? {
        Format::Png => ("png", "png"),
        Format::Jpeg => ("jpg", "jpg"),
        Format::Webp => ("webp", "webp"),
        Format::Gif => ("gif", "gif"),
        Format::Bmp => ("bmp", "bmp"),
        Format::Avif => ("avif", "avif"),
        _ => return None,
    };
    file.rewind().ok()?;
    let size = imagesize::reader_size(BufReader::new(file)).ok()?;
    let digest = Sha256::digest(path.as_str().as_bytes());
    let id: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let folder = path.folder();
    let mut tags: Vec<String> = match folder.as_path() {
        Some(folder) => folder.names().map(str::to_owned).collect(),
        None => vec![NO_FOLDER.to_owned()],
    };
    let category = tags[0].clone();
    tags.dedup();
    Some(Asset {
        name: path.stem().to_owned(),
        category,
        tags,
        thumbnail: format!("thumbnails/{id}_thumb.{ending}"),
        full_image: format!("assets/{id}.{ending}"),
        dimensions: Dimensions {
            width: size.width,
            height: size.height,
        },
        file_size: entry.bytes,
        format,
        id,
    })
}

fn format_of(file: &mut File) -> Option<Format> {
    let mut head = Vec::with_capacity(Format::HEAD_BYTES);
    file.take(Format::HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .ok()?;
    Format::of(&head)
}
