//! The HTTP client under the SDK: HTTP/1.1 over connections whose sockets and times we can see.
//!
//! The SDK's own client hides its sockets and says nothing about name look-up, connecting and first
//! bytes. This one sets the socket buffers, keeps a pool for each store, counts payload where the
//! socket takes it, and tells the attempt's probe what happened and when.

mod addresses;
mod answer;
mod binds;
mod certificate;
mod connect;
mod connection;
mod metered;
mod own_certificate;
mod tls;
mod tunnel;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http::header::HOST;
use http::{HeaderValue, Request, Uri};

use crate::measure::Connecting;

pub(super) use answer::TooLong;
use answer::{Answer, Bound};
pub use binds::Bind;
pub(super) use binds::Binds;
pub(super) use certificate::BadCertificate;
pub use connect::LOOPBACK_SEND_BUFFER_BYTES;
use connect::{Origin, open};
pub(super) use connect::{Route, Sockets, tls_version, try_each_address};
use connection::HttpConnection;
pub(super) use metered::{Carries, Observed};
pub(super) use tls::{Trust, client_config};

/// A client with a pool of its own.
pub(super) fn client(sockets: Sockets) -> SharedHttpClient {
    let connector = Connector { sockets: Arc::new(sockets), pool: Arc::default() };
    http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()))
}

#[derive(Clone, Debug)]
struct Connector {
    sockets: Arc<Sockets>,
    pool: Arc<Pool>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.exchange(request).await })
    }
}

impl Connector {
    /// One request and the head of its answer; the answer's body brings the connection back.
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let observed = request
            .extension::<Observed>()
            .cloned()
            .ok_or_else(|| ConnectorError::user("the request carries no probe".into()))?;
        let request =
            request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let origin = Origin::of(request.uri())?;
        let request = in_origin_form(request)?;

        let mut connection = self.connection(&origin, &observed).await?;
        let response = connection.send(request, &observed).await?;
        observed.probe.answer_began();

        let bound = match (observed.carries, response.status().is_success()) {
            (Carries::Down, true) => Bound::Payload(Arc::clone(&observed.probe)),
            (_, true) => Bound::document(),
            (_, false) => Bound::explanation(),
        };
        let home = (Arc::clone(&self.pool), origin);
        let response = response
            .map(|incoming| SdkBody::from_body_1_x(Answer::new(incoming, bound, connection, home)));
        HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
    }

    async fn connection(
        &self,
        origin: &Origin,
        observed: &Observed,
    ) -> Result<HttpConnection, ConnectorError> {
        if let Some(connection) = self.pool.take(origin).await {
            observed.probe.connected(Connecting::Reused);
            return Ok(connection);
        }
        let (connection, connecting) = open(origin, &self.sockets).await?;
        observed.probe.connected(connecting);
        Ok(connection)
    }
}

/// The request as a server expects it: the path in the first line, the authority in `Host`.
fn in_origin_form(mut request: Request<SdkBody>) -> Result<Request<SdkBody>, ConnectorError> {
    let invalid = |error: http::Error| ConnectorError::user(error.into());
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(authority).map_err(|error| invalid(error.into()))?;
    request.headers_mut().entry(HOST).or_insert(host);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|error| invalid(error.into()))?;
    Ok(request)
}

/// The idle connections of one store, by where they lead. The last one returned is the first one taken: its TCP window
/// is the widest, and it is the least likely to have been closed by the server.
///
/// It needs no limit of its own: it never holds more than were in use at the same time.
#[derive(Debug, Default)]
struct Pool(Mutex<HashMap<Origin, Vec<HttpConnection>>>);

impl Pool {
    /// An idle connection that is still open, if there is one.
    async fn take(&self, origin: &Origin) -> Option<HttpConnection> {
        loop {
            let mut connection = self.lock().get_mut(origin)?.pop()?;
            if connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    /// Takes back a connection whose answer was read to its end.
    fn put(&self, origin: Origin, mut connection: HttpConnection) {
        connection.leave();
        if connection.has_sent_all() {
            self.lock().entry(origin).or_default().push(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, Vec<HttpConnection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
