#!/usr/bin/env python3
"""Makes tests/data/files/ (one update as other programs write it) and tests/data/broken/ (files to refuse).

    venv/bin/pip install numpy==2.4.6 safetensors==0.8.0
    venv/bin/python tests/data/make_files.py

numpy dates the entries of the archives that it writes; everything else comes out the same every time (on the same kind of
processor).
"""

import gzip
import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
from safetensors import TensorSpec, serialize
from safetensors.numpy import save

HERE = Path(__file__).parent
FILES = HERE / "files"
BROKEN = HERE / "broken"

# 2 × 3 × 4, every value exact in every dtype (bf16 has 8 bits) and different from all others.
CUBE = np.arange(-11, 13, dtype=np.float64).reshape(2, 3, 4) / 4

# The same cube of integers from 0 to 23.
COUNT = np.arange(24).reshape(2, 3, 4)

# All that is left of a file where Git LFS did not fetch it.
POINTER = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
"""


def main():
    FILES.mkdir(exist_ok=True)
    BROKEN.mkdir(exist_ok=True)
    good_arrays()
    good_archives()
    good_safetensors()
    broken_safetensors()
    broken_arrays()
    broken_archives()


def good_arrays():
    for dtype in ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]:
        name = {"<": "little", ">": "big"}[dtype[0]]
        (FILES / f"{name}_f{8 * int(dtype[2])}.npy").write_bytes(npy(CUBE.astype(dtype)))
    (FILES / "fortran_f32.npy").write_bytes(npy(np.asfortranarray(CUBE.astype("<f4"))))
    (FILES / "fortran_big_f64.npy").write_bytes(npy(np.asfortranarray(CUBE.astype(">f8"))))
    (FILES / "number.npy").write_bytes(npy(np.array(-2.75)))
    (FILES / "empty.npy").write_bytes(npy(np.zeros((3, 0, 2), "<f4")))
    for version in [(1, 0), (2, 0), (3, 0)]:
        file = io.BytesIO()
        np.lib.format.write_array(file, CUBE.astype("<f4"), version=version)
        (FILES / f"version_{version[0]}.npy").write_bytes(file.getvalue())


    python2 = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L, 4L), }"
    (FILES / "python2.npy").write_bytes(array_of(python2, CUBE.astype("<f4").tobytes()))


def good_archives():
    integers = {}
    for kind in "iu":
        for width in [1, 2, 4, 8]:
            values = COUNT - 11 if kind == "i" else COUNT
            for order in "<>":
                integers[f"{order}{kind}{width}"] = values.astype(f"{order}{kind}{width}")
    np.savez(FILES / "integers.npz", bool=COUNT % 3 == 0, columns=np.asfortranarray(COUNT - 11), **integers)
    # As numpy.savez stores a list, which is to keep its order.
    np.savez(FILES / "twelve.npz", *[np.full(2, n, "<f4") for n in range(12)])
    spelled = lambda descr, dtype: array_of(
        f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 3, 4)}}".encode(), CUBE.astype(dtype).tobytes()
    )
    entries = {"weights/": b"", "__MACOSX/._a.npy": b"a note", "weights/no_ending": spelled("<f4", "<f4")}
    for descr, dtype in [("float32", "<f4"), ("=f4", "<f4"), ("f4", "<f4"), ("float16", "<f2"), ("d", "<f8"), (">d", ">f8")]:
        entries[f"{descr}.npy"] = spelled(descr, dtype)
    python2 = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L, 4L), }"
    entries["python2.npy"] = array_of(python2, CUBE.astype("<f4").tobytes())
    (FILES / "spelled.npz").write_bytes(archive(entries))
    odd = {
        "text.npy": npy(np.array(["left", "alone"])),
        "w.npy": npy(CUBE.astype("<f4")),
        "records.npy": npy(np.zeros(2, [("a", "<f4"), ("b", ">i2", (2,))])),
        "notes.txt": b"no array",
        "columns.npy": npy(np.asfortranarray(CUBE.astype(">f8"))),
    }
    (FILES / "odd.npz").write_bytes(archive(odd))
    arrays = {
        "cube": CUBE.astype("<f4"),
        "half": CUBE.astype(">f2"),
        "columns": np.asfortranarray(CUBE.astype("<f4")),
        "number": np.array(-2.75, "<f4"),
        "empty": np.zeros((3, 0, 2), "<f4"),
    }
    np.savez(FILES / "stored.npz", **arrays)
    np.savez_compressed(FILES / "deflated.npz", **arrays)
    np.savez(FILES / "positional.npz", CUBE, CUBE.astype("<f4"))


def good_safetensors():
    f32 = CUBE.astype("<f4")
    bf16 = (f32.view("<u4") >> 16).astype("<u2")  # numpy has no name for it
    arrays = {
        "f16": ("float16", CUBE.astype("<f2")),
        "bf16": ("bfloat16", bf16),
        "f32": ("float32", f32),
        "number": ("float32", np.array(-2.75, "<f4")),
        "empty": ("float32", np.zeros((3, 0, 2), "<f4")),
    }
    spec = lambda dtype, array: TensorSpec(
        dtype=dtype, shape=array.shape, data_ptr=array.ctypes.data, data_len=array.nbytes
    )
    narrow = {name: spec(*array) for name, array in arrays.items()}
    (FILES / "narrow.safetensors").write_bytes(serialize(narrow, {"made by": "a test"}))
    every = narrow | {"f64": spec("float64", CUBE)}
    (FILES / "all.safetensors").write_bytes(serialize(every))
    names = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
    integers = {name: (COUNT - 11 if name[0] == "i" else COUNT).astype(name) for name in names}
    integers["bool"] = COUNT % 3 == 0
    (FILES / "integers.safetensors").write_bytes(save(integers, {"format": "pt", "made by": "a test"}))
    (FILES / "nothing.safetensors").write_bytes(serialize({}))


def broken_safetensors():
    def put(name, content):
        (BROKEN / f"{name}.safetensors").write_bytes(content)

    good = save({"a": np.arange(3, dtype="<f4")})
    put("no_bytes", b"")
    put("seven_bytes", good[:7])
    put("header_cut_short", good[:20])
    put("data_cut_short", good[:-1])
    put("data_missing", good[:-12])
    put("trailing_byte", good + b"\0")
    put("header_longer_than_file", struct.pack("<Q", len(good)) + good[8:])
    put("header_of_2_64_bytes", struct.pack("<Q", 2**64 - 1) + good[8:])
    put("header_not_json", tensors_of(b"{'a': 1}", b""))
    put("header_not_text", tensors_of(b"\xff" * 8, b""))
    put("header_a_list", tensors_of(b"[]", b""))
    put("header_nested_deeply", tensors_of(b'{"a":' + b"[" * 100_000, b""))
    put("not_safetensors", npy(CUBE))
    tensor = lambda **change: {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]} | change
    one = lambda data=b"\0" * 12, **change: tensors_of(json.dumps({"a": tensor(**change)}).encode(), data)
    put("shape_larger_than_data", one(shape=[4]))
    put("shape_smaller_than_data", one(shape=[2]))
    put("shape_negative", one(shape=[-3]))
    put("shape_overflows", one(shape=[2**40, 2**40]))
    put("offsets_reversed", one(data_offsets=[12, 0]))
    put("offsets_past_the_end", one(data_offsets=[0, 2**60], shape=[2**58]))
    put("offsets_with_a_gap", one(data_offsets=[4, 16], data=b"\0" * 16))
    put("offsets_missing", tensors_of(b'{"a":{"dtype":"F32","shape":[3]}}', b"\0" * 12))
    twice = json.dumps(tensor()).encode()
    put("name_twice", tensors_of(b'{"a":' + twice + b',"a":' + twice + b"}", b"\0" * 12))
    overlap = json.dumps({"a": tensor(), "b": tensor()}).encode()
    put("tensors_overlap", tensors_of(overlap, b"\0" * 12))
    put("git_lfs_pointer", POINTER)
    put("python_pickle", pickle.dumps({"a": [1.0]}))
    put("dtype_f8", one(dtype="F8_E4M3", data=b"\0" * 3, data_offsets=[0, 3]))
    # Three tensors for three reasons, and one that is fine.
    reasons = {"c": np.array([1j], "<c8"), "fine": CUBE, "int": np.array([0, 2**53]), "nan": np.array([np.nan])}
    put("every_reason", save(reasons))
    put("fourteen_reasons", save({f"{n:02}": np.array([1j], "<c8") for n in range(14)}))
    put("dtype_unknown", one(dtype="F12"))
    cube = CUBE.astype("<f4").copy()
    cube[1, 0, 2] = np.nan
    put("nan", save({"fine": CUBE, "cube": cube}))
    put("infinity_f16", save({"a": np.array([1, 2, -np.inf], "<f2")}))


def broken_arrays():
    def put(name, content):
        (BROKEN / f"{name}.npy").write_bytes(content)

    good = npy(CUBE.astype("<f4"))
    put("no_bytes", b"")
    put("magic_alone", good[:6])
    put("magic_wrong", b"X" + good[1:])
    put("version_9", good[:6] + b"\x09\0" + good[8:])
    put("header_cut_short", good[:40])
    put("header_of_4_gib", good[:6] + b"\x02\0" + b"\xff\xff\xff\xff" + good[12:])
    put("data_cut_short", good[:-1])
    put("trailing_byte", good + b"\0")
    head = lambda text, data=b"": array_of(text, data)
    put("header_not_a_dictionary", head(b"[1, 2]"))
    put("header_not_text", head(b"\xff\xfe"))
    put("header_nested_deeply", head(b"(" * 60_000))
    put("key_missing", head(b"{'descr': '<f4', 'fortran_order': False}", b"\0" * 4))
    put("key_unknown", head(b"{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", b"\0" * 4))
    put("key_twice", head(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}", b"\0" * 4))
    shape = lambda s: head(b"{'descr': '<f4', 'fortran_order': False, 'shape': " + s + b"}", b"\0" * 12)
    put("shape_larger_than_data", shape(b"(4,)"))
    put("shape_smaller_than_data", shape(b"(2,)"))
    put("shape_negative", shape(b"(-3,)"))
    put("shape_of_2_70", shape(b"(1180591620717411303424,)"))
    put("shape_overflows", shape(b"(4294967296, 4294967296)"))
    put("shape_overflows_then_zero", shape(b"(4294967296, 4294967296, 0)"))
    put("shape_not_numbers", shape(b"('a',)"))
    put("git_lfs_pointer", POINTER)
    put("safetensors", save({"a": np.arange(3, dtype="<f4")}))
    put("integer_of_2_53", npy(np.array([0, 1 - 2**53, -(2**53)])))
    put("integer_of_2_64", npy(np.array([2**64 - 1], ">u8")))
    put("dtype_complex", npy(np.array([1j])))
    put("dtype_f128", npy(np.array([1], np.longdouble)))
    put("dtype_text", npy(np.array(["a"])))
    put("dtype_records", npy(np.zeros(2, [("a", "<f4")])))
    put("dtype_objects", npy(np.array([None])))
    columns = np.asfortranarray(CUBE.astype(">f8"))
    columns[1, 2, 0] = np.inf
    put("infinity_fortran", npy(columns))


def broken_archives():
    def put(name, content):
        (BROKEN / f"{name}.npz").write_bytes(content)

    one = npy(CUBE.astype("<f4"))
    good = archive({"a.npy": one, "b.npy": one}, zipfile.ZIP_DEFLATED)
    put("no_bytes", b"")
    put("not_a_zip", one)
    put("cut_short", good[:-30])
    put("entry_not_an_array", archive({"a.npy": one, "notes.txt": b"hello"}))
    put("entry_not_numpy", archive({"a.npy": b"hello, this is not an array"}))
    put("entry_cut_short", archive({"a.npy": one[:-1]}))
    put("entry_too_long", archive({"a.npy": one + b"\0"}))
    put("entry_encrypted", encrypted(archive({"a.npy": one})))
    put("checksum_wrong", archive({"a.npy": one}).replace(CUBE.astype("<f4").tobytes(), bytes(96)))
    # bzip2, which no version of numpy writes.
    put("compression_unknown", archive({"a.npy": one}, zipfile.ZIP_BZIP2))
    put("name_twice", twice(archive({"a.npy": one, "b.npy": one})))
    put("entries_overlap", overlapping(one))
    put("git_lfs_pointer", POINTER)
    put("html_page", b"\n<!DOCTYPE html><title>Sign in</title>")
    put("gzip_archive", gzip.compress(good, mtime=0))
    put("pytorch_checkpoint", archive({"archive/data.pkl": pickle.dumps({}), "archive/data/0": bytes(8)}))
    # Both are numpy's "a.npy".
    put("name_with_and_without_ending", archive({"a": one, "a.npy": one}))
    cube = CUBE.copy()
    cube[0, 1, 3] = np.nan
    put("nan", archive({"a.npy": one, "b.npy": npy(cube)}))
    # The deflated entry is a few bytes; its header and its array both claim a tebibyte.
    head = array_of(b"{'descr': '<f4', 'fortran_order': False, 'shape': (274877906944,)}", b"")
    put("bomb_with_a_lie", declaring(archive({"a.npy": head}, zipfile.ZIP_DEFLATED), len(head), 2**32 - 2))
    # The array header asks for 12 bytes and the archive says so, but 1 MiB of zeros is in there.
    head = array_of(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", b"")
    entry = head + bytes(2**20)
    put("bomb_behind_a_small_array", declaring(archive({"a.npy": entry}, zipfile.ZIP_DEFLATED), len(entry), len(head) + 12))


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def array_of(header, data):
    """A version 1 array with any header."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def tensors_of(header, data):
    return struct.pack("<Q", len(header)) + header + data


def archive(entries, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as out:
        for name, content in entries.items():
            # A fixed date, so that the script makes the same bytes every time.
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            out.writestr(info, content)
    return file.getvalue()


def encrypted(content):
    """Sets the flag in both headers; there is no need to encrypt anything."""
    content = bytearray(content)
    for magic, flags in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)]:
        content[content.index(magic) + flags] |= 1
    return bytes(content)


def twice(content):
    return content.replace(b"b.npy", b"a.npy")


def overlapping(one):
    """A directory of two names whose entries are the same bytes."""
    content = archive({"a.npy": one})
    start = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    directory = content[start:end] + content[start:end].replace(b"a.npy", b"b.npy")
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), start, 0)
    return content[:start] + directory + tail


def declaring(content, length, lie):
    """The uncompressed length in both headers, replaced."""
    true, false = struct.pack("<L", length), struct.pack("<L", lie)
    assert content.count(true) >= 2
    content = bytearray(content)
    for magic, field in [(b"PK\x03\x04", 22), (b"PK\x01\x02", 24)]:
        at = content.index(magic) + field
        assert content[at : at + 4] == true
        content[at : at + 4] = false
    return bytes(content)


if __name__ == "__main__":
    main()
