//! Service times while a trial runs, for the eyes of the user: coarser than the histograms of the result,
//! which belong to their threads until the end.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Each doubling of the time has so many buckets: a percentile is within 7 % of a sample.
const PER_DOUBLING: u64 = 8;

/// Up to 2^32 microseconds, which is 71 minutes; what took longer counts as that.
const BUCKETS: usize = 240;

/// Numbers of requests by how long they took, which all threads add to.
#[derive(Debug)]
pub struct SoFar([AtomicU64; BUCKETS]);

impl Default for SoFar {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

/// Percentiles of what was counted so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimesSoFar {
    /// Samples.
    pub samples: u64,
    /// Median.
    pub p50_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
}

impl SoFar {
    /// Counts a request.
    pub fn add(&self, time_us: u64) {
        self.0[bucket(time_us)].fetch_add(1, Relaxed);
    }

    /// `None` without any request.
    pub fn percentiles(&self) -> Option<TimesSoFar> {
        let counts = self.0.each_ref().map(|count| count.load(Relaxed));
        let samples = counts.iter().sum::<u64>();
        let at = |percent: u64| {
            let rank = (samples * percent).div_ceil(100).max(1);
            let mut below = 0;
            let reached = counts.iter().position(|count| {
                below += count;
                below >= rank
            });
            reached.map_or(0, middle_us)
        };
        (samples > 0).then(|| TimesSoFar { samples, p50_us: at(50), p99_us: at(99) })
    }
}

/// One for each microsecond below 8, then eighths of each doubling.
fn bucket(time_us: u64) -> usize {
    let index = match time_us.checked_ilog2() {
        Some(power @ 3..) => {
            u64::from(power - 2) * PER_DOUBLING + ((time_us >> (power - 3)) % PER_DOUBLING)
        }
        _ => time_us,
    };
    (index as usize).min(BUCKETS - 1)
}

fn middle_us(bucket: usize) -> u64 {
    let (power, eighth) = (bucket as u64 / PER_DOUBLING, bucket as u64 % PER_DOUBLING);
    match power {
        0 => eighth,
        power => {
            let width = 1 << (power - 1);
            (PER_DOUBLING + eighth) * width + width / 2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn percentiles_are_near_those_of_the_samples(
            mut times in prop::collection::vec(1_u64..1 << 32, 1..300),
        ) {
            let so_far = SoFar::default();
            times.iter().for_each(|time| so_far.add(*time));
            times.sort_unstable();
            let at = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1] as f64;
            let found = so_far.percentiles().unwrap();
            prop_assert_eq!(found.samples, times.len() as u64);
            for (found, sample) in [(found.p50_us, at(50)), (found.p99_us, at(99))] {
                prop_assert!((found as f64 / sample - 1.0).abs() <= 0.07, "{} {}", found, sample);
            }
        }
    }

    #[test]
    fn without_a_request_there_are_no_percentiles() {
        assert_eq!(SoFar::default().percentiles(), None);
    }
}
