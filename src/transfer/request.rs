//! A request and its attempts: each is timed, ends in exactly one outcome, and may be tried again.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::allowance::Held;
use super::mover::{FileError, Mover};
use super::silence::Answer;
use crate::clock;
use crate::measure::{AttemptId, FailureClass, Live, Operation, Outcome, Probe};
use crate::store::{Store, StoreError};
use crate::transfer::{RetryMode, Stage, Worker};

impl<S: Store> Mover<'_, S> {
    /// Makes a request without payload.
    pub(super) async fn request<T>(
        &self,
        operation: Operation,
        attempt: impl AsyncFnMut(&Arc<Probe>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let nothing = Held::nothing(self.worker.job.allowance.as_deref(), operation);
        self.request_part(operation, None, nothing, attempt).await
    }

    /// Takes what a request may carry from the job's allowance. Without enough of it the job stops.
    pub(super) fn take(&self, operation: Operation, bytes: u64) -> Result<Held<'_>, FileError> {
        let Worker { job, control, .. } = self.worker;
        Held::take(job.allowance.as_deref(), operation, bytes).ok_or_else(|| {
            control.stop();
            FileError::Stopped
        })
    }

    /// Makes a request, attempt after attempt, until it succeeds or there is no use in another.
    pub(super) async fn request_part<T>(
        &self,
        operation: Operation,
        part_number: Option<NonZeroU32>,
        mut held: Held<'_>,
        mut attempt: impl AsyncFnMut(&Arc<Probe>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let worker = self.worker;
        let calls = held.calls();
        let mut attempts_made: u32 = 0;
        loop {
            // Before its time counts: to wait for a cap or a pace is not the endpoint's.
            worker.job.paces.request().await;
            if worker.job.retry.mode == RetryMode::Adaptive {
                worker.control.throttle.turn(calls).await;
            }
            if attempts_made == 0 {
                worker.recorder.borrow_mut().request_began(operation);
                worker.control.live.of(operation).request_began();
            }
            if operation.moves_data() {
                self.has_begun();
            }
            attempts_made += 1;
            let number = u16::try_from(attempts_made).unwrap_or(u16::MAX);
            let id = AttemptId {
                operation,
                file: self.file.get(),
                part_number,
                number,
                intended_start: self.arrival.take(),
            };
            let result = worker.attempt(id, &mut held, &mut attempt).await;
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
            worker.control.wait(delay, error.retry_after.is_some()).await;
            if worker.control.is_draining() {
                return Err(error);
            }
            if !held.take_again() {
                worker.control.stop();
                return Err(error);
            }
        }
    }
}

impl<S: Store> Worker<'_, S> {
    async fn attempt<T>(
        &self,
        id: AttemptId,
        held: &mut Held<'_>,
        attempt: &mut impl AsyncFnMut(&Arc<Probe>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let calls = held.calls();
        let throttle = &self.control.throttle;
        throttle.sent(calls);
        let mut record = AttemptRecord::begin(self, id, held);
        let result = attempt(&record.probe).await;
        record.answer = match &result {
            Err(error) if is_unanswered(error, &record.probe) => Answer::NeverCame,
            _ => Answer::Came,
        };
        record.outcome = match &result {
            Ok(_) => Outcome::Ok,
            Err(error) => {
                if error.class == FailureClass::Throttled {
                    throttle.take_back(record.probe.began, calls);
                }
                if error.is_about_the_rate() {
                    throttle.refused(record.probe.began);
                }
                let live = &self.control.live;
                Live::add(&live.failed_attempts, 1);
                let asked = error.retry_after.unwrap_or_default().as_nanos();
                let asked = u64::try_from(asked).unwrap_or(u64::MAX);
                live.retry_after_max_ns.fetch_max(asked, Ordering::Relaxed);
                Outcome::Failed(error.class)
            }
        };
        result
    }
}

/// Whether nothing at all came back.
fn is_unanswered(error: &StoreError, probe: &Probe) -> bool {
    error.is_unanswered() && probe.first_byte_at().is_none()
}

/// Records an attempt when it ends, also when its future is dropped: then it was cut.
struct AttemptRecord<'a, 'h, S> {
    worker: &'a Worker<'a, S>,
    held: &'a mut Held<'h>,
    id: AttemptId,
    probe: Arc<Probe>,
    outcome: Outcome,
    answer: Answer,
}

impl<'a, 'h, S> AttemptRecord<'a, 'h, S> {
    fn begin(worker: &'a Worker<'a, S>, id: AttemptId, held: &'a mut Held<'h>) -> Self {
        let probe = Probe::begin(&worker.control.live, worker.control.origin);
        worker.control.silence.attempt_begins();
        worker.control.live.of(id.operation).attempt_began();
        Self { worker, held, id, probe, outcome: Outcome::Cut, answer: Answer::NotAwaited }
    }
}

impl<S> Drop for AttemptRecord<'_, '_, S> {
    fn drop(&mut self) {
        let stage = self.worker.control.stage();
        let measuring = stage == Stage::Measuring;
        if self.outcome == Outcome::Cut && stage == Stage::Over {
            self.outcome = Outcome::UnderWay;
        }
        let ended = clock::now();
        self.worker.control.silence.attempt_ended(self.probe.began, self.answer);
        let (took, bytes) = (ended.since(self.probe.began), self.probe.payload_bytes());
        self.held.settle(bytes);
        let live = &self.worker.control.live;
        live.of(self.id.operation).attempt_ended(self.outcome, took, bytes);
        if self.outcome == Outcome::Ok && self.id.operation.moves_data() {
            live.slowest_ns.fetch_max(took.as_nanos() as u64, Ordering::Relaxed);
            if measuring {
                live.times.add(took.as_micros() as u64);
            }
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
