//! A proxy that makes tunnels to one server, whatever name it is asked for.

use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::relay::read_head;

/// The proxy. Its thread waits for connections as long as the tests run.
pub struct TunnelProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl TunnelProxy {
    /// In front of a server, at host and port.
    pub fn to(server: &str) -> Self {
        let server = server.to_owned();
        Self::start(move |mut client| {
            let server = TcpStream::connect(&server)?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
            thread::spawn(move || {
                let _ = io::copy(&mut down, &mut up);
                let _ = up.shutdown(Shutdown::Both);
            });
            let copied = io::copy(&mut client, &mut &server);
            server.shutdown(Shutdown::Both)?;
            copied.map(drop)
        })
    }

    /// One that says no.
    pub fn refusing(answer: &'static str) -> Self {
        Self::start(move |mut client| client.write_all(answer.as_bytes()))
    }

    fn start(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (seen, serve) = (Arc::clone(&heads), Arc::new(serve));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, seen, serve) =
                    (client.unwrap(), Arc::clone(&seen), Arc::clone(&serve));
                thread::spawn(move || -> io::Result<()> {
                    // Of TLS the client waits for the answer: nothing else is read ahead.
                    let head = read_head(&mut BufReader::new(&client))?;
                    seen.lock().unwrap().push(head);
                    serve(client)
                });
            }
        });
        Self { address, heads }
    }

    /// Host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked, head by head.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}
