//! Appendix B of the specification, read from the page itself: one whole round with fixed randomness,
//! and the length and hash of every message of it. A change of any label, field or order shows here,
//! in the page or in the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::client::Setup;
use secagg::{Aggregate, Client, ClientId, Loopback, Params, SessionId, Stage, Workflow};
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("../docs/protocol.md");
const APPLICATION: &[u8] = b"example";
const IDS: [u64; 8] = [3, 7, 11, 20, 21, 500, 65_536, 1 << 40];

/// Kind, client, length and SHA-256 of a message, as a row of the page has it.
type Row = (u8, ClientId, usize, String);

/// A client of the appendix with its own random bytes.
struct Member {
    client: Client,
    random: ChaCha20Rng,
    weight: f64,
    update: [f64; 3],
}

fn members() -> BTreeMap<ClientId, Member> {
    let member = |(number, id): (u8, u64)| {
        let client = Client::Setup(Setup::new(ClientId(id)).application(APPLICATION));
        let random = ChaCha20Rng::from_seed([number; 32]);
        let number = f64::from(number);
        let (weight, update) = (10.0 * number, [0.5, -0.25, 0.125 * number]);
        (ClientId(id), Member { client, random, weight, update })
    };
    (1..).zip(IDS).map(member).collect()
}

/// In which stage a client vanishes.
fn vanishes(id: ClientId) -> Option<Stage> {
    match id.0 {
        20 => Some(Stage::Setup),
        500 => Some(Stage::ShareKeys),
        11 => Some(Stage::CollectMaskedVectors),
        3 => Some(Stage::Unmask),
        _ => None,
    }
}

fn row(client: ClientId, message: &[u8]) -> Row {
    let mut hash = String::new();
    for byte in Sha256::digest(message) {
        let _ = write!(hash, "{byte:02x}");
    }
    (message[1], client, message.len(), hash)
}

/// Runs the round, and gives its result with a row for each message.
fn run() -> (Aggregate<f64>, BTreeSet<Row>) {
    let (mut members, mut rows) = (members(), BTreeSet::new());
    let mut loopback = Loopback(|stage, id: ClientId, request: &[u8]| {
        rows.insert(row(id, request));
        if vanishes(id) == Some(stage) {
            return None;
        }
        let Member { client, mut random, weight, update } = members.remove(&id)?;
        let (client, reply) =
            client.answer(request, weight, &update, &mut random).expect("an honest server");
        rows.insert(row(id, &reply));
        members.insert(id, Member { client, random, weight, update });
        Some(reply)
    });
    let session = SessionId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    let cohort = IDS.map(ClientId);
    let mut random = ChaCha20Rng::from_seed([9; 32]);
    let mut workflow = Workflow::new(&mut loopback, &mut random);
    let result = workflow.run(params(), session, &cohort, APPLICATION).expect("a mean");
    (result, rows)
}

fn params() -> Params {
    let params = Params::secagg_plus(8, 3, 3, 2).clipping_range(8.0).quantization_range(1 << 16);
    params.max_weight(100.0).modulus_range(1 << 20).build().expect("the appendix's parameters")
}

/// The rows of the page's table. A row for `all` stands for the whole cohort.
fn rows_of_the_page() -> BTreeSet<Row> {
    let (_, appendix) = PAGE.split_once("## Appendix B.").expect("the appendix");
    let rows = appendix.lines().filter(|line| line.starts_with("| 0x"));
    rows.flat_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let kind = u8::from_str_radix(cells[0].trim_start_matches("0x"), 16).expect("a kind");
        let length: usize = cells[2].parse().expect("a length");
        let hash = cells[3].trim_matches('`').to_owned();
        clients(cells[1]).into_iter().map(move |id| (kind, id, length, hash.clone()))
    })
    .collect()
}

fn clients(cell: &str) -> Vec<ClientId> {
    match cell {
        "all" => IDS.map(ClientId).to_vec(),
        "2^40" => vec![ClientId(1 << 40)],
        id => vec![ClientId(id.parse().expect("an id"))],
    }
}

/// The numbers behind a label of the page, where it stands at the start of an indented line.
fn numbers_of_the_page(label: &str) -> Vec<f64> {
    let line = PAGE.lines().find_map(|line| line.trim_start().strip_prefix(label));
    let numbers = line.expect("the label").split(',');
    numbers.map(|number| number.trim().parse().expect("a number")).collect()
}

#[test]
fn every_message_of_appendix_b_has_the_bytes_that_the_page_says() {
    let (_, rows) = run();
    let page = rows_of_the_page();
    assert!(page.len() > 40, "only {} rows were read", page.len());
    let changed: Vec<_> = rows.symmetric_difference(&page).collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

#[test]
fn the_result_of_appendix_b_is_what_the_page_says() {
    let (result, _) = run();
    assert_eq!(vec![result.total_weight], numbers_of_the_page("total weight  "));
    assert_eq!(result.mean, numbers_of_the_page("mean  "));
}
