//! What the threads of a job share while it runs: its stage, its counters, the next file.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Job;
use super::arrivals::Schedule;
use super::etag::Reproduced;
use super::silence::{Gone, Silence};
use super::throttle::Throttle;
use crate::clock::{self, Instant};
use crate::dataset::FileSpec;
use crate::measure::Live;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Data flows, nothing is measured yet.
    WarmUp,
    /// The window is open.
    Measuring,
    /// What has begun goes on to its end, unmeasured; movers that find no next file stop.
    Finishing,
    /// What is under way may end; nothing new begins.
    Draining,
    /// The measured time is over and nothing is waited for: what is under way is let go, and the bytes that
    /// it has carried count.
    Over,
}

/// Shared by the threads of one job.
#[derive(Debug)]
pub struct Control {
    /// Counters for progress and markers.
    pub live: Arc<Live>,
    /// Start of the job; bins of time count from here.
    pub origin: Instant,
    /// What is known of the ETags of this job's store.
    pub(super) reproduced: Reproduced,
    /// What refusals have taught of the endpoint's pace.
    pub(super) throttle: Throttle,
    /// Whether anybody answers.
    pub(super) silence: Silence,
    stage: AtomicU8,
    /// There is no allowance left for what a mover wanted.
    stopped: AtomicBool,
    /// When the first mover found no next file, or will have: the last may be taken before it arrives. In
    /// nanoseconds since the origin.
    ran_dry_ns: AtomicU64,
    /// Locked once a file, not on the way of the data.
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    next_file: u64,
    begun_bytes: u64,
    schedule: Schedule,
    /// Of the file that was taken last, since the origin; 0 in a closed loop.
    last_arrival: Duration,
}

/// One of those at something, counted until it is done or is let go.
pub(super) struct OneOf<'a>(&'a AtomicU64);

impl<'a> OneOf<'a> {
    pub(super) fn those_at(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for OneOf<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A file's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// 0, 1, 2, ... each once over all threads.
    pub(super) index: u64,
    pub(super) key: String,
    pub(super) file: FileSpec,
    /// When it arrives; `None` in a closed loop: at once.
    pub(super) arrival: Option<Instant>,
}

impl Control {
    /// A job that begins now.
    pub fn new(stage: Stage, job: &Job) -> Self {
        let schedule = Schedule::new(job.arrivals, job.seed);
        Self {
            live: Arc::clone(&job.live),
            origin: clock::now(),
            reproduced: Reproduced::default(),
            throttle: Throttle::default(),
            silence: Silence::default(),
            stage: AtomicU8::new(stage as u8),
            stopped: AtomicBool::new(false),
            ran_dry_ns: AtomicU64::new(u64::MAX),
            queue: Mutex::new(Queue {
                next_file: job.dealt.rank.into(),
                begun_bytes: 0,
                schedule,
                last_arrival: Duration::ZERO,
            }),
        }
    }

    /// The stage now.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            stage if stage == Stage::WarmUp as u8 => Stage::WarmUp,
            stage if stage == Stage::Measuring as u8 => Stage::Measuring,
            stage if stage == Stage::Finishing as u8 => Stage::Finishing,
            stage if stage == Stage::Over as u8 => Stage::Over,
            _ => Stage::Draining,
        }
    }

    /// Goes to another stage.
    pub fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    /// Whether nothing new may begin.
    pub fn is_draining(&self) -> bool {
        matches!(self.stage(), Stage::Draining | Stage::Over)
            || self.is_stopped()
            || self.silence.is_gone()
    }

    /// Whether the job ends because the endpoint has not answered for too long.
    pub fn gone(&self) -> Option<Gone> {
        self.silence.gone()
    }

    /// Whether the job stopped because its allowance is used up.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Nothing new begins: there is no allowance left.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.runs_dry(self.since_start());
    }

    /// Waits before another attempt; `asked`: because the endpoint asked for it.
    pub(super) async fn wait(&self, delay: Duration, asked: bool) {
        let _asked = asked.then(|| OneOf::those_at(&self.live.asked_to_wait));
        clock::sleep(delay).await;
    }

    /// Hands out the next file of the job; `None` when there is none left.
    pub(super) fn take_turn(&self, job: &Job) -> Option<Turn> {
        let mut queue = self.queue();
        let (index, begun_bytes) = (queue.next_file, queue.begun_bytes);
        let of = u64::from(job.dealt.of);
        let object = job.object(index).filter(|_| job.order.goes_on_after(index / of, begun_bytes));
        let Some((key, file)) = object else {
            self.runs_dry(self.since_start().max(queue.last_arrival));
            return None;
        };
        queue.next_file += of;
        queue.begun_bytes += file.size_bytes;
        let since_start = queue.schedule.next();
        queue.last_arrival = since_start.unwrap_or_default();
        let arrival = since_start.map(|since_start| self.origin + since_start);
        Some(Turn { index, key, file, arrival })
    }

    fn runs_dry(&self, since_start: Duration) {
        self.ran_dry_ns.fetch_min(since_start.as_nanos() as u64, Relaxed);
    }

    /// When the first mover found no next file, since the start: from then on not all are busy. `None`
    /// before that, and while the last file has not arrived.
    pub fn ran_dry(&self) -> Option<Duration> {
        let dry = Duration::from_nanos(self.ran_dry_ns.load(Relaxed));
        (dry <= self.since_start()).then_some(dry)
    }

    fn since_start(&self) -> Duration {
        clock::now().since(self.origin)
    }

    /// How long requests have waited for the pace that refusals taught, all together.
    pub fn waited_for_pace(&self) -> Duration {
        self.throttle.waited()
    }

    /// When the file that was taken last arrived, since the start; 0 in a closed loop.
    pub fn last_arrival(&self) -> Duration {
        self.queue().last_arrival
    }

    /// How many files have arrived and wait for a mover; none in a closed loop.
    pub fn backlog_files(&self) -> u64 {
        match self.ran_dry() {
            // All were taken: the schedule would go on without them.
            Some(_) => 0,
            None => self.queue().schedule.waiting(self.since_start()),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
