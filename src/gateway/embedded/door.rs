//! What Storj's gateway looks at before it asks who sends a request, in its order (`storj/minio`
//! cmd/generic-handlers.go, cmd/api-router.go).

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_LENGTH, ORIGIN,
};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Response};
use s3s::{Body, S3Error, S3Result, s3_error};

use super::answer::WithoutRanges;
use super::refused::not_implemented;
use crate::gateway::asked::{Asked, Query, percent_decoded};
use crate::gateway::signature::{self, custom, is_form};
use crate::result::Direction;

/// Most bytes of `x-amz-meta-*` headers, names and values together (maxUserDataSize).
const METADATA_MOST_BYTES: usize = 2 << 10;
/// Most bytes of all headers (maxHeaderSize).
const HEADERS_MOST_BYTES: usize = 8 << 10;
/// The bucket that nobody can have (minioReservedBucket), and what is asked there whether a gateway is well.
const RESERVED_BUCKET: &str = "minio";
const HEALTH: [&str; 4] = ["live", "ready", "cluster", "cluster/read"];
/// Headers with keys of the customer's own.
const CUSTOMER_KEYS: [&str; 2] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
];
/// Aspects that are refused whoever asks: name, methods, and whether objects have it alone (rejectedAPIs).
const REJECTED: [(&str, &str, bool); 14] = [
    ("inventory", "GET PUT DELETE", false),
    ("cors", "PUT DELETE", false),
    ("metrics", "GET PUT DELETE", false),
    ("website", "PUT", false),
    ("logging", "PUT DELETE", false),
    ("accelerate", "PUT DELETE", false),
    ("requestPayment", "PUT DELETE", false),
    ("torrent", "PUT DELETE GET", true),
    ("acl", "DELETE PUT HEAD", false),
    ("publicAccessBlock", "DELETE PUT GET", false),
    ("ownershipControls", "DELETE PUT GET", false),
    ("intelligent-tiering", "DELETE PUT GET", false),
    ("analytics", "DELETE PUT GET", false),
    ("notification", "PUT", false),
];

/// The answer to a request that is none of S3's: of a browser before it asks, or whether the gateway is well.
pub fn beside_s3(head: &Parts) -> Option<Response<Body>> {
    if head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        let mut response = Response::new(Body::empty());
        let origin = head.headers.get(ORIGIN).cloned();
        let headers = response.headers_mut();
        headers.insert("vary", HeaderValue::from_static("Access-Control-Request-Headers"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin?);
        response.extensions_mut().insert(WithoutRanges);
        return Some(response);
    }
    let health = head.uri.path().strip_prefix("/minio/health/")?;
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    (reads && HEALTH.contains(&health)).then(|| Response::new(Body::empty()))
}

/// Whether a request may go on to who asks for its signature.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(head: &Parts, asked: &Asked, scheme: &Scheme) -> S3Result<()> {
    check_size(&head.headers)?;
    check_names(head)?;
    let has_key = CUSTOMER_KEYS.iter().any(|name| head.headers.contains_key(*name));
    if *scheme == Scheme::HTTP && has_key {
        return Err(s3_error!(
            InvalidRequest,
            "Requests specifying Server Side Encryption with Customer provided keys must be made \
             over a secure connection."
        ));
    }
    if asked.bucket.as_deref().is_some_and(|bucket| bucket.contains('/')) {
        return Err(s3_error!(InvalidBucketName));
    }
    if asked.bucket.as_deref() == Some(RESERVED_BUCKET) {
        let message = "All access to this bucket has been disabled.";
        return Err(custom("AllAccessDisabled", 403, message));
    }
    check_route(head, asked)?;
    if asked.part() == Some(Direction::Up) && !head.headers.contains_key(CONTENT_LENGTH) {
        return Err(s3_error!(MissingContentLength));
    }
    signature::check_chunks(&head.headers)
}

fn check_size(headers: &HeaderMap) -> S3Result<()> {
    let (mut all, mut metadata) = (0, 0);
    for (name, value) in headers {
        let (name, bytes) = (name.as_str(), name.as_str().len() + value.len());
        all += bytes;
        if name.starts_with("x-amz-meta-") || name.starts_with("x-minio-meta-") {
            metadata += bytes;
        }
    }
    if all > HEADERS_MOST_BYTES || metadata > METADATA_MOST_BYTES {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size."
        ));
    }
    Ok(())
}

