//! The pace of a job after a refusal: how many calls a second all its requests make together.
//!
//! Without it those who are refused together wait equally long, come back together and are refused again. The pace
//! falls and recovers as in the mode "adaptive" of the AWS SDKs (awslabs/smithy-rs, aws-smithy-runtime 1.16.2,
//! src/client/retries/client_rate_limiter.rs), which has its curve from CUBIC (RFC 9438). What differs:
//!
//! - The unit is a call to the satellite, not a request: that is what Storj counts ([`crate::storj::calls_of`]).
//! - What was sent before the last cut and is refused says nothing new, and does not cut again: one cut for each
//!   flight of requests.
//! - What is cut is the rate that was let in, not the rate that was attempted.
//! - Refusals of too many transfers at a time are not about a rate ([`crate::store::StoreError::is_about_the_rate`]).
//! - Requests take turns in the order in which they came, one by one. There is no bucket that fills up meanwhile.

mod let_in;
mod pace;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use let_in::LetIn;
use pace::Pace;

use crate::clock::{self, Instant};

/// Shared by all movers of a job. Until the first refusal nobody locks it.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    let_in: LetIn,
    was_refused: AtomicBool,
    /// Of all movers together.
    waited_ns: AtomicU64,
    pace: Mutex<Pace>,
}

impl Throttle {
    /// Waits for the turn of a request with so many calls.
    pub(super) async fn turn(&self, calls: u32) {
        if !self.was_refused.load(Relaxed) {
            return;
        }
        let wait = self.pace().reserve(clock::now(), calls);
        if wait > Duration::ZERO {
            self.waited_ns.fetch_add(wait.as_nanos() as u64, Relaxed);
            clock::sleep(wait).await;
        }
    }

    /// How long requests have waited for their turns, all together.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited_ns.load(Relaxed))
    }

    /// A request with so many calls is sent.
    pub(super) fn sent(&self, calls: u32) {
        self.let_in.add(clock::now(), calls);
    }

    /// An attempt with so many calls that was sent then was not let in.
    pub(super) fn take_back(&self, sent: Instant, calls: u32) {
        self.let_in.take_back(sent, calls);
    }

    /// An attempt that was sent then is refused now for the rate of calls.
    pub(super) fn refused(&self, sent: Instant) {
        let now = clock::now();
        self.pace().refused(sent, now, self.let_in.in_last_second(now));
        self.was_refused.store(true, Relaxed);
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
