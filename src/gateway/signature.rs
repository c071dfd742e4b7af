//! Signatures: verified against one pair of keys, or taken off.
//!
//! s3s refuses every signed request when it has no keys to verify it with. So where no keys are set,
//! the signature is taken off before s3s sees it, and a body in signed chunks is put together here.

pub(crate) mod chunked;
mod whole;

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Request, Uri};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{Body, S3Result, s3_error};

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const WEEK_S: u64 = 7 * 24 * 60 * 60;

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

/// Whether a URL was signed to be valid for more than a week (Signature Version 4; version 2 knows no such limit).
pub fn is_presigned_for_too_long(uri: &Uri) -> bool {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    let seconds = parameters.find_map(|parameter| parameter.strip_prefix("X-Amz-Expires="));
    seconds.and_then(|seconds| seconds.parse().ok()).is_some_and(|seconds: u64| seconds > WEEK_S)
}

/// The request; if its body comes in signed chunks, it is an error that the last one is missing, of which s3s
/// takes no notice.
pub fn whole(request: Request<Body>) -> Request<Body> {
    if !is_in_chunks(request.headers()) {
        return request;
    }
    request.map(|body| Body::http_body_unsync(whole::checked(body)))
}

fn is_in_chunks(headers: &HeaderMap) -> bool {
    let payload = headers.get(CONTENT_SHA256);
    payload.is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-"))
}

/// The request as if it had never been signed.
pub fn unsigned(request: Request<Body>) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    head.headers.remove(AUTHORIZATION);
    head.uri = without_signature(head.uri);
    let is_in_chunks = is_in_chunks(&head.headers);
    head.headers.remove(CONTENT_SHA256);
    if !is_in_chunks {
        return Request::from_parts(head, body);
    }
    // The encoding was only for the way here: the object is what the chunks hold.
    if head.headers.get(CONTENT_ENCODING).is_some_and(|value| value == "aws-chunked") {
        head.headers.remove(CONTENT_ENCODING);
    }
    // That of the chunks is none of the object's.
    head.headers.remove(CONTENT_LENGTH);
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
    fn a_url_is_valid_for_a_week_at_most() {
        let too_long = |query: &str| {
            is_presigned_for_too_long(&format!("/b/k?X-Amz-Date=d&{query}").parse().unwrap())
        };
        assert!(too_long("X-Amz-Expires=604801&X-Amz-Signature=s"));
        assert!(!too_long("X-Amz-Expires=604800"));
        assert!(!too_long("Expires=1800000000&Signature=s"));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let keys = Keys { access_key: "id".into(), secret_key: "hush".into() };
        assert!(!format!("{keys:?}").contains("hush"));
    }
}
