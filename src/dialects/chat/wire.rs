//! JSON to types: what clients say, in both spellings.
//!
//! `{"type":"JoinRoom", ...}` is how clients write it, and `{"JoinRoom":{...}}` or `"GetMembers"` is
//! what a client sends that was built from the protocol's enums as they stand. Unknown fields are
//! ignored, of a field that comes twice the last counts, and `null` is the same as nothing.

use super::Refusal;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Characters of a request's id.
const REQUEST_ID_CHARS: usize = 64;

/// How a message says which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagging {
    /// `{"type":"GetMembers"}`
    Internal,
    /// `"GetMembers"`, `{"JoinRoom":{...}}`
    External,
}

/// One message as it came.
#[derive(Debug)]
pub struct Letter {
    /// How it is spelled; `None`: it cannot be told.
    pub tagging: Option<Tagging>,
    /// The client's name for it.
    pub request_id: Option<String>,
    /// What it says.
    pub message: Result<ClientMessage, Refusal>,
}

/// What a client says. Texts are as they came, not checked for what they are.
#[expect(missing_docs, reason = "the protocol's own names")]
#[derive(Debug)]
pub enum ClientMessage {
    CreateRoom(Box<CreateRoom>),
    JoinRoom(Box<JoinRoom>),
    PeekRoom {
        join_key: String,
    },
    ResumeSession {
        session_token: String,
        last_seq: u64,
    },
    ChatMessage {
        content: String,
    },
    GetMembers,
    UploadFile {
        name: String,
        mime_type: String,
        content: String,
    },
    GetFile {
        file_id: String,
    },
    LeaveRoom,
    CloseRoom,
    Ping,
    ShareKey {
        to: String,
        epoch: u64,
        wrapped_key: String,
    },
    RekeyRoom {
        epoch: u64,
        keys: Vec<(String, String)>,
    },
}

/// A wish for a room.
#[expect(missing_docs, reason = "the protocol's own names")]
#[derive(Debug, Default)]
pub struct CreateRoom {
    pub name: String,
    pub description: String,
    pub password: Option<String>,
    pub owner_name: Option<String>,
    /// `None`: the server manages the key.
    pub encryption: Option<ClientKeys>,
    pub public_key: Option<GivenKey>,
}

/// How the members of an end-to-end encrypted room come to their key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKeys {
    /// Which way.
    pub scheme: Scheme,
    /// What clients need for it, as JSON; nothing to us.
    pub params: String,
    /// Lets a client notice a wrong secret.
    pub key_check: Option<String>,
}

/// The ways of an end-to-end encrypted room's key.
#[expect(missing_docs, reason = "the protocol's own names")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Link,
    Passphrase,
    Wrap,
}

impl Scheme {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Link => "link-v1",
            Self::Passphrase => "passphrase-v1",
            Self::Wrap => "wrap-v1",
        }
    }
}

/// A public key as it came.
#[expect(missing_docs, reason = "the protocol's own names")]
#[derive(Debug)]
pub struct GivenKey {
    pub alg: String,
    pub key: String,
}

/// A wish to join a room.
#[expect(missing_docs, reason = "the protocol's own names")]
#[derive(Debug, Default)]
pub struct JoinRoom {
    pub join_key: String,
    pub password: Option<String>,
    pub name: String,
    pub supports: Vec<String>,
    pub public_key: Option<GivenKey>,
}

/// Reads one message of a connection that has spelled like `usual`. Whatever the text is, this
/// neither panics nor keeps more than the text.
pub fn read(text: &str, usual: Tagging) -> Letter {
    let broken = |tagging| Letter {
        tagging,
        request_id: None,
        message: Err(Refusal::InvalidJson),
    };
    // An unknown name is one of a message only where messages are spelled that way.
    let names = |name: &str| usual == Tagging::External || is_known(name);
    if text.trim_start().starts_with('"') {
        return match serde_json::from_str::<Cow<'_, str>>(text) {
            Ok(name) if names(&name) => letter(Tagging::External, &name, &Object::default()),
            _ => broken(None),
        };
    }
    let Ok(outer) = serde_json::from_str::<Object<'_>>(text) else {
        return broken(None);
    };
    if let Some(kind) = outer.get("type") {
        return match serde_json::from_str::<Cow<'_, str>>(kind.get()) {
            Ok(name) => letter(Tagging::Internal, &name, &outer),
            Err(_) => Letter {
                request_id: request_id(&outer).ok().flatten(),
                ..broken(None)
            },
        };
    }
    match &outer.only {
        Only::One(name, fields) if names(name) => {
            let inner = match fields.get() {
                "null" => Ok(Object::default()),
                object => serde_json::from_str::<Object<'_>>(object),
            };
            match inner {
                Ok(inner) => letter(Tagging::External, name, &inner),
                Err(_) => broken(Some(Tagging::External)),
            }
        }
        _ => Letter {
            request_id: request_id(&outer).ok().flatten(),
            ..broken(None)
        },
    }
}

