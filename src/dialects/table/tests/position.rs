//! Section 2 of the contract: epoch, numbers, and what a hello is answered with.

use super::clients::{Member, new_id};
use super::world::{World, text};
use crate::access::Role;
use crate::dialects::table::Request;
use crate::dialects::table::position::{BLOCK, Standing};
use crate::live::CloseCode;
use rstest::rstest;
use serde_json::{Value, json};

const SCENE: &str = r#"{"id":"s","name":"A","gridSettings":{"gridSize":50},"aoeMarkers":[{"id":"m1","label":"so that no change"},{"id":"m2","label":"is most of the scene"}]}"#;

fn table() -> (World, Member) {
    let mut world = World::new(Some(SCENE));
    world.advance(1_000);
    let ada = Member::join(Role::Gm, "Ada", &mut world);
    (world, ada)
}

fn name(world: &mut World, member: &mut Member, name: &str) -> Value {
    member.sets(world, json!(["name"]), json!(name))
}

/// Comes back and says how it was answered.
fn back(world: &mut World, member: &mut Member) -> String {
    member.connect(world);
    member.read_all(world);
    assert_eq!(member.lost, 0);
    member.mode.clone()
}

#[test]
fn the_first_change_is_one_and_each_further_one_is_one_more() {
    let (mut world, mut ada) = table();
    for n in 1..5 {
        let answer = name(&mut world, &mut ada, &n.to_string());
        assert_eq!(
            (&answer["seq"], &answer["prev"]),
            (&json!(n), &json!(n - 1))
        );
    }
    assert_eq!(ada.epoch.len(), 16);
}

#[test]
fn numbers_are_reserved_on_disk_before_use() {
    let (mut world, mut ada) = table();
    for n in 0..50 {
        name(&mut world, &mut ada, &n.to_string());
        let numbers = world.rules.doc.numbers();
        assert!(numbers.last() <= numbers.reserved());
    }
    world.crash(0);
    let numbers = world.rules.doc.numbers();
    assert_eq!(
        (numbers.last(), numbers.lost()),
        (BLOCK, &[(51, BLOCK)][..])
    );
    assert_eq!(world.rules.doc.standing(50), Standing::Known);
    let answer = back_and_name(&mut world, &mut ada);
    assert_eq!(
        (&answer["seq"], &answer["prev"]),
        (&json!(BLOCK + 1), &json!(50))
    );
}

fn back_and_name(world: &mut World, ada: &mut Member) -> Value {
    back(world, ada);
    name(world, ada, "again")
}

#[test]
fn a_clean_stop_loses_no_number_and_keeps_the_epoch() {
    let (mut world, mut ada) = table();
    name(&mut world, &mut ada, "x");
    let epoch = ada.epoch.clone();
    assert!(world.stop());
    world.start(false, world.files.last().cloned());
    let answer = back_and_name(&mut world, &mut ada);
    assert_eq!(
        (&answer["seq"], answer["epoch"].as_str()),
        (&json!(2), Some(&*epoch))
    );
    assert!(world.rules.doc.numbers().lost().is_empty());
}

#[test]
fn the_epoch_ends_when_history_is_broken() {
    let (mut world, mut ada) = table();
    name(&mut world, &mut ada, "x");
    name(&mut world, &mut ada, "y");
    let epoch = ada.epoch.clone();
    world.die(0);
    world.disk.records.pop();
    world.start(true, None);
    assert_eq!(back(&mut world, &mut ada), "reset");
    assert_ne!(ada.epoch, epoch);
    assert_eq!((ada.seq, &ada.doc["name"]), (0, &json!("x")));
}

#[test]
fn a_record_that_does_not_fit_breaks_history_too() {
    let (mut world, mut ada) = table();
    name(&mut world, &mut ada, "x");
    let epoch = ada.epoch.clone();
    world.die(0);
    world.disk.records.push("nonsense".into());
    world.start(false, None);
    assert_eq!(back(&mut world, &mut ada), "reset");
    assert_ne!(ada.epoch, epoch);
    assert_eq!(ada.doc["name"], "x");
}

