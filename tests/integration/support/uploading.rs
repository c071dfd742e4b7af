//! A run in the middle of its uploads.

use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate::clock;
use tidegate::dataset::Payload;
use tidegate::measure::Probe;
use tidegate::store::Store;
use tidegate::store::s3::S3Store;

/// A link so slow that no upload ends before it is interrupted.
pub const SLOW: &[&str] = &["--connection-rate", "4MB/s"];

/// Waits until so many uploads are open below a prefix.
pub async fn wait_for_uploads(store: &impl Store, prefix: &str, wanted: usize, child: &mut Child) {
    // To Storj a prefix that does not end in a slash is a key.
    let folder = &prefix[..prefix.rfind('/').map_or(0, |slash| slash + 1)];
    loop {
        let open = store.list_uploads(folder, &probe()).await.unwrap();
        let open = open.iter().filter(|open| open.upload.key.starts_with(prefix)).count();
        if open >= wanted {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before {wanted} uploads were open");
        clock::sleep(Duration::from_millis(20)).await;
    }
}

/// Writes a small object.
pub async fn put(store: &S3Store, key: &str, text: &str) {
    let payload = Payload::from(vec![Bytes::copy_from_slice(text.as_bytes())]);
    store.put_object(key, payload, &probe()).await.unwrap();
}

/// One that nobody looks at.
pub fn probe() -> Arc<Probe> {
    Probe::begin(&Default::default(), clock::now())
}
