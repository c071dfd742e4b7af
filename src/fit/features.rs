//! What a trial showed, as numbers that a simulation of the same trial shows as well.

use crate::result::{OperationSummary, Trial};

/// One number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Bytes per second, of a whole task over all of its time.
    Rate,
    /// Mean seconds of a request without payload.
    CallTime,
    /// Mean seconds of an UploadPart.
    PartTime,
    /// Mean seconds of a PutObject.
    PutTime,
    /// Mean seconds of a GetObject.
    GetTime,
    /// Mean seconds of a GetObject to its first byte.
    FirstByte,
    /// The 90th percentile of the times of requests with payload over their median.
    Unevenness,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Rate,
        Self::CallTime,
        Self::PartTime,
        Self::PutTime,
        Self::GetTime,
        Self::FirstByte,
        Self::Unevenness,
    ];

    /// ASSUMPTION: no simulation is nearer to a link than that.
    pub(super) fn sd_min(self) -> f64 {
        match self {
            Self::Unevenness => 4e-3,
            _ => 2e-3,
        }
    }
}

/// Fewer requests than this say nothing about how uneven they are.
const REQUESTS_MIN: u64 = 10;

/// Requests of a modelled link may be even to the resolution of a histogram.
const EVEN: f64 = 2e-3;

/// Nine of ten normal deviates are below this.
const NORMAL_90: f64 = 1.2816;

/// A percentile of m like times is as sure as that of a normal distribution: the standard deviation of the logarithm of
/// the 90th over the median is about this many times that of one time, over the root of m (A. Stuart, J. Ord,
/// "Kendall's Advanced Theory of Statistics" I, 1994, section 10.10).
const QUANTILE_SD: f64 = 1.7;

/// The logarithms of the numbers, in the order of [`Feature::ALL`], and how sure one trial is of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features([Option<Number>; Feature::ALL.len()]);

/// The logarithm of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    pub ln: f64,
    /// Standard deviation that the requests within the trial leave; 0 where they tell none.
    pub sd: f64,
}

impl Features {
    /// Of a trial; a number that it does not tell is absent.
    pub fn of(trial: &Trial) -> Self {
        let operation = |name: &str| trial.requests.get(name).filter(|one| samples(one) > 0);
        let of = |feature| match feature {
            Feature::Rate => rate(trial),
            Feature::CallTime => mean_of(["create", "complete"].into_iter().filter_map(operation)),
            Feature::PartTime => mean_of(operation("part").into_iter()),
            Feature::PutTime => mean_of(operation("put").into_iter()),
            Feature::GetTime => mean_of(operation("get").into_iter()),
            Feature::FirstByte => operation("get").and_then(|get| {
                number(get.ttfb_us.mean / 1e6, spread(get) / (samples(get) as f64).sqrt())
            }),
            Feature::Unevenness => {
                let data = ["part", "put", "get"].into_iter();
                let data = data.filter_map(operation);
                unevenness(data.max_by_key(|one| samples(one)))
            }
        };
        Self(Feature::ALL.map(of))
    }

    /// The logarithm of one.
    pub fn ln(&self, feature: Feature) -> Option<f64> {
        self.number(feature).map(|number| number.ln)
    }

    pub(super) fn number(&self, feature: Feature) -> Option<Number> {
        self.0[feature as usize]
    }

    /// Of trials of the same: the mean of those that tell it, and the standard deviation of that mean as far as the
    /// trials themselves and their requests tell it.
    pub fn mean(trials: &[Self]) -> Self {
        let of = |feature| {
            let numbers: Vec<Number> =
                trials.iter().filter_map(|trial| trial.number(feature)).collect();
            let count = numbers.len() as f64;
            let ln = numbers.iter().map(|one| one.ln).sum::<f64>() / count;
            let within = numbers.iter().map(|one| one.sd.powi(2)).sum::<f64>() / count.powi(2);
            (!numbers.is_empty()).then_some(Number { ln, sd: within.sqrt() })
        };
        Self(Feature::ALL.map(of))
    }
}

fn number(value: f64, sd: f64) -> Option<Number> {
    (value.is_finite() && value > 0.0).then(|| Number { ln: value.ln(), sd })
}

fn rate(trial: &Trial) -> Option<Number> {
    let bytes_per_second = match &trial.task {
        Some(task) => task.bytes_done as f64 / task.duration_s,
        None => trial.goodput_bytes_per_second,
    };
    number(bytes_per_second, 0.0)
}

fn samples(operation: &OperationSummary) -> u64 {
    operation.service_time_us.samples
}

/// Standard deviation of the logarithm of a request's time.
fn spread(operation: &OperationSummary) -> f64 {
    let times = &operation.service_time_us;
    (times.p90.max(1) as f64 / times.p50.max(1) as f64).ln() / NORMAL_90
}

fn mean_of<'a>(operations: impl Iterator<Item = &'a OperationSummary>) -> Option<Number> {
    let (mut count, mut sum_us, mut squares) = (0.0, 0.0, 0.0);
    for operation in operations {
        let samples = samples(operation) as f64;
        count += samples;
        sum_us += samples * operation.service_time_us.mean;
        squares += samples * spread(operation).powi(2);
    }
    number(sum_us / count / 1e6, squares.sqrt() / count)
}

fn unevenness(data: Option<&OperationSummary>) -> Option<Number> {
    let data = data.filter(|data| samples(data) >= REQUESTS_MIN)?;
    let sd = QUANTILE_SD * spread(data).max(EVEN) / (samples(data) as f64).sqrt();
    Some(Number { ln: NORMAL_90 * spread(data), sd })
}

#[cfg(test)]
impl Features {
    /// These numbers, as sure as can be.
    pub(super) fn told(numbers: &[(Feature, f64)]) -> Self {
        let of = |feature| {
            let value = numbers.iter().find(|(one, _)| *one == feature)?.1;
            Some(Number { ln: value.ln(), sd: 0.0 })
        };
        Self(Feature::ALL.map(of))
    }
}
