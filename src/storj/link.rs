//! The link between a client and Storj, as a model with few parameters.
//!
//! What a request costs, beyond what the machine itself takes:
//!
//! - A new connection costs one round trip before its first request is read (TCP; TLS 1.3 would cost
//!   one more, but the embedded gateway speaks plain HTTP).
//! - Every request costs one round trip.
//! - A part (PutObject, UploadPart, GetObject) of S bytes costs `part_overhead` once: the satellite's
//!   begin and commit. On the way up it is paid before the answer, on the way down before the first
//!   byte.
//! - It also costs `segment_overhead` for each of its segments after the first: ceil(S / segment_size)
//!   - 1 of them. The body pauses while it crosses the boundary.
//! - Its bytes flow at min(`connection_rate`, the max-min fair share of `shared_rate`). Up and down
//!   are separate capacities.
//!
//! So a part alone on the link takes round_trip + part_overhead + (segments - 1) x segment_overhead +
//! S / min(connection_rate, shared_rate).
//!
//! **How the bytes are held to their rates.** A body takes quanta, one at a time, of at most
//! [`QUANTUM_BYTES`]. A quantum is due when both its connection's and the shared schedule have passed
//! it: each schedule is free again at max(free, asked) + bytes / rate. As every body has one quantum
//! outstanding, first-come-first-served on the shared schedule is round-robin among the bodies, which
//! is max-min fair: one held back by its connection leaves its share to the others.
//!
//! `asked` is when the body's previous quantum was due, not when its timer fired: timers are a
//! millisecond coarse, a quantum may be shorter, and counting from the late present would lose the
//! difference each time (it reaches only 0.19 to 0.84 of the rate). But a body that does not ask for
//! longer than [`CATCH_UP`] is idle, and idle time is not saved up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::clock::Instant;
use crate::units::{ByteSize, MIB, Rate};

/// Largest quantum a body should take at once.
pub const QUANTUM_BYTES: usize = 256 << 10;

/// How much lateness a body may make up for: ten ticks of tokio's timer.
const CATCH_UP: Duration = Duration::from_millis(10);

/// The parameters of the link. The default costs nothing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Time of one round trip.
    #[serde(deserialize_with = "duration")]
    pub round_trip: Duration,
    /// What one connection can carry, each way.
    #[serde(deserialize_with = "rate")]
    pub connection_rate: Option<Rate>,
    /// What all connections can carry together, each way.
    #[serde(deserialize_with = "rate")]
    pub shared_rate: Option<Rate>,
    /// What each part costs once.
    #[serde(deserialize_with = "duration")]
    pub part_overhead: Duration,
    /// What each segment of a part after the first costs.
    #[serde(deserialize_with = "duration")]
    pub segment_overhead: Duration,
    /// Bytes of a full segment. Never 0.
    #[serde(deserialize_with = "segment_size")]
    pub segment_size: ByteSize,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            round_trip: Duration::ZERO,
            connection_rate: None,
            shared_rate: None,
            part_overhead: Duration::ZERO,
            segment_overhead: Duration::ZERO,
            // `storj/storj` satellite/metainfo/config.go, MaxSegmentSize.
            segment_size: ByteSize(64 * MIB),
        }
    }
}

impl Model {
    /// Whether bodies are held back at all.
    pub fn paces(&self) -> bool {
        self.connection_rate.is_some()
            || self.shared_rate.is_some()
            || !self.segment_overhead.is_zero()
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(serde::de::Error::custom)
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn segment_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse() {
        Ok(ByteSize(0)) => Err(serde::de::Error::custom("segment_size must not be 0")),
        Ok(size) => Ok(size),
        Err(error) => Err(serde::de::Error::custom(error)),
    }
}

/// Which way the bytes flow, seen from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To Storj.
    Up,
    /// From Storj.
    Down,
}

/// A capacity that carries one quantum after another.
#[derive(Debug)]
struct Schedule {
    rate: Rate,
    free_at: Mutex<Instant>,
}

impl Schedule {
    fn new(rate: Rate) -> Self {
        Self { rate, free_at: Mutex::default() }
    }

    /// When a quantum that is asked for at `asked` has passed.
    fn carry(&self, asked: Instant, bytes: u64) -> Instant {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        *free_at = (*free_at).max(asked) + Duration::from_secs_f64(bytes as f64 / self.rate.0);
        *free_at
    }
}

/// Up and down, where there is a limit.
#[derive(Debug)]
struct BothWays {
    up: Option<Schedule>,
    down: Option<Schedule>,
}

impl BothWays {
    fn new(rate: Option<Rate>) -> Self {
        Self { up: rate.map(Schedule::new), down: rate.map(Schedule::new) }
    }

    fn carry(&self, direction: Direction, asked: Instant, bytes: u64) -> Instant {
        let schedule = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        schedule.as_ref().map_or(asked, |schedule| schedule.carry(asked, bytes))
    }
}

