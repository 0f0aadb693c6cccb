//! Updates as other programs write them are read, and what we write is read back unchanged.

use std::error::Error;
use std::path::{Path, PathBuf};

use secagg_cli::files::{self, Dtype, FileError, Format, Layout, TensorSpec, Update, Values};

type Outcome = Result<(), Box<dyn Error>>;

/// `tests/data/make_files.py` writes this cube of 2 × 3 × 4 into every file.
fn cube() -> Vec<f64> {
    (-11..13).map(|n| f64::from(n) / 4.0).collect()
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/files").join(name)
}

fn spec(name: &str, shape: &[usize], dtype: Dtype) -> TensorSpec {
    TensorSpec { name: name.into(), shape: shape.into(), dtype }
}

/// The tensor's specification and its values.
fn tensor(update: &Update, name: &str) -> (TensorSpec, Vec<f64>) {
    let (spec, range) = update.layout.ranges().find(|(s, _)| s.name == name).expect(name);
    (spec.clone(), update.values.widened(range))
}

#[test]
fn arrays_of_every_dtype_byte_order_and_memory_order_hold_the_same_values() -> Outcome {
    let cases = [
        ("little_f16.npy", Dtype::F16),
        ("big_f16.npy", Dtype::F16),
        ("little_f32.npy", Dtype::F32),
        ("big_f32.npy", Dtype::F32),
        ("little_f64.npy", Dtype::F64),
        ("big_f64.npy", Dtype::F64),
        ("fortran_f32.npy", Dtype::F32),
        ("fortran_big_f64.npy", Dtype::F64),
        ("python2.npy", Dtype::F32),
        ("version_1.npy", Dtype::F32),
        ("version_2.npy", Dtype::F32),
        ("version_3.npy", Dtype::F32),
    ];
    for (name, dtype) in cases {
        let update = files::read(&data(name))?;
        assert_eq!(tensor(&update, "arr_0"), (spec("arr_0", &[2, 3, 4], dtype), cube()), "{name}");
        assert_eq!(files::read_layout(&data(name))?, update.layout, "{name}");
        assert_eq!(matches!(update.values, Values::F64(_)), dtype == Dtype::F64, "{name}");
    }
    Ok(())
}

#[test]
fn a_single_number_and_an_array_of_nothing_are_arrays() -> Outcome {
    let number = files::read(&data("number.npy"))?;
    assert_eq!(tensor(&number, "arr_0"), (spec("arr_0", &[], Dtype::F64), vec![-2.75]));
    let empty = files::read(&data("empty.npy"))?;
    assert_eq!(tensor(&empty, "arr_0"), (spec("arr_0", &[3, 0, 2], Dtype::F32), vec![]));
    Ok(())
}

#[test]
fn archives_are_read_by_name_and_compression_does_not_matter() -> Outcome {
    for name in ["stored.npz", "deflated.npz"] {
        let update = files::read(&data(name))?;
        let names: Vec<_> = update.layout.tensors().iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["columns", "cube", "empty", "half", "number"]);
        assert_eq!(tensor(&update, "columns").1, cube());
        assert_eq!(tensor(&update, "cube"), (spec("cube", &[2, 3, 4], Dtype::F32), cube()));
        assert_eq!(tensor(&update, "empty"), (spec("empty", &[3, 0, 2], Dtype::F32), vec![]));
        assert_eq!(tensor(&update, "half"), (spec("half", &[2, 3, 4], Dtype::F16), cube()));
        assert_eq!(tensor(&update, "number"), (spec("number", &[], Dtype::F32), vec![-2.75]));
        assert_eq!(update.layout.elements(), 3 * 24 + 1);
        assert_eq!(files::read_layout(&data(name))?, update.layout);
    }
    let positional = files::read(&data("positional.npz"))?;
    assert_eq!(tensor(&positional, "arr_0").0.dtype, Dtype::F64);
    assert_eq!(tensor(&positional, "arr_1"), (spec("arr_1", &[2, 3, 4], Dtype::F32), cube()));
    Ok(())
}

