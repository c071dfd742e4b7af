//! The sockets: accepting connections, serving HTTP/1.1 on each, ending them without losing an answer.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures::future::BoxFuture;
use http::uri::Scheme;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::HttpError;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Config;
use super::backend::OpenBackend;
use super::domain::Domain;
use super::exchange::Connection;
use super::gate::Gate;
use super::log::RequestLog;
use super::metrics::GatewayMetrics;
use super::pace::pause;
use super::seat::Seat;
use super::seats::{self, Seats};
use super::statistics::Statistics;
use super::statistics_page;
use super::tls::Certificate;
use super::watched::Watched;
use crate::clock;
use crate::error::{Error, Result};
use crate::http_page::accept;
use crate::metrics::Collector;
use crate::storj::{Link, Model, QUANTUM_BYTES};

/// Left to itself, Linux's automatic sizing makes loopback throughput vary threefold.
const SOCKET_BUFFER_BYTES: usize = 256 << 10;
/// How long the rest of a request is swallowed after an early answer, as Go's net/http does
/// (`rstAvoidanceDelay`), which Storj's gateway is built on.
const DRAIN: Duration = Duration::from_millis(500);
const LOG_FLUSH_EVERY: Duration = Duration::from_millis(50);
/// How often those are looked for whose time is up.
const LOOK_ROUND_EVERY: Duration = Duration::from_millis(500);

/// A gateway that listens.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    domain: Arc<Domain>,
    tls: Option<TlsAcceptor>,
    /// Where its statistics are read, if they are.
    page: Option<(TcpListener, SocketAddr)>,
    backend: OpenBackend,
    connections_most: usize,
    link: Arc<Link>,
    gate: Arc<Gate>,
    statistics: Arc<Statistics>,
    log: Option<Arc<RequestLog>>,
}

impl Gateway {
    /// Opens all that serving needs, and listens.
    ///
    /// # Errors
    /// If an address, the certificate, the directory or the log file cannot be used.
    pub async fn bind(config: Config) -> Result<Self> {
        let started = clock::now();
        let connections_most = seats::most(&config.backend);
        let tls = config.certificate.as_ref().map(Certificate::acceptor).transpose()?;
        let scheme = if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let backend = config.backend.open(&config.domain, &config.limits, scheme)?;
        let log = config.log.map(|path| {
            RequestLog::create(&path, started).map_err(|error| {
                Error::environment(format!("cannot write the log {}: {error}", path.display()))
                    .hint("choose another file with --log, or move this one away")
            })
        });
        let log = log.transpose()?;
        let (listener, address) = listen(config.listen, "--listen").await?;
        let page = match config.statistics {
            Some(address) => Some(listen(address, "--stats").await?),
            None => None,
        };
        let model = Model { tls: config.model.tls || tls.is_some(), ..config.model };
        let (link, gate) = (Link::new(model), Gate::new(config.limits));
        let statistics = Statistics::new(Arc::clone(&gate));
        let domain = Arc::new(config.domain);
        Ok(Self {
            listener,
            address,
            domain,
            tls,
            page,
            backend,
            connections_most,
            link,
            gate,
            statistics,
            log,
        })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The address of that.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it tells Prometheus.
    pub fn metrics(&self) -> impl Collector {
        GatewayMetrics(Arc::clone(&self.statistics))
    }

    /// Where its statistics are, if they are served.
    pub fn statistics_url(&self) -> Option<String> {
        self.page.as_ref().map(|(_, address)| format!("http://{address}"))
    }

    /// Serves until `stop` is ready. Then nobody new is accepted, `stopping` is told how many requests
    /// are under way, and these have until `stop` is ready once more, but not longer than
    /// `finish_within`. Answers with the number of those that were cut.
    pub async fn serve(
        mut self,
        mut stop: impl AsyncFnMut(),
        finish_within: Duration,
        stopping: impl FnOnce(u64),
    ) -> u64 {
        let (tell, told) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut page = JoinSet::new();
        if let Some((listener, _)) = self.page.take() {
            page.spawn(statistics_page::serve(listener, Arc::clone(&self.statistics)));
        }
        self.accept_until(pin!(stop()), &told, &mut connections).await;
        drop(self.listener);

        stopping(self.statistics.requests_now());
        tell.send_replace(true);
        tokio::select! {
            biased;
            () = async { while connections.join_next().await.is_some() {} } => {}
            () = pause(finish_within) => {}
            () = stop() => {}
        }
        let cut = self.statistics.requests_now();
        connections.shutdown().await;
        flush(self.log.as_ref());
        cut
    }

    async fn accept_until(
        &self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
        told: &watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) {
        let mut flush_again = tokio::time::interval(LOG_FLUSH_EVERY);
        let mut look_round = tokio::time::interval(LOOK_ROUND_EVERY);
        let mut seats = Seats::new(self.connections_most);
        let mut last_id = 0;
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                Some(ended) = connections.join_next_with_id() => {
                    seats.leave(ended.map_or_else(|error| error.id(), |(task, ())| task));
                }
                _ = look_round.tick() => seats.look_round(),
                _ = flush_again.tick() => flush(self.log.as_ref()),
                stream = accept(&self.listener), if seats.may_accept() => {
                    last_id += 1;
                    let seat = Seat::new();
                    let connection = self.connection(last_id, Arc::clone(&seat));
                    let (tls, told) = (self.tls.clone(), told.clone());
                    let task = connections.spawn(serve_at(stream, tls, connection, told));
                    seats.take(task.id(), seat);
                }
            }
        }
    }

    fn connection(&self, id: u64, seat: Arc<Seat>) -> Connection {
        Connection {
            id,
            seat,
            domain: Arc::clone(&self.domain),
            lane: self.link.connect(),
            gate: Arc::clone(&self.gate),
            peer: self.backend.connect(),
            statistics: Arc::clone(&self.statistics),
            log: self.log.clone(),
            requests: AtomicU64::new(0),
            _one: self.statistics.connection(),
        }
    }
}

