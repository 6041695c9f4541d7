//! JSON to types and back: what clients of the table protocol and the server say to each other.

use super::document::{Epoch, News, ViewChange};
use super::record::Part;
use super::sound::{self, Sounding};
use crate::access::Role;
use crate::config::Secret;
use crate::json::{JsonText, LooseJson, Node, NodeKind, quote};
use crate::live::{CloseCode, Dialect, Frame, Heard, Now, Whole};
use crate::model::edit::Edit;
use bytes::Bytes;
use serde_json::{Value, json};

/// Characters of a name.
const NAME_CHARS: usize = 64;
/// Characters of a chat line.
pub const CHAT_CHARS: usize = 2000;
/// Bytes of the data of a signal.
pub const SIGNAL_BYTES: usize = 16 << 10;
/// Bytes of the data of a hint.
pub const HINT_BYTES: usize = 16 << 10;
/// Bytes of an id, a hint's kind and key, a track's name and the like.
pub const WORD_BYTES: usize = 256;

/// The first message of every connection (live-sync, section 2).
#[derive(Debug)]
pub struct Hello {
    /// Which table.
    pub table: String,
    /// How the member wants to be called.
    pub name: String,
    /// The role it asks for; it gets no more than it can prove.
    pub role: Option<Role>,
    /// An account's token, which counts as it would in the handshake's head.
    pub token: Option<Secret>,
    /// Who it was before.
    pub resume_token: Option<String>,
    /// Where it was: epoch and number.
    pub position: Option<(Epoch, u64)>,
    /// What is known of the screen: see [`device`].
    pub device: Value,
}

/// What a member says.
#[derive(Clone, Debug)]
pub enum ClientMessage {
    /// The scene should change.
    Change(ChangeRequest),
    /// Passing state for the others; `id` is only for a refusal.
    Hint {
        id: Option<String>,
        /// Such as `drag`, `pointer`, `ping`, `typing`.
        kind: String,
        /// What of that kind.
        key: String,
        /// Anything small.
        data: JsonText,
    },
    /// "I have lost the thread at this number."
    Resync,
    /// The member's screen is another now, as in hello.
    Device { device: Value },
    /// A line of chat.
    Chat {
        id: String,
        text: String,
        to: Option<String>,
    },
    /// Dice, rolled here.
    Roll {
        id: String,
        expr: String,
        to: Option<String>,
    },
    /// The table's sound.
    Audio { id: String, action: sound::Action },
    /// A screen.
    Display {
        id: String,
        target: Option<String>,
        action: DisplayAction,
    },
    /// An entry of the initiative gets a player, or none.
    Assign {
        id: Option<String>,
        entry: String,
        member: Option<String>,
    },
    /// Somebody has to go.
    Kick { id: Option<String>, member: String },
    /// For one member, for calls; `id` is only for a refusal.
    Signal {
        id: Option<String>,
        to: String,
        data: JsonText,
    },
    /// Something with an id that makes no sense.
    Broken { id: String, message: String },
}

impl ClientMessage {
    /// Whether it may wait for others of its kind, to be made durable with them. (A member is removed at
    /// once, and what it has said before comes before that.)
    pub fn writes(&self) -> bool {
        match self {
            Self::Change(_)
            | Self::Chat { .. }
            | Self::Roll { .. }
            | Self::Audio { .. }
            | Self::Display { .. }
            | Self::Assign { .. } => true,
            Self::Broken { .. }
            | Self::Hint { .. }
            | Self::Resync
            | Self::Device { .. }
            | Self::Kick { .. }
            | Self::Signal { .. } => false,
        }
    }

    /// The id by which it is answered, to be made the member's own.
    pub fn id_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Change(request) => Some(&mut request.id),
            Self::Chat { id, .. }
            | Self::Roll { id, .. }
            | Self::Audio { id, .. }
            | Self::Display { id, .. } => Some(id),
            Self::Assign { id, .. } | Self::Kick { id, .. } => id.as_mut(),
            Self::Broken { .. }
            | Self::Hint { .. }
            | Self::Resync
            | Self::Device { .. }
            | Self::Signal { .. } => None,
        }
    }
}

