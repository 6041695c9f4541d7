//! Ends of all kinds: what was acknowledged is there after them.

use super::clients::{Member, new_id};
use super::world::World;
use crate::access::Role;
use crate::dialects::table::Request;
use serde_json::{Value, json};

const SCENE: &str = r#"{"id":"s","list":[]}"#;

/// Whatever of the last commit has reached the disk: the table is as it was before one of its
/// records or behind it, and nothing that was acknowledged is missing.
#[test]
fn at_whatever_record_the_power_goes_nothing_acknowledged_is_lost() {
    for kept in 0..12 {
        let mut world = World::new(Some(SCENE));
        world.advance(1_000);
        let mut ada = Member::join(Role::Gm, "Ada", &mut world);
        let page = world.page(Role::Gm);
        ada.sets(&mut world, json!(["acked"]), json!(1));
        let mut told = world.scene();
        told["told"] = json!(1);
        world.say(
            page,
            &json!({ "type": "scene_update", "scene": told }).to_string(),
        );
        world.prompt = false;
        // The first is alone in its commit, the others follow together.
        for n in 0..4 {
            let edit = json!({ "op": "insert", "path": ["list"], "value": { "id": n } });
            let said = ada.change(&new_id(), json!({ "edits": [edit] }));
            world.say(ada.conn(), &said);
            let chat = json!({ "type": "chat", "id": new_id(), "text": "x" });
            world.say(ada.conn(), &chat.to_string());
        }
        let epoch = ada.epoch.clone();
        let first_is_there = kept > 6;
        if first_is_there {
            assert!(world.answer(true));
        }
        world.crash(if first_is_there { kept - 6 } else { kept });
        let scene = world.scene();
        assert_eq!(scene["acked"], 1, "{kept}");
        let list: Vec<u64> = scene["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["id"].as_u64().unwrap())
            .collect();
        assert_eq!(list, (0..list.len() as u64).collect::<Vec<_>>());
        assert!(!first_is_there || !list.is_empty());
        if !list.is_empty() {
            assert_eq!(scene["told"], 1, "what they are built on is there, too");
        }
        // They are sent again and made once.
        world.prompt = true;
        ada.connect(&mut world);
        ada.read_all(&mut world);
        assert_eq!(ada.epoch, epoch);
        let open: Vec<Value> = ada.mine.values().cloned().collect();
        for message in open {
            world.say(ada.conn(), &message.to_string());
        }
        ada.read_all(&mut world);
        let made = world.scene()["list"].as_array().unwrap().clone();
        let mut ids: Vec<u64> = made.iter().map(|t| t["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), made.len());
        assert_eq!(ada.doc, world.scene());
    }
}

#[test]
fn crash_after_crash_no_number_means_two_things() {
    let mut world = World::new(Some(SCENE));
    let mut seen = std::collections::HashMap::new();
    for round in 0..30 {
        let mut ada = Member::join(Role::Gm, "Ada", &mut world);
        let page = world.page(Role::Gm);
        for n in 0..3 {
            if (round + n) % 2 == 0 {
                ada.sets(&mut world, json!(["a"]), json!(round * 10 + n));
            } else {
                let mut told = world.scene();
                told["b"] = json!(round * 10 + n);
                world.say(
                    page,
                    &json!({ "type": "scene_update", "scene": told }).to_string(),
                );
            }
            let key = (world.rules.doc.epoch().to_string(), world.rules.doc.head());
            let scene = world.rules.doc.scene().as_str().to_owned();
            assert_eq!(seen.entry(key).or_insert_with(|| scene.clone()), &scene);
        }
        match round % 3 {
            0 => world.crash(0),
            1 => {
                world.advance(1_000);
                world.crash(9);
            }
            _ => {
                assert!(world.stop());
                let file = world.files.last().cloned();
                world.start(false, file);
            }
        }
    }
}

#[test]
fn a_stop_waits_for_what_waits() {
    let mut world = World::new(Some(SCENE));
    world.advance(1_000);
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    world.prompt = false;
    for n in 0..5 {
        let edit = json!({ "op": "set", "path": [format!("k{n}")], "value": n });
        let said = ada.change(&new_id(), json!({ "edits": [edit], "base": 0 }));
        world.say(ada.conn(), &said);
    }
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    world.ask(Request::Stop { reply });
    assert!(answer.try_recv().is_err());
    world.settle_disk();
    assert_eq!(answer.try_recv(), Ok(true));
    // Nothing is taken any more, and that is said.
    ada.read_all(&mut world);
    assert!(ada.mine.is_empty());
    let refused = ada.sets(&mut world, json!(["late"]), json!(1));
    assert_eq!(
        (&refused["code"], &refused["retry"]),
        (&json!("busy"), &json!(true))
    );
    world.start(false, None);
    assert_eq!(
        (world.rules.doc.head(), &world.scene()["k4"]),
        (5, &json!(4))
    );
    assert!(world.rules.doc.numbers().lost().is_empty());
}

#[test]
fn a_save_is_answered_when_everything_is_on_disk() {
    let mut world = World::new(Some(SCENE));
    world.advance(1_000);
    let page = world.page(Role::Gm);
    world.say(
        page,
        r#"{"type":"scene_update","scene":{"id":"s","told":1}}"#,
    );
    assert!(world.answered(|reply| Request::Save { reply }));
    world.crash(0);
    assert_eq!(world.scene()["told"], 1);
    world.prompt = false;
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    let page = world.page(Role::Gm);
    world.advance(6_000);
    world.settle_disk();
    world.say(
        page,
        r#"{"type":"scene_update","scene":{"id":"s","told":2}}"#,
    );
    world.ask(Request::Save { reply });
    world.answer(false);
    assert_eq!(answer.try_recv(), Ok(false));
}
