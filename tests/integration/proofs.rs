//! What goes with uploads: each way of signing with each checksum, through the real binary.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::support::proxy::{Moment, Watcher, Way, proxy};
use crate::support::relay::Asked;
use crate::support::requests::Request;
use crate::support::servers::{Serve, Versitygw, text};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::tls;
use crate::support::tools::AwsCli;

const CHECKSUMS: [&str; 7] = ["none", "crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5"];

/// Two files of three parts.
const IN_PARTS: [&str; 9] = [
    "s3://bucket/p",
    "--dataset",
    "equal",
    "--files",
    "2",
    "--size",
    "24MB",
    "--part-size",
    "5MiB",
];

fn proof<'a>(payload: &'a str, checksum: &'a str) -> [&'a str; 4] {
    ["--payload", payload, "--checksum", checksum]
}

/// Files of which one is in parts, one is small, and one empty.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for (name, bytes) in [("in-parts", 11_000_000), ("small", 70_001), ("empty", 0)] {
        let content: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

/// Moves made-up files, reads them back, and looks at what the document says.
fn arrives(tidegate: &Tidegate, payload: &str, checksum: &str) {
    let proof = proof(payload, checksum);
    let document = tidegate.json("run", &[&IN_PARTS[..], &["--verify"], &proof].concat());
    let scenario = &document["scenario"];
    assert_eq!((&scenario["payload"], &scenario["checksum"]), (&payload.into(), &checksum.into()));
}

/// What the head of an upload says of it: how it is signed, and the names of its checksums.
fn said(payload: &str, checksum: &str) -> (String, Vec<String>) {
    let signing = match (payload, checksum) {
        ("unsigned", _) => "UNSIGNED-PAYLOAD",
        ("signed", _) => "SHA-256",
        (_, "none") => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        _ => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    };
    let header = match checksum {
        "none" => vec![],
        "md5" => vec!["content-md5".to_owned()],
        kept => vec![format!("x-amz-checksum-{kept}")],
    };
    (signing.to_owned(), header)
}

fn uploads(requests: &[Request]) -> impl Iterator<Item = &Request> {
    requests.iter().filter(|request| ["PutObject", "UploadPart"].contains(&&*request.operation))
}

#[test]
fn serve_gets_each_proof_that_storj_takes_with_every_upload() {
    for payload in ["unsigned", "signed", "streaming"] {
        let checksums = if payload == "streaming" { &CHECKSUMS[..1] } else { &CHECKSUMS };
        for checksum in checksums {
            let serve = Serve::start(&["--bucket", "bucket"]);
            arrives(&Tidegate::at(&serve.endpoint()), payload, checksum);
            let requests = serve.stop();
            assert_eq!(uploads(&requests).count(), 7, "six parts and the marker");
            for upload in uploads(&requests) {
                let found = (upload.payload_signing.clone().unwrap(), upload.checksums.clone());
                assert_eq!(found, said(payload, checksum), "{upload:?}");
                assert_eq!(upload.status, Some(200), "{upload:?}");
            }
        }
    }
}

#[test]
fn files_arrive_in_parts_whole_and_empty_however_their_blocks_are_read() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let directory = directory();
    let from = ["s3://bucket/d", "--from", text(directory.path()), "--part-size", "5MiB"];
    for (payload, checksum) in [("unsigned", "crc32"), ("signed", "none"), ("streaming", "none")] {
        // As they are sent, and each part filled before.
        for in_flight in ["1", "2"] {
            let proof = proof(payload, checksum);
            let how = ["--parts-in-flight", in_flight];
            let document = tidegate.json("run", &[&from[..], &how, &proof].concat());
            let task = &document["trials"][0]["task"];
            assert_eq!((&task["files_done"], &task["bytes_done"]), (&3.into(), &11_070_001.into()));
        }
    }
}

#[test]
fn versitygw_takes_each_proof_and_keeps_the_checksum() {
    let Some(gateway) = Versitygw::start() else { return };
    let tidegate = Tidegate::at(&gateway.endpoint());
    for payload in ["unsigned", "signed", "streaming"] {
        for checksum in CHECKSUMS {
            if (payload, checksum) == ("streaming", "md5") {
                continue;
            }
            arrives(&tidegate, payload, checksum);
            if !["none", "md5"].contains(&checksum) {
                is_kept(&gateway, &tidegate, payload, checksum);
            }
        }
    }
}

