//! From a name to a connection: look-up, TCP, TLS, each timed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::result::ConnectorError;
use futures::future::join_all;
use http::Uri;
use http::uri::Scheme;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::proxy::Way;
use super::addresses::Addresses;
use super::binds::{Bind, Binds, socket_to};
use super::certificate::BadCertificate;
use super::connection::HttpConnection;
use super::tunnel::tunnel;
use crate::clock;
use crate::measure::{Connecting, SocketWatch};
use crate::pace::Pace;

/// Longest time from a name to a connection over which a request can go. ASSUMPTION: a gateway that
/// needs longer cannot be measured meaningfully (the SDK's own limit is 3.1 s for TCP alone).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The same where each address is tried by itself (ASSUMPTION).
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);

/// How sockets are made.
#[derive(Clone, Debug)]
pub(in crate::store::s3) struct Sockets {
    /// SO_SNDBUF; the kernel doubles it. `None`: [`LOOPBACK_SEND_BUFFER_BYTES`] on this machine,
    /// elsewhere the kernel's own, which grows as the path needs: a fixed one would carry no more
    /// than itself in a round trip.
    pub(in crate::store::s3) send_buffer_bytes: Option<u32>,
    /// SO_RCVBUF; `None` leaves it to the kernel, which grows it as needed.
    pub(in crate::store::s3) receive_buffer_bytes: Option<u32>,
    /// What all of them together may carry.
    pub(in crate::store::s3) pace: Option<Arc<Pace>>,
    /// For `https` origins.
    pub(in crate::store::s3) tls: Option<Arc<rustls::ClientConfig>>,
    /// How they get to the endpoint.
    pub(in crate::store::s3) route: Arc<Route>,
}

/// The kernel's default made uploads over loopback slow or fast by chance. With 1 MiB a byte costs three
/// fifths of the CPU time that it costs with 256 KiB; more did not help.
pub const LOOPBACK_SEND_BUFFER_BYTES: u32 = 1 << 20;

/// How connections get to the endpoint, the same for all threads.
#[derive(Debug, Default)]
pub(in crate::store::s3) struct Route {
    /// Past a proxy or through it.
    pub(in crate::store::s3) way: Way,
    /// Whose turn it is.
    addresses: Addresses,
    /// What they leave by.
    binds: Binds,
}

impl Route {
    /// No address has been tried.
    pub(in crate::store::s3) fn new(way: Way, binds: Binds) -> Self {
        Self { way, addresses: Addresses::default(), binds }
    }
}

impl Sockets {
    fn send_buffer_bytes_to(&self, address: IpAddr) -> Option<u32> {
        let is_here = address.to_canonical().is_loopback();
        let on_this_machine = is_here.then_some(LOOPBACK_SEND_BUFFER_BYTES);
        self.send_buffer_bytes.or(on_this_machine)
    }
}

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    security: Security,
    /// A name or an address, IPv6 without brackets.
    host: String,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Security {
    Plain,
    Tls,
}

impl Origin {
    /// Where requests for this URI go.
    pub(super) fn of(uri: &Uri) -> Result<Self, ConnectorError> {
        let invalid = || ConnectorError::user(format!("`{uri}` names no http(s) host").into());
        let host = uri.host().ok_or_else(invalid)?;
        let (security, default_port) = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => (Security::Plain, 80),
            Some(scheme) if *scheme == Scheme::HTTPS => (Security::Tls, 443),
            _ => return Err(invalid()),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { security, host, port: uri.port_u16().unwrap_or(default_port) })
    }

    /// As a URI has it.
    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Makes a connection and says how long each step took.
pub(super) async fn open(
    origin: &Origin,
    sockets: &Sockets,
) -> Result<(HttpConnection, Connecting), ConnectorError> {
    match timeout(CONNECT_TIMEOUT, open_without_limit(origin, sockets)).await {
        Ok(opened) => opened,
        Err(_) => {
            let (host, seconds) = (&origin.host, CONNECT_TIMEOUT.as_secs());
            let message = format!("no connection to {host} within {seconds} s");
            Err(ConnectorError::timeout(message.into()))
        }
    }
}

