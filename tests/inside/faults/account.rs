//! What the movers of a schedule left, as plain facts: what they recorded, what the store knows of it,
//! and what lies where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use super::Tally;
use super::store::{Answered, Faulty};
use crate::measure::{Attempt, Live, Outcome};
use crate::result::{Corrupt, FileFailure, OperationSummary};
use crate::transfer::{Job, Sink, WorkerReport};

/// All bins of a trial.
const ALL: usize = usize::MAX;

/// What is checked after a schedule.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) job: Rc<Job>,
    /// By the user, or because its allowance was used up.
    pub(super) interrupted: bool,
    pub(super) attempts: Vec<Attempt>,
    /// By operation.
    pub(super) summaries: BTreeMap<String, OperationSummary>,
    pub(super) bytes: Bytes,
    pub(super) files: Files,
    pub(super) cut: u64,
    pub(super) corrupt: Corrupt,
    pub(super) failures: Vec<FileFailure>,
    /// Uploads that the engine says are open.
    pub(super) known_uploads: usize,
    /// Those that are, below the run's prefix.
    pub(super) open_uploads: usize,
    /// Every attempt as the store saw it.
    pub(super) answered: Vec<Answered>,
    pub(super) wrong_readings: u64,
    pub(super) corrupt_keys: BTreeSet<String>,
    /// What lies below the run's prefix.
    pub(super) objects: BTreeMap<String, Vec<u8>>,
    /// What lies in the directory of the downloads, if there is one.
    pub(super) written: Option<BTreeMap<String, Vec<u8>>>,
}

/// Sums of the recorder, of what users see meanwhile, and of the allowance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    pub(super) wire: u64,
    pub(super) good: u64,
    pub(super) payload: u64,
    pub(super) seen: u64,
    pub(super) spent_of_allowed: Option<(u64, u64)>,
}

/// Counts that users see meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files {
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) bytes_done: u64,
}

impl Account {
    pub(super) fn of(
        job: &Rc<Job>,
        store: &Faulty,
        live: &Live,
        report: &WorkerReport,
        interrupted: bool,
    ) -> Self {
        let recorder = &report.recorder;
        // What is read back counts for itself: for the direction asked there is nothing more.
        let back = recorder.read_back();
        let spent_of_allowed = job.allowance.as_ref().map(|allowance| {
            (allowance.spent().bytes(), allowance.caps().bytes.unwrap_or(u64::MAX))
        });
        let (objects, uploads) = store.bucket.look();
        let is_ours = |key: &String| key.starts_with(&job.prefix);
        Self {
            job: Rc::clone(job),
            interrupted,
            attempts: recorder.attempt_records().copied().collect(),
            summaries: recorder.summaries(),
            bytes: Bytes {
                wire: recorder.wire_bytes(0, ALL) + back.wire_bytes(0, ALL),
                good: recorder.good_bytes(0, ALL) + back.good_bytes(0, ALL),
                payload: recorder.payload_bytes() + back.payload_bytes(),
                seen: live.wire_bytes(),
                spent_of_allowed,
            },
            files: Files {
                done: Live::get(&live.files_done),
                failed: Live::get(&live.files_failed),
                bytes_done: Live::get(&live.bytes_done),
            },
            cut: recorder.cut(),
            corrupt: recorder.corrupt,
            failures: report.failures.clone(),
            known_uploads: job.ledger.open_uploads().len(),
            open_uploads: uploads.iter().filter(|key| is_ours(key)).count(),
            answered: store.answered.borrow().clone(),
            wrong_readings: store.wrong_readings.get(),
            corrupt_keys: store.corrupt_keys.borrow().clone(),
            objects: objects.into_iter().filter(|(key, _)| is_ours(key)).collect(),
            written: match &job.sink {
                Sink::Directory(folder) => Some(files_below(folder.path())),
                Sink::Discard => None,
            },
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally {
            files_done: self.files.done,
            files_failed: self.files.failed,
            interrupted: self.interrupted.into(),
            left_open: self.known_uploads as u64,
            ..Tally::default()
        };
        let corrupt = self.corrupt;
        tally.corrupt = corrupt.in_reading + corrupt.in_store + corrupt.unsettled;
        for attempt in &self.attempts {
            tally.attempts += 1;
            match attempt.outcome {
                Outcome::Ok => tally.ok += 1,
                Outcome::Cut | Outcome::UnderWay => tally.cut += 1,
                Outcome::Failed(class) => tally.failed[class as usize] += 1,
            }
            if attempt.number > 1 {
                tally.resent_bytes += attempt.bytes;
            }
        }
        tally
    }
}

/// All files below a directory, with paths relative to it.
fn files_below(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.strip_prefix(root).expect("it is below");
            let name = name.to_str().expect("names are UTF-8").to_owned();
            files.insert(name, std::fs::read(&path).expect("it can be read"));
        }
    }
    files
}
