//! What a client says about an object in the headers of the request that makes it, and how answers repeat it.

use std::time::{Duration, SystemTime};

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG,
    EXPIRES, HeaderName, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderValue, Uri};
use s3s::dto::{PutObjectInput, Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::clock;
use crate::gateway::asked::{Query, percent_decoded};
use crate::gateway::signature::custom;
use crate::storj::{Attributes, Object, VersionId};

/// What an object is whose client does not say (`storj/minio` cmd/object-handlers.go).
const DEFAULT_TYPE: &str = "binary/octet-stream";
const METADATA: &str = "x-amz-meta-";
/// Metadata that say when Storj deletes the object (`storj/gateway-st` miniogw/gateway.go, objectTTLKeyAliases).
const DELETE_AT: [HeaderName; 4] = [
    HeaderName::from_static("x-amz-meta-object-expires"),
    HeaderName::from_static("x-minio-meta-object-expires"),
    HeaderName::from_static("x-amz-meta-storj-expires"),
    HeaderName::from_static("x-minio-meta-storj-expires"),
];
const TAGGING: HeaderName = HeaderName::from_static("x-amz-tagging");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
/// What of the query takes the place of a header (cmd/object-handlers.go, setHeadGetRespHeaders).
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-content-type", CONTENT_TYPE),
    ("response-content-language", CONTENT_LANGUAGE),
    ("response-expires", EXPIRES),
    ("response-cache-control", CACHE_CONTROL),
    ("response-content-encoding", CONTENT_ENCODING),
    ("response-content-disposition", CONTENT_DISPOSITION),
];

/// What the headers say.
///
/// # Errors
/// If they ask for what Storj does not have, or say what cannot be.
pub fn attributes(headers: &HeaderMap, operation: &str) -> S3Result<Attributes> {
    check_storage_class(headers, operation)?;
    let text = |name: &HeaderName| said(headers, name);
    let metadata = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(METADATA)?;
        Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    Ok(Attributes {
        content_type: text(&CONTENT_TYPE),
        cache_control: text(&CACHE_CONTROL),
        content_disposition: text(&CONTENT_DISPOSITION),
        content_encoding: text(&CONTENT_ENCODING).and_then(|encoding| of_content(&encoding)),
        content_language: text(&CONTENT_LANGUAGE),
        expires: text(&EXPIRES),
        metadata: metadata.collect(),
        tags: said(headers, &TAGGING).map(|tags| tags_of(&tags)).unwrap_or_default(),
        delete_at: delete_at(headers, SystemTime::now())?,
    })
}

/// What the fields of a form say.
pub fn attributes_of_form(form: &PutObjectInput) -> Attributes {
    Attributes {
        content_type: form.content_type.clone(),
        cache_control: form.cache_control.clone(),
        content_disposition: form.content_disposition.clone(),
        content_encoding: form.content_encoding.clone(),
        content_language: form.content_language.clone(),
        metadata: form.metadata.clone().unwrap_or_default().into_iter().collect(),
        ..Attributes::default()
    }
}

/// Whether the headers ask to lock the object.
pub fn asks_for_lock(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-amz-object-lock-"))
}

