//! A store that flips one byte in 1 of 1,000 readings and in 1 of 1,000 stored parts, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::store::{Faulty, Odds};
use super::*;
use crate::dataset::{Dataset, Scale, Synthetic};
use crate::result::{Corrupt, Settings};
use crate::storj::{Limits, Model};
use crate::transfer::GetMode;
use crate::units::ByteSize;

const ONE_IN_1000: f64 = 0.001;

/// Files of five parts each.
const FILES: u64 = 4000;
const PARTS: u64 = 5;

fn job(direction: Flow, get: GetMode) -> Job {
    let scale = Scale { files: Some(FILES), size: Some(ByteSize(FILES * 1000 * PARTS)) };
    let dataset = Arc::new(Dataset::Synthetic(Synthetic::new("esnet-5MB", scale).unwrap()));
    let settings = Settings { part_size_bytes: 1000, concurrency: 8, parts_in_flight: 2 };
    Job {
        pattern: PATTERN.clone(),
        get,
        verify: true,
        seed: 1,
        ..Job::new(dataset, direction, settings, "p/".into())
    }
}

/// Moves all files; what was found, and the paths that failed.
async fn moved(store: &Faulty, job: &Job) -> (Corrupt, BTreeSet<String>) {
    let control = Control::new(Stage::Measuring, job);
    let worker = Worker::new(store, job, &control, 0);
    worker.drive(0..job.settings.concurrency).await;
    let report = worker.report();
    for failure in &report.failures {
        assert!(failure.reason.contains("corrupt in the store"), "{failure:?}");
    }
    let failed = report.failures.into_iter().map(|failure| failure.path);
    (report.recorder.corrupt, failed.collect())
}

fn world(odds: Odds, seed: u64) -> Faulty {
    let limits = Limits { part_size_min: ByteSize(1), ..Limits::none() };
    let model = Model { round_trip: Duration::from_millis(1), ..Model::default() };
    Faulty::new(ModelStore::new(model, limits, Retain::Memory, seed), odds, seed)
}

/// Paths of the keys that hold a wrong byte.
fn corrupt_paths(store: &Faulty, job: &Job) -> BTreeSet<String> {
    let keys = store.corrupt_keys.borrow();
    keys.iter().map(|key| key.strip_prefix(&job.prefix).unwrap().to_owned()).collect()
}

#[test]
fn every_corruption_on_the_way_up_is_found_and_none_is_invented() {
    let odds = Odds { fault: 0.0, corrupt_reading: ONE_IN_1000, corrupt_stored: ONE_IN_1000 };
    clock::simulate(async {
        let (store, job) = (world(odds, 5), job(Flow::Up, GetMode::Whole));
        let (corrupt, failed) = moved(&store, &job).await;
        let stored = corrupt_paths(&store, &job);
        assert!(stored.len() > 10 && store.wrong_readings.get() > 2, "{corrupt:?}");
        assert_eq!(failed, stored, "exactly these were called corrupt in the store");
        let expected = Corrupt {
            in_reading: store.wrong_readings.get(),
            in_store: stored.len() as u64,
            unsettled: 0,
        };
        assert_eq!(corrupt, expected);
    });
}

#[test]
fn every_corruption_on_the_way_down_is_found_and_none_is_invented() {
    let odds = Odds { fault: 0.0, corrupt_reading: 0.0, corrupt_stored: ONE_IN_1000 };
    clock::simulate(async {
        // What is there was uploaded without a look at it.
        let (writer, up) = (world(odds, 2), job(Flow::Up, GetMode::Whole));
        let (_, failed) = moved(&writer, &Job { verify: false, ..up }).await;
        assert_eq!(failed, BTreeSet::new());
        let odds = Odds { corrupt_reading: ONE_IN_1000, corrupt_stored: 0.0, ..odds };
        let store = Faulty::new(writer.bucket.clone(), odds, 3);
        let job = job(Flow::Down, GetMode::Ranged);
        let (corrupt, failed) = moved(&store, &job).await;
        let stored = corrupt_paths(&writer, &job);
        assert!(stored.len() > 10 && store.wrong_readings.get() > 10, "{corrupt:?}");
        assert_eq!(failed, stored);
        assert_eq!((corrupt.in_reading, corrupt.unsettled), (store.wrong_readings.get(), 0));
    });
}
