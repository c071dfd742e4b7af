//! Requests as they go over the wire, and their answers with all their headers: what no S3 library
//! shows. They are not signed.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A client of one server, which makes a connection for each request.
pub struct Http {
    address: String,
}

/// A request that is put together.
pub struct Asking<'a> {
    http: &'a Http,
    head: String,
    method: &'a str,
    announced: Option<u64>,
    body: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Http {
    /// For the server at this host and port.
    pub fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// A request without headers and body of its own.
    pub fn ask<'a>(&'a self, method: &'a str, target: &str) -> Asking<'a> {
        self.ask_host(&self.address, method, target)
    }

    /// The same, asking for a host of this name.
    pub fn ask_host<'a>(&'a self, host: &str, method: &'a str, target: &str) -> Asking<'a> {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        Asking { http: self, head, method, announced: None, body: Vec::new() }
    }

    /// Puts an object; it must succeed.
    pub fn put(&self, target: &str, content: &[u8]) -> Answer {
        let answer = self.ask("PUT", target).body(content).send();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Begins an upload; its id.
    pub fn create_upload(&self, target: &str) -> String {
        let answer = self.ask("POST", &format!("{target}?uploads")).send();
        answer.element("UploadId").unwrap_or_else(|| panic!("{answer:?}"))
    }

    /// Uploads a part.
    pub fn put_part(&self, target: &str, id: &str, number: u32, content: &[u8]) -> Answer {
        self.ask("PUT", &format!("{target}?partNumber={number}&uploadId={id}")).body(content).send()
    }

    /// Ends an upload with these parts, whatever comes of it.
    pub fn complete(&self, target: &str, id: &str, parts: &[(u32, &str)]) -> Answer {
        self.try_complete(target, id, parts).unwrap()
    }

    /// The same, if an answer comes.
    pub fn try_complete(
        &self,
        target: &str,
        id: &str,
        parts: &[(u32, &str)],
    ) -> io::Result<Answer> {
        let part = |(number, etag): &(u32, &str)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let parts: String = parts.iter().map(part).collect();
        let xml = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        self.ask("POST", &format!("{target}?uploadId={id}")).body(xml.as_bytes()).try_send()
    }
}

impl Asking<'_> {
    /// With another header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    /// With a body.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_owned();
        self
    }

    /// Announces a body of another length than it has.
    pub fn announcing(mut self, bytes: u64) -> Self {
        self.announced = Some(bytes);
        self
    }

    /// Sends it and waits for the answer, which must come.
    pub fn send(self) -> Answer {
        self.try_send().unwrap()
    }

    /// Sends it and waits for the answer.
    pub fn try_send(mut self) -> io::Result<Answer> {
        let length = self.announced.unwrap_or(self.body.len() as u64);
        // A body in chunks of HTTP's is of no length that is told.
        let is_told = !self.head.contains("\r\ntransfer-encoding:");
        if is_told && (length > 0 || matches!(self.method, "PUT" | "POST")) {
            self.head += &format!("Content-Length: {length}\r\n");
        }
        self.head += "Connection: close\r\n\r\n";
        let mut stream = TcpStream::connect(&self.http.address)?;
        // A server that never answers fails the test, instead of stopping it.
        stream.set_read_timeout(Some(Duration::from_secs(300)))?;
        stream.write_all(self.head.as_bytes())?;
        // A server that says no to the head need not read the body.
        let _ = stream.write_all(&self.body);
        Answer::read(BufReader::new(stream), self.method == "HEAD")
    }
}

impl Answer {
    pub(super) fn read(mut stream: impl BufRead, has_no_body: bool) -> io::Result<Self> {
        let line = read_line(&mut stream)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("{line:?} is no HTTP")))?;
        let mut headers = Vec::new();
        loop {
            let line = read_line(&mut stream)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim_start().to_owned()));
        }
        let mut answer = Self { status, headers, body: Vec::new() };
        if has_no_body {
            return Ok(answer);
        }
        if answer.header("transfer-encoding").is_some() {
            answer.body = read_chunks(&mut stream)?;
        } else {
            let length = answer.header("content-length").unwrap_or("0").parse().unwrap();
            answer.body.resize(length, 0);
            stream.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    /// A header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(this, _)| this == name).map(|(_, value)| value.as_str())
    }

    /// The last header of this name.
    pub fn last_header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rfind(|(this, _)| this == name).map(|(_, value)| value.as_str())
    }

    /// The names of its headers.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// What stands in the first XML element of this name.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.body);
        let (_, behind) = text.split_once(&format!("<{name}>"))?;
        let (content, _) = behind.split_once(&format!("</{name}>"))?;
        Some(content.to_owned())
    }

    /// How many XML elements of this name there are.
    pub fn elements(&self, name: &str) -> usize {
        String::from_utf8_lossy(&self.body).matches(&format!("<{name}>")).count()
    }

    /// Status and S3 error code.
    pub fn says(&self) -> (u16, String) {
        (self.status, self.element("Code").unwrap_or_default())
    }

    /// The ETag header, without its quotes.
    pub fn etag(&self) -> &str {
        self.header("etag").unwrap_or_default().trim_matches('"')
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let length = u64::from_str_radix(&line, 16).map_err(io::Error::other)?;
        io::copy(&mut stream.take(length), &mut body)?;
        read_line(stream)?;
        if length == 0 {
            return Ok(body);
        }
    }
}
