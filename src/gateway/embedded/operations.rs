//! The operations as s3s calls them. One trait, so one long block; what is more than a question to a bucket is done
//! next door.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::Embedded;
use super::aspects::lock_of_object;
use super::attributes::{asks_for_lock, attributes, attributes_of_form};
use super::refused::not_implemented;
use crate::storj::{ObjectLock, Versioning};

/// What s3s asks.
pub struct Operations(pub Arc<Embedded>);

#[async_trait::async_trait]
impl S3 for Operations {
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        // s3s hands on the file of a form as well.
        if request.method == Method::POST {
            let input = request.input;
            let attributes = attributes_of_form(&input);
            return self.0.put_object(input, attributes).await;
        }
        let attributes = attributes(&request.headers, "PutObject")?;
        if asks_for_lock(&request.headers) {
            return Err(lock_of_object(&self.0, &request.input.bucket));
        }
        self.0.put_object(request.input, attributes).await
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        self.0.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.0.head_object(request)
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        self.0.copy_object(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.0.delete_object(request.input).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.0.delete_objects(request).await
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let input = request.input;
        let found = self.0.found(&input.bucket, &input.key, input.version_id.as_deref())?;
        let tag = |(key, value): &(String, String)| Tag {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        let tag_set = found.object.attributes.tags.iter().map(tag).collect();
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set, ..Default::default() }))
    }

    async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let input = request.input;
        if input.version_id.is_some() {
            return Err(not_implemented());
        }
        let tag = |tag: Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        let tags = input.tagging.tag_set.into_iter().map(tag).collect();
        self.0.set_tags(&input.bucket, &input.key, tags).await?;
        Ok(S3Response::new(PutObjectTaggingOutput::default()))
    }

    async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        if request.input.version_id.is_some() {
            return Err(not_implemented());
        }
        self.0.set_tags(&request.input.bucket, &request.input.key, Vec::new()).await?;
        Ok(S3Response::new(DeleteObjectTaggingOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let attributes = attributes(&request.headers, "NewMultipartUpload")?;
        if asks_for_lock(&request.headers) {
            return Err(lock_of_object(&self.0, &request.input.bucket));
        }
        Ok(S3Response::new(self.0.create_upload(request.input, attributes)?))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        Ok(S3Response::new(self.0.upload_part(request.input).await?))
    }

    async fn upload_part_copy(
        &self,
        _request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        Err(s3_error!(NotImplemented, "UploadPartCopy"))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        self.0.complete_upload(request.input, host.unwrap_or_default()).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.0.abort_upload(&request.input)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        Ok(S3Response::new(self.0.list_parts(request.input)?))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        Ok(S3Response::new(self.0.list_uploads(request.input)?))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        Ok(S3Response::new(self.0.list_objects(request.input)?))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        Ok(S3Response::new(self.0.list_objects_v2(request.input)?))
    }

    async fn list_buckets(
        &self,
        _request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        Ok(S3Response::new(self.0.list_buckets()))
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let input = request.input;
        let wants_lock = input.object_lock_enabled_for_bucket == Some(true);
        if wants_lock {
            self.0.must_keep_versions()?;
        }
        self.0.create_bucket(&input.bucket)?;
        if wants_lock {
            self.0.bucket(&input.bucket, |bucket| {
                bucket.enable_lock();
                Ok(())
            })?;
        }
        let location = Some(format!("/{}", input.bucket));
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.0.delete_bucket(&request.input.bucket).await?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.bucket(&request.input.bucket, |_| Ok(()))?;
        let mut response = S3Response::new(HeadBucketOutput::default());
        response.headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
        Ok(response)
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.0.bucket(&request.input.bucket, |_| Ok(()))?;
        // Storj answers with an empty LocationConstraint.
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        // A bucket that never had any has no status (`storj/gateway-st` miniogw/gateway.go).
        let status = match self.0.bucket(&request.input.bucket, |bucket| Ok(bucket.versioning()))? {
            Versioning::Never => None,
            Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
            Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
        };
        let status = status.map(BucketVersioningStatus::from_static);
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..Default::default() }))
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let status = request.input.versioning_configuration.status;
        let status = status.as_ref().map(BucketVersioningStatus::as_str);
        self.0.set_versioning(&request.input.bucket, status)?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        Ok(S3Response::new(self.0.list_versions(request.input)?))
    }

    async fn get_object_lock_configuration(
        &self,
        request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        match self.0.bucket(&request.input.bucket, |bucket| Ok(bucket.lock()))? {
            ObjectLock::Enabled => {
                let enabled = ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED);
                let object_lock_configuration = Some(ObjectLockConfiguration {
                    object_lock_enabled: Some(enabled),
                    ..Default::default()
                });
                Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration }))
            }
            // `storj/gateway-st` miniogw/gateway.go and `storj/minio` cmd/api-errors.go.
            ObjectLock::Disabled => Err(s3_error!(
                ObjectLockConfigurationNotFoundError,
                "Object Lock configuration does not exist for this bucket"
            )),
        }
    }
}
