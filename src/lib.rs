//! seismix
