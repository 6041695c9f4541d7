//! Who may do what: one table over all routes; a route without a row fails the test.

use crate::support::{Form, PNG, TestServer, start, start_with};
use rstest::rstest;
use serde_json::{Value, json};

/// Who may use an operation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Anyone,
    /// Anyone, but from the server's own pages or from no page: these routes give cookies.
    OwnPage,
    /// Who sits at a table: with `--players open` everybody.
    Seated,
    Gm,
}
use Who::{Anyone, Gm, OwnPage, Seated};

/// Every operation of the API. A new route needs a row here.
const TABLE: &[(&str, &str, Who)] = &[
    ("get", "/", Anyone),
    ("get", "/asyncapi.yaml", Anyone),
    // Of present members of a chat room, whoever they are otherwise.
    ("get", "/files/{id}", Anyone),
    ("get", "/chat", Anyone),
    ("get", "/display", Anyone),
    ("get", "/health", Anyone),
    ("get", "/healthz", Anyone),
    ("get", "/join", Anyone),
    ("get", "/limits", Anyone),
    ("get", "/ui/{path}", Anyone),
    // The files of what the table shows: see the tests below.
    ("get", "/maps/file/{path}", Seated),
    ("get", "/audio/file/{category}/{path}", Seated),
    ("get", "/audio/list", Seated),
    ("get", "/audio/playback", Seated),
    ("put", "/audio/playback", Gm),
    ("get", "/tables/{id}/members", Gm),
    ("delete", "/tables/{id}/members/{member}", Gm),
    ("get", "/tables/{id}/scene", Seated),
    ("put", "/tables/{id}/scene", Gm),
    ("post", "/signin", OwnPage),
    ("post", "/signout", OwnPage),
    ("get", "/tables", Gm),
    ("post", "/tables", Gm),
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
    let headers = [headers, &[("content-type", content_type)]].concat();
    server
        .send(&method.to_uppercase(), &path, &headers, &body)
        .status
}

/// None of the headers here is what a page of the server itself sends.
fn by_a_page(headers: &[(&str, &str)]) -> bool {
    let page = |name: &str| matches!(name, "origin" | "sec-fetch-site");
    headers.iter().any(|(name, _)| page(name))
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
            Anyone => true,
            OwnPage => !by_a_page(headers),
            Seated => !flags.contains(&"code"),
            Gm => false,
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
        let refused = *who == OwnPage && by_a_page(headers);
        assert_eq!(refused, status == 403, "{method} {path}: {status}");
        assert!(!matches!(status, 421 | 405), "{method} {path}: {status}");
    }
}

#[test]
fn refusals_name_the_setting_that_would_allow_it() {
    let server = start_with(&["--loopback-gm", "false"]);
    let text = |path: &str, headers: &[(&str, &str)]| server.send("GET", path, headers, b"").text();
    assert!(text("/maps/list", &[]).contains("--gm-from"));
    assert!(text("/maps/list", &[("host", "evil.example")]).contains("--allow-host evil.example"));
    let answer = server.send(
        "POST",
        "/maps/folder",
        &[("origin", "https://a.example")],
        b"{}",
    );
    assert!(
        answer.text().contains("--allow-origin https://a.example"),
        "{}",
        answer.text()
    );
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
