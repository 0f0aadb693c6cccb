//! Numbers at the ends of their ranges: tiny weights, huge elements, and ranges far apart.

mod support;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use secagg_cli::files::{self, Dtype, Format, Layout, TensorSpec, Values};
use secagg_cli::fleet::FileFleet;
use secagg_cli::ranges::{RangeArg, Ranges};
use serde_json::Value;
use support::{digits, refusal, report, secagg};
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn Error>>;

/// Clients of the digits with these weights, and the reason why there is no mean.
fn reason(weights: &[&str], args: &[&str]) -> Result<String, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("weights.csv");
    let row = |(client, weight)| format!("client_{client:02},{weight}\n");
    let rows: String = weights.iter().enumerate().map(row).collect();
    fs::write(&path, format!("client,weight\n{rows}"))?;
    let mut command = secagg("round");
    command.args(&digits()[..weights.len()]).arg("--weights").arg(path).args(args);
    let (report, code) = report(&mut command);
    assert_eq!(code, 1, "{report}");
    Ok(report["reason"].as_str().expect("a reason").into())
}

#[test]
fn weights_too_small_for_the_largest_name_the_flag_and_the_number() -> Outcome {
    let said = reason(&["1e-13", "4e-13", "0"], &[])?;
    assert!(said.contains("lower --max-weight from 1000 to 4e-13"), "{said}");
    assert!(!said.contains("max_weight"), "{said}");
    Ok(())
}

#[test]
fn weights_of_zero_name_their_table() -> Outcome {
    let said = reason(&["0", "0", "0"], &[])?;
    assert!(
        said.contains("weights of all 3 survivors are 0") && said.contains("--weights"),
        "{said}"
    );
    Ok(())
}

/// The heavy client has vanished, and `--max-weight` must hold its weight all the same.
#[test]
fn small_weights_beside_a_heavy_client_need_more_levels() -> Outcome {
    let args = ["--drop", "client_01@setup"];
    let said = reason(&["1e-13", "1000", "1e-13", "0", "1e-14"], &args)?;
    assert!(said.contains("raise --modulus-range") && !said.contains("lower"), "{said}");
    Ok(())
}

/// Files of f64 tensors "a" and "b", of one element each.
fn clients(rows: &[[f64; 2]], dtype: Dtype) -> Result<(TempDir, Vec<PathBuf>), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let spec = |name: &str| TensorSpec { name: name.into(), shape: vec![1], dtype };
    let mut paths = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        let path = folder.path().join(format!("c{n}.npz"));
        let layout = Layout::new(&path, Format::of(&path)?, vec![spec("a"), spec("b")])?;
        files::write(&path, &layout, &Values::F64(row.to_vec()))?;
        paths.push(path);
    }
    Ok((folder, paths))
}

fn round(paths: &[PathBuf], ranges: &[&str]) -> Command {
    let mut command = secagg("round");
    command.args(paths).args(ranges.iter().flat_map(|it| ["--clipping-range", it]));
    command
}

/// The round with a page, and the page.
fn page(paths: &[PathBuf], ranges: &[&str], args: &[&str]) -> Result<String, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let page = folder.path().join("round.html");
    let (report, code) = report(round(paths, ranges).args(args).arg("--report").arg(&page));
    assert_eq!(code, 0, "{report}");
    Ok(fs::read_to_string(page)?)
}