/// A wish to change the scene (live-sync, section 3).
#[derive(Clone, Debug)]
pub struct ChangeRequest {
    /// The client's id for it; a repeat is applied once.
    pub id: String,
    /// The number on which it was made.
    pub base: u64,
    /// The epoch of `base`, when told.
    pub epoch: Option<Epoch>,
    /// Apply even where others have changed the same.
    pub force: bool,
    /// What.
    pub body: Wish,
}

/// Edits, or the scene as it should be.
#[derive(Clone, Debug)]
pub enum Wish {
    /// All or none of these.
    Edits(Vec<Edit>),
    /// The whole document.
    Scene(JsonText),
}

/// What is done to a screen.
#[derive(Clone, Debug, PartialEq)]
pub enum DisplayAction {
    /// Show nothing, or something again.
    Blank(bool),
    /// Turned by so many degrees.
    Rotate(f64),
    /// Which part of the scene: x, y, width, height in scene coordinates; `None`: all.
    View(Option<Part>),
    /// "Show which one you are."
    Identify,
    /// Without sound, or with.
    Mute(bool),
    /// What it is called.
    Name(String),
}

/// Reads messages of one connection.
#[derive(Default)]
pub struct Wire;

impl Dialect for Wire {
    type Rules = super::TableRules;

    fn read(&mut self, text: Bytes) -> Heard<super::Message> {
        match parse(text) {
            Ok(Parsed::Message(message)) => Heard::Message(super::Message::Table(message)),
            Ok(Parsed::Time(t0)) => {
                let t1 = Now::read().unix_ms;
                let answer = format!("{{\"type\":\"time\",\"t0\":{t0},\"t1\":{t1}}}");
                Heard::Answer(text_frame(&answer))
            }
            Err(message) => Heard::Answer(error(&message)),
        }
    }

    fn binary(&mut self) -> Heard<super::Message> {
        Heard::Answer(error("a message is JSON in a text frame, not a binary one"))
    }
}

enum Parsed {
    Message(ClientMessage),
    /// Answered where it is read, so that a busy table does not bend the clock.
    Time(String),
}

/// Reads the first message. Errors are sentences, with the code to close with.
pub fn parse_hello(text: Bytes) -> Result<Hello, (CloseCode, String)> {
    let fault = |message: &str| (CloseCode::Policy, message.to_owned());
    let message = JsonText::parse(text).map_err(|e| fault(&e.to_string()))?;
    let root = message.root();
    let word = |name: &str| root.get(name).and_then(|v| v.as_str());
    if word("type").as_deref() != Some("hello") {
        return Err(fault("the first message must be hello"));
    }
    if root.get("proto").is_some_and(|p| p.raw() != "1") {
        return Err(fault("this server speaks version 1 of the protocol"));
    }
    let role = match word("role").as_deref() {
        None => None,
        Some("gm") => Some(Role::Gm),
        Some("player") => Some(Role::Player),
        Some("display") => Some(Role::Display),
        Some(_) => return Err(fault("role must be gm, player or display")),
    };
    let epoch = word("epoch").and_then(|text| Epoch::parse(&text));
    let seq = root.get("seq").and_then(number);
    // An epoch that cannot be read is one that never was: the position is that of another past.
    let position = match (root.get("epoch"), seq) {
        (Some(told), Some(seq)) if !told.is_null() => Some((epoch.unwrap_or(Epoch(0)), seq)),
        _ => None,
    };
    Ok(Hello {
        table: word("table").map_or_else(|| "main".into(), |t| t.into_owned()),
        name: clean_name(&word("name").unwrap_or_default()),
        role,
        token: word("token").map(|token| Secret::new(token.into_owned())),
        resume_token: word("resume_token").map(|t| t.into_owned()),
        position,
        device: device(root.get("device")),
    })
}

/// A name for people to read: trimmed, without control characters, of bounded length.
fn clean_name(name: &str) -> String {
    let visible: String = name.chars().filter(|c| !c.is_control()).collect();
    visible.trim().chars().take(NAME_CHARS).collect()
}

