//! All buckets of a project.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::bucket::{Bucket, Rules};
use super::refusal::Refusal;

/// Which buckets exist without having been created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Any, from its first use.
    Any,
    /// None.
    Created,
}

/// All buckets of a project.
#[derive(Debug)]
pub struct Buckets<C> {
    admission: Admission,
    rules: Rules,
    buckets: BTreeMap<String, Bucket<C>>,
}

impl<C> Buckets<C> {
    /// No buckets yet.
    pub fn new(admission: Admission, rules: Rules) -> Self {
        Self { admission, rules, buckets: BTreeMap::new() }
    }

    /// CreateBucket.
    ///
    /// # Errors
    /// [`Refusal::BucketAlreadyExists`].
    pub fn create(&mut self, name: &str, now: SystemTime) -> Result<(), Refusal> {
        if self.buckets.contains_key(name) {
            return Err(Refusal::BucketAlreadyExists);
        }
        self.buckets.insert(name.to_owned(), Bucket::new(now, self.rules));
        Ok(())
    }

    /// Whether a bucket may be deleted.
    ///
    /// # Errors
    /// If it does not exist or is not empty.
    pub fn check_delete(&self, name: &str) -> Result<(), Refusal> {
        let bucket = self.buckets.get(name).ok_or(Refusal::NoSuchBucket)?;
        if bucket.is_empty() { Ok(()) } else { Err(Refusal::BucketNotEmpty) }
    }

    /// DeleteBucket.
    ///
    /// # Errors
    /// Those of [`Buckets::check_delete`].
    pub fn delete(&mut self, name: &str) -> Result<(), Refusal> {
        self.check_delete(name)?;
        self.buckets.remove(name);
        Ok(())
    }

    /// The bucket of this name.
    ///
    /// # Errors
    /// [`Refusal::NoSuchBucket`].
    pub fn bucket(&mut self, name: &str, now: SystemTime) -> Result<&mut Bucket<C>, Refusal> {
        if self.admission == Admission::Any && !self.buckets.contains_key(name) {
            self.buckets.insert(name.to_owned(), Bucket::new(now, self.rules));
        }
        self.buckets.get_mut(name).ok_or(Refusal::NoSuchBucket)
    }

    /// ListBuckets: names and times of creation, in order of name.
    pub fn names(&self) -> impl Iterator<Item = (&str, SystemTime)> {
        self.buckets.iter().map(|(name, bucket)| (name.as_str(), bucket.created()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storj::{Attributes, Limits, Object, Overwrite, UploadId};

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn buckets(admission: Admission) -> Buckets<()> {
        Buckets::new(admission, Limits::storj().rules())
    }

    fn object() -> Object<()> {
        Object {
            etag: "e".into(),
            modified: NOW,
            attributes: Attributes::default(),
            pieces: Vec::new(),
        }
    }

    #[test]
    fn a_bucket_is_created_once() {
        let mut buckets = buckets(Admission::Created);
        assert_eq!(buckets.create("a", NOW), Ok(()));
        assert_eq!(buckets.create("a", NOW), Err(Refusal::BucketAlreadyExists));
    }

    #[test]
    fn an_unknown_bucket_exists_only_if_any_is_admitted() {
        let mut strict = buckets(Admission::Created);
        assert_eq!(strict.bucket("a", NOW).err(), Some(Refusal::NoSuchBucket));
        let mut open = buckets(Admission::Any);
        assert!(open.bucket("a", NOW).is_ok());
        assert_eq!(open.create("a", NOW), Err(Refusal::BucketAlreadyExists));
    }

    #[test]
    fn only_an_empty_bucket_can_be_deleted() {
        let mut buckets = buckets(Admission::Created);
        assert_eq!(buckets.delete("a"), Err(Refusal::NoSuchBucket));
        buckets.create("a", NOW).unwrap();

        buckets.bucket("a", NOW).unwrap().put("k", object(), Overwrite::Allowed).unwrap();
        assert_eq!(buckets.delete("a"), Err(Refusal::BucketNotEmpty));
        buckets.bucket("a", NOW).unwrap().remove("k");

        let id = UploadId::new(1);
        buckets.bucket("a", NOW).unwrap().create_upload("k", id, Attributes::default(), NOW);
        assert_eq!(buckets.delete("a"), Err(Refusal::BucketNotEmpty));
        buckets.bucket("a", NOW).unwrap().abort_upload("k", id);

        assert_eq!(buckets.delete("a"), Ok(()));
        assert_eq!(buckets.bucket("a", NOW).err(), Some(Refusal::NoSuchBucket));
    }
}
