//! Now and sleep, real or simulated. Nothing else in the engine asks for the time.
//!
//! Inside [`simulate`] a thread's time stands still until every future waits, then jumps to the next
//! instant at which one of them wakes: exact to the nanosecond, deterministic, and as fast as the
//! processor allows. (tokio's paused clock rounds each sleep up to a millisecond, which is too coarse
//! for parts of a few milliseconds.) Elsewhere time is tokio's and the operating system's.

#![allow(clippy::disallowed_methods, reason = "this is where time comes from")]

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::error::{Error, Result};

/// A point in time: nanoseconds since the process first asked (real) or since the simulation began.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Instant(u64);

impl Instant {
    /// Time from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanoseconds_since(earlier))
    }

    /// The same as a number, for arithmetic that is done per attempt.
    pub fn nanoseconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Time from here until now.
    pub fn elapsed(self) -> Duration {
        now().since(self)
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }
}

/// 584 years fit; what is longer is as good as for ever.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

thread_local! {
    static SIMULATION: RefCell<Option<Rc<Simulation>>> = const { RefCell::new(None) };
}

/// One origin for all threads, so that their instants compare.
static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// The present.
pub fn now() -> Instant {
    SIMULATION.with_borrow(|simulation| match simulation {
        Some(simulation) => Instant(simulation.now.get()),
        None => Instant(nanoseconds(ORIGIN.elapsed())),
    })
}

/// Whether time is simulated: then no other thread can be waited for.
pub fn is_simulated() -> bool {
    SIMULATION.with_borrow(Option::is_some)
}

/// The date. That of a simulation begins in 1970 with its clock.
pub fn calendar() -> SystemTime {
    match is_simulated() {
        true => SystemTime::UNIX_EPOCH + now().since(Instant::default()),
        false => SystemTime::now(),
    }
}

/// Time as it passes for people, also inside [`simulate`]: only for what a simulation itself costs.
pub fn real() -> std::time::Instant {
    std::time::Instant::now()
}

/// Sees that the machine's clock shows a time that has a date: requests are signed with it, results are named by it.
///
/// # Errors
/// If it is before 1970 or after 9999.
pub fn check_date() -> Result<()> {
    date_of(SystemTime::now()).map(drop)
}

