//! Bodies in signed chunks (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD`), as older SDKs send them.
//! Source: "Signature calculations: transferring payload in multiple chunks", Amazon S3 API Reference.

use std::time::SystemTime;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

use super::http::{Asking, Http};
use super::{ACCESS_KEY, SECRET_KEY};

const PAYLOAD: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length";

/// RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One request's signing key, and the signature of what was sent last.
struct Signer {
    date: String,
    scope: String,
    key: Vec<u8>,
    last: String,
}

impl Signer {
    fn new(host: &str, target: &str, announced: usize) -> Self {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let date = OffsetDateTime::from(SystemTime::now()).format(format).unwrap();
        let day = &date[..8];
        let secret = format!("AWS4{SECRET_KEY}");
        let key = [day, "us-east-1", "s3", "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, text| hmac(&key, text.as_bytes()));
        let scope = format!("{day}/us-east-1/s3/aws4_request");
        let mut signer = Self { date, scope, key, last: String::new() };
        let canonical = format!(
            "PUT\n{target}\n\nhost:{host}\nx-amz-content-sha256:{PAYLOAD}\nx-amz-date:{}\n\
             x-amz-decoded-content-length:{announced}\n\n{SIGNED}\n{PAYLOAD}",
            signer.date
        );
        let hash = hex(&Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", signer.date, signer.scope);
        signer.last = hex(&hmac(&signer.key, text.as_bytes()));
        signer
    }

    fn chunk(&mut self, content: &[u8]) -> Vec<u8> {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{}\n{}",
            self.date,
            self.scope,
            self.last,
            hex(&Sha256::digest(b"")),
            hex(&Sha256::digest(content))
        );
        self.last = hex(&hmac(&self.key, text.as_bytes()));
        let line = format!("{:x};chunk-signature={}\r\n", content.len(), self.last);
        [line.as_bytes(), content, b"\r\n"].concat()
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
    let mut signer = Signer::new(host, target, announced);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{}, SignedHeaders={SIGNED}, Signature={}",
        signer.scope, signer.last
    );
    let body: Vec<u8> = chunks.iter().flat_map(|chunk| signer.chunk(chunk)).collect();
    http.ask("PUT", target)
        .header("x-amz-content-sha256", PAYLOAD)
        .header("x-amz-date", &signer.date)
        .header("x-amz-decoded-content-length", &announced.to_string())
        .header("authorization", &authorization)
        .body(&body)
}
