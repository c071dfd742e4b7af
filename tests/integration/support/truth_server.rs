//! A server that does exactly what a plan says and logs it: the truth that measurements are held
//! against.
//!
//! A thread for each connection, and blocking calls: a delay is as exact as the kernel's timer (tens
//! of microseconds; an asynchronous one is rounded up to a millisecond), and which bytes were read is
//! known to the byte.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidegate::clock;

/// Bytes of every object it has.
pub const OBJECT_BYTES: u64 = 1024;

/// Objects that its listings show.
const OBJECTS: u32 = 500;

/// Enough for a loop that reads and writes; there are hundreds of them.
const STACK_BYTES: usize = 256 << 10;

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plan {
    /// Read it whole, answer after `head`, send the answer's body after another `body`.
    Answer { head: Duration, body: Duration },
    /// Read it whole and say no, with this status and S3 error code.
    Refuse(u16, &'static str),
    /// Read it whole and close the connection.
    HangUp,
    /// Say 429 before the body is read; then read what was sent until the client gives up.
    Throttle,
}

impl Plan {
    /// An answer without delay.
    pub const OK: Self = Self::Answer { head: Duration::ZERO, body: Duration::ZERO };
}

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub key: String,
    pub query: String,
    /// Of the same request so far, this one included.
    pub attempt: u32,
    length: u64,
}

impl Asked {
    /// Whether it is a part of an upload.
    pub fn is_part(&self) -> bool {
        self.method == "PUT" && self.query.contains("partNumber=")
    }
}

/// A request and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub asked: Asked,
    pub plan: Plan,
    /// Bytes of its body that came out of the socket.
    pub body_bytes: u64,
    /// By the server's clock, from the last byte of the request to the head and to the body of the
    /// answer: what was planned, and what the kernel added because the machine was busy.
    pub took: [Duration; 2],
}

struct Shared {
    plan: Box<dyn Fn(&Asked) -> Plan + Send + Sync>,
    attempts: Mutex<HashMap<String, u32>>,
    log: Mutex<Vec<Exchange>>,
    stopping: AtomicBool,
}

/// The server, on loopback.
pub struct TruthServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl TruthServer {
    /// Starts it.
    pub fn start(plan: impl Fn(&Asked) -> Plan + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            plan: Box::new(plan),
            attempts: Mutex::default(),
            log: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let accept = Arc::clone(&shared);
        let listening = thread::spawn(move || accept.accept(&listener));
        Self { address, shared, listening }
    }

    /// Its base URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until all clients have closed their connections, and says what it did.
    pub fn stop(self) -> Vec<Exchange> {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // So that it wakes up and sees it.
        drop(TcpStream::connect(self.address));
        self.listening.join().unwrap();
        std::mem::take(&mut self.shared.log.lock().unwrap())
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        let mut connections = Vec::new();
        for stream in listener.incoming() {
            if self.stopping.load(Ordering::Relaxed) {
                break;
            }
            let (shared, stream) = (Arc::clone(&self), stream.unwrap());
            let serve = move || shared.serve(stream);
            connections.push(thread::Builder::new().stack_size(STACK_BYTES).spawn(serve).unwrap());
        }
        for connection in connections {
            match connection.join().unwrap() {
                Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
                _ => {}
            }
        }
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(asked) = self.read_head(&mut reader)? {
            // Only what is asked of objects is planned.
            let plan = if asked.key.is_empty() { Plan::OK } else { (self.plan)(&asked) };
            if plan == Plan::Throttle {
                stream.write_all(&refusal(429, "SlowDown"))?;
                // So that the answer is there before the client is heard out.
                thread::sleep(Duration::from_millis(20));
            }
            let body_bytes = io::copy(&mut (&mut reader).take(asked.length), &mut io::sink())?;
            let (began, mut took, mut goes_on) = (clock::now(), [Duration::ZERO; 2], true);
            match plan {
                Plan::Answer { head: delay_of_head, body: delay_of_body } => {
                    let (head, body) = answer(&asked);
                    thread::sleep(delay_of_head);
                    took[0] = began.elapsed();
                    stream.write_all(head.as_bytes())?;
                    thread::sleep(delay_of_body);
                    took[1] = began.elapsed();
                    stream.write_all(&body)?;
                }
                Plan::Refuse(status, code) => stream.write_all(&refusal(status, code))?,
                Plan::HangUp => goes_on = false,
                // A client that gave up has closed.
                Plan::Throttle => goes_on = body_bytes == asked.length,
            }
            self.log.lock().unwrap().push(Exchange { asked, plan, body_bytes, took });
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn read_head(&self, reader: &mut impl BufRead) -> io::Result<Option<Asked>> {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let key = path.strip_prefix("/bucket/").unwrap_or_default();
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap();
            let attempt = attempts.entry(format!("{method} {target}")).or_default();
            *attempt += 1;
            *attempt
        };
        let (method, key, query) = (method.to_owned(), key.to_owned(), query.to_owned());
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", digits)) => length = digits.parse().unwrap(),
                Some(_) => {}
                None => return Ok(Some(Asked { method, key, query, attempt, length })),
            }
        }
    }
}

/// The head and the body of an answer that says yes.
fn answer(asked: &Asked) -> (String, Vec<u8>) {
    let body = match (&*asked.method, asked.query.contains("uploadId=")) {
        ("GET", _) if asked.query.contains("location") => element("LocationConstraint", ""),
        ("GET", _) if asked.query.contains("versioning") => element("VersioningConfiguration", ""),
        ("GET", _) if asked.query.contains("list-type=") => element("ListBucketResult", &listing()),
        ("GET", _) => vec![0; OBJECT_BYTES as usize],
        ("POST", false) => element("InitiateMultipartUploadResult", "<UploadId>u</UploadId>"),
        ("POST", true) => element("CompleteMultipartUploadResult", "<ETag>\"e\"</ETag>"),
        // Nothing is said of it, but a body that comes late has to be waited for.
        ("PUT", _) => vec![b' '; 16],
        (method, _) => panic!("nobody plans for {method}"),
    };
    let length = body.len();
    (format!("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: {length}\r\n\r\n"), body)
}

fn listing() -> String {
    let object = |number| {
        let size = element_text("Size", &OBJECT_BYTES.to_string());
        element_text("Contents", &(element_text("Key", &format!("p/{number:04}")) + &size))
    };
    (0..OBJECTS).map(object).collect()
}

fn refusal(status: u16, code: &str) -> Vec<u8> {
    let body = element("Error", &format!("<Code>{code}</Code><Message>as planned</Message>"));
    let head = format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body].concat()
}

fn element(name: &str, content: &str) -> Vec<u8> {
    element_text(name, content).into_bytes()
}

fn element_text(name: &str, content: &str) -> String {
    format!("<{name}>{content}</{name}>")
}
