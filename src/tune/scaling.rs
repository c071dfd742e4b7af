//! How goodput scales with streams: the knee in words and numbers, for reports.

use super::ground::Ground;
use super::search::Search;
use crate::result::{Scaling, Settings};
use crate::stats::{Hinge, Observed, Usl, left_out_error};

/// The universal scalability law through all trials that differ from the recommended settings only in
/// concurrency. `None` with too few of them, or where it predicts blocks that were left out no better than
/// "linear, then flat" does. A peak is told only where the fall beyond it was measured.
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
    let law = Usl::fit(&observed).filter(|_| predicts_better(&observed))?;
    let intervals = Usl::intervals(&observed, search.config().rules.seed);
    let finite = |value: f64| value.is_finite().then_some(value);
    let peaks =
        intervals.filter(|of| of.beta[0] > 0.0 && falls_beyond(search, law.peak(), is_like_it));
    Some(Scaling {
        model: "usl".into(),
        gamma_bytes_per_second: law.gamma,
        alpha: law.alpha,
        alpha_interval_95: intervals.map(|of| of.alpha),
        beta: law.beta,
        beta_interval_95: intervals.map(|of| of.beta),
        peak_streams: peaks.and_then(|_| finite(law.peak())),
        peak_streams_interval_95: peaks
            .map(|of| of.peak)
            .filter(|ends| ends.iter().all(|end| end.is_finite())),
        trials: observed.len() as u32,
    })
}

/// Whether the law predicts left-out blocks better than the plainest one.
fn predicts_better(observed: &[Observed]) -> bool {
    let law = left_out_error(observed, |rest| Usl::fit(rest).map(|law| move |n| law.at(n).ln()));
    let plain =
        left_out_error(observed, |rest| Hinge::fit(rest).map(|hinge| move |n| hinge.shape(n)));
    law.zip(plain).is_some_and(|(law, plain)| law < plain)
}

/// Whether settings with more streams than the peak's are shown to carry less than others with fewer.
fn falls_beyond(search: &Search, peak: f64, is_like_it: impl Fn(Settings) -> bool) -> bool {
    let ground = Ground::of_seen(search.seen());
    let all = || ground.raced().and(ground.confirmed());
    let tried: Vec<Settings> = all().settings().filter(|one| is_like_it(*one)).collect();
    let is_beyond = |one: &&Settings| f64::from(one.streams()) > peak;
    let is_shown_less = |more: &Settings| {
        let mut fewer = tried.iter().filter(|one| one.streams() < more.streams());
        fewer.any(|fewer| {
            let compared = ground.compare(*more, *fewer).and_then(|found| found.interval_95);
            compared.is_some_and(|[_, high]| high < 1.0)
        })
    };
    tried.iter().filter(is_beyond).any(is_shown_less)
}
