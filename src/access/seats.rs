//! Which proof each open socket was let in with, so that it ends when the proof does.

use super::account::Session;
use super::passes::{GmSession, Grant};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What somebody has proved to be let in. A socket that was opened with it ends with it, also where it
/// would have been let in without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Who has signed in.
    pub sign_in: Option<SignIn>,
    /// Which joining let it in.
    pub joined: Option<Grant>,
}

impl Basis {
    /// When it runs out by itself, in seconds since 1970.
    fn end(&self) -> Option<u64> {
        let sign_in = self.sign_in.map(|sign_in| match sign_in {
            SignIn::Account(session) => session.end(),
            SignIn::Gm(session) => session.until,
        });
        let joined = self.joined.map(|grant| grant.until);
        sign_in.into_iter().chain(joined).min()
    }
}

/// A sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// With an account.
    Account(Session),
    /// With the GM's password.
    Gm(GmSession),
}

/// Where a socket is to be found; whoever serves it knows what the numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The thread that serves it.
    pub worker: usize,
    /// Which one.
    pub conn: u64,
}

/// Why sockets are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// What they were opened with does not count any more.
    Ended,
    /// The GM has removed whoever they belong to.
    Removed,
}

/// One open socket.
struct Seat {
    basis: Basis,
    line: Line,
    /// It was to be ended, where it was then.
    ended: Option<Farewell>,
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
    seats: HashMap<u64, Seat>,
    /// When the first of them runs out, in seconds since 1970, or sooner: it may have gone.
    due: Option<u64>,
}

impl Seats {
    /// Remembers a socket until the answer is dropped.
    pub fn take(self: &Arc<Self>, basis: Basis, line: Line) -> SeatTaken {
        let mut taken = self.lock();
        let number = taken.next;
        taken.next += 1;
        taken.due = taken.due.into_iter().chain(basis.end()).min();
        let seat = Seat {
            basis,
            line,
            ended: None,
        };
        taken.seats.insert(number, seat);
        SeatTaken {
            of: self.clone(),
            number,
        }
    }

    /// The sockets whose proof does not count any more; they have [`Farewell::Ended`].
    pub fn without(&self, counts: impl Fn(&Basis) -> bool) -> Vec<Line> {
        let mut taken = self.lock();
        let (mut lines, mut due) = (Vec::new(), None);
        for seat in taken.seats.values_mut() {
            if counts(&seat.basis) {
                due = due.into_iter().chain(seat.basis.end()).min();
            } else {
                seat.ended = Some(Farewell::Ended);
                lines.push(seat.line);
            }
        }
        taken.due = due;
        lines
    }

    /// The sockets with such a proof; they have [`Farewell::Removed`].
    pub fn with(&self, is_such: impl Fn(&Basis) -> bool) -> Vec<Line> {
        let mut taken = self.lock();
        let seats = taken.seats.values_mut();
        let such = seats.filter(|seat| is_such(&seat.basis)).map(|seat| {
            seat.ended = Some(Farewell::Removed);
            seat.line
        });
        such.collect()
    }

    /// Whether a proof may have run out by itself since [`Seats::without`] was asked.
    pub fn is_due(&self, now: u64) -> bool {
        self.lock().due.is_some_and(|due| due <= now)
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

impl SeatTaken {
    /// The socket is to be found at `line` from now on. Errors: why it was to be ended before that.
    pub fn move_to(&self, line: Line) -> Result<(), Farewell> {
        let mut taken = self.of.lock();
        match taken.seats.get_mut(&self.number) {
            Some(seat) => {
                seat.line = line;
                seat.ended.map_or(Ok(()), Err)
            }
            None => Ok(()),
        }
    }
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
    use crate::access::Role;
    use crate::model::TableId;

    fn joined(generation: u64) -> Basis {
        Basis {
            joined: Some(Grant {
                table: TableId::MAIN,
                invited: true,
                role: Role::Player,
                member: [generation as u8; 16],
                generation,
                until: 1000 + generation,
            }),
            ..Basis::default()
        }
    }

    #[test]
    fn the_first_that_runs_out_is_due_until_it_was_looked_for() {
        let seats = Arc::new(Seats::default());
        let line = |conn| Line { worker: 0, conn };
        assert!(!seats.is_due(u64::MAX));
        let first = seats.take(joined(1), line(1));
        let _second = seats.take(joined(5), line(2));
        assert!(!seats.is_due(1000) && seats.is_due(1001));
        assert_eq!(seats.without(|basis| *basis != joined(1)), [line(1)]);
        assert!(!seats.is_due(1004) && seats.is_due(1005));
        drop(first);
        assert_eq!(seats.without(|_| true), []);
        assert!(!seats.is_due(1004) && seats.is_due(1005));
    }

    #[test]
    fn those_are_found_whose_proof_has_ended_while_they_are_there() {
        let seats = Arc::new(Seats::default());
        let line = |conn| Line { worker: 1, conn };
        let old = seats.take(joined(1), line(10));
        let _new = seats.take(joined(2), line(11));
        let gm = Basis {
            sign_in: Some(SignIn::Gm(GmSession {
                id: [1; 16],
                until: 1000,
            })),
            ..Basis::default()
        };
        let _gm = seats.take(gm, line(12));
        let ended = || seats.without(|basis| *basis != joined(1));
        assert_eq!(ended(), [line(10)]);
        assert_eq!(seats.with(|basis| *basis == joined(2)), [line(11)]);
        assert_eq!(seats.without(|_| true), []);
        drop(old);
        assert_eq!(ended(), []);
        assert_eq!(seats.without(|_| false).len(), 2);
    }

    #[test]
    fn whoever_is_ended_on_the_way_learns_it_on_arrival() {
        let seats = Arc::new(Seats::default());
        let line = |worker| Line { worker, conn: 7 };
        let [ended, removed, stays] = [1, 2, 3].map(|n| seats.take(joined(n), line(0)));
        seats.without(|basis| *basis != joined(1));
        seats.with(|basis| *basis == joined(2));
        assert_eq!(ended.move_to(line(1)), Err(Farewell::Ended));
        assert_eq!(removed.move_to(line(1)), Err(Farewell::Removed));
        assert_eq!(stays.move_to(line(1)), Ok(()));
        assert_eq!(seats.with(|basis| *basis == joined(3)), [line(1)]);
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