/// Spellings of dtypes, headers of Python 2, entries without an ending, folders, and notes of
/// macOS.
#[test]
fn archives_are_read_as_numpy_reads_them() -> Outcome {
    let update = files::read(&data("spelled.npz"))?;
    let dtypes = [
        ("float32", Dtype::F32),
        ("=f4", Dtype::F32),
        ("f4", Dtype::F32),
        ("float16", Dtype::F16),
        ("d", Dtype::F64),
        (">d", Dtype::F64),
        ("python2", Dtype::F32),
        ("weights/no_ending", Dtype::F32),
    ];
    assert_eq!(update.layout.tensors().len(), dtypes.len());
    for (name, dtype) in dtypes {
        assert_eq!(tensor(&update, name), (spec(name, &[2, 3, 4], dtype), cube()));
    }
    Ok(())
}

#[test]
fn integers_and_bools_of_every_width_are_read_and_written() -> Outcome {
    let count = |first: i8| (0..24).map(|n| f64::from(n) + f64::from(first)).collect::<Vec<_>>();
    let thirds: Vec<_> = (0..24).map(|n| f64::from(u8::from(n % 3 == 0))).collect();
    for (file, tensors) in [("integers.npz", 18), ("integers.safetensors", 9)] {
        let update = files::read(&data(file))?;
        assert_eq!(update.layout.tensors().len(), tensors);
        for (spec, range) in update.layout.ranges() {
            let expected = match spec.dtype {
                Dtype::Bool => thirds.clone(),
                Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 => count(0),
                _ => count(-11),
            };
            assert!(!spec.dtype.is_float());
            assert_eq!(update.values.widened(range), expected, "{file} {}", spec.name);
        }
    }
    Ok(())
}

/// Ties go to the even number, a bool is true from one half on, and what the sum's error puts
/// outside comes back.
#[test]
fn means_of_integers_are_rounded_and_those_of_bools_have_a_threshold() -> Outcome {
    let folder = tempfile::tempdir()?;
    let rounded = |dtype, values: &[f64]| -> Result<Vec<f64>, FileError> {
        let path = folder.path().join("mean.npy");
        let layout = Layout::new(&path, Format::Npy, vec![spec("a", &[values.len()], dtype)])?;
        files::write(&path, &layout, &Values::F64(values.to_vec()))?;
        Ok(files::read(&path)?.values.widened(0..values.len()))
    };
    let ties = [0.5, 1.5, 2.5, 2.49, 1e-9];
    for dtype in [Dtype::I8, Dtype::I16, Dtype::I32, Dtype::I64, Dtype::U8, Dtype::U64] {
        assert_eq!(rounded(dtype, &ties)?, [0.0, 2.0, 2.0, 2.0, 0.0], "{dtype}");
    }
    assert_eq!(rounded(Dtype::I16, &[-0.5, -1.5, -40_000.0])?, [0.0, -2.0, -32_768.0]);
    assert_eq!(rounded(Dtype::U8, &[-0.7, 255.6, 254.4])?, [0.0, 255.0, 254.0]);
    assert_eq!(rounded(Dtype::Bool, &[0.5, 0.49, -0.1, 1.2])?, [1.0, 0.0, 0.0, 1.0]);
    Ok(())
}

#[test]
fn safetensors_of_every_dtype_are_read_and_f64_only_widens_where_it_appears() -> Outcome {
    let narrow = files::read(&data("narrow.safetensors"))?;
    assert!(matches!(narrow.values, Values::F32(_)));
    let all = files::read(&data("all.safetensors"))?;
    assert!(matches!(all.values, Values::F64(_)));
    let cases = [("bf16", Dtype::Bf16), ("f16", Dtype::F16), ("f32", Dtype::F32)];
    for (update, (name, dtype)) in [&narrow, &all].into_iter().zip([cases; 2].concat()) {
        assert_eq!(tensor(update, name), (spec(name, &[2, 3, 4], dtype), cube()));
    }
    assert_eq!(tensor(&all, "f64"), (spec("f64", &[2, 3, 4], Dtype::F64), cube()));
    assert_eq!(tensor(&all, "number"), (spec("number", &[], Dtype::F32), vec![-2.75]));
    assert_eq!(files::read(&data("nothing.safetensors"))?.layout.elements(), 0);
    Ok(())
}

