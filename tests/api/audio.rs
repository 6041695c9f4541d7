//! Sounds over REST: SpellTable's list (A1, A2), and what a library has besides.

use crate::support::{Form, start, wav};
use serde_json::{Value, json};

fn upload(
    server: &crate::support::TestServer,
    category: &str,
    folder: &str,
    name: &str,
) -> crate::support::Answer {
    let form = Form::new()
        .text("category", category)
        .text("folder", folder)
        .file(name, &wav(1));
    server.upload("/audio/upload", &form)
}

#[test]
fn the_list_has_the_recorded_shape() {
    let server = start();
    server.put_file("sounds/loop/battle-theme.mp3", b"ID3");
    server.put_file(
        "sounds/loop/Ambience/Tavern Night/tavern-ambience one.mp3",
        b"ID3",
    );
    server.put_file("sounds/oneshot/Doors/Door-Creak.MP3", b"ID3");
    server.put_file("sounds/loose.mp3", b"ID3");
    server.put_file("sounds/oneshot/notes.txt", b"not a sound");
    let list = server.wait_for("/audio/list", |list| {
        list["oneshot"]["Doors"][0].is_object() && list["loop"].as_object().unwrap().len() == 2
    });
    let recorded = |sound: &Value| {
        let mut sound = sound.as_object().unwrap().clone();
        sound.retain(|name, _| {
            ["id", "name", "type", "url", "loop", "randomize", "path"].contains(&name.as_str())
        });
        Value::Object(sound)
    };
    assert_eq!(
        recorded(&list["loop"][""][0]),
        json!({"id": "battle-theme", "name": "Battle Theme", "type": "music", "url": "/audio/file/loop/battle-theme.mp3", "loop": true, "randomize": true, "path": "battle-theme.mp3"})
    );
    assert_eq!(
        recorded(&list["loop"]["Ambience/Tavern Night"][0]),
        json!({"id": "ambience-tavern_night-tavern-ambience_one", "name": "Tavern Ambience One", "type": "music", "url": "/audio/file/loop/Ambience/Tavern Night/tavern-ambience one.mp3", "loop": true, "randomize": true, "path": "Ambience/Tavern Night/tavern-ambience one.mp3"})
    );
    assert_eq!(
        recorded(&list["oneshot"]["Doors"][0]),
        json!({"id": "doors-door-creak", "name": "Door Creak", "type": "effect", "url": "/audio/file/oneshot/Doors/Door-Creak.MP3", "loop": false, "randomize": false, "path": "Doors/Door-Creak.MP3"})
    );
    assert_eq!(list["oneshot"].as_object().unwrap().len(), 1);
    // Spaces stay as they are; the address works all the same.
    assert_eq!(
        server
            .get("/audio/file/loop/Ambience/Tavern%20Night/tavern-ambience%20one.mp3")
            .status,
        200
    );
}

#[test]
fn without_any_sound_both_categories_are_there() {
    assert_eq!(
        start().get("/audio/list").text(),
        r#"{"loop":{},"oneshot":{}}"#
    );
}

#[test]
fn errors_are_in_the_recorded_words() {
    let server = start();
    assert_eq!(
        server.get("/audio/file/music/a.mp3").whole(),
        (
            400,
            json!({"detail": "Invalid category. Must be 'loop' or 'oneshot'"})
        )
    );
    for absent in ["a.mp3", "deep/a.mp3"] {
        assert_eq!(
            server.get(&format!("/audio/file/loop/{absent}")).whole(),
            (
                404,
                json!({"detail": format!("Audio file not found: {absent}")})
            )
        );
    }
}

#[test]
fn sounds_have_a_duration_and_tags_in_every_format() {
    let server = start();
    let demo = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/sounds/loop/Ambience/crypt-drips.ogg"
    );
    server.put_file("sounds/loop/drips.ogg", &std::fs::read(demo).unwrap());
    server.put_file("sounds/loop/silence.wav", &wav(3));
    server.put_file("sounds/loop/clip.webm", &webm());
    server.put_file(
        "sounds/loop/broken.flac",
        b"fLaC and then nothing that makes sense",
    );
    let list = server.wait_for("/audio/list", |list| {
        list["loop"][""].as_array().is_some_and(|l| {
            l.len() == 4 && !l[2]["duration"].is_null() && !l[3]["duration"].is_null()
        })
    });
    let of = |n: usize| list["loop"][""][n].clone();
    assert_eq!(
        (of(0)["id"].clone(), of(0)["duration"].clone()),
        (json!("broken.flac"), json!(null))
    );
    assert_eq!(of(1)["duration"], json!(2.5));
    assert_eq!(
        (of(2)["duration"].clone(), of(2)["title"].clone()),
        (json!(36.0), json!("Crypt Drips"))
    );
    assert_eq!(
        (of(3)["duration"].clone(), of(3)["bytes"].clone()),
        (json!(3.0), json!(24044))
    );
    assert!(of(3)["modified"].is_u64());
    let health = server.wait_for("/health", |health| health["sounds"]["unread"] == 0);
    assert_eq!(health["sounds"]["files"], 4);
}

#[test]
fn a_sound_that_was_listed_half_written_is_to_be_read_again() {
    let server = start();
    let whole = wav(3);
    let unread = |count: usize| {
        server.wait_for("/health", |health| health["sounds"]["unread"] == count);
    };
    server.put_file("sounds/loop/slow.wav", &whole[..100]);
    unread(1);
    server.wait_for("/audio/list", |list| !list["loop"][""][0].is_null());
    unread(0);
    server.put_file("sounds/loop/slow.wav", &whole);
    unread(1);
    server.wait_for("/audio/list", |list| list["loop"][""][0]["duration"] == 3.0);
    unread(0);
}

