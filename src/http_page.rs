//! Pages over HTTP for a few readers: bounded in connections and in time.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Readers at a time; others wait.
const READERS_MOST: usize = 16;
/// How long one may take to ask and to read.
const READER_WITHIN: Duration = Duration::from_secs(10);
/// Before accepting again when there are no file descriptors left, say.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A page.
pub type Page = Response<Full<Bytes>>;

/// Answers requests until it is dropped.
pub async fn serve<A>(listener: TcpListener, answer: A)
where
    A: Fn(&Request<Incoming>) -> Page + Clone + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            stream = accept(&listener), if connections.len() < READERS_MOST => {
                let answer = answer.clone();
                let service = service_fn(move |request| {
                    std::future::ready(Ok::<_, Infallible>(answer(&request)))
                });
                // A reader comes again after seconds: it need not keep its place meanwhile.
                let served = http1::Builder::new()
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    match timeout(READER_WITHIN, served).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::debug!("a reader of a page: {error}"),
                        Err(_) => tracing::debug!("a reader of a page took too long"),
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A page of this type.
pub fn page(status: StatusCode, content_type: &'static str, text: String) -> Page {
    let mut page = Response::new(Full::from(text));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    page
}

/// The next connection, however long it takes.
#[allow(clippy::disallowed_methods, reason = "what is spawned is Send; `clock::Sleep` is not")]
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}
