//! The clients: how each is told to do the same, and what it does besides.
//!
//! Options make them as equal as they allow: parts of 64 MiB, 16 in flight (16 files with one part
//! each), no checksum that S3 does not require, payloads unsigned where that can be chosen, no look at
//! the destination, no retries. Nothing of the user's configuration is read.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::core::Core;
use crate::raw_hyper::BUCKET;
use crate::servers;
use crate::task::{Data, Direction, FILES, PART_BYTES, Security, Task};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    Tidegate,
    RawHyper,
    Warp,
    Rclone,
    S5cmd,
    Aws,
}

/// Where a client finds things.
pub struct Place {
    /// Host and port of the server.
    pub address: String,
    pub security: Security,
    /// What keys begin with, without the last slash.
    pub prefix: String,
    /// The client's home and working directory.
    pub home: PathBuf,
    /// Files to send.
    pub from: PathBuf,
    /// Empty directory for what comes.
    pub to: PathBuf,
}

impl Place {
    pub fn endpoint(&self) -> String {
        match self.security {
            Security::Plain => format!("http://{}", self.address),
            Security::Tls => format!("https://{}", self.address),
        }
    }

    fn url(&self) -> String {
        format!("s3://{BUCKET}/{}", self.prefix)
    }
}

/// In flight at a time.
const STREAMS: &str = "16";
const PART_MIB: &str = "64";
const _: () = assert!(FILES == 16 && PART_BYTES == 64 << 20, "as the strings above say");

/// `aws` takes these from a file only.
pub const AWS_CONFIG: &str = "[default]
s3 =
  max_concurrent_requests = 16
  multipart_threshold = 64MB
  multipart_chunksize = 64MB
  payload_signing_enabled = false
";

/// What the server, which checks no signature, is told.
const KEY: &str = "peers-bench";

impl Peer {
    pub const ALL: [Self; 6] =
        [Self::Tidegate, Self::RawHyper, Self::Warp, Self::Rclone, Self::S5cmd, Self::Aws];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tidegate => "tidegate",
            Self::RawHyper => "raw hyper",
            Self::Warp => "warp",
            Self::Rclone => "rclone",
            Self::S5cmd => "s5cmd",
            Self::Aws => "AWS CLI",
        }
    }

    /// What it signs, hashes and reads, and the options that matter. The headers of uploads over
    /// HTTP were looked at; so it is known of rclone, s5cmd and the AWS CLI.
    pub fn about(self) -> &'static str {
        match self {
            Self::Tidegate => {
                "signs the head of each request (`UNSIGNED-PAYLOAD`), hashes nothing. Synthetic: makes the bytes from one ring in memory. Files: reads and writes them; `--no-verify`, as the others do not read back either. Downloads in ranges of 64 MiB."
            }
            Self::RawHyper => {
                "the same data requests from one hyper connection per file, each driven by a task of its own as hyper's guides have it (tidegate's, while an answer is read, by its reader): signs nothing, hashes nothing, retries nothing, the same bytes from the same ring, SO_SNDBUF 1 MiB and a read buffer of 64 KiB as tidegate's."
            }
            Self::Warp => {
                "signs the head of each request (`--disable-sha256-payload`), makes its own random bytes, reads no files. `multipart-put` with parts of 64 MiB, as many as the others' files have, one at a time; `put` of objects of 4 KiB; `get` of whole objects. It runs for a time, not for an amount: its bytes are those that the server counted."
            }
            Self::Rclone => {
                "signs, with SHA-256 of every part (`--s3-use-unsigned-payload` is for PutObject only) and Content-MD5 of every part; reads and writes files; parts are buffered in memory. `--ignore-checksum --s3-disable-checksum --s3-no-head --s3-no-check-bucket --no-check-dest`; downloads whole objects, 16 at a time."
            }
            Self::S5cmd => {
                "signs, with SHA-256 and Content-MD5 of every part (there is no option not to); reads and writes files."
            }
            Self::Aws => {
                "signs the head of each request (`payload_signing_enabled = false`), checksums `when_required`; reads and writes files; Python."
            }
        }
    }

    /// A benchmark that runs for a time moves what it can.
    pub fn moves_a_fixed_amount(self) -> bool {
        self != Self::Warp
    }

    /// What it says of its version, for programs of others.
    pub fn version(self) -> Option<String> {
        let argument = match self {
            Self::Tidegate | Self::RawHyper => return None,
            Self::Warp | Self::Aws => "--version",
            Self::Rclone | Self::S5cmd => "version",
        };
        let output = Command::new(self.program().ok()?).arg(argument).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().next().map(str::to_owned)
    }

    fn program(self) -> Result<PathBuf> {
        match self {
            Self::Tidegate => Ok(env!("CARGO_BIN_EXE_tidegate").into()),
            Self::RawHyper => Ok(std::env::current_exe()?),
            Self::Warp => find("warp"),
            Self::Rclone => find("rclone"),
            Self::S5cmd => find("s5cmd"),
            Self::Aws => find("aws"),
        }
    }

    /// The program with the surroundings that all have.
    pub fn start(self, place: &Place) -> Result<Command> {
        let mut command = Core::Client.command(&self.program()?);
        surroundings(&mut command, place);
        Ok(command)
    }

    pub fn command(self, task: Task, place: &Place) -> Result<Command> {
        let mut command = self.start(place)?;
        match self {
            Self::Tidegate => tidegate(&mut command, task, place),
            Self::RawHyper => raw_hyper(&mut command, task, place),
            Self::Warp => warp(&mut command, task, place),
            Self::Rclone => rclone(&mut command, task, place),
            Self::S5cmd => s5cmd(&mut command, task, place),
            Self::Aws => aws(&mut command, task, place),
        }
        Ok(command)
    }
}

