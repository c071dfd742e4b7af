//! The embedded S3 gateway: an S3 server on real sockets that behaves like Storj's.
//!
//! In layers, from the socket inwards:
//!
//! - `server` accepts connections and serves HTTP/1.1 on them, with or without `tls` (`authority` makes
//!   a certificate); as many as there are
//!   `seats`, and a client that keeps the gateway waiting (`seat`, `watched`) is cut;
//! - `exchange` carries one request to its answer: what is asked (`asked`), whether it is let in
//!   (`gate`, [`crate::storj::Limiter`]), the waits of the model of the link (`pace`,
//!   [`crate::storj::Link`]), and what is counted and logged while it is `under_way` (`statistics`,
//!   `log`, `manner`; `statistics_page` shows the first, `metrics` tells Prometheus);
//! - `backend` answers: either S3 itself (`embedded`, over [`crate::storj::Buckets`], bytes kept by
//!   `contents`), or another S3 server behind the modelled link (`forward`).
//!
//! The outer layers know nothing of what answers, so that the model of the link can be tested in
//! front of a server that is not ours.

mod asked;
mod authority;
mod backend;
mod contents;
mod domain;
mod embedded;
mod exchange;
mod forward;
mod gate;
mod log;
mod manner;
mod metrics;
mod pace;
mod seat;
mod seats;
mod server;
mod signature;
mod statistics;
mod statistics_page;
mod tls;
mod under_way;
mod watched;

use std::net::SocketAddr;
use std::path::PathBuf;

#[cfg(any(test, fuzzing))]
pub(crate) use asked::Asked;
pub use authority::{Origin, OwnCertificate};
pub use backend::Backend;
pub use contents::Retain;
pub use domain::Domain;
pub use embedded::{Embedding, NodesOnline};
pub use forward::Upstream;
pub use log::LoggedRequest;
#[cfg(any(test, fuzzing))]
pub(crate) use manner::Manner;
pub use server::Gateway;
pub use signature::Keys;
#[cfg(any(test, fuzzing))]
pub(crate) use signature::chunked;
pub use tls::Certificate;

use crate::storj::{Limits, Model};

/// How to serve.
#[derive(Debug)]
pub struct Config {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Under which buckets are names of hosts.
    pub domain: Domain,
    /// With what it speaks TLS, if it does.
    pub certificate: Option<Certificate>,
    /// Address at which its statistics are read.
    pub statistics: Option<SocketAddr>,
    /// What answers.
    pub backend: Backend,
    /// The link before it.
    pub model: Model,
    /// Who is let in.
    pub limits: Limits,
    /// Where to write a line per request: a file that is empty, or not there yet.
    pub log: Option<PathBuf>,
}
