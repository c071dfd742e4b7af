//! Effective speed where each upload is read back before it counts.

use std::ops::Range;

use super::window::Measurement;
use crate::measure::{Doing, Recorder};
use crate::result::Verification;

/// Of files moved round and round.
///
/// A mover always has one file: it uploads it, then it reads it back. So the speed of all is movers /
/// (seconds of a mover for each byte up + seconds for each byte back), by the law of J. D. C. Little ("A
/// proof for the queuing formula L = lambda W", Operations Research 9 (1961) 383-387). Both are of the
/// window, whatever pieces of files it holds, and so are the waits for retries. A window that lacks one
/// of the two says nothing: then all counts that was until its end.
pub(super) fn of_movers(recorder: &Recorder, measured: &Measurement, movers: u32) -> Verification {
    let window = measured.bins();
    let (from, to) = (window.start, window.end);
    [from..to, 0..to]
        .into_iter()
        .map(|bins| in_bins(recorder, bins, movers))
        .find(|found| found.effective_speed_bytes_per_second.is_some())
        .unwrap_or_default()
}

fn in_bins(recorder: &Recorder, bins: Range<usize>, movers: u32) -> Verification {
    let (from, to) = (bins.start, bins.end);
    let rate = |doing: Doing, bytes: u64| {
        let seconds = recorder.movers_time.spent(doing, from, to).as_secs_f64();
        (bytes > 0 && seconds > 0.0).then(|| f64::from(movers) * bytes as f64 / seconds)
    };
    let up = rate(Doing::Uploading, recorder.good_bytes(from, to));
    let back = rate(Doing::ReadingBack, recorder.read_back().good_bytes(from, to));
    Verification {
        effective_speed_bytes_per_second: up
            .zip(back)
            .map(|(up, back)| 1.0 / (1.0 / up + 1.0 / back)),
        uploading_bytes_per_second: up,
        reading_back_bytes_per_second: back,
    }
}

/// Of a dataset that was moved once, in this time: as Globus reports a task.
pub(super) fn of_task(recorder: &Recorder, movers: u32, speed: f64) -> Verification {
    let found = in_bins(recorder, 0..usize::MAX, movers);
    Verification { effective_speed_bytes_per_second: Some(speed), ..found }
}
