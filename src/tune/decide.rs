//! Which settings to recommend, and how sure that is.
//!
//! "Within 5 % of the best is shown" must hold against *every* other candidate, not only against the
//! one that happened to come out first: the best of many noisy means looks better than it is. As all
//! comparisons must succeed, none needs a correction for their number (intersection-union test,
//! R. L. Berger, Technometrics 24, 1982, 295-300). Settings that were confirmed are compared on the
//! confirmation's blocks alone, which had no part in choosing them; those that only took part in the
//! race by bounds that hold for all of its comparisons together.
//!
//! Blocks choose, and the soak holds the choice to it: what is told is what was carried then. Settings that once
//! moved nothing, or of whose attempts more were refused than is allowed, are out: they are nobody's rivals.

use super::blocks::Blocks;
use super::candidates;
use super::ground::Ground;
use super::margin::{MARGIN, cost, differ, is_shown_within_margin, lower_bound};
use super::outcome::Outcome;
use super::race;
use super::seen::Seen;
use super::way;
use super::why::{Basis, Range};
use crate::result::{
    Comparison, Direction, LimitedBy, Phase, Recommendation, Settings, Trade, Verdict,
};
use crate::stats::{log_mean, smallest_difference};

/// A soak that carries less than this share of what the trials of its settings promised breaks the promise: by
/// more than drift within a session usually does (ASSUMPTION).
const PROMISE: f64 = 0.95;

/// What short trials may have refused, over what is allowed in a long run: each begins with a rush of its own
/// (ASSUMPTION). The soak is held to what is allowed.
const SHORT_REFUSED: f64 = 2.5;

/// What carries less than this share in short trials is no rival in a long run either, slowed down or not
/// (ASSUMPTION).
const HELD_BACK: f64 = 0.6;

/// A single trial on the way is better than what was chosen if it carried more by this factor (ASSUMPTION: more
/// than drift and noise do).
const BETTER_ON_THE_WAY: f64 = 1.3;

/// What a link may drift from one soak to the next (ASSUMPTION).
const DRIFT_BETWEEN_SOAKS: f64 = 0.2;

/// Two soaks differ by less (ASSUMPTION).
const OUTDONE: f64 = 1.01;

/// The recommendation of a search; `None` when nothing that was held for a soak may be recommended.
pub(super) fn recommend(seen: &Seen, direction: Direction) -> Option<Recommendation> {
    Evidence::of(seen).recommend(direction)
}

/// What to hold for a soak next; `None` when that is decided.
pub(super) fn to_soak(seen: &Seen) -> Option<Settings> {
    Evidence::of(seen).to_soak()
}

/// What the trials say.
struct Evidence<'a> {
    seen: &'a Seen,
    ground: Ground,
    /// Race and confirmation, without those that are out.
    all: Blocks,
    /// What short trials may have refused.
    max_refused: f64,
    /// Who may be chosen: confirmed, or raced if there was no confirmation.
    eligible: Vec<Settings>,
}

impl<'a> Evidence<'a> {
    fn of(seen: &'a Seen) -> Self {
        let ground = Ground::of_seen(seen);
        let max_refused = (SHORT_REFUSED * seen.config.rules.max_refused).min(1.0);
        let is_in = |outcomes: &[Outcome]| {
            let refused = outcomes.iter().map(|outcome| outcome.refused).sum::<f64>();
            outcomes.iter().all(|outcome| outcome.goodput > 0.0)
                && refused <= max_refused * outcomes.len() as f64
        };
        let mut all = ground.raced().and(ground.confirmed());
        all.retain(is_in);
        let mut evidence = Self { seen, ground, all, max_refused, eligible: Vec::new() };
        let is_confirmed = |one: &Settings| evidence.ground.confirms(*one);
        let some: Vec<Settings> = evidence.all.settings().collect();
        let mut eligible: Vec<Settings> = some.iter().copied().filter(is_confirmed).collect();
        if eligible.is_empty() {
            eligible = some;
        }
        eligible.retain(|one| evidence.is_no_step_back(*one));
        evidence.eligible = eligible;
        evidence
    }

