//! A small blocking client of the encrypted chat: rooms, envelopes, coming back after a lost
//! connection with what was typed in the meantime.

use super::e2e::{self, Key, Secrets};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

/// Why something did not work, in the server's words or the system's.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// A message of at most this many bytes is taken; a file of 5 MiB fits.
const MAX_MESSAGE: usize = 16 << 20;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// Who holds the key of a room that is made.
pub enum Keys {
    /// The server: it can read everything.
    Server,
    /// The members (`link-v1`): it never sees key or text.
    Link,
}

/// What happens in a room.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody said something; also oneself.
    Said {
        /// Their name.
        name: String,
        /// What.
        text: String,
    },
    /// Somebody came.
    Joined(String),
    /// Somebody went.
    Left(String),
    /// The room is over.
    Closed,
    /// Something that cannot be decrypted, or comes a second time: nobody should believe it.
    Suspect(String),
    /// Anything else.
    Other(Value),
}

/// The room that one is in.
struct Room {
    id: String,
    join_key: String,
    me: String,
    token: String,
    last_seq: u64,
    key: Key,
    /// The last 32 bytes of an invitation, in a room whose key the members hold.
    link: Option<[u8; 32]>,
    counter: u64,
    /// The highest counter of each sender.
    seen: HashMap<String, u64>,
}

/// A client; in at most one room.
pub struct ChatClient {
    addr: String,
    path: String,
    patience: Duration,
    socket: Option<WebSocket<TcpStream>>,
    room: Option<Room>,
    /// Said, and not heard from the server yet.
    unconfirmed: VecDeque<String>,
    /// Heard while waiting for something else.
    events: VecDeque<Event>,
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

impl ChatClient {
    /// Connects to `host:port` at `path`, usually `/ws/chat`.
    pub fn connect(addr: &str, path: &str, patience: Duration) -> Result<Self> {
        let mut client = Self {
            addr: addr.to_owned(),
            path: path.to_owned(),
            patience,
            socket: None,
            room: None,
            unconfirmed: VecDeque::new(),
            events: VecDeque::new(),
        };
        client.socket = Some(client.dial()?);
        Ok(client)
    }

