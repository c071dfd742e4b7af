//! Requests that were sent to a real Storj network with what it answered, from
//! `data/storj-answers.jsonl` (described in `data/README.md`), and how to send them again.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

use super::http::{Answer, Http};
use super::signing::{Draft, Key, http_date, sha256};
use super::{ACCESS_KEY, SECRET_KEY, signed_chunks};

const ROWS: &str = include_str!("../data/storj-answers.jsonl");

/// A request, and what it was answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What it asks; a request that only prepares others has none.
    pub name: Option<String>,
    /// Method and target.
    ask: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Body>,
    #[serde(default)]
    sign: Sign,
    /// The length of a body that is not sent.
    announce: Option<u64>,
    /// A host other than the one that is signed.
    sent_host: Option<String>,
    /// Elements of the answer that later requests need, by the name that they have there.
    #[serde(default)]
    save: BTreeMap<String, String>,
    /// Of a request with a name.
    pub answer: Option<Observed>,
}

/// What the real network answered. What varied from day to day is `*`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// HTTP status.
    pub status: u16,
    /// Of an error that has a body.
    pub code: Option<String>,
    /// Of an error that has a body.
    pub message: Option<String>,
    /// All of those that were looked at, names in lower case.
    pub headers: Option<BTreeMap<String, String>>,
    /// Elements that have no others within, as `name=text`.
    pub elements: Option<Vec<String>>,
    /// Which of them these are.
    #[serde(default)]
    pub which: Which,
    /// A body that is not XML.
    pub body: Option<Body>,
}

/// Which of an answer's elements were noted.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
pub enum Which {
    /// All, decoded where the answer is encoded.
    #[default]
    #[serde(rename = "all")]
    All,
    /// Some, decoded.
    #[serde(rename = "some")]
    Some,
    /// Some, as they were sent.
    #[serde(rename = "some as sent")]
    SomeAsSent,
}

/// A body.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Body {
    Text(String),
    Made(Made),
}

/// A body that is made.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Made {
    /// So many bytes: 0, 1, ... 255, 0, 1, ...
    Counting(usize),
    /// So many bytes, all zero.
    Zeros(usize),
    /// The XML that deletes so many objects: nope0, nope1, ...
    Delete(usize),
    /// A form of a browser.
    Form(Form),
}

/// A form of a browser, with a policy.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    key: String,
    file: String,
    expires_in_s: i64,
    /// Beside the usual ones.
    #[serde(default)]
    conditions: Vec<Value>,
    /// Beside the usual ones.
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

/// How a request is signed.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sign {
    #[serde(rename = "as")]
    scheme: Scheme,
    access_key: String,
    secret_key: String,
    region: String,
    /// What is said of the body, if not its SHA-256.
    payload: Option<String>,
    /// How long ago it was signed.
    age_s: i64,
    /// How long a query is good.
    expires_in_s: i64,
    /// Headers that are taken away after they have been signed.
    without: Vec<String>,
    /// The signature of a query or of chunks, or the checksum behind chunks, is a wrong one.
    wrong: bool,
}

#[derive(Default, Deserialize)]
enum Scheme {
    #[default]
    #[serde(rename = "v4")]
    V4,
    #[serde(rename = "v4 chunks")]
    V4Chunks,
    #[serde(rename = "v2")]
    V2,
    #[serde(rename = "v2 query")]
    V2Query,
    #[serde(rename = "policy")]
    Policy,
    #[serde(rename = "nothing")]
    Nothing,
}

impl Default for Sign {
    fn default() -> Self {
        Self {
            scheme: Scheme::V4,
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            region: "us-east-1".to_owned(),
            payload: None,
            age_s: 0,
            expires_in_s: 0,
            without: Vec::new(),
            wrong: false,
        }
    }
}

/// All of them, in the order in which they were sent.
pub fn rows() -> Vec<Row> {
    ROWS.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// A client that sends the rows, in order, to one server.
pub struct Client<'a> {
    http: Http,
    address: &'a str,
    saved: BTreeMap<String, String>,
}

impl<'a> Client<'a> {
    /// Of the server at this address.
    pub fn at(address: &'a str) -> Self {
        Self { http: Http::at(address), address, saved: BTreeMap::new() }
    }

    /// Sends one.
    pub fn send(&mut self, row: &Row) -> Answer {
        let (method, target) = row.ask.split_once(' ').unwrap();
        let mut draft = Draft::new(method, self.address, &self.fill(target));
        for (name, value) in &row.headers {
            draft.set(name, &self.fill(value));
        }
        let body = self.sign(&mut draft, row);
        draft.headers.retain(|(name, _)| !row.sign.without.contains(name));
        if let Some(host) = &row.sent_host {
            draft.set("host", host);
        }
        let mut asking = draft.ask(&self.http).body(&body);
        if let Some(bytes) = row.announce {
            asking = asking.announcing(bytes);
        }
        let answer = asking.send();
        for (name, element) in &row.save {
            // A server that does not tell it fails the rows that need it.
            let value = answer.element(element).unwrap_or_default();
            self.saved.insert(name.clone(), value);
        }
        answer
    }

