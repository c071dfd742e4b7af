//! Where objects are: at an S3 endpoint ([`s3`]), or in this process ([`model`]).
//!
//! A store tries each operation exactly once: retries belong to the engine, which counts them. No
//! method is `Send` and nothing is spawned: one thread, one future, one store.

mod listing;
pub mod model;
mod place;
mod proof;
pub mod s3;

pub use listing::{DOES_NOT_ADVANCE, Seen};
pub use place::{AnyStore, Place};
pub use proof::{Algorithm, InHead, NoProof, Proof};

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::LocalBoxStream;

use crate::dataset::Payload;
use crate::measure::{FailureClass, Probe};

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of failure.
    pub class: FailureClass,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// S3 error code, if the answer had one.
    pub code: Option<String>,
    /// One line for a person.
    pub message: String,
    /// How long the server asked us to wait.
    pub retry_after: Option<Duration>,
    /// Whether another attempt would show nothing new, though the class may be tried again.
    pub settled: bool,
    /// What to do next, where that is known better than from the class.
    pub hint: Option<String>,
}

impl StoreError {
    /// A failure without an answer.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            class,
            status: None,
            code: None,
            message,
            retry_after: None,
            settled: false,
            hint: None,
        }
    }

    /// Whether fewer requests a second would have been let in. Storj also refuses transfers that are too many at a
    /// time, in other words (`storj/edge` pkg/minio/api-router.go): to make them less often would not help.
    pub fn is_about_the_rate(&self) -> bool {
        self.class == FailureClass::Throttled && !self.message.contains("concurrent")
    }

    /// Whether no answer came.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.class, FailureClass::Connection | FailureClass::Timeout)
            && self.status.is_none()
    }

    /// Whether what was asked for may have been done, or may be done yet. A yes that cannot be read is one, too.
    pub fn leaves_open_what_happened(&self) -> bool {
        use FailureClass::{Connection, Server, Timeout};
        matches!(self.class, Timeout | Connection | Server)
            || self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether the answer had this S3 error code.
    pub fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

/// A multipart upload that is open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Upload {
    /// The object's key.
    pub key: String,
    /// The id the server gave.
    pub id: String,
}

/// An open upload as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    /// Its name.
    pub upload: Upload,
    /// When it was begun, by the server's clock, if the server says.
    pub initiated: Option<SystemTime>,
}

/// A part that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// As the server gave it, quotes included.
    pub etag: String,
    /// What went with it in `x-amz-checksum-*`, as that has it: who keeps checksums wants them again in the end.
    pub checksum: Option<String>,
}

/// A part as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// From 1.
    pub number: u32,
    /// Bytes. Storj lists a part from its first segment on (`storj/uplink` multipart_iterators.go), so
    /// that a part of several may still grow.
    pub size_bytes: u64,
    /// As the server gave it; `None` if it is empty, as Storj's is until the part's last segment is there.
    pub etag: Option<String>,
    /// When it arrived, by the server's clock, if the server says.
    pub modified: Option<SystemTime>,
}

/// An object as a listing or a HEAD shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key.
    pub key: String,
    /// Bytes, if the server tells of a number that can be one.
    pub size_bytes: Option<u64>,
    /// As the server gave it, if it did.
    pub etag: Option<String>,
    /// When it was written, by the server's clock, if the server says.
    pub modified: Option<SystemTime>,
}

/// What is told of an object when its first part is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstPart {
    /// The object's, as the server gave it, if it did.
    pub etag: Option<String>,
    /// In so many parts it was uploaded, if the server tells. Storj does not.
    pub parts: Option<u32>,
    /// Bytes of the first part, if that is told; otherwise of the object, if that is.
    pub size_bytes: Option<u64>,
    /// With a customer's keys, or with those of KMS: then the ETag is no MD5 (AWS).
    pub is_encrypted_with_keys: bool,
}

/// Whether a bucket keeps what is deleted or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// It never did: what is deleted is gone.
    Never,
    /// It did, and still marks what is deleted.
    Suspended,
    /// Every version stays until it is deleted by its own name.
    Enabled,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects, in the server's order.
    pub objects: Vec<ObjectInfo>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

/// The body of an object on its way down.
pub struct Download {
    /// Bytes to come, if the server tells.
    pub size_bytes: Option<u64>,
    /// Of the object, as the server gave it, if it did.
    pub etag: Option<String>,
    /// The bytes, in order.
    pub body: LocalBoxStream<'static, Result<Bytes, StoreError>>,
}

/// The S3 operations a Globus connector makes, each tried once.
///
/// Every method fills `probe`: the connection, the request sent, the first byte, and each payload
/// byte when it passes the socket. Keys are whole object keys within the store's bucket.
#[allow(async_fn_in_trait, reason = "nothing is spawned: no caller needs a Send bound")]
pub trait Store {
    /// Whether what is read is what was written: a simulation may keep only how much it was.
    fn keeps_bytes(&self) -> bool {
        true
    }

    /// GetBucketLocation, the first call of a connector: is there such a bucket, and may we ask?
    async fn locate_bucket(&self, probe: &Arc<Probe>) -> Result<(), StoreError>;

    /// PutObject.
    async fn put_object(
        &self,
        key: &str,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError>;

    /// CreateMultipartUpload.
    async fn create_upload(&self, key: &str, probe: &Arc<Probe>) -> Result<Upload, StoreError>;

    /// UploadPart.
    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<Part, StoreError>;

    /// CompleteMultipartUpload. `parts` in ascending order of number.
    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError>;

    /// AbortMultipartUpload. An upload that is gone already counts as aborted.
    async fn abort_upload(&self, upload: &Upload, probe: &Arc<Probe>) -> Result<(), StoreError>;

    /// ListMultipartUploads under a prefix, all pages.
    async fn list_uploads(
        &self,
        prefix: &str,
        probe: &Arc<Probe>,
    ) -> Result<Vec<OpenUpload>, StoreError>;

    /// ListParts of an open upload, all pages, in order of number.
    async fn list_parts(
        &self,
        upload: &Upload,
        probe: &Arc<Probe>,
    ) -> Result<Vec<PartInfo>, StoreError>;

    /// HeadObject; `None` when there is no such object.
    async fn head_object(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<ObjectInfo>, StoreError>;

    /// HeadObject of the first part; `None` when there is no such object. A store that does not know
    /// parts, as Storj does not, tells of the whole.
    async fn first_part(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<FirstPart>, StoreError> {
        let whole = self.head_object(key, probe).await?;
        Ok(whole.map(|ObjectInfo { etag, size_bytes, .. }| FirstPart {
            etag,
            parts: None,
            size_bytes,
            is_encrypted_with_keys: false,
        }))
    }

    /// GetObject, whole or a range of bytes. The range must not be empty.
    async fn get_object(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        probe: &Arc<Probe>,
    ) -> Result<Download, StoreError>;

    /// One page of ListObjectsV2; `after` is the `next` of the page before.
    async fn list_objects(
        &self,
        prefix: &str,
        after: Option<&str>,
        probe: &Arc<Probe>,
    ) -> Result<Page, StoreError>;

    /// DeleteObjects, at most 1,000 keys. Answers with the keys that could not be deleted, and why.
    async fn delete_objects(
        &self,
        keys: &[String],
        probe: &Arc<Probe>,
    ) -> Result<Vec<(String, String)>, StoreError>;
}