    fn dial(&self) -> Result<WebSocket<TcpStream>> {
        let stream = TcpStream::connect(&self.addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        let request = format!("ws://{}{}", self.addr, self.path).into_client_request()?;
        let config = tungstenite::protocol::WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let dialled = tungstenite::client::client_with_config(request, stream, Some(config));
        let (socket, _) = dialled.map_err(|error| error.to_string())?;
        Ok(socket)
    }

    /// Sends a message as it is.
    pub fn send(&mut self, message: &Value) -> Result<()> {
        let socket = self.socket.as_mut().ok_or("not connected")?;
        let sent = socket.send(Message::text(message.to_string()));
        if sent.is_err() {
            self.socket = None;
        }
        Ok(sent?)
    }

    /// The next message as it came; `None` when none comes within the patience. The error is that
    /// the connection is lost.
    pub fn hear(&mut self) -> Result<Option<Value>> {
        loop {
            let socket = self.socket.as_mut().ok_or("not connected")?;
            match socket.read() {
                Ok(Message::Text(text)) => return Ok(Some(serde_json::from_str(&text)?)),
                Ok(Message::Close(frame)) => {
                    self.socket = None;
                    return Err(format!("the server closed: {frame:?}").into());
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return Ok(None);
                }
                Err(error) => {
                    self.socket = None;
                    return Err(error.into());
                }
            }
        }
    }

    /// Sends a message and waits for what answers it.
    pub fn ask(&mut self, mut message: Value) -> Result<Value> {
        let id = B64.encode(random::<9>()?);
        message["request_id"] = json!(id);
        self.send(&message)?;
        let until = Instant::now() + ANSWER;
        loop {
            let heard = match self.hear()? {
                Some(heard) => heard,
                None if Instant::now() < until => continue,
                None => return Err("no answer".into()),
            };
            if heard["request_id"] == id.as_str() {
                return match heard["type"].as_str() {
                    Some("Error") => Err(heard["message"].as_str().unwrap_or("refused").into()),
                    _ => Ok(heard),
                };
            }
            let event = self.take(heard);
            self.events.push_back(event);
        }
    }

    /// Makes a room and answers how others join it.
    pub fn create(&mut self, name: &str, owner: &str, keys: Keys) -> Result<String> {
        let mut wish =
            json!({"type": "CreateRoom", "name": name, "description": "", "owner_name": owner});
        let mut link = None;
        let mut secrets = None;
        if let Keys::Link = keys {
            let (secret, salt) = (random::<32>()?, random::<16>()?);
            let made = Secrets::from_link(&secret, &salt);
            wish["password"] = json!(made.join_proof);
            wish["encryption"] = json!({"mode": "client", "scheme": "link-v1",
                "params": {"salt": B64.encode(salt)}, "key_check": made.key_check});
            (link, secrets) = (Some(secret), Some(made));
        }
        let created = self.ask(wish)?;
        self.enter(&created, secrets.map(|made| made.room_key), link)?;
        self.invitation().ok_or_else(|| "no room".into())
    }

    /// Joins with an invitation: a join key, with `#k=...` behind it when the members hold the key.
    pub fn join(&mut self, invitation: &str, name: &str) -> Result<()> {
        let (join_key, link) = match invitation.split_once("#k=") {
            Some((key, link)) => (key, Some(link)),
            None => (invitation, None),
        };
        let mut wish =
            json!({"type": "JoinRoom", "join_key": join_key, "name": name, "supports": ["e2e-v1"]});
        let mut secrets = None;
        let link: Option<[u8; 32]> = match link {
            Some(link) => {
                let link = B64.decode(link)?.try_into();
                Some(link.map_err(|_| "the link is not whole")?)
            }
            None => None,
        };
        if let Some(link) = &link {
            let peek = self.ask(json!({"type": "PeekRoom", "join_key": join_key}))?;
            let keys = &peek["encryption"];
            let salt = B64.decode(keys["params"]["salt"].as_str().unwrap_or_default())?;
            let made = Secrets::from_link(link, &salt);
            if keys["key_check"] != made.key_check.as_str() {
                return Err("this link is not of that room".into());
            }
            wish["password"] = json!(made.join_proof);
            secrets = Some(made);
        }
        let joined = self.ask(wish)?;
        self.enter(&joined, secrets.map(|made| made.room_key), link)
    }

    fn enter(&mut self, shown: &Value, key: Option<Key>, link: Option<[u8; 32]>) -> Result<()> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let given = shown["encryption_key"].as_str().unwrap_or_default();
        let key = match key {
            Some(key) => key,
            None => {
                let given = BASE64_STANDARD.decode(given)?.try_into();
                given.map_err(|_| "this room's key is not the server's to give")?
            }
        };
        self.room = Some(Room {
            id: text(&shown["room_info"]["id"]),
            join_key: text(&shown["room_info"]["join_key"]),
            me: text(&shown["participant_id"]),
            token: text(&shown["session_token"]),
            last_seq: shown["seq"].as_u64().unwrap_or_default(),
            key,
            link,
            counter: 0,
            seen: HashMap::new(),
        });
        Ok(())
    }

    /// How others join.
    pub fn invitation(&self) -> Option<String> {
        let room = self.room.as_ref()?;
        Some(match &room.link {
            Some(link) => format!("{}#k={}", room.join_key, B64.encode(link)),
            None => room.join_key.clone(),
        })
    }

    /// The session's secret, for fetching files over HTTP.
    pub fn session_token(&self) -> Option<&str> {
        self.room.as_ref().map(|room| room.token.as_str())
    }

    /// Says something; while the connection is lost, it waits for [`ChatClient::resume`].
    pub fn say(&mut self, text: &str) -> Result<()> {
        let room = self.room.as_mut().ok_or("not in a room")?;
        room.counter += 1;
        let plain = json!({"v": 1, "kind": "text", "body": text, "ctr": room.counter}).to_string();
        let nonce = random()?;
        let content = e2e::seal(&room.key, &room.id, 0, &room.me, nonce, &plain);
        self.unconfirmed.push_back(content.clone());
        if self.socket.is_some() {
            // Not heard from the server, so it is not lost either.
            let _ = self.send(&json!({"type": "ChatMessage", "content": content}));
        }
        Ok(())
    }

    /// What happens next; `None` when nothing does within the patience. The error is that the
    /// connection is lost: [`ChatClient::resume`] it.
    pub fn next(&mut self) -> Result<Option<Event>> {
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        Ok(self.hear()?.map(|value| self.take(value)))
    }