/// What a member tells of its screen: width and height in CSS pixels, pixels per CSS pixel, the round
/// trip in milliseconds, and whether it can be heard (`blocked`: somebody has to tap it first).
fn device(node: Option<Node<'_>>) -> Value {
    let Some(node) = node.filter(|node| node.kind() == NodeKind::Object) else {
        return Value::Null;
    };
    let mut device = serde_json::Map::new();
    for name in ["width", "height", "dpr", "rtt"] {
        if let Some(number) = node.get(name).and_then(float) {
            device.insert(name.into(), json!(number));
        }
    }
    let sound = node.get("sound").and_then(|sound| sound.as_str());
    if let Some(sound) = sound.filter(|sound| matches!(sound.as_ref(), "on" | "blocked" | "off")) {
        device.insert("sound".into(), json!(sound));
    }
    Value::Object(device)
}

fn number(node: Node<'_>) -> Option<u64> {
    (node.kind() == NodeKind::Number).then(|| node.raw().parse().ok())?
}

fn float(node: Node<'_>) -> Option<f64> {
    let number: f64 = (node.kind() == NodeKind::Number).then(|| node.raw().parse().ok())??;
    number.is_finite().then_some(number)
}

/// Reads the members of one message.
struct Fields<'a> {
    message: &'a JsonText,
    root: Node<'a>,
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<Node<'a>> {
        self.root.get(name).filter(|value| !value.is_null())
    }

    fn word(&self, name: &str) -> Result<String, String> {
        self.maybe_word(name)?
            .ok_or_else(|| format!("{name} is missing"))
    }

    fn maybe_word(&self, name: &str) -> Result<Option<String>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match value.as_str() {
            Some(word) if word.len() <= WORD_BYTES => Ok(Some(word.into_owned())),
            Some(_) => Err(format!("{name} is longer than {WORD_BYTES} bytes")),
            None => Err(format!("{name} must be a text")),
        }
    }

    fn number(&self, name: &str) -> Result<Option<f64>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let read = float(value).ok_or_else(|| format!("{name} must be a number"))?;
        Ok(Some(read))
    }

    fn needed_number(&self, name: &str) -> Result<f64, String> {
        self.number(name)?
            .ok_or_else(|| format!("{name} is missing"))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        match self.get(name).map(|v| v.raw()) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(format!("{name} must be true or false")),
        }
    }

    fn data(&self, limit: usize) -> Result<JsonText, String> {
        let Some(data) = self.root.get("data") else {
            return JsonText::parse(Bytes::from_static(b"null")).map_err(|e| e.to_string());
        };
        if data.raw().len() > limit {
            return Err(format!("data is larger than {limit} bytes"));
        }
        Ok(self.message.part(data))
    }
}

fn parse(text: Bytes) -> Result<Parsed, String> {
    let message = match JsonText::parse(text.clone()) {
        Ok(message) => message,
        Err(fault) => {
            let fault = format!("not a JSON message: {fault}");
            let broken = |id| {
                Parsed::Message(ClientMessage::Broken {
                    id,
                    message: fault.clone(),
                })
            };
            return loose_id(text).map(broken).ok_or(fault);
        }
    };
    let root = message.root();
    let kind = root.get("type").and_then(|kind| kind.as_str());
    let Some(kind) = kind else {
        return Err("a message must be an object with a type".into());
    };
    let fields = Fields {
        message: &message,
        root,
    };
    if kind == "time" {
        let t0 = fields.get("t0").filter(|t| t.kind() == NodeKind::Number);
        let t0 = t0.map_or_else(|| "null".into(), |t| t.raw().to_owned());
        return Ok(Parsed::Time(t0));
    }
    let meaning = match meaning(&kind, &fields) {
        Ok(Some(meaning)) => meaning,
        Ok(None) => return Err(format!("there is no message of the type {}", quote(&kind))),
        Err(fault) => match fields.word("id") {
            Ok(id) => ClientMessage::Broken { id, message: fault },
            Err(_) => return Err(format!("{kind}: {fault}")),
        },
    };
    Ok(Parsed::Message(meaning))
}

