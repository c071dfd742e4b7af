//! A payload in chunks that are signed while they are sent (`aws-chunked`), with a checksum behind them or none.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use sha2::{Digest, Sha256};

use super::chain::Chain;
use super::layout::{CHUNK_BYTES, Layout};
use super::sum::Sum;
use crate::dataset::{Payload, SourceError};
use crate::store::Algorithm;

/// The body of one request. Blocks of the payload are cut, not copied; lines are sent as frames of their own.
pub(super) struct Chunks {
    payload: Payload,
    /// Taken from the payload, not yet in a chunk.
    block: Bytes,
    /// Of the payload, not yet in a chunk: those of `block` among them.
    left_bytes: u64,
    /// Of the body, not yet handed out.
    left_body_bytes: u64,
    /// The pieces of the chunk that is being filled, and their digest.
    pieces: Vec<Bytes>,
    filled_bytes: usize,
    digest: Sha256,
    trailing: Option<Trailing>,
    /// Ready to be sent.
    frames: VecDeque<Bytes>,
    chain: Signing,
    progress: Progress,
}

/// A checksum that follows the payload.
pub(super) struct Trailing {
    pub(super) algorithm: Algorithm,
    /// So far.
    pub(super) sum: Sum,
    /// Where it is told.
    pub(super) told: Arc<OnceLock<String>>,
}

/// Whether the head is signed yet.
enum Signing {
    /// It will be when the first byte of the body is asked for.
    Expected(Arc<OnceLock<Chain>>),
    Begun(Chain),
}

/// How far a body has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    First,
    /// A line end is due, of the chunk before.
    Following,
    Ended,
}

/// The bytes behind the last chunk: `name:checksum`, and its signature.
pub(super) fn trailer_bytes(algorithm: Algorithm) -> u64 {
    let digest_bytes = match algorithm {
        Algorithm::Crc32 | Algorithm::Crc32c => 4_usize,
        Algorithm::Crc64Nvme => 8,
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
    };
    let line = algorithm.header().len() + ":\r\n".len() + digest_bytes.div_ceil(3) * 4;
    (line + TRAILER_SIGNATURE.len() + 64 + "\r\n".len()) as u64
}

const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature:";

impl Chunks {
    /// Of this payload; `chain` is there when the head is signed.
    pub(super) fn new(
        payload: Payload,
        layout: Layout,
        trailing: Option<Trailing>,
        chain: Arc<OnceLock<Chain>>,
    ) -> Self {
        Self {
            left_bytes: payload.len(),
            payload,
            block: Bytes::new(),
            left_body_bytes: layout.body_bytes(),
            pieces: Vec::new(),
            filled_bytes: 0,
            digest: Sha256::new(),
            trailing,
            frames: VecDeque::new(),
            chain: Signing::Expected(chain),
            progress: Progress::First,
        }
    }

