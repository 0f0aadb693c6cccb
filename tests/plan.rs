//! The parameter finder against reference values, against the tables of the specification, and its
//! sizes of messages against those of real rounds.

use secagg::plan::{Assumptions, Plan, StageBytes, bytes_per_client};
use secagg::{
    Client, ClientId, Loopback, Params, ParamsBuilder, SessionId, Stage, StageReport, ThreatModel,
    Workflow,
};

const REFERENCE: &str = include_str!("data/graph_parameters.csv");
const PAGE: &str = include_str!("../docs/protocol.md");

/// What a row of the reference values asks for.
fn assumptions(row: &[&str]) -> Assumptions {
    let threat_model = match row[5] {
        "semi-honest" => ThreatModel::HonestButCurious,
        "semi-malicious" => ThreatModel::ActiveServer,
        other => panic!("{other} is no threat model"),
    };
    Assumptions {
        cohort_size: row[0].parse().expect("a number"),
        corrupted: row[1].parse().expect("a fraction"),
        dropout: row[2].parse().expect("a fraction"),
        security_bits: row[3].parse().expect("a number"),
        correctness_bits: row[4].parse().expect("a number"),
        threat_model,
    }
}

/// The degree, and the least and the largest threshold.
fn degree_and_thresholds(plan: &Plan) -> [u32; 3] {
    [plan.degree(), *plan.thresholds().start(), *plan.thresholds().end()]
}

#[test]
fn every_reference_value_is_found() {
    let mut lines = REFERENCE.lines();
    assert_eq!(lines.next().map(|header| header.split(',').count()), Some(9));
    let mut rows = 0;
    for line in lines {
        let row: Vec<_> = line.split(',').collect();
        let plan = assumptions(&row).plan().expect("a plan");
        let found = degree_and_thresholds(&plan);
        assert_eq!(found.map(|number| number.to_string()), row[6..], "{line}");
        assert!(!plan.is_complete(), "{line}");
        rows += 1;
    }
    assert_eq!(rows, 80);
}

/// The tables of section 5: a row for each cohort size, a column for each pair of fractions, and
/// `degree: least-largest` in the cells.
#[test]
fn the_tables_of_the_specification_are_true() {
    let section = PAGE.split("### Choosing k and t").nth(1).expect("the section");
    let (curious, active) = section.split_once("*Active:*").expect("both tables");
    assert_eq!(check_table(curious, ThreatModel::HonestButCurious), 20);
    assert_eq!(check_table(active, ThreatModel::ActiveServer), 20);
}

/// Checks the first table of γ and δ in `text`, and says how many cells it has.
fn check_table(text: &str, threat_model: ThreatModel) -> usize {
    let mut rows = text.lines().skip_while(|line| !line.starts_with("| n | γ")).map(cells);
    let fractions: Vec<_> =
        rows.next().expect("a header")[1..].iter().map(|header| fractions(header)).collect();
    let rows = rows.skip(1).take_while(|row| !row.is_empty());
    rows.map(|row| check_row(&row, &fractions, threat_model)).sum()
}

fn check_row(row: &[String], fractions: &[[f64; 2]], threat_model: ThreatModel) -> usize {
    let cohort_size = row[0].replace(' ', "").parse().expect("a cohort size");
    for (cell, &[corrupted, dropout]) in row[1..].iter().zip(fractions) {
        let (security_bits, correctness_bits) = (40, 30);
        let of = Assumptions {
            cohort_size,
            corrupted,
            dropout,
            security_bits,
            correctness_bits,
            threat_model,
        };
        let [degree, least, most] = degree_and_thresholds(&of.plan().expect("a plan"));
        assert_eq!(*cell, format!("{degree}: {least}-{most}"), "{of:?}");
    }
    row.len() - 1
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    inner.map_or(Vec::new(), |inner| inner.split('|').map(|cell| cell.trim().into()).collect())
}

/// Reads `γ 0.05, δ 0.3`.
fn fractions(header: &str) -> [f64; 2] {
    let numbers = header.split(", ").map(|part| part.split_once(' ').expect("a number").1);
    let numbers: Vec<f64> = numbers.map(|number| number.parse().expect("a fraction")).collect();
    numbers.try_into().expect("two fractions")
}

#[test]
fn messages_are_as_long_as_a_round_makes_them() {
    for params in [
        Params::secagg(7, 10, 0.5),
        Params::secagg_plus(9, 11, 4, 3).modulus_range(1 << 37),
        Params::secagg_plus(10, 0, 5, 2)
            .quantization_range(900)
            .modulus_range(1 << 14)
            .max_weight(1.0),
    ] {
        let params = built(params);
        let clients = u64::from(params.cohort_size());
        let all = |bytes: &StageBytes| (bytes.stage, bytes.up * clients, bytes.down * clients);
        let seen = |seen: &StageReport| (seen.stage, seen.bytes_up, seen.bytes_down);
        let expected: Vec<_> = bytes_per_client(&params).iter().map(all).collect();
        assert_eq!(stages(&params).iter().map(seen).collect::<Vec<_>>(), expected);
    }
}

fn built(params: ParamsBuilder) -> Params {
    params.build().expect("valid parameters")
}

/// What went by in a round without drop-outs.
fn stages(params: &Params) -> Vec<StageReport> {
    use rand_core::SeedableRng;
    let cohort: Vec<_> = (0..u64::from(params.cohort_size())).map(ClientId).collect();
    let mut clients: std::collections::BTreeMap<_, _> =
        cohort.iter().map(|&id| (id, Client::new(id))).collect();
    let mut random = rand_chacha::ChaCha20Rng::seed_from_u64(5);
    let update = vec![0.25; params.dimension()];
    let mut loopback = Loopback(|_: Stage, id: ClientId, request: &[u8]| {
        let client = clients.remove(&id)?;
        let (next, reply) = client.answer(request, 1.0, &update, &mut random).ok()?;
        clients.insert(id, next);
        Some(reply)
    });
    let mut workflow = Workflow::new(&mut loopback);
    let _sum = workflow
        .run::<f64>(params.clone(), SessionId([1; 16]), &cohort, b"")
        .expect("nobody drops out");
    workflow.report().stages.clone()
}