/// The id of a message that JavaScript may well have written but that nobody could keep, such as one
/// with half an emoji: its author waits for an answer.
fn loose_id(text: Bytes) -> Option<String> {
    let text = LooseJson::parse(text).ok()?;
    let id = text.root().get("id")?.as_str()?;
    (id.len() <= WORD_BYTES).then(|| id.into_owned())
}

fn meaning(kind: &str, fields: &Fields<'_>) -> Result<Option<ClientMessage>, String> {
    Ok(Some(match kind {
        "change" => ClientMessage::Change(change(fields)?),
        "hint" => ClientMessage::Hint {
            id: fields.maybe_word("id")?,
            kind: fields.word("kind")?,
            key: fields.maybe_word("key")?.unwrap_or_default(),
            data: fields.data(HINT_BYTES)?,
        },
        "resync" => ClientMessage::Resync,
        "device" => match device(fields.get("device")) {
            Value::Null => return Err("device must be an object".into()),
            device => ClientMessage::Device { device },
        },
        "chat" => ClientMessage::Chat {
            id: fields.word("id")?,
            text: chat_text(fields)?,
            to: fields.maybe_word("to")?,
        },
        "roll" => ClientMessage::Roll {
            id: fields.word("id")?,
            expr: fields.word("expr")?,
            to: fields.maybe_word("to")?,
        },
        "audio" => ClientMessage::Audio {
            id: fields.word("id")?,
            action: sound_action(fields)?,
        },
        "display" => ClientMessage::Display {
            id: fields.word("id")?,
            target: fields.maybe_word("target")?,
            action: display_action(fields)?,
        },
        "assign" => ClientMessage::Assign {
            id: fields.maybe_word("id")?,
            entry: fields.word("entry")?,
            member: fields.maybe_word("member")?,
        },
        "kick" => ClientMessage::Kick {
            id: fields.maybe_word("id")?,
            member: fields.word("member")?,
        },
        "signal" => ClientMessage::Signal {
            id: fields.maybe_word("id")?,
            to: fields.word("to")?,
            data: fields.data(SIGNAL_BYTES)?,
        },
        "hello" => return Err("hello is only the first message".into()),
        _ => return Ok(None),
    }))
}

fn change(fields: &Fields<'_>) -> Result<ChangeRequest, String> {
    let id = fields.word("id")?;
    if uuid::Uuid::try_parse(&id).is_err() {
        return Err("id must be a UUID".into());
    }
    let base = fields.get("base").and_then(number);
    let epoch = fields.maybe_word("epoch")?;
    let epoch = epoch.map(|text| Epoch::parse(&text).unwrap_or(Epoch(0)));
    let body = match (fields.get("edits"), fields.get("scene")) {
        (Some(edits), None) => {
            Wish::Edits(Edit::parse_list(edits, fields.message).map_err(|e| e.to_string())?)
        }
        (None, Some(scene)) if scene.kind() == NodeKind::Object => {
            Wish::Scene(fields.message.part(scene))
        }
        (None, Some(_)) => return Err("scene must be an object".into()),
        _ => return Err("a change needs either edits or a scene".into()),
    };
    Ok(ChangeRequest {
        id,
        base: base.ok_or("base must be the number of the change it was made on")?,
        epoch,
        force: fields.flag("force")?.unwrap_or(false),
        body,
    })
}

fn chat_text(fields: &Fields<'_>) -> Result<String, String> {
    let text = fields.get("text").and_then(|text| text.as_str());
    let text = text.ok_or("text is missing")?.trim().to_owned();
    match text.chars().count() {
        1..=CHAT_CHARS => Ok(text),
        0 => Err("text is empty".into()),
        _ => Err(format!("text is longer than {CHAT_CHARS} characters")),
    }
}

