//! Whether a body in signed chunks (see `chunked`) ends with the chunk of 0 bytes. The body passes unchanged.

use std::io;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use s3s::StdError;

use super::chunked::{LONGEST_LINE_BYTES, chunk_size};

/// The line end behind the bytes of a chunk.
const LINE_END_BYTES: usize = 2;

/// The body, which is an error if it ends before its last chunk.
pub fn checked(body: s3s::Body) -> impl Body<Data = Bytes, Error = StdError> + Send {
    let place = Place::Line(Vec::new());
    let frames = stream::try_unfold((body, place), |(mut body, mut place)| async move {
        match body.next().await.transpose()? {
            Some(bytes) => {
                place = place.after(&bytes)?;
                Ok(Some((Frame::data(bytes), (body, place))))
            }
            None if place == Place::End => Ok(None),
            None => Err(StdError::from(io::Error::from(io::ErrorKind::UnexpectedEof))),
        }
    });
    StreamBody::new(Box::pin(frames))
}

/// Where in the encoding a body is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In the line before a chunk, of which this is there.
    Line(Vec<u8>),
    /// Before so many bytes of a chunk and its line end.
    Chunk(usize),
    /// Behind the line of the last chunk.
    End,
}

impl Place {
    fn after(self, mut bytes: &[u8]) -> Result<Self, StdError> {
        let mut place = self;
        while !bytes.is_empty() {
            place = match place {
                Self::End => return Ok(Self::End),
                Self::Chunk(left) => {
                    let taken = left.min(bytes.len());
                    bytes = &bytes[taken..];
                    if left > taken { Self::Chunk(left - taken) } else { Self::Line(Vec::new()) }
                }
                Self::Line(mut line) => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    bytes = rest;
                    line.extend_from_slice(part);
                    if line.len() > LONGEST_LINE_BYTES {
                        return Err(super::chunked::malformed());
                    }
                    if end.is_some() { Self::behind(&line)? } else { Self::Line(line) }
                }
            };
        }
        Ok(place)
    }

    fn behind(line: &[u8]) -> Result<Self, StdError> {
        match chunk_size(line.trim_ascii_end())? {
            0 => Ok(Self::End),
            size => Ok(Self::Chunk(size.saturating_add(LINE_END_BYTES))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    fn check(text: &[u8], frame_bytes: usize) -> Result<Bytes, StdError> {
        let frames: Vec<_> = text
            .chunks(frame_bytes)
            .map(|frame| Ok::<_, io::Error>(Frame::data(Bytes::copy_from_slice(frame))))
            .collect();
        let body = s3s::Body::http_body(StreamBody::new(stream::iter(frames)));
        block_on(checked(body).collect()).map(|body| body.to_bytes())
    }

    const CHUNKS: &[u8] = b"3;chunk-signature=a\r\nabc\r\n1;chunk-signature=b\r\nd\r\n";
    const LAST: &[u8] = b"0;chunk-signature=c\r\n\r\n";

    proptest! {
        #[test]
        fn a_body_passes_if_its_last_chunk_came(frame_bytes in 1_usize..60, cut in 0_usize..50) {
            let whole = [CHUNKS, LAST].concat();
            prop_assert_eq!(check(&whole, frame_bytes).unwrap(), &whole);
            prop_assert!(check(&CHUNKS[..CHUNKS.len() - cut], frame_bytes).is_err());
        }
    }

    #[test]
    fn what_is_not_in_chunks_is_an_error() {
        assert!(check(&[b'x'; 5000], 1000).is_err());
        assert!(check(b"", 1).is_err());
    }
}
