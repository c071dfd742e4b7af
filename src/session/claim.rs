//! The part of the bucket that belongs to one run: claimed before the first byte, given back at the end.
//!
//! A run has a prefix of its own, whose marker object is written first and says whose it is and when it last
//! gave a sign of life. Objects are below it too, unless the user keeps them: then they are directly at the
//! target. Whatever else is there is never written or deleted: only what the run's ledger holds is.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::{Either, select};

use super::beats::Beats;
use super::bucket::{Bucket, Unwritten};
use super::lifetime::Lifetime;
use super::marker::{HEARTBEAT, Identity, Marker, marker_key, run_prefix};
use super::sweep::{Left, Owner, Sweep, Whose};
use crate::clock;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::store::{ObjectInfo, OpenUpload, Upload};
use crate::terminal;
use crate::transfer::{Ground, Journal, Ledger};
use crate::units::counted;

/// A first marker that had no answer is looked for after so long, so often: by then it has landed (as in
/// [`super::sweep`]), and an endpoint that did not answer is asked again ([`super::silence`]).
const TAKE_BACK_AFTER: Duration = Duration::from_secs(2);
const TAKEN_BACK_MAX: u32 = 2;

/// What a run may write to, and delete.
pub(super) struct Claim<'a> {
    bucket: &'a Bucket,
    /// What every key of the run's objects begins with.
    prefix: String,
    standing: Standing,
    beats: Beats,
    ledger: Arc<Ledger>,
    /// When it lived before it was killed, if it goes on.
    before: Option<Lifetime>,
}

/// In which way a process is part of a run.
enum Standing {
    /// It writes nothing.
    Reads,
    /// It writes where another process of the same run keeps the marker with this key.
    Guest { marker: String },
    /// It keeps the marker.
    Marks(Marked),
}

/// Who wrote the marker, and where.
struct Marked {
    identity: Identity,
    key: String,
    began: SystemTime,
    keeps: bool,
}

impl Marked {
    fn now(identity: &Identity, key: String, keeps: bool) -> Self {
        Self { identity: identity.clone(), key, began: clock::calendar(), keeps }
    }
}

impl<'a> Claim<'a> {
    /// A prefix of the run's own below the target's.
    pub(super) async fn unique(
        bucket: &'a Bucket,
        target_prefix: &str,
        identity: &Identity,
    ) -> Result<Self> {
        let prefix = run_prefix(target_prefix, identity.name());
        let key = marker_key(&prefix);
        let marked = Marked::now(identity, key, false);
        let claim = Self::of(bucket, prefix, Standing::Marks(marked), Arc::default());
        claim.first_beat().await?;
        Ok(claim)
    }

    /// The target's prefix itself, for objects that stay. It must be empty: nothing is overwritten. The
    /// marker is below a prefix of the run's own as always, so that of two runs that begin at once each sees the other's.
    pub(super) async fn to_keep(
        bucket: &'a Bucket,
        target_prefix: &str,
        identity: &Identity,
        journal: Option<Box<dyn Journal>>,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let key = marker_key(&run_prefix(target_prefix, identity.name()));
        let (prefix, marked) = (target_prefix.to_owned(), Marked::now(identity, key, true));
        let ledger = Arc::new(Ledger::shared(journal));
        let claim = Self::of(bucket, prefix, Standing::Marks(marked), ledger);
        interrupt.unless_asked(claim.sees_no_other()).await?;
        claim.first_beat().await?;
        match interrupt.unless_asked(claim.sees_no_other()).await {
            Ok(()) => Ok(claim),
            Err(error) => match claim.take_marker_away().await {
                Ok(()) => Err(error),
                Err(other) => Err(error.followed_by(other)),
            },
        }
    }

    /// Objects of others, which are read with keys that may do no more: nothing is written or deleted.
    pub(super) fn to_read(bucket: &'a Bucket, prefix: &str) -> Self {
        Self::of(bucket, prefix.to_owned(), Standing::Reads, Arc::default())
    }

    /// Of a process that writes below this prefix, where another of the same run keeps the marker; with a journal where
    /// others write too.
    pub(super) fn guest(
        bucket: &'a Bucket,
        prefix: &str,
        marker: String,
        journal: Option<Box<dyn Journal>>,
    ) -> Self {
        let ledger = match journal {
            None => Arc::default(),
            journal => Arc::new(Ledger::shared(journal)),
        };
        Self::of(bucket, prefix.to_owned(), Standing::Guest { marker }, ledger)
    }

    fn of(bucket: &'a Bucket, prefix: String, standing: Standing, ledger: Arc<Ledger>) -> Self {
        Self { bucket, prefix, standing, beats: Beats::begin(), ledger, before: None }
    }

    /// The run's marker, if this process keeps it.
    fn marked(&self) -> Option<&Marked> {
        match &self.standing {
            Standing::Marks(marked) => Some(marked),
            Standing::Reads | Standing::Guest { .. } => None,
        }
    }

