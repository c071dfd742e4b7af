//! The versions of objects, in buckets that keep them.
//!
//! Kept in memory, as far as clients meet them: an id for every version, markers of deletion, and reading or
//! deleting one version. What Storj does beside that while versioning is suspended is simpler here: a bucket that
//! kept versions once goes on keeping them, so that nothing is lost.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use super::Bucket;
use crate::storj::object::Object;
use crate::storj::objects::Place;
use crate::storj::refusal::Refusal;

/// Whether a bucket keeps what is overwritten or deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// It never did.
    #[default]
    Never,
    /// It does.
    Enabled,
    /// It did, and was told to stop.
    Suspended,
}

/// Whether objects of a bucket can be locked against deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectLock {
    /// No.
    #[default]
    Disabled,
    /// Yes: decided when the bucket was created.
    Enabled,
}

/// Names a version of an object: as Storj writes it, a count and 8 bytes, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionId {
    count: u64,
    distinct: u64,
}

impl VersionId {
    /// Of an object, which differs from others of its key in its ETag or its date.
    fn of<C>(object: &Object<C>) -> Self {
        Self { count: 1, distinct: hash(&(&object.etag, object.modified)) }
    }

    fn of_marker(key: &str, modified: SystemTime) -> Self {
        Self { count: 2, distinct: hash(&(key, modified)) }
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.count, self.distinct)
    }
}

impl FromStr for VersionId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let number =
            |digits: Option<&str>| digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        match (number(text.get(..16)), number(text.get(16..)), text.len()) {
            (Some(count), Some(distinct), 32) => Ok(Self { count, distinct }),
            _ => Err(Refusal::NoSuchVersion),
        }
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What is not, or not any more, the object of its key.
#[derive(Debug)]
pub enum Past<C> {
    /// An object that was overwritten or deleted.
    Object(Arc<Object<C>>),
    /// A deletion.
    Marker {
        /// Its id.
        id: VersionId,
        /// When that was.
        modified: SystemTime,
    },
}

impl<C> Past<C> {
    fn id(&self) -> VersionId {
        match self {
            Self::Object(object) => VersionId::of(object),
            Self::Marker { id, .. } => *id,
        }
    }
}

/// One version in a listing.
#[derive(Debug)]
pub struct Listed<'a, C> {
    /// Its key.
    pub key: &'a str,
    /// Its id.
    pub id: VersionId,
    /// Whether it is what who names only the key gets.
    pub is_latest: bool,
    /// When it came.
    pub modified: SystemTime,
    /// The object; a marker has none.
    pub object: Option<&'a Object<C>>,
}

/// What became of a deletion.
#[derive(Debug)]
pub struct Deleted<C> {
    /// The version that was removed, or the marker that was added. Storj names none where there was nothing.
    pub id: Option<VersionId>,
    /// Whether `id` is that of a marker.
    pub is_marker: bool,
    /// What is gone.
    pub gone: Option<Arc<Object<C>>>,
}

impl<C> Bucket<C> {
    /// Whether it keeps versions.
    pub fn versioning(&self) -> Versioning {
        self.versioning
    }

    /// PutBucketVersioning.
    pub fn set_versioning(&mut self, versioning: Versioning) {
        self.versioning = versioning;
    }

    /// Whether its objects can be locked.
    pub fn lock(&self) -> ObjectLock {
        self.lock
    }

    /// Makes a bucket of locked objects of a new one; such buckets keep versions.
    pub fn enable_lock(&mut self) {
        self.lock = ObjectLock::Enabled;
        self.versioning = Versioning::Enabled;
    }

    /// The id of an object, where the bucket's answers name it.
    pub fn version_of(&self, object: &Object<C>) -> Option<VersionId> {
        (self.versioning != Versioning::Never).then(|| VersionId::of(object))
    }

    /// This version of the object.
    ///
    /// # Errors
    /// [`Refusal::NoSuchVersion`]; also of a marker, which nobody can read.
    pub fn version(&self, key: &str, id: VersionId) -> Result<&Arc<Object<C>>, Refusal> {
        let latest = self.objects.get(key).filter(|object| VersionId::of(object) == id);
        let past = || {
            self.past(key).iter().find_map(|past| match past {
                Past::Object(object) if VersionId::of(object) == id => Some(object),
                _ => None,
            })
        };
        latest.or_else(past).ok_or(Refusal::NoSuchVersion)
    }

