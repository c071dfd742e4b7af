//! The bytes of one request on their way to a store, in blocks of 512 KiB.
//!
//! A payload knows its length from the start, makes its blocks only when asked for them, and is
//! `Send + Sync`, which the SDK wants of a request body.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::file::FileReader;
use super::pattern::{Pattern, Stretch};
use super::read_ahead::ReadAhead;
use super::{BLOCK_BYTES, SourceError};

/// The body of one PutObject or UploadPart: its frames are blocks.
pub struct Payload {
    source: Source,
    left_bytes: u64,
}

/// Where the blocks come from.
enum Source {
    /// The shared random bytes.
    Pattern(Stretch),
    /// Memory. No block is empty.
    Memory(VecDeque<Bytes>),
    /// A file, read while it is sent.
    File(ReadAhead),
}

impl Payload {
    /// The next `len_bytes` of `source`, which has as many.
    fn new(source: Source, len_bytes: u64) -> Self {
        Self { source, left_bytes: len_bytes }
    }

    /// Bytes to come: all of them until the first frame is taken.
    pub fn len(&self) -> u64 {
        self.left_bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Pattern {
    /// The bytes `offset..offset + len` of the object `key`, without a copy.
    pub fn payload(&self, key: &str, offset: u64, len: u64) -> Payload {
        Payload::new(Source::Pattern(self.stretch(key, offset)), len)
    }
}

impl FileReader {
    /// A range of the file, read while it is sent: a bounded part of it is in memory.
    pub fn stream(&self, range: Range<u64>) -> Payload {
        let len_bytes = range.end.saturating_sub(range.start);
        Payload::new(Source::File(ReadAhead::new(self.clone(), range)), len_bytes)
    }
}

impl From<Vec<Bytes>> for Payload {
    /// Blocks that lie in memory. Longer pieces are sent as several frames.
    fn from(blocks: Vec<Bytes>) -> Self {
        let blocks: VecDeque<Bytes> =
            blocks.into_iter().filter(|block| !block.is_empty()).collect();
        let len_bytes = blocks.iter().map(|block| block.len() as u64).sum();
        Self::new(Source::Memory(blocks), len_bytes)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("left_bytes", &self.left_bytes).finish_non_exhaustive()
    }
}

impl http_body::Body for Payload {
    type Data = Bytes;
    type Error = SourceError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceError>>> {
        let left_bytes = self.left_bytes;
        if left_bytes == 0 {
            return Poll::Ready(None);
        }
        let block = match &mut self.source {
            Source::Pattern(stretch) => Some(Ok(stretch.next_block(left_bytes))),
            Source::Memory(blocks) => next_in_memory(blocks).map(Ok),
            Source::File(read_ahead) => ready!(read_ahead.poll_next(context)),
        };
        self.left_bytes = match &block {
            Some(Ok(block)) => left_bytes - block.len() as u64,
            // After an error nothing more comes.
            Some(Err(_)) | None => 0,
        };
        Poll::Ready(block.map(|block| block.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

/// Takes at most one block's worth from the front.
fn next_in_memory(blocks: &mut VecDeque<Bytes>) -> Option<Bytes> {
    match blocks.front_mut() {
        Some(front) if front.len() > BLOCK_BYTES => Some(front.split_to(BLOCK_BYTES)),
        _ => blocks.pop_front(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use futures::executor::block_on;
    use http_body::Body;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    /// All frames of a payload that needs no runtime; checks that it keeps its promises on the way.
    pub(in crate::dataset) fn frames(mut payload: Payload) -> Vec<Bytes> {
        let mut frames = Vec::new();
        loop {
            assert_eq!(payload.size_hint().exact(), Some(payload.len()));
            assert_eq!(payload.is_end_stream(), payload.is_empty());
            let before = payload.len();
            let Some(frame) = block_on(payload.frame()) else {
                assert_eq!(before, 0, "the payload ended before its length");
                return frames;
            };
            let block =
                frame.expect("memory does not fail").into_data().expect("there are no trailers");
            assert!((1..=BLOCK_BYTES).contains(&block.len()));
            assert_eq!(payload.len(), before - block.len() as u64);
            frames.push(block);
        }
    }

    #[test]
    fn the_sdk_can_take_a_payload() {
        let body = aws_sdk_s3::primitives::SdkBody::from_body_1_x(Payload::from(vec![
            Bytes::from_static(b"bytes"),
        ]));
        assert_eq!(body.content_length(), Some(5));
    }

    proptest! {
        #[test]
        fn pieces_in_memory_are_sent_in_order_as_blocks(
            sizes in prop::collection::vec(prop_oneof![Just(0), 1_usize..1000, 200_000_usize..600_000], 0..8),
        ) {
            let pieces: Vec<Bytes> = sizes
                .iter()
                .enumerate()
                .map(|(i, size)| Bytes::from(vec![i as u8; *size]))
                .collect();
            let whole = pieces.concat();
            let payload = Payload::from(pieces);
            prop_assert_eq!(payload.len(), whole.len() as u64);
            prop_assert!(frames(payload).concat() == whole);
        }
    }
}
