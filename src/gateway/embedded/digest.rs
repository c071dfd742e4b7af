//! `Content-MD5`: what a client says its body is, and what a list of keys really was.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use s3s::{S3Result, s3_error};

/// The MD5 that a client announces.
///
/// # Errors
/// If it is none, InvalidDigest.
pub fn announced(content_md5: &str) -> S3Result<[u8; 16]> {
    let digest = BASE64_STANDARD.decode(content_md5).ok().and_then(|bytes| bytes.try_into().ok());
    digest.ok_or_else(|| {
        let message = "The Content-MD5 or checksum value that you specified is not valid.";
        s3_error!(InvalidDigest, "{}", message)
    })
}

/// The MD5 of a body that was read before s3s sees it, as an extension of the request: s3s hands on what the body
/// says, not its bytes.
#[derive(Clone, Copy, Debug)]
pub struct BodyMd5(pub [u8; 16]);

impl BodyMd5 {
    /// That of this body.
    pub fn of(body: &[u8]) -> Self {
        Self(Md5::digest(body).into())
    }
}
