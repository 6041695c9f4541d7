//! A socket ends with the proof that it was opened with.

use crate::accounts::House;
use crate::support::{Socket, TestServer, start_with};
use crate::table_client::{Member, new_id};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tablekeep::access::{ACCOUNT_SIGN_IN, Keys, LEEWAY, Passes, Role, SIGN_IN};
use tablekeep::config::Secret;
use tablekeep::model::TableId;
use tablekeep::tables::Directory;

const CLOSED: &[&str] = &[
    "--loopback-gm",
    "false",
    "--players",
    "code",
    "--gm-password",
    "sesame",
];

/// "Not signed in", and "removed" (live-sync, section 9).
const NOT_SIGNED_IN: u16 = 4401;
const REMOVED: u16 = 4403;
/// What is left of a proof when its sockets are opened.
const SOON: Duration = Duration::from_secs(5);

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

#[test]
fn a_socket_ends_when_the_cookie_runs_out_that_opened_it() {
    const JOINED: Duration = Duration::from_secs(90 * 24 * 60 * 60);
    let server = start_with(CLOSED);
    let fresh = gm(&server);
    let private = server.path(".tablekeep");
    let book = Directory::open(private.join("tables.json"), 10).unwrap();
    let password = Secret::new("sesame".into());
    let keys = Keys::open(&private).unwrap();
    let passes = Passes::new(&keys, Some(&password), Arc::new(book), &private);
    let pair = |line: &str| line.split(';').next().unwrap().to_owned();
    let at = |age| SystemTime::now() + SOON - age;
    let [line, _] = passes.sign_in("sesame", at(SIGN_IN), false).unwrap();
    let gm = pair(&line);
    let line = passes.admit(TableId::MAIN, Role::Player, true, at(JOINED), false);
    let player = pair(&line.unwrap());
    let (on_gm, on_player) = (open(&server, &gm), open(&server, &player));
    let mut stays = open(&server, &fresh);
    on_gm.expect_closed();
    on_player.expect_closed();
    stays.expect_open();
}

#[test]
fn a_socket_ends_when_the_token_runs_out_that_opened_it() {
    let house = House::open(&["--players", "code"]);
    let token = house.older_by(ACCOUNT_SIGN_IN + LEEWAY - SOON);
    let bearer = format!("Bearer {token}");
    let mut page = house
        .server
        .websocket_with(&[("authorization", bearer.as_str())])
        .unwrap();
    let mut member = Member::join_as(&house.server, &[], hello(&json!(token)));
    let mut stays = Member::join_as(&house.server, &[], hello(&json!(house.admin)));
    assert_eq!(page.close_code(), NOT_SIGNED_IN);
    assert_eq!(member.closed().0, NOT_SIGNED_IN);
    stays.ask(json!({"type": "roll", "id": new_id(), "expr": "1d6"}));
}

/// Hello with an account's token.
fn hello(token: &Value) -> Value {
    json!({"type": "hello", "proto": 1, "table": "main", "name": "x", "token": token})
}

#[test]
fn hello_may_bring_the_token_that_proves_who_somebody_is() {
    let house = House::open(&["--players", "code"]);
    let viewer = house.viewer("vera");
    let mut admin = Member::join_as(&house.server, &[], hello(&json!(house.admin)));
    assert_eq!(admin.welcome["you"]["role"], "gm");
    let mut player = Member::join_as(&house.server, &[], hello(&json!(viewer)));
    assert_eq!(player.welcome["you"]["role"], "player");
    // Whoever asks for less gets less.
    let mut modest = hello(&json!(house.admin));
    modest["role"] = json!("display");
    let display = Member::join_as(&house.server, &[], modest);
    assert_eq!(display.welcome["you"]["role"], "display");
    // What counts in a header counts here, and nothing else.
    for bad in [
        json!(house.expired()),
        json!("x"),
        json!(""),
        Value::Null,
        json!(7),
    ] {
        let mut refused = house.server.websocket_at("/ws/table", &[]).unwrap();
        refused.say(&hello(&bad).to_string());
        assert_eq!(refused.close_code(), NOT_SIGNED_IN, "{bad}");
    }
    // A token counts more than what the handshake said, as a header does more than a cookie.
    let bearer = format!("Bearer {}", house.admin);
    let header = [("authorization", bearer.as_str())];
    let lower = Member::join_as(&house.server, &header, hello(&json!(viewer)));
    assert_eq!(lower.welcome["you"]["role"], "player");
    let header = [("authorization", bearer.as_str())];
    let answer = house.server.send("POST", "/signout", &header, b"");
    assert_eq!(answer.status, 204);
    assert_eq!(admin.closed().0, NOT_SIGNED_IN);
    player.ask(json!({"type": "roll", "id": new_id(), "expr": "1d6"}));
}

