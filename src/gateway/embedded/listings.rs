//! Listings of objects, uploads and parts.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use s3s::dto::{
    self, Bucket, CommonPrefix, DeleteMarkerEntry, EncodingType, Initiator, ListBucketsOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ListPartsInput, ListPartsOutput, MultipartUpload, ObjectStorageClass,
    ObjectVersion, ObjectVersionStorageClass, Owner, StorageClass,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use url::form_urlencoded::byte_serialize;

use super::asks::wrong_token;
use super::objects::etag;
use super::uploads::upload_id;
use super::{Content, Embedded};
use crate::storj::{Listed, Listing, Object, Query, Upload, UploadId, folded};

/// Most keys on a page (Amazon S3 API Reference, ListObjectsV2).
const MOST_KEYS: i32 = 1000;
/// Most parts on a page, and what an answer says is the most of uploads (`storj/minio`
/// cmd/api-response.go, maxPartsList and maxUploadsList).
const MOST_UPLOADS_OR_PARTS: i32 = 10_000;
/// Most uploads that are really on a page (`storj/gateway-st` miniogw/config.go, MaxUploadsLimit, less
/// the one that limitResultsWithAlignment keeps for looking ahead).
const MOST_UPLOADS: usize = 999;

impl Embedded {
    pub(super) fn list_buckets(&self) -> ListBucketsOutput {
        let buckets = self.lock();
        let bucket = |(name, created): (&str, SystemTime)| Bucket {
            name: Some(name.to_owned()),
            creation_date: Some(created.into()),
            ..Default::default()
        };
        let buckets = buckets.names().map(bucket).collect();
        ListBucketsOutput { buckets: Some(buckets), ..Default::default() }
    }

