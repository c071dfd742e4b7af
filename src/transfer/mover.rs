//! A mover: one file at a time, from the next index to the last.

use std::cell::Cell;

use futures::{Stream, TryStreamExt};

use super::control::{OneOf, Turn};
use super::{Order, Stage, Start, Worker};
use crate::clock::{self, Instant};
use crate::dataset::FileSpec;
use crate::measure::{Doing, Live, Milestone};
use crate::result::{Direction, FileFailure};
use crate::store::{Store, StoreError};

/// One file in flight; Globus: one GridFTP process.
pub(super) struct Mover<'a, S> {
    pub(super) worker: &'a Worker<'a, S>,
    /// Index of the file it is at.
    pub(super) file: Cell<u64>,
    /// When that arrived, in an open loop, until its first request has taken note of it.
    pub(super) arrival: Cell<Option<Instant>>,
    /// From when its time counts: its arrival, or when the mover began with it.
    began: Cell<Instant>,
    warm: Cell<bool>,
    has_begun: Cell<bool>,
    /// Files that it has begun.
    turns: Cell<u32>,
}

/// How a file came to be where it was to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It was moved.
    Now,
    /// It was there before, whole: nothing was moved.
    Before,
}

/// Why a file did not arrive.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// The job drains: nobody's fault.
    #[error("the trial was over")]
    Stopped,
    /// For this reason.
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for FileError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.message)
    }
}

impl From<crate::dataset::SourceError> for FileError {
    fn from(error: crate::dataset::SourceError) -> Self {
        Self::Failed(error.0)
    }
}

impl<'a, S: Store> Mover<'a, S> {
    pub(super) fn new(worker: &'a Worker<'a, S>) -> Self {
        Self {
            worker,
            file: Cell::default(),
            arrival: Cell::default(),
            began: Cell::default(),
            warm: Cell::default(),
            has_begun: Cell::default(),
            turns: Cell::default(),
        }
    }

    /// Moves files until there is none left or the job drains.
    pub(super) async fn run(self, number: u32) {
        let job = self.worker.job;
        let share = f64::from(number) / f64::from(job.settings.concurrency);
        clock::sleep(job.spread.mul_f64(share)).await;
        while !self.worker.control.is_draining()
            && let Some(Turn { index, key, file, .. }) = self.next_file().await
        {
            let _in_flight = OneOf::those_at(&self.worker.control.live.files_in_flight);
            let direction = job.direction.place(index).direction;
            let bytes = self.bytes_of_next(number, &file);
            let moved = match direction {
                Direction::Up => self.upload_file(&key, &file, bytes).await.map(|()| Came::Now),
                Direction::Down => self.download_file(&key, &file, bytes).await,
            };
            let failed = matches!(moved, Err(FileError::Failed(_)));
            self.account(&file, bytes, direction, moved);
            // What fails at once and comes round again would go on without any time passing.
            if failed && job.order == Order::ForEver {
                clock::sleep(job.retry.delay_first).await;
            }
        }
    }

    /// How much is moved of the file that is next.
    fn bytes_of_next(&self, number: u32, file: &FileSpec) -> u64 {
        let job = self.worker.job;
        let turn = self.turns.replace(self.turns.get().saturating_add(1));
        match job.start {
            Start::Fresh => file.size_bytes,
            Start::Midway => {
                let part_bytes = job.settings.part_size_bytes;
                Midway::new(number, job.seed).bytes(turn, file.size_bytes, part_bytes)
            }
        }
    }

    /// The next file, once it has arrived.
    async fn next_file(&self) -> Option<Turn> {
        let turn = self.worker.control.take_turn(self.worker.job)?;
        let arrival = turn.arrival;
        if let Some(arrival) = arrival {
            clock::sleep(arrival.since(clock::now())).await;
            self.go_on().ok()?;
        }
        let now = clock::now();
        self.file.set(turn.index);
        self.arrival.set(arrival);
        self.began.set(arrival.unwrap_or(now));
        if arrival.is_some() {
            self.reached(Milestone::Begun, now);
        }
        Some(turn)
    }

    fn account(
        &self,
        file: &FileSpec,
        bytes: u64,
        direction: Direction,
        moved: Result<Came, FileError>,
    ) {
        let live = &self.worker.control.live;
        match moved {
            Ok(Came::Before) => Live::add(&live.files_there, 1),
            Ok(Came::Now) => {
                self.is_warm();
                Live::add(&live.files_done, 1);
                if direction == Direction::Up {
                    Live::add(&live.files_up_done, 1);
                }
                Live::add(&live.bytes_done, bytes);
            }
            Err(FileError::Stopped) => {}
            Err(FileError::Failed(reason)) => {
                Live::add(&live.files_failed, 1);
                let path = file.path.clone();
                self.worker.failures.borrow_mut().push(FileFailure { path, reason });
            }
        }
    }

