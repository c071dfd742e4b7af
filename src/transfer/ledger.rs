//! What a run has made in a bucket: this alone it may delete or abort.
//!
//! A key says nothing about who wrote it: another program may have replaced an object, or begun an upload of
//! the same name. So an object is a run's own if its PutObject or CompleteMultipartUpload was answered and it
//! still has the ETag of that answer, an upload if its id was the answer. What was asked for without an answer is
//! in doubt: below a prefix of the run's own it is taken to be the run's, in a place that others may write
//! to only if it has the ETag that it was to get.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{ObjectInfo, Upload};

/// Whose the place is that a run writes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// The run's alone: nobody else knows its name.
    #[default]
    Own,
    /// A place of the user's, in which other programs may write too.
    Shared,
}

/// Hears of each upload that is begun and ended, so that its id is known also after a kill.
pub trait Journal: Send {
    /// An upload was begun.
    fn begun(&mut self, upload: &Upload);
    /// It was completed or aborted.
    fn ended(&mut self, upload: &Upload);
}

/// The list. Its threads share it: it is asked a few times for each object, never for a block.
#[derive(Default)]
pub struct Ledger {
    ground: Ground,
    hasher: RandomState,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// Hashes of keys, and of the ETags that they were answered with: a million objects take 40 MB.
    made: HashMap<u64, u64>,
    /// Keys of objects that may have been made, with the ETag that they would have, if that is known.
    in_doubt: HashMap<String, Option<String>>,
    /// Keys of uploads that may have been begun.
    may_be_open: HashSet<String>,
    open: BTreeSet<Upload>,
    journal: Option<Box<dyn Journal>>,
}

impl Ledger {
    /// Of a run that writes to a place of the user's.
    pub fn shared(journal: Option<Box<dyn Journal>>) -> Self {
        let entries = Mutex::new(Entries { journal, ..Entries::default() });
        Self { ground: Ground::Shared, entries, ..Self::default() }
    }

    /// An object is about to be asked for. `etag` is the one that it will get, if that is known.
    pub fn asks_for_object(&self, key: &str, etag: Option<String>) {
        self.entries().in_doubt.insert(key.to_owned(), etag);
    }

    /// The last answer: the ETag of what was made, if anything was. An earlier attempt may be `in_doubt`.
    pub fn object_answered(&self, key: &str, etag: Option<&str>, in_doubt: bool) {
        let mut entries = self.entries();
        if let Some(etag) = etag {
            entries.made.insert(self.hash(key), self.hash(unquoted(etag)));
        }
        if !in_doubt {
            entries.in_doubt.remove(key);
        }
    }

    /// An upload is about to be asked for.
    pub fn asks_for_upload(&self, key: &str) {
        self.entries().may_be_open.insert(key.to_owned());
    }

    /// The last answer: the upload that was begun, if one was. An earlier attempt may be `in_doubt`.
    pub fn upload_answered(&self, key: &str, upload: Option<&Upload>, in_doubt: bool) {
        let mut entries = self.entries();
        if let Some(upload) = upload {
            entries.open.insert(upload.clone());
            entries.journal.iter_mut().for_each(|journal| journal.begun(upload));
        }
        if !in_doubt {
            entries.may_be_open.remove(key);
        }
    }

    /// An upload was completed or aborted.
    pub fn upload_ended(&self, upload: &Upload) {
        let mut entries = self.entries();
        if entries.open.remove(upload) {
            entries.journal.iter_mut().for_each(|journal| journal.ended(upload));
        }
    }

    /// Uploads that were begun and neither completed nor aborted.
    pub fn open_uploads(&self) -> BTreeSet<Upload> {
        self.entries().open.clone()
    }

