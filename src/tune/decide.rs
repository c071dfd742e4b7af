//! Which settings to recommend, and how sure that is.
//!
//! "Within 5 % of the best is shown" must hold against *every* other candidate, not only against the
//! one that happened to come out first: the best of many noisy means looks better than it is. As all
//! comparisons must succeed, none needs a correction for their number (intersection-union test,
//! R. L. Berger, Technometrics 24, 1982, 295-300).

use std::collections::BTreeMap;

use super::search::{Blocks, Outcome, Search};
use crate::result::{
    Commands, Comparison, Direction, LimitedBy, Recommendation, Settings, Verdict,
};
use crate::stats::{LogMean, log_mean, smallest_difference};
use crate::units::ByteSize;

/// What may be lost against the best for the sake of cheaper settings.
pub const MARGIN: f64 = 0.05;

/// The recommendation of a search; `None` when no candidate has a goodput in two blocks.
pub fn recommend(search: &Search, direction: Direction) -> Option<Recommendation> {
    let blocks = search.blocks();
    let leader = leader(&blocks)?;
    let chosen = cheapest_within_margin(&blocks, leader);
    let goodputs: Vec<f64> = blocks[&chosen].values().map(|outcome| outcome.goodput).collect();
    let mean = log_mean(&goodputs)?;
    let interval_95 = mean.interval_95?;

    let others = blocks.keys().filter(|settings| **settings != chosen);
    let compared_with: Vec<Comparison> =
        others.filter_map(|other| compare(&blocks, chosen, *other)).collect();
    let against = |settings: Settings| {
        compared_with.iter().find(|comparison| comparison.settings == settings).copied()
    };
    let lower_bound = |comparison: Comparison| comparison.interval_95.map(|[low, _]| low);

    let within_margin_shown = is_within_margin(&blocks, chosen);
    let current = search.config().current;
    let better_than_default_shown =
        against(current).and_then(lower_bound).is_some_and(|low| low > 1.0);
    // What is set now need not be better than itself.
    let shown = within_margin_shown && (better_than_default_shown || chosen == current);
    let verdict = verdict(&blocks, chosen, shown);
    let sd = paired_sd(&blocks, chosen);
    let smallest_difference_seen =
        sd.and_then(|sd| smallest_difference(sd, goodputs.len())).map(|log| log.exp() - 1.0);

    let (against_current, left_out) = (against(current), search.left_out());
    let basis = Basis { chosen, leader, current, against_current, left_out };
    Some(Recommendation {
        settings: chosen,
        direction,
        goodput_bytes_per_second: mean.mean,
        interval_95,
        verdict,
        within_margin_shown,
        better_than_default_shown,
        smallest_difference_seen,
        why: basis.why(verdict, goodputs.len(), smallest_difference_seen),
        compared_with,
        commands: Commands::default(),
    })
}

/// The settings with the highest geometric mean.
fn leader(blocks: &Blocks) -> Option<Settings> {
    let mean = |outcomes: &BTreeMap<u32, Outcome>| {
        let goodputs: Vec<f64> = outcomes.values().map(|outcome| outcome.goodput).collect();
        log_mean(&goodputs).map(|mean| mean.mean)
    };
    let means = blocks.iter().filter_map(|(settings, outcomes)| Some((*settings, mean(outcomes)?)));
    means.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(settings, _)| settings)
}

/// Fewest streams, then the smallest parts (the least memory), of those shown to be close enough.
fn cheapest_within_margin(blocks: &Blocks, leader: Settings) -> Settings {
    let close = blocks.keys().filter(|settings| is_within_margin(blocks, **settings));
    close.min_by_key(|settings| cost(**settings)).copied().unwrap_or(leader)
}

fn cost(settings: Settings) -> (u32, u64) {
    (settings.streams(), settings.part_size_bytes)
}

/// Whether it is shown that no other candidate is better by more than the margin.
fn is_within_margin(blocks: &Blocks, settings: Settings) -> bool {
    let mut others = blocks.keys().filter(|other| **other != settings);
    others.all(|other| {
        compare(blocks, settings, *other)
            .and_then(|comparison| comparison.interval_95)
            .is_some_and(|[low, _]| low >= 1.0 - MARGIN)
    })
}

