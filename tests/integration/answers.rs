//! What Storj answers, row by row, over plain HTTP: the rows were observed on a network of ten storage
//! nodes (satellite `storj/storj@5dbec64`, gateway `storj/gateway-st@90ba168`), except where a test
//! names the source that it is read from.

use md5::{Digest, Md5};

use crate::support::http::{Answer, Http};
use crate::support::servers::{Serve, text};
use crate::support::tools::AwsCli;

/// Smallest part before the last.
const PART_BYTES: usize = 5 << 20;
static PART: [u8; PART_BYTES] = [1; PART_BYTES];

/// A gateway without keys, with one bucket.
pub fn serve() -> (Serve, Http) {
    let serve = Serve::open(&["--bucket", "bucket"]);
    let http = Http::at(serve.address());
    (serve, http)
}

pub fn md5(content: &[u8]) -> String {
    Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn says(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Begins an upload and sends these parts; its id and their ETags.
pub fn upload(http: &Http, target: &str, parts: &[(u32, &[u8])]) -> (String, Vec<String>) {
    let id = http.create_upload(target);
    let put = |(number, content): &(u32, &[u8])| {
        let answer = http.put_part(target, &id, *number, content);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.etag().to_owned()
    };
    let etags = parts.iter().map(put).collect();
    (id, etags)
}

// Every answer

#[test]
fn every_answer_is_storjs_has_a_request_id_and_accepts_ranges() {
    let (_serve, http) = serve();
    let yes = http.put("/bucket/k", b"x");
    let no = http.ask("GET", "/bucket/missing").send();
    let trailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let early = http.ask("PUT", "/bucket/k").header("x-amz-content-sha256", trailer).send();
    let heads_only = http.ask("HEAD", "/bucket/k").send();
    let mut ids = Vec::new();
    for answer in [&yes, &no, &early, &heads_only] {
        assert_eq!(answer.header("server"), Some("Storj"), "{answer:?}");
        assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{answer:?}");
        assert_eq!(answer.header("x-amz-id-2"), None, "{answer:?}");
        ids.push(answer.header("x-amz-request-id").expect("each has one").to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "no two requests have the same id");
}

// Buckets

#[test]
fn a_bucket_created_twice_is_409_bucket_already_exists() {
    let (_serve, http) = serve();
    assert_eq!(http.ask("PUT", "/new").send().status, 200);
    assert_eq!(http.ask("PUT", "/new").send().says(), says(409, "BucketAlreadyExists"));
}

#[test]
fn the_location_of_a_bucket_is_empty() {
    let (_serve, http) = serve();
    let answer = http.ask("GET", "/bucket?location").send();
    assert_eq!(answer.status, 200);
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.contains("<LocationConstraint"), "{text}");
    assert!(!text.contains("us-"), "{text}");
    assert_eq!(answer.element("LocationConstraint").unwrap_or_default(), "");
}

#[test]
fn any_signing_region_is_accepted() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    for region in ["us-east-1", "eu-central-7", "moon"] {
        let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
        aws.ok(["--region", region, "s3api", "head-bucket", "--bucket", "bucket"]);
    }
}

/// Host names of buckets: gateway.storjshare.io has them, and `localhost` here.
#[test]
fn a_bucket_may_be_named_by_the_path_or_by_the_host() {
    let (serve, http) = serve();
    let port = serve.address().split(':').next_back().unwrap();
    let host = format!("bucket.localhost:{port}");
    let put = http.ask_host(&host, "PUT", "/a/key").body(b"x").send();
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(http.ask("GET", "/bucket/a/key").send().body, b"x");
    assert_eq!(
        http.ask_host(&host, "GET", "/?list-type=2").send().element("Key"),
        Some("a/key".into())
    );
    let requests = serve.stop();
    let logged: Vec<_> = requests.iter().map(|request| request.key.as_deref()).collect();
    assert_eq!(logged, [Some("a/key"), Some("a/key"), None]);
}

#[test]
fn a_bucket_named_by_the_host_can_be_signed() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let endpoint = format!("http://localhost:{}", serve.address().split(':').next_back().unwrap());
    let Some(aws) = AwsCli::find(&endpoint) else { return };
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "[default]\ns3 =\n  addressing_style = virtual\n").unwrap();
    let aws = aws.configured_by(config.path());
    let url = aws.ok(["s3", "presign", "s3://bucket/k"]);
    let (host, target) = url.trim().trim_start_matches("http://").split_once('/').unwrap();
    assert!(host.starts_with("bucket.localhost:"), "{url}");
    // Signed, and of an object that is not there.
    let http = Http::at(serve.address());
    let get = |target: &str| http.ask_host(host, "GET", target).send().says();
    assert_eq!(get(&format!("/{target}")), says(404, "NoSuchKey"));
    assert_eq!(get(&format!("/other-{target}")), says(403, "SignatureDoesNotMatch"));
}