    /// Whether the object of this key is what is named: it, or this version of it.
    pub fn is_current(&self, key: &str, id: Option<VersionId>) -> bool {
        let is_named = |object: &Arc<Object<C>>| id.is_none_or(|id| VersionId::of(object) == id);
        self.objects.get(key).is_some_and(is_named)
    }

    /// DeleteObject. That there is nothing to delete is no error.
    pub fn delete(&mut self, key: &str, now: SystemTime) -> Deleted<C> {
        if self.versioning == Versioning::Never {
            let gone = self.remove(key);
            let id = gone.as_deref().map(VersionId::of);
            return Deleted { id, is_marker: false, gone };
        }
        let id = VersionId::of_marker(key, now);
        let object = self.objects.remove(key).map(Past::Object);
        let past = self.past.entry(key.to_owned()).or_default();
        past.extend(object);
        past.push(Past::Marker { id, modified: now });
        Deleted { id: Some(id), is_marker: true, gone: None }
    }

    /// DeleteObject of one version. What was before it is the object again. That there is none is no error.
    pub fn delete_version(&mut self, key: &str, id: VersionId) -> Deleted<C> {
        let is_latest = self.objects.get(key).is_some_and(|object| VersionId::of(object) == id);
        let mut deleted = Deleted { id: Some(id), is_marker: false, gone: None };
        if is_latest {
            deleted.gone = self.objects.remove(key);
        } else if let Some(past) = self.past.get_mut(key)
            && let Some(place) = past.iter().position(|past| past.id() == id)
        {
            match past.remove(place) {
                Past::Object(object) => deleted.gone = Some(object),
                Past::Marker { .. } => deleted.is_marker = true,
            }
        }
        self.restore_latest(key);
        deleted
    }

    /// Makes the newest of the past the object of its key, if that has none and the newest is no marker.
    fn restore_latest(&mut self, key: &str) {
        let Some(past) = self.past.get_mut(key) else { return };
        if !self.objects.contains(key)
            && let Some(Past::Object(object)) = past.pop_if(|last| matches!(last, Past::Object(_)))
        {
            self.objects.insert(key, object);
        }
        if past.is_empty() {
            self.past.remove(key);
        }
    }

