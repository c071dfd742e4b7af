//! Refusals as S3 answers.

use std::io;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use s3s::{Body, S3Error, S3ErrorCode, StdError, s3_error};

use super::answer::add_common_headers;
use crate::gateway::signature::custom;
use crate::storj::{Limited, Refusal};

/// The answer to a request that Storj refuses.
pub fn answer(refusal: Refusal) -> S3Error {
    let code = match refusal {
        Refusal::NoSuchBucket => S3ErrorCode::NoSuchBucket,
        Refusal::BucketAlreadyExists => S3ErrorCode::BucketAlreadyExists,
        Refusal::BucketNotEmpty => S3ErrorCode::BucketNotEmpty,
        Refusal::NoSuchKey => S3ErrorCode::NoSuchKey,
        Refusal::NoSuchVersion => S3ErrorCode::NoSuchVersion,
        Refusal::NoSuchUpload => S3ErrorCode::NoSuchUpload,
        Refusal::InvalidPartNumber => S3ErrorCode::InvalidArgument,
        Refusal::InvalidPart => S3ErrorCode::InvalidPart,
        Refusal::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
        Refusal::NoPartsListed => S3ErrorCode::MalformedXML,
        Refusal::EntityTooSmall => S3ErrorCode::EntityTooSmall,
        Refusal::EntityTooLarge => S3ErrorCode::EntityTooLarge,
        Refusal::PreconditionFailed => S3ErrorCode::PreconditionFailed,
        Refusal::Undecryptable => S3ErrorCode::InternalError,
    };
    S3Error::with_message(code, refusal.to_string())
}

/// The answer when the bytes or the record of an object cannot be kept, on a full disk, say.
pub fn cannot_keep(error: &io::Error) -> S3Error {
    tracing::warn!("cannot keep an object: {error}");
    let message = format!("the gateway cannot keep the object: {error}");
    S3Error::with_message(S3ErrorCode::InternalError, message)
}

/// DeleteObjects without the digest that Storj insists on.
pub fn missing_content_md5() -> S3Error {
    let message = "Missing required header for this request: Content-Md5.";
    custom("MissingContentMD5", 400, message)
}

/// An error in the middle of Storj, and its cause there.
pub fn internal(cause: &str) -> S3Error {
    let message = format!("We encountered an internal error, please try again.: cause({cause})");
    S3Error::with_message(S3ErrorCode::InternalError, message)
}

/// What Storj's gateway does not do.
pub fn not_implemented() -> S3Error {
    s3_error!(NotImplemented, "A header you provided implies functionality that is not implemented")
}

/// DeleteObjects of a key that is empty.
pub fn key_not_provided() -> S3Error {
    let message = "An object key was not provided.";
    let mut error = S3Error::with_message(S3ErrorCode::UserKeyMustBeSpecified, message);
    error.set_status_code(StatusCode::BAD_REQUEST);
    error
}

/// PutBucketVersioning with a status that is none.
pub fn wrong_versioning(status: &str) -> S3Error {
    let message = format!(
        "Versioning configuration specified in the request is invalid. (unsupported Versioning \
         status {status})"
    );
    custom("IllegalVersioningConfigurationException", 400, &message)
}

/// The answer to a request that is not let in. One without a body has no Retry-After either
/// (`storj/minio` cmd/api-response.go, writeErrorResponseHeadersOnly).
///
/// # Errors
/// If the answer cannot be put together.
pub fn slow_down(
    limited: Limited,
    retry_after: Duration,
    heads_only: bool,
    request_id: &str,
) -> Result<Response<Body>, StdError> {
    let mut error = S3Error::with_message(S3ErrorCode::SlowDown, limited.to_string());
    // AWS answers 503.
    error.set_status_code(StatusCode::TOO_MANY_REQUESTS);
    let mut response = error.to_http_response()?;
    if heads_only {
        *response.body_mut() = Body::empty();
    } else {
        // In whole seconds (RFC 9110, 10.2.3).
        let seconds = retry_after.as_secs_f64().ceil() as u64;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    add_common_headers(&mut response, request_id)?;
    Ok(response)
}