#[test]
fn a_bucket_with_an_object_is_409_bucket_not_empty() {
    let (_serve, http) = serve();
    http.put("/bucket/k", b"x");
    assert_eq!(http.ask("DELETE", "/bucket").send().says(), says(409, "BucketNotEmpty"));
    assert_eq!(http.ask("DELETE", "/bucket/k").send().status, 204);
    assert_eq!(http.ask("DELETE", "/bucket").send().status, 204);
}

// Objects

#[test]
fn the_etag_of_an_object_is_its_md5_even_if_it_is_empty() {
    let (_serve, http) = serve();
    for content in [&b""[..], b"ten bytes.", &[7; 70_000]] {
        assert_eq!(http.put("/bucket/k", content).etag(), md5(content));
        assert_eq!(http.ask("GET", "/bucket/k").send().etag(), md5(content));
    }
}

#[test]
fn a_wrong_content_md5_is_400_bad_digest() {
    let (_serve, http) = serve();
    let md5_of_something_else = "1B2M2Y8AsgTpgAmY7PhCfg==";
    let put = http.ask("PUT", "/bucket/k").header("content-md5", md5_of_something_else);
    assert_eq!(put.body(b"x").send().says(), says(400, "BadDigest"));
    assert_eq!(http.ask("GET", "/bucket/k").send().says(), says(404, "NoSuchKey"));
    let (id, _) = upload(&http, "/bucket/k", &[]);
    let part = format!("/bucket/k?partNumber=1&uploadId={id}");
    let put = http.ask("PUT", &part).header("content-md5", md5_of_something_else);
    assert_eq!(put.body(b"x").send().says(), says(400, "BadDigest"));
}

#[test]
fn a_put_that_must_not_replace_is_412_precondition_failed() {
    let (_serve, http) = serve();
    let put = || http.ask("PUT", "/bucket/k").header("if-none-match", "*").body(b"x").send();
    assert_eq!(put().status, 200);
    assert_eq!(put().says(), says(412, "PreconditionFailed"));
}

/// `storj/gateway-st` miniogw/gateway.go, verifyIfNoneMatch.
#[test]
fn if_none_match_of_an_etag_is_501_not_implemented() {
    let (_serve, http) = serve();
    let put = http.ask("PUT", "/bucket/k").header("if-none-match", "\"abc\"").body(b"x");
    assert_eq!(put.send().says(), says(501, "NotImplemented"));
}

#[test]
fn a_range_beyond_the_end_is_416_invalid_range() {
    let (_serve, http) = serve();
    http.put("/bucket/k", b"ten bytes.");
    let get = |range: &str| http.ask("GET", "/bucket/k").header("range", range).send();
    assert_eq!(get("bytes=10-12").says(), says(416, "InvalidRange"));
    let tail = get("bytes=9-99");
    assert_eq!((tail.status, &tail.body[..]), (206, &b"."[..]));
    assert_eq!(tail.header("content-range"), Some("bytes 9-9/10"));
}

