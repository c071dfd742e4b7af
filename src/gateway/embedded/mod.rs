//! S3 itself: s3s parses requests and writes answers, [`crate::storj`] decides, [`super::contents`]
//! keeps the bytes.
//!
//! Where Storj's gateway differs from s3s, a request passes rooms of ours before s3s sees it, and its answer one
//! behind: `door` turns away what Storj looks at before it asks who sends it; [`super::signature`] asks; `asks` puts
//! right what Storj reads otherwise; `aspects` answers for what Storj does not have; `answer` words errors.

mod answer;
mod asks;
mod aspects;
mod attributes;
mod conditions;
mod digest;
mod door;
mod listings;
mod objects;
mod operations;
mod refused;
mod uploads;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::uri::Scheme;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use s3s::access::{S3Access, S3AccessContext};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, S3Error, S3ErrorCode, S3Result, StdError, s3_error};

use answer::About;
use digest::BodyMd5;
use objects::Doomed;
use operations::Operations;

pub use answer::ErrorCode;
pub use refused::{cannot_keep, slow_down};

use super::asked::Asked;
use super::backend::{Embedding, NodesOnline};
use super::contents::{Content, Contents};
use super::domain::Domain;
use super::pace::pause;
use super::signature::{Keys, Sender, is_form, unsigned, verified};
use crate::error::{Error, Result};
use crate::storj::{
    Admission, Attributes, Bucket, Buckets, Direction, Limits, Object, Overwrite, Refusal,
    UploadId, VersionId, Versioning,
};

/// Lists of 10,000 parts or of 1000 keys are some MB long.
const LARGEST_DOCUMENT_BYTES: usize = 20 << 20;
/// How long the real network took to say that too few nodes are online.
const GIVES_UP_AFTER: Duration = Duration::from_millis(100);

/// The embedded S3, shared by all connections.
#[derive(Clone)]
pub struct Service {
    store: Arc<Embedded>,
    s3: S3Service,
    /// Whose requests are answered; without keys, everybody's.
    keys: Option<Keys>,
}

/// Why a request has no answer of its own.
enum Failure {
    /// It is refused.
    Refused(S3Error),
    /// It has none: the connection is cut.
    Cut(StdError),
}

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Self {
        Self::Refused(error)
    }
}

impl Service {
    /// Opens what it needs; `scheme` is what clients reach it by.
    ///
    /// # Errors
    /// If the directory or a bucket's name cannot be used.
    pub fn open(
        embedding: Embedding,
        domain: &Domain,
        limits: &Limits,
        scheme: Scheme,
    ) -> Result<Self> {
        let store = Arc::new(Embedded::open(&embedding, limits, scheme)?);
        let mut builder = S3ServiceBuilder::new(Operations(Arc::clone(&store)));
        builder.set_validation(AnyBucket);
        builder.set_host(domain.clone());
        if let Some(keys) = &embedding.keys {
            builder.set_auth(keys.clone());
            builder.set_access(OfKnownSenders);
        }
        Ok(Self { store, s3: builder.build(), keys: embedding.keys })
    }

    /// The answer to a request that asks for this.
    ///
    /// # Errors
    /// If there is none; the connection is then cut.
    pub async fn call(
        &self,
        request: Request<Body>,
        asked: &Asked,
        request_id: &str,
    ) -> std::result::Result<Response<Body>, StdError> {
        let (head, body) = request.into_parts();
        let about = About::of(&head, asked, request_id, &self.store.scheme);
        let response = match self.answer(head, body, asked).await {
            Ok(response) => response,
            Err(Failure::Refused(error)) => error.to_http_response()?,
            Err(Failure::Cut(error)) => return Err(error),
        };
        answer::finished(response, &about)
    }

    async fn answer(
        &self,
        head: Parts,
        body: Body,
        asked: &Asked,
    ) -> std::result::Result<Response<Body>, Failure> {
        if let Some(response) = door::beside_s3(&head) {
            return Ok(response);
        }
        door::check(&head, asked, &self.store.scheme)?;
        let request = Request::from_parts(head, body);
        let (request, sender) = match &self.keys {
            Some(keys) => verified(request, keys)?,
            None => (unsigned(request)?, Sender::Owner),
        };
        let (mut head, body) = request.into_parts();
        if sender == Sender::Owner {
            asks::put_right(&mut head, asked)?;
            if let Some(answer) = aspects::answer(&self.store, &head, asked) {
                return Ok(answer?);
            }
            if let Some(key) = &asked.key {
                asks::check_key(key)?;
                if let Some(answer) = self.answer_beyond_keys(asked, key) {
                    return Ok(answer?);
                }
            }
        }
        let mut request = Request::from_parts(head, body);
        request.extensions_mut().insert(sender);
        let request = with_whole_body(request, asked).await?;
        self.s3.call(request).await.map_err(|error| Failure::Cut(error.into()))
    }

