//! What the machine must be able to hold before a run begins: memory and open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::measure;
use crate::result::Settings;
use crate::store::Proof;
use crate::units::{ByteSize, MIB};

/// Memory of a stream: four blocks of a file, the client's buffers, and the kernel's (2 MiB to send
/// over loopback; elsewhere it takes what the path needs).
pub(super) const STREAM_BYTES: u64 = 5 * MIB;

/// Files that are open beside the connections and the data: libraries, logs, and four of each thread's
/// runtime (its event queue, twice, what wakes it up, and what tells it of signals).
pub(super) fn files_beside() -> u64 {
    64 + 4 * u64::from(measure::cores())
}

/// Sees that the settings fit this machine; raises the limit of open files as far as allowed.
///
/// # Errors
/// Says what is missing and how much would fit.
pub(super) fn check(settings: Settings, dataset: &Dataset, proof: Option<Proof>) -> Result<()> {
    let streams = u64::from(settings.concurrency) * u64::from(settings.parts_in_flight);
    check_memory(settings, dataset, proof)?;
    check_open_files(2 * streams + files_beside())
}

fn check_memory(settings: Settings, dataset: &Dataset, proof: Option<Proof>) -> Result<()> {
    let needed = memory_needed(settings, dataset, proof);
    let Some(present) = measure::host().memory_bytes else { return Ok(()) };
    if needed <= present {
        return Ok(());
    }
    let message = format!(
        "these settings need about {} of memory and this machine has {}",
        ByteSize(needed),
        ByteSize(present)
    );
    Err(Error::environment(message).hint("lower --concurrency, --parts-in-flight or --part-size"))
}

/// Bytes of memory for what is in flight.
pub(super) fn memory_needed(settings: Settings, dataset: &Dataset, proof: Option<Proof>) -> u64 {
    let streams = u64::from(settings.concurrency) * u64::from(settings.parts_in_flight);
    let files = u64::from(settings.concurrency);
    let parts = match (dataset, settings.parts_in_flight) {
        // What is synthetic lies in memory once for all.
        (Dataset::Synthetic(_) | Dataset::Objects(_), _) => 0,
        // What the head says of a part is known when all of it was read.
        (Dataset::Directory { .. }, 1) if proof.is_some_and(Proof::reads_ahead) => files,
        (Dataset::Directory { .. }, 1) => 0,
        // An in-order source fills a part while the others are in flight.
        (Dataset::Directory { .. }, in_flight) => files * (u64::from(in_flight) + 1),
    };
    let part_bytes = settings.part_size_bytes.min(dataset.largest_bytes());
    let filled = parts.saturating_mul(part_bytes);
    filled.saturating_add(streams.saturating_mul(STREAM_BYTES))
}

fn check_open_files(needed: u64) -> Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = maximum.map_or(needed, |maximum| maximum.min(needed));
    let allowed = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum });
    if raised == needed && allowed.is_ok() {
        return Ok(());
    }
    let message = format!("these settings need {needed} open files and {raised} are allowed");
    Err(Error::environment(message).hint("raise the limit (ulimit -n) or lower --concurrency"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{FileSpec, Scale, Synthetic};
    use crate::result::{Checksum, PayloadSigning};

    #[test]
    fn settings_that_no_memory_holds_are_refused() {
        let scale = Scale { files: Some(1), ..Scale::default() };
        let dataset = Dataset::Synthetic(Synthetic::new("climate", scale).unwrap());
        let settings =
            |concurrency| Settings { part_size_bytes: 64 * MIB, concurrency, parts_in_flight: 1 };
        assert!(check(settings(4), &dataset, None).is_ok());
        let refused = check(settings(100_000_000), &dataset, None).unwrap_err();
        assert!(refused.to_string().contains("of memory"), "{refused}");
    }

    #[test]
    fn a_part_of_a_file_that_is_signed_in_its_head_lies_in_memory_whole() {
        let files = vec![FileSpec { path: "f".into(), size_bytes: 1 << 30 }];
        let dataset = Dataset::Directory { root: "d".into(), files };
        let settings = |parts_in_flight| Settings {
            part_size_bytes: 64 * MIB,
            concurrency: 3,
            parts_in_flight,
        };
        let held = |parts_in_flight, proof| {
            let needed = memory_needed(settings(parts_in_flight), &dataset, proof);
            (needed - 3 * u64::from(parts_in_flight) * STREAM_BYTES) / (64 * MIB)
        };
        let signed = |payload| Some(Proof::of(payload, Checksum::None).unwrap());
        assert_eq!(held(1, signed(PayloadSigning::Signed)), 3);
        assert_eq!([held(1, None), held(1, signed(PayloadSigning::Streaming))], [0, 0]);
        assert_eq!([held(2, None), held(2, signed(PayloadSigning::Signed))], [9, 9]);
    }
}
