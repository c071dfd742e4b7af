//! Listings page by page: of objects, of open uploads, of parts.

use std::sync::Arc;

use aws_sdk_s3::operation::list_multipart_uploads::ListMultipartUploadsOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::list_parts::ListPartsOutput;
use aws_sdk_s3::types::{EncodingType, MultipartUpload};

use super::error::Call;
use super::http_client::Carries;
use super::keys::{self, Writing};
use super::{S3Store, as_size, as_time, observe};
use crate::measure::Probe;
use crate::store::{
    DOES_NOT_ADVANCE, ObjectInfo, OpenUpload, Page, PartInfo, Seen, StoreError, Upload,
};

/// Parts of an upload (S3).
const PARTS_MAX: u32 = 10_000;

/// A page of a listing whose keys may be in URL encoding.
trait Written {
    fn encoding(&self) -> Option<&EncodingType>;
    fn keys(&self) -> impl Iterator<Item = &str> + Clone;
}

impl Written for ListObjectsV2Output {
    fn encoding(&self) -> Option<&EncodingType> {
        self.encoding_type()
    }

    fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.contents().iter().filter_map(|object| object.key())
    }
}

impl Written for ListMultipartUploadsOutput {
    fn encoding(&self) -> Option<&EncodingType> {
        self.encoding_type()
    }

    fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.uploads().iter().filter_map(|upload| upload.key())
    }
}

/// A page, and how its keys are written. A server that does not say is asked again, for keys as they are.
async fn page_of<P: Written>(
    prefix: &str,
    ask: impl AsyncFn(Option<EncodingType>) -> Result<P, StoreError>,
) -> Result<(P, Option<EncodingType>), StoreError> {
    let page = ask(Some(EncodingType::Url)).await?;
    match Writing::of(page.encoding(), prefix, page.keys()) {
        Writing::Encoded => Ok((page, Some(EncodingType::Url))),
        Writing::Plain => Ok((page, None)),
        Writing::Unclear => Ok((ask(None).await?, None)),
    }
}

impl S3Store {
    async fn ask_for_objects(
        &self,
        call: Call<'_>,
        after: Option<&str>,
        encoding: Option<EncodingType>,
        probe: &Arc<Probe>,
    ) -> Result<ListObjectsV2Output, StoreError> {
        call.fits(&[&self.bucket, after.unwrap_or_default()])?;
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(call.subject)
            .set_encoding_type(encoding)
            .set_continuation_token(after.map(str::to_owned))
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        self.attempt(call, probe, request.send()).await
    }

    async fn ask_for_uploads(
        &self,
        call: Call<'_>,
        after: Option<&Upload>,
        encoding: Option<EncodingType>,
        probe: &Arc<Probe>,
    ) -> Result<ListMultipartUploadsOutput, StoreError> {
        let (key, id) = after.map_or(("", ""), |upload| (&upload.key, &upload.id));
        call.fits(&[&self.bucket, key, id])?;
        let request = self
            .client
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .prefix(call.subject)
            .set_encoding_type(encoding)
            .set_key_marker(after.map(|upload| upload.key.clone()))
            .set_upload_id_marker(after.map(|upload| upload.id.clone()))
            .customize()
            .mutate_request(observe(probe, Carries::Nothing));
        self.attempt(call, probe, request.send()).await
    }

