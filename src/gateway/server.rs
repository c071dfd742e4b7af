//! The sockets: accepting connections, serving HTTP/1.1 on each, ending them without losing an answer.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::HttpError;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Config;
use super::backend::OpenBackend;
use super::exchange::Connection;
use super::log::RequestLog;
use super::pace::pause;
use crate::clock;
use crate::error::{Error, Result};
use crate::storj::{Link, QUANTUM_BYTES};

/// Left to itself, Linux's automatic sizing makes loopback throughput vary threefold.
const SOCKET_BUFFER_BYTES: usize = 256 << 10;
/// How long the rest of a request is swallowed after an early answer, as Go's net/http does
/// (`rstAvoidanceDelay`), which Storj's gateway is built on.
const DRAIN: Duration = Duration::from_millis(500);
const LOG_FLUSH_EVERY: Duration = Duration::from_millis(50);
/// Before accepting again when there are no file descriptors left, say.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A gateway that listens.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    backend: OpenBackend,
    link: Arc<Link>,
    log: Option<Arc<RequestLog>>,
}

impl Gateway {
    /// Opens all that serving needs, and listens.
    ///
    /// # Errors
    /// If the address, the directory or the log file cannot be used.
    pub async fn bind(config: Config) -> Result<Self> {
        let started = clock::now();
        let backend = config.backend.open()?;
        let log = config.log.map(|path| {
            RequestLog::create(&path, started).map_err(|error| {
                Error::environment(format!("cannot write the log {}: {error}", path.display()))
                    .hint("choose another file with --log")
            })
        });
        let log = log.transpose()?;
        let cannot_listen = |error| {
            Error::environment(format!("cannot listen on {}: {error}", config.listen))
                .hint("choose another address with --listen; port 0 picks a free port")
        };
        let listener = TcpListener::bind(config.listen).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        Ok(Self { listener, address, backend, link: Link::new(config.model), log })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready. Requests that are then under way are cut.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut connections = JoinSet::new();
        let mut flush = tokio::time::interval(LOG_FLUSH_EVERY);
        let mut last_id = 0;
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        last_id += 1;
                        connections.spawn(serve_connection(stream, self.connection(last_id)));
                    }
                    Err(error) => {
                        tracing::warn!("cannot accept a connection: {error}");
                        super::pace::pause(ACCEPT_AGAIN_AFTER).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                _ = flush.tick() => self.flush_log(),
            }
        }
        connections.shutdown().await;
        self.flush_log();
    }

    fn connection(&self, id: u64) -> Connection {
        Connection {
            id,
            lane: self.link.connect(),
            peer: self.backend.connect(),
            log: self.log.clone(),
            requests: AtomicU64::new(0),
        }
    }

    fn flush_log(&self) {
        if let Some(log) = &self.log {
            log.flush();
        }
    }
}

async fn serve_connection(stream: TcpStream, connection: Connection) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!("connection {}: {error}", connection.id);
    }
    pause(connection.lane.model().handshakes()).await;

    let id = connection.id;
    let connection = Arc::new(connection);
    let service = service_fn(|request| {
        let connection = Arc::clone(&connection);
        async move { connection.answer(request).await.map_err(HttpError::new) }
    });
    // Without hyper's timer there are no timeouts: an idle connection of a pool stays open.
    let served = http1::Builder::new()
        .max_buf_size(QUANTUM_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match served.without_shutdown().await {
        Ok(parts) => drain(parts.io.into_inner()).await,
        Err(error) => tracing::debug!("connection {id}: {error}"),
    }
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)
}

/// Says that no more will come, and swallows what the client still sends. To close at once, with
/// unread input, would reset the connection, and the client might never see its answer.
async fn drain(mut stream: TcpStream) {
    let swallow = async {
        stream.shutdown().await?;
        let mut buffer = vec![0; 64 << 10];
        while stream.read(&mut buffer).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whether the client closed, broke off or is still sending after that: we are done with it.
    drop(tokio::time::timeout(DRAIN, swallow).await);
}
