//! Tables, and the ways to them.

use crate::support::{Answer, TestServer, start, start_in, start_with};
use rstest::rstest;
use serde_json::{Value, json};

const CODE: &[&str] = &[
    "--loopback-gm",
    "false",
    "--players",
    "code",
    "--gm-password",
    "sesame",
];

/// The `Cookie` of a GM who has signed in.
fn gm(server: &TestServer) -> String {
    let answer = server.post("/signin", &json!({"password": "sesame"}));
    assert_eq!(answer.status, 204);
    answer.cookies()
}

fn with_cookie(server: &TestServer, cookie: &str, method: &str, path: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("cookie", cookie)];
    server.send(method, path, &headers, body.as_bytes())
}

fn tables(server: &TestServer, cookie: &str) -> Vec<Value> {
    let list = with_cookie(server, cookie, "GET", "/tables", "").value();
    list["tables"].as_array().unwrap().clone()
}

fn create(server: &TestServer, cookie: &str, name: &str) -> Value {
    let body = json!({ "name": name }).to_string();
    let answer = with_cookie(server, cookie, "POST", "/tables", &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.value()
}

/// Joins, and returns the cookie.
fn join(server: &TestServer, table: &Value, role: &str) -> String {
    let body = json!({"code": table["code"], "role": role});
    let answer = server.post("/tables/join", &body);
    let expected = json!({"id": table["id"], "name": table["name"]});
    assert_eq!(answer.whole(), (200, expected));
    answer.cookies()
}

/// What a player at a table may see.
const SEEN: [&str; 3] = [
    "/audio/list",
    "/maps/file/shown.png",
    "/audio/file/loop/drip.wav",
];

fn statuses(server: &TestServer, cookie: &str) -> [u16; 3] {
    SEEN.map(|path| with_cookie(server, cookie, "GET", path, "").status)
}

/// A folder whose table shows a map and has a sound.
fn furnished() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |below: &str, bytes: &[u8]| crate::support::write_file(folder.path(), below, bytes);
    put("maps/shown.png", crate::support::PNG);
    put("sounds/loop/drip.wav", &crate::support::wav(1));
    put(
        "scenes/current_scene.json",
        br#"{"maps":[{"name":"shown.png"}]}"#,
    );
    folder
}

#[test]
fn the_door_tells_a_browser_its_own_seat_and_takes_none() {
    let server = start_with(CODE);
    let gm = gm(&server);
    let tuesday = create(&server, &gm, "Tuesday");
    let door = |cookie: &str| with_cookie(&server, cookie, "GET", "/tables/join", "");
    let nobody = door("");
    assert_eq!(nobody.whole(), (200, json!({"open": false, "seat": null})));
    assert_eq!(nobody.header("set-cookie"), None);
    let screen = join(&server, &tuesday, "display");
    let seat = json!({"id": tuesday["id"], "name": "Tuesday", "role": "display"});
    let known = door(&screen);
    assert_eq!(known.value(), json!({"open": false, "seat": seat}));
    assert_eq!(known.header("set-cookie"), None);
    // Not for a page from elsewhere, and not any more once the code is another.
    let headers = [
        ("cookie", screen.as_str()),
        ("origin", "https://evil.example"),
    ];
    let foreign = server.send("GET", "/tables/join", &headers, b"");
    assert_eq!(foreign.value()["seat"], Value::Null);
    let path = format!("/tables/{}/code", tuesday["id"].as_str().unwrap());
    assert_eq!(with_cookie(&server, &gm, "POST", &path, "").status, 200);
    assert_eq!(door(&screen).value()["seat"], Value::Null);
    let open = start_with(&["--loopback-gm", "false"]);
    let door = open.get("/tables/join");
    assert_eq!(door.value(), json!({"open": true, "seat": null}));
}

