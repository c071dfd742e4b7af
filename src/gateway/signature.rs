//! Signatures: verified against one pair of keys, or taken off.
//!
//! s3s refuses every signed request when it has no keys to verify it with. So where no keys are set,
//! the signature is taken off before s3s sees it, and a body in signed chunks is put together here.

pub(crate) mod chunked;

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Request, Uri};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{Body, S3Result, s3_error};

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// A pair of keys whose signatures are accepted.
#[derive(Clone)]
pub struct Keys {
    /// The access key id.
    pub access_key: String,
    /// The secret.
    pub secret_key: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key != self.access_key {
            return Err(s3_error!(InvalidAccessKeyId));
        }
        Ok(SecretKey::from(self.secret_key.as_str()))
    }
}

/// Whether the body ends in trailing checksums, which Storj answers with MissingContentLength
/// (`storj/minio` cmd/auth-handler.go; for signed trailers: ASSUMPTION).
pub fn has_trailer(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_SHA256).is_some_and(|value| value.as_bytes().ends_with(b"-TRAILER"))
}

/// The request as if it had never been signed.
pub fn unsigned(request: Request<Body>) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    head.headers.remove(AUTHORIZATION);
    head.uri = without_signature(head.uri);
    let payload = head.headers.remove(CONTENT_SHA256);
    if payload.is_none_or(|value| !value.as_bytes().starts_with(b"STREAMING-")) {
        return Request::from_parts(head, body);
    }
    // The encoding was only for the way here: the object is what the chunks hold.
    if head.headers.get(CONTENT_ENCODING).is_some_and(|value| value == "aws-chunked") {
        head.headers.remove(CONTENT_ENCODING);
    }
    if let Some(length) = head.headers.remove(DECODED_LENGTH) {
        head.headers.insert(CONTENT_LENGTH, length);
    }
    Request::from_parts(head, Body::http_body_unsync(chunked::decoded(body)))
}

/// The address without the query parameters of a presigned request.
fn without_signature(uri: Uri) -> Uri {
    let is_signature = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        name.starts_with("X-Amz-") || matches!(name, "AWSAccessKeyId" | "Signature" | "Expires")
    };
    let Some(query) = uri.query().filter(|query| query.split('&').any(is_signature)) else {
        return uri;
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_signature(pair)).collect();
    let path_and_query = format!("{}?{}", uri.path(), kept.join("&"));
    // Parts of an address that was valid are valid.
    path_and_query.parse::<PathAndQuery>().map_or(uri, Uri::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_signature_is_taken_from_an_address() {
        let uri = "/b/k?X-Amz-Credential=a%2Fb&partNumber=1&X-Amz-Signature=s&uploadId=u";
        let unsigned = without_signature(Uri::from_static(uri));
        assert_eq!(unsigned, "/b/k?partNumber=1&uploadId=u");
        let plain = Uri::from_static("/b/k?uploads");
        assert_eq!(without_signature(plain.clone()), plain);
    }

    #[test]
    fn the_secret_is_not_shown() {
        let keys = Keys { access_key: "id".into(), secret_key: "hush".into() };
        assert!(!format!("{keys:?}").contains("hush"));
    }
}
