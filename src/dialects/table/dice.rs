//! Dice as people write them: `2d6+3`, `4d6kh3`, `2d20kh1`, `d%`, `3d6!`.
//!
//! ```text
//! expression   [+|-] term { (+|-) term }
//! term         number | [number] d (number | %) { ! | keep }
//! keep         (k | kh | kl | dh | dl) [number]      keep or drop the highest or lowest
//! ```
//!
//! Upper and lower case are the same, spaces may stand between the parts. `k` is `kh`; a count that
//! is left out is 1; `d%` has 100 sides. A die with `!` that shows its highest side is rolled once
//! more, and the new one counts as a die of its own, also for keeping and dropping. No roll has more
//! than [`MAX_DICE`] dice: when that is reached, nothing is rolled once more.

use serde::Serialize;
use std::cmp::Reverse;
use std::iter::Peekable;
use std::str::Chars;

/// Most characters of an expression.
pub const MAX_CHARS: usize = 100;
/// Most dice of a roll, those counted that `!` adds.
pub const MAX_DICE: u32 = 100;
/// Most sides of a die.
pub const MAX_SIDES: u32 = 1000;
/// Largest number that may be added or subtracted.
pub const MAX_NUMBER: u32 = 1_000_000;

/// Why an expression cannot be rolled: a sentence for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiceError {
    /// Nothing was written.
    #[error("write what to roll, such as 2d6+3")]
    Empty,
    /// More than [`MAX_CHARS`].
    #[error("a roll has at most {MAX_CHARS} characters")]
    TooLong,
    /// More than [`MAX_DICE`].
    #[error("a roll has at most {MAX_DICE} dice")]
    TooManyDice,
    /// `0d6`.
    #[error("there must be at least one die to roll")]
    NoDice,
    /// Too few or too many.
    #[error("a die has 2 to {MAX_SIDES} sides")]
    Sides,
    /// Above [`MAX_NUMBER`].
    #[error("numbers go up to {MAX_NUMBER}")]
    TooLarge,
    /// `kh0`.
    #[error("how many dice to keep or drop is a number from 1 to {MAX_DICE}")]
    Count,
    /// `4d6!!`, `4d6kh1dl1`.
    #[error("'!' and one of kh, kl, dh, dl may each stand once behind a die")]
    Twice,
    /// Something else stands where a part should.
    #[error("'{found}' was not expected there; write rolls like 2d6+3 or 4d6kh3")]
    Unexpected {
        /// The character.
        found: char,
    },
    /// A part is missing at the end.
    #[error("something is missing at the end; write rolls like 2d6+3 or 4d6kh3")]
    Unfinished,
}

/// An expression that can be rolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    minus: bool,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Number(u32),
    Dice(Dice),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Dice {
    count: u32,
    sides: u32,
    explodes: bool,
    keep: Option<Keep>,
}

/// Which dice count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keep {
    /// The chosen ones do not count, instead of only them.
    drops: bool,
    /// The highest are chosen, instead of the lowest.
    highest: bool,
    count: u32,
}

/// What came up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Roll {
    /// One group for each term with dice, in the order of the expression.
    pub dice: Vec<Group>,
    /// The sum. No larger than [`MAX_CHARS`] numbers of [`MAX_NUMBER`], so a browser's numbers hold it.
    pub total: i64,
}

/// The dice of one term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Sides of each.
    pub sides: u32,
    /// What they show, in the order in which they were rolled; behind one that exploded its next.
    pub values: Vec<u32>,
    /// For each value, at the same place, whether it counts.
    pub kept: Vec<bool>,
}

impl Expr {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, DiceError> {
        if text.chars().nth(MAX_CHARS).is_some() {
            return Err(DiceError::TooLong);
        }
        let mut parser = Parser(text.chars().peekable());
        if parser.peek().is_none() {
            return Err(DiceError::Empty);
        }
        let expr = parser.expression()?;
        let dice = expr
            .dice()
            .try_fold(0_u32, |sum, d| sum.checked_add(d.count));
        match dice {
            Some(dice) if dice <= MAX_DICE => Ok(expr),
            _ => Err(DiceError::TooManyDice),
        }
    }