async fn open_without_limit(
    origin: &Origin,
    sockets: &Sockets,
) -> Result<(HttpConnection, Connecting), ConnectorError> {
    let began = clock::now();
    let addresses = look_up(origin, sockets).await.map_err(no_connection)?;
    let looked_up = clock::now();
    let stream = connect_to_any(addresses, sockets).await.map_err(no_connection)?;
    let connected = clock::now();
    let socket = SocketWatch::new(&stream, stream.local_addr().ok(), stream.peer_addr().ok());
    let pace = sockets.pace.as_ref();
    let (connection, secured) = match origin.security {
        Security::Plain => (HttpConnection::over(stream, socket, pace).await?, connected),
        Security::Tls => {
            let stream = secure(stream, origin, sockets).await?;
            let secured = clock::now();
            (HttpConnection::over(stream, socket, pace).await?, secured)
        }
    };
    let connecting = Connecting::New {
        dns: looked_up.since(began),
        tcp: connected.since(looked_up),
        tls: secured.since(connected),
    };
    Ok((connection, connecting))
}

/// Shakes hands with whoever is at this URI and hangs up: the version of TLS that was agreed on, `None`
/// where there is no TLS.
///
/// # Errors
/// Why no connection came about.
pub(in crate::store::s3) async fn tls_version(
    uri: &Uri,
    sockets: &Sockets,
) -> Result<Option<String>, ConnectorError> {
    let origin = Origin::of(uri)?;
    if origin.security == Security::Plain {
        return Ok(None);
    }
    let shake_hands = async {
        let addresses = look_up(&origin, sockets).await.map_err(no_connection)?;
        let stream = connect_to_any(addresses, sockets).await.map_err(no_connection)?;
        secure(stream, &origin, sockets).await
    };
    let stream = match timeout(CONNECT_TIMEOUT, shake_hands).await {
        Ok(stream) => stream?,
        Err(_) => {
            let message = format!("no connection to {} in time", origin.host);
            return Err(ConnectorError::timeout(message.into()));
        }
    };
    let version = stream.get_ref().1.protocol_version();
    Ok(version.map(|version| format!("{version:?}")))
}

/// Connects to each address of a host by itself, by each way that connections leave, and hangs up: why it could not,
/// if so.
///
/// # Errors
/// Why the name has no addresses.
pub(in crate::store::s3) async fn try_each_address(
    uri: &Uri,
    sockets: &Sockets,
) -> Result<Vec<(SocketAddr, io::Result<()>)>, ConnectorError> {
    let origin = Origin::of(uri)?;
    let looking = timeout(CONNECT_TIMEOUT, look_up(&origin, sockets));
    let found = looking.await.map_err(|late| no_connection(late.into()))?;
    let mut addresses = found.map_err(no_connection)?;
    addresses.sort_unstable();
    addresses.dedup();
    let attempt = async |address: SocketAddr| {
        for bind in sockets.route.binds.to(address.ip()) {
            let connecting = timeout(ADDRESS_TIMEOUT, connect_by(bind, address, sockets));
            let connected = connecting.await.unwrap_or_else(|late| Err(late.into()));
            if let Err(error) = connected {
                return (address, Err(said_of(bind, error)));
            }
        }
        (address, Ok(()))
    };
    Ok(join_all(addresses.into_iter().map(attempt)).await)
}

fn said_of(bind: Option<&Bind>, error: io::Error) -> io::Error {
    match bind {
        Some(bind) => io::Error::new(error.kind(), format!("by {bind}: {error}")),
        None => error,
    }
}

