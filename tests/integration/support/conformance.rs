//! What every store must do. One suite for all: an endpoint, the embedded gateway, the model.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use tidegate::clock;
use tidegate::dataset::Payload;
use tidegate::measure::{FailureClass, Probe};
use tidegate::store::{Download, ObjectInfo, Part, Store, StoreError, Upload};

/// Smallest part that S3 allows before the last.
const PART_BYTES: usize = 5 << 20;

/// More than one page of 1,000, the most that S3 lists at once.
const MORE_THAN_A_PAGE: usize = 1003;

/// Names that go wrong when a URL, a signature or a listing is encoded carelessly.
const AWKWARD_NAMES: [&str; 9] = [
    "two words",
    "1+1=2",
    "100%",
    "%41",
    "#hash?query&more",
    "größe/Ångström-温度",
    "a/b/c",
    "quote'\"<&>",
    "~tilde*(paren)!@$,;:",
];

/// Runs the suite on keys under `prefix`, which must end in `/`; leaves nothing behind.
pub async fn conformance(store: &impl Store, prefix: &str) {
    store.locate_bucket(&probe()).await.expect("the bucket is there");
    an_object_comes_back_as_it_was_put(store, prefix).await;
    a_range_is_just_that_range(store, prefix).await;
    an_empty_object_is_an_object(store, prefix).await;
    what_is_not_there_is_said_so(store, prefix).await;
    awkward_keys_survive(store, prefix).await;
    a_listing_has_all_pages(store, prefix).await;
    an_upload_becomes_one_object(store, prefix).await;
    an_aborted_upload_is_gone(store, prefix).await;
    uploads_are_listed_by_prefix(store, prefix).await;
    parts_are_listed_while_they_arrive(store, prefix).await;
    assert_eq!(list(store, prefix).await, Vec::<String>::new(), "the suite leaves no object");
    assert_eq!(open_uploads(store, prefix).await, [], "nor an upload");
}

async fn an_object_comes_back_as_it_was_put(store: &impl Store, prefix: &str) {
    let key = format!("{prefix}object");
    let (up, down) = (probe(), probe());
    let content = content(700_001);
    let etag = store.put_object(&key, payload(&content), &up).await.unwrap();
    assert_eq!(up.payload_bytes(), content.len() as u64, "each byte passes once");

    let info = store.head_object(&key, &probe()).await.unwrap().expect("it is there");
    assert_eq!((info.size_bytes, &info.etag), (Some(content.len() as u64), &Some(etag)));

    let download = store.get_object(&key, None, &down).await.unwrap();
    assert_eq!(download.size_bytes, Some(content.len() as u64));
    assert_eq!(collect(download).await, content);
    assert_eq!(down.payload_bytes(), content.len() as u64);
    for probe in [&up, &down] {
        assert!(probe.connecting().is_some());
        assert!(probe.sent_at() <= probe.first_byte_at(), "an answer follows its request");
    }
    delete(store, &[key]).await;
}

async fn a_range_is_just_that_range(store: &impl Store, prefix: &str) {
    let key = format!("{prefix}ranges");
    let content = content(300_000);
    store.put_object(&key, payload(&content), &probe()).await.unwrap();
    for range in [0..1, 0..300_000, 262_143..262_145, 299_999..300_000] {
        let probe = probe();
        let download = store.get_object(&key, Some(range.clone()), &probe).await.unwrap();
        assert_eq!(download.size_bytes, Some(range.end - range.start));
        let expected = content.slice(range.start as usize..range.end as usize);
        assert_eq!(collect(download).await, expected, "{range:?}");
        assert_eq!(probe.payload_bytes(), range.end - range.start);
    }
    let beyond = store.get_object(&key, Some(300_000..300_001), &probe()).await;
    let error = beyond.err().expect("there is nothing beyond the end");
    assert_eq!((error.class, error.status), (FailureClass::Client, Some(416)));
    delete(store, &[key]).await;
}

async fn an_empty_object_is_an_object(store: &impl Store, prefix: &str) {
    let key = format!("{prefix}empty");
    let probe = probe();
    store.put_object(&key, payload(&Bytes::new()), &probe).await.unwrap();
    assert_eq!(probe.payload_bytes(), 0);
    assert!(probe.sent_at().is_some());
    let download = store.get_object(&key, None, &self::probe()).await.unwrap();
    assert_eq!(download.size_bytes, Some(0));
    assert_eq!(collect(download).await, Bytes::new());
    assert_eq!(sizes(store, &key).await, [(key.clone(), 0)]);
    delete(store, &[key]).await;
}

