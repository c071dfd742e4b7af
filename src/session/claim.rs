//! The part of the bucket that belongs to one run: claimed before the first byte, given back at the end.
//!
//! Everything a run writes is below its prefix, whose marker object is written first and says whose
//! it is and when it last gave a sign of life. Nothing outside is ever written or deleted.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use super::bucket::Bucket;
use super::marker::{Marker, marker_key, run_prefix, run_prefixes};
use crate::clock;
use crate::dataset::{Dataset, FileSpec};
use crate::error::{Error, Result};
use crate::store::{OpenUpload, Upload};
use futures::future::{Either, select};

/// How often the marker is written anew.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// How long after the last sign of life that arrived a run may still have begun something: the next one
/// was due by then, and the one after.
const LAST_WORDS: Duration = Duration::from_secs(120);

/// Looks at what is left before giving up.
const LOOKS_MAX: u32 = 8;

/// Time between two looks: a request that was cut off may still land (ASSUMPTION: within a second).
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a run may write to, and delete.
pub(super) struct Claim<'a> {
    bucket: &'a Bucket,
    prefix: String,
    id: String,
    extent: Extent,
    /// Uploads that trials could not end themselves.
    open_uploads: RefCell<BTreeSet<Upload>>,
}

/// What below the prefix is ours.
enum Extent {
    /// All: the prefix carries the run's unique name.
    Everything,
    /// The keys of this dataset, in a place that was empty: the user keeps them.
    Keys(HashSet<String>),
    /// What is not below the prefix of another run; of uploads those that the run can have begun, which was
    /// heard of last at this time of the endpoint's clock.
    BesideRuns { heard_at: Option<SystemTime> },
    /// Nothing: what lies there is only read.
    Nothing,
}

/// What a look found and removed.
enum Removed {
    Nothing,
    Something,
}

impl<'a> Claim<'a> {
    /// A prefix of the run's own below the target's.
    pub(super) async fn unique(bucket: &'a Bucket, target_prefix: &str, id: &str) -> Result<Self> {
        let claim = Self::inherited(bucket, run_prefix(target_prefix, id), id);
        claim.beat().await?;
        Ok(claim)
    }

    /// The prefix of a run that cannot give it back itself any more, and all below.
    pub(super) fn inherited(bucket: &'a Bucket, prefix: String, id: &str) -> Self {
        Self::of(bucket, prefix, id, Extent::Everything)
    }

    /// The place of a run that was to keep its objects and cannot give it back itself any more. It was
    /// empty when the run began.
    pub(super) fn inherited_to_keep(
        bucket: &'a Bucket,
        prefix: String,
        id: &str,
        heard_at: Option<SystemTime>,
    ) -> Self {
        Self::of(bucket, prefix, id, Extent::BesideRuns { heard_at })
    }

    /// The target's prefix itself, for objects that stay. It must be empty: nothing is overwritten.
    pub(super) async fn to_keep(
        bucket: &'a Bucket,
        target_prefix: &str,
        id: &str,
        dataset: &Dataset,
    ) -> Result<Self> {
        let objects = bucket.list(target_prefix).await?.len();
        let uploads = bucket.uploads(target_prefix).await?.len();
        if objects + uploads > 0 {
            let message = format!(
                "`{target_prefix}` is not empty: it has {objects} objects and {uploads} open uploads"
            );
            return Err(Error::environment(message).hint(
                "with --keep choose a prefix that holds nothing, so that nothing is overwritten",
            ));
        }
        let key = |file: FileSpec| format!("{target_prefix}{}", file.path);
        let keys = (0..dataset.files()).map(|index| key(dataset.file(index))).collect();
        let claim = Self::of(bucket, target_prefix.to_owned(), id, Extent::Keys(keys));
        claim.beat().await?;
        Ok(claim)
    }

    /// Objects of others, which are read with keys that may do no more: nothing is written or deleted.
    pub(super) fn to_read(bucket: &'a Bucket, prefix: &str) -> Self {
        Self::of(bucket, prefix.to_owned(), "", Extent::Nothing)
    }

    fn of(bucket: &'a Bucket, prefix: String, id: &str, extent: Extent) -> Self {
        Self { bucket, prefix, id: id.to_owned(), extent, open_uploads: RefCell::default() }
    }

