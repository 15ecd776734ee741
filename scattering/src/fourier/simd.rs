//! Loops compiled for the vector registers of the machine that they run on.

/// Runs `work` with the widest instructions that the machine has. Loops inside it are compiled once for each choice, so
/// whatever they call must be inlined. Sums keep the order that they are written in, so the result does not depend on
/// the choice.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
