//! Aspects of buckets and objects that Storj's gateway does not have, but answers for: what it says of them is
//! always the same.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use s3s::{Body, S3Error, S3ErrorCode, S3Result, s3_error};

use super::answer::WithoutRanges;
use super::attributes::http_date;
use super::refused::not_implemented;
use super::{Content, Embedded};
use crate::gateway::asked::{Asked, Query};
use crate::gateway::signature::custom;
use crate::storj::{Object, ObjectLock};

/// The owner of everything, who has no name.
const ACCESS_CONTROL: &str = "<AccessControlPolicy><Owner><ID></ID><DisplayName></DisplayName></Owner>\
    <AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
    xsi:type=\"CanonicalUser\"><Type>CanonicalUser</Type></Grantee><Permission>FULL_CONTROL</Permission>\
    </Grant></AccessControlList></AccessControlPolicy>";
const POLICY_STATUS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <PolicyStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsPublic>FALSE</IsPublic></PolicyStatus>";
const NOTIFICATION: &str = "<NotificationConfiguration></NotificationConfiguration>";
const LOGGING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
    <BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></BucketLoggingStatus>";
const ACCELERATE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
    <AccelerateConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>";
const REQUEST_PAYMENT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
    <RequestPaymentConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <Payer>BucketOwner</Payer></RequestPaymentConfiguration>";

/// The answer, if the request asks for such an aspect.
pub fn answer(store: &Embedded, head: &Parts, asked: &Asked) -> Option<S3Result<Response<Body>>> {
    head.uri.query()?;
    let bucket = asked.bucket.as_deref()?;
    let query = Query::of(&head.uri);
    match &asked.key {
        None => {
            let answer = of_bucket(head.method.as_str(), &query)?;
            Some(store.bucket(bucket, |_| Ok(())).and(answer))
        }
        Some(key) => of_object(store, head, &query, bucket, key),
    }
}

fn of_bucket(method: &str, query: &Query<'_>) -> Option<S3Result<Response<Body>>> {
    let unimplemented = ["policy", "lifecycle", "encryption", "replication", "website"];
    let aspects = [
        "acl",
        "policyStatus",
        "cors",
        "website",
        "notification",
        "logging",
        "accelerate",
        "requestPayment",
        "tagging",
        "policy",
        "lifecycle",
        "encryption",
        "replication",
    ];
    let aspect = aspects.into_iter().find(|aspect| query.has(aspect))?;
    Some(match (method, aspect) {
        ("GET", "acl") => Ok(text(ACCESS_CONTROL)),
        ("GET", "policyStatus") => Ok(xml(POLICY_STATUS)),
        ("GET", "notification") => Ok(xml(NOTIFICATION)),
        ("GET", "logging") => Ok(xml(LOGGING)),
        ("GET", "accelerate") => Ok(xml(ACCELERATE)),
        ("GET", "requestPayment") => Ok(xml(REQUEST_PAYMENT)),
        ("GET", "cors") => {
            Err(custom("NoSuchCORSConfiguration", 404, "The CORS configuration does not exist"))
        }
        ("GET", "website") => Err(custom(
            "NoSuchWebsiteConfiguration",
            404,
            "The specified bucket does not have a website configuration",
        )),
        // Its policies are compared with its buckets before anything else.
        ("PUT", "policy") => Err(custom("MalformedPolicy", 400, "Policy has invalid resource.")),
        (_, "tagging") => Err(s3_error!(NotImplemented, "uplink: unimplemented")),
        (_, aspect) if unimplemented.contains(&aspect) => Err(not_implemented()),
        _ => return None,
    })
}

fn of_object(
    store: &Embedded,
    head: &Parts,
    query: &Query<'_>,
    bucket: &str,
    key: &str,
) -> Option<S3Result<Response<Body>>> {
    let object = || store.bucket(bucket, |bucket| bucket.object(key).cloned());
    let is_lock = query.has("retention") || query.has("legal-hold");
    Some(match head.method.as_str() {
        "GET" if query.has("acl") => object().map(|_| text(ACCESS_CONTROL)),
        "GET" if query.has("attributes") => {
            object().and_then(|object| attributes(&object, &head.headers))
        }
        "GET" | "PUT" if is_lock => Err(lock_of_object(store, bucket)),
        "POST" if query.has("select") => Err(custom(
            "InvalidExpressionType",
            400,
            "The ExpressionType is invalid. Only SQL expressions are supported.",
        )),
        "POST" if query.has("restore") => object().and_then(|_| {
            let message = "The operation is not valid for the current state of the object.";
            Err(S3Error::with_message(S3ErrorCode::InvalidObjectState, message))
        }),
        _ => return None,
    })
}

/// GetObjectAttributes (`storj/minio` cmd/object-handlers.go): of parts and checksums nothing is known.
fn attributes(object: &Object<Content>, headers: &HeaderMap) -> S3Result<Response<Body>> {
    let asked = headers.get("x-amz-object-attributes");
    let asked = asked.and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let (mut etag, mut class, mut size) = (String::new(), String::new(), String::new());
    for name in asked.split(',').map(str::trim) {
        match name {
            "ETag" => etag = format!("<ETag>{}</ETag>", object.etag),
            "StorageClass" => class = "<StorageClass>STANDARD</StorageClass>".into(),
            "ObjectSize" => size = format!("<ObjectSize>{}</ObjectSize>", object.size_bytes()),
            "Checksum" | "ObjectParts" => {}
            _ => {
                return Err(s3_error!(InvalidArgument, "Invalid attribute name specified."));
            }
        }
    }
    let mut response = xml(&format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<GetObjectAttributesResponse \
         xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{etag}{class}{size}\
         </GetObjectAttributesResponse>"
    ));
    if let Some(date) = http_date(object.modified) {
        response.headers_mut().insert(http::header::LAST_MODIFIED, date);
    }
    Ok(response)
}

/// What is said of locks: buckets without them are told apart, but those with them are not modelled.
pub fn lock_of_object(store: &Embedded, bucket: &str) -> S3Error {
    match store.bucket(bucket, |bucket| Ok(bucket.lock())) {
        Err(error) => error,
        Ok(ObjectLock::Disabled) => {
            s3_error!(InvalidRequest, "Bucket is missing Object Lock Configuration")
        }
        Ok(ObjectLock::Enabled) => not_implemented(),
    }
}

fn xml(body: &str) -> Response<Body> {
    of_kind("application/xml", body)
}

fn text(body: &str) -> Response<Body> {
    let mut response = of_kind("text/plain; charset=utf-8", body);
    response.extensions_mut().insert(WithoutRanges);
    response
}

fn of_kind(kind: &'static str, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_owned()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