/// Leaves an object there, of which another client then learns the checksum.
fn is_kept(gateway: &Versitygw, tidegate: &Tidegate, payload: &str, checksum: &str) {
    let Some(aws) = AwsCli::find(&gateway.endpoint()) else { return };
    let target = format!("s3://bucket/kept-{payload}-{checksum}");
    let one = ["--dataset", "equal", "--files", "1", "--size", "11MB", "--part-size", "5MiB"];
    let kept = [&[&*target, "--keep"], &one[..], &proof(payload, checksum)].concat();
    tidegate.json("run", &kept);
    let listed = aws.ok(["s3", "ls", "--recursive", &target]);
    let key = listed.split_whitespace().last().unwrap();
    let head = ["s3api", "head-object", "--bucket", "bucket", "--checksum-mode", "ENABLED"];
    let head = aws.ok([&head[..], &["--key", key, "--output", "json"]].concat());
    let head: Value = serde_json::from_str(&head).unwrap();
    let name = format!("Checksum{}", checksum.to_uppercase());
    assert!(head[&name].is_string(), "{head}");
}

#[test]
fn without_a_word_payloads_are_unsigned_and_the_document_says_nothing_of_it() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let document = Tidegate::at(&serve.endpoint()).json("run", &IN_PARTS);
    let scenario = document["scenario"].as_object().unwrap();
    assert!(!scenario.contains_key("payload") && !scenario.contains_key("checksum"));
    let requests = serve.stop();
    assert_eq!(uploads(&requests).count(), 7, "six parts and the marker");
    for upload in uploads(&requests) {
        let found = (upload.payload_signing.clone().unwrap(), upload.checksums.clone());
        assert_eq!(found, said("unsigned", "none"), "{upload:?}");
    }
}

#[test]
fn payloads_are_signed_over_tls_as_well() {
    let serve = tls::serve(&[]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let ca_bundle = tls::data("ca.pem");
    for payload in ["signed", "streaming"] {
        let trusted = ["--verify", "--ca-bundle", text(&ca_bundle), "--payload", payload];
        tidegate.json("run", &[&IN_PARTS[..], &trusted].concat());
    }
}

#[test]
fn what_encloses_chunks_counts_as_no_payload() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let document = tidegate.json("run", &[&IN_PARTS[..], &["--payload", "streaming"]].concat());
    assert_eq!(document["trials"][0]["bytes"], 24_000_000);
    let requests = serve.stop();
    let parts = requests.iter().filter(|request| request.operation == "UploadPart");
    // Of 65,624 bytes 88 are a line and its end, and two end the chunk.
    let bytes_in: u64 = parts.map(|part| part.bytes_in).sum();
    assert!((24_032_000..24_034_000).contains(&bytes_in), "{bytes_in}");
}

/// Flips a bit in the middle of the first upload of a file.
#[derive(Default)]
struct Flips(AtomicBool);

impl Watcher for Flips {
    fn sees(&self, asked: &Asked, moment: Moment, body: &mut [u8]) -> Way {
        let is_file = asked.method == "PUT" && !asked.target.contains(".tidegate-run.json");
        if is_file && moment == Moment::Asked && !self.0.swap(true, Ordering::SeqCst) {
            let middle = body.len() / 2;
            body[middle] ^= 0x10;
        }
        Way::On
    }
}

/// What became of one file of which the first attempt was changed on its way, and that was read back.
struct Flipped {
    finished: Finished,
    /// Attempts that were refused, by their class.
    errors: Value,
    /// Whether what was changed was stored.
    is_stored: bool,
    /// Why the file did not arrive, if it did not.
    why: String,
}

fn moved_through_a_flip(endpoint: &str, payload: &str, checksum: &str) -> Flipped {
    let flips = Arc::new(Flips::default());
    let relay = proxy(endpoint, Arc::clone(&flips));
    let one = ["s3://bucket/p", "--dataset", "equal", "--files", "1", "--size", "300kB"];
    let how = ["--verify", "--json"];
    let proof = proof(payload, checksum);
    let finished = Tidegate::at(&relay.endpoint()).run("run", &[&one[..], &how, &proof].concat());
    assert!(flips.0.load(Ordering::SeqCst), "nothing was changed");
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let trial = &document["trials"][0];
    let errors = trial["errors"].clone();
    let is_stored = trial["corrupt"]["in_store"] == 1;
    let why = trial["task"]["failures"][0]["reason"].as_str().unwrap_or_default().to_owned();
    Flipped { finished, errors, is_stored, why }
}

