//! Canaries: secrets that are planted wherever they may be given, and must turn up nowhere else.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::ACCESS_KEY;
use crate::support::servers::text;
use crate::support::tidegate::{Finished, Tidegate, entries};

const SECRET: &str = "c4nary-secret-key-of-the-user";
const TOKEN: &str = "c4nary-session-token-of-the-user";
const SIGNATURE: &str = "c4nary-signature-of-a-url";

/// Everything, s3s by name and by the spans that it opens.
const LOUD: &str = "trace,s3s=trace,s3s::service=trace,[call]=trace";

/// What all of them have in common.
pub const CANARY: &str = "c4nary";

/// A gateway that knows the secret and says as much as it can.
struct Talkative {
    child: Child,
    endpoint: String,
    log: tempfile::TempDir,
}

impl Talkative {
    fn start() -> Self {
        let log = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["serve", "--listen", "127.0.0.1:0", "--bucket", "bucket", "--log"])
            .arg(log.path().join("requests"))
            .env("TIDEGATE_ACCESS_KEY", ACCESS_KEY)
            .env("TIDEGATE_SECRET_KEY", SECRET)
            .env("RUST_LOG", LOUD)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(log.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, endpoint, log }
    }

    /// Ends it and looks through all that it said.
    fn end(mut self) {
        assert_no_canary_in_the_command_line_of(self.child.id());
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        assert!(fs::metadata(self.log.path().join("requests")).unwrap().len() > 0);
        assert_no_canary_below(self.log.path());
    }
}

impl Drop for Talkative {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub fn assert_no_canary(what: &str, said: &[u8]) {
    let said = String::from_utf8_lossy(said);
    if let Some(at) = said.find(CANARY) {
        let from = said[..at].char_indices().rev().nth(300).map_or(0, |(index, _)| index);
        panic!("{what} has a canary: {}", &said[from..at + CANARY.len()]);
    }
}

#[track_caller]
pub fn assert_no_canary_below(directory: &Path) {
    for path in entries(directory) {
        match path.is_dir() {
            true => assert_no_canary_below(&path),
            false => {
                let content = fs::read(&path).unwrap();
                assert_no_canary(text(&path), &content);
                let mut unpacked = Vec::new();
                if flate2::read::GzDecoder::new(&content[..]).read_to_end(&mut unpacked).is_ok() {
                    assert_no_canary(text(&path), &unpacked);
                }
            }
        }
    }
}

fn assert_no_canary_in_the_command_line_of(process: u32) {
    assert_no_canary("a command line", &fs::read(format!("/proc/{process}/cmdline")).unwrap());
}

/// With the canaries in its environment and every log on.
fn singing(endpoint: Option<&str>) -> Tidegate {
    let tidegate = endpoint.map_or_else(Tidegate::embedded, Tidegate::at);
    tidegate
        .with_secret(SECRET)
        .with_variable("AWS_SESSION_TOKEN", TOKEN)
        .with_variable("RUST_LOG", LOUD)
        .with_variable("RUST_BACKTRACE", "full")
}

#[track_caller]
fn assert_silent(what: &str, finished: &Finished, code: i32) {
    assert_eq!(finished.code, code, "{what}: {}", finished.stderr);
    assert_no_canary(what, finished.stdout.as_bytes());
    assert_no_canary(what, finished.stderr.as_bytes());
}

#[test]
fn no_verb_tells_a_secret_whether_it_succeeds_or_fails() {
    let serve = Talkative::start();
    let tidegate = singing(Some(&serve.endpoint));
    let small = ["--size", "12MB", "--files", "2", "--attempts"];
    let budget = ["--budget", "10m", "--soak", "5s", "--warm-up", "100ms", "--window", "500ms"];
    let few = ["--max-concurrency", "2", "--part-sizes", "5MiB", "--results"];
    let results = tempfile::tempdir().unwrap();
    let results = results.path();
    let target = "s3://bucket/p";
    let tune = [&[target][..], &small, &budget, &few, &[text(results)]].concat();

    let up = tidegate.run("run", &[&[target, "--part-size", "5MiB"][..], &small].concat());
    assert_silent("run", &up, 0);
    let kept =
        tidegate.run("run", &["s3://bucket/kept", "--size", "1MB", "--files", "1", "--keep"]);
    assert_silent("run --keep", &kept, 0);
    let down = tidegate.run("run", &["s3://bucket/kept", "--direction", "down", "--json"]);
    assert_silent("run --direction down", &down, 0);
    // On a busy machine so short a search may recommend nothing.
    let tuned = tidegate.run_plain("tune", &tune);
    assert_silent("tune", &tuned, tuned.code);
    assert_silent("check", &tidegate.run_plain("check", &[target]), 0);
    assert_silent("clean", &tidegate.run_plain("clean", &[target]), 0);
    assert_silent("observe", &tidegate.run_plain("observe", &[target, "--for", "1s"]), 1);
    let run = tidegate.runs().into_iter().next().unwrap();
    let without_endpoint = singing(None);
    assert_silent("report", &without_endpoint.run_plain("report", &[text(&run)]), 0);

    let missing = "s3://missing/p";
    for verb in ["run", "tune", "clean", "observe"] {
        assert_silent(verb, &tidegate.run_plain(verb, &[missing]), 2);
    }
    assert_silent("check", &tidegate.run_plain("check", &[missing]), 1);
    let other = Talkative::start();
    let refused = singing(Some(&other.endpoint)).with_secret(&format!("{CANARY}-another"));
    assert_silent("a wrong secret", &refused.run_plain("run", &[target]), 2);
    other.end();
    let endpoint = serve.endpoint.clone();
    serve.end();
    let dead = singing(Some(&endpoint)).run_plain("clean", &[target]);
    assert_silent("a dead endpoint", &dead, 2);

    assert!(!entries(results).is_empty());
    assert_no_canary_below(results);
    for run in tidegate.runs() {
        assert_no_canary_below(&run);
    }
}

#[test]
fn no_process_shows_a_secret_in_its_command_line() {
    let tidegate = singing(None);
    let mut child = tidegate.start("run", &["--size", "3GB", "--files", "4"]);
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let embedded = loop {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its gateway was seen");
        let listed = fs::read_to_string(&children).unwrap();
        if let Some(first) = listed.split_whitespace().next() {
            break first.parse::<u32>().unwrap();
        }
    };
    assert_no_canary_in_the_command_line_of(child.id());
    assert_no_canary_in_the_command_line_of(embedded);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_silent("an interrupted run", &finished, 130);
}

#[test]
fn a_signed_url_is_refused_and_not_repeated() {
    let signed = |scheme: &str| {
        format!(
            "{scheme}://bucket.gateway.example/key?X-Amz-Expires=60&X-Amz-Signature={SIGNATURE}"
        )
    };
    let tidegate = singing(Some("https://gateway.example"));
    for verb in ["run", "tune", "clean", "check", "observe"] {
        for scheme in ["https", "s3"] {
            let refused = tidegate.run_plain(verb, &[&signed(scheme)]);
            assert_silent(verb, &refused, 2);
            assert!(refused.stderr.contains("s3://bucket/prefix"), "{}", refused.stderr);
        }
    }
    let as_endpoint = Tidegate::at(&signed("https")).run("run", &["s3://bucket/p"]);
    assert_silent("--endpoint", &as_endpoint, 2);
}