fn flush(log: Option<&Arc<RequestLog>>) {
    if let Some(log) = log {
        log.flush();
    }
}

async fn listen(address: SocketAddr, option: &str) -> Result<(TcpListener, SocketAddr)> {
    let cannot_listen = |error| {
        Error::environment(format!("cannot listen on {address}: {error}"))
            .hint(format!("choose another address with {option}; port 0 picks a free port"))
    };
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    Ok((listener, address))
}

/// Serves a connection until it ends, or is told to leave its seat. Boxed, so that it is compiled here and not with
/// whoever calls [`Gateway::serve`], which is generic.
fn serve_at(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    connection: Connection,
    told_to_stop: watch::Receiver<bool>,
) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let seat = Arc::clone(&connection.seat);
        tokio::select! {
            biased;
            () = serve_connection(stream, tls, connection, told_to_stop) => {}
            () = seat.told_to_leave() => {}
        }
    })
}

async fn serve_connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    connection: Connection,
    mut told_to_stop: watch::Receiver<bool>,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!("connection {}: {error}", connection.id);
    }
    pause(connection.lane.model().handshakes()).await;
    let Some(tls) = tls else { return exchange(stream, connection, told_to_stop).await };
    let accepted = tokio::select! {
        accepted = tls.accept(stream) => accepted,
        () = told(&mut told_to_stop) => return,
    };
    match accepted {
        Ok(stream) => exchange(stream, connection, told_to_stop).await,
        Err(error) => tracing::debug!("connection {}: no TLS: {error}", connection.id),
    }
}

/// Answers the requests of a connection, until its client or `told_to_stop` ends it.
async fn exchange<S>(stream: S, connection: Connection, mut told_to_stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let id = connection.id;
    let connection = Arc::new(connection);
    let service = service_fn(|request| {
        let connection = Arc::clone(&connection);
        Box::pin(async move { connection.answer(request).await.map_err(HttpError::new) })
    });
    // Hyper's timer would also cut an idle connection of a pool. What times out is the seat's business.
    let stream = Watched::new(stream, Arc::clone(&connection.seat));
    let mut served = http1::Builder::new()
        .max_buf_size(QUANTUM_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        biased;
        ended = poll_fn(|context| served.poll_without_shutdown(context)) => ended,
        () = told(&mut told_to_stop) => {
            Pin::new(&mut served).graceful_shutdown();
            poll_fn(|context| served.poll_without_shutdown(context)).await
        }
    };
    match ended {
        Ok(()) => drain(served.into_parts().io.into_inner()).await,
        Err(error) => tracing::debug!("connection {id}: {error}"),
    }
}

/// Waits until the gateway stops, or is gone.
async fn told(told_to_stop: &mut watch::Receiver<bool>) {
    let _ = told_to_stop.wait_for(|told| *told).await;
}

fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)
}

/// Says that no more will come, and swallows what the client still sends. To close at once, with
/// unread input, would reset the connection, and the client might never see its answer.
async fn drain(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let swallow = async {
        stream.shutdown().await?;
        let mut buffer = vec![0; 64 << 10];
        while stream.read(&mut buffer).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    // Whether the client closed, broke off or is still sending after that: we are done with it.
    drop(tokio::time::timeout(DRAIN, swallow).await);
}
