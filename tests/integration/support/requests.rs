//! The request log of `tidegate serve`: what a client really did.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// A line of the log.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    pub operation: String,
    pub key: Option<String>,
    pub part_number: Option<u32>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub start_us: u64,
    pub end_us: u64,
    pub status: Option<u16>,
    pub error: Option<String>,
    /// The word for how its body is signed.
    pub payload_signing: Option<String>,
    /// The headers, or trailers, with checksums.
    #[serde(default)]
    pub checksums: Vec<String>,
}

impl Request {
    /// All of them, in order of their end.
    pub fn read_all(log: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Whether it belongs to the upload of a file.
    fn uploads(&self) -> bool {
        let operations =
            ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"];
        operations.contains(&&*self.operation)
    }

    fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }
}

/// The parts of a key's upload by number, and their bytes.
pub fn parts_of<'a>(requests: &'a [Request], key: &str) -> BTreeMap<u32, &'a Request> {
    let parts = requests.iter().filter(|request| request.operation == "UploadPart");
    let parts = parts.filter(|request| request.key() == key);
    parts.map(|request| (request.part_number.unwrap(), request)).collect()
}

/// The most files below `prefix` that were on their way up at the same time.
pub fn files_in_flight_max(requests: &[Request], prefix: &str) -> usize {
    let mut files: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for request in requests.iter().filter(|request| request.uploads()) {
        let Some(name) = request.key().strip_prefix(prefix) else { continue };
        // Not a file of the dataset.
        if name == ".tidegate-run.json" {
            continue;
        }
        let (start, end) = files.entry(name).or_insert((request.start_us, request.end_us));
        *start = (*start).min(request.start_us);
        *end = (*end).max(request.end_us);
    }
    overlap_max(files.into_values())
}

/// The most parts of one key that were on their way at the same time.
pub fn parts_in_flight_max(requests: &[Request], key: &str) -> usize {
    let parts = parts_of(requests, key);
    overlap_max(parts.values().map(|request| (request.start_us, request.end_us)))
}

/// The most intervals that share a moment. A request's interval in the log lies within the client's:
/// it begins when the head has been read and ends before the answer's last byte is sent.
fn overlap_max(intervals: impl Iterator<Item = (u64, u64)>) -> usize {
    let mut changes: Vec<(u64, i64)> =
        intervals.flat_map(|(start, end)| [(start, 1), (end, -1)]).collect();
    // At the same microsecond the end comes first.
    changes.sort_unstable();
    let mut now = 0;
    let counts = changes.into_iter().map(|(_, change)| {
        now += change;
        now
    });
    usize::try_from(counts.max().unwrap_or(0)).unwrap()
}
