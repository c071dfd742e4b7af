//! The least rights that SECURITY.md states are enough, and each is needed: a server that answers 403 to all else.

use std::collections::BTreeSet;
use std::process::Child;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tidegate::store::Store;
use tidegate::store::s3::S3Store;

use crate::support::SECRET_KEY;
use crate::support::hostile::{Hostile, Operation, Quirk};
use crate::support::leftover::Leftover;
use crate::support::servers::{Serve, connection, text};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::tree::contents;
use crate::support::uploading::{probe, put, wait_for_uploads};

const SECURITY: &str = include_str!("../../SECURITY.md");

const TARGET: &str = "s3://bucket/p";

/// Large enough for parts, and a search that ends soon.
const LARGE: [&str; 6] = ["--size", "12MB", "--files", "2", "--part-size", "5MiB"];
const SEARCH: [&str; 14] = [
    "--size",
    "12MB",
    "--files",
    "2",
    "--part-sizes",
    "5MiB",
    "--max-concurrency",
    "2",
    "--warm-up",
    "200ms",
    "--window",
    "500ms",
    "--max-bytes",
    "100MB",
];

type Rights = BTreeSet<String>;

/// A server that allows so much, and what was asked of it.
struct Guarded {
    hostile: Hostile,
    used: Arc<Mutex<Rights>>,
    refused: Arc<Mutex<Rights>>,
}

/// What AWS asks for before it does this (Service Authorization Reference, "Actions, resources, and condition keys
/// for Amazon S3").
fn right(operation: Operation) -> &'static str {
    match operation {
        Operation::GetBucketLocation => "s3:GetBucketLocation",
        Operation::GetBucketVersioning => "s3:GetBucketVersioning",
        Operation::ListObjectsV2 => "s3:ListBucket",
        Operation::ListMultipartUploads => "s3:ListBucketMultipartUploads",
        Operation::ListParts => "s3:ListMultipartUploadParts",
        Operation::HeadObject | Operation::GetObject => "s3:GetObject",
        Operation::PutObject
        | Operation::CreateMultipartUpload
        | Operation::UploadPart
        | Operation::CompleteMultipartUpload => "s3:PutObject",
        Operation::DeleteObjects => "s3:DeleteObject",
        Operation::AbortMultipartUpload => "s3:AbortMultipartUpload",
        Operation::Other => "another",
    }
}

impl Guarded {
    fn allowing(rights: &Rights, serve: &Serve) -> Self {
        let (used, refused) = (Arc::<Mutex<Rights>>::default(), Arc::<Mutex<Rights>>::default());
        let (allowed, of) = (rights.clone(), [Arc::clone(&used), Arc::clone(&refused)]);
        let hostile = Hostile::planned(&serve.endpoint(), move |asked| {
            let right = right(Operation::of(asked)).to_owned();
            let is_allowed = allowed.contains(&right);
            of[usize::from(!is_allowed)].lock().unwrap().insert(right);
            let no =
                Quirk::Refuses { status: 403, code: "AccessDenied", message: "no", header: "" };
            (!is_allowed).then_some(no)
        });
        Self { hostile, used, refused }
    }

    fn tidegate(&self) -> Tidegate {
        Tidegate::at(&self.hostile.endpoint())
    }

    fn used(&self) -> Rights {
        self.used.lock().unwrap().clone()
    }

    fn refused(&self) -> Rights {
        self.refused.lock().unwrap().clone()
    }
}

