//! Block averages of records: streams, chunks and the definition agree; any split gives the same bits.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::{naive_coefficient, natural_scales, noise};
use seismix_scattering::{
    BlockTransform, CoefficientSet, Complex, Error, Oversampling, Real, ScatteringTransform,
    Wavelet,
};

/// A red record with a few strong pulses, so that blocks differ.
fn record<F: Real>(n: usize, seed: u64) -> Vec<F> {
    let mut last = 0.0;
    noise(n, seed)
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let pulse = if i % 7919 < 60 { 20.0 } else { 0.0 };
            last = 0.9 * last + v;
            F::of(last + pulse)
        })
        .collect()
}

fn streamed<F: Real>(
    blocks: &BlockTransform<F>,
    record: &[F],
    pieces: impl IntoIterator<Item = usize>,
) -> Vec<Complex<F>> {
    let (mut stream, mut out) = (blocks.stream(), Vec::new());
    let mut left = record;
    for piece in pieces {
        let (now, later) = left.split_at(piece.min(left.len()));
        stream.push(now, &mut out).unwrap();
        left = later;
    }
    stream.push(left, &mut out).unwrap();
    stream.finish(&mut out).unwrap();
    out
}

fn any_split_gives_the_same_bits<F: Real>() {
    let plan = || BlockTransform::<F>::plan(128).octaves(5);
    for (n, oversampling) in [
        (150_000, Oversampling::default()),
        (150_077, Oversampling::Times(3)),
        (140_000, Oversampling::Exact),
        (64_000, Oversampling::default()),
        (65_400, Oversampling::default()),
        (3000, Oversampling::default()),
    ] {
        let blocks = plan().oversampling(oversampling).check().unwrap();
        let x = record::<F>(n, 5);
        let n_blocks = n / 128;
        let mut whole = vec![Complex::new(F::nan(), F::nan()); n_blocks * blocks.paths().len()];
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            whole.fill(Complex::new(F::nan(), F::nan()));
            pool.unwrap()
                .install(|| blocks.process(&x, 0, n_blocks, &mut whole))
                .unwrap();
            for (name, pieces) in [
                ("at once", vec![n]),
                ("in ones at first", vec![1; 300]),
                ("in small pieces", vec![977; n / 977]),
                ("in blocks", vec![128; n / 128]),
                ("in two", vec![n / 3]),
                ("with empty ones", vec![0, 50_000, 0, 0, 20_000]),
            ] {
                let out = streamed(&blocks, &x, pieces);
                assert!(
                    out == whole,
                    "{n} samples {name}, {oversampling:?}, {threads} threads"
                );
            }
        }
    }
}

#[test]
fn any_split_gives_the_same_bits_in_f64() {
    any_split_gives_the_same_bits::<f64>();
}

#[test]
fn any_split_gives_the_same_bits_in_f32() {
    any_split_gives_the_same_bits::<f32>();
}

#[test]
fn streams_are_the_definition_in_direct_sums() {
    let (n, octaves, block) = (203, 3, 20);
    let x = record::<f64>(n, 6);
    let blocks = BlockTransform::<f64>::plan(block)
        .octaves(octaves)
        .check()
        .unwrap();
    let out = streamed(&blocks, &x, [31; 6]);
    assert_eq!(out.len(), n / block * blocks.paths().len());
    for (b, out) in out.chunks_exact(blocks.paths().len()).enumerate() {
        for (path, ours) in blocks.paths().iter().zip(out) {
            let oracle = naive_coefficient(&x, path, octaves, b * block..(b + 1) * block);
            // Coefficients are up to 400; direct sums lose N eps of that.
            assert!((ours - oracle).norm() <= 1e-10, "block {b} {path:?}");
        }
    }
}

#[test]
fn streams_are_one_transform_of_the_whole() {
    let (n, octaves, block) = (51_200, 6, 256);
    let x = record::<f64>(n, 7);
    let whole = ScatteringTransform::<f64>::plan(n)
        .octaves(octaves)
        .pool(block)
        .oversampling(Oversampling::Exact)
        .check()
        .unwrap();
    let reference = whole.process_vec(&x).unwrap();
    let blocks = BlockTransform::<f64>::plan(block)
        .octaves(octaves)
        .check()
        .unwrap();
    let out = streamed(&blocks, &x, [1000; 30]);
    let (n_blocks, n_paths) = (n / block, blocks.paths().len());
    let largest = reference.iter().map(|z| z.norm()).fold(0.0, f64::max);
    for (k, row) in reference.chunks_exact(n_blocks).enumerate() {
        for (b, value) in row.iter().enumerate() {
            let difference = (out[b * n_paths + k] - value).norm();
            assert!(difference <= 1e-10 * largest, "block {b}, coefficient {k}");
        }
    }
}

