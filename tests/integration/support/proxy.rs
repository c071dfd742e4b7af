//! A server in between that knows where each request is, and may do something about it: the network
//! with somebody in it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub length: usize,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Its head has been read; the server knows nothing.
    Asked,
    /// The server has the head and half of the body.
    Halfway,
    /// The server has all of it.
    Sent,
    /// The answer is here; the client knows nothing.
    Answered,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    On,
    /// It reaches nobody.
    Lost,
}

/// Looks at each request at each moment. It may change the body that is at hand: all of it when it is
/// [`Moment::Asked`] (the way up) or [`Moment::Answered`] (the way down).
pub trait Watcher: Send + Sync + 'static {
    fn sees(&self, asked: &Asked, moment: Moment, body: &mut [u8]) -> Way;
}

/// The server in between.
pub struct Proxy {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

impl Proxy {
    /// In front of another.
    pub fn start(upstream: &str, watcher: Arc<impl Watcher>) -> Self {
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (open, stopping) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let proxy = Self { address, open: Arc::clone(&open), stopping: Arc::clone(&stopping) };
        thread::spawn(move || {
            for client in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (client, server) = (client.unwrap(), TcpStream::connect(&upstream).unwrap());
                let (open, watcher) = (Arc::clone(&open), Arc::clone(&watcher));
                open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    // Either side may go away at any time: that is what it is for.
                    let _ = pass(&client, &server, &*watcher);
                    let _ = client.shutdown(Shutdown::Both);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        proxy
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

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // So that it wakes up and sees it.
        let _ = TcpStream::connect(self.address);
    }
}

/// The requests of a connection, one after the other.
fn pass(client: &TcpStream, server: &TcpStream, watcher: &impl Watcher) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(server));
    let (mut to_client, mut to_server) = (client, server);
    loop {
        let head = read_head(&mut from_client)?;
        let asked = Asked::of(&head);
        let mut body = vec![0; asked.length];
        from_client.read_exact(&mut body)?;
        if watcher.sees(&asked, Moment::Asked, &mut body) == Way::Lost {
            return Ok(());
        }
        let (half, rest) = body.split_at(body.len() / 2);
        to_server.write_all(head.as_bytes())?;
        to_server.write_all(half)?;
        if !half.is_empty() && watcher.sees(&asked, Moment::Halfway, &mut []) == Way::Lost {
            return Ok(());
        }
        to_server.write_all(rest)?;
        watcher.sees(&asked, Moment::Sent, &mut []);
        let (head, mut body) = read_answer(&mut from_server, asked.method == "HEAD")?;
        watcher.sees(&asked, Moment::Answered, &mut body);
        to_client.write_all(head.as_bytes())?;
        to_client.write_all(&body)?;
    }
}

impl Asked {
    fn of(head: &str) -> Self {
        let mut words = head.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, target) = (word(), word());
        let length = header(head, "content-length").map_or(0, |digits| digits.parse().unwrap());
        Self { method, target, length }
    }

    /// Whether there is such a parameter.
    pub fn has(&self, parameter: &str) -> bool {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| pair.split('=').next() == Some(parameter))
    }
}

fn read_head(reader: &mut impl BufRead) -> io::Result<String> {
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
fn read_answer(reader: &mut impl BufRead, has_no_body: bool) -> io::Result<(String, Vec<u8>)> {
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
