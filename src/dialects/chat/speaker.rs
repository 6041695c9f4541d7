//! One connection's messages: read, paced, and checked as far as no room is needed.

use super::check::{envelope, upload};
use super::directory::{Entry, digest};
use super::guesses::too_often;
use super::refusal::Refusal;
use super::rules::{ChatRules, Message, What};
use super::say::Said;
use super::wire::{ClientMessage, Letter, Tagging, read};
use super::{Chat, check};
use crate::access::{Attempt, Client, random};
use crate::error::Error;
use crate::live::{Dialect, Heard};
use bytes::Bytes;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many refusals for haste within so long end the connection.
const ABUSES: usize = 10;
const ABUSE_WINDOW: Duration = Duration::from_secs(10);

/// Reads what one connection says.
pub struct Speaker {
    pub(super) chat: Arc<Chat>,
    pub(super) client: Client,
    /// How the connection spells; its first message decides.
    tagging: Option<Tagging>,
    messages: DefaultDirectRateLimiter,
    uploads: DefaultDirectRateLimiter,
    abuses: VecDeque<Instant>,
    seat: Option<Seat>,
}

/// Where the connection is.
pub(super) struct Seat {
    pub entry: Arc<Entry>,
    pub is_owner: bool,
}

/// What somebody in no room wants, or why not.
pub(super) struct Asked {
    pub request_id: Option<String>,
    pub message: Result<ClientMessage, Refusal>,
}

impl Speaker {
    /// Of a connection that has said nothing.
    pub(super) fn new(chat: Arc<Chat>, client: Client) -> Self {
        let limits = &chat.limits;
        let messages =
            Quota::per_second(limits.messages_per_second).allow_burst(limits.message_burst);
        let uploads = Quota::per_minute(limits.uploads_per_minute);
        Self {
            client,
            tagging: None,
            messages: RateLimiter::direct(messages),
            uploads: RateLimiter::direct(uploads),
            abuses: VecDeque::new(),
            seat: None,
            chat,
        }
    }

    /// How to answer.
    pub(super) fn tagging(&self) -> Tagging {
        self.tagging.unwrap_or(Tagging::Internal)
    }

    /// It is in this room now, or in none.
    pub(super) fn set_seat(&mut self, seat: Option<Seat>) {
        self.seat = seat;
    }

    /// Reads a message of somebody who is in no room.
    pub(super) fn ask(&mut self, text: &[u8]) -> Asked {
        let letter = self.letter(text);
        Asked {
            request_id: letter.request_id,
            message: letter.message,
        }
    }

    fn letter(&mut self, text: &[u8]) -> Letter {
        // Every dialect's texts are UTF-8, or they are not read.
        let text = std::str::from_utf8(text).unwrap_or_default();
        let mut letter = read(text, self.tagging());
        if self.tagging.is_none() {
            self.tagging = letter.tagging;
        }
        if let Err(refusal) = pace(&self.messages) {
            letter.message = Err(refusal);
        }
        letter
    }

    /// Whether `refusal` is one too many.
    pub(super) fn is_abuse(&mut self, refusal: Refusal, now: Instant) -> bool {
        if !matches!(refusal, Refusal::RateLimited { .. }) {
            return false;
        }
        self.abuses.push_back(now);
        if self.abuses.len() > ABUSES {
            self.abuses.pop_front();
        }
        let first = self.abuses.front().filter(|_| self.abuses.len() == ABUSES);
        first.is_some_and(|first| now.duration_since(*first) <= ABUSE_WINDOW)
    }

    /// What a room's guard says, to whoever asks from anywhere.
    pub(super) fn peek(&self, join_key: &str) -> Result<Said, Refusal> {
        self.may_come()?;
        let entry = self.find(join_key)?.entry;
        let has_password = entry.password.is_some();
        Ok(Said::new("RoomPeek")
            .raw("has_password", if has_password { "true" } else { "false" })
            .raw("encryption", &entry.encryption()))
    }

    /// One of the times that this address joins, resumes or looks at a room.
    pub(super) fn may_come(&self) -> Result<(), Refusal> {
        let taken = self.chat.joins.take(Attempt::ChatRoom, self.client);
        taken.map_err(|error| refusal_of(&error))
    }

