//! Bytes that are not those of their source: wrong in the store, or only in the reading?
//!
//! What was read wrong is read again. Wrong twice in the same way, it is called corrupt in the store;
//! otherwise the reading before was. Two readings that go wrong by chance in the same byte and the same
//! way would be taken for one fault in the store.

use std::cell::RefCell;
use std::ops::Range;

use bytes::Bytes;

use super::source::Source;
use crate::dataset::SourceError;
use crate::measure::{FailureClass, Recorder};
use crate::store::StoreError;

/// How bytes first differ from those that were expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// This byte came at this offset of the object.
    Byte { offset: u64, byte: u8 },
    /// So many came or were to come, and they were right so far.
    Length { bytes: u64, expected: u64 },
    /// More came than these, which were right so far; the rest was not read.
    More { expected: u64 },
    /// All came, and they hash to this where the ETag says otherwise.
    Etag(u128),
}

/// Why an attempt to read failed.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The bytes did not come.
    Store(StoreError),
    /// They came, and are others.
    Wrong(Wrong),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SourceError> for ReadError {
    /// A fault on our own side.
    fn from(error: SourceError) -> Self {
        Self::Store(StoreError::new(FailureClass::Client, error.0))
    }
}

/// Whether `bytes` are those of the source at `offset`.
pub(super) async fn compare(
    source: &Source<'_>,
    offset: u64,
    bytes: &Bytes,
) -> Result<(), ReadError> {
    let matches = async |range: Range<usize>| {
        source.matches(offset + range.start as u64, bytes.slice(range)).await
    };
    if matches(0..bytes.len()).await? {
        return Ok(());
    }
    // A file that was written to since is no measure for the store.
    source.unchanged().await?;
    // All before `right` is, and something before `wrong` is not.
    let (mut right, mut wrong) = (0, bytes.len());
    while wrong - right > 1 {
        let middle = right.midpoint(wrong);
        match matches(right..middle).await? {
            true => right = middle,
            false => wrong = middle,
        }
    }
    Err(ReadError::Wrong(Wrong::Byte { offset: offset + right as u64, byte: bytes[right] }))
}

/// Whether all of `expected` came. An answer of another length is another object, or broken.
pub(super) fn whole(expected: &Range<u64>, end: u64) -> Result<(), ReadError> {
    let (bytes, wanted) = (end - expected.start, expected.end - expected.start);
    match bytes == wanted {
        true => Ok(()),
        false => Err(ReadError::Wrong(Wrong::Length { bytes, expected: wanted })),
    }
}

/// Whether what came so far is within `expected`: what is too long would lie where other bytes belong.
pub(super) fn within(expected: &Range<u64>, end: u64) -> Result<(), ReadError> {
    match end <= expected.end {
        true => Ok(()),
        false => Err(ReadError::Wrong(Wrong::More { expected: expected.end - expected.start })),
    }
}

/// How it is known which bytes are right: where it is not, nobody is called corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// The bytes are known.
    Bytes,
    /// A digest of them is.
    Etag,
    /// Neither.
    Nothing,
}

/// The readings of the same bytes, one after the other.
pub(super) struct Readings<'a> {
    key: &'a str,
    recorder: &'a RefCell<Recorder>,
    measure: Measure,
    /// Of the last one.
    wrong: Option<Wrong>,
}

impl<'a> Readings<'a> {
    pub(super) fn of(key: &'a str, recorder: &'a RefCell<Recorder>, measure: Measure) -> Self {
        Self { key, recorder, measure, wrong: None }
    }

    /// What a reading shows, together with those before.
    pub(super) fn judge(&mut self, read: Result<(), ReadError>) -> Result<(), StoreError> {
        let wrong = match read {
            Ok(()) => {
                if let Some(wrong) = self.wrong.take() {
                    self.count(wrong, |recorder| recorder.corrupt.in_reading += 1);
                }
                return Ok(());
            }
            Err(ReadError::Store(error)) => return Err(error),
            Err(ReadError::Wrong(wrong)) => wrong,
        };
        let before = self.wrong.replace(wrong);
        let settled = before == Some(wrong);
        if settled {
            self.wrong = None;
            self.count(wrong, |recorder| recorder.corrupt.in_store += 1);
        } else if let Some(before) = before {
            self.count(before, |recorder| recorder.corrupt.in_reading += 1);
        }
        let message = describe(self.key, wrong, settled && self.is_measured(wrong));
        Err(StoreError { settled, ..StoreError::new(FailureClass::Checksum, message) })
    }

    /// A length alone is no fault of bytes of which only a digest is known: the object may have been
    /// replaced since it was listed.
    fn is_measured(&self, wrong: Wrong) -> bool {
        match self.measure {
            Measure::Bytes => true,
            Measure::Etag => matches!(wrong, Wrong::Etag(_)),
            Measure::Nothing => false,
        }
    }

    fn count(&self, wrong: Wrong, count: impl FnOnce(&mut Recorder)) {
        if self.is_measured(wrong) {
            count(&mut self.recorder.borrow_mut());
        }
    }
}

impl Drop for Readings<'_> {
    /// The last reading was wrong, and nobody will read again.
    fn drop(&mut self) {
        if let Some(wrong) = self.wrong {
            self.count(wrong, |recorder| recorder.corrupt.unsettled += 1);
        }
    }
}

fn describe(key: &str, wrong: Wrong, in_store: bool) -> String {
    let fault = match wrong {
        Wrong::Byte { offset, .. } => {
            format!("the bytes from {offset} on are not those that were stored")
        }
        Wrong::Length { bytes, expected } => {
            format!("{bytes} bytes came where {expected} were expected")
        }
        Wrong::More { expected } => {
            format!("more bytes came than the {expected} that were expected")
        }
        Wrong::Etag(sum) => format!("its bytes hash to {sum:032x}, which is not its ETag"),
    };
    match in_store {
        true => format!("{key}: corrupt in the store: {fault}, in two readings alike"),
        false => format!("{key}: {fault}"),
    }
}
