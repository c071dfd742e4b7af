//! Signature Version 4 in a header or a URL, verified in the order and with the words of Storj's gateway
//! (`storj/minio` cmd/signature-v4.go, cmd/signature-v4-parser.go, cmd/generic-handlers.go).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use sha2::{Digest, Sha256};
use time::PrimitiveDateTime;

use super::{CONTENT_SHA256, IN_CHUNKS, IN_SIGNED_CHUNKS, Keys, custom, unsupported};
use crate::clock;
use crate::gateway::asked::{Query, percent_decoded};

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// cmd/globals.go, globalMaxSkewTime.
const SKEW_MOST: Duration = Duration::from_secs(15 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is left as it is in a path; of a query `/` is not.
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A signature that was found right, from which those of the body's chunks are derived.
pub struct Seal {
    key: Vec<u8>,
    date: String,
    scope: String,
    /// In hexadecimal.
    pub signature: String,
    /// What was signed of the payload: its SHA-256, or how it comes.
    pub payload: String,
}

impl Seal {
    /// The signature of the chunk behind this one, whose SHA-256 is `digest`.
    pub fn next(&self, digest: &[u8]) -> String {
        let (date, scope, last) = (&self.date, &self.scope, &self.signature);
        let text = format!(
            "{ALGORITHM}-PAYLOAD\n{date}\n{scope}\n{last}\n{EMPTY_SHA256}\n{}",
            hex::encode(digest)
        );
        calculate_signature(&self.key, text.as_bytes())
    }
}

/// The keys, and the key for signing that was last derived from them: of most requests it is the same.
pub struct Signer {
    pub(super) keys: Keys,
    /// The scope that it is of, and the key.
    last: Mutex<Option<(String, Vec<u8>)>>,
}

impl Signer {
    /// With these keys.
    pub fn new(keys: Keys) -> Self {
        Self { keys, last: Mutex::new(None) }
    }

    fn key(&self, credential: &Credential<'_>, at: SystemTime) -> Vec<u8> {
        let scope = credential.scope();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, key)) = &*last
            && *of == scope
        {
            return key.clone();
        }
        let key = generate_signing_key(&self.keys.secret_key, at, credential.region, "s3");
        let key = key.as_ref().to_vec();
        *last = Some((scope, key.clone()));
        key
    }
}

/// What the client says of its signature.
struct Claim<'a> {
    credential: Credential<'a>,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

struct Credential<'a> {
    access_key: &'a str,
    day: &'a str,
    region: &'a str,
}

impl Credential<'_> {
    fn scope(&self) -> String {
        format!("{}/{}/s3/aws4_request", self.day, self.region)
    }
}

/// Verifies the signature in the header Authorization.
///
/// # Errors
/// What Storj's gateway answers to one that is not right.
pub fn verify_header(head: &Parts, signer: &Signer, now: SystemTime) -> S3Result<Seal> {
    let (date, at) = check_date(head, now)?;
    let authorization = text(&head.headers, AUTHORIZATION.as_str()).unwrap_or_default();
    let claim = claim_of_header(authorization)?;
    let headers = signed_headers(head, &claim)?;
    signer.keys.check_access_key(claim.credential.access_key)?;
    let payload = text(&head.headers, CONTENT_SHA256.as_str()).unwrap_or(EMPTY_SHA256);
    if payload == IN_SIGNED_CHUNKS && head.method != Method::PUT {
        return Err(unsupported());
    }
    let query = canonical_query(head.uri.query().unwrap_or_default(), |_| true);
    sealed(head, signer, &claim, date, at, &[&query, &headers, payload])
}

/// Whether a request that is signed in a header is of now.
///
/// # Errors
/// If it does not say when it was signed, or that was too long ago.
pub fn check_date(head: &Parts, now: SystemTime) -> S3Result<(&str, SystemTime)> {
    let date = text(&head.headers, "x-amz-date").or_else(|| text(&head.headers, "date"));
    let date = date.ok_or_else(no_date)?;
    let at = moment(date).or_else(|| http_moment(date)).ok_or_else(no_date)?;
    if apart(now, at) > SKEW_MOST {
        return Err(s3_error!(
            RequestTimeTooSkewed,
            "The difference between the request time and the server's time is too large."
        ));
    }
    Ok((date, at))
}

