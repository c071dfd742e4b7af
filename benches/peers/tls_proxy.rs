//! Ends TLS 1.3 in front of the server, in a process of its own: the embedded gateway speaks HTTP only,
//! and the client's encryption is what is measured.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Result;

/// More than a TLS record, so that copying is not what limits.
const COPY_BUFFER_BYTES: usize = 64 << 10;

#[derive(Debug, clap::Args)]
pub struct Args {
    upstream: String,
}

/// A certificate or key of the tests.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/data").join(name)
}

pub fn run(args: &Args) -> Result<()> {
    let acceptor = acceptor()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on https://{}", listener.local_addr()?);
        loop {
            let (client, _) = listener.accept().await?;
            tokio::spawn(pass_on(client, acceptor.clone(), args.upstream.clone()));
        }
    })
}

/// A connection that fails is the client's to report.
async fn pass_on(client: TcpStream, acceptor: TlsAcceptor, upstream: String) -> Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    let size = COPY_BUFFER_BYTES;
    copy_bidirectional_with_sizes(&mut client, &mut server, size, size).await?;
    Ok(())
}

fn acceptor() -> Result<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_file(data("server.pem"))?;
    let key = PrivateKeyDer::from_pem_file(data("server.key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
