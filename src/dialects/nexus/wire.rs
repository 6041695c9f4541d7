//! Clients' messages: raw JSON in, the same JSON out with the server's `src` and `timestamp`.

use super::rules::RoomRules;
use crate::config::Nexus;
use crate::dialects::pace::{Bucket, Pace};
use crate::json::{LooseJson, Node, NodeKind};
use crate::live::{CloseCode, Dialect, Frame, Heard};
use bytes::Bytes;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often `src` and `timestamp` may stand in one message: each place is overwritten.
const MAX_REPEATS: usize = 8;
/// Forged messages of the server after which a connection is closed.
const MAX_FORGED: u32 = 100;

/// Something that a client said to others.
#[derive(Debug)]
pub struct Message {
    text: LooseJson,
    /// Where values of the server's own members stand.
    src: Vec<Range<usize>>,
    timestamp: Vec<Range<usize>>,
    /// For whom it is.
    pub(super) to: Addressee,
    /// Whether it is about what a game master decides.
    pub(super) directs: bool,
}

/// For whom a message is, as its `dst` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressee {
    Others,
    One(Uuid),
    /// Something that nobody is called.
    Nobody,
}

/// Why a message is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Not JSON, or no object.
    NotAMessage,
    /// It looks as if the server had said it.
    Forged,
    /// Dice that cannot have fallen so.
    Dice,
}

impl Message {
    fn parse(bytes: Bytes, strict: bool) -> Result<Self, Fault> {
        let text = LooseJson::parse(bytes).map_err(|_| Fault::NotAMessage)?;
        let root = text.root();
        if root.kind() != NodeKind::Object {
            return Err(Fault::NotAMessage);
        }
        let (mut src, mut timestamp) = (Vec::new(), Vec::new());
        let (mut kind, mut data, mut dst) = (None, None, None);
        // Of a repeated member the last one counts, as for those who receive it.
        for entry in root.entries() {
            let Some(key) = entry.key else { continue };
            match () {
                () if key.means("src") => src.push(entry.value.range()),
                () if key.means("timestamp") => timestamp.push(entry.value.range()),
                () if key.means("type") => kind = Some(entry.value),
                () if key.means("data") => data = Some(entry.value),
                () if key.means("dst") => dst = Some(entry.value),
                () => {}
            }
        }
        if src.len() > MAX_REPEATS || timestamp.len() > MAX_REPEATS {
            return Err(Fault::NotAMessage);
        }
        let is = |name: &str| kind.is_some_and(|kind| kind.means(name));
        let event = data.filter(|_| is("event"));
        let event = event.and_then(|data| last(data, "name")).map(name);
        let starts = |start: &str| event.as_ref().is_some_and(|name| name.starts_with(start));
        if is("error") || starts("session/") {
            return Err(Fault::Forged);
        }
        if strict && is("dice-roll") && !data.is_some_and(fell) {
            return Err(Fault::Dice);
        }
        let directs = is("state") || starts("scene/") || starts("camera/");
        let to = dst.map_or(Addressee::Others, Addressee::of);
        Ok(Self {
            src,
            timestamp,
            to,
            directs,
            text,
        })
    }

    /// As others get it: said by `src` at this time, everything else as it came.
    pub(super) fn frame(&self, src: Uuid, unix_ms: u64) -> Frame {
        let text = self.text.as_str().as_bytes();
        let root = self.text.root();
        let (src, timestamp) = (format!("\"{src}\""), unix_ms.to_string());
        let mut places: Vec<(&Range<usize>, &str)> = Vec::new();
        places.extend(self.src.iter().map(|place| (place, src.as_str())));
        places.extend(
            self.timestamp
                .iter()
                .map(|place| (place, timestamp.as_str())),
        );
        places.sort_unstable_by_key(|(place, _)| place.start);
        let mut parts: Vec<&[u8]> = Vec::with_capacity(places.len() * 2 + 8);
        let mut at = 0;
        for (place, value) in places {
            parts.extend([&text[at..place.start], value.as_bytes()]);
            at = place.end;
        }
        let close = root.range().end - 1;
        parts.push(&text[at..close]);
        let mut empty = root.entries().next().is_none();
        let absent = [
            (self.src.is_empty(), "\"src\":", &src),
            (self.timestamp.is_empty(), "\"timestamp\":", &timestamp),
        ];
        for (_, name, value) in absent.iter().filter(|(absent, ..)| *absent) {
            let comma = if empty { "" } else { "," };
            parts.extend([comma.as_bytes(), name.as_bytes(), value.as_bytes()]);
            empty = false;
        }
        parts.push(&text[close..]);
        Frame::text(&parts)
    }
}

