//! One concurrency for several searches: GCS has a single number for uploads and downloads of all files.

use std::collections::BTreeSet;
use std::time::Duration;

use super::gcs::{GcsOptions, held_down};
use super::margin::{MARGIN, is_shown_within_margin};
use super::pairs;
use super::programs::{Way, commands};
use super::search::{Next, Search};
use super::standing::Standing;
use crate::result::{Comparison, Joint, Phase, Served, Settings, Workload};
use crate::words;

/// A search that is over, and what it was about.
pub type Searched<'a> = (Workload, &'a Search);

/// The fewest files in flight that are within the margin of the best of every search: those of which it is
/// shown, else those that came so far; where none do, those that lose least where they do worst.
///
/// Only what was measured in all of them counts, with as many parts of a file in flight as the connector has.
/// `part_size_bytes` is that of the commands; those of programs that have a setting for each way are for
/// uploads. `None` if no number of files was measured in all.
pub fn joint(searched: &[Searched], part_size_bytes: u64, options: &GcsOptions) -> Option<Joint> {
    let standings = standings(searched.iter().map(|(_, search)| *search), options);
    let found = Candidate::chosen(&standings)?;
    let settings = Settings {
        part_size_bytes,
        concurrency: found.files,
        parts_in_flight: options.connector_parts_in_flight.unwrap_or(1),
    };
    let workloads: Vec<&Workload> = searched.iter().map(|(workload, _)| workload).collect();
    let gcs = held_down(found.files, None, options);
    let is_of_one_part_size = standings.iter().all(Standing::is_of_one_part_size);
    let serves = workloads.iter().zip(&found.of_each).filter_map(|(workload, comparison)| {
        Some(Served {
            direction: workload.direction.one_way()?,
            dataset: workload.dataset.clone(),
            comparison: *comparison,
        })
    });
    Some(Joint {
        concurrency: found.files,
        serves: serves.collect(),
        within_margin: found.is_near(),
        within_margin_shown: found.is_shown(),
        why: found.why(&workloads) + if is_of_one_part_size { "" } else { AT_ITS_WORST },
        commands: commands(settings, Some(&gcs), options, Way::Up),
        gcs: Some(gcs),
    })
}

/// After figures that hold for more than one part size.
const AT_ITS_WORST: &str = ", at the part size that suits it least: that of the connector is not known (`tidegate observe` finds it)";

fn standings<'a>(
    searches: impl Iterator<Item = &'a Search>,
    options: &GcsOptions,
) -> Vec<Standing<'a>> {
    searches.map(|search| Standing::of(search, options)).collect()
}

/// A trial that would show more of the concurrency for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForAll {
    /// Position of the search that it is for.
    pub search: usize,
    /// The trial.
    pub next: Next,
    /// With fewer trials it had better not begin.
    pub trials_needed: u32,
}

impl ForAll {
    /// What is next when all searches are over: so many files against the best of a search that never tried
    /// them, knows them from a single trial of the ramp, or not well enough. `None` where nothing is open.
    pub fn next(searches: &[&Search], options: &GcsOptions) -> Option<Self> {
        let standings = standings(searches.iter().copied(), options);
        let files = in_question(&standings)?;
        let mut order: Vec<usize> = (0..searches.len()).collect();
        // A pair is finished before another is begun.
        order.sort_by_key(|nth| !searches[*nth].pairs().is_between());
        order.into_iter().find_map(|nth| {
            let next = searches[nth].next_of_pair(|| standings[nth].unshown(files))?;
            let is_under_way = !searches[nth].pairs().is_between();
            let trials_needed = if is_under_way { 1 } else { pairs::TRIALS };
            Some(Self { search: nth, next, trials_needed })
        })
    }

    /// Of the time that is left, what the last search may take: while something would be open after it, trials
    /// of a pair in each other search are kept from a budget of three times as many.
    pub fn leaves(
        before: &[&Search],
        last: &Search,
        options: &GcsOptions,
        left: Duration,
    ) -> Duration {
        let trials = pairs::TRIALS * before.len() as u32;
        if trials == 0 || last.comparisons(left) < 3 * trials {
            return left;
        }
        let all: Vec<&Search> = before.iter().copied().chain([last]).collect();
        match Self::next(&all, options) {
            Some(_) => left.saturating_sub(last.takes_comparison() * trials),
            None => left,
        }
    }
}