#[test]
fn tables_are_made_listed_and_deleted() {
    let server = start();
    let list = tables(&server, "");
    assert_eq!(list.len(), 1);
    assert_eq!(
        (list[0]["id"].as_str(), list[0]["members"].as_u64()),
        (Some("main"), Some(0))
    );
    let made = create(&server, "", "  Tuesday 🎲 ");
    assert_eq!(made["name"], "Tuesday 🎲");
    let code = made["code"].as_str().unwrap();
    assert!(
        code.len() == 4
            && code
                .bytes()
                .all(|b| b"BCDFGHJKMNPQRSTVWXYZ34679".contains(&b))
    );
    assert_ne!(made["code"], list[0]["code"]);
    assert!(made["created_at"].as_u64().unwrap() > 1_700_000_000);
    assert_eq!(tables(&server, ""), [list[0].clone(), made.clone()]);
    let path = format!("/tables/{}", made["id"].as_str().unwrap());
    let message = json!({"message": "Table 'Tuesday 🎲' deleted"});
    assert_eq!(server.delete(&path).whole(), (200, message));
    assert_eq!(server.delete(&path).status, 404);
    assert_eq!(server.delete("/tables/main").status, 409);
    assert_eq!(server.delete("/tables/..%2Fmain").status, 404);
    assert_eq!(tables(&server, ""), list);
    for (body, status) in [
        ("{}", 422),
        (r#"{"name":1}"#, 422),
        (r#"{"name":" "}"#, 400),
        ("{\"name\":\"a\\u0000\"}", 400),
    ] {
        assert_eq!(
            server.json("POST", "/tables", body).status,
            status,
            "{body}"
        );
    }
}

#[test]
fn tables_and_their_codes_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_in(folder.path(), &[]);
    create(&server, "", "Tuesday");
    let before = tables(&server, "");
    server.kill();
    assert_eq!(tables(&start_in(folder.path(), &[]), ""), before);
}

#[test]
fn there_are_only_as_many_tables_as_there_may_be() {
    let server = start_with(&["--max-tables", "2"]);
    create(&server, "", "Two");
    let refused = server.post("/tables", &json!({"name": "Three"}));
    assert_eq!(refused.status, 409);
    assert!(
        refused.text().contains("--max-tables"),
        "{}",
        refused.text()
    );
    assert_eq!(server.get("/limits").value()["tables"], 2);
}

#[test]
fn with_codes_nobody_sees_the_table_before_joining() {
    let folder = furnished();
    let server = start_in(folder.path(), CODE);
    assert_eq!(statuses(&server, ""), [403; 3]);
    for path in SEEN {
        assert!(server.get(path).text().contains("join the table first"));
    }
    match server.websocket_with(&[]) {
        Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403),
        other => panic!("{:?}", other.map(|_| "connected")),
    }
    let main = tables(&server, &gm(&server))[0].clone();
    for role in ["player", "display"] {
        let cookie = join(&server, &main, role);
        assert_eq!(statuses(&server, &cookie), [200; 3], "{role}");
        let mut socket = server.websocket_with(&[("cookie", &cookie)]).unwrap();
        assert!(socket.hear().contains("connected"));
        // No more than that.
        let list = with_cookie(&server, &cookie, "GET", "/maps/list", "");
        assert_eq!(list.status, 403);
        assert_eq!(
            with_cookie(&server, &cookie, "GET", "/tables", "").status,
            403
        );
        let own = format!("http://{}", server.addr);
        let page = |origin: &str| {
            let headers = [("cookie", cookie.as_str()), ("origin", origin)];
            server.send("GET", "/audio/list", &headers, b"").status
        };
        assert_eq!((page(&own), page("http://localhost:3000")), (200, 403));
    }
    // The GM needs no code.
    assert_eq!(statuses(&server, &gm(&server)), [200; 3]);
}

