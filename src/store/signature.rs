//! What a file is, by its first bytes: an allow-list.
//!
//! Own code, because the crates made for this know neither SVG nor MPEG audio without an ID3 tag,
//! and because what is not on this list must not be recognised: it is served as a download.

/// A type of file that this server takes and shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the format of that name")]
pub enum Format {
    Png,
    Jpeg,
    Webp,
    Gif,
    Bmp,
    Svg,
    Avif,
    Mp4,
    Webm,
    Mp3,
    Ogg,
    Wav,
    Flac,
    M4a,
}

impl Format {
    /// How many bytes from the start of a file [`Format::of`] wants to see.
    pub const HEAD_BYTES: usize = 1024;

    /// The format of a file that starts with `head`.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::Webp),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'A',
                b'V',
                b'E',
                ..,
            ] => Some(Self::Wav),
            [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => Self::of_brands(brands),
            [0x1a, 0x45, 0xdf, 0xa3, rest @ ..] => Self::of_ebml(rest),
            [b'O', b'g', b'g', b'S', ..] => Some(Self::Ogg),
            [b'f', b'L', b'a', b'C', ..] => Some(Self::Flac),
            [b'I', b'D', b'3', ..] => Some(Self::Mp3),
            [0xff, second, third, ..] if is_mpeg_audio(*second, *third) => Some(Self::Mp3),
            _ => is_svg(head).then_some(Self::Svg),
        }
    }

    /// ISO base media files say in their brands what they hold. There are too many of films to name
    /// them all, and browsers go by what is in them; left out are pictures that are none of ours.
    fn of_brands(brands: &[u8]) -> Option<Self> {
        match brands.get(..4)? {
            b"avif" | b"avis" => Some(Self::Avif),
            b"M4A " | b"M4B " => Some(Self::M4a),
            // Pictures of any kind: the further ones say of which.
            b"mif1" | b"msf1" => {
                let further = brands[..brands.len().min(64)].chunks(4);
                let is_avif = |brand: &[u8]| matches!(brand, b"avif" | b"avis");
                further.skip(2).any(is_avif).then_some(Self::Avif)
            }
            [b'h', b'e', b'i' | b'v', _] | [b'j', b'p', ..] | b"mjp2" | b"crx " => None,
            _ => Some(Self::Mp4),
        }
    }

    fn of_ebml(rest: &[u8]) -> Option<Self> {
        let start = &rest[..rest.len().min(64)];
        memchr::memmem::find(start, b"webm").map(|_| Self::Webm)
    }

    /// The media type (IANA) of this format in a library of pictures.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Svg => "image/svg+xml",
            Self::Avif => "image/avif",
            Self::Mp4 => "video/mp4",
            Self::Webm => "video/webm",
            Self::Mp3 => "audio/mpeg",
            Self::Ogg => "audio/ogg",
            Self::Wav => "audio/wav",
            Self::Flac => "audio/flac",
            Self::M4a => "audio/mp4",
        }
    }

    /// The same in a library of sounds, where the two containers hold sound.
    pub fn sound_media_type(self) -> &'static str {
        match self {
            Self::Mp4 => "audio/mp4",
            Self::Webm => "audio/webm",
            other => other.media_type(),
        }
    }
}

/// The header of an MPEG layer I to III frame: a valid version, layer, bit rate and sample rate.
fn is_mpeg_audio(second: u8, third: u8) -> bool {
    second & 0xe0 == 0xe0
        && second & 0x18 != 0x08
        && second & 0x06 != 0
        && third & 0xf0 != 0xf0
        && third & 0x0c != 0x0c
}

/// Whether the first element of this text is `svg`, behind declarations and comments.
fn is_svg(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let close = match rest {
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<!DOCTYPE svg") => ">",
            _ => break,
        };
        match rest.split_once(close) {
            Some((_, behind)) => rest = behind.trim_start(),
            // A long comment hides the element: believe the doctype or the namespace.
            None => return rest.starts_with("<!DOCTYPE svg") || text.contains("<svg"),
        }
    }
    rest.strip_prefix("<svg")
        .is_some_and(|behind| !behind.starts_with(|c: char| c.is_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let cases: [(&[u8], Option<Format>); 21] = [
            (b"\x89PNG\r\n\x1a\nxx", Some(Format::Png)),
            (b"\xff\xd8\xff\xe0", Some(Format::Jpeg)),
            (b"RIFF1234WEBPVP8 ", Some(Format::Webp)),
            (b"RIFF1234WAVEfmt ", Some(Format::Wav)),
            (b"\0\0\0\x1cftypavif", Some(Format::Avif)),
            (b"\0\0\0\x1cftypM4A ", Some(Format::M4a)),
            (b"\0\0\0\x1cftypisom", Some(Format::Mp4)),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", Some(Format::Avif)),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic", None),
            (b"\0\0\0\x1cftypheic", None),
            (b"\0\0\0\x1cftypcrx ", None),
            (b"\0\0\0\x1cftypqt  ", Some(Format::Mp4)),
            (
                b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm",
                Some(Format::Webm),
            ),
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", None),
            (b"\xff\xfb\x90\x00", Some(Format::Mp3)),
            (b"\xff\xf1\x50\x80", None),
            (
                b"<?xml version='1.0'?>\n<!-- a --><svg xmlns='x'>",
                Some(Format::Svg),
            ),
            (b"<svgx>", None),
            (b"<!DOCTYPE html><html><svg>", None),
            (b"hello", None),
            (b"", None),
        ];
        for (head, format) in cases {
            assert_eq!(Format::of(head), format, "{head:?}");
        }
    }
}