    /// Fewer streams than are set now are chosen only if those were measured to be worse.
    fn is_no_step_back(&self, settings: Settings) -> bool {
        let current = self.seen.config.current;
        settings.streams() >= current.streams()
            || self
                .ground
                .compare(settings, current)
                .and_then(lower_bound)
                .is_some_and(|low| low > 1.0)
    }

    /// By the blocks; without any, the knee of the way.
    fn choice(&self) -> Option<Settings> {
        let Some(leader) = self.leader() else { return self.knee() };
        let chosen = self.cheapest_shown().unwrap_or_else(|| self.cheapest_taken(leader));
        let goodput = self.ground.goodput(chosen).map_or(0.0, |goodput| goodput.mean);
        match self.best_on_the_way() {
            // Those that were raced are out: too many streams for what may be refused.
            Some((settings, met)) if met > BETTER_ON_THE_WAY * goodput => Some(settings),
            _ => Some(chosen),
        }
    }

    /// What carried most on the way without too much being refused.
    fn best_on_the_way(&self) -> Option<(Settings, f64)> {
        let way = self.seen.found_the_way.iter();
        let let_in = way.filter(|(_, outcome)| outcome.refused <= self.max_refused);
        let met = let_in.map(|(settings, outcome)| (*settings, outcome.goodput));
        met.max_by(|one, other| one.1.total_cmp(&other.1))
    }

    /// What the way alone leads to, at the part size that carried most there.
    fn knee(&self) -> Option<Settings> {
        let (config, way) = (&self.seen.config, &self.seen.way);
        if way.best() <= 0.0 {
            return None;
        }
        let part_size = *self.seen.part_sizes().first()?;
        let knee = config.with_streams(part_size, way.knee().max(config.current.streams()));
        let is_let_in = knee.streams() <= way.streams_max(u32::MAX);
        Some(if is_let_in { knee } else { config.with_streams(part_size, way.knee()) })
    }

    /// The choice; if it has not held what it promised, the best of the others that may carry more or are
    /// refused less.
    fn to_soak(&self) -> Option<Settings> {
        let soaked = &self.seen.soaked;
        let Some((last, outcome)) = soaked.last() else { return self.choice() };
        let is_refused = self.is_refused(outcome);
        if !is_refused && self.keeps_its_promise(*last, outcome) {
            return self.held_back(*last, outcome);
        }
        let others = self.all.settings().filter(|one| {
            let promises = self.ground.goodput(*one).map_or(0.0, |goodput| goodput.mean);
            let may_be_better = if is_refused {
                (one.streams() < last.streams() || one.part_size_bytes > last.part_size_bytes)
                    && self.waits_little(*one)
            } else {
                promises > outcome.goodput
            };
            may_be_better && soaked.iter().all(|(done, _)| done != one)
        });
        let others: Vec<Settings> = others.collect();
        self.all.best(&others).or_else(|| self.fewer(*last, outcome).filter(|_| is_refused))
    }

    /// Whether few of its trials' attempts were refused, those whose wait outlasted a short trial too: where a soak
    /// was refused, they were no rush of the beginning.
    fn waits_little(&self, settings: Settings) -> bool {
        let outcomes = || self.all.outcomes(settings).map(|(_, outcome)| outcome);
        let waiting = outcomes().map(|outcome| outcome.refused_or_waiting).sum::<f64>();
        waiting <= self.max_refused * outcomes().count() as f64
    }

    /// Where all that were raced are refused too much and nothing else was held: fewer than what was held last and
    /// more than the most below that were let in. As many as would carry what the soak did if each carried as much
    /// as there, or halfway, in factors.
    fn fewer(&self, last: Settings, soak: &Outcome) -> Option<Settings> {
        if self.held().is_some() {
            return None;
        }
        let max_refused = self.seen.config.rules.max_refused;
        let is_let_in = |outcome: &Outcome| {
            self.is_let_in(outcome) && outcome.refused_or_waiting <= max_refused
        };
        let let_in = self.tried().filter(|(_, outcome)| is_let_in(outcome));
        let let_in = let_in.map(|(one, outcome)| (one.streams(), outcome.goodput));
        let (most, carried) =
            let_in.filter(|(most, _)| *most < last.streams()).max_by_key(|(most, _)| *most)?;
        let predicted = (f64::from(most) * soak.goodput / carried) as u32;
        let streams = if (most + 1..last.streams()).contains(&predicted) {
            predicted
        } else if most + 1 < last.streams() {
            way::middle(most, last.streams())
        } else {
            most
        };
        Some(self.seen.config.with_shape(last.part_size_bytes, streams, last.parts_in_flight))
    }

