//! Files of updates: what can be read is as long as the file says, and is written and read again the same, in every
//! format that can hold it; everything else is refused with an error of its own. Allocations are bounded by libFuzzer's
//! `-malloc_limit_mb`.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use secagg_cli::files::{
    self, Dtype, FileError, Format, Layout, Reason, Refused, TensorSpec, Update, Values,
};
use secagg_fuzz::arrays::{Archive, Name, Tensor, Value};
use tempfile::TempDir;

const EXTENSIONS: [&str; 3] = ["safetensors", "npy", "npz"];

/// What deflate can do at best.
const EXPANSION: usize = 1032;

/// A layout and values of a caller's own.
#[derive(Arbitrary, Debug)]
struct Made {
    tensors: Vec<(Name, Tensor)>,
    values: Vec<Value>,
    double: bool,
}

fuzz_target!(|input: &[u8]| {
    let Some((&mode, rest)) = input.split_first() else { return };
    let folder = folder();
    match mode % 5 {
        mode @ 0..3 => {
            check_file(&folder, EXTENSIONS[usize::from(mode)], rest);
        }
        3 => {
            let Ok(made) = Archive::arbitrary_take_rest(Unstructured::new(rest)) else { return };
            let Some(bytes) = made.bytes() else { return };
            let update = check_file(&folder, "npz", &bytes);
            update.iter().for_each(|update| check_order(&made, update));
        }
        _ => {
            let Ok(made) = Made::arbitrary_take_rest(Unstructured::new(rest)) else { return };
            check_made(&folder, &made);
        }
    }
});

/// In memory where that is possible, since files are flushed to the disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}

fn check_file(folder: &TempDir, extension: &str, bytes: &[u8]) -> Option<Update> {
    let path = folder.path().join("update").with_extension(extension);
    fs::write(&path, bytes).expect("room for a file");
    let (layout, read) = (files::read_layout(&path), files::read(&path));
    match read {
        Ok(update) => {
            assert_eq!(layout.expect("what can be read whole has a layout"), update.layout);
            check_length(&update, bytes.len() * if extension == "npz" { EXPANSION } else { 1 });
            check_update(folder, &update);
            Some(update)
        }
        Err(error) => {
            check_refusal(&error, layout.is_ok());
            None
        }
    }
}

/// Arrays of every byte order and memory order hold their elements in row-major order.
fn check_order(archive: &Archive, update: &Update) {
    for (name, tensor) in archive.tensors().filter(|(name, _)| !name.starts_with("__MACOSX/")) {
        let found = update.layout.ranges().find(|(spec, _)| spec.name == name);
        let (spec, range) = found.expect("an entry of the archive");
        assert_eq!((&spec.shape, spec.dtype), (&tensor.shape(), tensor.dtype_in_numpy()));
        assert_eq!(update.values.widened(range), tensor.elements());
    }
}

/// A damaged file is the file's fault; what is there and plain can be opened.
fn check_refusal(error: &FileError, has_layout: bool) {
    let message = error.to_string();
    assert!(!message.is_empty());
    let of_the_values = match error {
        FileError::Refused { tensors, .. } => {
            assert!(!tensors.is_empty());
            let of_the_layout =
                |it: &Refused| matches!(it.reason, Reason::Dtype(_) | Reason::NotAnArray);
            !tensors.iter().any(of_the_layout)
        }
        FileError::Malformed { .. } => has_layout,
        FileError::WrongKind { .. }
        | FileError::WrongLength { .. }
        | FileError::HeaderTooLarge { .. }
        | FileError::DuplicateTensor { .. }
        | FileError::Inflated { .. }
        | FileError::TooLarge { .. } => false,
        _ => panic!("{message}"),
    };
    assert_eq!(of_the_values, has_layout, "{message}");
}

fn check_length(update: &Update, limit: usize) {
    let bytes = |spec: &TensorSpec| spec.elements() * spec.dtype.bytes();
    assert!(update.layout.tensors().iter().map(bytes).sum::<usize>() <= limit);
}

/// Written in every format, and read again.
fn check_update(folder: &TempDir, update: &Update) {
    let Update { layout, values } = update;
    assert_eq!(values.len(), layout.elements());
    assert!(values.widened(0..values.len()).iter().all(|value| value.is_finite()));
    assert!(layout.tensors().windows(2).all(|pair| pair[0].name < pair[1].name));
    for extension in EXTENSIONS {
        let path = folder.path().join("copy").with_extension(extension);
        match files::write(&path, layout, values) {
            Ok(()) => check_copy(folder, update, &path),
            Err(error) => check_cannot_hold(&error, extension, layout),
        }
    }
}

fn check_copy(folder: &TempDir, update: &Update, path: &Path) {
    files::check_writable(path, &update.layout).expect("it was written");
    let copy = files::read(path).expect("what was written can be read");
    check_same(update, &copy);
    let again: PathBuf = folder.path().join("again").with_extension(path.extension().expect("one"));
    files::write(&again, &copy.layout, &copy.values).expect("as it was written before");
    assert_eq!(fs::read(path).expect("a file"), fs::read(&again).expect("a file"));
}

