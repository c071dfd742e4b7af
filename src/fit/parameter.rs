//! What measurements tell of a link, each as a number that may be searched.
//!
//! A request shows the round trip and what Storj adds to it together: no measurement of whole requests tells them
//! apart. So what is searched is their sums, and [`Sums`](super::sums::Sums) makes a model of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, Rate};
use crate::words;

/// A number of a link.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// Bytes per second of one connection: `connection_rate`.
    ConnectionRate,
    /// Bytes per second of all connections: `shared_rate`.
    SharedRate,
    /// How much each further body takes from what all carry: `crowding`.
    Crowding,
    /// Seconds of a request without payload: `round_trip` + `call_overhead`.
    Call,
    /// Seconds of a part or PutObject beside its bytes: `round_trip` + `part_overhead` + the mean wait for nodes.
    Part,
    /// Seconds of a GetObject to its first byte: `round_trip` + `get_overhead` + the mean wait for nodes.
    FirstByte,
    /// Seconds of each segment of a request after the first: `segment_overhead`.
    SegmentOverhead,
    /// Bytes of a download that the gateway is ahead of its client: `read_ahead`.
    ReadAhead,
    /// Standard deviation of the logarithm of a piece's time: `nodes.spread`.
    NodeSpread,
}

/// Numbers below this are not told from nothing: the logarithm that is searched is of the number and this.
const TIME_FLOOR_S: f64 = 2e-4;
const SHARE_FLOOR: f64 = 1e-3;
const SIZE_FLOOR_BYTES: f64 = 65536.0;

impl Parameter {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All, in the order in which they are told.
    pub const ALL: [Self; 9] = [
        Self::ConnectionRate,
        Self::SharedRate,
        Self::Crowding,
        Self::Call,
        Self::Part,
        Self::FirstByte,
        Self::SegmentOverhead,
        Self::ReadAhead,
        Self::NodeSpread,
    ];

    /// As it is called in the model; a sum by what is added up.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "round_trip + call_overhead",
            Self::Part => "round_trip + part_overhead + nodes",
            Self::FirstByte => "round_trip + get_overhead + nodes",
            Self::SegmentOverhead => "segment_overhead",
            Self::ReadAhead => "read_ahead",
            Self::ConnectionRate => "connection_rate",
            Self::SharedRate => "shared_rate",
            Self::Crowding => "crowding",
            Self::NodeSpread => "nodes.spread",
        }
    }

    /// A value as people say it.
    pub fn said(self, value: f64) -> String {
        match self {
            Self::ConnectionRate | Self::SharedRate => Rate(value).to_string(),
            Self::Crowding | Self::NodeSpread => format!("{value:.3}"),
            Self::ReadAhead => ByteSize(value.round() as u64).to_string(),
            Self::Call | Self::Part | Self::FirstByte | Self::SegmentOverhead => {
                words::milliseconds(value)
            }
        }
    }

    /// Whether it bounds a rate: then what was never reached is not known but from below.
    pub fn is_rate(self) -> bool {
        matches!(self, Self::ConnectionRate | Self::SharedRate)
    }

    fn floor(self) -> f64 {
        match self {
            Self::ConnectionRate | Self::SharedRate => 0.0,
            Self::Crowding | Self::NodeSpread => SHARE_FLOOR,
            Self::ReadAhead => SIZE_FLOOR_BYTES,
            Self::Call | Self::Part | Self::FirstByte | Self::SegmentOverhead => TIME_FLOOR_S,
        }
    }

    /// The logarithm that is searched.
    pub(super) fn searched(self, value: f64) -> f64 {
        (value + self.floor()).max(f64::MIN_POSITIVE).ln()
    }

    /// The value that a logarithm stands for.
    pub(super) fn value(self, searched: f64) -> f64 {
        let value = searched.min(SEARCHED_MAX).exp() - self.floor();
        // What is left of nothing after two roundings.
        if value > 1e-9 * self.floor() { value } else { 0.0 }
    }
}

/// No logarithm is above it, whatever measurements say: numbers stay numbers.
const SEARCHED_MAX: f64 = 40.0;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_searched_number_stands_for_the_value_that_it_was_made_of(
            which in 0..Parameter::COUNT, value in 0.001_f64..4e9,
        ) {
            let parameter = Parameter::ALL[which];
            let again = parameter.value(parameter.searched(value));
            prop_assert!((again - value).abs() <= 1e-9 * (value + parameter.floor()));
        }
    }

    #[test]
    fn nothing_stays_nothing_when_it_is_searched() {
        for parameter in Parameter::ALL.into_iter().filter(|one| !one.is_rate()) {
            assert_eq!(parameter.value(parameter.searched(0.0)), 0.0, "{parameter:?}");
        }
    }
}
