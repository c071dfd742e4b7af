//! What the tests share.

pub mod conformance;
pub mod hostile;
pub mod http;
pub mod leftover;
pub mod mischief;
pub mod mpi;
pub mod observed;
pub mod prometheus;
pub mod proxy;
pub mod relay;
pub mod requests;
pub mod schemas;
pub mod servers;
pub mod signed_chunks;
pub mod signing;
pub mod tidegate;
pub mod tls;
pub mod tools;
pub mod tree;
pub mod truth_server;
pub mod tunnel;
pub mod uploading;
pub mod xml;

/// Keys that the servers of the tests accept.
pub const ACCESS_KEY: &str = "tidegate-test";
/// The secret half.
pub const SECRET_KEY: &str = "tidegate-test-secret";

/// A link of slow streams: Storj's limit on calls binds on it before the link does.
pub const SLOW_STREAMS: &str = "tests/integration/data/slow-streams.toml";
