//! PutObject, GetObject, HeadObject, CopyObject, and deletions.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, ETag, ETagCondition, GetObjectInput, GetObjectOutput,
    HeadObjectInput, HeadObjectOutput, Metadata, MetadataDirective, PutObjectInput,
    PutObjectOutput, StreamingBlob,
};
use s3s::{S3Response, S3Result, s3_error};

use super::super::exchange::StoredRanges;
use super::conditions::Conditions;
use super::digest::{self, BodyMd5};
use super::refused::{answer, cannot_keep, key_not_provided, missing_content_md5};
use super::{Content, Embedded, New};
use crate::storj::{Attributes, Object, Overwrite, Piece, Refusal, Tag};

/// `storj/gateway-st` api/objecthandlers.go (maxObjectSize), and the real network refused one byte more: 5 TiB,
/// where AWS allows 5 GiB in one request.
const LARGEST_PUT_BYTES: u64 = 5 << 40;
/// As the real network.
const MOST_KEYS_DELETED: usize = 1000;

impl Embedded {
    pub(super) async fn put_object(&self, input: PutObjectInput) -> S3Result<PutObjectOutput> {
        let (bucket, key) = (input.bucket, input.key);
        let overwrite = overwrite(input.if_none_match.as_ref())?;
        let announced = announced(input.content_length);
        let bytes = announced.unwrap_or(0);
        let md5 = input.content_md5.as_deref().map(digest::announced).transpose()?;
        if bytes > LARGEST_PUT_BYTES {
            return Err(answer(Refusal::EntityTooLarge));
        }
        self.bucket(&bucket, |bucket| bucket.check_overwrite(&key, overwrite))?;
        self.reach_nodes(bytes).await?;

        let (piece, tag) = self.receive(&key, input.body, announced, md5).await?;
        let object = Object {
            etag: tag.to_string(),
            modified: SystemTime::now(),
            attributes: attributes(input.content_type, input.metadata),
            pieces: vec![piece],
        };
        let object = self.publish(&bucket, &key, New { object, overwrite, ends: None }).await?;
        Ok(PutObjectOutput { e_tag: Some(etag(&object.etag)), ..Default::default() })
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

    /// The answer, and how what it carries is stored.
    pub(super) async fn get_object(
        &self,
        input: GetObjectInput,
        headers: &HeaderMap,
    ) -> S3Result<(GetObjectOutput, StoredRanges)> {
        let object = self.object(&input.bucket, &input.key)?;
        Conditions::of_reading(headers).check(&object)?;
        let size = object.size_bytes();
        let range = input.range.map(|range| satisfiable(range, size)).transpose()?;
        let content_range =
            range.as_ref().map(|range| format!("bytes {}-{}/{size}", range.start, range.end - 1));
        let range = range.unwrap_or(0..size);
        let largest = object.touched(range.clone()).map(|(piece, _)| piece.size_bytes).max();
        self.reach_nodes(largest.unwrap_or(0)).await?;
        let stored = object.touched(range.clone()).map(|(_, range)| range).collect();
        let output = GetObjectOutput {
            content_length: Some((range.end - range.start) as i64),
            content_range,
            content_type: object.attributes.content_type.clone(),
            e_tag: Some(etag(&object.etag)),
            last_modified: Some(object.modified.into()),
            metadata: metadata(&object.attributes),
            body: Some(StreamingBlob::from(self.contents.read(&object, range))),
            ..Default::default()
        };
        Ok((output, StoredRanges(stored)))
    }

    pub(super) fn head_object(
        &self,
        input: &HeadObjectInput,
        headers: &HeaderMap,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self.object(&input.bucket, &input.key)?;
        Conditions::of_reading(headers).check(&object)?;
        let output = HeadObjectOutput {
            content_length: Some(object.size_bytes() as i64),
            content_type: object.attributes.content_type.clone(),
            e_tag: Some(etag(&object.etag)),
            last_modified: Some(object.modified.into()),
            metadata: metadata(&object.attributes),
            ..Default::default()
        };
        Ok(partial_if(input.part_number.is_some(), output))
    }

    pub(super) async fn copy_object(
        &self,
        input: CopyObjectInput,
        headers: &HeaderMap,
    ) -> S3Result<CopyObjectOutput> {
        let CopySource::Bucket { bucket: from_bucket, key: from_key, .. } = &input.copy_source
        else {
            return Err(s3_error!(NotImplemented, "access points are not supported"));
        };
        let source = self.object(from_bucket, from_key)?;
        Conditions::of_copying(headers).check(&source)?;
        let replaces = input.metadata_directive.as_ref().map(MetadataDirective::as_str)
            == Some(MetadataDirective::REPLACE);
        let pieces: std::io::Result<_> =
            source.pieces.iter().map(|piece| self.contents.copy(piece)).collect();
        let copy = Object {
            etag: source.etag.clone(),
            modified: SystemTime::now(),
            attributes: if replaces {
                attributes(input.content_type, input.metadata)
            } else {
                source.attributes.clone()
            },
            pieces: pieces.map_err(|error| cannot_keep(&error))?,
        };
        let new = New { object: copy, overwrite: Overwrite::Allowed, ends: None };
        let copy = self.publish(&input.bucket, &input.key, new).await?;
        let result = CopyObjectResult {
            e_tag: Some(etag(&copy.etag)),
            last_modified: Some(copy.modified.into()),
            ..Default::default()
        };
        Ok(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() })
    }