/// Verifies the signature in the query.
///
/// # Errors
/// What Storj's gateway answers to one that is not right.
pub fn verify_url(head: &Parts, signer: &Signer, now: SystemTime) -> S3Result<Seal> {
    let query = Query::of(&head.uri);
    let value = |name: &str| query.value(name);
    let needed = |name| value(name).ok_or_else(incomplete_query);
    let (credential, signature) = (needed("X-Amz-Credential")?, needed("X-Amz-Signature")?);
    let (date, expires) = (needed("X-Amz-Date")?, needed("X-Amz-Expires")?);
    let signed_headers_text = needed("X-Amz-SignedHeaders")?;
    if needed("X-Amz-Algorithm")? != ALGORITHM {
        return Err(bad_query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"."));
    }
    let claim = Claim {
        credential: credential_of(&credential)?,
        signed_headers: signed_headers_text.split(';').collect(),
        signature: &signature,
    };
    let at = moment(&date).ok_or_else(|| {
        bad_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    })?;
    let expires = seconds(&expires)?;
    signer.keys.check_access_key(claim.credential.access_key)?;
    let headers = signed_headers(head, &claim)?;
    if at > now + SKEW_MOST {
        return Err(s3_error!(AccessDenied, "Request is not valid yet"));
    }
    if now.duration_since(at).is_ok_and(|age| age > expires) {
        return Err(s3_error!(AccessDenied, "Request has expired"));
    }
    let payload = value("X-Amz-Content-Sha256")
        .or_else(|| text(&head.headers, CONTENT_SHA256.as_str()).map(str::to_owned))
        .unwrap_or_else(|| UNSIGNED.to_owned());
    if payload.starts_with(IN_CHUNKS) {
        return Err(unsupported());
    }
    let query = head.uri.query().unwrap_or_default();
    let canonical = canonical_query(query, |name| name != "X-Amz-Signature");
    sealed(head, signer, &claim, &date, at, &[&canonical, &headers, &payload])
}

/// Whether a URL says that it is good for a time that can be.
///
/// # Errors
/// If it does not: also where nobody asks for its signature.
pub fn check_expiry(uri: &Uri) -> S3Result<()> {
    let expires = Query::of(uri).value("X-Amz-Expires");
    expires.map_or(Ok(()), |expires| seconds(&expires).map(drop))
}

/// Compares the signature with the one that the secret makes of the canonical request, whose query, headers and
/// payload these are.
fn sealed(
    head: &Parts,
    signer: &Signer,
    claim: &Claim<'_>,
    date: &str,
    at: SystemTime,
    [query, headers, payload]: &[&str; 3],
) -> S3Result<Seal> {
    let path = utf8_percent_encode(&percent_decoded(head.uri.path()), IN_PATH).to_string();
    let method = head.method.as_str();
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{payload}");
    let scope = claim.credential.scope();
    let text = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    // The key is of the day that the credential names.
    if !date.starts_with(claim.credential.day) {
        return Err(super::mismatch());
    }
    let key = signer.key(&claim.credential, at);
    let signature = calculate_signature(&key, text.as_bytes());
    if !super::same(&signature, claim.signature) {
        return Err(super::mismatch());
    }
    Ok(Seal { key, date: date.to_owned(), scope, signature, payload: (*payload).to_owned() })
}

fn claim_of_header(authorization: &str) -> S3Result<Claim<'_>> {
    let fields = authorization.strip_prefix(ALGORITHM).unwrap_or_default().trim();
    let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
    let [credential, signed_headers, signature] = fields[..] else { return Err(missing_fields()) };
    let named = |field: &'_ str, name: &str| -> S3Result<usize> {
        match field.split_once('=') {
            Some((this, value)) if this == name && !value.is_empty() => Ok(name.len() + 1),
            _ => Err(missing_fields()),
        }
    };
    let credential = &credential[named(credential, "Credential")?..];
    Ok(Claim {
        credential: credential_of(credential)?,
        signed_headers: signed_headers[named(signed_headers, "SignedHeaders")?..]
            .split(';')
            .collect(),
        signature: &signature[named(signature, "Signature")?..],
    })
}

