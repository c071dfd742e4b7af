//! How a request is made, read from its headers: for the log, so that a connector can be known by it.

use http::{HeaderMap, HeaderName, header};

/// How a request is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// The program, in its own words.
    pub user_agent: Option<String>,
    /// How the body is signed.
    pub payload_signing: Option<String>,
    /// The headers with checksums of the body.
    pub checksums: Vec<String>,
    /// Bytes of content in a body that comes in signed or checked chunks.
    pub content_bytes: Option<u64>,
}

const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const CHECKSUM: &str = "x-amz-checksum-";
const TRAILER: &str = "x-amz-trailer";

impl Manner {
    /// Reads it from a request's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let checksums = headers.keys().filter(|name| is_checksum(name)).map(HeaderName::as_str);
        // The checksum in a trailer is named in advance.
        let checksums = checksums.chain(text(TRAILER)).map(str::to_owned).collect();
        Self {
            user_agent: text(header::USER_AGENT.as_str()).map(str::to_owned),
            payload_signing: text(CONTENT_SHA256).map(payload_signing),
            checksums,
            content_bytes: text(DECODED_LENGTH).and_then(|length| length.parse().ok()),
        }
    }
}

/// A digest is as good as any other; what is no digest is a keyword (AWS Signature Version 4).
fn payload_signing(value: &str) -> String {
    let is_digest = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { "SHA-256".to_owned() } else { value.to_owned() }
}

fn is_checksum(name: &HeaderName) -> bool {
    // The algorithm and the type of a checksum are none.
    let value = name.as_str().strip_prefix(CHECKSUM);
    name == "content-md5"
        || value.is_some_and(|kind| !matches!(kind, "algorithm" | "type" | "mode"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner(headers: &[(&'static str, &str)]) -> Manner {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        Manner::of(&pairs.collect())
    }

    #[test]
    fn a_digest_and_the_keywords_are_told_apart() {
        let signing = |value: &str| manner(&[(CONTENT_SHA256, value)]).payload_signing.unwrap();
        assert_eq!(signing(&"0a".repeat(32)), "SHA-256");
        for keyword in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] {
            assert_eq!(signing(keyword), keyword);
        }
    }

    #[test]
    fn checksums_in_headers_and_trailers_are_named() {
        let headers =
            [("content-md5", "x"), ("x-amz-checksum-crc32", "x"), ("x-amz-checksum-type", "x")];
        assert_eq!(manner(&headers).checksums, ["content-md5", "x-amz-checksum-crc32"]);
        assert_eq!(
            manner(&[(TRAILER, "x-amz-checksum-crc32c")]).checksums,
            ["x-amz-checksum-crc32c"]
        );
    }

    #[test]
    fn chunks_say_how_much_they_hold() {
        assert_eq!(manner(&[(DECODED_LENGTH, "65536")]).content_bytes, Some(65_536));
        assert_eq!(manner(&[]), Manner::default());
    }
}
