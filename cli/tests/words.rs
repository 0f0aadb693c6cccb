//! Words of the program: names cannot forge its lines, arguments are named, errors are short, and
//! text fits the terminal.
#![cfg(unix)]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use support::{digits, digits_round, refusal, report, secagg};
use tempfile::TempDir;

/// Copies of the first updates under these names.
fn copies(names: &[&str]) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = |(from, name): (&PathBuf, &&str)| {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::copy(from, &to).expect("a copy");
        to
    };
    let paths = digits().iter().zip(names).map(copy).collect();
    (folder, paths)
}

#[test]
fn line_breaks_in_names_forge_no_lines() {
    let name = "a\nMean of 99, with a total weight of 1\u{202e}.safetensors";
    let (_folder, paths) = copies(&[name, "b.safetensors", "c.safetensors", "d.safetensors"]);
    let round = |fault: &str| {
        let mut round = secagg("round");
        let client = name.trim_end_matches(".safetensors");
        round.args(&paths).args([
            "--reconstruction-threshold",
            "2",
            fault,
            &format!("{client}@setup"),
        ]);
        round
    };
    for fault in ["--drop", "--garbage"] {
        let output = round(fault).output().expect("runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let forged = text.lines().filter(|line| line.starts_with("Mean of ")).collect::<Vec<_>>();
        let [mean] = forged[..] else { panic!("{text}") };
        assert!(
            mean.starts_with("Mean of 3 of 4 clients, with a total weight of 3000, each"),
            "{text}"
        );
        assert!(text.contains("a\\u000aMean of 99") && text.contains("\\u202e"), "{text}");
    }
    let (report, _) = report(&mut round("--drop"));
    let client = report["stages"][0]["dropped"][0].as_str();
    assert_eq!(client, Some(name.trim_end_matches(".safetensors")), "JSON has the name itself");
    let said = refusal(secagg("round").arg("no\nsecagg: done.npy"));
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn clients_of_one_name_are_refused() {
    let (folder, _) =
        copies(&["a.safetensors", "d/a.safetensors", "b.safetensors", "a.safetensors.safetensors"]);
    let mut round = secagg("round");
    round.args(["a.safetensors", "d/a.safetensors", "b.safetensors", "a.safetensors.safetensors"]);
    let said = refusal(round.current_dir(folder.path()));
    assert!(said.contains("would both be called \"a.safetensors\""), "{said}");
}

#[test]
fn an_argument_that_is_no_text_is_named() {
    for option in ["--drop", "--threads", "--max-weight", "--backend"] {
        let said = refusal(digits_round().arg(option).arg(OsStr::from_bytes(b"\xff\xfe@setup")));
        assert!(said.contains(option) && said.contains("\\xFF\\xFE@setup"), "{said}");
        let joined = [option.as_bytes(), b"=\xff"].concat();
        let said = refusal(digits_round().arg(OsStr::from_bytes(&joined)));
        assert!(said.contains(option), "{said}");
    }
    // A file may be called so, and the other argument is the one to be named.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(OsStr::from_bytes(b"\xff.safetensors"));
    if fs::copy(&digits()[0], &file).is_ok() {
        let said = refusal(digits_round().arg(&file).arg("--drop").arg(OsStr::from_bytes(b"\xfe")));
        assert!(said.contains("--drop \"\\xFE\""), "{said}");
        assert_eq!(report(secagg("round").arg(&file).args(&digits()[1..4])).1, 0);
    }
}

#[test]
fn numbers_below_zero_name_their_option() {
    for (command, options) in [
        (
            "plan",
            [
                "--modulus-range",
                "--security",
                "--correctness",
                "--parameters",
                "--clients",
                "--quantization-range",
            ],
        ),
        (
            "simulate",
            [
                "--modulus-range",
                "--parameters",
                "--seed",
                "--corrupted-neighbours",
                "--threads",
                "--quantization-range",
            ],
        ),
        ("bench", ["--masks", "--accumulator", "--rounds", "--masks", "--accumulator", "--rounds"]),
    ] {
        for option in options {
            let said = refusal(secagg(command).args([option, "-1"]));
            assert!(
                said.contains(option) && !said.contains("unexpected"),
                "{command} {option}: {said}"
            );
        }
    }
}

#[test]
fn what_cannot_be_printed_is_said() {
    let full = || File::options().write(true).open("/dev/full").expect("Linux has one");
    if !fs::exists("/dev/full").unwrap_or(false) {
        return println!("there is no device that is always full: nothing was checked");
    }
    for args in
        [&["--help"][..], &["--version"], &["round", "--help"], &["simulate", "--parameters", "5"]]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secagg"));
        let output =
            command.args(args).stdout(full()).stderr(Stdio::piped()).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("standard output"), "{args:?}: {said}");
    }
}

