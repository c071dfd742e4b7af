//! A file on its way up: one PutObject, or Create, parts in order, Complete.

use std::num::NonZeroU32;
use std::ops::Range;

use futures::{StreamExt, stream};

use super::mover::{FileError, Mover, in_flight};
use super::source::{PartSource, Source};
use super::{Worker, etag};
use crate::clock;
use crate::dataset::FileSpec;
use crate::measure::{Doing, FailureClass, Milestone, Operation};
use crate::store::{ObjectInfo, Part, Store, StoreError, Upload};

impl<S: Store> Mover<'_, S> {
    /// Uploads the first bytes of a file, or all of them, and, if asked, reads them back.
    pub(super) async fn upload_file(
        &self,
        key: &str,
        file: &FileSpec,
        bytes: u64,
    ) -> Result<(), FileError> {
        let (job, control) = (self.worker.job, self.worker.control);
        let uploading = self.does(Doing::Uploading);
        let source = Source::open(&job.dataset, &job.pattern, key, file, &control.live).await?;
        let file = &FileSpec { size_bytes: bytes, ..file.clone() };
        if file.size_bytes <= job.settings.part_size_bytes {
            self.put(key, file.size_bytes, &source).await?;
        } else {
            self.upload_in_parts(key, file, &source).await?;
        }
        self.reached(Milestone::Completed, clock::now());
        drop(uploading);
        if job.verify {
            let _reading_back = self.does(Doing::ReadingBack);
            self.verify(key, file, &source).await?;
            self.is_verified(clock::now());
        }
        Ok(())
    }

    pub(super) async fn put(
        &self,
        key: &str,
        size_bytes: u64,
        source: &Source<'_>,
    ) -> Result<(), FileError> {
        let whole = PartSource::Streamed(0..size_bytes);
        let store = self.worker.store;
        let mut in_doubt = false;
        let put = async |probe: &_| {
            let put = store.put_object(key, source.payload(&whole), probe).await;
            put.inspect_err(|error| in_doubt |= error.leaves_open_what_happened())
        };
        let held = self.take(Operation::Put, size_bytes)?;
        let ledger = &self.worker.job.ledger;
        ledger.asks_for_object(key, None);
        let answered = self.request_part(Operation::Put, None, held, put).await;
        ledger.object_answered(key, answered.as_deref().ok(), in_doubt);
        match answered {
            Ok(_) => match source.unchanged().await {
                Ok(()) => Ok(()),
                Err(changed) => Err(self.take_back(key, changed.into()).await),
            },
            // An attempt whose answer was lost may have left the object, or an older state of it.
            Err(error) if in_doubt => Err(self.take_back(key, error.into()).await),
            Err(error) => Err(error.into()),
        }
    }

    async fn upload_in_parts(
        &self,
        key: &str,
        file: &FileSpec,
        source: &Source<'_>,
    ) -> Result<(), FileError> {
        let (store, ledger) = (self.worker.store, &self.worker.job.ledger);
        let upload = self.begin_upload(key).await?;
        let sent = match self.send_parts(&upload, file, source).await {
            Ok(parts) => self.complete(&upload, &parts, file.size_bytes).await,
            Err(error) => Err(error),
        };
        // An upload that could not be aborted stays in the list of open ones, for the clean-up.
        let abort = async |probe: &_| store.abort_upload(&upload, probe).await;
        if sent.is_ok() || self.request(Operation::Abort, abort).await.is_ok() {
            ledger.upload_ended(&upload);
        }
        sent
    }

    /// Begins an upload, and notes its id.
    pub(super) async fn begin_upload(&self, key: &str) -> Result<Upload, FileError> {
        let store = self.worker.store;
        let ledger = &self.worker.job.ledger;
        let mut in_doubt = false;
        let create = async |probe: &_| {
            let create = store.create_upload(key, probe).await;
            create.inspect_err(|error| in_doubt |= error.leaves_open_what_happened())
        };
        ledger.asks_for_upload(key);
        let created = self.request(Operation::Create, create).await;
        ledger.upload_answered(key, created.as_ref().ok(), in_doubt);
        Ok(created?)
    }

    /// Sends the parts, begun in order, `parts_in_flight` at a time.
    async fn send_parts(
        &self,
        upload: &Upload,
        file: &FileSpec,
        source: &Source<'_>,
    ) -> Result<Vec<Part>, FileError> {
        let settings = self.worker.job.settings;
        let parts_in_flight = settings.parts_in_flight;
        let ready = stream::iter((1..).zip(ranges(file.size_bytes, settings.part_size_bytes)))
            .then(async |(number, range)| {
                self.go_on()?;
                Ok::<_, FileError>((number, source.part(range, parts_in_flight).await?))
            });
        let send = async |(number, part)| self.send_part(upload, number, source, &part).await;
        let mut parts: Vec<Part> = in_flight(parts_in_flight, ready, send).await?;
        parts.sort_unstable_by_key(|part| part.number);
        source.unchanged().await?;
        Ok(parts)
    }

    pub(super) async fn send_part(
        &self,
        upload: &Upload,
        number: u32,
        source: &Source<'_>,
        part: &PartSource,
    ) -> Result<Part, FileError> {
        let store = self.worker.store;
        let send =
            async |probe: &_| store.upload_part(upload, number, source.payload(part), probe).await;
        let held = self.take(Operation::Part, part.length())?;
        Ok(self.request_part(Operation::Part, NonZeroU32::new(number), held, send).await?)
    }

    /// Completes an upload. When the answer is lost the upload may be complete all the same, and
    /// asking again is answered 404: then HeadObject settles it.
    pub(super) async fn complete(
        &self,
        upload: &Upload,
        parts: &[Part],
        size_bytes: u64,
    ) -> Result<(), FileError> {
        let store = self.worker.store;
        let mut answer_lost = false;
        let complete = async |probe: &_| match store.complete_upload(upload, parts, probe).await {
            Ok(etag) => Ok(Some(etag)),
            Err(error) if answer_lost && is_gone(&error) => Ok(None),
            Err(error) => {
                answer_lost |= error.leaves_open_what_happened();
                Err(error)
            }
        };
        let ledger = &self.worker.job.ledger;
        ledger.asks_for_object(&upload.key, etag::of_parts(parts));
        let completed = self.request(Operation::Complete, complete).await;
        let etag = completed.as_ref().ok().and_then(Option::as_deref);
        ledger.object_answered(&upload.key, etag, answer_lost);
        let completed = completed.map(drop);
        if answer_lost {
            return self.settle(&upload.key, size_bytes, completed).await;
        }
        Ok(completed?)
    }

    async fn settle(
        &self,
        key: &str,
        size_bytes: u64,
        completed: Result<(), StoreError>,
    ) -> Result<(), FileError> {
        let store = self.worker.store;
        let head = async |probe: &_| store.head_object(key, probe).await;
        let found = self.request(Operation::Head, head).await;
        match (found, completed) {
            (Ok(Some(object)), _) if object.size_bytes == Some(size_bytes) => Ok(()),
            // The endpoint tells no lengths; that the upload is gone is what it can tell.
            (Ok(Some(ObjectInfo { size_bytes: None, .. })), Ok(())) => Ok(()),
            (Ok(_), Err(error)) => Err(error.into()),
            (Ok(_), Ok(())) => {
                Err(FileError::Failed(format!("{key}: gone after CompleteMultipartUpload")))
            }
            (Err(error), _) => Err(FileError::Failed(format!(
                "no answer to CompleteMultipartUpload, and whether {key} is there is unknown: {error}"
            ))),
        }
    }

    /// Reads the object back. What does not match its source is deleted again; what could not be
    /// read stays, for it may be good.
    async fn verify(
        &self,
        key: &str,
        file: &FileSpec,
        source: &Source<'_>,
    ) -> Result<(), FileError> {
        let held = self.take(Operation::Get, file.size_bytes)?;
        match self.read_back(key, file, source, held).await {
            Ok(()) => Ok(()),
            Err(error) if error.class == FailureClass::Checksum => {
                Err(self.take_back(key, error.into()).await)
            }
            Err(error) => {
                Err(FileError::Failed(format!("it arrived and could not be verified: {error}")))
            }
        }
    }

    /// Deletes the object again. The error, and whether the object is still there in spite of it.
    async fn take_back(&self, key: &str, error: FileError) -> FileError {
        match self.delete_own(key).await {
            Ok(()) => error,
            Err(reason) => {
                FileError::Failed(format!("{error}; its object could not be deleted: {reason}"))
            }
        }
    }

    /// Deletes an object of this run, if it is still as the run made it.
    async fn delete_own(&self, key: &str) -> Result<(), String> {
        let Worker { store, job, .. } = self.worker;
        let head = async |probe: &_| store.head_object(key, probe).await;
        match self.request(Operation::Head, head).await {
            Ok(None) => return Ok(()),
            Ok(Some(found)) if job.ledger.made(&found) => {}
            Ok(Some(_)) => return Err("the object there may be another program's".into()),
            Err(error) => return Err(error.message),
        }
        let keys = [key.to_owned()];
        let delete = async |probe: &_| store.delete_objects(&keys, probe).await;
        let refused =
            self.request(Operation::Delete, delete).await.map_err(|error| error.message)?;
        match refused.into_iter().next() {
            Some((_, reason)) => Err(reason),
            None => {
                job.ledger.deleted(&keys);
                Ok(())
            }
        }
    }
}

/// Storj answers a second Complete with NoSuchKey, others with NoSuchUpload.
fn is_gone(error: &StoreError) -> bool {
    error.has_code("NoSuchKey") || error.has_code("NoSuchUpload")
}

/// The ranges of the parts of a file.
pub(super) fn ranges(size_bytes: u64, part_size_bytes: u64) -> impl Iterator<Item = Range<u64>> {
    (0..size_bytes.div_ceil(part_size_bytes)).map(move |part| {
        let start = part * part_size_bytes;
        start..size_bytes.min(start + part_size_bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_cover_a_file_without_gap_or_overlap(size in 1_u64..10_000, part in 1_u64..2_000) {
            let mut end = 0;
            for range in ranges(size, part) {
                prop_assert_eq!(range.start, end);
                prop_assert!(range.end - range.start <= part);
                prop_assert!(range.end == size || range.end - range.start == part);
                end = range.end;
            }
            prop_assert_eq!(end, size);
        }
    }
}
