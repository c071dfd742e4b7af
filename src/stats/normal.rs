//! Draws.

use std::f64::consts::TAU;

/// A standard normal value (G. E. P. Box, M. E. Muller, "A Note on the Generation of Random Normal Deviates",
/// 1958).
pub fn normal(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (TAU * random.f64()).cos()
}
