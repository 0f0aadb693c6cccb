//! What the commands say and how they end.

mod support;

use std::fs;

use serde_json::Value;
use support::{data, digits, digits_round, refusal, report, secagg};

fn simulate(args: &str) -> (Value, i32) {
    report(secagg("simulate").args(args.split_whitespace()))
}

fn stage<'a>(report: &'a Value, name: &str) -> &'a Value {
    let stages = report["stages"].as_array().expect("a list");
    stages.iter().find(|stage| stage["stage"] == name).expect("the stage was run")
}

#[test]
fn the_help_names_every_command_and_the_exit_codes() {
    let help = String::from_utf8(secagg("--help").output().expect("runs").stdout).expect("UTF-8");
    for part in ["round", "simulate", "Exit codes"] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }
}

#[test]
fn a_simulated_fleet_loses_clients_at_every_stage_and_finishes() {
    for at in ["setup", "share-keys", "collect-masked-vectors", "unmask"] {
        let (report, code) = simulate(&format!(
            "--clients 20 --parameters 50 --num-shares 11 --reconstruction-threshold 5 \
             --dropout 0.2 --dropout-stage {at} --check"
        ));
        assert_eq!(code, 0, "{report}");
        assert_eq!(stage(&report, at)["dropped"].as_array().map(Vec::len), Some(4), "{report}");
        let survivors = if at == "unmask" { 20 } else { 16 };
        assert_eq!(report["survivors"].as_array().map(Vec::len), Some(survivors));
        let (error, bound) = (&report["check"]["largest_error"], &report["check"]["bound"]);
        assert!(error.as_f64() <= bound.as_f64(), "{error} {bound}");
    }
}

#[test]
fn clients_vanish_at_several_stages_in_turn() {
    let (report, code) = simulate(
        "--clients 30 --parameters 50 --reconstruction-threshold 0.5 --dropout 0.2 \
         --dropout-stage setup,collect-masked-vectors,unmask --check",
    );
    assert_eq!(code, 0, "{report}");
    for (at, dropped) in
        [("setup", 2), ("share-keys", 0), ("collect-masked-vectors", 2), ("unmask", 2)]
    {
        assert_eq!(stage(&report, at)["dropped"].as_array().map(Vec::len), Some(dropped), "{at}");
    }
}

/// The flag goes before the variable, and either denies what it does not force.
#[test]
fn a_backend_is_forced_or_denied_by_a_flag_or_the_environment() {
    let fleet = ["--clients", "3", "--parameters", "10"];
    let with = |backend: &str, variable: &str| {
        let mut command = secagg("simulate");
        command.args(fleet).args(["--backend", backend]).env("SECAGG_BACKEND", variable);
        command
    };
    for good in ["portable", "no-avx512", "no-avx2,no-avx512,no-neon"] {
        assert_eq!(report(&mut with(good, "sse2")).1, 0, "{good}");
        assert_eq!(report(secagg("simulate").args(fleet).env("SECAGG_BACKEND", good)).1, 0);
    }
    assert!(refusal(&mut with("sse2", "portable")).contains("no such backend"));
    let none = refusal(secagg("simulate").args(fleet).env("SECAGG_BACKEND", "no-sse2"));
    assert!(none.contains("no such backend"), "{none}");
}

#[test]
fn the_same_seed_gives_the_same_round() {
    let run = |seed| simulate(&format!("--clients 5 --parameters 20 --check --seed {seed}")).0;
    assert_eq!(run(3)["check"], run(3)["check"]);
    assert_ne!(run(3)["check"], run(4)["check"]);
}