/// The headers of an answer with this object, as far as they do not depend on what of it is asked for.
pub fn headers_of<C>(object: &Object<C>, version: Option<VersionId>, uri: &Uri) -> HeaderMap {
    let said = &object.attributes;
    let mut headers = HeaderMap::with_capacity(16);
    headers.extend(validators(object));
    let mut set = |name: HeaderName, value: &str| {
        // What came in a header can be sent in one; anything else was never a header.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, said.content_type.as_deref().unwrap_or(DEFAULT_TYPE));
    set(HeaderName::from_static("x-amz-object-lock-legal-hold"), "OFF");
    for (name, value) in [
        (CACHE_CONTROL, &said.cache_control),
        (CONTENT_DISPOSITION, &said.content_disposition),
        (CONTENT_ENCODING, &said.content_encoding),
        (CONTENT_LANGUAGE, &said.content_language),
        (EXPIRES, &said.expires),
        (HeaderName::from_static("x-amz-version-id"), &version.map(|id| id.to_string())),
    ] {
        if let Some(value) = value {
            set(name, value);
        }
    }
    for (name, value) in &said.metadata {
        if let Ok(name) = HeaderName::try_from(format!("{METADATA}{name}")) {
            set(name, value);
        }
    }
    if uri.query().is_none() {
        return headers;
    }
    let query = Query::of(uri);
    for (parameter, name) in OVERRIDES {
        if let Some(value) = query.value(parameter) {
            set(name, &value);
        }
    }
    headers
}

/// What a client compares its own copy with.
pub fn validators<C>(object: &Object<C>) -> HeaderMap {
    let etag = HeaderValue::from_str(&format!("\"{}\"", object.etag)).ok();
    let values = [(ETAG, etag), (LAST_MODIFIED, http_date(object.modified))];
    values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// As headers write a time.
pub fn http_date(time: SystemTime) -> Option<HeaderValue> {
    let mut date = Vec::new();
    let written = Timestamp::from(time).format(TimestampFormat::HttpDate, &mut date);
    written.ok().and_then(|()| HeaderValue::from_bytes(&date).ok())
}

fn said(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned()).filter(|value| !value.is_empty())
}

/// Without the encoding that was only for the way here.
fn of_content(encoding: &str) -> Option<String> {
    let kept = encoding.split(',').map(str::trim).filter(|token| *token != "aws-chunked");
    Some(kept.collect::<Vec<_>>().join(",")).filter(|encoding| !encoding.is_empty())
}

/// `a=1&b=2`, encoded as a query is.
fn tags_of(header: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decoded(&text.replace('+', " "));
    let pairs = header.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// Storj has one class; others are refused, and those that its gateway knows in another way.
fn check_storage_class(headers: &HeaderMap, operation: &str) -> S3Result<()> {
    match said(headers, &STORAGE_CLASS).as_deref() {
        None | Some("STANDARD") => Ok(()),
        Some("ONEZONE_IA") if operation != "PutObject" => Err(unknown_class()),
        Some("REDUCED_REDUNDANCY" | "ONEZONE_IA") => Err(S3Error::with_message(
            S3ErrorCode::NotImplemented,
            format!("{operation} (storage class)"),
        )),
        Some(_) => Err(unknown_class()),
    }
}

fn unknown_class() -> S3Error {
    s3_error!(InvalidStorageClass, "Invalid storage class.")
}

/// When Storj deletes the object: a time, or how long after now.
fn delete_at(headers: &HeaderMap, now: SystemTime) -> S3Result<Option<SystemTime>> {
    let Some(text) = DELETE_AT.iter().find_map(|name| said(headers, name)) else {
        return Ok(None);
    };
    let at = match text.strip_prefix('+') {
        _ if text == "none" => return Ok(None),
        Some(after) => go_duration(after).and_then(|after| now.checked_add(after)),
        None => clock::read_rfc3339(&text),
    };
    at.map(Some).ok_or_else(|| custom("InvalidTTL", 400, "The TTL you have specified is invalid."))
}

/// `1h30m`, `1.5h`, as Go's time.ParseDuration reads them.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (value, behind) = rest.split_at(number);
        let unit = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit);
        let unit_s = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += value.parse::<f64>().ok()? * unit_s;
        rest = behind;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        pairs.collect()
    }

    fn code(pairs: &[(&'static str, &str)], operation: &str) -> Option<String> {
        let error = attributes(&headers(pairs), operation).err()?;
        Some(error.code().as_str().to_owned())
    }

    #[test]
    fn an_answer_repeats_what_its_client_said() {
        let pairs = [
            ("content-type", "text/x"),
            ("cache-control", "max-age=9"),
            ("content-encoding", "aws-chunked, gzip"),
            ("x-amz-meta-a", "=?UTF-8?B?w7w=?="),
            ("x-amz-meta-empty", ""),
        ];
        let said = attributes(&headers(&pairs), "PutObject").unwrap();
        let object = Object::<()> {
            etag: "e".into(),
            modified: SystemTime::UNIX_EPOCH,
            attributes: said,
            pieces: Vec::new(),
        };
        let repeated = headers_of(&object, None, &Uri::from_static("/b/k"));
        let value = |name: &str| repeated.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(value("content-type"), Some("text/x"));
        assert_eq!(value("content-encoding"), Some("gzip"));
        assert_eq!(value("x-amz-meta-a"), Some("=?UTF-8?B?w7w=?="));
        assert_eq!(value("x-amz-meta-empty"), Some(""));
        let asked = Uri::from_static("/b/k?response-content-type=text%2Fq");
        let overridden = headers_of(&object, None, &asked);
        assert_eq!(overridden["content-type"], "text/q");
    }

    #[test]
    fn only_the_standard_class_is_stored() {
        let class = |class, operation| code(&[("x-amz-storage-class", class)], operation);
        assert_eq!(class("STANDARD", "PutObject"), None);
        assert_eq!(class("GLACIER", "PutObject").as_deref(), Some("InvalidStorageClass"));
        assert_eq!(class("REDUCED_REDUNDANCY", "CopyObject").as_deref(), Some("NotImplemented"));
        assert_eq!(class("ONEZONE_IA", "CopyObject").as_deref(), Some("InvalidStorageClass"));
    }

    #[test]
    fn an_object_is_deleted_at_a_time_or_after_one() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let at = |text: &str| delete_at(&headers(&[("x-amz-meta-object-expires", text)]), now);
        let after = |text: &str| at(text).unwrap().unwrap().duration_since(now).unwrap();
        assert_eq!(after("+1h"), Duration::from_secs(3600));
        assert_eq!(after("+1h30m1.5s"), Duration::from_millis(5_401_500));
        assert_eq!(after("1970-01-01T00:20:00Z"), Duration::from_secs(200));
        assert_eq!(at("none").unwrap(), None);
        for bad in ["garbage", "+", "+1", "+h", "1h", "+1d", "2020-01-01"] {
            assert_eq!(at(bad).unwrap_err().code().as_str(), "InvalidTTL", "{bad}");
        }
    }

    #[test]
    fn tags_are_written_as_a_query_is() {
        let tags = tags_of("k=v&a+b=%26&c");
        let tags: Vec<_> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(tags, [("k", "v"), ("a b", "&"), ("c", "")]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_duration_or_none(text in ".{0,20}") {
            go_duration(&text);
        }
    }
}
