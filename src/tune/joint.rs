//! One concurrency for both directions: GCS has a single number for uploads and downloads.

use std::collections::BTreeSet;
use std::time::Duration;

use super::decide::{MARGIN, is_shown_within_margin};
use super::gcs::{GcsOptions, held_down};
use super::pairs;
use super::programs::{Way, commands};
use super::search::{Next, Search};
use super::standing::Standing;
use crate::result::{Comparison, Direction, Joint, Phase, Settings};

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
    let (up, down) = (Standing::of(up, options), Standing::of(down, options));
    let found = Candidate::chosen(&up, &down)?;
    let settings = Settings {
        part_size_bytes,
        concurrency: found.files,
        parts_in_flight: options.connector_parts_in_flight.unwrap_or(1),
    };
    let gcs = held_down(found.files, None, options);
    Some(Joint {
        concurrency: found.files,
        up: found.up,
        down: found.down,
        within_margin: found.is_near(),
        within_margin_shown: found.is_shown(),
        why: found.why()
            + if up.is_of_one_part_size() && down.is_of_one_part_size() {
                ""
            } else {
                AT_ITS_WORST
            },
        commands: commands(settings, Some(&gcs), options, Way::Up),
        gcs: Some(gcs),
    })
}

/// After figures that hold for more than one part size.
const AT_ITS_WORST: &str = ", at the part size that suits it least: that of the connector is not known (`tidegate observe` finds it)";

/// A trial that would show more of the concurrency for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForBoth {
    /// In which direction.
    pub direction: Direction,
    /// The trial.
    pub next: Next,
    /// With fewer trials it had better not begin.
    pub trials_needed: u32,
}

impl ForBoth {
    /// What is next when both searches are over: so many files against the best of a direction that never
    /// tried them, knows them from a single trial of the ramp, or not well enough. `None` where nothing is
    /// open.
    pub fn next(up: &Search, down: &Search, options: &GcsOptions) -> Option<Self> {
        let mut ways = [(Direction::Up, up), (Direction::Down, down)]
            .map(|(direction, search)| (direction, search, Standing::of(search, options)));
        let files = in_question(&ways[0].2, &ways[1].2)?;
        // A pair is finished before another is begun.
        ways.sort_by_key(|(_, search, _)| search.pairs().is_between());
        ways.iter().find_map(|(direction, search, standing)| {
            let next = search.next_of_pair(|| standing.unshown(files))?;
            let trials_needed = if search.pairs().is_between() { pairs::TRIALS } else { 1 };
            Some(Self { direction: *direction, next, trials_needed })
        })
    }

    /// Of the time that is left, what the second search may take: while something would be open after it,
    /// trials of one pair are kept from a budget of three times as many.
    pub fn leaves(up: &Search, down: &Search, options: &GcsOptions, left: Duration) -> Duration {
        let is_open =
            down.comparisons(left) >= 3 * pairs::TRIALS && Self::next(up, down, options).is_some();
        if is_open { left.saturating_sub(down.takes_comparison() * pairs::TRIALS) } else { left }
    }
}

/// The number of files that would be chosen; where none serves both, the fewest that serve one direction
/// and that the other, whose knee is far below, has not tried.
fn in_question(up: &Standing, down: &Standing) -> Option<u32> {
    let chosen = Candidate::chosen(up, down);
    if let Some(chosen) = chosen.filter(Candidate::is_near) {
        return Some(chosen.files);
    }
    let untried = |one: &Standing, other: &Standing| {
        let serving = one.by_files().into_iter().filter(|(_, found)| found.ratio >= 1.0 - MARGIN);
        serving.map(|(files, _)| files).find(|files| other.may_serve_beyond(*files))
    };
    let untried = [untried(up, down), untried(down, up)].into_iter().flatten().min();
    untried.or(chosen.map(|chosen| chosen.files))
}

/// So many files in flight against the best of each direction.
#[derive(Clone, Copy)]
struct Candidate {
    files: u32,
    up: Comparison,
    down: Comparison,
}

impl Candidate {
    fn chosen(up: &Standing, down: &Standing) -> Option<Self> {
        let known: BTreeSet<u32> =
            [up, down].iter().flat_map(|way| way.by_files().into_keys()).collect();
        let both = known.into_iter().filter_map(|files| {
            Some(Self { files, up: up.of_files(files)?, down: down.of_files(files)? })
        });
        let both: Vec<Self> = both.collect();
        let least_loss = || both.iter().min_by(|one, other| other.share().total_cmp(&one.share()));
        let found = both.iter().find(|one| one.is_shown());
        found.or_else(|| both.iter().find(|one| one.is_near())).or_else(least_loss).copied()
    }

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
        self.ways().iter().all(|(_, way)| is_shown_within_margin(way))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::recommend;
    use super::super::search::Outcome;
    use super::super::tests::{config, time_for};
    use super::*;
    use crate::result::LimitedBy;
    use crate::units::MIB;

