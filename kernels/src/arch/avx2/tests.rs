//! Where the CPU has VAES the backend never uses AES-NI, so that the tests of backends do not reach it. These do.

use super::AesNi;
use crate::arch::{Kernel, portable::Portable};
use crate::mask::Masks;
use crate::prg::{Aegis128X4Key, Aes128CtrKey, Key};
use crate::{Prg, Seed, Sign};

fn seed(number: u8) -> Seed {
    Seed::from_bytes(std::array::from_fn(|i| number.wrapping_mul(31).wrapping_add(i as u8)))
}

/// `None` where there is not even AES-NI, which `EXPECT_BACKENDS` turns into a failure of another test.
fn masks_differ(masks: &Masks, first_lane: u64, len: usize) -> Option<bool> {
    let apply = |kernel: &dyn Fn(&mut [u32])| {
        let mut lanes: Vec<u32> = (0..len as u32).map(|i| i % 251).collect();
        kernel(&mut lanes);
        lanes
    };
    let token = AesNi::detect()?;
    let ours = apply(&|lanes| token.apply_masks(masks, first_lane, lanes));
    Some(ours != apply(&|lanes| Portable.apply_masks(masks, first_lane, lanes)))
}

/// Around a group (128 bytes), a run of equal first rounds (4 KiB) and a tile of AEGIS (16 KiB).
#[test]
fn masks_are_those_of_the_portable_backend() {
    let signs = [(1, Sign::Add), (2, Sign::Subtract)];
    let aes = signs.map(|(number, sign)| (Aes128CtrKey::new(&seed(number)), sign));
    let aegis = signs.map(|(number, sign)| (Aegis128X4Key::new(&seed(number)), sign));
    for masks in [Masks::Aes128Ctr(aes.into()), Masks::Aegis128X4(aegis.into())] {
        for first_lane in [0, 1, 31, 32, 33, 1023, 1024, 4090, (1 << 32) - 5] {
            for len in [0, 1, 31, 32, 33, 1023, 1025, 4096, 5000] {
                assert_ne!(masks_differ(&masks, first_lane, len), Some(true), "{first_lane} {len}");
            }
        }
    }
}

#[test]
fn keystreams_are_those_of_the_portable_backend() {
    for (prg, start) in Prg::ALL.into_iter().flat_map(|prg| (0..300).map(move |at| (prg, at))) {
        let (key, mut ours, mut truth) = (Key::new(prg, &seed(3)), [0; 700], [0; 700]);
        let Some(token) = AesNi::detect() else { return };
        token.expand(&key, start, &mut ours);
        Portable.expand(&key, start, &mut truth);
        assert!(ours == truth, "{prg} from {start}");
    }
}
