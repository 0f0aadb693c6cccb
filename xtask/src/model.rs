//! The model of what a server may choose, searched whole by Spin, with each check of a client taken
//! out in turn.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{output, require, root};
use crate::{Failure, Outcome};

const MODEL: &str = "assurance/model/secagg.pml";

/// A search: the switches of the model, and the lemma of `docs/security.md` that falls with them,
/// if one does; 1 and 2 stand for other claims.
type Search = (&'static [&'static str], Option<u32>);

/// With all checks nothing is found, though sums come out (1); each check that is taken out lets an
/// attack in.
const SEARCHES: [Search; 21] = [
    (&[], Some(1)),
    (&["-DFLOOR=6"], Some(1)),
    (&["-DTWO_CORRUPTED"], Some(1)),
    (&["-DSPARSE"], Some(1)),
    (&["-DPARTS"], Some(1)),
    (&[], None),
    (&["-DFLOOR=6"], None),
    (&["-DTWO_CORRUPTED"], None),
    (&["-DSPARSE"], None),
    (&["-DPARTS"], None),
    (&["-DNO_QUORUM"], Some(8)),
    (&["-DNO_ONCE"], Some(8)),
    (&["-DNO_ASSUMPTIONS"], Some(9)),
    (&["-DNO_ASSUMPTIONS"], Some(10)),
    (&["-DNO_ROSTER_FLOOR"], Some(10)),
    (&["-DNO_SIGNED_KEYS"], Some(10)),
    (&["-DNO_WITHHELD_BOUND"], Some(10)),
    (&["-DNO_OPENED"], Some(10)),
    (&["-DNO_FORWARDED"], Some(10)),
    (&["-DNO_GOOD_RING"], Some(10)),
    // The number of clients that theorem 2 promises.
    (&["-DNO_NAMED_ROUND", "-DFLOOR=6"], Some(2)),
];

pub(crate) fn model() -> Outcome {
    let mut version = Command::new("spin");
    version.arg("-V");
    require(version, "there is no spin; it is a package of Debian and others")?;
    let folder = root().join("target/model");
    fs::create_dir_all(&folder)
        .map_err(|error| Failure::Chore(format!("{}: {error}", folder.display())))?;
    SEARCHES.iter().try_for_each(|search| expect(*search, &folder))
}

/// Searches, and says what was found and what should have been.
fn expect((switches, lemma): Search, folder: &Path) -> Outcome {
    let said = search(switches, lemma, folder)?;
    let states = said.lines().find(|line| line.contains("states, stored")).unwrap_or_default();
    let name = format!("{}, lemma {}", switches.join(" "), lemma.unwrap_or_default());
    match (found(&said), lemma) {
        (Some(false), None) => println!("nothing found, {}: {switches:?}", states.trim()),
        (Some(true), Some(1)) => println!("sums come out: {switches:?}"),
        (Some(true), Some(lemma)) => println!("attack found on {lemma}: {switches:?}"),
        (Some(true), None) => return Err(Failure::Chore(format!("{name}: an attack\n{said}"))),
        (Some(false), Some(_)) => return Err(Failure::Chore(format!("{name}: no attack"))),
        (None, _) => return Err(Failure::Chore(format!("{name}: no whole search\n{said}"))),
    }
    Ok(())
}

/// Spin writes a program for the model, which says what it saw.
fn search(switches: &[&str], lemma: Option<u32>, folder: &Path) -> Result<String, Failure> {
    let mut spin = Command::new("spin");
    spin.current_dir(folder).arg("-a").args(switches);
    spin.args(lemma.map(|lemma| format!("-DLEMMA={lemma}"))).arg(root().join(MODEL));
    output(spin)?;
    let mut compiler = Command::new("cc");
    compiler.current_dir(folder).args(["-O2", "-DSAFETY", "-DNOFAIR", "-DCOLLAPSE"]);
    compiler.args(["-o", "pan", "pan.c"]);
    output(compiler)?;
    let mut pan = Command::new(folder.join("pan"));
    pan.current_dir(folder).args(["-m10000", "-w22"]);
    output(pan)
}

/// Whether a claim failed; none, if neither that nor a whole search was seen.
fn found(said: &str) -> Option<bool> {
    let whole = said.contains("errors: 0") && !said.contains("Search not completed");
    let attack = said.contains("assertion violated") && said.contains("errors: 1");
    (whole || attack).then_some(attack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_that_was_cut_short_finds_nothing_out() {
        assert_eq!(found("State-vector 52 byte, depth reached 185, errors: 0"), Some(false));
        let cut = "Warning: Search not completed\nState-vector 52 byte, errors: 0";
        assert_eq!(found(cut), None);
        assert_eq!(found("pan:1: assertion violated (x)\nerrors: 1"), Some(true));
        assert_eq!(found("pan:1: invalid end state\nerrors: 1"), None);
    }

    /// A check that could be taken out and never is would prove nothing.
    #[test]
    fn every_switch_of_the_model_is_tried() {
        let text = fs::read_to_string(root().join(MODEL)).unwrap();
        let word = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
        let switch = |line: &&str| line.starts_with("#if") && line.contains("NO_");
        let switches: Vec<_> = text.lines().filter(switch).filter_map(word).collect();
        assert!(switches.len() >= 10, "{switches:?}");
        for name in switches {
            let tried = |(switches, _): &Search| switches.contains(&&*format!("-D{name}"));
            assert!(SEARCHES.iter().any(tried), "{name}");
        }
    }
}
