//! Signatures: verified against one pair of keys, or taken off.
//!
//! What [`v4`] finds right is taken off before s3s sees the request, as are signatures in headers and addresses where
//! no keys are set: so that what Storj's gateway reads otherwise than s3s can be put right in between
//! ([`super::embedded`]). A body in signed chunks is put together here. Signatures of version 2 are left to s3s where
//! there are keys, and those of forms always.

pub(crate) mod chunked;
mod payload;
mod v4;

use std::time::SystemTime;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{Body, S3Error, S3ErrorCode, S3Result, s3_error};

use v4::Seal;
pub use v4::Signer;

use super::asked::without_parameters;

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
/// The only body in chunks that Storj's gateway takes.
const IN_SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/// How all such bodies are named.
const IN_CHUNKS: &str = "STREAMING-";

/// A pair of keys whose signatures are accepted.
#[derive(Clone)]
pub struct Keys {
    /// The access key id.
    pub access_key: String,
    /// The secret.
    pub secret_key: String,
}

impl Keys {
    fn check_access_key(&self, access_key: &str) -> S3Result<()> {
        if access_key == self.access_key {
            return Ok(());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The Access Key Id you provided does not exist in our records."
        ))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.check_access_key(access_key)?;
        Ok(SecretKey::from(self.secret_key.as_str()))
    }
}

/// How a request says who sends it (`storj/minio` cmd/auth-handler.go, getRequestAuthType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Version 4, in the header Authorization.
    V4Header,
    /// Version 4, in the query.
    V4Url,
    /// Version 2, in a header or in the query.
    V2,
    /// In the fields of a form.
    Form,
    /// Not at all.
    Anonymous,
    /// In another way.
    Unknown,
}

impl Scheme {
    /// That of this request.
    pub fn of(head: &Parts) -> Self {
        let authorization = head.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let begins =
            |prefix: &str| authorization.is_some_and(|value| value.starts_with(prefix.as_bytes()));
        let asks = |name: &str| {
            let mut pairs = head.uri.query().unwrap_or_default().split('&');
            pairs.any(|pair| pair.split('=').next() == Some(name))
        };
        match authorization {
            _ if begins(v4::ALGORITHM) => Self::V4Header,
            _ if begins("AWS ") || asks("AWSAccessKeyId") => Self::V2,
            _ if asks("X-Amz-Credential") => Self::V4Url,
            _ if is_form(head) => Self::Form,
            None => Self::Anonymous,
            Some(_) => Self::Unknown,
        }
    }
}

/// Whether it is a form with a file.
pub fn is_form(head: &Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    head.method == Method::POST && kind.is_some_and(|kind| kind.starts_with(b"multipart/form-data"))
}

/// Who sends a request, as far as this gateway knows anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The owner of the keys; anybody, where there are none.
    Owner,
    /// Whoever s3s says.
    AskS3s,
}

/// Verifies the request against the keys, and takes the signature off.
///
/// # Errors
/// What Storj's gateway answers if it is not right, or not there.
pub fn verified(request: Request<Body>, signer: &Signer) -> S3Result<(Request<Body>, Sender)> {
    let (head, body) = request.into_parts();
    let now = SystemTime::now();
    let seal = match Scheme::of(&head) {
        Scheme::V4Header => v4::verify_header(&head, signer, now)?,
        Scheme::V4Url => v4::verify_url(&head, signer, now)?,
        Scheme::V2 if head.headers.contains_key(AUTHORIZATION) => {
            v4::check_date(&head, now)?;
            return Ok((Request::from_parts(head, body), Sender::AskS3s));
        }
        Scheme::V2 | Scheme::Form => return Ok((Request::from_parts(head, body), Sender::AskS3s)),
        Scheme::Anonymous | Scheme::Unknown => {
            return Err(s3_error!(AccessDenied, "Access Denied."));
        }
    };
    let body = payload::checked(&head, body, seal)?;
    Ok((unsigned_head(head, body), Sender::Owner))
}

