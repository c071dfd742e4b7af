//! PutObject, GetObject, HeadObject, CopyObject, and deletions.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{CONTENT_RANGE, ETAG, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag,
    ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    MetadataDirective, PutObjectInput, PutObjectOutput, StreamingBlob, TaggingDirective,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::super::exchange::{AlsoTakes, StoredRanges};
use super::asks::{check_new_key, unsatisfiable};
use super::attributes::{attributes, headers_of};
use super::conditions::Conditions;
use super::digest::{self, BodyMd5};
use super::refused::{answer, cannot_keep, key_not_provided, missing_content_md5};
use super::{Content, Embedded, New};
use crate::gateway::signature::custom;
use crate::storj::{Attributes, Object, Overwrite, Piece, Refusal, Tag, VersionId};

/// `storj/gateway-st` api/objecthandlers.go (maxObjectSize), and the real network refused one byte more: 5 TiB,
/// where AWS allows 5 GiB in one request.
const LARGEST_PUT_BYTES: u64 = 5 << 40;
/// As the real network.
const MOST_KEYS_DELETED: usize = 1000;

impl Embedded {
    /// PutObject of an object with these attributes.
    pub(super) async fn put_object(
        &self,
        input: PutObjectInput,
        attributes: Attributes,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let (bucket, key) = (input.bucket, input.key);
        let overwrite = overwrite(input.if_none_match.as_ref())?;
        let announced = announced(input.content_length);
        let bytes = announced.unwrap_or(0);
        let md5 = input.content_md5.as_deref().map(digest::announced).transpose()?;
        if bytes > LARGEST_PUT_BYTES {
            return Err(answer(Refusal::EntityTooLarge));
        }
        check_new_key(&key)?;
        self.bucket(&bucket, |bucket| bucket.check_overwrite(&key, overwrite))?;
        self.reach_nodes(bytes).await?;

        let (piece, tag) = self.receive(&key, input.body, announced, md5).await?;
        let object = Object {
            etag: tag.to_string(),
            modified: SystemTime::now(),
            attributes,
            pieces: vec![piece],
        };
        let new = New { overwrite, ..New::of(object) };
        let (object, version) = self.publish(&bucket, &key, new).await?;
        let output = PutObjectOutput { e_tag: Some(etag(&object.etag)), ..Default::default() };
        let mut response = of_version(output, version);
        response.headers.extend(etag_header(&object));
        Ok(response)
    }

    /// Receives a body and compares it with what the client announced of it.
    pub(super) async fn receive(
        &self,
        key: &str,
        body: Option<StreamingBlob>,
        announced_bytes: Option<u64>,
        announced_md5: Option<[u8; 16]>,
    ) -> S3Result<(Piece<Content>, Tag)> {
        let (piece, tag) = self.contents.receive(key, body, announced_bytes).await?;
        match (announced_md5, tag) {
            (Some(announced), Tag::Md5(md5)) if announced != md5 => Err(s3_error!(BadDigest)),
            _ => Ok((piece, tag)),
        }
    }