#[test]
fn whatever_can_be_read_is_written_and_read_back_unchanged() -> Outcome {
    let folder = tempfile::tempdir()?;
    for file in std::fs::read_dir(data(""))? {
        let path = file?.path();
        let skip = ["text", "records", "notes.txt"].map(|it| it.parse().expect("a name"));
        let update = files::read_skipping(&path, &skip.to_vec().into())?;
        if !update.layout.skipped().is_empty() {
            continue;
        }
        for extension in ["safetensors", "npz", "npy"] {
            let copy = folder.path().join("copy").with_extension(extension);
            match files::write(&copy, &update.layout, &update.values) {
                Ok(()) => assert_same(&update, &files::read(&copy)?, &path, &copy)?,
                Err(FileError::NotOneArray { .. }) => assert_eq!(extension, "npy"),
                Err(FileError::CannotHold { .. }) => assert_ne!(extension, "safetensors"),
                Err(other) => return Err(other.into()),
            }
        }
    }
    Ok(())
}

fn assert_same(a: &Update, b: &Update, path_a: &Path, path_b: &Path) -> Outcome {
    a.layout.check_same(&b.layout, path_a, path_b)?;
    assert_eq!(a.values, b.values, "{} and {}", path_a.display(), path_b.display());
    Ok(())
}

/// Reading and writing go by pieces of 8192 elements: one piece less, exactly one, one more, and
/// several and a bit.
#[test]
fn tensors_longer_than_a_piece_keep_their_order() -> Outcome {
    let folder = tempfile::tempdir()?;
    let dtypes = [Dtype::F16, Dtype::Bf16, Dtype::F32, Dtype::F64];
    for length in [8191, 8192, 8193, 3 * 8192 + 5] {
        let specs = dtypes.map(|dtype| spec(&format!("{dtype}"), &[length], dtype));
        let path = folder.path().join("long.safetensors");
        let layout = Layout::new(&path, Format::Safetensors, specs.into())?;
        // An odd period, so that swapped pieces show; small enough to be exact in bf16.
        let values = Values::F64((0..layout.elements()).map(|n| (n % 251) as f64).collect());
        files::write(&path, &layout, &values)?;
        assert_eq!(files::read(&path)?, Update { layout, values });
    }
    Ok(())
}

/// Names that look as if an archive might not take them.
#[test]
fn odd_names_come_back_from_an_archive() -> Outcome {
    let folder = tempfile::tempdir()?;
    let names =
        ["", "a.npy", "b.npy.npy", "/a", "../a", "a\\b", "ü\n", "a/", "a b", "__macosx/a", "."];
    let specs: Vec<_> = names.iter().map(|name| spec(name, &[1], Dtype::F32)).collect();
    let path = folder.path().join("odd.npz");
    let layout = Layout::new(&path, Format::Npz, specs)?;
    files::write(&path, &layout, &Values::F32((0..names.len()).map(|n| n as f32).collect()))?;
    assert_eq!(files::read_layout(&path)?, layout);
    Ok(())
}

#[test]
fn a_written_file_is_aligned_and_its_bytes_depend_on_nothing_else() -> Outcome {
    let folder = tempfile::tempdir()?;
    for (input, extension) in [
        ("stored.npz", "safetensors"),
        ("stored.npz", "npz"),
        ("integers.safetensors", "safetensors"),
    ] {
        let update = files::read(&data(input))?;
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let (first, second) = (first.with_extension(extension), second.with_extension(extension));
        files::write(&first, &update.layout, &update.values)?;
        files::write(&second, &update.layout, &update.values)?;
        assert_eq!(std::fs::read(first)?, std::fs::read(second)?);
    }
    let path = folder.path().join("number.npy");
    files::write(&path, &files::read_layout(&data("number.npy"))?, &Values::F64(vec![1.0]))?;
    assert_eq!(std::fs::read(path)?.len(), 128 + 8);
    Ok(())
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_nothing_else() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("mean.npz");
    std::fs::write(&path, b"the old file")?;
    let tensors = vec![spec("a", &[2], Dtype::F32), spec("b", &[2, 2], Dtype::F16)];
    let layout = Layout::new(&path, Format::Npz, tensors)?;
    let values = Values::F64(vec![0.0, 0.0, 1.0, 2.0, 1e5, 3.0]);

    let error = files::write(&path, &layout, &values).expect_err("1e5 is no f16").to_string();
    assert!(error.ends_with(
        "mean.npz: tensor \"b\": element 2 (index [1, 0]) is 100000, which f16 cannot hold"
    ));
    assert_eq!(std::fs::read(&path)?, b"the old file");
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 1);
    Ok(())
}

