//! A request and its attempts: each is timed, ends in exactly one outcome, and may be tried again.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::mover::Mover;
use crate::clock;
use crate::measure::{AttemptId, Live, Operation, Outcome, Probe};
use crate::store::{Store, StoreError};
use crate::transfer::{Stage, Worker};

impl<S: Store> Mover<'_, S> {
    /// Makes a request about a whole file.
    pub(super) async fn request<T>(
        &self,
        operation: Operation,
        attempt: impl AsyncFnMut(&Arc<Probe>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.request_part(operation, None, attempt).await
    }

    /// Makes a request, attempt after attempt, until it succeeds or there is no use in another.
    pub(super) async fn request_part<T>(
        &self,
        operation: Operation,
        part_number: Option<NonZeroU32>,
        mut attempt: impl AsyncFnMut(&Arc<Probe>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let worker = self.worker;
        worker.recorder.borrow_mut().request_began(operation);
        let mut attempts_made: u32 = 0;
        loop {
            attempts_made += 1;
            let number = u16::try_from(attempts_made).unwrap_or(u16::MAX);
            let id = AttemptId {
                operation,
                file: self.file.get(),
                part_number,
                number,
                intended_start: self.arrival.take(),
            };
            let result = worker.attempt(id, &mut attempt).await;
            let error = match result {
                Ok(value) => {
                    if operation.moves_data() {
                        self.has_moved_data();
                    }
                    return Ok(value);
                }
                Err(error) => error,
            };
            let random = &mut worker.random.borrow_mut().fork();
            let delay = worker.job.retry.delay_after(attempts_made, &error, random);
            let Some(delay) = delay.filter(|_| !worker.control.is_draining()) else {
                return Err(error);
            };
            clock::sleep(delay).await;
            if worker.control.is_draining() {
                return Err(error);
            }
        }
    }
}

impl<S: Store> Worker<'_, S> {
    async fn attempt<T>(
        &self,
        id: AttemptId,
        attempt: &mut impl AsyncFnMut(&Arc<Probe>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut record = AttemptRecord::begin(self, id);
        let result = attempt(&record.probe).await;
        record.outcome = match &result {
            Ok(_) => Outcome::Ok,
            Err(error) => {
                Live::add(&self.control.live.failed_attempts, 1);
                Outcome::Failed(error.class)
            }
        };
        result
    }
}

/// Records an attempt when it ends, also when its future is dropped: then it was cut.
struct AttemptRecord<'a, S> {
    worker: &'a Worker<'a, S>,
    id: AttemptId,
    probe: Arc<Probe>,
    outcome: Outcome,
}

impl<'a, S> AttemptRecord<'a, S> {
    fn begin(worker: &'a Worker<'a, S>, id: AttemptId) -> Self {
        let probe = Probe::begin(&worker.control.live, worker.control.origin);
        Self { worker, id, probe, outcome: Outcome::Cut }
    }
}

impl<S> Drop for AttemptRecord<'_, S> {
    fn drop(&mut self) {
        let measuring = self.worker.control.stage() == Stage::Measuring;
        let ended = clock::now();
        if self.outcome == Outcome::Ok && self.id.operation.moves_data() {
            let took = ended.since(self.probe.began).as_nanos() as u64;
            self.worker.control.live.slowest_ns.fetch_max(took, Ordering::Relaxed);
        }
        self.worker.recorder.borrow_mut().attempt_ended(
            self.id,
            &self.probe,
            self.outcome,
            ended,
            measuring,
        );
    }
}
