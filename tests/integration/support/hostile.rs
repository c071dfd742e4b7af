//! A server in front of an honest one that answers some operation in a way that no server should.
//!
//! A quirk is one variant of [`Quirk`]: most change the honest answer, a few never ask for it.
//!
//! ```ignore
//! let serve = Serve::start(&["--bucket", "bucket"]);
//! let hostile = Hostile::in_front_of(&serve.endpoint(), Operation::GetObject, Quirk::Status(200));
//! let finished = Tidegate::at(&hostile.endpoint()).run("run", &["s3://bucket/p"]);
//! assert_eq!(hostile.count(Operation::GetObject), 1);
//! ```

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use super::http::Answer;
use super::relay::{Asked, Relay, read_head};

/// What a request asks for, as S3 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    GetBucketLocation,
    GetBucketVersioning,
    ListObjectsV2,
    ListMultipartUploads,
    ListParts,
    HeadObject,
    GetObject,
    PutObject,
    DeleteObjects,
    CreateMultipartUpload,
    UploadPart,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    /// None of these.
    Other,
}

/// What is wrong with the answers.
#[derive(Clone, Debug)]
pub enum Quirk {
    /// They say no. The message is XML as it stands; the header, if any, ends in `\r\n`.
    Refuses { status: u16, code: &'static str, message: &'static str, header: &'static str },
    /// They are these bytes, head and all.
    Replies(Vec<u8>),
    /// They have this status and a body that begins so and never ends.
    Endless(u16, &'static str),
    /// Their status is another.
    Status(u16),
    /// They have this header, whatever stood there.
    Header(&'static str, &'static [u8]),
    /// They lack this header (in lower case). Without `content-length` the body comes in chunks.
    WithoutHeader(&'static str),
    /// Every XML element of this name holds this.
    Element(&'static str, String),
    /// They have no XML element of this name.
    WithoutElement(&'static str),
    /// Every XML element of this name stands there twice.
    Twice(&'static str),
    /// The body has so many bytes, as its length says.
    Length(usize),
    /// The body has so many bytes, in chunks, and no length says so.
    Chunks(usize),
    /// Listings whose two pages follow each other for ever.
    GoesRound,
    /// They are 200 and come before the body of the request, which is never read.
    AnswersEarly,
    /// There is none: the connection is closed once the request was read.
    HangsUp,
    /// There is none: the connection is closed once the request was carried out.
    LosesAnswer,
}

/// The server.
pub struct Hostile {
    relay: Relay,
    requests: Arc<Mutex<Vec<Asked>>>,
}

impl Hostile {
    /// All answers to this operation have the quirk.
    pub fn in_front_of(upstream: &str, operation: Operation, quirk: Quirk) -> Self {
        Self::planned(upstream, move |asked| {
            (Operation::of(asked) == operation).then(|| quirk.clone())
        })
    }

    /// Says for each request which quirk its answer has.
    pub fn planned(
        upstream: &str,
        plan: impl FnMut(&Asked) -> Option<Quirk> + Send + 'static,
    ) -> Self {
        let (requests, plan) = (Arc::<Mutex<Vec<Asked>>>::default(), Mutex::new(plan));
        let log = Arc::clone(&requests);
        let relay = Relay::start(upstream, move |client, server| {
            pass(client, server, &|asked: &Asked| {
                log.lock().unwrap().push(asked.clone());
                plan.lock().unwrap()(asked)
            })
        });
        Self { relay, requests }
    }

    /// Its base URL.
    pub fn endpoint(&self) -> String {
        self.relay.endpoint()
    }

    /// Waits until nothing is under way any more.
    pub fn settle(&self) {
        self.relay.settle();
    }

    /// How often this was asked for so far.
    pub fn count(&self, operation: Operation) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|asked| Operation::of(asked) == operation).count()
    }
}

impl Operation {
    /// What a request asks for; keys and buckets are in the path.
    pub fn of(asked: &Asked) -> Self {
        let path = asked.target.split('?').next().unwrap_or_default();
        let is_key =
            path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
        let has = |parameter| asked.has(parameter);
        match (&*asked.method, is_key) {
            ("GET", false) if has("location") => Self::GetBucketLocation,
            ("GET", false) if has("versioning") => Self::GetBucketVersioning,
            ("GET", false) if has("list-type") => Self::ListObjectsV2,
            ("GET", false) if has("uploads") => Self::ListMultipartUploads,
            ("GET", true) if has("uploadId") => Self::ListParts,
            ("GET", true) => Self::GetObject,
            ("HEAD", true) => Self::HeadObject,
            ("PUT", true) if has("partNumber") => Self::UploadPart,
            ("PUT", true) => Self::PutObject,
            ("POST", false) if has("delete") => Self::DeleteObjects,
            ("POST", true) if has("uploads") => Self::CreateMultipartUpload,
            ("POST", true) if has("uploadId") => Self::CompleteMultipartUpload,
            ("DELETE", true) if has("uploadId") => Self::AbortMultipartUpload,
            _ => Self::Other,
        }
    }
}

/// The requests of a connection, one after the other, until one of them ends it.
fn pass(
    client: &TcpStream,
    server: &TcpStream,
    plan: &dyn Fn(&Asked) -> Option<Quirk>,
) -> io::Result<()> {
    let (mut from_client, mut from_server) = (BufReader::new(client), BufReader::new(server));
    let (mut to_client, mut to_server) = (client, server);
    loop {
        let head = read_head(&mut from_client)?;
        let asked = Asked::of(&head);
        let quirk = plan(&asked);
        if let Some(Quirk::AnswersEarly) = quirk {
            to_client.write_all(b"HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n")?;
            // Nothing is read any more, for as long as the honest server lives.
            return from_server.read(&mut [0]).map(drop);
        }
        let mut body = vec![0; asked.length];
        from_client.read_exact(&mut body)?;
        match &quirk {
            Some(Quirk::HangsUp) => return Ok(()),
            Some(Quirk::Endless(status, beginning)) => {
                return endless(to_client, *status, beginning);
            }
            _ => {}
        }
        if let Some(reply) = quirk.as_ref().and_then(|quirk| quirk.made_up(&asked)) {
            to_client.write_all(&reply)?;
            continue;
        }
        to_server.write_all(head.as_bytes())?;
        to_server.write_all(&body)?;
        let is_head = asked.method == "HEAD";
        let mut answer = Reply::from(Answer::read(&mut from_server, is_head)?);
        if let Some(Quirk::LosesAnswer) = quirk {
            return Ok(());
        }
        if let Some(quirk) = quirk {
            answer.change(quirk);
        }
        to_client.write_all(&answer.bytes(is_head))?;
    }
}

fn endless(mut client: &TcpStream, status: u16, beginning: &str) -> io::Result<()> {
    client.write_all(
        format!(
            "HTTP/1.1 {status} So\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{beginning}\r\n",
            beginning.len()
        )
        .as_bytes(),
    )?;
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    loop {
        client.write_all(chunk.as_bytes())?;
    }
}

impl Quirk {
    /// The answer, where the honest one is not asked for.
    fn made_up(&self, asked: &Asked) -> Option<Vec<u8>> {
        match self {
            Self::Replies(bytes) => Some(bytes.clone()),
            Self::Refuses { status, code, message, header } => {
                let body =
                    format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
                Some(plain(*status, header, &body))
            }
            Self::GoesRound => Some(plain(200, "", &round(asked))),
            _ => None,
        }
    }
}

fn plain(status: u16, header: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} So\r\n{header}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// One of two pages of a listing, each of which names the other as the next.
fn round(asked: &Asked) -> String {
    let is_second = ["token=A", "key-marker=A", "part-number-marker=1"];
    let is_second = is_second.iter().any(|marker| asked.target.contains(marker));
    let (this, next) = if is_second { ("2", "B") } else { ("1", "A") };
    let prefix = asked.parameter("prefix").unwrap_or_default();
    match Operation::of(asked) {
        Operation::ListParts => format!(
            "<ListPartsResult><IsTruncated>true</IsTruncated>\
             <NextPartNumberMarker>{this}</NextPartNumberMarker>\
             <Part><PartNumber>{this}</PartNumber><Size>1</Size><ETag>e</ETag></Part>\
             </ListPartsResult>"
        ),
        Operation::ListMultipartUploads => format!(
            "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>\
             <NextKeyMarker>{next}</NextKeyMarker><NextUploadIdMarker>{next}</NextUploadIdMarker>\
             <Upload><Key>{prefix}{this}</Key><UploadId>u{this}</UploadId></Upload>\
             </ListMultipartUploadsResult>"
        ),
        _ => format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>{next}</NextContinuationToken>\
             <Contents><Key>{prefix}{this}</Key><Size>1</Size></Contents></ListBucketResult>"
        ),
    }
}

/// An answer that is changed on its way.
struct Reply {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let headers = answer.headers.into_iter().map(|(name, value)| (name, value.into_bytes()));
        let mut reply =
            Self { status: answer.status, headers: headers.collect(), body: answer.body };
        if reply.drop_header("transfer-encoding") {
            reply.set_length();
        }
        reply
    }
}

impl Reply {
    fn change(&mut self, quirk: Quirk) {
        match quirk {
            Quirk::Status(status) => self.status = status,
            Quirk::Header(name, value) => self.set_header(name, value),
            Quirk::WithoutHeader(name) => drop(self.drop_header(name)),
            Quirk::Length(bytes) => {
                self.body.resize(bytes, b'x');
                self.set_length();
            }
            Quirk::Chunks(bytes) => {
                self.body.resize(bytes, b'x');
                self.drop_header("content-length");
            }
            Quirk::Element(name, content) => {
                self.change_elements(name, |_| format!("<{name}>{content}</{name}>"))
            }
            Quirk::WithoutElement(name) => self.change_elements(name, |_| String::new()),
            Quirk::Twice(name) => self.change_elements(name, |element| element.repeat(2)),
            Quirk::Refuses { .. }
            | Quirk::Replies(_)
            | Quirk::Endless(..)
            | Quirk::GoesRound
            | Quirk::AnswersEarly
            | Quirk::HangsUp
            | Quirk::LosesAnswer => unreachable!("the honest answer was not asked for"),
        }
    }

    fn change_elements(&mut self, name: &str, change: impl Fn(&str) -> String) {
        let text = String::from_utf8(std::mem::take(&mut self.body)).expect("XML is text");
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let (mut changed, mut rest) = (String::new(), &*text);
        while let Some((before, behind)) = rest.split_once(&open) {
            let end = behind.find(&close).expect("it is closed");
            changed += before;
            changed += &change(&rest[before.len()..before.len() + open.len() + end + close.len()]);
            rest = &behind[end + close.len()..];
        }
        self.body = (changed + rest).into_bytes();
        self.set_length();
    }

    fn set_length(&mut self) {
        let length = self.body.len().to_string();
        self.set_header("content-length", length.as_bytes());
    }

    fn set_header(&mut self, name: &str, value: &[u8]) {
        self.drop_header(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn drop_header(&mut self, name: &str) -> bool {
        let before = self.headers.len();
        self.headers.retain(|(this, _)| this != name);
        self.headers.len() < before
    }

    fn bytes(self, is_head: bool) -> Vec<u8> {
        let has_length = self.headers.iter().any(|(name, _)| name == "content-length");
        let mut bytes = format!("HTTP/1.1 {} So\r\n", self.status).into_bytes();
        for (name, value) in self.headers {
            bytes.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
        }
        match has_length || is_head || self.status == 204 {
            true => bytes.extend([b"\r\n", &*self.body].concat()),
            false => {
                let length = format!("{:x}\r\n", self.body.len());
                let last: &[u8] = if self.body.is_empty() { b"\r\n" } else { b"\r\n0\r\n\r\n" };
                bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
                bytes.extend([length.as_bytes(), &self.body, last].concat());
            }
        }
        bytes
    }
}
