//! The tuner on links whose best settings are known: the tuner's benchmark with fewer surfaces. Seeds are
//! fixed and no clock has a part in it, so it comes out the same each time.

#[path = "../../benches/tuner/strategies.rs"]
mod strategies;
#[path = "../../benches/tuner/study.rs"]
mod study;
#[path = "../../benches/tuner/surface.rs"]
mod surface;

use strategies::Strategy;
use study::{Claims, Losses, mean, percentile, study};
use surface::Shape;

#[test]
fn the_tuner_loses_little_and_claims_no_more_than_is_true() {
    let study = study(96, 12);

    let losses = |strategy: Strategy| &study.losses[&strategy];
    let p95 = |losses: &Losses| percentile(&losses.excess_regret, 0.95);
    let tidegate = losses(Strategy::Tidegate);
    assert_eq!(percentile(&tidegate.excess_regret, 0.5), 0.0);
    assert!(p95(tidegate) <= 0.03, "{}", p95(tidegate));
    let answers = tidegate.excess_regret.len() as u32;
    assert!(20 * tidegate.unanswered <= answers, "no answer on {}", tidegate.unanswered);
    let most = percentile(&tidegate.bytes_share, 1.0);
    assert!(most <= 0.21, "{most} of the bytes of a grid");
    for strategy in Strategy::ALL {
        if ![Strategy::Tidegate, Strategy::Grid].contains(&strategy) {
            let other = losses(strategy);
            let (less, more) = (mean(&tidegate.excess_regret), mean(&other.excess_regret));
            assert!(less < more, "{}: {less} and {more}", strategy.name());
            assert!(p95(tidegate) < p95(other), "{}", strategy.name());
        }
    }

    let share =
        |part: fn(&Claims) -> u32, whole: fn(&Claims) -> u32, of: &dyn Fn(Shape) -> bool| {
            let strata = || study.claims.iter().filter(|((shape, _), _)| of(*shape));
            let sum =
                |count: fn(&Claims) -> u32| strata().map(|(_, claims)| count(claims)).sum::<u32>();
            f64::from(sum(part)) / f64::from(sum(whole))
        };
    let all = |_| true;
    let hold = share(|claims| claims.hold, |claims| claims.intervals, &all);
    assert!(hold >= 0.93, "{hold} of the intervals hold the truth");
    let raced = share(|claims| claims.raced_hold, |claims| claims.raced, &all);
    assert!(raced >= 0.95, "{raced} of the race's bounds hold the truth");
    let clear =
        share(|claims| claims.clear, |claims| claims.searches, &|shape| shape == Shape::Flat);
    assert!(clear <= 0.05, "\"clear\" is said of {clear} of the flat ones");
    let differ = share(|claims| claims.twice_differ, |claims| claims.twice, &all);
    assert!(differ <= 0.065, "{differ} of the settings measured twice are told apart");
    let wrong = share(|claims| claims.clear_but_wrong, |claims| claims.clear, &all);
    assert!(wrong <= 0.05, "{wrong} of what is clear is wrong");
}
