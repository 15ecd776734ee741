//! The transform with all its options against the published reference, within the tolerances of
//! `tests/golden/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs::File;
use std::path::PathBuf;

use ndarray::{Array2, Array3, Array4, ArrayView1, ArrayView2, Axis, s};
use ndarray_npy::NpzReader;
use seismix_scattering::{
    ChannelPairs, CoefficientKind, CoefficientSet, Complex, EnvelopeMean, Normalization,
    Oversampling, PowerRows, Real, ScatteringTransform, ScatteringTransformBuilder, Wavelet,
};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

fn npz(name: &str) -> NpzReader<File> {
    NpzReader::new(File::open(golden(name)).unwrap()).unwrap()
}

/// Largest modulus of the difference over the largest modulus of the reference.
fn worst<F: Real>(ours: &[Complex<F>], reference: ArrayView2<f64>) -> f64 {
    assert_eq!(ours.len(), reference.nrows());
    let mut largest = 0.0_f64;
    let mut difference = 0.0_f64;
    for (a, b) in ours.iter().zip(reference.outer_iter()) {
        largest = largest.max(b[0].hypot(b[1]));
        let d = (a.re.to_double() - b[0]).hypot(a.im.to_double() - b[1]);
        difference = if d.is_nan() {
            f64::INFINITY
        } else {
            difference.max(d)
        };
    }
    difference / largest
}

/// A real reference as complex rows.
fn as_complex(reference: ArrayView1<f64>) -> Array2<f64> {
    let mut rows = Array2::zeros((reference.len(), 2));
    rows.column_mut(0).assign(&reference);
    rows
}

fn convert<F: Real>(x: impl IntoIterator<Item = f64>) -> Vec<F> {
    x.into_iter().map(F::of).collect()
}

fn check(name: &str, ours: &[Complex<f64>], reference: ArrayView2<f64>, tolerance: f64) {
    let figure = worst(ours, reference);
    assert!(figure <= tolerance, "{name}: {figure:e}");
}

#[test]
fn eight_kinds_of_signals_in_batches() {
    let mut n_arrays = 0;
    for t in [256, 1024] {
        let mut file = npz(&format!("analyze_T{t}.npz"));
        let names = file.names().unwrap();
        let x: Array4<f64> = file
            .by_name::<ndarray::OwnedRepr<f64>, ndarray::Ix3>("x")
            .unwrap()
            .insert_axis(Axis(2));
        for name in names.iter().filter(|name| *name != "x") {
            let fields: Vec<&str> = name.split('_').collect();
            let octaves = fields[fields.len() - 1][1..].parse().unwrap();
            let set = match fields[1] {
                "scat" => CoefficientSet::Scat,
                "cov" => CoefficientSet::Cov,
                _ => CoefficientSet::ScatCov,
            };
            let normalization = match fields[2] {
                "eachps" => Normalization::EachPowerSpectrum,
                "batchps" => Normalization::BatchPowerSpectrum,
                _ => Normalization::None,
            };
            let power_rows = match fields[3] {
                "keep" => PowerRows::Kept,
                _ => PowerRows::Normalized,
            };
            let exact = fields[0] == "y64";
            let reference: Array4<f64> = if set == CoefficientSet::Scat {
                let real: Array3<f64> = file.by_name(name).unwrap();
                let mut complex = Array4::zeros((8, 2, real.dim().2, 2));
                complex.slice_mut(s![.., .., .., 0]).assign(&real);
                complex
            } else {
                file.by_name(name).unwrap()
            };
            for kind in 0..8 {
                let batch = x.index_axis(Axis(0), kind);
                let reference = reference.index_axis(Axis(0), kind);
                let double = worst_of_batch::<f64>(
                    batch.iter().copied(),
                    t,
                    octaves,
                    set,
                    normalization,
                    power_rows,
                    reference,
                );
                // The published filters are rounded to f32: 1.4e-7 seen on the impulse, 1e-8 elsewhere.
                let tolerance = if exact { 1e-12 } else { 2e-7 };
                assert!(
                    double <= tolerance,
                    "{name} T {t} signal {kind}: {double:e}"
                );
                let single = worst_of_batch::<f32>(
                    batch.iter().copied(),
                    t,
                    octaves,
                    set,
                    normalization,
                    power_rows,
                    reference,
                );
                // Signal 7 is a sine: normalised, its empty bands are rounding noise over rounding noise.
                let tolerance = match (normalization, kind) {
                    (Normalization::None, _) => 2e-6,
                    (_, 7) => 1e-4,
                    _ => 3e-6,
                };
                assert!(
                    single <= tolerance,
                    "f32 {name} T {t} signal {kind}: {single:e}"
                );
            }
            n_arrays += 1;
        }
    }
    assert!(n_arrays >= 2 * 32, "{n_arrays}");
}