    async fn ask_for_parts(
        &self,
        call: Call<'_>,
        upload: &Upload,
        after: Option<u32>,
        probe: &Arc<Probe>,
    ) -> Result<ListPartsOutput, StoreError> {
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

    /// One page of ListObjectsV2.
    pub(super) async fn objects_page(
        &self,
        prefix: &str,
        after: Option<&str>,
        probe: &Arc<Probe>,
    ) -> Result<Page, StoreError> {
        let call = Call { operation: "ListObjectsV2", subject: prefix };
        let ask = async |encoding| self.ask_for_objects(call, after, encoding, probe).await;
        let (page, encoding) = page_of(prefix, ask).await?;
        let objects = page.contents.unwrap_or_default().into_iter().map(|object| {
            let key = object.key.ok_or_else(|| call.incomplete("key of each of its objects"))?;
            Ok(ObjectInfo {
                key: keys::decoded(&key, encoding.as_ref()),
                size_bytes: as_size(object.size),
                etag: call.etag(object.e_tag)?,
                modified: object.last_modified.and_then(as_time),
            })
        });
        let objects = objects.collect::<Result<_, StoreError>>()?;
        match (page.is_truncated, page.next_continuation_token) {
            (Some(true), None) => Err(call.incomplete("token for its next page")),
            (Some(true), next) => Ok(Page { objects, next }),
            _ => Ok(Page { objects, next: None }),
        }
    }

    /// ListMultipartUploads, all pages.
    pub(super) async fn all_uploads(
        &self,
        prefix: &str,
        probe: &Arc<Probe>,
    ) -> Result<Vec<OpenUpload>, StoreError> {
        let call = Call { operation: "ListMultipartUploads", subject: prefix };
        let (mut uploads, mut seen) = (Vec::new(), Seen::default());
        let mut after: Option<Upload> = None;
        loop {
            let ask =
                async |encoding| self.ask_for_uploads(call, after.as_ref(), encoding, probe).await;
            let (page, encoding) = page_of(prefix, ask).await?;
            let encoding = encoding.as_ref();
            let open = page.uploads().iter().map(|upload| open_upload(call, upload, encoding));
            let open = open.collect::<Result<Vec<_>, StoreError>>()?;
            if page.is_truncated != Some(true) {
                uploads.extend(open);
                return Ok(uploads);
            }
            let next = next_upload(&page, encoding)
                .ok_or_else(|| call.incomplete("marker for its next page"))?;
            let names = open.iter().flat_map(|open| [&*open.upload.key, &*open.upload.id]);
            seen.page(&call.to_string(), names, &format!("{}\0{}", next.key, next.id))?;
            uploads.extend(open);
            after = Some(next);
        }
    }

    /// ListParts, all pages. S3 lists parts in the order of their numbers, which end at 10,000.
    pub(super) async fn all_parts(
        &self,
        upload: &Upload,
        probe: &Arc<Probe>,
    ) -> Result<Vec<PartInfo>, StoreError> {
        let call = Call { operation: "ListParts", subject: &upload.key };
        let mut parts: Vec<PartInfo> = Vec::new();
        loop {
            let last = parts.last().map(|part| part.number);
            let page = self.ask_for_parts(call, upload, last, probe).await?;
            for part in page.parts() {
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
}

fn open_upload(
    call: Call<'_>,
    upload: &MultipartUpload,
    encoding: Option<&EncodingType>,
) -> Result<OpenUpload, StoreError> {
    let named = upload.key().zip(upload.upload_id());
    let (key, id) = named.ok_or_else(|| call.incomplete("key and id of each of its uploads"))?;
    Ok(OpenUpload {
        upload: Upload { key: keys::decoded(key, encoding), id: id.to_owned() },
        initiated: upload.initiated.and_then(as_time),
    })
}

fn next_upload(
    page: &ListMultipartUploadsOutput,
    encoding: Option<&EncodingType>,
) -> Option<Upload> {
    let key = page.next_key_marker().filter(|key| !key.is_empty())?;
    let id = page.next_upload_id_marker().unwrap_or_default().to_owned();
    Some(Upload { key: keys::decoded(key, encoding), id })
}

/// `None` if what a part must have is missing, or is no number of a part.
fn part_info(part: &aws_sdk_s3::types::Part) -> Option<PartInfo> {
    let etag = part.e_tag.as_deref().filter(|etag| !etag.trim_matches('"').is_empty());
    Some(PartInfo {
        number: u32::try_from(part.part_number?).ok().filter(|number| *number <= PARTS_MAX)?,
        size_bytes: as_size(part.size)?,
        etag: etag.map(str::to_owned),
        modified: part.last_modified.and_then(as_time),
    })
}
