//! The bytes of a journal: how they are written, and what a reader makes of them.
//!
//! ```text
//! header   "tkjournl"  version u32  crc32 of the twelve bytes before
//! record   length u32  crc32 of length and payload  payload          (all numbers little-endian)
//! ```
//!
//! The highest bit of a length is set where an append begins, and on every record of a file that
//! was written whole. An append begins only after everything before it has been synced; so a good
//! record with that bit behind a bad one proves that the bad one was durable once: *damage*. Without
//! such a record everything from the bad one on belongs to one append that was never acknowledged,
//! whatever parts of it a power cut has left and in whatever order: a *torn tail*. (What cannot be
//! told apart: a disk that spoils the last append after it was acknowledged.)

use super::{MAX_RECORD_BYTES, Tail};
use bytes::Bytes;
use crc32fast::Hasher;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

/// Bytes before the first record.
pub(super) const HEADER_BYTES: u64 = 16;
/// Bytes before each payload.
pub(super) const PREFIX_BYTES: usize = 8;
/// Bytes that are read or written at once; a larger payload goes by itself.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

const MAGIC: &[u8; 8] = b"tkjournl";
const VERSION: u32 = 1;
/// Set in the length of a record at which an append begins.
const BEGINS: u32 = 1 << 31;
/// How far behind a bad record the next good one is looked for: a bad one and a good one of the
/// largest size, and something for small ones around them.
const WINDOW_BYTES: u64 = 2 * MAX_RECORD_BYTES as u64 + (1 << 20);
/// Bytes that may be summed up in that search, whatever lengths the window seems to hold.
const SEARCH_BYTES: usize = 1 << 30;

/// What a file holds.
pub(super) struct Contents {
    pub(super) records: Vec<Bytes>,
    /// Where the last good record ends.
    pub(super) end: u64,
    pub(super) tail: Tail,
}

/// The first bytes of a file.
pub(super) fn header() -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let crc = crc32fast::hash(&header[..12]);
    header[12..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Writes one record of at most [`MAX_RECORD_BYTES`].
pub(super) fn write_record(out: &mut impl Write, payload: &[u8], begins: bool) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    let length = if begins { length | BEGINS } else { length };
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&checksum(length, payload).to_le_bytes())?;
    out.write_all(payload)
}

/// Reads a file of `size` bytes from its beginning.
///
/// Takes no more memory than the file has bytes. Errors: what the disk says, and `InvalidData` for
/// a journal of a version that we do not know.
pub(super) fn read(file: &mut (impl Read + Seek), size: u64) -> io::Result<Contents> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut contents = Contents {
        records: Vec::new(),
        end: 0,
        tail: Tail::Clean,
    };
    if !has_header(&mut input, size)? {
        contents.tail = Tail::Damaged { at: 0 };
        return Ok(contents);
    }
    contents.end = HEADER_BYTES;
    while contents.end < size {
        let Some(payload) = read_record(&mut input, size - contents.end)? else {
            contents.tail = judge_tail(&mut input, contents.end, size)?;
            break;
        };
        contents.end += (PREFIX_BYTES + payload.len()) as u64;
        contents.records.push(payload);
    }
    Ok(contents)
}

fn checksum(length: u32, payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn has_header(input: &mut impl Read, size: u64) -> io::Result<bool> {
    let mut found = [0; HEADER_BYTES as usize];
    if size < HEADER_BYTES {
        return Ok(false);
    }
    input.read_exact(&mut found)?;
    let whole = found[..8] == *MAGIC && word(&found[12..]) == Some(crc32fast::hash(&found[..12]));
    match word(&found[8..]) {
        Some(VERSION) => Ok(whole),
        Some(version) if whole => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it has version {version}, this program knows version {VERSION} only"),
        )),
        _ => Ok(false),
    }
}

/// The next record, `None` when there is no good one.
fn read_record(input: &mut impl Read, left: u64) -> io::Result<Option<Bytes>> {
    let mut prefix = [0; PREFIX_BYTES];
    let Some(left) = left.checked_sub(PREFIX_BYTES as u64) else {
        return Ok(None);
    };
    input.read_exact(&mut prefix)?;
    let Some((length, crc)) = word(&prefix).zip(word(&prefix[4..])) else {
        return Ok(None);
    };
    let bytes = (length & !BEGINS) as usize;
    // Nothing is allocated for a length that the file does not have.
    if bytes > MAX_RECORD_BYTES || bytes as u64 > left {
        return Ok(None);
    }
    let mut payload = vec![0; bytes];
    input.read_exact(&mut payload)?;
    Ok((checksum(length, &payload) == crc).then(|| payload.into()))
}

/// Decides what the bad record at `bad` is.
fn judge_tail(input: &mut (impl Read + Seek), bad: u64, size: u64) -> io::Result<Tail> {
    input.seek(SeekFrom::Start(bad + 1))?;
    let mut window = Vec::new();
    input.take(WINDOW_BYTES).read_to_end(&mut window)?;
    let all_seen = bad + 1 + window.len() as u64 >= size;
    // In doubt it is damage, because then the file is kept.
    Ok(match another_append_begins(&window) {
        Some(false) if all_seen => Tail::Torn {
            lost_bytes: size - bad,
        },
        _ => Tail::Damaged { at: bad },
    })
}

/// Whether a good record that begins an append stands anywhere in `window`; `None` when that takes
/// too long to find out.
fn another_append_begins(window: &[u8]) -> Option<bool> {
    let mut budget = SEARCH_BYTES;
    for at in 0..window.len() {
        let Some(length) = word(&window[at..]).filter(|length| length & BEGINS != 0) else {
            continue;
        };
        let bytes = (length & !BEGINS) as usize;
        if bytes > MAX_RECORD_BYTES {
            continue;
        }
        let payload = at + PREFIX_BYTES;
        let Some(payload) = window.get(payload..payload + bytes) else {
            continue;
        };
        budget = budget.checked_sub(bytes)?;
        if word(&window[at + 4..]) == Some(checksum(length, payload)) {
            return Some(true);
        }
    }
    Some(false)
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}
