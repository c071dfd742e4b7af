//! The embedded S3 gateway: an S3 server on real sockets that behaves like Storj's.
//!
//! In layers, from the socket inwards:
//!
//! - `server` accepts connections and serves HTTP/1.1 on them;
//! - `exchange` carries one request to its answer: what is asked (`asked`), the waits of the
//!   model of the link (`pace`, [`crate::storj::Link`]), and a line in the request log (`log`);
//! - `backend` answers: either S3 itself (`embedded`, over [`crate::storj::Buckets`], bytes kept by
//!   `contents`), or another S3 server behind the modelled link (`forward`).
//!
//! The outer layers know nothing of what answers, so that the model of the link can be tested in
//! front of a server that is not ours.

mod asked;
mod backend;
mod contents;
mod embedded;
mod exchange;
mod forward;
mod log;
mod pace;
mod server;
mod signature;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use backend::Backend;
pub use contents::Retain;
pub use forward::Upstream;
pub use server::Gateway;
pub use signature::Keys;

use crate::storj::Model;

/// How to serve.
#[derive(Debug)]
pub struct Config {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What answers.
    pub backend: Backend,
    /// The link before it.
    pub model: Model,
    /// Where to write a line per request.
    pub log: Option<PathBuf>,
}