    fn take(&mut self, value: Value) -> Event {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let seq = value["seq"].as_u64();
        if let (Some(seq), Some(room)) = (seq, &mut self.room) {
            room.last_seq = room.last_seq.max(seq);
        }
        match value["type"].as_str() {
            Some("ChatMessage") => {
                let (name, content) = (text("sender"), text("content"));
                if self.unconfirmed.front() == Some(&content) {
                    self.unconfirmed.pop_front();
                }
                match self.read(&text("sender_id"), &content) {
                    Some(text) => Event::Said { name, text },
                    None => Event::Suspect(name),
                }
            }
            Some("ParticipantJoined") => Event::Joined(text("name")),
            Some("ParticipantLeft") => Event::Left(text("name")),
            Some("RoomClosed") => {
                self.room = None;
                Event::Closed
            }
            _ => Event::Other(value),
        }
    }

    /// What an envelope says, if it is new.
    fn read(&mut self, sender: &str, content: &str) -> Option<String> {
        let room = self.room.as_mut()?;
        let Some(plain) = e2e::open(&room.key, &room.id, sender, content) else {
            // Older clients have ciphers of their own, where the server manages the key.
            let foreign = room.link.is_none() && !content.starts_with("E1.");
            return foreign.then(|| content.to_owned());
        };
        let plain: Value = serde_json::from_str(&plain).ok()?;
        let counter = plain["ctr"].as_u64()?;
        let seen = room.seen.entry(sender.to_owned()).or_default();
        if counter <= *seen {
            return None;
        }
        *seen = counter;
        Some(plain["body"].as_str()?.to_owned())
    }

    /// Loses the connection without a word, as a network does.
    pub fn lose_connection(&mut self) {
        if let Some(socket) = self.socket.take() {
            let _ = socket2::SockRef::from(socket.get_ref()).set_linger(Some(Duration::ZERO));
        }
    }

    /// Waits for so long from now on, where something need not come.
    pub fn set_patience(&mut self, patience: Duration) -> Result<()> {
        self.patience = patience;
        if let Some(socket) = &self.socket {
            socket.get_ref().set_read_timeout(Some(patience))?;
        }
        Ok(())
    }

    /// Whether there is a connection, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// Connects again, catches up, and says what was typed in the meantime.
    pub fn resume(&mut self) -> Result<()> {
        let room = self.room.as_ref().ok_or("not in a room")?;
        let resume = json!({"type": "ResumeSession", "session_token": room.token, "last_seq": room.last_seq});
        self.socket = Some(self.dial()?);
        let joined = self.ask(resume)?;
        if let Some(room) = &mut self.room {
            room.token = joined["session_token"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if joined["gap"] == true {
                room.last_seq = joined["seq"].as_u64().unwrap_or_default();
            }
        }
        // What was missed comes before this answer, one's own messages among it.
        self.ask(json!({"type": "Ping"}))?;
        for content in self.unconfirmed.clone() {
            self.send(&json!({"type": "ChatMessage", "content": content}))?;
        }
        Ok(())
    }

    /// Sends a file as it is; answers its id. For rooms whose key the server manages.
    pub fn upload(&mut self, name: &str, mime_type: &str, bytes: &[u8]) -> Result<String> {
        let content = BASE64_STANDARD.encode(bytes);
        let wish =
            json!({"type": "UploadFile", "name": name, "mime_type": mime_type, "content": content});
        let uploaded = self.ask(wish)?;
        let id = uploaded["metadata"]["id"].as_str();
        Ok(id.ok_or("no id")?.to_owned())
    }

    /// Encrypts a file and sends it, in a room whose members hold the key.
    pub fn upload_sealed(&mut self, bytes: &[u8]) -> Result<String> {
        let room = self.room.as_ref().ok_or("not in a room")?;
        let sealed = e2e::seal_file(&room.key, &room.id, 0, random()?, bytes);
        self.upload("file.enc", "application/octet-stream", &sealed)
    }

    /// Fetches a file as it is.
    pub fn download(&mut self, id: &str) -> Result<Vec<u8>> {
        let file = self.ask(json!({"type": "GetFile", "file_id": id}))?;
        Ok(BASE64_STANDARD.decode(file["content"].as_str().unwrap_or_default())?)
    }

    /// Fetches a file and decrypts it.
    pub fn download_sealed(&mut self, id: &str) -> Result<Vec<u8>> {
        let sealed = self.download(id)?;
        let room = self.room.as_ref().ok_or("not in a room")?;
        let plain = e2e::open_file(&room.key, &room.id, 0, &sealed);
        Ok(plain.ok_or("the file is not what it should be")?)
    }
}
