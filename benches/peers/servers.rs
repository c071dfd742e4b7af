//! The server that all speak to, and the proxy that ends TLS in front of it: processes of their own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::Result;
use crate::core::Core;

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

    /// This program as the proxy in front of `upstream`.
    pub fn tls_proxy(upstream: &str) -> Result<Self> {
        let program = std::env::current_exe()?;
        Self::start(Core::Servers.command(&program).args(["tls-proxy", upstream]))
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

/// Smaller bodies are markers and XML, not data.
const DATA_BYTES_MIN: u64 = 1 << 20;

impl Server {
    pub fn start(directory: &Path) -> Result<Self> {
        let log = directory.join("requests.jsonl");
        let process = Process::start(
            Core::Servers
                .command(env!("CARGO_BIN_EXE_tidegate").as_ref())
                .args([
                    "serve",
                    "--retain",
                    "discard",
                    "--limits",
                    "none",
                    "--until-stdin-closes",
                    "--log",
                ])
                .arg(&log),
        )?;
        Ok(Self { process, log })
    }

    /// Runs `client` and says what it moved.
    pub fn traffic_of<T>(&self, client: impl FnOnce() -> Result<T>) -> Result<(T, Traffic)> {
        let mut log = File::open(&self.log)?;
        log.seek(SeekFrom::End(0))?;
        let done = client()?;
        std::thread::sleep(LOG_IS_COMPLETE_AFTER);
        let mut lines = String::new();
        log.read_to_string(&mut lines)?;
        Ok((done, traffic(&lines)?))
    }
}

fn traffic(lines: &str) -> Result<Traffic> {
    let (mut bytes, mut start_us, mut end_us) = (0, u64::MAX, 0);
    for line in lines.lines() {
        let request: Request = serde_json::from_str(line)?;
        let moved = match request.operation.as_str() {
            "PutObject" | "UploadPart" => request.bytes_in,
            "GetObject" => request.bytes_out,
            _ => 0,
        };
        if moved >= DATA_BYTES_MIN && request.status.is_some_and(|status| status < 300) {
            bytes += moved;
            start_us = start_us.min(request.start_us);
            end_us = end_us.max(request.end_us);
        }
    }
    Ok(Traffic { bytes, seconds: end_us.saturating_sub(start_us) as f64 / 1e6 })
}
