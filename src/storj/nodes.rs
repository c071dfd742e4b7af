//! Storage nodes: how many pieces a segment has, and how long the slowest of those takes that count.
//!
//! **Piece time.** What a node takes beyond the bytes themselves, from the request for its piece to the
//! piece's first byte (down) or its receipt (up), is log-normal with the median `latency` and the
//! standard deviation `spread` of its logarithm. ASSUMPTION, the shape as well as the numbers: Storj
//! publishes neither. The nodes of a segment are independent.
//!
//! **Order statistics.** The o-th smallest of n independent times T with the quantile function Q has the
//! distribution of Q(B), where B has a Beta(o, n - o + 1) distribution (H. A. David, H. N. Nagaraja,
//! "Order Statistics", 2003, section 2.1). A draw is therefore one look into a table of Q(B's quantiles)
//! instead of n draws and a sort.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use statrs::distribution::{Beta, ContinuousCDF, Normal};

use crate::result::Direction;

/// Pieces of one part that are uploaded at once, and segments (`storj/uplink` testuplink/uplink.go,
/// the defaults of the gateway).
const PIECES_IN_FLIGHT: u32 = 300;
const SEGMENTS_IN_FLIGHT: u32 = 10;

/// How segments are spread over nodes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Nodes {
    /// k: pieces that give a segment back.
    pub required: u32,
    /// o: pieces with which an upload of it is done.
    pub optimal: u32,
    /// n: pieces that are begun.
    pub total: u32,
    /// Median of a piece's time.
    pub latency: Duration,
    /// Standard deviation of the natural logarithm of a piece's time.
    pub spread: f64,
}

/// As it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    required: u32,
    optimal: u32,
    total: u32,
    #[serde(deserialize_with = "super::number::duration")]
    latency: Duration,
    spread: f64,
}

impl TryFrom<Unchecked> for Nodes {
    type Error = &'static str;

    fn try_from(nodes: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { required, optimal, total, latency, spread } = nodes;
        if !(1 <= required && required <= optimal && optimal <= total) {
            return Err("nodes: 1 <= required <= optimal <= total must hold");
        }
        if !(0.0..=5.0).contains(&spread) {
            return Err("nodes: the spread is between 0 and 5");
        }
        Ok(Self { required, optimal, total, latency, spread })
    }
}

impl Nodes {
    /// Bytes of pieces for each byte of payload.
    pub fn expansion(&self) -> f64 {
        f64::from(self.optimal) / f64::from(self.required)
    }

    /// Nodes that a download asks (`storj/storj` satellite/orders/service.go, `DownloadNodes`).
    pub fn asked_down(&self) -> u32 {
        let spare = (self.total - self.optimal) * self.required / self.optimal;
        self.required + spare.max(1)
    }

    /// Segments of one part that may be on their way to nodes at once.
    pub fn segments_in_flight(&self) -> u32 {
        (PIECES_IN_FLIGHT / self.total).clamp(1, SEGMENTS_IN_FLIGHT)
    }

    /// What the nodes make a segment wait, in the mean.
    pub fn mean_wait(&self, direction: Direction) -> Duration {
        self.wait(direction).mean()
    }

    /// What the nodes make a segment wait.
    pub(super) fn wait(&self, direction: Direction) -> OrderStatistic {
        match direction {
            Direction::Up => OrderStatistic::new(self, self.optimal, self.total),
            Direction::Down => OrderStatistic::new(self, self.required, self.asked_down()),
        }
    }
}

/// Steps of the table; between them the quantile function is taken as straight.
const STEPS: usize = 1024;

/// The distribution of the o-th smallest of n piece times, to draw from.
#[derive(Debug)]
pub(super) struct OrderStatistic {
    /// At the middle of each step.
    quantiles_s: Vec<f64>,
}

/// By o and n.
type Known = BTreeMap<(u32, u32), Arc<[f64]>>;

