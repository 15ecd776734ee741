//! seismix-separate
