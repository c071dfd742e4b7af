//! The model of a link and of Storj that a simulation ran on, in numbers. What they mean is told where they are used
//! (`storj::Model`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkModel {
    /// From the client to the gateway and back.
    pub round_trip_us: u64,
    /// Whether connections are encrypted: one more round trip each.
    pub tls: bool,
    /// What a stream carries at most; `None`: anything.
    pub connection_rate_bytes_per_second: Option<f64>,
    /// What all streams of one direction carry at most; `None`: anything.
    pub shared_rate_bytes_per_second: Option<f64>,
    /// How fast the capacity falls with the number of streams; 0: not at all.
    #[serde(default)]
    pub crowding: f64,
    /// A request without payload, beside the round trip.
    pub call_overhead_us: u64,
    /// Once for each request with payload.
    pub part_overhead_us: u64,
    /// The same for each download; `None`: it is that of an upload.
    #[serde(default)]
    pub get_overhead_us: Option<u64>,
    /// For each segment of a part after its first.
    pub segment_overhead_us: u64,
    /// So much of a download is between the gateway's reading and the client's.
    #[serde(default)]
    pub read_ahead_bytes: u64,
    /// A full segment.
    pub segment_size_bytes: u64,
    /// The storage nodes behind the gateway; `None`: their time is in the other numbers.
    pub nodes: Option<NodesModel>,
    /// The gateway runs on the DTN itself; `None`: somebody hosts it.
    pub self_hosted: Option<SelfHostedModel>,
    /// How the rates change with time; `None`: they do not.
    #[serde(default)]
    pub weather: Option<WeatherModel>,
}

/// How segments are spread over nodes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodesModel {
    /// Pieces that give a segment back.
    pub required: u32,
    /// Pieces with which an upload of it is done.
    pub optimal: u32,
    /// Pieces that are begun.
    pub total: u32,
    /// Median of a piece's time.
    pub latency_us: u64,
    /// Standard deviation of the natural logarithm of a piece's time.
    pub spread: f64,
}

/// A gateway beside the connector.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SelfHostedModel {
    /// Cores that it may use.
    pub cores: u32,
    /// Payload that one core encrypts and erasure-codes.
    pub core_rate_bytes_per_second: f64,
}

/// How a link's rates change with time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WeatherModel {
    /// Standard deviation of the natural logarithm of a factor whose mean is 1.
    pub noise: f64,
    /// How long such a factor lasts.
    pub interval_us: u64,
    /// The share by which the factor swings up and down.
    pub drift: f64,
    /// From one height to the next; 0 if there is no drift.
    pub period_us: u64,
}