    pub(super) async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let found = self.found(&input.bucket, &input.key, input.version_id.as_deref())?;
        let object = &found.object;
        Conditions::of_reading(&request.headers).check(object)?;
        let headers = headers_of(object, found.version, &request.uri);
        let part = Part::of(input.part_number, object, input.range, &headers)?;
        let range = part.bytes.clone();
        let largest = object.touched(range.clone()).map(|(piece, _)| piece.size_bytes).max();
        self.reach_nodes(largest.unwrap_or(0)).await?;
        let stored = object.touched(range.clone()).map(|(_, range)| range).collect();
        let output = GetObjectOutput {
            content_length: Some((range.end - range.start) as i64),
            body: Some(StreamingBlob::from(self.contents.read(object, range))),
            ..Default::default()
        };
        let mut response = part.answer(output, headers);
        response.extensions.insert(StoredRanges(stored));
        Ok(response)
    }

    pub(super) fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let found = self.found(&input.bucket, &input.key, input.version_id.as_deref())?;
        Conditions::of_reading(&request.headers).check(&found.object)?;
        let headers = headers_of(&found.object, found.version, &request.uri);
        let part = Part::of(input.part_number, &found.object, input.range, &headers)?;
        let bytes = part.bytes.end - part.bytes.start;
        let output = HeadObjectOutput { content_length: Some(bytes as i64), ..Default::default() };
        Ok(part.answer(output, headers))
    }

    pub(super) async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket: from_bucket, key: from_key, version_id } =
            &input.copy_source
        else {
            return Err(s3_error!(NotImplemented, "access points are not supported"));
        };
        check_new_key(&input.key)?;
        let said = attributes(&request.headers, "CopyObject")?;
        let source = self.found(from_bucket, from_key, version_id.as_deref())?.object;
        Conditions::of_copying(&request.headers).check(&source)?;
        let replaces = input.metadata_directive.as_ref().map(MetadataDirective::as_str)
            == Some(MetadataDirective::REPLACE);
        let replaces_tags = input.tagging_directive.as_ref().map(TaggingDirective::as_str)
            == Some(TaggingDirective::REPLACE);
        let tags = if replaces_tags { &said.tags } else { &source.attributes.tags }.clone();
        let said = if replaces { said } else { source.attributes.clone() };
        let attributes = Attributes { tags, ..said };
        let is_same = (&**from_bucket, &**from_key) == (input.bucket.as_str(), input.key.as_str());
        let overwrite = match is_same {
            true => Overwrite::Allowed,
            false => overwrite_of(&request.headers)?,
        };
        if is_same && !replaces && !replaces_tags {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself \
                 without changing the object's metadata, storage class, website redirect location \
                 or encryption attributes."
            ));
        }
        let pieces: std::io::Result<_> =
            source.pieces.iter().map(|piece| self.contents.copy(piece)).collect();
        let copy = Object {
            etag: source.etag.clone(),
            modified: SystemTime::now(),
            attributes,
            pieces: pieces.map_err(|error| cannot_keep(&error))?,
        };
        let replaces = is_same.then(|| Arc::clone(&source));
        let new = New { overwrite, replaces, ..New::of(copy) };
        let (copy, version) = self.publish(&input.bucket, &input.key, new).await?;
        let result = CopyObjectResult {
            e_tag: Some(etag(&copy.etag)),
            last_modified: Some(copy.modified.into()),
            ..Default::default()
        };
        let output = CopyObjectOutput { copy_object_result: Some(result), ..Default::default() };
        let mut response = of_version(output, version);
        response.headers.extend(etag_header(&copy));
        Ok(response)
    }

    pub(super) async fn delete_object(
        &self,
        input: DeleteObjectInput,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let doomed = Doomed { key: input.key, version: version(input.version_id.as_deref())? };
        let deleted = self.remove(&input.bucket, vec![doomed]).await?;
        let keeps_versions = self.keeps_versions(&input.bucket)?;
        let (_, id, is_marker) = deleted.into_iter().next().unwrap_or_default();
        let mut response = S3Response::new(DeleteObjectOutput::default());
        if keeps_versions {
            response.output.version_id = id.clone();
            response.output.delete_marker = is_marker.then_some(true);
        }
        if id.is_none() {
            response.extensions.insert(AlsoTakes(1));
        }
        Ok(response)
    }

    /// DeleteObjects. Storj insists on a Content-MD5, which current AWS SDKs do not send any more; nothing is
    /// deleted on the word of a list that does not match it (`storj/gateway-st` api/buckethandlers.go).
    pub(super) async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let Some(announced) = request.headers.get("content-md5") else {
            return Err(missing_content_md5());
        };
        let announced = digest::announced(announced.to_str().unwrap_or_default())?;
        if request.extensions.get::<BodyMd5>().is_none_or(|BodyMd5(body)| *body != announced) {
            return Err(s3_error!(BadDigest));
        }
        let mut doomed = Vec::new();
        for object in input.delete.objects {
            doomed
                .push(Doomed { key: object.key, version: version(object.version_id.as_deref())? });
        }
        must_be_deletable(&doomed)?;
        doomed.sort_by(|one, other| one.key.cmp(&other.key));
        doomed.dedup();
        let deleted = self.remove(&input.bucket, doomed).await?;
        if input.delete.quiet == Some(true) {
            return Ok(S3Response::new(DeleteObjectsOutput::default()));
        }
        let deleted = deleted.into_iter().map(|(key, id, is_marker)| DeletedObject {
            key: Some(key),
            delete_marker: is_marker.then_some(true),
            delete_marker_version_id: id.clone().filter(|_| is_marker),
            version_id: id.filter(|_| !is_marker),
        });
        let output = DeleteObjectsOutput { deleted: Some(deleted.collect()), ..Default::default() };
        Ok(S3Response::new(output))
    }

    /// The object of this key, or this version of it.
    pub(super) fn found(&self, bucket: &str, key: &str, id: Option<&str>) -> S3Result<Found> {
        let id = version(id)?;
        self.bucket(bucket, |bucket| {
            let object = match id {
                None => bucket.object(key)?,
                Some(id) => bucket.version(key, id)?,
            };
            Ok(Found { object: Arc::clone(object), version: bucket.version_of(object) })
        })
    }
}

/// An object, and the id of its version where the bucket's answers name it.
pub struct Found {
    pub object: Arc<Object<Content>>,
    pub version: Option<VersionId>,
}

