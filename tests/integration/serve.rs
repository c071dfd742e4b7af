//! `tidegate serve` as its user and an independent client, the AWS CLI, see it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::http::{Answer, Http};
use crate::support::requests::parts_of;
use crate::support::servers::{Serve, text};
use crate::support::tidegate::Tidegate;
use crate::support::tools::{AwsCli, find};
use crate::support::tree::{EMPTY, LARGE, Tree, contents};

/// The CLI sends parts of 8 MiB, and files from 8 MiB on in parts.
const TREE: Tree = Tree { small_files: 40, large_bytes: 20_000_000 };

#[test]
fn the_aws_cli_brings_a_tree_up_and_down_and_deletes_it() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let (here, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    TREE.write(here.path());
    // After an empty file on a connection, botocore 1.43 waits in vain for the answer to the next one
    // there, with every server that, as Go's net/http and hyper, sends no 100 (Continue) for a body of
    // length 0. So the empty file goes by itself.
    fs::remove_file(here.path().join(EMPTY)).unwrap();

    aws.ok(["s3", "cp", "--quiet", "--recursive", text(here.path()), "s3://bucket/a tree/"]);
    fs::write(here.path().join(EMPTY), "").unwrap();
    let empty = here.path().join(EMPTY);
    aws.ok(["s3", "cp", "--quiet", text(&empty), &format!("s3://bucket/a tree/{EMPTY}")]);
    aws.ok(["s3", "cp", "--quiet", "--recursive", "s3://bucket/a tree/", text(back.path())]);
    assert_eq!(contents(back.path()), contents(here.path()));

    let listed = aws.ok(["s3", "ls", "--recursive", "s3://bucket/a tree/"]);
    assert_eq!(listed.lines().count() as u64, TREE.files());
    aws.ok(["s3", "rm", "--quiet", "--recursive", "s3://bucket/a tree/"]);
    let left = aws.ok(["s3api", "list-objects-v2", "--bucket", "bucket", "--query", "Contents"]);
    assert_eq!(left.trim(), "null");

    let requests = serve.stop();
    let key = format!("a tree/{LARGE}");
    let sizes: Vec<u64> = parts_of(&requests, &key).values().map(|part| part.bytes_in).collect();
    assert_eq!(sizes, [8 << 20, 8 << 20, TREE.large_bytes - (16 << 20)]);
    let empty = format!("a tree/{EMPTY}");
    for request in requests {
        // Some versions ask for a range even of what is empty, and take the no for an answer.
        let of_nothing = request.key.as_ref() == Some(&empty) && request.status == Some(416);
        let is_yes = request.status.is_some_and(|status| status < 400);
        assert!(is_yes || of_nothing, "{request:?}");
    }
}

#[test]
fn what_a_directory_retains_is_there_after_a_restart() {
    let kept = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    fs::write(&file, vec![7; 9 << 20]).unwrap();

    let serve = Serve::start(&["--retain", text(kept.path())]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    aws.ok(["s3", "mb", "s3://bucket"]);
    aws.ok(["s3", "cp", "--quiet", text(&file), "s3://bucket/in/parts"]);
    let head = ["s3api", "head-object", "--bucket", "bucket", "--key", "in/parts"];
    let before = aws.ok(head);
    serve.stop();

    let serve = Serve::start(&["--retain", text(kept.path())]);
    let aws = AwsCli::find(&serve.endpoint()).unwrap();
    assert_eq!(aws.ok(head), before, "the same size, date and ETag");
    let back = here.path().join("back");
    aws.ok(["s3", "cp", "--quiet", "s3://bucket/in/parts", text(&back)]);
    assert!(fs::read(&back).unwrap() == fs::read(&file).unwrap());
}

#[test]
fn an_answer_of_no_before_the_body_is_read_reaches_the_client() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("file");
    fs::write(&file, vec![7; 7 << 20]).unwrap();
    let put = ["s3api", "put-object", "--bucket", "no-such-bucket", "--key", "k", "--body"];
    let refused = aws.run(put.into_iter().chain([text(&file)]));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("NoSuchBucket"), "{error}");
}