    /// Objects that were deleted are no longer the run's: who writes there now is another.
    pub fn deleted<'a>(&self, keys: impl IntoIterator<Item = &'a String>) {
        let mut entries = self.entries();
        for key in keys {
            entries.made.remove(&self.hash(key));
        }
    }

    /// Whether the run made this object, as it is.
    pub fn made(&self, object: &ObjectInfo) -> bool {
        let entries = self.entries();
        let etag = object.etag.as_deref().map(unquoted).filter(|etag| !etag.is_empty());
        let answered = entries.made.get(&self.hash(&object.key));
        let is_as_answered = match (answered, etag) {
            (Some(hash), Some(etag)) => *hash == self.hash(etag),
            // Nothing tells it from another: below its own prefix it is the run's.
            (Some(_), None) => self.ground == Ground::Own,
            (None, _) => false,
        };
        let may_be = match (entries.in_doubt.get(&object.key), self.ground) {
            (None, _) => false,
            (Some(_), Ground::Own) => true,
            (Some(expected), Ground::Shared) => etag.is_some() && expected.as_deref() == etag,
        };
        is_as_answered || may_be
    }

    /// Whether the run began this upload.
    pub fn began(&self, upload: &Upload) -> bool {
        let entries = self.entries();
        // One whose answer was lost has no parts: nobody knew its id. In a place of others it may stay.
        let may_be = self.ground == Ground::Own && entries.may_be_open.contains(&upload.key);
        may_be || entries.open.contains(upload)
    }

    /// Whether an object of this key may be the run's, though nothing proves it.
    pub fn may_have_made(&self, key: &str) -> bool {
        let entries = self.entries();
        entries.in_doubt.contains_key(key) || entries.made.contains_key(&self.hash(key))
    }

    /// Whether an upload of this key may be the run's, though nothing proves it.
    pub fn may_have_begun(&self, key: &str) -> bool {
        self.entries().may_be_open.contains(key)
    }

    /// Whether the run made an object of this key, and no attempt at it is without an answer.
    #[cfg(test)]
    pub(crate) fn is_settled(&self, key: &str) -> bool {
        let entries = self.entries();
        entries.made.contains_key(&self.hash(key)) && !entries.in_doubt.contains_key(key)
    }

    /// Whether an upload may have been begun that could not be told from another's.
    pub fn lacks_an_id(&self) -> bool {
        self.ground == Ground::Shared && !self.entries().may_be_open.is_empty()
    }

    /// Whether others may write where the run does.
    pub fn ground(&self) -> Ground {
        self.ground
    }

    fn hash(&self, text: &str) -> u64 {
        self.hasher.hash_one(text)
    }

    /// A thread that panicked has left the list as whole as any: each entry is one insertion.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("ground", &self.ground).finish_non_exhaustive()
    }
}

fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, etag: Option<&str>) -> ObjectInfo {
        ObjectInfo {
            key: key.into(),
            size_bytes: Some(1),
            etag: etag.map(Into::into),
            modified: None,
        }
    }

    fn upload(id: &str) -> Upload {
        Upload { key: "k".into(), id: id.into() }
    }

    #[test]
    fn an_object_is_the_runs_as_long_as_it_has_the_etag_of_the_answer() {
        for ledger in [Ledger::default(), Ledger::shared(None)] {
            ledger.asks_for_object("k", None);
            ledger.object_answered("k", Some("\"a\""), false);
            assert!(ledger.made(&object("k", Some("\"a\""))));
            assert!(ledger.made(&object("k", Some("a"))), "some listings leave the quotes out");
            assert!(!ledger.made(&object("k", Some("\"b\""))), "it was replaced");
            assert!(!ledger.made(&object("other", Some("\"a\""))));
            ledger.deleted([&"k".to_owned()]);
            assert!(!ledger.made(&object("k", Some("\"a\""))), "somebody wrote it again");
        }
    }

    #[test]
    fn what_was_refused_is_not_the_runs() {
        let ledger = Ledger::default();
        ledger.asks_for_object("k", None);
        ledger.object_answered("k", None, false);
        ledger.asks_for_upload("k");
        ledger.upload_answered("k", None, false);
        assert!(!ledger.made(&object("k", Some("\"a\""))));
        assert!(!ledger.began(&upload("1")));
    }

    #[test]
    fn what_is_in_doubt_is_the_runs_only_below_its_own_prefix() {
        for (ledger, own) in [(Ledger::default(), true), (Ledger::shared(None), false)] {
            ledger.asks_for_object("k", None);
            ledger.asks_for_upload("k");
            assert_eq!(ledger.made(&object("k", Some("\"a\""))), own);
            assert_eq!(ledger.made(&object("k", None)), own);
            assert_eq!(ledger.began(&upload("1")), own);
        }
    }

    #[test]
    fn what_is_in_doubt_in_a_shared_place_is_known_by_the_etag_it_was_to_get() {
        let ledger = Ledger::shared(None);
        ledger.asks_for_object("k", Some("a-2".into()));
        assert!(ledger.made(&object("k", Some("\"a-2\""))));
        assert!(!ledger.made(&object("k", Some("\"b-2\""))));
    }

    #[test]
    fn an_upload_is_known_by_its_id_until_it_ends() {
        let ledger = Ledger::shared(None);
        ledger.asks_for_upload("k");
        ledger.upload_answered("k", Some(&upload("1")), false);
        assert!(ledger.began(&upload("1")) && !ledger.began(&upload("2")));
        assert_eq!(ledger.open_uploads(), [upload("1")].into());
        ledger.upload_ended(&upload("1"));
        assert!(!ledger.began(&upload("1")) && ledger.open_uploads().is_empty());
    }
}
