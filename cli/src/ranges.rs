//! `--clipping-range`: one for all tensors, and others by name.
//!
//! A round has one range, c. A tensor of range r travels multiplied by c / r, and its mean is
//! divided by that.

use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::error::CommandError;
use crate::files::{Layout, Pattern};
use crate::text::{number, quoted};

/// The range where none is given.
const DEFAULT: f64 = 8.0;

/// The ranges that the quantizer takes; those by name are held to the same.
pub(crate) const LIMITS: RangeInclusive<f64> = 1e-100..=1e100;

/// One `--clipping-range`: a number, or `NAME=NUMBER`.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeArg {
    /// The tensors it is for; all others, if there is none.
    pattern: Option<Pattern>,
    range: f64,
}

impl FromStr for RangeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) =
            text.rsplit_once('=').map_or((None, text), |(name, number)| (Some(name), number));
        let range: f64 = number.parse().map_err(|_| format!("{number:?} is not a number"))?;
        match name {
            None | Some("*") => Ok(Self { pattern: None, range }),
            Some(_) if !LIMITS.contains(&range) => {
                Err(format!("{number} is not a range: it must be from 1e-100 to 1e100"))
            }
            Some(name) => Ok(Self { pattern: Some(name.parse()?), range }),
        }
    }
}

/// The clipping range of each tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    rest: f64,
    named: Vec<(Pattern, f64)>,
}

impl Ranges {
    /// Of several patterns that match a name, the first one counts.
    ///
    /// # Errors
    /// [`CommandError::TwoRanges`] if two are given for the rest.
    pub fn new(args: &[RangeArg]) -> Result<Self, CommandError> {
        let mut rest = args.iter().filter(|it| it.pattern.is_none()).map(|it| it.range);
        if let (Some(first), Some(second)) = (rest.next(), rest.next()) {
            return Err(CommandError::TwoRanges { first, second });
        }
        let named = args.iter().filter_map(|it| Some((it.pattern.clone()?, it.range)));
        Ok(Self { rest: rest_of(args), named: named.collect() })
    }

    /// The range of all tensors that have none of their own: that of the round.
    pub fn rest(&self) -> f64 {
        self.rest
    }

    /// The range of a tensor.
    pub fn of(&self, tensor: &str) -> f64 {
        let own = self.named.iter().find(|(pattern, _)| pattern.matches(tensor));
        own.map_or(self.rest, |(_, range)| *range)
    }

    /// A pattern that matches no tensor.
    pub fn unmatched(&self, layout: &Layout) -> Option<&Pattern> {
        let matches =
            |pattern: &Pattern| layout.tensors().iter().any(|it| pattern.matches(&it.name));
        self.named.iter().map(|(pattern, _)| pattern).find(|pattern| !matches(pattern))
    }
}

/// The range for the rest.
pub(crate) fn rest_of(args: &[RangeArg]) -> f64 {
    args.iter().find(|it| it.pattern.is_none()).map_or(DEFAULT, |it| it.range)
}

/// Refuses ranges by name, where there are no names.
pub(crate) fn check_unnamed(args: &[RangeArg]) -> Result<(), CommandError> {
    let named = args.iter().find_map(|it| it.pattern.as_ref());
    let refused = |it: &Pattern| Err(CommandError::NamedRange { name: it.as_str().into() });
    named.map_or_else(|| Ranges::new(args).map(drop), refused)
}

/// The option that gives a tensor a range of its own, for a shell.
pub(crate) fn option(tensor: &str, range: f64) -> String {
    format!(
        "--clipping-range={}",
        quoted(&format!("{}={}", Pattern::naming(tensor), number(range)))
    )
}

/// The range to advise for elements up to this one, if there is one.
pub(crate) fn advised(largest: f64) -> Option<f64> {
    Some(rounded_up(largest)).filter(|range| LIMITS.contains(range))
}

/// The smallest number of two digits that is at least this one: a range to advise.
fn rounded_up(number: f64) -> f64 {
    let exact = format!("{number:.1e}").parse().unwrap_or(number);
    if exact >= number {
        return exact;
    }
    let digit = 10_f64.powf(number.log10().floor() - 1.0);
    format!("{:.1e}", exact + digit).parse().unwrap_or(number)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "numbers go through as they are")]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_matches_counts_and_the_plain_number_last() {
        let args = ["a.b=1", "4", "a.*=2e3", "x=y=3"].map(|it| it.parse().unwrap());
        let ranges = Ranges::new(&args).unwrap();
        let of = ["a.b", "a.c", "b", "x=y"].map(|name| ranges.of(name));
        assert_eq!(of, [1.0, 2000.0, 4.0, 3.0]);
        assert_eq!(Ranges::new(&args[..1]).unwrap().of("other"), DEFAULT);
        assert_eq!(Ranges::new(&["*=5".parse().unwrap()]).unwrap().of("other"), 5.0);
        let two = ["4", "*=5"].map(|it| it.parse().unwrap());
        assert!(Ranges::new(&two).is_err());
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in
            ["a", "a=", "a=b", "a=0", "a=-1", "a=inf", "a=NaN", "a=1e101", "a=1e-101", "[=1", ""]
        {
            assert!(text.parse::<RangeArg>().is_err(), "{text}");
        }
    }

    #[test]
    fn advice_has_two_digits_and_holds() {
        let advised = [36.7, 391.0, 0.00123, 8.0, 9.96, 1e300, 120.0].map(rounded_up);
        assert_eq!(advised, [37.0, 400.0, 0.0013, 8.0, 10.0, 1e300, 120.0]);
    }
}
