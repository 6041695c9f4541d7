//! Sockets that rest on a proof: entered when they open, ended when the proof ends.

use super::Policy;
use crate::access::account::{AccountRole, Standing};
use crate::access::cookie::seconds;
use crate::access::seats::{Basis, Farewell, Line, SeatTaken, SignIn};
use crate::error::{Error, Result};
use std::time::SystemTime;

/// Whoever has further sockets: of one joining, or of one sign-in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Joined([u8; 16]),
    Account(u64, [u8; 16]),
}

impl Policy {
    /// Remembers a socket as long as the answer is kept, if it rests on a proof; [`Policy::close_ended`]
    /// ends it when the proof does.
    ///
    /// Errors: 403 when the proof has ended since the request was judged.
    pub fn take_seat(&self, basis: Basis, line: Line) -> Result<Option<SeatTaken>> {
        if basis == Basis::default() {
            return Ok(None);
        }
        let seat = self.seats.take(basis, line);
        // Looked at only now: what ends from now on finds the socket among the others.
        if !self.counts(&basis, SystemTime::now()) {
            return Err(Error::Forbidden("the sign-in has ended".into()));
        }
        Ok(Some(seat))
    }

    /// Ends all sockets whose proof does not count any more. Called when something has been revoked,
    /// after that has come into effect.
    pub fn close_ended(&self) {
        self.close_ended_at(SystemTime::now());
    }

    /// The same for proofs that have run out by themselves; to be called again and again. Costs no more
    /// than a look while none has.
    pub fn close_expired(&self, now: SystemTime) {
        if self.seats.is_due(seconds(now)) {
            self.close_ended_at(now);
        }
    }

    fn close_ended_at(&self, now: SystemTime) {
        let lines = self.seats.without(|basis| self.counts(basis, now));
        if !lines.is_empty() {
            tracing::info!(
                sockets = lines.len(),
                "sockets are closed: what they were opened with has ended"
            );
            (self.hang_up)(lines, Farewell::Ended);
        }
    }

    /// Ends what somebody has open who has been removed and came with `proofs`: all sockets that were
    /// opened with the same joinings, or where there was none, with the same sign-in of a player's account.
    pub fn close_removed(&self, proofs: &[Basis]) {
        let holders: Vec<_> = proofs
            .iter()
            .filter_map(|proof| self.holder(proof))
            .collect();
        if holders.is_empty() {
            return;
        }
        let held = |basis: &Basis| self.holder(basis).is_some_and(|one| holders.contains(&one));
        let lines = self.seats.with(held);
        if !lines.is_empty() {
            tracing::info!(
                sockets = lines.len(),
                "all sockets of a removed member are closed"
            );
            (self.hang_up)(lines, Farewell::Removed);
        }
    }

    /// Nobody for the GM: who removes one of the own screens stays signed in.
    fn holder(&self, basis: &Basis) -> Option<Holder> {
        if let Some(grant) = &basis.joined {
            return Some(Holder::Joined(grant.member));
        }
        let Some(SignIn::Account(session)) = &basis.sign_in else {
            return None;
        };
        let standing = self.accounts.as_ref()?.standing(session);
        (standing == Standing::Good(AccountRole::Viewer))
            .then_some(Holder::Account(session.account, session.id))
    }

    fn counts(&self, basis: &Basis, now: SystemTime) -> bool {
        let gm = match &basis.sign_in {
            Some(SignIn::Account(session)) => {
                let accounts = self.accounts.as_ref();
                if !accounts.is_some_and(|accounts| accounts.counts(session, now)) {
                    return false;
                }
                None
            }
            Some(SignIn::Gm(session)) => Some(session),
            None => None,
        };
        self.passes.counts(gm, basis.joined.as_ref(), now)
    }
}
