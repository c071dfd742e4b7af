//! What becomes of the bytes in a simulation.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, LocalBoxStream, StreamExt};
use http_body_util::BodyExt;
use md5::{Digest, Md5};

use super::StoreError;
use crate::dataset::Payload;
use crate::measure::FailureClass;
use crate::storj::{Object, Tag};
use crate::units::MIB;

/// What is kept of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retain {
    /// Nothing: it is forgotten when it is complete, so that memory does not grow with a task.
    Nothing,
    /// Its size and its parts; the answer to a GET is so many zeros, which nobody should look at.
    Layout,
    /// All of it.
    Memory,
}

/// The bytes of a piece, if they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content(Option<Arc<[Bytes]>>);

/// Frames of an answer whose bytes were not kept.
const FRAME_BYTES: u64 = 64 * MIB;

impl Retain {
    /// Takes the bytes of a part. Where they are not kept they are not even made; `number` names them.
    pub(super) async fn receive(
        self,
        payload: Payload,
        number: u64,
    ) -> Result<(Content, Tag), StoreError> {
        if self != Self::Memory {
            return Ok((Content(None), Tag::Discarded(number)));
        }
        let broken =
            |error: crate::dataset::SourceError| StoreError::new(FailureClass::Client, error.0);
        let (mut frames, mut md5, mut payload) = (Vec::new(), Md5::new(), payload);
        while let Some(frame) = payload.frame().await {
            if let Ok(bytes) = frame.map_err(broken)?.into_data() {
                md5.update(&bytes);
                frames.push(bytes);
            }
        }
        Ok((Content(Some(frames.into())), Tag::Md5(md5.finalize().into())))
    }
}

/// The bytes of a range, or zeros.
pub(super) fn body(
    object: &Object<Content>,
    range: Range<u64>,
) -> LocalBoxStream<'static, Result<Bytes, StoreError>> {
    let mut frames = Vec::new();
    for (piece, range) in object.touched(range.clone()) {
        match &piece.content.0 {
            Some(kept) => slice(kept, range, &mut frames),
            None => zeros(range.end - range.start, &mut frames),
        }
    }
    stream::iter(frames.into_iter().map(Ok)).boxed_local()
}

/// The slices of `kept` that make up `range` of all of them together.
fn slice(kept: &[Bytes], range: Range<u64>, frames: &mut Vec<Bytes>) {
    let mut start = 0;
    for bytes in kept {
        let end = start + bytes.len() as u64;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            frames.push(bytes.slice((from - start) as usize..(to - start) as usize));
        }
        start = end;
    }
}

/// Pages of memory that nobody touches take none.
fn zeros(length: u64, frames: &mut Vec<Bytes>) {
    thread_local! {
        static ZEROS: Bytes = Bytes::from(vec![0; FRAME_BYTES as usize]);
    }
    let mut left = length;
    while left > 0 {
        let frame = left.min(FRAME_BYTES);
        frames.push(ZEROS.with(|zeros| zeros.slice(..frame as usize)));
        left -= frame;
    }
}