/// Reads one `audio` action (live-sync, section 8), over the socket or REST.
fn sound_action(fields: &Fields<'_>) -> Result<sound::Action, String> {
    let what = match fields.word("action")?.as_str() {
        "load" => sound::What::Load,
        "play" => sound::What::Play,
        "pause" => sound::What::Pause,
        "stop" => sound::What::Stop,
        "seek" => sound::What::Seek,
        "volume" => sound::What::Volume,
        "fade" => sound::What::Fade,
        "loop" => sound::What::Loop,
        "remove" => sound::What::Remove,
        "master" => sound::What::Master,
        other => return Err(format!("there is no audio action {}", quote(other))),
    };
    let route = match fields.maybe_word("route")?.as_deref() {
        None => None,
        Some("all") => Some(sound::Route::All),
        Some("display") => Some(sound::Route::Display),
        Some("gm") => Some(sound::Route::Gm),
        Some(_) => return Err("route must be all, display or gm".into()),
    };
    let action = sound::Action {
        what,
        track: match what {
            sound::What::Master => String::new(),
            _ => fields.word("track")?,
        },
        position: fields.number("position")?,
        volume: fields.number("volume")?,
        route,
        looped: fields.flag("loop")?,
        duration: fields.number("duration")?,
    };
    action.check()?;
    Ok(action)
}

/// Reads the body of `PUT /audio/playback`.
pub fn parse_sound_action(body: &JsonText) -> Result<sound::Action, String> {
    let root = body.root();
    if root.kind() != NodeKind::Object {
        return Err("an audio action must be an object".into());
    }
    sound_action(&Fields {
        message: body,
        root,
    })
}

fn display_action(fields: &Fields<'_>) -> Result<DisplayAction, String> {
    Ok(match fields.word("action")?.as_str() {
        "blank" => DisplayAction::Blank(true),
        "unblank" => DisplayAction::Blank(false),
        "rotate" => DisplayAction::Rotate(fields.number("rotation")?.unwrap_or(180.0)),
        "identify" => DisplayAction::Identify,
        "mute" => DisplayAction::Mute(fields.flag("muted")?.unwrap_or(true)),
        "name" => {
            let name = clean_name(&fields.word("name")?);
            if name.is_empty() {
                return Err("name is empty".into());
            }
            DisplayAction::Name(name)
        }
        "view" => {
            let inner = match fields.get("view") {
                Some(root) if root.kind() == NodeKind::Object => Some(root),
                Some(_) => return Err("view must be an object with x, y, width, height".into()),
                None if fields.get("x").is_some() => Some(fields.root),
                None => None,
            };
            let view = inner.map(|root| {
                let fields = Fields {
                    message: fields.message,
                    root,
                };
                let part = Part {
                    x: fields.needed_number("x")?,
                    y: fields.needed_number("y")?,
                    width: fields.needed_number("width")?,
                    height: fields.needed_number("height")?,
                };
                if part.width <= 0.0 || part.height <= 0.0 {
                    return Err("width and height must be positive".to_owned());
                }
                Ok(part)
            });
            DisplayAction::View(view.transpose()?)
        }
        other => return Err(format!("there is no display action {}", quote(other))),
    })
}

fn text_frame(text: &str) -> Frame {
    Frame::text(&[text.as_bytes()])
}

/// A message made of small values.
pub fn small(value: &Value) -> Frame {
    text_frame(&value.to_string())
}

/// `error`: a message that could not be understood.
pub fn error(message: &str) -> Frame {
    small(&json!({ "type": "error", "message": message }))
}

/// An id as it is remembered: clients make their ids by themselves, so those of different members
/// may be equal.
pub fn member_id(member: &str, id: &str) -> String {
    format!("{member}\n{id}")
}

/// The client's own part of [`member_id`].
pub fn client_id(id: &str) -> &str {
    id.split_once('\n').map_or(id, |(_, id)| id)
}

/// Why something was refused, for a `nack`.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// `conflict`, `forbidden`, `invalid`, `too_large`, `not_found`, `storage`, `busy`.
    pub code: &'static str,
    /// A sentence.
    pub message: String,
    /// Whether the same again may succeed.
    pub retry: bool,
    /// Of a conflict: the head's number, and what stands there now as the sender sees it.
    pub current: Option<(u64, String)>,
}

