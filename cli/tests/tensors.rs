//! `secagg round` over tensors of every kind: averaged or left alone, and in the order of the first
//! file.

#![allow(clippy::float_cmp, reason = "what was rounded to integers is exact")]

mod support;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::tensor::TensorView;
use safetensors::{Dtype as Raw, SafeTensors};
use secagg_cli::files::{self, Dtype, Format, Layout, TensorSpec, Values};
use serde_json::Value;
use support::{data, refusal, report, secagg};
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn Error>>;

/// Clients' files, all of one layout.
struct Clients {
    folder: TempDir,
    paths: Vec<PathBuf>,
}

impl Clients {
    fn copies(file: &str, clients: usize) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let extension = Path::new(file).extension().unwrap_or_default();
        let path = |n| folder.path().join(format!("c{n}")).with_extension(extension);
        let paths: Vec<_> = (0..clients).map(path).collect();
        for path in &paths {
            fs::copy(data(file), path)?;
        }
        Ok(Self { folder, paths })
    }

    /// One file per row of values.
    fn made(
        extension: &str,
        tensors: &[(&str, Dtype)],
        rows: &[&[f64]],
    ) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let spec = |&(name, dtype): &(&str, Dtype)| TensorSpec {
            name: name.into(),
            shape: vec![rows[0].len() / tensors.len()],
            dtype,
        };
        let mut paths = Vec::new();
        for (n, row) in rows.iter().enumerate() {
            let path = folder.path().join(format!("c{n}")).with_extension(extension);
            let specs = tensors.iter().map(spec).collect();
            let layout = Layout::new(&path, Format::of(&path)?, specs)?;
            files::write(&path, &layout, &Values::F64(row.to_vec()))?;
            paths.push(path);
        }
        Ok(Self { folder, paths })
    }

    /// One safetensors file per list of tensors of any dtype.
    fn raw(files: &[Vec<(&str, Raw, Vec<u8>)>]) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let mut paths = Vec::new();
        for (n, tensors) in files.iter().enumerate() {
            let path = folder.path().join(format!("c{n}.safetensors"));
            let view = |(name, dtype, bytes): &'_ (&str, Raw, Vec<u8>)| {
                let elements = bytes.len() * 8 / dtype.bitsize();
                (name.to_string(), *dtype, vec![elements], bytes.clone())
            };
            let owned: Vec<_> = tensors.iter().map(view).collect();
            let views = owned.iter().map(|(name, dtype, shape, bytes)| {
                Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes)?))
            });
            let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
            fs::write(&path, safetensors::serialize(views, None)?)?;
            paths.push(path);
        }
        Ok(Self { folder, paths })
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn round(&self, out: &Path, args: &[&str]) -> Command {
        let mut command = secagg("round");
        command.args(&self.paths).arg("--out").arg(out).args(args);
        command
    }

    fn done(&self, out: &Path, args: &[&str]) -> Value {
        let (report, code) = report(&mut self.round(out, args));
        assert_eq!(code, 0, "{report}");
        report
    }
}

fn names_in(path: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let archive = zip::ZipArchive::new(fs::File::open(path)?)?;
    Ok(archive
        .file_names()
        .map(|it| it.map(std::borrow::Cow::into_owned))
        .collect::<Result<_, _>>()?)
}

fn mean_of(path: &Path) -> Result<Vec<f64>, files::FileError> {
    let values = files::read(path)?.values;
    Ok(values.widened(0..values.len()))
}

#[test]
fn an_archive_keeps_the_order_of_the_first_file() -> Outcome {
    let clients = Clients::copies("files/twelve.npz", 4)?;
    let out = clients.out("mean.npz");
    clients.done(&out, &["--clipping-range", "16", "--check"]);
    let expected: Vec<_> = (0..12).map(|n| format!("arr_{n}.npy")).collect();
    assert_eq!(names_in(&out)?, expected);
    Ok(())
}

#[test]
fn metadata_that_all_files_share_comes_out_and_no_other() -> Outcome {
    let tensor = [1.0_f32; 3].map(f32::to_le_bytes).concat();
    let clients = Clients::raw(&vec![vec![]; 3])?;
    for (n, path) in clients.paths.iter().enumerate() {
        let view = TensorView::new(Raw::F32, vec![3], &tensor)?;
        let metadata = [("format", "pt"), ("client", ["a", "b", "c"][n]), ("epoch", "3")];
        let metadata = metadata.map(|(key, value)| (key.into(), value.into()));
        // The last one lacks an entry.
        let metadata = metadata.into_iter().take(if n == 2 { 2 } else { 3 }).collect();
        fs::write(path, safetensors::serialize([("a", view)], Some(metadata))?)?;
    }
    let out = clients.out("mean.safetensors");
    clients.done(&out, &[]);
    let bytes = fs::read(&out)?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let expected = [("format".to_owned(), "pt".to_owned())].into_iter().collect();
    assert_eq!(header.metadata(), &Some(expected));
    Ok(())
}