#[test]
fn what_was_acknowledged_in_a_broken_past_is_not_done_again() {
    let (mut world, mut ada) = table();
    let id = new_id();
    let edit = json!({ "op": "set", "path": ["name"], "value": "x" });
    let message = ada.change(&id, json!({ "edits": [edit] }));
    world.say(ada.conn(), &message);
    world.die(0);
    world.start(true, None);
    ada.mine.insert(
        id.clone(),
        json!({ "edits": [{ "op": "delete", "path": ["name"] }] }),
    );
    back(&mut world, &mut ada);
    world.say(ada.conn(), &message);
    ada.read_all(&mut world);
    let answer = ada.answer_to(&id);
    assert_eq!(
        (&answer["type"], &answer["seq"]),
        (&json!("ack"), &json!(0))
    );
    assert_eq!((world.rules.doc.head(), &ada.doc["name"]), (0, &json!("x")));
}

// How a hello is answered

#[test]
fn who_comes_for_the_first_time_gets_a_snapshot_and_all_about_the_table() {
    let (mut world, mut ada) = table();
    name(&mut world, &mut ada, "x");
    ada.asks(&mut world, json!({ "type": "chat", "text": "hi" }));
    ada.asks(
        &mut world,
        json!({ "type": "audio", "action": "play", "track": "rain" }),
    );
    let hello = json!({ "type": "hello", "proto": 1, "name": " Cleo\u{7} ", "new": 1,
        "device": { "width": 800, "height": 600, "dpr": 2, "x": 1 } });
    let conn = world.hello(Role::Player, &hello);
    let said = world.heard(conn);
    let welcome = &said[0];
    assert_eq!(said.len(), 1);
    assert_eq!(welcome["mode"], "snapshot");
    assert_eq!(
        (&welcome["seq"], &welcome["epoch"]),
        (&json!(1), &json!(ada.epoch))
    );
    let seen = &welcome["scene"];
    assert_eq!(
        (&seen["name"], &seen["gridSettings"]["gridSize"]),
        (&json!("x"), &json!(50))
    );
    let you = &welcome["you"];
    assert_eq!(
        (&you["name"], &you["role"]),
        (&json!("Cleo"), &json!("player"))
    );
    assert_eq!(you["resume_token"].as_str().map(str::len), Some(43));
    assert_eq!(welcome["members"].as_array().map(Vec::len), Some(2));
    let members = welcome["members"].as_array().unwrap();
    let cleo = members
        .iter()
        .find(|member| member["name"] == "Cleo")
        .unwrap();
    let device = json!({ "width": 800.0, "height": 600.0, "dpr": 2.0 });
    assert_eq!(cleo["device"], device);
    assert_eq!(welcome["chat"][0]["text"], "hi");
    assert_eq!(welcome["audio"]["tracks"][0]["track"], "rain");
    assert_eq!(welcome["displays"], json!({}));
    assert_eq!(welcome["limits"]["frame_bytes"], 16 << 20);
    assert_eq!(welcome["server_time"], world.now.unix_ms);
    assert_eq!(
        ada.told(&mut world, "member_joined")[0]["member"]["name"],
        "Cleo"
    );
}

#[test]
fn of_the_chat_the_last_fifty_lines_are_shown() {
    let (mut world, mut ada) = table();
    for n in 1..=60 {
        ada.asks(&mut world, json!({ "type": "chat", "text": n.to_string() }));
    }
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    let welcome = cleo.told(&mut world, "welcome").remove(0);
    let chat = welcome["chat"].as_array().unwrap();
    assert_eq!(
        (chat.len(), &chat[0]["text"], &chat[49]["text"]),
        (50, &json!("11"), &json!("60"))
    );
    assert_eq!(welcome["chat_seq"], 60);
}

