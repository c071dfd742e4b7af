//! What a request to Storj takes, as a model with few parameters.
//!
//! One model for both clocks: [`crate::gateway`] holds real requests to it, and
//! [`crate::store::model`] adds it up in simulated time.
//!
//! | what | time |
//! |---|---|
//! | a new connection | (1 + `tls`) `round_trip`: TCP, and TLS 1.3 (RFC 8446, section 2) |
//! | a request without payload | `round_trip` + `call_overhead` |
//! | a part of S bytes up, g segments | `round_trip` + (g - 1) `segment_overhead` + S / r + stalls + tail + `part_overhead` |
//! | a part of S bytes down, g segments | `round_trip` + `get_overhead` + D1 + W2 + ... + Wg + S / r, where Wi = max(0, `segment_overhead` + Di - Ai) |
//!
//! - A part (PutObject, UploadPart, GetObject) is cut into **segments** of `segment_size`, the last one
//!   shorter. On the way up g = ceil(S / `segment_size`). On the way down g counts the segments *as they
//!   were stored* that the range touches: 100 MiB put at once are 2 segments, uploaded in parts of 5 MiB
//!   they are 20 (`storj/uplink` private/stream/uploader.go).
//! - `part_overhead` is the satellite's begin and commit, paid before the answer. A download needs one call, which only
//!   reads: `get_overhead`, paid before the first byte; where it is not given it is `part_overhead`. No one number
//!   serves both: 16 at a time, objects of 1 KiB were written 177 times a second and read 999 times
//!   (`results/simulation/published.md`).
//! - `segment_overhead` is the satellite's call for each further segment, during which no byte flows. A single GET
//!   fetches its segments strictly one after the other (`storj/common` ranger/prefetch.go). But the gateway has read a
//!   segment to its end, and asks for the next, while the last `read_ahead` bytes are still in the sockets of both
//!   ends: Ai is the time in which the last min(`read_ahead`, all) bytes of segment i - 1 pass.
//! - The rate r is min(stream rate, max-min fair share of the capacity), each way by itself. Stream rate
//!   and capacity are `connection_rate` and `shared_rate`, unless the gateway is
//!   [`SelfHosted`]. With `crowding` c the capacity falls with the number n of bodies under way: by
//!   1 + c (n - 1), the shape of which is an ASSUMPTION. So a link can have a best number of streams.
//! - With [`Weather`], stream rate and capacity are multiplied by the factor of the moment, both by the same:
//!   `noise` (of each `interval`) and `drift` (over each `period`). See [`super::weather`].
//! - With [`Nodes`], a segment of more than 4 KiB is stored as n pieces, of which k give it back.
//!   **Up**, n are begun and the segment is committed when o of them have succeeded: the *tail* of a
//!   segment, counted from its last byte, is the o-th smallest of n piece times. Segments overlap: a part
//!   may have W = min(10, 300 / n), at least 1, that are not committed, and its body *stalls* when the
//!   next would be one more. The answer waits for all. **Down**, k + max(1, floor((n - o) k / o)) nodes
//!   are asked, and D is the k-th smallest of their piece times. See [`super::nodes`] for the piece time.
//!
//! Not modelled: the slow start of TCP, losses, and that the bytes of a piece may flow slower than the
//! connection: `connection_rate` is what a stream carries whatever holds it.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::nodes::Nodes;
use super::number::{duration, rate, size, some_duration, some_rate};
use super::weather::{Forecast, Weather};
use crate::result::Direction;
use crate::units::{ByteSize, MIB, Rate};

