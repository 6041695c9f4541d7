//! A socket ends with the proof that it was opened with.

use crate::support::{Socket, TestServer, start_with};
use serde_json::{Value, json};

const CLOSED: &[&str] = &[
    "--loopback-gm",
    "false",
    "--players",
    "code",
    "--gm-password",
    "sesame",
];

/// "Not signed in" (live-sync, section 9).
const NOT_SIGNED_IN: u16 = 4401;

fn gm(server: &TestServer) -> String {
    let answer = server.post("/signin", &json!({"password": "sesame"}));
    assert_eq!(answer.status, 204);
    answer.cookies()
}

fn send(server: &TestServer, cookie: &str, method: &str, path: &str) -> Value {
    let answer = server.send(method, path, &[("cookie", cookie)], b"");
    assert!(answer.status < 300, "{}", answer.text());
    if answer.body.is_empty() {
        return Value::Null;
    }
    answer.value()
}

fn join(server: &TestServer, code: &Value, role: &str) -> String {
    let answer = server.post("/tables/join", &json!({"code": code, "role": role}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.cookies()
}

/// SpellTable's socket, one of our own protocol, and one that has not said hello.
struct Three {
    page: Socket,
    member: Socket,
    silent: Socket,
}

fn open(server: &TestServer, cookie: &str) -> Three {
    let headers = [("cookie", cookie)];
    let mut page = server.websocket_with(&headers).unwrap();
    page.hear();
    let mut member = server.websocket_at("/ws/table", &headers).unwrap();
    member.say(r#"{"type":"hello","proto":1,"table":"main","name":"x"}"#);
    assert!(member.hear().contains(r#""type":"welcome""#));
    let silent = server.websocket_at("/ws/table", &headers).unwrap();
    Three {
        page,
        member,
        silent,
    }
}

impl Three {
    fn expect_closed(mut self) {
        for socket in [&mut self.page, &mut self.member, &mut self.silent] {
            assert_eq!(socket.close_code(), NOT_SIGNED_IN);
        }
    }

    /// Whether all are answered; what others did may be heard before.
    fn expect_open(&mut self) {
        for socket in [&mut self.page, &mut self.member, &mut self.silent] {
            let done = tungstenite::Message::Ping(b"done".as_slice().into());
            socket.0.send(done).unwrap();
            loop {
                match socket.0.read().unwrap() {
                    tungstenite::Message::Pong(payload) if &payload[..] == b"done" => break,
                    tungstenite::Message::Close(frame) => panic!("closed: {frame:?}"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn signing_out_closes_the_sockets_of_that_sign_in_and_no_others() {
    let server = start_with(CLOSED);
    let (laptop, tablet) = (gm(&server), gm(&server));
    let code = send(&server, &laptop, "GET", "/tables")["tables"][0]["code"].clone();
    let phone = join(&server, &code, "player");
    let (on_laptop, mut on_tablet) = (open(&server, &laptop), open(&server, &tablet));
    let mut on_phone = open(&server, &phone);
    send(&server, &laptop, "POST", "/signout");
    on_laptop.expect_closed();
    on_tablet.expect_open();
    on_phone.expect_open();
    // Signing out again ends nobody else, either.
    server.send("POST", "/signout", &[("cookie", &laptop)], b"");
    on_tablet.expect_open();
}

#[test]
fn a_renewed_code_closes_the_sockets_of_those_who_joined_with_the_old_one() {
    let server = start_with(CLOSED);
    let gm = gm(&server);
    let code = send(&server, &gm, "GET", "/tables")["tables"][0]["code"].clone();
    let (phone, tv) = (
        join(&server, &code, "player"),
        join(&server, &code, "display"),
    );
    // The GM's own browser has joined as well; its role does not come from that.
    let both = format!("{gm}; {}", join(&server, &code, "player"));
    let (on_phone, on_tv) = (open(&server, &phone), open(&server, &tv));
    let mut of_gm = open(&server, &both);
    let renewed = send(&server, &gm, "POST", "/tables/main/code");
    on_phone.expect_closed();
    on_tv.expect_closed();
    of_gm.expect_open();
    let mut anew = open(&server, &join(&server, &renewed["code"], "player"));
    anew.expect_open();
    let refused = server.websocket_with(&[("cookie", &phone)]);
    assert!(matches!(refused, Err(tungstenite::Error::Http(answer)) if answer.status() == 403));
}

#[test]
fn where_doors_are_open_only_those_are_closed_who_came_with_the_code() {
    let server = start_with(&["--gm-password", "sesame"]);
    let code = send(&server, "", "GET", "/tables")["tables"][0]["code"].clone();
    let joined = open(&server, &join(&server, &code, "display"));
    let mut by_place = open(&server, "");
    send(&server, "", "POST", "/tables/main/code");
    by_place.expect_open();
    // The GM by place is the GM with or without a code.
    let mut joined = joined;
    joined.expect_open();
    let server = start_with(&["--loopback-gm", "false", "--gm-password", "sesame"]);
    let gm = gm(&server);
    let code = send(&server, &gm, "GET", "/tables")["tables"][0]["code"].clone();
    let joined = open(&server, &join(&server, &code, "display"));
    let mut passer_by = open(&server, "");
    send(&server, &gm, "POST", "/tables/main/code");
    joined.expect_closed();
    passer_by.expect_open();
}

#[test]
fn who_revokes_and_hangs_up_has_revoked() {
    use std::io::Write;
    let server = start_with(CLOSED);
    for _ in 0..5 {
        let gm = gm(&server);
        let open = open(&server, &gm);
        let mut asker = std::net::TcpStream::connect(server.addr).unwrap();
        let request = format!(
            "POST /signout HTTP/1.1\r\nhost: {}\r\ncookie: {gm}\r\ncontent-length: 0\r\n\r\n",
            server.addr
        );
        asker.write_all(request.as_bytes()).unwrap();
        drop(asker);
        open.expect_closed();
    }
}
