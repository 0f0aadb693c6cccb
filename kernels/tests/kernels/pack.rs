//! Packing against a model that moves one bit at a time.

use secagg_kernels::{Backend, Lane, PackError, pack};

use crate::support::{modulus, painted};

/// Bit j of lane i becomes bit i·b + j of the string.
fn slow_pack<L: Lane>(width: usize, lanes: &[L]) -> Vec<u8> {
    let mut bytes = vec![0; (lanes.len() * width).div_ceil(8)];
    for (i, lane) in lanes.iter().enumerate() {
        for j in 0..width {
            let at = i * width + j;
            bytes[at / 8] |= ((lane.to_u64() >> j & 1) as u8) << (at % 8);
        }
    }
    bytes
}

/// Around a group of eight, all lengths to several groups, and some groups of a whole tile.
fn lengths() -> impl Iterator<Item = usize> {
    (0..=70).chain([1000, 4095, 4096, 4103])
}

/// Painted lanes have bits above the width, which packing must cut off.
fn widths_round_trip<L: Lane>() {
    for (backend, width) in Backend::available().flat_map(|b| (1..=L::BITS).map(move |w| (b, w))) {
        let modulus = modulus(width);
        for len in lengths() {
            let lanes = painted::<L>(len);
            let mut bytes = vec![0xa5; 3];
            pack::append(backend, modulus, &lanes, &mut bytes).unwrap();
            assert_eq!(bytes[..3], [0xa5; 3]);
            let bytes = bytes.split_off(3);
            assert_eq!(bytes, slow_pack(width as usize, &lanes), "{width} {len}");

            let reduced: Vec<_> =
                lanes.iter().map(|lane| L::from_u64(lane.to_u64() & modulus.max_value())).collect();
            let mut unpacked = vec![L::from_u64(u64::MAX); len];
            pack::unpack(backend, modulus, &bytes, &mut unpacked).unwrap();
            assert_eq!(unpacked, reduced, "{width} {len}");

            let mut added = lanes.clone();
            pack::unpack_add(backend, modulus, &bytes, &mut added).unwrap();
            let expected: Vec<_> =
                lanes.iter().zip(&reduced).map(|(a, b)| a.wrapping_add(*b)).collect();
            assert_eq!(added, expected, "{width} {len}");
        }
    }
}

#[test]
fn every_width_round_trips_in_u16() {
    widths_round_trip::<u16>();
}

#[test]
fn every_width_round_trips_in_u32() {
    widths_round_trip::<u32>();
}

#[test]
fn every_width_round_trips_in_u64() {
    widths_round_trip::<u64>();
}

#[test]
fn set_padding_bits_are_refused_and_nothing_changes() {
    for width in 1..=32 {
        for len in 1..=9 {
            let used = len * width as usize % 8;
            for bit in (used..8).filter(|_| used > 0) {
                let mut bytes = vec![0; modulus(width).packed_len(len)];
                *bytes.last_mut().unwrap() |= 1 << bit;
                let mut lanes = painted::<u32>(len);
                let refused = Err(PackError::NonZeroPadding);
                assert_eq!(
                    pack::unpack(Backend::detect(), modulus(width), &bytes, &mut lanes),
                    refused
                );
                assert_eq!(
                    pack::unpack_add(Backend::detect(), modulus(width), &bytes, &mut lanes),
                    refused
                );
                assert_eq!(lanes, painted::<u32>(len));
            }
        }
    }
}

#[test]
fn wrong_lengths_are_refused_and_nothing_changes() {
    let modulus = modulus(20);
    for found in [0, 7, 9, 100] {
        let mut lanes = painted::<u32>(3);
        let refused = Err(PackError::Length { expected: 8, found });
        assert_eq!(pack::unpack(Backend::detect(), modulus, &vec![0; found], &mut lanes), refused);
        assert_eq!(
            pack::unpack_add(Backend::detect(), modulus, &vec![0; found], &mut lanes),
            refused
        );
        assert_eq!(pack::pack(Backend::detect(), modulus, &lanes, &mut vec![0; found]), refused);
        assert_eq!(lanes, painted::<u32>(3));
    }
}

#[test]
fn words_narrower_than_the_modulus_are_refused() {
    let refused = Err(PackError::LaneTooNarrow { lane_bits: 16, width: 17 });
    let mut out = vec![1, 2, 3];
    assert_eq!(pack::append(Backend::detect(), modulus(17), &[1_u16], &mut out), refused);
    assert_eq!(out, [1, 2, 3]);
    assert_eq!(pack::unpack(Backend::detect(), modulus(17), &out, &mut [1_u16]), refused);
}
