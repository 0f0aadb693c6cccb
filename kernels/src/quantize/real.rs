//! The floats of updates and means.

use std::fmt::Debug;

/// A float type of updates and means: `f32` or `f64`. The trait is sealed.
pub trait Real: Sealed + Copy + Default + PartialEq + Debug + Send + Sync + 'static {
    /// The largest relative error of rounding to this type: 2^-24 or 2^-53.
    const UNIT_ROUNDOFF: f64;

    /// The largest finite number.
    const LARGEST: f64;

    /// The smallest number above zero.
    const SMALLEST: f64;

    /// The same number.
    fn to_f64(self) -> f64;

    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
}

pub(crate) use sealed::Sealed;

mod sealed {
    /// The bits of a float but for its sign: numbers in their order, with all that is not finite at the end.
    pub trait Sealed {
        type Magnitude: Ord + Copy + Default;

        const INFINITE: Self::Magnitude;

        fn magnitude(self) -> Self::Magnitude;

        fn from_magnitude(magnitude: Self::Magnitude) -> Self;
    }
}

macro_rules! real {
    ($float:ty, $bits:ty) => {
        impl Sealed for $float {
            type Magnitude = $bits;

            const INFINITE: $bits = <$float>::INFINITY.to_bits();

            #[inline(always)]
            fn magnitude(self) -> $bits {
                self.abs().to_bits()
            }

            #[inline(always)]
            fn from_magnitude(magnitude: $bits) -> Self {
                Self::from_bits(magnitude)
            }
        }

        impl Real for $float {
            // EPSILON is the distance from 1 to the next number, twice the error of rounding.
            const UNIT_ROUNDOFF: f64 = <$float>::EPSILON as f64 / 2.0;

            const LARGEST: f64 = <$float>::MAX as f64;

            const SMALLEST: f64 = <$float>::from_bits(1) as f64;

            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $float
            }
        }
    };
}

real!(f32, u32);
real!(f64, u64);
