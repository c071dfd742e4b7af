//! What Storj answers to conditions, digests, sizes and signatures that do not hold, over plain HTTP: as
//! observed on a real network, or read from the source that a test names.

use crate::answers::{base64_md5, md5, says, serve, upload};
use crate::support::http::{Answer, Http};
use crate::support::servers::Serve;
use crate::support::signed_chunks;
use crate::support::tools::AwsCli;

#[test]
fn a_content_md5_that_is_none_is_400_invalid_digest_before_the_body() {
    let (_serve, http) = serve();
    let (id, _) = upload(&http, "/bucket/k", &[]);
    for target in ["/bucket/k".to_owned(), format!("/bucket/k?partNumber=1&uploadId={id}")] {
        let put = http.ask("PUT", &target).header("content-md5", "xx").announcing(1 << 30);
        assert_eq!(put.send().says(), says(400, "InvalidDigest"), "{target}");
    }
}

/// Observed for one byte more; the limit is `storj/gateway-st` api/objecthandlers.go, maxObjectSize.
#[test]
fn a_put_of_more_than_5_tib_is_400_entity_too_large_before_its_body() {
    let (_serve, http) = serve();
    let put = |bytes| http.ask("PUT", "/bucket/k").announcing(bytes).send();
    assert_eq!(put((5 << 40) + 1).says(), says(400, "EntityTooLarge"));
    let in_chunks = http
        .ask("PUT", "/bucket/k")
        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        .header("x-amz-decoded-content-length", &((5_u64 << 40) + 1).to_string());
    assert_eq!(in_chunks.announcing(1 << 41).send().says(), says(400, "EntityTooLarge"));
    assert_eq!(http.ask("GET", "/bucket/k").send().says(), says(404, "NoSuchKey"));
}

#[test]
fn what_an_object_must_be_is_304_or_412_with_its_etag() {
    let (_serve, http) = serve();
    let etag = http.put("/bucket/k", b"ten bytes.").etag().to_owned();
    let quoted = format!("\"{etag}\"");
    let (past, future) = ("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    for (name, value, status) in [
        ("if-match", quoted.as_str(), 200),
        ("if-match", etag.as_str(), 200),
        ("if-match", "\"other\"", 412),
        ("if-match", "*", 412),
        ("if-none-match", quoted.as_str(), 304),
        ("if-none-match", "\"other\"", 200),
        ("if-none-match", "*", 200),
        ("if-modified-since", past, 200),
        ("if-modified-since", future, 304),
        ("if-unmodified-since", past, 412),
        ("if-unmodified-since", future, 200),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = http.ask(method, "/bucket/k").header(name, value).send();
            assert_eq!(answer.status, status, "{method} {name}: {value}: {answer:?}");
            assert_eq!(answer.etag(), etag, "{method} {name}: {value}: {answer:?}");
            assert!(answer.header("last-modified").is_some(), "{answer:?}");
            if status == 304 {
                assert_eq!((answer.body.len(), answer.header("content-type")), (0, None));
            }
            if (status, method) == (412, "GET") {
                assert_eq!(answer.says(), says(412, "PreconditionFailed"));
            }
        }
    }
    let missing = http.ask("GET", "/bucket/missing").header("if-match", &quoted).send();
    assert_eq!(missing.says(), says(404, "NoSuchKey"));
}

#[test]
fn what_the_source_of_a_copy_must_be_is_412() {
    let (_serve, http) = serve();
    let quoted = format!("\"{}\"", http.put("/bucket/k", b"x").etag());
    let copy = |name: &str, value: &str| {
        let copy = http.ask("PUT", "/bucket/copy").header("x-amz-copy-source", "/bucket/k");
        copy.header(&format!("x-amz-copy-source-{name}"), value).send().status
    };
    assert_eq!(copy("if-match", "\"other\""), 412);
    assert_eq!(copy("if-none-match", &quoted), 412);
    assert_eq!(copy("if-match", &quoted), 200);
}

/// `storj/minio` cmd/signature-v4-parser.go: of Signature Version 4, before the signature is looked at.
#[test]
fn a_url_that_is_valid_for_more_than_a_week_is_400() {
    let keys = Serve::start(&["--bucket", "bucket"]);
    let (open, _) = serve();
    for serve in [&keys, &open] {
        let http = Http::at(serve.address());
        let get = |seconds: u32| {
            let query = format!(
                "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires={seconds}&X-Amz-Signature=0&\
                 X-Amz-Credential=key%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&\
                 X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host"
            );
            http.ask("GET", &format!("/bucket/k?{query}")).send().says()
        };
        assert_eq!(get(604_801), says(400, "AuthorizationQueryParametersError"));
        assert_ne!(get(604_800).1, "AuthorizationQueryParametersError");
    }
}

