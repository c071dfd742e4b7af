//! Pure functions on measured numbers. Each cites its source.
//!
//! A replicate is a trial, never a second of one trial: the seconds of a trial depend on each other
//! (A. Abedi, T. Brecht, "Conducting Repeatable Experiments in Highly Variable Cloud Computing
//! Environments", ICPE 2017, 10.1145/3030207.3030229).

mod batches;
mod blocks;
mod hinge;
mod least_squares;
mod quantiles;
mod ratio;
mod stable;
mod steady;
mod trend;
mod usl;

pub use batches::mean_interval_95;
pub use blocks::{Residual, residual};
pub use hinge::Hinge;
pub use least_squares::{akaike, inverse_of_squares, parsimonious};
pub use quantiles::{normal, quantile, sample_quantile, smallest_difference};
pub use ratio::{LogMean, geometric_mean, log_mean};
pub use stable::is_stable;
pub use steady::steady_from;
pub use trend::is_level;
pub use usl::{Observed, Usl, UslIntervals, left_out_error};