    /// The answer to who asks for a key that is longer than any: s3s would refuse to look for it.
    fn answer_beyond_keys(&self, asked: &Asked, key: &str) -> Option<S3Result<Response<Body>>> {
        if !asks::is_beyond_keys(key) {
            return None;
        }
        let bucket = asked.bucket.as_deref()?;
        let answer = match asked.operation {
            "PutObject" | "CopyObject" | "CreateMultipartUpload" => {
                asks::check_new_key(key).map(|()| Response::new(Body::empty()))
            }
            "DeleteObject" => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            _ => Err(refused::answer(Refusal::NoSuchKey)),
        };
        Some(self.store.bucket(bucket, |_| Ok(())).and(answer))
    }
}

/// The request, whose body is in memory if it is no content of an object: so that a digest of it that is wrong is
/// refused before anything is done.
async fn with_whole_body(
    request: Request<Body>,
    asked: &Asked,
) -> std::result::Result<Request<Body>, Failure> {
    let (mut head, mut body) = request.into_parts();
    if asked.part() == Some(Direction::Up) || is_form(&head) || body.is_end_stream() {
        return Ok(Request::from_parts(head, body));
    }
    let read = body.store_all_limited(LARGEST_DOCUMENT_BYTES).await;
    let bytes = read.map_err(|error| match error.downcast::<S3Error>() {
        Ok(error) => Failure::Refused(*error),
        Err(error) => Failure::Refused(S3Error::with_source(S3ErrorCode::IncompleteBody, error)),
    })?;
    head.extensions.insert(BodyMd5::of(&bytes));
    Ok(Request::from_parts(head, Body::from(bytes)))
}

/// Lets in who is known: by [`verified`], or by s3s itself.
struct OfKnownSenders;

#[async_trait::async_trait]
impl S3Access for OfKnownSenders {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let is_owner = request.extensions_mut().get() == Some(&Sender::Owner);
        if is_owner || request.credentials().is_some() {
            return Ok(());
        }
        Err(s3_error!(AccessDenied, "Access Denied."))
    }
}

/// Storj's gateway looks at the names of buckets when it makes one; another that is no name is one that is not there.
struct AnyBucket;

impl NameValidation for AnyBucket {
    fn validate_bucket_name(&self, _name: &str) -> bool {
        true
    }
}

/// Whether a bucket can be made with this name (`storj/gateway-st` miniogw/validate.go).
fn is_bucket_name(name: &str) -> bool {
    is_directory_name(name) && name.len() >= 3 && !name.contains("..")
}

/// Whether this can be the name of a bucket that exists from the beginning. Short names are handy in tests.
fn is_directory_name(name: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(letter)
        && bytes.last().is_some_and(letter)
        && bytes.iter().all(|byte| letter(byte) || matches!(byte, b'-' | b'.'))
}

/// The state behind the operations.
struct Embedded {
    buckets: Mutex<Buckets<Content>>,
    contents: Contents,
    nodes: NodesOnline,
    /// Up to this size a segment needs no storage nodes.
    inline_bytes_max: u64,
    /// What clients reach it by.
    scheme: Scheme,
}