/// On PATH, or where `go install` puts it.
pub fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([Path::new(&home).join("go/bin")])
        .map(|directory| directory.join(program))
        .find(|program| program.is_file())
        .ok_or_else(|| "not found".into())
}

/// Keys and nothing else: no proxy, no profile, no certificate of the user's.
fn surroundings(command: &mut Command, place: &Place) {
    command
        .current_dir(&place.home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &place.home)
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", KEY)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", place.home.join("aws.ini"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_MAX_ATTEMPTS", "1")
        .env("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        .env("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required");
}

fn ca() -> PathBuf {
    servers::data("ca.pem")
}

/// `tidegate run` with the options that are always the same.
pub fn tidegate_run(command: &mut Command, place: &Place, movers: u64) {
    command
        .args(["run", &place.url(), "--endpoint", &place.endpoint(), "--quiet"])
        .args(["--part-size", "64MiB", "--concurrency", &movers.to_string()])
        .arg("--results")
        .arg(place.home.join("results"));
}

fn tidegate(command: &mut Command, task: Task, place: &Place) {
    tidegate_run(command, place, FILES);
    if task.security == Security::Tls {
        command.arg("--ca-bundle").arg(ca());
    }
    match (task.direction, task.data) {
        (Direction::Up, Data::Synthetic) => {
            let size = task.bytes().to_string();
            command.args(["--keep", "--dataset", "climate", "--size", &size, "--files", STREAMS])
        }
        (Direction::Up, Data::Small) => {
            let (size, files) = (task.bytes().to_string(), task.files().to_string());
            command.args(["--keep", "--dataset", "equal", "--size", &size, "--files", &files])
        }
        (Direction::Up, Data::Files) => {
            command.args(["--keep", "--no-verify", "--from"]).arg(&place.from)
        }
        (Direction::Down, Data::Synthetic | Data::Small) => {
            command.args(["--direction", "down", "--get", "ranged"])
        }
        (Direction::Down, Data::Files) => {
            command.args(["--direction", "down", "--get", "ranged", "--to"]).arg(&place.to)
        }
    };
}

fn raw_hyper(command: &mut Command, task: Task, place: &Place) {
    let direction = match task.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    let bytes = task.file_bytes().to_string();
    command.args(["raw-hyper", direction, &place.address, &place.prefix, &bytes]);
    if task.security == Security::Tls {
        command.arg(ca());
    }
}

fn warp(command: &mut Command, task: Task, place: &Place) {
    match (task.direction, task.data) {
        (Direction::Up, Data::Small) => {
            command.args(["put", "--disable-sha256-payload", "--obj.size", "4KiB"])
        }
        (Direction::Up, _) => {
            let parts = (task.file_bytes() / PART_BYTES).to_string();
            command.args(["multipart-put", "--disable-sha256-payload", "--parts", &parts]);
            command.args(["--part.concurrent", "1", "--part.size", &format!("{PART_MIB}MiB")])
        }
        (Direction::Down, _) => command.args(["get", "--list-existing"]),
    };
    command
        .args(["--host", &place.address, "--bucket", BUCKET, "--prefix", &place.prefix])
        .args(["--access-key", KEY, "--secret-key", KEY, "--region", "us-east-1"])
        .args(["--concurrent", STREAMS, "--duration", "3s", "--lookup", "path"])
        .args(["--noclear", "--keep-data", "--no-color", "--benchdata", "warp"]);
    if task.security == Security::Tls {
        command.arg("--tls").env("SSL_CERT_FILE", ca());
    }
}

fn rclone(command: &mut Command, task: Task, place: &Place) {
    let remote = format!("peer:{BUCKET}/{}", place.prefix);
    command.arg("copy");
    match task.direction {
        Direction::Up => command.arg(&place.from).arg(remote),
        Direction::Down => command.arg(remote).arg(&place.to),
    };
    command
        .args(["--transfers", STREAMS, "--retries", "1", "--low-level-retries", "1"])
        .args(["--ignore-checksum", "--no-check-dest", "--s3-upload-concurrency", "1"])
        .args(["--s3-disable-checksum", "--s3-no-head", "--s3-no-check-bucket"])
        .args(["--s3-chunk-size", "64Mi", "--s3-upload-cutoff", "64Mi"])
        .arg("--s3-use-unsigned-payload=true")
        .env("RCLONE_CONFIG", "/dev/null")
        .env("RCLONE_CONFIG_PEER_TYPE", "s3")
        .env("RCLONE_CONFIG_PEER_PROVIDER", "Other")
        .env("RCLONE_CONFIG_PEER_ENDPOINT", place.endpoint())
        .env("RCLONE_CONFIG_PEER_REGION", "us-east-1")
        .env("RCLONE_CONFIG_PEER_ENV_AUTH", "true");
    if task.security == Security::Tls {
        command.arg("--ca-cert").arg(ca());
    }
}

fn s5cmd(command: &mut Command, task: Task, place: &Place) {
    command
        .args(["--endpoint-url", &place.endpoint(), "--numworkers", STREAMS, "--retry-count", "0"])
        .args(["cp", "--concurrency", "1", "--part-size", PART_MIB]);
    match task.direction {
        Direction::Up => command.arg(place.from.join("*")).arg(format!("{}/", place.url())),
        Direction::Down => {
            command.arg(format!("{}/*", place.url())).arg(format!("{}/", place.to.display()))
        }
    };
    if task.security == Security::Tls {
        command.env("SSL_CERT_FILE", ca());
    }
}

fn aws(command: &mut Command, task: Task, place: &Place) {
    command.args(["s3", "cp", "--recursive", "--only-show-errors"]);
    command.args(["--endpoint-url", &place.endpoint()]);
    match task.direction {
        Direction::Up => command.arg(&place.from).arg(place.url()),
        Direction::Down => command.arg(place.url()).arg(&place.to),
    };
    if task.security == Security::Tls {
        command.arg("--ca-bundle").arg(ca());
    }
}