#[test]
fn any_range_of_an_empty_object_is_416_invalid_range() {
    let (_serve, http) = serve();
    http.put("/bucket/k", b"");
    for range in ["bytes=0-0", "bytes=0-", "bytes=5-9"] {
        let get = http.ask("GET", "/bucket/k").header("range", range);
        assert_eq!(get.send().says(), says(416, "InvalidRange"), "{range}");
    }
    assert_eq!(http.ask("GET", "/bucket/k").send().status, 200);
}

#[test]
fn part_1_of_an_object_is_206_with_the_whole_and_there_is_no_other() {
    let (_serve, http) = serve();
    let parts: [(u32, &[u8]); 2] = [(1, &PART), (2, b"end")];
    let (id, etags) = upload(&http, "/bucket/k", &parts);
    http.complete("/bucket/k", &id, &[(1, &etags[0]), (2, &etags[1])]);
    let whole = (PART_BYTES + 3).to_string();
    let head = http.ask("HEAD", "/bucket/k?partNumber=1").send();
    assert_eq!((head.status, head.header("content-length")), (206, Some(whole.as_str())));
    assert_eq!(http.ask("HEAD", "/bucket/k").send().status, 200);
    let get = |part: u32| http.ask("GET", &format!("/bucket/k?partNumber={part}")).send();
    assert_eq!((get(1).status, get(1).body.len()), (206, PART_BYTES + 3));
    assert_eq!(get(2).says(), says(416, "InvalidPartNumber"));
}

#[test]
fn a_missing_key_can_be_deleted_but_not_read() {
    let (_serve, http) = serve();
    assert_eq!(http.ask("DELETE", "/bucket/missing").send().status, 204);
    assert_eq!(http.ask("GET", "/bucket/missing").send().says(), says(404, "NoSuchKey"));
    assert_eq!(http.ask("HEAD", "/bucket/missing").send().status, 404);
}

#[test]
fn delete_objects_without_content_md5_is_400_missing_content_md5() {
    let (_serve, http) = serve();
    http.put("/bucket/k", b"x");
    let xml = b"<Delete><Object><Key>k</Key></Object></Delete>";
    let delete = || http.ask("POST", "/bucket?delete").body(xml);
    // What current AWS SDKs send instead does not count.
    let crc32 = delete().header("x-amz-checksum-crc32", "AAAAAA==").send();
    assert_eq!(crc32.says(), says(400, "MissingContentMD5"));
    assert_eq!(http.ask("HEAD", "/bucket/k").send().status, 200, "nothing was deleted");
    let answer = delete().header("content-md5", &base64_md5(xml)).send();
    assert_eq!((answer.status, answer.element("Key")), (200, Some("k".into())));
    assert_eq!(http.ask("HEAD", "/bucket/k").send().status, 404);
}

pub fn base64_md5(content: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(Md5::digest(content))
}

#[test]
fn a_crc32_is_accepted_and_not_kept() {
    let (_serve, http) = serve();
    let put = |target: &str| {
        let crc32_of_x = "jNwQgw==";
        let put = http.ask("PUT", target).header("x-amz-checksum-crc32", crc32_of_x);
        let answer = put.header("x-amz-sdk-checksum-algorithm", "CRC32").body(b"x").send();
        assert_eq!((answer.status, answer.etag()), (200, &*md5(b"x")), "{answer:?}");
        answer
    };
    let id = http.create_upload("/bucket/l");
    let part = put(&format!("/bucket/l?partNumber=1&uploadId={id}"));
    let object = put("/bucket/k");
    let head = http.ask("HEAD", "/bucket/k").header("x-amz-checksum-mode", "ENABLED").send();
    for answer in [part, object, head] {
        assert_eq!(answer.header("x-amz-checksum-crc32"), None, "{answer:?}");
    }
}

