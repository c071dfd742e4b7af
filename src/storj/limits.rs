//! What Storj limits, as published; every number can be set.
//!
//! Two places refuse for load. The gateway admits so many PutObjects, UploadParts and GetObjects of a
//! project at a time. The satellite admits so many calls of a project per second, and so many new
//! versions of one key. Both answer 429 SlowDown with a Retry-After. Other limits are of the objects
//! themselves: the sizes and the number of parts.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::bucket::Rules;
use super::number::{self, duration};
use crate::units::{ByteSize, GIB, KIB, MIB};

/// What is limited, and how far. `None` is no limit.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// PutObjects, UploadParts and GetObjects of a project at a time (`storj/edge`
    /// pkg/server/config.go, ConcurrentRequests).
    #[serde(deserialize_with = "or_none")]
    pub transfers: Option<u32>,
    /// Calls to the satellite per second and project (`storj/storj` satellite/metainfo/config.go,
    /// RateLimiterConfig).
    #[serde(deserialize_with = "or_none")]
    pub calls_per_second: Option<f64>,
    /// How many of them may come at once (satellite/metainfo/validation.go, checkRate: as many as in a
    /// second).
    pub calls_burst: u32,
    /// Beginnings of an object of the same key per second (satellite/metainfo/config.go,
    /// UploadLimiterConfig).
    #[serde(deserialize_with = "or_none")]
    pub key_writes_per_second: Option<f64>,
    /// How many of them may come at once (the same).
    pub key_writes_burst: u32,
    /// What a refusal asks for (`storj/minio` cmd/api-response.go, storjRetryAfter).
    #[serde(deserialize_with = "duration")]
    pub retry_after: Duration,
    /// Up to this size a segment is kept by the satellite itself (satellite/metainfo/config.go,
    /// MaxInlineSegmentSize).
    #[serde(deserialize_with = "size")]
    pub inline_size_max: ByteSize,
    /// Bytes of a full segment (the same, MaxSegmentSize).
    #[serde(deserialize_with = "size")]
    pub segment_size: ByteSize,
    /// Smallest part other than the last (`storj/gateway-st` miniogw/config.go, MinPartSize).
    #[serde(deserialize_with = "size")]
    pub part_size_min: ByteSize,
    /// Largest part (`storj/minio` cmd/utils.go, globalMaxPartSize).
    #[serde(deserialize_with = "size")]
    pub part_size_max: ByteSize,
    /// Highest part number (the same, globalMaxPartID).
    pub part_number_max: u16,
}

impl Limits {
    /// As published.
    pub fn storj() -> Self {
        Self {
            transfers: Some(500),
            calls_per_second: Some(100.0),
            calls_burst: 100,
            key_writes_per_second: Some(1.0),
            key_writes_burst: 3,
            ..Self::none()
        }
    }

    /// No refusal for load; objects are limited as Storj's are.
    pub fn none() -> Self {
        Self {
            transfers: None,
            calls_per_second: None,
            calls_burst: 100,
            key_writes_per_second: None,
            key_writes_burst: 3,
            retry_after: Duration::from_secs(12),
            inline_size_max: ByteSize(4 * KIB),
            segment_size: ByteSize(64 * MIB),
            part_size_min: ByteSize(5 * MIB),
            part_size_max: ByteSize(5 * GIB),
            part_number_max: 10_000,
        }
    }

    /// Those of the objects.
    pub fn rules(&self) -> Rules {
        Rules {
            part_size_min_bytes: self.part_size_min.0,
            part_size_max_bytes: self.part_size_max.0,
            part_number_max: self.part_number_max,
        }
    }
}

impl Default for Limits {
    /// What a file does not name is as published.
    fn default() -> Self {
        Self::storj()
    }
}

/// A number above zero, or `"none"`.
fn or_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialOrd + From<u8>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number<T> {
        Is(T),
        Word(String),
    }
    match Number::deserialize(deserializer) {
        Ok(Number::Is(number)) if number > T::from(0) => Ok(Some(number)),
        Ok(Number::Word(word)) if word == "none" => Ok(None),
        _ => Err(serde::de::Error::custom("a limit is a number above zero or \"none\"")),
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    match number::size(deserializer)? {
        ByteSize(0) => Err(serde::de::Error::custom("a size is above zero")),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_does_not_name_is_as_published() {
        let read = |text: &str| toml::from_str::<Limits>(text);
        assert_eq!(read(""), Ok(Limits::storj()));
        let text = "transfers = 20\ncalls_per_second = \"none\"\nretry_after = \"1s\"";
        let expected = Limits {
            transfers: Some(20),
            calls_per_second: None,
            retry_after: Duration::from_secs(1),
            ..Limits::storj()
        };
        assert_eq!(read(text), Ok(expected));
    }

    #[test]
    fn what_limits_nothing_sensible_is_refused() {
        for bad in [
            "transfers = 0",
            "transfers = -1",
            "transfers = \"many\"",
            "calls_per_second = 0.0",
            "retry_after = 12",
            "segment_size = \"0\"",
            "writes = 3",
        ] {
            assert!(toml::from_str::<Limits>(bad).is_err(), "{bad} was read as limits");
        }
    }
}
