//! Who may do what: one table over all routes; a route without a row fails the test.

use crate::accounts::{House, token, with};
use crate::support::{Form, PNG, TestServer, start, start_with};
use crate::table_client::Member;
use rstest::rstest;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Who may use an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Anyone,
    /// Anyone, but from the server's own pages or from no page: these routes give cookies.
    OwnPage,
    /// Anyone, but not from pages of other sites.
    AllowedPage,
    /// Who sits at a table: with `--players open` everybody.
    Seated,
    /// Who sits at the table `main`.
    AtMain,
    /// Who takes part in something, or has joined a table; see the tests of `ice`.
    TakesPart,
    Gm,
    /// Who has signed in with an account.
    Account,
    /// The same, of an admin; wherever the GM sits.
    AdminAccount,
    /// Present members of a chat room, whoever they are otherwise.
    ChatMember,
}
use Who::{
    Account, AdminAccount, AllowedPage, Anyone, AtMain, ChatMember, Gm, OwnPage, Seated, TakesPart,
};

/// Every operation of the API. A new route needs a row here.
const TABLE: &[(&str, &str, Who)] = &[
    ("get", "/", Anyone),
    ("get", "/api/ice", TakesPart),
    ("get", "/api/turn", TakesPart),
    // With TURN servers for members.
    ("get", "/api/peerjs", Anyone),
    ("get", "/asyncapi.yaml", Anyone),
    ("get", "/files/{id}", ChatMember),
    ("get", "/chat", Anyone),
    ("post", "/api/login", AllowedPage),
    // With a login's token, whoever has it; without one see `login.rs`.
    ("post", "/api/rooms", AllowedPage),
    ("get", "/api/rooms/{id}", Anyone),
    ("get", "/display", Anyone),
    ("get", "/health", Anyone),
    ("get", "/healthz", Anyone),
    ("get", "/join", Anyone),
    ("get", "/limits", Anyone),
    ("get", "/peerjs", Anyone),
    ("get", "/peerjs/id", Anyone),
    // Answers 401 where ids are not listed, which is nobody's role.
    ("get", "/peerjs/peers", Anyone),
    ("get", "/peerjs/{key}/id", Anyone),
    ("get", "/peerjs/{key}/peers", Anyone),
    ("get", "/ui/{path}", Anyone),
    // The files of what the table shows: see the tests below.
    ("get", "/maps/file/{path}", Seated),
    ("get", "/maps/thumb/{path}", Seated),
    ("get", "/audio/file/{category}/{path}", Seated),
    ("get", "/audio/list", Seated),
    ("get", "/audio/playback", Seated),
    ("put", "/audio/playback", Gm),
    ("get", "/tables/{id}/invite", Gm),
    ("get", "/tables/{id}/members", Gm),
    ("delete", "/tables/{id}/members/{member}", Gm),
    ("get", "/tables/{id}/scene", AtMain),
    ("put", "/tables/{id}/scene", Gm),
    ("post", "/auth/login", AllowedPage),
    ("get", "/auth/me", Account),
    // Refused to viewers in words of its own.
    ("get", "/auth/me/admin-state", AdminAccount),
    ("put", "/auth/me/admin-state", AdminAccount),
    ("post", "/auth/register", AdminAccount),
    ("get", "/auth/users", AdminAccount),
    ("get", "/auth/users/{user_id}", AdminAccount),
    ("put", "/auth/users/{user_id}", AdminAccount),
    ("delete", "/auth/users/{user_id}", AdminAccount),
    ("get", "/group/{id}", Anyone),
    ("get", "/stats", Anyone),
    ("post", "/signin", OwnPage),
    ("post", "/signout", OwnPage),
    ("get", "/tables", Gm),
    ("post", "/tables", Gm),
    // What one's own cookie proves, and no more.
    ("get", "/tables/join", Anyone),
    ("post", "/tables/join", OwnPage),
    ("delete", "/tables/{id}", Gm),
    ("post", "/tables/{id}/code", Gm),
    ("get", "/tables/{id}/pair", Gm),
    ("post", "/tables/{id}/pair", OwnPage),
    ("put", "/tables/{id}/pair", Gm),
    ("delete", "/audio/file/{category}/{path}", Gm),
    ("post", "/audio/folder", Gm),
    ("delete", "/audio/folder/{category}/{path}", Gm),
    ("get", "/audio/folders", Gm),
    ("put", "/audio/move/{category}/{path}", Gm),
    ("put", "/audio/rename/{category}/{path}", Gm),
    ("post", "/audio/upload", Gm),
    ("post", "/maps/data", Gm),
    ("get", "/maps/data/{map_name}", Gm),
    ("delete", "/maps/file/{path}", Gm),
    ("post", "/maps/folder", Gm),
    ("delete", "/maps/folder/{path}", Gm),
    ("get", "/maps/folders", Gm),
    ("get", "/maps/list", Gm),
    ("put", "/maps/move/{file_name}", Gm),
    ("put", "/maps/rename/{file_name}", Gm),
    ("post", "/maps/upload", Gm),
    ("get", "/maps/uses/{path}", Gm),
    ("get", "/metrics", Gm),
    ("get", "/readyz", Gm),
    ("post", "/scenes/folder", Gm),
    ("put", "/scenes/folder/{path}", Gm),
    ("delete", "/scenes/folder/{path}", Gm),
    ("get", "/scenes/image/{path}", Gm),
    ("get", "/scenes/list", Gm),
    ("get", "/scenes/load/{scene_id}", Gm),
    ("post", "/scenes/save", Gm),
    ("put", "/scenes/{scene_id}", Gm),
    ("delete", "/scenes/{scene_id}", Gm),
    ("post", "/scenes/{scene_id}/image", Gm),
    ("delete", "/scenes/{scene_id}/image/{image_id}", Gm),
];