    /// The key of the run's marker; `None` if nothing is written.
    pub(super) fn marker(&self) -> Option<&str> {
        match &self.standing {
            Standing::Reads => None,
            Standing::Guest { marker } => Some(marker),
            Standing::Marks(marked) => Some(&marked.key),
        }
    }

    /// The same of a run that lived before, and goes on.
    pub(super) fn going_on(self, before: Option<Lifetime>) -> Self {
        Self { before, ..self }
    }

    /// What every key of this run's objects begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where movers note what they make.
    pub(super) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Does the work and gives a sign of life now and then. A beat under way is never cut off: it
    /// could land after the marker was taken away. Work that panics is an error, for there is a clean-up to do.
    pub(super) async fn while_alive<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
        let done = loop {
            let pause = pin!(clock::sleep(HEARTBEAT));
            if let Either::Left((done, _)) = select(work.as_mut(), pause).await {
                break done;
            }
            match select(work.as_mut(), pin!(self.beat())).await {
                Either::Left((done, beat)) => {
                    // The run ends well or badly for other reasons.
                    let _ = beat.await;
                    break done;
                }
                // One that fails harms nobody yet.
                Either::Right((beat, _)) => {
                    let beat = beat.map_err(|unwritten| unwritten.error);
                    self.beats.sent(&beat).iter().for_each(|warning| terminal::say(warning));
                }
            }
        };
        // The panic itself is on standard error already.
        done.unwrap_or_else(|_| Err(Error::environment("the program panicked: this is a bug")))
    }

    /// Leaves the objects to the user, takes the marker away.
    pub(super) async fn keep(self) -> Result<()> {
        let open = self.ledger.open_uploads();
        let aborted = self.bucket.abort(&open).await;
        if aborted.is_ok() {
            open.iter().for_each(|upload| self.ledger.upload_ended(upload));
        }
        aborted?;
        self.take_marker_away().await
    }

    /// Aborts and deletes what is ours below the prefix, the marker last. What was cut off may land
    /// after a look, so two looks in a row must find nothing.
    ///
    /// # Errors
    /// If something cannot be removed, or is there that may be another's.
    pub(super) async fn release(self) -> Result<()> {
        let left = self.sweep("", 2).await?;
        if self.marked().is_none() {
            // What others of the run made is theirs to remove.
            return Ok(());
        }
        self.take_marker_away().await?;
        match left.sentence() {
            None => Ok(()),
            Some(sentence) => Err(Error::environment(sentence)
                .hint("find out whose they are, and delete by hand what nobody needs")),
        }
    }

    /// Aborts and deletes what is ours below `below` within the prefix, but for the marker.
    pub(super) async fn clear(&self, below: &str) -> Result<()> {
        // What is left is said in the end.
        self.sweep(below, 1).await.map(drop)
    }

    async fn sweep(&self, below: &str, clean_looks: u32) -> Result<Left> {
        let Some(marker) = self.marker() else { return Ok(Left::default()) };
        let prefix = &format!("{}{below}", self.prefix);
        let owner = &Ours { ledger: &self.ledger, before: self.before.as_ref() };
        Sweep { bucket: self.bucket, prefix, marker, owner }.until_clean(clean_looks).await
    }

    /// Sees that nothing is at the target but the marker.
    async fn sees_no_other(&self) -> Result<()> {
        let (objects, more) = self.bucket.glance(&self.prefix).await?;
        let marker = self.marker();
        let others = objects.iter().filter(|object| Some(&*object.key) != marker).count();
        let uploads = self.bucket.uploads(&self.prefix).await?.len();
        if others + uploads == 0 && !more {
            return Ok(());
        }
        let (prefix, more) = (&self.prefix, if more { " or more" } else { "" });
        Err(Error::environment(format!(
            "`{prefix}` is not empty: it has {}{more} and {}",
            counted(others, "object"),
            counted(uploads, "open upload")
        ))
        .hint("with --keep choose a prefix that holds nothing, so that nothing is overwritten"))
    }

    /// Deletes the marker, if it is this run's.
    async fn take_marker_away(&self) -> Result<()> {
        let Some(Marked { identity, key, .. }) = self.marked() else { return Ok(()) };
        let Some(found) = self.bucket.look(key).await? else { return Ok(()) };
        // A beat without an answer may have landed after the last.
        let is_ours =
            self.ledger.made(&found) || read(self.bucket, key, identity.name()).await?.is_some();
        if is_ours {
            return self.bucket.delete(&[found.key]).await;
        }
        Err(Error::environment(format!("somebody else has replaced {key}; it was left as it is"))
            .hint("see who writes there"))
    }

    /// Without it there is no run, and no clean-up: a marker that may have been written all the same is taken away
    /// here.
    async fn first_beat(&self) -> Result<()> {
        match self.beat().await {
            Ok(()) => Ok(()),
            Err(Unwritten { error, may_be_there: false }) => Err(error),
            Err(Unwritten { error, may_be_there: true }) => match self.take_marker_back().await {
                Ok(()) => Err(error),
                Err(other) => Err(error.followed_by(other)),
            },
        }
    }

    /// Takes away a marker that may be there, or on its way.
    async fn take_marker_back(&self) -> Result<()> {
        let mut taken = Ok(());
        for _ in 0..TAKEN_BACK_MAX {
            clock::sleep(TAKE_BACK_AFTER).await;
            taken = self.take_marker_away().await;
            if taken.is_ok() {
                return taken;
            }
        }
        let Some(Marked { identity, key, .. }) = self.marked() else { return taken };
        taken.map_err(|error| {
            let why = error.message();
            Error::environment(format!("{key} may have been written and could not be taken away: {why}"))
                .hint(format!(
                    "once the endpoint answers: `tidegate clean TARGET --run {}` removes it if it is there",
                    identity.name()
                ))
        })
    }

    async fn beat(&self) -> Result<(), Unwritten> {
        let Some(Marked { identity, key, began, keeps }) = self.marked() else { return Ok(()) };
        let marker = Marker::alive(identity, *began, *keeps);
        let text = serde_json::to_string(&marker).expect("strings serialise");
        self.ledger.asks_for_object(key, None);
        let etag = self.bucket.put(key, &text).await;
        self.ledger.object_answered(key, etag.as_deref().ok(), etag.is_err());
        etag.map(drop)
    }
}

