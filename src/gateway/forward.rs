//! Another S3 server behind the modelled link: requests go to it unchanged, so that their signatures
//! stay valid, and its answers come back unchanged.

use std::str::FromStr;
use std::sync::atomic::Ordering;

use http::{Request, Response, StatusCode, Uri};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use s3s::{Body, StdError};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::log::Traffic;
use crate::storj::QUANTUM_BYTES;

/// The address of an S3 server, read from `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    host: String,
    port: u16,
}

impl FromStr for Upstream {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let wanted = "not an address such as http://127.0.0.1:7070";
        if url.contains('@') {
            return Err(
                "an upstream's address holds no user and no password: requests are signed by clients",
            );
        }
        let uri: Uri = url.parse().map_err(|_| wanted)?;
        let host = uri.host().ok_or(wanted)?;
        if uri.scheme_str() != Some("http") || !matches!(uri.path(), "" | "/") {
            return Err(wanted);
        }
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(80) })
    }
}

/// A connection to the server for each connection of a client, made at the first request.
pub struct Forwarder {
    upstream: Upstream,
    /// Requests of a connection come one after another: nobody waits for this lock.
    sender: Mutex<Option<SendRequest<Body>>>,
}

impl Forwarder {
    /// Not connected yet.
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream, sender: Mutex::new(None) }
    }

    /// The server's answer; 502 if there is none. The request's body counts in `traffic`.
    pub async fn call(&self, request: Request<Body>, traffic: &Traffic) -> Response<Body> {
        match self.forward(request, traffic).await {
            Ok(response) => response,
            Err(error) => {
                let Upstream { host, port } = &self.upstream;
                tracing::warn!("no answer from http://{host}:{port}: {error}");
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }

    async fn forward(
        &self,
        request: Request<Body>,
        traffic: &Traffic,
    ) -> Result<Response<Body>, StdError> {
        let mut slot = self.sender.lock().await;
        let mut sender = match reusable(slot.take()).await {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let response = sender.send_request(request).await?;
        // After an early answer hyper's client waits for ever for the server to read the rest
        // (hyperium/hyper#4176): such a connection is given up.
        *slot = traffic.ended.load(Ordering::Relaxed).then_some(sender);
        Ok(response.map(Body::from))
    }

    async fn connect(&self) -> Result<SendRequest<Body>, StdError> {
        let stream = TcpStream::connect((self.upstream.host.as_str(), self.upstream.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(QUANTUM_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("the upstream connection ended: {error}");
            }
        });
        Ok(sender)
    }
}

/// The connection, if it can carry another request.
async fn reusable(sender: Option<SendRequest<Body>>) -> Option<SendRequest<Body>> {
    let mut sender = sender?;
    sender.ready().await.ok()?;
    Some(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_plain_http_without_a_path() {
        let upstream = Upstream { host: "127.0.0.1".into(), port: 7070 };
        assert_eq!("http://127.0.0.1:7070".parse(), Ok(upstream.clone()));
        assert_eq!("http://127.0.0.1:7070/".parse(), Ok(upstream));
        assert_eq!("http://s3".parse(), Ok(Upstream { host: "s3".into(), port: 80 }));
        for bad in
            ["http://user:secret@s3", "https://s3:443", "127.0.0.1:7070", "http://s3/path", "s3"]
        {
            assert!(bad.parse::<Upstream>().is_err(), "{bad} was read as an address");
        }
    }
}
