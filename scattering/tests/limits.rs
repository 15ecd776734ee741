//! Sizes given by the user: products of them are refused by name before anything is allocated, and buffers of another
//! plan are refused, never used.
#![allow(clippy::unwrap_used, missing_docs)]

use seismix_scattering::{
    BlockTransform, ChannelPairs, CoefficientSet, Complex, Error, FilterBank, Oversampling,
    Padding, ScatteringTransform, ScatteringTransformBuilder, Wavelet,
};

const EXTREMES: [usize; 6] = [0, 1, 3, 1 << 40, usize::MAX / 2, usize::MAX];

fn refused(builder: ScatteringTransformBuilder<f32>, what: &str) {
    match builder.check() {
        Err(Error::Parameter { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what} was accepted"),
    }
}

#[test]
fn extreme_sizes_are_refused_by_name() {
    let plan = |window| ScatteringTransform::<f32>::plan(window).octaves(3);
    for n in EXTREMES {
        refused(plan(n), "window");
        if n > 3 || n == 0 {
            refused(plan(64).octaves(n), "octaves");
            refused(
                plan(64).octaves_by_layer(3, n),
                "octaves of the second layer",
            );
            refused(plan(64).wavelets_per_octave(n), "filters an octave");
            refused(plan(64).channels(n, ChannelPairs::Full), "channels");
            refused(plan(64).pool(n), "pool");
        }
        let bank = FilterBank::<f32>::plan(n).octaves(30).check();
        assert!(matches!(bank, Err(Error::Parameter { .. })), "{n} bins");
        let bank = FilterBank::<f32>::new(Wavelet::Meyer, 30, n);
        assert!(matches!(bank, Err(Error::Parameter { .. })), "{n} bins");
        if n != 1 && n != 3 {
            let blocks = BlockTransform::<f32>::plan(n).check();
            assert!(
                matches!(blocks, Err(Error::Parameter { .. })),
                "block of {n}"
            );
            let blocks = BlockTransform::<f32>::plan(64).octaves(n).check();
            assert!(
                matches!(blocks, Err(Error::Parameter { .. })),
                "{n} octaves"
            );
        }
        if n > 3 {
            let blocks = BlockTransform::<f32>::plan(64).margin(n).check();
            assert!(
                matches!(blocks, Err(Error::Parameter { .. })),
                "margin of {n}"
            );
        }
    }
}

/// Each size is in its range; their product is not.
#[test]
fn products_of_sizes_are_refused() {
    let table = ScatteringTransform::<f32>::plan(1 << 12)
        .octaves(8)
        .wavelets_per_octave(64)
        .channels(64, ChannelPairs::Full);
    refused(table, "table");
    let output = ScatteringTransform::<f32>::plan(1 << 20).octaves(8).pool(1);
    refused(output, "output");
    let scratch = ScatteringTransform::<f32>::plan(1 << 22)
        .octaves(16)
        .wavelets_per_octave(2)
        .channels(64, ChannelPairs::Diag)
        .coefficients(CoefficientSet::Cov)
        .padding(Padding::Periodic);
    refused(scratch, "work space");
}

#[test]
fn scratch_of_another_plan_is_refused() {
    let plan = |window| {
        ScatteringTransform::<f64>::plan(window)
            .octaves(4)
            .oversampling(Oversampling::Exact)
    };
    let own = plan(64).check().unwrap();
    let x: Vec<f64> = (0..64).map(|t| f64::from(t) * 0.1).collect();
    let others = [
        plan(128).check(),
        plan(64).octaves(3).check(),
        plan(64).pool(8).check(),
        plan(64).padding(Padding::Periodic).check(),
        plan(64).channels(2, ChannelPairs::Diag).check(),
        plan(64).wavelets_per_octave_by_layer(1, 2).check(),
        plan(64).coefficients(CoefficientSet::Cov).check(),
    ];
    for other in others {
        let mut scratch = other.unwrap().make_scratch();
        let mut out = vec![Complex::new(-7.0, 0.0); own.output_len()];
        let error = own.process(&x, &mut out, &mut scratch).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`scratch` is `of another plan`: make it with the plan that it is used with"
        );
        assert!(out.iter().all(|z| z.re == -7.0), "the output was written");
        let d_out = own.make_output();
        assert!(
            own.adjoint(&x, &d_out, &mut x.clone(), &mut scratch)
                .is_err()
        );
    }
}

/// Silent and constant signals, of which every band is empty: 0, never NaN, forwards and backwards.
#[test]
fn empty_bands_make_no_nan() {
    use seismix_scattering::Normalization;
    for wavelet in [Wavelet::BattleLemarie, Wavelet::Morlet, Wavelet::Shannon] {
        for value in [0.0, 777.0, -12_345.0, 1e20] {
            let plan = ScatteringTransform::<f64>::plan(256)
                .octaves(4)
                .wavelet(wavelet)
                .normalization(Normalization::EachPowerSpectrum)
                .check()
                .unwrap();
            let x = vec![value; 256];
            let (mut out, mut scratch) = (plan.make_output(), plan.make_scratch());
            plan.process(&x, &mut out, &mut scratch).unwrap();
            let d_out = vec![Complex::new(1.0, 1.0); out.len()];
            let mut gradient = vec![f64::NAN; 256];
            plan.adjoint(&x, &d_out, &mut gradient, &mut scratch)
                .unwrap();
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{wavelet} at {value}"
            );
        }
    }
}
