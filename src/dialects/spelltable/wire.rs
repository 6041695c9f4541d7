//! JSON to types: what SpellTable's pages send.

use crate::json::{JsonText, NodeKind, Noted};
use crate::live::Frame;
use bytes::Bytes;
use std::ops::Range;

/// What a SpellTable page says.
#[derive(Debug)]
pub enum ClientMessage {
    /// The table's scene, whole.
    SceneUpdate {
        /// The scene.
        scene: JsonText,
        /// The message as it came, for those versions that relay it as it is.
        message: JsonText,
        /// Whether only the newest frontend sends such a scene.
        newest: bool,
    },
    /// "Send me the scene again."
    RequestScene,
    /// Something for the others, made up anew so that only known members get through.
    Relay(Relay),
    /// Nothing to do, but only the newest frontend says it.
    KeepAlive,
}

/// A passing event for the others.
#[derive(Debug)]
pub struct Relay {
    /// The frame for them.
    pub frame: Frame,
    /// What it does to the viewers, if it lasts.
    pub viewer: Option<ViewerState>,
    /// The thing of the scene that it names.
    pub names: Option<String>,
}

/// A state of the viewers that a late joiner should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewerState {
    /// The viewers show nothing.
    Blank(bool),
    /// The viewers are turned around.
    Rotated(bool),
}

/// Reads messages; remembers whether this connection's faults were reported, and its version.
#[derive(Default)]
pub struct Wire {
    faults: u32,
    /// Has sent a scene that only the newest frontend sends: nobody need look again.
    newest: bool,
}

impl Wire {
    /// Reads one message. `None`: nothing that anybody needs to know.
    pub fn parse(&mut self, text: Bytes) -> Option<ClientMessage> {
        let mut outline = Outline::default();
        let fault = match JsonText::parse_noting(text, |member| outline.note(&member)) {
            Ok(message) => match parse(&message, outline, &mut self.newest) {
                Ok(meaning) => return meaning,
                Err(fault) => fault.to_owned(),
            },
            Err(error) => error.to_string(),
        };
        // A client in a loop must not fill the log.
        self.faults = self.faults.saturating_add(1);
        if self.faults.is_power_of_two() {
            tracing::warn!(
                faults = self.faults,
                fault,
                "ignored a message on /ws: {fault}"
            );
        }
        None
    }
}

/// What the scan of a message has come past: a scene is large, so it is not walked again for these.
#[derive(Default)]
struct Outline {
    kind: Option<Range<usize>>,
    scene: Option<Range<usize>>,
    /// The scene has members that the seed's frontend never sends.
    newest: bool,
    /// The same of the member that is being scanned.
    newest_here: bool,
}

impl Outline {
    fn note(&mut self, member: &Noted<'_>) {
        if member.depth > 1 {
            self.newest_here |= matches!(member.name, "fogOfWar" | "encounterHistory");
            return;
        }
        let newest = std::mem::take(&mut self.newest_here);
        match member.name {
            "type" => self.kind = Some(member.value.clone()),
            "scene" => (self.scene, self.newest) = (Some(member.value.clone()), newest),
            _ => {}
        }
    }
}

/// The meaning of a message: `Ok(None)` when there is none for us, `Err` when it is broken.
fn parse(
    message: &JsonText,
    outline: Outline,
    newest: &mut bool,
) -> Result<Option<ClientMessage>, &'static str> {
    let root = message.root();
    if root.kind() != NodeKind::Object {
        return Err("a message must be a JSON object");
    }
    let kind = outline.kind.map(|kind| message.noted(kind));
    let Some(kind) = kind.and_then(|kind| kind.as_str()) else {
        return Ok(None);
    };
    let text = |text: &str| Frame::text(&[text.as_bytes()]);
    Ok(match kind.as_ref() {
        "scene_update" => match outline.scene.map(|scene| message.noted(scene)) {
            Some(scene) if scene.kind() == NodeKind::Object => {
                *newest |= outline.newest;
                Some(ClientMessage::SceneUpdate {
                    newest: *newest,
                    scene: message.part(scene),
                    message: message.clone(),
                })
            }
            _ => return Err("scene_update needs a scene that is an object"),
        },
        "request_scene_update" => Some(ClientMessage::RequestScene),
        "ping" => Some(ClientMessage::KeepAlive),
        "highlight_marker" => root.get("markerId").filter(|id| !id.is_null()).map(|id| {
            let json = format!(
                "{{\"type\":\"highlight_marker\",\"markerId\":{}}}",
                id.raw()
            );
            ClientMessage::Relay(Relay {
                frame: text(&json),
                viewer: None,
                names: Some(
                    id.as_str()
                        .map_or_else(|| id.raw().to_owned(), |id| id.into_owned()),
                ),
            })
        }),
        "blank_viewer" => Some(ViewerState::Blank(true).into()),
        "unblank_viewer" => Some(ViewerState::Blank(false).into()),
        "rotate_viewer" => Some(ViewerState::Rotated(true).into()),
        "unrotate_viewer" => Some(ViewerState::Rotated(false).into()),
        "scene_event" => root
            .get("eventType")
            .filter(|kind| !kind.is_null())
            .map(|kind| {
                let mut json = format!("{{\"type\":\"scene_event\",\"eventType\":{}", kind.raw());
                for name in ["x", "y", "enabled", "brightness", "points"] {
                    if let Some(value) = root.get(name) {
                        json.push_str(&format!(",\"{name}\":{}", value.raw()));
                    }
                }
                json.push('}');
                ClientMessage::relay(text(&json), None)
            }),
        _ => None,
    })
}

impl ClientMessage {
    fn relay(frame: Frame, viewer: Option<ViewerState>) -> Self {
        Self::Relay(Relay {
            frame,
            viewer,
            names: None,
        })
    }
}

impl From<ViewerState> for ClientMessage {
    fn from(state: ViewerState) -> Self {
        Self::relay(state.frame(), Some(state))
    }
}

impl ViewerState {
    /// The message that puts a viewer into this state.
    pub fn frame(self) -> Frame {
        let json: &[u8] = match self {
            Self::Blank(true) => b"{\"type\":\"blank_viewer\",\"isBlank\":true}",
            Self::Blank(false) => b"{\"type\":\"unblank_viewer\",\"isBlank\":false}",
            Self::Rotated(true) => b"{\"type\":\"rotate_viewer\",\"isRotated\":true}",
            Self::Rotated(false) => b"{\"type\":\"unrotate_viewer\",\"isRotated\":false}",
        };
        Frame::text(&[json])
    }
}

/// The first message on every connection.
pub fn connected() -> Frame {
    Frame::text(&[b"{\"type\":\"connection_status\",\"status\":\"connected\"}"])
}

/// The table's scene, as servers send it.
pub fn scene_update(scene: &JsonText) -> Frame {
    Frame::text(&[
        b"{\"type\":\"scene_update\",\"scene\":",
        scene.as_str().as_bytes(),
        b"}",
    ])
}

/// A message as it came.
pub fn as_it_came(message: &JsonText) -> Frame {
    Frame::text(&[message.as_str().as_bytes()])
}
