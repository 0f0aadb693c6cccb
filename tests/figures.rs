//! The figures that are committed show the data that are committed.

use secagg_benches::figures;

#[test]
fn figures_are_what_the_data_make() {
    let figures = figures::make().expect("docs/data/");
    assert!(figures.len() > 5, "{figures:?}");
    for figure in &figures {
        let hint = "cargo xtask figures --write, and look at it";
        assert!(figure.is_current(), "{} is not what docs/data/ makes: {hint}", figure.path);
    }
}