fn letter(tagging: Tagging, name: &str, fields: &Object<'_>) -> Letter {
    let id = request_id(fields);
    let message = match &id {
        Ok(_) => meaning(name, fields),
        Err(refusal) => Err(*refusal),
    };
    Letter {
        tagging: Some(tagging),
        request_id: id.ok().flatten(),
        message,
    }
}

fn request_id(fields: &Object<'_>) -> Result<Option<String>, Refusal> {
    match fields.maybe_text("request_id")? {
        Some(id) if id.chars().count() > REQUEST_ID_CHARS => Err(Refusal::InvalidJson),
        id => Ok(id),
    }
}

const KNOWN: [&str; 13] = [
    "CreateRoom",
    "JoinRoom",
    "PeekRoom",
    "ResumeSession",
    "ChatMessage",
    "GetMembers",
    "UploadFile",
    "GetFile",
    "LeaveRoom",
    "CloseRoom",
    "Ping",
    "ShareKey",
    "RekeyRoom",
];

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

fn meaning(name: &str, fields: &Object<'_>) -> Result<ClientMessage, Refusal> {
    Ok(match name {
        "CreateRoom" => ClientMessage::CreateRoom(Box::new(CreateRoom {
            name: fields.text("name")?,
            description: fields.text("description")?,
            password: fields.maybe_text("password")?,
            owner_name: fields.maybe_text("owner_name")?,
            encryption: encryption(fields)?,
            public_key: public_key(fields)?,
        })),
        "JoinRoom" => ClientMessage::JoinRoom(Box::new(JoinRoom {
            join_key: fields.text("join_key")?,
            password: fields.maybe_text("password")?,
            name: fields.text("name")?,
            supports: fields.maybe("supports")?.unwrap_or_default(),
            public_key: public_key(fields)?,
        })),
        "PeekRoom" => ClientMessage::PeekRoom {
            join_key: fields.text("join_key")?,
        },
        "ResumeSession" => ClientMessage::ResumeSession {
            session_token: fields.text("session_token")?,
            last_seq: fields.needed("last_seq")?,
        },
        "ChatMessage" => ClientMessage::ChatMessage {
            content: fields.text("content")?,
        },
        "GetMembers" => ClientMessage::GetMembers,
        "UploadFile" => ClientMessage::UploadFile {
            name: fields.text("name")?,
            mime_type: fields.text("mime_type")?,
            content: fields.text("content")?,
        },
        "GetFile" => ClientMessage::GetFile {
            file_id: fields.text("file_id")?,
        },
        "LeaveRoom" => ClientMessage::LeaveRoom,
        "CloseRoom" => ClientMessage::CloseRoom,
        "Ping" => ClientMessage::Ping,
        "ShareKey" => ClientMessage::ShareKey {
            to: fields.text("to")?,
            epoch: fields.needed("epoch")?,
            wrapped_key: fields.text("wrapped_key")?,
        },
        "RekeyRoom" => ClientMessage::RekeyRoom {
            epoch: fields.needed("epoch")?,
            keys: wrapped_keys(fields)?,
        },
        _ => return Err(Refusal::UnknownType),
    })
}

fn public_key(fields: &Object<'_>) -> Result<Option<GivenKey>, Refusal> {
    let Some(key) = fields.maybe::<Object<'_>>("public_key")? else {
        return Ok(None);
    };
    Ok(Some(GivenKey {
        alg: key.text("alg")?,
        key: key.text("key")?,
    }))
}

/// Bytes and levels of what clients need for a scheme.
const PARAMS_BYTES: usize = 1024;
const PARAMS_DEPTH: usize = 3;