#[test]
fn a_checksum_in_a_trailer_is_400_invalid_request() {
    let (_serve, http) = serve();
    let (id, _) = upload(&http, "/bucket/k", &[]);
    for target in ["/bucket/k".to_owned(), format!("/bucket/k?partNumber=1&uploadId={id}")] {
        let put = http
            .ask("PUT", &target)
            .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("x-amz-decoded-content-length", "1")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .body(b"1\r\nx\r\n0\r\nx-amz-checksum-crc32:jNwQgw==\r\n\r\n");
        assert_eq!(put.send().says(), says(400, "InvalidRequest"));
    }
}

#[test]
fn a_wrong_secret_is_403_signature_does_not_match() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    let refused = aws.with_secret("not-the-secret").run(["s3", "ls", "s3://bucket"]);
    assert!(!refused.status.success());
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(error.contains("SignatureDoesNotMatch"), "{error}");
    let requests = serve.stop();
    let answers: Vec<_> =
        requests.iter().map(|request| (request.status, request.error.as_deref())).collect();
    assert_eq!(answers, [(Some(403), Some("SignatureDoesNotMatch"))]);
}

#[test]
fn with_too_few_nodes_remote_segments_are_500_internal_error_and_inline_ones_work() {
    let serve = Serve::open(&["--bucket", "bucket", "--too-few-nodes"]);
    let http = Http::at(serve.address());
    let put = |content: &[u8]| http.ask("PUT", "/bucket/k").body(content).send();
    assert_eq!(put(&[7; 4097]).says(), says(500, "InternalError"));
    assert_eq!(put(&[7; 4096]).status, 200);
    assert_eq!(http.ask("GET", "/bucket/k").send().body.len(), 4096);
    let (id, _) = upload(&http, "/bucket/k", &[(1, b"inline")]);
    assert_eq!(http.put_part("/bucket/k", &id, 2, &PART).says(), says(500, "InternalError"));
    assert_eq!(serve.stop().len(), 6);
}

#[test]
fn with_too_few_nodes_what_was_stored_before_is_500_internal_error() {
    let kept = tempfile::tempdir().unwrap();
    let retain = ["--retain", text(kept.path())];
    let serve = Serve::open(&retain);
    let http = Http::at(serve.address());
    http.put("/bucket/remote", &[7; 5000]);
    http.put("/bucket/inline", b"x");
    serve.stop();
    let serve = Serve::open(&[&retain[..], &["--too-few-nodes"]].concat());
    let http = Http::at(serve.address());
    assert_eq!(http.ask("GET", "/bucket/remote").send().says(), says(500, "InternalError"));
    assert_eq!(http.ask("HEAD", "/bucket/remote").send().status, 200);
    assert_eq!(http.ask("GET", "/bucket/inline").send().body, b"x");
}

// Uploads

#[test]
fn a_part_number_outside_1_to_10000_is_400_invalid_argument() {
    let (_serve, http) = serve();
    let (id, _) = upload(&http, "/bucket/k", &[]);
    for number in [0, 10_001] {
        let answer = http.put_part("/bucket/k", &id, number, b"x");
        assert_eq!(answer.says(), says(400, "InvalidArgument"), "{number}");
    }
    for number in [1, 10_000] {
        let answer = http.put_part("/bucket/k", &id, number, b"x");
        assert_eq!((answer.status, answer.etag()), (200, &*md5(b"x")), "{number}");
    }
}

/// `storj/minio` cmd/utils.go, globalMaxPartSize.
#[test]
fn a_part_of_more_than_5_gib_is_400_entity_too_large_before_its_body() {
    let (_serve, http) = serve();
    let (id, _) = upload(&http, "/bucket/k", &[]);
    let part = format!("/bucket/k?partNumber=1&uploadId={id}");
    let answer = http.ask("PUT", &part).announcing((5 << 30) + 1).send();
    assert_eq!(answer.says(), says(400, "EntityTooLarge"));
}