/// The head of a WebM file: EBML, then a segment whose info says 2.5 s.
fn webm() -> Vec<u8> {
    fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
        let size = 0x4000u16 | body.len() as u16;
        [id, &size.to_be_bytes(), body].concat()
    }
    let head = element(b"\x42\x82", b"webm");
    let scale = element(b"\x2a\xd7\xb1", &[0x0f, 0x42, 0x40]);
    let duration = element(b"\x44\x89", &2500f64.to_be_bytes());
    let app = element(b"\x4d\x80", b"test");
    let info = element(
        b"\x15\x49\xa9\x66",
        &[scale, duration, app.clone(), element(b"\x57\x41", b"test")].concat(),
    );
    [
        element(b"\x1a\x45\xdf\xa3", &head),
        element(b"\x18\x53\x80\x67", &info),
    ]
    .concat()
}

#[test]
fn a_sound_is_uploaded_renamed_moved_and_deleted() {
    let server = start();
    assert_eq!(
        upload(&server, "loop", "Ambience/Cave", "drip #1.wav").whole(),
        (
            200,
            json!({"filename": "drip #1.wav", "category": "loop", "folder": "Ambience/Cave", "url": "/audio/file/loop/Ambience/Cave/drip %231.wav", "duration": 1.0})
        )
    );
    let health = server.get("/health").value()["sounds"].clone();
    assert_eq!(
        (&health["files"], &health["unread"]),
        (&json!(1), &json!(0)),
        "{health}"
    );
    assert_eq!(
        upload(&server, "loop", "", "top.wav").value()["url"],
        "/audio/file/loop/top.wav"
    );
    assert_eq!(upload(&server, "music", "", "a.wav").status, 400);
    assert_eq!(
        server
            .upload(
                "/audio/upload",
                &Form::new()
                    .text("category", "loop")
                    .file("a.wav", b"nonsense")
            )
            .status,
        415
    );
    assert_eq!(
        server
            .upload("/audio/upload", &Form::new().text("category", "loop"))
            .status,
        422
    );
    let rename = |path: &str, name: &str| {
        server.put(&format!("/audio/rename/{path}"), &json!({"new_name": name}))
    };
    assert_eq!(
        rename("loop/Ambience/Cave/drip%20%231.wav", "drop.wav").whole(),
        (
            200,
            json!({"message": "Audio file renamed successfully", "url": "/audio/file/loop/Ambience/Cave/drop.wav"})
        )
    );
    assert_eq!(rename("loop/nope.wav", "x.wav").status, 404);
    assert_eq!(rename("loop/top.wav", "x.txt").status, 400);
    assert_eq!(rename("loop/top.wav", "../x.wav").status, 400);
    let move_to = |path: &str, body: Value| server.put(&format!("/audio/move/{path}"), &body);
    assert_eq!(
        move_to(
            "loop/Ambience/Cave/drop.wav",
            json!({"folder": null, "category": "oneshot"})
        )
        .whole(),
        (
            200,
            json!({"message": "Audio file moved successfully", "url": "/audio/file/oneshot/drop.wav"})
        )
    );
    upload(&server, "oneshot", "x", "drop.wav");
    assert_eq!(
        move_to("oneshot/drop.wav", json!({"folder": "x"})).status,
        409
    );
    assert_eq!(
        move_to("oneshot/drop.wav", json!({"folder": "../loop"})).status,
        400
    );
    assert_eq!(server.delete("/audio/file/oneshot/drop.wav").status, 200);
    assert_eq!(server.delete("/audio/file/oneshot/drop.wav").status, 404);
    assert!(server.path("sounds/oneshot/x/drop.wav").exists());
}

#[test]
fn sound_folders_are_made_listed_and_deleted() {
    let server = start();
    let make = |body: Value| server.post("/audio/folder", &body);
    assert_eq!(
        make(json!({"category": "loop", "folder_name": "Ambience"})).status,
        200
    );
    assert_eq!(
        make(json!({"category": "loop", "folder_name": "Cave", "parent_folder": "Ambience"}))
            .status,
        200
    );
    assert_eq!(
        make(json!({"category": "x", "folder_name": "Cave"})).status,
        400
    );
    assert_eq!(make(json!({"category": "loop"})).status, 422);
    assert_eq!(
        make(json!({"category": "loop", "folder_name": "../x"})).status,
        400
    );
    assert_eq!(
        server.get("/audio/folders").value(),
        json!({"folders": [
            {"name": "Ambience", "type": "folder", "path": "Ambience", "parent": null, "category": "loop"},
            {"name": "Cave", "type": "folder", "path": "Ambience/Cave", "parent": "Ambience", "category": "loop"}]})
    );
    assert_eq!(server.delete("/audio/folder/loop/Ambience").status, 409);
    assert_eq!(
        server.delete("/audio/folder/loop/Ambience/Cave").status,
        200
    );
    upload(&server, "loop", "Ambience", "a.wav");
    assert_eq!(server.delete("/audio/folder/loop/Ambience").status, 409);
    let unread = server.delete("/audio/folder/loop/Ambience?recursive=perhaps");
    assert_eq!(unread.status, 422, "{}", unread.text());
    assert_eq!(unread.value()["detail"][0]["loc"], json!(["query"]));
    assert_eq!(
        server
            .delete("/audio/folder/loop/Ambience?recursive=true")
            .status,
        200
    );
    assert_eq!(server.delete("/audio/folder/loop/Ambience").status, 404);
    assert_eq!(
        server.get("/audio/list").text(),
        r#"{"loop":{},"oneshot":{}}"#
    );
}
