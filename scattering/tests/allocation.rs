//! No allocation once scratch exists, counted by the allocator itself.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::noise;
use seismix_scattering::{
    BlockTransform, ChannelPairs, CoefficientSet, Complex, Normalization, Oversampling, Padding,
    ScatteringTransform, Wavelet,
};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Bytes allocated and not given back, and the most of them.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call is the system allocator's own; counting touches a thread-local cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        let live = LIVE.get() + layout.size() as isize;
        LIVE.set(live);
        PEAK.set(PEAK.get().max(live));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as isize);
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
    // 200 has mixed radices; 251 is prime.
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

/// Memory of a stream does not grow with the record.
#[test]
fn stream() {
    let blocks = BlockTransform::<f32>::plan(256).octaves(6).check().unwrap();
    let piece: Vec<f32> = noise(10_000, 3).iter().map(|v| *v as f32).collect();
    let peak_of = |n_pieces: usize| {
        let (mut stream, mut out) = (blocks.stream(), Vec::new());
        PEAK.set(LIVE.get());
        let before = LIVE.get();
        for _ in 0..n_pieces {
            stream.push(&piece, &mut out).unwrap();
            // What has been given out is the caller's.
            out.clear();
        }
        PEAK.get() - before
    };
    let (short, long) = (peak_of(30), peak_of(300));
    assert!(short > 0 && long <= short, "{short} bytes, then {long}");
}
