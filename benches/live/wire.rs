//! As much of WebSockets (RFC 6455) as these clients and the floor need.

use crate::support::Result;
use crate::support::head::Head;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest header of a frame.
pub const HEADER_BYTES: usize = 14;

/// What browsers offer.
const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// What a frame's header says.
pub struct Header {
    /// 1 text, 8 close, 9 ping.
    pub opcode: u8,
    /// The message is compressed.
    pub packed: bool,
    /// The key of a client's frame.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the header itself.
    pub bytes: usize,
    /// Bytes of the payload.
    pub payload: usize,
}

impl Header {
    /// Reads it; `None` when it is not complete yet.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (payload, mut at) = match second & 0x7f {
            126 => {
                let length = bytes.get(2..4)?.try_into().ok()?;
                (usize::from(u16::from_be_bytes(length)), 4)
            }
            127 => {
                let length = bytes.get(2..10)?.try_into().ok()?;
                (u64::from_be_bytes(length) as usize, 10)
            }
            short => (usize::from(short), 2),
        };
        let mut mask = None;
        if second & 0x80 != 0 {
            mask = Some(bytes.get(at..at + 4)?.try_into().ok()?);
            at += 4;
        }
        Some(Self {
            opcode: first & 0x0f,
            packed: first & 0x40 != 0,
            mask,
            bytes: at,
            payload,
        })
    }
}

/// A whole frame; of a client when `masked` (with a key of zeros, which changes nothing).
pub fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + HEADER_BYTES);
    let mask = if masked { 0x80 } else { 0 };
    frame.push(0x80 | opcode);
    match payload.len() {
        short @ ..126 => frame.push(mask | short as u8),
        middle @ 126..=0xffff => {
            frame.push(mask | 126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(mask | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    if masked {
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}

/// A text message of a client.
pub fn said(text: &[u8]) -> Vec<u8> {
    frame(1, text, true)
}

/// Connects and shakes hands, and offers compression if `deflates`. Returns the socket and what has
/// come behind the answer.
pub async fn open(addr: SocketAddr, path: &str, deflates: bool) -> Result<(TcpStream, Vec<u8>)> {
    let mut io = TcpStream::connect(addr).await?;
    io.set_nodelay(true)?;
    let offer = if deflates { DEFLATE } else { "" };
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
    );
    io.write_all(head.as_bytes()).await?;
    let mut received = Vec::new();
    loop {
        if io.read_buf(&mut received).await? == 0 {
            return Err("the server closed the connection in the handshake".into());
        }
        if let Some(head) = Head::parse(&received)? {
            if head.status != 101 {
                let text = String::from_utf8_lossy(&received);
                return Err(format!("the handshake was refused: {text}").into());
            }
            let rest = received.split_off(head.bytes);
            return Ok((io, rest));
        }
    }
}
