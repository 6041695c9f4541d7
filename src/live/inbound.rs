//! From bytes to messages, with a guard in front of the decoder.
//!
//! actix's decoder compares a frame's length with the limit only when the whole frame is there, so
//! a client that declares 2^40 bytes and keeps sending would grow the process. The guard reads the
//! headers first and refuses at once; it also keeps good frames in front of a bad one, which the
//! decoder alone would report first.

use super::CloseCode;
use super::deflate::{Unpacked, unpack};
use actix_codec::Decoder;
use actix_http::ws::{Codec, Frame, Item, ProtocolError};
use bytes::{Bytes, BytesMut};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that have arrived of all unfinished large messages of players together. Players may not
/// write anyway; the GM's messages are not counted, so that nobody can stop the GM with theirs.
const UNFINISHED_BYTES: usize = 64 << 20;
/// Messages up to this size are not counted.
const SMALL_BYTES: usize = 64 << 10;

static UNFINISHED: AtomicUsize = AtomicUsize::new(0);

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inbound {
    /// A whole text message; the bytes are not checked yet.
    Text(Bytes),
    /// A whole binary message.
    Binary(Bytes),
    Ping(Bytes),
    Pong,
    /// The peer wants to end; its code and reason, if it gave any.
    Close(Option<(u16, String)>),
}

/// Why a connection cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation(pub CloseCode, pub String);

/// Collects the bytes of one connection and takes messages out of them.
pub(super) struct Reader {
    bytes: BytesMut,
    codec: Codec,
    limit: usize,
    /// The parts of a message that comes in several frames, and whether it is text.
    parts: Option<(BytesMut, bool)>,
    counted: bool,
    reserved: Reservation,
    /// Compression was agreed on.
    deflates: bool,
    /// The message that is being read is compressed.
    packed: bool,
}

impl Reader {
    /// `already` was read together with the handshake.
    /// `counted` bounds what it holds together with all others.
    /// `deflates`: messages may be compressed (RFC 7692).
    pub fn new(already: BytesMut, limit: u64, counted: bool, deflates: bool) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX / 2);
        Self {
            bytes: already,
            codec: Codec::new().max_size(limit),
            limit,
            parts: None,
            counted,
            reserved: Reservation(0),
            deflates,
            packed: false,
        }
    }

    /// What it holds is not bounded together with that of others any more.
    pub fn uncount(&mut self) {
        self.counted = false;
        self.reserved = Reservation(0);
    }

    /// Messages may have so many bytes from now on.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = usize::try_from(limit).unwrap_or(usize::MAX / 2);
        let codec = std::mem::take(&mut self.codec);
        self.codec = codec.max_size(self.limit);
    }

    /// Adds what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message; `None` when more bytes are needed.
    pub fn next(&mut self) -> Result<Option<Inbound>, Violation> {
        loop {
            let unfinished = self.parts.as_ref().map_or(0, |(parts, _)| parts.len());
            let Some(header) = Header::read(&self.bytes, self.deflates)? else {
                return Ok(self.wait());
            };
            let total = unfinished.saturating_add(header.payload);
            if !header.control && total > self.limit {
                return Err(too_big(self.limit));
            }
            let here = unfinished + self.bytes.len().min(header.frame);
            if self.counted && here > SMALL_BYTES && !self.reserved.grow_to(here) {
                let reason = "too many large messages at once".to_owned();
                return Err(Violation(CloseCode::TryLater, reason));
            }
            if self.bytes.len() < header.frame {
                return Ok(None);
            }
            let mut frame = self.bytes.split_to(header.frame);
            if header.starts {
                self.packed = header.packed;
                // The decoder knows nothing of it.
                frame[0] &= !RSV1;
            }
            let decoded = self.codec.decode(&mut frame).map_err(|e| explain(&e))?;
            if let Some(message) = decoded.map(|f| self.assemble(f)).transpose()?.flatten() {
                if self.parts.is_none() {
                    self.reserved = Reservation(0);
                }
                return self.unpacked(message).map(Some);
            }
        }
    }

    /// A text that was compressed becomes what it was.
    fn unpacked(&self, message: Inbound) -> Result<Inbound, Violation> {
        let Inbound::Text(text) = &message else {
            return Ok(message);
        };
        if !self.packed {
            return Ok(message);
        }
        match unpack(text, self.limit) {
            Ok(text) => Ok(Inbound::Text(text)),
            Err(Unpacked::Broken) => {
                let reason = "a compressed message cannot be unpacked".to_owned();
                Err(Violation(CloseCode::NotUtf8, reason))
            }
            Err(Unpacked::TooLarge) => Err(too_big(self.limit)),
        }
    }

    /// Nothing to do: let go of memory that an idle connection does not need.
    fn wait(&mut self) -> Option<Inbound> {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        None
    }

    fn assemble(&mut self, frame: Frame) -> Result<Option<Inbound>, Violation> {
        Ok(match frame {
            Frame::Text(text) => Some(Inbound::Text(text)),
            Frame::Binary(bytes) => Some(Inbound::Binary(bytes)),
            Frame::Ping(payload) => Some(Inbound::Ping(payload)),
            Frame::Pong(_) => Some(Inbound::Pong),
            Frame::Close(reason) => {
                let words = reason.map(|r| (r.code.into(), r.description.unwrap_or_default()));
                if words.as_ref().is_some_and(|(code, _)| !may_be_sent(*code)) {
                    let reason = "no such close code".to_owned();
                    return Err(Violation(CloseCode::Protocol, reason));
                }
                Some(Inbound::Close(words))
            }
            Frame::Continuation(Item::FirstText(part)) => {
                self.parts = Some((BytesMut::from(&part[..]), true));
                None
            }
            Frame::Continuation(Item::FirstBinary(part)) => {
                self.parts = Some((BytesMut::from(&part[..]), false));
                None
            }
            Frame::Continuation(Item::Continue(part)) => {
                if let Some((parts, _)) = &mut self.parts {
                    parts.extend_from_slice(&part);
                }
                None
            }
            Frame::Continuation(Item::Last(part)) => self.parts.take().map(|(mut parts, text)| {
                parts.extend_from_slice(&part);
                match text {
                    true => Inbound::Text(parts.freeze()),
                    false => Inbound::Binary(parts.freeze()),
                }
            }),
        })
    }
}

