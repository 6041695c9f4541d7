//! Hundreds of hostile spellings in every place where a path can stand: nothing is read or written
//! outside of the data folder, and nothing breaks.

use crate::support::{Form, PNG, TestServer, start_in, write_file};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

const MARKER: &str = "TOP-SECRET-MARKER";

/// Ways out, combined with ways to write them.
fn spellings() -> Vec<String> {
    let targets = [
        "secret.txt",
        "secret.png",
        "secret.json",
        "etc/passwd",
        "data/etc/hostname",
    ];
    let ups = [
        "..",
        "../..",
        "../../..",
        "../../../../../../..",
        "x/../..",
        "./..",
        ".../..",
        "..;",
        "....//..",
        "..%2f..",
        "%2e%2e/..",
        "..%5c..",
        "..%c0%af..",
        "..\u{ff0f}..",
    ];
    let mut found = BTreeSet::new();
    for target in targets {
        for up in ups {
            let plain = format!("{up}/{target}");
            found.insert(plain.clone());
            found.insert(plain.replace('/', "\\"));
            found.insert(format!("{plain}\0.png"));
            found.insert(format!("x/{plain}"));
        }
        for prefix in [
            "/",
            "//",
            "\\\\",
            "C:/",
            "C:\\",
            "file:///",
            "~/",
            "/proc/self/root/",
            "\\\\?\\C:\\",
            "./",
            "/./",
            "//../",
        ] {
            found.insert(format!("{prefix}{target}"));
        }
    }
    for odd in [
        "",
        ".",
        "..",
        "...",
        "/",
        "\\",
        " ",
        "%",
        "%2",
        "%zz",
        "\0",
        "\n",
        "\r\n\r\nGET /",
        "a\tb",
        "\u{202e}gnp.exe",
        "con",
        "NUL.png",
        "aux.json",
        "a:b",
        "a|b",
        "*?",
        "$(id)",
        "`id`",
        "';--",
        "{{7*7}}",
        "${jndi:ldap://x}",
        ".tablekeep",
        ".tablekeep/lock",
        ".tablekeep/key",
        "..%2f",
        "%2e%2e",
        "images",
        "images/x",
        "current_scene.json",
        "current_scene",
        "x.png/",
        "x.png/y",
        "-rf",
        "--",
        "\u{feff}",
        "\u{0}png",
        "ﬁ.png",
        "\u{1f409}.png",
    ] {
        found.insert(odd.to_owned());
    }
    found.insert("x".repeat(300));
    found.insert("x/".repeat(600) + "y");
    found.insert("é".repeat(200));
    found.insert("../".repeat(400) + "etc/passwd");
    found.into_iter().collect()
}

/// In an address: as they are where HTTP allows it, and percent-encoded once and twice.
fn encodings(raw: &str) -> Vec<String> {
    let encode = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|b| format!("%{b:02x}"))
            .collect::<String>()
    };
    let only = |chars: &[char]| {
        raw.chars()
            .map(|c| {
                if chars.contains(&c) || c.is_control() || !c.is_ascii() || c == ' ' {
                    encode(c.to_string().as_bytes())
                } else {
                    c.to_string()
                }
            })
            .collect::<String>()
    };
    let once = encode(raw.as_bytes());
    let mut all = vec![
        only(&['\\', '#', '?', '%', '"', '<', '>', '`', '{', '}', '|', '^']),
        only(&[
            '\\', '/', '#', '?', '%', '"', '<', '>', '`', '{', '}', '|', '^',
        ]),
        once.replace('%', "%25"),
        format!(
            "{}%c0%ae%c0%ae%2f%ff",
            only(&[
                '/', '\\', '#', '?', '%', '"', '<', '>', '`', '{', '}', '|', '^'
            ])
        ),
        once,
    ];
    all.retain(|path| path.len() < 7000);
    all
}

/// All files around and in the data folder with their content. One that the server takes away at this
/// moment, such as a new journal that gets its name, is none any more.
fn snapshot(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
        let is_gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
        let entry = match entry {
            Err(e) if e.io_error().is_some_and(is_gone) => continue,
            entry => entry.unwrap(),
        };
        if entry.file_type().is_file() {
            let path = entry.path().display().to_string();
            match std::fs::read(entry.path()) {
                Err(e) if is_gone(&e) => {}
                read => files.push((path, read.unwrap())),
            }
        }
    }
    files
}

