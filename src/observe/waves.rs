//! Parts in flight, from the times at which the parts of uploads arrived.
//!
//! A client with `k` parts in flight begins its part `j` when the `(j - k)`th has arrived: so under
//! the right `k` the times from the `(j - k)`th arrival to the `j`th are times of parts. Three things
//! tell `k`:
//!
//! 1. **Gaps.** When a part arrives before `g` parts with lower numbers, all of these are in flight
//!    with it, if parts begin in ascending order: `k > g`. This is a bound, whatever the times.
//! 2. **Waves.** Parts that begin together arrive together, so the times of parts vary far less under
//!    the right `k` than under others (the ratio of likelihoods of normal distributions says how sure
//!    that is).
//! 3. **The first part** of an upload took no longer than from CreateMultipartUpload to its arrival. By
//!    Little's law (J. D. C. Little, Operations Research 9, 1961) no larger `k` is possible than
//!    that time over the mean time between arrivals.
//!
//! `k` is inferred if these leave no other; else the gaps alone say that it is at least so many.
//! Steady arrivals without waves and with a slow first part are such a case.

use std::collections::BTreeSet;

use super::{Certainty, Finding, PartOrder};

/// The full parts of an upload, in order of arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    /// When the upload was begun, if the server says.
    pub(super) begun_us: Option<u64>,
    /// When each part arrived, and its number.
    pub(super) parts: Vec<(u64, u32)>,
}

/// Larger numbers of parts are bounded, not inferred: no connector that we know of comes near.
const INFERRED_MAX: usize = 64;
/// Full waves that must be seen.
const WAVES_MIN: usize = 3;
/// Shorter runs of parts in order come about by chance.
const RANGE_PARTS_MIN: usize = 8;
/// Natural logarithm of the ratio of likelihoods from which on another number is ruled out: 150 to 1.
const CLEARLY: f64 = 5.0;
/// Waves are waves if the times of their parts vary by less than this, relative to their mean.
/// In simulated uploads with more variation neighbours of the right number were taken for it.
const WAVES_VARY_MAX: f64 = 0.2;
/// A first part is as slow as others, give or take: a number is too large if its parts would need more
/// than this over the time that the first one had. Simulated parts whose times vary by up to a fifth
/// need 1.4 for the right number never to be ruled out; with 2, one part in flight would look like two.
const FIRST_PART_SLACK: f64 = 1.5;
/// A first part also waits for connections. With more than this over the mean time of the parts, more
/// parts may be in flight than the waves show.
const FIRST_PART_SLOWER_MAX: f64 = 1.5;

/// Parts of a file in flight, and their order. `visible` is how many unfinished parts of one upload
/// were seen at once. `None` if no part arrived.
pub(super) fn parts_in_flight(
    uploads: &[Arrivals],
    resolution_us: u64,
    visible: u64,
) -> Option<(Finding, PartOrder)> {
    if uploads.iter().all(|upload| upload.parts.is_empty()) {
        return None;
    }
    let ranged: Vec<usize> = uploads.iter().filter_map(ranges).collect();
    if 2 * ranged.len() > uploads.len() {
        let value = ranged.iter().copied().max().unwrap_or(1) as u64;
        let evidence = format!("parts arrive in {value} ascending ranges of the file at once");
        let finding = Finding { value, certainty: Certainty::Inferred, evidence };
        return Some((finding, PartOrder::Ranges));
    }
    let bound = uploads.iter().map(|upload| 1 + widest_gap(upload)).max()?.max(visible as usize);
    let finding = match Waves::of(uploads, resolution_us).and_then(|waves| waves.infer(bound)) {
        Some(inferred) => inferred,
        None => Finding {
            value: bound as u64,
            certainty: Certainty::AtLeast,
            evidence: match bound {
                1 => "no part overtook another, and the times leave more possible".into(),
                _ => format!("a part arrived before {} with lower numbers", bound - 1),
            },
        },
    };
    Some((finding, PartOrder::Ascending))
}