#[test]
fn a_round_below_its_threshold_fails_with_the_stage_and_the_numbers() {
    let (report, code) = simulate("--clients 10 --parameters 5 --dropout 0.5");
    assert_eq!((code, &report["outcome"]), (1, &Value::from("failed")));
    let reason = report["reason"].as_str().expect("a reason");
    for part in ["collect-masked-vectors", "5 clients", "8 are needed"] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn who_answers_past_the_timeout_is_a_drop_out() {
    let (report, code) = report(digits_round().args([
        "--timeout",
        "3",
        "--delay",
        "client_04@unmask=600",
        "--delay",
        "client_05@unmask=0.01",
    ]));
    assert_eq!(code, 0, "{report}");
    assert_eq!(stage(&report, "unmask")["dropped"], Value::from(vec!["client_04"]));
}

/// Late answers come on another thread, and what the server does for them is counted all the same.
#[test]
fn what_late_answers_cost_is_counted() {
    let mut round = digits_round();
    round.args(["--drop", "client_01@collect-masked-vectors"]);
    round.args(["--drop", "client_02@collect-masked-vectors"]);
    for client in 0..24 {
        round.args(["--delay", &format!("client_{client:02}@unmask=0.01")]);
    }
    let (report, code) = report(&mut round);
    assert_eq!(code, 0, "{report}");
    let unmask = &report["unmask"];
    assert!(unmask["masks_taken_off"].as_u64() > Some(0), "{unmask}");
    assert!(unmask["recover_seconds"].as_f64() > Some(0.0), "{unmask}");
    assert!(unmask["apply_seconds"].as_f64() > Some(0.0), "{unmask}");
}

#[test]
fn a_fleet_that_cannot_be_counted_is_refused() {
    for clients in ["4294967296", "-3"] {
        let said = refusal(secagg("simulate").args(["--clients", clients]));
        assert!(said.contains("is not in 0..=4294967295"), "{clients}: {said}");
    }
}

/// Each at work holds 16 GB: an allocation that fails would end the program without a word of what
/// to change.
#[test]
fn a_fleet_beyond_all_memory_is_refused() {
    let (fleet, many) =
        (["--clients", "1000", "--threads", "1000"], ["--parameters", "2000000000"]);
    let said = refusal(secagg("simulate").args(fleet).args(many));
    assert!(said.contains("GB of memory or more"), "{said}");
}

#[test]
fn a_terminal_is_not_told_what_to_do_by_names() {
    let said = refusal(secagg("round").arg("\u{1b}[31mred.npy"));
    assert!(said.contains("\\u001b[31mred.npy") && !said.contains('\u{1b}'), "{said}");
}

/// JSON lets a delete character stand as it is; what is printed for it must be JSON all the same.
#[test]
fn names_of_control_characters_are_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let odd = folder.path().join("odd\u{7f}.safetensors");
    fs::copy(&digits()[0], &odd).expect("a copy");
    let mut command = secagg("round");
    command.arg(&odd).args(&digits()[1..4]).args(["--drop", "odd\u{7f}@setup"]);
    let (report, _) = report(command.args(["--reconstruction-threshold", "2"]));
    assert_eq!(stage(&report, "setup")["dropped"][0], "odd\u{7f}");
}

#[test]
fn garbage_is_rejected_by_name_and_the_round_lives() {
    let (report, code) = report(digits_round().args(["--garbage", "client_07@setup"]));
    assert_eq!(code, 0, "{report}");
    assert_eq!(stage(&report, "setup")["rejected"][0]["client"], "client_07");
    assert_eq!(report["survivors"].as_array().map(Vec::len), Some(23));
}

#[test]
fn input_that_cannot_be_used_is_refused_with_what_to_change() {
    for (args, part) in [
        (vec!["--drop", "client_99@setup"], "no client \"client_99\""),
        (vec!["--drop", "client_01@lunch"], "no such stage"),
        (vec!["--reconstruction-threshold", "1"], "from 2 to 23"),
        (vec!["--reconstruction-threshold", "-3"], "a count such as 25"),
        (vec!["--reconstruction-threshold", "nan"], "a fraction such as 0.67"),
        (vec!["--modulus-range", "1000"], "power of two"),
        (vec!["--modulus-range", "2^20", "--quantization-range", "2^22"], "modulus"),
        (vec!["--modulus-range", "2^7"], "seven levels"),
        (vec!["--max-weight", "100"], "client_"),
        (vec!["--timeout", "-1"], "seconds above 0"),
        (vec!["--timeout", "0"], "seconds above 0"),
        (vec!["--threads", "0"], "--threads"),
        (vec!["--out", "mean.txt"], "mean.txt"),
        (vec!["--out", "/no/such/folder/mean.npz"], "cannot write"),
    ] {
        let said = refusal(digits_round().args(&args));
        assert!(said.contains(part), "{args:?}: {said}");
    }
}

/// A round over copies of three updates, so that nothing committed can be harmed.
#[test]
fn an_update_is_one_clients_and_is_never_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let copies: Vec<_> = digits()[..3]
        .iter()
        .map(|from| {
            let to = folder.path().join(from.file_name().expect("a name"));
            fs::copy(from, &to).expect("a copy");
            to
        })
        .collect();
    let twice = refusal(secagg("round").args(&copies).arg(&copies[0]));
    assert!(twice.contains("given twice"), "{twice}");
    let before = fs::read(&copies[1]).expect("a file");
    let over = refusal(secagg("round").args(&copies).arg("--out").arg(&copies[1]));
    assert!(over.contains("one of the updates"), "{over}");
    assert_eq!(fs::read(&copies[1]).expect("a file"), before);
}

