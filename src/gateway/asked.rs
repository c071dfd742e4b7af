//! What a request asks for, read from its first line and headers: enough for the model of the link
//! and for the log, before anything answers and whatever will.

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};
use percent_encoding::percent_decode_str;

use super::domain::Domain;
use crate::result::Direction;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// S3's name of the operation; `Other` for those the embedded gateway does not know.
    pub operation: &'static str,
    /// Named by the host, or the first component of the path.
    pub bucket: Option<String>,
    /// The rest of the path, percent-decoded.
    pub key: Option<String>,
    /// Query parameter `uploadId`.
    pub upload_id: Option<String>,
    /// Query parameter `partNumber`.
    pub part_number: Option<i64>,
    /// Header `Range`.
    pub range: Option<String>,
}

/// Query parameters that name an aspect of a bucket, rather than its content.
const ASPECTS_OF_BUCKETS: [&str; 14] = [
    "accelerate",
    "acl",
    "cors",
    "encryption",
    "lifecycle",
    "notification",
    "object-lock",
    "policy",
    "policyStatus",
    "replication",
    "tagging",
    "versioning",
    "versions",
    "website",
];
/// The same of an object.
const ASPECTS_OF_OBJECTS: [&str; 5] = ["acl", "attributes", "legal-hold", "retention", "tagging"];

impl Asked {
    /// Reads it from a request to a host of this domain.
    pub fn of<B>(request: &Request<B>, domain: &Domain) -> Self {
        let (bucket, key) = match domain.bucket_in(request.headers()) {
            Some(bucket) => (Some(bucket.to_owned()), named(path(request.uri()))),
            None => bucket_and_key(request.uri()),
        };
        let query = Query::of(request.uri());
        let target = match (&bucket, &key) {
            (None, _) => Target::Service,
            (Some(_), None) => Target::Bucket,
            (Some(_), Some(_)) => Target::Object,
        };
        Self {
            operation: operation(target, request.method(), &query, request.headers()),
            bucket,
            key,
            upload_id: query.value("uploadId"),
            part_number: query.value("partNumber").and_then(|number| number.parse().ok()),
            range: header_text(request.headers(), http::header::RANGE),
        }
    }

    /// Which way the bytes of a part flow, if this operation carries a part.
    pub fn part(&self) -> Option<Direction> {
        match self.operation {
            "PutObject" | "UploadPart" => Some(Direction::Up),
            "GetObject" => Some(Direction::Down),
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Target {
    Service,
    Bucket,
    Object,
}

fn operation(target: Target, method: &Method, query: &Query, headers: &HeaderMap) -> &'static str {
    if let (Target::Bucket, "GET") = (target, method.as_str()) {
        if query.has("versioning") {
            return "GetBucketVersioning";
        }
        if query.has("object-lock") {
            return "GetObjectLockConfiguration";
        }
    }
    let aspects: &[&str] = match target {
        Target::Object => &ASPECTS_OF_OBJECTS,
        Target::Bucket | Target::Service => &ASPECTS_OF_BUCKETS,
    };
    if aspects.iter().any(|aspect| query.has(aspect)) {
        return "Other";
    }
    let copies = headers.contains_key("x-amz-copy-source");
    match (target, method.as_str()) {
        (Target::Service, "GET") => "ListBuckets",
        (Target::Bucket, "HEAD") => "HeadBucket",
        (Target::Bucket, "PUT") => "CreateBucket",
        (Target::Bucket, "DELETE") => "DeleteBucket",
        (Target::Bucket, "POST") if query.has("delete") => "DeleteObjects",
        (Target::Bucket, "GET") if query.has("location") => "GetBucketLocation",
        (Target::Bucket, "GET") if query.has("uploads") => "ListMultipartUploads",
        (Target::Bucket, "GET") if query.has("list-type") => "ListObjectsV2",
        (Target::Bucket, "GET") => "ListObjects",
        (Target::Object, "HEAD") => "HeadObject",
        (Target::Object, "GET") if query.has("uploadId") => "ListParts",
        (Target::Object, "GET") => "GetObject",
        (Target::Object, "PUT") if query.names_part() && copies => "UploadPartCopy",
        (Target::Object, "PUT") if query.names_part() => "UploadPart",
        (Target::Object, "PUT") if copies => "CopyObject",
        (Target::Object, "PUT") => "PutObject",
        (Target::Object, "POST") if query.has("uploads") => "CreateMultipartUpload",
        (Target::Object, "POST") if query.has("uploadId") => "CompleteMultipartUpload",
        (Target::Object, "DELETE") if query.has("uploadId") => "AbortMultipartUpload",
        (Target::Object, "DELETE") => "DeleteObject",
        _ => "Other",
    }
}

fn bucket_and_key(uri: &Uri) -> (Option<String>, Option<String>) {
    let path = path(uri);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (named(bucket), named(key))
}

fn path(uri: &Uri) -> &str {
    uri.path().strip_prefix('/').unwrap_or_default()
}

fn named(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| percent_decoded(text))
}

fn header_text(headers: &HeaderMap, name: http::HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The parameters of a query.
pub struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    /// Those of this address.
    pub fn of(uri: &'a Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&');
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(this, _)| *this == name)
    }

    /// Whether a part of an upload is named. Storj's gateway takes what is not, such as `partNumber=x`, for the
    /// object itself (`storj/minio` cmd/api-router.go).
    fn names_part(&self) -> bool {
        let number = self.value("partNumber").unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number && self.has("uploadId")
    }

    /// All names, as they stand, and their values, decoded.
    pub fn values(&self) -> impl Iterator<Item = (&'a str, String)> {
        self.0.iter().map(|(name, value)| (*name, query_decoded(value)))
    }

    /// The value of the first of this name, decoded.
    pub fn value(&self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(this, _)| *this == name)?;
        Some(query_decoded(value))
    }
}

