//! A file on its way down, and an object read back after its upload.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::GetMode;
use super::allowance::Held;
use super::etag::{Known, Verdict};
use super::mover::{Came, FileError, Mover, in_flight};
use super::readings::{Measure, ReadError, Readings, Wrong, compare, whole, within};
use super::sink::Destination;
use super::source::Source;
use super::upload::ranges;
use crate::clock;
use crate::dataset::FileSpec;
use crate::measure::{FailureClass, Milestone, Operation, Probe};
use crate::store::{Download, Store, StoreError};

/// What is known of the object that is to come.
#[derive(Clone, Copy)]
enum Expected<'a> {
    /// Nothing: it comes in one answer.
    Any,
    /// All ranges are of the one whose ETag came first, if it has one.
    OneObject(&'a RefCell<Option<Option<String>>>),
    /// Its ETag, which the bytes are to give.
    Hash(&'a Known, &'a Cell<Verdict>),
}

impl<S: Store> Mover<'_, S> {
    /// Downloads the last bytes of an object, or all of it, in one answer or in ranges. A file gets its name
    /// only when it is whole.
    pub(super) async fn download_file(
        &self,
        key: &str,
        file: &FileSpec,
        bytes: u64,
    ) -> Result<Came, FileError> {
        let job = self.worker.job;
        let waits = &self.worker.control.live.destination;
        let destination = match job.sink.open(&file.path, file.size_bytes, waits).await? {
            Destination::Whole(folder) => return self.take_as_it_is(folder, key, file).await,
            destination => destination,
        };
        let part_size_bytes = job.settings.part_size_bytes;
        let rest = file.size_bytes - bytes..file.size_bytes;
        let in_ranges = job.get == GetMode::Ranged && bytes > part_size_bytes;
        // An ETag is of all bytes in their order, not of ranges that come side by side.
        let known = match job.compares_etags() && !in_ranges && rest.start == 0 {
            true => self.known(key, file.size_bytes).await?,
            false => None,
        };
        let seen = Cell::new(Verdict::NotKnown);
        if in_ranges {
            let below = |range: Range<u64>| rest.start + range.start..rest.start + range.end;
            let parts = stream::iter((1..).zip(ranges(bytes, part_size_bytes).map(below)))
                .then(async |part| self.go_on().map(|()| part));
            let etag = RefCell::default();
            let one = Expected::OneObject(&etag);
            let fetch = |part| self.fetch(key, Some(part), file, &destination, one);
            in_flight(job.settings.parts_in_flight, parts, fetch).await?;
        } else {
            let hash = |known| Expected::Hash(known, &seen);
            let expected = known.as_ref().map_or(Expected::Any, hash);
            let part = (rest.start > 0).then(|| (1, rest.clone()));
            self.fetch(key, part, file, &destination, expected).await?;
        }
        let fetched = clock::now();
        destination.finish(waits).await?;
        self.reached(Milestone::Completed, fetched);
        if job.compares_downloads() || seen.get() == Verdict::Right {
            self.is_verified(fetched);
        }
        if job.compares_etags() {
            let etags = &mut self.worker.recorder.borrow_mut().etags;
            match seen.get() {
                Verdict::Right => etags.reproduced += 1,
                _ if known.is_some() => etags.not_reproduced += 1,
                _ => etags.not_known += 1,
            }
        }
        Ok(Came::Now)
    }

    /// Reads these bytes of an object, by a range or as all of it, and forgets them.
    pub(super) async fn read_and_forget(
        &self,
        key: &str,
        bytes: Range<u64>,
        ranged: bool,
    ) -> Result<(), FileError> {
        let length = bytes.end - bytes.start;
        let range = ranged.then(|| bytes.clone());
        let mut readings = Readings::of(key, &self.worker.recorder, Measure::Nothing);
        let read = async |probe: &Arc<Probe>| {
            let mut download = self.worker.store.get_object(key, range.clone(), probe).await?;
            let mut offset = bytes.start;
            while let Some(block) = download.body.next().await {
                offset += block?.len() as u64;
            }
            whole(&bytes, offset)
        };
        let get = async |probe: &Arc<Probe>| readings.judge(read(probe).await);
        let held = self.take(Operation::Get, length)?;
        Ok(self.request_part(Operation::Get, None, held, get).await?)
    }

    /// What an object that somebody else stored must hash to, if that is known.
    pub(super) async fn known(
        &self,
        key: &str,
        size_bytes: u64,
    ) -> Result<Option<Known>, FileError> {
        let (job, store) = (self.worker.job, self.worker.store);
        let head = async |probe: &_| store.first_part(key, probe).await;
        let first = self.request(Operation::Head, head).await?;
        Ok(first.and_then(|first| Known::of(&first, size_bytes, job.etag_part_size_bytes)))
    }

    /// Fetches all of a file, or one of its ranges, which are numbered as parts are.
    async fn fetch(
        &self,
        key: &str,
        part: Option<(u32, Range<u64>)>,
        file: &FileSpec,
        destination: &Destination,
        object: Expected<'_>,
    ) -> Result<(), FileError> {
        let (number, range) = part.unzip();
        let number = number.and_then(NonZeroU32::new);
        let measure = match object {
            _ if self.worker.job.compares_downloads() => Measure::Bytes,
            Expected::Hash(..) => Measure::Etag,
            Expected::Any | Expected::OneObject(_) => Measure::Nothing,
        };
        let mut readings = Readings::of(key, &self.worker.recorder, measure);
        let get = async |probe: &Arc<Probe>| {
            let fetch = self.fetch_once(key, range.clone(), file, destination, object, probe);
            readings.judge(fetch.await)
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
        object: Expected<'_>,
        probe: &Arc<Probe>,
    ) -> Result<(), ReadError> {
        let job = self.worker.job;
        let compares = job.compares_downloads() && self.worker.store.keeps_bytes();
        let source = compares.then_some(Source::Pattern { pattern: &job.pattern, key });
        let expected = range.clone().unwrap_or(0..file.size_bytes);
        let mut download = self.worker.store.get_object(key, range, probe).await?;
        let mut hashing = match object {
            Expected::Any => None,
            Expected::OneObject(first) => {
                let mut first = first.borrow_mut();
                let first = first.get_or_insert_with(|| download.etag.clone());
                unreplaced(key, first.as_deref(), &download)?;
                None
            }
            Expected::Hash(known, _) => {
                unreplaced(key, Some(&known.etag), &download)?;
                Some(known.hashing())
            }
        };
        // Before anything is written.
        if let Some(size_bytes) = download.size_bytes {
            whole(&expected, expected.start.saturating_add(size_bytes))?;
        }
        let waits = &self.worker.control.live.destination;
        let mut writer = destination.writer(expected.start, waits);
        let received = async {
            let mut offset = expected.start;
            while let Some(bytes) = download.body.next().await {
                let bytes = bytes?;
                within(&expected, offset + bytes.len() as u64)?;
                if let Some(source) = &source {
                    compare(source, offset, &bytes).await?;
                }
                if let Some(hashing) = &mut hashing {
                    hashing.add(&bytes);
                }
                offset += bytes.len() as u64;
                writer.write(bytes).await?;
            }
            whole(&expected, offset)
        };
        let received = received.await;
        // Also after a failure: another attempt must not meet the writes of this one.
        let written = writer.finish().await;
        received?;
        written?;
        let (Expected::Hash(known, seen), Some(hashing)) = (object, hashing) else {
            return Ok(());
        };
        seen.set(self.worker.control.reproduced.judge(known, hashing));
        match seen.get() {
            Verdict::Wrong(sum) => Err(ReadError::Wrong(Wrong::Etag(sum))),
            Verdict::Right | Verdict::NotKnown => Ok(()),
        }
    }

    /// Reads an object back and compares it with its source.
    pub(super) async fn read_back(
        &self,
        key: &str,
        file: &FileSpec,
        source: &Source<'_>,
        held: Held<'_>,
    ) -> Result<(), StoreError> {
        let mut readings = Readings::of(key, &self.worker.recorder, Measure::Bytes);
        let read = async |probe: &Arc<Probe>| {
            let mut download = self.worker.store.get_object(key, None, probe).await?;
            let (expected, mut offset) = (0..file.size_bytes, 0);
            while let Some(bytes) = download.body.next().await {
                let bytes = bytes?;
                within(&expected, offset + bytes.len() as u64)?;
                if self.worker.store.keeps_bytes() {
                    compare(source, offset, &bytes).await?;
                }
                offset += bytes.len() as u64;
            }
            whole(&expected, offset)
        };
        let get = async |probe: &Arc<Probe>| readings.judge(read(probe).await);
        self.request_part(Operation::Get, None, held, get).await
    }
}

/// Sees that the object is still the one whose ETag is known.
fn unreplaced(key: &str, etag: Option<&str>, now: &Download) -> Result<(), StoreError> {
    match now.etag.as_deref() == etag {
        true => Ok(()),
        false => {
            let message = format!("{key}: it was replaced between two requests");
            Err(StoreError::new(FailureClass::Client, message))
        }
    }
}