    /// Rolls: `die(sides)` throws one die and gives 1 to `sides` (see [`os_die`]).
    pub fn roll(&self, die: &mut impl FnMut(u32) -> u32) -> Roll {
        let certain: u32 = self.dice().map(|dice| dice.count).sum();
        let mut extra = MAX_DICE.saturating_sub(certain);
        let mut roll = Roll {
            dice: Vec::new(),
            total: 0,
        };
        for term in &self.terms {
            let value = match &term.value {
                Value::Number(number) => i64::from(*number),
                Value::Dice(dice) => {
                    let group = dice.roll(&mut extra, die);
                    let sum = group.sum();
                    roll.dice.push(group);
                    sum
                }
            };
            roll.total += if term.minus { -value } else { value };
        }
        roll
    }

    fn dice(&self) -> impl Iterator<Item = &Dice> {
        self.terms.iter().filter_map(|term| match &term.value {
            Value::Dice(dice) => Some(dice),
            Value::Number(_) => None,
        })
    }
}

impl Dice {
    fn roll(&self, extra: &mut u32, die: &mut impl FnMut(u32) -> u32) -> Group {
        let mut values = Vec::new();
        for _ in 0..self.count {
            loop {
                let value = die(self.sides).clamp(1, self.sides);
                values.push(value);
                if !self.explodes || value < self.sides || *extra == 0 {
                    break;
                }
                *extra -= 1;
            }
        }
        Group {
            sides: self.sides,
            kept: self.kept(&values),
            values,
        }
    }

    /// Of equal dice the one that was rolled first is the higher one.
    fn kept(&self, values: &[u32]) -> Vec<bool> {
        let Some(keep) = self.keep else {
            return vec![true; values.len()];
        };
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by_key(|&at| Reverse(values[at]));
        if !keep.highest {
            order.reverse();
        }
        let mut kept = vec![keep.drops; values.len()];
        for at in order.into_iter().take(keep.count as usize) {
            kept[at] = !keep.drops;
        }
        kept
    }
}

impl Group {
    fn sum(&self) -> i64 {
        let counted = self.values.iter().zip(&self.kept);
        counted
            .filter(|(_, kept)| **kept)
            .map(|(value, _)| i64::from(*value))
            .sum()
    }
}

struct Parser<'a>(Peekable<Chars<'a>>);

