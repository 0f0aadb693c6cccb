//! `secagg plan` as a user runs it.

mod support;

use std::process::Command;

use serde_json::Value;

use support::{refusal, report, secagg};

fn plan(clients: u32, parameters: u32, args: &[&str]) -> Command {
    let mut command = secagg("plan");
    command.args(["--clients", &clients.to_string(), "--parameters", &parameters.to_string()]);
    command.args(args);
    command
}

/// The report of a plan that is there.
fn planned(clients: u32, parameters: u32, args: &[&str]) -> Value {
    let (plan, code) = report(&mut plan(clients, parameters, args));
    assert_eq!(code, 0, "{plan}");
    plan
}

/// A round with the options that a plan printed.
fn simulated(plan: &Value, args: &[&str]) -> Value {
    let number = |value: &Value| value.as_u64().expect("a number").to_string();
    let mut command = secagg("simulate");
    command.args(["--clients", &number(&plan["assumptions"]["cohort_size"])]);
    command.args(["--parameters", &number(&plan["dimension"])]);
    let options = plan["options"].as_array().expect("options");
    command.args(options.iter().map(|option| option.as_str().expect("text"))).args(args);
    let (round, code) = report(&mut command);
    assert_eq!(code, 0, "{round}");
    round
}

fn work<'a>(plan: &'a Value, what: &str) -> &'a Value {
    let work = plan["work"].as_array().expect("work");
    work.iter().find(|work| work["what"] == what).expect("the work is listed")
}

#[test]
fn a_plan_names_the_reference_values_graph() {
    let plan = planned(10_000, 1000, &["--corrupted", "0.2", "--dropout", "0.2"]);
    let graph = &plan["graph"];
    assert_eq!((&graph["degree"], &graph["complete"]), (&168.into(), &false.into()));
    assert_eq!((&graph["threshold_min"], &graph["threshold_max"]), (&93.into(), &93.into()));
    assert_eq!(
        (&graph["corrupted_clients"], &graph["dropped_clients"]),
        (&2000.into(), &2000.into())
    );
    let args = ["--corrupted", "0.2", "--dropout", "0.2", "--threat-model", "active"];
    let active = planned(10_000, 1000, &args);
    assert_eq!(
        (&active["graph"]["degree"], &active["graph"]["threshold"]),
        (&934.into(), &658.into())
    );
}