/// Longer records than a chunk: what limits the agreement is how slowly the finest filter, cut off at 7/8 of the
/// sampling rate, falls off in time.
#[test]
fn chunks_agree_with_one_transform_of_the_whole() {
    let (n, octaves) = (1 << 17, 8);
    for (block, oversampling, worst_mean, worst_rms) in [
        (256, Oversampling::Exact, 2e-6, 1e-5),
        (1024, Oversampling::default(), 5e-5, 3e-4),
        (256, Oversampling::default(), 5e-5, 5e-4),
        (1024, Oversampling::Times(4), 2e-4, 2e-3),
    ] {
        let x = record::<f64>(n, 8);
        let whole = ScatteringTransform::<f64>::plan(n)
            .octaves(octaves)
            .pool(block)
            .oversampling(Oversampling::Exact)
            .check()
            .unwrap();
        let reference = whole.process_vec(&x).unwrap();
        let blocks = BlockTransform::<f64>::plan(block)
            .octaves(octaves)
            .oversampling(oversampling)
            .check()
            .unwrap();
        let out = streamed(&blocks, &x, [10_000; 20]);
        let (n_blocks, n_paths) = (n / block, blocks.paths().len());
        let means: Vec<Complex<f64>> = reference
            .chunks_exact(n_blocks)
            .map(|row| row.iter().sum::<Complex<f64>>() / n_blocks as f64)
            .collect();
        let natural = natural_scales(blocks.paths(), &means);
        for (k, row) in reference.chunks_exact(n_blocks).enumerate() {
            let differences = row
                .iter()
                .enumerate()
                .map(|(b, z)| out[b * n_paths + k] - z);
            let (mut mean, mut square) = (Complex::new(0.0, 0.0), 0.0);
            for difference in differences {
                mean += difference / n_blocks as f64;
                square += difference.norm_sqr() / n_blocks as f64;
            }
            let path = blocks.paths()[k];
            let (mean, rms) = (mean.norm() / natural[k], square.sqrt() / natural[k]);
            assert!(
                mean < worst_mean,
                "{block} {oversampling:?} {path:?}: mean {mean:.1e}"
            );
            assert!(
                rms < worst_rms,
                "{block} {oversampling:?} {path:?}: rms {rms:.1e}"
            );
        }
    }
}

#[test]
fn windows_of_any_scale_are_means_of_blocks() {
    // Blocks of 64 averaged by fours are blocks of 256.
    let n = 100_000;
    let x = record::<f64>(n, 9);
    let of = |block| {
        let blocks = BlockTransform::<f64>::plan(block)
            .octaves(5)
            .margin(2048)
            .oversampling(Oversampling::Exact)
            .check()
            .unwrap();
        streamed(&blocks, &x, [])
    };
    let (fine, coarse) = (of(64), of(256));
    let n_paths = coarse.len() / (n / 256);
    for (b, coarse) in coarse.chunks_exact(n_paths).enumerate().take(n / 256) {
        for (k, value) in coarse.iter().enumerate() {
            let mean: Complex<f64> = (0..4)
                .map(|i| fine[(4 * b + i) * n_paths + k])
                .sum::<Complex<f64>>()
                / 4.0;
            // Chunks of the two begin elsewhere only if their margins differ; here they do not.
            assert!((mean - value).norm() <= 1e-9, "block {b}, coefficient {k}");
        }
    }
}

#[test]
fn every_family_and_layer_option_streams() {
    let n = 90_000;
    let x = record::<f64>(n, 10);
    for wavelet in [
        Wavelet::Morlet,
        Wavelet::BumpSteerable,
        Wavelet::Meyer,
        Wavelet::Shannon,
    ] {
        for (q1, q2, set) in [
            (1, 1, CoefficientSet::ScatCov),
            (2, 1, CoefficientSet::Cov),
            (1, 2, CoefficientSet::Scat),
        ] {
            let plan = |oversampling| {
                let plan = BlockTransform::<f64>::plan(500)
                    .octaves(4)
                    .wavelet(wavelet)
                    .wavelets_per_octave_by_layer(q1, q2)
                    .coefficients(set)
                    .moments(&[1.0, 3.0])
                    .oversampling(oversampling);
                let blocks = plan.check().unwrap();
                streamed(&blocks, &x, [4096; 8])
            };
            let (exact, coarse) = (plan(Oversampling::Exact), plan(Oversampling::default()));
            assert_eq!(exact.len() % (n / 500), 0);
            let size = exact.iter().map(|z| z.norm_sqr()).sum::<f64>().sqrt();
            let difference = exact
                .iter()
                .zip(&coarse)
                .map(|(a, b)| (a - b).norm_sqr())
                .sum::<f64>();
            assert!(
                difference.sqrt() <= 1e-3 * size,
                "{wavelet:?} {q1} {q2} {set:?}"
            );
        }
    }
}

#[test]
fn bad_streams_are_refused_and_nothing_is_lost() {
    let blocks = BlockTransform::<f64>::plan(64).octaves(3).check().unwrap();
    let (mut stream, mut out) = (blocks.stream(), Vec::new());
    let x = record::<f64>(1000, 11);
    stream.push(&x[..500], &mut out).unwrap();
    let error = stream.push(&[1.0, f64::NAN], &mut out).unwrap_err();
    assert!(
        matches!(error, Error::NotFinite { index: 501, .. }),
        "{error}"
    );
    stream.push(&x[500..], &mut out).unwrap();
    stream.finish(&mut out).unwrap();
    assert!(out == streamed(&blocks, &x, []));
    // A record shorter than a block yields nothing and is not an error.
    assert!(streamed(&blocks, &x[..63], []).is_empty());
    assert!(streamed(&blocks, &[], []).is_empty());
    // A block, but too short for the octaves.
    let deep = BlockTransform::<f64>::plan(4).octaves(8).check().unwrap();
    let (mut stream, mut out) = (deep.stream(), Vec::new());
    stream.push(&x[..8], &mut out).unwrap();
    assert!(matches!(
        stream.finish(&mut out),
        Err(Error::Parameter { .. })
    ));
    for plan in [
        BlockTransform::<f64>::plan(0),
        BlockTransform::<f64>::plan(usize::MAX),
        BlockTransform::<f64>::plan(64).octaves(60),
        BlockTransform::<f64>::plan(64).margin(usize::MAX),
        BlockTransform::<f64>::plan(64).coefficients(CoefficientSet::Raw),
        BlockTransform::<f64>::plan(64).oversampling(Oversampling::Times(1)),
    ] {
        assert!(matches!(plan.check(), Err(Error::Parameter { .. })));
    }
}
