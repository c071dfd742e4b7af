//! One vocabulary: how numbers, settings and states are said, alike on every screen, in every page and in the
//! sentences that a document keeps.

mod numbers;
mod states;

pub use numbers::{
    as_set, duration, milliseconds, percent, rate, rate_interval, ratio, roughly, runs_of,
    signed_percent, to_the_second, whole_percent, whole_seconds,
};
pub use states::{
    direction, each_of, error_classes, errors, limited_by, operation, phase, settings, verdict,
    workload,
};