async fn what_is_not_there_is_said_so(store: &impl Store, prefix: &str) {
    let key = format!("{prefix}missing");
    assert_eq!(store.head_object(&key, &probe()).await.unwrap(), None);
    let error = store.get_object(&key, None, &probe()).await.err().expect("there is no object");
    assert_eq!((error.class, error.status), (FailureClass::Client, Some(404)));
    assert!(error.has_code("NoSuchKey"), "{error}");
    assert_eq!(list(store, &key).await, Vec::<String>::new());
    // Deleting what is not there is no error in S3.
    delete(store, &[key]).await;
}

async fn awkward_keys_survive(store: &impl Store, prefix: &str) {
    let prefix = format!("{prefix}awkward/");
    let keys: Vec<String> = AWKWARD_NAMES.iter().map(|name| format!("{prefix}{name}")).collect();
    for key in &keys {
        let content = Bytes::from(key.clone());
        store.put_object(key, payload(&content), &probe()).await.unwrap();
        let download = store.get_object(key, None, &probe()).await.unwrap();
        assert_eq!(collect(download).await, content, "{key}");
        assert!(store.head_object(key, &probe()).await.unwrap().is_some(), "{key}");
    }
    let listed: BTreeSet<String> = list(store, &prefix).await.into_iter().collect();
    assert_eq!(listed, keys.iter().cloned().collect());
    delete(store, &keys).await;
    assert_eq!(list(store, &prefix).await, Vec::<String>::new(), "deleting takes the same keys");
}

async fn a_listing_has_all_pages(store: &impl Store, prefix: &str) {
    let prefix = format!("{prefix}pages/");
    let keys: Vec<String> =
        (0..MORE_THAN_A_PAGE).map(|number| format!("{prefix}{number:04}")).collect();
    for key in &keys {
        store.put_object(key, payload(&Bytes::from_static(b"x")), &probe()).await.unwrap();
    }
    let page = store.list_objects(&prefix, None, &probe()).await.unwrap();
    assert!(page.next.is_some() && page.objects.len() < MORE_THAN_A_PAGE, "one page is not all");
    // Storj lists them in an order of its own.
    let mut listed = list(store, &prefix).await;
    listed.sort();
    assert_eq!(listed, keys, "all, once each");
    for keys in keys.chunks(1000) {
        delete(store, keys).await;
    }
}

async fn an_upload_becomes_one_object(store: &impl Store, prefix: &str) {
    let key = format!("{prefix}parts and more");
    let parts = [content(PART_BYTES), content(PART_BYTES + 1), content(10)];
    let upload = store.create_upload(&key, &probe()).await.unwrap();
    assert_eq!(upload.key, key);
    // Out of order: the numbers decide.
    let third = put_part(store, &upload, 3, &parts[2]).await;
    let first = put_part(store, &upload, 1, &parts[0]).await;
    let second = put_part(store, &upload, 2, &parts[1]).await;
    assert_eq!(open_uploads(store, &key).await, std::slice::from_ref(&upload));
    assert_eq!(store.head_object(&key, &probe()).await.unwrap(), None, "not before it is complete");

    let etag = store.complete_upload(&upload, &[first, second, third], &probe()).await.unwrap();
    assert!(etag.trim_matches('"').ends_with("-3"), "{etag}");
    let download = store.get_object(&key, None, &probe()).await.unwrap();
    assert!(collect(download).await == parts.concat(), "the parts in order of their numbers");
    assert_eq!(open_uploads(store, &key).await, []);

    let late = store.upload_part(&upload, 4, payload(&parts[2]), &probe()).await;
    assert!(late.unwrap_err().has_code("NoSuchUpload"));
    delete(store, &[key]).await;
}

async fn an_aborted_upload_is_gone(store: &impl Store, prefix: &str) {
    let key = format!("{prefix}aborted");
    let upload = store.create_upload(&key, &probe()).await.unwrap();
    put_part(store, &upload, 1, &content(100)).await;
    store.abort_upload(&upload, &probe()).await.unwrap();
    assert_eq!(open_uploads(store, &key).await, []);
    store.abort_upload(&upload, &probe()).await.expect("what is gone counts as aborted");
    assert_eq!(store.head_object(&key, &probe()).await.unwrap(), None);
}

