//! What the threads of a job share while it runs: its stage, its counters, the next file.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::arrivals::{Arrivals, Schedule};
use crate::clock::{self, Instant};
use crate::measure::Live;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Data flows, nothing is measured yet.
    WarmUp,
    /// The window is open.
    Measuring,
    /// What is under way may end; nothing new begins.
    Draining,
}

/// Shared by the threads of one job.
#[derive(Debug)]
pub struct Control {
    /// Counters for progress and markers.
    pub live: Arc<Live>,
    /// Start of the job; bins of time count from here.
    pub origin: Instant,
    stage: AtomicU8,
    /// Locked once a file, not on the way of the data.
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    next_file: u64,
    schedule: Schedule,
}

/// A file's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// 0, 1, 2, ... each once over all threads.
    pub(super) index: u64,
    /// When it arrives; `None` in a closed loop: at once.
    pub(super) arrival: Option<Instant>,
}

impl Control {
    /// A job that begins now. The seed is that of the arrivals.
    pub fn new(stage: Stage, arrivals: Arrivals, seed: u64) -> Self {
        let schedule = Schedule::new(arrivals, seed);
        Self {
            live: Arc::default(),
            origin: clock::now(),
            stage: AtomicU8::new(stage as u8),
            queue: Mutex::new(Queue { next_file: 0, schedule }),
        }
    }

    /// The stage now.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            stage if stage == Stage::WarmUp as u8 => Stage::WarmUp,
            stage if stage == Stage::Measuring as u8 => Stage::Measuring,
            _ => Stage::Draining,
        }
    }

    /// Goes to another stage.
    pub fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
    }

    /// Whether nothing new may begin.
    pub fn is_draining(&self) -> bool {
        self.stage() == Stage::Draining
    }

    /// Hands out the next turn.
    pub(super) fn take_turn(&self) -> Turn {
        let mut queue = self.queue();
        let index = queue.next_file;
        queue.next_file += 1;
        let arrival = queue.schedule.next().map(|since_start| self.origin + since_start);
        Turn { index, arrival }
    }

    /// How many files have arrived and wait for a mover; none in a closed loop.
    pub fn backlog_files(&self) -> u64 {
        let since_start: Duration = clock::now().since(self.origin);
        self.queue().schedule.waiting(since_start)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
