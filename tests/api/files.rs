//! Files over HTTP: conditions, ranges, safe types, uploads of any size in constant memory.

use crate::support::{Answer, Form, PATIENCE, PNG, TestServer, raw, start, start_with};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

const SVG: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";

fn bytes(size: usize) -> Vec<u8> {
    let noise = (0..size).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8);
    PNG.iter().copied().chain(noise).take(size).collect()
}

/// A small file, one in pieces from memory, one from disk.
fn server_with_files() -> TestServer {
    let server = start_with(&["--file-cache", "4M"]);
    for size in [300, 700 << 10, 3 << 20] {
        let form = Form::new().file(&format!("{size}.png"), &bytes(size));
        assert_eq!(server.upload("/maps/upload", &form).status, 200);
    }
    server
}

fn get(server: &TestServer, size: usize, headers: &[(&str, &str)]) -> Answer {
    server.send("GET", &format!("/maps/file/{size}.png"), headers, b"")
}

#[rstest]
fn a_range_is_exactly_that_slice(#[values(300, 700 << 10, 3 << 20)] size: usize) {
    let server = server_with_files();
    let whole = bytes(size);
    let all = get(&server, size, &[]);
    assert_eq!(
        (
            all.status,
            all.header("accept-ranges"),
            all.header("content-type")
        ),
        (200, Some("bytes"), Some("image/png"))
    );
    assert!(all.body == whole);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 24,
        ..ProptestConfig::default()
    });
    runner
        .run(&(0..size, 0..size * 2), |(a, b)| {
            let (first, last) = (a.min(b), a.max(b));
            let answer = get(
                &server,
                size,
                &[("range", &format!("bytes={first}-{last}"))],
            );
            let last = last.min(size - 1);
            prop_assert_eq!(answer.status, 206);
            prop_assert_eq!(
                answer.header("content-range").unwrap(),
                format!("bytes {first}-{last}/{size}")
            );
            prop_assert_eq!(
                answer.header("content-length").unwrap(),
                (last - first + 1).to_string()
            );
            prop_assert_eq!(answer.header("etag"), all.header("etag"));
            prop_assert!(answer.body == whole[first..=last]);
            Ok(())
        })
        .unwrap();
}

