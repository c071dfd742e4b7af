//! What Storj's gateway reads otherwise than s3s, put right before s3s sees it (`storj/minio` cmd/httprange.go,
//! cmd/object-api-options.go, cmd/api-resources.go).

use http::Uri;
use http::header::RANGE;
use http::request::Parts;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::refused::internal;
use crate::gateway::asked::{Asked, Query, without_parameters};
use crate::gateway::signature::custom;

/// Most bytes of a key (`storj/minio` cmd/object-handlers.go).
const KEY_MOST_BYTES: usize = 1024;
/// Most bytes of an encrypted key (`storj/uplink` private/metaclient, MaxEncryptedObjectKeyLength).
const ENCRYPTED_KEY_MOST_BYTES: u64 = 4000;

/// Checks what the request names, and leaves out of it what Storj does not read.
///
/// # Errors
/// What is wrong with it.
pub fn put_right(head: &mut Parts, asked: &Asked) -> S3Result<()> {
    if head.uri.query().is_some() {
        check_limits(&head.uri)?;
        check_version(&head.uri)?;
    }
    let source = head.headers.get("x-amz-copy-source").map(|value| value.as_bytes());
    if source.is_some_and(|source| !names_object(source)) {
        return Err(s3_error!(
            InvalidArgument,
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey."
        ));
    }
    match asked.operation {
        "GetObject" | "HeadObject" => read_range(head)?,
        // The address of a part that was not understood as one: the object itself is put.
        "PutObject" => {
            let uri = std::mem::take(&mut head.uri);
            head.uri = without_parameters(uri, |name| matches!(name, "partNumber" | "uploadId"));
        }
        "ListObjectsV2"
            if Query::of(&head.uri).value("continuation-token").as_deref() == Some("") =>
        {
            return Err(wrong_token());
        }
        _ => {}
    }
    Ok(())
}

/// Whether an object of this key can be made, and what it is called if not.
///
/// # Errors
/// If it is too long, as it is or encrypted: each component is 28 bytes longer then, and some bytes are escaped.
pub fn check_new_key(key: &str) -> S3Result<()> {
    if key.len() > KEY_MOST_BYTES {
        return Err(s3_error!(KeyTooLongError, "Your key is too long"));
    }
    let encrypted = key.split('/').map(|component| {
        // One byte in 43 is escaped in the mean: which ones is left to chance.
        let bytes = component.len() as u64 + 28;
        bytes + bytes / 43 + 2
    });
    let bytes: u64 = encrypted.sum::<u64>() - 1;
    if bytes > ENCRYPTED_KEY_MOST_BYTES {
        return Err(internal(&format!(
            "uplink: metaclient: key length is too big, got {bytes}, maximum allowed is \
             {ENCRYPTED_KEY_MOST_BYTES}"
        )));
    }
    Ok(())
}

/// Whether there can be an object of this key.
///
/// # Errors
/// If it names none.
pub fn check_key(key: &str) -> S3Result<()> {
    if key == "/" {
        let message = "Object name contains unsupported characters.";
        return Err(custom("XMinioInvalidObjectName", 400, message));
    }
    Ok(())
}

/// Whether a key is longer than any that can be made.
pub fn is_beyond_keys(key: &str) -> bool {
    key.len() > KEY_MOST_BYTES
}

/// The answer to a continuation token that Storj did not give.
pub fn wrong_token() -> S3Error {
    s3_error!(InvalidArgument, "The continuation token provided is incorrect")
}

/// Whether it is the source of a copy.
fn names_object(source: &[u8]) -> bool {
    source.contains(&b'/') || source.to_ascii_uppercase().windows(3).any(|part| part == b"%2F")
}

fn check_limits(uri: &Uri) -> S3Result<()> {
    let query = Query::of(uri);
    for (name, message) in [
        ("max-keys", "Argument maxKeys must be an integer between 0 and 2147483647"),
        ("max-uploads", "Argument max-uploads must be an integer between 0 and 2147483647"),
        ("max-parts", "Part number must be an integer between 1 and 10000, inclusive"),
    ] {
        let asked = query.value(name).filter(|number| !number.is_empty());
        let is_wrong = |number: String| number.parse::<i32>().ok().is_none_or(|number| number < 0);
        if asked.is_some_and(is_wrong) {
            return Err(S3Error::with_message(S3ErrorCode::InvalidArgument, message));
        }
    }
    let encoding = query.value("encoding-type").unwrap_or_default();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("url") {
        return Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request"));
    }
    Ok(())
}

