//! What went wrong, in the store's words: the class decides what the engine does about it.

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::error::ErrorMetadata;
use http::StatusCode;

use super::elsewhere::Elsewhere;
use super::http_client::{BadCertificate, TooLong};
use super::watchdog::StallLimit;
use crate::dataset::SourceError;
use crate::escape;
use crate::measure::FailureClass;
use crate::store::StoreError;
use crate::words;

/// An operation and what it is about, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// As S3 names it.
    pub(super) operation: &'static str,
    /// A key, a prefix or the bucket.
    pub(super) subject: &'a str,
}

impl fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, shortened(self.subject))
    }
}

impl Call<'_> {
    /// The SDK gave up.
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let answer = error.raw_response().filter(|_| is_refusal(error));
        match answer {
            Some(answer) if cannot_be_read(answer, error) => self.unreadable(&root_cause(error)),
            Some(answer) => {
                let explanation = cause::<TooLong>(error).map(ToString::to_string);
                self.refused(answer, error.code(), error.message().or(explanation.as_deref()))
            }
            None => self.broke(class_without_answer(error), error),
        }
    }

    /// The answer says yes, and what it says besides cannot be read. It would not be another time either.
    pub(super) fn unreadable(&self, what: &str) -> StoreError {
        self.said_yes(format!(
            "{self}: the answer says yes but cannot be read: {}",
            shortened(what)
        ))
    }

    /// What was asked for may have been done: the status tells.
    fn said_yes(&self, message: String) -> StoreError {
        StoreError { status: Some(200), ..StoreError::new(FailureClass::Client, message) }
    }

    /// The answer came, but not to its end.
    pub(super) fn broke(&self, class: FailureClass, error: &(dyn Error + 'static)) -> StoreError {
        let hint = hint_at(error);
        let message = format!("{self}: {}", shortened(&root_cause(error)));
        StoreError { hint, ..StoreError::new(class, message) }
    }

    /// Too little happened for too long.
    pub(super) fn stalled(&self, limit: StallLimit) -> StoreError {
        StoreError::new(FailureClass::Timeout, format!("{self}: no progress {limit}"))
    }

    /// The answer says yes but lacks what it must have.
    pub(super) fn incomplete(&self, what: &str) -> StoreError {
        self.said_yes(format!("{self}: the answer has no {what}"))
    }

    fn refused(
        &self,
        answer: &HttpResponse,
        code: Option<&str>,
        explanation: Option<&str>,
    ) -> StoreError {
        let status = answer.status().as_u16();
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let said = shortened(code.or(reason).unwrap_or_default());
        let mut message = format!("{self}: {status} {said}");
        if let Some(explanation) = explanation {
            // A server may write several lines; a message is one.
            let words: Vec<_> = explanation.split_whitespace().collect();
            message = format!("{message}: {}", shortened(&words.join(" ")));
        }
        let date = answer.headers().get("date").filter(|_| code == Some(TOO_SKEWED));
        if let Some(date) = date.and_then(http_date) {
            message = format!("{message}: {}", skew(date, SystemTime::now()));
        }
        let elsewhere = Elsewhere::told_by(answer, code);
        if let Some(elsewhere) = &elsewhere {
            message = format!("{message}: {elsewhere}");
        }
        StoreError {
            status: Some(status),
            code: code.map(str::to_owned),
            retry_after: answer.headers().get("retry-after").and_then(retry_after),
            hint: elsewhere.map(|elsewhere| elsewhere.next_step()),
            ..StoreError::new(class_of_answer(status, code), message)
        }
    }
}

/// Why no connection came about.
pub(super) fn not_connected(error: &ConnectorError) -> StoreError {
    let class = match error.is_timeout() {
        true => FailureClass::Timeout,
        false => FailureClass::Connection,
    };
    StoreError { hint: hint_at(error), ..StoreError::new(class, root_cause(error)) }
}

fn hint_at(error: &(dyn Error + 'static)) -> Option<String> {
    let mut bad = causes(error).filter_map(|cause| cause.downcast_ref::<BadCertificate>());
    bad.next().map(|bad| bad.next_step.clone())
}

/// The code of a request whose date is too far from the server's clock.
const TOO_SKEWED: &str = "RequestTimeTooSkewed";

/// How far the endpoint's clock, which shows `there`, is from ours, which shows `here`: to a second, and at least
/// one.
pub fn skew(there: SystemTime, here: SystemTime) -> String {
    let (way, by) = match there.duration_since(here) {
        Ok(ahead) => ("ahead of", ahead),
        Err(behind) => ("behind", behind.duration()),
    };
    let by = words::to_the_second(by.max(Duration::from_secs(1)));
    format!("the endpoint's clock is {by} {way} this machine's")
}

/// Whether the server said no: by its status, or by an error inside a 200 (CompleteMultipartUpload
/// sends its status before it knows).
fn is_refusal<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let status = error.raw_response().map_or(0, |answer| answer.status().as_u16());
    status >= 300 || matches!(error, SdkError::ServiceError(_))
}