/// `storj/minio` cmd/api-response.go, maxPartsList.
#[test]
fn a_listing_of_parts_has_up_to_10000_on_a_page() {
    let (_serve, http) = serve();
    let id = http.create_upload("/bucket/k");
    // More than a page of AWS has.
    for number in 1..=1001 {
        http.put_part("/bucket/k", &id, number, b"x");
    }
    let all = http.ask("GET", &format!("/bucket/k?uploadId={id}")).send();
    assert_eq!(all.element("MaxParts").as_deref(), Some("10000"));
    assert_eq!(
        (all.elements("Part"), all.element("IsTruncated").as_deref()),
        (1001, Some("false"))
    );
    let some = http.ask("GET", &format!("/bucket/k?uploadId={id}&max-parts=1000")).send();
    assert_eq!(
        (some.elements("Part"), some.element("IsTruncated").as_deref()),
        (1000, Some("true"))
    );
    assert_eq!(some.element("NextPartNumberMarker").as_deref(), Some("1000"));
}

/// It says 10,000, as observed; that a page ends at 999 and goes on behind a key, not an id, is from
/// `storj/gateway-st` miniogw/config.go (MaxUploadsLimit) and miniogw/multipart.go.
#[test]
fn a_listing_of_uploads_says_10000_and_ends_at_999_with_a_key() {
    let (_serve, http) = serve();
    for number in 0..1001 {
        http.create_upload(&format!("/bucket/{number:04}"));
    }
    let first = http.ask("GET", "/bucket?uploads").send();
    assert_eq!(first.element("MaxUploads").as_deref(), Some("10000"));
    assert_eq!(
        (first.elements("Upload"), first.element("IsTruncated").as_deref()),
        (999, Some("true"))
    );
    let next = first.element("NextKeyMarker").unwrap();
    assert_eq!(first.element("NextUploadIdMarker").as_deref(), Some(""));
    let rest = http.ask("GET", &format!("/bucket?uploads&key-marker={next}")).send();
    assert_eq!(
        (rest.elements("Upload"), rest.element("IsTruncated").as_deref()),
        (2, Some("false"))
    );
}

#[test]
fn the_etag_of_a_complete_upload_is_the_md5_of_md5s_and_their_number() {
    let (_serve, http) = serve();
    // Gaps in the numbers are accepted.
    let parts: [(u32, &[u8]); 2] = [(1, &PART), (3, b"end")];
    let (id, etags) = upload(&http, "/bucket/k", &parts);
    let digests = parts.map(|(_, content)| Md5::digest(content)).concat();
    let expected = format!("{}-2", md5(&digests));
    let complete = http.complete("/bucket/k", &id, &[(1, &etags[0]), (3, &etags[1])]);
    assert_eq!(complete.status, 200, "{complete:?}");
    let told = complete.element("ETag").unwrap().replace("&quot;", "").replace('"', "");
    assert_eq!(told, expected);
    assert_eq!(http.ask("HEAD", "/bucket/k").send().etag(), expected);
}

#[test]
fn a_complete_must_list_every_part_that_was_uploaded() {
    let (_serve, http) = serve();
    let (id, etags) = upload(&http, "/bucket/k", &[(1, &PART), (2, &PART), (3, b"end")]);
    let (one, two, three) = (&*etags[0], &*etags[1], &*etags[2]);
    for (parts, refused) in [
        (&[(1, one), (2, two)][..], says(400, "InvalidPart")),
        (&[(1, one), (3, three)], says(400, "InvalidPart")),
        (&[(1, one), (2, two), (3, one)], says(400, "InvalidPart")),
        (&[(2, two), (1, one), (3, three)], says(400, "InvalidPartOrder")),
        (&[], says(400, "MalformedXML")),
    ] {
        assert_eq!(http.complete("/bucket/k", &id, parts).says(), refused, "{parts:?}");
    }
    let parts = [(1, one), (2, two), (3, three)];
    assert_eq!(http.complete("/bucket/k", &id, &parts).status, 200, "it is still open");
}