fn encryption(fields: &Object<'_>) -> Result<Option<ClientKeys>, Refusal> {
    let Some(wanted) = fields.maybe::<Object<'_>>("encryption")? else {
        return Ok(None);
    };
    match wanted.text("mode")?.as_str() {
        "server" => return Ok(None),
        "client" => {}
        _ => return Err(Refusal::InvalidJson),
    }
    let scheme = match wanted.text("scheme")?.as_str() {
        "link-v1" => Scheme::Link,
        "passphrase-v1" => Scheme::Passphrase,
        "wrap-v1" => Scheme::Wrap,
        _ => return Err(Refusal::InvalidJson),
    };
    let params = match wanted.given("params") {
        Some(params) => opaque(params.get()).ok_or(Refusal::InvalidJson)?,
        None => "{}".to_owned(),
    };
    let key_check = wanted.maybe_text("key_check")?;
    let fits = |check: &String| super::check::is_base64url(check, 8) && scheme != Scheme::Wrap;
    if key_check.as_ref().is_some_and(|check| !fits(check)) {
        return Err(Refusal::InvalidJson);
    }
    Ok(Some(ClientKeys {
        scheme,
        params,
        key_check,
    }))
}

/// Valid JSON without the blanks between its tokens, if it is an object, small and flat enough.
fn opaque(json: &str) -> Option<String> {
    let mut compact = String::with_capacity(json.len().min(PARAMS_BYTES));
    let (mut depth, mut in_text, mut escaped) = (0, false, false);
    for c in json.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            ' ' | '\t' | '\n' | '\r' => continue,
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        if depth > PARAMS_DEPTH || compact.len() >= PARAMS_BYTES {
            return None;
        }
        compact.push(c);
    }
    (compact.starts_with('{') && compact.len() <= PARAMS_BYTES).then_some(compact)
}

/// Most entries of one [`ClientMessage::RekeyRoom`] that are read.
const KEYS: usize = 1 << 16;

fn wrapped_keys(fields: &Object<'_>) -> Result<Vec<(String, String)>, Refusal> {
    let entries: Vec<Object<'_>> = fields.needed("keys")?;
    if entries.len() > KEYS {
        return Err(Refusal::InvalidJson);
    }
    entries
        .iter()
        .map(|entry| Ok((entry.text("to")?, entry.text("wrapped_key")?)))
        .collect()
}

/// The names of all fields that mean something anywhere.
const FIELDS: [&str; 26] = [
    "type",
    "request_id",
    "name",
    "description",
    "password",
    "owner_name",
    "encryption",
    "public_key",
    "join_key",
    "supports",
    "content",
    "mime_type",
    "file_id",
    "session_token",
    "last_seq",
    "to",
    "epoch",
    "wrapped_key",
    "keys",
    "alg",
    "key",
    "mode",
    "scheme",
    "params",
    "key_check",
    "",
];

/// An object's fields, unread; of those that mean nothing only that they are there is kept.
#[derive(Default)]
struct Object<'a> {
    fields: [Option<&'a RawValue>; FIELDS.len()],
    only: Only<'a>,
}

/// Whether an object has exactly one field.
#[derive(Default)]
enum Only<'a> {
    #[default]
    None,
    One(Cow<'a, str>, &'a RawValue),
    Many,
}

