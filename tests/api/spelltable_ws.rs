//! `/ws`: order, echo, limits, faults, slow and dead peers.

use crate::support::{PATIENCE, Socket, TestServer, start, start_with};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;
use tungstenite::Message;

fn greeted(server: &TestServer) -> Socket {
    let mut socket = server.websocket();
    assert_eq!(
        socket.hear(),
        r#"{"type":"connection_status","status":"connected"}"#
    );
    socket
}

fn update(n: usize) -> String {
    format!(r#"{{"type":"scene_update","scene":{{"n":{n}}}}}"#)
}

#[test]
fn everybody_sees_every_change_in_one_order() {
    let server = start();
    let mut gms = [greeted(&server), greeted(&server)];
    let mut viewer = greeted(&server);
    for n in 0..200 {
        gms[n % 2].say(&update(n));
    }
    let mut heard: Vec<Vec<String>> = Vec::new();
    for socket in gms.iter_mut().chain([&mut viewer]) {
        heard.push((0..200).map(|_| socket.hear()).collect());
    }
    assert_eq!(heard[0], heard[2]);
    assert_eq!(heard[1], heard[2]);
    // Each sender's own are in the order in which it sent them.
    for parity in 0..2 {
        let own: Vec<_> = heard[2]
            .iter()
            .filter(|text| {
                let n: usize = text[36..].trim_end_matches('}').parse().unwrap();
                n % 2 == parity
            })
            .cloned()
            .collect();
        assert_eq!(
            own,
            (0..200)
                .filter(|n| n % 2 == parity)
                .map(update)
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_was_said_before_the_line_ended_is_heard() {
    let server = start();
    let mut viewer = greeted(&server);
    for n in 0..30 {
        let mut gm = TcpStream::connect(server.addr).unwrap();
        let head = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            server.addr
        );
        gm.write_all(head.as_bytes()).unwrap();
        // Greeted, it is in the room.
        let mut received = String::new();
        while !received.contains("connected") {
            let mut bytes = [0; 1024];
            let read = gm.read(&mut bytes).unwrap();
            assert_ne!(read, 0, "{received}");
            received += &String::from_utf8_lossy(&bytes[..read]);
        }
        // More than is read in one go; masked with zeros.
        let pad = "x".repeat(100 << 10);
        let text = format!(r#"{{"type":"scene_update","scene":{{"n":{n},"pad":"{pad}"}}}}"#);
        let mut said = vec![0x81, 0xff];
        said.extend((text.len() as u64).to_be_bytes());
        said.extend([0; 4]);
        said.extend(text.as_bytes());
        said.extend([0x88, 0x80, 0, 0, 0, 0]);
        gm.write_all(&said).unwrap();
        gm.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(viewer.hear(), text);
    }
}

#[test]
fn the_new_frontend_gets_no_echo_and_the_setting_can_force_either() {
    let newest = r#"{"type":"scene_update","scene":{"fogOfWar":[]}}"#;
    for (flags, echo_old, echo_new) in [
        (&[][..], true, false),
        (&["--spelltable-echo", "always"], true, true),
        (&["--spelltable-echo", "never"], false, false),
    ] {
        let server = start_with(flags);
        for (text, echo) in [(update(1), echo_old), (newest.to_owned(), echo_new)] {
            let mut sender = server.websocket();
            sender.hear();
            sender.say(r#"{"type":"request_scene"}"#);
            let mut other = server.websocket();
            other.hear();
            sender.say(&text);
            loop {
                if other.hear() == text {
                    break;
                }
            }
            if echo {
                while sender.hear() != text {}
            }
            sender
                .0
                .send(Message::Ping(b"x".as_slice().into()))
                .unwrap();
            loop {
                match sender.0.read().unwrap() {
                    Message::Pong(_) => break,
                    Message::Text(heard) => assert_ne!(heard.as_str(), text, "an echo"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn events_reach_the_others_only() {
    let server = start();
    let (mut gm, mut viewer) = (greeted(&server), greeted(&server));
    gm.say(r#"{"type":"scene_event","eventType":"ripple_effect","x":1,"y":2.50,"secret":3}"#);
    assert_eq!(
        viewer.hear(),
        r#"{"type":"scene_event","eventType":"ripple_effect","x":1,"y":2.50}"#
    );
    gm.expect_silence();
}

#[test]
fn a_scene_of_sixteen_megabytes_passes_and_a_larger_one_is_refused_at_once() {
    let server = start();
    let mut gm = greeted(&server);
    let head = r#"{"type":"scene_update","scene":{"pad":""#;
    let tail = r#""}}"#;
    let pad = "x".repeat((16 << 20) - head.len() - tail.len());
    gm.say(&format!("{head}{pad}{tail}"));
    assert_eq!(gm.hear().len(), 16 << 20);
    // One byte more: refused by its header, before the payload comes.
    let stream = gm.0.get_mut();
    let mut frame = vec![0x81, 0xff];
    frame.extend(((16u64 << 20) + 1).to_be_bytes());
    stream.write_all(&frame).unwrap();
    assert_eq!(gm.close_code(), 1009);
}

#[test]
fn a_message_in_many_parts_is_one_message() {
    let server = start();
    let mut gm = greeted(&server);
    let text = update(7);
    let stream = gm.0.get_mut();
    let last = text.len() - 1;
    for (n, byte) in text.bytes().enumerate() {
        let first = if n == 0 { 0x01 } else { 0x00 } | if n == last { 0x80 } else { 0 };
        stream
            .write_all(&[first, 0x81, 1, 2, 3, 4, byte ^ 1])
            .unwrap();
    }
    assert_eq!(gm.hear(), text);
}

#[test]
#[cfg(target_os = "linux")]
fn giants_that_are_only_declared_cost_no_memory() {
    let server = start();
    drop(greeted(&server));
    let before = server.resident_bytes("VmRSS");
    let mut frame = vec![0x81, 0xff];
    frame.extend((1u64 << 40).to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(1 << 20, b'x');
    let sockets: Vec<_> = (0..50).map(|_| greeted(&server)).collect();
    for mut socket in sockets {
        // The server may have closed before all is sent.
        let _ = socket.0.get_mut().write_all(&frame);
        assert_eq!(socket.close_code(), 1009);
    }
    let rise = server.resident_bytes("VmHWM").saturating_sub(before);
    assert!(rise < 8 << 20, "{rise} bytes");
}

#[test]
fn faults_of_the_protocol_close_with_their_code_and_never_1000() {
    let server = start();
    for (bytes, code) in [
        (&[0xc1, 0x80, 0, 0, 0, 0][..], 1002),
        (&[0x81, 0x01, b'x'], 1002),
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        (&[0x89, 0xfe, 0, 0, 0, 0], 1002),
        (&[0x80, 0x80, 0, 0, 0, 0], 1002),
    ] {
        let mut socket = greeted(&server);
        socket.0.get_mut().write_all(bytes).unwrap();
        assert_eq!(socket.close_code(), code, "{bytes:x?}");
    }
}

#[test]
fn a_peer_that_says_goodbye_is_answered() {
    let server = start();
    let mut socket = greeted(&server);
    socket.0.close(None).unwrap();
    let start = Instant::now();
    loop {
        match socket.0.read() {
            Ok(_) => assert!(start.elapsed() < PATIENCE),
            Err(tungstenite::Error::ConnectionClosed) => break,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_viewer_that_stalls_disturbs_nobody_and_catches_up_with_the_newest() {
    let server = start();
    let mut gm = greeted(&server);
    let mut stalled = greeted(&server);
    let pad = "x".repeat(200 << 10);
    let scene =
        |n: usize| format!(r#"{{"type":"scene_update","scene":{{"n":{n},"pad":"{pad}"}}}}"#);
    // Far more than any socket buffers.
    for n in 0..150 {
        gm.say(&scene(n));
        assert!(
            gm.hear()
                .starts_with(&format!(r#"{{"type":"scene_update","scene":{{"n":{n},"#))
        );
    }
    let mut heard = Vec::new();
    while heard.last() != Some(&149) {
        let text = stalled.hear();
        heard.push(
            text[36..]
                .split(',')
                .next()
                .unwrap()
                .parse::<usize>()
                .unwrap(),
        );
    }
    assert!(heard.is_sorted(), "{heard:?}");
    assert!(heard.len() < 100, "{} of 150 were kept for it", heard.len());
}

#[test]
fn a_viewer_that_takes_nothing_is_given_up() {
    let server = start();
    let mut gm = greeted(&server);
    let stalled = greeted(&server);
    let pad = "x".repeat(1 << 20);
    let start = Instant::now();
    let mut n = 0;
    // Its end shows as a reset when we finally look.
    loop {
        n += 1;
        gm.say(&format!(
            r#"{{"type":"scene_update","scene":{{"n":{n},"pad":"{pad}"}}}}"#
        ));
        gm.hear();
        let mut byte = [0];
        stalled.0.get_ref().set_nonblocking(true).unwrap();
        if let Ok(Some(_)) = stalled.0.get_ref().take_error() {
            break;
        }
        match stalled.0.get_ref().peek(&mut byte) {
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => break,
            _ => assert!(start.elapsed() < PATIENCE, "still connected"),
        }
    }
    assert!(start.elapsed().as_secs() >= 9, "given up too early");
}

#[test]
fn d24_silent_connections_are_pinged() {
    let server = start();
    let mut socket = greeted(&server);
    match socket.0.read().unwrap() {
        Message::Ping(_) => {}
        other => panic!("expected a ping, got {other:?}"),
    }
}

#[test]
fn other_paths_have_no_websocket_and_the_api_prefix_has() {
    let server = start();
    let upgrade = |path: &str, version: &str| {
        let mut stream = TcpStream::connect(server.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: {version}\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", server.addr).unwrap();
        let mut head = [0; 400];
        let read = stream.read(&mut head).unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    };
    for (path, version, status) in [
        ("/ws", "13", "101"),
        ("/api/ws", "13", "101"),
        ("/ws/", "13", "403"),
        // A session room, and no token that counts there.
        ("/?token=x", "13", "401"),
        ("/maps/list", "13", "403"),
        ("/ws", "8", "400"),
    ] {
        assert!(
            upgrade(path, version).starts_with(&format!("HTTP/1.1 {status} ")),
            "{path} {}",
            upgrade(path, version)
        );
    }
    assert!(
        upgrade("/ws", "13")
            .to_lowercase()
            .contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=")
    );
}

#[test]
fn a_player_watches_and_changes_nothing() {
    let server = start_with(&["--loopback-gm", "false"]);
    let mut player = greeted(&server);
    player.say(&update(1));
    player.say(r#"{"type":"blank_viewer"}"#);
    player.expect_silence();
    let mut other = greeted(&server);
    other.expect_silence();
}

#[test]
fn half_sent_messages_of_players_do_not_stop_the_gm() {
    let server = start();
    let mut gm = greeted(&server);
    let mut header = vec![0x81, 0xff];
    header.extend((16u64 << 20).to_be_bytes());
    header.extend([0; 5]);
    let players: Vec<_> = (0..40)
        .map(|_| {
            let mut player = server
                .websocket_with(&[("x-forwarded-for", "10.0.0.1")])
                .unwrap();
            player.0.get_mut().write_all(&header).unwrap();
            player
        })
        .collect();
    let pad = "x".repeat(200 << 10);
    gm.say(&format!(
        r#"{{"type":"scene_update","scene":{{"pad":"{pad}"}}}}"#
    ));
    assert!(gm.hear().len() > 200 << 10);
    drop(players);
}

#[test]
fn sockets_are_counted() {
    let server = start_with(&["--max-connections", "2"]);
    let open: Vec<_> = (0..4).map(|_| greeted(&server)).collect();
    match server.websocket_with(&[]) {
        Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 503),
        other => panic!("{:?}", other.map(|_| "connected")),
    }
    drop(open);
    let start = Instant::now();
    while server.websocket_with(&[]).is_err() {
        assert!(start.elapsed() < PATIENCE);
    }
}
