//! The page that `--report` writes.

mod support;

use std::fs;
use std::path::Path;

use support::{data, digits, digits_round, refusal, report, secagg};

/// The round of the digits with a page, its exit code, and the page.
fn page(arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("round.html");
    let mut command = digits_round();
    command.args(["--max-weight", "200", "--check"]).args(arguments).arg("--report").arg(&path);
    let (_, code) = report(&mut command);
    (code, fs::read_to_string(path).expect("a page"))
}

#[test]
fn a_page_says_what_became_of_every_stage() {
    let faults = ["--drop", "client_05@collect-masked-vectors", "--garbage", "client_12@setup"];
    let (code, page) = page(&faults);
    assert_eq!(code, 0);
    let said = [
        "Done, and the error is within the bound",
        "22 of 24 clients, 2411 parameters",
        "client_12 rejected: malformed",
        "Dropped: client_05",
        "22 of 23",
        "taking 44 masks off",
    ];
    for words in said {
        assert!(page.contains(words), "{words} is missing:\n{page}");
    }
}

/// It must look the same on a machine without a network, and run nothing.
#[test]
fn a_page_asks_for_nothing_from_elsewhere() {
    let (_, page) = page(&[]);
    for reach in ["http", "src=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(reach), "{reach}");
    }
}

#[test]
fn a_round_without_a_mean_has_a_page_too() {
    let (code, page) = page(&["--reconstruction-threshold", "23", "--drop", "client_05@unmask"]);
    assert_eq!(code, 1);
    assert!(
        page.contains("No mean") && page.contains("Warning: the threshold asks for all shares")
    );
}

/// Clients choose the names of their files.
#[test]
fn names_are_words_and_not_markup() {
    let folder = tempfile::tempdir().expect("a folder");
    let hostile = folder.path().join("<img onerror=x>&.safetensors");
    fs::copy(&digits()[0], &hostile).expect("a copy");
    let path = folder.path().join("round.html");
    let mut command = secagg("round");
    command.args(digits()).arg(&hostile).args(["--drop", "<img onerror=x>&@setup"]);
    assert_eq!(report(command.arg("--report").arg(&path)).1, 0);
    let page = fs::read_to_string(path).expect("a page");
    assert!(page.contains("Dropped: &lt;img onerror=x&gt;&amp;"), "{page}");
    assert!(!page.contains("<img"));
}

#[test]
fn a_page_goes_only_where_a_page_belongs_and_that_is_seen_before_the_round() {
    let folder = tempfile::tempdir().expect("a folder");
    let try_to_write = |path: &Path| refusal(secagg("simulate").arg("--report").arg(path));
    let update = data("digits/client_00.safetensors");
    assert!(try_to_write(&update).contains("does not end in .html; name the report so"));
    assert!(try_to_write(&folder.path().join("none/round.html")).contains("cannot write"));
}
