//! The search on links whose features are a formula.

use std::time::Duration;

use futures::FutureExt;
use proptest::prelude::*;

use super::estimate::{Estimate, Fitted, Held};
use super::features::{Feature, Features};
use super::{Asked, Cell, During, Measured, Parameter, search};
use crate::plan::{Manner, Shape};
use crate::result::{Direction, RetryMode, Settings};
use crate::storj::Model;
use crate::units::{MIB, Rate};

fn asked(part_mib: u64, concurrency: u32) -> Asked {
    let part_size_bytes = part_mib * MIB;
    let settings = Settings { part_size_bytes, concurrency, parts_in_flight: 1 };
    let window = Duration::from_secs(10);
    Asked {
        manner: Manner { direction: Direction::Up, settings, ranged: false },
        shape: Shape::equal(64.0, 64e9),
        profile: None,
        stored_part_size_bytes: part_size_bytes,
        retry: RetryMode::Standard,
        during: During::Window { warm_up: window, window },
    }
}

/// A link so simple that its features are a formula: no segments, no nodes, a file is its parts.
fn shown(model: &Model, asked: &Asked) -> Features {
    let Settings { part_size_bytes, concurrency, .. } = asked.manner.settings;
    let [bytes, streams] = [part_size_bytes as f64, f64::from(concurrency)];
    let [stream, all] =
        [model.connection_rate, model.shared_rate].map(|rate| rate.map_or(1e12, |rate| rate.0));
    let round_trip_s = model.round_trip.as_secs_f64();
    let pause_s = round_trip_s + model.part_overhead.as_secs_f64();
    let part_s = (pause_s + bytes / stream).max(bytes * streams / all);
    Features::told(&[
        (Feature::Rate, streams * bytes / part_s),
        (Feature::CallTime, round_trip_s + model.call_overhead.as_secs_f64()),
        (Feature::PartTime, part_s),
    ])
}

fn link(stream: f64, all: f64, part_ms: u64) -> Model {
    Model {
        round_trip: Duration::from_millis(20),
        call_overhead: Duration::from_millis(40),
        part_overhead: Duration::from_millis(part_ms),
        connection_rate: Some(Rate(stream)),
        shared_rate: Some(Rate(all)),
        ..Model::default()
    }
}

/// The trials of each cell differ by `scatter`.
fn fitted(truth: &Model, like: &Model, asked: &[Asked], scatter: f64) -> Fitted {
    let trial = |one: &Asked, by: f64| {
        let shown = shown(truth, one);
        let told = |feature| shown.ln(feature).map(|ln| (feature, (ln + by).exp()));
        let told = [Feature::Rate, Feature::CallTime, Feature::PartTime].map(told);
        Features::told(&told.into_iter().flatten().collect::<Vec<_>>())
    };
    let cells = asked.iter().map(|one| Cell {
        asked: one.clone(),
        trials: vec![trial(one, scatter), trial(one, -scatter)],
    });
    let measured = Measured { cells: cells.collect(), tls: Some(false), ..Measured::default() };
    let simulate = async |models: Vec<Model>| {
        let all = |model: &Model| asked.iter().map(|one| vec![shown(model, one)]).collect();
        Ok(models.iter().map(all).collect())
    };
    search(&measured, like, &simulate).now_or_never().expect("nothing waits").unwrap()
}

fn found(fitted: &Fitted, parameter: Parameter) -> Estimate {
    *fitted.estimates.iter().find(|one| one.parameter == parameter).expect("it was searched")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_the_cells_show_is_found_wherever_the_link_it_is_like_lies(
        stream in 5e6_f64..200e6, most in 3.0_f64..20.0, part_ms in 50_u64..300,
    ) {
        let truth = link(stream, most * stream, part_ms);
        let cells: Vec<Asked> =
            [16, 64].into_iter().flat_map(|part| [1, 4, 16, 64].map(|n| asked(part, n))).collect();
        let fitted = fitted(&truth, &link(50e6, 1.25e9, 100), &cells, 0.0);
        for (parameter, real) in
            [(Parameter::ConnectionRate, stream), (Parameter::SharedRate, most * stream)]
        {
            let told = found(&fitted, parameter);
            prop_assert!((told.value / real - 1.0).abs() < 0.03, "{told:?} for {real}");
            prop_assert_eq!(told.held, Held::Measured);
        }
        for told in &fitted.told {
            let ratio = told.ratio().unwrap();
            prop_assert!((ratio - 1.0).abs() < 0.02, "{ratio} of {:?}", told.asked.manner.settings);
        }
    }
}

#[test]
fn what_nothing_shows_is_taken_from_the_link_it_is_like() {
    let segment_overhead = Duration::from_millis(70);
    let like = Model { segment_overhead, ..link(50e6, 1.25e9, 100) };
    let cells = [1, 2, 4].map(|concurrency| asked(16, concurrency));
    let fitted = fitted(&link(20e6, 10e9, 60), &like, &cells, 0.0);
    let segment = found(&fitted, Parameter::SegmentOverhead);
    assert_eq!((segment.held, segment.value), (Held::Taken, 0.07));
    let shared = found(&fitted, Parameter::SharedRate);
    assert_eq!((shared.held, shared.interval_90), (Held::NotReached, None));
    assert!((shared.value / 1.25e9 - 1.0).abs() < 1e-6, "{shared:?}");
}

#[test]
fn a_link_that_was_never_filled_carries_at_least_what_was_carried() {
    let cells = [1, 8, 64].map(|concurrency| asked(64, concurrency));
    let fitted = fitted(&link(100e6, 1e12, 10), &link(50e6, 1.25e9, 100), &cells, 0.0);
    let shared = found(&fitted, Parameter::SharedRate);
    assert!(shared.value > 5.5e9, "{shared:?}");
}

#[test]
fn trials_of_the_same_that_differ_make_the_intervals_wider() {
    let cells = [1, 4, 16, 64].map(|concurrency| asked(16, concurrency));
    let width = |scatter: f64| {
        let fitted = fitted(&link(20e6, 400e6, 60), &link(50e6, 1.25e9, 100), &cells, scatter);
        let [low, high] = found(&fitted, Parameter::SharedRate).interval_90.unwrap();
        high / low
    };
    let [narrow, wide] = [width(0.001), width(0.1)];
    assert!(wide > 1.1 * narrow, "{wide} beside {narrow}");
}

#[test]
fn the_file_of_a_fitted_link_is_read_as_the_link() {
    let cells = [1, 4, 16, 64].map(|concurrency| asked(16, concurrency));
    let fitted = fitted(&link(20e6, 400e6, 60), &link(50e6, 1.25e9, 100), &cells, 0.001);
    let text = super::text(&fitted, &["a run".into()], "a preset");
    let read: Model = toml::from_str(&text).unwrap();
    for parameter in [read.connection_rate, read.shared_rate].map(Option::unwrap) {
        assert!(parameter.0 > 1e6, "{text}");
    }
    let off = read.part_overhead.abs_diff(fitted.model.part_overhead);
    assert!(off <= Duration::from_micros(1), "{text}");
    assert!(text.contains("ASSUMPTION") && text.contains("measured"), "{text}");
}
