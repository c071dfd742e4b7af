//! The bytes of an object on their way down.

use std::collections::VecDeque;
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use s3s::Body;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::blob::Blob;
use super::{Content, Contents, blocking};
use crate::storj::{Object, QUANTUM_BYTES};

impl Contents {
    /// The bytes of `range`, which lies within the object.
    pub fn read(&self, object: &Object<Content>, range: Range<u64>) -> Body {
        let source = object.pieces.first().map(|piece| &piece.content);
        match (self, source) {
            (Self::Discard(pattern), Some(Content::Discarded(key))) => {
                // All pieces of an object have its key, so the whole is one synthetic object.
                Body::http_body(pattern.payload(key, range.start, range.end - range.start))
            }
            (Self::Memory, _) => from_memory(object, range),
            (Self::Directory(_), _) => from_files(object, range),
            (Self::Discard(_), _) => Body::empty(),
        }
    }
}

fn from_memory(object: &Object<Content>, range: Range<u64>) -> Body {
    let mut slices = Vec::new();
    for (piece, range) in object.touched(range) {
        if let Content::Memory(frames) = &piece.content {
            slice(frames, range, &mut slices);
        }
    }
    let frames = stream::iter(slices).map(|bytes| Ok::<_, io::Error>(Frame::data(bytes)));
    Body::http_body(StreamBody::new(frames))
}

/// The slices of `frames` that make up `range` of all of them together.
fn slice(frames: &[Bytes], range: Range<u64>, slices: &mut Vec<Bytes>) {
    let mut start = 0;
    for frame in frames {
        let end = start + frame.len() as u64;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            slices.push(frame.slice((from - start) as usize..(to - start) as usize));
        }
        start = end;
    }
}

fn from_files(object: &Object<Content>, range: Range<u64>) -> Body {
    let pieces = object
        .touched(range)
        .filter_map(|(piece, range)| match &piece.content {
            Content::File(blob) => Some((Arc::clone(blob), range)),
            _ => None,
        })
        .collect();
    let reader = FileReader { pieces, open: None };
    let frames = stream::try_unfold(reader, |mut reader| async move {
        let block = reader.next_block().await?;
        Ok::<_, io::Error>(block.map(|block| (Frame::data(block), reader)))
    });
    Body::http_body_unsync(StreamBody::new(Box::pin(frames)))
}

/// Reads files one after the other, block by block.
struct FileReader {
    pieces: VecDeque<(Arc<Blob>, Range<u64>)>,
    open: Option<OpenPiece>,
}

struct OpenPiece {
    file: File,
    left: u64,
    /// Keeps the file's name while it is read.
    _blob: Arc<Blob>,
}

impl FileReader {
    async fn next_block(&mut self) -> io::Result<Option<Bytes>> {
        if self.open.as_ref().is_none_or(|piece| piece.left == 0) {
            let Some((blob, range)) = self.pieces.pop_front() else { return Ok(None) };
            self.open = Some(OpenPiece::open(blob, range).await?);
        }
        match &mut self.open {
            Some(piece) => piece.read_block().await.map(Some),
            None => Ok(None),
        }
    }
}

impl OpenPiece {
    async fn open(blob: Arc<Blob>, range: Range<u64>) -> io::Result<Self> {
        let opened = Arc::clone(&blob);
        let mut file = File::from_std(blocking(move || opened.open()).await?);
        file.seek(SeekFrom::Start(range.start)).await?;
        Ok(Self { file, left: range.end - range.start, _blob: blob })
    }

    async fn read_block(&mut self) -> io::Result<Bytes> {
        let wanted = self.left.min(QUANTUM_BYTES as u64);
        let mut block = BytesMut::with_capacity(wanted as usize);
        while (block.len() as u64) < wanted {
            let rest = wanted - block.len() as u64;
            if (&mut self.file).take(rest).read_buf(&mut block).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.left -= wanted;
        Ok(block.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slices_of_frames_are_the_range_of_the_whole(
            frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
            ends in (0_usize..80, 0_usize..80),
        ) {
            let whole: Vec<u8> = frames.concat();
            let from = ends.0.min(ends.1).min(whole.len());
            let to = ends.0.max(ends.1).min(whole.len());
            let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
            let mut slices = Vec::new();
            slice(&frames, from as u64..to as u64, &mut slices);
            prop_assert_eq!(slices.concat(), &whole[from..to]);
        }
    }
}