#[test]
fn several_ranges_come_as_parts_and_never_only_the_first() {
    let server = server_with_files();
    let whole = bytes(300);
    let answer = get(&server, 300, &[("range", "bytes=0-9, 100-109,-5")]);
    assert_eq!(answer.status, 206);
    let kind = answer.header("content-type").unwrap();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let mut expected = Vec::new();
    for (n, range) in [0..10, 100..110, 295..300].into_iter().enumerate() {
        let break_ = if n == 0 { "" } else { "\r\n" };
        let head = format!(
            "{break_}--{boundary}\r\nContent-Type: image/png\r\nContent-Range: bytes {}-{}/300\r\n\r\n",
            range.start,
            range.end - 1
        );
        expected.extend(head.bytes());
        expected.extend(&whole[range]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").bytes());
    assert_eq!(answer.text(), String::from_utf8_lossy(&expected));
    assert_eq!(
        answer.header("content-length").unwrap(),
        expected.len().to_string()
    );
    let large = get(
        &server,
        3 << 20,
        &[("range", "bytes=0-99999,2000000-2099999")],
    );
    assert!(large.body.len() > 200_000 && large.body.len() < 201_000);
    // Overlapping ones are one; more than sixteen are the whole file.
    assert_eq!(
        get(&server, 300, &[("range", "bytes=0-9,5-20")]).header("content-range"),
        Some("bytes 0-20/300")
    );
    let many: Vec<_> = (0..17)
        .map(|n| format!("{}-{}", n * 10, n * 10 + 1))
        .collect();
    assert_eq!(
        get(
            &server,
            300,
            &[("range", &format!("bytes={}", many.join(",")))]
        )
        .status,
        200
    );
}

#[rstest]
#[case("bytes=0-9", 206, 10)]
#[case("bytes=290-", 206, 10)]
#[case("bytes=-5", 206, 5)]
#[case("bytes=-900", 206, 300)]
#[case("bytes=300-", 416, 0)]
#[case("bytes=-0", 416, 0)]
#[case("bytes=9-1", 200, 300)]
#[case("bytes=0-9,5-2", 200, 300)]
#[case("bytes=0-9,abc", 200, 300)]
#[case("bytes=0-99999999999999999999999999", 206, 300)]
#[case("bytes=-99999999999999999999999999", 206, 300)]
#[case("bytes=99999999999999999999999999-", 416, 0)]
#[case("pages=1-2", 200, 300)]
#[case("nonsense", 200, 300)]
fn ranges_have_their_status(#[case] range: &str, #[case] status: u16, #[case] length: usize) {
    let server = server_with_files();
    let answer = get(&server, 300, &[("range", range)]);
    assert_eq!(answer.status, status);
    if status == 416 {
        assert_eq!(answer.header("content-range"), Some("bytes */300"));
    } else {
        assert_eq!(answer.body.len(), length);
    }
}

#[test]
fn two_range_headers_mean_nothing() {
    let server = server_with_files();
    let both = [("range", "bytes=0-9"), ("range", "bytes=5-6")];
    assert_eq!(get(&server, 300, &both).body.len(), 300);
}

#[test]
fn conditions_are_looked_at_in_their_order() {
    let server = server_with_files();
    let first = get(&server, 300, &[]);
    let etag = first.header("etag").unwrap().to_owned();
    let weak = format!("W/{etag}");
    let date = first.header("last-modified").unwrap().to_owned();
    assert!(etag.starts_with('"'));
    let (old, future) = (
        "Sat, 01 Jan 2000 00:00:00 GMT",
        "Fri, 01 Jan 2100 00:00:00 GMT",
    );
    let none = "\"x\"";
    let list = format!("\"x\", {weak}");
    for (headers, status) in [
        (vec![("if-none-match", etag.as_str())], 304),
        (vec![("if-none-match", weak.as_str())], 304),
        (vec![("if-none-match", list.as_str())], 304),
        (vec![("if-none-match", "*")], 304),
        (vec![("if-none-match", none)], 200),
        (
            vec![("if-none-match", none), ("if-modified-since", future)],
            200,
        ),
        (vec![("if-modified-since", date.as_str())], 304),
        (vec![("if-modified-since", old)], 200),
        (vec![("if-match", etag.as_str())], 200),
        (vec![("if-match", "*")], 200),
        (vec![("if-match", weak.as_str())], 412),
        (vec![("if-match", none)], 412),
        (
            vec![("if-match", etag.as_str()), ("if-unmodified-since", old)],
            200,
        ),
        (vec![("if-unmodified-since", old)], 412),
        (vec![("if-unmodified-since", future)], 200),
        (
            vec![("range", "bytes=0-9"), ("if-range", etag.as_str())],
            206,
        ),
        (
            vec![("range", "bytes=0-9"), ("if-range", weak.as_str())],
            200,
        ),
        (vec![("range", "bytes=0-9"), ("if-range", none)], 200),
        (vec![("range", "bytes=0-9"), ("if-range", old)], 200),
        (
            vec![("range", "bytes=0-9"), ("if-none-match", etag.as_str())],
            304,
        ),
        (vec![("range", "bytes=0-9"), ("if-match", none)], 412),
    ] {
        let answer = get(&server, 300, &headers);
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 304 {
            assert_eq!(
                (answer.header("etag"), answer.body.len()),
                (Some(etag.as_str()), 0)
            );
        }
    }
    let head = server.send("HEAD", "/maps/file/300.png", &[("range", "bytes=0-9")], b"");
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("300"))
    );
}

#[test]
fn what_is_shown_is_told_by_its_content_and_runs_no_script() {
    let server = start();
    server.upload("/maps/upload", &Form::new().file("drawing.svg", SVG));
    server.put_file("maps/page.png", b"<html><script>alert(1)</script></html>");
    server.put_file("maps/really a.jpg", PNG);
    server.wait_for("/maps/list", |list| {
        list["maps"].as_array().unwrap().len() == 3
    });
    for (name, kind, disposition) in [
        ("drawing.svg", "image/svg+xml", None),
        (
            "page.png",
            "application/octet-stream",
            Some("attachment; filename*=UTF-8''page.png"),
        ),
        ("really%20a.jpg", "image/png", None),
    ] {
        let answer = server.get(&format!("/maps/file/{name}"));
        assert_eq!(
            (
                answer.status,
                answer.header("content-type"),
                answer.header("content-disposition")
            ),
            (200, Some(kind), disposition)
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            answer.header("content-security-policy"),
            Some("default-src 'none'; style-src 'unsafe-inline'; sandbox")
        );
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some("same-site")
        );
    }
}

