//! One concurrency for both directions: GCS has a single number for uploads and downloads.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::{GcsOptions, commands};
use super::decide::MARGIN;
use super::ground::Ground;
use super::programs::Way;
use super::search::{Outcome, Search};
use crate::result::{Comparison, Joint, Phase, Settings};
use crate::stats::geometric_mean;

/// The fewest files in flight that are within the margin of the best in both directions: those of which
/// it is shown, else those that came so far; where none do, those that lose least in the worse direction.
///
/// Only what was measured in both counts, with as many parts of a file in flight as the connector has.
/// `part_size_bytes` is that of the commands; those of programs that have a setting for each way are for
/// uploads. `None` if no number of files was measured both ways.
pub fn joint(
    up: &Search,
    down: &Search,
    part_size_bytes: u64,
    options: &GcsOptions,
) -> Option<Joint> {
    let (up, down) = (Standing::of(up, options).by_files(), Standing::of(down, options).by_files());
    let both = up.iter().filter_map(|(files, up)| {
        down.get(files).map(|down| Candidate { files: *files, up: *up, down: *down })
    });
    let both: Vec<Candidate> = both.collect();
    let least_loss = || both.iter().min_by(|one, other| other.share().total_cmp(&one.share()));
    let found = both.iter().find(|one| one.is_shown());
    let found = found.or_else(|| both.iter().find(|one| one.is_near())).or_else(least_loss)?;
    let settings = Settings {
        part_size_bytes,
        concurrency: found.files,
        parts_in_flight: options.connector_parts_in_flight.unwrap_or(1),
    };
    Some(Joint {
        concurrency: found.files,
        up: found.up,
        down: found.down,
        within_margin: found.is_near(),
        within_margin_shown: found.is_shown(),
        why: found.why(),
        commands: commands(settings, Some(found.files), options, Way::Up),
    })
}

/// So many files in flight against the best of each direction.
struct Candidate {
    files: u32,
    up: Comparison,
    down: Comparison,
}

impl Candidate {
    fn ways(&self) -> [(&'static str, &Comparison); 2] {
        [("up", &self.up), ("down", &self.down)]
    }

    /// Of the best, in the worse direction.
    fn share(&self) -> f64 {
        self.up.ratio.min(self.down.ratio)
    }

    fn is_near(&self) -> bool {
        self.share() >= 1.0 - MARGIN
    }

    fn is_shown(&self) -> bool {
        let low = |way: &Comparison| way.interval_95.map_or(0.0, |[low, _]| low);
        self.ways().iter().all(|(_, way)| low(way) >= 1.0 - MARGIN)
    }

    fn why(&self) -> String {
        let what = match (self.is_shown(), self.is_near()) {
            (true, _) => {
                "the fewest files in flight that are shown to be within 5 % of the best both ways"
            }
            (false, true) => {
                "the fewest files in flight that came within 5 % of the best both ways, which is not shown"
            }
            (false, false) => {
                "no number of files in flight that was tried both ways comes within 5 % of the best of each: this one loses least in the worse direction"
            }
        };
        let figures = self.ways().map(|(way, comparison)| {
            let of = match (comparison.interval_95, comparison.phase) {
                (Some([low, high]), _) if low < high => format!(" ({low:.2} to {high:.2})"),
                (None, Some(Phase::Ramp)) => " (one trial of the ramp)".to_owned(),
                _ => String::new(),
            };
            format!("{:.2} of the best {way}{of}", comparison.ratio)
        });
        format!("{what}: {}", figures.join(", "))
    }
}

/// What one direction's trials say of settings that the connector can have.
struct Standing<'a> {
    search: &'a Search,
    ground: Ground,
    /// Geometric means of the race and its confirmation.
    means: Vec<(Settings, f64)>,
    parts_in_flight: u32,
    part_sizes: BTreeSet<u64>,
}

impl<'a> Standing<'a> {
    fn of(search: &'a Search, options: &GcsOptions) -> Self {
        let ground = Ground::of_search(search);
        let parts_in_flight = options.connector_parts_in_flight.unwrap_or(1);
        let blocks = ground.raced().and(ground.confirmed());
        let alike = blocks.settings().filter(|one| one.parts_in_flight == parts_in_flight);
        let mean = |one: Settings| Some((one, geometric_mean(&blocks.goodputs(one))?));
        let means: Vec<(Settings, f64)> = alike.filter_map(mean).collect();
        let measured: BTreeSet<u64> = means.iter().map(|(one, _)| one.part_size_bytes).collect();
        let of_connector = options.connector_part_size_bytes.filter(|size| measured.contains(size));
        let part_sizes = of_connector.map_or(measured, |size| BTreeSet::from([size]));
        Self { search, ground, means, parts_in_flight, part_sizes }
    }

    /// Each number of files against the best, at that part size at which it loses most.
    fn by_files(&self) -> BTreeMap<u32, Comparison> {
        let trials = self.search.found_the_way().iter().map(|(one, _)| *one);
        let files = self.means.iter().map(|(one, _)| *one).chain(trials);
        let files = files.filter(|one| one.parts_in_flight == self.parts_in_flight);
        let files: BTreeSet<u32> = files.map(|one| one.concurrency).collect();
        let standing = |files| self.raced(files).or_else(|| self.on_the_way(files));
        files.into_iter().filter_map(|files| Some((files, standing(files)?))).collect()
    }

