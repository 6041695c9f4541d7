//! One connection's messages: read, paced, and led to the group that they are for.

use super::directory::Owner;
use super::ids::{GroupId, Version};
use super::refusal::Refusal;
use super::rules::{GroupRules, Message};
use super::wire::{ClientMessage, Invalid, read};
use super::{Entering, Signaling, Visitor};
use crate::live::{CloseCode, Dialect, Frame, Heard, Now};
use bytes::Bytes;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::Arc;
use uuid::Uuid;

/// Messages beyond the limit that are answered with an error; after so many at once, or ten a second,
/// the connection is closed.
pub const REFUSED_AT_ONCE: NonZeroU32 = NonZeroU32::new(100).expect("a hundred is not zero");
const REFUSED_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");

/// Why a connection that sends too much is closed.
pub const TOO_MUCH: &str = "too many messages";

/// Reads what one connection says.
pub struct Speaker {
    signaling: Arc<Signaling>,
    visitor: Visitor,
    owner: Owner,
    /// For as long as the connection lives, in the newest version.
    user: Uuid,
    place: Option<Current>,
    /// Where it goes once it has left the group that it is in.
    next: Option<Entering>,
    messages: DefaultDirectRateLimiter,
    refusals: DefaultDirectRateLimiter,
}

/// Where a connection is.
#[derive(Clone, Debug)]
struct Current {
    group: GroupId,
    user: Uuid,
}

/// What becomes of a message.
pub enum Outcome {
    /// An answer.
    Say(Frame),
    /// Something for the group that it is in.
    Group(Message),
    /// It goes to another group, or to none.
    Move(Option<Entering>),
    /// Nothing.
    Nothing,
    /// It sends too much.
    Close,
}

impl Speaker {
    /// Of a connection that has said nothing.
    pub fn new(signaling: Arc<Signaling>, visitor: Visitor) -> Self {
        let settings = &signaling.settings;
        let messages =
            Quota::per_second(settings.messages_per_second).allow_burst(settings.message_burst);
        let refusals = Quota::per_second(REFUSED_PER_SECOND).allow_burst(REFUSED_AT_ONCE);
        Self {
            owner: signaling.next_owner(),
            visitor,
            user: Uuid::new_v4(),
            place: None,
            next: None,
            messages: RateLimiter::direct(messages),
            refusals: RateLimiter::direct(refusals),
            signaling,
        }
    }

    /// Its id, as far as it has one in no group.
    pub fn user(&self) -> Uuid {
        self.user
    }

    /// It is in a group now.
    pub fn sit_down(&mut self, entering: &Entering) {
        self.place = Some(Current {
            group: entering.group.clone(),
            user: entering.guest.user,
        });
    }

    /// It is in no group any more; where it wants to go next.
    pub fn stand_up(&mut self) -> Option<Entering> {
        self.place = None;
        self.next.take()
    }

    /// Reads one message.
    pub fn hear(&mut self, text: Bytes) -> Outcome {
        if let Err(until) = self.messages.check() {
            if self.refusals.check().is_err() {
                return Outcome::Close;
            }
            let wait = until.wait_time_from(DefaultClock::default().now());
            let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            return self.answer(&Refusal::RateLimited { retry_after_ms });
        }
        let meant = read(text, self.visitor.version);
        let outcome = meant
            .map_err(|Invalid(issues)| Refusal::Invalid(issues))
            .and_then(|message| match self.place.clone() {
                None => self.outside(message),
                Some(place) => self.inside(message, &place),
            });
        outcome.unwrap_or_else(|refusal| self.answer(&refusal))
    }

    /// An answer, in the order in which the group answers.
    fn answer(&self, refusal: &Refusal) -> Outcome {
        let frame = refusal.frame(Now::read().unix_ms);
        match self.place {
            Some(_) => Outcome::Group(Message::Answer(frame)),
            None => Outcome::Say(frame),
        }
    }

    /// What somebody wants who is in no group.
    fn outside(&mut self, message: ClientMessage) -> Result<Outcome, Refusal> {
        match message {
            ClientMessage::CreateGroup { name, username } => self.create(name, username),
            ClientMessage::JoinGroup {
                group,
                username,
                peer,
            } => self.join(&group, username, peer),
            // The newest version's client says it before it joins, and shows every error.
            ClientMessage::UpdatePeerId { .. } if self.visitor.version == Version::Newest => {
                Ok(Outcome::Nothing)
            }
            ClientMessage::LeaveGroup { .. }
            | ClientMessage::UpdatePeerId { .. }
            | ClientMessage::CallRequest { .. }
            | ClientMessage::CallResponse { .. }
            | ClientMessage::Moderation
            | ClientMessage::LockGroup { .. }
            | ClientMessage::MuteRequest { .. }
            | ClientMessage::RemoveUser { .. } => Err(Refusal::UserNotFound),
        }
    }

    /// What a member wants. Who enters another group has a place there before it leaves this one.
    fn inside(&mut self, message: ClientMessage, place: &Current) -> Result<Outcome, Refusal> {
        let message = match message {
            ClientMessage::CreateGroup { name, username } => return self.create(name, username),
            ClientMessage::JoinGroup { group, peer, .. } if group == place.group => {
                Message::Rejoin { peer }
            }
            ClientMessage::JoinGroup {
                group,
                username,
                peer,
            } => return self.join(&group, username, peer),
            ClientMessage::LeaveGroup { user } if user == Some(place.user) => {
                return Ok(Outcome::Move(None));
            }
            ClientMessage::LeaveGroup { .. } => return Err(Refusal::UserNotFound),
            ClientMessage::UpdatePeerId { peer } => Message::Announce { peer },
            ClientMessage::CallRequest { target, from } => Message::Call { target, from },
            ClientMessage::CallResponse {
                accepted,
                caller,
                from,
            } => Message::Respond {
                accepted,
                caller,
                from,
            },
            ClientMessage::Moderation => Message::Moderation,
            ClientMessage::LockGroup { locked } => Message::Lock(locked),
            ClientMessage::MuteRequest { user } => Message::Mute(user),
            ClientMessage::RemoveUser { user, reason } => Message::Remove { user, reason },
        };
        Ok(Outcome::Group(message))
    }

    /// The id that it gets in the next group.
    fn next_user(&self) -> Uuid {
        match self.visitor.version {
            Version::Seed => Uuid::new_v4(),
            Version::Newest => self.user,
        }
    }

    fn create(&self, name: String, username: String) -> Result<Outcome, Refusal> {
        let entering =
            self.signaling
                .create(name, username, self.next_user(), self.owner, self.visitor)?;
        Ok(Outcome::Move(Some(entering)))
    }

    fn join(
        &self,
        group: &GroupId,
        username: String,
        peer: Option<String>,
    ) -> Result<Outcome, Refusal> {
        let entering = self.signaling.join(
            group,
            username,
            peer.as_deref(),
            self.next_user(),
            self.owner,
            self.visitor,
        )?;
        Ok(Outcome::Move(Some(entering)))
    }
}

impl Dialect for Speaker {
    type Rules = GroupRules;

    const TAKES_BINARY: bool = true;

    fn read(&mut self, text: Bytes) -> Heard<Message> {
        match self.hear(text) {
            Outcome::Say(frame) => Heard::Message(Message::Answer(frame)),
            Outcome::Group(message) => Heard::Message(message),
            Outcome::Move(next) => {
                self.next = next;
                Heard::Last(Message::Leave)
            }
            Outcome::Nothing => Heard::Nothing,
            Outcome::Close => Heard::End(CloseCode::Policy, TOO_MUCH.into()),
        }
    }
}
