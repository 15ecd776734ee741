//! seismix-data