/// The date and time of the machine's clock in UTC; the first of 1970 when it has none (see [`check_date`]).
pub fn date() -> OffsetDateTime {
    date_of(SystemTime::now()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `20260101T000000Z`, as signatures and names of runs have times: the basic format of ISO 8601.
pub const BASIC_FORMAT: &[FormatItem<'static>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// A time to the second, as RFC 3339 writes it; `None` before 1970 and after 9999.
pub fn rfc3339(time: SystemTime) -> Option<String> {
    date_of(time).ok()?.format(&Rfc3339).ok()
}

/// What [`rfc3339`] writes, and fractions of seconds and other time zones beside it.
pub fn read_rfc3339(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(SystemTime::from)
}

/// RFC 3339 has years of four digits, and signatures and objects no time before 1970.
fn date_of(time: SystemTime) -> Result<OffsetDateTime> {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).ok();
    let date = since_1970.and_then(|since| {
        let seconds = i64::try_from(since.as_secs()).ok()?;
        OffsetDateTime::from_unix_timestamp(seconds).ok()
    });
    date.ok_or_else(|| {
        Error::environment("this machine's clock shows a time before 1970 or after 9999")
            .hint("set it, such as with `timedatectl set-ntp true`: endpoints refuse what is signed with a wrong time")
    })
}

/// How often simulated time has moved somebody so far; 0 outside of [`simulate`].
pub fn events() -> u64 {
    SIMULATION.with_borrow(|simulation| simulation.as_ref().map_or(0, |s| s.events.get()))
}

/// Waits for `duration`.
pub fn sleep(duration: Duration) -> Sleep {
    SIMULATION.with_borrow(|simulation| match simulation {
        Some(simulation) => Sleep::Simulated(SimulatedSleep {
            until: simulation.now.get().saturating_add(nanoseconds(duration)),
            alarm: None,
        }),
        None => Sleep::Real(Box::pin(tokio::time::sleep(duration))),
    })
}

/// The future of [`sleep`].
pub enum Sleep {
    /// On tokio's timer.
    Real(Pin<Box<tokio::time::Sleep>>),
    /// On the simulation's heap.
    Simulated(SimulatedSleep),
}

/// A timer for sockets, which are never in simulated time: it is set anew without an allocation.
#[derive(Debug)]
pub struct Timer(Pin<Box<tokio::time::Sleep>>);

impl Timer {
    /// One that is over. Call it within a tokio runtime.
    pub fn over() -> Self {
        Self(Box::pin(tokio::time::sleep(Duration::ZERO)))
    }

    /// Goes off after `duration`.
    pub fn set(&mut self, duration: Duration) {
        self.0.as_mut().reset(tokio::time::Instant::now() + duration);
    }

    /// Ready when it has gone off.
    pub fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

/// A place on the simulation's heap.
pub struct SimulatedSleep {
    until: u64,
    alarm: Option<Rc<Alarm>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut *self {
            Self::Real(sleep) => sleep.as_mut().poll(context),
            Self::Simulated(sleep) => SIMULATION.with_borrow(|simulation| {
                let simulation =
                    simulation.as_ref().expect("a simulated sleep is polled inside `simulate`");
                simulation.poll_sleep(sleep, context)
            }),
        }
    }
}

impl Drop for SimulatedSleep {
    fn drop(&mut self) {
        // The heap's entry stays and finds nobody to wake: cheaper than searching for it.
        if let Some(alarm) = &self.alarm {
            alarm.waker.take();
        }
    }
}

struct Simulation {
    /// Whether the whole is to be polled.
    woken: Arc<WokenFlag>,
    now: Cell<u64>,
    alarms_set: Cell<u64>,
    events: Cell<u64>,
    alarms: RefCell<BinaryHeap<Reverse<Entry>>>,
}

struct Alarm {
    waker: Cell<Option<Waker>>,
}

/// Ordered by time, then by the order in which they were set.
struct Entry {
    at: (u64, u64),
    alarm: Rc<Alarm>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Simulation {
    fn poll_sleep(&self, sleep: &mut SimulatedSleep, context: &Context<'_>) -> Poll<()> {
        if self.now.get() >= sleep.until {
            return Poll::Ready(());
        }
        let waker = Cell::new(Some(context.waker().clone()));
        match &sleep.alarm {
            Some(alarm) => alarm.waker.swap(&waker),
            None => {
                let alarm = Rc::new(Alarm { waker });
                let order = self.alarms_set.replace(self.alarms_set.get() + 1);
                let entry = Entry { at: (sleep.until, order), alarm: Rc::clone(&alarm) };
                self.alarms.borrow_mut().push(Reverse(entry));
                sleep.alarm = Some(alarm);
            }
        }
        Poll::Pending
    }

    /// Goes to the next instant at which somebody still waits and wakes all who wait for it.
    fn advance(&self) -> bool {
        let mut woken = false;
        loop {
            let mut alarms = self.alarms.borrow_mut();
            let Some(Reverse(next)) = alarms.peek() else { return woken };
            let time = next.at.0;
            if woken && time > self.now.get() {
                return true;
            }
            let waker = alarms.pop().and_then(|Reverse(entry)| entry.alarm.waker.take());
            drop(alarms);
            if let Some(waker) = waker {
                self.now.set(time);
                self.events.set(self.events.get() + 1);
                waker.wake();
                woken = true;
            }
        }
    }
}

struct WokenFlag(AtomicBool);

impl Wake for WokenFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `future` to its end in simulated time, on this thread.
///
/// # Panics
/// If the future waits for something other than simulated time (a socket, another thread): that
/// would never come. Also if simulations are nested.
pub fn simulate<F: Future>(future: F) -> F::Output {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            SIMULATION.set(None);
        }
    }
    let woken = Arc::new(WokenFlag(AtomicBool::new(true)));
    let simulation = Rc::new(Simulation {
        woken: Arc::clone(&woken),
        now: Cell::new(0),
        alarms_set: Cell::new(0),
        events: Cell::new(0),
        alarms: RefCell::default(),
    });
    let outer = SIMULATION.replace(Some(Rc::clone(&simulation)));
    assert!(outer.is_none(), "simulations do not nest");
    let leave = Leave;

    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        while woken.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                drop(leave);
                return output;
            }
        }
        assert!(simulation.advance(), "nobody waits for a time: the simulation would never end");
    }
}

/// A part of a simulation in which time goes on for as long as that wakes nobody outside of it: who waits
/// around the part, for a tick or the user's interrupt, is not asked at each of its events.
pub struct Apart<F: ?Sized> {
    part: Pin<Box<F>>,
    /// All others have been polled since time last stood still for them: it may go on.
    others_wait: bool,
}

impl<F: Future + ?Sized> Apart<F> {
    /// # Panics
    /// When it is polled outside of [`simulate`].
    pub fn new(part: Pin<Box<F>>) -> Self {
        Self { part, others_wait: false }
    }
}

/// Wakes a part: by itself while it is polled, and from outside when another part lets time go on.
struct PartWoken {
    flag: AtomicBool,
    is_away: AtomicBool,
    outside: Waker,
}

