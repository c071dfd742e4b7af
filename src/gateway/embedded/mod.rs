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
mod service;
mod uploads;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::uri::Scheme;
use s3s::{S3ErrorCode, S3Result, s3_error};

use objects::Doomed;

pub use answer::ErrorCode;
pub use refused::{cannot_keep, slow_down};
pub use service::Service;

use super::contents::{Content, Contents, Retain};
use super::pace::pause;
use super::signature::Keys;
use crate::error::{Error, Result};
use crate::storj::{
    Admission, Attributes, Bucket, Buckets, Limits, Object, Overwrite, Refusal, UploadId,
    VersionId, Versioning,
};

/// How the embedded S3 is.
#[derive(Debug)]
pub struct Embedding {
    /// What becomes of the bytes.
    pub retain: Retain,
    /// The buckets that exist; without any, every bucket does.
    pub buckets: Vec<String>,
    /// Whose signatures are accepted; without keys, every request is.
    pub keys: Option<Keys>,
    /// Seed of the synthetic bytes that discarded objects answer with.
    pub seed: u64,
    /// Whether segments can be read and written.
    pub nodes: NodesOnline,
}

/// Whether enough storage nodes are online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodesOnline {
    /// As always.
    Enough,
    /// No segment that is kept by storage nodes can be read or written.
    TooFew,
}

/// How long the real network took to say that too few nodes are online.
const GIVES_UP_AFTER: Duration = Duration::from_millis(100);

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
            let is_it =
                |expected| bucket.object(key).is_ok_and(|object| Arc::ptr_eq(object, expected));
            if !new.replaces.as_ref().is_none_or(is_it) {
                return Err(Refusal::PreconditionFailed);
            }
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
            // What was to be deleted by now is no reason against it.
            self.bucket(name, |_| Ok(()))?;
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
                let erased = match bucket.is_current(&key, version) {
                    true => self.contents.erase(name, &key),
                    false => Ok(()),
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
        loop {
            let replaces = self.found(name, key, None)?.object;
            let copy = |piece| self.contents.copy(piece).map_err(|error| cannot_keep(&error));
            let pieces: S3Result<_> = replaces.pieces.iter().map(copy).collect();
            let attributes = Attributes { tags: tags.clone(), ..replaces.attributes.clone() };
            let (etag, modified) = (replaces.etag.clone(), replaces.modified);
            let object = Object { etag, modified, attributes, pieces: pieces? };
            let new = New { replaces: Some(replaces), ..New::of(object) };
            match self.publish(name, key, new).await {
                // Another object came in between: it gets the tags.
                Err(error) if *error.code() == S3ErrorCode::PreconditionFailed => {}
                done => return done.map(drop),
            }
        }
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
    /// What must be the object of its key until then.
    replaces: Option<Arc<Object<Content>>>,
}

impl New {
    /// One that may replace any.
    fn of(object: Object<Content>) -> Self {
        Self { object, overwrite: Overwrite::Allowed, ends: None, replaces: None }
    }
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
