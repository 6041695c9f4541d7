//! permessage-deflate (RFC 7692): a room's messages are compressed once, with a history that all
//! its readers share.
//!
//! The history is what makes a small change of a large scene small on the wire. A reader can only
//! take a compressed message when it has had every one before it since the history began
//! ([`Place`]); to one that has not, the message goes plain, and the next one begins a new history.
//! What single readers get (answers, chat) is never compressed, so that histories stay equal.
//!
//! Clients compress each message by itself (`client_no_context_takeover`), so that nothing has to
//! be kept for them here.

use super::Frame;
use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Smaller messages are not worth it.
pub(super) const WORTH_BYTES: usize = 1 << 10;
/// The lowest level that finds the whole of the message before in the history: of a drag in a scene
/// of 16 KB there remain 140 bytes, with the next lower one 300 to 1,100. Paid once per message, not
/// per reader.
const LEVEL: u32 = 7;
/// So far back does the history reach. Of larger messages it holds nothing that is worth the search.
const HISTORY_BYTES: usize = 32 << 10;
const LARGE_LEVEL: u32 = 6;
/// What ends every flushed block, and is left out (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Room that is made at a time.
const STEP: usize = 16 << 10;

/// The answer to a client that offers compression; `None`: to no offer that we can keep to.
///
/// `offers` is the client's `Sec-WebSocket-Extensions`. An offer that asks for a smaller window or
/// for no history on our side is passed over: the shared history is the point.
pub fn negotiate(offers: &str) -> Option<&'static str> {
    let fits = |offer: &str| {
        let mut parts = offer.split(';').map(str::trim);
        let name = parts.next();
        let (mut window, mut takeover) = (0, 0);
        let mut is_known = |part: &str| match part.split_once('=') {
            None if part == "client_no_context_takeover" => {
                takeover += 1;
                true
            }
            None if part == "client_max_window_bits" => {
                window += 1;
                true
            }
            Some((name, bits)) if name.trim_end() == "client_max_window_bits" => {
                window += 1;
                let bits = bits.trim_start().trim_matches('"');
                matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
            }
            _ => false,
        };
        let are_known = parts.all(&mut is_known);
        name == Some("permessage-deflate") && are_known && window <= 1 && takeover <= 1
    };
    let found = offers.split(',').any(fits);
    found.then_some("permessage-deflate; client_no_context_takeover")
}

/// A compressed message of a room.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    /// Which history it belongs to, and where in it.
    history: u64,
    place: u64,
    /// The frame, with the mark of compression.
    pub frame: Frame,
    /// Says that somebody could not take it.
    missed: Arc<AtomicBool>,
}

/// Where a reader is in the room's history; `None`: nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(Option<(u64, u64)>);

impl Place {
    /// Whether the reader can take `packed`; it counts as taken then. If not, the history begins
    /// anew with the room's next message.
    pub fn take(&mut self, packed: &Packed) -> bool {
        let here = (packed.history, packed.place);
        if packed.place == 0 || self.0 == Some(here) {
            self.0 = Some((packed.history, packed.place + 1));
            return true;
        }
        packed.missed.store(true, Ordering::Relaxed);
        self.0 = None;
        false
    }
}

/// Compresses the messages of one room, in their order.
pub(super) struct Packer {
    deflate: Compress,
    level: u32,
    history: u64,
    place: u64,
    missed: Arc<AtomicBool>,
}

impl Packer {
    pub fn new() -> Self {
        Self {
            deflate: Compress::new(Compression::new(LEVEL), false),
            level: LEVEL,
            history: next_history(),
            place: 0,
            missed: Arc::default(),
        }
    }

    /// The same message, compressed. `None`: it cannot be.
    pub fn pack(&mut self, frame: &Frame) -> Option<Packed> {
        if self.missed.swap(false, Ordering::Relaxed) {
            self.begin();
        }
        let text = frame.payload_bytes();
        let level = match text.len() {
            ..HISTORY_BYTES => LEVEL,
            _ => LARGE_LEVEL,
        };
        if self.level != level {
            // Everything is flushed, so this does not fail; if it did, another level would do.
            let _ = self.deflate.set_level(Compression::new(level));
            self.level = level;
        }
        let Some(mut bytes) = self.squeeze(text) else {
            self.begin();
            return None;
        };
        if bytes.ends_with(&TAIL) {
            bytes.truncate(bytes.len() - TAIL.len());
        }
        let place = self.place;
        self.place += 1;
        Some(Packed {
            history: self.history,
            place,
            frame: Frame::compressed(&bytes),
            missed: self.missed.clone(),
        })
    }

