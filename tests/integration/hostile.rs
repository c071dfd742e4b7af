//! What servers answer that no server should: each is told in one sentence, with the right exit code,
//! and nothing that was not counted is claimed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::hostile::{Hostile, Operation, Quirk};
use crate::support::http::Http;
use crate::support::relay::Asked;
use crate::support::servers::{Serve, text};
use crate::support::tidegate::{Finished, Tidegate};

/// The control characters are references, as XML has them.
const DENIED: Quirk = Quirk::Refuses {
    status: 403,
    code: "AccessDenied",
    message: "&#x1b;[31mred &#x9b;2J&#x202e;gnp.exe&#x2028;&#x7f;",
    header: "",
};

const DOWN: [&str; 3] = ["s3://bucket/p", "--direction", "down"];

/// Bytes of an object: two parts.
const OBJECT_BYTES: usize = 6_000_000;

const IN_RANGES: [&str; 4] = ["--get", "ranged", "--part-size", "5MiB"];

/// A bucket with objects below `p/`, of these names.
fn bucket_with(names: &[&str]) -> Serve {
    let serve = Serve::open(&["--bucket", "bucket", "--retain", "memory"]);
    for name in names {
        Http::at(serve.address()).put(&format!("/bucket/p/{name}"), &content(name));
    }
    serve
}

fn content(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(OBJECT_BYTES).collect()
}

/// All answers to `operation` have the quirk.
fn hostile(serve: &Serve, operation: Operation, quirk: Quirk) -> Hostile {
    Hostile::in_front_of(&serve.endpoint(), operation, quirk)
}

fn run(hostile: &Hostile, arguments: &[&str]) -> Finished {
    Tidegate::at(&hostile.endpoint()).run("run", arguments)
}

/// Downloads all below `p/` into a directory.
fn download(hostile: &Hostile, options: &[&str]) -> (Finished, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let finished = run(hostile, &[&DOWN[..], &["--to", text(directory.path())], options].concat());
    (finished, directory)
}

fn listing(content: &str) -> Quirk {
    document("ListBucketResult", content)
}

