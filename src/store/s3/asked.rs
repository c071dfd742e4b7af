//! Whether an answer is one to what was asked, and whether what it says can be sent back.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::error::Call;
use crate::measure::{FailureClass, Probe};
use crate::store::StoreError;

/// What the names of a request may have together: in a URL each byte can become three, and a URL of more
/// than 65,534 bytes is none to the `http` crate, at which the SDK panics. S3's keys end at 1,024 bytes.
const NAMES_BYTES_MAX: usize = 16 << 10;

/// An ETag is an MD5 in hexadecimal, with a number of parts; whoever has another kind needs no more.
const ETAG_BYTES_MAX: usize = 1024;

/// Something of the head of an answer that says yes: the SDK does not hand it on.
#[derive(Clone)]
pub(super) struct OfAnswer<T> {
    take: fn(&HttpResponse) -> Option<T>,
    taken: Arc<OnceLock<T>>,
}

impl<T> OfAnswer<T> {
    /// What this takes from it.
    pub(super) fn new(take: fn(&HttpResponse) -> Option<T>) -> Self {
        Self { take, taken: Arc::default() }
    }

    /// What was there.
    pub(super) fn get(&self) -> Option<&T> {
        self.taken.get()
    }
}

impl<T> fmt::Debug for OfAnswer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfAnswer").finish_non_exhaustive()
    }
}

impl<T: Send + Sync> Intercept for OfAnswer<T> {
    fn name(&self) -> &'static str {
        "OfAnswer"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(value) = (self.take)(context.response()) {
            let _ = self.taken.set(value);
        }
        Ok(())
    }
}

impl Call<'_> {
    /// Sees that a request with these names can be made.
    pub(super) fn fits(&self, names: &[&str]) -> Result<(), StoreError> {
        let bytes = names.iter().map(|name| name.len()).sum::<usize>() + self.subject.len();
        match bytes <= NAMES_BYTES_MAX {
            true => Ok(()),
            false => Err(StoreError::new(
                FailureClass::Client,
                format!(
                    "{self}: bucket, key, id and token have {bytes} bytes, and a request holds {NAMES_BYTES_MAX} at most"
                ),
            )),
        }
    }

    /// An ETag that can be one.
    pub(super) fn etag(&self, etag: Option<String>) -> Result<Option<String>, StoreError> {
        match etag.as_ref().map_or(0, String::len) {
            0..=ETAG_BYTES_MAX => Ok(etag),
            bytes => Err(self.unreadable(&format!("its ETag has {bytes} bytes"))),
        }
    }

    /// Sees that the whole body was sent when a yes came: to what a server has not read it cannot say yes.
    pub(super) fn was_sent(&self, probe: &Probe) -> Result<(), StoreError> {
        match probe.sent_at() {
            Some(_) => Ok(()),
            None => Err(StoreError::new(
                FailureClass::Connection,
                format!("{self}: the answer said yes before the body was sent"),
            )),
        }
    }

    /// How many bytes are to come, if the answer tells, once it is seen to be one to what was asked: all of an
    /// object (200), or a range of it (206 with this `Content-Range`; RFC 9110, 15.3.7).
    pub(super) fn length(
        &self,
        asked: Option<&Range<u64>>,
        status: u16,
        content_range: Option<&str>,
        length: Option<u64>,
    ) -> Result<Option<u64>, StoreError> {
        let Some(asked) = asked else {
            return match status {
                200 => Ok(length),
                _ => {
                    Err(self.other(&format!("all of it was asked for and the answer is {status}")))
                }
            };
        };
        if status != 206 {
            return Err(self.other(&format!(
                "a range was asked for and the answer is {status}, all of it; `--get whole` asks for no ranges"
            )));
        }
        let said = content_range.unwrap_or("none");
        match content_range.and_then(read_range) {
            // An object that has become shorter ends before the range does: its length tells.
            Some(range) if range.start == asked.start && range.end <= asked.end => {
                match range.end - range.start {
                    bytes if length.is_none_or(|length| length == bytes) => Ok(Some(bytes)),
                    _ => Err(self.other(&format!("its length is not that of its range, {said}"))),
                }
            }
            _ => {
                let last = asked.end.saturating_sub(1);
                Err(self.other(&format!(
                    "bytes {}-{last} were asked for and the range is {said}",
                    asked.start
                )))
            }
        }
    }

    /// An answer to another question than ours. To ask again would show nothing new.
    fn other(&self, what: &str) -> StoreError {
        StoreError::new(FailureClass::Client, format!("{self}: {}", crate::escape::line(what)))
    }
}