/// The addresses of the host, or those of the proxy, which looks up the host itself; as far as a connection to them can
/// leave this machine.
async fn look_up(origin: &Origin, sockets: &Sockets) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = match sockets.route.way.proxy() {
        Some(proxy) => (&proxy.host, proxy.port),
        None => (&origin.host, origin.port),
    };
    let found: Vec<SocketAddr> = lookup_host((host.as_str(), port)).await?.collect();
    let reach = |address: &SocketAddr| sockets.route.binds.reach(address.ip());
    if let Some(other) = found.first().filter(|_| !found.iter().any(reach)) {
        let family = if other.is_ipv4() { "IPv4" } else { "IPv6" };
        let message =
            format!("{host} has only {family} addresses, which no address of --bind reaches");
        return Err(io::Error::other(message));
    }
    Ok(found.into_iter().filter(reach).collect())
}

async fn connect_to_any(addresses: Vec<SocketAddr>, sockets: &Sockets) -> io::Result<TcpStream> {
    sockets.route.addresses.connect(addresses, |address| connect_to(address, sockets)).await
}

async fn connect_to(address: SocketAddr, sockets: &Sockets) -> io::Result<TcpStream> {
    connect_by(sockets.route.binds.next_to(address.ip()), address, sockets).await
}

async fn connect_by(
    bind: Option<&Bind>,
    address: SocketAddr,
    sockets: &Sockets,
) -> io::Result<TcpStream> {
    let socket = socket_to(address)?;
    if let Some(bind) = bind {
        bind.apply(&socket)?;
    }
    if let Some(bytes) = sockets.send_buffer_bytes_to(address.ip()) {
        socket.set_send_buffer_size(bytes)?;
    }
    // Before connecting: the window scale is agreed in the handshake.
    if let Some(bytes) = sockets.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

async fn secure(
    stream: TcpStream,
    origin: &Origin,
    sockets: &Sockets,
) -> Result<TlsStream<TcpStream>, ConnectorError> {
    let config = sockets.tls.clone();
    let config = config.ok_or_else(|| ConnectorError::user("TLS is not set up".into()))?;
    let name = ServerName::try_from(origin.host.clone())
        .map_err(|error| ConnectorError::user(error.into()))?;
    let peer = stream.peer_addr();
    let stream = match sockets.route.way.proxy() {
        Some(proxy) => tunnel(stream, &origin.authority(), proxy).await?,
        None => stream,
    };
    let shaken = TlsConnector::from(config).connect(name, stream).await;
    let shaken = shaken.map_err(no_connection);
    // What takes connections and cannot shake hands is as good as dead; a certificate is everybody's.
    if let (Err(error), Ok(peer)) = (&shaken, peer)
        && !error.is_user()
    {
        sockets.route.addresses.leave(peer);
    }
    shaken
}

/// A certificate that is refused now will be refused again: that is no fault of the network.
fn no_connection(error: io::Error) -> ConnectorError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::InvalidCertificate(why)), _) => {
            ConnectorError::user(BadCertificate::of(why).into())
        }
        (_, io::ErrorKind::TimedOut) => ConnectorError::timeout(error.into()),
        _ => ConnectorError::io(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_send_buffer_is_fixed_on_this_machine_only_unless_it_was_set() {
        let sockets = |send_buffer_bytes| Sockets {
            send_buffer_bytes,
            receive_buffer_bytes: None,
            pace: None,
            tls: None,
            route: Arc::default(),
        };
        let to = |sockets: Sockets, address: &str| {
            sockets.send_buffer_bytes_to(address.parse().expect("an address"))
        };
        assert_eq!(to(sockets(None), "127.0.0.1"), Some(LOOPBACK_SEND_BUFFER_BYTES));
        assert_eq!(to(sockets(None), "::ffff:127.0.0.1"), Some(LOOPBACK_SEND_BUFFER_BYTES));
        assert_eq!(to(sockets(None), "192.0.2.7"), None);
        assert_eq!(to(sockets(Some(1 << 20)), "192.0.2.7"), Some(1 << 20));
    }
}
