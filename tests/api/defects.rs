//! What is broken in SpellTable's own server (D1 to D24) works here; each test is named after what
//! a user sees.

use crate::support::{Form, PATIENCE, PNG, TestServer, start, start_with};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn save(server: &TestServer, scene: &Value) -> String {
    server.post("/scenes/save", scene).value()["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn load(server: &TestServer, id: &str) -> Value {
    server.get(&format!("/scenes/load/{id}")).value()
}

#[test]
fn d1_lists_work_with_a_map_in_the_root_and_with_a_scene() {
    let server = start();
    server.upload_map("", "cave.png");
    save(&server, &json!({"id": "1", "name": "A"}));
    assert_eq!(
        server.get("/maps/list").value()["maps"][0]["folder"],
        json!(null)
    );
    assert_eq!(
        server.get("/scenes/list").value()["scenes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn d2_a_map_moves_back_to_the_root() {
    let server = start();
    for to_root in [json!({"folder": null}), json!({"folder": ""}), json!({})] {
        server.upload_map("wild", "cave.png");
        let answer = server.put("/maps/move/cave.png", &to_root).whole();
        assert_eq!(
            answer,
            (
                200,
                json!({"message": "Map 'cave.png' moved successfully", "scenes_updated": 0})
            )
        );
        assert_eq!(
            server.get("/maps/list").text(),
            r#"{"maps":[{"name":"cave.png","folder":null}]}"#
        );
        server.delete("/maps/file/cave.png");
    }
}

#[test]
fn d3_errors_of_scene_folders_and_images_have_their_own_status() {
    let server = start();
    assert_eq!(
        server
            .post("/scenes/folder", &json!({"folder_name": "A"}))
            .whole(),
        (200, json!({"message": "Folder created successfully"}))
    );
    assert_eq!(
        server
            .post("/scenes/folder", &json!({"folder_name": "A"}))
            .whole(),
        (400, json!({"detail": "Folder already exists"}))
    );
    assert_eq!(
        server.delete("/scenes/folder/B").whole(),
        (404, json!({"detail": "Folder not found"}))
    );
    assert_eq!(
        server
            .put("/scenes/folder/B", &json!({"new_name": "C"}))
            .whole(),
        (404, json!({"detail": "Folder not found"}))
    );
    server.post(
        "/scenes/folder",
        &json!({"folder_name": "C", "parent_folder": null}),
    );
    assert_eq!(
        server
            .put("/scenes/folder/A", &json!({"new_name": "C"}))
            .whole(),
        (400, json!({"detail": "A folder named 'C' already exists"}))
    );
    assert_eq!(
        server.delete("/scenes/folder/A").whole(),
        (200, json!({"message": "Folder deleted successfully"}))
    );
    assert_eq!(server.get("/scenes/image/x.png").status, 404);
}

#[test]
fn d4_save_as_then_save_again_works() {
    let server = start();
    let mut scene = json!({"id": "1763630870000", "name": "My scene (11/20/2026, 9:27:50 AM)"});
    let id = save(&server, &scene);
    assert_ne!(id, "1763630870000");
    scene["name"] = json!("Renamed");
    assert_eq!(server.put("/scenes/1763630870000", &scene).status, 200);
    assert_eq!(load(&server, &id)["name"], "Renamed");
    assert_eq!(load(&server, "1763630870000")["id"], json!(id));
    assert_eq!(server.delete("/scenes/1763630870000").status, 200);
    assert_eq!(server.put("/scenes/1763630870000", &scene).status, 404);
    // What many pages call their first scene names none of them.
    for shared in ["default", ""] {
        save(&server, &json!({"id": shared, "name": "A"}));
    }
    assert_eq!(server.put("/scenes/default", &scene).status, 404);
}

#[test]
fn d4_the_other_id_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = crate::support::start_in(folder.path(), &[]);
    save(&server, &json!({"id": "17", "name": "A"}));
    drop(server);
    let server = crate::support::start_in(folder.path(), &[]);
    assert_eq!(
        server
            .put("/scenes/17", &json!({"id": "17", "name": "B"}))
            .status,
        200
    );
}

#[test]
fn d5_a_scene_keeps_its_id_whatever_the_body_says() {
    let server = start();
    let id = save(&server, &json!({"id": "1", "name": "A"}));
    assert_eq!(
        server
            .put(
                &format!("/scenes/{id}"),
                &json!({"id": "other", "name": "B"})
            )
            .status,
        200
    );
    assert_eq!(load(&server, &id)["id"], json!(id));
    assert_eq!(server.get("/scenes/load/other").status, 404);
}

#[test]
fn d6_a_scene_is_where_it_says_it_is() {
    let server = start();
    let id = save(
        &server,
        &json!({"id": "1", "name": "A", "folder": "Act1/Sub"}),
    );
    for (folder, file) in [
        (json!("Act2"), format!("scenes/Act2/{id}.json")),
        (json!(null), format!("scenes/{id}.json")),
    ] {
        server.put(
            &format!("/scenes/{id}"),
            &json!({"id": id, "name": "A", "folder": folder}),
        );
        assert!(server.path(&file).exists(), "{file}");
        assert_eq!(
            server.get("/scenes/list").value()["scenes"][0]["folder"],
            folder
        );
    }
    // Left out means the root, too: that is what the pages send.
    server.put(
        &format!("/scenes/{id}"),
        &json!({"id": id, "name": "A", "folder": "Act2"}),
    );
    server.put(&format!("/scenes/{id}"), &json!({"id": id, "name": "A"}));
    assert!(server.path(&format!("scenes/{id}.json")).exists());
    // A file moved by hand tells the folder that it is in.
    std::fs::rename(
        server.path(&format!("scenes/{id}.json")),
        server.path(&format!("scenes/Act1/{id}.json")),
    )
    .unwrap();
    server.wait_for("/scenes/list", |list| list["scenes"][0]["folder"] == "Act1");
}

#[test]
fn d6_scenes_stay_visible_when_a_folder_above_is_renamed() {
    let server = start();
    let deep = save(
        &server,
        &json!({"id": "1", "name": "Deep", "folder": "Act1/Sub"}),
    );
    server.upload(
        &format!("/scenes/{deep}/image"),
        &Form::new().file("t.png", PNG),
    );
    assert_eq!(
        server
            .put("/scenes/folder/Act1", &json!({"new_name": "Prologue"}))
            .whole(),
        (200, json!({"message": "Folder renamed successfully"}))
    );
    let list = server.get("/scenes/list").value();
    let folders: Vec<_> = list["folders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["path"].as_str().unwrap())
        .collect();
    assert_eq!(folders, ["Prologue", "Prologue/Sub"]);
    assert_eq!(list["scenes"][0]["folder"], "Prologue/Sub");
    let image = list["scenes"][0]["images"][0]["path"].as_str().unwrap();
    assert!(image.starts_with("Prologue/Sub/images/"), "{image}");
    assert_eq!(server.get(&format!("/scenes/image/{image}")).status, 200);
    assert_eq!(
        server.read_json(&format!("scenes/Prologue/Sub/{deep}.json"))["folder"],
        "Prologue/Sub"
    );
}

#[test]
fn d7_images_stay_with_their_scene() {
    let server = start();
    let id = save(&server, &json!({"id": "1", "name": "A", "folder": "Act1"}));
    server.upload(
        &format!("/scenes/{id}/image"),
        &Form::new().file("t.png", PNG),
    );
    // A save without images keeps them; a move takes them along.
    server.put(
        &format!("/scenes/{id}"),
        &json!({"id": id, "name": "A", "folder": "Act2"}),
    );
    let image = load(&server, &id)["images"][0]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(image.starts_with("Act2/images/"), "{image}");
    assert_eq!(server.get(&format!("/scenes/image/{image}")).status, 200);
    // They are no folder, and none can have their name.
    let folders = server.get("/scenes/list").value()["folders"].clone();
    assert!(!folders.to_string().contains("images"), "{folders}");
    assert_eq!(
        server
            .post("/scenes/folder", &json!({"folder_name": "images"}))
            .status,
        400
    );
    assert_eq!(
        server
            .put("/scenes/folder/Act2", &json!({"new_name": "images"}))
            .status,
        400
    );
    assert_eq!(server.delete("/scenes/folder/Act2/images").status, 404);
    assert_eq!(server.delete("/scenes/folder/Act1").status, 200);
    assert_eq!(server.get(&format!("/scenes/image/{image}")).status, 200);
    // Deleting the scene deletes them.
    server.delete(&format!("/scenes/{id}"));
    assert!(!server.path("scenes").join(&image).exists());
}

#[test]
fn d8_what_lies_deep_can_be_deleted() {
    let server = start();
    let id = save(&server, &json!({"id": "1", "name": "A", "folder": "a/b/c"}));
    assert_eq!(server.delete(&format!("/scenes/{id}")).status, 200);
    server.upload_map("dungeons/level1", "a.png");
    server.upload_map("x/twin", "b.png");
    server.upload_map("y/twin", "c.png");
    // SpellTable's pages send the bare name of a nested folder.
    assert_eq!(server.delete("/maps/folder/level1").status, 200);
    assert!(!server.path("maps/dungeons/level1").exists());
    let answer = server.delete("/maps/folder/twin");
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("'x/twin'"), "{}", answer.text());
    assert_eq!(server.delete("/maps/folder/x%2Ftwin").status, 200);
    assert_eq!(server.delete("/maps/folder/y/twin").status, 200);
}

#[test]
fn d9_a_moved_map_takes_its_data_along_and_overwrites_nothing() {
    let server = start();
    server.upload_map("", "cave.png");
    server.post(
        "/maps/data",
        &json!({"name": "cave.png", "data": {"scale": 3}}),
    );
    let id = save(
        &server,
        &json!({"id": "1", "name": "A", "maps": [{"name": "cave.png", "folder": null, "data": {}}]}),
    );
    let moved = server.put("/maps/move/cave.png", &json!({"folder": "wild/east"}));
    assert_eq!(moved.value()["scenes_updated"], 1);
    assert_eq!(
        server.get("/maps/data/cave.png").value(),
        json!({"name": "cave.png", "folder": "wild/east", "data": {"scale": 3}})
    );
    assert!(!server.path("maps/cave.png.json").exists());
    assert_eq!(load(&server, &id)["maps"][0]["folder"], "wild/east");
    server.upload_map("", "cave.png");
    let answer = server.put("/maps/move/cave.png", &json!({"folder": "wild/east"}));
    assert_eq!(
        answer.whole(),
        (
            409,
            json!({"detail": "A file named 'cave.png' already exists"})
        )
    );
}

#[test]
fn d10_no_path_leads_out_and_no_root_can_be_deleted() {
    let server = start();
    server.put_file("secret.txt", b"secret");
    save(&server, &json!({"id": "1", "name": "A"}));
    server.upload_map("", "a.png");
    for path in [
        "/maps/file/..%2fsecret.txt",
        "/maps/file/../secret.txt",
        "/maps/file//etc/hostname",
        "/scenes/image/..%2f..%2fsecret.txt",
        "/audio/file/loop/..%2f..%2fsecret.txt",
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    for root in [
        "/scenes/folder/",
        "/scenes/folder/.",
        "/maps/folder/",
        "/maps/folder/%2e",
        "/audio/folder/loop/",
        "/scenes/folder/%2F",
    ] {
        assert!(
            matches!(server.delete(root).status, 400 | 404 | 405),
            "{root}"
        );
    }
    assert_eq!(
        server
            .upload("/maps/upload", &Form::new().file("../evil.png", PNG))
            .status,
        400
    );
    assert_eq!(
        server
            .upload(
                "/maps/upload",
                &Form::new().file("a.png", PNG).text("folder", "../up")
            )
            .status,
        400
    );
    assert_eq!(
        server
            .post("/maps/folder", &json!({"folder_name": "../up"}))
            .status,
        400
    );
    assert_eq!(
        server
            .post("/maps/data", &json!({"name": "../../x", "data": {}}))
            .status,
        400
    );
    assert_eq!(
        server
            .put("/maps/rename/a.png", &json!({"new_name": "../b.png"}))
            .status,
        400
    );
    assert_eq!(
        server
            .post(
                "/scenes/save",
                &json!({"id": "1", "name": "A", "folder": "/tmp"})
            )
            .status,
        400
    );
    assert!(server.path("maps/a.png").exists());
    assert_eq!(
        server.get("/scenes/list").value()["scenes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn d11_the_seek_bar_of_a_sound_works() {
    let server = start();
    server.put_file("sounds/loop/a.wav", &crate::support::wav(2));
    server.wait_for("/audio/list", |list| list["loop"][""][0].is_object());
    let part = server.send(
        "GET",
        "/audio/file/loop/a.wav",
        &[
            ("range", "bytes=44-143"),
            ("origin", "http://localhost:3000"),
        ],
        b"",
    );
    assert_eq!((part.status, part.body.len()), (206, 100));
    assert_eq!(part.header("content-range"), Some("bytes 44-143/16044"));
    assert_eq!(part.header("access-control-allow-origin"), Some("*"));
    let etag = part.header("etag").unwrap();
    assert_eq!(
        server
            .send(
                "GET",
                "/audio/file/loop/a.wav",
                &[("if-none-match", etag)],
                b""
            )
            .status,
        304
    );
}

#[test]
fn d12_d13_a_bad_message_neither_ends_the_connection_nor_spoils_the_table() {
    let server = start();
    let mut gm = server.websocket();
    gm.hear();
    for bad in [
        "not json",
        "[]",
        "5",
        "{}",
        r#"{"type":"scene_update"}"#,
        r#"{"type":"scene_update","scene":null}"#,
        r#"{"type":"scene_update","scene":[]}"#,
    ] {
        gm.say(bad);
    }
    gm.0.send(tungstenite::Message::Binary(vec![1, 2, 3].into()))
        .unwrap();
    gm.say(r#"{"type":"scene_update","scene":{"small":true}}"#);
    assert_eq!(
        gm.hear(),
        r#"{"type":"scene_update","scene":{"small":true}}"#
    );
    let mut joiner = server.websocket();
    joiner.hear();
    assert_eq!(
        joiner.hear(),
        r#"{"type":"scene_update","scene":{"small":true}}"#
    );
}

#[test]
fn d14_a_drag_is_on_disk_within_a_second_or_so_and_not_thirty_times() {
    let server = start();
    let mut gm = server.websocket();
    gm.hear();
    let mut seen = std::collections::HashSet::new();
    let started = Instant::now();
    let mut n = 0;
    while started.elapsed() < Duration::from_millis(2500) || seen.len() < 2 {
        assert!(started.elapsed() < PATIENCE, "{} writes", seen.len());
        n += 1;
        gm.say(&format!(r#"{{"type":"scene_update","scene":{{"n":{n}}}}}"#));
        gm.hear();
        if let Ok(found) = std::fs::metadata(server.path("scenes/current_scene.json")) {
            use std::os::unix::fs::MetadataExt;
            seen.insert(found.ino());
        }
    }
    let most = started.elapsed().as_secs_f64() * 2.0;
    assert!(
        seen.len() as f64 <= most,
        "{} writes for {n} updates",
        seen.len()
    );
    let last = json!({ "n": n });
    let patience = Instant::now();
    while server.read_json("scenes/current_scene.json") != last {
        assert!(patience.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn d15_one_broken_scene_file_hides_only_itself() {
    let server = start();
    let id = save(&server, &json!({"id": "1", "name": "A"}));
    server.put_file("scenes/broken.json", b"{\"id\":");
    server.put_file("scenes/list.json", b"[]");
    server.wait_for("/health", |health| health["scenes"]["skipped"] == 2);
    assert_eq!(
        server.get("/scenes/list").value()["scenes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(server.get(&format!("/scenes/load/{id}")).status, 200);
    assert_eq!(
        server
            .put(&format!("/scenes/{id}"), &json!({"id": "1", "name": "B"}))
            .status,
        200
    );
    // Mended by hand, it is back.
    server.put_file("scenes/broken.json", b"{\"id\":\"x\",\"name\":\"mended\"}");
    server.wait_for("/scenes/list", |list| {
        list["scenes"].as_array().unwrap().len() == 2
    });
}

#[test]
fn d16_files_that_are_put_in_the_folder_by_hand_are_noticed() {
    let server = start();
    server.put_file("maps/new folder/dropped.png", PNG);
    server.wait_for("/maps/list", |list| {
        list["maps"][0]["name"] == "dropped.png"
    });
    std::fs::remove_dir_all(server.path("maps/new folder")).unwrap();
    server.wait_for("/maps/folders", |list| {
        list["folders"].as_array().unwrap().is_empty()
    });
    assert_eq!(server.get("/maps/list").text(), r#"{"maps":[]}"#);
}

#[test]
fn d17_only_pictures_become_maps_and_only_up_to_the_limit() {
    let server = start_with(&["--max-image", "64K"]);
    let upload = |name: &str, bytes: &[u8]| {
        server
            .upload("/maps/upload", &Form::new().file(name, bytes))
            .status
    };
    assert_eq!(upload("notes.txt", b"hello"), 415);
    assert_eq!(upload("fake.png", b"<html><script>alert(1)</script>"), 415);
    assert_eq!(upload("picture.txt", PNG), 415);
    assert_eq!(upload("big.png", &[PNG, &[0; 65 << 10]].concat()), 413);
    assert_eq!(upload("huge.png", &[PNG, &[0; 300 << 10]].concat()), 413);
    assert_eq!(upload("fits.png", &[PNG, &[0; 60 << 10]].concat()), 200);
    assert_eq!(
        server.get("/maps/list").text(),
        r#"{"maps":[{"name":"fits.png","folder":null}]}"#
    );
    let file = server.get("/maps/file/fits.png");
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    assert!(
        file.header("content-security-policy")
            .unwrap()
            .contains("sandbox")
    );
    assert_eq!(
        std::fs::read_dir(server.path(".tablekeep/tmp"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn d18_upper_case_extensions_count_and_a_rename_cannot_lose_the_extension() {
    let server = start();
    server.upload_map("", "UPPER.PNG");
    assert_eq!(
        server.get("/maps/list").text(),
        r#"{"maps":[{"name":"UPPER.PNG","folder":null}]}"#
    );
    assert_eq!(
        server
            .put("/maps/rename/UPPER.PNG", &json!({"new_name": "lower"}))
            .status,
        400
    );
    assert_eq!(
        server
            .put("/maps/rename/UPPER.PNG", &json!({"new_name": "Lower.JPG"}))
            .status,
        200
    );
    assert_eq!(server.delete("/maps/file/Lower.JPG").status, 200);
}

#[test]
fn d19_of_two_maps_with_one_name_it_is_clear_which_is_meant() {
    let server = start();
    server.upload_map("b", "cave.png");
    server.upload_map("a", "cave.png");
    let answer = server.delete("/maps/file/cave.png");
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("'a/cave.png'"), "{}", answer.text());
    // Otherwise: root first, then path order; or exactly, by path or folder.
    assert_eq!(
        server
            .put("/maps/rename/cave.png", &json!({"new_name": "first.png"}))
            .status,
        200
    );
    assert!(server.path("maps/a/first.png").exists());
    server.upload_map("a", "cave.png");
    assert_eq!(
        server
            .put(
                "/maps/rename/b%2Fcave.png",
                &json!({"new_name": "second.png"})
            )
            .status,
        200
    );
    assert!(server.path("maps/b/second.png").exists());
    server.upload_map("", "cave.png");
    assert_eq!(server.delete("/maps/file/cave.png?folder=").status, 200);
    assert_eq!(server.delete("/maps/file/cave.png?folder=b").status, 404);
    assert_eq!(server.delete("/maps/file/a%2Fcave.png").status, 200);
}

#[test]
fn d20_a_renamed_map_is_renamed_in_every_scene_and_nothing_else_changes() {
    let server = start();
    server.upload_map("w", "forest.png");
    let text = |folder: &str| {
        format!(
            r#"{{"id":"1","name":"A","folder":"{folder}","maps":[{{"name":"forest.png","folder":"w","data":{{"x":1.50}}}}],"activeMapId":"forest.png","zz":1e2}}"#
        )
    };
    let ids: Vec<_> = ["", "Act1", "Act1/Sub"]
        .map(|folder| {
            let answer = server.json("POST", "/scenes/save", &text(folder));
            answer.value()["id"].as_str().unwrap().to_owned()
        })
        .into();
    let bystander = save(
        &server,
        &json!({"id": "2", "name": "B", "maps": [{"name": "other.png"}]}),
    );
    let before: Vec<_> = ids
        .iter()
        .map(|id| server.get(&format!("/scenes/load/{id}")).text())
        .collect();
    let untouched = std::fs::metadata(server.path(&format!("scenes/{bystander}.json")))
        .unwrap()
        .modified()
        .unwrap();
    let mut gm = server.websocket();
    gm.hear();
    let live = r#"{"id":"live","maps":[{"name":"forest.png","folder":"gone"}],"activeMapId":"forest.png"}"#;
    gm.say(&format!(r#"{{"type":"scene_update","scene":{live}}}"#));
    gm.hear();
    let mut viewer = server.websocket();
    viewer.hear();
    viewer.hear();
    let answer = server.put("/maps/rename/forest.png", &json!({"new_name": "woods.png"}));
    assert_eq!(
        answer.value(),
        json!({"message": "Map renamed from 'forest.png' to 'woods.png'", "scenes_updated": 4})
    );
    for (id, before) in ids.iter().zip(before) {
        assert_eq!(
            server.get(&format!("/scenes/load/{id}")).text(),
            before.replace("forest.png", "woods.png")
        );
    }
    // The folder in the live scene was out of date and is now right.
    let now = live.replace("forest.png", "woods.png").replace("gone", "w");
    for socket in [&mut gm, &mut viewer] {
        assert_eq!(
            socket.hear(),
            format!(r#"{{"type":"scene_update","scene":{now}}}"#)
        );
        socket.expect_silence();
    }
    assert_eq!(
        std::fs::read_to_string(server.path("scenes/current_scene.json")).unwrap(),
        now
    );
    let after = std::fs::metadata(server.path(&format!("scenes/{bystander}.json")))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(after, untouched);
}

#[test]
fn d21_lists_are_sorted() {
    let server = start();
    for (folder, name) in [
        ("b", "z.png"),
        ("", "m.png"),
        ("a/x", "k.png"),
        ("b", "a.png"),
        ("", "c.png"),
    ] {
        server.upload_map(folder, name);
    }
    let list = server.get("/maps/list").value();
    let names: Vec<_> = list["maps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["c.png", "m.png", "k.png", "a.png", "z.png"]);
}

#[test]
fn d22_a_replaced_map_is_seen_at_once() {
    let server = start();
    server.upload_map("", "a.png");
    let first = server.get("/maps/file/a.png");
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    let other = [PNG, b"more"].concat();
    server.upload("/maps/upload", &Form::new().file("a.png", &other));
    let second = server.send(
        "GET",
        "/maps/file/a.png",
        &[("if-none-match", first.header("etag").unwrap())],
        b"",
    );
    assert_eq!((second.status, second.body), (200, other));
}

#[test]
fn d23_numbers_that_json_does_not_have_are_refused() {
    let server = start();
    for bad in ["NaN", "Infinity", "-Infinity", "1e999"] {
        let body = format!(r#"{{"id":"1","name":"A","x":{bad}}}"#);
        let answer = server.json("POST", "/scenes/save", &body);
        assert_eq!(
            (answer.status, &answer.value()["detail"][0]["type"]),
            (422, &json!("json_invalid")),
            "{bad}"
        );
    }
    assert_eq!(
        server.get("/scenes/list").text(),
        r#"{"folders":[],"scenes":[]}"#
    );
}
