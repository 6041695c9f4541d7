//! How much belongs to whom.

use super::Client;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Counts things by the address that they belong to; who has none is forgotten.
#[derive(Debug, Default)]
pub struct Tally(HashMap<Client, usize>);

impl Tally {
    /// How many this client has.
    pub fn of(&self, client: Client) -> usize {
        self.0.get(&client).copied().unwrap_or_default()
    }

    /// One more.
    pub fn add(&mut self, client: Client) {
        *self.0.entry(client).or_default() += 1;
    }

    /// One less, of one that was added.
    pub fn remove(&mut self, client: Client) {
        if let Entry::Occupied(mut count) = self.0.entry(client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_nothing_left_is_forgotten() {
        let (mut tally, here) = (Tally::default(), Client::V4([192, 0, 2, 1]));
        tally.add(here);
        tally.add(here);
        tally.remove(here);
        assert_eq!((tally.of(here), tally.of(Client::Others)), (1, 0));
        tally.remove(here);
        tally.remove(here);
        assert_eq!(tally.of(here), 0);
        assert!(tally.0.is_empty());
    }
}
