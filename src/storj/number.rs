//! Numbers of a model as files have them: text with its unit.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::units::{ByteSize, Rate};

/// No part of a link takes longer; times that are added up stay far from an overflow.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);

/// A duration such as `20ms`, of a day at most.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = humantime::parse_duration(&text).map_err(serde::de::Error::custom)?;
    match duration <= DURATION_MAX {
        true => Ok(duration),
        false => Err(serde::de::Error::custom("a time of the model is a day at most")),
    }
}

/// The same where there may be none.
pub(super) fn some_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

/// A rate such as `1GB/s`.
pub(super) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// The same where there may be none.
pub(super) fn some_rate<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Rate>, D::Error> {
    rate(deserializer).map(Some)
}

/// A size such as `64MiB`.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}