#[test]
fn a_format_that_cannot_hold_the_layout_is_refused() -> Outcome {
    let folder = tempfile::tempdir()?;
    let refusal = |file: &str, layout: &Layout, values: usize| {
        let path = folder.path().join(file);
        let written = files::write(&path, layout, &Values::F32(vec![0.0; values]));
        written.expect_err(file).to_string()
    };
    let layout = |name: &str, dtype| {
        Layout::new(Path::new("x"), Format::Safetensors, vec![spec(name, &[], dtype)])
    };
    let plain = layout("a", Dtype::F32)?;
    assert!(refusal("x.npz", &layout("a", Dtype::Bf16)?, 1).contains("name the output .safet"));
    for name in ["a\0b", "__MACOSX/a", &"a".repeat(70_000)] {
        let said = refusal("x.npz", &layout(name, Dtype::F32)?, 1);
        assert!(said.contains("an .npz cannot hold") && said.len() < 400, "{said}");
    }
    let both = [spec("a", &[], Dtype::F32), spec("a.npy", &[], Dtype::F32)];
    let both = Layout::new(Path::new("x"), Format::Safetensors, both.into())?;
    assert!(refusal("x.npz", &both, 2).contains("called \"a.npy\" beside \"a\"; rename it"));
    assert!(
        refusal("x.npy", &files::read_layout(&data("stored.npz"))?, 73).contains("exactly one")
    );
    assert!(refusal("x.safetensors", &layout("__metadata__", Dtype::F32)?, 1).contains("rename"));
    assert!(refusal("x.npy", &plain, 2).contains("2 values for a layout of 1"));
    assert!(refusal("x.txt", &plain, 1).contains("must end in .safetensors, .npy or .npz"));
    assert!(refusal("no/such/folder.npy", &plain, 1).contains("cannot write"));
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

#[test]
fn the_first_difference_between_two_clients_is_named() -> Outcome {
    let layout = |specs: &[TensorSpec]| Layout::new(Path::new("x"), Format::Npz, specs.into());
    let (a, b, c) =
        (spec("a", &[2], Dtype::F32), spec("b", &[], Dtype::F32), spec("c", &[1], Dtype::F32));
    let one = layout(&[c.clone(), a.clone()])?;
    let difference = |other: &[TensorSpec]| -> Result<String, FileError> {
        let checked = one.check_same(&layout(other)?, Path::new("ONE"), Path::new("TWO"));
        Ok(checked.map_or_else(|e| e.to_string(), |()| "none".into()))
    };
    let wide = spec("a", &[2], Dtype::F64);
    let tall = spec("a", &[2, 1], Dtype::F32);
    assert_eq!(difference(&[a.clone(), c.clone()])?, "none");
    assert!(
        difference(std::slice::from_ref(&a))?.starts_with("tensor \"c\" is in ONE but not in TWO")
    );
    assert!(
        difference(&[a.clone(), b, c.clone()])?
            .starts_with("tensor \"b\" is in TWO but not in ONE")
    );
    assert!(
        difference(std::slice::from_ref(&c))?.starts_with("tensor \"a\" is in ONE but not in TWO")
    );
    assert!(
        difference(&[wide, c.clone()])?.starts_with("tensor \"a\" is f32 in ONE but f64 in TWO")
    );
    assert!(
        difference(&[tall, c])?.starts_with("tensor \"a\" has shape [2] in ONE but [2, 1] in TWO")
    );
    Ok(())
}
