//! A file on its way down, and an object read back after its upload.

use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::GetMode;
use super::allowance::Held;
use super::mover::{FileError, Mover};
use super::sink::Destination;
use super::source::Source;
use super::upload::ranges;
use crate::clock;
use crate::dataset::{FileSpec, SourceError};
use crate::measure::{FailureClass, Milestone, Operation, Probe};
use crate::store::{Store, StoreError};

impl<S: Store> Mover<'_, S> {
    /// Downloads an object whole or in ranges. A file gets its name only when it is whole.
    pub(super) async fn download_file(&self, key: &str, file: &FileSpec) -> Result<(), FileError> {
        let job = self.worker.job;
        let destination = job.sink.open(&file.path, file.size_bytes).await?;
        let part_size_bytes = job.settings.part_size_bytes;
        let in_ranges = job.get == GetMode::Ranged && file.size_bytes > part_size_bytes;
        if in_ranges {
            stream::iter((1..).zip(ranges(file.size_bytes, part_size_bytes)))
                .then(async |part| self.go_on().map(|()| part))
                .map_ok(async |part| self.fetch(key, Some(part), file, &destination).await)
                .try_buffer_unordered(job.settings.parts_in_flight as usize)
                .try_collect::<()>()
                .await?;
        } else {
            self.fetch(key, None, file, &destination).await?;
        }
        let fetched = clock::now();
        destination.finish().await?;
        self.reached(Milestone::Completed, fetched);
        if job.compares_downloads() {
            self.reached(Milestone::Verified, fetched);
        }
        Ok(())
    }

    /// Fetches all of a file, or one of its ranges, which are numbered as parts are.
    async fn fetch(
        &self,
        key: &str,
        part: Option<(u32, Range<u64>)>,
        file: &FileSpec,
        destination: &Destination,
    ) -> Result<(), FileError> {
        let (number, range) = part.unzip();
        let number = number.and_then(NonZeroU32::new);
        let get = async |probe: &Arc<Probe>| {
            self.fetch_once(key, range.clone(), file, destination, probe).await
        };
        let bytes = range.as_ref().map_or(file.size_bytes, |range| range.end - range.start);
        let held = self.take(Operation::Get, bytes)?;
        Ok(self.request_part(Operation::Get, number, held, get).await?)
    }

    async fn fetch_once(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        file: &FileSpec,
        destination: &Destination,
        probe: &Arc<Probe>,
    ) -> Result<(), StoreError> {
        let job = self.worker.job;
        let compares = job.compares_downloads();
        let expected = range.clone().unwrap_or(0..file.size_bytes);
        let mut download = self.worker.store.get_object(key, range, probe).await?;
        let waits = &self.worker.control.live.destination;
        let mut writer = destination.writer(expected.start, waits);
        let received = async {
            let mut offset = expected.start;
            while let Some(bytes) = download.body.next().await {
                let bytes = bytes?;
                if compares && !job.pattern.matches(key, offset, &bytes) {
                    return Err(mismatch(key, offset));
                }
                offset += bytes.len() as u64;
                writer.write(bytes).await.map_err(not_written)?;
            }
            whole(key, &expected, offset)
        };
        let received = received.await;
        // Also after a failure: another attempt must not meet the writes of this one.
        let written = writer.finish().await.map_err(not_written);
        received.and(written)
    }

    /// Reads an object back and compares it with its source.
    pub(super) async fn read_back(
        &self,
        key: &str,
        file: &FileSpec,
        source: &Source<'_>,
        held: Held<'_>,
    ) -> Result<(), StoreError> {
        let get = async |probe: &Arc<Probe>| {
            let mut download = self.worker.store.get_object(key, None, probe).await?;
            let mut offset = 0;
            while let Some(bytes) = download.body.next().await {
                let bytes = bytes?;
                let length = bytes.len() as u64;
                match source.matches(offset, bytes).await {
                    Ok(true) => offset += length,
                    Ok(false) => return Err(mismatch(key, offset)),
                    Err(error) => return Err(StoreError::new(FailureClass::Client, error.0)),
                }
            }
            whole(key, &(0..file.size_bytes), offset)
        };
        self.request_part(Operation::Get, None, held, get).await
    }
}

fn not_written(error: SourceError) -> StoreError {
    StoreError::new(FailureClass::Client, error.0)
}

fn mismatch(key: &str, offset: u64) -> StoreError {
    let message = format!("{key}: the bytes from {offset} on are not those that were stored");
    StoreError::new(FailureClass::Checksum, message)
}

/// An answer with fewer or more bytes than the listing promised is another object, or broken.
fn whole(key: &str, expected: &Range<u64>, end: u64) -> Result<(), StoreError> {
    if end == expected.end {
        return Ok(());
    }
    let (got, wanted) = (end - expected.start, expected.end - expected.start);
    let message = format!("{key}: {got} bytes came where {wanted} were expected");
    Err(StoreError::new(FailureClass::Checksum, message))
}