#[test]
fn who_was_away_for_a_moment_gets_what_it_missed() {
    let (mut world, mut ada) = table();
    let mut bo = Member::join(Role::Gm, "Bo", &mut world);
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    for member in [&mut bo, &mut cleo] {
        member.drop_line(&mut world);
    }
    name(&mut world, &mut ada, "x");
    // One that players do not see.
    ada.sets(&mut world, json!(["gm_plan"]), json!("SECRET"));
    name(&mut world, &mut ada, "y");
    bo.connect(&mut world);
    let said = world.heard(bo.conn());
    let told: Vec<String> = said
        .iter()
        .map(|m| format!("{} {}", m["type"], m["seq"]))
        .collect();
    assert_eq!(
        told,
        [
            "\"welcome\" null",
            "\"change\" 1",
            "\"change\" 2",
            "\"change\" 3"
        ]
    );
    assert_eq!((&said[0]["from"], &said[0]["to"]), (&json!(0), &json!(3)));
    assert!(said[0].get("scene").is_none());
    for message in said {
        bo.read(&message.to_string());
    }
    assert_eq!(back(&mut world, &mut cleo), "resumed");
    name(&mut world, &mut ada, "z");
    bo.read_all(&mut world);
    cleo.read_all(&mut world);
    assert_eq!((bo.seq, cleo.seq, bo.lost + cleo.lost), (4, 4, 0));
    assert_eq!(bo.doc, world.scene());
    assert_eq!(cleo.doc["name"], "z");
}

#[test]
fn who_missed_nothing_is_resumed_with_nothing() {
    let (mut world, mut ada) = table();
    name(&mut world, &mut ada, "x");
    ada.drop_line(&mut world);
    assert_eq!(back(&mut world, &mut ada), "resumed");
    assert_eq!(ada.seq, 1);
}

/// What happens while somebody is away, and how it is received. Its number is 1 of 2.
#[rstest]
#[case::just_so("", "resumed")]
#[case::another_epoch("epoch", "reset")]
#[case::an_epoch_that_cannot_be_read("odd epoch", "reset")]
#[case::above_the_head("above", "reset")]
#[case::lost_in_a_crash("lost", "reset")]
#[case::no_token("no token", "snapshot")]
#[case::an_unknown_token("other token", "snapshot")]
#[case::no_position("no position", "snapshot")]
#[case::another_view("view", "snapshot")]
#[case::longer_than_two_minutes("long", "snapshot")]
#[case::the_view_was_forgotten("all away", "snapshot")]
#[case::dearer_than_a_snapshot("dear", "snapshot")]
#[case::the_server_was_restarted("restart", "snapshot")]
fn how_somebody_is_received(#[case] what: &str, #[case] mode: &str) {
    let (mut world, mut ada) = table();
    let mut bo = Member::join(Role::Gm, "Bo", &mut world);
    name(&mut world, &mut ada, "x");
    bo.read_all(&mut world);
    bo.drop_line(&mut world);
    name(&mut world, &mut ada, "y");
    match what {
        "epoch" => bo.epoch = "0123456789abcdef".into(),
        "odd epoch" => bo.epoch = "?".into(),
        "above" => bo.seq = 3,
        "no token" => bo.token = None,
        "other token" => bo.token = Some("nobody's".into()),
        "no position" => bo.epoch.clear(),
        "view" => bo.asks = Some(Role::Player),
        "long" => {
            world.advance(125_000);
            // One is kept, but not the first.
            name(&mut world, &mut ada, "z");
        }
        "all away" => {
            ada.drop_line(&mut world);
            world.advance(125_000);
        }
        "dear" => {
            for n in 0..5 {
                let text = n.to_string().repeat(300_000);
                ada.sets(&mut world, json!([format!("k{n}")]), json!(text));
                ada.sets(&mut world, json!([format!("k{n}")]), json!(1));
            }
        }
        "restart" | "lost" => {
            world.advance(1_000);
            let page = world.page(Role::Gm);
            world.say(
                page,
                r#"{"type":"scene_update","scene":{"id":"s","told":1}}"#,
            );
            world.crash(0);
            if what == "lost" {
                bo.seq = 3;
                back_and_name(&mut world, &mut ada);
            }
        }
        _ => {}
    }
    assert_eq!(back(&mut world, &mut bo), mode);
    if mode != "resumed" {
        assert_eq!(bo.seq, world.rules.doc.head());
    }
    if what != "view" {
        assert_eq!(bo.doc, world.scene());
    }
}