fn worst_of_batch<F: Real>(
    x: impl IntoIterator<Item = f64>,
    t: usize,
    octaves: usize,
    set: CoefficientSet,
    normalization: Normalization,
    power_rows: PowerRows,
    reference: ndarray::ArrayView3<f64>,
) -> f64 {
    let plan = ScatteringTransform::<F>::plan(t)
        .oversampling(Oversampling::Exact)
        .octaves(octaves)
        .coefficients(set)
        .normalization(normalization)
        .power_rows(power_rows)
        .check()
        .unwrap();
    let mut out = vec![Complex::new(F::of(f64::NAN), F::zero()); 2 * plan.output_len()];
    plan.process_batch(&convert::<F>(x), &mut out).unwrap();
    out.chunks_exact(plan.output_len())
        .zip(reference.outer_iter())
        .map(|(ours, reference)| worst(ours, reference))
        .fold(0.0, f64::max)
}

#[test]
fn families_and_filters_an_octave() {
    let mut file = npz("analyze_misc.npz");
    let x: Array2<f64> = file.by_name("wav_x").unwrap();
    for (family, wavelet) in [
        ("battle_lemarie", Wavelet::BattleLemarie),
        ("morlet", Wavelet::Morlet),
        ("bump_steerable", Wavelet::BumpSteerable),
        ("meyer", Wavelet::Meyer),
        ("shannon", Wavelet::Shannon),
    ] {
        for (q1, q2) in [(1, 1), (2, 1), (2, 2)] {
            let reference: Array3<f64> = file
                .by_name(&format!("wav_y64_{family}_Q{q1}{q2}"))
                .unwrap();
            let plan = ScatteringTransform::<f64>::plan(1024)
                .oversampling(Oversampling::Exact)
                .octaves(5)
                .wavelet(wavelet)
                .wavelets_per_octave_by_layer(q1, q2)
                .check()
                .unwrap();
            for (x, reference) in x.outer_iter().zip(reference.outer_iter()) {
                let ours = plan.process_vec(&x.to_vec()).unwrap();
                let name = format!("{family} Q {q1} {q2}");
                check(&name, &ours, reference, 1e-12);
            }
        }
    }
}

#[test]
fn octaves_by_layer() {
    let mut file = npz("analyze_misc.npz");
    let x: Array2<f64> = file.by_name("wav_x").unwrap();
    for (j1, j2) in [(5, 8), (8, 5)] {
        let reference: Array3<f64> = file.by_name(&format!("wav_y64_J{j1}{j2}")).unwrap();
        let plan = ScatteringTransform::<f64>::plan(1024)
            .oversampling(Oversampling::Exact)
            .octaves_by_layer(j1, j2)
            .check()
            .unwrap();
        for (x, reference) in x.outer_iter().zip(reference.outer_iter()) {
            let ours = plan.process_vec(&x.to_vec()).unwrap();
            check(&format!("J {j1} {j2}"), &ours, reference, 1e-12);
        }
    }
}