/// The link that all connections share.
#[derive(Debug)]
pub struct Link {
    model: Model,
    shared: BothWays,
}

impl Link {
    /// An idle link.
    pub fn new(model: Model) -> Arc<Self> {
        let shared = BothWays::new(model.shared_rate);
        Arc::new(Self { model, shared })
    }

    /// Its parameters.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// A new connection over this link.
    pub fn connect(self: &Arc<Self>) -> Arc<Lane> {
        let own = BothWays::new(self.model.connection_rate);
        Arc::new(Lane { link: Arc::clone(self), own })
    }
}

/// One connection's part of the link.
#[derive(Debug)]
pub struct Lane {
    link: Arc<Link>,
    own: BothWays,
}

impl Lane {
    /// The parameters of the link.
    pub fn model(&self) -> &Model {
        &self.link.model
    }

    /// A body that begins to flow now.
    pub fn flow(self: &Arc<Self>, direction: Direction, now: Instant) -> Flow {
        Flow { lane: Arc::clone(self), direction, due: now, bytes: 0 }
    }
}

/// The body of one part under way. For each quantum: ask [`Flow::pause`], wait that long, ask
/// [`Flow::carry`], wait until then.
#[derive(Debug)]
pub struct Flow {
    lane: Arc<Lane>,
    direction: Direction,
    /// When the previous step was due.
    due: Instant,
    /// Carried so far.
    bytes: u64,
}

impl Flow {
    /// Until when the body must pause before its next `bytes`, because they begin a new segment.
    pub fn pause(&mut self, now: Instant, bytes: u64) -> Instant {
        let model = self.lane.model();
        let segments = |bytes: u64| bytes.div_ceil(model.segment_size.0).max(1);
        let crossed = segments(self.bytes + bytes) - segments(self.bytes);
        if crossed == 0 || model.segment_overhead.is_zero() {
            return now;
        }
        let crossed = u32::try_from(crossed).unwrap_or(u32::MAX);
        self.due = now + model.segment_overhead.saturating_mul(crossed);
        self.due
    }

