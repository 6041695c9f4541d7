//! Where a table is: its epoch, and numbers of which none is ever given twice.

use std::fmt;

/// Numbers that are reserved on disk at a time, before the first of them is used.
pub const BLOCK: u64 = 4096;
/// With fewer left, the next block is asked for.
const LOW: u64 = BLOCK / 2;

/// The name of a table's past. Another one means that earlier numbers say nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub u64);

impl Epoch {
    /// A new one; never the one that no text names.
    pub fn random() -> Self {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        Self((high ^ low.rotate_left(17)).max(1))
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        plain
            .then(|| u64::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a number that a client remembers is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was given, and what it names is part of the present.
    Known,
    /// It was never given, or what it named went down with a crash.
    Lost,
}

/// The numbers of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The last number given.
    last: u64,
    /// Numbers up to this one are reserved on disk.
    reserved: u64,
    /// Ranges of numbers that may have been told to somebody and were lost, both ends included.
    lost: Vec<(u64, u64)>,
}

impl Numbering {
    /// As it was when `last` was given last; nothing is reserved.
    pub fn new(last: u64, lost: Vec<(u64, u64)>) -> Self {
        Self {
            last,
            reserved: last,
            lost,
        }
    }

    /// After a stop: `clean`, or in the middle of a reserved block, of which it is not known how
    /// much was used.
    pub fn recovered(last: u64, reserved: u64, mut lost: Vec<(u64, u64)>, clean: bool) -> Self {
        if clean || reserved <= last {
            return Self::new(last, lost);
        }
        match lost.last_mut() {
            // Several crashes in a row without a change between them are one hole.
            Some((_, end)) if *end == last => *end = reserved,
            _ => lost.push((last + 1, reserved)),
        }
        Self::new(reserved, lost)
    }

    /// The last number given.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The ranges that were lost.
    pub fn lost(&self) -> &[(u64, u64)] {
        &self.lost
    }

    /// Up to where the next block should be reserved, when it is time to.
    pub fn wants(&self) -> Option<u64> {
        (self.reserved - self.last < LOW).then_some(self.last + BLOCK)
    }

    /// Numbers up to `to` are reserved on disk.
    pub fn reserve(&mut self, to: u64) {
        self.reserved = self.reserved.max(to);
    }

    /// Only numbers up to `to` are reserved after all.
    pub fn unreserve(&mut self, to: u64) {
        self.reserved = to.max(self.last);
    }

    /// Up to where numbers are reserved.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Takes the number behind the last as given.
    pub fn advance(&mut self, to: u64) {
        debug_assert!(to > self.last && to <= self.reserved);
        self.last = to;
    }

    /// What `seq` is worth; zero is the beginning.
    pub fn standing(&self, seq: u64) -> Standing {
        let lost = self.lost.iter().any(|(a, b)| (*a..=*b).contains(&seq));
        if seq > self.last || lost {
            Standing::Lost
        } else {
            Standing::Known
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_epoch_reads_what_it_writes() {
        let epoch = Epoch::random();
        assert_eq!(Epoch::parse(&epoch.to_string()), Some(epoch));
        for bad in ["", "1", "+123456789abcdef", "zzzzzzzzzzzzzzzz"] {
            assert_eq!(Epoch::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_a_crash_took_is_never_given_again() {
        let mut numbers = Numbering::new(0, Vec::new());
        numbers.reserve(BLOCK);
        numbers.advance(1);
        numbers.advance(2);
        let after = Numbering::recovered(1, BLOCK, Vec::new(), false);
        assert_eq!((after.last(), after.reserved()), (BLOCK, BLOCK));
        assert_eq!(after.standing(1), Standing::Known);
        assert_eq!(after.standing(2), Standing::Lost);
        assert_eq!(after.standing(BLOCK), Standing::Lost);
        assert_eq!(after.standing(BLOCK + 1), Standing::Lost);
        let clean = Numbering::recovered(2, BLOCK, Vec::new(), true);
        assert_eq!((clean.last(), clean.lost()), (2, &[][..]));
    }

    proptest! {
        #[test]
        fn no_number_is_given_twice_whatever_crashes(runs in prop::collection::vec((0u64..9000, 0u64..100, any::<bool>()), 1..20)) {
            let mut given = std::collections::HashSet::new();
            let (mut last, mut reserved, mut lost) = (0, 0, Vec::new());
            let mut clean = true;
            for (used, journaled, stop) in runs {
                let mut numbers = Numbering::recovered(last, reserved, lost.clone(), clean);
                let mut kept = numbers.last();
                for n in 0..used {
                    if let Some(to) = numbers.wants() {
                        numbers.reserve(to);
                    }
                    let next = numbers.last() + 1;
                    numbers.advance(next);
                    prop_assert!(given.insert(next));
                    if stop || n < journaled {
                        kept = next;
                    }
                }
                (last, reserved, lost, clean) = (kept, numbers.reserved(), numbers.lost().to_vec(), stop);
            }
        }
    }
}