impl Parser<'_> {
    fn expression(&mut self) -> Result<Expr, DiceError> {
        let mut minus = self.takes('-');
        if !minus {
            self.takes('+');
        }
        let mut terms = Vec::new();
        loop {
            let value = self.term()?;
            terms.push(Term { minus, value });
            if self.peek().is_none() {
                return Ok(Expr { terms });
            }
            minus = self.takes('-');
            if !minus && !self.takes('+') {
                return Err(self.unexpected());
            }
        }
    }

    fn term(&mut self) -> Result<Value, DiceError> {
        let number = self.number();
        if !self.takes('d') {
            return match number {
                Some(number) if number <= MAX_NUMBER => Ok(Value::Number(number)),
                Some(_) => Err(DiceError::TooLarge),
                None => Err(self.unexpected()),
            };
        }
        let mut dice = Dice {
            count: number.unwrap_or(1),
            sides: self.sides()?,
            explodes: false,
            keep: None,
        };
        if dice.count == 0 {
            return Err(DiceError::NoDice);
        }
        loop {
            if self.takes('!') {
                if std::mem::replace(&mut dice.explodes, true) {
                    return Err(DiceError::Twice);
                }
            } else if let Some(keep) = self.keep()? {
                if dice.keep.replace(keep).is_some() {
                    return Err(DiceError::Twice);
                }
            } else {
                return Ok(Value::Dice(dice));
            }
        }
    }

    fn sides(&mut self) -> Result<u32, DiceError> {
        if self.takes('%') {
            return Ok(100);
        }
        match self.number() {
            Some(sides) if (2..=MAX_SIDES).contains(&sides) => Ok(sides),
            Some(_) => Err(DiceError::Sides),
            None => Err(self.unexpected()),
        }
    }

    fn keep(&mut self) -> Result<Option<Keep>, DiceError> {
        let drops = if self.takes('k') {
            false
        } else if self.takes('d') {
            true
        } else {
            return Ok(None);
        };
        let highest = if self.takes('l') {
            false
        } else if self.takes('h') || !drops {
            true
        } else {
            return Err(self.unexpected());
        };
        let count = self.number().unwrap_or(1);
        if !(1..=MAX_DICE).contains(&count) {
            return Err(DiceError::Count);
        }
        Ok(Some(Keep {
            drops,
            highest,
            count,
        }))
    }

    /// Digits without spaces between them; a number that is too large for us is the largest.
    fn number(&mut self) -> Option<u32> {
        let mut number = self.peek()?.to_digit(10)?;
        self.0.next();
        while let Some(digit) = self.0.peek().and_then(|next| next.to_digit(10)) {
            number = number.saturating_mul(10).saturating_add(digit);
            self.0.next();
        }
        Some(number)
    }

    /// Takes the next character if it is this one.
    fn takes(&mut self, wanted: char) -> bool {
        let is_it = self.peek() == Some(wanted);
        if is_it {
            self.0.next();
        }
        is_it
    }

    /// The next character behind spaces, in lower case.
    fn peek(&mut self) -> Option<char> {
        while self.0.next_if(|next| next.is_whitespace()).is_some() {}
        self.0.peek().map(char::to_ascii_lowercase)
    }

    fn unexpected(&mut self) -> DiceError {
        match self.peek() {
            // Whatever it is, it will be shown.
            Some(found) if found.is_control() => DiceError::Unexpected { found: '\u{fffd}' },
            Some(found) => DiceError::Unexpected { found },
            None => DiceError::Unfinished,
        }
    }
}

/// Throws a die with the operating system's randomness, every side equally likely.
///
/// # Panics
///
/// When the operating system has no randomness to give, which no supported one does once it runs.
pub fn os_die(sides: u32) -> u32 {
    fair(sides, || {
        getrandom::u32().expect("the operating system gives randomness")
    })
}