/// Of `KEY/20060102/us-east-1/s3/aws4_request`; the key may have slashes.
fn credential_of(text: &str) -> S3Result<Credential<'_>> {
    let fields: Vec<&str> = text.rsplitn(5, '/').collect();
    let [request, service, region, day, access_key] = fields[..] else {
        return Err(bad_query(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
             \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        ));
    };
    if service != "s3" {
        let message = "Error parsing the Credential/X-Amz-Credential parameter; incorrect service. \
                       This endpoint belongs to \"s3\".";
        return Err(custom("AuthorizationParametersError", 400, message));
    }
    if request != "aws4_request" {
        return Err(bad_query(
            "Error parsing the X-Amz-Credential parameter; incorrect terminal. This endpoint uses \
             \"aws4_request\".",
        ));
    }
    Ok(Credential { access_key, day, region })
}

/// The headers that were signed, and the list of their names, as they stand in a canonical request.
fn signed_headers(head: &Parts, claim: &Claim<'_>) -> S3Result<String> {
    let mut names = claim.signed_headers.clone();
    names.sort_unstable();
    if !names.contains(&"host") {
        return Err(not_signed());
    }
    let mut canonical = String::with_capacity(512);
    for name in &names {
        let mut values = head.headers.get_all(*name).iter().peekable();
        if values.peek().is_none() && *name != HOST.as_str() {
            return Err(not_signed());
        }
        canonical.push_str(name);
        for (place, value) in values.enumerate() {
            canonical.push(if place == 0 { ':' } else { ',' });
            push_trimmed(&mut canonical, &String::from_utf8_lossy(value.as_bytes()));
        }
        canonical.push('\n');
    }
    canonical.push('\n');
    for (place, name) in names.iter().enumerate() {
        canonical.push_str(if place == 0 { "" } else { ";" });
        canonical.push_str(name);
    }
    Ok(canonical)
}

/// Without spaces at its ends, and with one where there were several.
fn push_trimmed(canonical: &mut String, value: &str) {
    for (place, word) in value.split_whitespace().enumerate() {
        canonical.push_str(if place == 0 { "" } else { " " });
        canonical.push_str(word);
    }
}

/// The parameters whose names are kept, in order of name.
fn canonical_query(query: &str, keep: impl Fn(&str) -> bool) -> String {
    if query.is_empty() {
        return String::new();
    }
    let decoded = |text: &str| percent_decoded(&text.replace('+', " "));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut pairs: Vec<(String, String)> = pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .filter(|(name, _)| keep(name))
        .collect();
    pairs.sort();
    let encoded = |text: &str| utf8_percent_encode(text, IN_QUERY).to_string();
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn seconds(expires: &str) -> S3Result<Duration> {
    let expires: i64 =
        expires.parse().map_err(|_| bad_query("X-Amz-Expires should be a number"))?;
    let expires = u64::try_from(expires)
        .map_err(|_| bad_query("X-Amz-Expires must be non-negative"))
        .map(Duration::from_secs)?;
    if expires > WEEK {
        return Err(bad_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given \
             X-Amz-Expires must be less than 604800 seconds",
        ));
    }
    Ok(expires)
}

fn moment(date: &str) -> Option<SystemTime> {
    let moment = PrimitiveDateTime::parse(date, clock::BASIC_FORMAT).ok()?;
    Some(moment.assume_utc().into())
}

