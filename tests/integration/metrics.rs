//! What `--metrics` and `--metrics-file` tell, as Prometheus, node_exporter and promtool read it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tidegate::store::s3::S3Store;

use crate::support::SECRET_KEY;
use crate::support::http::Http;
use crate::support::mischief::{Fault, mischief};
use crate::support::prometheus::{Prometheus, check_metrics, free_address};
use crate::support::servers::{Serve, connection, text};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::uploading::{SLOW, wait_for_uploads};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every seventh part is refused.
fn refusing_some(serve: &Serve) -> crate::support::relay::Relay {
    let mut parts = 0;
    mischief(&serve.endpoint(), move |asked| {
        let is_part = asked.target.contains("partNumber=") && asked.method == "PUT";
        parts += u32::from(is_part);
        match is_part && parts % 7 == 0 {
            true => Fault::refusal(503, "SlowDown", ""),
            false => Fault::None,
        }
    })
}

#[test]
fn the_sums_that_prometheus_reads_are_those_of_the_result() {
    let metrics_of_run = free_address().to_string();
    let metrics_of_serve = free_address().to_string();
    let files = tempfile::tempdir().unwrap();
    let jobs = [("run", metrics_of_run.as_str()), ("serve", &metrics_of_serve)];
    let Some(prometheus) = Prometheus::start(&jobs, files.path()) else { return };
    let file = files.path().join("tidegate.prom");
    let link = ["--bucket", "bucket", "--shared-rate", "20MB/s", "--limits", "storj"];
    let serve = Serve::start(&[&link[..], &["--metrics", &metrics_of_serve]].concat());
    let relay = refusing_some(&serve);

    let dataset = ["s3://bucket/p", "--size", "60MB", "--files", "6", "--part-size", "5MiB"];
    let told = ["--verify", "--metrics", &metrics_of_run, "--metrics-file", text(&file)];
    let run = Tidegate::at(&relay.endpoint()).json("run", &[&dataset[..], &told].concat());
    prometheus.wait_for("tidegate_session_state{job='node', state='done'}");
    assert_same_sums(&prometheus, &run);
    assert!(run["trials"][0]["errors"]["throttled"].as_u64().unwrap() > 0);
    let attempts: u64 =
        requests_of(&run).map(|(_, of)| number(&of["service_time_us"]["samples"])).sum();
    let timed = prometheus.value("sum(tidegate_attempt_duration_seconds_count{job='node'})");
    assert_eq!(timed, attempts as f64);

    // While it ran, its endpoint told no more than what came of it.
    let live = "sum(max_over_time(tidegate_wire_bytes_total{job='run'}[10m]))";
    let whole = prometheus.value("sum(tidegate_wire_bytes_total{job='node'})");
    assert!((1.0..=whole).contains(&prometheus.value(live)), "{whole}");
    let received = "sum(tidegate_gateway_received_bytes_total{operation='UploadPart'})";
    let sent = "sum(tidegate_payload_bytes_total{job='node', direction='up'})";
    assert_eq!(prometheus.value(received), prometheus.value(sent));
    check_metrics(&fs::read_to_string(&file).unwrap());

    // A search has many trials, and a verdict.
    let slow = Serve::start(&["--bucket", "bucket", "--connection-rate", "10MB/s"]);
    let search = ["s3://bucket/p", "--part-sizes", "5MiB", "--max-concurrency", "2"];
    let short = ["--budget", "10m", "--warm-up", "300ms", "--window", "700ms", "--soak", "5s"];
    let told = ["--current-concurrency", "1", "--metrics-file", text(&file)];
    let search = [&search[..], &short, &told].concat();
    let tune = Tidegate::at(&slow.endpoint()).json("tune", &search);
    let verdict = tune["recommendation"]["verdict"].as_str().unwrap();
    prometheus.wait_for(&format!("tidegate_verdict{{direction='up', verdict='{verdict}'}} == 1"));
    assert_same_sums(&prometheus, &tune);
    let trials = prometheus.value("sum(tidegate_trials_total)");
    assert_eq!(trials, tune["trials"].as_array().unwrap().len() as f64);
    let n = &tune["recommendation"]["settings"]["concurrency"];
    assert_eq!(prometheus.value("tidegate_recommended_concurrency"), number(n) as f64);
    check_metrics(&fs::read_to_string(&file).unwrap());
    assert_dashboard_shows_something(&prometheus);
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Operations of all trials.
fn requests_of(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let trials = document["trials"].as_array().unwrap().iter();
    trials.flat_map(|trial| trial["requests"].as_object().unwrap())
}

fn assert_same_sums(prometheus: &Prometheus, document: &Value) {
    let trials = document["trials"].as_array().unwrap();
    let sum = |of: &dyn Fn(&Value) -> u64| trials.iter().map(of).sum::<u64>() as f64;
    let told = |expression: &str| prometheus.value(&format!("sum({expression})"));
    let wrong = "tidegate_attempts_total{job='node', outcome=";
    for (name, expected, expression) in [
        (
            "bytes",
            sum(&|trial| number(&trial["bytes"])),
            "tidegate_payload_bytes_total{job='node', purpose='trial'}",
        ),
        (
            "read back",
            sum(&|trial| number(&trial["read_back_bytes"])),
            "tidegate_payload_bytes_total{job='node', purpose='verification'}",
        ),
        (
            "objects",
            sum(&|trial| number(&trial["objects"])),
            "tidegate_files_total{job='node', outcome='arrived'}",
        ),
        ("cut", sum(&|trial| number(&trial["cut"])), &format!("{wrong}'cut'}}")),
        ("under way", sum(&|trial| number(&trial["under_way"])), &format!("{wrong}'under_way'}}")),
    ] {
        assert_eq!(told(expression), expected, "{name}");
    }
    for class in ["throttled", "timeout", "connection", "checksum", "server", "client"] {
        let expected = sum(&|trial| number(&trial["errors"][class]));
        assert_eq!(told(&format!("{wrong}'{class}'}}")), expected, "{class}");
    }
    let mut operations = 0;
    for sample in prometheus.query("sum by (operation) (tidegate_requests_total{job='node'})") {
        let operation = sample.label("operation");
        let of = requests_of(document).filter(|(name, _)| *name == operation);
        let (requests, attempts) = of.fold((0, 0), |(requests, attempts), (_, of)| {
            (requests + number(&of["count"]), attempts + number(&of["attempts"]))
        });
        assert_eq!(sample.value, requests as f64, "{operation}");
        let made = told(&format!("tidegate_attempts_total{{job='node', operation='{operation}'}}"));
        assert_eq!(made, attempts as f64, "{operation}");
        operations += 1;
    }
    assert!(operations >= 3, "{operations} operations");
}

/// Each query of each panel had a value at some time.
fn assert_dashboard_shows_something(prometheus: &Prometheus) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards/tidegate.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let asked = expression.replace("$instance", ".*").replace("$__rate_interval", "5s");
            assert!(prometheus.series(&asked) > 0, "{}: {expression}", panel["title"]);
            queries += 1;
        }
    }
    assert!(queries > 20, "{queries} queries");
}

