//! What others may know of the broker's calls, and do about them: PeerShare rings on one socket
//! while the offer travels on another.

use super::apart::Apart;
use crate::access::Client;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long an offer that was passed on counts as just passed on.
const RECENT: Duration = Duration::from_secs(5);
/// Recent offers that are remembered; for a further one the oldest is forgotten.
const MOST_OFFERS: usize = 16 << 10;

/// A look at the broker from outside, over all its keys. Cloning is cheap; without a broker nobody
/// is registered and there is nothing to hang up.
#[derive(Clone, Default)]
pub struct Switchboard(Arc<Inner>);

#[derive(Default)]
struct Inner {
    // A lock for small maps, held for a look and never across an await.
    state: Mutex<State>,
    hang_up: OnceLock<Box<dyn Fn(HangUp) + Send + Sync>>,
}

#[derive(Default)]
struct State {
    /// Registered ids, and under how many keys.
    registered: HashMap<Box<str>, usize>,
    /// Media offers that were passed on and that nobody has asked for yet.
    offers: HashMap<Pair, Instant>,
    /// The same in order, also of those that were asked for.
    order: VecDeque<(Instant, Pair)>,
    waiting: HashMap<Pair, Vec<oneshot::Sender<()>>>,
    apart: Apart,
}

/// Somebody who is to be cut off, and from whom.
#[derive(Debug, PartialEq, Eq)]
pub struct HangUp {
    /// Who.
    pub target: Party,
    /// From whom.
    pub mates: Vec<Party>,
}

/// An id, and from where whoever says that it is theirs has come: ids are known to others, and nobody is
/// to be cut off because somebody elsewhere uses their name.
pub type Party = (String, Client);

/// Two ids, whoever calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair(Box<str>, Box<str>);

impl Pair {
    /// These two.
    pub fn of(one: &str, other: &str) -> Self {
        let (first, second) = if one <= other {
            (one, other)
        } else {
            (other, one)
        };
        Self(first.into(), second.into())
    }
}

impl Switchboard {
    /// Waits until a media offer between these two has been passed on, at most for `within`. At once
    /// if one was within the last five seconds that nobody has waited for, or if one of the two is
    /// not registered here. Whether one was passed on.
    ///
    /// The offer is on its way then, on another socket: whoever rings upon it had better give it a
    /// few more milliseconds.
    pub async fn offered(&self, caller: &str, callee: &str, within: Duration) -> bool {
        let pair = Pair::of(caller, callee);
        let waiting = {
            let mut state = self.state();
            let registered = |id| state.registered.contains_key(id);
            if !registered(caller) || !registered(callee) {
                return false;
            }
            if state.take_offer(&pair) {
                return true;
            }
            let (offered, waiting) = oneshot::channel();
            state.waiting.entry(pair.clone()).or_default().push(offered);
            waiting
        };
        let mut waiting = Waiting {
            switchboard: self,
            pair,
            offered: waiting,
        };
        matches!(timeout(within, &mut waiting.offered).await, Ok(Ok(())))
    }

    /// Ends what `target` has with `mates`: its registration is dropped, and each of them hears
    /// LEAVE from it, upon which clients close their connections to it. The target may register
    /// again, as its page does by itself; but nothing is passed on for an hour between it and those of them
    /// who are registered beside it, unless they meet before. Only for who is registered from the address
    /// that is given.
    pub fn hang_up(&self, target: Party, mates: Vec<Party>) {
        if let Some(hang_up) = self.0.hang_up.get() {
            hang_up(HangUp { target, mates });
        }
    }

    /// Nothing is passed on between these two, of whom `one` was cut off.
    pub(super) fn part(&self, one: &Party, other: &Party, now: Instant) {
        self.state().apart.part(one, other, now);
    }

    /// Somebody is in one group with these: what was between them is over.
    pub fn meet(&self, newcomer: &str, mates: &[&str]) {
        let mut state = self.state();
        for mate in mates {
            state.apart.meet(newcomer, mate);
        }
    }

    /// Whether nothing is to be passed on between these two. `to`: where the receiver is, if it is
    /// registered.
    pub(super) fn are_apart(
        &self,
        from: (&str, Client),
        to: (&str, Option<Client>),
        now: Instant,
    ) -> bool {
        self.state().apart.are(from, to, now)
    }

    /// What [`Switchboard::hang_up`] does from now on; only the first one counts.
    pub(super) fn on_hang_up(&self, hang_up: impl Fn(HangUp) + Send + Sync + 'static) {
        let _ = self.0.hang_up.set(Box::new(hang_up));
    }

    /// Somebody is registered under `id` now.
    pub(super) fn registered(&self, id: &str) {
        let mut state = self.state();
        match state.registered.get_mut(id) {
            Some(count) => *count += 1,
            None => {
                state.registered.insert(id.into(), 1);
            }
        }
    }

