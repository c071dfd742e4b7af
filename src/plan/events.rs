//! The events of Globus tasks: which errors there were, and what time they may have taken.

use std::collections::BTreeMap;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Result};

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
pub(super) fn at_s(time: &str) -> Option<f64> {
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