    /// Notes what this mover does until the value is dropped, where uploads are read back.
    pub(super) fn does(&self, doing: Doing) -> Option<Busy<'a, S>> {
        self.reads_back().then(|| Busy { worker: self.worker, doing, since: clock::now() })
    }

    /// Notes that this mover begins a request with payload.
    pub(super) fn has_begun(&self) {
        if !self.has_begun.replace(true) {
            Live::add(&self.worker.control.live.movers_begun, 1);
        }
    }

    /// Notes that this mover has moved data. Where uploads are read back that is not enough to be warm: the
    /// first must have come to its end.
    pub(super) fn has_moved_data(&self) {
        if !self.reads_back() {
            self.is_warm();
        }
    }

    fn reads_back(&self) -> bool {
        self.worker.job.reads_back()
    }

    /// The warm-up waits for every mover's first time.
    fn is_warm(&self) {
        if !self.warm.replace(true) {
            Live::add(&self.worker.control.live.movers_warm, 1);
        }
    }

    /// Notes that the file got so far at `at`.
    pub(super) fn reached(&self, milestone: Milestone, at: Instant) {
        if self.worker.control.stage() == Stage::Measuring {
            self.worker.recorder.borrow_mut().object_reached(milestone, self.began.get(), at);
        }
    }

    /// Notes that the bytes of the file were shown to be right at `at`.
    pub(super) fn is_verified(&self, at: Instant) {
        Live::add(&self.worker.control.live.files_verified, 1);
        self.reached(Milestone::Verified, at);
    }

    /// Stops a file half-way when the job drains.
    pub(super) fn go_on(&self) -> Result<(), FileError> {
        match self.worker.control.is_draining() {
            true => Err(FileError::Stopped),
            false => Ok(()),
        }
    }
}

/// A mover's time with one thing, noted when it ends, also when the trial is cut.
pub(super) struct Busy<'a, S> {
    worker: &'a Worker<'a, S>,
    doing: Doing,
    since: Instant,
}

impl<S> Drop for Busy<'_, S> {
    fn drop(&mut self) {
        let (origin, now) = (self.worker.control.origin, clock::now());
        let time = &mut self.worker.recorder.borrow_mut().movers_time;
        time.add(self.doing, origin, self.since..now);
    }
}

/// How much is left of the first files of a mover that is found midway.
///
/// Parts of one size that begin together end together, and a file's first and last requests would be seen
/// only in trials that last as long as files. So a mover first moves the rest of a part, then the rest of a
/// file, and whole files from then on. The rests are drawn by chance and not spread evenly: movers that keep out of
/// each other's way carry more than they do in the long run.
#[derive(Clone, Copy, Debug)]
struct Midway {
    part_left: f64,
    file_left: f64,
}

impl Midway {
    /// Of the mover with this number.
    fn new(number: u32, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ u64::from(number) << 32);
        let (part_left, file_left) = (random.f64(), random.f64());
        Self { part_left, file_left }
    }

    /// Bytes that are moved of a file in a mover's first turn, its second, and so on.
    fn bytes(self, turn: u32, file_bytes: u64, part_bytes: u64) -> u64 {
        let rest = |share: f64, of: u64| ((share * of as f64).ceil() as u64).clamp(of.min(1), of);
        match turn {
            0 => rest(self.part_left, file_bytes.min(part_bytes)),
            1 => rest(self.file_left, file_bytes),
            _ => file_bytes,
        }
    }
}

/// Works on items as they come, `parts_in_flight` at a time, in the order in which they end.
///
/// One at a time goes without a set of futures. A `FuturesUnordered` that has polled all it holds wakes its own
/// task "to avoid starving others": with one future in it that is at each poll, so each mover was polled twice and
/// those beside it were put off, which cost a third of the CPU time of a download and a quarter of a simulation.
pub(super) async fn in_flight<T, U, F: Future<Output = Result<U, FileError>>>(
    parts_in_flight: u32,
    items: impl Stream<Item = Result<T, FileError>>,
    work: impl FnMut(T) -> F,
) -> Result<Vec<U>, FileError> {
    match parts_in_flight {
        1 => items.and_then(work).try_collect().await,
        several => items.map_ok(work).try_buffer_unordered(several as usize).try_collect().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_third_of_the_movers_have_a_third_of_a_part_left_or_less() {
        let rests = (0..6000).map(|number| Midway::new(number, 1).bytes(0, 900, 300));
        let early = rests.filter(|rest| *rest <= 100).count();
        assert!((1850..=2150).contains(&early), "{early} of 6000");
    }

    proptest! {
        #[test]
        fn a_rest_is_never_more_than_the_file_and_nothing_only_of_nothing(
            number in 0_u32..1000, seed: u64, turn in 0_u32..4, file in 0_u64..1000, part in 1_u64..1000,
        ) {
            let bytes = Midway::new(number, seed).bytes(turn, file, part);
            prop_assert!(bytes <= file && (bytes > 0) == (file > 0));
            prop_assert!(turn > 0 || bytes <= part);
            prop_assert!(turn < 2 || bytes == file);
        }
    }
}