#[test]
fn raw_layers_and_moments() {
    let mut file = npz("analyze_misc.npz");
    let x: Array2<f64> = file.by_name("raw_x").unwrap();
    let reference: Array4<f64> = file.by_name("raw_y64").unwrap();
    let plan = ScatteringTransform::<f64>::plan(256)
        .oversampling(Oversampling::Exact)
        .octaves(5)
        .coefficients(CoefficientSet::Raw)
        .check()
        .unwrap();
    assert_eq!((plan.n_blocks(), plan.output_len()), (256, 21 * 256));
    for (x, reference) in x.outer_iter().zip(reference.outer_iter()) {
        let ours = plan.process_vec(&x.to_vec()).unwrap();
        let flat = reference.to_shape((21 * 256, 2)).unwrap();
        check("raw", &ours, flat.view(), 1e-12);
    }
    let x: Array2<f64> = file.by_name("wav_x").unwrap();
    let reference: Array2<f64> = file.by_name("scatq_y64").unwrap();
    let plan = ScatteringTransform::<f64>::plan(1024)
        .oversampling(Oversampling::Exact)
        .octaves(5)
        .coefficients(CoefficientSet::Scat)
        .moments(&[0.5, 1.0, 2.0, 3.0])
        .check()
        .unwrap();
    for (x, reference) in x.outer_iter().zip(reference.outer_iter()) {
        let ours = plan.process_vec(&x.to_vec()).unwrap();
        check("scatq", &ours, as_complex(reference).view(), 1e-12);
    }
}

#[test]
fn several_channels() {
    let mut file = npz("analyze_misc.npz");
    let x: Array3<f64> = file.by_name("multi_x").unwrap();
    for (name, pairs) in [
        ("diag", ChannelPairs::Diag),
        ("full", ChannelPairs::Full),
        ("offdiag", ChannelPairs::OffDiag),
    ] {
        for (normalization, by) in [
            ("none", Normalization::None),
            ("eachps", Normalization::EachPowerSpectrum),
            ("batchps", Normalization::BatchPowerSpectrum),
        ] {
            let reference: Array3<f64> = file
                .by_name(&format!("multi_y64_{name}_{normalization}"))
                .unwrap();
            let plan = ScatteringTransform::<f64>::plan(1024)
                .oversampling(Oversampling::Exact)
                .octaves(5)
                .channels(2, pairs)
                .normalization(by)
                .check()
                .unwrap();
            let mut out = vec![Complex::new(f64::NAN, 0.0); 3 * plan.output_len()];
            plan.process_batch(x.as_slice().unwrap(), &mut out).unwrap();
            for (ours, reference) in out
                .chunks_exact(plan.output_len())
                .zip(reference.outer_iter())
            {
                check(&format!("{name} {normalization}"), ours, reference, 1e-12);
            }
        }
    }
}

#[test]
fn reduced_covariance() {
    let mut file = npz("analyze_misc.npz");
    let x: Array2<f64> = file.by_name("covreduced_x").unwrap();
    let reference: Array3<f64> = file.by_name("covreduced_y32").unwrap();
    let plan = ScatteringTransform::<f64>::plan(1024)
        .oversampling(Oversampling::Exact)
        .octaves(5)
        .coefficients(CoefficientSet::CovReduced)
        .normalization(Normalization::EachPowerSpectrum)
        .check()
        .unwrap();
    for (x, reference) in x.outer_iter().zip(reference.outer_iter()) {
        let ours = plan.process_vec(&x.to_vec()).unwrap();
        // The reference exists in f32 only.
        check("covreduced", &ours, reference, 1e-5);
    }
}