    /// The most streams that were told to slow down and carried a good part of this: short trials do not show what
    /// they carry in the long run, when the pace has settled and there is always one whose wait is over.
    fn held_back(&self, settings: Settings, soak: &Outcome) -> Option<Settings> {
        let is_in_question = |(one, outcome): &(Settings, Outcome)| {
            one.streams() > settings.streams()
                && outcome.limited_by == LimitedBy::Throttled
                && outcome.goodput >= HELD_BACK * soak.goodput
        };
        let rivals = self.tried().filter(is_in_question).map(|(one, _)| one);
        let most = rivals.max_by_key(|one| cost(*one))?;
        let mut soaked = self.seen.soaked.iter();
        soaked.all(|(one, _)| one.streams() <= settings.streams()).then_some(most)
    }

    /// Whether more streams, though they were told to slow down, carried more when they were held: then yet more
    /// may carry yet more.
    fn is_outdone(&self, settings: Settings, soak: &Outcome) -> bool {
        let mut soaked = self.seen.soaked.iter();
        soaked.any(|(one, other)| {
            one.streams() > settings.streams() && other.goodput > OUTDONE * soak.goodput
        })
    }

    fn is_refused(&self, outcome: &Outcome) -> bool {
        outcome.refused > self.seen.config.rules.max_refused
    }

    fn is_let_in(&self, outcome: &Outcome) -> bool {
        outcome.goodput > 0.0 && !self.is_refused(outcome)
    }

    fn keeps_its_promise(&self, settings: Settings, soak: &Outcome) -> bool {
        self.ground.goodput(settings).is_none_or(|promised| soak.goodput >= PROMISE * promised.mean)
    }

    /// Of those that were held, the cheapest within the margin of the best. Soaks come one after the other, and a
    /// link may drift between them by more than settings differ: where nobody was told to slow down, the first
    /// stays, which the blocks chose, unless another carried far more.
    fn held(&self) -> Option<(Settings, Outcome)> {
        let soaked = &self.seen.soaked;
        let is_throttled = soaked.iter().any(|(_, soak)| soak.limited_by == LimitedBy::Throttled);
        let margin = if is_throttled { MARGIN } else { DRIFT_BETWEEN_SOAKS };
        let held: Vec<_> = soaked.iter().filter(|(_, soak)| self.is_let_in(soak)).collect();
        let best = held.iter().map(|(_, soak)| soak.goodput).fold(0.0, f64::max);
        let mut near = held.into_iter().filter(|(_, soak)| soak.goodput >= (1.0 - margin) * best);
        match is_throttled {
            true => near.min_by_key(|(settings, _)| cost(*settings)).copied(),
            false => near.next().copied(),
        }
    }

