//! What movers have to do for a dataset, counted: files, parts, segments, bytes.

use super::shape::Shape;
use crate::result::{Direction, Settings, SizeClass};
use crate::units::MIB;

/// Storj's segment (storj/storj satellite/metainfo/config.go, MaxSegmentSize).
const SEGMENT_BYTES: f64 = (64 * MIB) as f64;

/// How files are moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manner {
    /// Which way.
    pub direction: Direction,
    /// Part size, files and parts in flight.
    pub settings: Settings,
    /// Whether downloads are made of ranges of the part size; otherwise one GetObject a file.
    pub ranged: bool,
}

/// Of a whole dataset. Each count is a term of the model, in the order of [`Work::terms`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Files.
    pub files: f64,
    /// Files that are uploaded in parts: they have a Create and a Complete.
    pub multipart_files: f64,
    /// Requests after the first of their file that wait for the one before: with k parts in flight
    /// every k-th.
    pub further_parts: f64,
    /// Segments after the first of their request: they come one after the other.
    pub further_segments: f64,
    /// Bytes that a mover moves one after the other: those of k parts in flight count once.
    pub serial_bytes: f64,
    /// All bytes.
    pub bytes: f64,
    /// Calls to Storj's satellite.
    pub calls: f64,
    /// Requests of S3.
    pub requests: f64,
    /// Parts, and objects that have none.
    pub parts: f64,
    /// Segments that Storj stores.
    pub segments: f64,
}

impl Work {
    /// Of a dataset moved in this manner.
    pub fn of(shape: &Shape, manner: Manner) -> Self {
        shape.classes().iter().fold(Self::default(), |work, class| work.and(class, manner))
    }

    /// What costs time, as the model counts it.
    pub fn terms(&self) -> [f64; 5] {
        [
            self.files,
            self.multipart_files,
            self.further_parts,
            self.further_segments,
            self.serial_bytes,
        ]
    }

    fn and(self, class: &SizeClass, manner: Manner) -> Self {
        let one = Self::of_file(class.file_bytes, manner);
        let count = class.files;
        Self {
            files: self.files + count,
            multipart_files: self.multipart_files + count * one.multipart_files,
            further_parts: self.further_parts + count * one.further_parts,
            further_segments: self.further_segments + count * one.further_segments,
            serial_bytes: self.serial_bytes + count * one.serial_bytes,
            bytes: self.bytes + count * one.bytes,
            calls: self.calls + count * one.calls,
            requests: self.requests + count * one.requests,
            parts: self.parts + count * one.parts,
            segments: self.segments + count * one.segments,
        }
    }

    /// Of one file. The calls are those of `storj::Limiter`.
    pub fn of_file(bytes: f64, manner: Manner) -> Self {
        let part_bytes = manner.settings.part_size_bytes as f64;
        let in_flight = f64::from(manner.settings.parts_in_flight.max(1));
        let is_multipart = bytes > part_bytes;
        let parts = (bytes / part_bytes).ceil().max(1.0);
        let rounds = (parts / in_flight).ceil();
        let segments_of_part = (bytes.min(part_bytes) / SEGMENT_BYTES).ceil().max(1.0);
        let segments = segments_of_part * parts;
        let serial = |requests_are_parts: bool| if requests_are_parts { rounds } else { 1.0 };
        let all = Self { files: 1.0, bytes, parts, segments, ..Self::default() };
        match manner.direction {
            Direction::Up if is_multipart => Self {
                multipart_files: 1.0,
                further_parts: rounds - 1.0,
                further_segments: rounds * (segments_of_part - 1.0),
                serial_bytes: bytes * rounds / parts,
                calls: 1.0 + 2.0 * segments + 3.0,
                requests: parts + 2.0,
                ..all
            },
            Direction::Up => Self {
                further_segments: segments_of_part - 1.0,
                serial_bytes: bytes,
                calls: 2.0 + 2.0 * segments_of_part,
                requests: 1.0,
                ..all
            },
            Direction::Down => {
                let ranges = if manner.ranged { parts } else { 1.0 };
                let rounds = serial(manner.ranged);
                Self {
                    further_parts: rounds - 1.0,
                    further_segments: rounds * (segments / ranges - 1.0),
                    serial_bytes: if manner.ranged { bytes * rounds / parts } else { bytes },
                    calls: segments.max(ranges),
                    requests: ranges,
                    ..all
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner(direction: Direction, part_mib: u64, parts_in_flight: u32, ranged: bool) -> Manner {
        let settings =
            Settings { part_size_bytes: part_mib * MIB, concurrency: 4, parts_in_flight };
        Manner { direction, settings, ranged }
    }

    const MIB_F: f64 = MIB as f64;

    #[test]
    fn a_file_of_one_part_is_one_request_of_four_calls() {
        let work = Work::of_file(50e6, manner(Direction::Up, 64, 1, false));
        assert_eq!((work.requests, work.calls), (1.0, 4.0));
        assert_eq!(work.terms(), [1.0, 0.0, 0.0, 0.0, 50e6]);
    }

    #[test]
    fn parts_in_flight_wait_together() {
        let work = Work::of_file(1024.0 * MIB_F, manner(Direction::Up, 64, 4, false));
        assert_eq!(work.terms(), [1.0, 1.0, 3.0, 0.0, 256.0 * MIB_F]);
        assert_eq!((work.parts, work.segments, work.requests), (16.0, 16.0, 18.0));
    }

    #[test]
    fn a_whole_get_waits_for_each_segment_as_it_was_stored() {
        let down = |ranged| Work::of_file(256.0 * MIB_F, manner(Direction::Down, 64, 1, ranged));
        assert_eq!(down(false).terms(), [1.0, 0.0, 0.0, 3.0, 256.0 * MIB_F]);
        assert_eq!(down(true).terms(), [1.0, 0.0, 3.0, 0.0, 256.0 * MIB_F]);
        assert_eq!((down(false).calls, down(true).calls), (4.0, 4.0));
    }

    #[test]
    fn parts_of_two_segments_have_a_further_one_each() {
        let work = Work::of_file(512.0 * MIB_F, manner(Direction::Up, 128, 1, false));
        assert_eq!(work.terms(), [1.0, 1.0, 3.0, 4.0, 512.0 * MIB_F]);
    }
}
