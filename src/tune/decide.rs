//! Which settings to recommend, and how sure that is.
//!
//! "Within 5 % of the best is shown" must hold against *every* other candidate, not only against the
//! one that happened to come out first: the best of many noisy means looks better than it is. As all
//! comparisons must succeed, none needs a correction for their number (intersection-union test,
//! R. L. Berger, Technometrics 24, 1982, 295-300). Settings that were confirmed are compared on the
//! confirmation's blocks alone, which had no part in choosing them; those that only took part in the
//! race by bounds that hold for all of its comparisons together.

use super::blocks::Blocks;
use super::ground::Ground;
use super::search::{Outcome, Search};
use super::why::Basis;
use crate::result::{
    Commands, Comparison, Direction, LimitedBy, Phase, Recommendation, Settings, Verdict,
};
use crate::stats::{log_mean, smallest_difference};

/// What may be lost against the best for the sake of cheaper settings.
pub const MARGIN: f64 = 0.05;

/// The recommendation of a search; `None` when no candidate has a goodput in two blocks.
pub fn recommend(search: &Search, direction: Direction) -> Option<Recommendation> {
    Evidence::of(search).recommend(direction)
}

/// Fewest streams, then the smallest parts: the least memory.
pub(super) fn cost(settings: Settings) -> (u32, u64) {
    (settings.streams(), settings.part_size_bytes)
}

/// What the trials say.
struct Evidence<'a> {
    search: &'a Search,
    ground: Ground,
    /// Race and confirmation.
    all: Blocks,
    /// Who may be chosen: confirmed, or raced if there was no confirmation.
    eligible: Vec<Settings>,
}

impl<'a> Evidence<'a> {
    fn of(search: &'a Search) -> Self {
        let ground = Ground::of_search(search);
        let all = ground.raced().and(ground.confirmed());
        let mut eligible: Vec<Settings> = ground.confirmed().settings().collect();
        if eligible.is_empty() {
            eligible = all.settings().collect();
        }
        Self { search, ground, all, eligible }
    }

    fn recommend(&self, direction: Direction) -> Option<Recommendation> {
        let leader = self.leader()?;
        let cheapest_shown = self.cheapest_shown();
        let chosen = cheapest_shown.unwrap_or_else(|| self.cheapest_taken(leader));
        let mean = self.ground.goodput(chosen)?;
        let interval_95 = mean.interval_95?;
        let blocks = match self.ground.confirmed().goodputs(chosen).len() {
            0 | 1 => self.all.goodputs(chosen).len(),
            confirmed => confirmed,
        };

        let others = self.all.settings().filter(|settings| *settings != chosen);
        let compared_with: Vec<Comparison> =
            others.filter_map(|other| self.ground.compare(chosen, other)).collect();
        let current = self.search.config().current;
        let against = |settings: Settings| {
            compared_with.iter().find(|comparison| comparison.settings == settings).copied()
        };
        let within_margin_shown = self.is_within_margin(chosen, self.all.settings());
        let better_than_default_shown =
            against(current).and_then(lower_bound).is_some_and(|low| low > 1.0);
        let same_settings_twice = self.same_settings_twice();
        // What is set now need not be better than itself; but something must be shown to be worse.
        let better_shown = match chosen == current {
            true => compared_with.iter().any(|one| lower_bound(*one).is_some_and(|low| low > 1.0)),
            false => better_than_default_shown,
        };
        let shown = within_margin_shown && better_shown && !differ(same_settings_twice);
        let (verdict, limited_by) = self.verdict(chosen, shown);
        let smallest_difference_seen = self.smallest_difference_seen(chosen, blocks);
        let leader = self.highest(chosen).unwrap_or(leader);
        let basis = Basis {
            objective: self.search.config().objective,
            chosen,
            leader,
            current,
            verdict,
            limited_by,
            within_margin_shown,
            shown_of_confirmed: cheapest_shown.is_some(),
            against_current: against(current),
            same_settings_twice,
            throttled_from: self.limited(LimitedBy::Throttled).min(),
            streams_tried: self.tried().map(|(settings, _)| settings.streams()).max().unwrap_or(0),
            left_out: self.search.candidates().left_out,
            excluded: &self.search.candidates().excluded,
            blocks,
            smallest: smallest_difference_seen,
        };
        Some(Recommendation {
            settings: chosen,
            direction,
            goodput_bytes_per_second: mean.mean,
            interval_95,
            verdict,
            within_margin_shown,
            better_than_default_shown,
            smallest_difference_seen,
            why: basis.to_string(),
            compared_with,
            commands: Commands::default(),
            limited_by,
            same_settings_twice,
            effective_speed_bytes_per_second: None,
            effective_speed_interval_95: None,
            scaling: None,
        })
    }

    /// The settings with the highest mean of all blocks.
    fn leader(&self) -> Option<Settings> {
        self.all.best(&self.eligible)
    }

    /// The settings near which the chosen ones came, also if they were only raced: a small budget confirms
    /// few.
    fn highest(&self, chosen: Settings) -> Option<Settings> {
        let highest = self.all.best(&self.all.settings().collect::<Vec<_>>())?;
        let near = self.all.ratio(chosen, highest).is_some_and(|to| to.mean >= 1.0 - MARGIN);
        near.then_some(highest)
    }

    /// The cheapest of which it is shown that no other eligible one is better by more than the margin.
    fn cheapest_shown(&self) -> Option<Settings> {
        let eligible = || self.eligible.iter().copied();
        let shown = eligible().filter(|settings| self.is_within_margin(*settings, eligible()));
        shown.min_by_key(|settings| cost(*settings))
    }