#[test]
fn integers_and_bools_are_averaged_and_rounded() -> Outcome {
    let tensors = [("count", Dtype::I64), ("flag", Dtype::Bool), ("weight", Dtype::F32)];
    let rows: [&[f64]; 4] = [
        &[391.0, -7.0, 1.0, 1.0, 0.25, 1.0],
        &[391.0, -7.0, 1.0, 0.0, 0.25, 2.0],
        &[391.0, -8.0, 1.0, 0.0, 0.25, 3.0],
        &[394.0, -8.0, 0.0, 0.0, 0.25, 6.0],
    ];
    for extension in ["safetensors", "npz"] {
        let clients = Clients::made(extension, &tensors, &rows)?;
        let out = clients.out("mean").with_extension(extension);
        clients.done(&out, &["--clipping-range", "400", "--check"]);
        let mean = mean_of(&out)?;
        assert_eq!(mean[0], 392.0);
        assert!(mean[1] == -7.0 || mean[1] == -8.0, "{mean:?}");
        assert_eq!(mean[2..4], [1.0, 0.0]);
        assert!((mean[4] - 0.25).abs() < 1e-3 && (mean[5] - 3.0).abs() < 1e-3, "{mean:?}");
        let layout = files::read_layout(&out)?;
        let dtypes: Vec<_> = layout.tensors().iter().map(|it| it.dtype).collect();
        assert_eq!(dtypes, [Dtype::I64, Dtype::Bool, Dtype::F32]);
    }
    Ok(())
}

/// Variances of dead channels: noise below zero would be NaN behind a batch norm.
#[test]
fn zeros_come_back_as_zeros_and_what_is_above_is_not_below() -> Outcome {
    let tensors = [("bn.running_var", Dtype::F32), ("weight", Dtype::F32)];
    let row: &[f64] = &[[0.0; 500], [1e-6; 500]].concat();
    let clients = Clients::made("safetensors", &tensors, &[row; 5])?;
    let (out, table) = (clients.out("mean.safetensors"), clients.out("weights.csv"));
    let rows = (0..5).map(|n| format!("c{n},{}", 100 + n)).collect::<Vec<_>>().join("\n");
    fs::write(&table, format!("client,weight\n{rows}"))?;
    for levels in ["4194304", "4194303", "auto"] {
        let table = table.display().to_string();
        clients.done(&out, &["--weights", &table, "--quantization-range", levels]);
        let mean = mean_of(&out)?;
        assert!(mean[..500].iter().all(|&x| x == 0.0), "{levels}: {mean:?}");
        assert!(mean[500..].iter().all(|&x| x >= 0.0), "{levels}: {mean:?}");
    }
    Ok(())
}

#[test]
fn skipped_tensors_have_any_dtype_and_come_out_as_in_the_first_file() -> Outcome {
    let file = |n: u8| {
        vec![
            ("mean", Raw::F32, f32::from(n).to_le_bytes().to_vec()),
            ("phase", Raw::C64, vec![1; 16]),
            ("steps", Raw::I64, [n, 0, 0, 0, 0, 0, 0, 0].to_vec()),
            ("tiny", Raw::F8_E4M3, vec![n; 5]),
            ("weird", Raw::F32, f32::NAN.to_le_bytes().to_vec()),
        ]
    };
    let clients = Clients::raw(&[file(1), file(2), file(3)])?;
    let out = clients.out("mean.safetensors");
    let said = refusal(&mut clients.round(&out, &[]));
    for part in ["\"phase\" has dtype C64", "\"tiny\" has dtype F8_E4M3", "\"weird\"", "--skip"] {
        assert!(said.contains(part), "{said}");
    }
    let skip = ["--skip", "*t*n*y*", "--skip", "ph*", "--skip", "steps", "--skip", "weird"];
    let report = clients.done(&out, &skip);
    let alone =
        |tensor: &str, differs: bool| serde_json::json!({"tensor": tensor, "differs": differs});
    let expected =
        [alone("phase", false), alone("steps", true), alone("tiny", true), alone("weird", false)];
    assert_eq!(report["left_alone"], Value::from(expected.to_vec()));
    let bytes = fs::read(&out)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    for (name, dtype, bytes) in &file(1)[1..] {
        let found = tensors.tensor(name)?;
        assert_eq!((found.dtype(), found.data()), (*dtype, &bytes[..]), "{name}");
    }
    let mean: [u8; 4] = tensors.tensor("mean")?.data().try_into()?;
    assert!((f32::from_le_bytes(mean) - 2.0).abs() < 1e-4);
    let words = String::from_utf8(clients.round(&out, &skip).output()?.stdout)?;
    assert!(words.contains("equal in all files: \"phase\", \"weird\"."), "{words}");
    assert!(words.contains("others differ: \"steps\", \"tiny\"."), "{words}");
    Ok(())
}

