//! Who is kept apart: somebody who was removed from a group comes back to the broker at once, as its
//! page does by itself, and must not reach those who stayed by that.

use super::switchboard::{Pair, Party};
use crate::access::{Client, Tally};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How long two are kept apart, unless they meet in a group before.
pub(super) const APART: Duration = Duration::from_secs(60 * 60);
/// Pairs that are kept apart; for a further one the oldest is forgotten.
const MOST: usize = 16 << 10;
/// The same of those who were removed from one address: who removes the own tabs a thousand times makes
/// no others forgotten.
const SHARE: usize = 512;

/// Pairs of ids, each with where it was: ids are known to others, and nobody is kept from anybody
/// because somebody elsewhere has used both names.
#[derive(Default)]
pub(super) struct Apart {
    pairs: HashMap<Pair, (Instant, [Client; 2])>,
    /// The same in order, also of those that have met again; with where who was removed came from.
    order: VecDeque<(Instant, Pair, Client)>,
    /// How many in the order came from where.
    removed: Tally,
}

impl Apart {
    /// Parts these two, of whom `one` was removed.
    pub fn part(&mut self, one: &Party, other: &Party, now: Instant) {
        while let Some((at, ..)) = self.order.front()
            && (is_over(*at, now) || self.order.len() >= MOST)
        {
            self.forget(0);
        }
        let client = one.1;
        if self.removed.of(client) >= SHARE
            && let Some(oldest) = self.order.iter().position(|(.., from)| *from == client)
        {
            self.forget(oldest);
        }
        let pair = Pair::of(&one.0, &other.0);
        self.order.push_back((now, pair.clone(), client));
        self.removed.add(client);
        let clients = in_order(&one.0, &other.0, [one.1, other.1]);
        self.pairs.insert(pair, (now, clients));
    }

    fn forget(&mut self, nth: usize) {
        let Some((at, pair, client)) = self.order.remove(nth) else {
            return;
        };
        self.removed.remove(client);
        if self.pairs.get(&pair).is_some_and(|(since, _)| *since == at) {
            self.pairs.remove(&pair);
        }
    }

    /// These two have met again.
    pub fn meet(&mut self, one: &str, other: &str) {
        if !self.pairs.is_empty() {
            self.pairs.remove(&Pair::of(one, other));
        }
    }

    /// Whether these two are apart; `to` may be nowhere at the moment.
    pub fn are(&self, from: (&str, Client), to: (&str, Option<Client>), now: Instant) -> bool {
        if self.pairs.is_empty() {
            return false;
        }
        let Some((since, clients)) = self.pairs.get(&Pair::of(from.0, to.0)) else {
            return false;
        };
        let [sender, receiver] = in_order(from.0, to.0, *clients);
        let is_there = to.1.is_none_or(|client| client == receiver);
        !is_over(*since, now) && sender == from.1 && is_there
    }
}

fn is_over(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= APART
}

/// From the order of who speaks to that of the ids in a pair, or back.
fn in_order(one: &str, other: &str, [first, second]: [Client; 2]) -> [Client; 2] {
    match one <= other {
        true => [first, second],
        false => [second, first],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Client = Client::V4([192, 0, 2, 1]);
    const THERE: Client = Client::V4([192, 0, 2, 2]);

    fn party(id: &str, client: Client) -> Party {
        (id.to_owned(), client)
    }

    #[test]
    fn two_are_apart_in_both_directions_until_they_meet_or_for_an_hour() {
        let now = Instant::now();
        for (one, other) in [("a", "b"), ("b", "a")] {
            let mut apart = Apart::default();
            apart.part(&party(one, HERE), &party(other, THERE), now);
            let are = |apart: &Apart, at| {
                let there = apart.are((one, HERE), (other, Some(THERE)), at);
                let back = apart.are((other, THERE), (one, Some(HERE)), at);
                assert_eq!(there, back);
                there
            };
            assert!(are(&apart, now) && !are(&apart, now + APART));
            assert!(apart.are((one, HERE), (other, None), now));
            // Somebody else under one of the names.
            assert!(!apart.are((one, THERE), (other, Some(THERE)), now));
            assert!(!apart.are((one, HERE), (other, Some(HERE)), now));
            assert!(!apart.are((one, HERE), ("c", Some(THERE)), now));
            apart.meet(other, one);
            assert!(!are(&apart, now));
        }
    }

    #[test]
    fn however_many_are_apart_memory_is_bounded() {
        let (mut apart, now) = (Apart::default(), Instant::now());
        for n in 0..MOST + 100 {
            let [.., a, b] = n.to_be_bytes();
            let one = party(&n.to_string(), Client::V4([198, 51, a, b]));
            apart.part(&one, &party("a", HERE), now);
        }
        assert_eq!((apart.pairs.len(), apart.order.len()), (MOST, MOST));
        apart.part(&party("a", HERE), &party("b", HERE), now + APART);
        assert_eq!((apart.pairs.len(), apart.order.len()), (1, 1));
        assert_eq!(apart.removed.of(HERE), 1);
    }

    #[test]
    fn who_removes_the_own_ones_again_and_again_only_forgets_those() {
        let (mut apart, now) = (Apart::default(), Instant::now());
        apart.part(&party("troll", THERE), &party("ann", HERE), now);
        for n in 0..2 * MOST {
            apart.part(&party(&n.to_string(), HERE), &party("own", HERE), now);
        }
        assert!(apart.are(("troll", THERE), ("ann", Some(HERE)), now));
        assert_eq!(apart.order.len(), SHARE + 1);
        let last = (2 * MOST - 1).to_string();
        assert!(apart.are((&last, HERE), ("own", Some(HERE)), now));
        assert!(!apart.are(("0", HERE), ("own", Some(HERE)), now));
    }
}
