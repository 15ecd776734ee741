//! seismix-scattering
