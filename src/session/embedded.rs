//! The embedded gateway as a child process: its processor time is not the client's.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::error::{Error, Result};
use crate::store::s3::Credentials;

/// The link of `scenarios/demonstration.toml`, unless `--model` names another.
pub(super) const DEMONSTRATION: &str = "demonstration";

/// A gateway takes milliseconds to start; after this it is not going to.
const START_MAX: Duration = Duration::from_secs(20);

/// `tidegate serve`, started for one run. It stops when its standard input closes, so that it does
/// not outlive this process however that ends.
pub(super) struct Embedded {
    _child: Child,
    endpoint: String,
    access_key: String,
    secret_key: String,
}

impl Embedded {
    pub(super) async fn start(model: Option<&Path>) -> Result<Self> {
        let failed =
            |why: String| Error::environment(format!("the embedded gateway did not start: {why}"));
        let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let key = || format!("{:032x}", fastrand::u128(..));
        let (access_key, secret_key) = (key(), key());
        let mut command = Command::new(program);
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--retain",
            "discard",
            "--until-stdin-closes",
        ]);
        command.arg("--model").arg(model.unwrap_or(Path::new(DEMONSTRATION)));
        let mut child = command
            // What it does not need it cannot tell.
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env_remove("AWS_SESSION_TOKEN")
            .env("TIDEGATE_ACCESS_KEY", &access_key)
            .env("TIDEGATE_SECRET_KEY", &secret_key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C goes to the whole process group; this process still has to clean up.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("it has no output".into()))?;
        let mut lines = BufReader::new(stdout).lines();
        let announced = tokio::time::timeout(START_MAX, lines.next_line()).await;
        let endpoint = match announced {
            Ok(Ok(Some(line))) => line.strip_prefix("listening on ").map(str::to_owned),
            _ => None,
        };
        let endpoint = endpoint.ok_or_else(|| failed("it did not say where it listens".into()))?;
        Ok(Self { _child: child, endpoint, access_key, secret_key })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials::Static {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
        }
    }
}