#[test]
fn a_part_before_the_last_of_less_than_5_mib_is_400_entity_too_small() {
    let (_serve, http) = serve();
    let (id, etags) = upload(&http, "/bucket/k", &[(1, b"small"), (2, b"end")]);
    let complete = http.complete("/bucket/k", &id, &[(1, &etags[0]), (2, &etags[1])]);
    assert_eq!(complete.says(), says(400, "EntityTooSmall"));
}

/// A complete upload: its id and what its only part was.
fn completed(http: &Http) -> (String, String) {
    let (id, etags) = upload(http, "/bucket/k", &[(1, b"all")]);
    assert_eq!(http.complete("/bucket/k", &id, &[(1, &etags[0])]).status, 200);
    (id, etags[0].clone())
}

#[test]
fn a_second_complete_is_404_no_such_key() {
    let (_serve, http) = serve();
    let (id, etag) = completed(&http);
    let second = http.complete("/bucket/k", &id, &[(1, &etag)]);
    assert_eq!(second.says(), says(404, "NoSuchKey"));
    assert_eq!(http.ask("GET", "/bucket/k").send().body, b"all", "the object is there");
}

#[test]
fn a_part_after_the_complete_is_404_no_such_upload() {
    let (_serve, http) = serve();
    let (id, _) = completed(&http);
    let late = http.put_part("/bucket/k", &id, 2, b"late");
    assert_eq!(late.says(), says(404, "NoSuchUpload"));
}

#[test]
fn an_abort_of_what_is_gone_is_204() {
    let (_serve, http) = serve();
    let (id, _) = completed(&http);
    let abort = || http.ask("DELETE", &format!("/bucket/k?uploadId={id}")).send().status;
    assert_eq!((abort(), abort()), (204, 204));
    assert_eq!(http.ask("GET", "/bucket/k").send().body, b"all", "the object is there");
}

#[test]
fn an_upload_id_that_is_none_is_404_no_such_upload() {
    let (_serve, http) = serve();
    for (method, target) in [
        ("DELETE", "/bucket/k?uploadId=none"),
        ("GET", "/bucket/k?uploadId=none"),
        ("PUT", "/bucket/k?partNumber=1&uploadId=none"),
    ] {
        let answer: Answer = http.ask(method, target).send();
        assert_eq!(answer.says(), says(404, "NoSuchUpload"), "{method}");
    }
}

// Versions, tags, and objects that are deleted at their time

fn enable_versioning(http: &Http) {
    let body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(http.ask("PUT", "/bucket?versioning").body(body).send().status, 200);
}

#[test]
fn an_overwritten_or_deleted_object_can_be_read_by_its_version() {
    let (_serve, http) = serve();
    enable_versioning(&http);
    let first = http.put("/bucket/k", b"1").header("x-amz-version-id").unwrap().to_owned();
    http.put("/bucket/k", b"2");
    let deleted = http.ask("DELETE", "/bucket/k").send();
    assert_eq!(deleted.header("x-amz-delete-marker"), Some("true"));
    let marker = deleted.header("x-amz-version-id").unwrap();
    assert_eq!(http.ask("GET", "/bucket/k").send().says(), says(404, "NoSuchKey"));
    let get = http.ask("GET", &format!("/bucket/k?versionId={first}")).send();
    assert_eq!((get.status, &get.body[..]), (200, &b"1"[..]));
    let unknown = format!("/bucket/k?versionId={}", "0".repeat(32));
    assert_eq!(http.ask("GET", &unknown).send().says(), says(404, "NoSuchVersion"));
    // Without the marker the object is there again.
    http.ask("DELETE", &format!("/bucket/k?versionId={marker}")).send();
    assert_eq!(http.ask("GET", "/bucket/k").send().body, b"2");
    let listed = http.ask("GET", "/bucket?versions").send();
    assert_eq!((listed.elements("Version"), listed.elements("DeleteMarker")), (2, 0));
}

