//! NumPy arrays out: `.npy` files, and compressed `.npz` archives of them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ndarray::{ArrayRef, Dimension};

use super::npy::{MAGIC, NpyError};
use super::zip::ZipWriter;
use crate::stage::{PipelineError, write_output};

/// The length of a header is a multiple of this, so that the elements are aligned where a file is mapped to memory.
const HEADER_DIVISOR: usize = 64;

/// Type of an array's elements in a file.
pub trait Element: Copy {
    /// Type in NumPy's words, such as `<f8`.
    const TYPE: &'static str;

    /// Writes the element's bytes.
    ///
    /// # Errors
    /// Those of `to`.
    fn write(self, to: &mut impl Write) -> io::Result<()>;

    /// The bytes of elements in memory, if they are those of a file.
    fn in_memory(_elements: &[Self]) -> Option<&[u8]> {
        None
    }
}

macro_rules! number {
    ($($type:ty: $name:literal),*) => {
        $(impl Element for $type {
            const TYPE: &'static str = $name;

            fn write(self, to: &mut impl Write) -> io::Result<()> {
                to.write_all(&self.to_le_bytes())
            }

            fn in_memory(elements: &[Self]) -> Option<&[u8]> {
                cfg!(target_endian = "little").then(|| bytemuck::cast_slice(elements))
            }
        })*
    };
}

number!(f64: "<f8", f32: "<f4", i64: "<i8", i32: "<i4", u8: "|u1");

impl Element for bool {
    const TYPE: &'static str = "|b1";

    fn write(self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&[self.into()])
    }

    fn in_memory(elements: &[Self]) -> Option<&[u8]> {
        Some(bytemuck::cast_slice(elements))
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

impl Element for Name {
    const TYPE: &'static str = "<U16";

    fn write(self, to: &mut impl Write) -> io::Result<()> {
        let mut codes = self.0.iter();
        codes.try_for_each(|code| to.write_all(&code.to_le_bytes()))
    }
}

/// Writes an array as a `.npy` file, in C order unless its memory is in Fortran order.
///
/// # Errors
/// Those of `to`.
pub(crate) fn write_npy<A: Element, D: Dimension>(
    array: &ArrayRef<A, D>,
    mut to: impl Write,
) -> io::Result<()> {
    let c_order = array.is_standard_layout();
    let fortran_order = !c_order && array.view().reversed_axes().is_standard_layout();
    to.write_all(&header(A::TYPE, fortran_order, array.shape())?)?;
    let memory = array
        .as_slice_memory_order()
        .filter(|_| c_order || fortran_order);
    if let Some(bytes) = memory.and_then(A::in_memory) {
        to.write_all(bytes)?;
    } else {
        let in_file_order = if fortran_order {
            array.view().reversed_axes()
        } else {
            array.view()
        };
        in_file_order
            .iter()
            .try_for_each(|element| element.write(&mut to))?;
    }
    to.flush()
}

/// The bytes before the elements, version 1.0 of the format.
fn header(element_type: &str, fortran_order: bool, shape: &[usize]) -> io::Result<Vec<u8>> {
    let order = if fortran_order { "True" } else { "False" };
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    // Python's tuple of one.
    let comma = if sides.len() == 1 { "," } else { "" };
    let description = format!(
        "{{'descr': '{element_type}', 'fortran_order': {order}, 'shape': ({}{comma})}}",
        sides.join(", ")
    );
    let before = MAGIC.len() + 4;
    let unpadded = before + description.len() + 1;
    let total = unpadded + HEADER_DIVISOR - unpadded % HEADER_DIVISOR;
    let length = u16::try_from(total - before).map_err(io::Error::other)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(length.to_le_bytes());
    bytes.extend(description.as_bytes());
    bytes.resize(total - 1, b' ');
    bytes.push(b'\n');
    Ok(bytes)
}

/// The archive that [`write_npz`] fills.
pub struct NpzArchive<'a> {
    zip: ZipWriter<&'a mut BufWriter<File>>,
}

impl NpzArchive<'_> {
    /// Adds an array; its file in the archive is `NAME.npy`.
    ///
    /// # Errors
    /// Those of the file, and an array of 4 GiB or more.
    pub fn add_array<A: Element, D: Dimension>(
        &mut self,
        name: &str,
        array: &ArrayRef<A, D>,
    ) -> io::Result<()> {
        // The compressed bytes depend on the sizes of the pieces: those of earlier versions were buffered like this.
        self.zip.add(&format!("{name}.npy"), |to| {
            write_npy(array, BufWriter::new(to))
        })
    }
}

