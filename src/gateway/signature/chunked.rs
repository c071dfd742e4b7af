//! Bodies in signed chunks (`aws-chunked`), put together; their signatures are verified where there are keys.
//!
//! `400;chunk-signature=<64 hex>\r\n<1024 bytes>\r\n`, again and again, until a chunk of 0 bytes.
//! Source: "Signature calculations: transferring payload in multiple chunks", Amazon S3 API Reference.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt, stream};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use s3s::StdError;
use sha2::{Digest, Sha256};

use super::Seal;

/// A size, a name and a signature; anything longer is something else.
const LONGEST_LINE_BYTES: usize = 1024;

/// The bytes that the chunks of `body` hold. With the seal of its head, a chunk that is not signed by the same is an
/// error, when all of it came.
pub fn decoded(
    body: s3s::Body,
    seal: Option<Seal>,
) -> impl Body<Data = Bytes, Error = StdError> + Send {
    let chain = seal.map(|seal| Chain { seal, digest: Sha256::new(), signature: Bytes::new() });
    let decoder = Decoder { body, buffer: BytesMut::new(), left: 0, begun: false, chain };
    let frames = stream::try_unfold(decoder, |mut decoder| async move {
        let bytes = decoder.next().await?;
        Ok::<_, StdError>(bytes.map(|bytes| (Frame::data(bytes), decoder)))
    });
    StreamBody::new(Box::pin(frames))
}

struct Decoder {
    body: s3s::Body,
    /// Received, not yet decoded.
    buffer: BytesMut,
    /// Bytes of the chunk that are still to come.
    left: usize,
    /// Whether there was a chunk already, whose bytes a line end follows.
    begun: bool,
    chain: Option<Chain>,
}

/// The signatures of chunks, each of which signs the one before it.
struct Chain {
    /// Of the chunk before this one.
    seal: Seal,
    /// Of this chunk, so far.
    digest: Sha256,
    /// What its line says.
    signature: Bytes,
}

impl Chain {
    /// This chunk is whole.
    fn close(&mut self) -> Result<(), StdError> {
        let expected = self.seal.next(&self.digest.finalize_reset());
        if !super::same(&expected, &String::from_utf8_lossy(&self.signature)) {
            return Err(super::mismatch().into());
        }
        self.seal.signature = expected;
        Ok(())
    }
}

impl Decoder {
    async fn next(&mut self) -> Result<Option<Bytes>, StdError> {
        if self.left == 0 {
            if self.begun && !self.line().await?.is_empty() {
                return Err(malformed());
            }
            self.begun = true;
            let line = self.line().await?;
            self.left = chunk_size(&line)?;
            if let Some(chain) = &mut self.chain {
                chain.signature = signature_in(&line);
            }
            if self.left == 0 {
                self.close_chunk()?;
                // Unread, the last line end would be taken for the next request.
                while self.body.next().await.transpose()?.is_some() {}
                return Ok(None);
            }
        }
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        let bytes = self.buffer.split_to(self.left.min(self.buffer.len())).freeze();
        self.left -= bytes.len();
        if let Some(chain) = &mut self.chain {
            chain.digest.update(&bytes);
        }
        if self.left == 0 {
            self.close_chunk()?;
        }
        Ok(Some(bytes))
    }

    fn close_chunk(&mut self) -> Result<(), StdError> {
        self.chain.as_mut().map_or(Ok(()), Chain::close)
    }

    /// Up to the next line end, which is swallowed.
    async fn line(&mut self) -> Result<Bytes, StdError> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(2);
                return Ok(line);
            }
            if self.buffer.len() > LONGEST_LINE_BYTES {
                return Err(malformed());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), StdError> {
        match self.body.next().await {
            Some(bytes) => self.buffer.extend_from_slice(&bytes?),
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
        Ok(())
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, StdError> {
    let text = std::str::from_utf8(line).map_err(|_| malformed())?;
    let (size, _) = text.split_once(';').unwrap_or((text, ""));
    usize::from_str_radix(size, 16).map_err(|_| malformed())
}

/// What stands behind `chunk-signature=`.
fn signature_in(line: &Bytes) -> Bytes {
    let name = b"chunk-signature=";
    let place = line.windows(name.len()).position(|part| part == name);
    place.map_or_else(Bytes::new, |place| line.slice(place + name.len()..))
}

fn malformed() -> StdError {
    io::Error::new(io::ErrorKind::InvalidData, "the body is not in aws-chunked encoding").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    fn encoded(chunks: &[Vec<u8>]) -> Vec<u8> {
        let mut text = Vec::new();
        for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()).chain([&Vec::new()]) {
            text.extend(format!("{:x};chunk-signature=abc\r\n", chunk.len()).bytes());
            text.extend_from_slice(chunk);
            text.extend(b"\r\n");
        }
        text
    }

    fn decode(text: &[u8], frame_bytes: usize) -> Result<Bytes, StdError> {
        let frames: Vec<_> = text
            .chunks(frame_bytes)
            .map(|frame| Ok::<_, io::Error>(Frame::data(Bytes::copy_from_slice(frame))))
            .collect();
        let body = s3s::Body::http_body(StreamBody::new(stream::iter(frames)));
        block_on(decoded(body, None).collect()).map(|body| body.to_bytes())
    }

    proptest! {
        #[test]
        fn chunks_are_put_together_however_they_arrive(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..6),
            frame_bytes in 1_usize..100,
        ) {
            let decoded = decode(&encoded(&chunks), frame_bytes).unwrap();
            prop_assert_eq!(decoded, chunks.concat());
        }

        #[test]
        fn a_body_that_breaks_off_is_an_error(cut in 3_usize..70) {
            // The empty line after the last chunk carries nothing: all before it is needed.
            let text = encoded(&[vec![7; 20]]);
            prop_assert!(decode(&text[..text.len() - cut], 9).is_err());
        }
    }

    #[test]
    fn a_plain_body_is_an_error() {
        assert!(decode(&[b'x'; 5000], 1000).is_err());
        assert!(decode(b"not chunks\r\n", 5).is_err());
    }
}
