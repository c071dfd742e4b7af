//! What is tried: the part sizes that are calibrated, and the settings that are raced.

use std::collections::BTreeSet;

use super::ramp::Ramp;
use super::{Config, Limits};
use crate::result::Settings;
use crate::units::ByteSize;

/// Settings in a race: with more, each gets too few blocks.
const CANDIDATES_MAX: usize = 12;

/// A calibration may cost this share of the budget.
const CALIBRATION_SHARE: u32 = 8;

/// What is raced, and what is not.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    /// In order of worth.
    pub(super) raced: Vec<Settings>,
    /// How many more there would have been with a larger budget.
    pub(super) left_out: usize,
    /// Settings that are not possible, and why.
    pub(super) excluded: Vec<(Settings, String)>,
}

impl Candidates {
    /// Leaves out all from this one on.
    pub(super) fn leave_out_from(&mut self, count: usize) {
        self.left_out += self.raced.len().saturating_sub(count);
        self.raced.truncate(count);
    }
}

/// The part sizes of which one stream is tried: all if the budget bears it, else the smallest, the
/// middle one and the largest; only the largest where the budget is small.
pub(super) fn calibrated(part_sizes: &[u64], affordable: u32) -> Vec<u64> {
    let count = part_sizes.len();
    let bears = (affordable / CALIBRATION_SHARE) as usize;
    match bears {
        _ if count <= bears.max(1) => part_sizes.to_vec(),
        0 | 1 => part_sizes.last().into_iter().copied().collect(),
        2 => vec![part_sizes[0], part_sizes[count - 1]],
        _ => vec![part_sizes[0], part_sizes[count / 2], part_sizes[count - 1]],
    }
}

/// Around the knee, in order of worth: the best part size at the knee and on both sides of it, the other
/// sizes (in saturation, where a dearer part matters less than with one stream), other shapes.
pub(super) fn around(config: &Config, ramp: &Ramp, part_sizes: &[u64]) -> Candidates {
    let (knee, streams_max) = (ramp.knee(), ramp.streams_max(config.streams_max()));
    let twice = knee.saturating_mul(2).min(streams_max);
    let by_law = ramp.knee_of_law(streams_max).unwrap_or(knee);
    let (best, others) = (part_sizes[0], &part_sizes[1..]);
    let at = |part_size: u64, streams: u32| config.with_streams(part_size, streams);
    let mut wanted = vec![at(best, knee)];
    wanted.extend(others.first().map(|size| at(*size, knee)));
    wanted.extend([at(best, knee / 2), at(best, twice), at(best, by_law)]);
    wanted.extend(others.iter().map(|size| at(*size, twice.max(by_law))));
    wanted.extend(others.first().map(|size| at(*size, knee / 2)));
    for parts_in_flight in &config.parts_in_flight[1..] {
        wanted.push(config.with_shape(best, knee, *parts_in_flight));
    }
    let mut seen = BTreeSet::new();
    wanted.retain(|settings| seen.insert(*settings));

    let mut candidates = Candidates::default();
    for settings in wanted {
        match config.limits.refuse(settings, ramp.best()) {
            None => candidates.raced.push(settings),
            Some(why) => candidates.excluded.push((settings, why)),
        }
    }
    candidates.leave_out_from(CANDIDATES_MAX);
    candidates
}

/// Half and twice the streams of settings, as far as they are possible.
pub(super) fn neighbours(config: &Config, ramp: &Ramp, of: Settings) -> Vec<Settings> {
    let (streams, goodput) = (of.streams(), ramp.best());
    let most = ramp.streams_max(config.streams_max());
    let both = [streams / 2, streams.saturating_mul(2).min(most)];
    let both = both.map(|streams| match of.parts_in_flight == config.parts_in_flight[0] {
        true => config.with_streams(of.part_size_bytes, streams),
        false => config.with_shape(of.part_size_bytes, streams, of.parts_in_flight),
    });
    both.into_iter().filter(|one| config.limits.refuse(*one, goodput).is_none()).collect()
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
        let requests_per_second = goodput / part_size as f64;
        let allowed = self.requests_per_second_max.filter(|most| requests_per_second > *most)?;
        Some(format!(
            "the link would need {requests_per_second:.0} of its parts a second and {allowed:.0} requests are allowed"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Objective;
    use super::*;
    use crate::units::MIB;

    fn config(parts_in_flight: Vec<u32>) -> Config {
        let current = Settings { part_size_bytes: 64 * MIB, concurrency: 2, parts_in_flight: 1 };
        Config {
            part_sizes_bytes: vec![5 * MIB, 64 * MIB],
            concurrency_max: 64,
            parts_in_flight,
            current,
            limits: Limits::default(),
            objective: Objective::default(),
            seed: 1,
        }
    }

    /// Saturates at 200 MB/s with eight files.
    fn ramp() -> Ramp {
        let mut ramp = Ramp::default();
        while let Some(files) = ramp.next(64) {
            ramp.tell(files, 25e6 * f64::from(files.min(8)), false);
        }
        ramp
    }

    #[test]
    fn candidates_lie_around_the_knee_the_most_worth_first() {
        let found = around(&config(vec![1]), &ramp(), &[64 * MIB, 5 * MIB]).raced;
        let said: Vec<_> =
            found.iter().map(|one| (one.part_size_bytes / MIB, one.concurrency)).collect();
        assert_eq!(said, [(64, 8), (5, 8), (64, 4), (64, 16), (5, 16), (5, 4)]);
    }

    #[test]
    fn several_shapes_have_the_streams_of_the_knee() {
        let found = around(&config(vec![1, 2, 4]), &ramp(), &[64 * MIB]).raced;
        for (files, parts) in [(8, 1), (4, 2), (2, 4)] {
            let is_it = |one: &Settings| (one.concurrency, one.parts_in_flight) == (files, parts);
            assert!(found.iter().any(is_it), "{files} x {parts} is missing in {found:?}");
        }
    }

    #[test]
    fn what_memory_or_the_rate_of_requests_forbids_is_not_raced_and_said() {
        let limits = Limits { memory_bytes: Some(600 * MIB), requests_per_second_max: Some(30.0) };
        let config = Config { limits, ..config(vec![1]) };
        let found = around(&config, &ramp(), &[64 * MIB, 5 * MIB]);
        // 16 parts of 64 MiB are 1 GiB; 200 MB/s are 38 parts of 5 MiB a second.
        let raced: Vec<_> = found.raced.iter().map(|one| one.concurrency).collect();
        assert_eq!(raced, [8, 4]);
        let said = |text: &str| found.excluded.iter().any(|(_, why)| why.contains(text));
        assert!(said("of memory are allowed") && said("30 requests are allowed"), "{found:?}");
    }

    #[test]
    fn a_small_budget_calibrates_fewer_part_sizes() {
        let sizes = [5, 8, 16, 64, 128].map(|mib| mib * MIB);
        for (affordable, count) in [(8, 1), (16, 2), (24, 3), (39, 3), (40, 5)] {
            assert_eq!(calibrated(&sizes, affordable).len(), count, "of {affordable}");
        }
        assert_eq!(calibrated(&sizes[3..], 16).len(), 2);
    }
}
