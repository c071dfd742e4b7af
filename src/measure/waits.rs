//! How long movers have waited for something, the waits under way included.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};

/// Waits of all movers, added up. The lock is taken only where a mover has to wait anyway.
#[derive(Debug, Default)]
pub struct Waits(Mutex<Sum>);

#[derive(Debug, Default)]
struct Sum {
    waiting: u32,
    total: Duration,
    /// Up to when `total` counts the waits under way.
    counted: Instant,
}

/// A wait under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Waiting(Arc<Waits>);

impl Waits {
    /// A wait begins.
    pub fn begin(self: &Arc<Self>) -> Waiting {
        self.counted_up_to_now().waiting += 1;
        Waiting(Arc::clone(self))
    }

    /// What all waits have taken up to now.
    pub fn total(&self) -> Duration {
        self.counted_up_to_now().total
    }

    fn counted_up_to_now(&self) -> MutexGuard<'_, Sum> {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        let waited = now.since(sum.counted) * sum.waiting;
        sum.total += waited;
        sum.counted = now;
        sum
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.counted_up_to_now().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::sleep;

    #[test]
    fn waits_of_several_movers_add_up_while_they_last() {
        let second = Duration::from_secs(1);
        let waits = Arc::new(Waits::default());
        clock::simulate(async {
            let one = waits.begin();
            sleep(second).await;
            let other = waits.begin();
            sleep(second).await;
            assert_eq!(waits.total(), 3 * second, "both still wait");
            drop(one);
            sleep(second).await;
            drop(other);
            sleep(second).await;
            assert_eq!(waits.total(), 4 * second);
        });
    }
}
