//! How long requests took so far, in the buckets of a Prometheus histogram: for those who watch from outside while
//! the histograms of the result belong to their threads.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets. From 5 ms to 10 s they are those that Prometheus's client libraries have by default
/// (`DefBuckets` of prometheus/client_golang); the same steps go on to a millisecond, in which a server on a LAN answers,
/// and to 250 s, which a part of 64 MiB takes at 0.3 MB/s.
const BOUNDS: [Duration; 17] = [
    Duration::from_micros(1_000),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(25),
    Duration::from_secs(50),
    Duration::from_secs(100),
    Duration::from_secs(250),
];

/// One more for what took longer.
const BUCKETS: usize = BOUNDS.len() + 1;

/// Counts that all threads add to.
#[derive(Debug, Default)]
pub struct Durations {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

/// The same at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurationCounts {
    counts: [u64; BUCKETS],
    sum_ns: u64,
}

impl Durations {
    /// Counts one.
    pub fn add(&self, took: Duration) {
        self.counts[bucket(took)].fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(nanoseconds(took), Relaxed);
    }

    /// As of now.
    pub fn so_far(&self) -> DurationCounts {
        DurationCounts {
            counts: array::from_fn(|bucket| self.counts[bucket].load(Relaxed)),
            sum_ns: self.sum_ns.load(Relaxed),
        }
    }
}

impl DurationCounts {
    /// Counts one.
    pub fn add(&mut self, took: Duration) {
        self.counts[bucket(took)] += 1;
        self.sum_ns += nanoseconds(took);
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        self.sum_ns += other.sum_ns;
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long they took together, in seconds.
    pub fn sum_s(&self) -> f64 {
        Duration::from_nanos(self.sum_ns).as_secs_f64()
    }

    /// The upper bound of each bucket in seconds, infinite for the last, and how many are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        bounds.zip(self.counts)
    }
}

fn bucket(took: Duration) -> usize {
    BOUNDS.partition_point(|bound| *bound < took)
}

/// 584 years fit.
fn nanoseconds(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_duration_is_in_the_first_bucket_that_holds_it(
            times in prop::collection::vec(0_u64..400_000_000_000, 0..50),
        ) {
            let (durations, mut counts) = (Durations::default(), DurationCounts::default());
            for time in &times {
                durations.add(Duration::from_nanos(*time));
                counts.add(Duration::from_nanos(*time));
            }
            prop_assert_eq!(durations.so_far(), counts);
            prop_assert_eq!(counts.count(), times.len() as u64);
            let mut below = 0;
            for (bound, count) in counts.buckets() {
                below += count;
                let is_below = |time: &&u64| **time as f64 <= bound * 1e9;
                prop_assert_eq!(below, times.iter().filter(is_below).count() as u64);
            }
            let sum_s = times.iter().sum::<u64>() as f64 / 1e9;
            prop_assert!((counts.sum_s() - sum_s).abs() < 1e-6);
        }
    }
}
