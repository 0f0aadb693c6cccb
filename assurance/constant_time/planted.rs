//! Leaks of the three kinds that there are, and one beneath a function that `public.supp` excuses, called and inlined. If
//! valgrind sees nothing here, it sees nothing anywhere.

use std::hint::black_box;

use secagg_assurance::memcheck;

use self::secagg_server_recover_secrets::Secrets;
use crate::Case;

pub(crate) fn cases() -> Vec<Case> {
    let planted = |name, leak: fn(&[u8; 32])| Case {
        leaks: true,
        ..Case::new(name, move || {
            let mut secret = [0x5b; 32];
            memcheck::conceal(&mut secret);
            leak(&secret);
            memcheck::disclose(&secret);
        })
    };
    vec![
        planted("planted: a branch on a bit", branch),
        planted("planted: an index into a table", index),
        planted("planted: a comparison that ends early", compare),
        planted("planted: the same, called by what is excused", Secrets::name_called),
        planted("planted: the same, inlined into it", Secrets::name_inlined),
        Case { leaks: false, ..planted("what is excused, by the same name", Secrets::name) },
    ]
}

fn branch(secret: &[u8; 32]) {
    if black_box(secret[3]) & 1 == 1 {
        one_way();
    } else {
        the_other();
    }
}

#[inline(never)]
fn one_way() {
    black_box(1);
}

#[inline(never)]
fn the_other() {
    black_box(2);
}

fn index(secret: &[u8; 32]) {
    let table: [u8; 256] = black_box([7; 256]);
    black_box(table[usize::from(secret[5])]);
}

fn compare(secret: &[u8; 32]) {
    if *secret == black_box([1; 32]) {
        one_way();
    }
}

/// Functions that are excused by their names, as one of the protocol is: for what they decide, and not for what decides in
/// what they call.
mod secagg_server_recover_secrets {
    use super::{black_box, one_way};

    pub(super) struct Secrets;

    impl Secrets {
        #[inline(never)]
        pub(super) fn name(secret: &[u8; 32]) {
            if black_box(secret[3]) & 1 == 1 {
                one_way();
            }
        }

        #[inline(never)]
        pub(super) fn name_called(secret: &[u8; 32]) {
            if equal_elsewhere(secret) {
                one_way();
            }
        }

        #[inline(never)]
        pub(super) fn name_inlined(secret: &[u8; 32]) {
            if equal(secret) {
                one_way();
            }
        }
    }

    #[inline(never)]
    fn equal_elsewhere(secret: &[u8; 32]) -> bool {
        equal(secret)
    }

    /// Byte by byte: the time tells how many are right.
    #[expect(
        clippy::inline_always,
        reason = "one of the plants is to be inlined, whatever its size"
    )]
    #[inline(always)]
    fn equal(secret: &[u8; 32]) -> bool {
        secret.iter().all(|byte| *byte == black_box(1))
    }
}
