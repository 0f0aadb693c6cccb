//! The gates: the only way from a token to code that is compiled for the CPU features it stands for.

/// Implements [`Kernel`](crate::arch::Kernel) for a token. Each method is one call into a function that has the features;
/// what it calls in turn is inlined into it and so compiled for them. What only this token does better than the portable backend
/// stands in braces.
macro_rules! gates {
    ($token:ty, $features:literal $(, { $($own:item)* })?) => {
        impl Kernel for $token {
            fn expand(self, key: &Key, first_byte: u64, out: &mut [u8]) {
                #[target_feature(enable = $features)]
                fn inside(token: $token, key: &Key, first_byte: u64, out: &mut [u8]) {
                    generic::expand(token, key, first_byte, out);
                }
                // SAFETY: the token exists only where all of these features were detected.
                unsafe { inside(self, key, first_byte, out) }
            }

            fn apply_masks<L: Lane>(self, masks: &Masks, first_lane: u64, tile: &mut [L]) {
                #[target_feature(enable = $features)]
                fn inside<L: Lane>(token: $token, masks: &Masks, first_lane: u64, tile: &mut [L]) {
                    generic::apply_masks(token, masks, first_lane, tile);
                }
                // SAFETY: the token exists only where all of these features were detected.
                unsafe { inside(self, masks, first_lane, tile) }
            }

            fn quantize<F: Real, L: Lane>(
                self,
                scale: &Scale,
                rounding: &Key,
                first_lane: u64,
                elements: &[F],
                lanes: &mut [L],
            ) -> Result<bool, usize> {
                #[target_feature(enable = $features)]
                fn inside<F: Real, L: Lane>(
                    token: $token,
                    scale: &Scale,
                    rounding: &Key,
                    first_lane: u64,
                    elements: &[F],
                    lanes: &mut [L],
                ) -> Result<bool, usize> {
                    generic::quantize(token, scale, rounding, first_lane, elements, lanes)
                }
                // SAFETY: the token exists only where all of these features were detected.
                unsafe { inside(self, scale, rounding, first_lane, elements, lanes) }
            }

            fn dequantize<F: Real, L: Lane>(
                self,
                unscale: &Unscale,
                sums: &[L],
                mean: &mut [F],
            ) -> Option<usize> {
                // SAFETY: the token exists only where all features of the loops were detected.
                unsafe { loops::dequantize(unscale, sums, mean) }
            }

            fn pack(self, width: u32, lanes: Lanes<'_>, out: &mut [u8]) {
                // SAFETY: the token exists only where all features of the loops were detected.
                unsafe { loops::pack(width, lanes, out) }
            }

            fn unpack(self, width: u32, bytes: &[u8], lanes: LanesMut<'_>) {
                // SAFETY: the token exists only where all features of the loops were detected.
                unsafe { loops::unpack(width, bytes, lanes) }
            }

            fn unpack_add(self, width: u32, bytes: &[u8], lanes: LanesMut<'_>) {
                // SAFETY: the token exists only where all features of the loops were detected.
                unsafe { loops::unpack_add(width, bytes, lanes) }
            }

            fn aes_rounds(self, bytes: u64) -> u64 {
                #[target_feature(enable = $features)]
                fn inside(token: $token, bytes: u64) -> u64 {
                    generic::aes_rounds(token, bytes)
                }
                // SAFETY: the token exists only where all of these features were detected.
                unsafe { inside(self, bytes) }
            }

            $($($own)*)?
        }
    };
}

/// Compiles the plain loops for some CPU features, in a module that [`gates!`] looks for.
macro_rules! loops {
    ($features:literal) => {
        mod loops {
            use crate::arch::generic;
            use crate::lane::{Lanes, LanesMut};
            use crate::quantize::Unscale;
            use crate::{Lane, Real};

            #[target_feature(enable = $features)]
            pub(super) fn dequantize<F: Real, L: Lane>(
                unscale: &Unscale,
                sums: &[L],
                mean: &mut [F],
            ) -> Option<usize> {
                generic::dequantize(*unscale, sums, mean)
            }

            #[target_feature(enable = $features)]
            pub(super) fn pack(width: u32, lanes: Lanes<'_>, out: &mut [u8]) {
                generic::pack(width, lanes, out);
            }

            #[target_feature(enable = $features)]
            pub(super) fn unpack(width: u32, bytes: &[u8], lanes: LanesMut<'_>) {
                generic::unpack(width, bytes, lanes);
            }

            #[target_feature(enable = $features)]
            pub(super) fn unpack_add(width: u32, bytes: &[u8], lanes: LanesMut<'_>) {
                generic::unpack_add(width, bytes, lanes);
            }
        }
    };
}

pub(crate) use {gates, loops};