#[test]
fn codes_are_forgiving_to_type_and_wrong_ones_are_404() {
    let server = start_with(CODE);
    let main = tables(&server, &gm(&server))[0].clone();
    let code = main["code"].as_str().unwrap().to_lowercase();
    let typed = format!(" {}-{} ", &code[..2], &code[2..]);
    let joined = server.post("/tables/join", &json!({ "code": typed }));
    assert_eq!(joined.status, 200);
    let line = joined.header("set-cookie").unwrap();
    assert!(line.starts_with("tablekeep-table=") && line.contains("HttpOnly; SameSite=Strict"));
    let wrong = if code == "zzzz" { "YYYY" } else { "ZZZZ" };
    for code in [wrong, "", "O0O0", "far too long"] {
        let answer = server.post("/tables/join", &json!({ "code": code }));
        assert_eq!(
            answer.whole(),
            (404, json!({"detail": "no table has this code"}))
        );
        assert_eq!(answer.cookies(), "");
    }
    for body in [
        "{}",
        r#"{"code":1}"#,
        r#"{"code":null}"#,
        r#"{"code":"ZZZZ","role":"gm"}"#,
    ] {
        assert_eq!(
            server.json("POST", "/tables/join", body).status,
            422,
            "{body}"
        );
    }
}

#[test]
fn a_group_of_any_size_comes_in_from_one_address() {
    let server = start_with(CODE);
    let cookie = gm(&server);
    let main = &tables(&server, &cookie)[0];
    let joined = |_| {
        server
            .post("/tables/join", &json!({"code": main["code"]}))
            .status
    };
    assert!((0..30).map(joined).all(|status| status == 200));
    // Guesses in between are counted all the same.
    let guess = || server.post("/tables/join", &json!({"code": "0000"})).status;
    let refused = (0..20).any(|n| guess() == 429 || joined(n) == 429);
    assert!(refused);
}

#[test]
fn guessing_codes_is_slowed_down() {
    let server = start_with(CODE);
    let cookie = gm(&server);
    let guess = || server.post("/tables/join", &json!({"code": "0000"})).status;
    let first_refused = (0..20).find(|_| guess() != 404);
    assert!(first_refused.is_some_and(|nth| nth >= 10));
    let main = &tables(&server, &cookie)[0];
    let right = server.post("/tables/join", &json!({"code": main["code"]}));
    assert_eq!(right.status, 429);
    assert!(right.header("retry-after").is_some());
}

