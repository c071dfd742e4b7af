//! The middle of the rounds: a machine that others share has rounds that are slow by half, of which a mean
//! would tell more than of the programs.

use std::fmt;

/// The median, and where the median of all rounds there could be lies with 95 % confidence or a little more:
/// between two of the values, whatever their distribution (Conover, Practical Nonparametric Statistics,
/// 3rd ed., section 3.2). Fewer than six values have no such interval.
#[derive(Clone, Copy, Debug)]
pub struct Median {
    pub value: f64,
    pub interval_95: Option<[f64; 2]>,
}

impl Median {
    /// `None` without values.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let value = f64::midpoint(values[last / 2], values[last.div_ceil(2)]);
        let interval_95 = outside(values.len()).map(|below| [values[below], values[last - below]]);
        Some(Self { value, interval_95 })
    }
}

/// How many of so many values may be left out at either end: the most that lie all on one side of the median
/// with a probability of 2.5 % at most, less one.
fn outside(count: usize) -> Option<usize> {
    let mut term = 0.5_f64.powi(i32::try_from(count).ok()?);
    let mut probability = term;
    let mut ranks = 0;
    while probability <= 0.025 {
        ranks += 1;
        term *= (count + 1 - ranks) as f64 / ranks as f64;
        probability += term;
    }
    usize::checked_sub(ranks, 1)
}

impl fmt::Display for Median {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$}", self.value)?;
        match self.interval_95 {
            Some([low, high]) => write!(f, " [{low:.digits$}, {high:.digits$}]"),
            None => Ok(()),
        }
    }
}
