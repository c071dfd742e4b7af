//! Servers that start themselves on loopback and are gone with their values.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tidegate::store::s3::{Config, Connection, Credentials};

use super::http::Http;
use super::requests::Request;
use super::tools;
use super::{ACCESS_KEY, SECRET_KEY};

/// `tidegate serve`.
pub struct Serve {
    child: Child,
    url: String,
    statistics: Option<Http>,
    directory: TempDir,
}

impl Serve {
    /// Starts it with these options, keys and a request log; it lets every request in that is signed,
    /// unless the options name limits.
    pub fn start(options: &[&str]) -> Self {
        Self::plain(&unlimited(options))
    }

    /// The same, and it takes requests that are not signed.
    pub fn open(options: &[&str]) -> Self {
        Self::run(&[&["--until-stdin-closes"], &unlimited(options)[..]].concat(), None)
    }

    /// The same as [`Serve::start`], with the limits that it has by itself.
    pub fn plain(options: &[&str]) -> Self {
        let options = [&["--until-stdin-closes"], options].concat();
        Self::run(&options, Some((ACCESS_KEY, SECRET_KEY)))
    }

    /// As a user starts it, without keys: it stops when it is told to ([`Serve::signal`]).
    pub fn in_foreground(options: &[&str]) -> Self {
        Self::run(options, None)
    }

    /// As [`Serve::open`], with so many file descriptors.
    pub fn with_descriptors(descriptors: u32, options: &[&str]) -> Self {
        let options = [&["--until-stdin-closes"], &unlimited(options)[..]].concat();
        let mut command = Command::new("bash");
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_tidegate"));
        Self::start_as(command, &options, None)
    }

    /// As [`Serve::open`], with the calls to the system that make something last, or answer, written to `trace`;
    /// `None` where nothing shows them.
    pub fn traced(trace: &Path, options: &[&str]) -> Option<Self> {
        let calls = "trace=fsync,fdatasync,renameat,renameat2,unlinkat,write,writev,sendto";
        let mut command = Command::new(tools::find("strace")?);
        command.args(["-f", "-qq", "-y", "-e", calls, "-o"]).arg(trace);
        command.arg(env!("CARGO_BIN_EXE_tidegate"));
        let options = [&["--until-stdin-closes"], &unlimited(options)[..]].concat();
        Some(Self::start_as(command, &options, None))
    }

    fn run(options: &[&str], keys: Option<(&str, &str)>) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_tidegate")), options, keys)
    }

    fn start_as(mut command: Command, options: &[&str], keys: Option<(&str, &str)>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log"])
            .arg(log_in(&directory))
            .args(options)
            .env_remove("TIDEGATE_ACCESS_KEY")
            .env_remove("TIDEGATE_SECRET_KEY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if !options.contains(&"--until-stdin-closes") {
            command.stderr(Stdio::piped());
        }
        if let Some((access_key, secret_key)) = keys {
            command.env("TIDEGATE_ACCESS_KEY", access_key).env("TIDEGATE_SECRET_KEY", secret_key);
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut announced = |what: &str| {
            let line = lines.next().expect("it says where it listens").unwrap();
            let url = line.strip_prefix(what).unwrap_or_else(|| panic!("it said {line:?}"));
            url.to_owned()
        };
        let url = announced("listening on ");
        let statistics = options
            .contains(&"--stats")
            .then(|| Http::at(announced("statistics on ").trim_start_matches("http://")));
        Self { child, url, statistics, directory }
    }

    /// A link in front of another server.
    pub fn in_front_of(endpoint: &str, options: &[&str]) -> Self {
        Self::start(&[&["--upstream", endpoint], options].concat())
    }

    /// Its base URL.
    pub fn endpoint(&self) -> String {
        self.url.clone()
    }

    /// Where it listens: host and port.
    pub fn address(&self) -> &str {
        self.url.split("://").last().unwrap_or_default()
    }

    /// Its statistics; it was started with `--stats`.
    pub fn statistics(&self) -> Value {
        let answer = self.statistics_page().ask("GET", "/stats.json").send();
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Where its statistics are.
    pub fn statistics_page(&self) -> &Http {
        self.statistics.as_ref().expect("it was started with --stats")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended, in the foreground: its exit code, and what it said.
    pub fn wait(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }

    /// Ends it, so that all it has to log is in the file, and reads that.
    pub fn stop(mut self) -> Vec<Request> {
        Request::read_all(&self.end())
    }

    /// Ends it: its request log, to which nothing will be added.
    pub fn end(&mut self) -> PathBuf {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "it ends in peace");
        log_in(&self.directory)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unlimited<'a>(options: &[&'a str]) -> Vec<&'a str> {
    let limits: &[&str] = if options.contains(&"--limits") { &[] } else { &["--limits", "none"] };
    [limits, options].concat()
}

fn log_in(directory: &TempDir) -> PathBuf {
    directory.path().join("requests.jsonl")
}

/// versitygw over a directory of its own, with one bucket named `bucket`.
pub struct Versitygw {
    child: Child,
    address: SocketAddr,
    /// Of its buckets, and of what versions they keep.
    directories: [TempDir; 2],
}

impl Versitygw {
    /// Starts one; `None` if this machine has none.
    pub fn start() -> Option<Self> {
        Self::run(false)
    }

    /// The same, and its buckets may have versioning.
    pub fn with_versions() -> Option<Self> {
        Self::run(true)
    }

    fn run(keeps_versions: bool) -> Option<Self> {
        let program = tools::find("versitygw")?;
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [directory, versions] = &directories;
        std::fs::create_dir(directory.path().join("bucket")).unwrap();
        let address = free_address();
        let mut command = Command::new(program);
        command
            .args(["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--port", &address.to_string()])
            .arg("posix");
        if keeps_versions {
            command.arg("--versioning-dir").arg(versions.path());
        }
        let child = command
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let gateway = Self { child, address, directories };
        gateway.wait_until_it_listens();
        Some(gateway)
    }

    /// Its base URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an object of the bucket as old as this.
    pub fn make_old(&self, key: &str, age: Duration) {
        let path = self.directories[0].path().join("bucket").join(key);
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn wait_until_it_listens(&self) {
        for _ in 0..600 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("versitygw does not listen on {}", self.address);
    }
}

impl Drop for Versitygw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that was free a moment ago: versitygw does not say which port it took.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A connection of the store's to a bucket.
pub async fn connection(endpoint: &str, bucket: &str, secret_key: &str) -> Connection {
    let credentials = Credentials::Static {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: secret_key.to_owned(),
    };
    let config = Config { credentials, ..Config::new(endpoint, bucket, "us-east-1") };
    config.resolve().await.unwrap()
}

/// The text of a path, for a command line.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}
