//! The PeerJS broker: passes offers, answers and candidates between browsers that know each other's
//! ids, so that they can connect to each other.
//!
//! Each key has ids of its own: a room of the live side with [`BrokerRules`]. What is for somebody
//! who is not registered waits a few seconds ([`queues`]). Payloads are passed on as they came; what
//! is no message, or only the server's to say, is dropped without a word. That anything comes at
//! all, pongs included, says that a client is alive.

mod apart;
mod ask;
mod broker;
mod census;
pub mod queues;
mod routes;
mod rules;
mod switchboard;
mod wire;

pub use ask::{Ask, ID_CHARS, TOKEN_BYTES};
pub use broker::{BOUNDS, Broker, is_mounted};
pub use routes::{root_routes, routes};
pub use rules::{BrokerRules, Caller, Request};
pub use switchboard::{Party, Switchboard};
pub use wire::Message;
