//! Section 8 of the contract: chat, dice, sound, displays, signals, clock.

use super::clients::{Member, new_id};
use super::world::World;
use crate::access::Role;
use crate::dialects::table::{Put, Request, SCREENS, parse_sound_action};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::oneshot;

struct Table {
    world: World,
    ada: Member,
    cleo: Member,
    dan: Member,
    tv: Member,
}

fn table() -> Table {
    let mut world = World::new(Some("{}"));
    world.advance(1_000);
    let ada = Member::join(Role::Gm, "Ada", &mut world);
    let cleo = Member::join(Role::Player, "Cleo", &mut world);
    let dan = Member::join(Role::Player, "Dan", &mut world);
    let tv = Member::join(Role::Display, "TV", &mut world);
    let mut table = Table {
        world,
        ada,
        cleo,
        dan,
        tv,
    };
    for member in [
        &mut table.ada,
        &mut table.cleo,
        &mut table.dan,
        &mut table.tv,
    ] {
        member.read_all(&mut table.world);
        member.news.clear();
    }
    table
}

impl Table {
    /// How many messages of this kind each has got: Ada, Cleo, Dan, the screen.
    fn heard(&mut self, kind: &str) -> [usize; 4] {
        let Self {
            world,
            ada,
            cleo,
            dan,
            tv,
        } = self;
        [ada, cleo, dan, tv].map(|member| member.told(world, kind).len())
    }
}

#[test]
fn what_is_said_is_acknowledged_and_told_in_order_with_numbers_of_its_own() {
    let mut t = table();
    for n in 1..=3 {
        let text = format!("  line {n} ");
        let answer = t
            .cleo
            .asks(&mut t.world, json!({ "type": "chat", "text": text }));
        assert_eq!(
            (&answer["type"], &answer["chat_seq"]),
            (&json!("ack"), &json!(n))
        );
    }
    let told = t.ada.told(&mut t.world, "chat");
    let line = json!({ "type": "chat", "chat_seq": 2, "from": t.cleo.id, "at": t.world.now.unix_ms, "text": "line 2" });
    assert_eq!((told.len(), &told[1]), (3, &line));
    assert_eq!(t.heard("chat"), [0, 3, 3, 3]);
    assert_eq!(t.world.rules.doc.head(), 0);
}

