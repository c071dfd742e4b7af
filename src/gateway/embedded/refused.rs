//! Refusals as S3 answers.

use std::io;

use s3s::{S3Error, S3ErrorCode};

use crate::storj::Refusal;

/// The answer to a request that Storj refuses.
pub fn answer(refusal: Refusal) -> S3Error {
    let code = match refusal {
        Refusal::NoSuchBucket => S3ErrorCode::NoSuchBucket,
        Refusal::BucketAlreadyExists => S3ErrorCode::BucketAlreadyExists,
        Refusal::BucketNotEmpty => S3ErrorCode::BucketNotEmpty,
        Refusal::NoSuchKey => S3ErrorCode::NoSuchKey,
        Refusal::NoSuchUpload => S3ErrorCode::NoSuchUpload,
        Refusal::InvalidPartNumber => S3ErrorCode::InvalidArgument,
        Refusal::InvalidPart => S3ErrorCode::InvalidPart,
        Refusal::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
        Refusal::NoPartsListed => S3ErrorCode::MalformedXML,
        Refusal::EntityTooSmall => S3ErrorCode::EntityTooSmall,
        Refusal::PreconditionFailed => S3ErrorCode::PreconditionFailed,
    };
    S3Error::with_message(code, refusal.to_string())
}

/// The answer when the bytes or the record of an object cannot be kept, on a full disk, say.
pub fn cannot_keep(error: &io::Error) -> S3Error {
    tracing::warn!("cannot keep an object: {error}");
    let message = format!("the gateway cannot keep the object: {error}");
    S3Error::with_message(S3ErrorCode::InternalError, message)
}

/// A code and status that s3s does not know.
pub fn missing_content_md5() -> S3Error {
    let code = S3ErrorCode::Custom("MissingContentMD5".into());
    let mut error =
        S3Error::with_message(code, "Missing required header for this request: Content-Md5.");
    error.set_status_code(http::StatusCode::BAD_REQUEST);
    error
}
