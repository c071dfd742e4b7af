//! `run --replay` does again what clients that others wrote did: on the link of the recording it is as fast, with as
//! many requests in flight at each time.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

use crate::support::requests::Request;
use crate::support::servers::{Serve, text};
use crate::support::tidegate::Tidegate;
use crate::support::tools::{AwsCli, Tool};

/// Both ways of the link, in real and in simulated time: slow, so that what this machine does beside it hardly counts.
const LINK: &str = "limits = \"none\"\nround_trip = \"20ms\"\nconnection_rate = \"6MB/s\"\nshared_rate = \"20MB/s\"\npart_overhead = \"100ms\"\ncall_overhead = \"60ms\"\n";

/// Bins of the curve of requests in flight.
const BINS: usize = 20;

/// What is compared.
struct Seen {
    bytes_per_second: f64,
    /// Mean of each bin of the time from the first request to the last.
    in_flight: Vec<f64>,
}

impl Seen {
    fn of(log: &[Request]) -> Self {
        let moves_data = |request: &&Request| {
            ["PutObject", "UploadPart", "GetObject"].contains(&&*request.operation)
        };
        let data: Vec<&Request> = log.iter().filter(moves_data).collect();
        let began = data.iter().map(|request| request.start_us).min().unwrap();
        let ended = data.iter().map(|request| request.end_us).max().unwrap();
        let bytes: u64 = data.iter().map(|request| request.bytes_in + request.bytes_out).sum();
        let width = (ended - began) as f64 / BINS as f64;
        let within = |request: &Request, bin: usize| {
            let from = began as f64 + bin as f64 * width;
            let (start, end) = (request.start_us as f64, request.end_us as f64);
            (end.min(from + width) - start.max(from)).max(0.0) / width
        };
        let in_flight = |bin| data.iter().map(|request| within(request, bin)).sum();
        Self {
            bytes_per_second: bytes as f64 * 1e6 / (ended - began) as f64,
            in_flight: (0..BINS).map(in_flight).collect(),
        }
    }

    /// How far the goodput is from another's, and the curve in the mean of its bins.
    fn off(&self, recorded: &Self) -> (f64, f64) {
        let goodput = self.bytes_per_second / recorded.bytes_per_second - 1.0;
        let apart: f64 = self
            .in_flight
            .iter()
            .zip(&recorded.in_flight)
            .map(|(one, other)| (one - other).abs())
            .sum();
        (goodput, apart / recorded.in_flight.iter().sum::<f64>())
    }
}

struct Link(NamedTempFile);

impl Link {
    fn new() -> Self {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(LINK.as_bytes()).unwrap();
        Self(file)
    }

    fn path(&self) -> &str {
        text(self.0.path())
    }

    fn serve(&self) -> Serve {
        Serve::start(&["--bucket", "bucket", "--retain", "discard", "--model", self.path()])
    }

    /// What a client did, and the file that says so.
    fn recorded(&self, client: impl Fn(&Serve)) -> (Seen, TempDir) {
        let mut serve = self.serve();
        client(&serve);
        let kept = tempfile::tempdir().unwrap();
        fs::copy(serve.end(), kept.path().join("log")).unwrap();
        (Seen::of(&serve.stop()), kept)
    }

    /// The same again, over HTTP.
    fn replayed(&self, log: &Path) -> (Seen, Value) {
        let serve = self.serve();
        let tidegate = Tidegate::at(&serve.endpoint());
        let document = tidegate.json("run", &["s3://bucket/scratch", "--replay", text(log)]);
        let requests = serve.stop();
        let ours =
            |request: &&Request| request.key.as_deref().is_some_and(|key| key.contains("/replay/"));
        (Seen::of(&requests.iter().filter(ours).cloned().collect::<Vec<_>>()), document)
    }

    /// The same again, in simulated time: its goodput.
    fn simulated(&self, log: &Path) -> f64 {
        let options = ["--simulate", self.path(), "--replay", text(log)];
        let document = Tidegate::embedded().json("run", &options);
        document["trials"][0]["goodput_bytes_per_second"].as_f64().unwrap()
    }
}

