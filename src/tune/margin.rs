//! When settings are as good as others, and which are cheaper.

use crate::result::{Comparison, Settings};

/// What may be lost against the best for the sake of cheaper settings.
pub const MARGIN: f64 = 0.05;

/// What carries less than one part in so many of another is out of the question: no seat is given to it, and
/// it is compared by the one trial on the way that there is.
pub(super) const FAR: f64 = 3.0;

/// Fewest streams, then the smallest parts: the least memory.
pub(super) fn cost(settings: Settings) -> (u32, u64) {
    (settings.streams(), settings.part_size_bytes)
}

/// Whether the lower bound says that no more than the margin is lost.
pub(super) fn is_shown_within_margin(comparison: &Comparison) -> bool {
    lower_bound(*comparison).is_some_and(|low| low >= 1.0 - MARGIN)
}

/// Of the 95 % interval.
pub(super) fn lower_bound(comparison: Comparison) -> Option<f64> {
    comparison.interval_95.map(|[low, _]| low)
}

/// Whether the same settings measured twice were told apart.
pub(super) fn differ(same_settings_twice: Option<Comparison>) -> bool {
    let interval = same_settings_twice.and_then(|comparison| comparison.interval_95);
    interval.is_some_and(|[low, high]| low > 1.0 || high < 1.0)
}
