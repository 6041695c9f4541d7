//! Nexus' asset server: its endpoints, filled from the maps.

use crate::support::{Answer, PNG, TestServer, send_to, start_with};
use serde_json::{Value, json};
use std::io::Read;
use std::net::SocketAddr;

/// A server with these maps, and where its library listens.
fn library(flags: &[&str], maps: &[(&str, &str)]) -> (TestServer, SocketAddr) {
    let mut server = start_with(&[&["--speak", "nexus-assets@0"], flags].concat());
    let addr = server.listener("nexus-assets");
    for (folder, name) in maps {
        server.upload_map(folder, name);
    }
    (server, addr)
}

fn get(addr: SocketAddr, path: &str) -> Answer {
    send_to(addr, "GET", path, &[], b"")
}

const MAPS: [(&str, &str); 3] = [
    ("", "8x8 Dirt Texture.png"),
    ("dungeons/level1", "crypt.png"),
    ("dungeons", "Cavern of Crystals.png"),
];

#[test]
fn the_manifest_lists_the_pictures_of_the_maps() {
    let (server, addr) = library(&[], &MAPS);
    server.put_file("maps/film.mp4", b"\0\0\0\x1cftypisom and so on");
    server.put_file("maps/no-picture.png", b"text");
    server.wait_for("/maps/list", |list| {
        list["maps"].as_array().unwrap().len() == 5
    });
    let answer = get(addr, "/manifest.json");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.header("cross-origin-resource-policy"),
        Some("cross-origin")
    );
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let manifest = answer.value();
    assert_eq!(manifest["version"], "1.0.0");
    assert!(manifest["generatedAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(manifest["totalAssets"], 3);
    assert_eq!(manifest["categories"], json!(["dungeons", "maps"]));
    let first = &manifest["assets"][0];
    let id = first["id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(
        *first,
        json!({"id": id, "name": "8x8 Dirt Texture", "category": "maps", "tags": ["maps"], "thumbnail": format!("thumbnails/{id}_thumb.png"),
            "fullImage": format!("assets/{id}.png"), "dimensions": {"width": 1, "height": 1}, "fileSize": PNG.len(), "format": "png"})
    );
    let crypt = &manifest["assets"][2];
    assert_eq!(
        (&crypt["category"], &crypt["tags"]),
        (&json!("dungeons"), &json!(["dungeons", "level1"]))
    );
    assert_eq!(get(addr, &format!("/asset/{id}")).value(), *first);
    // What its tag says is true until something changes.
    let tag = answer.header("etag").unwrap();
    let again = |tag: &str| {
        send_to(
            addr,
            "GET",
            "/manifest.json",
            &[("if-none-match", tag)],
            b"",
        )
        .status
    };
    assert_eq!(again(tag), 304);
    server.upload_map("", "new.png");
    assert_eq!(again(tag), 200);
    let health = get(addr, "/health").value();
    assert_eq!(
        (
            &health["status"],
            &health["version"],
            &health["assetsLoaded"]
        ),
        (&json!("ok"), &json!("1.0.0"), &json!(4))
    );
    assert!(health["uptime"].as_f64().unwrap() > 0.0);
}

#[test]
fn pictures_are_sent_as_what_they_are() {
    let (_server, addr) = library(&[], &MAPS);
    let manifest = get(addr, "/manifest.json").value();
    for asset in manifest["assets"].as_array().unwrap() {
        for name in ["fullImage", "thumbnail"] {
            let path = format!("/{}", asset[name].as_str().unwrap());
            // Nexus' own server has nothing but WebP: its name for the file finds it, too.
            for path in [path.clone(), path.replace(".png", ".webp")] {
                let answer = get(addr, &path);
                assert_eq!((answer.status, &answer.body[..]), (200, PNG), "{path}");
                assert_eq!(answer.header("content-type"), Some("image/png"));
                assert_eq!(
                    answer.header("cache-control"),
                    Some("public, max-age=86400")
                );
                assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
                assert_eq!(
                    answer.header("cross-origin-resource-policy"),
                    Some("cross-origin")
                );
            }
            let part = send_to(addr, "GET", &path, &[("range", "bytes=0-3")], b"");
            assert_eq!((part.status, &part.body[..]), (206, &PNG[..4]));
        }
    }
}

#[test]
fn searching_and_paging() {
    let (_server, addr) = library(&[], &MAPS);
    let names = |list: &Value| -> Vec<String> {
        let names = list
            .as_array()
            .unwrap()
            .iter()
            .map(|asset| asset["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    for (query, found) in [
        ("CRY", &["Cavern of Crystals", "crypt"][..]),
        ("level1", &["crypt"]),
        ("dirt%20t", &["8x8 Dirt Texture"]),
        ("dirt+t", &["8x8 Dirt Texture"]),
        ("nothing", &[]),
        // The first of several.
        ("crypt&q=dirt", &["crypt"]),
    ] {
        let answer = get(addr, &format!("/search?q={query}"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
        let answer = answer.value();
        assert_eq!(names(&answer["results"]), found, "{query}");
        assert_eq!(answer["total"], found.len());
    }
    for query in ["", "?q=", "?q=a", "?x=crypt"] {
        let answer = get(addr, &format!("/search{query}"));
        assert_eq!(
            answer.whole(),
            (400, json!({"error": "Query must be at least 2 characters"}))
        );
    }
    for (path, page, limit, found, more) in [
        ("all", 0, 20, 3, false),
        ("all?limit=2", 0, 2, 2, true),
        ("all?page=1&limit=2", 1, 2, 1, false),
        ("all?page=9", 9, 20, 0, false),
        ("all?page=-1&limit=-5", 0, 1, 1, true),
        ("all?limit=1000&page=x", 0, 100, 3, false),
        ("all?limit=0", 0, 1, 1, true),
        (
            "all?page=99999999999999&limit=100",
            1usize << 32,
            100,
            0,
            false,
        ),
        ("all?page=999999999999999999999", 1 << 32, 20, 0, false),
        ("dungeons", 0, 20, 2, false),
        ("maps", 0, 20, 1, false),
        ("unknown", 0, 20, 0, false),
    ] {
        let answer = get(addr, &format!("/category/{path}"));
        assert_eq!(answer.status, 200, "{path}");
        let answer = answer.value();
        assert_eq!(answer["category"], path.split('?').next().unwrap());
        assert_eq!(
            (&answer["page"], &answer["limit"], &answer["hasMore"]),
            (&json!(page), &json!(limit), &json!(more)),
            "{path}"
        );
        assert_eq!(answer["assets"].as_array().unwrap().len(), found, "{path}");
    }
}

#[test]
fn what_is_not_there_is_said_as_nexus_says_it() {
    let (_server, addr) = library(&[], &[]);
    let lost = json!({"error": "Not found", "availableEndpoints": ["/health", "/manifest.json", "/search?q=term", "/category/:name", "/asset/:id", "/assets/:filename", "/thumbnails/:filename"]});
    for path in [
        "/",
        "/maps/list",
        "/assets/x.webp",
        "/assets/..%2f..%2fetc",
        "/thumbnails/x",
        "/scenes/list",
        "/ws",
    ] {
        assert_eq!(get(addr, path).whole(), (404, lost.clone()), "{path}");
    }
    assert_eq!(
        get(addr, "/asset/x").whole(),
        (404, json!({"error": "Asset not found"}))
    );
    assert_eq!(
        send_to(addr, "POST", "/manifest.json", &[], b"").whole(),
        (404, lost)
    );
    let empty = get(addr, "/manifest.json").value();
    assert_eq!(
        (&empty["totalAssets"], &empty["assets"]),
        (&json!(0), &json!([]))
    );
}

#[test]
fn large_answers_are_packed_for_those_who_take_it() {
    let maps: Vec<_> = (0..20).map(|n| ("", format!("map{n}.png"))).collect();
    let maps: Vec<_> = maps
        .iter()
        .map(|(folder, name)| (*folder, name.as_str()))
        .collect();
    let (_server, addr) = library(&[], &maps);
    let plain = get(addr, "/manifest.json");
    assert_eq!(plain.header("content-encoding"), None);
    let packed = send_to(
        addr,
        "GET",
        "/manifest.json",
        &[("accept-encoding", "gzip, br")],
        b"",
    );
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("Accept-Encoding"));
    assert_ne!(packed.header("etag"), plain.header("etag"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_end(&mut text)
        .unwrap();
    assert!(text == plain.body && packed.body.len() < plain.body.len() / 2);
}

#[test]
fn everybody_may_look_and_pages_from_elsewhere_may_not() {
    let (_server, addr) = library(&["--loopback-gm", "false"], &[]);
    for (headers, status, allowed) in [
        (&[][..], 200, Some("*")),
        (&[("origin", "http://localhost:3000")], 200, Some("*")),
        (&[("origin", "https://evil.example")], 200, None),
        (&[("host", "evil.example")], 421, None),
    ] {
        let answer = send_to(addr, "GET", "/manifest.json", headers, b"");
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (status, allowed),
            "{headers:?}"
        );
    }
    let document = get(addr, "/openapi.json").value();
    for path in document["paths"].as_object().unwrap().keys() {
        let path = path
            .replace("{name}", "all")
            .replace("{id}", "x")
            .replace("{file}", "x");
        assert!(matches!(get(addr, &path).status, 200 | 400 | 404), "{path}");
    }
}