fn too_big(limit: usize) -> Violation {
    let reason = format!("a message may have at most {limit} bytes");
    Violation(CloseCode::TooBig, reason)
}

/// Whether a close frame may carry this code (RFC 6455, section 7.4).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..5000)
}

fn explain(error: &ProtocolError) -> Violation {
    Violation(CloseCode::Protocol, error.to_string())
}

/// What a frame's first bytes say (RFC 6455, section 5.2).
struct Header {
    /// Bytes of the payload.
    payload: usize,
    /// Bytes of the whole frame.
    frame: usize,
    control: bool,
    /// It is the first of a message.
    starts: bool,
    /// The message is compressed.
    packed: bool,
}

/// Marks the first frame of a compressed message (RFC 7692, section 6).
const RSV1: u8 = 0x40;

impl Header {
    /// `None` when the header is not complete yet. `deflates`: messages may be compressed.
    fn read(bytes: &[u8], deflates: bool) -> Result<Option<Self>, Violation> {
        let violation = |what: &str| Err(Violation(CloseCode::Protocol, what.to_owned()));
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let control = first & 0x08 != 0;
        let starts = matches!(first & 0x0f, 1 | 2);
        let packed = deflates && starts && first & RSV1 != 0;
        if first & 0x70 != 0 && !(packed && first & 0x30 == 0) {
            return violation("reserved bits are set");
        }
        if !matches!(first & 0x0f, 0..=2 | 8..=10) {
            return violation("an unknown opcode");
        }
        if second & 0x80 == 0 {
            return violation("a client's frame must be masked");
        }
        if control && (second & 0x7f > 125 || first & 0x80 == 0) {
            return violation("a control frame must be short and whole");
        }
        let (payload, extra) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 2),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 8)
            }
            (126 | 127, _) => return Ok(None),
            (short, _) => (u64::from(short), 0),
        };
        let payload = usize::try_from(payload).unwrap_or(usize::MAX);
        Ok(Some(Self {
            payload,
            frame: payload.saturating_add(2 + extra + 4),
            control,
            starts,
            packed,
        }))
    }
}