fn ask(server: &TestServer, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let path = path
        .replace("{category}", "loop")
        .replace("/ui/{path}", "/ui/index.html")
        .replace("/tables/{id}/scene", "/tables/main/scene")
        .split('/')
        .map(|part| if part.starts_with('{') { "x.png" } else { part })
        .collect::<Vec<_>>()
        .join("/");
    let is_upload = path.ends_with("/upload") || path.ends_with("/image");
    let form = Form::new()
        .text("category", "loop")
        .file("x.png", PNG)
        .bytes();
    let (content_type, body) = match (method, is_upload) {
        ("post", true) => (Form::CONTENT_TYPE, form),
        ("post" | "put", _) => ("application/json", b"{}".to_vec()),
        _ => ("text/plain", Vec::new()),
    };
    let login = match path.starts_with("/api/rooms") {
        true => server.post("/api/login", &json!({"userId": "x"})).text(),
        false => "{}".to_owned(),
    };
    let login: Value = serde_json::from_str(&login).unwrap();
    let token = format!("Bearer {}", login["token"].as_str().unwrap_or_default());
    let own = [
        ("content-type", content_type),
        ("authorization", token.as_str()),
    ];
    let own = &own[..if login["token"].is_null() { 1 } else { 2 }];
    let headers = [headers, own].concat();
    server
        .send(&method.to_uppercase(), &path, &headers, &body)
        .status
}

/// None of the headers here is what a page of the server itself sends.
fn by_a_page(headers: &[(&str, &str)]) -> bool {
    let page = |name: &str| matches!(name, "origin" | "sec-fetch-site");
    headers.iter().any(|(name, _)| page(name))
}

/// They are what a page of another site sends.
fn by_a_foreign_page(headers: &[(&str, &str)]) -> bool {
    let foreign = |name: &str, value: &str| match name {
        "origin" => value != "http://localhost:3000" && value != "https://t.example",
        "sec-fetch-site" => value == "cross-site",
        _ => false,
    };
    headers.iter().any(|(name, value)| foreign(name, value))
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let api: Value = serde_json::from_str(tablekeep::server::OPENAPI).unwrap();
    let mut routes = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        routes.extend(
            item.as_object()
                .unwrap()
                .keys()
                .map(|method| (method.clone(), path.clone())),
        );
    }
    let mut rows: Vec<_> = TABLE
        .iter()
        .map(|(m, p, _)| ((*m).to_owned(), (*p).to_owned()))
        .collect();
    routes.sort();
    rows.sort();
    assert_eq!(routes, rows);
}

