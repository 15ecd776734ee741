//! NumPy arrays in: `.npy` files of real numbers.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use sha2::{Digest, Sha256};

/// Longest header that is read; NumPy itself refuses more than 10,000 bytes unless asked.
const MAX_HEADER: u64 = 1 << 16;
/// Most axes of an array, as in NumPy.
const MAX_AXES: usize = 64;
/// Elements decoded at once.
const CHUNK: usize = 1 << 13;

/// The first bytes of a `.npy` file.
pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Reason for which an array file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The file could not be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{}: this is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The content is not an array of real numbers.
    #[error("{}: {fault}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The fault.
        fault: NpyFault,
    },
    /// The archive could not be created or renamed.
    #[error(transparent)]
    Output(#[from] seismix_data::Error),
    /// The archive could not be written.
    #[error("cannot write `{}`: {reason}", path.display())]
    Write {
        /// The archive.
        path: PathBuf,
        /// Reason in words.
        reason: String,
    },
}

/// Fault in the content of a `.npy` file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NpyFault {
    /// The first bytes are not those of the format.
    #[error("this is not a .npy file: it does not begin with `\\x93NUMPY`")]
    Magic,
    /// A later version of the format.
    #[error("version {0} of the format is not known")]
    Version(u8),
    /// The header is incomplete or not a description of an array.
    #[error("{0}")]
    Header(String),
    /// Elements that are not real numbers.
    #[error("elements of type `{0}` are not real numbers of 1, 2, 4 or 8 bytes")]
    ElementType(String),
    /// More elements than any memory holds, or too many axes.
    #[error("the shape {0:?} is too large")]
    Shape(Vec<usize>),
    /// The file ends before the array does.
    #[error("the file is cut short: {found} of {expected} elements are there")]
    CutShort {
        /// Elements in the file.
        found: u64,
        /// Elements of the shape.
        expected: usize,
    },
    /// Bytes follow the array.
    #[error("there are {0} bytes behind the array")]
    Trailing(u64),
    /// An axis of length 0.
    #[error("the array is empty, its shape is {0:?}")]
    Empty(Vec<usize>),
}

/// An array of real numbers from a `.npy` file.
#[derive(Debug)]
pub struct Npy {
    /// The numbers, converted to f64.
    pub values: ArrayD<f64>,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

impl Npy {
    /// Reads a `.npy` file of real numbers: f4, f8, and signed or unsigned integers, in either byte order, in C or
    /// Fortran order.
    ///
    /// Memory is allocated for elements that the file holds only, whatever its header says.
    ///
    /// # Errors
    /// [`NpyError::Io`], [`NpyError::NotAFile`] for a pipe or a device, which are not opened, and
    /// [`NpyError::Content`].
    pub fn read(path: &Path) -> Result<Self, NpyError> {
        let io = |source| NpyError::Io {
            path: path.to_owned(),
            source,
        };
        // Opening a pipe would wait for a writer.
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(NpyError::NotAFile {
                path: path.to_owned(),
            });
        }
        let file = BufReader::new(File::open(path).map_err(io)?);
        match parse(file, metadata.len()) {
            Ok(found) => Ok(found),
            Err(ParseError::Io(source)) => Err(io(source)),
            Err(ParseError::Fault(fault)) => Err(NpyError::Content {
                path: path.to_owned(),
                fault,
            }),
        }
    }
}

enum ParseError {
    Io(std::io::Error),
    Fault(NpyFault),
}

impl From<std::io::Error> for ParseError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                Self::Fault(NpyFault::Header("the header is cut short".into()))
            }
            _ => Self::Io(error),
        }
    }
}

impl From<NpyFault> for ParseError {
    fn from(fault: NpyFault) -> Self {
        Self::Fault(fault)
    }
}

/// A reader that hashes all that passes.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}

/// Reads an array with elements from a file of `file_bytes`.
fn parse(inner: impl Read, file_bytes: u64) -> Result<Npy, ParseError> {
    let mut reader = Hashed {
        inner,
        hash: Sha256::new(),
    };
    let values = decode(&mut reader, file_bytes)?;
    if values.is_empty() {
        return Err(NpyFault::Empty(values.shape().to_vec()).into());
    }
    Ok(Npy {
        values,
        sha256: hexadecimal(&reader.hash.finalize()),
    })
}

/// Array in the bytes of a `.npy` file; `None` if they are anything else.
#[cfg(feature = "pipeline")]
pub(crate) fn from_bytes(bytes: &[u8]) -> Option<ArrayD<f64>> {
    decode(&mut &bytes[..], bytes.len() as u64).ok()
}