/// The address without the parameters of these names.
pub fn without_parameters(uri: Uri, is_left_out: impl Fn(&str) -> bool) -> Uri {
    let is_left_out = |pair: &&str| is_left_out(pair.split('=').next().unwrap_or_default());
    let Some(query) = uri.query().filter(|query| query.split('&').any(|pair| is_left_out(&pair)))
    else {
        return uri;
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_left_out(pair)).collect();
    let path_and_query = format!("{}?{}", uri.path(), kept.join("&"));
    // Parts of an address that was valid are valid.
    path_and_query.parse::<PathAndQuery>().map_or(uri, Uri::from)
}

/// The value of a parameter, where a space may be a plus.
fn query_decoded(text: &str) -> String {
    percent_decoded(&text.replace('+', " "))
}

/// `%2F` as `/`, and so on; what is no valid escape stays as it is.
pub fn percent_decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn domain() -> Domain {
        "gateway.test".parse().unwrap()
    }

    fn asked(method: &str, uri: &str) -> Asked {
        Asked::of(&Request::builder().method(method).uri(uri).body(()).unwrap(), &domain())
    }

    #[test]
    fn a_bucket_named_by_the_host_is_not_in_the_path() {
        for (path, operation, key) in
            [("/a/b", "GetObject", Some("a/b")), ("/", "ListObjects", None)]
        {
            let request = Request::builder().uri(path).header("host", "data.gateway.test:80");
            let asked = Asked::of(&request.body(()).unwrap(), &domain());
            assert_eq!((asked.operation, asked.bucket.as_deref()), (operation, Some("data")));
            assert_eq!(asked.key.as_deref(), key);
        }
    }

    #[test]
    fn operations_are_told_apart() {
        for (method, uri, operation) in [
            ("GET", "/", "ListBuckets"),
            ("PUT", "/b", "CreateBucket"),
            ("PUT", "/b/", "CreateBucket"),
            ("GET", "/b?location", "GetBucketLocation"),
            ("GET", "/b?versioning", "GetBucketVersioning"),
            ("PUT", "/b?versioning", "Other"),
            ("GET", "/b?object-lock", "GetObjectLockConfiguration"),
            ("GET", "/b?uploads=&prefix=p", "ListMultipartUploads"),
            ("GET", "/b?list-type=2&prefix=", "ListObjectsV2"),
            ("GET", "/b?prefix=", "ListObjects"),
            ("POST", "/b?delete", "DeleteObjects"),
            ("GET", "/b/k", "GetObject"),
            ("GET", "/b/k?tagging", "Other"),
            ("PUT", "/b/k?policy", "PutObject"),
            ("GET", "/b/k?uploadId=1", "ListParts"),
            ("PUT", "/b/k", "PutObject"),
            ("PUT", "/b/k?partNumber=1&uploadId=1", "UploadPart"),
            ("PUT", "/b/k?partNumber=x&uploadId=1", "PutObject"),
            ("PUT", "/b/k?uploadId=1", "PutObject"),
            ("POST", "/b/k?uploads", "CreateMultipartUpload"),
            ("POST", "/b/k?uploadId=1", "CompleteMultipartUpload"),
            ("DELETE", "/b/k?uploadId=1", "AbortMultipartUpload"),
            ("DELETE", "/b/k", "DeleteObject"),
            ("PATCH", "/b/k", "Other"),
        ] {
            assert_eq!(asked(method, uri).operation, operation, "{method} {uri}");
        }
    }

    #[test]
    fn a_copy_is_not_a_part() {
        let request =
            Request::builder().method("PUT").uri("/b/k").header("x-amz-copy-source", "/b/a");
        let asked = Asked::of(&request.body(()).unwrap(), &domain());
        assert_eq!((asked.operation, asked.part()), ("CopyObject", None));
    }

    #[test]
    fn the_address_of_a_part_is_read_whole() {
        let asked = asked("PUT", "/b/a%20b//c+d%25?partNumber=17&uploadId=u%2Fv");
        assert_eq!(asked.bucket.as_deref(), Some("b"));
        assert_eq!(asked.key.as_deref(), Some("a b//c+d%"));
        assert_eq!(asked.part_number, Some(17));
        assert_eq!(asked.upload_id.as_deref(), Some("u/v"));
        assert_eq!(asked.part(), Some(Direction::Up));
    }

    #[test]
    fn what_is_no_escape_stays_as_it_is() {
        assert_eq!(percent_decoded("100%"), "100%");
        assert_eq!(percent_decoded("%zz%4"), "%zz%4");
        assert_eq!(percent_decoded("%C3%A9%2f"), "é/");
    }

    proptest! {
        #[test]
        fn every_escaped_text_is_decoded(text in ".{0,40}") {
            let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(percent_decoded(&escaped), text);
        }
    }
}
