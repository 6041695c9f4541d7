//! Encodes the results and writes them to disk.

use crate::canvas::{HEIGHT, WIDTH};
use crate::synth::{RATE, Sound};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use std::num::{NonZeroU8, NonZeroU32};
use std::path::PathBuf;
use vorbis_rs::{VorbisBitrateManagementStrategy, VorbisEncoderBuilder, VorbisError};

/// Why the demo table could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file or folder could not be written.
    #[error("{} could not be written: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The JPEG encoder gave up.
    #[error("the picture {path} could not be encoded: {source}")]
    Picture {
        /// The picture's path.
        path: String,
        /// The encoder's reason.
        source: image::ImageError,
    },
    /// The Vorbis encoder gave up.
    #[error("the sound {path} could not be encoded: {source}")]
    Sound {
        /// The sound's path.
        path: String,
        /// The encoder's reason.
        source: VorbisError,
    },
    /// No quality setting brings the picture below its limit.
    #[error("the picture {path} does not fit into {limit} bytes at any acceptable quality")]
    TooLarge {
        /// The picture's path.
        path: String,
        /// The limit in bytes.
        limit: usize,
    },
}

/// The folder everything is written into.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    written: usize,
}

impl Folder {
    /// Uses the given folder; missing parts of a path are created when needed.
    pub fn new(root: PathBuf) -> Self {
        Self { root, written: 0 }
    }

    /// Writes one file and prints its size.
    pub fn save(&mut self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let full = self.root.join(path);
        if let Some(parent) = full.parent() {
            std::fs::create_dir_all(parent).map_err(|source| Failure::Write {
                path: parent.to_owned(),
                source,
            })?;
        }
        std::fs::write(&full, bytes).map_err(|source| Failure::Write { path: full, source })?;
        self.written += bytes.len();
        println!("{:>9}  {path}", bytes.len());
        Ok(())
    }

    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.written
    }
}

/// Encodes a map at the best quality that stays within `limit` bytes.
pub fn jpeg(path: &str, pixels: &[u8], limit: usize) -> Result<Vec<u8>, Failure> {
    // Above 94 the files grow without anybody seeing a difference.
    for quality in [94, 92, 90, 88, 86, 84, 82, 80, 78, 76, 74, 71, 68, 64, 60] {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .encode(pixels, WIDTH as u32, HEIGHT as u32, ExtendedColorType::Rgb8)
            .map_err(|source| Failure::Picture {
                path: path.to_owned(),
                source,
            })?;
        if bytes.len() <= limit {
            return Ok(bytes);
        }
    }
    Err(Failure::TooLarge {
        path: path.to_owned(),
        limit,
    })
}

/// Encodes a sound as Ogg Vorbis with title and artist.
pub fn vorbis(path: &str, sound: &Sound, title: &str, quality: f32) -> Result<Vec<u8>, Failure> {
    encode(sound, title, quality).map_err(|source| Failure::Sound {
        path: path.to_owned(),
        source,
    })
}

fn encode(sound: &Sound, title: &str, quality: f32) -> Result<Vec<u8>, VorbisError> {
    let rate = NonZeroU32::new(RATE as u32).unwrap_or(NonZeroU32::MIN);
    let stereo = NonZeroU8::MIN.saturating_add(1);
    // A fixed stream number keeps the files the same from run to run.
    let serial = title
        .bytes()
        .fold(7, |n: i32, b| n.wrapping_mul(31).wrapping_add(b.into()));
    let mut builder = VorbisEncoderBuilder::new_with_serial(rate, stereo, Vec::new(), serial);
    builder.comment_tag("TITLE", title)?;
    builder.comment_tag("ARTIST", "Tablekeep demo")?;
    builder.bitrate_management_strategy(VorbisBitrateManagementStrategy::QualityVbr {
        target_quality: quality,
    });
    let mut encoder = builder.build()?;
    // Short blocks keep the encoder's working memory small.
    for (left, right) in sound.left.chunks(4096).zip(sound.right.chunks(4096)) {
        encoder.encode_audio_block([left, right])?;
    }
    encoder.finish()
}
