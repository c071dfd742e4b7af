//! An S3 client over hyper with nothing around it: the requests that tidegate makes for data, unsigned,
//! over the same sockets with the same bytes, each connection in a task of its own as hyper's guides
//! have it. What tidegate costs more is the price of the SDK, of signing, and of everything that is
//! observed; what it saves where the reader of an answer drives the connection goes against that.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use clap::ValueEnum;
use futures::future::try_join_all;
use http::header::{CONTENT_LENGTH, ETAG, HOST, RANGE};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tidegate::dataset::{Pattern, Payload};
use tidegate::store::s3::LOOPBACK_SEND_BUFFER_BYTES;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::Result;
use crate::task::{FILES, PART_BYTES};

/// As tidegate's HTTP client has it.
const READ_BUFFER_BYTES: usize = 64 << 10;

pub const BUCKET: &str = "bench";

#[derive(Debug, clap::Args)]
pub struct Args {
    direction: Way,
    address: SocketAddr,
    prefix: String,
    file_bytes: u64,
    /// Speak TLS and trust this authority.
    ca: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    Up,
    Down,
}

type Body = Either<Full<Bytes>, Payload>;

pub fn file_name(number: u64) -> String {
    format!("file-{number:02}")
}

/// A thread per core with a runtime of its own, each with its share of the files, as tidegate does.
pub fn run(args: &Args) -> Result<()> {
    let threads = u64::from(tidegate::measure::cores()).min(FILES);
    let tls = args.ca.as_deref().map(trusting).transpose()?;
    let pattern = Pattern::new(0);
    let work = |thread: u64| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let files = (thread..FILES).step_by(threads as usize);
        runtime.block_on(try_join_all(files.map(|file| move_file(args, file, &pattern, &tls))))
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(thread).map(drop))).collect();
        handles.into_iter().try_for_each(|handle| handle.join().map_err(|_| "it panicked")?)
    })
}

async fn move_file(
    args: &Args,
    number: u64,
    pattern: &Pattern,
    tls: &Option<TlsConnector>,
) -> Result<()> {
    let key = format!("{}/{}", args.prefix, file_name(number));
    let mut connection = Connection::open(args.address, tls).await?;
    match args.direction {
        Way::Up => upload(&mut connection, &key, args.file_bytes, pattern).await,
        Way::Down => download(&mut connection, &key, args.file_bytes).await,
    }
}

async fn upload(
    connection: &mut Connection,
    key: &str,
    file_bytes: u64,
    pattern: &Pattern,
) -> Result<()> {
    let created = connection.ask(Method::POST, &format!("{key}?uploads"), nothing()).await?;
    let created = text(created).await?;
    let (_, rest) = created.split_once("<UploadId>").ok_or("no UploadId")?;
    let (id, _) = rest.split_once("</UploadId>").ok_or("no UploadId")?;
    let mut parts = String::new();
    for (number, start) in (1..).zip((0..file_bytes).step_by(PART_BYTES as usize)) {
        let payload = pattern.payload(key, start, PART_BYTES.min(file_bytes - start));
        let target = format!("{key}?partNumber={number}&uploadId={id}");
        let sent = connection.ask(Method::PUT, &target, Either::Right(payload)).await?;
        let etag = sent.headers().get(ETAG).ok_or("no ETag")?.to_str()?.to_owned();
        text(sent).await?;
        parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let list = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let list = Either::Left(Full::from(list));
    let done = connection.ask(Method::POST, &format!("{key}?uploadId={id}"), list).await?;
    text(done).await.map(drop)
}

async fn download(connection: &mut Connection, key: &str, file_bytes: u64) -> Result<()> {
    for start in (0..file_bytes).step_by(PART_BYTES as usize) {
        let end = file_bytes.min(start + PART_BYTES);
        let mut answer = connection.get(key, start..end).await?;
        let mut received = 0;
        while let Some(frame) = answer.frame().await {
            received += frame?.data_ref().map_or(0, |bytes| bytes.len() as u64);
        }
        if received != end - start {
            return Err(format!("{received} bytes of {}", end - start).into());
        }
    }
    Ok(())
}

struct Connection {
    sender: SendRequest<Body>,
    host: String,
}

impl Connection {
    async fn open(address: SocketAddr, tls: &Option<TlsConnector>) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_send_buffer_size(LOOPBACK_SEND_BUFFER_BYTES)?;
        socket.set_nodelay(true)?;
        let stream: TcpStream = socket.connect(address).await?;
        let sender = match tls {
            None => handshake(stream).await?,
            Some(tls) => {
                let name = ServerName::from(address.ip());
                handshake(tls.connect(name, stream).await?).await?
            }
        };
        Ok(Self { sender, host: address.to_string() })
    }

    async fn get(&mut self, key: &str, range: std::ops::Range<u64>) -> Result<Response<Incoming>> {
        let range = format!("bytes={}-{}", range.start, range.end - 1);
        let request = Request::get(format!("/{BUCKET}/{key}"))
            .header(HOST, &self.host)
            .header(RANGE, range)
            .body(nothing())?;
        self.send(request).await
    }

    async fn ask(
        &mut self,
        method: Method,
        target: &str,
        body: Body,
    ) -> Result<Response<Incoming>> {
        let length = hyper::body::Body::size_hint(&body).exact().ok_or("a body has a length")?;
        let request = Request::builder()
            .method(method)
            .uri(format!("/{BUCKET}/{target}"))
            .header(HOST, &self.host)
            .header(CONTENT_LENGTH, length)
            .body(body)?;
        self.send(request).await
    }

    async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>> {
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        match answer.status().is_success() {
            true => Ok(answer),
            false => Err(format!("{}: {}", answer.status(), text(answer).await?).into()),
        }
    }
}

async fn handshake<IO>(io: IO) -> Result<SendRequest<Body>>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, driver) = http1::Builder::new()
        .max_buf_size(READ_BUFFER_BYTES)
        .writev(true)
        .handshake(TokioIo::new(io))
        .await?;
    tokio::spawn(driver);
    Ok(sender)
}

fn trusting(ca: &std::path::Path) -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn nothing() -> Body {
    Either::Left(Full::default())
}

async fn text(answer: Response<Incoming>) -> Result<String> {
    let body = answer.into_body().collect().await.map_err(Box::<dyn Error + Send + Sync>::from)?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}
