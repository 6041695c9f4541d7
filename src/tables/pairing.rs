//! Pairing a display: it shows a number, and the GM types the number in.
//!
//! A display has no keyboard worth the name, so it does not type the table's code. It asks for a
//! number and goes on asking; a cookie says which number is its own. Once the GM has confirmed the
//! number for a table, the display's next question is answered with that table.
//!
//! Nothing of it is kept across a restart: the display then gets another number.

use crate::access::{Client, random};
use crate::error::{Error, Result};
use crate::model::TableId;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// A number counts for so long, and a confirmation waits for so long to be fetched.
const EXPIRES: Duration = Duration::from_secs(10 * 60);
/// Displays that may wait at the same time.
pub const MAX_WAITING: usize = 100;
/// Of these from one address; then its oldest goes.
const MAX_PER_CLIENT: usize = 10;

/// Tells a waiting display from all others; only the display knows it.
pub type Ticket = [u8; 16];

/// What a display shows: six digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(u32);

impl Number {
    /// What the GM has typed; blanks do not count.
    pub fn parse(typed: &str) -> Option<Self> {
        let digits: String = typed
            .chars()
            .filter(|c| !c.is_whitespace())
            .take(7)
            .collect();
        let plain = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok().map(Self)).flatten()
    }

    fn random() -> Result<Self> {
        Ok(Self(u32::from_be_bytes(random()?) % 1_000_000))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// What a display is told.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Show this number and ask again, with this ticket.
    Waiting(Number, Ticket),
    /// The GM has confirmed: it belongs to this table.
    Confirmed(TableId),
}

struct Waiting {
    ticket: Ticket,
    number: Number,
    client: Client,
    since: Instant,
    confirmed: Option<TableId>,
    /// Whether its display was told that it is confirmed.
    told: bool,
}

/// The displays that wait, oldest first.
#[derive(Default)]
pub struct Pairing(Mutex<Vec<Waiting>>);

impl Pairing {
    /// A display asks; `ticket` is the one that it got before, if any, and `belongs` the table that it
    /// can prove to belong to already.
    ///
    /// Errors: `Unavailable` when too many wait.
    pub fn ask(
        &self,
        ticket: Option<Ticket>,
        belongs: Option<TableId>,
        client: Client,
        now: Instant,
    ) -> Result<Answer> {
        let mut waiting = self.waiting(now);
        let known = ticket.and_then(|ticket| {
            let same = |w: &Waiting| bool::from(w.ticket.ct_eq(&ticket));
            Some((ticket, waiting.iter().position(same)?))
        });
        if let Some((ticket, at)) = known {
            let known = &mut waiting[at];
            match known.confirmed {
                None => return Ok(Answer::Waiting(known.number, ticket)),
                // It has got its answer, and asks anew: it was removed, or wants another table.
                Some(table) if known.told && belongs == Some(table) => {
                    waiting.remove(at);
                }
                // Told as often as it asks: an answer may get lost.
                Some(table) => {
                    known.told = true;
                    return Ok(Answer::Confirmed(table));
                }
            }
        }
        let of_client = || waiting.iter().filter(|w| w.client == client).count();
        if of_client() >= MAX_PER_CLIENT
            && let Some(oldest) = waiting.iter().position(|w| w.client == client)
        {
            waiting.remove(oldest);
        }
        if waiting.len() >= MAX_WAITING {
            return Err(Error::Unavailable(
                "too many displays wait to be paired: try again in a few minutes".into(),
            ));
        }
        let number = loop {
            let number = Number::random()?;
            if waiting.iter().all(|w| w.number != number) {
                break number;
            }
        };
        let ticket = random()?;
        waiting.push(Waiting {
            ticket,
            number,
            client,
            since: now,
            confirmed: None,
            told: false,
        });
        Ok(Answer::Waiting(number, ticket))
    }

    /// The GM says that the display with this number belongs to `table`.
    ///
    /// Errors: `NotFound` when no display shows it (any more).
    pub fn confirm(&self, number: &str, table: TableId, now: Instant) -> Result<()> {
        let missing = || Error::NotFound("no display shows this number".into());
        let number = Number::parse(number).ok_or_else(missing)?;
        let mut waiting = self.waiting(now);
        let mut found = None;
        for one in waiting.iter_mut() {
            let same = one.number.0.ct_eq(&number.0);
            if bool::from(same) && one.confirmed.is_none() {
                found = Some(one);
            }
        }
        let found = found.ok_or_else(missing)?;
        found.confirmed = Some(table);
        found.since = now;
        Ok(())
    }

    /// The numbers that displays show and nobody has confirmed yet, the newest first, and for how long.
    pub fn list(&self, now: Instant) -> Vec<(Number, Duration)> {
        let waiting = self.waiting(now);
        let open = waiting.iter().rev().filter(|w| w.confirmed.is_none());
        open.map(|w| (w.number, now.saturating_duration_since(w.since)))
            .collect()
    }