fn document(root: &str, content: &str) -> Quirk {
    let body = format!("<{root}>{content}</{root}>");
    let length = body.len();
    Quirk::Replies(
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

/// Text that a terminal shows and does nothing else with.
fn assert_plain(text: &str) {
    let steers = |c: char| {
        c != '\n' && c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: BTreeSet<char> = text.chars().filter(|c| steers(*c)).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
}

#[track_caller]
fn assert_told(finished: &Finished, code: i32, what: &str) {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert_eq!(finished.code, code, "{said}");
    assert!(said.contains(what), "{said}");
}

#[test]
fn what_a_server_says_is_shown_and_not_obeyed() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let denied = hostile(&serve, Operation::ListObjectsV2, DENIED);
    let cannot_write = hostile(&serve, Operation::PutObject, DENIED);
    let up = ["s3://bucket/p", "--dataset", "esnet-5MB", "--files", "1"];
    for (finished, code) in [
        (Tidegate::at(&denied.endpoint()).run_plain("check", &["s3://bucket/p"]), 2),
        (Tidegate::at(&denied.endpoint()).run_plain("check", &["s3://bucket/p", "--json"]), 2),
        (run(&denied, &DOWN), 2),
        (run(&cannot_write, &up), 2),
        (Tidegate::at(&cannot_write.endpoint()).run("tune", &["s3://bucket/p", "--yes"]), 2),
        (Tidegate::at(&denied.endpoint()).run_plain("clean", &["s3://bucket/p"]), 2),
    ] {
        assert_plain(&finished.stderr);
        assert_plain(&finished.stdout);
        assert_told(&finished, code, r"u{1b}[31mred ");
    }
}

#[test]
fn what_was_typed_or_pasted_is_shown_and_not_obeyed() {
    let evil = "s3:/\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";
    for (verb, arguments) in [("run", [evil]), ("check", [evil]), ("report", [evil]), (evil, ["x"])]
    {
        let finished = Tidegate::embedded().run_plain(verb, &arguments);
        assert_plain(&finished.stderr);
        assert_told(&finished, 2, r"\u{202e}");
    }
}

/// Puts something else into a file, as somebody who hands it on might.
fn alter(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn what_lies_in_files_is_shown_and_not_obeyed() {
    let tidegate = Tidegate::embedded();
    let up = ["--dataset", "esnet-5MB", "--files", "2", "--size", "2kB"];
    let mut document = tidegate.json("run", &up);
    let run = tidegate.runs().pop().unwrap();
    let result = run.join("result.json");
    let trial = &mut document["trials"][0];
    (trial["limited_by"], trial["evidence"]) =
        ("errors".into(), "\u{1b}[2J\u{9b}31m\u{202e}\u{7f}".into());
    std::fs::write(&result, format!("{document:#}")).unwrap();
    let evil = r"\u001b[2J\u009b31m\u202e\u007f";
    for format in ["text", "md", "html", "csv", "json"] {
        let finished = tidegate.run_plain("report", &[text(&run), "--format", format]);
        assert_plain(&finished.stdout);
        // Of a trial CSV has figures alone.
        let is_shown = format == "csv" || finished.stdout.contains("202e");
        assert!(is_shown, "{format}: {}", finished.stdout);
    }
    let finished = tidegate.run_plain("report", &[text(&run), "--recompute"]);
    assert_plain(&format!("{}{}", finished.stdout, finished.stderr));
    let field = r#""id": ""#;
    alter(&result, field, &format!("{field}{evil}"));
    let finished = tidegate.run_plain("report", &[text(&run)]);
    assert_plain(&finished.stderr);
    assert_told(&finished, 2, "its id is not the name of a run");
    alter(&result, r#""schema""#, "\u{1b}[2J\u{202e}\"schema\"");
    let finished = tidegate.run_plain("report", &[text(&run)]);
    assert_plain(&finished.stderr);
    assert_told(&finished, 2, "result.json");
    let scenario = run.join("a.toml");
    std::fs::write(&scenario, "\"\u{202e}trip\" = 1\n").unwrap();
    let finished = tidegate.run("run", &["--simulate", text(&scenario)]);
    assert_plain(&finished.stderr);
    assert_told(&finished, 2, r"\u{202e}trip");
}

#[test]
fn what_a_client_calls_itself_is_shown_and_not_obeyed() {
    let mut serve = Serve::start(&["--bucket", "bucket"]);
    let up = ["s3://bucket/p", "--dataset", "esnet-5MB", "--files", "2", "--size", "2kB"];
    assert_eq!(Tidegate::at(&serve.endpoint()).run("run", &up).code, 0);
    let log = serve.end();
    alter(&log, r#""user_agent":""#, r#""user_agent":"\u001b[2J\u009b31m\u202e"#);
    for options in [&[][..], &["--json"]] {
        let arguments = [&[text(&log)], options].concat();
        let finished = Tidegate::embedded().run_plain("observe", &arguments);
        assert_plain(&finished.stdout);
        assert_told(&finished, 0, "202e");
    }
}

#[test]
fn a_listing_that_does_not_advance_is_told_as_that() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let objects = hostile(&serve, Operation::ListObjectsV2, Quirk::GoesRound);
    let uploads = hostile(&serve, Operation::ListMultipartUploads, Quirk::GoesRound);
    let keep = ["s3://bucket/p", "--dataset", "esnet-5MB", "--files", "1", "--keep"];
    assert_told(&run(&objects, &DOWN), 2, "the listing does not advance");
    assert_told(&run(&objects, &keep), 2, "`p/` is not empty");
    assert_told(&run(&uploads, &keep), 2, "the listing does not advance");
    assert!(objects.count(Operation::ListObjectsV2) <= 8);
    assert!(uploads.count(Operation::ListMultipartUploads) <= 4);
    let parts = hostile(&serve, Operation::ListParts, Quirk::GoesRound);
    let check = Tidegate::at(&parts.endpoint()).run_plain("check", &["s3://bucket/p"]);
    assert_told(&check, 1, "the listing does not advance");
}

/// Pages that always go on to new ones.
fn endless_listing() -> impl FnMut(&Asked) -> Option<Quirk> + Send {
    let mut page = 0;
    move |asked| {
        page += 1;
        match Operation::of(asked) {
            Operation::ListObjectsV2 => Some(listing(&format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{page}</NextContinuationToken>\
                 <Contents><Key>p/{page}</Key><Size>1</Size></Contents>"
            ))),
            Operation::ListMultipartUploads => Some(document(
                "ListMultipartUploadsResult",
                &format!(
                    "<IsTruncated>true</IsTruncated><NextKeyMarker>{page}</NextKeyMarker>\
                     <Upload><Key>p/{page}</Key><UploadId>{page}</UploadId></Upload>"
                ),
            )),
            _ => None,
        }
    }
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

#[test]
fn ctrl_c_ends_an_endless_listing() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let keep = ["s3://bucket/p", "--dataset", "esnet-5MB", "--files", "1", "--keep"];
    for (arguments, operation) in
        [(&keep[..], Operation::ListMultipartUploads), (&DOWN, Operation::ListObjectsV2)]
    {
        let mut endless = endless_listing();
        let hostile = Hostile::planned(&serve.endpoint(), move |asked| {
            endless(asked).filter(|_| Operation::of(asked) == operation)
        });
        let mut child = Tidegate::at(&hostile.endpoint()).start("run", arguments);
        while hostile.count(operation) < 10 {
            assert_eq!(
                child.try_wait().unwrap(),
                None,
                "it goes on for as long as there are pages"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}

#[test]
fn an_endless_document_is_read_up_to_a_stated_size() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let endless = Quirk::Endless(200, "<ListBucketResult><Name>");
    let objects = hostile(&serve, Operation::ListObjectsV2, endless);
    assert_told(&run(&objects, &DOWN), 2, "the answer is longer than 16777216 bytes");
    let uploads = Quirk::Endless(200, "<ListMultipartUploadsResult><Bucket>");
    let uploads = hostile(&serve, Operation::ListMultipartUploads, uploads);
    let check = Tidegate::at(&uploads.endpoint()).run_plain("check", &["s3://bucket/p"]);
    // Whether all is gone cannot be seen.
    assert_told(&check, 2, "the answer is longer than 16777216 bytes");
}

#[test]
fn an_endless_error_document_is_read_up_to_a_stated_size() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let endless = Quirk::Endless(403, "<Error><Code>AccessDenied</Code><Message>");
    let hostile = hostile(&serve, Operation::ListObjectsV2, endless);
    assert_told(&run(&hostile, &DOWN), 2, "403 Forbidden: the answer is longer than 262144 bytes");
    assert_eq!(hostile.count(Operation::ListObjectsV2), 1);
}

#[test]
fn an_answer_to_another_range_than_was_asked_for_is_a_failure() {
    let serve = bucket_with(&["a"]);
    for (quirk, what) in [
        (Quirk::Status(200), "a range was asked for and the answer is 200"),
        (Quirk::Header("content-range", b"bytes 7-5242886/6000000"), "the range is bytes 7-"),
        (Quirk::WithoutHeader("content-range"), "the range is none"),
    ] {
        let hostile = hostile(&serve, Operation::GetObject, quirk);
        let (finished, directory) = download(&hostile, &IN_RANGES);
        assert_told(&finished, 1, what);
        assert!(!directory.path().join("a").exists());
        assert!(hostile.count(Operation::GetObject) <= 2, "no range is tried again");
    }
    let hostile = hostile(&serve, Operation::GetObject, Quirk::Status(206));
    assert_told(&download(&hostile, &[]).0, 1, "all of it was asked for and the answer is 206");
}

#[test]
fn what_a_listing_does_not_tell_of_an_object_makes_it_a_failure_by_name() {
    let serve = bucket_with(&["a", "b", "c"]);
    let entry = |name: &str, size: &str| format!("<Contents><Key>p/{name}</Key>{size}</Contents>");
    let page = [
        entry("a", "<Size>6000000</Size>"),
        entry("b", ""),
        entry("c", "<Size>-1</Size>"),
        entry("a", "<Size>6000000</Size>"),
        entry("d", "<Size>9223372036854775807</Size>"),
    ];
    let hostile = hostile(&serve, Operation::ListObjectsV2, listing(&page.concat()));
    let (finished, directory) = download(&hostile, &[]);
    assert_told(&finished, 1, "4 files did not arrive");
    assert!(finished.stdout.contains("1 of 5 files"), "{}", finished.stdout);
    for named in ["b: the listing gives", "c: the listing gives", "a: the listing shows", "d: the"]
    {
        assert!(finished.stderr.contains(named), "{}", finished.stderr);
    }
    assert_eq!(std::fs::read(directory.path().join("a")).unwrap(), content("a"));
}

#[test]
fn a_listing_without_any_size_moves_nothing_and_says_why() {
    let serve = bucket_with(&["a"]);
    let hostile = hostile(&serve, Operation::ListObjectsV2, Quirk::WithoutElement("Size"));
    assert_told(&run(&hostile, &DOWN), 2, "the 1 object at");
}

#[test]
fn a_download_whose_length_is_not_told_is_counted() {
    let serve = bucket_with(&["a", "b"]);
    let no_length = Quirk::WithoutHeader("content-length");
    for options in [&[][..], &IN_RANGES] {
        let hostile = hostile(&serve, Operation::GetObject, no_length.clone());
        let (finished, directory) = download(&hostile, options);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        for name in ["a", "b"] {
            assert_eq!(std::fs::read(directory.path().join(name)).unwrap(), content(name));
        }
    }
    for (bytes, what) in [
        (OBJECT_BYTES - 1, "5999999 bytes came where 6000000 were expected"),
        (OBJECT_BYTES + 1, "more bytes came than the 6000000"),
        (OBJECT_BYTES * 2, "more bytes came than the 6000000"),
    ] {
        let hostile = hostile(&serve, Operation::GetObject, Quirk::Chunks(bytes));
        let (finished, directory) = download(&hostile, &[]);
        assert_told(&finished, 1, what);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_head_without_a_length_leaves_a_download_unverified_and_not_failed() {
    let serve = bucket_with(&["a"]);
    let hostile = hostile(&serve, Operation::HeadObject, Quirk::WithoutHeader("content-length"));
    let (finished, _directory) = download(&hostile, &["--verify"]);
    assert_eq!(finished.code, 0, "{}", finished.stderr);
}

#[test]
fn an_answer_that_cannot_be_read_is_named_and_not_tried_again() {
    let serve = bucket_with(&["a"]);
    for (quirk, what) in [
        (Quirk::Header("last-modified", b"yesterday"), "LastModified"),
        (Quirk::Header("x-amz-meta-title", b"caf\xe9"), "x-amz-meta-"),
    ] {
        let hostile = hostile(&serve, Operation::GetObject, quirk);
        let (finished, _directory) = download(&hostile, &[]);
        assert_told(&finished, 1, "cannot be read");
        assert_told(&finished, 1, what);
        assert_eq!(hostile.count(Operation::GetObject), 1);
    }
    let hostile = hostile(&serve, Operation::ListObjectsV2, Quirk::Element("Size", "many".into()));
    assert_told(&run(&hostile, &DOWN), 2, "Size");
    assert_eq!(hostile.count(Operation::ListObjectsV2), 1);
}

#[test]
fn a_complete_whose_yes_cannot_be_read_is_looked_after() {
    let serve = Serve::start(&["--bucket", "bucket", "--retain", "memory"]);
    let odd = Quirk::Header("x-amz-server-side-encryption-bucket-key-enabled", b"perhaps");
    let hostile = hostile(&serve, Operation::CompleteMultipartUpload, odd);
    let up = ["s3://bucket/p", "--dataset", "esnet-5MB", "--files", "1", "--size", "6MB"];
    let finished = run(&hostile, &[&up[..], &["--part-size", "5MiB"]].concat());
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    assert_eq!(hostile.count(Operation::CompleteMultipartUpload), 1);
    assert!(hostile.count(Operation::HeadObject) >= 1);
}

#[test]
fn odd_keys_arrive_from_a_listing_that_does_not_name_its_encoding() {
    let serve = bucket_with(&["a%20b%2B%25c", "d"]);
    let quirk = Quirk::WithoutElement("EncodingType");
    let (finished, directory) = download(&hostile(&serve, Operation::ListObjectsV2, quirk), &[]);
    assert_eq!(finished.code, 0, "{}{}", finished.stdout, finished.stderr);
    let path = directory.path().join("a b+%c");
    assert_eq!(std::fs::read(path).unwrap(), content("a%20b%2B%25c"));
}

#[test]
fn names_of_absurd_length_are_refused_with_a_sentence() {
    let serve = bucket_with(&["a"]);
    let long = "x".repeat(70_000);
    let page = format!(
        "<IsTruncated>true</IsTruncated><NextContinuationToken>{long}</NextContinuationToken>\
         <Contents><Key>p/a</Key><Size>1</Size></Contents>"
    );
    let token = hostile(&serve, Operation::ListObjectsV2, listing(&page));
    assert_told(&run(&token, &DOWN), 2, "a request holds 16384 at most");
    let page = format!("<Contents><Key>p/{long}</Key><Size>1</Size></Contents>");
    let key = hostile(&serve, Operation::ListObjectsV2, listing(&page));
    assert_told(&run(&key, &DOWN), 1, "a request holds 16384 at most");
    let id = Quirk::Element("UploadId", long.clone());
    let id = hostile(&serve, Operation::CreateMultipartUpload, id);
    let up = ["--dataset", "esnet-5MB", "--files", "1", "--size", "6MB", "--part-size", "5MiB"];
    assert_told(
        &run(&id, &[&["s3://bucket/q"], &up[..]].concat()),
        1,
        "its UploadId has 70000 bytes",
    );
    let left = Http::at(serve.address()).ask("GET", "/bucket?list-type=2&prefix=q").send();
    assert_eq!(left.elements("Key"), 0, "{left:?}");
    let typed = format!("s3://bucket/{long}");
    let honest = hostile(&serve, Operation::Other, Quirk::HangsUp);
    assert_told(
        &run(&honest, &[&typed, "--direction", "down"]),
        2,
        "a request holds 16384 at most",
    );
}

#[test]
fn an_upload_that_is_answered_before_it_was_sent_is_a_failed_attempt() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    for (operation, part_size) in
        [(Operation::PutObject, "64MiB"), (Operation::UploadPart, "20MiB")]
    {
        let mut first = true;
        let hostile = Hostile::planned(&serve.endpoint(), move |asked| {
            let is_data = Operation::of(asked) == operation && asked.length > 10_000_000;
            (is_data && std::mem::take(&mut first)).then_some(Quirk::AnswersEarly)
        });
        let up = ["s3://bucket/p", "--dataset", "esnet-5MB", "--files", "1", "--size", "40MB"];
        let how = ["--part-size", part_size, "--concurrency", "1"];
        let document = Tidegate::at(&hostile.endpoint()).json("run", &[&up[..], &how].concat());
        let trial = &document["trials"][0];
        assert_eq!(trial["errors"]["connection"], 1, "{trial}");
        assert_eq!(trial["task"]["files_done"], 1);
    }
}

#[test]
fn an_endpoint_that_hangs_up_is_told_as_a_broken_connection() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let hostile = hostile(&serve, Operation::GetBucketLocation, Quirk::HangsUp);
    assert_told(&run(&hostile, &DOWN), 2, "cannot reach bucket");
}

#[test]
fn a_length_that_is_told_and_wrong_is_a_failure() {
    let serve = bucket_with(&["a"]);
    let hostile = hostile(&serve, Operation::GetObject, Quirk::Length(OBJECT_BYTES - 1));
    assert_told(&download(&hostile, &[]).0, 1, "5999999 bytes came where 6000000 were expected");
}

#[test]
fn an_object_that_is_listed_twice_is_moved_once() {
    let serve = bucket_with(&["a"]);
    let hostile = hostile(&serve, Operation::ListObjectsV2, Quirk::Twice("Contents"));
    assert_told(&download(&hostile, &[]).0, 1, "a: the listing shows its key twice");
    assert_eq!(hostile.count(Operation::GetObject), 1);
}
