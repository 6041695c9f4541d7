//! The PeerJS broker: every row of its contract, over real sockets.

use crate::support::{PATIENCE, Socket, TestServer, raw, send_to, start, start_with, websocket_on};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tungstenite::Message;

/// The broker at one of its two addresses of the main listener, and at those of its own.
const MOUNTS: [(bool, &str); 4] = [
    (false, "/"),
    (false, "/peerjs/"),
    (true, "/"),
    (true, "/peerjs/"),
];

/// One client of the broker.
struct Peer {
    socket: Socket,
    id: String,
}

fn connect(addr: SocketAddr, query: &str) -> Socket {
    connect_at(addr, &format!("/peerjs?{query}"))
}

fn connect_at(addr: SocketAddr, path: &str) -> Socket {
    let stream = TcpStream::connect(addr).unwrap();
    let url = format!("ws://{addr}{path}");
    websocket_on(stream, &url, &[]).unwrap().0
}

impl Peer {
    /// Who is registered.
    fn new(addr: SocketAddr, id: &str) -> Self {
        Self::with_token(addr, id, "t")
    }

    fn with_token(addr: SocketAddr, id: &str, token: &str) -> Self {
        let mut peer = Self {
            socket: connect(
                addr,
                &format!("key=peerjs&id={id}&token={token}&version=1.5.5"),
            ),
            id: id.to_owned(),
        };
        assert_eq!(peer.hear(), json!({"type": "OPEN"}));
        peer
    }

    fn say(&mut self, text: &str) {
        self.socket.say(text);
    }

    fn send(&mut self, kind: &str, dst: &str, payload: &Value) {
        let message = json!({"type": kind, "payload": payload, "dst": dst});
        self.say(&message.to_string());
    }

    fn hear(&mut self) -> Value {
        serde_json::from_str(&self.socket.hear()).unwrap()
    }

    /// Checks that `other` hears nothing but this one's next word.
    fn reaches(&mut self, other: &mut Self) {
        self.send("OFFER", &other.id, &json!("marker"));
        let expected =
            json!({"type": "OFFER", "src": self.id, "dst": other.id, "payload": "marker"});
        assert_eq!(other.hear(), expected);
    }

    fn close(mut self) {
        let _ = self.socket.0.close(None);
        let _ = self.socket.0.flush();
        let mut rest = Vec::new();
        let _ = self.socket.0.get_mut().read_to_end(&mut rest);
    }
}

/// Waits for the end; it must be a close frame without a code.
fn ends(socket: &mut Socket) {
    loop {
        match socket.0.read().unwrap() {
            Message::Close(None) => return,
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("expected the end, got {other:?}"),
        }
    }
}

/// Somebody who is told this instead of OPEN, and no more.
fn is_refused(mut socket: Socket, kind: &str) {
    let told: Value = serde_json::from_str(&socket.hear()).unwrap();
    assert_eq!(told["type"], kind, "{told}");
    assert!(told["payload"]["msg"].is_string(), "{told}");
    assert_eq!(told.as_object().unwrap().len(), 2);
    ends(&mut socket);
}

fn is_uuid(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|id| id.get_version_num() == 4 && id.to_string() == text)
}

/// Where the broker is: a server, and the address of the listener with the mount.
fn mounted(own: bool) -> (TestServer, SocketAddr) {
    let mut server = start_with(&["--speak", "peerjs@0"]);
    let listener = server.listener("peerjs");
    let addr = if own { listener } else { server.addr };
    (server, addr)
}

// B2: HTTP.