    fn waiting(&self, now: Instant) -> MutexGuard<'_, Vec<Waiting>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|w| now.saturating_duration_since(w.since) < EXPIRES);
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TV: Client = Client::V4([192, 0, 2, 1]);

    fn number(answer: &Answer) -> (Number, Ticket) {
        match answer {
            Answer::Waiting(number, ticket) => (*number, *ticket),
            Answer::Confirmed(_) => panic!("it is confirmed"),
        }
    }

    #[test]
    fn a_display_waits_until_the_gm_confirms_its_number() {
        let (pairing, now) = (Pairing::default(), Instant::now());
        let (number, ticket) = number(&pairing.ask(None, None, TV, now).unwrap());
        assert_eq!(number.to_string().len(), 6);
        let again = pairing.ask(Some(ticket), None, TV, now).unwrap();
        assert_eq!(again, Answer::Waiting(number, ticket));
        for wrong in ["", "12345", "1234567", "abcdef", "１２３４５６"] {
            assert!(
                pairing.confirm(wrong, TableId::MAIN, now).is_err(),
                "{wrong}"
            );
        }
        assert_eq!(pairing.list(now), [(number, Duration::ZERO)]);
        let typed = format!(" {} {}", &number.to_string()[..3], &number.to_string()[3..]);
        pairing.confirm(&typed, TableId::MAIN, now).unwrap();
        assert!(pairing.confirm(&typed, TableId::MAIN, now).is_err());
        assert_eq!(pairing.list(now), []);
        for _ in 0..2 {
            let told = pairing.ask(Some(ticket), None, TV, now).unwrap();
            assert_eq!(told, Answer::Confirmed(TableId::MAIN));
        }
        // Somebody else who has no ticket, or a wrong one, learns nothing.
        assert!(matches!(
            pairing.ask(Some([0; 16]), None, TV, now).unwrap(),
            Answer::Waiting(..)
        ));
    }

    #[test]
    fn a_display_that_has_its_answer_and_asks_anew_gets_another_number() {
        let (pairing, now) = (Pairing::default(), Instant::now());
        let (first, ticket) = number(&pairing.ask(None, None, TV, now).unwrap());
        let main = Some(TableId::MAIN);
        pairing
            .confirm(&first.to_string(), TableId::MAIN, now)
            .unwrap();
        // It may have belonged to the table before; that is no answer to this question yet.
        let told = pairing.ask(Some(ticket), main, TV, now).unwrap();
        assert_eq!(told, Answer::Confirmed(TableId::MAIN));
        // The answer got lost.
        let told = pairing.ask(Some(ticket), None, TV, now).unwrap();
        assert_eq!(told, Answer::Confirmed(TableId::MAIN));
        let (_, other) = number(&pairing.ask(Some(ticket), main, TV, now).unwrap());
        assert_ne!(ticket, other);
    }

    #[test]
    fn numbers_run_out() {
        let (pairing, now) = (Pairing::default(), Instant::now());
        let (first, ticket) = number(&pairing.ask(None, None, TV, now).unwrap());
        let later = now + EXPIRES;
        assert!(
            pairing
                .confirm(&first.to_string(), TableId::MAIN, later)
                .is_err()
        );
        let (second, other) = number(&pairing.ask(Some(ticket), None, TV, later).unwrap());
        assert_ne!(ticket, other);
        pairing
            .confirm(&second.to_string(), TableId::MAIN, later)
            .unwrap();
        let told = pairing
            .ask(Some(other), None, TV, later + EXPIRES / 2)
            .unwrap();
        assert_eq!(told, Answer::Confirmed(TableId::MAIN));
    }

    #[test]
    fn nobody_fills_the_list_alone_and_it_is_never_longer_than_it_may_be() {
        let (pairing, now) = (Pairing::default(), Instant::now());
        let (_, first) = number(&pairing.ask(None, None, TV, now).unwrap());
        for _ in 0..MAX_WAITING {
            pairing.ask(None, None, TV, now).unwrap();
        }
        assert_eq!(pairing.waiting(now).len(), MAX_PER_CLIENT);
        let (_, another) = number(&pairing.ask(Some(first), None, TV, now).unwrap());
        assert_ne!(first, another);
        let neighbour = |n: u8| Client::V4([192, 0, 2, n]);
        for n in 2..2 + (MAX_WAITING - MAX_PER_CLIENT) as u8 {
            pairing.ask(None, None, neighbour(n), now).unwrap();
        }
        let refused = pairing.ask(None, None, neighbour(200), now);
        assert!(matches!(refused, Err(Error::Unavailable(_))));
        assert_eq!(pairing.waiting(now).len(), MAX_WAITING);
    }
}