/// What is no version's id is no argument. `null`, which AWS knows, passes there and fails behind it.
fn check_version(uri: &Uri) -> S3Result<()> {
    let Some(id) = Query::of(uri).value("versionId").filter(|id| !id.is_empty()) else {
        return Ok(());
    };
    if id == "null" {
        return Err(internal("encoding/hex: invalid byte: U+006E 'n'"));
    }
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(s3_error!(InvalidArgument, "Invalid version id specified"));
    }
    Ok(())
}

/// A range that cannot be read is none, and the whole object is the answer.
fn read_range(head: &mut Parts) -> S3Result<()> {
    let range = head.headers.get(RANGE).map(|value| Range::of(value.as_bytes()));
    let part = Query::of(&head.uri).value("partNumber").and_then(|part| part.parse::<i64>().ok());
    if part.is_some_and(|part| part <= 0) {
        let message = "Invalid arguments specified.";
        return Err(custom("XMinioAdminInvalidArgument", 400, message));
    }
    match range {
        Some(Range::Backwards) => Err(unsatisfiable()),
        Some(Range::Some) if part.is_some() => {
            let message = "Cannot specify both Range header and partNumber query parameter";
            Err(S3Error::with_message(S3ErrorCode::InvalidRequest, message))
        }
        Some(Range::Unreadable) => {
            head.headers.remove(RANGE);
            Ok(())
        }
        Some(Range::Some) | None => Ok(()),
    }
}

/// The answer to a range of which the object has no byte.
pub fn unsatisfiable() -> S3Error {
    s3_error!(InvalidRange, "The requested range is not satisfiable")
}

/// What a header Range is, before the size of the object is known.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// It may have bytes.
    Some,
    /// It has none, whatever the object is.
    Backwards,
    /// It is ignored.
    Unreadable,
}

impl Range {
    fn of(header: &[u8]) -> Self {
        let text = std::str::from_utf8(header).unwrap_or_default();
        let Some((first, last)) = text.strip_prefix("bytes=").and_then(|text| text.split_once('-'))
        else {
            return Self::Unreadable;
        };
        let position = |text: &str| match text {
            "" => Some(None),
            text if text.starts_with('+') => None,
            text => text.parse::<i64>().ok().filter(|place| *place >= 0).map(Some),
        };
        match (position(first), position(last)) {
            (Some(Some(first)), Some(Some(last))) if first > last => Self::Backwards,
            (Some(None), Some(Some(0))) => Self::Backwards,
            (Some(None), Some(None)) | (None, _) | (_, None) => Self::Unreadable,
            _ => Self::Some,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_cannot_be_read_is_none() {
        for (header, range) in [
            ("bytes=0-4", Range::Some),
            ("bytes=5-", Range::Some),
            ("bytes=-5", Range::Some),
            ("bytes=9-3", Range::Backwards),
            ("bytes=-0", Range::Backwards),
            ("bytes=abc", Range::Unreadable),
            ("items=0-1", Range::Unreadable),
            ("bytes=0-1,3-4", Range::Unreadable),
            ("bytes= 0-4", Range::Unreadable),
            ("bytes=-", Range::Unreadable),
            ("bytes=+1-2", Range::Unreadable),
        ] {
            assert_eq!(Range::of(header.as_bytes()), range, "{header}");
        }
    }

    #[test]
    fn a_key_has_1024_bytes_or_4000_when_it_is_encrypted() {
        let code = |key: &str| check_new_key(key).err().map(|error| error.code().clone());
        assert_eq!(code(&"k".repeat(1024)), None);
        assert_eq!(code(&"k".repeat(1025)), Some(S3ErrorCode::KeyTooLongError));
        assert_eq!(code(&("k".repeat(127) + "/").repeat(8)), None);
        assert_eq!(code(&("x/".repeat(200) + "y")), Some(S3ErrorCode::InternalError));
    }
}