    fn begin(&mut self) {
        self.deflate.reset();
        self.history = next_history();
        self.place = 0;
    }

    fn squeeze(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(input.len() / 8 + STEP);
        let start = self.deflate.total_in();
        loop {
            let done = (self.deflate.total_in() - start) as usize;
            let flush = FlushCompress::Sync;
            let status = self.deflate.compress_vec(&input[done..], &mut out, flush);
            status.ok()?;
            let all = (self.deflate.total_in() - start) as usize == input.len();
            // Room that is left means that the flush is complete.
            if all && out.len() < out.capacity() {
                return Some(out);
            }
            out.reserve(STEP);
        }
    }
}

/// A number that no other history has: a reader may get messages of several rooms, one after the
/// other, but has one history.
fn next_history() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Why a client's message cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// It is no deflate stream.
    Broken,
    /// It is larger than the limit when unpacked.
    TooLarge,
}

thread_local! {
    // Nothing stays in it between messages, so all connections of a thread share one.
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Unpacks one message of a client; at most `limit` bytes.
pub(super) fn unpack(packed: &[u8], limit: usize) -> Result<Bytes, Unpacked> {
    INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(false);
        let mut out = Vec::with_capacity((packed.len() * 4).clamp(256, limit.max(256)));
        for part in [packed, &TAIL] {
            let start = inflate.total_in();
            loop {
                let done = (inflate.total_in() - start) as usize;
                let before = (inflate.total_in(), out.len());
                let flush = FlushDecompress::Sync;
                let status = inflate.decompress_vec(&part[done..], &mut out, flush);
                let status = status.map_err(|_| Unpacked::Broken)?;
                if out.len() > limit {
                    return Err(Unpacked::TooLarge);
                }
                if status == Status::StreamEnd {
                    // A final block: whatever a client may put behind it is not ours to guess.
                    return Ok(out.into());
                }
                let all = (inflate.total_in() - start) as usize == part.len();
                if all && out.len() < out.capacity() {
                    break;
                }
                if before == (inflate.total_in(), out.len()) && out.len() < out.capacity() {
                    return Err(Unpacked::Broken);
                }
                out.reserve(STEP.min(limit + 1));
            }
        }
        Ok(out.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn offers_that_leave_the_history_to_us_are_taken() {
        for (offers, taken) in [
            ("permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits", true),
            ("permessage-deflate; client_max_window_bits=10", true),
            (
                "x-webkit-deflate-frame, permessage-deflate;client_no_context_takeover",
                true,
            ),
            ("permessage-deflate; client_max_window_bits=\"15\"", true),
            ("permessage-deflate; client_max_window_bits=99", false),
            ("permessage-deflate; client_max_window_bits=", false),
            ("permessage-deflate; client_no_context_takeover=1", false),
            (
                "permessage-deflate; client_max_window_bits; client_max_window_bits",
                false,
            ),
            ("permessage-deflate; server_no_context_takeover", false),
            ("permessage-deflate; server_max_window_bits=10", false),
            (
                "permessage-deflate; server_no_context_takeover, permessage-deflate",
                true,
            ),
            ("", false),
            ("bzip", false),
        ] {
            assert_eq!(negotiate(offers).is_some(), taken, "{offers}");
        }
    }

    /// Reads a room's compressed messages as a client does: one stream for all of them.
    struct Reader(Decompress);

    impl Reader {
        fn read(&mut self, packed: &Packed) -> Vec<u8> {
            let mut out = Vec::with_capacity(1 << 20);
            for part in [packed.frame.payload_bytes(), &TAIL] {
                let status = self.0.decompress_vec(part, &mut out, FlushDecompress::Sync);
                status.unwrap();
            }
            out
        }
    }

    #[test]
    fn a_small_change_of_a_large_text_is_small() {
        let mut packer = Packer::new();
        let mut reader = Reader(Decompress::new(false));
        let scene: String = (0..400)
            .map(|n| format!("{{\"id\":\"{n}\",\"x\":{}}},", n * 37))
            .collect();
        let mut sizes = Vec::new();
        for x in 0..20 {
            let text = format!("{{\"x\":{x},\"things\":[{scene}]}}");
            let packed = packer.pack(&Frame::text(&[text.as_bytes()])).unwrap();
            assert_eq!(reader.read(&packed), text.as_bytes());
            sizes.push(packed.frame.bytes().len());
        }
        assert!(sizes[19] * 10 < sizes[0], "{sizes:?}");
    }

    #[test]
    fn a_drag_leaves_little_and_large_texts_between_break_nothing() {
        let mut packer = Packer::new();
        let mut reader = Reader(Decompress::new(false));
        let tokens = |count: u32| -> String {
            (0..count)
                .map(|n| {
                    let (x, y) = (n * 7919 % 4000, n * 104_729 % 3000);
                    format!(
                        "{{\"id\":\"t{n}\",\"name\":\"Goblin {n}\",\"isPlayer\":false,\
                         \"mapPosition\":{{\"x\":{x},\"y\":{y}}}}},"
                    )
                })
                .collect()
        };
        let (small, large) = (tokens(160), tokens(1600));
        assert!((12_000..16_000).contains(&small.len()), "{}", small.len());
        for round in 0..3 {
            let mut sizes = Vec::new();
            for x in 0..6 {
                let text = format!("{{\"x\":{round}{x},\"tokens\":[{small}]}}");
                let packed = packer.pack(&Frame::text(&[text.as_bytes()])).unwrap();
                assert_eq!(reader.read(&packed), text.as_bytes());
                sizes.push(packed.frame.bytes().len());
            }
            assert!(sizes[1..].iter().all(|size| *size < 200), "{sizes:?}");
            let packed = packer.pack(&Frame::text(&[large.as_bytes()])).unwrap();
            assert_eq!(reader.read(&packed), large.as_bytes());
        }
    }

    #[test]
    fn whoever_missed_one_gets_plain_ones_until_the_history_begins_anew() {
        let mut packer = Packer::new();
        let frame = Frame::text(&[b"something that is said again and again"]);
        let (mut old, mut new) = (Place::default(), Place::default());
        assert!(old.take(&packer.pack(&frame).unwrap()));
        let second = packer.pack(&frame).unwrap();
        assert!(old.take(&second));
        assert!(!new.take(&second));
        let third = packer.pack(&frame).unwrap();
        assert!(old.take(&third) && new.take(&third));
        old = Place::default();
        let fourth = packer.pack(&frame).unwrap();
        assert!(!old.take(&fourth) && new.take(&fourth));
    }

    #[test]
    fn what_unpacks_to_too_much_or_to_nothing_is_refused() {
        let mut packer = Packer::new();
        let zeros = vec![b'0'; 1 << 20];
        let packed = packer.pack(&Frame::text(&[&zeros])).unwrap();
        let bytes = packed.frame.payload_bytes();
        assert_eq!(unpack(bytes, 1 << 20), Ok(zeros.into()));
        assert_eq!(unpack(bytes, (1 << 20) - 1), Err(Unpacked::TooLarge));
        assert_eq!(unpack(&[0xff; 40], 1 << 20), Err(Unpacked::Broken));
    }

    proptest! {
        #[test]
        fn every_text_comes_back(texts in prop::collection::vec("(ab|[a-z ]{0,40}|.{0,9}){0,60}!", 1..8)) {
            let mut packer = Packer::new();
            let mut reader = Reader(Decompress::new(false));
            for text in &texts {
                let packed = packer.pack(&Frame::text(&[text.as_bytes()])).unwrap();
                prop_assert_eq!(reader.read(&packed), text.as_bytes());
                let alone = Packer::new().pack(&Frame::text(&[text.as_bytes()])).unwrap();
                prop_assert_eq!(unpack(alone.frame.payload_bytes(), 1 << 20).unwrap(), text.as_bytes());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = unpack(&bytes, 1 << 16);
        }
    }
}
