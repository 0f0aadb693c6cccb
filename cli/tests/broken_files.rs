//! Every file in `tests/data/broken/` is refused for the reason in its name, without a panic and
//! without much memory.

use std::error::Error;
use std::path::{Path, PathBuf};

use secagg_cli::files;

type Outcome = Result<(), Box<dyn Error>>;

/// Each broken file, and words that its refusal must contain.
const REFUSALS: &[(&str, &str)] = &[
    ("bomb_behind_a_small_array.npz", "larger than its declared"),
    ("bomb_with_a_lie.npz", "73 bytes expand to 4294967294"),
    ("checksum_wrong.npz", "Invalid checksum"),
    ("compression_unknown.npz", "numpy.savez"),
    ("cut_short.npz", "invalid Zip archive"),
    ("data_cut_short.npy", "declares 224 bytes and there are 223"),
    ("data_cut_short.safetensors", "declares 76 bytes and there are 75"),
    ("data_missing.safetensors", "declares 76 bytes and there are 64"),
    ("dtype_complex.npy", "<c16"),
    ("dtype_f128.npy", "<f16"),
    ("dtype_f8.safetensors", "tensor \"a\" has dtype F8_E4M3"),
    ("dtype_objects.npy", "|O"),
    ("dtype_records.npy", "dtype [["),
    ("dtype_text.npy", "<U1"),
    ("dtype_unknown.safetensors", "unknown variant `F12`"),
    ("entries_overlap.npz", "share bytes"),
    ("entry_cut_short.npz", "declares 224 bytes and there are 223"),
    ("entry_encrypted.npz", "Password required"),
    ("entry_not_an_array.npz", "\"notes.txt\" is not a .npy array"),
    ("entry_not_numpy.npz", "magic bytes"),
    ("entry_too_long.npz", "declares 224 bytes and there are 225"),
    (
        "every_reason.safetensors",
        "tensor \"c\" has dtype C64; tensor \"int\": element 1 (index [1]) is an integer of 2^53 or more; tensor \
         \"nan\": element 0 (index [0]) is NaN. Only finite floats, integers below 2^53 and bools are averaged: convert \
         them, or leave them alone with --skip",
    ),
    ("fourteen_reasons.safetensors", "tensor \"07\" has dtype C64; and 6 more. Only"),
    ("git_lfs_pointer.npy", "is a Git LFS pointer"),
    ("git_lfs_pointer.npz", "is a Git LFS pointer"),
    ("git_lfs_pointer.safetensors", "run `git lfs pull` there"),
    ("gzip_archive.npz", "is a gzip archive: unpack it"),
    ("header_a_list.safetensors", "expected a JSON object"),
    ("header_cut_short.npy", "header of 118 bytes, where at most 30"),
    ("header_cut_short.safetensors", "header of 56 bytes, where at most 12"),
    ("header_longer_than_file.safetensors", "header of 76 bytes, where at most 68"),
    ("header_nested_deeply.npy", "recursion limit"),
    ("header_nested_deeply.safetensors", "EOF while parsing"),
    ("header_not_a_dictionary.npy", "the header of \"arr_0\""),
    ("header_not_json.safetensors", "key must be a string"),
    ("header_not_text.npy", "not text"),
    ("header_not_text.safetensors", "expected value"),
    ("header_of_2_64_bytes.safetensors", "header of 18446744073709551615 bytes"),
    ("header_of_4_gib.npy", "header of 4294967295 bytes"),
    ("html_page.npz", "is an HTML page: download"),
    ("infinity_f16.safetensors", "tensor \"a\": element 2 (index [2]) is -inf"),
    ("infinity_fortran.npy", "element 20 (index [1, 2, 0]) is inf"),
    ("integer_of_2_53.npy", "element 2 (index [2]) is an integer of 2^53 or more"),
    ("integer_of_2_64.npy", "element 0 (index [0]) is an integer of 2^53 or more"),
    ("key_missing.npy", "missing field `shape`"),
    ("key_twice.npy", "duplicate field `shape`"),
    ("key_unknown.npy", "unknown field `x`"),
    ("magic_alone.npy", "ends too early"),
    ("magic_wrong.npy", "magic bytes"),
    ("name_twice.npz", "same name"),
    ("name_twice.safetensors", "tensor \"a\" appears twice"),
    ("name_with_and_without_ending.npz", "tensor \"a\" appears twice"),
    ("nan.npz", "tensor \"b\": element 7 (index [0, 1, 3]) is NaN"),
    ("nan.safetensors", "tensor \"cube\": element 14 (index [1, 0, 2]) is NaN"),
    ("no_bytes.npy", "is empty"),
    ("no_bytes.npz", "is empty"),
    ("no_bytes.safetensors", "is empty"),
    ("not_a_zip.npz", "is a .npy array: name it .npy"),
    ("not_safetensors.safetensors", "is a .npy array: name it .npy"),
    ("offsets_missing.safetensors", "missing field `data_offsets`"),
    ("offsets_past_the_end.safetensors", "and there are 116"),
    ("offsets_reversed.safetensors", "invalid offset"),
    ("offsets_with_a_gap.safetensors", "invalid offset"),
    ("python_pickle.safetensors", "is a Python pickle"),
    ("pytorch_checkpoint.npz", "is a PyTorch checkpoint"),
    ("safetensors.npy", "is a safetensors file: name it .safetensors"),
    ("seven_bytes.safetensors", "ends too early"),
    ("shape_larger_than_data.npy", "declares 81 bytes and there are 77"),
    ("shape_larger_than_data.safetensors", "invalid shape"),
    ("shape_negative.npy", "`-3`"),
    ("shape_negative.safetensors", "`-3`"),
    ("shape_not_numbers.npy", "expected usize"),
    ("shape_of_2_70.npy", "expected usize"),
    ("shape_overflows.npy", "more than this machine"),
    ("shape_overflows.safetensors", "overflow"),
    ("shape_overflows_then_zero.npy", "more than this machine"),
    ("shape_smaller_than_data.npy", "declares 73 bytes and there are 77"),
    ("shape_smaller_than_data.safetensors", "invalid shape"),
    ("tensors_overlap.safetensors", "invalid offset"),
    ("trailing_byte.npy", "declares 224 bytes and there are 225"),
    ("trailing_byte.safetensors", "declares 76 bytes and there are 77"),
    ("version_9.npy", "version 9"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/broken")
}

#[test]
fn every_broken_file_is_refused_for_its_own_reason() {
    for (name, reason) in REFUSALS {
        let path = folder().join(name);
        let error = files::read(&path).expect_err(name).to_string();
        assert!(error.contains(reason), "{name} was refused, but for this: {error}");
        assert!(error.contains(name), "{error:?} does not name the file");
        assert!(error.len() < 600, "{name}: nobody reads {} bytes", error.len());
    }
}

#[test]
fn every_file_in_the_folder_has_a_reason_here() -> Outcome {
    let mut listed: Vec<_> = REFUSALS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut there = std::fs::read_dir(folder())?
        .map(|file| Ok(file?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()?;
    listed.sort();
    there.sort();
    assert_eq!(there, listed);
    Ok(())
}

/// Names that tell no format, too.
#[test]
fn a_git_lfs_pointer_is_known_by_any_name() -> Outcome {
    let scratch = tempfile::tempdir()?;
    for name in ["model.pt", "model.bin", "model", "model.NPZ"] {
        let path = scratch.path().join(name);
        std::fs::copy(folder().join("git_lfs_pointer.npy"), &path)?;
        let error = files::read(&path).expect_err(name).to_string();
        assert!(error.contains("is a Git LFS pointer"), "{error}");
    }
    Ok(())
}

#[test]
fn paths_that_are_not_files_are_refused() {
    let refusal = |path: &str| files::read(Path::new(path)).expect_err(path).to_string();
    assert!(refusal("no_such_file.npy").starts_with("cannot read no_such_file.npy"));
    assert!(refusal("weights.csv").contains("must end in .safetensors, .npy or .npz"));
    assert!(refusal("no_extension").contains("must end in .safetensors, .npy or .npz"));
    let folder = tempfile::Builder::new().suffix(".npz").tempdir().expect("a temporary folder");
    assert!(files::read(folder.path()).expect_err("a folder").to_string().contains("plain file"));
}

/// Cuts and flips everywhere: what is not refused must still be an update of its own layout.
#[test]
fn no_cut_and_no_flipped_bit_makes_the_reader_panic() -> Outcome {
    let scratch = tempfile::tempdir()?;
    for name in ["fortran_f32.npy", "deflated.npz", "stored.npz", "narrow.safetensors"] {
        let good = std::fs::read(folder().join("../files").join(name))?;
        let path = scratch.path().join(name);
        // Three is prime to the sizes of all fields, so that every kind of byte is met.
        for at in (0..good.len()).step_by(3) {
            std::fs::write(&path, &good[..at])?;
            assert!(files::read(&path).is_err(), "{name} cut to {at} bytes");
            let mut flipped = good.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, &flipped)?;
            if let Ok(update) = files::read(&path) {
                assert_eq!(update.values.len(), update.layout.elements(), "{name} at {at}");
            }
        }
    }
    Ok(())
}
