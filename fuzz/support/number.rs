//! Numbers as an input draws them.

use arbitrary::Arbitrary;

/// A number of levels.
#[derive(Arbitrary, Debug)]
pub enum Levels {
    /// Any.
    Any(u64),
    /// 2^bits, or next to it.
    Power { bits: u8, off: i8 },
}

/// Floats that mean something come up more often than among arbitrary bits.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Number {
    /// Any bits.
    Any(f64),
    /// A few sixteenths.
    Small(i16),
    /// Digits, and the power of ten that they are times of.
    Decimal(i16, i8),
    /// A part of one.
    Part(u32),
    /// The one or the other infinity.
    Infinite {
        /// Which.
        negative: bool,
    },
    /// No number.
    Nan,
}

impl Levels {
    /// The number.
    pub fn get(&self) -> u64 {
        match *self {
            Self::Any(levels) => levels,
            Self::Power { bits, off } => (1_u64 << (bits % 50)).saturating_add_signed(off.into()),
        }
    }
}

impl Number {
    /// The number.
    pub fn get(self) -> f64 {
        match self {
            Self::Any(x) => x,
            Self::Small(sixteenths) => f64::from(sixteenths) / 16.0,
            Self::Decimal(digits, exponent) => {
                f64::from(digits) * 10_f64.powi(i32::from(exponent) % 105)
            }
            Self::Part(part) => f64::from(part) / f64::from(u32::MAX),
            Self::Infinite { negative: true } => f64::NEG_INFINITY,
            Self::Infinite { negative: false } => f64::INFINITY,
            Self::Nan => f64::NAN,
        }
    }

    /// Small numbers and parts count in units of `range`, others as they are.
    pub fn within(self, range: f64) -> f64 {
        match self {
            Self::Small(_) | Self::Part(_) => self.get() * range,
            _ => self.get(),
        }
    }
}
