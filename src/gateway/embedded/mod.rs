//! S3 itself: s3s parses requests and writes answers, [`crate::storj`] decides, [`super::contents`]
//! keeps the bytes.

mod conditions;
mod digest;
mod listings;
mod objects;
mod operations;
mod refused;
mod uploads;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, S3Result, StdError, s3_error};

pub use refused::{cannot_keep, slow_down};

use super::backend::{Embedding, NodesOnline};
use super::contents::{Content, Contents};
use super::domain::Domain;
use super::pace::pause;
use super::signature::{has_trailer, is_presigned_for_too_long, unsigned, whole};
use crate::error::{Error, Result};
use crate::storj::{Admission, Bucket, Buckets, Limits, Object, Overwrite, Refusal, UploadId};

/// How long the real network took to say that too few nodes are online.
const GIVES_UP_AFTER: Duration = Duration::from_millis(100);

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Those whose signature s3s verifies.
    Signed,
    /// Everybody.
    Open,
}

/// The embedded S3, shared by all connections.
#[derive(Clone)]
pub struct Service {
    s3: S3Service,
    access: Access,
}

impl Service {
    /// Opens what it needs.
    ///
    /// # Errors
    /// If the directory or a bucket's name cannot be used.
    pub fn open(embedding: Embedding, domain: &Domain, limits: &Limits) -> Result<Self> {
        let mut builder = S3ServiceBuilder::new(Embedded::open(&embedding, limits)?);
        builder.set_validation(BucketNames);
        builder.set_host(domain.clone());
        let access = if embedding.keys.is_some() { Access::Signed } else { Access::Open };
        if let Some(keys) = embedding.keys {
            builder.set_auth(keys);
        }
        Ok(Self { s3: builder.build(), access })
    }

    /// The answer.
    ///
    /// # Errors
    /// If there is none; the connection is then cut.
    pub async fn call(
        &self,
        request: Request<Body>,
        request_id: &str,
    ) -> std::result::Result<Response<Body>, StdError> {
        let mut response = if has_trailer(request.headers()) {
            s3_error!(MissingContentLength).to_http_response()?
        } else if is_presigned_for_too_long(request.uri()) {
            refused::expires_too_late().to_http_response()?
        } else {
            let request = match self.access {
                Access::Signed => whole(request),
                Access::Open => unsigned(request),
            };
            self.s3.call(digest::noted(request)).await.map_err(StdError::from)?
        };
        if response.status() == StatusCode::NOT_MODIFIED {
            // It has no body (RFC 9110, 15.4.5), nor what describes one.
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(CONTENT_TYPE);
        }
        // s3s does not look at the status that an operation asks for.
        if let Some(status) = response.extensions().get::<StatusCode>().copied() {
            *response.status_mut() = status;
        }
        add_common_headers(&mut response, request_id)?;
        Ok(response)
    }
}

/// The headers that every answer of Storj has.
fn add_common_headers(
    response: &mut Response<Body>,
    request_id: &str,
) -> std::result::Result<(), StdError> {
    let headers = response.headers_mut();
    headers.insert("server", HeaderValue::from_static("Storj"));
    headers.insert("accept-ranges", HeaderValue::from_static("bytes"));
    headers.insert("x-amz-request-id", HeaderValue::from_str(request_id)?);
    Ok(())
}

/// Bucket names as of AWS and Storj, but down to one character: short names are handy in tests.
struct BucketNames;

impl NameValidation for BucketNames {
    fn validate_bucket_name(&self, name: &str) -> bool {
        let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = name.as_bytes();
        bytes.len() <= 63
            && bytes.first().is_some_and(letter)
            && bytes.last().is_some_and(letter)
            && bytes.iter().all(|byte| letter(byte) || matches!(byte, b'-' | b'.'))
    }
}

/// The state behind the operations.
struct Embedded {
    buckets: Mutex<Buckets<Content>>,
    contents: Contents,
    nodes: NodesOnline,
    /// Up to this size a segment needs no storage nodes.
    inline_bytes_max: u64,
}

