//! What the threads of a job share while it runs: its stage, its counters, the next file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

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
    next_file: AtomicU64,
}

impl Control {
    /// A job that begins now.
    pub fn new(stage: Stage) -> Self {
        Self {
            live: Arc::default(),
            origin: clock::now(),
            stage: AtomicU8::new(stage as u8),
            next_file: AtomicU64::new(0),
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

    /// Hands out the indices 0, 1, 2, ... each once over all threads.
    pub fn take_file(&self) -> u64 {
        self.next_file.fetch_add(1, Relaxed)
    }

    /// How many indices were handed out.
    pub fn files_taken(&self) -> u64 {
        self.next_file.load(Relaxed)
    }
}