/// The parameters. The default costs nothing. Read with units in the values (`"20ms"`, `"100MB/s"`),
/// written with units in the names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Time of one round trip between client and gateway.
    #[serde(deserialize_with = "duration")]
    pub round_trip: Duration,
    /// Whether a new connection also costs the handshake of TLS 1.3.
    pub tls: bool,
    /// What one connection can carry, each way.
    #[serde(deserialize_with = "some_rate")]
    pub connection_rate: Option<Rate>,
    /// What all connections can carry together, each way.
    #[serde(deserialize_with = "some_rate")]
    pub shared_rate: Option<Rate>,
    /// How much each further body under way takes from what all carry together; 0 is nothing.
    #[serde(deserialize_with = "crowding")]
    pub crowding: f64,
    /// What a request without payload costs beyond the round trip: a call to the satellite.
    #[serde(deserialize_with = "duration")]
    pub call_overhead: Duration,
    /// What each part costs once.
    #[serde(deserialize_with = "duration")]
    pub part_overhead: Duration,
    /// The same of a download; `None`: it is that of an upload.
    #[serde(deserialize_with = "some_duration")]
    pub get_overhead: Option<Duration>,
    /// What each segment of a part after the first costs.
    #[serde(deserialize_with = "duration")]
    pub segment_overhead: Duration,
    /// How much of a download is between the gateway's reading and the client's, so that the next segment can be asked
    /// for meanwhile.
    #[serde(deserialize_with = "size")]
    pub read_ahead: ByteSize,
    /// Bytes of a full segment. Never 0.
    #[serde(deserialize_with = "segment_size")]
    pub segment_size: ByteSize,
    /// The storage nodes behind the gateway; `None`: their time is in the other parameters.
    pub nodes: Option<Nodes>,
    /// The gateway runs on the DTN itself; `None`: somebody hosts it.
    pub self_hosted: Option<SelfHosted>,
    /// How the rates change with time; `None`: they do not.
    pub weather: Option<Weather>,
}

/// A gateway beside the connector: it encrypts with the DTN's cores, and the link carries pieces.
///
/// Stream rate = min(`connection_rate`, `core_rate`); capacity = min(`shared_rate` / expansion, `cores` x
/// `core_rate`). The expansion is o / k up, 1 down. ASSUMPTION: pieces of nodes that are too slow, and
/// are given up, carry little.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfHosted {
    /// Cores that the gateway may use.
    pub cores: u32,
    /// Payload that one core encrypts and erasure-codes.
    #[serde(deserialize_with = "rate")]
    pub core_rate: Rate,
}

/// What all streams of a link carry together, by how many they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    alone: Rate,
    crowding: f64,
}

impl From<Rate> for Capacity {
    /// The same for any number.
    fn from(alone: Rate) -> Self {
        Self { alone, crowding: 0.0 }
    }
}

impl Capacity {
    /// Of so many streams; of none that of one.
    pub fn of(&self, streams: usize) -> Rate {
        Rate(self.alone.0 / (1.0 + self.crowding * streams.saturating_sub(1) as f64))
    }
}

impl Default for Model {
    fn default() -> Self {
        Self {
            round_trip: Duration::ZERO,
            tls: false,
            connection_rate: None,
            shared_rate: None,
            crowding: 0.0,
            call_overhead: Duration::ZERO,
            part_overhead: Duration::ZERO,
            get_overhead: None,
            segment_overhead: Duration::ZERO,
            read_ahead: ByteSize(0),
            // `storj/storj` satellite/metainfo/config.go, MaxSegmentSize.
            segment_size: ByteSize(64 * MIB),
            nodes: None,
            self_hosted: None,
            weather: None,
        }
    }
}

impl Model {
    /// Time of a new connection before its first request.
    pub fn handshakes(&self) -> Duration {
        self.round_trip * (1 + u32::from(self.tls))
    }

    /// What a download costs before its first segment.
    pub(super) fn before_first_byte(&self) -> Duration {
        self.get_overhead.unwrap_or(self.part_overhead)
    }

    /// What one stream carries at most.
    pub fn stream_rate(&self) -> Option<Rate> {
        let core = self.self_hosted.as_ref().map(|gateway| gateway.core_rate);
        smaller(self.connection_rate, core)
    }

    /// What all streams carry together at most.
    pub fn capacity(&self, direction: Direction) -> Option<Capacity> {
        let alone = self.capacity_alone(direction);
        alone.map(|alone| Capacity { alone, crowding: self.crowding })
    }

    fn capacity_alone(&self, direction: Direction) -> Option<Rate> {
        let Some(gateway) = &self.self_hosted else { return self.shared_rate };
        let expansion = match (direction, &self.nodes) {
            (Direction::Up, Some(nodes)) => nodes.expansion(),
            (Direction::Up, None) | (Direction::Down, _) => 1.0,
        };
        let link = self.shared_rate.map(|rate| Rate(rate.0 / expansion));
        smaller(link, Some(Rate(gateway.core_rate.0 * f64::from(gateway.cores))))
    }

