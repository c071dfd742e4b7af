//! Runs with a known difference, or none.

use super::*;
use crate::report::samples;
use crate::result::{Checksum, GetMode, PayloadSigning, Phase};

const BLOCKS: u32 = 8;

/// What a session measures: the truth, how much trials and sessions vary.
#[derive(Clone, Copy)]
struct Truth {
    goodput: f64,
    noise: f64,
    between_sessions: f64,
}

const LINK: Truth = Truth { goodput: 500e6, noise: 0.05, between_sessions: 0.0 };
const SLOWER: Truth = Truth { goodput: 450e6, ..LINK };

fn normal(random: &mut fastrand::Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}

/// A session of eight blocks of one settings.
fn session(truth: Truth, random: &mut fastrand::Rng) -> Document {
    let mut document = samples::unfinished();
    document.id = format!("{:x}", random.u64(..));
    let mut trial = document.trials.remove(0);
    document.trials.clear();
    let level = truth.goodput * (truth.between_sessions * normal(random)).exp();
    for block in 0..BLOCKS {
        trial.id = block;
        (trial.phase, trial.block) = (Phase::Race, Some(block));
        trial.goodput_bytes_per_second = level * (truth.noise * normal(random)).exp();
        document.trials.push(trial.clone());
    }
    document
}

/// Eight runs of one trial each on either side, made in turns.
fn in_turns(first: Truth, second: Truth, random: &mut fastrand::Rng) -> [Vec<Document>; 2] {
    let mut minute = 0;
    let mut run = |truth: Truth| {
        let mut document = session(truth, random);
        document.trials.truncate(1);
        document.trials[0].block = None;
        document.started = format!("2026-11-23T10:{minute:02}:00Z");
        minute += 1;
        document
    };
    let pairs = (0..BLOCKS).map(|_| (run(first), run(second)));
    let (first, second) = pairs.unzip();
    [first, second]
}

fn found(first: &[Document], second: &[Document], sd: Option<f64>) -> Compared {
    let how = Judgement { threshold: 0.0, between_sessions_sd: sd };
    compare(first, second, how).expect("they are comparable")
}

/// In how many of a thousand.
fn share(of: impl FnMut(u64) -> bool) -> f64 {
    (0..1000).map(of).filter(|holds| *holds).count() as f64 / 1000.0
}

fn is_alarm(compared: &Compared) -> bool {
    assert_ne!(compared.finding, Finding::NotJudged);
    compared.finding != Finding::NoDifference
}

#[test]
fn a_run_does_not_differ_from_itself() {
    for (name, document) in samples::all() {
        let run = [document];
        if run[0].trials.is_empty() {
            continue;
        }
        let compared = found(&run, &run, None);
        assert_eq!(compared.finding, Finding::NoDifference, "{name}");
        assert_eq!((compared.ratio, compared.interval_95), (1.0, Some([1.0, 1.0])), "{name}");
    }
}

#[test]
fn a_link_slower_by_ten_percent_is_found_in_runs_that_took_turns() {
    let found = share(|seed| {
        let [first, second] = in_turns(LINK, SLOWER, &mut fastrand::Rng::with_seed(seed));
        let compared = found(&first, &second, None);
        assert_eq!(compared.basis, Basis::PairedRuns(8));
        compared.finding == Finding::Regression
    });
    assert!(found >= 0.9, "found in {found}");
}

#[test]
fn it_is_found_in_two_sessions_of_eight_blocks_when_the_spread_between_sessions_is_given() {
    let found = share(|seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let (first, second) = (session(LINK, &mut random), session(SLOWER, &mut random));
        let compared = found(&[first], &[second], Some(0.0));
        assert_eq!(compared.basis, Basis::Unpaired([1, 1]));
        compared.finding == Finding::Regression
    });
    assert!(found >= 0.9, "found in {found}");
}

#[test]
fn equals_that_took_turns_raise_few_alarms() {
    let noisy = Truth { between_sessions: 0.1, ..LINK };
    for truth in [LINK, noisy] {
        let alarms = share(|seed| {
            let [first, second] = in_turns(truth, truth, &mut fastrand::Rng::with_seed(seed));
            is_alarm(&found(&first, &second, None))
        });
        assert!(alarms <= 0.065, "alarms in {alarms}");
    }
}

#[test]
fn equal_sessions_raise_few_alarms_when_the_spread_between_them_is_given() {
    for between_sessions in [0.0, 0.03, 0.1] {
        let truth = Truth { between_sessions, ..LINK };
        let alarms = share(|seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            let (first, second) = (session(truth, &mut random), session(truth, &mut random));
            is_alarm(&found(&[first], &[second], Some(between_sessions)))
        });
        assert!(alarms <= 0.065, "sessions vary by {between_sessions}: alarms in {alarms}");
    }
}

