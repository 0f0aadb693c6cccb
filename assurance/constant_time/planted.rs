//! Leaks of the three kinds that there are. If valgrind sees nothing here, it sees nothing anywhere.

use std::hint::black_box;

use secagg_assurance::memcheck;

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
