//! Scalable Chat: somebody logs in by name and gets a token ([`Login`]), makes a room, asks where a
//! room is and gets another token for the session server there. On the session server ([`Sessions`])
//! everybody in a room is sent all of it, again and again: who is there, and what was said.
//!
//! Which rooms there are and where, a [`Scheduler`] knows: this process, a fixed list of servers and
//! the rooms' own ids, or a cloud. Backend and session servers may be one process or many; they share
//! nothing but the secret with which tokens are signed.

mod history;
mod login;
mod refusal;
mod room_id;
mod rooms;
mod routes;
mod rules;
mod scheduler;
mod sessions;
mod tokens;
mod wire;

pub use login::{Login, USER_CHARS};
pub use room_id::RoomId;
pub use rooms::Rooms;
pub use routes::{BODY_BYTES, allow, routes};
pub use rules::RoomRules;
pub use scheduler::{Directory, Fixed, Hathora, Host, Local, SchedError, Scheduler, Timing};
pub use sessions::{BOUNDS, Session, Sessions};
pub use tokens::{SessionClaims, SessionTokens};
pub use wire::{Message, Wire};
