//! The program under test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::mpi::Mpi;
use super::{ACCESS_KEY, SECRET_KEY, schemas};

/// `tidegate`, with keys in its environment and a directory for its results.
pub struct Tidegate {
    endpoint: Option<String>,
    secret_key: String,
    variables: Vec<(String, String)>,
    results: TempDir,
}

/// What came of it.
pub struct Finished {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Tidegate {
    /// Without a target.
    pub fn embedded() -> Self {
        let results = tempfile::tempdir().unwrap();
        Self { endpoint: None, secret_key: SECRET_KEY.to_owned(), variables: Vec::new(), results }
    }

    /// For an endpoint.
    pub fn at(endpoint: &str) -> Self {
        Self { endpoint: Some(endpoint.to_owned()), ..Self::embedded() }
    }

    /// The same with another secret.
    pub fn with_secret(self, secret_key: &str) -> Self {
        Self { secret_key: secret_key.to_owned(), ..self }
    }

    /// The same with one more variable in its environment.
    pub fn with_variable(self, name: &str, value: &str) -> Self {
        let mut variables = self.variables;
        variables.push((name.to_owned(), value.to_owned()));
        Self { variables, ..self }
    }

    /// The same, now for this endpoint.
    pub fn sent_to(&mut self, endpoint: &str) -> &Self {
        self.endpoint = Some(endpoint.to_owned());
        self
    }

    /// Its command, not yet started. `verb` comes before all options.
    fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = self.command_without_results(verb, arguments);
        command.arg("--results").arg(self.results.path());
        command
    }

    fn command_without_results(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg(verb).args(arguments);
        if let Some(endpoint) = &self.endpoint {
            command.args(["--endpoint", endpoint]);
        }
        command
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret_key)
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_DEFAULT_PROFILE")
            .env_remove("AWS_ENDPOINT_URL")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end, whatever that is.
    pub fn run(&self, verb: &str, arguments: &[&str]) -> Finished {
        self.command(verb, arguments).output().expect("tidegate starts").into()
    }

    /// Runs a verb that writes no results.
    pub fn run_plain(&self, verb: &str, arguments: &[&str]) -> Finished {
        self.command_without_results(verb, arguments).output().expect("tidegate starts").into()
    }

    /// Runs `serve` with options that it refuses.
    pub fn serve(options: &[&str]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        // Should it not refuse, it ends at once.
        command.args(["serve", "--until-stdin-closes"]).args(options).stdin(Stdio::null());
        command.output().expect("tidegate starts").into()
    }

    /// The command with which a launcher starts so many of a tidegate that was built for it, not yet started.
    pub fn launched(&self, by: &Mpi, dtns: u32, verb: &str, arguments: &[&str]) -> Command {
        Self::launch(by, dtns, &[], &self.command(verb, arguments))
    }

    /// The same of a verb that writes no results; each process is started by what comes before it.
    pub fn launched_plain(
        &self,
        by: &Mpi,
        dtns: u32,
        before: &[&str],
        verb: &str,
        arguments: &[&str],
    ) -> Command {
        Self::launch(by, dtns, before, &self.command_without_results(verb, arguments))
    }

    fn launch(by: &Mpi, dtns: u32, before: &[&str], command: &Command) -> Command {
        let mut launcher = by.launcher(dtns);
        launcher.args(before).arg(by.tidegate()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => launcher.env(name, value),
                None => launcher.env_remove(name),
            };
        }
        launcher
    }

    /// Runs it so, to its end.
    pub fn run_launched(&self, by: &Mpi, dtns: u32, verb: &str, arguments: &[&str]) -> Finished {
        self.launched(by, dtns, verb, arguments).output().expect("the launcher starts").into()
    }

    /// Runs it where no file can grow beyond `limit_kib`: a full disk that needs no rights to make.
    pub fn run_with_small_disk(&self, verb: &str, arguments: &[&str], limit_kib: u32) -> Finished {
        let command = self.command(verb, arguments);
        // With the signal ignored, a write beyond the limit is an error like any other.
        let script = format!("trap '' XFSZ; ulimit -f {limit_kib}; exec \"$0\" \"$@\"");
        let mut limited = Command::new("bash");
        limited.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        limited.output().expect("bash starts").into()
    }

    /// Runs it and reads the result document that it prints; it must succeed.
    pub fn json(&self, verb: &str, arguments: &[&str]) -> Value {
        let finished = self.run(verb, &[arguments, &["--json"]].concat());
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        // Shown if the test fails.
        eprintln!("{}", finished.stderr);
        let document = serde_json::from_str(&finished.stdout);
        let document = document.expect("nothing but JSON on standard output");
        schemas::hold(&document);
        document
    }

    /// Starts a verb that writes no results and leaves it running.
    pub fn start_plain(&self, verb: &str, arguments: &[&str]) -> Child {
        let mut command = self.command_without_results(verb, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tidegate starts")
    }

    /// Starts it and leaves it running.
    pub fn start(&self, verb: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(verb, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tidegate starts")
    }

    /// Starts it with its standard error on a terminal.
    pub fn start_on(&self, terminal: Stdio, verb: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(verb, arguments);
        command.env("TERM", "xterm").env_remove("NO_COLOR").envs(self.variables.clone());
        command.stdout(Stdio::null()).stderr(terminal).spawn().expect("tidegate starts")
    }

    /// Starts it with somebody at a terminal, who can be asked.
    pub fn start_asking(
        &self,
        [input, errors]: [Stdio; 2],
        verb: &str,
        arguments: &[&str],
    ) -> Child {
        let mut command = self.command(verb, arguments);
        command.env("TERM", "xterm").stdin(input).stdout(Stdio::null()).stderr(errors);
        command.spawn().expect("tidegate starts")
    }

    /// Where its results are, as it is told.
    pub fn results(&self) -> &str {
        self.results.path().to_str().unwrap()
    }

    /// The directories of the runs so far.
    pub fn runs(&self) -> Vec<PathBuf> {
        entries(self.results.path())
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("tidegate prints UTF-8");
        Self {
            code: output.status.code().expect("it ended by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// What a directory holds, in order.
pub fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
