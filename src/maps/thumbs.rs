//! Small pictures of maps, made when they are first asked for and kept below `.tablekeep/`.
//!
//! Making one takes memory for the whole picture, so one is made at a time, and none of pictures
//! beyond a number of pixels, which a header tells before anything is unpacked. Who waits for its
//! turn holds no thread, and what cannot be unpacked is not tried again.

use super::kind::MAPS;
use crate::error::{Error, Result};
use crate::http::blocking;
use crate::store::{AssetPath, Stamp, Store, write_durably};
use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::Semaphore;

/// Widths that are made: others are served with the next larger one, so that few are kept.
const WIDTHS: [u32; 5] = [64, 128, 256, 512, 1024];
/// Bytes for each pixel while a picture is unpacked, in the worst case.
const PIXEL_BYTES: u64 = 8;
/// Of 100.
const JPEG_QUALITY: u8 = 82;
/// Maps that are known to have no small picture; the oldest is forgotten first.
const UNFIT: usize = 256;

/// A small picture.
pub struct Thumb {
    /// Its bytes.
    pub bytes: Bytes,
    /// `image/jpeg`, or `image/png` for pictures that can be seen through.
    pub media_type: &'static str,
    /// Names its content.
    pub tag: String,
}

/// The small pictures of one data folder.
pub struct Thumbs {
    folder: PathBuf,
    most_bytes: u64,
    most_pixels: u64,
    /// Held while one is made.
    making: Arc<Semaphore>,
    /// Names of files (as they are now) of which there is no small picture, and what is said of each.
    unfit: Mutex<VecDeque<(String, String)>>,
}

impl Thumbs {
    /// Kept in a folder below `private`, together at most `most_bytes` large, of pictures with at
    /// most `most_pixels`.
    pub fn new(private: &Path, most_bytes: u64, most_pixels: u64) -> Arc<Self> {
        Arc::new(Self {
            folder: private.join("thumbs"),
            most_bytes,
            most_pixels,
            making: Arc::new(Semaphore::new(1)),
            unfit: Mutex::default(),
        })
    }

    /// The picture of a map, at least `width` pixels wide if the map is.
    ///
    /// Errors: 404 for a map that is gone, 415 for one that is no picture that can be unpacked or
    /// has too many pixels.
    pub async fn get(
        self: &Arc<Self>,
        store: &Arc<Store>,
        map: AssetPath,
        width: u32,
    ) -> Result<Thumb> {
        let width = WIDTHS.into_iter().find(|w| *w >= width);
        let width = width.unwrap_or(WIDTHS[WIDTHS.len() - 1]);
        let (thumbs, shelves, asked) = (self.clone(), store.clone(), map.clone());
        let look = move || {
            let stamp = shelves.shelf(&MAPS).stamp(&asked)?;
            Ok(thumbs.kept(&tag(&asked, &stamp, width)).ok_or(stamp))
        };
        let stamp = match blocking(look).await? {
            Ok(thumb) => return Ok(thumb),
            Err(stamp) => stamp,
        };
        // Of the file as it is, whatever the width.
        let file = tag(&map, &stamp, 0);
        self.check(&file)?;
        let closed = |_| Error::Unavailable("the server is stopping".into());
        let turn = self.making.clone().acquire_owned().await.map_err(closed)?;
        // Somebody else may have asked for the same.
        self.check(&file)?;
        let (thumbs, store) = (self.clone(), store.clone());
        let make = move || {
            let _turn = turn;
            let made = thumbs.make(&store, &map, &tag(&map, &stamp, width), width);
            if let Err(Error::UnsupportedType(why)) = &made {
                thumbs.remember(file, why);
            }
            made
        };
        blocking(make).await
    }

    fn make(&self, store: &Store, map: &AssetPath, tag: &str, width: u32) -> Result<Thumb> {
        if let Some(thumb) = self.kept(tag) {
            return Ok(thumb);
        }
        let (file, _) = store.shelf(&MAPS).open_file(map)?;
        let picture = self.unpack(BufReader::new(file), map)?;
        let thumb = pack(&shrink(picture, width), tag)
            .map_err(|error| Error::Internal(std::io::Error::other(error)))?;
        self.keep(&thumb);
        Ok(thumb)
    }

