//! seismix-vae
