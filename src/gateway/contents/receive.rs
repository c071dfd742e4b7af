//! The body of a PutObject or UploadPart on its way to where it is kept.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use md5::{Digest, Md5};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, StdError};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::archive::Archive;
use super::blob::Blob;
use super::{Content, Contents};
use crate::storj::{Piece, Tag};

/// Smaller frames are copied: kept as they are, each would keep a whole read buffer.
const SMALLEST_FRAME_KEPT_BYTES: usize = 64 << 10;

/// Why a body was not received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The client broke off, or the bytes do not match their signature.
    #[error("the body did not arrive whole: {0}")]
    Body(StdError),
    /// The bytes cannot be kept.
    #[error("cannot keep the bytes: {0}")]
    Keep(#[from] io::Error),
}

impl From<ReceiveError> for S3Error {
    fn from(error: ReceiveError) -> Self {
        match error {
            // What s3s's own checks of the body found says more than that the body is incomplete.
            ReceiveError::Body(source) => match source.downcast::<S3Error>() {
                Ok(error) => *error,
                Err(source) => Self::with_source(S3ErrorCode::IncompleteBody, source),
            },
            ReceiveError::Keep(error) => super::super::embedded::cannot_keep(&error),
        }
    }
}

impl Contents {
    /// Receives the body of the object `key`, or of a part of it.
    pub async fn receive(
        &self,
        key: &str,
        body: Option<StreamingBlob>,
    ) -> Result<(Piece<Content>, Tag), ReceiveError> {
        let mut sink = self.sink(key).await?;
        let mut size_bytes = 0;
        if let Some(mut body) = body {
            while let Some(frame) = body.next().await {
                let frame = frame.map_err(ReceiveError::Body)?;
                size_bytes += frame.len() as u64;
                sink.take(frame).await?;
            }
        }
        let (content, tag) = sink.finish().await?;
        Ok((Piece { size_bytes, content }, tag))
    }

    async fn sink(&self, key: &str) -> io::Result<Sink> {
        Ok(match self {
            Self::Discard(_) => Sink::Discard { key: key.into() },
            Self::Memory => Sink::Memory { frames: Vec::new(), md5: Md5::new() },
            Self::Directory(archive) => Sink::create_file(archive).await?,
        })
    }
}

/// Where the frames of one body go.
enum Sink {
    Discard { key: Arc<str> },
    Memory { frames: Vec<Bytes>, md5: Md5 },
    File { file: File, unfinished: Blob, md5: Md5 },
}

impl Sink {
    async fn create_file(archive: &Archive) -> io::Result<Self> {
        let path = archive.unfinished_path();
        let file = File::create_new(&path).await?;
        Ok(Self::File { file, unfinished: Blob::unheld(path), md5: Md5::new() })
    }

    async fn take(&mut self, frame: Bytes) -> io::Result<()> {
        match self {
            Self::Discard { .. } => {}
            Self::Memory { frames, md5 } => {
                md5.update(&frame);
                frames.push(if frame.len() < SMALLEST_FRAME_KEPT_BYTES {
                    Bytes::copy_from_slice(&frame)
                } else {
                    frame
                });
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
            Self::Memory { frames, md5 } => {
                Ok((Content::Memory(frames.into()), Tag::Md5(md5.finalize().into())))
            }
            Self::File { mut file, unfinished, md5 } => {
                // Without this, an error of the last write (a full disk) would be lost.
                file.flush().await?;
                let finished = Archive::finish(unfinished)?;
                Ok((Content::File(Arc::new(finished)), Tag::Md5(md5.finalize().into())))
            }
        }
    }
}
