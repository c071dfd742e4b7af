//! The body of a PutObject or UploadPart on its way to where it is kept.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use md5::{Digest, Md5};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, StdError};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::archive::Archive;
use super::blob::Blob;
use super::{Content, Contents, blocking};
use crate::storj::{Piece, Tag};

/// Smaller frames are put together into blocks of at most this size: kept as they are, each would keep a whole
/// read buffer.
const SMALLEST_FRAME_KEPT_BYTES: usize = 64 << 10;

/// Why a body was not received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The client broke off, or the bytes do not match their signature.
    #[error("the body did not arrive whole: {0}")]
    Body(StdError),
    /// The body has another length than was announced.
    #[error("the body has not the {announced_bytes} bytes that were announced")]
    OtherLength {
        /// The length that was.
        announced_bytes: u64,
    },
    /// The bytes cannot be kept.
    #[error("cannot keep the bytes: {0}")]
    Keep(#[from] io::Error),
}

impl From<ReceiveError> for S3Error {
    fn from(error: ReceiveError) -> Self {
        match error {
            // What the checks of the body found says more than that the body is incomplete.
            ReceiveError::Body(source) => match source.downcast::<S3Error>() {
                Ok(error) => *error,
                Err(source) => Self::with_source(S3ErrorCode::IncompleteBody, source),
            },
            error @ ReceiveError::OtherLength { .. } => {
                Self::with_message(S3ErrorCode::IncompleteBody, error.to_string())
            }
            ReceiveError::Keep(error) => super::super::embedded::cannot_keep(&error),
        }
    }
}

impl Contents {
    /// Receives the body of the object `key`, or of a part of it. Whatever encloses the bytes on their way, there
    /// are as many as were announced, if a length was.
    pub async fn receive(
        &self,
        key: &str,
        body: Option<StreamingBlob>,
        announced_bytes: Option<u64>,
    ) -> Result<(Piece<Content>, Tag), ReceiveError> {
        let mut sink = self.sink(key).await?;
        let mut size_bytes = 0;
        let most_bytes = announced_bytes.unwrap_or(u64::MAX);
        if let Some(mut body) = body {
            while let Some(frame) = body.next().await {
                let frame = frame.map_err(ReceiveError::Body)?;
                size_bytes += frame.len() as u64;
                if size_bytes > most_bytes {
                    break;
                }
                sink.take(frame).await?;
            }
        }
        if let Some(announced_bytes) = announced_bytes.filter(|bytes| *bytes != size_bytes) {
            return Err(ReceiveError::OtherLength { announced_bytes });
        }
        let (content, tag) = sink.finish().await?;
        Ok((Piece { size_bytes, content }, tag))
    }

    async fn sink(&self, key: &str) -> io::Result<Sink> {
        Ok(match self {
            Self::Discard(_) => Sink::Discard { key: key.into() },
            Self::Memory => Sink::Memory { blocks: Blocks::default(), md5: Md5::new() },
            Self::Directory(archive) => Sink::create_file(archive).await?,
        })
    }
}

/// Where the frames of one body go.
enum Sink {
    Discard { key: Arc<str> },
    Memory { blocks: Blocks, md5: Md5 },
    File { file: File, blob: Blob, md5: Md5 },
}

impl Sink {
    async fn create_file(archive: &Arc<Archive>) -> io::Result<Self> {
        let archive = Arc::clone(archive);
        let (blob, file) = blocking(move || archive.create_blob()).await?;
        Ok(Self::File { file: File::from_std(file), blob, md5: Md5::new() })
    }

    async fn take(&mut self, frame: Bytes) -> io::Result<()> {
        match self {
            Self::Discard { .. } => {}
            Self::Memory { blocks, md5 } => {
                md5.update(&frame);
                blocks.take(frame);
            }
            Self::File { file, md5, .. } => {
                md5.update(&frame);
                file.write_all(&frame).await?;
            }
        }
        Ok(())
    }

    async fn finish(self) -> io::Result<(Content, Tag)> {
        match self {
            Self::Discard { key } => {
                Ok((Content::Discarded(key), Tag::Discarded(fastrand::u64(..))))
            }
            Self::Memory { blocks, md5 } => {
                Ok((Content::Memory(blocks.finish().into()), Tag::Md5(md5.finalize().into())))
            }
            Self::File { mut file, blob, md5 } => {
                // Without this, an error of the last write (a full disk) would be lost.
                file.flush().await?;
                file.sync_data().await?;
                Ok((Content::File(Arc::new(blob)), Tag::Md5(md5.finalize().into())))
            }
        }
    }
}

/// Frames in memory. However small they come, what is put together takes at most twice its bytes, and a few
/// words for each two blocks, which are more than [`SMALLEST_FRAME_KEPT_BYTES`]. While they come it takes one
/// block more. Large frames stay where they were read: a quarter of that buffer
/// ([`crate::storj::QUANTUM_BYTES`]) or more is theirs. So a byte takes at most four.
#[derive(Default)]
struct Blocks {
    full: Vec<Bytes>,
    /// Small frames, put together.
    open: BytesMut,
}

impl Blocks {
    fn take(&mut self, frame: Bytes) {
        if frame.len() >= SMALLEST_FRAME_KEPT_BYTES {
            self.close();
            self.full.push(frame);
            return;
        }
        if self.open.len() + frame.len() > SMALLEST_FRAME_KEPT_BYTES {
            self.close();
        }
        if !self.open.is_empty() {
            // More will come: there is room for all of it at once.
            self.open.reserve(SMALLEST_FRAME_KEPT_BYTES - self.open.len());
        }
        self.open.extend_from_slice(&frame);
    }

    fn close(&mut self) {
        let block = std::mem::take(&mut self.open);
        let is_tight = block.len() * 2 >= block.capacity();
        match block.len() {
            0 => {}
            _ if is_tight => self.full.push(block.freeze()),
            _ => self.full.push(Bytes::copy_from_slice(&block)),
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks(frames: &[usize]) -> Vec<Bytes> {
        let mut blocks = Blocks::default();
        for (index, frame) in frames.iter().enumerate() {
            blocks.take(Bytes::from(vec![index as u8; *frame]));
        }
        blocks.finish()
    }

    /// Each block costs its bytes, at most once more, and this.
    const OVERHEAD_BYTES: usize = 2 * size_of::<Bytes>();

    #[test]
    fn a_body_that_comes_byte_by_byte_takes_little_more_than_its_bytes() {
        let bytes = 1_000_000;
        let blocks = blocks(&vec![1; bytes]);
        assert_eq!(blocks.iter().map(Bytes::len).sum::<usize>(), bytes);
        assert!(blocks.len() * OVERHEAD_BYTES < bytes / 100, "{} blocks", blocks.len());
    }

    proptest! {
        #[test]
        fn blocks_are_large_and_hold_the_frames_in_order(
            frames in proptest::collection::vec(0_usize..150_000, 0..30),
        ) {
            let blocks = blocks(&frames);
            let whole: Vec<u8> =
                frames.iter().enumerate().flat_map(|(at, frame)| vec![at as u8; *frame]).collect();
            prop_assert_eq!(blocks.concat(), &whole[..]);
            // Of two neighbours at least one is large, or together they are.
            for two in blocks.windows(2) {
                prop_assert!(two[0].len() + two[1].len() > SMALLEST_FRAME_KEPT_BYTES);
            }
        }
    }
}