#[test]
fn the_token_makes_the_same_member_and_gives_no_role() {
    let (mut world, mut ada) = table();
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    let (id, token) = (cleo.id.clone(), cleo.token.clone());
    cleo.drop_line(&mut world);
    back(&mut world, &mut cleo);
    assert_eq!((&cleo.id, &cleo.token), (&id, &token));
    // The GM's token in a player's hands makes a player.
    let mut thief = Member::new(Role::Gm, "Thief");
    (thief.token, thief.proves) = (ada.token.clone(), Some(Role::Player));
    back(&mut world, &mut thief);
    assert_eq!(thief.id, ada.id);
    let welcome = thief.told(&mut world, "welcome").remove(0);
    assert_eq!(welcome["you"]["role"], "player");
    assert_eq!(name(&mut world, &mut thief, "mine")["code"], "forbidden");
    assert_eq!(name(&mut world, &mut ada, "mine")["type"], "ack");
}

#[test]
fn a_member_survives_a_crash_and_its_token_is_kept_hashed() {
    let (mut world, mut ada) = table();
    let (id, token) = (ada.id.clone(), ada.token.clone().unwrap());
    world.advance(1_000);
    let journal: Vec<u8> = world.disk.records.concat();
    assert!(memchr::memmem::find(&journal, id.as_bytes()).is_some());
    assert!(memchr::memmem::find(&journal, token.as_bytes()).is_none());
    world.crash(0);
    back(&mut world, &mut ada);
    assert_eq!((&ada.id, ada.token.as_ref()), (&id, Some(&token)));
}

#[test]
fn who_came_and_who_was_removed_survives_a_commit_that_fails() {
    let (mut world, mut ada) = table();
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    world.advance(1_000);
    world.prompt = false;
    let mut dan = Member::join(Role::Player, "Dan", &mut world);
    ada.read_all(&mut world);
    let kick = json!({ "type": "kick", "member": cleo.id });
    world.say(ada.conn(), &kick.to_string());
    // A commit takes these along, and fails.
    let chat = json!({ "type": "chat", "id": new_id(), "text": "hi" });
    world.say(ada.conn(), &chat.to_string());
    assert!(world.answer(false));
    world.advance(1_000);
    world.settle_disk();
    world.crash(0);
    let ids = (cleo.id.clone(), dan.id.clone());
    back(&mut world, &mut cleo);
    back(&mut world, &mut dan);
    assert_ne!(cleo.id, ids.0);
    assert_eq!(dan.id, ids.1);
}

#[test]
fn an_acknowledged_removal_is_the_same_after_a_crash() {
    let (mut world, mut ada) = table();
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    let id = cleo.id.clone();
    let kick = json!({ "type": "kick", "id": "k", "member": id });
    world.say(ada.conn(), &kick.to_string());
    world.crash(0);
    back(&mut world, &mut cleo);
    assert_ne!(cleo.id, id);
    back(&mut world, &mut ada);
    world.say(ada.conn(), &kick.to_string());
    let said = world.heard(ada.conn());
    assert_eq!(
        said,
        [json!({ "type": "ack", "id": "k", "kicked": id, "offer": "new_code" })]
    );
}