/// The request as if it had never been signed.
///
/// # Errors
/// If its signature is of no kind that could be right.
pub fn unsigned(request: Request<Body>) -> S3Result<Request<Body>> {
    let (head, body) = request.into_parts();
    v4::check_expiry(&head.uri)?;
    let body = match is_in_chunks(&head.headers) {
        true => Body::http_body_unsync(chunked::decoded(body, None)),
        false => body,
    };
    Ok(unsigned_head(head, body))
}

/// Takes the signature off the head of a request, whose body is without one already.
fn unsigned_head(mut head: Parts, body: Body) -> Request<Body> {
    head.headers.remove(AUTHORIZATION);
    head.uri = without_signature(head.uri);
    if is_in_chunks(&head.headers) {
        // That of the chunks is none of the object's.
        head.headers.remove(CONTENT_LENGTH);
        if let Some(length) = head.headers.remove(DECODED_LENGTH) {
            head.headers.insert(CONTENT_LENGTH, length);
        }
    }
    head.headers.remove(CONTENT_SHA256);
    Request::from_parts(head, body)
}

fn is_in_chunks(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_SHA256).is_some_and(|value| value == IN_SIGNED_CHUNKS)
}

/// Whether the body comes in chunks of a kind that Storj's gateway does not take: with checksums in a trailer, say
/// (`storj/minio` cmd/auth-handler.go, verifyPutObjectRequest).
///
/// # Errors
/// If it does.
pub fn check_chunks(headers: &HeaderMap) -> S3Result<()> {
    let payload = headers.get(CONTENT_SHA256).map(|value| value.as_bytes());
    let is_in_any = payload.is_some_and(|kind| kind.starts_with(IN_CHUNKS.as_bytes()));
    if is_in_chunks(headers) || !is_in_any { Ok(()) } else { Err(unsupported()) }
}

fn unsupported() -> S3Error {
    s3_error!(
        InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use \
         AWS4-HMAC-SHA256."
    )
}

/// The address without the query parameters of a presigned request.
fn without_signature(uri: Uri) -> Uri {
    without_parameters(uri, |name| {
        name.starts_with("X-Amz-") || matches!(name, "AWSAccessKeyId" | "Signature" | "Expires")
    })
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(one: &str, other: &str) -> bool {
    let differences = one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differences == 0
}

fn mismatch() -> S3Error {
    s3_error!(
        SignatureDoesNotMatch,
        "The request signature we calculated does not match the signature you provided. Check your \
         key and signing method."
    )
}

/// An error with a code or a status that s3s does not know.
pub(super) fn custom(code: &'static str, status: u16, message: &str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message.to_owned());
    error.set_status_code(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST));
    error
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
    fn a_request_says_in_one_way_who_sends_it() {
        let scheme = |uri: &str, authorization: Option<&str>| {
            let mut request = Request::get(uri);
            if let Some(value) = authorization {
                request = request.header(AUTHORIZATION, value);
            }
            Scheme::of(&request.body(()).unwrap().into_parts().0)
        };
        assert_eq!(scheme("/b/k", Some("AWS4-HMAC-SHA256 Credential=a")), Scheme::V4Header);
        assert_eq!(scheme("/b/k?X-Amz-Credential=a", None), Scheme::V4Url);
        assert_eq!(scheme("/b/k", Some("AWS key:signature")), Scheme::V2);
        assert_eq!(scheme("/b/k?AWSAccessKeyId=a&Signature=b", None), Scheme::V2);
        assert_eq!(scheme("/b/k?prefix=X-Amz-Credential", None), Scheme::Anonymous);
        assert_eq!(scheme("/b/k", Some("Basic abc")), Scheme::Unknown);
    }

    #[test]
    fn only_the_same_is_the_same() {
        assert!(same("", "") && same("abc", "abc"));
        assert!(!same("abc", "abd") && !same("abc", "ab") && !same("", "a"));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let keys = Keys { access_key: "id".into(), secret_key: "hush".into() };
        assert!(!format!("{keys:?}").contains("hush"));
    }
}
