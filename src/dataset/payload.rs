//! The bytes of one request on their way to a store, in blocks of 256 KiB.

use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use crate::measure::Live;

/// The unit in which a GridFTP server hands data to a connector
/// (`blocksize` of the DSI, gridcf/gct `globus_i_gfs_data.c`).
pub const BLOCK_BYTES: usize = 256 << 10;

/// Why bytes could not be had from their source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// The body of one PutObject or UploadPart: its frames are blocks.
#[derive(Debug)]
pub struct Payload {
    blocks: std::collections::VecDeque<Bytes>,
}

impl Payload {
    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.blocks.iter().map(|block| block.len() as u64).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<Bytes>> for Payload {
    /// Blocks that lie in memory.
    fn from(blocks: Vec<Bytes>) -> Self {
        Self { blocks: blocks.into() }
    }
}

impl http_body::Body for Payload {
    type Data = Bytes;
    type Error = SourceError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceError>>> {
        Poll::Ready(self.blocks.pop_front().map(|block| Ok(Frame::data(block))))
    }

    fn is_end_stream(&self) -> bool {
        self.blocks.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.len())
    }
}

/// A file that is read in order, block by block, without blocking the thread.
#[derive(Clone, Debug)]
pub struct FileReader {}

impl FileReader {
    /// Opens a file and notes its size and time of change.
    ///
    /// # Errors
    /// If it cannot be opened, or is not `size_bytes` long any more.
    pub async fn open(
        _path: &Path,
        _size_bytes: u64,
        _live: &Arc<Live>,
    ) -> Result<Self, SourceError> {
        todo!()
    }

    /// A range of the file, read while it is sent: a bounded number of blocks is in memory.
    pub fn stream(&self, _range: Range<u64>) -> Payload {
        todo!()
    }

    /// A range of the file, read whole into memory before it is sent.
    ///
    /// # Errors
    /// If the file cannot be read or is too short.
    pub async fn fill(&self, _range: Range<u64>) -> Result<Payload, SourceError> {
        todo!()
    }

    /// Whether the file holds `bytes` at `offset`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn matches(&self, _offset: u64, _bytes: Bytes) -> Result<bool, SourceError> {
        todo!()
    }

    /// Whether size and time of change are still those of the opening.
    ///
    /// # Errors
    /// Says what changed.
    pub async fn unchanged(&self) -> Result<(), SourceError> {
        todo!()
    }
}
