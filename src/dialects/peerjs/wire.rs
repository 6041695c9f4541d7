//! Frames: what clients say, read as far as the broker needs it, and what the broker says.

use super::rules::BrokerRules;
use crate::config::PeerJs;
use crate::dialects::pace::Bucket;
use crate::json::{LooseJson, Node, NodeKind, quote};
use crate::live::{Dialect, Frame, Heard};
use crate::metrics::Relayed;
use bytes::Bytes;
use std::ops::Range;
use std::time::{Duration, Instant};

/// What is passed on, as it stands in messages.
const KINDS: [(&str, Relayed); 4] = [
    ("OFFER", Relayed::Offer),
    ("ANSWER", Relayed::Answer),
    ("CANDIDATE", Relayed::Candidate),
    ("LEAVE", Relayed::Leave),
];

/// What the rules need to hear of.
#[derive(Debug)]
pub enum Message {
    /// Something for somebody else.
    Relay(Relay),
    /// The sender wants to be registered no more.
    Leave,
}

/// A message for the one with the id `dst`.
#[derive(Debug)]
pub struct Relay {
    /// What it is.
    pub kind: Relayed,
    name: &'static str,
    /// For whom.
    pub dst: Box<str>,
    /// Whether it is an offer to see or hear each other.
    pub is_call: bool,
    text: LooseJson,
    raw_dst: Range<usize>,
    payload: Option<Range<usize>>,
}

impl Message {
    /// Reads a frame; `None` for whatever is not passed on. Of a repeated member the last one counts.
    pub fn parse(bytes: Bytes) -> Option<Self> {
        let text = LooseJson::parse(bytes).ok()?;
        let root = text.root();
        if root.kind() != NodeKind::Object {
            return None;
        }
        let (mut kind, mut dst, mut payload) = (None, None, None);
        for entry in root.entries() {
            let Some(key) = entry.key else { continue };
            match () {
                () if key.means("type") => kind = Some(entry.value),
                () if key.means("dst") => dst = Some(entry.value),
                () if key.means("payload") => payload = Some(entry.value),
                () => {}
            }
        }
        let kind = kind?;
        let (name, kind) = KINDS.into_iter().find(|(name, _)| kind.means(name))?;
        let Some(dst) = dst.filter(|dst| !is_nothing(*dst)) else {
            return (kind == Relayed::Leave).then_some(Self::Leave);
        };
        let is_call = kind == Relayed::Offer && payload.is_some_and(is_media);
        Some(Self::Relay(Relay {
            kind,
            name,
            // What is no text is nobody's id.
            dst: dst.as_str()?.into(),
            is_call,
            raw_dst: dst.range(),
            payload: payload.map(|payload| payload.range()),
            text,
        }))
    }
}

impl Relay {
    /// As its receiver gets it: from `src`, with the payload as it came.
    pub fn frame(&self, src: &str) -> Frame {
        let text = self.text.as_str();
        let begin = format!("{{\"type\":\"{}\",\"src\":{}", self.name, quote(src));
        let (name, payload) = match &self.payload {
            Some(payload) => (",\"payload\":", &text[payload.clone()]),
            None => ("", ""),
        };
        let dst = &text[self.raw_dst.clone()];
        let parts = [&begin, ",\"dst\":", dst, name, payload, "}"];
        Frame::text(&parts.map(str::as_bytes))
    }
}

/// What JavaScript takes for nothing is no `dst`.
fn is_nothing(dst: Node<'_>) -> bool {
    match dst.kind() {
        NodeKind::Null => true,
        NodeKind::Bool => dst.raw() == "false",
        NodeKind::Number => dst.raw().parse() == Ok(0.0),
        NodeKind::String => dst.raw() == "\"\"",
        NodeKind::Object | NodeKind::Array => false,
    }
}

fn is_media(payload: Node<'_>) -> bool {
    if payload.kind() != NodeKind::Object {
        return false;
    }
    let types = payload.entries();
    let types = types.filter(|entry| entry.key.is_some_and(|key| key.means("type")));
    types.last().is_some_and(|kind| kind.value.means("media"))
}

/// The first word to everybody who is registered.
pub fn open() -> Frame {
    Frame::text(&[b"{\"type\":\"OPEN\"}"])
}

/// Somebody else has this id.
pub fn id_taken() -> Frame {
    with_message("ID-TAKEN", "this id is somebody else's")
}

/// Why somebody is not registered.
pub fn error(message: &str) -> Frame {
    with_message("ERROR", message)
}

fn with_message(kind: &str, message: &str) -> Frame {
    let message = quote(message);
    let text = format!("{{\"type\":\"{kind}\",\"payload\":{{\"msg\":{message}}}}}");
    Frame::text(&[text.as_bytes()])
}

