//! Scenes over REST: the recorded shapes (SpellTable, S1 to S11).

use crate::support::{Answer, Form, PNG, TestServer, start};
use serde_json::{Value, json};

fn save(server: &TestServer, scene: &Value) -> String {
    let answer = server.post("/scenes/save", scene);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.value()["message"], "Scene saved successfully");
    answer.value()["id"].as_str().unwrap().to_owned()
}

fn scene(name: &str, folder: Option<&str>) -> Value {
    json!({"id": "default", "name": name, "folder": folder})
}

#[test]
fn a_scene_comes_back_with_every_member_in_order_and_every_number_as_it_was() {
    let server = start();
    let sent = r#"{"zeta":1.50,"name":"Schlacht ü","id":"1763630870000","big":12345678901234567890123,"exp":1e2,"aoeMarkers":[{"id":"a","x":-0.0}],"fogOfWar":[{"points":[{"y":1,"x":2}]}],"esc":"\u00e9\/","maps":[]}"#;
    let answer = server.json("POST", "/scenes/save", sent);
    let id = answer.value()["id"].as_str().unwrap().to_owned();
    let expected = sent.replace("\"id\":\"1763630870000\"", &format!("\"id\":\"{id}\""));
    let expected = expected.strip_suffix('}').unwrap().to_owned()
        + r#","folder":null,"activeMapId":null,"gridSettings":{"showGrid":true,"gridSize":50},"initiativeOrder":[],"showCurrentPlayer":true,"images":[]}"#;
    assert_eq!(server.get(&format!("/scenes/load/{id}")).text(), expected);
    assert_eq!(
        server.get("/scenes/list").text(),
        format!(r#"{{"folders":[],"scenes":[{expected}]}}"#)
    );
}

#[test]
fn lists_have_the_recorded_shapes() {
    let server = start();
    save(&server, &scene("Root", None));
    save(&server, &scene("Deep", Some("Act1/Sub")));
    let list = server.get("/scenes/list").value();
    assert_eq!(
        list["folders"],
        json!([{"name": "Act1", "type": "folder", "path": "Act1", "parent": ""},
               {"name": "Sub", "type": "folder", "path": "Act1/Sub", "parent": "Act1"}])
    );
    let of = |n: usize| {
        (
            list["scenes"][n]["name"].clone(),
            list["scenes"][n]["folder"].clone(),
        )
    };
    assert_eq!(of(0), (json!("Root"), json!(null)));
    assert_eq!(of(1), (json!("Deep"), json!("Act1/Sub")));
}

#[test]
fn what_is_wrong_with_a_scene_is_told_in_fastapis_words() {
    let server = start();
    let problems = |answer: Answer| {
        assert_eq!(answer.status, 422, "{}", answer.text());
        answer.value()["detail"].clone()
    };
    assert_eq!(
        problems(server.post("/scenes/save", &json!({"name": "x"}))),
        json!([{"type": "missing", "loc": ["body", "id"], "msg": "Field required", "input": {"name": "x"}}])
    );
    assert_eq!(
        problems(server.send(
            "POST",
            "/scenes/save",
            &[("content-type", "application/json")],
            b""
        )),
        json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}])
    );
    assert_eq!(
        problems(server.json("POST", "/scenes/save", "{\"id\":")),
        json!([{"type": "json_invalid", "loc": ["body", 6], "msg": "JSON decode error", "input": {}, "ctx": {"error": "a value was expected"}}])
    );
    for (content_type, body, input) in [
        ("application/json", "[1]", json!([1])),
        ("text/plain", "hello", json!("hello")),
    ] {
        let answer = server.send(
            "POST",
            "/scenes/save",
            &[("content-type", content_type)],
            body.as_bytes(),
        );
        assert_eq!(
            problems(answer),
            json!([{"type": "model_attributes_type", "loc": ["body"], "msg": "Input should be a valid dictionary or object to extract fields from", "input": input}])
        );
    }
    for (member, value, kind) in [
        ("name", json!(1), "string_type"),
        ("folder", json!(1), "string_type"),
        ("activeMapId", json!([]), "string_type"),
        ("maps", json!({}), "list_type"),
        ("gridSettings", json!(null), "dict_type"),
        ("showCurrentPlayer", json!("perhaps"), "bool_parsing"),
    ] {
        let mut body = scene("x", None);
        body[member] = value.clone();
        let found = problems(server.post("/scenes/save", &body));
        assert_eq!(
            (&found[0]["type"], &found[0]["loc"], &found[0]["input"]),
            (&json!(kind), &json!(["body", member]), &value)
        );
    }
    for fine in [json!(1), json!("yes"), json!(true)] {
        let mut body = scene("x", None);
        body["showCurrentPlayer"] = fine;
        save(&server, &body);
    }
    assert_eq!(
        server
            .json(
                "POST",
                "/scenes/save",
                r#"{"id":"a","name":"b","name":"c"}"#
            )
            .status,
        422
    );
    let plus = server.send(
        "POST",
        "/scenes/save",
        &[("content-type", "application/x+json; charset=utf-8")],
        b"{\"id\":\"a\",\"name\":\"b\"}",
    );
    assert_eq!(plus.status, 200);
}