/// Arrays that numpy alone has, and an entry that is none.
#[test]
fn skipped_entries_of_an_archive_come_out_as_they_were() -> Outcome {
    let clients = Clients::copies("files/odd.npz", 3)?;
    let out = clients.out("mean.npz");
    let skip = ["--skip", "text", "--skip", "records", "--skip", "notes.txt", "--skip", "columns"];
    clients.done(&out, &skip);
    let (mut before, mut after) = (
        zip::ZipArchive::new(fs::File::open(data("files/odd.npz"))?)?,
        zip::ZipArchive::new(fs::File::open(&out)?)?,
    );
    assert_eq!(names_in(&out)?, names_in(&data("files/odd.npz"))?);
    for name in ["text.npy", "records.npy", "notes.txt"] {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        std::io::copy(&mut before.by_name(name)?, &mut a)?;
        std::io::copy(&mut after.by_name(name)?, &mut b)?;
        assert_eq!(a, b, "{name}");
    }
    // A big-endian column-major array holds the same numbers, but not the same bytes.
    let read = |path: &Path| -> Result<_, files::FileError> {
        let skip = ["text", "records", "notes.txt"].map(|it| it.parse().expect("a name"));
        let update = files::read_skipping(path, &skip.to_vec().into())?;
        let (_, range) = update.layout.ranges().find(|(it, _)| it.name == "columns").expect("it");
        Ok(update.values.widened(range))
    };
    assert_eq!(read(&out)?, read(&data("files/odd.npz"))?);
    let said = refusal(&mut clients.round(&clients.out("mean.safetensors"), &skip));
    assert!(said.contains("which .safetensors files cannot hold"), "{said}");
    Ok(())
}

#[test]
fn skipping_nothing_or_everything_is_refused() -> Outcome {
    let tensors = [("a", Dtype::F32), ("b", Dtype::F32)];
    let clients = Clients::made("npz", &tensors, &[&[0.0; 4], &[0.0; 4], &[0.0; 4]])?;
    let out = clients.out("mean.npz");
    let said = refusal(&mut clients.round(&out, &["--skip", "a", "--skip", "c*"]));
    assert!(said.contains("--skip \"c*\" matches no tensor"), "{said}");
    let said = refusal(&mut clients.round(&out, &["--skip", "?"]));
    assert!(said.contains("--skip leaves no tensor to average"), "{said}");
    assert!(refusal(&mut clients.round(&out, &["--skip", "["])).contains("is not a pattern"));
    assert!(!out.exists());
    Ok(())
}

/// The round would fail, and is not run.
#[test]
fn a_name_that_the_output_cannot_hold_is_refused_before_the_round() -> Outcome {
    let byte = |name| (name, Raw::U8, vec![1]);
    let clients = Clients::raw(&vec![vec![byte("a"), byte("a.npy")]; 3])?;
    let nobody = ["--drop", "c0@setup", "--drop", "c1@setup"];
    let said = refusal(&mut clients.round(&clients.out("mean.npz"), &nobody));
    assert!(said.contains("a tensor called \"a.npy\" beside \"a\""), "{said}");
    Ok(())
}

