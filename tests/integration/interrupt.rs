//! Ctrl-C in the middle of an upload leaves nothing behind.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use tidegate::dataset::Payload;
use tidegate::store::Store;
use tidegate::store::s3::S3Store;

use crate::support::SECRET_KEY;
use crate::support::servers::{Serve, Versitygw, connection};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::uploading::{SLOW, probe, wait_for_uploads};

#[tokio::test]
async fn an_interrupted_upload_leaves_nothing_on_the_embedded_gateway() {
    let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
    interrupted_upload_leaves_nothing(&serve.endpoint(), &[]).await;
}

#[tokio::test]
async fn an_interrupted_upload_leaves_nothing_on_versitygw() {
    let Some(versitygw) = Versitygw::start() else { return };
    let serve = Serve::in_front_of(&versitygw.endpoint(), SLOW);
    interrupted_upload_leaves_nothing(&serve.endpoint(), &[]).await;
}

#[tokio::test]
async fn an_interrupted_upload_to_keep_leaves_nothing_either() {
    let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
    interrupted_upload_leaves_nothing(&serve.endpoint(), &["--keep"]).await;
}

#[tokio::test]
async fn a_terminal_that_goes_away_leaves_nothing_on_the_bucket() {
    let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
    let (store, _tidegate, mut child) = uploading(&serve.endpoint(), &[]).await;
    // Whoever read its messages is gone as well.
    drop(child.stderr.take());
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    assert_eq!(Finished::from(child.wait_with_output().unwrap()).code, 130);
    assert_nothing_left(&store).await;
}

async fn interrupted_upload_leaves_nothing(endpoint: &str, options: &[&str]) {
    let (store, _tidegate, child) = uploading(endpoint, options).await;
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(finished.code, 130, "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    assert_nothing_left(&store).await;
}

const BYSTANDER: &str = "p-not-ours/object";

/// A run in the middle of at least two uploads, beside an object of somebody else's.
async fn uploading(endpoint: &str, options: &[&str]) -> (S3Store, Tidegate, Child) {
    let store = S3Store::connect(&connection(endpoint, "bucket", SECRET_KEY).await);
    store.put_object(BYSTANDER, Payload::from(vec![]), &probe()).await.unwrap();
    let upload = ["s3://bucket/p", "--size", "400MB", "--files", "4", "--part-size", "5MiB"];
    let tidegate = Tidegate::at(endpoint);
    let mut child = tidegate.start("run", &[&upload, options].concat());
    wait_for_uploads(&store, "p/", 2, &mut child).await;
    (store, tidegate, child)
}

async fn assert_nothing_left(store: &impl Store) {
    assert_eq!(store.list_uploads("", &probe()).await.unwrap(), []);
    let left = store.list_objects("", None, &probe()).await.unwrap().objects;
    let keys: Vec<_> = left.into_iter().map(|object| object.key).collect();
    assert_eq!(keys, [BYSTANDER], "ours are gone, others' are not");
}