#[test]
fn versions_are_listed_page_by_page_once_each() {
    let (_serve, http) = serve();
    enable_versioning(&http);
    for content in [b"1", b"2", b"3"] {
        http.put("/bucket/a", content);
    }
    http.ask("DELETE", "/bucket/a").send();
    http.put("/bucket/b", b"4");
    let (mut seen, mut target) = (0, "/bucket?versions&max-keys=2".to_owned());
    loop {
        let page = http.ask("GET", &target).send();
        let names = page.elements("Version") + page.elements("DeleteMarker");
        seen += names;
        if page.element("IsTruncated").as_deref() == Some("false") {
            break;
        }
        assert_eq!(names, 2, "{page:?}");
        let (key, id) = (page.element("NextKeyMarker"), page.element("NextVersionIdMarker"));
        target = format!(
            "/bucket?versions&max-keys=2&key-marker={}&version-id-marker={}",
            key.unwrap(),
            id.unwrap()
        );
    }
    assert_eq!(seen, 5);
}

#[test]
fn versions_below_a_delimiter_are_folded_page_by_page() {
    let (_serve, http) = serve();
    enable_versioning(&http);
    for key in ["a", "d/1", "d/1", "d/2", "e/f/3", "z"] {
        http.put(&format!("/bucket/{key}"), b"x");
    }
    http.ask("DELETE", "/bucket/e/f/3").send();
    let whole = http.ask("GET", "/bucket?versions&delimiter=/").send();
    assert_eq!((whole.elements("Version"), whole.elements("CommonPrefixes")), (2, 2), "{whole:?}");
    let below = http.ask("GET", "/bucket?versions&delimiter=/&prefix=d/").send();
    assert_eq!((below.elements("Version"), below.elements("CommonPrefixes")), (3, 0), "{below:?}");
    let (mut seen, mut marker) = (Vec::new(), String::new());
    loop {
        let page =
            http.ask("GET", &format!("/bucket?versions&delimiter=/&max-keys=1{marker}")).send();
        seen.push(page.elements("CommonPrefixes"));
        let Some(key) = page.element("NextKeyMarker").filter(|key| !key.is_empty()) else { break };
        marker = format!("&key-marker={key}");
        let version = page.element("NextVersionIdMarker").unwrap_or_default();
        if !version.is_empty() {
            marker += &format!("&version-id-marker={version}");
        }
    }
    assert_eq!((seen.len(), seen.iter().sum::<usize>()), (4, 2), "each once: {seen:?}");
    let other = http.ask("GET", "/bucket?versions&delimiter=f").send();
    assert_eq!(other.says(), says(501, "NotImplemented"));
    let no_key = http.ask("GET", "/bucket?versions&version-id-marker=0").send();
    assert_eq!(no_key.says(), says(400, "InvalidArgument"));
}

#[test]
fn an_object_whose_time_has_come_is_not_there() {
    let (_serve, http) = serve();
    let put = |key: &str, expires: &str| {
        let put = http.ask("PUT", &format!("/bucket/{key}")).body(b"x");
        assert_eq!(put.header("x-amz-meta-object-expires", expires).send().status, 200);
    };
    put("later", "+1h");
    put("past", "2020-01-01T00:00:00Z");
    assert_eq!(http.ask("GET", "/bucket/later").send().status, 200);
    assert_eq!(http.ask("GET", "/bucket/past").send().says(), says(404, "NoSuchKey"));
    assert_eq!(http.ask("GET", "/bucket?list-type=2").send().elements("Key"), 1);
    let create = http.ask("POST", "/bucket/m?uploads").header("x-amz-meta-object-expires", "soon");
    assert_eq!(create.send().says(), says(400, "InvalidTTL"));
}

