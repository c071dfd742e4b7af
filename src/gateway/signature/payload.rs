//! The body of a request whose head is signed: what the head says of it must be so.

use futures::{StreamExt, stream};
use http::Method;
use http::request::Parts;
use http_body::Frame;
use http_body_util::StreamBody;
use s3s::{Body, S3Error, S3Result, StdError};
use sha2::{Digest, Sha256};

use super::v4::{EMPTY_SHA256, Seal, UNSIGNED};
use super::{CONTENT_SHA256, IN_SIGNED_CHUNKS, chunked, custom};

/// The body without what signs it; an error when it is read, if that is wrong.
///
/// # Errors
/// If the head does not say in a known way what the body is.
pub fn checked(head: &Parts, body: Body, seal: Seal) -> S3Result<Body> {
    match seal.payload.as_str() {
        IN_SIGNED_CHUNKS => Ok(Body::http_body_unsync(chunked::decoded(body, Some(seal)))),
        UNSIGNED => Ok(body),
        // It has none that anybody would read.
        _ if matches!(head.method, Method::GET | Method::HEAD) => Ok(body),
        // Signed without a word of its payload.
        EMPTY_SHA256 if !head.headers.contains_key(CONTENT_SHA256) => Ok(body),
        digest => Ok(digested(body, digest_of(digest.as_bytes()).ok_or_else(mismatch)?)),
    }
}

fn digest_of(hexadecimal: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(hexadecimal).ok()?;
    let mut digest = [0; 32];
    if text.len() != 2 * digest.len() {
        return None;
    }
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// The body, which ends in an error if it is not the one of this digest.
fn digested(body: Body, expected: [u8; 32]) -> Body {
    let begin = Some((body, Sha256::new()));
    let frames = stream::unfold(begin, move |state| async move {
        let (mut body, mut digest) = state?;
        match body.next().await {
            Some(Ok(bytes)) => {
                digest.update(&bytes);
                Some((Ok::<_, StdError>(Frame::data(bytes)), Some((body, digest))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None if digest.finalize()[..] == expected => None,
            None => Some((Err(mismatch().into()), None)),
        }
    });
    Body::http_body_unsync(StreamBody::new(Box::pin(frames)))
}

fn mismatch() -> S3Error {
    let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    custom("XAmzContentSHA256Mismatch", 400, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures::executor::block_on;
    use http_body_util::BodyExt;

    fn read(text: &'static [u8], digest: [u8; 32]) -> Result<Bytes, StdError> {
        block_on(BodyExt::collect(digested(Body::from(Bytes::from_static(text)), digest)))
            .map(|body| body.to_bytes())
    }

    #[test]
    fn a_body_of_another_digest_is_an_error_at_its_end() {
        let digest: [u8; 32] = Sha256::digest(b"abc").into();
        assert_eq!(read(b"abc", digest).unwrap(), &b"abc"[..]);
        let error = read(b"abd", digest).unwrap_err().downcast::<S3Error>().unwrap();
        assert_eq!(error.code().as_str(), "XAmzContentSHA256Mismatch");
        assert!(read(b"", digest).is_err());
    }

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        let digest = digest_of(&b"0f".repeat(32)).unwrap();
        assert_eq!(digest, [15; 32]);
        for bad in
            [&b""[..], b"xyz", &b"0".repeat(63), &b"0g".repeat(32), "é".repeat(32).as_bytes()]
        {
            assert_eq!(digest_of(bad), None);
        }
    }
}
