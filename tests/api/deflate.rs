//! permessage-deflate (RFC 7692): one history for all readers of a table.

use crate::support::{PATIENCE, TestServer, start, start_with};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A client that offers compression and reads what comes, compressed or not.
struct Client {
    stream: TcpStream,
    inflate: Decompress,
    /// Bytes of payload as they came over the wire.
    wire: usize,
}

impl Client {
    fn connect(server: &TestServer, offer: &str) -> (Self, String) {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET /ws HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-extensions: {offer}\r\n\r\n",
            server.addr
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let inflate = Decompress::new(false);
        let wire = 0;
        let client = Self {
            stream,
            inflate,
            wire,
        };
        (client, String::from_utf8(head).unwrap())
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next text message.
    fn hear(&mut self) -> String {
        let [first, length] = self.bytes();
        let length = match length {
            126 => u16::from_be_bytes(self.bytes()).into(),
            127 => u64::from_be_bytes(self.bytes()) as usize,
            short => short.into(),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        self.wire += length;
        match first {
            0x81 => String::from_utf8(payload).unwrap(),
            0xc1 => {
                let mut text = Vec::with_capacity(1 << 20);
                for part in [&payload[..], &[0, 0, 0xff, 0xff]] {
                    let flush = FlushDecompress::Sync;
                    self.inflate.decompress_vec(part, &mut text, flush).unwrap();
                }
                String::from_utf8(text).unwrap()
            }
            other => panic!("unexpected frame {other:#x}"),
        }
    }

    /// Sends a text, compressed by itself.
    fn say(&mut self, text: &str) {
        let mut packed = Vec::with_capacity(text.len() + 1024);
        Compress::new(Compression::new(6), false)
            .compress_vec(text.as_bytes(), &mut packed, FlushCompress::Sync)
            .unwrap();
        packed.truncate(packed.len() - 4);
        let mut frame = vec![0xc1, 0x80 | 127];
        frame.extend((packed.len() as u64).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(packed);
        self.stream.write_all(&frame).unwrap();
    }
}

const OFFER: &str = "permessage-deflate; client_max_window_bits";

fn scene(x: usize) -> String {
    let maps: Vec<_> = (0..200)
        .map(|n| {
            format!(
                r#"{{"name":"m{n}.png","data":{{"position":{{"x":{},"y":7}}}}}}"#,
                n * 31
            )
        })
        .collect();
    format!(
        r#"{{"type":"scene_update","scene":{{"id":"a","x":{x},"maps":[{}]}}}}"#,
        maps.join(",")
    )
}

#[test]
fn a_drag_costs_a_fraction_of_its_scenes_and_arrives_whole() {
    let server = start();
    let (mut gm, head) = Client::connect(&server, OFFER);
    assert!(
        head.to_lowercase()
            .contains("sec-websocket-extensions: permessage-deflate; client_no_context_takeover")
    );
    let (mut viewer, _) = Client::connect(&server, OFFER);
    let mut plain = server.websocket();
    gm.hear();
    viewer.hear();
    plain.hear();
    for x in 0..40 {
        gm.say(&scene(x));
        let all = [gm.hear(), viewer.hear(), plain.hear()];
        assert!(all.iter().all(|heard| *heard == scene(x)), "{x}");
        if x == 20 {
            // Somebody who comes later has another past and gets everything all the same.
            let (mut late, _) = Client::connect(&server, OFFER);
            late.hear();
            assert_eq!(late.hear(), scene(x));
            gm.say(&scene(1000));
            for client in [&mut gm, &mut viewer, &mut late] {
                assert_eq!(client.hear(), scene(1000));
            }
            assert_eq!(plain.hear(), scene(1000));
        }
    }
    // Two whole scenes at most (the first, and the one after somebody came), else differences.
    let all = 41 * scene(0).len();
    assert!(viewer.wire * 8 < all, "{} of {all}", viewer.wire);
}

#[test]
fn whoever_does_not_hear_its_own_scenes_understands_the_others() {
    let server = start_with(&["--spelltable-echo", "never"]);
    let (mut one, _) = Client::connect(&server, OFFER);
    let (mut two, _) = Client::connect(&server, OFFER);
    one.hear();
    two.hear();
    for x in 0..20 {
        let (from, to) = if x % 3 == 0 {
            (&mut one, &mut two)
        } else {
            (&mut two, &mut one)
        };
        from.say(&scene(x));
        // One that crossed with another's comes back to its page, too.
        let heard = (0..3).map(|_| to.hear()).find(|heard| *heard == scene(x));
        assert!(heard.is_some(), "{x}");
    }
}

#[test]
fn compression_can_be_declined_and_switched_off() {
    let server = start();
    let (_, head) = Client::connect(&server, "permessage-deflate; server_no_context_takeover");
    assert!(!head.to_lowercase().contains("sec-websocket-extensions"));
    let server = start_with(&["--deflate", "false"]);
    let (_, head) = Client::connect(&server, OFFER);
    assert!(!head.to_lowercase().contains("sec-websocket-extensions"));
}

#[test]
fn a_message_that_unpacks_to_more_than_the_limit_closes_with_1009() {
    let server = start_with(&["--max-frame", "64K"]);
    let (mut client, _) = Client::connect(&server, OFFER);
    client.hear();
    client.say(&"0".repeat(1 << 20));
    let [first, _, high, low] = client.bytes();
    assert_eq!((first, u16::from_be_bytes([high, low])), (0x88, 1009));
}