#[test]
fn a_removal_that_cannot_be_saved_is_said_truly_and_can_be_asked_for_again() {
    let (mut world, ada) = table();
    let cleo = Member::join(Role::Player, "Cleo", &mut world);
    world.settle_disk();
    world.heard(ada.conn());
    let kick = |id: &str| json!({ "type": "kick", "id": id, "member": cleo.id }).to_string();
    world.prompt = false;
    world.say(ada.conn(), &kick("k"));
    assert!(world.answer(false));
    let closed = world.links[&cleo.conn()].closed.as_ref().unwrap().0;
    assert_eq!(closed, CloseCode::Removed);
    let nack = |world: &mut World| {
        let heard = world.heard(ada.conn());
        heard.into_iter().find(|said| said["type"] == "nack")
    };
    let said = nack(&mut world).unwrap();
    assert_eq!(
        (&said["code"], &said["retry"]),
        (&json!("storage"), &json!(true))
    );
    let words = said["message"].as_str().unwrap();
    assert!(
        words.starts_with("they are out for now") && !words.contains("nothing"),
        "{words}"
    );
    // The same from elsewhere in the server, which fails, too.
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    let member = cleo.id.clone();
    world.ask(Request::Kick { member, reply });
    while world.answer(false) {}
    assert_eq!(answer.try_recv().unwrap().unwrap_err().code, "storage");
    world.prompt = true;
    // With the same id, as after any nack with `retry`, and with another.
    for id in ["k", "another"] {
        world.say(ada.conn(), &kick(id));
        world.settle_disk();
        let heard = world.heard(ada.conn());
        let answer = heard.into_iter().find(|said| said["id"] == id).unwrap();
        let gone = if id == "k" { "ack" } else { "nack" };
        assert_eq!(answer["type"], gone, "{answer}");
    }
}

#[test]
fn more_comings_than_are_kept_for_a_failing_disk_are_not_forgotten() {
    let (mut world, _ada) = table();
    world.prompt = false;
    let mut dan = Member::join(Role::Player, "Dan", &mut world);
    for _ in 0..5_000 {
        dan.drop_line(&mut world);
        back(&mut world, &mut dan);
    }
    let mut cleo = Member::join(Role::Player, "Cleo", &mut world);
    world.advance(1_000);
    while world.answer(false) {}
    world.prompt = true;
    world.advance(3_000);
    world.settle_disk();
    world.crash(0);
    for member in [&mut dan, &mut cleo] {
        let id = member.id.clone();
        back(&mut world, member);
        assert_eq!(member.id, id);
    }
}

#[test]
fn several_connections_are_one_member() {
    let (mut world, mut ada) = table();
    let mut second = Member::new(Role::Gm, "Ada");
    second.token = ada.token.clone();
    back(&mut world, &mut second);
    assert_eq!(second.id, ada.id);
    let told = ada.told(&mut world, "member_updated");
    assert_eq!(told[0]["member"]["connections"], 2);
    name(&mut world, &mut ada, "x");
    second.read_all(&mut world);
    assert_eq!(second.doc, ada.doc);
    second.drop_line(&mut world);
    assert_eq!(ada.told(&mut world, "member_updated").len(), 1);
    assert!(ada.told(&mut world, "member_left").is_empty());
}