    /// Where nothing is shown: the cheapest that came about as far as the leader, over all blocks.
    fn cheapest_taken(&self, leader: Settings) -> Settings {
        let near = |settings: &Settings| {
            let ratio = self.all.ratio(*settings, leader);
            ratio.is_some_and(|ratio| ratio.mean >= 1.0 - MARGIN)
        };
        let taken = self.eligible.iter().copied().filter(near);
        taken.min_by_key(|settings| cost(*settings)).unwrap_or(leader)
    }

    /// Whether it is shown of all others that they are not better by more than the margin.
    fn is_within_margin(&self, settings: Settings, others: impl Iterator<Item = Settings>) -> bool {
        let mut others = others.filter(|other| *other != settings);
        others.all(|other| {
            let compared = self.ground.compare(settings, other);
            compared.is_some_and(|compared| is_shown_within_margin(&compared))
        })
    }

    /// The likely choice against its duplicate.
    fn same_settings_twice(&self) -> Option<Comparison> {
        let settings = self.search.duplicate().settings().next()?;
        let both = self.search.confirmed().outcomes(settings).filter_map(|(block, outcome)| {
            let mut duplicate = self.search.duplicate().outcomes(settings);
            let (_, other) = duplicate.find(|(of, _)| *of == block)?;
            Some(outcome.goodput / other.goodput)
        });
        let ratio = log_mean(&both.collect::<Vec<f64>>())?;
        let (interval_95, phase) = (ratio.interval_95, Some(Phase::Duplicate));
        Some(Comparison { settings, ratio: ratio.mean, interval_95, phase })
    }

    /// From the median standard deviation of the chosen settings' paired log-ratios; of few blocks from the
    /// noise of all.
    fn smallest_difference_seen(&self, chosen: Settings, blocks: usize) -> Option<f64> {
        if let Some(noise) = self.ground.common_noise(blocks) {
            return Some(noise.smallest_difference(blocks).exp_m1());
        }
        let others = self.eligible.iter().filter(|settings| **settings != chosen);
        let sd = |other: &Settings| {
            let fresh = self.ground.confirmed().ratio(chosen, *other).and_then(|ratio| ratio.sd);
            fresh.or_else(|| self.all.ratio(chosen, *other)?.sd)
        };
        let mut sds: Vec<f64> = others.filter_map(sd).collect();
        sds.sort_unstable_by(f64::total_cmp);
        let sd = *sds.get(sds.len() / 2)?;
        smallest_difference(sd, blocks).map(f64::exp_m1)
    }

    /// A limit of the client, the source, the server's patience or a cap is not an optimum of the settings: not
    /// on the chosen ones, and not on those with more streams that might otherwise have been better.
    fn verdict(&self, chosen: Settings, shown: bool) -> (Verdict, Option<LimitedBy>) {
        let might_be_better = |settings: &Settings| {
            *settings == chosen
                || settings.streams() > chosen.streams()
                    && self.all.ratio(*settings, chosen).is_some_and(|to| to.mean >= 1.0 - MARGIN)
        };
        let limit = self.all.settings().filter(might_be_better).find_map(|one| self.limit(one));
        let unsteady = |outcome: &Outcome| outcome.steady == Some(false);
        let verdict = match shown {
            _ if limit.is_some() => Verdict::Limited,
            _ if self.mostly(chosen, unsteady) => Verdict::NotSteady,
            true => Verdict::Clear,
            false => Verdict::Indistinguishable,
        };
        (verdict, limit)
    }

    /// What held most trials of these settings down, if it was not the gateway or the network.
    fn limit(&self, settings: Settings) -> Option<LimitedBy> {
        let limits = self.all.outcomes(settings).map(|(_, outcome)| outcome.limited_by);
        let mut limits = limits.filter(|limit| is_limit(*limit));
        let first = limits.next()?;
        self.mostly(settings, |outcome| is_limit(outcome.limited_by)).then_some(first)
    }

    /// Whether something holds for more than half of the trials of one settings.
    fn mostly(&self, settings: Settings, holds: impl Fn(&Outcome) -> bool) -> bool {
        let outcomes = || self.all.outcomes(settings).map(|(_, outcome)| outcome);
        2 * outcomes().filter(|outcome| holds(outcome)).count() > outcomes().count()
    }

    /// Streams of the trials that met this limit.
    fn limited(&self, by: LimitedBy) -> impl Iterator<Item = u32> {
        let met = self.tried().filter(move |(_, outcome)| outcome.limited_by == by);
        met.map(|(settings, _)| settings.streams())
    }

    fn tried(&self) -> impl Iterator<Item = (Settings, Outcome)> {
        let blocks = self.all.settings().flat_map(|settings| {
            self.all.outcomes(settings).map(move |(_, outcome)| (settings, *outcome))
        });
        blocks.chain(self.search.found_the_way().iter().copied())
    }
}

/// Whether the lower bound says that no more than the margin is lost.
pub(super) fn is_shown_within_margin(comparison: &Comparison) -> bool {
    lower_bound(*comparison).is_some_and(|low| low >= 1.0 - MARGIN)
}

fn lower_bound(comparison: Comparison) -> Option<f64> {
    comparison.interval_95.map(|[low, _]| low)
}

/// Whether the same settings measured twice were told apart.
pub(super) fn differ(same_settings_twice: Option<Comparison>) -> bool {
    let interval = same_settings_twice.and_then(|comparison| comparison.interval_95);
    interval.is_some_and(|[low, high]| low > 1.0 || high < 1.0)
}

fn is_limit(limited_by: LimitedBy) -> bool {
    !matches!(limited_by, LimitedBy::GatewayOrNetwork | LimitedBy::Unknown)
}