/// The page that a process announces.
fn announced(said: impl std::io::Read) -> String {
    let mut lines = BufReader::new(said).lines().map(Result::unwrap);
    let url = lines.find_map(|line| line.strip_prefix("metrics on http://").map(str::to_owned));
    url.unwrap().trim_end_matches("/metrics").to_owned()
}

#[test]
fn nothing_but_metrics_is_answered_in_the_format_that_is_asked_for() {
    let address = free_address().to_string();
    let serve = Serve::open(&["--limits", "storj", "--metrics", &address]);
    Http::at(serve.address()).put("/bucket/k", &[7; 1000]);
    let metrics = Http::at(&address);
    for (method, target) in
        [("GET", "/"), ("GET", "/metrics/"), ("POST", "/metrics"), ("PUT", "/bucket/k")]
    {
        assert_eq!(metrics.ask(method, target).send().status, 404, "{method} {target}");
    }
    let sample = "tidegate_gateway_requests_total{operation=\"PutObject\",code=\"200\"} 1\n";
    let plain = metrics.ask("GET", "/metrics").send();
    assert_eq!((plain.status, plain.header("content-type")), (200, Some(TEXT_FORMAT)));
    let plain = String::from_utf8(plain.body).unwrap();
    assert!(plain.contains(sample), "{plain}");
    check_metrics(&plain);
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let open = metrics.ask("GET", "/metrics").header("Accept", accept).send();
    assert_eq!((open.status, open.header("content-type")), (200, Some(OPEN_METRICS)));
    let open = String::from_utf8(open.body).unwrap();
    assert!(open.contains(sample) && open.ends_with("# EOF\n"), "{open}");
}