/// A variance of 120 beside weights of 0.1: with one range, either the one is cut or the others are
/// noise.
#[test]
fn a_range_by_name_holds_one_tensor_and_leaves_the_others_as_exact() -> Outcome {
    let tensors = [("bn.running_var", Dtype::F32), ("weight", Dtype::F32)];
    let rows: [&[f64]; 4] = [
        &[120.0, -120.0, 0.1, 0.0],
        &[120.0, 30.5, 0.2, 0.0],
        &[120.0, 30.5, 0.3, 0.0],
        &[120.0, 30.5, 0.4, 0.0],
    ];
    let clients = Clients::made("safetensors", &tensors, &rows)?;
    let out = clients.out("mean.safetensors");
    let ranges = ["--clipping-range", "*.running_var=120", "--clipping-range", "0.5", "--check"];
    let report = clients.done(&out, &ranges);
    assert!(!report["warnings"].to_string().contains("clipped"), "{report}");
    let groups = report["check"]["groups"].as_array().expect("a list");
    let number = |at: usize, name: &str| groups[at][name].as_f64().expect("a number");
    let bound = |at: usize| number(at, "bound") - number(at, "rounding");
    assert_eq!(
        (&groups[0]["clipping_range"], &groups[1]["clipping_range"]),
        (&120.0.into(), &0.5.into())
    );
    // 240 times the range, and as much more of the bound, but for the rounding to f32.
    assert!((200.0..280.0).contains(&(bound(0) / bound(1))), "{report}");
    let bounds = report["bounds"].as_array().expect("a list");
    assert_eq!(bounds.len(), 2, "{report}");
    for (given, range) in bounds.iter().zip([120.0, 0.5]) {
        assert_eq!((&given["clipping_range"], &given["dtype"]), (&range.into(), &"f32".into()));
    }
    // What is printed holds for the file, as what is checked does.
    assert!(bounds.iter().zip(groups).all(|(given, checked)| {
        let of = |it: &Value, name: &str| it[name].as_f64().expect("a number");
        (of(given, "error_bound") / of(checked, "bound") - 1.0).abs() < 1e-3
    }));
    let mean = mean_of(&out)?;
    for (found, right) in mean.iter().zip([120.0, -7.125, 0.25, 0.0]) {
        assert!((found - right).abs() <= bound(usize::from(right.abs() < 1.0)), "{mean:?}");
    }
    assert!(mean.iter().all(|x| x.abs() <= 120.0), "{mean:?}");
    Ok(())
}

#[test]
fn clipping_names_the_tensors_and_a_range_that_holds_them() -> Outcome {
    let tensors = [("bn.count", Dtype::I64), ("weight", Dtype::F32)];
    let row: &[f64] = &[391.0, 0.0, 0.1, -9.7];
    let clients = Clients::made("npz", &tensors, &[row; 3])?;
    let out = clients.out("mean.npz");
    let report = clients.done(&out, &[]);
    let warnings = report["warnings"].to_string();
    for part in [
        r#"6 elements are clipped: 3 of \"bn.count\" (up to 391), 3 of \"weight\""#,
        "--clipping-range='bn.count=400' --clipping-range='weight=9.7'",
        "or --clipping-range 400 for all",
    ] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    let held = ["--clipping-range", "bn.count=400", "--clipping-range", "weight=9.7"];
    let report = clients.done(&out, &held);
    assert!(!report["warnings"].to_string().contains("clipped"), "{report}");
    assert_eq!(mean_of(&out)?[0], 391.0);
    Ok(())
}

#[test]
fn ranges_for_no_tensor_or_given_twice_are_refused() -> Outcome {
    let clients = Clients::copies("files/twelve.npz", 3)?;
    let out = clients.out("mean.npz");
    let said = |ranges: &[&str]| {
        let args: Vec<_> = ranges.iter().flat_map(|it| ["--clipping-range", it]).collect();
        refusal(&mut clients.round(&out, &args))
    };
    assert!(said(&["brr_*=3"]).contains("--clipping-range \"brr_*\" matches no tensor"));
    assert!(said(&["3", "*=4"]).contains("is given as 3 and as 4"));
    assert!(said(&["arr_0=0"]).contains("must be from 1e-100 to 1e100"));
    let named = ["--clients", "3", "--clipping-range", "a=3"];
    assert!(refusal(secagg("simulate").args(named)).contains("names a tensor, and there is none"));
    Ok(())
}

/// The error of the file, and not of the mean before it was rounded.
#[test]
fn the_check_measures_the_file_and_says_what_rounding_adds() -> Outcome {
    let tensors = [("half", Dtype::F16)];
    let rows: [&[f64]; 3] = [&[1.0; 64], &[1.0; 64], &[1.0 + 1.0 / 1024.0; 64]];
    let clients = Clients::made("npz", &tensors, &rows)?;
    let out = clients.out("mean.npz");
    let report = clients.done(&out, &["--check"]);
    // A third of the step of f16 there.
    let (step, mean) = (1.0 / 1024.0, mean_of(&out)?);
    let wrong = mean.iter().map(|x| (x - 1.0 - step / 3.0).abs()).fold(0.0, f64::max);
    let check = &report["check"];
    assert!((check["largest_error"].as_f64().unwrap() - wrong).abs() < 1e-12, "{check} {wrong}");
    assert!(wrong > step / 4.0 && check["bound"].as_f64().unwrap() > step / 2.0, "{check}");
    let without_a_file = secagg("round").args(&clients.paths).arg("--check").output()?;
    for output in [clients.round(&out, &["--check"]).output()?, without_a_file] {
        let words = String::from_utf8(output.stdout)?;
        assert!(words.contains("of which rounding to f16 at most 4.8"), "{words}");
    }
    Ok(())
}

