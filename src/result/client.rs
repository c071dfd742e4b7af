//! What a trial took of this machine and its network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Percentiles;

/// What the measuring process used during a trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientUse {
    /// User and system time of the process; `None` in a simulation, which has no client.
    #[serde(default, deserialize_with = "super::number::seconds_if_any")]
    pub cpu_seconds: Option<f64>,
    /// The same per 10^9 payload bytes; `None` when nothing was moved.
    #[serde(default, deserialize_with = "super::number::from_zero_if_any")]
    pub cpu_seconds_per_gb: Option<f64>,
    /// Highest resident set since the process began; `None` where the platform does not say.
    pub rss_peak_bytes: Option<u64>,
    /// Highest resident set of this trial, looked at ten times a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_trial_peak_bytes: Option<u64>,
    /// Threads that move data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_threads: Option<u32>,
    /// Processor time of the process in the window over the window: 2 is two processors.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::number::from_zero_if_any"
    )]
    pub processors_used: Option<f64>,
    /// The threads that wanted most of a processor in the window, busiest first, 16 at most; empty
    /// where the platform does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busiest_threads: Vec<ThreadUse>,
    /// Share of all the machine's processors that was in use in the window, by whomever.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::number::from_zero_if_any"
    )]
    pub machine_busy_share: Option<f64>,
}

/// One thread in the window of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadUse {
    /// Its name; those that move data are called `workers-0` and so on.
    pub name: String,
    /// Share of the window in which it was on a processor.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub running_share: f64,
    /// Share of the window in which it was ready to run while others had the processors.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub ready_share: f64,
}

/// What the connections and the interfaces say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkUse {
    /// The kernel's counters of our connections over the whole trial (TCP_INFO); absent where there
    /// are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpUse>,
    /// The interfaces that have our connections' addresses, in the window; empty where unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<InterfaceUse>,
    /// The endpoint's addresses that connections led to, or those of a proxy, over the whole trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressUse>,
    /// The addresses of this machine that connections left by, likewise, where there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_addresses: Vec<AddressUse>,
}

/// One address of the endpoint's name, or of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressUse {
    /// IPv4 or IPv6.
    pub address: String,
    /// Connections made to it, or from it.
    pub connections: u64,
    /// Attempts over them.
    pub attempts: u64,
    /// Of these, those that failed.
    pub failed_attempts: u64,
    /// Payload bytes of the successful ones.
    pub payload_bytes: u64,
}

/// All connections of a trial. Rates, resent bytes and times speak of what was sent: on the way down,
/// of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TcpUse {
    /// Connections made.
    pub connections: u64,
    /// Smoothed round trip at the end of each request with payload, under load.
    pub round_trip_us: Percentiles,
    /// Least round trip that any connection saw.
    pub round_trip_min_us: Option<u64>,
    /// Median over the requests with payload of the rate at which a connection's data was
    /// acknowledged last.
    pub delivery_rate_p50_bytes_per_second: Option<u64>,
    /// Bytes that the sockets sent, heads, TLS and resent bytes included.
    pub sent_bytes: u64,
    /// Of these, bytes sent again.
    pub resent_bytes: u64,
    /// Time that connections had data to send, all added up.
    #[serde(deserialize_with = "super::number::seconds")]
    pub busy_s: f64,
    /// Of that, time in which the receiver's window was full.
    #[serde(deserialize_with = "super::number::seconds")]
    pub receive_window_limited_s: f64,
    /// Of that, time in which the send buffer was too small.
    #[serde(deserialize_with = "super::number::seconds")]
    pub send_buffer_limited_s: f64,
}

/// A network interface in the window of a trial, with all that it carried for anybody.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceUse {
    /// Its name.
    pub name: String,
    /// Whether it is this machine's way to itself.
    pub loopback: bool,
    /// Speed of the link; `None` where there is none, or none that is known.
    pub speed_bits_per_second: Option<u64>,
    /// What came in, headers included.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub received_bytes_per_second: f64,
    /// What went out, headers included.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub sent_bytes_per_second: f64,
}

/// Reading files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceUse {
    /// Bytes read to be sent, over the whole trial.
    pub read_bytes: u64,
    /// Share of the movers' time in the window in which they waited for the source.
    #[serde(deserialize_with = "super::number::from_zero")]
    pub waited_share: f64,
}
