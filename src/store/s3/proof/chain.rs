//! The signatures of a body's chunks, each of which signs the one before; the first follows the head's.
//!
//! Source: "Signature calculations for the Authorization header: transferring payload in multiple chunks" and "... with
//! trailing headers", Amazon S3 API Reference.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use sha2::{Digest, Sha256};
use time::PrimitiveDateTime;

use crate::clock;

/// SHA-256 of nothing: chunks have no headers.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Who signs, and for where.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    /// What shows it hides the secret.
    pub(super) key: Credentials,
    pub(super) region: String,
}

/// The last signature, and what the next needs.
#[derive(Clone)]
pub(super) struct Chain {
    key: Vec<u8>,
    date: String,
    scope: String,
    last: String,
}

impl Chain {
    /// That begins with the signature of this head.
    pub(super) fn after(request: &HttpRequest, signer: &Signer) -> Option<Self> {
        let header = |name| request.headers().get(name);
        let (date, authorization) = (header("x-amz-date")?, header("authorization")?);
        let (_, signature) = authorization.split_once("Signature=")?;
        let at: SystemTime =
            PrimitiveDateTime::parse(date, clock::BASIC_FORMAT).ok()?.assume_utc().into();
        let Signer { key, region } = signer;
        let signing_key = generate_signing_key(key.secret_access_key(), at, region, "s3");
        Some(Self {
            key: signing_key.as_ref().to_vec(),
            date: date.to_owned(),
            scope: format!("{}/{region}/s3/aws4_request", date.split_once('T')?.0),
            last: signature.to_owned(),
        })
    }

    /// The signature of the next chunk, whose SHA-256 is `digest`.
    pub(super) fn chunk(&mut self, digest: &[u8]) -> &str {
        let hashes = format!("{EMPTY_SHA256}\n{}", hex::encode(digest));
        self.sign("PAYLOAD", &hashes)
    }

    /// The signature of a line that follows the last chunk.
    pub(super) fn trailer(&mut self, line: &str) -> &str {
        let digest = Sha256::digest(format!("{line}\n"));
        self.sign("TRAILER", &hex::encode(digest))
    }

    /// Of a head that nobody sent.
    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        let text = String::from;
        Self { key: vec![7], date: text("date"), scope: text("scope"), last: text("signature") }
    }

    fn sign(&mut self, what: &str, hashes: &str) -> &str {
        let Self { key, date, scope, last } = self;
        let text = format!("AWS4-HMAC-SHA256-{what}\n{date}\n{scope}\n{last}\n{hashes}");
        *last = calculate_signature(key, text.as_bytes());
        last
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn signed(date: &str, signature: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::empty());
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential=x/y, SignedHeaders=host, Signature={signature}");
        request.headers_mut().insert("authorization", authorization);
        request.headers_mut().insert("x-amz-date", date.to_owned());
        request
    }

    /// The example of the Amazon S3 API Reference: 66,560 times `a` in chunks of 64 KiB, 1 KiB and 0.
    #[test]
    fn the_signatures_are_those_of_the_published_example() {
        let key = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "the example",
        );
        let signer = Signer { key, region: "us-east-1".into() };
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let mut chain = Chain::after(&signed("20130524T000000Z", seed), &signer).unwrap();
        for (bytes, signature) in [
            (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
            (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
            (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
        ] {
            assert_eq!(chain.chunk(&Sha256::digest(vec![b'a'; bytes])), signature);
        }
    }

    #[test]
    fn a_head_that_is_not_signed_begins_no_chain() {
        let key = Credentials::new("id", "hush", None, None, "a test");
        let signer = Signer { key, region: "us-east-1".into() };
        assert!(Chain::after(&HttpRequest::new(SdkBody::empty()), &signer).is_none());
        assert!(Chain::after(&signed("yesterday", "0"), &signer).is_none());
        assert!(!format!("{signer:?}").contains("hush"));
    }
}
