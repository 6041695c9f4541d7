//! Files and folders that are there and cannot be read or written: that is not the same as "not there".

use crate::support::{
    Form, PATIENCE, PNG, TestServer, bounded, start, start_bounded_in, write_file,
};
use serde_json::{Value, json};
use std::fs::{Permissions, set_permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A map that two scenes of one folder show, with a picture of their own.
fn table() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "maps/a.png", PNG);
    write_file(folder.path(), "maps/a.png.json", SIDE.as_bytes());
    for id in ["A", "B"] {
        let scene = json!({
            "id": id, "name": id, "folder": "f", "maps": [{"name": "a.png"}],
            "images": [{"id": "i", "name": "p.png", "path": "f/images/i_p.png"}],
        });
        let path = format!("scenes/f/{id}.json");
        write_file(folder.path(), &path, scene.to_string().as_bytes());
    }
    write_file(folder.path(), "scenes/f/images/i_p.png", PNG);
    folder
}

const SIDE: &str = r#"{"name":"a.png","folder":null,"data":{"scale":3}}"#;
const LOCKED: u32 = 0o000;

fn chmod(folder: &Path, below: &str, mode: u32) {
    set_permissions(folder.join(below), Permissions::from_mode(mode)).unwrap();
}

fn exists(folder: &TempDir, below: &str) -> bool {
    folder.path().join(below).exists()
}

#[test]
fn a_picture_stays_while_a_scene_that_may_show_it_cannot_be_read() {
    let (locked, broken) = (table(), table());
    chmod(locked.path(), "scenes/f/B.json", LOCKED);
    write_file(broken.path(), "scenes/f/B.json", b"{\"id\":\"B\",}");
    for folder in [locked, broken] {
        let server = start_bounded_in(folder.path());
        assert_eq!(server.delete("/scenes/A").status, 200);
        assert!(!exists(&folder, "scenes/f/A.json"));
        assert!(exists(&folder, "scenes/f/images/i_p.png"));
    }
}

#[test]
fn a_map_is_not_renamed_past_what_cannot_be_read() {
    for below in ["maps/a.png.json", "scenes/f/B.json"] {
        let folder = table();
        chmod(folder.path(), below, LOCKED);
        let server = start_bounded_in(folder.path());
        let renamed = server.put("/maps/rename/a.png", &json!({"new_name": "b.png"}));
        let detail = format!("{below} cannot be read; check its permissions, or try again");
        assert_eq!(renamed.whole(), (503, json!({ "detail": detail })));
        assert!(exists(&folder, "maps/a.png") && !exists(&folder, "maps/b.png"));
        chmod(folder.path(), below, 0o644);
        let rename = || server.put("/maps/rename/a.png", &json!({"new_name": "b.png"}));
        let start = std::time::Instant::now();
        while rename().status != 200 {
            assert!(start.elapsed() < PATIENCE);
        }
        let scene = server.get("/scenes/load/B").value();
        assert_eq!(scene["maps"][0]["name"], "b.png");
        let data = server.get("/maps/data/b.png").value();
        assert_eq!(data["data"], json!({"scale": 3}));
    }
}

#[test]
fn where_a_map_stands_is_not_made_up() {
    let folder = table();
    let server = start_bounded_in(folder.path());
    chmod(folder.path(), "maps/a.png.json", LOCKED);
    assert_eq!(server.get("/maps/data/a.png").status, 503);
    chmod(folder.path(), "maps/a.png.json", 0o644);
    assert_eq!(server.get("/maps/data/a.png").text(), SIDE);
}

#[test]
fn a_scene_folder_is_not_renamed_past_a_scene_that_cannot_be_read() {
    let folder = table();
    chmod(folder.path(), "scenes/f/B.json", LOCKED);
    let server = start_bounded_in(folder.path());
    let renamed = server.put("/scenes/folder/f", &json!({"new_name": "g"}));
    assert_eq!(renamed.status, 503, "{}", renamed.text());
    assert!(exists(&folder, "scenes/f/A.json"));
}

#[test]
fn a_scene_that_nobody_may_read_hides_only_itself() {
    let folder = table();
    chmod(folder.path(), "scenes/f/B.json", LOCKED);
    let server = start_bounded_in(folder.path());
    let list = server.get("/scenes/list");
    assert_eq!(list.status, 200, "{}", list.text());
    assert_eq!(list.value()["scenes"].as_array().unwrap().len(), 1);
}

#[test]
fn who_may_not_read_or_write_is_told_which_folder() {
    let folder = table();
    let server = start_bounded_in(folder.path());
    chmod(folder.path(), "maps/a.png", LOCKED);
    let detail = "maps/a.png cannot be read; check its permissions, or try again";
    let read = server.get("/maps/file/a.png");
    assert_eq!(read.whole(), (503, json!({ "detail": detail })));
    chmod(folder.path(), "maps/a.png", 0o644);
    chmod(folder.path(), "maps", 0o555);
    let detail = "maps cannot be written; check its permissions";
    let refused = (507, json!({ "detail": detail }));
    let form = Form::new().file("b.png", PNG);
    assert_eq!(server.upload("/maps/upload", &form).whole(), refused);
    assert_eq!(server.delete("/maps/file/a.png").whole(), refused);
    server.wait_for_log("maps cannot be written: Permission denied");
    chmod(folder.path(), "maps", 0o755);
    assert_eq!(server.upload("/maps/upload", &form).status, 200);
}