impl<'a> Object<'a> {
    /// A field that is there, be it `null`.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        let at = FIELDS.iter().position(|known| *known == name)?;
        self.fields.get(at).copied().flatten()
    }

    /// A field that says something.
    fn given(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| value.get() != "null")
    }

    fn maybe<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let Some(value) = self.given(name) else {
            return Ok(None);
        };
        let read = serde_json::from_str(value.get());
        read.map(Some).map_err(|_| Refusal::InvalidJson)
    }

    fn needed<T: Deserialize<'a>>(&self, name: &str) -> Result<T, Refusal> {
        self.maybe(name)?.ok_or(Refusal::InvalidJson)
    }

    fn maybe_text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.maybe(name)
    }

    fn text(&self, name: &str) -> Result<String, Refusal> {
        self.needed(name)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object::default();
                while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                    let value: &'de RawValue = map.next_value()?;
                    if let Some(at) = FIELDS.iter().position(|known| *known == key) {
                        object.fields[at] = Some(value);
                    }
                    object.only = match object.only {
                        Only::None => Only::One(key, value),
                        Only::One(first, _) if first == key => Only::One(first, value),
                        Only::One(..) | Only::Many => Only::Many,
                    };
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Letter {
        super::read(text, Tagging::Internal)
    }

    fn shown(text: &str) -> String {
        let letter = read(text);
        match letter.message {
            Ok(message) => format!("{:?} {message:?}", letter.tagging),
            Err(refusal) => format!("{:?} {refusal:?}", letter.tagging),
        }
    }

    fn refused(text: &str) -> Option<Refusal> {
        read(text).message.err()
    }

    #[test]
    fn both_spellings_are_read_alike() {
        for (name, fields) in [
            (
                "CreateRoom",
                json!({"name": "N", "description": "D", "password": null}),
            ),
            ("JoinRoom", json!({"join_key": "K", "name": "Ann"})),
            ("ChatMessage", json!({"content": "hello"})),
            ("GetMembers", json!({})),
            (
                "ResumeSession",
                json!({"session_token": "t", "last_seq": 3}),
            ),
            (
                "RekeyRoom",
                json!({"epoch": 1, "keys": [{"to": "a", "wrapped_key": "b"}]}),
            ),
        ] {
            let mut inside = fields.clone();
            inside["type"] = json!(name);
            let (inside, outside) = (inside.to_string(), json!({ name: fields }).to_string());
            let (a, b) = (read(&inside), read(&outside));
            assert_eq!(a.tagging, Some(Tagging::Internal), "{name}");
            assert_eq!(b.tagging, Some(Tagging::External), "{name}");
            let (a, b) = (a.message.unwrap(), b.message.unwrap());
            assert_eq!(format!("{a:?}"), format!("{b:?}"));
        }
        for unit in [r#""GetMembers""#, r#"{"GetMembers":null}"#] {
            assert_eq!(shown(unit), "Some(External) GetMembers");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_as_such() {
        for bad in [
            "",
            "{",
            "[]",
            "7",
            "null",
            "\"x\"",
            "\"GetMembers",
            "{}",
            r#"{"a":1}"#,
            r#"{"type":7}"#,
            r#"{"type":null}"#,
            r#"{"Foo":{}}"#,
            r#"{"GetMembers":7}"#,
            r#"{"GetMembers":{},"Ping":{}}"#,
            r#"{"type":"ChatMessage"}"#,
            r#"{"type":"ChatMessage","content":null}"#,
            r#"{"type":"ChatMessage","content":7}"#,
            r#"{"type":"ChatMessage","content":"\ud800"}"#,
            r#"{"type":"GetMembers","request_id":7}"#,
            r#"{"type":"GetMembers"} x"#,
            r#"{"type":"ResumeSession","session_token":"t","last_seq":-1}"#,
            r#"{"type":"ResumeSession","session_token":"t","last_seq":1.5}"#,
            r#"{"type":"JoinRoom","join_key":"k","name":"n","supports":"e2e-v1"}"#,
            r#"{"type":"CreateRoom","name":"n","description":"","encryption":"client"}"#,
            r#"{"type":"CreateRoom","name":"n","description":"","encryption":{"mode":"none"}}"#,
            r#"{"type":"CreateRoom","name":"n","description":"","encryption":{"mode":"client","scheme":"x"}}"#,
            r#"{"type":"CreateRoom","name":"n","description":"","encryption":{"mode":"client","scheme":"wrap-v1","key_check":"k-8nZePdft8"}}"#,
            r#"{"type":"CreateRoom","name":"n","description":"","encryption":{"mode":"client","scheme":"link-v1","params":[]}}"#,
            r#"{"type":"CreateRoom","name":"n","description":"","encryption":{"mode":"client","scheme":"link-v1","params":{"a":{"b":{"c":{}}}}}}"#,
        ] {
            assert_eq!(refused(bad), Some(Refusal::InvalidJson), "{bad}");
        }
        assert_eq!(refused(r#"{"type":"Dance"}"#), Some(Refusal::UnknownType));
        let long = json!({"type": "Ping", "request_id": "x".repeat(65)}).to_string();
        assert_eq!(refused(&long), Some(Refusal::InvalidJson));
        let external = |text: &str| super::read(text, Tagging::External).message.err();
        assert_eq!(external(r#"{"Dance":{}}"#), Some(Refusal::UnknownType));
        assert_eq!(external(r#""Dance""#), Some(Refusal::UnknownType));
        assert_eq!(external("{}"), Some(Refusal::InvalidJson));
        let deep = "[".repeat(100_000);
        assert_eq!(refused(&deep), Some(Refusal::InvalidJson));
    }

    #[test]
    fn of_a_field_that_comes_twice_the_last_counts() {
        let text =
            r#"{"type":"Ping","content":"a","type":"ChatMessage","content":"b","x":{"y":[1,{}]}}"#;
        assert_eq!(
            shown(text),
            r#"Some(Internal) ChatMessage { content: "b" }"#
        );
        let text = r#"{"Ping":7,"Ping":{}}"#;
        assert_eq!(shown(text), "Some(External) Ping");
        // Escapes in names are the names.
        assert_eq!(shown(r#"{"ty\u0070e":"Ping"}"#), "Some(Internal) Ping");
    }

    #[test]
    fn a_requests_id_comes_back_whatever_becomes_of_it() {
        for (text, id) in [
            (r#"{"type":"Ping","request_id":"a"}"#, Some("a")),
            (r#"{"Ping":{"request_id":"a"}}"#, Some("a")),
            (r#"{"type":"Dance","request_id":"a"}"#, Some("a")),
            (r#"{"type":7,"request_id":"a"}"#, Some("a")),
            (r#"{"request_id":"a"}"#, Some("a")),
            (r#"{"type":"ChatMessage","request_id":"a"}"#, Some("a")),
            (r#"{"type":"Ping","request_id":null}"#, None),
        ] {
            assert_eq!(read(text).request_id.as_deref(), id, "{text}");
        }
    }

    #[test]
    fn what_clients_need_is_kept_as_they_wrote_it() {
        let wanted = |encryption: Value| {
            let room = json!({"type": "CreateRoom", "name": "n", "description": "", "encryption": encryption});
            match read(&room.to_string()).message {
                Ok(ClientMessage::CreateRoom(room)) => room.encryption,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(wanted(Value::Null), None);
        assert_eq!(wanted(json!({"mode": "server"})), None);
        let keys = wanted(
            json!({"mode": "client", "scheme": "link-v1", "params": {"salt": "a b"}, "key_check": "k-8nZePdft8"}),
        );
        let keys = keys.unwrap();
        assert_eq!(keys.scheme, Scheme::Link);
        assert_eq!(keys.params, r#"{"salt":"a b"}"#);
        assert_eq!(keys.key_check.as_deref(), Some("k-8nZePdft8"));
        assert_eq!(
            opaque("{ \"a\\\" b\" : [ 1.50 , {} ]\n}").as_deref(),
            Some("{\"a\\\" b\":[1.50,{}]}")
        );
        assert_eq!(opaque(&format!("{{\"a\":\"{}\"}}", "x".repeat(1020))), None);
    }

    /// `tests/run --long` gives it a minute.
    #[test]
    fn fuzz_whatever_the_bytes_are_they_are_read_or_refused() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            for usual in [Tagging::Internal, Tagging::External] {
                let _ = super::read(&text, usual);
                let _ = super::read(&format!("{{\"type\":\"CreateRoom\",{text}}}"), usual);
                let _ = super::read(&format!("{{\"JoinRoom\":{{{text}}}}}"), usual);
            }
        });
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            read(&text);
        }

        #[test]
        fn nothing_that_looks_like_a_message_makes_it_panic(
            name in prop::sample::select(KNOWN.to_vec()),
            fields in prop::collection::vec((prop::sample::select(FIELDS.to_vec()), prop::sample::select(vec![
                "null", "7", "-1", "1e999", "\"\"", "\"text\"", "[]", "[{}]", "{}", "[\"a\"]", "{\"mode\":\"client\"}",
            ])), 0..8),
            external in any::<bool>(),
        ) {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let fields = fields.join(",");
            let text = if external {
                format!("{{\"{name}\":{{{fields}}}}}")
            } else if fields.is_empty() {
                format!("{{\"type\":\"{name}\"}}")
            } else {
                format!("{{\"type\":\"{name}\",{fields}}}")
            };
            read(&text);
        }

        #[test]
        fn content_arrives_as_it_was_sent(content in any::<String>()) {
            let text = json!({"type": "ChatMessage", "content": content}).to_string();
            match read(&text).message {
                Ok(ClientMessage::ChatMessage { content: got }) => prop_assert_eq!(got, content),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