    /// Signs a request; the body that it is sent with.
    fn sign(&self, draft: &mut Draft, row: &Row) -> Vec<u8> {
        let sign = &row.sign;
        let moment = OffsetDateTime::from(SystemTime::now()) - Duration::seconds(sign.age_s);
        let key = Key::new(&sign.secret_key, &sign.region, moment);
        if let Some(Body::Made(Made::Form(form))) = &row.body {
            draft.set("content-type", &format!("multipart/form-data; boundary={BOUNDARY}"));
            return form.body(&draft.target[1..], &sign.access_key, &key, moment);
        }
        let body = row.body.as_ref().map_or_else(Vec::new, |body| self.bytes(body));
        let payload = sign.payload.clone().unwrap_or_else(|| sha256(&body));
        match sign.scheme {
            Scheme::V4 => {
                draft.sign_v4(&key, &sign.access_key, &payload);
            }
            Scheme::V4Chunks => {
                let signature = draft.sign_v4(&key, &sign.access_key, &payload);
                return signed_chunks::body(&key, signature, &payload, &body, sign.wrong);
            }
            Scheme::V2 => draft.sign_v2(&sign.access_key, &sign.secret_key, moment),
            Scheme::V2Query => {
                let until = moment.unix_timestamp() + sign.expires_in_s;
                let before = if sign.wrong { "0" } else { "" };
                draft.presign_v2(&sign.access_key, &sign.secret_key, until, before);
            }
            Scheme::Policy | Scheme::Nothing => {}
        }
        body
    }

    /// The bytes of a body.
    pub fn bytes(&self, body: &Body) -> Vec<u8> {
        match body {
            Body::Text(text) => self.fill(text).into_bytes(),
            Body::Made(Made::Counting(bytes)) => (0..*bytes).map(|place| place as u8).collect(),
            Body::Made(Made::Zeros(bytes)) => vec![0; *bytes],
            Body::Made(Made::Delete(objects)) => {
                let object = |number| format!("<Object><Key>nope{number}</Key></Object>");
                let objects: String = (0..*objects).map(object).collect();
                format!("<Delete>{objects}</Delete>").into_bytes()
            }
            Body::Made(Made::Form(_)) => unreachable!("a form is made where it is signed"),
        }
    }

    /// A text with what its braces stand for.
    pub fn fill(&self, text: &str) -> String {
        let mut pieces = text.split('{');
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').unwrap_or_else(|| panic!("{text}"));
            filled += &self.value(name);
            filled += rest;
        }
        filled
    }

    fn value(&self, name: &str) -> String {
        if let Some((text, times)) = name.split_once('*') {
            return text.repeat(times.parse().unwrap());
        }
        if let Some(seconds) = name.strip_prefix("date+") {
            let moment =
                SystemTime::now() + std::time::Duration::from_secs(seconds.parse().unwrap());
            return http_date(moment.into());
        }
        match name {
            // The body of two requests.
            "" => "{}".to_owned(),
            "host" => self.address.to_owned(),
            // All of them stand in queries.
            _ => utf8_percent_encode(&self.saved[name], NON_ALPHANUMERIC).to_string(),
        }
    }
}

const BOUNDARY: &str = "BOUNDARY123";

impl Form {
    /// The form, signed.
    fn body(&self, bucket: &str, access_key: &str, key: &Key, moment: OffsetDateTime) -> Vec<u8> {
        let credential = format!("{access_key}/{}", key.scope);
        let policy = BASE64_STANDARD.encode(self.policy(bucket, &credential, key, moment));
        let signature = key.sign(&policy);
        let fields = [
            ("key", self.key.as_str()),
            ("x-amz-credential", &credential),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-date", &key.date),
            ("policy", &policy),
            ("x-amz-signature", &signature),
        ];
        let others = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let field = |(name, value)| {
            let disposition = format!("Content-Disposition: form-data; name=\"{name}\"");
            format!("--{BOUNDARY}\r\n{disposition}\r\n\r\n{value}\r\n")
        };
        let fields: String = fields.into_iter().chain(others).map(field).collect();
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"f.txt\"";
        let file = format!("{file}\r\nContent-Type: text/plain\r\n\r\n{}", self.file);
        format!("{fields}--{BOUNDARY}\r\n{file}\r\n--{BOUNDARY}--\r\n").into_bytes()
    }

    fn policy(&self, bucket: &str, credential: &str, key: &Key, moment: OffsetDateTime) -> String {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].000Z");
        let expiration = moment + Duration::seconds(self.expires_in_s);
        let mut conditions = vec![
            json!({ "bucket": bucket }),
            json!(["starts-with", "$key", "p"]),
            json!({ "x-amz-credential": credential }),
            json!({ "x-amz-algorithm": "AWS4-HMAC-SHA256" }),
            json!({ "x-amz-date": key.date }),
        ];
        conditions.extend(self.conditions.iter().cloned());
        let expiration = expiration.format(format).unwrap();
        json!({ "expiration": expiration, "conditions": conditions }).to_string()
    }
}