#[test]
fn unknown_scenes_are_404_in_the_recorded_words() {
    let server = start();
    let missing = (404, json!({"detail": "Scene not found"}));
    assert_eq!(server.get("/scenes/load/nope").whole(), missing);
    assert_eq!(
        server.put("/scenes/default", &scene("x", None)).whole(),
        missing
    );
    assert_eq!(server.delete("/scenes/nope").whole(), missing);
    assert_eq!(
        server
            .upload("/scenes/nope/image", &Form::new().file("a.png", PNG))
            .whole(),
        missing
    );
    assert_eq!(server.delete("/scenes/nope/image/x").whole(), missing);
    assert_eq!(
        server.get("/scenes/image/nope.png").whole(),
        (404, json!({"detail": "Image not found"}))
    );
    assert_eq!(server.get("/scenes/anything").status, 405);
    // The table's own scene has no id.
    server.put_file(
        "scenes/current_scene.json",
        b"{\"id\":\"x\",\"name\":\"y\"}",
    );
    assert_eq!(server.get("/scenes/load/current_scene").status, 404);
}

#[test]
fn images_belong_to_their_scene() {
    let server = start();
    let id = save(&server, &scene("A", Some("Act1")));
    let answer = server.upload(
        &format!("/scenes/{id}/image"),
        &Form::new().file("token.png", PNG),
    );
    assert_eq!(answer.value()["message"], "Image uploaded successfully");
    let image_id = answer.value()["image_id"].as_str().unwrap().to_owned();
    let path = format!("Act1/images/{image_id}_token.png");
    let images = server.get(&format!("/scenes/load/{id}")).value()["images"].clone();
    assert_eq!(
        images,
        json!([{"id": image_id, "name": "token.png", "path": path}])
    );
    assert_eq!(server.get(&format!("/scenes/image/{path}")).body, PNG);
    assert_eq!(
        server.delete(&format!("/scenes/{id}/image/nope")).whole(),
        (404, json!({"detail": "Image not found"}))
    );
    assert_eq!(
        server
            .delete(&format!("/scenes/{id}/image/{image_id}"))
            .whole(),
        (200, json!({"message": "Image deleted successfully"}))
    );
    assert_eq!(
        server.get(&format!("/scenes/load/{id}")).value()["images"],
        json!([])
    );
    assert!(!server.path("scenes").join(&path).exists());
}

#[test]
fn a_page_that_loaded_a_scene_before_it_was_moved_loses_none_of_its_images() {
    let server = start();
    let id = save(&server, &scene("A", None));
    let form = Form::new().file("token.png", PNG);
    server.upload(&format!("/scenes/{id}/image"), &form);
    let mut loaded = server.get(&format!("/scenes/load/{id}")).value();
    loaded["folder"] = json!("Zed");
    for _ in 0..2 {
        let saved = server.put(&format!("/scenes/{id}"), &loaded);
        assert_eq!(saved.status, 200, "{}", saved.text());
        let images = server.get(&format!("/scenes/load/{id}")).value()["images"].clone();
        let path = images[0]["path"].as_str().unwrap();
        assert!(path.starts_with("Zed/images/"), "{path}");
        assert_eq!(server.get(&format!("/scenes/image/{path}")).body, PNG);
    }
}

