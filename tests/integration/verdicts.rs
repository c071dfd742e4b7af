//! Every verdict on what limited a trial, provoked through the real program.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::servers::{Serve, text};
use crate::support::tidegate::Tidegate;
use crate::support::truth_server::{Asked, Plan, TruthServer};

/// A trial of small downloads from a server with this plan.
fn downloading(plan: impl Fn(&Asked) -> Plan + Send + Sync + 'static, options: &[&str]) -> Value {
    let server = TruthServer::start(plan);
    let download = ["s3://bucket/p", "--direction", "down", "--for", "1500ms"];
    let tidegate = Tidegate::at(&server.endpoint());
    let finished = tidegate.run("run", &[&download[..], options, &["--json"]].concat());
    let mut document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let trial = document["trials"][0].take();
    assert_eq!(finished.code == 0, trial["bytes"] != 0, "{}", finished.stderr);
    trial
}

fn answer_after(head: Duration) -> Plan {
    Plan::Answer { head, body: Duration::ZERO }
}

/// The verdict, and what its evidence must say.
fn assert_limited(trial: &Value, limited_by: &str, evidence: &str) {
    let said = trial["evidence"].as_str().unwrap();
    assert_eq!(trial["limited_by"], limited_by, "{said}\n{trial:#}");
    assert!(said.contains(evidence), "{said}");
}

/// One attempt in five is refused, the first of its object.
fn refuse_some(status: u16, code: &'static str) -> impl Fn(&Asked) -> Plan {
    move |asked| match asked.attempt % 5 {
        1 => Plan::Refuse(status, code),
        _ => answer_after(Duration::from_millis(5)),
    }
}

#[test]
fn a_server_that_says_slow_down_limits_by_throttling() {
    let trial = downloading(refuse_some(429, "SlowDown"), &["--warm-up", "300ms"]);
    assert_limited(&trial, "throttled", "told to slow down");
}

#[test]
fn a_server_that_fails_limits_by_errors() {
    let trial = downloading(refuse_some(500, "InternalError"), &["--warm-up", "300ms"]);
    assert_limited(&trial, "errors", "of the attempts failed");
}

#[test]
fn a_slow_server_is_named_when_nothing_of_ours_is_at_its_limit() {
    let slow = |_: &Asked| answer_after(Duration::from_millis(100));
    let trial = downloading(slow, &["--warm-up", "300ms"]);
    assert_limited(&trial, "gateway_or_network", "the busiest thread");
}

#[test]
fn a_slow_link_is_named_and_its_connections_are_told_of() {
    let serve = Serve::start(&["--connection-rate", "5MB/s", "--round-trip", "5ms"]);
    let upload = ["s3://bucket/p", "--size", "20MB", "--files", "4", "--part-size", "5MiB"];
    let time = ["--for", "2s", "--warm-up", "1s", "--concurrency", "3"];
    let document = Tidegate::at(&serve.endpoint()).json("run", &[&upload[..], &time].concat());
    let trial = &document["trials"][0];
    assert_limited(trial, "gateway_or_network", "held back by the receiver");
    let tcp = &trial["network"]["tcp"];
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} in {tcp:#}"));
    assert_eq!(number(&tcp["connections"]), 3);
    let payload = number(&trial["bytes"]);
    assert!(number(&tcp["sent_bytes"]) >= payload, "heads come on top: {tcp:#}");
    assert!(number(&tcp["round_trip_us"]["samples"]) > 0);
    // Most of the time the gateway takes nothing.
    let [busy, held] =
        ["busy_s", "receive_window_limited_s"].map(|name| tcp[name].as_f64().unwrap());
    assert!(held > 0.5 * busy, "{tcp:#}");
    let interface = &trial["network"]["interfaces"][0];
    assert_eq!(
        (&interface["name"], &interface["speed_bits_per_second"]),
        (&"lo".into(), &Value::Null)
    );
}

#[test]
fn a_server_that_is_faster_than_this_program_limits_by_its_processor() {
    let trial = downloading(|_| Plan::OK, &["--warm-up", "300ms", "--concurrency", "32"]);
    assert_limited(&trial, "client_cpu", "the busiest thread (workers-");
    assert!(trial["client"]["busiest_threads"][0]["running_share"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_threads_of_a_whole_task_are_seen_though_they_have_ended() {
    let serve = Serve::start(&["--bucket", "bucket", "--retain", "discard"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let upload = ["s3://bucket/p", "--size", "2GB", "--files", "8", "-c", "4", "--no-verify"];
    let document = tidegate.json("run", &upload);
    let client = &document["trials"][0]["client"];
    let busiest = &client["busiest_threads"][0];
    assert!(busiest["name"].as_str().unwrap().starts_with("workers-"), "{client:#}");
    // The movers did nearly all that the program did.
    let threads = client["busiest_threads"].as_array().unwrap();
    let running = threads.iter().map(|thread| thread["running_share"].as_f64().unwrap());
    let (movers, all) = (running.sum::<f64>(), client["processors_used"].as_f64().unwrap());
    assert!(movers > 0.5 * all, "{movers} of {all}");
}

#[test]
fn a_source_that_is_read_slowly_is_the_limit() {
    let Some(slow_reads) = slow_reads() else { return };
    let files = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        std::fs::write(files.path().join(name), vec![7; 8 << 20]).unwrap();
    }
    let serve = Serve::start(&[]);
    let upload = ["s3://bucket/p", "--from", text(files.path()), "--no-verify", "--for", "2s"];
    let settings = ["--warm-up", "500ms", "--concurrency", "2", "--part-size", "5MiB"];
    let tidegate =
        Tidegate::at(&serve.endpoint()).with_variable("LD_PRELOAD", text(&slow_reads.library));
    let document = tidegate.json("run", &[&upload[..], &settings].concat());
    let trial = &document["trials"][0];
    assert_limited(trial, "source", "for the source");
    assert!(trial["source"]["waited_share"].as_f64().unwrap() > 0.5);
    assert!(trial["source"]["read_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn where_no_request_ended_nothing_is_known() {
    let never = |_: &Asked| answer_after(Duration::from_secs(3600));
    let trial = downloading(never, &["--warm-up", "50ms"]);
    assert_limited(&trial, "unknown", "no request with data");
}

#[test]
fn where_arrivals_set_the_rate_no_limit_was_met() {
    let options = ["--warm-up", "300ms", "--concurrency", "16", "--arrivals", "constant:20"];
    let trial = downloading(|_| Plan::OK, &options);
    assert_limited(&trial, "unknown", "arrivals set the rate");
}

/// A library that makes every positioned read take a twentieth of a second. What lies in memory must
/// not be read past it: preadv2 is refused, as by a file system that does not know its flags.
struct SlowReads {
    _directory: tempfile::TempDir,
    library: PathBuf,
}

const SLOW_READS: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
__attribute__((constructor)) static void refuse_preadv2(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_preadv2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) abort();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) abort();
}
ssize_t pread64(int file, void *buffer, size_t bytes, off64_t offset) {
    static ssize_t (*real)(int, void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pread64");
    usleep(50000);
    return real(file, buffer, bytes, offset);
}
"#;

/// Made with the C compiler that the TLS library is built with, too; only Linux's loader takes it so.
fn slow_reads() -> Option<SlowReads> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let (source, library) = (directory.path().join("slow.c"), directory.path().join("slow.so"));
    std::fs::write(&source, SLOW_READS).unwrap();
    let mut cc = Command::new("cc");
    let made = cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    assert!(made.expect("there is a C compiler").success());
    Some(SlowReads { _directory: directory, library })
}
