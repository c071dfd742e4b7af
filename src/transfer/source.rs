//! Where the bytes of one file come from while it is sent, and what it is compared with afterwards.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::dataset::{Dataset, FileReader, FileSpec, Pattern, Payload, SourceError};
use crate::measure::Live;

/// The bytes of one file.
pub(super) enum Source<'a> {
    /// Made up from the object's key.
    Pattern { pattern: &'a Pattern, key: &'a str },
    /// Read from a file.
    File(FileReader),
}

/// One part's bytes, to be sent as often as it takes.
pub(super) enum PartSource {
    /// Read (or made up) while they are sent.
    Streamed(Range<u64>),
    /// In memory.
    Filled(Bytes),
}

impl PartSource {
    /// Bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Streamed(range) => range.end - range.start,
            Self::Filled(bytes) => bytes.len() as u64,
        }
    }
}

impl<'a> Source<'a> {
    pub(super) async fn open(
        dataset: &Dataset,
        pattern: &'a Pattern,
        key: &'a str,
        file: &FileSpec,
        live: &Arc<Live>,
    ) -> Result<Self, SourceError> {
        match dataset {
            Dataset::Synthetic(_) => Ok(Self::Pattern { pattern, key }),
            Dataset::Directory { root, .. } => {
                let path = root.join(Path::new(&file.path));
                Ok(Self::File(FileReader::open(&path, file.size_bytes, live).await?))
            }
            Dataset::Objects(_) => {
                Err(SourceError(format!("{} lies in the bucket already", file.path)))
            }
        }
    }

    /// Makes a part ready. Where several parts of a file are in flight, a file is read in order and
    /// each part filled before the next, as an in-order stream of blocks must be.
    pub(super) async fn part(
        &self,
        range: Range<u64>,
        parts_in_flight: u32,
    ) -> Result<PartSource, SourceError> {
        match self {
            Self::File(reader) if parts_in_flight > 1 => {
                Ok(PartSource::Filled(reader.fill(range).await?))
            }
            Self::File(_) | Self::Pattern { .. } => Ok(PartSource::Streamed(range)),
        }
    }

    /// The body of one attempt.
    pub(super) fn payload(&self, part: &PartSource) -> Payload {
        match (part, self) {
            (PartSource::Filled(bytes), _) => Payload::from(vec![bytes.clone()]),
            (PartSource::Streamed(range), Self::File(reader)) => reader.stream(range.clone()),
            (PartSource::Streamed(range), Self::Pattern { pattern, key }) => {
                pattern.payload(key, range.start, range.end - range.start)
            }
        }
    }

    /// Whether the file is still the one that was opened.
    pub(super) async fn unchanged(&self) -> Result<(), SourceError> {
        match self {
            Self::Pattern { .. } => Ok(()),
            Self::File(reader) => reader.unchanged().await,
        }
    }

    /// Whether the file holds `bytes` at `offset`.
    pub(super) async fn matches(&self, offset: u64, bytes: Bytes) -> Result<bool, SourceError> {
        match self {
            Self::Pattern { pattern, key } => Ok(pattern.matches(key, offset, &bytes)),
            Self::File(reader) => reader.matches(offset, bytes).await,
        }
    }
}
