//! Arrays and archives as numpy writes them, and as it would not.

use std::io::{Cursor, Write};

use arbitrary::Arbitrary;
use secagg_cli::files::Dtype;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An archive that is sound, whatever its entries are: no mutation gets a checksum right.
#[derive(Arbitrary, Debug)]
pub struct Archive {
    entries: Vec<(Name, Contents, bool)>,
}

/// The name of an array.
#[derive(Arbitrary, Debug)]
pub enum Name {
    /// As `numpy.savez` gives it.
    Array(u8),
    /// Any.
    Any(String),
}

#[derive(Arbitrary, Debug)]
enum Contents {
    Any(Vec<u8>),
    Array { version: u8, header: String, data: Vec<u8> },
    Tensor(Tensor),
}

/// An array as numpy would write it.
#[derive(Arbitrary, Clone, Debug)]
pub struct Tensor {
    kind: Kind,
    big_endian: bool,
    column_major: bool,
    shape: [u8; 3],
    dimensions: u8,
    data: Vec<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    I16,
    U32,
    Bool,
}

/// A number of any kind, or one beside the middle of two numbers of 16 bits, where rounding twice shows.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Value {
    /// Any.
    Any(f64),
    /// The lower of the two as its bits, and the distance from the middle.
    Middle(u16, i8),
}

impl Value {
    /// The number.
    pub fn get(&self) -> f64 {
        match *self {
            Self::Any(value) => value,
            Self::Middle(bits, off) => {
                let [low, high] = [bits, bits.wrapping_add(1)].map(half);
                let middle = low / 2.0 + high / 2.0;
                f64::from_bits(middle.to_bits().wrapping_add_signed(off.into()))
            }
        }
    }
}

/// A number of IEEE 754's 16 bits.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

impl Archive {
    /// The entries that are sound arrays.
    pub fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.entries.iter().take(6).filter_map(|(name, contents, _)| match contents {
            Contents::Tensor(tensor) => Some((name.text(), tensor)),
            _ => None,
        })
    }

    /// `None` for entries that make no archive, such as two of one name.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, contents, deflated) in self.entries.iter().take(6) {
            let method =
                if *deflated { CompressionMethod::Deflated } else { CompressionMethod::Stored };
            let options = SimpleFileOptions::default().compression_method(method);
            archive.start_file(format!("{}.npy", name.text()), options).ok()?;
            archive.write_all(&contents.bytes()).ok()?;
        }
        Some(archive.finish().ok()?.into_inner())
    }
}

impl Name {
    /// The name itself.
    pub fn text(&self) -> String {
        match self {
            Self::Array(number) => format!("arr_{number}"),
            Self::Any(name) => name.clone(),
        }
    }
}

impl Contents {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Any(bytes) => bytes.clone(),
            Self::Array { version, header, data } => array(*version, header, data),
            Self::Tensor(tensor) => tensor.bytes(),
        }
    }
}

fn array(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let length = header.len() as u32;
    let short = (length as u16).to_le_bytes();
    let long = length.to_le_bytes();
    let length = if version == 1 { &short[..] } else { &long[..] };
    [b"\x93NUMPY", &[version, 0][..], length, header.as_bytes(), data].concat()
}

impl Tensor {
    /// From no dimension to three.
    pub fn shape(&self) -> Vec<usize> {
        let dimensions = usize::from(self.dimensions) % 4;
        self.shape[..dimensions].iter().map(|&extent| usize::from(extent) % 20).collect()
    }

    /// The type of its elements.
    pub fn dtype(&self) -> Dtype {
        match self.kind {
            Kind::F16 => Dtype::F16,
            Kind::Bf16 => Dtype::Bf16,
            Kind::F32 => Dtype::F32,
            Kind::F64 => Dtype::F64,
            Kind::I16 => Dtype::I16,
            Kind::U32 => Dtype::U32,
            Kind::Bool => Dtype::Bool,
        }
    }

    /// The same; numpy has no bf16.
    pub fn dtype_in_numpy(&self) -> Dtype {
        match self.kind {
            Kind::Bf16 => Dtype::F16,
            _ => self.dtype(),
        }
    }

    /// The elements in row-major order, by the definition of both orders.
    pub fn elements(&self) -> Vec<f64> {
        let (shape, bytes) = (self.shape(), self.data());
        let element = |row_major: usize| {
            let (mut rest, mut column_major, mut stride) = (row_major, 0, bytes.len());
            stride /= self.dtype_in_numpy().bytes();
            for extent in shape.iter().rev() {
                stride /= extent;
                column_major += rest % extent * stride;
                rest /= extent;
            }
            self.element(&bytes, if self.column_major { column_major } else { row_major })
        };
        (0..shape.iter().product()).map(element).collect()
    }

    fn element(&self, bytes: &[u8], at: usize) -> f64 {
        let width = self.dtype_in_numpy().bytes();
        let mut little = bytes[at * width..(at + 1) * width].to_vec();
        if self.big_endian {
            little.reverse();
        }
        match self.kind {
            Kind::F16 | Kind::Bf16 => half(u16::from_le_bytes([little[0], little[1]])),
            Kind::F32 => f32::from_le_bytes(little.try_into().expect("4 bytes")).into(),
            Kind::F64 => f64::from_le_bytes(little.try_into().expect("8 bytes")),
            Kind::I16 => i16::from_le_bytes([little[0], little[1]]).into(),
            Kind::U32 => u32::from_le_bytes(little.try_into().expect("4 bytes")).into(),
            Kind::Bool => u8::from(little[0] != 0).into(),
        }
    }

    fn data(&self) -> Vec<u8> {
        let len = self.shape().iter().product::<usize>() * self.dtype_in_numpy().bytes();
        self.data.iter().copied().chain([0]).cycle().take(len).collect()
    }

    /// The data are repeated, or cut, to the length that the shape asks for.
    fn bytes(&self) -> Vec<u8> {
        let letter = match self.kind {
            Kind::F16 | Kind::Bf16 => "f2",
            Kind::F32 => "f4",
            Kind::F64 => "f8",
            Kind::I16 => "i2",
            Kind::U32 => "u4",
            Kind::Bool => "b1",
        };
        let order = if self.big_endian { '>' } else { '<' };
        let fortran = if self.column_major { "True" } else { "False" };
        let shape = self.shape();
        let extents: String = shape.iter().map(|extent| format!("{extent}, ")).collect();
        let header = format!(
            "{{'descr': '{order}{letter}', 'fortran_order': {fortran}, 'shape': ({extents})}}\n"
        );
        array(1, &header, &self.data())
    }
}