#[test]
fn unpaired_sessions_are_not_judged_without_a_given_spread() {
    let mut random = fastrand::Rng::with_seed(1);
    let (first, second) = (session(LINK, &mut random), session(SLOWER, &mut random));
    let compared = found(&[first], &[second], None);
    assert_eq!((compared.interval_95, compared.finding), (None, Finding::NotJudged));
}

#[test]
fn a_series_after_the_other_is_unpaired() {
    let [first, mut second] = in_turns(LINK, LINK, &mut fastrand::Rng::with_seed(1));
    for document in &mut second {
        document.started = document.started.replace("T10", "T11");
    }
    assert_eq!(found(&first, &second, None).basis, Basis::Unpaired([8, 8]));
}

#[test]
fn a_slowdown_within_the_threshold_is_no_regression() {
    let [first, second] = in_turns(LINK, SLOWER, &mut fastrand::Rng::with_seed(1));
    let how = |threshold| Judgement { threshold, between_sessions_sd: None };
    let finding = |threshold| compare(&first, &second, how(threshold)).unwrap().finding;
    assert_eq!(finding(0.0), Finding::Regression);
    assert_eq!(finding(0.2), Finding::Slower);
    assert_eq!(compare(&second, &first, how(0.0)).unwrap().finding, Finding::Faster);
}

#[test]
fn what_speaks_of_different_things_is_refused_with_the_reason() {
    let tune = samples::tune();
    let refused = |other: Document| {
        let how = Judgement::default();
        compare(std::slice::from_ref(&tune), &[other], how).unwrap_err().to_string()
    };
    assert!(refused(samples::embedded()).contains("the embedded gateway"));
    let mut down = tune.clone();
    down.trials.iter_mut().for_each(|trial| trial.direction = Traffic::Down);
    assert!(refused(down).contains("different ways"));
    let mut ranged = tune.clone();
    ranged.scenario.get = GetMode::Ranged;
    assert!(refused(ranged).contains("`get` is \"whole\" in one and \"ranged\" in the other"));
    let mut larger = tune.clone();
    larger.trials.iter_mut().for_each(|trial| trial.settings.part_size_bytes *= 16);
    assert!(refused(larger).contains("no settings were measured by all"));
    assert!(refused(samples::run_with_failures()).contains("a whole dataset"));
}

/// The same runs, in which each cost so much.
fn costing(
    mut side: Vec<Document>,
    seconds_per_gb: f64,
    proof: (PayloadSigning, Checksum),
) -> Vec<Document> {
    for document in &mut side {
        (document.scenario.payload, document.scenario.checksum) = (Some(proof.0), Some(proof.1));
        document.trials[0].client.cpu_seconds_per_gb = Some(seconds_per_gb);
    }
    side
}

#[test]
fn what_goes_with_uploads_is_named_as_the_difference_beside_what_it_costs() {
    let [first, second] = in_turns(LINK, SLOWER, &mut fastrand::Rng::with_seed(1));
    let second = costing(second, 0.6, (PayloadSigning::Streaming, Checksum::None));
    let cheap = |mut side: Vec<Document>| {
        for document in &mut side {
            document.trials[0].client.cpu_seconds_per_gb = Some(0.2);
        }
        side
    };
    // What says nothing of it is from before, or had nothing of it.
    let compared = found(&cheap(first.clone()), &second, None);
    let payload = Difference { name: "payload", first: "unsigned", second: "streaming" };
    assert_eq!(compared.differs, [payload]);
    let cpu = compared.cpu.unwrap();
    let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
    assert!(near(cpu.seconds_per_gb[0], 0.2) && near(cpu.seconds_per_gb[1], 0.6), "{cpu:?}");
    assert!(near(cpu.ratio, 3.0) && cpu.interval_95.is_some(), "{cpu:?}");

    let alike = costing(first.clone(), 0.2, (PayloadSigning::Unsigned, Checksum::None));
    assert_eq!(found(&cheap(first), &alike, None).differs, []);
}

#[test]
fn a_side_whose_runs_differ_among_themselves_is_refused() {
    let [first, second] = in_turns(LINK, LINK, &mut fastrand::Rng::with_seed(1));
    let mut mixed = second;
    mixed[3].scenario.checksum = Some(Checksum::Md5);
    let error = compare(&first, &mixed, Judgement::default()).unwrap_err().to_string();
    assert!(error.contains("some runs of the second"), "{error}");
    assert!(error.contains("`--payload unsigned --checksum md5`"), "{error}");
}
