//! Pages on other origins can use the API (recorded), and only those that may.

use crate::support::{PNG, start, start_with};
use rstest::rstest;

const PAGE: (&str, &str) = ("origin", "http://localhost:3000");

#[test]
fn a_preflight_is_answered_on_any_path() {
    let server = start();
    for path in ["/maps/list", "/no/such/path", "/ws"] {
        let answer = server.send(
            "OPTIONS",
            path,
            &[
                PAGE,
                ("access-control-request-method", "PUT"),
                (
                    "access-control-request-headers",
                    "authorization,content-type",
                ),
            ],
            b"",
        );
        assert_eq!((answer.status, answer.text().as_str()), (200, "OK"));
        for (name, value) in [
            ("content-type", "text/plain; charset=utf-8"),
            ("access-control-allow-origin", "http://localhost:3000"),
            (
                "access-control-allow-methods",
                "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
            ),
            ("access-control-allow-headers", "authorization,content-type"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "600"),
            ("vary", "Origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }
    let plain = server.send(
        "OPTIONS",
        "/maps/list",
        &[PAGE, ("access-control-request-method", "GET")],
        b"",
    );
    assert_eq!(plain.header("access-control-allow-headers"), None);
    let odd = server.send(
        "OPTIONS",
        "/maps/list",
        &[PAGE, ("access-control-request-method", "BREW")],
        b"",
    );
    assert_eq!(
        (odd.status, odd.text().as_str()),
        (400, "Disallowed CORS method")
    );
    let foreign = server.send(
        "OPTIONS",
        "/maps/list",
        &[
            ("origin", "https://evil.example"),
            ("access-control-request-method", "GET"),
        ],
        b"",
    );
    assert_eq!(
        (
            foreign.status,
            foreign.header("access-control-allow-origin")
        ),
        (400, None)
    );
    assert_eq!(
        server.send("OPTIONS", "/maps/list", &[PAGE], b"").status,
        405
    );
}

#[rstest]
fn every_answer_can_be_read_by_the_page(
    #[values(
        ("GET", "/maps/list", 200), ("GET", "/nope", 404), ("PATCH", "/maps/list", 405), ("POST", "/maps/folder", 422),
        ("DELETE", "/maps/file/nope.png", 404), ("GET", "/maps/file/a.png", 206), ("GET", "/maps/file/nope.png", 404),
        ("PUT", "/scenes/nope", 422), ("GET", "/audio/file/music/x", 400), ("GET", "/", 200)
    )]
    case: (&str, &str, u16),
) {
    let server = start();
    server.upload_map("", "a.png");
    let (method, path, status) = case;
    let range = ("range", "bytes=0-3");
    let answer = server.send(method, path, &[PAGE, range], b"");
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    let with_cookie = server.send(method, path, &[PAGE, range, ("cookie", "a=b")], b"");
    assert_eq!(
        with_cookie.header("access-control-allow-origin"),
        Some("http://localhost:3000")
    );
    let vary = with_cookie
        .headers
        .iter()
        .filter(|(name, _)| name == "vary");
    assert!(vary.into_iter().any(|(_, value)| value == "Origin"));
    let from_elsewhere = server.send("GET", path, &[("origin", "https://evil.example")], b"");
    assert_eq!(from_elsewhere.header("access-control-allow-origin"), None);
    assert_eq!(
        server
            .send(method, path, &[], b"")
            .header("access-control-allow-credentials"),
        None
    );
}

#[test]
fn ranges_that_fail_and_files_that_are_known_can_be_read_too() {
    let server = start();
    server.upload_map("", "a.png");
    let etag = server
        .get("/maps/file/a.png")
        .header("etag")
        .unwrap()
        .to_owned();
    for (name, value, status) in [
        ("range", "bytes=900-", 416),
        ("if-none-match", etag.as_str(), 304),
        ("if-match", "\"x\"", 412),
    ] {
        let answer = server.send("GET", "/maps/file/a.png", &[PAGE, (name, value)], b"");
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (status, Some("*"))
        );
    }
}

#[test]
fn a_page_gets_its_own_files_without_words_about_other_origins() {
    let server = start();
    let own = format!("http://{}", server.addr);
    let name = "access-control-allow-origin";
    for (path, origin, allowed) in [
        ("/ui/app.js", own.as_str(), None),
        ("/ui/app.js", PAGE.1, Some("*")),
        ("/maps/list", own.as_str(), Some("*")),
    ] {
        let answer = server.send("GET", path, &[("origin", origin)], b"");
        assert_eq!(
            (answer.status, answer.header(name)),
            (200, allowed),
            "{path}"
        );
    }
}

#[test]
fn an_allowed_origin_is_as_good_as_our_own() {
    let server = start_with(&["--allow-origin", "https://table.example"]);
    let page = ("origin", "https://table.example");
    let answer = server.send(
        "GET",
        "/maps/list",
        &[page, ("sec-fetch-site", "cross-site")],
        b"",
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn the_api_prefix_the_trailing_slash_and_head_work_everywhere() {
    let server = start();
    server.upload_map("w", "a.png");
    for path in [
        "/maps/list/",
        "/api/maps/list",
        "/api/maps/list/",
        "/api/audio/list",
        "/scenes/list/",
        "/health/",
        "/api",
    ] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    assert_eq!(server.get("/api/maps/file/w%2Fa.png").body, PNG);
    for path in ["/maps/list", "/maps/file/w/a.png", "/limits", "/"] {
        let (get, head) = (server.get(path), server.send("HEAD", path, &[], b""));
        assert_eq!(head.status, 200, "{path}");
        assert!(head.body.is_empty());
        assert_eq!(
            head.header("content-length"),
            get.header("content-length"),
            "{path}"
        );
    }
    assert_eq!(server.send("HEAD", "/nope", &[], b"").status, 404);
}

#[test]
fn wrong_methods_name_the_right_ones() {
    let server = start();
    for (path, allow) in [
        ("/maps/list", "GET, HEAD"),
        ("/scenes/x", "DELETE, PUT"),
        ("/scenes/save", "POST"),
        ("/maps/upload", "POST"),
    ] {
        let answer = server.send("PATCH", path, &[], b"");
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some(allow)),
            "{path}"
        );
        assert_eq!(answer.text(), r#"{"detail":"Method Not Allowed"}"#);
    }
    assert_eq!(server.get("/ws").text(), r#"{"detail":"Not Found"}"#);
}