/// Nobody but the GM gets past a GM's row, whatever makes them somebody else.
#[rstest]
#[case::a_player(&["--loopback-gm", "false"], &[], 403)]
#[case::without_a_code(&["--loopback-gm", "false", "--players", "code"], &[], 403)]
#[case::behind_a_proxy(&[], &[("x-forwarded-for", "10.0.0.1")], 403)]
#[case::behind_a_tunnel(&[], &[("forwarded", "for=10.0.0.1")], 403)]
#[case::a_foreign_page(&[], &[("origin", "https://evil.example")], 403)]
#[case::a_page_in_a_sandbox(&[], &[("origin", "null")], 403)]
#[case::a_foreign_image_tag(&[], &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], 403)]
#[case::a_rebound_name(&[], &[("host", "evil.example")], 421)]
#[case::somebody_elses_address(&[], &[("host", "198.51.100.7")], 403)]
#[case::by_a_tunnels_name(&["--allow-host", "table.example"], &[("host", "table.example:80")], 403)]
#[case::open_but_a_foreign_page(&["--access", "open"], &[("origin", "https://evil.example")], 403)]
fn only_the_gm_gets_past_a_gms_row(
    #[case] flags: &[&str],
    #[case] headers: &[(&str, &str)],
    #[case] refused: u16,
) {
    let server = start_with(flags);
    for (method, path, who) in TABLE {
        let status = ask(&server, method, path, headers);
        let may = match who {
            Anyone | ChatMember => true,
            AllowedPage => !by_a_foreign_page(headers),
            OwnPage => !by_a_page(headers),
            Seated | AtMain => !flags.contains(&"code"),
            TakesPart | Gm | Account | AdminAccount => false,
        };
        if !may || refused == 421 {
            assert_eq!(status, refused, "{method} {path}");
        } else {
            assert!(!matches!(status, 403 | 421), "{method} {path}: {status}");
        }
    }
    assert_eq!(std::fs::read_dir(server.path("maps")).unwrap().count(), 0);
}

#[rstest]
#[case::at_this_machine(&[], &[])]
#[case::a_page_of_this_machine(&[], &[("origin", "http://localhost:3000")])]
#[case::in_open_mode(&["--access", "open", "--loopback-gm", "false"], &[("x-forwarded-for", "10.0.0.1")])]
#[case::from_a_named_network(&["--gm-from", "127.0.0.0/8", "--loopback-gm", "false"], &[])]
#[case::from_an_allowed_origin_in_open_mode(&["--access", "open", "--allow-origin", "https://t.example"], &[("origin", "https://t.example")])]
fn the_gm_gets_past_every_row(#[case] flags: &[&str], #[case] headers: &[(&str, &str)]) {
    let server = start_with(flags);
    for (method, path, who) in TABLE {
        let status = ask(&server, method, path, headers);
        let refused = match who {
            OwnPage => by_a_page(headers),
            // Whoever the GM is by place has no name.
            Account | AdminAccount => true,
            Anyone | AllowedPage | ChatMember | Seated | AtMain | TakesPart | Gm => false,
        };
        assert_eq!(refused, status == 403, "{method} {path}: {status}");
        assert!(!matches!(status, 421 | 405), "{method} {path}: {status}");
    }
}

/// Somebody who asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asker {
    NoOne,
    Player,
    /// Of another table.
    Stranger,
    Display,
    SignedInGm,
    Viewer,
    Admin,
    Expired,
    Tampered,
}

impl Asker {
    const ALL: [Self; 9] = [
        Self::NoOne,
        Self::Player,
        Self::Stranger,
        Self::Display,
        Self::SignedInGm,
        Self::Viewer,
        Self::Admin,
        Self::Expired,
        Self::Tampered,
    ];

