//! The servers that all speak to, one of them over TLS 1.3: processes of their own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::Result;
use crate::core::Core;
use crate::task::{Security, Task};

/// A child process that says where it listens, and ends with this value.
pub struct Process {
    child: Child,
    pub address: String,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("no standard output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let announced = line.trim().split_once("://").map(|(_, address)| address.to_owned());
        let address = announced.ok_or_else(|| format!("it does not listen: {line:?}"))?;
        Ok(Self { child, address })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `tidegate serve --retain discard`, without a link model, with a log of its requests.
pub struct Server {
    pub process: Process,
    log: PathBuf,
}

/// What passed the server's sockets.
pub struct Traffic {
    pub bytes: u64,
    pub operations: u64,
    pub seconds: f64,
}

/// A line of the server's log.
#[derive(Deserialize)]
struct Request {
    operation: String,
    bytes_in: u64,
    bytes_out: u64,
    start_us: u64,
    end_us: u64,
    status: Option<u16>,
}

/// The log is flushed every 50 ms.
const LOG_IS_COMPLETE_AFTER: Duration = Duration::from_millis(200);

/// Smaller bodies are markers, unless all objects are small.
const DATA_BYTES_MIN: u64 = 1 << 20;

/// A certificate, a key or an authority of the tests.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/data").join(name)
}

impl Server {
    pub fn start(directory: &Path, security: Security) -> Result<Self> {
        let log = directory.join(format!("requests-{security:?}.jsonl"));
        let mut command = Core::Servers.command(env!("CARGO_BIN_EXE_tidegate").as_ref());
        command
            .args(["serve", "--retain", "discard", "--limits", "none", "--until-stdin-closes"])
            .arg("--log")
            .arg(&log);
        if security == Security::Tls {
            command.arg("--tls-cert").arg(data("server.pem"));
            command.arg("--tls-key").arg(data("server.key"));
        }
        Ok(Self { process: Process::start(&mut command)?, log })
    }

    /// Runs `client` and says what it moved.
    pub fn traffic_of<T>(
        &self,
        task: Task,
        client: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Traffic)> {
        let mut log = File::open(&self.log)?;
        log.seek(SeekFrom::End(0))?;
        let done = client()?;
        std::thread::sleep(LOG_IS_COMPLETE_AFTER);
        let mut lines = String::new();
        log.read_to_string(&mut lines)?;
        Ok((done, traffic(&lines, task.file_bytes().min(DATA_BYTES_MIN))?))
    }
}

fn traffic(lines: &str, data_bytes_min: u64) -> Result<Traffic> {
    let (mut bytes, mut operations, mut start_us, mut end_us) = (0, 0, u64::MAX, 0);
    for line in lines.lines() {
        let request: Request = serde_json::from_str(line)?;
        let moved = match request.operation.as_str() {
            "PutObject" | "UploadPart" => request.bytes_in,
            "GetObject" => request.bytes_out,
            _ => 0,
        };
        if moved >= data_bytes_min && request.status.is_some_and(|status| status < 300) {
            bytes += moved;
            operations += 1;
            start_us = start_us.min(request.start_us);
            end_us = end_us.max(request.end_us);
        }
    }
    let seconds = end_us.saturating_sub(start_us) as f64 / 1e6;
    Ok(Traffic { bytes, operations, seconds })
}
