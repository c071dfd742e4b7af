//! The S3 store against versitygw, a gateway that others wrote.

mod support;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::conformance::conformance;
use tidegate::clock;
use tidegate::measure::{FailureClass, Probe};
use tidegate::store::Store;
use tidegate::store::s3::{Config, Connection, Credentials, S3Store};

const ACCESS_KEY: &str = "tidegate-test";
const SECRET_KEY: &str = "tidegate-test-secret";

/// A gateway over a directory of its own; gone with this value.
struct Gateway {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Gateway {
    /// Starts one with a single bucket named `bucket`; `None` if this machine has none.
    fn start() -> Option<Self> {
        let Some(program) = find_versitygw() else {
            assert!(
                std::env::var_os("TIDEGATE_REQUIRE_TOOLS").is_none(),
                "versitygw not found on PATH or in ~/go/bin"
            );
            eprintln!("skipped: versitygw not found");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("bucket")).unwrap();
        let address = free_address();
        let child = Command::new(program)
            .args(["--access", ACCESS_KEY, "--secret", SECRET_KEY, "--port", &address.to_string()])
            .arg("posix")
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let gateway = Self { child, address, _directory: directory };
        gateway.wait_until_it_listens();
        Some(gateway)
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

    async fn connection(&self, bucket: &str, secret_key: &str) -> Connection {
        let credentials = Credentials::Static {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: secret_key.to_owned(),
        };
        let endpoint = self.address.to_string();
        let config = Config { credentials, ..Config::new(&endpoint, bucket, "us-east-1") };
        config.resolve().await.unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find_versitygw() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([Path::new(&home).join("go/bin")])
        .map(|directory| directory.join("versitygw"))
        .find(|program| program.is_file())
}

/// An address that was free a moment ago: versitygw does not say which port it took.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn versitygw_passes_the_conformance_suite() {
    let Some(gateway) = Gateway::start() else { return };
    let connection = gateway.connection("bucket", SECRET_KEY).await;
    conformance(&S3Store::connect(&connection), "conformance/").await;
}

#[tokio::test]
async fn what_a_user_gets_wrong_first_keeps_its_code() {
    let Some(gateway) = Gateway::start() else { return };
    for (bucket, secret_key, code) in [
        ("no-such-bucket", SECRET_KEY, "NoSuchBucket"),
        ("bucket", "not-the-secret", "SignatureDoesNotMatch"),
    ] {
        let store = S3Store::connect(&gateway.connection(bucket, secret_key).await);
        let probe = Probe::begin(&Default::default(), clock::now());
        let error = store.locate_bucket(&probe).await.unwrap_err();
        assert!(error.has_code(code), "{error}");
        assert_eq!(error.class, FailureClass::Client);
        assert!(!error.to_string().contains(secret_key), "{error}");
    }
}