/// The number of files that would be chosen; where none serves all, the fewest that serve whichever search tried
/// them, and that the others, whose knees are far below, have not tried.
fn in_question(standings: &[Standing]) -> Option<u32> {
    let chosen = Candidate::chosen(standings);
    if let Some(chosen) = chosen.as_ref().filter(|chosen| chosen.is_near()) {
        return Some(chosen.files);
    }
    let serves = |standing: &Standing, files| {
        let known = standing.of_files(files);
        known.map_or_else(|| standing.may_serve_beyond(files), |found| found.ratio >= 1.0 - MARGIN)
    };
    let mut all = known(standings).into_iter();
    let untried = all.find(|files| standings.iter().all(|standing| serves(standing, *files)));
    untried.or(chosen.map(|chosen| chosen.files))
}

/// Numbers of files in flight that any search tried.
fn known(standings: &[Standing]) -> BTreeSet<u32> {
    standings.iter().flat_map(|standing| standing.by_files().into_keys()).collect()
}

/// So many files in flight against the best of each search.
#[derive(Clone)]
struct Candidate {
    files: u32,
    of_each: Vec<Comparison>,
}

impl Candidate {
    fn chosen(standings: &[Standing]) -> Option<Self> {
        let all = known(standings).into_iter().filter_map(|files| {
            let of_each = standings.iter().map(|standing| standing.of_files(files));
            Some(Self { files, of_each: of_each.collect::<Option<_>>()? })
        });
        let all: Vec<Self> = all.collect();
        let least_loss = || all.iter().min_by(|one, other| other.share().total_cmp(&one.share()));
        let found = all.iter().find(|one| one.is_shown());
        found.or_else(|| all.iter().find(|one| one.is_near())).or_else(least_loss).cloned()
    }

    /// Of the best, where it does worst.
    fn share(&self) -> f64 {
        self.of_each.iter().map(|one| one.ratio).fold(f64::INFINITY, f64::min)
    }

    fn is_near(&self) -> bool {
        self.share() >= 1.0 - MARGIN
    }

    fn is_shown(&self) -> bool {
        self.of_each.iter().all(is_shown_within_margin)
    }