    /// When the next `bytes` have passed.
    pub fn carry(&mut self, now: Instant, bytes: u64) -> Instant {
        let late = now.since(self.due);
        let asked = self.due + late.saturating_sub(CATCH_UP);
        let own = self.lane.own.carry(self.direction, asked, bytes);
        let shared = self.lane.link.shared.carry(self.direction, asked, bytes);
        self.bytes += bytes;
        self.due = own.max(shared);
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{self, now, sleep};
    use futures::future::join_all;
    use proptest::prelude::*;

    fn model(connection_mb: f64, shared_mb: f64) -> Model {
        let rate = |mb: f64| (mb > 0.0).then_some(Rate(mb * 1e6));
        Model {
            connection_rate: rate(connection_mb),
            shared_rate: rate(shared_mb),
            ..Model::default()
        }
    }

    async fn wait_until(due: Instant) {
        sleep(due.since(now())).await;
    }

    /// Sends `bytes` in quanta and says how long it took.
    async fn send(lane: &Arc<Lane>, direction: Direction, bytes: u64) -> Duration {
        let start = now();
        let mut flow = lane.flow(direction, start);
        let mut left = bytes;
        while left > 0 {
            let quantum = left.min(QUANTUM_BYTES as u64);
            wait_until(flow.pause(now(), quantum)).await;
            wait_until(flow.carry(now(), quantum)).await;
            left -= quantum;
        }
        start.elapsed()
    }

    fn assert_within(actual: Duration, expected_s: f64, tolerance: f64) {
        let ratio = actual.as_secs_f64() / expected_s;
        assert!((ratio - 1.0).abs() <= tolerance, "{actual:?} instead of {expected_s} s");
    }

    #[test]
    fn a_body_alone_takes_its_bytes_over_the_smaller_rate() {
        for (connection, shared, expected_s) in
            [(100.0, 0.0, 1.0), (0.0, 50.0, 2.0), (100.0, 50.0, 2.0), (50.0, 100.0, 2.0)]
        {
            let link = Link::new(model(connection, shared));
            let took =
                clock::simulate(async { send(&link.connect(), Direction::Up, 100_000_000).await });
            assert_within(took, expected_s, 1e-6);
        }
    }

    #[test]
    fn each_segment_after_the_first_costs_its_overhead() {
        let overhead = Duration::from_millis(50);
        let model = Model { segment_overhead: overhead, ..model(64.0 * 1.048576, 0.0) };
        for (bytes, expected_s) in
            [(1, 0.0), (64 * MIB, 1.0), (64 * MIB + 1, 1.05), (128 * MIB, 2.05), (320 * MIB, 5.2)]
        {
            let link = Link::new(model.clone());
            let took = clock::simulate(async { send(&link.connect(), Direction::Up, bytes).await });
            assert!((took.as_secs_f64() - expected_s).abs() < 1e-4, "{bytes} bytes: {took:?}");
        }
    }

    #[test]
    fn a_pause_at_a_segment_does_not_hold_up_others_on_the_shared_link() {
        let overhead = Duration::from_secs(10);
        let model =
            Model { segment_overhead: overhead, segment_size: ByteSize(MIB), ..model(0.0, 100.0) };
        let link = Link::new(model);
        let took = clock::simulate(async {
            let pausing = async {
                let _ = send(&link.connect(), Direction::Up, 2 * MIB).await;
            };
            let other = async {
                sleep(Duration::from_secs(1)).await;
                send(&link.connect(), Direction::Up, MIB).await
            };
            futures::join!(pausing, other).1
        });
        assert_within(took, MIB as f64 / 100e6, 1e-6);
    }

    #[test]
    fn both_directions_have_the_full_rate_at_once() {
        let link = Link::new(model(100.0, 100.0));
        let lane = link.connect();
        let (up, down) = clock::simulate(async {
            futures::join!(
                send(&lane, Direction::Up, 100_000_000),
                send(&lane, Direction::Down, 100_000_000)
            )
        });
        assert_within(up, 1.0, 1e-6);
        assert_within(down, 1.0, 1e-6);
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let link = Link::new(model(100.0, 100.0));
        let lane = link.connect();
        let took = clock::simulate(async {
            sleep(Duration::from_secs(5)).await;
            send(&lane, Direction::Up, 1_000_000).await;
            sleep(Duration::from_secs(5)).await;
            send(&lane, Direction::Up, 1_000_000).await
        });
        assert_within(took, 0.01, 1e-6);
    }

    #[test]
    fn what_a_capped_body_leaves_goes_to_the_others() {
        // 300 MB/s for one body at 20 MB/s and four without a limit: 20 and 4 x 70.
        let link = Link::new(model(0.0, 300.0));
        let capped =
            Arc::new(Lane { link: Arc::clone(&link), own: BothWays::new(Some(Rate(20e6))) });
        let (capped, others) = clock::simulate(async {
            let uncapped = (0..4).map(|_| {
                let lane = link.connect();
                async move { send(&lane, Direction::Up, 140_000_000).await }
            });
            futures::join!(send(&capped, Direction::Up, 40_000_000), join_all(uncapped))
        });
        assert_within(capped, 2.0, 0.01);
        for other in others {
            assert_within(other, 2.0, 0.01);
        }
    }

    #[test]
    fn late_timers_do_not_lower_the_rate() {
        // Each wait ends at the next whole millisecond plus one, as tokio's do at worst.
        const TICK_NS: u128 = 1_000_000;
        let link = Link::new(model(1000.0, 0.0));
        let lane = link.connect();
        let took = clock::simulate(async {
            let start = now();
            let mut flow = lane.flow(Direction::Down, start);
            let mut due = start;
            for _ in 0..4000 {
                due = flow.carry(now(), QUANTUM_BYTES as u64);
                let wait_ns = due.since(now()).as_nanos();
                if wait_ns > 0 {
                    let ticks = wait_ns.div_ceil(TICK_NS) + 1;
                    sleep(Duration::from_nanos((ticks * TICK_NS) as u64)).await;
                }
            }
            due.since(start)
        });
        assert_within(took, 4000.0 * QUANTUM_BYTES as f64 / 1e9, 0.001);
    }

    #[test]
    fn a_model_is_read_from_toml() {
        let text = r#"
            round_trip = "20ms"
            connection_rate = "100MB/s"
            part_overhead = "50ms"
            segment_size = "32MiB"
        "#;
        let model: Model = toml::from_str(text).unwrap();
        let expected = Model {
            round_trip: Duration::from_millis(20),
            connection_rate: Some(Rate(100e6)),
            part_overhead: Duration::from_millis(50),
            segment_size: ByteSize(32 * MIB),
            ..Model::default()
        };
        assert_eq!(model, expected);
        for bad in ["segment_size = \"0\"", "round_trip = \"soon\"", "rtt = \"1ms\""] {
            assert!(toml::from_str::<Model>(bad).is_err(), "{bad} was read as a model");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn equal_bodies_share_the_link_equally_and_use_all_of_it(
            bodies in 1_usize..12,
            connection_mb in 10.0_f64..200.0,
            shared_mb in 50.0_f64..1000.0,
        ) {
            let bytes = 20_000_000;
            let link = Link::new(model(connection_mb, shared_mb));
            let took = clock::simulate(join_all((0..bodies).map(|_| {
                let lane = link.connect();
                async move { send(&lane, Direction::Down, bytes).await }
            })));
            let share = connection_mb.min(shared_mb / bodies as f64) * 1e6;
            for took in took {
                assert_within(took, bytes as f64 / share, 0.015);
            }
        }
    }
}