    pub(super) fn list_objects(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let limit = limit(input.max_keys, MOST_KEYS)?;
        let encoding = Encoding::of(input.encoding_type.as_ref());
        let query = Query {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
            after: input.marker.as_deref().unwrap_or_default(),
            limit: limit as usize,
        };
        let page = self.page(&input.bucket, query, encoding)?;
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.encode(query.prefix)),
            marker: Some(encoding.encode(query.after)),
            max_keys: Some(limit),
            is_truncated: Some(page.next.is_some()),
            contents: Some(page.objects),
            common_prefixes: Some(page.prefixes),
            delimiter: query.delimiter.map(|delimiter| encoding.encode(delimiter)),
            next_marker: page.next.map(|next| encoding.encode(&next)),
            encoding_type: input.encoding_type,
            ..Default::default()
        })
    }

    pub(super) fn list_objects_v2(
        &self,
        input: ListObjectsV2Input,
    ) -> S3Result<ListObjectsV2Output> {
        let limit = limit(input.max_keys, MOST_KEYS)?;
        let encoding = Encoding::of(input.encoding_type.as_ref());
        let continued = input.continuation_token.as_deref().map(key_of_token).transpose()?;
        let after = continued.as_deref().or(input.start_after.as_deref());
        let query = Query {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()),
            after: after.unwrap_or_default(),
            limit: limit as usize,
        };
        let page = self.page(&input.bucket, query, encoding)?;
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoding.encode(query.prefix)),
            max_keys: Some(limit),
            key_count: Some((page.objects.len() + page.prefixes.len()) as i32),
            is_truncated: Some(page.next.is_some()),
            contents: Some(page.objects),
            common_prefixes: Some(page.prefixes),
            delimiter: query.delimiter.map(|delimiter| encoding.encode(delimiter)),
            next_continuation_token: page.next.map(|key| BASE64_URL_SAFE_NO_PAD.encode(key)),
            start_after: input.start_after.as_deref().map(|after| encoding.encode(after)),
            continuation_token: input.continuation_token,
            encoding_type: input.encoding_type,
            ..Default::default()
        })
    }

    pub(super) fn list_versions(
        &self,
        input: ListObjectVersionsInput,
    ) -> S3Result<ListObjectVersionsOutput> {
        let limit = limit(input.max_keys, MOST_KEYS)?;
        let encoding = Encoding::of(input.encoding_type.as_ref());
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let key_marker = input.key_marker.clone().unwrap_or_default();
        let version_marker = input.version_id_marker.clone().unwrap_or_default();
        if key_marker.is_empty() && !version_marker.is_empty() {
            return Err(s3_error!(
                InvalidArgument,
                "A version-id marker cannot be specified without a key marker."
            ));
        }
        let delimiter = only_slash(input.delimiter.as_deref())?;
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        let mut prefixes: Vec<String> = Vec::new();
        let (mut next, mut last) = (None, None);
        self.bucket(&input.bucket, |bucket| {
            for version in bucket.versions(prefix, &key_marker, version_marker.parse().ok()) {
                let fold = folded(version.key, prefix, delimiter);
                // Those below a prefix stand together; those below the marker were on the last page.
                if fold.is_some_and(|fold| {
                    fold == key_marker || prefixes.last().is_some_and(|last| last == fold)
                }) {
                    continue;
                }
                if versions.len() + markers.len() + prefixes.len() == limit as usize {
                    next = last;
                    break;
                }
                last = Some(match (fold, version.object) {
                    (Some(fold), _) => {
                        prefixes.push(fold.to_owned());
                        (fold.to_owned(), None)
                    }
                    (None, object) => {
                        match object {
                            Some(object) => {
                                versions.push(object_version(&version, object, encoding));
                            }
                            None => markers.push(delete_marker(&version, encoding)),
                        }
                        (version.key.to_owned(), Some(version.id.to_string()))
                    }
                });
            }
            Ok(())
        })?;
        let (next_key, next_version) = next.unzip();
        Ok(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.encode(prefix)),
            key_marker: Some(encoding.encode(&key_marker)),
            version_id_marker: Some(version_marker),
            max_keys: Some(limit),
            is_truncated: Some(next_key.is_some()),
            next_key_marker: next_key.map(|key| encoding.encode(&key)),
            next_version_id_marker: next_version.flatten(),
            versions: Some(versions),
            delete_markers: Some(markers),
            common_prefixes: Some(prefixes.iter().map(|prefix| common(prefix, encoding)).collect()),
            delimiter: delimiter.map(|delimiter| encoding.encode(delimiter)),
            encoding_type: input.encoding_type,
            ..Default::default()
        })
    }

    fn page(&self, bucket: &str, query: Query<'_>, encoding: Encoding) -> S3Result<Page> {
        self.bucket(bucket, |bucket| Ok(Page::of(bucket.list(query), encoding)))
    }

    pub(super) fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        let max_uploads = limit(input.max_uploads, MOST_UPLOADS_OR_PARTS)?;
        let encoding = Encoding::of(input.encoding_type.as_ref());
        let prefix = input.prefix.as_deref().unwrap_or_default();
        // Storj goes on behind the key alone: it neither sends nor reads markers of upload ids
        // (`storj/gateway-st` miniogw/multipart.go, ListMultipartUploads).
        let after = input.key_marker.as_deref().unwrap_or_default();
        let delimiter = only_slash(input.delimiter.as_deref())?;
        let mut listed = self.bucket(&input.bucket, |bucket| {
            let uploads = bucket.uploads(prefix, after).into_iter();
            Ok(uploads
                .map(|(id, upload)| ListedUpload::of(id, upload, prefix, delimiter))
                .collect())
        })?;
        Vec::dedup(&mut listed);
        let page = MOST_UPLOADS.min(max_uploads as usize);
        let is_more = listed.len() > page;
        listed.truncate(page);
        let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
        let mut last = String::new();
        for listed in listed {
            match listed {
                ListedUpload::Below(prefix) => {
                    prefixes.push(common(&prefix, encoding));
                }
                ListedUpload::One { key, id, begun } => {
                    last.clone_from(&key);
                    uploads.push(multipart_upload(&key, id, begun, encoding));
                }
            }
        }
        // Where only prefixes are on the page, it says that there is no more.
        let next = if is_more { last } else { String::new() };
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: Some(encoding.encode(prefix)),
            max_uploads: Some(max_uploads),
            is_truncated: Some(!next.is_empty()),
            next_key_marker: Some(encoding.encode(&next)),
            next_upload_id_marker: Some(String::new()),
            uploads: Some(uploads),
            common_prefixes: Some(prefixes),
            delimiter: input.delimiter,
            key_marker: Some(input.key_marker.unwrap_or_default()),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            encoding_type: input.encoding_type,
            ..Default::default()
        })
    }

    pub(super) fn list_parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        let limit = limit(input.max_parts, MOST_UPLOADS_OR_PARTS)?;
        let id = upload_id(&input.upload_id)?;
        let after = input.part_number_marker.unwrap_or(0);
        let mut parts: Vec<dto::Part> = self.bucket(&input.bucket, |bucket| {
            let parts = &bucket.upload(&input.key, id)?.parts;
            let behind = parts.iter().filter(|(number, _)| i32::from(number.get()) > after);
            Ok(behind
                .map(|(number, part)| dto::Part {
                    part_number: Some(number.get().into()),
                    e_tag: Some(etag(&part.tag.to_string())),
                    size: Some(part.piece.size_bytes as i64),
                    last_modified: Some(part.modified.into()),
                    ..Default::default()
                })
                .collect())
        })?;
        // Who asks for none gets all.
        let page = if limit == 0 { parts.len() } else { limit as usize };
        let is_truncated = parts.len() > page;
        parts.truncate(page);
        let last = parts.last().and_then(|part| part.part_number);
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            max_parts: Some(limit),
            is_truncated: Some(is_truncated),
            next_part_number_marker: Some(last.unwrap_or(after)),
            part_number_marker: Some(after),
            parts: Some(parts),
            owner: Some(nobody()),
            initiator: Some(Initiator::default()),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            ..Default::default()
        })
    }
}

