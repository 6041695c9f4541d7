//! Players cannot peek: a search through every byte that a player's or a screen's connection ever
//! receives, by socket and by GET, for things that are the GM's alone.

use crate::support::{PNG, Socket, TestServer, start_in, wav, write_file};
use crate::table_client::{Member, insert, new_id, set};
use serde_json::{Value, json};
use tungstenite::protocol::Message;

/// A proxy in front: whoever comes through it is no GM.
const AS_PLAYER: (&str, &str) = ("x-forwarded-for", "10.0.0.1");

/// Parts of everything that is planted; nothing else in this test has them.
const SECRETS: [&str; 3] = ["PEEK", "peek", "71300"];

fn scene() -> Value {
    json!({
        "id": "crypt", "name": "The crypt", "activeMapId": "PEEK lair.png", "folder": "PEEK folder",
        "gm_note": "PEEK note", "plans": {"PEEK plan": "PEEK"}, "images": ["PEEK image"],
        "encounterHistory": [{"id": "PEEK past", "monsters": 71300}],
        "maps": [
            {"name": "crypt.png", "gm_x": "PEEK", "data": {"position": {"x": 9, "y": 16}, "isHidden": false, "gm_y": ["PEEK"]}},
            {"name": "PEEK lair.png", "data": {"position": {"x": 71300.25, "y": 0}, "isHidden": true}},
            {"name": "PEEK attic.png", "folder": "PEEK house", "data": {"isHidden": true}}],
        "gridSettings": {"showGrid": true, "gridSize": 50, "gm_grid": "PEEK"},
        "initiativeOrder": [
            {"id": "i1", "name": "Brenna", "initiative": 21, "isPlayer": true, "hp": 20, "initialHP": 20, "gm_mood": "PEEK"},
            {"id": "i2", "name": "Gnoll", "initiative": 14, "isPlayer": false, "hp": 713001, "initialHP": 713009,
             "mapPosition": {"x": 5.71300, "y": 5.713002}, "turnMovementPath": [{"x": 5.713003, "y": 5}]}],
        "aoeMarkers": [
            {"id": "peek-trap", "shape": "circle", "label": "PEEK trap", "revealed": false, "position": {"x": 71300, "y": 1}},
            {"id": "open", "shape": "cone", "revealed": true, "gm_dc": "PEEK"}],
        "fogOfWar": [{"id": "f1", "gm_why": "PEEK", "points": [{"x": 0, "y": 0}, {"x": 100, "y": 0}, {"x": 100, "y": 100}, {"x": 0, "y": 100}]}]
    })
}

/// Somebody who must not know, with everything that was said to it.
struct Watcher {
    name: &'static str,
    socket: Socket,
    heard: String,
}

impl Watcher {
    fn page(server: &TestServer) -> Self {
        let socket = server.websocket_with(&[AS_PLAYER]).unwrap();
        Self {
            name: "SpellTable's viewer",
            socket,
            heard: String::new(),
        }
    }

    fn member(server: &TestServer, role: &'static str, more: &Value) -> Self {
        let mut socket = server.websocket_at("/ws/table", &[AS_PLAYER]).unwrap();
        let mut hello = json!({"type": "hello", "proto": 1, "name": role, "role": role});
        let more = more.as_object().unwrap().clone();
        hello.as_object_mut().unwrap().extend(more);
        socket.say(&hello.to_string());
        let heard = socket.hear();
        assert!(heard.contains("\"welcome\""), "{heard}");
        Self {
            name: role,
            socket,
            heard,
        }
    }

    fn welcome(&self) -> Value {
        let first = self.heard.lines().next().unwrap();
        serde_json::from_str(first).unwrap()
    }

    /// Listens until this has come, which is said after everything else.
    fn listen(&mut self, last: &str) {
        loop {
            match self.socket.0.read().unwrap() {
                Message::Text(text) => {
                    self.heard.push('\n');
                    self.heard.push_str(&text);
                    if text.contains(last) {
                        return;
                    }
                }
                Message::Close(frame) => panic!("{} was sent away: {frame:?}", self.name),
                _ => {}
            }
        }
    }

