//! The engine of one thread: its movers and its recorder.

use std::cell::RefCell;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::mover::Mover;
use super::{Control, Flow, Job};
use crate::measure::Recorder;
use crate::result::FileFailure;
use crate::store::Store;

/// One thread's share of a job. It outlives the future of [`Worker::drive`], so that what was
/// recorded is known also when that future is dropped half-way.
pub struct Worker<'a, S> {
    pub(super) store: &'a S,
    pub(super) job: &'a Job,
    pub(super) control: &'a Control,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) failures: RefCell<Vec<FileFailure>>,
    pub(super) random: RefCell<fastrand::Rng>,
}

/// What a worker leaves behind.
#[derive(Debug, Default)]
pub struct WorkerReport {
    /// Every attempt it made.
    pub recorder: Recorder,
    /// Files that did not arrive.
    pub failures: Vec<FileFailure>,
}

impl<'a, S: Store> Worker<'a, S> {
    /// The worker number `number` of a job.
    pub fn new(store: &'a S, job: &'a Job, control: &'a Control, number: u64) -> Self {
        Self {
            store,
            job,
            control,
            recorder: RefCell::new(Recorder::of_job(job.keep_attempts, job.direction == Flow::Up)),
            failures: RefCell::default(),
            random: RefCell::new(fastrand::Rng::with_seed(job.seed ^ number)),
        }
    }

    /// Runs the movers with these numbers until no file is left or the job drains; or does the job's script.
    pub async fn drive(&self, movers: impl IntoIterator<Item = u32>) {
        if let Some(script) = &self.job.script {
            return self.replay(script).await;
        }
        let mut movers: FuturesUnordered<_> =
            movers.into_iter().map(|number| Mover::new(self).run(number)).collect();
        while movers.next().await.is_some() {}
    }

    /// What was recorded. Call it after the future of [`Worker::drive`] is finished or dropped.
    pub fn report(self) -> WorkerReport {
        WorkerReport { recorder: self.recorder.into_inner(), failures: self.failures.into_inner() }
    }
}
