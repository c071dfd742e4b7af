//! `tidegate clean`: removes what runs that were killed left in a bucket, and nothing else.
//!
//! A run is known by its marker: an object at `tidegate-<run>/.tidegate-run.json` directly below the
//! target's prefix, written by tidegate, that names the same run. Only what lies below such a prefix
//! is removed, the marker last, so that a cleaning that is cut off can be done again. A key that merely
//! looks similar has no such marker.
//!
//! A run that was to keep its objects has its marker at the target's prefix itself, where others may
//! have written since. It is cleaned only when it is named, and then its objects stay: the uploads that
//! are open there are aborted, but for those of runs below it and those begun after its last sign of life,
//! and the marker goes, so that the place can be used again.

use std::time::{Duration, SystemTime};

use super::bucket::Bucket;
use super::claim::Claim;
use super::marker::{Marker, marker_key, run_prefix, run_prefixes};
use super::target::TargetOptions;
use crate::dataset::FileSpec;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// A run gives a sign of life every minute; one that was silent for so long is dead (ASSUMPTION).
pub const SILENCE_MIN: Duration = Duration::from_secs(600);

/// What `clean` was asked to do.
#[derive(Clone, Debug)]
pub struct CleanOptions {
    /// The target that the runs were given.
    pub target: TargetOptions,
    /// Which runs.
    pub which: Which,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// Which runs are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those silent for longer than this.
    Silent(Duration),
    /// The one of this name, silent or not.
    Run(String),
}

/// A run that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its name.
    pub run: String,
    /// The host it ran on.
    pub owner: String,
    /// Time since its last sign of life.
    pub silent_for: Duration,
    /// Whether it was to keep its objects.
    pub keeps: bool,
    /// Objects below its prefix, the marker included.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Multipart uploads open below its prefix.
    pub uploads: usize,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a run that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It may be alive, or is not the one that was named.
    LeftAlone,
    /// All of it is gone, but for objects that it was to keep.
    Removed,
    /// It would be gone without `dry_run`.
    WouldBeRemoved,
}

/// A marker, and the prefix that it claims.
struct Found {
    marker: Marker,
    prefix: String,
    keeps: bool,
}

/// Removes what silent runs left.
///
/// # Errors
/// If the bucket cannot be used, something cannot be removed, the run that was named is not there,
/// or the user interrupts.
pub async fn clean(options: &CleanOptions, interrupt: &Interrupt) -> Result<Vec<Leftover>> {
    interrupt.unless_asked(find_and_remove(options)).await
}

async fn find_and_remove(options: &CleanOptions) -> Result<Vec<Leftover>> {
    let (open, bucket) = options.target.open_bucket().await?;
    let mut leftovers = Vec::new();
    for found in find(&bucket, &open.prefix).await? {
        leftovers.push(clean_run(options, &bucket, found).await?);
    }
    match &options.which {
        Which::Run(run) if !leftovers.iter().any(|leftover| leftover.run == *run) => {
            Err(Error::answer_is_no(format!("there is no run {run} directly below the target"))
                .hint("name the target that the run was given; without --run all runs are listed"))
        }
        _ => Ok(leftovers),
    }
}

async fn clean_run(options: &CleanOptions, bucket: &Bucket, found: Found) -> Result<Leftover> {
    let Found { marker, prefix, keeps } = found;
    let objects = bucket.list(&prefix).await?;
    let uploads = bucket.uploads(&prefix).await?.len();
    let heard = bucket.written(&marker_key(&prefix)).await?;
    // By two clocks, which may differ, only where the endpoint's alone does not tell.
    let silent_for =
        heard.and_then(|heard| heard.ago).unwrap_or_else(|| marker.silent_for(SystemTime::now()));
    let is_meant = match &options.which {
        Which::Silent(least) => !keeps && silent_for >= *least,
        Which::Run(run) => marker.run == *run,
    };
    let fate = match (is_meant, options.dry_run) {
        (false, _) => Fate::LeftAlone,
        (true, true) => Fate::WouldBeRemoved,
        (true, false) => {
            if keeps {
                let heard_at = heard.map(|heard| heard.at);
                Claim::inherited_to_keep(bucket, prefix, &marker.run, heard_at).keep().await?;
            } else {
                Claim::inherited(bucket, prefix, &marker.run).release().await?;
            }
            Fate::Removed
        }
    };
    Ok(Leftover {
        run: marker.run,
        owner: marker.owner,
        silent_for,
        keeps,
        objects: objects.len(),
        bytes: objects.iter().map(|object| object.size_bytes).sum(),
        uploads,
        fate,
    })
}

/// Removes what a run that was killed left, if its marker is there.
///
/// # Errors
/// If the bucket cannot be used, or something cannot be removed.
pub(super) async fn remove_leftover(bucket: &Bucket, target_prefix: &str, run: &str) -> Result<()> {
    let prefix = run_prefix(target_prefix, run);
    match read(bucket, &prefix).await? {
        Some(marker) if marker.run == run => Claim::inherited(bucket, prefix, run).release().await,
        _ => Ok(()),
    }
}

/// The markers of runs directly below a target's prefix, and of one that keeps its objects there.
async fn find(bucket: &Bucket, target_prefix: &str) -> Result<Vec<Found>> {
    let below = run_prefixes(target_prefix);
    let mut all = Vec::new();
    for FileSpec { path, .. } in bucket.list(&below).await? {
        let Some((run, _)) = path.split_once('/') else { continue };
        let prefix = run_prefix(target_prefix, run);
        if format!("{below}{path}") != marker_key(&prefix) {
            continue;
        }
        // Somebody else's object may have this name: what it says decides.
        let marker = read(bucket, &prefix).await?.filter(|marker| marker.run == run);
        all.extend(marker.map(|marker| Found { marker, prefix, keeps: false }));
    }
    let marker = read(bucket, target_prefix).await?;
    let prefix = target_prefix.to_owned();
    all.extend(marker.map(|marker| Found { marker, prefix, keeps: true }));
    Ok(all)
}

async fn read(bucket: &Bucket, prefix: &str) -> Result<Option<Marker>> {
    let text = bucket.read(&marker_key(prefix)).await?;
    Ok(text.as_deref().and_then(Marker::read))
}