/// Reads an array, which may be empty, from a file of `file_bytes`.
fn decode(reader: &mut impl Read, file_bytes: u64) -> Result<ArrayD<f64>, ParseError> {
    let (header, data_start) = read_header(reader)?;
    let header = Header::parse(&header)?;
    let data_bytes = file_bytes.saturating_sub(data_start);
    let element = header.element;
    let count = header
        .shape
        .iter()
        .try_fold(1usize, |n, &side| n.checked_mul(side))
        .filter(|_| header.shape.len() <= MAX_AXES)
        .ok_or_else(|| NpyFault::Shape(header.shape.clone()))?;
    let found = data_bytes / element.size as u64;
    if found < count as u64 {
        let expected = count;
        return Err(NpyFault::CutShort { found, expected }.into());
    }
    let trailing = data_bytes - count as u64 * element.size as u64;
    if trailing > 0 {
        return Err(NpyFault::Trailing(trailing).into());
    }
    let mut values = Vec::with_capacity(count);
    let mut bytes = vec![0; CHUNK * element.size];
    while values.len() < count {
        let n = CHUNK.min(count - values.len());
        let bytes = &mut bytes[..n * element.size];
        // A file that shrinks while it is read ends here.
        reader.read_exact(bytes).map_err(|error| {
            let found = values.len() as u64;
            match error.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    let expected = count;
                    ParseError::Fault(NpyFault::CutShort { found, expected })
                }
                _ => ParseError::Io(error),
            }
        })?;
        (element.decode)(bytes, &mut values);
    }
    let shape = IxDyn(&header.shape).set_f(header.fortran_order);
    Ok(ArrayD::from_shape_vec(shape, values).map_err(|_| NpyFault::Shape(header.shape))?)
}

/// The header's text, and the position of the first element.
fn read_header(reader: &mut impl Read) -> Result<(String, u64), ParseError> {
    let mut magic = [0; 6];
    let magic_read = reader.read_exact(&mut magic);
    if magic_read.is_err() || magic != *MAGIC {
        return Err(NpyFault::Magic.into());
    }
    let mut version = [0; 2];
    reader.read_exact(&mut version)?;
    let (length, before) = match version[0] {
        1 => {
            let mut length = [0; 2];
            reader.read_exact(&mut length)?;
            (u64::from(u16::from_le_bytes(length)), 10)
        }
        2 | 3 => {
            let mut length = [0; 4];
            reader.read_exact(&mut length)?;
            (u64::from(u32::from_le_bytes(length)), 12)
        }
        other => return Err(NpyFault::Version(other).into()),
    };
    if length > MAX_HEADER {
        let text = format!("the header of {length} bytes is longer than {MAX_HEADER}");
        return Err(NpyFault::Header(text).into());
    }
    let mut header = vec![0; length as usize];
    reader.read_exact(&mut header)?;
    let header =
        String::from_utf8(header).map_err(|_| NpyFault::Header("the header is not text".into()))?;
    Ok((header, before + length))
}

struct Header {
    element: Element,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(header: &str) -> Result<Self, NpyFault> {
        let type_name = field(header, "descr")?
            .strip_prefix(['\'', '"'])
            .and_then(|text| text.split(['\'', '"']).next())
            .ok_or_else(|| NpyFault::Header("the elements are records, not numbers".into()))?;
        let element =
            Element::of(type_name).ok_or_else(|| NpyFault::ElementType(type_name.to_owned()))?;
        Ok(Self {
            element,
            fortran_order: field(header, "fortran_order")?.starts_with("True"),
            shape: parse_shape(field(header, "shape")?)?,
        })
    }
}

fn field<'a>(header: &'a str, name: &str) -> Result<&'a str, NpyFault> {
    let keys = [format!("'{name}':"), format!("\"{name}\":")];
    let found = keys.iter().find_map(|key| header.split_once(key.as_str()));
    let (_, value) =
        found.ok_or_else(|| NpyFault::Header(format!("the header has no `{name}`")))?;
    Ok(value.trim_start())
}

fn parse_shape(text: &str) -> Result<Vec<usize>, NpyFault> {
    let inner = text
        .strip_prefix('(')
        .and_then(|text| text.split(')').next())
        .ok_or_else(|| NpyFault::Header("the header's shape is not a tuple".into()))?;
    inner
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty())
        .map(|side| {
            // Python 2 wrote long integers with a suffix.
            let side = side.trim_end_matches('L');
            side.parse().map_err(|_| {
                NpyFault::Header(format!("`{side}` in the header's shape is not a number"))
            })
        })
        .collect()
}

/// Type of an array's elements.
#[derive(Clone, Copy)]
struct Element {
    /// Bytes of one.
    size: usize,
    /// Appends the elements that whole bytes hold.
    decode: fn(&[u8], &mut Vec<f64>),
}

