//! `observe` finds out what clients that others wrote do, without being told, in both ways: from what
//! `serve` logged, and from looks at the bucket during the same transfer.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::schemas;
use crate::support::servers::{Serve, text};
use crate::support::tidegate::Tidegate;
use crate::support::tools::{AwsCli, Tool};

/// What a client is told, and what is to be found.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub part_mib: u64,
    pub parts_in_flight: u64,
    pub files_in_flight: u64,
}

const fn told(part_mib: u64, parts_in_flight: u64, files_in_flight: u64) -> Told {
    Told { part_mib, parts_in_flight, files_in_flight }
}

/// Parts take a third of a second and more, so that what a client has in flight overlaps.
const SLOW: [&str; 4] = ["--bucket", "bucket", "--connection-rate", "16MB/s"];

impl Told {
    /// Files enough to fill what is in flight more than twice, with parts for six waves.
    fn files(self) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        let parts = 6 * self.parts_in_flight + 2;
        for number in 0..2 * self.files_in_flight + 1 {
            // The content does not matter: a hole takes no disk.
            let file = fs::File::create(directory.path().join(number.to_string())).unwrap();
            file.set_len((parts << 20) * self.part_mib - 12_345).unwrap();
        }
        directory
    }

    /// What both ways find while `client` sends the files to `s3://bucket/p`.
    fn observed(self, client: impl Fn(&Serve, Told, &TempDir)) -> [Found; 2] {
        let mut serve = Serve::start(&[&SLOW[..], &["--retain", "discard"]].concat());
        let files = self.files();
        let looking = Looking::start(&serve);
        client(&serve, self, &files);
        let looks = looking.stop();
        let log = Tidegate::embedded().run_plain("observe", &[text(&serve.end()), "--json"]);
        let requests = serde_json::from_str(&log.stdout).unwrap();
        [looks, requests].map(|document: Value| Found::in_document(&document))
    }
}

/// Part size, parts and files in flight, each with how it is known.
#[derive(Debug, PartialEq)]
struct Found(Vec<(u64, String)>);

impl Found {
    fn in_document(document: &Value) -> Self {
        let finding = |name: &str| {
            let finding = &document["up"][name];
            let value =
                finding["value"].as_u64().unwrap_or_else(|| panic!("no {name}: {document:#}"));
            (value, finding["certainty"].as_str().unwrap().to_owned())
        };
        println!("{:#}", document["up"]);
        Self(["part_size_bytes", "parts_in_flight", "files_in_flight"].map(finding).to_vec())
    }

    /// It is the same, or less is known.
    fn is_true_of(&self, whole: &Self) -> bool {
        self.0.iter().zip(&whole.0).all(|((value, certainty), (most, _))| {
            value == most || (certainty == "at_least" && value < most)
        })
    }

    fn expected(told: Told, parts: &str) -> Self {
        Self(vec![
            (told.part_mib << 20, "observed".to_owned()),
            (told.parts_in_flight, parts.to_owned()),
            (told.files_in_flight, "observed".to_owned()),
        ])
    }
}

/// A busy machine may blur the times of a transfer, so that less can be said: another one shows it.
/// Nothing wrong may be said of any.
pub fn assert_recovered(
    settings: impl IntoIterator<Item = Told>,
    client: impl Fn(&Serve, Told, &TempDir),
) {
    for told in settings {
        let expected = [Found::expected(told, "inferred"), Found::expected(told, "observed")];
        let is_recovered = |_| {
            let found = told.observed(&client);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(found.is_true_of(expected), "{told:?}: {found:?}");
            }
            found == expected
        };
        assert!((0..8).any(is_recovered), "none of eight transfers showed {told:?}");
    }
}

/// `tidegate observe s3://bucket/p`, under way.
struct Looking {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Looking {
    fn start(serve: &Serve) -> Self {
        let look = ["s3://bucket/p", "--every", "200ms", "--json"];
        let mut child = Tidegate::at(&serve.endpoint()).start_plain("observe", &look);
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("looking at s3://bucket/p/"), "{line}");
        Self { child, said }
    }