    fn recommend(&self, direction: Direction) -> Option<Recommendation> {
        let (chosen, soak) = self.held()?;
        let (told, interval_95) = self.ground.told(chosen)?;
        let leader = self.leader().unwrap_or(chosen);
        let blocks = self.blocks_of(chosen);
        let current = self.seen.config.current;
        let compared_with = self.compared_with(chosen, current);
        let against = |settings: Settings| {
            compared_with.iter().find(|comparison| comparison.settings == settings).copied()
        };
        let within_margin_shown =
            !compared_with.is_empty() && self.is_within_margin(chosen, self.all.settings());
        let better_than_default_shown =
            against(current).and_then(lower_bound).is_some_and(|low| low > 1.0);
        let same_settings_twice = self.same_settings_twice();
        let keeps_its_promise = self.keeps_its_promise(chosen, &soak);
        let has_seen_more = self.has_seen_more(chosen);
        let shown = within_margin_shown
            && self.shows_something_worse(chosen, &compared_with)
            && has_seen_more
            && keeps_its_promise
            && self.held_back(chosen, &soak).is_none()
            && !self.is_outdone(chosen, &soak)
            && !differ(same_settings_twice);
        let (verdict, limited_by) = self.verdict(chosen, &soak, shown);
        let smallest_difference_seen = self.smallest_difference_seen(chosen, blocks);
        let basis = Basis {
            objective: self.seen.config.objective,
            chosen,
            leader: self.highest(chosen).unwrap_or(leader),
            current,
            verdict,
            limited_by,
            within_margin_shown,
            shown_of_confirmed: self.cheapest_shown() == Some(chosen),
            against_current: against(current),
            same_settings_twice,
            has_seen_more,
            keeps_its_promise,
            range: self.range(),
            blocks,
            smallest: smallest_difference_seen,
        };
        Some(Recommendation {
            settings: chosen,
            direction,
            dataset: None,
            goodput_bytes_per_second: told,
            interval_95,
            verdict,
            within_margin_shown,
            better_than_default_shown,
            smallest_difference_seen,
            refused_share: Some(soak.refused),
            why: basis.to_string(),
            compared_with,
            trade: self.trade(chosen),
            gcs: None,
            commands: Vec::new(),
            limited_by,
            same_settings_twice,
            effective_speed_bytes_per_second: None,
            effective_speed_interval_95: None,
            scaling: None,
            dtns: None,
        })
    }

    /// Whether what is set now is shown to be worse or, where that is chosen, some others are.
    fn shows_something_worse(&self, chosen: Settings, compared_with: &[Comparison]) -> bool {
        let current = self.seen.config.current;
        let counts = |one: &&Comparison| chosen == current || one.settings == current;
        let is_worse = |one: &Comparison| lower_bound(*one).is_some_and(|low| low > 1.0);
        compared_with.iter().filter(counts).any(is_worse)
    }

    /// Blocks in which the chosen settings were measured.
    fn blocks_of(&self, chosen: Settings) -> usize {
        match self.ground.confirms(chosen) {
            true => self.ground.confirmed().goodputs(chosen).len(),
            false => self.all.goodputs(chosen).len(),
        }
    }

    /// The chosen settings against all others, those of now last.
    fn compared_with(&self, chosen: Settings, current: Settings) -> Vec<Comparison> {
        let others =
            self.all.settings().filter(|settings| *settings != chosen && *settings != current);
        let others = others.chain((chosen != current).then_some(current));
        others.filter_map(|other| self.ground.compare(chosen, other)).collect()
    }

