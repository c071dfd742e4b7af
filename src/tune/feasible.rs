//! What S3 and the machine's memory allow.

use crate::error::{Error, Result};
use crate::result::Settings;
use crate::units::{ByteSize, GIB, MIB};

/// Least size of a part but the last (S3; Storj satellite/metainfo/config.go).
pub const PART_SIZE_MIN_BYTES: u64 = 5 * MIB;

/// Largest part (S3; Storj).
pub const PART_SIZE_MAX_BYTES: u64 = 5 * GIB;

/// Parts of one object (S3; Storj).
pub const PART_COUNT_MAX: u64 = 10_000;

/// Checks settings against what S3 allows for the largest file.
///
/// # Errors
/// Says which limit is broken and the nearest part size that keeps it.
pub fn feasible(settings: Settings, largest_file_bytes: u64) -> Result<()> {
    let part_size = settings.part_size_bytes;
    if settings.concurrency == 0 || settings.parts_in_flight == 0 {
        return Err(Error::environment("concurrency and parts in flight begin at 1"));
    }
    if part_size < PART_SIZE_MIN_BYTES {
        let message = format!("a part of {} is too small for S3", ByteSize(part_size));
        return Err(Error::environment(message).hint("choose a part size of at least 5MiB"));
    }
    if !part_size.is_multiple_of(MIB) {
        // rclone, the AWS CLI and s5cmd are told part sizes in MiB.
        let message = format!("a part size of {part_size} bytes is not a whole number of MiB");
        return Err(Error::environment(message).hint("choose for example 64MiB"));
    }
    if part_size > PART_SIZE_MAX_BYTES {
        let message = format!("a part of {} is too large for S3", ByteSize(part_size));
        return Err(Error::environment(message).hint("choose a part size of at most 5GiB"));
    }
    if largest_file_bytes.div_ceil(part_size) > PART_COUNT_MAX {
        let least = largest_file_bytes.div_ceil(PART_COUNT_MAX).next_multiple_of(64 * MIB);
        let message = format!(
            "a file of {} has more than {PART_COUNT_MAX} parts of {}",
            ByteSize(largest_file_bytes),
            ByteSize(part_size)
        );
        return Err(Error::environment(message)
            .hint(format!("choose a part size of at least {}MiB", least / MIB)));
    }
    Ok(())
}

/// Storj's segment: a part of another size is split into whole segments and a remainder, each with a cost
/// of its own (storj/uplink 5ab4110, `uploader.go`).
const SEGMENT_BYTES: u64 = 64 * MIB;

/// Part sizes to try where the user names none: with segments one and two of them, else a quarter and one;
/// multiples of those where the largest file would have too many parts.
pub fn offered_part_sizes(has_segments: bool, largest_file_bytes: u64) -> Vec<u64> {
    let sizes = if has_segments { [1, 2] } else { [0, 1] };
    let least = largest_file_bytes.div_ceil(PART_COUNT_MAX);
    let factor = least.div_ceil(SEGMENT_BYTES).max(1);
    let size = |segments: u64| match segments {
        0 if least <= SEGMENT_BYTES / 4 => SEGMENT_BYTES / 4,
        segments => factor * SEGMENT_BYTES * segments.max(1),
    };
    let mut offered = sizes.map(size).to_vec();
    offered.dedup();
    offered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(part_size_bytes: u64) -> Settings {
        Settings { part_size_bytes, concurrency: 1, parts_in_flight: 1 }
    }

    #[test]
    fn parts_below_5_mib_are_refused() {
        assert!(feasible(settings(PART_SIZE_MIN_BYTES), 1).is_ok());
        let refused = feasible(settings(PART_SIZE_MIN_BYTES - 1), 1).unwrap_err();
        assert!(refused.to_string().contains("at least 5MiB"), "{refused}");
    }

    #[test]
    fn a_file_of_ten_thousand_parts_fits_and_one_byte_more_does_not() {
        let part = 64 * MIB;
        assert!(feasible(settings(part), part * PART_COUNT_MAX).is_ok());
        let refused = feasible(settings(part), part * PART_COUNT_MAX + 1).unwrap_err();
        assert!(refused.to_string().contains("at least 128MiB"), "{refused}");
    }

    #[test]
    fn on_storj_whole_segments_are_offered() {
        assert_eq!(offered_part_sizes(true, GIB), [64 * MIB, 128 * MIB]);
        assert_eq!(offered_part_sizes(false, GIB), [16 * MIB, 64 * MIB]);
        assert_eq!(offered_part_sizes(true, 1 << 40), [128 * MIB, 256 * MIB]);
    }

    proptest! {
        #[test]
        fn what_is_offered_is_feasible(largest in 1_u64..5 << 40, has_segments: bool) {
            for size in offered_part_sizes(has_segments, largest) {
                prop_assert!(feasible(settings(size), largest).is_ok());
            }
        }

        #[test]
        fn the_part_size_of_the_hint_is_feasible(largest in 1_u64..5 << 40) {
            let least = largest.div_ceil(PART_COUNT_MAX).next_multiple_of(64 * MIB);
            prop_assert!(feasible(settings(least.max(PART_SIZE_MIN_BYTES)), largest).is_ok());
        }
    }
}