/// As headers of HTTP write a time.
fn http_moment(date: &str) -> Option<SystemTime> {
    let timestamp = Timestamp::parse(TimestampFormat::HttpDate, date).ok()?;
    Some(time::OffsetDateTime::from(timestamp).into())
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn no_date() -> S3Error {
    s3_error!(AccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
}

fn missing_fields() -> S3Error {
    custom("MissingFields", 400, "Missing fields in request.")
}

fn bad_query(message: &str) -> S3Error {
    S3Error::with_message(S3ErrorCode::AuthorizationQueryParametersError, message.to_owned())
}

fn incomplete_query() -> S3Error {
    bad_query(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
         X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    )
}

fn not_signed() -> S3Error {
    custom("AccessDenied", 400, "There were headers present in the request which were not signed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// The example of the Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header".
    fn example() -> http::request::Builder {
        Request::get("/test.txt")
            .header("host", "examplebucket.s3.amazonaws.com")
            .header("range", "bytes=0-9")
            .header("x-amz-date", "20130524T000000Z")
            .header(CONTENT_SHA256, EMPTY_SHA256)
    }

    const EXAMPLE: &str = "AWS4-HMAC-SHA256 \
        Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
        SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
        Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

    fn signer() -> Signer {
        Signer::new(Keys {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        })
    }

    fn then() -> SystemTime {
        moment("20130524T000000Z").unwrap()
    }

    fn refused(request: http::request::Builder, now: SystemTime) -> Option<String> {
        let (head, ()) = request.body(()).unwrap().into_parts();
        let error = verify_header(&head, &signer(), now).err()?;
        Some(error.code().as_str().to_owned())
    }

    #[test]
    fn the_published_example_is_signed_right() {
        assert_eq!(refused(example().header(AUTHORIZATION, EXAMPLE), then()), None);
    }

    #[test]
    fn any_change_of_what_was_signed_is_seen() {
        let signed = || example().header(AUTHORIZATION, EXAMPLE);
        for changed in [
            signed().method("PUT"),
            signed().uri("/test.tx"),
            signed().uri("/test.txt?acl"),
            signed().header("range", "bytes=0-8"),
            example().header(AUTHORIZATION, EXAMPLE.replace("us-east-1", "us-east-2")),
        ] {
            assert_eq!(refused(changed, then()).as_deref(), Some("SignatureDoesNotMatch"));
        }
    }

    #[test]
    fn a_signature_is_good_for_a_quarter_of_an_hour() {
        let at = |seconds| {
            let now = then() + Duration::from_secs(seconds);
            refused(example().header(AUTHORIZATION, EXAMPLE), now)
        };
        assert_eq!(at(15 * 60), None);
        assert_eq!(at(15 * 60 + 1).as_deref(), Some("RequestTimeTooSkewed"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let with = |text: &str| refused(example().header(AUTHORIZATION, text), then());
        assert_eq!(with("AWS4-HMAC-SHA256 nonsense").as_deref(), Some("MissingFields"));
        let elsewhere = EXAMPLE.replace("/s3/", "/ec2/");
        assert_eq!(with(&elsewhere).as_deref(), Some("AuthorizationParametersError"));
        let unknown = EXAMPLE.replace("AKIAIOSFODNN7EXAMPLE", "other");
        assert_eq!(with(&unknown).as_deref(), Some("InvalidAccessKeyId"));
        let unsent = EXAMPLE.replace("range;", "range;x-other;");
        assert_eq!(with(&unsent).as_deref(), Some("AccessDenied"));
    }

    /// The same, "Authenticating Requests: Using Query Parameters".
    #[test]
    fn the_published_url_is_signed_right_for_a_day() {
        let url = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F\
            20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&\
            X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c26595\
            7d157751f604d404";
        let verify = |url: &str, seconds| {
            let request = Request::get(url).header("host", "examplebucket.s3.amazonaws.com");
            let (head, ()) = request.body(()).unwrap().into_parts();
            let verified = verify_url(&head, &signer(), then() + Duration::from_secs(seconds));
            verified.err().map(|error| error.message().unwrap_or_default().to_owned())
        };
        assert_eq!(verify(url, 86_400), None);
        assert_eq!(verify(url, 86_401).as_deref(), Some("Request has expired"));
        let longer = url.replace("86400", "604801");
        assert!(verify(&longer, 0).unwrap().contains("less than a week"));
        assert!(verify(&url.replace("&X-Amz-Expires=86400", ""), 0).unwrap().contains("requires"));
    }
}