#[test]
fn serve_refuses_what_was_changed_where_storj_compares_and_takes_it_where_storj_does_not() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    for (payload, checksum) in [("unsigned", "md5"), ("signed", "none"), ("signed", "crc32")] {
        let flipped = moved_through_a_flip(&serve.endpoint(), payload, checksum);
        assert_eq!(flipped.errors["checksum"], 1, "{payload} {checksum}: {}", flipped.errors);
        assert_eq!(flipped.finished.code, 0, "the next attempt is good");
    }
    let flipped = moved_through_a_flip(&serve.endpoint(), "streaming", "none");
    assert!(flipped.why.contains("SignatureDoesNotMatch"), "{}", flipped.why);
    for checksum in CHECKSUMS.into_iter().filter(|checksum| *checksum != "md5") {
        let flipped = moved_through_a_flip(&serve.endpoint(), "unsigned", checksum);
        assert!(flipped.is_stored, "{checksum}: {}", flipped.errors);
        let said = &flipped.finished.stderr;
        let warned = said.contains("Storj does not read x-amz-checksum-");
        assert_eq!(warned, checksum != "none", "{checksum}: {said}");
    }
}

#[test]
fn versitygw_refuses_what_was_changed_by_each_checksum_and_each_signature() {
    let Some(gateway) = Versitygw::start() else { return };
    for payload in ["unsigned", "signed", "streaming"] {
        for checksum in CHECKSUMS {
            if (payload, checksum) == ("streaming", "md5") {
                continue;
            }
            let flipped = moved_through_a_flip(&gateway.endpoint(), payload, checksum);
            let is_proven = (payload, checksum) != ("unsigned", "none");
            assert_eq!(flipped.is_stored, !is_proven, "{payload} {checksum}");
            // A chunk's signature is no digest that another attempt could mend: it may be a wrong key's.
            let class = if payload == "streaming" { "client" } else { "checksum" };
            let refused = flipped.errors[class].as_u64() == Some(1);
            assert_eq!(refused, is_proven, "{payload} {checksum}: {}", flipped.errors);
            assert_eq!(flipped.finished.code == 0, is_proven && payload != "streaming");
        }
    }
}

/// It ends with exit code 2, a sentence, and what to do next.
fn refused(finished: &Finished, why: &str, next: &str) {
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    let said = &finished.stderr;
    assert!(said.contains(why) && said.contains(next), "{said}");
}

#[test]
fn what_storj_refuses_is_told_before_any_payload_is_sent() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let trailer = proof("streaming", "crc32");
    let (why, next) = ("Storj accepts no checksum in a trailer", "--checksum none");
    let options = [&IN_PARTS[..], &trailer].concat();
    refused(&Tidegate::at(&serve.endpoint()).run("run", &options), why, next);
    assert_eq!(uploads(&serve.stop()).count(), 0);
    // By their names, so that nothing is asked at all; nobody listens at the second.
    refused(&Tidegate::embedded().run("run", &[&IN_PARTS[1..], &trailer].concat()), why, next);
    let hosted = Tidegate::at("https://gateway.nowhere.storjshare.io");
    refused(&hosted.run("run", &options), why, next);
    let tune = [&["s3://bucket/p"], &trailer[..]].concat();
    refused(&hosted.run("tune", &tune), why, next);
}

#[test]
fn what_nobody_can_send_is_refused_at_once() {
    let nobody = Tidegate::at("http://127.0.0.1:1");
    let run = |options: &[&str]| nobody.run("run", &[&IN_PARTS[..], options].concat());
    refused(&run(&proof("streaming", "md5")), "Content-MD5 is sent before", "--payload signed");
    for payload in ["signed", "streaming"] {
        let unsigned = run(&["--payload", payload, "--no-sign-request"]);
        refused(&unsigned, "needs a key to sign with", "--payload unsigned");
    }
    let down = run(&["--checksum", "md5", "--direction", "down"]);
    refused(&down, "are about uploads", "another --direction");
    let simulated = Tidegate::embedded().run("run", &["--simulate", "--checksum", "md5"]);
    refused(&simulated, "--checksum", "--simulate");
}

#[test]
fn compare_names_what_goes_with_uploads_and_what_it_costs() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let sides = [(); 2].map(|()| Tidegate::at(&serve.endpoint()));
    let timed = ["s3://bucket/p", "--for", "1s", "--warm-up", "200ms", "--size", "24MB"];
    for (side, payload) in sides.iter().zip(["unsigned", "signed"]) {
        side.json("run", &[&timed[..], &["--payload", payload]].concat());
    }
    let runs = sides.each_ref().map(|side| side.runs().remove(0));
    let [first, second] = runs.each_ref().map(|run| text(run));
    let compared = Tidegate::embedded().run_plain("compare", &[first, second]);
    assert!(
        compared.stdout.contains("payload is unsigned in A and signed in B"),
        "{}",
        compared.stdout
    );
    assert!(compared.stdout.contains("CPU s/GB"), "{}", compared.stdout);
    let json = Tidegate::embedded().run_plain("compare", &[first, second, "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["differs"][0]["name"], "payload");
    assert!(json["cpu"]["ratio"].as_f64().unwrap() > 0.0, "{json}");
}
