//! What Globus adds to a transfer, and real Globus tasks as evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Globus's own S0 and t0: the service starts a task and drives each file over a control channel. They come
/// on top of what tidegate measures at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Startup {
    /// Once for each task.
    pub startup_s: f64,
    /// Each file of a mover.
    pub per_file_s: f64,
}

/// Where the defaults are from.
pub const SOURCE: &str = "startup 5.9 s: tasks of one file of 1 MB between a DTN and Google Drive, Box or the \
    like at 0.16-0.18 MB/s (University of Arizona 2019, SaraMWillis/Cloud_Storage_Benchmarking); per file 0 s: no \
    number is published for an S3 connector (arXiv:2009.03190 has figures only), an ASSUMPTION";

impl Default for Startup {
    /// The constant `SOURCE` says where they are from.
    fn default() -> Self {
        Self { startup_s: 5.9, per_file_s: 0.0 }
    }
}

impl Startup {
    /// Seconds that a task of so many files takes longer, with so many movers.
    pub fn seconds(&self, files: f64, movers: f64) -> f64 {
        self.startup_s + self.per_file_s * files / movers
    }
}
