//! A connection to the endpoint through a proxy: one CONNECT, then the bytes are the endpoint's.

use std::io;

use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::proxy::Proxy;
use super::connection::Driver;

/// Asks the proxy for a tunnel to `authority`, host and port.
pub(super) async fn tunnel(
    to_proxy: TcpStream,
    authority: &str,
    proxy: &Proxy,
) -> Result<TcpStream, ConnectorError> {
    let broken = |error: hyper::Error| ConnectorError::io(error.into());
    let request = asking_for(authority, proxy)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(to_proxy)).await.map_err(broken)?;
    let mut driver = Driver::of(connection.with_upgrades());
    let answer = driver.until(sender.send_request(request)).await.map_err(broken)?;
    if !answer.status().is_success() {
        return Err(refused(answer.status(), proxy));
    }
    let upgraded = driver.until(hyper::upgrade::on(answer)).await.map_err(broken)?;
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        // Of TLS the client speaks first: nothing can have come yet.
        Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
        _ => Err(ConnectorError::io(
            io::Error::other(format!("{proxy} sent data before it was asked")).into(),
        )),
    }
}

fn asking_for(authority: &str, proxy: &Proxy) -> Result<Request<Empty<Bytes>>, ConnectorError> {
    let mut request =
        Request::builder().method(Method::CONNECT).uri(authority).header(HOST, authority);
    if let Some(authorization) = &proxy.authorization {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    request.body(Empty::new()).map_err(|error| ConnectorError::user(error.into()))
}

/// A proxy that does not let us through now will not later, unless it is out of order.
fn refused(status: StatusCode, proxy: &Proxy) -> ConnectorError {
    let message = format!("{proxy} makes no tunnel to the endpoint: {status}");
    match status.is_server_error() {
        true => ConnectorError::io(message.into()),
        false => ConnectorError::user(message.into()),
    }
}