/// The marker of the run of this name, if nobody else wrote it.
pub(super) async fn read(bucket: &Bucket, key: &str, run: &str) -> Result<Option<Marker>> {
    let text = bucket.read(key).await?;
    Ok(text.as_deref().and_then(|text| Marker::read(text, run)))
}

/// What the run made and, if it goes on after a kill, what it made before: that may land late.
struct Ours<'a> {
    ledger: &'a Ledger,
    before: Option<&'a Lifetime>,
}

impl Ours<'_> {
    /// By what the ledger says and the life before.
    fn whose(&self, made: bool, may_be: bool, before: impl Fn(&Lifetime) -> Whose) -> Whose {
        match self.ledger.ground() {
            _ if made => Whose::Ours,
            _ if self.before.map(before) == Some(Whose::Ours) => Whose::Ours,
            Ground::Shared if !may_be => Whose::Theirs,
            Ground::Own | Ground::Shared => Whose::Unclear,
        }
    }
}

impl Owner for Ours<'_> {
    fn object(&self, object: &ObjectInfo) -> Whose {
        let may_be = self.ledger.may_have_made(&object.key);
        self.whose(self.ledger.made(object), may_be, |before| before.object(object))
    }

    fn upload(&self, open: &OpenUpload) -> Whose {
        let may_be = self.ledger.may_have_begun(&open.upload.key);
        self.whose(self.ledger.began(&open.upload), may_be, |before| before.upload(open))
    }

    fn open_uploads(&self) -> BTreeSet<Upload> {
        self.ledger.open_uploads()
    }

    fn deleted(&self, keys: &[String]) {
        self.ledger.deleted(keys);
    }

    fn aborted(&self, upload: &Upload) {
        self.ledger.upload_ended(upload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Paces;
    use crate::store::Place;
    use crate::store::model::{ModelStore, Retain};
    use crate::storj::Limits;

    #[test]
    fn a_run_whose_marker_cannot_be_written_anew_counts_its_missed_signs_of_life() {
        let missed = clock::simulate(async {
            let limits = Limits {
                key_writes_per_second: Some(1e-6),
                key_writes_burst: 1,
                retry_after: Duration::from_secs(1),
                ..Limits::none()
            };
            let store = ModelStore::new(Default::default(), limits, Retain::Memory, 1);
            let bucket = Bucket::open(&Place::Simulated(store), &Paces::default());
            let claim = Claim::unique(&bucket, "p/", &Identity::new().unwrap()).await;
            let claim = claim.expect("the first is let in");
            let work = async {
                clock::sleep(HEARTBEAT * 5).await;
                Ok(())
            };
            claim.while_alive(work).await.unwrap();
            claim.beats.missed()
        });
        assert!(missed >= 3, "{missed}");
    }

    #[test]
    fn work_that_panics_is_an_error_and_the_clean_up_still_runs() {
        clock::simulate(async {
            let store = ModelStore::new(Default::default(), Limits::none(), Retain::Memory, 1);
            let bucket = Bucket::open(&Place::Simulated(store.clone()), &Paces::default());
            let claim = Claim::unique(&bucket, "p/", &Identity::new().unwrap()).await.unwrap();
            let key = format!("{}object", claim.prefix());
            let work = async {
                claim.ledger().asks_for_object(&key, None);
                bucket.put(&key, "text").await.map_err(|unwritten| unwritten.error)?;
                if store.look().0.len() == 2 {
                    panic!("planned");
                }
                Ok(())
            };
            let error = claim.while_alive(work).await.unwrap_err();
            assert!(error.message().contains("panicked"), "{error}");
            claim.release().await.unwrap();
            assert_eq!(store.look(), (Vec::new(), Vec::new()));
        });
    }
}
