//! Where connections are that are in no room: making rooms, joining, resuming.

use super::directory::{Listed, digest};
use super::refusal::Refusal;
use super::rules::{Guest, OWNERS_SEAT, Request};
use super::say::Said;
use super::speaker::{Asked, Seat, Speaker, refusal_of};
use super::wire::{ClientMessage, CreateRoom, JoinRoom, Scheme};
use super::{Chat, Wish, check, session_token};
use crate::access::{Attempt, Client};
use crate::live::{CloseCode, Said as Heard, Socket};
use crate::metrics::Dialect;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long everybody who joins with a password waits while somebody guesses a room's password.
const SLOW: Duration = Duration::from_secs(2);
/// What a client must say of itself to join an end-to-end encrypted room.
const E2E: &str = "e2e-v1";

/// Serves a connection until it ends. `first`: what it has said already.
pub async fn serve_chat(
    mut socket: Socket,
    mut first: Option<Heard>,
    client: Client,
    chat: Arc<Chat>,
) {
    socket.set_manners(chat.manners());
    let _counted = Counted::new(&chat);
    let mut speaker = Speaker::new(chat.clone(), client);
    loop {
        let waited = wait_for_room(socket, first.take(), &mut speaker).await;
        let Some((mut found, entered)) = waited else {
            return;
        };
        let Entered {
            listed,
            guest,
            is_owner,
        } = entered;
        found.set_max_frame(chat.limits.frame_bytes());
        let entry = listed.entry;
        speaker.set_seat(Some(Seat { entry, is_owner }));
        let Some(let_go) = found.visit(listed.room, guest, &mut speaker).await else {
            return;
        };
        socket = let_go;
        speaker.set_seat(None);
    }
}

/// Counts a connection as long as it is there.
struct Counted<'a>(&'a Chat);

impl<'a> Counted<'a> {
    fn new(chat: &'a Chat) -> Self {
        chat.couriers.metrics().joined(Dialect::Chat);
        Self(chat)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.couriers.metrics().left(Dialect::Chat);
    }
}

/// The way into a room where a seat is held.
struct Entered {
    listed: Listed,
    guest: Guest,
    is_owner: bool,
}

/// What becomes of a message.
enum Outcome {
    Say(Said),
    Enter(Box<Entered>),
}

async fn wait_for_room(
    mut socket: Socket,
    mut first: Option<Heard>,
    speaker: &mut Speaker,
) -> Option<(Socket, Entered)> {
    loop {
        let heard = match first.take() {
            Some(heard) => heard,
            None => socket.hear().await?,
        };
        let Asked {
            request_id,
            message,
        } = match heard {
            Heard::Text(text) => speaker.ask(&text),
            Heard::Binary(_) => speaker.binary_asked(),
        };
        let outcome = match message {
            Ok(message) => answer(speaker, message).await,
            Err(refusal) => Err(refusal),
        };
        let said = match outcome {
            Ok(Outcome::Enter(mut entered)) => {
                entered.guest.request_id = request_id;
                return Some((socket, *entered));
            }
            Ok(Outcome::Say(said)) => said,
            Err(refusal) if speaker.is_abuse(refusal, Instant::now()) => {
                socket.close(CloseCode::Policy, "Too many requests").await;
                return None;
            }
            Err(refusal) => refusal.said(),
        };
        socket.send(&said.frame(speaker.tagging(), request_id.as_deref()));
    }
}

async fn answer(speaker: &Speaker, message: ClientMessage) -> Result<Outcome, Refusal> {
    let entered = match message {
        ClientMessage::CreateRoom(wish) => create(speaker, *wish).await?,
        ClientMessage::JoinRoom(wish) => join(speaker, *wish).await?,
        ClientMessage::ResumeSession {
            session_token,
            last_seq,
        } => resume(speaker, &session_token, last_seq).await?,
        ClientMessage::PeekRoom { join_key } => return speaker.peek(&join_key).map(Outcome::Say),
        ClientMessage::Ping => return Ok(Outcome::Say(Said::new("Pong"))),
        ClientMessage::ChatMessage { .. }
        | ClientMessage::GetMembers
        | ClientMessage::UploadFile { .. }
        | ClientMessage::GetFile { .. }
        | ClientMessage::LeaveRoom
        | ClientMessage::CloseRoom
        | ClientMessage::ShareKey { .. }
        | ClientMessage::RekeyRoom { .. } => return Err(Refusal::NotInRoom),
    };
    Ok(Outcome::Enter(Box::new(entered)))
}