struct Arena {
    server: TestServer,
    outer: tempfile::TempDir,
}

impl Arena {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        for name in [
            "secret.txt",
            "secret.png",
            "secret.json",
            "etc/passwd",
            "etc/hostname",
        ] {
            let content = if name.ends_with("json") {
                format!("{{\"id\":\"{MARKER}\"}}")
            } else {
                MARKER.to_owned()
            };
            write_file(outer.path(), name, content.as_bytes());
            write_file(outer.path(), &format!("data/{name}"), content.as_bytes());
        }
        let data = outer.path().join("data");
        write_file(&data, "maps/real.png", PNG);
        write_file(&data, "sounds/loop/real.wav", &crate::support::wav(1));
        write_file(
            &data,
            "scenes/real.json",
            br#"{"id":"real","name":"R","images":[]}"#,
        );
        let server = start_in(&data, &[]);
        server.wait_for("/health", |health| health["scanning"] == false);
        Self { server, outer }
    }

    /// What lies outside of the three libraries: nothing here may ever change.
    fn outside(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = snapshot(self.outer.path());
        let data = self.outer.path().join("data");
        files.retain(|(path, _)| {
            ["maps", "scenes", "sounds", ".tablekeep"]
                .iter()
                .all(|dir| !Path::new(path).starts_with(data.join(dir)))
        });
        files
    }

    fn check(&self, what: &str, status: u16, body: &[u8]) {
        assert!(
            status < 500,
            "{what}: {status} {}",
            String::from_utf8_lossy(body)
        );
        let leaked = body.windows(MARKER.len()).any(|w| w == MARKER.as_bytes());
        assert!(!leaked, "{what} leaked");
    }
}

#[test]
fn there_are_enough_of_them() {
    let all: usize = spellings().iter().map(|s| encodings(s).len()).sum();
    assert!(
        spellings().len() >= 300 && all >= 1200,
        "{} {all}",
        spellings().len()
    );
}

#[test]
fn no_address_leads_out() {
    let arena = Arena::new();
    let before = arena.outside();
    let spellings = spellings();
    let routes = [
        ("GET", "/maps/file/"),
        ("GET", "/maps/data/"),
        ("GET", "/maps/uses/"),
        ("DELETE", "/maps/file/"),
        ("DELETE", "/maps/folder/"),
        ("GET", "/scenes/load/"),
        ("GET", "/scenes/image/"),
        ("DELETE", "/scenes/"),
        ("DELETE", "/scenes/folder/"),
        ("DELETE", "/scenes/real/image/"),
        ("GET", "/audio/file/loop/"),
        ("GET", "/audio/file/"),
        ("DELETE", "/audio/file/loop/"),
        ("DELETE", "/audio/folder/loop/"),
        ("GET", "/ui/"),
        ("GET", "/docs/"),
        ("GET", "/"),
    ];
    for (n, spelling) in spellings.iter().enumerate() {
        for encoded in encodings(spelling) {
            for (r, (method, prefix)) in routes.iter().enumerate() {
                // Each way of writing meets every route, each spelling a part of them.
                if (n + r) % 4 != 0 {
                    continue;
                }
                let path = format!("{prefix}{encoded}");
                let answer = arena.server.send(method, &path, &[], b"");
                arena.check(&format!("{method} {path}"), answer.status, &answer.body);
            }
        }
    }
    assert_eq!(arena.outside(), before);
    for kept in ["maps/real.png", "sounds/loop/real.wav"] {
        // Only their own exact names may have deleted them.
        assert!(arena.server.path(kept).exists(), "{kept}");
    }
}