#[test]
fn a_copied_scene_keeps_its_images_when_the_original_goes() {
    let server = start();
    let id = save(&server, &scene("A", None));
    server.upload(
        &format!("/scenes/{id}/image"),
        &Form::new().file("token.png", PNG),
    );
    let original = server.get(&format!("/scenes/load/{id}")).value();
    let copy = save(&server, &original);
    assert_eq!(server.delete(&format!("/scenes/{id}")).status, 200);
    let path = server.get(&format!("/scenes/load/{copy}")).value()["images"][0]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(server.get(&format!("/scenes/image/{path}")).status, 200);
    assert_eq!(server.delete(&format!("/scenes/{copy}")).status, 200);
    assert_eq!(server.get(&format!("/scenes/image/{path}")).status, 404);
}

#[test]
fn scenes_elsewhere_keep_the_images_of_a_folder_that_goes() {
    let server = start();
    let id = save(&server, &scene("A", Some("Act1")));
    let form = Form::new().file("token.png", PNG);
    server.upload(&format!("/scenes/{id}/image"), &form);
    let mut copy = server.get(&format!("/scenes/load/{id}")).value();
    let mut copies = Vec::new();
    for folder in ["Act2", "Act2", ""] {
        copy["folder"] = json!(folder);
        copies.push(save(&server, &copy));
    }
    // One that is no scene shows none, and is in nobody's way.
    server.put_file("scenes/broken.json", b"{");
    server.wait_for("/health", |health| health["scenes"]["skipped"] == 1);
    assert_eq!(server.delete("/scenes/folder/Act1").status, 200);
    assert!(!server.path("scenes/Act1").exists());
    for copy in copies {
        let scene = server.get(&format!("/scenes/load/{copy}")).value();
        let path = scene["images"][0]["path"].as_str().unwrap();
        assert_eq!(server.get(&format!("/scenes/image/{path}")).body, PNG);
    }
}

#[test]
fn a_scene_is_not_overwritten_by_somebody_who_has_an_old_one() {
    let server = start();
    let id = save(&server, &scene("A", None));
    let etag = server
        .get(&format!("/scenes/load/{id}"))
        .header("etag")
        .unwrap()
        .to_owned();
    let put = |tag: &str| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        server
            .send(
                "PUT",
                &format!("/scenes/{id}"),
                &headers,
                scene("B", None).to_string().as_bytes(),
            )
            .status
    };
    assert_eq!(put(&etag), 200);
    assert_eq!(put(&etag), 412);
}

#[test]
fn whoever_saves_a_scene_hears_its_tag_and_may_save_again() {
    let server = start();
    let json = [("content-type", "application/json")];
    let body = |name: &str| scene(name, Some("Act1")).to_string().into_bytes();
    let saved = server.send("POST", "/scenes/save", &json, &body("A"));
    let path = format!("/scenes/{}", saved.value()["id"].as_str().unwrap());
    let loaded = |server: &TestServer| {
        let answer = server.get(&path.replace("/scenes/", "/scenes/load/"));
        answer.header("etag").unwrap().to_owned()
    };
    let mut tag = saved.header("etag").unwrap().to_owned();
    for name in ["B", "C"] {
        assert_eq!(tag, loaded(&server));
        let headers = [json[0], ("if-match", tag.as_str())];
        let answer = server.send("PUT", &path, &headers, &body(name));
        assert_eq!(answer.status, 200);
        tag = answer.header("etag").unwrap().to_owned();
    }
    assert_eq!(tag, loaded(&server));
}

#[test]
fn saving_and_reading_scenes_never_touches_the_table() {
    let server = start();
    let mut viewer = server.websocket();
    viewer.hear();
    let id = save(&server, &scene("A", None));
    server.put(&format!("/scenes/{id}"), &scene("B", Some("Act1")));
    server.get(&format!("/scenes/load/{id}"));
    server.get("/scenes/list");
    server.delete(&format!("/scenes/{id}"));
    viewer.expect_silence();
    assert!(!server.path("scenes/current_scene.json").exists());
}

#[test]
fn a_save_that_fails_leaves_the_other_id_to_the_scene_that_has_it() {
    let server = start();
    let page = |folder: Option<&str>| json!({"id": "777", "name": "Mine", "folder": folder});
    let id = save(&server, &page(None));
    crate::support::write_file(&server.path("scenes"), "notes", b"a file, no folder");
    let failed = server.post("/scenes/save", &page(Some("notes")));
    assert_ne!(failed.status, 200, "{}", failed.text());
    assert_eq!(server.get("/scenes/load/777").value()["id"], json!(id));
}
