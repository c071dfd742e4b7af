//! PutObject, GetObject, HeadObject, CopyObject, and deletions.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, StatusCode};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, ETag, ETagCondition, GetObjectInput, GetObjectOutput,
    HeadObjectInput, HeadObjectOutput, Metadata, MetadataDirective, PutObjectInput,
    PutObjectOutput, StreamingBlob,
};
use s3s::{S3Response, S3Result, s3_error};

use super::super::exchange::StoredRanges;
use super::refused::{cannot_keep, missing_content_md5};
use super::{Content, Embedded};
use crate::storj::{Attributes, Object, Overwrite, Piece, Tag};

impl Embedded {
    pub(super) async fn put_object(&self, input: PutObjectInput) -> S3Result<PutObjectOutput> {
        let (bucket, key) = (input.bucket, input.key);
        let overwrite = overwrite(input.if_none_match.as_ref())?;
        self.bucket(&bucket, |bucket| bucket.check_overwrite(&key, overwrite))?;
        self.reach_nodes(announced(input.content_length)).await?;

        let (piece, tag) = self.receive(&key, input.body, input.content_md5.as_deref()).await?;
        let object = Object {
            etag: tag.to_string(),
            modified: SystemTime::now(),
            attributes: attributes(input.content_type, input.metadata),
            pieces: vec![piece],
        };
        let object = self.publish(&bucket, &key, |bucket| bucket.put(&key, object, overwrite))?;
        Ok(PutObjectOutput { e_tag: Some(etag(&object.etag)), ..Default::default() })
    }

    /// Receives a body and compares it with the MD5 that the client announced.
    pub(super) async fn receive(
        &self,
        key: &str,
        body: Option<StreamingBlob>,
        content_md5: Option<&str>,
    ) -> S3Result<(Piece<Content>, Tag)> {
        let (piece, tag) = self.contents.receive(key, body).await?;
        match (content_md5, tag) {
            (Some(announced), Tag::Md5(md5)) if announced != BASE64_STANDARD.encode(md5) => {
                Err(s3_error!(BadDigest))
            }
            _ => Ok((piece, tag)),
        }
    }

    /// The answer, and how what it carries is stored.
    pub(super) async fn get_object(
        &self,
        input: GetObjectInput,
    ) -> S3Result<(GetObjectOutput, StoredRanges)> {
        let object = self.object(&input.bucket, &input.key)?;
        if let Some(ETagCondition::ETag(wanted)) = &input.if_match
            && wanted.value() != object.etag
        {
            return Err(s3_error!(PreconditionFailed));
        }
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
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self.object(&input.bucket, &input.key)?;
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

    pub(super) fn copy_object(&self, input: CopyObjectInput) -> S3Result<CopyObjectOutput> {
        let CopySource::Bucket { bucket: from_bucket, key: from_key, .. } = &input.copy_source
        else {
            return Err(s3_error!(NotImplemented, "access points are not supported"));
        };
        let source = self.object(from_bucket, from_key)?;
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
        let copy = self.publish(&input.bucket, &input.key, |bucket| {
            bucket.put(&input.key, copy, Overwrite::Allowed)
        })?;
        let result = CopyObjectResult {
            e_tag: Some(etag(&copy.etag)),
            last_modified: Some(copy.modified.into()),
            ..Default::default()
        };
        Ok(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() })
    }

    /// DeleteObjects. Storj insists on a Content-MD5, which current AWS SDKs do not send any more.
    pub(super) fn delete_objects(
        &self,
        input: DeleteObjectsInput,
        headers: &HeaderMap,
    ) -> S3Result<DeleteObjectsOutput> {
        if !headers.contains_key("content-md5") {
            return Err(missing_content_md5());
        }
        let mut deleted = Vec::new();
        for object in input.delete.objects {
            self.remove(&input.bucket, &object.key)?;
            deleted.push(DeletedObject { key: Some(object.key), ..Default::default() });
        }
        let quiet = input.delete.quiet == Some(true);
        Ok(DeleteObjectsOutput { deleted: (!quiet).then_some(deleted), ..Default::default() })
    }

    fn object(&self, bucket: &str, key: &str) -> S3Result<Arc<Object<Content>>> {
        self.bucket(bucket, |bucket| bucket.object(key).cloned())
    }
}

/// The bytes that a request announces.
pub fn announced(content_length: Option<i64>) -> u64 {
    content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0)
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