/// The actions of the policy that SECURITY.md shows.
fn policy() -> Rights {
    let (_, behind) = SECURITY.split_once("```json\n").expect("it shows a policy");
    let (policy, _) = behind.split_once("```").expect("it ends");
    let policy: Value = serde_json::from_str(policy).expect("it is JSON");
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

fn rights(names: &[&str]) -> Rights {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[track_caller]
fn assert_went_well(finished: &Finished, codes: &[i32]) {
    let Finished { code, stdout, stderr } = finished;
    assert!(codes.contains(code), "{code}: {stdout}{stderr}");
    assert!(!stderr.contains("may be left"), "{stderr}");
}

/// Keys of all objects and of all open uploads.
async fn state(store: &S3Store) -> (Vec<String>, Vec<String>) {
    let objects = store.list_objects("", None, &probe()).await.unwrap().objects;
    let uploads = store.list_uploads("", &probe()).await.unwrap();
    let uploads = uploads.into_iter().map(|open| open.upload.key).collect();
    (objects.into_iter().map(|object| object.key).collect(), uploads)
}

/// Everything that uploads, with these rights; which of them it used.
async fn uploads_with(allowed: &Rights) -> Rights {
    let serve = Serve::start(&["--bucket", "bucket", "--connection-rate", "20MB/s"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    let guarded = Guarded::allowing(allowed, &serve);
    let tidegate = guarded.tidegate();
    let run = |options: &[&str]| tidegate.run("run", &[&[TARGET][..], &LARGE, options].concat());
    assert_went_well(&run(&["--verify"]), &[0]);
    assert_went_well(&run(&["--direction", "down"]), &[0]);
    assert_eq!(interrupted(&tidegate, &store).await, 130);
    // So small a budget may not be enough for a recommendation.
    assert_went_well(&tidegate.run("tune", &[&[TARGET][..], &SEARCH].concat()), &[0, 1]);
    let dead = Leftover::new("a");
    dead.leave(&store, &["one"], &["two"]).await;
    assert_went_well(&tidegate.run_plain("clean", &[TARGET]), &[0]);
    assert_went_well(&tidegate.run_plain("clean", &[TARGET, "--run", &dead.run]), &[0]);
    assert_eq!(state(&store).await, (vec![], vec![]), "nothing is left");
    let keep = [&["s3://bucket/kept", "--keep"][..], &LARGE].concat();
    assert_went_well(&tidegate.run("run", &keep), &[0]);
    let (objects, uploads) = state(&store).await;
    assert!(objects.iter().all(|key| key.starts_with("kept/") && !key.contains("tidegate-")));
    assert_eq!((objects.len(), uploads.len()), (2, 0), "{objects:?}");
    let unknown = ["s3:GetBucketLocation", "s3:GetBucketVersioning"];
    assert!(guarded.refused().is_subset(&rights(&unknown)), "{:?}", guarded.refused());
    guarded.used()
}

/// Ctrl-C while an upload is open; the exit code.
async fn interrupted(tidegate: &Tidegate, store: &S3Store) -> i32 {
    let large = [TARGET, "--size", "400MB", "--files", "2", "--part-size", "5MiB"];
    let mut child: Child = tidegate.start("run", &large);
    wait_for_uploads(store, "p/tidegate-2", 1, &mut child).await;
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    Finished::from(child.wait_with_output().unwrap()).code
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_searches_and_clean_need_what_the_policy_states_and_no_more() {
    assert_eq!(uploads_with(&policy()).await, policy(), "each is needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn location_and_versioning_may_be_left_out() {
    let mut allowed = policy();
    for right in ["s3:GetBucketLocation", "s3:GetBucketVersioning"] {
        assert!(allowed.remove(right), "{right}");
    }
    assert_eq!(uploads_with(&allowed).await, allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_need_to_list_and_to_get() {
    let allowed = rights(&["s3:ListBucket", "s3:GetObject"]);
    let serve = Serve::start(&["--bucket", "bucket"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    for key in ["p/one", "p/two"] {
        put(&store, key, &"data".repeat(100_000)).await;
    }
    let before = state(&store).await;
    let guarded = Guarded::allowing(&allowed, &serve);
    let (tidegate, to) = (guarded.tidegate(), tempfile::tempdir().unwrap());
    let down = [TARGET, "--direction", "down", "--to", text(to.path()), "--verify"];
    assert_went_well(&tidegate.run("run", &down), &[0]);
    assert_eq!(contents(to.path()).len(), 2);
    let search = ["--objects", TARGET, "--direction", "down"];
    assert_went_well(&tidegate.run("tune", &[&search[..], &SEARCH[6..]].concat()), &[0, 1]);
    assert_eq!(state(&store).await, before);
    assert_eq!(guarded.used(), allowed, "each is needed");
    assert_eq!(guarded.refused(), rights(&["s3:GetBucketLocation"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_uploads_needs_to_list_them_and_their_parts() {
    let allowed = rights(&["s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"]);
    let serve = Serve::start(&["--bucket", "bucket"]);
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    let _open = store.create_upload("p/large", &probe()).await.unwrap();
    let guarded = Guarded::allowing(&allowed, &serve);
    let watched = guarded.tidegate().run_plain("observe", &[TARGET, "--for", "2s"]);
    assert_went_well(&watched, &[0, 1]);
    assert_eq!(guarded.used(), allowed, "{:?}", guarded.refused());
}
