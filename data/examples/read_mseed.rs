//! Writes a small synthetic archive, reads it back, and cuts two channels to common times.
#![allow(clippy::print_stdout)]

use seismix_data::archive::{Archive, Selection};
use seismix_data::mseed::{WriteOptions, write_mseed_file};
use seismix_data::time::{format_utc, parse_utc};
use seismix_data::{Samples, Segment, TimeSpan};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let start_ns = parse_utc("2019-06-05T00:00:00.010Z")?;
    for (channel, late_s) in [("BHU", 0), ("BHV", 3)] {
        let mut counts: Vec<i32> = (0..20_000).map(|i| i % 400 - 200).collect();
        counts[10_000] = -8_388_607; // what a digitiser writes instead of a sample
        let id = format!("XX.DEMO.00.{channel}").parse()?;
        let late_ns = late_s * 1_000_000_000;
        let segment = Segment::new(id, 20.0, start_ns + late_ns, Samples::I32(counts));
        let path = folder.path().join(format!("{channel}.mseed"));
        let written = write_mseed_file(&path, &[segment], &WriteOptions::default())?;
        println!(
            "{channel}: {} samples in {} records",
            written.n_samples, written.n_records
        );
    }

    let archive = Archive::open(&[folder.path()], Selection::default())?;
    for day in archive.station_days() {
        let data = archive.load(&day.key, TimeSpan::day_of(day.day_start_ns));
        for segment in &data.segments {
            println!(
                "{}: {} channels x {} samples, {} to {}",
                day.key,
                segment.channels.len(),
                segment.npts(),
                format_utc(segment.start_ns()),
                format_utc(segment.end_ns()),
            );
        }
    }
    Ok(())
}