    /// Fills the chunk from the payload.
    fn poll_filled(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SourceError>> {
        let wanted_bytes = self.left_bytes.min(CHUNK_BYTES as u64) as usize;
        while self.filled_bytes < wanted_bytes {
            if self.block.is_empty() {
                let frame = ready!(Pin::new(&mut self.payload).poll_frame(context));
                let frame = frame.ok_or_else(|| SourceError("the payload ended early".into()))?;
                self.block = frame?.into_data().unwrap_or_default();
                continue;
            }
            let missing_bytes = wanted_bytes - self.filled_bytes;
            let piece = self.block.split_to(missing_bytes.min(self.block.len()));
            self.digest.update(&piece);
            if let Some(trailing) = &mut self.trailing {
                trailing.sum.update(&piece);
            }
            self.filled_bytes += piece.len();
            self.pieces.push(piece);
        }
        Poll::Ready(Ok(()))
    }

    /// Puts the chunk among what is ready; behind the last one what trails it.
    fn close(&mut self) -> Result<(), SourceError> {
        let (bytes, digest) = (self.filled_bytes, self.digest.finalize_reset());
        let line_end = if self.progress == Progress::Following { "\r\n" } else { "" };
        let chain = self.chain.begun()?;
        let line = format!("{line_end}{bytes:x};chunk-signature={}\r\n", chain.chunk(&digest));
        if bytes > 0 {
            self.frames.push_back(line.into());
            self.frames.extend(self.pieces.drain(..));
            self.left_bytes -= bytes as u64;
            (self.filled_bytes, self.progress) = (0, Progress::Following);
            return Ok(());
        }
        let trailer = self.trailing.take().map_or(String::new(), |trailing| {
            let Trailing { algorithm, sum, told } = trailing;
            let checksum = sum.finish();
            let said = format!("{}:{checksum}", algorithm.header());
            let _ = told.set(checksum);
            format!("{said}\r\n{TRAILER_SIGNATURE}{}\r\n", chain.trailer(&said))
        });
        self.frames.push_back(format!("{line}{trailer}\r\n").into());
        self.progress = Progress::Ended;
        Ok(())
    }
}

impl Signing {
    fn begun(&mut self) -> Result<&mut Chain, SourceError> {
        if let Self::Expected(expected) = self {
            let chain = expected.get().cloned();
            *self = Self::Begun(chain.ok_or_else(|| SourceError("the head is not signed".into()))?);
        }
        match self {
            Self::Begun(chain) => Ok(chain),
            Self::Expected(_) => Err(SourceError("the head is not signed".into())),
        }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = SourceError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceError>>> {
        let this = &mut *self;
        loop {
            if let Some(frame) = this.frames.pop_front() {
                this.left_body_bytes = this.left_body_bytes.saturating_sub(frame.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            if this.progress == Progress::Ended {
                return Poll::Ready(None);
            }
            let filled = ready!(this.poll_filled(context)).and_then(|()| this.close());
            if let Err(error) = filled {
                this.progress = Progress::Ended;
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left_body_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_body_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    /// All frames, or why they end.
    fn frames(mut chunks: Chunks) -> Result<Vec<Bytes>, SourceError> {
        let mut frames = Vec::new();
        while let Some(frame) = futures::executor::block_on(chunks.frame()) {
            frames.push(frame?.into_data().expect("it has no other frames"));
        }
        assert_eq!(chunks.size_hint().exact(), Some(0));
        Ok(frames)
    }

    fn trailing(told: &Arc<OnceLock<String>>) -> Trailing {
        let algorithm = Algorithm::Crc32;
        Trailing { algorithm, sum: Sum::of(algorithm), told: Arc::clone(told) }
    }

    fn signed() -> Arc<OnceLock<Chain>> {
        let chain = Arc::<OnceLock<Chain>>::default();
        let _ = chain.set(Chain::for_tests());
        chain
    }

    proptest! {
        #[test]
        fn a_body_has_the_length_that_was_announced_and_all_blocks_uncopied(
            sizes in prop::collection::vec(prop_oneof![1_usize..300, 60_000..200_000_usize], 0..5),
            with_trailer in any::<bool>(),
        ) {
            let blocks: Vec<Bytes> = sizes.iter().map(|size| Bytes::from(vec![b'x'; *size])).collect();
            let places: Vec<Range<*const u8>> =
                blocks.iter().map(|block| block.as_ptr_range()).collect();
            let (payload, told) = (Payload::from(blocks.clone()), Arc::default());
            let trailer = with_trailer.then(|| trailing(&told));
            let trailer_bytes = if with_trailer { trailer_bytes(Algorithm::Crc32) } else { 0 };
            let layout = Layout::new(payload.len(), trailer_bytes);
            let frames = frames(Chunks::new(payload, layout, trailer, signed())).unwrap();
            let bytes: u64 = frames.iter().map(|frame| frame.len() as u64).sum();
            prop_assert_eq!(bytes, layout.body_bytes());
            let is_cut = |frame: &&Bytes| places.iter().any(|place| place.contains(&frame.as_ptr()));
            let cut: usize = frames.iter().filter(is_cut).map(Bytes::len).sum();
            prop_assert_eq!(cut, sizes.iter().sum::<usize>());
            prop_assert_eq!(told.get().is_some(), with_trailer);
        }
    }

    #[test]
    fn the_checksum_follows_the_last_chunk_and_is_signed() {
        let told = Arc::default();
        let payload = Payload::from(vec![Bytes::from_static(b"123456789")]);
        let layout = Layout::new(9, trailer_bytes(Algorithm::Crc32));
        let chunks = Chunks::new(payload, layout, Some(trailing(&told)), signed());
        let body = String::from_utf8(frames(chunks).unwrap().concat()).unwrap();
        assert_eq!(told.get().map(String::as_str), Some("y/Q5Jg=="));
        let lines: Vec<&str> = body.split("\r\n").collect();
        assert!(lines[0].starts_with("9;chunk-signature=") && lines[1] == "123456789", "{body}");
        assert!(lines[2].starts_with("0;chunk-signature="), "{body}");
        assert_eq!(lines[3], "x-amz-checksum-crc32:y/Q5Jg==");
        assert!(lines[4].starts_with(TRAILER_SIGNATURE), "{body}");
        assert_eq!(lines[5..], ["", ""]);
    }

    #[test]
    fn nothing_is_sent_behind_a_head_that_is_not_signed() {
        let payload = Payload::from(vec![Bytes::from_static(b"bytes")]);
        let chunks = Chunks::new(payload, Layout::new(5, 0), None, Arc::default());
        assert_eq!(frames(chunks), Err(SourceError("the head is not signed".into())));
    }
}
