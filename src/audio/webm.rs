//! Duration and title of a WebM file: the Info element of its first Segment (RFC 9559).
//!
//! Own code, because the crate made for this allocates whatever size a file declares, and a failed
//! allocation ends the process.

use super::tags::{Tags, seconds, short};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_A966;
const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
const DURATION: u32 = 0x4489;
const TITLE: u32 = 0x7BA9;

/// Elements that are looked at before giving up.
const MAX_ELEMENTS: usize = 1000;
/// Longest value that is read.
const MAX_VALUE: u64 = 4096;

/// Reads the tags; `None` for what is no WebM. Blocks.
pub fn read(path: &Path) -> Option<Tags> {
    let file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let mut reader = Elements {
        from: BufReader::new(file),
        left: MAX_ELEMENTS,
    };
    let (id, head) = reader.element(size)?;
    if id != EBML {
        return None;
    }
    reader.skip(head)?;
    let segment = reader.find(SEGMENT, size)?;
    let info = reader.find(INFO, segment)?;
    let (mut scale, mut duration, mut title) = (1_000_000, None, None);
    let mut rest = info;
    while rest > 0 {
        let before = reader.position()?;
        let Some((id, length)) = reader.element(rest) else {
            break;
        };
        match id {
            TIMESTAMP_SCALE => scale = number(&reader.value(length)?),
            DURATION => duration = float(&reader.value(length)?),
            TITLE => title = String::from_utf8(reader.value(length)?).ok(),
            _ => reader.skip(length)?,
        }
        rest = rest.saturating_sub(reader.position()? - before);
    }
    Some(Tags {
        duration: duration.and_then(|ticks| seconds(ticks * scale as f64 / 1e9)),
        title: title.as_deref().and_then(short),
        artist: None,
    })
}

struct Elements {
    from: BufReader<File>,
    left: usize,
}

impl Elements {
    fn position(&mut self) -> Option<u64> {
        self.from.stream_position().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte).ok()?;
        Some(byte[0])
    }

    /// The id and the length of the next element; a length that is unknown or longer than what is
    /// left around it is what is left.
    fn element(&mut self, room: u64) -> Option<(u32, u64)> {
        self.left = self.left.checked_sub(1)?;
        let (id, _) = self.variable(4, true)?;
        let (length, unknown) = self.variable(8, false)?;
        let length = if unknown { room } else { length.min(room) };
        Some((u32::try_from(id).ok()?, length))
    }

    /// A number whose first byte tells how long it is (RFC 8794, section 4), and whether all its bits
    /// are set.
    fn variable(&mut self, longest: u32, keep_marker: bool) -> Option<(u64, bool)> {
        let first = self.byte()?;
        let more = first.leading_zeros();
        if more >= longest {
            return None;
        }
        let marker = 0x80 >> more;
        let mut value = u64::from(if keep_marker { first } else { first & !marker });
        for _ in 0..more {
            value = value << 8 | u64::from(self.byte()?);
        }
        let all = (1u64 << (7 * (more + 1))) - 1;
        Some((value, value == all))
    }

    fn skip(&mut self, length: u64) -> Option<()> {
        let length = i64::try_from(length).ok()?;
        self.from.seek(SeekFrom::Current(length)).ok().map(drop)
    }

    fn value(&mut self, length: u64) -> Option<Vec<u8>> {
        if length > MAX_VALUE {
            self.skip(length)?;
            return Some(Vec::new());
        }
        let mut value = vec![0; usize::try_from(length).ok()?];
        self.from.read_exact(&mut value).ok()?;
        Some(value)
    }

    /// Goes to the content of the first `wanted` among the next elements.
    fn find(&mut self, wanted: u32, room: u64) -> Option<u64> {
        loop {
            let (id, length) = self.element(room)?;
            if id == wanted {
                return Some(length);
            }
            self.skip(length)?;
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().take(8);
    bytes.fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn float(bytes: &[u8]) -> Option<f64> {
    match bytes.len() {
        4 => Some(f64::from(f32::from_be_bytes(bytes.try_into().ok()?))),
        8 => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn read_bytes(bytes: &[u8]) -> Option<Tags> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        read(file.path())
    }

    #[test]
    fn a_declared_giant_costs_nothing() {
        let mut bytes = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff\x15\x49\xa9\x66\xff".to_vec();
        bytes.extend(b"\x7b\xa9\x01\x20\0\0\0\0\0\0 and no more");
        assert_eq!(read_bytes(&bytes).and_then(|tags| tags.title), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in prop::collection::vec(any::<u8>(), 0..200)) {
            let head = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff\x15\x49\xa9\x66\xff";
            let _ = read_bytes(&[&head[..], &tail].concat());
            let _ = read_bytes(&tail);
        }
    }
}