/// The text for people.
fn text(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn ranges_by_name_are_held_to_the_limits_of_the_plain_one() -> Outcome {
    let (_folder, paths) = clients(&[[1.0, 1.0]; 3], Dtype::F64)?;
    for range in ["1e-101", "1e101", "1e308", "1e-320"] {
        let said = refusal(&mut round(&paths, &[&format!("a={range}")]));
        assert!(said.contains(range) && said.contains("from 1e-100 to 1e100"), "{said}");
    }
    for range in ["1e-100", "1e100"] {
        assert_eq!(report(&mut round(&paths, &[&format!("a={range}")])).1, 0, "{range}");
    }
    Ok(())
}

/// 1e308 in a range of 1e-100 would be scaled to infinity, and by 1e100 / 1e-100 at that.
#[test]
fn a_finite_element_stays_finite_between_ranges_far_apart_and_counts_as_clipped() -> Outcome {
    let (_folder, paths) = clients(&[[1e308, 1.0], [-1e308, 1.0], [1e308, 1.0]], Dtype::F64)?;
    for rest in ["1e100", "1e-100", "8"] {
        let (report, code) = report(&mut round(&paths, &["a=1e-100", rest]));
        assert_eq!(code, 0, "{rest}: {report}");
        assert_eq!(report["clipped_clients"], 3, "{rest}: {report}");
        let shown = report["warnings"].to_string();
        assert!(shown.contains("up to 1e308") && !shown.contains("'a=1e308'"), "{shown}");
    }
    Ok(())
}

/// Three clients of ones.
fn fleet(dtype: Dtype, ranges: &[&str]) -> Result<FileFleet, Box<dyn Error>> {
    let (_folder, paths) = clients(&[[1.0, 1.0]; 3], dtype)?;
    let args: Vec<RangeArg> = ranges.iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
    let skip = files::Skip::default();
    Ok(FileFleet::open(&paths, vec![1.0; 3], skip, Ranges::new(&args)?, || {})?)
}

/// A client that scales by another range than the server would spoil the mean unseen.
#[test]
fn clients_agree_on_tensors_and_their_ranges() -> Outcome {
    let agreed =
        |dtype, ranges: &[&str]| Ok::<_, Box<dyn Error>>(fleet(dtype, ranges)?.application());
    let plain = agreed(Dtype::F32, &["8"])?;
    assert_eq!(agreed(Dtype::F32, &["a=8"])?, plain);
    assert_ne!(agreed(Dtype::F32, &["a=9"])?, plain);
    assert_ne!(agreed(Dtype::F32, &["b=9"])?, agreed(Dtype::F32, &["a=9"])?);
    assert_ne!(agreed(Dtype::F64, &["8"])?, plain);
    Ok(())
}

#[test]
fn ranges_by_name_and_wide_integers_make_elements_of_eight_bytes() -> Outcome {
    let bytes =
        |dtype, ranges: &[&str]| Ok::<_, Box<dyn Error>>(fleet(dtype, ranges)?.element_bytes());
    assert_eq!(bytes(Dtype::F32, &["8"])?, 4);
    assert_eq!(bytes(Dtype::F32, &["a=8"])?, 4);
    assert_eq!(bytes(Dtype::F32, &["a=9"])?, 8);
    assert_eq!(bytes(Dtype::I16, &["8"])?, 4);
    assert_eq!(bytes(Dtype::I32, &["8"])?, 8);
    Ok(())
}

#[test]
fn bounds_are_short_numbers_and_have_exponents_where_digits_would_be_many() -> Outcome {
    let (_folder, paths) = clients(&[[1.0, 1.0]; 3], Dtype::F64)?;
    let levels = ["--quantization-range", "7"];
    let said = text(round(&paths, &["8"]).args(["--quantization-range", "1000"]));
    let bound = said.split("each element within ").nth(1).expect("a bound");
    assert!(bound.starts_with("0.0"), "{said}");
    let fine = text(&mut round(&paths, &["8"]));
    assert!(fine.contains("e-8") || fine.contains("e-9"), "{fine}");
    let coarse = text(round(&paths, &["a=100", "8"]).args(levels));
    assert!(!coarse.contains("e0") && !coarse.contains("e1"), "{coarse}");
    let ranges = text(round(&paths, &["a=1e-100", "8"]).args(["--check"]));
    assert!(ranges.contains("±1e-100") && !ranges.contains("0.00000"), "{ranges}");
    Ok(())
}

#[test]
fn a_page_has_the_bounds_of_ranges_the_groups_and_the_clients_that_clipped() -> Outcome {
    let (_folder, paths) = clients(&[[9.0, 1.0], [30.0, 1.0], [7.0, 1.0]], Dtype::F32)?;
    let page = page(&paths, &["a=8", "2"], &["--check"])?;
    for part in ["<td>±2</td>", "<td>±8</td>", "<td>f32</td>", "2 of them clipped", "Dtype"] {
        assert!(page.contains(part), "{part} is missing:\n{page}");
    }
    let headline = page.split("<h1>").nth(1).and_then(|it| it.split("</h1>").next());
    assert_eq!(headline, Some("3 of 3 clients, 2 parameters"));
    Ok(())
}

#[test]
fn a_page_has_the_tensors_left_alone() -> Outcome {
    let (_folder, paths) = clients(&[[1.0, 1.0], [1.0, 2.0], [1.0, 1.0]], Dtype::F32)?;
    let page = page(&paths, &[], &["--skip", "b"])?;
    for part in ["Not averaged", "<td>b</td>", "as in the first file, since others differ"] {
        assert!(page.contains(part), "{part} is missing:\n{page}");
    }
    Ok(())
}

/// Half of the levels are above zero, so that an even number of them is as good as one less.
#[test]
fn a_plan_counts_the_levels_on_one_side_of_zero() {
    let error = |levels: &str| -> Value {
        let args = ["--clients", "100", "--parameters", "10", "--quantization-range", levels];
        let (plan, code) = report(secagg("plan").args(args));
        assert_eq!(code, 0, "{plan}");
        plan["quantization"]["expected_rms_error"].clone()
    };
    assert_eq!(error("8"), error("7"));
    assert_ne!(error("9"), error("7"));
}

#[test]
fn a_plan_has_no_tensors_to_give_ranges_to() {
    for name in ["a", "a.*", "[ab]"] {
        let range = format!("{name}=3");
        let args = ["--clients", "100", "--parameters", "10", "--clipping-range", &range];
        let said = refusal(secagg("plan").args(args));
        assert!(said.contains(&format!("--clipping-range {name}=... names a tensor")), "{said}");
        assert!(said.contains("give one number"), "{said}");
    }
}
