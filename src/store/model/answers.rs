//! What the rules say, in the words of a store.

use std::time::Duration;

use super::Content;
use crate::measure::FailureClass;
use crate::storj::{self, Limited, ListedPart, Object, PartNumber, Refusal, UploadId};

use super::super::{ObjectInfo, OpenUpload, Part, PartInfo, StoreError, Upload};

/// A refusal as the embedded gateway's answer would be read.
pub(super) fn refused(refusal: Refusal) -> StoreError {
    let (status, code) = match refusal {
        Refusal::NoSuchBucket => (404, "NoSuchBucket"),
        Refusal::BucketAlreadyExists => (409, "BucketAlreadyExists"),
        Refusal::BucketNotEmpty => (409, "BucketNotEmpty"),
        Refusal::NoSuchKey => (404, "NoSuchKey"),
        Refusal::NoSuchVersion => (404, "NoSuchVersion"),
        Refusal::NoSuchUpload => (404, "NoSuchUpload"),
        Refusal::InvalidPartNumber => (400, "InvalidArgument"),
        Refusal::InvalidPart => (400, "InvalidPart"),
        Refusal::InvalidPartOrder => (400, "InvalidPartOrder"),
        Refusal::NoPartsListed => (400, "MalformedXML"),
        Refusal::EntityTooSmall => (400, "EntityTooSmall"),
        Refusal::EntityTooLarge => (400, "EntityTooLarge"),
        Refusal::PreconditionFailed => (412, "PreconditionFailed"),
        Refusal::Undecryptable => (500, "InternalError"),
    };
    let class = if status < 500 { FailureClass::Client } else { FailureClass::Server };
    StoreError {
        status: Some(status),
        code: Some(code.to_owned()),
        ..StoreError::new(class, refusal.to_string())
    }
}

/// A limit is reached.
pub(super) fn slow_down(limited: Limited, retry_after: Duration) -> StoreError {
    StoreError {
        status: Some(429),
        code: Some("SlowDown".into()),
        retry_after: Some(retry_after),
        ..StoreError::new(FailureClass::Throttled, limited.to_string())
    }
}

/// A range behind the end of the object.
pub(super) fn not_satisfiable() -> StoreError {
    StoreError {
        status: Some(416),
        code: Some("InvalidRange".into()),
        ..StoreError::new(FailureClass::Client, "the range is not within the object")
    }
}

/// A part as a Complete lists it.
pub(super) fn listed(part: &Part) -> ListedPart {
    let number = i32::try_from(part.number).unwrap_or(i32::MAX);
    ListedPart { number, etag: part.etag.trim_matches('"').to_owned() }
}

/// An open upload as a listing shows it.
pub(super) fn open_upload((id, open): (UploadId, &storj::Upload<Content>)) -> OpenUpload {
    let upload = Upload { key: open.key.clone(), id: id.to_string() };
    OpenUpload { upload, initiated: Some(open.begun) }
}

/// A part as a listing shows it.
pub(super) fn part_info((number, part): (&PartNumber, &storj::Part<Content>)) -> PartInfo {
    PartInfo {
        number: number.get().into(),
        size_bytes: part.piece.size_bytes,
        etag: Some(super::quoted(&part.tag.to_string())),
        modified: Some(part.modified),
    }
}

/// An object as a listing or a HEAD shows it.
pub(super) fn info(key: &str, object: &Object<Content>) -> ObjectInfo {
    ObjectInfo {
        key: key.to_owned(),
        size_bytes: Some(object.size_bytes()),
        etag: Some(super::quoted(&object.etag)),
        modified: Some(object.modified),
    }
}
