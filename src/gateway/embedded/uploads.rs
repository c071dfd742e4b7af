//! Multipart uploads.

use std::time::SystemTime;

use s3s::dto::{
    AbortMultipartUploadInput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CompletedPart, CreateMultipartUploadInput, CreateMultipartUploadOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Error, S3Response, S3Result};

use super::asks::check_new_key;
use super::objects::{announced, etag, etag_header, of_version, overwrite};
use super::refused::answer;
use super::{Embedded, New, digest};
use crate::storj::{Attributes, ListedPart, Part, PartNumber, UploadId};

impl Embedded {
    pub(super) fn create_upload(
        &self,
        input: CreateMultipartUploadInput,
        attributes: Attributes,
    ) -> S3Result<CreateMultipartUploadOutput> {
        check_new_key(&input.key)?;
        let id = UploadId::new(fastrand::u128(..));
        self.bucket(&input.bucket, |bucket| {
            bucket.create_upload(&input.key, id, attributes, SystemTime::now());
            Ok(())
        })?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id.to_string()),
            ..Default::default()
        })
    }

    pub(super) async fn upload_part(&self, input: UploadPartInput) -> S3Result<UploadPartOutput> {
        let (bucket, key) = (input.bucket, input.key);
        let id = upload_id(&input.upload_id)?;
        let number = PartNumber::try_from(input.part_number).map_err(answer)?;
        let announced = announced(input.content_length);
        let bytes = announced.unwrap_or(0);
        let md5 = input.content_md5.as_deref().map(digest::announced).transpose()?;
        self.bucket(&bucket, |bucket| bucket.check_part(id, number, bytes))?;
        self.reach_nodes(bytes).await?;

        let (piece, tag) = self.receive(&key, input.body, announced, md5).await?;
        let part = Part { piece, tag, modified: SystemTime::now() };
        // What it replaces, if anything, goes after the lock.
        let replaced = self.bucket(&bucket, |bucket| bucket.put_part(&key, id, number, part))?;
        drop(replaced);
        Ok(UploadPartOutput { e_tag: Some(etag(&tag.to_string())), ..Default::default() })
    }

    pub(super) async fn complete_upload(
        &self,
        input: CompleteMultipartUploadInput,
        host: &str,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let id = upload_id(&input.upload_id)?;
        let overwrite = overwrite(input.if_none_match.as_ref())?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let listed: Vec<ListedPart> = parts.into_iter().map(listed).collect();
        let object = self.bucket(&input.bucket, |bucket| {
            bucket.assembled(&input.key, id, &listed, overwrite, SystemTime::now())
        })?;
        let new = New { overwrite, ends: Some(id), ..New::of(object) };
        let (object, version) = self.publish(&input.bucket, &input.key, new).await?;
        let output = CompleteMultipartUploadOutput {
            location: Some(format!("{}://{host}/{}/{}", self.scheme, input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag(&object.etag)),
            ..Default::default()
        };
        let mut response = of_version(output, version);
        response.headers.extend(etag_header(&object));
        Ok(response)
    }

    pub(super) fn abort_upload(&self, input: &AbortMultipartUploadInput) -> S3Result<()> {
        let id = upload_id(&input.upload_id)?;
        // Its parts go after the lock.
        let aborted =
            self.bucket(&input.bucket, |bucket| Ok(bucket.abort_upload(&input.key, id)))?;
        drop(aborted);
        Ok(())
    }
}

/// The id of an upload, as the client wrote it.
pub fn upload_id(text: &str) -> Result<UploadId, S3Error> {
    text.parse().map_err(answer)
}

/// A part that lacks its number or its ETag matches none.
fn listed(part: CompletedPart) -> ListedPart {
    ListedPart {
        number: part.part_number.unwrap_or(0),
        etag: part.e_tag.map(|etag| etag.value().to_owned()).unwrap_or_default(),
    }
}
