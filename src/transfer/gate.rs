//! When the windows of several DTNs open: when all of them are warm.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use crate::clock;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Between a trial, which gets warm, and whoever knows of the others.
#[derive(Debug, Default)]
pub struct Gate(AtomicU8);

const WARM: u8 = 1;
const OPEN: u8 = 2;

impl Gate {
    /// The trial is warm, or will not be.
    pub fn is_reached(&self) {
        self.0.fetch_max(WARM, Relaxed);
    }

    /// Waits until it is.
    pub async fn reached(&self) {
        while self.0.load(Relaxed) < WARM {
            clock::sleep(LOOK_EVERY).await;
        }
    }

    /// Lets the window open.
    pub fn open(&self) {
        self.0.store(OPEN, Relaxed);
    }

    /// Whether the window may open.
    pub fn is_open(&self) -> bool {
        self.0.load(Relaxed) == OPEN
    }
}