/// `bytes 0-4/10`, or `*` where the whole length is not told. A range that ends before it begins or beyond the
/// whole is none (RFC 9110, 14.4).
fn read_range(text: &str) -> Option<Range<u64>> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    let range = first..last.checked_add(1)?;
    let within = whole == "*" || whole.parse::<u64>().is_ok_and(|whole| range.end <= whole);
    (within && !range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CALL: Call<'_> = Call { operation: "GetObject", subject: "key" };

    #[test]
    fn an_answer_is_taken_only_for_what_was_asked() {
        let length =
            |status, range, length| CALL.length(Some(&(5..10)), status, range, length).ok();
        assert_eq!(length(206, Some("bytes 5-9/20"), Some(5)), Some(Some(5)));
        assert_eq!(length(206, Some("bytes 5-9/*"), None), Some(Some(5)));
        assert_eq!(length(206, Some("bytes 5-7/8"), Some(3)), Some(Some(3)));
        for (status, range, bytes) in [
            (200, None, Some(20)),
            (200, Some("bytes 5-9/20"), Some(5)),
            (206, None, Some(5)),
            (206, Some("bytes 0-4/20"), Some(5)),
            (206, Some("bytes 5-10/20"), Some(6)),
            (206, Some("bytes 5-9/20"), Some(4)),
            (206, Some("bytes 9-5/20"), Some(5)),
            (206, Some("bytes 5-18446744073709551615/20"), Some(5)),
            (206, Some("bytes 5-9/9"), Some(5)),
            (206, Some("bytes 5-9/"), Some(5)),
            (206, Some("pages 5-9/20"), Some(5)),
        ] {
            assert_eq!(length(status, range, bytes), None, "{status} {range:?}");
        }
        assert_eq!(CALL.length(None, 200, None, None), Ok(None));
        assert!(CALL.length(None, 206, Some("bytes 0-4/5"), Some(5)).is_err());
    }

    proptest! {
        #[test]
        fn a_range_is_taken_if_it_begins_as_asked_and_ends_within(first in 0..9u64, last in 0..60u64, whole in 0..60u64) {
            let said = format!("bytes {first}-{last}/{whole}");
            let taken = CALL.length(Some(&(5..50)), 206, Some(&said), None).ok();
            let right = first == 5 && (5..50).contains(&last) && last < whole;
            prop_assert_eq!(taken, right.then(|| Some(last - 4)));
        }

        #[test]
        fn whatever_a_range_says_no_more_comes_than_was_asked(said in "(bytes )?[0-9]{0,3}-?[0-9]{0,20}/[0-9*]{0,3}") {
            if let Ok(bytes) = CALL.length(Some(&(5..50)), 206, Some(&said), None) {
                prop_assert!(bytes.is_some_and(|bytes| (1..=45).contains(&bytes)));
            }
        }
    }

    #[test]
    fn what_cannot_be_sent_back_is_refused_with_a_sentence() {
        let long = "k".repeat(70_000);
        let error = CALL.fits(&[&long]).unwrap_err();
        assert_eq!(
            error.message,
            "GetObject key: bucket, key, id and token have 70003 bytes, and a request holds 16384 at most"
        );
        let long = Call { operation: "ListParts", subject: &long };
        assert!(long.fits(&[]).unwrap_err().message.len() < 2000);
        assert!(CALL.fits(&["token"]).is_ok());
        assert!(CALL.etag(Some("e".repeat(5000))).is_err());
    }
}
