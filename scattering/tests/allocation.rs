//! No allocation once scratch exists, counted by the allocator itself.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::noise;
use seismix_scattering::{
    ChannelPairs, CoefficientSet, Complex, Normalization, Oversampling, Padding,
    ScatteringTransform, Wavelet,
};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is the system allocator's own; counting touches a thread-local cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    run();
    COUNT.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1_u8; 100]))) >= 1);
}

#[test]
fn covariance() {
    let t = 256;
    for oversampling in [Oversampling::Exact, Oversampling::Times(4)] {
        let plan = ScatteringTransform::<f64>::plan(t)
            .oversampling(Oversampling::Exact)
            .octaves(5)
            .normalization(Normalization::EachPowerSpectrum)
            .oversampling(oversampling)
            .check()
            .unwrap();
        let x = noise(t, 1);
        let (mut out, mut scratch) = (plan.make_output(), plan.make_scratch());
        let d_out = vec![Complex::new(1.0, 0.5); out.len()];
        let mut d_x = vec![0.0; t];
        let count = allocations(|| {
            plan.process(&x, &mut out, &mut scratch).unwrap();
            plan.adjoint(&x, &d_out, &mut d_x, &mut scratch).unwrap();
        });
        assert_eq!(count, 0, "{oversampling:?}");
    }
}

#[test]
fn transform() {
    // 200 is no power of two: mixed radices; 251 is prime.
    for t in [200, 251] {
        for set in [
            CoefficientSet::Raw,
            CoefficientSet::Scat,
            CoefficientSet::ScatCov,
            CoefficientSet::CovReduced,
        ] {
            for padding in [Padding::Reflect, Padding::Periodic] {
                let plan = ScatteringTransform::<f64>::plan(t)
                    .oversampling(Oversampling::Exact)
                    .octaves(4)
                    .wavelets_per_octave(2)
                    .wavelet(Wavelet::Morlet)
                    .coefficients(set)
                    .padding(padding)
                    .channels(2, ChannelPairs::Full)
                    .normalization(Normalization::EachPowerSpectrum)
                    .check()
                    .unwrap();
                let x = noise(2 * t, 1);
                let (mut out, mut scratch) = (plan.make_output(), plan.make_scratch());
                let d_out = vec![Complex::new(1.0, 0.5); out.len()];
                let mut d_x = vec![0.0; 2 * t];
                let count = allocations(|| {
                    plan.process(&x, &mut out, &mut scratch).unwrap();
                    plan.adjoint(&x, &d_out, &mut d_x, &mut scratch).unwrap();
                });
                assert_eq!(count, 0, "T {t} {set:?} {padding:?}");
            }
        }
    }
}