/// `absent` never came for what `sender` had for it.
pub fn expire(absent: &str, sender: &str) -> Frame {
    between("EXPIRE", absent, sender)
}

/// `src` is gone for `dst`.
pub fn leave(src: &str, dst: &str) -> Frame {
    between("LEAVE", src, dst)
}

fn between(kind: &str, src: &str, dst: &str) -> Frame {
    let (src, dst) = (quote(src), quote(dst));
    let text = format!("{{\"type\":\"{kind}\",\"src\":{src},\"dst\":{dst}}}");
    Frame::text(&[text.as_bytes()])
}

/// Reads what one connection says. How many messages it may send is the socket's; here their bytes
/// count.
pub struct Wire {
    bytes: Bucket,
    pause: Duration,
}

impl Wire {
    /// Of a connection that has said nothing.
    pub fn new(settings: &PeerJs) -> Self {
        Self {
            bytes: Bucket::new(settings.max_bytes as f64, Instant::now()),
            pause: Duration::ZERO,
        }
    }
}

impl Dialect for Wire {
    type Rules = BrokerRules;

    const TAKES_BINARY: bool = true;

    fn read(&mut self, text: Bytes) -> Heard<Message> {
        self.pause = self.bytes.take(text.len() as f64, Instant::now());
        // That something came is all that a heartbeat says, and the socket has noticed.
        Message::parse(text).map_or(Heard::Nothing, Heard::Message)
    }