/// A `.npy` keeps no name.
fn check_same(a: &Update, b: &Update) {
    let spec = |spec: &TensorSpec| (spec.shape.clone(), spec.dtype);
    let specs = |update: &Update| update.layout.tensors().iter().map(spec).collect::<Vec<_>>();
    assert_eq!(specs(a), specs(b));
    if b.layout.format() != Format::Npy {
        let path = Path::new("update");
        a.layout.check_same(&b.layout, path, path).expect("the same names");
    }
    // Zero has a sign.
    let bits = |update: &Update| {
        let values = update.values.widened(0..update.values.len());
        values.into_iter().map(f64::to_bits).collect::<Vec<_>>()
    };
    assert_eq!(bits(a), bits(b));
}

fn check_cannot_hold(error: &FileError, extension: &str, layout: &Layout) {
    let tensors = layout.tensors();
    let fits = match error {
        FileError::NotOneArray { .. } => extension == "npy" && tensors.len() != 1,
        FileError::CannotHold { .. } => {
            extension != "safetensors" && tensors.iter().any(|spec| spec.dtype == Dtype::Bf16)
        }
        FileError::NotAnEntry { .. } => {
            extension == "npz" && !tensors.iter().all(|it| is_entry(it, layout))
        }
        FileError::ReservedName { .. } => {
            extension == "safetensors" && tensors.iter().any(|spec| spec.name == "__metadata__")
        }
        _ => false,
    };
    assert!(fits, "{error}");
}

/// Whether a tensor's name leads to its entry of an archive, and to no other.
fn is_entry(spec: &TensorSpec, layout: &Layout) -> bool {
    let beside = |stem: &str| layout.tensors().iter().any(|other| other.name == stem);
    let name = &spec.name;
    !name.contains('\0')
        && name.len() < 65_532
        && !name.starts_with("__MACOSX/")
        && !name.strip_suffix(".npy").is_some_and(beside)
}

/// Values of any origin: they are written rounded, or refused.
fn check_made(folder: &TempDir, made: &Made) {
    let path = folder.path().join("made.npz");
    let spec = |(name, tensor): &(Name, Tensor)| TensorSpec {
        name: name.text(),
        shape: tensor.shape(),
        dtype: tensor.dtype(),
    };
    let specs: Vec<_> = made.tensors.iter().take(6).map(spec).collect();
    let Ok(layout) = Layout::new(&path, Format::Npz, specs) else { return };
    // Many elements are many values, all made from the few that there are.
    if layout.elements() > 10_000 {
        return;
    }
    let values = made.values.iter().map(Value::get).chain([0.5]).cycle().take(layout.elements());
    let values = if made.double {
        Values::F64(values.collect())
    } else {
        Values::F32(values.map(|value| value as f32).collect())
    };
    for extension in EXTENSIONS {
        let path = folder.path().join("made").with_extension(extension);
        match files::write(&path, &layout, &values) {
            Ok(()) => check_rounded(&layout, &values, &files::read(&path).expect("as written")),
            Err(FileError::Overflow { value, dtype, .. }) => {
                assert!(!value.is_finite() || value.abs() > largest(dtype));
            }
            Err(error) => check_cannot_hold(&error, extension, &layout),
        }
    }
}

/// Each value is as near as its dtype has one.
fn check_rounded(layout: &Layout, values: &Values, read: &Update) {
    for (spec, range) in layout.ranges() {
        let (wanted, found) = (values.widened(range.clone()), read.values.widened(range));
        for (wanted, found) in wanted.into_iter().zip(found) {
            if !spec.dtype.is_float() {
                assert!((wanted - found).abs() <= 0.5 || found == bound_of(spec.dtype, wanted));
                continue;
            }
            let (digits, smallest) = precision(spec.dtype);
            let exponent = (wanted.to_bits() >> 52 & 0x7ff) as i32 - 1023;
            let most = 2_f64.powi(exponent - digits).max(smallest / 2.0);
            assert!((wanted - found).abs() <= most, "{wanted:e} became {found:e}");
        }
    }
}

/// The end of an integer's range that is on the value's side.
fn bound_of(dtype: Dtype, value: f64) -> f64 {
    let bits = 8 * dtype.bytes() as i32;
    let (low, high) = match dtype {
        Dtype::Bool => (0.0, 1.0),
        Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 => (0.0, 2_f64.powi(bits) - 1.0),
        _ => (-2_f64.powi(bits - 1), 2_f64.powi(bits - 1) - 1.0),
    };
    if value < 0.0 { low } else { high }
}

/// Significant bits, and the smallest number.
fn precision(dtype: Dtype) -> (i32, f64) {
    match dtype {
        Dtype::F16 => (11, 2_f64.powi(-24)),
        Dtype::Bf16 => (8, 2_f64.powi(-133)),
        Dtype::F32 => (24, 2_f64.powi(-149)),
        _ => (53, 0.0),
    }
}

fn largest(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F16 => 65504.0,
        Dtype::Bf16 => f64::from(f32::from_bits(0x7f7f_0000)),
        Dtype::F32 => f32::MAX.into(),
        _ => f64::MAX,
    }
}
