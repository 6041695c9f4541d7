//! 64 bytes of JSON at once, as sets of bits: which of them are brackets, and which stand in strings.
//!
//! The way of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019, section 3.1),
//! for text that passed the scan.

use std::mem::take;
use wide::u8x16;

/// Bytes looked at together, one for each bit of a set.
pub(super) const BLOCK: usize = 64;

/// Where the brackets of a block are that stand in no string; the lowest bit is the first byte.
pub(super) struct Brackets {
    /// `{` and `[`
    pub open: u64,
    /// `}` and `]`
    pub close: u64,
}

/// Reads one block after the other, from a place that is in no string.
#[derive(Default)]
pub(super) struct Blocks {
    /// 1 when the first byte of the next block is escaped.
    escaped: u64,
    /// All ones when the next block begins in a string.
    in_string: u64,
}

impl Blocks {
    /// The brackets of the next block.
    #[inline]
    pub fn brackets(&mut self, block: &[u8; BLOCK]) -> Brackets {
        let lanes = Lanes::of(block);
        let quotes = lanes.equal(b'"') & !self.escaped_in(lanes.equal(b'\\'));
        // Each quote turns over all that is behind it: ones from the opening one to before the closing one.
        let mut strings = quotes;
        for by in [1, 2, 4, 8, 16, 32] {
            strings ^= strings << by;
        }
        strings ^= self.in_string;
        self.in_string = if strings >> 63 == 1 { u64::MAX } else { 0 };
        // Square and curly brackets differ by this bit, and no other character is told from them by it alone.
        let lanes = lanes.with(0x20);
        Brackets {
            open: lanes.equal(b'{') & !strings,
            close: lanes.equal(b'}') & !strings,
        }
    }

    /// The bytes that stand behind a backslash which is not escaped itself.
    #[inline]
    fn escaped_in(&mut self, backslashes: u64) -> u64 {
        if backslashes == 0 {
            return take(&mut self.escaped);
        }
        let mut escaped = self.escaped;
        // From the first of a row on, every other one escapes what follows it.
        let mut left = backslashes & !escaped;
        self.escaped = 0;
        while left != 0 {
            let at = left.trailing_zeros();
            if at == 63 {
                self.escaped = 1;
                break;
            }
            escaped |= 2 << at;
            left &= !(3 << at);
        }
        escaped
    }
}

/// A block in four parts, as large as every machine has them.
struct Lanes([u8x16; 4]);

impl Lanes {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let (parts, _) = block.as_chunks::<16>();
        Self(std::array::from_fn(|nth| u8x16::from(parts[nth])))
    }

    /// The bytes that are `byte`.
    #[inline]
    fn equal(&self, byte: u8) -> u64 {
        let wanted = u8x16::splat(byte);
        let parts = self.0.iter().rev();
        parts.fold(0, |set, part| {
            let found = part.simd_eq(wanted).to_bitmask();
            set << 16 | u64::from(found) & 0xFFFF
        })
    }

    /// The same with a bit set in all bytes.
    #[inline]
    fn with(self, bit: u8) -> Self {
        Self(self.0.map(|part| part | u8x16::splat(bit)))
    }
}
