//! The settings that are raced.

use std::collections::BTreeSet;

use super::way::Way;
use super::{Config, Limits};
use crate::result::Settings;
use crate::units::ByteSize;

/// Settings in a race: with more, each gets too few blocks.
const CANDIDATES_MAX: usize = 12;

/// How many more streams than the knee's are raced beside it.
const BESIDE: f64 = 1.5;

/// How many fewer are, and how many more and fewer beside the likely choice of a race: a peak between two that
/// were tried is then no more than a tenth off.
const CLOSE: f64 = 1.2;

/// What is raced, and what is not.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    /// In order of worth.
    pub(super) raced: Vec<Settings>,
    /// In order of worth, those for which there are no seats.
    pub(super) left_out: Vec<Settings>,
    /// Settings that are not possible, and why.
    pub(super) excluded: Vec<(Settings, String)>,
}

impl Candidates {
    /// Takes in one more at this place, unless it is there.
    pub(super) fn include(&mut self, settings: Option<Settings>, place: usize) {
        if let Some(settings) = settings.filter(|settings| !self.raced.contains(settings)) {
            self.raced.insert(place.min(self.raced.len()), settings);
        }
    }

    /// Leaves out all from this one on.
    pub(super) fn leave_out_from(&mut self, count: usize) {
        let from_here = self.raced.split_off(count.min(self.raced.len()));
        self.left_out.splice(..0, from_here);
    }
}

/// Around the knee, in order of worth: the best part size at the knee, more streams, without which nothing is
/// known of the range above, the next best part size, fewer streams, what carried most on the way, other shapes.
pub(super) fn around(config: &Config, way: &Way, part_sizes: &[u64]) -> Candidates {
    let most = way.streams_max(config.streams_max());
    let knee = way.knee().min(most);
    let (fewer, more) = (times(knee, 1.0 / CLOSE, most), times(knee, BESIDE, most));
    let peak = way.peak().map_or(knee, |(streams, _)| streams);
    let (best, others) = (part_sizes[0], &part_sizes[1..]);
    let at = |part_size: u64, streams: u32| config.with_streams(part_size, streams);
    let mut wanted = vec![at(best, knee), at(best, more)];
    wanted.extend(others.first().map(|size| at(*size, knee)));
    wanted.extend([at(best, fewer), at(best, peak)]);
    for parts_in_flight in &config.parts_in_flight[1..] {
        wanted.push(config.with_shape(best, knee, *parts_in_flight));
    }
    wanted.extend(others.iter().skip(1).map(|size| at(*size, knee)));
    let mut seen = BTreeSet::new();
    wanted.retain(|settings| seen.insert(*settings));

    let mut candidates = Candidates::default();
    for settings in wanted {
        match config.rules.limits.refuse(settings, way.best()) {
            None => candidates.raced.push(settings),
            Some(why) => candidates.excluded.push((settings, why)),
        }
    }
    candidates.leave_out_from(CANDIDATES_MAX);
    candidates
}

/// Fewer and more streams than settings have, as far as they are possible.
pub(super) fn neighbours(config: &Config, way: &Way, of: Settings) -> Vec<Settings> {
    let (streams, goodput) = (of.streams(), way.best());
    let most = way.streams_max(config.streams_max());
    let both = [times(streams, 1.0 / CLOSE, most), times(streams, CLOSE, most)];
    let both = both.map(|streams| match of.parts_in_flight == config.parts_in_flight[0] {
        true => config.with_streams(of.part_size_bytes, streams),
        false => config.with_shape(of.part_size_bytes, streams, of.parts_in_flight),
    });
    both.into_iter().filter(|one| config.rules.limits.refuse(*one, goodput).is_none()).collect()
}

/// At least one more or fewer, if there are any.
fn times(streams: u32, factor: f64, most: u32) -> u32 {
    let times = f64::from(streams) * factor;
    let times = if factor > 1.0 { times.ceil() } else { times.floor() } as u32;
    times.clamp(1, most.max(1))
}

