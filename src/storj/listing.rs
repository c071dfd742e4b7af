//! Listings: keys in order, folded at a delimiter, page by page.

use std::ops::Bound;
use std::sync::Arc;

use super::bucket::Bucket;
use super::object::Object;

/// What to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// Only keys that begin with this.
    pub prefix: &'a str,
    /// Fold keys that are equal from the prefix up to and with the delimiter.
    pub delimiter: Option<&'a str>,
    /// Only keys and folded prefixes behind this one; nothing below a folded prefix that it names.
    pub after: &'a str,
    /// Most keys and folded prefixes together.
    pub limit: usize,
}

/// One page of a listing.
#[derive(Debug)]
pub struct Listing<'a, C> {
    /// Objects, in order of key.
    pub objects: Vec<(&'a str, &'a Arc<Object<C>>)>,
    /// Folded prefixes, in order.
    pub prefixes: Vec<&'a str>,
    /// If there is more: the last name on this page, the `after` of the next.
    pub next: Option<String>,
}

impl<C> Bucket<C> {
    /// One page of ListObjects.
    pub fn list(&self, query: Query<'_>) -> Listing<'_, C> {
        let mut page = Listing { objects: Vec::new(), prefixes: Vec::new(), next: None };
        let mut last = query.after;
        let from = if query.after < query.prefix {
            Bound::Included(query.prefix)
        } else {
            Bound::Excluded(query.after)
        };
        let behind = self.objects.range::<str, _>((from, Bound::Unbounded));
        for (key, object) in behind.take_while(|(key, _)| key.starts_with(query.prefix)) {
            let fold = fold(key, query);
            if fold.is_some_and(|fold| fold == last) {
                continue;
            }
            if page.objects.len() + page.prefixes.len() == query.limit {
                page.next = (query.limit > 0).then(|| last.to_owned());
                break;
            }
            match fold {
                Some(fold) => page.prefixes.push(fold),
                None => page.objects.push((key, object)),
            }
            last = fold.unwrap_or(key);
        }
        page
    }
}

/// The key up to and with the first delimiter behind the prefix.
fn fold<'a>(key: &'a str, query: Query<'_>) -> Option<&'a str> {
    let delimiter = query.delimiter?;
    let start = query.prefix.len() + key[query.prefix.len()..].find(delimiter)?;
    Some(&key[..start + delimiter.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storj::{Attributes, Limits, Overwrite};
    use proptest::prelude::*;
    use std::time::SystemTime;

    fn bucket<'a>(keys: impl IntoIterator<Item = &'a str>) -> Bucket<()> {
        let mut bucket = Bucket::new(SystemTime::UNIX_EPOCH, Limits::storj().rules());
        for key in keys {
            let object = Object {
                etag: String::new(),
                modified: SystemTime::UNIX_EPOCH,
                attributes: Attributes::default(),
                pieces: Vec::new(),
            };
            bucket.put(key, object, Overwrite::Allowed).unwrap();
        }
        bucket
    }

    /// All pages of a listing: keys, folded prefixes, and the number of names on each page.
    fn all_pages(bucket: &Bucket<()>, query: Query<'_>) -> (Vec<String>, Vec<String>, Vec<usize>) {
        let (mut keys, mut prefixes, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        let mut after = query.after.to_owned();
        loop {
            let page = bucket.list(Query { after: &after, ..query });
            sizes.push(page.objects.len() + page.prefixes.len());
            keys.extend(page.objects.iter().map(|(key, _)| (*key).to_owned()));
            prefixes.extend(page.prefixes.iter().map(|prefix| (*prefix).to_owned()));
            match page.next {
                Some(next) => after = next,
                None => return (keys, prefixes, sizes),
            }
        }
    }

    #[test]
    fn keys_below_a_delimiter_are_folded_into_one_prefix() {
        let bucket = bucket(["a", "d/1", "d/2", "d/e/3", "dx", "z/"]);
        let query = Query { delimiter: Some("/"), limit: 100, ..Query::default() };
        let (keys, prefixes, _) = all_pages(&bucket, query);
        assert_eq!(keys, ["a", "dx"]);
        assert_eq!(prefixes, ["d/", "z/"]);

        let (keys, prefixes, _) = all_pages(&bucket, Query { prefix: "d/", ..query });
        assert_eq!(keys, ["d/1", "d/2"]);
        assert_eq!(prefixes, ["d/e/"]);
    }

    #[test]
    fn an_exactly_full_last_page_has_no_next() {
        let bucket = bucket(["a", "b"]);
        assert!(bucket.list(Query { limit: 2, ..Query::default() }).next.is_none());
        assert!(bucket.list(Query { limit: 1, ..Query::default() }).next.is_some());
        assert!(bucket.list(Query { limit: 0, ..Query::default() }).next.is_none());
    }

    proptest! {
        #[test]
        fn pages_of_any_size_show_each_name_once_and_are_full_but_the_last(
            keys in proptest::collection::btree_set("[ab/é]{1,6}", 0..40),
            prefix in "[ab/é]{0,2}",
            fold_at in proptest::option::of("[/a]"),
            limit in 1_usize..8,
        ) {
            let bucket = bucket(keys.iter().map(String::as_str));
            let query =
                Query { prefix: &prefix, delimiter: fold_at.as_deref(), after: "", limit };
            let (shown, prefixes, sizes) = all_pages(&bucket, query);

            let folded = |key: &&String| fold(key, query).is_some();
            let matching = keys.iter().filter(|key| key.starts_with(&prefix));
            let (below, plain): (Vec<_>, Vec<_>) = matching.partition(folded);
            let mut expected: Vec<_> =
                below.into_iter().filter_map(|key| fold(key, query)).collect();
            expected.dedup();
            prop_assert_eq!(shown.iter().collect::<Vec<_>>(), plain);
            prop_assert_eq!(prefixes, expected);
            prop_assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == limit));
        }
    }
}
