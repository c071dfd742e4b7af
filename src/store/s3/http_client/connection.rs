//! One HTTP/1.1 connection: the sending end of hyper, its meter, and what drives the socket.

use std::error::Error as _;
use std::fmt;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Context;

use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::metered::{Meter, Metered, Observed};
use crate::dataset::SourceError;
use crate::measure::{Probe, SocketWatch};
use crate::pace::Pace;

/// Hyper's buffer for reading. Its default grows to 400 KiB; on loopback 64 KiB moved most bytes
/// per CPU second.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// A connection that is nobody else's. Bytes move only while it is waited for. Dropped, it closes its
/// socket, whatever it is doing.
#[derive(Debug)]
pub(super) struct HttpConnection {
    sender: SendRequest<SdkBody>,
    meter: Arc<Meter>,
    socket: Arc<SocketWatch>,
    /// Of the attempt that has the connection now.
    probe: Option<Arc<Probe>>,
    driver: Driver,
}

/// Moves bytes between a socket and the exchange over it.
///
/// While a request is sent, in a task of its own: a part of 64 MiB waits for its socket more than a
/// hundred times, and each time only that task is woken instead of all that waits for the answer. An
/// answer is read by whoever asks for its bytes: there a task would cost two wake-ups for each read.
pub(super) struct Driver(Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send + Sync>>>);

impl Driver {
    /// Of a connection of hyper's.
    pub(super) fn of(
        connection: impl Future<Output = hyper::Result<()>> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Box::pin(connection)))
    }

    /// Moves what can be moved now.
    fn turn(&mut self, context: &mut Context<'_>) {
        // Its errors also reach the request under way; between requests they only mean "closed".
        if let Some(driver) = &mut self.0
            && driver.as_mut().poll(context).is_ready()
        {
            self.0 = None;
        }
    }

    /// Moves bytes until what they bring is there.
    pub(super) async fn until<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        poll_fn(|context| {
            self.turn(context);
            awaited.as_mut().poll(context)
        })
        .await
    }

    /// As [`Driver::until`], in a task of its own. The task is no more when this is dropped.
    async fn apart_until<T: Send + 'static>(
        &mut self,
        awaited: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut driver = Self(self.0.take());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let awaited = driver.until(awaited).await;
            (driver, awaited)
        });
        match task.join_next().await.expect("one task") {
            Ok((driver, awaited)) => {
                *self = driver;
                awaited
            }
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Driver").field(&self.0.is_some()).finish()
    }
}

impl HttpConnection {
    /// Speaks HTTP over a connected socket.
    pub(super) async fn over<IO>(
        io: IO,
        socket: SocketWatch,
        pace: Option<&Arc<Pace>>,
    ) -> Result<Self, ConnectorError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static,
    {
        let (meter, socket) = (Arc::<Meter>::default(), Arc::new(socket));
        let io = TokioIo::new(Metered::new(io, Arc::clone(&meter), Arc::clone(&socket), pace));
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(READ_BUFFER_BYTES)
            .writev(true)
            .handshake(io)
            .await
            .map_err(|error| ConnectorError::io(error.into()))?;
        let driver = Driver::of(driver);
        Ok(Self { sender, meter, socket, probe: None, driver })
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        request: Request<SdkBody>,
        observed: &Observed,
    ) -> Result<Response<Incoming>, ConnectorError> {
        self.meter.expect(observed, content_length(&request));
        self.probe = Some(Arc::clone(&observed.probe));
        let answer = self.sender.send_request(request);
        self.driver.apart_until(answer).await.map_err(|error| {
            let source_failed = error.source().is_some_and(|source| source.is::<SourceError>());
            match source_failed {
                true => ConnectorError::user(error.into()),
                false => ConnectorError::io(error.into()),
            }
        })
    }

    /// Moves what can be moved now of the exchange under way.
    pub(super) fn turn(&mut self, context: &mut Context<'_>) {
        self.driver.turn(context);
    }

    /// Waits until the exchange before is wound up; says whether another may follow.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.driver.until(self.sender.ready()).await.is_ok()
    }

    /// The attempt is done with the connection: its probe learns how the socket fared.
    pub(super) fn leave(&mut self) {
        if let Some(probe) = self.probe.take() {
            probe.socket_left(self.socket.since_last());
        }
    }

    /// Whether the last request went out whole: if not, the server still waits for the rest of it.
    pub(super) fn has_sent_all(&self) -> bool {
        self.meter.all_sent()
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        self.leave();
    }
}

fn content_length<B>(request: &Request<B>) -> u64 {
    let value = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    value.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
