//! The disk: full, changed behind our back, with links that lead elsewhere.

use crate::support::{Form, PNG, start, start_in, write_file};
use serde_json::json;
use std::os::unix::fs::symlink;
use std::process::Command;

/// A small file system of its own; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(
            mounted.success(),
            "this test mounts a tmpfs, which needs root (see the README)"
        );
        Self(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["-l"])
            .arg(self.0.path())
            .status();
    }
}

#[test]
fn on_a_full_disk_uploads_and_saves_answer_507_and_nothing_is_lost() {
    let disk = SmallDisk::mount("3m");
    let server = start_in(disk.0.path(), &[]);
    let upload = |name: &str, size: usize| {
        let bytes = [PNG, &vec![7; size]].concat();
        server.upload("/maps/upload", &Form::new().file(name, &bytes))
    };
    assert_eq!(upload("keep.png", 1 << 20).status, 200);
    let before = server.get("/maps/file/keep.png").body;
    for name in ["new.png", "keep.png"] {
        let answer = upload(name, 4 << 20);
        assert_eq!(
            answer.whole(),
            (
                507,
                json!({"detail": "the disk is full: nothing was changed; free some space and try again"})
            )
        );
    }
    assert_eq!(
        server.get("/maps/list").text(),
        r#"{"maps":[{"name":"keep.png","folder":null}]}"#
    );
    assert!(server.get("/maps/file/keep.png").body == before);
    let saved = server.post(
        "/scenes/save",
        &json!({"id": "1", "name": "A", "maps": [{"name": "keep.png"}]}),
    );
    let id = saved.value()["id"].as_str().unwrap().to_owned();
    // Fill what is left, to the last block.
    let mut filler = Vec::new();
    for n in 0.. {
        let path = server.path(&format!("filler{n}"));
        let size = if n < 3 { 512 << 10 } else { 4096 };
        let written = std::fs::write(&path, vec![0; size]);
        filler.push(path);
        if written.is_err() && size == 4096 {
            break;
        }
    }
    let scene = json!({"id": id, "name": "B", "notes": "x".repeat(10_000)});
    assert_eq!(server.put(&format!("/scenes/{id}"), &scene).status, 507);
    assert_eq!(server.post("/scenes/save", &scene).status, 507);
    assert_eq!(
        server
            .put("/maps/rename/keep.png", &json!({"new_name": "other.png"}))
            .status,
        507
    );
    assert_eq!(
        server.get(&format!("/scenes/load/{id}")).value()["name"],
        "A"
    );
    assert!(server.get("/maps/file/keep.png").body == before);
    // The table goes on in memory and is saved once there is room.
    let mut gm = server.websocket();
    gm.hear();
    gm.say(r#"{"type":"scene_update","scene":{"id":"live","pad":"0123456789"}}"#);
    gm.hear();
    for path in filler {
        let _ = std::fs::remove_file(path);
    }
    assert_eq!(server.put(&format!("/scenes/{id}"), &scene).status, 200);
    assert_eq!(
        server
            .put("/maps/rename/keep.png", &json!({"new_name": "other.png"}))
            .status,
        200
    );
    let start = std::time::Instant::now();
    while !server.path("scenes/current_scene.json").exists() {
        assert!(start.elapsed() < crate::support::PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn links_are_followed_inside_only() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    write_file(outside.path(), "secret.png", PNG);
    write_file(folder.path(), "maps/real.png", PNG);
    symlink(
        outside.path().join("secret.png"),
        folder.path().join("maps/out.png"),
    )
    .unwrap();
    symlink(outside.path(), folder.path().join("maps/outdir")).unwrap();
    symlink("real.png", folder.path().join("maps/alias.png")).unwrap();
    let server = start_in(folder.path(), &[]);
    let list = server.get("/maps/list").value();
    let names: Vec<_> = list["maps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["name"].clone())
        .collect();
    assert_eq!(names, ["alias.png", "real.png"]);
    assert_eq!(server.get("/maps/file/alias.png").status, 200);
    for path in ["out.png", "outdir/secret.png", "secret.png"] {
        assert_eq!(
            server.get(&format!("/maps/file/{path}")).status,
            404,
            "{path}"
        );
    }
    let into_link = Form::new().file("a.png", PNG).text("folder", "outdir");
    assert_eq!(server.upload("/maps/upload", &into_link).status, 400);
    assert_eq!(
        server
            .put("/maps/move/real.png", &json!({"folder": "outdir/x"}))
            .status,
        400
    );
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn links_that_are_made_while_it_runs_are_followed_inside_only_too() {
    let outside = tempfile::tempdir().unwrap();
    write_file(outside.path(), "deep/secret.png", PNG);
    let server = start();
    server.upload_map("", "real.png");
    symlink(outside.path(), server.path("maps/outdir")).unwrap();
    symlink("loop.png", server.path("maps/loop.png")).unwrap();
    symlink("real.png", server.path("maps/alias.png")).unwrap();
    // What is seen last has been seen behind the others.
    write_file(&server.path("maps"), "z.png", PNG);
    server.wait_for("/health", |health| health["maps"]["files"] == 3);
    let list = server.get("/maps/list");
    assert_eq!(list.status, 200, "{}", list.text());
    let maps = list.value()["maps"].as_array().unwrap().clone();
    let names: Vec<_> = maps.iter().map(|map| map["name"].clone()).collect();
    assert_eq!(names, ["alias.png", "real.png", "z.png"]);
    assert_eq!(server.get("/health").value()["maps"]["folders"], 0);
    for path in ["deep/secret.png", "outdir/deep/secret.png", "secret.png"] {
        assert_eq!(server.get(&format!("/maps/file/{path}")).status, 404);
    }
}

#[test]
fn files_keep_the_names_that_they_have() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "CON.png",
        "a:b.png",
        "trailing .png",
        " leading.png",
        "u\u{308}.png",
    ] {
        write_file(folder.path(), &format!("maps/odd: folder/{name}"), PNG);
    }
    write_file(folder.path(), "maps/back\\slash.png", PNG);
    let server = start_in(folder.path(), &[]);
    for map in server.get("/maps/list").value()["maps"].as_array().unwrap() {
        let encoded: String = map["name"]
            .as_str()
            .unwrap()
            .bytes()
            .map(|b| format!("%{b:02x}"))
            .collect();
        assert_eq!(
            server
                .get(&format!("/maps/file/odd%3A%20folder/{encoded}"))
                .status,
            200
        );
        assert_eq!(server.delete(&format!("/maps/file/{encoded}")).status, 200);
    }
    let health = server.get("/health").value();
    assert_eq!(
        (&health["maps"]["files"], &health["maps"]["skipped"]),
        (&json!(0), &json!(1))
    );
    // A folder with an odd name takes new files, too.
    server.upload_map("odd: folder", "new.png");
}

#[test]
fn deleted_folders_wait_in_the_trash() {
    let server = start();
    server.upload_map("old/deep", "a.png");
    server.delete("/maps/folder/old");
    let trash: Vec<_> = std::fs::read_dir(server.path(".tablekeep/trash"))
        .unwrap()
        .collect();
    assert_eq!(trash.len(), 1);
    assert!(
        trash[0]
            .as_ref()
            .unwrap()
            .path()
            .join("deep/a.png")
            .exists()
    );
}

#[test]
fn a_second_server_is_kept_out_of_the_folder() {
    let server = start();
    let output = Command::new(env!("CARGO_BIN_EXE_tablekeep"))
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(server.path(""))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.starts_with("tablekeep: another tablekeep is using the data folder"),
        "{said}"
    );
}

#[test]
fn a_full_disk_can_be_emptied() {
    let disk = SmallDisk::mount("2m");
    let server = start_in(disk.0.path(), &[]);
    server.upload_map("", "a.png");
    server.post("/maps/data", &json!({"name": "a.png", "data": {}}));
    while std::fs::write(
        server.path(&format!("filler{}", server.get("/health").body.len())),
        vec![0; 4 << 20],
    )
    .is_ok()
    {}
    assert_eq!(server.delete("/maps/file/a.png").status, 200);
    assert!(!server.path("maps/a.png").exists() && !server.path("maps/a.png.json").exists());
}

#[test]
fn a_file_from_before_1970_is_served() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "maps/old.png", PNG);
    let file = std::fs::File::options()
        .write(true)
        .open(folder.path().join("maps/old.png"))
        .unwrap();
    let old = std::time::UNIX_EPOCH - std::time::Duration::from_secs(400 * 86_400);
    file.set_modified(old).unwrap();
    let server = start_in(folder.path(), &[]);
    let answer = server.get("/maps/file/old.png");
    assert_eq!(
        (answer.status, answer.header("last-modified")),
        (200, Some("Thu, 01 Jan 1970 00:00:00 GMT"))
    );
}

