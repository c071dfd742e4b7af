//! The objects that lie at the target: what of them can be moved, and what cannot, by name.

use std::collections::HashSet;

use super::bucket::{Bucket, Listed};
use super::progress::Progress;
use super::target::Open;
use crate::dataset::{FileSpec, Skipped};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// Of what is skipped, so many are said at once; the result names all.
const SAID: usize = 10;

/// What a listing shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Existing {
    /// What is moved: at least one.
    pub(super) objects: Vec<FileSpec>,
    /// What cannot be.
    pub(super) skipped: Vec<Skipped>,
}

/// Lists the target.
pub(super) async fn objects(
    open: &Open,
    bucket: &Bucket,
    interrupt: &Interrupt,
) -> Result<Existing> {
    let listed = interrupt.unless_asked(bucket.list(&open.prefix)).await?;
    let existing = Existing::of(listed);
    match (&*existing.objects, &*existing.skipped) {
        ([], []) => Err(Error::environment(format!("there are no objects at {}", open.describe()))
            .hint("on Storj, keys with another passphrase see none of its objects")),
        ([], [first, ..]) => {
            let count = existing.skipped.len();
            let Skipped { path, reason } = first;
            let message =
                format!("none of the {count} objects at {} can be moved", open.describe());
            Err(Error::environment(message).hint(format!("the first is `{path}`: {reason}")))
        }
        _ => Ok(existing),
    }
}

impl Existing {
    fn of(listed: Vec<Listed>) -> Self {
        let mut existing = Self::default();
        let mut paths = HashSet::with_capacity(listed.len());
        for Listed { path, size_bytes } in listed {
            match size_bytes {
                _ if !paths.insert(path.clone()) => {
                    existing.skip(path, "the listing shows its key twice")
                }
                None => existing.skip(path, "the listing tells no size that it can have"),
                Some(size_bytes) => existing.objects.push(FileSpec { path, size_bytes }),
            }
        }
        existing
    }

    fn skip(&mut self, path: String, reason: &str) {
        self.skipped.push(Skipped { path, reason: reason.into() });
    }
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

    proptest! {
        #[test]
        fn every_entry_of_a_listing_is_moved_or_named(
            entries in prop::collection::vec(("[ab]{1,2}", prop::option::of(0_u64..10)), 0..20),
        ) {
            let listed = |(path, size_bytes): &(String, Option<u64>)| Listed {
                path: path.clone(),
                size_bytes: *size_bytes,
            };
            let existing = Existing::of(entries.iter().map(listed).collect());
            prop_assert_eq!(existing.objects.len() + existing.skipped.len(), entries.len());
            let moved: HashSet<&str> = existing.objects.iter().map(|file| &*file.path).collect();
            prop_assert_eq!(moved.len(), existing.objects.len());
        }
    }

    #[test]
    fn what_cannot_be_moved_has_a_reason() {
        let listed = |path: &str, size_bytes| Listed { path: path.into(), size_bytes };
        let existing =
            Existing::of(vec![listed("a", Some(1)), listed("b", None), listed("a", Some(2))]);
        let reasons: Vec<_> =
            existing.skipped.iter().map(|skip| (&*skip.path, &*skip.reason)).collect();
        assert_eq!(
            reasons,
            [
                ("b", "the listing tells no size that it can have"),
                ("a", "the listing shows its key twice"),
            ]
        );
    }
}