    /// What every key of this run begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Does the work and gives a sign of life now and then. A beat under way is never cut off: it
    /// could land after the marker was taken away.
    pub(super) async fn while_alive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            let pause = pin!(clock::sleep(HEARTBEAT));
            if let Either::Left((done, _)) = select(work.as_mut(), pause).await {
                return done;
            }
            match select(work.as_mut(), pin!(self.beat())).await {
                Either::Left((done, beat)) => {
                    // The run ends well or badly for other reasons.
                    let _ = beat.await;
                    return done;
                }
                // A beat that fails harms nobody yet, and the transfer's own requests will tell.
                Either::Right(_) => {}
            }
        }
    }

    /// Notes uploads that a trial left open, so that they are aborted even if no listing shows them.
    pub(super) fn leaves_open(&self, uploads: BTreeSet<Upload>) {
        self.open_uploads.borrow_mut().extend(uploads);
    }

    /// Leaves the objects to the user, takes the marker away.
    pub(super) async fn keep(self) -> Result<()> {
        let listed = self.our_uploads("").await;
        let aborted = self.bucket.abort(&self.open_beside(&listed)).await;
        listed.and(aborted)?;
        self.bucket.delete(&[self.marker_key()]).await
    }

    /// Aborts and deletes what is ours below the prefix, the marker last. What was cut off may land
    /// after a look, so two looks in a row must find nothing.
    pub(super) async fn release(self) -> Result<()> {
        if matches!(self.extent, Extent::Nothing) {
            return Ok(());
        }
        self.sweep("", 2).await?;
        self.bucket.delete(&[self.marker_key()]).await
    }

    /// Aborts and deletes what is ours below `below` within the prefix, but for the marker.
    pub(super) async fn clear(&self, below: &str) -> Result<()> {
        self.sweep(below, 1).await
    }

    /// Removes what is found until so many looks in a row find nothing. One thing that cannot be
    /// removed stops nothing else.
    async fn sweep(&self, below: &str, clean_looks: u32) -> Result<()> {
        let mut clean = 0;
        let mut trouble = None;
        for look in 0..LOOKS_MAX {
            if look > 1 || clean > 0 {
                clock::sleep(LOOK_AGAIN_AFTER).await;
            }
            match self.remove(below).await {
                Ok(Removed::Nothing) => clean += 1,
                Ok(Removed::Something) => clean = 0,
                Err(error) => trouble = Some(error),
            }
            if clean == clean_looks {
                return Ok(());
            }
        }
        let something_new = || {
            Error::environment(format!("there is always more below {}{below}", self.prefix))
                .hint("see whether something else writes there, and delete the rest by hand")
        };
        Err(trouble.unwrap_or_else(something_new))
    }

    /// One look, and everything is removed that it finds. The first error, after all was tried.
    async fn remove(&self, below: &str) -> Result<Removed> {
        let (uploads, keys) = (self.our_uploads(below).await, self.our_keys(below).await);
        let open = self.open_beside(&uploads);
        let removed = match (open.is_empty(), keys.as_deref()) {
            (true, Ok([])) => Removed::Nothing,
            _ => Removed::Something,
        };
        let aborted = self.bucket.abort(&open).await;
        if aborted.is_err() {
            self.leaves_open(open);
        }
        let deleted = match &keys {
            Ok(keys) => self.bucket.delete(keys).await,
            Err(_) => Ok(()),
        };
        uploads.and(keys).and(aborted).and(deleted).map(|()| removed)
    }

    /// The uploads of a listing, as far as there is one, and those that a trial left open.
    fn open_beside(&self, listed: &Result<BTreeSet<Upload>>) -> BTreeSet<Upload> {
        let mut open = self.open_uploads.take();
        open.extend(listed.as_ref().into_iter().flatten().cloned());
        open
    }

    async fn our_uploads(&self, below: &str) -> Result<BTreeSet<Upload>> {
        let uploads = self.bucket.uploads(&format!("{}{below}", self.prefix)).await?;
        let ours = |open: &OpenUpload| {
            self.is_ours(&open.upload.key) && self.may_have_begun(open.initiated)
        };
        Ok(uploads.into_iter().filter(ours).map(|open| open.upload).collect())
    }

    async fn our_keys(&self, below: &str) -> Result<Vec<String>> {
        let prefix = format!("{}{below}", self.prefix);
        let objects = self.bucket.list(&prefix).await?;
        let keys = objects.into_iter().map(|object| format!("{prefix}{}", object.path));
        Ok(keys.filter(|key| self.is_ours(key)).collect())
    }

    fn is_ours(&self, key: &str) -> bool {
        key != self.marker_key()
            && match &self.extent {
                Extent::Everything => key.starts_with(&self.prefix),
                Extent::Keys(keys) => keys.contains(key),
                Extent::BesideRuns { .. } => !key.starts_with(&run_prefixes(&self.prefix)),
                Extent::Nothing => false,
            }
    }

    fn may_have_begun(&self, initiated: Option<SystemTime>) -> bool {
        let Extent::BesideRuns { heard_at } = self.extent else { return true };
        // Where the endpoint does not say when, the place itself decides: it was empty.
        initiated.zip(heard_at).is_none_or(|(initiated, heard)| initiated <= heard + LAST_WORDS)
    }

    fn marker_key(&self) -> String {
        marker_key(&self.prefix)
    }

    async fn beat(&self) -> Result<()> {
        if matches!(self.extent, Extent::Nothing) {
            return Ok(());
        }
        let marker = Marker::alive(&self.id);
        let text = serde_json::to_string(&marker).expect("strings serialise");
        self.bucket.put(&self.marker_key(), &text).await
    }
}