/// What a client is told.
#[derive(Clone, Copy, Debug)]
struct Told {
    part_mib: u64,
    parts_in_flight: u64,
    files_in_flight: u64,
    /// Whether what it uploads it downloads again.
    and_back: bool,
}

impl Told {
    const fn up(part_mib: u64, parts_in_flight: u64, files_in_flight: u64) -> Self {
        Self { part_mib, parts_in_flight, files_in_flight, and_back: false }
    }

    const fn and_back(part_mib: u64, parts_in_flight: u64, files_in_flight: u64) -> Self {
        Self { and_back: true, ..Self::up(part_mib, parts_in_flight, files_in_flight) }
    }

    /// Large files in three parts, and small ones, of 60 MB or so.
    fn files(self) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        let large = 60 / (3 * self.part_mib);
        let sizes = (0..large).map(|_| (self.part_mib << 20) * 3 - 12_345);
        // The content does not matter: a hole takes no disk.
        for (number, size) in sizes.chain([300_000; 6]).enumerate() {
            let file = fs::File::create(directory.path().join(number.to_string())).unwrap();
            file.set_len(size).unwrap();
        }
        directory
    }
}

/// A machine that is busy with other things while one of the two goes on makes them differ: then it is tried again.
const TRIES: usize = 8;

/// 5 % is what is asked for.
const APART: f64 = 0.05;

fn assert_replayed(settings: [Told; 3], client: impl Fn(&Serve, Told, &Path)) {
    let link = Link::new();
    for told in settings {
        let is_the_same = |_| {
            let files = told.files();
            let (recorded, log) = link.recorded(|serve| client(serve, told, files.path()));
            let log = log.path().join("log");
            let (replayed, document) = link.replayed(&log);
            let (goodput, curve) = replayed.off(&recorded);
            let trial = &document["trials"][0];
            assert_eq!(trial["task"]["failures"], serde_json::json!([]), "{trial:#}");
            let of_the_log = &document["scenario"]["dataset"]["replayed"];
            let number = |value: &Value| value.as_f64().unwrap();
            let once =
                number(&of_the_log["recorded_bytes"]) * 1e6 / number(&of_the_log["recorded_us"]);
            let simulated = link.simulated(&log) / once - 1.0;
            println!(
                "{told:?}: recorded {:.2} MB/s, goodput {:+.1} %, curve {:.1} % apart, simulated {:+.1} %",
                recorded.bytes_per_second / 1e6,
                100.0 * goodput,
                100.0 * curve,
                100.0 * simulated,
            );
            goodput.abs() <= APART && curve <= APART && simulated.abs() <= APART
        };
        assert!((0..TRIES).any(is_the_same), "none of {TRIES} replays was like {told:?}");
    }
}

#[test]
fn what_rclone_did_is_done_again_as_fast_and_with_as_much_in_flight() {
    if Tool::rclone("").is_none() {
        return;
    }
    let settings = [Told::up(5, 2, 2), Told::up(6, 4, 1), Told::and_back(8, 1, 3)];
    assert_replayed(settings, |serve, told, files| {
        let rclone = Tool::rclone(&serve.endpoint()).unwrap();
        let back = tempfile::tempdir().unwrap();
        let size = format!("{}Mi", told.part_mib);
        let options = [
            // For Storj it takes no parts below 64 MiB; nor is what is discarded worth a checksum.
            "--s3-provider=Other",
            "--s3-use-multipart-etag=false",
            "--s3-disable-checksum",
            "--ignore-checksum",
            &format!("--s3-upload-cutoff={size}"),
            &format!("--s3-chunk-size={size}"),
            &format!("--s3-upload-concurrency={}", told.parts_in_flight),
            &format!("--transfers={}", told.files_in_flight),
        ];
        let copy =
            |from: &str, to: &str| rclone.ok([&["copy"], &options[..], &[from, to]].concat());
        copy(text(files), "tidegate:bucket/p");
        if told.and_back {
            copy("tidegate:bucket/p", text(back.path()));
        }
    });
}

