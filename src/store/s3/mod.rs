//! An S3 endpoint through aws-sdk-s3 over our own HTTP client.
//!
//! The SDK signs, builds and parses requests. All that would blur a measurement is off: its retries
//! (the engine counts its own), the checksums it would compute over each body, the hashing of bodies
//! for the signature (they go as UNSIGNED-PAYLOAD) and its stall guard (ours watches the sockets).

mod asked;
mod config;
mod credentials;
mod download;
mod error;
mod http_client;
mod keys;
mod preflight;
mod watchdog;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::list_multipart_uploads::ListMultipartUploadsOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::list_parts::ListPartsOutput;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, Delete, EncodingType, ObjectIdentifier,
    ServerSideEncryption,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::DateTime;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};

use crate::dataset::Payload;
use crate::measure::{FailureClass, Probe};
use crate::store::{
    DOES_NOT_ADVANCE, Download, FirstPart, ObjectInfo, OpenUpload, Page, Part, PartInfo, Seen,
    Store, StoreError, Upload,
};
use asked::Status;
use error::Call;
use http_client::{Carries, Observed};
use keys::Writing;

pub use config::{Config, Connection, STALL_TIMEOUT};
pub use credentials::Credentials;
pub use error::skew;
pub use http_client::LOOPBACK_SEND_BUFFER_BYTES;
pub use preflight::{TlsSeen, TrustSeen, Written};

/// One bucket of an S3 endpoint, with an SDK client and a pool of connections of its own.
#[derive(Debug)]
pub struct S3Store {
    client: Client,
    bucket: String,
    stall_timeout: Duration,
    /// Metadata of what is written.
    metadata: Option<HashMap<String, String>>,
    /// `*`, if nothing may be replaced (RFC 9110, 13.1.2). Storj knows it, and who does not know it ignores it.
    if_none_match: Option<String>,
}

impl S3Store {
    /// A store for the calling thread. Connections are made when requests need them.
    pub fn connect(connection: &Connection) -> Self {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http_client::client(connection.sockets.clone()))
            .endpoint_url(&connection.endpoint)
            .force_path_style(true)
            .region(Region::new(connection.region.clone()))
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let config = match &connection.key {
            Some(key) => config.credentials_provider(key.clone()),
            None => config.allow_no_auth(),
        };
        Self {
            client: Client::from_conf(config.build()),
            bucket: connection.bucket.clone(),
            stall_timeout: connection.stall_timeout,
            metadata: connection.expire_after.map(expires),
            if_none_match: connection.only_new.then(|| "*".to_owned()),
        }
    }

    async fn head(
        &self,
        call: Call<'_>,
        part_number: Option<i32>,
        probe: &Arc<Probe>,
    ) -> Result<HeadObjectOutput, StoreError> {
        call.fits(&[&self.bucket])?;
        let request = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(call.subject)
            .set_part_number(part_number)
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        self.attempt(call, probe, request.send()).await
    }

    /// Makes one attempt under the watchdog.
    async fn attempt<T, E>(
        &self,
        call: Call<'_>,
        probe: &Probe,
        send: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, StoreError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match watchdog::watch(probe, self.stall_timeout, send).await {
            Ok(result) => result.map_err(|error| call.failed(&error)),
            Err(watchdog::Stalled) => Err(call.stalled(self.stall_timeout)),
        }
    }

    async fn uploads_page(
        &self,
        prefix: &str,
        after: Option<&Upload>,
        encoding: Option<EncodingType>,
        probe: &Arc<Probe>,
    ) -> Result<ListMultipartUploadsOutput, StoreError> {
        let call = Call { operation: "ListMultipartUploads", subject: prefix };
        let (key, id) = after.map_or(("", ""), |upload| (&upload.key, &upload.id));
        call.fits(&[&self.bucket, key, id])?;
        let request = self
            .client
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_encoding_type(encoding)
            .set_key_marker(after.map(|upload| upload.key.clone()))
            .set_upload_id_marker(after.map(|upload| upload.id.clone()))
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        self.attempt(call, probe, request.send()).await
    }

    async fn parts_page(
        &self,
        upload: &Upload,
        after: Option<u32>,
        probe: &Arc<Probe>,
    ) -> Result<ListPartsOutput, StoreError> {
        let call = Call { operation: "ListParts", subject: &upload.key };
        call.fits(&[&self.bucket, &upload.id])?;
        let request = self
            .client
            .list_parts()
            .bucket(&self.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .set_part_number_marker(after.map(|number| number.to_string()))
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        self.attempt(call, probe, request.send()).await
    }

    async fn objects_page(
        &self,
        prefix: &str,
        after: Option<&str>,
        encoding: Option<EncodingType>,
        probe: &Arc<Probe>,
    ) -> Result<ListObjectsV2Output, StoreError> {
        let call = Call { operation: "ListObjectsV2", subject: prefix };
        call.fits(&[&self.bucket, after.unwrap_or_default()])?;
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_encoding_type(encoding)
            .set_continuation_token(after.map(str::to_owned))
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        self.attempt(call, probe, request.send()).await
    }

    /// A page of objects and how its keys are written. A server that does not say is asked again, for keys
    /// as they are.
    async fn written_objects_page(
        &self,
        prefix: &str,
        after: Option<&str>,
        probe: &Arc<Probe>,
    ) -> Result<(ListObjectsV2Output, Writing), StoreError> {
        let page = self.objects_page(prefix, after, Some(EncodingType::Url), probe).await?;
        let keys = page.contents().iter().filter_map(|object| object.key());
        match Writing::of(page.encoding_type.as_ref(), prefix, keys) {
            Writing::Unclear => {
                Ok((self.objects_page(prefix, after, None, probe).await?, Writing::Plain))
            }
            writing => Ok((page, writing)),
        }
    }

    /// The same of uploads.
    async fn written_uploads_page(
        &self,
        prefix: &str,
        after: Option<&Upload>,
        probe: &Arc<Probe>,
    ) -> Result<(ListMultipartUploadsOutput, Writing), StoreError> {
        let page = self.uploads_page(prefix, after, Some(EncodingType::Url), probe).await?;
        let keys = page.uploads().iter().filter_map(|upload| upload.key());
        match Writing::of(page.encoding_type.as_ref(), prefix, keys) {
            Writing::Unclear => {
                Ok((self.uploads_page(prefix, after, None, probe).await?, Writing::Plain))
            }
            writing => Ok((page, writing)),
        }
    }
}

