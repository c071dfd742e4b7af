//! Bodies in signed chunks (`aws-chunked`), put together; their signatures are verified where there are keys.
//!
//! `400;chunk-signature=<64 hex>\r\n<1024 bytes>\r\n`, again and again, until a chunk of 0 bytes.
//! Source: "Signature calculations: transferring payload in multiple chunks", Amazon S3 API Reference; what Storj's
//! gateway takes of it: `storj/minio` cmd/streaming-signature-v4.go.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt, stream};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use s3s::{S3Error, S3ErrorCode, StdError};
use sha2::{Digest, Sha256};

use super::Seal;

/// A size, a name and a signature; anything longer is something else.
const LONGEST_LINE_BYTES: usize = 1024;
/// What stands between the size of a chunk and its signature.
const SIGNATURE: &[u8] = b";chunk-signature=";
/// SHA-256, in hexadecimal.
const SIGNATURE_BYTES: usize = 64;
/// The largest chunk (`MaxSize`).
const CHUNK_MOST_BYTES: usize = 1 << 20;

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
            let (size, signature) = size_and_signature(&line).ok_or_else(malformed)?;
            self.left = size;
            if let Some(chain) = &mut self.chain {
                chain.signature = signature;
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

/// What the line before a chunk says.
fn size_and_signature(line: &Bytes) -> Option<(usize, Bytes)> {
    let place = line.iter().position(|byte| *byte == b';')?;
    let (size, rest) = (std::str::from_utf8(&line[..place]).ok()?, line.slice(place..));
    let digits = size.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = usize::from_str_radix(size, 16).ok().filter(|size| *size <= CHUNK_MOST_BYTES)?;
    let is_signed = rest.starts_with(SIGNATURE) && rest.len() == SIGNATURE.len() + SIGNATURE_BYTES;
    (digits && is_signed).then(|| (size, rest.slice(SIGNATURE.len()..)))
}

/// To Storj's gateway this is an error like any other (`errMalformedEncoding`; cmd/api-errors.go, toAPIErrorCode).
fn malformed() -> StdError {
    let message =
        "We encountered an internal error, please try again.: cause(malformed chunked encoding)";
    S3Error::with_message(S3ErrorCode::InternalError, message).into()
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
            text.extend(format!("{:x};chunk-signature={:064}\r\n", chunk.len(), 0).bytes());
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
        fn a_body_that_breaks_off_is_an_error(cut in 3_usize..170) {
            // The empty line after the last chunk carries nothing: all before it is needed.
            let text = encoded(&[vec![7; 20]]);
            prop_assert!(decode(&text[..text.len() - cut], 9).is_err());
        }
    }

    #[test]
    fn a_chunk_has_one_mib_at_most_and_a_signature() {
        let line = |size: &str, rest: &str| {
            size_and_signature(&Bytes::from([size, rest].concat())).map(|(size, _)| size)
        };
        let signed = format!(";chunk-signature={:064}", 0);
        assert_eq!(line("100000", &signed), Some(1 << 20));
        assert_eq!(line("10000", &signed).zip(line("1A", &signed)), Some((65_536, 26)));
        for (size, rest) in [
            ("100001", &*signed),
            ("", &signed),
            ("+1", &signed),
            ("1", ""),
            ("1", ";chunk-signature=00"),
            ("1", &signed[..80]),
        ] {
            assert_eq!(line(size, rest), None, "{size}{rest}");
        }
    }

    #[test]
    fn a_plain_body_is_an_error() {
        assert!(decode(&[b'x'; 5000], 1000).is_err());
        assert!(decode(b"not chunks\r\n", 5).is_err());
    }
}
