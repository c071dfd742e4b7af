//! Storj's limits, as clients of `tidegate serve` meet them.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use crate::support::http::{Answer, Http};
use crate::support::requests::Request;
use crate::support::servers::{Serve, text};
use crate::support::tidegate::Tidegate;

/// A gateway without keys and with these limits, read from a file.
fn limited(limits: &str, options: &[&str]) -> (Serve, Http) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("limits.toml");
    fs::write(&file, limits).unwrap();
    let options = [&["--stats", "127.0.0.1:0", "--limits", text(&file)], options].concat();
    let serve = Serve::open(&options);
    let http = Http::at(serve.address());
    (serve, http)
}

/// So slow that nothing comes back while a test goes on.
const NEVER: &str = "0.001";

#[track_caller]
fn assert_slow_down(answer: &Answer, message: &str) {
    assert_eq!(answer.says(), (429, "SlowDown".to_owned()), "{answer:?}");
    assert_eq!(answer.element("Message").as_deref(), Some(message));
    assert_eq!(answer.header("retry-after"), Some("12"), "{answer:?}");
    assert_eq!(answer.header("server"), Some("Storj"));
    assert!(answer.header("x-amz-request-id").is_some());
    assert_eq!(answer.header("x-amz-id-2"), None);
}

#[test]
fn a_transfer_too_many_is_429_slow_down_with_retry_after_12() {
    let overhead = ["--part-overhead", "3s"];
    let (serve, http) = limited("transfers = 2\ncalls_per_second = \"none\"", &overhead);
    let others: Vec<_> = ["a", "b"]
        .map(|key| {
            let http = Http::at(serve.address());
            thread::spawn(move || http.put(&format!("/bucket/{key}"), b"x"))
        })
        .into();
    while serve.statistics()["transfers"]["now"] != 2 {
        thread::sleep(Duration::from_millis(10));
    }
    let refused = http.ask("PUT", "/bucket/c").body(&[7; 100_000]).send();
    assert_slow_down(&refused, "Only 2 concurrent uploads or downloads are allowed per credential");
    let get = http.ask("GET", "/bucket/a").send();
    assert_eq!(get.status, 429, "downloads count as well");
    assert_eq!(http.ask("HEAD", "/bucket/none").send().status, 404, "other requests do not");
    for other in others {
        assert_eq!(other.join().unwrap().status, 200);
    }
    http.put("/bucket/c", b"x");
    let statistics = serve.statistics();
    assert_eq!(statistics["refused"]["transfers"], 2);
    assert_eq!(statistics["transfers"]["peak"], 2);
}

#[test]
fn a_call_too_many_is_429_slow_down_but_remote_parts_go_on() {
    let limits = format!("calls_per_second = {NEVER}\ncalls_burst = 4");
    let (serve, http) = limited(&limits, &[]);
    let id = http.create_upload("/bucket/k");
    let remote = [7; 5000];
    // Two calls each, which are not refused: the second finds one token.
    for number in 1..=3 {
        assert_eq!(http.put_part("/bucket/k", &id, number, &remote).status, 200);
    }
    let message = "Please reduce your request rate.";
    assert_slow_down(&http.put_part("/bucket/k", &id, 4, b"inline"), message);
    assert_slow_down(&http.ask("GET", "/bucket?list-type=2").send(), message);
    assert_slow_down(&http.complete("/bucket/k", &id, &[]), message);
    assert_slow_down(&http.ask("GET", "/bucket/k").send(), message);
    // An answer without a body has no Retry-After either.
    let head = http.ask("HEAD", "/bucket/k").send();
    assert_eq!((head.status, head.header("retry-after")), (429, None));
    assert_eq!(serve.statistics()["refused"]["calls"], 5);
}

#[test]
fn a_key_is_begun_three_times_at_once_and_then_429_slow_down() {
    let limits = format!("calls_per_second = \"none\"\nkey_writes_per_second = {NEVER}");
    let (serve, http) = limited(&limits, &[]);
    http.put("/bucket/k", b"1");
    http.create_upload("/bucket/k");
    http.put("/bucket/k", b"3");
    let refused = http.ask("PUT", "/bucket/k").body(b"4").send();
    assert_slow_down(&refused, "Please reduce your request rate.");
    assert_eq!(http.ask("GET", "/bucket/k").send().body, b"3");
    http.put("/bucket/other", b"x");
    assert_eq!(serve.statistics()["refused"]["key_writes"], 1);
}