impl Element {
    fn of(name: &str) -> Option<Self> {
        macro_rules! element {
            ($type:ty, $from:ident) => {
                Element {
                    size: size_of::<$type>(),
                    decode: |bytes, values| {
                        let (elements, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
                        #[allow(clippy::cast_lossless, reason = "one macro for all types")]
                        values.extend(elements.iter().map(|e| <$type>::$from(*e) as f64));
                    },
                }
            };
        }
        Some(match name {
            "<f8" => element!(f64, from_le_bytes),
            ">f8" => element!(f64, from_be_bytes),
            "<f4" => element!(f32, from_le_bytes),
            ">f4" => element!(f32, from_be_bytes),
            "<i8" => element!(i64, from_le_bytes),
            ">i8" => element!(i64, from_be_bytes),
            "<i4" => element!(i32, from_le_bytes),
            ">i4" => element!(i32, from_be_bytes),
            "<i2" => element!(i16, from_le_bytes),
            ">i2" => element!(i16, from_be_bytes),
            "|i1" => element!(i8, from_le_bytes),
            "<u8" => element!(u64, from_le_bytes),
            ">u8" => element!(u64, from_be_bytes),
            "<u4" => element!(u32, from_le_bytes),
            ">u4" => element!(u32, from_be_bytes),
            "<u2" => element!(u16, from_le_bytes),
            ">u2" => element!(u16, from_be_bytes),
            "|u1" => element!(u8, from_le_bytes),
            _ => return None,
        })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

    fn read(bytes: &[u8]) -> Result<ArrayD<f64>, NpyFault> {
        match parse(bytes, bytes.len() as u64) {
            Ok(found) => Ok(found.values),
            Err(ParseError::Fault(fault)) => Err(fault),
            Err(ParseError::Io(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn types_orders_and_shapes() {
        let big: Vec<u8> = [1i16, 2, 3, -4, 5, 6]
            .iter()
            .flat_map(|x| x.to_be_bytes())
            .collect();
        let c = read(&npy(&header(">i2", "False", "(2, 3)"), &big)).unwrap();
        assert_eq!((c[[0, 1]], c[[1, 0]]), (2.0, -4.0));
        let f = read(&npy(&header(">i2", "True", "(2, 3)"), &big)).unwrap();
        assert_eq!((f[[0, 1]], f[[1, 0]]), (3.0, 2.0));
        let one = read(&npy(&header("<f4", "False", "(1,)"), &1.5f32.to_le_bytes())).unwrap();
        assert_eq!(one[[0]], 1.5);
        let scalar = read(&npy(&header("<f4", "False", "()"), &1.5f32.to_le_bytes())).unwrap();
        assert_eq!(scalar.ndim(), 0);
    }

    #[test]
    fn more_elements_than_are_decoded_at_once() {
        let n = 2 * CHUNK + 3;
        let data: Vec<u8> = (0..n as u32).flat_map(u32::to_le_bytes).collect();
        let found = read(&npy(&header("<u4", "False", &format!("({n},)")), &data)).unwrap();
        assert!(found.iter().enumerate().all(|(i, v)| *v == i as f64));
    }

    #[test]
    fn false_headers_and_other_types_are_errors_without_allocation() {
        let huge = header("<f8", "False", "(1000000000000,)");
        let many_axes = format!("({})", "1, ".repeat(65));
        for (bytes, says) in [
            (b"hello".to_vec(), "not a .npy file"),
            (Vec::new(), "not a .npy file"),
            (MAGIC.to_vec(), "cut short"),
            ([&MAGIC[..], &[2, 0, 255, 255, 255, 255]].concat(), "longer"),
            ([&MAGIC[..], &[9, 0, 1, 0]].concat(), "version 9"),
            (npy(&huge, &[0; 16]), "2 of 1000000000000"),
            (
                npy(&header("<f8", "False", "(99999999999, 99999999999)"), &[]),
                "too large",
            ),
            (
                npy(&header("<f8", "False", &many_axes), &[0; 8]),
                "too large",
            ),
            (
                npy(&header("<f8", "False", "(1,)"), &[0; 9]),
                "behind the array",
            ),
            (npy(&header("<f8", "False", "(3, 0)"), &[]), "empty"),
            (npy(&header("<c16", "False", "(1,)"), &[0; 16]), "`<c16`"),
            (npy(&header("|b1", "False", "(1,)"), &[0; 1]), "`|b1`"),
            (npy(&header("|O", "False", "(1,)"), &[0; 8]), "`|O`"),
            (npy(&header("<f8", "False", "(-1,)"), &[0; 8]), "`-1`"),
            (npy("{}", &[]), "no `descr`"),
            (
                npy(
                    "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}",
                    &[0; 8],
                ),
                "records",
            ),
        ] {
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
    }

    #[test]
    fn no_damage_of_a_file_panics() {
        let good = npy(&header("<f8", "False", "(2,)"), &[0; 16]);
        for cut in 0..good.len() {
            assert!(read(&good[..cut]).is_err(), "{cut}");
        }
        for position in 0..good.len() {
            for byte in [0, 0xff, b'(', b'\'', b'9'] {
                let mut damaged = good.clone();
                damaged[position] = byte;
                let _ = read(&damaged);
            }
        }
    }

    /// A file that shrinks while it is read.
    #[test]
    fn a_file_shorter_than_its_size_is_cut_short() {
        let good = npy(&header("<f8", "False", "(2,)"), &[0; 16]);
        let cut = &good[..good.len() - 8];
        assert!(matches!(
            parse(cut, good.len() as u64),
            Err(ParseError::Fault(NpyFault::CutShort { .. }))
        ));
    }
}