/// No component of the path, or of a value in the query, may be `.` or `..`.
fn check_names(head: &Parts) -> S3Result<()> {
    let is_bad = |text: &str| {
        let mut components = text.trim().split('/').map(str::trim);
        components.any(|component| matches!(component, "." | ".."))
    };
    let path = head.uri.path();
    let is_plain = !path.contains('%') && head.uri.query().is_none();
    if is_plain && !path.contains("/.") && !path.contains(' ') {
        return Ok(());
    }
    let query = Query::of(&head.uri);
    let mut values = query.values().filter(|(name, _)| *name != "delimiter");
    if is_bad(&percent_decoded(path)) || values.any(|(_, value)| is_bad(&value)) {
        let message = "Resource name contains bad components such as \"..\" or \".\".";
        return Err(custom("XMinioInvalidResourceName", 400, message));
    }
    Ok(())
}

fn check_route(head: &Parts, asked: &Asked) -> S3Result<()> {
    let query = Query::of(&head.uri);
    let method = head.method.as_str();
    let is_object = asked.key.is_some();
    let is_routed = match (&asked.bucket, is_object, method) {
        (None, _, "GET") => true,
        (Some(_), _, "GET" | "HEAD" | "PUT" | "DELETE") => true,
        (Some(_), false, "POST") => query.has("delete") || is_form(head),
        (Some(_), true, "POST") => {
            ["uploads", "uploadId", "select", "restore"].iter().any(|aspect| query.has(aspect))
        }
        _ => false,
    };
    if head.uri.query().is_none() {
        return if is_routed { Ok(()) } else { Err(no_route(head)) };
    }
    let rejected = |(aspect, methods, of_objects): &(&str, &str, bool)| {
        query.has(aspect)
            && methods.split(' ').any(|rejected| rejected == method)
            && (is_object || !of_objects)
    };
    if asked.bucket.is_some() && REJECTED.iter().any(rejected) {
        return Err(not_implemented());
    }
    if is_routed { Ok(()) } else { Err(no_route(head)) }
}

fn no_route(head: &Parts) -> S3Error {
    let path = percent_decoded(head.uri.path());
    let message =
        format!("An error occurred when parsing the HTTP request {} at '{path}'", head.method);
    custom("BadRequest", 400, &message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn code(request: http::request::Builder) -> Option<String> {
        let request = request.body(()).unwrap();
        let asked = Asked::of(&request, &"gateway.test".parse().unwrap());
        let (head, ()) = request.into_parts();
        let error = check(&head, &asked, &Scheme::HTTP).err()?;
        Some(error.code().as_str().to_owned())
    }

    #[test]
    fn no_component_of_a_name_is_a_dot_or_two() {
        for bad in ["/b/o/../x", "/b/o/%2e/x", "/b/.", "/b?prefix=..%2Fx", "/b?marker=%20."] {
            let code = code(Request::get(bad));
            assert_eq!(code.as_deref(), Some("XMinioInvalidResourceName"), "{bad}");
        }
        for good in ["/b/o/.x", "/b/...", "/b/a..b", "/b?delimiter=.", "/b/o//x"] {
            assert_eq!(code(Request::get(good)), None, "{good}");
        }
    }

    #[test]
    fn metadata_are_at_most_2_kib_with_their_names() {
        let put = |bytes: usize| {
            let name = "x-amz-meta-k";
            let put = Request::put("/b/k").header(CONTENT_LENGTH, 0);
            code(put.header(name, "v".repeat(bytes - name.len())))
        };
        assert_eq!(put(2048), None);
        assert_eq!(put(2049).as_deref(), Some("MetadataTooLarge"));
        let other = Request::put("/b/k").header("x-other", "v".repeat(9000));
        assert_eq!(code(other).as_deref(), Some("MetadataTooLarge"));
    }

    #[test]
    fn what_is_no_operation_of_s3_is_a_bad_request() {
        for (method, uri) in
            [("PATCH", "/b/k"), ("POST", "/b/k"), ("POST", "/b"), ("DELETE", "/"), ("HEAD", "/")]
        {
            let code = code(Request::builder().method(method).uri(uri));
            assert_eq!(code.as_deref(), Some("BadRequest"), "{method} {uri}");
        }
        assert_eq!(code(Request::get("/b?analytics")).as_deref(), Some("NotImplemented"));
        assert_eq!(code(Request::get("/minio/x")).as_deref(), Some("AllAccessDisabled"));
    }
}