#[test]
fn no_body_leads_out() {
    let arena = Arena::new();
    let before = arena.outside();
    for spelling in spellings() {
        let s = spelling.as_str();
        let requests = [
            ("POST", "/maps/folder", json!({"folder_name": s})),
            (
                "POST",
                "/maps/folder",
                json!({"folder_name": "x", "parent_folder": s}),
            ),
            ("PUT", "/maps/rename/real.png", json!({"new_name": s})),
            ("PUT", "/maps/move/real.png", json!({"folder": s})),
            ("POST", "/maps/data", json!({"name": s, "data": {}})),
            (
                "POST",
                "/maps/data",
                json!({"name": "x", "folder": s, "data": {}}),
            ),
            (
                "POST",
                "/scenes/save",
                json!({"id": s, "name": s, "folder": s}),
            ),
            (
                "POST",
                "/scenes/save",
                json!({"id": s, "name": "x", "images": [{"id": "i", "name": s, "path": s}]}),
            ),
            (
                "PUT",
                "/scenes/real",
                json!({"id": s, "name": "x", "folder": s}),
            ),
            (
                "POST",
                "/scenes/folder",
                json!({"folder_name": s, "parent_folder": null}),
            ),
            (
                "POST",
                "/audio/folder",
                json!({"category": "loop", "folder_name": s}),
            ),
            (
                "POST",
                "/audio/folder",
                json!({"category": s, "folder_name": "x"}),
            ),
            ("PUT", "/audio/rename/loop/real.wav", json!({"new_name": s})),
            ("PUT", "/audio/move/loop/real.wav", json!({"folder": s})),
        ];
        for (method, path, body) in requests {
            let answer = arena.server.json(method, path, &body.to_string());
            arena.check(
                &format!("{method} {path} {body}"),
                answer.status,
                &answer.body,
            );
        }
        // Whatever was moved or renamed legally: put it back for the next spelling.
        write_file(&arena.server.path(""), "maps/real.png", PNG);
        write_file(
            &arena.server.path(""),
            "sounds/loop/real.wav",
            &crate::support::wav(1),
        );
    }
    assert_eq!(arena.outside(), before);
}

#[test]
fn no_form_leads_out() {
    let arena = Arena::new();
    let before = arena.outside();
    for spelling in spellings() {
        let raw =
            |name: &str| Form::new().part(&format!("name=\"file\"; filename=\"{name}\""), PNG);
        // A form's header ends at a line break: what is behind would be another header.
        let name = spelling.replace(['\r', '\n', '"'], "_");
        let utf8: String = spelling.bytes().map(|b| format!("%{b:02x}")).collect();
        for (path, form) in [
            ("/maps/upload", raw(&name)),
            ("/maps/upload", raw(&format!("{name}.png"))),
            ("/maps/upload", raw(&name.replace('\\', "\\\\"))),
            (
                "/maps/upload",
                Form::new().part(&format!("name=\"file\"; filename*=UTF-8''{utf8}.png"), PNG),
            ),
            (
                "/maps/upload",
                Form::new().text("folder", &spelling).file("x.png", PNG),
            ),
            ("/scenes/real/image", raw(&name)),
            (
                "/audio/upload",
                Form::new()
                    .text("category", &spelling)
                    .file("x.wav", &crate::support::wav(1)),
            ),
            (
                "/audio/upload",
                Form::new()
                    .text("category", "loop")
                    .text("folder", &spelling)
                    .file("x.wav", &crate::support::wav(1)),
            ),
        ] {
            let answer = arena.server.upload(path, &form);
            arena.check(&format!("{path} {spelling:?}"), answer.status, &answer.body);
        }
    }
    assert_eq!(arena.outside(), before);
}

#[test]
fn no_scene_on_the_table_leads_out() {
    let arena = Arena::new();
    let before = arena.outside();
    let mut gm = arena.server.websocket();
    let mut viewer = arena.server.websocket();
    gm.hear();
    viewer.hear();
    for (n, spelling) in spellings().into_iter().enumerate() {
        let scene = json!({"id": spelling, "folder": spelling, "activeMapId": spelling, "maps": [{"name": spelling, "folder": spelling}], "images": [{"id": "i", "name": "n", "path": spelling}]});
        gm.say(&json!({"type": "scene_update", "scene": scene}).to_string());
        assert!(viewer.hear().contains("scene_update"));
        gm.say(&json!({"type": "highlight_marker", "markerId": spelling}).to_string());
        assert!(viewer.hear().contains("highlight_marker"));
        // The rename looks for the map in the scene on the table.
        let (from, to) = if n % 2 == 0 {
            ("real", "real2")
        } else {
            ("real2", "real")
        };
        let body = json!({"new_name": format!("{to}.png")}).to_string();
        let answer = arena
            .server
            .json("PUT", &format!("/maps/rename/{from}.png"), &body);
        assert_eq!(answer.status, 200, "{spelling:?}: {}", answer.text());
    }
    assert_eq!(arena.outside(), before);
}
