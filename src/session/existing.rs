//! The objects that lie at the target: what of them can be moved, and what cannot, by name.

use super::bucket::{Bucket, Listed};
use super::progress::Progress;
use super::target::Open;
use crate::dataset::{FileSpec, Skipped};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// Of what is skipped, so many are said at once; the result names all.
const SAID: usize = 10;

/// What lies at a target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Existing {
    /// What the keys of all begin with: the target's prefix or, where the target is an object, what is before its
    /// name.
    pub(super) prefix: String,
    /// What is moved, with paths relative to the prefix: at least one.
    pub(super) objects: Vec<FileSpec>,
    /// Objects without bytes whose names end in a slash, as consoles and mkdir(2) over S3 make them: each stands
    /// for a directory. Relative too.
    pub(super) directories: Vec<String>,
    /// What cannot be moved.
    pub(super) skipped: Vec<Skipped>,
}

/// Looks what lies at the target.
///
/// # Errors
/// If nothing does that can be moved, or it cannot be listed.
pub(super) async fn objects(
    open: &Open,
    bucket: &Bucket,
    interrupt: &Interrupt,
) -> Result<Existing> {
    let listed = interrupt.unless_asked(bucket.list(&open.prefix)).await?;
    let existing = Existing::of(&open.prefix, listed);
    if !existing.objects.is_empty() {
        return Ok(existing);
    }
    match interrupt.unless_asked(itself(open, bucket)).await? {
        Some(one) => Ok(one),
        None => Err(existing.none(&open.describe())),
    }
}

/// The object whose key the target is, if there is one.
async fn itself(open: &Open, bucket: &Bucket) -> Result<Option<Existing>> {
    let Some(key) = open.prefix.strip_suffix('/') else { return Ok(None) };
    let Some(object) = bucket.object(key).await? else { return Ok(None) };
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    let prefix = &key[..key.len() - name.len()];
    let listed = Listed { path: name.to_owned(), size_bytes: object.size_bytes };
    Ok(Some(Existing::of(prefix, vec![listed])).filter(|one| !one.objects.is_empty()))
}

impl Existing {
    fn of(prefix: &str, listed: Vec<Listed>) -> Self {
        let mut existing = Self { prefix: prefix.to_owned(), ..Self::default() };
        let repeats = repeats(&listed);
        for (Listed { path, size_bytes }, is_repeat) in listed.into_iter().zip(repeats) {
            match size_bytes {
                _ if is_repeat => existing.skip(path, "the listing shows its key twice"),
                None => existing.skip(path, "the listing gives no size that an object can have"),
                // Without a path it is the marker of the target's own prefix.
                Some(0) if path.is_empty() || path.ends_with('/') => {
                    existing.directories.push(path)
                }
                Some(size_bytes) => existing.objects.push(FileSpec { path, size_bytes }),
            }
        }
        existing
    }

    fn skip(&mut self, path: String, reason: &str) {
        self.skipped.push(Skipped { path, reason: reason.into() });
    }

    /// There is nothing to move.
    fn none(&self, place: &str) -> Error {
        if let [Skipped { path, reason }, ..] = &*self.skipped {
            let message = match self.skipped.len() {
                1 => format!("the 1 object at {place} cannot be moved"),
                count => format!("none of the {count} objects at {place} can be moved"),
            };
            return Error::environment(message).hint(format!("the first is `{path}`: {reason}"));
        }
        let found = match self.directories.len() {
            0 => "there are no objects".to_owned(),
            1 => "there are no objects but 1 that only stands for a directory".to_owned(),
            count => format!("there are no objects but {count} that only stand for directories"),
        };
        Error::environment(format!("{found} at {place}"))
            .hint("on Storj, keys with another passphrase see none of its objects")
    }
}

/// Which entries have the path of one before them. There may be millions: no path is kept twice for this.
fn repeats(listed: &[Listed]) -> Vec<bool> {
    let path = |at: usize| &listed[at].path;
    let mut order: Vec<usize> = (0..listed.len()).collect();
    // Of equal ones the first stays first.
    order.sort_by(|one, other| path(*one).cmp(path(*other)));
    let mut repeats = vec![false; listed.len()];
    for pair in order.windows(2) {
        repeats[pair[1]] = path(pair[0]) == path(pair[1]);
    }
    repeats
}

/// Says what is skipped, from a directory or a listing.
pub(super) fn tell(skipped: &[Skipped], progress: &Progress) {
    for Skipped { path, reason } in skipped.iter().take(SAID) {
        progress.note(&format!("skipped {path}: {reason}"));
    }
    if skipped.len() > SAID {
        progress.note(&format!("skipped {} more", skipped.len() - SAID));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn every_entry_of_a_listing_is_moved_made_or_named(
            entries in prop::collection::vec(("[ab]{1,2}/?", prop::option::of(0_u64..10)), 0..20),
        ) {
            let listed = |(path, size_bytes): &(String, Option<u64>)| Listed {
                path: path.clone(),
                size_bytes: *size_bytes,
            };
            let Existing { objects, directories, skipped, .. } =
                Existing::of("p/", entries.iter().map(listed).collect());
            prop_assert_eq!(objects.len() + directories.len() + skipped.len(), entries.len());
            let moved: HashSet<&str> = objects.iter().map(|file| &*file.path).collect();
            prop_assert_eq!(moved.len(), objects.len());
        }
    }

    #[test]
    fn what_cannot_be_moved_has_a_reason() {
        let listed = |path: &str, size_bytes| Listed { path: path.into(), size_bytes };
        let entries = vec![listed("a", Some(1)), listed("b", None), listed("a", Some(2))];
        let existing = Existing::of("", entries);
        let reasons: Vec<_> =
            existing.skipped.iter().map(|skip| (&*skip.path, &*skip.reason)).collect();
        assert_eq!(
            reasons,
            [
                ("b", "the listing gives no size that an object can have"),
                ("a", "the listing shows its key twice"),
            ]
        );
    }
}