async fn create(speaker: &Speaker, wish: CreateRoom) -> Result<Entered, Refusal> {
    let chat = &speaker.chat;
    let taken = chat.creates.take(Attempt::ChatRoom, speaker.client);
    taken.map_err(|error| refusal_of(&error))?;
    let name = check::room_name(&wish.name)?;
    let description = check::description(&wish.description)?;
    let password = check::password(wish.password)?;
    let owner_name = check::name(wish.owner_name.as_deref().unwrap_or("Owner"))?;
    let public_key = wish
        .public_key
        .as_ref()
        .map(check::public_key)
        .transpose()?;
    let scheme = wish.encryption.as_ref().map(|keys| keys.scheme);
    if scheme == Some(Scheme::Wrap) && public_key.is_none() {
        return Err(Refusal::InvalidPublicKey);
    }
    // Before the password is hashed, which costs something.
    chat.directory.has_space(speaker.client)?;
    let password = match password {
        Some(password) => Some(chat.passwords.hash(password).await?),
        None => None,
    };
    let token = session_token()?;
    let wish = Wish {
        name,
        description,
        password,
        owner_name,
        client_keys: wish.encryption,
        public_key,
    };
    let listed = chat.open(wish, speaker.client)?;
    Ok(entered(speaker, listed, OWNERS_SEAT, token, true, None))
}

async fn join(speaker: &Speaker, wish: JoinRoom) -> Result<Entered, Refusal> {
    speaker.may_come()?;
    let name = check::name(&wish.name)?;
    let password = check::password(wish.password)?;
    let public_key = wish
        .public_key
        .as_ref()
        .map(check::public_key)
        .transpose()?;
    let listed = speaker.find(&wish.join_key)?;
    if listed.entry.client_keys.is_some() && !wish.supports.iter().any(|word| word == E2E) {
        return Err(Refusal::E2eRequired);
    }
    check_password(speaker, &listed, password).await?;
    let token = session_token()?;
    let arrive = |reply| Request::Arrive {
        name,
        public_key,
        reply,
    };
    let seat = listed.room.ask(arrive).await;
    let seat = seat.map_err(|_| Refusal::RoomNotFound)??;
    Ok(entered(speaker, listed, seat, token, false, None))
}

async fn check_password(
    speaker: &Speaker,
    listed: &Listed,
    given: Option<String>,
) -> Result<(), Refusal> {
    let entry = &listed.entry;
    let Some(kept) = &entry.password else {
        return Ok(());
    };
    let given = given.ok_or(Refusal::PasswordRequired)?;
    let (chat, client) = (&speaker.chat, speaker.client);
    let may_try = || {
        chat.guesses
            .may_try_password(client, entry.digest, Instant::now())
    };
    may_try()?;
    // Slow, not locked: nobody can lock a table out by guessing.
    if entry.guesses.is_slow(Instant::now()) {
        sleep(SLOW).await;
    }
    let _turn = entry.guesses.turn(client).await;
    may_try()?;
    if chat.passwords.is_right(given, kept.clone()).await? {
        chat.guesses.right_password(client, entry.digest);
        return Ok(());
    }
    let now = Instant::now();
    chat.guesses.wrong_password(client, entry.digest, now);
    entry.guesses.wrong(now);
    tracing::info!(room = %entry.id, "a wrong password for chat room {}", entry.id);
    Err(Refusal::InvalidPassword)
}

async fn resume(speaker: &Speaker, token: &str, last_seq: u64) -> Result<Entered, Refusal> {
    speaker.may_come()?;
    let digest = digest(token);
    let listed = speaker.chat.directory.by_session(&digest);
    let listed = listed.ok_or(Refusal::ResumeFailed)?;
    let token = session_token()?;
    let come_back = |reply| Request::Return {
        token: digest,
        reply,
    };
    let seat = listed.room.ask(come_back).await;
    let (seat, is_owner) = seat.map_err(|_| Refusal::ResumeFailed)??;
    let last_seq = Some(last_seq);
    Ok(entered(speaker, listed, seat, token, is_owner, last_seq))
}

fn entered(
    speaker: &Speaker,
    listed: Listed,
    seat: u64,
    token: String,
    is_owner: bool,
    last_seq: Option<u64>,
) -> Entered {
    let guest = Guest {
        seat,
        tagging: speaker.tagging(),
        request_id: None,
        token,
        last_seq,
    };
    Entered {
        listed,
        guest,
        is_owner,
    }
}
