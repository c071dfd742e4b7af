//! When a run lived, by the endpoint's clock: what was written before or long after is not its own.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use super::marker::{HEARTBEAT, Marker};
use super::sweep::{Owner, Whose};
use crate::store::s3::Written;
use crate::store::{ObjectInfo, OpenUpload};

/// How long after the last sign of life that arrived a run may still have begun something: the next one
/// was due by then, and the one after. Also what two clocks, one request and whole seconds may make of a moment.
const LAST_WORDS: Duration = Duration::from_secs(2 * HEARTBEAT.as_secs());

/// The life of a run that is over.
pub(super) struct Lifetime {
    prefix: String,
    /// `None` if the endpoint does not tell: then the place alone decides, for its name is the run's.
    span: Option<RangeInclusive<SystemTime>>,
}

impl Lifetime {
    /// Of a run that wrote below `prefix`, by its marker and by when that was written last.
    pub(super) fn of(marker: &Marker, written: Option<Written>, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), span: span(marker, written) }
    }

    fn whose(&self, key: &str, at: Option<SystemTime>) -> Whose {
        let in_time = match (&self.span, at) {
            (Some(span), Some(at)) => span.contains(&at),
            (None, _) | (_, None) => true,
        };
        if key.starts_with(&self.prefix) && in_time { Whose::Ours } else { Whose::Unclear }
    }
}

/// From the beginning of a run to its last words. Its own clock tells how long it lived, the endpoint's when
/// its marker was written last.
fn span(marker: &Marker, written: Option<Written>) -> Option<RangeInclusive<SystemTime>> {
    let (heard, lived) = (written?.at, marker.lived()?);
    let since = heard.checked_sub(lived)?.checked_sub(LAST_WORDS)?;
    Some(since..=heard.checked_add(LAST_WORDS)?)
}

impl Owner for Lifetime {
    fn object(&self, object: &ObjectInfo) -> Whose {
        self.whose(&object.key, object.modified)
    }

    fn upload(&self, open: &OpenUpload) -> Whose {
        self.whose(&open.upload.key, open.initiated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_outside_of_a_runs_life_is_unclear() {
        let heard = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let lifetime = Lifetime { prefix: "p/r/".into(), span: Some(heard - LAST_WORDS..=heard) };
        let at = |key: &str, time| lifetime.whose(key, time);
        assert_eq!(at("p/r/a", Some(heard)), Whose::Ours);
        assert_eq!(at("p/r/a", None), Whose::Ours, "the place is the run's");
        assert_eq!(at("p/r/a", Some(heard + LAST_WORDS)), Whose::Unclear);
        assert_eq!(at("p/r/a", Some(SystemTime::UNIX_EPOCH)), Whose::Unclear);
        assert_eq!(at("p/other", Some(heard)), Whose::Unclear);
    }
}