impl Store for S3Store {
    async fn locate_bucket(&self, probe: &Arc<Probe>) -> Result<(), StoreError> {
        let call = Call { operation: "GetBucketLocation", subject: &self.bucket };
        call.fits(&[])?;
        let request = self
            .client
            .get_bucket_location()
            .bucket(&self.bucket)
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        self.attempt(call, probe, request.send()).await.map(drop)
    }

    async fn put_object(
        &self,
        key: &str,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        let call = Call { operation: "PutObject", subject: key };
        call.fits(&[&self.bucket])?;
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_length(as_i64(payload.len()))
            .set_metadata(self.metadata.clone())
            .set_if_none_match(self.if_none_match.clone())
            .body(ByteStream::new(SdkBody::from_body_1_x(payload)))
            .customize()
            .mutate_request(observe(probe, Carries::Up))
            .disable_payload_signing();
        let output = self.attempt(call, probe, request.send()).await?;
        call.was_sent(probe)?;
        call.etag(output.e_tag)?.ok_or_else(|| call.incomplete("ETag"))
    }

    async fn create_upload(&self, key: &str, probe: &Arc<Probe>) -> Result<Upload, StoreError> {
        let call = Call { operation: "CreateMultipartUpload", subject: key };
        call.fits(&[&self.bucket])?;
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .set_metadata(self.metadata.clone())
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        let output = self.attempt(call, probe, request.send()).await?;
        let id = output.upload_id.ok_or_else(|| call.incomplete("UploadId"))?;
        call.fits(&[&self.bucket, &id])?;
        Ok(Upload { key: key.to_owned(), id })
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<Part, StoreError> {
        let call = Call { operation: "UploadPart", subject: &upload.key };
        call.fits(&[&self.bucket, &upload.id])?;
        let request = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .part_number(as_part_number(number))
            .content_length(as_i64(payload.len()))
            .body(ByteStream::new(SdkBody::from_body_1_x(payload)))
            .customize()
            .mutate_request(observe(probe, Carries::Up))
            .disable_payload_signing();
        let output = self.attempt(call, probe, request.send()).await?;
        call.was_sent(probe)?;
        let etag = call.etag(output.e_tag)?.ok_or_else(|| call.incomplete("ETag"))?;
        Ok(Part { number, etag })
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        let call = Call { operation: "CompleteMultipartUpload", subject: &upload.key };
        call.fits(&[&self.bucket, &upload.id])?;
        let completed = |part: &Part| {
            let number = as_part_number(part.number);
            CompletedPart::builder().part_number(number).e_tag(&part.etag).build()
        };
        let parts = parts.iter().map(completed).collect();
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .set_if_none_match(self.if_none_match.clone())
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        let output = self.attempt(call, probe, request.send()).await?;
        call.etag(output.e_tag)?.ok_or_else(|| call.incomplete("ETag"))
    }

    async fn abort_upload(&self, upload: &Upload, probe: &Arc<Probe>) -> Result<(), StoreError> {
        let call = Call { operation: "AbortMultipartUpload", subject: &upload.key };
        call.fits(&[&self.bucket, &upload.id])?;
        let request = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        match self.attempt(call, probe, request.send()).await {
            Err(error) if error.has_code("NoSuchUpload") => Ok(()),
            result => result.map(drop),
        }
    }

    async fn list_uploads(
        &self,
        prefix: &str,
        probe: &Arc<Probe>,
    ) -> Result<Vec<OpenUpload>, StoreError> {
        let call = Call { operation: "ListMultipartUploads", subject: prefix };
        let (mut uploads, mut seen) = (Vec::new(), Seen::default());
        let mut after: Option<Upload> = None;
        loop {
            let (page, writing) = self.written_uploads_page(prefix, after.as_ref(), probe).await?;
            let encoding = writing.encoding();
            let open = page.uploads.iter().flatten().map(|upload| {
                let named = upload.key.as_deref().zip(upload.upload_id.as_ref());
                let (key, id) =
                    named.ok_or_else(|| call.incomplete("key and id of each of its uploads"))?;
                let upload_of =
                    Upload { key: keys::decoded(key, encoding.as_ref()), id: id.clone() };
                let initiated = upload.initiated.and_then(as_time);
                Ok(OpenUpload { upload: upload_of, initiated })
            });
            let open = open.collect::<Result<Vec<_>, StoreError>>()?;
            if page.is_truncated != Some(true) {
                uploads.extend(open);
                return Ok(uploads);
            }
            let key = page.next_key_marker.as_deref().unwrap_or_default();
            if key.is_empty() {
                return Err(call.incomplete("marker for its next page"));
            }
            let next = Upload {
                key: keys::decoded(key, encoding.as_ref()),
                id: page.next_upload_id_marker.clone().unwrap_or_default(),
            };
            let names = open.iter().flat_map(|open| [&*open.upload.key, &*open.upload.id]);
            let place = format!("{}\0{}", next.key, next.id);
            seen.page(&call.to_string(), names, &place)?;
            uploads.extend(open);
            after = Some(next);
        }
    }

    async fn list_parts(
        &self,
        upload: &Upload,
        probe: &Arc<Probe>,
    ) -> Result<Vec<PartInfo>, StoreError> {
        let call = Call { operation: "ListParts", subject: &upload.key };
        let mut parts: Vec<PartInfo> = Vec::new();
        loop {
            let last = parts.last().map(|part| part.number);
            let page = self.parts_page(upload, last, probe).await?;
            for part in page.parts.iter().flatten() {
                let part = part_info(part)
                    .ok_or_else(|| call.incomplete("number and size of each of its parts"))?;
                if parts.last().is_some_and(|last| last.number >= part.number) {
                    return Err(call.unreadable(&format!("{DOES_NOT_ADVANCE} from part to part")));
                }
                parts.push(part);
            }
            if page.is_truncated != Some(true) {
                return Ok(parts);
            }
            // Storj's gateway repeats our marker instead of naming the next one (storj/gateway-st
            // miniogw/multipart.go): the last part of the page is the marker that all servers take.
            if parts.last().map(|part| part.number) == last {
                return Err(call.incomplete("parts of its next page"));
            }
        }
    }

    async fn head_object(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<ObjectInfo>, StoreError> {
        let call = Call { operation: "HeadObject", subject: key };
        match self.head(call, None, probe).await {
            Ok(output) => Ok(Some(ObjectInfo {
                key: key.to_owned(),
                size_bytes: as_size(output.content_length),
                etag: call.etag(output.e_tag)?,
                modified: output.last_modified.and_then(as_time),
            })),
            Err(error) if error.status == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn first_part(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<FirstPart>, StoreError> {
        let call = Call { operation: "HeadObject", subject: key };
        let output = match self.head(call, Some(1), probe).await {
            Err(error) if error.status == Some(404) => return Ok(None),
            answered => answered?,
        };
        let of_kms = [ServerSideEncryption::AwsKms, ServerSideEncryption::AwsKmsDsse];
        let is_encrypted_with_keys = output.sse_customer_algorithm.is_some()
            || output.server_side_encryption.is_some_and(|how| of_kms.contains(&how));
        Ok(Some(FirstPart {
            etag: call.etag(output.e_tag)?,
            parts: output.parts_count.and_then(|count| u32::try_from(count).ok()),
            size_bytes: as_size(output.content_length),
            is_encrypted_with_keys,
        }))
    }

    async fn get_object(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        probe: &Arc<Probe>,
    ) -> Result<Download, StoreError> {
        let call = Call { operation: "GetObject", subject: key };
        call.fits(&[&self.bucket])?;
        let status = Status::default();
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_range(range.as_ref().map(range_header))
            .customize()
            .interceptor(status.clone())
            .mutate_request(observe(probe, Carries::Down));
        let output = self.attempt(call, probe, request.send()).await?;
        let said = (status.get(), output.content_range.as_deref(), as_size(output.content_length));
        let size_bytes = call.length(range.as_ref(), said.0, said.1, said.2)?;
        let body = download::bytes(output.body, key, self.stall_timeout);
        Ok(Download { size_bytes, etag: call.etag(output.e_tag)?, body })
    }

    async fn list_objects(
        &self,
        prefix: &str,
        after: Option<&str>,
        probe: &Arc<Probe>,
    ) -> Result<Page, StoreError> {
        let call = Call { operation: "ListObjectsV2", subject: prefix };
        let (output, writing) = self.written_objects_page(prefix, after, probe).await?;
        let encoding = writing.encoding();
        let objects = output.contents.unwrap_or_default().into_iter().map(|object| {
            let key = object.key.ok_or_else(|| call.incomplete("key of each of its objects"))?;
            Ok(ObjectInfo {
                key: keys::decoded(&key, encoding.as_ref()),
                size_bytes: as_size(object.size),
                etag: call.etag(object.e_tag)?,
                modified: object.last_modified.and_then(as_time),
            })
        });
        let objects = objects.collect::<Result<_, StoreError>>()?;
        match (output.is_truncated, output.next_continuation_token) {
            (Some(true), None) => Err(call.incomplete("token for its next page")),
            (Some(true), next) => Ok(Page { objects, next }),
            _ => Ok(Page { objects, next: None }),
        }
    }

    async fn delete_objects(
        &self,
        keys: &[String],
        probe: &Arc<Probe>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let call = Call { operation: "DeleteObjects", subject: &self.bucket };
        let invalid = |error| call.broke(FailureClass::Client, &error);
        let identifiers = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build());
        let identifiers = identifiers.collect::<Result<Vec<_>, _>>().map_err(invalid)?;
        let delete = Delete::builder().set_objects(Some(identifiers)).quiet(true).build();
        let request = self
            .client
            .delete_objects()
            .bucket(&self.bucket)
            .delete(delete.map_err(invalid)?)
            .customize()
            .mutate_request(add_content_md5)
            .mutate_request(observe(probe, Carries::Nothing));
        let output = self.attempt(call, probe, request.send()).await?;
        let why = |error: aws_sdk_s3::types::Error| {
            let reason = error.message.or(error.code).unwrap_or_else(|| "no reason given".into());
            (error.key.unwrap_or_default(), reason)
        };
        Ok(output.errors.unwrap_or_default().into_iter().map(why).collect())
    }
}

/// `X-Amz-Meta-Object-Expires`: Storj removes the object, or the upload, after so long, in Go's way of writing times
/// (`storj/gateway-st` miniogw/multipart.go).
fn expires(after: Duration) -> HashMap<String, String> {
    HashMap::from([("object-expires".to_owned(), format!("+{}s", after.as_secs()))])
}

/// Hands the probe to our HTTP client.
fn observe(
    probe: &Arc<Probe>,
    carries: Carries,
) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    let observed = Observed { probe: Arc::clone(probe), carries };
    move |request| request.add_extension(observed.clone())
}

/// Storj refuses DeleteObjects without Content-MD5 (400 MissingContentMD5); the SDK sends a CRC32.
fn add_content_md5(request: &mut HttpRequest) {
    if let Some(body) = request.body().bytes() {
        let digest = BASE64.encode(Md5::digest(body));
        request.headers_mut().insert("content-md5", digest);
    }
}

/// `Range` counts its last byte in.
fn range_header(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end.saturating_sub(1))
}

/// What does not fit is no size any server accepts: it will say so.
fn as_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// As [`as_i64`]: S3 stops at 10,000.
fn as_part_number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// `None` if what a part must have is missing.
fn part_info(part: &aws_sdk_s3::types::Part) -> Option<PartInfo> {
    let etag = part.e_tag.as_deref().filter(|etag| !etag.trim_matches('"').is_empty());
    Some(PartInfo {
        number: u32::try_from(part.part_number?).ok()?,
        size_bytes: as_size(part.size)?,
        etag: etag.map(str::to_owned),
        modified: part.last_modified.and_then(as_time),
    })
}

fn as_time(time: DateTime) -> Option<SystemTime> {
    SystemTime::try_from(time).ok()
}

fn as_size(bytes: Option<i64>) -> Option<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok())
}