#[test]
fn a_member_has_no_endless_number_of_connections() {
    let (mut world, ada) = table();
    let hello = json!({ "type": "hello", "role": "gm", "resume_token": ada.token });
    let conns: Vec<_> = (0..33).map(|_| world.hello(Role::Gm, &hello)).collect();
    let closed: Vec<_> = conns
        .iter()
        .filter_map(|c| world.links[c].closed.clone())
        .collect();
    assert_eq!(closed.len(), 2);
    assert_eq!(closed[0].0, CloseCode::Policy);
    // What that one says is not heard, and its going takes nobody along.
    let last = *conns.last().unwrap();
    world.say(last, r#"{"type":"chat","id":"x","text":"hi"}"#);
    world.leave(last);
    let mut bo = Member::join(Role::Gm, "Bo", &mut world);
    assert_eq!(name(&mut world, &mut bo, "x")["type"], "ack");
}

#[test]
fn the_head_is_captured_in_the_step_in_which_a_member_is_there() {
    let (mut world, mut ada) = table();
    world.prompt = false;
    for n in 0..20 {
        let edit = json!({ "op": "set", "path": [format!("k{n}")], "value": n });
        let message = ada.change(&new_id(), json!({ "edits": [edit], "base": 0 }));
        world.say(ada.conn(), &message);
        let mut cleo = Member::join(Role::Gm, "Cleo", &mut world);
        world.answer(true);
        cleo.read_all(&mut world);
        assert_eq!(cleo.doc, world.scene());
    }
}

#[test]
fn the_scenes_own_file_counts_when_it_is_somebody_elses_work() {
    let (mut world, mut ada) = table();
    name(&mut world, &mut ada, "x");
    let (epoch, before) = (ada.epoch.clone(), world.aside);
    assert!(world.stop());
    let file = text(r#"{"id":"s","name":"by hand"}"#);
    world.start(false, Some(file.clone()));
    back(&mut world, &mut ada);
    assert_eq!(
        (&ada.epoch, ada.seq, &ada.doc["name"]),
        (&epoch, 2, &json!("by hand"))
    );
    assert_eq!(world.aside, before + 1, "the replaced one is kept");
    // And then it is known: only what is done to it counts.
    name(&mut world, &mut ada, "later");
    world.die(0);
    world.start(false, Some(file));
    assert_eq!(world.scene()["name"], "later");
}

#[test]
fn a_file_of_our_own_never_takes_the_place_of_what_came_later() {
    let (mut world, mut ada) = table();
    let mut files = vec![text(SCENE)];
    for n in 0..4 {
        name(&mut world, &mut ada, &n.to_string());
        files.push(world.rules.doc.scene().clone());
        world.advance(1_000);
        assert_eq!(world.files.last(), files.last());
    }
    for file in files {
        world.die(0);
        world.start(false, Some(file));
        assert_eq!(world.scene()["name"], "3");
    }
}

#[test]
fn files_of_somebody_else_never_share_a_number() {
    let (mut world, mut ada) = table();
    name(&mut world, &mut ada, "ours");
    let mut seqs = vec![ada.seq];
    for name in ["first", "second", "second"] {
        // It crashes before anything is written, and the file is another one by then.
        world.die(0);
        world.start(
            false,
            Some(text(&json!({ "id": "s", "name": name }).to_string())),
        );
        back(&mut world, &mut ada);
        assert_eq!(ada.doc["name"], name);
        seqs.push(ada.seq);
    }
    assert!(seqs[0] < seqs[1] && seqs[1] < seqs[2], "{seqs:?}");
    // The last start found what it knew.
    assert_eq!(seqs[3], seqs[2]);
}

#[test]
fn the_first_file_of_all_takes_nothing_back_after_a_crash() {
    let mut world = World::new(Some(SCENE));
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    name(&mut world, &mut ada, "x");
    // Within the first second, before the file is written.
    world.die(0);
    world.start(false, Some(text(SCENE)));
    assert_eq!(world.scene()["name"], "x");
}

#[test]
fn a_journal_that_grew_is_begun_anew_with_all_that_counts() {
    let (mut world, mut ada) = table();
    let id = new_id();
    let edit = json!({ "op": "set", "path": ["kept"], "value": 1 });
    let message = ada.change(&id, json!({ "edits": [edit] }));
    world.say(ada.conn(), &message);
    ada.read_all(&mut world);
    for n in 0..6 {
        ada.sets(
            &mut world,
            json!(["big"]),
            json!(n.to_string().repeat(1_000_000)),
        );
    }
    ada.sets(&mut world, json!(["big"]), json!(0));
    world.advance(3_000);
    let bytes: usize = world.disk.records.iter().map(|record| record.len()).sum();
    assert!(bytes < 1_000_000, "{bytes}");
    world.crash(0);
    let seq = ada.seq;
    back(&mut world, &mut ada);
    world.say(ada.conn(), &message);
    ada.read_all(&mut world);
    assert_eq!(ada.answer_to(&id)["seq"], 1);
    assert_eq!(
        (world.rules.doc.head(), &world.scene()["kept"]),
        (seq, &json!(1))
    );
}

#[test]
fn without_a_journal_nothing_is_taken() {
    let mut world = World::new(Some(SCENE));
    world.prompt = false;
    let mut ada = Member::join(Role::Gm, "Ada", &mut world);
    let edit = json!({ "op": "set", "path": ["name"], "value": "x" });
    let message = ada.change(&new_id(), json!({ "edits": [edit] }));
    world.say(ada.conn(), &message);
    assert!(world.answer(false));
    ada.read_all(&mut world);
    assert_eq!(ada.answers.last().unwrap().1["code"], "storage");
    world.prompt = true;
    assert_eq!(name(&mut world, &mut ada, "y")["seq"], 1);
}