/// Paired over common blocks.
fn paired(blocks: &Blocks, one: Settings, other: Settings) -> Option<LogMean> {
    let (one, other) = (blocks.get(&one)?, blocks.get(&other)?);
    let ratio =
        |(block, outcome): (&u32, &Outcome)| Some(outcome.goodput / other.get(block)?.goodput);
    log_mean(&one.iter().filter_map(ratio).collect::<Vec<f64>>())
}

fn compare(blocks: &Blocks, one: Settings, other: Settings) -> Option<Comparison> {
    let ratio = paired(blocks, one, other)?;
    Some(Comparison { settings: other, ratio: ratio.mean, interval_95: ratio.interval_95 })
}

/// The median standard deviation of the chosen settings' paired log-ratios.
fn paired_sd(blocks: &Blocks, chosen: Settings) -> Option<f64> {
    let others = blocks.keys().filter(|settings| **settings != chosen);
    let mut sds: Vec<f64> = others.filter_map(|other| paired(blocks, chosen, *other)?.sd).collect();
    sds.sort_unstable_by(f64::total_cmp);
    sds.get(sds.len() / 2).copied()
}

/// A limit of the client, the source or the server's patience is not an optimum of the settings: not
/// on the chosen ones, and not on those with more streams that might otherwise have been better.
fn verdict(blocks: &Blocks, chosen: Settings, shown: bool) -> Verdict {
    let might_be_better = |settings: Settings| {
        settings == chosen
            || settings.streams() > chosen.streams()
                && compare(blocks, settings, chosen).is_some_and(|to| to.ratio >= 1.0 - MARGIN)
    };
    let is_limited = blocks
        .iter()
        .any(|(settings, outcomes)| might_be_better(*settings) && mostly(outcomes, is_limited));
    match shown {
        _ if is_limited => Verdict::Limited,
        _ if mostly(&blocks[&chosen], |outcome| outcome.steady == Some(false)) => {
            Verdict::NotSteady
        }
        true => Verdict::Clear,
        false => Verdict::Indistinguishable,
    }
}

fn is_limited(outcome: &Outcome) -> bool {
    !matches!(outcome.limited_by, LimitedBy::GatewayOrNetwork | LimitedBy::Unknown)
}

/// Whether something holds for more than half of the trials of one settings.
fn mostly(trials: &BTreeMap<u32, Outcome>, holds: impl Fn(&Outcome) -> bool) -> bool {
    2 * trials.values().filter(|outcome| holds(outcome)).count() > trials.len()
}

struct Basis {
    chosen: Settings,
    leader: Settings,
    current: Settings,
    against_current: Option<Comparison>,
    left_out: usize,
}

impl Basis {
    fn why(&self, verdict: Verdict, blocks: usize, smallest: Option<f64>) -> String {
        let chosen = if self.chosen == self.leader {
            "the highest goodput, and nothing cheaper is shown to come within 5 % of it".to_owned()
        } else {
            let leader = describe(self.leader);
            format!(
                "the cheapest settings shown to be within 5 % of the highest goodput ({leader})"
            )
        };
        let current = match self.against_current {
            _ if self.chosen == self.current => "; it is what is set now".to_owned(),
            Some(comparison) => {
                let ratio = comparison.ratio;
                format!("; {ratio:.2} x the current default ({})", describe(self.current))
            }
            None => String::new(),
        };
        let caution = match verdict {
            Verdict::Limited => "; but something other than these settings held the rate down",
            Verdict::Indistinguishable => "; not all of this is shown",
            Verdict::NotSteady => "; but most trials had not become steady: give a longer --window",
            Verdict::Clear => "",
        };
        let shows = smallest.map_or(String::new(), |smallest| {
            format!(" ({blocks} blocks show differences from {:.1} %)", 100.0 * smallest)
        });
        let left_out = match self.left_out {
            0 => String::new(),
            left_out => format!("; the budget left {left_out} candidates near the knee untried"),
        };
        format!("{chosen}{current}{caution}{left_out}{shows}")
    }
}

fn describe(settings: Settings) -> String {
    let part_size = ByteSize(settings.part_size_bytes);
    match settings.parts_in_flight {
        1 => format!("{part_size} x {}", settings.concurrency),
        parts => format!("{part_size} x {} x {parts}", settings.concurrency),
    }
}
