//! Limits of memory, threads and descriptors: the program does its work or says what is missing. It
//! never panics, aborts or waits for ever.
#![cfg(target_os = "linux")]

mod support;

use std::process::{Command, Output};

use support::{data, digits_round, limited, refusal, secagg};

/// Done, or refused in one line.
fn is_orderly(what: &str, output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => true,
        Some(2) => said.lines().count() == 1 && said.starts_with("secagg: "),
        _ => {
            println!("{what}: {:?}: {said}", output.status);
            false
        }
    }
}

fn simulate(args: &str) -> Command {
    let mut command = secagg("simulate");
    command.args(args.split_whitespace());
    command
}

fn plan() -> Command {
    let mut command = secagg("plan");
    command.args(["--clients", "100", "--parameters", "1000000"]);
    command
}

fn bench(accumulator: &str) -> Command {
    let mut command = secagg("bench");
    command.args([
        "--rounds",
        "1",
        "--masks",
        "1",
        "--backend",
        "portable",
        "--accumulator",
        accumulator,
    ]);
    command
}

#[test]
fn little_memory_is_refused_in_words_or_enough() {
    for megabytes in [16, 24, 32, 48, 64, 96, 128, 192, 256, 300, 384, 512] {
        let limit = format!("-v {}", megabytes * 1024);
        let commands: [(&str, Command); 5] = [
            ("small", simulate("--clients 8 --parameters 1000")),
            ("long", simulate("--clients 8 --parameters 2000000 --threads 2 --check")),
            ("wide", simulate("--clients 1000 --num-shares 4 --parameters 10 --threads 1000")),
            ("files", digits_round()),
            ("bench", bench("64")),
        ];
        for (name, mut command) in commands {
            let output = limited(&limit, &mut command).output().expect("runs");
            assert!(is_orderly(&format!("{name} in {megabytes} MB"), &output));
        }
    }
    for megabytes in [32, 128, 256] {
        let output =
            limited(&format!("-v {}", megabytes * 1024), &mut plan()).output().expect("runs");
        assert!(is_orderly(&format!("plan in {megabytes} MB"), &output));
    }
}

#[test]
fn enough_memory_is_enough() {
    for (megabytes, mut command) in [
        (256, simulate("--clients 8 --parameters 1000 --threads 2")),
        (1024, simulate("--clients 8 --parameters 2000000 --threads 2 --check")),
    ] {
        let output =
            limited(&format!("-v {}", megabytes * 1024), &mut command).output().expect("runs");
        assert!(
            output.status.success(),
            "{megabytes}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn as_many_threads_as_the_environment_asks_for_or_words() {
    for (asked, part) in [
        ("1025", "at most 1024 threads"),
        ("100000", "at most 1024 threads"),
        ("99999999999", "at most 1024 threads"),
        ("99999999999999999999999999", "at most 1024 threads"),
    ] {
        for mut command in
            [simulate("--clients 8 --parameters 10"), digits_round(), plan(), bench("1")]
        {
            let said = refusal(command.env("RAYON_NUM_THREADS", asked));
            assert!(said.contains("RAYON_NUM_THREADS") && said.contains(part), "{asked}: {said}");
        }
    }
    for fine in ["", "0", "1", "many", "1000"] {
        let mut command = simulate("--clients 8 --parameters 10");
        let output = command.env("RAYON_NUM_THREADS", fine).output().expect("runs");
        assert!(output.status.success(), "{fine}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for mut command in [simulate("--clients 8 --parameters 10"), digits_round(), plan(), bench("1")]
    {
        let said = refusal(limited("-v 262144", &mut command).env("RAYON_NUM_THREADS", "1000"));
        assert!(said.contains("cannot start 1000 threads"), "{said}");
    }
}

#[test]
fn few_descriptors_are_refused_in_words() {
    for descriptors in 3..12 {
        let output =
            limited(&format!("-n {descriptors}"), &mut digits_round()).output().expect("runs");
        // Below that not even the libraries of the program are loaded.
        let loaded = output.status.code() != Some(127);
        assert!(!loaded || is_orderly(&format!("{descriptors} descriptors"), &output));
    }
}

/// In binary64, an element takes twice as much as in binary32; either way, a file is no transport.
#[test]
fn updates_beyond_memory_are_refused_as_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let header = std::fs::read(data("files/number.npy")).expect("a file");
    let round = |megabytes: u32, elements: u64| {
        let mut round = secagg("round");
        for name in ["a.npy", "b.npy", "c.npy"] {
            let text =
                format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({elements},), }}");
            let start =
                [&header[..6], &[1, 0, 118, 0], format!("{text:<117}\n").as_bytes()].concat();
            std::fs::write(folder.path().join(name), start).expect("written");
            let file = std::fs::File::options().write(true).open(folder.path().join(name));
            file.expect("a file").set_len(128 + 8 * elements).expect("a sparse file");
            round.arg(folder.path().join(name));
        }
        round.args(["--reconstruction-threshold", "2", "--threads", "2"]);
        limited(&format!("-v {}", megabytes * 1024), &mut round)
    };
    for megabytes in (96..512).step_by(32) {
        let output = round(megabytes, 2_000_000).output().expect("runs");
        assert!(is_orderly(&format!("{megabytes} MB"), &output));
    }
    // The first file alone takes more, and is not read.
    let said = refusal(&mut round(256, 40_000_000));
    assert!(said.contains("has shape [40000000], more than this machine can hold"), "{said}");
}