#[test]
fn the_longest_names_can_be_deleted_again() {
    let server = start();
    let name = format!("{}.png", "a".repeat(251));
    server.upload_map("", &name);
    let new = format!("{}.png", "b".repeat(251));
    assert_eq!(
        server
            .put(&format!("/maps/rename/{name}"), &json!({"new_name": new}))
            .status,
        200
    );
    assert_eq!(server.get(&format!("/maps/data/{new}")).status, 200);
    assert_eq!(server.delete(&format!("/maps/file/{new}")).status, 200);
}

#[test]
fn a_library_on_a_mount_of_its_own_works() {
    let disk = SmallDisk::mount("2m");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("scenes")).unwrap();
    symlink(disk.0.path(), folder.path().join("maps")).unwrap();
    let server = start_in(folder.path(), &[]);
    server.upload_map("w", "a.png");
    assert_eq!(
        server
            .put("/maps/rename/a.png", &json!({"new_name": "b.png"}))
            .status,
        200
    );
    assert_eq!(server.delete("/maps/folder/w").status, 200);
    assert!(disk.0.path().join(".tablekeep/trash").is_dir());
}

#[test]
fn thousands_of_files_at_once_are_all_noticed() {
    let server = start();
    for n in 0..6000 {
        server.put_file(&format!("maps/{}/{n}.png", n % 7), PNG);
    }
    server.wait_for("/health", |health| health["maps"]["files"] == 6000);
}

#[test]
fn lists_are_whole_while_a_map_moves() {
    let server = start();
    for name in ["a.png", "b.png"] {
        server.upload_map("", name);
    }
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| {
            for n in 0..30 {
                let folder = if n % 2 == 0 { json!("w") } else { json!(null) };
                assert_eq!(
                    server
                        .put("/maps/move/a.png", &json!({ "folder": folder }))
                        .status,
                    200
                );
            }
        });
        while !moving.is_finished() {
            let list = server.get("/maps/list").value();
            assert_eq!(list["maps"].as_array().unwrap().len(), 2, "{list}");
            assert_eq!(server.get("/maps/file/a.png").status, 200);
        }
    });
}
