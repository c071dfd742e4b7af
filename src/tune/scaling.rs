//! How goodput scales with streams: the knee in words and numbers, for reports.

use super::search::Search;
use crate::result::{Scaling, Settings};
use crate::stats::{Observed, Usl};

/// The universal scalability law through all trials that differ from the recommended settings only in
/// concurrency. `None` with too few of them. The peak lies in the range that was tried only if the
/// interval of `beta` excludes zero.
pub fn scaling(search: &Search, recommended: Settings) -> Option<Scaling> {
    let is_like_it = |settings: Settings| {
        let of = |settings: Settings| (settings.part_size_bytes, settings.parts_in_flight);
        of(settings) == of(recommended)
    };
    let mut observed = Vec::new();
    let mut add = |block: u32, settings: Settings, rate: f64| {
        let streams = f64::from(settings.streams());
        if is_like_it(settings) && rate > 0.0 {
            observed.push(Observed { block, streams, rate });
        }
    };
    for (settings, outcome) in search.found_the_way() {
        add(0, *settings, outcome.goodput);
    }
    for blocks in [search.raced(), search.confirmed()] {
        for settings in blocks.settings() {
            for (block, outcome) in blocks.outcomes(settings) {
                add(block, settings, outcome.goodput);
            }
        }
    }
    let law = Usl::fit(&observed)?;
    let intervals = Usl::intervals(&observed, search.config().seed);
    let finite = |value: f64| value.is_finite().then_some(value);
    Some(Scaling {
        model: "usl".into(),
        gamma_bytes_per_second: law.gamma,
        alpha: law.alpha,
        alpha_interval_95: intervals.map(|of| of.alpha),
        beta: law.beta,
        beta_interval_95: intervals.map(|of| of.beta),
        peak_streams: intervals.filter(|of| of.beta[0] > 0.0).and_then(|_| finite(law.peak())),
        peak_streams_interval_95: intervals
            .filter(|of| of.beta[0] > 0.0)
            .map(|of| of.peak)
            .filter(|ends| ends.iter().all(|end| end.is_finite())),
        trials: observed.len() as u32,
    })
}
