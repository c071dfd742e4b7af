//! The part of the bucket that belongs to one run: claimed before the first byte, given back at the end.
//!
//! Everything a run writes is below its prefix, whose marker object is written first and says whose
//! it is and when it last gave a sign of life. Nothing outside is ever written or deleted.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use serde::Serialize;

use super::bucket::Bucket;
use super::record::now_rfc3339;
use crate::clock;
use crate::dataset::{Dataset, FileSpec};
use crate::error::{Error, Result};
use crate::measure;
use crate::store::Upload;

/// Name of the marker below a run's prefix.
const MARKER: &str = ".tidegate-run.json";

/// How often the marker is written anew. A clean-up spares runs with a younger sign of life than ten
/// of these.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Rounds of looking and deleting before giving up: a request that was cut off may still land.
const CLEANING_ROUNDS: u32 = 5;

/// Time between those rounds.
const CLEANING_PAUSE: Duration = Duration::from_millis(500);

/// What a run may write to, and delete.
pub(super) struct Claim<'a> {
    bucket: &'a Bucket,
    prefix: String,
    id: String,
    extent: Extent,
}

/// What below the prefix is ours.
enum Extent {
    /// All: the prefix carries the run's unique name.
    Everything,
    /// The keys of this dataset, in a place that was empty: the user keeps them.
    Keys(HashSet<String>),
}

#[derive(Serialize)]
struct Marker<'a> {
    tool: &'static str,
    run: &'a str,
    owner: String,
    heartbeat: String,
}

impl<'a> Claim<'a> {
    /// A prefix of the run's own below the target's.
    pub(super) async fn unique(bucket: &'a Bucket, target_prefix: &str, id: &str) -> Result<Self> {
        let prefix = format!("{target_prefix}tidegate-{id}/");
        let claim = Self { bucket, prefix, id: id.to_owned(), extent: Extent::Everything };
        claim.beat().await?;
        Ok(claim)
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
        let claim = Self {
            bucket,
            prefix: target_prefix.to_owned(),
            id: id.to_owned(),
            extent: Extent::Keys(keys),
        };
        claim.beat().await?;
        Ok(claim)
    }

    /// What every key of this run begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Gives a sign of life now and then, for ever.
    pub(super) async fn keep_beating(&self) {
        loop {
            clock::sleep(HEARTBEAT).await;
            // A beat that fails harms nobody yet, and the transfer's own requests will tell.
            if let Err(error) = self.beat().await {
                tracing::warn!("the marker of this run could not be renewed: {error}");
            }
        }
    }

    /// Leaves the objects to the user, takes the marker away.
    pub(super) async fn keep(self) -> Result<()> {
        let open = self.our_uploads("").await?;
        self.bucket.abort(&open).await?;
        self.bucket.delete(&[self.marker_key()]).await
    }

    /// Aborts and deletes what is ours below the prefix, the marker last.
    pub(super) async fn release(self) -> Result<()> {
        self.clear("").await?;
        self.bucket.delete(&[self.marker_key()]).await
    }

    /// Aborts and deletes what is ours below `below` within the prefix, but for the marker, until
    /// nothing is left.
    pub(super) async fn clear(&self, below: &str) -> Result<()> {
        for round in 0..CLEANING_ROUNDS {
            let uploads = self.our_uploads(below).await?;
            let keys = self.our_keys(below).await?;
            if uploads.is_empty() && keys.is_empty() {
                return Ok(());
            }
            if round > 0 {
                clock::sleep(CLEANING_PAUSE).await;
            }
            self.bucket.abort(&uploads).await?;
            self.bucket.delete(&keys).await?;
        }
        Err(Error::environment(format!("something is left below {}{below}", self.prefix))
            .hint("look at it and delete it by hand once its requests have ended"))
    }

    async fn our_uploads(&self, below: &str) -> Result<BTreeSet<Upload>> {
        let uploads = self.bucket.uploads(&format!("{}{below}", self.prefix)).await?;
        Ok(uploads.into_iter().filter(|upload| self.is_ours(&upload.key)).collect())
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
            }
    }

    fn marker_key(&self) -> String {
        format!("{}{MARKER}", self.prefix)
    }

    async fn beat(&self) -> Result<()> {
        let marker = Marker {
            tool: "tidegate",
            run: &self.id,
            owner: measure::host().name,
            heartbeat: now_rfc3339(),
        };
        let text = serde_json::to_string(&marker).expect("strings serialise");
        self.bucket.put(&self.marker_key(), &text).await
    }
}
