//! Miri: an interpreter that sees undefined behaviour, on this machine and as others would run it.

use std::process::Command;

use crate::run::{output, root, shown};
use crate::{Failure, Outcome};

/// Some tests of a package. A word stands for all tests whose names have it in them.
struct Tests {
    package: &'static str,
    of: &'static [&'static str],
    words: &'static [&'static str],
}

/// What Miri ends in minutes: the memory that the kernels write and the ciphers of the portable backend, on few lanes; and of
/// the protocol what has no elliptic curve and not hundreds of cases.
const TESTS: [Tests; 3] = [
    Tests {
        package: "secagg-kernels",
        of: &["--lib"],
        words: &["memory::tests::a_tile", "memory::tests::the_least", "seeds_are_written"],
    },
    Tests {
        package: "secagg-kernels",
        of: &["--test", "kernels"],
        words: &["sp_800_38a", "rfc_8439", "rfc_10032", "are_refused", "an_empty_plan"],
    },
    Tests {
        package: "secagg",
        of: &["--lib"],
        words: &[
            "one_is_neutral",
            "every_set_of_threshold",
            "a_basis_without_any_two",
            "others_tell_a_holders_share",
            "ring_and_graph_agree",
            "what_is_sealed_opens",
            "redirected_boxes",
            "keys_belong_to_a_session",
        ],
    },
];

/// crossbeam, beneath rayon, makes pointers of integers and borrows more than Stacked Borrows allow; rayon's threads are
/// there to the end.
const FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-permissive-provenance \
    -Zmiri-ignore-leaks";

/// A nightly toolchain has Miri, and the standard library's source.
pub(crate) fn miri(target: &str) -> Outcome {
    let mut targets = Command::new("rustc");
    targets.args(["--print", "target-list"]);
    if !output(targets)?.lines().any(|known| known == target) {
        return Err(Failure::Usage(format!("Rust has no target {target}")));
    }
    TESTS.iter().try_for_each(|tests| tests.run(target))
}

impl Tests {
    fn run(&self, target: &str) -> Outcome {
        let mut command = Command::new("cargo");
        command.current_dir(root()).args(["+nightly", "miri", "test", "--target", target]);
        command.args(["--target-dir", "target/miri", "--package", self.package]);
        command.args(self.of).arg("--").args(self.words);
        command.env("MIRIFLAGS", FLAGS).env("PROPTEST_CASES", "2").env("RAYON_NUM_THREADS", "1");
        // Symbols of a backtrace would be looked for by the interpreted program.
        command.env("RUST_BACKTRACE", "0");
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
        self.judge(&shown(command)?)
    }

    /// A word that no test has is one that was renamed, and Miri then says that all is well.
    fn judge(&self, output: &str) -> Outcome {
        let passed: Vec<_> = output.lines().filter_map(passed).collect();
        let stale = |word: &&&str| !passed.iter().any(|name| name.contains(**word));
        match self.words.iter().find(stale) {
            None => Ok(()),
            Some(word) => {
                let reason = format!("{}: no test with {word} in its name passed", self.package);
                Err(Failure::Chore(reason))
            }
        }
    }
}

/// The name in a line such as `test shamir::tests::any ... ok`.
fn passed(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Tests = Tests { package: "some", of: &["--lib"], words: &["shamir", "ring"] };

    #[test]
    fn every_word_must_have_a_test_that_passed() {
        let (shamir, ring) = ("test shamir::tests::any ... ok", "test graph::tests::ring ... ok");
        assert_eq!(SOME.judge(&format!("{shamir}\n{ring}\ntest result: ok. 2 passed")), Ok(()));
        for other in [String::new(), shamir.into(), format!("{shamir}\n{ring} FAILED")] {
            assert!(matches!(SOME.judge(&other), Err(Failure::Chore(_))), "{other}");
        }
    }
}
