//! The marker object: the first that a run writes below its prefix, the last that it takes away.
//!
//! It proves itself. A run's name ends in the first half of the SHA-256 of a random token that only its marker
//! holds. Whoever may write to the bucket can put a text that looks like a marker anywhere, but not one whose
//! token fits the name of a place that is there already.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::error::{Error, Result};
use crate::measure;

/// How often it is written anew: the sign of life of a run.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(60);

/// A run that was silent for so long is dead (ASSUMPTION).
pub const SILENCE_MIN: Duration = Duration::from_secs(600);

/// Name of the marker below a run's prefix.
const NAME: &str = ".tidegate-run.json";

/// What the prefix of a run begins with, below the target's prefix.
const RUN: &str = "tidegate-";

/// The value of [`Marker::tool`].
const TOOL: &str = "tidegate";

/// Bytes of a token: nobody guesses one.
const TOKEN_BYTES: usize = 16;

/// Bytes of its hash in a name: to find a token for a given name takes 2^64 trials.
const PROOF_BYTES: usize = 8;

/// Length of `20260101T000000Z`.
const START_LENGTH: usize = 16;

/// The name of a run and the token that proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    name: String,
    token: String,
}

/// Whose a prefix is, and since when nothing was heard of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    tool: String,
    run: String,
    token: String,
    pub(super) owner: String,
    /// When the run claimed its prefix, RFC 3339, by the owner's clock.
    began: String,
    /// When it was alive, in the same way.
    heartbeat: String,
    /// Whether the objects are directly at the target, to stay.
    pub(super) keeps: bool,
}

impl Identity {
    /// Of a run that begins now.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub(crate) fn new() -> Result<Self> {
        let mut token = [0; TOKEN_BYTES];
        rustix::rand::getrandom(&mut token, rustix::rand::GetRandomFlags::empty()).map_err(
            |error| Error::environment(format!("the system has no random bytes: {error}")),
        )?;
        let token = format!("{:032x}", u128::from_be_bytes(token));
        Ok(Self { name: format!("{}-{}", compact_now(), proof(&token)), token })
    }

    /// Of a run that goes on; `None` if the token is not its own.
    pub(super) fn again(name: &str, token: &str) -> Option<Self> {
        let is_its_own = has_form(name) && name.ends_with(&proof(token));
        is_its_own.then(|| Self { name: name.to_owned(), token: token.to_owned() })
    }

    /// `20260101T000000Z-0123456789abcdef`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the marker holds.
    pub(super) fn token(&self) -> &str {
        &self.token
    }
}

impl Marker {
    /// Of this run, alive now.
    pub(super) fn alive(identity: &Identity, began: SystemTime, keeps: bool) -> Self {
        Self {
            tool: TOOL.into(),
            run: identity.name.clone(),
            token: identity.token.clone(),
            owner: measure::host().name,
            began: rfc3339(began),
            heartbeat: rfc3339(clock::calendar()),
            keeps,
        }
    }

    /// What the marker object of the run of this name holds; `None` if nothing proves that the run wrote it.
    pub(crate) fn read(text: &str, run: &str) -> Option<Self> {
        let marker: Self = serde_json::from_str(text).ok()?;
        let is_whole = marker.tool == TOOL && marker.run == run && marker.heartbeat_at().is_some();
        (is_whole && Identity::again(run, &marker.token).is_some()).then_some(marker)
    }

    /// Time since its last sign of life. One of the future (the clocks of two machines differ) is
    /// one of now.
    pub(crate) fn silent_for(&self, now: SystemTime) -> Duration {
        let heartbeat = self.heartbeat_at().unwrap_or(now);
        now.duration_since(heartbeat).unwrap_or_default()
    }

    /// From the beginning of the run to its last sign of life, by the owner's clock.
    pub(crate) fn lived(&self) -> Option<Duration> {
        let began = clock::read_rfc3339(&self.began)?;
        self.heartbeat_at()?.duration_since(began).ok()
    }

    fn heartbeat_at(&self) -> Option<SystemTime> {
        clock::read_rfc3339(&self.heartbeat)
    }
}

/// Whether a name is of the form that runs have.
pub(super) fn has_form(name: &str) -> bool {
    let is_lower_hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.split_once('-').is_some_and(|(start, proof)| {
        is_date(start) && proof.len() == 2 * PROOF_BYTES && proof.bytes().all(is_lower_hexadecimal)
    })
}