/// The error of the sum reaches past the largest number that a file may hold, in every type that
/// ends before the range.
#[test]
fn a_mean_at_the_end_of_its_type_is_held_within_it() -> Outcome {
    let cases = [
        (Dtype::F16, 65_504.0, "7e4"),
        (Dtype::Bf16, half::bf16::MAX.to_f64(), "1e39"),
        (Dtype::F32, f64::from(f32::MAX), "1e39"),
        (Dtype::I64, 9_007_199_254_740_991.0, "1e16"),
        (Dtype::U64, 9_007_199_254_740_991.0, "1e16"),
    ];
    for (dtype, end, range) in cases {
        let low = if dtype == Dtype::U64 { 0.0 } else { -end };
        let row: &[f64] = &[[end; 50], [low; 50]].concat();
        let clients = Clients::made("safetensors", &[("a", dtype)], &[row; 4])?;
        let out = clients.out("mean.safetensors");
        let levels = ["--quantization-range", "1000", "--max-weight", "1", "--check"];
        clients.done(&out, &[&levels[..], &["--clipping-range", range]].concat());
        let mean = mean_of(&out)?;
        assert_eq!(mean.iter().copied().fold(0.0, f64::max), end, "{dtype}");
    }
    Ok(())
}

/// Pasted into a shell, the advice holds every name: of quotes, dashes, globs, equals signs, lines.
#[test]
fn the_advice_for_clipped_elements_can_be_pasted() -> Outcome {
    let names = ["-it's $HOME", "a[0]*", "\"b=\"", "c\nd", ""];
    let tensors = names.map(|name| (name, Dtype::F32));
    let row: &[f64] = &[9.0, 10.0, 11.0, 12.0, 13.0];
    let clients = Clients::made("safetensors", &tensors, &[row; 3])?;
    let out = clients.out("mean.safetensors");
    let report = clients.done(&out, &[]);
    let warnings = report["warnings"].as_array().expect("a list");
    let clipped = warnings.iter().filter_map(Value::as_str).find(|it| it.contains("clipped"));
    let (_, advice) = clipped.and_then(|it| it.split_once("give ")).expect("advice");
    let (advice, _) = advice.rsplit_once(", or ").expect("two ways");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec \"$@\" {advice}"), "sh", env!("CARGO_BIN_EXE_secagg")]);
    shell.arg("round").args(&clients.paths).arg("--out").arg(&out);
    let (report, code) = self::report(&mut shell);
    assert_eq!((code, report["clipped_clients"].as_u64()), (0, Some(0)), "{report}");
    Ok(())
}

/// A large tensor beside them hides them from the bound's 10 % rule, which looks at the whole mean.
#[test]
fn tensors_that_are_noise_are_named_with_what_makes_them_precise() -> Outcome {
    let tensors = ["bn.count", "bn.running_var", "bn.zeros", "weight"];
    let tensors = tensors.map(|it| (it, if it == "bn.count" { Dtype::I64 } else { Dtype::F32 }));
    let row: &[f64] = &[&[391.0; 20][..], &[0.01; 20], &[0.0; 20], &[5.0; 20]].concat();
    let clients = Clients::made("safetensors", &tensors, &[row; 4])?;
    let (out, table) = (clients.out("mean.safetensors"), clients.out("weights.csv"));
    fs::write(&table, "client,weight\nc0,1\nc1,1\nc2,1\nc3,1\n")?;
    let table = table.display().to_string();
    let levels = ["--weights", &table, "--max-weight", "1000", "--quantization-range", "4194304"];
    let ranges = ["--clipping-range", "*.running_var=1e4", "--clipping-range", "bn.count=1e4"];
    let said = |args: &[&str]| {
        let report = clients.done(&out, &[args, &levels, &ranges].concat());
        report["warnings"].to_string()
    };
    let warning = said(&[]);
    for part in [
        "the mean may be off, integers in",
        "elements of",
        "bn.running_var",
        "--clipping-range='bn.running_var=0.01'",
        "lower --max-weight to 1;",
        "--modulus-range",
        "--skip",
    ] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    assert!(!warning.contains("bn.zeros") && !warning.contains(r#""weight\""#), "{warning}");
    let mended = said(&["--clipping-range=bn.running_var=0.01", "--clipping-range=bn.count=400"]);
    assert!(!mended.contains("running_var"), "{mended}");
    Ok(())
}
