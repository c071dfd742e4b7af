//! What goes wrong on the way is tried again and counted, or said in a sentence; nothing stays of it.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, OpenOptions};
use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tidegate::clock::{self, Instant};
use tidegate::dataset::Payload;
use tidegate::measure::FailureClass;
use tidegate::store::Store;
use tidegate::store::s3::{Config, Credentials, S3Store};

use crate::support::SECRET_KEY;
use crate::support::mischief::{Fault, mischief};
use crate::support::relay::{Asked, read_head};
use crate::support::servers::{Serve, connection, text};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::truth_server::{Plan, TruthServer};
use crate::support::uploading::{SLOW, probe, wait_for_uploads};

const TARGET: &str = "s3://bucket/p";

const PART_SIZE: [&str; 2] = ["--part-size", "5MiB"];

/// Four files of two parts each.
fn four_files() -> tempfile::TempDir {
    let here = tempfile::tempdir().unwrap();
    for name in 1..=4_u8 {
        fs::write(here.path().join(name.to_string()), vec![name; 6 << 20]).unwrap();
    }
    here
}

/// The arguments that upload them.
fn upload(files: &tempfile::TempDir) -> Vec<&str> {
    [&[TARGET, "--from", text(files.path())], &PART_SIZE[..]].concat()
}

/// Hands out faults for the first attempts of requests; a request that is tried again goes its way.
fn once_each(
    faults: impl IntoIterator<Item = Fault>,
    concerns: impl Fn(&Asked) -> bool,
) -> impl FnMut(&Asked) -> Fault {
    let mut faults: VecDeque<Fault> = faults.into_iter().collect();
    let mut met = HashSet::new();
    move |asked| {
        let is_first = concerns(asked) && met.insert(asked.target.clone());
        is_first.then(|| faults.pop_front()).flatten().unwrap_or(Fault::None)
    }
}

async fn assert_nothing_left(serve: &Serve) {
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    assert_eq!(store.list_uploads("", &probe()).await.unwrap(), []);
    assert_eq!(store.list_objects("", None, &probe()).await.unwrap().objects, []);
}

#[track_caller]
fn assert_errors(trial: &Value, classes: Value) {
    for (class, count) in trial["errors"].as_object().unwrap() {
        let expected = classes.get(class).cloned().unwrap_or(json!(0));
        assert_eq!(*count, expected, "{class}: {}", trial["errors"]);
    }
}

#[tokio::test]
async fn faults_of_uploads_are_tried_again_and_counted_by_class() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let mut parts = once_each(
        [
            Fault::refusal(500, "InternalError", ""),
            Fault::refusal(503, "ServiceUnavailable", ""),
            Fault::refusal(429, "SlowDown", ""),
            Fault::refusal(503, "SlowDown", ""),
            Fault::Reset,
            Fault::LoseAnswer,
        ],
        Asked::is_part,
    );
    let mut completes = once_each([Fault::LoseAnswer], Asked::is_complete);
    let mischief = mischief(&serve.endpoint(), move |asked| match parts(asked) {
        Fault::None => completes(asked),
        fault => fault,
    });
    let document = Tidegate::at(&mischief.endpoint()).json("run", &upload(&four_files()));
    let trial = &document["trials"][0];
    assert_eq!(trial["task"]["files_done"], 4);
    assert_errors(trial, json!({ "server": 2, "throttled": 2, "connection": 3 }));
    assert_eq!(trial["requests"]["part"]["count"], 8);
    assert_eq!(trial["requests"]["part"]["retries"], 6);
    // The object was there: asked for with HeadObject, and not sent again.
    assert_eq!(trial["requests"]["complete"]["retries"], 1);
    assert_eq!(trial["requests"]["head"]["count"], 1);
    assert_nothing_left(&serve).await;
}

#[tokio::test]
async fn faults_of_downloads_are_tried_again_and_counted_by_class() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let faults = [Fault::Truncate, Fault::LoseAnswer, Fault::refusal(500, "InternalError", "")];
    let mischief = mischief(&serve.endpoint(), once_each(faults, Asked::is_get));
    let down = [TARGET, "--size", "24MB", "--files", "4", "--direction", "down", "--verify"];
    let document = Tidegate::at(&mischief.endpoint()).json("run", &down);
    let trial = &document["trials"][0];
    assert_eq!(trial["task"]["files_done"], 4);
    assert_errors(trial, json!({ "connection": 2, "server": 1 }));
    assert_eq!(trial["requests"]["get"]["retries"], 3);
    assert_nothing_left(&serve).await;
}

#[test]
fn what_an_endpoint_does_not_tell_of_versions_is_said_in_the_result() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let mischief = mischief(&serve.endpoint(), |asked| match asked.has("versioning") {
        true => Fault::refusal(403, "AccessDenied", ""),
        false => Fault::None,
    });
    let document = Tidegate::at(&mischief.endpoint()).json("run", &upload(&four_files()));
    let unknown = "whether bucket bucket keeps what is deleted is not known: ";
    let assumptions = document["assumptions"].as_array().unwrap();
    let told = |assumed: &&Value| assumed.as_str().unwrap().starts_with(unknown);
    assert_eq!(assumptions.iter().filter(told).count(), 1, "{assumptions:?}");
}