#[test]
fn clipped_elements_and_a_threshold_of_all_shares_are_warned_about() {
    let mut command = secagg("round");
    let (report, code) = report(command.args(&digits()[..4]).args(["--clipping-range", "0.1"]));
    assert_eq!(code, 0, "{report}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("clipped") && warnings.contains("all shares"), "{warnings}");
}

#[test]
fn a_closed_pipe_is_no_fault() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = secagg("simulate").args(["--parameters", "5"]).stdout(writer).status();
    assert_eq!(status.expect("runs").code(), Some(0));
}

#[test]
fn a_mismatched_file_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let odd = folder.path().join("odd.safetensors");
    fs::copy(data("digits_test.safetensors"), &odd).expect("a copy");
    let said = refusal(secagg("round").args(&digits()[..3]).arg(&odd));
    assert!(said.contains("odd.safetensors") && said.contains("client_00"), "{said}");
}

#[test]
fn the_bench_measures_every_kernel_beside_its_ceiling() {
    let (bench, code) = report(
        secagg("bench")
            .args("--backend portable --rounds 1 --masks 2 --accumulator 1".split_whitespace()),
    );
    assert_eq!(code, 0, "{bench}");
    let measurements = bench["measurements"].as_array().expect("a list");
    for kernel in
        ["ceiling: AES rounds", "ceiling: add from memory", "mask", "server: unpack + add"]
    {
        let of = measurements.iter().filter(|measured| measured["kernel"] == kernel);
        let rates: Vec<_> = of.map(|measured| measured["bytes_per_second"].as_f64()).collect();
        assert!(!rates.is_empty() && rates.iter().all(|rate| *rate > Some(0.0)), "{kernel}");
    }
    let bounded = measurements.iter().filter(|measured| measured["of_ceiling"].is_number());
    assert!(bounded.count() >= 6, "{bench}");
}

/// If clients held their updates (2 MB) or messages (2 MB) all at once, 32 more would need over
/// 120 MB more.
#[test]
fn memory_does_not_grow_with_clients_times_parameters() {
    let peak = |clients: u32| {
        let args = "--parameters 500000 --num-shares 4 --threads 2";
        let (report, code) = simulate(&format!("{args} --clients {clients}"));
        assert_eq!(code, 0, "{report}");
        report["peak_memory_bytes"].as_u64()
    };
    let (Some(few), Some(many)) = (peak(8), peak(40)) else {
        println!("this system does not tell a process its peak memory: nothing was checked");
        return;
    };
    assert!(many < few + 30_000_000, "{few} bytes with 8 clients, {many} with 40");
}

/// The digits' weights reach 134.
#[test]
fn a_max_weight_far_above_the_weights_is_warned_of() {
    let warnings = |max_weight: &str| {
        let (report, _) = report(digits_round().args(["--max-weight", max_weight]));
        report["warnings"].to_string()
    };
    assert!(!warnings("1000").contains("times as precise"));
    let warned = warnings("2000");
    assert!(warned.contains("--max-weight 134 is 15 times as precise"), "{warned}");
}

/// The mean of 0, 1, 2 and 3 with weights of 1: exact enough, worth a warning, and noise.
#[test]
fn the_bound_is_said_warned_of_and_enforced() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("one.csv");
    let rows: Vec<_> = (0..24).map(|client| format!("client_{client:02},1")).collect();
    fs::write(&table, format!("client,weight\n{}\n", rows.join("\n"))).expect("a table");
    let round = |max_weight: &str| {
        let mut round = secagg("round");
        round.args(digits()).arg("--weights").arg(&table).args(["--max-weight", max_weight]);
        round
    };
    let (precise, _) = report(&mut round("9"));
    assert!(precise["error_bound"].as_f64().expect("a bound") < 1e-5);
    assert_eq!(precise["warnings"].to_string(), "[]");
    let (warned, _) = report(&mut round("1e6"));
    let bound = warned["error_bound"].as_f64().expect("a bound");
    assert!((0.08..8.0).contains(&bound), "{bound}");
    let warnings = warned["warnings"].to_string();
    // Other warnings speak of the weights, too.
    for part in ["elements of the mean may be off by", "lower --max-weight to"] {
        assert!(warnings.contains(part), "{part}: {warned}");
    }
    let output = round("1e8").arg("--json").output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let noise: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(noise["outcome"], "failed");
    assert!(noise["reason"].to_string().contains("set --modulus-range to 2^"), "{noise}");
}