#[test]
fn with_open_doors_main_needs_no_code_and_other_tables_do() {
    let folder = furnished();
    let flags = ["--loopback-gm", "false", "--gm-password", "sesame"];
    let server = start_in(folder.path(), &flags);
    assert_eq!(statuses(&server, ""), [200; 3]);
    let joined = server.json("POST", "/tables/join", r#"{"role":"display"}"#);
    assert_eq!(
        joined.whole(),
        (200, json!({"id": "main", "name": "Main table"}))
    );
    assert_eq!(statuses(&server, &joined.cookies()), [200; 3]);
    // Another table shows other things: nothing so far.
    let other = create(&server, &gm(&server), "Other");
    let cookie = join(&server, &other, "player");
    assert_eq!(statuses(&server, &cookie), [200, 404, 200]);
    let (name, forged) = cookie.split_once('=').unwrap();
    let forged = format!("{name}=x{forged}");
    assert_eq!(statuses(&server, &forged), [200; 3]);
}

#[test]
fn who_came_in_by_the_open_door_has_to_knock_once_it_is_closed() {
    let folder = furnished();
    let open = ["--loopback-gm", "false", "--gm-password", "sesame"];
    let server = start_in(folder.path(), &open);
    let walked = server.json("POST", "/tables/join", r#"{"role":"player"}"#);
    let main = tables(&server, &gm(&server))[0].clone();
    let invited = join(&server, &main, "player");
    drop(server);
    let server = start_in(folder.path(), CODE);
    assert_eq!(statuses(&server, &walked.cookies()), [403; 3]);
    assert_eq!(statuses(&server, &invited), [200; 3]);
    drop(server);
    let server = start_in(folder.path(), &open);
    assert_eq!(statuses(&server, &walked.cookies()), [200; 3]);
}

#[test]
fn a_renewed_code_puts_out_who_joined_with_the_old_one() {
    let folder = furnished();
    let server = start_in(folder.path(), CODE);
    let gm = gm(&server);
    let main = tables(&server, &gm)[0].clone();
    let cookie = join(&server, &main, "player");
    let renewed = with_cookie(&server, &gm, "POST", "/tables/main/code", "");
    assert_eq!(renewed.status, 200);
    let renewed = renewed.value();
    assert_ne!(renewed["code"], main["code"]);
    assert_eq!(statuses(&server, &cookie), [403; 3]);
    assert_eq!(
        server
            .post("/tables/join", &json!({"code": main["code"]}))
            .status,
        404
    );
    let cookie = join(&server, &renewed, "player");
    assert_eq!(statuses(&server, &cookie), [200; 3]);
    let path = "/tables/k3v9x2qa/code";
    assert_eq!(with_cookie(&server, &gm, "POST", path, "").status, 404);
    drop(server);
    assert_eq!(statuses(&start_in(folder.path(), CODE), &cookie), [200; 3]);
}

#[test]
fn who_sat_at_a_deleted_table_sits_nowhere() {
    let server = start_with(CODE);
    let gm = gm(&server);
    let other = create(&server, &gm, "Other");
    let cookie = join(&server, &other, "player");
    let list = || with_cookie(&server, &cookie, "GET", "/audio/list", "").status;
    assert_eq!(list(), 200);
    let path = format!("/tables/{}", other["id"].as_str().unwrap());
    assert_eq!(with_cookie(&server, &gm, "DELETE", &path, "").status, 200);
    assert_eq!(list(), 403);
}

/// The GM may confirm for another table than the display asked at.
#[rstest]
#[case::the_one_it_asked_at(false)]
#[case::another(true)]
fn a_display_is_paired_by_the_number_it_shows(#[case] another: bool) {
    let server = start_with(CODE);
    let gm = gm(&server);
    let table = if another {
        create(&server, &gm, "Other")
    } else {
        tables(&server, &gm)[0].clone()
    };
    let confirm = |cookie: &str, number: &Value| {
        let path = format!("/tables/{}/pair", table["id"].as_str().unwrap());
        let body = json!({ "number": number }).to_string();
        with_cookie(&server, cookie, "PUT", &path, &body)
    };
    let ask = |cookie: &str| with_cookie(&server, cookie, "POST", "/tables/main/pair", "");
    let asked = ask("");
    let ticket = asked.cookies();
    let number = asked.value()["number"].clone();
    let digits = number.as_str().unwrap();
    assert!(digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit()));
    assert!(asked.header("set-cookie").unwrap().contains("HttpOnly"));
    // It goes on asking; another display gets another number.
    assert_eq!(ask(&ticket).value()["number"], number);
    assert_ne!(ask("").value()["number"], number);
    // Only the GM confirms, and only a number that is shown.
    assert_eq!(confirm(&ticket, &number).status, 403);
    assert_eq!(confirm(&gm, &json!("12")).status, 404);
    assert_eq!(ask(&ticket).value()["number"], number);
    assert_eq!(confirm(&gm, &number).status, 200);
    assert_eq!(confirm(&gm, &number).status, 404);
    let paired = ask(&ticket);
    let expected = json!({"id": table["id"], "name": table["name"]});
    assert_eq!(paired.whole(), (200, expected));
    let seen = with_cookie(&server, &paired.cookies(), "GET", "/audio/list", "");
    assert_eq!(seen.status, 200);
    assert_eq!(
        with_cookie(&server, &ticket, "GET", "/audio/list", "").status,
        403
    );
}

#[test]
fn pairing_needs_a_table_and_the_servers_own_page() {
    let server = start_with(CODE);
    assert_eq!(server.json("POST", "/tables/k3v9x2qa/pair", "").status, 404);
    assert_eq!(server.json("POST", "/tables/MAIN/pair", "").status, 404);
    let page = [("origin", "http://localhost:3000")];
    assert_eq!(
        server.send("POST", "/tables/main/pair", &page, b"").status,
        403
    );
    let gm = gm(&server);
    let confirm = || {
        let body = r#"{"number":"000000"}"#;
        with_cookie(&server, &gm, "PUT", "/tables/main/pair", body).status
    };
    assert!((0..20).any(|_| confirm() != 404));
    assert_eq!(confirm(), 429);
}