    /// What it sends along: a header's name and value.
    fn header(self, house: &House) -> (&'static str, String) {
        let server = &house.server;
        let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
        let gm = || {
            server
                .post("/signin", &json!({"password": "open sesame"}))
                .cookies()
        };
        let join = |table: &Value, role: &str| {
            let body = json!({"code": table["code"], "role": role});
            ("cookie", server.post("/tables/join", &body).cookies())
        };
        let tables = || with(server, &house.admin, "GET", "/tables", &Value::Null).value();
        match self {
            Self::NoOne => ("x-nothing", "to say".into()),
            Self::Player => join(&tables()["tables"][0], "player"),
            Self::Display => join(&tables()["tables"][0], "display"),
            Self::Stranger => {
                let name = json!({"name": "Another"});
                join(
                    &with(server, &house.admin, "POST", "/tables", &name).value(),
                    "player",
                )
            }
            Self::SignedInGm => ("cookie", gm()),
            Self::Viewer => bearer(&token(server, "vera", "secret word")),
            Self::Admin => bearer(&token(server, "Anna", "open sesame")),
            Self::Expired => bearer(&house.expired()),
            Self::Tampered => {
                let token = &house.admin;
                let last = if token.ends_with('A') { 'B' } else { 'A' };
                // Not the last character, of which not every bit counts.
                let cut = token.len() - 2;
                let tampered = format!("{}{last}{}", &token[..cut], &token[cut + 1..]);
                bearer(if tampered == *token { "x" } else { &tampered })
            }
        }
    }

    fn may(self, who: Who) -> bool {
        let gm = matches!(self, Self::SignedInGm | Self::Admin);
        let at_main = gm || matches!(self, Self::Player | Self::Display | Self::Viewer);
        match who {
            Anyone | OwnPage | AllowedPage => true,
            Seated | TakesPart => at_main || self == Self::Stranger,
            AtMain => at_main,
            Gm => gm,
            Account => matches!(self, Self::Viewer | Self::Admin),
            AdminAccount => self == Self::Admin,
            ChatMember => false,
        }
    }

    /// With what it is refused.
    fn refusal(self, who: Who) -> u16 {
        let void = matches!(self, Self::Expired | Self::Tampered);
        match who {
            Account | AdminAccount if void => 401,
            // A token of another kind finds no file.
            ChatMember if void || matches!(self, Self::Viewer | Self::Admin) => 404,
            ChatMember => 401,
            _ => 403,
        }
    }
}

#[test]
fn every_operation_is_for_whom_its_row_says_whoever_asks() {
    let house = House::open(&["--players", "code"]);
    house.viewer("vera");
    for asker in Asker::ALL {
        let (name, value) = asker.header(&house);
        for (method, path, who) in TABLE {
            // Signing out would end what the other rows need.
            let (name, value) = match *path {
                "/signout" => asker.header(&house),
                _ => (name, value.clone()),
            };
            let status = ask(&house.server, method, path, &[(name, &value)]);
            // Rooms of sessions are for tokens of their own login, which everybody else here gets.
            if name == "authorization" && path.starts_with("/api/rooms") {
                assert_eq!(status, 403, "{asker:?}: {method} {path}");
            } else if asker.may(*who) {
                // Ids of the broker are listed for nobody (401), unless a setting says so.
                let unlisted = status == 401 && path.ends_with("/peers");
                let refused = !unlisted && matches!(status, 401 | 403 | 405 | 421);
                assert!(!refused, "{asker:?}: {method} {path}: {status}");
            } else {
                let expected = asker.refusal(*who);
                assert_eq!(status, expected, "{asker:?}: {method} {path}");
            }
        }
    }
}

/// As what each is welcomed at the table `main`, if at all.
fn welcomed(asker: Asker) -> Option<&'static str> {
    match asker {
        Asker::SignedInGm | Asker::Admin => Some("gm"),
        Asker::Player | Asker::Viewer => Some("player"),
        Asker::Display => Some("display"),
        Asker::NoOne | Asker::Stranger | Asker::Expired | Asker::Tampered => None,
    }
}