#[test]
fn statistics_are_a_page_and_json() {
    let serve = Serve::open(&["--stats", "127.0.0.1:0"]);
    let http = Http::at(serve.address());
    http.put("/bucket/k", &[7; 1000]);
    http.put("/bucket/l", &[7; 500]);
    let answer = http.ask("GET", "/bucket/k").send();
    assert_eq!(answer.body.len(), 1000);
    http.ask("GET", "/bucket/missing").send();

    let statistics = serve.statistics();
    let of = |operation: &str, status: u16| {
        let answers = statistics["answers"].as_array().unwrap();
        let is_it =
            |answer: &&Value| answer["operation"] == operation && answer["status"] == status;
        answers.iter().find(is_it).cloned().unwrap_or_default()
    };
    let puts = of("PutObject", 200);
    assert_eq!((&puts["requests"], &puts["bytes_in"]), (&json!(2), &json!(1500)));
    let gets = of("GetObject", 200);
    assert_eq!((&gets["requests"], &gets["bytes_out"]), (&json!(1), &json!(1000)));
    assert_eq!(of("GetObject", 404)["requests"], 1);
    assert_eq!(statistics["bytes_in"], 1500);
    assert_eq!(statistics["requests"], json!({ "now": 0, "peak": 1, "total": 4 }));
    assert_eq!(statistics["connections"]["total"], 4, "this client makes one for each request");
    assert_eq!(statistics["transfers"], json!({ "now": 0, "peak": 1, "limit": null }));

    let page = serve.statistics_page().ask("GET", "/").send();
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.contains("<td>PutObject</td><td>200</td><td>2</td><td>1.50 kB</td>"), "{html}");
    assert_eq!(serve.statistics_page().ask("GET", "/bucket").send().status, 404);
    let (listed, requests) = (http.ask("GET", "/stats.json").send(), serve.stop());
    assert_eq!(listed.status, 200, "there it is a bucket's name");
    assert_eq!(requests.len(), 5, "reading the statistics is no request of S3");
}

/// What a command beside the gateway said, and its exit code.
fn beside(options: &[&str], command: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args([&["serve"], options, &["--"], command].concat())
        .env_remove("TIDEGATE_ACCESS_KEY")
        .env_remove("TIDEGATE_SECRET_KEY")
        .output()
        .unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[test]
fn a_command_beside_the_gateway_finds_it_and_gives_its_exit_code() {
    let (said, code) =
        beside(&["--listen", "0.0.0.0:0"], &["sh", "-c", "echo $AWS_ENDPOINT_URL; exit 3"]);
    assert!(said.starts_with("http://127.0.0.1:"), "{said}");
    assert_eq!(code, Some(3));
    assert_eq!(beside(&[], &["sh", "-c", "kill -9 $$"]).1, Some(137));
    assert_eq!(beside(&[], &["/nowhere/to/be/found"]).1, Some(2));
    if find("aws").is_some() {
        let (said, code) = beside(&["--bucket", "data"], &["aws", "s3", "ls"]);
        assert!(said.trim().ends_with(" data"), "{said}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn the_statistics_name_the_answers_that_aws_would_not_have_given() {
    let serve = Serve::open(&["--stats", "127.0.0.1:0"]);
    let http = Http::at(serve.address());
    http.put("/bucket/k", b"x");
    http.ask("POST", "/bucket?delete")
        .body(b"<Delete><Object><Key>k</Key></Object></Delete>")
        .send();
    http.ask("GET", "/bucket/missing").send();
    let named = serve.statistics()["not_of_aws"].clone();
    assert_eq!(named.as_array().unwrap().len(), 1, "{named}");
    let (named, why) = (&named[0], "Storj wants a Content-MD5; AWS takes another checksum instead");
    assert_eq!((&named["code"], &named["requests"]), (&json!("MissingContentMD5"), &json!(1)));
    assert_eq!(named["why"], why);
    let page = serve.statistics_page().ask("GET", "/").send();
    assert!(String::from_utf8(page.body).unwrap().contains(why));
}

#[test]
fn who_goes_away_before_the_answer_is_counted_as_cut() {
    let serve = Serve::open(&["--stats", "127.0.0.1:0", "--part-overhead", "300ms"]);
    let mut client = TcpStream::connect(serve.address()).unwrap();
    client
        .write_all(b"PUT /bucket/k HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nfour")
        .unwrap();
    wait_until(|| serve.statistics()["requests"]["now"] == 1);
    drop(client);
    wait_until(|| serve.statistics()["requests"]["now"] == 0);
    let cut = &serve.statistics()["answers"][0];
    assert_eq!((&cut["operation"], &cut["status"]), (&json!("PutObject"), &Value::Null), "{cut}");
}

/// Asks again and again, until the test's own time is up.
fn wait_until(mut holds: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came to hold");
}

/// A gateway in the foreground with a PutObject under way, which takes this long.
fn with_a_put_under_way(options: &[&str]) -> (Serve, JoinHandle<io::Result<Answer>>) {
    let serve = Serve::in_foreground(&[&["--stats", "127.0.0.1:0"], options].concat());
    let http = Http::at(serve.address());
    let put = thread::spawn(move || http.ask("PUT", "/bucket/k").body(b"x").try_send());
    wait_until(|| serve.statistics()["transfers"]["now"] == 1);
    (serve, put)
}

#[test]
fn told_to_stop_it_finishes_what_is_under_way() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut serve, put) = with_a_put_under_way(&["--part-overhead", "2s"]);
        serve.signal(signal);
        let (code, said) = serve.wait();
        assert_eq!(put.join().unwrap().unwrap().status, 200);
        assert_eq!(code, Some(0));
        assert!(said.contains("10s for 1 request under way to finish"), "{said}");
        assert!(!said.contains("cut"), "{said}");
    }
}

