//! The parameter finder against reference values, against the tables of the specification, and its
//! sizes of messages against those of real rounds.

use secagg::plan::{Assumptions, Plan, StageBytes, bytes_per_client};
use secagg::{
    Client, ClientId, Loopback, Params, ParamsBuilder, SessionId, Stage, StageReport, ThreatModel,
    Workflow,
};

const REFERENCE: &str = include_str!("data/graph_parameters.csv");
const ROWS: usize = 126;
const PAGE: &str = include_str!("../docs/protocol.md");

/// What a row of the reference values asks for.
fn assumptions(row: &[&str]) -> Assumptions {
    let whole = |column: usize| row[column].parse().expect("a number");
    Assumptions {
        cohort_size: whole(0),
        corrupted: row[1].parse().expect("a fraction"),
        dropout: row[2].parse().expect("a fraction"),
        security_bits: whole(3),
        correctness_bits: whole(4),
        rounds: whole(5),
        search_bits: whole(6),
        threat_model: row[7].parse().expect("a threat model"),
    }
}

/// The degree, and the least and the largest threshold.
fn degree_and_thresholds(plan: &Plan) -> [u32; 3] {
    [plan.degree(), *plan.thresholds().start(), *plan.thresholds().end()]
}

#[test]
fn every_reference_value_is_found() {
    for row in reference() {
        let plan = assumptions(&row).plan().expect("a plan");
        let [degree, least, most] = degree_and_thresholds(&plan);
        let found = [degree, least, most, plan.corrupted_neighbours()];
        assert_eq!(found.map(|number| number.to_string()), row[8..12], "{row:?}");
    }
}

/// Exact tails with the k and t of each row, for rosters of n, n - 1 and n - D members.
#[test]
fn every_reference_value_keeps_its_promise_whoever_stays_away() {
    for row in reference() {
        let promised: f64 = row[3].parse().expect("a number");
        for bits in &row[12..] {
            let kept = *bits == "none" || bits.parse::<f64>().expect("bits") >= promised;
            assert!(kept, "{row:?}");
        }
    }
}

fn reference() -> Vec<Vec<&'static str>> {
    let rows: Vec<Vec<_>> = REFERENCE.lines().map(|line| line.split(',').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 15));
    assert_eq!(rows[1..].len(), ROWS);
    rows[1..].to_vec()
}

/// The tables of section 5: a row for each cohort size, a column for each pair of fractions, and
/// `degree: least-largest` in the cells.
#[test]
fn the_tables_of_the_specification_are_true() {
    let section = PAGE.split("### Choosing k and t").nth(1).expect("the section");
    let (curious, active) = section.split_once("*Active:*").expect("both tables");
    let (active, unsearched) = active.split_once("*Active, without").expect("a third table");
    let model = |model| Assumptions::new(100, model);
    assert_eq!(check_table(curious, model(ThreatModel::HonestButCurious)), 20);
    assert_eq!(check_table(active, model(ThreatModel::ActiveServer)), 20);
    let unsearching = Assumptions { search_bits: 0, ..model(ThreatModel::ActiveServer) };
    assert_eq!(check_table(unsearched, unsearching), 20);
}

/// Checks the first table of γ and δ in `text`, and says how many cells it has.
fn check_table(text: &str, of: Assumptions) -> usize {
    let mut rows = text.lines().skip_while(|line| !line.starts_with("| n | γ")).map(cells);
    let fractions: Vec<_> =
        rows.next().expect("a header")[1..].iter().map(|header| fractions(header)).collect();
    let rows = rows.skip(1).take_while(|row| !row.is_empty());
    rows.map(|row| check_row(&row, &fractions, of)).sum()
}

fn check_row(row: &[String], fractions: &[[f64; 2]], of: Assumptions) -> usize {
    let cohort_size = row[0].replace(' ', "").parse().expect("a cohort size");
    for (cell, &[corrupted, dropout]) in row[1..].iter().zip(fractions) {
        let of = Assumptions { cohort_size, corrupted, dropout, ..of };
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
    let mut server = secagg_tests::rng();
    let mut workflow = Workflow::new(&mut loopback, &mut server);
    let _sum = workflow
        .run::<f64>(params.clone(), SessionId([1; 16]), &cohort, b"")
        .expect("nobody drops out");
    workflow.report().stages.clone()
}