/// 1 to `sides` from random bits: those that would make low sides likelier are thrown away.
fn fair(sides: u32, mut random: impl FnMut() -> u32) -> u32 {
    let sides = sides.max(1);
    let even = u32::MAX - u32::MAX % sides;
    loop {
        let bits = random();
        if bits < even {
            return bits % sides + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Expr, DiceError> {
        Expr::parse(text)
    }

    /// Rolls with dice that show these values in turn.
    fn roll(text: &str, values: &[u32]) -> Roll {
        let mut values = values.iter().copied();
        let roll = parse(text).unwrap().roll(&mut |_| values.next().unwrap());
        assert_eq!(values.next(), None, "{text}: too few dice were rolled");
        roll
    }

    #[test]
    fn expressions_mean_what_players_expect() {
        let rows: &[(&str, &[u32], i64)] = &[
            ("d20", &[17], 17),
            ("2d6+3", &[4, 5], 12),
            ("  2 D 6  +  3 ", &[4, 5], 12),
            ("1d8 - 1d4 + 2", &[6, 4], 4),
            ("-d4", &[3], -3),
            ("+5", &[], 5),
            ("d%", &[99], 99),
            ("3d%-50", &[1, 2, 3], -44),
            ("4d6kh3", &[1, 6, 3, 3], 12),
            ("4d6k3", &[1, 6, 3, 3], 12),
            ("4d6dl1", &[1, 6, 3, 3], 12),
            ("4d6dl", &[1, 6, 3, 3], 12),
            ("4d6dh2", &[1, 6, 3, 5], 4),
            ("2d20kh1", &[7, 15], 15),
            ("2d20KL", &[7, 15], 7),
            ("3d6!", &[6, 6, 2, 1, 5], 20),
            ("2d6!kh1 + d4", &[6, 1, 3, 2], 8),
            ("2d6kh1!", &[6, 1, 3], 6),
            ("2d6kh9", &[6, 1], 7),
            ("2d6dh9", &[6, 1], 0),
            ("007", &[], 7),
        ];
        for (text, values, total) in rows {
            assert_eq!(roll(text, values).total, *total, "{text}");
        }
    }

    #[test]
    fn a_roll_tells_which_dice_count() {
        let roll = roll("4d6kh3+1-2d4dl", &[3, 1, 3, 6, 2, 2]);
        let told = serde_json::to_value(&roll).unwrap();
        let expected = serde_json::json!({
            "dice": [
                {"sides": 6, "values": [3, 1, 3, 6], "kept": [true, false, true, true]},
                {"sides": 4, "values": [2, 2], "kept": [true, false]},
            ],
            "total": 11,
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn what_cannot_be_rolled_is_refused_with_a_reason() {
        let rows = [
            ("", DiceError::Empty),
            ("  \t ", DiceError::Empty),
            ("0d6", DiceError::NoDice),
            ("101d6", DiceError::TooManyDice),
            ("60d6+41d4", DiceError::TooManyDice),
            ("4294967295d6+4294967295d6", DiceError::TooManyDice),
            ("d1", DiceError::Sides),
            ("d0", DiceError::Sides),
            ("d1001", DiceError::Sides),
            ("d99999999999999999999", DiceError::Sides),
            ("1000001", DiceError::TooLarge),
            ("2d6kh0", DiceError::Count),
            ("2d6kh101", DiceError::Count),
            ("2d6!!", DiceError::Twice),
            ("2d6khkl", DiceError::Twice),
            ("2d", DiceError::Unfinished),
            ("2d6+", DiceError::Unfinished),
            ("2d6d", DiceError::Unfinished),
            ("2d6d1", DiceError::Unexpected { found: '1' }),
            ("1 0", DiceError::Unexpected { found: '0' }),
            ("2d6*2", DiceError::Unexpected { found: '*' }),
            ("2--1", DiceError::Unexpected { found: '-' }),
            ("fireball", DiceError::Unexpected { found: 'f' }),
            ("(d6)", DiceError::Unexpected { found: '(' }),
            ("\u{7}", DiceError::Unexpected { found: '\u{fffd}' }),
            ("2d6\0", DiceError::Unexpected { found: '\u{fffd}' }),
        ];
        for (text, error) in rows {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        assert_eq!(parse(&"1".repeat(101)), Err(DiceError::TooLong));
        assert!(parse(&format!("1{}", "+1".repeat(49))).is_ok());
    }

    #[test]
    fn explosions_end_when_all_dice_are_used_and_leave_the_later_ones_theirs() {
        let roll = parse("3d6!+40d4!+50d2").unwrap().roll(&mut |sides| sides);
        let counts: Vec<_> = roll.dice.iter().map(|group| group.values.len()).collect();
        assert_eq!(counts, [3 + 7, 40, 50]);
        let full = parse("100d1000!").unwrap().roll(&mut |sides| sides);
        assert_eq!(full.total, 100_000);
    }

    #[test]
    fn every_side_is_equally_likely() {
        // All 2^32 values cannot be tried; the ends of the range are where a bias would sit.
        for sides in [2, 3, 6, 7, 20, 100, 999, 1000] {
            let rest = u32::MAX % sides;
            let mut bits = (u32::MAX - rest..=u32::MAX).rev().chain([0]);
            let taken = fair(sides, || bits.next().unwrap());
            assert_eq!((taken, bits.next()), (1, None), "{sides}");
            let mut seen = vec![0; sides as usize];
            for bits in 0..sides * 5 {
                seen[fair(sides, || bits) as usize - 1] += 1;
            }
            assert!(seen.iter().all(|times| *times == 5), "{sides}");
        }
        assert_eq!(fair(0, || 5), 1);
    }

    #[test]
    fn the_operating_systems_die_has_all_its_sides() {
        let mut seen = [false; 6];
        // Missing one of them by chance is less likely than a lightning strike on this machine.
        for _ in 0..600 {
            seen[os_die(6) as usize - 1] = true;
        }
        assert_eq!(seen, [true; 6]);
    }

    fn term() -> impl Strategy<Value = String> {
        let count = prop_oneof![Just(String::new()), (1..=8_u32).prop_map(|n| n.to_string())];
        let sides = prop_oneof![
            Just("%".to_owned()),
            (2..=MAX_SIDES).prop_map(|n| n.to_string())
        ];
        let keep = "([kK]|[kKdD][hHlL])( ?[1-9])?";
        let behind = prop_oneof![
            Just(String::new()),
            Just("!".to_owned()),
            keep.prop_map(|k| k),
            keep.prop_map(|k| format!(" ! {k}")),
            keep.prop_map(|k| format!("{k} !")),
        ];
        prop_oneof![
            2 => (count, "[dD]", sides, behind).prop_map(|(n, d, s, b)| format!("{n}{d}{s}{b}")),
            1 => (0..=MAX_NUMBER).prop_map(|n| n.to_string()),
        ]
    }

    proptest! {
        #[test]
        fn every_valid_expression_is_rolled_within_its_range(
            sign in " ?[+-]? ?",
            first in term(),
            more in prop::collection::vec((" ?[+-] ?", term()), 0..5),
            seed: u32,
        ) {
            let mut text = sign + &first;
            for (operator, term) in more {
                text += &operator;
                text += &term;
            }
            prop_assume!(text.len() <= MAX_CHARS);
            let expr = parse(&text).unwrap();
            let mut bits = seed;
            let roll = expr.roll(&mut |sides| {
                bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Many highest sides, so that dice explode.
                if bits >> 30 == 0 { sides } else { (bits >> 8) % sides + 1 }
            });
            let dice: usize = roll.dice.iter().map(|group| group.values.len()).sum();
            prop_assert!(dice <= MAX_DICE as usize);
            prop_assert_eq!(roll.dice.len(), expr.dice().count());
            let (mut low, mut high) = (0, 0);
            let mut groups = roll.dice.iter();
            for term in &expr.terms {
                let (least, most) = match &term.value {
                    Value::Number(number) => (i64::from(*number), i64::from(*number)),
                    Value::Dice(dice) => {
                        let group = groups.next().unwrap();
                        prop_assert_eq!(group.values.len(), group.kept.len());
                        prop_assert!(group.values.iter().all(|v| (1..=dice.sides).contains(v)));
                        prop_assert!(group.values.len() >= dice.count as usize);
                        let kept = group.kept.iter().filter(|kept| **kept).count();
                        if let Some(keep) = dice.keep {
                            let chosen = (keep.count as usize).min(group.values.len());
                            let rest = group.values.len() - chosen;
                            prop_assert_eq!(kept, if keep.drops { rest } else { chosen });
                        }
                        (kept as i64, kept as i64 * i64::from(dice.sides))
                    }
                };
                low += if term.minus { -most } else { least };
                high += if term.minus { -least } else { most };
            }
            prop_assert!((low..=high).contains(&roll.total), "{low} {} {high}", roll.total);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,120}", close in "[0-9dDkhlKHL!%+ -]{0,100}") {
            for text in [text, close] {
                if let Ok(expr) = parse(&text) {
                    let _ = expr.roll(&mut |sides| sides);
                    let _ = expr.roll(&mut |_| u32::MAX);
                    let _ = expr.roll(&mut |_| 0);
                }
            }
        }
    }
}
