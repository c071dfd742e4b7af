//! Signatures of requests as S3's clients make them, also those that are wrong on purpose.
//! Sources: "Authenticating requests (AWS Signature Version 4)", Amazon S3 API Reference; "Signing and
//! authenticating REST requests (AWS signature version 2)", Amazon S3 User Guide.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

use super::http::{Asking, Http};

/// RFC 2104. Both hashes have blocks of 64 bytes, and the keys of the tests fit in one.
fn hmac<D: Digest>(key: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64, "a longer key would have to be hashed first");
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = D::new().chain_update(pad(0x36)).chain_update(message).finalize();
    D::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 as S3 writes it.
pub fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// What Signature Version 4 signs with: of one secret, one day and one region.
pub struct Key {
    /// The moment of signing, as `x-amz-date` has it.
    pub date: String,
    /// Day, region and service.
    pub scope: String,
    key: Vec<u8>,
}

impl Key {
    /// Of this secret.
    pub fn new(secret: &str, region: &str, moment: OffsetDateTime) -> Self {
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let date = moment.format(format).unwrap();
        let day = &date[..8];
        let secret = format!("AWS4{secret}").into_bytes();
        let key = [day, region, "s3", "aws4_request"]
            .iter()
            .fold(secret, |key, text| hmac::<Sha256>(&key, text.as_bytes()));
        let scope = format!("{day}/{region}/s3/aws4_request");
        Self { date, scope, key }
    }

    /// The signature of a text.
    pub fn sign(&self, text: &str) -> String {
        hex(&hmac::<Sha256>(&self.key, text.as_bytes()))
    }
}

/// A request that is to be signed.
pub struct Draft<'a> {
    /// Its method.
    pub method: &'a str,
    /// Path and query, encoded.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl<'a> Draft<'a> {
    /// Without any header but `host`.
    pub fn new(method: &'a str, host: &str, target: &str) -> Self {
        let headers = vec![("host".to_owned(), host.to_owned())];
        Self { method, target: target.to_owned(), headers }
    }

    /// With another header, in place of one of that name.
    pub fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(this, _)| this != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Signs by Version 4 all headers that it has; the signature.
    pub fn sign_v4(&mut self, key: &Key, access_key: &str, payload: &str) -> String {
        self.set("x-amz-date", &key.date);
        self.set("x-amz-content-sha256", payload);
        // Proxies change it: no client signs it.
        let signed = |name: &str| name != "transfer-encoding";
        let mut headers: Vec<_> = self.headers.iter().filter(|(name, _)| signed(name)).collect();
        headers.sort();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let headers: String = headers
            .iter()
            .map(|(name, value)| {
                let value: Vec<&str> = value.split_ascii_whitespace().collect();
                format!("{name}:{}\n", value.join(" "))
            })
            .collect();
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let query = canonical_query(query);
        let canonical = format!("{}\n{path}\n{query}\n{headers}\n{names}\n{payload}", self.method);
        let hash = sha256(canonical.as_bytes());
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", key.date, key.scope);
        let signature = key.sign(&text);
        let credential = format!("{access_key}/{}", key.scope);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        );
        self.set("authorization", &authorization);
        signature
    }

    /// Signs by Version 2, with a header.
    pub fn sign_v2(&mut self, access_key: &str, secret: &str, moment: OffsetDateTime) {
        let date = http_date(moment);
        self.set("date", &date);
        let signature = self.signature_v2(secret, &date);
        self.set("authorization", &format!("AWS {access_key}:{signature}"));
    }

    /// Signs by Version 2, with a query that is good until then, in seconds since 1970. What comes
    /// before the signature makes it a wrong one.
    pub fn presign_v2(&mut self, access_key: &str, secret: &str, until: i64, before: &str) {
        let signature = self.signature_v2(secret, &until.to_string());
        let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC).to_string();
        self.target +=
            &format!("?AWSAccessKeyId={access_key}&Signature={before}{signature}&Expires={until}");
    }

    /// Of a target without query: some queries would have to be signed, too.
    fn signature_v2(&self, secret: &str, date: &str) -> String {
        assert!(!self.target.contains('?'), "queries are not signed here");
        let header = |name: &str| {
            self.headers.iter().find(|(this, _)| this == name).map_or("", |(_, value)| value)
        };
        let mut amz: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-amz-"))
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        amz.sort();
        let text = format!(
            "{}\n{}\n{}\n{date}\n{}{}",
            self.method,
            header("content-md5"),
            header("content-type"),
            amz.concat(),
            self.target
        );
        BASE64_STANDARD.encode(hmac::<Sha1>(secret.as_bytes(), text.as_bytes()))
    }

    /// The request, with the headers that it has now.
    pub fn ask<'b>(&self, http: &'b Http) -> Asking<'b>
    where
        'a: 'b,
    {
        let host = self.headers.iter().find(|(name, _)| name == "host");
        let host = host.map_or("", |(_, value)| value);
        let others = self.headers.iter().filter(|(name, _)| name != "host");
        others.fold(http.ask_host(host, self.method, &self.target), |asking, (name, value)| {
            asking.header(name, value)
        })
    }
}

/// In order of name and value, each with its `=`.
fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// A moment as HTTP writes it.
pub fn http_date(moment: OffsetDateTime) -> String {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    moment.format(format).unwrap()
}
