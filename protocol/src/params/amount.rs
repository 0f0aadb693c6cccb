use core::fmt;
use core::str::FromStr;

use super::InvalidParams;

/// How many: a count, or a fraction of a total that is known later.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Exactly so many.
    Count(u32),
    /// The least count that is not below this fraction of the total; in (0, 1].
    Fraction(f64),
}

impl Amount {
    /// The count that this amount means out of `total`.
    ///
    /// # Errors
    /// [`InvalidParams::Fraction`] for a fraction outside (0, 1], NaN included.
    pub fn of(self, total: u32) -> Result<u32, InvalidParams> {
        match self {
            Self::Count(count) => Ok(count),
            Self::Fraction(fraction) if fraction > 0.0 && fraction <= 1.0 => {
                // 0.07 × 100 is a hair above 7 in binary; the slack keeps it from becoming 8.
                let exact = fraction * f64::from(total);
                Ok((exact - exact * 1e-12).ceil() as u32)
            }
            Self::Fraction(fraction) => Err(InvalidParams::Fraction(fraction)),
        }
    }
}

impl From<u32> for Amount {
    fn from(count: u32) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Amount {
    fn from(fraction: f64) -> Self {
        Self::Fraction(fraction)
    }
}

/// A text that is neither a count nor a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a count such as 25, or a fraction such as 0.67")]
pub struct InvalidAmount;

impl FromStr for Amount {
    type Err = InvalidAmount;

    /// Reads digits as a count and anything with a decimal point as a fraction, as the Flower
    /// framework does with ints and floats: `1` is one share, `1.0` is all of them.
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        if let Ok(count) = text.parse() {
            return Ok(Self::Count(count));
        }
        let fraction = text.parse().map_err(|_| InvalidAmount)?;
        if text.contains('.') { Ok(Self::Fraction(fraction)) } else { Err(InvalidAmount) }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Fraction(fraction) => write!(f, "{fraction:?}"),
        }
    }
}

/// Into how many levels the clipping range is quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantizationRange {
    /// Exactly so many levels, at least 2.
    Levels(u64),
    /// The largest number of levels that the modulus and the cohort allow.
    Auto,
}

impl From<u64> for QuantizationRange {
    fn from(levels: u64) -> Self {
        Self::Levels(levels)
    }
}

impl FromStr for QuantizationRange {
    type Err = core::num::ParseIntError;

    /// Reads `auto` or a number of levels.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::Levels) }
    }
}
