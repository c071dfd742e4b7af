//! The GridFTP leg between two DTNs: how many channels a process needs, from an iperf3 test.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// GCS's `normal`: parallelism 4 preferred, 8 at most (globus-cli, endpoint introspection).
const PARALLELISM_MAX: f64 = 8.0;

/// What is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gridftp {
    /// An iperf3 test, if there was one.
    pub iperf3: Option<Iperf3>,
    /// TCP channels that one process needs; `None`: not known without a test.
    pub parallelism: Option<u32>,
}

/// An iperf3 test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iperf3 {
    /// What one stream received.
    pub stream_bytes_per_second: f64,
    /// Streams of the test.
    pub streams: u32,
    /// Mean round trip that the sender saw; `None` where it does not say.
    pub round_trip_us: Option<u64>,
}

impl Iperf3 {
    /// Reads the output of `iperf3 --json`.
    ///
    /// # Errors
    /// If it is none, or its test failed.
    pub fn read(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::environment(format!("this is no test of iperf3: {why}"))
                .hint("make one with `iperf3 --client HOST --json`, between the two DTNs")
        };
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        if let Some(error) = value["error"].as_str() {
            return Err(wrong(&format!("it failed: {error}")));
        }
        let end = &value["end"];
        let bits = end["sum_received"]["bits_per_second"].as_f64().filter(|bits| *bits > 0.0);
        let bits = bits.ok_or_else(|| wrong("end.sum_received.bits_per_second is missing"))?;
        let streams = end["streams"].as_array().map_or(1, Vec::len).max(1);
        let round_trips = end["streams"].as_array().into_iter().flatten();
        let round_trips: Vec<u64> = round_trips
            .filter_map(|stream| stream["sender"]["mean_rtt"].as_u64())
            .filter(|us| *us > 0)
            .collect();
        let count = round_trips.len() as u64;
        Ok(Self {
            stream_bytes_per_second: bits / 8.0 / streams as f64,
            streams: streams as u32,
            round_trip_us: (count > 0).then(|| round_trips.iter().sum::<u64>() / count),
        })
    }
}

impl Gridftp {
    /// For processes of which each has to carry so much.
    pub fn of(iperf3: Option<Iperf3>, process_bytes_per_second: f64) -> Self {
        let channels = |test: Iperf3| {
            let needed = process_bytes_per_second / test.stream_bytes_per_second;
            needed.ceil().clamp(1.0, PARALLELISM_MAX) as u32
        };
        Self { iperf3, parallelism: iperf3.map(channels) }
    }

    /// In a sentence.
    pub fn sentence(&self) -> String {
        let (Some(test), Some(parallelism)) = (self.iperf3, self.parallelism) else {
            return "not known: parallelism shapes only the leg between the DTNs; test it with `iperf3 --json` and give --iperf3 FILE".into();
        };
        let round_trip = test
            .round_trip_us
            .map_or(String::new(), |us| format!(", round trip {:.1} ms", us as f64 / 1e3));
        format!(
            "parallelism {parallelism}: one stream carries {}{round_trip}; it shapes only the leg between the DTNs",
            crate::units::Rate(test.stream_bytes_per_second)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: &str = r#"{"start":{"test_start":{"num_streams":2}},"end":{
        "streams":[{"sender":{"mean_rtt":42000}},{"sender":{"mean_rtt":44000}}],
        "sum_sent":{"bits_per_second":4.1e9},"sum_received":{"bits_per_second":4.0e9}}}"#;

    #[test]
    fn a_test_tells_the_rate_of_a_stream_and_the_round_trip() {
        let test = Iperf3::read(TEST).unwrap();
        assert_eq!((test.stream_bytes_per_second, test.streams), (250e6, 2));
        assert_eq!(test.round_trip_us, Some(43_000));
        assert_eq!(Gridftp::of(Some(test), 600e6).parallelism, Some(3));
        assert_eq!(Gridftp::of(Some(test), 6e12).parallelism, Some(8));
    }

    #[test]
    fn without_a_test_it_is_said_that_nothing_is_known() {
        assert!(Gridftp::of(None, 1e9).sentence().starts_with("not known"));
    }

    #[test]
    fn what_is_no_test_is_refused_in_a_sentence() {
        for bad in ["", "{}", "[]", r#"{"error":"unable to connect"}"#] {
            let error = Iperf3::read(bad).unwrap_err().to_string();
            assert!(error.contains("no test of iperf3") && error.contains("hint: "), "{error}");
        }
    }
}
