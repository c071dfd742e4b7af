//! Programs of others. A machine may lack them; then a test says so instead of passing silently.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::servers::text;
use super::{ACCESS_KEY, SECRET_KEY};

/// Where the program is; `None`, with a word about it, if this machine has none. With
/// `TIDEGATE_REQUIRE_TOOLS` set a missing one is a failure.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain([Path::new(&home).join("go/bin")])
        .map(|directory| directory.join(program))
        .find(|program| program.is_file());
    if found.is_none() {
        let required = std::env::var_os("TIDEGATE_REQUIRE_TOOLS").is_some();
        assert!(!required, "{program} not found on PATH or in ~/go/bin");
        eprintln!("skipped: {program} not found");
    }
    found
}

/// The same, but nothing that `.ci/run` installs: a missing one is never a failure.
pub fn find_if_there(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|directory| directory.join(program));
    let found = programs.find(|program| program.is_file());
    if found.is_none() {
        eprintln!("skipped: {program} not found");
    }
    found
}

/// rclone, s5cmd and our programs for the SDKs of others, speaking to one endpoint.
pub struct Tool {
    program: PathBuf,
    before: Vec<String>,
    environment: Vec<(&'static str, String)>,
}

/// botocore asks for `100 Continue` for an empty body, too. Storj's gateway answers that at once, as
/// any server written in Go does; then botocore takes the next answer on that connection for none,
/// and repeats the request after a minute (boto/botocore#3755).
const NO_EMPTY_CONTINUE: (&str, &str) = ("BOTO_EXPERIMENTAL__NO_EMPTY_CONTINUE", "true");

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn keys() -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
    ]
}

impl Tool {
    /// rclone, whose remote `tidegate:` is the endpoint; `None` if this machine has none.
    pub fn rclone(endpoint: &str) -> Option<Self> {
        let environment = vec![
            ("RCLONE_CONFIG", "/dev/null".to_owned()),
            ("RCLONE_CONFIG_TIDEGATE_TYPE", "s3".to_owned()),
            // For `Storj` rclone 1.60 names buckets by the host, which loopback has no names for.
            ("RCLONE_CONFIG_TIDEGATE_PROVIDER", "Other".to_owned()),
            ("RCLONE_CONFIG_TIDEGATE_ENDPOINT", endpoint.to_owned()),
            ("RCLONE_CONFIG_TIDEGATE_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("RCLONE_CONFIG_TIDEGATE_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ];
        Some(Self { program: find("rclone")?, before: Vec::new(), environment })
    }

    /// s5cmd; `None` if this machine has none.
    pub fn s5cmd(endpoint: &str) -> Option<Self> {
        let before = vec!["--endpoint-url".to_owned(), endpoint.to_owned()];
        Some(Self { program: find("s5cmd")?, before, environment: keys() })
    }

    /// `tests/clients/boto3_round.py`; `None` if this machine has no boto3.
    pub fn boto3_round(endpoint: &str) -> Option<Self> {
        let script = clients().join("boto3_round.py");
        let mut environment = keys();
        environment.push((NO_EMPTY_CONTINUE.0, NO_EMPTY_CONTINUE.1.to_owned()));
        let before = [text(&script), endpoint].map(str::to_owned).to_vec();
        Some(Self { program: find("python-with-boto3")?, before, environment })
    }

    /// `tests/clients/go`, built into `directory`; `None` if this machine has no Go.
    pub fn go_round(endpoint: &str, directory: &Path) -> Option<Self> {
        let go = find("go")?;
        let program = directory.join("round");
        let mut build = Command::new(go);
        build.args(["build", "-mod=readonly", "-o"]).arg(&program).arg(".");
        let built = build.current_dir(clients().join("go")).output().expect("Go starts");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Some(Self { program, before: vec![endpoint.to_owned()], environment: keys() })
    }

    /// Its command, not yet started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.before).args(arguments).env("AWS_CONFIG_FILE", "/dev/null");
        // With a bundle rclone 1.60 does not even start.
        command.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").env_remove("AWS_CA_BUNDLE");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it, whatever comes of it.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.command(arguments).output().expect("it starts")
    }

    /// Runs it and takes what it prints; it must succeed.
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        let program = self.program.display();
        assert!(output.status.success(), "{program} ended with {}: {error}", output.status);
        String::from_utf8(output.stdout).expect("it prints UTF-8")
    }
}

/// The AWS CLI, speaking to one endpoint.
pub struct AwsCli {
    program: PathBuf,
    endpoint: String,
    secret_key: String,
    config: PathBuf,
    attempts: &'static str,
}

impl AwsCli {
    /// `None` if this machine has none.
    pub fn find(endpoint: &str) -> Option<Self> {
        let program = find("aws")?;
        let secret_key = SECRET_KEY.to_owned();
        let config = PathBuf::from("/dev/null");
        Some(Self { program, endpoint: endpoint.to_owned(), secret_key, config, attempts: "1" })
    }

    /// The same with a configuration file.
    pub fn configured_by(self, config: &Path) -> Self {
        Self { config: config.to_owned(), ..self }
    }

    /// The same, and it asks again when it is told to slow down, as it does by itself.
    pub fn patient(self) -> Self {
        Self { attempts: "5", ..self }
    }

    /// The same with another secret.
    pub fn with_secret(self, secret_key: &str) -> Self {
        Self { secret_key: secret_key.to_owned(), ..self }
    }

    /// Its command, not yet started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--endpoint-url", &self.endpoint])
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret_key)
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", &self.config)
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_MAX_ATTEMPTS", self.attempts)
            .env(NO_EMPTY_CONTINUE.0, NO_EMPTY_CONTINUE.1)
            // As Storj asks of its users: it does not take checksums in trailers.
            .env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
            .env("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required");
        command
    }

    /// Runs it, whatever comes of it.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.command(arguments).output().expect("the AWS CLI starts")
    }

    /// Runs it and takes what it prints; it must succeed.
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "aws ended with {}: {error}", output.status);
        String::from_utf8(output.stdout).expect("the AWS CLI prints UTF-8")
    }
}
