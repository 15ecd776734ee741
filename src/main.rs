//! The seismix command.
fn main() {}
