//! Bodies in chunks (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD` and its like), as SDKs send them.
//! Source: "Signature calculations: transferring payload in multiple chunks", Amazon S3 API Reference.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Crc;

use super::http::{Asking, Http};
use super::signing::{Draft, Key, sha256};
use super::{ACCESS_KEY, SECRET_KEY};

const PAYLOAD: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const CHUNK_BYTES: usize = 64 << 10;

/// The chunks of one body, each of which signs the one before.
pub struct Chain<'a> {
    key: &'a Key,
    last: String,
}

impl<'a> Chain<'a> {
    /// Of a request with this signature.
    pub fn new(key: &'a Key, signature: String) -> Self {
        Self { key, last: signature }
    }

    /// The line before a chunk.
    pub fn line(&mut self, content: &[u8]) -> String {
        let hashes = [sha256(b""), sha256(content)].join("\n");
        self.sign("AWS4-HMAC-SHA256-PAYLOAD", &hashes);
        format!("{:x};chunk-signature={}\r\n", content.len(), self.last)
    }

    /// The signature of what follows the last chunk.
    fn trailer(&mut self, line: &str) -> String {
        self.sign("AWS4-HMAC-SHA256-TRAILER", &sha256(format!("{line}\n").as_bytes()));
        format!("x-amz-trailer-signature:{}\r\n", self.last)
    }

    fn sign(&mut self, what: &str, hashes: &str) {
        let text = [what, &self.key.date, &self.key.scope, &self.last, hashes].join("\n");
        self.last = self.key.sign(&text);
    }
}

/// A PutObject of these chunks, of which so many bytes are announced. The last chunk is to be among them: an empty
/// one.
pub fn put<'a>(
    http: &'a Http,
    host: &str,
    target: &str,
    chunks: &[&[u8]],
    announced: usize,
) -> Asking<'a> {
    let key = Key::new(SECRET_KEY, "us-east-1", SystemTime::now().into());
    let mut draft = Draft::new("PUT", host, target);
    draft.set("x-amz-decoded-content-length", &announced.to_string());
    let signature = draft.sign_v4(&key, ACCESS_KEY, PAYLOAD);
    let mut chain = Chain::new(&key, signature);
    let framed = |chunk: &&[u8]| [chain.line(chunk).as_bytes(), chunk, b"\r\n"].concat();
    let body: Vec<u8> = chunks.iter().flat_map(framed).collect();
    draft.ask(http).body(&body)
}

/// A body in chunks as the payload's name says: signed or not, with a CRC-32 behind or without. In a
/// wrong one the signatures are wrong, and the checksum.
pub fn body(key: &Key, signature: String, payload: &str, content: &[u8], wrong: bool) -> Vec<u8> {
    let is_signed = payload.contains("AWS4");
    let mut chain = Chain::new(key, signature);
    let mut body = Vec::new();
    for chunk in content.chunks(CHUNK_BYTES).chain([&[][..]]) {
        let line = match (is_signed, wrong) {
            (true, false) => chain.line(chunk),
            (true, true) => format!("{:x};chunk-signature={:064}\r\n", chunk.len(), 0),
            (false, _) => format!("{:x}\r\n", chunk.len()),
        };
        let end: &[u8] = if chunk.is_empty() { b"" } else { b"\r\n" };
        body.extend([line.as_bytes(), chunk, end].concat());
    }
    if payload.ends_with("-TRAILER") {
        let line = checksum_line(content, wrong);
        let signature = if is_signed { chain.trailer(&line) } else { String::new() };
        body.extend(format!("{line}\r\n{signature}").into_bytes());
    }
    body.extend(b"\r\n");
    body
}

fn checksum_line(content: &[u8], wrong: bool) -> String {
    let mut crc = Crc::new();
    crc.update(content);
    let sum = crc.sum() ^ u32::from(wrong);
    format!("x-amz-checksum-crc32:{}", BASE64_STANDARD.encode(sum.to_be_bytes()))
}
