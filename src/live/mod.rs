//! The live side: rooms, their order, and the way to every socket. Knows no dialect's JSON.
//!
//! A room is a task that owns its [`Rules`] and knows its members; messages go in, deliveries come
//! out, and the order in which the room decides is the order in which everybody sees it. What must
//! be durable goes to the room's journal, and the rules say what is told only after that. Each
//! worker thread has a courier that writes a room's frames to that worker's own sockets: a
//! broadcast is encoded once and costs one message per worker and one write per socket; what a room
//! sends out together goes to each worker in one message and to each socket in one write. A socket
//! goes to the thread of its room where it can ([`Socket::follow`]), so that no thread has to be
//! woken for what its members say to each other.
//!
//! | from -> to | holds | when full | because |
//! |---|---|---|---|
//! | connection -> room | 64 commands of up to 32 messages | the connection waits | its socket goes unread, so TCP slows that client |
//! | connection -> its room's courier | 64 rounds | the connection waits | it is on its way there, once |
//! | room -> courier | 64 rounds | the room waits | a courier never waits for a socket, so it always catches up |
//! | courier -> connection | lanes, see [`Lane`] | state: the newest wins; passing: the oldest goes; the rest: closed | it comes back; nobody else notices |
//! | connection -> socket | 10 s without a byte taken | closed | a stalled peer must not hold memory |

mod committer;
mod connection;
mod courier;
mod deflate;
mod frame;
mod inbound;
mod journal;
mod keeper;
mod lanes;
mod link;
mod pace;
mod room;
mod rules;
mod stage;

pub use committer::{CommitError, Committed, Committer, MAX_WAITING_BYTES};
pub use connection::{Dialect, Heard, Said, Socket};
pub use courier::{Couriers, start_courier};
pub use deflate::negotiate;
pub use frame::{CloseCode, Frame, Whole, refuse, switch_protocols};
pub use journal::{Commit, Disk, Files, Journal, MAX_RECORD_BYTES, Medium, Opened, Tail};
pub use keeper::Keeper;
pub use link::{Bounds, Manners};
pub use pace::Pace;
pub use room::{Durability, RoomHandle, open_room};
pub use rules::{
    Closing, ConnId, Delivery, Groups, Journaling, Lane, Now, Outgoing, Rules, To, Topic, rfc3339,
};
pub use stage::{Later, Stage};