impl Embedded {
    fn open(embedding: &Embedding, limits: &Limits, scheme: Scheme) -> Result<Self> {
        let names = &embedding.buckets;
        let admission = if names.is_empty() { Admission::Any } else { Admission::Created };
        let mut buckets = Buckets::new(admission, limits.rules());
        let contents = Contents::open(&embedding.retain, embedding.seed, &mut buckets)?;
        for name in names {
            if !is_directory_name(name) {
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
            scheme,
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

    /// Asks or changes a bucket, of which is gone what was to be deleted by now.
    fn bucket<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut Bucket<Content>) -> std::result::Result<T, Refusal>,
    ) -> S3Result<T> {
        let now = SystemTime::now();
        let mut buckets = self.lock();
        if !is_directory_name(name) {
            return Err(s3_error!(InvalidBucketName));
        }
        let bucket = buckets.bucket(name, now).map_err(refused::answer)?;
        for (key, _) in bucket.expire(now) {
            // What is left of it goes with the next start.
            if let Err(error) = self.contents.erase(name, &key) {
                tracing::warn!("cannot remove an object that was to be deleted by now: {error}");
            }
        }
        act(bucket).map_err(refused::answer)
    }

    fn keeps_versions(&self, name: &str) -> S3Result<bool> {
        self.bucket(name, |bucket| Ok(bucket.versioning() != Versioning::Never))
    }

    /// Makes an object visible, and answers when it outlasts this process. Nothing changes before its record is
    /// written: if that fails, an upload is still there with its parts. Records get their names under the lock, so
    /// that they and the objects change in the same order.
    async fn publish(&self, name: &str, key: &str, new: New) -> S3Result<Published> {
        let keep = |error: io::Error| cannot_keep(&error);
        let recorded = self.contents.stage(name, key, &new.object).await.map_err(keep)?;
        let object = Arc::new(new.object);
        let replaced = self.bucket(name, |bucket| {
            if let Some(id) = new.ends {
                bucket.upload(key, id).map_err(|_| Refusal::NoSuchKey)?;
            }
            let version = bucket.version_of(&object);
            bucket.check_overwrite(key, new.overwrite)?;
            let committed = recorded.commit(&object);
            let mut publish = || (version, bucket.publish(key, Arc::clone(&object), new.ends));
            Ok(committed.map(|()| publish()))
        })?;
        let (version, replaced) = replaced.map_err(keep)?;
        self.contents.settle(name, replaced.into_iter().collect()).await.map_err(keep)?;
        Ok((object, version))
    }

    fn create_bucket(&self, name: &str) -> S3Result<()> {
        if !is_bucket_name(name) {
            return Err(s3_error!(InvalidBucketName));
        }
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

    /// Deletes what of this there is, and answers when it is gone for later processes, too: with the keys, the
    /// versions that went or the markers that came, and which of both.
    async fn remove(&self, name: &str, doomed: Vec<Doomed>) -> S3Result<Vec<Deletion>> {
        let mut gone = Vec::new();
        let mut erase = |doomed: Doomed| {
            self.bucket(name, |bucket| {
                let Doomed { key, version } = doomed;
                let erased = match bucket.object(&key) {
                    Ok(_) => self.contents.erase(name, &key),
                    Err(_) => Ok(()),
                };
                Ok(erased.map(|()| {
                    let deleted = match version {
                        None => bucket.delete(&key, SystemTime::now()),
                        Some(id) => bucket.delete_version(&key, id),
                    };
                    gone.extend(deleted.gone);
                    (key, deleted.id.map(|id| id.to_string()), deleted.is_marker)
                }))
            })
        };
        let erased: S3Result<io::Result<Vec<_>>> = doomed.into_iter().map(&mut erase).collect();
        let settled = self.contents.settle(name, gone).await;
        let deleted = erased?.and_then(|deleted| settled.map(|()| deleted));
        deleted.map_err(|error| cannot_keep(&error))
    }

    /// Gives an object these tags and no others; it stays the same version.
    async fn set_tags(&self, name: &str, key: &str, tags: Vec<(String, String)>) -> S3Result<()> {
        if !matches!(self.contents, Contents::Directory(_)) {
            return self.bucket(name, |bucket| bucket.set_tags(key, tags));
        }
        let object = self.found(name, key, None)?.object;
        let copy = |piece| self.contents.copy(piece).map_err(|error| cannot_keep(&error));
        let pieces: S3Result<_> = object.pieces.iter().map(copy).collect();
        let attributes = Attributes { tags, ..object.attributes.clone() };
        let (etag, modified) = (object.etag.clone(), object.modified);
        let object = Object { etag, modified, attributes, pieces: pieces? };
        let new = New { object, overwrite: Overwrite::Allowed, ends: None };
        self.publish(name, key, new).await.map(drop)
    }

    /// PutBucketVersioning.
    fn set_versioning(&self, name: &str, status: Option<&str>) -> S3Result<()> {
        let versioning = match status {
            Some("Enabled") => Versioning::Enabled,
            Some("Suspended") => Versioning::Suspended,
            other => return Err(refused::wrong_versioning(other.unwrap_or_default())),
        };
        self.must_keep_versions()?;
        self.bucket(name, |bucket| {
            bucket.set_versioning(versioning);
            Ok(())
        })
    }

    /// Whether versions can be kept: in a directory they are not.
    fn must_keep_versions(&self) -> S3Result<()> {
        match self.contents {
            Contents::Directory(_) => Err(s3_error!(
                NotImplemented,
                "versions are kept in memory only: serve without a directory"
            )),
            Contents::Memory | Contents::Discard(_) => Ok(()),
        }
    }
}

/// An object that became visible, and its version where the bucket names it.
type Published = (Arc<Object<Content>>, Option<VersionId>);

/// A key, the version that went or the marker that came, if there was anything, and whether it is a marker.
type Deletion = (String, Option<String>, bool);

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
            assert!(is_directory_name(good), "{good} was refused");
        }
        for bad in ["", ".", "..", "a/b", "A", "-a", "a.", "a_b", "é", &"x".repeat(64)] {
            assert!(!is_directory_name(bad), "{bad} was accepted");
        }
    }
}