    fn knows_nothing(&self) {
        for secret in SECRETS {
            let found = self.heard.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{} has seen {secret}", self.name);
        }
    }
}

fn furnished() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let hidden = [PNG, b"PEEK pixels"].concat();
    let put = |below: &str, bytes: &[u8]| write_file(folder.path(), below, bytes);
    put("maps/crypt.png", PNG);
    put("maps/PEEK lair.png", &hidden);
    put("maps/PEEK house/PEEK attic.png", &hidden);
    put("maps/PEEK skipped.exe", b"PEEK");
    put("sounds/loop/drip.wav", &wav(1));
    put(
        "scenes/PEEK-saved.json",
        br#"{"id":"PEEK-saved","name":"PEEK saved","maps":[],"images":[]}"#,
    );
    put(
        "scenes/PEEK cellar/deep.json",
        br#"{"id":"deep","name":"PEEK deep","maps":[]}"#,
    );
    put("scenes/current_scene.json", scene().to_string().as_bytes());
    folder
}

#[test]
fn by_socket_nobody_learns_what_is_the_gms() {
    let folder = furnished();
    let mut server = start_in(folder.path(), &[]);
    let mut gm = Member::join(&server, "gm", "Gary");
    let mut admin = server.websocket();
    let mut player = Watcher::member(&server, "player", &json!({}));
    let mut display = Watcher::member(&server, "display", &json!({}));
    let mut viewer = Watcher::page(&server);
    let ada = player.welcome()["you"]["id"].as_str().unwrap().to_owned();
    let mut hears = 0;
    // Each act ends with something that all may see.
    let mut act = |gm: &mut Member, watchers: [&mut Watcher; 3]| {
        hears += 1;
        let mark = format!("heard-{hears}-");
        gm.changes(json!([set(
            ["gridSettings".into(), "gridColor".into()],
            mark.as_str()
        )]));
        for watcher in watchers {
            watcher.listen(&mark);
            watcher.knows_nothing();
        }
    };
    macro_rules! curtain {
        () => {
            act(&mut gm, [&mut player, &mut display, &mut viewer])
        };
    }
    curtain!();

    // What is hidden changes, and comes, and goes.
    let entry = |member: &str| ["initiativeOrder".into(), json!({"id": "i2"}), member.into()];
    let map = |name: &str, member: &str| {
        [
            "maps".into(),
            json!({"name": name}),
            "data".into(),
            member.into(),
        ]
    };
    for edits in [
        json!([set(["gm_note".into()], "PEEK more")]),
        json!([set(entry("hp"), 713_002)]),
        json!([set(entry("mapPosition"), json!({"x": 6.71300, "y": 7}))]),
        json!([set(entry("gm_plan"), "PEEK")]),
        json!([set(
            map("PEEK lair.png", "position"),
            json!({"x": 1, "y": 71300})
        )]),
        json!([insert(
            "maps",
            json!({"name": "PEEK new.png", "data": {"isHidden": true}})
        )]),
        json!([insert(
            "aoeMarkers",
            json!({"id": "peek-2", "revealed": false, "label": "PEEK"})
        )]),
        json!([{"op": "move", "path": ["maps", {"name": "PEEK new.png"}], "before": {"name": "crypt.png"}}]),
        json!([{"op": "delete", "path": ["maps", {"name": "PEEK new.png"}]}]),
        json!([set(["activeMapId".into()], "crypt.png")]),
        json!([set(["activeMapId".into()], "PEEK lair.png")]),
        json!([insert(
            "initiativeOrder",
            json!({"id": "i9", "name": "Boss", "hp": 713_004, "isPlayer": false})
        )]),
        json!([set(map("crypt.png", "gm_secret"), "PEEK")]),
        json!([
            set(["name".into()], "Deeper"),
            set(["gm_note".into()], "PEEK both")
        ]),
    ] {
        gm.changes(edits);
        curtain!();
    }
    // Whole scenes, of ours and of SpellTable's.
    let mut whole = gm.replica.doc.clone();
    whole["gm_whole"] = "PEEK".into();
    whole["gridSettings"]["gridSize"] = 60.into();
    gm.ask(json!({"type": "change", "base": gm.replica.seq, "scene": whole}));
    curtain!();
    let mut other = scene();
    other["id"] = "PEEK other".into();
    other["id"] = "other".into();
    other["gridSettings"]["gridColor"] = "loaded".into();
    admin.say(&json!({"type": "scene_update", "scene": other}).to_string());
    gm.until(|message| message.to_string().contains("loaded"));
    curtain!();
    // What passes.
    for (kind, key, data) in [
        ("drag", "PEEK lair.png", json!({"x": 1})),
        ("drag", "crypt.png", json!({"near": "PEEK lair.png"})),
        ("pointer", "", json!(["peek-trap"])),
        ("ping", "", json!({"on": {"PEEK attic.png": 1}})),
    ] {
        gm.say(&json!({"type": "hint", "kind": kind, "key": key, "data": data}));
    }
    admin.say(r#"{"type":"highlight_marker","markerId":"peek-trap"}"#);
    admin.say(r#"{"type":"request_scene_update"}"#);
    while !admin.hear().contains("gm_whole\":\"PEEK") && !admin.hear().contains("other") {}
    // What is said to some.
    let bob = Member::join_as(
        &server,
        &[AS_PLAYER],
        json!({"name": "Bob", "role": "player"}),
    );
    gm.ask(json!({"type": "chat", "text": "PEEK whisper", "to": bob.id()}));
    gm.ask(json!({"type": "chat", "text": "PEEK to myself", "to": "gm"}));
    gm.ask(json!({"type": "roll", "expr": "1d20+71300", "to": "gm"}));
    gm.say(&json!({"type": "signal", "to": bob.id(), "data": "PEEK signal"}));
    gm.ask(json!({"type": "audio", "action": "play", "track": "PEEK howl", "route": "gm"}));
    curtain!();
    // What players ask for.
    gm.ask(json!({"type": "assign", "entry": "i2", "member": ada}));
    let base = gm.replica.seq;
    gm.changes(json!([set(
        entry("mapPosition"),
        json!({"x": 8.71300, "y": 8})
    )]));
    for edits in [
        json!([set(entry("mapPosition"), json!({"x": 1, "y": 1}))]),
        json!([set(entry("hp"), 1)]),
        json!([{"op": "delete", "path": ["aoeMarkers", {"id": "p2"}]}]),
        json!([{"op": "move", "path": ["maps", {"name": "crypt.png"}], "before": {"name": "gone.png"}}]),
    ] {
        for watcher in [&mut player, &mut display] {
            let id = new_id();
            let change = json!({"type": "change", "id": id, "base": base, "edits": edits});
            watcher.socket.say(&change.to_string());
            watcher.listen(&id);
        }
    }
    assert!(player.heard.contains("\"conflict\""), "{}", player.heard);
    for watcher in [&mut player, &mut display] {
        for message in [
            json!({"type": "resync", "seq": 0}),
            json!({"type": "hint", "kind": "drag", "key": "i2", "data": 1}),
            json!({"type": "audio", "id": new_id(), "action": "stop", "track": "x"}),
            json!({"type": "kick", "id": new_id(), "member": "x"}),
        ] {
            watcher.socket.say(&message.to_string());
        }
    }
    viewer.socket.say(r#"{"type":"request_scene_update"}"#);
    viewer
        .socket
        .say(r#"{"type":"scene_update","scene":{"id":"mine"}}"#);
    curtain!();
    // A map that is renamed while it is hidden, and one that is shown and hidden again.
    let renamed = server.put(
        "/maps/rename/PEEK%20lair.png",
        &json!({"new_name": "PEEK cave.png"}),
    );
    assert_eq!(renamed.status, 200, "{}", renamed.text());
    gm.until(|message| message.to_string().contains("PEEK cave.png"));
    curtain!();
    gm.changes(json!([set(map("crypt.png", "isHidden"), true)]));
    gm.changes(json!([set(map("crypt.png", "isHidden"), false)]));
    curtain!();

    // Who comes later, who comes back, and what a restart shows.
    for crash in [false, true] {
        for role in ["player", "display"] {
            let token = player.welcome()["you"]["resume_token"].clone();
            for more in [
                json!({}),
                json!({"resume_token": token, "epoch": gm.replica.epoch, "seq": gm.replica.seq}),
                json!({"resume_token": token, "epoch": gm.replica.epoch, "seq": 1}),
                json!({"epoch": "0000000000000001", "seq": 1}),
            ] {
                Watcher::member(&server, role, &more).knows_nothing();
            }
        }
        let mut late = Watcher::page(&server);
        late.listen("scene_update");
        late.knows_nothing();
        if crash {
            break;
        }
        server.kill();
        server = start_in(folder.path(), &[]);
    }
}

/// Ways to ask for everything that the description names.
fn requests(api: &Value) -> Vec<String> {
    let fill = |name: &str, example: &str| -> Vec<String> {
        let mut values = vec![example.to_owned()];
        values.extend(
            match name {
                "category" => &["loop", "oneshot"][..],
                "scene_id" => &["PEEK-saved", "deep", "crypt", "default"],
                "id" => &["main"],
                _ => &[
                    "PEEK%20lair.png",
                    "PEEK%20house/PEEK%20attic.png",
                    "PEEK%20attic.png",
                    "crypt.png",
                    "PEEK-saved.json",
                    "PEEK%20cellar/deep",
                    "drip.wav",
                    "live.js",
                ],
            }
            .iter()
            .map(|value| (*value).to_owned()),
        );
        values
    };
    let mut requests = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        let Some(operation) = item.get("get") else {
            continue;
        };
        let mut paths = vec![path.clone()];
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] == "query" && parameter["required"] == true {
                let example = &parameter["example"];
                paths
                    .iter_mut()
                    .for_each(|path| *path += &format!("?{name}={example}"));
                continue;
            }
            let hole = format!("{{{name}}}");
            let values = fill(name, parameter["example"].as_str().unwrap_or("x"));
            paths = paths
                .iter()
                .flat_map(|path| values.iter().map(|value| path.replace(&hole, value)))
                .collect();
        }
        requests.extend(paths);
    }
    requests.sort();
    requests.dedup();
    requests
}

#[test]
fn by_get_nobody_learns_what_is_the_gms() {
    let folder = furnished();
    let server = start_in(folder.path(), &[]);
    server.wait_for_log("  found");
    let api: Value = serde_json::from_str(tablekeep::server::OPENAPI).unwrap();
    let requests = requests(&api);
    assert!(requests.len() > 60, "{requests:?}");
    let joined = |role: &str| {
        let body = json!({ "role": role }).to_string();
        let headers = [AS_PLAYER, ("content-type", "application/json")];
        server
            .send("POST", "/tables/join", &headers, body.as_bytes())
            .cookies()
    };
    let mut served = 0;
    for cookie in [String::new(), joined("player"), joined("display")] {
        for path in &requests {
            let (bare, query) = path.split_once('?').unwrap_or((path, ""));
            let query = format!("?{query}");
            for path in [
                path.clone(),
                format!("/api{path}"),
                format!("{bare}/{}", query.trim_end_matches('?')),
            ] {
                let headers = [AS_PLAYER, ("cookie", cookie.as_str())];
                let answer = server.send("GET", &path, &headers, b"");
                served += usize::from(answer.status == 200);
                let mut told = format!("{:?} {}", answer.headers, answer.text());
                if path.contains("PEEK") {
                    assert!(
                        matches!(answer.status, 403 | 404),
                        "{path}: {}",
                        answer.status
                    );
                    // What was asked for may be named in the answer.
                    for part in path.replace("%20", " ").split(['/', '?']) {
                        told = told
                            .replace(part, "")
                            .replace(&part.replace(' ', "%20"), "");
                    }
                }
                for secret in SECRETS {
                    assert!(!told.contains(secret), "{path} tells {secret}: {told}");
                }
            }
        }
    }
    assert!(served > 30, "{served}");
    // The same for the GM, so that there was something to find.
    for path in [
        "/maps/list",
        "/scenes/list",
        "/maps/file/PEEK%20lair.png",
        "/scenes/load/deep",
    ] {
        let answer = server.get(path);
        assert!(answer.text().contains("PEEK"), "{path}: {}", answer.text());
    }
}