/// For each arrival, how many of the parts with lower numbers are still to come.
fn gaps(upload: &Arrivals) -> impl Iterator<Item = usize> {
    let mut all: Vec<u32> = upload.parts.iter().map(|(_, number)| *number).collect();
    all.sort_unstable();
    let mut arrived: Vec<u32> = Vec::with_capacity(all.len());
    upload.parts.iter().map(move |(_, number)| {
        let lower = arrived.partition_point(|other| other < number);
        arrived.insert(lower, *number);
        all.partition_point(|other| other < number) - lower
    })
}

fn widest_gap(upload: &Arrivals) -> usize {
    gaps(upload).max().unwrap_or(0)
}

/// How many ascending ranges of the file arrive at once, if it is so: nearly all parts follow their
/// predecessor, and yet a third of the file is missing below those that arrived.
fn ranges(upload: &Arrivals) -> Option<usize> {
    let mut arrived = BTreeSet::new();
    let mut begins = 0;
    for (_, number) in &upload.parts {
        begins += usize::from(!arrived.contains(&number.wrapping_sub(1)));
        arrived.insert(*number);
    }
    let parts = upload.parts.len();
    let with_gaps = gaps(upload).filter(|gap| *gap > 0).count();
    let ranges = begins > 1
        && RANGE_PARTS_MIN * begins <= parts
        && 3 * widest_gap(upload) >= parts
        && 2 * with_gaps >= parts;
    ranges.then_some(begins)
}

/// The times of parts, under each number in flight from 1 on.
struct Waves {
    under: Vec<Times>,
    /// From the begin of an upload to its first part's arrival, at most, in the median upload.
    first_s: f64,
}

#[derive(Clone, Copy)]
struct Times {
    mean_s: f64,
    variance: f64,
    /// Degrees of freedom of the variance.
    freedom: f64,
}

impl Waves {
    fn of(uploads: &[Arrivals], resolution_us: u64) -> Option<Self> {
        let longest = uploads.iter().map(|upload| upload.parts.len()).max()?;
        let most = (longest / WAVES_MIN).min(INFERRED_MAX);
        let under: Option<Vec<Times>> =
            (1..=most).map(|number| Times::under(number, uploads, resolution_us)).collect();
        let mut first: Vec<f64> = uploads
            .iter()
            .filter_map(|upload| {
                let (arrived, _) = upload.parts.first()?;
                // Both times are cut: it may have been longer by so much.
                Some(seconds(arrived.saturating_sub(upload.begun_us?) + resolution_us))
            })
            .collect();
        first.sort_unstable_by(f64::total_cmp);
        let first_s = first.get(first.len() / 2).copied()?;
        under.filter(|under| !under.is_empty()).map(|under| Self { under, first_s })
    }

    fn times(&self, number: usize) -> Times {
        self.under[number - 1]
    }

    /// The one number that is possible, from `bound` on.
    fn infer(&self, bound: usize) -> Option<Finding> {
        let too_many = |number: usize| self.is_too_many(self.times(number));
        let possible = (bound..=self.under.len()).filter(|number| !too_many(*number));
        let least = possible.clone().min_by(|one, other| {
            self.times(*one).variance.total_cmp(&self.times(*other).variance)
        })?;
        // Twice as many parts would make waves of two: the smallest number explains as much.
        let best =
            possible.clone().filter(|number| least.is_multiple_of(*number)).find(|number| {
                let times = self.times(*number);
                times.makes_waves(*number) && times.variance <= 4.0 * self.times(least).variance
            })?;
        let times = self.times(best);
        let only = possible
            .filter(|number| *number != best)
            .all(|number| self.times(number).is_less_likely_than(times))
            && too_many(self.under.len())
            && self.first_s <= FIRST_PART_SLOWER_MAX * times.mean_s;
        let evidence = match best {
            1 => format!("parts arrive one by one, every {:.2} s", times.mean_s),
            _ => format!("parts arrive in waves of {best}, every {:.2} s", times.mean_s),
        };
        only.then_some(Finding { value: best as u64, certainty: Certainty::Inferred, evidence })
    }

