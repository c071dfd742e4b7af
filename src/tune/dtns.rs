//! How many DTNs pay: from a search with each number of them.

use crate::result::{DtnStep, MoreDtns};
use crate::units::{Rate, counted};
use crate::words::whole_percent;

/// Another DTN pays that brings at least so much of what each of those before it carries.
const PAYS: f64 = 0.5;

/// What each number of DTNs brought, the fewest first, and for which numbers no settings could be recommended; `None` if
/// there are fewer than two that brought something.
///
/// Between two numbers that were searched goodput is taken to rise evenly until it is what the larger number has: DTNs
/// that share nothing bring their full share each, until what they share is full (ASSUMPTION).
pub fn more_dtns(steps: Vec<DtnStep>, without_answer: Vec<u32>) -> Option<MoreDtns> {
    let ([first, ..], true) = (&steps[..], steps.len() > 1) else { return None };
    let mut pay = first.dtns;
    let (mut end_seen, mut interpolated) = (false, false);
    for (before, next) in steps.iter().zip(&steps[1..]) {
        let paying = paying(before, next);
        pay = paying.min(next.dtns);
        if paying < next.dtns {
            end_seen = true;
            interpolated = pay > before.dtns;
            break;
        }
    }
    let certain =
        certain(&steps, pay) && without_answer.iter().all(|dtns| *dtns > pay.saturating_add(1));
    let found = MoreDtns {
        dtns_that_pay: pay,
        end_seen,
        interpolated,
        certain,
        without_answer,
        why: String::new(),
        steps,
    };
    Some(MoreDtns { why: why(&found), ..found })
}

/// Up to which number another pays, if goodput rises from the one to the other as it is taken to.
fn paying(before: &DtnStep, next: &DtnStep) -> u32 {
    let share = before.goodput_bytes_per_second / f64::from(before.dtns);
    let paying = next.goodput_bytes_per_second / share + 1.0 - PAYS;
    if paying.is_finite() { (paying.floor() as u32).max(before.dtns) } else { next.dtns }
}

/// Whether the intervals of the goodputs leave the number as it is.
fn certain(steps: &[DtnStep], pay: u32) -> bool {
    let with = |step: &DtnStep, goodput_bytes_per_second: f64| DtnStep {
        goodput_bytes_per_second,
        ..step.clone()
    };
    let mut told = steps.iter().zip(&steps[1..]).take_while(|(before, _)| before.dtns <= pay);
    told.all(|(before, next)| {
        let [before_low, before_high] = before.interval_95;
        let [low, high] = next.interval_95;
        let least = paying(&with(before, before_high), &with(next, low));
        let most = paying(&with(before, before_low), &with(next, high));
        least.min(next.dtns) == most.min(next.dtns)
    })
}

fn why(found: &MoreDtns) -> String {
    let MoreDtns { dtns_that_pay, end_seen, certain, without_answer, steps, .. } = found;
    let told = steps.iter().map(|step| {
        let carry = if step.dtns == 1 { "carries" } else { "carry" };
        let goodput = Rate(step.goodput_bytes_per_second);
        format!("{} {carry} {goodput}", counted(step.dtns, "DTN"))
    });
    let told = told.collect::<Vec<_>>().join(", ");
    let (pay, half) = (counted(*dtns_that_pay, "DTN"), whole_percent(PAYS));
    let answer = match end_seen {
        true => format!("another beside {pay} would bring less than {half} of a share"),
        false => {
            format!("each of {pay} brings at least {half} of a share, and more were not measured")
        }
    };
    let without: Vec<String> = without_answer.iter().map(ToString::to_string).collect();
    let without = match &without[..] {
        [] => String::new(),
        numbers => format!("; with {} DTNs no settings could be recommended", numbers.join(", ")),
    };
    let doubt = match certain {
        true => "",
        false => "; what was measured would also allow another number",
    };
    format!("{told}: {answer}{without}{doubt}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::result::Settings;
    use crate::units::MIB;

    fn step(dtns: u32, goodput: f64, half_width: f64) -> DtnStep {
        DtnStep {
            dtns,
            settings: Settings { part_size_bytes: 64 * MIB, concurrency: 4, parts_in_flight: 1 },
            goodput_bytes_per_second: goodput,
            interval_95: [goodput * (1.0 - half_width), goodput * (1.0 + half_width)],
        }
    }

    fn found(goodputs: &[(u32, f64)], half_width: f64) -> MoreDtns {
        let steps = goodputs.iter().map(|(dtns, goodput)| step(*dtns, *goodput, half_width));
        more_dtns(steps.collect(), Vec::new()).unwrap()
    }

    #[test]
    fn one_number_says_nothing_of_another() {
        assert_eq!(more_dtns(vec![step(2, 1e9, 0.0)], Vec::new()), None);
    }

    #[test]
    fn another_pays_that_brings_half_of_a_share() {
        let pay = |second: f64| found(&[(1, 1e9), (2, second)], 0.0).dtns_that_pay;
        assert_eq!((pay(1.49e9), pay(1.51e9), pay(0.5e9)), (1, 2, 1));
    }

    #[test]
    fn the_end_is_said_to_be_seen_only_where_more_were_measured() {
        assert!(!found(&[(1, 1e9), (2, 2e9)], 0.0).end_seen);
        let full = found(&[(1, 1e9), (2, 2e9), (3, 2.1e9)], 0.0);
        assert!((full.dtns_that_pay, full.end_seen, full.interpolated) == (2, true, false));
    }

    #[test]
    fn intervals_that_allow_another_number_are_told() {
        assert!(found(&[(1, 1e9), (2, 1.2e9)], 0.05).certain);
        let doubtful = found(&[(1, 1e9), (2, 1.52e9)], 0.05);
        assert!(!doubtful.certain && doubtful.why.contains("another number"), "{}", doubtful.why);
    }

    #[test]
    fn a_number_without_an_answer_is_told_and_leaves_a_doubt() {
        let steps = || [1, 4].map(|dtns| step(dtns, 1e9, 0.0)).to_vec();
        let found = more_dtns(steps(), vec![2, 3]).unwrap();
        assert!(
            !found.certain && found.why.contains("with 2, 3 DTNs no settings"),
            "{}",
            found.why
        );
        assert!(more_dtns(steps(), vec![6]).unwrap().certain);
    }

    proptest! {
        /// DTNs that bring a full share each until what they share is full.
        #[test]
        fn between_numbers_that_were_measured_the_end_is_found(
            share in 1e6_f64..1e10,
            full_at in 1.0_f64..20.0,
            numbers in prop::collection::btree_set(2_u32..17, 1..6),
        ) {
            let carried = |dtns: u32| f64::from(dtns).min(full_at) * share;
            let mut goodputs = vec![(1, carried(1))];
            goodputs.extend(numbers.iter().map(|dtns| (*dtns, carried(*dtns))));
            let most = goodputs.last().unwrap().0;
            let pays = |dtns: &u32| carried(*dtns) - carried(dtns - 1) >= 0.5 * share;
            let truth = (2..=most).take_while(pays).last().unwrap_or(1);
            prop_assume!((full_at.fract() - 0.5).abs() > 1e-6);
            let found = found(&goodputs, 0.0);
            prop_assert_eq!(found.dtns_that_pay, truth);
            prop_assert_eq!(found.end_seen, truth < most);
        }
    }
}