async fn uploads_are_listed_by_prefix(store: &impl Store, prefix: &str) {
    let inside = format!("{prefix}uploads/");
    let mut uploads = BTreeSet::new();
    for name in AWKWARD_NAMES {
        let key = format!("{inside}{name}");
        uploads.insert(store.create_upload(&key, &probe()).await.unwrap());
    }
    let outside = store.create_upload(&format!("{prefix}elsewhere"), &probe()).await.unwrap();
    let listed = open_uploads(store, &inside).await;
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), uploads);
    for upload in uploads.iter().chain([&outside]) {
        store.abort_upload(upload, &probe()).await.unwrap();
    }
}

async fn parts_are_listed_while_they_arrive(store: &impl Store, prefix: &str) {
    let key = format!("{prefix}parts to list/two words");
    let upload = store.create_upload(&key, &probe()).await.unwrap();
    assert_eq!(store.list_parts(&upload, &probe()).await.unwrap(), []);
    // Backwards: the listing is in order of number all the same.
    let numbers = 1..=MORE_THAN_A_PAGE as u32;
    for number in numbers.clone().rev() {
        put_part(store, &upload, number, &content(1 + number as usize % 7)).await;
    }
    let rewritten = put_part(store, &upload, 2, &content(20)).await;

    let parts = store.list_parts(&upload, &probe()).await.unwrap();
    assert!(parts.iter().map(|part| part.number).eq(numbers), "all, once each, in order");
    let size = |number: u32| if number == 2 { 20 } else { 1 + u64::from(number) % 7 };
    assert!(parts.iter().all(|part| part.size_bytes == size(part.number)));
    assert_eq!(parts[1].etag.as_ref(), Some(&rewritten.etag));
    let listed = store.list_uploads(&format!("{prefix}parts to list/"), &probe()).await.unwrap();
    // A server may cut its times to seconds; all are by its own clock.
    let begun = listed[0].initiated.map(|time| time - Duration::from_secs(1));
    assert!(parts[0].modified >= begun, "{begun:?}: {:?}", parts[0]);
    assert!(parts[0].modified >= parts[999].modified, "the first arrived last");

    store.abort_upload(&upload, &probe()).await.unwrap();
    let gone = store.list_parts(&upload, &probe()).await.unwrap_err();
    assert!(gone.has_code("NoSuchUpload"), "{gone}");
}

async fn open_uploads(store: &impl Store, prefix: &str) -> Vec<Upload> {
    let listed = store.list_uploads(prefix, &probe()).await.unwrap();
    listed.into_iter().map(|open| open.upload).collect()
}

async fn put_part(store: &impl Store, upload: &Upload, number: u32, content: &Bytes) -> Part {
    let probe = probe();
    let part = store.upload_part(upload, number, payload(content), &probe).await.unwrap();
    assert_eq!(part.number, number);
    assert_eq!(probe.payload_bytes(), content.len() as u64);
    part
}

async fn list_infos(store: &impl Store, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
    let mut objects = Vec::new();
    let mut after = None;
    loop {
        let page = store.list_objects(prefix, after.as_deref(), &probe()).await?;
        objects.extend(page.objects);
        after = page.next;
        if after.is_none() {
            return Ok(objects);
        }
    }
}

async fn list(store: &impl Store, prefix: &str) -> Vec<String> {
    list_infos(store, prefix).await.unwrap().into_iter().map(|object| object.key).collect()
}

async fn sizes(store: &impl Store, prefix: &str) -> Vec<(String, u64)> {
    let objects = list_infos(store, prefix).await.unwrap();
    objects.into_iter().map(|object| (object.key, object.size_bytes.expect("it is told"))).collect()
}

async fn delete(store: &impl Store, keys: &[String]) {
    assert_eq!(store.delete_objects(keys, &probe()).await.unwrap(), []);
}

async fn collect(download: Download) -> Bytes {
    let frames: Vec<Bytes> = download.body.try_collect().await.unwrap();
    frames.concat().into()
}

fn probe() -> Arc<Probe> {
    Probe::begin(&Arc::default(), clock::now())
}

/// Blocks as a connector hands them over, the last one short.
fn payload(content: &Bytes) -> Payload {
    let blocks = content.chunks(tidegate::dataset::BLOCK_BYTES).map(Bytes::copy_from_slice);
    Payload::from(blocks.collect::<Vec<_>>())
}

/// Bytes in which every place differs from its neighbours and from the places a block away.
fn content(bytes: usize) -> Bytes {
    (0..bytes as u64).map(|place| (place.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}
