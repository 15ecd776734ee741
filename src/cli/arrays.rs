//! NumPy arrays in, NumPy archives out.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use ndarray::{ArrayD, Dimension, IxDyn, ShapeBuilder};
use ndarray_npy::{NpzWriter, WritableElement, WriteDataError, WriteNpzError};
use py_literal::Value;
use seismix::data::atomic::atomic_write;
use sha2::{Digest, Sha256};

use super::exit::{Failure, Result};

/// An array of numbers from a `.npy` file.
#[derive(Debug)]
pub struct Input {
    /// The numbers, whatever their type in the file.
    pub values: ArrayD<f64>,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// Reads a `.npy` file of real numbers: f4, f8, and signed or unsigned integers, in either byte order.
///
/// # Errors
/// If the file cannot be read, is no such array, is cut short, or has no element.
pub fn read_npy(path: &Path) -> Result<Input> {
    let bytes = fs::read(path).map_err(|error| Failure::io(path, &error))?;
    let fail = |reason: String| {
        Failure::new(format!("{}: {reason}", path.display()))
            .with_help("save the array with numpy.save as float64, float32 or integers")
    };
    let values = parse(&bytes).map_err(fail)?;
    if values.is_empty() {
        let reason = format!("the array is empty, its shape is {:?}", values.shape());
        return Err(Failure::new(format!("{}: {reason}", path.display())));
    }
    Ok(Input {
        values,
        sha256: hex(&Sha256::digest(&bytes)),
    })
}

/// As [`read_npy`], of finite numbers only.
///
/// # Errors
/// As there, and if one is infinite or no number.
pub fn read_finite(path: &Path) -> Result<Input> {
    let input = read_npy(path)?;
    match input.values.indexed_iter().find(|(_, v)| !v.is_finite()) {
        None => Ok(input),
        Some((at, value)) => Err(Failure::new(format!(
            "{}: {value} at {:?} is no finite number",
            path.display(),
            at.slice()
        ))
        .with_help("cut the samples around it out, or fill the gap")),
    }
}

/// The last axis' vectors, in the order of the others.
pub fn rows(array: &ArrayD<f64>) -> Vec<Vec<f64>> {
    let length = array.shape().last().copied().unwrap_or(1).max(1);
    let values: Vec<f64> = array.iter().copied().collect();
    values.chunks_exact(length).map(<[f64]>::to_vec).collect()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const MAGIC: &[u8] = b"\x93NUMPY";

fn parse(bytes: &[u8]) -> std::result::Result<ArrayD<f64>, String> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or("this is no .npy file: it does not begin with `\\x93NUMPY`")?;
    let short = "the header is cut short";
    let (header, data) = match rest {
        [1, _, a, b, rest @ ..] => rest.split_at_checked(u16::from_le_bytes([*a, *b]).into()),
        [2 | 3, _, a, b, c, d, rest @ ..] => {
            rest.split_at_checked(u32::from_le_bytes([*a, *b, *c, *d]) as usize)
        }
        [version, _, _, _, ..] if *version > 3 => {
            return Err(format!("version {version} of the format is not known"));
        }
        _ => None,
    }
    .ok_or(short)?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is no text")?;
    let descr = field(header, "descr")?;
    let fortran = field(header, "fortran_order")?.starts_with("True");
    let shape = shape(field(header, "shape")?)?;
    let kind = descr
        .strip_prefix(['\'', '"'])
        .and_then(|text| text.split(['\'', '"']).next())
        .ok_or("the elements are records, not numbers")?;
    let count = shape
        .iter()
        .try_fold(1usize, |n, &side| n.checked_mul(side))
        .ok_or("the shape is too large")?;
    let values = numbers(kind, data, count)?;
    ArrayD::from_shape_vec(IxDyn(&shape).set_f(fortran), values).map_err(|error| error.to_string())
}

fn field<'a>(header: &'a str, name: &str) -> std::result::Result<&'a str, String> {
    let keys = [format!("'{name}':"), format!("\"{name}\":")];
    let found = keys.iter().find_map(|key| header.split_once(key.as_str()));
    let (_, value) = found.ok_or_else(|| format!("the header has no `{name}`"))?;
    Ok(value.trim_start())
}

fn shape(text: &str) -> std::result::Result<Vec<usize>, String> {
    let inner = text
        .strip_prefix('(')
        .and_then(|text| text.split(')').next())
        .ok_or("the header's shape is no tuple")?;
    inner
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| {
            let side = side.trim_end_matches('L');
            side.parse()
                .map_err(|_| format!("`{side}` in the header's shape is no number"))
        })
        .collect()
}

