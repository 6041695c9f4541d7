//! Maps over REST: the recorded shapes (SpellTable, M1 to M11).

use crate::support::{Form, PNG, start};
use serde_json::json;

#[test]
fn lists_have_the_recorded_shapes() {
    let server = start();
    server.upload_map("dungeons/level1", "crypt.png");
    server.upload_map("", "cave.png");
    assert_eq!(
        server.get("/maps/list").text(),
        r#"{"maps":[{"name":"cave.png","folder":null},{"name":"crypt.png","folder":"dungeons/level1"}]}"#
    );
    assert_eq!(
        server.get("/maps/folders").text(),
        r#"{"folders":[{"name":"dungeons","type":"folder","path":"dungeons","parent":null},{"name":"level1","type":"folder","path":"dungeons/level1","parent":"dungeons"}]}"#
    );
}

#[test]
fn folders_are_made_and_deleted_with_the_recorded_answers() {
    let server = start();
    let make = |body| server.post("/maps/folder", &body).whole();
    let made = (200, json!({"message": "Folder 'new' created successfully"}));
    assert_eq!(make(json!({"folder_name": "new"})), made);
    assert_eq!(make(json!({"folder_name": "new"})), made);
    let kid = json!({"folder_name": "kid", "parent_folder": "new"});
    assert_eq!(
        make(kid),
        (200, json!({"message": "Folder 'kid' created successfully"}))
    );
    assert!(server.path("maps/new/kid").is_dir());
    let required = (400, json!({"detail": "Folder name is required"}));
    assert_eq!(make(json!({})), required);
    assert_eq!(make(json!({"folder_name": ""})), required);
    assert_eq!(
        make(json!({"folder_name": 5})),
        (
            422,
            json!({"detail": [{"type": "string_type", "loc": ["body", "folder_name"], "msg": "Input should be a valid string", "input": 5}]})
        )
    );
    assert_eq!(
        make(json!([1])),
        (
            422,
            json!({"detail": [{"type": "dict_type", "loc": ["body"], "msg": "Input should be a valid dictionary", "input": [1]}]})
        )
    );
    assert_eq!(
        server.delete("/maps/folder/new").whole(),
        (200, json!({"message": "Folder 'new' deleted successfully"}))
    );
    assert_eq!(
        server.delete("/maps/folder/new").whole(),
        (404, json!({"detail": "Folder 'new' not found"}))
    );
    assert!(!server.path("maps/new").exists());
}

#[test]
fn uploads_answer_with_the_stored_name() {
    let server = start();
    let upload = |form: Form| server.upload("/maps/upload", &form).whole();
    assert_eq!(
        upload(Form::new().file("cave.png", PNG)),
        (200, json!({"filename": "cave.png", "folder": ""}))
    );
    assert_eq!(
        upload(
            Form::new()
                .file("up3.png", PNG)
                .text("folder", "fresh/deep")
        ),
        (200, json!({"filename": "up3.png", "folder": "fresh/deep"}))
    );
    assert_eq!(
        std::fs::read(server.path("maps/fresh/deep/up3.png")).unwrap(),
        PNG
    );
    assert_eq!(
        upload(Form::new().text("folder", "")),
        (
            422,
            json!({"detail": [{"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": null}]})
        )
    );
    assert_eq!(
        upload(Form::new().text("file", "hello")),
        (
            422,
            json!({"detail": [{"type": "value_error", "loc": ["body", "file"], "msg": "Value error, Expected UploadFile, received: <class 'str'>", "input": "hello", "ctx": {"error": {}}}]})
        )
    );
    let no_boundary = server.send(
        "POST",
        "/maps/upload",
        &[("content-type", "multipart/form-data")],
        b"x",
    );
    assert_eq!(
        no_boundary.whole(),
        (400, json!({"detail": "Missing boundary in multipart."}))
    );
    assert_eq!(upload(Form::new().file("", PNG)).0, 400);
}

