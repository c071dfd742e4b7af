//! A real Globus task, and its events: which errors there were, and what time they may have taken.
//!
//! A task is what `globus task show TASK_ID -F json` prints (the Transfer API's task document).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::shape::Shape;
use crate::error::{Error, Result};

/// A task that succeeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// Its label, or its id.
    pub name: String,
    /// Files that were transferred.
    pub files: u64,
    /// Bytes that were transferred.
    pub bytes: u64,
    /// From the request to the end.
    pub seconds: f64,
    /// Whether checksums were compared.
    pub verified: bool,
    /// Errors on the way.
    pub faults: u64,
    /// Files that a sync found to be there already, or that could not be read and were left out for that.
    #[serde(default)]
    pub files_skipped: u64,
    /// When it was requested and completed, in seconds since 1970.
    #[serde(skip)]
    pub during_s: [f64; 2],
}

/// One of what `globus task event-list -F json` prints.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened, in Globus's word.
    pub code: String,
    /// Whether it is an error.
    pub is_error: bool,
    /// When, in seconds since 1970; `None` where it does not say.
    pub at_s: Option<f64>,
}

/// Errors of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    errors: BTreeMap<String, u32>,
    /// Seconds from an error to the next event that is none, or to the end: what errors took at most.
    pub lost_s: f64,
}

#[derive(Deserialize)]
struct Shown {
    task_id: Option<String>,
    label: Option<String>,
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    files: Option<u64>,
    files_transferred: Option<u64>,
    files_skipped: Option<u64>,
    subtasks_skipped_errors: Option<u64>,
    bytes_transferred: Option<u64>,
    request_time: Option<String>,
    completion_time: Option<String>,
    verify_checksum: Option<bool>,
    faults: Option<u64>,
}

impl Task {
    /// Reads what `globus task show -F json` prints.
    ///
    /// # Errors
    /// If it is something else, or the task did not succeed.
    pub fn read(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::environment(format!("this Globus task cannot be used: {why}")).hint(
                "save what `globus task show TASK_ID -F json` prints, of a transfer that succeeded",
            )
        };
        let shown: Shown = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        if shown.kind.as_deref().is_some_and(|kind| kind != "TRANSFER") {
            return Err(wrong("it is not a transfer"));
        }
        match shown.status.as_deref() {
            Some("SUCCEEDED") => {}
            Some(other) => return Err(wrong(&format!("its status is {other}"))),
            None => return Err(wrong("it has no status")),
        }
        let time = |text: Option<String>| at_s(&text?);
        let times = time(shown.request_time).zip(time(shown.completion_time));
        let (from, to) =
            times.ok_or_else(|| wrong("request_time or completion_time is missing"))?;
        let files = shown
            .files_transferred
            .or_else(|| Some(shown.files?.saturating_sub(shown.files_skipped.unwrap_or(0))));
        let (files, bytes) = (files.unwrap_or(0), shown.bytes_transferred.unwrap_or(0));
        let seconds = to - from;
        let [there_already, unreadable] =
            [shown.files_skipped, shown.subtasks_skipped_errors].map(Option::unwrap_or_default);
        let skipped = there_already.saturating_add(unreadable);
        if files == 0 && skipped > 0 {
            return Err(wrong(&format!("it skipped all {skipped} files")));
        }
        if files == 0 || bytes == 0 || seconds <= 0.0 {
            return Err(wrong("it moved nothing, or in no time"));
        }
        Ok(Self {
            name: shown.label.or(shown.task_id).unwrap_or_else(|| "a task".into()),
            files,
            bytes,
            seconds,
            verified: shown.verify_checksum.unwrap_or(true),
            faults: shown.faults.unwrap_or(0),
            files_skipped: skipped,
            during_s: [from, to],
        })
    }

    /// Whether these are as many files of as many bytes, to one in a hundred.
    pub(super) fn is_of(&self, shape: &Shape) -> bool {
        let near = |one: f64, other: f64| (one / other - 1.0).abs() < 0.01;
        near(shape.files(), self.files as f64) && near(shape.bytes(), self.bytes as f64)
    }

    /// Why nothing is learned from it: no model knows what it takes to look at files that are not moved.
    pub(super) fn left_out(&self) -> Option<String> {
        let Self { name, files, files_skipped, .. } = self;
        let all = files.saturating_add(*files_skipped);
        (*files_skipped > 0).then(|| {
            format!(
                "{}: it skipped {files_skipped} of {all} files, which were there already or could not be read; it is not compared and not fitted, for looking at \
                 those took time, too",
                name.escape_debug()
            )
        })
    }

    /// Effective speed.
    pub(super) fn speed(&self) -> f64 {
        self.bytes as f64 / self.seconds
    }
}