/// Writes a compressed `.npz` file, complete or not at all. A file that seismix did not write is not replaced.
///
/// # Errors
/// [`PipelineError::Foreign`], [`PipelineError::InTheWay`], [`PipelineError::DiskFull`]; what `fill` returns.
pub fn write_npz(
    path: &Path,
    fill: impl FnOnce(&mut NpzArchive<'_>) -> io::Result<()>,
) -> Result<(), PipelineError> {
    let failed = |error: io::Error| {
        let (path, reason) = (path.to_owned(), error.to_string());
        PipelineError::Unusable {
            what: NpyError::Write { path, reason }.to_string(),
            help: "check the folder, or write to another place".into(),
        }
    };
    write_output(path, "arrays", |staged| {
        let mut writer = BufWriter::new(File::create(staged).map_err(failed)?);
        let mut archive = NpzArchive {
            zip: ZipWriter::new(&mut writer),
        };
        fill(&mut archive)
            .and_then(|()| archive.zip.finish())
            .and_then(|()| writer.flush())
            .and_then(|()| writer.get_ref().sync_all())
            .map_err(failed)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ndarray::{Array1, Array2, Array3, arr0, s};
    use ndarray_npy::{NpzWriter, ReadNpyExt, WritableElement, WriteNpyExt};

    use super::*;

    fn written<A: Element, D: Dimension>(array: &ArrayRef<A, D>) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_npy(array, &mut bytes).unwrap();
        bytes
    }

    /// ndarray-npy is the oracle.
    fn assert_as_the_oracle<A: Element + WritableElement, D: Dimension>(array: &ArrayRef<A, D>) {
        let mut expected = Vec::new();
        array.write_npy(&mut expected).unwrap();
        assert!(written(array) == expected, "{:?}", array.shape());
    }

    #[test]
    fn npy_files_are_those_of_the_oracle() {
        let cube = Array3::from_shape_fn((3, 4, 5), |(i, j, k)| (i * 20 + j * 5 + k) as f64);
        assert_as_the_oracle(&cube);
        assert_as_the_oracle(&cube.view().reversed_axes());
        assert_as_the_oracle(&cube.slice(s![.., 1..3, ..;2]));
        assert_as_the_oracle(&cube.mapv(|v| v as f32));
        assert_as_the_oracle(&cube.mapv(|v| v as i32 - 30));
        assert_as_the_oracle(&cube.mapv(|v| v as i64 - 30));
        assert_as_the_oracle(&cube.mapv(|v| v as u8));
        assert_as_the_oracle(&cube.mapv(|v| v > 7.0));
        assert_as_the_oracle(&arr0(1.5));
        for length in [0, 1, 9, 99, 1_000_000] {
            assert_as_the_oracle(&Array1::<u8>::ones(length));
        }
    }

    #[test]
    fn names_are_texts_of_numpy() {
        let bytes = written(&Array1::from_iter(
            ["ab", "a name of 20 letters"].map(Name::from),
        ));
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("{'descr': '<U16', 'fortran_order': False, 'shape': (2,)}"));
        let names = &bytes[bytes.len() - 128..];
        assert_eq!(names[..12], [b'a', 0, 0, 0, b'b', 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(names[124..], [b't', 0, 0, 0]);
    }

    #[test]
    fn archives_are_those_of_the_oracle() {
        let noise = |n: usize| {
            let mut state = 1_u64;
            Array1::from_shape_simple_fn(n, move || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 40) as f64 / 1e3
            })
        };
        let smooth = Array2::from_shape_fn((300, 700), |(i, j)| ((i + j) as f64 * 0.01).sin());
        let fortran = smooth.t().mapv(|v| (v * 100.0) as i32);
        let flags = noise(70_001).mapv(|v| v as i64 % 3 == 0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.npz");
        write_npz(&path, |archive| {
            archive.add_array("noise", &noise(200_003))?;
            archive.add_array("smooth", &smooth)?;
            archive.add_array("strided", &smooth.slice(s![..;3, ..;2]))?;
            archive.add_array("fortran", &fortran)?;
            archive.add_array("flags", &flags)?;
            archive.add_array("empty", &Array1::<f64>::zeros(0))?;
            archive.add_array("scalar", &arr0(1.5_f32))
        })
        .unwrap();
        let mut oracle = NpzWriter::new_compressed(io::Cursor::new(Vec::new()));
        oracle.add_array("noise", &noise(200_003)).unwrap();
        oracle.add_array("smooth", &smooth).unwrap();
        let strided = smooth.slice(s![..;3, ..;2]);
        oracle.add_array("strided", &strided).unwrap();
        oracle.add_array("fortran", &fortran).unwrap();
        oracle.add_array("flags", &flags).unwrap();
        let empty = Array1::<f64>::zeros(0);
        oracle.add_array("empty", &empty).unwrap();
        oracle.add_array("scalar", &arr0(1.5_f32)).unwrap();
        let expected = oracle.finish().unwrap().into_inner();
        assert!(std::fs::read(path).unwrap() == expected);
    }

    #[test]
    fn a_written_array_reads_back() {
        let array = Array2::from_shape_fn((3, 5), |(i, j)| i as f64 - 0.1 * j as f64);
        let back = Array2::<f64>::read_npy(&written(&array)[..]).unwrap();
        assert_eq!(back, array);
        // ndarray-npy panics on a slice without elements.
        let empty = written(&array.slice(s![..0, ..]));
        assert_eq!(Array2::<f64>::read_npy(&empty[..]).unwrap().dim(), (0, 5));
    }
}
