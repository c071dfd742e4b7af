//! A server in between that does to each request what a test says: the faults of networks and servers.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request that has arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    length: usize,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It goes its way.
    None,
    /// It is read whole, and this is the answer; the server knows nothing of it.
    Answer(String),
    /// The connection is reset while its body is on the way.
    Reset,
    /// The server does it, and the connection is closed instead of an answer.
    LoseAnswer,
    /// Half of the answer's body comes, then the connection is closed.
    Truncate,
}

impl Fault {
    /// An answer that says no, with one more header if there is one.
    pub fn refusal(status: u16, code: &str, header: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>as planned</Message></Error>");
        let length = body.len();
        Self::Answer(format!(
            "HTTP/1.1 {status} No\r\n{header}Content-Length: {length}\r\n\r\n{body}"
        ))
    }
}

type Plan = Box<dyn FnMut(&Asked) -> Fault + Send>;

/// The server in between.
pub struct Mischief {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

impl Mischief {
    /// In front of another server.
    pub fn before(endpoint: &str, plan: impl FnMut(&Asked) -> Fault + Send + 'static) -> Self {
        let upstream = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::<AtomicBool>::default();
        let mischief = Self { address, stopping: Arc::clone(&stopping) };
        let plan: Arc<Mutex<Plan>> = Arc::new(Mutex::new(Box::new(plan)));
        thread::spawn(move || {
            for client in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (client, server) = (client.unwrap(), TcpStream::connect(&upstream).unwrap());
                let plan = Arc::clone(&plan);
                thread::spawn(move || {
                    // Either side may go away at any time.
                    let _ = pass(&client, &server, &plan);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        mischief
    }

    /// Its base URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Mischief {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // So that it wakes up and sees it.
        let _ = TcpStream::connect(self.address);
    }
}

/// The requests of a connection, one after the other, until one goes wrong.
fn pass(client: &TcpStream, server: &TcpStream, plan: &Mutex<Plan>) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(server));
    let (mut to_client, mut to_server) = (client, server);
    loop {
        let head = read_head(&mut from_client)?;
        let asked = Asked::of(&head);
        let fault = plan.lock().unwrap()(&asked);
        if fault == Fault::Reset {
            // To close with unread input is to reset.
            from_client.read_exact(&mut vec![0; asked.length / 2])?;
            return Ok(());
        }
        let mut body = vec![0; asked.length];
        from_client.read_exact(&mut body)?;
        if let Fault::Answer(answer) = fault {
            to_client.write_all(answer.as_bytes())?;
            continue;
        }
        to_server.write_all(head.as_bytes())?;
        to_server.write_all(&body)?;
        let (head, body) = read_answer(&mut from_server, &asked.method)?;
        match fault {
            Fault::LoseAnswer => return Ok(()),
            Fault::Truncate => {
                to_client.write_all(head.as_bytes())?;
                return to_client.write_all(&body[..body.len() / 2]);
            }
            _ => {
                to_client.write_all(head.as_bytes())?;
                to_client.write_all(&body)?;
            }
        }
    }
}

impl Asked {
    fn of(head: &str) -> Self {
        let mut words = head.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let length = header(head, "content-length").map_or(0, |digits| digits.parse().unwrap());
        Self { method, target, length }
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
fn read_answer(reader: &mut impl BufRead, method: &str) -> io::Result<(String, Vec<u8>)> {
    let head = read_head(reader)?;
    let mut body = Vec::new();
    if method == "HEAD" || head.starts_with("HTTP/1.1 204") {
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