impl Embedded {
    fn open(embedding: &Embedding, limits: &Limits) -> Result<Self> {
        let names = &embedding.buckets;
        let admission = if names.is_empty() { Admission::Any } else { Admission::Created };
        let mut buckets = Buckets::new(admission, limits.rules());
        let contents = Contents::open(&embedding.retain, embedding.seed, &mut buckets)?;
        for name in names {
            if !BucketNames.validate_bucket_name(name) {
                return Err(Error::environment(format!("`{name}` is not a valid bucket name"))
                    .hint("use 1 to 63 lower-case letters, digits, dots and hyphens"));
            }
            // It may exist in the directory already.
            if buckets.create(name, SystemTime::now()).is_ok() {
                contents.record_bucket(name).map_err(|error| {
                    Error::environment(format!("cannot make the bucket {name}: {error}"))
                })?;
            }
        }
        let inline_bytes_max = limits.inline_size_max.0;
        Ok(Self {
            buckets: Mutex::new(buckets),
            contents,
            nodes: embedding.nodes,
            inline_bytes_max,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Buckets<Content>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reaches the storage nodes for a segment of this size.
    ///
    /// # Errors
    /// If it needs some, and too few are online.
    async fn reach_nodes(&self, bytes: u64) -> S3Result<()> {
        if self.nodes == NodesOnline::Enough || bytes <= self.inline_bytes_max {
            return Ok(());
        }
        pause(GIVES_UP_AFTER).await;
        Err(s3_error!(InternalError, "We encountered an internal error, please try again."))
    }

    /// Asks or changes a bucket.
    fn bucket<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut Bucket<Content>) -> std::result::Result<T, Refusal>,
    ) -> S3Result<T> {
        let mut buckets = self.lock();
        let bucket = buckets.bucket(name, SystemTime::now()).map_err(refused::answer)?;
        act(bucket).map_err(refused::answer)
    }

    /// Makes an object visible, and answers when it outlasts this process. Nothing changes before its record is
    /// written: if that fails, an upload is still there with its parts. Records get their names under the lock, so
    /// that they and the objects change in the same order.
    async fn publish(&self, name: &str, key: &str, new: New) -> S3Result<Arc<Object<Content>>> {
        let keep = |error: io::Error| cannot_keep(&error);
        let recorded = self.contents.stage(name, key, &new.object).await.map_err(keep)?;
        let object = Arc::new(new.object);
        let replaced = self.bucket(name, |bucket| {
            if let Some(id) = new.ends {
                bucket.upload(key, id).map_err(|_| Refusal::NoSuchKey)?;
            }
            bucket.check_overwrite(key, new.overwrite)?;
            let committed = recorded.commit(&object);
            Ok(committed.map(|()| bucket.publish(key, Arc::clone(&object), new.ends)))
        })?;
        let replaced = replaced.map_err(keep)?;
        self.contents.settle(name, replaced.into_iter().collect()).await.map_err(keep)?;
        Ok(object)
    }

    fn create_bucket(&self, name: &str) -> S3Result<()> {
        let mut buckets = self.lock();
        buckets.create(name, SystemTime::now()).map_err(refused::answer)?;
        let recorded = self.contents.record_bucket(name);
        if recorded.is_err() {
            let _ = buckets.delete(name);
        }
        recorded.map_err(|error| cannot_keep(&error))
    }

    async fn delete_bucket(&self, name: &str) -> S3Result<()> {
        {
            let mut buckets = self.lock();
            buckets.check_delete(name).map_err(refused::answer)?;
            self.contents.erase_bucket(name).map_err(|error| cannot_keep(&error))?;
            buckets.delete(name).map_err(refused::answer)?;
        }
        self.contents.settle_buckets().await.map_err(|error| cannot_keep(&error))
    }

    /// Deletes the objects of these keys that there are, and answers when they are gone for later processes, too.
    async fn remove(&self, name: &str, keys: &[String]) -> S3Result<()> {
        let mut gone = Vec::new();
        let mut erase = |key: &String| {
            self.bucket(name, |bucket| {
                let erased = match bucket.object(key) {
                    Ok(_) => self.contents.erase(name, key),
                    Err(_) => Ok(()),
                };
                Ok(erased.map(|()| gone.extend(bucket.remove(key))))
            })
        };
        let erased: S3Result<io::Result<()>> = keys.iter().map(&mut erase).collect();
        let settled = self.contents.settle(name, gone).await;
        erased?.and(settled).map_err(|error| cannot_keep(&error))
    }
}

/// An object that is to become visible.
struct New {
    object: Object<Content>,
    overwrite: Overwrite,
    /// The upload that it comes from.
    ends: Option<UploadId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_are_safe_as_names_of_directories() {
        for good in ["a", "0", "a-b.c", &"x".repeat(63)] {
            assert!(BucketNames.validate_bucket_name(good), "{good} was refused");
        }
        for bad in ["", ".", "..", "a/b", "A", "-a", "a.", "a_b", "é", &"x".repeat(64)] {
            assert!(!BucketNames.validate_bucket_name(bad), "{bad} was accepted");
        }
    }
}
