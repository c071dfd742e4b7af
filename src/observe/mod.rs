//! What a connector really does, worked out from what was seen of it. Pure: no I/O.
//!
//! Two ways lead to one [`Observation`]:
//!
//! - [`of_requests`]: from the requests that `tidegate serve` logged. All is seen there: sizes, order,
//!   what overlaps in time, ranges, connections, signatures.
//! - [`Sightings`]: from looks at the uploads that are open in a bucket (ListMultipartUploads and
//!   ListParts), while somebody else's transfer goes on. Only parts that arrived are seen there, so
//!   parts in flight are inferred (`waves`), or only bounded.
//!
//! A number of things in flight is called observed only if the client was seen to keep to it: things
//! that could have begun earlier waited for another to end. Otherwise it is "at least" that number.
//! A [`Connector`] is an observation as a file, for `tune` and `run`. A [`Recording`] is a log as a script that `run` does
//! again.

mod connector;
mod in_flight;
mod looks;
mod recording;
mod requests;
mod waves;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use connector::{Connector, Followed, Known, Manner, WrittenConnector};
pub use looks::Sightings;
pub use recording::{Recording, recording_of};
pub use requests::of_requests;

/// How a value is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// It was seen.
    Observed,
    /// Something else was seen, which only this value explains.
    Inferred,
    /// It is this or more.
    AtLeast,
}

/// A value, how it is known, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Bytes, or a count.
    pub value: u64,
    /// How it is known.
    pub certainty: Certainty,
    /// What was seen, in a few words.
    pub evidence: String,
}

/// In which order the parts of a file come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartOrder {
    /// Ascending, but for parts that were in flight together.
    Ascending,
    /// Several ascending ranges of one file at once.
    Ranges,
    /// Neither.
    Mixed,
}

/// What was done in one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Way {
    /// Files that were moved, or were being moved.
    pub files: u64,
    /// Of these, in parts or ranges.
    pub files_in_parts: u64,
    /// Bytes in all.
    pub bytes: u64,
    /// Largest file in one request.
    pub largest_whole_bytes: Option<u64>,
    /// Smallest file in parts.
    pub smallest_in_parts_bytes: Option<u64>,
    /// The size of most parts, or ranges, that are not the last of their file.
    pub part_size_bytes: Option<Finding>,
    /// How many of those parts had which size.
    pub part_sizes: BTreeMap<u64, u64>,
    /// The order of the parts of a file.
    pub order: Option<PartOrder>,
    /// Parts of one file in flight.
    pub parts_in_flight: Option<Finding>,
    /// Files in flight, Globus's concurrency.
    pub files_in_flight: Option<Finding>,
    /// Requests with data in flight, of all files together.
    pub requests_in_flight: Option<Finding>,
}

/// How many requests of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Calls {
    /// In all.
    pub count: u64,
    /// Of these, answered with an error, or not at all.
    pub failed: u64,
}

/// How the connector speaks S3; only from requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Client {
    /// Requests with data by what they say of their program.
    pub user_agents: BTreeMap<String, u64>,
    /// Uploading requests by how their body is signed.
    pub payload_signing: BTreeMap<String, u64>,
    /// Uploading requests by the checksums they carry.
    pub checksums: BTreeMap<String, u64>,
    /// Connections made.
    pub connections: u64,
    /// Most of them in use during the same time.
    pub connections_at_once: u64,
    /// Requests by S3's name of the operation.
    pub calls: BTreeMap<String, Calls>,
    /// Failed requests by S3's error code; `no answer` without one.
    pub errors: BTreeMap<String, u64>,
    /// Files that were read back after their upload, as a verification does.
    pub read_back: u64,
}

/// Where an observation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Requests that a server logged.
    Requests,
    /// Looks at a bucket's open uploads.
    Looks,
}

/// What was seen of a connector.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Observation {
    /// Version of this document.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: &'static str,
    /// Where it comes from.
    pub origin: Origin,
    /// How many requests or looks.
    pub seen: u64,
    /// Time from the first to the last.
    pub seconds: f64,
    /// To the server.
    pub up: Option<Way>,
    /// From the server.
    pub down: Option<Way>,
    /// How it speaks.
    pub client: Option<Client>,
    /// What a reader should know before using the values.
    pub remarks: Vec<String>,
}

/// Version of [`Observation`] as JSON.
const SCHEMA: &str = "tidegate.observation/1";

impl Way {
    /// Sets the part size from the sizes of parts.
    fn set_part_size(&mut self, sizes: BTreeMap<u64, u64>) {
        let all: u64 = sizes.values().sum();
        let most = sizes.iter().max_by_key(|(size, count)| (**count, **size));
        self.part_size_bytes = most.map(|(size, count)| Finding {
            value: *size,
            certainty: Certainty::Observed,
            evidence: format!("{count} of {all} parts before the last of their file"),
        });
        self.part_sizes = sizes;
    }
}