    /// A search on a link that carries `knee` streams, whatever their parts.
    fn searched(knee: u32, retrograde: bool) -> Search {
        let mut search = Search::new(config(7));
        let mut random = fastrand::Rng::with_seed(7);
        let mut left = time_for(60);
        while let Some(next) = search.ask(left) {
            let streams = f64::from(next.settings.streams());
            let knee = f64::from(knee);
            let beyond = if retrograde { (streams / knee).max(1.0).powf(0.5) } else { 1.0 };
            let goodput = streams.min(knee) / beyond * (1.0 + 0.004 * random.f64());
            let limited_by = LimitedBy::GatewayOrNetwork;
            search.tell(next, Outcome::of(goodput, limited_by));
            left = left.saturating_sub(next.lasts.all());
        }
        search
    }

    /// Measures what serves both as [`ForBoth`] asks for it. How many trials that took, each way.
    fn measured(up: &mut Search, down: &mut Search, knees: [u32; 2]) -> [u32; 2] {
        let mut random = fastrand::Rng::with_seed(8);
        let last_blocks =
            [&*up, &*down].map(|search| search.raced().last().max(search.confirmed().last()));
        let mut trials = [0; 2];
        while let Some(open) = ForBoth::next(up, down, &GcsOptions::default()) {
            let (search, way) = match open.direction {
                Direction::Up => (&mut *up, 0),
                Direction::Down => (&mut *down, 1),
            };
            let streams = open.next.settings.streams().min(knees[way]);
            let goodput = f64::from(streams) * (1.0 + 0.004 * random.f64());
            let limited_by = LimitedBy::GatewayOrNetwork;
            search.tell(open.next, Outcome::of(goodput, limited_by));
            // The blocks are new ones, of two trials each.
            let block = open.next.block.unwrap();
            assert_eq!(block, last_blocks[way] + trials[way] / 2 + 1);
            trials[way] += 1;
        }
        trials
    }

    fn found(up: &Search, down: &Search) -> Joint {
        joint(up, down, 64 * MIB, &GcsOptions::default()).unwrap()
    }

    #[test]
    fn the_larger_of_two_knees_serves_both_where_more_files_do_no_harm() {
        let joint = found(&searched(8, false), &searched(16, false));
        assert!((16..=20).contains(&joint.concurrency) && joint.within_margin, "{}", joint.why);
        let number = format!("--max-concurrency {} ", joint.concurrency);
        assert!(joint.commands[1].text.contains(&number));
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

    /// On links whose knees are so far apart; what was known before, and what is after.
    fn served(knees: [u32; 2]) -> [Joint; 2] {
        let (mut up, mut down) = (searched(knees[0], false), searched(knees[1], false));
        let before = found(&up, &down);
        let best_up = recommend(&up, Direction::Up);
        let trials = measured(&mut up, &mut down, knees);
        let sizes = up.config().part_sizes_bytes.len() as u32;
        assert!((pairs::TRIALS..=sizes * pairs::TRIALS).contains(&trials[0]), "{trials:?}");
        assert_eq!(recommend(&up, Direction::Up), best_up, "that is another question");
        [before, found(&up, &down)]
    }

    #[test]
    fn what_a_direction_knows_from_its_ramp_alone_is_measured_in_blocks() {
        let [before, after] = served([2, 8]);
        assert!(before.why.contains("one trial of the ramp"), "{}", before.why);
        assert_eq!((before.concurrency, before.within_margin_shown), (8, false));
        assert_eq!((after.concurrency, after.within_margin_shown), (8, true), "{}", after.why);
        assert_eq!(after.up.phase, Some(Phase::BothWays));
    }

    #[test]
    fn what_serves_one_direction_is_tried_in_the_other_whose_knee_is_far_below() {
        let [before, after] = served([2, 32]);
        assert!(!before.within_margin, "its ramp did not go so far: {}", before.why);
        assert_eq!((after.concurrency, after.within_margin_shown), (32, true), "{}", after.why);
    }

    proptest! {
        #[test]
        fn where_more_files_do_no_harm_a_number_is_shown_that_serves_both(
            knees in prop::array::uniform2(1_u32..=32),
        ) {
            let (mut up, mut down) = (searched(knees[0], false), searched(knees[1], false));
            measured(&mut up, &mut down, knees);
            let joint = found(&up, &down);
            prop_assert!(joint.within_margin_shown, "{}", joint.why);
            let needed = f64::from(knees[0].max(knees[1])) * (1.0 - MARGIN);
            prop_assert!(f64::from(joint.concurrency) >= needed - 0.5, "{}", joint.why);
        }
    }

    #[test]
    fn what_is_known_well_both_ways_is_not_measured_again() {
        let (mut up, mut down) = (searched(8, false), searched(8, false));
        assert_eq!(measured(&mut up, &mut down, [8, 8]), [0, 0]);
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
