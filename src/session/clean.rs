//! `tidegate clean`: removes what runs that were killed left in a bucket, and nothing else.
//!
//! A run is known by its marker: an object at `tidegate-<run>/.tidegate-run.json` directly below the
//! target's prefix, whose token proves that name ([`super::marker`]). What lies below such a prefix and was
//! written while the run lived is removed, the marker last, so that a cleaning that is cut off can be done
//! again. A key that merely looks similar has no such marker.
//!
//! A run that was to keep its objects has them directly at the target, where others write too. It is
//! cleaned only when it is named, and then its objects stay: the uploads that its journal on this machine
//! names are aborted ([`super::journal`]), others that may be its own are named, and the marker goes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bucket::Bucket;
use super::claim::read as read_marker;
use super::journal;
use super::lifetime::Lifetime;
use super::marker::{Identity, Marker, has_form, marker_key, run_prefix, run_prefixes};
use super::sweep::{Left, Owner, Sweep, Whose};
use super::target::TargetOptions;
use super::visit::Visit;
use crate::clock;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::session::Work;
use crate::store::s3::Written;
use crate::store::{ObjectInfo, OpenUpload};

/// What `clean` was asked to do.
#[derive(Clone, Debug)]
pub struct Cleaning {
    /// Which runs.
    pub which: Which,
    /// Only say what would be removed.
    pub dry_run: bool,
    /// Directory of results: what a run on this machine noted of its uploads.
    pub results: PathBuf,
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
    /// Objects below its own prefix, the marker included.
    pub objects: usize,
    /// Their bytes, as far as they are told.
    pub bytes: u64,
    /// Multipart uploads open where it wrote.
    pub uploads: usize,
    /// What became of it.
    pub fate: Fate,
    /// What was left because it may be another's, in a sentence.
    pub left: Option<String>,
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

/// A marker that proves its run.
struct Found {
    run: String,
    /// Ends in the run's name.
    prefix: String,
    marker: Marker,
}

/// Removes what silent runs left.
///
/// # Errors
/// If the bucket cannot be used, something cannot be removed, the run that was named is not there,
/// or the user interrupts.
pub fn clean<'a>(
    target: &'a TargetOptions,
    cleaning: &'a Cleaning,
    interrupt: &'a Interrupt,
) -> Work<'a, Vec<Leftover>> {
    Box::pin(async move {
        let Visit { bucket, open, .. } = Visit::to_read(target, interrupt).await?;
        interrupt.unless_asked(clean_bucket(cleaning, &bucket, &open.prefix)).await
    })
}

/// The same in a bucket that is open.
pub(super) async fn clean_bucket(
    cleaning: &Cleaning,
    bucket: &Bucket,
    target_prefix: &str,
) -> Result<Vec<Leftover>> {
    let mut leftovers = Vec::new();
    for found in find(bucket, target_prefix).await? {
        leftovers.push(clean_run(cleaning, bucket, target_prefix, found).await?);
    }
    match &cleaning.which {
        Which::Run(run) if !leftovers.iter().any(|leftover| leftover.run == *run) => {
            Err(Error::answer_is_no(format!("there is no run {run} directly below the target"))
                .hint("name the target that the run was given; without --run all runs are listed"))
        }
        _ => Ok(leftovers),
    }
}

async fn clean_run(
    cleaning: &Cleaning,
    bucket: &Bucket,
    target_prefix: &str,
    found: Found,
) -> Result<Leftover> {
    let written = bucket.written(&marker_key(&found.prefix)).await?;
    let silent_for = silent_for(&found.marker, written);
    let (mut objects, mut bytes) = (0, 0_u64);
    let count = async |page: Vec<ObjectInfo>| {
        objects += page.len();
        let told = page.iter().filter_map(|object| object.size_bytes);
        bytes = told.fold(bytes, u64::saturating_add);
    };
    bucket.each_page(&found.prefix, count).await?;
    let keeps = found.marker.keeps;
    let uploads_at = if keeps { target_prefix } else { &found.prefix };
    let uploads = bucket.uploads(uploads_at).await?;
    let is_meant = match &cleaning.which {
        Which::Silent(least) => !keeps && silent_for >= *least,
        Which::Run(run) => found.run == *run,
    };
    let (fate, left) = match (is_meant, cleaning.dry_run) {
        (false, _) => (Fate::LeftAlone, None),
        (true, true) => (Fate::WouldBeRemoved, None),
        (true, false) if keeps => {
            let journal = cleaning.results.join(&found.run);
            let left = give_back(bucket, target_prefix, (&found, written), &uploads, &journal);
            (Fate::Removed, left.await?)
        }
        (true, false) => (Fate::Removed, remove(bucket, &found, written).await?),
    };
    let Found { run, marker: Marker { owner, .. }, .. } = found;
    let uploads = uploads.len();
    Ok(Leftover { run, owner, silent_for, keeps, objects, bytes, uploads, fate, left })
}