#[test]
fn other_lengths_and_blocks() {
    let mut file = npz("analyze_misc.npz");
    for (name, t) in [("np2", 1000), ("odd", 999)] {
        let x: Array2<f64> = file.by_name(&format!("{name}_x")).unwrap();
        let reference: Array3<f64> = file.by_name(&format!("{name}_y64")).unwrap();
        let plan = ScatteringTransform::<f64>::plan(t)
            .oversampling(Oversampling::Exact)
            .octaves(5)
            .check()
            .unwrap();
        for (x, reference) in x.outer_iter().zip(reference.outer_iter()) {
            let ours = plan.process_vec(&x.to_vec()).unwrap();
            check(name, &ours, reference, 1e-12);
        }
    }
    let mut file = npz("analyze_pool.npz");
    let x: Array2<f64> = file.by_name("pool_x").unwrap();
    let reference: Array4<f64> = file.by_name("pool_y64_k64").unwrap();
    let plan = ScatteringTransform::<f64>::plan(4096)
        .oversampling(Oversampling::Exact)
        .normalization(Normalization::EachPowerSpectrum)
        .pool(64)
        .check()
        .unwrap();
    for (x, reference) in x.outer_iter().zip(reference.outer_iter()) {
        let ours = plan.process_vec(&x.to_vec()).unwrap();
        let flat = reference.to_shape((210 * 64, 2)).unwrap();
        check("blocks of 64", &ours, flat.view(), 1e-12);
    }
}

/// Cross covariances of the separation: the moduli's mean is taken off before the second layer.
#[test]
fn cross_covariances_of_centred_moduli() {
    for (name, r, t, octaves) in [
        ("loss_R5_T1024_J5.npz", 5, 1024, 5),
        ("loss_R5_T1024_J8.npz", 5, 1024, 8),
    ] {
        let mut file = npz(name);
        let x: ndarray::Array1<f64> = file.by_name("x").unwrap();
        let snippets: Array2<f64> = file.by_name("nks").unwrap();
        let points: Array2<f64> = file.by_name("points").unwrap();
        let source = &x - &points.row(2);
        let plan = ScatteringTransform::<f64>::plan(t)
            .oversampling(Oversampling::Exact)
            .octaves(octaves)
            .coefficients(CoefficientSet::Cov)
            .channels(2, ChannelPairs::OffDiag)
            .envelope_mean(EnvelopeMean::Removed)
            .check()
            .unwrap();
        for (array, left) in [("cross12_point2_y64", 0), ("cross21_point2_y64", 1)] {
            let reference: Array3<f64> = file.by_name(array).unwrap();
            for k in 0..r {
                let signal: Vec<f64> = source.iter().chain(snippets.row(k)).copied().collect();
                let out = plan.process_vec(&signal).unwrap();
                let ours: Vec<_> = plan
                    .paths()
                    .iter()
                    .zip(out)
                    .filter(|(path, _)| path.j1_right.is_some() && path.channel_left == left)
                    .map(|(_, value)| value)
                    .collect();
                check(array, &ours, reference.index_axis(Axis(0), k), 1e-12);
            }
        }
    }
}

fn builder(octaves: usize) -> ScatteringTransformBuilder<f64> {
    ScatteringTransform::plan(1024)
        .oversampling(Oversampling::Exact)
        .octaves(octaves)
}

#[test]
fn every_index_table_row_by_row() {
    let sets = |octaves, set| builder(octaves).coefficients(set);
    let two = |pairs| builder(5).channels(2, pairs);
    let tables = [
        ("scatcov_J5", builder(5)),
        ("scatcov_J6", builder(6)),
        ("scatcov_J8", builder(8)),
        ("scatcov_J58", builder(1).octaves_by_layer(5, 8)),
        ("scatcov_J85", builder(1).octaves_by_layer(8, 5)),
        (
            "scatcov_J5_Q21",
            builder(5).wavelets_per_octave_by_layer(2, 1),
        ),
        ("scatcov_J5_Q22", builder(5).wavelets_per_octave(2)),
        ("cov_J5", sets(5, CoefficientSet::Cov)),
        ("cov_J6", sets(6, CoefficientSet::Cov)),
        ("cov_J8", sets(8, CoefficientSet::Cov)),
        ("scat_J5", sets(5, CoefficientSet::Scat)),
        ("scat_J8", sets(8, CoefficientSet::Scat)),
        (
            "scatq_J5",
            sets(5, CoefficientSet::Scat).moments(&[0.5, 1.0, 2.0, 3.0]),
        ),
        ("raw_J5", sets(5, CoefficientSet::Raw)),
        ("covreduced_J5", sets(5, CoefficientSet::CovReduced)),
        ("multi_diag_J5", two(ChannelPairs::Diag)),
        ("multi_full_J5", two(ChannelPairs::Full)),
        ("multi_offdiag_J5", two(ChannelPairs::OffDiag)),
        (
            "cross_J5",
            two(ChannelPairs::OffDiag).coefficients(CoefficientSet::Cov),
        ),
        (
            "cross_J8",
            two(ChannelPairs::OffDiag)
                .octaves(8)
                .coefficients(CoefficientSet::Cov),
        ),
    ];
    let files = std::fs::read_dir(golden("")).unwrap();
    let n_files = files
        .filter(|f| {
            let name = f.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with("index_")
        })
        .count();
    assert_eq!(n_files, tables.len(), "a table is not compared");
    for (name, builder) in tables {
        compare_table(name, &builder.check().unwrap());
    }
}