    /// Whether the first part would have needed more time than it had.
    fn is_too_many(&self, times: Times) -> bool {
        FIRST_PART_SLACK * self.first_s < times.mean_s
    }
}

impl Times {
    /// `None` if there are too few parts to tell.
    fn under(number: usize, uploads: &[Arrivals], resolution_us: u64) -> Option<Self> {
        let (mut squares, mut freedom, mut sum, mut count) = (0.0, 0.0, 0.0, 0.0);
        for upload in uploads {
            let arrivals = upload.parts.iter().map(|(arrived, _)| *arrived);
            let times: Vec<f64> = arrivals
                .clone()
                .zip(arrivals.skip(number))
                .map(|(before, arrived)| seconds(arrived - before))
                .collect();
            if times.len() < 2 {
                continue;
            }
            let total: f64 = times.iter().sum();
            let mean = total / times.len() as f64;
            squares += times.iter().map(|time| (time - mean).powi(2)).sum::<f64>();
            freedom += times.len() as f64 - 1.0;
            sum += total;
            count += times.len() as f64;
        }
        // Of a difference of two times that are cut to a resolution.
        let cut = seconds(resolution_us).powi(2) / 6.0;
        (freedom > 0.0).then(|| Self {
            mean_s: sum / count,
            variance: squares / freedom + cut,
            freedom,
        })
    }

    /// One part at a time makes no waves, and its times may vary as they like.
    fn makes_waves(self, number: usize) -> bool {
        number == 1 || self.variance.sqrt() <= WAVES_VARY_MAX * self.mean_s
    }

    fn is_less_likely_than(self, best: Self) -> bool {
        let freedom = self.freedom.min(best.freedom);
        0.5 * freedom * (self.variance / best.variance).ln() >= CLEARLY
    }
}

