//! The PeerJS broker: passes offers, answers and candidates between browsers that know each other's
//! ids, so that they can connect to each other.

mod switchboard;

pub use switchboard::Switchboard;
