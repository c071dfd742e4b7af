//! Programs of others. A machine may lack them; then a test says so instead of passing silently.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

/// The AWS CLI, speaking to one endpoint.
pub struct AwsCli {
    program: PathBuf,
    endpoint: String,
    secret_key: String,
}

impl AwsCli {
    /// `None` if this machine has none.
    pub fn find(endpoint: &str) -> Option<Self> {
        let program = find("aws")?;
        let secret_key = SECRET_KEY.to_owned();
        Some(Self { program, endpoint: endpoint.to_owned(), secret_key })
    }

    /// The same with another secret.
    pub fn with_secret(self, secret_key: &str) -> Self {
        Self { secret_key: secret_key.to_owned(), ..self }
    }

    /// Runs it, whatever comes of it.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        let mut command = Command::new(&self.program);
        command
            .args(["--endpoint-url", &self.endpoint])
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret_key)
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_MAX_ATTEMPTS", "1")
            // As Storj asks of its users: it does not take checksums in trailers.
            .env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
            .env("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required");
        command.output().expect("the AWS CLI starts")
    }

    /// Runs it and takes what it prints; it must succeed.
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "aws ended with {}: {error}", output.status);
        String::from_utf8(output.stdout).expect("the AWS CLI prints UTF-8")
    }
}
