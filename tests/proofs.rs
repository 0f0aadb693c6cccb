//! The last column of the specification's tables of rules: for each rule the tests that prove it. A
//! test that is renamed or removed shows here, and so does a rule without one. And the column
//! before it in the tables of a client: for each check the lemmas that need it, as the proof names
//! them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../docs/protocol.md");
const PROOF: &str = include_str!("../docs/security.md");

/// A rule as the page has it, with the tests that it names.
type Row = (String, Vec<String>);

/// The cells of a line of a table.
fn cells(line: &str) -> Vec<String> {
    line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// All rows of tables whose last column is headed `test`.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut proven = false;
    for (line, next) in PAGE.lines().zip(PAGE.lines().skip(1)) {
        if !line.starts_with('|') {
            proven = false;
        } else if next.starts_with("| ---") {
            proven = cells(line).last().is_some_and(|head| head == "test");
        } else if proven && !line.starts_with("| ---") {
            let mut cells = cells(line);
            let tests = cells.pop().unwrap_or_default();
            let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned);
            rows.push((cells.swap_remove(0), tests.collect()));
        }
    }
    rows
}

/// Where the tests of a file of this repository stand, by the path that the page names it with.
fn source(named: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match named.split("::").collect::<Vec<_>>()[..] {
        ["secagg", ref module @ ..] => {
            root.join(format!("protocol/src/{}/tests.rs", module.join("/")))
        }
        ["secagg_kernels", file] => root.join(format!("kernels/tests/kernels/{file}.rs")),
        [file] => root.join(format!("tests/{file}.rs")),
        _ => panic!("{named} names no file of tests"),
    }
}

/// The names of the tests in a file.
fn tests_in(path: &Path) -> Vec<String> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let attributed = lines.windows(2).filter(|pair| pair[0] == "#[test]");
    let name = |pair: &[&str]| pair[1].strip_prefix("fn ")?.split('(').next().map(str::to_owned);
    attributed.filter_map(name).collect()
}

#[test]
fn every_rule_names_a_test() {
    let rows = rows();
    assert!(rows.len() > 110, "only {} rows were read", rows.len());
    for (rule, tests) in rows {
        assert!(!tests.is_empty(), "no test is named for the rule: {rule}");
    }
}

/// So that a new table of rules has the column, too.
#[test]
fn every_table_of_rules_names_its_tests() {
    for head in PAGE.lines().filter(|line| line.starts_with("| rule |")) {
        assert_eq!(cells(head).last().map(String::as_str), Some("test"), "{head}");
    }
}

#[test]
fn every_test_that_a_rule_names_is_there() {
    let mut files = BTreeMap::new();
    for (rule, tests) in rows() {
        for test in tests {
            let (file, name) = test.rsplit_once("::").expect("a file and a name");
            let known = files.entry(file.to_owned()).or_insert_with(|| tests_in(&source(file)));
            assert!(
                known.iter().any(|known| known == name),
                "{test} is named for the rule: {rule}"
            );
        }
    }
}

/// What stands between backticks, without the type that an error is a variant of.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).map(|name| name.rsplit("::").next().unwrap_or(name))
}

/// Each check of a client: its error, and the lemmas that the specification says need it.
fn checks() -> Vec<(&'static str, Vec<&'static str>)> {
    let sections = PAGE.split("\n### Stage ").skip(1);
    let clients = sections.filter(|section| section[1..].starts_with(", client: "));
    let lines = clients.flat_map(|section| section.split("\n##").next().unwrap_or("").lines());
    let rows = lines.filter(|line| line.starts_with("| ") && line.contains('`'));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, error, lemmas, _] = cells[..] else { panic!("a row of four cells: {row}") };
        (names(error).next().expect("an error"), lemmas.split(", ").collect())
    })
    .collect()
}

/// The errors that each lemma of the proof uses: the first sentence of its *Checks*.
fn used() -> BTreeMap<&'static str, Vec<&'static str>> {
    let lemma = |text: &'static str| {
        let (number, rest) = text.split_once(' ').expect("a number and a name");
        let (_, checks) = rest.split_once("*Checks:*").expect("each lemma names its checks");
        let sentence = checks.split(". ").next().and_then(|text| text.split(".\n").next());
        (number, names(sentence.unwrap_or(checks)).collect())
    };
    PROOF.split("\n**Lemma ").skip(1).map(lemma).collect()
}

#[test]
fn every_check_of_a_client_is_used_by_the_lemmas_that_it_names() {
    let used = used();
    assert!(checks().len() > 45, "only {} checks were read", checks().len());
    for (error, lemmas) in checks() {
        for lemma in lemmas.iter().filter(|&&lemma| lemma != "-") {
            let named = used.get(lemma).is_some_and(|errors| errors.contains(&error));
            assert!(named, "{error} names lemma {lemma}, which does not use it");
        }
    }
}

#[test]
fn every_check_that_a_lemma_uses_names_it() {
    let checks = checks();
    for (lemma, errors) in used() {
        for error in errors {
            let rows: Vec<_> = checks.iter().filter(|(named, _)| *named == error).collect();
            let named = rows.iter().any(|(_, lemmas)| lemmas.contains(&lemma));
            assert!(rows.is_empty() || named, "lemma {lemma} uses {error}, which does not name it");
        }
    }
}
