//! Which proof each open socket was let in with, so that it ends when the proof does.

use super::account::Session;
use crate::model::TableId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What somebody has proved to be let in. A socket that was opened with it ends with it, also where it
/// would have been let in without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Who has signed in.
    pub sign_in: Option<SignIn>,
    /// Which table was joined, while its code was of which generation.
    pub joined: Option<(TableId, u64)>,
}

/// A sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// With an account.
    Account(Session),
    /// With the GM's password.
    Gm([u8; 16]),
}

/// Where a socket is to be found; whoever serves it knows what the numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The thread that serves it.
    pub worker: usize,
    /// Which one.
    pub conn: u64,
}

/// All open sockets that rest on a proof.
///
/// The lock is for a small map, held for a look.
#[derive(Default)]
pub(super) struct Seats {
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, (Basis, Line)>,
}

impl Seats {
    /// Remembers a socket until the answer is dropped.
    pub fn take(self: &Arc<Self>, basis: Basis, line: Line) -> SeatTaken {
        let mut taken = self.lock();
        let number = taken.next;
        taken.next += 1;
        taken.seats.insert(number, (basis, line));
        SeatTaken {
            of: self.clone(),
            number,
        }
    }

    /// The sockets whose proof does not count any more.
    pub fn without(&self, counts: impl Fn(&Basis) -> bool) -> Vec<Line> {
        let taken = self.lock();
        let ended = taken.seats.values().filter(|(basis, _)| !counts(basis));
        ended.map(|(_, line)| *line).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open socket that rests on a proof; forgotten when dropped.
pub struct SeatTaken {
    of: Arc<Seats>,
    number: u64,
}

impl Drop for SeatTaken {
    fn drop(&mut self) {
        let mut taken = self.of.lock();
        taken.seats.remove(&self.number);
        // What it grew to for a full house is not kept for an empty one.
        if taken.seats.capacity() > 64 && taken.seats.len() < taken.seats.capacity() / 8 {
            taken.seats.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_are_found_whose_proof_has_ended_while_they_are_there() {
        let seats = Arc::new(Seats::default());
        let line = |conn| Line { worker: 1, conn };
        let joined = |generation| Basis {
            joined: Some((TableId::MAIN, generation)),
            ..Basis::default()
        };
        let old = seats.take(joined(1), line(10));
        let _new = seats.take(joined(2), line(11));
        let gm = Basis {
            sign_in: Some(SignIn::Gm([1; 16])),
            ..Basis::default()
        };
        let _gm = seats.take(gm, line(12));
        let ended = || seats.without(|basis| *basis != joined(1));
        assert_eq!(ended(), [line(10)]);
        assert_eq!(seats.without(|_| true), []);
        drop(old);
        assert_eq!(ended(), []);
        assert_eq!(seats.without(|_| false).len(), 2);
    }

    #[test]
    fn an_empty_house_keeps_no_memory() {
        let seats = Arc::new(Seats::default());
        let many: Vec<_> = (0..10_000)
            .map(|conn| seats.take(Basis::default(), Line { worker: 0, conn }))
            .collect();
        drop(many);
        let taken = seats.lock();
        assert!(taken.seats.is_empty() && taken.seats.capacity() <= 64);
    }
}
