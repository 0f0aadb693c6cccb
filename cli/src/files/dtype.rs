//! The types of elements that can be averaged, and their names in files.

use std::fmt;

/// Every integer below this has an f64 of its own.
pub(super) const EXACT: f64 = 9_007_199_254_740_992.0;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// A signed integer of 8 bits.
    I8,
    /// A signed integer of 16 bits.
    I16,
    /// A signed integer of 32 bits.
    I32,
    /// A signed integer of 64 bits.
    I64,
    /// An unsigned integer of 8 bits.
    U8,
    /// An unsigned integer of 16 bits.
    U16,
    /// An unsigned integer of 32 bits.
    U32,
    /// An unsigned integer of 64 bits.
    U64,
    /// True or false, in one byte.
    Bool,
}

/// Each dtype with its name, what numpy writes for it behind the byte order, what else numpy reads,
/// and its name in safetensors.
type Row = (Dtype, &'static str, &'static str, &'static [&'static str], safetensors::Dtype);

const TABLE: [Row; 13] = {
    use safetensors::Dtype as S;
    [
        (Dtype::F16, "f16", "f2", &["e", "half", "float16"], S::F16),
        // numpy has none; its headers never say so.
        (Dtype::Bf16, "bf16", "", &[], S::BF16),
        (Dtype::F32, "f32", "f4", &["f", "single", "float32"], S::F32),
        (Dtype::F64, "f64", "f8", &["d", "double", "float", "float64"], S::F64),
        (Dtype::I8, "i8", "i1", &["b", "byte", "int8"], S::I8),
        (Dtype::I16, "i16", "i2", &["h", "short", "int16"], S::I16),
        (Dtype::I32, "i32", "i4", &["i", "intc", "int32"], S::I32),
        (
            Dtype::I64,
            "i64",
            "i8",
            &["q", "l", "p", "longlong", "long", "int", "int_", "intp", "int64"],
            S::I64,
        ),
        (Dtype::U8, "u8", "u1", &["B", "ubyte", "uint8"], S::U8),
        (Dtype::U16, "u16", "u2", &["H", "ushort", "uint16"], S::U16),
        (Dtype::U32, "u32", "u4", &["I", "uintc", "uint32"], S::U32),
        (
            Dtype::U64,
            "u64",
            "u8",
            &["Q", "L", "P", "ulonglong", "ulong", "uint", "uintp", "uint64"],
            S::U64,
        ),
        (Dtype::Bool, "bool", "b1", &["?", "bool", "bool_"], S::BOOL),
    ]
};

impl Dtype {
    /// Bytes of one element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// Whether its elements are floats, and not integers or bools.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    /// Whether an f32 holds all its values.
    pub const fn fits_f32(self) -> bool {
        self.bytes() < 4 || matches!(self, Self::F32)
    }

    /// The largest magnitude that a float of this dtype, or an integer of any, may have in an
    /// update.
    pub fn largest(self) -> f64 {
        match self {
            Self::F16 => half::f16::MAX.to_f64(),
            Self::Bf16 => half::bf16::MAX.to_f64(),
            Self::F32 => f32::MAX.into(),
            Self::F64 => f64::MAX,
            _ => EXACT - 1.0,
        }
    }

    /// How far the nearest of its values can be from a number of at most this magnitude.
    pub fn rounding(self, magnitude: f64) -> f64 {
        let (digits, smallest) = match self {
            Self::F16 => (11, -24),
            Self::Bf16 => (8, -133),
            Self::F32 => (24, -149),
            Self::F64 => (53, -1022),
            _ => return 0.5,
        };
        (magnitude * 2_f64.powi(-digits)).max(2_f64.powi(smallest - 1))
    }

    /// The dtype that a `descr` of numpy stands for, and whether its bytes are big-endian.
    pub(super) fn from_numpy(descr: &str) -> Option<(Self, bool)> {
        let code = descr.strip_prefix(['<', '>', '=', '|']).unwrap_or(descr);
        // numpy takes a byte order before codes, and not before names.
        let ordered = code.len() < descr.len();
        let named =
            |row: &&Row| row.3.iter().any(|&name| name == code && !(ordered && name.len() > 1));
        let row = TABLE.iter().find(|row| (row.2 == code && !code.is_empty()) || named(row))?;
        Some((row.0, descr.starts_with('>')))
    }

    /// Numpy's code, little-endian. For bf16, which numpy has not, an empty code.
    pub(super) fn numpy(self) -> String {
        let order = if self.bytes() == 1 { '|' } else { '<' };
        format!("{order}{}", self.row().2)
    }

    pub(super) fn from_safetensors(dtype: safetensors::Dtype) -> Option<Self> {
        TABLE.iter().find(|row| row.4 == dtype).map(|row| row.0)
    }

    pub(super) fn safetensors(self) -> safetensors::Dtype {
        self.row().4
    }

    /// The table has the order of the variants.
    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_order_of_the_variants() {
        assert!(TABLE.iter().all(|row| row.0.row().0 == row.0));
    }

    /// Numpy 2.4's verdict on each.
    #[test]
    fn spellings_are_those_that_numpy_reads() {
        let read = |descr| Dtype::from_numpy(descr);
        for descr in ["float32", "=f4", "f4", "<f4", "|f4", "single", "f", "<f"] {
            assert_eq!(read(descr), Some((Dtype::F32, false)), "{descr}");
        }
        for (descr, dtype) in [("e", Dtype::F16), ("double", Dtype::F64), ("?", Dtype::Bool)] {
            assert_eq!(read(descr), Some((dtype, false)), "{descr}");
        }
        assert_eq!(read(">d"), Some((Dtype::F64, true)));
        assert_eq!(read(">i8"), Some((Dtype::I64, true)));
        assert_eq!(read("B"), Some((Dtype::U8, false)));
        for descr in ["", "<", "<float32", "F8", "<F4", "float_", "bool8", "<c8", "|V2", "g", "4f"]
        {
            assert_eq!(read(descr), None, "{descr}");
        }
    }
}