    /// Errors: 415 for a file that is known to be unfit.
    fn check(&self, file: &str) -> Result<()> {
        let unfit = self.unfit();
        match unfit.iter().find(|(known, _)| known == file) {
            Some((_, why)) => Err(Error::UnsupportedType(why.clone())),
            None => Ok(()),
        }
    }

    fn remember(&self, file: String, why: &str) {
        let mut unfit = self.unfit();
        if unfit.len() >= UNFIT {
            unfit.pop_front();
        }
        unfit.push_back((file, why.to_owned()));
    }

    /// A short list, held for a look.
    fn unfit(&self) -> MutexGuard<'_, VecDeque<(String, String)>> {
        self.unfit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, tag: &str, media_type: &str) -> PathBuf {
        let extension = if media_type == PNG { "png" } else { "jpg" };
        self.folder.join(format!("{tag}.{extension}"))
    }

    fn kept(&self, tag: &str) -> Option<Thumb> {
        [JPEG, PNG].into_iter().find_map(|media_type| {
            let bytes = fs::read(self.path(tag, media_type)).ok()?;
            Some(Thumb {
                bytes: bytes.into(),
                media_type,
                tag: tag.to_owned(),
            })
        })
    }

    fn unpack(&self, file: BufReader<fs::File>, map: &AssetPath) -> Result<DynamicImage> {
        let unfit = |why: &str| {
            Error::UnsupportedType(format!("there is no small picture of '{map}': {why}"))
        };
        let reader = ImageReader::new(file).with_guessed_format()?;
        let mut decoder = reader
            .into_decoder()
            .map_err(|_| unfit("it is no picture that can be unpacked"))?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > self.most_pixels {
            let why = format!(
                "{width} x {height} are more than {} pixels (--thumb-pixels)",
                self.most_pixels
            );
            return Err(unfit(&why));
        }
        let mut limits = Limits::default();
        limits.max_alloc = Some(self.most_pixels * PIXEL_BYTES);
        let broken = |_| unfit("it is damaged");
        decoder.set_limits(limits).map_err(broken)?;
        let orientation = decoder.orientation().ok();
        let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
        if let Some(orientation) = orientation {
            picture.apply_orientation(orientation);
        }
        Ok(picture)
    }

    /// Keeps it for the next time, if the disk takes it.
    fn keep(&self, thumb: &Thumb) {
        let path = self.path(&thumb.tag, thumb.media_type);
        let written = fs::create_dir_all(&self.folder).and_then(|()| {
            self.make_room(thumb.bytes.len() as u64)?;
            write_durably(&path, &thumb.bytes)
        });
        if let Err(error) = written {
            tracing::debug!(%error, "a small picture could not be kept: {error}");
        }
    }

    /// Drops the oldest until `more` bytes fit.
    fn make_room(&self, more: u64) -> std::io::Result<()> {
        let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let found = entry.metadata()?;
            let made = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            kept.push((made, found.len(), entry.path()));
        }
        let mut bytes: u64 = more + kept.iter().map(|(_, bytes, _)| bytes).sum::<u64>();
        kept.sort();
        for (_, size, path) in kept {
            if bytes <= self.most_bytes {
                break;
            }
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }
}

const JPEG: &str = "image/jpeg";
const PNG: &str = "image/png";

/// Names a map's picture of this width: another one once the file has changed.
fn tag(map: &AssetPath, stamp: &Stamp, width: u32) -> String {
    let of = format!("{map}\n{}\n{width}", stamp.tag());
    let digest = Sha256::digest(of.as_bytes());
    digest[..16].iter().map(|b| format!("{b:02x}")).collect()
}

