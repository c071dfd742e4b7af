//! An S3 endpoint through aws-sdk-s3 over our own HTTP client.
//!
//! The SDK signs, builds and parses requests. All that would blur a measurement is off: its retries
//! (the engine counts its own), the checksums it would compute over each body, the hashing of bodies
//! for the signature (unless they are asked for: `proof`) and its stall guard (ours watches the sockets).

mod asked;
mod aws;
mod config;
mod credentials;
mod download;
mod elsewhere;
mod error;
mod http_client;
mod keys;
mod listings;
mod preflight;
mod proof;
mod proxy;
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
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier,
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
    Algorithm, Download, FirstPart, ObjectInfo, OpenUpload, Page, Part, PartInfo, Store,
    StoreError, Upload,
};
use asked::OfAnswer;
use error::Call;
use http_client::{Carries, Observed};
use proof::{Outgoing, Prover};
use watchdog::StallLimit;

pub use aws::{Aws, Found};
pub use config::{Config, Connection, STALL_TIMEOUT};
pub use credentials::Credentials;
pub use error::skew;
pub use http_client::{Bind, LOOPBACK_SEND_BUFFER_BYTES};
pub use preflight::{TlsSeen, TrustSeen, Written};

/// One bucket of an S3 endpoint, with an SDK client and a pool of connections of its own.
#[derive(Debug)]
pub struct S3Store {
    client: Client,
    bucket: String,
    /// Metadata of what is written.
    metadata: Option<HashMap<String, String>>,
    /// `*`, if nothing may be replaced (RFC 9110, 13.1.2). Storj knows it, and who does not know it ignores it.
    if_none_match: Option<String>,
    /// How payloads go out.
    prover: Prover,
    limit: StallLimit,
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
            limit: StallLimit::new(
                connection.stall_timeout,
                connection.sockets.pace.as_ref().map(|pace| pace.per_second()),
            ),
            metadata: connection.expire_after.map(expires),
            if_none_match: connection.only_new.then(|| "*".to_owned()),
            prover: Prover::new(connection.proof, connection.key.as_ref(), &connection.region),
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

    /// The payload as it goes out. Where it must be read before, that is work of this machine, which no endpoint's
    /// silence is to be confused with: the watchdog begins afterwards.
    async fn outgoing(&self, call: Call<'_>, payload: Payload) -> Result<Outgoing, StoreError> {
        let outgoing = self.prover.outgoing(payload).await;
        outgoing.map_err(|error| call.broke(FailureClass::Client, &error))
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
        match watchdog::watch(probe, self.limit, send).await {
            Ok(result) => result.map_err(|error| call.failed(&error)),
            Err(watchdog::Stalled) => Err(call.stalled(self.limit)),
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
        let out = self.outgoing(call, payload).await?;
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_length(as_i64(out.length))
            .set_metadata(self.metadata.clone())
            .set_if_none_match(self.if_none_match.clone())
            .body(ByteStream::new(out.body))
            .customize()
            .mutate_request(observe(probe, out.carries))
            .interceptor(out.beside);
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
            .set_checksum_algorithm(self.prover.proof().kept().map(named))
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        let output = self.attempt(call, probe, request.send()).await?;
        let id = output.upload_id.ok_or_else(|| call.incomplete("UploadId"))?;
        // The upload is open, and cannot be named.
        if call.fits(&[&self.bucket, &id]).is_err() {
            return Err(call.unreadable(&format!("its UploadId has {} bytes", id.len())));
        }
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
        let out = self.outgoing(call, payload).await?;
        let request = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(&upload.key)
            .upload_id(&upload.id)
            .part_number(as_part_number(number))
            .content_length(as_i64(out.length))
            .body(ByteStream::new(out.body))
            .customize()
            .mutate_request(observe(probe, out.carries))
            .interceptor(out.beside);
        let output = self.attempt(call, probe, request.send()).await?;
        call.was_sent(probe)?;
        let etag = call.etag(output.e_tag)?.ok_or_else(|| call.incomplete("ETag"))?;
        Ok(Part { number, etag, checksum: out.checksum.get().cloned() })
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        let call = Call { operation: "CompleteMultipartUpload", subject: &upload.key };
        call.fits(&[&self.bucket, &upload.id])?;
        let kept = self.prover.proof().kept();
        let parts = parts.iter().map(|part| completed(part, kept)).collect();
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
        self.all_uploads(prefix, probe).await
    }

    async fn list_parts(
        &self,
        upload: &Upload,
        probe: &Arc<Probe>,
    ) -> Result<Vec<PartInfo>, StoreError> {
        self.all_parts(upload, probe).await
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
        let status = OfAnswer::new(|answer| Some(answer.status().as_u16()));
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
        let status = status.get().copied().unwrap_or_default();
        let said = (status, output.content_range.as_deref(), as_size(output.content_length));
        let size_bytes = call.length(range.as_ref(), said.0, said.1, said.2)?;
        let body = download::bytes(output.body, key, self.limit);
        Ok(Download { size_bytes, etag: call.etag(output.e_tag)?, body })
    }

    async fn list_objects(
        &self,
        prefix: &str,
        after: Option<&str>,
        probe: &Arc<Probe>,
    ) -> Result<Page, StoreError> {
        self.objects_page(prefix, after, probe).await
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

/// As the SDK names it.
fn named(algorithm: Algorithm) -> ChecksumAlgorithm {
    match algorithm {
        Algorithm::Crc32 => ChecksumAlgorithm::Crc32,
        Algorithm::Crc32c => ChecksumAlgorithm::Crc32C,
        Algorithm::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
        Algorithm::Sha1 => ChecksumAlgorithm::Sha1,
        Algorithm::Sha256 => ChecksumAlgorithm::Sha256,
    }
}

/// A part as CompleteMultipartUpload lists it: S3 wants its checksum as well, if it keeps one.
fn completed(part: &Part, kept: Option<Algorithm>) -> CompletedPart {
    let listed =
        CompletedPart::builder().part_number(as_part_number(part.number)).e_tag(&part.etag);
    let checksum = part.checksum.clone();
    match kept {
        None => listed,
        Some(Algorithm::Crc32) => listed.set_checksum_crc32(checksum),
        Some(Algorithm::Crc32c) => listed.set_checksum_crc32_c(checksum),
        Some(Algorithm::Crc64Nvme) => listed.set_checksum_crc64_nvme(checksum),
        Some(Algorithm::Sha1) => listed.set_checksum_sha1(checksum),
        Some(Algorithm::Sha256) => listed.set_checksum_sha256(checksum),
    }
    .build()
}

/// `X-Amz-Meta-Object-Expires`: Storj removes the object, or the upload, after so long, in Go's way of writing times
/// (`storj/gateway-st` miniogw/multipart.go).
fn expires(after: Duration) -> HashMap<String, String> {
    HashMap::from([("object-expires".to_owned(), format!("+{}s", after.as_secs()))])
}

/// 1 PiB. ASSUMPTION: no store has larger objects; S3's and Storj's end far below.
const OBJECT_BYTES_MAX: u64 = 1 << 50;

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

fn as_time(time: DateTime) -> Option<SystemTime> {
    SystemTime::try_from(time).ok()
}

/// A size that an object can have; `None` also for a number that cannot be one.
fn as_size(bytes: Option<i64>) -> Option<u64> {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes <= OBJECT_BYTES_MAX)
}