#[test]
fn every_message_is_for_whom_the_contract_says_whoever_sends_it() {
    let house = House::open(&["--players", "code"]);
    house.viewer("vera");
    let grid = json!([{"op": "set", "path": ["gridSettings"], "value": {"gridSize": 70}}]);
    let scene = json!({"gridSettings": {}});
    let answer = with(
        &house.server,
        &house.admin,
        "PUT",
        "/tables/main/scene",
        &scene,
    );
    assert_eq!(answer.status, 200);
    let (all, gm) = (&["gm", "player"][..], &["gm"][..]);
    let messages = [
        (json!({"type": "change", "edits": grid}), gm),
        (json!({"type": "change", "scene": {}}), gm),
        (
            json!({"type": "audio", "action": "load", "track": "rain"}),
            gm,
        ),
        (json!({"type": "display", "action": "blank"}), gm),
        (json!({"type": "assign", "entry": "i1", "member": null}), gm),
        (json!({"type": "kick", "member": "nobody"}), gm),
        (json!({"type": "chat", "text": "hello"}), all),
        (json!({"type": "roll", "expr": "1d6"}), all),
    ];
    for asker in Asker::ALL {
        let (name, value) = asker.header(&house);
        let header = [(name, value.as_str())];
        let Some(role) = welcomed(asker) else {
            let mut socket = house.server.websocket_at("/ws/table", &header).unwrap();
            socket.say(r#"{"type":"hello","proto":1,"table":"main","name":"x"}"#);
            assert_eq!(socket.close_code(), 4401, "{asker:?}");
            // SpellTable's page sits where its cookie says, if it has one.
            let page = house.server.websocket_with(&header);
            assert_eq!(page.is_ok(), asker == Asker::Stranger, "{asker:?}");
            continue;
        };
        let mut member = Member::join_as(&house.server, &header, json!({"name": "x"}));
        assert_eq!(member.welcome["you"]["role"], role, "{asker:?}");
        for (message, may) in &messages {
            let mut message = message.clone();
            if message["type"] == "change" {
                message["base"] = member.replica.seq.into();
            }
            let answer = member.ask(message.clone());
            let forbidden = answer["code"] == "forbidden";
            assert_eq!(
                forbidden,
                !may.contains(&role),
                "{asker:?}: {message}: {answer}"
            );
        }
        // Passing state and signals are only answered when they are refused.
        for (message, may) in [
            (
                json!({"type": "hint", "kind": "ping", "key": "", "data": 1}),
                all,
            ),
            (
                json!({"type": "hint", "kind": "drag", "key": "i1", "data": 1}),
                gm,
            ),
            (json!({"type": "signal", "to": member.id(), "data": 1}), all),
            (
                json!({"type": "time", "t0": 1}),
                &["gm", "player", "display"],
            ),
        ] {
            member.say(&message);
            let codes: Vec<_> = member
                .all("nack")
                .iter()
                .map(|nack| nack["code"].clone())
                .collect();
            let expected = if may.contains(&role) {
                vec![]
            } else {
                vec![json!("forbidden")]
            };
            assert_eq!(codes, expected, "{asker:?}: {message}");
        }
    }
}

#[test]
fn refusals_name_the_setting_that_would_allow_it() {
    let server = start_with(&["--loopback-gm", "false"]);
    let text = |path: &str, headers: &[(&str, &str)]| server.send("GET", path, headers, b"").text();
    assert!(text("/maps/list", &[]).contains("--gm-from"));
    assert!(text("/maps/list", &[("host", "evil.example")]).contains("--allow-host evil.example"));
    let change = |header: (&str, &str)| {
        let answer = server.send("POST", "/maps/folder", &[header], b"{}");
        assert_eq!(answer.status, 403);
        answer.text()
    };
    let said = change(("origin", "https://a.example"));
    assert!(said.contains("--allow-origin https://a.example"), "{said}");
    // Where no setting would, none is named.
    for header in [
        ("origin", "null"),
        ("origin", ""),
        ("origin", "chrome-extension://abc"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let said = change(header);
        assert!(said.contains("may not use this server"), "{said}");
        assert!(!said.contains("--allow"), "{header:?}: {said}");
    }
    for host in ["", "user@a", "a:b"] {
        let answer = server.send("GET", "/maps/list", &[("host", host)], b"");
        assert_eq!(answer.status, 421, "{host}");
        assert!(!answer.text().contains("--allow"), "{}", answer.text());
    }
}

#[test]
fn who_speaks_no_http_fills_no_log() {
    let mut server = start();
    for _ in 0..20 {
        let mut stranger = TcpStream::connect(server.addr).unwrap();
        stranger.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = stranger.read_to_end(&mut answer);
    }
    assert_eq!(server.terminate(), 0);
    let log = server.log();
    assert!(log.contains("stopping") && !log.contains("ERROR"), "{log}");
    assert!(!log.contains("parse"), "{log}");
}

#[test]
fn sockets_are_refused_to_foreign_pages_and_names() {
    let server = start();
    for (name, value, status) in [
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("host", "evil.example", 421),
        ("sec-fetch-site", "cross-site", 403),
    ] {
        match server.websocket_with(&[(name, value)]) {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), status, "{name}"),
            other => panic!("{name}: {:?}", other.map(|_| "connected")),
        }
    }
    server
        .websocket_with(&[("origin", "http://localhost:3000")])
        .unwrap();
}