/// Reads what `globus task event-list -F json` prints.
///
/// # Errors
/// If it is something else.
pub fn events(text: &str) -> Result<Vec<Event>> {
    #[derive(Deserialize)]
    struct Listed {
        code: String,
        #[serde(default)]
        is_error: bool,
        time: Option<String>,
    }
    #[derive(Deserialize)]
    struct Events {
        #[serde(rename = "DATA")]
        data: Vec<Listed>,
    }
    let events: Events = serde_json::from_str(text).map_err(|error| {
        Error::environment(format!("this is not a list of a Globus task's events: {error}"))
            .hint("save what `globus task event-list TASK_ID -F json` prints")
    })?;
    let event = |Listed { code, is_error, time }| Event {
        code,
        is_error,
        at_s: time.and_then(|time| at_s(&time)),
    };
    Ok(events.data.into_iter().map(event).collect())
}

/// A time as Globus writes it, in seconds since 1970.
fn at_s(time: &str) -> Option<f64> {
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    Some(time.unix_timestamp_nanos() as f64 / 1e9)
}

/// How often each code of an error is among them.
pub fn errors_by_code(events: &[Event]) -> BTreeMap<String, u32> {
    let mut errors = BTreeMap::new();
    for event in events.iter().filter(|event| event.is_error) {
        *errors.entry(event.code.clone()).or_default() += 1;
    }
    errors
}

impl Trouble {
    /// The errors in this time; `None` if there are none. The list does not say of which task an event is.
    pub fn during(events: &[Event], [from_s, to_s]: [f64; 2]) -> Option<Self> {
        let is_within = |event: &&Event| event.at_s.is_some_and(|at| (from_s..=to_s).contains(&at));
        let mut own: Vec<Event> = events.iter().filter(is_within).cloned().collect();
        own.sort_by(|one, other| one.at_s.partial_cmp(&other.at_s).expect("times are numbers"));
        let errors = errors_by_code(&own);
        let (mut lost_s, mut since) = (0.0, None);
        for event in &own {
            match (event.is_error, since, event.at_s) {
                (true, None, at) => since = at,
                (false, Some(error_s), Some(at)) => {
                    lost_s += at - error_s;
                    since = None;
                }
                _ => {}
            }
        }
        lost_s += since.map_or(0.0, |error_s| to_s - error_s);
        (!errors.is_empty()).then_some(Self { errors, lost_s })
    }
}

/// `TIMEOUT 2 times, PERMISSION_DENIED once`.
impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = self.errors.iter().map(|(code, times)| match times {
            1 => format!("{code} once"),
            times => format!("{code} {times} times"),
        });
        f.write_str(&said.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"DATA":[
        {"code":"SUCCEEDED","is_error":false,"time":"2026-01-02T03:10:00+00:00"},
        {"code":"PROGRESS","is_error":false,"time":"2026-01-02T03:06:00+00:00"},
        {"code":"TIMEOUT","is_error":true,"time":"2026-01-02T03:04:00+00:00"},
        {"code":"TIMEOUT","is_error":true,"time":"2026-01-02T03:03:00+00:00"},
        {"code":"STARTED","is_error":false,"time":"2026-01-02T03:00:00+00:00"},
        {"code":"CONNECTION_RESET","is_error":true,"time":"2026-01-01T03:00:00+00:00"}]}"#;

    #[test]
    fn time_is_lost_from_an_error_to_the_next_progress() {
        let events = events(LIST).unwrap();
        let began = OffsetDateTime::parse("2026-01-02T03:00:00Z", &Rfc3339).unwrap();
        let began = began.unix_timestamp() as f64;
        let trouble = Trouble::during(&events, [began, began + 600.0]).unwrap();
        assert_eq!(trouble.lost_s, 180.0);
        assert_eq!(trouble.to_string(), "TIMEOUT 2 times", "that of another day is not its");
        assert_eq!(Trouble::during(&events, [began + 300.0, began + 600.0]), None);
    }

    #[test]
    fn what_is_no_list_of_events_is_refused_in_a_sentence() {
        for bad in ["", "[]", "{}", r#"{"DATA":[{"is_error":true}]}"#] {
            let error = events(bad).unwrap_err().to_string();
            assert!(error.contains("not a list") && error.contains("hint: "), "{error}");
        }
    }
}