/// By both clocks: one that is wrong must not make a live run look dead.
fn silent_for(marker: &Marker, written: Option<Written>) -> Duration {
    let by_ours = marker.silent_for(clock::calendar());
    written.and_then(|written| written.ago).map_or(by_ours, |by_theirs| by_ours.min(by_theirs))
}

/// All that is the run's own, the marker last. What may be another's is said.
async fn remove(
    bucket: &Bucket,
    found: &Found,
    written: Option<Written>,
) -> Result<Option<String>> {
    let marker = marker_key(&found.prefix);
    let owner = &Lifetime::of(&found.marker, written, &found.prefix);
    let sweep = Sweep { bucket, prefix: &found.prefix, marker: &marker, owner };
    let left = sweep.until_clean(2).await?;
    bucket.delete(&[marker]).await?;
    Ok(left.sentence())
}

/// Of a run that keeps its objects: the uploads that this machine knows to be its own, and the marker. Of those that
/// are `open` others may be, and are said.
async fn give_back(
    bucket: &Bucket,
    target_prefix: &str,
    (found, written): (&Found, Option<Written>),
    open: &[OpenUpload],
    directory: &Path,
) -> Result<Option<String>> {
    let mut known = match directory.is_dir() {
        true => journal::open_uploads(directory)?,
        false => BTreeSet::new(),
    };
    known.retain(|upload| upload.key.starts_with(target_prefix));
    bucket.abort(&known).await?;
    let lifetime = Lifetime::of(&found.marker, written, target_prefix);
    let runs = run_prefixes(target_prefix);
    let mut left = Left::default();
    let others = open.iter().filter(|open| !known.contains(&open.upload));
    for open in others.filter(|open| !open.upload.key.starts_with(&runs)) {
        if lifetime.upload(open) == Whose::Ours {
            left.upload(&open.upload);
        }
    }
    bucket.delete(&[marker_key(&found.prefix)]).await?;
    Ok(left.sentence())
}

/// Removes what the same run left when it was killed, if its marker is there. When it lived: what it had sent may
/// still land.
///
/// # Errors
/// If the bucket cannot be used, or something cannot be removed, or may be another's.
pub(super) async fn remove_leftover(
    bucket: &Bucket,
    target_prefix: &str,
    identity: &Identity,
) -> Result<Option<Lifetime>> {
    let run = identity.name();
    let Some(found) = found(bucket, target_prefix, run).await? else { return Ok(None) };
    let written = bucket.written(&marker_key(&found.prefix)).await?;
    match remove(bucket, &found, written).await? {
        None => Ok(Some(Lifetime::of(&found.marker, written, &found.prefix))),
        Some(sentence) => Err(Error::environment(sentence)
            .hint("find out whose they are, delete what nobody needs, and resume the run again")),
    }
}

/// The runs directly below a target's prefix that their markers prove.
async fn find(bucket: &Bucket, target_prefix: &str) -> Result<Vec<Found>> {
    let below = run_prefixes(target_prefix);
    let mut names = BTreeSet::new();
    let collect = async |page: Vec<ObjectInfo>| {
        for ObjectInfo { key, .. } in page {
            let run = key.strip_prefix(&below).and_then(|path| Some(path.split_once('/')?.0));
            let is_marker = |run: &&str| key == marker_key(&run_prefix(target_prefix, run));
            names.extend(run.filter(|run| has_form(run)).filter(is_marker).map(str::to_owned));
        }
    };
    bucket.each_page(&below, collect).await?;
    let mut all = Vec::new();
    for run in names {
        all.extend(found(bucket, target_prefix, &run).await?);
    }
    Ok(all)
}

/// The run of this name, if it is there.
async fn found(bucket: &Bucket, target_prefix: &str, run: &str) -> Result<Option<Found>> {
    let prefix = run_prefix(target_prefix, run);
    let marker = read_marker(bucket, &marker_key(&prefix), run).await?;
    Ok(marker.map(|marker| Found { run: run.to_owned(), prefix, marker }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn a_run_is_dead_only_if_both_clocks_say_so() {
        let identity = Identity::new().unwrap();
        let alive = Marker::alive(&identity, SystemTime::now(), false);
        let written = |ago| Some(Written { at: SystemTime::now(), ago });
        let year = Some(Duration::from_secs(365 * 24 * 3600));
        let minute = Duration::from_secs(60);
        assert!(silent_for(&alive, written(year)) < minute, "its own clock says that it lives");
        assert!(silent_for(&alive, None) < minute);
        let text = serde_json::to_string(&alive).unwrap();
        let (head, _) = text.split_once("\"heartbeat\"").unwrap();
        let text = format!("{head}\"heartbeat\":\"2026-01-01T00:00:00Z\",\"keeps\":false}}");
        let old = Marker::read(&text, identity.name()).unwrap();
        assert_eq!(silent_for(&old, written(Some(minute))), minute, "the endpoint heard of it");
        assert!(silent_for(&old, written(year)) > minute);
    }
}