#[test]
fn every_help_says_what_the_exit_codes_mean() {
    for command in ["round", "simulate", "plan", "bench"] {
        let output = secagg(command).arg("--help").output().expect("runs");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(help.contains("Exit codes:") && help.contains("standard error"), "{help}");
    }
}

#[test]
fn errors_are_short_whatever_a_file_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, contents: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, contents).expect("written");
        path
    };
    let array = |shape: &str, value: f32| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let length = (header.len() as u32).to_le_bytes();
        [b"\x93NUMPY\x02\x00", &length[..], header.as_bytes(), &value.to_le_bytes()].concat()
    };
    let plain = file("plain.npy", &array("1,", 0.0));
    let deep = file("deep.npy", &array(&"1,".repeat(20_000), 0.0));
    let nan = file("nan.npy", &array(&"1,".repeat(20_000), f32::NAN));
    let name = "client,weight\n".to_owned() + &"x".repeat(100_000) + ",1\n";
    let table = file("long.csv", name.as_bytes());
    let safetensors = format!(
        "{{\"{}\":{{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}}}",
        "t".repeat(50_000)
    );
    let length = (safetensors.len() as u64).to_le_bytes();
    let long = file("long.safetensors", &[&length[..], safetensors.as_bytes(), b"x"].concat());
    let mut weighted = digits_round();
    for mut command in [
        secagg("round").args([&plain, &deep]).copied(),
        secagg("round").args([&nan, &plain]).copied(),
        secagg("round").args([&long, &plain]).copied(),
        weighted.arg("--weights").arg(&table).copied(),
    ] {
        let said = refusal(&mut command);
        assert!(said.len() < 1200, "{} bytes: {}", said.len(), &said[..600]);
    }
}

/// A command behind the reference that its builders give.
trait Copied {
    fn copied(&mut self) -> Command;
}

impl Copied for Command {
    fn copied(&mut self) -> Command {
        let mut command = Command::new(self.get_program());
        command.args(self.get_args());
        command
    }
}

#[test]
fn python_has_no_false_in_small_letters() {
    let folder = tempfile::tempdir().expect("a folder");
    for (word, fine) in
        [("False", true), ("false", false), ("true", false), ("'False'", false), ("0", false)]
    {
        let text = format!("{{'descr': '<f4', 'fortran_order': {word}, 'shape': (1,), }}");
        let header = format!("{text:<117}\n");
        let path = folder.path().join("x.npy");
        fs::write(&path, [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), &[0; 4]].concat())
            .expect("written");
        assert_eq!(secagg_cli::files::read(&path).is_ok(), fine, "{word}");
    }
}

#[test]
fn a_pipe_that_nobody_writes_to_is_not_waited_for_and_a_slow_one_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("weights.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("runs").success());
    let round = || {
        let mut round = secagg("round");
        round
            .args(&digits()[..3])
            .args(["--reconstruction-threshold", "2", "--weights"])
            .arg(&pipe);
        round
    };
    let start = Instant::now();
    let said = refusal(&mut round());
    assert!(said.contains("nobody has written to it") && start.elapsed().as_secs() < 60, "{said}");
    let table = "(sleep 1; echo client,weight; sleep 1; echo client_00,1; echo client_01,2; echo client_02,3) > \"$1\"";
    let mut writer =
        Command::new("sh").args(["-c", table, "sh"]).arg(&pipe).spawn().expect("starts");
    let (report, code) = report(&mut round());
    assert_eq!((code, report["total_weight"].as_f64()), (0, Some(6.0)));
    assert!(writer.wait().expect("ends").success());
}

#[test]
fn text_fits_a_narrow_terminal() {
    for columns in [20, 40, 80] {
        for args in
            ["simulate --clients 5 --parameters 10 --check", "plan --clients 100 --parameters 1000"]
        {
            let mut command = Command::new(env!("CARGO_BIN_EXE_secagg"));
            command.args(args.split_whitespace()).env("COLUMNS", columns.to_string());
            let text = String::from_utf8(command.output().expect("runs").stdout).expect("UTF-8");
            let too_long =
                |line: &&str| line.chars().count() > columns && line.trim().contains(' ');
            let long: Vec<_> = text.lines().filter(too_long).collect();
            assert!(long.is_empty(), "{columns} columns: {long:#?}");
        }
    }
}