    /// DeleteObjects. Storj insists on a Content-MD5, which current AWS SDKs do not send any more; nothing is
    /// deleted on the word of a list that does not match it (`storj/gateway-st` api/buckethandlers.go).
    pub(super) async fn delete_objects(
        &self,
        input: DeleteObjectsInput,
        headers: &HeaderMap,
        body: Option<&BodyMd5>,
    ) -> S3Result<DeleteObjectsOutput> {
        let Some(announced) = headers.get("content-md5") else {
            return Err(missing_content_md5());
        };
        let announced = digest::announced(announced.to_str().unwrap_or_default())?;
        if body.and_then(BodyMd5::get) != Some(announced) {
            return Err(s3_error!(BadDigest));
        }
        let mut keys: Vec<String> =
            input.delete.objects.into_iter().map(|object| object.key).collect();
        must_be_deletable(&keys)?;
        keys.sort_unstable();
        keys.dedup();
        self.remove(&input.bucket, &keys).await?;
        if input.delete.quiet == Some(true) {
            return Ok(DeleteObjectsOutput::default());
        }
        let deleted = |key| DeletedObject { key: Some(key), ..Default::default() };
        let deleted = Some(keys.into_iter().map(deleted).collect());
        Ok(DeleteObjectsOutput { deleted, ..Default::default() })
    }

    fn object(&self, bucket: &str, key: &str) -> S3Result<Arc<Object<Content>>> {
        self.bucket(bucket, |bucket| bucket.object(key).cloned())
    }
}

/// `storj/gateway-st` miniogw/gateway.go and the real network.
fn must_be_deletable(keys: &[String]) -> S3Result<()> {
    if keys.is_empty() {
        return Err(s3_error!(MalformedXML, "no objects are listed"));
    }
    if keys.len() > MOST_KEYS_DELETED {
        return Err(s3_error!(MalformedXML, "The list of objects contains too many items."));
    }
    if keys.iter().any(String::is_empty) {
        return Err(key_not_provided());
    }
    Ok(())
}

/// The bytes that a request announces.
pub fn announced(content_length: Option<i64>) -> Option<u64> {
    content_length.and_then(|length| u64::try_from(length).ok())
}

/// An ETag as s3s wants it; the quotes are its business.
pub fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

/// Storj does not know where the parts of an object begin: it answers 206 to who asks for one, with
/// the whole object.
pub fn partial_if<T>(asks_for_part: bool, output: T) -> S3Response<T> {
    let mut response = S3Response::new(output);
    if asks_for_part {
        response.extensions.insert(StatusCode::PARTIAL_CONTENT);
    }
    response
}

/// What the condition says about replacing an object.
pub fn overwrite(if_none_match: Option<&ETagCondition>) -> S3Result<Overwrite> {
    match if_none_match {
        None => Ok(Overwrite::Allowed),
        Some(ETagCondition::Any) => Ok(Overwrite::Refused),
        Some(ETagCondition::ETag(_)) => {
            Err(s3_error!(NotImplemented, "If-None-Match supports only *"))
        }
    }
}

/// What a client says about an object.
pub fn attributes(content_type: Option<String>, metadata: Option<Metadata>) -> Attributes {
    Attributes { content_type, metadata: metadata.unwrap_or_default().into_iter().collect() }
}

fn metadata(attributes: &Attributes) -> Option<Metadata> {
    let metadata = &attributes.metadata;
    (!metadata.is_empty()).then(|| metadata.clone().into_iter().collect())
}

/// The bytes asked for, of which there must be at least one.
fn satisfiable(range: s3s::dto::Range, size_bytes: u64) -> S3Result<Range<u64>> {
    let range = range.check(size_bytes)?;
    if range.is_empty() { Err(s3_error!(InvalidRange)) } else { Ok(range) }
}