fn seconds(time_us: u64) -> f64 {
    time_us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of `part_s` on `lanes` connections, each varied by its factor.
    fn upload(lanes: usize, parts: usize, part_s: f64, vary: &[f64]) -> Arrivals {
        let mut free_at = vec![0.0_f64; lanes];
        let arrival = |number: usize| {
            let lane = (0..lanes).min_by(|a, b| free_at[*a].total_cmp(&free_at[*b])).unwrap();
            free_at[lane] += part_s * vary[number % vary.len()];
            // The server's clock has milliseconds.
            ((free_at[lane] * 1e3).round() as u64 * 1000, number as u32 + 1)
        };
        let mut parts: Vec<(u64, u32)> = (0..parts).map(arrival).collect();
        parts.sort_unstable();
        Arrivals { begun_us: Some(0), parts }
    }

    fn found(uploads: &[Arrivals]) -> (u64, Certainty, PartOrder) {
        let (finding, order) = parts_in_flight(uploads, 1000, 0).unwrap();
        (finding.value, finding.certainty, order)
    }

    #[test]
    fn numbers_in_flight_are_inferred_from_waves() {
        for lanes in [1, 2, 3, 4, 5, 8, 16] {
            let upload = upload(lanes, 5 * lanes + 7, 0.5, &[1.0, 1.04, 0.97, 1.01, 0.99]);
            let expected = (lanes as u64, Certainty::Inferred, PartOrder::Ascending);
            assert_eq!(found(&[upload]), expected, "{lanes} lanes");
        }
    }

    #[test]
    fn too_few_parts_show_a_bound_only() {
        let all_at_once = upload(8, 8, 0.5, &[1.08, 1.07, 1.06, 1.05, 1.04, 1.03, 1.02, 1.01]);
        let (value, certainty, _) = found(&[all_at_once]);
        assert_eq!((value, certainty), (8, Certainty::AtLeast), "the last one came first");
    }

    #[test]
    fn a_slow_first_part_leaves_more_than_one_possible() {
        let vary = [1.0, 1.05, 0.93, 1.02, 0.98, 1.08, 1.01, 0.95, 0.97, 1.06, 0.99];
        let mut upload = upload(1, 20, 0.5, &vary);
        upload.parts.iter_mut().for_each(|(arrived, _)| *arrived += 700_000);
        assert_eq!(found(&[upload]), (1, Certainty::AtLeast, PartOrder::Ascending));
    }

    #[test]
    fn without_the_begin_of_uploads_nothing_is_inferred() {
        let upload = Arrivals { begun_us: None, ..upload(4, 40, 0.5, &[1.0]) };
        assert_eq!(found(&[upload]).1, Certainty::AtLeast);
    }

    #[test]
    fn times_in_whole_seconds_hide_waves_of_half_seconds() {
        let mut upload = upload(4, 40, 0.5, &[1.0, 1.05]);
        upload
            .parts
            .iter_mut()
            .for_each(|(arrived, _)| *arrived = *arrived / 1_000_000 * 1_000_000);
        upload.parts.sort_unstable();
        let (finding, _) = parts_in_flight(&[upload], 1_000_000, 0).unwrap();
        assert_eq!(finding.certainty, Certainty::AtLeast, "{finding:?}");
    }

    #[test]
    fn ranges_of_a_file_that_grow_at_once_are_told_from_gaps() {
        let quarter = 25_u32;
        let parts = (0..4 * quarter).map(|step| {
            let (range, within) = (step % 4, step / 4);
            (u64::from(step) * 100_000, range * quarter + within + 1)
        });
        let upload = Arrivals { begun_us: Some(0), parts: parts.collect() };
        assert_eq!(found(&[upload]), (4, Certainty::Inferred, PartOrder::Ranges));
    }

    #[test]
    fn a_part_that_is_sent_again_late_is_no_sign_of_many() {
        let mut upload = upload(2, 40, 0.5, &[1.0, 1.1, 1.0, 0.93]);
        let late = upload.parts.iter().position(|(_, number)| *number == 3).unwrap();
        upload.parts[late].0 += 10_000_000;
        upload.parts.sort_unstable();
        let (finding, order) = parts_in_flight(&[upload], 1000, 0).unwrap();
        assert!(finding.value <= 3, "{finding:?}");
        assert_eq!(order, PartOrder::Ascending);
    }

    #[test]
    fn parts_that_are_seen_unfinished_are_in_flight() {
        let upload = upload(1, 4, 0.5, &[1.0]);
        let (finding, _) = parts_in_flight(&[upload], 1000, 3).unwrap();
        assert_eq!((finding.value, finding.certainty), (3, Certainty::AtLeast));
    }

    /// Times that vary by a fifth can come in waves that are not those of the lanes.
    #[test]
    fn what_is_inferred_is_hardly_ever_wrong() {
        let mut random = fastrand::Rng::with_seed(11);
        let (mut inferred, mut wrong) = (0, 0);
        for _ in 0..4000 {
            let lanes = random.usize(1..9);
            let vary: Vec<f64> = (0..97).map(|_| 0.8 + 0.4 * random.f64()).collect();
            let (value, certainty, order) =
                found(&[upload(lanes, random.usize(4..80), 0.5, &vary)]);
            assert_eq!(order, PartOrder::Ascending);
            let differs = match certainty {
                Certainty::Inferred => {
                    inferred += 1;
                    value != lanes as u64
                }
                _ => value > lanes as u64,
            };
            wrong += u32::from(differs);
        }
        assert!(inferred > 1000 && wrong <= 4, "{wrong} of 4000 are wrong, {inferred} inferred");
    }

    #[test]
    fn most_uploads_that_are_long_enough_tell() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut told = 0;
        for round in 0..200 {
            let lanes = 1 + round % 8;
            let vary: Vec<f64> = (0..97).map(|_| 0.9 + 0.2 * random.f64()).collect();
            let (value, certainty, _) = found(&[upload(lanes, 5 * lanes + 8, 0.5, &vary)]);
            told += u32::from((value, certainty) == (lanes as u64, Certainty::Inferred));
        }
        assert!(told >= 190, "{told} of 200");
    }
}