impl Limits {
    /// Why settings are not possible; `goodput` is what the link is known to carry.
    pub(super) fn refuse(&self, settings: Settings, goodput: f64) -> Option<String> {
        let part_size = settings.part_size_bytes;
        let held = u64::from(settings.streams()).saturating_mul(part_size);
        if let Some(memory) = self.memory_bytes.filter(|memory| held > *memory) {
            let (held, memory) = (ByteSize(held), ByteSize(memory));
            return Some(format!(
                "its parts in flight are {held} and {memory} of memory are allowed"
            ));
        }
        let takes_s = held as f64 / goodput;
        let takes_max_s = self.part_takes_max.map(|most| most.as_secs_f64());
        if let Some(most) = takes_max_s.filter(|most| takes_s > *most) {
            return Some(format!(
                "each of its parts would take {takes_s:.0} s, and more than {most:.0} s is too much to send again when one fails"
            ));
        }
        let requests_per_second = goodput / part_size as f64;
        let allowed = self.requests_per_second_max.filter(|most| requests_per_second > *most)?;
        Some(format!(
            "the link would need {requests_per_second:.0} of its parts a second and {allowed:.0} requests are allowed"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::outcome::Outcome;
    use super::super::{Rules, tests};
    use super::*;
    use crate::result::LimitedBy;
    use crate::units::MIB;

    fn config(parts_in_flight: Vec<u32>) -> Config {
        Config { parts_in_flight, concurrency_max: 64, ..tests::config(1) }
    }

    fn limited(limits: Limits) -> Config {
        let config = config(vec![1]);
        Config { rules: Rules { limits, ..config.rules }, ..config }
    }

    /// Saturates at 200 MB/s with eight files.
    fn way() -> Way {
        let mut way = Way::default();
        while let Some(files) = way.next(2, 64) {
            let goodput = 25e6 * f64::from(files.min(8));
            way.tell(files, &Outcome::of(goodput, LimitedBy::GatewayOrNetwork));
        }
        way
    }

    #[test]
    fn candidates_lie_around_the_knee_the_most_worth_first() {
        let found = around(&config(vec![1]), &way(), &[64 * MIB, 5 * MIB]).raced;
        let said: Vec<_> =
            found.iter().map(|one| (one.part_size_bytes / MIB, one.concurrency)).collect();
        assert_eq!(said[..4], [(64, 8), (64, 12), (5, 8), (64, 6)]);
    }

    #[test]
    fn several_shapes_have_the_streams_of_the_knee() {
        let found = around(&config(vec![1, 2, 4]), &way(), &[64 * MIB]).raced;
        for (files, parts) in [(8, 1), (4, 2), (2, 4)] {
            let is_it = |one: &Settings| (one.concurrency, one.parts_in_flight) == (files, parts);
            assert!(found.iter().any(is_it), "{files} x {parts} is missing in {found:?}");
        }
    }

    #[test]
    fn what_memory_or_the_rate_of_requests_forbids_is_not_raced_and_said() {
        let (memory_bytes, requests_per_second_max) = (Some(600 * MIB), Some(30.0));
        let limits = Limits { memory_bytes, requests_per_second_max, ..Limits::default() };
        let config = limited(limits);
        let found = around(&config, &way(), &[64 * MIB, 5 * MIB]);
        // 12 parts of 64 MiB are 768 MiB; 200 MB/s are 38 parts of 5 MiB a second.
        let raced: Vec<_> = found.raced.iter().map(|one| one.concurrency).collect();
        assert_eq!(raced, [8, 6]);
        let said = |text: &str| found.excluded.iter().any(|(_, why)| why.contains(text));
        assert!(said("of memory are allowed") && said("30 requests are allowed"), "{found:?}");
    }

    #[test]
    fn parts_that_would_take_too_long_are_not_raced() {
        let limits = Limits { part_takes_max: Some(Duration::from_secs(3)), ..Limits::default() };
        let found = around(&limited(limits), &way(), &[64 * MIB, 5 * MIB]);
        // 8 parts of 64 MiB at 200 MB/s take 2.7 s, and 12 take 4 s.
        let raced = found.raced.iter().map(|one| (one.part_size_bytes / MIB, one.concurrency));
        assert_eq!(raced.collect::<Vec<_>>(), [(64, 8), (5, 8), (64, 6)]);
        assert!(found.excluded[0].1.contains("would take 4 s"), "{found:?}");
    }
}
