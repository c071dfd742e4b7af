//! Prometheus itself, with node_exporter for the files of its textfile collector: Debian's packages.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

use super::http::Http;
use super::tools;

/// A Prometheus that scrapes twice a second.
pub struct Prometheus {
    children: [Child; 2],
    http: Http,
    _directory: TempDir,
}

/// A sample: its labels, and its value.
#[derive(Clone, Debug)]
pub struct Sample {
    labels: Value,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// A label's value.
    pub fn label(&self, name: &str) -> &str {
        self.labels[name].as_str().unwrap_or_default()
    }
}

impl Prometheus {
    /// Scrapes these addresses, each as the job of its name, and as the job `node` what is in the files of a directory;
    /// `None` if this machine has no Prometheus.
    pub fn start(jobs: &[(&str, &str)], textfiles: &Path) -> Option<Self> {
        let (program, node_exporter) =
            (tools::find("prometheus")?, tools::find("prometheus-node-exporter")?);
        let directory = tempfile::tempdir().unwrap();
        let [address, of_node] = [(); 2].map(|()| free_address());
        let mut config = "global: {scrape_interval: 500ms}\nscrape_configs:\n".to_owned();
        for (job, target) in jobs.iter().chain(&[("node", of_node.to_string().as_str())]) {
            writeln!(config, "- job_name: {job}\n  static_configs: [{{targets: ['{target}']}}]")
                .unwrap();
        }
        std::fs::write(directory.path().join("prometheus.yml"), config).unwrap();
        let in_directory = |option: &str, name: &str| {
            format!("{option}={}", directory.path().join(name).display())
        };
        let prometheus = start(
            Command::new(program)
                .arg(in_directory("--config.file", "prometheus.yml"))
                .arg(in_directory("--storage.tsdb.path", "data"))
                .arg(format!("--web.listen-address={address}")),
        );
        let node = start(
            Command::new(node_exporter)
                .args(["--collector.disable-defaults", "--collector.textfile"])
                .arg(format!("--collector.textfile.directory={}", textfiles.display()))
                .arg(format!("--web.listen-address={of_node}")),
        );
        let http = Http::at(&address.to_string());
        let prometheus = Self { children: [prometheus, node], http, _directory: directory };
        prometheus.wait_for("up");
        Some(prometheus)
    }

    /// What an expression is now.
    pub fn query(&self, expression: &str) -> Vec<Sample> {
        let answer = self.ask("query", expression, "");
        let result = answer["data"]["result"].as_array().unwrap();
        let sample = |sample: &Value| Sample {
            labels: sample["metric"].clone(),
            value: sample["value"][1].as_str().unwrap().parse().unwrap(),
        };
        result.iter().map(sample).collect()
    }

    /// The only sample of an expression.
    pub fn value(&self, expression: &str) -> f64 {
        match self.query(expression).as_slice() {
            [Sample { value, .. }] => *value,
            samples => panic!("{expression}: {samples:?}"),
        }
    }

    /// How many series an expression had in the last minutes.
    pub fn series(&self, expression: &str) -> usize {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        // A sample of this second is later than the second's beginning.
        let (start, end) = (now.as_secs() - 600, now.as_secs() + 1);
        let answer =
            self.ask("query_range", expression, &format!("&start={start}&end={end}&step=1"));
        answer["data"]["result"].as_array().unwrap().len()
    }

    /// Waits until an expression has samples.
    pub fn wait_for(&self, expression: &str) {
        for _ in 0..1200 {
            if self.is_there() && !self.query(expression).is_empty() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("{expression} was never there");
    }

    fn is_there(&self) -> bool {
        self.http.ask("GET", "/-/ready").try_send().is_ok_and(|answer| answer.status == 200)
    }

    fn ask(&self, how: &str, expression: &str, more: &str) -> Value {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let answer = self.http.ask("GET", &format!("/api/v1/{how}?query={query}{more}")).send();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// An address at which nobody listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Sees that `promtool check metrics` finds nothing in these; nothing if this machine has none.
pub fn check_metrics(text: &str) {
    let Some(promtool) = tools::find("promtool") else { return };
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let found = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && found.is_empty(), "{}", String::from_utf8_lossy(&found));
}