    /// One who was registered under `id` is no more.
    pub(super) fn gone(&self, id: &str) {
        let mut state = self.state();
        if let Some(count) = state.registered.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                state.registered.remove(id);
            }
        }
    }

    /// Whether anybody is registered under `id`.
    pub(super) fn is_registered(&self, id: &str) -> bool {
        self.state().registered.contains_key(id)
    }

    /// A media offer was passed on.
    pub(super) fn passed_on(&self, from: &str, to: &str, now: Instant) {
        let pair = Pair::of(from, to);
        let mut state = self.state();
        if let Some(waiting) = state.waiting.remove(&pair) {
            for offered in waiting {
                let _ = offered.send(());
            }
            return;
        }
        state.remember(pair, now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, pair: Pair, now: Instant) {
        while let Some((at, old)) = self.order.front()
            && (now.saturating_duration_since(*at) >= RECENT || self.order.len() >= MOST_OFFERS)
        {
            if self.offers.get(old) == Some(at) {
                self.offers.remove(old);
            }
            self.order.pop_front();
        }
        self.order.push_back((now, pair.clone()));
        self.offers.insert(pair, now);
    }

    fn take_offer(&mut self, pair: &Pair) -> bool {
        let at = self.offers.remove(pair);
        at.is_some_and(|at| at.elapsed() < RECENT)
    }
}

/// Somebody who waits for an offer; forgotten when dropped.
struct Waiting<'a> {
    switchboard: &'a Switchboard,
    pair: Pair,
    offered: oneshot::Receiver<()>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.offered.close();
        let mut state = self.switchboard.state();
        if let Some(waiting) = state.waiting.get_mut(&self.pair) {
            waiting.retain(|offered| !offered.is_closed());
            if waiting.is_empty() {
                state.waiting.remove(&self.pair);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LATE: Duration = Duration::from_secs(3600);

    fn switchboard(ids: &[&str]) -> Switchboard {
        let switchboard = Switchboard::default();
        for id in ids {
            switchboard.registered(id);
        }
        switchboard
    }

    #[tokio::test]
    async fn nobody_waits_for_an_offer_that_cannot_come() {
        let switchboard = switchboard(&["a", "b"]);
        switchboard.offered("a", "c", LATE).await;
        switchboard.offered("c", "b", LATE).await;
        switchboard.gone("b");
        switchboard.offered("a", "b", LATE).await;
        Switchboard::default().offered("a", "b", LATE).await;
    }

    #[tokio::test]
    async fn an_id_under_two_keys_is_registered_until_both_are_gone() {
        let switchboard = switchboard(&["a", "b", "b"]);
        switchboard.gone("b");
        let offered = switchboard.offered("a", "b", LATE);
        assert!(timeout(SOON, offered).await.is_err());
        assert!(switchboard.state().waiting.is_empty());
    }

    #[tokio::test]
    async fn an_offer_ends_the_waiting_whoever_made_it() {
        for (from, to) in [("a", "b"), ("b", "a")] {
            let switchboard = switchboard(&["a", "b", "c"]);
            let passes = async {
                switchboard.passed_on("a", "c", Instant::now());
                tokio::task::yield_now().await;
                switchboard.passed_on(from, to, Instant::now());
            };
            tokio::join!(switchboard.offered("a", "b", LATE), passes);
            assert!(switchboard.state().waiting.is_empty());
        }
    }

    #[tokio::test]
    async fn one_offer_is_waited_for_once() {
        let switchboard = switchboard(&["a", "b"]);
        switchboard.passed_on("a", "b", Instant::now());
        switchboard.offered("a", "b", LATE).await;
        let again = switchboard.offered("a", "b", LATE);
        assert!(timeout(SOON, again).await.is_err());
    }

    #[tokio::test]
    async fn an_old_offer_is_another_calls() {
        let switchboard = switchboard(&["a", "b"]);
        let now = Instant::now();
        if let Some(long_ago) = now.checked_sub(RECENT) {
            switchboard.passed_on("a", "b", long_ago);
            let offered = switchboard.offered("a", "b", LATE);
            assert!(timeout(SOON, offered).await.is_err());
        }
    }

    #[tokio::test]
    async fn patience_has_an_end() {
        let switchboard = switchboard(&["a", "b"]);
        switchboard.offered("a", "b", SOON).await;
        assert!(switchboard.state().waiting.is_empty());
    }

    #[test]
    fn however_many_offers_there_are_memory_is_bounded() {
        let switchboard = switchboard(&[]);
        let now = Instant::now();
        for n in 0..MOST_OFFERS + 100 {
            switchboard.passed_on("a", &n.to_string(), now);
        }
        assert_eq!(switchboard.state().offers.len(), MOST_OFFERS);
        switchboard.passed_on("a", "b", now + RECENT);
        assert_eq!(switchboard.state().offers.len(), 1);
        assert_eq!(switchboard.state().order.len(), 1);
    }

    #[test]
    fn hanging_up_is_the_brokers() {
        let switchboard = switchboard(&["a"]);
        let party = |id: &str| (id.to_owned(), Client::Others);
        switchboard.hang_up(party("a"), Vec::new());
        let (told, heard) = std::sync::mpsc::channel();
        let told = Mutex::new(told);
        switchboard.on_hang_up(move |hang_up| told.lock().unwrap().send(hang_up).unwrap());
        switchboard.hang_up(party("a"), vec![party("b")]);
        let expected = HangUp {
            target: party("a"),
            mates: vec![party("b")],
        };
        assert_eq!(heard.try_recv().unwrap(), expected);
    }
}