#[test]
fn an_operation_that_would_stop_half_way_does_not_begin() {
    let folder = table();
    write_file(
        folder.path(),
        "scenes/ro/C.json",
        br#"{"id":"C","name":"C","maps":[{"name":"a.png"}]}"#,
    );
    let server = start_bounded_in(folder.path());
    chmod(folder.path(), "scenes/ro", 0o555);
    let rename = || server.put("/maps/rename/a.png", &json!({"new_name": "b.png"}));
    let detail = "scenes/ro cannot be written; check its permissions";
    assert_eq!(rename().whole(), (507, json!({ "detail": detail })));
    let above = server.put("/scenes/folder/ro", &json!({"new_name": "rw"}));
    assert_eq!(above.whole(), (507, json!({ "detail": detail })));
    let gone = server.delete("/scenes/folder/ro");
    assert_eq!(gone.whole(), (507, json!({ "detail": detail })));
    assert!(exists(&folder, "maps/a.png") && exists(&folder, "maps/a.png.json"));
    let shown = server.get("/scenes/load/A").value();
    assert_eq!(shown["maps"][0]["name"], "a.png");
    let intents = std::fs::read_dir(server.path(".tablekeep/intents")).unwrap();
    assert_eq!(intents.count(), 0);
    chmod(folder.path(), "scenes/ro", 0o755);
    assert_eq!(rename().status, 200);
}

#[test]
fn a_start_that_fails_says_at_which_file() {
    let folder = table();
    start_bounded_in(folder.path()).terminate();
    let start = |words: &[&str]| {
        let output = bounded()
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    let journal = ".tablekeep/tables/main/journal";
    for below in [journal, ".tablekeep/tables/main"] {
        chmod(folder.path(), below, LOCKED);
        start(&[journal, "cannot be used (Permission denied", "--data-dir"]);
        chmod(folder.path(), below, 0o755);
    }
    for below in ["sounds", ".tablekeep/trash"] {
        let path = folder.path().join(below);
        std::fs::remove_dir(&path).unwrap();
        write_file(folder.path(), below, b"");
        start(&["data folder", &format!("/{below}: "), "exists"]);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_table_whose_journal_cannot_be_used_is_told_from_one_that_is_not_there() {
    let folder = table();
    let server = start_bounded_in(folder.path());
    let made = server.post("/tables", &json!({"name": "Two"})).value();
    let id = made["id"].as_str().unwrap();
    chmod(folder.path(), ".tablekeep/tables", 0o555);
    let detail = format!("the table '{id}' cannot be opened now; the server's log has the cause");
    let refused = server.get(&format!("/tables/{id}/scene"));
    assert_eq!(refused.whole(), (503, json!({ "detail": detail })));
    server.wait_for_log(&format!(
        "tables/{id}/journal of table {id} cannot be used (Permission denied"
    ));
    chmod(folder.path(), ".tablekeep/tables", 0o755);
    let opened = server.get(&format!("/tables/{id}/scene"));
    assert_ne!(opened.status, 503, "{}", opened.text());
}

#[test]
fn a_table_that_is_not_saved_at_the_end_says_why() {
    let folder = table();
    let mut server = start_bounded_in(folder.path());
    let mut gm = server.websocket();
    gm.hear();
    write_file(folder.path(), "scenes/current_scene.json", b"{}");
    chmod(folder.path(), "scenes", 0o555);
    gm.say(r#"{"type":"scene_update","scene":{"id":"live"}}"#);
    let cause = "scenes cannot be written; check its permissions";
    server.wait_for_log(&format!("the current scene could not be saved ({cause})"));
    server.terminate();
    let log = server.log();
    let end = format!("table main could not be saved: {cause}");
    assert!(log.contains(&end) && !log.contains("full"), "{log}");
    // What somebody had put there meanwhile is kept, once for all attempts.
    let aside = folder.path().join(".tablekeep/tables/main/aside");
    assert_eq!(std::fs::read_dir(aside).unwrap().count(), 1);
}

/// A connection that stays, for a server that can open no other.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn get(&mut self, path: &str) -> (u16, Value) {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.0.get_mut().write_all(head.as_bytes()).unwrap();
        let mut line = || {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            line.trim().to_ascii_lowercase()
        };
        let status = line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        loop {
            let header = line();
            if header.is_empty() {
                break;
            }
            if let Some(bytes) = header.strip_prefix("content-length: ") {
                length = bytes.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

fn allow_files(server: &TestServer, count: u32) {
    let limited = Command::new("prlimit")
        .arg(format!("--pid={}", server.pid()))
        .arg(format!("--nofile={count}:"))
        .status();
    assert!(limited.unwrap().success());
}

#[test]
fn what_could_not_be_read_for_a_moment_is_there_again_soon() {
    let server = start();
    server.upload_map("", "a.png");
    server.post(
        "/maps/data",
        &json!({"name": "a.png", "data": {"scale": 3}}),
    );
    server.post("/scenes/save", &json!({"id": "1", "name": "A"}));
    let stream = TcpStream::connect(server.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut kept = Kept(BufReader::new(stream));
    let whole = kept.get("/scenes/list");
    allow_files(&server, 1);
    assert_eq!(kept.get("/scenes/list").0, 500);
    assert_eq!(kept.get("/maps/data/a.png").0, 500);
    server.wait_for_log("GET /maps/data/a.png failed: Too many open files");
    server.put_file("maps/new/dropped.png", PNG);
    let start = std::time::Instant::now();
    while kept.get("/health").1["maps"]["skipped"] != 1 {
        assert!(start.elapsed() < PATIENCE);
    }
    let detail = "maps/new cannot be read; try again; the server's log has the cause";
    assert_eq!(kept.get("/maps/list"), (503, json!({ "detail": detail })));
    allow_files(&server, 1024);
    let start = std::time::Instant::now();
    loop {
        let (status, list) = kept.get("/maps/list");
        if status == 200 && list["maps"].as_array().unwrap().len() == 2 {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "{list}");
    }
    assert_eq!(kept.get("/scenes/list"), whole);
}
