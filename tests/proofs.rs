//! The last column of the specification's tables of rules: for each rule the tests that prove it. A test that
//! is renamed or removed shows here, and so does a rule without one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../docs/protocol.md");

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