#[test]
fn names_from_all_over_the_world_work() {
    let server = start();
    for name in [
        "Höhle der Wölfe.png",
        "地図 (2).webp",
        "a \"quoted\" one.png",
        "100% #1?.png",
        "u\u{308}.png",
    ] {
        let answer = server.upload(
            "/maps/upload",
            &Form::new().file(name, PNG).text("folder", "Ordner ü/城"),
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
        let stored = answer.value()["filename"].as_str().unwrap().to_owned();
        let encoded: String = stored.bytes().map(|b| format!("%{b:02X}")).collect();
        let file = server.get(&format!("/maps/file/Ordner%20%C3%BC%2F%E5%9F%8E/{encoded}"));
        assert_eq!((file.status, file.body.as_slice()), (200, PNG), "{name}");
    }
    // What a Mac sends decomposed is stored composed, and the answer says so.
    assert!(server.path("maps/Ordner ü/城/ü.png").exists());
}

#[test]
fn a_map_is_found_by_its_path_or_else_by_its_name() {
    let server = start();
    server.upload_map("dungeons/level1", "crypt.png");
    for path in [
        "dungeons/level1/crypt.png",
        "dungeons%2Flevel1/crypt.png",
        "gone/crypt.png",
        "crypt.png",
    ] {
        assert_eq!(
            server.get(&format!("/maps/file/{path}")).status,
            200,
            "{path}"
        );
    }
    assert_eq!(
        server.get("/maps/file/gone/nope.png").whole(),
        (404, json!({"detail": "Map not found: gone/nope.png"}))
    );
    assert_eq!(server.get("/maps/file/dungeons").status, 404);
}

#[test]
fn renaming_answers_as_recorded() {
    let server = start();
    server.upload_map("", "forest.png");
    server.upload_map("", "up2.png");
    let rename = |name: &str, body| server.put(&format!("/maps/rename/{name}"), &body).whole();
    assert_eq!(
        rename("forest.png", json!({})),
        (400, json!({"detail": "New name is required"}))
    );
    assert_eq!(
        rename("forest.png", json!({"new_name": ""})),
        (400, json!({"detail": "New name is required"}))
    );
    assert_eq!(rename("forest.png", json!({"new_name": null})).0, 422);
    assert_eq!(
        rename("nope.png", json!({"new_name": "x.png"})),
        (404, json!({"detail": "Map 'nope.png' not found"}))
    );
    assert_eq!(
        rename("forest.png", json!({"new_name": "up2.png"})),
        (
            409,
            json!({"detail": "A file named 'up2.png' already exists"})
        )
    );
    assert_eq!(
        rename("forest.png", json!({"new_name": "woods.png"})),
        (
            200,
            json!({"message": "Map renamed from 'forest.png' to 'woods.png'", "scenes_updated": 0})
        )
    );
    assert_eq!(
        rename("woods.png", json!({"new_name": "a/b.png"})),
        (400, json!({"detail": "a name must not contain '/'"}))
    );
    assert!(server.path("maps/woods.png").exists());
}

#[test]
fn deleting_takes_the_side_file_along() {
    let server = start();
    server.upload_map("w", "cave.png");
    let data = json!({"name": "cave.png", "folder": "w", "data": {"scale": 2.50}});
    assert_eq!(
        server.post("/maps/data", &data).whole(),
        (
            200,
            json!({"message": "Map 'cave.png' stored successfully"})
        )
    );
    assert!(server.path("maps/w/cave.png.json").exists());
    assert_eq!(server.delete("/maps/file/w/cave.png").status, 405);
    assert_eq!(
        server.delete("/maps/file/cave.png").whole(),
        (
            200,
            json!({"message": "Map 'cave.png' deleted successfully"})
        )
    );
    assert_eq!(
        server.delete("/maps/file/cave.png").whole(),
        (404, json!({"detail": "Map 'cave.png' not found"}))
    );
    assert!(!server.path("maps/w/cave.png.json").exists());
}

#[test]
fn map_data_is_stored_and_has_a_default() {
    let server = start();
    server.upload_map("dungeons/level1", "crypt.png");
    assert_eq!(
        server.get("/maps/data/crypt.png").text(),
        r#"{"name":"crypt.png","folder":"dungeons/level1","data":{"position":{"x":0,"y":0},"scale":1,"rotation":0,"isHidden":true}}"#
    );
    let stored = r#"{"name":"crypt.png","folder":"dungeons/level1","data":{"z":1.50,"a":[1e2]}}"#;
    assert_eq!(server.json("POST", "/maps/data", stored).status, 200);
    assert_eq!(server.get("/maps/data/crypt.png").text(), stored);
    assert_eq!(
        server.get("/maps/data/nope.png").whole(),
        (404, json!({"detail": "Map 'nope.png' not found"}))
    );
    // A side file that is no object is as broken as one that is no JSON.
    for broken in ["[1]", "{"] {
        server.put_file("maps/dungeons/level1/crypt.png.json", broken.as_bytes());
        let data = server.get("/maps/data/crypt.png").value();
        assert_eq!(data["data"]["scale"], 1, "{broken}");
    }
    // A side file alone makes no map.
    server.post("/maps/data", &json!({"name": "ghost.png", "data": {}}));
    assert_eq!(server.get("/maps/data/ghost.png").status, 404);
    let problems = server.post("/maps/data", &json!({"name": 1})).value();
    let kinds: Vec<_> = problems["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["type"].clone())
        .collect();
    assert_eq!(kinds, ["string_type", "missing"]);
}

#[test]
fn the_scenes_that_show_a_map_are_listed() {
    let server = start();
    server.upload_map("w", "a.png");
    let save = |name: &str, maps| {
        server
            .post(
                "/scenes/save",
                &json!({"id": "1", "name": name, "maps": maps}),
            )
            .value()["id"]
            .clone()
    };
    let uses = save("Uses it", json!([{"name": "a.png", "folder": "w"}]));
    save("Does not", json!([{"name": "b.png"}]));
    assert_eq!(
        server.get("/maps/uses/a.png").value(),
        json!({"scenes": [{"id": uses, "name": "Uses it", "folder": null}]})
    );
    assert_eq!(
        server.get("/maps/uses/w/a.png").value()["scenes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(server.get("/maps/uses/nope.png").status, 404);
}

#[test]
fn a_condition_stops_a_blind_overwrite() {
    let server = start();
    server.upload_map("", "a.png");
    let etag = server
        .get("/maps/file/a.png")
        .header("etag")
        .unwrap()
        .to_owned();
    let upload = |name: &str, value: &str| {
        let headers = [("content-type", Form::CONTENT_TYPE), (name, value)];
        server
            .send(
                "POST",
                "/maps/upload",
                &headers,
                &Form::new().file("a.png", PNG).bytes(),
            )
            .status
    };
    assert_eq!(upload("if-none-match", "*"), 412);
    assert_eq!(upload("if-match", "\"other\""), 412);
    assert_eq!(upload("if-match", &etag), 200);
    assert_eq!(upload("if-match", &etag), 412);
    let delete = |value: &str| {
        server
            .send("DELETE", "/maps/file/a.png", &[("if-match", value)], b"")
            .status
    };
    assert_eq!(delete(&etag), 412);
    assert_eq!(delete("*"), 200);
}

#[test]
fn a_small_picture_is_made_once_and_again_for_another_file() {
    let server = start();
    let picture = |size: u32, level: u8| {
        let picture = image::RgbImage::from_pixel(2 * size, size, image::Rgb([level; 3]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        let format = image::ImageFormat::Png;
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let upload = |name: &str, bytes: &[u8]| {
        let form = Form::new().text("folder", "w").file(name, bytes);
        assert_eq!(server.upload("/maps/upload", &form).status, 200);
    };
    upload("crypt.png", &picture(400, 90));
    let answer = server.get("/maps/thumb/w/crypt.png?w=200");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("image/jpeg"));
    let small = image::load_from_memory(&answer.body).unwrap();
    assert_eq!((small.width(), small.height()), (256, 128));
    let tag = answer.header("etag").unwrap().to_owned();
    let again = |path: &str, tag: &str| {
        let condition = [("if-none-match", tag)];
        server.send("GET", path, &condition, b"").status
    };
    assert_eq!(again("/maps/thumb/w/crypt.png?w=200", &tag), 304);
    // As files are found: by the name, when the folder is an old one.
    assert_eq!(again("/maps/thumb/old/crypt.png?w=256", &tag), 304);
    let moved = server.put("/maps/rename/crypt.png", &json!({"new_name": "vault.png"}));
    assert_eq!(moved.status, 200, "{}", moved.text());
    assert_eq!(server.get("/maps/thumb/w/vault.png?w=64").status, 200);
    upload("lines.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>");
    for (path, status) in [
        ("w/vault.png?w=63", 422),
        ("w/vault.png?w=1025", 422),
        ("w/vault.png?w=x", 422),
        ("w/vault.png", 422),
        ("w/gone.png?w=64", 404),
        ("../w/vault.png?w=64", 404),
        ("w/lines.svg?w=64", 415),
    ] {
        let answer = server.get(&format!("/maps/thumb/{path}"));
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let problem = server.get("/maps/thumb/w/vault.png").value();
    let problem = &problem["detail"][0];
    assert_eq!(
        (&problem["type"], &problem["loc"]),
        (&json!("missing"), &json!(["query", "w"]))
    );
}

#[test]
fn bitmaps_whose_lines_go_from_top_to_bottom_are_taken() {
    let server = start();
    let bitmap = |height: i32| {
        let mut bytes = b"BM".to_vec();
        bytes.extend(58u32.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(54u32.to_le_bytes());
        bytes.extend(40u32.to_le_bytes());
        bytes.extend(1i32.to_le_bytes());
        bytes.extend(height.to_le_bytes());
        bytes.extend([1, 0, 24, 0]);
        bytes.extend([0; 24]);
        bytes.extend([0; 4]);
        bytes
    };
    for (height, status) in [(1, 200), (-1, 200), (70_000, 422), (-70_000, 422)] {
        let form = Form::new().file("drawn.bmp", &bitmap(height));
        let answer = server.upload("/maps/upload", &form);
        assert_eq!(answer.status, status, "{height}: {}", answer.text());
    }
}