/// Whether it is written like `20260101T000000Z`.
fn is_date(text: &str) -> bool {
    text.len() == START_LENGTH
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

/// The present, `20260101T000000Z`, as names begin.
pub(super) fn compact_now() -> String {
    clock::date().format(clock::BASIC_FORMAT).expect("a date has all these components")
}

fn rfc3339(time: SystemTime) -> String {
    clock::rfc3339(time).unwrap_or_default()
}

fn proof(token: &str) -> String {
    let digest = Sha256::digest(token);
    let first = digest.iter().take(PROOF_BYTES);
    format!("{:016x}", first.fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
}

/// What all prefixes of runs below a target's begin with.
pub(super) fn run_prefixes(target_prefix: &str) -> String {
    format!("{target_prefix}{RUN}")
}

/// The prefix of one run below a target's.
pub(super) fn run_prefix(target_prefix: &str, run: &str) -> String {
    format!("{target_prefix}{RUN}{run}/")
}

/// The key of the marker below a run's prefix.
pub(super) fn marker_key(run_prefix: &str) -> String {
    format!("{run_prefix}{NAME}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(identity: &Identity) -> String {
        serde_json::to_string(&Marker::alive(identity, SystemTime::now(), false)).unwrap()
    }

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let identity = Identity::new().unwrap();
        let marker = Marker::alive(&identity, SystemTime::now(), true);
        let text = serde_json::to_string(&marker).unwrap();
        assert_eq!(Marker::read(&text, identity.name()), Some(marker));
        assert_eq!(Identity::again(identity.name(), identity.token()), Some(identity));
    }

    #[test]
    fn what_only_looks_like_a_marker_is_none() {
        let identity = Identity::new().unwrap();
        let (run, text) = (identity.name(), written(&identity));
        assert!(Marker::read(&text, run).is_some());
        let other = Identity::new().unwrap();
        for (text, run) in [
            (text.replace("\"tool\":\"tidegate\"", "\"tool\":\"another\""), run),
            (text.replace("\"heartbeat\":\"2", "\"heartbeat\":\"yesterday 2"), run),
            (text.replace(identity.token(), other.token()), run),
            (text.replace(run, other.name()), other.name()),
            (text.clone(), other.name()),
            (r#"{"tool":"tidegate"}"#.into(), run),
            (String::new(), run),
        ] {
            assert_eq!(Marker::read(&text, run), None, "{text}");
        }
    }

    #[test]
    fn a_name_that_no_run_gets_is_not_proven_by_any_token() {
        let proof = proof("token");
        for name in [
            "notes".to_owned(),
            String::new(),
            "../data".into(),
            proof.clone(),
            format!("notes-{proof}"),
            format!("20260101T000000Z-{}", &proof[..4]),
            format!("20260101T000000Z/{proof}"),
            format!("20260101 000000Z-{proof}"),
            format!("2026é101T00000Z-{proof}"),
            format!("20260101T000000Z-{proof}/"),
        ] {
            assert!(!has_form(&name), "{name}");
            assert_eq!(Identity::again(&name, "token"), None, "{name}");
        }
        assert!(Identity::again(&format!("20260101T000000Z-{proof}"), "token").is_some());
    }

    #[test]
    fn silence_is_counted_from_the_heartbeat_and_never_negative() {
        let identity = Identity::again(&format!("20260101T000000Z-{}", proof("t")), "t").unwrap();
        let at = |text| clock::read_rfc3339(text).unwrap();
        let heartbeat = "2026-01-01T00:10:00Z".to_owned();
        let began = at("2026-01-01T00:00:00Z");
        let marker = Marker { heartbeat, ..Marker::alive(&identity, began, false) };
        assert_eq!(marker.silent_for(at("2026-01-01T00:25:00Z")), Duration::from_secs(900));
        assert_eq!(marker.silent_for(at("2026-01-01T00:00:00Z")), Duration::ZERO);
        assert_eq!(marker.lived(), Some(Duration::from_secs(600)));
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in ".*", run in ".*") {
            let _ = Marker::read(&text, &run);
            has_form(&run);
        }
    }
}
