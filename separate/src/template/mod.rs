//! Sources that repeat a shape: it is learned from the record itself, and fitted with the background's spectrum as
//! weight.
//!
//! A [`Template`] is learned from [`RecordSegment`]s whose targets hold such sources, without labels. The windows
//! that most others resemble are aligned, and a waveform h of each channel is estimated from them. The sources are
//! searched and fitted with it, and h is learned anew from the fits, three times.
//!
//! A source is `a . (h * box(ramp)) + b . h''` with an onset that all channels share, and a and b free on each. A
//! strong one may have secondary steps of its own on a channel. All sums are weighted by an autoregression of the
//! background around each segment. Components that are not significant are not removed.

mod cancel;
mod convert;
mod detect;
mod fit;
mod initial;
mod learn;
mod linear;
mod method;
mod options;
mod secondary;
mod segment;
mod shape_fit;
mod source;
pub(crate) mod spectra;
#[allow(clippy::module_inception)]
mod template;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod uncertainty;
mod waveform;
mod whitened_data;
mod whitening;

pub use method::TemplateMethod;
pub use options::Layout;
pub use segment::RecordSegment;
pub use source::{Part, TemplateSource};
pub use template::{Evidence, Template, TemplateFit};
pub use waveform::{Shape, Wave};
