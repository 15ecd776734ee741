//! Archives: many files of many streams, offered by station and time.
//!
//! [`Archive::open`] indexes headers; [`Archive::load`] reads the records of one station and span, joins them across
//! files, leaves out what is not data, and cuts the channels to common sample times. Memory is that of the span asked
//! for.

mod align;
mod channels;
mod index;
mod load;
mod overlap;
mod paths;
mod selection;

pub use align::AlignedSegment;
pub use channels::LeftOutChannel;
pub use index::{Archive, ArchiveFile, FileFault, StationDay, StreamSummary};
pub(crate) use index::{hex, serialize_path};
pub use load::{RawData, StationData};
pub use overlap::Overlap;
pub use paths::{FileKind, FileList, FoundFile, FoundFiles, expand_paths, find_files, sds_path};
pub(crate) use selection::code_matches;
pub use selection::{Selection, Wildcards};