/// `storj/gateway-st` api/buckethandlers.go.
#[test]
fn delete_objects_deletes_nothing_if_its_list_is_not_the_one_that_was_digested() {
    let (_serve, http) = serve();
    http.put("/bucket/k", b"x");
    let list = delete_list(["k".to_owned()]);
    let md5_of_something_else = "1B2M2Y8AsgTpgAmY7PhCfg==";
    let refused = delete_objects(&http, &list, md5_of_something_else);
    assert_eq!(refused.says(), says(400, "BadDigest"));
    assert_eq!(delete_objects(&http, &list, "xx").says(), says(400, "InvalidDigest"));
    assert_eq!(http.ask("HEAD", "/bucket/k").send().status, 200, "nothing was deleted");
}

#[test]
fn delete_objects_takes_1_to_1000_keys_and_none_that_is_empty() {
    let (_serve, http) = serve();
    http.put("/bucket/k0", b"x");
    let delete = |keys: Vec<String>| {
        let list = delete_list(keys);
        delete_objects(&http, &list, &base64_md5(list.as_bytes()))
    };
    let numbered = |count: u32| (0..count).map(|number| format!("k{number}")).collect();
    assert_eq!(delete(numbered(1001)).says(), says(400, "MalformedXML"));
    assert_eq!(delete(Vec::new()).says(), says(400, "MalformedXML"));
    let with_an_empty_one = vec!["k0".to_owned(), String::new()];
    assert_eq!(delete(with_an_empty_one).says(), says(400, "UserKeyMustBeSpecified"));
    assert_eq!(http.ask("HEAD", "/bucket/k0").send().status, 200, "nothing was deleted");
    let all = delete(numbered(1000));
    assert_eq!((all.status, all.elements("Deleted")), (200, 1000));
    let twice = delete(vec!["k0".to_owned(), "k0".to_owned()]);
    assert_eq!((twice.status, twice.elements("Deleted")), (200, 1), "each is named once");
}

#[test]
fn a_body_in_signed_chunks_is_stored_only_whole_and_of_the_length_announced() {
    let keys = Serve::start(&["--bucket", "bucket"]);
    let (open, _) = serve();
    for serve in [&keys, &open] {
        let http = Http::at(serve.address());
        let put = |chunks: &[&[u8]], announced| {
            signed_chunks::put(&http, serve.address(), "/bucket/k", chunks, announced).send()
        };
        let incomplete = says(400, "IncompleteBody");
        assert_eq!(put(&[b"abc", b"de"], 5).says(), incomplete, "without the last chunk");
        assert_eq!(put(&[b"abc", b"de", b""], 6).says(), incomplete, "one byte less");
        assert_eq!(put(&[b"abc", b"de", b""], 4).says(), incomplete, "one byte more");
        assert_eq!(put(&[b""], 4).says(), incomplete, "nothing");
        let get = || signed_get(serve, "/bucket/k");
        assert!(get().is_none(), "nothing was stored");
        assert_eq!(put(&[b"abc", b"de", b""], 5).etag(), md5(b"abcde"));
        assert_eq!(get().as_deref(), Some("abcde"));
    }
}

/// `storj/minio` cmd/streaming-signature-v4.go: `MaxSize`.
#[test]
fn a_chunk_of_more_than_one_mib_is_500_internal_error() {
    let keys = Serve::start(&["--bucket", "bucket"]);
    let (open, _) = serve();
    for serve in [&keys, &open] {
        let http = Http::at(serve.address());
        let put = |bytes: usize| {
            let chunk = vec![7; bytes];
            let chunks: [&[u8]; 2] = [&chunk, b""];
            signed_chunks::put(&http, serve.address(), "/bucket/k", &chunks, bytes).send()
        };
        assert_eq!(put(1 << 20).status, 200);
        assert_eq!(put((1 << 20) + 1).says(), says(500, "InternalError"));
    }
}

/// What Storj answers to a list of keys to delete.
fn delete_objects(http: &Http, xml: &str, content_md5: &str) -> Answer {
    http.ask("POST", "/bucket?delete")
        .header("content-md5", content_md5)
        .body(xml.as_bytes())
        .send()
}

fn delete_list(keys: impl IntoIterator<Item = String>) -> String {
    let objects: String =
        keys.into_iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    format!("<Delete>{objects}</Delete>")
}

/// With the keys of the tests, where the server wants any.
fn signed_get(serve: &Serve, target: &str) -> Option<String> {
    let aws = AwsCli::find(&serve.endpoint())?;
    let got = aws.run(["s3", "cp", "--quiet", &format!("s3:/{target}"), "-"]);
    got.status.success().then(|| String::from_utf8(got.stdout).unwrap())
}
