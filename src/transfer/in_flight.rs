//! So many at a time of what a file consists of.

use futures::{Stream, TryStreamExt};

use super::mover::FileError;

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
