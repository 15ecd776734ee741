//! From the data bytes of a record to samples.

use super::gain_ranged::{cdsn, geoscope16, sro};
use super::header::{Endian, RecordError, RecordHeader};
use super::steim;
use crate::segment::{Encoding, Samples};

/// Decodes the samples of a record; `record` holds at least `header.record_bytes` bytes.
pub(super) fn samples(header: &RecordHeader, record: &[u8]) -> Result<Samples, RecordError> {
    let encoding = header
        .encoding()
        .ok_or(RecordError::Encoding(header.encoding_code))?;
    let data = record
        .get(header.data.clone())
        .ok_or(RecordError::DataOffset {
            offset: header.data.start,
            record: record.len(),
        })?;
    let fields = Fields {
        data,
        npts: header.npts,
        encoding,
    };
    let endian = header.data_endian;
    Ok(match encoding {
        Encoding::Text => Samples::I32(Vec::new()),
        Encoding::Int16 | Encoding::Dwwssn => {
            Samples::I32(fields.map(|bytes| i32::from(endian.i16(bytes)))?)
        }
        Encoding::Int24 | Encoding::Geoscope24 => {
            Samples::I32(fields.map(|bytes| int24(bytes, endian))?)
        }
        Encoding::Int32 => Samples::I32(fields.map(|bytes| endian.i32(bytes))?),
        Encoding::Float32 => Samples::F32(fields.map(|bytes| f32::from_bits(endian.u32(bytes)))?),
        Encoding::Float64 => Samples::F64(fields.map(|bytes| f64::from_bits(endian.u64(bytes)))?),
        Encoding::Steim1 | Encoding::Steim2 => {
            Samples::I32(steim::decode(data, header.npts, endian, encoding)?)
        }
        Encoding::Geoscope16Exp3 => {
            Samples::F32(fields.map(|bytes| geoscope16(endian.u16(bytes), 0x7))?)
        }
        Encoding::Geoscope16Exp4 => {
            Samples::F32(fields.map(|bytes| geoscope16(endian.u16(bytes), 0xf))?)
        }
        Encoding::Cdsn => Samples::I32(fields.map(|bytes| cdsn(endian.u16(bytes)))?),
        Encoding::Sro => {
            let words = fields.map(|bytes| endian.u16(bytes))?;
            let values = words.iter().enumerate();
            Samples::I32(
                values
                    .map(|(index, &word)| sro(word, index))
                    .collect::<Result<_, _>>()?,
            )
        }
    })
}

/// The text of a text record, what is not UTF-8 replaced.
pub(super) fn text(header: &RecordHeader, record: &[u8]) -> String {
    let data = record.get(header.data.clone()).unwrap_or_default();
    let data = &data[..header.npts.min(data.len())];
    String::from_utf8_lossy(data).into_owned()
}

fn int24(bytes: [u8; 3], endian: Endian) -> i32 {
    let [a, b, c] = bytes;
    let wide = match endian {
        Endian::Big => i32::from_be_bytes([a, b, c, 0]),
        Endian::Little => i32::from_le_bytes([0, a, b, c]),
    };
    wide >> 8
}

/// Fields of a fixed width, one a sample.
struct Fields<'a> {
    data: &'a [u8],
    npts: usize,
    encoding: Encoding,
}

impl Fields<'_> {
    fn map<const N: usize, T>(
        &self,
        convert: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, RecordError> {
        let present = self.data.len() / N;
        if present < self.npts {
            return Err(RecordError::TooFewSamples {
                encoding: self.encoding,
                found: present,
                npts: self.npts,
                bytes: self.data.len(),
            });
        }
        let (fields, _) = self.data.as_chunks::<N>();
        Ok(fields[..self.npts]
            .iter()
            .map(|&bytes| convert(bytes))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bytes_are_signed() {
        assert_eq!(int24([0xff, 0xff, 0xff], Endian::Big), -1);
        assert_eq!(int24([0x80, 0, 0], Endian::Big), -(1 << 23));
        assert_eq!(int24([0x01, 0, 0], Endian::Little), 1);
    }
}
