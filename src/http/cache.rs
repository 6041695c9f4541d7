//! Files that are asked for again and again stay in memory, bounded in bytes.
//!
//! Reading a file through the blocking pool for every request costs two to three times what nginx
//! needs; from memory it costs less than nginx (README, "Speed"). Keyed by the file's stamp, so a
//! changed file is simply another entry; one look at the disk per request keeps it true.

use crate::error::{Error, Result};
use crate::store::{AssetPath, Format, Shelf, Stamp};
use actix_web::http::header::HeaderValue;
use actix_web::web;
use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What an entry costs besides its bytes.
const ENTRY_BYTES: u64 = 512;

/// A file as it is served.
pub(super) struct Cached {
    pub stamp: Stamp,
    /// `None`: nothing that browsers may show.
    pub format: Option<Format>,
    /// With quotes.
    pub etag: HeaderValue,
    pub last_modified: HeaderValue,
    pub content: Content,
}

/// Where the bytes are.
#[derive(Clone)]
pub(super) enum Content {
    Memory(Bytes),
    /// Too large to keep; opened for each download.
    Disk,
}

type Key = (&'static str, AssetPath, Stamp);

#[derive(Clone)]
struct Weigh;

impl Weighter<Key, Arc<Cached>> for Weigh {
    fn weight(&self, _: &Key, file: &Arc<Cached>) -> u64 {
        match &file.content {
            Content::Memory(bytes) => bytes.len() as u64 + ENTRY_BYTES,
            Content::Disk => ENTRY_BYTES,
        }
    }
}

/// The cache of all libraries' files.
pub struct FileCache {
    files: Cache<Key, Arc<Cached>, Weigh>,
    max_file: u64,
    /// Bytes in memory, those included that left the cache while somebody downloads them.
    held: Arc<AtomicU64>,
    max_held: u64,
}

/// A file's bytes, counted while anybody holds them.
struct Held {
    bytes: Vec<u8>,
    held: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held
            .fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

impl FileCache {
    /// At most `capacity` bytes in all, a single file at most a quarter of that.
    pub fn new(capacity: u64) -> Self {
        let options = OptionsBuilder::new()
            // One shard: the capacity is divided among shards, and a map must fit into one.
            .shards(1)
            .estimated_items_capacity(256)
            .weight_capacity(capacity)
            .build()
            .expect("capacities were given");
        Self {
            files: Cache::with_options(
                options,
                Weigh,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            max_file: capacity / 4,
            held: Arc::default(),
            max_held: capacity + capacity / 2,
        }
    }

    /// The file as it is at this moment, if it is known already.
    pub(super) fn peek(&self, shelf: &Shelf, path: &AssetPath) -> Option<Arc<Cached>> {
        let key = (shelf.kind().dir, path.clone(), shelf.stamp(path).ok()?);
        self.files.get(&key)
    }

    /// The file as it is at this moment. Many who ask at once cause one reading.
    pub(super) async fn get(&self, shelf: &Shelf, path: &AssetPath) -> Result<Arc<Cached>> {
        let key = (shelf.kind().dir, path.clone(), shelf.stamp(path)?);
        if let Some(file) = self.files.get(&key) {
            return Ok(file);
        }
        let load = async {
            let (file, stamp) = shelf.open_file(path)?;
            // Slow downloads hold what has left the cache: then further files come from disk.
            let room = self.held.load(Ordering::Relaxed) + stamp.bytes <= self.max_held;
            let max_file = if room { self.max_file } else { 0 };
            let held = self.held.clone();
            let loaded = web::block(move || load(file, stamp, max_file, held)).await;
            let loaded =
                loaded.map_err(|_| Error::Unavailable("the server is shutting down".into()))??;
            Ok::<_, Error>(Arc::new(loaded))
        };
        self.files.get_or_insert_async(&key, load).await
    }
}

fn load(
    mut file: File,
    stamp: Stamp,
    max_file: u64,
    held: Arc<AtomicU64>,
) -> std::io::Result<Cached> {
    let whole = stamp.bytes <= max_file;
    let wanted = if whole {
        stamp.bytes
    } else {
        Format::HEAD_BYTES as u64
    };
    let mut bytes = Vec::with_capacity(wanted as usize);
    Read::by_ref(&mut file)
        .take(wanted)
        .read_to_end(&mut bytes)?;
    let format = Format::of(&bytes[..bytes.len().min(Format::HEAD_BYTES)]);
    // Somebody is writing to it in place: serve what is there, keep nothing.
    let content = if whole && bytes.len() as u64 == stamp.bytes {
        held.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Content::Memory(Bytes::from_owner(Held { bytes, held }))
    } else {
        Content::Disk
    };
    let header = |text: String| HeaderValue::from_str(&text).map_err(std::io::Error::other);
    Ok(Cached {
        stamp,
        format,
        etag: header(format!("\"{}\"", stamp.tag()))?,
        last_modified: header(http_date(stamp.modified))?,
        content,
    })
}

/// A date as HTTP writes it, in whole seconds.
pub(super) fn http_date(time: SystemTime) -> String {
    // HTTP has no dates before 1970 or after 9999; a disk may.
    let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    let time = time.clamp(UNIX_EPOCH, last);
    actix_web::http::header::HttpDate::from(time).to_string()
}
