//! The program under check, in simulated time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tidegate::result::{Document, Settings, Trial};

use crate::Result;
use crate::draw::Link;

/// A link as files, gone with this value, and what asks about it.
pub struct Bench<'a> {
    program: &'a Path,
    /// With what links cost: nothing of it depends on the tuner.
    reference: &'a Path,
    directory: TempDir,
}

/// What a trial measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cell {
    pub settings: Settings,
    pub goodput: f64,
    /// Of all attempts, those that were told to slow down.
    pub refused: f64,
}

/// A trial's and what it sent from its beginning on.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub cell: Cell,
    pub bytes: f64,
}

/// What `tidegate tune` answered.
pub struct Tuned {
    pub code: Option<i32>,
    pub document: Option<Document>,
    /// On standard error.
    pub said: String,
}

/// A trial that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub settings: Settings,
    pub window_s: f64,
    pub seed: u64,
}

impl<'a> Bench<'a> {
    /// Writes the link's files. `program` tunes, `reference` measures.
    pub fn of(link: &Link, program: &'a Path, reference: &'a Path) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let bench = Self { program, reference, directory };
        std::fs::write(bench.link(), link.toml())?;
        std::fs::write(bench.calm(), link.calm_toml())?;
        Ok(bench)
    }

    fn link(&self) -> PathBuf {
        self.directory.path().join("link.toml")
    }

    fn calm(&self) -> PathBuf {
        self.directory.path().join("calm.toml")
    }

    /// What the settings are worth: without weather, which would favour who is measured in the sun.
    pub fn measure_calm(&self, load: Load) -> Result<Measured> {
        self.measure(&self.calm(), load)
    }

    /// As somebody measures who is on the link.
    pub fn measure_in_weather(&self, load: Load) -> Result<Measured> {
        self.measure(&self.link(), load)
    }

    fn measure(&self, model: &Path, load: Load) -> Result<Measured> {
        let Load { settings, window_s, seed } = load;
        let options = [
            ["--part-size", &format!("{}B", settings.part_size_bytes)],
            ["--concurrency", &settings.concurrency.to_string()],
            ["--for", &format!("{window_s:.0}s")],
            ["--seed", &seed.to_string()],
        ];
        let results = self.directory.path().join("results");
        let mut command = self.command(self.reference, "run", model, &results);
        let output = command.args(options.concat()).output()?;
        let document = serde_json::from_slice::<Document>(&output.stdout);
        match document.ok().and_then(|mut document| document.trials.pop()) {
            Some(trial) => Ok(Measured::from(&trial)),
            None => Err(format!("{command:?}: {}", last_line(&output.stderr)).into()),
        }
    }

    /// Searches.
    pub fn tune(&self, budget: &[&str], seed: u64) -> Result<Tuned> {
        let results = tempfile::tempdir_in(&self.directory)?;
        let mut command = self.command(self.program, "tune", &self.link(), results.path());
        let output = command.args(["--yes", "--seed", &seed.to_string()]).args(budget).output()?;
        let printed = serde_json::from_slice(&output.stdout).ok();
        Ok(Tuned {
            code: output.status.code(),
            document: printed.or_else(|| saved(results.path())),
            said: last_line(&output.stderr),
        })
    }

    fn command(&self, program: &Path, verb: &str, model: &Path, results: &Path) -> Command {
        let mut command = Command::new(program);
        command.args([verb, "--json", "--simulate"]).arg(model).arg("--results").arg(results);
        command.stdin(Stdio::null());
        command
    }
}

/// The document of the only run: without an answer none is printed, but it tells what was spent.
fn saved(results: &Path) -> Option<Document> {
    let run = std::fs::read_dir(results).ok()?.next()?.ok()?;
    serde_json::from_slice(&std::fs::read(run.path().join("result.json")).ok()?).ok()
}

impl From<&Trial> for Measured {
    fn from(trial: &Trial) -> Self {
        let attempts: u64 = trial.requests.values().map(|operation| operation.attempts).sum();
        let cell = Cell {
            settings: trial.settings,
            goodput: trial.goodput_bytes_per_second,
            refused: trial.errors.throttled as f64 / attempts.max(1) as f64,
        };
        // What passed before the window is taken to be as fast as in it.
        Self { cell, bytes: trial.wire_bytes_per_second * trial.window.end_s }
    }
}

fn last_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().lines().last().unwrap_or_default().into()
}