    fn pause(&mut self) -> Option<Duration> {
        Some(self.pause).filter(|pause| !pause.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::strategy::Strategy;
    use serde_json::{Value, json};

    fn parse(text: &str) -> Option<Message> {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn relayed(text: &str) -> String {
        match parse(text) {
            Some(Message::Relay(relay)) => relay.frame("a\"b").payload().to_owned(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_payload_stays_as_it_came() {
        for (said, heard) in [
            (
                r#"{"type":"OFFER","payload":{"sdp":{"type":"offer","sdp":"v=0"},"n":1e999, "x" : 1},"dst":"b"}"#,
                r#"{"type":"OFFER","src":"a\"b","dst":"b","payload":{"sdp":{"type":"offer","sdp":"v=0"},"n":1e999, "x" : 1}}"#,
            ),
            (
                r#" {"dst":"b","src":"forged","type":"ANSWER","more":[1],"payload":null} "#,
                r#"{"type":"ANSWER","src":"a\"b","dst":"b","payload":null}"#,
            ),
            (
                r#"{"type":"CANDIDATE","dst":"\u0062"}"#,
                r#"{"type":"CANDIDATE","src":"a\"b","dst":"\u0062"}"#,
            ),
            (
                r#"{"type":"LEAVE","dst":"b","payload":"text"}"#,
                r#"{"type":"LEAVE","src":"a\"b","dst":"b","payload":"text"}"#,
            ),
            // The last one counts, as for those who receive it.
            (
                r#"{"type":"EXPIRE","payload":1,"dst":"x","type":"OFFER","dst":"b","payload":2}"#,
                r#"{"type":"OFFER","src":"a\"b","dst":"b","payload":2}"#,
            ),
        ] {
            assert_eq!(relayed(said), heard, "{said}");
        }
    }

    #[test]
    fn what_is_no_message_says_nothing() {
        for said in [
            "",
            "{bad",
            "null",
            "5",
            "\"x\"",
            "[]",
            "{}",
            r#"{"type":null,"dst":"b"}"#,
            r#"{"type":["OFFER"],"dst":"b"}"#,
            r#"{"type":"HEARTBEAT"}"#,
            r#"{"type":"offer","dst":"b"}"#,
            r#"{"type":"WHATEVER","dst":"b"}"#,
            // The server's own.
            r#"{"type":"EXPIRE","dst":"b"}"#,
            r#"{"type":"OPEN","dst":"b"}"#,
            r#"{"type":"ID-TAKEN","dst":"b"}"#,
            r#"{"type":"ERROR","dst":"b"}"#,
            r#"{"type":"INVALID-KEY","dst":"b"}"#,
            // For nobody.
            r#"{"type":"OFFER","payload":{}}"#,
            r#"{"type":"OFFER","dst":"","payload":{}}"#,
            r#"{"type":"OFFER","dst":7,"payload":{}}"#,
            r#"{"type":"OFFER","dst":{"a":"b"}}"#,
            r#"{"type":"LEAVE","dst":7}"#,
            r#"{"type":"OFFER","dst":"\ud800"}"#,
        ] {
            assert!(parse(said).is_none(), "{said}");
        }
        assert!(
            Message::parse(Bytes::from_static(b"{\"type\":\"OFFER\",\"dst\":\"\xff\"}")).is_none()
        );
    }

    #[test]
    fn leaving_needs_nobody() {
        for said in [
            r#"{"type":"LEAVE"}"#,
            r#"{"type":"LEAVE","dst":null}"#,
            r#"{"type":"LEAVE","dst":""}"#,
        ] {
            assert!(matches!(parse(said), Some(Message::Leave)), "{said}");
        }
    }

    #[test]
    fn a_call_is_an_offer_of_media() {
        for (said, is_call) in [
            (
                r#"{"type":"OFFER","dst":"b","payload":{"type":"media"}}"#,
                true,
            ),
            (
                r#"{"type":"OFFER","dst":"b","payload":{"type":"data","type":"media"}}"#,
                true,
            ),
            (
                r#"{"type":"OFFER","dst":"b","payload":{"type":"data"}}"#,
                false,
            ),
            (
                r#"{"type":"OFFER","dst":"b","payload":["type","media"]}"#,
                false,
            ),
            (r#"{"type":"OFFER","dst":"b"}"#, false),
            (
                r#"{"type":"ANSWER","dst":"b","payload":{"type":"media"}}"#,
                false,
            ),
        ] {
            let Some(Message::Relay(relay)) = parse(said) else {
                panic!("{said}")
            };
            assert_eq!(relay.is_call, is_call, "{said}");
        }
    }

    #[test]
    fn what_the_broker_says_is_json_whatever_the_ids() {
        let odd = "a\"\\\u{1}é";
        let value = |frame: Frame| serde_json::from_str::<Value>(frame.payload()).unwrap();
        assert_eq!(value(open()), json!({"type": "OPEN"}));
        assert_eq!(
            value(expire(odd, "b")),
            json!({"type": "EXPIRE", "src": odd, "dst": "b"})
        );
        assert_eq!(
            value(leave(odd, "b")),
            json!({"type": "LEAVE", "src": odd, "dst": "b"})
        );
        assert_eq!(
            value(error(odd)),
            json!({"type": "ERROR", "payload": {"msg": odd}})
        );
        assert_eq!(value(id_taken())["type"], "ID-TAKEN");
    }

    #[test]
    fn who_sends_much_is_read_later() {
        let settings = crate::config::tests::settings(&["--peerjs-max-bytes", "10"]).peerjs;
        let mut wire = Wire::new(&settings);
        wire.read(Bytes::from(vec![b' '; 50]));
        assert_eq!(wire.pause(), None);
        wire.read(Bytes::from(vec![b' '; 50]));
        assert!(wire.pause() > Some(Duration::from_secs(4)));
    }

    /// Nothing makes it panic, and what it passes on says who sent it and is read the same again.
    fn relays_truly(bytes: &[u8]) {
        let Some(Message::Relay(relay)) = Message::parse(Bytes::copy_from_slice(bytes)) else {
            return;
        };
        let src = "a\"\u{7f}é";
        let frame = relay.frame(src);
        let payload = Bytes::copy_from_slice(frame.payload().as_bytes());
        let text = LooseJson::parse(payload.clone()).unwrap();
        let keys: Vec<_> = text
            .root()
            .members()
            .map(|(key, _)| key.into_owned())
            .collect();
        assert!(matches!(
            &keys.iter().map(String::as_str).collect::<Vec<_>>()[..],
            ["type", "src", "dst"] | ["type", "src", "dst", "payload"]
        ));
        assert_eq!(text.root().get("src").unwrap().as_str().unwrap(), src);
        let Some(Message::Relay(again)) = Message::parse(payload) else {
            panic!("not read again")
        };
        assert_eq!(
            (again.kind, &again.dst, again.is_call),
            (relay.kind, &relay.dst, relay.is_call)
        );
        assert_eq!(again.frame(src).payload(), frame.payload());
    }

    #[test]
    fn fuzz_the_broker_passes_on_truly_or_not_at_all() {
        bolero::check!().for_each(relays_truly);
    }

    proptest::proptest! {
        #[test]
        fn hostile_json_is_passed_on_truly_or_not_at_all(
            members in proptest::collection::vec(
                (
                    proptest::sample::select(vec!["src", "dst", "type", "payload", "\\u0074ype", "x"]),
                    proptest::prop_oneof![
                        proptest::sample::select(vec!["null", "0", "\"\"", "\"OFFER\"", "\"LEAVE\"", "\"\\u0062\"", "\"EXPIRE\"", "{\"type\":\"media\"}"]).prop_map(str::to_owned),
                        "[\\[\\]{}\",:0-9a-e\\\\ut.+-]{0,12}",
                    ],
                ),
                0..8,
            ),
        ) {
            use std::fmt::Write;
            let mut text = String::from("{\"type\":\"OFFER\",\"dst\":\"b\"");
            for (key, value) in members {
                write!(text, ",\"{key}\":{value}").unwrap();
            }
            relays_truly(format!("{text}}}").as_bytes());
        }
    }
}
