//! Who is here: from which addresses somebody takes part in something right now.

use super::{Client, Tally};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts who takes part, by address. Cloning is cheap.
///
/// Weaker than a cookie, as a household shares its address; but it is all that is known of clients
/// that have never heard of cookies.
#[derive(Clone, Default)]
pub struct Presence(
    // A lock for a small map, held for a look.
    Arc<Mutex<Tally>>,
);

/// Somebody who takes part, until it is dropped.
pub struct Present {
    presence: Presence,
    client: Client,
}

impl Presence {
    /// Somebody takes part from now on.
    pub fn enter(&self, client: Client) -> Present {
        self.counts().add(client);
        Present {
            presence: self.clone(),
            client,
        }
    }

    /// Whether anybody does from this address.
    pub fn has(&self, client: Client) -> bool {
        self.counts().of(client) > 0
    }

    fn counts(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.presence.counts().remove(self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_present_until_the_last_one_has_gone() {
        let (presence, here) = (Presence::default(), Client::V4([192, 0, 2, 1]));
        let (first, second) = (presence.enter(here), presence.enter(here));
        drop(first);
        assert!(presence.has(here));
        assert!(!presence.has(Client::V4([192, 0, 2, 2])));
        drop(second);
        assert!(!presence.has(here));
    }
}