fn shrink(picture: DynamicImage, width: u32) -> DynamicImage {
    if picture.width() <= width {
        return picture;
    }
    // Very long strips keep at least one row.
    let height = u64::from(picture.height()) * u64::from(width) / u64::from(picture.width());
    let height = u32::try_from(height).unwrap_or(u32::MAX).max(1);
    picture.thumbnail_exact(width, height)
}

fn pack(picture: &DynamicImage, tag: &str) -> image::ImageResult<Thumb> {
    let mut bytes = Vec::new();
    let clear = picture.color().has_alpha() && picture.to_rgba8().pixels().any(|p| p.0[3] < 255);
    let media_type = if clear {
        let picture = DynamicImage::from(picture.to_rgba8());
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
        PNG
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
        picture.to_rgb8().write_with_encoder(encoder)?;
        JPEG
    };
    Ok(Thumb {
        bytes: bytes.into(),
        media_type,
        tag: tag.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    fn table(files: &[(&str, DynamicImage)]) -> (tempfile::TempDir, Arc<Store>) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("maps")).unwrap();
        for (name, picture) in files {
            picture.save(folder.path().join("maps").join(name)).unwrap();
        }
        let (store, _) = Store::open(folder.path(), &[&MAPS]).unwrap();
        store.scan();
        (folder, store)
    }

    fn map(name: &str) -> AssetPath {
        AssetPath::parse(name).unwrap()
    }

    #[actix_web::test]
    async fn a_picture_shrinks_to_the_next_width_and_keeps_its_shape() {
        let plain = RgbImage::from_pixel(800, 400, Rgb([200, 30, 30]));
        let glass = RgbaImage::from_pixel(300, 900, Rgba([0, 0, 0, 100]));
        let (_folder, store) = table(&[("a.png", plain.into()), ("b.png", glass.into())]);
        let thumbs = Thumbs::new(&store.private(), 1 << 20, 1 << 20);
        let a = thumbs.get(&store, map("a.png"), 100).await.unwrap();
        assert_eq!(a.media_type, JPEG);
        let small = image::load_from_memory(&a.bytes).unwrap();
        assert_eq!((small.width(), small.height()), (128, 64));
        let [r, g, b] = small.to_rgb8().get_pixel(60, 30).0;
        assert!(r > 180 && g < 50 && b < 50, "{r} {g} {b}");
        let b = thumbs.get(&store, map("b.png"), 256).await.unwrap();
        let small = image::load_from_memory(&b.bytes).unwrap();
        assert_eq!((b.media_type, small.height()), (PNG, 768));
        // Nothing grows.
        let b = thumbs.get(&store, map("b.png"), 1024).await.unwrap();
        assert_eq!(image::load_from_memory(&b.bytes).unwrap().width(), 300);
        assert_eq!(
            thumbs.get(&store, map("a.png"), 65).await.unwrap().tag,
            a.tag
        );
    }

    #[actix_web::test]
    async fn a_replaced_map_gets_another_picture() {
        let picture = |v| RgbImage::from_pixel(8, 8, Rgb([v, v, v]));
        let (folder, store) = table(&[("a.png", picture(9).into())]);
        let thumbs = Thumbs::new(&store.private(), 1 << 20, 1 << 20);
        let before = thumbs.get(&store, map("a.png"), 64).await.unwrap();
        picture(200).save(folder.path().join("maps/b.png")).unwrap();
        fs::rename(
            folder.path().join("maps/b.png"),
            folder.path().join("maps/a.png"),
        )
        .unwrap();
        let after = thumbs.get(&store, map("a.png"), 64).await.unwrap();
        assert_ne!((before.tag, before.bytes), (after.tag, after.bytes));
    }

    #[actix_web::test]
    async fn what_is_too_large_or_no_picture_gets_none() {
        let (folder, store) = table(&[("a.png", RgbImage::new(101, 100).into())]);
        for (name, bytes) in [
            ("b.png", &b"no picture at all"[..]),
            ("c.png", b"\x89PNG\r\n\x1a\n"),
        ] {
            fs::write(folder.path().join("maps").join(name), bytes).unwrap();
        }
        let thumbs = Thumbs::new(&store.private(), 1 << 20, 10_000);
        for name in ["a.png", "b.png", "c.png"] {
            let refused = thumbs.get(&store, map(name), 64).await;
            assert!(matches!(refused, Err(Error::UnsupportedType(_))), "{name}");
        }
        let gone = thumbs.get(&store, map("gone.png"), 64).await;
        assert!(matches!(gone, Err(Error::NotFound(_))));
    }

    #[actix_web::test]
    async fn what_has_no_small_picture_is_not_tried_again_until_it_is_another_file() {
        let (folder, store) = table(&[]);
        let write = |name: &str, bytes: &[u8]| {
            fs::write(folder.path().join("maps").join(name), bytes).unwrap();
        };
        write("a.png", b"no picture at all");
        let thumbs = Thumbs::new(&store.private(), 1 << 20, 10_000);
        for width in [64, 64, 512] {
            let refused = thumbs.get(&store, map("a.png"), width).await;
            assert!(matches!(refused, Err(Error::UnsupportedType(_))));
            assert_eq!(thumbs.unfit().len(), 1, "once, whatever the width");
        }
        let picture = RgbImage::from_pixel(8, 8, Rgb([9, 9, 9]));
        picture.save(folder.path().join("maps/b.png")).unwrap();
        fs::rename(
            folder.path().join("maps/b.png"),
            folder.path().join("maps/a.png"),
        )
        .unwrap();
        assert!(thumbs.get(&store, map("a.png"), 64).await.is_ok());
        for n in 0..UNFIT + 10 {
            thumbs.remember(n.to_string(), "why");
        }
        assert_eq!(thumbs.unfit().len(), UNFIT);
        assert!(thumbs.check("3").is_ok() && thumbs.check("100").is_err());
    }

    #[actix_web::test]
    async fn many_who_ask_at_once_hold_no_threads_and_all_get_it() {
        let picture = RgbImage::from_pixel(100, 100, Rgb([9, 9, 9]));
        let (_folder, store) = table(&[("a.png", picture.into())]);
        let thumbs = Thumbs::new(&store.private(), 1 << 20, 1 << 20);
        let turn = thumbs.making.clone().acquire_owned().await.unwrap();
        let asks: Vec<_> = (0..1000)
            .map(|_| {
                let (thumbs, store) = (thumbs.clone(), store.clone());
                actix_web::rt::spawn(async move { thumbs.get(&store, map("a.png"), 64).await })
            })
            .collect();
        // More wait than there are threads for what blocks, and that still works.
        // The first wait lets all of them ask, the second comes behind whatever they wait in.
        for _ in 0..2 {
            assert!(blocking(|| Ok(1)).await.is_ok());
        }
        drop(turn);
        for ask in asks {
            assert!(ask.await.unwrap().is_ok());
        }
    }

    #[actix_web::test]
    async fn the_folder_never_grows_beyond_its_bound() {
        let noise = |seed: u32| {
            RgbImage::from_fn(64, 64, |x, y| {
                let v = (x * 31 + y * 17 + seed * 101).wrapping_mul(2_654_435_761) >> 13;
                Rgb([v as u8, (v >> 8) as u8, (v >> 4) as u8])
            })
        };
        let names: Vec<String> = (0..20).map(|n| format!("{n}.png")).collect();
        let files: Vec<(&str, DynamicImage)> = names
            .iter()
            .zip(0..)
            .map(|(name, seed)| (name.as_str(), noise(seed).into()))
            .collect();
        let (_folder, store) = table(&files);
        let thumbs = Thumbs::new(&store.private(), 10_000, 1 << 20);
        for name in &names {
            thumbs.get(&store, map(name), 64).await.unwrap();
            let kept = fs::read_dir(store.private().join("thumbs")).unwrap();
            let bytes: u64 = kept.map(|e| e.unwrap().metadata().unwrap().len()).sum();
            assert!(bytes <= 10_000, "{bytes}");
        }
        let kept = fs::read_dir(store.private().join("thumbs")).unwrap();
        assert!(kept.count() > 0);
    }
}