#[test]
fn players_get_the_files_of_what_the_table_shows_and_no_others() {
    // Two servers on the same folder in turn: the GM's, then the players'.
    let folder = tempfile::tempdir().unwrap();
    {
        let gm = crate::support::start_in(folder.path(), &[]);
        for (place, name) in [
            ("w", "shown.png"),
            ("w", "moved.png"),
            ("", "hidden.png"),
            ("other", "shown.png"),
        ] {
            gm.upload_map(place, name);
        }
        gm.post("/scenes/save", &json!({"id": "1", "name": "Secret"}));
    }
    let scene = json!({"maps": [{"name": "shown.png", "folder": "w"}, {"name": "moved.png", "folder": "gone"}]});
    crate::support::write_file(
        folder.path(),
        "scenes/current_scene.json",
        scene.to_string().as_bytes(),
    );
    let server = crate::support::start_in(folder.path(), &["--loopback-gm", "false"]);
    for (path, status) in [
        ("w/shown.png", 200),
        ("w%2Fshown.png", 200),
        // As the scene has it, and where it really is.
        ("gone/moved.png", 200),
        ("w/moved.png", 200),
        ("other/shown.png", 404),
        ("hidden.png", 404),
        ("x/hidden.png", 404),
    ] {
        assert_eq!(
            server.get(&format!("/maps/file/{path}")).status,
            status,
            "{path}"
        );
        // The maps of this test are no pictures: who may have one is told that it cannot be made.
        let small = if status == 200 { 415 } else { 404 };
        let thumb = server.get(&format!("/maps/thumb/{path}?w=64"));
        assert_eq!(thumb.status, small, "{path}");
    }
    // Refused and absent look the same.
    let answer = |name: &str| {
        server
            .get(&format!("/maps/file/{name}"))
            .text()
            .replace(name, "")
    };
    assert_eq!(answer("hidden.png"), answer("absent.png"));
}

#[test]
fn with_metrics_open_everybody_may_watch_the_server() {
    let server = start_with(&["--loopback-gm", "false", "--metrics-open"]);
    assert_eq!(server.get("/maps/list").status, 403);
    let metrics = server.get("/metrics");
    assert_eq!(metrics.status, 200);
    let media_type = metrics.header("content-type").unwrap();
    assert!(media_type.starts_with("application/openmetrics-text"));
    assert!(metrics.text().ends_with("# EOF\n"));
    assert!(
        metrics
            .text()
            .contains("tablekeep_members{dialect=\"spelltable\"} 0\n")
    );
    assert_eq!(server.get("/healthz").text(), r#"{"status":"ok"}"#);
    // Lists wait for the first scan; after that the server is ready.
    assert_eq!(server.get("/audio/list").status, 200);
    assert_eq!(server.get("/readyz").text(), r#"{"status":"ok"}"#);
    // A page from elsewhere gets no headers to read it with, whoever may look.
    let foreign = server.send(
        "GET",
        "/metrics",
        &[("origin", "https://evil.example")],
        b"",
    );
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}
