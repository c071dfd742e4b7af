//! `Content-MD5`: what a client says its body is, and what a list of keys really was.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, stream};
use http::{Method, Request};
use http_body::Frame;
use http_body_util::StreamBody;
use md5::{Digest, Md5};
use s3s::{Body, S3Result, s3_error};

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

/// The MD5 of a body, once it was read to its end: s3s hands on what it says, not its bytes.
#[derive(Clone, Debug, Default)]
pub struct BodyMd5(Arc<OnceLock<[u8; 16]>>);

impl BodyMd5 {
    /// None if there is more to read.
    pub fn get(&self) -> Option<[u8; 16]> {
        self.0.get().copied()
    }
}

/// The request; if it asks for deletions, the MD5 of its body will be in its extensions.
pub fn noted(mut request: Request<Body>) -> Request<Body> {
    let mut parameters = request.uri().query().unwrap_or_default().split('&');
    let is_delete = |parameter: &str| parameter.split('=').next() == Some("delete");
    if request.method() != Method::POST || !parameters.any(is_delete) {
        return request;
    }
    let digest = BodyMd5::default();
    request.extensions_mut().insert(digest.clone());
    request.map(|body| {
        let frames = stream::unfold((body, Md5::new(), digest), |state| async move {
            let (mut body, mut md5, digest) = state;
            let frame = body.next().await;
            match &frame {
                Some(Ok(bytes)) => md5.update(bytes),
                Some(Err(_)) => {}
                None => drop(digest.0.set(md5.clone().finalize().into())),
            }
            Some((frame?.map(Frame::data), (body, md5, digest)))
        });
        Body::http_body_unsync(StreamBody::new(Box::pin(frames)))
    })
}