#[test]
fn what_takes_longer_is_cut_and_said_so() {
    let options = ["--part-overhead", "100s", "--finish-within", "200ms"];
    let (mut serve, put) = with_a_put_under_way(&options);
    serve.signal(Signal::TERM);
    let (code, said) = serve.wait();
    assert!(put.join().unwrap().is_err(), "there is no answer");
    assert_eq!(code, Some(0));
    assert!(said.contains("cut 1 request that had not finished"), "{said}");
}

#[test]
fn a_second_signal_does_not_wait() {
    let options = ["--part-overhead", "100s", "--finish-within", "100s"];
    let (mut serve, put) = with_a_put_under_way(&options);
    serve.signal(Signal::INT);
    // Both at once would be one.
    wait_until(|| TcpStream::connect(serve.address()).is_err());
    serve.signal(Signal::INT);
    let (_, said) = serve.wait();
    assert!(put.join().unwrap().is_err(), "there is no answer");
    assert!(said.contains("cut 1 request that had not finished"), "{said}");
}

#[test]
fn options_that_cannot_work_are_refused_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("limits.toml");
    fs::write(&file, "transfers = 0").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (options, sentence) in [
        (["--limits", "some"], "cannot read the limits some"),
        (["--limits", text(&file)], "a limit is a number above zero"),
        (["--stats", &taken], "choose another address with --stats"),
        (["--listen", &taken], "choose another address with --listen"),
        (["--tls-cert", "cert.pem"], "--tls-key"),
    ] {
        let refused = Tidegate::serve(&options);
        assert_eq!(refused.code, 2, "{options:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(sentence), "{sentence:?} is not in: {}", refused.stderr);
    }
}

#[test]
fn a_log_in_which_something_is_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("requests.jsonl");
    fs::write(&log, "the only copy\n").unwrap();
    let refused = Tidegate::serve(&["--log", text(&log)]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("there is something in it"), "{}", refused.stderr);
    assert!(refused.stderr.contains("choose another file with --log"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&log).unwrap(), "the only copy\n");
    let empty = directory.path().join("empty.jsonl");
    fs::write(&empty, "").unwrap();
    assert_eq!(Tidegate::serve(&["--log", text(&empty)]).code, 0);
}

/// What `serve` says, ended at once, with these keys in its environment.
fn said_with_keys(options: &[&str], keys: &[(&str, &OsStr)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["serve", "--until-stdin-closes"])
        .args(options)
        .env_remove("TIDEGATE_ACCESS_KEY")
        .env_remove("TIDEGATE_SECRET_KEY")
        .envs(keys.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_key_that_is_set_but_is_none_opens_nothing() {
    let (good, empty, latin1) = (OsStr::new("key"), OsStr::new(""), OsStr::from_bytes(b"k\xe9y"));
    let names = ["TIDEGATE_ACCESS_KEY", "TIDEGATE_SECRET_KEY"];
    for (access, secret, sentence) in [
        (empty, empty, "TIDEGATE_ACCESS_KEY is set, but empty"),
        (empty, good, "TIDEGATE_ACCESS_KEY is set, but empty"),
        (good, empty, "TIDEGATE_SECRET_KEY is set, but empty"),
        (latin1, latin1, "TIDEGATE_ACCESS_KEY is not UTF-8"),
    ] {
        let (code, said) = said_with_keys(&[], &[(names[0], access), (names[1], secret)]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(sentence), "{sentence:?} is not in: {said}");
        assert!(said.contains("set both to verify signatures"), "{said}");
    }
}

#[test]
fn who_listens_to_all_without_keys_is_told_who_may_write() {
    let keys = [("TIDEGATE_ACCESS_KEY", OsStr::new("k")), ("TIDEGATE_SECRET_KEY", OsStr::new("s"))];
    let warns = |options: &[&str], keys: &[(&str, &OsStr)]| {
        let (code, said) = said_with_keys(options, keys);
        assert_eq!(code, Some(0), "{said}");
        said.contains("may read, write and delete everything here")
    };
    assert!(warns(&["--listen", "0.0.0.0:0"], &[]));
    assert!(!warns(&["--listen", "127.0.0.1:0"], &[]));
    assert!(!warns(&["--listen", "0.0.0.0:0"], &keys));
    let upstream = ["--listen", "0.0.0.0:0", "--upstream", "http://127.0.0.1:1"];
    assert!(!warns(&upstream, &[]), "the other server has keys");
}