#[test]
fn an_id_is_a_fresh_uuid_and_nothing_else() {
    for (own, base) in MOUNTS {
        let (_server, addr) = mounted(own);
        let path = format!("{base}peerjs/id?ts=17&version=1.5.5");
        let mut seen = HashSet::new();
        for method in ["GET", "GET", "HEAD"] {
            let answer = send_to(addr, method, &path, &[], b"");
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(
                answer.header("content-type"),
                Some("text/html; charset=utf-8")
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            match method {
                "HEAD" => assert_eq!(answer.text(), ""),
                _ => assert!(is_uuid(&answer.text()) && seen.insert(answer.text())),
            }
        }
    }
}

#[test]
fn ids_are_listed_only_where_that_is_allowed() {
    for (own, base) in MOUNTS {
        let (_server, addr) = mounted(own);
        let answer = send_to(addr, "GET", &format!("{base}peerjs/peers"), &[], b"");
        assert_eq!(answer.status, 401, "{base}");
    }
    let server = start_with(&["--peerjs-allow-discovery"]);
    let list = || server.get("/peerjs/peers").value();
    assert_eq!(list(), json!([]));
    let (one, two) = (Peer::new(server.addr, "b"), Peer::new(server.addr, "a%20c"));
    assert_eq!(list(), json!(["a c", "b"]));
    assert_eq!(
        server.get("/peerjs/peerjs/peers").value(),
        json!(["a c", "b"])
    );
    drop((one, two));
    server.wait_for("/peerjs/peers", |ids| *ids == json!([]));
}

#[test]
fn the_broker_says_what_it_is() {
    let (server, addr) = mounted(true);
    for (addr, path) in [
        (addr, "/"),
        (addr, "/peerjs/"),
        (server.addr, "/peerjs/"),
        (server.addr, "/peerjs"),
    ] {
        let answer = send_to(addr, "GET", path, &[], b"");
        assert_eq!(answer.status, 200, "{path}");
        for key in ["name", "description", "website"] {
            assert!(answer.value()[key].is_string(), "{path} {key}");
        }
        assert_eq!(send_to(addr, "HEAD", path, &[], b"").status, 200);
    }
}

#[test]
fn other_paths_methods_and_keys_are_not_found() {
    for (own, base) in MOUNTS {
        let (_server, addr) = mounted(own);
        for (method, path) in [
            ("POST", "peerjs/id"),
            ("PUT", "peerjs/peers"),
            ("DELETE", "peerjs/id"),
            ("PATCH", "peerjs/id"),
            ("GET", "peerjs/nothing"),
            ("GET", "peerjs/id/more"),
            ("GET", "anything/id"),
            ("GET", "PEERJS/id"),
            ("GET", "anything/peers"),
        ] {
            let answer = send_to(addr, method, &format!("{base}{path}"), &[], b"");
            assert_eq!(answer.status, 404, "{own} {base} {method} {path}");
        }
    }
}

#[test]
fn pages_that_may_ask_can_read_the_answers() {
    let page = ("origin", "http://localhost:3000");
    for (own, base) in MOUNTS {
        let (_server, addr) = mounted(own);
        for path in ["peerjs/id", "peerjs/peers", "peerjs/nothing"] {
            let path = format!("{base}{path}");
            let answer = send_to(addr, "GET", &path, &[page, ("cookie", "a=b")], b"");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                Some(page.1),
                "{path}"
            );
            assert_eq!(answer.header("vary"), Some("Origin"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            let foreign = send_to(
                addr,
                "GET",
                &path,
                &[("origin", "https://evil.example")],
                b"",
            );
            assert_eq!(foreign.header("access-control-allow-origin"), None);
            assert_eq!(foreign.status, answer.status);
        }
        let ask = [
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "x-a,x-b"),
        ];
        let path = format!("{base}peerjs/id");
        let answer = send_to(addr, "OPTIONS", &path, &[&[page], &ask[..]].concat(), b"");
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        for (name, value) in [
            ("access-control-allow-origin", Some(page.1)),
            (
                "access-control-allow-methods",
                Some("GET,HEAD,PUT,PATCH,POST,DELETE"),
            ),
            ("access-control-allow-headers", Some("x-a,x-b")),
            ("access-control-allow-credentials", None),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        let foreign = [("origin", "https://evil.example"), ask[0]];
        let answer = send_to(addr, "OPTIONS", &path, &foreign, b"");
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (204, None)
        );
    }
}

// B3: the WebSocket.

#[test]
fn who_says_who_it_is_hears_open_first() {
    for (own, base) in MOUNTS {
        let (_server, addr) = mounted(own);
        let path = format!("{base}peerjs?key=peerjs&id=a%20b&token=x%26y&version=1.5.5&more=1");
        let mut socket = connect_at(addr, &path);
        assert_eq!(socket.hear(), r#"{"type":"OPEN"}"#);
        socket.expect_silence();
    }
}

#[test]
fn other_paths_are_refused_before_the_upgrade() {
    for (own, paths) in [
        (
            false,
            &["/peerjs/", "/peerjs/peerjs/", "/peerjs/other", "/peerjs/id"][..],
        ),
        (
            true,
            &[
                "/",
                "/ws",
                "/peerjs/",
                "/peerjs/peerjs/",
                "/other",
                "/peerjs/id",
            ],
        ),
    ] {
        let (_server, addr) = mounted(own);
        for path in paths {
            let url = format!("ws://{addr}{path}?key=peerjs&id=a&token=t");
            let stream = TcpStream::connect(addr).unwrap();
            match websocket_on(stream, &url, &[]) {
                Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 400, "{path}"),
                other => panic!("{path}: {:?}", other.map(|_| "connected")),
            }
        }
    }
}

#[rstest]
#[case::nothing("")]
#[case::no_id("key=peerjs&token=t")]
#[case::no_token("key=peerjs&id=a")]
#[case::no_key("id=a&token=t")]
#[case::empty_id("key=peerjs&id=&token=t")]
#[case::empty_token("key=peerjs&id=a&token=")]
#[case::empty_key("key=&id=a&token=t")]
#[case::the_last_id_counts("key=peerjs&id=a&token=t&id=")]
#[case::another_key("key=other&id=a&token=t")]
#[case::the_key_in_capitals("key=PEERJS&id=a&token=t")]
#[case::a_control_character("key=peerjs&id=a%0Ab&token=t")]
fn who_does_not_say_who_it_is_hears_why(#[case] query: &str) {
    let server = start();
    is_refused(connect(server.addr, query), "ERROR");
}

#[test]
fn an_id_has_at_most_128_characters() {
    let server = start();
    let long = "x".repeat(128);
    Peer::new(server.addr, &long);
    let query = format!("key=peerjs&id={long}x&token=t");
    is_refused(connect(server.addr, &query), "ERROR");
}

#[test]
fn a_taken_id_is_not_given_away() {
    let server = start();
    let mut owner = Peer::with_token(server.addr, "a", "mine");
    let mut other = Peer::new(server.addr, "b");
    for token in ["yours", "min", "mine2", "Mine"] {
        let query = format!("key=peerjs&id=a&token={token}");
        is_refused(connect(server.addr, &query), "ID-TAKEN");
    }
    other.reaches(&mut owner);
    owner.close();
    Peer::with_token(server.addr, "a", "yours");
}

#[test]
fn there_are_only_so_many_ids() {
    let server = start_with(&["--peerjs-concurrent-limit", "2"]);
    let one = Peer::new(server.addr, "a");
    let _two = Peer::new(server.addr, "b");
    is_refused(connect(server.addr, "key=peerjs&id=c&token=t"), "ERROR");
    // Taking over takes no place.
    let again = Peer::new(server.addr, "a");
    again.close();
    drop(one);
    Peer::new(server.addr, "c");
}

#[test]
fn foreign_pages_get_no_socket() {
    let (_server, addr) = mounted(true);
    for (origin, fine) in [
        ("https://evil.example", false),
        ("null", false),
        ("http://localhost:3000", true),
    ] {
        let stream = TcpStream::connect(addr).unwrap();
        let url = format!("ws://{addr}/peerjs?key=peerjs&id=a&token=t");
        match websocket_on(stream, &url, &[("origin", origin)]) {
            Ok(_) => assert!(fine, "{origin}"),
            Err(tungstenite::Error::Http(answer)) => {
                assert_eq!((answer.status().as_u16(), fine), (403, false), "{origin}");
            }
            Err(other) => panic!("{origin}: {other}"),
        }
    }
}

// B4: frames.

#[rstest]
fn what_is_for_somebody_is_passed_on_as_it_came(
    #[values("OFFER", "ANSWER", "CANDIDATE", "LEAVE")] kind: &str,
) {
    let server = start();
    let (mut a, mut b) = (Peer::new(server.addr, "a"), Peer::new(server.addr, "b"));
    for (payload, more) in [
        (
            r#"{"sdp":{"type":"offer","sdp":"v=0\r\n"},"type":"media","connectionId":"mc_1","metadata":{"n":1e999, "z":[ ]}}"#,
            "",
        ),
        ("\"text\"", r#","src":"forged","timestamp":1"#),
        ("null", ""),
        ("12345678901234567890", ""),
    ] {
        a.say(&format!(
            r#"{{"type":"{kind}","payload":{payload},"dst":"b"{more}}}"#
        ));
        let expected = format!(r#"{{"type":"{kind}","src":"a","dst":"b","payload":{payload}}}"#);
        assert_eq!(b.socket.hear(), expected);
    }
    a.say(&format!(r#"{{"dst":"b","type":"{kind}"}}"#));
    assert_eq!(
        b.socket.hear(),
        format!(r#"{{"type":"{kind}","src":"a","dst":"b"}}"#)
    );
    // To oneself.
    a.send(kind, "a", &json!(1));
    assert_eq!(
        a.hear(),
        json!({"type": kind, "src": "a", "dst": "a", "payload": 1})
    );
    // A binary message with the same text.
    let binary = format!(r#"{{"type":"{kind}","dst":"b","payload":2}}"#);
    a.socket
        .0
        .send(Message::binary(binary.into_bytes()))
        .unwrap();
    assert_eq!(
        b.hear(),
        json!({"type": kind, "src": "a", "dst": "b", "payload": 2})
    );
    b.socket.expect_silence();
}

#[test]
fn a_heartbeat_is_not_answered() {
    let server = start();
    let mut a = Peer::new(server.addr, "a");
    a.say(r#"{"type":"HEARTBEAT"}"#);
    a.socket.expect_silence();
}

#[test]
fn what_only_the_server_says_and_what_nobody_knows_goes_nowhere() {
    let server = start();
    let (mut a, mut b) = (Peer::new(server.addr, "a"), Peer::new(server.addr, "b"));
    for kind in [
        "EXPIRE",
        "OPEN",
        "ID-TAKEN",
        "ERROR",
        "INVALID-KEY",
        "WHATEVER",
        "offer",
        "",
    ] {
        a.send(kind, "b", &json!(1));
    }
    a.say(r#"{"type":"OFFER","payload":1}"#);
    a.say(r#"{"type":"OFFER","payload":1,"dst":null}"#);
    a.reaches(&mut b);
    a.socket.expect_silence();
}

#[test]
fn a_malformed_frame_harms_nobody() {
    let server = start();
    let (mut a, mut b) = (Peer::new(server.addr, "a"), Peer::new(server.addr, "b"));
    for text in [
        "{bad",
        "null",
        "5",
        "\"x\"",
        "",
        "[]",
        "{}",
        "true",
        "[{\"type\":\"OFFER\"}]",
        "{\"type\":{}}",
    ] {
        a.say(text);
    }
    let deep = format!(
        "{{\"type\":\"OFFER\",\"dst\":\"b\",\"payload\":{}}}",
        "[".repeat(10_000)
    );
    a.say(&deep);
    a.socket.0.send(Message::binary(vec![0xff, 0, 1])).unwrap();
    a.reaches(&mut b);
    b.reaches(&mut a);
}

#[test]
fn who_comes_in_time_gets_what_waited_in_order() {
    let server = start();
    let mut a = Peer::new(server.addr, "a");
    for n in 0..20 {
        a.send(["OFFER", "ANSWER", "CANDIDATE"][n % 3], "b", &json!(n));
    }
    // Never kept.
    a.send("LEAVE", "b", &json!(99));
    // Whoever hears the next one knows that the broker is through with those before.
    a.reaches(&mut Peer::new(server.addr, "c"));
    let mut b = Peer::new(server.addr, "b");
    for n in 0..20 {
        assert_eq!(b.hear()["payload"], n);
    }
    a.reaches(&mut b);
}

#[test]
fn who_waits_in_vain_hears_it_once() {
    let server = start_with(&["--peerjs-expire-timeout", "300"]);
    let mut a = Peer::new(server.addr, "a");
    let mut b = Peer::new(server.addr, "b");
    let start = Instant::now();
    for peer in [&mut a, &mut b] {
        peer.send("OFFER", "x", &json!(1));
        peer.send("CANDIDATE", "x", &json!(2));
    }
    for peer in [&mut a, &mut b] {
        let expected = json!({"type": "EXPIRE", "src": "x", "dst": peer.id});
        assert_eq!(peer.hear(), expected);
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    a.reaches(&mut b);
    b.reaches(&mut a);
    // Nothing is left for who comes now.
    Peer::new(server.addr, "x").socket.expect_silence();
}

#[test]
fn by_default_that_takes_five_to_six_seconds() {
    let server = start();
    let mut a = Peer::new(server.addr, "a");
    let start = Instant::now();
    a.send("OFFER", "x", &json!(1));
    assert_eq!(a.hear()["type"], "EXPIRE");
    let took = start.elapsed().as_secs_f64();
    assert!(took >= 5.0, "{took}");
}

#[test]
fn who_is_silent_is_dropped_and_who_only_answers_pings_is_not() {
    let server = start_with(&["--peerjs-alive-timeout", "4000", "--peerjs-allow-discovery"]);
    let mut mute = Peer::new(server.addr, "mute");
    let mut alive = Peer::new(server.addr, "alive");
    let mut beats = Peer::new(server.addr, "beats");
    let start = Instant::now();
    // The one is not read, so its pings go unanswered; the library answers the other's.
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let stream = alive.socket.0.get_ref();
            stream
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            while !stop.load(Ordering::Relaxed) {
                let _ = alive.socket.0.read();
                beats.say(r#"{"type":"HEARTBEAT"}"#);
            }
        });
        server.wait_for("/peerjs/peers", |ids| *ids == json!(["alive", "beats"]));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(3900), "{took:?}");
        let later = Instant::now();
        server.wait_for("/peerjs/peers", |ids| {
            assert_eq!(*ids, json!(["alive", "beats"]));
            later.elapsed() > Duration::from_secs(5)
        });
        stop.store(true, Ordering::Relaxed);
    });
    // Read by hand, as the library would answer the pings that came before.
    let mut rest = Vec::new();
    mute.socket.0.get_mut().read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(&[0x88, 0]), "{rest:?}");
}

#[test]
fn nobody_is_told_who_goes() {
    let server = start_with(&["--peerjs-allow-discovery"]);
    let mut a = Peer::new(server.addr, "a");
    let b = Peer::new(server.addr, "b");
    let c = Peer::new(server.addr, "c");
    b.close();
    // Without a word.
    c.socket
        .0
        .get_ref()
        .shutdown(std::net::Shutdown::Both)
        .unwrap();
    server.wait_for("/peerjs/peers", |ids| *ids == json!(["a"]));
    a.socket.expect_silence();
}

// C: what the original does wrong.

#[test]
fn taking_over_opens_and_closes_the_old_connection() {
    let server = start();
    let mut other = Peer::new(server.addr, "b");
    let mut old = Peer::new(server.addr, "a");
    let mut new = Peer::new(server.addr, "a");
    ends(&mut old.socket);
    drop(old);
    other.reaches(&mut new);
    new.reaches(&mut other);
}

#[test]
fn two_pages_with_one_token_do_not_fight_for_ever() {
    let server = start();
    let mut pages: Vec<_> = (0..4).map(|_| Peer::new(server.addr, "a")).collect();
    is_refused(connect(server.addr, "key=peerjs&id=a&token=t"), "ID-TAKEN");
    let last = pages.last_mut().unwrap();
    last.send("OFFER", "a", &json!(1));
    assert_eq!(last.hear()["src"], "a");
}

#[test]
fn leaving_frees_the_id_and_ends_the_connection() {
    let server = start();
    let mut old = Peer::new(server.addr, "a");
    let mut other = Peer::new(server.addr, "b");
    old.say(r#"{"type":"LEAVE"}"#);
    ends(&mut old.socket);
    let mut new = Peer::with_token(server.addr, "a", "another");
    drop(old);
    other.reaches(&mut new);
}

#[test]
fn a_full_queue_keeps_the_newest_and_still_expires() {
    let server = start_with(&["--peerjs-expire-timeout", "2500"]);
    let mut a = Peer::new(server.addr, "a");
    for absent in ["b", "c"] {
        for n in 0..70 {
            a.send("CANDIDATE", absent, &json!(n));
        }
    }
    a.socket.expect_silence();
    let mut b = Peer::new(server.addr, "b");
    for n in 6..70 {
        assert_eq!(b.hear()["payload"], n);
    }
    // Of one a part is lost although it came in time, of the other everything.
    for absent in ["b", "c"] {
        let expected = json!({"type": "EXPIRE", "src": absent, "dst": "a"});
        assert_eq!(a.hear(), expected);
    }
    a.reaches(&mut b);
}

#[test]
fn each_message_waits_its_own_time() {
    let server = start_with(&["--peerjs-expire-timeout", "3000"]);
    let (mut a, mut b) = (Peer::new(server.addr, "a"), Peer::new(server.addr, "b"));
    a.send("OFFER", "x", &json!("early"));
    // Something else that takes its time, to be late with the next message.
    let mut clock = Peer::new(server.addr, "clock");
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        clock.send("OFFER", "clock", &json!(1));
        clock.hear();
        std::thread::park_timeout(Duration::from_millis(50));
    }
    b.send("OFFER", "x", &json!("late"));
    assert_eq!(a.hear()["type"], "EXPIRE");
    let mut x = Peer::new(server.addr, "x");
    assert_eq!(x.hear()["payload"], "late");
    b.reaches(&mut a);
}

#[test]
fn a_message_has_at_most_so_many_bytes() {
    let server = start();
    let (mut a, mut b) = (Peer::new(server.addr, "a"), Peer::new(server.addr, "b"));
    let around = r#"{"type":"OFFER","dst":"b","payload":""}"#.len();
    let fits = "x".repeat((256 << 10) - around);
    a.say(&format!(
        r#"{{"type":"OFFER","dst":"b","payload":"{fits}"}}"#
    ));
    assert_eq!(b.hear()["payload"].as_str().unwrap().len(), fits.len());
    a.say(&format!(
        r#"{{"type":"OFFER","dst":"b","payload":"{fits}x"}}"#
    ));
    assert_eq!(a.socket.close_code(), 1009);
    b.socket.expect_silence();
    let server = start_with(&["--peerjs-max-message", "1K"]);
    let mut a = Peer::new(server.addr, "a");
    a.say(&"x".repeat(1025));
    assert_eq!(a.socket.close_code(), 1009);
}

#[test]
fn tokens_are_not_logged() {
    let server = start_with(&["--log", "debug", "--speak", "peerjs@0"]);
    Peer::with_token(server.addr, "a", "verysecret").close();
    is_refused(connect(server.addr, "key=peerjs&token=verysecret"), "ERROR");
    raw(
        server.addr,
        b"GET /peerjs?token=verysecret HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    );
    assert!(!server.log().contains("verysecret"), "{}", server.log());
}

#[test]
fn every_key_has_ids_of_its_own() {
    let mut server = start_with(&["--peerjs-key", "red,blue", "--speak", "peerjs@0"]);
    let own = server.listener("peerjs");
    let open = |key: &str, id: &str, token: &str| {
        let mut socket = connect(server.addr, &format!("key={key}&id={id}&token={token}"));
        assert_eq!(socket.hear(), r#"{"type":"OPEN"}"#);
        Peer {
            socket,
            id: id.to_owned(),
        }
    };
    let (mut red, mut blue) = (open("red", "a", "1"), open("blue", "a", "2"));
    let mut red_too = open("red", "b", "3");
    red_too.reaches(&mut red);
    blue.socket.expect_silence();
    is_refused(connect(server.addr, "key=peerjs&id=c&token=t"), "ERROR");
    for (path, status) in [
        ("/peerjs/red/id", 200),
        ("/peerjs/blue/id", 200),
        ("/peerjs/peerjs/id", 404),
        ("/peerjs/id", 404),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    assert_eq!(send_to(own, "GET", "/red/id", &[], b"").status, 200);
    assert_eq!(send_to(own, "GET", "/peerjs/id", &[], b"").status, 404);
}

#[test]
fn a_flood_is_ended_and_nobody_else_notices() {
    let server = start();
    let (mut a, mut b) = (Peer::new(server.addr, "a"), Peer::new(server.addr, "b"));
    let mut flooder = Peer::new(server.addr, "flooder");
    let flooding = std::thread::spawn(move || {
        let start = Instant::now();
        for n in 0u32..10_000 {
            let message = json!({"type": "OFFER", "dst": format!("{n}"), "payload": n});
            if flooder
                .socket
                .0
                .send(Message::text(message.to_string()))
                .is_err()
            {
                break;
            }
            // Ten thousand a second.
            while start.elapsed() < Duration::from_micros(100) * n {
                std::hint::spin_loop();
            }
        }
        flooder.socket.close_code()
    });
    let mut worst = Duration::ZERO;
    while !flooding.is_finished() {
        let start = Instant::now();
        a.reaches(&mut b);
        worst = worst.max(start.elapsed());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(flooding.join().unwrap(), 1008);
    assert!(worst < Duration::from_secs(5), "{worst:?}");
    a.reaches(&mut b);
    Peer::new(server.addr, "flooder");
}

#[test]
fn an_address_that_never_stops_connecting_is_told_so() {
    let server = start_with(&[
        "--peerjs-max-per-address",
        "5",
        "--peerjs-max-connects",
        "1",
    ]);
    for n in 0..5 {
        Peer::new(server.addr, &n.to_string()).close();
    }
    is_refused(connect(server.addr, "key=peerjs&id=a&token=t"), "ERROR");
}

#[test]
fn a_restart_is_announced_and_the_same_id_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = crate::support::start_in(folder.path(), &[]);
    let mut a = Peer::new(server.addr, "a");
    assert_eq!(server.terminate(), 0);
    assert_eq!(a.socket.close_code(), 1001);
    let server = crate::support::start_in(folder.path(), &[]);
    Peer::new(server.addr, "a");
}

#[test]
fn the_figures_say_what_goes_on() {
    let server = start();
    let (mut a, mut b) = (Peer::new(server.addr, "a"), Peer::new(server.addr, "b"));
    a.reaches(&mut b);
    a.send("LEAVE", "b", &json!(1));
    b.hear();
    let metrics = server.get("/metrics").text();
    for line in [
        "tablekeep_members{dialect=\"peerjs\"} 2\n",
        "tablekeep_peerjs_relays_total{type=\"offer\"} 1\n",
        "tablekeep_peerjs_relays_total{type=\"leave\"} 1\n",
        "tablekeep_peerjs_expired_total 0\n",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    let start = Instant::now();
    a.close();
    while !server
        .get("/metrics")
        .text()
        .contains("tablekeep_members{dialect=\"peerjs\"} 1\n")
    {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}
