//! kill -9 at any moment: what was acknowledged is there, what was begun is completed.

use crate::support::{
    PATIENCE, PNG, Socket, TestServer, start_in, start_through, start_unheard, write_file,
};
use rstest::rstest;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

#[test]
fn the_table_survives_a_power_cut_up_to_the_last_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_in(folder.path(), &[]);
    let mut gm = server.websocket();
    gm.hear();
    gm.say(r#"{"type":"scene_update","scene":{"id":"live","n":1.50}}"#);
    gm.hear();
    let start = Instant::now();
    while !server.path("scenes/current_scene.json").exists() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    server.kill();
    let server = start_in(folder.path(), &[]);
    let mut gm = server.websocket();
    gm.hear();
    assert_eq!(
        gm.hear(),
        r#"{"type":"scene_update","scene":{"id":"live","n":1.50}}"#
    );
}

#[rstest]
#[case::an_operator("TERM")]
#[case::ctrl_c("INT")]
#[case::a_terminal_that_is_closed("HUP")]
#[case::ctrl_backslash("QUIT")]
fn stopping_saves_the_table_at_once_and_says_come_back(#[case] signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    // With the terminal its other end goes away: nobody reads the log any more.
    let mut server = start_unheard(folder.path());
    let mut gm = server.websocket();
    gm.hear();
    for n in 0..50 {
        gm.say(&format!(r#"{{"type":"scene_update","scene":{{"n":{n}}}}}"#));
        gm.hear();
    }
    let start = Instant::now();
    let id = std::thread::scope(|scope| {
        let closing = scope.spawn(move || gm.close_code());
        server.signal(signal);
        let code = server.exit_code();
        (code, closing.join().unwrap())
    });
    assert_eq!(id, (0, 1001));
    assert!(start.elapsed() < PATIENCE);
    let saved = std::fs::read_to_string(folder.path().join("scenes/current_scene.json")).unwrap();
    assert_eq!(saved, r#"{"n":49}"#);
    // As every page is told after a restart.
    let server = start_in(folder.path(), &[]);
    let mut gm = server.websocket();
    gm.hear();
    assert_eq!(gm.hear(), r#"{"type":"scene_update","scene":{"n":49}}"#);
}

/// Under nohup the server outlives its terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start_through(&["nohup"], folder.path());
    // It has come so far that it listens to signals.
    server.get("/health");
    server.signal("HUP");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    assert_eq!(ignored & 1, 1, "{status}");
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_rename_that_was_cut_short_is_completed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    // As a power cut leaves it: the intent is written, the picture has moved, the rest has not.
    write_file(root, "maps/new.png", PNG);
    write_file(
        root,
        "maps/old.png.json",
        br#"{"name":"old.png","folder":null,"data":{}}"#,
    );
    write_file(
        root,
        "scenes/s.json",
        br#"{"id":"s","name":"S","maps":[{"name":"old.png"}]}"#,
    );
    write_file(
        root,
        "scenes/current_scene.json",
        br#"{"maps":[{"name":"old.png"}],"activeMapId":"old.png"}"#,
    );
    write_file(
        root,
        ".tablekeep/tmp/staged1",
        br#"{"name":"new.png","folder":null,"data":{}}"#,
    );
    write_file(
        root,
        ".tablekeep/tmp/staged2",
        br#"{"id":"s","name":"S","maps":[{"name":"new.png"}]}"#,
    );
    write_file(root, ".tablekeep/tmp/left over", b"of an upload");
    let intent = json!({
        "steps": [
            {"do": "rename", "shelf": "maps", "from": "old.png", "to": "new.png"},
            {"do": "put", "shelf": "maps", "staged": "staged1", "path": "new.png.json"},
            {"do": "remove", "shelf": "maps", "path": "old.png.json"},
            {"do": "put", "shelf": "scenes", "staged": "staged2", "path": "s.json"},
        ],
        "note": {"map_moved": {"from": "old.png", "to": "new.png", "namesakes": ["old.png"]}},
    });
    write_file(
        root,
        ".tablekeep/intents/1.json",
        intent.to_string().as_bytes(),
    );
    write_file(root, ".tablekeep/intents/2.new", b"{\"st");
    write_file(root, ".tablekeep/intents/3.json", b"nonsense");
    for _ in 0..2 {
        let server = start_in(root, &[]);
        assert_eq!(
            server.get("/maps/list").text(),
            r#"{"maps":[{"name":"new.png","folder":null}]}"#
        );
        assert_eq!(
            server.get("/scenes/load/s").value()["maps"],
            json!([{"name": "new.png"}])
        );
        let mut gm = server.websocket();
        gm.hear();
        assert_eq!(
            gm.hear(),
            r#"{"type":"scene_update","scene":{"maps":[{"name":"new.png"}],"activeMapId":"new.png"}}"#
        );
    }
    let names = |dir: &str| -> Vec<_> {
        let entries = std::fs::read_dir(root.join(dir)).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(names(".tablekeep/intents"), ["3.broken"]);
    assert!(names(".tablekeep/tmp").is_empty());
    assert!(!names("maps").contains(&"old.png.json".to_owned()));
}

#[test]
fn what_was_acknowledged_is_there_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut saved = Vec::new();
    for round in 0..5 {
        let mut server = start_in(folder.path(), &[]);
        for n in 0..5 {
            let name = format!("{round}-{n}.png");
            server.upload_map("m", &name);
            let scene = json!({"id": format!("{round}{n}"), "name": name, "maps": [{"name": name, "folder": "m"}]});
            let id = server.post("/scenes/save", &scene).value()["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let new_name = format!("r{name}");
            assert_eq!(
                server
                    .put(
                        &format!("/maps/rename/{name}"),
                        &json!({"new_name": new_name})
                    )
                    .status,
                200
            );
            saved.push((id, new_name));
        }
        server.kill();
    }
    let server = start_in(folder.path(), &[]);
    for (id, map) in saved {
        assert_eq!(
            server.get(&format!("/scenes/load/{id}")).value()["maps"][0]["name"],
            json!(map)
        );
        assert_eq!(server.get(&format!("/maps/file/m/{map}")).status, 200);
    }
}

#[test]
fn a_broken_current_scene_is_ignored_and_left_alone() {
    for broken in [&b"[1,2]"[..], b"{\"a\":", b"\xff\xfe", b""] {
        let folder = tempfile::tempdir().unwrap();
        write_file(folder.path(), "scenes/current_scene.json", broken);
        let server = start_in(folder.path(), &[]);
        let mut viewer = server.websocket();
        viewer.hear();
        viewer.expect_silence();
        assert_eq!(
            std::fs::read(server.path("scenes/current_scene.json")).unwrap(),
            broken
        );
    }
}

/// What lies aside below a data folder.
fn aside(root: &Path) -> Vec<Vec<u8>> {
    let folder = root.join(".tablekeep/tables/main/aside");
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.collect()
}

fn wait_for_scene(server: &TestServer, name: &str) {
    let deadline = Instant::now() + PATIENCE;
    let saved = || -> Option<Value> {
        let text = std::fs::read(server.path("scenes/current_scene.json")).ok()?;
        serde_json::from_slice(&text).ok()
    };
    while saved().is_none_or(|scene| scene["name"] != name) {
        assert!(Instant::now() < deadline, "the scene is not saved");
        std::thread::yield_now();
    }
}

#[test]
fn what_somebody_writes_by_hand_is_never_lost() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let file = root.join("scenes/current_scene.json");
    let server = start_in(root, &[]);
    let mut page = server.websocket();
    let show = |page: &mut Socket, name: &str| {
        page.say(&json!({"type": "scene_update", "scene": {"id": "s", "name": name}}).to_string());
    };
    show(&mut page, "first");
    wait_for_scene(&server, "first");
    assert!(aside(root).is_empty());
    // While it runs.
    std::fs::write(&file, "{\"name\":\"by hand\"}").unwrap();
    show(&mut page, "second");
    wait_for_scene(&server, "second");
    assert_eq!(aside(root), [b"{\"name\":\"by hand\"}"]);
    drop(page);
    drop(server);
    // While it does not, with a comma too many: the journal's scene is shown.
    std::fs::write(&file, "{\"name\":\"a long edit\",}").unwrap();
    let server = start_in(root, &[]);
    wait_for_scene(&server, "second");
    let kept = aside(root);
    assert!(kept.contains(&b"{\"name\":\"a long edit\",}".to_vec()));
    assert_eq!(kept.len(), 2);
    drop(server);
    // What an editor puts in front is no error.
    std::fs::write(&file, "\u{feff}{\"name\":\"third\"}").unwrap();
    let server = start_in(root, &[]);
    let mut page = server.websocket();
    page.hear();
    assert!(page.hear().contains("third"));
}

#[test]
fn an_operation_that_is_done_is_never_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    // The files were renamed and named back by hand; only telling the table was left to do.
    write_file(root, "maps/old.png", PNG);
    write_file(
        root,
        "scenes/current_scene.json",
        br#"{"maps":[{"name":"old.png"}]}"#,
    );
    let intent = json!({
        "steps": [{"do": "rename", "shelf": "maps", "from": "old.png", "to": "new.png"}],
        "note": {"map_moved": {"from": "x.png", "to": "y.png", "namesakes": ["x.png"]}},
    });
    write_file(
        root,
        ".tablekeep/intents/1.done",
        intent.to_string().as_bytes(),
    );
    let server = start_in(root, &[]);
    assert_eq!(
        server.get("/maps/list").text(),
        r#"{"maps":[{"name":"old.png","folder":null}]}"#
    );
    let start = Instant::now();
    while server.path(".tablekeep/intents/1.done").exists() {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn a_rename_whose_client_has_gone_is_finished_all_the_same() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let server = start_in(folder.path(), &[]);
    for round in 0..10 {
        let (old, new) = (format!("{round}.png"), format!("n{round}.png"));
        server.upload_map("", &old);
        let body = json!({"new_name": new}).to_string();
        let mut stream = std::net::TcpStream::connect(server.addr).unwrap();
        write!(stream, "PUT /maps/rename/{old} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", server.addr, body.len()).unwrap();
        while server.path(&format!("maps/{old}")).exists() {
            std::thread::yield_now();
        }
        drop(stream);
    }
    let start = Instant::now();
    while std::fs::read_dir(server.path(".tablekeep/intents"))
        .unwrap()
        .count()
        > 0
    {
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}