/// A page of objects, as both versions of ListObjects answer it.
struct Page {
    objects: Vec<dto::Object>,
    prefixes: Vec<CommonPrefix>,
    next: Option<String>,
}

impl Page {
    fn of(listing: Listing<'_, Content>, encoding: Encoding) -> Self {
        let object = |(key, object): (&str, &Arc<Object<Content>>)| dto::Object {
            key: Some(encoding.encode(key)),
            e_tag: Some(etag(&object.etag)),
            size: Some(object.size_bytes() as i64),
            last_modified: Some(object.modified.into()),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            owner: Some(nobody()),
            ..Default::default()
        };
        let prefixes = listing.prefixes.into_iter();
        Self {
            objects: listing.objects.into_iter().map(object).collect(),
            prefixes: prefixes.map(|prefix| common(prefix, encoding)).collect(),
            next: listing.next,
        }
    }
}

fn object_version(
    version: &Listed<'_, Content>,
    object: &Object<Content>,
    encoding: Encoding,
) -> ObjectVersion {
    ObjectVersion {
        key: Some(encoding.encode(version.key)),
        version_id: Some(version.id.to_string()),
        is_latest: Some(version.is_latest),
        last_modified: Some(version.modified.into()),
        e_tag: Some(etag(&object.etag)),
        size: Some(object.size_bytes() as i64),
        owner: Some(nobody()),
        storage_class: Some(ObjectVersionStorageClass::from_static(
            ObjectVersionStorageClass::STANDARD,
        )),
        ..Default::default()
    }
}

fn delete_marker(version: &Listed<'_, Content>, encoding: Encoding) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        key: Some(encoding.encode(version.key)),
        version_id: Some(version.id.to_string()),
        is_latest: Some(version.is_latest),
        last_modified: Some(version.modified.into()),
        owner: Some(nobody()),
    }
}

fn common(prefix: &str, encoding: Encoding) -> CommonPrefix {
    CommonPrefix { prefix: Some(encoding.encode(prefix)) }
}

/// What to fold versions or uploads at: Storj knows the slash alone there.
fn only_slash(delimiter: Option<&str>) -> S3Result<Option<&str>> {
    match delimiter {
        None | Some("") => Ok(None),
        Some("/") => Ok(delimiter),
        Some(delimiter) => {
            let message = format!("Unsupported delimiter: {delimiter:?}");
            Err(S3Error::with_message(S3ErrorCode::NotImplemented, message))
        }
    }
}

/// The owner of everything, who has no name.
fn nobody() -> Owner {
    Owner { id: Some(String::new()), display_name: Some(String::new()) }
}

/// An upload, or all those that a delimiter folds into one prefix.
#[derive(PartialEq, Eq)]
enum ListedUpload {
    Below(String),
    One { key: String, id: String, begun: SystemTime },
}

impl ListedUpload {
    fn of(id: UploadId, upload: &Upload<Content>, prefix: &str, delimiter: Option<&str>) -> Self {
        let key = &upload.key;
        match folded(key, prefix, delimiter) {
            Some(prefix) => Self::Below(prefix.to_owned()),
            None => Self::One { key: key.clone(), id: id.to_string(), begun: upload.begun },
        }
    }
}

fn multipart_upload(
    key: &str,
    id: String,
    begun: SystemTime,
    encoding: Encoding,
) -> MultipartUpload {
    MultipartUpload {
        key: Some(encoding.encode(key)),
        upload_id: Some(id),
        initiated: Some(begun.into()),
        owner: Some(nobody()),
        initiator: Some(Initiator::default()),
        storage_class: Some(StorageClass::from(String::new())),
        ..Default::default()
    }
}

/// The number asked for, but not more than `most`.
fn limit(asked: Option<i32>, most: i32) -> S3Result<i32> {
    match asked {
        None => Ok(most),
        Some(asked) if asked < 0 => Err(s3_error!(InvalidArgument, "a limit is below zero")),
        Some(asked) => Ok(asked.min(most)),
    }
}

fn key_of_token(token: &str) -> S3Result<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong_token)
}

/// How keys stand in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// As they are.
    Plain,
    /// Percent-encoded, so that characters which XML 1.0 does not have survive.
    Url,
}

impl Encoding {
    fn of(encoding: Option<&EncodingType>) -> Self {
        match encoding.map(EncodingType::as_str) {
            Some(EncodingType::URL) => Self::Url,
            _ => Self::Plain,
        }
    }

    fn encode(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Url => percent_encoded(text),
        }
    }
}

/// As `storj/minio` cmd/api-utils.go, s3URLEncode: as the values of a form, but for slashes.
fn percent_encoded(text: &str) -> String {
    let component = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    text.split('/').map(component).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_percent_encoded_on_request() {
        assert_eq!(Encoding::Url.encode("a b/+%é~*"), "a+b/%2B%25%C3%A9%7E*");
        assert_eq!(Encoding::Plain.encode("a b/+%é"), "a b/+%é");
    }
}
