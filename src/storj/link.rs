//! Bodies held to their rates in real time, quantum by quantum.
//!
//! A body takes quanta, one at a time, of at most [`QUANTUM_BYTES`]. A quantum is due when both its
//! connection's and the shared schedule have passed it: each schedule is free again `bytes / rate` after
//! max(free, asked). As every body has one quantum outstanding, first-come-first-served on the shared
//! schedule is round-robin among the bodies, which is max-min fair: one held back by its connection
//! leaves its share to the others. ([`super::FairLink`] divides the same link in simulated time.)
//! Where bodies crowd each other, the shared schedule takes longer for a quantum the more are under way.
//! The weather is that of the moment at which a schedule takes up a quantum.
//!
//! `asked` is when the body's previous quantum was due, not when its timer fired: timers are a
//! millisecond coarse, a quantum may be shorter, and counting from the late present would lose the
//! difference each time (it reaches only 0.19 to 0.84 of the rate). But a body that does not ask for
//! longer than [`CATCH_UP`] is idle, and idle time is not saved up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::course::{Course, Timing};
use super::model::{Capacity, Model};
use super::weather::Forecast;
use crate::clock::Instant;
use crate::result::Direction;

/// Largest quantum a body should take at once.
pub const QUANTUM_BYTES: usize = 256 << 10;

/// Of the waits for nodes and of the weather.
const SEED: u64 = 0;

/// How much lateness a body may make up for: ten ticks of tokio's timer.
const CATCH_UP: Duration = Duration::from_millis(10);

/// A capacity that carries one quantum after another.
#[derive(Debug)]
struct Schedule {
    capacity: Capacity,
    forecast: Forecast,
    free_at: Mutex<Instant>,
    /// Everyone who is under way on it has a clone.
    under_way: Arc<()>,
}

impl Schedule {
    fn new(capacity: Capacity, forecast: Forecast) -> Self {
        Self { capacity, forecast, free_at: Mutex::default(), under_way: Arc::default() }
    }

    /// When a quantum that is asked for at `asked` has passed.
    fn carry(&self, asked: Instant, bytes: u64) -> Instant {
        let rate = self.capacity.of(Arc::strong_count(&self.under_way) - 1);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = (*free_at).max(asked);
        let rate = rate.0 * self.forecast.factor(begins);
        *free_at = begins + Duration::from_secs_f64(bytes as f64 / rate);
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
    fn new(forecast: Forecast, capacity: impl Fn(Direction) -> Option<Capacity>) -> Self {
        let schedule =
            |direction| capacity(direction).map(|capacity| Schedule::new(capacity, forecast));
        Self { up: schedule(Direction::Up), down: schedule(Direction::Down) }
    }

    fn carry(&self, direction: Direction, asked: Instant, bytes: u64) -> Instant {
        self.one_way(direction).map_or(asked, |schedule| schedule.carry(asked, bytes))
    }

    fn one_way(&self, direction: Direction) -> Option<&Schedule> {
        match direction {
            Direction::Up => self.up.as_ref(),
            Direction::Down => self.down.as_ref(),
        }
    }
}

/// The link that all connections share.
#[derive(Debug)]
pub struct Link {
    timing: Arc<Timing>,
    shared: BothWays,
}

impl Link {
    /// An idle link.
    pub fn new(model: Model) -> Arc<Self> {
        let shared = BothWays::new(model.forecast(SEED), |direction| model.capacity(direction));
        Arc::new(Self { timing: Timing::new(model, SEED), shared })
    }

    /// A new connection over this link.
    pub fn connect(self: &Arc<Self>) -> Arc<Lane> {
        let model = self.timing.model();
        let own = BothWays::new(model.forecast(SEED), |_| model.stream_rate().map(Capacity::from));
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
        self.link.timing.model()
    }

    /// The body of a part on its way up.
    pub fn up(self: &Arc<Self>, now: Instant) -> Flow {
        self.flow(Course::up(&self.link.timing), now)
    }

    /// The body of an answer that carries so many bytes of each stored segment; all are full ones if
    /// that is not known.
    pub fn down(self: &Arc<Self>, segments: Vec<u64>, now: Instant) -> Flow {
        self.flow(Course::down(&self.link.timing, segments), now)
    }