#[test]
fn by_itself_it_has_storjs_limits() {
    let serve = Serve::plain(&["--stats", "127.0.0.1:0"]);
    assert_eq!(serve.statistics()["transfers"]["limit"], 500);
    let serve = Serve::plain(&["--stats", "127.0.0.1:0", "--limits", "none"]);
    assert_eq!(serve.statistics()["transfers"]["limit"], serde_json::Value::Null);
    // Another server has limits of its own.
    let upstream = ["--upstream", "http://127.0.0.1:1"];
    let serve = Serve::plain(&[&upstream[..], &["--stats", "127.0.0.1:0"]].concat());
    assert_eq!(serve.statistics()["transfers"]["limit"], serde_json::Value::Null);
}

/// 300 files of two parts each, all parts in flight.
const FLOOD: &[&str] = &[
    "s3://bucket/p",
    "--files",
    "300",
    // From 5.5 to 8.3 MB each.
    "--dataset",
    "climate",
    "--size",
    "2070MB",
    "--part-size",
    "5MiB",
    "--concurrency",
    "300",
    "--parts-in-flight",
    "2",
    "--verify",
];

#[test]
fn of_600_parts_at_once_500_are_let_in_and_the_others_come_again_after_12_s() {
    // Each part takes so long that all that are let in are there together. Otherwise as at Storj, but
    // for the calls: 300 uploads cannot begin at once there.
    let (serve, _) = limited("calls_per_second = \"none\"", &["--part-overhead", "10s"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let document = tidegate.json("run", FLOOD);
    let trial = &document["trials"][0];
    assert_eq!(trial["task"]["verified"], true, "{trial}");
    assert!(trial["errors"]["throttled"].as_u64() >= Some(1), "{trial}");

    let statistics = serve.statistics();
    eprintln!("{statistics:#}");
    assert_eq!(statistics["transfers"]["peak"], 500);
    let requests = serve.stop();
    let waits = waits_after_refusal(&requests);
    assert!(!waits.is_empty());
    let shortest = waits.iter().min().unwrap();
    assert!(*shortest >= Duration::from_secs(12), "{waits:?}");
    let of = |status| requests.iter().filter(|request| is_part(request, status)).count();
    assert_eq!(of(200), 600, "each part arrived");
    assert_eq!(of(429), waits.len(), "each that was refused came again");
    eprintln!("{} of 600 parts were refused, {} times", refused_parts(&requests), of(429));
}

fn is_part(request: &Request, status: u16) -> bool {
    request.operation == "UploadPart" && request.status == Some(status)
}

fn refused_parts(requests: &[Request]) -> usize {
    let refused = requests.iter().filter(|request| is_part(request, 429));
    let mut parts: Vec<_> = refused.map(|request| (&request.key, request.part_number)).collect();
    parts.sort();
    parts.dedup();
    parts.len()
}

/// From each refusal of a part to the next attempt of the same part.
fn waits_after_refusal(requests: &[Request]) -> Vec<Duration> {
    let mut attempts: BTreeMap<_, Vec<&Request>> = BTreeMap::new();
    for request in requests.iter().filter(|request| request.operation == "UploadPart") {
        attempts.entry((&request.key, request.part_number)).or_default().push(request);
    }
    let mut waits = Vec::new();
    for attempts in attempts.values_mut() {
        attempts.sort_by_key(|attempt| attempt.start_us);
        for pair in attempts.windows(2) {
            assert_eq!(pair[0].status, Some(429), "only what was refused comes again");
            waits.push(Duration::from_micros(pair[1].start_us - pair[0].end_us));
        }
    }
    waits
}

/// What each request costs of the calls that a project has: measured on a real network that allowed one call a second,
/// 60 at once.
#[test]
fn a_request_takes_as_many_calls_as_on_the_real_network() {
    const BURST: usize = 60;
    let limits = format!(
        "calls_per_second = {NEVER}\ncalls_burst = {BURST}\ntransfers = \"none\"\nkey_writes_per_second = \"none\""
    );
    let big = vec![7; (65 << 20) + 1];
    let (mib_64, mib_65) = (&big[..64 << 20], &big[..65 << 20]);
    let put = |http: &Http, bytes: &[u8]| http.ask("PUT", "/bucket/k").body(bytes).send();
    let part = |http: &Http, id: &str, bytes: &[u8]| {
        http.ask("PUT", &format!("/bucket/m?partNumber=1&uploadId={id}")).body(bytes).send()
    };
    let call = |method: &'static str, target: &'static str| {
        move |http: &Http, _: &str| http.ask(method, target).send()
    };
    type Asks<'a> = Box<dyn Fn(&Http, &str) -> Answer + 'a>;
    let table: Vec<(&str, usize, Asks<'_>)> = vec![
        ("PutObject 0 B", 0, Box::new(|http, _| put(http, b""))),
        ("PutObject 1 B", 0, Box::new(|http, _| put(http, b"x"))),
        ("PutObject 4 KiB", 3, Box::new(|http, _| put(http, &big[..4096]))),
        ("PutObject 4,097 B", 4, Box::new(|http, _| put(http, &big[..4097]))),
        ("PutObject 64 MiB", 4, Box::new(|http, _| put(http, mib_64))),
        ("PutObject 64 MiB + 1", 5, Box::new(|http, _| put(http, &big[..(64 << 20) + 1]))),
        ("GetObject of a segment", 1, Box::new(call("GET", "/bucket/small"))),
        ("GetObject of two segments", 2, Box::new(call("GET", "/bucket/large"))),
        ("HeadObject", 1, Box::new(call("HEAD", "/bucket/small"))),
        ("HeadBucket", 1, Box::new(call("HEAD", "/bucket"))),
        ("ListBuckets", 1, Box::new(call("GET", "/"))),
        ("GetBucketLocation", 1, Box::new(call("GET", "/bucket?location"))),
        ("GetBucketVersioning", 1, Box::new(call("GET", "/bucket?versioning"))),
        ("ListObjectsV2", 1, Box::new(call("GET", "/bucket?list-type=2"))),
        ("ListMultipartUploads", 1, Box::new(call("GET", "/bucket?uploads"))),
        ("CreateMultipartUpload", 1, Box::new(call("POST", "/bucket/other?uploads"))),
        (
            "ListParts",
            1,
            Box::new(|http, id| http.ask("GET", &format!("/bucket/m?uploadId={id}")).send()),
        ),
        ("AbortMultipartUpload", 1, Box::new(call("DELETE", "/bucket/m?uploadId=none"))),
        ("DeleteObject", 1, Box::new(call("DELETE", "/bucket/doomed"))),
        ("DeleteObject of a missing key", 2, Box::new(call("DELETE", "/bucket/missing"))),
        ("UploadPart 1 kB", 1, Box::new(|http, id| part(http, id, &big[..1000]))),
        ("UploadPart 5 MiB", 2, Box::new(|http, id| part(http, id, &big[..5 << 20]))),
        ("UploadPart 65 MiB", 4, Box::new(|http, id| part(http, id, mib_65))),
        (
            "CompleteMultipartUpload",
            3,
            Box::new(|http, id| http.ask("POST", &format!("/bucket/m?uploadId={id}")).send()),
        ),
        (
            "CopyObject 25 kB",
            5,
            Box::new(|http, _| {
                let copy = http.ask("PUT", "/bucket/copy");
                copy.header("x-amz-copy-source", "/bucket/small").send()
            }),
        ),
    ];
    for (name, calls, asks) in table {
        let (_serve, http) = limited(&limits, &["--retain", "discard"]);
        http.put("/bucket/small", &big[..25_000]);
        http.put("/bucket/large", mib_65);
        http.put("/bucket/doomed", b"x");
        let id = http.create_upload("/bucket/m");
        let before = BURST - (4 + 6 + 1);
        let answer = asks(&http, &id);
        assert_ne!(answer.status, 429, "{name}: {answer:?}");
        let is_let_in = || http.ask("HEAD", "/bucket").send().status != 429;
        let left = (0..BURST).take_while(|_| is_let_in()).count();
        assert_eq!(before - left, calls, "{name}: {answer:?}");
    }
}
