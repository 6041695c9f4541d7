//! The PeerJS broker: passes offers, answers and candidates between browsers that know each other's
//! ids, so that they can connect to each other.

#[cfg_attr(not(test), expect(dead_code, reason = "the broker comes next"))]
mod switchboard;

pub use switchboard::Switchboard;