#[test]
fn readers_that_ask_for_nothing_do_not_keep_others_out() {
    let address = free_address().to_string();
    let _serve = Serve::open(&["--metrics", &address]);
    let idle: Vec<_> = (0..40).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(Http::at(&address).ask("GET", "/metrics").send().status, 200);
    drop(idle);
}

#[test]
fn what_cannot_be_told_is_refused_before_anything_is_sent() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let tidegate = Tidegate::at(&serve.endpoint());
    for (option, value, sentence) in [
        ("--metrics", taken.as_str(), "choose another address with --metrics"),
        ("--metrics-file", "/no/such/directory/tidegate.prom", "cannot write the metrics /no/such"),
        ("--metrics-file", "tidegate.txt", "end in .prom"),
    ] {
        for verb in ["run", "tune"] {
            let refused = tidegate.run(verb, &["s3://bucket/p", option, value]);
            assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
            assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
        }
        let refused = Tidegate::serve(&[option, value]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
    }
    assert_eq!(tidegate.runs(), Vec::<PathBuf>::new());
    assert_eq!(serve.stop().len(), 0, "no request was sent");
}

#[test]
fn a_simulation_tells_no_metrics() {
    for verb in ["run", "tune"] {
        let refused = Tidegate::embedded().run(verb, &["--simulate", "--metrics", "127.0.0.1:0"]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(
            refused.stderr.contains("a simulation has a clock of its own"),
            "{}",
            refused.stderr
        );
    }
}

/// How the file says that it ended.
fn state_in(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let (_, behind) = text.split_once("tidegate_session_state{state=\"").unwrap();
    behind.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_file_says_how_it_ended_also_after_an_error_and_after_an_interrupt() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tidegate.prom");
    let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
    let tidegate = Tidegate::at(&serve.endpoint());
    let told = ["--metrics-file", text(&file)];
    let finished = tidegate.run("run", &[&["s3://missing/p"], &told[..]].concat());
    assert_eq!((finished.code, state_in(&file).as_str()), (2, "failed"), "{}", finished.stderr);

    let upload = ["s3://bucket/p", "--size", "400MB", "--files", "4", "--part-size", "5MiB"];
    let mut child =
        tidegate.start("run", &[&upload[..], &told, &["--metrics", "127.0.0.1:0"]].concat());
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    wait_for_uploads(&store, "p/", 2, &mut child).await;
    let address = announced(child.stderr.as_mut().unwrap());
    let live = Http::at(&address).ask("GET", "/metrics").send();
    let live = String::from_utf8(live.body).unwrap();
    assert!(live.contains("\ntidegate_files_in_flight 4\n"), "{live}");
    assert!(live.contains("\ntidegate_setting_part_size_bytes 5242880\n"), "{live}");
    assert_eq!(state_in(&file), "running");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(
        (finished.code, state_in(&file).as_str()),
        (130, "interrupted"),
        "{}",
        finished.stderr
    );
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is beside it");
}
