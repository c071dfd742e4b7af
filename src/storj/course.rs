//! The waits of one part, in the order in which they come. Told what happens and when; reads no clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::vec;

use super::model::Model;
use super::nodes::OrderStatistic;
use crate::clock::Instant;
use crate::result::Direction;

/// Segments of at most so many bytes are kept by the satellite itself: no nodes
/// (`storj/storj` satellite/metainfo/config.go, MaxInlineSegmentSize).
const INLINE_BYTES: u64 = 4 << 10;

/// The model, ready to be drawn from.
#[derive(Debug)]
pub struct Timing {
    model: Model,
    up: Option<OrderStatistic>,
    down: Option<OrderStatistic>,
    random: Mutex<fastrand::Rng>,
}

impl Timing {
    /// The same seed draws the same times.
    pub fn new(model: Model, seed: u64) -> Arc<Self> {
        let wait = |direction| model.nodes.as_ref().map(|nodes| nodes.wait(direction));
        let (up, down) = (wait(Direction::Up), wait(Direction::Down));
        Arc::new(Self { model, up, down, random: Mutex::new(fastrand::Rng::with_seed(seed)) })
    }

    /// Its parameters.
    pub fn model(&self) -> &Model {
        &self.model
    }

    fn nodes_wait(&self, direction: Direction, segment_bytes: u64) -> Duration {
        let wait = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        match wait {
            Some(wait) if segment_bytes > INLINE_BYTES => {
                let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
                wait.at(random.f64())
            }
            _ => Duration::ZERO,
        }
    }
}

/// One part on its way.
///
/// First [`Course::open`]; then for each piece of the body [`Course::enter`] before it flows; at the end
/// [`Course::close`]. Each says until when to wait.
#[derive(Debug)]
pub struct Course {
    timing: Arc<Timing>,
    direction: Direction,
    segments: Segments,
    /// Up: when segments on their way to the nodes will be committed.
    commits: Vec<Instant>,
}

/// Where the segments of a body end.
#[derive(Debug)]
struct Segments {
    /// Lengths that are known; full ones follow.
    known: vec::IntoIter<u64>,
    /// Bytes of the current segment.
    current: u64,
    /// Of these, how many are still to come.
    left: u64,
    /// From when it could flow.
    flows_from: Instant,
    begun: u32,
}

impl Course {
    /// A part on its way up.
    pub fn up(timing: &Arc<Timing>) -> Self {
        Self::new(timing, Direction::Up, Vec::new())
    }

    /// An answer that carries so many bytes of each segment. Where these are not known, the list is
    /// empty: then all segments are full.
    pub fn down(timing: &Arc<Timing>, segments: Vec<u64>) -> Self {
        Self::new(timing, Direction::Down, segments)
    }

    fn new(timing: &Arc<Timing>, direction: Direction, known: Vec<u64>) -> Self {
        let flows_from = Instant::default();
        let known = known.into_iter();
        let segments = Segments { known, current: 0, left: 0, flows_from, begun: 0 };
        Self { timing: Arc::clone(timing), direction, segments, commits: Vec::new() }
    }

    /// Which way.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// From when an answer may begin. `empty` says that it carries nothing.
    pub fn open(&mut self, now: Instant, empty: bool) -> Instant {
        match self.direction {
            Direction::Up => now,
            Direction::Down => {
                let opened = now + self.timing.model.before_first_byte();
                if empty { opened } else { self.begin_segment(opened, Duration::ZERO) }
            }
        }
    }

    /// Bytes until the next segment begins; those of the next segment, if it is about to.
    pub fn to_boundary(&self) -> u64 {
        match self.segments.left {
            0 => self.next_length(),
            left => left,
        }
    }

    /// From when the next `bytes` may flow.
    pub fn enter(&mut self, now: Instant, bytes: u64) -> Instant {
        let mut at = now;
        let mut bytes = bytes;
        while bytes > self.segments.left {
            bytes -= self.segments.left;
            let ahead = self.read_ahead(at);
            self.end_segment(at);
            at = self.begin_segment(at, ahead);
        }
        self.segments.left -= bytes;
        at
    }

    /// When the answer may be sent (up) or ends (down): the last byte has passed at `now`.
    pub fn close(&mut self, now: Instant) -> Instant {
        // The last segment may be shorter than it could have been.
        self.segments.current -= self.segments.left;
        self.segments.left = 0;
        self.end_segment(now);
        match self.direction {
            Direction::Down => now,
            Direction::Up => {
                let committed = self.commits.drain(..).fold(now, Instant::max);
                committed + self.timing.model.part_overhead
            }
        }
    }

    fn next_length(&self) -> u64 {
        let next = self.segments.known.as_slice().first();
        next.copied().unwrap_or(self.timing.model.segment_size.0)
    }

    /// How long the last bytes of a segment that ends now were on their way after the gateway had read them.
    fn read_ahead(&self, now: Instant) -> Duration {
        let Segments { current, flows_from, .. } = self.segments;
        if current == 0 {
            return Duration::ZERO;
        }
        let share = self.timing.model.read_ahead.0 as f64 / current as f64;
        now.since(flows_from).mul_f64(share.min(1.0))
    }

    /// On the way down it was asked for so long `ahead` of now.
    fn begin_segment(&mut self, now: Instant, ahead: Duration) -> Instant {
        let length = self.next_length();
        self.segments.known.next();
        self.segments.current = length;
        self.segments.left = length;
        self.segments.begun += 1;
        let overhead = match self.segments.begun {
            1 => Duration::ZERO,
            _ => self.timing.model.segment_overhead,
        };
        let flows_from = match self.direction {
            Direction::Up => self.when_there_is_room(now) + overhead,
            Direction::Down => {
                let wait = overhead + self.timing.nodes_wait(Direction::Down, length);
                now + wait.saturating_sub(ahead)
            }
        };
        self.segments.flows_from = flows_from;
        flows_from
    }