/// Quantiles of the o-th smallest of n standard normal values, at the middle of each step. They take a millisecond or
/// so, and a fit asks for the same ones thousands of times.
fn deviates(o: u32, n: u32) -> Arc<[f64]> {
    static KNOWN: Mutex<Known> = Mutex::new(Known::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let made = known.entry((o, n)).or_insert_with(|| {
        let beta = Beta::new(f64::from(o), f64::from(n - o + 1)).expect("both shapes are positive");
        let normal = Normal::standard();
        let quantile = |step: usize| {
            let probability = (step as f64 + 0.5) / STEPS as f64;
            normal.inverse_cdf(beta.inverse_cdf(probability))
        };
        (0..STEPS).map(quantile).collect()
    });
    Arc::clone(made)
}

impl OrderStatistic {
    fn new(nodes: &Nodes, o: u32, n: u32) -> Self {
        let median_s = nodes.latency.as_secs_f64();
        if median_s == 0.0 || nodes.spread == 0.0 {
            return Self { quantiles_s: vec![median_s] };
        }
        let deviates = deviates(o, n);
        let quantile = |deviate: &f64| median_s * (nodes.spread * deviate).exp();
        Self { quantiles_s: deviates.iter().map(quantile).collect() }
    }

    /// Its mean.
    fn mean(&self) -> Duration {
        let sum_s: f64 = self.quantiles_s.iter().sum();
        Duration::from_secs_f64(sum_s / self.quantiles_s.len() as f64)
    }

    /// The time of probability `uniform`, which is in 0..1.
    pub(super) fn at(&self, uniform: f64) -> Duration {
        let last = self.quantiles_s.len() - 1;
        let place = (uniform * STEPS as f64 - 0.5).clamp(0.0, last as f64);
        let (low, within) = (place as usize, place.fract());
        let high = (low + 1).min(last);
        let (low_s, high_s) = (self.quantiles_s[low], self.quantiles_s[high]);
        Duration::from_secs_f64(low_s + (high_s - low_s) * within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats;

    fn nodes(required: u32, optimal: u32, total: u32) -> Nodes {
        let latency = Duration::from_millis(100);
        Nodes { required, optimal, total, latency, spread: 0.6 }
    }

    #[test]
    fn a_download_asks_as_many_nodes_as_the_satellite_names() {
        assert_eq!(nodes(29, 80, 110).asked_down(), 39);
        assert_eq!(nodes(16, 30, 38).asked_down(), 20);
        assert_eq!(nodes(4, 8, 10).asked_down(), 5);
        assert_eq!(nodes(4, 10, 10).asked_down(), 5, "one to spare at least");
    }

    #[test]
    fn segments_in_flight_are_bounded_by_pieces_and_by_segments() {
        assert_eq!(nodes(29, 80, 110).segments_in_flight(), 2);
        assert_eq!(nodes(16, 30, 38).segments_in_flight(), 7);
        assert_eq!(nodes(4, 8, 10).segments_in_flight(), 10);
        assert_eq!(nodes(29, 80, 400).segments_in_flight(), 1);
    }

    fn piece_s(nodes: &Nodes, random: &mut fastrand::Rng) -> f64 {
        nodes.latency.as_secs_f64() * (nodes.spread * stats::normal(random)).exp()
    }

    fn mean_and_sd(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (mean, (squares / values.len() as f64).sqrt())
    }

    #[test]
    fn draws_from_the_table_are_like_sorting_n_pieces() {
        let mut random = fastrand::Rng::with_seed(1);
        for (nodes, o, n) in [
            (nodes(29, 80, 110), 80, 110),
            (nodes(29, 80, 110), 29, 39),
            (nodes(4, 8, 10), 4, 5),
            (nodes(4, 8, 10), 8, 10),
        ] {
            let sorted: Vec<f64> = (0..20_000)
                .map(|_| {
                    let mut times: Vec<f64> =
                        (0..n).map(|_| piece_s(&nodes, &mut random)).collect();
                    times.sort_by(f64::total_cmp);
                    times[o - 1]
                })
                .collect();
            let table = OrderStatistic::new(&nodes, o as u32, n as u32);
            let drawn: Vec<f64> =
                (0..20_000).map(|_| table.at(random.f64()).as_secs_f64()).collect();
            let ((mean, sd), (drawn_mean, drawn_sd)) = (mean_and_sd(&sorted), mean_and_sd(&drawn));
            assert!((drawn_mean / mean - 1.0).abs() < 0.01, "{o} of {n}: {drawn_mean} for {mean}");
            assert!((drawn_sd / sd - 1.0).abs() < 0.03, "{o} of {n}: {drawn_sd} for {sd}");
        }
    }

    #[test]
    fn without_a_spread_every_piece_takes_the_median() {
        let even = Nodes { spread: 0.0, ..nodes(4, 8, 10) };
        for uniform in [0.0, 0.5, 0.999] {
            assert_eq!(even.wait(Direction::Up).at(uniform), Duration::from_millis(100));
        }
    }
}
