//! Frames as they go over the wire (RFC 6455, section 5), and the handshake (section 4.2).

use super::Lane;
use actix_http::ws;
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::{Arc, OnceLock};

/// An encoded WebSocket frame, shared by all who receive it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Bytes);

/// Why a connection ends (RFC 6455, section 7.4; from 4000 on those of live-sync, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// For good: clients stay away, SpellTable's newest one too, so it never gets this.
    Normal = 1000,
    /// The server stops; come back.
    GoingAway = 1001,
    /// The client broke the protocol.
    Protocol = 1002,
    /// An orderly end without a reason: the close frame says nothing.
    NoStatus = NO_STATUS as isize,
    /// A text that is not UTF-8.
    NotUtf8 = 1007,
    /// Against the rules of the dialect.
    Policy = 1008,
    /// A message over the limit.
    TooBig = 1009,
    /// Something broke here that should not.
    Bug = 1011,
    /// Too slow, or too many at once; come back later.
    TryLater = 1013,
    /// Removed from a group by its owner.
    Kicked = 4003,
    /// Reads too slowly; come back.
    TooSlow = 4008,
    /// Answered no ping; come back.
    NoPong = 4012,
    /// Sends too many messages.
    TooMany = 4029,
    /// The table's code, or a sign-in, is missing.
    NotSignedIn = 4401,
    /// Removed from the table, or not allowed.
    Removed = 4403,
    /// There is no such table.
    NoTable = 4404,
    /// Did not say hello in time.
    NoHello = 4408,
}

/// A frame that stands for everything a slow reader has missed: put together when it is needed,
/// once for all who need it.
#[derive(Clone, Debug)]
pub struct Whole(Arc<WholeParts>);

#[derive(Debug)]
struct WholeParts {
    parts: Vec<Bytes>,
    frame: OnceLock<Frame>,
}

impl Whole {
    /// The text message `parts`, not put together yet.
    pub fn new(parts: impl Into<Vec<Bytes>>) -> Self {
        Self(Arc::new(WholeParts {
            parts: parts.into(),
            frame: OnceLock::new(),
        }))
    }

    /// The message.
    pub fn frame(&self) -> &Frame {
        self.0.frame.get_or_init(|| {
            let parts: Vec<&[u8]> = self.0.parts.iter().map(|part| &part[..]).collect();
            Frame::text(&parts)
        })
    }
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// Stands for a close frame without a code (RFC 6455, section 7.1.5); never on the wire.
pub(super) const NO_STATUS: u16 = 1005;

impl Frame {
    /// A whole text message, put together from `parts`.
    pub fn text(parts: &[&[u8]]) -> Self {
        Self::build(0x1, parts)
    }

    /// A whole text message of compressed bytes (RFC 7692, section 6).
    pub(super) fn compressed(bytes: &[u8]) -> Self {
        Self::build(RSV1 | 0x1, &[bytes])
    }

    /// A ping without a payload.
    pub fn ping() -> Self {
        Self::build(0x9, &[])
    }

    /// The answer to a ping.
    pub fn pong(payload: &[u8]) -> Self {
        Self::build(0xA, &[&payload[..payload.len().min(125)]])
    }

    /// A close frame; the reason is cut to the 123 bytes that fit.
    pub fn close(code: u16, reason: &str) -> Self {
        if code == NO_STATUS {
            return Self::build(0x8, &[]);
        }
        // In whole characters: a reason must be UTF-8.
        let fits = |end: &usize| reason.is_char_boundary(*end);
        let end = (0..=reason.len().min(123)).rev().find(fits);
        let reason = &reason.as_bytes()[..end.unwrap_or_default()];
        Self::build(0x8, &[&code.to_be_bytes(), reason])
    }

    /// A whole text message that goes out from several buffers: its beginning, and the lane for it
    /// with the rest.
    pub fn large(beginning: &[u8], rest: &[Bytes]) -> (Self, Lane) {
        let behind: usize = rest.iter().map(Bytes::len).sum();
        let frame = Self::begin(0x1, &[beginning], behind);
        (frame, Lane::Large(rest.into()))
    }

    /// Several frames as one run of bytes, for an answer that must not be torn apart.
    pub fn run(frames: &[Self]) -> Self {
        let mut bytes = BytesMut::with_capacity(frames.iter().map(|f| f.0.len()).sum());
        for frame in frames {
            bytes.put_slice(&frame.0);
        }
        Self(bytes.freeze())
    }

    fn build(opcode: u8, parts: &[&[u8]]) -> Self {
        Self::begin(opcode, parts, 0)
    }

    /// A frame of whose payload `behind` bytes are elsewhere.
    fn begin(opcode: u8, parts: &[&[u8]], behind: usize) -> Self {
        let here: usize = parts.iter().map(|part| part.len()).sum();
        let length = here + behind;
        let mut frame = BytesMut::with_capacity(here + 10);
        frame.put_u8(FIN | opcode);
        match length {
            0..126 => frame.put_u8(length as u8),
            126..=0xffff => {
                frame.put_u8(126);
                frame.put_u16(length as u16);
            }
            _ => {
                frame.put_u8(127);
                frame.put_u64(length as u64);
            }
        }
        for part in parts {
            frame.put_slice(part);
        }
        Self(frame.freeze())
    }

    /// The bytes for the socket.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes behind the frame's header.
    pub(super) fn payload_bytes(&self) -> &[u8] {
        let skip = match self.0[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        &self.0[skip..]
    }

    /// What a text frame says; for tests of rules.
    #[cfg(test)]
    pub fn payload(&self) -> &str {
        std::str::from_utf8(self.payload_bytes()).unwrap()
    }
}

/// The answer that accepts an upgrade, with the subprotocol and the extension that were chosen from
/// those offered, and a `Set-Cookie` line.
pub fn switch_protocols(
    key: &[u8],
    subprotocol: Option<&str>,
    extension: Option<&str>,
    cookie: Option<&str>,
) -> String {
    let accept = ws::hash_key(key);
    let accept = std::str::from_utf8(&accept).unwrap_or_default();
    let header = |name: &str, value: Option<&str>| {
        value.map_or_else(String::new, |value| format!("{name}: {value}\r\n"))
    };
    let chosen = header("sec-websocket-protocol", subprotocol)
        + &header("sec-websocket-extensions", extension)
        + &header("set-cookie", cookie);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n{chosen}\r\n"
    )
}

/// An answer that refuses one, with a body as REST has it; an empty `detail` makes no body.
pub fn refuse(status: u16, reason: &str, headers: &str, detail: &str) -> String {
    let (kind, body) = match detail {
        "" => ("", String::new()),
        detail => (
            "content-type: application/json\r\n",
            serde_json::json!({ "detail": detail }).to_string(),
        ),
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\n{kind}{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