/// What is to be deleted.
#[derive(PartialEq, Eq)]
pub struct Doomed {
    pub key: String,
    pub version: Option<VersionId>,
}

/// The version that a request names.
fn version(id: Option<&str>) -> S3Result<Option<VersionId>> {
    let id = id.filter(|id| !id.is_empty());
    id.map(|id| id.parse().map_err(answer)).transpose()
}

/// What of an object is asked for.
struct Part {
    bytes: Range<u64>,
    /// The header Content-Range of an answer with less than all.
    content_range: Option<String>,
    status: Option<StatusCode>,
}

impl Part {
    /// Storj does not know where the parts of an object begin: part 1 is all of it, and there is no other
    /// (`storj/minio` cmd/object-handlers.go, partNumberToRangeSpec). A range that has none of its bytes is answered
    /// with these headers of the object.
    fn of(
        number: Option<i32>,
        object: &Object<Content>,
        range: Option<s3s::dto::Range>,
        headers: &HeaderMap,
    ) -> S3Result<Self> {
        let size_bytes = object.size_bytes();
        if number.is_some_and(|number| number > 1) {
            let message = "The requested partnumber is not satisfiable";
            return Err(custom("InvalidPartNumber", 416, message));
        }
        let Some(range) = range else {
            let status = number.map(|_| StatusCode::PARTIAL_CONTENT);
            return Ok(Self { bytes: 0..size_bytes, content_range: None, status });
        };
        let bytes = range.check(size_bytes).ok().filter(|bytes| !bytes.is_empty());
        let Some(bytes) = bytes else {
            let mut error = unsatisfiable();
            let mut headers = headers.clone();
            headers.remove(LAST_MODIFIED);
            error.set_headers(headers);
            return Err(error);
        };
        let content_range = format!("bytes {}-{}/{size_bytes}", bytes.start, bytes.end - 1);
        let status = Some(StatusCode::PARTIAL_CONTENT);
        Ok(Self { bytes, content_range: Some(content_range), status })
    }

    fn answer<T>(self, output: T, mut headers: HeaderMap) -> S3Response<T> {
        if let Some(range) = self.content_range.and_then(|range| range.try_into().ok()) {
            headers.insert(CONTENT_RANGE, range);
        }
        let mut response = S3Response::new(output);
        response.headers = headers;
        if let Some(status) = self.status {
            response.extensions.insert(status);
        }
        response
    }
}

/// The answer, with the id of the version that was made, where the bucket keeps versions.
pub fn of_version<T>(output: T, version: Option<VersionId>) -> S3Response<T> {
    let mut response = S3Response::new(output);
    if let Some(id) = version.and_then(|id| id.to_string().try_into().ok()) {
        response.headers.insert("x-amz-version-id", id);
    }
    response
}

/// `storj/gateway-st` miniogw/gateway.go and the real network.
fn must_be_deletable(keys: &[Doomed]) -> S3Result<()> {
    if keys.is_empty() {
        return Err(s3_error!(MalformedXML));
    }
    if keys.len() > MOST_KEYS_DELETED {
        return Err(s3_error!(MalformedXML, "The list of objects contains too many items."));
    }
    if keys.iter().any(|doomed| doomed.key.is_empty()) {
        return Err(key_not_provided());
    }
    Ok(())
}

/// The bytes that a request announces.
pub fn announced(content_length: Option<i64>) -> Option<u64> {
    content_length.and_then(|length| u64::try_from(length).ok())
}

/// The header ETag of an answer that makes this object.
pub fn etag_header(object: &Object<Content>) -> HeaderMap {
    let etag = HeaderValue::from_str(&format!("\"{}\"", object.etag)).ok();
    etag.into_iter().map(|etag| (ETAG, etag)).collect()
}

/// An ETag as s3s wants it; the quotes are its business.
pub fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

/// What the header If-None-Match says about replacing an object: s3s does not read it of a copy.
fn overwrite_of(headers: &HeaderMap) -> S3Result<Overwrite> {
    match headers.get(IF_NONE_MATCH).map(|value| value.as_bytes()) {
        None => Ok(Overwrite::Allowed),
        Some(b"*") => Ok(Overwrite::Refused),
        Some(_) => Err(only_any()),
    }
}

fn only_any() -> S3Error {
    s3_error!(NotImplemented, "If-None-Match only supports a single value of '*'")
}

/// What the condition says about replacing an object.
pub fn overwrite(if_none_match: Option<&ETagCondition>) -> S3Result<Overwrite> {
    match if_none_match {
        None => Ok(Overwrite::Allowed),
        Some(ETagCondition::Any) => Ok(Overwrite::Refused),
        Some(ETagCondition::ETag(_)) => Err(only_any()),
    }
}