    /// Ends it as a user does.
    fn stop(mut self) -> Value {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        let output = self.child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn the_settings_of_rclone_are_recovered() {
    if Tool::rclone("").is_none() {
        return;
    }
    assert_recovered([told(5, 2, 2), told(6, 4, 1), told(8, 1, 3)], |serve, told, files| {
        let size = format!("{}Mi", told.part_mib);
        Tool::rclone(&serve.endpoint()).unwrap().ok([
            "copy",
            // For Storj it takes no parts below 64 MiB; nor is what is discarded worth a checksum.
            "--s3-provider=Other",
            "--s3-use-multipart-etag=false",
            "--s3-disable-checksum",
            &format!("--s3-upload-cutoff={size}"),
            &format!("--s3-chunk-size={size}"),
            &format!("--s3-upload-concurrency={}", told.parts_in_flight),
            &format!("--transfers={}", told.files_in_flight),
            text(files.path()),
            "tidegate:bucket/p",
        ]);
    });
}

/// It has two workers or more, whatever it is told.
#[test]
fn the_settings_of_s5cmd_are_recovered() {
    if Tool::s5cmd("").is_none() {
        return;
    }
    assert_recovered([told(5, 2, 2), told(6, 3, 2), told(7, 1, 3)], |serve, told, files| {
        Tool::s5cmd(&serve.endpoint()).unwrap().ok([
            "--numworkers",
            &told.files_in_flight.to_string(),
            "cp",
            "--concurrency",
            &told.parts_in_flight.to_string(),
            "--part-size",
            &told.part_mib.to_string(),
            &format!("{}/", text(files.path())),
            "s3://bucket/p/",
        ]);
    });
}

/// Its limit is one for the requests of all files together, so it sends one file after the other.
#[test]
fn the_settings_of_the_aws_cli_are_recovered() {
    if AwsCli::find("").is_none() {
        return;
    }
    assert_recovered([told(5, 2, 1), told(6, 4, 1), told(8, 1, 1)], |serve, told, files| {
        let config = tempfile::NamedTempFile::new().unwrap();
        let Told { part_mib, parts_in_flight, .. } = told;
        let settings = format!(
            "[default]\ns3 =\n  multipart_chunksize = {part_mib}MB\n  multipart_threshold = {part_mib}MB\n  max_concurrent_requests = {parts_in_flight}\n"
        );
        fs::write(config.path(), settings).unwrap();
        let aws = AwsCli::find(&serve.endpoint()).unwrap().configured_by(config.path());
        for file in fs::read_dir(files.path()).unwrap() {
            aws.ok(["s3", "cp", "--quiet", text(&file.unwrap().path()), "s3://bucket/p/"]);
        }
    });
}

/// A connector as `observe --save` writes it.
const CONNECTOR: &str = r#"
schema = "tidegate.connector/1"
seen = "a test"

[up]
part_size = { value = "5MiB", source = "observed" }
parts_in_flight = { value = 3, source = "at_least" }
concurrency = { value = 2, source = "observed" }
"#;

/// A file with this text.
fn file_with(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn run_does_as_the_connector_that_was_saved() {
    let saved = tempfile::NamedTempFile::new().unwrap();
    let dataset = ["s3://bucket/p", "--size", "180MB", "--files", "5"];
    let observed = |options: &[&str], save: &[&str]| {
        let mut serve = Serve::start(&[&SLOW[..], &["--retain", "discard"]].concat());
        let finished = Tidegate::at(&serve.endpoint()).run("run", &[&dataset, options].concat());
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        let log = serve.end();
        let observe = [&[text(&log), "--json"], save].concat();
        let observed = Tidegate::embedded().run_plain("observe", &observe);
        let document = serde_json::from_str(&observed.stdout).unwrap();
        schemas::hold(&document);
        Found::in_document(&document)
    };
    let settings = ["--part-size", "5MiB", "--parts-in-flight", "3", "--concurrency", "2"];
    let first = observed(&settings, &["--save", text(saved.path())]);
    assert_eq!(first, Found::expected(told(5, 3, 2), "observed"));
    schemas::hold(&toml::from_str(&fs::read_to_string(saved.path()).unwrap()).unwrap());
    let connector = ["--connector", text(saved.path())];
    assert_eq!(observed(&connector, &[]), first, "{}", fs::read_to_string(saved.path()).unwrap());
    let other = observed(&[&connector[..], &["--part-size", "6MiB"]].concat(), &[]);
    assert_eq!(other, Found::expected(told(6, 3, 2), "observed"), "options come first");
}

#[test]
fn tune_finds_the_concurrency_of_the_connector_that_is_there() {
    let connector = file_with(CONNECTOR);
    let tune = ["--simulate", "--connector", text(connector.path()), "--budget", "20m"];
    let document = Tidegate::embedded().json("tune", &tune);
    for trial in document["trials"].as_array().unwrap() {
        let settings = &trial["settings"];
        assert_eq!(
            (&settings["part_size_bytes"], &settings["parts_in_flight"]),
            (&(5 << 20).into(), &3.into())
        );
    }
    let gcs = &document["recommendation"]["gcs"];
    assert_eq!(gcs["part_size_bytes"], 5 << 20);
    assert!(gcs["concurrency"].is_u64() && !gcs.to_string().contains("not known"), "{gcs}");
    assert_eq!(document["scenario"]["connector"], "a test");
    assert_eq!(document["scenario"]["current_concurrency"], 2);
    let assumptions = document["assumptions"].to_string();
    assert!(
        assumptions.contains("3 parts of a file in flight: so many were seen"),
        "{assumptions}"
    );
}

#[test]
fn what_cannot_be_observed_is_said_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let (empty, other) = (file_with(""), file_with("{\"operation\": 1}\n"));
    let connector = file_with(CONNECTOR);
    let down = ["--direction", "down", "--connector", text(connector.path())];
    for (verb, arguments, code, sentence) in [
        ("observe", &[text(&missing)][..], 2, "cannot read"),
        ("observe", &[text(other.path())], 2, "line 1 of"),
        ("observe", &[text(empty.path())], 1, "no file was seen moving"),
        ("observe", &["s3://"], 2, "s3://bucket/prefix"),
        ("run", &["--connector", text(&missing)], 2, "cannot read"),
        ("run", &["--connector", text(other.path())], 2, "does not describe a connector"),
        ("run", &down, 2, "does not cover downloads"),
    ] {
        let finished = Tidegate::embedded().run_plain(verb, arguments);
        assert_eq!(finished.code, code, "{verb} {arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(sentence), "{verb} {arguments:?}: {}", finished.stderr);
    }
}

#[test]
fn downloads_are_observed_from_requests() {
    let mut serve = Serve::start(&["--bucket", "bucket"]);
    let Some(s5cmd) = Tool::s5cmd(&serve.endpoint()) else { return };
    let files = told(5, 2, 2).files();
    s5cmd.ok(["cp", &format!("{}/", text(files.path())), "s3://bucket/p/"]);
    let back = tempfile::tempdir().unwrap();
    s5cmd.ok(["cp", "--part-size", "6", "s3://bucket/p/*", &format!("{}/", text(back.path()))]);
    let observed = Tidegate::embedded().run_plain("observe", &[text(&serve.end()), "--json"]);
    let document: Value = serde_json::from_str(&observed.stdout).unwrap();
    let down = &document["down"];
    assert_eq!(down["part_size_bytes"]["value"], 6 << 20, "{down:#}");
    assert_eq!((&down["files"], &down["files_in_parts"]), (&5.into(), &5.into()));
    assert_eq!(document["client"]["read_back"], 5, "each was uploaded before");
    let program = document["client"]["user_agents"].as_object().unwrap().keys().next().unwrap();
    assert!(program.starts_with("aws-sdk-go/"), "{program}");
}
