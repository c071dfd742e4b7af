//! One bucket: its objects, and its open multipart uploads.

mod upload;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::object::Object;
use super::objects::Objects;
use super::refusal::Refusal;

pub use upload::{ListedPart, Part, PartNumber, Upload, UploadId};
pub use versions::{Deleted, Listed, ObjectLock, VersionId, Versioning};

use versions::Past;

/// Whether an upload may replace an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Yes.
    Allowed,
    /// No: the request said `If-None-Match: *`, the only form that Storj supports.
    Refused,
}

/// How large and how many parts may be ([`super::Limits`] says where the numbers come from).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Smallest part other than the last.
    pub part_size_min_bytes: u64,
    /// Largest part.
    pub part_size_max_bytes: u64,
    /// Highest part number.
    pub part_number_max: u16,
}

/// One bucket.
#[derive(Debug)]
pub struct Bucket<C> {
    created: SystemTime,
    pub(super) rules: Rules,
    pub(super) objects: Objects<C>,
    uploads: BTreeMap<UploadId, Upload<C>>,
    versioning: Versioning,
    lock: ObjectLock,
    /// What was overwritten or deleted, in buckets that keep versions: the oldest first.
    past: BTreeMap<String, Vec<Past<C>>>,
    /// When which keys may have objects to delete. An object that was overwritten meanwhile has a time of its own.
    deadlines: BTreeSet<(SystemTime, String)>,
}

impl<C> Bucket<C> {
    pub(super) fn new(created: SystemTime, rules: Rules) -> Self {
        Self {
            created,
            rules,
            objects: Objects::new(),
            uploads: BTreeMap::new(),
            versioning: Versioning::Never,
            lock: ObjectLock::Disabled,
            past: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// When it was created.
    pub fn created(&self) -> SystemTime {
        self.created
    }

    /// Whether it has neither objects, versions of them, nor open uploads.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.past.is_empty() && self.uploads.is_empty()
    }

    /// Removes the objects that were to be deleted by now, and answers with their keys and themselves.
    pub fn expire(&mut self, now: SystemTime) -> Vec<(String, Arc<Object<C>>)> {
        let mut gone = Vec::new();
        while self.deadlines.first().is_some_and(|(at, _)| *at <= now) {
            let Some((at, key)) = self.deadlines.pop_first() else { break };
            let is_due = |object: &Arc<Object<C>>| object.attributes.delete_at == Some(at);
            if self.objects.get(&key).is_some_and(is_due)
                && let Some(object) = self.objects.remove(&key)
            {
                gone.push((key, object));
            }
        }
        gone
    }

    /// The object of this key.
    ///
    /// # Errors
    /// [`Refusal::NoSuchKey`].
    pub fn object(&self, key: &str) -> Result<&Arc<Object<C>>, Refusal> {
        self.objects.get(key).ok_or(Refusal::NoSuchKey)
    }

    /// Whether an object of this key may be uploaded.
    ///
    /// # Errors
    /// [`Refusal::PreconditionFailed`].
    pub fn check_overwrite(&self, key: &str, overwrite: Overwrite) -> Result<(), Refusal> {
        match overwrite {
            Overwrite::Refused if self.objects.contains(key) => Err(Refusal::PreconditionFailed),
            _ => Ok(()),
        }
    }

    /// PutObject; answers with the object that was replaced.
    ///
    /// # Errors
    /// [`Refusal::PreconditionFailed`].
    pub fn put(
        &mut self,
        key: &str,
        object: Object<C>,
        overwrite: Overwrite,
    ) -> Result<Option<Arc<Object<C>>>, Refusal> {
        self.check_overwrite(key, overwrite)?;
        Ok(self.publish(key, Arc::new(object), None))
    }

    /// Makes an object visible that was made elsewhere, and ends the upload that it comes from; answers with the
    /// object that was replaced, unless it stays as a version.
    pub fn publish(
        &mut self,
        key: &str,
        object: Arc<Object<C>>,
        ends: Option<UploadId>,
    ) -> Option<Arc<Object<C>>> {
        if let Some(id) = ends {
            self.uploads.remove(&id);
        }
        if let Some(at) = object.attributes.delete_at {
            self.deadlines.insert((at, key.to_owned()));
        }
        let replaced = self.objects.insert(key, object)?;
        if self.versioning == Versioning::Never {
            return Some(replaced);
        }
        self.past.entry(key.to_owned()).or_default().push(Past::Object(replaced));
        None
    }

    /// Gives an object these tags and no others.
    ///
    /// # Errors
    /// [`Refusal::NoSuchKey`].
    pub fn set_tags(&mut self, key: &str, tags: Vec<(String, String)>) -> Result<(), Refusal>
    where
        C: Clone,
    {
        let object = self.objects.get_mut(key).ok_or(Refusal::NoSuchKey)?;
        Arc::make_mut(object).attributes.tags = tags;
        Ok(())
    }

    /// Removes the object without keeping a version, and answers with it. That there is none is no error.
    pub fn remove(&mut self, key: &str) -> Option<Arc<Object<C>>> {
        self.objects.remove(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storj::{Attributes, Limits, Piece};

    fn bucket() -> Bucket<u8> {
        Bucket::new(SystemTime::UNIX_EPOCH, Limits::storj().rules())
    }

    fn object(content: u8) -> Object<u8> {
        Object {
            etag: content.to_string(),
            modified: SystemTime::UNIX_EPOCH,
            attributes: Attributes::default(),
            pieces: vec![Piece { size_bytes: 1, content }],
        }
    }

    #[test]
    fn the_last_put_wins_and_hands_back_what_it_replaced() {
        let mut bucket = bucket();
        assert_eq!(bucket.put("k", object(1), Overwrite::Allowed), Ok(None));
        let replaced = bucket.put("k", object(2), Overwrite::Allowed).unwrap().unwrap();
        assert_eq!(*replaced, object(1));
        assert_eq!(**bucket.object("k").unwrap(), object(2));
    }

    #[test]
    fn an_object_is_not_replaced_when_the_client_forbids_it() {
        let mut bucket = bucket();
        assert_eq!(bucket.put("k", object(1), Overwrite::Refused), Ok(None));
        let second = bucket.put("k", object(2), Overwrite::Refused);
        assert_eq!(second, Err(Refusal::PreconditionFailed));
        assert_eq!(**bucket.object("k").unwrap(), object(1));
    }

    #[test]
    fn an_object_is_deleted_at_its_time_unless_it_was_overwritten() {
        let second = |second| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
        let until = |content, at| {
            let delete_at = Some(second(at));
            Object {
                attributes: Attributes { delete_at, ..Attributes::default() },
                ..object(content)
            }
        };
        let mut bucket = bucket();
        bucket.put("a", until(1, 10), Overwrite::Allowed).unwrap();
        bucket.put("b", until(2, 10), Overwrite::Allowed).unwrap();
        bucket.put("b", until(3, 20), Overwrite::Allowed).unwrap();
        assert!(bucket.expire(second(9)).is_empty());
        let keys =
            |gone: Vec<(String, _)>| gone.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(bucket.expire(second(10))), ["a"]);
        assert!(bucket.object("b").is_ok());
        assert_eq!(keys(bucket.expire(second(30))), ["b"]);
    }

    #[test]
    fn a_missing_key_can_be_deleted_but_not_read() {
        let mut bucket = bucket();
        assert_eq!(bucket.remove("k"), None);
        assert_eq!(bucket.object("k"), Err(Refusal::NoSuchKey));
    }
}