#[test]
fn who_is_removed_is_removed_on_all_sockets_of_that_joining() {
    let server = start_with(CLOSED);
    let gm = gm(&server);
    let code = send(&server, &gm, "GET", "/tables")["tables"][0]["code"].clone();
    let (phone, other) = (
        join(&server, &code, "player"),
        join(&server, &code, "player"),
    );
    let hello = || json!({"type": "hello", "proto": 1, "table": "main", "name": "x"});
    for (by_rest, sleeps) in [(true, false), (false, false), (false, true)] {
        let mut of_gm = open(&server, &gm);
        let mut chief = Member::join_as(&server, &[("cookie", gm.as_str())], hello());
        let mut further = open(&server, &phone);
        let mut others = open(&server, &other);
        let removed = Member::join_as(&server, &[("cookie", phone.as_str())], hello());
        let id = removed.id().to_owned();
        let mut awake = Some(removed);
        if sleeps {
            awake = None;
            while chief.until_type("member_left")["member"]["id"] != id {}
        }
        if by_rest {
            send(
                &server,
                &gm,
                "DELETE",
                &format!("/tables/main/members/{id}"),
            );
        } else {
            let ack = chief.ask(json!({"type": "kick", "id": new_id(), "member": id}));
            assert_eq!(ack["type"], "ack");
        }
        if let Some(mut removed) = awake {
            assert_eq!(removed.closed().0, REMOVED);
        }
        for socket in [&mut further.page, &mut further.member, &mut further.silent] {
            assert_eq!(socket.close_code(), REMOVED);
        }
        others.expect_open();
        of_gm.expect_open();
    }
}

#[test]
fn who_joined_twice_is_removed_from_what_either_joining_opened() {
    let server = start_with(CLOSED);
    let gm = gm(&server);
    let code = send(&server, &gm, "GET", "/tables")["tables"][0]["code"].clone();
    let joinings = [(); 2].map(|()| join(&server, &code, "player"));
    let mut further = [open(&server, &joinings[0]), open(&server, &joinings[1])];
    let mut hello = json!({"type": "hello", "proto": 1, "table": "main", "name": "x"});
    let first = Member::join_as(&server, &[("cookie", &joinings[0])], hello.clone());
    let id = first.id().to_owned();
    hello["resume_token"] = json!(first.token());
    let second = Member::join_as(&server, &[("cookie", &joinings[1])], hello);
    assert_eq!(second.id(), id);
    send(
        &server,
        &gm,
        "DELETE",
        &format!("/tables/main/members/{id}"),
    );
    for three in &mut further {
        assert_eq!(three.page.close_code(), REMOVED);
    }
}

#[test]
fn a_player_with_an_account_is_removed_from_all_its_screens_and_the_gm_only_from_one() {
    let house = House::open(&["--players", "code"]);
    let viewer = house.viewer("vera");
    let server = &house.server;
    let page = |token: &str| {
        let bearer = format!("Bearer {token}");
        let header = [("authorization", bearer.as_str())];
        server.websocket_with(&header).unwrap()
    };
    let mut gm = Member::join_as(server, &[], hello(&json!(house.admin)));
    let mut second = Member::join_as(server, &[], hello(&json!(house.admin)));
    let mut player = Member::join_as(server, &[], hello(&json!(viewer)));
    let mut on_page = page(&viewer);
    for member in [&mut player, &mut second] {
        let kick = json!({"type": "kick", "id": new_id(), "member": member.id()});
        assert_eq!(gm.ask(kick)["type"], "ack");
        assert_eq!(member.closed().0, REMOVED);
    }
    assert_eq!(on_page.close_code(), REMOVED);
    gm.ask(json!({"type": "roll", "id": new_id(), "expr": "1d6"}));
}