    /// What its rates are multiplied by at every moment.
    pub fn forecast(&self, seed: u64) -> Forecast {
        Forecast::new(self.weather, seed)
    }

    /// Whether bodies are held back at all.
    pub fn paces(&self) -> bool {
        self.stream_rate().is_some()
            || self.capacity(Direction::Up).is_some()
            || !self.segment_overhead.is_zero()
            || self.nodes.is_some()
    }
}

fn smaller(one: Option<Rate>, other: Option<Rate>) -> Option<Rate> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Rate(one.0.min(other.0))),
        (one, other) => one.or(other),
    }
}

fn crowding<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let crowding = f64::deserialize(deserializer)?;
    match crowding.is_finite() && crowding >= 0.0 {
        true => Ok(crowding),
        false => Err(serde::de::Error::custom("crowding is 0 or more")),
    }
}

fn segment_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    match size(deserializer)? {
        ByteSize(0) => Err(serde::de::Error::custom("segment_size must not be 0")),
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_read_from_toml() {
        let text = r#"
            round_trip = "20ms"
            tls = true
            connection_rate = "100MB/s"
            part_overhead = "50ms"
            get_overhead = "10ms"
            crowding = 0.04
            segment_size = "32MiB"
            read_ahead = "10MiB"
            nodes = { required = 4, optimal = 8, total = 10, latency = "30ms", spread = 0.5 }
            self_hosted = { cores = 4, core_rate = "300MB/s" }
            weather = { noise = 0.1 }
        "#;
        let model: Model = toml::from_str(text).unwrap();
        let expected = Model {
            round_trip: Duration::from_millis(20),
            tls: true,
            connection_rate: Some(Rate(100e6)),
            part_overhead: Duration::from_millis(50),
            get_overhead: Some(Duration::from_millis(10)),
            crowding: 0.04,
            segment_size: ByteSize(32 * MIB),
            read_ahead: ByteSize(10 * MIB),
            nodes: Some(Nodes {
                required: 4,
                optimal: 8,
                total: 10,
                latency: Duration::from_millis(30),
                spread: 0.5,
            }),
            self_hosted: Some(SelfHosted { cores: 4, core_rate: Rate(300e6) }),
            weather: Some(Weather {
                noise: 0.1,
                interval: Duration::from_secs(1),
                drift: 0.0,
                period: Duration::ZERO,
            }),
            ..Model::default()
        };
        assert_eq!(model, expected);
        for bad in [
            "segment_size = \"0\"",
            "round_trip = \"soon\"",
            "rtt = \"1ms\"",
            "crowding = -0.1",
            "nodes = { required = 9, optimal = 8, total = 10, latency = \"1ms\", spread = 0.5 }",
            "self_hosted = { cores = 4 }",
            "weather = { drift = 0.1 }",
        ] {
            assert!(toml::from_str::<Model>(bad).is_err(), "{bad} was read as a model");
        }
    }

    #[test]
    fn a_gateway_on_the_dtn_pays_for_pieces_and_for_its_cores() {
        let nodes =
            Nodes { required: 29, optimal: 80, total: 110, latency: Duration::ZERO, spread: 0.0 };
        let hosted = Model {
            shared_rate: Some(Rate(1.25e9)),
            connection_rate: Some(Rate(100e6)),
            nodes: Some(nodes),
            ..Model::default()
        };
        let all = |model: &Model, way| model.capacity(way).map(|capacity| capacity.of(64));
        assert_eq!(all(&hosted, Direction::Up), Some(Rate(1.25e9)));
        let on_dtn = |cores| Model {
            self_hosted: Some(SelfHosted { cores, core_rate: Rate(80e6) }),
            ..hosted.clone()
        };
        let expanded = 1.25e9 / (80.0 / 29.0);
        assert_eq!(all(&on_dtn(64), Direction::Up), Some(Rate(expanded)));
        assert_eq!(all(&on_dtn(64), Direction::Down), Some(Rate(1.25e9)));
        assert_eq!(all(&on_dtn(2), Direction::Up), Some(Rate(160e6)));
        assert_eq!(on_dtn(2).stream_rate(), Some(Rate(80e6)));
    }
}