impl Wake for PartWoken {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, Ordering::Relaxed);
        if self.is_away.load(Ordering::Relaxed) {
            self.outside.wake_by_ref();
        }
    }
}

impl<F: Future + ?Sized> Future for Apart<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, outside: &mut Context<'_>) -> Poll<F::Output> {
        let simulation = SIMULATION.with_borrow(Option::clone);
        let simulation = simulation.expect("a part of a simulation is polled inside `simulate`");
        let woken = Arc::new(PartWoken {
            flag: AtomicBool::new(true),
            is_away: AtomicBool::new(false),
            outside: outside.waker().clone(),
        });
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        loop {
            while woken.flag.swap(false, Ordering::Relaxed) {
                if let Poll::Ready(output) = self.part.as_mut().poll(&mut context) {
                    return Poll::Ready(output);
                }
            }
            if !self.others_wait {
                self.others_wait = true;
                woken.is_away.store(true, Ordering::Relaxed);
                outside.waker().wake_by_ref();
                return Poll::Pending;
            }
            if simulation.woken.0.load(Ordering::Relaxed) || !simulation.advance() {
                self.others_wait = false;
                woken.is_away.store(true, Ordering::Relaxed);
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use futures::stream::FuturesUnordered;

    #[test]
    fn a_clock_without_a_date_gets_a_sentence() {
        let second = Duration::from_secs(1);
        let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
        let time = SystemTime::UNIX_EPOCH + 3 * second / 2;
        assert_eq!(date_of(time).unwrap().unix_timestamp(), 1);
        assert_eq!(date_of(last).unwrap().year(), 9999);
        for time in
            [SystemTime::UNIX_EPOCH - second, last + second, last + Duration::from_secs(1 << 62)]
        {
            let error = date_of(time).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.next_step().is_some(), "{error}");
        }
    }

    #[test]
    fn parts_beside_each_other_keep_the_same_time() {
        let ends = simulate(async {
            let part = |steps: u64, step_s: u64| {
                Apart::new(Box::pin(async move {
                    let mut times = Vec::new();
                    for _ in 0..steps {
                        sleep(Duration::from_secs(step_s)).await;
                        times.push(now().since(Instant::default()).as_secs());
                    }
                    times
                }))
            };
            futures::join!(part(5, 2), part(3, 3))
        });
        assert_eq!(ends, (vec![2, 4, 6, 8, 10], vec![3, 6, 9]));
    }

    #[test]
    fn simulated_sleep_is_exact_to_the_nanosecond() {
        let duration = Duration::from_nanos(1_250_000_001);
        let slept = simulate(async {
            let start = now();
            sleep(duration).await;
            start.elapsed()
        });
        assert_eq!(slept, duration);
    }

    #[test]
    fn sleepers_wake_in_order_of_time_then_of_arrival() {
        let order = simulate(async {
            let sleeper = |name: u32, ms: u64| async move {
                sleep(Duration::from_millis(ms)).await;
                name
            };
            let sleepers: FuturesUnordered<_> =
                [sleeper(1, 30), sleeper(2, 10), sleeper(3, 30), sleeper(4, 20)]
                    .into_iter()
                    .collect();
            sleepers.collect::<Vec<_>>().await
        });
        assert_eq!(order, [2, 4, 1, 3]);
    }

    #[test]
    fn who_waits_around_a_part_is_woken_in_time_and_only_then() {
        let (polls, ticks) = (Cell::new(0), Cell::new(Vec::new()));
        let end = simulate(async {
            let mut part = Apart::new(Box::pin(async {
                for _ in 0..1000 {
                    sleep(Duration::from_millis(10)).await;
                }
            }));
            let part = std::future::poll_fn(|context| {
                polls.set(polls.get() + 1);
                Pin::new(&mut part).poll(context)
            });
            let around = async {
                loop {
                    sleep(Duration::from_millis(2500)).await;
                    ticks.set([ticks.take(), vec![now().0 / 1_000_000]].concat());
                }
            };
            tokio::select! {
                biased;
                () = part => {}
                () = around => {}
            }
            now()
        });
        assert_eq!(end, Instant::default() + Duration::from_secs(10));
        assert_eq!(ticks.take(), [2500, 5000, 7500]);
        assert!(polls.get() <= 10, "polled {} times from outside", polls.get());
    }

    #[test]
    fn a_dropped_sleep_does_not_move_the_clock() {
        let end = simulate(async {
            let long = sleep(Duration::from_secs(3600));
            let short = sleep(Duration::from_secs(1));
            futures::future::select(long, short).await;
            now()
        });
        assert_eq!(end, Instant::default() + Duration::from_secs(1));
    }
}