#[test]
fn what_s5cmd_did_is_done_again_as_fast_and_with_as_much_in_flight() {
    if Tool::s5cmd("").is_none() {
        return;
    }
    let settings = [Told::up(5, 2, 2), Told::up(6, 3, 2), Told::and_back(7, 1, 3)];
    assert_replayed(settings, |serve, told, files| {
        let s5cmd = Tool::s5cmd(&serve.endpoint()).unwrap();
        let back = tempfile::tempdir().unwrap();
        let workers = told.files_in_flight.to_string();
        let [parts, size] = [told.parts_in_flight, told.part_mib].map(|number| number.to_string());
        let copy = |from: &str, to: &str| {
            let options = ["--concurrency", &parts, "--part-size", &size, from, to];
            s5cmd.ok([&["--numworkers", &workers, "cp"], &options[..]].concat())
        };
        copy(&format!("{}/", text(files)), "s3://bucket/p/");
        if told.and_back {
            copy("s3://bucket/p/*", &format!("{}/", text(back.path())));
        }
    });
}

#[test]
fn what_the_aws_cli_did_is_done_again_as_fast_and_with_as_much_in_flight() {
    if AwsCli::find("").is_none() {
        return;
    }
    let settings = [Told::up(5, 2, 1), Told::up(6, 4, 1), Told::and_back(8, 3, 1)];
    assert_replayed(settings, |serve, told, files| {
        let config = NamedTempFile::new().unwrap();
        let back = tempfile::tempdir().unwrap();
        let Told { part_mib, parts_in_flight, .. } = told;
        let settings = format!(
            "[default]\ns3 =\n  multipart_chunksize = {part_mib}MB\n  multipart_threshold = {part_mib}MB\n  max_concurrent_requests = {parts_in_flight}\n"
        );
        fs::write(config.path(), settings).unwrap();
        let aws = AwsCli::find(&serve.endpoint()).unwrap().configured_by(config.path());
        aws.ok(["s3", "cp", "--quiet", "--recursive", text(files), "s3://bucket/p/"]);
        if told.and_back {
            aws.ok(["s3", "cp", "--quiet", "--recursive", "s3://bucket/p/", text(back.path())]);
        }
    });
}

#[test]
fn a_log_with_nothing_to_do_again_is_refused_in_a_sentence() {
    let mut log = NamedTempFile::new().unwrap();
    let tidegate = Tidegate::embedded();
    let refused = |log: &Path| {
        let refused = tidegate.run("run", &["--replay", text(log)]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        refused.stderr
    };
    assert!(refused(log.path()).contains("nothing to repeat"));
    log.write_all(b"not a log\n").unwrap();
    assert!(refused(log.path()).contains("line 1 of"));
    assert!(refused(Path::new("/nowhere")).contains("cannot read /nowhere"));
    let both = tidegate.run("run", &["--replay", text(log.path()), "--concurrency", "3"]);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
}

#[test]
fn downloads_read_what_the_replay_first_put_there() {
    let get = |key: &str, range: &str, bytes: u64, from_us: u64| {
        format!(
            r#"{{"connection":1,"request":1,"operation":"GetObject","bucket":"b","key":"{key}","range":{range},"bytes_in":0,"bytes_out":{bytes},"start_us":{from_us},"end_us":{},"status":200}}"#,
            from_us + 100_000
        )
    };
    let lines = [
        get("a", "null", 3_000_000, 0),
        get("b", "\"bytes=1000000-1999999\"", 1_000_000, 110_000),
        get("b", "\"bytes=0-999999\"", 1_000_000, 215_000),
    ];
    let mut log = NamedTempFile::new().unwrap();
    log.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let serve = Serve::start(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let document = tidegate.json("run", &["s3://bucket/p", "--replay", text(log.path())]);
    let trial = &document["trials"][0];
    assert_eq!(trial["direction"], "down");
    assert_eq!((&trial["bytes"], &trial["task"]["files_done"]), (&5_000_000.into(), &2.into()));
    let requests = serve.stop();
    let of = |operation: &str| -> Vec<&str> {
        let ours = |request: &&Request| {
            request.operation == operation && request.key.as_deref().unwrap().contains("/replay/")
        };
        requests.iter().filter(ours).map(|request| request.key.as_deref().unwrap()).collect()
    };
    assert_eq!((of("PutObject").len(), of("GetObject").len()), (2, 3));
    assert!(requests.iter().any(|request| request.operation == "DeleteObjects"), "and is gone");
}
