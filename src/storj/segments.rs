//! Segments: the units in which Storj stores a part, and fetches it again.

use std::ops::Range;

use super::object::{Object, Piece};

impl<C> Object<C> {
    /// The pieces that `range` touches, each with its own part of the range.
    pub fn touched(&self, range: Range<u64>) -> impl Iterator<Item = (&Piece<C>, Range<u64>)> {
        let mut start = 0;
        self.pieces.iter().filter_map(move |piece| {
            let piece_start = start;
            start += piece.size_bytes;
            let from = range.start.max(piece_start);
            let to = range.end.min(start);
            (from < to).then(|| (piece, from - piece_start..to - piece_start))
        })
    }
}

/// What of each segment an answer carries, in bytes: `ranges` are those of the pieces it touches. Each
/// piece was cut into segments from its own beginning.
pub fn segments_of(ranges: impl IntoIterator<Item = Range<u64>>, segment_bytes: u64) -> Vec<u64> {
    let mut lengths = Vec::new();
    for Range { mut start, end } in ranges {
        while start < end {
            let boundary = (start / segment_bytes + 1) * segment_bytes;
            lengths.push(boundary.min(end) - start);
            start = boundary;
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::storj::Attributes;
    use crate::units::MIB;
    use proptest::prelude::*;

    fn object(sizes: &[u64]) -> Object<()> {
        Object {
            etag: String::new(),
            modified: SystemTime::UNIX_EPOCH,
            attributes: Attributes::default(),
            pieces: sizes.iter().map(|size| Piece { size_bytes: *size, content: () }).collect(),
        }
    }

    fn segments(sizes: &[u64], range: Range<u64>, segment_bytes: u64) -> Vec<u64> {
        segments_of(object(sizes).touched(range).map(|(_, range)| range), segment_bytes)
    }

    #[test]
    fn the_layout_of_the_upload_decides_how_many_segments_a_download_has() {
        let whole = 0..100 * MIB;
        assert_eq!(segments(&[100 * MIB], whole.clone(), 64 * MIB), [64 * MIB, 36 * MIB]);
        assert_eq!(segments(&[5 * MIB; 20], whole, 64 * MIB), [5 * MIB; 20]);
    }

    #[test]
    fn a_range_touches_only_the_segments_it_lies_in() {
        assert_eq!(segments(&[100, 100], 90..110, 64), [10, 10]);
        assert_eq!(segments(&[100, 100], 60..70, 64), [4, 6]);
        assert_eq!(segments(&[100], 100..100, 64), [0; 0]);
    }

    proptest! {
        #[test]
        fn segments_add_up_and_none_is_larger_than_a_segment(
            sizes in prop::collection::vec(0_u64..300, 0..6),
            (from, to) in (0_u64..1500, 0_u64..1500),
            segment_bytes in 1_u64..100,
        ) {
            let size: u64 = sizes.iter().sum();
            let (from, to) = (from.min(to).min(size), from.max(to).min(size));
            let lengths = segments(&sizes, from..to, segment_bytes);
            prop_assert_eq!(lengths.iter().sum::<u64>(), to - from);
            prop_assert!(lengths.iter().all(|length| (1..=segment_bytes).contains(length)));
        }
    }
}