/// Whether an answer says yes, by its status and by lacking an error document, and the SDK failed at one of
/// its headers or fields.
fn cannot_be_read<E>(answer: &HttpResponse, error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let says_no = error.code().is_some() || cause::<ErrorMetadata>(error).is_some();
    answer.status().is_success() && !says_no
}

/// The class of an answer that says no.
fn class_of_answer(status: u16, code: Option<&str>) -> FailureClass {
    match (status, code.unwrap_or_default()) {
        (429, _) => FailureClass::Throttled,
        (_, code) if code.starts_with("SlowDown") || code.starts_with("Throttling") => {
            FailureClass::Throttled
        }
        (_, "BadDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch") => {
            FailureClass::Checksum
        }
        // S3 answers 400 RequestTimeout or IncompleteBody when the body did not arrive.
        (408, _) | (_, "RequestTimeout") => FailureClass::Timeout,
        (_, "IncompleteBody") => FailureClass::Connection,
        // What a server does not do now it will not do later.
        (501, _) => FailureClass::Client,
        (500.., _) => FailureClass::Server,
        // An error inside a 200: S3 documents these as faults of its own, to be tried again.
        (200..=299, _) => FailureClass::Server,
        _ => FailureClass::Client,
    }
}

fn class_without_answer<E>(error: &SdkError<E, HttpResponse>) -> FailureClass
where
    E: Error + 'static,
{
    if cause::<SourceError>(error).is_some() {
        return FailureClass::Client;
    }
    match error {
        SdkError::TimeoutError(_) => FailureClass::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => FailureClass::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_user() => FailureClass::Client,
        SdkError::DispatchFailure(_) => FailureClass::Connection,
        // The head came; either the rest did not, or we cannot read it.
        _ if cause::<hyper::Error>(error).is_some() => FailureClass::Connection,
        _ => FailureClass::Client,
    }
}

/// What an error says at its root; the layers above only repeat that something failed.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// The first cause of this type.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(<dyn Error>::downcast_ref)
}

/// Characters of foreign text that a message repeats: enough for a key of S3's.
const SHOWN_MAX: usize = 1024;

/// Foreign text on one line, and not all of it if it is very long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        None => escape::line(text).into_owned(),
        Some((end, _)) => format!("{}... ({} bytes)", escape::line(&text[..end]), text.len()),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// Seconds or a date (RFC 9110, 10.2.3); a date in the past means now.
fn retry_after(value: &str) -> Option<Duration> {
    let digits = value.trim();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is as long as it can be.
        return Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)));
    }
    Some(http_date(value)?.duration_since(SystemTime::now()).unwrap_or_default())
}

/// A date as HTTP writes it.
pub(super) fn http_date(value: &str) -> Option<SystemTime> {
    DateTime::from_str(value.trim(), Format::HttpDate).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_follows_from_status_and_code() {
        use FailureClass::{Checksum, Client, Connection, Server, Throttled, Timeout};
        let cases = [
            (429, None, Throttled),
            (503, Some("SlowDown"), Throttled),
            (503, Some("SlowDownWrite"), Throttled),
            (400, Some("ThrottlingException"), Throttled),
            (503, Some("ServiceUnavailable"), Server),
            (502, None, Server),
            (501, Some("NotImplemented"), Client),
            (200, Some("InternalError"), Server),
            (200, Some("SlowDown"), Throttled),
            (400, Some("BadDigest"), Checksum),
            (400, Some("XAmzContentSHA256Mismatch"), Checksum),
            (400, Some("RequestTimeout"), Timeout),
            (408, None, Timeout),
            (400, Some("IncompleteBody"), Connection),
            (403, Some("SignatureDoesNotMatch"), Client),
            (404, Some("NoSuchBucket"), Client),
            (301, Some("PermanentRedirect"), Client),
        ];
        for (status, code, class) in cases {
            assert_eq!(class_of_answer(status, code), class, "{status} {code:?}");
        }
    }

    #[test]
    fn the_way_and_the_size_of_a_skew_are_said() {
        let at = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let ahead = skew(at, at - Duration::from_secs(3661));
        assert_eq!(ahead, "the endpoint's clock is 1h 1m 1s ahead of this machine's");
        let behind = skew(at, at + Duration::from_secs(1200));
        assert_eq!(behind, "the endpoint's clock is 20m behind this machine's");
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        assert_eq!(retry_after("12"), Some(Duration::from_secs(12)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let century = retry_after("Sun, 06 Nov 2094 08:49:37 GMT").unwrap();
        assert!(century > Duration::from_secs(365 * 24 * 3600), "{century:?}");
        assert_eq!(retry_after(&"9".repeat(30)), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after(" "), None);
        assert_eq!(retry_after("-1"), None);
    }
}