#[tokio::test]
async fn a_server_is_asked_again_no_sooner_than_it_wants() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let seen = Arc::clone(&times);
    let slow_down = Fault::refusal(429, "SlowDown", "Retry-After: 2\r\n");
    let mut faults = once_each([slow_down], Asked::is_part);
    let mischief = mischief(&serve.endpoint(), move |asked| {
        if asked.is_part() {
            seen.lock().unwrap().push(clock::now());
        }
        faults(asked)
    });
    let one = [TARGET, "--size", "9MB", "--files", "1", "--part-size", "5MiB"];
    let document = Tidegate::at(&mischief.endpoint()).json("run", &one);
    assert_errors(&document["trials"][0], json!({ "throttled": 1 }));
    let times = times.lock().unwrap();
    assert!(times[1].since(times[0]) >= Duration::from_secs(2), "{times:?}");
}

#[tokio::test]
async fn what_fails_for_good_is_named_and_taken_back() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    // The first file that is seen, whatever is tried.
    let mut unlucky = None;
    let mischief = mischief(&serve.endpoint(), move |asked| {
        let key = || asked.target.split('?').next().unwrap_or_default().to_owned();
        if asked.is_part() && *unlucky.get_or_insert_with(key) == key() {
            return Fault::refusal(403, "AccessDenied", "");
        }
        Fault::None
    });
    let Finished { code, stdout, stderr } =
        Tidegate::at(&mischief.endpoint()).run("run", &upload(&four_files()));
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.contains("AccessDenied"), "{stdout}");
    assert!(stderr.contains("1 file did not arrive"), "{stderr}");
    assert_nothing_left(&serve).await;
}

#[tokio::test]
async fn keys_that_expire_in_mid_run_are_said_and_clean_takes_away_what_they_could_not() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let mut parts = 0;
    let mischief = mischief(&serve.endpoint(), move |asked| {
        parts += u32::from(asked.is_part());
        match parts > 3 {
            true => Fault::refusal(400, "ExpiredToken", ""),
            false => Fault::None,
        }
    });
    let tidegate = Tidegate::at(&mischief.endpoint());
    let Finished { code, stderr, .. } = tidegate.run("run", &upload(&four_files()));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("ExpiredToken"), "{stderr}");
    assert!(stderr.contains("hint: get new keys"), "{stderr}");
    let [run] = &tidegate.runs()[..] else { panic!("a run has one directory") };
    let saved: Value = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
    let failures = saved["trials"][0]["task"]["failures"].as_array().unwrap();
    assert!(
        !failures.is_empty() && failures[0]["reason"].as_str().unwrap().contains("ExpiredToken")
    );

    let name = run.file_name().unwrap().to_str().unwrap();
    let cleaned = Tidegate::at(&serve.endpoint()).run_plain("clean", &[TARGET, "--run", name]);
    assert_eq!(cleaned.code, 0, "{}", cleaned.stderr);
    assert_nothing_left(&serve).await;
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_read_fails_and_is_not_left_in_the_bucket() {
    let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("growing");
    fs::write(&path, vec![7; 12 << 20]).unwrap();
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    let tidegate = Tidegate::at(&serve.endpoint());
    let upload = [TARGET, "--from", text(here.path()), "--part-size", "5MiB"];
    let mut child = tidegate.start("run", &upload);
    wait_for_uploads(&store, "p/", 1, &mut child).await;
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(finished.stdout.contains("growing"), "{}", finished.stdout);
    assert!(finished.stdout.contains("changed"), "{}", finished.stdout);
    assert_nothing_left(&serve).await;
}

#[test]
fn a_name_that_nobody_knows_is_said_with_what_to_do() {
    // Never a name of a host (RFC 6761).
    let Finished { code, stderr, .. } = Tidegate::at("https://name.invalid").run("run", &[TARGET]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("name.invalid") && stderr.contains("hint: "), "{stderr}");
}

#[tokio::test]
async fn a_download_at_a_byte_now_and_then_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let trickle = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        read_head(&mut BufReader::new(&client)).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").unwrap();
        // Until the client has had enough.
        while client.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let config = Config {
        credentials: Credentials::Anonymous,
        stall_timeout: Duration::from_secs(1),
        ..Config::new(&endpoint, "bucket", "us-east-1")
    };
    let store = S3Store::connect(&config.resolve().await.unwrap());
    let mut body = store.get_object("key", None, &probe()).await.unwrap().body;
    let error = loop {
        match body.next().await.expect("it does not end well") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.class, FailureClass::Timeout, "{error}");
    assert!(error.message.contains("less than 1000 bytes a second"), "{error}");
    drop(body);
    trickle.join().unwrap();
}

#[tokio::test]
async fn a_peer_that_stalls_is_a_timeout_and_one_that_is_slow_is_waited_for() {
    let slow = Duration::from_millis(300);
    let stalled = Duration::from_secs(3);
    let server = TruthServer::start(move |asked| match asked.key.as_str() {
        "slow" => Plan::Answer { head: slow, body: slow },
        "silent" => Plan::Answer { head: stalled, body: Duration::ZERO },
        _ => Plan::Answer { head: Duration::ZERO, body: stalled },
    });
    let config = Config {
        credentials: Credentials::Anonymous,
        stall_timeout: Duration::from_secs(1),
        ..Config::new(&server.endpoint(), "bucket", "us-east-1")
    };
    let store = S3Store::connect(&config.resolve().await.unwrap());
    let get = async |key: &str| {
        let mut body = store.get_object(key, None, &probe()).await?.body;
        while let Some(bytes) = body.next().await {
            bytes?;
        }
        Ok(())
    };
    assert_eq!(get("slow").await, Ok(()));
    let put = Payload::from(vec![Bytes::from_static(b"data")]);
    let no_answer = store.put_object("silent", put, &probe()).await.map(drop);
    for result in [no_answer, get("silent").await, get("half").await] {
        let error = result.unwrap_err();
        assert_eq!(error.class, FailureClass::Timeout, "{error}");
        assert!(error.message.contains("no progress for 1 s"), "{error}");
    }
}