impl Addressee {
    /// What JavaScript takes for nothing is no `dst`; anything but a member's own id reaches nobody.
    fn of(dst: Node<'_>) -> Self {
        let nothing = match dst.kind() {
            NodeKind::Null => true,
            NodeKind::Bool => dst.raw() == "false",
            NodeKind::Number => dst.raw().parse() == Ok(0.0),
            NodeKind::String => dst.raw() == "\"\"",
            NodeKind::Object | NodeKind::Array => false,
        };
        if nothing {
            return Self::Others;
        }
        let written = dst.as_str().unwrap_or_default();
        match Uuid::try_parse(&written) {
            // In the one spelling that the server has told.
            Ok(id) if id.to_string() == written => Self::One(id),
            _ => Self::Nobody,
        }
    }
}

/// The last member of this name.
fn last<'a>(object: Node<'a>, name: &str) -> Option<Node<'a>> {
    if object.kind() != NodeKind::Object {
        return None;
    }
    let named = object
        .entries()
        .filter(|entry| entry.key.is_some_and(|key| key.means(name)));
    named.last().map(|entry| entry.value)
}

/// An event's name; one that is not quite a text as it stands.
fn name(value: Node<'_>) -> std::borrow::Cow<'_, str> {
    value
        .as_str()
        .unwrap_or(value.raw().trim_start_matches('"').into())
}

/// Whether dice can have fallen as this roll says: `NdS` with an optional `+M` or `-M`.
fn fell(roll: Node<'_>) -> bool {
    let fits = || {
        let expression = last(roll, "expression")?.as_str()?;
        let (count, rest) = expression.trim().split_once(['d', 'D'])?;
        let (sides, bonus) = match rest.find(['+', '-']) {
            Some(at) => rest.split_at(at),
            None => (rest, "0"),
        };
        let whole = |text: &str| text.trim().parse::<i64>().ok();
        let (count, sides) = (whole(count)?, whole(sides)?);
        // A sign and its number may stand apart.
        let bonus = bonus
            .split_whitespace()
            .collect::<String>()
            .parse::<i64>()
            .ok()?;
        let results = last(roll, "results").filter(|results| results.kind() == NodeKind::Array)?;
        let results = results
            .elements()
            .map(|result| result.raw().parse::<i64>().ok());
        let results = results.take(101).collect::<Option<Vec<_>>>()?;
        let total = last(roll, "total")?.raw().parse::<i64>().ok()?;
        let sum = results.iter().sum::<i64>().checked_add(bonus)?;
        let fits = (1..=100).contains(&count)
            && (2..=1000).contains(&sides)
            && results.len() as i64 == count
            && results.iter().all(|result| (1..=sides).contains(result))
            && sum == total;
        fits.then_some(())
    };
    fits().is_some()
}

/// Reads the messages of one connection, at the pace that it is allowed.
pub struct Wire {
    strict: bool,
    pace: Pace,
    /// What all members of the room may say together, in bytes. A lock for three numbers.
    room: Option<Arc<Mutex<Bucket>>>,
    pause: Duration,
    dropped: u32,
    forged: u32,
}

impl Wire {
    /// For somebody in the room with this bucket, or in none.
    pub(super) fn new(settings: &Nexus, room: Option<Arc<Mutex<Bucket>>>) -> Self {
        Self {
            strict: settings.strict,
            pace: Pace::new(settings.max_rate, settings.max_bytes, Instant::now()),
            room,
            pause: Duration::ZERO,
            dropped: 0,
            forged: 0,
        }
    }

    fn drop_for(&mut self, fault: Fault) -> Heard<Message> {
        // A client in a loop must not fill the log.
        self.dropped = self.dropped.saturating_add(1);
        if self.dropped.is_power_of_two() {
            let dropped = self.dropped;
            tracing::debug!(dropped, ?fault, "dropped a message of a Nexus client");
        }
        self.forged += u32::from(fault == Fault::Forged);
        if self.forged >= MAX_FORGED {
            let reason = "only the server says session/* and error";
            return Heard::End(CloseCode::Policy, reason.into());
        }
        Heard::Nothing
    }
}

impl Dialect for Wire {
    type Rules = RoomRules;

    const TAKES_BINARY: bool = true;

    fn read(&mut self, text: Bytes) -> Heard<Message> {
        let now = Instant::now();
        self.pause = self.pace.take(text.len(), now);
        if let Some(room) = &self.room {
            let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
            self.pause = self.pause.max(room.take(text.len() as f64, now));
        }
        if self.pace.is_flooding(now) {
            let reason = "too many messages for a whole minute";
            return Heard::End(CloseCode::Policy, reason.into());
        }
        match Message::parse(text, self.strict) {
            Ok(message) => Heard::Message(message),
            Err(fault) => self.drop_for(fault),
        }
    }

    fn pause(&mut self) -> Option<Duration> {
        Some(self.pause).filter(|pause| !pause.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const ID: Uuid = Uuid::from_u128(0x35b0_8a69_ae5d_4cc1_b889_0564_c849_4ed5);

    fn parse(text: &str) -> Result<Message, Fault> {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), false)
    }

    fn relayed(text: &str) -> String {
        parse(text).unwrap().frame(ID, 17).payload().to_owned()
    }

    #[test]
    fn nothing_changes_but_who_said_it_and_when() {
        let (src, ts) = (format!("\"src\":\"{ID}\""), "\"timestamp\":17");
        for (said, heard) in [
            ("{}".to_owned(), format!("{{{src},{ts}}}")),
            ("{ }".into(), format!("{{ {src},{ts}}}")),
            (r#"{"type":"x"}"#.into(), format!(r#"{{"type":"x",{src},{ts}}}"#)),
            (
                r#"{"type":"dice-roll","data":{"n":12345678901234567890,"timestamp":5,"src":"a"},"timestamp":1,"src":"forged"}"#.into(),
                format!(r#"{{"type":"dice-roll","data":{{"n":12345678901234567890,"timestamp":5,"src":"a"}},{ts},{src}}}"#),
            ),
            (r#" {"src" : null ,"z":1e999, "timestamp":[1,{"src":2}]} "#.into(), format!(r#" {{"src" : "{ID}" ,"z":1e999, {ts}}} "#)),
            (r#"{"\u0073rc":1,"__proto__":{},"timestamp":2}"#.into(), format!(r#"{{"\u0073rc":"{ID}","__proto__":{{}},{ts}}}"#)),
            // Every place of a repeated member, so that the last one says it, too.
            (r#"{"src":1,"a":[],"src":2}"#.into(), format!(r#"{{{src},"a":[],{src},{ts}}}"#)),
        ] {
            assert_eq!(relayed(&said), heard, "{said}");
        }
    }

    #[test]
    fn what_is_no_object_is_dropped() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
        let many = format!("{{{}\"a\":1}}", "\"src\":1,".repeat(9));
        for said in [
            "",
            "hello",
            "null",
            "42",
            "\"ab\"",
            "[1,\"a\"]",
            "[{}]",
            "{\"a\":}",
            "{}x",
            &deep,
            &many,
        ] {
            assert_eq!(parse(said).err(), Some(Fault::NotAMessage), "{said}");
        }
        let invalid = Message::parse(Bytes::from_static(b"{\"a\":\"\xff\"}"), false);
        assert_eq!(invalid.err(), Some(Fault::NotAMessage));
    }

    #[test]
    fn only_the_server_speaks_for_itself() {
        for said in [
            r#"{"type":"error","data":{"message":"Room not found"}}"#,
            r#"{"type":"event","data":{"name":"session/created","roomCode":"AAAA"}}"#,
            r#"{"data":{"name":"session/"},"type":"event"}"#,
            r#"{"type":"\u0065rror"}"#,
            r#"{"type":"event","data":{"name":"\u0073ession/joined"}}"#,
            // The last one counts.
            r#"{"type":"x","type":"error"}"#,
            r#"{"type":"event","data":{"name":"dice/roll","name":"session/ended"}}"#,
            r#"{"type":"event","data":{},"data":{"name":"session/ended"}}"#,
        ] {
            assert_eq!(parse(said).err(), Some(Fault::Forged), "{said}");
        }
        for said in [
            r#"{"type":"error","type":"x"}"#,
            r#"{"type":"event","data":{"name":"session"}}"#,
            r#"{"type":"state","data":{"session":{},"name":"session/created"}}"#,
            r#"{"type":"event","data":"session/created"}"#,
            r#"{"type":"event"}"#,
            r#"{"data":{"name":"session/created"}}"#,
            r#"{"type":"heartbeat","data":{"type":"ping"}}"#,
            r#"{"type":5,"data":null}"#,
        ] {
            assert!(parse(said).is_ok(), "{said}");
        }
    }

    #[test]
    fn dst_means_what_javascript_takes_it_for() {
        let to = |dst: &str| parse(&format!("{{\"dst\":{dst}}}")).unwrap().to;
        for nothing in ["null", "false", "0", "-0", "0.0e7", "1e-999", "\"\""] {
            assert_eq!(to(nothing), Addressee::Others, "{nothing}");
        }
        assert_eq!(parse("{}").unwrap().to, Addressee::Others);
        assert_eq!(to(&format!("\"{ID}\"")), Addressee::One(ID));
        let loud = format!("\"{}\"", ID.to_string().to_uppercase());
        for nobody in [
            "true",
            "1",
            "[]",
            "{}",
            "\"x\"",
            "\" \"",
            &loud,
            "\"\\ud800\"",
        ] {
            assert_eq!(to(nobody), Addressee::Nobody, "{nobody}");
        }
    }

    #[test]
    fn what_a_game_master_decides_is_told_apart() {
        for (said, directs) in [
            (r#"{"type":"state","data":{}}"#, true),
            (r#"{"type":"event","data":{"name":"scene/change"}}"#, true),
            (r#"{"type":"event","data":{"name":"camera/move"}}"#, true),
            (r#"{"type":"event","data":{"name":"dice/roll"}}"#, false),
            (r#"{"type":"dice-roll","data":{}}"#, false),
        ] {
            assert_eq!(parse(said).unwrap().directs, directs, "{said}");
        }
    }

    #[test]
    fn dice_that_cannot_have_fallen_so_are_told() {
        let roll = |expression: &str, results: &str, total: &str| {
            let data =
                format!(r#"{{"expression":"{expression}","results":{results},"total":{total}}}"#);
            let text = format!(r#"{{"type":"dice-roll","data":{data}}}"#);
            Message::parse(Bytes::from(text), true).is_ok()
        };
        for (expression, results, total) in [
            ("2d6", "[4,5]", "9"),
            ("1d20+5", "[20]", "25"),
            ("1D4 - 3", "[1]", "-2"),
        ] {
            assert!(roll(expression, results, total), "{expression}");
        }
        for (expression, results, total) in [
            ("2d6", "[4,5]", "10"),
            ("2d6", "[9]", "9"),
            ("2d6", "[4,7]", "11"),
            ("1d6", "[0]", "0"),
            ("1d6", "4", "4"),
            ("101d6", "[4]", "4"),
            ("1d1", "[1]", "1"),
            ("d6", "[4]", "4"),
            ("1d6+9223372036854775807", "[4]", "4"),
            ("1d6", "[4.5]", "4.5"),
        ] {
            assert!(!roll(expression, results, total), "{expression} {results}");
        }
        let unchecked = r#"{"type":"dice-roll","data":{"total":99}}"#;
        assert!(parse(unchecked).is_ok());
    }

    #[test]
    fn who_forges_again_and_again_is_closed() {
        let settings = crate::config::tests::settings(&[]).nexus;
        let mut wire = Wire::new(&settings, None);
        let forged = Bytes::from_static(br#"{"type":"error"}"#);
        for _ in 1..MAX_FORGED {
            assert!(matches!(wire.read(forged.clone()), Heard::Nothing));
        }
        assert!(matches!(
            wire.read(forged),
            Heard::End(CloseCode::Policy, _)
        ));
        assert_eq!(wire.pause(), None);
    }

    #[test]
    fn a_room_is_slowed_down_as_one() {
        let settings = crate::config::tests::settings(&["--nexus-max-room-bytes", "10"]).nexus;
        let room = Arc::new(Mutex::new(Bucket::new(10.0, Instant::now())));
        let mut wires = [(); 2].map(|()| Wire::new(&settings, Some(room.clone())));
        for wire in &mut wires {
            wire.read(Bytes::from(vec![b' '; 50]));
        }
        assert_eq!(wires[0].pause(), None);
        assert!(wires[1].pause() > Some(Duration::from_secs(4)));
    }

    /// Nothing makes it panic, and what it relays is JSON that says who sent it.
    fn relays_truly(bytes: &[u8]) {
        for strict in [false, true] {
            let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes), strict) else {
                continue;
            };
            let frame = message.frame(ID, 17);
            let payload = Bytes::copy_from_slice(frame.payload().as_bytes());
            let text = LooseJson::parse(payload.clone()).unwrap();
            let src = last(text.root(), "src").unwrap();
            assert_eq!(src.as_str().unwrap(), ID.to_string());
            assert_eq!(last(text.root(), "timestamp").unwrap().raw(), "17");
            let again = Message::parse(payload, strict).unwrap();
            assert_eq!((again.to, again.directs), (message.to, message.directs));
        }
    }

    #[test]
    fn fuzz_the_codec() {
        bolero::check!().for_each(relays_truly);
    }

    proptest! {
        #[test]
        fn hostile_json_is_relayed_truly_or_dropped(
            members in prop::collection::vec(
                (
                    prop_oneof![Just("src"), Just("dst"), Just("type"), Just("data"), Just("timestamp"), Just("\\u0073rc"), Just("x")],
                    prop_oneof![
                        Just("null".to_owned()), Just("0".into()), Just("\"\"".into()), Just("\"error\"".into()), Just("\"event\"".into()),
                        Just("{\"name\":\"session/x\"}".into()), Just("{\"name\":\"scene/x\",\"name\":1e999}".into()),
                        Just(format!("\"{ID}\"")), "[\\[\\]{}\",:0-9a-e\\\\ut.+-]{0,12}",
                    ],
                    "[ \t\n]{0,2}",
                ),
                0..12,
            ),
            cut in 0usize..400,
        ) {
            let members: Vec<_> = members.iter().map(|(key, value, space)| format!("{space}\"{key}\"{space}:{space}{value}{space}")).collect();
            let text = format!("{{{}}}", members.join(","));
            relays_truly(text.as_bytes());
            let cut = cut.min(text.len());
            relays_truly(&text.as_bytes()[..cut]);
        }

        #[test]
        fn what_serde_writes_is_relayed_with_every_member(keys in prop::collection::btree_map("[a-z]{1,6}", any::<i64>(), 0..8)) {
            let mut value = serde_json::json!(keys);
            let heard: Value = serde_json::from_str(&relayed(&value.to_string())).unwrap();
            value["src"] = ID.to_string().into();
            value["timestamp"] = 17.into();
            prop_assert_eq!(heard, value);
        }
    }
}