#[test]
fn files_in_memory_are_answered_as_the_routes_do() {
    let server = server_with_files();
    let tag = get(&server, 300, &[]).header("etag").unwrap().to_owned();
    let origin = ("origin", "http://localhost:3000");
    let foreign = ("origin", "http://evil.example");
    let forwarded = ("x-forwarded-for", "192.0.2.1");
    let asked: [(&str, &[(&str, &str)]); 13] = [
        ("GET", &[]),
        ("HEAD", &[]),
        ("GET", &[("range", "bytes=10-99999")]),
        ("GET", &[("range", "bytes=-1")]),
        ("HEAD", &[("range", "bytes=-1")]),
        ("GET", &[("range", "bytes=900000-")]),
        ("GET", &[("if-none-match", &tag)]),
        ("GET", &[("if-match", "\"other\"")]),
        ("GET", &[("range", "bytes=5-9"), ("if-range", &tag)]),
        ("GET", &[origin, ("cookie", "a=b")]),
        ("GET", &[foreign]),
        ("GET", &[forwarded]),
        ("GET", &[("host", "evil.example")]),
    ];
    for size in [300, 700 << 10] {
        for (method, headers) in asked {
            let send = |path: String| {
                let mut answer = server.send(method, &path, headers, b"");
                answer.headers.retain(|(name, _)| name != "date");
                answer.headers.sort();
                (answer.status, answer.headers, answer.body)
            };
            // The router decodes the path before it compares; what stands in front does not.
            let routed = send(format!("/m%61ps/file/{size}.png"));
            let at_once = send(format!("/maps/file/{size}.png"));
            let spelled = send(format!("/api/maps/file/{size}%2Epng/"));
            assert!(at_once == routed, "{method} {size} {headers:?}");
            assert!(spelled == routed, "{method} {size} {headers:?}");
        }
    }
}

#[test]
fn answers_to_pipelined_requests_keep_their_order() {
    let server = server_with_files();
    let sizes = [300, 3 << 20, 700 << 10, 300, 700 << 10, 3 << 20, 300];
    // Into the cache, so that the first two sizes need no waiting.
    for size in [300, 700 << 10] {
        get(&server, size, &[]);
    }
    let mut asked = String::new();
    for (nth, size) in sizes.iter().enumerate() {
        let last = nth + 1 == sizes.len();
        let connection = if last { "connection: close\r\n" } else { "" };
        let host = server.addr;
        asked += &format!("GET /maps/file/{size}.png HTTP/1.1\r\nhost: {host}\r\n{connection}\r\n");
    }
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(asked.as_bytes()).unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    let mut rest = &got[..];
    for size in sizes {
        let head = rest.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        assert!(rest.starts_with(b"HTTP/1.1 200 "), "{size}");
        let body = &rest[head + 4..];
        assert!(body[..size] == bytes(size), "{size}");
        rest = &body[size..];
    }
    assert!(rest.is_empty());
}

#[test]
fn a_running_download_finishes_with_the_old_bytes() {
    let server = server_with_files();
    let old = bytes(3 << 20);
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /maps/file/{}.png HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        3 << 20,
        server.addr
    )
    .unwrap();
    let mut start = [0; 1000];
    stream.read_exact(&mut start).unwrap();
    let new = Form::new().file(&format!("{}.png", 3 << 20), PNG);
    assert_eq!(server.upload("/maps/upload", &new).status, 200);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let all = [&start[..], &rest].concat();
    assert!(all.ends_with(&old));
    assert_eq!(get(&server, 3 << 20, &[]).body, PNG);
}

