//! What all answers of Storj's gateway have in common: their headers, and how an error is written (`storj/minio`
//! cmd/api-response.go, cmd/api-errors.go).

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Response, StatusCode, Uri};
use s3s::{Body, StdError};

use crate::gateway::asked::{Asked, percent_decoded};
use crate::gateway::signature::is_form;

/// The id of the gateway, which has none.
const HOST_ID: &str = "00000000-0000-0000-0000-000000000000";
const XML: &str = "application/xml";

/// The code of an error, as an extension of its answer: a HEAD has no body to read it from.
#[derive(Clone, Debug)]
pub struct ErrorCode(pub String);

/// That an answer does not say that ranges can be asked for, as an extension of it: some of Storj's gateway do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithoutRanges;

/// What an answer says of its request.
pub struct About<'a> {
    asked: &'a Asked,
    request_id: &'a str,
    /// What clients reach the gateway by.
    scheme: &'a Scheme,
    heads_only: bool,
    is_form: bool,
    uri: Uri,
    host: Option<HeaderValue>,
    origin: Option<HeaderValue>,
}

impl<'a> About<'a> {
    /// Of this request.
    pub fn of(head: &Parts, asked: &'a Asked, request_id: &'a str, scheme: &'a Scheme) -> Self {
        Self {
            asked,
            request_id,
            scheme,
            heads_only: head.method == Method::HEAD,
            is_form: is_form(head),
            uri: head.uri.clone(),
            host: head.headers.get(HOST).cloned(),
            origin: head.headers.get(ORIGIN).cloned(),
        }
    }
}

/// The answer as Storj's gateway gives it.
///
/// # Errors
/// If it cannot be put together.
pub fn finished(
    mut response: Response<Body>,
    about: &About<'_>,
) -> Result<Response<Body>, StdError> {
    if response.status() == StatusCode::NOT_MODIFIED {
        // It has no body (RFC 9110, 15.4.5), nor what describes one.
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
    } else if response.status().is_client_error() || response.status().is_server_error() {
        response = with_error(response, about)?;
    }
    if about.is_form && response.status() == StatusCode::CREATED {
        response = with_whole_location(response, about);
    }
    let code = response.extensions().get().map(|ErrorCode(code)| code.as_str());
    let is_malformed = code == Some("MalformedXML");
    // s3s does not look at the status that an operation asks for.
    if let Some(status) = response.extensions().get::<StatusCode>().copied() {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    let is_complete = about.asked.operation == "CompleteMultipartUpload";
    let is_of_upload = is_complete && !is_malformed;
    if is_of_upload {
        headers.insert("cache-control", HeaderValue::from_static("no-cache"));
    }
    if let Some(origin) = &about.origin
        && !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    add_common_headers(&mut response, about.request_id)?;
    Ok(response)
}

/// The headers that every answer of Storj has.
///
/// # Errors
/// If the request's id is no text.
pub fn add_common_headers(response: &mut Response<Body>, request_id: &str) -> Result<(), StdError> {
    let has_no_ranges = response.extensions().get() == Some(&WithoutRanges);
    let headers = response.headers_mut();
    headers.insert("server", HeaderValue::from_static("Storj"));
    if !has_no_ranges {
        headers.insert("accept-ranges", HeaderValue::from_static("bytes"));
    }
    headers.insert("x-amz-request-id", HeaderValue::from_str(request_id)?);
    if !headers.contains_key(VARY) {
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
    Ok(())
}

/// The answer to a form, which says where the object is, and its ETag in quotes.
fn with_whole_location(response: Response<Body>, about: &About<'_>) -> Response<Body> {
    let host = about.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let endpoint = format!("{}://{host}", about.scheme);
    response.map(|body| {
        let text = String::from_utf8_lossy(&body.bytes().unwrap_or_default()).into_owned();
        let text = text.replacen("<Location>/", &format!("<Location>{}/", endpoint), 1);
        let text = text.replacen("<ETag>", "<ETag>&#34;", 1);
        Body::from(text.replacen("</ETag>", "&#34;</ETag>", 1))
    })
}

/// The error in the words of Storj's gateway.
fn with_error(mut response: Response<Body>, about: &About<'_>) -> Result<Response<Body>, StdError> {
    let body = response.body().bytes().unwrap_or_default();
    let said = String::from_utf8_lossy(&body);
    let element = |name: &str| {
        let (_, behind) = said.split_once(&format!("<{name}>"))?;
        behind.split_once(&format!("</{name}>")).map(|(text, _)| unescaped(text))
    };
    let mut code = element("Code").unwrap_or_default();
    let mut message = element("Message").unwrap_or_default();
    if about.is_form && code == "InvalidPolicyDocument" {
        code = "AccessDenied".into();
        message = "Access Denied. (Invalid according to Policy: Policy Condition failed)".into();
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    if about.is_form && message == "Request has expired" {
        message = "Access Denied. (Invalid according to Policy: Policy expired)".into();
    }
    if message.is_empty() {
        message = usual_message(&code).to_owned();
    }
    let text = written(&code, &message, about);
    response.extensions_mut().insert(ErrorCode(code.clone()));
    let has_length =
        !about.heads_only || matches!(code.as_str(), "PreconditionFailed" | "BadRequest");
    let headers = response.headers_mut();
    if has_length {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(XML));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    } else {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
        if headers.get(CONTENT_TYPE).is_some_and(|kind| kind == XML) {
            headers.remove(CONTENT_TYPE);
        }
    }
    *response.body_mut() = if about.heads_only { Body::empty() } else { Body::from(text) };
    Ok(response)
}

fn written(code: &str, message: &str, about: &About<'_>) -> String {
    let optional = |name: &str, value: &Option<String>| {
        value
            .as_ref()
            .map_or_else(String::new, |value| format!("<{name}>{}</{name}>", escaped(value)))
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>\
         {}{}<Resource>{}</Resource><RequestId>{}</RequestId><HostId>{HOST_ID}</HostId></Error>",
        escaped(message),
        optional("Key", &about.asked.key),
        optional("BucketName", &about.asked.bucket),
        escaped(&percent_decoded(about.uri.path())),
        about.request_id,
    )
}

/// Errors of s3s that come without words.
fn usual_message(code: &str) -> &'static str {
    match code {
        "AccessDenied" => "Access Denied.",
        "BadDigest" => {
            "The Content-MD5 or checksum value that you specified did not match what the server received."
        }
        "EntityTooLarge" => "Your proposed upload exceeds the maximum allowed object size.",
        "IncompleteBody" => {
            "You did not provide the number of bytes specified by the Content-Length HTTP header."
        }
        "InternalError" => "We encountered an internal error, please try again.",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema."
        }
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your \
             key and signing method."
        }
        _ => "",
    }
}

/// As Go's encoding/xml writes it. Characters that XML 1.0 does not have are replaced.
fn escaped(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&#34;"),
            '\'' => written.push_str("&#39;"),
            '\t' => written.push_str("&#x9;"),
            '\n' => written.push_str("&#xA;"),
            '\r' => written.push_str("&#xD;"),
            c if c.is_ascii_control() => written.push('\u{fffd}'),
            c => written.push(c),
        }
    }
    written
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&apos;", "'").replace("&quot;", "\"").replace("&amp;", "&")
}
