//! Which trials tell what transfers take.

use crate::result::{Direction, LimitedBy, Traffic, Trial};

/// What a 429 of Storj asks for (`storj/minio` cmd/api-response.go, storjRetryAfter).
const RETRY_AFTER_S: f64 = 12.0;

/// A trial whose movers spent more of their time on such waits tells nothing of what files cost.
const LOST_MAX: f64 = 0.01;

/// The way that a trial went, if nothing but the link held it up.
///
/// # Errors
/// Why it tells nothing of the link, in a few words.
pub fn usable(trial: &Trial) -> Result<Direction, &'static str> {
    let direction = match trial.direction {
        Traffic::Up => Direction::Up,
        Traffic::Down => Direction::Down,
        Traffic::Mixed => return Err("it went both ways"),
    };
    if !trial.dtns.is_empty() {
        return Err("several DTNs moved data together");
    }
    if matches!(trial.limited_by, LimitedBy::Throttled | LimitedBy::Errors) {
        return Err("it was throttled, or failed too often");
    }
    if lost_share(trial) > LOST_MAX {
        return Err("it was told to slow down, and its workers waited for that");
    }
    Ok(direction)
}

/// Share of the movers' time that they spent waiting as a 429 asked them to.
fn lost_share(trial: &Trial) -> f64 {
    let seconds = match &trial.task {
        Some(task) => task.duration_s,
        None => trial.window.end_s,
    };
    let movers_s = seconds * f64::from(trial.settings.concurrency);
    trial.errors.throttled as f64 * RETRY_AFTER_S / movers_s.max(f64::MIN_POSITIVE)
}