#[test]
fn a_plan_says_what_it_assumes() {
    let active = ["--threat-model", "active"];
    for (args, rounds, search_bits, degree) in [
        (&[][..], 1, 40, 112),
        (&["--rounds", "1000"], 1000, 40, 114),
        (&["--search-bits", "0"], 1, 0, 92),
    ] {
        let args = [&active[..], args].concat();
        let found = planned(1000, 10, &args);
        let assumed = &found["assumptions"];
        assert_eq!(
            (&assumed["rounds"], &assumed["search_bits"]),
            (&rounds.into(), &search_bits.into())
        );
        assert_eq!(found["graph"]["degree"], degree);
        let output = plan(1000, 10, &args).output().expect("the program starts");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let rounds = if rounds == 1 { "in one round" } else { "in all 1000 rounds together" };
        let search = if search_bits == 0 {
            "No search is borne"
        } else {
            "may try 2^40 rings (--search-bits)"
        };
        for part in [rounds, search, "as the server chooses"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let curious = planned(1000, 10, &[]);
    assert_eq!(curious["assumptions"]["search_bits"], 0);
}

#[test]
fn a_plan_has_the_policy_of_a_client_that_assumes_the_same() {
    let args = ["--threat-model", "active", "--corrupted", "0.2", "--dropout", "0"];
    let more = ["--rounds", "50", "--security", "41", "--search-bits", "7", "--correctness", "20"];
    for (args, rust, python) in [
        (
            &args[..],
            "let assumptions = Assumptions::new(60, ThreatModel::ActiveServer);\n\
             let assumptions = Assumptions { corrupted: 0.2, dropout: 0.0, rounds: 1, ..assumptions };\n\
             let policy = Policy::assuming(assumptions)?;",
            "assumptions = Assumptions(60, corrupted=0.2, dropout=0.0, rounds=1, \
             threat_model=\"active\")\n\
             policy = Policy.assuming(assumptions)",
        ),
        (
            &more,
            "let assumptions = Assumptions::new(60, ThreatModel::HonestButCurious);\n\
             let assumptions = Assumptions { corrupted: 0.05, dropout: 0.1, rounds: 50, \
             security_bits: 41, search_bits: 7, correctness_bits: 20, ..assumptions };\n\
             let policy = Policy::assuming(assumptions)?;",
            "assumptions = Assumptions(60, corrupted=0.05, dropout=0.1, rounds=50, \
             security_bits=41, search_bits=7, correctness_bits=20, threat_model=\"curious\")\n\
             policy = Policy.assuming(assumptions)",
        ),
    ] {
        let found = planned(60, 10, args);
        assert_eq!(
            (&found["policy"]["rust"], &found["policy"]["python"]),
            (&rust.into(), &python.into())
        );
        let output = plan(60, 10, args).output().expect("the program starts");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        for line in rust.lines().chain(python.lines()) {
            assert!(text.lines().any(|found| found.trim_start() == line), "{line}: {text}");
        }
    }
}

#[test]
fn a_round_with_the_printed_options_bears_the_drop_outs_that_were_planned() {
    let plan = planned(40, 50, &["--dropout", "0.2"]);
    let round = simulated(&plan, &["--dropout", "0.2"]);
    assert_eq!(round["survivors"].as_array().map(Vec::len), Some(32));
    assert_eq!(round["parameters"]["num_shares"], plan["graph"]["degree"]);
    assert_eq!(round["parameters"]["reconstruction_threshold"], plan["graph"]["threshold"]);
}

#[test]
fn messages_are_as_long_as_planned() {
    for (threat_model, stages) in [("curious", 4), ("active", 5)] {
        let plan = planned(30, 100, &["--threat-model", threat_model]);
        assert_eq!(plan["graph"]["complete"], false);
        let round = simulated(&plan, &[]);
        let (planned, seen) = (plan["stages"].as_array(), round["stages"].as_array());
        let (planned, seen) = (planned.expect("stages"), seen.expect("stages"));
        assert_eq!((planned.len(), seen.len()), (stages, stages));
        for (planned, seen) in planned.iter().zip(seen) {
            assert_eq!(planned["stage"], seen["stage"]);
            assert_eq!(planned["up"], seen["bytes_up_per_client"], "{planned}");
            assert_eq!(planned["down"], seen["bytes_down_per_client"], "{planned}");
        }
    }
}

/// In the complete graph the number of masks is no estimate.
#[test]
fn a_round_takes_off_as_many_masks_as_planned() {
    let args = ["--corrupted", "0.23", "--dropout", "0.23", "--threat-model", "active"];
    let plan = planned(9, 50, &args);
    assert_eq!(plan["graph"]["complete"], true);
    assert!(!plan["options"].to_string().contains("num-shares"));
    let masks = simulated(&plan, &["--dropout", "0.23"])["unmask"]["masks"].as_u64();
    assert_eq!(work(&plan, "take off masks")["count"].as_f64(), Some(7.0 + 2.0 * 7.0));
    assert_eq!(masks, Some(21));
}

#[test]
fn a_mean_is_as_wrong_as_expected() {
    let args = ["--quantization-range", "2^16"];
    let first = planned(30, 20_000, &args);
    let round = simulated(&first, &["--check", "--dropout", "0.1"]);
    let survivors = round["survivors"].as_array().expect("survivors").len();
    assert_eq!(survivors, 27);
    let mean_weight = round["total_weight"].as_f64().expect("a weight") / survivors as f64;
    let mean_weight = mean_weight.to_string();
    let plan = planned(30, 20_000, &[&args[..], &["--mean-weight", &mean_weight]].concat());
    let expected = plan["quantization"]["expected_rms_error"].as_f64().expect("an error");
    let seen = round["check"]["rms_error"].as_f64().expect("an error");
    // 20,000 elements give the root mean square to about 1 %.
    assert!((seen / expected - 1.0).abs() < 0.05, "{seen:e} where {expected:e} is expected");
    let bound = plan["quantization"]["error_bound"].as_f64().expect("a bound");
    let checked = round["check"]["bound"].as_f64().expect("a bound");
    assert!((bound / checked - 1.0).abs() < 1e-6, "{bound:e} and {checked:e}");
}

#[test]
fn the_smallest_modulus_holds_the_cohort_and_a_given_one_takes_all_levels_it_has() {
    let chosen = |args: &[&str]| {
        let plan = planned(1000, 10, args);
        let quantization = &plan["quantization"];
        let of = |name: &str| quantization[name].as_u64().expect("a number");
        (of("modulus_bits"), of("quantization_range"))
    };
    assert_eq!(chosen(&[]), (32, 4_294_968));
    assert_eq!(chosen(&["--quantization-range", "2^23"]), (33, 1 << 23));
    // 1,000 · 8 is below 2^13; 1,000 · 9 is not, but below 2^14.
    assert_eq!(chosen(&["--quantization-range", "9"]), (13, 9));
    assert_eq!(chosen(&["--quantization-range", "10"]), (14, 10));
    assert_eq!(chosen(&["--modulus-range", "2^32"]), (32, 4_294_968));
    assert_eq!(chosen(&["--quantization-range", "auto"]), (32, 4_294_968));
    let both = ["--modulus-range", "2^40", "--quantization-range", "100"];
    assert_eq!(chosen(&both), (40, 100));
}

#[test]
fn a_million_clients_are_planned_for() {
    let plan = planned(1_000_000, 1_000_000, &["--dropout", "0.3", "--threat-model", "active"]);
    assert_eq!(plan["graph"]["complete"], false);
    let seconds = |work: &Value| work["core_seconds"].as_f64().expect("seconds");
    assert!(plan["work"].as_array().expect("work").iter().all(|work| seconds(work) > 0.0));
}

#[test]
fn tables_say_whether_the_graph_is_complete() {
    let text = |clients: u32| {
        let output = plan(clients, 10, &[]).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let (sparse, complete) = (text(100), text(3));
    assert!(sparse.contains("Sparse graph") && sparse.contains("--num-shares"), "{sparse}");
    assert!(
        complete.contains("Complete graph") && !complete.contains("--num-shares"),
        "{complete}"
    );
    for part in ["core-seconds", "share-keys", "expected (rms)", "secagg simulate"] {
        assert!(sparse.contains(part), "{part}: {sparse}");
    }
}

#[test]
fn what_cannot_be_planned_is_refused_with_what_to_change() {
    for (clients, args, part) in [
        (2, &[][..], "at least 3"),
        (100, &["--corrupted", "nan"], "from 0 to below 1"),
        (100, &["--corrupted", "-0.1"], "from 0 to below 1"),
        (100, &["--dropout", "1"], "from 0 to below 1"),
        (100, &["--dropout", "0.6", "--corrupted", "0.5"], "fewer drop-outs"),
        (100, &["--security", "0"], "from 1 to 256"),
        (100, &["--correctness", "1000"], "from 1 to 256"),
        (100, &["--search-bits", "257"], "from 0 to 256"),
        (100, &["--rounds", "0"], "at least 1"),
        (100, &["--threat-model", "evil"], "curious (0) and active (1)"),
        (100, &["--modulus-range", "1000"], "power of two"),
        (100, &["--modulus-range", "2^8", "--quantization-range", "2^10"], "modulus"),
        (5_000_000, &["--quantization-range", "2^48"], "2^64"),
        (100, &["--quantization-range", "1"], "from 7 to 2^48"),
        (100, &["--mean-weight", "0"], "--mean-weight"),
        (100, &["--mean-weight", "1001"], "--max-weight"),
        (100, &["--max-weight", "-1"], "-1"),
        (100, &["--clipping-range", "0"], "clipping range"),
    ] {
        let said = refusal(&mut plan(clients, 10, args));
        assert!(said.contains(part), "{clients} {args:?}: {said}");
    }
}
