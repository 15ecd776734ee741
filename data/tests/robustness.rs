//! Whatever the bytes are, reading ends, and says what it found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::path::Path;

use proptest::prelude::*;
use seismix_data::mseed::{WriteOptions, read_bytes, read_file, write_mseed};
use seismix_data::{Encoding, Samples, Segment};

/// Records of every encoding we write, of two lengths, one after the other.
fn good_bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, encoding) in [
        Encoding::Steim2,
        Encoding::Steim1,
        Encoding::Int16,
        Encoding::Int32,
        Encoding::Float32,
        Encoding::Float64,
    ]
    .into_iter()
    .enumerate()
    {
        let values = (0..700).map(|i| (i * i) % 1000 - 500).collect();
        let id = format!("XX.T{index}.00.BHZ").parse().unwrap();
        let segment = Segment::new(id, 20.0, 1_559_692_800_010_000_000, Samples::I32(values));
        let options = WriteOptions {
            encoding: Some(encoding),
            record_bytes: if index % 2 == 0 { 512 } else { 128 },
        };
        write_mseed(&mut bytes, &[segment], &options).unwrap();
    }
    bytes
}

/// Nothing claims more than the bytes can hold, and every sample has a time.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let content = read_bytes(bytes);
    let npts: usize = content.segments.iter().map(Segment::npts).sum();
    prop_assert!(
        npts <= bytes.len() * 2,
        "{npts} samples from {} bytes",
        bytes.len()
    );
    for segment in &content.segments {
        prop_assert!(!segment.samples.is_empty());
        prop_assert!(segment.sampling_rate.is_finite() && segment.sampling_rate > 0.0);
        prop_assert_eq!(segment.anchors[0].index, 0);
        prop_assert!(segment.end_ns() >= segment.start_ns());
        let _ = (segment.usable(), segment.span());
    }
    for fault in &content.faults {
        prop_assert!(fault.offset < bytes.len() as u64);
        prop_assert!(!fault.message.is_empty());
    }
    let nothing = content.n_records == 0 && content.faults.is_empty();
    prop_assert!(!nothing || bytes.is_empty(), "neither records nor faults");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        check(&bytes)?;
    }

    #[test]
    fn flipped_bytes(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let mut bytes = good_bytes();
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        check(&bytes)?;
    }

    #[test]
    fn flipped_header_bytes(flips in prop::collection::vec((0_usize..64, 0_usize..20, any::<u8>()), 1..40)) {
        let mut bytes = good_bytes();
        for (at, record, value) in flips {
            bytes[record * 128 + at] = value;
        }
        check(&bytes)?;
    }

    #[test]
    fn cut_and_shifted_bytes(cut in any::<prop::sample::Index>(), drop in 0_usize..200, keep in any::<prop::sample::Index>()) {
        let good = good_bytes();
        let at = cut.index(good.len());
        let mut bytes = good[..at].to_vec();
        bytes.extend(&good[(at + drop).min(good.len())..]);
        bytes.truncate(keep.index(bytes.len().max(1)) + 1);
        check(&bytes)?;
    }

    #[test]
    fn version3_headers(head in prop::collection::vec(any::<u8>(), 37), tail in prop::collection::vec(any::<u8>(), 0..600)) {
        let bytes = [b"MS\x03".as_slice(), &head, &tail].concat();
        check(&bytes)?;
    }
}

#[test]
fn one_bad_record_costs_one_record() {
    let good = good_bytes();
    let whole = read_bytes(&good);
    assert_eq!(whole.faults, []);
    let mut bytes = good;
    bytes[..48].fill(b'J'); // the header of the first record of T0
    let content = read_bytes(&bytes);
    assert_eq!(content.n_records, whole.n_records - 1);
    assert_eq!(content.faults.len(), 1);
    assert_eq!(content.faults[0].offset, 0);
    assert_eq!(
        content.faults[0].message,
        "no miniSEED record header: 512 bytes skipped"
    );
    assert_eq!(content.segments.len(), 6);
}

#[test]
fn a_length_that_no_record_has_is_found_by_the_next_record() {
    let mut bytes = good_bytes();
    bytes[54] = 0xba; // power of two in blockette 1000 of the first record
    let content = read_bytes(&bytes);
    assert_eq!(content.faults, []);
    assert_eq!(content.segments, read_bytes(&good_bytes()).segments);
}

#[test]
fn flipped_real_files_end_as_well() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/mseed/files");
    if !folder.is_dir() {
        eprintln!("skipped: ../shared/data is absent");
        return;
    }
    let mut state = 7_u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for entry in std::fs::read_dir(folder).unwrap() {
        let original = std::fs::read(entry.unwrap().path()).unwrap();
        for round in 0..12 {
            let mut bytes = original.clone();
            for _ in 0..=round {
                let at = random()
                    % bytes
                        .len()
                        .min(if round % 2 == 0 { 80 } else { usize::MAX });
                bytes[at] = random() as u8;
            }
            check(&bytes).unwrap();
        }
    }
}

#[test]
fn what_is_no_record_file_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    for (bytes, reason) in [
        (b"".as_slice(), "no record decodes (the file is empty)"),
        (
            b"hello, this is text\n",
            "no record decodes (no miniSEED record header",
        ),
        (
            b"000001V 0080073 2.3",
            "no record decodes (control headers of a SEED volume",
        ),
        (&[0; 4096], "no record decodes (no miniSEED record header"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = read_file(&path).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(error.offset(), Some(0));
    }
    let error = read_file(folder.path()).unwrap_err().to_string();
    assert!(error.contains("cannot read"), "{error}");
}

#[test]
fn a_large_file_without_records_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(1 << 36)
        .unwrap(); // 64 GiB of nothing, sparse
    let begin = std::time::Instant::now();
    let error = read_file(&path).unwrap_err().to_string();
    assert!(error.contains("no miniSEED record header"), "{error}");
    assert!(begin.elapsed().as_secs() < 20);
}