    fn flow(self: &Arc<Self>, course: Course, now: Instant) -> Flow {
        let direction = course.direction();
        let shared = self.link.shared.one_way(direction);
        let under_way = shared.map(|schedule| Arc::clone(&schedule.under_way));
        let body = Arc::new(Mutex::new(Body { course, under_way }));
        Flow { lane: Arc::clone(self), direction, body, due: now }
    }
}

/// The body of one part under way. For each quantum: ask [`Flow::pause`], wait that long, ask
/// [`Flow::carry`], wait until then.
///
/// A clone is the same body, so that who hands its bytes on and who answers can both have it.
#[derive(Clone, Debug)]
pub struct Flow {
    lane: Arc<Lane>,
    direction: Direction,
    body: Arc<Mutex<Body>>,
    /// When the previous step was due.
    due: Instant,
}

#[derive(Debug)]
struct Body {
    course: Course,
    /// On the shared schedule, until its last byte has passed.
    under_way: Option<Arc<()>>,
}

impl Flow {
    /// From when an answer may begin; see [`Course::open`].
    pub fn open(&self, now: Instant, empty: bool) -> Instant {
        self.body().course.open(now, empty)
    }

    /// Until when the body must pause before its next `bytes`, because they begin a new segment.
    pub fn pause(&mut self, now: Instant, bytes: u64) -> Instant {
        let at = self.body().course.enter(now, bytes);
        if at > now {
            self.due = at;
        }
        at
    }

    /// When the next `bytes` have passed.
    pub fn carry(&mut self, now: Instant, bytes: u64) -> Instant {
        let late = now.since(self.due);
        let asked = self.due + late.saturating_sub(CATCH_UP);
        let own = self.lane.own.carry(self.direction, asked, bytes);
        let shared = self.lane.link.shared.carry(self.direction, asked, bytes);
        self.due = own.max(shared);
        self.due
    }

    /// When the answer to a body that has passed may be sent; see [`Course::close`].
    pub fn close(&self, now: Instant) -> Instant {
        let mut body = self.body();
        body.under_way = None;
        body.course.close(now)
    }

    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{self, now, sleep};
    use crate::units::{ByteSize, MIB, Rate};
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
        let mut flow = match direction {
            Direction::Up => lane.up(start),
            Direction::Down => lane.down(Vec::new(), start),
        };
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
        let capped = Arc::new(Lane {
            link: Arc::clone(&link),
            own: BothWays::new(Forecast::default(), |_| Some(Rate(20e6).into())),
        });
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
    fn bodies_that_crowd_each_other_carry_less_together_while_they_are_under_way() {
        // 120 MB/s alone; five share 120 / (1 + 0.05 x 4) = 100.
        let link = Link::new(Model { crowding: 0.05, ..model(0.0, 120.0) });
        let (all, alone) = clock::simulate(async {
            let bodies = (0..5).map(|_| {
                let lane = link.connect();
                async move { send(&lane, Direction::Up, 40_000_000).await }
            });
            let all = join_all(bodies).await;
            (all, send(&link.connect(), Direction::Up, 60_000_000).await)
        });
        for took in all {
            assert_within(took, 2.0, 0.015);
        }
        assert_within(alone, 0.5, 1e-6);
    }

    #[test]
    fn what_a_connection_and_what_all_carry_follow_the_weather() {
        // Of 200 MB in a period, two thirds pass in the better half: the mean of half a sine is 2 / pi.
        let weather = toml::from_str("drift = 0.5\nperiod = \"20s\"").ok();
        for (connection, shared) in [(10.0, 0.0), (0.0, 10.0), (20.0, 10.0)] {
            let link = Link::new(Model { weather, ..model(connection, shared) });
            let lane = link.connect();
            let (better, worse) = clock::simulate(async {
                let better = send(&lane, Direction::Up, 131_860_000).await;
                (better, send(&lane, Direction::Up, 68_140_000).await)
            });
            assert_within(better, 10.0, 0.005);
            assert_within(worse, 10.0, 0.005);
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
            let mut flow = lane.down(Vec::new(), start);
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