    /// By the race and its confirmation; `None` if some part size is missing.
    fn raced(&self, files: u32) -> Option<Comparison> {
        let at = |part_size_bytes: &u64| {
            let parts_in_flight = self.parts_in_flight;
            let one =
                Settings { part_size_bytes: *part_size_bytes, concurrency: files, parts_in_flight };
            let same = self.means.iter().filter(|(of, _)| of.part_size_bytes == *part_size_bytes);
            let (best, most) = same.clone().max_by(|a, b| a.1.total_cmp(&b.1))?;
            let (_, mean) = same.clone().find(|(of, _)| *of == one)?;
            Some(self.compare(one, *best).unwrap_or(Comparison {
                settings: *best,
                ratio: mean / most,
                interval_95: None,
                phase: None,
            }))
        };
        let all: Option<Vec<Comparison>> = self.part_sizes.iter().map(at).collect();
        all?.into_iter().min_by(|one, other| one.ratio.total_cmp(&other.ratio))
    }

    fn compare(&self, one: Settings, best: Settings) -> Option<Comparison> {
        if one == best {
            let interval_95 = Some([1.0, 1.0]);
            return Some(Comparison { settings: best, ratio: 1.0, interval_95, phase: None });
        }
        self.ground.compare(one, best)
    }

    /// By single trials before the race.
    fn on_the_way(&self, files: u32) -> Option<Comparison> {
        let trials = || {
            let trials = self.search.found_the_way().iter();
            trials.filter(|(one, _)| one.parts_in_flight == self.parts_in_flight)
        };
        let against_best = |(one, outcome): &(Settings, Outcome)| {
            let same = trials().filter(|(of, _)| of.part_size_bytes == one.part_size_bytes);
            let (best, most) = same.max_by(|a, b| a.1.goodput.total_cmp(&b.1.goodput))?;
            let ratio = outcome.goodput / most.goodput;
            let phase = Some(Phase::Ramp);
            Some(Comparison { settings: *best, ratio, interval_95: None, phase })
        };
        let same = trials().filter(|(one, _)| one.concurrency == files);
        let all = same.filter_map(against_best).filter(|found| found.ratio.is_finite());
        all.min_by(|one, other| one.ratio.total_cmp(&other.ratio))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;
    use crate::result::LimitedBy;
    use crate::units::MIB;

    /// A search on a link that carries `knee` streams, whatever their parts.
    fn searched(knee: u32, retrograde: bool) -> Search {
        let mut search = Search::new(config(7));
        let mut random = fastrand::Rng::with_seed(7);
        let mut left = 60;
        while let Some(next) = search.ask(left) {
            let streams = f64::from(next.settings.streams());
            let knee = f64::from(knee);
            let beyond = if retrograde { (streams / knee).max(1.0).powf(0.5) } else { 1.0 };
            let goodput = streams.min(knee) / beyond * (1.0 + 0.004 * random.f64());
            let limited_by = LimitedBy::GatewayOrNetwork;
            search.tell(next, Outcome { goodput, limited_by, steady: None });
            left -= 1;
        }
        search
    }

    fn found(up: &Search, down: &Search) -> Joint {
        joint(up, down, 64 * MIB, &GcsOptions::default()).unwrap()
    }

    #[test]
    fn the_larger_of_two_knees_serves_both_where_more_files_do_no_harm() {
        let joint = found(&searched(8, false), &searched(16, false));
        assert_eq!((joint.concurrency, joint.within_margin), (16, true), "{}", joint.why);
        assert!(joint.commands.gcs_endpoint.contains("--max-concurrency 16 "));
    }

    #[test]
    fn one_knee_in_both_directions_is_shown_to_serve_both() {
        let joint = found(&searched(8, false), &searched(8, false));
        assert_eq!((joint.concurrency, joint.within_margin_shown), (8, true), "{}", joint.why);
        assert!(
            joint.why.starts_with("the fewest files in flight that are shown"),
            "{}",
            joint.why
        );
    }

    #[test]
    fn where_no_number_serves_both_the_one_that_loses_least_is_taken_with_its_figures() {
        // Up is best with 4 files, of which 16 lose half; down needs 16.
        let joint = found(&searched(4, true), &searched(16, false));
        assert!(!joint.within_margin, "{}", joint.why);
        let worse = joint.up.ratio.min(joint.down.ratio);
        for files in [2, 4, 8, 16, 32] {
            let up = (f64::from(files).min(4.0) / 4.0) / (f64::from(files) / 4.0).max(1.0).sqrt();
            let down = f64::from(files).min(16.0) / 16.0;
            assert!(up.min(down) <= worse + 0.02, "{files}: {}", joint.why);
        }
        assert!(joint.why.contains("loses least"), "{}", joint.why);
        let figure = format!("{:.2} of the best down", joint.down.ratio);
        assert!(joint.why.contains(&figure), "{}", joint.why);
    }

    #[test]
    fn other_parts_of_a_file_in_flight_than_the_connector_has_say_nothing() {
        let options = GcsOptions { connector_parts_in_flight: Some(4), ..GcsOptions::default() };
        let search = searched(8, false);
        assert_eq!(joint(&search, &search, 64 * MIB, &options), None);
    }
}