#[test]
fn whispers_reach_those_they_are_for_and_their_author() {
    let mut t = table();
    let say = |t: &mut Table, to: &str| {
        let chat = json!({ "type": "chat", "text": "psst", "to": to });
        t.cleo.asks(&mut t.world, chat)
    };
    let dan = t.dan.id.clone();
    assert_eq!(say(&mut t, &dan)["type"], "ack");
    assert_eq!(t.heard("chat"), [0, 1, 1, 0]);
    say(&mut t, "gm");
    assert_eq!(t.heard("chat"), [1, 1, 0, 0]);
    let tv = t.tv.id.clone();
    say(&mut t, &tv);
    assert_eq!(t.heard("chat"), [0, 1, 0, 1]);
    assert_eq!(say(&mut t, "nobody")["code"], "not_found");
    // Nor does anybody else find them in a welcome.
    let welcome = |t: &mut Table, role| {
        let mut late = Member::join(role, "Late", &mut t.world);
        late.told(&mut t.world, "welcome").remove(0)["chat"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(welcome(&mut t, Role::Player), 0);
    assert_eq!(welcome(&mut t, Role::Gm), 1);
}

#[test]
fn who_comes_later_learns_the_names_of_those_who_spoke_and_have_gone() {
    let mut t = table();
    t.cleo
        .asks(&mut t.world, json!({ "type": "chat", "text": "hi" }));
    let whisper = json!({ "type": "chat", "text": "psst", "to": t.dan.id });
    t.ada.asks(&mut t.world, whisper);
    let (cleo, dan) = (t.cleo.id.clone(), t.dan.id.clone());
    let names = |t: &mut Table, role| {
        let mut late = Member::join(role, "Late", &mut t.world);
        late.told(&mut t.world, "welcome").remove(0)["names"].clone()
    };
    assert_eq!(names(&mut t, Role::Player), json!({}));
    t.cleo.drop_line(&mut t.world);
    t.dan.drop_line(&mut t.world);
    assert_eq!(names(&mut t, Role::Player), json!({ &cleo: "Cleo" }));
    t.ada.drop_line(&mut t.world);
    t.ada.connect(&mut t.world);
    let welcome = t.ada.told(&mut t.world, "welcome").remove(0);
    assert_eq!(welcome["names"], json!({ &cleo: "Cleo", &dan: "Dan" }));
}

#[test]
fn whispers_go_by_the_role_of_a_line_and_not_of_its_member() {
    let mut t = table();
    // The GM's own screen, with the GM's token.
    let mut screen = Member::new(Role::Display, "Ada");
    screen.token = t.ada.token.clone();
    screen.connect(&mut t.world);
    screen.read_all(&mut t.world);
    for member in ["cleo", "ada"] {
        let author = if member == "ada" {
            &mut t.ada
        } else {
            &mut t.cleo
        };
        author.asks(
            &mut t.world,
            json!({ "type": "chat", "text": "psst", "to": "gm" }),
        );
    }
    assert_eq!(t.ada.told(&mut t.world, "chat").len(), 2);
    assert!(screen.told(&mut t.world, "chat").is_empty());
}

#[test]
fn who_came_while_a_whisper_was_on_its_way_hears_it() {
    let mut t = table();
    t.world.prompt = false;
    t.dan.drop_line(&mut t.world);
    let chat = json!({ "type": "chat", "id": new_id(), "text": "psst", "to": t.dan.id });
    t.world.say(t.cleo.conn(), &chat.to_string());
    t.dan.connect(&mut t.world);
    assert!(t.dan.told(&mut t.world, "chat").is_empty());
    t.world.settle_disk();
    assert_eq!(t.dan.told(&mut t.world, "chat").len(), 1);
    assert_eq!(t.dan.told(&mut t.world, "welcome")[0]["chat"], json!([]));
}

#[rstest]
#[case("", false)]
#[case(" \n ", false)]
#[case("x", true)]
#[case(&"ä".repeat(2_000), true)]
#[case(&"ä".repeat(2_001), false)]
fn a_line_has_1_to_2000_characters(#[case] said: &str, #[case] taken: bool) {
    let mut t = table();
    let answer = t
        .cleo
        .asks(&mut t.world, json!({ "type": "chat", "text": said }));
    assert_eq!(answer["type"] == "ack", taken, "{answer}");
}

#[test]
fn chat_survives_a_crash_and_a_repeat_is_said_once() {
    let mut t = table();
    let chat = json!({ "type": "chat", "id": new_id(), "text": "hi" });
    t.world.say(t.cleo.conn(), &chat.to_string());
    t.world.crash(0);
    t.cleo.connect(&mut t.world);
    t.world.say(t.cleo.conn(), &chat.to_string());
    t.cleo.read_all(&mut t.world);
    assert_eq!(t.cleo.answers.last().unwrap().1["chat_seq"], 1);
    let chat = t.cleo.told(&mut t.world, "welcome").remove(0)["chat"].clone();
    assert_eq!(chat.as_array().map(Vec::len), Some(1));
    let answer = t
        .cleo
        .asks(&mut t.world, json!({ "type": "chat", "text": "ho" }));
    assert_eq!(answer["chat_seq"], 2);
}

#[test]
fn a_repeat_is_said_once_whatever_the_clock_on_the_wall_says() {
    let mut t = table();
    let chat = json!({ "type": "chat", "id": new_id(), "text": "hi" });
    t.world.say(t.cleo.conn(), &chat.to_string());
    for jump in [3_600_000, -7_200_000, 86_400_000] {
        t.world.set_clock(jump);
        t.world.advance(2_000);
        t.world.say(t.cleo.conn(), &chat.to_string());
        t.cleo.read_all(&mut t.world);
        assert_eq!(t.cleo.answers.last().unwrap().1["chat_seq"], 1);
    }
}

#[test]
fn what_was_said_in_vain_is_not_in_the_chat() {
    let mut t = table();
    t.world.prompt = false;
    let chat = json!({ "type": "chat", "id": "x", "text": "hi" });
    t.world.say(t.cleo.conn(), &chat.to_string());
    t.world.answer(false);
    t.cleo.read_all(&mut t.world);
    assert_eq!(t.cleo.answer_to("x")["code"], "storage");
    assert_eq!(t.heard("chat"), [0; 4]);
    t.world.prompt = true;
    let answer = t
        .cleo
        .asks(&mut t.world, json!({ "type": "chat", "text": "ho" }));
    assert_eq!(answer["chat_seq"], 1);
}

#[test]
fn the_server_rolls() {
    let mut t = table();
    let answer = t
        .cleo
        .asks(&mut t.world, json!({ "type": "roll", "expr": "4d6kh3+2" }));
    assert_eq!(
        (&answer["type"], &answer["chat_seq"]),
        (&json!("ack"), &json!(1))
    );
    let rolled = t.ada.told(&mut t.world, "rolled").remove(0);
    let dice = &rolled["dice"][0];
    assert_eq!(
        (&rolled["expr"], &dice["sides"]),
        (&json!("4d6kh3+2"), &json!(6))
    );
    let values: Vec<u64> = dice["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_u64().unwrap())
        .collect();
    let kept: Vec<bool> = dice["kept"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| k == true)
        .collect();
    assert_eq!((values.len(), kept.iter().filter(|k| **k).count()), (4, 3));
    let sum: u64 = values
        .iter()
        .zip(kept)
        .filter(|(_, kept)| *kept)
        .map(|(v, _)| v)
        .sum();
    assert_eq!(rolled["total"], sum + 2);
    t.heard("rolled");
    t.cleo.asks(
        &mut t.world,
        json!({ "type": "roll", "expr": "d20", "to": "gm" }),
    );
    assert_eq!(t.heard("rolled"), [1, 1, 0, 0]);
    for bad in ["", "d1", "101d6", "2d", "rm -rf", &"1+".repeat(60)] {
        let answer = t
            .cleo
            .asks(&mut t.world, json!({ "type": "roll", "expr": bad }));
        assert_eq!(answer["code"], "invalid", "{bad}");
    }
}

#[test]
fn sound_is_a_state_that_a_joiner_can_start_from() {
    let mut t = table();
    let act = |t: &mut Table, action: Value| {
        let mut message = json!({ "type": "audio", "track": "rain" });
        message
            .as_object_mut()
            .unwrap()
            .extend(action.as_object().unwrap().clone());
        let answer = t.ada.asks(&mut t.world, message);
        assert_eq!(answer["type"], "ack", "{answer}");
        t.cleo.told(&mut t.world, "audio").remove(0)
    };
    let loaded = act(&mut t, json!({ "action": "load" }));
    assert_eq!(
        (&loaded["playing"], &loaded["route"]),
        (&json!(false), &json!("all"))
    );
    let playing = act(
        &mut t,
        json!({ "action": "play", "position": 10, "volume": 0.5 }),
    );
    let start = t.world.now.unix_ms;
    assert_eq!(
        (&playing["started_at"], &playing["position"]),
        (&json!(start), &json!(10.0))
    );
    t.world.advance(5_000);
    let mut late = Member::join(Role::Player, "Late", &mut t.world);
    let welcome = late.told(&mut t.world, "welcome").remove(0);
    assert_eq!(welcome["audio"]["tracks"][0]["started_at"], start);
    let paused = act(&mut t, json!({ "action": "pause" }));
    assert_eq!(
        (&paused["playing"], &paused["position"]),
        (&json!(false), &json!(15.0))
    );
    assert_eq!(
        act(&mut t, json!({ "action": "seek", "position": 3 }))["position"],
        3.0
    );
    assert_eq!(act(&mut t, json!({ "action": "loop" }))["loop"], true);
    assert_eq!(
        act(&mut t, json!({ "action": "volume", "volume": 0.2 }))["volume"],
        0.2
    );
    let faded = act(
        &mut t,
        json!({ "action": "fade", "volume": 0, "duration": 4 }),
    );
    assert_eq!(
        (&faded["volume"], &faded["fade"]),
        (&json!(0.0), &json!(4.0))
    );
    assert_eq!(act(&mut t, json!({ "action": "stop" }))["position"], 0.0);
    t.world.crash(0);
    let mut back = Member::join(Role::Player, "Back", &mut t.world);
    let welcome = back.told(&mut t.world, "welcome").remove(0);
    assert_eq!(welcome["audio"]["tracks"][0]["loop"], true);
}

#[test]
fn sound_moves_from_screen_to_screen_with_one_word() {
    let mut t = table();
    let mut act = |action: Value| {
        let mut message = json!({ "type": "audio" });
        let fields = action.as_object().unwrap().clone();
        message.as_object_mut().unwrap().extend(fields);
        let answer = t.ada.asks(&mut t.world, message);
        let tv = t.tv.told(&mut t.world, "audio").pop();
        (answer["type"].clone(), tv)
    };
    let (_, heard) = act(json!({ "action": "play", "track": "rain", "duration": 2 }));
    let heard = heard.unwrap();
    assert_eq!(
        (&heard["playing"], &heard["fade"]),
        (&json!(true), &json!(2.0))
    );
    // To the GM alone: the screen knows of no track any more.
    let (answer, heard) = act(json!({ "action": "master", "route": "gm", "volume": 0.5 }));
    assert_eq!(answer, "ack");
    assert_eq!(
        heard,
        Some(json!({ "type": "audio", "tracks": [], "master": 0.5 }))
    );
    let (_, heard) = act(json!({ "action": "play", "track": "wind" }));
    assert_eq!(heard, None);
    let (_, heard) = act(json!({ "action": "master", "route": "display" }));
    let heard = heard.unwrap();
    assert_eq!(heard["tracks"].as_array().unwrap().len(), 2);
    assert_eq!(
        heard["route"],
        Value::Null,
        "what is to come is the GM's to know"
    );
    let (_, heard) = act(json!({ "action": "remove", "track": "wind", "duration": 1 }));
    assert_eq!(
        heard,
        Some(json!({ "type": "audio", "track": "wind", "removed": true, "fade": 1.0 }))
    );
    let (answer, heard) = act(json!({ "action": "remove", "track": "wind" }));
    assert_eq!((answer, heard), (json!("ack"), None));
    assert_eq!(act(json!({ "action": "master" })).0, "nack");
    t.world.crash(0);
    let mut ada = Member::join(Role::Gm, "Ada", &mut t.world);
    let audio = ada.told(&mut t.world, "welcome").remove(0)["audio"].take();
    assert_eq!(
        (&audio["master"], &audio["route"]),
        (&json!(0.5), &json!("display"))
    );
    assert_eq!(audio["tracks"].as_array().unwrap().len(), 1);
}

#[test]
fn rest_plays_as_the_gm_does() {
    let mut t = table();
    let body = super::world::text(r#"{"action":"play","track":"rain"}"#);
    let action = parse_sound_action(&body).unwrap();
    let (reply, mut answer) = oneshot::channel();
    t.world.ask(Request::Put(Put::Sound { action, reply }));
    assert_eq!(
        answer.try_recv().unwrap().unwrap()["tracks"][0]["playing"],
        true
    );
    assert_eq!(t.heard("audio"), [1; 4]);
}

#[test]
fn a_screens_state_is_its_own_and_survives_its_reload() {
    let mut t = table();
    let direct = |t: &mut Table, action: Value| {
        let mut message = json!({ "type": "display", "target": t.tv.id });
        message
            .as_object_mut()
            .unwrap()
            .extend(action.as_object().unwrap().clone());
        t.ada.asks(&mut t.world, message)["type"].clone()
    };
    for (action, member, value) in [
        (json!({ "action": "blank" }), "blank", json!(true)),
        (json!({ "action": "unblank" }), "blank", json!(false)),
        (json!({ "action": "rotate" }), "rotation", json!(180.0)),
        (json!({ "action": "mute" }), "muted", json!(true)),
        (
            json!({ "action": "name", "name": "Big one" }),
            "name",
            json!("Big one"),
        ),
        (
            json!({ "action": "view", "x": 1, "y": 2, "width": 3, "height": 4 }),
            "view",
            json!({ "x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0 }),
        ),
    ] {
        assert_eq!(direct(&mut t, action), "ack");
        let told = t.tv.told(&mut t.world, "display").remove(0);
        assert_eq!(told["state"][member], value);
        assert_eq!(t.heard("display"), [1, 0, 0, 0]);
    }
    assert_eq!(direct(&mut t, json!({ "action": "identify" })), "ack");
    assert_eq!(t.tv.told(&mut t.world, "display")[0]["action"], "identify");
    assert_eq!(direct(&mut t, json!({ "action": "dance" })), "nack");
    let wrong = json!({ "type": "display", "target": t.cleo.id, "action": "blank" });
    assert_eq!(t.ada.asks(&mut t.world, wrong)["code"], "not_found");
    for crash in [false, true] {
        if crash {
            t.world.crash(0);
        } else {
            t.tv.drop_line(&mut t.world);
        }
        t.tv.connect(&mut t.world);
        let welcome = t.tv.told(&mut t.world, "welcome").remove(0);
        assert_eq!(welcome["displays"][&t.tv.id]["name"], "Big one");
        let mut other = Member::join(Role::Display, "Other", &mut t.world);
        assert_eq!(
            other.told(&mut t.world, "welcome")[0]["displays"],
            json!({})
        );
        other.drop_line(&mut t.world);
    }
}

#[test]
fn screens_that_are_here_keep_what_they_have_however_many_have_been() {
    let mut t = table();
    let blank = |t: &mut Table, id: &str| {
        let message = json!({ "type": "display", "target": id, "action": "blank" });
        assert_eq!(t.ada.asks(&mut t.world, message)["type"], "ack");
    };
    let mine = t.tv.id.clone();
    blank(&mut t, &mine);
    for _ in 0..SCREENS + 5 {
        let mut other = Member::join(Role::Display, "Other", &mut t.world);
        let id = other.id.clone();
        blank(&mut t, &id);
        other.drop_line(&mut t.world);
        t.world.advance(1_000);
    }
    t.tv.drop_line(&mut t.world);
    t.tv.connect(&mut t.world);
    let welcome = t.tv.told(&mut t.world, "welcome").remove(0);
    assert_eq!(welcome["displays"][&mine]["blank"], true);
}

#[test]
fn a_screen_that_cannot_be_heard_says_so_to_all() {
    let mut t = table();
    let say = |t: &mut Table, device: Value| {
        let message = json!({ "type": "device", "device": device });
        let conn = t.tv.conn();
        t.world.say(conn, &message.to_string());
    };
    let silent = json!({ "width": 1920, "height": 1080, "rtt": 3.5, "sound": "blocked", "x": [] });
    say(&mut t, silent.clone());
    let told = t.ada.told(&mut t.world, "member_updated").remove(0);
    let device = json!({ "width": 1920.0, "height": 1080.0, "rtt": 3.5, "sound": "blocked" });
    assert_eq!(told["member"]["device"], device);
    assert_eq!(t.heard("member_updated"), [0, 1, 1, 0]);
    // The same again is no news, and a word that is none says nothing.
    say(&mut t, silent);
    assert_eq!(t.heard("member_updated"), [0; 4]);
    say(&mut t, json!({ "sound": "loud" }));
    let told = t.ada.told(&mut t.world, "member_updated").remove(0);
    assert_eq!(told["member"]["device"], json!({}));
    say(&mut t, json!("large"));
    assert_eq!(t.tv.told(&mut t.world, "error").len(), 1);
}

#[test]
fn a_screen_that_reloads_while_it_is_told_something_hears_it() {
    let mut t = table();
    t.world.prompt = false;
    let blank = json!({ "type": "display", "id": "x", "target": t.tv.id, "action": "blank" });
    t.world.say(t.ada.conn(), &blank.to_string());
    t.tv.drop_line(&mut t.world);
    t.tv.connect(&mut t.world);
    t.world.settle_disk();
    assert_eq!(
        t.tv.told(&mut t.world, "display")[0]["state"]["blank"],
        true
    );
}

#[test]
fn without_a_target_all_screens_are_meant() {
    let mut t = table();
    let mut second = Member::join(Role::Display, "Two", &mut t.world);
    t.ada.asks(
        &mut t.world,
        json!({ "type": "display", "action": "blank" }),
    );
    assert_eq!(t.tv.told(&mut t.world, "display").len(), 1);
    assert_eq!(second.told(&mut t.world, "display").len(), 1);
}

#[test]
fn signals_go_between_two_members_and_are_never_stored() {
    let mut t = table();
    let records = t.world.disk.records.len();
    let signal = |to: &str, size: usize| {
        json!({ "type": "signal", "to": to, "data": "x".repeat(size) }).to_string()
    };
    t.world.say(t.cleo.conn(), &signal(&t.ada.id, 16_000));
    let told = t.ada.told(&mut t.world, "signal");
    assert_eq!(
        (&told[0]["from"], told[0]["data"].as_str().map(str::len)),
        (&json!(t.cleo.id), Some(16_000))
    );
    assert_eq!(t.heard("signal"), [0; 4]);
    assert_eq!(t.world.disk.records.len(), records);
    t.world.say(t.cleo.conn(), &signal(&t.ada.id, 17_000));
    assert_eq!(t.heard("error"), [0, 1, 0, 0]);
    t.world.say(t.cleo.conn(), &signal("nobody", 1));
    let nack = &t.cleo.told(&mut t.world, "nack")[0];
    assert_eq!(
        (&nack["id"], &nack["code"]),
        (&Value::Null, &json!("not_found"))
    );
    assert_eq!(t.heard("signal"), [0; 4]);
}

#[test]
fn the_clock_answers_with_what_it_was_asked() {
    let mut t = table();
    t.world.say(t.cleo.conn(), r#"{"type":"time","t0":12.50}"#);
    let said = t.world.read(t.cleo.conn());
    assert!(
        said[0].starts_with(r#"{"type":"time","t0":12.50,"t1":"#),
        "{}",
        said[0]
    );
}

#[test]
fn members_hear_of_each_other() {
    let mut t = table();
    let mut late = Member::join(Role::Player, "Late", &mut t.world);
    assert_eq!(t.heard("member_joined"), [1; 4]);
    let page = t.world.page(Role::Gm);
    assert_eq!(
        t.heard("member_joined"),
        [0; 4],
        "SpellTable's pages are nobody"
    );
    t.world.leave(page);
    late.drop_line(&mut t.world);
    let left = t.ada.told(&mut t.world, "member_left").remove(0);
    assert_eq!(
        (&left["member"]["name"], &left["member"]["connections"]),
        (&json!("Late"), &json!(0))
    );
}
