//! What answers the requests behind the modelled link.

use http::uri::Scheme;
use http::{Request, Response};
use s3s::{Body, StdError};

use super::asked::Asked;
use super::domain::Domain;
use super::embedded::{Embedding, Service};
use super::forward::{Forwarder, Upstream};
use super::log::Traffic;
use crate::error::Result;
use crate::storj::Limits;

/// What answers.
#[derive(Debug)]
pub enum Backend {
    /// The embedded S3.
    Embedded(Embedding),
    /// Another S3 server.
    Upstream(Upstream),
}

impl Backend {
    /// Whether requests are taken that nobody signed. Another server has keys of its own.
    pub fn is_open_to_all(&self) -> bool {
        matches!(self, Self::Embedded(Embedding { keys: None, .. }))
    }

    /// Opens what it needs; `scheme` is what clients reach it by.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub fn open(self, domain: &Domain, limits: &Limits, scheme: Scheme) -> Result<OpenBackend> {
        match self {
            Self::Embedded(embedding) => {
                Service::open(embedding, domain, limits, scheme).map(OpenBackend::Embedded)
            }
            Self::Upstream(upstream) => Ok(OpenBackend::Upstream(upstream)),
        }
    }
}

/// What answers, ready to.
pub enum OpenBackend {
    /// The embedded S3.
    Embedded(Service),
    /// Another S3 server.
    Upstream(Upstream),
}

impl OpenBackend {
    /// What answers a new connection.
    pub fn connect(&self) -> Peer {
        match self {
            Self::Embedded(service) => Peer::Embedded(service.clone()),
            Self::Upstream(upstream) => Peer::Upstream(Forwarder::new(upstream.clone())),
        }
    }
}

/// What answers the requests of one connection.
pub enum Peer {
    /// The embedded S3.
    Embedded(Service),
    /// A connection to another S3 server.
    Upstream(Forwarder),
}

impl Peer {
    /// The request, of which it is known who sends it, or the answer to one that goes no further. Another server asks
    /// by itself. An error cuts the client's connection.
    pub fn identified(
        &self,
        request: Request<Body>,
        asked: &Asked,
        request_id: &str,
    ) -> std::result::Result<std::result::Result<Request<Body>, Response<Body>>, StdError> {
        match self {
            Self::Embedded(service) => service.identified(request, asked, request_id),
            Self::Upstream(_) => Ok(Ok(request)),
        }
    }

    /// The answer to an [`Peer::identified`] request whose body counts in `traffic`. An error cuts the client's connection.
    pub async fn call(
        &self,
        request: Request<Body>,
        asked: &Asked,
        request_id: &str,
        traffic: &Traffic,
    ) -> std::result::Result<Response<Body>, StdError> {
        match self {
            Self::Embedded(service) => service.call(request, asked, request_id).await,
            Self::Upstream(forwarder) => Ok(forwarder.call(request, traffic).await),
        }
    }
}
