//! The small types: names, ranges, and silence about secrets.

use std::collections::HashSet;

use secagg_kernels::{Backend, BackendError, InvalidModulus, MaskPlan, Modulus, Prg, Sign};

use crate::support::{modulus, seed};

#[test]
fn a_modulus_is_a_power_of_two_from_2_to_2_to_the_64() {
    for width in 1..=64 {
        let modulus = Modulus::from_width(width).unwrap();
        assert_eq!(modulus.range(), 1 << width);
        assert_eq!(u128::from(modulus.max_value()) + 1, 1 << width);
        assert_eq!(Modulus::from_range(1 << width), Ok(modulus));
    }
    for width in [0, 65, u32::MAX] {
        assert_eq!(Modulus::from_width(width), Err(InvalidModulus::Width(width)));
    }
    // Not a power of two; the powers just outside; and the largest of all.
    for range in [0, 1, 3, (1 << 32) - 1, 1 << 65, 1 << 127, u128::MAX] {
        assert_eq!(Modulus::from_range(range), Err(InvalidModulus::Range(range)));
    }
}

#[test]
fn packed_lengths_round_up_and_never_wrap() {
    assert_eq!(modulus(1).packed_len(0), 0);
    assert_eq!(modulus(1).packed_len(8), 1);
    assert_eq!(modulus(1).packed_len(9), 2);
    assert_eq!(modulus(20).packed_len(3), 8);
    assert_eq!(modulus(64).packed_len(5), 40);
    // More bytes than a slice can have.
    assert_eq!(modulus(64).packed_len(usize::MAX), usize::MAX);
    assert_eq!(modulus(8).packed_len(usize::MAX), usize::MAX);
}

#[test]
fn names_and_ids_are_read_back() {
    for backend in Backend::available() {
        assert_eq!(backend.to_string().parse(), Ok(backend));
    }
    for prg in Prg::ALL {
        assert_eq!(prg.to_string().parse(), Ok(prg));
        assert_eq!(Prg::from_id(prg.id()), Ok(prg));
    }
    assert_eq!(Prg::ALL.map(Prg::id), [1, 2, 3]); // frozen: they are on the wire
    assert!(Prg::from_id(0).is_err() && Prg::from_id(4).is_err());
    assert!("AES".parse::<Prg>().is_err());
    assert_eq!("".parse::<Backend>(), Err(BackendError::Unknown));
    assert!(Backend::available().any(|backend| backend == Backend::detect()));
    assert_eq!(Backend::available().collect::<HashSet<_>>().len(), Backend::available().count());
}

#[test]
fn backends_can_be_denied() {
    let fastest = Backend::detect();
    assert_eq!(Backend::detect_except(&[]), fastest);
    assert_eq!(
        Backend::detect_except(&Backend::available().collect::<Vec<_>>()),
        Backend::Portable
    );
    assert_eq!(
        "no-portable,no-avx2,no-avx512,no-neon".parse::<Backend>(),
        Err(BackendError::AllDenied)
    );
    assert_eq!("no-avx2,no-avx512,no-neon".parse(), Ok(Backend::Portable));
    for wrong in ["no-", "no-sse2", "no-avx2,avx512", "avx2,avx512", "no-avx2,", "avx"] {
        assert_eq!(wrong.parse::<Backend>(), Err(BackendError::Unknown), "{wrong}");
    }
    for denied in Backend::available() {
        let chosen: Result<Backend, _> = format!("no-{denied}").parse();
        assert!(chosen.is_ok_and(|chosen| chosen != denied) || denied == fastest, "{denied}");
    }
}

/// Where there is VAES, the backend of AES-NI is there beside it, so that both are tested.
#[test]
#[cfg(target_arch = "x86_64")]
fn avx2_is_there_with_and_without_vaes() {
    use secagg_kernels::Avx2;
    let names: Vec<_> = Backend::available().map(Backend::name).collect();
    assert_eq!(names.contains(&"avx2-aesni"), Avx2::detect_aesni().is_some());
    assert_eq!(names.contains(&"avx2"), Avx2::detect() != Avx2::detect_aesni());
    assert_eq!("avx2".parse().ok(), Avx2::detect().map(Backend::Avx2));
    assert!("no-avx2".parse::<Backend>().is_ok_and(|other| !other.name().contains("avx2")));
}

#[test]
fn debug_says_nothing_about_secrets() {
    assert_eq!(format!("{:?}", seed(1)), "Seed");
    let plan = MaskPlan::new(Prg::ChaCha20, &[(seed(1), Sign::Add)]);
    assert_eq!(format!("{plan:?}"), "MaskPlan { prg: ChaCha20, masks: 1 }");
}

#[test]
fn seeds_are_equal_when_their_bytes_are() {
    assert_eq!(seed(1), seed(1).clone());
    assert_ne!(seed(1), seed(2));
}