    fn why(&self, workloads: &[&Workload]) -> String {
        let each = words::each_of(workloads);
        let what = match (self.is_shown(), self.is_near()) {
            (true, _) => {
                format!(
                    "the fewest files in flight that are shown to be within 5 % of the best {each}"
                )
            }
            (false, true) => {
                format!(
                    "the fewest files in flight that came within 5 % of the best {each}, which is not shown"
                )
            }
            (false, false) => {
                format!(
                    "no number of files in flight that was tried {each} comes within 5 % of the best of each: this one loses least where it does worst"
                )
            }
        };
        let figures = workloads.iter().zip(&self.of_each).map(|(workload, comparison)| {
            let of = match (comparison.interval_95, comparison.phase) {
                (Some([low, high]), _) if low < high => format!(" ({low:.2} to {high:.2})"),
                (None, Some(Phase::Ramp)) => " (one trial of the ramp)".to_owned(),
                _ => String::new(),
            };
            format!("{} {:.2} of the best{of}", words::workload(workload), comparison.ratio)
        });
        format!("{what}: {}", figures.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::outcome::Outcome;
    use super::super::recommend;
    use super::super::tests::{config, time_for};
    use super::*;
    use crate::result::{Direction, LimitedBy, Traffic};
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

    /// Measures what serves all as [`ForAll`] asks for it. How many trials that took in each search.
    fn measured<const N: usize>(searches: &mut [Search; N], knees: [u32; N]) -> [u32; N] {
        let mut random = fastrand::Rng::with_seed(8);
        let last_blocks =
            searches.each_ref().map(|search| search.raced().last().max(search.confirmed().last()));
        let mut trials = [0; N];
        while let Some(open) = ForAll::next(&searches.each_ref(), &GcsOptions::default()) {
            let nth = open.search;
            let streams = open.next.settings.streams().min(knees[nth]);
            let goodput = f64::from(streams) * (1.0 + 0.004 * random.f64());
            let limited_by = LimitedBy::GatewayOrNetwork;
            searches[nth].tell(open.next, Outcome::of(goodput, limited_by));
            // The blocks are new ones, of two trials each.
            let block = open.next.block.unwrap();
            assert_eq!(block, last_blocks[nth] + trials[nth] / 2 + 1);
            trials[nth] += 1;
        }
        trials
    }

    fn both_ways([up, down]: &[Search; 2]) -> [Searched<'_>; 2] {
        let of = |direction| Workload { direction, dataset: None, dtns: None };
        [(of(Traffic::Up), up), (of(Traffic::Down), down)]
    }

    fn found(searches: &[Search; 2]) -> Joint {
        joint(&both_ways(searches), 64 * MIB, &GcsOptions::default()).unwrap()
    }

    fn of_knees<const N: usize>(knees: [u32; N]) -> [Search; N] {
        knees.map(|knee| searched(knee, false))
    }

    #[test]
    fn the_larger_of_two_knees_serves_both_where_more_files_do_no_harm() {
        let joint = found(&of_knees([8, 16]));
        assert!((16..=20).contains(&joint.concurrency) && joint.within_margin, "{}", joint.why);
        let number = format!("--max-concurrency {} ", joint.concurrency);
        assert!(joint.commands[1].text.contains(&number));
    }

    #[test]
    fn one_knee_in_both_directions_is_shown_to_serve_both() {
        let joint = found(&of_knees([8, 8]));
        assert_eq!((joint.concurrency, joint.within_margin_shown), (8, true), "{}", joint.why);
        assert!(
            joint.why.starts_with("the fewest files in flight that are shown"),
            "{}",
            joint.why
        );
    }

    /// On links whose knees are so far apart; what was known before, and what is after.
    fn served(knees: [u32; 2]) -> [Joint; 2] {
        let mut searches = of_knees(knees);
        let before = found(&searches);
        let best_up = recommend(&searches[0], Direction::Up);
        let trials = measured(&mut searches, knees);
        let sizes = searches[0].config().part_sizes_bytes.len() as u32;
        assert!((pairs::TRIALS..=sizes * pairs::TRIALS).contains(&trials[0]), "{trials:?}");
        assert_eq!(recommend(&searches[0], Direction::Up), best_up, "that is another question");
        [before, found(&searches)]
    }

    #[test]
    fn what_a_direction_knows_from_its_ramp_alone_is_measured_in_blocks() {
        let [before, after] = served([2, 8]);
        assert!(before.why.contains("one trial of the ramp"), "{}", before.why);
        assert_eq!((before.concurrency, before.within_margin_shown), (8, false));
        assert_eq!((after.concurrency, after.within_margin_shown), (8, true), "{}", after.why);
        assert_eq!(after.serves[0].comparison.phase, Some(Phase::BothWays));
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
            let mut searches = of_knees(knees);
            measured(&mut searches, knees);
            let joint = found(&searches);
            prop_assert!(joint.within_margin_shown, "{}", joint.why);
            let needed = f64::from(knees[0].max(knees[1])) * (1.0 - MARGIN);
            prop_assert!(f64::from(joint.concurrency) >= needed - 0.5, "{}", joint.why);
        }
    }

    #[test]
    fn of_three_datasets_the_number_serves_each_and_the_figures_name_it() {
        let knees = [2, 8, 24];
        let mut searches = of_knees(knees);
        measured(&mut searches, knees);
        let names = ["many-small", "genomics", "climate"];
        let searched: Vec<Searched> = names
            .into_iter()
            .zip(&searches)
            .map(|(name, search)| {
                (
                    Workload { direction: Traffic::Up, dataset: Some(name.into()), dtns: None },
                    search,
                )
            })
            .collect();
        let joint = joint(&searched, 64 * MIB, &GcsOptions::default()).unwrap();
        assert!((23..=32).contains(&joint.concurrency), "{}", joint.why);
        assert!(
            joint.within_margin_shown && joint.why.contains("of each dataset"),
            "{}",
            joint.why
        );
        for (name, served) in names.into_iter().zip(&joint.serves) {
            assert_eq!(served.dataset.as_deref(), Some(name));
            assert!(joint.why.contains(&format!("{name} up 1.00 of the best")), "{}", joint.why);
        }
    }

    #[test]
    fn what_is_known_well_both_ways_is_not_measured_again() {
        assert_eq!(measured(&mut of_knees([8, 8]), [8, 8]), [0, 0]);
    }

    #[test]
    fn where_no_number_serves_both_the_one_that_loses_least_is_taken_with_its_figures() {
        // Up is best with 4 files, of which 16 lose half; down needs 16.
        let joint = found(&[searched(4, true), searched(16, false)]);
        assert!(!joint.within_margin, "{}", joint.why);
        let [up, down] = [0, 1].map(|nth| joint.serves[nth].comparison.ratio);
        let worse = up.min(down);
        for files in [2, 4, 8, 16, 32] {
            let up = (f64::from(files).min(4.0) / 4.0) / (f64::from(files) / 4.0).max(1.0).sqrt();
            let down = f64::from(files).min(16.0) / 16.0;
            assert!(up.min(down) <= worse + 0.02, "{files}: {}", joint.why);
        }
        assert!(joint.why.contains("loses least"), "{}", joint.why);
        let figure = format!("down {down:.2} of the best");
        assert!(joint.why.contains(&figure), "{}", joint.why);
    }

    #[test]
    fn other_parts_of_a_file_in_flight_than_the_connector_has_say_nothing() {
        let options = GcsOptions { connector_parts_in_flight: Some(4), ..GcsOptions::default() };
        let searches = of_knees([8, 8]);
        assert_eq!(joint(&both_ways(&searches), 64 * MIB, &options), None);
    }
}