    /// When fewer segments than may be are on their way to the nodes.
    fn when_there_is_room(&mut self, now: Instant) -> Instant {
        let Some(nodes) = &self.timing.model.nodes else { return now };
        self.commits.retain(|commit| *commit > now);
        if self.commits.len() < nodes.segments_in_flight() as usize {
            return now;
        }
        let first = self.commits.iter().enumerate().min_by_key(|(_, commit)| **commit);
        first.map(|(place, _)| place).map_or(now, |place| self.commits.swap_remove(place))
    }

    fn end_segment(&mut self, now: Instant) {
        if self.direction == Direction::Up && self.segments.current > 0 {
            let tail = self.timing.nodes_wait(Direction::Up, self.segments.current);
            if !tail.is_zero() {
                self.commits.push(now + tail);
            }
        }
        self.segments.current = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storj::Nodes;
    use crate::units::{ByteSize, MIB};

    /// Every piece takes `latency_ms`, so that nothing is left to chance.
    fn timing(total: u32, latency_ms: u64) -> Arc<Timing> {
        let latency = Duration::from_millis(latency_ms);
        let nodes = Nodes { required: 1, optimal: total, total, latency, spread: 0.0 };
        let model = Model {
            part_overhead: Duration::from_millis(7),
            segment_overhead: Duration::from_millis(5),
            segment_size: ByteSize(MIB),
            nodes: Some(nodes),
            ..Model::default()
        };
        Timing::new(model, 0)
    }

    /// Bytes flow in `ms` for each mebibyte. When it is over, in milliseconds.
    fn course_ms(mut course: Course, bytes: u64, ms: u64) -> u128 {
        let start = Instant::default();
        let mut now = course.open(start, bytes == 0);
        let mut left = bytes;
        while left > 0 {
            let chunk = left.min(course.to_boundary());
            now = course.enter(now, chunk)
                + Duration::from_millis(ms).mul_f64(chunk as f64 / MIB as f64);
            left -= chunk;
        }
        course.close(now).since(start).as_millis()
    }

    #[test]
    fn an_upload_waits_for_the_nodes_of_its_last_segment() {
        assert_eq!(course_ms(Course::up(&timing(10, 50)), 4 * MIB, 100), 4 * 100 + 3 * 5 + 50 + 7);
        assert_eq!(course_ms(Course::up(&timing(10, 50)), 0, 100), 7);
    }

    #[test]
    fn an_upload_stalls_when_too_many_segments_are_on_their_way() {
        // Of 110 pieces, two segments fit the 300 in flight: a segment every 500 ms, two at a time.
        let took = course_ms(Course::up(&timing(110, 1000)), 8 * MIB, 0);
        assert!((4 * 1000..4 * 1000 + 60).contains(&took), "{took} ms");
        // Of 10 pieces, ten segments do: nothing stalls.
        assert_eq!(course_ms(Course::up(&timing(10, 1000)), 8 * MIB, 0), 7 * 5 + 1000 + 7);
    }

    #[test]
    fn a_download_waits_for_the_nodes_of_each_segment() {
        let timing = timing(10, 50);
        let whole = Course::down(&timing, vec![MIB, MIB]);
        assert_eq!(course_ms(whole, 2 * MIB, 100), 7 + 2 * 50 + 5 + 2 * 100);
        let parts = Course::down(&timing, vec![MIB / 4; 8]);
        assert_eq!(course_ms(parts, 2 * MIB, 100), 7 + 8 * 50 + 7 * 5 + 2 * 100);
        assert_eq!(course_ms(Course::down(&timing, Vec::new()), 0, 100), 7);
    }

    #[test]
    fn a_download_that_reads_ahead_waits_only_for_what_its_last_bytes_do_not_hide() {
        let course = |read_ahead| {
            let model = Model { read_ahead: ByteSize(read_ahead), ..timing(10, 50).model.clone() };
            Course::down(&Timing::new(model, 0), vec![MIB; 4])
        };
        // A segment takes 100 ms to flow, and 55 ms are waited for each of the three after the first.
        let (first, flowing) = (7 + 50, 4 * 100);
        assert_eq!(course_ms(course(0), 4 * MIB, 100), first + flowing + 3 * 55);
        assert_eq!(course_ms(course(MIB / 2), 4 * MIB, 100), first + flowing + 3 * 5);
        assert_eq!(course_ms(course(MIB), 4 * MIB, 100), first + flowing);
        assert_eq!(
            course_ms(course(100 * MIB), 4 * MIB, 20),
            first + 4 * 20 + 3 * 35,
            "one at most"
        );
    }

    #[test]
    fn a_download_pays_for_its_call_and_an_upload_for_begin_and_commit() {
        let model = Model {
            part_overhead: Duration::from_millis(80),
            get_overhead: Some(Duration::from_millis(10)),
            ..Model::default()
        };
        let timing = Timing::new(model, 0);
        assert_eq!(course_ms(Course::up(&timing), MIB, 100), 180);
        assert_eq!(course_ms(Course::down(&timing, vec![MIB]), MIB, 100), 110);
    }

    #[test]
    fn what_the_satellite_keeps_itself_needs_no_nodes() {
        let timing = timing(10, 50);
        assert_eq!(course_ms(Course::up(&timing), INLINE_BYTES, 0), 7);
        assert_eq!(course_ms(Course::up(&timing), INLINE_BYTES + 1, 0), 57);
        assert_eq!(course_ms(Course::down(&timing, vec![INLINE_BYTES]), INLINE_BYTES, 0), 7);
    }
}
