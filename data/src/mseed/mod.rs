//! Reading and writing miniSEED 2 and 3.
//!
//! [`read_file`] decodes a whole file, [`read_headers`] walks the headers only, [`write_mseed`] writes miniSEED 2.
//! What is damaged is skipped and named as a [`Fault`] with its byte offset; what is good comes out.

mod blockette;
mod decode;
mod gain_ranged;
mod header;
mod header2;
mod header3;
mod join;
mod read;
mod records;
mod steim;
mod steim_encode;
mod write;
mod write_record;

pub use header::{RecordError, RecordHeader};
pub(crate) use join::same_rate;
pub use join::{Piece, join_pieces};
pub use read::{
    ChannelSpan, FileContent, FileHeaders, TextRecord, decode_record, read_bytes, read_file,
    read_file_selected, read_headers,
};
pub(crate) use read::{append, join_segments, piece_of_segment};
pub use records::{Fault, Item, RecordReader};
pub use write::{WriteOptions, WriteSummary, write_mseed, write_mseed_file};