/// This connection's share of [`UNFINISHED_BYTES`]; given back when dropped.
struct Reservation(usize);

impl Reservation {
    fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.0);
        let before = UNFINISHED.fetch_add(more, Ordering::Relaxed);
        self.0 += more;
        before + more <= UNFINISHED_BYTES
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        UNFINISHED.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            n @ 0..126 => frame.push(0x80 | n as u8),
            n => {
                frame.push(0x80 | 126);
                frame.extend((n as u16).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    fn read(bytes: &[u8]) -> Reader {
        Reader::new(BytesMut::from(bytes), 1000, true, false)
    }

    #[test]
    fn a_declared_giant_is_refused_before_its_payload_comes() {
        let mut giant = vec![0x81, 0xff];
        giant.extend((1u64 << 40).to_be_bytes());
        let Err(Violation(code, _)) = read(&giant).next() else {
            panic!("accepted")
        };
        assert_eq!(code, CloseCode::TooBig);
    }

    #[test]
    fn parts_that_together_are_too_big_are_refused() {
        let mut bytes = frame(0x01, &[b'a'; 600]);
        bytes.extend(frame(0x80, &[b'a'; 600]));
        let mut reader = read(&bytes);
        assert_eq!(reader.next().unwrap_err().0, CloseCode::TooBig);
    }

    #[test]
    fn a_close_code_that_nobody_may_send_is_a_fault() {
        for (code, fine) in [
            (1000u16, true),
            (1005, false),
            (999, false),
            (1016, false),
            (3000, true),
            (4999, true),
            (5000, false),
        ] {
            let words = [&code.to_be_bytes()[..], b"bye"].concat();
            let read = read(&frame(0x88, &words)).next();
            match read {
                Ok(said) => assert_eq!(said, Some(Inbound::Close(Some((code, "bye".into()))))),
                Err(Violation(why, _)) => assert_eq!(why, CloseCode::Protocol),
            }
            assert_eq!(fine, may_be_sent(code), "{code}");
        }
        assert_eq!(
            read(&frame(0x88, b"")).next(),
            Ok(Some(Inbound::Close(None)))
        );
    }

    #[test]
    fn a_good_message_comes_before_the_fault_behind_it() {
        let mut bytes = frame(0x81, b"{}");
        bytes.extend([0xc1, 0x80]);
        let mut reader = read(&bytes);
        assert_eq!(
            reader.next(),
            Ok(Some(Inbound::Text(Bytes::from_static(b"{}"))))
        );
        assert_eq!(reader.next().unwrap_err().0, CloseCode::Protocol);
    }

    #[test]
    fn faults_of_the_protocol_are_told_as_such() {
        for bad in [
            &[0xc1u8, 0x80][..],
            &[0x81, 0x00],
            &[0x83, 0x80],
            &[0x09, 0x80],
            &[0x89, 0xfe],
        ] {
            assert_eq!(
                read(bad).next().unwrap_err().0,
                CloseCode::Protocol,
                "{bad:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_messages_are_the_same(
            texts in prop::collection::vec("[a-z]{0,200}", 1..6),
            cuts in prop::collection::vec(1usize..40, 1..40),
        ) {
            let mut bytes = Vec::new();
            for text in &texts {
                let (head, tail) = text.as_bytes().split_at(text.len() / 2);
                bytes.extend(frame(0x01, head));
                bytes.extend(frame(0x89, b"p"));
                bytes.extend(frame(0x80, tail));
            }
            let mut reader = read(b"");
            let mut got = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                reader.feed(now);
                rest = later;
                while let Some(message) = reader.next().unwrap() {
                    if let Inbound::Text(text) = message {
                        got.push(String::from_utf8(text.to_vec()).unwrap());
                    }
                }
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(got, texts);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = read(&bytes);
            while let Ok(Some(_)) = reader.next() {}
        }
    }
}
