//! PeerShare's REST routes, pages and CORS, on the main listener and on those of its own.

use crate::support::{
    Answer, TestServer, send_to, start_with, start_with_vars, websocket_on, write_file,
};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpStream};

const NOBODY: &str = "0b6fe7ab-3b1f-41ee-be56-0242ac120002";

struct World {
    server: TestServer,
    seed: SocketAddr,
    newest: SocketAddr,
}

impl World {
    fn new(vars: &[(&str, &str)], flags: &[&str]) -> Self {
        let speak = ["--speak", "peershare@0", "--speak", "peershare-new@0"];
        let mut server = start_with_vars(vars, &[&speak, flags].concat());
        let seed = server.listener("peershare");
        let newest = server.listener("peershare-new");
        Self {
            server,
            seed,
            newest,
        }
    }
}

fn get(addr: SocketAddr, path: &str) -> Answer {
    send_to(addr, "GET", path, &[], b"")
}

/// Somebody in a new group, and the group's id.
fn create(addr: SocketAddr, path: &str) -> (crate::support::Socket, String) {
    let stream = TcpStream::connect(addr).unwrap();
    let (mut socket, _) = websocket_on(stream, &format!("ws://{addr}{path}"), &[]).unwrap();
    socket.say(r#"{"type":"create-group","payload":{"groupName":"My Group","username":"ann"}}"#);
    loop {
        let said: Value = serde_json::from_str(&socket.hear()).unwrap();
        if said["type"] == "group-created" {
            let id = said["payload"]["groupId"].as_str().unwrap().to_owned();
            return (socket, id);
        }
    }
}

fn is_moment(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.len() == 24 && text.starts_with("20") && text.ends_with('Z') && &text[19..20] == "."
}

#[test]
fn groups_are_looked_up_in_each_versions_words() {
    let world = World::new(&[], &[]);
    let (_socket, id) = create(world.seed, "/");
    let new_id = format!("group_{id}");
    for (addr, shown, newest) in [
        (world.seed, &id, false),
        (world.server.addr, &id, false),
        (world.newest, &new_id, true),
    ] {
        for asked in [&id, &new_id, &id.to_uppercase()] {
            let (status, group) = get(addr, &format!("/api/group/{asked}")).whole();
            assert_eq!(status, 200, "{asked}");
            let created = &group["createdAt"];
            assert!(if newest {
                created.is_u64()
            } else {
                is_moment(created)
            });
            let expected = json!({"id": shown, "name": "My Group", "createdAt": created, "memberCount": 1, "exists": true});
            assert_eq!(group, expected);
        }
        let (status, gone) = get(addr, &format!("/api/group/{NOBODY}")).whole();
        assert_eq!((status, &gone["code"]), (404, &json!("GROUP_NOT_FOUND")));
        assert!(gone["error"].is_string() && gone.as_object().unwrap().len() == 2);
        for bad in ["x", "group_", "a%20b", "0b6fe7ab-3b1f-41ee-be56", "%00"] {
            let (status, bad) = get(addr, &format!("/api/group/{bad}")).whole();
            assert_eq!((status, &bad["code"]), (400, &json!("INVALID_GROUP_ID")));
            let detail = &bad["details"][0];
            let validation = if newest { "regex" } else { "uuid" };
            assert_eq!(detail["validation"], validation);
            assert_eq!(
                (&detail["code"], &detail["path"]),
                (&json!("invalid_string"), &json!(["groupId"]))
            );
        }
        // HEAD says the same without a body.
        for path in [id.as_str(), NOBODY, "x"] {
            let path = format!("/api/group/{path}");
            let (full, head) = (get(addr, &path), send_to(addr, "HEAD", &path, &[], b""));
            assert_eq!(head.status, full.status);
            assert!(head.body.is_empty());
            for name in ["content-type", "content-length"] {
                assert_eq!(head.header(name), full.header(name));
            }
            assert_eq!(
                full.header("content-length"),
                Some(full.body.len().to_string().as_str())
            );
        }
    }
}

#[test]
fn health_and_stats_count_what_is_there() {
    let world = World::new(&[], &[]);
    let (first, _) = create(world.seed, "/");
    let (_second, id) = create(world.newest, "/ws");
    let stream = TcpStream::connect(world.seed).unwrap();
    let (mut third, _) = websocket_on(stream, &format!("ws://{}/", world.seed), &[]).unwrap();
    let wish = json!({"type": "join-group", "payload": {"groupId": id, "username": "bob"}});
    third.say(&wish.to_string());
    third.hear();
    for addr in [world.seed, world.newest, world.server.addr] {
        let stats = get(addr, "/api/stats").value();
        assert!(is_moment(&stats["timestamp"]) && stats["uptime"].is_f64());
        let expected = json!({"totalGroups": 2, "totalUsers": 3, "averageGroupSize": 1.5,
            "timestamp": stats["timestamp"], "uptime": stats["uptime"]});
        assert_eq!(stats, expected);
        let health = get(addr, "/api/health").value();
        assert_eq!(health["status"], "ok");
        assert!(is_moment(&health["timestamp"]) && health["uptime"].as_f64().unwrap() > 0.0);
        let counts = json!({"totalGroups": 2, "totalUsers": 3, "averageGroupSize": 1.5});
        assert_eq!(health["stats"], counts);
        assert_eq!(send_to(addr, "HEAD", "/api/health", &[], b"").status, 200);
    }
    let names = |addr| {
        let health = get(addr, "/api/health").value();
        health
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(world.seed),
        ["status", "timestamp", "uptime", "stats"]
    );
    assert!(names(world.newest).contains(&"platform".to_owned()));
    // On the main listener with everything that SpellTable's clients look for.
    assert!(names(world.server.addr).contains(&"maps".to_owned()));
    assert_eq!(names(world.server.addr), {
        let health = world.server.get("/health").value();
        health
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    });
    drop((first, third));
}

#[test]
fn an_empty_server_divides_by_nothing() {
    let world = World::new(&[], &[]);
    let stats = get(world.seed, "/api/stats").value();
    assert_eq!(
        (&stats["totalGroups"], &stats["averageGroupSize"]),
        (&json!(0), &json!(0.0))
    );
}

#[test]
fn the_cards_say_where_sockets_are() {
    let mut server = start_with_vars(
        &[("NODE_ENV", "production")],
        &["--speak", "peershare@0,0,peershare-new@0"],
    );
    let http = server.listener("peershare");
    let sockets = server.listener("peershare-socket");
    let newest = server.listener("peershare-new");
    let card = get(http, "/").value();
    let expected = json!({"name": card["name"], "version": "1.0.0", "status": "running",
        "websocketPort": sockets.port(), "environment": "production"});
    assert_eq!(card, expected);
    let expected = json!({"name": card["name"], "version": "1.0.0", "status": "running"});
    for path in ["/api", "/api/", "/"] {
        assert_eq!(get(newest, path).value(), expected, "{path}");
    }
    let live = get(newest, "/api/health/live").value();
    assert_eq!(
        (&live["status"], live.as_object().unwrap().len()),
        (&json!("alive"), 2)
    );
    let ready = get(newest, "/api/health/ready").value();
    assert!(
        ready["status"] == "ready" && ready["uptime"].is_f64() && is_moment(&ready["timestamp"])
    );
    // The socket port is for sockets.
    for path in ["/", "/api/health", "/x"] {
        let answer = get(sockets, path);
        assert_eq!(
            (answer.status, answer.header("upgrade")),
            (426, Some("websocket"))
        );
    }
    assert_eq!(get(newest, "/ws").status, 426);
    for (addr, path) in [
        (http, "/x"),
        (http, "/api"),
        (http, "/api/health/live"),
        (http, "/api/x"),
        (newest, "/api/x"),
        (newest, "/api/group/a/b"),
    ] {
        let (status, body) = get(addr, path).whole();
        assert_eq!((status, body["code"].is_string()), (404, true), "{path}");
    }
    assert_eq!(send_to(http, "POST", "/api/stats", &[], b"{").status, 404);
}

#[test]
fn pages_are_answered_as_their_own_server_does() {
    let world = World::new(&[("ALLOWED_ORIGINS", "https://ok.example")], &[]);
    for addr in [world.seed, world.newest] {
        for (origin, allowed) in [
            (None, false),
            (Some("http://localhost:5173"), true),
            (Some("http://localhost:3000"), true),
            (Some("https://ok.example"), true),
            (Some("https://evil.example"), false),
            (Some("null"), false),
        ] {
            let headers: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
            for path in ["/api/health", "/api/group/x", "/api/nothing"] {
                let answer = send_to(addr, "GET", path, &headers, b"");
                assert!(answer.status != 403);
                assert_eq!(
                    answer.header("access-control-allow-origin"),
                    origin.filter(|_| allowed)
                );
                assert_eq!(
                    answer.header("access-control-allow-credentials"),
                    Some("true")
                );
                assert_eq!(answer.header("vary"), Some("Origin"));
            }
            let Some(origin) = origin else { continue };
            let asked = [
                ("origin", origin),
                ("access-control-request-method", "GET"),
                ("access-control-request-headers", "x-one"),
            ];
            let preflight = send_to(addr, "OPTIONS", "/api/health", &asked, b"");
            assert_eq!((preflight.status, preflight.body.len()), (204, 0));
            assert_eq!(
                preflight.header("access-control-allow-methods"),
                Some("GET,HEAD,PUT,PATCH,POST,DELETE")
            );
            assert_eq!(
                preflight.header("access-control-allow-origin"),
                Some(origin).filter(|_| allowed)
            );
        }
    }
    // What PeerShare's operator allows there is not allowed at the table.
    let main = world
        .server
        .send("GET", "/health", &[("origin", "https://ok.example")], b"");
    assert_eq!(main.header("access-control-allow-origin"), None);
}

#[test]
fn its_own_client_is_served_with_one_page_for_all_paths() {
    let build = tempfile::tempdir().unwrap();
    let page = "<title>PeerShare</title><script src=/assets/app.js></script>";
    write_file(build.path(), "index.html", page.as_bytes());
    write_file(build.path(), "assets/app.js", b"1");
    let folder = build.path().display();
    let clients = format!("peershare={folder},peershare-new={folder}");
    let flags = ["--peershare-cloud-redirect", "false", "--client", &clients];
    let world = World::new(&[], &flags);
    for addr in [world.seed, world.newest] {
        for path in [
            "/",
            "/call",
            "/group/group_abc",
            &format!("/group/{NOBODY}"),
            "/group/x/",
        ] {
            let answer = get(addr, path);
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (200, page),
                "{path}"
            );
        }
        assert_eq!(get(addr, "/assets/app.js").text(), "1");
        assert_eq!(get(addr, "/assets/gone.js").status, 404);
        assert_eq!(get(addr, "/api/health").value()["status"], "ok");
        assert_eq!(get(addr, "/api/x").value()["code"], "NOT_FOUND");
    }
    assert_eq!(get(world.newest, "/api").value()["status"], "running");
    // By default the page is led to this server's broker, before any script of its own.
    let world = World::new(&[], &["--client", &clients]);
    for path in ["/", "/group/x"] {
        let page = get(world.newest, path).text();
        let (before, behind) = page.split_once("0.peerjs.com").unwrap();
        assert!(before.starts_with("<title>PeerShare</title><script>"));
        assert!(behind.ends_with("</script><script src=/assets/app.js></script>"));
    }
    assert_eq!(get(world.newest, "/assets/app.js").text(), "1");
}

#[test]
fn the_broker_is_on_its_ports_too() {
    let mut server = start_with(&["--speak", "peershare@0,0,peershare-new@0"]);
    let names = ["peershare", "peershare-socket", "peershare-new"];
    for addr in names.map(|name| server.listener(name)) {
        for path in ["/peerjs/id", "/peerjs/peerjs/id"] {
            let answer = send_to(addr, "GET", path, &[("origin", "http://localhost:1")], b"");
            assert!(uuid::Uuid::try_parse(&answer.text()).is_ok(), "{path}");
            let cors = answer.header("access-control-allow-origin");
            assert_eq!(cors, Some("http://localhost:1"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
}

#[test]
fn limits_are_told() {
    let server = start_with(&["--peershare-members", "7", "--peershare-heartbeat", "1500"]);
    let limits = &server.get("/limits").value()["peershare"];
    assert_eq!(
        (&limits["members"], &limits["heartbeat_milliseconds"]),
        (&json!(7), &json!(1500))
    );
    assert_eq!(
        (&limits["messages_per_second"], &limits["messages_at_once"]),
        (&json!(10), &json!(40))
    );
}
