//! What a request asks of an object before it is read or copied: headers such as `If-Match`.
//!
//! In the order and in the manner of Storj's gateway (`storj/minio` cmd/object-handlers-common.go), which is not
//! that of RFC 9110: dates come first, `*` is no ETag of any object, nor is a list.

use std::time::{Duration, SystemTime};

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderValue};
use s3s::dto::{Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result};
use time::OffsetDateTime;

use super::attributes::validators;
use crate::storj::Object;

/// Dates in headers have no fractions of a second.
const GRANULARITY: Duration = Duration::from_secs(1);

/// What must hold of an object.
pub struct Conditions<'a> {
    modified_since: Option<&'a HeaderValue>,
    unmodified_since: Option<&'a HeaderValue>,
    matches: Option<&'a HeaderValue>,
    none_matches: Option<&'a HeaderValue>,
    /// What it is called if the client has the object already.
    unchanged: S3ErrorCode,
}

impl<'a> Conditions<'a> {
    /// Those of GetObject and HeadObject.
    pub fn of_reading(headers: &'a HeaderMap) -> Self {
        Self {
            modified_since: headers.get(IF_MODIFIED_SINCE),
            unmodified_since: headers.get(IF_UNMODIFIED_SINCE),
            matches: headers.get(IF_MATCH),
            none_matches: headers.get(IF_NONE_MATCH),
            unchanged: S3ErrorCode::NotModified,
        }
    }

    /// Those of CopyObject for its source.
    pub fn of_copying(headers: &'a HeaderMap) -> Self {
        Self {
            modified_since: headers.get("x-amz-copy-source-if-modified-since"),
            unmodified_since: headers.get("x-amz-copy-source-if-unmodified-since"),
            matches: headers.get("x-amz-copy-source-if-match"),
            none_matches: headers.get("x-amz-copy-source-if-none-match"),
            unchanged: S3ErrorCode::PreconditionFailed,
        }
    }

    /// Whether all of them hold.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check<C>(&self, object: &Object<C>) -> S3Result<()> {
        let is_modified_since = |date| object.modified > date + GRANULARITY;
        let has_etag = |value| unquoted(value) == object.etag.as_bytes();
        let unchanged_since =
            self.modified_since.and_then(date).filter(|at| !is_modified_since(*at));
        let changed_since =
            self.unmodified_since.and_then(date).filter(|at| is_modified_since(*at));
        let failed = if unchanged_since.is_some() {
            self.unchanged.clone()
        } else if changed_since.is_some() || self.matches.is_some_and(|value| !has_etag(value)) {
            S3ErrorCode::PreconditionFailed
        } else if self.none_matches.is_some_and(has_etag) {
            self.unchanged.clone()
        } else {
            return Ok(());
        };
        let message = "At least one of the pre-conditions you specified did not hold";
        let mut error = S3Error::with_message(failed, message);
        error.set_headers(validators(object));
        Err(error)
    }
}

fn unquoted(etag: &HeaderValue) -> &[u8] {
    let text = etag.as_bytes();
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// What is no date asks for nothing.
fn date(value: &HeaderValue) -> Option<SystemTime> {
    let timestamp = Timestamp::parse(TimestampFormat::HttpDate, value.to_str().ok()?).ok()?;
    Some(OffsetDateTime::from(timestamp).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storj::Attributes;

    /// Of the object with the ETag `e`, modified on 2 January 1970.
    fn check(headers: &[(&'static str, &'static str)]) -> Option<S3ErrorCode> {
        let object = Object::<()> {
            etag: "e".into(),
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(86_400_700),
            attributes: Attributes::default(),
            pieces: Vec::new(),
        };
        let pairs = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        let headers: HeaderMap = pairs.collect();
        let conditions = match headers.keys().any(|name| name.as_str().starts_with("x-amz")) {
            true => Conditions::of_copying(&headers),
            false => Conditions::of_reading(&headers),
        };
        conditions.check(&object).err().map(|error| error.code().clone())
    }

    const BEFORE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
    /// To the second, as the client was told.
    const THEN: &str = "Fri, 02 Jan 1970 00:00:00 GMT";

    #[test]
    fn conditions_are_those_of_storjs_gateway() {
        use S3ErrorCode::{NotModified, PreconditionFailed};
        for (headers, refused) in [
            (&[][..], None),
            (&[("if-match", "\"e\"")], None),
            (&[("if-match", "e")], None),
            (&[("if-match", "\"f\"")], Some(PreconditionFailed)),
            (&[("if-match", "*")], Some(PreconditionFailed)),
            (&[("if-match", "\"e\", \"f\"")], Some(PreconditionFailed)),
            (&[("if-none-match", "\"e\"")], Some(NotModified)),
            (&[("if-none-match", "\"f\"")], None),
            (&[("if-none-match", "*")], None),
            (&[("if-modified-since", BEFORE)], None),
            (&[("if-modified-since", THEN)], Some(NotModified)),
            (&[("if-modified-since", "yesterday")], None),
            (&[("if-unmodified-since", BEFORE)], Some(PreconditionFailed)),
            (&[("if-unmodified-since", THEN)], None),
            (&[("if-modified-since", THEN), ("if-match", "\"f\"")], Some(NotModified)),
            (&[("x-amz-copy-source-if-match", "\"f\"")], Some(PreconditionFailed)),
            (&[("x-amz-copy-source-if-none-match", "\"e\"")], Some(PreconditionFailed)),
            (&[("x-amz-copy-source-if-modified-since", THEN)], Some(PreconditionFailed)),
        ] {
            assert_eq!(check(headers), refused, "{headers:?}");
        }
    }
}
