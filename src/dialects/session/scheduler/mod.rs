//! Who knows which rooms there are, and on which session server each is.

mod fixed;
mod hathora;
mod local;

pub use fixed::Fixed;
pub use hathora::{Hathora, Timing};
pub use local::{Directory, Local};

use super::RoomId;
use crate::access::Client;
use futures_util::future::BoxFuture;

/// Where clients find a session server: what they put behind `ws://`.
pub type Host = String;

/// Why a scheduler has no answer. That there is no such room is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchedError {
    /// Every session server has as many rooms as it takes.
    #[error("every session server is full")]
    NoCapacity,
    /// The one who asks has as many rooms with people in them as one address may have.
    #[error("one address has as many rooms as it may")]
    ShareTaken,
    /// It cannot be reached, or is not in order.
    #[error("the scheduler cannot be reached")]
    Unavailable,
    /// It has been asked too much.
    #[error("the scheduler is asked too much")]
    RateLimited,
}

/// Makes rooms and finds them.
pub trait Scheduler: Send + Sync {
    /// Makes a room for somebody at this address. Nobody is in it yet.
    fn create_room(&self, client: Client) -> BoxFuture<'_, Result<RoomId, SchedError>>;

    /// Where a room is; `None`: there is no such room. Never makes one.
    fn room_host<'a>(&'a self, id: &'a RoomId) -> BoxFuture<'a, Result<Option<Host>, SchedError>>;
}