impl Refusal {
    /// One that will not go away by itself.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry: false,
            current: None,
        }
    }

    /// The message for it. `id`: the client's, where it gave one.
    pub fn frame<'a>(&self, id: impl Into<Option<&'a str>>) -> Frame {
        let id = id.into().map(client_id);
        let mut text = format!(
            "{{\"type\":\"nack\",\"id\":{},\"code\":\"{}\",\"message\":{},\"retry\":{}",
            id.map_or("null".into(), quote),
            self.code,
            quote(&self.message),
            self.retry
        );
        if let Some((head, current)) = &self.current {
            text.push_str(&format!(",\"head\":{head},\"current\":{current}"));
        }
        text.push('}');
        text_frame(&text)
    }
}

/// `ack` of a change.
pub struct ChangeAck<'a> {
    /// The client's id.
    pub id: &'a str,
    /// The epoch of the numbers.
    pub epoch: Epoch,
    /// The number it got.
    pub seq: u64,
    /// The number before it in the sender's view.
    pub prev: u64,
    /// Whether others had changed something meanwhile.
    pub rebased: bool,
    /// What it came to, where that is not what was sent.
    pub edits: Option<&'a str>,
}

impl ChangeAck<'_> {
    /// The message.
    pub fn frame(&self) -> Frame {
        let mut text = format!(
            "{{\"type\":\"ack\",\"id\":{},\"epoch\":\"{}\",\"seq\":{},\"prev\":{}",
            quote(client_id(self.id)),
            self.epoch,
            self.seq,
            self.prev
        );
        if self.rebased {
            text.push_str(",\"rebased\":true");
        }
        if let Some(edits) = self.edits {
            text.push_str(",\"edits\":");
            text.push_str(edits);
        }
        text.push('}');
        text_frame(&text)
    }
}

/// `change` or `scene`, as everybody with that view gets it.
pub fn view_change(epoch: Epoch, change: &ViewChange, news: &News, by: &str) -> Frame {
    if news.long {
        return scene(epoch, change.seq, &change.scene).frame().clone();
    }
    let head = format!(
        "{{\"type\":\"change\",\"epoch\":\"{epoch}\",\"seq\":{},\"prev\":{},\"by\":{},\"edits\":",
        change.seq,
        change.prev,
        quote(by)
    );
    Frame::text(&[head.as_bytes(), news.edits.as_bytes(), b"}"])
}

/// `scene`: the whole of a view.
pub fn scene(epoch: Epoch, seq: u64, scene: &JsonText) -> Whole {
    let head = format!("{{\"type\":\"scene\",\"epoch\":\"{epoch}\",\"seq\":{seq},\"scene\":");
    Whole::new([head.into(), scene.bytes(), Bytes::from_static(b"}")])
}

/// `hint` as the others get it.
pub fn hint(from: &str, kind: &str, key: &str, data: &JsonText) -> Frame {
    let head = format!(
        "{{\"type\":\"hint\",\"from\":{},\"kind\":{},\"key\":{},\"data\":",
        quote(from),
        quote(kind),
        quote(key)
    );
    Frame::text(&[head.as_bytes(), data.as_str().as_bytes(), b"}"])
}

/// `signal` as its addressee gets it.
pub fn signal(from: &str, data: &JsonText) -> Frame {
    let head = format!("{{\"type\":\"signal\",\"from\":{},\"data\":", quote(from));
    Frame::text(&[head.as_bytes(), data.as_str().as_bytes(), b"}"])
}

/// `audio`: a track changed; with `fade`, in so many seconds.
pub fn audio(track: &Sounding, fade: Option<f64>) -> Frame {
    audio_message(track.to_json(), fade)
}

/// `audio`: a track is no longer for this listener.
pub fn audio_removed(track: &str, fade: Option<f64>) -> Frame {
    audio_message(json!({ "track": track, "removed": true }), fade)
}

/// `audio`: all tracks, as in the welcome.
pub fn audio_all(sound: Value) -> Frame {
    audio_message(sound, None)
}

fn audio_message(mut message: Value, fade: Option<f64>) -> Frame {
    message["type"] = json!("audio");
    if let Some(seconds) = fade {
        message["fade"] = json!(seconds);
    }
    small(&message)
}

/// The words of a role on the wire.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Gm => "gm",
        Role::Player => "player",
        Role::Display => "display",
    }
}