    /// ListObjectVersions: those whose keys begin with `prefix` and come behind the key `after`, or behind this
    /// version of it. Keys are in Storj's order, and of one key the newest comes first.
    pub fn versions(
        &self,
        prefix: &str,
        after: &str,
        version: Option<VersionId>,
    ) -> Vec<Listed<'_, C>> {
        // Unless something has that very key, a marker that is the prefix is none.
        let has_key = self.objects.contains(after) || self.past.contains_key(after);
        let is_marker = !after.is_empty() && (after != prefix || has_key);
        let begin = Some(after).filter(|_| is_marker);
        let begin = begin.map(Place::of);
        let keys = self.objects.keys().chain(self.past.keys().map(String::as_str));
        let keys = keys.filter(|key| key.starts_with(prefix)).map(|key| (Place::of(key), key));
        let is_behind = |place: &Place| begin.as_ref().is_none_or(|begin| place > begin);
        let keys: BTreeMap<Place, &str> = keys.filter(|(place, _)| is_behind(place)).collect();
        let rest = self.versions_of(after);
        // If that version is gone, all that there are of its key come again.
        let behind = match version {
            None => rest.len(),
            Some(id) => rest.iter().position(|listed| listed.id == id).map_or(0, |place| place + 1),
        };
        let rest = rest.into_iter().skip(behind);
        let rest = rest.filter(|listed| listed.key.starts_with(prefix));
        rest.chain(keys.into_values().flat_map(|key| self.versions_of(key))).collect()
    }

    fn versions_of(&self, key: &str) -> Vec<Listed<'_, C>> {
        let object = self.objects.entry(key);
        let Some(key) =
            object.map(|(key, _)| key).or_else(|| Some(self.past.get_key_value(key)?.0.as_str()))
        else {
            return Vec::new();
        };
        let latest = object.map(|(_, object)| object);
        let objects =
            latest.map(|object| (VersionId::of(object), object.modified, Some(&**object)));
        let past = self.past(key).iter().rev().map(|past| match past {
            Past::Object(object) => (VersionId::of(object), object.modified, Some(&**object)),
            Past::Marker { id, modified } => (*id, *modified, None),
        });
        let all = objects.into_iter().chain(past).enumerate();
        all.map(|(place, (id, modified, object))| Listed {
            key,
            id,
            is_latest: place == 0,
            modified,
            object,
        })
        .collect()
    }

    fn past(&self, key: &str) -> &[Past<C>] {
        self.past.get(key).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storj::{Attributes, Limits, Overwrite};
    use std::time::Duration;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn bucket(versioning: Versioning) -> Bucket<()> {
        let mut bucket = Bucket::new(at(0), Limits::storj().rules());
        bucket.set_versioning(versioning);
        bucket
    }

    fn put(bucket: &mut Bucket<()>, etag: &str) -> Option<VersionId> {
        let object = Object {
            etag: etag.into(),
            modified: at(1),
            attributes: Attributes::default(),
            pieces: Vec::new(),
        };
        bucket.put("k", object, Overwrite::Allowed).unwrap();
        bucket.version_of(bucket.object("k").unwrap())
    }

    fn etag(bucket: &Bucket<()>) -> Option<&str> {
        bucket.object("k").ok().map(|object| object.etag.as_str())
    }

    #[test]
    fn a_bucket_without_versions_forgets_what_is_overwritten_or_deleted() {
        let mut bucket = bucket(Versioning::Never);
        assert_eq!(put(&mut bucket, "1"), None);
        put(&mut bucket, "2");
        assert_eq!(bucket.versions("", "", None).len(), 1);
        let deleted = bucket.delete("k", at(2));
        assert!(deleted.id.is_some() && !deleted.is_marker && deleted.gone.is_some());
        assert_eq!(bucket.delete("k", at(3)).id, None, "there was nothing");
        assert!(bucket.is_empty());
    }

    #[test]
    fn what_is_overwritten_or_deleted_can_be_read_by_its_version() {
        let mut bucket = bucket(Versioning::Enabled);
        let first = put(&mut bucket, "1").unwrap();
        let second = put(&mut bucket, "2").unwrap();
        let deleted = bucket.delete("k", at(2));
        assert!(deleted.is_marker && deleted.gone.is_none());
        assert_eq!(bucket.object("k").err(), Some(Refusal::NoSuchKey));
        assert_eq!(bucket.version("k", first).unwrap().etag, "1");
        assert_eq!(bucket.version("k", second).unwrap().etag, "2");
        let marker = deleted.id.unwrap();
        assert_eq!(bucket.version("k", marker).err(), Some(Refusal::NoSuchVersion));
        let listed: Vec<_> =
            bucket.versions("k", "", None).iter().map(|v| (v.id, v.is_latest)).collect();
        assert_eq!(listed, [(marker, true), (second, false), (first, false)]);
    }

    #[test]
    fn the_version_before_a_deleted_one_is_the_object_again() {
        let mut bucket = bucket(Versioning::Enabled);
        let first = put(&mut bucket, "1").unwrap();
        let second = put(&mut bucket, "2").unwrap();
        let marker = bucket.delete("k", at(2)).id.unwrap();
        assert!(bucket.delete_version("k", marker).is_marker);
        assert_eq!(etag(&bucket), Some("2"));
        assert!(bucket.delete_version("k", second).gone.is_some());
        assert_eq!(etag(&bucket), Some("1"));
        bucket.delete_version("k", first);
        assert!(bucket.is_empty());
    }

    #[test]
    fn a_version_id_reads_back_and_is_32_digits() {
        let id = VersionId { count: 2, distinct: 0x1d4 };
        assert_eq!(id.to_string(), "000000000000000200000000000001d4");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "null", "00000000000000020000000000000é", &"0".repeat(33)] {
            assert_eq!(bad.parse::<VersionId>(), Err(Refusal::NoSuchVersion), "{bad}");
        }
    }
}
