//! The objects of a bucket, by key and in Storj's order.
//!
//! Storj encrypts each component of a key, and lists what a prefix has in the order of the encrypted components: which
//! no client can foresee, but which stays the same. Here a hash stands for the encryption.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::object::Object;

/// Objects by key.
#[derive(Debug)]
pub struct Objects<C> {
    by_key: BTreeMap<String, Arc<Object<C>>>,
    in_order: BTreeSet<Place>,
}

/// Where a key is in Storj's order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Of each component, which depends on those before it.
    order: Box<[u64]>,
    key: Box<str>,
}

impl Place {
    /// That of this key, or of what is below it if it ends in a slash.
    pub fn of(key: &str) -> Self {
        let mut above = 0;
        let order = key.split('/').map(|component| {
            above = hash(above, component);
            above
        });
        Self { order: order.collect(), key: key.into() }
    }

    /// Whether it is below a prefix, which is empty or ends in a slash.
    fn is_below(&self, prefix: &Self) -> bool {
        // What is behind the last slash of the prefix is an empty component.
        let above = &prefix.order[..prefix.order.len() - 1];
        self.order.starts_with(above)
    }

    /// Before all that is below the prefix.
    fn first_below(&self) -> Self {
        let above = &self.order[..self.order.len() - 1];
        Self { order: above.into(), key: self.key.clone() }
    }
}

/// FNV-1a (Fowler, Noll, Vo), and the last step of SplitMix64 (Steele et al., 2014), so that all bits count.
fn hash(above: u64, component: &str) -> u64 {
    let bytes = above.to_le_bytes().into_iter().chain(component.bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

impl<C> Objects<C> {
    pub(super) fn new() -> Self {
        Self { by_key: BTreeMap::new(), in_order: BTreeSet::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn get(&self, key: &str) -> Option<&Arc<Object<C>>> {
        self.by_key.get(key)
    }

    /// The object of this key, and the key as it is kept.
    pub(super) fn entry(&self, key: &str) -> Option<(&str, &Arc<Object<C>>)> {
        self.by_key.get_key_value(key).map(|(key, object)| (key.as_str(), object))
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Arc<Object<C>>> {
        self.by_key.get_mut(key)
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// Answers with the object that was replaced.
    pub(super) fn insert(&mut self, key: &str, object: Arc<Object<C>>) -> Option<Arc<Object<C>>> {
        let replaced = self.by_key.insert(key.to_owned(), object);
        if replaced.is_none() {
            self.in_order.insert(Place::of(key));
        }
        replaced
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Arc<Object<C>>> {
        let removed = self.by_key.remove(key)?;
        self.in_order.remove(&Place::of(key));
        Some(removed)
    }

    /// Keys, in the order of their bytes.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.by_key.keys().map(String::as_str)
    }

    /// Those whose keys begin with `prefix` and come behind `after`, in the order of the keys' bytes.
    pub(super) fn sorted<'a, 'q>(
        &'a self,
        prefix: &'q str,
        after: &'q str,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<Object<C>>)> + use<'a, 'q, C> {
        let from = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let behind = self.by_key.range::<str, _>((from, Bound::Unbounded));
        behind
            .map(|(key, object)| (key.as_str(), object))
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Those below `prefix`, which is empty or ends in a slash, that come behind `after`, in Storj's order.
    pub(super) fn encrypted<'a>(
        &'a self,
        prefix: &str,
        after: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<Object<C>>)> + use<'a, C> {
        let prefix = Place::of(prefix);
        let from = match after {
            "" => Bound::Included(prefix.first_below()),
            after => Bound::Excluded(Place::of(after)),
        };
        let below = self.in_order.range((from, Bound::Unbounded));
        below.take_while(move |place| place.is_below(&prefix)).filter_map(|place| {
            let object = self.by_key.get(&*place.key)?;
            Some((&*place.key, object))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storj::Attributes;
    use proptest::prelude::*;
    use std::time::SystemTime;

    fn objects<'a>(keys: impl IntoIterator<Item = &'a str>) -> Objects<()> {
        let mut objects = Objects::new();
        for key in keys {
            let object = Object {
                etag: String::new(),
                modified: SystemTime::UNIX_EPOCH,
                attributes: Attributes::default(),
                pieces: Vec::new(),
            };
            objects.insert(key, Arc::new(object));
        }
        objects
    }

    #[test]
    fn the_order_is_not_that_of_the_keys_and_always_the_same() {
        let keys: Vec<String> = (0..50).map(|n| format!("{n:02}")).collect();
        let objects = objects(keys.iter().map(String::as_str));
        let listed: Vec<&str> = objects.encrypted("", "").map(|(key, _)| key).collect();
        assert!(!listed.is_sorted(), "{listed:?}");
        assert_eq!(listed[..3], ["30", "24", "19"], "it depends on the keys alone");
    }

    proptest! {
        #[test]
        fn what_is_below_a_prefix_stands_together_and_after_goes_on_behind_each(
            keys in proptest::collection::btree_set("[ab/]{1,6}", 1..40),
            prefix in "([ab]{0,2}/)?",
        ) {
            let objects = objects(keys.iter().map(String::as_str));
            let listed: Vec<&str> = objects.encrypted(&prefix, "").map(|(key, _)| key).collect();
            let mut sorted = listed.clone();
            sorted.sort_unstable();
            let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(&prefix)).collect();
            prop_assert_eq!(sorted, expected);
            for (place, key) in listed.iter().enumerate() {
                let behind: Vec<&str> = objects.encrypted(&prefix, key).map(|(key, _)| key).collect();
                prop_assert_eq!(&behind[..], &listed[place + 1..]);
            }
        }
    }
}