#[test]
fn tags_outlive_the_process_and_the_object_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--bucket", "bucket", "--retain", text(directory.path())];
    let serve = Serve::open(&options);
    let http = Http::at(serve.address());
    let etag = http.put("/bucket/k", b"content").etag().to_owned();
    let tags = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    assert_eq!(http.ask("PUT", "/bucket/k?tagging").body(tags).send().status, 200);
    serve.stop();
    let serve = Serve::open(&options);
    let http = Http::at(serve.address());
    let read = http.ask("GET", "/bucket/k?tagging").send();
    assert_eq!(read.element("Value").as_deref(), Some("v"));
    let get = http.ask("GET", "/bucket/k").send();
    assert_eq!((get.etag(), &get.body[..]), (etag.as_str(), &b"content"[..]));
    assert_eq!(http.ask("DELETE", "/bucket/k?tagging").send().status, 204);
    assert_eq!(http.ask("GET", "/bucket/k?tagging").send().element("Value"), None);
}

#[test]
fn where_versions_would_be_lost_versioning_is_501() {
    let directory = tempfile::tempdir().unwrap();
    let serve = Serve::open(&["--bucket", "bucket", "--retain", text(directory.path())]);
    let http = Http::at(serve.address());
    let body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let put = http.ask("PUT", "/bucket?versioning").body(body).send();
    assert_eq!(put.says(), says(501, "NotImplemented"));
}

#[test]
fn who_deletes_a_version_that_is_not_there_deletes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--bucket", "bucket", "--retain", text(directory.path())];
    let serve = Serve::open(&options);
    let http = Http::at(serve.address());
    http.put("/bucket/k", b"content");
    let other = format!("/bucket/k?versionId={}1", "0".repeat(31));
    assert_eq!(http.ask("DELETE", &other).send().status, 204);
    serve.stop();
    let serve = Serve::open(&options);
    assert_eq!(Http::at(serve.address()).ask("GET", "/bucket/k").send().body, b"content");
}

#[test]
fn a_copy_overwrites_nothing_when_the_client_forbids_it() {
    let (_serve, http) = serve();
    http.put("/bucket/a", b"a");
    http.put("/bucket/k", b"mine");
    let copy = |condition: &str| {
        let copy = http.ask("PUT", "/bucket/k").header("x-amz-copy-source", "/bucket/a");
        copy.header("if-none-match", condition).send().says()
    };
    assert_eq!(copy("*"), says(412, "PreconditionFailed"));
    assert_eq!(copy("\"x\""), says(501, "NotImplemented"));
    assert_eq!(http.ask("GET", "/bucket/k").send().body, b"mine");
}

#[test]
fn a_marker_that_is_the_prefix_leaves_nothing_out() {
    let (_serve, http) = serve();
    for number in 0..10 {
        http.put(&format!("/bucket/logs/{number}"), b"x");
    }
    for query in ["list-type=2&prefix=logs/&start-after=logs/", "prefix=logs/&marker=logs/"] {
        let listed = http.ask("GET", &format!("/bucket?{query}")).send();
        assert_eq!(listed.elements("Contents"), 10, "{query}");
    }
}

/// Source: what is refused before it reaches the satellite costs none of its calls.
#[test]
fn who_is_not_known_spends_nothing_of_the_projects_calls() {
    let directory = tempfile::tempdir().unwrap();
    let limits = directory.path().join("limits.toml");
    std::fs::write(&limits, "calls_per_second = 0.001\ncalls_burst = 2").unwrap();
    let serve = Serve::start(&["--bucket", "bucket", "--limits", text(&limits)]);
    let http = Http::at(serve.address());
    for _ in 0..5 {
        assert_eq!(http.ask("GET", "/bucket/k").send().says(), says(403, "AccessDenied"));
    }
    let Some(aws) = AwsCli::find(&serve.endpoint()) else { return };
    aws.ok(["s3api", "head-bucket", "--bucket", "bucket"]);
}