    /// What was tried, and what could not be.
    fn range(&self) -> Range<'_> {
        let (config, candidates) = (&self.seen.config, &self.seen.candidates);
        Range {
            throttled_from: self.limited(LimitedBy::Throttled).min(),
            streams_tried: self.tried().map(|(settings, _)| settings.streams()).max().unwrap_or(0),
            most: config.concurrency_max,
            ceiling: config.ceiling,
            left_out: candidates.left_out.len(),
            excluded: &candidates.excluded,
        }
    }

    /// What other numbers of files bring and have refused, with as many parts of each in flight.
    fn trade(&self, chosen: Settings) -> Vec<Trade> {
        let alike = |one: &Settings| one.parts_in_flight == chosen.parts_in_flight;
        let soaked = self.seen.soaked.iter().copied();
        let mut trials: Vec<(Settings, Outcome)> =
            self.tried().chain(soaked).filter(|(one, _)| alike(one)).collect();
        trials.sort_by_key(|(settings, _)| *settings);
        let same = trials.chunk_by(|(one, _), (other, _)| one == other);
        let mean = |of: &[(Settings, Outcome)], value: fn(&Outcome) -> f64| {
            of.iter().map(|(_, outcome)| value(outcome)).sum::<f64>() / of.len() as f64
        };
        same.map(|of| Trade {
            settings: of[0].0,
            goodput_bytes_per_second: mean(of, |outcome| outcome.goodput),
            refused_share: mean(of, |outcome| outcome.refused),
            trials: of.len() as u32,
        })
        .collect()
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

    /// Where nothing is shown: the cheapest that likely comes within the margin of the leader. To be one
    /// standard error on the safe side costs streams, and to be on the other side costs goodput.
    fn cheapest_taken(&self, leader: Settings) -> Settings {
        let near = |settings: &Settings| {
            self.all.ratio(*settings, leader).is_some_and(|ratio| {
                let blocks = self.all.common(&[*settings, leader]).len() as f64;
                let error = ratio.sd.map_or(MARGIN, |sd| sd / blocks.sqrt());
                *settings == leader || ratio.mean * (-error).exp() >= 1.0 - MARGIN
            })
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
        let settings = self.seen.duplicate.settings().next()?;
        let both = self.seen.confirmed.outcomes(settings).filter_map(|(block, outcome)| {
            let mut duplicate = self.seen.duplicate.outcomes(settings);
            let (_, other) = duplicate.find(|(of, _)| *of == block)?;
            Some(outcome.goodput / other.goodput)
        });
        let ratio = log_mean(&both.collect::<Vec<f64>>())?;
        let (interval_95, phase) = (ratio.interval_95, Some(Phase::Duplicate));
        Some(Comparison { settings, ratio: ratio.mean, interval_95, phase })
    }

    /// From the median standard deviation of the chosen settings' paired log-ratios; of few blocks, and of a race,
    /// from the noise of all, as the comparisons are.
    fn smallest_difference_seen(&self, chosen: Settings, blocks: usize) -> Option<f64> {
        let noise = match self.ground.confirms(chosen) {
            true => self.ground.common_noise(blocks),
            false => race::noise_after(self.ground.raced(), blocks),
        };
        // What was held without having been in a block has none.
        if let Some(noise) = noise.filter(|_| blocks > 0) {
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

    /// A limit of the client, the source or a cap is not an optimum of the settings: not on the chosen ones, and
    /// not on those with more streams that might otherwise have been better. Nor is the server's patience on the
    /// chosen ones; that more streams are told to slow down is how the link is.
    fn verdict(
        &self,
        chosen: Settings,
        soak: &Outcome,
        shown: bool,
    ) -> (Verdict, Option<LimitedBy>) {
        let might_be_better = |settings: &Settings| {
            *settings == chosen
                || settings.streams() > chosen.streams()
                    && self.all.ratio(*settings, chosen).is_some_and(|to| to.mean >= 1.0 - MARGIN)
        };
        let of_soak = Some(soak.limited_by).filter(|limit| is_limit(*limit));
        let limit = self.all.settings().filter(might_be_better).find_map(|one| {
            self.limit(one).filter(|limit| one == chosen || *limit != LimitedBy::Throttled)
        });
        let limit = of_soak.or(limit);
        let unsteady = |outcome: &Outcome| outcome.steady == Some(false);
        let verdict = match shown {
            _ if limit.is_some() => Verdict::Limited,
            _ if chosen.concurrency >= self.seen.config.concurrency_max => Verdict::StillRising,
            _ if unsteady(soak) || self.mostly(chosen, unsteady) => Verdict::NotSteady,
            true => Verdict::Clear,
            false => Verdict::Indistinguishable,
        };
        (verdict, limit)
    }

    /// Whether more streams of no smaller parts were compared, or cannot be had: without them nothing is known of
    /// the range above.
    fn has_seen_more(&self, chosen: Settings) -> bool {
        let is_more = |one: &Settings| {
            one.part_size_bytes >= chosen.part_size_bytes && one.streams() > chosen.streams()
        };
        let compared = self.ground.raced().and(self.ground.confirmed());
        let (config, way) = (&self.seen.config, &self.seen.way);
        let possible = candidates::neighbours(config, way, chosen);
        compared.settings().any(|one| is_more(&one)) || !possible.iter().any(is_more)
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
        blocks.chain(self.seen.found_the_way.iter().copied())
    }
}

fn is_limit(limited_by: LimitedBy) -> bool {
    !matches!(limited_by, LimitedBy::GatewayOrNetwork | LimitedBy::Unknown)
}
