//! Loops compiled for the vector registers of the machine.

/// Runs `work` with the widest instructions of the machine.
///
/// Loops inside it are compiled once for each instruction set, so every function they call must be inlined. Sums keep
/// their written order and no products are fused, so the result does not depend on the instruction set.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
