//! Aborts and deletes what is a run's own below a prefix, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use super::bucket::Bucket;
use crate::clock;
use crate::error::{Error, Result};
use crate::store::{ObjectInfo, OpenUpload, Upload};

/// Looks at what is left before giving up.
const LOOKS_MAX: u32 = 8;

/// Time between two looks: a request that was cut off may still land (ASSUMPTION: within a second).
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Whose something in the bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The run's: it is removed.
    Ours,
    /// Perhaps the run's: it stays, and the user is told.
    Unclear,
    /// Somebody else's.
    Theirs,
}

/// Tells what is a run's own.
pub(super) trait Owner {
    /// Whose an object is.
    fn object(&self, object: &ObjectInfo) -> Whose;
    /// Whose an open upload is.
    fn upload(&self, open: &OpenUpload) -> Whose;
    /// Uploads of the run that are open, even if no listing shows them.
    fn open_uploads(&self) -> BTreeSet<Upload> {
        BTreeSet::new()
    }
    /// These are gone.
    fn deleted(&self, _keys: &[String]) {}
    /// This is gone.
    fn aborted(&self, _upload: &Upload) {}
}

/// What was left because it may be another's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Keys of objects, the first few.
    objects: Vec<String>,
    /// Open uploads, the first few.
    uploads: Vec<Upload>,
    /// Of both, all.
    count: usize,
}

/// So many are named.
const NAMED_MAX: usize = 3;

impl Left {
    fn object(&mut self, key: &str) {
        self.count += 1;
        if self.objects.len() < NAMED_MAX {
            self.objects.push(key.to_owned());
        }
    }

    pub(super) fn upload(&mut self, upload: &Upload) {
        self.count += 1;
        if self.uploads.len() < NAMED_MAX {
            self.uploads.push(upload.clone());
        }
    }

    /// `2 objects or open uploads are not known to be this run's and stay: p/a, the upload 17 of p/b`.
    pub(super) fn sentence(&self) -> Option<String> {
        let uploads =
            self.uploads.iter().map(|Upload { key, id }| format!("the upload {id} of {key}"));
        let named: Vec<String> = self.objects.iter().cloned().chain(uploads).collect();
        let more = if self.count > named.len() { " and more" } else { "" };
        let named = named.join(", ");
        match self.count {
            0 => None,
            1 => Some(format!(
                "1 object or open upload is not known to be this run's and stays: {named}{more}"
            )),
            count => Some(format!(
                "{count} objects or open uploads are not known to be this run's and stay: {named}{more}"
            )),
        }
    }
}

/// What a look found and removed.
struct Look {
    found_ours: bool,
    left: Left,
}

/// A prefix that is swept.
pub(super) struct Sweep<'a, O> {
    pub(super) bucket: &'a Bucket,
    pub(super) prefix: &'a str,
    /// The key of the marker, which goes last.
    pub(super) marker: &'a str,
    pub(super) owner: &'a O,
}

impl<O: Owner> Sweep<'_, O> {
    /// Removes what is found until so many looks in a row find nothing. One thing that cannot be
    /// removed stops nothing else.
    pub(super) async fn until_clean(&self, clean_looks: u32) -> Result<Left> {
        let mut clean = 0;
        let mut trouble = None;
        for look in 0..LOOKS_MAX {
            if look > 1 || clean > 0 {
                clock::sleep(LOOK_AGAIN_AFTER).await;
            }
            let left = match self.look().await {
                Ok(Look { found_ours, left }) => {
                    clean = if found_ours { 0 } else { clean + 1 };
                    left
                }
                // Nobody waits for an endpoint that does not answer any more.
                Err(error) if self.bucket.is_silent() => return Err(error),
                Err(error) => {
                    trouble = Some(error);
                    continue;
                }
            };
            if clean == clean_looks {
                return Ok(left);
            }
        }
        let something_new = || {
            Error::environment(format!("there is always more below {}", self.prefix))
                .hint("see whether something else writes there, and delete the rest by hand")
        };
        Err(trouble.unwrap_or_else(something_new))
    }

    /// One look, and everything is removed that it finds. The first error, after all was tried.
    async fn look(&self) -> Result<Look> {
        let mut look = Look { found_ours: false, left: Left::default() };
        let uploads = self.uploads(&mut look).await;
        let objects = self.objects(&mut look).await;
        uploads.and(objects).map(|()| look)
    }

    async fn uploads(&self, look: &mut Look) -> Result<()> {
        let mut ours = self.owner.open_uploads();
        ours.retain(|upload| upload.key.starts_with(self.prefix));
        let listed = self.bucket.uploads(self.prefix).await;
        for open in listed.as_ref().into_iter().flatten() {
            match self.owner.upload(open) {
                // A server may list what was not asked for.
                _ if !open.upload.key.starts_with(self.prefix) => {}
                Whose::Ours => drop(ours.insert(open.upload.clone())),
                Whose::Unclear => look.left.upload(&open.upload),
                Whose::Theirs => {}
            }
        }
        look.found_ours |= !ours.is_empty();
        let aborted = self.bucket.abort(&ours).await;
        if aborted.is_ok() {
            ours.iter().for_each(|upload| self.owner.aborted(upload));
        }
        listed.and(aborted)
    }

    async fn objects(&self, look: &mut Look) -> Result<()> {
        let mut outcome = Ok(());
        let listed = self.bucket.each_page(self.prefix, async |objects| {
            let mut ours = Vec::new();
            for object in objects {
                match self.owner.object(&object) {
                    _ if object.key == self.marker || !object.key.starts_with(self.prefix) => {}
                    Whose::Ours => ours.push(object.key),
                    Whose::Unclear => look.left.object(&object.key),
                    Whose::Theirs => {}
                }
            }
            look.found_ours |= !ours.is_empty();
            match self.bucket.delete(&ours).await {
                Ok(()) => self.owner.deleted(&ours),
                Err(error) if outcome.is_ok() => outcome = Err(error),
                Err(_) => {}
            }
        });
        listed.await.and(outcome)
    }
}
