//! Listings, in the three ways of Storj's gateway (`storj/gateway-st` miniogw/gateway_listing.go,
//! listObjectsGeneral): as the satellite has the keys, in the order of their encrypted components; where that has
//! what was asked for, a single object and a single prefix; else all that begin with the prefix, in order of key.
//! The number of keys beyond which the last way is refused (100,000) is not modelled.

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
    /// Objects, in the order of the listing.
    pub objects: Vec<(&'a str, &'a Arc<Object<C>>)>,
    /// Folded prefixes, in order.
    pub prefixes: Vec<&'a str>,
    /// If there is more: the last name on this page, the `after` of the next.
    pub next: Option<String>,
}

impl<C> Bucket<C> {
    /// One page of ListObjects.
    pub fn list(&self, query: Query<'_>) -> Listing<'_, C> {
        let is_closed = query.prefix.is_empty() || query.prefix.ends_with('/');
        let is_usual = matches!(query.delimiter, None | Some("/"));
        if is_closed && is_usual {
            return self.list_encrypted(query);
        }
        let single = if is_closed { None } else { self.list_single(query) };
        single.unwrap_or_else(|| {
            page(self.objects.sorted(query.prefix, query.after), query, query.after)
        })
    }

    fn list_encrypted(&self, query: Query<'_>) -> Listing<'_, C> {
        // A place elsewhere is behind all of the prefix, or before it.
        let after = match query.after {
            // Unless an object has that very key, a marker that is the prefix is none.
            after if after == query.prefix && !self.objects.contains(after) => "",
            after if after.starts_with(query.prefix) => after,
            after if after > query.prefix => return Listing::empty(),
            _ => "",
        };
        page(self.objects.encrypted(query.prefix, after), query, after)
    }

    /// The object whose key is the prefix itself, and the prefix with a slash behind it, if there are any: most who
    /// ask so want to know just that. What else there may be is for the next page.
    fn list_single(&self, query: Query<'_>) -> Option<Listing<'_, C>> {
        let mut listing = Listing::empty();
        let object = self.objects.entry(query.prefix).filter(|_| query.after.is_empty());
        listing.objects.extend(object);
        let wants_prefix = query.delimiter == Some("/")
            && (query.after.is_empty() || query.after == query.prefix)
            && listing.objects.len() < query.limit;
        if wants_prefix {
            let below = format!("{}/", query.prefix);
            let key = self.objects.sorted(&below, "").next().map(|(key, _)| &key[..below.len()]);
            listing.prefixes.extend(key);
        }
        let names =
            listing.objects.iter().map(|(key, _)| *key).chain(listing.prefixes.iter().copied());
        listing.next = Some(names.last()?.to_owned());
        (query.limit > 0).then_some(listing)
    }
}

impl<C> Listing<'_, C> {
    fn empty() -> Self {
        Self { objects: Vec::new(), prefixes: Vec::new(), next: None }
    }
}

/// One page of these keys, of which those below a delimiter stand together.
fn page<'a, C>(
    keys: impl Iterator<Item = (&'a str, &'a Arc<Object<C>>)>,
    query: Query<'_>,
    after: &str,
) -> Listing<'a, C> {
    let mut page = Listing::empty();
    // What stands below the same delimiter as the marker was on the last page with it.
    let after = folded(after, query.prefix, query.delimiter).unwrap_or(after);
    let mut last: Option<&str> = None;
    for (key, object) in keys {
        let fold = folded(key, query.prefix, query.delimiter);
        if fold.is_some_and(|fold| fold == last.unwrap_or(after)) {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == query.limit {
            page.next = last.map(str::to_owned);
            break;
        }
        match fold {
            Some(fold) => page.prefixes.push(fold),
            None => page.objects.push((key, object)),
        }
        last = Some(fold.unwrap_or(key));
    }
    page
}

/// The key up to and with the first delimiter behind the prefix.
pub fn folded<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter?;
    let start = prefix.len() + key.strip_prefix(prefix)?.find(delimiter)?;
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

    /// All pages of a listing: keys and folded prefixes, sorted, and the number of names on each page.
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
                None => {
                    keys.sort();
                    prefixes.sort();
                    return (keys, prefixes, sizes);
                }
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
    fn who_asks_for_a_key_gets_it_and_what_is_below_it_on_a_page_of_their_own() {
        let bucket = bucket(["a", "a/1", "ab", "b"]);
        let first = |delimiter, limit| {
            let page = bucket.list(Query { prefix: "a", delimiter, after: "", limit });
            let keys: Vec<_> = page.objects.iter().map(|(key, _)| (*key).to_owned()).collect();
            let prefixes: Vec<_> = page.prefixes.iter().map(|key| (*key).to_owned()).collect();
            (keys, prefixes, page.next)
        };
        assert_eq!(first(None, 9), (vec!["a".into()], vec![], Some("a".into())));
        assert_eq!(first(Some("/"), 9), (vec!["a".into()], vec!["a/".into()], Some("a/".into())));
        assert_eq!(first(Some("/"), 1), (vec!["a".into()], vec![], Some("a".into())));
        let (keys, _, _) = all_pages(&bucket, Query { prefix: "a", limit: 9, ..Query::default() });
        assert_eq!(keys, ["a", "a/1", "ab"]);
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
        fn pages_of_any_size_show_each_name_once(
            keys in proptest::collection::btree_set("[ab/é]{1,6}", 0..40),
            prefix in "([ab/é]{0,2}/)?",
            fold_at in proptest::option::of("[/a]"),
            limit in 1_usize..8,
        ) {
            let bucket = bucket(keys.iter().map(String::as_str));
            let query =
                Query { prefix: &prefix, delimiter: fold_at.as_deref(), after: "", limit };
            let (shown, prefixes, sizes) = all_pages(&bucket, query);

            let is_folded =
                |key: &&String| folded(key, query.prefix, query.delimiter).is_some();
            let matching = keys.iter().filter(|key| key.starts_with(&prefix));
            let (below, plain): (Vec<_>, Vec<_>) = matching.partition(is_folded);
            let mut expected: Vec<_> =
                below.into_iter().filter_map(|key| folded(key, query.prefix, query.delimiter)).collect();
            expected.dedup();
            prop_assert_eq!(shown.iter().collect::<Vec<_>>(), plain);
            prop_assert_eq!(prefixes, expected);
            prop_assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == limit));
        }
    }
}