/// Compares every column of the table that says something about a coefficient.
fn compare_table(name: &str, plan: &ScatteringTransform<f64>) {
    let mut reader = csv::Reader::from_path(golden(&format!("index_{name}.csv"))).unwrap();
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), plan.paths().len(), "{name}");
    let scales = plan.scales();
    let pairs: Vec<(usize, usize)> = scales.paths().collect();
    let number_of = |j1: usize, j2: Option<usize>| match j2 {
        None => j1,
        Some(j2) => {
            let pair = pairs.iter().position(|pair| *pair == (j1, j2));
            scales.first_low_pass() + 1 + pair.unwrap()
        }
    };
    for (k, (path, row)) in plan.paths().iter().zip(&rows).enumerate() {
        let text = |value: Option<usize>| value.map_or(String::new(), |value| value.to_string());
        let flag = |value: bool| usize::from(value).to_string();
        let apart = path.distance.is_none();
        let of_right = |value: usize| text(path.j1_right.map(|_| value));
        let layer_left = if path.j2.is_some() && path.kind != CoefficientKind::PhaseEnvelope {
            2
        } else {
            1
        };
        let low = match path.j2 {
            None => path.j1_left == scales.first_low_pass(),
            Some(j2) => j2 == scales.second_low_pass(),
        };
        let left = number_of(
            path.j1_left,
            path.j2
                .filter(|_| path.kind != CoefficientKind::PhaseEnvelope),
        );
        let when = |text: String| if apart { text } else { String::new() };
        for (column, cell) in header.iter().zip(row) {
            let ours = match column {
                "k" => k.to_string(),
                "c_type" => path.kind.name().to_owned(),
                "nl" | "n" => path.channel_left.to_string(),
                "nr" => path.channel_right.to_string(),
                "q" if header.iter().any(|h| h == "sc") => format!("{:?}", path.exponent),
                "q" => path.exponent.to_string(),
                "r" | "rl" => layer_left.to_string(),
                "rr" => of_right(1 + usize::from(path.j2.is_some())),
                "sc" | "scl" => when(left.to_string()),
                "scr" => when(text(path.j1_right.map(|j1| number_of(j1, path.j2)))),
                "j1" | "jl1" => when(path.j1_left.to_string()),
                "jr1" => when(text(path.j1_right)),
                "j2" => when(text(path.j2)),
                "real" => flag(path.real),
                "low" => flag(low && apart),
                "a" if header.iter().any(|h| h == "b") => text(path.distance.map(|d| d.a)),
                "b" => path
                    .distance
                    .and_then(|d| d.b)
                    .map_or(String::new(), |b| b.to_string()),
                // Angles: one, always 0; which rows the separation uses.
                "a" | "al" | "ar" | "order" => continue,
                unknown => panic!("{name}: unknown column {unknown}"),
            };
            assert_eq!(ours, cell, "{name} row {k} column {column}");
        }
    }
}
