//! Metadata of instruments: FDSN StationXML 1.0 to 1.2.
//!
//! [`read_station_xml`] gives an [`Inventory`], [`Inventory::channel_at`] the epoch of a channel at a time, and
//! [`Response::evaluate`] its response. Parts of a file that are left out are listed in [`Inventory::remarks`].

mod error;
mod evaluate;
mod inventory;
mod response;
mod response_xml;
mod station_xml;
mod transfer;
mod units;

pub use error::{MetadataError, Remark, RemarkKind, ResponseError};
pub use inventory::{ChannelEpoch, Inventory, Network, Position, Station};
pub use response::{
    Decimation, FirSymmetry, OutputUnit, PolesZeros, Response, ResponseStage, Sensitivity,
    StageFilter, StageGain, TransferVariable,
};
pub use station_xml::{parse_station_xml, read_station_xml};