fn numbers(kind: &str, data: &[u8], count: usize) -> std::result::Result<Vec<f64>, String> {
    macro_rules! decode {
        ($type:ty, $from:ident) => {{
            const SIZE: usize = size_of::<$type>();
            let (elements, rest) = data.as_chunks::<SIZE>();
            if elements.len() < count {
                return Err(format!(
                    "the file is cut short: {} of {count} elements are there",
                    elements.len()
                ));
            }
            if elements.len() > count || !rest.is_empty() {
                return Err("there are bytes behind the array".into());
            }
            #[allow(clippy::cast_lossless, reason = "one macro for all types")]
            let values = elements.iter().map(|e| <$type>::$from(*e) as f64).collect();
            Ok(values)
        }};
    }
    match kind {
        "<f8" => decode!(f64, from_le_bytes),
        ">f8" => decode!(f64, from_be_bytes),
        "<f4" => decode!(f32, from_le_bytes),
        ">f4" => decode!(f32, from_be_bytes),
        "<i8" => decode!(i64, from_le_bytes),
        ">i8" => decode!(i64, from_be_bytes),
        "<i4" => decode!(i32, from_le_bytes),
        ">i4" => decode!(i32, from_be_bytes),
        "<i2" => decode!(i16, from_le_bytes),
        ">i2" => decode!(i16, from_be_bytes),
        "|i1" => decode!(i8, from_le_bytes),
        "<u8" => decode!(u64, from_le_bytes),
        ">u8" => decode!(u64, from_be_bytes),
        "<u4" => decode!(u32, from_le_bytes),
        ">u4" => decode!(u32, from_be_bytes),
        "<u2" => decode!(u16, from_le_bytes),
        ">u2" => decode!(u16, from_be_bytes),
        "|u1" => decode!(u8, from_le_bytes),
        other => Err(format!(
            "elements of type `{other}` are not real numbers of 1, 2, 4 or 8 bytes"
        )),
    }
}

/// A short text in a NumPy array, of type `<U16`; longer ones are cut.
#[derive(Debug, Clone, Copy)]
pub struct Name([u32; 16]);

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        let mut name = [0; 16];
        for (slot, character) in name.iter_mut().zip(text.chars()) {
            *slot = u32::from(character);
        }
        Self(name)
    }
}

impl WritableElement for Name {
    fn type_descriptor() -> Value {
        Value::String("<U16".into())
    }

    fn write<W: Write>(&self, mut writer: W) -> std::result::Result<(), WriteDataError> {
        for code in self.0 {
            writer.write_all(&code.to_le_bytes())?;
        }
        Ok(())
    }

    fn write_slice<W: Write>(
        slice: &[Self],
        mut writer: W,
    ) -> std::result::Result<(), WriteDataError> {
        slice.iter().try_for_each(|name| name.write(&mut writer))
    }
}

/// The archive that [`write_npz`] fills.
pub type Archive<'a> = NpzWriter<&'a mut BufWriter<File>>;

/// Writes a compressed `.npz` file, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn write_npz(
    path: &Path,
    fill: impl FnOnce(&mut Archive<'_>) -> std::result::Result<(), WriteNpzError>,
) -> Result<()> {
    atomic_write(path, |writer| {
        let mut archive = NpzWriter::new_compressed(writer);
        fill(&mut archive)
            .and_then(|()| archive.finish())
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
        Ok(())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn header(descr: &str, fortran: &str, shape: &str) -> String {
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
    }

    #[test]
    fn types_orders_and_shapes() {
        let big: Vec<u8> = [1i16, 2, 3, -4, 5, 6]
            .iter()
            .flat_map(|x| x.to_be_bytes())
            .collect();
        let c = parse(&npy(&header(">i2", "False", "(2, 3)"), &big)).unwrap();
        assert_eq!((c[[0, 1]], c[[1, 0]]), (2.0, -4.0));
        let f = parse(&npy(&header(">i2", "True", "(2, 3)"), &big)).unwrap();
        assert_eq!((f[[0, 1]], f[[1, 0]]), (3.0, 2.0));
        let one = parse(&npy(&header("<f4", "False", "(1,)"), &1.5f32.to_le_bytes())).unwrap();
        assert_eq!(one[[0]], 1.5);
    }

    #[test]
    fn lies_and_wrong_types_are_errors_without_allocation() {
        let huge = header("<f8", "False", "(1000000000000,)");
        for (bytes, says) in [
            (b"hello".to_vec(), "no .npy file"),
            (MAGIC.to_vec(), "cut short"),
            (npy(&huge, &[0; 16]), "2 of 1000000000000"),
            (
                npy(&header("<f8", "False", "(99999999999, 99999999999)"), &[]),
                "too large",
            ),
            (
                npy(&header("<f8", "False", "(1,)"), &[0; 9]),
                "behind the array",
            ),
            (npy(&header("<c16", "False", "(1,)"), &[0; 16]), "`<c16`"),
            (npy(&header("|b1", "False", "(1,)"), &[0; 1]), "`|b1`"),
            (npy("{}", &[]), "no `descr`"),
        ] {
            let error = parse(&bytes).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn any_bytes_behind_the_magic_are_survived() {
        let good = npy(&header("<f8", "False", "(2,)"), &[0; 16]);
        for cut in 0..good.len() {
            assert!(parse(&good[..cut]).is_err(), "{cut}");
        }
        for position in 0..good.len() {
            for byte in [0, 0xff, b'(', b'\'', b'9'] {
                let mut damaged = good.clone();
                damaged[position] = byte;
                let _ = parse(&damaged);
            }
        }
    }
}
