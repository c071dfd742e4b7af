//! Between a client and a server: each connection is handed on, request by request, as a test says.

use std::io::{self, BufRead};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// A listener before another server.
pub struct Relay {
    address: SocketAddr,
    /// Connections under way.
    open: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

impl Relay {
    /// `pass` has a connection of the client and one to the server; when it returns, the client's is closed.
    pub fn start(
        upstream: &str,
        pass: impl Fn(&TcpStream, &TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (open, stopping) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let relay = Self { address, open: Arc::clone(&open), stopping: Arc::clone(&stopping) };
        let pass = Arc::new(pass);
        thread::spawn(move || {
            for client in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (client, server) = (client.unwrap(), TcpStream::connect(&upstream).unwrap());
                let (open, pass) = (Arc::clone(&open), Arc::clone(&pass));
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    // Either side may go away at any time: that is what it is for.
                    let _ = pass(&client, &server);
                    let _ = client.shutdown(Shutdown::Both);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        relay
    }

    /// Its base URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until nothing is under way any more.
    pub fn settle(&self) {
        while self.open.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // So that it wakes up and sees it.
        let _ = TcpStream::connect(self.address);
    }
}

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub length: usize,
    head: String,
}

impl Asked {
    pub fn of(head: &str) -> Self {
        let mut words = head.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, target) = (word(), word());
        let length = header(head, "content-length").map_or(0, |digits| digits.parse().unwrap());
        Self { method, target, length, head: head.to_owned() }
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name).map(str::to_owned)
    }

    /// Whether there is such a parameter.
    pub fn has(&self, parameter: &str) -> bool {
        self.parameter(parameter).is_some()
    }

    /// What such a parameter is, without its URL encoding.
    pub fn parameter(&self, parameter: &str) -> Option<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = pairs.find(|(name, _)| *name == parameter)?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    }

    /// Whether it carries a part of an upload.
    pub fn is_part(&self) -> bool {
        self.method == "PUT" && self.target.contains("partNumber=")
    }

    /// Whether it completes an upload.
    pub fn is_complete(&self) -> bool {
        self.method == "POST" && self.target.contains("uploadId=")
    }

    /// Whether it fetches an object of a run.
    pub fn is_get(&self) -> bool {
        let path = self.target.split('?').next().unwrap_or_default();
        self.method == "GET" && path.contains("/tidegate-")
    }
}

/// The head of a request or of an answer.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(this, _)| this.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Head and body of an answer, chunks as they are.
pub fn read_answer(reader: &mut impl BufRead, has_no_body: bool) -> io::Result<(String, Vec<u8>)> {
    let head = read_head(reader)?;
    let mut body = Vec::new();
    if has_no_body || head.starts_with("HTTP/1.1 204") {
        return Ok((head, body));
    }
    if header(&head, "transfer-encoding").is_some() {
        while !body.ends_with(b"\r\n0\r\n\r\n") && body != b"0\r\n\r\n" {
            if reader.read_until(b'\n', &mut body)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    } else if let Some(digits) = header(&head, "content-length") {
        body.resize(digits.parse().unwrap(), 0);
        reader.read_exact(&mut body)?;
    }
    Ok((head, body))
}
