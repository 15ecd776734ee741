//! Catalogues of events: QuakeML 1.2.
//!
//! [`read_quakeml`] gives a [`Catalog`], [`write_quakeml`] writes one. Read are events with their type, descriptions,
//! comments, origins, magnitudes and picks; all else is left out.

mod error;
mod event;
mod event_type;
mod public_id;
mod read;
mod write;

pub use error::CatalogError;
pub use event::{Catalog, CatalogEvent, Magnitude, Origin, Pick};
pub use public_id::public_id;
pub use read::{parse_quakeml, read_quakeml};
pub use write::write_quakeml;