    /// The room with this join key. It opens its room also where others guess: only keys that no room
    /// has are counted, as nobody guesses 80 bits.
    pub(super) fn find(&self, join_key: &str) -> Result<super::Listed, Refusal> {
        let key = check::join_key(join_key);
        let key = digest(key.as_deref().unwrap_or(join_key));
        let found = self.chat.directory.by_key(&key);
        found.ok_or_else(|| {
            let guesses = &self.chat.guesses;
            guesses.wrong_key(self.client, key, Instant::now())
        })
    }

    /// What a member means.
    fn meaning(&mut self, message: ClientMessage) -> Result<What, Refusal> {
        let sealed = self
            .seat
            .as_ref()
            .is_some_and(|seat| seat.entry.client_keys.is_some());
        let limits = &self.chat.limits;
        Ok(match message {
            ClientMessage::CreateRoom(_)
            | ClientMessage::JoinRoom(_)
            | ClientMessage::ResumeSession { .. } => return Err(Refusal::AlreadyInRoom),
            ClientMessage::PeekRoom { join_key } => What::Answer(self.peek(&join_key)?),
            ClientMessage::Ping => What::Answer(Said::new("Pong")),
            ClientMessage::ChatMessage { content } => {
                if content.is_empty() {
                    return Err(Refusal::EmptyMessage);
                }
                if content.len() as u64 > limits.message_bytes {
                    return Err(Refusal::MessageTooLarge);
                }
                let epoch = match sealed {
                    true => Some(envelope(&content).ok_or(Refusal::InvalidEnvelope)?),
                    false => None,
                };
                let id = uuid::Uuid::new_v4().to_string();
                What::Chat { id, content, epoch }
            }
            ClientMessage::GetMembers => What::Members,
            ClientMessage::UploadFile {
                name,
                mime_type,
                content,
            } => {
                pace(&self.uploads)?;
                let upload = upload(name, mime_type, content, sealed, limits.file_bytes)?;
                let id = random::<16>().map_err(|_| Refusal::ServerBusy)?;
                let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
                What::Upload { id, upload }
            }
            ClientMessage::GetFile { file_id } => What::File { id: file_id },
            ClientMessage::LeaveRoom => What::Leave,
            ClientMessage::CloseRoom => What::Close,
            ClientMessage::ShareKey {
                to,
                epoch,
                wrapped_key,
            } => What::ShareKey {
                to,
                epoch,
                wrapped_key,
            },
            ClientMessage::RekeyRoom { epoch, keys } => What::Rekey { epoch, keys },
        })
    }

    /// A member's message for its room, which also answers what is refused here: in order.
    fn hand_on(
        &mut self,
        request_id: Option<String>,
        what: Result<What, Refusal>,
    ) -> Heard<Message> {
        let is_owner = self.seat.as_ref().is_some_and(|seat| seat.is_owner);
        let what = match what {
            Ok(what) => what,
            Err(refusal) if self.is_abuse(refusal, Instant::now()) => What::Expel,
            Err(refusal) => What::Answer(refusal.said()),
        };
        let last = match what {
            What::Leave | What::Expel => true,
            What::Close => is_owner,
            _ => false,
        };
        let message = Message { request_id, what };
        if last {
            Heard::Last(message)
        } else {
            Heard::Message(message)
        }
    }
}

impl Dialect for Speaker {
    type Rules = ChatRules;

    fn read(&mut self, text: Bytes) -> Heard<Message> {
        let letter = self.letter(&text);
        let what = letter.message.and_then(|message| self.meaning(message));
        self.hand_on(letter.request_id, what)
    }

    fn binary(&mut self) -> Heard<Message> {
        let paced = pace(&self.messages);
        self.hand_on(None, Err(paced.err().unwrap_or(Refusal::Binary)))
    }
}

impl Speaker {
    /// A binary message of somebody who is in no room.
    pub(super) fn binary_asked(&mut self) -> Asked {
        let paced = pace(&self.messages);
        Asked {
            request_id: None,
            message: Err(paced.err().unwrap_or(Refusal::Binary)),
        }
    }
}

fn pace(limiter: &DefaultDirectRateLimiter) -> Result<(), Refusal> {
    limiter.check().map_err(|until| {
        let wait = until.wait_time_from(DefaultClock::default().now());
        too_often(wait)
    })
}

/// Too many attempts, in this protocol's words.
pub(super) fn refusal_of(error: &Error) -> Refusal {
    match error {
        Error::TooManyAttempts { wait_seconds } => too_often(Duration::from_secs(*wait_seconds)),
        _ => Refusal::ServerBusy,
    }
}