#[test]
fn a_cut_upload_leaves_nothing_behind() {
    let server = start();
    let body = Form::new().file("cut.png", &bytes(200_000)).bytes();
    let head = format!(
        "POST /maps/upload HTTP/1.1\r\nhost: {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
        server.addr,
        Form::CONTENT_TYPE,
        body.len()
    );
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..150_000]).unwrap();
    let tmp = server.path(".tablekeep/tmp");
    let files = || std::fs::read_dir(&tmp).unwrap().count();
    while files() == 0 {
        std::thread::yield_now();
    }
    drop(stream);
    let start = std::time::Instant::now();
    while files() > 0 {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert_eq!(server.get("/maps/list").text(), r#"{"maps":[]}"#);
}

#[test]
fn broken_forms_are_refused_with_a_sentence() {
    let server = start();
    let post = |body: &[u8]| {
        server.send(
            "POST",
            "/maps/upload",
            &[("content-type", Form::CONTENT_TYPE)],
            body,
        )
    };
    for body in [&b"hello"[..], b"--XBOUNDARYX\r\n\r\n", b"--XBOUNDARYX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\nnever ends", b""] {
        let answer = post(body);
        assert!(matches!(answer.status, 400 | 422), "{}", answer.text());
        assert!(answer.value()["detail"].is_string() || answer.value()["detail"].is_array());
    }
    let many: Form = (0..40).fold(Form::new(), |form, n| form.text(&format!("x{n}"), "y"));
    assert_eq!(server.upload("/maps/upload", &many).status, 400);
    assert_eq!(
        server
            .upload(
                "/maps/upload",
                &Form::new()
                    .text("folder", &"x".repeat(5000))
                    .file("a.png", PNG)
            )
            .status,
        400
    );
}

#[test]
fn two_files_in_one_upload_are_refused_before_one_is_stored() {
    let server = start();
    let form = Form::new().file("a.png", PNG).file("b.png", PNG);
    assert_eq!(
        server.upload("/maps/upload", &form).whole(),
        (400, json!({"detail": "one file for each request"}))
    );
    assert_eq!(server.get("/maps/list").value()["maps"], json!([]));
}

#[test]
fn a_picture_of_absurd_size_is_refused_by_its_header() {
    let server = start();
    let mut huge = PNG.to_vec();
    huge[16..20].copy_from_slice(&70_000u32.to_be_bytes());
    let answer = server.upload("/maps/upload", &Form::new().file("wide.png", &huge));
    assert_eq!(
        (
            answer.status,
            answer.value()["detail"][0]["loc"].to_string()
        ),
        (422, r#"["body","file"]"#.to_owned())
    );
    huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    assert_eq!(
        server
            .upload("/maps/upload", &Form::new().file("area.png", &huge))
            .status,
        422
    );
}

#[test]
fn too_much_is_refused_before_it_is_sent() {
    let server = start();
    let head = format!(
        "POST /maps/upload HTTP/1.1\r\nhost: {}\r\ncontent-type: {}\r\ncontent-length: 99999999999\r\n\r\n",
        server.addr,
        Form::CONTENT_TYPE
    );
    assert_eq!(raw(server.addr, head.as_bytes()).status, 413);
    let head = format!(
        "PUT /scenes/x HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n",
        server.addr
    );
    let answer = raw(server.addr, head.as_bytes());
    assert_eq!(
        answer.text(),
        r#"{"detail":"the request is larger than the limit of 16777216 bytes"}"#
    );
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_an_upload_or_a_download() {
    let server = start_with(&["--max-image", "300M"]);
    let size = 200usize << 20;
    let before = server.resident_bytes("VmRSS");
    let head = "--XBOUNDARYX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big.png\"\r\n\r\n";
    let tail = "\r\n--XBOUNDARYX--\r\n";
    let mut stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE * 3)).unwrap();
    let length = head.len() + size + tail.len();
    write!(stream, "POST /maps/upload HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: {}\r\ncontent-length: {length}\r\n\r\n{head}", server.addr, Form::CONTENT_TYPE).unwrap();
    let piece = bytes(1 << 20);
    for _ in 0..200 {
        stream.write_all(&piece).unwrap();
    }
    stream.write_all(tail.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.ends_with(r#"{"filename":"big.png","folder":""}"#),
        "{answer}"
    );
    assert_eq!(
        std::fs::metadata(server.path("maps/big.png"))
            .unwrap()
            .len() as usize,
        size
    );
    let mut stream = TcpStream::connect(server.addr).unwrap();
    write!(
        stream,
        "GET /maps/file/big.png HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        server.addr
    )
    .unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            n => total += n,
        }
    }
    assert!(total > size);
    let rise = server.resident_bytes("VmHWM") - before;
    assert!(rise < 16 << 20, "{rise} bytes");
}
