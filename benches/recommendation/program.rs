//! The program under check: its gateway on a modelled link, and its client.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tidegate::result::{Document, Settings, Trial};

use crate::Result;
use crate::link::Link;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tidegate");

/// `tidegate serve`, gone with this value.
pub struct Gateway {
    link: Link,
    child: Child,
    url: String,
    results: TempDir,
}

impl Gateway {
    /// Starts it on a link.
    pub fn on(link: Link) -> Result<Self> {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--retain", "discard", "--until-stdin-closes", "--model"]);
        let piped = command.arg(link.scenario()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let url = url.ok_or_else(|| format!("it does not listen: {line:?}"))?;
        Ok(Self { link, child, url, results: tempfile::tempdir()? })
    }

    /// Searches.
    pub fn tune(&self, options: &[&str]) -> Result<Document> {
        self.client("tune", options)
    }

    /// One trial.
    pub fn trial(&self, settings: Settings, window: &str, warm_up: &str) -> Result<Trial> {
        let Settings { part_size_bytes, concurrency, parts_in_flight } = settings;
        let part_size = format!("{part_size_bytes}B");
        let (concurrency, parts) = (concurrency.to_string(), parts_in_flight.to_string());
        let options = [
            ["--part-size", &part_size],
            ["--concurrency", &concurrency],
            ["--parts-in-flight", &parts],
            ["--for", window],
            ["--warm-up", warm_up],
        ];
        let mut document = self.client("run", &options.concat())?;
        document.trials.pop().ok_or_else(|| "it ran no trial".into())
    }

    fn client(&self, verb: &str, options: &[&str]) -> Result<Document> {
        let output = Command::new(PROGRAM)
            .args([verb, "s3://bucket/check", "--endpoint", &self.url, "--json", "--results"])
            .arg(self.results.path())
            .args(self.link.dataset())
            .args(options)
            .envs([("AWS_ACCESS_KEY_ID", "check"), ("AWS_SECRET_ACCESS_KEY", "check")])
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::null())
            .output()?;
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout)?),
            false => Err(String::from_utf8_lossy(&output.stderr).into()),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
